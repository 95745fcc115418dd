# Where bundles become images: a bucket with the zips, a registry with the images, and the account that makes one from
# the other (terraform/build.yaml, `make images`). Terraform itself builds nothing.

resource "google_storage_bucket" "bundles" {
  #checkov:skip=CKV_GCP_62:Usage logs hold the addresses of people; Cloud Audit Logs say who changed what.
  #checkov:skip=CKV_GCP_78:The name of an object is its content's digest: nothing is ever written over.

  name                        = "${var.project}-bundles"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = true
}

resource "google_storage_bucket_object" "bundle" {
  for_each = var.bundles

  bucket = google_storage_bucket.bundles.name
  name   = each.value.file
  source = each.value.path
}

resource "google_artifact_registry_repository" "functions" {
  #checkov:skip=CKV_GCP_84:The images hold our published code and no data; Google's own encryption is enough.

  repository_id = "functions"
  location      = var.region
  format        = "DOCKER"
  description   = "One image for each bundle, tagged with its digest."

  # Enough of each function to go back to.
  cleanup_policies {
    id     = "keep-ten"
    action = "KEEP"
    most_recent_versions {
      keep_count = 10
    }
  }
  cleanup_policies {
    id     = "delete-after-a-month"
    action = "DELETE"
    condition {
      older_than = "2592000s"
    }
  }
}

resource "google_service_account" "builder" {
  account_id   = "builder"
  display_name = "Builds the functions' images"
}

# It reads bundles, writes images and logs, and nothing else.
resource "google_storage_bucket_iam_member" "builder_reads_bundles" {
  bucket = google_storage_bucket.bundles.name
  role   = "roles/storage.objectViewer"
  member = local.builder
}

resource "google_artifact_registry_repository_iam_member" "builder_writes_images" {
  repository = google_artifact_registry_repository.functions.name
  location   = var.region
  role       = "roles/artifactregistry.writer"
  member     = local.builder
}

resource "google_project_iam_member" "builder_logs" {
  project = var.project
  role    = "roles/logging.logWriter"
  member  = local.builder
}

resource "google_service_account_iam_member" "deployer_starts_builds" {
  count = var.deployer == null ? 0 : 1

  service_account_id = "projects/${var.project}/serviceAccounts/${local.email}"
  role               = "roles/iam.serviceAccountUser"
  member             = "serviceAccount:${var.deployer}"
}

locals {
  # Said from its name, so that a plan shows who is who before anything exists.
  email   = "${google_service_account.builder.account_id}@${var.project}.iam.gserviceaccount.com"
  builder = "serviceAccount:${local.email}"
}
