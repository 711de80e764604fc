"""The examples show what they say: every planted fault is reported, and the clean twin is quiet."""

from __future__ import annotations

import csv
import datetime
import hashlib
import json
import pickletools
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from mlguard import yamlish
from mlguard.cli.run import configuration, examine
from mlguard.findings import Report
from mlguard.gate import judge
from mlguard.scanners import BUILT_IN

EXAMPLES = Path(__file__).parent.parent / "examples"
README = (EXAMPLES / "README.md").read_text(encoding="utf-8")
BUILDER = (EXAMPLES / "build.py").read_text(encoding="utf-8")
_ROW = re.compile(r"^\| `([^`]+)` \| (\d*) ?\| `([^`]+)` \|", re.M)


def rows(heading: str) -> list[tuple[str, int, str]]:
    """Return (file, line or 0, rule) of each row of the table under a heading of the README."""
    section = README.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return [(path, int(line or 0), rule) for path, line, rule in _ROW.findall(section)]


def scanned(name: str) -> Report:
    root = EXAMPLES / name
    return examine(root, [root], configuration([root], None))


@pytest.fixture(scope="module")
def faulty() -> Report:
    return scanned("churn")


@pytest.fixture(scope="module")
def clean() -> Report:
    return scanned("churn-clean")


def reported(report: Report, path: str, line: int, rule: str) -> bool:
    return any(
        finding.rule == rule and finding.location.path == path and line in (0, finding.location.line)
        for finding in report.findings
    )


@pytest.mark.parametrize(("path", "line", "rule"), rows("Planted faults"), ids=lambda value: str(value))
def test_planted_fault_is_reported(faulty: Report, path: str, line: int, rule: str) -> None:
    assert reported(faulty, path, line, rule)


def test_faults_that_the_readme_calls_missed_are_missed(faulty: Report) -> None:
    found = [row for row in rows("Planted, and not reported") if reported(faulty, *row)]

    assert found == [], "move the row to the table of planted faults"


def test_table_names_a_fault_for_every_scanner(faulty: Report) -> None:
    shown = {finding.scanner for finding in faulty.findings for row in rows("Planted faults") if finding.rule == row[2]}

    assert shown >= set(BUILT_IN)


def test_nothing_of_the_faulty_example_breaks_a_scanner(faulty: Report) -> None:
    assert [gap for gap in faulty.gaps if gap.kind in ("crash", "timeout")] == []


def test_report_shows_no_value_of_a_customer_and_no_credential(faulty: Report) -> None:
    with open(EXAMPLES / "churn" / "data" / "customers.csv", encoding="utf-8") as file:
        shown = ("customer_id", "email", "telefono", "adresse", "iban", "nif", "ip_address", "date_naissance")
        values = {row[column] for row in csv.DictReader(file) for column in shown}
    notebook = json.loads((EXAMPLES / "churn" / "explore.ipynb").read_bytes())
    values |= set(re.findall(r"hf_[A-Za-z]{34}", json.dumps(notebook)))
    for path, pattern in ((".env", r"churn:(\w+)@"), ("Dockerfile", r"ACCESS_KEY=(\S+)")):
        values |= set(re.findall(pattern, (EXAMPLES / "churn" / path).read_text()))
    assert len(values) > 2000

    text = repr(faulty)

    assert [value for value in values if value in text] == []


def test_clean_twin_has_no_finding(clean: Report) -> None:
    assert [(f.location.path, f.location.line, f.rule, f.message) for f in clean.findings] == []


def test_gate_lets_the_clean_twin_pass_and_holds_the_other(clean: Report, faulty: Report) -> None:
    today = datetime.date(2026, 10, 1)

    verdicts = [judge(report, configuration([EXAMPLES / "churn-clean"], None), today)[1] for report in (clean, faulty)]

    assert verdicts[0].outcome == "pass"
    assert verdicts[1].exit_code != 0 and len(verdicts[1].blocking) > 50


def test_clean_twin_has_no_gap(clean: Report) -> None:
    assert clean.gaps == ()


def test_every_scanner_had_something_to_read_in_the_clean_twin(clean: Report) -> None:
    assert {part.scanner for part in clean.coverage if part.complete} >= set(BUILT_IN)


def test_clean_twin_has_proofs(clean: Report) -> None:
    assert len(clean.proofs) > 20


def test_a_store_of_pseudonymous_data_is_held_to_the_rules_on_personal_data(clean: Report) -> None:
    proven = {proof.rule for proof in clean.proofs if proof.subject == "aws_s3_bucket.features"}

    assert {"tf/missing-lifecycle-expiry", "tf/unlogged-data-access", "tf/disallowed-region"} <= proven


def test_files_have_the_digests_of_the_list() -> None:
    listed = dict(reversed(line.split("  ")) for line in (EXAMPLES / "SHA256SUMS").read_text().splitlines())

    assert {path: hashlib.sha256((EXAMPLES / path).read_bytes()).hexdigest() for path in listed} == listed


def test_every_table_and_model_is_on_the_list() -> None:
    listed = {line[66:] for line in (EXAMPLES / "SHA256SUMS").read_text().splitlines()}
    there = {
        path.relative_to(EXAMPLES).as_posix()
        for folder in ("data", "models")
        for path in EXAMPLES.glob(f"*/{folder}/*")
        if path.suffix != ".md"
    }

    assert there <= listed


def test_builder_writes_the_committed_bytes(tmp_path: Path) -> None:
    needed = dict(re.findall(r"\b([a-z-]+)==([0-9.]+)", BUILDER))
    assert len(needed) == 7
    for name, version in needed.items():
        try:
            there = metadata.version(name).split("+")[0]
        except metadata.PackageNotFoundError:
            there = "none"
        if there != version:
            pytest.skip(f"needs {name} {version}, and {there} is here")

    subprocess.run([sys.executable, EXAMPLES / "build.py", "--output", tmp_path], check=True, capture_output=True)

    assert (tmp_path / "SHA256SUMS").read_text() == (EXAMPLES / "SHA256SUMS").read_text()


def test_declaration_of_the_clean_twin_names_the_present_digests() -> None:
    text = (EXAMPLES / "churn-clean" / "privacy.yaml").read_text(encoding="utf-8")
    body, _ = yamlish.load(text, "privacy.yaml")

    for entry in [*body["datasets"], *body["models"]]:
        file = EXAMPLES / "churn-clean" / entry["location"][0]
        assert entry["digest"] == "sha256:" + hashlib.sha256(file.read_bytes()).hexdigest()


def test_hostile_sample_holds_one_call_with_a_harmless_argument() -> None:
    data = (EXAMPLES / "churn" / "models" / "suspicious.pkl").read_bytes()

    operations = [(opcode.name, argument) for opcode, argument, _ in pickletools.genops(data)]

    assert operations == [
        ("PROTO", 2),
        ("GLOBAL", "posix system"),
        ("BINUNICODE", "true"),
        ("TUPLE1", None),
        ("REDUCE", None),
        ("STOP", None),
    ]


def test_no_file_holds_the_token_in_one_piece() -> None:
    token = re.compile(rb"hf_[A-Za-z]{34}")
    notebook = (EXAMPLES / "churn" / "explore.ipynb").read_bytes()

    assert [path for path in EXAMPLES.rglob("*") if path.is_file() and token.search(path.read_bytes())] == []
    assert token.search(json.dumps(json.loads(notebook)).encode()), "the notebook holds it once it is decoded"


@pytest.mark.parametrize("path", sorted((EXAMPLES / "advisories").glob("*.json")), ids=lambda path: path.stem)
def test_advisory_says_what_it_is_about_and_where_it_is_from(path: Path) -> None:
    record = json.loads(path.read_text(encoding="utf-8"))
    pinned = (EXAMPLES / "churn" / "requirements.txt").read_text().lower()

    assert record["id"] == path.stem
    assert path.stem in record["database_specific"]["source"]
    for affected in record["affected"]:
        assert f"{affected['package']['name']}==" in pinned
        assert all({"introduced"} <= set(item["events"][0]) for item in affected["ranges"])
