"""Good Terraform of the kinds that people write stays silent."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.scanning import scan

LOCK = """
provider "registry.terraform.io/hashicorp/aws" {
  version = "6.14.1"
  hashes  = ["h1:dXnLh3vKqzqK3m1o2Rw8tq5xgWc0oZr7YbJfP4uEsiA="]
}
"""

TRAINING_AWS = {
    ".terraform.lock.hcl": LOCK,
    "versions.tf": """
terraform {
  required_version = ">= 1.9"
  required_providers {
    aws = { source = "hashicorp/aws", version = "~> 6.0" }
  }
  backend "s3" {
    bucket       = "acme-tfstate"
    key          = "training.tfstate"
    region       = "eu-central-1"
    encrypt      = true
    kms_key_id   = "alias/state"
    use_lockfile = true
  }
}
provider "aws" {
  region = var.region
  default_tags {
    tags = local.tags
  }
}
provider "aws" {
  alias  = "us_east_1"
  region = "us-east-1"
}
""",
    "variables.tf": """
variable "region" {
  type    = string
  default = "eu-central-1"
}
variable "environment" {
  type = string
}
variable "buckets" {
  type = map(object({ expire = optional(number, 365), class = string }))
  default = {
    patients = { class = "special", expire = 180 }
    models   = { class = "internal" }
  }
}
""",
    "main.tf": """
locals {
  tags   = { owner = "ml-platform", cost-center = "42", environment = var.environment }
  prefix = "acme-${var.environment}"
}
resource "aws_kms_key" "data" {
  enable_key_rotation = true
}
module "bucket" {
  source   = "./modules/bucket"
  for_each = var.buckets
  name     = "${local.prefix}-${each.key}"
  class    = each.value.class
  expire   = each.value.expire
  key      = aws_kms_key.data.arn
  logs     = module.logs.id
}
module "logs" {
  source  = "./modules/bucket"
  name    = "${local.prefix}-access-logs"
  class   = "internal"
  key     = aws_kms_key.data.arn
  logging = false
}
data "aws_iam_policy_document" "assume" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["sagemaker.amazonaws.com"]
    }
  }
}
resource "aws_iam_role" "train" {
  name_prefix        = "train-"
  assume_role_policy = data.aws_iam_policy_document.assume.json
}
data "aws_iam_policy_document" "train" {
  statement {
    actions   = ["s3:GetObject", "s3:ListBucket"]
    resources = flatten([for b in module.bucket : [b.arn, "${b.arn}/*"]])
  }
  statement {
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents", "cloudwatch:PutMetricData", "ecr:GetAuthorizationToken"]
    resources = ["*"]
  }
}
resource "aws_iam_role_policy" "train" {
  role   = aws_iam_role.train.id
  policy = data.aws_iam_policy_document.train.json
}
resource "aws_security_group" "train" {
  name = "train"
  egress {
    from_port   = 443
    to_port     = 443
    protocol    = "tcp"
    cidr_blocks = ["0.0.0.0/0"]
  }
}
resource "aws_vpc_security_group_ingress_rule" "self" {
  security_group_id            = aws_security_group.train.id
  referenced_security_group_id = aws_security_group.train.id
  ip_protocol                  = "-1"
}
resource "aws_sagemaker_model" "triage" {
  name               = "triage"
  execution_role_arn = aws_iam_role.train.arn
  enable_network_isolation = true
  vpc_config {
    security_group_ids = [aws_security_group.train.id]
    subnets            = ["subnet-a"]
  }
  primary_container {
    image = "registry.example/triage:1.4.2"
  }
}
resource "aws_sagemaker_endpoint_configuration" "triage" {
  name        = "triage"
  kms_key_arn = aws_kms_key.data.arn
  data_capture_config {
    enable_capture              = true
    initial_sampling_percentage = 10
    destination_s3_uri          = "s3://${module.bucket["models"].id}/capture"
    kms_key_id                  = aws_kms_key.data.arn
  }
}
resource "aws_acm_certificate" "site" {
  provider    = aws.us_east_1
  domain_name = "acme.example"
}
resource "aws_budgets_budget" "ml" {
  budget_type = "COST"
}
""",
    "modules/bucket/main.tf": """
variable "name" {}
variable "class" {}
variable "key" {}
variable "expire" {
  default = null
}
variable "logs" {
  default = null
}
variable "logging" {
  type    = bool
  default = true
}
resource "aws_s3_bucket" "this" {
  bucket = var.name
  tags   = { data-classification = var.class }
}
resource "aws_s3_bucket_public_access_block" "this" {
  bucket                  = aws_s3_bucket.this.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}
resource "aws_s3_bucket_versioning" "this" {
  bucket = aws_s3_bucket.this.id
  versioning_configuration {
    status = "Enabled"
  }
}
resource "aws_s3_bucket_logging" "this" {
  count         = var.logging ? 1 : 0
  bucket        = aws_s3_bucket.this.id
  target_bucket = var.logs
  target_prefix = "${var.name}/"
}
resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  bucket = aws_s3_bucket.this.id
  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = var.key
    }
  }
}
resource "aws_s3_bucket_lifecycle_configuration" "this" {
  bucket = aws_s3_bucket.this.id
  dynamic "rule" {
    for_each = var.expire[*]
    content {
      id     = "expire"
      status = "Enabled"
      expiration {
        days = rule.value
      }
      noncurrent_version_expiration {
        noncurrent_days = 30
      }
    }
  }
}
data "aws_iam_policy_document" "tls" {
  statement {
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [aws_s3_bucket.this.arn, "${aws_s3_bucket.this.arn}/*"]
    principals {
      type        = "*"
      identifiers = ["*"]
    }
    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}
resource "aws_s3_bucket_policy" "this" {
  bucket = aws_s3_bucket.this.id
  policy = data.aws_iam_policy_document.tls.json
}
output "id" {
  value = aws_s3_bucket.this.id
}
output "arn" {
  value = aws_s3_bucket.this.arn
}
""",
}

WEBSITE_AWS = {
    "main.tf": """
provider "aws" {
  region = "eu-west-1"
  default_tags {
    tags = { Owner = "web", CostCenter = "7" }
  }
}
resource "aws_s3_bucket" "site" {
  bucket = "acme-www"
}
resource "aws_s3_bucket_policy" "site" {
  bucket = aws_s3_bucket.site.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "cloudfront.amazonaws.com" }
      Action    = "s3:GetObject"
      Resource  = "${aws_s3_bucket.site.arn}/*"
      Condition = { StringEquals = { "AWS:SourceArn" = aws_cloudfront_distribution.site.arn } }
    }]
  })
}
resource "aws_cloudfront_distribution" "site" {
  enabled = true
  default_cache_behavior {
    viewer_protocol_policy = "redirect-to-https"
    target_origin_id       = "s3"
  }
  logging_config {
    bucket = "acme-logs.s3.amazonaws.com"
  }
  viewer_certificate {
    minimum_protocol_version = "TLSv1.2_2021"
  }
}
resource "aws_lb" "api" {
  internal = false
  access_logs {
    bucket  = "acme-logs"
    enabled = true
  }
}
resource "aws_lb_listener" "http" {
  load_balancer_arn = aws_lb.api.arn
  port              = 80
  protocol          = "HTTP"
  default_action {
    type = "redirect"
    redirect {
      port        = "443"
      protocol    = "HTTPS"
      status_code = "HTTP_301"
    }
  }
}
resource "aws_security_group" "web" {
  dynamic "ingress" {
    for_each = toset([80, 443])
    content {
      from_port   = ingress.value
      to_port     = ingress.value
      protocol    = "tcp"
      cidr_blocks = ["0.0.0.0/0"]
    }
  }
}
resource "aws_instance" "web" {
  ami           = "ami-1"
  instance_type = "t4g.small"
  metadata_options {
    http_tokens = "required"
  }
  root_block_device {
    encrypted = true
  }
}
resource "aws_db_instance" "web" {
  identifier                      = "web"
  engine                          = "postgres"
  iam_database_authentication_enabled = true
  storage_encrypted               = true
  backup_retention_period         = 7
  publicly_accessible             = false
  enabled_cloudwatch_logs_exports = ["postgresql"]
}
resource "aws_sqs_queue" "jobs" {
  name = "jobs"
}
resource "aws_iam_openid_connect_provider" "eks" {
  url = "https://oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE"
}
data "aws_iam_policy_document" "irsa" {
  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]
    principals {
      type        = "Federated"
      identifiers = [aws_iam_openid_connect_provider.eks.arn]
    }
    condition {
      test     = "StringEquals"
      variable = "${replace(aws_iam_openid_connect_provider.eks.url, "https://", "")}:sub"
      values   = ["system:serviceaccount:serving:triage"]
    }
  }
}
resource "aws_iam_role" "irsa" {
  assume_role_policy = data.aws_iam_policy_document.irsa.json
}
"""
}

VERTEX_GOOGLE = {
    "main.tf": """
variable "project" {
  default = "acme-ml"
}
provider "google" {
  project        = var.project
  region         = "europe-west4"
  default_labels = { owner = "ml", cost-center = "42" }
}
resource "google_storage_bucket" "features" {
  name                        = "${var.project}-features"
  location                    = "EUROPE-WEST4"
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  labels                      = { data-classification = "personal" }
  versioning {
    enabled = true
  }
  logging {
    log_bucket = "acme-logs"
  }
  encryption {
    default_kms_key_name = "projects/acme/locations/europe-west4/keyRings/ml/cryptoKeys/ml"
  }
  lifecycle_rule {
    condition {
      age = 180
    }
    action {
      type = "Delete"
    }
  }
}
resource "google_storage_bucket_iam_member" "train" {
  bucket = google_storage_bucket.features.name
  role   = "roles/storage.objectViewer"
  member = "serviceAccount:${google_service_account.train.email}"
}
resource "google_service_account" "train" {
  account_id = "train"
}
resource "google_project_iam_member" "train" {
  for_each = toset(["roles/aiplatform.user", "roles/logging.logWriter"])
  project  = var.project
  role     = each.value
  member   = google_service_account.train.member
}
resource "google_workbench_instance" "lab" {
  name     = "lab"
  location = "europe-west4-a"
  gce_setup {
    disable_public_ip = true
    metadata          = { notebook-disable-root = true, notebook-disable-downloads = true, notebook-disable-terminal = true }
    shielded_instance_config {
      enable_secure_boot = true
    }
  }
}
resource "google_compute_firewall" "iap" {
  name          = "iap"
  network       = "ml"
  source_ranges = ["35.235.240.0/20"]
  allow {
    protocol = "tcp"
    ports    = ["22"]
  }
}
resource "google_container_cluster" "serving" {
  name     = "serving"
  location = "europe-west4"
  datapath_provider = "ADVANCED_DATAPATH"
  database_encryption {
    state    = "ENCRYPTED"
    key_name = "projects/acme/locations/europe-west4/keyRings/ml/cryptoKeys/ml"
  }
  private_cluster_config {
    enable_private_nodes    = true
    enable_private_endpoint = true
  }
}
resource "google_sql_database_instance" "app" {
  name             = "app"
  database_version = "POSTGRES_16"
  settings {
    tier = "db-custom-2-8192"
    ip_configuration {
      ipv4_enabled = false
      ssl_mode     = "ENCRYPTED_ONLY"
    }
    backup_configuration {
      enabled = true
    }
  }
}
resource "google_billing_budget" "ml" {
  billing_account = "example"
}
"""
}

ML_AZURE = {
    "main.tf": """
provider "azurerm" {
  features {}
}
locals {
  tags = { Owner = "ml", CostCenter = "42", DataClassification = "Confidential" }
}
resource "azurerm_resource_group" "ml" {
  name     = "ml"
  location = "West Europe"
  tags     = local.tags
}
resource "azurerm_storage_account" "ml" {
  name                            = "acmeml"
  resource_group_name             = azurerm_resource_group.ml.name
  location                        = azurerm_resource_group.ml.location
  min_tls_version                 = "TLS1_2"
  allow_nested_items_to_be_public = false
  shared_access_key_enabled       = false
  tags                            = local.tags
  customer_managed_key {
    key_vault_key_id          = "example"
    user_assigned_identity_id = "example"
  }
  blob_properties {
    versioning_enabled = true
    delete_retention_policy {
      days = 30
    }
  }
}
resource "azurerm_storage_management_policy" "ml" {
  storage_account_id = azurerm_storage_account.ml.id
  rule {
    name    = "retention"
    enabled = true
    actions {
      base_blob {
        delete_after_days_since_modification_greater_than = 365
      }
      version {
        delete_after_days_since_creation = 30
      }
    }
  }
}
resource "azurerm_monitor_diagnostic_setting" "ml" {
  name               = "ml"
  target_resource_id = "${azurerm_storage_account.ml.id}/blobServices/default/"
}
resource "azurerm_machine_learning_workspace" "ml" {
  name                          = "ml"
  location                      = azurerm_resource_group.ml.location
  public_network_access_enabled = false
  high_business_impact          = true
  tags                          = local.tags
  encryption {
    key_vault_id = "example"
    key_id       = "example"
  }
}
resource "azurerm_machine_learning_compute_cluster" "gpu" {
  name                   = "gpu"
  location               = azurerm_resource_group.ml.location
  node_public_ip_enabled = false
  local_auth_enabled     = false
}
resource "azurerm_network_security_group" "ml" {
  name     = "ml"
  location = azurerm_resource_group.ml.location
  security_rule {
    name                       = "https"
    priority                   = 100
    direction                  = "Inbound"
    access                     = "Allow"
    protocol                   = "Tcp"
    source_port_range          = "*"
    destination_port_range     = "443"
    source_address_prefix      = "Internet"
    destination_address_prefix = "*"
  }
  security_rule {
    name                       = "deny"
    priority                   = 4096
    direction                  = "Inbound"
    access                     = "Deny"
    protocol                   = "*"
    source_port_range          = "*"
    destination_port_range     = "*"
    source_address_prefix      = "*"
    destination_address_prefix = "*"
  }
}
resource "azurerm_role_assignment" "train" {
  scope                = azurerm_storage_account.ml.id
  role_definition_name = "Storage Blob Data Contributor"
  principal_id         = azurerm_machine_learning_workspace.ml.identity[0].principal_id
}
resource "azurerm_consumption_budget_subscription" "ml" {
  name = "ml"
}
"""
}


NOTES: dict[str, set[str]] = {
    "training": set(),
    "website": {
        "missing-backup/bucket-versioning", "missing-customer-managed-key/object-storage",
        "missing-deletion-protection/database-or-table", "missing-deletion-protection/load-balancer",
        "missing-public-access-block/s3-bucket", "single-zone-service/database-or-cache",
        "unencrypted-storage/queue-or-stream-key", "unenforced-transport-encryption/undeclared-object-storage",
        "unlogged-data-access/bucket-access-log", "unpinned-processing-location/delivery-network",
    },
    "vertex": {"single-zone-service/google-database", "unlogged-data-access/gcp-postgres-audit"},
    "azure": {"unlogged-service-activity/azure-gateway-access"},
}  # fmt: skip
"""What is told of each module, all of it as a note (low), and true: the module leaves it out on purpose."""


@pytest.mark.parametrize(
    ("name", "files"),
    [("training", TRAINING_AWS), ("website", WEBSITE_AWS), ("vertex", VERTEX_GOOGLE), ("azure", ML_AZURE)],
    ids=list(NOTES),
)
def test_a_good_module_gets_the_notes_that_are_true_and_nothing_else(
    tmp_path: Path, name: str, files: Mapping[str, str]
) -> None:
    for file, content in files.items():
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)

    report = scan(tmp_path, ["infra"])

    assert {f"tf/{note}" for note in NOTES[name]} == {f"{f.rule}/{f.check}" for f in report.findings}
    assert [f for f in report.findings if f.severity != "low"] == []
    assert [(gap.path, gap.reason) for gap in report.gaps] == []
