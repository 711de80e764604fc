"""Reads YAML as a stream of places and texts, without building objects, so that what stands before an error is seen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mlguard.errors import Unreadable
from mlguard.scanners.model.source import View

MAX_YAML_BYTES = 4 * 2**20
MAX_PAIRS = 100_000
MAX_DEPTH = 60
"""Levels of nesting."""

_HYPER = ("!new:", "!name:", "!apply:", "!module:", "!include:", "!applyref:")
"""Tags of HyperPyYAML, whose loader imports or calls what they name, or takes in a file."""

_PYTHON = ("tag:yaml.org,2002:python/", "!python/", "!!python/")

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pair:
    """A text and the keys that lead to it (indexes of lists as text). ``tag`` is the part of a Python tag behind "python/"."""

    path: Path
    text: str
    tag: str
    line: int  # from 1


def pairs(view: View) -> Iterator[Pair]:
    """Yield each scalar, and each collection that has a Python tag, in the order of the text. Raises Unreadable."""
    import yaml

    text = bytes(view.data[view.start : min(view.end, view.start + MAX_YAML_BYTES)])
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    left = MAX_PAIRS
    try:
        for pair in _walked(yaml.parse(text, Loader=loader)):
            left -= 1
            if left < 0:
                raise Unreadable("the YAML has more values than are read")
            yield pair
    except (yaml.YAMLError, ValueError, RecursionError):
        raise Unreadable("the YAML is damaged from some place on") from None
    if len(view) > MAX_YAML_BYTES:
        raise Unreadable("the YAML is larger than is read")


def _walked(events: Iterator[object]) -> Iterator[Pair]:
    """Follow the events with a stack of [key of the next value, or None where a key is due; next index, -1 in a map]."""
    import yaml

    stack: list[list[object]] = []
    anchors: dict[str, str] = {}
    for event in events:
        if isinstance(event, (yaml.ScalarEvent, yaml.AliasEvent)):
            tag = _python(getattr(event, "tag", None))
            if isinstance(event, yaml.AliasEvent):
                text = anchors.get(event.anchor or "", "")
            else:
                text = event.value
                if event.anchor and len(anchors) < MAX_PAIRS:
                    anchors[event.anchor] = text
            line = event.start_mark.line + 1 if event.start_mark else 1
            if stack and stack[-1][1] == -1 and stack[-1][0] is None:
                stack[-1][0] = text
                if tag:
                    yield Pair(_path(stack), text, tag, line)
                continue
            yield Pair(_path(stack), text, tag, line)
            _next(stack)
        elif isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            line = event.start_mark.line + 1 if event.start_mark else 1
            if tag := _python(event.tag):
                yield Pair(_path(stack), "", tag, line)
            if len(stack) >= MAX_DEPTH:
                raise ValueError("nested too deeply")
            if stack and stack[-1][1] == -1 and stack[-1][0] is None:
                stack[-1][0] = "?"  # a collection as a key
            stack.append([None, -1 if isinstance(event, yaml.MappingStartEvent) else 0])
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            stack.pop()
            _next(stack)


def _path(stack: list[list[object]]) -> Path:
    return tuple(str(key) if index == -1 else str(index) for key, index in stack)


def _next(stack: list[list[object]]) -> None:
    if stack:
        index = stack[-1][1]
        if index == -1:
            stack[-1][0] = None
        elif isinstance(index, int):
            stack[-1][1] = index + 1


def _python(tag: str | None) -> str:
    """Return what stands behind "python/" in a resolved tag, or ""."""
    if tag:
        for prefix in _PYTHON:
            if tag.startswith(prefix):
                return tag.removeprefix(prefix)
        if tag.startswith(_HYPER):
            return tag
    return ""
