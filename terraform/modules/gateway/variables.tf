variable "project" {
  type = string
}

variable "region" {
  type = string
}

variable "domain" {
  type = string
}

variable "armor" {
  type = bool
}

variable "functions" {
  type        = map(object({ service = string, method = string, path = string, access = string, cached = bool }))
  description = "The public functions with their routes."
}
