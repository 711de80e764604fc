"""What the templates of Helm charts consist of: text, actions and the operands in them, each with its place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Text:
    text: str
    start: int  # offset of its first character in the source


@dataclass(frozen=True, slots=True)
class Dot:
    start: int


@dataclass(frozen=True, slots=True)
class Nil:
    start: int


@dataclass(frozen=True, slots=True)
class Constant:
    value: Any
    start: int


@dataclass(frozen=True, slots=True)
class Field:
    """``.a.b``, on the current dot."""

    names: tuple[str, ...]
    start: int


@dataclass(frozen=True, slots=True)
class Variable:
    """``$x.a.b``; the name is ``$x``, or ``$`` alone."""

    name: str
    names: tuple[str, ...]
    start: int


@dataclass(frozen=True, slots=True)
class Function:
    name: str
    start: int


@dataclass(frozen=True, slots=True)
class Chain:
    """``(…).a.b``"""

    operand: Operand
    names: tuple[str, ...]
    start: int


@dataclass(frozen=True, slots=True)
class Command:
    operands: tuple[Operand, ...]
    start: int


@dataclass(frozen=True, slots=True)
class Pipe:
    """Commands, each with the result of the one before as its last argument; names that are declared or assigned."""

    commands: tuple[Command, ...]
    start: int
    declared: tuple[str, ...] = ()
    assigns: bool = False  # ``=`` and not ``:=``


Operand = Dot | Nil | Constant | Field | Variable | Function | Chain | Pipe


@dataclass(frozen=True, slots=True)
class Action:
    pipe: Pipe
    start: int  # of its opening braces


@dataclass(frozen=True, slots=True)
class Branch:
    """``if``, ``with`` or ``range``."""

    word: str
    pipe: Pipe
    body: tuple[Node, ...]
    otherwise: tuple[Node, ...]
    start: int


@dataclass(frozen=True, slots=True)
class Jump:
    """``break`` or ``continue``."""

    word: str
    start: int


@dataclass(frozen=True, slots=True)
class Call:
    """``template "name" pipeline``"""

    name: str
    pipe: Pipe | None
    start: int


Node = Text | Action | Branch | Jump | Call
