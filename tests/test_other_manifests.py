"""The manifests of Pipenv, setuptools and conda are audited like the others, or named as gaps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlguard.errors import Unreadable
from mlguard.facts import Package
from mlguard.findings import Detection, Gap
from mlguard.scanners.dependencies.readers import reader_of
from tests.test_dependencies import scan

PIPFILE = '[packages]\nleft = "*"\nright = "==1.0"\nown = {path = "."}\nrepo = {git = "https://git.example/r.git", ref = "main"}\n'
LOCK = json.dumps(
    {
        "_meta": {"sources": [{"url": "http://pypi.corp.example/simple"}]},
        "default": {"left": {"version": "==2.0", "hashes": ["sha256:" + "ab" * 32]}},
        "develop": {"tester": {"version": "==3.0", "hashes": []}},
    }
)


def packages(root: Path, tree: dict[str, str]) -> set[tuple[str, str, str]]:
    return {(fact.path, fact.name, fact.version) for fact in scan(root, tree) if isinstance(fact, Package)}


def gaps(root: Path, tree: dict[str, str]) -> list[str]:
    return [gap.reason for gap in scan(root, tree) if isinstance(gap, Gap)]


def rules(root: Path, tree: dict[str, str]) -> set[tuple[str, str]]:
    return {(found.location.path, found.rule) for found in scan(root, tree) if isinstance(found, Detection)}


def test_a_pipfile_without_a_lock_is_reported(tmp_path: Path) -> None:
    assert rules(tmp_path, {"Pipfile": PIPFILE}) == {
        ("Pipfile", "dep/unpinned-dependency"),
        ("Pipfile", "dep/unpinned-git-dependency"),
    }


def test_a_lock_of_pipenv_pins_the_pipfile_beside_it(tmp_path: Path) -> None:
    tree = {"Pipfile": '[packages]\nleft = "*"\n', "Pipfile.lock": LOCK}

    assert packages(tmp_path, tree) >= {("Pipfile.lock", "left", "2.0"), ("Pipfile.lock", "tester", "3.0")}
    assert ("Pipfile", "dep/unpinned-dependency") not in rules(tmp_path, tree)
    assert ("Pipfile.lock", "dep/dependency-confusion") in rules(tmp_path, tree)


def test_pip_packages_of_a_conda_environment_are_read_and_its_own_are_a_gap(tmp_path: Path) -> None:
    text = "name: x\ndependencies:\n  - python=3.11\n  - numpy=1.26\n  - pip:\n    - left==2.0\n    - -r nowhere.txt\n"

    assert packages(tmp_path, {"environment.yml": text}) == {
        ("environment.yml", "left", "2.0"), ("environment.yml", "python", ""), ("environment.yml", "numpy", ""),
    }  # fmt: skip
    purls = {fact.purl for fact in scan(tmp_path, {"environment.yml": text}) if isinstance(fact, Package)}
    assert purls == {
        "pkg:pypi/left@2.0",
        "pkg:conda/python",
        "pkg:conda/numpy",
    }  # none is taken for a Python package of that name
    reasons = gaps(tmp_path, {"environment.yml": text})
    assert "1 packages come from conda, for which there is no audit" in reasons
    assert "line 7 includes a file that does not exist" in reasons


def test_a_settings_file_of_a_shop_named_environment_is_no_manifest(tmp_path: Path) -> None:
    assert scan(tmp_path, {"environment.yml": "stage: prod\nregion: eu\n"}) == []


def test_requirements_of_setup_cfg_are_read_with_their_markers(tmp_path: Path) -> None:
    text = '[options]\ninstall_requires =\n    left==2.0\n    back>=4; python_version<"3.10"\n[options.extras_require]\ndev = right\n'

    assert packages(tmp_path, {"setup.cfg": text}) == {
        ("setup.cfg", "left", "2.0"), ("setup.cfg", "back", ""), ("setup.cfg", "right", ""),
    }  # fmt: skip
    assert ("setup.cfg", "dep/unpinned-dependency") in rules(tmp_path, {"setup.cfg": text})


def test_a_setup_cfg_or_setup_py_without_requirements_says_nothing(tmp_path: Path) -> None:
    tree = {"setup.cfg": "[flake8]\nmax-line-length = 100\n", "setup.py": "from setuptools import setup\nsetup()\n"}

    assert scan(tmp_path, tree) == []


def test_requirements_of_setup_py_are_read_through_names_and_never_run(tmp_path: Path) -> None:
    text = (
        "import setuptools\nopen('proof', 'w')\nBASE = ['left==2.0']\n"
        "setuptools.setup(install_requires=BASE + ['right'], extras_require={'dev': ['tester==3.0']})\n"
    )

    found = packages(tmp_path, {"setup.py": text})

    assert found == {("setup.py", "left", "2.0"), ("setup.py", "right", ""), ("setup.py", "tester", "3.0")}
    assert not Path("proof").exists()


@pytest.mark.parametrize(
    "value", ["open('r.txt').read().splitlines()", "read_requirements()", "[x for x in y]", "['a' + version]"]
)
def test_requirements_that_setup_py_computes_are_a_gap(tmp_path: Path, value: str) -> None:
    text = f"from setuptools import setup\nsetup(install_requires={value})\n"

    assert any("line 2 works requirements out" in reason for reason in gaps(tmp_path, {"setup.py": text}))


def test_options_that_setup_py_spreads_from_elsewhere_are_a_gap(tmp_path: Path) -> None:
    text = "from setuptools import setup\nfrom meta import options\nsetup(**options)\n"

    assert any("works requirements out" in reason for reason in gaps(tmp_path, {"setup.py": text}))


@pytest.mark.parametrize("name", ["Pipfile", "Pipfile.lock", "environment.yml"])
def test_a_broken_manifest_is_a_gap(tmp_path: Path, name: str) -> None:
    assert [gap for gap in scan(tmp_path, {name: "{[}"}) if isinstance(gap, Gap) and gap.path == name]


@pytest.mark.parametrize("name", ["Pipfile", "Pipfile.lock", "environment.yml", "setup.cfg", "setup.py"])
@given(text=st.text(max_size=200))
def test_any_text_ends_in_a_manifest_or_is_unreadable(name: str, text: str) -> None:
    read = reader_of(name)
    assert read is not None

    try:
        manifest = read(name, text, lambda path: "")
    except Unreadable:
        return
    assert manifest is None or manifest.path == name
