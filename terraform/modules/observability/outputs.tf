output "channels" {
  value = [for channel in google_monitoring_notification_channel.email : channel.id]
}

output "alerts" {
  description = "The name of each alert, which is also that of its runbook."
  value       = keys(local.alerts)
}
