"""Computes the score of a CVSS vector of version 2, 3 or 4.

https://www.first.org/cvss/v3.1/specification-document, sections 7.1 and 7.4, and appendix A for rounding up;
https://www.first.org/cvss/v2/guide, section 3.2.1.
"""

from __future__ import annotations

MAX_VECTOR_CHARS = 500
"""A vector of version 4 with all its metrics has fewer than 250."""

_WEIGHTS: dict[str, dict[str, float]] = {
    "AV": {"N": 0.85, "A": 0.62, "L": 0.55, "P": 0.2},
    "AC": {"L": 0.77, "H": 0.44},
    "PR": {"N": 0.85, "L": 0.62, "H": 0.27},
    "UI": {"N": 0.85, "R": 0.62},
    "C": {"H": 0.56, "L": 0.22, "N": 0.0},
    "I": {"H": 0.56, "L": 0.22, "N": 0.0},
    "A": {"H": 0.56, "L": 0.22, "N": 0.0},
}
_PRIVILEGES_CHANGED = {"N": 0.85, "L": 0.68, "H": 0.5}

_WEIGHTS_2: dict[str, dict[str, float]] = {
    "AV": {"N": 1.0, "A": 0.646, "L": 0.395},
    "AC": {"L": 0.71, "M": 0.61, "H": 0.35},
    "Au": {"N": 0.704, "S": 0.56, "M": 0.45},
    "C": {"C": 0.660, "P": 0.275, "N": 0.0},
    "I": {"C": 0.660, "P": 0.275, "N": 0.0},
    "A": {"C": 0.660, "P": 0.275, "N": 0.0},
}


def score(vector: str) -> float | None:
    """Return the score, 0.0 to 10.0, of a vector of any version; None when it is none.

    Of versions 2 and 3 that is the base score, of version 4 the score with all metrics that the vector gives.
    """
    vector = vector.strip()
    if len(vector) > MAX_VECTOR_CHARS:
        return None
    if vector.startswith("CVSS:4.0/"):
        from mlguard.scanners.dependencies import cvss4

        return cvss4.score(vector)
    return base_score(vector) if vector.startswith("CVSS:3") else _base_score_2(vector)


def base_score(vector: str) -> float | None:
    """Return the base score, 0.0 to 10.0, of a vector of version 3.0 or 3.1; None when it is none."""
    head, *metrics = vector.strip().split("/")
    if head not in ("CVSS:3.0", "CVSS:3.1"):
        return None
    values = dict(metric.partition(":")[::2] for metric in metrics)
    try:
        weight = {name: _WEIGHTS[name][values[name]] for name in _WEIGHTS}
        changed = {"U": False, "C": True}[values["S"]]
    except KeyError:
        return None
    if changed:
        weight["PR"] = _PRIVILEGES_CHANGED[values["PR"]]
    impact_base = 1 - (1 - weight["C"]) * (1 - weight["I"]) * (1 - weight["A"])
    impact = 7.52 * (impact_base - 0.029) - 3.25 * (impact_base - 0.02) ** 15 if changed else 6.42 * impact_base
    if impact <= 0:
        return 0.0
    exploitability = 8.22 * weight["AV"] * weight["AC"] * weight["PR"] * weight["UI"]
    return _round_up(min((1.08 if changed else 1.0) * (impact + exploitability), 10.0))


def _round_up(value: float) -> float:
    whole = round(value * 100_000)
    return whole / 100_000 if whole % 10_000 == 0 else (whole // 10_000 + 1) / 10.0


def _base_score_2(vector: str) -> float | None:
    metrics = vector.removeprefix("CVSS:2.0/").strip("()").split("/")
    values = dict(metric.partition(":")[::2] for metric in metrics)
    try:
        weight = {name: _WEIGHTS_2[name][values[name]] for name in _WEIGHTS_2}
    except KeyError:
        return None
    impact = 10.41 * (1 - (1 - weight["C"]) * (1 - weight["I"]) * (1 - weight["A"]))
    exploitability = 20 * weight["AV"] * weight["AC"] * weight["Au"]
    value = (0.6 * impact + 0.4 * exploitability - 1.5) * (1.176 if impact else 0.0)
    return int(value * 10 + 0.5 + 1e-9) / 10.0
