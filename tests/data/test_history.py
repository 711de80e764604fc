"""Data files that git still holds although the tree does not."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from mlguard.errors import UsageError
from mlguard.findings import Detection, Gap, Record
from mlguard.scanners import Context
from mlguard.scanners.dataset import history

CSV = "id,email\n1,mira@kunde.intern\n2,tomas@kunde.intern\n3,ines@kunde.intern\n"


def git(root: Path, *words: str) -> str:
    who = ["-c", "user.name=Example", "-c", "user.email=dev@example.org", "-c", "commit.gpgsign=false", "-c", "init.defaultBranch=main"]  # fmt: skip
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment |= {"GIT_AUTHOR_DATE": "2024-01-01T00:00:00Z", "GIT_COMMITTER_DATE": "2024-01-01T00:00:00Z"}
    done = subprocess.run(["git", *who, *words], cwd=root, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def commit(root: Path, files: dict[str, str | bytes | None]) -> str:
    """Commit files (None: taken away) and return the commit's short id."""
    if not (root / ".git").exists():
        root.mkdir(parents=True, exist_ok=True)
        git(root, "init", "-q")
    for path, content in files.items():
        target = root / path
        if content is None:
            target.unlink()
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content.encode() if isinstance(content, str) else content)
    git(root, "add", "-A")
    git(root, "commit", "-q", "--allow-empty", "-m", "change")
    return git(root, "rev-parse", "HEAD")[: history.SHORT]


def look(root: Path, revisions: str = "", **limits: int) -> list[Record]:
    return list(history.datasets(root, revisions, Context(root), limits=history.Limits(**limits)))


def gaps(records: Sequence[Record]) -> list[Gap]:
    return [record for record in records if isinstance(record, Gap)]


def detections(records: Sequence[Record]) -> list[Detection]:
    return [record for record in records if isinstance(record, Detection)]


def test_a_file_that_was_deleted_is_still_found(tmp_path: Path) -> None:
    added = commit(tmp_path, {"data/customers.csv": CSV, "README": "x"})
    removed = commit(tmp_path, {"data/customers.csv": None})

    (found,) = detections(look(tmp_path))

    assert found.rule == "data/personal-data-in-history"
    assert found.location.path == "data/customers.csv"
    assert found.location.within == f"commit {added}: email"
    assert (found.facts["cells"], found.facts["of"]) == (3, 3)
    assert (found.facts["commit"], found.facts["removed"]) == (added, removed)
    assert "kunde.intern" not in repr(found)


def test_a_file_that_is_still_there_is_not_reported(tmp_path: Path) -> None:
    commit(tmp_path, {"data/customers.csv": CSV})

    assert look(tmp_path) == []


def test_a_file_that_was_moved_is_not_reported(tmp_path: Path) -> None:
    commit(tmp_path, {"a.csv": CSV})
    commit(tmp_path, {"a.csv": None, "data/b.csv": CSV})

    assert look(tmp_path) == []


def test_a_column_that_was_dropped_is_reported(tmp_path: Path) -> None:
    commit(tmp_path, {"a.csv": CSV})
    commit(tmp_path, {"a.csv": "id\n1\n2\n3\n"})

    assert [found.location.path for found in detections(look(tmp_path))] == ["a.csv"]


def test_a_column_that_the_file_still_has_is_left_to_the_scan_of_the_tree(tmp_path: Path) -> None:
    commit(tmp_path, {"a.csv": CSV})
    commit(tmp_path, {"a.csv": CSV + "4,olga@kunde.intern\n"})

    assert look(tmp_path) == []


def test_many_versions_of_a_file_are_one_finding_with_their_number(tmp_path: Path) -> None:
    first = commit(tmp_path, {"a.csv": CSV})
    for number in range(4):
        last = commit(tmp_path, {"a.csv": CSV + f"{number},olga{number}@kunde.intern\n"})
    commit(tmp_path, {"a.csv": None})

    (found,) = detections(look(tmp_path))

    assert found.facts["versions"] == 5
    assert (found.facts["commit"], found.facts["since"]) == (last, first)


def test_a_file_of_a_branch_that_was_never_merged_is_found(tmp_path: Path) -> None:
    commit(tmp_path, {"README": "x"})
    git(tmp_path, "checkout", "-q", "-b", "other")
    commit(tmp_path, {"a.csv": CSV})
    git(tmp_path, "checkout", "-q", "main")

    assert len(detections(look(tmp_path))) == 1
    assert detections(look(tmp_path, "main")) == []


def test_a_file_that_a_merge_brought_in_is_found(tmp_path: Path) -> None:
    commit(tmp_path, {"README": "x"})
    git(tmp_path, "checkout", "-q", "-b", "other")
    commit(tmp_path, {"b.txt": "x"})
    git(tmp_path, "checkout", "-q", "main")
    commit(tmp_path, {"c.txt": "x"})
    git(tmp_path, "merge", "-q", "--no-commit", "--no-ff", "other")
    commit(tmp_path, {"evil.csv": CSV})
    commit(tmp_path, {"evil.csv": None})

    assert [found.location.path for found in detections(look(tmp_path))] == ["evil.csv"]


def test_a_range_is_all_that_is_looked_at(tmp_path: Path) -> None:
    commit(tmp_path, {"a.csv": CSV})
    commit(tmp_path, {"a.csv": None})
    commit(tmp_path, {"README": "x"})

    assert detections(look(tmp_path, "HEAD~1..HEAD")) == []
    assert len(detections(look(tmp_path, "HEAD~2..HEAD"))) == 1


@pytest.mark.parametrize("revisions", ["nothing-like-it", "--output=x", "HEAD --exec=touch", "-n1"])
def test_a_range_that_git_does_not_know_is_a_usage_error(tmp_path: Path, revisions: str) -> None:
    commit(tmp_path, {"a.csv": CSV})

    with pytest.raises(UsageError):
        look(tmp_path, revisions)


def test_a_pointer_in_the_history_is_a_gap(tmp_path: Path) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "a" * 64 + "\nsize 12\n"
    commit(tmp_path, {"data/a.csv": pointer, "data/b.csv.dvc": "outs:\n- md5: abc\n  path: b.csv\n"})
    commit(tmp_path, {"data/a.csv": None, "data/b.csv.dvc": None})

    found = gaps(look(tmp_path))

    assert [(gap.path, gap.kind) for gap in found] == [("data/a.csv", "skipped"), ("data/b.csv.dvc", "skipped")]
    assert "Git LFS" in found[0].reason and "DVC" in found[1].reason


def test_what_the_limits_leave_out_is_a_gap(tmp_path: Path) -> None:
    commit(tmp_path, {"a.csv": CSV, "b.csv": CSV + "5,eva@kunde.intern\n", "c.csv": CSV + "6,uwe@kunde.intern\n" * 90})
    commit(tmp_path, {"a.csv": None, "b.csv": None, "c.csv": None})

    assert [gap.kind for gap in gaps(look(tmp_path, blobs=2))] == ["sampled"]
    assert [(gap.path, gap.kind) for gap in gaps(look(tmp_path, blob_bytes=200))] == [("c.csv", "too-large")]
    assert [gap.kind for gap in gaps(look(tmp_path, commits=1))] == ["sampled"]
    assert len(detections(look(tmp_path, blob_bytes=200))) == 2


def test_an_old_version_that_cannot_be_read_is_a_gap(tmp_path: Path) -> None:
    added = commit(tmp_path, {"a.parquet": b"PAR1" + b"\0" * 100})
    commit(tmp_path, {"a.parquet": None})

    (gap,) = gaps(look(tmp_path))

    assert (gap.path, gap.kind) == ("a.parquet", "unreadable")
    assert added in gap.reason


def test_a_folder_without_a_repository_is_a_gap(tmp_path: Path) -> None:
    assert [gap.kind for gap in gaps(look(tmp_path))] == ["missing"]


def test_a_shallow_clone_is_a_gap(tmp_path: Path) -> None:
    commit(tmp_path / "a", {"a.csv": CSV})
    commit(tmp_path / "a", {"a.csv": None})
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{tmp_path / 'a'}", "b")

    assert [gap.kind for gap in gaps(look(tmp_path / "b"))] == ["sampled"]


def test_a_partial_clone_fetches_nothing(tmp_path: Path) -> None:
    commit(tmp_path / "a", {"a.csv": CSV, "b.txt": "x"})
    commit(tmp_path / "a", {"a.csv": None})
    git(tmp_path / "a", "config", "uploadpack.allowFilter", "true")
    git(tmp_path, "clone", "-q", "--filter=blob:none", f"file://{tmp_path / 'a'}", "b")
    before = sorted(path.name for path in (tmp_path / "b" / ".git" / "objects").rglob("*") if path.is_file())

    records = look(tmp_path / "b")

    assert [(gap.path, gap.kind) for gap in gaps(records)] == [("a.csv", "missing")]
    assert before == sorted(path.name for path in (tmp_path / "b" / ".git" / "objects").rglob("*") if path.is_file())


def test_nothing_that_a_repository_configures_is_run(tmp_path: Path) -> None:
    root = tmp_path / "repository"
    commit(root, {"a.csv": CSV, ".gitattributes": "*.csv diff=evil filter=evil merge=evil\n"})
    commit(root, {"a.csv": None})
    mark = tmp_path / "ran"
    program = tmp_path / "evil.sh"
    program.write_text(f"#!/bin/sh\ntouch {mark}\ncat\n")
    program.chmod(0o755)
    for key in (
        "core.pager", "diff.external", "diff.evil.textconv", "diff.evil.command", "filter.evil.smudge", "filter.evil.clean", "filter.evil.process",
        "core.fsmonitor", "gpg.program", "core.sshCommand", "core.editor", "core.askPass", "pager.log", "pager.rev-list", "credential.helper",
        "core.alternateRefsCommand", "uploadpack.packObjectsHook", "alias.rev-list", "alias.cat-file", "remote.origin.uploadpack",
    ):  # fmt: skip
        git(root, "config", key, f"!{program}" if key.startswith("alias") else str(program))
    git(root, "config", "log.showSignature", "true")
    git(root, "config", "remote.origin.url", f"ext::{program}")
    git(root, "config", "remote.origin.promisor", "true")
    git(root, "config", "protocol.ext.allow", "always")
    git(root, "config", "core.hooksPath", str(tmp_path))
    for name in ("post-checkout", "reference-transaction", "post-index-change"):
        shutil.copy(program, tmp_path / name)
    blob = git(root, "rev-parse", "HEAD~1:a.csv")
    (root / ".git" / "objects" / blob[:2] / blob[2:]).unlink()  # something to be fetched

    records = look(root)

    assert not mark.exists()
    assert [gap.kind for gap in gaps(records)] == ["missing"]


def test_settings_of_git_in_the_environment_do_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit(tmp_path / "a", {"a.csv": CSV})
    commit(tmp_path / "a", {"a.csv": None})
    commit(tmp_path / "b", {"x": "x"})
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "b" / ".git"))
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", "false")

    assert len(detections(look(tmp_path / "a"))) == 1


def test_objects_that_were_replaced_are_read_as_they_were(tmp_path: Path) -> None:
    commit(tmp_path, {"a.csv": CSV, "clean.csv": "id\n1\n"})
    git(tmp_path, "replace", git(tmp_path, "rev-parse", "HEAD:a.csv"), git(tmp_path, "rev-parse", "HEAD:clean.csv"))
    commit(tmp_path, {"a.csv": None})

    assert [found.location.path for found in detections(look(tmp_path))] == ["a.csv"]


@pytest.mark.parametrize("name", ["ü b.csv", 'quo"te.csv', "new\nline.csv", "tab\t.csv", ":colon.csv"])
def test_names_of_any_form_are_read(tmp_path: Path, name: str) -> None:
    commit(tmp_path, {name: CSV})
    commit(tmp_path, {name: None})

    assert [found.location.path for found in detections(look(tmp_path))] == [name]


def test_only_the_folder_that_is_scanned_is_looked_at(tmp_path: Path) -> None:
    commit(tmp_path, {"part/a.csv": CSV, "part/b.txt": "x", "other/c.csv": CSV + "7,eva@kunde.intern\n"})
    commit(tmp_path, {"part/a.csv": None, "other/c.csv": None})

    assert [found.location.path for found in detections(look(tmp_path / "part"))] == ["a.csv"]


def test_the_history_of_a_bare_repository_is_looked_at(tmp_path: Path) -> None:
    commit(tmp_path / "a", {"a.csv": CSV})
    commit(tmp_path / "a", {"a.csv": None})
    git(tmp_path, "clone", "-q", "--bare", str(tmp_path / "a"), "b.git")

    assert [found.location.path for found in detections(look(tmp_path / "b.git"))] == ["a.csv"]


def test_a_damaged_object_is_a_gap(tmp_path: Path) -> None:
    commit(tmp_path, {"a.csv": CSV})
    blob = git(tmp_path, "rev-parse", "HEAD:a.csv")
    commit(tmp_path, {"a.csv": None})
    stored = tmp_path / ".git" / "objects" / blob[:2] / blob[2:]
    stored.chmod(0o644)
    stored.write_bytes(stored.read_bytes()[:20])

    assert [(gap.path, gap.kind) for gap in gaps(look(tmp_path))] == [("a.csv", "missing")]


@pytest.mark.parametrize("what", ["HEAD~1", "HEAD~1^{tree}"])
def test_a_damaged_commit_or_tree_is_a_gap(tmp_path: Path, what: str) -> None:
    commit(tmp_path, {"a.csv": CSV})
    commit(tmp_path, {"a.csv": None})
    name = git(tmp_path, "rev-parse", what)
    (tmp_path / ".git" / "objects" / name[:2] / name[2:]).unlink()

    assert [(gap.path, gap.kind) for gap in gaps(look(tmp_path))] == [(".", "sampled")]


def test_a_repository_without_a_commit_holds_nothing(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")

    assert look(tmp_path) == []


def test_the_same_repository_gives_the_same_records(tmp_path: Path) -> None:
    for place in range(5):
        commit(tmp_path, {f"{place}.csv": CSV + f"{place},x{place}@kunde.intern\n"})
    commit(tmp_path, {f"{place}.csv": None for place in range(5)})

    assert look(tmp_path) == look(tmp_path)
