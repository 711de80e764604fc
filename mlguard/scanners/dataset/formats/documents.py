"""Reads the documents that a pickle holds, as stores of vectors keep them beside their vectors, without unpickling anything.

The opcodes are listed by ``pickletools``, which runs nothing; values that only a call could make stay unknown. What an object would
be given as its state is a document when it holds text.
"""

from __future__ import annotations

import pickletools
from collections.abc import Iterator
from typing import Any

from mlguard.errors import Unreadable
from mlguard.scanners.dataset.formats import rows
from mlguard.scanners.dataset.source import Source
from mlguard.scanners.dataset.table import MAX_DEPTH, Table

MAX_BYTES = 128 * 2**20
"""The largest pickle whose documents are read."""

MAX_OPCODES = 20_000_000
"""Opcodes of one pickle that are followed."""

MAX_RECORDS = 5_000_000
"""Documents of one pickle."""

MAX_VALUES = 100_000
"""Values of one document. Parts that a pickle shares are counted each time that they are met."""

LABELS = ("document",)


class _Unknown:
    """A value that is made by a call."""

    __slots__ = ("state",)

    def __init__(self) -> None:
        self.state: Any = None


_MARK = object()
_LITERALS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_VALUES = frozenset(
    {
        "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES",
        "BINBYTES8", "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "BYTEARRAY8",
    }
)  # fmt: skip
_IGNORED = frozenset({"PROTO", "FRAME", "NEXT_BUFFER", "READONLY_BUFFER"})


def tables(source: Source) -> Iterator[Table]:
    """Yield the table of documents of a pickle. Raises Unreadable."""
    data = rows.whole(source, MAX_BYTES)
    table = Table("pickle", iter(()), "")
    table.batches = rows.batches(([record] for record in records(data)), LABELS)
    yield table


def records(data: bytes) -> Iterator[dict[str, Any]]:
    """Yield the documents of a pickle as plain dictionaries. Raises Unreadable where it cannot be followed further."""
    machine = _Machine()
    found = 0
    for state in machine.run(data):
        if found >= MAX_RECORDS:
            raise Unreadable(f"the pickle holds more than {MAX_RECORDS:,} documents")
        record = plain(state.get("__dict__", state) if isinstance(state, dict) else state)
        if isinstance(record, dict) and _holds_text(record):
            found += 1
            yield record
    if not found:
        yield from _contained(machine.result)


def _contained(result: Any) -> Iterator[dict[str, Any]]:
    """Yield what a pickle of plain values holds: the items of a list, the values of a dictionary of dictionaries."""
    items: list[Any] = [result]
    if isinstance(result, (list, tuple)):
        items = list(result)
    elif isinstance(result, dict) and result and all(isinstance(item, dict) for item in result.values()):
        items = list(result.values())
    for item in items[:MAX_RECORDS]:
        value = plain(item)
        record = value if isinstance(value, dict) else {"value": value}
        if _holds_text(record):
            yield record


def _holds_text(value: Any) -> bool:
    """Say whether a plain value holds text."""
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            return True
        if isinstance(item, dict):
            stack += item.values()
        elif isinstance(item, (list, tuple)):
            stack += item
    return False


def plain(value: Any) -> Any:
    """Return a value of texts, numbers, lists and dictionaries; what is unknown, or nested too deeply, as None.

    Lists of numbers, which are vectors, are left out. No two parts are shared, and a value that holds itself ends.
    """
    return _plain(value, 0, [MAX_VALUES])


def _plain(value: Any, depth: int, left: list[int]) -> Any:
    left[0] -= 1
    if depth > MAX_DEPTH or left[0] < 0 or isinstance(value, _Unknown):  # an unknown one is a document of its own
        return None
    if isinstance(value, dict):
        made = {}
        for key, item in value.items():
            if isinstance(key, str) and not key.startswith("__pydantic") and (kept := _plain(item, depth + 1, left)) is not None:  # fmt: skip
                made[rows.readable(key)] = kept
            if left[0] < 0:
                break
        return made or None
    if isinstance(value, (list, tuple)):
        if value and all(isinstance(item, (int, float)) for item in value[:64]):
            return None
        items = [_plain(item, depth + 1, left) for item in value[: max(0, left[0])]]
        kept = [item for item in items if item is not None]
        return (kept if all(isinstance(item, dict) for item in kept) else [rows.text(item) for item in kept]) or None
    if isinstance(value, bytes):
        return rows.prose_of(value)
    if isinstance(value, int) and value.bit_length() > 63:
        return None
    return rows.readable(value) if isinstance(value, str) else value


class _Machine:
    """Follows a pickle with values that it says itself, and unknown ones for all that is made by calls."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.result: Any = None

    def run(self, data: bytes) -> Iterator[Any]:
        """Yield the state that objects would be given. Raises Unreadable."""
        try:
            for count, (opcode, argument, _) in enumerate(pickletools.genops(data)):
                if count > MAX_OPCODES:
                    raise Unreadable(f"the pickle has more than {MAX_OPCODES:,} opcodes")
                if opcode.name == "BUILD":
                    state = self.stack.pop()
                    yield from state if isinstance(state, tuple) else [state]
                elif opcode.name == "STOP":
                    self.result = self.stack.pop()
                else:
                    self._step(opcode.name, argument)
        except rows.TROUBLE:
            raise Unreadable("the pickle is damaged; what stands before the break was read") from None

    def _step(self, name: str, argument: Any) -> None:
        stack = self.stack
        if name in _VALUES:
            stack.append(argument)
        elif name in _LITERALS:
            stack.append(_LITERALS[name])
        elif name in _IGNORED:
            return
        elif name in ("MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT"):
            self.memo[len(self.memo) if name == "MEMOIZE" else int(argument)] = stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(self.memo[int(argument)])
        elif name == "MARK":
            stack.append(_MARK)
        elif name == "POP":
            stack.pop()
        elif name == "POP_MARK":
            self._items()
        elif name == "DUP":
            stack.append(stack[-1])
        else:
            self._container(name)

    def _container(self, name: str) -> None:
        stack = self.stack
        if name in ("EMPTY_LIST", "EMPTY_DICT", "EMPTY_TUPLE", "EMPTY_SET"):
            stack.append({"EMPTY_LIST": list, "EMPTY_DICT": dict, "EMPTY_TUPLE": tuple, "EMPTY_SET": list}[name]())
        elif name in ("TUPLE1", "TUPLE2", "TUPLE3"):
            size = int(name[-1])
            if len(stack) < size:
                raise ValueError
            stack[-size:] = [tuple(stack[-size:])]
        elif name in ("LIST", "TUPLE", "FROZENSET"):
            items = self._items()
            stack.append(tuple(items) if name == "TUPLE" else list(items))
        elif name == "DICT":
            stack.append(dict(_pairs(self._items())))
        elif name in ("APPEND", "APPENDS", "ADDITEMS"):
            items = [stack.pop()] if name == "APPEND" else self._items()
            if isinstance(stack[-1], list):
                stack[-1] += items
        elif name in ("SETITEM", "SETITEMS"):
            items = [stack.pop(), stack.pop()][::-1] if name == "SETITEM" else self._items()
            if isinstance(stack[-1], dict):
                stack[-1].update(_pairs(items))
        else:
            self._call(name)

    def _call(self, name: str) -> None:
        stack = self.stack
        if name in ("REDUCE", "NEWOBJ", "STACK_GLOBAL"):
            del stack[-2:]
        elif name == "NEWOBJ_EX":
            del stack[-3:]
        elif name in ("OBJ", "INST"):
            self._items()
        elif name == "BINPERSID":
            stack.pop()
        stack.append(_Unknown())

    def _items(self) -> list[Any]:
        at = len(self.stack) - 1
        while self.stack[at] is not _MARK:
            at -= 1
            if at < 0:
                raise ValueError
        items = self.stack[at + 1 :]
        del self.stack[at:]
        return items


def _pairs(items: list[Any]) -> Iterator[tuple[Any, Any]]:
    for key, value in zip(items[::2], items[1::2], strict=False):
        if isinstance(key, (str, int, float, bytes)):
            yield key, value
