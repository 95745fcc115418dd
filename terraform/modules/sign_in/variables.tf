variable "domain" {
  type = string
}

variable "origins" {
  type = list(string)
}

variable "idps" {
  type = map(object({ client_id = string }))
}

variable "secrets" {
  type      = map(string)
  sensitive = true
}

variable "sms_regions" {
  type = list(string)
}

variable "test_phones" {
  type        = map(string)
  description = "Codes by number, for tests against this environment."
  sensitive   = true
}
