"""Notebooks are read as cells that know their lines in the file."""

from __future__ import annotations

import base64
import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlguard.errors import Unreadable
from mlguard.scanners.notebook import file_place, read

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


def code(source: Any, outputs: list[Any] | None = None, **more: Any) -> dict[str, Any]:
    return {"cell_type": "code", "metadata": {}, "source": source, "outputs": outputs or [], **more}


def notebook(*cells: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": list(cells)}


def test_source_lines_are_lines_of_the_file() -> None:
    text = json.dumps(notebook(code(["import os\n", "os.system('x')\n", "y = 1"])), indent=1)
    lines = text.split("\n")

    (cell,) = read(text)

    assert cell.source == "import os\nos.system('x')\ny = 1"
    assert [lines[number - 1].strip().strip(",") for number in cell.lines] == [
        '"import os\\n"', '"os.system(\'x\')\\n"', '"y = 1"',
    ]  # fmt: skip


def test_minified_notebook_has_one_line_and_true_columns() -> None:
    text = json.dumps(notebook(code('a = "ä"\nb = 2\n')), separators=(",", ":"), ensure_ascii=False)

    (cell,) = read(text)

    assert cell.lines == (1, 1, 1)
    line, column = file_place(cell, 2, 5)
    assert line == 1
    assert text[column - 1] == "2"


@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize("indent", [None, 1])
def test_places_point_at_the_very_character(ascii_only: bool, indent: int | None) -> None:
    source = ['x = "é😀"; y = 7\n', '\tz = "a\\nb" + 8']
    text = json.dumps(notebook(code(source)), indent=indent, ensure_ascii=ascii_only)

    (cell,) = read(text)

    for row, line in enumerate(cell.source.split("\n"), 1):
        for digit in "78":
            if digit in line:
                at_line, at_column = file_place(cell, row, line.index(digit) + 1)
                assert text.split("\n")[at_line - 1][at_column - 1] == digit


def test_windows_line_ends_of_file_and_source_are_understood() -> None:
    text = json.dumps(notebook(code(["a = 1\r\n", "b = 2"])), indent=1).replace("\n", "\r\n")

    (cell,) = read(text)

    assert cell.source == "a = 1\nb = 2"
    assert cell.lines[1] == cell.lines[0] + 1


def test_elements_need_not_end_with_a_line() -> None:
    text = json.dumps(notebook(code(["a = ", "1\nb", " = 2"])), indent=1)

    (cell,) = read(text)

    assert cell.source == "a = 1\nb = 2"
    assert cell.lines[1] == cell.lines[0] + 1


def test_nbformat_3_is_read() -> None:
    old = {
        "nbformat": 3, "nbformat_minor": 0, "metadata": {"name": "x"},
        "worksheets": [{"cells": [
            {"cell_type": "heading", "level": 1, "source": ["Title"]},
            {"cell_type": "code", "language": "python", "input": ["print 1"], "outputs": [
                {"output_type": "pyout", "text": ["one"], "html": ["<b>one</b>"], "png": "iVBORw0KGgo="},
                {"output_type": "stream", "stream": "stdout", "text": ["said"]}]}]}],
    }  # fmt: skip

    heading, cell = read(json.dumps(old))

    assert heading.kind == "markdown" and heading.source == "Title"
    assert cell.source == "print 1" and cell.index == 2
    assert [(o.index, o.kind, o.mime, o.text) for o in cell.outputs] == [
        (1, "result", "text/plain", "one"), (1, "result", "text/html", "one"), (2, "stream", "text/plain", "said"),
    ]  # fmt: skip


def test_images_are_never_text() -> None:
    png = base64.b64encode(random.Random(1).randbytes(3000)).decode()
    outputs = [
        {
            "output_type": "display_data",
            "data": {"image/png": png, "image/svg+xml": "<svg>Ann</svg>", "text/plain": "ok"},
        },
        {
            "output_type": "display_data",
            "data": {"text/html": f'<p>see <img src="data:image/png;base64,{png}"/> it</p>'},
        },
        {"output_type": "display_data", "data": {"application/vnd.chart+json": {"a": "label", "blob": png}}},
    ]
    markdown = {
        "cell_type": "markdown",
        "source": f"![x](data:image/png;base64,{png})",
        "attachments": {"a": {"image/png": png}},
    }

    cells = read(json.dumps(notebook(code("", outputs), markdown)))

    assert png[:40] not in repr(cells)
    assert "Ann" not in repr(cells)
    assert "label" in repr(cells)


def test_tags_are_stripped_and_lines_stay() -> None:
    table = ["<style>\n", ".x {}\n", "</style>\n", "<table><tr><td>Ann</td><td>4 &lt; 5</td></tr>\n", "</table>"]
    text = json.dumps(notebook(code("t", [{"output_type": "execute_result", "data": {"text/html": table}}])), indent=1)

    (cell,) = read(text)

    (output,) = cell.outputs
    lines = output.text.split("\n")
    where = next(i for i, line in enumerate(lines) if "Ann" in line)
    assert lines[where].split() == ["Ann", "4", "<", "5"]
    assert "Ann" in text.split("\n")[output.lines[where] - 1]
    assert ".x" not in output.text


def test_tracebacks_are_kept_without_colours() -> None:
    error = {
        "output_type": "error", "ename": "KeyError", "evalue": "unseen value",
        "traceback": ["\x1b[0;31mKeyError\x1b[0m  Traceback", "row 3\nmore \x1b[1;32mtext"],
    }  # fmt: skip
    text = json.dumps(notebook(code("t", [error])), indent=1)

    (cell,) = read(text)

    (output,) = cell.outputs
    assert output.kind == "error"
    assert output.text == "KeyError  Traceback\nrow 3\nmore text\nunseen value"
    assert len(output.lines) == 4
    assert "unseen" in text.split("\n")[output.lines[3] - 1]


def test_language_of_the_kernel_and_of_the_cell() -> None:
    r_kernel = read(json.dumps(notebook(code("x <- 1"), language_info={"name": "R"})))
    mixed = read(json.dumps(notebook(code("select 1", metadata={"vscode": {"languageId": "sql"}}), code("x"))))

    assert r_kernel[0].language == "r"
    assert [cell.language for cell in mixed] == ["sql", "python"]


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", "{", '{"cells": 3}', '{"cells": [1]}', '{"cells": [{"cell_type":"code","source":[1]}]}', "[" * 100_000,
     '{"cells": [{"cell_type":"code","source":{}}]}', '{"nbformat": 2, "cells": null}'],
)  # fmt: skip
def test_what_is_no_notebook_is_unreadable(text: str) -> None:
    with pytest.raises(Unreadable):
        read(text)


def test_lone_surrogates_do_not_survive() -> None:
    (cell,) = read('{"cells": [{"cell_type": "code", "source": "x = \'\\ud800\'"}]}')

    cell.source.encode("utf-8")


def consistent(text: str) -> None:
    count = text.count("\n") + 1
    for cell in read(text):
        assert len(cell.lines) == len(cell.columns)
        if cell.kind == "code":
            assert len(cell.lines) == cell.source.count("\n") + 1
        assert all(1 <= line <= count for line in cell.lines)
        for output in cell.outputs:
            assert len(output.lines) == output.text.count("\n") + 1
            assert all(1 <= line <= count for line in output.lines)


@given(st.lists(st.text(max_size=20), max_size=5) | st.text(max_size=40), st.booleans(), st.sampled_from([None, 1]))
def test_any_source_reads_back(source: Any, ascii_only: bool, indent: int | None) -> None:
    text = json.dumps(notebook(code(source)), ensure_ascii=ascii_only, indent=indent)

    consistent(text)


@given(
    st.dictionaries(
        st.sampled_from(["data", "text", "evalue", "traceback", "output_type", "html", "name"]), JSON_VALUES
    )
)
def test_any_output_ends_in_cells_or_unreadable(output: dict[str, Any]) -> None:
    for kind in ("error", "stream", "display_data"):
        try:
            consistent(json.dumps(notebook(code("x", [{**output, "output_type": kind}])), indent=1))
        except Unreadable:
            pass


@given(JSON_VALUES | st.builds(lambda cells: {"cells": cells}, JSON_VALUES))
def test_any_json_ends_in_cells_or_unreadable(value: Any) -> None:
    try:
        consistent(json.dumps(value))
    except Unreadable:
        pass


@given(st.text(alphabet="<>/styleSCRIPT!- \nab&;lt\"'", max_size=200))
def test_any_markup_keeps_its_lines(markup: str) -> None:
    outputs = [{"output_type": "display_data", "data": {"text/html": markup}}]

    consistent(json.dumps(notebook(code("x", outputs))))


def test_hostile_markup_is_read_in_linear_time() -> None:
    markup = "<style>" * 100_000 + "<!--" * 100_000 + "<" * 100_000

    read(json.dumps(notebook(code("x", [{"output_type": "display_data", "data": {"text/html": markup}}]))))
