"""Finds the code that a plan was made from, and where each resource and attribute of it stands there."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from mlguard.scanners.infra.resources import Path, Position
from mlguard.scanners.infra.terraform.bodies import deep_places, type_of
from mlguard.scanners.infra.terraform.evaluator import Module
from mlguard.scanners.infra.terraform.expressions import Block
from mlguard.scanners.infra.terraform.planned import Configuration, Names
from mlguard.scanners.infra.terraform.session import Folder, Session
from mlguard.scanners.infra.terraform.tree import Tree

LEAST = 0.6
"""The share of a plan's blocks that a folder must have to be where it was made, and the other way round."""


@dataclass(slots=True)
class Origin:
    """Where a resource stands. ``judged`` says that the same code is evaluated as well."""

    path: str
    positions: dict[Path, Position]
    calls: tuple[tuple[str, Position], ...]
    heredocs: dict[str, Position] = field(default_factory=dict)
    judged: bool = False


class Sources:
    """The root module of a plan, when it is in the tree."""

    def __init__(self, tree: Tree, path: str, config: Configuration) -> None:
        self.tree = tree
        self.root = _root(tree, posixpath.dirname(path), config)
        self._modules: dict[Names, tuple[Module, tuple[tuple[str, Position], ...]] | None] = {}

    def origin(self, names: Names, kind: str, name: str, attributes: Mapping[str, Any]) -> Origin | None:
        """Return where a resource stands in the code, None where it is not among the scanned files."""
        found = self.module(names)
        block = found[0].folder.resources.get((kind, name)) if found else None
        if found is None or block is None or block.at.path not in self.tree.given:
            return None
        heredocs = {
            attribute.name: attribute.expr.at
            for attribute in block.attributes.values()
            if attribute.expr.op in ("heredoc", "template") and attribute.expr.at.end_line > attribute.expr.at.line
        }
        return Origin(block.at.path, dict(_places(block, attributes, ())), found[1], heredocs, True)

    def module(self, names: Names) -> tuple[Module, tuple[tuple[str, Position], ...]] | None:
        """Return a module of the root module with the calls that lead to it, the nearest first."""
        if names not in self._modules:
            self._modules[names] = self._module(names)
        return self._modules[names]

    def _module(self, names: Names) -> tuple[Module, tuple[tuple[str, Position], ...]] | None:
        if self.root is None:
            return None
        if not names:
            session = Session(
                self.tree.folder, self.tree.data, self.tree.matching, installed=self.tree.installed(self.root.path)
            )
            return Module(session, self.root), ()
        above = self.module(names[:-1])
        block = above[0].folder.modules.get(names[-1]) if above else None
        if above is None or block is None:
            return None
        folder = above[0].called(block, ".".join(names))
        if folder is None:
            return None
        address = ".".join(f"module.{name}" for name in names)
        return Module(above[0].session, folder), ((address, block.at), *above[1])


def _root(tree: Tree, near: str, config: Configuration) -> Folder | None:
    """Return the folder whose blocks are those of the plan; of several alike the nearest to it."""
    module = config.module(())
    resources = module.get("resources")
    wanted = {
        str(one.get("address")) for one in (resources if isinstance(resources, list) else []) if isinstance(one, dict)
    }
    calls = module.get("module_calls")
    wanted |= {f"module.{name}" for name in (calls if isinstance(calls, dict) else ())}
    best: tuple[float, int, str] | None = None
    for path, folder in tree.known():
        held = _blocks(folder)
        common = len(wanted & held)
        if common and common >= LEAST * max(len(wanted), len(held)):
            rank = (-common / max(len(wanted), len(held)), _distance(path, near), path)
            best = rank if best is None else min(best, rank)
    return tree.folder(best[2]) if best else None


def _blocks(folder: Folder) -> set[str]:
    found = {f"{kind}.{name}" for kind, name in folder.resources}
    found |= {f"data.{kind}.{name}" for kind, name in folder.data}
    return found | {f"module.{name}" for name in folder.modules}


def _distance(one: str, other: str) -> int:
    left, right = (path.split("/") if path else [] for path in (one, other))
    common = 0
    while common < min(len(left), len(right)) and left[common] == right[common]:
        common += 1
    return len(left) + len(right) - 2 * common


def _places(block: Block, values: Any, at: Path) -> Iterator[tuple[Path, Position]]:
    """Yield the place of each attribute and nested block, for as many blocks as the values have."""
    yield at, block.at
    yield from _attributes(block, at)
    kinds: dict[str, list[Block]] = {}
    for inner in block.blocks:
        kinds.setdefault(type_of(inner), []).append(inner)
    for kind, blocks in kinds.items():
        yield (*at, kind), blocks[0].at
        items = values.get(kind) if isinstance(values, Mapping) else None
        items = items if isinstance(items, list) else [items]
        for number, item in enumerate(items):
            source = _fitting(blocks, item, number)
            head = source.at
            if source.type == "dynamic":
                source = next((inner for inner in source.blocks if inner.type == "content"), source)
            path = (*at, kind, number)
            for place, position in _places(source, item, path):
                yield place, head if place == path else position


def _attributes(block: Block, at: Path) -> Iterator[tuple[Path, Position]]:
    for name, attribute in block.attributes.items():
        yield (*at, name), attribute.at
        deep: dict[Path, Position] = {}
        deep_places(attribute.expr, (*at, name), deep, 0)
        yield from deep.items()


def _fitting(blocks: list[Block], item: Any, number: int) -> Block:
    """Return the block that an element was made from: a plan has sets in an order of its own."""
    if len(blocks) == 1 or not isinstance(item, Mapping):
        return blocks[min(number, len(blocks) - 1)]

    def score(block: Block) -> int:
        pairs = (
            (expr.args[0], item.get(name))
            for name, attribute in block.attributes.items()
            if (expr := attribute.expr).op == "lit"
        )
        return sum(1 if given == value else -1 for given, value in pairs)

    scores = [score(block) if block.type != "dynamic" else 0 for block in blocks]
    best = max(scores)
    own = min(number, len(blocks) - 1)
    return blocks[own] if scores[own] == best else blocks[scores.index(best)]
