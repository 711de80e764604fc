"""Turns a Python file or a notebook into one parsed module whose places are places of the file."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Callable, Mapping, Sequence

from mlguard import lazy
from mlguard.errors import Unreadable
from mlguard.findings import Location
from mlguard.scanners import notebook
from mlguard.scanners.code import pins
from mlguard.scanners.code.exports import Exports
from mlguard.scanners.code.tree import Tree, parse
from mlguard.values import dataclass, field

MAX_SOURCE_BYTES = 16 * 2**20
"""The largest Python file that is parsed. Its tree takes about a hundred times as much memory."""


@dataclass(slots=True, eq=False)
class Source:
    """A parsed file. ``rows`` gives, for each line of a notebook's module, its cell and the row in it.

    ``versions`` are those of libraries that the repository asks for, as ``pins.asked`` gives them.
    """

    path: str
    data: bytes
    tree: Tree
    lines: tuple[bytes, ...] | None = None  # in UTF-8, when columns in bytes are not columns in characters
    rows: tuple[tuple[notebook.Cell, int], ...] | None = None
    versions: Mapping[str, Sequence[str]] = field(default_factory=dict)
    exports: Exports | None = None  # follows imports of other files of the tree
    secrets: bool | None = None  # a name of a credential stands in it, once somebody asked
    guarded: bool | None = None  # something looks at every caller of the application, once somebody asked
    answers: dict[tuple[str, int], bool] = field(
        default_factory=dict
    )  # of questions on the whole file or on a node, by its id

    def once(self, question: str, about: int, answer: Callable[[], bool]) -> bool:
        """Return the answer to a question on the file (``about`` is 0) or on the node with this id; it is found out once."""
        known = self.answers.get((question, about))
        if known is None:
            known = self.answers[question, about] = answer()
        return known

    def at_least(self, library: str, version: str) -> bool:
        """Say whether every version of a library that may be installed is at least this one, as far as the repository says."""
        return pins.at_least(self.versions, library, version)

    def below(self, library: str, version: str) -> bool:
        """Say whether the repository fixes a version of a library below this one."""
        return pins.below(self.versions, library, version)

    def location(self, node: ast.AST) -> Location:
        """Return where the node stands, with its end."""
        line, column = getattr(node, "lineno", 1), getattr(node, "col_offset", 0)
        end_line, end_column = (
            getattr(node, "end_lineno", None) or line,
            getattr(node, "end_col_offset", None) or column,
        )
        return self.span(line, self._characters(line, column), end_line, self._characters(end_line, end_column))

    def point(self, line: int, column: int, node: ast.AST | None) -> Location:
        """Return the place ``line`` and ``column`` (bytes from 0) as bandit gives it, up to the node's end."""
        if node is None or not hasattr(node, "lineno"):
            return self.span(line, max(column, 0), 0, 0)
        # The column is the node's own, also where the line is that of one of its arguments.
        start = self._characters(node.lineno, column)
        end_line, end_column = node.end_lineno or line, node.end_col_offset or 0  # type: ignore[attr-defined]
        if end_line < line:
            return self.span(line, start, 0, 0)
        return self.span(line, start, end_line, self._characters(end_line, end_column))

    def span(self, line: int, column: int, end_line: int, end_column: int) -> Location:
        """Return a location from lines from 1 and columns in characters from 0."""
        if self.rows is None:
            if not end_line or (end_line == line and end_column <= column):
                return Location(self.path, line, column + 1)
            return Location(self.path, line, column + 1, end_line, end_column + 1)
        cell, row = self._row(line)
        at_line, at_column = notebook.file_place(cell, row, column + 1)
        within = f"cell {cell.index}"
        if not end_line or self._row(end_line)[0] is not cell:
            return Location(self.path, at_line, at_column, within=within)
        to_line, to_column = notebook.file_place(cell, self._row(end_line)[1], end_column + 1)
        if (to_line, to_column) <= (at_line, at_column):
            return Location(self.path, at_line, at_column, within=within)
        return Location(self.path, at_line, at_column, to_line, to_column, within=within)

    def _row(self, line: int) -> tuple[notebook.Cell, int]:
        assert self.rows
        return self.rows[min(max(line, 1), len(self.rows)) - 1]

    def _characters(self, line: int, column: int) -> int:
        if self.lines is None or not 1 <= line <= len(self.lines):
            return column
        return len(self.lines[line - 1][:column].decode("utf-8", "ignore"))


def python_file(path: str, data: bytes) -> Source:
    """Return the parsed file. Raises Unreadable."""
    tree = parse(data)
    return Source(path, data, tree, None if data.isascii() else _utf8_lines(data))


def _utf8_lines(data: bytes) -> tuple[bytes, ...]:
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        text = data.decode(encoding)
    except (SyntaxError, UnicodeDecodeError, LookupError):
        raise Unreadable("not in the encoding that it declares; convert the file to UTF-8") from None
    return tuple(line.encode("utf-8", "surrogatepass") for line in re.split(r"\r\n|\r|\n", text))


def text_source(path: str, text: str) -> Source:
    """Return parsed text, whatever encoding it says that it has. Raises Unreadable."""
    data = _COOKIE.sub(r"\1\2_", text, count=1).encode("utf-8", "replace")
    lines = None if data.isascii() else tuple(data.split(b"\n"))
    return Source(path, data, parse(data), lines)


_COOKIE = lazy.pattern(r"\A((?:[^\n]*\n)?[ \t]*#[^\n]*?)(coding)[:=]")
