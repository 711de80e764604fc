"""What image builds, pipelines, scripts, Makefiles and notebooks install is read on its line, by the parsers of infrastructure."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlguard.facts import Package
from mlguard.findings import Detection, Gap
from mlguard.scanners.dependencies.readers import installs
from tests.dependencies.reading import pins, read, reasons, text_of
from tests.scanning import found, scan

DOCKERFILE = """\
FROM python:3.11 AS base
ARG TORCH=2.1.0
ENV LEVEL=1 OTHER=3.0
RUN pip install --no-cache-dir torch==${TORCH} \\
    "numpy>=1.20" \\
    # a comment
    foo==$UNKNOWN other==$OTHER && python -m pip install -U pip setuptools
RUN pip install -r /tmp/requirements.txt -c limits.txt -r /tmp/gone.txt --extra-index-url https://me:word@second.example.org/simple
RUN ["pip", "install", "exec==1.0"]
RUN bash -lc "pip install inner==2.0 && conda install -y -c pytorch pytorch=2.1 cudatoolkit"
RUN <<END
uv pip install --system heredoc==3.0
END
RUN uv add "x>=1" y@1.2.3 && poetry add z@^2.0 && uvx ruff@0.6.0 check . && pipx run black==24.0 .
RUN pip install git+https://code.example.org/b.git@main#egg=b ./local -e . https://files.example.org/w-1.0-py3-none-any.whl
RUN --mount=type=cache,target=/root/.cache pip install $(cat list.txt) && pip-sync synced.txt
RUN apt-get install -y python3-pip && echo pip install nothing==1
"""


def test_a_dockerfile_is_read_with_the_line_of_each_package() -> None:
    files = {"requirements.txt": "a==1\n", "limits.txt": "l==1\n", "synced.txt": "s==1\n"}

    manifest = read("docker/Dockerfile", DOCKERFILE, files)

    assert [(p.name, p.version or p.specifier, p.place.line, p.origin) for p in manifest.components] == [
        ("torch", "2.1.0", 4, "index"), ("numpy", ">=1.20", 5, "index"), ("foo", "", 7, "index"), ("other", "3.0", 7, "index"),
        ("pip", "", 7, "index"), ("setuptools", "", 7, "index"), ("l", "1", 1, "index"), ("exec", "1.0", 9, "index"), ("inner", "2.0", 10, "index"),
        ("pytorch", "=2.1", 10, "conda"), ("cudatoolkit", "", 10, "conda"), ("heredoc", "3.0", 12, "index"), ("x", ">=1", 14, "index"),
        ("y", "1.2.3", 14, "index"), ("z", "", 14, "index"), ("ruff", "0.6.0", 14, "index"), ("black", "24.0", 14, "index"), ("b", "", 15, "git"),
        ("", "", 15, "path"), ("", "", 15, "path"), ("w", "1.0", 15, "url"), ("s", "1", 1, "index"),
    ]  # fmt: skip
    said = reasons(manifest)
    assert (
        "line 7 installs what depends on a variable" in said and "line 16 installs what depends on a variable" in said
    )
    assert "line 8 installs from a file that is not in the tree" in said
    assert text_of(manifest.components[1], {"docker/Dockerfile": DOCKERFILE}) == "numpy>=1.20"
    assert "word" not in repr(manifest) and manifest.kind == "command" and manifest.judged


WORKFLOW = """\
on: push
env: {V: "1"}
jobs:
  a:
    runs-on: x
    steps:
      - run: pip install foo==1.0 bar
      - run: |
          python -m pip install --upgrade pip

          pip install -r requirements.txt
          pip install "baz>=1" \\
             qux==2.0
      - run: >
          pip install
          folded==1.0
      - run: "pip install quoted==1.0"
      - run: pip install torch==${{ matrix.torch }} ${{ matrix.more }}
      - name: pip install named==0
        with: {text: "pip install never==0"}
"""


def test_a_workflow_is_read_in_every_style_of_yaml() -> None:
    manifest = read(".github/workflows/ci.yml", WORKFLOW, {"requirements.txt": ""})

    assert pins(manifest) == [
        ("foo", "1.0", 7), ("bar", "", 7), ("pip", "", 9), ("baz", ">=1", 12), ("qux", "2.0", 13), ("folded", "1.0", 16), ("quoted", "1.0", 17), ("torch", "", 18),
    ]  # fmt: skip
    assert reasons(manifest) == ["line 18 installs what depends on a variable"]


@pytest.mark.parametrize(
    ("path", "text", "line"),
    [
        (".gitlab-ci.yml", "a:\n  before_script:\n    - pip install foo==1.0\n  script: [x]\n", 3), (".gitlab-ci.yml", ".x: &x\n  - pip install foo==1.0\na:\n  script: *x\n", 2),
        ("azure-pipelines.yml", "steps:\n- script: |\n    pip install foo==1.0\n", 3), ("azure-pipelines.yml", "steps:\n- bash: pip install foo==1.0\n", 2),
        (".circleci/config.yml", "jobs:\n  a:\n    steps:\n      - run: {command: pip install foo==1.0}\n", 4), (".travis.yml", "install:\n  - pip install foo==1.0\n", 2),
        ("action.yml", "runs:\n  using: composite\n  steps:\n    - run: pip install foo==1.0\n      shell: bash\n", 4),
        ("bitbucket-pipelines.yml", "pipelines:\n  default:\n    - step:\n        script:\n          - pip install foo==1.0\n", 5),
        ("buildspec.yml", "phases:\n  install:\n    commands:\n      - pip install foo==1.0\n", 4), ("cloudbuild.yaml", "steps:\n- args: ['-c', 'pip install foo==1.0']\n", 2),
        ("Taskfile.yml", "tasks:\n  a:\n    cmds:\n      - pip install foo==1.0\n", 4),
    ],
)  # fmt: skip
def test_pipelines_of_every_system_are_read(path: str, text: str, line: int) -> None:
    assert pins(read(path, text))[-1] == ("foo", "1.0", line)


SHELL = """\
#!/bin/bash
set -e
V=1.5
pip3 install foo==$V bar==2.0 # c
sudo -H python3 -m pip install --user 'baz[extra]>=1; python_version<"3.9"'
conda install -c conda-forge --file more.txt numpy=1.26 "scipy>=1" python=3.10
for p in a b; do pip install $p; done
if pip install x; then echo; fi
uv run --with rich==13.0 script.py
PIP_INDEX_URL=x pip install --index-url=http://plain.example.org/simple y==1 2>&1 | tee log
cat <<END > r.txt
pip install inside==1
END
pip install z==1 > /dev/null && pip uninstall -y gone; pip list; pip freeze
"""


def test_a_shell_script_is_read() -> None:
    manifest = read("install.sh", SHELL, {"more.txt": "m==1\n"})

    got = [
        (p.name, p.version or p.specifier, p.place.line, p.origin) for p in manifest.components if p.name != "inside"
    ]
    assert got == [
        ("foo", "1.5", 4, "index"), ("bar", "2.0", 4, "index"), ("baz", ">=1", 5, "index"), ("m", "1", 1, "index"), ("numpy", "=1.26", 6, "conda"),
        ("scipy", ">=1", 6, "conda"), ("python", "=3.10", 6, "conda"), ("x", "", 8, "index"), ("rich", "13.0", 9, "index"), ("y", "1", 10, "index"),
        ("z", "1", 14, "index"),
    ]  # fmt: skip
    assert "line 7 installs what depends on a variable" in reasons(manifest)
    assert [(index.check, index.place.line) for index in manifest.indexes] == [("http-index", 10)]


MAKEFILE = """\
PIP = pip3
VER := 1.2
all: deps
deps:
\t@$(PIP) install foo==$(VER) bar==2
\t-$(PYTHON) -m pip install \\
\t\tbaz==3.0 $$EXTRA
one: ; pip install inline==1
"""


def test_a_makefile_is_read() -> None:
    manifest = read("Makefile", MAKEFILE)

    assert pins(manifest) == [("foo", "1.2", 5), ("bar", "2", 5), ("baz", "3.0", 7), ("inline", "1", 8)]
    assert reasons(manifest) == ["line 7 installs what depends on a variable"] or reasons(manifest) == [
        "line 6 installs what depends on a variable"
    ]


def notebook(*cells: str | list[str], **more: object) -> str:
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, **more, "cells": [
        {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None, "source": cell} for cell in cells
    ]}, indent=1)  # fmt: skip


def test_a_notebook_is_read_with_the_line_in_its_file() -> None:
    text = notebook(
        ["%pip install -q foo==1.0 'bar>=2'\n", "!pip install baz\n", "!{sys.executable} -m pip install qux==2.0\n", "print('pip install no==1')\n"],
        ["%%bash\n", "pip install shell==1.0\n", "conda install numpy"],
        ["pip install bare==1\n"], ["out = !pip install kept==1\n"], ["%conda install -y scipy=1.11\n"], ["!pip install {name}\n"], ["# !pip install no==2\n"],
        ["!pip install long==1 \\\n", "    more==2\n"],
    )  # fmt: skip

    manifest = read("a.ipynb", text)

    rows = text.split("\n")
    assert [(p.name, p.version or p.specifier) for p in manifest.components] == [
        ("foo", "1.0"), ("bar", ">=2"), ("baz", ""), ("qux", "2.0"), ("shell", "1.0"), ("numpy", ""), ("bare", "1"), ("kept", "1"), ("scipy", "=1.11"),
        ("long", "1"), ("more", "2"),
    ]  # fmt: skip
    for part in manifest.components:
        assert rows[part.place.line - 1][part.place.column - 1 :].startswith(part.name), part
    assert len([reason for reason in reasons(manifest) if "depends on a variable" in reason]) == 1


PRE_COMMIT = """\
repos:
  - repo: https://code.example.org/mirrors-mypy
    rev: v1.0
    hooks:
      - id: mypy
        additional_dependencies: [types-requests==2.31, "pydantic>=2"]
      - id: prettier
        language: node
        additional_dependencies: ["prettier@3.0.0"]
      - id: eslint
        additional_dependencies: ["eslint@8.1.0", "@scope/x@1.0"]
"""


def test_the_hooks_of_pre_commit_are_read() -> None:
    assert pins(read(".pre-commit-config.yaml", PRE_COMMIT)) == [("types-requests", "2.31", 6), ("pydantic", ">=2", 6)]


def test_read_the_docs_installs_from_files() -> None:
    text = "version: 2\npython:\n  install:\n    - requirements: docs/deps.list\n    - requirements: docs/gone.list\n    - path: .\n"

    manifest = read(".readthedocs.yaml", text, {"docs/deps.list": "sphinx==7\n"})

    assert [(p.name, p.place.path, p.place.line) for p in manifest.components] == [("sphinx", "docs/deps.list", 1)]
    assert reasons(manifest) == ["line 5 installs from a file that is not in the tree"]


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ("pip install a", [("", "a")]), ("pip3.11 install a b", [("", "a"), ("", "b")]), ("python3 -m pip install a", [("", "a")]),
        ("python -W ignore -m pip install a", [("", "a")]), ("pip --no-cache-dir install -q a", [("", "a")]), ("pip install -r r.txt", [("-r", "r.txt")]),
        ("pip install --requirement=r.txt", [("-r", "r.txt")]), ("pip install -rr.txt", [("-r", "r.txt")]), ("pip install -e .", [("-e", ".")]),
        ("pip install --target /x a", [("", "a")]), ("pip install -t /x a", [("", "a")]), ("pip install -i http://x a", [("--index-url", "http://x"), ("", "a")]),
        ("pip download a", [("", "a")]), ("pip wheel -w out a", [("", "a")]), ("uv pip install a", [("", "a")]), ("uv pip sync r.txt", [("-r", "r.txt")]),
        ("uv tool install a@1", [("", "a@1")]), ("uvx --from a b", [("", "a")]), ("uvx --with c a x y", [("", "c"), ("", "a")]), ("uv run --with a,b x", [("", "a"), ("", "b")]),
        ("uv run pip install a", [("", "a")]), ("poetry run pip install a", [("", "a")]), ("conda run -n e pip install a", [("", "a")]), ("pdm add a", [("", "a")]),
        ("pipenv install a", [("", "a")]), ("pipx inject b a", [("", "a")]), ("pip-sync a.txt b.txt", [("-r", "a.txt"), ("-r", "b.txt")]), ("poetry self add a", [("", "a")]),
        ("env X=1 pip install a", [("", "a")]), ("timeout 5 pip install a", [("", "a")]), ("/usr/bin/pip install a", [("", "a")]), ("$PYTHON -m pip install a", [("", "a")]),
        ("pip install a > log", [("", "a")]), ("pip install a 2>&1", [("", "a")]), ("pip install --group dev a", [("", "a")]), ("uv add --dev a", [("", "a")]),
        ("uv add --script x.py a", [("", "a")]), ("easy_install a", [("", "a")]), ("rye add a", [("", "a")]), ("docker exec -it c pip install a", [("", "a")]),
        ("xargs -n1 pip install a", [("", "a")]), ("srun --pty python -m pip install a", [("", "a")]),
    ],
)  # fmt: skip
def test_what_a_command_installs(command: str, arguments: list[tuple[str, str]]) -> None:
    found = installs.of(tuple(command.split()))

    assert found is not None
    assert [(one.option, one.text) for one in installs.arguments(found.words, found.files)] == arguments


@pytest.mark.parametrize(
    "command",
    ["pip list", "pip uninstall a", "pip freeze", "python -m venv x", "python setup.py install", "npm install a", "apt install a", "uv sync", "uv lock",
     "poetry install", "conda env create -f e.yml", "conda activate x", "pipenv run x", "pip", "", "uv", "python -m", "echo pip install a", "gem install a"],
)  # fmt: skip
def test_what_installs_nothing_by_name(command: str) -> None:
    assert installs.of(tuple(command.split())) is None


def test_a_loose_install_is_one_finding_and_not_two(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM python:3.11@sha256:" + "ab" * 32 + "\nRUN pip install flask\nUSER app\n")
    (tmp_path / "install.sh").write_text("#!/bin/sh\npip install flask\n")
    (tmp_path / "a.ipynb").write_text(notebook(["%pip install flask\n"]))

    report = scan(tmp_path, ("dependencies", "infra"))

    places = [(f.location.path, f.location.line) for f in report.findings if f.rule == "dep/unpinned-dependency"]
    assert sorted(places) == sorted(set(places))
    assert {path for path, _ in places} == {"Dockerfile", "install.sh", "a.ipynb"}
    assert found(report)


def test_packages_of_commands_are_facts_and_gaps(tmp_path: Path) -> None:
    (tmp_path / "install.sh").write_text("#!/bin/sh\npip install flask==1.0 $MORE\n")

    report = scan(tmp_path, ("dependencies",))

    assert [(fact.name, fact.version, fact.line) for fact in report.facts if isinstance(fact, Package)] == [
        ("flask", "1.0", 2)
    ]
    assert any(isinstance(gap, Gap) and "depends on a variable" in gap.reason for gap in report.gaps)
    assert not any(isinstance(one, Detection) for one in report.gaps)
