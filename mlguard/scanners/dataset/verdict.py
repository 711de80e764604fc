"""Decides what a column holds, from check digits, patterns, its name, its words and the columns beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from typing import Any, Literal, cast

from mlguard import tables
from mlguard.facts import Field
from mlguard.scanners.dataset import confirm, shapes, terms
from mlguard.scanners.dataset.columns import Profile, Tally

Strength = Literal["checksum", "pattern", "context", "ner"]
Confidence = Literal["high", "medium", "low"]

_TERM_ENTITIES = {
    "national-id": None, "card": {"CREDIT_CARD"}, "iban": {"IBAN_CODE"}, "phone": {"PHONE_NUMBER"}, "email": {"EMAIL_ADDRESS"},
    "ip": {"IP_ADDRESS"}, "device": {"MAC_ADDRESS"}, "medical-record": {"UK_NHS"},
    "insurance": {"DE_HEALTH_INSURANCE", "UK_NHS"}, "passport": set(), "driving-licence": set(), "vehicle": set(),
}  # fmt: skip
"""Entities that a term stands for; None: any national identity number."""


@cache
def taxonomy() -> dict[str, Any]:
    """Return category, term and class by entity."""
    return cast(dict[str, Any], tables.table("pii-taxonomy")["entities"])


def judge(profiles: Sequence[Profile]) -> list[Field]:
    """Return the fields with personal data of one table, in the order of its columns."""
    found = [(profile, list(_column(profile))) for profile in profiles if profile.cells]
    company = any(_direct(field) for _, fields in found for field in fields) or any(
        terms.hints_at_person(profile.label) for profile, _ in found
    )
    kept: list[Field] = []
    for profile, fields in found:
        if not fields and profile.term is not None and profile.term.weak:
            fields = list(_weak_name(profile, company)) or list(_beside_first_name(profile, found))
        kept += fields
    kept += _birth_dates_without_header(found)
    kept = _alone(_about_persons(kept, profiles, company), company)
    return [field for field in kept if field.name != "(footer)" or _only_there(field, kept)]


_PLACES = ("user.location.precise", "user.contact.address.city", "user.contact.address.postal_code")

_MOVES = frozenset(
    ["time", "timestamp", "datetime", "ts", "trip", "trajectory", "track", "device", "vehicle", "driver", "uid", "imei", "home"]
)  # fmt: skip
"""Words of columns that make a position one of somebody's."""


def _about_persons(fields: list[Field], profiles: Sequence[Profile], company: bool) -> list[Field]:
    """Return no places when a table holds nothing but places: towns, stations, weather."""
    if company or not fields or any(field.category not in _PLACES or field.strength != "context" for field in fields):
        return fields
    moves = any(_MOVES & set(terms.tokens(profile.label)) for profile in profiles)
    return [field for field in fields if moves and field.category == "user.location.precise"]


def _beside_first_name(profile: Profile, found: Sequence[tuple[Profile, list[Field]]]) -> Iterator[Field]:
    """Yield last names for a column called "name" that stands beside one of first names."""
    first = any(field.category == "user.name.first" for _, fields in found for field in fields)
    distinct = profile.sample.values()
    fitting = sum(map(terms.FITS["given"], distinct))
    if first and len(distinct) > 1 and fitting * 10 >= 8 * len(distinct):
        cells = round(profile.cells * fitting / len(distinct))
        yield _context_field(profile, "user.name.last", "Name", "personal", "medium", cells, "name:name")


_DATE = re.compile(r"^(?:(\d{4})[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.](\d{4}))$")


def _birth_dates_without_header(found: Sequence[tuple[Profile, list[Field]]]) -> list[Field]:
    """Return the columns of birth dates in a table without a header that also names persons: dates spread over lives."""
    if any(profile.label or profile.text for profile, _ in found) or not any(
        _direct(field) for _, fields in found for field in fields
    ):
        return []
    return [
        _context_field(profile, "user.demographic.date_of_birth", "BirthDate", "personal", "medium", profile.cells, "values:birth-date")
        for profile, fields in found
        if not fields and _spread_over_lives(profile.sample.values())
    ]  # fmt: skip


def _spread_over_lives(values: Sequence[str]) -> bool:
    years = [int(match[1] or match[2]) for value in values if (match := _DATE.match(value))]
    return (
        len(years) > 4
        and len(years) * 10 >= 9 * len(values)
        and min(years) >= 1900
        and max(years) <= 2016
        and min(years) < 1990
        and max(years) - min(years) >= 15
    )


def _alone(fields: list[Field], company: bool) -> list[Field]:
    """Lower the confidence of a sex that stands alone: animals have one too."""
    beside = {
        field.category
        for field in fields
        if field.category.startswith("user.demographic") or field.category in _PERSONAL
    }
    if company or len(beside) > 1:
        return fields
    return [
        replace(field, confidence="low") if field.category == "user.demographic.gender" else field for field in fields
    ]


_PERSONAL = ("user.workplace", "user.job_title", "user.health_and_medical", "user.contact.address.street")


def _only_there(field: Field, fields: Sequence[Field]) -> bool:
    """Say whether no column has the category: statistics repeat what the rows hold, unless the column was dropped."""
    return not any(other.category == field.category and other.name != field.name for other in fields)


def _direct(field: Field) -> bool:
    return field.category.startswith(_DIRECT)


_DIRECT = (
    "user.name",
    "user.contact.email",
    "user.contact.phone",
    "user.government_id",
    "user.demographic.date_of_birth",
)


def _column(profile: Profile) -> Iterator[Field]:
    accepted = [
        field for field in (_entity(profile, entity) for entity in sorted(profile.tallies)) if field is not None
    ]
    yield from _best(accepted, profile)
    covered = {field.category for field in accepted}
    if any(field.cells * 2 >= profile.cells for field in accepted) and not profile.free_text:
        return
    term = _term(profile)
    if term is not None and not any(_covers(category, term.category) for category in covered):
        yield term
    elif term is None and (words := _dictionary(profile)) is not None:
        yield words
    elif term is None and not accepted and (name := _names_without_header(profile)) is not None:
        yield name


def _covers(one: str, other: str) -> bool:
    return one == other or one.startswith(other + ".") or other.startswith(one + ".")


def _best(fields: list[Field], profile: Profile) -> Iterator[Field]:
    """Yield the fields; of several numbers that claim the same cells only the strongest, by count and then by name."""
    numbers = [field for field in fields if field.category.startswith(_NUMBERS)]
    others = [field for field in fields if field not in numbers]
    if numbers and not profile.free_text:
        top = max(numbers, key=lambda field: (field.strength == "checksum", field.cells, field.confidence == "high"))
        yield top
        others = [field for field in others if "PHONE" not in field.detectors[0] or field.cells > top.cells]
    else:
        yield from numbers
    yield from others


_NUMBERS = ("user.government_id", "user.financial", "user.health_and_medical")


def _entity(profile: Profile, entity: str) -> Field | None:
    tally = profile.tallies[entity]
    if not tally.valid:
        return None
    decide = {"EMAIL_ADDRESS": _email, "PHONE_NUMBER": _phone, "IP_ADDRESS": _network, "MAC_ADDRESS": _network}.get(
        entity, _number
    )
    seen = decide(profile, entity, tally)
    if seen is None:
        return None
    strength, confidence, cells = seen
    kind = taxonomy()[entity]
    detectors = [f"{'checksum' if strength == 'checksum' else 'pattern'}:{entity}"]
    if entity in confirm.entities() and confirm.confirmed(entity, tally.cells.values(), _context(profile)):
        detectors.append(f"presidio:{entity}")
    if _named(profile, entity):
        detectors.append("name")
    return Field(
        profile.name, kind["category"], kind["dpv"], kind["class"], confidence, strength, cells, profile.cells,
        tuple(detectors), profile.line, profile.column, free_text=profile.free_text,
    )  # fmt: skip


def _context(profile: Profile) -> list[str]:
    return [word for word in terms.tokens(profile.label) if not word.isdigit()]


def _named(profile: Profile, entity: str) -> bool:
    """Say whether the column's name stands for the entity."""
    term = profile.term
    if term is None or term.id not in _TERM_ENTITIES:
        return False
    wanted = _TERM_ENTITIES[term.id]
    if wanted is None:
        return entity not in ("EMAIL_ADDRESS", "PHONE_NUMBER", "IP_ADDRESS", "MAC_ADDRESS", "CREDIT_CARD", "IBAN_CODE")
    return entity in wanted


def _email(profile: Profile, entity: str, tally: Tally) -> tuple[Strength, Confidence, int]:
    return (
        "pattern",
        "high" if tally.whole * 2 >= profile.cells or len(tally.distinct.values()) > 2 else "medium",
        tally.valid,
    )


def _network(profile: Profile, entity: str, tally: Tally) -> tuple[Strength, Confidence, int] | None:
    """Addresses count by the column: versions and section numbers are written alike."""
    distinct = len(tally.distinct.values())
    if terms.denied(profile.label) and not _named(profile, entity):
        return None
    if entity == "MAC_ADDRESS":
        return ("pattern", "medium", tally.valid) if _named(profile, entity) or tally.whole or distinct > 1 else None
    if _named(profile, entity):
        return "pattern", "high", tally.valid
    octets = [value.split(".") for value in tally.distinct.values() if "." in value]
    low = sum(all(int(part) < 30 for part in parts) for parts in octets)
    if distinct < 3 or low * 2 > len(octets) > 0:
        return None
    return "pattern", "medium", tally.valid


def _phone(profile: Profile, entity: str, tally: Tally) -> tuple[Strength, Confidence, int] | None:
    named = _named(profile, entity)
    cells = [cell for cell in tally.cells.values() if any(h.entity == entity and h.valid for h in shapes.find(cell))]
    agreed = confirm.confirmed(entity, cells, _context(profile)) / max(len(cells), 1)
    if named and not profile.free_text:
        fitting = tally.valid * 2 >= profile.cells and (agreed >= 0.2 or tally.grouped * 2 >= tally.valid)
        return ("pattern", "high", tally.valid) if fitting else None
    if agreed < 0.5 or terms.denied(profile.label) or _says_otherwise(profile):
        return None
    if tally.near and (profile.free_text or tally.near * 2 >= tally.valid):
        return "pattern", "high" if len(cells) > 2 else "medium", max(tally.near, tally.grouped if agreed > 0.8 else 0)
    if tally.grouped * 10 >= 8 * profile.cells and tally.whole * 10 >= 8 * profile.cells and len(cells) > 2:
        return "pattern", "medium", tally.grouped
    if profile.free_text and len(cells) > 2 and tally.grouped:
        return "pattern", "medium", tally.grouped
    if _trunk(tally) and tally.whole * 10 >= 9 * profile.cells and len(cells) > 4:
        return "pattern", "medium", tally.whole
    return None


def _says_otherwise(profile: Profile) -> bool:
    """Say whether the column's name stands for something else; "contact" may be a person or a number."""
    return profile.term is not None and not profile.term.weak and not profile.free_text


def _trunk(tally: Tally) -> bool:
    """Say whether bare numbers begin with the trunk prefix 0 and are no zero-padded identifiers."""
    values = tally.samples.values()
    return (
        bool(values)
        and all(v[:1] == "0" and v[1:2] not in ("", "0") and 9 <= len(v) <= 12 for v in values)
        and len(values) > 4
    )


def _number(profile: Profile, entity: str, tally: Tally) -> tuple[Strength, Confidence, int] | None:
    shape = shapes.BY_ENTITY[entity]
    named = _named(profile, entity)
    rate = tally.valid / tally.shaped
    distinct = len(tally.distinct.values())
    if entity in shapes.UNCHECKED:
        return _unchecked(profile, entity, tally, named)
    if terms.denied(profile.label) and not named and not shape.lettered:
        return None
    gap = rate - null_rate(shape, tally.samples.values())
    valid = rate > 0.8 and (gap > 0.5 or shape.lettered and rate > 0.95 and shape.chance < 0.01)
    if valid and (named or tally.near or shape.chance**distinct < 1e-3 or tally.grouped and shape.chance < 0.05):
        return "checksum", "high" if named or distinct > 3 or tally.near else "medium", tally.valid
    if named and rate > 0.5 and gap > 0.2:
        return "checksum", "high", tally.valid
    if tally.near and (profile.free_text or named or rate > 0.3):
        return "checksum", "high", tally.near
    if distinct <= 3 and rate > 0.8 and shape.chance**distinct < 2e-3:
        return "checksum", "medium", tally.valid
    return None


def _unchecked(profile: Profile, entity: str, tally: Tally, named: bool) -> tuple[Strength, Confidence, int] | None:
    written = tally.grouped
    if named and tally.valid * 10 >= 8 * profile.cells and not profile.free_text:
        return "pattern", "high", tally.valid
    if entity == "DK_CPR" or not written or terms.denied(profile.label):
        return ("pattern", "high", tally.near) if tally.near else None
    if tally.near:
        return "pattern", "high", max(tally.near, written if entity == "US_SSN" else 0)
    if (
        written * 10 >= 9 * tally.shaped
        and (profile.free_text or written * 2 >= profile.cells)
        and profile.term is None
    ):
        return "pattern", "medium", written
    return None


def null_rate(shape: shapes.Shape, values: Sequence[str]) -> float:
    """Return the share that passes the check when each position is permuted among the values of equal length.

    Every position keeps its characters, so whatever a fixed prefix or a narrow range explains stays; check digits do not.
    """
    by_size: dict[int, list[str]] = {}
    for value in values:
        by_size.setdefault(len(value), []).append(value)
    passed = total = 0
    for size, group in sorted(by_size.items()):
        if len(group) < 5:
            continue
        columns = [[value[place] for value in group] for place in range(size)]
        for turn in (1, 2, 3):
            shifted = [
                column[(place * 7 + turn * 3 + 1) % len(group) :] + column[: (place * 7 + turn * 3 + 1) % len(group)]
                for place, column in enumerate(columns)
            ]
            mixed = ["".join(parts) for parts in zip(*shifted, strict=True)]
            passed += sum(shapes.well_formed(shape, value) for value in mixed)
            total += len(mixed)
    return passed / total if total else shape.chance


def _term(profile: Profile) -> Field | None:
    term = profile.term
    if term is None or term.weak or profile.text or not profile.term_cells:
        return None
    share = profile.term_cells / profile.cells
    distinct = profile.sample.values()
    if share < 0.6 or not _plausible(term, profile, distinct):
        return None
    confidence: Confidence = (
        "low"
        if term.id == "ip" and _only_private(profile)
        else "high"
        if share > 0.9 and term.group in ("direct", "person")
        else "medium"
        if term.group != "quasi"
        else "low"
    )
    return _context_field(
        profile, term.category, term.dpv, term.gdpr_class, confidence, profile.term_cells, f"name:{term.id}"
    )


def _only_private(profile: Profile) -> bool:
    """Say whether no address can be reached from outside, as those of machines in one network."""
    tally = profile.tallies.get("IP_ADDRESS")
    return tally is not None and tally.shaped > 0 and not tally.valid


def _context_field(
    profile: Profile, category: str, dpv: str, kind: str, confidence: Confidence, cells: int, *detectors: str
) -> Field:
    return Field(
        profile.name, category, dpv, cast(Any, kind), confidence, "context", cells, profile.cells, detectors,
        profile.line, profile.column, free_text=profile.free_text,
    )  # fmt: skip


def _numbers(values: Sequence[str]) -> list[float]:
    numbers = []
    for value in values:
        try:
            numbers.append(float(value))
        except ValueError:
            continue
    return numbers


def _plausible(term: terms.Term, profile: Profile, distinct: Sequence[str]) -> bool:
    """Say whether the values as a whole can be what the name says; single values were tested already."""
    few = len(distinct) < 2 and profile.cells > 3
    if term.id in ("latitude", "longitude"):
        return sum("." in value for value in distinct) * 2 > len(distinct) and (
            len(distinct) > 20 or len(distinct) == profile.cells
        )
    if term.id == "age":
        numbers = _numbers(distinct)
        return (
            not few
            and (not numbers or max(numbers) > 12)
            and sum("." in v and not v.endswith(".0") for v in distinct) * 4 < max(len(distinct), 1)
        )
    if term.id == "gender":
        return len(distinct) <= 12
    if term.id in ("first-name", "last-name", "full-name"):
        if few and not (term.id == "full-name" and any(terms.has_given_name(value) for value in distinct)):
            return False  # a constant, unless it is the name of the one person it is all about
        if terms.tokens(profile.label.rsplit(".", 1)[-1]) in (["first"], ["last"]):
            given = sum(terms.has_given_name(value) for value in distinct)
            return given * 10 >= 3 * len(distinct) or term.id == "last-name" and all(v[:1].isupper() for v in distinct)
        return term.id != "full-name" or sum(terms.is_person(value) for value in distinct) * 2 >= len(distinct)
    if term.id in _WORDED and not any(value.replace(".", "").isdigit() for value in distinct):
        known = next(entry[-1] for entry in _sets() if entry[0] == _WORDED[term.id])
        return (
            any(terms.folded(value).strip(" .") in known for value in distinct) or len(terms.tokens(profile.label)) > 1
        )
    if term.id in (
        "health",
        "blood-group",
        "religion",
        "ethnicity",
        "orientation",
        "politics",
        "union",
        "criminal",
        "genetic",
        "biometric",
    ):
        return True
    return not few


_WORDED = {"ethnicity": "ethnicity", "blood-group": "blood-group"}
"""Terms whose name has other meanings (a race is also run), so that a word must be known."""


def _weak_name(profile: Profile, company: bool) -> Iterator[Field]:
    """Yield a field for a column called "name" when its values are names of persons."""
    distinct = profile.sample.values()
    persons = sum(terms.is_person(value.title() if value.islower() else value) for value in distinct) / len(distinct)
    given = sum(terms.has_given_name(value) for value in distinct) / len(distinct)
    single = profile.term_cells / profile.cells
    sure = persons > 0.6 and given > 0.15 or single > 0.6 and given > 0.5 or persons > 0.6 and company and given > 0.03
    if len(distinct) > 1 and sure and profile.term is not None:
        cells = max(profile.term_cells, profile.person_cells)
        yield _context_field(
            profile,
            "user.name",
            "Name",
            "personal",
            "high" if given > 0.3 else "medium",
            cells,
            "name:name",
            "values:given-name",
        )


def _names_without_header(profile: Profile) -> Field | None:
    """Return a field when the values alone are names of persons: most are written so, and many begin with a given name."""
    distinct = profile.sample.values()
    if profile.free_text or len(distinct) < 3 or profile.term is not None or terms.denied(profile.label):
        return None
    persons = [value for value in distinct if terms.is_person(value)]
    given = sum(
        terms.folded(re.split(r"[ ,]", value)[0]) in terms.given_names()
        or ", " in value
        and terms.has_given_name(value)
        for value in persons
    )
    if len(persons) * 10 >= 8 * len(distinct) and given * 2 >= len(distinct):
        return _context_field(
            profile, "user.name", "Name", "personal", "medium", profile.person_cells, "values:given-name"
        )
    return None


@cache
def _sets() -> list[tuple[str, str, str, str, frozenset[str]]]:
    return [
        (
            entry["id"],
            entry["category"],
            entry["dpv"],
            entry.get("class", "special"),
            frozenset(terms.folded(value) for value in entry["values"]),
        )
        for entry in tables.table("value-terms")["sets"]
    ]


@cache
def _common() -> frozenset[str]:
    return frozenset(tables.table("value-terms")["common"])


_ICD = re.compile(r"^[A-TV-Z]\d[0-9AB](?:\.[0-9A-KXZ]{1,4})?$")
_GENE = re.compile(r"^rs\d{3,10}$")


def _dictionary(profile: Profile) -> Field | None:
    """Return a field for a column whose values are words or codes of a special category."""
    distinct = profile.sample.values()
    if profile.text or len(distinct) < 2:
        return None
    for code, pattern, category, dpv in (
        ("icd-10", _ICD, "user.health_and_medical", "Health"),
        ("rsid", _GENE, "user.health_and_medical.genetic", "Genetic"),
    ):
        matching = sum(bool(pattern.match(value)) for value in distinct)
        if matching * 10 >= 8 * len(distinct) and (
            code != "icd-10" or sum("." in value for value in distinct) * 3 >= len(distinct)
        ):
            cells = (
                round(profile.cells * 1.0)
                if profile.few is None
                else sum(n for v, n in profile.few.items() if pattern.match(v))
            )
            return _context_field(profile, category, dpv, "special", "medium", cells, f"codes:{code}")
    if profile.few is None or len(profile.few) > 40:
        return None
    words = {value: terms.folded(value).strip(" .") for value in profile.few}
    for name, category, dpv, kind, known in _sets():
        members = {value for value, word in words.items() if word in known}
        proving = len(words) - sum(word in _common() for word in words.values())
        if (
            len({words[value] for value in members}) >= 2
            and len(members) >= 0.8 * proving
            and not _misread(name, words.values())
        ):
            return _context_field(
                profile,
                category,
                dpv,
                kind,
                "medium",
                sum(profile.few[value] for value in members),
                f"values:{name}",
            )
    return None


def _misread(name: str, words: Any) -> bool:
    """Say whether the words are those of something else: colours, grades, moods."""
    words = set(words)
    if name == "ethnicity":
        return bool(words & {"red", "green", "blue", "yellow", "silver", "brown"}) or words <= {"black", "white"}
    if name == "orientation":
        return words <= {"straight", "gay"} and "gay" not in words
    if name == "blood-group":
        return not any(word.startswith(("ab", "o", "0")) for word in words) or bool(
            words & {"c", "c+", "c-", "d", "d+", "d-"}
        )
    return False


def names_in_text(profiles: Sequence[Profile]) -> list[Field]:
    """Return a field for each column of prose in which a language model sees two persons or more."""
    from mlguard.scanners.dataset import entities

    found = []
    for profile in profiles:
        if profile.cells and profile.free_text and profile.name != "(footer)":
            texts = profile.sample.values()[:TEXTS]
            hits, names = entities.persons(texts)
            if names > 1:
                found.append(
                    Field(
                        profile.name, "user.name", "Name", "personal", "low", "ner", hits, len(texts), ("ner:PERSON",),
                        profile.line, profile.column, sampled=True, free_text=True,
                    )
                )  # fmt: skip
    return found


TEXTS = 60
"""Distinct texts of a column that the language model reads."""


def merged(fields: Sequence[Field]) -> tuple[Field, ...]:
    """Return the fields without doubles, by place and category."""
    unique: dict[tuple[str, str], Field] = {}
    for field in fields:
        key = (field.name, field.category)
        if key not in unique or unique[key].cells < field.cells:
            unique[key] = replace(field)
    return tuple(sorted(unique.values(), key=lambda field: (field.line, field.column, field.name, field.category)))
