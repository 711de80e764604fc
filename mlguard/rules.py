"""The catalogue of rules: one page, one rule."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, cast

from mlguard import lazy, tables
from mlguard.errors import UsageError
from mlguard.findings import SEVERITIES, Confidence, OnFail, OnPass, Severity
from mlguard.values import dataclass, field

SECTIONS = ("Why it matters", "How to fix it", "Bad", "Good", "Sources")
"""Headings of a page, in this order. "What it cannot see" may stand before Sources."""

_ID = lazy.pattern(r"^[a-z0-9]+/[a-z0-9]+(?:-[a-z0-9]+)*$")
_PLACEHOLDER = lazy.pattern(r"\{([a-z_]+)\}")


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule as its page states it.

    ``message`` has placeholders ``{name}`` that a detection's facts fill. ``checks`` maps a check's name to its own keys
    (``message``, ``fix``, and for rules that are data the conditions). ``scanner`` names who reports it. ``controls``
    are the controls that a finding touches, ``gdpr`` the paragraphs of Regulation (EU) 2016/679.
    """

    id: str
    title: str
    severity: Severity
    confidence: Confidence
    message: str
    fix: str
    scanner: str
    controls: tuple[str, ...]
    on_fail: OnFail
    on_pass: OnPass
    gdpr: tuple[str, ...] = ()
    cwe: tuple[str, ...] = ()
    tags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    checks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    since: str = ""
    aliases: tuple[str, ...] = ()
    hook: bool = False  # looked at on commit too
    prose: str = ""  # of a page that was just read; the compiled catalogue leaves it out

    @property
    def body(self) -> str:
        """The prose of the page, read when it is asked for: most runs show little of it."""
        return self.prose or _body(self.id)

    @property
    def area(self) -> str:
        """What is inspected: the part of the id before the slash."""
        return self.id.split("/", 1)[0]


@cache
def _body(rule_id: str) -> str:
    text = (folder() / f"{rule_id}.md").read_text(encoding="utf-8").replace("\r\n", "\n")
    return text.split("\n---\n", 1)[-1]


def section(rule: Rule, heading: str) -> str:
    """Return the text under ``## heading`` of the rule's page, or ""."""
    head, text = f"\n## {heading}\n", f"\n{rule.body}"
    start = text.find(head)
    if start < 0:
        return ""
    start += len(head)
    end = text.find("\n## ", start - 1)
    return text[start : end if end >= 0 else len(text)].strip()


def message_for(rule: Rule, check: str, facts: Mapping[str, str | int]) -> str:
    """Return the rule's or the check's message with its placeholders filled. A fact that is missing shows as its name."""
    template = str(rule.checks.get(check, {}).get("message", rule.message))
    return _PLACEHOLDER.sub(lambda match: str(facts.get(match.group(1), match.group(1))), template)


def fix_for(rule: Rule, check: str) -> str:
    """Return the one-line advice of the check, or else of the rule."""
    return str(rule.checks.get(check, {}).get("fix", rule.fix))


def severity_for(rule: Rule, check: str, facts: Mapping[str, str | int]) -> Severity:
    """Return the severity of a finding: the rule's, or the lower one of its check, or a note where nobody says what a store holds.

    A check may be milder than its rule, never worse: a reader of SARIF goes by the rule's descriptor.
    """
    spec = rule.checks.get(check, {})
    if spec.get("scaled") and facts.get("data_class") == "undeclared":
        return "low"
    return cast(Severity, spec.get("severity", rule.severity))


def parse(rule_id: str, text: str, where: str, defaults: Mapping[str, Any] | None = None) -> Rule:
    """Return the rule of one page, whose keys come before ``defaults``. Raises UsageError that names page, line and key."""
    import yaml

    text = text.replace("\r\n", "\n")
    match = re.match(r"---\n(.*?)\n---\n", text, re.S)
    if not match:
        raise UsageError(f"{where}: a rule page begins with front matter between two lines of ---")
    try:
        front = tables.plain_yaml(match.group(1))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        at = f", line {mark.line + 2}" if mark else ""  # the front matter begins on the page's second line
        what = getattr(error, "problem", None) or "it holds characters that YAML does not allow"
        raise UsageError(f"{where}{at}: the front matter is not valid YAML: {what}") from None
    if not isinstance(front, dict):
        raise UsageError(f"{where}: the front matter is not a mapping")
    _examine(rule_id, {**(defaults or {}), **front}, match.group(1).split("\n"), where)
    return _rule(rule_id, {**(defaults or {}), **front}, text[match.end() :])


_REQUIRED = ("title", "severity", "confidence", "message", "fix", "scanner", "controls", "on_fail", "on_pass", "since")
_KNOWN = {*_REQUIRED, "gdpr", "cwe", "tags", "checks", "aliases", "hook"}
_CHOICES: dict[str, tuple[str, ...]] = {
    "severity": SEVERITIES,
    "confidence": ("high", "medium", "low"),
    "on_fail": ("breach", "gap", "review"),
    "on_pass": ("proof", "documented", "none"),
}


def _examine(rule_id: str, front: Mapping[str, Any], lines: list[str], where: str) -> None:
    """Raise UsageError when the front matter lacks a key, has one that is not known, or a value that is none."""

    def at(key: object) -> str:
        return next(
            (f"{where}, line {number}" for number, line in enumerate(lines, 2) if line.startswith(f"{key}:")), where
        )

    if not _ID.match(rule_id):
        raise UsageError(f"{where}: the id {rule_id!r} is not <area>/<slug> in lower case")
    for key in front:
        if key not in _KNOWN:
            from difflib import get_close_matches

            near = get_close_matches(str(key), _KNOWN, 1)
            raise UsageError(f"{at(key)}: unknown key {key!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
    missing = [repr(key) for key in _REQUIRED if key not in front]
    if missing:
        verb = "key {} is" if len(missing) == 1 else "keys {} are"
        raise UsageError(f"{where}: the {verb.format(', '.join(missing))} missing")
    for key, choices in _CHOICES.items():
        if front[key] not in choices:
            raise UsageError(f"{at(key)}: {key} is {front[key]!r}, which is none of {', '.join(choices)}")
    for key in ("controls", "gdpr", "cwe", "aliases"):
        if not isinstance(front.get(key, []), list):
            raise UsageError(f"{at(key)}: {key} is a list, not {front[key]!r}")
    checks = front.get("checks") or {}
    if not isinstance(checks, Mapping) or not all(isinstance(check or {}, Mapping) for check in checks.values()):
        raise UsageError(f"{at('checks')}: checks is a mapping of names to conditions")
    for name, check in checks.items():
        own = (check or {}).get("severity", front["severity"])
        if own not in SEVERITIES or SEVERITIES.index(own) < SEVERITIES.index(front["severity"]):
            raise UsageError(
                f"{where}: the severity of check {name!r} is {own!r}, but a check may only be milder than its rule"
            )


def _rule(rule_id: str, front: Mapping[str, Any], prose: str) -> Rule:
    return Rule(
        id=rule_id,
        title=str(front["title"]),
        severity=cast(Severity, front["severity"]),
        confidence=cast(Confidence, front["confidence"]),
        message=str(front["message"]),
        fix=str(front["fix"]),
        scanner=str(front["scanner"]),
        controls=tuple(front["controls"]),
        on_fail=cast(OnFail, front["on_fail"]),
        on_pass=cast(OnPass, front["on_pass"]),
        gdpr=tuple(str(item) for item in front.get("gdpr", ())),
        cwe=tuple(str(item) for item in front.get("cwe", ())),
        tags={str(key): tuple(str(item) for item in value) for key, value in (front.get("tags") or {}).items()},
        checks={str(key): value or {} for key, value in (front.get("checks") or {}).items()},
        since=str(front["since"]),
        aliases=tuple(front.get("aliases", ())),
        hook=bool(front.get("hook", False)),
        prose=prose,
    )


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All rules by id, the controls as their files state them, and a digest over both and all tables."""

    rules: Mapping[str, Rule]
    controls: Mapping[str, Mapping[str, Any]]
    digest: str

    def reported_by(self, scanners: Collection[str]) -> tuple[str, ...]:
        """Return the ids of the rules that these scanners report, sorted."""
        known = self.rules.scanners if isinstance(self.rules, _Rules) else None
        if known is None:
            known = {rule.id: rule.scanner for rule in self.rules.values()}
        return tuple(sorted(rule_id for rule_id, scanner in known.items() if scanner in scanners))

    def rule(self, name: str) -> Rule:
        """Return the rule with this id or alias. Raises UsageError that names the nearest id."""
        if name in self.rules:
            return self.rules[name]
        lowered = name.lower()
        same = [rule for rule in self.rules.values() if lowered in (rule.id, rule.id.split("/")[1], *rule.aliases)]
        if len(same) == 1:
            return same[0]
        from difflib import get_close_matches

        names = {rule.id.split("/")[1]: rule.id for rule in self.rules.values()} | {
            rule_id: rule_id for rule_id in self.rules
        }
        near = [rule.id for rule in same] or get_close_matches(lowered, names, 1, 0.5)
        advice = f"; did you mean {names.get(near[0], near[0])!r}?" if near else ""
        raise UsageError(f"there is no rule {name!r}{advice} (mlguard rules lists them)")


def folder() -> Path:
    """Return where the pages are: inside the installed package, or beside it in a checkout."""
    return Path(tables.folder())


@cache
def load() -> Catalogue:
    """Return the shipped catalogue, from its compiled form where there is one. Raises UsageError for a broken page."""
    pages = folder()
    built = pages / "catalogue.jsonl"
    if built.is_file():
        return _thaw(built.read_bytes())
    import zlib

    state = repr((os.stat(__file__).st_mtime_ns, sorted(_state(str(pages))))).encode()
    name = f"rules-{zlib.crc32(os.fsencode(pages)):08x}.jsonl"
    return _thaw(tables.kept(name, state, lambda: freeze(compile_pages(pages))))


def _state(pages: str) -> Iterator[tuple[str, int, int]]:
    """Yield path, time of change and size of every file that the catalogue is made of."""
    for folder in os.scandir(pages):
        kinds = (".md", ".yaml") if folder.name in ("controls", "tables") else (".md",)
        for file in os.scandir(folder.path) if folder.is_dir() else ():
            if file.name.endswith(kinds):
                found = file.stat()
                yield f"{folder.name}/{file.name}", found.st_mtime_ns, found.st_size


def compile_pages(pages: Path) -> dict[str, Any]:
    """Return the catalogue under ``pages`` as plain JSON values. Raises UsageError."""
    rules, controls = {}, {}
    for path in sorted(pages.glob("*/*.md")):
        rule_id = f"{path.parent.name}/{path.stem}"
        rule = parse(rule_id, path.read_text(encoding="utf-8"), str(path))
        rules[rule_id] = {name: getattr(rule, name) for name in Rule.__slots__ if name != "prose"}
    for path in sorted(pages.glob("controls/*.yaml")):
        for control in tables.plain_yaml(path.read_text(encoding="utf-8"))["controls"]:
            controls[control["id"]] = control
    known_aliases = [alias for rule in rules.values() for alias in rule["aliases"]]
    for alias in known_aliases:
        if alias in rules or known_aliases.count(alias) > 1:
            raise UsageError(f"the alias {alias!r} is taken twice")
    import hashlib

    body = json.dumps({"rules": rules, "controls": controls}, sort_keys=True, default=dict)
    body_of_tables = json.dumps(compile_tables(pages), sort_keys=True)
    return {"digest": hashlib.sha256((body + body_of_tables).encode()).hexdigest(), **json.loads(body)}


def compile_tables(pages: Path) -> dict[str, Any]:
    """Return the tables under ``pages`` by name, as plain JSON values."""
    return {
        path.stem: tables.plain_yaml(path.read_text(encoding="utf-8")) for path in sorted(pages.glob("tables/*.yaml"))
    }


def freeze(compiled: dict[str, Any]) -> bytes:
    """Return what ``compile_pages`` has made as lines of JSON: the digest and the names, then one for each rule and each control.

    So a run decodes what it shows: most of the catalogue are conditions of rules that find nothing.
    """
    rules, controls = compiled["rules"], compiled["controls"]
    scanners = {rule_id: rule["scanner"] for rule_id, rule in rules.items()}
    head = {"digest": compiled["digest"], "scanners": scanners, "controls": list(controls)}
    return "\n".join(map(json.dumps, (head, *rules.values(), *controls.values()))).encode("ascii")


def _thaw(data: bytes) -> Catalogue:
    head, *lines = data.split(b"\n")
    told = json.loads(head)
    scanners = told["scanners"]
    rules = dict(zip(scanners, lines, strict=False))
    controls = dict(zip(told["controls"], lines[len(scanners) :], strict=True))
    return Catalogue(_Rules(rules, scanners), _Late(controls), told["digest"])


class _Late(Mapping[str, Any]):
    """A mapping whose values are decoded when they are asked for."""

    def __init__(self, lines: dict[str, bytes]) -> None:
        self._lines = lines
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            self._made[name] = self._decoded(json.loads(self._lines[name]))
        return self._made[name]

    def __contains__(self, name: object) -> bool:
        return name in self._lines

    def __iter__(self) -> Iterator[str]:
        return iter(self._lines)

    def __len__(self) -> int:
        return len(self._lines)

    def _decoded(self, value: dict[str, Any]) -> Any:
        return value


class _Rules(_Late):
    def __init__(self, lines: dict[str, bytes], scanners: Mapping[str, str]) -> None:
        super().__init__(lines)
        self.scanners = scanners

    def _decoded(self, value: dict[str, Any]) -> Rule:
        for name in ("controls", "gdpr", "cwe", "aliases"):
            value[name] = tuple(value[name])
        value["tags"] = {key: tuple(items) for key, items in value["tags"].items()}
        return Rule(**value)
