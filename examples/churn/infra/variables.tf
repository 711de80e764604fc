variable "region" {
  type    = string
  default = "us-east-1"
}

variable "database_password" {
  type    = string
  default = "qT7vKx2mPz9wRb4dHn6s"
}
