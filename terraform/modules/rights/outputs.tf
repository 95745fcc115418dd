output "accounts" {
  value = local.emails
}

output "invoker" {
  value = local.invoker
}

output "tracing" {
  description = "The accounts that may send spans."
  value       = [for binding in google_project_iam_member.traces : binding.member]
}
