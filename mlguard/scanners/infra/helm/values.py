"""The values of a chart: its own, those given to it, those of its dependencies, and which of these are wanted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mlguard.scanners.infra.helm import versions
from mlguard.scanners.infra.helm.listings import deep_copy
from mlguard.scanners.infra.helm.printing import show

if TYPE_CHECKING:
    from mlguard.scanners.infra.helm.charts import Chart, Requirement

GLOBAL = "global"
"""The key whose values every chart gets to see."""


def copied(value: Any) -> Any:
    """Return a value whose mappings and lists are new ones."""
    return deep_copy(value, [0], 0)


def coalesced(chart: Chart, given: Mapping[str, Any], keep: bool = False) -> dict[str, Any]:
    """Return given values laid over those of a chart and its dependencies. With ``keep``, nulls stay as they are."""
    found: dict[str, Any] = copied(dict(given))
    _coalesce(chart, found, keep)
    return found


def _coalesce(chart: Chart, into: dict[str, Any], keep: bool) -> None:
    _own(chart, into, keep)
    for sub in chart.dependencies:
        below = into.setdefault(sub.name, {})
        if isinstance(below, dict):
            _globals(below, into)
            _coalesce(sub, below, keep)


def _own(chart: Chart, into: dict[str, Any], keep: bool) -> None:
    names = {sub.name for sub in chart.dependencies}
    for key, value in copied(chart.values).items():
        if key not in into:
            into[key] = value
        elif into[key] is None and not keep:
            del into[key]
        elif isinstance(into[key], dict) and isinstance(value, dict):
            tables(into[key], value, keep or key in names)


def _globals(into: dict[str, Any], above: Mapping[str, Any]) -> None:
    own, shared = into.get(GLOBAL, {}), above.get(GLOBAL, {})
    if not isinstance(own, dict) or not isinstance(shared, dict):
        return
    for key, value in shared.items():
        old = own.get(key)
        if isinstance(value, dict):
            if key not in own:
                own[key] = dict(value)
            elif isinstance(old, dict):
                own[key] = tables(dict(value), old, True)
        elif not isinstance(old, dict):
            own[key] = value
    into[GLOBAL] = own


def tables(into: dict[str, Any], other: dict[str, Any], keep: bool) -> dict[str, Any]:
    """Add to a mapping what another one has besides; null takes a key of the other one away unless nulls are kept."""
    were_set = {key for key, value in other.items() if value is not None}
    for key, value in into.items():
        if value is None:
            other[key] = None
    for key, value in other.items():
        if key in into and not keep and into[key] is None and key in were_set:
            del into[key]
        elif key not in into:
            into[key] = value
        elif isinstance(value, dict) and isinstance(into[key], dict):
            tables(into[key], value, keep)
    return into


def merged(into: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Return one file of values laid over another."""
    result = dict(into)
    for key, value in other.items():
        old = result.get(key)
        result[key] = merged(old, value) if isinstance(value, dict) and isinstance(old, dict) else value
    return result


def compatible(wanted: str, version: str) -> bool:
    """Say whether a version is in a range; a range or version that cannot be read is none."""
    try:
        return versions.satisfies(wanted or "*", versions.version(version))
    except ValueError:
        return False


# Which dependencies are wanted


def select(chart: Chart, given: Mapping[str, Any], path: str = "") -> list[Requirement]:
    """Drop the dependencies that conditions and tags switch off, name the others as the chart wants them.

    Returns those that are wanted and are not there.
    """
    if chart.requirements is None:
        return []
    missing: list[Requirement] = []
    chosen = [
        sub
        for sub in chart.dependencies
        if not any(sub.name == one.name and compatible(one.version, sub.version) for one in chart.requirements)
    ]
    for one in chart.requirements:
        sub = next((s for s in chart.dependencies if s.name == one.name and compatible(one.version, s.version)), None)
        if sub is not None:
            chosen.append(sub.named(one.alias or sub.name, chart))
        one.found = any(s.name == one.name for s in chart.dependencies)
        one.name = one.alias or one.name
        one.enabled = True
    chart.dependencies = chosen
    values = coalesced(chart, given)
    _tags(chart.requirements, values)
    _conditions(chart.requirements, values, path)
    off = {one.name for one in chart.requirements if not one.enabled}
    missing += [one for one in chart.requirements if one.enabled and not one.found]
    chart.dependencies = [sub for sub in chosen if sub.name not in off]
    chart.requirements = [one for one in chart.requirements if one.name not in off]
    for sub in chart.dependencies:
        missing += select(sub, values, f"{path}{sub.name}.")
    return missing


def _tags(requirements: list[Requirement], values: Mapping[str, Any]) -> None:
    tags = values.get("tags")
    if not isinstance(tags, dict):
        return
    for one in requirements:
        switches = [tags[tag] for tag in one.tags if isinstance(tags.get(tag), bool)]
        one.enabled = not switches or any(switches)


def _conditions(requirements: list[Requirement], values: Mapping[str, Any], path: str) -> None:
    for one in requirements:
        for condition in one.condition.strip().split(","):
            switch = lookup(values, path + condition) if condition else None
            if isinstance(switch, bool):
                one.enabled = switch
                break


def lookup(values: Mapping[str, Any], path: str) -> Any:
    """Return the value at a path with dots, or None."""
    value: Any = values
    for step in path.split("."):
        if not isinstance(value, Mapping) or step not in value:
            return None
        value = value[step]
    return value


def import_values(chart: Chart) -> None:
    """Take over the values that a chart imports from its dependencies; its own ones win."""
    for sub in chart.dependencies:
        import_values(sub)
    if chart.requirements is None:
        return
    values = coalesced(chart, {}, keep=True)
    taken: dict[str, Any] = {}
    for one in chart.requirements:
        for item in one.imports:
            if isinstance(item, dict):
                child, parent = show(item.get("child")), show(item.get("parent"))
            elif isinstance(item, str):
                child, parent = f"exports.{item}", "."
            else:
                continue
            table = lookup(values, f"{one.name}.{child}")
            if isinstance(table, dict):
                tables(taken, _below(parent, copied(table)), True)
    chart.values = tables(copied(values), taken, True)


def _below(path: str, value: dict[str, Any]) -> dict[str, Any]:
    if path == ".":
        return value
    for step in reversed(path.split(".")[:50]):
        value = {step: value}
    return value
