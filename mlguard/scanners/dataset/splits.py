"""Looks for the same person, or the same row, in several splits of one dataset: training, validation, test.

Files of different splits are read together by one worker. Cells become 64-bit numbers that live only in its memory while the group is
read: they are not handed to another process, written or shown, so their key need not be secret, and a fixed one makes every run tell the
same. Only counts leave.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np

from mlguard.artifacts import Artifact
from mlguard.errors import Unreadable
from mlguard.facts import Overlap
from mlguard.findings import Gap, Record
from mlguard.scanners import Context
from mlguard.scanners.dataset import hashing, risk, terms
from mlguard.scanners.dataset.anonymity import KEY, Index
from mlguard.scanners.dataset.split_names import Split, split_of

MOST = 2**20
"""Different keys of one split and column that are compared exactly (about 20 MB). Of more, the same fair part of both sides is compared."""

MAX_BATCHES = 4096
"""Batches of one file that are read."""

_SPLIT_COLUMNS = frozenset(["split", "subset", "fold", "partition", "set", "dataset", "usage"])
_IDENTITY = (
    "user.contact.email", "user.contact.phone", "user.government_id", "user.financial", "user.health_and_medical.record_id",
    "user.health_and_medical.insurance_beneficiary_id", "user.account", "user.unique_id", "user.device",
)  # fmt: skip
"""Categories of which one value stands for one person. A name does not: two persons may share one."""

_KEYS = frozenset(
    ["patient id", "subject id", "person id", "customer id", "user id", "client id", "member id", "participant id", "student id", "employee id",
     "patientid", "subjectid", "personid", "customerid", "userid", "clientid", "memberid", "respondent id", "speaker id", "author id", "mrn",
     "patient", "subject", "speaker", "patient key", "customer key", "person key", "user key", "kunden id", "patienten id", "kundennummer", "subject key"]
)  # fmt: skip
"""Names of columns that number persons, as their tokens."""


@dataclass(slots=True)
class Keys:
    """The different keys of one split, as numbers, and how many rows have each."""

    split: Split
    path: str
    shown: tuple[str, ...] = ()
    index: Index = field(default_factory=Index)
    level: int = 0
    rows: int = 0
    low: int = 2**63
    high: int = -1

    def add(self, numbers: hashing.Hashes) -> None:
        """Count the keys of some rows."""
        self.rows += len(numbers)
        if self.level:
            numbers = numbers[numbers < np.uint64(2 ** (64 - self.level))]
        distinct, counts = np.unique(numbers, return_counts=True)
        self.index.add(distinct, counts)
        while len(self.index) > MOST and self.level < 63:
            self.narrow(self.level + 1)

    def narrow(self, level: int) -> None:
        """Keep only the part of the keys that belongs to a level."""
        if level > self.level:
            self.level = level
            self.index.keep(np.uint64(2 ** (64 - level)))

    def reach(self, column: Any) -> None:
        """Remember the least and the greatest of whole numbers, so that numbers of rows can be told from numbers of persons."""
        low, high = _ends(column)
        self.low, self.high = min(self.low, low), max(self.high, high)

    def counts_rows(self) -> bool:
        """Say whether the keys are the numbers from 0 or 1 to the number of rows."""
        return self.low in (0, 1) and self.high - self.low + 1 == self.rows == len(self.index) << self.level


def _ends(column: Any) -> tuple[int, int]:
    """Return the least and the greatest value of a column of whole numbers, else what no count of rows can be."""
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        whole = column if pa.types.is_integer(column.type) else column.cast(pa.int64())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return -1, 2**63
    ends = pc.min_max(whole).as_py()
    return (2**63, -1) if ends["min"] is None else (ends["min"], ends["max"])


def scan(
    group: Sequence[Artifact], context: Context, wanted: Mapping[str, Mapping[str, Any]] | None = None
) -> Iterator[Record]:
    """Yield an Overlap for each two splits of a group, by each column that names a person or else by whole rows.

    ``wanted`` gives, by path, the ``identifiers`` that the declaration names (roles direct_identifier and pseudonym).
    """
    missed: list[Gap] = []
    yield from overlaps(group, lambda artifact: _batches(artifact, context, missed), wanted)
    yield from missed


def _batches(artifact: Artifact, context: Context, missed: list[Gap]) -> Iterator[Any]:
    from mlguard.scanners.dataset import formats, source

    read = 0
    try:
        for table in formats.tables(source.of_file(context, artifact.path)):
            for batch in () if table.prose else table.batches:
                read += 1
                if read > MAX_BATCHES:
                    missed.append(
                        Gap(
                            "dataset", artifact.path, "sampled", "only its beginning was compared with the other splits"
                        )
                    )
                    return
                yield batch
    except Unreadable:  # why, the scan of the file itself tells
        missed.append(
            Gap("dataset", artifact.path, "unresolved", "not compared with the other splits of its dataset to its end")
        )


Read = Callable[[Artifact], Iterable[Any]]
"""Yields the batches of the tables of one file."""


def overlaps(
    group: Sequence[Artifact], read: Read, wanted: Mapping[str, Mapping[str, Any]] | None = None
) -> Iterator[Overlap]:
    """Yield what the splits of a group have in common."""
    keys, personal = _read(group, read, wanted or {}, KEY)
    told: set[tuple[Split, Split]] = set()
    for column in sorted({name for _, name in keys}, key=lambda name: (name == "", name)):
        there = sorted((split for split, name in keys if name == column), key=_ORDER.index)
        for one, other in combinations(there, 2):
            left, right = keys[one, column], keys[other, column]
            if column and left.counts_rows() and right.counts_rows() or not column and (one, other) in told:
                continue  # numbers of rows; or the same persons are told already
            fact = _shared(right, left, personal)
            if fact.shared and column:
                told.add((one, other))
            yield fact


_ORDER: list[Split] = ["train", "valid", "eval", "test", "holdout"]
_TOGETHER = "+"
"""Stands for the key of a name and a date of birth."""


def _read(
    group: Sequence[Artifact], read: Read, wanted: Mapping[str, Mapping[str, Any]], key: int
) -> tuple[dict[tuple[Split, str], Keys], bool]:
    """Return the keys of each split by each column that names persons and by whole rows (""), and whether it is about persons."""
    found: dict[tuple[Split, str], Keys] = {}
    personal = False
    for artifact in group:
        split = split_of(artifact.path)[0]
        declared = {_plain(name) for name in (wanted.get(artifact.path) or {}).get("identifiers") or ()}
        roles: Roles | None = None
        for raw in read(artifact):
            batch = risk.flat(raw)
            if roles is None or not set(batch.schema.names) <= roles.seen:
                roles = roles_of(batch, declared)
                personal = personal or roles.personal
            for name, shown, numbers, column in _numbers(batch, roles, key):
                keys = found.setdefault((split, name), Keys(split, artifact.path, shown))
                keys.add(numbers)
                if column is not None:
                    keys.reach(column)
    return found, personal


# --- Columns


@dataclass(frozen=True, slots=True)
class Roles:
    """What the columns of a table are, by their label: which name a person, and which name and birth date together do."""

    identity: frozenset[str]
    together: tuple[str, ...]
    personal: bool
    seen: frozenset[str]


def roles_of(batch: Any, declared: Iterable[str] = ()) -> Roles:
    """Return the roles of the columns, by their names and whether the first cells fit those, and by what is declared."""
    named = {column: category for column in dict.fromkeys(batch.schema.names) if (category := _category(batch, column))}
    wanted = set(declared)
    identity = {
        column for column in batch.schema.names if _plain(column) in wanted or " ".join(terms.tokens(column)) in _KEYS
    }
    identity |= {column for column, category in named.items() if category.startswith(_IDENTITY)}
    births = [column for column, category in named.items() if category == "user.demographic.date_of_birth"]
    people = [column for column, category in named.items() if category.startswith("user.name")]
    together = (*people, *births) if births and people and not identity else ()
    return Roles(frozenset(identity), together, bool(identity or people or births), frozenset(batch.schema.names))


def _category(batch: Any, name: str) -> str:
    """Return the category that the name of a column names and its first cells fit, else ""."""
    term = terms.term_of(name)
    if term is None:
        return ""
    cells = [
        str(cell)
        for cell in batch.column(batch.schema.names.index(name)).slice(0, LOOK).to_pylist()
        if cell not in (None, "")
    ]
    if not cells or sum(map(term.fits, cells)) * 10 < 8 * len(cells):
        return ""
    return term.category


LOOK = 200
"""Cells of a column that are held against what its name says."""


def _plain(name: str) -> str:
    return "".join(terms.tokens(name))


def _numbers(batch: Any, roles: Roles, key: int) -> Iterator[tuple[str, tuple[str, ...], hashing.Hashes, Any]]:
    """Yield (name, columns as shown, number of each row that has a value, the column), and under "" the numbers of whole rows."""
    if not batch.num_rows:
        return
    missing = hashing.hashed_missing(key)
    whole: dict[str, hashing.Hashes] = {}
    for place, (name, column) in enumerate(zip(batch.schema.names, batch.columns, strict=True), 1):
        codes, numbers, _ = hashing.encoded(column if str(column.type) != "null" else column.cast("string"), key)
        cells = numbers[codes]
        if name in roles.identity:
            yield _plain(name) or name, (terms.shown(name, place),), cells[cells != missing], column
        if _plain(name) not in _SPLIT_COLUMNS | _COUNTERS:
            whole[name] = cells
    if len(roles.together) > 1 and set(roles.together) <= set(whole):
        yield (
            _TOGETHER,
            tuple(terms.shown(name, batch.schema.names.index(name) + 1) for name in roles.together),
            *_joined(whole, roles.together, missing),
            None,
        )
    if len(whole) > 1:
        yield "", (), *_joined(whole, sorted(whole), missing), None  # the order of columns may differ between files


_COUNTERS = frozenset(["", "index", "unnamed0", "unnamed", "rowid", "row", "idx", "level0"])
"""Columns that number the rows of one file: they differ where the rest of two rows is the same."""


def _joined(cells: Mapping[str, hashing.Hashes], names: Sequence[str], missing: np.uint64) -> tuple[hashing.Hashes]:
    """Return one number for each row in which at least two of the columns have a value."""
    rows = np.zeros(len(cells[names[0]]), np.uint64)
    filled = np.zeros(len(rows), np.int64)
    for name in names:
        rows = hashing.joined(rows, cells[name])
        filled += cells[name] != missing
    return (rows[filled > 1],)


def _shared(one: Keys, other: Keys, personal: bool) -> Overlap:
    """Return what of ``one`` is also in ``other``."""
    level = max(one.level, other.level)
    one.narrow(level)
    other.narrow(level)
    _, here, _ = np.intersect1d(one.index.keys, other.index.keys, assume_unique=True, return_indices=True)
    counts = one.index.sorted_counts()
    times = 2**level
    return Overlap(
        one.path, other.path, one.split, other.split, one.shown, len(one.index) * times, len(here) * times,
        int(counts[here].sum()) * times, int(counts[counts > 1].sum()) * times, one.rows, 1 / times, personal,
    )  # fmt: skip
