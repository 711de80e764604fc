"""Cuts one run into shards that machines do apart, and puts what they wrote together to the report of the one run.

Each shard plans the whole run from the same files and does its stretch of the work. What it writes is records, which hold no more
than a report does, and for datasets of which it counted only a part the sealed counts, see ``mlguard.scanners.dataset.sketch``. With
a key the whole file is sealed with it, so that nobody on the way can read or change it.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from mlguard import __version__, codec
from mlguard.artifacts import Artifact
from mlguard.engine import Job, concluded, performed, planned
from mlguard.errors import UsageError
from mlguard.facts import Part
from mlguard.findings import Record, Report
from mlguard.scanners import Context, scanner
from mlguard.workers import Progress, Task, examine

SCHEMA = "mlguard-shard/1"
_SEALED = b"mlguard-shard/1 sealed\n"

MAX_SHARDS = 10_000
"""Shards of one run at most."""

SPLIT_SLICES = 8
"""A dataset larger than so many slices is counted by several shards; smaller ones are one shard's as a whole."""

TASK_BYTES = 64 * 2**10
"""What a file costs beyond its bytes, in bytes."""


def number_of(text: str) -> tuple[int, int]:
    """Return (i, n) of "i/n", both from 1. Raises UsageError."""
    number, _, count = text.partition("/")
    if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count) <= MAX_SHARDS):
        raise UsageError(f"--shard {text}: give the number of the shard and how many there are, as in 1/4")
    return int(number), int(count)


def write(job: Job, number: int, count: int, key: bytes | None, progress: Progress | None = None) -> bytes:
    """Do shard ``number`` of ``count`` and return what its file holds. Raises UsageError when a dataset must be cut and there is no key."""
    tasks, setting, records = planned(job)
    units = _units(job, tasks, count)
    if key is None and (cut := next((unit for unit in units if unit.part), None)) is not None:
        raise UsageError(
            f"{cut.group[0].path}: this dataset is large enough to be counted by several shards, whose files then hold samples of its "
            "values, encrypted: set MLGUARD_SHARD_KEY or --shard-key FILE, the same for all shards (make one with: openssl rand -base64 48)"
        )
    mine = _joined(_stretch(units, number, count))
    if key is not None:
        setting = replace(setting, key=key.hex())
    records += performed(job, mine, setting, progress)
    body = {
        "schema": SCHEMA, **_plan(job, units, count), "number": number,
        "artifacts": [[artifact.path, artifact.kind, artifact.size] for artifact in job.artifacts], "excluded": job.excluded,
        "records": [[name, codec.encode(record)] for name, record in records],
    }  # fmt: skip
    data = codec.dumps(body).encode("ascii")
    if key is None:
        return data
    from mlguard.scanners.dataset import sketch

    return _SEALED + sketch.seal(data, key, SCHEMA)


def merge(job: Job, files: Mapping[str, bytes], key: bytes | None) -> Report:
    """Return the report of the run whose shards these files are, by name. ``job`` has the configuration and declaration; its files are not looked at.

    Raises UsageError unless every shard of one run is there once, written by this version with these rules and this configuration.
    """
    bodies = {name: _opened(name, data, key) for name, data in sorted(files.items())}
    _complete(bodies)
    first = next(iter(bodies.values()))
    artifacts = tuple(Artifact(path, kind, size) for path, kind, size in first["artifacts"])
    job = replace(job, artifacts=artifacts, excluded=first["excluded"], gaps=())
    records: list[tuple[str, Record]] = []
    for body in bodies.values():
        records += [(name, codec.decode(record)) for name, record in body["records"]]
    job_plan, setting, _ = planned(job)
    units = _units(job, job_plan, int(first["count"]))
    for name, body in bodies.items():
        _same(name, body, _plan(job, units, int(first["count"])))
    parts = [record for _, record in records if isinstance(record, Part)]
    records = [(name, record) for name, record in records if not isinstance(record, Part)]
    for task in {unit.group: unit for unit in units if unit.part}.values():
        records += _told(task, parts, setting.settings.get(task.scanner, {}), job, key)
    return concluded(job, job_plan, records)


def _told(
    task: Task, parts: Sequence[Part], settings: Mapping[str, Any], job: Job, key: bytes | None
) -> list[tuple[str, Record]]:
    from mlguard.scanners.dataset.parts import name_of

    path = name_of(task.group)
    own = [part for part in parts if part.path == path]
    settings = {**settings, "part": (), "parts": own, "key": (key or b"").hex()}
    found = examine(scanner(task.scanner), task.group, Context(job.root, settings))
    return [(task.scanner, record) for record in found]


# --- Who does what


def _units(job: Job, tasks: Sequence[Task], count: int) -> list[Task]:
    """Return the tasks with large datasets in slices, in an order that puts neighbours of one folder on different shards."""
    units: list[Task] = []
    for task in tasks:
        found = _slices(job, task) if task.scanner == "dataset" and count > 1 else 0
        units += [replace(task, part=(at, at + 1)) for at in range(found)] or [task]
    return sorted(units, key=lambda unit: (_place(unit.group[0].path), unit.scanner, len(unit.group), unit.part))


def _slices(job: Job, task: Task) -> int:
    if all(artifact.kind != "parquet" for artifact in task.group):
        return 0
    from mlguard.scanners.dataset import parts

    settings = job.settings.get("dataset", {})
    found = parts.slices(task.group, settings)
    size = int(settings.get("slice_bytes", parts.SLICE_BYTES))
    return len(found) if sum(artifact.size for artifact in task.group) > SPLIT_SLICES * size else 0


def _place(path: str) -> str:
    return hashlib.sha256(path.encode("utf-8", "surrogatepass")).hexdigest()


def _stretch(units: Sequence[Task], number: int, count: int) -> list[Task]:
    """Return the units whose middle lies in this shard's share of the work."""
    cut = Counter(unit.group for unit in units)
    weights = [sum(artifact.size for artifact in unit.group) / cut[unit.group] + TASK_BYTES for unit in units]
    total, done, mine = sum(weights), 0.0, []
    for unit, weight in zip(units, weights, strict=True):
        if min(int((done + weight / 2) * count / total), count - 1) == number - 1:
            mine.append(unit)
        done += weight
    return mine


def _joined(units: Sequence[Task]) -> list[Task]:
    """Return the units with slices that follow each other as one."""
    joined: list[Task] = []
    for unit in units:
        last = joined[-1] if joined else None
        if last is not None and unit.part and last.group == unit.group and last.part[1:] == unit.part[:1]:
            joined[-1] = replace(last, part=(last.part[0], unit.part[1]))
        else:
            joined.append(unit)
    return joined


# --- Whether all of it is there


def _plan(job: Job, units: Sequence[Task], count: int) -> dict[str, Any]:
    """Return what all shards of one run must agree on."""
    body = job.declaration.body if job.declaration is not None else None
    tree = [[artifact.path, artifact.kind, artifact.size] for artifact in job.artifacts]
    return {
        "version": __version__, "rules": job.catalogue.digest, "config": job.config_digest, "count": count, "scanners": list(job.scanners),
        "files": _digest(tree), "declaration": _digest(body),
        "plan": _digest([[unit.scanner, [artifact.path for artifact in unit.group], list(unit.part)] for unit in units]),
    }  # fmt: skip


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


_AGREE = {
    "version": "another version of mlguard wrote it", "rules": "it was written with other rules", "config": "it was written with another configuration",
    "count": "it is of a run with another number of shards", "scanners": "other scanners were run", "files": "it saw other files",
    "declaration": "it was written with another privacy declaration", "plan": "it cut the work in another way",
}  # fmt: skip


def _opened(name: str, data: bytes, key: bytes | None) -> dict[str, Any]:
    if data.startswith(_SEALED):
        if key is None:
            raise UsageError(f"{name}: the shard is encrypted; set MLGUARD_SHARD_KEY or --shard-key FILE")
        from mlguard.scanners.dataset import sketch

        try:
            data = sketch.unseal(data[len(_SEALED) :], key, SCHEMA)
        except UsageError as error:
            raise UsageError(f"{name}: {error}") from None
    elif key is not None:
        raise UsageError(
            f"{name}: there is a key, and this shard is not encrypted with it; who wrote it cannot be told"
        )
    try:
        body = codec.loads(data)
    except UsageError:
        body = None
    if (
        not isinstance(body, dict)
        or body.get("schema") != SCHEMA
        or not {*_AGREE, "number", "artifacts", "records", "excluded"} <= body.keys()
    ):
        raise UsageError(f"{name}: not a shard that this version of mlguard wrote with --shard-out")
    return body


def _complete(bodies: Mapping[str, dict[str, Any]]) -> None:
    if not bodies:
        raise UsageError("--merge: there are no files of shards")
    (start, first), *others = bodies.items()
    for name, body in others:
        _same(name, body, {part: first[part] for part in _AGREE}, f"; it does not go with {start}")
    seen: dict[int, str] = {}
    for name, body in bodies.items():
        if body["number"] in seen:
            raise UsageError(
                f"{name}: shard {body['number']} is there twice, in {seen[body['number']]}, too; give each shard once"
            )
        seen[body["number"]] = name
    if missing := sorted({*range(1, first["count"] + 1)} - seen.keys()):
        told = ", ".join(map(str, missing[:20])) + (" and more" if len(missing) > 20 else "")
        raise UsageError(
            f"--merge: of {first['count']} shards these are missing: {told}; what they looked at is not known"
        )


def _same(name: str, body: Mapping[str, Any], wanted: Mapping[str, Any], hint: str = "") -> None:
    for part, reason in _AGREE.items():
        if body[part] != wanted[part]:
            raise UsageError(f"{name}: {reason}{hint}")
