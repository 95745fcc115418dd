output "ids" {
  value = { for name, secret in google_secret_manager_secret.named : name => secret.secret_id }
}
