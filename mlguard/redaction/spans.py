"""Finds personal data inside longer texts, with its place, and changes that alone."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from mlguard.redaction import people
from mlguard.redaction.operators import Applied, by_prefix
from mlguard.redaction.tokens import TOKEN
from mlguard.scanners.dataset import look, verdict


@dataclass(frozen=True, slots=True)
class Span:
    """A place in a text, from ``start`` to before ``end``."""

    start: int
    end: int
    entity: str
    category: str


def category_of(entity: str) -> str:
    """Return the category of an entity, "" when it has none."""
    return str(verdict.taxonomy().get(entity, {}).get("category") or "")


def find_all(texts: Sequence[str], wanted: Collection[str] = ()) -> list[list[Span]]:
    """Return the places of personal data in each text, without overlap, in order.

    A bare number counts after a word for it, or when its category is one of ``wanted``.
    """
    return [
        _merged(_outside_tokens(text, _places(hits, wanted)))
        for text, hits in zip(texts, look.texts(texts), strict=True)
    ]


def _places(hits: Sequence[look.Hit], wanted: Collection[str]) -> Iterator[Span]:
    for hit in hits:
        category = category_of(hit.entity)
        asked = category in wanted
        if hit.valid and (hit.grouped or hit.near or asked) or hit.reserved and asked and hit.entity == "IP_ADDRESS":
            yield Span(hit.start, hit.end, hit.entity, category)


def find(text: str, wanted: Collection[str] = ()) -> list[Span]:
    """Return the places in one text."""
    return find_all([text], wanted)[0]


def _outside_tokens(text: str, spans: Iterable[Span]) -> Iterable[Span]:
    """Leave out what lies in an encrypted value, whose letters and digits are nobody's."""
    taken = [match.span() for match in TOKEN.finditer(text)] if "mlg1" in text else []
    return [span for span in spans if not any(a < span.end and span.start < b for a, b in taken)]


def _merged(spans: Iterable[Span]) -> list[Span]:
    """Join spans that overlap into one, under the entity of the longest, as Presidio resolves conflicts."""
    found: list[Span] = []
    for span in sorted(spans, key=lambda span: (span.start, -span.end, span.entity)):
        if found and span.start < found[-1].end:
            last = found[-1]
            best = max(last, span, key=lambda one: one.end - one.start)
            found[-1] = Span(last.start, max(last.end, span.end), best.entity, best.category)
        else:
            found.append(span)
    return found


@dataclass(slots=True)
class TextChange:
    """Changes the personal data inside cells. ``operators`` go by category; what has none takes that of ``otherwise``."""

    operators: Mapping[str, Applied]
    otherwise: Applied
    with_names: bool = False
    counts: dict[str, int] = field(default_factory=dict)
    _made: dict[str, Applied] = field(default_factory=dict)

    def each(self, values: Sequence[str]) -> list[str]:
        """Return the cells with what was found in them changed; the others are the same objects."""
        distinct = list(dict.fromkeys(values))
        named = people.mentions(distinct) if self.with_names else [[] for _ in distinct]
        known = {
            text: self._changed(text, _merged([*spans, *(Span(a, b, "PERSON", "user.name") for a, b in names)]))
            for text, spans, names in zip(distinct, find_all(distinct, self.operators), named, strict=True)
        }
        return [known[value] for value in values]

    def _changed(self, text: str, spans: Sequence[Span]) -> str:
        if not spans:
            return text
        parts, place = [], 0
        for span in spans:
            applied = self._for(span)
            if applied.operator.name == "keep":
                continue
            self.counts[span.category] = self.counts.get(span.category, 0) + 1
            parts += [text[place : span.start], applied.values([text[span.start : span.end]])[0]]
            place = span.end
        return "".join([*parts, text[place:]])

    def _for(self, span: Span) -> Applied:
        known = self._made.get(span.entity)
        if known is None:
            chosen = self.for_category(span.category)
            known = self._made[span.entity] = Applied(chosen.operator, span.category, chosen.key, span.entity)
        return known

    def for_category(self, category: str) -> Applied:
        """Return what is done to a category."""
        name = by_prefix({name: name for name in self.operators}, category)
        return self.operators[name] if name is not None else self.otherwise

    def left(self, texts: Sequence[str]) -> Iterator[tuple[str, str]]:
        """Yield (text, category) of what is still found in cells that were changed, without what an operator is meant to leave."""
        for text, spans in zip(texts, find_all(texts, self.operators), strict=True):
            for category in sorted({span.category for span in spans if not self._for(span).shows_form}):
                yield text, category
