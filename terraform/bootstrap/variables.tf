variable "project" {
  type        = string
  description = "The Google Cloud project of this environment."
}

variable "environment" {
  type        = string
  description = "dev, staging or prod: also the name of the environment on GitHub."
}

variable "region" {
  type    = string
  default = "asia-south1"
}

variable "repository" {
  type        = string
  description = "The repository that may deploy, as owner/name."
}

variable "billing_account" {
  type = string
}
