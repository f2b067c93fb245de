# SPDX-License-Identifier: Apache-2.0

output "url" {
  description = "The function's URL."
  value       = aws_lambda_function_url.this.function_url
}

output "function_arn" {
  description = "The function's ARN, for triggers and other fronts."
  value       = aws_lambda_function.this.arn
}

output "role_name" {
  description = "The role's name, for policies of what the app may do."
  value       = aws_iam_role.this.name
}
