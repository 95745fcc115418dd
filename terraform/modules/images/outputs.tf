output "images" {
  description = "What an image's name begins with."
  value       = local.images
}

output "instructions" {
  description = "What `make images` needs (infra/images.py)."
  value = {
    bucket          = google_storage_bucket.bundles.name
    images          = local.images
    service_account = "projects/${var.project}/serviceAccounts/${local.email}"
  }
}

locals {
  images = "${var.region}-docker.pkg.dev/${var.project}/${google_artifact_registry_repository.functions.repository_id}"
}
