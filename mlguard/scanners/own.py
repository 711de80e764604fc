"""Rule pages of the repository's own: conditions over infrastructure and patterns of code, in a folder that the configuration names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from mlguard import rules
from mlguard.errors import ConditionError, Unreadable, UsageError
from mlguard.rules import Catalogue, Rule, parse
from mlguard.values import replace

MAX_PAGES = 2_000
"""Pages of one folder."""

MAX_BYTES = 2**20
"""The largest page that is read."""

SCANNERS = ("infra", "code")
"""Scanners whose rules may be data."""

DEFAULTS: Mapping[str, Any] = {
    "confidence": "high", "scanner": "infra", "controls": [], "on_fail": "gap", "on_pass": "none", "since": "",
}  # fmt: skip
"""What a page of one's own may leave out: keys that say what a finding means for a control."""


@cache
def catalogue(folder: str = "") -> Catalogue:
    """Return the shipped catalogue with the pages of a folder, and a digest over both. Raises UsageError that names page and line."""
    shipped = rules.load()
    if not folder:
        return shipped
    import hashlib

    found = read(Path(folder))
    for rule in found.values():
        if rule.id in shipped.rules or any(rule.id in one.aliases for one in shipped.rules.values()):
            raise UsageError(f"{Path(folder) / rule.id}.md: mlguard has a rule {rule.id} already; take another name")
        for control in rule.controls:
            if control not in shipped.controls:
                from difflib import get_close_matches

                near = get_close_matches(str(control), shipped.controls, 1)
                raise UsageError(
                    f"{Path(folder) / rule.id}.md: there is no control {control!r}"
                    + (f"; did you mean {near[0]!r}?" if near else "")
                )
    digest = hashlib.sha256("\0".join([shipped.digest, *map(repr, found.values())]).encode())
    return replace(shipped, rules={**shipped.rules, **found}, digest=digest.hexdigest())


def read(folder: Path) -> dict[str, Rule]:
    """Return the rules on the pages ``area/slug.md`` below a folder. Raises UsageError that names page and line."""
    if not folder.is_dir():
        raise UsageError(f"rules names {folder}, and there is no such folder")
    pages = sorted(folder.glob("*/*.md"))
    if not pages:
        raise UsageError(f"{folder} holds no rule page; a page is called area/slug.md")
    if len(pages) > MAX_PAGES:
        raise UsageError(f"{folder} holds over {MAX_PAGES} pages")
    return {rule.id: rule for rule in map(_page, pages)}


def _page(path: Path) -> Rule:
    if path.stat().st_size > MAX_BYTES:
        raise UsageError(f"{path}: the page is larger than {MAX_BYTES // 2**20} MiB")
    try:
        text = path.read_text(encoding="utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise UsageError(f"{path}: the page is not valid UTF-8") from None
    rule = parse(f"{path.parent.name}/{path.stem}", text, str(path), DEFAULTS)
    if rule.scanner not in SCANNERS:
        raise UsageError(
            f"{path}: scanner is {rule.scanner!r}; pages of your own are judged by {' or '.join(SCANNERS)}, as conditions"
        )
    if not rule.checks:
        raise UsageError(f"{path}: the page has no checks; give it conditions under 'checks'")
    _compile(rule, path, text)
    return rule


def _compile(rule: Rule, path: Path, text: str) -> None:
    if rule.scanner == "code":
        from mlguard.scanners.code.patterns import compile_check
    else:
        from mlguard.scanners.infra.conditions import compile_check  # type: ignore[assignment]  # both take rule, name and keys
    for name, spec in rule.checks.items():
        try:
            compile_check(rule.id, name, spec)
        except ConditionError as error:
            line = _line(text, ("checks", name, *_way(spec, error.part)))
            raise UsageError(f"{path}, line {line}: {error}") from None


def _way(value: Any, part: object) -> tuple[str | int, ...]:
    """Return the keys that lead from a value to one of its parts, () when it is the value itself."""
    for keys, one in _parts(value, ()):
        if one is part:
            return keys
    return ()


def _parts(value: Any, keys: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    yield keys, value
    items = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for key, one in items:
        yield from _parts(one, (*keys, key))


def _line(text: str, keys: tuple[str | int, ...]) -> int:
    """Return the line of a key of the front matter, or of the nearest one around it."""
    from mlguard import yamlish

    front = text.split("\n---\n", 1)[0].removeprefix("---\n")
    try:
        lines = yamlish.load(front, "the page")[1]
    except Unreadable:
        return 1
    return yamlish.line_of(lines, keys) + 1
