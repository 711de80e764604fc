"""Reads JSON files that hold records: arrays, columns, records by key. A long array is read an element at a time."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from mlguard.errors import Unreadable
from mlguard.scanners import decode
from mlguard.scanners.dataset import lines, places, terms
from mlguard.scanners.dataset.nesting import DECODER, Spread, loads
from mlguard.scanners.dataset.source import Source
from mlguard.scanners.dataset.table import Table

MAX_BYTES = 64 * 2**20
"""Bytes of a file that is read whole."""

MAX_ARRAY_BYTES = 4 * 2**20
"""Bytes of an array that is read whole; the values of JSON take a dozen times the memory of its text."""

MAX_ELEMENT_CHARS = 32 * 2**20
"""Characters of one element of an array that is read an element at a time."""

BLOCK_CHARS = 2**20

_CONFIGURATION = re.compile(
    r"(?i)(?:^|/)(?:package(?:-lock)?|composer|tsconfig[^/]*|jsconfig[^/]*|[^/]*config|[^/]*settings|tokenizer[^/]*|vocab|special_tokens_map|added_tokens|"
    r"[^/]*\.schema|schema|manifest|launch|tasks|extensions|angular|nx|lerna|turbo|renovate|vercel|firebase|babel|\.[^/]*|openapi|swagger|[^/]*\.index|model_index|"
    r"preprocessor_config|generation_config|merges|pipfile|project|index)\.json$|(?:^|/)sboms?/|\.(?:cyclonedx|cdx|spdx|sarif)\.json$|\.(?:code-workspace|webmanifest)$"
)


def tables(source: Source) -> Iterator[Table]:
    """Yield the table of the source, or nothing when it holds no records but settings and the like."""
    settings = bool(_CONFIGURATION.search(source.called))
    with source.open() as file:
        data = lines.piece(file, MAX_BYTES + 1)
    listed = data[:4096].removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"["
    if len(data) > (MAX_ARRAY_BYTES if listed else MAX_BYTES):
        if not listed:
            raise Unreadable(
                f"larger than the limit of {MAX_BYTES // 2**20} MiB for a JSON file that is no array of records"
            )
        del data
        yield Table("json", _batched(_elements(source)))
        return
    try:
        value = loads(decode(data))
    except (ValueError, RecursionError):
        if not settings:
            yield from _of_lines(source, data)
        return
    if settings and not isinstance(value, list):
        return
    records = _records(value, places.is_data(source.called))
    first = next(records, None)
    if first is not None:
        yield Table("json", _batched(chain([first], records)))


def _batched(records: Iterator[object]) -> Iterator[Any]:
    spread = Spread()
    try:
        for record in records:
            if (ready := spread.add(record)) is not None:
                yield ready
    except Unreadable:
        if (ready := spread.rest()) is not None:
            yield ready
        raise
    if (ready := spread.rest()) is not None:
        yield ready


def _of_lines(source: Source, data: bytes) -> Iterator[Table]:
    """Yield the table of JSON Lines under the name of JSON; else say that it is broken, and look at its text."""
    from mlguard.scanners.dataset.formats import jsonlines

    first = data.lstrip().split(b"\n", 1)[0].strip()
    try:
        json.loads(first)
    except (ValueError, RecursionError):
        table = Table("json", iter(()))
        table.texts.append(("(broken text)", data.decode("utf-8", "replace").split("\n")))
        table.missed.append(("unreadable", "not valid JSON; was the file cut short?"))
        yield table
        return
    yield from jsonlines.tables(source)


def _elements(source: Source) -> Iterator[object]:
    """Yield the elements of an array, holding one at a time."""
    encoding, _ = lines.encoding_of(source)
    blocks = _blocks(source, encoding)
    text = next(blocks, "")
    place = len(text) - len(text.lstrip("\ufeff \t\r\n")) + 1
    while True:
        place = _gap(text, place)
        if text[place : place + 1] == "]":
            return
        try:
            value, end = DECODER.raw_decode(text, place)
            whole = end < len(text)  # a number at the end of a block may go on
        except (ValueError, RecursionError):
            whole = False
        if whole:
            yield value
            place = end
            continue
        more = next(blocks, None)
        if more is None or len(text) - place > MAX_ELEMENT_CHARS:
            raise Unreadable("the JSON array is broken or cut short, or an element of it is larger than the limit")
        text, place = text[place:] + more, 0


_BETWEEN = re.compile(r"[ \t\r\n,]*")


def _gap(text: str, place: int) -> int:
    """Return where the next element begins."""
    found = _BETWEEN.match(text, place)
    return found.end() if found else place


def _blocks(source: Source, encoding: str) -> Iterator[str]:
    import io

    with source.open() as file, io.TextIOWrapper(file, encoding, errors="replace") as text:
        while block := text.read(BLOCK_CHARS):
            yield block


def _records(value: object, alone: bool = False) -> Iterator[object]:
    """Yield the records that a value holds in one of the usual forms; nothing when it is something else.

    With ``alone`` an object of no such form is a record itself.
    """
    if isinstance(value, list):
        yield from value
        return
    if isinstance(value, str) and alone:
        yield value
    if not isinstance(value, dict) or "$schema" in value:
        return
    lists = {key: item for key, item in value.items() if isinstance(item, list) and item}
    inner = {key: item for key, item in lists.items() if all(isinstance(part, dict) for part in item[:100])}
    parts = [item for item in value.values() if isinstance(item, dict)]
    if inner:
        for key, item in inner.items():
            for record in item:
                yield {key: [record]}
    elif lists and len(lists) == len(value) and len({len(item) for item in lists.values()}) == 1:
        for place in range(len(next(iter(lists.values())))):
            yield {key: item[place] for key, item in lists.items()}
    elif len(parts) == len(value) and len(parts) > 1:
        yield from _keyed(value, parts)
    elif any(terms.reveals(key) for key in value):
        yield from ({"(key)": key, "(value)": item} for key, item in value.items())
    elif alone and value:
        yield value


def _keyed(value: Mapping[str, Any], parts: Sequence[Mapping[str, Any]]) -> Iterator[object]:
    """Yield an object of objects of one shape: records by their key, or columns by their row number."""
    keys = Counter(key for part in parts for key in part)
    if not keys or sum(keys.values()) < 0.6 * len(keys) * len(parts):
        return
    if all(key.isdigit() for key in keys):
        for key in keys:
            yield {name: part.get(key) for name, part in value.items()}
    elif any(terms.term_of(key) for key in keys):
        for key, part in value.items():
            yield {"(key)": key, **part}
