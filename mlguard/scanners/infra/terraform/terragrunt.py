"""Reads terragrunt.hcl as far as it says which module of the tree is a root, and with which inputs."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Any

from mlguard.scanners.infra.resources import Open, Position
from mlguard.scanners.infra.terraform.evaluator import Module
from mlguard.scanners.infra.terraform.expressions import Block, Expr, Source
from mlguard.scanners.infra.terraform.session import Folder, Session
from mlguard.scanners.infra.terraform.tree import Tree
from mlguard.values import dataclass, field

NAME = "terragrunt.hcl"
"""How the file of a unit is called."""

MAX_INCLUDES = 10
"""Files that include each other."""


@dataclass(frozen=True, slots=True)
class Unit:
    """What one file says: the folder of its module (None: it has none, or it stands elsewhere), and the inputs."""

    path: str
    at: Position
    source: Any = None
    target: str | None = None
    inputs: Mapping[str, Any] = field(default_factory=dict)


def unit(tree: Tree, path: str, depth: int = 0) -> Unit | None:
    """Return what a file says, with what it includes from the folders above, None where it cannot be read.

    Nothing is run: what functions such as ``run_cmd`` and other units would give is unknown.
    """
    source = tree.source(path) if depth < MAX_INCLUDES else None
    if source is None:
        return None
    folder = posixpath.dirname(path)
    module = Module(Session(tree.folder, tree.data, tree.matching), Folder(folder, locals=_locals(source)))
    blocks = source.body.blocks
    included = [above for block in blocks if block.type == "include" and (above := _included(tree, path, block, depth))]
    inputs: Any = {}
    for one in included:
        inputs = {**inputs, **one.inputs}
    given = source.body.value("inputs")
    own = module.clean(module.ev(given, {})) if given is not None else {}
    inputs = {**inputs, **own} if isinstance(own, dict) and not isinstance(own, Open) else inputs
    expr = next((found for block in blocks if block.type == "terraform" and (found := block.value("source"))), None)
    if expr is None:
        above = next((one for one in included if one.source is not None), None)
        return Unit(
            path, Position(1, path=path), above.source if above else None, above.target if above else None, inputs
        )
    value = module.clean(module.ev(expr, {}))
    return Unit(path, expr.at, value, _target(folder, value), inputs)


def _locals(source: Source) -> dict[str, Any]:
    return {
        name: one for block in source.body.blocks if block.type == "locals" for name, one in block.attributes.items()
    }


def _target(folder: str, value: Any) -> str | None:
    if not isinstance(value, str) or not value.startswith("."):
        return None
    target = posixpath.normpath(posixpath.join(folder, value.partition("?")[0].replace("//", "/")))
    return None if target.startswith(("..", "/")) else "" if target == "." else target


def _included(tree: Tree, path: str, block: Block, depth: int) -> Unit | None:
    """Return what an included file says: the nearest of its name in the folders above, as is usual."""
    name = _wanted(block.value("path"))
    folder = posixpath.dirname(path)
    while name is not None and folder:
        folder = posixpath.dirname(folder)
        candidate = posixpath.join(folder, name)
        if tree.exists(candidate):
            return unit(tree, candidate, depth + 1)
    return None


def _wanted(expr: Expr | None) -> str | None:
    if expr is None or expr.op != "call" or expr.args[0] != "find_in_parent_folders":
        return None
    given = expr.args[1]
    if not given:
        return NAME
    return str(given[0].args[0]) if given[0].op == "lit" else None


def inputs_of(found: Unit, folder: Folder) -> dict[str, Any]:
    """Return the inputs that the module has variables for."""
    return {name: value for name, value in found.inputs.items() if name in folder.variables}
