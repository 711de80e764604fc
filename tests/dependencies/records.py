"""Builds records of OSV about invented packages: the usual ones, and every odd one that a reader must outlive."""

from __future__ import annotations

import io
import json
import random
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

SEVERE = {"severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}]}
MILD = {"severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:L/AC:H/PR:L/UI:R/S:U/C:L/I:N/A:N"}]}

Json = dict[str, Any]


def ecosystem(*events: Mapping[str, str]) -> Json:
    return {"type": "ECOSYSTEM", "events": list(events)}


def record(
    identity: str, package: str = "foo", *, events: Iterable[Mapping[str, str]] | None = None, **more: Any
) -> Json:
    """Return a record about one package: of every version unless ``events``, ``ranges`` or ``versions`` say otherwise."""
    affected: Json = {"package": {"ecosystem": "PyPI", "name": package}}
    if events is not None:
        affected["ranges"] = [ecosystem(*events)]
    for key in ("ranges", "versions"):
        if key in more:
            affected[key] = more.pop(key)
    return {
        "schema_version": "1.7.0",
        "id": identity,
        "modified": "2026-11-01T00:00:00Z",
        "published": "2026-10-01T00:00:00Z",
        "summary": "A flaw",
        "affected": [affected],
        **more,
    }


def fixed(version: str, introduced: str = "0") -> list[Json]:
    return [{"introduced": introduced}, {"fixed": version}]


def write_zip(path: Path, records: Iterable[object]) -> Path:
    """Write records as OSV publishes them; bytes are written as they are."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, one in enumerate(records):
            name = one["id"] if isinstance(one, dict) and isinstance(one.get("id"), str) else f"odd-{number}"
            archive.writestr(f"{name}.json", one if isinstance(one, bytes) else json.dumps(one))
    path.write_bytes(buffer.getvalue())
    return path


def many(count: int, seed: int = 1) -> Iterable[Json]:
    """Yield records of a mix as the export for PyPI has it: several names for one flaw, malicious packages, long lists."""
    chance = random.Random(seed)
    for number in range(count):
        package = f"package-{number % (count // 2 + 1)}"
        versions = [f"{major}.{minor}.0" for major in range(chance.randint(1, 4)) for minor in range(10)]
        end = f"{chance.randint(1, 5)}.{chance.randint(0, 9)}.0"
        if number % 3 == 0:
            yield record(f"MAL-2026-{number}", package, versions=["1.0.0"])
        elif number % 3 == 1:
            yield record(
                f"PYSEC-2026-{number}", package, events=fixed(end), versions=versions, aliases=[f"CVE-2026-{number}"]
            )
        else:
            yield record(
                f"GHSA-{number:04}-aaaa-bbbb",
                package,
                events=fixed(end),
                aliases=[f"CVE-2026-{number - 1}"],
                database_specific={"severity": chance.choice(["LOW", "MODERATE", "HIGH", "CRITICAL"])},
            )


ODD: Mapping[str, object] = {
    "versions is text": record("ODD-1", versions="1.0"),
    "versions are numbers": record("ODD-2", versions=[1.5, 2]),
    "versions hold lists": record("ODD-3", versions=[["1.0"], {"a": 1}, None]),
    "ranges is text": record("ODD-4", ranges="all"),
    "range is text": record("ODD-5", ranges=["all"]),
    "range without type": record("ODD-6", ranges=[{"events": fixed("2.0")}]),
    "range of an unknown type": record("ODD-7", ranges=[{"type": "CALVER", "events": fixed("2.0")}]),
    "events is text": record("ODD-8", ranges=[{"type": "ECOSYSTEM", "events": "0"}]),
    "events are empty": record("ODD-9", ranges=[{"type": "ECOSYSTEM", "events": []}]),
    "event is a number": record("ODD-10", events=[{"introduced": 0}, {"fixed": 2.0}]),  # type: ignore[dict-item, list-item]
    "event of a new kind": record("ODD-11", events=[{"introduced": "9"}, {"paused": "2.0"}]),
    "start is no version": record("ODD-12", events=[{"introduced": "yesterday"}, {"fixed": "2.0"}]),
    "end is no version": record("ODD-13", events=[{"introduced": "0"}, {"fixed": "2019-09-12"}]),
    "no start": record("ODD-14", events=[{"fixed": "0.1"}]),
    "only commits": record("ODD-15", ranges=[{"type": "GIT", "repo": "x", "events": [{"introduced": "0"}]}]),
    "later schema": record("ODD-16", events=fixed("0.1"), schema_version="2.0.0"),
    "schema is a number": record("ODD-17", events=fixed("0.1"), schema_version=1),
    "semver with pre-release": record("ODD-18", ranges=[{"type": "SEMVER", "events": fixed("0.1.0-1")}]),
}
"""Records that name foo, do not clearly name version 1.0 of it, and do not clearly spare that either."""

BROKEN: Mapping[str, object] = {
    "no object": ["PYSEC-1"],
    "no id": {"affected": []},
    "id is a number": {**record("X"), "id": 5},
    "affected is text": {**record("X"), "affected": "foo"},
    "part is text": {**record("X"), "affected": ["foo"]},
    "package is text": {**record("X"), "affected": [{"package": "foo"}]},
    "name is a number": {**record("X"), "affected": [{"package": {"ecosystem": "PyPI", "name": 7}}]},
    "name is empty": {**record("X"), "affected": [{"package": {"ecosystem": "PyPI", "name": " "}}]},
    "ecosystem is a list": {**record("X"), "affected": [{"package": {"ecosystem": ["PyPI"], "name": "foo"}}]},
    "cut off": json.dumps(record("X")).encode()[:-9],
    "deep": b"[" * 100_000,
    "no JSON": b"\x00\x01",
    "a huge number": b'{"id": ' + b"9" * 10_000 + b"}",
}
"""Entries of which nobody can say what they are about."""
