variable "project" {
  type = string
}

variable "region" {
  type = string
}

variable "grants" {
  type        = map(list(object({ role = string, on = string, why = string })))
  description = "The rights of each function, as manifest/roles.py finds them."

  validation {
    condition     = alltrue([for grants in var.grants : alltrue([for each in grants : !contains(["roles/owner", "roles/editor"], each.role)])])
    error_message = "No function owns or edits the project."
  }

  validation {
    condition = alltrue([for grants in var.grants : alltrue([
      for each in grants : contains(["database", "project", "topic", "queues", "secret", "invoker"], split(":", each.on)[0])
    ])])
    error_message = "A grant is on something that this module does not know."
  }
}

variable "traces" {
  type        = bool
  description = "Whether functions record traces, which every one then has to send."
}

variable "deployer" {
  type        = string
  description = "The account that applies this configuration, if it is one."
  nullable    = true
}

variable "topics" {
  type = map(string)
}

variable "queues" {
  type = map(string)
}

variable "secrets" {
  type = map(string)
}
