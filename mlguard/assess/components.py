"""Packages against the code that imports them and the declaration: what is imported, who gets data, what reports its use."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from mlguard import tables
from mlguard.artifacts import Artifact
from mlguard.facts import DataFlow, Fact, Imports, Library, Package, Switch
from mlguard.findings import Detection, Location, Proof, Record
from mlguard.values import dataclass, field, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mlguard.declarations import Declaration

SERVICE = "dep/undeclared-third-party-service"
TELEMETRY = "dep/telemetry-left-enabled"
FLAWS = frozenset({"dep/known-vulnerability", "dep/known-minor-vulnerability", "dep/malicious-or-exploited-package"})
"""Rules whose findings tell whether the package is imported."""

FILES_SHOWN = 3
"""Files that a message names one by one."""

PERSONAL = ("personal", "special", "pseudonymous")
"""Classes of the declaration whose data are of persons."""


# ---- modules and the distributions that bring them


@cache
def _modules() -> dict[str, tuple[str, ...]]:
    return {module: tuple(found.split()) for module, found in tables.table("import-names")["modules"].items()}


def packages_of(module: str) -> tuple[str, ...]:
    """Return canonical names of the distributions that bring a module, the usual one first."""
    name = module
    while name:
        if found := _modules().get(name):
            return found
        name = name.rpartition(".")[0]
    from mlguard.scanners.dependencies.normal import canonical as canonicalize_name

    return (str(canonicalize_name(module)),)


class _Tree:
    """Which modules belong to the scanned tree itself, seen from a file in it."""

    def __init__(self, artifacts: Iterable[Artifact]) -> None:
        self.own: set[str] = set()
        for artifact in artifacts:
            if artifact.path.endswith((".py", ".pyi")):
                folder, name = posixpath.split(artifact.path)
                stem = name.partition(".")[0]
                self.own.add(posixpath.join(folder, stem))
                while folder and folder not in self.own:
                    self.own.add(folder)
                    folder = posixpath.dirname(folder)

    def holds(self, module: str, path: str) -> bool:
        """Say whether a module that a file imports is beside it, above it, or in a folder src there."""
        top = module.partition(".")[0]
        folder = posixpath.dirname(path)
        while True:
            for place in (
                posixpath.join(folder, top),
                posixpath.join(folder, "src", top),
                posixpath.join(folder, "lib", top),
            ):
                if place in self.own and place != path.rpartition(".")[0]:
                    return True
            if not folder:
                return False
            folder = posixpath.dirname(folder)


def libraries(records: Iterable[Record], artifacts: Sequence[Artifact]) -> tuple[Library, ...]:
    """Return the modules of third parties that the code of the tree imports, each once."""
    found: dict[str, list[tuple[str, int]]] = {}
    tree: _Tree | None = None
    for record in records:
        if not isinstance(record, Imports):
            continue
        tree = tree or _Tree(artifacts)
        for module, line in zip(record.modules, record.lines, strict=True):
            if not tree.holds(module, record.path):
                found.setdefault(module, []).append((record.path, line))
    return tuple(
        Library(module, packages_of(module), len(places), *min(places)) for module, places in sorted(found.items())
    )


# ---- reachability


def reached(records: list[tuple[str, Record]], used: Sequence[Library], looked: bool) -> list[tuple[str, Record]]:
    """Return the records, with what is known of imports in the findings about flaws. ``looked``: code was scanned."""
    if not any(isinstance(record, Detection) and record.rule in FLAWS for _, record in records):
        return records
    by_package: dict[str, list[Library]] = {}
    for library in used:
        for name in library.packages:
            by_package.setdefault(name, []).append(library)
    return [
        (
            scanner,
            _reached(record, by_package, looked) if isinstance(record, Detection) and record.rule in FLAWS else record,
        )
        for scanner, record in records
    ]


def _reached(detection: Detection, by_package: Mapping[str, list[Library]], looked: bool) -> Detection:
    found = by_package.get(str(detection.facts.get("package", "")), [])
    if not found:
        known: dict[str, str | int] = {"imported": "not imported by the code that was scanned", "imported_in": 0}
        return replace(detection, facts={**detection.facts, **known}) if looked else detection
    files = max(library.files for library in found)
    first = sorted({(library.path, library.line) for library in found})[:FILES_SHOWN]
    told = f"imported in {files} {'file' if files == 1 else 'files'}: {', '.join(f'{path}:{line}' for path, line in first)}"
    related = tuple(("imported here", Location(path, line)) for path, line in first)
    facts: dict[str, str | int] = {**detection.facts, "imported": told, "imported_in": files}
    return replace(detection, facts=facts, related=(*detection.related, *related))


# ---- who gets data


def assess(facts: Sequence[Fact], declaration: Declaration | None) -> Iterator[Record]:
    """Yield the services that get data and are no recipients, and the tools whose telemetry nobody switched off."""
    if declaration is None:
        return  # there is nothing to compare with, and a rule of its own says so
    uses = _Uses.of(facts)
    yield from _services(uses, declaration)
    if _is_personal(declaration):
        yield from _telemetry(uses)


@dataclass(slots=True)
class _Uses:
    """What code and manifests show: modules by name, packages by canonical name, flows of data, switches."""

    libraries: list[Library] = field(default_factory=list)
    packages: dict[str, Package] = field(default_factory=dict)
    flows: list[DataFlow] = field(default_factory=list)
    off: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, facts: Sequence[Fact]) -> _Uses:
        """Return what the facts show. Of a package the first place counts, a manifest before a lock."""
        uses = cls()
        for fact in facts:
            if isinstance(fact, Library):
                uses.libraries.append(fact)
            elif isinstance(fact, Package) and not fact.build:
                known = uses.packages.get(fact.name)
                if known is None or (fact.lock, fact.path, fact.line) < (known.lock, known.path, known.line):
                    uses.packages[fact.name] = fact
            elif isinstance(fact, DataFlow) and fact.kind == "service":
                uses.flows.append(fact)
            elif isinstance(fact, Switch) and fact.off:
                uses.off.add(fact.name)
        return uses

    def imported(self, modules: Sequence[str]) -> Library | None:
        """Return the first library whose module is one of these or lies within one."""
        return next(
            (
                one
                for one in self.libraries
                if any(one.module == name or one.module.startswith(f"{name}.") for name in modules)
            ),
            None,
        )

    def named(self, packages: Sequence[str]) -> Package | None:
        """Return the first of some packages that a manifest names; one that only a lock names came with another."""
        found = [self.packages[name] for name in packages if name in self.packages]
        return min(found, key=lambda one: (one.lock, one.path, one.line)) if found else None


def _services(uses: _Uses, declaration: Declaration) -> Iterator[Record]:
    recipients = [entry for entry in declaration.body.get("recipients") or () if isinstance(entry, Mapping)]
    told: set[str] = set()
    for service in tables.table("package-services")["services"]:
        places = list(_evidence(service, uses))
        if not places:
            continue
        name = str(service["name"])
        if _declared(service, recipients):
            yield Proof(SERVICE, name, places[0][1].path)
            continue
        told.add(str(service["id"]))
        yield _undeclared(service, places)


def _evidence(service: Mapping[str, Any], uses: _Uses) -> Iterator[tuple[str, Location]]:
    """Yield (what, where) that shows the use of a service: the manifest first, then the code.

    A package that nothing imports counts only where no import of third parties is known at all.
    """
    flows = [flow for flow in uses.flows if _is_flow(flow, service)]
    library = uses.imported(service["modules"]) if not service.get("library") else None
    package = uses.named(service["packages"]) if not service.get("library") or flows else None
    if package is not None and (library or flows or not uses.libraries):
        yield f"the package {package.name}", Location(package.path, package.line)
    if library is not None:
        yield f"the import of {library.module}", Location(library.path, library.line)
    for flow in flows[:FILES_SHOWN]:
        yield "a call", Location(flow.path, flow.line)


def _is_flow(flow: DataFlow, service: Mapping[str, Any]) -> bool:
    return flow.target == service["id"] or any(_host_fits(flow.target, host) for host in service["hosts"])


def _host_fits(host: str, known: str) -> bool:
    return host == known or host.endswith(f".{known}")


def _declared(service: Mapping[str, Any], recipients: Sequence[Mapping[str, Any]]) -> bool:
    return any(is_recipient(service, entry) for entry in recipients)


def is_recipient(service: Mapping[str, Any], entry: Mapping[str, Any]) -> bool:
    """Say whether a recipient of the declaration is the service: by its packages, its hosts, or a word of its name or id."""
    from mlguard.scanners.dependencies.normal import canonical as canonicalize_name

    packages = {str(canonicalize_name(str(name))) for name in entry.get("packages") or ()}
    if packages & set(service["packages"]):
        return True
    hosts = [str(host).lower().removeprefix("*.") for host in entry.get("hosts") or ()]
    if any(_host_fits(known, host) or _host_fits(host, known) for host in hosts for known in service["hosts"]):
        return True
    words = _words(f"{entry.get('name', '')} | {entry.get('id', '')}")
    return any(f" {_words(str(word)).strip()} " in words for word in (*service["words"], service["id"]))


def _words(text: str) -> str:
    return f" {' '.join(re.findall(r'[a-z0-9]+', text.lower()))} "


def _undeclared(service: Mapping[str, Any], places: Sequence[tuple[str, Location]]) -> Detection:
    what, first = places[0]
    facts: dict[str, str | int] = {
        "service": str(service["name"]), "country": str(service["country"]), "sends": str(service["sends"]), "what": what,
    }  # fmt: skip
    return Detection(
        SERVICE, "recipient", first, facts, str(service["id"]), str(service["id"]), str(service["name"]), tuple(places[1:]), excerpt=("",)
    )  # fmt: skip


# ---- telemetry


def _is_personal(declaration: Declaration) -> bool:
    return any(entry.get("class") in PERSONAL for entry in declaration.body.get("datasets") or ())


def _telemetry(uses: _Uses) -> Iterator[Record]:
    """Yield the tools that are used, report their use, and have no switch set anywhere in the tree."""
    for tool in tables.table("package-services")["telemetry"]:
        library, package = uses.imported(tool["modules"]), uses.named(tool["packages"])
        if package is not None and (package.lock or library is None and uses.libraries):
            package = None  # it came with another, or nothing imports it
        if library is None and package is None:
            continue
        place = package or library
        assert place is not None
        if uses.off & set(tool["off"]):
            yield Proof(TELEMETRY, str(tool["tool"]), place.path)
            continue
        names = " or ".join(list(tool["off"])[:2])
        facts: dict[str, str | int] = {"tool": str(tool["tool"]), "switch": names}
        related = (
            (("imported here", Location(library.path, library.line)),)
            if library is not None and package is not None
            else ()
        )
        yield Detection(
            TELEMETRY, "tool", Location(place.path, place.line), facts, str(tool["tool"]), str(tool["tool"]), str(tool["tool"]),
            related, excerpt=("",),
        )  # fmt: skip
