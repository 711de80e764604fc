"""Runs the scanner of models over one file inside the test's own process."""

from __future__ import annotations

from pathlib import Path

from mlguard import discovery
from mlguard.findings import Detection, Gap, Record
from mlguard.scanners import Context
from mlguard.scanners.model import ModelScanner
from mlguard.workers import examine

MALFORMED = "model/malformed-model-archive"


def records_of(content: bytes, root: Path, name: str = "model.pkl") -> list[Record]:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_bytes(content)
    scanner = ModelScanner()
    groups = scanner.plan(discovery.classify(root, [name]).artifacts, {})
    return [record for group in groups for record in examine(scanner, group, Context(root))]


def rules_of(content: bytes, root: Path, name: str = "model.pkl") -> set[str]:
    return {record.rule for record in records_of(content, root, name) if isinstance(record, Detection)}


def checks_of(content: bytes, root: Path, name: str = "model.pkl", rule: str = MALFORMED) -> set[str]:
    found = records_of(content, root, name)
    return {record.check for record in found if isinstance(record, Detection) and record.rule == rule}


def gaps_of(content: bytes, root: Path, name: str = "model.pkl") -> list[Gap]:
    return [record for record in records_of(content, root, name) if isinstance(record, Gap)]
