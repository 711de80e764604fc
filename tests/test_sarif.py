"""SARIF: valid, useful to GitHub and to importers, and honest about what was not looked at."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings

from mlguard import rules
from mlguard.findings import Coverage, Gap, Location, Report, Verdict
from mlguard.reporters import sarif
from tests.reports import CATALOGUE, CLEAN, EMPTY, GAPS, HOSTILE, NOTHING, PASSED, REPORT, VERDICT, finding, records

HERE = Path(__file__).parent
MULTITOOL = "node_modules/@microsoft/sarif-multitool-linux/Sarif.Multitool"
PROFILES: tuple[sarif.Profile, ...] = ("full", "github")


def log(report: Report = REPORT, profile: sarif.Profile = "full", verdict: Verdict = VERDICT) -> dict[str, Any]:
    value = json.loads(sarif.render(report, verdict, CATALOGUE, profile))
    assert isinstance(value, dict)
    return value


def run(name: str, report: Report = REPORT, profile: sarif.Profile = "full") -> dict[str, Any]:
    [one] = [run for run in log(report, profile)["runs"] if run["tool"]["driver"]["name"] == f"mlguard-{name}"]
    assert isinstance(one, dict)
    return one


def only(*findings: Any) -> Report:
    return replace(REPORT, findings=findings, gaps=())


def first(**changes: Any) -> dict[str, Any]:
    """Return the result of one finding."""
    one = finding(**changes)
    [result] = run(one.scanner, only(one))["results"]
    assert isinstance(result, dict)
    return result


@cache
def validator() -> jsonschema.Draft4Validator:
    schema = json.loads((HERE / "schemas/sarif-schema-2.1.0.json").read_bytes())
    return jsonschema.Draft4Validator(schema, format_checker=jsonschema.FormatChecker())


def values(value: Any) -> Iterator[Any]:
    yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from values(item)


def objects(value: Any) -> Iterator[dict[str, Any]]:
    return (item for item in values(value) if isinstance(item, dict))


def check_shape(document: dict[str, Any]) -> None:
    """Assert what the schema does not: what importers and GitHub need, and what crashes them."""
    assert None not in list(values(document)), "null is no value in SARIF"
    for one in document["runs"]:
        driver = one["tool"]["driver"]
        ids = [rule["id"] for rule in driver["rules"]]
        assert len(set(ids)) == len(ids)
        assert "extensions" not in one["tool"], "an importer reads no rules of the driver beside those of an extension"
        for rule in driver["rules"]:
            check_rule(rule)
        for result in one["results"]:
            check_result(result, driver["rules"], one["artifacts"])
        for taxonomy in one.get("taxonomies", ()):
            taxa = {taxon["id"] for taxon in taxonomy["taxa"]}
            used = {relation["target"]["id"] for rule in driver["rules"] for relation in rule.get("relationships", ())
                    if relation["target"]["toolComponent"]["name"] == taxonomy["name"]}  # fmt: skip
            assert taxa == used
            assert taxonomy["name"] != "CWE" or all(re.fullmatch(r"CWE-\d+", taxon) for taxon in taxa)
        for note in (note for call in one["invocations"] for note in call.get("toolExecutionNotifications", ())):
            assert driver["notifications"][note["descriptor"]["index"]]["id"] == note["descriptor"]["id"]
    for region in (value["region"] for value in objects(document) if "region" in value):
        assert region["startLine"] >= 1, "an importer needs startLine"
        assert max(number for number in region.values() if isinstance(number, int)) < 2**31
        if region.get("endLine", region["startLine"]) == region["startLine"] and "endColumn" in region:
            assert region["endColumn"] > region["startColumn"]
    for place in (value["artifactLocation"] for value in objects(document) if "artifactLocation" in value):
        check_address(place)
    for fix in (one for value in objects(document) for one in value.get("fixes", ())):
        assert fix["description"]["text"], "an importer needs a description of each"
        assert all(change["replacements"] for change in fix["artifactChanges"])


def check_rule(rule: dict[str, Any]) -> None:
    assert (
        rule["name"].casefold() != rule["id"].casefold()
        and re.fullmatch(r"[A-Za-z0-9]+", rule["name"])
        and len(rule["name"]) <= 255
    )
    for key in ("shortDescription", "fullDescription"):
        assert 0 < len(rule[key]["text"]) <= 1_024
    assert rule["help"]["text"]
    assert 0 < float(rule["properties"]["security-severity"]) <= 10
    assert "security" in rule["properties"]["tags"] and len(rule["properties"]["tags"]) <= 10
    relations = [relation["target"]["toolComponent"]["name"] for relation in rule.get("relationships", ())]
    assert relations == sorted(relations, key=lambda name: name == "CWE"), "an importer keeps the last relation"


def check_result(result: dict[str, Any], described: list[dict[str, Any]], artifacts: list[dict[str, Any]]) -> None:
    assert described[result["ruleIndex"]]["id"] == result["ruleId"]
    assert len(result["locations"]) == 1, "an importer makes two findings of two locations"
    assert (result["level"] == "none") == (result["kind"] != "fail")
    assert result["message"]["text"].strip() and "arguments" not in result["message"]
    assert set(result["partialFingerprints"]) <= {"mlguard/v1", "primaryLocationLineHash"}
    place = result["locations"][0]["physicalLocation"]["artifactLocation"]
    assert artifacts[place["index"]]["location"]["uri"] == place["uri"]


def check_address(place: dict[str, Any]) -> None:
    assert re.fullmatch(r"(?:[A-Za-z0-9._~/@+=,-]|%[0-9A-F]{2})+", place["uri"])
    assert not place["uri"].startswith("/")
    assert place["uriBaseId"] == "%SRCROOT%"


SAMPLES = {
    "report": (REPORT, VERDICT),
    "hostile": (HOSTILE, VERDICT),
    "empty": (EMPTY, NOTHING),
    "clean": (CLEAN, PASSED),
}


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("name", SAMPLES)
def test_log_satisfies_the_oasis_schema_and_importers(name: str, profile: sarif.Profile) -> None:
    report, verdict = SAMPLES[name]

    document = log(report, profile, verdict)

    assert [error.message for error in validator().iter_errors(document)] == []
    check_shape(document)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(records(Report), records(Verdict))
def test_any_report_makes_a_valid_log(report: Report, verdict: Verdict) -> None:
    for profile in PROFILES:
        text = sarif.render(report, verdict, CATALOGUE, profile)

        document = json.loads(text)
        assert text.isascii()
        assert [error.message for error in validator().iter_errors(document)] == []
        check_shape(document)


def test_every_shipped_rule_has_a_valid_descriptor() -> None:
    catalogue = rules.load()
    names = tuple(dict.fromkeys(rule.scanner for rule in catalogue.rules.values()))
    report = replace(CLEAN, scanners=names, evaluated=tuple(sorted(catalogue.rules)), coverage=())

    document = json.loads(sarif.render(report, PASSED, catalogue))

    assert [error.message for error in validator().iter_errors(document)] == []
    check_shape(document)
    described = [rule for one in document["runs"] for rule in one["tool"]["driver"]["rules"]]
    assert sorted(rule["id"] for rule in described) == sorted(catalogue.rules)
    assert [
        rule["id"] for rule in described if "helpUri" not in rule or "Why it matters" not in rule["help"]["text"]
    ] == []


def multitool() -> str:
    named = os.environ.get("MLGUARD_MULTITOOL", "")
    local = HERE.parent / MULTITOOL
    return named or (str(local) if local.is_file() else "")


@pytest.mark.skipif(not multitool(), reason="the SARIF multitool is missing; tests/tools/get_multitool.sh installs it")
@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("name", SAMPLES)
def test_microsofts_multitool_reports_no_error(name: str, profile: sarif.Profile, tmp_path: Path) -> None:
    report, verdict = SAMPLES[name]
    source, found = tmp_path / "mlguard.sarif", tmp_path / "found.sarif"
    source.write_text(sarif.render(report, verdict, CATALOGUE, profile), encoding="utf-8")

    # It exits with 0 whatever it finds, and passes over large files without a word: so its log must be there, and is read.
    subprocess.run(
        [multitool(), "validate", source, "--rule-kind", "Sarif;Ghas", "--level", "Error;Warning;Note", "--quiet", "true",
         "--max-file-size-in-kb", "100000", "-o", found, "--log", "ForceOverwrite"],
        check=True, capture_output=True, timeout=120,
    )  # fmt: skip

    results = json.loads(found.read_text(encoding="utf-8-sig"))["runs"][0]["results"]
    assert results, "it always has a note or two: none at all means that it did not look"
    assert [result for result in results if result.get("level") == "error"] == []


def test_log_does_not_depend_on_the_hash_seed() -> None:
    code = "from tests.reports import *; from mlguard.reporters import sarif; print(sarif.render(REPORT, VERDICT, CATALOGUE))"
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, cwd=HERE.parent,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip

    assert len(outputs) == 1


def test_each_scanner_has_a_run_with_all_its_rules() -> None:
    names = [one["tool"]["driver"]["name"] for one in log()["runs"]]

    assert names == [
        "mlguard-code", "mlguard-secrets", "mlguard-dependencies", "mlguard-dataset", "mlguard-model", "mlguard-infra",
        "mlguard-assess", "mlguard-discovery",
    ]  # fmt: skip
    assert run("code")["automationDetails"]["id"] == "mlguard/code/"
    clean = run("code", only())
    assert [rule["id"] for rule in clean["tool"]["driver"]["rules"]] == [
        "code/unsafe-deserialization",
        "code/weak-hash",
    ]


@pytest.mark.parametrize(
    ("severity", "score", "level"),
    [("critical", "9.5", "error"), ("high", "8.0", "error"), ("medium", "5.5", "warning"), ("low", "2.0", "note")],
)
def test_severity_reaches_github_as_score_and_level(severity: Any, score: str, level: str) -> None:
    one = replace(finding(), rule="gone/rule", severity=severity)

    only_run = run("code", only(one))

    described = only_run["tool"]["driver"]["rules"][only_run["results"][0]["ruleIndex"]]
    assert described["properties"]["security-severity"] == score
    assert described["defaultConfiguration"]["level"] == only_run["results"][0]["level"] == level


def test_rule_carries_its_page() -> None:
    [rule] = [rule for rule in run("code")["tool"]["driver"]["rules"] if rule["id"] == "code/unsafe-deserialization"]

    assert rule["name"] == "CodeUnsafeDeserialization"
    assert rule["helpUri"] == "https://example.org/source"
    assert "## How to fix it\nLoad the weights" in rule["help"]["markdown"]
    assert "# expect" not in rule["help"]["text"]
    assert rule["properties"]["precision"] == "high"
    assert {"security", "code", "external/cwe/cwe-502", "gdpr/art-32-1-b"} == set(rule["properties"]["tags"])


def test_advisory_is_a_rule_of_its_own_with_the_severity_of_the_rule_that_reports_it() -> None:
    dependencies = run("dependencies")

    assert [result["ruleId"] for result in dependencies["results"]] == ["GHSA-9hjg-9r4m-mvj7", "PYSEC-2025-41"]
    described = {rule["id"]: rule for rule in dependencies["tool"]["driver"]["rules"]}
    assert described["PYSEC-2025-41"]["properties"]["mlguard/rule"] == "dep/known-vulnerability"
    assert described["PYSEC-2025-41"]["properties"]["security-severity"] == "8.0"
    assert described["PYSEC-2025-41"]["helpUri"] == "https://osv.dev/vulnerability/PYSEC-2025-41"
    assert "dep/known-vulnerability" in described


def test_advisory_that_two_rules_report_keeps_two_severities() -> None:
    one = finding("dep/known-vulnerability", advisory="GHSA-1")
    other = replace(one, rule="gone/rule", severity="low")

    dependencies = run("dependencies", only(one, other))

    scores = [
        dependencies["tool"]["driver"]["rules"][result["ruleIndex"]]["properties"]["security-severity"]
        for result in dependencies["results"]
    ]
    assert scores == ["8.0", "2.0"]


def test_finding_for_a_person_to_judge_is_a_review_in_the_full_log_and_an_alert_on_github() -> None:
    [full], [github] = run("dataset")["results"], run("dataset", profile="github")["results"]

    assert (full["kind"], full["level"]) == ("review", "none")
    assert (github["kind"], github["level"]) == ("fail", "warning")
    assert full["properties"]["mlguard/onFail"] == github["properties"]["mlguard/onFail"] == "review"


def test_ignored_finding_is_suppressed_in_the_full_log_and_absent_on_github() -> None:
    suppressed = [result["suppressions"] for result in run("code")["results"] if "suppressions" in result]

    assert suppressed == [
        [
            {
                "kind": "external",
                "status": "accepted",
                "justification": "Only names files. (Ada Lovelace, until 2030-01-01)",
            }
        ]
    ]
    assert len(run("code", profile="github")["results"]) == 2
    assert "suppressions" not in sarif.render(REPORT, VERDICT, CATALOGUE, "github")


def test_line_hash_is_ours_except_for_source_code() -> None:
    assert first()["partialFingerprints"] == {"mlguard/v1": "0" * 31 + "1"}
    assert first(rule_id="secret/aws-key", number=0xABC << 64)["partialFingerprints"] == {
        "mlguard/v1": "0000000000000abc0000000000000000",
        "primaryLocationLineHash": "0000000000000abc:1",
    }


@pytest.mark.parametrize(
    ("path", "uri"),
    [
        ("src/train.py", "src/train.py"),
        ("a b#c?d%.py", "a%20b%23c%3Fd%25.py"),
        ("données/日本.csv", "donn%C3%A9es/%E6%97%A5%E6%9C%AC.csv"),
        ("a\n::error::b", "a%0A%3A%3Aerror%3A%3Ab"),
        ("javascript:alert(1)", "javascript%3Aalert%281%29"),
        ("/etc/passwd", "%2Fetc/passwd"),
        ("//host/share", "%2F/host/share"),
        ('quote".py', "quote%22.py"),
        ("back\\slash", "back%5Cslash"),
        ("", "."),
    ],
)
def test_path_is_a_percent_encoded_relative_reference(path: str, uri: str) -> None:
    assert sarif.uri(path) == uri


def test_undecodable_file_name_keeps_its_bytes() -> None:
    raw = b"caf\xe9/\xff.csv"

    assert unquote_to_bytes(sarif.uri(os.fsdecode(raw))) == raw


@pytest.mark.parametrize(
    ("place", "excerpt", "region"),
    [
        (Location("a", 3, 5, 3, 9), ("abcdefghij",), {"startLine": 3, "startColumn": 5, "endLine": 3, "endColumn": 9}),
        (Location("a", 3, 5, 3, 9), ("ab𝒙defg𝒚ij",), {"startLine": 3, "startColumn": 6, "endLine": 3, "endColumn": 11}),
        (Location("a", 3, 5, 3, 9), (), {"startLine": 3, "startColumn": 5, "endLine": 3}),
        (Location("a", 3, 5, 3, 9), ("a…c",), {"startLine": 3, "startColumn": 5, "endLine": 3}),
        (Location("a", 3, 5, 3, 9), ('x = "…"',), {"startLine": 3, "startColumn": 5, "endLine": 3}),
        (Location("a", 3, 2, 4, 3), ("ab", "𝒙c"), {"startLine": 3, "startColumn": 2, "endLine": 4, "endColumn": 4}),
        (Location("a", 3, 2, 9, 3), ("ab", "cd"), {"startLine": 3, "startColumn": 2, "endLine": 9}),
        (Location("a", 3, 5, 3, 4), ("abcdefghij",), {"startLine": 3, "startColumn": 5, "endLine": 3}),
        (Location("a", 3, 5, 2, 9), ("abcdefghij",), {"startLine": 3, "startColumn": 5, "endLine": 3, "endColumn": 9}),
        (Location("a", 1, 1, byte=66, length=9), (), {"startLine": 1}),
    ],
)
def test_region_counts_utf16_units_and_leaves_out_an_end_it_cannot_know(
    place: Location, excerpt: tuple[str, ...], region: dict[str, int]
) -> None:
    assert sarif.region(place, excerpt) == region


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("plain [0] text", "plain [0] text"),
        ("{0} and {}", "{{0}} and {{}}"),
        ("[x](1)", "\\[x\\](1)"),
        ("\\[x](1)", "\\\\\\[x\\](1)"),
        ("a\nb\x1b[2J\u202e", "a\\nb\\u001b[2J\\u202e"),
    ],
)
def test_message_holds_neither_placeholder_nor_link(text: str, escaped: str) -> None:
    assert sarif.message(text) == escaped


def test_excerpt_is_the_context_of_its_region_and_its_own_snippet_where_they_are_the_same_lines() -> None:
    part = first(location=Location("a.py", 3, 5, 3, 9), excerpt=("abcdefghij",))["locations"][0]["physicalLocation"]
    whole = first(location=Location("a.py", 3), excerpt=("abcdefghij",))["locations"][0]["physicalLocation"]
    longer = first(location=Location("a.py", 3, 2, 9), excerpt=("ab", "cd"))["locations"][0]["physicalLocation"]

    assert part["contextRegion"] == {"startLine": 3, "endLine": 3, "snippet": {"text": "abcdefghij"}}
    assert whole["region"]["snippet"] == {"text": "abcdefghij"} and "contextRegion" not in whole
    assert longer["region"]["snippet"] == {"text": "ab\ncd\n…"} and "contextRegion" not in longer


def test_place_in_a_binary_file_is_a_property() -> None:
    [result] = run("model")["results"]

    assert result["properties"]["byteOffset"] == 66 and result["properties"]["byteLength"] == 9
    assert result["locations"][0]["logicalLocations"] == [{"fullyQualifiedName": "archive/data.pkl"}]
    assert [place["id"] for place in result["relatedLocations"]] == [1, 2]


def test_gap_makes_the_run_unsuccessful_and_is_told() -> None:
    [invocation] = run("model")["invocations"]

    assert invocation["executionSuccessful"] is False
    assert invocation["exitCode"] == 3
    notes = invocation["toolExecutionNotifications"]
    assert [(note["descriptor"]["id"], note["level"]) for note in notes] == [
        ("gap/crash", "error"),
        ("gap/timeout", "error"),
    ]
    assert notes[0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "models/evil.bin"
    assert run("secrets")["invocations"][0]["executionSuccessful"] is True


def test_required_scanner_that_did_not_run_is_a_failed_run() -> None:
    [invocation] = run("infra")["invocations"]

    assert invocation["executionSuccessful"] is False
    assert invocation["toolExecutionNotifications"][0]["message"]["text"] == "This scanner is required and did not run."


def test_github_log_leaves_out_scanners_that_failed_so_that_their_alerts_stay_open() -> None:
    failed = replace(only(), gaps=(GAPS[3],), coverage=(Coverage("model", 1, 0), Coverage("code", 1, 1)))

    names = [one["tool"]["driver"]["name"] for one in log(failed, "github")["runs"]]

    assert "mlguard-model" not in names and "mlguard-infra" not in names
    assert "mlguard-code" in names
    assert "model: left out" in sarif.render(failed, VERDICT, CATALOGUE, "github")


def test_github_log_leaves_out_a_scanner_that_could_not_start() -> None:
    gap = Gap("model", "", "missing", "the scanner cannot be loaded")
    report = replace(CLEAN, scanners=("code", "model"), coverage=(*CLEAN.coverage, Coverage("model", 0, 0)))

    assert "mlguard-model" in [one["tool"]["driver"]["name"] for one in log(report, "github")["runs"]]
    report = replace(report, gaps=(gap,))
    assert "mlguard-model" not in [one["tool"]["driver"]["name"] for one in log(report, "github")["runs"]]
    assert run("model", report)["invocations"][0]["executionSuccessful"] is False


def test_github_log_of_a_scan_of_nothing_closes_no_alert_of_the_second_stage() -> None:
    names = [one["tool"]["driver"]["name"] for one in log(EMPTY, "github", NOTHING)["runs"]]

    assert names == ["mlguard-code"]


def test_github_log_holds_the_most_severe_5000_results_and_says_so() -> None:
    low = [finding("code/weak-hash", f"a/{number}.py", number) for number in range(5_000)]
    report = only(*low, finding(number=5_001, path="z.py"))

    github, full = run("code", report, "github"), run("code", report)

    assert len(full["results"]) == 5_001
    assert len(github["results"]) == 5_000
    assert github["results"][0]["ruleId"] == "code/unsafe-deserialization"
    notes = [note["message"]["text"] for note in github["invocations"][0]["toolExecutionNotifications"]]
    assert any(note.startswith("1 finding of 5,001 left out") for note in notes)


def test_github_log_holds_20_runs_and_says_so() -> None:
    report = only(*(replace(finding(), scanner=f"plugin{number:02}") for number in range(30)))

    runs = log(report, "github")["runs"]

    assert len(runs) == 20
    assert "runs left out" in json.dumps(runs[0]["invocations"])
    assert len(log(report)["runs"]) > 30


def test_github_log_holds_100_related_places_and_says_so() -> None:
    report = only(finding(related=tuple(("", Location("b.py", line)) for line in range(1, 103))))

    github = run("code", report, "github")

    assert len(github["results"][0]["relatedLocations"]) == 100
    assert "1 finding cut to 100 related places" in json.dumps(github["invocations"])
    assert len(run("code", report)["results"][0]["relatedLocations"]) == 102


def test_long_and_many_texts_stay_within_githubs_limits() -> None:
    one = replace(finding(), rule="gone/" + "x" * 400, title="T" * 2_000)

    check_shape(log(only(one), "github"))


def test_taxonomies_name_controls_and_weaknesses() -> None:
    taxonomies = {taxonomy["name"]: taxonomy for taxonomy in run("code")["taxonomies"]}

    assert list(taxonomies) == ["GDPR", "MLOPS", "CWE"]
    assert taxonomies["CWE"]["taxa"] == [{"id": "CWE-502"}, {"id": "CWE-327"}, {"id": "CWE-328"}]
    assert taxonomies["GDPR"]["taxa"][0]["shortDescription"]["text"] == "Workloads are hardened and isolated."


def test_gap_without_a_path_has_no_location() -> None:
    report = replace(only(), gaps=(Gap("code", "", "missing", "no grammar is installed"),))

    [note] = run("code", report)["invocations"][0]["toolExecutionNotifications"]

    assert "locations" not in note
    assert note["message"]["text"] == "Something that a scanner needs is missing: no grammar is installed."
