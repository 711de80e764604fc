"""The normal form of everything that infrastructure code creates."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from mlguard import redact
from mlguard.scanners import lazy
from mlguard.values import dataclass, field

Path = tuple[str | int, ...]
"""Where an attribute stands: ``("spec", "containers", 0, "image")``."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """A value that cannot be told without running something. It neither passes nor fails.

    ``given`` says that nothing is created before somebody has given it (an input without a default): what asks only
    that the attribute is set may take it as set.
    """

    reason: str
    given: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class Either(Unknown):
    """A value that is one of these, None where it may not be there at all. What holds for each of them is certain."""

    options: tuple[Any, ...] = ()


class Open(dict[str, Any]):
    """A mapping that may have more keys than are known: what is not in it is ``Unknown(reason)``."""

    def __init__(self, known: Mapping[str, Any], reason: str) -> None:
        super().__init__(known)
        self.reason = reason


WRITTEN = "$written"
"""Below the path of an attribute that only refers to a text: where that is written out (line 0: it is told there)."""

REFERENCE = lazy.pattern("\ue000([^\ue000\ue001]*)\ue001")
"""A part of a text that only the provider will know, between two characters that no source text may hold."""


def reference(name: str) -> str:
    """Return the text that stands for the value of ``name`` (``aws_s3_bucket.data.arn``) until it exists."""
    return f"\ue000{name}\ue001"


def shown(text: str) -> str:
    """Return the text for people, with ``${name}`` where a value is not known before it exists."""
    return REFERENCE.sub(lambda match: "${" + match.group(1) + "}", text) if "\ue000" in text else text


_KEY = lazy.pattern(r'\["(.*?)"\]')


def public(address: str) -> str:
    """Return an address fit to show: the key of an instance may be somebody's e-mail address."""
    return (
        _KEY.sub(lambda match: f'["{redact.printable(redact.text(match.group(1), 60))}"]', address)
        if '["' in address
        else address
    )


def protected(data_class: str) -> bool:
    """Say whether a class of data, as a tag, a label or the declaration names it, is one that must be protected."""
    return re.sub(r"[^a-z0-9]", "", data_class.lower()) in _protected_classes()


@cache
def _protected_classes() -> frozenset[str]:
    from mlguard import tables

    return frozenset(tables.table("terraform")["protected_classes"]["values"])


@dataclass(
    slots=True, unsafe_hash=True
)  # never changed; to freeze it would make the commonest of all objects slow to build
class Position:
    """Line and column from 1; the end is exclusive and on ``end_line``. ``path`` differs from the resource's own when
    the value was written in another file."""

    line: int
    column: int = 1
    end_line: int = 0
    end_column: int = 0
    path: str = ""


def nearest(positions: Mapping[Path, Position], path: Path) -> Position:
    """Return the place of an attribute, or of the nearest one around it."""
    while path and path not in positions:
        path = path[:-1]
    return positions.get(path, Position(1))


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource, whatever it was written in.

    ``kind`` is the type in its own words (``aws_s3_bucket``, ``Deployment``, ``docker.stage``, ``github.workflow``,
    ``github.job``, ``github.step``), ``classes`` are kinds of our own that several formats share (``container``,
    ``k8s.pod_template``, ``image``). ``attributes`` holds dicts, lists, text, numbers, booleans, None and ``Unknown``.
    A template of CloudFormation is read into the kinds and attributes of Terraform (``AWS::RDS::DBInstance`` becomes
    ``aws_db_instance``), so that one condition covers both; ``spelled`` has the words of the file for messages.
    ``positions`` gives the place of each attribute path and, under ``()``, of the resource's head. ``references`` maps
    an attribute path to the addresses that its value refers to.
    """

    kind: str
    name: str
    address: str
    path: str
    attributes: Mapping[str, Any]
    positions: Mapping[Path, Position]
    classes: tuple[str, ...] = ()
    references: Mapping[Path, tuple[str, ...]] = field(default_factory=dict)
    namespace: str = ""
    data_class: str = ""  # of a classification tag, label or annotation
    region: str = ""  # where it will stand, when that can be told
    origin: tuple[tuple[str, Position], ...] = ()  # the module calls that lead here, the nearest first
    written: Position | None = (
        None  # where it is written, when it is told at the call of a module outside the scanned files
    )
    format: str = (
        ""  # terraform, plan, cloudformation, kubernetes, helm, kustomize, compose, dockerfile, github, gitlab
    )
    spelled: Mapping[Path, str] = field(
        default_factory=dict
    )  # attribute paths as the file spells them, where that differs
