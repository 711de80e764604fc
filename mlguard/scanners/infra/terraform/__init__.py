"""Reads Terraform and OpenTofu folders, and plans in JSON, into resources."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from mlguard.artifacts import Artifact
from mlguard.scanners import Context


def read(paths: Sequence[Artifact], context: Context) -> Iterator[Any]:
    """Yield the resources of all root modules."""
    for batch in read_roots(paths, context):
        yield from batch


def read_roots(paths: Sequence[Artifact], context: Context) -> Iterator[Iterable[Any]]:
    """Yield the records of each root module in turn; resources that belong together are in one of them."""
    from mlguard.scanners.infra.terraform import reader

    return reader.read_roots(paths, context)
