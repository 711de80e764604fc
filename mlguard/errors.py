"""The kinds of trouble that mlguard tells a person about, each with what to do next."""

from __future__ import annotations


class MlguardError(Exception):
    """Trouble with a message for people: what was wrong, where, with which value, and what to do."""


class UsageError(MlguardError):
    """A command, configuration, rule or declaration that cannot be used as it stands. Exit code 2."""


class ConditionError(UsageError):
    """A condition that cannot be compiled. ``part`` is the plain value that is wrong, or the nearest one around it."""

    def __init__(self, message: str, part: object = None) -> None:
        super().__init__(message)
        self.part = part


class Unreadable(MlguardError):
    """An input that cannot be read as what it claims to be. The engine records it as a gap.

    The message must never quote the input: it may be personal data or a secret.
    """
