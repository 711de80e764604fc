"""Says which versions of the libraries that code is judged by a repository asks for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from mlguard import lazy
from mlguard.artifacts import Artifact

LIBRARIES = frozenset({"torch", "numpy", "pyyaml", "transformers", "datasets", "keras", "tensorflow", "pandas", "jinja2", "python", "lightning",
                       "pytorch-lightning", "mlflow", "gradio", "scikit-learn", "skops", "langchain", "diffusers", "sentence-transformers"})  # fmt: skip
"""What some check asks the version of, or may; "python" is ``requires-python``."""

MAX_MANIFESTS = 64
"""Manifests that are looked at, the ones nearest to the root first."""

MAX_MANIFEST_BYTES = 4 * 2**20
"""The part of a manifest that is looked at."""

_LOCK = lazy.pattern(
    r"(?i)(?:^|/)(?:poetry\.lock|uv\.lock|pdm\.lock|pylock[\w.-]*\.toml|pipfile\.lock|conda-lock\.ya?ml)$"
)
_LOOSE = lazy.pattern(r"(?i)(?:^|/)(?:[\w.-]*(?:requirements|constraints)[\w.-]*\.(?:txt|in)|requirements/[\w.-]+\.txt|pyproject\.toml|setup\.cfg|"
                    r"setup\.py|pipfile|environment[\w.-]*\.ya?ml|conda[\w.-]*\.ya?ml)$")  # fmt: skip
_NAMES = "|".join(
    sorted((re.escape(name).replace(r"\-", "[-_.]") for name in LIBRARIES - {"python"}), key=len, reverse=True)
)
_REQUIREMENT = lazy.pattern(
    rf"(?im)(?:^|[\"'\s=])({_NAMES})(?:\[[\w, -]*\])?[\"']?[ \t]*(?:=[ \t]*(?:\{{[^}}\n]*?version[ \t]*=[ \t]*)?[\"'])?[ \t]*"
    r"((?:(?:===?|~=|>=|<=|>|<|!=|\^|=)[ \t]*)?[0-9][\w.+!*]*(?:[ \t]*,[ \t]*(?:==|~=|>=|<=|>|<|!=)[ \t]*[0-9][\w.+!*]*)*)?(?=[\"'\s,;\]#]|$)"
)
_LOCKED = lazy.pattern(
    rf"(?im)^(?:- )?[ \t]*name[ \t]*[:=][ \t]*[\"']?({_NAMES})[\"']?[ \t]*\r?\n[ \t]*version[ \t]*[:=][ \t]*[\"']?([0-9][\w.+!]*)"
)
_PIPFILE_LOCK = lazy.pattern(
    rf"(?i)\"({_NAMES})\"[ \t]*:[ \t]*\{{[^{{}}]*?\"version\"[ \t]*:[ \t]*\"==([0-9][\w.+!]*)\""
)
_PYTHON = lazy.pattern(
    r"(?im)^[ \t]*(?:requires[-_]python|python_requires|python)[ \t]*=[ \t]*[\"'](?:>=|~=|\^|==)[ \t]*([0-9][0-9.]*)"
)
_SCRIPT = lazy.pattern(r"(?m)^# /// script[ \t]*\r?\n((?:#[^\n]*\r?\n)+?)# ///[ \t]*\r?$")


def asked(root: Path, artifacts: Iterable[Artifact]) -> dict[str, list[str]]:
    """Return, by library, the lowest version that is allowed and the exact one, "" where there is none.

    Locks come before manifests; of several the lowest version counts. A manifest that cannot be read says nothing here: that it
    cannot be read is said by the scanner of dependencies.
    """
    paths = {artifact.path for artifact in artifacts if _LOCK.search(artifact.path) or _LOOSE.search(artifact.path)}
    paths |= {name for name in ("pyproject.toml", "requirements.txt", "uv.lock", "poetry.lock", "pdm.lock", "Pipfile.lock", "setup.cfg")
              if (root / name).is_file()}  # fmt: skip
    chosen = sorted(paths, key=lambda path: (path.count("/"), path))[:MAX_MANIFESTS]
    locked: dict[str, list[tuple[str, str]]] = {}
    loose: dict[str, list[tuple[str, str]]] = {}
    for path in chosen:
        text = _read(root / path)
        target = locked if _LOCK.search(path) else loose
        for name, low, exact in found_in(text, bool(_LOCK.search(path)), path.endswith((".txt", ".in"))):
            target.setdefault(name, []).append((low, exact))
    both = {**loose, **locked}
    lowest = {name: min(pairs, key=lambda pair: key(pair[0])) for name, pairs in sorted(both.items())}
    return {name: list(pair) for name, pair in lowest.items()}


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(MAX_MANIFEST_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""


def of_script(data: bytes) -> dict[str, list[str]]:
    """Return what the block at the head of a script asks for (inline script metadata, PEP 723)."""
    if b"# /// script" not in data:
        return {}
    match = _SCRIPT.search(data[:65536].decode("utf-8", "replace"))
    text = re.sub(r"(?m)^# ?", "", match.group(1)) if match else ""
    return {name: [low, exact] for name, low, exact in found_in(text, False)}


def found_in(text: str, is_lock: bool, is_list: bool = False) -> Iterator[tuple[str, str, str]]:
    """Yield the libraries of a manifest with their lowest and their exact version.

    A name without a version counts in a plain list of requirements only: elsewhere it may be a keyword or a heading.
    """
    if is_lock:
        for pattern in (_LOCKED, _PIPFILE_LOCK):
            for match in pattern.finditer(text):
                yield _name(match.group(1)), match.group(2), match.group(2)
    else:
        for match in _REQUIREMENT.finditer(text):
            if is_list or match.group(2):
                yield _name(match.group(1)), *_bounds(match.group(2) or "")
    for match in _PYTHON.finditer(text):
        yield "python", match.group(1), ""


def _name(written: str) -> str:
    return re.sub(r"[-_.]+", "-", written.lower())


_CLAUSE = lazy.pattern(r"(===?|~=|>=|<=|>|<|!=|\^|=)?[ \t]*([0-9][\w.+!*]*)")


def _bounds(specifier: str) -> tuple[str, str]:
    """Return the lowest version that a specifier allows, and the only one."""
    low = exact = ""
    for operator, version in _CLAUSE.findall(specifier):
        plain = version.removesuffix(".*")
        if operator in ("==", "===", "=", "") and version == plain:
            low = exact = version
        elif operator in ("~=", ">=", ">", "^", "==", "="):
            low = plain
    return low, exact


def key(version: str) -> tuple[int, ...]:
    """Return the numbers of a release, for comparing: what follows them (a suffix, a local label) does not count."""
    match = re.match(r"[0-9]+(?:\.[0-9]+)*", version)
    numbers = tuple(int(part) for part in match.group().split(".")[:4]) if match else (0,)
    while numbers and numbers[-1] == 0:
        numbers = numbers[:-1]
    return numbers


def at_least(versions: Mapping[str, Sequence[str]], library: str, version: str) -> bool:
    """Say whether every version that is allowed is at least this one."""
    found = versions.get(library)
    return found is not None and bool(found[0]) and key(found[0]) >= key(version)


def below(versions: Mapping[str, Sequence[str]], library: str, version: str) -> bool:
    """Say whether the version is fixed and below this one."""
    found = versions.get(library)
    return found is not None and bool(found[1]) and key(found[1]) < key(version)
