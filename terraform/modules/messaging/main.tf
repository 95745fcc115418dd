# Where messages wait: topics, the dead letters, and a queue for each task function.

locals {
  pushes = { for name, each in var.triggers : name => each if each.kind == "PubSub" }
  tasks  = { for name, each in var.triggers : name => each if each.kind == "Task" }
  topics = setunion([for each in local.pushes : each.topic], var.other_topics)
}

resource "google_pubsub_topic" "this" {
  #checkov:skip=CKV_GCP_83:Messages hold ids, not people; Google's own encryption is enough for the days that they live.

  for_each = local.topics

  name                       = each.key
  message_retention_duration = "604800s"

  message_storage_policy {
    allowed_persistence_regions = [var.region]
  }
}

resource "google_pubsub_topic" "dead_letters" {
  #checkov:skip=CKV_GCP_83:Messages hold ids, not people; Google's own encryption is enough for the days that they live.

  name = "dead-letters"

  message_storage_policy {
    allowed_persistence_regions = [var.region]
  }
}

# Without a subscription the topic would keep nothing to look at or to replay. Two weeks is long enough to find the cause.
resource "google_pubsub_subscription" "dead_letters" {
  name                       = "dead-letters"
  topic                      = google_pubsub_topic.dead_letters.name
  message_retention_duration = "1209600s"
  ack_deadline_seconds       = 60

  expiration_policy {
    ttl = ""
  }
}

resource "google_cloud_tasks_queue" "this" {
  for_each = local.tasks

  name     = each.value.queue
  location = var.region

  rate_limits {
    max_dispatches_per_second = each.value.max_dispatches_per_second
    max_concurrent_dispatches = each.value.max_concurrent_dispatches
  }

  retry_config {
    max_attempts  = each.value.max_attempts
    min_backoff   = "${each.value.min_backoff_s}s"
    max_backoff   = "${each.value.max_backoff_s}s"
    max_doublings = each.value.max_doublings
  }

  stackdriver_logging_config {
    sampling_ratio = 0.01
  }
}
