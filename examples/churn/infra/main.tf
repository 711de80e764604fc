terraform {
  required_providers {
    aws = {
      source = "hashicorp/aws"
    }
  }
  backend "local" {}
}

provider "aws" {
  region = var.region
}

resource "aws_s3_bucket" "customers" {
  bucket = "nordlicht-churn-customers"
  tags = {
    data-classification = "personal"
  }
}

resource "aws_s3_bucket_acl" "customers" {
  bucket = aws_s3_bucket.customers.id
  acl    = "public-read"
}

resource "aws_s3_bucket_public_access_block" "customers" {
  bucket                  = aws_s3_bucket.customers.id
  block_public_acls       = false
  block_public_policy     = false
  ignore_public_acls      = false
  restrict_public_buckets = false
}

resource "aws_security_group" "notebook" {
  name = "churn-notebook"
  ingress {
    description = "SSH"
    from_port   = 22
    to_port     = 22
    protocol    = "tcp"
    cidr_blocks = ["0.0.0.0/0"]
  }
  ingress {
    description = "Jupyter and MLflow"
    from_port   = 5000
    to_port     = 8888
    protocol    = "tcp"
    cidr_blocks = ["0.0.0.0/0"]
  }
}

resource "aws_iam_role" "training" {
  name = "churn-training"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { AWS = "*" }
    }]
  })
}

resource "aws_iam_role_policy" "training" {
  name = "churn-training"
  role = aws_iam_role.training.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect   = "Allow"
        Action   = "s3:*"
        Resource = "*"
      },
      {
        Effect   = "Allow"
        Action   = ["iam:PassRole", "sagemaker:CreateTrainingJob"]
        Resource = "*"
      }
    ]
  })
}

resource "aws_iam_role_policy_attachment" "training" {
  role       = aws_iam_role.training.name
  policy_arn = "arn:aws:iam::aws:policy/AdministratorAccess"
}

resource "aws_sagemaker_notebook_instance" "explore" {
  name                   = "churn-explore"
  role_arn               = aws_iam_role.training.arn
  instance_type          = "ml.p2.xlarge"
  direct_internet_access = "Enabled"
  root_access            = "Enabled"
}

resource "aws_db_instance" "crm" {
  identifier          = "churn-crm"
  engine              = "postgres"
  instance_class      = "db.t3.medium"
  allocated_storage   = 50
  username            = "churn"
  password            = var.database_password
  storage_encrypted   = false
  publicly_accessible = true
  skip_final_snapshot = true
}

resource "aws_cloudwatch_log_group" "api" {
  name = "/churn/api"
}
