"""Tests of what the dataset scanner reads and says."""
