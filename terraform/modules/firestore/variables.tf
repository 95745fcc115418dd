variable "region" {
  type = string
}

variable "indexes" {
  type        = any
  description = "The composite indexes of firestore.indexes.json."
}

variable "overrides" {
  type        = any
  description = "The field settings of firestore.indexes.json: fields without an index, and those that end documents."
}

variable "rules" {
  type = string
}

variable "deleted_on_destroy" {
  type = bool
}
