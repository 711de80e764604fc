"""Bad input costs a gap or a clear error, and everything else is still reported."""

from __future__ import annotations

import json
import os
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest

from mlguard import rules
from mlguard.artifacts import Artifact
from mlguard.engine import Job, run
from mlguard.scanners import BUILT_IN
from tests.functional.command import MLGUARD, git, mlguard, write

UNSAFE = "import torch\n\nmodel = torch.load('m.pt', weights_only=False)\n"
FOUND = ("src/train.py", "code/unsafe-deserialization")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return write(tmp_path, {"src/train.py": UNSAFE})


def scan(tree: Path, **options: Any) -> tuple[int, dict[str, str], set[tuple[str, str]]]:
    """Return exit code, gaps by path, and (path, rule) of the findings."""
    done = mlguard("scan", "-o", "json", cwd=tree, **options)
    assert done.stderr == ""
    report = json.loads(done.stdout)
    gaps = {gap["path"]: gap["kind"] for gap in report["gaps"]}
    return done.returncode, gaps, {(finding["location"]["path"], finding["rule"]) for finding in report["findings"]}


def archive(path: Path) -> bytes:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("archive/data.pkl", b"\x80\x02}q\x00." + b" " * 500)
        file.writestr("archive/data/0", bytes(4096))
    return path.read_bytes()


BOMB = "\n".join(
    [
        "a0: &a0 [x, x, x, x, x, x, x, x, x, x]",
        *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)),
    ]
)

BAD: dict[str, bytes] = {
    "src/encoding.py": b"name = '\xff\xfe\xfa'\n",
    "src/null.py": b"x = 1\x00\n",
    "src/syntax.py": b"def f(:\n",
    "src/deep.py": b"x = " + b"(" * 5000 + b")" * 5000 + b"\n",
    "src/long.py": b"x = " + b"1+" * 200_000 + b"1\n",
    "notebook.ipynb": b'{"cells": [{"cell_type": "code"',
    "data/cut.parquet": b"PAR1" + bytes(200),
    "data/broken.jsonl": b'{"a": 1}\n{"a": \n',
    "k8s/bomb.yaml": b"apiVersion: v1\nkind: ConfigMap\n" + BOMB.encode(),
    "k8s/nested.yaml": b"apiVersion: v1\nkind: ConfigMap\ndata: " + b"[" * 100_000,
    "k8s/tabs.yaml": b"apiVersion: v1\nkind: Pod\n\tspec: {}\n",
    "infra/main.tf": b'resource "aws_s3_bucket" "b" {\n  bucket = \n',
    "models/cut.pkl": b"\x80\x04\x95\xff\x00\x00\x00\x00\x00\x00\x00\x8c",
    "models/lies.safetensors": (2**40).to_bytes(8, "little") + b'{"a": {}}',
    "models/short.safetensors": (90).to_bytes(8, "little") + b'{"a": {',
    "pylock.toml": b"lock-version = \n",
}


@pytest.mark.parametrize("path", sorted(BAD))
def test_broken_file_is_a_gap_or_a_finding_and_the_rest_is_reported(tree: Path, path: str) -> None:
    write(tree, {path: BAD[path]})

    code, gaps, findings = scan(tree)

    assert FOUND in findings
    assert path in gaps or any(where == path for where, _ in findings)
    assert code == 1
    assert gaps.get(path) not in ("crash", "timeout")


def test_truncated_archive_is_a_gap_or_a_finding(tree: Path) -> None:
    whole = archive(tree / "whole.pt")
    write(tree, {"models/cut.pt": whole[: len(whole) // 2]})
    (tree / "whole.pt").unlink()

    _, gaps, findings = scan(tree)

    assert "models/cut.pt" in gaps or any(where == "models/cut.pt" for where, _ in findings)


def test_wrong_extension_does_not_hide_what_a_file_is(tree: Path) -> None:
    hostile = b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x04true\x85R."
    write(tree, {"assets/logo.png": hostile, "weights.csv": hostile, "notes.txt": hostile, "x.json": hostile})

    _, _, findings = scan(tree)

    for path in ("assets/logo.png", "weights.csv", "notes.txt", "x.json"):
        assert (path, "model/dangerous-import") in findings


def test_cyclic_links_end(tree: Path) -> None:
    (tree / "loop").symlink_to(".")
    (tree / "a").symlink_to("b")
    (tree / "b").symlink_to("a")

    code, gaps, findings = scan(tree)

    assert FOUND in findings
    assert set(gaps) == {"a", "b"}
    assert code == 1


@pytest.mark.parametrize("processes", [0, 1])
def test_file_that_vanishes_during_the_scan_is_a_gap(tree: Path, processes: int) -> None:
    there = Artifact("src/train.py", "python", len(UNSAFE))
    gone = [
        Artifact(f"gone/x.{kind}", kind, 10)
        for kind in ("python", "csv", "pickle", "terraform", "kubernetes", "requirements", "notebook")
    ]

    report = run(Job(tree, [there, *gone], tuple(BUILT_IN), rules.load(), processes=processes))

    assert {artifact.path for artifact in gone} == {gap.path for gap in report.gaps}
    assert all("vanished" in gap.reason for gap in report.gaps)
    assert FOUND in {(finding.location.path, finding.rule) for finding in report.findings}


def test_no_git_on_the_machine_is_no_trouble(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    git(tree, "init")
    write(tree, {".gitignore": "skipped/\n", "skipped/x.py": UNSAFE})
    nothing = tmp_path_factory.mktemp("bin")

    code, gaps, findings = scan(tree, env={"PATH": str(nothing)})

    assert (code, gaps) == (1, {})
    assert {path for path, _ in findings} == {"src/train.py"}


def test_shallow_clone_is_scanned(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    git(tree, "init")
    git(tree, "add", "-A")
    git(tree, "commit", "-m", "one")
    git(tree, "commit", "--allow-empty", "-m", "two")
    clone = tmp_path_factory.mktemp("clone") / "shallow"
    git(tree, "clone", "--depth", "1", tree.as_uri(), str(clone))

    assert scan(clone)[2] == scan(tree)[2] != set()


def test_work_tree_of_another_user_is_scanned(tree: Path) -> None:
    git(tree, "init")
    git(tree, "add", "-A")
    if os.geteuid() == 0:
        os.chown(tree, 12345, 12345)
        os.chown(tree / ".git", 12345, 12345)

    assert FOUND in scan(tree)[2]


def test_read_only_folder_is_scanned(tree: Path) -> None:
    script = f'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && cd "$0" && ! touch x 2>/dev/null && exec {MLGUARD} scan -o json'
    command = ["sh", "-c", script, str(tree)]
    if os.geteuid() == 0:
        command = ["unshare", "--mount", *command]
    else:
        command = ["unshare", "--map-root-user", "--mount", *command]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    if "unshare" in done.stderr or "mount" in done.stderr:
        pytest.skip("this machine lets nobody make a mount")
    assert done.returncode == 1, done.stderr
    assert json.loads(done.stdout)["findings"]


def test_home_that_is_missing_and_cannot_be_made_is_no_trouble(tree: Path) -> None:
    code, _, findings = scan(tree, env={"HOME": "/proc/none", "XDG_CACHE_HOME": "/proc/none"})

    assert code == 1
    assert FOUND in findings


def test_compressed_table_passes_and_a_compressed_pickle_under_its_name_does_not(tmp_path: Path) -> None:
    import gzip

    write(tmp_path, {"data/a.csv.gz": gzip.compress(b"a,b\n1,2\n" * 20)})
    passed = scan(tmp_path)
    write(tmp_path, {"data/b.csv.gz": gzip.compress(b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x04true\x85R.")})
    failed = scan(tmp_path)

    assert passed == (0, {}, set())
    assert ("data/b.csv.gz", "model/dangerous-import") in failed[2]
