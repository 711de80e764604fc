"""Reads what a document or a configuration says about differentially private training: whether it claims it, epsilon and delta."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from mlguard import lazy
from mlguard.values import dataclass

MAX_DEPTH = 12
"""Levels of a configuration that are looked at."""

_TERM = r"(?:differential(?:ly)?[ -]+priva(?:cy|te)|dp[ -]?(?:sgd|adam|ftrl)|differentielle[rn]?[ -]+privatsphäre|confidentialité différentielle)"
_CLAIM = lazy.pattern(
    rf"(?i)\b(?:train(?:ed|ing|s)?|fine-?tun(?:ed|ing)|learn(?:ed|t|ing)|protect(?:ed|s)|guarantee[ds]?|satisf(?:ies|y)|provides?|offers?|achiev(?:es|ed)|"
    rf"uses?|using|used|appl(?:ies|ied|y)|with|under|via|trainiert|mit|entraîné|avec)\b[^.\n]{{0,60}}?\b{_TERM}|\b{_TERM}[^.\n]{{0,60}}?(?:ε|epsilon|eps)\s*[=:≤<]"
)
_DOUBT = lazy.pattern(
    r"(?i)\b(?:not|no|without|never|future|plan(?:ned|s)?|todo|should|could|can|may|might|would|consider(?:ing|ed)?|if|optional(?:ly)?|supports?|nicht|kein|keine|ohne|pas|sans|"
    r"n't|lack(?:s|ing)?|neither|instead of|rather than|paper|survey|library|tutorial)\b|n't\b"
)
_EPSILON = lazy.pattern(
    r"(?i)(?:ε|\bepsilon|\beps)\s*(?:\([^)\n]{0,20}\))?\s*(?:of|is|[=:≤<~≈]|\s)\s*=?\s*(\d+(?:\.\d+)?(?:e-?\d+)?)"
)
_DELTA = lazy.pattern(
    r"(?i)(?:δ|\bdelta)\s*(?:of|is|[=:≤<~≈]|\s)\s*=?\s*(10\^?\{?-\d+\}?|1/\d+|\d+(?:\.\d+)?(?:e-?\d+)?)"
)
_FENCE = lazy.pattern(r"^ {0,3}(?:```|~~~)")


@dataclass(frozen=True, slots=True)
class Claim:
    """``line`` counts from 1. What is not said is None; ``noise`` is the noise multiplier of DP-SGD."""

    line: int = 1
    epsilon: float | None = None
    delta: float | None = None
    noise: float | None = None


def in_text(text: str) -> Claim | None:
    """Return what a document claims about its model: a sentence that says it without doubt, with the figures that stand near."""
    lines = text.split("\n")
    code = False
    for number, line in enumerate(lines, 1):
        if _FENCE.match(line):
            code = not code
        elif not code and any(
            _CLAIM.search(sentence) and not _DOUBT.search(sentence) for sentence in re.split(r"(?<=[.!?]) ", line)
        ):
            near = " ".join(lines[max(number - 3, 0) : number + 4])
            return Claim(number, _first(_EPSILON, near), _first(_DELTA, near))
    return None


def _first(pattern: re.Pattern[str], text: str) -> float | None:
    match = pattern.search(text)
    return number(match.group(1)) if match else None


def number(value: object) -> float | None:
    """Return a finite number, also of a text such as 1e-5, 10^-5 or 1/100000; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return float(value) if math.isfinite(value) else None
    if not isinstance(value, str) or len(value) > 30:
        return None
    if match := re.fullmatch(r"10\^?\{?(-\d{1,3})\}?", value):
        return float(10.0 ** int(match.group(1)))
    if (match := re.fullmatch(r"1/(\d{1,12})", value)) and int(match.group(1)):
        return 1 / int(match.group(1))
    try:
        found = float(value)
    except ValueError:
        return None
    return found if math.isfinite(found) else None


# --- Configurations

_GROUP = lazy.pattern(
    r"(?i)^(?:dp|dp[_-]?sgd|dp[_-]?training|differential[_-]?privacy|differentially[_-]?private|privacy|opacus|private[_-]?training)$"
)
_ON = ("enabled", "enable", "use", "active", "on", "use_dp", "enable_dp", "dp")
_FLAGS = lazy.pattern(
    r"(?i)^(?:use_dp|enable_dp|dp_enabled|dp_sgd|use_dp_sgd|differential_privacy|differentially_private|private_training|use_opacus)$"
)
_NAMES = {
    "epsilon": lazy.pattern(
        r"(?i)^(?:(?:dp|target|privacy|max|per_example_max)_epsilon|epsilon_budget|privacy_budget)$"
    ),
    "delta": lazy.pattern(r"(?i)^(?:dp|target|privacy)_delta$"),
    "noise": lazy.pattern(r"(?i)^(?:dp_)?noise_multiplier$|^dp_noise(?:_scale)?$"),
}
_INSIDE = {"epsilon": ("epsilon", "eps"), "delta": ("delta",), "noise": ("noise", "sigma", "noise_scale")}


def in_settings(body: Any, lines: Mapping[tuple[str | int, ...], int]) -> Claim | None:
    """Return what a training configuration sets. ``epsilon`` alone is that of an optimiser; it counts below a key for privacy only."""
    found: dict[str, float] = {}
    first = 0
    claimed = False
    for at, key, value, inside in _walk(body, (), False):
        name = next((name for name, pattern in _NAMES.items() if pattern.match(key)), "")
        name = name or next((name for name, words in _INSIDE.items() if inside and key.lower() in words), "")
        amount = number(value)
        switch = value is True and (_FLAGS.match(key) is not None or inside and key.lower() in _ON)
        if switch or name and amount is not None:
            claimed = claimed or switch or name in ("epsilon", "noise")
            first = first or lines.get(at, 1)
        if name and amount is not None:
            found.setdefault(name, amount)
    return Claim(first, found.get("epsilon"), found.get("delta"), found.get("noise")) if claimed else None


def _walk(body: Any, at: tuple[str | int, ...], inside: bool) -> Iterator[tuple[tuple[str | int, ...], str, Any, bool]]:
    """Yield (path, key, value, whether a key above is about privacy) of all plain values; what is switched off is left out."""
    if len(at) > MAX_DEPTH:
        return
    if isinstance(body, list):
        for index, item in enumerate(body[:1000]):
            yield from _walk(item, (*at, index), inside)
    elif isinstance(body, Mapping):
        if inside and any(body.get(name) is False for name in _ON):
            return
        for key, item in body.items():
            if isinstance(item, (Mapping, list)):
                yield from _walk(item, (*at, key), inside or bool(_GROUP.match(str(key))))
            else:
                yield (*at, key), str(key), item, inside


def in_measures(measures: Any) -> Claim | None:
    """Return what the ``measures`` of a declared model say: a mapping that names differential privacy, with its figures."""
    for item in measures if isinstance(measures, list) else []:
        if not isinstance(item, Mapping):
            continue
        words = " ".join(
            str(part) for key, value in item.items() for part in (key, value if isinstance(value, (str, bool)) else "")
        )
        if re.search(rf"(?i){_TERM}|differential[_-]priva|\bdp\b", words.replace("_", " ")):
            figures: dict[str, Any] = dict(item)
            for value in item.values():
                if isinstance(value, Mapping):
                    figures |= value
            return Claim(
                1, number(figures.get("epsilon")), number(figures.get("delta")), number(figures.get("noise_multiplier"))
            )
    return None
