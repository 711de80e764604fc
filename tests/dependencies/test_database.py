"""A database is whole and what was written, or it is refused; and it answers at once."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlguard.errors import Unreadable
from mlguard.scanners.dependencies import audit, database, making, surveying
from tests.dependencies.records import fixed, many, record, write_zip

TODAY = date(2026, 11, 28)


def made(tmp_path: Path, *records: object, name: str = "db") -> Path:
    survey = surveying.survey(write_zip(tmp_path / "osv.zip", records))
    database.write(tmp_path / name, making.made(survey, "osv.zip", "0" * 64, TODAY))
    return tmp_path / name


def test_manifest_counts_what_was_read(tmp_path: Path) -> None:
    path = made(
        tmp_path,
        record("PYSEC-1", modified="2026-11-20T00:00:00Z"),
        record("MAL-1", "bar"),
        record("PYSEC-2", withdrawn="2020-01-01T00:00:00Z"),
        record("PYSEC-3", modified="2199-01-01T00:00:00Z"),
        b"{",
        {**record("X"), "affected": [{"package": {"ecosystem": "npm", "name": "foo"}}]},
    )

    with database.open_database(path) as found:
        facts = found.manifest
    assert (facts.entries, facts.packages, facts.advisories) == (4, 2, 3)
    assert (facts.withdrawn, facts.malicious, facts.broken) == (1, 1, 1)
    assert (facts.snapshot, facts.created, facts.size) == ("2026-11-20", "2026-11-28", path.stat().st_size)


def test_same_export_gives_the_same_bytes(tmp_path: Path) -> None:
    one = made(tmp_path, *many(50)).read_bytes()
    other = made(tmp_path, *reversed(list(many(50)))).read_bytes()

    assert one == other


def test_wrong_date_to_come_does_not_make_old_data_young(tmp_path: Path) -> None:
    path = made(
        tmp_path, record("PYSEC-1", modified="2199-01-01T00:00:00Z"), record("PYSEC-2", modified="2019-01-01T00:00:00Z")
    )

    with database.open_database(path) as found:
        assert found.age(date(2019, 1, 31)) == 30


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "no database": lambda data: b"PK" + data[2:],
    "another version": lambda data: data[:7] + b"\x02" + data[8:],
    "cut by one byte": lambda data: data[:-1],
    "half": lambda data: data[: len(data) // 2],
    "only its head": lambda data: data[:20],
    "one byte more": lambda data: data + b"\x00",
    "manifest changed": lambda data: data.replace(b'"broken":0', b'"broken":9'),
    "length of the manifest": lambda data: data[:8] + b"\xff\xff\xff\xff" + data[12:],
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_database_is_refused_when_it_is_opened(name: str, tmp_path: Path) -> None:
    path = made(tmp_path, *many(20))
    path.write_bytes(DAMAGE[name](path.read_bytes()))

    with pytest.raises(Unreadable):
        database.open_database(path).close()


@given(st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_changed_byte_anywhere_is_refused_or_changes_nothing(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "good"
    if not path.exists():
        made(tmp_path, *many(20), name="good")
    good = path.read_bytes()
    at = data.draw(st.integers(0, len(good) - 1))
    changed = bytearray(good)
    changed[at] ^= data.draw(st.integers(1, 255))
    (tmp_path / "bad").write_bytes(changed)

    with pytest.raises(Unreadable), database.open_database(tmp_path / "bad") as found:
        found.verify()


def test_file_that_is_none_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    for path in (tmp_path, tmp_path / "absent", tmp_path / "pipe"):
        with pytest.raises(Unreadable):
            database.open_database(path)
        assert not database.is_database(path)


@pytest.mark.parametrize(
    "records",
    [
        [],
        [{"id": "X", "affected": [{"package": {"ecosystem": "npm", "name": "foo"}}]}],
        [record("P", withdrawn="x")],
    ],
)
def test_export_without_advisories_makes_no_database(records: list[object], tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="no advisory for PyPI"):
        made(tmp_path, *records)


def test_writing_leaves_the_old_file_or_the_new_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = made(tmp_path, record("PYSEC-1"))
    before = path.read_bytes()

    def fail(*_: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="full"):
        database.write(path, b"new")

    assert path.read_bytes() == before
    assert {file.name for file in tmp_path.iterdir()} == {"db", "osv.zip"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


@pytest.mark.parametrize("form", ["folder", "file", "zip", "checkout", "zip of a checkout"])
def test_export_may_have_each_form(form: str, tmp_path: Path) -> None:
    import json
    import zipfile

    one = record("PYSEC-1", events=fixed("2.0"), versions=["1.10", "1.1"])
    text = json.dumps(one)
    yaml_text = (
        "id: PYSEC-1\ndetails: A flaw\naffected:\n- package:\n    name: foo\n    ecosystem: PyPI\n  ranges:\n"
        "  - type: ECOSYSTEM\n    events:\n    - introduced: '0'\n    - fixed: 2.0\n  versions:\n  - 1.10\n  - 1.1\n"
        "modified: 2026-11-01T00:00:00Z\nwithdrawn: null\n"
    )
    source = tmp_path / "source"
    if form == "folder":
        (source / "PyPI").mkdir(parents=True)
        (source / "PyPI" / "a.json").write_text(text)
        (source / ".git").mkdir()
        (source / ".git" / "b.json").write_text("{")
    elif form == "file":
        source.write_text(json.dumps([one]))
    elif form == "zip":
        write_zip(source, [one])
    elif form == "checkout":
        (source / "vulns" / "foo").mkdir(parents=True)
        (source / "vulns" / "foo" / "PYSEC-1.yaml").write_text(yaml_text)
        (source / "triage").mkdir()
        (source / "triage" / "ids.yaml").write_text("ids: [CVE-1]\n")
    else:
        with zipfile.ZipFile(source, "w") as archive:
            archive.writestr("advisory-database-main/vulns/foo/PYSEC-1.yaml", yaml_text)
            archive.writestr("advisory-database-main/.github/workflows/x.yaml", "on: push\n")
            archive.writestr("advisory-database-main/triage/ids.yaml", "ids: [CVE-1]\n")

    survey = surveying.survey(source)
    database.write(tmp_path / "db", making.made(survey, "x", "0" * 64, TODAY))

    with database.open_database(tmp_path / "db") as found:
        (one_result,) = audit.audit([("foo", "1.10")], found)
        assert (survey.broken, [flaw.id for flaw in one_result.vulnerabilities]) == (0, ["PYSEC-1"])
        assert one_result.vulnerabilities[0].fixed == ("2.0",)
        assert found.known("foo").table == ["1.1", "1.10", "2.0"]  # type: ignore[union-attr]  # it is there


def test_large_database_opens_and_answers_at_once(tmp_path: Path) -> None:
    path = made(tmp_path, *many(20_000))

    def best(what: Callable[[], object]) -> float:
        times = []
        for _ in range(20):
            start = time.process_time()
            what()
            times.append(time.process_time() - start)
        return min(times)

    with database.open_database(path) as found:
        found.verify()
        assert best(lambda: database.open_database(path).close()) < 0.02
        assert best(lambda: [found.known(f"absent-{n}") for n in range(100)]) < 100 * 100e-6
        assert best(lambda: list(audit.audit([(f"package-{n}", "9.0") for n in range(100)], found))) < 100 * 200e-6
