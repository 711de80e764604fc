"""Records to JSON and back, for the pipe between processes and for the saved report."""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Mapping
from functools import cache
from typing import Any

from mlguard import facts, findings
from mlguard.errors import UsageError

_TYPES: dict[str, type] = {
    kind.__name__: kind
    for kind in (
        findings.Detection, findings.Proof, findings.Gap, facts.Part, facts.Dataset, facts.Anonymity, facts.Overlap, facts.Pseudonym, facts.PrivateTraining, facts.ModelFile, facts.ModelCard,
        facts.FileDigest, facts.Seal, facts.BillOfMaterials, facts.Package,
        facts.Resource, facts.Grant, facts.DataFlow, facts.Deployment, facts.Evaluation,
    )
}  # fmt: skip


def encode(record: object) -> dict[str, Any]:
    """Return a record as plain JSON values, with its type's name under ``type`` when it may stand among others."""
    assert dataclasses.is_dataclass(record)
    body = _plain(record)
    assert isinstance(body, dict)
    return {"type": type(record).__name__, **body} if type(record).__name__ in _TYPES else body


def _plain(value: object) -> object:
    kind = type(value)
    if kind is str or kind is int or kind is bool or value is None:  # most of what there is
        return value
    if dataclasses.is_dataclass(kind):
        given = ((name, getattr(value, name), default) for name, default in _fields(kind))
        return {name: _plain(item) for name, item, default in given if item != default}
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(value[key]) for key in sorted(value)}
    return value


@cache
def _fields(kind: type) -> tuple[tuple[str, object], ...]:
    """Return the names of a record's fields with their defaults."""
    return tuple(
        (one.name, one.default_factory() if one.default_factory is not dataclasses.MISSING else one.default)
        for one in dataclasses.fields(kind)
    )


def decode(value: Mapping[str, Any]) -> findings.Record:
    """Return the record that ``encode`` wrote. Raises UsageError when it is none."""
    kind = _TYPES.get(str(value.get("type")))
    if kind is None:
        raise UsageError(f"not a record of this version of mlguard: type {value.get('type')!r}")
    return typing.cast(findings.Record, build(kind, {key: item for key, item in value.items() if key != "type"}))


def build(kind: type, value: Mapping[str, Any]) -> Any:
    """Return an instance of the dataclass ``kind`` from plain JSON values. Raises UsageError."""
    hints = _hints(kind)
    unknown = sorted(set(value) - set(hints))
    if unknown:
        raise UsageError(
            f"{kind.__name__} has no field {unknown[0]!r}; was the file written by another version of mlguard?"
        )
    try:
        return kind(**{name: _shaped(hints[name], item) for name, item in value.items()})
    except (TypeError, ValueError, AttributeError) as error:
        raise UsageError(f"{kind.__name__} is incomplete or malformed: {error}") from None


@cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _shaped(hint: Any, value: Any) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return build(hint, value)
    if origin is tuple:
        if not isinstance(value, list):
            raise ValueError(f"a list is expected, not {type(value).__name__}")
        if arguments[-1] is Ellipsis:
            return tuple(_shaped(arguments[0], item) for item in value)
        return tuple(_shaped(part, item) for part, item in zip(arguments, value, strict=True))
    if origin in (typing.Union, types.UnionType):
        if value is None:
            return None
        if isinstance(value, Mapping) and "type" in value:
            return decode(value)
        inner = next((one for one in arguments if isinstance(one, type) and dataclasses.is_dataclass(one)), None)
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
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
