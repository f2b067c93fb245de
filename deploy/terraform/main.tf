# SPDX-License-Identifier: Apache-2.0
# A web app behind Streamgate, as zip with the layer or as image, with a function URL that streams.

locals {
  is_image  = var.image_uri != null
  is_public = var.url_auth_type == "NONE"

  # Lambda ignores an exec wrapper on OS-only runtimes, and starts the layer's bootstrap itself.
  has_wrapper = !local.is_image && var.runtime != "provided.al2023"
  wrapper     = local.has_wrapper ? { AWS_LAMBDA_EXEC_WRAPPER = "/opt/bootstrap" } : {}
  command     = local.is_image ? {} : { STREAMGATE_COMMAND = var.command }
  environment = merge(var.environment, local.wrapper, local.command)
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "/aws/lambda/${var.name}"
  retention_in_days = var.log_retention_days
}

resource "aws_iam_role" "this" {
  name = var.name
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "lambda.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy" "logs" {
  name = "logs"
  role = aws_iam_role.this.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect = "Allow"
      Action = ["logs:CreateLogStream", "logs:PutLogEvents"]
      # The group's streams.
      Resource = "${aws_cloudwatch_log_group.this.arn}:*"
    }]
  })
}

resource "aws_lambda_function" "this" {
  function_name = var.name
  role          = aws_iam_role.this.arn
  architectures = [var.architecture]
  memory_size   = var.memory_size
  timeout       = var.timeout

  package_type      = local.is_image ? "Image" : "Zip"
  image_uri         = var.image_uri
  s3_bucket         = local.is_image ? null : var.code.bucket
  s3_key            = local.is_image ? null : var.code.key
  s3_object_version = local.is_image ? null : var.code.version
  layers            = local.is_image ? null : [var.layer_arn]
  runtime           = local.is_image ? null : var.runtime
  # Lambda wants one, without spaces; the command goes before it.
  handler = local.is_image ? null : "streamgate"

  dynamic "environment" {
    for_each = length(local.environment) > 0 ? [local.environment] : []
    content {
      variables = environment.value
    }
  }

  logging_config {
    log_format = "Text"
    log_group  = aws_cloudwatch_log_group.this.name
  }

  # Before its first lines.
  depends_on = [aws_iam_role_policy.logs]
}

resource "aws_lambda_function_url" "this" {
  function_name      = aws_lambda_function.this.function_name
  authorization_type = var.url_auth_type
  invoke_mode        = "RESPONSE_STREAM"
}

# A public URL needs both; the second lets nobody invoke the function in another way.
resource "aws_lambda_permission" "public_url" {
  count = local.is_public ? 1 : 0

  statement_id           = "PublicUrl"
  function_name          = aws_lambda_function.this.function_name
  action                 = "lambda:InvokeFunctionUrl"
  principal              = "*"
  function_url_auth_type = "NONE"
}

resource "aws_lambda_permission" "public_invoke" {
  count = local.is_public ? 1 : 0

  statement_id             = "PublicInvoke"
  function_name            = aws_lambda_function.this.function_name
  action                   = "lambda:InvokeFunction"
  principal                = "*"
  invoked_via_function_url = true
}
