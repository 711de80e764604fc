"""Reads what the sessions of a noxfile.py install, from its syntax alone. https://nox.thea.codes/en/stable/config.html"""

from __future__ import annotations

import ast
import warnings

from mlguard.errors import Unreadable
from mlguard.scanners.dependencies import requirements
from mlguard.scanners.dependencies.manifests import MAX_REQUIREMENTS, Manifest, Place, Read, Trouble
from mlguard.scanners.dependencies.readers import conda, inline, installs
from mlguard.scanners.dependencies.readers.setuptools import MAX_CODE

_INSTALLS = frozenset({"install", "run_install"})
_RUNS = frozenset({"run", "run_always", "run_install"})
MAX_DEPTH = 20
"""Names that are followed from one list to the next."""


def read(path: str, text: str, load_file: Read) -> Manifest | None:
    """Return what the sessions install; None when that is nothing. Raises Unreadable."""
    if len(text) > MAX_CODE:
        raise Unreadable(f"over {MAX_CODE // 1024} KiB of code")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text.removeprefix("\ufeff"))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise Unreadable("not valid Python") from None
    manifest = inline.read(path, text, load_file) or Manifest(path)
    manifest.format = "nox"
    named: dict[str, ast.expr] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            named[node.targets[0].id] = node.value
    for function in ast.walk(tree):
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
            for call in ast.walk(function):
                if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
                    _call(manifest, call, call.func.attr, function.name, named, load_file)
    return manifest if manifest.components or manifest.troubles else None


def _call(
    manifest: Manifest, call: ast.Call, method: str, group: str, named: dict[str, ast.expr], load_file: Read
) -> None:
    if method not in _INSTALLS | _RUNS | {"conda_install"}:
        return
    words: list[tuple[str, Place] | ast.expr] = []
    for argument in call.args:
        words += _words(manifest.path, argument, named, 0)
    texts = [word for word in words if isinstance(word, tuple)]
    if method in _RUNS and not (method == "run_install" and not texts):
        found = installs.of(tuple(text for text, _ in texts))
        if found is None:
            return
        texts = texts[len(texts) - len(found.words) :] if found.words else []
        if found.conda:
            method = "conda_install"
    for word in words:
        if not isinstance(word, tuple):
            reason = f"line {word.lineno} installs what is worked out when the session runs"
            manifest.troubles.append(Trouble(manifest.path, "unresolved", reason, "write the requirements out"))
    if len(manifest.components) > MAX_REQUIREMENTS:
        raise Unreadable(f"more than {MAX_REQUIREMENTS} requirements")
    _take(manifest, texts, group, method == "conda_install", load_file)


def _words(path: str, value: ast.expr, named: dict[str, ast.expr], depth: int) -> list[tuple[str, Place] | ast.expr]:
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        at = value.col_offset + 2
        return [(value.value, Place(path, value.lineno, at, at + len(value.value)))]
    if depth < MAX_DEPTH:
        if isinstance(value, ast.Starred):
            return _words(path, value.value, named, depth + 1)
        if isinstance(value, (ast.List, ast.Tuple)):
            return [word for item in value.elts for word in _words(path, item, named, depth + 1)]
        if isinstance(value, ast.Name) and value.id in named:
            return _words(path, named[value.id], named, depth + 1)
        if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Add):
            return _words(path, value.left, named, depth + 1) + _words(path, value.right, named, depth + 1)
    return [value]


def _take(manifest: Manifest, texts: list[tuple[str, Place]], group: str, of_conda: bool, load_file: Read) -> None:
    places = dict(texts)
    given = tuple(text for text, _ in texts)
    for word in installs.of_conda(given) if of_conda else installs.arguments(given):
        place = next((place for text, place in texts if text in (word.text, f"{word.option}={word.text}")), None)
        place = place or places.get(word.option) or texts[0][1]
        if of_conda and not word.option:
            part = conda.match_spec(word.text, place, group=group)
            manifest.components += [part] if part else []
        elif word.option in ("-r", "-c", "-e"):
            requirements.take_lines(manifest, [(f'{word.option} "{word.text}"', place)], load_file, group=group)
        elif not word.option:
            requirements.take_lines(manifest, [(word.text, place)], load_file, group=group)
        elif not of_conda:
            requirements.take_index(manifest, word.option, word.text, place)
