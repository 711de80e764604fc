"""Says what is known of the versions that an open requirement allows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from mlguard.scanners.dependencies.audit import Result, judged
from mlguard.scanners.dependencies.packages import END, Package, Place

MAX_JUDGED = 5_000
"""Known versions of one package that are compared with one requirement."""

Extent = Literal["every", "known", "lowest", "some", "none"]


@dataclass(frozen=True, slots=True)
class Allowed:
    """How many of the allowed versions that the database knows are affected.

    ``every``: all there are and can be; ``known``: all that are known, and later ones are allowed; ``lowest``: the lowest one,
    which some installers take; ``some``: others; ``none``. ``best`` is the result of the highest allowed version, ``low`` that of
    the lowest; ``mended`` says that a version which an advisory names as fixed is allowed.
    """

    extent: Extent
    best: Result
    low: Result
    mended: bool


def allowed(known: Package, name: str, specifier: str) -> Allowed | None:
    """Return what is known of the allowed versions; None when the requirement allows no version that is known."""
    try:
        wanted = SpecifierSet(specifier)
    except InvalidSpecifier:
        return None
    fits = [text for text in known.table[-MAX_JUDGED:] if wanted.contains(text, prereleases=True)]
    whole = _of_whole(known)
    if not fits:
        if not whole:
            return None
        anyone = judged(known, name, "0")
        return Allowed("every", anyone, anyone, False)
    hits = [_is_hit(known, text) for text in fits]
    best, low = judged(known, name, fits[-1]), judged(known, name, fits[0])
    fixes = {entry for row in range(len(known.rows)) for entry in known.advisory(row).fixes}
    mended = any(known.table[entry] in set(fits) for entry in fixes)
    if all(hits):
        return Allowed("every" if whole or _ends(wanted) else "known", best, low, mended)
    return Allowed("lowest" if hits[0] else "some" if any(hits) else "none", best, low, mended)


def _of_whole(known: Package) -> bool:
    """Say whether an advisory names every version that there is or will be."""
    return any(list(row[0]) == [0, END] for row in known.rows)


def _is_hit(known: Package, text: str) -> bool:
    place: Place = known.place(text)
    return any(known.affects(row, place) for row in range(len(known.rows)))


def _ends(wanted: SpecifierSet) -> bool:
    """Say whether a specifier has an upper end, so that no later release fits."""
    return any(clause.operator in ("<", "<=", "==", "===", "~=") for clause in wanted)


def told(found: Allowed) -> str:
    """Return a part of a sentence about the allowed versions, "" when nothing speaks against them. Raises Unreadable."""
    if found.extent in ("every", "known"):
        ids = ", ".join(flaw.id for flaw in found.best.vulnerabilities[:3])
        return f"every version known here that it allows has a known vulnerability ({ids})"
    if found.extent == "lowest":
        ids = ", ".join(flaw.id for flaw in found.low.vulnerabilities[:3])
        ending = "" if found.mended else ", and it allows none that mends it"
        return f"the lowest version that it allows, {found.low.version}, has a known vulnerability ({ids}){ending}"
    return "some versions that it allows have known vulnerabilities" if found.extent == "some" else ""
