"""Reads INI files as Python's configparser does, with the line of each value's every line."""

from __future__ import annotations

import re

from mlguard import lazy
from mlguard.errors import Unreadable
from mlguard.values import dataclass


@dataclass(frozen=True, slots=True)
class Value:
    """A value: each of its lines that is not blank and no comment, with line and column in the file, both from 1."""

    lines: tuple[tuple[str, int, int], ...]


_SECTION = lazy.pattern(r"\[(.+)\]")
_OPTION = lazy.pattern(r"([^=:\s][^=:]*?)\s*(?:[=:]\s*(.*))?$")


def parse(text: str) -> dict[str, dict[str, Value]]:
    """Return section -> option (lower case) -> value. Of what stands twice the last counts. Raises Unreadable.

    The grammar is that of ``RawConfigParser(strict=False)``: a line that is indented deeper than its option goes on with it.
    """
    import configparser

    check = configparser.RawConfigParser(strict=False, allow_no_value=True)
    try:
        check.read_string(text.removeprefix("\ufeff"))
    except (
        configparser.Error,
        ValueError,
        AttributeError,
    ):  # the last: lines that go on with an option without a value
        raise Unreadable("not valid as a file of sections and options") from None
    found: dict[str, dict[str, list[tuple[str, int, int]]]] = {}
    section: dict[str, list[tuple[str, int, int]]] | None = None
    option: list[tuple[str, int, int]] | None = None
    depth = 0
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        plain = line.strip()
        if not plain or plain.startswith(("#", ";")):
            continue
        indent = len(line) - len(line.lstrip())
        if option is not None and indent > depth:
            option.append((_uncommented(plain), number, indent + 1))
            continue
        depth = indent
        header = _SECTION.match(plain)
        if header:
            section, option = found.setdefault(header[1], {}), None
        elif section is not None and (match := _OPTION.match(plain)):
            option = section[match[1].strip().lower()] = []
            if match[2]:
                option.append((_uncommented(match[2].strip()), number, indent + match.start(2) + 1))
    return {
        name: {key: Value(tuple(row for row in rows if row[0])) for key, rows in options.items()}
        for name, options in found.items()
    }


def _uncommented(text: str) -> str:
    return re.sub(r"(?:^|(?<!\s)\s+)#.*$", "", text).strip()
