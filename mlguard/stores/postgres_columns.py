"""What to ask for each column of a table, by its type: texts, numbers and bytes that every reader knows, cut at a bound.

No function, cast or operator of the database itself is called: texts of types that it defines come from ``format``, which uses
the type's output function, and names are looked for in pg_catalog alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

MAX_CELL = 2**20
"""What is read of one cell, in characters, or bytes of a binary one. Longer ones are cut, and their rows are counted."""

MAX_ELEMENTS = 100_000
"""Elements of an array."""

MAX_NESTING = 4
"""Levels of a composite type that become columns of their own."""

NUMBERS = frozenset({"int2", "int4", "int8", "float4", "float8"})
TEXTS = frozenset({"text", "varchar", "bpchar", "char", "name"})
IMPOSSIBLE = frozenset(
    {
        "bool", "bit", "varbit", "oid", "xid", "xid8", "cid", "tid", "pg_lsn", "txid_snapshot", "pg_snapshot", "regclass", "regtype",
        "regproc", "regprocedure", "regoper", "regoperator", "regnamespace", "regrole", "regconfig", "regdictionary", "regcollation",
        "vector", "halfvec", "sparsevec",
    }
)  # fmt: skip
"""Types without room for personal data: truths, numbers of the server's own, embeddings."""


@dataclass(slots=True)
class Plan:
    """The query of one table: an expression for each label."""

    labels: list[str] = field(default_factory=list)
    expressions: list[str] = field(default_factory=list)
    denied: int = 0  # columns that this user may not read
    dropped: int = 0  # columns that cannot hold personal data
    nested: list[int] = field(default_factory=list)  # which of the labels are documents of JSON
    comments: list[str] = field(default_factory=list)
    fallbacks: list[str] = field(default_factory=list)


Ask = tuple[str, str, bool]
"""One column: its label, what to select, and whether that is a document of JSON."""


def plan(columns: Sequence[Mapping[str, Any]], types: Sequence[Mapping[str, Any]]) -> Plan:
    """Return the query's parts for the columns as the catalog lists them, in their order."""
    known = {entry["id"]: entry for entry in types}
    made = Plan()
    asks: list[Ask] = []
    for column in columns:
        made.comments += [column["comment"]] if column["comment"] else []
        made.fallbacks += [column["fallback"]] if column["fallback"] else []
        if not column["allowed"]:
            made.denied += 1
            continue
        found = list(_asks(column["name"], f't."{_inner(column["name"])}"', column["type"], known, 0))
        made.dropped += not found
        asks += found
    made.labels = [label for label, _, _ in asks]
    made.expressions = [f"{select} AS c{index}" for index, (_, select, _) in enumerate(asks)]
    made.nested = [index for index, (_, _, nested) in enumerate(asks) if nested]
    return made


def _inner(name: str) -> str:
    return name.replace('"', '""')


def _asks(label: str, value: str, type_id: int, known: Mapping[int, Mapping[str, Any]], depth: int) -> Iterator[Ask]:
    kind = known.get(type_id)
    for _ in range(8):  # a domain over a domain
        if kind is None or kind["form"] != "d":
            break
        kind = known.get(kind["base"])
    if kind is None:
        yield _formatted(label, value)
    elif kind["form"] == "c" and depth < MAX_NESTING and kind["fields"]:
        for name, inner in zip(kind["fields"], kind["field_types"], strict=True):
            yield from _asks(f"{label}.{name}", f'({value})."{_inner(name)}"', inner, known, depth + 1)
    elif kind["category"] == "A":
        yield from _array(label, value, known.get(kind["element"]))
    elif kind["name"] in IMPOSSIBLE:
        return
    elif kind["builtin"] and kind["form"] == "b":
        yield _builtin(label, value, kind["name"])
    else:
        yield _formatted(label, value)


def _builtin(label: str, value: str, name: str) -> Ask:
    if name in NUMBERS:
        return label, f"({value})::pg_catalog.{name}", False
    if name in ("date", "timestamp", "timestamptz"):  # infinity, and years that no reader's calendar has, are no one's
        held = f"({value})::pg_catalog.{name}"
        possible = f"pg_catalog.isfinite({held}) AND pg_catalog.date_part('year', {held}) BETWEEN 1 AND 9999"
        return label, f"CASE WHEN {possible} THEN {held} END", False
    if name == "bytea":
        return label, f"pg_catalog.substr(({value})::pg_catalog.bytea, 1, {MAX_CELL + 1})", False
    return label, f"pg_catalog.left(({value})::pg_catalog.text, {MAX_CELL + 1})", name in ("json", "jsonb")


def _array(label: str, value: str, element: Mapping[str, Any] | None) -> Iterator[Ask]:
    """Ask for the elements of an array as a list, whatever its dimensions."""
    if element is not None and element["name"] in IMPOSSIBLE:
        return
    text = f"pg_catalog.left(pg_catalog.format('%s', x), {MAX_CELL + 1})"
    listed = f"ARRAY(SELECT {text} FROM pg_catalog.unnest({value}) AS x LIMIT {MAX_ELEMENTS + 1})"
    yield label, f"CASE WHEN {value} IS NULL THEN NULL ELSE {listed} END", False


def _formatted(label: str, value: str) -> Ask:
    text = f"pg_catalog.format('%s', {value})"
    return label, f"CASE WHEN {value} IS NULL THEN NULL ELSE pg_catalog.left({text}, {MAX_CELL + 1}) END", False
