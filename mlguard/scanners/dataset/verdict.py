"""Decides what a column holds, from check digits, patterns, its name, its words and the columns beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any, Literal, cast

from mlguard import lazy, tables
from mlguard.facts import Field
from mlguard.scanners.dataset import (
    checksums,
    children,
    confirm,
    fits,
    look,
    persons,
    phones,
    shapes,
    streets,
    terms,
    words,
)
from mlguard.scanners.dataset.columns import Profile, Tally
from mlguard.scanners.dataset.context import Confidence, context_field
from mlguard.values import replace

Strength = Literal["checksum", "pattern", "context", "ner"]

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
    found = [
        (profile, list(_column(profile)) or list(_weak_name(profile, False))) for profile in profiles if profile.cells
    ]
    company = _about_anybody(found)
    beasts = not company and any(terms.speaks_of("beasts", profile.label) for profile in profiles)
    catalogue = not company and any(terms.speaks_of("catalogues", profile.label) for profile in profiles)
    kept: list[Field] = []
    for profile, fields in found:
        if not fields or fields[0].detectors[0] == "name:name":
            fields = list(_beside_first_name(profile, found)) or list(_weak_name(profile, company))
        if catalogue:
            fields = [field for field in fields if not field.category.startswith(_OF_CATALOGUES)]
        if beasts:
            fields = [field for field in fields if not field.category.startswith(_OF_BEASTS)]
        if not company:
            fields = [field for field in fields if not _needs_persons(profile, field)]
        if not fields:
            fields = list(_by_values(profile, company))
        kept += fields
    kept += _phones_of_regions(profiles, kept)
    kept += _names_in_parts(profiles, kept, company)
    if not company:
        kept = [field for field in kept if not _is_street_alone(field, profiles)]
    kept = _alone(_about_persons(kept, profiles, company), company)
    kept += children.fields(profiles, kept) if company else []
    return [field for field in kept if field.name != "(footer)" or _only_there(field, kept)]


def _about_anybody(found: Sequence[tuple[Profile, list[Field]]]) -> bool:
    """Say whether the table is about persons: it points to some, speaks of them, or tells two things that only persons have."""
    fields = [field for profile, fields in found for field in fields if not (profile.term and profile.term.vague)]
    if any(_direct(field) for field in fields):
        return True
    if any(terms.speaks_of("beasts", profile.label) for profile, _ in found):
        return False
    if any(terms.hints_at_person(profile.label) and not terms.denied(profile.label) for profile, _ in found):
        return True
    own = {
        field.category
        for field in fields
        if field.category.startswith(_OWN) and (field.confidence != "low" or "age" in field.category)
    }
    return len(own) > 1


_OWN = (
    "user.demographic",
    "user.health_and_medical",
    "user.workplace",
    "user.job_title",
    "user.criminal_history",
    "user.biometric",
)


_OF_CATALOGUES = ("user.health_and_medical", "user.criminal_history", "user.job_title")
"""Categories whose words stand in lists of codes, of drugs and of offers as well."""

_OF_BEASTS = (
    "user.demographic.gender",
    "user.demographic.age_range",
    "user.demographic.date_of_birth",
    "user.demographic.race_ethnicity",
    "user.health_and_medical",
    "user.workplace",
    "user.job_title",
)
"""Categories that animals have words for as well."""


def _needs_persons(profile: Profile, field: Field) -> bool:
    """Say whether nothing but a name with several meanings, or words that are used of things as well, speaks for the field."""
    if profile.term is not None and profile.term.vague and field.detectors == (f"name:{profile.term.id}",):
        return True
    return field.detectors in (
        ("values:gender",),
        ("values:health",),
        ("values:crime",),
        ("codes:icd-10",),
        ("codes:atc",),
    ) and (field.detectors == ("values:gender",) or _is_catalogue(profile))


def _is_street_alone(field: Field, profiles: Sequence[Profile]) -> bool:
    """Say whether a column of addresses holds streets without houses, which is geography."""
    if field.detectors != ("name:address",):
        return False
    values = next(profile.sample.values() for profile in profiles if profile.name == field.name)
    return sum(any(c.isdigit() for c in value) for value in values) * 2 < len(values)


def _phones_of_regions(profiles: Sequence[Profile], kept: Sequence[Field]) -> Iterator[Field]:
    """Yield fields for columns of telephone numbers that only the numbering plan of a region tells."""
    named = {field.name for field in kept}
    for profile in profiles:
        if not profile.cells or profile.text or profile.name in named or not _open_to_phones(profile):
            continue
        values = profile.sample.values()
        if phones.fit_a_region(values) or terms.says_little(profile.label) and phones.are_chinese(values):
            yield context_field(
                profile,
                "user.contact.phone_number",
                "TelephoneNumber",
                "personal",
                "medium",
                profile.cells,
                "values:phone",
            )


def _open_to_phones(profile: Profile) -> bool:
    if profile.term is not None and profile.term.id != "phone" and not profile.term.weak:
        return False
    return "PHONE_NUMBER" in profile.tallies and not terms.denied(profile.label) and not terms.refers(profile.label)


def _names_in_parts(profiles: Sequence[Profile], kept: Sequence[Field], company: bool) -> list[Field]:
    """Return fields for columns of given names and of family names under names that say nothing of it."""
    named = {field.name for field in kept}
    open_ = [
        profile
        for profile in profiles
        if profile.cells
        and profile.term is None
        and profile.name not in named
        and not profile.text
        and not terms.denied(profile.label)
        and (company or terms.says_little(profile.label))
        and _are_words(profile)
    ]
    told = {profile.name: persons.told_by(profile.sample.values()) for profile in open_}
    first = [
        profile for profile in open_ if persons.are_first_names(profile.sample.values(), told[profile.name], company)
    ]
    beside: Literal["first", "persons", ""] = "persons" if company else ""
    if first or any(field.category == "user.name.first" for field in kept):
        beside = "first"
    last = [
        profile
        for profile in open_
        if profile not in first and persons.are_last_names(profile.sample.values(), told[profile.name], beside)
    ]
    return [_name_field(profile, "first", "values:given-name") for profile in first] + [
        _name_field(profile, "last", "values:family-name") for profile in last
    ]


def _name_field(profile: Profile, part: str, detector: str) -> Field:
    return context_field(profile, f"user.name.{part}", "Name", "personal", "medium", profile.cells, detector)


def _are_words(profile: Profile) -> bool:
    """Say whether the first values of a sample are single words in letters."""
    probe = profile.sample.values()[: words.PROBE]
    return len(probe) > 7 and sum(
        value[:1].isalpha() and not any(c.isdigit() for c in value) for value in probe
    ) * 10 >= 9 * len(probe)


def _is_catalogue(profile: Profile) -> bool:
    """Say whether each value stands there once: a list of codes and not of what persons have."""
    return profile.cells > 20 and profile.few is None and len(profile.sample) >= min(profile.cells, profile.sample.most)


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
    """Yield the other part of names for a column called "name" that stands beside one of first names or of last names."""
    if profile.term is None or not profile.term.weak:
        return
    parts = {field.category for _, fields in found for field in fields} & {"user.name.first", "user.name.last"}
    if (
        not parts
        or len(parts) == 2
        or "user.name.last" in parts
        and not set(terms.tokens(profile.label)) <= _name_only()
    ):
        return
    distinct = profile.sample.values()
    fitting = sum(map(fits.FITS["given"], distinct))
    parted = sum(" " in value or "," in value for value in distinct)
    if len(distinct) > 1 and fitting * 10 >= 8 * len(distinct) and parted * 2 < len(distinct):
        cells = round(profile.cells * fitting / len(distinct))
        part = "user.name.last" if "user.name.first" in parts else "user.name.first"
        yield context_field(profile, part, "Name", "personal", "medium", cells, "name:name")


_DATE = lazy.pattern(r"^(?:(\d{4})[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.](\d{4}))$")


PROBED = 200
"""Values of a column that are looked at for addresses and the like; they are a sample by hash."""


def _by_values(profile: Profile, company: bool) -> Iterator[Field]:
    """Yield what values tell under a name that does not say it: addresses, and beside persons birth dates and positions."""
    if profile.text or profile.term_cells * 2 > profile.cells or terms.denied(profile.label):
        return
    distinct = profile.sample.values()[:PROBED]
    little = terms.says_little(profile.label)
    if company and terms.says_nothing(profile.label) and _spread_over_lives(distinct):
        yield _told(profile, "user.demographic.date_of_birth", "BirthDate", 1.0, "values:birth-date")
    elif len(distinct) > 2 and (share := _share(distinct, streets.is_address)) >= _least_share(len(distinct), little):
        yield _told(profile, "user.contact.address.street", "PhysicalAddress", share, "values:street")
    elif company and len(distinct) > 9 and _share(distinct, _is_position) >= 0.9:
        yield _told(profile, "user.location.precise", "GPSCoordinate", 1.0, "values:position")


def _least_share(count: int, little: bool) -> float:
    """Return the share of addresses that is enough among so many values. ``little``: the column's name tells little."""
    return 1.0 if count < 5 else 0.6 if little else 0.85


def _told(profile: Profile, category: str, dpv: str, share: float, detector: str) -> Field:
    return context_field(profile, category, dpv, "personal", "medium", round(profile.cells * share), detector)


def _share(values: Sequence[str], passes: Callable[[str], bool]) -> float:
    return sum(map(passes, values)) / len(values)


_POSITION = lazy.pattern(r"^(?i:POINT ?)?[(\[]? ?(-?\d{1,3}\.\d{3,})[,; ] ?(-?\d{1,3}\.\d{3,})[)\]]?$")


def _is_position(value: str) -> bool:
    """Say whether the value is a latitude and a longitude, in either order."""
    match = _POSITION.match(value)
    one, other = (abs(float(match[1])), abs(float(match[2]))) if match else (999.0, 999.0)
    return min(one, other) <= 90 and max(one, other) <= 180 and max(one, other) > 1.5


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
    elif term is None and (told := words.told_by(profile)) is not None:
        yield told
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
    if not tally.valid or profile.fractions * 100 > profile.cells:
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
    if entity in confirm.entities() and confirm.confirmed(entity, tally.cells.values()[:CONFIRMED], _context(profile)):
        detectors.append(f"presidio:{entity}")
    if _named(profile, entity):
        detectors.append("name")
    return Field(
        profile.name, kind["category"], kind["dpv"], kind["class"], confidence, strength, cells, profile.cells,
        tuple(detectors), tally.first or profile.line, profile.column, free_text=profile.free_text,
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
    colons = sum(":" in value for value in tally.distinct.values())
    alone = tally.whole * 2 > profile.cells and (
        entity == "MAC_ADDRESS" or colons * 2 > distinct
    )  # nothing else is written so
    if terms.denied(profile.label) and not _named(profile, entity) and not alone:
        return None
    if entity == "MAC_ADDRESS":
        return ("pattern", "medium", tally.valid) if _named(profile, entity) or tally.whole or distinct > 1 else None
    if _named(profile, entity):
        return "pattern", "high", tally.valid
    octets = [int(part) for value in tally.distinct.values() if "." in value for part in value.split(".")]
    if distinct < 3 or octets and sum(octet >= 100 for octet in octets) * 4 < len(octets):
        return None  # of four octets of addresses more than two are that large, of the parts of versions few
    return "pattern", "medium", tally.valid


def _phone(profile: Profile, entity: str, tally: Tally) -> tuple[Strength, Confidence, int] | None:
    named = _named(profile, entity)
    denied = terms.denied(profile.label) and not profile.free_text
    if not (named and not profile.free_text) and (denied or _says_otherwise(profile)):
        return None
    sample = tally.cells.values()[:CONFIRMED]
    cells = [
        cell
        for cell, hits in zip(sample, look.texts(sample), strict=True)
        if any(hit.entity == entity and hit.valid for hit in hits)
    ]
    agreed = confirm.confirmed(entity, cells, _context(profile)) / max(len(cells), 1)
    if named and not profile.free_text:
        fitting = tally.valid * 2 >= profile.cells and (agreed >= 0.2 or tally.grouped * 2 >= tally.valid)
        fitting = fitting and not phones.are_epochs(profile.sample.values())
        return ("pattern", "high", tally.valid) if fitting else None
    if (profile.free_text or tally.near * 20 < profile.cells) and not phones.can_be_dialled(
        tally.distinct.values(), profile.free_text
    ):
        return None
    if agreed < 0.5 or not profile.free_text and phones.break_plan(profile.sample.values()):
        return None
    if tally.near and (profile.free_text or tally.near * 2 >= tally.valid):
        return "pattern", "high" if len(cells) > 2 else "medium", max(tally.near, tally.grouped if agreed > 0.8 else 0)
    grouped = 6 if agreed > 0.8 and not terms.refers(profile.label) else 8  # some are written without any separator
    if tally.grouped * 10 >= grouped * profile.cells and tally.whole * 10 >= 8 * profile.cells and len(cells) > 2:
        return "pattern", "medium", tally.grouped
    if profile.free_text and len(cells) > 2 and tally.grouped:
        return "pattern", "medium", tally.grouped
    if _trunk(tally) and tally.whole * 10 >= 9 * profile.cells and len(cells) > 4:
        return "pattern", "medium", tally.whole
    return None


CONFIRMED = 12
"""Cells of a column that Presidio is asked about. They are a sample by hash; more change no verdict and take most of the time."""


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
    gap = rate - null_rate(shape, tally.samples.values())
    if terms.denied(profile.label) and not named and not shape.lettered and (rate < 0.95 or gap < 0.7 or distinct < 10):
        return None
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
    if not profile.free_text and (
        terms.refers(profile.label) or tally.shaped > 4 and tally.valid < 0.985 * tally.shaped
    ):
        return None  # one of eight numbers written like this has no area (20 CFR 422.103)
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
        step = next(step for step in (7, 11, 13, 17) if len(group) % step)  # else all places would be shifted alike
        columns = [[value[place] for value in group] for place in range(size)]
        for turn in (1, 2, 3):
            shifted = [
                column[(place * step + turn * 3 + 1) % len(group) :]
                + column[: (place * step + turn * 3 + 1) % len(group)]
                for place, column in enumerate(columns)
            ]
            mixed = ["".join(parts) for parts in zip(*shifted, strict=True)]
            passed += int(shape.check(checksums.rows(mixed)).sum())
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
    told = words.told_by(profile) if term.group == "person" else None
    agreeing = told.detectors if told is not None and _covers(told.category, term.category) else ()
    if (
        not agreeing
        and term.id in _LISTED
        and not any(words.plain(value) in words.known(term.id) for value in distinct)
    ):
        confidence = "low"
    return context_field(
        profile, term.category, term.dpv, term.gdpr_class, confidence, profile.term_cells, f"name:{term.id}", *agreeing
    )


def _only_private(profile: Profile) -> bool:
    """Say whether no address can be reached from outside, as those of machines in one network."""
    tally = profile.tallies.get("IP_ADDRESS")
    return tally is not None and tally.shaped > 0 and not tally.valid


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
    if term.id == "phone":
        return not few and not phones.are_epochs(distinct)
    if term.id == "password":
        return not (_come_again(profile) and len(distinct) < 6)
    if term.id == "user-name":
        systems = _systems()
        return not few and sum(terms.folded(value) in systems for value in distinct) * 2 < len(distinct)
    if term.id == "position":
        return len(distinct) > 20 or len(distinct) == profile.cells
    if term.id == "biometric" and few:
        return False
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
        return len(distinct) <= 12 and not any(terms.folded(value).startswith("neut") for value in distinct)
    if term.id in ("first-name", "last-name", "full-name"):
        if few and not (term.id == "full-name" and any(terms.has_given_name(value) for value in distinct)):
            return False  # a constant, unless it is the name of the one person it is all about
        if terms.tokens(profile.label.rsplit(".", 1)[-1]) in (["first"], ["last"], ["given"], ["family"]):
            if _come_again(profile) and all(value.islower() for value in distinct):
                return False  # families of models, of fonts
            given = sum(terms.has_given_name(value) for value in distinct)
            return (
                given * 10 >= 3 * len(distinct)
                or term.id == "last-name"
                and sum(v[:1].isupper() for v in distinct) * 10 >= 9 * len(distinct)
            )
        names = persons.told_by(distinct)
        if names.things > 0.5:
            return False
        return term.id != "full-name" or names.written >= 0.5 or names.known >= 0.5
    if term.id in _WORDED and not any(value.replace(".", "").isdigit() for value in distinct):
        known = words.known(_WORDED[term.id])
        return any(words.plain(value) in known for value in distinct) or term.words > 1
    if term.id == "biometric" and all(map(_DIGEST.match, distinct)):
        return terms.speaks_of("measures", profile.label)  # the fingerprint of a key or a card is a digest
    if term.group == "device":
        return len(distinct) > 2 and sum(bool(_ID_LIKE.match(value)) for value in distinct) * 10 >= 6 * len(distinct)
    if term.id in _NO_MEASURES and sum(bool(_FRACTION.match(value)) for value in distinct) * 2 > len(distinct):
        return False
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


_LISTED = ("religion", "orientation", "politics", "union", "ethnicity")
"""Terms whose values are listed; a column without any of them may be about something else."""

_ID_LIKE = lazy.pattern(r"^(?=.*\d)[\w.\-|:]{8,}$")


@cache
def _systems() -> frozenset[str]:
    """Return names of accounts that belong to machines and roles."""
    return frozenset(tables.table("value-terms")["accounts"])


_DIGEST = lazy.pattern(r"^(?:[0-9a-fA-F]{2}[:\-]?){8,64}$|^SHA\d+:")

_NO_MEASURES = ("religion", "ethnicity", "orientation", "politics", "criminal")
_FRACTION = lazy.pattern(r"^-?\d+[.,]\d+$")

_WORDED = {"ethnicity": "ethnicity", "blood-group": "blood-group"}
"""Terms whose name has other meanings (a race is also run), so that a word must be known."""


def _come_again(profile: Profile) -> bool:
    """Say whether a few values come again and again."""
    return len(profile.sample) <= 40 and profile.cells > 4 * len(profile.sample)


@cache
def _name_only() -> frozenset[str]:
    """Return words for "name", without those for roles."""
    return frozenset(terms.folded(word) for word in tables.table("column-terms")["bare"])


def _weak_name(profile: Profile, company: bool) -> Iterator[Field]:
    """Yield a field for a column called "name" or as a role when its values are names of persons."""
    if profile.term is None or not profile.term.weak:
        return
    distinct = profile.sample.values()
    if len(distinct) < 8 and profile.cells > 3 * len(distinct) and terms.says_more(profile.label):
        return  # bot_name, list_name: a few things that have a name
    names = persons.told_by(distinct)
    bare = set(terms.tokens(profile.label)) <= _name_only()
    if bare and not company and _come_again(profile) and (names.led < 0.8 or names.written < 0.5):
        return  # dishes, shares, airports, storms
    if len(distinct) > 1 and persons.can_be_names(names, company and not terms.says_more(profile.label)):
        cells = max(profile.term_cells, profile.person_cells, round(profile.cells * names.known))
        confidence: Confidence = "high" if names.given > 0.3 else "medium"
        yield context_field(
            profile, "user.name", "Name", "personal", confidence, cells, "name:name", "values:given-name"
        )


def _names_without_header(profile: Profile) -> Field | None:
    """Return a field when the values alone are names of persons: most are written so, and many hold a known name."""
    distinct = profile.sample.values()
    if profile.free_text or len(distinct) < 3 or profile.term is not None or terms.denied(profile.label):
        return None
    if sum(map(persons.is_written, distinct[: words.PROBE])) * 2 < min(len(distinct), words.PROBE):
        return None
    names = persons.told_by(distinct)
    if not persons.are_names(names) or _come_again(profile) and names.led < 0.8:
        return None
    cells = max(profile.person_cells, round(profile.cells * names.written))
    return context_field(profile, "user.name", "Name", "personal", "medium", cells, "values:given-name")


def merged(fields: Sequence[Field]) -> tuple[Field, ...]:
    """Return the fields without doubles, by place and category."""
    unique: dict[tuple[str, str], Field] = {}
    for field in fields:
        key = (field.name, field.category)
        if key not in unique or unique[key].cells < field.cells:
            unique[key] = replace(field)
    return tuple(sorted(unique.values(), key=lambda field: (field.line, field.column, field.name, field.category)))
