"""Which files a scan sees, and what is said about the others."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mlguard.discovery import Found, discover
from mlguard.errors import UsageError


def write(root: Path, *paths: str) -> None:
    for path in paths:
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text("x = 1\n")


def git(root: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *identity, *arguments], cwd=root, check=True, capture_output=True)


def paths_of(found: Found) -> list[str]:
    return [artifact.path for artifact in found.artifacts]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    write(tmp_path, "a.py", "src/b.py", "src/deep/c.py", "ignored/d.py", "new.py", "notes.log")
    (tmp_path / ".gitignore").write_text("ignored/\n*.log\n!src/*.log\n")
    return tmp_path


def test_work_tree_gives_tracked_and_untracked_files_and_not_the_ignored(tree: Path) -> None:
    git(tree, "init")
    git(tree, "add", "a.py", "src")

    assert paths_of(discover(tree)) == [".gitignore", "a.py", "new.py", "src/b.py", "src/deep/c.py"]


def test_tree_without_git_honours_its_ignore_files(tree: Path) -> None:
    write(tree, "src/deep/.gitignore", "src/deep/skipped.txt", "node_modules/x.py", "env/lib/y.py")
    (tree / "src/deep/.gitignore").write_text("skipped.txt\n")
    (tree / "env/pyvenv.cfg").write_text("home = /usr\n")

    assert paths_of(discover(tree)) == [
        ".gitignore", "a.py", "new.py", "src/b.py", "src/deep/.gitignore", "src/deep/c.py",
    ]  # fmt: skip


def test_tracked_file_that_was_deleted_is_no_file(tree: Path) -> None:
    git(tree, "init")
    git(tree, "add", "a.py", "new.py")
    (tree / "a.py").unlink()

    found = discover(tree)

    assert "a.py" not in paths_of(found)
    assert found.gaps == ()


def test_file_that_is_named_counts_even_when_git_ignores_it(tree: Path) -> None:
    git(tree, "init")

    assert paths_of(discover(tree, [tree / "ignored/d.py"])) == ["ignored/d.py"]


def test_folder_file_and_absolute_path_give_the_same_names(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tree)

    assert paths_of(discover(tree, [Path("src")])) == ["src/b.py", "src/deep/c.py"]
    assert paths_of(discover(tree, [tree / "src", Path("src/b.py")])) == ["src/b.py", "src/deep/c.py"]


def test_own_ignore_file_and_exclude_count_for_named_files_too(tree: Path) -> None:
    (tree / ".mlguardignore").write_text("# tests\nsrc/deep/\n")

    assert "src/deep/c.py" not in paths_of(discover(tree, [tree / "src/deep/c.py"]))
    assert "new.py" not in paths_of(discover(tree, exclude=["/new.py"]))


def test_missing_path_is_an_error_with_its_name(tree: Path) -> None:
    with pytest.raises(UsageError, match=r"nowhere\.py"):
        discover(tree, [tree / "nowhere.py"])


def test_path_outside_the_root_is_an_error(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    with pytest.raises(UsageError, match="outside"):
        discover(tree / "src", [tree / "a.py"])


def test_links_inside_are_seen_once_and_links_outside_are_gaps(
    tree: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside") / "secret.py"
    outside.write_text("x = 1\n")
    (tree / "inside.py").symlink_to("a.py")
    (tree / "folder").symlink_to("src")
    (tree / "outside.py").symlink_to(outside)
    (tree / "dangling.py").symlink_to("gone.py")
    (tree / "round").symlink_to("round")
    (tree / "src/up").symlink_to("..")

    found = discover(tree)

    assert "outside.py" not in paths_of(found)
    assert [path for path in paths_of(found) if path.endswith("b.py")] == ["src/b.py"]
    assert {gap.path for gap in found.gaps} == {"outside.py", "dangling.py", "round"}


@pytest.mark.parametrize("in_git", [True, False])
def test_odd_names_are_files_like_others(tree: Path, in_git: bool) -> None:
    names = ["new\nline.py", "::error::x.py", "\x1b[31mred.py", "sp ace.py", "ünï.py", "right\u202eleft.py"]
    write(tree, *names)
    (tree / os.fsdecode(b"bad\xff.py")).write_text("x = 1\n")
    if in_git:
        git(tree, "init")

    assert {*names, os.fsdecode(b"bad\xff.py")} <= set(paths_of(discover(tree)))


def test_special_files_are_gaps_and_are_never_opened(tree: Path) -> None:
    os.mkfifo(tree / "pipe.py")

    found = discover(tree, [tree / "pipe.py"])

    assert [(gap.path, gap.kind) for gap in found.gaps] == [("pipe.py", "skipped")]


def test_submodule_is_a_gap(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    write(other, "x.py")
    for repository in (other, tree):
        git(repository, "init")
        git(repository, "add", "-A")
        git(repository, "commit", "-m", "x")
    git(tree, "-c", "protocol.file.allow=always", "submodule", "add", str(other), "vendored")

    gaps = {gap.path: gap.reason for gap in discover(tree).gaps}

    assert "submodule" in gaps["vendored"]


def test_settings_of_the_scanned_work_tree_start_no_program(tree: Path) -> None:
    git(tree, "init")
    program = tree / "hook.sh"
    program.write_text(f"#!/bin/sh\ntouch {tree / 'it-ran'}\n")
    program.chmod(0o755)
    git(tree, "config", "core.fsmonitor", str(program))

    discover(tree)

    assert not (tree / "it-ran").exists()


def test_unreadable_file_is_a_gap_and_the_rest_is_found(tree: Path) -> None:
    if os.geteuid() == 0:
        (tree / "locked.py").symlink_to("/proc/1/mem")  # root may read every plain file
    else:
        write(tree, "locked.py")
        (tree / "locked.py").chmod(0)

    found = discover(tree)

    assert [gap.path for gap in found.gaps] == ["locked.py"]
    assert "a.py" in paths_of(found)


@contextmanager
def locked(*folders: Path) -> Iterator[None]:
    """Shut folders to this process, which for root means to be somebody else for the time."""
    for folder in folders:
        folder.chmod(0)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65_534)
    try:
        yield
    finally:
        os.seteuid(user)
        for folder in folders:
            folder.chmod(0o755)


@pytest.mark.parametrize("kept", ["by nobody", "in git", "in git, and tracked"])
def test_a_folder_that_cannot_be_listed_is_a_gap(kept: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        root.chmod(0o755)
        monkeypatch.setenv("HOME", place)
        write(root, "a.py", "shut/b.py", "left/c.py")
        (root / ".gitignore").write_text("left/\n")
        if kept != "by nobody":
            git(root, "init")
        if kept == "in git, and tracked":
            git(root, "add", "shut")

        with locked(root / "shut", root / "left"):
            found, named = discover(root), discover(root, [root / "shut"])
        with locked(root / "shut"):
            excluded = discover(root, exclude=["shut/"])

    expected = ["shut/", "shut/b.py"] if kept == "in git, and tracked" else ["shut/"]
    assert [(gap.path, gap.kind) for gap in found.gaps] == [(path, "unreadable") for path in expected]
    assert "a.py" in paths_of(found)
    assert [gap.path for gap in named.gaps] == expected
    assert not excluded.gaps


def test_huge_tree_is_listed_in_order(tmp_path: Path) -> None:
    for number in range(3000):
        folder = tmp_path / f"d{number % 50:02}"
        folder.mkdir(exist_ok=True)
        (folder / f"{number:05}.py").touch()

    paths = paths_of(discover(tmp_path))

    assert len(paths) == 3000
    assert paths == sorted(paths)


def test_link_that_makes_another_thing_of_a_file_is_scanned_under_its_own_name(tree: Path) -> None:
    write(tree, "notes.txt")
    (tree / "train.py").symlink_to("notes.txt")
    (tree / "copy.txt").symlink_to("notes.txt")

    kinds = {artifact.path: artifact.kind for artifact in discover(tree).artifacts}

    assert (kinds["notes.txt"], kinds["train.py"]) == ("text", "python")
    assert "copy.txt" not in kinds


def test_excluded_files_are_counted(tree: Path) -> None:
    (tree / ".mlguardignore").write_text("src/\n")

    assert discover(tree, exclude=["new.py"]).excluded == 3


def test_pattern_that_is_none_is_an_error_that_says_so(tree: Path) -> None:
    with pytest.raises(UsageError, match="pattern"):
        discover(tree, exclude=["[z-a]"])


def test_files_of_this_run_are_no_part_of_it(tree: Path) -> None:
    write(tree, "out.json")

    assert "out.json" not in paths_of(discover(tree, own={tree / "out.json"}))
