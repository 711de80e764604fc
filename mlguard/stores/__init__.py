"""Databases and object stores. All that touches a network is in here, and it is run for an address that a command names.

A store is read with the credentials that its own tools would take: the environment, ~/.pgpass, service files, the cloud's chain.
An address may hold a password. It goes to the child process that talks to the store, over a pipe, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Protocol

from mlguard.facts import Grant
from mlguard.scanners.dataset.source import Source
from mlguard.scanners.dataset.table import MissedKind, Table
from mlguard.stores import address

KIND = "store"
"""Kind of the artifact that stands for a store. Its path is the address as ``shown``."""


class Store(Protocol):
    """A database, whose ``tables`` are read, or an object store with ``sources``; the other of the two yields nothing.

    ``missed`` is complete after the last of them: (path, kind of gap, reason). Each table must be read to its end before the next is
    asked for. All methods raise ``mlguard.stores.line.Trouble``, which is ``Unreadable``; so do the batches of a table and
    the handles of a source. What was yielded before counts.
    """

    path: str
    missed: list[tuple[str, MissedKind, str]]

    def tables(self) -> Iterator[tuple[str, Table]]:
        """Yield (path, table)."""
        ...

    def sources(self) -> Iterator[Source]:
        """Yield each object. Its name is its path."""
        ...

    def grants(self, paths: Collection[str]) -> Iterator[Grant]:
        """Yield who may read what is at these paths, which were yielded before."""
        ...

    def close(self) -> None:
        """End the connection and the process that holds it."""
        ...


def is_store(target: str) -> bool:
    """Say whether an argument is the address of a store, or looks like one of a kind that is not supported, and no path."""
    return bool(address.scheme_of(target))


def shown(target: str) -> str:
    """Return the address without user, password and parameters. Raises UsageError when it is none that can be read."""
    return address.parse(target).shown


def file_of(target: str) -> str:
    """Return the path in a ``sqlite:`` address, "" for a store that is no file. Raises UsageError."""
    place = address.parse(target)
    return place.path if place.scheme == "sqlite" else ""


def open_store(target: str, settings: Mapping[str, Any] | None = None) -> Store:
    """Return the store. Nothing is connected before its first method is called. Raises UsageError.

    ``settings``: "silence", the seconds for which it may say nothing; "root", the folder for the file of a ``sqlite:`` address.
    """
    place = address.parse(target)
    if place.scheme == "postgresql":
        from mlguard.stores.postgres import Postgres

        return Postgres(place, settings or {})
    if place.scheme == "sqlite":
        from mlguard.stores.objects import SingleFile

        return SingleFile(place, settings or {})
    from mlguard.stores.objects import Bucket

    return Bucket(place, settings or {})
