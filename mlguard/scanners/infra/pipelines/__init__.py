"""Pipelines: GitHub workflows and actions, GitLab CI, and what zizmor finds in them."""
