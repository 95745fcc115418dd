variable "project" {
  type = string
}

variable "region" {
  type = string
}

variable "deployer" {
  type        = string
  description = "The account that applies this configuration, if it is one."
  nullable    = true
}

variable "bundles" {
  type        = map(object({ path = string, file = string }))
  description = "Each function's zip: where it lies here, and its name, which carries its digest."
}
