"""What code does with people's data against the declaration: recipients, conditions, sources, consent, rights."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mlguard import tables
from mlguard.artifacts import Artifact
from mlguard.facts import DataFlow, Fact, Symbol
from mlguard.findings import Detection, Location, Proof, Record
from mlguard.scanners.dataset import places

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mlguard.declarations import Declaration

RECIPIENT = "code/undeclared-personal-data-recipient"
BIOMETRIC = "code/undeclared-biometric-use"
SENSITIVE = "code/sensitive-attribute-as-feature"
COLLECTION = "code/undeclared-data-collection"
CONSENT = "code/missing-consent-filter"
RIGHTS = "code/missing-rights-handler"
RAW = "code/raw-data-in-training"

_CATEGORIES = {
    "health data": ("user.health_and_medical", "user.biometric_health"), "a patient's number": ("user.health_and_medical",),
    "who treats a patient": ("user.health_and_medical",), "racial or ethnic origin": ("user.demographic.race",),
    "religious belief": ("user.demographic.religious",), "a philosophical belief": ("user.demographic.philosophical", "user.demographic.religious"),
    "political opinion": ("user.demographic.political",), "sexual orientation": ("user.demographic.sexual_orientation",),
    "gender identity": ("user.demographic.sexual_orientation", "user.demographic.gender"), "biometric data": ("user.biometric",),
    "genetic data": ("user.health_and_medical.genetic", "user.genetic"), "criminal convictions": ("user.criminal_history",),
    "a case before a court": ("user.criminal_history",),
}  # fmt: skip
"""Categories of fideslang by what our checks call a special category; one that is missing here is never answered."""

_RIGHTS = ("access", "rectification", "erasure", "restriction", "portability", "objection")


# ---- What the declaration answers


def answered(records: Sequence[tuple[str, Record]], declaration: Declaration) -> list[tuple[str, Record]]:
    """Return the records without the findings on code whose subject is declared: as recipient, with its condition, or as source."""
    return [
        pair for pair in records if not (isinstance(pair[1], Detection) and _is_answered(pair[1], declaration.body))
    ]


def _is_answered(detection: Detection, body: Mapping[str, Any]) -> bool:
    if detection.rule == RECIPIENT:
        return _is_recipient(str(detection.facts.get("service", "")), str(detection.facts.get("call", "")), body)
    if detection.rule == BIOMETRIC:
        return _has_condition(("user.biometric",), body)
    if detection.rule == SENSITIVE:
        labels = str(detection.facts.get("term", "")).split(" and ")
        return all(label in _CATEGORIES and _has_condition(_CATEGORIES[label], body) for label in labels)
    if detection.rule == COLLECTION:
        return _is_source(detection, body)
    return False


def _is_recipient(service: str, call: str, body: Mapping[str, Any]) -> bool:
    """Say whether the one who gets data is a recipient: by host, package, or a word of name or id."""
    from mlguard.assess.components import is_recipient, packages_of

    entries = [entry for entry in body.get("recipients") or () if isinstance(entry, Mapping)]
    used = {name for activity in body.get("activities") or () for name in activity.get("recipients") or ()}
    entries = [entry for entry in entries if entry.get("id") in used or not used]
    label, host = service.lower(), service.lower() if "." in service else ""
    root = call.partition(".")[0]
    known = [
        one
        for one in tables.table("package-services")["services"]
        if (host and any(host == name or host.endswith(f".{name}") for name in one["hosts"]))
        or (
            not host
            and label
            and label in (str(one["name"]).lower(), str(one["id"]), *(str(word).lower() for word in one["words"]))
        )
        or (root and any(root == name.partition(".")[0] and call.startswith(name) for name in one["modules"]))
    ]
    for entry in entries:
        if any(is_recipient(one, entry) for one in known):
            return True
        hosts = [str(name).lower().removeprefix("*.") for name in entry.get("hosts") or ()]
        if host and any(host == name or host.endswith(f".{name}") for name in hosts):
            return True
        packages = {str(name).lower().replace("_", "-") for name in entry.get("packages") or ()}
        if root and (root.lower().replace("_", "-") in packages or packages & set(packages_of(root))):
            return True
        words = re.findall(r"[a-z0-9]+", f"{entry.get('name', '')} {entry.get('id', '')}".lower())
        if label in words and not host:
            return True
    return False


def _has_condition(prefixes: tuple[str, ...], body: Mapping[str, Any]) -> bool:
    """Say whether an activity states a condition of Article 9(2) for a dataset with a field of such a category."""
    holding = {
        entry["id"]
        for entry in body.get("datasets") or ()
        if any(
            str(category).startswith(prefixes)
            for one in (entry.get("fields") or {}).values()
            for category in one.get("categories") or ()
        )
    }
    return any(
        (activity.get("special_category") or {}).get("condition") and holding & set(activity.get("datasets") or ())
        for activity in body.get("activities") or ()
    )


def _is_source(detection: Detection, body: Mapping[str, Any]) -> bool:
    """Say whether a dataset is declared that is collected from where the code collects it."""
    where = [word for word in re.findall(r"[a-z]+", str(detection.facts.get("where", "")).lower()) if len(word) > 3]
    named = [str(detection.facts.get("call", "")).lower().rpartition(".")[2], *where]
    for entry in body.get("datasets") or ():
        source = entry.get("source") or {}
        if source.get("kind") in ("scraped", "third_party", "public"):
            told = (
                f"{entry.get('id')} {source.get('ref', '')} {' '.join(map(str, entry.get('location') or ()))}".lower()
            )
            if any(name and name in told for name in named):
                return True
    return False


# ---- What the declaration names, and code must have


def wanted(declaration: Declaration) -> list[str]:
    """Return the last parts of the functions that the declaration names: entry points of rights, and filters by consent."""
    named = [entry for _, entry, _ in _entry_points(declaration)]
    named += [str(name) for _, _, name in _filters(declaration) if name]
    return sorted({re.split(r"[.:]", name)[-1] for name in named if name})


def assess(facts: Sequence[Fact], declaration: Declaration | None, artifacts: Sequence[Artifact]) -> Iterator[Record]:
    """Yield the declared functions that the code lacks, and training that goes past them."""
    if declaration is None or not any(artifact.kind in ("python", "notebook") for artifact in artifacts):
        return
    symbols = [fact for fact in facts if isinstance(fact, Symbol)]
    reads = [
        fact for fact in facts if isinstance(fact, DataFlow) and fact.direction == "read" and fact.kind == "dataset"
    ]
    yield from _rights(declaration, symbols)
    yield from _consent(declaration, symbols, reads)
    yield from _raw(declaration, symbols, reads)


def _entry_points(declaration: Declaration) -> Iterator[tuple[str, str, int]]:
    """Yield (right, entry point, line)."""
    rights = declaration.body.get("rights") or {}
    for right in _RIGHTS:
        entry = (rights.get(right) or {}).get("entry_point")
        if entry:
            line = declaration.lines.get(("rights", right, "entry_point")) or declaration.lines.get(
                ("rights", right), 1
            )
            yield right, str(entry), line


def _rights(declaration: Declaration, symbols: Sequence[Symbol]) -> Iterator[Record]:
    for right, entry, line in _entry_points(declaration):
        module, _, name = entry.partition(":")
        place = Location(declaration.path, line)
        given: dict[str, str | int] = {"right": right, "entry": entry}
        last = name.rpartition(".")[2]
        found = [
            one for one in symbols if one.role == "definition" and one.name == name and _is_module(module, one.path)
        ]
        if not found:
            yield Detection(RIGHTS, "missing", place, given, entry, right, right)
        elif not any(one.role != "definition" and one.name == last and places.is_test(one.path) for one in symbols):
            shown = (("defined here", Location(found[0].path, found[0].line)),)
            yield Detection(RIGHTS, "untested", place, given, entry, right, right, shown)
        else:
            yield Proof(RIGHTS, right, found[0].path)


def _is_module(module: str, path: str) -> bool:
    """Say whether a file is the module ``app.dsr``, wherever in the tree its package begins."""
    stem = path.removesuffix(".py").removesuffix("/__init__")
    wanted = module.replace(".", "/")
    return stem == wanted or stem.endswith(f"/{wanted}")


def _filters(declaration: Declaration) -> Iterator[tuple[int, Mapping[str, Any], str]]:
    """Yield (index, activity, filter) of the activities that train on data of people who consented; the filter may be ""."""
    for index, activity in enumerate(declaration.body.get("activities") or ()):
        basis = activity.get("legal_basis") or {}
        if activity.get("phase") == "development" and basis.get("article") == "6(1)(a)":
            yield index, activity, str((basis.get("consent") or {}).get("filter") or "")


def _consent(declaration: Declaration, symbols: Sequence[Symbol], reads: Sequence[DataFlow]) -> Iterator[Record]:
    """Yield the training on data of people who consented that does not leave out those who withdrew."""
    for index, activity, name in _filters(declaration):
        line = declaration.lines.get(("activities", index), 1)
        given: dict[str, str | int] = {"activity": str(activity["id"]), "filter": name}
        patterns = _locations(declaration, activity.get("datasets") or ())
        trains = _training(symbols, [read for read in reads if _matches(read.target, patterns)])
        if not name:
            if trains:
                yield Detection(CONSENT, "undeclared", Location(declaration.path, line), given, str(activity["id"]), str(activity["id"]), str(activity["id"]))  # fmt: skip
            continue
        last = re.split(r"[.:]", name)[-1]
        calls = {one.path for one in symbols if one.name == last and one.role in ("call", "reference")}
        for read, training in trains:
            if read.path not in calls:
                shown = (("trained here", Location(training.path, training.line)), ("declared here", Location(declaration.path, line)))  # fmt: skip
                yield Detection(CONSENT, "not-called", Location(read.path, read.line), given, read.target, str(activity["id"]), str(activity["id"]), shown)  # fmt: skip
            else:
                yield Proof(CONSENT, str(activity["id"]), read.path)


def _training(symbols: Sequence[Symbol], reads: Sequence[DataFlow]) -> list[tuple[DataFlow, Symbol]]:
    """Return the reads of files that train something as well, with where they do: the first read of each file."""
    trained = {one.path: one for one in symbols if one.role == "training" and not places.is_test(one.path)}
    found: dict[str, tuple[DataFlow, Symbol]] = {}
    for read in sorted(reads, key=lambda one: (one.path, one.line)):
        if read.path in trained and read.path not in found:
            found[read.path] = (read, trained[read.path])
    return list(found.values())


def _locations(declaration: Declaration, names: Sequence[str]) -> list[str]:
    return [
        str(location)
        for entry in declaration.body.get("datasets") or ()
        if entry.get("id") in names
        for location in entry.get("location") or ()
    ]


def _matches(target: str, locations: Sequence[str]) -> bool:
    """Say whether what code reads lies at a declared location; code may name it from another folder."""
    from mlguard.assess.governance import matches

    plain = posixpath.normpath(target) if "://" not in target else target
    while plain.startswith("../"):
        plain = plain[3:]
    for location in locations:
        pattern = location.removeprefix("file:").removeprefix("./")
        pattern += "**" if pattern.endswith("/") else ""
        if plain == pattern or matches(pattern, plain) or plain.endswith(f"/{pattern}"):
            return True
    return False


def _raw(declaration: Declaration, symbols: Sequence[Symbol], reads: Sequence[DataFlow]) -> Iterator[Record]:
    """Yield training that reads a dataset from which a pseudonymous or anonymous one is declared to be made."""
    datasets = {entry["id"]: entry for entry in declaration.body.get("datasets") or ()}
    trained_on = {name for model in declaration.body.get("models") or () for name in model.get("trained_on") or ()}
    makers = {str(entry.get("derived_by", "")).partition(":")[0] for entry in datasets.values()}
    for entry in datasets.values():
        if entry.get("class") not in ("pseudonymous", "anonymous"):
            continue
        for name in entry.get("derived_from") or ():
            raw = datasets.get(name)
            if raw is None or raw.get("class") not in ("personal", "special") or name in trained_on:
                continue
            seen = [read for read in reads if _matches(read.target, _locations(declaration, (name,))) and read.path not in makers]  # fmt: skip
            for read, training in _training(symbols, seen):
                given: dict[str, str | int] = {"raw": name, "derived": str(entry["id"])}
                shown = (("trained here", Location(training.path, training.line)),)
                yield Detection(RAW, "raw-read", Location(read.path, read.line), given, read.target, name, name, shown)
