"""The privacy declaration: what the organisation says about its data, and where it says it."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from mlguard import redact, yamlish
from mlguard.errors import Unreadable
from mlguard.values import dataclass, field

MAX_BYTES = 4 * 2**20
"""The largest declaration that is read."""

MAX_PROBLEMS = 500
"""Problems that are told; a file with more is no declaration."""

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong on a line of the declaration, and what to do."""

    line: int
    message: str


@dataclass(frozen=True, slots=True)
class Declaration:
    """``privacy.yaml`` after validation. ``lines`` gives the line of each key path, ``path`` is relative to the root.

    ``body`` holds only what is valid: an entry with a problem is left out, so that nothing counts as declared by mistake.
    """

    path: str
    body: Mapping[str, Any]
    lines: Mapping[KeyPath, int] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()


def load(root: Path, path: str) -> Declaration:
    """Return the declaration in the file ``path`` below ``root``. Raises Unreadable when it is no YAML mapping."""
    try:
        with open(root / path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError:
        raise Unreadable(f"{path} cannot be read") from None
    if len(data) > MAX_BYTES:
        raise Unreadable(f"{path} is larger than {MAX_BYTES // 2**20} MiB")
    try:
        return parse(data.decode("utf-8-sig"), path)
    except UnicodeDecodeError:
        raise Unreadable(f"{path} is not valid UTF-8") from None


def parse(text: str, path: str = "privacy.yaml") -> Declaration:
    """Return the declaration of ``text``. Raises Unreadable when it is no YAML mapping."""
    body, lines = yamlish.load(text, path)
    if not isinstance(body, dict):
        raise Unreadable(f"{path}: a declaration is a mapping of keys such as organisation, purposes and datasets")
    body = _plain_keys(body)
    body, found = _validated(body)
    found += [*_dangling(body), *_dates(body), *_cycles(body)]
    problems = sorted(
        {Problem(yamlish.line_of(lines, at), redact.text(message, 300)) for at, message in found}, key=_order
    )
    return Declaration(path, body, dict(lines), tuple(problems[:MAX_PROBLEMS]))


def _order(problem: Problem) -> tuple[int, str]:
    return problem.line, problem.message


def _plain_keys(value: Any) -> Any:
    """Return the value with every key as text, as JSON has it."""
    if isinstance(value, dict):
        return {str(key): _plain_keys(item) for key, item in value.items()}
    return [_plain_keys(item) for item in value] if isinstance(value, list) else value


# --- The schema

Found = list[tuple[KeyPath, str]]


def _validated(body: dict[str, Any]) -> tuple[dict[str, Any], Found]:
    """Return the body without what does not fit the schema, and what that is."""
    import jsonschema

    schema = json.loads((Path(__file__).parent / "schemas" / "privacy.json").read_bytes())
    validator = jsonschema.Draft202012Validator(schema)
    body = copy.deepcopy(body)
    for error in [*validator.iter_errors(body)]:
        _read_as_meant(body, error)
    found: Found = []
    wrong: set[KeyPath] = set()
    for error in validator.iter_errors(body):
        for at, message, remove in _told(error):
            found.append((at, message))
            if remove:
                wrong.add(at)
    for at in sorted(wrong, key=lambda path: [(len(path), str(part).rjust(9)) for part in path], reverse=True):
        _remove(body, at)
    return _whole(body), found


def _read_as_meant(body: Any, error: Any) -> None:
    """Replace a scalar of the wrong type by what a person reads: 2026 for a version is text, "24" for hours a number."""
    at, wanted, value = tuple(error.absolute_path), error.validator_value, error.instance
    if not at or isinstance(value, (dict, list)) or value is None or _is_key(error):
        return
    meant: Any = value
    if error.validator == "type" and wanted == "string" and not isinstance(value, bool):
        meant = str(value)
    elif error.validator == "type" and wanted in ("integer", "number") and isinstance(value, str):
        meant = _number(value, wanted)
    elif error.validator == "type" and wanted == "boolean" and value in ("true", "false"):
        meant = value == "true"
    elif error.validator == "const" and str(wanted) == str(value):
        meant = wanted
    if meant is not value:
        _holder(body, at)[at[-1]] = meant


def _is_key(error: Any) -> bool:
    """Say whether the error is about the name of a key; its path is then the mapping that has the key."""
    return "propertyNames" in error.absolute_schema_path


def _number(value: str, wanted: str) -> int | float | str:
    try:
        return int(value) if wanted == "integer" or re.fullmatch(r"-?\d+", value) else float(value)
    except ValueError:
        return value


def _holder(body: Any, at: KeyPath) -> Any:
    for part in at[:-1]:
        body = body[part]
    return body


def _remove(body: Any, at: KeyPath) -> None:
    try:
        holder = _holder(body, at)
        if isinstance(holder, list):
            holder[int(at[-1])] = None
        else:
            holder.pop(at[-1], None)
    except (KeyError, IndexError, TypeError):
        return  # what holds it is gone already


_NEEDED = {
    "datasets": ("id", "location"),
    "stores": ("id",),
    "models": ("id",),
    "recipients": ("id",),
    "activities": ("id",),
}
_MAPPINGS = ("organisation", "teams", "purposes", "rights", "breach", "access", "ai_act", "vocabulary")


def _whole(body: dict[str, Any]) -> dict[str, Any]:
    """Return the body without entries that lost what names them, and without the holes of removed items."""
    body = _without_holes(body)
    for key, needed in _NEEDED.items():
        entries = body.get(key)
        if key in body:
            listed = entries if isinstance(entries, list) else []
            body[key] = [
                entry for entry in listed if isinstance(entry, dict) and all(entry.get(name) for name in needed)
            ]
    for key in _MAPPINGS:
        if key in body and not isinstance(body[key], dict):
            del body[key]
    return body


def _without_holes(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_holes(item) for key, item in value.items()}
    return [_without_holes(item) for item in value if item is not None] if isinstance(value, list) else value


def _told(error: Any) -> Iterator[tuple[KeyPath, str, bool]]:
    """Yield (where, what, whether the value there is to be left out) of an error of jsonschema."""
    at: KeyPath = tuple(error.absolute_path)
    if _is_key(error):
        at = (*at, str(error.instance))
    name = _name(at)
    rule, wanted, value = error.validator, error.validator_value, error.instance
    if rule == "additionalProperties":
        yield from _unknown(error, at)
    elif rule == "required":
        for key in wanted:
            if key not in value:
                yield at, f"{name} lacks the key {key!r}{_because(error)}; add it", False
    elif rule == "enum":
        near = get_close_matches(str(value), [str(item) for item in wanted], 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        yield at, f"{name} is {value!r}, which is none of {', '.join(map(str, wanted))}{hint}", True
    elif rule == "const":
        yield at, f"{name} must be {wanted!r}", False
    elif rule == "pattern":
        yield at, f"{name} is {value!r}; it must be {_PATTERNS.get(wanted, f'of the form {wanted}')}", True
    elif rule == "type":
        yield at, f"{name} must be {_TYPES.get(str(wanted), wanted)}, not {_TYPES.get(_kind(value), 'that')}", True
    elif rule in ("minLength", "minItems"):
        unit = "characters" if rule == "minLength" else "items"
        yield at, f"{name} is too short; it needs {wanted} {unit} or more", rule == "minItems"
    elif rule == "uniqueItems":
        yield at, f"{name} names an item twice; keep one", False
    elif rule == "minimum":
        yield at, f"{name} must be {wanted} or more", True
    else:
        yield at, f"{name} does not fit the schema ({rule})", True


_TYPES = {
    "string": "text", "array": "a list", "object": "a mapping", "boolean": "true or false", "integer": "a whole number",
    "number": "a number", "null": "empty",
}  # fmt: skip
_PATTERNS = {
    "^[a-z][a-z0-9_.-]{1,63}$": "2 to 64 lower-case letters, digits, dots, hyphens or underscores, beginning with a letter",
    r"^\d{4}-\d{2}-\d{2}$": "a date such as 2027-03-31",
    r"^P(\d+Y)?(\d+M)?(\d+W)?(\d+D)?$": "a period such as P2Y, P6M or P30D",
    r"^(user|system|x)(\.[a-z_]+)*$": "a data category such as user.contact.email, or an extension under x.",
    "^[A-Z]{2}$": "a country of two capital letters such as DE",
    "^0[0-7]{3}$": 'a file mode such as "0640"',
    "^dpv:": "a term such as dpv:ServiceProvision",
}


def _kind(value: object) -> str:
    kinds = {dict: "object", list: "array", str: "string", bool: "boolean", int: "integer", float: "number"}
    return kinds.get(type(value), "null")


def _because(error: Any) -> str:
    if "then" not in error.absolute_schema_path:
        return ""
    condition = (
        next(iter((error.parent or error).schema.get("if", {}).get("properties", {})), "") if error.parent else ""
    )
    value = error.instance.get(condition) if condition else None
    given = next(
        (
            f"{key} is {error.instance[key]!r}"
            for key in ("class", "article", "personal_data", "role")
            if key in error.instance
        ),
        "",
    )
    return (
        f", which is needed because {condition} is {value!r}"
        if value
        else f", which is needed because {given}"
        if given
        else ""
    )


def _unknown(error: Any, at: KeyPath) -> Iterator[tuple[KeyPath, str, bool]]:
    known = list(error.schema.get("properties", {}))
    patterns = list(error.schema.get("patternProperties", {}))
    if patterns:
        known += re.findall(r"[a-z_]+", patterns[0])
    for key in error.instance:
        if key not in error.schema.get("properties", {}) and not any(re.search(pattern, key) for pattern in patterns):
            near = get_close_matches(str(key), known, 1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(known)}"
            yield (*at, key), f"unknown key {str(key)!r}{f' in {_name(at)}' if at else ''}{hint}", True


def _name(at: KeyPath) -> str:
    """Return a key path as people write it: datasets[2].retention.period."""
    text = ""
    for part in at:
        text += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text or "the declaration"


# --- References


def _entries(body: Mapping[str, Any], key: str) -> list[tuple[int, Mapping[str, Any]]]:
    return list(enumerate(body.get(key) or []))


def _ids(body: Mapping[str, Any], key: str) -> set[str]:
    held = body.get(key) or {}
    return {str(entry["id"]) for entry in held} if isinstance(held, list) else set(held)


def _dangling(body: Mapping[str, Any]) -> Iterator[tuple[KeyPath, str]]:
    yield from _twice(body)
    known = {key: _ids(body, key) for key in ("teams", "purposes", "datasets", "stores", "models", "recipients")}
    everything = set().union(*(known[key] for key in ("datasets", "stores", "models", "recipients")))
    for at, value, kinds in _references(body):
        names = everything if kinds == "any" else known[kinds]
        if value not in names:
            what = "dataset, store, model or recipient" if kinds == "any" else kinds.removesuffix("s")
            near = get_close_matches(value, sorted(names), 1)
            yield (
                at,
                f"{_name(at)}: there is no {what} {value!r}"
                + (f"; did you mean {near[0]!r}?" if near else "; add it or correct the name"),
            )
    yield from _extensions(body)
    yield from _separation(body)


def _twice(body: Mapping[str, Any]) -> Iterator[tuple[KeyPath, str]]:
    rules = (body.get("access") or {}).get("rules") or []
    for key, entries in (*((key, body.get(key) or []) for key in _NEEDED), ("access.rules", rules)):
        seen: set[str] = set()
        for index, entry in enumerate(entries):
            name = str(entry.get("id", ""))
            if name in seen:
                yield (*key.split("."), index, "id"), f"{key}: the id {name!r} stands twice; rename one"
            seen.add(name)


_REFERENCES = {
    "datasets": {"owner": "teams", "purposes": "purposes", "derived_from": "datasets", "store": "stores"},
    "models": {"owner": "teams", "purposes": "purposes", "trained_on": "datasets"},
    "activities": {
        "owner": "teams",
        "purposes": "purposes",
        "datasets": "datasets",
        "models": "models",
        "recipients": "recipients",
    },
}


def _references(body: Mapping[str, Any]) -> Iterator[tuple[KeyPath, str, str]]:
    """Yield (where, name, kind of what it names)."""
    for section, keys in _REFERENCES.items():
        for index, entry in _entries(body, section):
            for key, kind in keys.items():
                yield from _each((section, index, key), entry.get(key), kind)
    for name, purpose in (body.get("purposes") or {}).items():
        for index, item in enumerate(purpose.get("compatible_with") or []):
            yield from _each(("purposes", name, "compatible_with", index, "purpose"), item.get("purpose"), "purposes")
    for name, right in (body.get("rights") or {}).items():
        yield from _each(("rights", name, "owner"), right.get("owner"), "teams")
        yield from _each(("rights", name, "reach"), right.get("reach"), "any")
    for index, rule in enumerate((body.get("access") or {}).get("rules") or []):
        at = ("access", "rules", index)
        yield from _each((*at, "owner"), rule.get("owner"), "teams")
        yield from _each((*at, "purpose"), rule.get("purpose"), "purposes")
        # What has a colon is a resource outside this file: k8s:prod/Deployment/api.
        named = [
            item if ":" not in str(item) and "*" not in str(item) else None for item in rule.get("resources") or []
        ]
        yield from _each((*at, "resources"), named, "any")


def _each(at: KeyPath, value: object, kind: str) -> Iterator[tuple[KeyPath, str, str]]:
    if isinstance(value, str):
        yield at, value, kind
    elif isinstance(value, list):
        for index, item in enumerate(value):
            if isinstance(item, str):
                yield (*at, index), item, kind


def _extensions(body: Mapping[str, Any]) -> Iterator[tuple[KeyPath, str]]:
    listed = (body.get("vocabulary") or {}).get("extra_categories") or {}
    for index, entry in _entries(body, "datasets"):
        for name, declared in (entry.get("fields") or {}).items():
            for place, category in enumerate(declared.get("categories") or []):
                if category.startswith("x.") and category not in listed and category[2:] not in listed:
                    at = ("datasets", index, "fields", name, "categories", place)
                    yield (
                        at,
                        f"the category {category!r} is not listed in vocabulary.extra_categories; describe it there",
                    )


def _separation(body: Mapping[str, Any]) -> Iterator[tuple[KeyPath, str]]:
    access = body.get("access") or {}
    rules = {rule.get("id") for rule in access.get("rules") or []}
    for index, item in enumerate(access.get("separation") or []):
        for place, name in enumerate(item.get("never_both") or []):
            if name not in rules:
                yield (
                    ("access", "separation", index, "never_both", place),
                    f"access.separation: there is no access rule {name!r}",
                )


def _cycles(body: Mapping[str, Any]) -> Iterator[tuple[KeyPath, str]]:
    above = {entry["id"]: list(entry.get("derived_from") or []) for _, entry in _entries(body, "datasets")}
    for index, entry in _entries(body, "datasets"):
        seen: set[str] = set()
        waiting = list(above[entry["id"]])
        while waiting:
            name = waiting.pop()
            if name not in seen:
                seen.add(name)
                waiting += above.get(name, [])
        if entry["id"] in seen:
            yield ("datasets", index, "derived_from"), f"the dataset {entry['id']!r} is derived from itself"


_DATE_KEYS = frozenset({"review_by", "as_of", "date", "expires", "last", "last_exercise", "approved", "retire_after"})


def _dates(value: Any, at: KeyPath = ()) -> Iterator[tuple[KeyPath, str]]:
    items: Iterable[tuple[str | int, Any]] = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for key, item in items:
        if key in _DATE_KEYS and isinstance(item, str):
            try:
                date.fromisoformat(item)
            except ValueError:
                yield (*at, key), f"{_name((*at, key))} is no day of the calendar; write it as 2027-03-31"
        else:
            yield from _dates(item, (*at, key))


__all__: Sequence[str] = ("Declaration", "Problem", "load", "parse")
