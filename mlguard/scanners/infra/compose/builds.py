"""Which Dockerfiles the services of a Compose file build, and which of these services say how they are checked."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from functools import lru_cache

from mlguard.errors import Unreadable
from mlguard.scanners import Context, read_text
from mlguard.scanners.infra.treeedits import entries, items, plain
from mlguard.scanners.infra.yamltree import MAX_BYTES, Tree, parse


def checked(context: Context, path: str, dockerfile: str) -> bool:
    """Say whether a service of a Compose file that is built from a Dockerfile has a health check."""
    try:
        text = read_text(context, path, MAX_BYTES)
    except Unreadable:
        return False
    return "healthcheck" in text and dockerfile in _checked(text, posixpath.dirname(path))


@lru_cache(16)
def _checked(text: str, folder: str) -> frozenset[str]:
    """Return the Dockerfiles whose services have a health check of their own."""
    try:
        trees = parse(text, tags=True).trees
    except Unreadable:
        return frozenset()
    found = set()
    for tree in trees[:1]:
        for service in entries(tree.get("services")).values():
            check = service.get("healthcheck")
            if check is not None and not _is_off(check):
                found |= set(_built(service, folder))
    return frozenset(found)


def _built(service: Tree, folder: str) -> Iterator[str]:
    build = service.get("build")
    if build is None:
        return
    inside = plain(build) or plain(build.get("context")) or "."
    name = plain(build.get("dockerfile")) or "Dockerfile"
    yield posixpath.normpath(posixpath.join(folder, inside, name))


def _is_off(check: Tree) -> bool:
    test = check.get("test")
    words = [plain(one) for one in items(test)] or [plain(test)]
    return plain(check.get("disable")) == "true" or words[:1] == ["NONE"]
