"""Reads captures of a browser's traffic (HTTP Archive 1.2): parameters, forms and cookies by name, and bodies as prose.

Credentials in headers are for the scanner of secrets, which reads the file as text. Only the headers that name a person or a
place are columns here.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from mlguard.errors import Unreadable
from mlguard.scanners.dataset.formats import grid
from mlguard.scanners.dataset.source import Source
from mlguard.scanners.dataset.table import MissedKind, Table

CHUNK_BYTES = 2**20
MAX_ENTRY_CHARS = 32 * 2**20
"""One request with its answer; a larger one is passed over."""

MAX_NAMES = 2_000
"""Names of parameters, fields and cookies that are columns of their own."""

MAX_FIELDS = 10_000
"""Fields of one body of JSON."""

_HEADERS = re.compile(
    r"(?i)^(?:from|x-forwarded-for|x-real-ip|x-client-ip|true-client-ip|x-user[\w-]*|x-email|x-username|x-account[\w-]*)$"
)
_ENTRIES = re.compile(r'"entries"\s*:\s*\[')
_TEXTUAL = re.compile(r"(?i)text/|json|xml|urlencoded|graphql|csv")


def tables(source: Source) -> Iterator[Table]:
    """Yield one table of what was sent and set, and the bodies as prose."""
    sent = Table("har", iter(()))
    columns = _Columns()
    sent.batches = _batches(source, sent.missed, columns)
    yield sent
    bodies = Table("har", iter(()), "(bodies)", prose=True)
    bodies.batches = grid.prose(_lines(source))
    yield bodies


class _Columns:
    def __init__(self) -> None:
        self.names: dict[str, int] = {}
        self.merged = False

    def called(self, name: str) -> str:
        if name not in self.names and len(self.names) >= MAX_NAMES:
            name, self.merged = "(further names)", True
        self.names.setdefault(name, len(self.names))
        return name


def _batches(source: Source, missed: list[tuple[MissedKind, str]], columns: _Columns) -> Iterator[Any]:
    yield from grid.records(columns.names, _rows(source, missed, columns))
    if columns.merged:
        missed.append(("too-large", f"more than {MAX_NAMES:,} names of parameters; further ones are in one column"))


def _rows(source: Source, missed: list[tuple[MissedKind, str]], columns: _Columns) -> Iterator[dict[str, str]]:
    for entry in entries(source, lambda kind, reason: missed.append((kind, reason))):
        row: dict[str, str] = {}
        for name, value in _values(entry):
            key = columns.called(name)
            row[key] = f"{row[key]}\n{value}" if key in row else value
        yield row


def entries(source: Source, note: Callable[[MissedKind, str], None]) -> Iterator[dict[str, Any]]:
    """Yield the entries one by one. Raises Unreadable where the text is no capture or breaks off."""
    decoder = json.JSONDecoder()
    pieces = _pieces(source)
    text = next(pieces, "")
    while (found := _ENTRIES.search(text)) is None:
        piece = next(pieces, None)
        if piece is None or len(text) > MAX_ENTRY_CHARS:
            raise Unreadable("no capture of HTTP traffic: it has no list of entries")
        text += piece
    at, text, tried = 0, text[found.end() :], 0
    while True:
        at += len(text[at : at + 64]) - len(text[at : at + 64].lstrip(" \t\r\n,"))
        if text[at : at + 1] == "]":
            return
        entry: Any = None
        if len(text) - at > tried:
            try:
                entry, at = decoder.raw_decode(text, at)
                tried = 0
            except (ValueError, RecursionError):
                tried = 2 * (len(text) - at)  # again when there is twice as much, so that the work stays linear
        if tried == 0 and entry is not None:
            if isinstance(entry, dict):
                yield entry
            continue
        piece = next(pieces, None)
        if piece is None:
            if tried and not text[at:].strip():
                raise Unreadable("the capture ends early")
            try:
                entry, at = decoder.raw_decode(text, at)
            except (ValueError, RecursionError):
                raise Unreadable("the capture ends early, or is no valid JSON") from None
            if isinstance(entry, dict):
                yield entry
            continue
        text, at = text[at:] + piece, 0
        if len(text) > MAX_ENTRY_CHARS:
            note(
                "too-large",
                f"a request with its answer is larger than {MAX_ENTRY_CHARS // 2**20} MiB; the rest was not read",
            )
            return


def _pieces(source: Source) -> Iterator[str]:
    import codecs

    encoding = "utf-16" if source.head(2) in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    with source.open() as file:
        try:
            while piece := file.read(CHUNK_BYTES):
                yield decoder.decode(piece)
        except (OSError, EOFError):
            raise Unreadable("cannot be read to its end") from None
    yield decoder.decode(b"", True)


def _pairs(owner: Any, key: str) -> Iterator[tuple[str, str]]:
    for one in _part(owner, key, list):
        if (
            isinstance(one, dict)
            and isinstance(one.get("name"), str)
            and isinstance(one.get("value"), str | int | float)
        ):
            yield one["name"], str(one["value"])


def _part(owner: Any, key: str, kind: type) -> Any:
    value = owner.get(key) if isinstance(owner, dict) else None
    return value if isinstance(value, kind) else kind()


def _values(entry: dict[str, Any]) -> Iterator[tuple[str, str]]:
    request, response = _part(entry, "request", dict), _part(entry, "response", dict)
    url = _part(request, "url", str)
    try:
        parts = urlsplit(url)
        yield "url", f"{parts.hostname or ''}{parts.path}"
        if parts.username:
            yield "url.user", parts.username
        query = dict.fromkeys(parse_qsl(parts.query, max_num_fields=MAX_FIELDS))
    except ValueError:
        query = {}
    for name, value in dict.fromkeys([*_pairs(request, "queryString"), *query]):
        yield f"query.{name}", value
    for side, message in (("request", request), ("response", response)):
        for name, value in _pairs(message, "cookies"):
            yield f"cookie.{name}", value
        for name, value in _pairs(message, "headers"):
            if _HEADERS.match(name):
                yield f"{side}.{name}", value
    yield from _form(_part(request, "postData", dict))
    body = _part(response, "content", dict)
    if "json" in _part(body, "mimeType", str).lower():
        yield from _fields(_body(body), "answer")
    if isinstance(address := entry.get("clientIPAddress"), str):
        yield "clientIPAddress", address


def _form(post: dict[str, Any]) -> Iterator[tuple[str, str]]:
    params = list(_pairs(post, "params"))
    text, kind = _part(post, "text", str), _part(post, "mimeType", str).lower()
    if "json" in kind:
        yield from _fields(text, "form")
    elif "urlencoded" in kind and not params:
        try:
            params = parse_qsl(text, max_num_fields=MAX_FIELDS)
        except ValueError:
            params = []
    yield from ((f"form.{name}", value) for name, value in params)


def _fields(text: str, name: str) -> Iterator[tuple[str, str]]:
    """Yield the path and text of each leaf of a body in JSON."""
    try:
        waiting: list[tuple[str, Any]] = [(name, json.loads(text))]
    except (ValueError, RecursionError):
        return
    for _ in range(MAX_FIELDS):
        if not waiting:
            return
        path, value = waiting.pop()
        if isinstance(value, dict):
            waiting += [(f"{path}.{key}", inner) for key, inner in reversed(value.items())]
        elif isinstance(value, list):
            waiting += [(path, inner) for inner in reversed(value[:MAX_FIELDS])]
        elif value is not None and not isinstance(value, bool):
            yield path, str(value)


def _body(content: dict[str, Any]) -> str:
    text = _part(content, "text", str)
    if content.get("encoding") == "base64":
        try:
            return base64.b64decode(text).decode("utf-8", "replace")
        except (binascii.Error, ValueError):
            return ""
    return str(text)


def _lines(source: Source) -> Iterator[str]:
    """Yield the lines of bodies that are text and not taken apart by name."""
    try:
        for entry in entries(source, lambda kind, reason: None):
            post = _part(_part(entry, "request", dict), "postData", dict)
            content = _part(_part(entry, "response", dict), "content", dict)
            for body in (post, content):
                kind = _part(body, "mimeType", str).lower()
                if _TEXTUAL.search(kind) and not re.search("json|urlencoded|javascript|css", kind):
                    yield from _body(body).splitlines()
            if isinstance(comment := entry.get("comment"), str):
                yield comment
            for message in _part(entry, "_webSocketMessages", list):
                yield from str(_part(message, "data", str)).splitlines()
    except Unreadable:
        return  # the table of the same entries has said so
