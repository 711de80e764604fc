"""Looks at the code of a notebook: one module of all Python cells, the files that cells write, and what a shell runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from mlguard.errors import Unreadable
from mlguard.findings import Detection, Gap, Location, Record
from mlguard.scanners import notebook
from mlguard.scanners.code import lines, magics, shell
from mlguard.scanners.code.exports import Exports
from mlguard.scanners.code.report import records
from mlguard.scanners.code.seeing import Watch
from mlguard.scanners.code.source import MAX_SOURCE_BYTES, Source
from mlguard.scanners.code.tree import parse
from mlguard.scanners.notebook import Cell
from mlguard.values import dataclass, replace

Rows = tuple[tuple[Cell, int], ...]


@dataclass(frozen=True, slots=True)
class Chunk:
    """Lines of Python of one cell, the first of which is row ``row`` of the cell. ``file`` is the file that the cell writes, if any."""

    cell: Cell
    lines: list[str]
    row: int = 1
    file: str = ""


@dataclass(frozen=True, slots=True)
class Unparsed:
    """A chunk that is no Python that can be parsed, and why."""

    chunk: Chunk
    reason: str


def scan(
    path: str,
    text: str,
    versions: Mapping[str, Sequence[str]],
    watches: tuple[Watch, ...] = (),
    exports: Exports | None = None,
) -> Iterator[Record]:
    """Yield what the code of a notebook does, each with its cell and the line in it. Raises Unreadable for what is no notebook."""
    cells = notebook.read(text)
    by_index = {cell.index: cell for cell in cells}
    for record in _records(path, cells, versions, watches, exports):
        yield _placed(record, by_index) if isinstance(record, Detection) else record


def _placed(found: Detection, cells: Mapping[int, Cell]) -> Detection:
    place = found.location
    cell = (
        cells.get(int(place.within[5:])) if place.within.startswith("cell ") and place.within[5:].isdecimal() else None
    )
    if cell is None or "cell_line" in found.facts:
        return found
    return replace(found, facts={**found.facts, "cell": cell.index, "cell_line": cell.row(place.line, place.column)})


def _records(
    path: str,
    cells: Sequence[Cell],
    versions: Mapping[str, Sequence[str]],
    watches: tuple[Watch, ...],
    exports: Exports | None,
) -> Iterator[Record]:
    chunks: list[Chunk] = []
    foreign = False
    for cell in cells:
        if cell.kind != "code" or not cell.source.strip():
            continue
        if cell.language != "python":
            foreign = True
            yield from shell.detections(path, cell, _of_shell(cell))
            continue
        split = magics.split(cell, parses)
        yield from shell.detections(path, cell, split.parts)
        foreign |= any(part.kind == "foreign" for part in split.parts)
        if split.python:
            chunks.append(Chunk(cell, split.python))
        chunks += [Chunk(cell, list(part.lines), part.row, part.name) for part in split.parts if part.kind == "python"]
    if foreign:
        yield Gap("code", path, "skipped", "cells in another language than Python are not looked at")
    for group in _modules(chunks):
        module, failed = _module(path, group)
        if module is not None:
            module.versions, module.exports = versions, exports
            yield from records(module, watches)
        for one in failed:
            reason = f"cell {one.chunk.cell.index} is {one.reason[0].lower()}{one.reason[1:]}"
            yield Gap("code", path, "unreadable", reason, "its lines were looked at one by one")
            yield from _by_lines(path, one.chunk)


def _of_shell(cell: Cell) -> list[magics.Part]:
    """Return the cell of a kernel of a shell as what a shell runs; other languages have no such part."""
    if cell.language not in ("bash", "sh", "shell", "shellscript", "zsh"):
        return []
    rows = tuple(cell.source.split("\n"))
    return [magics.Part("shell", 1, rows, (1,) * len(rows), cell.language)]


def _modules(chunks: Sequence[Chunk]) -> Iterator[list[Chunk]]:
    """Yield the chunks that are one module: those of the kernel, and each file that a cell writes by its name."""
    files: dict[str, list[Chunk]] = {}
    for chunk in chunks:
        files.setdefault(chunk.file, []).append(chunk)
    yield from files.values()


def parses(text: str) -> bool:
    """Say whether a text is Python."""
    try:
        parse(text)
    except Unreadable:
        return False
    return True


def _module(path: str, chunks: list[Chunk]) -> tuple[Source | None, list[Unparsed]]:
    """Return one module of all chunks, and those that could not be parsed."""
    failed: list[Unparsed] = []
    try:
        return _source(path, chunks), failed
    except Unreadable as trouble:
        if len(chunks) == 1:
            return None, [Unparsed(chunks[0], str(trouble))]
    kept = []
    for chunk in chunks:
        try:
            parse("\n".join(chunk.lines))
            kept.append(chunk)
        except Unreadable as trouble:
            failed.append(Unparsed(chunk, str(trouble)))
    try:
        return (_source(path, kept) if kept else None), failed
    except Unreadable as trouble:
        return None, [*failed, *(Unparsed(chunk, str(trouble)) for chunk in kept)]


def _source(path: str, chunks: Sequence[Chunk]) -> Source:
    text = "\n".join(line for chunk in chunks for line in chunk.lines) + "\n"
    data = text.encode("utf-8", "replace")
    if len(data) > MAX_SOURCE_BYTES:
        raise Unreadable(f"more than {MAX_SOURCE_BYTES // 2**20} MiB of code")
    rows = tuple((chunk.cell, chunk.row + at) for chunk in chunks for at in range(len(chunk.lines)))
    written = None if data.isascii() else tuple(line.encode("utf-8", "replace") for line in text.split("\n"))
    return Source(path, data, parse(data), written, rows)


def _by_lines(path: str, chunk: Chunk) -> Iterator[Detection]:
    """Yield what the lines of a chunk that cannot be parsed call."""
    for one in lines.found("\n".join(chunk.lines)):
        row = chunk.row + one.line - 1
        line, column = notebook.file_place(chunk.cell, row, one.column)
        end_line, end_column = notebook.file_place(chunk.cell, row, one.end)
        place = Location(path, line, column, end_line, end_column, within=f"cell {chunk.cell.index}")
        facts: dict[str, str | int] = {
            "call": one.call,
            "saw": f"{one.call} is called.",
            "found": "by text",
            "cell": chunk.cell.index,
            "cell_line": row,
        }
        yield Detection(one.rule, one.check, place, facts, "", f"text {one.call}")
