"""The values that the pickle machine keeps: enough to judge names and calls, never an object."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

MAX_NAME = 200
"""Characters: a longer name of a global is not shown."""


DANGEROUS, UNKNOWN, MALFORMED = "model/dangerous-import", "model/unknown-callable", "model/malformed-model-archive"


@dataclass(frozen=True, slots=True)
class Hit:
    """Something that must be told. ``check`` is a check of a rule's page, ``note`` says why in plain words."""

    rule: str
    check: str
    offset: int
    length: int
    name: str
    opcode: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Nested:
    """Bytes that are, or may be, a stream of their own; ``data`` is set when they had to be computed.

    ``certain`` says that a loader gets them; otherwise they only look like a pickle.
    """

    offset: int
    length: int
    certain: bool
    data: bytes = b""


class Broken(Exception):
    """The stream cannot go on: the text says why and holds no input."""


class Opaque:
    """A value of which nothing matters."""

    __slots__ = ()


class Literal:
    """A long text, or bytes of any length, as a place in the buffer."""

    __slots__ = ("length", "offset", "text")

    def __init__(self, offset: int, length: int, text: bool) -> None:
        self.offset, self.length, self.text = offset, length, text


class Global:
    """An imported name. ``plain`` says that it may be called with anything."""

    __slots__ = ("module", "name", "offset", "plain", "verdict")

    def __init__(self, module: str, name: str, offset: int, verdict: str, plain: bool) -> None:
        self.module, self.name, self.offset, self.verdict, self.plain = module, name, offset, verdict, plain


class Call:
    """The result of calling ``function``; ``state`` is what BUILD gave it."""

    __slots__ = ("arguments", "function", "offset", "state")

    def __init__(self, function: Any, arguments: Any, offset: int) -> None:
        self.function, self.arguments, self.offset = function, arguments, offset
        self.state: Any = None


def clean_name(module: str, name: str) -> str:
    """Return ``module.name``, or a stand-in when it is no name: it may be a text of any kind."""
    dotted = f"{module}.{name}" if module else name
    if len(dotted) <= MAX_NAME and all(part.isidentifier() for part in dotted.split(".")):
        return dotted
    return dotted if dotted == "(computed name)" else "(not a name)"
