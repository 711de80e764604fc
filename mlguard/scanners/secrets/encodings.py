"""Decodes text of whatever encoding."""

from __future__ import annotations

from mlguard.errors import Unreadable
from mlguard.scanners import decode


def decoded(data: bytes) -> str:
    """Return the text: credentials are ASCII, so any encoding above it will do."""
    try:
        return decode(data)
    except Unreadable:
        return data.decode("latin-1")
