"""Takes in what zizmor finds in workflows, where it is installed: as a process of its own, offline, on files that we could read."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from mlguard import redact, tables
from mlguard.findings import Detection, Gap, Location, Record
from mlguard.scanners import Context

BATCH = 500
"""Files given to one process. Its start costs as much as a hundred small files."""

SECONDS = 60.0
"""How long all processes of one scan may take together."""

MAX_OUTPUT = 64 * 2**20
"""Bytes of one answer that are read."""

MAX_SPAN = 200
"""Lines of one finding in which one of ours under the same rule is the same thing."""

_LEVELS = ("informational", "low", "medium", "high")
_log = logging.getLogger(__name__)


@cache
def program() -> str:
    """Return the path of zizmor beside the interpreter or on PATH, "" where there is none."""
    import shutil

    name = "zizmor.exe" if os.name == "nt" else "zizmor"
    beside = Path(sys.executable).with_name(name)
    return str(beside) if beside.is_file() else shutil.which(name) or ""


def findings(paths: Sequence[str], context: Context, told: set[tuple[str, str, int]]) -> Iterator[Record]:
    """Yield what zizmor finds in these files and nobody has told yet; ``told`` holds rule, path and line.

    A file that stops it becomes a gap that names it, and does not stop the others.
    """
    if not paths or not program():
        return
    audits: Mapping[str, Mapping[str, Any]] = tables.table("zizmor")["audits"]
    until = time.monotonic() + SECONDS
    for start in range(0, len(paths), BATCH):
        for found in _asked(list(paths[start : start + BATCH]), context, until):
            if isinstance(found, Gap):
                yield found
            else:
                yield from _told(found, audits, told)


def _asked(paths: list[str], context: Context, until: float) -> Iterator[dict[str, Any] | Gap]:
    """Yield the findings on a list of files; when it fails, those on its halves, down to the file that does it."""
    left = until - time.monotonic()
    if left <= 0:
        yield from (Gap("infra", path, "timeout", f"zizmor had no time left ({SECONDS:.0f} s)") for path in paths)
        return
    answer = _run(paths, context.root, left)
    if isinstance(answer, list):
        yield from (one for one in answer if isinstance(one, dict))
    elif answer == "timeout":
        yield from (Gap("infra", path, "timeout", f"zizmor did not end within {SECONDS:.0f} s") for path in paths)
    elif len(paths) > 1:
        half = len(paths) // 2
        yield from _asked(paths[:half], context, until)
        yield from _asked(paths[half:], context, until)
    else:
        yield Gap(
            "infra",
            paths[0],
            "unreadable",
            "zizmor cannot read this file; our own checks did",
            "check it against GitHub's syntax",
        )


def _run(paths: Sequence[str], root: Path, seconds: float) -> list[Any] | str:
    """Return the answer of one process, or "timeout" or "failed". It gets no network, no token and no configuration but ours."""
    options = [
        "--offline", "--no-progress", "--no-ignores", "--no-exit-codes", "--strict-collection", "--color=never", "-q", "--format=json-v1",
        "--min-severity=medium", "--min-confidence=medium",
    ]  # fmt: skip
    kept = {name: os.environ[name] for name in ("SYSTEMROOT", "TMPDIR", "TEMP") if name in os.environ}
    with tempfile.TemporaryFile() as answer, tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "zizmor.yml"
        config.write_text(_configuration(), encoding="utf-8")
        try:
            done = subprocess.run(
                [program(), *options, "--config", str(config), "--", *(f"./{path}" for path in paths)],
                cwd=root, env={**kept, "HOME": folder, "NO_COLOR": "1"}, stdin=subprocess.DEVNULL, stdout=answer,
                stderr=subprocess.DEVNULL, timeout=seconds, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return "timeout"
        except OSError as error:
            _log.debug("zizmor cannot be started: %s", error.strerror)
            return "failed"
        size = answer.tell()
        answer.seek(0)
        if done.returncode != 0 or size > MAX_OUTPUT:
            return "failed"
        try:
            parsed = json.loads(answer.read())
        except (ValueError, RecursionError):
            return "failed"
    return parsed if isinstance(parsed, list) else "failed"


def _configuration() -> str:
    """Return a configuration that leaves out the audits about which our own checks decide: it does not pay to ask them."""
    audits = tables.table("zizmor")["audits"]
    return json.dumps(
        {"rules": {name: {"disable": True} for name, one in sorted(audits.items()) if one["take"] == "never"}}
    )


def _told(
    finding: Mapping[str, Any], audits: Mapping[str, Mapping[str, Any]], told: set[tuple[str, str, int]]
) -> Iterator[Detection]:
    """Yield the detection that a finding becomes: none when our own checks decide about it, or have told it."""
    audit = str(finding.get("ident", ""))
    known = audits.get(audit)
    weight = finding.get("determinations") or {}
    severity, confidence = str(weight.get("severity", "")).lower(), str(weight.get("confidence", "")).lower()
    if known is not None and known["take"] == "never":
        return
    if severity not in _LEVELS[2:] or confidence not in (
        ("high",) if known is not None and known["take"] == "certain" else ("medium", "high")
    ):
        return
    if known is not None and known.get("except") in _route(finding):
        return
    rule = str(known["rule"]) if known is not None else "ci/zizmor-finding"
    place = _place(finding)
    same = {rule, str(known["beside"])} if known is not None and "beside" in known else {rule}
    if place is None or any(
        (one, place.path, line) in told
        for one in same
        for line in range(place.line, place.line + MAX_SPAN)[: place.end_line - place.line + 1]
    ):
        return
    told.add((rule, place.path, place.line))
    yield Detection(
        rule=rule,
        check=str(known["check"]) if known is not None else "other",
        location=place,
        facts={
            "audit": redact.text(audit, 60),
            "what": redact.text(str(finding.get("desc", "")), 120),
            "source": "a value",
            "loophole": "see zizmor",
            "element": audit,
            "found": "a value",
        },
        scope=f"{place.path}:zizmor",
        anchor=f"{audit}:{'/'.join(_route(finding))}",
        subject=place.path,
    )


def _primary(finding: Mapping[str, Any]) -> Mapping[str, Any] | None:
    locations = [one for one in finding.get("locations") or () if isinstance(one, dict)]
    return next(
        (one for one in locations if (one.get("symbolic") or {}).get("kind") == "Primary"),
        locations[0] if locations else None,
    )


def _place(finding: Mapping[str, Any]) -> Location | None:
    place = _primary(finding)
    try:
        if place is None:
            return None
        path = str(place["symbolic"]["key"]["Local"]["verbatim_path"]).replace("\\", "/").removeprefix("./")
        start, end = place["concrete"]["location"]["start_point"], place["concrete"]["location"]["end_point"]
        return Location(
            path, int(start["row"]) + 1, int(start["column"]) + 1, int(end["row"]) + 1, int(end["column"]) + 1
        )
    except (KeyError, TypeError, ValueError):
        return None


def _route(finding: Mapping[str, Any]) -> list[str]:
    place = _primary(finding) or {}
    steps = ((place.get("symbolic") or {}).get("route") or {}).get("route") or ()
    return [str(value) for step in steps if isinstance(step, dict) for value in step.values()]
