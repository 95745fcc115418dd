variable "name" {
  type = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,47}[a-z0-9]$", var.name))
    error_message = "A service has at most 49 characters, so that its address fits into a name of the domain system."
  }
}

variable "summary" {
  type = string
}

variable "region" {
  type = string
}

variable "image" {
  type = string
}

variable "service_account" {
  type = string
}

variable "invoker" {
  type        = string
  description = "The one member that may call the service."
}

variable "is_public" {
  type = bool
}

variable "memory_mb" {
  type = number
}

variable "timeout_s" {
  type = number
}

variable "concurrency" {
  type = number
}

variable "min_instances" {
  type = number
}

variable "max_instances" {
  type = number
}

variable "settings" {
  type = map(string)
}

variable "secrets" {
  type        = map(string)
  description = "The secret behind each variable."
}
