# What calls the private functions, always as the invoker: push subscriptions, Eventarc, Scheduler. (Tasks name their
# function themselves.)

locals {
  pushes    = { for name, each in var.triggers : name => each if each.kind == "PubSub" }
  documents = { for name, each in var.triggers : name => each if each.kind == "DocumentCreated" }
  schedules = { for name, each in var.triggers : name => each if each.kind == "Schedule" }
  pubsub    = "serviceAccount:service-${var.project_number}@gcp-sa-pubsub.iam.gserviceaccount.com"
}

resource "google_pubsub_subscription" "push" {
  for_each = local.pushes

  name                       = each.value.service
  topic                      = var.topics[each.value.topic]
  ack_deadline_seconds       = max(10, min(600, each.value.timeout_s * 2))
  message_retention_duration = "604800s"

  # No filter by type: it could never be changed without a new subscription, which would lose what waits in the old one.
  # The function lets the types that it does not want pass.

  push_config {
    push_endpoint = each.value.url
    oidc_token {
      service_account_email = var.invoker
      audience              = each.value.url
    }
  }

  retry_policy {
    minimum_backoff = "${each.value.min_backoff_s}s"
    maximum_backoff = "${each.value.max_backoff_s}s"
  }

  dead_letter_policy {
    dead_letter_topic     = var.dead_letters
    max_delivery_attempts = each.value.max_delivery_attempts
  }

  expiration_policy {
    ttl = ""
  }
}

# Pub/Sub moves what fails too often in its own name: it takes from the subscription and publishes to the dead letters.
resource "google_pubsub_subscription_iam_member" "pubsub_takes" {
  for_each = local.pushes

  subscription = google_pubsub_subscription.push[each.key].name
  role         = "roles/pubsub.subscriber"
  member       = local.pubsub
}

resource "google_pubsub_topic_iam_member" "pubsub_publishes_dead_letters" {
  topic  = var.dead_letters
  role   = "roles/pubsub.publisher"
  member = local.pubsub
}

resource "google_eventarc_trigger" "document" {
  for_each = local.documents

  name                    = each.value.service
  location                = var.region
  service_account         = var.invoker
  event_data_content_type = "application/protobuf"

  matching_criteria {
    attribute = "type"
    value     = "google.cloud.firestore.document.v1.created"
  }
  matching_criteria {
    attribute = "database"
    value     = "(default)"
  }
  matching_criteria {
    attribute = "document"
    operator  = "match-path-pattern"
    value     = each.value.document
  }

  destination {
    cloud_run_service {
      service = each.value.service
      region  = var.region
    }
  }
}

resource "google_cloud_scheduler_job" "this" {
  for_each = local.schedules

  name      = each.value.service
  region    = var.region
  schedule  = each.value.cron
  time_zone = "Etc/UTC"
  # Scheduler waits for half an hour at most.
  attempt_deadline = "${min(1800, max(15, each.value.timeout_s))}s"

  # The jobs say of themselves that the next run covers this one.
  retry_config {
    retry_count = 0
  }

  http_target {
    http_method = "POST"
    uri         = each.value.url
    oidc_token {
      service_account_email = var.invoker
      audience              = each.value.url
    }
  }
}
