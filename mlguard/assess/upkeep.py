"""The packages of a tree against its bill of materials, and whether anything keeps them current."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from mlguard.facts import Package, Upkeep
from mlguard.findings import Detection, Gap, Location, Proof, Record

BILL = "dep/missing-bill-of-materials"
UPDATES = "dep/missing-dependency-updates"

_MANIFESTS = frozenset(
    {"requirements", "perhaps-requirements", "pyproject", "hatch", "pipfile", "setup-cfg", "setup-py", "conda", "pixi"}
)
"""Formats that state what a project needs. Lines that install, metadata of what is installed and scripts do not."""


def assess(records: Iterable[Record]) -> Iterator[Record]:
    """Yield what is missing, at the first lock or else the first manifest, or a proof of what is there."""
    packages: list[Package] = []
    kept: list[Upkeep] = []
    for record in records:
        if isinstance(record, Package) and record.purl.startswith("pkg:pypi/") and not record.build:
            packages.append(record)
        elif isinstance(record, Upkeep):
            kept.append(record)
    place = _place(packages)
    if place:
        kept.sort(key=lambda one: one.path)
        yield from _updates(place, kept)
        yield from _bills(place, packages, kept)


def _place(packages: Sequence[Package]) -> str:
    """Return the path of the manifest that stands for all: a lock before others, the one nearest to the root of the tree first."""
    locks = {package.path for package in packages if package.lock}
    found = [(path not in locks, path.count("/"), path) for path in {*locks, *_manifests(packages)}]
    return min(found)[2] if found else ""


def _manifests(packages: Sequence[Package]) -> set[str]:
    """Return the paths of the manifests that state what the project needs."""
    from mlguard.scanners.dependencies.readers import format_of

    return {
        path for path in {package.path for package in packages if not package.lock} if format_of(path) in _MANIFESTS
    }


def _first(kept: Sequence[Upkeep], role: str) -> str:
    return next((one.path for one in kept if one.role == role), "")


def _updates(place: str, kept: Sequence[Upkeep]) -> Iterator[Record]:
    if updater := _first(kept, "updater"):
        yield Proof(UPDATES, updater, updater)
    else:
        yield Detection(UPDATES, "none", Location(place), {"manifest": place}, anchor="updates", excerpt=("",))


def _bills(place: str, packages: Sequence[Package], kept: Sequence[Upkeep]) -> Iterator[Record]:
    bills = [one for one in kept if one.role == "bill"]
    if bills:
        wanted = _pins(packages)
        yield from _compared(max(bills, key=lambda one: (len(wanted & set(one.packages)), one.path)), wanted)
    elif maker := _first(kept, "bill-maker"):
        yield Proof(BILL, maker, maker)
    elif unread := _first(kept, "unread-bill"):
        reason = "a bill of materials in a form that is not read, so it was not compared with the packages"
        yield Gap("dependencies", unread, "skipped", reason, "keep it as CycloneDX or SPDX in JSON")
    else:
        yield Detection(BILL, "none", Location(place), {"manifest": place}, anchor="bill", excerpt=("",))


def _pins(packages: Sequence[Package]) -> set[tuple[str, str]]:
    """Return the packages that the locks pin, or where there is no lock those that manifests do."""
    from mlguard.scanners.dependencies.upkeep import plain

    counts = {package.path for package in packages if package.lock} or _manifests(packages)
    return {
        (package.name, plain(package.version)) for package in packages if package.version and package.path in counts
    }


def _compared(bill: Upkeep, wanted: set[tuple[str, str]]) -> Iterator[Record]:
    from mlguard.scanners.dependencies.showing import listed

    found = set(bill.packages)
    missing = sorted(name for name, version in wanted if (name, version) not in found and (name, "") not in found)
    if not missing:
        yield Proof(BILL, bill.path, bill.path)
        return
    facts: dict[str, str | int] = {"bill": bill.path, "count": len(missing), "packages": listed(missing)}
    yield Detection(BILL, "stale", Location(bill.path), facts, anchor="stale", subject=bill.path, excerpt=("",))
