# What is counted in the functions' log lines, what is kept, and what is never stored.

locals {
  functions = "resource.type=\"cloud_run_revision\""
  # Every function writes one line for each request, with its own name and the status that it answered.
  done = "${local.functions} AND httpRequest.status>=200 AND httpRequest.status<300"
  # The numbers of the business, by the function that does it.
  business = {
    log_ins          = "create_session"
    organizations    = "create_organization"
    events_created   = "create_event"
    events_published = "publish_event"
    bookings         = "create_order"
    checkouts        = "checkout_order"
    settlements      = "settle_payment"
    refunds          = "execute_refund"
    transfers        = "transfer_ticket"
    check_ins        = "check_in"
  }
  signals = {
    alert_lines          = { filter = "${local.functions} AND severity>=ALERT", label = "message" }
    invariant_violations = { filter = "${local.functions} AND jsonPayload.message=\"invariant violated\"", label = "invariant" }
    failed_jobs          = { filter = "resource.type=\"cloud_scheduler_job\" AND severity>=ERROR", label = null }
  }
}

resource "google_logging_metric" "business" {
  for_each = local.business

  name        = "marquee/${each.key}"
  description = "Successful calls of ${each.value}."
  filter      = "${local.done} AND jsonPayload.function=\"${each.value}\""

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "INT64"
  }
}

resource "google_logging_metric" "signal" {
  for_each = local.signals

  name   = "marquee/${each.key}"
  filter = each.value.filter

  label_extractors = each.value.label == null ? null : { (each.value.label) = "EXTRACT(jsonPayload.${each.value.label})" }

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "INT64"

    dynamic "labels" {
      for_each = each.value.label == null ? [] : [each.value.label]
      content {
        key        = labels.value
        value_type = "STRING"
      }
    }
  }
}

# watch_settlement says each minute how long the oldest webhook has been waiting for its settlement.
resource "google_logging_metric" "oldest_unsettled" {
  name            = "marquee/oldest_unsettled"
  filter          = "${local.functions} AND jsonPayload.message=\"oldest unsettled webhook\""
  value_extractor = "EXTRACT(jsonPayload.seconds)"

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "DISTRIBUTION"
    unit        = "s"
  }

  bucket_options {
    explicit_buckets {
      bounds = [1, 5, 15, 30, 60, 120, 300, 600, 1800, 3600, 21600]
    }
  }
}

# Cloud Run's own request logs hold addresses, user agents and whole URLs of people. The functions' lines say what is
# needed of a request, without them; these are never stored.
resource "google_logging_project_exclusion" "people" {
  name        = "addresses-of-people"
  description = "Request logs with remote addresses and query strings, and the sign-in service's with phone numbers."
  filter = join(" OR ", [
    "logName=\"projects/${var.project}/logs/run.googleapis.com%2Frequests\"",
    "logName=\"projects/${var.project}/logs/requests\"",
    "logName=\"projects/${var.project}/logs/identitytoolkit.googleapis.com%2Frequests\"",
  ])
}

# What explains money afterwards outlives the month of ordinary lines, in the country, without who it was about.
resource "google_logging_project_bucket_config" "operations" {
  project        = var.project
  location       = var.region
  bucket_id      = "operations"
  retention_days = 400
}

resource "google_logging_project_sink" "operations" {
  name                   = "operations"
  destination            = "logging.googleapis.com/${google_logging_project_bucket_config.operations.id}"
  filter                 = "${local.functions} AND severity>=WARNING"
  unique_writer_identity = true

  exclusions {
    name   = "lines-about-a-person"
    filter = "jsonPayload.userId:*"
  }
}
