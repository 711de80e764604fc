"""Looks at Python files and notebooks for code that is unsafe or handles personal data wrongly."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from mlguard.artifacts import Artifact
from mlguard.errors import Unreadable
from mlguard.findings import Gap, Record
from mlguard.scanners import Context, decode, one_by_one, read_bytes

KINDS = frozenset({"python", "notebook"})


class CodeScanner:
    """Parses each file once and gives the tree to bandit's checks and to our own."""

    name = "code"

    def plan(self, artifacts: Sequence[Artifact], settings: Mapping[str, Any]) -> Iterable[tuple[Artifact, ...]]:
        return one_by_one(artifacts, KINDS)

    def scan(self, group: Sequence[Artifact], context: Context) -> Iterator[Record]:
        from mlguard.scanners.code.report import records

        for artifact in group:
            try:
                yield from self._file(artifact, context, records)
            except Unreadable as trouble:
                yield Gap(self.name, artifact.path, "unreadable", str(trouble))

    def _file(self, artifact: Artifact, context: Context, records: Any) -> Iterator[Record]:
        from mlguard.scanners import notebook
        from mlguard.scanners.code import shell, source

        if artifact.kind == "python":
            data = read_bytes(context, artifact.path, source.MAX_SOURCE_BYTES)
            yield from records(source.python_file(artifact.path, data))
            return
        cells = notebook.read(decode(read_bytes(context, artifact.path)))
        yield from shell.detections(artifact.path, cells)
        foreign = {cell.language for cell in cells if cell.kind == "code" and cell.source.strip()} - {"python"}
        if foreign:
            yield Gap(self.name, artifact.path, "skipped", "cells in another language than Python are not looked at")
        module, failed = source.notebook_module(artifact.path, cells)
        if module is not None:
            yield from records(module)
        for cell in failed:
            reason = f"cell {cell.cell} is {cell.reason[0].lower()}{cell.reason[1:]}"
            yield Gap(self.name, artifact.path, "unreadable", reason)
