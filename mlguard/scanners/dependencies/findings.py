"""Says under which rule a flaw of a component is reported, and with which facts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from mlguard.errors import Unreadable
from mlguard.findings import Detection
from mlguard.scanners.dependencies.audit import Result, Vulnerability
from mlguard.scanners.dependencies.manifests import Component
from mlguard.scanners.dependencies.showing import location, purl

if TYPE_CHECKING:
    from mlguard.scanners.dependencies.online import Answer

NAMES_TOLD = 10
"""Other names of a flaw that one message lists."""

FIXES_TOLD = 10


class Weights(NamedTuple):
    """What is known of exploitation, by CVE: the day on which it became known ("" when not told), and its probability, 0 to 1."""

    exploited: Mapping[str, str] = {}
    scores: Mapping[str, float] = {}


def weighed(results: Iterable[Result], settings: Mapping[str, Any], root: Path) -> Weights:
    """Return what the files of the settings say about the flaws that were found. Raises Unreadable."""
    if not settings.get("kev") and not settings.get("epss"):
        return Weights()
    from mlguard.scanners.dependencies import exploits

    names = {name.upper() for result in results for flaw in result.vulnerabilities for name in (flaw.id, *flaw.aliases)}
    if not names:
        for key in ("kev", "epss"):
            if settings.get(key) and not Path(root, str(settings[key])).is_file():
                raise Unreadable(f"there is no file where dependencies.{key} names one")
        return Weights()
    return Weights(
        exploits.exploited(Path(root, str(settings["kev"]))) if settings.get("kev") else {},
        exploits.scores(Path(root, str(settings["epss"])), names) if settings.get("epss") else {},
    )


def vulnerable(
    part: Component, flaw: Vulnerability, result: Result, settings: Mapping[str, Any], weights: Weights
) -> Detection:
    """Return the detection of a flaw in a pinned component."""
    names = [name.upper() for name in (flaw.id, *flaw.aliases)]
    days = [weights.exploited[name] for name in names if name in weights.exploited]
    rule, check = _rule(flaw, settings)
    if days and not flaw.malicious:
        rule, check = "dep/malicious-or-exploited-package", "exploited"
    facts = _facts(part, flaw, result, settings)
    if days:
        facts["exploited"] = min(filter(None, days), default="a day that is not told")
    if scores := [weights.scores[name] for name in names if name in weights.scores]:
        facts["epss"] = f"{max(scores):.4f}"
        facts["likelihood"] = f" It is exploited within 30 days with a probability of {max(scores):.1%} (EPSS)."
    return _detection(rule, check, part, facts, flaw, part.version)


def of_range(part: Component, flaw: Vulnerability, best: Result, settings: Mapping[str, Any]) -> Detection:
    """Return the detection of a flaw that the best version which a requirement allows has as well."""
    rule, check = _rule(flaw, settings)
    facts = _facts(part, flaw, best, settings)
    facts["version"] = part.specifier or "in any version"
    return _detection(rule, "range" if check == "advisory" else check, part, facts, flaw, "")


def _rule(flaw: Vulnerability, settings: Mapping[str, Any]) -> tuple[str, str]:
    if flaw.malicious:
        return "dep/malicious-or-exploited-package", "malicious"
    level = settings.get("unknown_severity", "high") if flaw.level == "unknown" else flaw.level
    return "dep/known-minor-vulnerability" if level in ("low", "medium") else "dep/known-vulnerability", "advisory"


def _facts(part: Component, flaw: Vulnerability, result: Result, settings: Mapping[str, Any]) -> dict[str, str | int]:
    facts: dict[str, str | int] = {
        "package": part.name,
        "version": part.version,
        "id": flaw.id,
        "fixed": " or ".join(flaw.fixed[:FIXES_TOLD]) or "no version yet",
        "safe": result.safe or "none",
        "aliases": ", ".join(flaw.aliases[:NAMES_TOLD]) or "none",
        "summary": (flaw.summary or "no summary").removesuffix("."),
        "level": flaw.level,
        "likelihood": "",
    }
    if ignored := sorted(_ignored(part, flaw, settings)):
        facts["ignored_as"] = " ".join(ignored)
    return facts


def _ignored(part: Component, flaw: Vulnerability, settings: Mapping[str, Any]) -> set[str]:
    """Return those ids of the configuration's entries that are names of this flaw: a message lists only the first of them."""
    names = {name.upper() for name in (flaw.id, *flaw.aliases)}
    entries = settings.get("ignore", ())
    return {str(entry["id"]) for entry in entries if str(entry.get("id", "")).upper() in names}


def _detection(
    rule: str, check: str, part: Component, facts: Mapping[str, str | int], flaw: Vulnerability, version: str
) -> Detection:
    return Detection(
        rule,
        check,
        location(part.place),
        facts,
        part.name,
        f"{part.name} {flaw.id}",
        purl(part.name, version),
        (),
        flaw.id,
    )


def joined(result: Result, answer: Answer) -> Result:
    """Return a result with what a service on the network adds. What both know counts once, with the severity that is known here."""
    flaws = list(result.vulnerabilities)
    for told in answer.flaws:
        names = set(told.names)
        same = [flaw for flaw in flaws if names & {flaw.id, *flaw.aliases}]
        if same:
            first = same[0]
            more = sorted((set(first.aliases) | names) - {first.id})
            flaws = [first._replace(aliases=tuple(more)) if flaw is first else flaw for flaw in flaws]
        else:
            malicious = sorted(name for name in names if name.startswith("MAL-"))
            first_name = malicious[0] if malicious else told.names[0]
            flaws.append(
                Vulnerability(
                    first_name,
                    tuple(sorted(names - {first_name})),
                    told.summary,
                    told.fixed,
                    "unknown",
                    bool(malicious),
                )
            )
    if len(flaws) == len(result.vulnerabilities):
        return result._replace(vulnerabilities=tuple(flaws))
    return result._replace(vulnerabilities=tuple(flaws), safe="")
