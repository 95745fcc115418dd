variable "project" {
  type = string
}

variable "region" {
  type = string
}

variable "environment" {
  type = string
}

variable "domain" {
  type = string
}

variable "probe_path" {
  type = string
}

variable "alert_emails" {
  type = list(string)
}

variable "runbook_url" {
  type = string
}
