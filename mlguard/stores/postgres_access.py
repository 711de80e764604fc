"""Who may read a table of PostgreSQL: the closure of privileges, memberships and attributes of roles."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mlguard.facts import Grant

PUBLIC = "PUBLIC"
"""Every role of the server, those that do not exist yet included."""

EVERYBODY = 0
"""The number of PUBLIC in a list of privileges."""

MAX_READERS = 500
"""Roles that are named for one table."""

READ = ("select",)
ALL_DATA = "pg_read_all_data"


@dataclass(slots=True)
class Roles:
    """The roles of a server, by number. ``ways[role]`` are the roles that it is, or may become, with how."""

    names: dict[int, str]
    powers: dict[int, str]  # "superuser": needs no privilege
    login: set[int]
    ways: dict[int, dict[int, str]] = field(default_factory=dict)


@dataclass(slots=True)
class Reach:
    """Who holds what on one table: columns by grantee, None for all of them."""

    columns: dict[int, set[str] | None] = field(default_factory=dict)
    how: dict[int, str] = field(default_factory=dict)

    def add(self, grantee: int, column: str | None, how: str) -> None:
        held = self.columns.get(grantee, set())
        if column is None or held is None:
            self.columns[grantee] = None
        else:
            self.columns[grantee] = held | {column}
        if column is None or grantee not in self.how:
            self.how[grantee] = how

    def adds(self, grantee: int) -> bool:
        """Say whether a view can give somebody more: who holds a grant on the table itself is told by that."""
        return grantee not in self.how or self.how[grantee].startswith("through")


def roles(access: Mapping[str, Any]) -> Roles:
    """Return the roles with the closure of their memberships."""
    found = Roles(
        {role["id"]: role["name"] for role in access["roles"]},
        {role["id"]: "superuser" for role in access["roles"] if role["super"]},
        {role["id"] for role in access["roles"] if role["login"]},
    )
    above: dict[int, list[tuple[int, bool]]] = defaultdict(list)
    for entry in access["members"]:
        above[entry["member"]].append((entry["role"], bool(entry["inherits"])))
    for role in found.names:
        found.ways[role] = _closure(role, above, found.names)
    return found


def _closure(role: int, above: Mapping[int, list[tuple[int, bool]]], names: Mapping[int, str]) -> dict[int, str]:
    """Return the roles that one is, itself with "" first, with words for how: a membership that is not inherited can be assumed."""
    ways = {role: ""}
    queue = [(role, True)]
    while queue:
        here, inherited = queue.pop(0)
        for group, inherits in sorted(above.get(here, ()), key=lambda pair: (not pair[1], names.get(pair[0], ""))):
            if group not in ways:
                both = inherited and inherits
                ways[group] = f"{'member of' if both else 'may become'} {names.get(group, 'a role')}"
                queue.append((group, both))
    return ways


def grants(access: Mapping[str, Any], paths: Mapping[int, str], store: str) -> Iterator[Grant]:
    """Yield a grant for each role that may read one of the tables, PUBLIC first. ``paths`` are by the table's number."""
    known = roles(access)
    usage: dict[str, set[int]] = defaultdict(set)
    for entry in access["schemas"]:
        usage[entry["schema"]].add(entry["grantee"])
    every = [number for number, name in known.names.items() if name == ALL_DATA]
    for owner in sorted(access["owners"], key=lambda entry: paths[entry["id"]]):
        reach = _reach(access, owner, usage)
        for role in every:
            reach.add(role, None, f"member of {ALL_DATA}")
        yield from _told(reach, known, usage[owner["schema"]], paths[owner["id"]], set(every))
    for entry in access["defaults"]:
        where = f"schema {entry['schema']}" if entry["schema"] else "every schema"
        yield Grant(PUBLIC, READ, (f"future tables of {entry['owner']} in {where}",), store, 1, "default privileges")


def _reach(access: Mapping[str, Any], owner: Mapping[str, Any], usage: Mapping[str, set[int]]) -> Reach:
    reach = Reach()
    reach.add(owner["owner"], None, "owner")
    for entry in access["tables"]:
        if entry["id"] == owner["id"] and entry["grantee"] != owner["owner"]:
            reach.add(entry["grantee"], entry["column"], "granted")
    for view in access["views"]:
        if view["id"] == owner["id"]:
            _through(reach, view, access["view_grants"], usage[view["schema"]])
    return reach


def _through(reach: Reach, view: Mapping[str, Any], given: Sequence[Mapping[str, Any]], usage: set[int]) -> None:
    """Add who may read a view that shows a column of the table: it reads with the rights of its owner."""
    for entry in given:
        grantee = entry["grantee"]
        shows = entry["id"] == view["view"] and view["column"] and (grantee in usage or EVERYBODY in usage)
        if shows and reach.adds(grantee):
            reach.add(grantee, view["column"], f"through the view {view['schema']}.{view['name']}")


def _told(reach: Reach, known: Roles, usage: set[int], path: str, every: set[int]) -> Iterator[Grant]:
    public = EVERYBODY in reach.columns and _enters(EVERYBODY, {EVERYBODY: ""}, reach, usage)
    if public:
        yield _grant(PUBLIC, reach.columns[EVERYBODY], path, "granted to PUBLIC", reach.how[EVERYBODY])
    named = 0
    for role in sorted(known.names, key=lambda number: known.names[number]):
        found = _best(role, reach, known, usage, every)
        if found is None or known.names[role].startswith("pg_") or public and found[1] == "":
            continue
        named += 1
        if named > MAX_READERS:
            yield Grant(f"further roles than the first {MAX_READERS}", READ, (path,), path, 1, "not listed")
            return
        yield _grant(known.names[role], found[0], path, found[1])


def _best(
    role: int, reach: Reach, known: Roles, usage: set[int], every: set[int]
) -> tuple[set[str] | None, str] | None:
    """Return what a role may read, and how it comes to that; None when it may not."""
    if role in known.powers:
        return None, known.powers[role]
    ways = known.ways[role]
    held = [group for group in ways if group in reach.columns]
    if not held or not _enters(role, ways, reach, usage, every):
        return None
    columns: set[str] | None = set()
    for group in held:
        mine = reach.columns[group]
        columns = None if columns is None or mine is None else columns | mine
    first = min(held, key=lambda group: (ways[group] != "", list(ways).index(group)))
    return columns, ways[first] or reach.how[first]


def _enters(
    role: int, ways: Mapping[int, str], reach: Reach, usage: set[int], every: Collection[int] = frozenset()
) -> bool:
    """Say whether a role may use the schema. What it reads through a view lies in the view's schema."""
    if EVERYBODY in usage or any(group in usage or group in every for group in ways):
        return True
    return any(reach.how.get(group, "").startswith("through") for group in ways)


def _grant(principal: str, columns: set[str] | None, path: str, source: str, how: str = "") -> Grant:
    resources = (path,) if columns is None else tuple(f"{path}.{column}" for column in sorted(columns))
    return Grant(principal, READ, resources, path, 1, how if how.startswith("through") else source)
