"""Personal data that everybody may read: grants to PUBLIC, public buckets, and GRANT statements in files of SQL."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mlguard.facts import Dataset, Fact, Grant, Resource
from mlguard.findings import Detection, Location, Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mlguard.declarations import Declaration

RULE = "data/world-readable-personal-data"
READS = frozenset({"select", "read", "all"})
DEFAULTS = "default privileges"
TABLE = "sql.table"
"""Kind of the resource that stands for a table which a file of SQL creates."""

CLASSES = ("personal", "special", "pseudonymous")
"""Classes of the declaration whose data are of persons."""


def assess(facts: Sequence[Fact], declaration: Declaration | None) -> Iterator[Record]:
    """Yield a detection for each place where everybody is given what holds personal data."""
    datasets: dict[str, list[Dataset]] = {}
    for fact in facts:
        if isinstance(fact, Dataset) and fact.fields:
            datasets.setdefault(fact.path, []).append(fact)
    grants = [
        fact for fact in facts if isinstance(fact, Grant) and fact.principal == "PUBLIC" and READS & set(fact.actions)
    ]
    tables: dict[str, str] | None = None
    for grant in grants:
        if grant.source.startswith("sql:"):
            tables = _tables(facts, declaration) if tables is None else tables
            yield from _statement(grant, tables)
        elif grant.path in datasets:
            yield from _observed(grant, datasets[grant.path])
        elif grant.source == DEFAULTS and any(path.startswith(grant.path + "/") for path in datasets):
            yield _detection(grant, "defaults", grant.resources[0], "personal data lies in the same database")


def readable_by(facts: Sequence[Fact], path: str) -> str:
    """Return who may read what lies at a path of a store, in words: "PUBLIC, anna (member of analysts)"; "" when it is not known."""
    named = [
        fact.principal if fact.principal == "PUBLIC" else f"{fact.principal} ({fact.source})"
        for fact in facts
        if isinstance(fact, Grant) and fact.path == path and READS & set(fact.actions) and fact.source != DEFAULTS
    ]
    return ", ".join(dict.fromkeys(named))


def _observed(grant: Grant, found: Sequence[Dataset]) -> Iterator[Detection]:
    """Yield one detection for what is personal among the columns that the grant is for."""
    from mlguard.scanners.dataset import report

    whole = grant.path in grant.resources
    columns = {resource.removeprefix(grant.path + ".") for resource in grant.resources}
    fields = [field for dataset in found for field in dataset.fields if whole or field.name in columns]
    if fields:
        what = ", ".join(sorted({report.words(field) for field in fields}))
        yield _detection(grant, "store", grant.path, f"it holds {what}")


def _statement(grant: Grant, tables: dict[str, str]) -> Iterator[Detection]:
    for resource in grant.resources:
        name, _, column = resource.partition("#")
        for table, why in sorted(tables.items()):
            if _names(name, table):
                shown = f"{table}.{column}" if column else table
                yield _detection(grant, "statement", shown, why)
                break


def _names(granted: str, table: str) -> bool:
    """Say whether a grant is for a table: by its name, by its name without a schema on either side, or by its whole schema."""
    if granted.endswith(".*"):
        schema = table.rpartition(".")[0] or "public"
        return granted in (f"{schema}.*", "*.*")
    one, other = granted.split("."), table.split(".")
    if len(one) > 1 and len(other) > 1:
        return one[-2:] == other[-2:]
    return one[-1] == other[-1] and "public" in (*one[:-1], *other[:-1], "public")


def _tables(facts: Sequence[Fact], declaration: Declaration | None) -> dict[str, str]:
    """Return the tables that hold personal data, in lower case, each with how that is known."""
    from mlguard.scanners.dataset import report

    known: dict[str, str] = {}
    for body in (declaration.body.get("datasets") or []) if declaration else []:
        for location in body.get("location") or []:
            if location.startswith("postgres") and "://" in location and body.get("class") in CLASSES:
                known.setdefault(location.rpartition("/")[2].lower(), f"{body['id']} is declared as {body['class']}")
    for fact in facts:
        if isinstance(fact, Resource) and fact.kind == TABLE and fact.data_class:
            known.setdefault(fact.address.lower(), fact.data_class)
        elif (
            isinstance(fact, Dataset)
            and fact.fields
            and (fact.format == "sql" and fact.within or fact.format == "postgresql")
        ):
            what = ", ".join(sorted({report.words(field) for field in fact.fields}))
            known.setdefault((fact.within or fact.path.rpartition("/")[2]).lower(), f"it holds {what}")
    return known


def _detection(grant: Grant, check: str, what: str, why: str) -> Detection:
    return Detection(
        RULE, check, Location(grant.path, grant.line), {"what": what, "why": why, "how": grant.source.removeprefix("sql:")},
        scope=what, anchor=grant.source, excerpt=("",),
    )  # fmt: skip
