"""Copies JSON Lines; of a record only the changed values are written anew, the rest keeps its bytes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from json.decoder import scanstring  # type: ignore[attr-defined]  # part of the decoder since 2.6, and not in the stubs
from pathlib import Path
from typing import BinaryIO

from mlguard.errors import Unreadable
from mlguard.redaction import texts
from mlguard.redaction.change import Change
from mlguard.scanners.dataset import terms

BATCH_LINES = 5_000
BATCH_CHARS = 8 * 2**20
"""Lines and characters that are changed together."""

MAX_DEPTH = 32
"""Levels of nesting."""

BROKEN = "(broken lines)"

_SPACE = re.compile(r"[ \t\r\n]*")
_BARE = re.compile(r"[-+.\w]+")


class _Leaf:
    """A value in a line: its column, where it stands, what it says, and whether it stands in quotes."""

    __slots__ = ("column", "end", "start", "text", "value")

    def __init__(self, column: str, start: int, end: int, value: str, text: bool) -> None:
        self.column, self.start, self.end, self.value, self.text = column, start, end, value, text


def rewrite(source: Path, target: BinaryIO, change: Change, columns: Sequence[str]) -> int:
    """Copy ``source`` to ``target`` and return how many records it holds. Raises Unreadable."""
    encoding = texts.encoding_of(source)
    writer = texts.Writer(target, encoding)
    ascii_only = not encoding.name.startswith("utf")
    batch: list[str] = []
    size = 0
    paths = _Paths()
    for line in texts.lines(source, encoding):
        batch.append(line)
        size += len(line)
        if len(batch) >= BATCH_LINES or size > BATCH_CHARS:
            writer.write(_changed(batch, change, paths, ascii_only))
            batch, size = [], 0
    writer.write(_changed(batch, change, paths, ascii_only))
    return paths.records


class _Paths:
    """Names key paths as the scanner does: a key that may be somebody's data is a star."""

    def __init__(self) -> None:
        self.known: dict[tuple[str, str], tuple[str, bool]] = {}
        self.records = 0

    def of(self, above: str, key: str) -> tuple[str, bool]:
        """Return the path of a key, and whether the key itself is data."""
        found = self.known.get((above, key))
        if found is None:
            hidden = terms.shown(key, 0) != " ".join(key.split())
            name = "*" if hidden else key
            found = (f"{above}.{name}" if above else name), hidden
            if len(self.known) < 100_000:
                self.known[above, key] = found
        return found


def _changed(batch: Sequence[str], change: Change, paths: _Paths, ascii_only: bool) -> str:
    edits: list[list[tuple[int, int, str]]] = [[] for _ in batch]
    waiting: dict[tuple[str, bool], list[tuple[int, _Leaf]]] = {}
    for number, line in enumerate(batch):
        if not line.strip():
            continue
        if not _is_json(line):
            whole = _Leaf(
                BROKEN, 0, len(line) - len(texts.ending(line)), line[: len(line) - len(texts.ending(line))], False
            )
            if change.wants(BROKEN):
                edits[number].append((0, whole.end, change.texts(BROKEN, [whole.value])[0][0]))
            continue
        paths.records += 1
        walk = _Walk(line, change, paths, edits[number])
        walk.value(_SPACE.match(line, 0).end(), "", 0)  # type: ignore[union-attr]  # matches the empty text
        for leaf in walk.leaves:
            waiting.setdefault((leaf.column, leaf.text), []).append((number, leaf))
    for (column, text), leaves in waiting.items():
        values = [leaf.value for _, leaf in leaves]
        for (number, leaf), (new, bare) in zip(leaves, change.texts(column, values, not text), strict=True):
            if new != leaf.value or bare == leaf.text:
                edits[number].append((leaf.start, leaf.end, new if bare else _quoted(new, ascii_only)))
    return "".join(_edited(line, changes) for line, changes in zip(batch, edits, strict=True))


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _quoted(text: str, ascii_only: bool) -> str:
    return json.dumps(text, ensure_ascii=ascii_only or any("\ud800" <= sign <= "\udfff" for sign in text))


def _edited(line: str, edits: list[tuple[int, int, str]]) -> str:
    if not edits:
        return line
    parts, place = [], 0
    for start, end, text in sorted(edits):
        if start < place:
            continue  # within what was dropped
        parts += [line[place:start], text]
        place = end
    return "".join([*parts, line[place:]])


class _Walk:
    """Goes through one valid record. Values of wanted columns are collected; dropped members are cut out."""

    def __init__(self, line: str, change: Change, paths: _Paths, edits: list[tuple[int, int, str]]) -> None:
        self.line, self.change, self.paths, self.edits = line, change, paths, edits
        self.leaves: list[_Leaf] = []

    def value(self, place: int, path: str, depth: int) -> int:
        """Walk the value at ``place`` and return where it ends."""
        if depth > MAX_DEPTH:
            raise Unreadable(f"nested deeper than {MAX_DEPTH} levels")
        first = self.line[place]
        if first == "{":
            return self._members(place, path, depth)
        if first == "[":
            return self._items(place, path, depth)
        if first == '"':
            text, end = scanstring(self.line, place + 1, False)
            self._leaf(path, place, end, text, True)
            return int(end)
        match = _BARE.match(self.line, place)
        if match is None:
            raise Unreadable("a line is no JSON")
        if match.group() != "null":
            self._leaf(path, place, match.end(), match.group(), False)
        return match.end()

    def _leaf(self, path: str, start: int, end: int, value: str, text: bool) -> None:
        if self.change.wants(path or "value"):
            self.leaves.append(_Leaf(path or "value", start, end, value, text))

    def _items(self, place: int, path: str, depth: int) -> int:
        return self._series(place, "]", lambda at: self.value(at, f"{path}[]", depth + 1))

    def _members(self, place: int, path: str, depth: int) -> int:
        kept: list[tuple[int, int, bool]] = []

        def member(at: int) -> int:
            key, end = scanstring(self.line, at + 1, False)
            name, hidden = self.paths.of(path, key)
            if hidden:
                keys = f"{path}.(keys)" if path else "(keys)"
                self._leaf(keys, at, end, key, True)
            after = self._skip(self._skip(end) + 1)  # the colon
            stop = self.value(after, name, depth + 1)
            kept.append((at, stop, not self.change.drops(name)))
            return stop

        end = self._series(place, "}", member)
        if not all(stays for _, _, stays in kept):
            self._cut(kept)
        return end

    def _cut(self, members: Sequence[tuple[int, int, bool]]) -> None:
        """Cut members out, each with the comma that parts it from one that stays."""
        stayed = False
        for number, (start, stop, stays) in enumerate(members):
            if stays:
                stayed = True
            elif stayed:
                self.edits.append((members[number - 1][1], stop, ""))
            else:
                until = members[number + 1][0] if number + 1 < len(members) else stop
                self.edits.append((start, until, ""))

    def _series(self, place: int, closing: str, each: Callable[[int], int]) -> int:
        place = self._skip(place + 1)
        if self.line[place] == closing:
            return place + 1
        while True:
            place = self._skip(each(place))
            if self.line[place] == closing:
                return place + 1
            place = self._skip(place + 1)

    def _skip(self, place: int) -> int:
        return _SPACE.match(self.line, place).end()  # type: ignore[union-attr]  # matches the empty text
