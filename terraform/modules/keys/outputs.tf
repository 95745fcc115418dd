output "personal_data" {
  value = google_kms_crypto_key.personal_data.id
}
