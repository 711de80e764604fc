"""A small catalogue and reports built by hand, for the tests of what a user gets to see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import is_dataclass, replace
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from hypothesis import strategies as st

from mlguard import facts, rules
from mlguard.findings import Coverage, Finding, Gap, Location, Proof, Report, Verdict
from mlguard.rules import Catalogue, Rule

PAGE = """---
title: {title}
severity: {severity}
confidence: {confidence}
scanner: {scanner}
message: "{message}"
fix: "{fix}"
controls: [{controls}]
gdpr: [{gdpr}]
cwe: [{cwe}]
on_fail: {on_fail}
on_pass: none
since: "0.1.0"
---
## Why it matters
{why}

## How to fix it
{fix}

## Bad
```python
bad()  # expect: {id}
```

## Good
```python
good()
```

## Sources
- The source: {source}
- Regulation (EU) 2016/679: https://eur-lex.europa.eu/eli/reg/2016/679/oj
"""


def rule(rule_id: str, **changes: str) -> Rule:
    """Return a rule parsed from a page, as the shipped ones are."""
    front = {
        "id": rule_id, "title": "Something is wrong", "severity": "high", "confidence": "high", "scanner": "code",
        "message": "It is wrong.", "fix": "Put it right.", "controls": "GDPR-32.1.b-3, MLOPS-10", "gdpr": '"32(1)(b)"',
        "cwe": "CWE-502", "on_fail": "breach", "why": "It harms people. It harms them twice.",
        "source": "https://example.org/source",
    }  # fmt: skip
    return rules.parse(rule_id, PAGE.format(**{**front, **changes}), f"{rule_id}.md")


RULES = (
    rule("code/unsafe-deserialization", title="File is loaded in a way that can run code", severity="critical",
         message="'{call}' runs code that the file carries.", fix="Load the weights from safetensors.",
         why="Whoever can change the file runs code with the rights of the training job. A hash does not help."),
    rule("code/weak-hash", title="Weak hash", severity="low", confidence="medium", cwe="CWE-327, CWE-328", controls="MLOPS-10"),
    rule("secret/aws-key", title="Cloud access key in a file", scanner="secrets", cwe="CWE-798", controls="GDPR-32.1.b-1"),
    rule("dep/known-vulnerability", title="Package with a known vulnerability", scanner="dependencies", cwe="CWE-1395",
         message="{package} has the known vulnerability {advisory}.", fix="Upgrade to the release that the advisory names."),
    rule("data/possible-child-data", title="Records may describe children", scanner="dataset", severity="medium",
         confidence="low", on_fail="review", cwe="", controls="GDPR-8-1", gdpr='"8", "6(1)(f)"'),
    rule("model/dangerous-import", title="Model file imports something that can run code", scanner="model", severity="critical"),
    rule("gov/missing-lawful-basis", title="No lawful basis is recorded", scanner="assess", severity="high", cwe="",
         on_fail="gap", source="https://eur-lex.europa.eu/eli/reg/2016/679/oj, Article 6"),
)  # fmt: skip

CONTROLS = {
    "GDPR-32.1.b-3": {"id": "GDPR-32.1.b-3", "title": "Workloads are hardened and isolated", "required": []},
    "GDPR-32.1.b-1": {"id": "GDPR-32.1.b-1", "title": "Access follows need", "required": []},
    "MLOPS-10": {"id": "MLOPS-10", "title": "Changes are checked before they ship", "required": []},
}

CATALOGUE = Catalogue({item.id: item for item in RULES}, CONTROLS, "ab" * 32)


def finding(
    rule_id: str = "code/unsafe-deserialization", path: str = "src/train.py", number: int = 1, **changes: Any
) -> Finding:
    """Return a finding of a rule of the small catalogue."""
    page = CATALOGUE.rules[rule_id]
    base = Finding(
        rule=page.id, check="the-check", severity=page.severity, title=page.title, message=page.message, fix=page.fix,
        location=Location(path, 3, 5, 3, 11), controls=page.controls, fingerprint=f"{number:032x}", scanner=page.scanner,
        on_fail=page.on_fail,
    )  # fmt: skip
    return replace(base, **changes)


FINDINGS = (
    finding(
        message="'pickle.load' runs code that the file carries.", facts={"call": "pickle.load", "line": 22},
        location=Location("src/train.py", 22, 13, 22, 24), excerpt=("    model = pickle.load(file)",), number=1,
    ),
    finding(
        "code/weak-hash", "src/train.py", 2, location=Location("src/train.py", 30, 9, 32, 2),
        excerpt=("digest = hashlib.md5(", '    "…",', ")"), message="'x[0](y)' and {0} are [shown](1) as they stand.",
    ),
    finding(
        "code/weak-hash", "notebooks/Überblick #1 100%.ipynb", 3, state="ignored",
        reason="Only names files. (Ada Lovelace, until 2030-01-01)",
        location=Location("notebooks/Überblick #1 100%.ipynb", 4, 14, 4, 26, within="cell 3"),
        excerpt=('"""𝒙"""; a = hashlib.md5(b)',),
    ),
    finding(
        "secret/aws-key", "config/settings.env", 4, location=Location("config/settings.env", 1, 16, 1, 36),
        excerpt=("AWS_ACCESS_KEY=…",), message="An AWS access key stands in this file.",
    ),
    finding(
        "dep/known-vulnerability", "requirements.txt", 5, location=Location("requirements.txt", 2),
        message="requests has the known vulnerability GHSA-9hjg-9r4m-mvj7.", advisory="GHSA-9hjg-9r4m-mvj7",
        subject="pkg:pypi/requests@2.32.3", excerpt=("requests==2.32.3",),
    ),
    finding(
        "dep/known-vulnerability", "requirements.txt", 6, location=Location("requirements.txt", 3, 1, 3, 14),
        message="torch has the known vulnerability PYSEC-2025-41.", advisory="PYSEC-2025-41", excerpt=("torch==2.5.1",),
    ),
    finding(
        "data/possible-child-data", "data/日本/people.csv", 7,
        location=Location("data/日本/people.csv", 1, 7, 1, 12, within="column birth"), message="The column may hold ages of minors.",
    ),
    finding(
        "model/dangerous-import", "models/churn.pkl", 8,
        location=Location("models/churn.pkl", byte=66, length=9, within="archive/data.pkl"),
        message="Loading the file calls posix.system.", related=(
            ("loaded here", Location("src/train.py", 22, 13, 22, 24)), ("", Location("Dockerfile", 4)),
        ),
    ),
    finding("gov/missing-lawful-basis", "", 9, location=Location(""), message="No activity names a lawful basis."),
)  # fmt: skip

GAPS = (
    Gap("code", "src/broken\n::error::x.py", "unreadable", "not valid UTF-8 (byte 17)", "convert the file to UTF-8"),
    Gap("dataset", "data/big.parquet", "sampled", "only the first 100,000 rows were read", "raise limits.rows"),
    Gap("discovery", "vendor", "skipped", "a submodule that is not checked out"),
    Gap(
        "model",
        "models/evil.bin",
        "crash",
        "ValueError at pickles.py:10",
        "this is a bug of the scanner; please report it",
    ),
    Gap("model", "models/slow.pt", "timeout", "not done after 120 s"),
)

FACTS = (
    facts.Dataset("data/people.csv", "csv", 10, 3, (
        facts.Field("email", "user.contact.email", "dpv-pd:EmailAddress", "personal", "high", "pattern", 9, 10, ("email",)),
    )),
    facts.Deployment("apps/v1/Deployment/shop/churn", "registry.example.org/churn:1", "k8s/churn.yaml", 12, "production"),
    facts.Evaluation("reports/metrics.json", "churn", (("accuracy", "0.91"),)),
    facts.DataFlow("read", "dataset", "data/people.csv", "src/train.py", 5),
    facts.Grant("role/trainer", ("s3:GetObject",), ("arn:aws:s3:::people/*",), "main.tf", 3, "aws_iam_policy.read"),
    facts.ModelFile("models/churn.pkl", "pickle", "blocked", ("posix.system",)),
    facts.Package("requests", "2.32.3", "==2.32.3", "requirements.txt", 2, "pkg:pypi/requests@2.32.3", True),
    facts.Resource("aws_s3_bucket", "aws_s3_bucket.people", "main.tf", 9, "personal", "eu-central-1"),
)  # fmt: skip

REPORT = Report(
    version="0.1.0",
    rules_digest="ab" * 32,
    config_digest="cd" * 32,
    scanners=("code", "secrets", "dependencies", "dataset", "model"),
    required=("code", "infra"),
    files=12,
    findings=FINDINGS,
    gaps=GAPS,
    proofs=(Proof("docker/root-user", "Dockerfile", "Dockerfile"), Proof("dep/unpinned", "pkg:pypi/torch@2.5.1")),
    facts=FACTS,
    coverage=(
        Coverage("code", 3, 2),
        Coverage("secrets", 12, 12),
        Coverage("dependencies", 1, 1),
        Coverage("dataset", 2, 1),
        Coverage("model", 3, 1),
    ),
    evaluated=tuple(sorted(CATALOGUE.rules)),
)

VERDICT = Verdict(
    "incomplete",
    3,
    ("the required scanner infra did not run", "2 critical and 4 high findings at or above high"),
    ("0" * 31 + "1", "0" * 31 + "8"),
    ("the required scanner infra did not run",),
)

EMPTY = Report(
    "0.1.0", "ab" * 32, "", ("code",), (), 0, coverage=(Coverage("code", 0, 0),), evaluated=("code/weak-hash",)
)
NOTHING = Verdict("incomplete", 3, ("nothing was scanned: no file is of a kind that the scanners of this run read",))
CLEAN = replace(EMPTY, files=2, coverage=(Coverage("code", 2, 2),))
PASSED = Verdict(
    "pass", 0, ("no finding at or above high in 2 files; every file that a scanner wanted was read (2 reads)",)
)

STRANGE = (
    "", "::error::x", "a\n::warning::b", "##[add-mask]x", "\x1b[31mred", "a|b`c`", "<img src=x>", "{0} [x](1)", "日本 \u0301é",
    "\u202eevil", "\udcff\udc80.py", "\ud800", "=cmd()", "@team", "a" * 300, "::" * 40, "\u3000::error::", "…", "#1 100%",
    "x", "\U0001d499" * 9,
)  # fmt: skip

HOSTILE = Report(
    version="0.1.0", rules_digest="", config_digest="", scanners=("code", "::plugin"), required=("##[group]x",), files=9,
    findings=tuple(
        finding(path=text, number=number, message=text, subject=text, advisory=text, fix=text, excerpt=(text, text),
                location=Location(text, 1, 2 + number, number % 3, 2**53, within=text), controls=(text,),
                related=((text, Location(text, 2**53, 2**53)),))
        for number, text in enumerate(STRANGE)
    ),
    gaps=tuple(Gap("::plugin", text, "crash", text, text) for text in STRANGE),
    coverage=(Coverage("code", 9, 9), Coverage("::plugin", 1, 1)),
)  # fmt: skip

TEXT = st.text(max_size=30) | st.sampled_from(STRANGE)
"""Text of any kind, and what has broken the output of other tools."""

_POSITIONS = st.integers(1, 200) | st.integers(1, 2**53)
_NUMBERS = {"line": _POSITIONS, "column": _POSITIONS}


def records(kind: type) -> st.SearchStrategy[Any]:
    """Return a strategy for a record with anything in its fields that their types allow."""
    hints = get_type_hints(kind)
    fields = {
        name: _NUMBERS[name] if name in _NUMBERS and hint is int else _shaped(hint) for name, hint in hints.items()
    }
    if kind is Finding:
        fields["fingerprint"] = st.integers(0, 16**32 - 1).map(lambda number: f"{number:032x}")
        fields["rule"] = st.sampled_from([*CATALOGUE.rules, "gone/rule"])
        fields["scanner"] = st.sampled_from(["code", "dataset", "assess", "plug in/é"])
    if kind is Gap:
        fields["scanner"] = st.sampled_from(["code", "discovery", "::plugin"])
    if kind is Verdict:
        fields["exit_code"] = st.sampled_from([0, 1, 3])
    return st.builds(kind, **fields)


def _shaped(hint: Any) -> st.SearchStrategy[Any]:
    origin, arguments = get_origin(hint), get_args(hint)
    if isinstance(hint, type) and is_dataclass(hint):
        return records(hint)
    if origin is tuple and arguments[-1] is Ellipsis:
        return st.lists(_shaped(arguments[0]), max_size=3).map(tuple)
    if origin is tuple:
        return st.tuples(*map(_shaped, arguments))
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin is Mapping:
        return st.dictionaries(TEXT, TEXT | st.integers(-(2**53), 2**53), max_size=2)
    if origin in (Union, UnionType):
        return st.one_of(*map(_shaped, arguments))
    plain = {str: TEXT, int: st.integers(0, 2**53), bool: st.booleans(), type(None): st.none()}
    return {**plain, float: st.floats(0, 2**53)}[hint]
