# Two pages: how the system is, and how the business is.

locals {
  run     = "resource.type=\"cloud_run_revision\""
  service = "resource.label.service_name"
  technical = {
    "Requests a second, by status" = {
      filter  = "metric.type=\"run.googleapis.com/request_count\" AND ${local.run}"
      aligner = "ALIGN_RATE", reducer = "REDUCE_SUM", by = ["metric.label.response_code_class"]
    }
    "Server errors a second, by function" = {
      filter  = "metric.type=\"run.googleapis.com/request_count\" AND ${local.run} AND metric.label.response_code_class=\"5xx\""
      aligner = "ALIGN_RATE", reducer = "REDUCE_SUM", by = [local.service]
    }
    "Latency, slowest twentieth, by function" = {
      filter  = "metric.type=\"run.googleapis.com/request_latencies\" AND ${local.run}"
      aligner = "ALIGN_PERCENTILE_95", reducer = "REDUCE_MAX", by = [local.service]
    }
    "Time to start an instance, by function" = {
      filter  = "metric.type=\"run.googleapis.com/container/startup_latencies\" AND ${local.run}"
      aligner = "ALIGN_PERCENTILE_95", reducer = "REDUCE_MAX", by = [local.service]
    }
    "Instances" = {
      filter  = "metric.type=\"run.googleapis.com/container/instance_count\" AND ${local.run}"
      aligner = "ALIGN_MAX", reducer = "REDUCE_SUM", by = [local.service]
    }
    "Tasks waiting, by queue" = {
      filter  = "metric.type=\"cloudtasks.googleapis.com/queue/depth\" AND resource.type=\"cloud_tasks_queue\""
      aligner = "ALIGN_MAX", reducer = "REDUCE_SUM", by = ["resource.label.queue_id"]
    }
    "Age of the oldest message, by subscription" = {
      filter  = "metric.type=\"pubsub.googleapis.com/subscription/oldest_unacked_message_age\" AND resource.type=\"pubsub_subscription\""
      aligner = "ALIGN_MAX", reducer = "REDUCE_MAX", by = ["resource.label.subscription_id"]
    }
    "Oldest unsettled payment" = {
      filter  = "metric.type=\"logging.googleapis.com/user/marquee/oldest_unsettled\" AND ${local.run}"
      aligner = "ALIGN_PERCENTILE_99", reducer = "REDUCE_MAX", by = []
    }
    "Documents read a second" = {
      filter  = "metric.type=\"firestore.googleapis.com/document/read_count\" AND resource.type=\"firestore_instance\""
      aligner = "ALIGN_RATE", reducer = "REDUCE_SUM", by = []
    }
    "Documents written a second" = {
      filter  = "metric.type=\"firestore.googleapis.com/document/write_count\" AND resource.type=\"firestore_instance\""
      aligner = "ALIGN_RATE", reducer = "REDUCE_SUM", by = []
    }
    "Refused by Cloud Armor" = {
      filter  = "metric.type=\"networksecurity.googleapis.com/https/request_count\" AND resource.type=\"network_security_policy\" AND metric.label.blocked=true"
      aligner = "ALIGN_RATE", reducer = "REDUCE_SUM", by = ["resource.label.policy_name"]
    }
  }
  # What happened in the last hour, at each minute.
  commercial = merge(
    { for name, kpi in var.kpis : "${title(replace(name, "_", " "))}s an hour" => {
      promql = "sum by (${coalesce(local.kpi_label[name], "location")}) (increase(${local.metric}_${name}{${local.run_label}}[1h]))"
    } },
    { for name, kpi in var.kpis : "${title(replace(name, "_", " "))}: minor units an hour" => {
      promql = "sum by (currency) (increase(${local.metric}_${name}_amount_sum{${local.run_label}}[1h]))"
    } if kpi.has_amount },
    { "Bookings that become purchases" = {
      promql = "sum(increase(${local.metric}_purchase{${local.run_label}}[1d])) / sum(increase(${local.metric}_booking{${local.run_label}}[1d]))"
    } },
  )
  # Cloud Monitoring's names as PromQL has them: the first slash is a colon, all else that is no letter an underscore.
  metric    = "logging_googleapis_com:user_marquee_kpi"
  run_label = "monitored_resource=\"cloud_run_revision\""
  pages     = { technical = { title = "Marquee: the system", charts = local.technical }, business = { title = "Marquee: the business", charts = local.commercial } }
}

resource "google_monitoring_dashboard" "page" {
  for_each = local.pages

  dashboard_json = jsonencode({
    displayName = each.value.title
    mosaicLayout = {
      columns = 12
      tiles = [for number, name in keys(each.value.charts) : {
        xPos   = (number % 2) * 6
        yPos   = floor(number / 2) * 4
        width  = 6
        height = 4
        widget = {
          title = name
          xyChart = {
            dataSets = [{
              plotType = "LINE"
              timeSeriesQuery = {
                for kind, query in {
                  prometheusQuery = try(each.value.charts[name].promql, null)
                  timeSeriesFilter = try({
                    filter = each.value.charts[name].filter
                    aggregation = {
                      alignmentPeriod    = "60s"
                      perSeriesAligner   = each.value.charts[name].aligner
                      crossSeriesReducer = each.value.charts[name].reducer
                      groupByFields      = each.value.charts[name].by
                    }
                  }, null)
                } : kind => query if query != null
              }
            }]
          }
        }
      }]
    }
  })

  depends_on = [google_logging_metric.kpi, google_logging_metric.kpi_amount, google_logging_metric.oldest_unsettled]
}
