# The secrets that functions name. Their values never come here: `gcloud secrets versions add` (docs/deploy.md).

resource "google_secret_manager_secret" "named" {
  for_each = var.names

  secret_id = each.key

  replication {
    user_managed {
      replicas {
        location = var.region
        customer_managed_encryption {
          kms_key_name = var.key
        }
      }
    }
  }

  # A secret that is destroyed by mistake takes every function down that reads it.
  deletion_protection = !var.deleted_on_destroy
}
