variable "names" {
  type = set(string)
}

variable "region" {
  type = string
}
