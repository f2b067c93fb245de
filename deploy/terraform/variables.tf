# SPDX-License-Identifier: Apache-2.0

variable "name" {
  description = "The function's name, and that of its role."
  type        = string
}

variable "architecture" {
  description = "The processor that layer or image, and whatever is native in the app, are built for."
  type        = string
  default     = "arm64"

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "architecture is arm64 or x86_64."
  }
}

variable "memory_size" {
  description = "Megabytes; the processor's share grows with them."
  type        = number
  default     = 512
}

variable "timeout" {
  description = "Seconds that a response may take, up to the end of its stream."
  type        = number
  default     = 60
}

variable "layer_arn" {
  description = "Zip: Streamgate's layer for this architecture, with its version."
  type        = string
  default     = null
}

variable "code" {
  description = "Zip: where in S3 it is."
  type = object({
    bucket  = string
    key     = string
    version = optional(string)
  })
  default = null

  validation {
    condition     = (var.code == null) != (var.image_uri == null)
    error_message = "Either code or image_uri."
  }

  validation {
    condition     = (var.code == null) == (var.layer_arn == null)
    error_message = "A zip needs layer_arn; an image takes none and has the adapter in it."
  }
}

variable "runtime" {
  description = "Zip: the runtime that brings what the app needs, or provided.al2023 for an app that brings all of it."
  type        = string
  default     = "nodejs24.x"
}

variable "command" {
  description = "Zip: the command line that starts the app, such as \"node server.js\", run in the zip's folder."
  type        = string
  default     = "./run.sh"
}

variable "image_uri" {
  description = "An image in ECR that has the adapter in it, as extension or as entry point."
  type        = string
  default     = null
}

variable "environment" {
  description = "Variables of the app, and settings of Streamgate."
  type        = map(string)
  default     = {}
}

variable "url_auth_type" {
  description = "AWS_IAM wants signed requests, NONE lets everyone in."
  type        = string
  default     = "AWS_IAM"

  validation {
    condition     = contains(["AWS_IAM", "NONE"], var.url_auth_type)
    error_message = "url_auth_type is AWS_IAM or NONE."
  }
}

variable "log_retention_days" {
  description = "Days that log lines are kept."
  type        = number
  default     = 30
}
