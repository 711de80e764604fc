"""Keeps the accepted inventory: which names each model of a repository may call, as a person has reviewed it.

The file is JSON, sorted, one name a line, so that a review of a change shows each new name. It holds no digest of the
models: a model that is trained anew with the same code needs no new review.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping

from mlguard.errors import UsageError

MAX_BYTES = 64 * 2**20
"""The largest inventory that is read."""

VERSION = 1


def write(file: str, models: Iterable[tuple[str, str, Mapping[str, str]]]) -> None:
    """Write the inventory of (path, format, {name: verdict}). Raises UsageError."""
    told = {
        path: {"format": kind, "imports": {name: imports[name] for name in sorted(imports)}}
        for path, kind, imports in sorted(models, key=lambda model: model[0])
    }
    try:
        with open(file, "w", encoding="utf-8") as out:
            out.write(json.dumps({"version": VERSION, "models": told}, indent=1, ensure_ascii=True) + "\n")
    except OSError as error:
        raise UsageError(f"{file}: cannot be written: {error.strerror}") from None


_read: dict[tuple[str, int, int], dict[str, frozenset[str]]] = {}


def read(file: str) -> dict[str, frozenset[str]]:
    """Return, by path, the names that are accepted. A file is read once for all models. Raises UsageError."""
    try:
        with open(file, "rb") as source:
            state = os.fstat(source.fileno())
            key = (file, state.st_mtime_ns, state.st_size)
            if key not in _read:
                _read.clear()
                _read[key] = _parsed(source.read(MAX_BYTES + 1), file)
    except OSError as error:
        raise UsageError(f"{file}: cannot be read: {error.strerror}") from None
    return _read[key]


def _parsed(data: bytes, file: str) -> dict[str, frozenset[str]]:
    try:
        body = json.loads(data)
        if body["version"] != VERSION:
            raise UsageError(
                f"{file}: version {body['version']!r} of the inventory is not known; this mlguard writes {VERSION}"
            )
        return {str(path): frozenset(map(str, model["imports"])) for path, model in body["models"].items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise UsageError(
            f"{file}: is no inventory of models; write one with mlguard model --accept {file} PATH"
        ) from None


def news(accepted: Mapping[str, frozenset[str]], models: Iterable[tuple[str, Iterable[str]]]) -> dict[str, list[str]]:
    """Return, by path, the sorted names that are not accepted for that model. A model that is not listed accepts none."""
    found = {path: sorted(set(names) - accepted.get(path, frozenset())) for path, names in models}
    return {path: names for path, names in found.items() if names}
