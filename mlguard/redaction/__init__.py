"""Writes a copy of a dataset without its personal data, and proves by reading it that none is left."""
