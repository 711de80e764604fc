"""Reads a Jupyter notebook into cells that know their lines in the file."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from mlguard import lazy
from mlguard.errors import Unreadable
from mlguard.scanners.notebook_strings import BREAK, File, Lines, Node, Piece, Text, joined, tree_of, written
from mlguard.values import dataclass, field

MAX_CELLS = 50_000
"""Cells of one notebook. Real ones hold hundreds."""

MAX_BLOB_CHARS = 1000
"""A longer string without white space in an output's JSON data is an encoded blob, not text."""

CellKind = Literal["code", "markdown", "raw"]
OutputKind = Literal["stream", "result", "error", "display", "attachment", "metadata"]


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
    line's text starts there. ``pieces`` says for lines from 0 with escapes, and for those that lie in several strings of the file, where
    their parts are. ``language`` is lower-case. ``attachments`` are the texts among the files that hang on a cell, ``metadata`` what its
    own metadata say.
    """

    index: int
    kind: CellKind
    source: str
    lines: tuple[int, ...]
    outputs: tuple[Output, ...] = ()
    language: str = "python"
    columns: tuple[int, ...] = ()
    pieces: Mapping[int, tuple[Piece, ...]] = field(default_factory=dict)
    attachments: tuple[Output, ...] = ()
    metadata: Output | None = None

    def row(self, line: int, column: int) -> int:
        """Return the row, from 1, of the source that stands at a line and column of the file."""
        places = self.lines, self.columns
        return max(
            bisect_right(range(len(self.columns)), (line, column), key=lambda at: (places[0][at], places[1][at])), 1
        )


@dataclass(frozen=True, slots=True)
class Notebook:
    """The cells, and what the notebook's own metadata say: authors, parameters, the state of widgets."""

    cells: tuple[Cell, ...]
    metadata: Output | None = None
    outputs: int = 0
    output_characters: int = 0  # in the file, with all that is no text


def read(text: str) -> tuple[Cell, ...]:
    """Return the cells of a notebook of nbformat 3 or 4 in order. Raises Unreadable for anything else."""
    return read_whole(text).cells


def read_whole(text: str) -> Notebook:
    """Return a notebook of nbformat 3 or 4. Raises Unreadable for anything else."""
    try:
        json.loads(text)  # the grammar is checked here, at C speed; the scan below then relies on it
    except (ValueError, RecursionError):
        raise Unreadable("not valid JSON, so no notebook; open and save it with Jupyter") from None
    root = tree_of(text)
    if not isinstance(root, dict):
        raise Unreadable("a notebook is a JSON object")
    file = File(text)
    language = _language(root, file)
    found = list(enumerate(_cells(root), 1))
    if len(found) > MAX_CELLS:
        raise Unreadable(f"more than {MAX_CELLS} cells")
    cells = tuple(_cell(number, node, language, file) for number, node in found)
    outputs = [output for _, node in found for output in _items(node.get("outputs"))]
    size = sum(_extent(output) for output in outputs)
    return Notebook(cells, _metadata(_object(root.get("metadata")), file), len(outputs), size)


def file_place(cell: Cell, row: int, column: int) -> tuple[int, int]:
    """Return line and column in the file for a row and column (both from 1) of the cell's source."""
    row = min(max(row, 1), len(cell.lines))
    at = max(column, 1) - 1
    pieces = cell.pieces.get(row - 1)
    if pieces is None:
        return cell.lines[row - 1], cell.columns[row - 1] + at
    piece = pieces[max(bisect_right([piece.start for piece in pieces], at) - 1, 0)]
    at -= piece.start
    return piece.line, piece.column + (written(piece.raw, at) if piece.raw else at)


def _language(root: dict[str, Node], file: File) -> str:
    metadata = _object(root.get("metadata"))
    info, kernel = _object(metadata.get("language_info")), _object(metadata.get("kernelspec"))
    named = file.string(info.get("name")) or file.string(kernel.get("language"))
    if not named:
        named = {"ir": "r", "irkernel": "r"}.get(file.string(kernel.get("name")).lower(), "python")
    return _plain_language(named)


def _plain_language(name: str) -> str:
    name = name.strip().lower()
    return "python" if name in ("", "python", "ipython", "python3", "python2") else name


def _object(node: Node | None) -> dict[str, Node]:
    return node if isinstance(node, dict) else {}


def _items(node: Node | None) -> list[Node]:
    return node if isinstance(node, list) else []


def _cells(root: dict[str, Node]) -> Iterator[dict[str, Node]]:
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


_KINDS: dict[str, CellKind] = {
    "code": "code", "markdown": "markdown", "heading": "markdown", "html": "markdown", "raw": "raw",
}  # fmt: skip


def _cell(number: int, node: dict[str, Node], language: str, file: File) -> Cell:
    # A cell of no known type is looked at like code: what else it may be, a reader of the file decides.
    kind = _KINDS.get(file.string(node.get("cell_type")).lower(), "code")
    source = joined(node.get("source", node.get("input")), file)
    outputs = tuple(
        output for i, item in enumerate(_items(node.get("outputs")), 1) for output in _outputs(i, item, file)
    )
    own = file.string(node.get("language")) or file.string(
        _object(_object(node.get("metadata")).get("vscode")).get("languageId")
    )
    text = source.text if kind == "code" else _without_images(source.text)
    spoken = _plain_language(own) if own else language
    pieces = source.pieces if kind == "code" or text is source.text else {}
    hung = tuple(_attachments(_object(node.get("attachments")), file))
    said = _metadata(_object(node.get("metadata")), file)
    return Cell(number, kind, text, source.lines, outputs, spoken, source.columns, pieces, hung, said)


_OUTPUTS: dict[str, OutputKind] = {
    "stream": "stream", "execute_result": "result", "pyout": "result", "display_data": "display",
    "update_display_data": "display", "error": "error", "pyerr": "error",
}  # fmt: skip
_OLD_MIMES = {
    "text": "text/plain", "html": "text/html", "latex": "text/latex", "json": "application/json",
    "javascript": "application/javascript",
}  # fmt: skip


def _outputs(number: int, node: Node, file: File) -> Iterator[Output]:
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
        found = joined(value, file) if _is_text(value) else _leaves(value, file)
        if found.text:
            yield Output(number, kind, mime, _readable(found.text, mime), found.lines)


def _attachments(node: dict[str, Node], file: File) -> Iterator[Output]:
    """Yield the texts among the files that hang on a cell (nbformat 4.1: name -> type -> content)."""
    for number, forms in enumerate(node.values(), 1):
        for mime, value in _object(forms).items():
            if _is_text(value) and (mime.startswith("text/") or mime == "application/json"):
                found = joined(value, file)
                yield Output(number, "attachment", mime, _readable(found.text, mime), found.lines)


_OF_TOOLS = frozenset(
    {
        "kernelspec",
        "language_info",
        "toc",
        "collapsed",
        "scrolled",
        "id",
        "slideshow",
        "nbpresent",
        "colab_type",
        "vscode",
        "kernel_info",
        "accelerator",
    }
)
"""Metadata that tools write and that say nothing of a person or a service."""

_OF_WIDGETS = frozenset(
    {
        "value",
        "description",
        "placeholder",
        "description_tooltip",
        "_options_labels",
        "options",
        "data",
        "tooltip",
        "title",
    }
)
"""The parts of a widget's state that a person reads; the rest is layout."""

MAX_METADATA_LINES = 20_000
"""Values of metadata that are kept as lines of text."""


def _metadata(node: dict[str, Node], file: File) -> Output | None:
    """Return names and values of metadata, a line each; None when tools alone wrote them."""
    texts: list[str] = []
    lines: list[int] = []
    todo: list[tuple[str, Node, bool]] = [
        (key, value, key == "widgets") for key, value in reversed(node.items()) if key not in _OF_TOOLS
    ]
    while todo and len(texts) < MAX_METADATA_LINES:
        key, value, widget = todo.pop()
        if isinstance(value, dict):
            todo.extend((inner, child, widget) for inner, child in reversed(value.items()) if inner not in _OF_TOOLS)
        elif isinstance(value, list):
            todo.extend((key, child, widget) for child in reversed(value))
        elif isinstance(value, Text) and (not widget or key in _OF_WIDGETS):
            text = file.string(value)
            if text and (len(text) <= MAX_BLOB_CHARS or re.search(r"\s", text)):
                shown = BREAK.sub(" ", _untagged(text) if widget and "<" in text else _without_images(text))
                texts.append(f"{BREAK.sub(' ', key)}: {shown}")
                lines.append(file.line(value.start))
    return Output(0, "metadata", "text/plain", "\n".join(texts), tuple(lines)) if texts else None


def _extent(node: Node) -> int:
    """Return how many characters of the file the strings of a value take."""
    size, todo = 0, [node]
    while todo:
        value = todo.pop()
        if isinstance(value, dict):
            todo.extend(value.values())
        elif isinstance(value, list):
            todo.extend(value)
        else:
            size += value.end - value.start if isinstance(value, Text) else len(value)
    return size


def _is_text(node: Node) -> bool:
    return isinstance(node, Text) or isinstance(node, list) and all(isinstance(part, Text) for part in node)


def _leaves(node: Node, file: File) -> Lines:
    """Return every string and number of a JSON value, a line each."""
    texts: list[str] = []
    lines: list[int] = []
    todo: list[tuple[Node, int]] = [(node, 1)]
    while todo:
        value, line = todo.pop()
        if isinstance(value, dict):
            todo.extend((child, line) for child in reversed(value.values()))
        elif isinstance(value, list):
            todo.extend((child, line) for child in reversed(value))
        else:
            if isinstance(value, Text):
                line = file.line(value.start)
            text = file.string(value) if isinstance(value, Text) else value
            if len(text) <= MAX_BLOB_CHARS or re.search(r"\s", text):
                texts.append(BREAK.sub(" ", text))
                lines.append(line)
    return Lines("\n".join(texts), tuple(lines) or (1,), ())


def _error(number: int, item: dict[str, Node], file: File) -> Output:
    trace = joined(item.get("traceback"), file, "\n")
    text, lines = _plain(trace.text), trace.lines
    value = joined(item.get("evalue"), file)
    plain = _plain(value.text)
    if plain and plain not in text:
        text = f"{text.rstrip()}\n{plain}" if text.strip() else plain
        lines = (*trace.lines[: text.count("\n") - plain.count("\n")], *value.lines)
    return Output(number, "error", "text/plain", text, _fit(lines, text))


def _fit(lines: Sequence[int], text: str) -> tuple[int, ...]:
    """Return as many line numbers as the text has lines."""
    count = text.count("\n") + 1
    return tuple(lines[:count]) + (lines[-1],) * (count - len(lines))


_ANSI = lazy.pattern(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]*(?:\x07|\x1b\\)?|[@-Z\\^_])")


def _plain(text: str) -> str:
    return _ANSI.sub("", text)


_IMAGE = lazy.pattern(
    r"data:(?:image|font|audio|video|application)/[\w.+-]{1,60}(?:;[\w=-]{1,40})*;base64,[A-Za-z0-9+/=%]+"
)


def _without_images(text: str) -> str:
    return _IMAGE.sub("data:", text) if "base64," in text else text


def _readable(text: str, mime: str) -> str:
    """Return what a person sees of an output. The number of lines stays."""
    if mime == "text/html":
        return _untagged(text)
    return _without_images(_plain(text))


_TAG = lazy.pattern(
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

    return "\n".join(BREAK.sub(" ", html.unescape(line)) for line in "".join(parts).split("\n"))
