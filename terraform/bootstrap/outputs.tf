output "state_bucket" {
  value = google_storage_bucket.state.name
}

output "deployer" {
  description = "For the variable DEPLOYER of the GitHub environment."
  value       = google_service_account.deployer.email
}

output "identity_provider" {
  description = "For the variable IDENTITY_PROVIDER of the GitHub environment."
  value       = google_iam_workload_identity_pool_provider.repository.name
}
