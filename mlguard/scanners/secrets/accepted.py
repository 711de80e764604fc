"""Reads what a team has accepted with the tools that it used before: baselines of detect-secrets, and what gitleaks leaves out.

Formats: https://github.com/Yelp/detect-secrets/blob/master/docs/design.md (``results``: for each file its secrets, as SHA-1, and what
an audit said of them), https://github.com/gitleaks/gitleaks#gitleaksignore and https://github.com/gitleaks/gitleaks#configuration.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
import tomllib
from collections.abc import Mapping
from typing import Any

from mlguard import lazy
from mlguard.errors import Unreadable
from mlguard.findings import Aside
from mlguard.scanners import Context, read_text
from mlguard.values import dataclass, field

BASELINE, IGNORE, CONFIGURATION = ".secrets.baseline", ".gitleaksignore", ".gitleaks.toml"
FILES = (BASELINE, IGNORE, CONFIGURATION)
"""Names of the files, at the root of the scan."""

MAX_BYTES = 16 * 2**20
"""Bytes of one of these files."""

MAX_ENTRIES = 200_000
MAX_PATTERNS = 200

_AUDITED = "audited: no secret"
_NOT_AUDITED = "accepted in the baseline, not audited"


@dataclass(slots=True)
class Accepted:
    """What the files at the root of a scan accept, and why one of them could not be read."""

    hashes: dict[str, dict[str, tuple[int, str]]] = field(default_factory=dict)  # path -> SHA-1 -> line, reason
    places: dict[tuple[str, int], int] = field(default_factory=dict)  # path and line -> line of the file
    paths: list[tuple[Any, int]] = field(default_factory=list)
    trouble: dict[str, str] = field(default_factory=dict)

    def aside(self, path: str, line: int, text: str, start: int, end: int) -> Aside | None:
        """Return what accepts the value between two places of a text."""
        known = self.hashes.get(path)
        if known:
            for digest in _digests(text, start, end):
                if digest in known:
                    return Aside(BASELINE, *known[digest])
        if (path, line) in self.places:
            return Aside(IGNORE, self.places[path, line], "its fingerprint is listed")
        for pattern, number in self.paths:
            if pattern.search(path) is not None:
                return Aside(CONFIGURATION, number, "its path is on the allowlist")
        return None

    def __bool__(self) -> bool:
        return bool(self.hashes or self.places or self.paths)


def read(context: Context) -> Accepted:
    """Return what is accepted below the root of a scan. A file that cannot be read accepts nothing."""
    found = Accepted()
    for name, reader in ((BASELINE, _baseline), (IGNORE, _ignored), (CONFIGURATION, _configured)):
        if not (context.root / name).is_file():
            continue
        try:
            reader(read_text(context, name, MAX_BYTES), found)
        except Unreadable as error:
            found.trouble[name] = str(error)
    return found


def _digests(text: str, start: int, end: int) -> set[str]:
    """Return the SHA-1 of a value, of the word or literal around it, and of the title of a key: what detect-secrets may have taken."""
    value = text[start:end]
    forms = {value}
    low, high = start, end
    while low > 0 and start - low < 500 and text[low - 1] not in "\"'` \t\n,;":
        low -= 1
    while high < len(text) and high - end < 500 and text[high] not in "\"'` \t\n,;":
        high += 1
    forms |= {text[low:high], text[low:end], text[start:high]}
    if title := re.match(r"-+ ?(BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?)", value):
        forms.add(title[1])
        if body := re.match(r"-*([A-Za-z0-9+/\\\n]{10,}={0,3})", value[title.end() :]):
            forms.add(body[1].strip())
    # Not for security: detect-secrets names its entries so.
    return {hashlib.sha1(form.encode("utf-8", "replace"), usedforsecurity=False).hexdigest() for form in forms}


def _baseline(text: str, found: Accepted) -> None:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        raise Unreadable("no valid JSON, so no baseline: it sets nothing aside") from None
    results = content.get("results") if isinstance(content, dict) else None
    if not isinstance(results, dict):
        raise Unreadable("no baseline of detect-secrets: it has no results, so it sets nothing aside")
    lines = _lines_of(text)
    left = MAX_ENTRIES
    for path, entries in results.items():
        for entry in entries if isinstance(entries, list) else ():
            left -= 1
            if left < 0:
                raise Unreadable(f"more than {MAX_ENTRIES:,} entries: the rest of them set nothing aside")
            digest = entry.get("hashed_secret") if isinstance(entry, dict) else None
            if not isinstance(digest, str) or entry.get("is_secret") is True:
                continue  # an audit said that it is one
            reason = _AUDITED if entry.get("is_secret") is False else _NOT_AUDITED
            place = posixpath.normpath(path.replace("\\", "/"))
            found.hashes.setdefault(place, {})[digest.lower()] = (lines.get(digest, 1), reason)


def _lines_of(text: str) -> Mapping[str, int]:
    lines: dict[str, int] = {}
    for number, line in enumerate(text.split("\n"), 1):
        for match in re.finditer(r'"hashed_secret": ?"([0-9a-fA-F]{40})"', line):
            lines.setdefault(match[1], number)
    return lines


_FINGERPRINT = lazy.pattern(r"^(?:[0-9a-f]{40}:)?(?P<path>[^:]+):(?P<rule>[\w.-]+):(?P<line>\d{1,9})$")


def _ignored(text: str, found: Accepted) -> None:
    for number, line in enumerate(text.split("\n")[:MAX_ENTRIES], 1):
        match = _FINGERPRINT.match(line.split("#", 1)[0].strip())
        if match is not None:
            found.places[posixpath.normpath(match["path"]), int(match["line"])] = number


def _configured(text: str, found: Accepted) -> None:
    try:
        content = tomllib.loads(text)
    except (ValueError, RecursionError):
        raise Unreadable("no valid TOML: its allowlist sets nothing aside") from None
    single, several = content.get("allowlist"), content.get("allowlists")
    lists = [single, *(several if isinstance(several, list) else [])]
    patterns = [
        pattern
        for one in lists
        if isinstance(one, dict) and not one.get("targetRules") and isinstance(one.get("paths"), list)
        for pattern in one["paths"]
        if isinstance(pattern, str)
    ][:MAX_PATTERNS]
    if not patterns:
        return
    try:
        import re2  # the expressions come from the scanned tree, so only an engine without backtracking may run them
    except ImportError:
        raise Unreadable("google-re2 is not installed, so its allowlist sets nothing aside") from None
    options: Any = re2.Options()
    options.log_errors = False
    lines = text.split("\n")
    for pattern in patterns:
        try:
            compiled = re2.compile(pattern, options)
        except re2.error:
            raise Unreadable("an expression of its allowlist is not valid") from None
        found.paths.append((compiled, next((n for n, line in enumerate(lines, 1) if pattern in line), 1)))
