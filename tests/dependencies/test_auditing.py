"""What was not audited is a gap, what is known is a finding, and nothing is proved that was not looked at."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from mlguard import config
from mlguard.artifacts import Artifact, kind_of
from mlguard.errors import UsageError
from mlguard.findings import Detection, Gap, Proof, Record
from mlguard.gate import judge
from mlguard.scanners import Context
from mlguard.scanners.dependencies import DependencyScanner, database, making, surveying
from tests.dependencies.records import MILD, SEVERE, ecosystem, fixed, record, write_zip
from tests.scanning import scan as whole_scan

TODAY = date(2026, 11, 28)
HASH = "--hash=sha256:" + "ab" * 32
PINNED = f"foo==1.0 {HASH}\n"
RULES = (
    "dep/known-vulnerability",
    "dep/known-minor-vulnerability",
    "dep/malicious-or-exploited-package",
    "dep/outdated-advisories",
)


@pytest.fixture(autouse=True)
def _no_database_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


def scan(root: Path, text: str = PINNED, name: str = "requirements.txt", **setting: object) -> list[Record]:
    """Return what the audit says of one manifest."""
    root.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text)
    scanner = DependencyScanner()
    artifact = Artifact(name, kind_of(name, text.encode()), len(text))
    found = [one for group in scanner.plan([artifact], setting) for one in scanner.scan(group, Context(root, setting))]
    return [one for one in found if not isinstance(one, Detection | Proof) or one.rule in RULES]


def of(kind: type, records: list[Record]) -> list[Any]:
    return [one for one in records if isinstance(one, kind)]


def make(root: Path, *records: object, to: str = "db") -> str:
    root.mkdir(parents=True, exist_ok=True)
    survey = surveying.survey(write_zip(root / "osv.zip", records))
    database.write(root / to, making.made(survey, "osv.zip", "0" * 64, TODAY))
    return to


def told(records: list[Record]) -> list[tuple[str, str, str]]:
    return [(one.rule, one.check, one.advisory) for one in of(Detection, records)]


# ---- severity and rule


@pytest.mark.parametrize(
    ("more", "setting", "rule"),
    [
        (SEVERE, {}, "dep/known-vulnerability"),
        (MILD, {}, "dep/known-minor-vulnerability"),
        ({}, {}, "dep/known-vulnerability"),
        ({}, {"unknown_severity": "medium"}, "dep/known-minor-vulnerability"),
        ({}, {"unknown_severity": "critical"}, "dep/known-vulnerability"),
        ({"database_specific": {"severity": "LOW"}}, {"unknown_severity": "critical"}, "dep/known-minor-vulnerability"),
    ],
)
def test_rule_follows_the_severity_and_unknown_is_never_low(more: Any, setting: Any, rule: str, tmp_path: Path) -> None:
    found = scan(tmp_path, database=make(tmp_path, record("PYSEC-1", **more)), **setting)

    assert told(found) == [(rule, "advisory", "PYSEC-1")]
    assert of(Gap, found) == [] == of(Proof, found)


def test_malice_is_critical_whatever_its_severity(tmp_path: Path) -> None:
    found = scan(
        tmp_path,
        database=make(tmp_path, record("MAL-2026-1", aliases=["CVE-2026-1"], **MILD)),
        unknown_severity="medium",
    )

    assert told(found) == [("dep/malicious-or-exploited-package", "malicious", "MAL-2026-1")]


# ---- exploitation


def catalogue(root: Path, *names: str) -> str:
    body = {"title": "x", "vulnerabilities": [{"cveID": name, "dateAdded": "2024-05-06"} for name in names]}
    (root / "kev.json").write_text(json.dumps(body))
    return "kev.json"


def scores(root: Path, name: str, *lines: str) -> str:
    text = "#model_version:v2025.03.14,score_date:2026-11-27T00:00:00+0000\ncve,epss,percentile\n" + "".join(
        f"{line}\n" for line in lines
    )
    (root / name).write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return name


def test_exploited_flaw_is_reported_as_such_under_any_of_its_names(tmp_path: Path) -> None:
    source = make(
        tmp_path,
        record("PYSEC-1", aliases=["GHSA-1"], **MILD),
        record("GHSA-1", aliases=["CVE-2024-7"]),
        record("PYSEC-2"),
    )

    found = scan(tmp_path, database=source, kev=catalogue(tmp_path, "CVE-2024-7", "CVE-2020-9"))

    assert sorted(told(found)) == [
        ("dep/known-vulnerability", "advisory", "PYSEC-2"),
        ("dep/malicious-or-exploited-package", "exploited", "PYSEC-1"),
    ]
    assert {one.advisory: one.facts.get("exploited") for one in of(Detection, found)} == {
        "PYSEC-1": "2024-05-06",
        "PYSEC-2": None,
    }


@pytest.mark.parametrize("name", ["epss.csv", "epss.csv.gz"])
def test_probability_of_exploitation_is_told(name: str, tmp_path: Path) -> None:
    source = make(tmp_path, record("PYSEC-1", aliases=["CVE-2024-7"]))

    (hit,) = of(
        Detection,
        scan(tmp_path, database=source, epss=scores(tmp_path, name, "CVE-2024-6,0.1,0.2", "CVE-2024-7,0.94321,0.999")),
    )

    assert hit.facts["epss"] == "0.9432"
    assert "94.3%" in str(hit.facts["likelihood"])


BAD_FILES: dict[str, tuple[str, bytes]] = {
    "kev is no JSON": ("kev", b"{"),
    "kev is empty": ("kev", b'{"vulnerabilities": []}'),
    "kev has another form": ("kev", b'{"vulnerabilities": [{"id": "CVE-2024-7"}]}'),
    "kev is deep": ("kev", b"[" * 100_000),
    "epss is empty": ("epss", b""),
    "epss has no header": ("epss", b"CVE-2024-7,0.9,0.9\n"),
    "epss has a bad score": ("epss", b"cve,epss,percentile\nCVE-2024-7,high,0.9\n"),
    "epss has a score above 1": ("epss", b"cve,epss,percentile\nCVE-2024-7,1.9,0.9\n"),
    "epss is cut off": ("epss", gzip.compress(b"cve,epss,percentile\n" + b"CVE-2024-8,0.1,0.1\n" * 999)[:-20]),
    "epss is one line": ("epss", b"cve,epss," + b"x" * 100_000),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_file_about_exploitation_that_cannot_be_read_is_a_gap(name: str, tmp_path: Path) -> None:
    key, data = BAD_FILES[name]
    (tmp_path / "file").write_bytes(data)

    found = scan(tmp_path, database=make(tmp_path, record("PYSEC-1", aliases=["CVE-2024-7"])), **{key: "file"})

    assert [gap.kind for gap in of(Gap, found)] == ["missing"]
    assert told(found) == [("dep/known-vulnerability", "advisory", "PYSEC-1")]


@pytest.mark.parametrize("key", ["kev", "epss"])
@pytest.mark.parametrize("package", ["foo", "bar"])
def test_absent_file_about_exploitation_is_a_gap_even_without_a_flaw(key: str, package: str, tmp_path: Path) -> None:
    found = scan(tmp_path, database=make(tmp_path, record("PYSEC-1", package)), **{key: "absent"})

    assert [gap.kind for gap in of(Gap, found)] == ["missing"]


# ---- the source


def test_database_of_the_user_is_taken_when_none_is_named(tmp_path: Path) -> None:
    make(tmp_path, record("PYSEC-1"))
    database.write(database.default_path(), (tmp_path / "db").read_bytes())

    assert told(scan(tmp_path)) == [("dep/known-vulnerability", "advisory", "PYSEC-1")]


def test_database_may_be_named_as_advisories(tmp_path: Path) -> None:
    assert told(scan(tmp_path, advisories=make(tmp_path, record("PYSEC-1")))) == [
        ("dep/known-vulnerability", "advisory", "PYSEC-1")
    ]


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-3] ^= 1  # within a package, which is read only when it is asked for
    path.write_bytes(data)


TROUBLES: dict[str, Callable[[Path], object]] = {
    "absent": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "of another version": lambda path: path.write_bytes(
        path.read_bytes().replace(b"MLGADV\x00\x01", b"MLGADV\x00\x63", 1)
    ),
    "no database": lambda path: path.write_bytes(b"{}"),
    "damaged inside": damage,
    "a folder": lambda path: (path.unlink(), path.mkdir()),
}


@pytest.mark.parametrize("name", TROUBLES)
def test_database_that_cannot_be_used_is_a_gap_and_proves_nothing(name: str, tmp_path: Path) -> None:
    source = make(tmp_path, record("PYSEC-1", events=fixed("0.5")))
    TROUBLES[name](tmp_path / source)

    found = scan(tmp_path, database=source)

    assert [gap.kind for gap in of(Gap, found)] == ["missing"]
    assert of(Proof, found) == []


def test_no_source_at_all_is_a_gap(tmp_path: Path) -> None:
    (gap,) = of(Gap, scan(tmp_path))

    assert "no advisory source" in gap.reason and "mlguard db update" in gap.hint


def test_stale_database_is_a_gap_without_a_word_in_the_configuration(tmp_path: Path) -> None:
    found = scan(tmp_path, database=make(tmp_path, record("PYSEC-1", "bar", modified="2001-01-01T00:00:00Z")))

    assert ["days old" in gap.reason for gap in of(Gap, found)] == [True]
    assert of(Proof, found) == []


def test_stale_database_is_a_finding_where_the_configuration_wants_that(tmp_path: Path) -> None:
    source = make(tmp_path, record("PYSEC-1", "bar", modified="2001-01-01T00:00:00Z"))

    found = scan(tmp_path, database=source, stale="warn", max_age_days=10)

    assert told(found) == [("dep/outdated-advisories", "age", "")]
    assert (of(Gap, found), len(of(Proof, found))) == ([], 1)


def test_database_without_any_date_is_stale(tmp_path: Path) -> None:
    found = scan(tmp_path, database=make(tmp_path, record("PYSEC-1", "bar", modified="some day")))

    assert ["has a date" in gap.reason for gap in of(Gap, found)] == [True]


def test_database_with_entries_that_were_not_understood_is_a_gap(tmp_path: Path) -> None:
    found = scan(tmp_path, database=make(tmp_path, record("PYSEC-1", "bar"), b"{"), max_age_days=36500)

    assert ["1 entries" in gap.reason for gap in of(Gap, found)] == [True]
    assert of(Proof, found) == []


# ---- requirements without a version


@pytest.mark.parametrize(
    ("line", "body", "checks", "sentence"),
    [
        ("foo", {}, ["range"], "every version known here"),
        ("foo>=1,<2", {"events": fixed("2.0"), "versions": ["1.0", "1.5"]}, ["range"], "every version known here"),
        ("foo~=1.0", {"events": fixed("2.0"), "versions": ["1.0", "1.5"]}, ["range"], "every version known here"),
        ("foo>=1.0", {"versions": ["1.0", "1.5"]}, [], "every version known here"),
        ("foo>=1.0", {"events": fixed("2.0"), "versions": ["1.0", "1.5"]}, [], "the lowest version that it allows, 1.0"),
        ("foo>=1.0,<1.9", {"versions": ["1.0"], "ranges": [ecosystem(*fixed("1.1")), ecosystem(*fixed("2.0", "1.8"))]}, [], "the lowest"),
        ("foo>=0.9", {"versions": ["1.5"], "ranges": [ecosystem({"introduced": "1.0"}, {"fixed": "2.0"})]}, [], "the lowest"),
        ("foo!=1.5", {"versions": ["1.5"], "ranges": [ecosystem({"introduced": "1.5"}, {"fixed": "2.0"})]}, [], ""),
        ("foo>=2.0", {"events": fixed("2.0"), "versions": ["1.0"]}, [], ""),
        ("bar", {}, [], ""),
    ],
)  # fmt: skip
def test_open_requirement_is_a_gap_that_says_what_is_known(
    line: str, body: Any, checks: list[str], sentence: str, tmp_path: Path
) -> None:
    found = scan(tmp_path, f"{line}\n", "requirements.in", database=make(tmp_path, record("PYSEC-1", **body)))

    (gap,) = of(Gap, found)
    assert gap.kind == "unresolved"
    assert (sentence in gap.reason) if sentence else ("; " not in gap.reason)
    assert [one.check for one in of(Detection, found)] == checks
    assert of(Proof, found) == []


# ---- entries that set advisories aside


def judged(root: Path, ignore: str, *records: object) -> list[tuple[str, str]]:
    make(root, *records)
    (root / "requirements.txt").write_text(PINNED)
    (root / "mlguard.yaml").write_text(f"version: 1\ndependencies:\n  database: db\n  ignore:\n{ignore}")
    settings = config.load(root / "mlguard.yaml")
    report, _ = judge(whole_scan(root, ("dependencies",), settings.settings), settings, TODAY)
    return sorted((one.advisory, one.state) for one in report.findings if one.advisory)


ENTRY = "    - {id: %s, reason: not reached by our code, until: 2026-12-31}\n"


@pytest.mark.parametrize("name", ["PYSEC-1", "CVE-2024-7", "GHSA-x", "GHSA-y", "cve-2024-7", "CVE-2024-40"])
def test_any_name_of_a_flaw_sets_all_of_it_aside(name: str, tmp_path: Path) -> None:
    more = [f"CVE-2024-{n}" for n in range(10, 41)]
    records = [
        record("PYSEC-1", aliases=["CVE-2024-7", *more]),
        record("GHSA-x", aliases=["CVE-2024-7"]),
        record("GHSA-y", aliases=["GHSA-x"]),
    ]

    assert judged(tmp_path, ENTRY % name, *records, record("PYSEC-2")) == [("PYSEC-1", "ignored"), ("PYSEC-2", "new")]


@pytest.mark.parametrize(
    ("entry", "state"),
    [
        ("{id: PYSEC-1, package: foo, reason: not reached by our code, until: 2026-12-31}", "ignored"),
        ("{id: PYSEC-1, package: Foo, reason: not reached by our code, until: 2026-12-31, owner: platform}", "ignored"),
        ("{id: PYSEC-1, package: bar, reason: not reached by our code, until: 2026-12-31}", "new"),
        ("{package: foo, reason: not reached by our code, until: 2026-12-31}", "ignored"),
        ("{id: PYSEC-1, reason: not reached by our code, until: 2026-11-27}", "new"),
        ("{id: PYSEC-11, reason: not reached by our code, until: 2026-12-31}", "new"),
    ],
)
def test_entry_counts_for_its_package_and_to_its_day(entry: str, state: str, tmp_path: Path) -> None:
    assert judged(tmp_path, f"    - {entry}\n", record("PYSEC-1")) == [("PYSEC-1", state)]


def test_entry_for_a_package_does_not_set_malice_aside(tmp_path: Path) -> None:
    entry = "    - {package: foo, reason: not reached by our code, until: 2026-12-31}\n"

    assert judged(tmp_path, entry, record("MAL-2026-1")) == [("MAL-2026-1", "new")]


@pytest.mark.parametrize(
    "entry",
    [
        "{id: PYSEC-1, until: 2026-12-31}",
        "{id: PYSEC-1, reason: long enough a reason}",
        "{reason: long enough a reason, until: 2026-12-31}",
    ],
)
def test_entry_without_reason_end_or_name_is_refused(entry: str, tmp_path: Path) -> None:
    (tmp_path / "mlguard.yaml").write_text(f"version: 1\ndependencies: {{ignore: [{entry}]}}\n")

    with pytest.raises(UsageError):
        config.load(tmp_path / "mlguard.yaml")


# ---- packages of an index of one's own

LOCK = """\
version = 1
[[package]]
name = "ours"
version = "1.0"
source = {{ registry = "https://{host}/simple" }}
sdist = {{ url = "https://{host}/ours-1.0.tar.gz", hash = "sha256:{hash}" }}
"""


@pytest.mark.parametrize(
    ("host", "package", "setting", "gaps", "proofs"),
    [
        ("index.example.org", "other", {}, 1, 0),
        ("index.example.org", "ours", {}, 0, 1),
        ("index.example.org", "other", {"mirrors": ["index.example.org"]}, 0, 1),
    ],
)
def test_package_of_an_own_index_is_not_proved_by_silence(
    host: str, package: str, setting: Any, gaps: int, proofs: int, tmp_path: Path
) -> None:
    source = make(tmp_path, record("PYSEC-1", package, events=fixed("0.5")))

    found = scan(tmp_path, LOCK.format(host=host, hash="ab" * 32), "uv.lock", database=source, **setting)

    assert len([gap for gap in of(Gap, found) if "another index" in gap.reason]) == gaps
    assert len(of(Proof, found)) == proofs
