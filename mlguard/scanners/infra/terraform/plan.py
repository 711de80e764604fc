"""Reads a plan that ``terraform show -json`` wrote into the resources that will be there once it is applied."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mlguard.errors import Unreadable
from mlguard.findings import Gap
from mlguard.scanners import read_text
from mlguard.scanners.infra import meaning
from mlguard.scanners.infra.jsontexts import Text
from mlguard.scanners.infra.resources import Open, Path, Position, Resource, Unknown, reference
from mlguard.scanners.infra.terraform.planned import Configuration, bare, expression_at, modules_of
from mlguard.scanners.infra.terraform.sources import Origin, Sources
from mlguard.scanners.infra.terraform.tree import Tree

MAX_PLAN_BYTES = 64 * 2**20
"""The largest plan that is read."""

MAX_RESOURCES = 20_000
"""Resources of one plan."""

MAX_LEVELS = 60
"""Lists and mappings inside each other."""

_LATER = "a value that is known after the plan is applied"
_HIDDEN = "a value that is marked as sensitive"


def read(tree: Tree, path: str, size: int) -> Iterator[Any]:
    """Yield the resources of a plan; they stand in the code where the tree holds it, else in the plan itself."""
    if size > MAX_PLAN_BYTES:
        yield Gap(
            "infra", path, "too-large", f"a plan of more than {MAX_PLAN_BYTES // 2**20} MiB", "split the root module"
        )
        return
    try:
        yield from _Plan(tree, Text(read_text(tree.context, path, MAX_PLAN_BYTES), path)).resources()
    except Unreadable as trouble:
        yield Gap("infra", path, "unreadable", str(trouble))


class _Plan:
    def __init__(self, tree: Tree, text: Text) -> None:
        self.tree, self.text, self.path = tree, text, text.path
        self.parts = {key: value for key, _, value in text.members(0)}

    def part(self, name: str) -> Any:
        return self.text.value(self.parts[name])[0] if name in self.parts else None

    def resources(self) -> Iterator[Any]:
        changes = self.parts.get("resource_changes")
        if changes is None and "planned_values" not in self.parts:
            return
        addresses = list(self._addresses())
        self.config = Configuration(self.part("configuration"), addresses, self.part("variables"))
        self.sources = Sources(self.tree, self.path, self.config)
        found = self._changes(changes) if changes is not None else self._values(self.parts["planned_values"])
        for number, (entry, after, unknown, sensitive, start) in enumerate(found):
            if number >= MAX_RESOURCES:
                yield Gap(
                    "infra",
                    self.path,
                    "too-large",
                    f"a plan of more than {MAX_RESOURCES} resources; the first were read",
                )
                return
            yield from self._resource(entry, after, unknown, sensitive, start)

    def _addresses(self) -> Iterator[str]:
        changes = self.parts.get("resource_changes")
        found = self._changes(changes) if changes is not None else self._values(self.parts["planned_values"])
        for entry, *_ in found:
            yield str(entry.get("address"))

    def _changes(self, at: int) -> Iterator[tuple[dict[str, Any], Any, Any, Any, int]]:
        """Yield the resources that will be there: entry, values, unknown, sensitive, place of the values."""
        for entry, start in self.text.elements(at):
            change = entry.get("change") if isinstance(entry, dict) else None
            if not isinstance(change, dict) or entry.get("mode", "managed") != "managed" or "deposed" in entry:
                continue
            if isinstance(change.get("after"), dict):
                yield entry, change["after"], change.get("after_unknown"), change.get("after_sensitive"), start

    def _values(self, at: int) -> Iterator[tuple[dict[str, Any], Any, Any, Any, int]]:
        """Yield the same from the values alone, which leave out what is not known."""
        roots = [start for key, _, start in self.text.members(at) if key == "root_module"]
        while roots:
            parts = {key: start for key, _, start in self.text.members(roots.pop())}
            if "resources" in parts:
                for entry, start in self.text.elements(parts["resources"]):
                    if isinstance(entry, dict) and entry.get("mode", "managed") == "managed":
                        values = entry.get("values")
                        known = Open(values if isinstance(values, dict) else {}, _LATER)
                        yield entry, known, None, entry.get("sensitive_values"), start
            if "child_modules" in parts:
                roots += list(self.text.items(parts["child_modules"]))

    def _resource(self, entry: dict[str, Any], after: Any, unknown: Any, sensitive: Any, start: int) -> Iterator[Any]:
        address, kind, name = (str(entry.get(key) or "") for key in ("address", "type", "name"))
        names = modules_of(str(entry.get("module_address") or _module_of(address)))
        config = self.config.resource(names, f"{kind}.{name}")
        reader = _Values(self.config, names, address, config)
        attributes = reader.merged(after, unknown, sensitive, ())
        if not isinstance(attributes, dict):
            return
        origin = self.sources.origin(names, kind, name, attributes)
        if origin is None:
            origin = Origin(self.path, _Places(self.text, start, attributes), ())
        resource = meaning.resource(
            kind, name, address, origin.path, attributes, origin.positions, format="plan", references=reader.references,
            default_tags=_tags(attributes), default_region=self.config.provider(names, config, "region"), origin=origin.calls,
        )  # fmt: skip
        yield resource
        for item in meaning.derived(resource, origin.heredocs):
            if isinstance(item, Resource) or not origin.judged:
                yield item


def _module_of(address: str) -> str:
    head = bare(address).rpartition("module.")
    return ".".join((head[0] + head[1] + head[2]).split(".")[:-2]) if head[1] else ""


def _tags(attributes: Mapping[str, Any]) -> Any:
    for name in ("tags_all", "effective_labels", "terraform_labels"):
        if isinstance(attributes.get(name), (dict, Unknown)):
            return attributes[name]
    return None


class _Values:
    """The attributes of one resource: what is planned, without what is sensitive."""

    def __init__(
        self, config: Configuration, names: tuple[str, ...], address: str, resource: dict[str, Any] | None
    ) -> None:
        self.config, self.names, self.address = config, names, address
        self.expressions = resource.get("expressions") if resource else None
        self.references: dict[Path, tuple[str, ...]] = {}
        self._refer(self.expressions, (), 0)

    def _refer(self, value: Any, path: Path, depth: int) -> None:
        if depth > MAX_LEVELS:
            return
        if isinstance(value, dict) and "references" in value:
            found = set(self.config.references(self.names, value, self.address))
            if found:
                self.references[path] = tuple(sorted(found))
        elif isinstance(value, (dict, list)):
            for key, item in value.items() if isinstance(value, dict) else enumerate(value):
                self._refer(item, (*path, key), depth + 1)

    def merged(self, value: Any, unknown: Any, sensitive: Any, path: Path) -> Any:
        """Return a value with Unknown for what is only known later, and for what is never shown."""
        if len(path) > MAX_LEVELS:
            return Unknown("a value that is nested too deeply")
        if sensitive is True:
            return None if value is None and unknown is not True else Unknown(_HIDDEN)
        if unknown is True:
            return self._later(path)
        if isinstance(value, dict) or isinstance(unknown, dict):
            return self._mapping(value, unknown, sensitive, path)
        if isinstance(value, list) or isinstance(unknown, list):
            held = [one if isinstance(one, list) else [] for one in (value, unknown, sensitive)]
            size = max(len(held[0]), len(held[1]))
            rows = [[one[number] if number < len(one) else None for one in held] for number in range(size)]
            return [self.merged(row[0], row[1], row[2], (*path, number)) for number, row in enumerate(rows)]
        return value.replace("\ue000", " ").replace("\ue001", " ") if isinstance(value, str) else value

    def _mapping(self, value: Any, unknown: Any, sensitive: Any, path: Path) -> Any:
        held = [one if isinstance(one, dict) else {} for one in (value, unknown, sensitive)]
        result: dict[str, Any] = {}
        for key in [*held[0], *(key for key in held[1] if key not in held[0])]:
            made = self.merged(held[0].get(key), held[1].get(key), held[2].get(key), (*path, key))
            if key in held[0] or made is not None:
                result[key] = made
        return Open(result, value.reason) if isinstance(value, Open) else result

    def _later(self, path: Path) -> Any:
        """Return what stands for a value that is known later; of an attribute that nobody sets, that it is not set."""
        expression = expression_at(self.expressions, path) if self.expressions is not None else None
        if expression is False:
            return None
        found = self._names(expression, path)
        return reference(found[0]) if len(found) == 1 else Unknown(f"{bare(self.address)}.{_spelled(path)}")

    def _names(self, expression: Any, path: Path) -> list[str]:
        """Return the attribute that an expression names, when it is nothing but that."""
        texts = expression.get("references") if isinstance(expression, dict) else None
        targets = self.references.get(path, ())
        if not isinstance(texts, list) or len(targets) != 1 or not all(isinstance(text, str) for text in texts):
            return []
        tails = {
            bare(text).split(".", 2)[2]
            for text in texts
            if bare(text).count(".") > 1 and not text.startswith("module.")
        }
        return [f"{targets[0]}.{tail}" for tail in tails] or [f"{targets[0]}.id"]


def _spelled(path: Path) -> str:
    return ".".join(str(step) for step in path if isinstance(step, str))


class _Places(dict[Path, Position]):
    """The places in the plan of what one resource consists of. They are looked for when somebody asks."""

    def __init__(self, text: Text, start: int, attributes: Mapping[str, Any]) -> None:
        end = min(text.text.find("\n", start) if "\n" in text.text[start : start + 200] else start + 1, len(text.text))
        super().__init__({(): text.position(start, max(end, start + 1))})
        self._text, self._start, self._names = text, start, frozenset(attributes)
        self._read = False

    def _load(self) -> None:
        if self._read:
            return
        self._read = True
        for step in ("change", "after"), ("values",):
            at: int | None = self._start
            for name in step:
                at = (
                    next((value for key, _, value in self._text.members(at) if key == name), None)
                    if at is not None
                    else None
                )
            if at is not None:
                own = dict(self)
                self.update(self._text.places(at))
                self.update(own)
                return

    def __contains__(self, path: object) -> bool:
        if super().__contains__(path):
            return True
        if self._read or not isinstance(path, tuple) or not path or path[0] not in self._names:
            return self._read and super().__contains__(path)
        self._load()
        return super().__contains__(path)

    def __getitem__(self, path: Path) -> Position:
        return super().__getitem__(path) if path in self else super().__getitem__(())

    def get(self, path: Path, default: Any = None) -> Any:
        """Return the place of a path, or the default."""
        return super().__getitem__(path) if path in self else default
