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

variable "kpis" {
  type        = map(object({ meaning = string, label = string, has_amount = bool }))
  description = "What the business counts, as common/kpi.py declares it."
}

variable "alert_emails" {
  type = list(string)
}

variable "runbook_url" {
  type = string
}
