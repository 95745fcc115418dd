# Each alert names its runbook: docs/runbooks/<alert>.md.

locals {
  balancer   = "resource.type=\"https_lb_rule\" AND resource.label.url_map_name=\"marquee\""
  burn       = "select_slo_burn_rate(\"${google_monitoring_slo.availability.name}\""
  log_metric = "metric.type=\"logging.googleapis.com/user/marquee"

  # Several conditions must all hold. Without an aligner a condition compares what the metric already is.
  alerts = {
    server-errors = {
      title    = "More than one reply in ten seconds is a server error"
      severity = "CRITICAL"
      conditions = [{
        filter  = "metric.type=\"run.googleapis.com/request_count\" AND resource.type=\"cloud_run_revision\" AND metric.label.response_code_class=\"5xx\""
        aligner = "ALIGN_RATE", reducer = "REDUCE_SUM", above = 0.1, seconds = 60
      }]
    }
    slow-replies = {
      title    = "The slowest twentieth of replies takes more than two seconds"
      severity = "ERROR"
      conditions = [{
        filter  = "metric.type=\"loadbalancing.googleapis.com/https/backend_latencies\" AND ${local.balancer}"
        aligner = "ALIGN_DELTA", reducer = "REDUCE_PERCENTILE_95", above = 2000, seconds = 300
      }]
    }
    dead-letters = {
      title    = "A message was given up"
      severity = "ERROR"
      conditions = [{
        filter  = "metric.type=\"pubsub.googleapis.com/subscription/num_undelivered_messages\" AND resource.type=\"pubsub_subscription\" AND resource.label.subscription_id=\"dead-letters\""
        aligner = "ALIGN_MAX", reducer = "REDUCE_SUM", above = 0, seconds = 0
      }]
    }
    unsettled-payments = {
      title    = "A payment has been waiting for its tickets for five minutes"
      severity = "CRITICAL"
      conditions = [{
        filter  = "${local.log_metric}/oldest_unsettled\" AND resource.type=\"cloud_run_revision\""
        aligner = "ALIGN_PERCENTILE_99", reducer = "REDUCE_MAX", above = 300, seconds = 0
      }]
    }
    invariant-violated = {
      title    = "The books do not add up"
      severity = "CRITICAL"
      conditions = [{
        filter  = "${local.log_metric}/invariant_violations\" AND resource.type=\"cloud_run_revision\""
        aligner = "ALIGN_DELTA", reducer = "REDUCE_SUM", above = 0, seconds = 0
      }]
    }
    alert-lines = {
      title    = "A function asked for a person"
      severity = "ERROR"
      conditions = [{
        filter  = "${local.log_metric}/alert_lines\" AND resource.type=\"cloud_run_revision\""
        aligner = "ALIGN_DELTA", reducer = "REDUCE_SUM", above = 0, seconds = 0
      }]
    }
    failed-jobs = {
      title    = "A scheduled job failed"
      severity = "ERROR"
      conditions = [{
        filter  = "${local.log_metric}/failed_jobs\" AND resource.type=\"cloud_scheduler_job\""
        aligner = "ALIGN_DELTA", reducer = "REDUCE_SUM", above = 0, seconds = 0
      }]
    }
    unreachable = {
      title    = "The API does not answer from outside"
      severity = "CRITICAL"
      conditions = [{
        filter  = "metric.type=\"monitoring.googleapis.com/uptime_check/check_passed\" AND resource.type=\"uptime_url\" AND metric.label.check_id=\"${google_monitoring_uptime_check_config.api.uptime_check_id}\""
        aligner = "ALIGN_NEXT_OLDER", reducer = "REDUCE_COUNT_FALSE", above = 1, seconds = 120
      }]
    }
    error-budget-fast-burn = {
      title    = "A fiftieth of the month's error budget went within an hour"
      severity = "CRITICAL"
      conditions = [
        { filter = "${local.burn}, \"3600s\")", aligner = null, reducer = null, above = 14.4, seconds = 0 },
        { filter = "${local.burn}, \"300s\")", aligner = null, reducer = null, above = 14.4, seconds = 0 },
      ]
    }
    error-budget-slow-burn = {
      title    = "A twentieth of the month's error budget went within six hours"
      severity = "WARNING"
      conditions = [
        { filter = "${local.burn}, \"21600s\")", aligner = null, reducer = null, above = 6, seconds = 0 },
        { filter = "${local.burn}, \"1800s\")", aligner = null, reducer = null, above = 6, seconds = 0 },
      ]
    }
  }
}

resource "google_monitoring_notification_channel" "email" {
  for_each = toset(var.alert_emails)

  type         = "email"
  display_name = each.key
  labels       = { email_address = each.key }
}

resource "google_monitoring_alert_policy" "this" {
  for_each = local.alerts

  display_name          = each.value.title
  severity              = each.value.severity
  combiner              = "AND"
  notification_channels = [for channel in google_monitoring_notification_channel.email : channel.id]
  user_labels           = { alert = each.key, environment = var.environment }

  dynamic "conditions" {
    for_each = each.value.conditions
    content {
      display_name = each.value.title
      condition_threshold {
        filter          = conditions.value.filter
        comparison      = "COMPARISON_GT"
        threshold_value = conditions.value.above
        duration        = "${conditions.value.seconds}s"

        dynamic "aggregations" {
          for_each = conditions.value.aligner == null ? [] : [conditions.value]
          content {
            alignment_period     = "60s"
            per_series_aligner   = aggregations.value.aligner
            cross_series_reducer = aggregations.value.reducer
          }
        }
      }
    }
  }

  documentation {
    mime_type = "text/markdown"
    subject   = "${var.environment}: ${each.value.title}"
    content   = "What it means and what to do: ${var.runbook_url}/${each.key}.md"
    links {
      display_name = "Runbook"
      url          = "${var.runbook_url}/${each.key}.md"
    }
  }

  alert_strategy {
    auto_close = "86400s"
  }

  # A filter may name a metric only once the metric is there.
  depends_on = [google_logging_metric.signal, google_logging_metric.oldest_unsettled]
}

resource "google_monitoring_uptime_check_config" "api" {
  display_name = "The API answers"
  period       = "60s"
  timeout      = "10s"

  http_check {
    path         = var.probe_path
    port         = 443
    use_ssl      = true
    validate_ssl = true
  }

  monitored_resource {
    type   = "uptime_url"
    labels = { project_id = var.project, host = var.domain }
  }
}

resource "google_monitoring_custom_service" "api" {
  service_id   = "marquee-api"
  display_name = "Marquee API"
}

# Of all requests in four weeks, 99.9 % get an answer that is no server error.
resource "google_monitoring_slo" "availability" {
  service             = google_monitoring_custom_service.api.service_id
  slo_id              = "availability"
  display_name        = "99.9 % of requests are answered"
  goal                = 0.999
  rolling_period_days = 28

  request_based_sli {
    good_total_ratio {
      total_service_filter = "metric.type=\"loadbalancing.googleapis.com/https/request_count\" AND ${local.balancer}"
      bad_service_filter   = "metric.type=\"loadbalancing.googleapis.com/https/request_count\" AND ${local.balancer} AND metric.label.response_code_class=500"
    }
  }
}
