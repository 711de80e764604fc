"""Looks at Python files, notebooks and configurations of training for what is unsafe or handles personal data wrongly."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mlguard.artifacts import Artifact
from mlguard.errors import Unreadable
from mlguard.findings import Gap, Record
from mlguard.scanners import Context, decode, read_bytes

if TYPE_CHECKING:
    from mlguard.scanners.code.seeing import Watch

KINDS = frozenset({"python", "notebook"})


class CodeScanner:
    """Parses each file once and gives the tree to bandit's checks and to our own."""

    name = "code"
    depends = ()

    def plan(self, artifacts: Sequence[Artifact], settings: Mapping[str, Any]) -> Iterable[tuple[Artifact, ...]]:
        return ((artifact,) for artifact in artifacts if artifact.kind in KINDS or is_settings(artifact))

    def scan(self, group: Sequence[Artifact], context: Context) -> Iterator[Record]:
        for artifact in group:
            try:
                yield from self._file(artifact, context) if artifact.kind in KINDS else _settings(artifact, context)
            except Unreadable as trouble:
                yield Gap(self.name, artifact.path, "unreadable", str(trouble))

    def _file(self, artifact: Artifact, context: Context) -> Iterator[Record]:
        from mlguard.scanners import notebook
        from mlguard.scanners.code import pins, shell, source
        from mlguard.scanners.code.report import records

        if artifact.kind == "python":
            data = read_bytes(context, artifact.path, source.MAX_SOURCE_BYTES)
            file = source.python_file(artifact.path, data)
            file.versions = {**context.settings.get("versions", {}), **pins.of_script(data)}
            yield from records(file, _own(context))
            return
        cells = notebook.read(decode(read_bytes(context, artifact.path)))
        yield from shell.detections(artifact.path, cells)
        foreign = {cell.language for cell in cells if cell.kind == "code" and cell.source.strip()} - {"python"}
        if foreign:
            yield Gap(self.name, artifact.path, "skipped", "cells in another language than Python are not looked at")
        module, failed = source.notebook_module(artifact.path, cells)
        if module is not None:
            module.versions = context.settings.get("versions", {})
            yield from records(module, _own(context))
        for cell in failed:
            reason = f"cell {cell.cell} is {cell.reason[0].lower()}{cell.reason[1:]}"
            yield Gap(self.name, artifact.path, "unreadable", reason)


def _own(context: Context) -> tuple[Watch, ...]:
    """Return the checks on the pages of the repository's own. Raises UsageError."""
    folder = str(context.settings.get("rules", ""))
    if not folder:
        return ()
    from mlguard.scanners.code import patterns

    return patterns.watches(folder, context.hook)


MAX_SETTINGS_BYTES = 256 * 2**10
"""The largest configuration that is read; larger files of these names are data."""

_SETTINGS = re.compile(
    r"(?i)(?:^|/)[^/]*(?:train|privacy|privat|dp[-_.]|[-_]dp|fine-?_?tun|hparam|hyperparam|experiment|config)[^/]*\.(?:ya?ml|json|toml)$"
)


def is_settings(artifact: Artifact) -> bool:
    """Say whether a file is named like a configuration of training, and small enough to be one."""
    known = artifact.kind in ("yaml", "json", "toml") and artifact.size <= MAX_SETTINGS_BYTES
    return known and _SETTINGS.search(artifact.path) is not None


def _settings(artifact: Artifact, context: Context) -> Iterator[Record]:
    """Yield what a configuration says about differentially private training; that is all that is looked for in it."""
    from mlguard.scanners.code import private

    if not context.hook:
        yield from private.settings(artifact, context)
