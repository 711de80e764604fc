"""No reader loses a package in silence, whatever the damage, and any bytes end in a manifest or a reason, in time."""

from __future__ import annotations

import ast
import configparser
import contextlib
import json
import shlex
import time
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from mlguard.artifacts import Artifact, kind_of
from mlguard.errors import Unreadable
from mlguard.findings import Gap
from mlguard.scanners import Context
from mlguard.scanners.dependencies import readers
from mlguard.scanners.dependencies.manifests import Manifest
from mlguard.scanners.dependencies.readers import encodings, jsonplaces, reader_of
from tests.dependencies import test_commands, test_formats, test_locks, test_pyproject
from tests.dependencies.reading import covered, loader
from tests.dependencies.test_requirements import _MUTATIONS, CORPUS, mutated

SAMPLES: dict[str, str] = {
    "requirements.txt": CORPUS["hashes"]["requirements.txt"] + CORPUS["direct"]["requirements.txt"],
    "pyproject.toml": test_pyproject.STANDARD + test_pyproject.OTHERS,
    "hatch.toml": '[envs.default]\ndependencies = ["a==1"]\n',
    "poetry/pyproject.toml": test_pyproject.POETRY,
    "uv/pyproject.toml": test_pyproject.UV,
    "pylock.toml": test_locks.PYLOCK,
    "uv.lock": test_locks.UV,
    "old/poetry.lock": test_locks.POETRY_OLD,
    "pdm.lock": test_locks.PDM,
    "Pipfile.lock": test_locks.PIPENV,
    "Pipfile": test_formats.PIPFILE,
    "setup.cfg": test_formats.SETUP_CFG,
    "setup.py": test_formats.SETUP_PY,
    "environment.yml": test_formats.ENVIRONMENT,
    "conda-lock.yml": test_formats.CONDA_LOCK,
    "pixi.lock": test_formats.PIXI_LOCK_6,
    "pixi.toml": test_formats.PIXI,
    "explicit.txt": test_formats.EXPLICIT,
    "meta.yaml": test_formats.META,
    "tox.ini": test_formats.TOX,
    "tox.toml": 'requires = ["tox>=4"]\n[env_run_base]\ndeps = ["pytest==7", "-r dev.txt"]\n',
    "noxfile.py": test_formats.NOX,
    "tool.py": test_formats.SCRIPT,
    "a.dist-info/METADATA": test_formats.METADATA,
    "Dockerfile": test_commands.DOCKERFILE,
    ".github/workflows/ci.yml": test_commands.WORKFLOW,
    "install.sh": test_commands.SHELL,
    "Makefile": test_commands.MAKEFILE,
    "a.ipynb": test_commands.notebook(["%pip install foo==1.0 \\\n", "  bar\n"], ["%%bash\n", "pip install x\n"]),
    ".pre-commit-config.yaml": test_commands.PRE_COMMIT,
    "job.yaml": "spec:\n  args: [python, -m, pip, install, foo==1.0]\n  command: pip install bar\n  pip:\n  - baz==1\n",
    "a.ps1": "pip install foo==1.0 `\n  bar\n",
    "a.bat": "call pip install foo==1.0 ^\n  bar\n",
    "Jenkinsfile": "sh 'pip install foo==1.0'\nsh \"\"\"\n  pip install bar\n\"\"\"\n",
    "devcontainer.json": '{"postCreateCommand": "pip install foo==1.0", // no\n "onCreateCommand": ["pip", "install", "bar"],}\n',
    ".readthedocs.yaml": "version: 2\npython:\n  install:\n    - requirements: docs/x.txt\n",
}  # fmt: skip


def attempt(path: str, text: str) -> Manifest | None:
    """Return what a reader says, None for nothing. Any error but Unreadable fails the test."""
    kind = "python" if path == "tool.py" else kind_of(path, text.encode("utf-8", "replace")[:65536])
    reader = reader_of(path, kind) or reader_of(
        path, {"install.sh": "shell", "Dockerfile": "dockerfile", "a.ipynb": "notebook"}.get(path, "")
    )
    assert reader is not None
    with contextlib.suppress(Unreadable):
        return reader(path, text, loader({"dev.txt": text}))
    return None


def test_there_is_a_sample_of_every_format() -> None:
    words = {readers.format_of(path, kind_of(path, text.encode())) for path, text in SAMPLES.items()}

    known = set(readers._NAMES.values()) | {word for _, word in readers._PATTERNS} | set(readers._KINDS.values())
    assert known - words - readers.BINARY <= {"perhaps-requirements", "conda-lock", "explicit"} | words


@pytest.mark.parametrize("path", SAMPLES)
def test_every_sample_is_read(path: str) -> None:
    manifest = attempt(path, SAMPLES[path])

    assert manifest is not None and (manifest.components or manifest.troubles) and manifest.format


@pytest.mark.parametrize("path", SAMPLES)
@settings(max_examples=25, deadline=None)
@given(changes=_MUTATIONS)
def test_damage_ends_in_a_manifest_or_is_unreadable(path: str, changes: list[tuple[str, int, str]]) -> None:
    manifest = attempt(path, mutated(SAMPLES[path], changes))

    for part in manifest.components if manifest else ():
        assert part.place.line >= 1 and part.place.column >= 1 and part.name == canonicalize_name(part.name)


@pytest.mark.parametrize("path", SAMPLES)
@settings(max_examples=25, deadline=None)
@given(
    data=st.binary(max_size=400)
    | st.text(alphabet="[]{}\"'=#:,.-\n \\$abcpipinstall@!<>%", max_size=300).map(str.encode)
)
def test_any_bytes_end_in_a_manifest_or_are_unreadable(path: str, data: bytes) -> None:
    attempt(path, encodings.decode(data)[0])


@pytest.mark.parametrize("path", SAMPLES)
def test_cutting_a_file_short_at_any_place_is_no_error(path: str) -> None:
    text = SAMPLES[path]

    for at in range(0, len(text), max(1, len(text) // 150)):
        attempt(path, text[:at])


# ---- what an independent reader sees


def _names(items: Any) -> Iterator[str]:
    for item in items if isinstance(items, list) else []:
        try:
            yield str(canonicalize_name(Requirement(item).name))
        except (InvalidRequirement, TypeError):
            continue


def _locked(text: str) -> set[str]:
    document = tomllib.loads(text)
    found = set()
    for package in [*document.get("package", []), *document.get("packages", [])]:
        source = package.get("source", {})
        local = (
            {"virtual", "editable", "directory"} & set(source)
            or source.get("type") == "directory"
            or "directory" in package
        )
        if not local and "path" not in package:
            found.add(str(canonicalize_name(package["name"])))
    return found


def _pipfile(text: str) -> set[str]:
    document = tomllib.loads(text)
    return {str(canonicalize_name(name)) for group in ("packages", "dev-packages") for name in document.get(group, {})}


def _pipfile_lock(text: str) -> set[str]:
    document = json.loads(text)
    return {str(canonicalize_name(name)) for group in ("default", "develop") for name in document.get(group, {})}


def _setup_cfg(text: str) -> set[str]:
    parser = configparser.RawConfigParser(strict=False)
    parser.read_string(text)
    value = parser.get("options", "install_requires", fallback="")
    return set(_names([line.split(" #")[0].strip() for line in value.split("\n") if line.strip()]))


def _environment(text: str) -> set[str]:
    found = set()
    for item in yaml.safe_load(text)["dependencies"]:
        if isinstance(item, dict):
            found |= set(_names([str(one).split(" #")[0] for one in item.get("pip", [])]))
    return found


def _setup_py(text: str) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if (
            isinstance(node, ast.Assign)
            and isinstance(node.value, ast.List)
            and isinstance(node.targets[0], ast.Name)
            and node.targets[0].id == "BASE"
        ):
            found |= set(_names([one.value for one in node.value.elts if isinstance(one, ast.Constant)]))
    used = "install_requires=BASE" in text and "\nsetup(" in text
    return found if used else set()


def _shell(text: str) -> set[str]:
    found: set[str] = set()
    for line in text.split("\n"):
        if "\\" in line or line.count('"') + line.count("'") or not line.startswith("pip install "):
            continue
        words = shlex.split(line, comments=True)[2:]
        if words and not any(sign in line for sign in ";&|<>$`()#") and not any(word.startswith("-") for word in words):
            found |= set(_names(words))
    return found


def _script(text: str) -> set[str]:
    import re

    blocks = list(re.finditer(r"(?m)^# /// (?P<type>[a-zA-Z0-9-]+)$\s(?P<content>(^#(| .*)$\s)+)^# ///$", text))
    blocks = [one for one in blocks if one["type"] == "script"]
    if len(blocks) != 1:
        return set()
    content = "".join(
        line[2:] if line.startswith("# ") else line[1:] for line in blocks[0]["content"].splitlines(keepends=True)
    )
    return set(_names(tomllib.loads(content).get("dependencies", [])))


JUDGES: dict[str, Callable[[str], set[str]]] = {
    "pylock.toml": _locked, "uv.lock": _locked, "old/poetry.lock": _locked, "pdm.lock": _locked, "Pipfile": _pipfile, "Pipfile.lock": _pipfile_lock,
    "setup.cfg": _setup_cfg, "environment.yml": _environment, "setup.py": _setup_py, "tool.py": _script, "install.sh": _shell,
}  # fmt: skip


@pytest.mark.parametrize("path", JUDGES)
@settings(max_examples=80, deadline=None)
@given(changes=_MUTATIONS)
def test_what_another_reader_sees_in_a_damaged_file_is_a_component_or_said(
    path: str, changes: list[tuple[str, int, str]]
) -> None:
    text = SAMPLES[path] + ("pip install lone==1 pair>=2\npip install last\n" if path == "install.sh" else "")
    text = mutated(text, changes)
    try:
        seen = JUDGES[path](text)
    except (
        ValueError,
        TypeError,
        AttributeError,
        KeyError,
        SyntaxError,
        RecursionError,
        configparser.Error,
        yaml.YAMLError,
    ):
        return  # the other reader fails as well
    reader = reader_of(path, {"tool.py": "python", "install.sh": "shell"}.get(path, ""))
    assert reader is not None
    try:
        manifest = reader(path, text, loader({}))
    except Unreadable:
        return  # a gap for the whole file

    assert manifest is not None or not seen
    for name in seen:
        assert manifest is not None
        assert covered(manifest, name, -1) or any("line " in trouble.reason for trouble in manifest.troubles), (
            name,
            text,
        )


def test_undamaged_files_hold_all_that_another_reader_sees() -> None:
    for path, judge in JUDGES.items():
        manifest = attempt(path, SAMPLES[path])
        assert manifest is not None
        missing = judge(SAMPLES[path]) - {part.name for part in manifest.components} - set(manifest.covers)
        assert missing <= {"odd"}, (path, missing)  # of no version that can be read, which is said


# ---- time

_GROWING: dict[str, Callable[[int], str]] = {
    "environment.yml": lambda n: "dependencies:\n" + "".join(f"  - package{i}=={i}.0\n" for i in range(n)) + "  - pip:\n" + "".join(f"    - p{i}=={i}\n" for i in range(n)),
    "Pipfile.lock": lambda n: json.dumps({"_meta": {}, "default": {f"p{i}": {"version": f"=={i}", "hashes": ["sha256:" + "ab" * 32]} for i in range(n)}}, indent=1),
    "setup.cfg": lambda n: "[options]\ninstall_requires =\n" + "".join(f"    p{i}=={i}\n" for i in range(n)),
    "setup.py": lambda n: "from setuptools import setup\nsetup(install_requires=[" + "".join(f"'p{i}=={i}',\n" for i in range(n)) + "])\n",
    "tox.ini": lambda n: "[testenv]\ndeps =\n" + "".join(f"    p{i}=={i}\n" for i in range(n)),
    "explicit.txt": lambda n: "@EXPLICIT\n" + "".join(f"https://c.example.org/linux-64/p{i}-{i}.0-0.conda\n" for i in range(n)),
    "install.sh": lambda n: "".join(f"pip install p{i}=={i}\n" for i in range(min(n, 7_000))),
    "Makefile": lambda n: "a:\n" + "".join(f"\tpip install p{i}=={i}\n" for i in range(n)),
    "Dockerfile": lambda n: "FROM a\n" + "".join(f"RUN pip install p{i}=={i}\n" for i in range(n)),
    "meta.yaml": lambda n: "requirements:\n  run:\n" + "".join(f"    - p{i} =={i}\n" for i in range(n)),
    "noxfile.py": lambda n: "def tests(session):\n" + "".join(f"    session.install('p{i}=={i}')\n" for i in range(n)),
}  # fmt: skip


@pytest.mark.parametrize("path", _GROWING)
def test_time_grows_with_the_packages_and_no_faster(path: str) -> None:
    def seconds(count: int) -> float:
        text = _GROWING[path](count)
        best = 99.0
        for _ in range(3):
            begin = time.process_time()
            manifest = attempt(path, text)
            best = min(best, time.process_time() - begin)
        assert manifest is not None and len(manifest.components) >= count
        return best

    assert seconds(4_000) < 8 * 3 * max(seconds(500), 0.004)


_HOSTILE = [
    "pip install " * 80_000, "pip install " + "a " * 400_000, "pip install " + "$(" * 400_000, "pip install '" + "a" * 900_000, "RUN pip install \\\n" * 60_000,
    "[" * 900_000, "{" * 900_000, "- " * 400_000, "a: &a\n" * 100_000, "# /// script\n" * 70_000, "# /// script\n" + "#\n" * 400_000, "\n" * 900_000,
    "[a]\nb=\n" + " c\n" * 300_000, "requirements:\n" * 60_000, "x = (" * 150_000, "\t" * 900_000, "@EXPLICIT\n" + "https://a/" * 90_000, "'" * 900_000, "\\" * 900_000,
    "setup(" * 100_000, "Name: a\n" * 100_000, "a" * 900_000, "%pip install a\n" * 60_000, "{[a]b}\n" * 100_000, "[testenv]\ndeps = {[testenv]deps}\n" * 20_000,
]  # fmt: skip


@pytest.mark.parametrize("path", SAMPLES)
def test_a_third_of_a_megabyte_of_anything_ends_within_a_second(path: str) -> None:
    slow = []
    for number, text in enumerate(_HOSTILE):
        begin = time.process_time()
        attempt(path, text[:300_000])
        took = time.process_time() - begin
        if took > 1:
            slow.append((number, text[:20], round(took, 1)))

    assert slow == []


# ---- files as they lie on a disk


@pytest.mark.parametrize("path", SAMPLES)
@pytest.mark.parametrize(
    "data",
    [
        b"\x00" * 50,
        b"\xff\xfea\x00",
        b"\xff" * 20,
        "é".encode("latin-1"),
        b"pip install \xff\xff==1\n",
        b"# coding: nope\n",
    ],
)
def test_odd_bytes_on_disk_are_no_error(path: str, data: bytes, tmp_path: Path) -> None:
    target = tmp_path / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)
    kind = {"tool.py": "python"}.get(path, kind_of(path, data))

    with contextlib.suppress(Unreadable):
        readers.read(Artifact(path, kind, len(data)), Context(tmp_path))


def test_a_file_that_is_too_large_is_unreadable(tmp_path: Path) -> None:
    with open(tmp_path / "requirements.txt", "wb") as file:
        file.truncate(17 * 2**20)

    with pytest.raises(Unreadable, match="larger than the limit"):
        readers.read(Artifact("requirements.txt", "requirements", 17 * 2**20), Context(tmp_path))


@settings(max_examples=300, deadline=None)
@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=4), max_leaves=12).filter(lambda one: isinstance(one, dict)), st.sampled_from([None, 1]), st.booleans())  # fmt: skip
def test_the_place_of_every_key_of_json_holds_that_key(
    document: dict[str, Any], indent: int | None, plain: bool
) -> None:
    text = json.dumps(document, indent=indent, ensure_ascii=plain)
    keys = jsonplaces.Keys("x.json", text)

    def visit(value: Any, path: tuple[str, ...]) -> None:
        if isinstance(value, dict) and len(path) < jsonplaces.MAX_LEVELS:
            for key, inner in value.items():
                start, end = keys.found[(*path, key)]
                assert json.loads(text[start:end]) == key
                visit(inner, (*path, key))

    visit(document, ())


def test_gaps_never_quote_what_stands_in_the_file(tmp_path: Path) -> None:
    word = "".join(["hid", "den", "word"])
    from tests.scanning import scan

    for path in SAMPLES:
        target = tmp_path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(f"{word} = [{word}\n pip install {word} {word}:{word}\n")

    report = scan(tmp_path, ("dependencies",))

    assert all(
        word not in gap.reason
        for gap in report.gaps
        if isinstance(gap, Gap) and "could not be audited of" not in gap.reason
    )
