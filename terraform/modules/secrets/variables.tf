variable "names" {
  type = set(string)
}

variable "region" {
  type = string
}

variable "key" {
  type        = string
  description = "The key that their values are encrypted with."
}

variable "deleted_on_destroy" {
  type = bool
}
