# One function: a Cloud Run service, and who may call it.

resource "google_cloud_run_v2_service" "this" {
  name        = var.name
  location    = var.region
  description = var.summary
  # The load balancer is the only way in from outside. Pub/Sub, Cloud Tasks, Eventarc and Scheduler of the same project
  # count as internal when they call the run.app address.
  ingress             = var.is_public ? "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER" : "INGRESS_TRAFFIC_INTERNAL_ONLY"
  deletion_protection = false

  template {
    service_account                  = var.service_account
    timeout                          = "${var.timeout_s}s"
    max_instance_request_concurrency = var.concurrency
    execution_environment            = "EXECUTION_ENVIRONMENT_GEN2"

    scaling {
      min_instance_count = var.min_instances
      max_instance_count = var.max_instances
    }

    containers {
      image = var.image

      resources {
        limits = {
          # A whole processor is the least with which an instance may serve more than one request at a time.
          cpu    = var.memory_mb > 4096 ? "2" : "1"
          memory = "${var.memory_mb}Mi"
        }
        # Paid while requests run, not between them, and with more of it while it starts.
        cpu_idle          = true
        startup_cpu_boost = true
      }

      dynamic "env" {
        for_each = { for name, value in var.settings : name => value if value != "" }
        content {
          name  = env.key
          value = env.value
        }
      }

      dynamic "env" {
        for_each = var.secrets
        content {
          name = env.key
          value_source {
            secret_key_ref {
              secret  = env.value
              version = "latest"
            }
          }
        }
      }
    }
  }

  # Traffic moves by .github/workflows/deploy.yml: a new revision gets none until the canary says so.
  lifecycle {
    ignore_changes = [traffic, client, client_version]
  }
}

resource "google_cloud_run_v2_service_iam_member" "invoker" {
  name     = google_cloud_run_v2_service.this.name
  location = var.region
  role     = "roles/run.invoker"
  member   = var.invoker
}
