"""Reads a Jupyter notebook into cells that know their lines in the file."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from mlguard.errors import Unreadable

MAX_CELLS = 50_000
"""Cells of one notebook. Real ones hold hundreds."""

MAX_BLOB_CHARS = 1000
"""A longer string without white space in an output's JSON data is an encoded blob, not text."""

CellKind = Literal["code", "markdown", "raw"]
OutputKind = Literal["stream", "result", "error", "display"]


@dataclass(frozen=True, slots=True)
class Output:
    """One form of one output of a cell as text: no images, no markup, no terminal colours.

    ``index`` counts the cell's outputs from 1; the forms of one output share it. ``lines[i]`` is the line in the file
    of ``text.split("\\n")[i]``.
    """

    index: int
    kind: OutputKind
    mime: str
    text: str
    lines: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell. ``index`` counts all cells from 1; ``source`` has its line ends as ``\\n``.

    ``lines[i]`` is the line in the file, from 1, of ``source.split("\\n")[i]``, and ``columns[i]`` the column at which that
    line's text starts there. ``language`` is lower-case. ``ascii`` says that the file escapes all but ASCII.
    """

    index: int
    kind: CellKind
    source: str
    lines: tuple[int, ...]
    outputs: tuple[Output, ...] = ()
    language: str = "python"
    columns: tuple[int, ...] = ()
    ascii: bool = False


def read(text: str) -> tuple[Cell, ...]:
    """Return the cells of a notebook of nbformat 3 or 4 in order. Raises Unreadable for anything else."""
    try:
        json.loads(text)  # the grammar is checked here, at C speed; the scan below then relies on it
    except (ValueError, RecursionError):
        raise Unreadable("not valid JSON, so no notebook; open and save it with Jupyter") from None
    root = _scan(text)
    if not isinstance(root, dict):
        raise Unreadable("a notebook is a JSON object")
    file = _File(text)
    language = _language(root, file)
    found = list(enumerate(_cells(root), 1))
    if len(found) > MAX_CELLS:
        raise Unreadable(f"more than {MAX_CELLS} cells")
    return tuple(_cell(number, node, language, file) for number, node in found)


def file_place(cell: Cell, row: int, column: int) -> tuple[int, int]:
    """Return line and column in the file for a row and column (both from 1) of the cell's source."""
    row = min(max(row, 1), len(cell.lines))
    before = cell.source.split("\n")[row - 1][: column - 1]
    return cell.lines[row - 1], cell.columns[row - 1] + len(json.dumps(before, ensure_ascii=cell.ascii)) - 2


@dataclass(frozen=True, slots=True)
class _Text:
    """A string of the file: where its opening quote stands, and where it ends."""

    start: int
    end: int


_Node = dict[str, "_Node"] | list["_Node"] | _Text | str
_TOKEN = re.compile(r'[{}\[\]]|"[^"\\]*(?:\\.[^"\\]*)*"|[^\s{}\[\],:"]+')


def _scan(text: str) -> _Node:
    """Return the tree of a valid JSON text: strings as places, other scalars as written."""
    top: list[_Node] = []
    stack: list[_Node] = [top]
    keys: list[str | None] = [None]

    def add(node: _Node) -> None:
        holder = stack[-1]
        if isinstance(holder, list):
            holder.append(node)
        elif isinstance(holder, dict):
            if keys[-1] is None:
                assert isinstance(node, _Text)  # the grammar was checked: a name is a string
                keys[-1] = _decoded(text, node)
            else:
                holder[keys[-1]] = node
                keys[-1] = None

    for match in _TOKEN.finditer(text):
        first = match.group()[0] if match.end() - match.start() == 1 else text[match.start()]
        if first in "}]":
            stack.pop()
            keys.pop()
            continue
        node: _Node
        if first == "{":
            node = {}
        elif first == "[":
            node = []
        elif first == '"':
            node = _Text(match.start(), match.end())
        else:
            node = match.group()
        add(node)
        if first in "{[":
            stack.append(node)
            keys.append(None)
    return top[0]


_SURROGATE = re.compile("[\ud800-\udfff]")


def _decoded(text: str, node: _Text) -> str:
    raw = text[node.start + 1 : node.end - 1]
    if "\\" in raw:
        raw = str(json.loads(f'"{raw}"'))
    return _SURROGATE.sub("\ufffd", raw)


class _File:
    """The text of the file, and which line a place is on."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.ascii = text.isascii()
        self.breaks = [match.start() for match in re.finditer("\n", text)]

    def line(self, offset: int) -> int:
        return bisect_right(self.breaks, offset - 1) + 1

    def column(self, offset: int) -> int:
        line = self.line(offset)
        return offset - (self.breaks[line - 2] if line > 1 else -1)

    def string(self, node: _Node | None) -> str:
        return _decoded(self.text, node) if isinstance(node, _Text) else ""


@dataclass(frozen=True, slots=True)
class _Lines:
    """Text with the place of each of its lines in the file."""

    text: str
    lines: tuple[int, ...]
    columns: tuple[int, ...]


_BREAK = re.compile(r"\r\n|\r|\n")


def _joined(node: _Node | None, file: _File, glue: str = "") -> _Lines:
    """Return the text of a string or a list of strings. Raises Unreadable for anything else."""
    parts = [node] if isinstance(node, _Text) else node if isinstance(node, list) else []
    if node is not None and not isinstance(node, _Text | list) and node != "null":
        raise Unreadable("the text of a cell or output is neither a string nor a list of strings")
    values, starts, begins, length = [], [], [], 0
    for part in parts:
        if not isinstance(part, _Text):
            raise Unreadable("the text of a cell or output holds something else than strings")
        value = _decoded(file.text, part) + glue
        values.append(value)
        starts.append(length)
        begins.append(part.start)
        length += len(value)
    whole = "".join(values)
    if not begins:
        return _Lines("", (1,), (1,))
    lines, columns = [], []
    for offset in [0, *(match.end() for match in _BREAK.finditer(whole))]:
        # A line that starts at the end of the text has no string of its own and takes the last one.
        which = min(bisect_right(starts, offset) - 1, len(begins) - 1)
        lead = whole[starts[which] : offset]
        lines.append(file.line(begins[which]))
        columns.append(file.column(begins[which]) + len(json.dumps(lead, ensure_ascii=file.ascii)) - 1)
    return _Lines(_BREAK.sub("\n", whole), tuple(lines), tuple(columns))


def _language(root: dict[str, _Node], file: _File) -> str:
    metadata = _object(root.get("metadata"))
    info, kernel = _object(metadata.get("language_info")), _object(metadata.get("kernelspec"))
    named = file.string(info.get("name")) or file.string(kernel.get("language"))
    if not named:
        named = {"ir": "r", "irkernel": "r"}.get(file.string(kernel.get("name")).lower(), "python")
    return _plain_language(named)


def _plain_language(name: str) -> str:
    name = name.strip().lower()
    return "python" if name in ("", "python", "ipython", "python3", "python2") else name


def _object(node: _Node | None) -> dict[str, _Node]:
    return node if isinstance(node, dict) else {}


def _items(node: _Node | None) -> list[_Node]:
    return node if isinstance(node, list) else []


def _cells(root: dict[str, _Node]) -> Iterator[dict[str, _Node]]:
    if isinstance(root.get("cells"), list):
        found = _items(root["cells"])
    elif isinstance(root.get("worksheets"), list):
        found = [cell for sheet in _items(root["worksheets"]) for cell in _items(_object(sheet).get("cells"))]
    else:
        raise Unreadable("neither cells (nbformat 4) nor worksheets (nbformat 3), so no notebook that can be read")
    for cell in found:
        if not isinstance(cell, dict):
            raise Unreadable("a cell is not a JSON object")
        yield cell


_KINDS: dict[str, CellKind] = {"code": "code", "markdown": "markdown", "heading": "markdown", "html": "markdown"}


def _cell(number: int, node: dict[str, _Node], language: str, file: _File) -> Cell:
    # A cell of no known type is looked at like code: what else it may be, a reader of the file decides.
    kind = _KINDS.get(file.string(node.get("cell_type")).lower(), "code")
    source = _joined(node.get("source", node.get("input")), file)
    outputs = tuple(
        output for i, item in enumerate(_items(node.get("outputs")), 1) for output in _outputs(i, item, file)
    )
    own = file.string(node.get("language")) or file.string(
        _object(_object(node.get("metadata")).get("vscode")).get("languageId")
    )
    text = source.text if kind == "code" else _without_images(source.text)
    spoken = _plain_language(own) if own else language
    return Cell(number, kind, text, source.lines, outputs, spoken, source.columns, file.ascii)


_OUTPUTS: dict[str, OutputKind] = {
    "stream": "stream", "execute_result": "result", "pyout": "result", "display_data": "display",
    "update_display_data": "display", "error": "error", "pyerr": "error",
}  # fmt: skip
_OLD_MIMES = {
    "text": "text/plain", "html": "text/html", "latex": "text/latex", "json": "application/json",
    "javascript": "application/javascript",
}  # fmt: skip


def _outputs(number: int, node: _Node, file: _File) -> Iterator[Output]:
    item = _object(node)
    kind = _OUTPUTS.get(file.string(item.get("output_type")), "display")
    if kind == "error":
        yield _error(number, item, file)
        return
    forms = item.get("data")
    if not isinstance(forms, dict):
        forms = {_OLD_MIMES[key]: value for key, value in item.items() if key in _OLD_MIMES}
    for mime, value in forms.items():
        if mime.startswith(("image/", "audio/", "video/", "font/")) or mime == "application/pdf":
            continue
        found = _joined(value, file) if _is_text(value) else _leaves(value, file)
        if found.text:
            yield Output(number, kind, mime, _readable(found.text, mime), found.lines)


def _is_text(node: _Node) -> bool:
    return isinstance(node, _Text) or isinstance(node, list) and all(isinstance(part, _Text) for part in node)


def _leaves(node: _Node, file: _File) -> _Lines:
    """Return every string and number of a JSON value, a line each."""
    texts: list[str] = []
    lines: list[int] = []
    todo: list[tuple[_Node, int]] = [(node, 1)]
    while todo:
        value, line = todo.pop()
        if isinstance(value, dict):
            todo.extend((child, line) for child in reversed(value.values()))
        elif isinstance(value, list):
            todo.extend((child, line) for child in reversed(value))
        else:
            if isinstance(value, _Text):
                line = file.line(value.start)
            text = file.string(value) if isinstance(value, _Text) else value
            if len(text) <= MAX_BLOB_CHARS or re.search(r"\s", text):
                texts.append(_BREAK.sub(" ", text))
                lines.append(line)
    return _Lines("\n".join(texts), tuple(lines) or (1,), ())


def _error(number: int, item: dict[str, _Node], file: _File) -> Output:
    trace = _joined(item.get("traceback"), file, "\n")
    text, lines = _plain(trace.text), trace.lines
    value = _joined(item.get("evalue"), file)
    plain = _plain(value.text)
    if plain and plain not in text:
        text = f"{text.rstrip()}\n{plain}" if text.strip() else plain
        lines = (*trace.lines[: text.count("\n") - plain.count("\n")], *value.lines)
    return Output(number, "error", "text/plain", text, _fit(lines, text))


def _fit(lines: Sequence[int], text: str) -> tuple[int, ...]:
    """Return as many line numbers as the text has lines."""
    count = text.count("\n") + 1
    return tuple(lines[:count]) + (lines[-1],) * (count - len(lines))


_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]*(?:\x07|\x1b\\)?|[@-Z\\^_])")


def _plain(text: str) -> str:
    return _ANSI.sub("", text)


_IMAGE = re.compile(
    r"data:(?:image|font|audio|video|application)/[\w.+-]{1,60}(?:;[\w=-]{1,40})*;base64,[A-Za-z0-9+/=%]+"
)


def _without_images(text: str) -> str:
    return _IMAGE.sub("data:", text) if "base64," in text else text


def _readable(text: str, mime: str) -> str:
    """Return what a person sees of an output. The number of lines stays."""
    if mime == "text/html":
        return _untagged(text)
    return _without_images(_plain(text))


_TAG = re.compile(
    r"<!--|<(style|script)\b[^<>]*>|<(/?)(td|th|tr|p|div|br|li|option)\b[^<>]*>|<[/!?]?[a-zA-Z][^<>]*>", re.I
)


def _untagged(text: str) -> str:
    """Return the text between the tags; cells of a table are set apart by tabs."""
    parts, at = [], 0
    unclosed: set[str] = set()  # a closing mark that does not occur again is not searched for again
    while match := _TAG.search(text, at):
        parts.append(text[at : match.start()])
        end = match.end()
        close = "-->" if match.group() == "<!--" else f"</{match.group(1).lower()}" if match.group(1) else ""
        if close and close not in unclosed:
            found = re.compile(re.escape(close), re.I).search(text, end)
            if found is None:
                unclosed.add(close)
            else:
                end = text.find(">", found.end() - 1) + 1 or len(text)
        gone = text[match.start() : end]
        parts.append("\n" * gone.count("\n") or ("\t" if match.group(3) else ""))
        at = end
    parts.append(text[at:])
    import html

    return "\n".join(_BREAK.sub(" ", html.unescape(line)) for line in "".join(parts).split("\n"))
