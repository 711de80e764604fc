"""Looks into R data: promises, functions and calls inside what readRDS and load would rebuild.

A promise is an expression that R evaluates when somebody touches the value: a file that holds one runs code (CVE-2024-27322).
Honest models hold functions (families of glm), calls and formulas with environments, and promises only in those: the arguments of the
function that fitted the model. So a promise is judged by where it stands and what it calls, and a function by what it calls.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from functools import cache

from mlguard import tables
from mlguard.scanners.model import texts
from mlguard.scanners.model.formats.rstream import Closure, Promise, Trouble, Walk
from mlguard.scanners.model.source import View
from mlguard.scanners.model.state import Examination, State
from mlguard.scanners.model.values import DANGEROUS, UNKNOWN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mlguard.findings import Record

MAX_STREAMS = 1000
"""Objects one after the other in one file."""

_CODE = "model/bundled-executable-code"


@cache
def _functions_of(group: str) -> frozenset[str]:
    """Return the names of a group of the table r-functions."""
    return frozenset(name for entry in tables.table("r-functions")[group] for name in entry["names"].split())


def examine(view: View, state: State) -> Examination:
    """Walk the objects of the file and tell what would run, and what texts show."""
    state.name("rds")
    at, is_workspace = view.start, view.head(2) == b"RD"
    for count in range(MAX_STREAMS):
        if count and bytes(view.data[at : min(view.end, at + 2)]) not in (b"X\n", b"A\n", b"B\n"):
            break
        is_list = is_workspace and not count
        walk = Walk(view.data, at + 5 * is_list, view.end, is_list, _functions_of("by-name"))
        trouble = ""
        try:
            walk.run()
        except Trouble as reason:
            trouble = str(reason)
        yield from _judged(walk, view, state)
        if trouble:
            yield from state.gap(
                "too-large" if walk.too_large else "unreadable",
                f"the R data cannot be followed to its end: {trouble}",
                view.within,
            )
            return "read"
        at = walk.at
        if at >= view.end:
            return "read"
    if bytes(view.data[at : min(view.end, at + 4096)]).strip(b"\0\r\n\t "):
        yield from state.malformed("trailing-data", view, at - view.start, "rds")
    return "read"


def _judged(walk: Walk, view: View, state: State) -> Iterator[Record]:
    for owner in reversed(walk.owners):
        if owner.parent is not None:
            owner.parent.calls |= owner.calls
    for name in walk.namespaces:
        state.imports.setdefault(f"R.{name}", "allow")
    for owner in walk.owners:
        if isinstance(owner, Promise):
            yield from _promise(owner, view, state)
        elif isinstance(owner, Closure):
            yield from _closure(owner, view, state)
    for name, byte in sorted(walk.calls.items()):
        if name in _functions_of("dangerous"):
            yield from _code(f"call.{name}", f"holds a call of {name}", byte, view, state)
    if _is_computed(walk.calls.keys()):
        yield from _functions(walk.calls.get("eval", view.start), view, state)
    for package, name, byte in walk.classes:
        yield from _class(package, name, byte, view, state)
    if walk.persistent:
        facts: dict[str, str | int] = {"name": "a persistent reference", "opcode": "PERSISTSXP", "format": "rds"}
        yield from state.detection(UNKNOWN, "persistent-id", view.within, walk.persistent - view.start, None, "", facts)
    yield from texts.told(walk.texts, view, state, "rds")
    if walk.full:
        yield from state.gap("too-large", "the file holds more text than is looked at", view.within)


def _promise(promise: Promise, view: View, state: State) -> Iterator[Record]:
    if not promise.pending:
        return
    called = promise.calls & _functions_of("dangerous") or promise.calls & _functions_of("indirect")
    if called or not promise.in_frame:
        reason = f" that calls {sorted(called)[0]}" if called else ""
        yield from _runs(f"a promise{reason}", promise.byte, view, state)
    elif not promise.calls <= _functions_of("plain"):
        yield from _functions(promise.byte, view, state)


def _closure(closure: Closure, view: View, state: State) -> Iterator[Record]:
    called = sorted(closure.calls & _functions_of("dangerous"))
    computed = _is_computed(closure.calls)
    ours = closure.of_library()
    if closure.hook in _functions_of("hooks"):
        yield from _runs(f"the function {closure.hook}", closure.byte, view, state)
    if closure.active and (called or computed):
        yield from _runs(f"an active binding that calls {called[0] if called else 'eval'}", closure.byte, view, state)
    elif called:
        yield from _code(called[0], f"calls {called[0]}", closure.byte, view, state)
    elif computed and not ours:
        yield from _code("eval", "evaluates text that it puts together", closure.byte, view, state)
    elif closure.active or computed or not ours and not closure.calls <= _functions_of("plain"):
        yield from _functions(closure.byte, view, state)


def _is_computed(calls: Set[str]) -> bool:
    """Say whether code evaluates what it has built from a text or from bytes."""
    built = {"parse", "str2lang", "str2expression", "unserialize", "readRDS", "load"}
    return bool(built & calls and {"eval", "evalq", "eval.parent"} & calls)


def _class(package: str, name: str, byte: int, view: View, state: State) -> Iterator[Record]:
    """Tell of a vector that a class of compiled code rebuilds (ALTREP), when that is not R's own."""
    if name.startswith("mmap_"):
        shown = "simplemmap." + ("mmap_real" if name == "mmap_real" else "mmap_integer")
        facts: dict[str, str | int] = {"name": shown, "opcode": "ALTREP", "format": "rds"}
        state.imports.setdefault(shown, "block")
        yield from state.detection(DANGEROUS, "file-operator", view.within, byte - view.start, None, shown, facts)
    elif package != "base":
        from mlguard.scanners.model.values import clean_name

        shown = clean_name(package, name)
        state.imports.setdefault(shown, "review")
        facts = {"name": shown, "opcode": "ALTREP", "format": "rds"}
        yield from state.detection(UNKNOWN, "other-library", view.within, byte - view.start, None, shown, facts)


def _runs(name: str, byte: int, view: View, state: State) -> Iterator[Record]:
    state.imports.setdefault("R.promise", "block")
    facts: dict[str, str | int] = {"name": name, "opcode": "none", "format": "rds"}
    yield from state.detection(DANGEROUS, "expression", view.within, byte - view.start, None, name, facts)


def _code(name: str, note: str, byte: int, view: View, state: State) -> Iterator[Record]:
    state.imports.setdefault(f"R.{name.removeprefix('call.')}", "block")
    facts: dict[str, str | int] = {"name": "R", "note": note, "format": "rds"}
    yield from state.detection(_CODE, "function", view.within, byte - view.start, None, name, facts)


def _functions(byte: int, view: View, state: State) -> Iterator[Record]:
    state.imports.setdefault("R.function", "review")
    facts: dict[str, str | int] = {"name": "functions", "opcode": "CLOSXP", "format": "rds"}
    yield from state.detection(UNKNOWN, "embedded-function", view.within, byte - view.start, None, "functions", facts)
