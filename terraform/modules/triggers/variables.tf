variable "region" {
  type = string
}

variable "project_number" {
  type = string
}

variable "invoker" {
  type = string
}

variable "triggers" {
  type        = any
  description = "What calls each private function, by function."
}

variable "topics" {
  type = map(string)
}

variable "dead_letters" {
  type = string
}
