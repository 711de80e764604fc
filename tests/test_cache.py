"""What earlier runs have seen is taken as it is, as long as nothing that it depends on has changed."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from mlguard import cache, config, discovery, rules, trees
from mlguard.artifacts import Artifact
from mlguard.cache import Cache, recall
from mlguard.engine import Job, run
from mlguard.errors import UsageError
from mlguard.facts import Consulted
from mlguard.findings import Gap, Record, Report
from mlguard.scanners import BUILT_IN, Context, scanner
from mlguard.workers import Setting, Task
from tests.functional.command import MLGUARD, git, mlguard, write

EXAMPLES = Path(__file__).parent.parent / "examples"
FORMATS = ("text", "json", "sarif", "sarif-github", "markdown", "cyclonedx")
UNSAFE = "import pickle\n\n\ndef load(file):\n    return pickle.load(file)\n"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    files = {
        "app/load.py": UNSAFE,
        "app/run.py": "import os\n\n\ndef go(name):\n    os.system('cp ' + name)\n",
        "app/broken.py": "def f(:\n    pass\n",
        "conf.yaml": "password: " + "hunter" + "2hunter2\n",
        "lab.ipynb": json.dumps(
            {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [
                {"cell_type": "code", "metadata": {}, "outputs": [], "source": ["import torch\n", "torch.load('m.pt')\n"]},
                {"cell_type": "code", "metadata": {}, "outputs": [], "source": ["def (:"]},
            ]}, indent=1),
    }  # fmt: skip
    write(tmp_path / "tree", dict(files))
    return tmp_path / "tree"


def scan(
    root: Path, kept: Path | None, names: Sequence[str] = ("code", "secrets"), **options: object
) -> tuple[Report, int]:
    """Return the report, and how many tasks were done anew."""
    done = [0]

    def progress(*_: object) -> None:
        done[0] += 1

    catalogue = rules.load()
    memory = recall(Cache(kept), root, catalogue.digest, names) if kept else None
    found = discovery.discover(root, [root], (), (), (lambda files: memory.tree) if memory else None)
    job = Job(root, found.artifacts, names, catalogue, gaps=found.gaps, recall=memory, **options)  # type: ignore[arg-type]
    report = run(job, progress)
    if memory is not None:
        memory.close({artifact.path: artifact.kind for artifact in found.artifacts})
    return report, done[0]


def settle(root: Path) -> None:
    """Let the files be older than the tick of any clock."""
    for path in root.rglob("*"):
        os.utime(path, (1_600_000_000, 1_600_000_000))


# --- The same, only faster


def test_second_run_does_nothing_anew_and_reports_the_same(tree: Path, tmp_path: Path) -> None:
    without, every = scan(tree, None)
    first, done = scan(tree, tmp_path / "kept")

    second, again = scan(tree, tmp_path / "kept")

    assert first == second == without
    assert without.findings
    assert without.gaps
    assert (done, again) == (every, 0)


@pytest.mark.parametrize("jobs", ["0", "2"])
def test_every_reporter_writes_the_same_bytes(jobs: str, tmp_path: Path) -> None:
    shutil.copytree(EXAMPLES / "churn", tmp_path / "churn")
    environment = {"XDG_CACHE_HOME": str(tmp_path / "home"), "SOURCE_DATE_EPOCH": "1780000000"}

    def written(*more: str) -> list[bytes]:
        out = tmp_path / "out"
        out.mkdir(exist_ok=True)
        outputs = [part for name in FORMATS for part in ("-o", f"{name}={out / name}")]
        done = mlguard("scan", *outputs, "-j", jobs, *more, cwd=tmp_path / "churn", env=environment)
        return [(out / name).read_bytes() for name in FORMATS] + [done.stdout.encode(), str(done.returncode).encode()]

    plain = written("--no-cache")
    assert not (tmp_path / "home/mlguard/scan").exists()
    assert written() == plain
    assert (tmp_path / "home/mlguard/scan" / cache.FILE).is_file()
    assert written() == plain


def test_run_that_knows_everything_loads_no_library(tree: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "home")}
    command = [sys.executable, "-X", "importtime", MLGUARD, "scan", "-s", "code", "-s", "secrets", "-j", "0", str(tree)]

    first = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    second = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    def loaded(stderr: str) -> set[str]:
        return {line.rsplit("|", 1)[-1].strip() for line in stderr.splitlines() if line.startswith("import time:")}

    heavy = {
        "bandit",
        "bandit.core",
        "pip_audit",
        "mlguard.scanners.code.report",
        "mlguard.scanners.code.tree",
        "mlguard.scanners.notebook",
    }
    assert "mlguard.scanners.code.report" in loaded(first.stderr)
    assert loaded(second.stderr) & heavy == set()
    assert second.stdout == first.stdout


def test_hook_asks_it_for_what_takes_time_to_look_at(tree: Path, tmp_path: Path) -> None:
    git(tree, "init")
    write(tree, {"long.py": UNSAFE + "".join(f"x{n} = {n}\n" for n in range(2000))})
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "home")}
    command = [sys.executable, "-X", "importtime", MLGUARD, "hook", "long.py", "app/load.py"]

    first, second = (
        subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)
        for _ in range(2)
    )

    assert (first.returncode, first.stdout) == (second.returncode, second.stdout)
    assert first.returncode == 1
    assert "mlguard.scanners.code.tree" in first.stderr
    assert "mlguard.scanners.code.tree" not in second.stderr


# --- What it depends on


@pytest.mark.parametrize("settled", [True, False])
def test_changed_file_is_looked_at_again(settled: bool, tree: Path, tmp_path: Path) -> None:
    if settled:
        settle(tree)
    scan(tree, tmp_path / "kept")
    (tree / "app/load.py").write_text(UNSAFE.replace("pickle.load(", "pickle.dump("))

    report, done = scan(tree, tmp_path / "kept")

    assert done == 2  # by two scanners
    assert report == scan(tree, None)[0]


def test_change_that_keeps_size_and_time_of_modification_is_seen(tree: Path, tmp_path: Path) -> None:
    settle(tree)
    scan(tree, tmp_path / "kept")
    write(tree, {"app/run.py": "import os\n\n\ndef go(name):\n    os.remove('cp ' + name)\n"})
    settle(tree)

    report, done = scan(tree, tmp_path / "kept")

    assert done == 2
    assert report == scan(tree, None)[0]


def test_change_within_one_tick_of_the_clock_is_seen(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def frozen(status: os.stat_result) -> trees.State:
        return (
            7,
            status.st_size,
            status.st_mtime_ns // 10**12,
            status.st_mtime_ns // 10**12,
        )  # as if the clock stood still

    monkeypatch.setattr(trees, "state_of", frozen)
    monkeypatch.setattr(cache, "state_of", frozen)
    monkeypatch.setattr(trees, "_FINE_NS", 2 * 10**12)  # a clock that ticks every quarter of an hour
    scan(tree, tmp_path / "kept")
    write(tree, {"app/run.py": "import os\n\n\ndef go(name):\n    os.remove('cp ' + name)\n"})

    report, done = scan(tree, tmp_path / "kept")

    assert done == 2
    assert report == scan(tree, None)[0]


def test_renamed_file_is_looked_at_again(tree: Path, tmp_path: Path) -> None:
    scan(tree, tmp_path / "kept")
    (tree / "app/load.py").rename(tree / "app/renamed.py")

    report, done = scan(tree, tmp_path / "kept")

    assert done == 2
    assert "app/renamed.py" in {finding.location.path for finding in report.findings}
    assert report == scan(tree, None)[0]


@pytest.mark.parametrize("options", [{"settings": {"code": {"x": 1}, "secrets": {"x": 1}}}, {"hook": True}])
def test_other_settings_are_another_question(options: dict[str, object], tree: Path, tmp_path: Path) -> None:
    _, every = scan(tree, tmp_path / "kept")

    assert scan(tree, tmp_path / "kept", **options)[1] == every


def test_other_rules_and_another_engine_are_other_questions(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, every = scan(tree, tmp_path / "kept")
    task = Task("code", (Artifact("app/load.py", "python", len(UNSAFE)),))
    setting = Setting(str(tree), (), {})

    def knows(digest: str) -> bool:
        kept = Cache(tmp_path / "kept")
        return bool(recall(kept, tree, digest, ["code", "secrets"]).known([task], setting))

    assert knows(rules.load().digest)
    assert not knows("0" * 64)
    for name in ("_interpreter", "_installed", "_content"):
        with monkeypatch.context() as patch:
            other: object = b"other" if name == "_content" else "other"
            patch.setattr(cache, name, lambda *_, other=other: other)
            patch.setattr(Cache, "_get", _without_package(Cache._get))
            assert scan(tree, tmp_path / "kept")[1] == every, name


def _without_package(get: Callable[[Cache, str, Sequence[bytes]], dict[bytes, bytes]]) -> object:
    """Ask the file for all but the digest of the package."""

    def asked(self: Cache, table: str, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        return {key: data for key, data in get(self, table, keys).items() if table != "trees"}

    return asked


def test_digest_of_the_package_follows_its_content(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    package = tmp_path / "package"
    write(package, {"a.py": "x = 1\n", "sub/b.py": "y = 2\n", "__pycache__/a.pyc": "1"})
    monkeypatch.setattr(cache, "_TOP", str(package))
    before = Cache(tmp_path / "kept").engine()

    write(package, {"__pycache__/a.pyc": "2"})
    assert Cache(tmp_path / "kept").engine() == before
    os.utime(package / "a.py", (1, 1))
    assert Cache(tmp_path / "kept").engine() == before
    write(package, {"sub/b.py": "y = 3\n"})
    assert Cache(tmp_path / "kept").engine() != before


def test_scanners_that_are_kept_read_nothing_but_their_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(EXAMPLES / "churn", tmp_path / "churn")
    found = discovery.discover(tmp_path / "churn")
    opened: list[str] = []
    real = open

    def watched(file: object, *arguments: object, **options: object) -> object:
        opened.append(os.fspath(file) if isinstance(file, str | os.PathLike) else "")  # type: ignore[arg-type]
        return real(file, *arguments, **options)  # type: ignore[call-overload]

    monkeypatch.setattr("builtins.open", watched)
    names = [name for name in BUILT_IN if hasattr(scanner(name), "depends")]
    for name in names:
        for group in scanner(name).plan(found.artifacts, {}):
            opened.clear()
            records = _tried(name, group, Context(tmp_path / "churn"))
            told = {path for record in records if isinstance(record, Consulted) for path in record.files}
            told |= {artifact.path for artifact in group} | set(scanner(name).depends)  # type: ignore[attr-defined]
            inside = {os.path.relpath(path, tmp_path / "churn") for path in opened if path.startswith(str(tmp_path))}
            assert inside <= told

    assert names == ["code", "secrets"]


def _tried(name: str, group: tuple[Artifact, ...], context: Context) -> list[Record]:
    from mlguard.workers import examine

    return list(examine(scanner(name), group, context))


@pytest.mark.parametrize(
    ("change", "anew"),
    [
        (lambda tree: write(tree, {"app/other.py": "y = 2\n"}), 2),  # a file that was read
        (lambda tree: write(tree, {"app/missing.py": "y = 2\n"}), 2),  # one that was looked for
        (lambda tree: write(tree, {"app/sub/new.py": "y = 2\n"}), 2),  # a folder that was listed
        (lambda tree: (tree / "app/other.py").unlink(), 1),
    ],
)
def test_what_was_consulted_counts(
    change: Callable[[Path], object], anew: int, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlguard.scanners.code import CodeScanner

    real = CodeScanner.scan

    def consulting(self: CodeScanner, group: Sequence[Artifact], context: Context) -> object:
        yield from real(self, group, context)
        if group[0].path == "app/load.py":
            yield Consulted("app/load.py", ("app/other.py", "app/missing.py"), ("app/sub",))

    monkeypatch.setattr(CodeScanner, "scan", consulting)
    write(tree, {"app/other.py": "x = 1\n", "app/sub/__init__.py": ""})
    first, _ = scan(tree, tmp_path / "kept", ["code"])
    write(
        tree, {"app/sub/report.json": "{}", "app/sub/__pycache__/x.pyc": b"1"}
    )  # no module, and no other file of code
    assert first.findings
    assert scan(tree, tmp_path / "kept", ["code"])[1] == 0

    change(tree)

    assert scan(tree, tmp_path / "kept", ["code"])[1] == anew


def test_files_at_the_root_that_a_scanner_depends_on_count(tree: Path, tmp_path: Path) -> None:
    scan(tree, tmp_path / "kept", ["secrets"])
    (tree / ".gitleaksignore").write_text("conf.yaml:generic-api-key:1\n")

    report, _ = scan(tree, tmp_path / "kept", ["secrets"])

    assert report == scan(tree, None, ["secrets"])[0]


# --- What is not kept


@pytest.mark.parametrize("kind", ["crash", "timeout", "missing", "too-large"])
def test_trouble_of_one_run_is_not_kept(kind: str, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlguard.scanners.code import CodeScanner

    with monkeypatch.context() as patch:
        patch.setattr(CodeScanner, "scan", lambda self, group, context: iter([Gap("code", group[0].path, kind, "x")]))
        report, _ = scan(tree, tmp_path / "kept", ["code"])
        assert {gap.kind for gap in report.gaps} == {kind}

    report, done = scan(tree, tmp_path / "kept", ["code"])

    assert done == 4
    assert {gap.kind for gap in report.gaps} == {"unreadable"}


def test_trouble_of_the_disk_is_not_kept() -> None:
    for reason in ("cannot be read (Input/output error)", "permission denied; make it readable", "Nested too deeply"):
        assert not cache._lasts(Gap("code", "a.py", "unreadable", reason))
    assert cache._lasts(Gap("code", "a.py", "unreadable", "not valid Python"))


def test_file_that_changes_while_it_is_looked_at_is_not_kept(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlguard.scanners.code import CodeScanner

    settle(tree)
    real = CodeScanner.scan

    def changing(self: CodeScanner, group: Sequence[Artifact], context: Context) -> object:
        if group[0].path == "app/run.py":
            write(tree, {"app/run.py": "x = 1\n"})
        return real(self, group, context)

    with monkeypatch.context() as patch:
        patch.setattr(CodeScanner, "scan", changing)
        scan(tree, tmp_path / "kept", ["code"])
    write(tree, {"app/run.py": "import os\n\n\ndef go(name):\n    os.system('cp ' + name)\n"})

    report, _ = scan(tree, tmp_path / "kept", ["code"])

    assert report == scan(tree, None, ["code"])[0]


def test_no_secret_is_in_it(tmp_path: Path) -> None:
    token = "ghp_" + "16C7e42F292c6912E7710c838347Ae178B4a"
    mail, word = "anna.kowalska" + "@example.org", "correct" + "-horse-battery-9"
    write(tmp_path / "tree", {
        "a.py": f"import logging\nTOKEN = '{token}'\npassword = '{word}'\nlogging.info('{mail}')\nimport os\nos.system('cp x --password={word}')\n",
        ".env": f"API_TOKEN={token}\nDB_PASSWORD={word}\n",
        "n.ipynb": json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [
            {"cell_type": "code", "metadata": {}, "outputs": [], "source": f"key = '{token}'\nprint('{mail}')\n!curl -k https://u:{word}@x"}]}),
    })  # fmt: skip

    report, _ = scan(tmp_path / "tree", tmp_path / "kept")

    assert len(report.findings) > 4
    data = (tmp_path / "kept" / cache.FILE).read_bytes()
    for value in (token, word, mail, "kowalska"):
        assert value.encode() not in data


def test_lines_are_kept_as_the_report_shows_them(tmp_path: Path) -> None:
    shutil.copytree(EXAMPLES / "churn", tmp_path / "churn")
    report, _ = scan(tmp_path / "churn", tmp_path / "kept", tuple(BUILT_IN))

    with sqlite3.connect(tmp_path / "kept" / cache.FILE) as database:
        rows = [json.loads(data)[1] for (data,) in database.execute("SELECT data FROM records")]

    lines = {line for records in rows for record in records for line in record.get("excerpt", ())}
    assert lines
    assert lines <= {line for finding in report.findings for line in finding.excerpt} | {""}


# --- The file


def test_only_its_owner_may_read_it(tree: Path, tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        scan(tree, tmp_path / "kept")
    finally:
        os.umask(old)

    assert (tmp_path / "kept").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "kept" / cache.FILE).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("where", ["file", "folder", "link"])
def test_file_that_others_may_have_written_is_not_read(where: str, tree: Path, tmp_path: Path) -> None:
    _, every = scan(tree, tmp_path / "kept")
    file = tmp_path / "kept" / cache.FILE
    if where == "file":
        file.chmod(0o666)
    elif where == "folder":
        file.parent.chmod(0o777)
    else:
        file.rename(tmp_path / "elsewhere")
        file.symlink_to(tmp_path / "elsewhere")

    report, done = scan(tree, tmp_path / "kept")

    assert done == every
    assert report == scan(tree, None)[0]


def _cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def _garbage(file: Path) -> None:
    file.write_bytes(b"no database at all" * 100)


def _empty(file: Path) -> None:
    file.write_bytes(b"")


def _other_tables(file: Path) -> None:
    file.unlink()
    with sqlite3.connect(file) as database:
        database.execute("CREATE TABLE records (something TEXT)")
    file.chmod(0o600)


def _damaged_rows(file: Path) -> None:
    with sqlite3.connect(file) as database:
        database.execute("UPDATE records SET data = replace(data, 'code/', 'edoc/')")
        database.execute("UPDATE trees SET data = replace(data, 'python', 'nohtyp')")


@pytest.mark.parametrize("damage", [_cut, _garbage, _empty, _other_tables, _damaged_rows])
def test_damaged_file_is_dropped_and_made_anew(damage: Callable[[Path], None], tree: Path, tmp_path: Path) -> None:
    expected, _ = scan(tree, tmp_path / "kept")
    damage(tmp_path / "kept" / cache.FILE)

    assert scan(tree, tmp_path / "kept")[0] == expected
    scan(tree, tmp_path / "kept")
    report, done = scan(tree, tmp_path / "kept")

    assert (report, done) == (expected, 0)


def test_any_single_damaged_page_changes_no_report(tree: Path, tmp_path: Path) -> None:
    expected, _ = scan(tree, tmp_path / "kept")
    file = tmp_path / "kept" / cache.FILE
    whole = file.read_bytes()

    for at in range(0, len(whole), 4096):
        file.write_bytes(whole[:at] + bytes(byte ^ 0x55 for byte in whole[at : at + 4096]) + whole[at + 4096 :])
        file.chmod(0o600)
        assert scan(tree, tmp_path / "kept", processes=0)[0] == expected


def test_folder_that_cannot_be_made_costs_nothing_but_time(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("a file")

    report, _ = scan(tree, tmp_path / "kept")

    assert report == scan(tree, None)[0]


def test_two_runs_at_once_do_not_harm_each_other(tree: Path, tmp_path: Path) -> None:
    expected, _ = scan(tree, None)
    environment = {"XDG_CACHE_HOME": str(tmp_path / "home")}
    found: list[str] = []

    def one() -> None:
        done = mlguard(
            "scan", "-s", "code", "-s", "secrets", "-o", "json", ".", "--root", ".", cwd=tree, env=environment
        )
        found.append(done.stdout)

    threads = [threading.Thread(target=one) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(found)) == 1
    assert len(json.loads(found[0])["findings"]) == len(expected.findings)


def test_locked_file_is_gone_without(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected, every = scan(tree, tmp_path / "kept")
    monkeypatch.setattr(cache, "WAIT_SECONDS", 0.01)
    with sqlite3.connect(tmp_path / "kept" / cache.FILE, isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")

        report, done = scan(tree, tmp_path / "kept")

        other.execute("ROLLBACK")
    assert (report, done) == (expected, every)
    assert scan(tree, tmp_path / "kept")[1] == 0


def test_it_does_not_outgrow_its_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "MAX_BYTES", 200_000)
    kept = Cache(tmp_path / "kept")

    for number in range(40):
        kept.keep(
            [(f"{number}-{item}".encode(), [Gap("code", "a.py", "skipped", "x" * 900)], []) for item in range(20)]
        )

    assert (tmp_path / "kept" / cache.FILE).stat().st_size <= 250_000
    assert kept.found([b"39-0"])  # what was used last stays
    assert not kept.found([b"0-0"])


def test_what_is_asked_for_stays_longest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Cache(tmp_path / "kept")
    kept.keep([(f"{item}".encode(), [], []) for item in range(10)])
    with sqlite3.connect(tmp_path / "kept" / cache.FILE) as database:
        database.execute("UPDATE records SET used = 1")
    kept.found([b"7", b"3"])
    monkeypatch.setattr(cache, "MAX_BYTES", 1)

    kept.keep([(b"new", [], [])])

    assert {b"7", b"3", b"new"} <= kept.found([b"3", b"7", b"new", b"0", b"1"]).keys()


# --- Where it is


def test_it_is_never_inside_the_scanned_tree(tree: Path, tmp_path: Path) -> None:
    inside = {"XDG_CACHE_HOME": str(tree / "home")}

    mlguard("scan", "-s", "code", str(tree), cwd=tmp_path, env=inside)

    assert not (tree / "home/mlguard/scan").exists()


def test_configured_folder_inside_the_tree_is_an_error(tree: Path) -> None:
    write(tree, {"mlguard.yaml": f"version: 1\ncache: {tree}/kept\n"})

    done = mlguard("scan", ".", cwd=tree)

    assert done.returncode == 2
    assert "inside the scanned tree" in done.stderr


def test_link_out_of_the_tree_and_back_is_inside(tree: Path, tmp_path: Path) -> None:
    (tree / "kept").mkdir()
    (tmp_path / "link").symlink_to(tree / "kept")

    with pytest.raises(UsageError, match="inside"):
        cache.chosen(tree, str(tmp_path / "link"))


def test_git_work_tree_around_the_root_counts_as_the_tree(tmp_path: Path) -> None:
    git(write(tmp_path, {"part/a.py": ""}), "init")

    with pytest.raises(UsageError, match="inside"):
        cache.chosen(tmp_path / "part", str(tmp_path / "kept"))


@pytest.mark.parametrize(("value", "folder"), [("true", ""), ("false", None), ("/var/kept", "/var/kept")])
def test_configuration_says_where(value: str, folder: str | None, tmp_path: Path) -> None:
    write(tmp_path, {"mlguard.yaml": f"version: 1\ncache: {value}\n"})

    assert config.load(tmp_path / "mlguard.yaml").cache == folder


@pytest.mark.parametrize("value", ["kept", "3", "[a]", "''"])
def test_configured_folder_is_a_whole_path(value: str, tmp_path: Path) -> None:
    write(tmp_path, {"mlguard.yaml": f"version: 1\ncache: {value}\n"})

    with pytest.raises(UsageError, match="cache"):
        config.load(tmp_path / "mlguard.yaml")


def test_where_it_is_does_not_count_for_the_report(tree: Path, tmp_path: Path) -> None:
    environment = {"XDG_CACHE_HOME": str(tmp_path / "home")}
    reports = []
    for value in ("true", "false", tmp_path / "other"):
        write(tree, {"mlguard.yaml": f"version: 1\nlimits:\n  jobs: 1\ncache: {value}\n"})
        reports.append(json.loads(mlguard("scan", "-s", "code", "-o", "json", cwd=tree, env=environment).stdout))

    digests = {json.dumps([report["findings"], report.get("config_digest"), report["gaps"]]) for report in reports}
    assert len(digests) == 1
    assert (tmp_path / "other" / cache.FILE).is_file()


def test_relative_cache_home_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", "/home/somebody")

    assert cache.location() == Path("/home/somebody/.cache/mlguard/scan")


def test_command_says_what_is_kept_and_removes_it(tree: Path, tmp_path: Path) -> None:
    environment = {"XDG_CACHE_HOME": str(tmp_path / "home")}
    mlguard("scan", "-s", "code", str(tree), cwd=tmp_path, env=environment)

    told = mlguard("cache", "status", cwd=tree, env=environment).stdout
    mlguard("cache", "clear", cwd=tree, env=environment)
    after = mlguard("cache", "status", cwd=tree, env=environment).stdout

    assert "records of 4 files" in told
    assert "records of 0 files" in after
    assert not (tmp_path / "home/mlguard/scan" / cache.FILE).exists()
