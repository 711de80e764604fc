"""The folders of an evaluation, its bounds, and what it could not do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mlguard.findings import GapKind
from mlguard.scanners.infra.resources import Position, Unknown
from mlguard.scanners.infra.terraform.expressions import Attribute, Block
from mlguard.values import dataclass, field

MAX_STEPS = 1_000_000
"""Expressions evaluated for one root module."""

MAX_OBJECTS = 20_000
"""Resource instances of one root module."""

MAX_REPORTS = 50
"""Places of one root module that are reported as not evaluated."""


@dataclass(slots=True)
class Folder:
    """The blocks of one folder, overrides applied."""

    path: str
    resources: dict[tuple[str, str], Block] = field(default_factory=dict)
    data: dict[tuple[str, str], Block] = field(default_factory=dict)
    variables: dict[str, Block] = field(default_factory=dict)
    outputs: dict[str, Block] = field(default_factory=dict)
    modules: dict[str, Block] = field(default_factory=dict)
    locals: dict[str, Attribute] = field(default_factory=dict)
    providers: dict[str, Block] = field(default_factory=dict)
    settings: list[Block] = field(default_factory=list)  # terraform { … }
    others: list[Block] = field(default_factory=list)
    values: dict[str, dict[str, Attribute]] = field(default_factory=dict)  # by name of the .tfvars file
    code: bool = False  # whether there is more than values


class Session:
    """The bounds and the trace of one evaluation, and access to the folders of the tree.

    ``read`` returns the bytes of a file of the tree, None where there is none, Unknown where it is not read.
    ``installed`` has the folders of the modules that ``terraform init`` has put on disk, by their key (``vpc.subnets``).
    """

    def __init__(
        self,
        folder: Callable[[str], Folder | None],
        read: Callable[[str], bytes | Unknown | None],
        names: Callable[[str, str], list[str] | Unknown],
        given: Callable[[str], bool] = lambda path: True,
        installed: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.read = read
        self.list = names
        self.given = given
        self.installed = installed or {}
        self.steps = MAX_STEPS
        self.objects = MAX_OBJECTS
        self.level = 0
        self.trace: set[str] = set()
        self.reports: dict[tuple[str, int, GapKind, str], None] = {}

    def traced(self, evaluate: Callable[[], Any]) -> tuple[Any, frozenset[str]]:
        """Return the value, and the addresses of the resources that it was made from."""
        before, self.trace = self.trace, set()
        try:
            value = evaluate()
            seen = frozenset(self.trace)
        finally:
            self.trace = before
        self.trace |= seen
        return value, seen

    def report(self, at: Position | None, kind: GapKind, reason: str) -> None:
        """Remember that something at a place is not evaluated, for the gaps of the report."""
        if at is not None and len(self.reports) < MAX_REPORTS:
            self.reports[at.path, at.line, kind, reason] = None
