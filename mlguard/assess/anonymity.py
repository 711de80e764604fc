"""What datasets claim about persons that cannot be told apart, against what was counted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mlguard.artifacts import Artifact
from mlguard.assess.governance import Entry, entries_of, entry_of
from mlguard.facts import Anonymity, Dataset, Fact, Overlap, Pseudonym
from mlguard.findings import Detection, Gap, Location, Proof, Record
from mlguard.scanners.dataset import places

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mlguard.declarations import Declaration

SINGLED, IDENTIFIED, SPLITS = (
    "data/singling-out-risk",
    "data/identifier-in-deidentified-data",
    "data/same-person-across-splits",
)

LEAST_ROWS = 20
"""Rows from which a limit that nobody declared is applied."""

PSEUDONYMOUS_SHARE = 0.2
"""Share of rows with a combination of their own from which data that is claimed to be pseudonymised is to be looked at."""

LEAST_SHARED = 3
"""Whole rows that two splits must share; of keys that name a person one is enough."""

_LIMITS = ("k_min", "l_min", "t_max", "max_unique_share")


def wanted(declaration: Declaration, artifacts: Sequence[Artifact]) -> dict[str, dict[str, Any]]:
    """Return, by path, what the scanner of datasets must know: fields by role, the claim, ``k_min``. Paths without any are left out."""
    entries = entries_of(declaration)
    found = {}
    for artifact in artifacts:
        entry = entry_of(artifact.path, entries)
        if entry is not None and (told := _told(entry)):
            found[artifact.path] = told
    return found


def _told(entry: Entry) -> dict[str, Any]:
    roles: dict[str, list[str]] = {"quasi": [], "sensitive": [], "identifiers": []}
    names = {
        "quasi_identifier": "quasi",
        "sensitive": "sensitive",
        "direct_identifier": "identifiers",
        "pseudonym": "identifiers",
    }
    for name, body in entry.fields.items():
        if body.get("role") in names:
            roles[names[str(body["role"])]].append(name)
    told: dict[str, Any] = {role: listed for role, listed in roles.items() if listed}
    if entry.body.get("privacy_claim"):
        told["claim"] = str(entry.body["privacy_claim"])
    if entry.body.get("k_min"):
        told["k_min"] = entry.body["k_min"]
    return told


def assess(facts: Sequence[Fact], declaration: Declaration | None) -> Iterator[Record]:
    """Yield where rows single out persons beyond a limit, where pseudonyms can be undone, and which splits share persons."""
    entries = entries_of(declaration)
    personal = {fact.path for fact in facts if isinstance(fact, Dataset) and fact.fields}
    for fact in facts:
        if isinstance(fact, Anonymity) and not places.is_test(fact.path):
            yield from _anonymity(fact, entry_of(fact.path, entries))
        elif isinstance(fact, Pseudonym) and not places.is_test(fact.path):
            yield from _pseudonym(fact, entry_of(fact.path, entries), personal)
        elif isinstance(fact, Overlap):
            yield from _overlap(fact)
    yield from _uncounted(facts, entries)


# --- Singling out


def _anonymity(fact: Anonymity, entry: Entry | None) -> Iterator[Record]:
    limits: Mapping[str, Any] = (
        {name: entry.body[name] for name in _LIMITS if entry.body.get(name) is not None} if entry else {}
    )
    found = list(_over(fact, limits)) if limits else list(_by_claim(fact))
    for check, told in found:
        yield _detection(fact, entry, check, told)
    if limits and not found and fact.declared and fact.share == 1 and not fact.sampled:
        yield Proof(SINGLED, fact.path, fact.path)


def _over(fact: Anonymity, limits: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, str | int]]]:
    """Yield (check, facts) for each declared limit that the table does not keep."""
    k_min, l_min, t_max, most = (limits.get(name) for name in _LIMITS)
    if k_min and fact.k < k_min:
        yield "k", {"limit": k_min, "below": f"{fact.below:,}", "share": _percent(fact.below, fact.rows)}
    if most is not None and fact.unique > most * fact.rows:
        yield "unique", {"limit": f"the declared {100 * most:g} %", "share": _percent(fact.unique, fact.rows)}
    for part in fact.diversity:
        if l_min and 0 < part.distinct < l_min:
            yield "l", {"column": part.column, "l": part.distinct, "limit": l_min, "alone": f"{part.alone:,}"}
        if t_max is not None and part.t is not None and part.t > t_max:
            yield "t", {"column": part.column, "t": f"{part.t:.3f}", "limit": f"{t_max:g}"}


def _by_claim(fact: Anonymity) -> Iterator[tuple[str, dict[str, str | int]]]:
    """Yield what speaks against a claim for which no limit is declared."""
    if fact.rows < LEAST_ROWS or not fact.unique:
        return
    share = _percent(fact.unique, fact.rows)
    if fact.claim == "anonymous":
        yield "unique", {"limit": "none, because it is said to be anonymous", "share": share}
    elif fact.claim == "pseudonymised" and fact.unique > PSEUDONYMOUS_SHARE * fact.rows:
        limit = f"the {100 * PSEUDONYMOUS_SHARE:g} % up to which pseudonymised data is left alone"
        yield "unique", {"limit": limit, "share": share}


def _detection(fact: Anonymity, entry: Entry | None, check: str, more: Mapping[str, str | int]) -> Detection:
    told: dict[str, str | int] = {
        "columns": ", ".join(fact.columns), "how": "the declared" if fact.declared else "the most telling", "k": fact.k,
        "rows": f"{fact.rows:,}", "unique": f"{fact.unique:,}", "counted": _counted(fact), **more,
    }  # fmt: skip
    scope = str(more.get("column", "")) or ",".join(fact.columns)
    related = ((f"declared as {entry.id}", Location(entry.path, entry.line)),) if entry else ()
    location = Location(fact.path, within=fact.within)
    return Detection(SINGLED, check, location, told, scope, check, fact.path, related=related, excerpt=("",))


def _counted(fact: Anonymity) -> str:
    if fact.sampled:
        return f"in a sample of {fact.sampled:,} rows"
    if fact.share < 1:
        return f"estimated from 1 in {round(1 / fact.share):,} combinations"
    return "counted over all rows"


def _percent(part: int, whole: int) -> str:
    share = 100 * part / max(whole, 1)
    return f"{share:.1f} %" if share >= 0.1 or not part else "less than 0.1 %"


def _uncounted(facts: Sequence[Fact], entries: Sequence[Entry]) -> Iterator[Gap]:
    """Yield a gap for each dataset with a declared limit of which no table could be counted."""
    counted = {entry.id for fact in facts if isinstance(fact, Anonymity) and (entry := entry_of(fact.path, entries))}
    told: set[str] = set()
    for fact in facts:
        if not isinstance(fact, Dataset) or not fact.rows or (entry := entry_of(fact.path, entries)) is None:
            continue
        if entry.id in counted | told or not any(entry.body.get(name) is not None for name in _LIMITS):
            continue
        told.add(entry.id)
        yield Gap(
            "dataset", fact.path, "unresolved", f"the limits of the dataset {entry.id} were not tested: no quasi-identifier was found in it",
            "give the columns that others may know of a person the role quasi_identifier in privacy.yaml",
        )  # fmt: skip


# --- Pseudonyms


def _pseudonym(fact: Pseudonym, entry: Entry | None, personal: set[str]) -> Iterator[Detection]:
    """Yield a pseudonym that can be undone, where a claim rests on it or where it hides what stands nowhere else in the table."""
    claim = str((entry.body.get("privacy_claim") if entry else "") or fact.claim)
    claims = claim in ("pseudonymised", "anonymous", "synthetic")
    ordered = fact.method.startswith("numbered")
    if not claims and (fact.same_table or ordered or fact.path not in personal and fact.source.startswith("numbers")):
        return
    told: dict[str, str | int] = {
        "column": fact.column, "method": fact.method, "source": fact.source, "found": f"{fact.found:,}", "of": f"{fact.of:,}",
        "dataset": f"the dataset {entry.id}" if entry else "the file", "claim": claim or "nothing",
    }  # fmt: skip
    rule, check = (IDENTIFIED, "reversible") if claims and entry else (SINGLED, "pseudonym")
    related = ((f"declared as {entry.id}", Location(entry.path, entry.line)),) if entry else ()
    location = Location(fact.path, fact.line, within=fact.column)
    yield Detection(rule, check, location, told, fact.column, fact.method, fact.path, related=related, excerpt=("",))


# --- Splits


def _overlap(fact: Overlap) -> Iterator[Record]:
    if places.is_test(fact.path) and places.is_test(fact.other) and places.is_test(fact.path.rpartition("/")[0] + "/"):
        return
    told: dict[str, str | int] = {
        "split": fact.split, "other": fact.other_split, "file": fact.other, "columns": ", ".join(fact.columns), "shared": f"{fact.shared:,}",
        "keys": f"{fact.keys:,}", "rows": f"{fact.rows:,}", "of": f"{fact.of:,}",
        "counted": "" if fact.share == 1 else f" (estimated from 1 in {round(1 / fact.share):,})",
    }  # fmt: skip
    related = ((f"the {fact.other_split} split", Location(fact.other)),)
    if fact.columns and fact.shared:
        yield Detection(
            SPLITS, "person", Location(fact.path, within=fact.columns[0]), told, fact.columns[0], f"{fact.other_split}:{','.join(fact.columns)}",
            fact.path, related=related, excerpt=("",),
        )  # fmt: skip
    elif not fact.columns and fact.rows >= LEAST_SHARED and fact.rows > 3 * fact.repeated + fact.of / 200:
        yield Detection(
            SPLITS,
            "rows",
            Location(fact.path),
            told,
            "",
            f"{fact.other_split}:rows",
            fact.path,
            related=related,
            excerpt=("",),
        )
    elif fact.share == 1 and fact.columns:
        yield Proof(SPLITS, fact.path, fact.path)
