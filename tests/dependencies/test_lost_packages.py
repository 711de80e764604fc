"""Packages that once were lost in silence are read, and what comes from outside of the tree or another index is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlguard.findings import Gap
from tests.dependencies.reading import pins, read, reasons
from tests.dependencies.records import record
from tests.dependencies.test_auditing import HASH, make, of, scan
from tests.scanning import scan as whole_scan


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        ("setup.cfg", "[options]\ninstall-requires = foo==1.0\n", [("foo", "1.0", 2)]),
        ("setup.cfg", "[options.extras-require]\na = foo==1.0\n", [("foo", "1.0", 2)]),
        ("pyproject.toml", '[tool.flit.metadata]\ndev-requires = ["foo==1.0"]\n', [("foo", "1.0", 2)]),
        ("pyproject.toml", '[tool.hatch.env]\nrequires = ["foo==1.0"]\n', [("foo", "1.0", 2)]),
        ("pyproject.toml", '[tool.cibuildwheel]\nbefore-build = "pip install foo==1.0"\n', [("foo", "1.0", 2)]),
        ("pyproject.toml", '[tool.poe.tasks.setup]\nsequence = ["pip install foo==1.0"]\n', [("foo", "1.0", 2)]),
        ("tox.ini", "[testenv]\ncommands_pre =\n    - pip install \\\n      foo==1.0\ncommands = pip install bar==2\n", [("bar", "2", 5), ("foo", "1.0", 4)]),
        ("requirement.txt", "foo==1.0\n", [("foo", "1.0", 1)]),
        ("requirements-dev.lock", "foo==1.0\n", [("foo", "1.0", 1)]),
        ("requirements/ci/lint.txt", "foo==1.0\n", [("foo", "1.0", 1)]),
        ("train_dockerfile", "FROM x\nRUN pip install foo==1.0\n", [("foo", "1.0", 2)]),
    ],
)  # fmt: skip
def test_package_is_read_on_its_line(path: str, text: str, expected: list[tuple[str, str, int]]) -> None:
    assert pins(read(path, text)) == expected


def test_what_the_root_of_a_workspace_says_of_sources_counts_for_its_members() -> None:
    root = '[tool.uv.workspace]\nmembers = ["apps/*"]\n[tool.uv.sources]\nshared = { workspace = true }\n'
    member = '[project]\nname = "a"\ndependencies = ["shared", "foo==1.0"]\n'

    manifest = read("apps/a/pyproject.toml", member, {"pyproject.toml": root})

    assert [(part.name, part.origin) for part in manifest.components] == [("shared", "path"), ("foo", "index")]


@pytest.mark.parametrize("line", ["foo @ file:///croot/foo/work", "-e /home/me/foo", "../outside", "./../../x"])
def test_a_path_out_of_the_tree_is_a_gap(line: str, tmp_path: Path) -> None:
    found = scan(tmp_path, f"{line}\n", database=make(tmp_path, record("PYSEC-1", "bar")))

    assert ["could not be audited" in gap.reason for gap in of(Gap, found)] == [True]


@pytest.mark.parametrize("line", ["-e .", "./libs/foo", "foo @ file:libs/foo"])
def test_a_path_in_the_tree_is_none(line: str, tmp_path: Path) -> None:
    found = scan(tmp_path, f"{line}\n", database=make(tmp_path, record("PYSEC-1", "bar")))

    assert of(Gap, found) == []


@pytest.mark.parametrize(
    ("path", "text", "open_one"),
    [
        ("requirements.txt", f"--index-url https://corp.example.org/simple\nfoo==1.0 {HASH}\n", True),
        ("requirements.txt", f"--extra-index-url https://corp.example.org/simple\nfoo==1.0 {HASH}\n", True),
        ("requirements.txt", f"--extra-index-url https://download.pytorch.org/whl/cpu\nfoo==1.0 {HASH}\n", False),
        ("requirements.txt", f"--index-url https://corp.example.org/simple\nbar==1.0 {HASH}\n", False),
        ("Dockerfile", "FROM x\nENV PIP_INDEX_URL=https://corp.example.org/simple\nRUN pip install foo==1.0\n", True),
        ("pyproject.toml", '[project]\nname = "x"\ndependencies = ["foo==1.0"]\n[[tool.uv.index]]\nurl = "https://corp.example.org/"\ndefault = true\n', True),
        ("pyproject.toml", '[project]\nname = "x"\ndependencies = ["foo==1.0"]\n[[tool.uv.index]]\nname = "c"\nurl = "https://corp.example.org/"\nexplicit = true\n', False),
    ],
)  # fmt: skip
def test_a_package_of_another_index_that_no_advisory_names_is_a_gap(
    path: str, text: str, open_one: bool, tmp_path: Path
) -> None:
    database = make(tmp_path, record("PYSEC-1", "bar", events=[{"introduced": "2.0"}]))

    found = scan(tmp_path, text, path, database=database)
    mirrored = scan(tmp_path, text, path, database=database, mirrors=["corp.example.org"])

    told = [gap for gap in of(Gap, found) if "another index" in gap.reason]
    assert len(told) == open_one and all("foo" in gap.reason for gap in told)
    assert not any("another index" in gap.reason for gap in of(Gap, mirrored))


def test_the_index_of_a_pip_conf_counts_for_all_manifests(tmp_path: Path) -> None:
    (tmp_path / "pip.conf").write_text("[global]\nindex-url = https://corp.example.org/simple\n")
    (tmp_path / "requirements.txt").write_text(f"foo==1.0 {HASH}\n")
    make(tmp_path, record("PYSEC-1", "bar"))

    report = whole_scan(tmp_path, ("dependencies",), {"dependencies": {"database": "db"}})

    assert any("another index" in gap.reason for gap in report.gaps)


def test_a_list_that_only_its_include_says_to_be_one_is_read() -> None:
    files = {"deps.txt": "# we need\nThis is what we need:\nmore words here\nand here too\nfoo==1.0\n"}

    manifest = read("Dockerfile", "FROM x\nRUN pip install -r deps.txt\n", files)

    assert "foo" in {part.name for part in manifest.components} and reasons(manifest)
