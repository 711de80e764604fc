"""Copies a text or a Markdown file with what was found in its lines changed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from mlguard.redaction import texts
from mlguard.redaction.change import Change
from mlguard.redaction.plan import PROSE

BATCH_LINES = 20_000
BATCH_CHARS = 8 * 2**20
"""Lines and characters that are changed together."""


def rewrite(source: Path, target: BinaryIO, change: Change, columns: Sequence[str]) -> None:
    """Copy ``source`` to ``target``. Raises Unreadable."""
    encoding = texts.encoding_of(source)
    writer = texts.Writer(target, encoding)
    batch: list[str] = []
    size = 0
    for line in texts.lines(source, encoding):
        batch.append(line)
        size += len(line)
        if len(batch) >= BATCH_LINES or size > BATCH_CHARS:
            _put(batch, writer, change)
            batch, size = [], 0
    _put(batch, writer, change)


def _put(batch: list[str], writer: texts.Writer, change: Change) -> None:
    if change.wants(PROSE):
        ends = [texts.ending(line) for line in batch]
        bodies = [line[: len(line) - len(end)] for line, end in zip(batch, ends, strict=True)]
        batch = [text + end for (text, _), end in zip(change.texts(PROSE, bodies), ends, strict=True)]
    writer.write("".join(batch))
