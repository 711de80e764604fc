"""What free text says about people: facts of special categories that are told, names, the languages, and what is already masked."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache, lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, Literal, cast

from mlguard import lazy, tables
from mlguard.facts import Field
from mlguard.findings import Gap
from mlguard.scanners.dataset import entities, languages, look, terms
from mlguard.scanners.dataset.cells import values_of
from mlguard.scanners.dataset.columns import Profile
from mlguard.scanners.dataset.entities import Choice, Mention, Model, Models, Reader
from mlguard.values import dataclass, field

MAX_TOLD = 4_000
"""Characters of one text in which told facts are looked for."""

SURE_TEXTS = 3
"""Distinct texts that tell a fact from which the confidence is medium; one or two may be a story."""

SHARE_OF_GAP = 0.1
"""Share of a column's texts in a language without a model, of 1, from which that is a gap."""

TEXTS_OF_GAP = 5
"""Texts in that language, about, below which a few foreign words or lists of names may be mistaken for it."""


@dataclass(frozen=True, slots=True)
class Span:
    """A place in a text that is personal data, from ``start`` to before ``end``; ``score`` is of 1."""

    entity: str
    category: str
    start: int
    end: int
    strength: Literal["checksum", "pattern", "ner"]
    score: float


@cache
def _table() -> Mapping[str, Any]:
    return cast(Mapping[str, Any], tables.table("prose-terms"))


@cache
def _taxonomy() -> Mapping[str, Mapping[str, Any]]:
    return cast(Mapping[str, Mapping[str, Any]], tables.table("pii-taxonomy")["entities"])


# --- Facts that are told


_BREAK = r"[^\w.!?;:\n]{1,3}"
"""Between two words of one sentence."""


@dataclass(frozen=True, slots=True)
class _Saying:
    """How a fact is told in one language."""

    fact: str
    pattern: re.Pattern[str]


@dataclass(frozen=True, slots=True)
class _Language:
    sayings: tuple[_Saying, ...]
    stop: re.Pattern[str]


_UNLESS = lazy.pattern(r"(?:^|[\s(\"'])(?:if|whether|unless|suppose|imagine|e\.g\.|example|say|wenn|falls|ob|angenommen|z\.b\.|beispiel|si|par exemple|ejemplo|se|esempio|als|indien|bijvoorbeeld|exemplo|jesli|jezeli|czy|gdyby)[:,]?\s*(?:\w+\s+)?$")  # fmt: skip
"""Words that make what follows a case that is only thought of."""

_AM = {
    "en": "i am|i'm|i was|he's|she's", "de": "ich bin|bin|ich war", "fr": "je suis|j'etais|je ne suis", "es": "soy|estoy|estuve|fui", "it": "sono|ero|sono stat[oa]",
    "nl": "ik ben|ben ik|ik was", "pt": "sou|estou|fui|estive", "pl": "jestem|bylam|bylem|zostalam|zostalem",
}  # fmt: skip
_HAVE = {
    "en": "i have|i've got|i've had|i had|i suffer from|i suffered from", "de": "ich habe|ich hatte|ich leide an|ich leide unter|habe",
    "fr": "j'ai|j'avais|je souffre d[eu]?", "es": "tengo|tuve|padezco|sufro", "it": "ho|soffro di|ho avuto", "nl": "ik heb|ik had|heb ik|ik lijd aan",
    "pt": "tenho|tive|sofro de", "pl": "mam|mialam|mialem|choruje na|cierpie na",
}  # fmt: skip


def _facts() -> list[str]:
    return [fact for fact in _table()["facts"] if fact != "child"]


@cache
def _language(language: str) -> _Language:
    """Return the patterns of one language. Most texts have words for no fact in most languages."""
    words = _table()["languages"][language]
    sayings = [_saying(language, words, fact) for fact in _facts()]
    sayings.append(_Saying("child", re.compile(rf"\b(?:{_open(words['child'])}|{_AGED})")))
    return _Language(tuple(sayings), re.compile(rf"{_BREAK}(?:{_open(words['stop'])})\b"))


_AGED = (
    r"(?:my|our|mein|meine[rnm]?|unsere?[rnm]?|mon|ma|notre|mi|nuestr[oa]|mi[oa]|nostr[oa]|mijn|onze|meu|minha|noss[oa]|moja?|mojego|mojej|nasz\w{0,3})"
    r" (?:son|daughter|child|boy|girl|sohn|tochter|kind|fils|fille|hij[oa]|figli[oa]|zoon(?:tje)?|dochter(?:tje)?|filh[oa]|syn\w{0,2}|cork\w|corc\w)"
    r"(?: \w+)? ?\((?:aged? |age |agee? de )?(?:1[0-5]|[1-9])(?: (?:jahre|ans|anos|anni|jaar|lat|years))?\)"
)
"""A child whose age stands in brackets."""

_KIN = {
    "en": "sons?|daughters?|child|kids?|boy|girl|grandson|granddaughter|nephew|niece|step(?:son|daughter)|baby|toddler|years? old|year-old|yo",
    "de": r"sohn|tochter|kind|baby|enkel|neffe|nichte|\d{1,2}-?jahrig|\w{3,8}jahrig", "fr": "fils|fille|enfant|bebe|neveu|niece|garcon", "es": r"hij[oa]|nin[oa]|bebe|sobrin|niet[oa]",
    "it": "figli|bambin|nipot|bimb", "nl": r"zoon|dochter|kind|baby|neefje|nichtje|klein|\d{1,2}[ -]jarig|\w{3,8}jarig", "pt": "filh|bebe|sobrinh|net[oa]|crianca|menin",
    "pl": r"syn|cork|corc|dzieck|wnu|siostrze|bratan|niemowl|\d{1,2}[ -]?letni|\w{3,9}lat",
}  # fmt: skip
"""Words without which no child is told of."""


def _open(pattern: str) -> str:
    return pattern.strip()


def _gate(pattern: str) -> str:
    """Return a pattern of which RE2 knows every part."""
    return re.sub(r"\(\?[!=<][^()]*(?:\([^()]*\)[^()]*)*\)", "", pattern.strip())


def _saying(language: str, words: Mapping[str, Any], fact: str) -> _Saying:
    somebody, own, be = words["somebody"].strip(), words["own"].strip(), words["be"].strip()
    links, things, being = (words[fact][part].strip() for part in ("links", "things", "being"))
    few, some = rf"(?:[\w'’-]+{_BREAK}){{0,2}}", rf"(?:[\w'’-]+{_BREAK}){{0,4}}"
    ways = [
        rf"(?:{somebody}){_BREAK}{few}(?:{links}){_BREAK}{some}(?:{things})",
        rf"(?:(?:{somebody}){_BREAK}{few}(?:{be})|{_AM[language]}){_BREAK}{few}(?:{being})",
    ]
    if "ends" in words and things:
        ways.append(rf"(?:{somebody}){_BREAK}{some}(?:{things}){_BREAK}{few}(?:{words['ends'].strip()})")
    if fact == "health":
        ways.append(rf"(?:{own}){_BREAK}(?:[\w-]+{_BREAK})?(?:{things})")
        ways.append(rf"(?:{_HAVE[language]}){_BREAK}{some}(?:{things})")
    return _Saying(fact, re.compile(rf"\b(?:{'|'.join(ways)})\b"))


@cache
def gates() -> Mapping[str, str]:
    """Return, by language, the RE2 pattern that a text in lower case without accents has when it may tell a fact."""
    found = {}
    for language, words in sorted(_table()["languages"].items()):
        parts = [_gate(words[fact][part]) for fact in _facts() for part in ("things", "being")] + [
            _gate(_KIN[language])
        ]
        found[language] = rf"\b(?:{'|'.join(parts)})"
    return found


def told(text: str) -> set[str]:
    """Return the facts that a text tells about somebody, by their names in the table. At most MAX_TOLD characters count."""
    plain = terms.folded(text[:MAX_TOLD])
    return {fact for language in gates() for fact in _told_in(plain, language)}


def _told_in(plain: str, language: str) -> Iterator[str]:
    spoken = _language(language)
    for saying in spoken.sayings:
        for match in saying.pattern.finditer(plain):
            if spoken.stop.match(plain, match.end()) or _UNLESS.search(
                plain, max(0, match.start() - 30), match.start()
            ):
                continue
            yield saying.fact
            break


KEPT = 1_000
"""Distinct texts of a column that are read closely; where more could tell a fact, counts are estimates from them."""


@dataclass(slots=True)
class Told:
    """The texts of a column that may tell a fact: ``of`` all ``maybe`` cells have words for one. Mergeable.

    Of the distinct ones those KEPT are read whose hash is least, so neither order nor batches matter. Their texts never leave the scanner.
    """

    of: int = 0
    maybe: int = 0
    distinct: int = 0  # that were met, about: the same text in two batches counts twice once texts are left out
    kept: dict[str, int] = field(default_factory=dict, repr=False)
    _limit: int = 1 << 32

    def add(self, values: Any, counts: Sequence[int] | None = None) -> None:
        """Count an Arrow array of strings, each ``counts`` times (once when None)."""
        import numpy as np

        weights = np.ones(len(values), np.int64) if counts is None else np.asarray(counts, np.int64)
        self.of += int(weights.sum())
        plain = _folded(values)
        gated = np.zeros(len(values), np.bool_)
        for gate in gates().values():
            gated |= _matching(plain, gate)
        for place in np.flatnonzero(gated).tolist():
            self._keep(plain[place].as_py()[:MAX_TOLD], int(weights[place]))

    def _keep(self, text: str, weight: int) -> None:
        self.maybe += weight
        if text in self.kept:
            self.kept[text] += weight
            return
        self.distinct += 1
        if _order(text) < self._limit:
            self.kept[text] = weight
            if len(self.kept) >= 2 * KEPT:
                self._shrink()

    def _shrink(self) -> None:
        ranked = sorted((_order(text), text) for text in self.kept)[:KEPT]
        self.kept = {text: self.kept[text] for _, text in ranked}
        self._limit = ranked[-1][0]

    def merge(self, other: Told) -> None:
        """Add what was told elsewhere."""
        self.of += other.of
        self.maybe += other.maybe
        self.distinct += other.distinct
        self._limit = min(self._limit, other._limit)
        for text, weight in other.kept.items():
            self.kept[text] = self.kept.get(text, 0) + weight
        if len(self.kept) > KEPT:
            self._shrink()

    def facts(self) -> tuple[dict[str, int], dict[str, int], bool]:
        """Return the cells and the distinct texts that tell each fact, and whether the cells are an estimate."""
        if len(self.kept) > KEPT:
            self._shrink()
        cells: dict[str, int] = {}
        texts: dict[str, int] = {}
        for text, spoken in self._gated():
            weight = self.kept[text]
            for fact in {fact for language in spoken for fact in _told_in(text, language)}:
                cells[fact] = cells.get(fact, 0) + weight
                texts[fact] = texts.get(fact, 0) + 1
        read = sum(self.kept.values())
        if read >= self.maybe:
            return cells, texts, False
        return {fact: max(count, round(count * self.maybe / read)) for fact, count in cells.items()}, texts, True

    def _gated(self) -> Iterator[tuple[str, list[str]]]:
        """Yield the texts that are kept, with the languages in which each may tell a fact."""
        import pyarrow as pa

        array = pa.array(list(self.kept), pa.large_string())
        flags = {language: _matching(array, gate) for language, gate in gates().items()}
        for place, text in enumerate(self.kept):
            yield text, [language for language in flags if flags[language][place]]


def _order(text: str) -> int:
    return zlib.crc32(text.encode("utf-8", "replace"))


def _folded(values: Any) -> Any:
    """Return the strings of an Arrow array in lower case without accents. Text in ASCII costs next to nothing."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    from mlguard.scanners.dataset import fits

    array = values.cast(pa.large_string())
    plain = values_of(pc.string_is_ascii(array)).astype(np.bool_)
    lowered = pc.ascii_lower(array)
    if plain.all():
        return lowered
    odd = pa.array(~plain)
    return pc.replace_with_mask(lowered, odd, fits.folded(array.filter(odd)))


def _matching(array: Any, pattern: str) -> Any:
    import pyarrow.compute as pc

    return values_of(pc.match_substring_regex(array, pattern))


def told_fields(counted: Told, name: str, line: int = 1, column: int = 1, sampled: bool = False) -> list[Field]:
    """Return a field for each fact that a column of prose tells. Fewer than SURE_TEXTS distinct texts are of low confidence."""
    cells, texts, estimated = counted.facts()
    found = []
    for fact in sorted(cells):
        kind = _table()["facts"][fact]
        found.append(
            Field(
                name, kind["category"], kind["dpv"], kind["class"], "medium" if texts[fact] >= SURE_TEXTS else "low", "context",
                min(cells[fact], counted.of), counted.of, (f"told:{fact}",), line, column, sampled=sampled or estimated, free_text=True,
            )
        )  # fmt: skip
    return found


# --- Texts that are already masked

MARKS = (
    r"\{\{-? *[A-Za-z_][\w. |'\"()]{0,60}-?\}\}"
    r"|(?:<<?|\[|\{|%|\$\{|__)(?i:(?:redacted|masked|removed|anonymi[sz]ed|anonymisiert|pii|phi|"
    r"(?:first|last|full|user|given|family|patient|customer|doctor|hospital|street|company|your)?[_ -]?(?:name|person|patient|email|e-mail|mail|phone|tel(?:ephone)?|address|adresse|"
    r"city|zip|postcode|location|date|dob|birth|age|ssn|iban|credit[_ -]?card|card|account|id|ip|url|org|organi[sz]ation|user|username|password|token|secret|nrp|misc|loc|per|vorname|nachname|nom|prenom|nombre|nome|naam))"
    r"(?:[_ -](?:address|number|nr|no|time|code|name|of[_ -]birth))?(?:[_ :#-]?\d{1,4})?)(?:>>?|\]|\}|%|__)"
    r"|\b[xX*#]{2,}[xX*#@.\- ]{2,}[xX*#]{2,}|\*{4,}|█{2,}|\[\*\*[^*\]]{1,60}\*\*\]"
)
"""RE2: places where something was masked or will be filled in: <EMAIL>, [PERSON_1], {{ name }}, XXX-XX-XXXX, [**Name**]."""

_MARKS = lazy.pattern(MARKS.replace("(?i:(?:redacted", "(?i:(?:redacted", 1))


def marked(text: str) -> bool:
    """Say whether something in the text is masked or is to be filled in."""
    markup = "</" in text  # then <email> is an element
    return any(not (markup and match.group().startswith("<")) for match in _MARKS.finditer(text))


def masked_share(texts: Iterable[str]) -> float:
    """Return the share of the texts, of 1, in which something is masked or is to be filled in."""
    answers = [marked(text) for text in texts]
    return round(sum(answers) / len(answers), 3) if answers else 0.0


# --- Places in a text


def spans(text: str, reader: Reader | None = None, language: str | None = None) -> list[Span]:
    """Return the personal data in a text, in order and without overlap: numbers and addresses, and names with a ``reader``.

    Marks of what is masked are none. A pattern wins over a model; of two patterns the one with a check digit, then the longer.
    """
    return spans_of([text], reader, language)[0]


def spans_of(texts: Sequence[str], reader: Reader | None = None, language: str | None = None) -> list[list[Span]]:
    """Return the spans of each text. ``language``: of all of them; None: of each its own."""
    found = [[span for span in map(_span, hits) if span is not None] for hits in look.texts(texts)]
    if reader is not None:
        by_language: dict[str, list[int]] = {}
        for place, text in enumerate(texts):
            by_language.setdefault(language or languages.of(text), []).append(place)
        for spoken, places in sorted(by_language.items()):
            if spoken in reader.languages:
                read = reader.read([texts[place] for place in places], spoken)
                for place, mentions in zip(places, read, strict=True):
                    found[place] += [span for span in map(_named, mentions) if span is not None]
    return [_apart(text, row) for text, row in zip(texts, found, strict=True)]


def _span(hit: look.Hit) -> Span | None:
    if not hit.valid or hit.entity not in _taxonomy() or not (hit.grouped or hit.near or hit.whole):
        return None
    checked = _taxonomy()[hit.entity]["strength"] == "checksum"
    return Span(
        hit.entity,
        str(_taxonomy()[hit.entity]["category"]),
        hit.start,
        hit.end,
        "checksum" if checked else "pattern",
        1.0 if checked or hit.near else 0.8,
    )


def _named(mention: Mention) -> Span | None:
    if mention.entity not in ("PERSON", "LOCATION", "NRP"):
        return None
    category = str(_taxonomy()[mention.entity]["category"])
    return Span(mention.entity, category, mention.start, mention.end, "ner", round(mention.score, 2))


def _apart(text: str, found: Iterable[Span]) -> list[Span]:
    """Return the spans that overlap no stronger one, outside of marks."""
    order = {"checksum": 0, "pattern": 1, "ner": 2}
    taken: list[Span] = []
    marks = [match.span() for match in _MARKS.finditer(text)]
    for span in sorted(found, key=lambda one: (order[one.strength], one.start - one.end, one.start, one.entity)):
        free = all(span.end <= start or span.start >= end for start, end in marks)
        if free and all(span.end <= other.start or span.start >= other.end for other in taken):
            taken.append(span)
    return sorted(taken, key=lambda one: one.start)


def masked(text: str, reader: Reader | None = None) -> str:
    """Return the text with every span replaced by its type: <EMAIL_ADDRESS>. Not fit to be shown: what no detector knows stays."""
    parts, place = [], 0
    for span in spans(text, reader):
        parts += [text[place : span.start], f"<{span.entity}>"]
        place = span.end
    return "".join(parts) + text[place:]


PREVIEW = 60
"""Signs of a preview at most."""


def preview(text: str, reader: Reader | None = None) -> str:
    """Return the shape of a text that may be shown: types of spans, and of the rest words as x and numbers as 9, whatever their length."""
    shape = []
    for part in re.split(r"(<[A-Z_]+>)", masked(text[:2_000], reader)):
        if re.fullmatch(r"<[A-Z_]+>", part) and part[1:-1] in _taxonomy():
            shape.append(part)
        else:
            plain = re.sub(r"[^\W\d_]+", "x", re.sub(r"\d+", "9", part))
            shape.append(re.sub(r"[^x9 .,;:!?()]", "_", re.sub(r"\s+", " ", plain)))
    told_shape = re.sub(r"(?:\b(?:x|9)\b[ _]?){4,}", "x x … ", re.sub(r"_+", "_", "".join(shape)))
    return told_shape if len(told_shape) <= PREVIEW else told_shape[: PREVIEW - 1] + "…"


# --- A column of prose


@dataclass(frozen=True, slots=True)
class Column:
    """What the distinct texts of a column of prose show. ``spoken`` has (language, share of 1, whether names were looked for)."""

    fields: tuple[Field, ...] = ()
    spoken: tuple[tuple[str, float, bool], ...] = ()
    masked: float = 0.0
    skipped: int = 0  # texts that the libraries left out
    texts: int = 0  # distinct ones that were looked at


def look_at(
    name: str, texts: Sequence[str], reader: Reader | None, line: int = 1, column: int = 1, counted: Told | None = None
) -> Column:
    """Return what a column of prose shows: facts told, persons named by a language model, its languages, what is masked.

    ``texts`` are distinct ones, a sample that does not depend on the order of rows. ``counted`` has the facts told by every row;
    without it they are counted in the sample, and the fields say so.
    """
    if counted is None:
        import pyarrow as pa

        counted = Told()
        counted.add(pa.array(texts, pa.large_string()))
        fields = told_fields(counted, name, line, column, sampled=True)
    else:
        fields = told_fields(counted, name, line, column)
    mix = languages.mix(texts)
    looked = reader.languages if reader is not None else frozenset()
    before = reader.skipped if reader is not None else 0
    if reader is not None:
        fields += _names(name, texts, [spoken for spoken, _ in mix if spoken in looked], reader, line, column)
    return Column(
        tuple(fields),
        tuple((spoken, share, spoken in looked) for spoken, share in mix),
        masked_share(texts),
        reader.skipped - before if reader is not None else 0,
        len(texts),
    )


def _names(
    name: str, texts: Sequence[str], spoken: Sequence[str], reader: Reader, line: int, column: int
) -> list[Field]:
    """Return a field for persons, and one for groups that people belong to, when at least two distinct ones are named."""
    told_apart = ((text, languages.of(text)) for text in texts)
    chosen = list(islice((pair for pair in told_apart if pair[1] in spoken), entities.MAX_TEXTS))
    if not chosen:
        return []
    found: dict[str, list[tuple[str, Mention]]] = {"PERSON": [], "NRP": [], "AGE": []}
    hits = dict.fromkeys(found, 0)
    for language in sorted(set(spoken)):
        read = [text for text, its in chosen if its == language]
        for text, mentions in zip(read, reader.read(read, language), strict=True):
            persons = any(mention.entity == "PERSON" for mention in mentions)
            for entity in found:
                mine = [(text, mention) for mention in mentions if mention.entity == entity]
                if mine and (persons or entity == "PERSON"):
                    hits[entity] += 1
                    found[entity] += mine
    fields = []
    for entity, mentions_ in found.items():
        if len(entities.distinct(mentions_)) > 1:
            kind = _KINDS.get(entity) or _taxonomy()[entity]
            fields.append(
                Field(
                    name, kind["category"], kind["dpv"], kind["class"], "low", "ner", hits[entity], len(chosen), (f"ner:{entity}",), line, column,
                    sampled=True, free_text=True,
                )
            )  # fmt: skip
    return fields


_KINDS: dict[str, dict[str, Any]] = {"AGE": {"category": "user.demographic.age_range", "dpv": "Age", "class": "personal"}}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Said:
    """What the columns of prose of one table show, ready for its fact: see ``facts.Dataset``."""

    fields: tuple[Field, ...] = ()
    languages: tuple[tuple[str, float, bool], ...] = ()
    masked: float = 0.0
    gaps: tuple[Gap, ...] = ()


def said(
    path: str, profiles: Sequence[Profile], settings: Mapping[str, Any], root: Path | None = None, names: bool = True
) -> Said:
    """Return what a table's columns of prose show. Without ``names`` no language model is asked, and nothing is said of that."""
    texts = [
        profile
        for profile in profiles
        if profile.cells and profile.free_text and not profile.name.startswith("(footer")
    ]
    if not texts:
        return Said()
    wanted = entities.choice(settings) if names else Choice("off")
    chosen = entities.models(wanted, root)
    reader = _reader(wanted, tuple(chosen.by_language.values())) if chosen else None
    columns = [
        look_at(
            profile.name, profile.sample.values(), reader, profile.line, profile.column, getattr(profile, "told", None)
        )
        for profile in texts
    ]
    return Said(
        tuple(found for column in columns for found in column.fields),
        merged_languages(columns),
        max(column.masked for column in columns),
        tuple(gaps(path, columns, wanted, chosen)),
    )


@lru_cache(maxsize=2)
def _reader(wanted: Choice, chosen: tuple[Model, ...]) -> Reader:
    """Return the reader of a run, which keeps the models that it has loaded."""
    return Reader(wanted, Models({model.language: model for model in chosen}))


def gaps(path: str, columns: Sequence[Column], wanted: Choice, chosen: Models) -> Iterator[Gap]:
    """Yield at most one gap for a file with columns of prose, and one when texts were skipped.

    Without any model, and without one being required, nobody asked for names, and the fact says that none were looked for.
    """
    if wanted.use == "off" or not columns:
        return
    skipped = sum(column.skipped for column in columns)
    if skipped:
        yield Gap(
            "dataset",
            path,
            "timeout",
            f"{skipped} texts were left out by the language model",
            "raise limits.timeout and run again",
        )
    if chosen.troubles:
        yield Gap("dataset", path, "missing", f"names in free text: {'; '.join(chosen.troubles)}", HINT)
    elif wanted.use == "required" and not chosen:
        yield Gap("dataset", path, "missing", "names in free text were not looked for: no language model is installed", "pip install 'mlguard[ner]'")  # fmt: skip
    elif missing := _missing(columns, 0.02 if wanted.use == "required" else SHARE_OF_GAP) if chosen else "":
        yield Gap(
            "dataset",
            path,
            "missing",
            f"names were not looked for in text in {missing}: no language model is installed",
            HINT,
        )


HINT = f"install a spaCy model of that language (python -m spacy download de_core_news_sm), or name a folder in {entities.FOLDERS}"


def _missing(columns: Sequence[Column], least: float) -> str:
    """Return the languages of columns that no model reads: "de (40 %) and fr (12 %)", each with its largest share."""
    shares: dict[str, float] = {}
    for column in columns:
        for language, share, looked in column.spoken:
            if not looked and share > least and share * column.texts >= TEXTS_OF_GAP:
                shares[language] = max(share, shares.get(language, 0.0))
    told_shares = [
        f"{language} ({round(100 * share)} %)"
        for language, share in sorted(shares.items(), key=lambda i: (-i[1], i[0]))
    ]
    return " and ".join(filter(None, [", ".join(told_shares[:-1]), *told_shares[-1:]]))


def merged_languages(columns: Sequence[Column]) -> tuple[tuple[str, float, bool], ...]:
    """Return the languages of a dataset: for each the largest share that it has in a column, for the fact."""
    shares: dict[str, tuple[float, bool]] = {}
    for column in columns:
        for language, share, looked in column.spoken:
            before = shares.get(language, (0.0, True))
            shares[language] = (max(share, before[0]), looked and before[1])
    ranked = sorted(shares.items(), key=lambda item: (-item[1][0], item[0]))
    return tuple((language, share, looked) for language, (share, looked) in ranked)
