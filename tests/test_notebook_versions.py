"""Notebooks of all versions are read as nbformat reads them, with the very place of each character."""

from __future__ import annotations

import json
import random
import time
from typing import Any

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlguard.scanners.notebook import Cell, file_place, read, read_whole

TEXTS = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=40)
LINES = st.lists(TEXTS, max_size=5).map("\n".join)


@st.composite
def outputs(draw: st.DrawFn, version: int) -> Any:
    kind = draw(st.sampled_from(["stream", "result", "error", "display"]))
    text = draw(LINES)
    if kind == "stream":
        named = {"stream": "stdout"} if version == 3 else {"name": "stdout"}
        return {"output_type": "stream", **named, "text": text}
    if kind == "error":
        return {
            "output_type": "pyerr" if version == 3 else "error",
            "ename": "E",
            "evalue": draw(TEXTS),
            "traceback": draw(st.lists(TEXTS, max_size=3)),
        }
    if version == 3:
        more = {"prompt_number": 1} if kind == "result" else {}
        return {
            "output_type": "pyout" if kind == "result" else "display_data",
            "metadata": {},
            "text": text,
            "png": "aGVsbG8=",
            **more,
        }
    more = {"execution_count": 1} if kind == "result" else {}
    data = {"text/plain": text, "image/png": "aGVsbG8=", "application/json": {"a": [1, draw(TEXTS)]}}
    return {
        "output_type": "execute_result" if kind == "result" else "display_data",
        "metadata": {},
        "data": data,
        **more,
    }


@st.composite
def notebooks(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a notebook of nbformat 3 or 4.0 to 4.5, with its texts as strings or as lists of lines."""
    version, minor = draw(st.sampled_from([(3, 0), *((4, minor) for minor in range(6))]))
    cells = []
    for number in range(draw(st.integers(0, 4))):
        kind = draw(st.sampled_from(["code", "markdown", "raw", *(["heading"] if version == 3 else [])]))
        source: Any = draw(LINES)
        if draw(st.booleans()):
            source = source.splitlines(keepends=True)
        cell: dict[str, Any] = {"cell_type": kind, "metadata": {}}
        if kind == "code" and version == 3:
            cell |= {
                "input": source,
                "language": "python",
                "prompt_number": number,
                "collapsed": False,
                "outputs": draw(st.lists(outputs(3), max_size=2)),
            }
        elif kind == "code":
            cell |= {"source": source, "execution_count": number, "outputs": draw(st.lists(outputs(4), max_size=2))}
        else:
            cell |= {"source": source, **({"level": 1} if kind == "heading" else {})}
        if (version, minor) >= (4, 5):
            cell["id"] = f"cell-{number}"
        cells.append(cell)
    body = {"worksheets": [{"cells": cells, "metadata": {}}]} if version == 3 else {"cells": cells}
    return {"nbformat": version, "nbformat_minor": minor, "metadata": {"name": ""} if version == 3 else {}, **body}


def plain(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


@given(notebooks(), st.sampled_from([None, 1]), st.booleans())
def test_cells_and_outputs_are_those_of_nbformat(made: dict[str, Any], indent: int | None, ascii_only: bool) -> None:
    text = json.dumps(made, indent=indent, ensure_ascii=ascii_only)
    theirs = nbformat.reads(text, as_version=4)

    ours = read(text)

    assert [cell.source for cell in ours if cell.kind == "code"] == [
        plain(cell.source) for cell in theirs.cells if cell.cell_type == "code"
    ]
    kinds = [cell.cell_type for cell in theirs.cells]
    assert [cell.kind if cell.kind == "markdown" else kind for cell, kind in zip(ours, kinds, strict=True)] == kinds
    for cell, other in zip(ours, theirs.cells, strict=True):
        shown: dict[int, str] = {}
        for output in cell.outputs:
            if output.mime == "text/plain" and output.kind != "error":
                shown[output.index] = output.text
        for number, output in enumerate(other.get("outputs", ()), 1):
            if output.output_type != "error":
                said = output.get("text", output.get("data", {}).get("text/plain", ""))
                if "\x1b" not in said:
                    assert plain(shown.get(number, "")) == plain(said)


def escaped(text: str, choose: random.Random) -> str:
    """Write a string of JSON with whatever escapes it may have."""
    written = []
    for char in text:
        must = char in '"\\' or char < " "
        if must or choose.random() < 0.3:
            units = char.encode("utf-16-be")
            long = "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
            short = {
                '"': '\\"',
                "\\": "\\\\",
                "/": "\\/",
                "\n": "\\n",
                "\t": "\\t",
                "\r": "\\r",
                "\b": "\\b",
                "\f": "\\f",
            }.get(char)
            written.append(choose.choice([long.upper().replace("\\U", "\\u"), long, *([short] * 3 if short else [])]))
        else:
            written.append(char)
    return f'"{"".join(written)}"'


def at_place(lines: list[str], cell: Cell, row: int, column: int) -> str:
    """Return the character that the file writes at the place of a row and column, with what may follow it."""
    line, at = file_place(cell, row, column)
    rest = lines[line - 1][at - 1 :]
    length = (
        12
        if rest[:2] == "\\u" and rest[6:8] == "\\u" and rest[2:4].lower() in ("d8", "d9", "da", "db")
        else 6
        if rest[:2] == "\\u"
        else 2
        if rest[0] == "\\"
        else 1
    )
    return str(json.loads(f'"{rest[:length]}"'))


@given(
    st.lists(
        st.text(
            alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\r\x85\u2028\u2029"), max_size=12
        ),
        max_size=5,
    ),
    st.integers(0, 2**16),
    st.booleans(),
)
def test_every_character_has_its_place_whatever_the_escapes(parts: list[str], seed: int, one_line: bool) -> None:
    choose = random.Random(seed)
    glue = "," if one_line else ",\n  "
    source = glue.join(escaped(part, choose) for part in parts)
    text = f'{{"nbformat":4,"cells":[{{"cell_type":"code","source":[{source}]}}]}}'

    (cell,) = read(text)

    assert cell.source == "".join(parts)
    lines = text.split("\n")
    for row, line in enumerate(cell.source.split("\n"), 1):
        for column, char in enumerate(line, 1):
            assert at_place(lines, cell, row, column) == char
            place = file_place(cell, row, column)
            assert cell.row(*place) == row or len(parts) > 1 or not line


def test_line_in_several_strings_has_the_place_of_each() -> None:
    text = '{"nbformat":4,"cells":[{"cell_type":"code","source":[\n"os.",\n"system",\n"(x)\\n",\n"y"]}]}'

    (cell,) = read(text)

    assert cell.source == "os.system(x)\ny"
    assert [file_place(cell, 1, column) for column in (1, 4, 10)] == [(2, 2), (3, 2), (4, 2)]
    assert file_place(cell, 2, 1) == (5, 2)


def test_windows_line_end_in_two_strings_is_one() -> None:
    (cell,) = read('{"nbformat":4,"cells":[{"cell_type":"code","source":["a\\r","\\nb\\r\\n","c\\r","d"]}]}')

    assert cell.source == "a\nb\nc\nd"
    assert len(cell.lines) == 4


def test_metadata_are_lines_with_their_names_and_places() -> None:
    metadata = {
        "kernelspec": {"name": "python3"}, "language_info": {"name": "python", "version": "3.11"},
        "authors": [{"name": "Anna Kowalska", "email": "anna@example.org"}],
        "papermill": {"parameters": {"customer": "42"}, "output_path": "/home/anna/out.ipynb"},
        "widgets": {"application/vnd.jupyter.widget-state+json": {"state": {"a": {"model_name": "HTMLModel", "state": {"value": "<b>Score of Jan</b>", "layout": "IPY_MODEL_1"}}}}},
    }  # fmt: skip
    text = json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": []}, indent=1)

    found = read_whole(text).metadata

    assert found is not None
    lines = text.split("\n")
    assert found.text.split("\n") == [
        "name: Anna Kowalska",
        "email: anna@example.org",
        "customer: 42",
        "output_path: /home/anna/out.ipynb",
        "value: Score of Jan",
    ]
    assert all(
        line.split(": ")[1].split()[-1].rstrip("</b>") in lines[at - 1]
        for line, at in zip(found.text.split("\n"), found.lines, strict=True)
    )


def test_texts_that_hang_on_a_cell_are_read_and_pictures_are_not() -> None:
    cell = {
        "cell_type": "markdown",
        "metadata": {},
        "source": "x",
        "attachments": {"a.png": {"image/png": "aGVsbG8="}, "b.txt": {"text/plain": ["one\n", "two"]}},
    }

    (found,) = read(json.dumps({"nbformat": 4, "metadata": {}, "cells": [cell]}))

    assert [(hung.mime, hung.text) for hung in found.attachments] == [("text/plain", "one\ntwo")]


def test_size_of_the_outputs_is_told() -> None:
    made = {"nbformat": 4, "metadata": {}, "cells": [
        {"cell_type": "code", "metadata": {}, "source": "", "outputs": [{"output_type": "display_data", "metadata": {}, "data": {"image/png": "a" * 5000}}, {"output_type": "stream", "name": "stdout", "text": ["x" * 100]}]}]}  # fmt: skip

    found = read_whole(json.dumps(made))

    assert found.outputs == 2
    assert 5100 <= found.output_characters <= 5300


@pytest.mark.parametrize(
    "source", ["x = 1\n" * 150_000, "\\" * 500_000, ["x\n"] * 150_000, ["ä\\"] * 200_000, "\r" * 500_000, "\u00e9\n" * 200_000], ids=["lines", "backslashes", "strings", "one line of strings", "returns", "letters"]
)  # fmt: skip
def test_long_sources_are_read_in_linear_time(source: Any) -> None:
    text = json.dumps({"nbformat": 4, "cells": [{"cell_type": "code", "source": source}]})
    start = time.process_time()

    (cell,) = read(text)
    file_place(cell, len(cell.lines), 1)
    file_place(cell, 1, len(cell.source))

    assert time.process_time() - start < 6
