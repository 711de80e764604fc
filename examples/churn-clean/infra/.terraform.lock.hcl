# This file is maintained automatically by "terraform init".

provider "registry.terraform.io/hashicorp/aws" {
  version     = "6.14.1"
  constraints = "~> 6.14"
  hashes = [
    "h1:dXnLh3vKqzqK3m1o2Rw8tq5xgWc0oZr7YbJfP4uEsiA=",
    "zh:0b1f6d9a3c57e2846f0d2b9c71e8a54306bd9f1e7c2a8450d6f3b9e1c7a25408",
  ]
}
