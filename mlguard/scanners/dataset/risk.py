"""Watches a table while it is read: how well its rows hide, and whether its pseudonyms hold."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from mlguard import lazy
from mlguard.errors import Unreadable
from mlguard.facts import Anonymity, Diversity, Field, Pseudonym
from mlguard.scanners.dataset import hashing, pseudonyms, terms
from mlguard.scanners.dataset.anonymity import KEY, Classes
from mlguard.scanners.dataset.anonymity import Anonymity as Figures
from mlguard.scanners.dataset.rows import Rows
from mlguard.scanners.dataset.source import Source

MAX_QUASI = 4
"""Columns of a set of quasi-identifiers that is found rather than declared: more single out anybody and say little."""

MAX_CANDIDATES = 12
"""Columns that the search tries."""

FEW_VALUES = 1000
"""Different values of a column of no known category up to which it is tried."""

QUASI = frozenset(
    {
        "user.demographic", "user.demographic.date_of_birth", "user.demographic.gender", "user.demographic.age_range",
        "user.demographic.marital_status", "user.demographic.race_ethnicity", "user.demographic.language",
        "user.demographic.religious_belief", "user.demographic.profession", "user.demographic.education",
        "user.contact.address.postal_code", "user.contact.address.city", "user.contact.address.state",
        "user.contact.address.country", "user.job_title", "user.location.imprecise", "user.childrens",
    }
)  # fmt: skip
"""Categories that others know of a person and that do not name one."""

_SENSITIVE = ("special", "criminal")
_CLAIMS = (
    (
        "anonymous",
        lazy.pattern(r"(?i)(?<![a-z])(?:anon|anonymi[sz]ed|anonymous|anonymi?siert|anonymis[ée]e?s?)(?![a-z])"),
    ),
    (
        "pseudonymised",
        lazy.pattern(r"(?i)(?<![a-z])(?:pseudo|pseudonymi[sz]ed|de-?identified|deid|pseudonymisiert)(?![a-z])"),
    ),
)
_NOT_TRIED = frozenset(
    {"label", "target", "split", "fold", "class", "y", "weight", "score", "prediction", "year", "month", "day"}
)

Again = Callable[[], Iterable[Any]]
"""Returns the batches of the table once more."""


def claimed(path: str) -> str:
    """Return what the name of a file says of its data: "anonymous", "pseudonymised" or ""."""
    name = path.rsplit("/", 1)[-1].rsplit(".", 1)[0].replace("_", " ")
    return next((claim for claim, pattern in _CLAIMS if pattern.search(name)), "")


def matching(declared: Iterable[str], columns: Sequence[str]) -> dict[str, str]:
    """Return the column that each declared field stands for, with or without case, spaces and separators."""
    plain = {"".join(terms.tokens(column)): column for column in reversed(columns)}
    found = {}
    for name in declared:
        column = name if name in columns else plain.get("".join(terms.tokens(name)) or "\0")
        if column is not None:
            found[name] = column
    return found


class Watch:
    """Sees each batch of one table, and says at the end what follows.

    ``wanted`` is what the declaration says of the file: ``quasi`` and ``sensitive`` (names of fields), ``claim``, ``k_min``. Without
    declared quasi-identifiers they are told by the names of columns, and where the data is claimed to be anonymous or has a limit they
    are searched for in a sample, and then counted in all rows when the table can be read again.
    """

    def __init__(self, path: str, wanted: Mapping[str, Any] | None = None, within: str = "") -> None:
        self.path, self.within, self.wanted = path, within, wanted or {}
        self.claim = str(self.wanted.get("claim") or claimed(path))
        self.declared = False
        self.columns: list[str] = []
        self.classes: Classes | None = None
        self.rows: Rows | None = None
        self.coded: list[str] = []
        self._begun = False

    def add(self, batch: Any) -> None:
        """Look at a ``pyarrow.RecordBatch``."""
        batch = flat(batch)
        self.begin(batch)
        if len(batch.schema.names) > len(self.columns):
            self.columns += [name for name in batch.schema.names if name not in self.columns]
        if self.classes is not None:
            self.classes.add(batch)
        if self.rows is not None:
            self.rows.add(batch)

    def begin(self, batch: Any) -> None:
        """Decide by the first batch of the whole table what is to be watched. Later ones change nothing."""
        if not self._begun and batch.num_rows:
            self._begun = True
            self._begin(flat(batch))

    def _begin(self, batch: Any) -> None:
        self.columns = list(dict.fromkeys(batch.schema.names))
        found = matching(self.wanted.get("quasi") or (), self.columns)
        quasi, sensitive = list(dict.fromkeys(found.values())), []
        self.declared = bool(quasi)
        for column in self.columns:
            term = terms.term_of(column)
            if term is not None and not self.declared and term.category in QUASI and term.group != "direct":
                quasi.append(column)
            elif term is not None and term.gdpr_class in _SENSITIVE and term.group != "direct":
                sensitive.append(column)
        declared = matching(self.wanted.get("sensitive") or (), self.columns).values()
        sensitive = list(dict.fromkeys([*declared, *(name for name in sensitive if name not in quasi)]))
        if self.declared or len(quasi) > 1:
            self.classes = Classes(quasi, sensitive[:8])
        self.coded = pseudonyms.coded(batch)
        if self.coded or self._searches():
            self.rows = Rows()

    def _searches(self) -> bool:
        return not self.declared and bool(self.claim in ("anonymous", "pseudonymised") or self.wanted.get("k_min"))

    def records(self, fields: Sequence[Field], again: Again | None = None) -> Iterator[Anonymity | Pseudonym]:
        """Yield the facts; ``fields`` are the verdicts on the columns, by the names that are shown."""
        sample = self.rows.table() if self.rows is not None else None
        yield from self._anonymity(fields, sample, again)
        if self.coded and sample is not None:
            for fact in pseudonyms.recomputed(sample, self.coded, listed=bool(self.claim or fields)):
                yield Pseudonym(
                    self.path, self._shown(fact.column), fact.method, self._source(fact), fact.found, fact.of, self.within, self.claim,
                    position=self._position(fact.column), same_table=fact.source in self.columns,
                )  # fmt: skip

    def _source(self, fact: pseudonyms.Recomputed) -> str:
        return f"the column {self._shown(fact.source)}" if fact.source in self.columns else fact.source

    def _position(self, column: str) -> int:
        return self.columns.index(column) + 1 if column in self.columns else 1

    def _shown(self, column: str) -> str:
        return terms.shown(column, self._position(column))

    def _anonymity(self, fields: Sequence[Field], sample: Any, again: Again | None) -> Iterator[Anonymity]:
        if self.declared and self.classes is not None:
            yield self._fact(self.classes.result())
            return
        by_name = {terms.shown(column, place): column for place, column in enumerate(self.columns, 1)}
        seen = [by_name[field.name] for field in fields if field.name in by_name and field.category in QUASI]
        if self._searches() and sample is not None:
            direct = {by_name[field.name] for field in fields if field.name in by_name and field.category not in QUASI}
            chosen = search(sample, list(dict.fromkeys(seen)), direct)
        else:
            chosen = tuple(column for column in self.columns if column in seen)
        if not chosen or len(chosen) < 2 and not self._searches():
            return
        yield from self._counted(chosen, sample, again)

    def _counted(self, chosen: tuple[str, ...], sample: Any, again: Again | None) -> Iterator[Anonymity]:
        """Yield the figures of found columns: counted on the way, in a second reading, or in the sample."""
        if self.classes is not None and set(chosen) == set(self.classes.columns):
            yield self._fact(self.classes.result())
            return
        sensitive = self.classes.names if self.classes is not None else ()
        if again is not None and (classes := _recounted(chosen, sensitive, again)) is not None:
            yield self._fact(classes.result())
        elif sample is not None:
            classes = Classes(chosen, sensitive)
            for batch in sample.to_batches():
                classes.add(batch)
            whole = self.rows is None or self.rows.rows <= sample.num_rows
            yield self._fact(classes.result(), 0 if whole else sample.num_rows)

    def _fact(self, figures: Figures, sampled: int = 0) -> Anonymity:
        k_min = int(self.wanted.get("k_min") or 0)
        return Anonymity(
            self.path, tuple(map(self._shown, figures.columns)), self.declared, figures.rows, figures.classes, figures.k, figures.unique,
            k_min, figures.below(k_min) if k_min else 0,
            tuple(
                Diversity(self._shown(part.column), part.distinct, part.entropy, part.t, part.alone, part.ordered, part.share)
                for part in figures.diversity
            ),
            tuple((self._shown(part.column), part.distinct, part.entropy) for part in figures.spread),
            figures.share, sampled, self.claim, self.within,
        )  # fmt: skip


def _recounted(columns: Sequence[str], sensitive: Sequence[str], again: Again) -> Classes | None:
    classes = Classes(columns, sensitive)
    try:
        for batch in again():
            classes.add(flat(batch))
    except Unreadable:  # it was read once: the file changed
        return None
    return classes


def batches(source: Source, kind: str, number: int) -> Iterator[Any]:
    """Yield the batches of one table of a source once more; ``number`` counts its tables from 0. Raises Unreadable."""
    from mlguard.scanners.dataset import formats

    for place, table in enumerate(formats.tables(source, kind)):
        if place == number:
            yield from table.batches
            return
        for _ in table.batches:
            pass


def flat(batch: Any) -> Any:
    """Return a batch whose structs are columns of their own, named as in a path (``address.city``), and whose texts are no views."""
    import pyarrow as pa

    for _ in range(8):
        if not any(pa.types.is_struct(kind) for kind in batch.schema.types):
            break
        table = pa.Table.from_batches([batch]).flatten()
        batch = table.to_batches()[0] if table.num_rows else pa.RecordBatch.from_pylist([], schema=table.schema)
    for place, kind in enumerate(batch.schema.types):  # few functions of Arrow take views
        if pa.types.is_string_view(kind) or pa.types.is_binary_view(kind):
            wide = pa.large_string() if pa.types.is_string_view(kind) else pa.large_binary()
            batch = batch.set_column(place, batch.schema.names[place], batch.column(place).cast(wide))
    return batch


# --- Columns that single out together


def search(sample: Any, known: Sequence[str], never: Iterable[str]) -> tuple[str, ...]:
    """Return the few columns that single out most rows of the sample together, in the order of the table; () when none is known.

    Greedy: the best column, then the one that helps it most. Columns of a known category first; others of few values only join them.
    """
    numbers = {name: _numbers(sample, name) for name in sample.column_names if sample.column_names.count(name) == 1}
    first = [name for name in known if name in numbers][:MAX_CANDIDATES]
    if not first:
        return ()
    barred = {*known, *never}
    others = [name for name in numbers if name not in barred and _fit(sample, name, numbers[name])]
    chosen, combined = _greedy(first, numbers, [], np.zeros(sample.num_rows, np.uint64), MAX_QUASI)
    if len(chosen) < MAX_QUASI - 1:
        chosen, _ = _greedy(others[: MAX_CANDIDATES - len(first)], numbers, chosen, combined, MAX_QUASI - 1)
    return tuple(name for name in sample.column_names if name in chosen)


def _greedy(
    names: Sequence[str], numbers: Mapping[str, hashing.Hashes], chosen: list[str], combined: hashing.Hashes, most: int
) -> tuple[list[str], hashing.Hashes]:
    chosen, left = list(chosen), list(names)
    reached = _alone(combined)
    while left and len(chosen) < most:
        tried = {name: hashing.joined(combined, numbers[name]) for name in left}
        best = max(left, key=lambda name: (_alone(tried[name]), -left.index(name)))
        gained = _alone(tried[best])
        if chosen and gained[0] - reached[0] < len(combined) / 200 and gained[1] < reached[1] * 1.05:
            break
        chosen.append(best)
        left.remove(best)
        combined, reached = tried[best], gained
    return chosen, combined


def _alone(combined: hashing.Hashes) -> tuple[int, int]:
    """Return how many rows are alone in their class, and how many classes there are."""
    _, counts = np.unique(combined, return_counts=True)
    return int((counts == 1).sum()), len(counts)


def _numbers(sample: Any, name: str) -> hashing.Hashes:
    codes, numbers, _ = hashing.encoded(sample.column(name).combine_chunks(), KEY)
    return numbers[codes]


def _fit(sample: Any, name: str, numbers: hashing.Hashes) -> bool:
    """Say whether a column of no known category may be known of a person: few values, no measurement, no label."""
    import pyarrow as pa

    words = terms.tokens(name)
    kind = sample.schema.field(name).type
    if not words or _NOT_TRIED & set(words) or pa.types.is_nested(kind) or pa.types.is_floating(kind) or "id" in words:
        return False
    distinct = len(np.unique(numbers))
    return 2 <= distinct <= min(FEW_VALUES, max(len(numbers) // 20, 2))
