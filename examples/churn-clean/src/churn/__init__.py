"""Churn model of the care team."""
