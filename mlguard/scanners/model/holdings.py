"""Finds the texts that a pickle holds as data: classes of encoders, vocabularies, columns of frames, plain containers.

The machine keeps the first values of each container, so a long column is judged by its beginning.
"""

from __future__ import annotations

from collections.abc import Iterator

from mlguard.scanners.model import texts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from mlguard.findings import Record
    from mlguard.scanners.model.machine import Machine
    from mlguard.scanners.model.source import Buffer, View
    from mlguard.scanners.model.state import State

MAX_ARRAY_BYTES = 2**19
"""What is decoded of one array of characters."""

MAX_VALUES = 5000
"""Values of plain containers that are looked at."""


def told(machine: Machine, view: View, state: State) -> Iterator[Record]:
    """Yield what the texts of a pickle that was walked show, and note which rows of training data it keeps."""
    state.stored |= machine.stored
    result = machine.result
    if machine.columns:
        pairs = [("array", text) for column in machine.columns for text in _texts(column, machine.data)]
        yield from texts.told(pairs, view, state, state.format or "pickle")
    if result and type(result) in (dict, list, tuple):
        yield from texts.told(_plain(result), view, state, state.format or "pickle")


def array(data: Buffer, start: int, end: int, characters: int, view: View, state: State) -> Iterator[Record]:
    """Yield what an array of texts with so many characters of four bytes each shows."""
    pairs = (("array", text) for text in _cut(data, start, end - start, characters))
    yield from texts.told(pairs, view, state, state.format)


def _texts(column: Any, data: Buffer) -> Iterator[str]:
    if type(column) is list:
        yield from (value.decode("utf-8", "replace") for value in column)
        return
    place, width = column
    if not width:
        run = bytes(data[place.offset : place.offset + min(place.length, MAX_ARRAY_BYTES)]).decode("utf-8", "replace")
        yield from texts.addresses(run)
        return
    yield from _cut(data, place.offset, place.length, width)


def _cut(data: Buffer, start: int, length: int, width: int) -> Iterator[str]:
    size = max(0, min(length, MAX_ARRAY_BYTES)) // (4 * width) * 4 * width
    characters = bytes(data[start : start + size]).decode("utf-32-le", "replace")
    for at in range(0, len(characters), width):
        yield characters[at : at + width].rstrip("\0")


def _plain(result: Any) -> Iterator[tuple[str, str]]:
    """Yield (key, text) of lists and dictionaries; the keys of one with numbers for values are a vocabulary."""
    left = MAX_VALUES
    stack: list[tuple[str, Any]] = [("values", result)]
    while stack and left:
        left -= 1
        key, value = stack.pop()
        kind = type(value)
        if kind is bytes:
            yield key, value.decode("utf-8", "replace")
        elif kind is dict:
            for name, item in value.items():
                word = name.decode("utf-8", "replace")
                if type(item) in (int, bool):
                    yield key, word
                else:
                    stack.append((word, item))
        elif kind is list or kind is tuple:
            stack.extend((key, item) for item in reversed(value))
