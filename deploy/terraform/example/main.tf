# SPDX-License-Identifier: Apache-2.0
# An app from a zip in S3, with a URL that everyone may call:
#   terraform init && terraform apply -var layer_arn=... -var bucket=... -var key=...

terraform {
  required_version = ">= 1.9"
}

variable "layer_arn" {
  description = "Streamgate's layer for arm64, with its version."
  type        = string
}

variable "bucket" {
  description = "The bucket of the app's zip."
  type        = string
}

variable "key" {
  description = "The zip's key there."
  type        = string
}

module "app" {
  source = "../"

  name          = "my-app"
  layer_arn     = var.layer_arn
  code          = { bucket = var.bucket, key = var.key }
  command       = "node server.js"
  url_auth_type = "NONE"
}

output "url" {
  description = "Where the app is."
  value       = module.app.url
}
