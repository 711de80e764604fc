"""Terminal, JSON and summary: what a person and a program get to see of a report."""

from __future__ import annotations

import dataclasses
import json
import re
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlguard import facts, findings
from mlguard.cli.output import parse_outputs
from mlguard.errors import UsageError
from mlguard.findings import Coverage, Gap, Location, Report, Verdict
from mlguard.reporters import jsonreport, markdown, sarif, terminal
from mlguard.reporters.text import cut, first_sentence, visible, width, wrap
from tests.goldens import FOLDER, GOLDENS
from tests.reports import CATALOGUE, CLEAN, EMPTY, NOTHING, PASSED, REPORT, TEXT, VERDICT, finding, records

SCHEMA = Path(jsonreport.__file__).parents[1] / "schemas/report.json"
THOROUGH = settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
COMMAND = re.compile(r"^\s*::|##\w*\[", re.M)
ANSI = re.compile(r"\x1b\[[0-9;]*m")


def show(report: Report = REPORT, verdict: Verdict = VERDICT, **options: Any) -> str:
    return terminal.render(report, verdict, CATALOGUE, **options)


def only(*found: findings.Finding, **changes: Any) -> Report:
    return replace(CLEAN, findings=found, **changes)


@pytest.mark.parametrize("name", GOLDENS)
def test_golden_file_holds_the_exact_bytes(name: str) -> None:
    assert GOLDENS[name]() == (FOLDER / name).read_bytes().decode()


# Text


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("plain.py", "plain.py"),
        ("a\tb", "a b"),
        ("a\r\nb\nc\rd", "a\\nb\\nc\\u000dd"),
        ("\x1b]0;title\x07", "\\u001b]0;title\\u0007"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\u061c\u00ad\u180e", "\\u061c\\u00ad\\u180e"),
        ("a\u3164b", "a\\u3164b"),
        ("\U000e0041", "\\U000e0041"),
        ("caf\udce9", "caf\\xe9"),
        ("\ud800", "\\ud800"),
        ("##[add-mask]x ##vso[task]", "\\u0023#[add-mask]x \\u0023#vso[task]"),
        ("## heading", "## heading"),
        ("naïve 日本 🙂", "naïve 日本 🙂"),
    ],
)
def test_text_that_moves_hides_or_commands_is_written_as_escapes(text: str, safe: str) -> None:
    assert visible(text) == safe


def test_width_counts_columns_of_a_terminal() -> None:
    assert [width(text) for text in ("abc", "日本", "e\u0301", "한", "\u1112\u1161\u11ab", "ｱ", "🙂")] == [
        3,
        4,
        1,
        2,
        2,
        1,
        2,
    ]


@THOROUGH
@given(TEXT, st.integers(10, 40))
def test_wrapped_text_fits_and_loses_nothing(text: str, room: int) -> None:
    text = visible(text)

    lines = wrap(text, room)

    assert all(width(line) <= room for line in lines)
    assert not any(COMMAND.search(line) for line in lines)
    assert "".join(lines).replace(" ", "").replace("\\u003a", ":") == text.replace(" ", "").replace("\\u003a", ":")


def test_cut_text_fits_with_its_mark() -> None:
    assert cut("日本語", 5) == "日本…"
    assert cut("short", 5) == "short"


def test_first_sentence_is_plain_and_does_not_stop_at_an_abbreviation() -> None:
    page = "The `load` call, e.g. In a notebook, runs **code** of [the file](https://x.org). It\nis bad.\n\nMore."

    assert first_sentence(page) == "The load call, e.g. In a notebook, runs code of the file."


# Terminal


@THOROUGH
@given(records(Report), records(Verdict), st.integers(20, 120), st.booleans(), st.booleans(), st.booleans())
def test_any_report_fits_the_terminal_and_cannot_command_it(
    report: Report, verdict: Verdict, columns: int, color: bool, unicode: bool, verbose: bool
) -> None:
    text = terminal.render(report, verdict, CATALOGUE, color, columns, unicode, verbose)

    assert COMMAND.search(ANSI.sub("", text)) is None
    assert color or "\x1b" not in text
    assert unicode or text.isascii()
    for line in ANSI.sub("", text).removesuffix("\n").split("\n"):
        assert visible(line) == line
        assert width(line) <= max(columns, terminal.MIN_WIDTH)
        assert line == line.rstrip()


def test_files_stand_in_order_of_their_worst_finding() -> None:
    report = only(finding("code/weak-hash", "a.py"), finding(path="b.py"), finding("code/weak-hash", "b.py", 2))

    lines = show(report).splitlines()

    assert [line for line in lines if line in ("a.py", "b.py")] == ["b.py", "a.py"]
    assert [line.split()[0] for line in lines if re.match(r"  (critical|low) ", line)] == ["critical", "low", "low"]


@pytest.mark.parametrize(
    ("place", "line", "carets"),
    [
        (Location("a", 7, 5, 7, 9), "abcdefghij", "    ^^^^"),
        (Location("a", 7, 3, 7, 5), "日本語です", "    ^^^^"),
        (Location("a", 7, 2, 7, 3), "\te\u0301x", " ^"),
        (Location("a", 7, 40, 7, 44), "  x = …", "  ^^^^^"),
        (Location("a", 7, 9, 7, 12), "  x = '…', y", "  ^^^^^^^^^^"),
        (Location("a", 7), "  whole", "  ^^^^^"),
        (Location("a", 7, 5, 9, 2), "abcdefghij", "    ^^^^^^"),
    ],
)
def test_carets_stand_under_the_place_or_under_the_line_when_a_mask_moved_it(
    place: Location, line: str, carets: str
) -> None:
    lines = show(only(finding(location=place, excerpt=(line,)))).splitlines()

    at = next(index for index, text in enumerate(lines) if text.startswith("    7 │ "))
    assert lines[at + 1] == f"      │ {carets}"


def test_carets_stay_in_sight_on_a_long_line() -> None:
    long = "x" * 150 + "TARGET" + "y" * 150
    report = only(finding(location=Location("a", 7, 151, 7, 157), excerpt=(long,)))

    lines = show(report, width=60).splitlines()

    at = next(index for index, text in enumerate(lines) if text.startswith("    7 │ "))
    begin = lines[at + 1].index("^")
    assert lines[at][begin : begin + 6] == "TARGET" and lines[at + 1].count("^") == 6
    assert lines[at].endswith("…")


def test_eleventh_finding_of_a_rule_in_a_file_is_counted_and_not_shown() -> None:
    report = only(
        *(finding("code/weak-hash", "a.py", number, location=Location("a.py", number + 1)) for number in range(13))
    )

    text = show(report)

    assert text.count("low code/weak-hash") == 10
    assert "… 3 more of code/weak-hash in this file" in text
    assert show(report, verbose=True).count("low code/weak-hash") == 13


def test_places_beyond_the_fifth_are_counted_and_shown_on_request() -> None:
    report = only(finding(related=tuple(("here", Location("b.py", line)) for line in range(1, 8))))

    assert show(report).count("see: b.py") == 5
    assert "… 2 more places (--verbose shows them)" in show(report)
    assert show(report, verbose=True).count("see: b.py") == 7


def test_gap_is_shown_with_its_reason_and_hint() -> None:
    text = show(
        replace(CLEAN, gaps=(Gap("model", "m.bin", "timeout", "not done after 120 s", "raise limits.seconds"),))
    )

    assert "Not looked at: 1 gap" in text
    assert "  model: timeout: not done after 120 s\n    hint: raise limits.seconds\n    m.bin\n" in text


def test_file_name_cannot_place_a_workflow_command() -> None:
    path = "x\n::error::y" + " ::warning::z"
    gap = Gap("code", "::error::gap", "crash", "\n::set-output::")
    report = only(finding(path=path, location=Location(path)), finding(path="::stop-commands::x"), gaps=(gap,))

    for columns in (40, 60, 100):
        assert COMMAND.search(show(report, width=columns)) is None


def test_scanner_that_did_not_run_has_no_zeros() -> None:
    [row] = [line for line in show().splitlines() if line.startswith("infra")]

    assert row.split() == ["infra", "-", "-", "-", "-", "required,", "did", "not", "run"]


def test_scanner_that_could_not_start_does_not_seem_to_have_had_nothing_to_do() -> None:
    gap = Gap("model", "", "missing", "the scanner cannot be loaded")
    report = replace(
        CLEAN, scanners=("code", "model"), coverage=(*CLEAN.coverage, Coverage("model", 0, 0)), gaps=(gap,)
    )

    text = show(report)

    [row] = [line for line in text.splitlines() if line.startswith("model ")]
    assert row.endswith("-       -    -  see what was not looked at")
    assert "1 rule checked by 1 scanner, 1 gap." in text
    assert "see what was not looked at" in markdown.render(report, VERDICT)


def test_run_without_findings_says_what_was_checked() -> None:
    text = show(CLEAN, PASSED)

    assert "Passed: no finding in 2 files, 1 rule checked by 1 scanner, no gaps." in text
    assert "code            0     0       0    0  2 of 2 read" in text


def test_run_of_nothing_says_so() -> None:
    text = show(EMPTY, NOTHING)

    assert "Incomplete: nothing was scanned (0 files found)." in text
    assert "Next: check the paths" in text


def test_verdict_names_the_rule_to_read_next() -> None:
    blocking = finding("secret/aws-key", "a.env", 4)
    report = only(finding(state="ignored", reason="x"), blocking, finding("code/weak-hash", "b.py", 5))
    verdict = Verdict("fail", 1, ("1 high finding at or above high",), (blocking.fingerprint,))

    lines = show(report, verdict).splitlines()

    assert lines[-1] == "Next: mlguard explain secret/aws-key"
    assert lines[-2] == "  - 1 high finding at or above high"
    assert lines[-3].startswith("Failed: 2 findings in 2 files")


def test_ignored_finding_is_counted_and_shown_with_its_reason_on_request() -> None:
    report = only(finding(state="ignored", reason="A test file. (Ada, until 2030-01-01)"))

    assert "1 finding ignored by an entry with a reason" in show(report)
    assert "critical code/" not in show(report)
    assert "ignored: A test file. (Ada, until 2030-01-01)" in show(report, verbose=True)


# JSON


@cache
def validator() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(json.loads(SCHEMA.read_bytes()))


@THOROUGH
@given(records(Report), records(Verdict))
def test_any_report_comes_back_as_it_was_and_satisfies_the_schema(report: Report, verdict: Verdict) -> None:
    text = jsonreport.render(report, verdict)

    assert text.isascii()
    assert [error.message for error in validator().iter_errors(json.loads(text))] == []
    assert jsonreport.parse(text) == (report, verdict)
    assert jsonreport.render(*jsonreport.parse(text)) == text


def test_report_from_bytes_is_that_from_text() -> None:
    assert jsonreport.parse(jsonreport.render(REPORT, VERDICT).encode()) == (REPORT, VERDICT)


def test_schema_names_the_fields_of_every_record() -> None:
    definitions = json.loads(SCHEMA.read_bytes())["$defs"]
    kinds = [kind for module in (findings, facts) for kind in vars(module).values() if dataclasses.is_dataclass(kind)]
    kinds = [
        kind
        for kind in kinds
        if isinstance(kind, type)
        and kind not in (findings.Detection, facts.Part, facts.Imports, facts.Consulted, facts.Upkeep, Report)
    ]

    assert sorted(definitions) == sorted({kind.__name__ for kind in kinds})
    for kind in kinds:
        definition = definitions[kind.__name__]
        assert definition["additionalProperties"] is False
        assert set(definition["properties"]) - {"type"} == {field.name for field in dataclasses.fields(kind)}


def test_schema_refuses_what_no_report_holds() -> None:
    good = json.loads(jsonreport.render(REPORT, VERDICT))

    for change in ({"extra": 1}, {"schema": "mlguard-report/2"}, {"files": -1}, {"facts": [{"type": "Gap"}]}):
        assert not validator().is_valid({**good, **change})


def test_keys_are_sorted_at_every_level() -> None:
    def check(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert [key for key, _ in pairs] == sorted(key for key, _ in pairs)
        return dict(pairs)

    json.loads(jsonreport.render(REPORT, VERDICT), object_pairs_hook=check)


def changed(**changes: Any) -> str:
    return json.dumps({**json.loads(jsonreport.render(REPORT, VERDICT)), **changes})


FINDING = json.loads(jsonreport.render(REPORT, VERDICT))["findings"][0]


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("", "cut short"),
        (jsonreport.render(REPORT, VERDICT)[:-200], "cut short"),
        ("[" * 100_000, "cut short"),
        ("9" * 5_000, "cut short"),
        ("[]", "--output json="),
        ("null", "--output json="),
        ('{"schema": 1}', "--output json="),
        ('{"bomFormat": "CycloneDX"}', "--output json="),
        (sarif.render(REPORT, VERDICT, CATALOGUE), "a SARIF log"),
        (changed(schema="mlguard-report/2"), "scan again with this version"),
        (changed(extra=1), "'extra'"),
        (changed(tool={"name": "bandit", "version": "1"}), "another tool"),
        (changed(tool=[]), "'tool'"),
        (changed(digests={"rules": "a"}), "'digests'"),
        (changed(files="12"), "files must be a whole number"),
        (changed(files=True), "files must be a whole number"),
        (changed(files=10**30), "files must be a whole number of at most"),
        (changed(findings={}), "findings must be a list"),
        (changed(findings=[1]), "findings[0] must be an object"),
        (changed(findings=[{**FINDING, "severity": "fatal"}]), "findings[0].severity must be one of critical"),
        (changed(findings=[{**FINDING, "location": "a.py:1"}]), "findings[0].location must be an object"),
        (changed(findings=[{**FINDING, "related": [["x"]]}]), "findings[0].related[0] must be a list of 2"),
        (changed(findings=[{**FINDING, "facts": {"a": [1]}}]), "findings[0].facts.'a' must be"),
        (changed(findings=[{**FINDING, "\x1b[2J": 1}]), "'\\x1b[2J' must be absent"),
        (changed(findings=[{}]), "findings[0].rule must be present"),
        (changed(facts=[{"type": "Gap"}]), "facts[0]"),
        (changed(facts=[None]), "facts[0]"),
        (changed(facts={}), "'facts'"),
        (changed(verdict={}), "verdict.outcome must be present"),
        (changed(verdict={"outcome": "pass", "exit_code": 5, "reasons": []}), "verdict.exit_code"),
    ],
)
def test_other_files_are_refused_with_advice(text: str, advice: str) -> None:
    with pytest.raises(UsageError) as caught:
        jsonreport.parse(text)

    assert advice in str(caught.value)
    assert str(caught.value).isprintable()


@THOROUGH
@given(st.data())
def test_edited_report_is_read_or_refused_and_never_crashes_a_reporter(data: st.DataObject) -> None:
    value = json.loads(jsonreport.render(REPORT, VERDICT))
    strange = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
        max_leaves=3,
    )
    node: Any = value
    while isinstance(node, (dict, list)) and node:
        key = data.draw(st.sampled_from(sorted(node) if isinstance(node, dict) else range(len(node))))
        if not isinstance(node[key], (dict, list)) or not node[key] or data.draw(st.booleans()):
            node[key] = data.draw(strange)
            break
        node = node[key]

    try:
        report, verdict = jsonreport.parse(json.dumps(value))
    except UsageError:
        return
    show(report, verdict)
    sarif.render(report, verdict, CATALOGUE)
    markdown.render(report, verdict)


@THOROUGH
@given(st.binary(max_size=200))
def test_any_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(UsageError):
        jsonreport.parse(data)


def test_report_beyond_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonreport, "MAX_CHARACTERS", 100)

    with pytest.raises(UsageError, match="larger than"):
        jsonreport.parse(jsonreport.render(REPORT, VERDICT))


# Summary


def test_summary_escapes_markup_of_every_kind() -> None:
    message = "a|b `c` <img src=x> [l](http://x.org) @team #1 *b* _i_ ~s~ $m$ www.x.org\n# h"
    path = "x|`y`</code>.py"

    text = markdown.render(only(finding(path=path, message=message, location=Location(path))), VERDICT)

    [row] = [line for line in text.splitlines() if line.startswith("| critical")]
    assert row.count("|") == 5
    for markup in ("`", "<img", "[l]", "](", "://", "@team", " #1", "*b", "_i", "~s", "$m", "www."):
        assert markup not in row
    assert row.count("</code>") == 2


@THOROUGH
@given(records(Report), records(Verdict))
def test_any_summary_has_whole_rows_and_no_foreign_markup(report: Report, verdict: Verdict) -> None:
    text = markdown.render(report, verdict)

    tags = {"<code>", "</code>", "<!-- -->"}
    assert set(re.findall(r"<[^>]*>?", text)) <= tags
    assert "`" not in text and "@" not in text and "](" not in text
    assert COMMAND.search(text) is None
    for line in text.split("\n"):
        assert not line.startswith("|") or (line.endswith("|") and line.count("|") in (4, 5, 7))


def test_summary_stays_under_a_mebibyte_and_says_what_is_missing() -> None:
    found = [finding(path="日" * 3_000, number=number, message="<" * 3_000) for number in range(2_000)]
    gaps = tuple(Gap("code", "日" * 3_000, "crash", f"{number}") for number in range(2_000))

    text = markdown.render(only(*found, gaps=gaps), replace(VERDICT, reasons=("@" * 900,) * 3_000))

    assert len(text.encode()) <= 2**20
    assert "1,950 more findings in the full report" in text
    assert "1,950 more gaps in the full report" in text


def test_summary_that_does_not_fit_is_cut_with_a_notice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(markdown, "MAX_BYTES", 500)

    text = markdown.render(REPORT, VERDICT)

    assert len(text.encode()) <= 500
    assert text.endswith("… cut: see the full report.\n")


def test_summary_of_nothing_says_so() -> None:
    assert "**Nothing was scanned.**" in markdown.render(EMPTY, NOTHING)


def test_summary_shows_how_much_each_scanner_read() -> None:
    text = markdown.render(replace(CLEAN, coverage=(Coverage("code", 3, 2),)), PASSED)

    assert "| code | 0 | 0 | 0 | 0 | 2 of 3 read |" in text


def test_a_file_called_dash_is_standard_output() -> None:
    assert parse_outputs(["json=-", "sarif=./-"]) == [("json", None), ("sarif", Path("-"))]
