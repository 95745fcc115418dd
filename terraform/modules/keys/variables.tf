variable "project_number" {
  type = string
}

variable "region" {
  type = string
}
