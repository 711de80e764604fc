"""The values that the pickle machine keeps: enough to judge names and calls, never an object."""

from __future__ import annotations

import re

from mlguard import lazy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_NAME = 200
"""Characters: a longer name of a global is not shown."""


DANGEROUS, UNKNOWN, MALFORMED = "model/dangerous-import", "model/unknown-callable", "model/malformed-model-archive"
BUNDLED = "model/bundled-executable-code"


class Hit:
    """Something that must be told. ``check`` is a check of a rule's page, ``note`` says why in plain words."""

    __slots__ = ("check", "length", "name", "note", "offset", "opcode", "rule")

    def __init__(self, rule: str, check: str, offset: int, length: int, name: str, opcode: str, note: str = "") -> None:
        self.rule, self.check, self.offset, self.length = rule, check, offset, length
        self.name, self.opcode, self.note = name, opcode, note


class Nested:
    """Bytes that are, or may be, a stream of their own; ``data`` is set when they had to be computed.

    ``certain`` says that a loader gets them; otherwise they only look like a pickle.
    """

    __slots__ = ("certain", "data", "length", "offset")

    def __init__(self, offset: int, length: int, certain: bool, data: bytes = b"") -> None:
        self.offset, self.length, self.certain, self.data = offset, length, certain, data


class Broken(Exception):
    """The stream cannot go on: the text says why and holds no input."""


class Opaque:
    """A value of which nothing matters."""

    __slots__ = ()


LOST = Opaque()
"""A container that was kept in the memo for so long that nobody remembers what it held."""


class Literal:
    """A long text, or bytes of any length, as a place in the buffer."""

    __slots__ = ("length", "offset", "text")

    def __init__(self, offset: int, length: int, text: bool) -> None:
        self.offset, self.length, self.text = offset, length, text


class Global:
    """An imported name. ``plain`` says that it may be called with anything, ``calm`` that it may be without arguments.

    ``made`` is what all calls give whose arguments do not matter. Machines share harmless names, so none is ever changed.
    ``kept`` says how far a name of a known library may be about although nobody has listed it (policy.Kept).
    """

    __slots__ = ("calm", "kept", "made", "module", "name", "offset", "plain", "verdict")

    def __init__(self, module: str, name: str, offset: int, verdict: str, plain: bool, calm: bool = False) -> None:
        self.module, self.name, self.offset, self.verdict = module, name, offset, verdict
        self.plain, self.calm = plain, calm or plain
        self.kept = ""
        self.made: Call | None = None


class Call:
    """The result of calling ``function``; ``state`` is what BUILD gave it."""

    __slots__ = ("arguments", "function", "state")

    def __init__(self, function: Any, arguments: Any) -> None:
        self.function, self.arguments = function, arguments
        self.state: Any = None


def clean_name(module: str, name: str) -> str:
    """Return ``module.name``, or a stand-in when it is no name: it may be a text of any kind."""
    dotted = f"{module}.{name}" if module else name
    if len(dotted) <= MAX_NAME and all(part.isidentifier() for part in dotted.split(".")):
        return dotted
    return dotted if dotted == "(computed name)" else "(not a name)"


_ODD = lazy.pattern(r"[^\w.\-<>]|^[.\d-]|\.$|\.\.")


def names_trick(module: str, name: str) -> str:
    """Say in words why no honest pickler writes such a name, or ""."""
    if module.isascii() and name.isascii():
        if not module or not name or _ODD.search(module) or _ODD.search(name):
            return "what stands for a name is none"
        return ""
    if _ODD.search(module) or _ODD.search(name):
        return "what stands for a name is none"
    for part in re.split(r"[.\W_]+", f"{module}.{name}"):
        scripts = {_script(letter) for letter in part if letter.isalpha()}
        if len(scripts) > 1 or "wide" in scripts:
            return "letters of different scripts that look alike"
    return ""


def _script(letter: str) -> str:
    code = ord(letter)
    if code < 0x250:
        return "latin"
    if 0x370 <= code < 0x400:
        return "greek"
    if 0x400 <= code < 0x530:
        return "cyrillic"
    return "wide" if code >= 0xFF00 or 0x1D400 <= code < 0x1D800 or 0x2100 <= code < 0x2150 else "other"
