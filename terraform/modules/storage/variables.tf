variable "project" {
  type = string
}

variable "project_number" {
  type = string
}

variable "region" {
  type = string
}

variable "allowed_origins" {
  type = list(string)
}

variable "topic" {
  type        = string
  description = "The topic that hears of each upload."
}

variable "deleted_on_destroy" {
  type = bool
}

variable "key" {
  type        = string
  description = "The key that everything in the buckets is encrypted with."
}
