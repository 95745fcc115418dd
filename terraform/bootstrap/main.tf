# Once for each environment, by a person who owns the project: where the state is kept, and who may deploy from the
# repository's pipeline without any key. Its own small state stays on the machine of whoever ran it, or is moved into the
# bucket afterwards (docs/deploy.md).

terraform {
  required_version = ">= 1.11"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 8.7"
    }
  }
}

provider "google" {
  project = var.project
  region  = var.region
}

locals {
  # What the deployer does, service by service. It owns nothing and edits nothing else.
  roles = [
    "roles/aiplatform.admin",
    "roles/artifactregistry.admin",
    "roles/cloudbuild.builds.editor",
    "roles/cloudkms.admin",
    "roles/cloudscheduler.admin",
    "roles/cloudtasks.admin",
    "roles/compute.loadBalancerAdmin",
    "roles/compute.securityAdmin",
    "roles/datastore.owner", # the database's admin role: there is no smaller one that makes indexes and backups
    "roles/eventarc.admin",
    "roles/firebaserules.admin",
    "roles/iam.roleAdmin",
    "roles/iam.serviceAccountAdmin",
    "roles/identityplatform.admin",
    "roles/logging.configWriter",
    "roles/logging.viewer", # the canary counts errors
    "roles/monitoring.admin",
    "roles/pubsub.admin",
    "roles/run.admin",
    "roles/secretmanager.admin",
    "roles/serviceusage.serviceUsageAdmin",
    "roles/storage.admin",
  ]
  # The only roles on the project that the deployer may give to others.
  may_grant = [
    "roles/datastore.user",
    "roles/datastore.viewer",
    "roles/eventarc.eventReceiver",
    "roles/logging.logWriter",
    "projects/${var.project}/roles/marqueePurge",
    "projects/${var.project}/roles/marqueePush",
    "projects/${var.project}/roles/marqueeSignOut",
  ]
}

resource "google_project_service" "needed" {
  for_each = toset(["cloudresourcemanager", "iam", "iamcredentials", "serviceusage", "storage", "sts"])

  service            = "${each.key}.googleapis.com"
  disable_on_destroy = false
}

resource "google_storage_bucket" "state" {
  #checkov:skip=CKV_GCP_62:Usage logs hold the addresses of people; Cloud Audit Logs say who changed what.

  name                        = "${var.project}-terraform"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"

  # Every state of before can be had back.
  versioning {
    enabled = true
  }
  lifecycle_rule {
    condition {
      num_newer_versions = 50
    }
    action {
      type = "Delete"
    }
  }

  lifecycle {
    prevent_destroy = true
  }
}

resource "google_service_account" "deployer" {
  account_id   = "deployer"
  display_name = "The repository's pipeline"

  depends_on = [google_project_service.needed]
}

resource "google_project_iam_member" "deployer" {
  #checkov:skip=CKV_GCP_49:It makes the accounts of functions and starts builds; it may act as accounts that it made only (modules/rights).

  for_each = toset(local.roles)

  project = var.project
  role    = each.key
  member  = google_service_account.deployer.member
}

resource "google_project_iam_member" "deployer_grants_a_few_roles" {
  project = var.project
  role    = "roles/resourcemanager.projectIamAdmin"
  member  = google_service_account.deployer.member

  condition {
    title      = "only-what-functions-need"
    expression = "api.getAttribute('iam.googleapis.com/modifiedGrantsByRole', []).hasOnly([${join(", ", [for role in local.may_grant : "'${role}'"])}])"
  }
}

resource "google_storage_bucket_iam_member" "deployer_keeps_state" {
  bucket = google_storage_bucket.state.name
  role   = "roles/storage.objectAdmin"
  member = google_service_account.deployer.member
}

resource "google_iam_workload_identity_pool" "github" {
  workload_identity_pool_id = "github"
  display_name              = "GitHub Actions"

  depends_on = [google_project_service.needed]
}

resource "google_iam_workload_identity_pool_provider" "repository" {
  #checkov:skip=CKV_GCP_125:The condition names repository, branch and environment, through variables that the check does not follow.

  workload_identity_pool_id          = google_iam_workload_identity_pool.github.workload_identity_pool_id
  workload_identity_pool_provider_id = "repository"
  # Runs of this repository's own branch, in the environment that people may have to approve: no fork, no pull request.
  attribute_condition = "assertion.repository == '${var.repository}' && assertion.ref == 'refs/heads/main' && assertion.environment == '${var.environment}'"
  attribute_mapping = {
    "google.subject"       = "assertion.sub"
    "attribute.repository" = "assertion.repository"
  }

  oidc {
    issuer_uri = "https://token.actions.githubusercontent.com"
  }
}

resource "google_service_account_iam_member" "repository_is_deployer" {
  service_account_id = google_service_account.deployer.name
  role               = "roles/iam.workloadIdentityUser"
  member             = "principalSet://iam.googleapis.com/${google_iam_workload_identity_pool.github.name}/attribute.repository/${var.repository}"
}

# Budgets belong to the billing account, not to the project.
resource "google_billing_account_iam_member" "deployer_sets_budgets" {
  billing_account_id = var.billing_account
  role               = "roles/billing.costsManager"
  member             = google_service_account.deployer.member
}
