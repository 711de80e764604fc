"""What was counted of a part of a table, as bytes and back, so that parts can be counted anywhere and merged.

A verdict needs more than counts: check digits are held against the same values with their characters permuted, words against
dictionaries, a few cells against a second opinion. A column's numbers alone cannot be judged apart and added up, because a part
with three cards in it proves nothing that the whole does not. So a sketch holds the samples of distinct values that the kernel
keeps, which are personal data, and it leaves the process that counted only sealed: compressed and encrypted with the key of the
run (AES-256-GCM, NIST SP 800-38D), bound to what it is a part of. It is opened where parts are merged and nowhere else; what
comes out there are verdicts, which hold no value.

Merging is associative and takes parts in the order of their rows (``begin``), so whoever collects parts sorts them first: then
neither the cut nor the order of arrival can be seen in the result. Two bounds of one run count for each part instead: the lines of
footers and the reasons that are told one by one.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from mlguard.errors import UsageError
from mlguard.scanners.dataset.anonymity import Classes
from mlguard.scanners.dataset.columns import Bottom, Profile, Sheet, Tally
from mlguard.scanners.dataset.risk import Watch
from mlguard.scanners.dataset.rows import Rows
from mlguard.scanners.dataset.table import MissedKind

LEAST_KEY = 32
"""Bytes of a key's text at least. It is a random secret and no password: nothing slows down whoever guesses."""

MAX_BYTES = 2 * 2**30
"""Bytes of an opened sketch at most."""

_NONCE = 12
_DERIVED = ("term",)
"""Fields that follow from others."""


@dataclass(slots=True)
class Sketch:
    """One table, or the rows of its slices from ``begin`` up to ``end``. ``trouble`` is why reading ended early, as kind and reason."""

    format: str
    name: str = ""
    prose: bool = False
    begin: int = 0
    end: int = 1
    sheet: Sheet = field(default_factory=Sheet)
    watch: Watch | None = None
    schema: Any = None  # of the first batch, an Arrow schema
    missed: list[tuple[MissedKind, str]] = field(default_factory=list)
    trouble: tuple[MissedKind, str] | None = None

    def merge(self, other: Sketch) -> None:
        """Add the part that comes next. What follows the place where reading ended early is as little read as in one run."""
        if other.begin < self.end:
            raise ValueError("parts are merged in their order, each once")
        self.end = other.end
        if self.trouble is not None:
            return
        self.sheet.merge(other.sheet)
        if self.watch is not None and other.watch is not None:
            _merge_watch(self.watch, other.watch)
        self.schema = other.schema if self.schema is None else self.schema
        self.missed += [reason for reason in other.missed if reason not in self.missed]
        self.trouble = other.trouble


def merged(parts: Iterable[Sketch]) -> list[Sketch]:
    """Return the parts with those that follow each other as one, in their order."""
    runs: list[Sketch] = []
    for part in sorted(parts, key=lambda part: part.begin):
        if runs and runs[-1].end == part.begin:
            runs[-1].merge(part)
        else:
            runs.append(part)
    return runs


def pack(sketch: Sketch) -> bytes:
    """Return the sketch as bytes, the same for the same state. They hold values: ``seal`` them."""
    schema = base64.b64encode(sketch.schema.serialize()).decode() if sketch.schema is not None else None
    state = {
        **{name: getattr(sketch, name) for name in ("format", "name", "prose", "begin", "end", "missed", "trouble")},
        "schema": schema, "sheet": _sheet_state(sketch.sheet), "watch": sketch.watch and _watch_state(sketch.watch),
    }  # fmt: skip
    return zlib.compress(json.dumps(_plain(state), sort_keys=True, separators=(",", ":")).encode("ascii"), 1)


def unpack(data: bytes) -> Sketch:
    """Return the sketch that ``pack`` wrote. The bytes are authentic: ``unseal`` has seen to that."""
    import pyarrow as pa

    machine = zlib.decompressobj()
    state = json.loads(machine.decompress(data, MAX_BYTES))
    schema = state.pop("schema")
    sheet, watch = _sheet(state.pop("sheet")), state.pop("watch")
    missed = [(kind, reason) for kind, reason in state.pop("missed")]
    trouble = state.pop("trouble")
    return Sketch(
        **state, sheet=sheet, watch=watch and _watch(watch), missed=missed, trouble=trouble and (trouble[0], trouble[1]),
        schema=pa.ipc.read_schema(pa.py_buffer(base64.b64decode(schema))) if schema else None,
    )  # fmt: skip


# --- Sealing


def key_of(text: str) -> bytes:
    """Return the key that a secret text stands for. Raises UsageError for one that is too short to be secret."""
    if len(text.strip()) < LEAST_KEY:
        raise UsageError(
            f"the key for shards has fewer than {LEAST_KEY} characters; make one with: openssl rand -base64 48"
        )
    return hashlib.sha256(b"mlguard shards\0" + text.strip().encode()).digest()


def seal(data: bytes, key: bytes, bound: str) -> bytes:
    """Return the bytes encrypted, so that they open only with the same ``key`` and ``bound``."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = os.urandom(_NONCE)
    return nonce + AESGCM(key).encrypt(nonce, data, bound.encode())


def unseal(data: bytes, key: bytes, bound: str) -> bytes:
    """Return the bytes that were sealed. Raises UsageError for another key, another place or a changed byte."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        return AESGCM(key).decrypt(data[:_NONCE], data[_NONCE:], bound.encode())
    except (InvalidTag, ValueError):
        raise UsageError(
            "it does not open with this key, or it was changed; give the key that it was written with"
        ) from None


# --- The state of a sheet


def _plain(value: Any) -> Any:
    """Return JSON values. A type that is not known here would be lost in silence, so it is an error."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, Bottom):
        return {"most": value.most, "kept": value.entries()}
    if isinstance(value, (Tally, Profile)):
        return {item.name: _plain(getattr(value, item.name)) for item in fields(value) if item.name not in _DERIVED}
    raise TypeError(f"a sketch cannot hold {type(value).__name__}")


def _bottom(state: dict[str, Any]) -> Bottom:
    kept = Bottom(state["most"])
    kept._take((value, order) for order, value in state["kept"])
    return kept


def _tally(state: dict[str, Any]) -> Tally:
    read: dict[str, Any] = {name: _bottom(value) if isinstance(value, dict) else value for name, value in state.items()}
    return Tally(**read)


def _profile(state: dict[str, Any]) -> Profile:
    state["tallies"] = {entity: _tally(tally) for entity, tally in state["tallies"].items()}
    return Profile(**{**state, "sample": _bottom(state["sample"])})


def _sheet_state(sheet: Sheet) -> dict[str, Any]:
    keys = {id(profile): key for key, profile in sheet._by_key.items()}
    return {
        "rows": sheet.rows, "width": sheet.width, "missed": sheet.missed, "reported": sorted(sheet._reported),
        "tops": [[*key, *told] for key, told in sheet.tops.items()],
        "profiles": [[*keys[id(profile)], profile] for profile in sheet.profiles],
    }  # fmt: skip


def _sheet(state: dict[str, Any]) -> Sheet:
    sheet = Sheet(rows=state["rows"], width=state["width"], missed=state["missed"])
    sheet.tops.update(((label, number), (shown, kind)) for label, number, shown, kind in state["tops"])
    sheet._reported.update(state["reported"])
    for label, number, told in state["profiles"]:
        profile = _profile(told)
        sheet._by_key[label, number] = profile
        sheet.profiles.append(profile)
    return sheet


# --- The state of what watches the rows


def _merge_watch(watch: Watch, other: Watch) -> None:
    watch.columns += [name for name in other.columns if name not in watch.columns]
    if watch.classes is not None and other.classes is not None:
        watch.classes.merge(other.classes)
    if watch.rows is not None and other.rows is not None:
        watch.rows.merge(other.rows)
    watch._begun = watch._begun or other._begun


def _watch_state(watch: Watch) -> dict[str, Any]:
    classes, rows = watch.classes, watch.rows
    return {
        **{name: getattr(watch, name) for name in ("path", "within", "wanted", "declared", "columns", "coded", "_begun")},
        "classes": classes and classes.state(),
        "numbers": [_numbers_of(part) for part in classes.sensitive] if classes else [],
        "rows": rows and _rows_state(rows),
    }  # fmt: skip


def _watch(state: dict[str, Any]) -> Watch:
    watch = Watch(state["path"], state["wanted"], state["within"])
    watch.declared, watch.columns, watch.coded, watch._begun = (
        state["declared"],
        state["columns"],
        state["coded"],
        state["_begun"],
    )
    if state["classes"] is not None:
        watch.classes = Classes.from_state(state["classes"])
        for part, (ranked, numbers) in zip(watch.classes.sensitive, state["numbers"], strict=True):
            part.ranked = ranked
            part.numbers = np.array(
                [np.nan if number is None else float.fromhex(number) for number in numbers], np.float64
            )
    watch.rows = state["rows"] and _rows(state["rows"])
    return watch


def _numbers_of(part: Any) -> list[Any]:
    """Return the numbers that the values of a column stand for, in the order in which its state lists the values."""
    numbers = part.numbers[part.values.ids]
    return [bool(part.ranked), [None if number != number else float(number).hex() for number in numbers.tolist()]]


def _rows_state(rows: Rows) -> dict[str, Any]:
    import pyarrow as pa

    table = rows.table()
    if table is None:
        return {"rows": rows.rows, "most": rows.most}
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    order = [str(number) for number in rows._order[0].tolist()]
    return {"rows": rows.rows, "most": rows.most, "order": order, "table": base64.b64encode(sink.getvalue()).decode()}


def _rows(state: dict[str, Any]) -> Rows:
    import pyarrow as pa

    rows = Rows(most=state["most"])
    rows.rows = state["rows"]
    if "table" in state:
        rows._parts = [pa.ipc.open_stream(base64.b64decode(state["table"])).read_all()]
        rows._order = [np.array([int(number) for number in state["order"]], np.uint64)]
        rows._shrink()
    return rows
