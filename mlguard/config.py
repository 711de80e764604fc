"""The configuration: mlguard.yaml, or [tool.mlguard] in pyproject.toml."""

from __future__ import annotations

import datetime
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mlguard.discovery import git_root
from mlguard.errors import Unreadable, UsageError
from mlguard.scanners import BUILT_IN
from mlguard.values import dataclass, field

NAMES = ("mlguard.yaml", "mlguard.yml")
"""The file's names. Two configurations in one folder are an error."""

MAX_BYTES = 2**20
"""The largest configuration that is read."""


@dataclass(frozen=True, slots=True)
class AcceptedGap:
    """A gap that need not be closed before ``until`` (inclusive, UTC)."""

    path: str
    reason: str
    until: datetime.date
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Ignore:
    """Findings that do not fail the gate before the end of ``until`` (inclusive, UTC)."""

    rule: str
    reason: str
    owner: str
    until: datetime.date
    path: str = ""
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class IgnoredAdvisory:
    """A flaw of packages that does not fail the gate before the end of ``until`` (inclusive, UTC).

    ``id`` is any of its names, "" for all of ``package``; ``package`` is "" for every package.
    """

    reason: str
    until: datetime.date
    id: str = ""
    package: str = ""
    owner: str = ""


@dataclass(frozen=True, slots=True)
class Allow:
    """A name that model files may import before the end of ``until`` (inclusive, UTC), though the policy does not know it.

    ``name`` is ``module.Name``; ``*`` stands for letters, digits and underscores.
    """

    name: str
    reason: str
    owner: str
    until: datetime.date


@dataclass(frozen=True, slots=True)
class Config:
    """What the configuration says, with the defaults filled in.

    ``path`` is "" when there is no file. ``timeout`` is in seconds, ``memory`` in bytes. ``settings`` maps a scanner to
    its own settings. ``digest`` is over what counts, not over how it is written.
    """

    path: str = ""
    privacy: str = ""
    exclude: tuple[str, ...] = ()
    plugins: tuple[str, ...] = ()
    scanners: tuple[str, ...] = tuple(BUILT_IN)
    required: tuple[str, ...] = tuple(BUILT_IN)
    demanded: tuple[str, ...] = ()  # required in so many words, also of reports that were saved earlier
    jobs: int | None = None
    timeout: int = 120
    memory: int = 4 * 2**30
    fail_on: str = "high"
    accepted_gaps: tuple[AcceptedGap, ...] = ()
    ignore: tuple[Ignore, ...] = ()
    allow: tuple[Allow, ...] = ()
    ignored_advisories: tuple[IgnoredAdvisory, ...] = ()
    rules: str = ""  # the folder of the repository's own rule pages
    comments: str = "honour"  # or "refuse": whether a comment in a scanned file sets a finding aside
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    cache: str | None = ""  # a folder, "" for the user's own cache folder, None for no cache
    digest: str = ""


def schema() -> dict[str, Any]:
    """Return the JSON Schema of the configuration."""
    loaded: dict[str, Any] = json.loads((Path(__file__).parent / "schemas" / "config.json").read_bytes())
    return loaded


def find(folder: Path) -> Path | None:
    """Return the configuration in ``folder``, or None. Raises UsageError when there are two."""
    there = [folder / name for name in NAMES if os.path.isfile(folder / name)]
    project = folder / "pyproject.toml"
    if os.path.isfile(project) and b"mlguard" in (data := _bytes(project)) and _configures(data):
        there.append(project)
    if len(there) > 1:
        raise UsageError(f"{there[0]} and {there[1].name} both configure mlguard; keep one")
    return there[0] if there else None


def _configures(data: bytes) -> bool:
    """Say whether a pyproject.toml has the table. One that is not valid does when it looks so, and its error is told."""
    import tomllib

    try:
        return "mlguard" in tomllib.loads(data.decode("utf-8")).get("tool", {})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        return bool(re.search(rb"^\s*\[tool\.\"?mlguard", data, re.M))


def find_above(folder: Path) -> Path | None:
    """Return the nearest configuration from ``folder`` up to the top of its git work tree. Raises UsageError."""
    top = git_root(folder)
    for candidate in (folder, *folder.parents):
        if (file := find(candidate)) or candidate == top or top is None:
            return file
    return None


def load(path: Path | None) -> Config:
    """Return the configuration in the file, or the defaults. Raises UsageError that names key, line and value."""
    if path is None:
        return _built({"version": 1}, "")
    from mlguard import yamlish  # the quick run on commit often has no file to read

    text = _bytes(path).decode("utf-8", "surrogateescape")
    try:
        body, lines = _toml(text, path) if path.name == "pyproject.toml" else yamlish.load(text, path.name)
    except Unreadable as trouble:
        raise UsageError(str(trouble)) from None
    for where, message in problems(body, schema()):
        line = yamlish.line_of(lines, where)
        raise UsageError(f"{path}, line {line}: {message}")
    return _built(body, str(path))


def _bytes(path: Path) -> bytes:
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    if len(data) > MAX_BYTES:
        raise UsageError(f"{path} is larger than {MAX_BYTES // 2**20} MiB, which no configuration is")
    return data


def _toml(text: str, path: Path) -> tuple[Any, dict[tuple[str | int, ...], int]]:
    import tomllib

    try:
        body = tomllib.loads(text).get("tool", {}).get("mlguard", {})
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: not valid TOML: {error}") from None
    lines: dict[tuple[str | int, ...], int] = {}
    if match := re.search(r"^\[tool\.mlguard", text, re.M):
        lines[()] = text.count("\n", 0, match.start()) + 1
    return body, lines


def problems(
    value: Any, rule: Mapping[str, Any], where: tuple[str | int, ...] = (), top: Any = None
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield (key path, message) for each way in which ``value`` breaks a JSON Schema of the few keywords used here."""
    top = rule if top is None else top
    if "$ref" in rule:
        rule = {**top["$defs"][rule["$ref"].rsplit("/", 1)[-1]], **{k: v for k, v in rule.items() if k != "$ref"}}
    name = ".".join(str(part) for part in where) or "the configuration"
    expected = rule.get("type")
    if expected and not _is(value, expected):
        yield where, f"{name} must be {_ARTICLE[expected]}, not {_told(value)}"
        return
    if "enum" in rule and not any(value == choice and type(value) is type(choice) for choice in rule["enum"]):
        choices = ", ".join(str(choice) for choice in rule["enum"])
        yield where, f"{name} is {_told(value)}, which is none of {choices}{_near(value, rule['enum'])}"
    if "pattern" in rule and not re.search(rule["pattern"], value):
        yield where, f"{name} is {_told(value)}, which does not have the form {rule['pattern']}"
    if len(value) < rule.get("minLength", 0) if isinstance(value, str) else False:
        yield where, f"{name} needs at least {rule['minLength']} characters"
    if "minimum" in rule and value < rule["minimum"] or "maximum" in rule and value > rule["maximum"]:
        yield (
            where,
            f"{name} is {value}, which is not between {rule['minimum']} and {rule.get('maximum', 'any number')}",
        )
    if expected == "array":
        for index, item in enumerate(value):
            yield from problems(item, rule["items"], (*where, index), top)
    if expected == "object":
        yield from _of_object(value, rule, where, top)


def _of_object(
    value: Mapping[Any, Any], rule: Mapping[str, Any], where: tuple[str | int, ...], top: Any
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    known = rule.get("properties", {})
    others = rule.get("additionalProperties", True)
    for key in rule.get("required", ()):
        if key not in value:
            yield where, f"{'.'.join(map(str, where)) or 'the configuration'} lacks the key {key}"
    for key, item in value.items():
        if key in known:
            yield from problems(item, known[key], (*where, key), top)
        elif isinstance(others, Mapping):
            yield from problems(item, others, (*where, key), top)
        elif others is False:
            yield (*where, key), f"unknown key {key!r}{_near(key, known)}"


_ARTICLE = {
    "object": "a mapping",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "boolean": "true or false",
}


def _is(value: Any, expected: str) -> bool:
    if expected == "boolean":
        return isinstance(value, bool)
    kinds: dict[str, type | tuple[type, ...]] = {"object": Mapping, "array": list, "string": str, "integer": int}
    return isinstance(value, kinds[expected]) and not isinstance(value, bool)


def _told(value: Any) -> str:
    if isinstance(value, (Mapping, list)):
        return "a mapping" if isinstance(value, Mapping) else "a list"
    return "empty" if value is None else json.dumps(value)


def _near(value: Any, choices: Any) -> str:
    from difflib import get_close_matches

    near = get_close_matches(str(value), [str(choice) for choice in choices], 1, 0.5)
    return f"; did you mean {near[0]!r}?" if near else ""


def _built(body: Mapping[str, Any], path: str) -> Config:
    gate, limits, scanners = body.get("gate", {}), body.get("limits", {}), body.get("scanners", {})
    plugins = tuple(body.get("plugins", ()))
    enabled = tuple(scanners.get("enabled", (*BUILT_IN, *plugins)))
    for name in (*enabled, *scanners.get("required", ())):
        if name not in (*BUILT_IN, *plugins):
            raise UsageError(f"{path}: there is no scanner {name!r}{_near(name, (*BUILT_IN, *plugins))}")
    settings = {name: body[name] for name in ("dependencies", "dataset", "model", "infra") if name in body}
    return Config(
        path=path,
        privacy=body.get("privacy", ""),
        exclude=tuple(body.get("exclude", ())),
        plugins=plugins,
        scanners=enabled,
        required=tuple(scanners.get("required", enabled)),
        demanded=tuple(scanners.get("required", ())),
        jobs=limits.get("jobs"),
        timeout=limits.get("timeout", 120),
        memory=limits.get("memory", 4096) * 2**20,
        fail_on=gate.get("fail_on", "high"),
        comments=gate.get("comments", "honour"),
        rules=str((Path(path).parent / body["rules"]).resolve()) if body.get("rules") else "",
        accepted_gaps=tuple(
            AcceptedGap(**{**item, "until": _date(item, path)}) for item in gate.get("accepted_gaps", ())
        ),
        ignore=tuple(Ignore(**{**item, "until": _date(item, path)}) for item in body.get("ignore", ())),
        allow=tuple(Allow(**{**item, "until": _date(item, path)}) for item in body.get("model", {}).get("allow", ())),
        ignored_advisories=tuple(
            _ignored_advisory(item, path) for item in body.get("dependencies", {}).get("ignore", ())
        ),
        settings={**settings, **body.get("settings", {})},
        cache=_cache(body.get("cache", True), path),
        digest=_digest(body) if path else "",
    )


def _cache(value: Any, path: str) -> str | None:
    if isinstance(value, bool):
        return "" if value else None
    folder = Path(value).expanduser() if isinstance(value, str) and value else None
    if folder is None or not folder.is_absolute():
        raise UsageError(f"{path}: cache is {_told(value)}; it is true, false, or the whole path of a folder")
    return str(folder)


def _ignored_advisory(item: Mapping[str, str], path: str) -> IgnoredAdvisory:
    if not item.get("id") and not item.get("package"):
        raise UsageError(f"{path}: an entry of dependencies.ignore names neither an id nor a package")
    names = {key: item.get(key, "") for key in ("id", "package", "owner")}
    return IgnoredAdvisory(item["reason"], _date(item, path), **names)


def _digest(body: Mapping[str, Any]) -> str:
    """Return a digest over what counts: where records of earlier runs are kept does not."""
    import hashlib

    body = {key: value for key, value in body.items() if key != "cache"}
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def _date(item: Mapping[str, str], path: str) -> datetime.date:
    try:
        return datetime.date.fromisoformat(item["until"])
    except ValueError:
        raise UsageError(f"{path}: until is {item['until']!r}, which is no day of the calendar") from None
