"""A version is judged as the evaluation algorithm of OSV has it, and a flaw is told once, as pip-audit's auditor tells it."""

from __future__ import annotations

import gc
import random
import time
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.version import Version

from mlguard.scanners.dependencies import advisories, audit, building, database, making, osv, surveying
from tests.dependencies.records import BROKEN, ODD, SEVERE, ecosystem, fixed, many, record, write_zip

TODAY = date(2026, 11, 28)


def made(tmp_path: Path, *records: object) -> database.Database:
    survey = surveying.survey(write_zip(tmp_path / "osv.zip", records))
    database.write(tmp_path / "db", making.made(survey, "osv.zip", "0" * 64, TODAY))
    return database.open_database(tmp_path / "db")


def result(tmp_path: Path, version: str, *records: object, package: str = "foo") -> audit.Result:
    with made(tmp_path, *records) as found:
        (one,) = audit.audit([(package, version)], found)
        return one


def ids(found: audit.Result) -> list[str]:
    return [flaw.id for flaw in found.vulnerabilities]


# ---- one version against one record

VERSIONS = ["0.9", "1.0a1", "1.0", "1.0.post1", "1.1.dev0", "1.1", "1.2", "2.0rc1", "2.0", "2.0.1", "1!0.5", "3.0"]


def parsed(text: str) -> Version:
    return Version("0.dev0") if text == "0" else Version(text)


def by_the_algorithm(affected: dict[str, Any], version: str) -> bool:
    """Evaluate a record as the specification's section on evaluation does; at one version "fixed" comes before "introduced"."""
    wanted = Version(version)
    if any(Version(listed) == wanted for listed in affected.get("versions", [])):
        return True
    for one in affected.get("ranges", []):
        limits = [event["limit"] for event in one["events"] if "limit" in event]
        if limits and not any(limit == "*" or wanted < Version(limit) for limit in limits):
            continue
        order = {"fixed": 0, "introduced": 1, "last_affected": 2}
        events = [
            (parsed(text), order[name], name)
            for event in one["events"]
            for name, text in event.items()
            if name in order
        ]
        inside = False
        for bound, _, name in sorted(events):
            if name == "introduced" and wanted >= bound:
                inside = True
            elif (name == "fixed" and wanted >= bound) or (name == "last_affected" and wanted > bound):
                inside = False
        if inside:
            return True
    return False


events = st.lists(
    st.tuples(st.sampled_from(["introduced", "fixed", "last_affected"]), st.sampled_from(VERSIONS)).map(
        lambda e: {e[0]: e[1]}
    ),
    max_size=6,
)
limits = st.lists(st.sampled_from([{"limit": "2.0"}, {"limit": "*"}, {"limit": "1.1"}]), max_size=1)
starts = st.sampled_from(["0", *VERSIONS]).map(lambda text: [{"introduced": text}])
ranges = st.lists(
    st.tuples(starts, events, limits).map(lambda parts: ecosystem(*parts[0], *parts[1], *parts[2])), max_size=3
)


@given(
    ranges,
    st.lists(st.sampled_from(VERSIONS), max_size=4),
    st.sampled_from([*VERSIONS, "1.0.0", "0.1", "9.0", "1.5", "0.dev0"]),
)
@settings(max_examples=800, deadline=None)
def test_verdict_is_that_of_the_algorithm(found: list[Any], listed: list[str], version: str) -> None:
    affected = {"ranges": found, "versions": listed}
    if not found and not listed:
        return
    (claim,) = osv.claims(record("PYSEC-1", **affected))

    verdict = building.package("foo", [claim], {}).affects(0, building.package("foo", [claim], {}).place(version))

    assert verdict is by_the_algorithm(affected, version)


@pytest.mark.parametrize(
    ("version", "body", "affected"),
    [
        ("3.1.1", {"events": [*fixed("3.1.1"), {"introduced": "3.1.1"}, {"fixed": "3.2"}]}, True),
        ("3.2", {"events": [*fixed("3.1.1"), {"introduced": "3.1.1"}, {"fixed": "3.2"}]}, False),
        ("1.0", {"events": [{"introduced": "1.0"}, {"last_affected": "1.0"}]}, True),
        ("1.0.1", {"events": [{"introduced": "1.0"}, {"last_affected": "1.0"}]}, False),
        ("1.5", {"ranges": [ecosystem(*fixed("1.2")), ecosystem(*fixed("2.0", "1.1"))]}, True),
        ("2.0a1", {"events": fixed("2.0")}, True),
        ("2.0rc1", {"versions": ["2.0rc1"], "events": fixed("1.0")}, True),
        ("1.13.1+cu117", {"events": [{"introduced": "0"}, {"last_affected": "1.13.1"}]}, True),
        ("1.13.1+cu117", {"versions": ["1.13.1"]}, True),
        ("1.13.1", {"versions": ["1.13.1+cu117"]}, False),
        ("1.13.1+cu117", {"versions": ["1.13.1+cu117"]}, True),
        ("1.0.0", {"versions": ["1.0"]}, True),
        ("v1.0", {"versions": ["1.0"]}, True),
        ("2004d", {"versions": ["2004D"]}, True),
        ("build_7", {"versions": ["1.0"]}, False),
        ("build_7", {"events": fixed("2.0")}, None),
        ("build_7", {"events": [{"introduced": "0"}]}, True),
        ("1.0", {}, True),
        ("1.0", {"ranges": [], "versions": []}, True),
        ("1.0", {"ranges": [{"type": "SEMVER", "events": fixed("2.0.0")}]}, True),
        ("2.0", {"ranges": [{"type": "SEMVER", "events": fixed("2.0.0")}]}, False),
        ("1.0", {"ranges": [{"type": "GIT", "events": fixed("abc")}], "versions": ["1.0"]}, True),
        ("1.1", {"ranges": [{"type": "GIT", "events": fixed("abc")}], "versions": ["1.0"]}, False),
        ("1.1", {"ranges": [{"type": "GIT", "events": fixed("abc")}]}, None),
        ("1!0.5", {"events": fixed("2.0")}, False),
    ],
)
def test_special_record_is_read_right(version: str, body: Any, affected: bool | None, tmp_path: Path) -> None:
    found = result(tmp_path, version, record("PYSEC-1", **body))

    assert (bool(found.vulnerabilities), found.undecided) == (
        affected is True,
        ("PYSEC-1",) if affected is None else (),
    )


@pytest.mark.parametrize("name", ODD)
def test_odd_record_never_spares_a_version_in_silence(name: str, tmp_path: Path) -> None:
    found = result(tmp_path, "1.0", ODD[name])

    assert found.vulnerabilities or found.undecided


@pytest.mark.parametrize("name", BROKEN)
def test_broken_entry_is_counted_and_the_others_are_read(name: str, tmp_path: Path) -> None:
    with made(tmp_path, BROKEN[name], record("PYSEC-1")) as found:
        assert (found.broken, ids(next(audit.audit([("foo", "1.0")], found)))) == (1, ["PYSEC-1"])

    export = advisories.load(tmp_path / "osv.zip", {"foo"})
    assert (export.broken, ids(next(audit.audit([("foo", "1.0")], export)))) == (1, ["PYSEC-1"])


@pytest.mark.parametrize("date_text", ["2024-01-01T00:00:00Z", "2024-13-45", "yesterday", "0000-00-00T99:99:99Z"])
def test_record_that_was_taken_back_counts_no_more_whatever_its_date(date_text: str, tmp_path: Path) -> None:
    found = result(tmp_path, "1.0", record("PYSEC-1", withdrawn=date_text), record("PYSEC-2", "bar"))

    assert (found.vulnerabilities, found.undecided) == ((), ())


@pytest.mark.parametrize("value", [None, "", False, 0, [], {}])
def test_empty_date_of_withdrawal_takes_nothing_back(value: object, tmp_path: Path) -> None:
    assert ids(result(tmp_path, "1.0", record("PYSEC-1", withdrawn=value))) == ["PYSEC-1"]


@pytest.mark.parametrize("name", ["Foo_Bar", "foo.bar", "FOO--bar", "foo-bar"])
def test_name_need_not_be_canonical(name: str, tmp_path: Path) -> None:
    assert ids(result(tmp_path, "1.0", record("PYSEC-1", name), package="foo-bar")) == ["PYSEC-1"]


@pytest.mark.parametrize("key", ["modified", "published"])
@pytest.mark.parametrize("value", [None, 5, "never", "2024-99-99", ["x"], {}])
def test_broken_date_does_not_hide_a_flaw(key: str, value: object, tmp_path: Path) -> None:
    assert ids(result(tmp_path, "1.0", record("PYSEC-1", **{key: value}))) == ["PYSEC-1"]


# ---- names of one flaw


def test_chain_of_aliases_is_one_flaw_under_all_names(tmp_path: Path) -> None:
    found = result(
        tmp_path,
        "1.0",
        record("GHSA-1", aliases=["CVE-1"]),
        record("GHSA-2", aliases=["CVE-2"], database_specific={"severity": "LOW"}),
        record("PYSEC-9", aliases=["CVE-1", "CVE-2"]),
        record("PYSEC-7", related=["CVE-1"], upstream=["CVE-2"]),
    )

    assert ids(found) == ["PYSEC-7", "PYSEC-9"]
    assert found.vulnerabilities[1].aliases == ("CVE-1", "CVE-2", "GHSA-1", "GHSA-2")
    assert found.vulnerabilities[1].level == "low"


def test_names_are_bound_together_by_a_record_of_another_version(tmp_path: Path) -> None:
    found = result(
        tmp_path,
        "1.0",
        record("GHSA-1", aliases=["CVE-1"]),
        record("GHSA-2", aliases=["CVE-2"]),
        record("PYSEC-9", events=fixed("0.5"), aliases=["CVE-1", "CVE-2"]),
    )

    assert ids(found) == ["CVE-1"]
    assert set(found.vulnerabilities[0].aliases) == {"CVE-2", "GHSA-1", "GHSA-2", "PYSEC-9"}


def test_circle_of_aliases_ends(tmp_path: Path) -> None:
    circle = [record(f"GHSA-{n}", aliases=[f"GHSA-{(n + 1) % 300}", f"GHSA-{n}"]) for n in range(300)]

    (flaw,) = result(tmp_path, "1.0", *circle).vulnerabilities
    assert len(flaw.aliases) == 299


def test_endless_chain_of_aliases_is_no_flaw_but_a_list(tmp_path: Path) -> None:
    chain = [record(f"GHSA-{n}", f"p-{n % 900}", aliases=[f"GHSA-{n + 1}"]) for n in range(3000)]

    with made(tmp_path, *chain) as found:
        assert len(next(audit.audit([("p-1", "1.0")], found)).vulnerabilities) == 4


def test_malicious_package_goes_by_the_name_that_says_so(tmp_path: Path) -> None:
    found = result(tmp_path, "1.0", record("MAL-2026-1", aliases=["GHSA-1"]), record("GHSA-1", **SEVERE))

    (flaw,) = found.vulnerabilities
    assert (flaw.id, flaw.malicious, flaw.aliases) == ("MAL-2026-1", True, ("GHSA-1",))


@pytest.mark.parametrize(
    ("version", "fixes", "safe"),
    [
        ("1.5", ("1.9.5", "2.0.3", "3.1"), "1.9.5"),
        ("2.0.1", ("2.0.3", "3.1"), "2.0.3"),
        ("3.0", ("3.1",), "3.1"),
    ],
)
def test_fixes_are_the_ones_above_the_pin_for_each_branch(
    version: str, fixes: object, safe: str, tmp_path: Path
) -> None:
    branches = [ecosystem(*fixed("1.9.5")), ecosystem(*fixed("2.0.3", "2.0")), ecosystem(*fixed("3.1", "3.0"))]

    found = result(tmp_path, version, record("PYSEC-1", ranges=branches))

    assert (found.vulnerabilities[0].fixed, found.safe) == (fixes, safe)


def test_safe_version_has_none_of_the_other_flaws(tmp_path: Path) -> None:
    found = result(
        tmp_path,
        "1.0",
        record("PYSEC-1", events=fixed("1.1")),
        record("PYSEC-2", events=fixed("2.0")),
        record("PYSEC-3", versions=["2.0"]),
    )

    assert found.safe == ""


# ---- the same through pip-audit's auditor


def test_results_are_those_of_the_auditor_with_this_service(tmp_path: Path) -> None:
    """Beyond its collapsing of aliases, chains are followed: so each of its results lies in exactly one of ours."""
    audit._prepare()
    from pip_audit._audit import Auditor

    chance = random.Random(7)
    with made(tmp_path, *many(600)) as found:
        pins = [
            (f"package-{chance.randrange(301)}", f"{chance.randint(0, 5)}.{chance.randint(0, 9)}.0") for _ in range(600)
        ]

        ours = list(audit.audit(pins, found))
        theirs = list(Auditor(audit.local_service(found)).audit(audit.pinned_source(pins)))

    assert [(dep.canonical_name, str(dep.version)) for dep, _ in theirs] == [(one.name, one.version) for one in ours]
    for one, (_, results) in zip(ours, theirs, strict=True):
        named = [{flaw.id, *flaw.aliases} for flaw in one.vulnerabilities]
        assert all(sum(bool({r.id, *r.aliases} & names) for names in named) == 1 for r in results)
        assert set().union(*named) >= {name for r in results for name in (r.id, *r.aliases)}
        assert all(any({r.id, *r.aliases} & names for r in results) for names in named)
        fixes = {version for flaw in one.vulnerabilities for version in flaw.fixed}
        assert {str(version) for r in results for version in r.fix_versions} <= fixes
        assert {r.id for r in results} >= {flaw.id for flaw in one.vulnerabilities if not flaw.malicious}
    assert sum(bool(one.vulnerabilities) for one in ours) > 100


def test_export_and_database_say_the_same(tmp_path: Path) -> None:
    records = list(many(300, seed=2))
    pins = [(f"package-{n}", f"{n % 5}.{n % 10}.0") for n in range(151)]

    with made(tmp_path, *records) as found:
        from_database = list(audit.audit(pins, found))
    export = advisories.load(tmp_path / "osv.zip", {name for name, _ in pins})

    assert list(audit.audit(pins, export)) == from_database


# ---- hostile amounts


def test_package_with_very_many_advisories_takes_time_in_proportion(tmp_path: Path) -> None:
    few = [record(f"GHSA-{n}", events=fixed(f"{n % 50 + 1}.0"), aliases=[f"CVE-{n // 2}"]) for n in range(1_000)]
    plenty = [record(f"GHSA-{n}", events=fixed(f"{n % 50 + 1}.0"), aliases=[f"CVE-{n // 2}"]) for n in range(8_000)]

    def seconds(records: list[Any]) -> float:
        with made(tmp_path, *records) as found:
            gc.collect()
            gc.disable()  # the time that it takes grows with all that the process holds
            try:
                start = time.process_time()
                (one,) = audit.audit([("foo", "1.0")], found)
                spent = time.process_time() - start
            finally:
                gc.enable()
            assert len(one.vulnerabilities) > len(records) / 3
            return spent

    assert min(seconds(plenty) for _ in range(2)) < 20 * min(seconds(few) for _ in range(3)) + 0.05


def test_lists_beyond_the_bounds_leave_a_doubt(tmp_path: Path) -> None:
    listed = [f"{n}.0" for n in range(osv.MAX_VERSIONS + 5)]

    found = result(tmp_path, "9.9", record("PYSEC-1", versions=listed, aliases=[f"CVE-{n}" for n in range(5_000)]))

    assert found.undecided == ("PYSEC-1",)
