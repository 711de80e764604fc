resource "aws_iam_role" "training" {
  name                 = "churn-training"
  assume_role_policy   = data.aws_iam_policy_document.trust.json
  max_session_duration = 3600
  tags                 = local.tags
}

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["sagemaker.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [var.account]
    }
  }
}

resource "aws_iam_role_policy" "training" {
  name   = "read-features"
  role   = aws_iam_role.training.id
  policy = data.aws_iam_policy_document.training.json
}

data "aws_iam_policy_document" "training" {
  statement {
    sid       = "ReadFeatures"
    actions   = ["s3:GetObject"]
    resources = ["${aws_s3_bucket.features.arn}/features/*"]
  }
  statement {
    sid       = "WriteLogs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.training.arn}:*"]
  }
  statement {
    sid       = "StopIdleNotebook"
    actions   = ["sagemaker:StopNotebookInstance"]
    resources = ["arn:aws:sagemaker:${var.region}:${var.account}:notebook-instance/churn-explore"]
  }
}

resource "aws_security_group" "training" {
  name        = "churn-training"
  description = "The notebook reaches storage through the endpoint and nothing else"
  vpc_id      = "vpc-0c1d9f27a6b84e53d"
  tags        = local.tags
  egress {
    description     = "Storage endpoint"
    from_port       = 443
    to_port         = 443
    protocol        = "tcp"
    prefix_list_ids = [aws_vpc_endpoint.storage.prefix_list_id]
  }
}

resource "aws_vpc_endpoint" "storage" {
  vpc_id            = "vpc-0c1d9f27a6b84e53d"
  service_name      = "com.amazonaws.${var.region}.s3"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = ["rtb-05b8e3d10c7f94a26"]
  tags              = local.tags
}

resource "aws_vpc_endpoint" "sagemaker" {
  vpc_id              = "vpc-0c1d9f27a6b84e53d"
  service_name        = "com.amazonaws.${var.region}.sagemaker.api"
  vpc_endpoint_type   = "Interface"
  private_dns_enabled = true
  subnet_ids          = ["subnet-0e7a41c8b95d2f036"]
  security_group_ids  = [aws_security_group.training.id]
  tags                = local.tags
}

resource "aws_sagemaker_notebook_instance" "explore" {
  name                   = "churn-explore"
  role_arn               = aws_iam_role.training.arn
  instance_type          = "ml.t3.medium"
  subnet_id              = "subnet-0e7a41c8b95d2f036"
  security_groups        = [aws_security_group.training.id]
  kms_key_id             = aws_kms_key.churn.arn
  direct_internet_access = "Disabled"
  root_access            = "Disabled"
  lifecycle_config_name  = aws_sagemaker_notebook_instance_lifecycle_configuration.idle.name
  tags                   = local.tags
  instance_metadata_service_configuration {
    minimum_instance_metadata_service_version = "2"
  }
}

resource "aws_sagemaker_notebook_instance_lifecycle_configuration" "idle" {
  name     = "churn-stop-when-idle"
  on_start = base64encode(file("${path.module}/stop-when-idle.sh"))
}

resource "aws_budgets_budget" "churn" {
  name         = "churn"
  budget_type  = "COST"
  limit_amount = "400"
  limit_unit   = "EUR"
  time_unit    = "MONTHLY"
  notification {
    comparison_operator        = "GREATER_THAN"
    threshold                  = 80
    threshold_type             = "PERCENTAGE"
    notification_type          = "FORECASTED"
    subscriber_email_addresses = ["churn@nordlicht-telekom.example"]
  }
  tags = local.tags
}
