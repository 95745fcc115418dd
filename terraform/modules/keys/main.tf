# Keys of our own, for what would hurt most where others read it: the secrets, and what people upload. Whoever disables
# a key's versions shuts all of it at once. Firestore keeps Google's keys: it takes others only when it is made.

locals {
  # Who encrypts with each key, in its own name and only for what it keeps.
  users = {
    secrets = "serviceAccount:service-${var.project_number}@gcp-sa-secretmanager.iam.gserviceaccount.com"
    media   = data.google_storage_project_service_account.this.member
  }
}

# Asking for it also makes it.
data "google_storage_project_service_account" "this" {}

resource "google_kms_key_ring" "marquee" {
  name     = "marquee"
  location = var.region
}

resource "google_kms_crypto_key" "this" {
  for_each = local.users

  name            = each.key
  key_ring        = google_kms_key_ring.marquee.id
  purpose         = "ENCRYPT_DECRYPT"
  rotation_period = "7776000s"
  # What is destroyed by mistake can be had back for a month.
  destroy_scheduled_duration = "2592000s"

  version_template {
    algorithm        = "GOOGLE_SYMMETRIC_ENCRYPTION"
    protection_level = "SOFTWARE"
  }

  lifecycle {
    prevent_destroy = true
  }
}

resource "google_kms_crypto_key_iam_member" "user" {
  for_each = local.users

  crypto_key_id = google_kms_crypto_key.this[each.key].id
  role          = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
  member        = each.value
}
