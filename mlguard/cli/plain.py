"""Reads the commonest arguments of ``mlguard scan``: to load click takes as long as to scan a few files.

What is not as plain as that is left to click, with every error and all help, so that there is one place that says what is wrong.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

_MANY = {"-s": "scanners", "--scanner": "scanners", "-o": "outputs", "--output": "outputs"}
_FLAGS = {
    "-v": ("verbose", True), "--verbose": ("verbose", True), "--no-cache": ("no_cache", True), "--color": ("color", True), "--no-color": ("color", False),
}  # fmt: skip
_JOBS = ("-j", "--jobs")
_FAIL_ON = ("critical", "high", "medium", "low", "never")


def arguments(given: Sequence[str]) -> dict[str, Any] | None:
    """Return what ``mlguard.cli.scanning.scan`` is to be called with, None when click has to read the arguments."""
    found: dict[str, Any] = {"targets": [], "scanners": [], "outputs": []}
    rest = iter(given)
    for one in rest:
        if not one.startswith("-"):
            found["targets"].append(one)
            continue
        if one in _FLAGS:
            name, value = _FLAGS[one]
            found[name] = value
            continue
        option, apart, told = one.partition("=") if one.startswith("--") else (one, "", "")
        told = told if apart else next(rest, "")
        if not told or told.startswith("-"):
            return None
        if option in _MANY:
            found[_MANY[option]].append(told)
        elif option == "--fail-on" and told in _FAIL_ON:
            found["fail_on"] = told
        elif option in _JOBS and told.isascii() and told.isdigit() and len(told) <= 3 and int(told) <= 256:
            found["jobs"] = int(told)
        else:
            return None
    return {name: tuple(value) if isinstance(value, list) else value for name, value in found.items()}
