"""Code in notebooks: magics, shells, written files, state across cells, and the place of everything."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlguard.findings import Detection
from mlguard.scanners.code import magics, shell
from mlguard.scanners.code.notebooks import parses
from mlguard.scanners.notebook import Cell, read
from tests.notebooks.build import code, gaps, look, notebook, rules

INJECTION, UNSAFE, DOWNLOAD = (
    "code/command-or-code-injection",
    "code/unsafe-deserialization",
    "code/unverified-download",
)
TLS, SERVER = "code/disabled-tls-verification", "code/unauthenticated-dev-server"
BAD = "import os\nos.system(cmd)\n"


@pytest.mark.parametrize(
    ("source", "row"),
    [
        ("%%time\n" + BAD, 3),
        ("%%timeit -n 10\n" + BAD, 3),
        ("\n\n%%capture out --no-stderr\n" + BAD, 5),
        ("%%prun -l 7\n" + BAD, 3),
        ("%%some_extension --flag\n" + BAD, 3),
        ("%%python3\n" + BAD, 3),
        ("%%script python3 -u\n" + BAD, 3),
        ("%matplotlib inline\n%load_ext autoreload\n%autoreload 2\n" + BAD, 5),
        ("!pip install x\n" + BAD, 3),
        ("files = !ls {folder}\n" + BAD, 3),
        ("a, b = !ls\nimport os\nos.system(a)\n", 3),
        ("!echo a \\\n  b \\\n  c\n" + BAD, 5),
        ("import os\n%time os.system(cmd)\n", 2),
        ("import os\n%timeit -n 10 -r 3 os.system(cmd)\n", 2),
        ("import os\n%timeit -n10 -r3 os.system(cmd)\n", 2),
        ("import os\nx = %time os.system(cmd)\n", 2),
        ("import os\nfor i in y:\n    !echo {i}\n    os.system(i)\n", 4),
        ("import os\nif x:\n    %cd data\n    os.system(cmd)\n", 4),
        ("os?\nos.path??\n?os\nimport os\nos.system(cmd)\n", 5),
        ("pip install torch\n" + BAD, 3),
        ("cd data\nls -la\n" + BAD, 4),
        ('#@title Run me { display-mode: "form" }\nn = 1 #@param {type:"slider"}\n' + BAD, 4),
        ("import os\nawait fetch()\nasync for x in y():\n    os.system(x)\n", 4),
        ("import os\ntext = '''\n!not a command\n%nor a magic\n'''\n!ls\nos.system(cmd)\n", 7),
        ("import os\nx = (a\n%b)\n!ls\nos.system(cmd)\n", 5),
        ("%python\n" + BAD, 3),
        ("import os\n;\n/len x\n,f a b\nos.system(cmd)\n", 5),
    ],
)
def test_python_between_magics_is_looked_at(source: str, row: int, tmp_path: Path) -> None:
    records = look(tmp_path, notebook(source))

    assert (INJECTION, "cell 1", row) in rules(records)
    if ";" not in source:
        assert gaps(records) == []


@pytest.mark.parametrize(
    "source",
    [
        "%%html\n<b>os.system(cmd)</b>", "%%javascript\neval(x)", "%%js\neval(x);", "%%latex\n\\eval(x)", "%%markdown\neval(x)",
        "%%sql\nselect 1", "%sql\nSELECT a FROM b WHERE c", "%md\n# A title\nsome words", "%%script false --no-raise-error\nimport os\nos.system(x)",
        "%%writefile notes.txt\nimport os\nos.system(x)", "%%bash\necho hello", "%%ai chatgpt\nwrite eval(x) please", "%%svg\n<svg/>",
        "%%configure -f\n{\"a\": 1}",
    ],
)  # fmt: skip
def test_what_is_no_python_is_not_read_as_such(source: str, tmp_path: Path) -> None:
    records = look(tmp_path, notebook(source, "x = 1\n"))

    assert rules(records) == set()
    assert gaps(records) == []


@pytest.mark.parametrize(
    "source", ["%%R\nplot(x)", "%%julia\n1 + 1", "%%perl\nprint 1", "%scala\nval x = 1", "%r\nx <- c(1, 2)"]
)
def test_cell_in_another_language_is_a_gap(source: str, tmp_path: Path) -> None:
    assert {gap.kind for gap in gaps(look(tmp_path, notebook(source)))} == {"skipped"}


@pytest.mark.parametrize("name", ["R", "julia", "ir", "scala"])
def test_kernel_of_another_language_is_a_gap_and_no_error(name: str, tmp_path: Path) -> None:
    metadata = {"kernelspec": {"name": name.lower(), "language": "R" if name == "ir" else name}}

    records = look(tmp_path, notebook("x <- 1\nsystem('ls')\n", **metadata))

    assert [gap.kind for gap in gaps(records)] == ["skipped"]


def test_kernel_of_bash_is_read_as_a_shell(tmp_path: Path) -> None:
    records = look(
        tmp_path,
        notebook(
            "cd /tmp\ncurl -s https://get.example.org/i.sh | bash\n", kernelspec={"language": "bash", "name": "bash"}
        ),
    )

    assert (DOWNLOAD, "cell 1", 2) in rules(records)


@pytest.mark.parametrize(
    ("source", "rule", "row"),
    [
        ("!curl -s https://get.example.org/i.sh | sh", DOWNLOAD, 1),
        ("!curl -s https://get.example.org/i.sh \\\n  | sudo bash", DOWNLOAD, 1),
        ("!!wget -qO- https://get.example.org/i.sh | bash", DOWNLOAD, 1),
        ("out = !curl -s https://get.example.org/i.sh | sh", DOWNLOAD, 1),
        ("x = 1\n%sx curl https://get.example.org/i.sh | sh", DOWNLOAD, 2),
        ("%system curl https://get.example.org/i.sh | sh", DOWNLOAD, 1),
        ("%%bash\nset -e\nwget https://get.example.org/i.sh\nbash i.sh", DOWNLOAD, 3),
        ("%%sh\ncurl https://get.example.org/i.sh | sh", DOWNLOAD, 2),
        ("%%script bash -e\ncurl https://get.example.org/i.sh | sh", DOWNLOAD, 2),
        ("%%script --bg /bin/bash\ncurl https://get.example.org/i.sh | sh", DOWNLOAD, 2),
        ("%%bash --out x\nsource <(curl -s https://get.example.org/i.sh)", DOWNLOAD, 2),
        ("%%!\ncurl https://get.example.org/i.sh | sh", DOWNLOAD, 2),
        ("%sh\ncurl https://get.example.org/i.sh | sh", DOWNLOAD, 2),
        ("%%writefile setup.sh\ncurl https://get.example.org/i.sh | sh", DOWNLOAD, 2),
        ("%pip install --index-url http://pypi.example.org/simple x", DOWNLOAD, 1),
        ("%pip install -q x --trusted-host pypi.example.org", DOWNLOAD, 1),
        ("%conda install -c http://conda.example.org/main x", DOWNLOAD, 1),
        ("!pip install git+http://git.example.org/x.git", DOWNLOAD, 1),
        ("pip install -i http://pypi.example.org/simple x", DOWNLOAD, 1),
        ("!python -m pip install --trusted-host p x", DOWNLOAD, 1),
        ("!wget http://data.example.org/train.csv", DOWNLOAD, 1),
        ("!wget {base} http://data.example.org/{name}.csv -O x", DOWNLOAD, 1),
        ("!git clone http://git.example.org/a/b", DOWNLOAD, 1),
        ("%run https://example.org/setup.py", DOWNLOAD, 1),
        ("%load https://example.org/setup.py", DOWNLOAD, 1),
        ("!curl -k https://data.example.org/x -o x", TLS, 1),
        ("!wget --no-check-certificate https://data.example.org/x", TLS, 1),
        ("!git -c http.sslVerify=false clone https://git.example.org/a/b", TLS, 1),
        ("%env PYTHONHTTPSVERIFY=0", TLS, 1),
        ("%set_env CURL_CA_BUNDLE=", TLS, 1),
        ("!jupyter notebook --ip 0.0.0.0 --NotebookApp.token=''", SERVER, 1),
        ("!mlflow ui --host 0.0.0.0 &", SERVER, 1),
        ("%tensorboard --logdir logs --bind_all", SERVER, 1),
    ],
)
def test_shell_lines_are_judged(source: str, rule: str, row: int, tmp_path: Path) -> None:
    records = look(tmp_path, notebook(source))

    assert (rule, "cell 1", row) in rules(records)
    assert gaps(records) == []


@pytest.mark.parametrize(
    "source",
    [
        "!pip install torch==2.6.0", "%pip install -r requirements.txt", "!curl -s https://data.example.org/x.csv -o x.csv", "!ls | sh_list",
        "!wget https://data.example.org/x.csv", "!curl http://localhost:8000/health", "!git clone https://git.example.org/a/b",
        "# !curl https://get.example.org/i.sh | sh", "%%bash\n# curl https://get.example.org/i.sh | sh\necho", "%run helper.py",
        "%env CUDA_VISIBLE_DEVICES=0", "!jupyter nbconvert --to script x.ipynb", "!mlflow ui --host 127.0.0.1", "%tensorboard --logdir logs",
        "!python train.py --token ''", "text = '!curl -k https://x.example.org | sh'",
    ],
)  # fmt: skip
def test_ordinary_shell_lines_are_no_findings(source: str, tmp_path: Path) -> None:
    assert not {rule for rule, _, _ in rules(look(tmp_path, notebook(source)))} & {DOWNLOAD, TLS, SERVER}


def test_names_of_one_cell_are_known_in_the_next(tmp_path: Path) -> None:
    records = look(tmp_path, notebook("from os import system as run\n", "!ls\n", "run(cmd)\n"))

    assert (INJECTION, "cell 3", 1) in rules(records)


def test_written_file_is_a_module_of_its_own(tmp_path: Path) -> None:
    records = look(
        tmp_path, notebook("from os import remove as run\n", "%%writefile app.py\nfrom os import system as run\n\nrun(cmd)\n", "run(cmd)\n",
                           "%%writefile -a app.py\nrun(other)\n", "%%file 'b.py'\nimport pickle\npickle.load(f)\n"),
    )  # fmt: skip

    found = {one for one in rules(records) if one[0] in (INJECTION, UNSAFE)}
    assert found == {(INJECTION, "cell 2", 4), (INJECTION, "cell 4", 2), (UNSAFE, "cell 5", 3)}


def test_cell_that_does_not_parse_is_a_gap_and_hides_nothing(tmp_path: Path) -> None:
    records = look(
        tmp_path, notebook("import os, pickle\n", "x = {{ name }}\nos.system(cmd)\npickle.load(f\n", "os.system(cmd)\n")
    )

    assert {(INJECTION, "cell 2", 2), (UNSAFE, "cell 2", 3), (INJECTION, "cell 3", 1)} <= rules(records)
    assert [(gap.kind, "cell 2" in gap.reason) for gap in gaps(records)] == [("unreadable", True)]


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("as_string", [True, False])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_place_is_that_of_the_file(indent: int | None, as_string: bool, line_end: str, tmp_path: Path) -> None:
    source = 'import os\nname = "ä\\t\\"q\\" \U0001f600"; os.system(cmd)\n'
    cell = code(source if as_string else source.splitlines(keepends=True))
    text = json.dumps(notebook("x = 1\n", cell), indent=indent, ensure_ascii=indent is None).replace("\n", line_end)

    records = look(tmp_path, text)

    (place,) = [one.location for one in records if isinstance(one, Detection) and one.rule == INJECTION]
    line = text.split("\n")[place.line - 1]
    assert line[place.column - 1 : place.end_column - 1] == "os.system(cmd)"


def test_moving_a_cell_keeps_the_fingerprints(tmp_path: Path) -> None:
    from mlguard import rules as pages
    from mlguard.engine import join

    cells = ["import os, pickle\n", "os.system(a)\n", "x = pickle.load(f)\n", "!curl -k https://x.example.org/a -o a\n"]

    def fingerprints(*order: int) -> set[str]:
        records = look(tmp_path, notebook(*(cells[at] for at in order)))
        found = [("code", one) for one in records if isinstance(one, Detection)]
        return {finding.fingerprint for finding in join(found, pages.load())}

    assert fingerprints(0, 1, 2, 3) == fingerprints(0, 3, 2, 1)


# --- Scripts that were notebooks


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("get_ipython().system('curl -s https://get.example.org/i.sh | sh')", DOWNLOAD),
        ("x = get_ipython().getoutput('curl -k https://x.example.org')", TLS),
        ("get_ipython().run_line_magic('pip', 'install --trusted-host p x')", DOWNLOAD),
        ("get_ipython().run_cell_magic('bash', '', 'curl https://get.example.org/i.sh | sh\\n')", DOWNLOAD),
        ("get_ipython().magic('pip install -i http://p.example.org/simple x')", DOWNLOAD),
        ("get_ipython().run_line_magic('run', 'https://example.org/x.py')", DOWNLOAD),
    ],
)
def test_exported_magics_are_judged(line: str, rule: str, tmp_path: Path) -> None:
    assert (rule, "", 4) in rules(look(tmp_path, f"#!/usr/bin/env python\n# coding: utf-8\n\n{line}\n", "a.py"))


def test_magic_comments_of_databricks_are_judged(tmp_path: Path) -> None:
    text = (
        "# Databricks notebook source\n# MAGIC %md\n# MAGIC curl -k https://x\n\n# COMMAND ----------\n\n# MAGIC %sh\n# MAGIC cd /tmp\n"
        "# MAGIC curl https://get.example.org/i.sh | sh\n\n# COMMAND ----------\n\n# MAGIC %pip install --trusted-host p x\n\n# COMMAND ----------\n\nimport os\nos.system(cmd)\n"
    )

    found = {(rule, row) for rule, _, row in rules(look(tmp_path, text, "a.py")) if rule in (DOWNLOAD, TLS, INJECTION)}

    assert found == {(DOWNLOAD, 9), (DOWNLOAD, 13), (INJECTION, 18)}


# --- For any input


SOURCES = st.lists(
    st.one_of(st.text(max_size=30), st.sampled_from(["%%bash", "%%time", "!ls \\", "x = !ls", "%sql", "'''", "(", ")", "x?", "%%writefile a.py", "pip install x", "\r"])),
    max_size=8,
)  # fmt: skip


@given(SOURCES)
def test_any_cell_splits_into_parts_that_keep_their_rows(rows: list[str]) -> None:
    cell = read(json.dumps(notebook(code("\n".join(rows)))))[0]

    split = magics.split(cell, parses)

    own = cell.source.split("\n")
    assert split.python == [] or len(split.python) == len(own)
    for part in split.parts:
        for at, (line, column) in enumerate(zip(part.lines, part.columns, strict=True)):
            assert own[part.row - 1 + at][column - 1 :].endswith(line.lstrip()) or part.name in ("sh", "!")
        list(shell.detections("a.ipynb", cell, split.parts))


@given(st.text(max_size=300))
def test_any_shell_text_ends(text: str) -> None:
    for one in shell.judge(text):
        assert 0 <= one.start <= one.end <= len(text)


@pytest.mark.parametrize(
    "piece",
    ["curl ", "pip install ", "jupyter --NotebookApp.token=", "wget --", "x = !", "%%bash\n", "((((", "a.b?\n", "ls -"],
)
def test_hostile_cells_are_read_in_linear_time(piece: str) -> None:
    import time

    source = piece * (200_000 // len(piece))
    cell = Cell(1, "code", source, (1,) * (source.count("\n") + 1), columns=(1,) * (source.count("\n") + 1))

    start = time.process_time()
    split = magics.split(cell, parses)
    list(shell.detections("a.ipynb", cell, split.parts))
    list(shell.judge(source))

    assert time.process_time() - start < 4


def test_what_is_kept_of_a_cell_is_python() -> None:
    cell = read(json.dumps(notebook("%matplotlib inline\nx = !ls\n%time y = f(x)\nfor i in x:\n    !echo {i}\n")))[0]

    assert ast.parse("\n".join(magics.split(cell, parses).python))
