"""What teams accepted with other tools is honoured and counted, and what was committed once is found."""

from __future__ import annotations

import hashlib
import json
import random
import subprocess
from pathlib import Path

import pytest

from mlguard import config, gate, triage, workers
from mlguard.findings import Detection, Finding, Location
from mlguard.scanners import Context
from tests.scanning import scan
from tests.secrets import corpus

TODAY = __import__("datetime").date(2026, 1, 1)


def token(seed: str, kind: str = "huggingface") -> str:
    return corpus.FORMATS[kind](random.Random(seed))


def findings(root: Path, history: bool = False) -> list[Finding]:
    report = scan(root, ("secrets",), history=history)
    return list(triage.triage(report.findings, config.Config(), TODAY))


@pytest.mark.parametrize(
    ("comment", "tool"),
    [
        ("pragma: allowlist secret", "detect-secrets"),
        ("pragma: whitelist secret", "detect-secrets"),
        ("gitleaks:allow", "gitleaks:allow"),
        ("trufflehog:ignore", "trufflehog:ignore"),
        ("ggignore", "ggignore"),
        ("nosec", "nosec"),
        ("nosec B105", "nosec"),
        ("noqa: S105", "noqa"),
        ("noqa: E501, S106", "noqa"),
        ("nosemgrep: generic.secrets.security.detected-token", "nosemgrep"),
        ("nosemgrep", "nosemgrep"),
    ],
)
@pytest.mark.parametrize("path", ["src/a.py", "conf/a.yaml", "notes.txt"])
def test_a_comment_of_another_tool_sets_a_secret_aside_and_counts(
    path: str, comment: str, tool: str, tmp_path: Path
) -> None:
    (tmp_path / path).parent.mkdir(exist_ok=True)
    (tmp_path / path).write_text(f"a: '{token('x')}'  # {comment}\nb: '{token('y')}'\n")

    first, second = findings(tmp_path)

    assert (first.state, first.aside.tool if first.aside else "") == ("ignored", tool)
    assert (second.state, second.location.line) == ("new", 2)


@pytest.mark.parametrize(
    "comment", ["noqa", "noqa: E501", "nosec B608", "nosemgrep: python.lang.security.eval", "pragma: no cover"]
)
def test_a_comment_about_something_else_sets_no_secret_aside(comment: str, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(f"a = '{token('x')}'  # {comment}\n")

    assert [finding.state for finding in findings(tmp_path)] == ["new"]


def test_a_comment_for_the_next_line_holds_for_that_line_alone(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(f"# pragma: allowlist nextline secret\na = '{token('x')}'\nb = '{token('y')}'\n")

    assert [finding.state for finding in findings(tmp_path)] == ["ignored", "new"]


def test_what_is_set_aside_is_counted_in_the_verdict(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(f"a = '{token('x')}'  # gitleaks:allow\n")
    report = scan(tmp_path, ("secrets",))
    judged = triage.triage(report.findings, config.Config(), TODAY)

    assert any(
        "1 finding set aside by comments in the files: 1 by gitleaks:allow" in told for told in gate._commented(judged)
    )


def baseline(entries: dict[str, list[dict[str, object]]]) -> str:
    return json.dumps({"version": "1.5.0", "plugins_used": [], "results": entries}, indent=2)


def entry(value: str, **more: object) -> dict[str, object]:
    return {
        "type": "Secret Keyword",
        "hashed_secret": hashlib.sha1(value.encode()).hexdigest(),
        "line_number": 1,
        **more,
    }


def test_entries_of_a_baseline_set_aside_what_they_name(tmp_path: Path) -> None:
    values = {name: token(name) for name in ("open", "false", "true", "other")}
    (tmp_path / "a.py").write_text("".join(f"{name} = '{value}'\n" for name, value in values.items()))
    listed = [entry(values["open"]), entry(values["false"], is_secret=False), entry(values["true"], is_secret=True)]
    (tmp_path / ".secrets.baseline").write_text(baseline({"a.py": listed, "b.py": [entry(values["other"])]}))

    found = {finding.location.line: finding for finding in findings(tmp_path) if finding.location.path == "a.py"}

    assert {line: finding.state for line, finding in found.items()} == {1: "ignored", 2: "ignored", 3: "new", 4: "new"}
    assert "not audited" in found[1].reason and "no secret" in found[2].reason
    assert found[1].aside and found[1].aside.tool == ".secrets.baseline"


def test_a_baseline_of_detect_secrets_itself_is_understood(tmp_path: Path) -> None:
    pytest.importorskip("detect_secrets")
    from detect_secrets import SecretsCollection
    from detect_secrets.settings import default_settings

    key = corpus.FORMATS["aws"](random.Random(1))
    url = corpus.connections(random.Random(2))["postgres"]
    (tmp_path / "a.py").write_text(f"key = '{key}'\nurl = '{url}'\n" + corpus.keys(random.Random(3))["RSA"])
    collection = SecretsCollection()
    with default_settings():
        collection.scan_file(str(tmp_path / "a.py"))
    results = {"a.py": [one for many in collection.json().values() for one in many]}
    (tmp_path / ".secrets.baseline").write_text(json.dumps({"version": "1.5.0", "results": results}, indent=1))

    assert [finding.state for finding in findings(tmp_path)] == ["ignored"] * 3


def test_a_broken_baseline_sets_nothing_aside_and_is_a_gap(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(f"a = '{token('x')}'\n")
    (tmp_path / ".secrets.baseline").write_text("{")

    report = scan(tmp_path, ("secrets",))

    assert [finding.aside for finding in report.findings] == [None]
    assert [(gap.path, gap.kind) for gap in report.gaps] == [(".secrets.baseline", "unreadable")]


def test_lists_of_gitleaks_are_honoured(tmp_path: Path) -> None:
    pytest.importorskip("re2")
    for name in ("a.py", "docs/b.py", "c.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"a = '{token(name)}'\n")
    (tmp_path / ".gitleaksignore").write_text("# accepted\na.py:huggingface-access-token:1\n")
    (tmp_path / ".gitleaks.toml").write_text("[allowlist]\npaths = ['''^docs/''']\n")

    assert [(one.location.path, one.state) for one in findings(tmp_path)] == [
        ("a.py", "ignored"),
        ("c.py", "new"),
        ("docs/b.py", "ignored"),
    ]


# ---- history


def git(root: Path, *words: str) -> None:
    subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@b.c", *words], cwd=root, check=True, capture_output=True
    )


def commit(root: Path, files: dict[str, str | None], message: str) -> None:
    for name, text in files.items():
        if text is None:
            (root / name).unlink()
        else:
            (root / name).write_text(text)
    git(root, "add", "-A")
    git(root, "commit", "-qm", message, "--date", "2024-05-06T07:08:09")


def repository(root: Path) -> Path:
    root.mkdir(exist_ok=True)
    git(root, "init", "-q")
    return root


def test_a_credential_of_the_past_is_found_with_its_commit(tmp_path: Path) -> None:
    root = repository(tmp_path / "r")
    commit(root, {"a.py": f"# one\nA = '{token('gone')}'\n", "b.py": f"B = '{token('stays')}'\n"}, "one")
    commit(root, {"a.py": "# one\nA = os.environ['A']\n", "b.py": f"# moved\nB = '{token('stays')}'\n"}, "two")

    past = [finding for finding in findings(root, history=True) if finding.rule == "secret/credential-in-history"]

    (found,) = past
    assert (found.location.path, found.location.line) == ("a.py", 2)
    assert found.location.within.startswith("commit ") and found.facts["kind"] == "Hugging Face access token"
    assert token("gone")[:10] not in repr(found)


@pytest.mark.parametrize("name", ["1234567", "a1b2c3d", "0e1f2a3"])
def test_the_short_name_of_a_commit_is_not_masked(name: str) -> None:
    place = Location("a.py", 1, within=f"commit {name}: Anna 030 1234567")
    seen = Detection(
        "secret/credential-in-history", "credential", place, {"commit": name, "removed": name, "name": name}
    )

    shown = workers._shown(seen, workers._Lines({}, Context(Path(), {})))

    assert shown.location.within.startswith(f"commit {name}: ") and "030" not in shown.location.within
    assert (shown.facts["commit"], shown.facts["removed"], shown.facts["name"]) == (name, name, "…")


def test_a_deleted_file_is_looked_at_and_a_comment_of_the_past_counts(tmp_path: Path) -> None:
    root = repository(tmp_path / "r")
    commit(root, {"a.env": f"A={token('gone')}\n", "b.py": f"B = '{token('b')}'  # gitleaks:allow\n"}, "one")
    commit(root, {"a.env": None, "b.py": None, "c.py": "x = 1\n"}, "two")

    found = findings(root, history=True)

    assert [(one.location.path, one.state) for one in found] == [("a.env", "new"), ("b.py", "ignored")]


def test_a_shallow_clone_is_a_gap(tmp_path: Path) -> None:
    root = repository(tmp_path / "r")
    commit(root, {"a.py": f"A = '{token('gone')}'\n"}, "one")
    commit(root, {"a.py": "A = 1\n"}, "two")
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{root}", str(tmp_path / "shallow"))

    report = scan(tmp_path / "shallow", ("secrets",), history=True)

    assert [(gap.kind, gap.scanner) for gap in report.gaps] == [("sampled", "secrets")]


def test_the_past_of_no_repository_is_a_gap(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\n")

    report = scan(tmp_path, ("secrets",), history=True)

    assert [gap.kind for gap in report.gaps] == ["missing"]


def test_hooks_and_filters_of_the_repository_do_not_run(tmp_path: Path) -> None:
    root = repository(tmp_path / "r")
    commit(root, {"a.py": f"A = '{token('gone')}'\n"}, "one")
    commit(root, {"a.py": "A = 1\n"}, "two")
    marker = tmp_path / "ran"
    git(root, "config", "filter.x.smudge", f"touch {marker}")
    git(root, "config", "diff.x.textconv", f"touch {marker}")
    (root / ".gitattributes").write_text("* filter=x diff=x\n")

    assert any(finding.rule == "secret/credential-in-history" for finding in findings(root, history=True))
    assert not marker.exists()
