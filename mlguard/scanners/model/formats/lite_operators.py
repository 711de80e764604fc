"""Judges operators that mobile graphs name: kernels of TensorFlow by its table, all others by what is known of a runtime."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mlguard.scanners.model.formats import operators
from mlguard.scanners.model.source import View
from mlguard.scanners.model.state import State
from mlguard.scanners.model.values import DANGEROUS, UNKNOWN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mlguard.findings import Record

_NODE = re.compile(rb"\x12([\x01-\x60])([A-Za-z][A-Za-z0-9_>.]{0,95})")
_COMPILED: tuple[tuple[bytes, str], ...] = (
    (b"\x7fELF", "ELF"), (b"MZ", "PE"), (b"\xcf\xfa\xed\xfe", "Mach-O"), (b"\xce\xfa\xed\xfe", "Mach-O"),
    (b"\xca\xfe\xba\xbe", "Mach-O"), (b"!<arch>\n", "archive of objects"),
)  # fmt: skip


def kernel(name: str, view: View, state: State, kind: str, byte: int) -> Iterator[Record]:
    """Yield what must be told of a kernel of TensorFlow."""
    table = operators.of("tensorflow")
    if name in table.blocked:
        yield from blocked(table.blocked[name], name, view, state, kind, byte)
    elif name in table.review or name not in table.known and name not in table.native and name not in table.paths:
        yield from review(name, view, state, kind, byte)


def blocked(check: str, name: str, view: View, state: State, kind: str, byte: int) -> Iterator[Record]:
    """Tell of an operator that no model needs, and put it into the inventory."""
    yield from _told(DANGEROUS, "block", check, name, view, state, kind, byte)


def review(name: str, view: View, state: State, kind: str, byte: int) -> Iterator[Record]:
    """Tell of an operator of a library of its own, and put it into the inventory."""
    yield from _told(UNKNOWN, "review", "custom-operator", name, view, state, kind, byte)


def _told(
    rule: str, verdict: str, check: str, name: str, view: View, state: State, kind: str, byte: int
) -> Iterator[Record]:
    shown = shown_name(name)
    state.imports.setdefault(f"{kind}.{shown}", verdict)
    facts: dict[str, str | int] = {"name": shown, "opcode": "operator", "format": kind}
    yield from state.detection(rule, check, view.within, byte, None, shown, facts)


def shown_name(name: str) -> str:
    """Return the name of an operator as it may be shown, or a stand-in."""
    return name if len(name) <= 80 and re.fullmatch(r"[A-Za-z_][\w.:>-]*", name, re.A) else "(not a name)"


def nodes(options: bytes) -> set[str]:
    """Return the blocked kernels whose NodeDef (field 2 is the operator) may stand in the options of a Flex operator."""
    listed = operators.of("tensorflow").blocked
    found = set()
    for match in _NODE.finditer(options):
        name = match.group(2)[: match.group(1)[0]].decode("ascii")
        if len(name) == match.group(1)[0] and name in listed:
            found.add(name)
    return found


def native(head: bytes) -> str:
    """Return the kind of compiled program that begins with ``head``, or ""."""
    for magic, kind in _COMPILED:
        if head.startswith(magic):
            return kind
    return ""
