"""Releases that get no fixes any more are told wherever they are named, by the day of the run."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlguard import tables
from mlguard.artifacts import Artifact
from mlguard.scanners.dependencies import runtimes, surroundings
from tests.scanning import found, scan

RULE = "dep/end-of-life-runtime"
DAY = date(2026, 11, 28)
SETTINGS = {"dependencies": {"today": DAY.isoformat()}}


def told(root: Path, today: str = DAY.isoformat()) -> list[tuple[str, int]]:
    report = scan(root, ["dependencies"], settings={"dependencies": {"today": today}})
    return [(path, line) for path, line, _ in found(report, RULE)]


@pytest.mark.parametrize(
    ("version", "ended"),
    [
        ("2.7", True), ("2", True), ("3.6", True), ("3.8", True), ("3.8.18", True), ("3.8-slim", True), ("python-3.9.1", True), ("py38", True),
        ("py310", True), ("cpython-3.7", True), ("3.1", True), ("3.10", True), ("3.11", False), ("3.13", False), ("3", False), ("3.99", False),
        ("pypy3.9", False), ("", False), ("latest", False), ("3.12-alpine", False),
    ],
)  # fmt: skip
def test_release_of_python_is_judged_by_its_day(version: str, ended: bool) -> None:
    assert (runtimes.python(version, DAY) is not None) == ended


@pytest.mark.parametrize(
    ("specifier", "ended"),
    [
        ("<3.9", True), (">=3.7,<3.9", True), ("~=3.8.0", True), ("==3.8.*", True), ("3.8", True), ("^2.7", True), ("~3.9", True), ("=3.7", True),
        (">=3.6,<3.11", True), ("==3.9.13", True), (">=3.8", False), (">=3.7,<4", False), ("^3.8", False), ("*", False), ("", False), (">=2.7", False),
        ("!=3.8.*", False), ("nonsense", False), (">=3.10,<3.13", False), ("<=3.12", False),
    ],
)  # fmt: skip
def test_set_of_versions_has_ended_when_it_allows_no_other(specifier: str, ended: bool) -> None:
    assert (runtimes.only_ended(specifier, DAY) is not None) == ended


@pytest.mark.parametrize(
    ("requirement", "ended"),
    [
        ("tensorflow==1.15.5", True), ("tensorflow<2", True), ("tensorflow>=1.14,<2.0", True), ("tensorflow~=1.15", True), ("tensorflow==1.*", True),
        ("tensorflow-gpu==2.10.0", True), ("torch==1.13.1+cu117", True), ("torch<=1.13", True), ("django>=3.2,<4", True), ("Django~=4.2.0", True),
        ("django==5.2", False), ("flask==2.3.3", True), ("flask==3.0.0", False), ("theano", True), ("mxnet>=1.9", True), ("gym==0.26", True),
        ("numpy==1.26.4", True), ("numpy==2.1.0", False), ("numpy<2", True), ("keras==2.15.0", True), ("keras>=3", False), ("pydantic<2", True),
        ("pandas==1.5.3", True), ("pandas>=1.5", False), ("tensorflow>=1.15", False), ("torch", False), ("torch>=1.9", False), ("torch!=1.9", False),
        ("scikit-learn==0.24.2", True), ("apache-airflow==2.9.0", True), ("pyspark==3.5.1", False), ("openai==0.28.1", True), ("requests==2.0", False),
    ],
)  # fmt: skip
def test_framework_has_ended_when_all_that_is_allowed_has(tmp_path: Path, requirement: str, ended: bool) -> None:
    (tmp_path / "requirements.txt").write_text(f"# first line\n{requirement}\n")

    expected = [("requirements.txt", 2)] if ended else []
    assert told(tmp_path) == expected


def test_same_tree_gives_the_same_and_another_day_another_report(tmp_path: Path) -> None:
    (tmp_path / ".python-version").write_text("3.11.4\n")

    assert told(tmp_path) == told(tmp_path) == []
    assert told(tmp_path, "2027-10-31") == []
    assert told(tmp_path, "2027-11-01") == [(".python-version", 1)]


FILES: dict[str, tuple[str, str, list[int]]] = {
    "pyproject": ("pyproject.toml", '[project]\nname = "a"\nversion = "1"\nrequires-python = "<3.9"\n', [4]),
    "poetry": ("pyproject.toml", '[tool.poetry]\nname = "a"\n[tool.poetry.dependencies]\npython = "~3.8"\nnumpy = "*"\n', [4]),
    "setup.cfg": ("setup.cfg", "[metadata]\nname = a\n[options]\npython_requires = >=3.6, <3.9\ninstall_requires =\n    requests\n", [4]),
    "setup.py": ("setup.py", "from setuptools import setup\nsetup(\n    name='a',\n    python_requires='<3.9',\n    install_requires=['requests'],\n)\n", [4]),
    "Pipfile": ("Pipfile", '[packages]\nrequests = "*"\n\n[requires]\npython_version = "3.8"\n', [5]),
    "conda": ("environment.yml", "dependencies:\n  - python=3.7\n  - pytorch=1.9\n  - numpy\n", [2, 3]),
    "conda new": ("environment.yml", "dependencies:\n  - python>=3.7\n  - pytorch\n", []),
    "docker": ("Dockerfile", "FROM python:3.8-slim AS a\nFROM --platform=linux/amd64 docker.io/library/python:2.7\nFROM python:3.13\n", [1, 2]),
    "docker argument": ("Dockerfile", "ARG VERSION=3.7\nFROM python:${VERSION}-slim\n", [2]),
    "docker unknown argument": ("Dockerfile", "ARG VERSION\nFROM python:${VERSION}-slim\n", []),
    "cuda": ("Dockerfile", "FROM nvidia/cuda:10.2-base\nFROM nvcr.io/nvidia/cuda:12.4.1-runtime-ubuntu22.04\n", [1]),
    "tensorflow image": ("Dockerfile", "FROM tensorflow/tensorflow:1.15.5-gpu-py3\n", [1]),
    "compose": ("compose.yaml", "services:\n  a:\n    image: python:3.8\n  b:\n    image: python:3.13\n", [3]),
    "gitlab": (".gitlab-ci.yml", "image: python:3.7\nt:\n  script: [pytest]\n", [1]),
    "setup-python": (".github/workflows/a.yml", "on: push\njobs:\n  a:\n    steps:\n      - uses: actions/setup-python@v5\n        with:\n          python-version: 3.8\n", [7]),
    "matrix of old ones": (".github/workflows/a.yml", "on: push\njobs:\n  a:\n    strategy:\n      matrix:\n        python-version: ['3.7', '3.8']\n    steps: []\n", [6]),
    "block of old ones": (".github/workflows/a.yml", "on: push\njobs:\n  a:\n    strategy:\n      matrix:\n        python-version:\n          - '3.7'\n          - '3.8'\n    steps: []\n", [7]),
    "matrix with a new one": (".github/workflows/a.yml", "on: push\njobs:\n  a:\n    strategy:\n      matrix:\n        python-version: ['3.8', '3.13']\n    steps: []\n", []),
    "container": (".github/workflows/a.yml", "on: push\njobs:\n  a:\n    container: python:3.8\n    steps: []\n", [4]),
    "azure": ("azure-pipelines.yml", "steps:\n  - task: UsePythonVersion@0\n    inputs:\n      versionSpec: '3.7'\n", [4]),
    "runtime.txt": ("runtime.txt", "python-3.8.10\n", [1]),
    "tool-versions": (".tool-versions", "nodejs 20.1.0\npython 3.8.10\n", [2]),
    "tox": ("tox.ini", "[tox]\nenvlist = py37, py38\n[testenv]\ncommands = pytest\n", [2]),
    "tox with a new one": ("tox.ini", "[tox]\nenv_list =\n    py38\n    py313\n", []),
    "comment": ("Dockerfile", "# FROM python:3.8\nFROM python:3.13\n", []),
    "other key": (".github/workflows/a.yml", "on: push\njobs:\n  a:\n    steps:\n      - uses: actions/setup-node@v4\n        with:\n          node-version: 3.8\n", []),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_place_that_names_an_ended_release_is_told(tmp_path: Path, name: str) -> None:
    path, text, lines = FILES[name]
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / path).write_text(text)

    assert told(tmp_path) == [(path, line) for line in lines]


def test_each_entry_of_the_table_has_a_day_and_a_source() -> None:
    table = tables.table("runtimes-eol")
    entries = [*table["python"], *(entry for found in table["packages"].values() for entry in found)]
    entries += [entry for entry in table["images"] if "ended" in entry]

    assert len(entries) > 45
    assert [
        entry
        for entry in entries
        if not date.fromisoformat(entry["ended"]) or not entry["source"].startswith("https://")
    ] == []


@given(
    st.text(max_size=200),
    st.sampled_from(
        ["Dockerfile", ".github/workflows/a.yml", "tox.ini", ".python-version", "pip.conf", ".condarc", "compose.yaml"]
    ),
)
@settings(max_examples=300, deadline=None)
def test_any_text_ends_in_records(text: str, path: str) -> None:
    kind = {"Dockerfile": "dockerfile", ".github/workflows/a.yml": "workflow"}.get(path, "text")

    list(surroundings.records(Artifact(path, kind, len(text)), text, DAY))


@pytest.mark.parametrize(
    "line",
    [
        "python-version: [" + "3.8, " * 20_000,
        "PIP_EXTRA_INDEX_URL " * 50_000,
        "FROM " + "$A" * 200_000,
        "env_list = " + "py38," * 200_000,
    ],
)
def test_long_lines_end_in_time(line: str) -> None:
    import time

    before = time.process_time()
    for path, kind in (("Dockerfile", "dockerfile"), (".github/workflows/a.yml", "workflow"), ("tox.ini", "ini")):
        list(surroundings.records(Artifact(path, kind, len(line)), line, DAY))
        list(surroundings.records(Artifact(path, kind, len(line)), (line[:60] + "\n") * 15_000, DAY))

    assert time.process_time() - before < 6
