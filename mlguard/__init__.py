"""mlguard: whether an AI/ML repository may ship, with evidence an auditor can re-run."""

__version__ = "0.1.0"
