"""Readers of data: one module for each format, chosen by content.

A module has ``tables(source) -> Iterator[Table]``. It imports its library in the function, holds no more than a batch, and raises
``Unreadable`` with a reason that quotes nothing of the data.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from mlguard import artifacts
from mlguard.errors import Unreadable
from mlguard.scanners.dataset.source import HEAD_BYTES, Source
from mlguard.scanners.dataset.table import Table

MODULES: dict[str, str] = {
    "csv": "separated", "tsv": "separated", "jsonl": "jsonlines", "json": "jsonfile", "parquet": "parquet", "arrow": "arrow",
    "text": "text", "markdown": "text", "sql": "sqldump",
    "orc": "orc", "avro": "avro", "sqlite": "sqlite", "hdf5": "hdf5", "npy": "npy", "npz": "npy", "pickle": "pickled",
    "xlsx": "spreadsheet", "ods": "spreadsheet", "ole": "spreadsheet",
    "zip": "archive", "tar": "archive", "gzip": "archive", "bzip2": "archive", "xz": "archive", "zstd": "archive", "lz4": "archive",
    "pdf": "pdf", "html": "markup", "xml": "markup", "eml": "mail", "mbox": "mail", "vcf": "mail", "ics": "mail", "har": "har",
}  # fmt: skip
"""Module by kind of artifact, see ``mlguard.artifacts.kind_of``."""


def kind_of(source: Source) -> str:
    """Return the kind of a source by its content, then by its name."""
    return artifacts.kind_of(source.called, source.head(HEAD_BYTES))


def tables(source: Source, kind: str = "") -> Iterator[Table]:
    """Yield the tables of a source. Each must be read to its end before the next is asked for.

    Raises Unreadable when no reader takes the kind.
    """
    from importlib import import_module as load  # noqa: TID251 - a name of the table above

    kind = kind or kind_of(source)
    if kind not in MODULES:
        raise Unreadable(f"no reader for files of kind {kind}")
    module = load(f"mlguard.scanners.dataset.formats.{MODULES[kind]}")
    return cast(Iterator[Table], module.tables(source))
