# SPDX-License-Identifier: Apache-2.0

terraform {
  # Checks of one variable that look at others.
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source = "hashicorp/aws"
      # The first with `invoked_via_function_url`.
      version = ">= 6.29"
    }
  }
}
