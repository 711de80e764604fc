resource "aws_s3_bucket" "features" {
  bucket = "nordlicht-churn-features"
  tags   = local.tags
  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_s3_bucket_public_access_block" "features" {
  bucket                  = aws_s3_bucket.features.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_server_side_encryption_configuration" "features" {
  bucket = aws_s3_bucket.features.id
  rule {
    bucket_key_enabled = true
    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = aws_kms_key.churn.arn
    }
  }
}

resource "aws_s3_bucket_versioning" "features" {
  bucket = aws_s3_bucket.features.id
  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "features" {
  bucket = aws_s3_bucket.features.id
  rule {
    id     = "six-months"
    status = "Enabled"
    filter {}
    expiration {
      days = 180
    }
    noncurrent_version_expiration {
      noncurrent_days = 30
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }
}

resource "aws_s3_bucket_logging" "features" {
  bucket        = aws_s3_bucket.features.id
  target_bucket = "nordlicht-access-logs"
  target_prefix = "churn-features/"
}

resource "aws_s3_bucket_policy" "features" {
  bucket = aws_s3_bucket.features.id
  policy = data.aws_iam_policy_document.features.json
}

data "aws_iam_policy_document" "features" {
  statement {
    sid       = "OnlyEncrypted"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [aws_s3_bucket.features.arn, "${aws_s3_bucket.features.arn}/*"]
    principals {
      type        = "AWS"
      identifiers = ["*"]
    }
    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_cloudwatch_log_group" "training" {
  name              = "/churn/training"
  retention_in_days = 180
  kms_key_id        = aws_kms_key.churn.arn
  tags              = local.tags
}
