"""Records to JSON and back, for the pipe between processes and for the saved report."""

from __future__ import annotations

import json
import sys
import types
import typing
from collections.abc import Mapping
from functools import cache
from typing import Any

from mlguard import facts, findings, values
from mlguard.errors import UsageError

_TYPES: dict[str, type] = {
    kind.__name__: kind
    for kind in (
        findings.Detection, findings.Proof, findings.Gap, facts.Part, facts.Dataset, facts.Anonymity, facts.Overlap, facts.Pseudonym, facts.PrivateTraining, facts.ModelFile, facts.ModelCard,
        facts.FileDigest, facts.Seal, facts.BillOfMaterials, facts.Package, facts.Library, facts.Switch, facts.Imports, facts.Upkeep, facts.Consulted,
        facts.Resource, facts.Grant, facts.DataFlow, facts.Symbol, facts.Deployment, facts.Evaluation,
    )
}  # fmt: skip


def encode(record: object) -> dict[str, Any]:
    """Return a record as plain JSON values, with its type's name under ``type`` when it may stand among others."""
    assert values.fields(type(record))
    body = _plain(record)
    assert isinstance(body, dict)
    return {"type": type(record).__name__, **body} if type(record).__name__ in _TYPES else body


_ATOMS = frozenset({str, int, bool, float, type(None)})
"""Most of what there is: it stays as it is."""


def _plain(value: object) -> object:
    kind: Any = type(value)
    if kind in _ATOMS:
        return value
    if (fields := _fields(kind)) is not None:
        body = {}
        for name, default in fields:
            item = getattr(value, name)
            if item is not default and item != default:
                body[name] = item if type(item) in _ATOMS else _plain(item)
        return body
    if isinstance(value, (tuple, list)):
        return [item if type(item) in _ATOMS else _plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(value[key]) for key in sorted(value)}
    return value


@cache
def _fields(kind: type) -> tuple[tuple[str, object], ...] | None:
    """Return the names of a record's fields with their defaults, None when it is no record."""
    return tuple((one.name, one.fallback()) for one in values.fields(kind)) or None


def decode(value: Mapping[str, Any]) -> findings.Record:
    """Return the record that ``encode`` wrote. Raises UsageError when it is none."""
    kind = _TYPES.get(str(value.get("type")))
    if kind is None:
        raise UsageError(f"not a record of this version of mlguard: type {value.get('type')!r}")
    return typing.cast(findings.Record, build(kind, {key: item for key, item in value.items() if key != "type"}))


def build(kind: type, value: Mapping[str, Any]) -> Any:
    """Return an instance of the dataclass ``kind`` from plain JSON values. Raises UsageError."""
    hints = _hints(kind)
    unknown = sorted(set(value) - set(hints)) if not hints.keys() >= value.keys() else ()
    if unknown:
        raise UsageError(
            f"{kind.__name__} has no field {unknown[0]!r}; was the file written by another version of mlguard?"
        )
    try:
        return kind(
            **{name: _shaped(hint, item) if (hint := hints[name]) else _once(item) for name, item in value.items()}
        )
    except (TypeError, ValueError, AttributeError) as error:
        raise UsageError(f"{kind.__name__} is incomplete or malformed: {error}") from None


def _once(value: Any) -> Any:
    """Return the value; of the same text in many records one is kept."""
    return sys.intern(value) if type(value) is str else value


@cache
def _hints(kind: type) -> dict[str, Any]:
    """Return the types of the fields, None for those whose values need no shaping."""
    return {name: hint if _composed(hint) else None for name, hint in typing.get_type_hints(kind).items()}


def _composed(hint: Any) -> bool:
    return isinstance(hint, type) and bool(values.fields(hint)) or typing.get_origin(hint) in _COMPOSED


_UNIONS = (typing.Union, types.UnionType)
_COMPOSED = (tuple, Mapping, *_UNIONS)


@cache
def _parts(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    return typing.get_origin(hint), typing.get_args(hint)


def _shaped(hint: Any, value: Any) -> Any:
    origin, arguments = _parts(hint)
    if isinstance(hint, type) and values.fields(hint):
        return build(hint, value)
    if origin is tuple:
        if not isinstance(value, list):
            raise ValueError(f"a list is expected, not {type(value).__name__}")
        if arguments[-1] is Ellipsis:
            return (
                tuple(map(_once, value))
                if arguments[0] is str
                else tuple(_shaped(arguments[0], item) for item in value)
            )
        return tuple(_shaped(part, item) for part, item in zip(arguments, value, strict=True))
    if origin is Mapping and isinstance(value, dict):
        return {_once(key): _once(item) for key, item in value.items()}
    if origin in _UNIONS:
        if value is None:
            return None
        if isinstance(value, Mapping) and "type" in value:
            return decode(value)
        inner = next((one for one in arguments if isinstance(one, type) and values.fields(one)), None)
        return build(inner, value) if inner is not None and isinstance(value, Mapping) else value
    return value


def loads(text: str | bytes) -> Any:
    """Return the JSON value of ``text``. Raises UsageError."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise UsageError("not valid JSON; was the file cut short?") from None


def dumps(value: object) -> str:
    """Return compact JSON in ASCII with sorted keys."""
    return _COMPACT.encode(value)


_COMPACT = json.JSONEncoder(sort_keys=True, separators=(",", ":"))
