variable "billing_account" {
  type = string
}

variable "project_number" {
  type = string
}

variable "amount" {
  type = object({ currency = string, units = number })
}

variable "channels" {
  type = list(string)
}
