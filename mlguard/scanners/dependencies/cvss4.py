"""Computes the score of a CVSS 4.0 vector from its macro vector and the distances within that.

https://www.first.org/cvss/v4.0/specification-document, section 8; the scores of the 270 macro vectors are those that FIRST publishes
with it. Distances count steps from the worst value of a metric.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

_BASE = {
    "AV": "NALP",
    "PR": "NLH",
    "UI": "NPA",
    "AC": "LH",
    "AT": "NP",
    "VC": "HLN",
    "VI": "HLN",
    "VA": "HLN",
    "SC": "HLN",
    "SI": "HLN",
    "SA": "HLN",
}
"""The metrics that each vector must have, with their values from the worst to the mildest."""

_MORE = {"E": "APU", "CR": "HML", "IR": "HML", "AR": "HML"}
"""Metrics of threat and environment; the worst value counts where none is given."""

_STEPS = {**_BASE, **_MORE, "SC": " HLN", "SI": "SHLN", "SA": "SHLN"}
"""Values in the order in which distances count. Safety is one step above the rest, also for the metric that cannot have it."""

_WORST: Mapping[str, Mapping[str, Sequence[str]]] = {
    "AV PR UI": {"0": ["NNN"], "1": ["ANN", "NLN", "NNP"], "2": ["PNN", "ALP"]},
    "AC AT": {"0": ["LN"], "1": ["HN", "LP"]},
    "VC VI VA CR IR AR": {
        "00": ["HHHHHH"],
        "01": ["HHLMMH", "HHHMMM"],
        "10": ["LHHHHH", "HLHHHH"],
        "11": ["LHLHMH", "LHHHMM", "HLHMHM", "HLLMHH", "LLHHHM"],
        "21": ["LLLHHH"],
    },
    "SC SI SA": {"0": ["HSS"], "1": ["HHH"], "2": ["LLL"]},
    "E": {"0": ["A"], "1": ["P"], "2": ["U"]},
}
"""The metrics of each part of a macro vector, and the worst values that each of its levels allows."""

_DEPTH: Sequence[Mapping[str, int]] = (
    {"0": 1, "1": 4, "2": 5},
    {"0": 1, "1": 2},
    {"00": 7, "01": 6, "10": 8, "11": 8, "21": 10},
    {"0": 6, "1": 5, "2": 4},
)
"""Steps from the worst to the mildest vector of each level of the parts of ``_WORST``; the last one has no distance within."""

_BELOW: Mapping[str, Sequence[str]] = {"00": ("01", "10"), "01": ("11",), "10": ("11",), "11": ("21",), "21": ()}

_TENTHS = (
    # one line for each level of the first three parts; in it those of the fourth, and of the fifth within
    "100 98 95 100 93 91 93 89 81 "
    "99 95 92 96 87 81 90 80 68 "
    "98 95 90 93 89 81 88 78 69 "
    "95 92 84 92 81 65 80 70 48 "
    "92 82 72 79 69 50 69 55 27 "
    "99 95 92 95 90 84 92 82 72 "
    "97 92 85 91 83 71 81 71 53 "
    "95 92 85 92 80 70 84 71 50 "
    "93 85 73 82 72 59 70 52 30 "
    "86 75 52 71 52 29 63 29 17 "
    "98 94 91 94 86 77 87 74 63 "
    "95 87 81 89 74 64 75 63 49 "
    "94 88 76 86 74 59 72 57 52 "
    "89 77 67 76 58 50 57 52 25 "
    "83 70 54 65 58 26 53 21 13 "
    "95 88 76 90 75 61 77 68 52 "
    "90 76 70 77 62 53 66 59 30 "
    "89 76 62 74 57 47 61 57 24 "
    "78 67 58 59 57 23 52 29 16 "
    "71 59 30 58 26 15 23 13 6 "
    "93 86 75 86 74 56 70 52 40 "
    "87 72 58 74 61 34 54 40 22 "
    "85 74 62 72 55 46 53 34 19 "
    "75 55 51 57 41 19 36 19 8 "
    "64 51 20 47 21 11 24 9 4 "
    "88 73 60 73 59 41 54 45 20 "
    "75 53 50 55 40 20 43 22 11 "
    "75 58 40 61 48 20 46 17 8 "
    "55 45 21 51 18 9 18 7 2 "
    "53 24 14 24 12 5 10 3 1 "
)
"""The scores of all macro vectors, in tenths."""

Macro = tuple[str, ...]
"""The levels of the five parts, the third of which takes two digits."""


@cache
def _scores() -> Mapping[Macro, float]:
    levels = [
        (one, two, three, four, five)
        for one in "012"
        for two in "01"
        for three in _BELOW
        for four in "012"
        for five in "012"
    ]
    return dict(zip(levels, (int(text) / 10 for text in _TENTHS.split()), strict=True))


def score(vector: str) -> float | None:
    """Return the score, 0.0 to 10.0, with the metrics of threat and environment that the vector gives; None when it is none."""
    head, *metrics = vector.strip().split("/")
    given = dict(metric.partition(":")[::2] for metric in metrics)
    if head != "CVSS:4.0" or len(given) != len(metrics):
        return None
    values = {}
    for name, allowed in (*_BASE.items(), *_MORE.items()):
        value = given.get(name, "X" if name in _MORE else "")
        if value == "X" and name in _MORE:
            value = allowed[0]
        if len(value) != 1 or value not in allowed:
            return None
        changed = given.get("M" + name, "X")
        if changed != "X" and name in _BASE:
            if len(changed) != 1 or changed not in (_STEPS[name].strip() if name in ("SI", "SA") else allowed):
                return None
            value = changed
        values[name] = value
    if all(values[name] == "N" for name in ("VC", "VI", "VA", "SC", "SI", "SA")):
        return 0.0
    return _scored(values, _macro(values))


def _macro(values: Mapping[str, str]) -> Macro:
    def are(**wanted: str) -> list[bool]:
        return [values[name] == value for name, value in wanted.items()]

    reach = are(AV="N", PR="N", UI="N")
    one = "0" if all(reach) else "1" if any(reach) and values["AV"] != "P" else "2"
    two = "0" if all(are(AC="L", AT="N")) else "1"
    high = are(VC="H", VI="H", VA="H")
    three = "0" if all(high[:2]) else "1" if any(high) else "2"
    asked = are(CR="H", IR="H", AR="H")
    six = "0" if any(is_high and is_asked for is_high, is_asked in zip(high, asked, strict=True)) else "1"
    four = "0" if any(are(SI="S", SA="S")) else "1" if any(are(SC="H", SI="H", SA="H")) else "2"
    return one, two, three + six, four, str("APU".index(values["E"]))


def _scored(values: Mapping[str, str], macro: Macro) -> float:
    scores = _scores()
    value = scores[macro]
    lost = []
    for place, (names, worst) in enumerate(_WORST.items()):
        level = macro[place]
        below = _BELOW[level] if place == 2 else (str(int(level) + 1),)
        reachable = []
        for one in below:
            levels = list(macro)
            levels[place] = one
            if (lower := tuple(levels)) in scores:
                reachable.append(scores[lower])
        if not reachable:
            continue
        room = value - max(reachable)
        share = _distance(values, names.split(), worst[level]) / _DEPTH[place][level] if place < len(_DEPTH) else 0.0
        lost.append(room * share)
    if lost:
        value -= sum(lost) / len(lost)
    return int(min(max(value, 0.0), 10.0) * 10 + 0.5 + 1e-6) / 10


def _distance(values: Mapping[str, str], names: Sequence[str], worst: Sequence[str]) -> int:
    """Return the steps from the first worst vector that is worse or equal in each metric."""
    for vector in worst:
        steps = [
            _STEPS[name].index(values[name]) - _STEPS[name].index(top) for name, top in zip(names, vector, strict=True)
        ]
        if min(steps) >= 0:
            return sum(steps)
    return 0
