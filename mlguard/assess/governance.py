"""Declared data against observed data."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from mlguard import lazy
from mlguard.artifacts import Artifact
from mlguard.facts import Dataset, Fact, Field
from mlguard.findings import Detection, Location, Proof, Record
from mlguard.scanners.dataset import places
from mlguard.values import dataclass, field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mlguard.declarations import Declaration  # reads YAML, which most runs do not need

ELSEWHERE = frozenset({"notebook", "log", "sql"})
"""Formats whose place alone decides; the scanner has reported them."""

DATA_KINDS = frozenset(
    {"csv", "tsv", "jsonl", "parquet", "arrow", "avro", "orc", "sqlite", "lfs-pointer", "dvc-pointer"}
)
"""Kinds that hold records, whatever they hold."""

PROMPT_FORMATS = frozenset({"text", "markdown", "json", "jsonl", "yaml"})
"""Formats in which prompts are kept. A table among them is a dataset like any other."""

IDENTIFIERS = ("user.contact.email", "user.contact.phone_number", "user.government_id", "user.financial", "user.name")
"""Categories that point to one person directly, so they have no place in data that is said to be de-identified."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One dataset of the declaration. ``line`` is where it begins."""

    id: str
    body: Mapping[str, Any]
    line: int
    path: str
    patterns: tuple[str, ...]
    fields: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    condition: bool = False  # an activity on it states a condition of Article 9(2)


def assess(facts: Sequence[Fact], declaration: Declaration | None, artifacts: Sequence[Artifact]) -> Iterator[Record]:
    """Yield a detection for each category of personal data that a dataset shows beyond its declaration."""
    if declaration is not None:
        yield from _declaration(declaration)
    entries = entries_of(declaration)
    datasets = [fact for fact in facts if isinstance(fact, Dataset)]
    for fact in datasets:
        if fact.format not in ELSEWHERE and not places.is_test(fact.path):
            yield from _dataset(fact, entry_of(fact.path, entries))
    if declaration is not None:
        yield from _unlisted(datasets, artifacts, entries)
        yield from _retention(declaration, entries)


def _declaration(declaration: Declaration) -> Iterator[Record]:
    for problem in declaration.problems:
        yield Detection(
            "gov/invalid-privacy-declaration",
            "problem",
            Location(declaration.path, problem.line),
            {"problem": problem.message},
            anchor=problem.message,
        )
    if not declaration.problems:
        yield Proof("gov/invalid-privacy-declaration", declaration.path, declaration.path)


# --- Which dataset a file belongs to


def entries_of(declaration: Declaration | None) -> list[Entry]:
    if declaration is None:
        return []
    covered = {
        name
        for activity in declaration.body.get("activities") or []
        if (activity.get("special_category") or {}).get("condition")
        for name in activity.get("datasets") or []
    }
    return [
        Entry(
            body["id"],
            body,
            _line_of(declaration, index),
            declaration.path,
            tuple(pattern for location in body["location"] for pattern in _patterns(location)),
            body.get("fields") or {},
            body["id"] in covered,
        )
        for index, body in enumerate(declaration.body.get("datasets") or [])
    ]


def _line_of(declaration: Declaration, index: int) -> int:
    return declaration.lines.get(("datasets", index), 1)


def _local(location: str) -> str:
    return location.replace("\\", "/").removeprefix("file:").removeprefix("./").strip("/") + (
        "/**" if location.endswith("/") else ""
    )


def _patterns(location: str) -> tuple[str, ...]:
    if location.startswith("sqlite:"):  # the file of a database can be scanned as a file, too
        remote = _remote(location)
        return remote, _local(remote.removeprefix("sqlite:"))
    return (_remote(location) if places.is_remote(location) and not location.startswith("file:") else _local(location),)


def _remote(location: str) -> str:
    """Return the location of something in a store as paths of stores are written: no user, no password, the usual port left out."""
    from mlguard.errors import UsageError
    from mlguard.stores import address

    try:
        return address.parse(location).shown
    except UsageError:
        return location


def _names(path: str) -> tuple[str, ...]:
    """Return the names under which a path may be declared: a table with or without its database, and without the schema public."""
    if path.startswith("sqlite:"):
        return path, path.removeprefix("sqlite:")
    if not path.startswith("postgresql://"):
        return (path,)
    host, _, rest = path.removeprefix("postgresql://").partition("/")
    database, _, table = rest.partition("/")
    names = [f"{database}/{table}", table, f"{database}.{table}"]
    if table.startswith("public."):
        plain = table.removeprefix("public.")
        names += [f"{database}/{plain}", f"{database}.{plain}"]
    return tuple(f"postgresql://{host}/{name}" for name in names)


def entry_of(path: str, entries: Sequence[Entry]) -> Entry | None:
    """Return the entry whose most literal location matches, the first of equals."""
    best: tuple[int, Entry] | None = None
    names = _names(path)
    for entry in entries:
        for pattern in entry.patterns:
            if (best is None or _literal(pattern) > best[0]) and any(
                matches(pattern, name) for name in names if places.is_remote(name) == places.is_remote(pattern)
            ):
                best = (_literal(pattern), entry)
    return best[1] if best else None


def _literal(pattern: str) -> int:
    return len(pattern) + 1000 if not re.search(r"[*?\[]", pattern) else len(re.sub(r"[*?\[\]]", "", pattern))


def matches(pattern: str, path: str) -> bool:
    """Say whether a POSIX glob matches a path: ``*`` within a folder, ``**`` over any number of them, a folder all below it."""
    return bool(_glob(pattern).match(path))


@cache
def _glob(pattern: str) -> re.Pattern[str]:
    parts: list[str] = []
    for token in re.findall(r"\*\*/|\*\*|\*|\?|\[!?[^\]/]+\]|.", pattern[:1000], re.S):
        if token == "**/":
            parts.append("(?:[^/]+/)*")
        elif token == "**":
            parts.append(".*")
        elif token == "*":
            parts.append("[^/]*")
        elif token == "?":
            parts.append("[^/]")
        elif token[0] == "[" and len(token) > 2:
            inner = token[1:-1].replace("\\", "\\\\")
            parts.append("[" + ("^" + inner[1:] if inner[0] == "!" else inner.replace("^", "\\^")) + "]")
        else:
            parts.append(re.escape(token))
    try:
        return re.compile("".join(parts) + r"(?:/.*)?\Z", re.S)
    except re.error:
        return re.compile(re.escape(pattern) + r"(?:/.*)?\Z")


# --- One file against its entry


def _dataset(fact: Dataset, entry: Entry | None) -> Iterator[Record]:
    if entry is None and fact.format in PROMPT_FORMATS and places.is_prompt(fact.path):
        yield from _prompt(fact)
        return
    sure = any(field.confidence != "low" and field.strength != "ner" for field in fact.fields)
    told = False
    for field_ in fact.fields:
        for detection in _field(fact, field_, entry, sure):
            told = True
            yield detection
    if entry is not None and fact.fields and not told:
        yield Proof("data/undeclared-personal-data", fact.path, fact.path)


def _prompt(fact: Dataset) -> Iterator[Record]:
    """Yield a detection for each category in a prompt or its examples that no dataset declares."""
    for seen in fact.fields:
        rule = (
            "data/possible-personal-data"
            if _is_hint(seen) or seen.confidence == "low"
            else "data/personal-data-in-prompts"
        )
        yield _detection(rule, fact, seen, None)


def _is_hint(seen: Field) -> bool:
    """Say whether a field is a guess that never makes a breach alone: a language model's, or one or two texts that seem to tell a fact."""
    return seen.strength == "ner" or seen.free_text and seen.strength == "context" and seen.confidence == "low"


def _field(fact: Dataset, seen: Field, entry: Entry | None, sure: bool) -> Iterator[Detection]:
    declared = _declared(seen, entry)
    covered = declared is not None and any(
        _covers(str(category), seen.category) for category in declared.get("categories") or []
    )
    if entry is not None and _claims_too_much(seen, entry, declared):
        claim = str(entry.body["privacy_claim"])
        yield _detection("data/identifier-in-deidentified-data", fact, seen, entry, claim=claim)
    elif seen.gdpr_class == "special" and not _is_hint(seen):
        if not covered:
            yield _detection("data/undeclared-sensitive-data", fact, seen, entry)
        elif entry is not None and not entry.condition:
            yield _detection("data/undeclared-sensitive-data", fact, seen, entry, check="no-condition")
    elif covered or seen.category == "user.childrens" and _declares_children(entry):
        return
    elif seen.category == "user.childrens":
        yield _detection("data/possible-child-data", fact, seen, entry)
    elif seen.gdpr_class == "criminal":
        yield _detection("data/possible-criminal-records", fact, seen, entry)
    elif declared is not None and declared.get("role") == "free_text":
        yield from _text(fact, seen, entry, declared)
    elif _is_hint(seen) or not sure:
        yield _detection("data/possible-personal-data", fact, seen, entry)
    else:
        yield _detection("data/undeclared-personal-data", fact, seen, entry)


_CHILDREN = lazy.pattern(
    r"(?i)child|minor|pupil|infant|toddler|schuler|schüler|kind(?:er)?$|enfant|eleve|élève|nino|niño|alumno|bambin|alunn|crianc|dziec|uczen|leerling"
)


def _declares_children(entry: Entry | None) -> bool:
    """Say whether children are among the declared subjects of the dataset."""
    return entry is not None and any(
        _CHILDREN.search(str(subject)) for subject in entry.body.get("data_subjects") or []
    )


def _declared(seen: Field, entry: Entry | None) -> Mapping[str, Any] | None:
    """Return the declared field of the column: by its name, or by its name without case, spaces and separators."""
    if entry is None:
        return None
    if seen.name in entry.fields:
        return entry.fields[seen.name]
    from mlguard.scanners.dataset import terms  # as heavy as a scanner, and most runs see no personal data

    wanted = "".join(terms.tokens(seen.name))
    for name, declared in entry.fields.items():
        if wanted and "".join(terms.tokens(name)) == wanted:
            return declared
    return None


def _covers(declared: str, seen: str) -> bool:
    """Say whether a declared category covers the seen one: it is the same, a parent, or tells more exactly what was seen."""
    return seen == declared or seen.startswith(declared + ".") or declared.startswith(seen + ".")


def _claims_too_much(seen: Field, entry: Entry, declared: Mapping[str, Any] | None) -> bool:
    if entry.body.get("privacy_claim") not in ("pseudonymised", "anonymous", "synthetic"):
        return False
    sure = seen.strength in ("checksum", "pattern") or seen.strength == "context" and seen.confidence == "high"
    tolerated = declared is not None and declared.get("role") == "free_text" and _rate(seen) <= _tolerance(declared)
    return sure and seen.category.startswith(IDENTIFIERS) and not tolerated


def _rate(seen: Field) -> float:
    return 1000 * seen.cells / seen.of if seen.of else 0.0


def _tolerance(declared: Mapping[str, Any]) -> float:
    value = declared.get("tolerance_per_1000", 0)
    return float(value) if isinstance(value, (int, float)) else 0.0


def _text(fact: Dataset, seen: Field, entry: Entry | None, declared: Mapping[str, Any]) -> Iterator[Detection]:
    if seen.strength != "ner" and _rate(seen) > _tolerance(declared):
        rate = f"{_rate(seen):.1f}".removesuffix(".0")
        tolerance = f"{_tolerance(declared):g}"
        yield _detection("data/personal-data-in-text", fact, seen, entry, rate=rate, tolerance=tolerance)


def _detection(
    rule: str, fact: Dataset, seen: Field, entry: Entry | None, check: str = "column", **more: str
) -> Detection:
    from mlguard.scanners.dataset import report

    detection = report.detection(rule, fact.path, seen, check)
    dataset = f"the dataset {entry.id}" if entry else "no dataset"
    declared = f"{dataset} does not declare it" if entry else "no dataset declares it"
    related = ((f"declared as {entry.id}", Location(entry.path, entry.line)),) if entry else ()
    return Detection(
        detection.rule, check, detection.location, {**detection.facts, "dataset": dataset, "declared": declared, **more}, detection.scope,
        detection.anchor, related=related if entry else (), excerpt=detection.excerpt,
    )  # fmt: skip


# --- The inventory

_DATA_FOLDER = lazy.pattern(r"(?i)(?:^|/)(?:data|datasets?|raw|interim|processed|exports?|dumps?|corpus|corpora)/")


def _unlisted(
    datasets: Sequence[Dataset], artifacts: Sequence[Artifact], entries: Sequence[Entry]
) -> Iterator[Detection]:
    personal = {fact.path for fact in datasets if fact.fields and fact.format not in ELSEWHERE}
    records = {fact.path for fact in datasets if fact.format not in ELSEWHERE | {"text", "markdown"}}
    for artifact in artifacts:
        path = artifact.path.removesuffix(".dvc") if artifact.kind == "dvc-pointer" else artifact.path
        if artifact.kind == "store" or places.is_test(path) or entry_of(path, entries):
            continue
        holds = artifact.path in personal
        if holds or _DATA_FOLDER.search(path) and (artifact.kind in DATA_KINDS or artifact.path in records):
            check = "personal" if holds else "data-folder"
            yield Detection(
                "data/unlisted-dataset", check, Location(artifact.path), {"file": artifact.path}, excerpt=("",)
            )
    for path in sorted(filter(places.is_remote, personal)):
        if not entry_of(path, entries):
            yield Detection("data/unlisted-dataset", "personal", Location(path), {"file": path}, excerpt=("",))


def _retention(declaration: Declaration, entries: Sequence[Entry]) -> Iterator[Detection]:
    for entry in entries:
        rule = entry.body.get("retention") or {}
        if entry.body.get("class") in ("pseudonymous", "personal", "special") and not (
            rule.get("period") and rule.get("action")
        ):
            yield Detection(
                "data/missing-retention-rule",
                "dataset",
                Location(declaration.path, entry.line),
                {"dataset": entry.id},
                scope=entry.id,
                subject=entry.id,
            )
