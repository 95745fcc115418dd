output "ids" {
  description = "Each key, once it may be used."
  value       = { for name, key in google_kms_crypto_key.this : name => key.id }
  depends_on  = [google_kms_crypto_key_iam_member.user]
}
