variable "project" {
  type = string
}

variable "region" {
  type = string
}

variable "triggers" {
  type        = any
  description = "What calls each private function, by function."
}

variable "other_topics" {
  type        = set(string)
  description = "Topics that something outside the manifest publishes to."
}
