variable "region" {
  description = "Where everything of this project lies; the privacy declaration allows no other place."
  type        = string
  default     = "eu-central-1"
  validation {
    condition     = startswith(var.region, "eu-")
    error_message = "Customer data stays in the European Union."
  }
}

variable "account" {
  description = "The AWS account of the project."
  type        = string
  default     = "123456789012"
}

locals {
  tags = {
    owner               = "churn"
    cost-center         = "4711"
    environment         = "prod"
    data-classification = "pseudonymous"
  }
}
