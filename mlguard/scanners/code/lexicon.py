"""Says which names in code stand for personal data."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, lru_cache
from itertools import pairwise
from typing import Any

from mlguard import lazy, tables
from mlguard.values import dataclass

LANGUAGES = ("en", "de", "fr", "es", "it", "nl", "pt", "pl")

MAX_NAME_CHARS = 60
"""Longer names and texts are no names of fields or columns."""

_PLURAL_IN_S = ("en", "fr", "es", "pt")


@dataclass(frozen=True, slots=True)
class Term:
    """A kind of personal data. ``label`` is for people; ``kind`` is ordinary, special, criminal or child."""

    id: str
    label: str
    kind: str
    direct: bool = False
    weak: bool = False
    column: bool = False  # weak in code, clear as a column beside other columns
    proxy: bool = False  # it tells of an attribute that the law protects
    area: bool = False  # a proxy only where other columns are on persons
    shy: bool = False  # counts only beside other personal data, or of a person
    network: bool = False  # what a connection or a device tells
    item: bool = False  # weak as a name, clear as the key of a row: row["phone"]


_CAMEL = lazy.pattern(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_BREAK = lazy.pattern(r"[^a-z0-9]+")


@lru_cache(maxsize=65_536)
def words(name: str) -> tuple[str, ...]:
    """Return the lower-case words of an identifier or a column's name, accents dropped."""
    if name.islower() and name.isascii() and name.isidentifier():
        return tuple(filter(None, name.split("_")))
    spaced = _CAMEL.sub(" ", name)
    if not spaced.isascii():
        spaced = unicodedata.normalize("NFKD", spaced.replace("ß", "ss").replace("ł", "l"))
        spaced = "".join(char for char in spaced if not unicodedata.combining(char))
    return tuple(filter(None, _BREAK.split(spaced.lower())))


@cache
def _table() -> Mapping[str, Any]:
    found: Mapping[str, Any] = tables.table("personal-terms")
    return found


@cache
def _terms() -> tuple[dict[tuple[str, ...], Term], frozenset[str], int]:
    """Return the terms by their words, the first words of all, and the number of words of the longest."""
    by_words: dict[tuple[str, ...], Term] = {}
    made: dict[tuple[str, ...], Term] = {}
    for entry in _table()["terms"]:
        term = Term(
            entry["id"], entry["label"], entry["class"],
            **{key: True for key in ("direct", "weak", "column", "proxy", "area", "shy", "network", "item") if entry.get(key)},
        )  # fmt: skip
        for language in LANGUAGES:
            for name in entry.get(language, ()):
                parts = tuple(name.split())
                by_words.setdefault(parts, term)
                for form in _forms(parts, language):
                    made.setdefault(form, term)
    by_words = made | by_words
    return by_words, frozenset(key[0] for key in by_words), max(map(len, by_words))


def _forms(parts: tuple[str, ...], language: str) -> list[tuple[str, ...]]:
    """Return the plural of a term, and its words written together."""
    found = []
    last = parts[-1]
    if language in _PLURAL_IN_S and last[-1] != "s" and len(last) > 2:
        found.append((*parts[:-1], f"{last[:-1]}ies" if language == "en" and last[-1] == "y" else f"{last}s"))
    elif language == "en" and last.endswith("ss"):
        found.append((*parts[:-1], f"{last}es"))
    found += [("".join(form),) for form in (parts, *found) if len(form) > 1 and len("".join(form)) > 6]
    return found


@cache
def _words_of(key: str) -> frozenset[str]:
    return frozenset(_table()[key])


@lru_cache(maxsize=65_536)
def is_person(name: str) -> bool:
    """Say whether a name stands for a person, as ``user``, ``patients`` or ``current_customer`` do; ``user_method`` does not."""
    return _about_person(words(name))


def _about_person(parts: Sequence[str]) -> bool:
    persons, beside = _words_of("persons"), _words_of("beside")
    return any(part in persons for part in parts) and all(
        part in persons or part in beside or part.isdigit() for part in parts
    )


_ROWS = frozenset(
    "row rows record records rec entry line data df frame pdf sdf table payload body form person contact contacts doc document details info fields values r item dataframe "  # noqa: SIM905
    "zeile datensatz ligne enregistrement fila registro riga rij linha wiersz kontakt result".split()
)
"""Names of rows, records and frames, whose keys are columns."""


@lru_cache(maxsize=65_536)
def is_row(name: str) -> bool:
    """Say whether a name stands for a row, a record or a frame."""
    parts = words(name)
    return bool(parts) and parts[-1] in _ROWS


@lru_cache(maxsize=65_536)
def item(name: str) -> Term | None:
    """Return what a key of a row stands for: ``row["phone"]``, where the name alone could be another's."""
    parts = words(name)
    if not parts or len(name) > MAX_NAME_CHARS:
        return None
    found, rest = _match(parts)
    return found if found is not None and found.item and _words_of("deny").isdisjoint(rest) and len(rest) < 2 else None


def is_key(name: str) -> bool:
    """Say whether a column's name is that of a person's key, as ``customer_id`` is."""
    parts = words(name)
    return len(parts) == 2 and parts[1] in ("id", "uuid", "guid", "key") and is_person(parts[0])


@lru_cache(maxsize=65_536)
def is_holder(name: str) -> bool:
    """Say whether what belongs to this name is settings rather than somebody's data."""
    return not _words_of("holders").isdisjoint(words(name))


@lru_cache(maxsize=65_536)
def term(name: str, owner: str = "") -> Term | None:
    """Return the kind of personal data that a name stands for. ``owner`` is what it belongs to."""
    if len(name) > MAX_NAME_CHARS:
        return None
    parts = words(name)
    if not parts or (owner and is_holder(owner)):
        return None
    found, rest = _match(parts)
    if rest and rest[0] in _BEFORE and rest[0] == parts[0]:
        rest = rest[1:]  # client_email is one, email_client is none
    if found is None or not _words_of("deny").isdisjoint(rest):
        return None
    if found.weak:
        beside = _about_person(rest) or (not rest and (is_person(owner) or (found.network and owner in _CALLERS)))
        return found if beside and parts[:2] != ("user", "name") else None
    return found


_CALLERS = frozenset({"request", "req", "websocket", "connection", "scope"})
"""Names of what a caller sends, whose network address is that of a person."""

_BEFORE = frozenset(
    {
        "client",
        "sender",
        "subject",
        "account",
        "job",
        "check",
        "group",
        "service",
        "test",
        "response",
        "result",
        "update",
        "device",
    }
)
"""Words that make something else of a name only where they follow."""


@lru_cache(maxsize=65_536)
def denied(name: str) -> bool:
    """Say whether a name speaks of personal data but stands for something else, as ``email_template`` does."""
    found, rest = _match(words(name)) if len(name) <= MAX_NAME_CHARS else (None, ())
    return found is not None and not _words_of("deny").isdisjoint(rest)


_MAX_SPACES = 4
"""Texts with more are sentences."""


@cache
def _beginnings() -> frozenset[str]:
    return _terms()[1] | _words_of("persons")


_WHOLE = frozenset({"vars", "__dict__", "asdict", "model_dump", "model_dump_json", "model_to_dict"})
_TRAINS = frozenset(
    {"fit", "DMatrix", "Dataset", "Pool", "train_test_split", "VectorAssembler", "inputCols", "ColumnTransformer"}
)
"""What shows all fields of a person at once."""


@lru_cache(maxsize=65_536)
def strength(name: str) -> int:
    """Return how a name speaks of persons: 2 personal data, 1 a weak word for it, 3 a weak word beside a person, 4 a person, 5 a person's key, 0 not."""
    if len(name) > MAX_NAME_CHARS or (name.count(" ") > _MAX_SPACES and name[:6].lower() != "select"):
        return 0
    parts = words(name)
    if _beginnings().isdisjoint(parts):
        return 1 if name in _WHOLE or name in _TRAINS else 0
    found = _match(parts)[0]
    if found is None:
        return 4 if is_person(name) else 5 if is_key(name) else 1 if name in _WHOLE or name in _TRAINS else 0
    if not found.weak:
        return 2
    return 3 if term(name) is not None or found.column else 1


@cache
def _openings() -> tuple[frozenset[str], frozenset[str], frozenset[tuple[str, str]]]:
    """Return the words that are a term or a person alone, the first words of longer terms, and the first two."""
    keys = _terms()[0].keys()
    longer = [key for key in keys if len(key) > 1]
    alone = _words_of("persons").union(key[0] for key in keys if len(key) == 1)
    return alone, frozenset(key[0] for key in longer), frozenset((key[0], key[1]) for key in longer)


_OTHERS = frozenset({*_WHOLE, *_TRAINS, *_ROWS, *_CALLERS})
_SPACED = {code: " " for code in range(128) if not chr(code).isalnum() and chr(code) != "\n"}
_MAX_KNOWN_NAMES = 200_000
_plain_names: set[str] = set()
_telling_names: set[str] = set()
"""Names of earlier files that say nothing of persons, and those that may. Most names of a file are in those before it."""


def telling(names: frozenset[str]) -> frozenset[str]:
    """Return those of a file's names that may speak of persons, or of what holds their data; of all others ``strength`` is 0.

    The words of all names that are new are looked up at once: few of them tell anything.
    """
    known = names & _telling_names
    new = names - known - _plain_names
    if not new:
        return known
    short = [name for name in new if name.count(" ") <= _MAX_SPACES or name[:6].lower() == "select"]
    plain = [name for name in short if name.isascii() and "\n" not in name]
    lower = [name for name in plain if name.islower()]
    mixed = [name for name in plain if not name.islower()]
    text = "\n".join([*lower, _CAMEL.sub(" ", "\n".join(mixed)).lower()]).translate(_SPACED)
    found = {name for name in set(short).difference(plain) if strength(name)} if len(short) > len(plain) else set()
    alone, beginnings, pairs = _openings()
    said = set(text.split())
    if not alone.isdisjoint(said) or not beginnings.isdisjoint(said):
        for name, line in zip([*lower, *mixed], text.split("\n"), strict=False):
            parts = line.split()
            if not alone.isdisjoint(parts) or (
                len(parts) > 1 and not beginnings.isdisjoint(parts) and not pairs.isdisjoint(pairwise(parts))
            ):
                found.add(name)
    found |= new & _OTHERS
    if len(_plain_names) > _MAX_KNOWN_NAMES:
        _plain_names.clear()
        _telling_names.clear()
    _plain_names.update(new - found)
    _telling_names.update(found)
    return known | found


_sure_names: set[str] = set()
_clear_names: set[str] = set()
"""Names of earlier files for which alone the next two answer yes."""


def is_told(names: frozenset[str]) -> bool:
    """Say whether some name stands for personal data without doubt, so that a shy one beside it does as well."""
    if not _sure_names.isdisjoint(names):
        return True
    for name in telling(names):
        if "." not in name and strength(name) == 2 and (found := term(name)) is not None and not found.shy:
            _sure_names.add(name)
            return True
    return False


def speaks_of_persons(names: frozenset[str]) -> bool:
    """Say whether the names of a file can hold personal data: a clear name, or a weak one and a word for a person."""
    if not _clear_names.isdisjoint(names):
        return True
    weak = person = key = trains = row = column = caller = False
    for name in telling(names):
        rank = strength(name)
        if rank in (2, 3):
            _clear_names.add(name)
            return True
        if rank == 1 and not column:
            column = item(name) is not None
        row = row or name in _ROWS
        caller = caller or name in _CALLERS
        if rank == 1 and name in _TRAINS:
            trains = True
        weak, person, key = weak or (rank == 1 and name not in _TRAINS), person or rank == 4, key or rank == 5
    return (weak and (person or caller)) or (key and trains) or (column and row)


def _match(parts: Sequence[str]) -> tuple[Term | None, Sequence[str]]:
    """Return the term in a name, the clearest first, and the words around it."""
    by_words, first, longest = _terms()
    weak: Term | None = None
    around: Sequence[str] = ()
    for start, part in enumerate(parts):
        if part not in first:
            continue
        for end in range(min(len(parts), start + longest), start, -1):
            hit = by_words.get(tuple(parts[start:end]))
            if hit is not None and not hit.weak:
                return hit, [*parts[:start], *parts[end:]]
            if hit is not None and weak is None:
                weak, around = hit, [*parts[:start], *parts[end:]]
    return weak, around


_ON_PERSONS = frozenset({"age", "gender", "income", "performance", "household", "credit-standing"})


def columns(names: Iterable[str]) -> list[tuple[str, Term]]:
    """Return the columns that hold personal data. A weak name counts when the others are clearly about persons."""
    names = list(names)
    sure = [(name, found) for name in names if (found := term(name) or _of_datasets(name))]
    about_persons = any(not found.area for _, found in sure) or any(
        (hit := _match(words(name))[0]) is not None and hit.id in _ON_PERSONS and len(words(name)) <= 2
        for name in names
    )
    if not about_persons:
        return [(name, found) for name, found in sure if not found.area]
    known = {name for name, _ in sure}
    for name in names:
        hit = _match(words(name))[0] if name not in known and len(words(name)) <= 2 else None
        if hit is not None and hit.weak and (hit.column or (hit.direct and len(words(name)) == 1)):
            sure.append((name, hit))
    return sure


_CLASSES = {"personal": "ordinary", "special": "special", "criminal": "criminal", "child": "child"}


@lru_cache(maxsize=4096)
def _of_datasets(name: str) -> Term | None:
    """Return what the dataset scanner's table knows a column of just this name for, where the name alone is clear."""
    parts = words(name)
    if len(parts) < 2 or len(name) > MAX_NAME_CHARS or not _words_of("deny").isdisjoint(parts):
        return None
    return _names_of_datasets().get(" ".join(parts))


@cache
def _names_of_datasets() -> dict[str, Term]:
    table = tables.table("column-terms")
    vague = frozenset(table["vague"])
    found: dict[str, Term] = {}
    for entry in table["terms"]:
        kind = _CLASSES.get(entry["class"], "ordinary")
        if entry.get("weak") or (kind == "ordinary" and entry["group"] != "direct"):
            continue
        label = f"a column of {entry['id'].replace('-', ' ')}"
        term = Term(entry["id"], label, kind, direct=entry["group"] == "direct")
        for name in entry["names"]:
            if " " in name and name not in vague:
                found.setdefault(name, term)
    return found
