"""Reads what the cells of notebooks install: lines and cells of shell, Python, and files that a cell writes."""

from __future__ import annotations

import posixpath
import re
from typing import Any

from mlguard import lazy
from mlguard.errors import Unreadable
from mlguard.scanners.dependencies.manifests import Manifest, Place, Read, Trouble
from mlguard.scanners.dependencies.readers.steps import _VERB, At, Script, _end
from mlguard.scanners.infra import shell
from mlguard.values import replace

_MAGIC = lazy.pattern(r"^(\s*)(?:[%!]{1,2}|!!)\s*(?=\S)")
_SHELL_CELL = lazy.pattern(r"^\s*%%(?:bash|sh|script\s+(?:bash|sh)\b.*|system|!)(?:\s.*)?$|^\s*%%!(?:\s.*)?$")


def read_notebook(path: str, text: str, load_file: Read) -> Manifest | None:
    """Return what the cells of a notebook install; None when that is nothing. Raises Unreadable."""
    from mlguard.scanners import notebook

    cells = notebook.read(text)
    manifest = Manifest(path, format="notebook")
    script = Script(manifest, load_file)
    for cell in cells:
        if cell.kind != "code" or not (_VERB.search(cell.source) or "%%" in cell.source):
            continue
        rows = cell.source.split("\n")
        first = next((number for number, row in enumerate(rows) if row.strip()), 0)
        if rows[first].startswith("%%") and not _SHELL_CELL.match(rows[first]) and not _PYTHON_CELL.match(rows[first]):
            _written(manifest, path, cell, rows[first], "\n".join(rows[first + 1 :]), first + 1, load_file)
            continue
        if _SHELL_CELL.match(rows[first]):
            rest = "\n".join(rows[first + 1 :])
            script.take(rest, _in_cell(path, cell, rest, first + 1))
            continue
        number = 0
        while number < len(rows):
            start, row = number, rows[number]
            block = [row]
            while rows[number].rstrip().endswith("\\") and number + 1 < len(rows):
                number += 1
                block.append(rows[number])
            number += 1
            magic = _MAGIC.match(row)
            bare = re.match(r"\s*(?:pip3?|conda|mamba)\s+install\s", row)  # the magic may be left out
            assigned = re.match(r"\s*[A-Za-z_]\w*\s*=\s*[!%]\s*", row)
            if magic or bare or assigned:
                lead = (magic or assigned).end() if magic or assigned else 0  # type: ignore[union-attr]  # one of them matched
                body = " " * lead + "\n".join(block)[lead:]
                script.take(body, _in_cell(path, cell, body, start))
                for line in range(start, number):  # what is left of the cell is Python
                    rows[line] = f"{row[: len(row) - len(row.lstrip())]}pass" if line == start else ""
        _code_of(manifest, path, cell, rows, load_file)
    return _end(manifest, False)


_PYTHON_CELL = lazy.pattern(
    r"%%(?:time|timeit|capture|px|prun|debug|python3?|pypy|mprun|memit|skip|cache|wandb)\b|%%script\s+\S*python"
)
"""Magics whose cell is Python."""

_WRITES = lazy.pattern(r"%%(?:writefile|file|writetemplate)\s+(?:-a\s+|--append\s+)?[\"']?([^\s\"']+)")


def _written(manifest: Manifest, path: str, cell: Any, head: str, text: str, before: int, load_file: Read) -> None:
    """Take what a file that a cell writes says about packages, as if it stood in the tree."""
    from mlguard.scanners.dependencies import readers

    match = _WRITES.match(head)
    if match is None:
        return
    name = posixpath.normpath(posixpath.join(posixpath.dirname(path), match[1].lstrip("/"))).lstrip("./")
    word = readers.format_of(name, "python" if name.endswith(".py") else "shell" if name.endswith(".sh") else "")
    if not word or word in readers.BINARY or word == "notebook":
        return
    found: list[Manifest | None] = []
    try:
        if readers.worth_reading(word, text.encode("utf-8", "replace")):
            found.append(readers.parsed(word, name, text, load_file))
        found.append(readers.installed_by(word, name, text, load_file))
    except Unreadable as error:
        at = _in_cell(path, cell, text, before)(0, 0)
        reason = f"line {at.line} writes a file that cannot be read: {error}"
        manifest.troubles.append(Trouble(path, "unreadable", reason, "mend the cell"))
    places = _in_cell(path, cell, text, before)
    starts = [0, *(match.end() for match in re.finditer("\n", text))]

    def moved(place: Place) -> Place:
        if place.path != name or place.line > len(starts):
            return place
        start = starts[place.line - 1] + place.column - 1
        return places(start, start + max(place.end_column - place.column, 0))

    for one in filter(None, found):
        manifest.components += [replace(part, place=moved(part.place)) for part in one.components]
        manifest.indexes += [replace(part, place=moved(part.place)) for part in one.indexes]
        manifest.sources += [replace(part, place=moved(part.place)) for part in one.sources]
        for trouble in one.troubles:
            line = re.sub(
                r"\bline (\d+)\b", lambda hit: f"line {moved(Place(name, int(hit[1]))).line}", trouble.reason, count=1
            )
            manifest.troubles.append(replace(trouble, path=path, reason=line) if trouble.path == name else trouble)


def _code_of(manifest: Manifest, path: str, cell: Any, rows: list[str], load_file: Read) -> None:
    """Take what the Python of a cell installs."""
    from mlguard.scanners.dependencies.readers import code
    from mlguard.scanners.notebook import file_place

    rows = ["pass" if row.lstrip()[:1] in ("%", "!") and not row[:1].isspace() else row for row in rows]
    text = "\n".join(rows)
    if cell.language not in ("python", "") or not code.worth_reading(text.encode("utf-8", "replace")):
        return

    def at(line: int, column: int, end: int) -> Place:
        found, begin = file_place(cell, line, column)
        last, stop = file_place(cell, line, end) if end else (found, 0)
        return Place(path, found, begin, stop if last == found else 0)

    try:
        code.take(manifest, text, at, load_file)
    except Unreadable as error:
        reason = f"cell from line {at(1, 1, 0).line} on: {error}"
        manifest.troubles.append(Trouble(path, "unreadable", reason, "mend the cell"))


def _in_cell(path: str, cell: Any, text: str, before: int) -> At:
    from mlguard.scanners.notebook import file_place

    places = shell.Places(text)

    def at(start: int, end: int) -> Place:
        row, column = places.at(start)
        line, begin = file_place(cell, before + row + 1, column)
        last, stop = file_place(cell, before + row + 1, column + end - start)
        return Place(path, line, begin, stop if last == line else 0)

    return at
