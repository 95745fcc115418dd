# What is counted in the functions' log lines, what is kept, and what is never stored.

locals {
  functions = "resource.type=\"cloud_run_revision\""
  kpi_label = { for name, kpi in var.kpis : name => kpi.has_amount ? "currency" : kpi.label }
  signals = {
    alert_lines          = { filter = "${local.functions} AND severity>=ALERT", label = "message" }
    invariant_violations = { filter = "${local.functions} AND jsonPayload.message=\"invariant violated\"", label = "invariant" }
    failed_jobs          = { filter = "resource.type=\"cloud_scheduler_job\" AND severity>=ERROR", label = null }
  }
}

# One for each event that the business counts (common/kpi.py), told apart by its label or by the currency of its amount.
resource "google_logging_metric" "kpi" {
  for_each = var.kpis

  name        = "marquee/kpi_${each.key}"
  description = each.value.meaning
  filter      = "${local.functions} AND jsonPayload.kpi=\"${each.key}\""

  label_extractors = local.kpi_label[each.key] == null ? null : { (local.kpi_label[each.key]) = "EXTRACT(jsonPayload.${local.kpi_label[each.key]})" }

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "INT64"

    dynamic "labels" {
      for_each = local.kpi_label[each.key] == null ? [] : [local.kpi_label[each.key]]
      content {
        key        = labels.value
        value_type = "STRING"
      }
    }
  }
}

# Minor units, by currency: the sum of those of purchases is the GMV.
resource "google_logging_metric" "kpi_amount" {
  for_each = { for name, kpi in var.kpis : name => kpi if kpi.has_amount }

  name             = "marquee/kpi_${each.key}_amount"
  description      = each.value.meaning
  filter           = "${local.functions} AND jsonPayload.kpi=\"${each.key}\" AND jsonPayload.amountMinor:*"
  value_extractor  = "EXTRACT(jsonPayload.amountMinor)"
  label_extractors = { currency = "EXTRACT(jsonPayload.currency)" }

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "DISTRIBUTION"

    labels {
      key        = "currency"
      value_type = "STRING"
    }
  }

  # From one rupee to a hundred thousand, each bucket half as wide again as the one below.
  bucket_options {
    exponential_buckets {
      num_finite_buckets = 29
      growth_factor      = 1.5
      scale              = 100
    }
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
