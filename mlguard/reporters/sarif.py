"""Writes a report as SARIF 2.1.0 (errata 01): one run per scanner."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal
from urllib.parse import quote

from mlguard.findings import SEVERITIES, Coverage, Edit, Finding, Gap, Location, Report, Severity, Verdict
from mlguard.redact import MASK
from mlguard.reporters import EXTRA_SCANNERS, read_by, sources
from mlguard.reporters.text import counted, first_paragraph, source_urls, visible
from mlguard.rules import Catalogue, Rule, section

Profile = Literal["full", "github"]
"""``full`` is audit evidence: it holds what is set aside too, and says which findings a person must judge. ``github`` is
for code scanning, which ignores ``suppressions`` and ``kind`` and would show both as open alerts of level none."""

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
BASE = "%SRCROOT%"

# What GitHub takes: https://docs.github.com/en/code-security/code-scanning/integrating-with-code-scanning/sarif-support
MAX_RUNS = 20
MAX_RESULTS = 5_000  # of one run; it takes 25,000 and shows this many
MAX_RELATED = 100  # locations of one result
MAX_TAGS = 10
MAX_NAME = 255  # characters
MAX_DESCRIPTION = 1_024  # characters

MAX_POSITION = 2**31 - 1
"""Readers in .NET and Java hold lines and columns in 32 bits; the multitool skips a log beyond them without a word."""

SCORES: dict[Severity, str] = {"critical": "9.5", "high": "8.0", "medium": "5.5", "low": "2.0"}
"""``security-severity``: GitHub calls 9.0 and more critical, 7.0 high, 4.0 medium."""

_LEVELS: dict[Severity, str] = {"critical": "error", "high": "error", "medium": "warning", "low": "note"}
_PROBLEMS: dict[Severity, str] = {
    "critical": "error", "high": "error", "medium": "warning", "low": "recommendation",
}  # fmt: skip
_GAPS = {
    "crash": "A scanner failed on a file",
    "missing": "Something that a scanner needs is missing",
    "sampled": "Only a part of a file was read",
    "skipped": "A file was not looked at",
    "timeout": "A scanner took too long on a file",
    "too-large": "A file is larger than the limit",
    "unreadable": "A file could not be read",
    "unresolved": "A value could not be worked out",
}
_EXIT_CODES = {"pass": "The gate passed.", "fail": "The gate failed.", "incomplete": "The run is incomplete."}

Json = dict[str, Any]


def render(report: Report, verdict: Verdict, catalogue: Catalogue, profile: Profile = "full") -> str:
    """Return the SARIF log as ASCII JSON with a line per result, and a line end; see ``pieces``."""
    return "".join(pieces(report, verdict, catalogue, profile))


def pieces(report: Report, verdict: Verdict, catalogue: Catalogue, profile: Profile = "full") -> Iterator[str]:
    """Yield the SARIF log as ASCII JSON with a line per result, and a line end.

    The ``github`` profile leaves out findings that are set aside, scanners that read nothing to its end (an empty run
    would close their alerts), and what lies beyond GitHub's limits; each cut is told in a notification of its run.
    """
    names = [name for name in sources(report) if profile == "full" or _uploads(name, report)]
    told = [f"{name}: left out, because it read nothing to its end." for name in sources(report) if name not in names]
    if profile == "github" and len(names) > MAX_RUNS:
        told.append(f"{counted(len(names) - MAX_RUNS, 'run')} left out: GitHub takes {MAX_RUNS} of one file.")
        names = names[:MAX_RUNS]
    findings: dict[str, list[Finding]] = {name: [] for name in names}
    for finding in report.findings:
        if finding.scanner in findings:
            findings[finding.scanner].append(finding)
    yield f'{{"$schema":{_dumps(SCHEMA)},"version":"2.1.0","runs":['
    for number, name in enumerate(names):
        if number:
            yield ","
        yield from _Run(name, report, verdict, catalogue, profile).pieces(findings[name], told)
        told = []
    yield "]}\n"


_dumps = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


def _uploads(name: str, report: Report) -> bool:
    """Say whether a run of this name tells GitHub more than that a scanner failed."""
    if any(finding.scanner == name and finding.state == "new" for finding in report.findings):
        return True
    looked, _ = read_by(name, report)
    coverage = _coverage(name, report)
    if coverage is not None:
        failed = any(gap.scanner == name for gap in report.gaps)
        return coverage.complete > 0 or (coverage.wanted == 0 and not failed)
    return looked or name not in (*report.scanners, *report.required, *EXTRA_SCANNERS)


def _coverage(name: str, report: Report) -> Coverage | None:
    return next((coverage for coverage in report.coverage if coverage.scanner == name), None)


class _Run:
    """One run while it is written: its descriptors, artifacts and addresses are made once and shared."""

    def __init__(self, name: str, report: Report, verdict: Verdict, catalogue: Catalogue, profile: Profile) -> None:
        self.name = name
        self.report = report
        self.verdict = verdict
        self.catalogue = catalogue
        self.profile = profile
        self.rules: list[Json] = []
        self.index: dict[str, int] = {}
        self.owner: dict[str, str] = {}  # advisory -> the rule that its descriptor describes
        self.taxa: dict[str, dict[str, int]] = {}  # taxonomy -> taxon -> index
        self.files: dict[str, Json] = {}  # path -> artifactLocation, in the order of their index
        self.kinds: dict[str, int] = {}  # notification descriptor -> index
        self.controls: dict[tuple[str, ...], list[str]] = {}

    def pieces(self, findings: Sequence[Finding], told: Sequence[str]) -> Iterator[str]:
        """Yield the run as JSON. Each result is written as soon as it is made: kept, they would cost more than they do."""
        evaluated = (self.catalogue.rules.get(name) for name in self.report.evaluated)
        for rule in evaluated:
            if rule is not None and rule.scanner == self.name:
                self._describe(rule.id, _described(rule), rule.controls, rule.cwe)
        told = [*told]
        if self.profile == "github":
            findings = [finding for finding in findings if finding.state == "new"]
            if len(findings) > MAX_RESULTS:
                told.append(
                    f"{counted(len(findings) - MAX_RESULTS, 'finding')} of {len(findings):,} left out, the least severe: "
                    f"GitHub shows {MAX_RESULTS:,} of one run. The full report holds them all."
                )
                findings = sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))[:MAX_RESULTS]
            long = sum(len(finding.related) > MAX_RELATED for finding in findings)
            if long:
                told.append(
                    f"{counted(long, 'finding')} cut to {MAX_RELATED} related places. The full report holds them all."
                )
        results = [_dumps(self._result(finding)) for finding in findings]
        yield _dumps(self._around(self._invocation(told)))[:-1]
        yield f',"artifacts":[{",".join(map(_artifact, self.files.values()))}],"results":[\n'
        for number, result in enumerate(results):
            yield ",\n" if number else ""
            yield result
        yield "\n]}"

    def _around(self, invocation: Json) -> Json:
        """Return the run without its results. Called last, when all rules, files and kinds of gaps are known."""
        version = self.report.version
        driver: Json = {"name": f"mlguard-{visible(self.name)}", "version": visible(version)}
        if re.fullmatch(r"\d+\.\d+\.\d+(?:[-+][0-9A-Za-z.+-]+)?", version):
            driver["semanticVersion"] = version
        if self.kinds:
            driver["notifications"] = [_kind(kind) for kind in self.kinds]
        driver["rules"] = self.rules
        run: Json = {"tool": {"driver": driver}}
        if self.taxa:
            names = sorted(self.taxa, key=lambda name: (name == "CWE", name))
            driver["supportedTaxonomies"] = [{"name": name, "index": index} for index, name in enumerate(names)]
            run["taxonomies"] = [self._taxonomy(name) for name in names]
        run["automationDetails"] = {"id": f"mlguard/{quote(self.name, safe='', errors='replace')}/"}
        run["invocations"] = [invocation]
        run["originalUriBaseIds"] = {BASE: {"description": {"text": "The root of the scanned tree."}}}
        run["columnKind"] = "utf16CodeUnits"
        run["redactionTokens"] = [MASK]
        run["properties"] = self._properties()
        return run

    def _properties(self) -> Json:
        properties: Json = {
            "mlguard/outcome": self.verdict.outcome,
            "mlguard/rulesDigest": visible(self.report.rules_digest),
            "mlguard/configDigest": visible(self.report.config_digest),
            "mlguard/profile": self.profile,
        }
        coverage = _coverage(self.name, self.report)
        if coverage:
            properties["mlguard/filesWanted"] = coverage.wanted
            properties["mlguard/filesComplete"] = coverage.complete
        return properties

    # Descriptors

    def _describe(self, name: str, descriptor: Json, controls: Iterable[str], cwe: Iterable[str]) -> int:
        relations = [self._relation(control.split("-", 1)[0], control) for control in controls]
        relations += [self._relation("CWE", weakness) for weakness in cwe]  # last: an importer keeps the last one
        if relations:
            descriptor["relationships"] = relations
        self.index[name] = len(self.rules)
        self.rules.append(descriptor)
        return self.index[name]

    def _relation(self, taxonomy: str, taxon: str) -> Json:
        self.taxa.setdefault(taxonomy, {}).setdefault(taxon, len(self.taxa.get(taxonomy, ())))
        target = {"id": taxon, "toolComponent": {"name": taxonomy}}
        return {"target": target, "kinds": ["superset" if taxonomy == "CWE" else "relevant"]}

    def _taxonomy(self, name: str) -> Json:
        taxonomy: Json = {"name": name, **_TAXONOMIES.get(name, {}), "isComprehensive": False}
        taxonomy["taxa"] = [self._taxon(taxon) for taxon in self.taxa[name]]
        return taxonomy

    def _taxon(self, taxon: str) -> Json:
        title = self.catalogue.controls.get(taxon, {}).get("title")
        return {"id": taxon, "shortDescription": {"text": f"{title}."}} if title else {"id": taxon}

    def _rule_of(self, finding: Finding) -> tuple[str, int]:
        """Return the descriptor's id and index. An advisory has its own, because GitHub knows one severity per id."""
        name = finding.rule
        if finding.advisory and self.owner.setdefault(finding.advisory, finding.rule) == finding.rule:
            name = finding.advisory
        if name in self.index:
            return name, self.index[name]
        rule = self.catalogue.rules.get(finding.rule)
        descriptor = _described(rule) if rule else _unknown(finding)
        if name != finding.rule:
            descriptor = _advisory(name, finding, descriptor)
        return name, self._describe(name, descriptor, rule.controls if rule else (), rule.cwe if rule else ())

    # Results

    def _result(self, finding: Finding) -> Json:
        name, index = self._rule_of(finding)
        result: Json = {"ruleId": name, "ruleIndex": index}
        if finding.on_fail == "review" and self.profile == "full":
            result["kind"], result["level"] = "review", "none"  # SARIF 2.1.0, 3.27.10: only a failure has a level
        else:
            result["kind"], result["level"] = "fail", _LEVELS[finding.severity]
        text = finding.message if finding.message.strip() else finding.title
        result["message"] = {"text": message(f"{text} {finding.fix}" if finding.fix else text).strip() or "No message."}
        result["locations"] = [self._location(finding.location, finding.excerpt, finding.subject)]
        if finding.related:
            related = finding.related[:MAX_RELATED] if self.profile == "github" else finding.related
            result["relatedLocations"] = [
                {"id": number, **self._location(place), **({"message": {"text": message(text)}} if text else {})}
                for number, (text, place) in enumerate(related, 1)
            ]
        if finding.edit is not None and finding.state == "new":
            result |= self._fix(finding.edit, finding)
        result["partialFingerprints"] = self._fingerprints(finding)
        if finding.state == "ignored":
            reason = visible(finding.reason) or "No reason is recorded."
            kind = "inSource" if finding.aside else "external"
            result["suppressions"] = [{"kind": kind, "status": "accepted", "justification": reason}]
        result["properties"] = self._result_properties(finding)
        return result

    def _fix(self, edit: Edit, finding: Finding) -> Json:
        """Return the change as a fix; nothing where its end cannot be told, for then it would take the rest of the line."""
        where = region(edit.location, finding.excerpt if finding.location.line == edit.location.line else ())
        if "endColumn" not in where:
            return {}
        change = {"deletedRegion": where, "insertedContent": {"text": edit.text}}
        changes = [{"artifactLocation": self._file(edit.location.path), "replacements": [change]}]
        advice = message(finding.fix or f"Write {edit.text} here.")
        return {"fixes": [{"description": {"text": advice}, "artifactChanges": changes}]}

    def _fingerprints(self, finding: Finding) -> Json:
        prints = {"mlguard/v1": finding.fingerprint}
        if (
            self.name != "code"
        ):  # For source lines GitHub's own hash of the line is as good, and it warns when they differ.
            prints["primaryLocationLineHash"] = f"{finding.fingerprint[:16]}:1"
        return prints

    def _result_properties(self, finding: Finding) -> Json:
        controls = self.controls.get(finding.controls)
        if controls is None:
            controls = self.controls[finding.controls] = [visible(control) for control in finding.controls]
        properties: Json = {
            "mlguard/check": visible(finding.check),
            "mlguard/controls": controls,
            "mlguard/severity": finding.severity,
            "mlguard/onFail": finding.on_fail,
        }
        if finding.subject:
            properties["mlguard/subject"] = visible(finding.subject)
        if finding.location.byte is not None:
            properties["byteOffset"] = finding.location.byte
            if finding.location.length is not None:
                properties["byteLength"] = finding.location.length
        return properties

    def _location(self, place: Location, excerpt: Sequence[str] = (), subject: str = "") -> Json:
        where = region(place, excerpt)
        physical: Json = {"artifactLocation": self._file(place.path), "region": where}
        if excerpt and place.byte is None:
            _show(physical, where, [visible(line) for line in excerpt])
        location: Json = {"physicalLocation": physical}
        inside = [{"fullyQualifiedName": visible(name)} for name in dict.fromkeys((place.within, subject)) if name]
        if inside:
            location["logicalLocations"] = inside
        return location

    def _file(self, path: str) -> Json:
        known = self.files.get(path)
        if known is None:
            known = {"uri": uri(path), "uriBaseId": BASE}
            if "://" in path and self.profile == "full":  # GitHub takes files alone
                known = {"uri": address(path)}
            known = self.files[path] = {**known, "index": len(self.files)}
        return known

    # Invocation

    def _invocation(self, told: Sequence[str]) -> Json:
        gaps = [gap for gap in self.report.gaps if gap.scanner == self.name]
        absent = self.name in self.report.required and self.name not in self.report.scanners
        notes = [self._notification(gap) for gap in gaps]
        if absent:
            notes.append(self._told("run/absent", "error", "This scanner is required and did not run."))
        successful = not gaps and not absent
        notes += [self._told("run/cut", "warning", text) for text in told]
        invocation: Json = {
            "executionSuccessful": successful,
            "exitCode": self.verdict.exit_code,
            "exitCodeDescription": _EXIT_CODES[self.verdict.outcome],
        }
        if notes:
            invocation["toolExecutionNotifications"] = notes
        return invocation

    def _notification(self, gap: Gap) -> Json:
        reason = f"{gap.reason}; {gap.hint}" if gap.hint else gap.reason
        level = "error" if gap.kind in ("crash", "timeout") else "warning"
        note = self._told(f"gap/{gap.kind}", level, f"{_GAPS[gap.kind]}: {reason}.")
        if gap.path:
            note["locations"] = [{"physicalLocation": {"artifactLocation": self._file(gap.path)}}]
        return note

    def _told(self, kind: str, level: str, text: str) -> Json:
        index = self.kinds.setdefault(kind, len(self.kinds))
        return {"descriptor": {"id": kind, "index": index}, "level": level, "message": {"text": message(text)}}


_TAXONOMIES: dict[str, Json] = {
    "CWE": {"organization": "MITRE", "informationUri": "https://cwe.mitre.org/",
            "shortDescription": {"text": "The MITRE Common Weakness Enumeration."}},
    "GDPR": {"organization": "European Union", "informationUri": "https://eur-lex.europa.eu/eli/reg/2016/679/oj",
             "shortDescription": {"text": "Technical controls drawn from Regulation (EU) 2016/679."}},
    "ACCESS": {"shortDescription": {"text": "The organisation's own access rules."}},
    "MLOPS": {"shortDescription": {"text": "Delivery and operation practices for machine learning."}},
}  # fmt: skip


def _artifact(place: Json) -> str:
    """Return an artifact as JSON. Put together by hand, because nothing in a percent-encoded address needs an escape."""
    base = f',"uriBaseId":"{BASE}"' if "uriBaseId" in place else ""
    return f'{{"location":{{"uri":"{place["uri"]}"{base}}},"roles":["analysisTarget"]}}'


def _described(rule: Rule) -> Json:
    title = visible(rule.title)[:MAX_DESCRIPTION]
    full = first_paragraph(section(rule, "Why it matters"))
    descriptor: Json = {
        "id": rule.id,
        "name": _pascal(rule.id),
        "shortDescription": {"text": _ended(title)},
        "fullDescription": {"text": _shortened(visible(full) or _ended(title))},
        "help": _help(rule),
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
        "properties": {
            "precision": rule.confidence,
            "security-severity": SCORES[rule.severity],
            "problem.severity": _PROBLEMS[rule.severity],
            "tags": _tags(rule),
            "mlguard/severity": rule.severity,
            "mlguard/onFail": rule.on_fail,
        },
    }
    if rule.aliases:
        descriptor["deprecatedIds"] = list(rule.aliases)
    address = next(source_urls(rule), "")
    if address:
        descriptor["helpUri"] = address
    return descriptor


def _unknown(finding: Finding) -> Json:
    """Return a descriptor for a rule that this version of the catalogue does not hold."""
    title = _shortened(_ended(visible(finding.title).strip() or visible(finding.rule)))
    advice = visible(finding.fix).strip() or "This version of mlguard has no page for the rule."
    return {
        "id": finding.rule,
        "name": _pascal(finding.rule),
        "shortDescription": {"text": title},
        "fullDescription": {"text": title},
        "help": {"text": advice},
        "defaultConfiguration": {"level": _LEVELS[finding.severity]},
        "properties": {
            "security-severity": SCORES[finding.severity],
            "problem.severity": _PROBLEMS[finding.severity],
            "tags": ["security"],
            "mlguard/severity": finding.severity,
            "mlguard/onFail": finding.on_fail,
        },
    }


def _advisory(name: str, finding: Finding, rule: Json) -> Json:
    """Return a descriptor for one vulnerability record, made from the descriptor of the rule that reports it."""
    title = _shortened(_ended(f"{visible(name)}: {visible(finding.title)}"))
    descriptor = {**rule, "id": name, "name": _pascal(name), "shortDescription": {"text": title}}
    descriptor.pop("deprecatedIds", None)
    descriptor["properties"] = {**rule["properties"], "mlguard/rule": finding.rule}
    if re.fullmatch(r"[A-Za-z0-9._-]{1,100}", name):
        descriptor["helpUri"] = f"https://osv.dev/vulnerability/{name}"
    return descriptor


def _kind(kind: str) -> Json:
    texts = {"run/absent": "A required scanner did not run", "run/cut": "The output was cut to a limit"}
    text = texts.get(kind) or _GAPS[kind.removeprefix("gap/")]
    return {
        "id": kind,
        "name": _pascal(kind),
        "shortDescription": {"text": f"{text}."},
        "fullDescription": {"text": f"{text}. A run with gaps is never a pass."},
        "help": {"text": "The message says what was not looked at, why, and what to do."},
    }


def _help(rule: Rule) -> Json:
    parts = [
        f"## {heading}\n{text}"
        for heading in ("Why it matters", "How to fix it", "What it cannot see", "Sources")
        if (text := section(rule, heading))
    ]
    markdown = "\n\n".join([*parts, f"Explained offline by `mlguard explain {rule.id}`."])
    plain = re.sub(r"^## (.*)$", r"\1:", markdown, flags=re.M)
    return {"text": plain, "markdown": markdown}


def _tags(rule: Rule) -> list[str]:
    """Return at most ten tags: GitHub reads severity only from rules that carry "security", and shows ten."""
    weaknesses = [f"external/cwe/cwe-{int(item[4:]):03d}" for item in rule.cwe if re.fullmatch(r"CWE-\d{1,6}", item)]
    gdpr = [f"gdpr/art-{'-'.join(re.findall(r'[0-9A-Za-z]+', item))}" for item in rule.gdpr]
    return list(dict.fromkeys(["security", rule.area, *weaknesses[:4], *gdpr]))[:MAX_TAGS]


def _pascal(name: str) -> str:
    """Return a name for people that differs from the id, as SARIF1001 asks."""
    pascal = "".join(word.capitalize() for word in re.findall(r"[A-Za-z0-9]+", name))[: MAX_NAME - 4]
    return f"{pascal}Rule" if pascal.casefold() in ("", name.casefold()) else pascal


def _ended(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _shortened(text: str) -> str:
    return text if len(text) <= MAX_DESCRIPTION else text[: MAX_DESCRIPTION - 1] + MASK


_BRACES = re.compile(r"[{}]")


def message(text: str) -> str:
    """Return a message in which nothing is a placeholder or a link (SARIF 2.1.0, 3.11.5 and 3.11.6)."""
    text = visible(text)
    if "{" in text or "}" in text:
        text = _BRACES.sub(lambda match: match.group() * 2, text)
    if "](" in text:
        text = text.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]")
    return text


def uri(path: str) -> str:
    """Return a path as a relative reference, percent-encoded byte by byte, so that no part can pass for a scheme or host."""
    try:
        raw = path.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # a lone surrogate that stands for no byte: only a written report can hold one
        raw = path.encode("utf-8", "replace")
    encoded = quote(raw, safe="/@+=,")
    return f"%2F{encoded[1:]}" if encoded.startswith("/") else encoded or "."


def address(path: str) -> str:
    """Return the path of something in a store, which is an absolute address with its own percent signs, in ASCII."""
    return quote(path.encode("utf-8", "replace"), safe="/:%+=,[]")


def region(place: Location, excerpt: Sequence[str] = ()) -> Json:
    """Return a region in UTF-16 code units.

    Places count code points, and a masked excerpt may hide characters that take two units. So a column is moved only
    where the text before it is known, and the end is left out (the end of the line) where it is not.
    """
    if place.byte is not None:
        return {"startLine": 1}  # GitHub asks for a line; the bytes are in the result's properties
    start = min(max(1, place.line), MAX_POSITION)
    end = min(max(start, place.end_line), MAX_POSITION)
    before, _ = _units(excerpt[0] if excerpt else "", max(1, place.column))
    region: Json = {"startLine": start, "startColumn": min(before, MAX_POSITION), "endLine": end}
    if place.end_column > 0 and end - start < len(excerpt):
        after, sure = _units(excerpt[end - start], place.end_column)
        if sure and (end > start or after > before):
            region["endColumn"] = after
    return region


def _show(physical: Json, where: Json, lines: list[str]) -> None:
    """Add the masked source lines: as the context of a region that is smaller than its lines (SARIF1008), else as its own."""
    missing = where["endLine"] - where["startLine"] + 1 - len(lines)
    if missing > 0:
        lines.append(MASK)
    snippet = {"text": "\n".join(lines)}
    if missing > 0 or (where["startColumn"] == 1 and "endColumn" not in where):
        where["snippet"] = snippet
    else:
        end = min(where["startLine"] + len(lines) - 1, MAX_POSITION)
        physical["contextRegion"] = {"startLine": where["startLine"], "endLine": end, "snippet": snippet}


def _units(line: str, column: int) -> tuple[int, bool]:
    """Return a column in UTF-16 code units, and whether every character before it is known."""
    head = line[: column - 1]
    if len(head) == column - 1 and head.isascii():
        return column, True
    known = len(head) == column - 1 and MASK not in head
    return column + (sum(char > "\uffff" for char in head) if known else 0), known
