# The key that wraps the data key of each person. Destroying a data key erases its person; this key is never destroyed.

resource "google_kms_key_ring" "marquee" {
  name     = "marquee"
  location = var.region
}

resource "google_kms_crypto_key" "personal_data" {
  name            = "personal-data"
  key_ring        = google_kms_key_ring.marquee.id
  purpose         = "ENCRYPT_DECRYPT"
  rotation_period = "7776000s"

  version_template {
    algorithm        = "GOOGLE_SYMMETRIC_ENCRYPTION"
    protection_level = "SOFTWARE"
  }

  lifecycle {
    prevent_destroy = true
  }
}
