"""Where everything below a node stands, told when it is asked for."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping

from mlguard.scanners.infra.resources import Path, Position
from mlguard.scanners.infra.yamltree import Tree


class Places(MutableMapping[Path, Position]):
    """The places of a tree by path, and of what was added to it; most are never asked for."""

    __slots__ = ("_own", "_tree")

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._own: dict[Path, Position] = {}

    def __getitem__(self, path: Path) -> Position:
        if (own := self._own.get(path)) is not None:
            return own
        node = self._tree.get(*path)
        if node is None:
            raise KeyError(path)
        return node.at

    def __contains__(self, path: object) -> bool:
        return path in self._own or (isinstance(path, tuple) and self._tree.get(*path) is not None)

    def __setitem__(self, path: Path, at: Position) -> None:
        self._own[path] = at

    def __delitem__(self, path: Path) -> None:
        del self._own[path]

    def _all(self) -> dict[Path, Position]:
        return {**self._tree.positions(), **self._own}

    def __iter__(self) -> Iterator[Path]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())
