"""A privacy declaration means what a person reads, and every mistake in it is told with its line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlguard import declarations
from mlguard.declarations import Declaration
from mlguard.errors import Unreadable

TEXT = """\
version: 0
organisation:
  controller: {name: Example Retail SAS, email: privacy@retail.example}
teams:
  ml: {contact: ml@retail.example, function: data-science}
purposes:
  churn: {description: Predict contract cancellation for better offers, data_use: marketing.communications}
datasets:
  - id: customers
    location: [data/customers.csv]
    owner: ml
    class: personal
    data_subjects: [customer]
    purposes: [churn]
    source: {kind: collected, as_of: 2026-06-30}
    fields:
      email: {categories: [user.contact.email], role: direct_identifier}
    retention: {period: P2Y, action: delete}
recipients:
  - {id: vendor, name: Example Inc, role: processor, countries: [NO, SE], dpa_ref: "contracts:77", breach_notice_hours: 24}
activities:
  - id: training
    name: Train the churn model
    owner: ml
    role: controller
    phase: development
    purposes: [churn]
    datasets: [customers]
    recipients: [vendor]
    legal_basis: {article: "6(1)(f)", lia_ref: docs/lia.md}
    notice: {ref: docs/notice.md, version: 2026}
access: {classes: {personal: {file_mode_max: 0640}}, rules: []}
"""


def told(old: str, new: str) -> list[tuple[int, str]]:
    assert old in TEXT
    return [(problem.line, problem.message) for problem in declarations.parse(TEXT.replace(old, new, 1)).problems]


def test_valid_declaration_has_no_problems() -> None:
    declared = declarations.parse(TEXT)

    assert declared.problems == ()
    assert declared.body["recipients"][0]["countries"] == ["NO", "SE"]


def test_values_mean_what_a_person_reads_quoted_or_not() -> None:
    declared = declarations.parse(TEXT.replace("hours: 24", 'hours: "24"').replace("version: 0", 'version: "0"'))

    assert declared.problems == ()
    assert declared.body["recipients"][0]["breach_notice_hours"] == 24
    assert declared.body["activities"][0]["notice"]["version"] == "2026"
    assert declared.body["access"]["classes"]["personal"]["file_mode_max"] == "0640"


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("    owner: ml\n    class", "    owner: lm\n    class", 11, "there is no team 'lm'"),
        ("    purposes: [churn]\n    source", "    purposes: [curn]\n    source", 14, "there is no purpose 'curn'"),
        ("retention:", "retension:", 18, "did you mean 'retention'"),
        ("    retention: {period: P2Y, action: delete}\n", "", 9, "lacks the key 'retention', which is needed because class is 'personal'"),
        ("period: P2Y", "period: two years", 18, "a period such as P2Y"),
        ("class: personal", "class: persnal", 12, "did you mean 'personal'"),
        ("datasets: [customers]", "datasets: [customer]", 28, "there is no dataset 'customer'"),
        ("recipients: [vendor]", "recipients: [vender]", 29, "there is no recipient 'vender'"),
        ("as_of: 2026-06-30", "as_of: 2026-06-31", 15, "no day of the calendar"),
        ("role: direct_identifier", "role: key", 17, "which is none of"),
        ("categories: [user.contact.email]", "categories: [x.shoe_size]", 17, "vocabulary.extra_categories"),
        (', dpa_ref: "contracts:77"', "", 20, "lacks the key 'dpa_ref'"),
        (", lia_ref: docs/lia.md", "", 30, "lacks the key 'lia_ref', which is needed because article is"),
        ("    source:", "    derived_from: [customers]\n    source:", 15, "derived from itself"),
        ("    source:", "    store: bucket\n    source:", 15, "there is no store 'bucket'"),
        ("{classes: {personal: {file_mode_max: 0640}}, rules: []}", "{classes: {}, rules: [], separation: [{never_both: [one, two]}]}", 32, "no access rule 'one'"),
        ("countries: [NO, SE]", "countries: Norway", 20, "must be a list"),
    ],
)  # fmt: skip
def test_mistake_is_told_with_line_and_advice(old: str, new: str, line: int, words: str) -> None:
    problems = told(old, new)

    assert any(number == line and words in message for number, message in problems), problems


def test_resource_of_an_access_rule_must_exist() -> None:
    rule = (
        "access:\n  classes: {}\n  rules:\n    - {id: read, who: ['aws:role/x'], may: [read], resources: [customers, bucket, 'k8s:prod/api'],"
        " reason: nightly build of features, owner: ml, expires: 2027-01-01}\n"
    )
    text = TEXT[: TEXT.index("access:")] + rule

    problems = declarations.parse(text).problems

    assert [problem.message for problem in problems if "bucket" in problem.message]
    assert len(problems) == 1


def test_what_is_invalid_does_not_count_as_declared() -> None:
    declared = declarations.parse(TEXT.replace("categories: [user.contact.email]", "categories: user.contact.email"))

    assert declared.problems
    assert declared.body["datasets"][0]["fields"]["email"].get("categories") is None


def test_duplicate_ids_are_told() -> None:
    block = TEXT[TEXT.index("  - id: customers") : TEXT.index("recipients:")]

    problems = declarations.parse(TEXT.replace("recipients:\n", block + "recipients:\n", 1)).problems

    assert ["stands twice" in problem.message for problem in problems] == [True]


@pytest.mark.parametrize("text", ["", "- a\n", "a: [", "just text", "a: &x [*x]"])
def test_what_is_no_mapping_is_unreadable(text: str) -> None:
    with pytest.raises(Unreadable):
        declarations.parse(text)


def test_missing_file_is_unreadable(tmp_path: Path) -> None:
    with pytest.raises(Unreadable):
        declarations.load(tmp_path, "privacy.yaml")


VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=8,
)
KEYS = st.sampled_from(
    [
        "version",
        "organisation",
        "teams",
        "purposes",
        "datasets",
        "stores",
        "models",
        "recipients",
        "activities",
        "rights",
        "access",
        "vocabulary",
    ]
)


@given(
    st.dictionaries(
        KEYS,
        st.one_of(
            VALUES,
            st.lists(
                st.dictionaries(st.sampled_from(["id", "location", "fields", "owner", "purposes", "class"]), VALUES),
                max_size=2,
            ),
        ),
    )
)
@settings(max_examples=200, deadline=None)
def test_any_mapping_ends_in_a_declaration_that_can_be_used(value: dict[str, object]) -> None:
    import yaml

    from mlguard.artifacts import Artifact
    from mlguard.assess import assess
    from mlguard.facts import Dataset, Field

    try:
        declared = declarations.parse(yaml.safe_dump(value, allow_unicode=True))
    except Unreadable:
        return
    seen = Field("email", "user.contact.email", "EmailAddress", "personal", "high", "pattern", 1, 1, ())

    assert isinstance(declared, Declaration)
    list(assess([Dataset("data/x.csv", "csv", 1, 1, (seen,))], declared, [Artifact("data/x.csv", "csv", 1)]))


def test_jsonschema_is_loaded_for_a_declaration_only() -> None:
    code = "import sys, mlguard.declarations, mlguard.assess; print('jsonschema' in sys.modules)"

    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
        == "False"
    )
