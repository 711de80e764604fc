"""A lock counts for the manifests it was made from: beside them, above them in a workspace, for a script of its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from mlguard.findings import Gap
from mlguard.scanners.dependencies.inventory import Inventory, allows
from tests.dependencies.reading import read
from tests.dependencies.test_locks import MADE
from tests.scanning import scan

A = "ab" * 32


def inventory(files: Mapping[str, str]) -> Inventory:
    found = Inventory()
    for path, text in files.items():
        if path != "limits.txt":  # a name that says nothing, read because another file includes it
            found.add(read(path, text, files))
    return found


def pins(files: Mapping[str, str], path: str) -> dict[str, str]:
    found = inventory(files)
    (manifest,) = [one for one in found.manifests if one.path == path]
    return found.pinned_beside(manifest)


def questions(files: Mapping[str, str]) -> list[str]:
    return [trouble.path for trouble in inventory(files).open_questions()]


def lock(*packages: str, more: str = "") -> str:
    return "version = 1\n" + "".join(
        f'[[package]]\nname = "{one.partition("==")[0]}"\nversion = "{one.partition("==")[2]}"\nsource = {{ registry = "https://pypi.org/simple" }}\n' for one in packages
    ) + more  # fmt: skip


PROJECT = '[project]\nname = "app"\ndependencies = ["blue>=1", "green"]\n[dependency-groups]\ndev = ["red<3"]\n'


def test_a_lock_beside_pins_all_groups() -> None:
    files = {"a/pyproject.toml": PROJECT, "a/uv.lock": lock("blue==1.5", "green==2.0", "red==2.9")}

    assert pins(files, "a/pyproject.toml") == {"blue": "1.5", "green": "2.0", "red": "2.9"}
    assert questions(files) == []


def test_a_lock_in_another_folder_does_not_count() -> None:
    files = {"a/pyproject.toml": PROJECT, "b/uv.lock": lock("blue==1.5"), "uv.lock": lock("blue==1.5")}

    assert pins(files, "a/pyproject.toml") == {}


@pytest.mark.parametrize(
    "more",
    [
        '[[package]]\nname = "app"\nversion = "0"\nsource = { editable = "libs/app" }\n',
        '[manifest]\nmembers = ["app", "root"]\n',
    ],
)
def test_the_lock_of_a_workspace_counts_for_its_members(more: str) -> None:
    files = {"libs/app/pyproject.toml": PROJECT, "uv.lock": lock("blue==1.5", more=more)}

    assert pins(files, "libs/app/pyproject.toml") == {"blue": "1.5"}


def test_the_lock_of_a_workspace_below_a_folder_does_not_count_for_a_namesake_elsewhere() -> None:
    files = {
        "other/app/pyproject.toml": PROJECT,
        "mono/uv.lock": lock("blue==1.5", more='[manifest]\nmembers = ["app"]\n'),
    }

    assert pins(files, "other/app/pyproject.toml") == {}


def test_the_locks_that_the_tools_wrote_cover_their_members() -> None:
    member = '[project]\nname = "shop-one"\ndependencies = ["blue-beta"]\n'
    own = '[project]\nname = "own"\ndependencies = ["blue-beta"]\n'
    files = {
        "uv.lock": (MADE / "uv-lock.toml").read_text(), "libs/one/pyproject.toml": member,
        "p/poetry.lock": (MADE / "poetry-2.toml").read_text(), "p/own/pyproject.toml": own,
    }  # fmt: skip

    assert pins(files, "libs/one/pyproject.toml")["blue-beta"] == "2.0"
    assert pins(files, "p/own/pyproject.toml")["blue-beta"] == "2.0"
    assert questions(files) == []


def test_a_version_that_the_manifest_does_not_allow_does_not_count() -> None:
    files = {"pyproject.toml": PROJECT, "uv.lock": lock("blue==0.9", "green==1", "red==3.0")}

    assert pins(files, "pyproject.toml") == {"green": "1"}


def test_of_several_locked_versions_the_one_that_fits_counts() -> None:
    files = {"pyproject.toml": PROJECT, "uv.lock": lock("red==3.1", "red==2.5")}

    assert pins(files, "pyproject.toml") == {"red": "2.5"}


def test_the_lock_of_a_script_counts_for_that_script_alone() -> None:
    script = '# /// script\n# dependencies = ["blue"]\n# ///\n'
    files = {
        "a.py": script,
        "b.py": script,
        "a.py.lock": lock("blue==1"),
        "pyproject.toml": '[project]\ndependencies = ["blue"]\n',
        "uv.lock": lock(),
    }

    assert pins(files, "a.py") == {"blue": "1"}
    assert pins(files, "b.py") == {} and pins(files, "pyproject.toml") == {}


def test_a_command_gets_no_version_from_a_lock() -> None:
    files = {"install.sh": "#!/bin/sh\npip install blue\n", "uv.lock": lock("blue==1")}

    assert pins(files, "install.sh") == {}


def test_requirements_are_pinned_by_their_constraints_and_by_what_was_compiled() -> None:
    files = {
        "requirements.in": "-c limits.txt\nblue\ngreen\n", "limits.txt": "blue==1.0\n",
        "requirements.txt": f"green==2 --hash=sha256:{A}\nblue==1.0 --hash=sha256:{A}\n",
    }  # fmt: skip

    assert pins(files, "requirements.in") == {"blue": "1.0", "green": "2"}
    assert questions(files) == []


@pytest.mark.parametrize(
    ("files", "open_ones"),
    [
        ({"requirements.txt": "blue==1\n"}, ["requirements.txt"]), ({"requirements.txt": f"blue==1 --hash=sha256:{A}\n"}, []),
        ({"requirements.txt": "# none\n"}, []), ({"requirements.txt": "blue\n"}, []), ({"install.sh": "#!/bin/sh\npip install blue==1\n"}, ["install.sh"]),
        ({"requirements.txt": "blue==1\n", "uv.lock": lock("blue==1")}, []), ({"environment.yml": "dependencies: [numpy==1.0]\n"}, []),
        ({"environment.yml": "dependencies:\n- pip:\n  - blue==1\n"}, ["environment.yml"]), ({"pyproject.toml": '[build-system]\nrequires = ["hatchling==1"]\n'}, []),
        ({"a.dist-info/METADATA": "Name: a\nVersion: 1\n"}, []),
    ],
)  # fmt: skip
def test_without_a_lock_what_packages_need_themselves_is_an_open_question(
    files: dict[str, str], open_ones: list[str]
) -> None:
    assert questions(files) == open_ones


def test_that_transitive_dependencies_were_not_audited_is_a_gap(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("blue==1.0\n")

    report = scan(tmp_path, ("dependencies",))

    assert any(
        isinstance(gap, Gap) and gap.reason.startswith("transitive dependencies were not audited")
        for gap in report.gaps
    )


def test_an_included_file_is_told_of_once(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("-r requirements-base.txt\n-r other.list\nblue==1.0\n")
    (tmp_path / "requirements-base.txt").write_text("git+https://code.example.org/r.git#egg=repo\n")
    (tmp_path / "other.list").write_text("git+https://code.example.org/o.git#egg=other\n")

    report = scan(tmp_path, ("dependencies",))

    loose = [(f.location.path, f.location.line) for f in report.findings if f.rule == "dep/unpinned-git-dependency"]
    assert sorted(loose) == [("other.list", 1), ("requirements-base.txt", 1)]


@pytest.mark.parametrize(
    ("specifier", "version", "allowed"),
    [(">=1", "1.0", True), (">=1", "0.9", False), (">=1", "2.0rc1", True), ("^1.0", "9", True), ("==1.*", "1.5", True), (">=1", "odd", True), ("", "1", True)],
)  # fmt: skip
def test_whether_a_version_fits(specifier: str, version: str, allowed: bool) -> None:
    assert allows(specifier, version) is allowed
