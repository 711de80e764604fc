"""Evaluated values of a template, which know where they stand, and what a stack is evaluated with."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from mlguard.scanners import lazy
from mlguard.scanners.infra.resources import REFERENCE, Position, Unknown
from mlguard.scanners.infra.terraform.values import text_of
from mlguard.scanners.infra.yamltree import Tree

MAX_DEPTH = 100
"""Levels of values and functions inside each other."""

MAX_TEXT = 2**18
"""Characters of a text that Sub or Join makes."""

MAX_STEPS = 2_000_000
"""Values that are looked at for one template; one of a megabyte, all that CloudFormation takes, needs a tenth of it."""

MAX_TURNS = 20_000
"""Turns of all loops of one template."""

MAX_MADE = 32 * 2**20
"""Characters of all texts that the functions of one template make."""

MAX_ITEMS = 5_000
"""Elements of a list that Split, Cidr or ForEach makes."""


@dataclass(slots=True)
class Node:
    """A value and where it stands: a scalar in ``value``, or what is below it in ``children`` (by name, or in order).

    ``word`` is the path of the property as the template spells it, once it has another name. ``refs`` are the resources that an unknown value
    depends on. ``secret`` is the default of a NoEcho parameter. ``open`` says why a mapping may have more keys.
    ``said`` is the value as the template spells it, where Terraform has another word for it.
    """

    value: Any
    at: Position
    children: dict[str, Node] | list[Node] | None = None
    word: str = ""
    refs: tuple[str, ...] = ()
    secret: str = ""
    open: str = ""
    said: str = ""

    def get(self, *path: str) -> Node | None:
        """Return the node at a path of names below, or None."""
        node: Node | None = self
        for name in path:
            node = node.children.get(name) if node is not None and isinstance(node.children, dict) else None
        return node

    def items(self) -> list[Node]:
        """Return the elements of a list; one value is a list of itself."""
        if isinstance(self.children, list):
            return self.children
        return [] if self.children is None and self.value is None else [self]


@dataclass(frozen=True, slots=True)
class Parameter:
    """What is known of a parameter: its value, or that it must be given."""

    value: Any
    hidden: bool = False
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class World:
    """What follows when a condition holds: the truth of others, and the values of parameters."""

    truths: dict[str, bool | Unknown] = field(default_factory=dict)
    parameters: dict[str, Parameter] = field(default_factory=dict)


@dataclass(slots=True)
class Stack:
    """One template as it is evaluated: what its names stand for, and how much work is left."""

    name: str  # the prefix of addresses, "" or "Network/"
    path: str
    region: str = ""  # where it is deployed, when the tree says so
    parameters: dict[str, Parameter] = field(default_factory=dict)
    mappings: Tree | None = None
    conditions: dict[str, Tree] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)  # the type of each resource
    outputs: dict[str, Mapping[str, Any]] = field(default_factory=dict)  # of nested stacks, by logical id
    truths: dict[str, bool | Unknown] = field(default_factory=dict)
    supposed: Mapping[str, Parameter] = field(default_factory=dict)  # parameters that a condition which holds settles
    worlds: dict[str, World] = field(default_factory=dict)  # what follows from conditions that are taken to hold
    loops: dict[str, str] = field(default_factory=dict)
    steps: int = MAX_STEPS
    turns: int = MAX_TURNS
    made: int = MAX_MADE


GONE = object()
"""The value of AWS::NoValue: what has it is not there."""

_WORD = lazy.pattern(r"([A-Z]+)([A-Z][a-z])")
_EDGE = lazy.pattern(r"([a-z0-9])([A-Z])")


def snake(name: str) -> str:
    """Return a property's name as Terraform would write it: ``KMSMasterKeyID`` is ``kms_master_key_id``."""
    return _EDGE.sub(r"\1_\2", _WORD.sub(r"\1_\2", name)).replace("-", "_").lower()


def refs_of(node: Node, depth: int = 0) -> Iterator[str]:
    """Yield the resources that a value refers to, also inside it."""
    yield from node.refs
    if isinstance(node.value, str):
        yield from (name.rpartition(".")[0] or name for name in REFERENCE.findall(node.value))
    if depth < MAX_DEPTH and node.children is not None:
        for child in node.children.values() if isinstance(node.children, dict) else node.children:
            yield from refs_of(child, depth + 1)


def plain(node: Node) -> Any:
    """Return a node as plain values."""
    if isinstance(node.children, dict):
        return {key: plain(child) for key, child in node.children.items()}
    if isinstance(node.children, list):
        return [plain(child) for child in node.children]
    return None if node.value is GONE else node.value


def encoded(value: Any) -> str:
    """Return JSON in which an unknown value stands as a reference. Raises ValueError, TypeError or RecursionError."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=text_of)


def compared(node: Node) -> Any:
    """Return a node for comparison: CloudFormation compares texts, whatever the spelling of a number or boolean."""
    if isinstance(node.children, dict):
        return {key: compared(child) for key, child in node.children.items()}
    if isinstance(node.children, list):
        return [compared(child) for child in node.children]
    return node.value if node.value is GONE else text_of(node.value)
