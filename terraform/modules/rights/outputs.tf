output "accounts" {
  value = local.emails
}

output "invoker" {
  value = local.invoker
}
