output "address" {
  description = "What the domain's A record must say. The certificate is issued once it does."
  value       = module.gateway.address
}

output "build" {
  description = "What `make images` needs to turn bundles into images."
  value       = module.images.instructions
}

output "services" {
  description = "The Cloud Run service of each function."
  value       = local.services
}
