variable "project" {
  type        = string
  description = "The Google Cloud project of this environment."
}

variable "environment" {
  type        = string
  description = "dev, staging or prod."

  validation {
    condition     = contains(["dev", "staging", "prod"], var.environment)
    error_message = "The environment is dev, staging or prod."
  }
}

variable "region" {
  type        = string
  description = "Where everything regional is. Payment data of Indian buyers stays in India."
  default     = "asia-south1"
}

variable "deployer" {
  type        = string
  description = "The pipeline's service account (terraform/bootstrap). Null where a person applies."
  default     = null
}

variable "domain" {
  type        = string
  description = "The name under which the API answers, such as api.marquee.example."
}

variable "allowed_origins" {
  type        = list(string)
  description = "Web origins that may call the API and upload media."
  default     = []
}

variable "settings" {
  type        = map(string)
  description = "Variables of common/config.py that are no secrets, for every function."
  default     = {}

  validation {
    condition     = alltrue([for name in keys(var.settings) : !can(regex("SECRET|TOKEN|API_KEY|SIGNING", name))])
    error_message = "Secrets are kept in Secret Manager: declare them at the function, and add a version with gcloud."
  }
}

variable "traces" {
  type        = object({ ratio = number })
  description = "Which share of requests is recorded as traces (docs/observability.md). Null: none, and no right to."
  default     = null

  validation {
    condition     = var.traces == null ? true : var.traces.ratio >= 0 && var.traces.ratio <= 1
    error_message = "The ratio is between 0 and 1."
  }
}

variable "deleted_on_destroy" {
  type        = bool
  description = "Whether destroying the environment also deletes its database and buckets. Never in production."
  default     = false
}

variable "warm_instances" {
  type        = map(number)
  description = "Instances that are always there, by function, beyond what its declaration says."
  default     = {}
}

variable "max_instances_ceiling" {
  type        = number
  description = "No function gets more instances than this, whatever it declares: the cap on what a flood can cost."
  default     = 100
}

variable "armor" {
  type        = bool
  description = "Cloud Armor's rate rules. They cost a few dollars a month for each class, used or not."
  default     = true
}

variable "alert_emails" {
  type        = list(string)
  description = "Who is told of alerts and budgets."
}

variable "runbook_url" {
  type        = string
  description = "Where docs/runbooks is read, without the last slash."
  default     = "https://github.com/marquee/marquee/blob/main/docs/runbooks"
}

variable "billing_account" {
  type        = string
  description = "The billing account of the project, for its budget."
}

variable "monthly_budget" {
  type        = object({ currency = string, units = number })
  description = "What a month may cost before people are told."
}

variable "sign_in_providers" {
  type        = map(object({ client_id = string }))
  description = "Google and Apple, by their identifiers at Identity Platform: google.com, apple.com."
  default     = {}
}

variable "sign_in_secrets" {
  type        = map(string)
  description = "The OAuth client secrets of sign_in_providers. Given as TF_VAR_sign_in_secrets, never in a file."
  default     = {}
  sensitive   = true
}

variable "sms_regions" {
  type        = list(string)
  description = "Countries whose numbers get sign-in codes: every other is refused, which stops SMS pumping."
  default     = ["IN"]
}

variable "test_phones" {
  type        = map(string)
  description = "Numbers that sign in with a fixed code and get no SMS, for `make smoke`. Production has none, whatever is given."
  default     = {}
  sensitive   = true

  validation {
    condition     = alltrue([for phone, code in nonsensitive(var.test_phones) : can(regex("^\\+[1-9][0-9]{7,14}$", phone)) && can(regex("^[0-9]{6}$", code))])
    error_message = "A test phone is a number in E.164 form and a code of six digits."
  }
}

variable "vector_search" {
  type        = bool
  description = "A Vertex AI index and endpoint. It costs money idle; without it Firestore's vector search answers."
  default     = false
}

variable "bundles" {
  type        = string
  description = "Where `make bundle` wrote the functions' zips and their index."
  default     = "../build/bundles"
}

variable "manifest" {
  type        = string
  description = "What the functions declare, as `make openapi` wrote it."
  default     = "../manifest.json"
}
