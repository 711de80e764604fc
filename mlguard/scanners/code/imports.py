"""Tells which modules of third parties a file imports, and which variables it sets that switch telemetry off."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping

from mlguard.facts import Imports, Switch
from mlguard.scanners.code.source import Source

MAX_MODULES = 500
"""Modules of one file that are told."""

NAMESPACES = frozenset(
    {
        "google",
        "azure",
        "azureml",
        "ruamel",
        "opentelemetry",
        "databricks",
        "snowflake",
        "llama_index",
        "segment",
        "backports",
    }
)
"""Top-level packages that many distributions share: of them up to three parts of the name are told."""

_OWN = frozenset(sys.stdlib_module_names) | {"__main__"}


def told(source: Source) -> Iterator[Imports | Switch]:
    """Yield the imports of a file, if there are any of third parties, and its switches."""
    found: dict[str, int] = {}
    for name, node in source.tree.imported.items():
        top = name.partition(".")[0]
        if not top or top in _OWN:
            continue  # of the standard library, or of the file's own package
        module = ".".join(name.split(".")[:3]) if top in NAMESPACES else top
        line = node.lineno if source.rows is None else source.location(node).line  # type: ignore[attr-defined]  # of statements
        if module not in found or line < found[module]:
            if module not in found and len(found) >= MAX_MODULES:
                continue
            found[module] = line
    if found:
        names = tuple(sorted(name for name in found if not _only_leads(name, found)))
        yield Imports(source.path, names, tuple(found[name] for name in names))
    yield from _switches(source)


def _only_leads(name: str, found: Mapping[str, int]) -> bool:
    """Say whether a name is only the way to another: ``google.cloud`` of ``from google.cloud import storage``."""
    return name.partition(".")[0] in NAMESPACES and any(other.startswith(f"{name}.") for other in found)


_HINTS = (
    b"TELEMETRY",
    b"DO_NOT_TRACK",
    b"ANALYTICS",
    b"USAGE",
    b"YOLO_",
    b"OTEL_SDK",
    b"HF_HUB_OFFLINE",
    b"TRACKING",
    b"analytics_enabled",
    b"anonymized_telemetry",
)
_CALLS = {"analytics_enabled": "GRADIO_ANALYTICS_ENABLED", "anonymized_telemetry": "ANONYMIZED_TELEMETRY"}
"""Arguments of calls that do what a variable does."""


def _switches(source: Source) -> Iterator[Switch]:
    if not any(hint in source.data for hint in _HINTS):
        return
    for node in source.tree.of(ast.Assign):
        target = node.targets[0]
        if (
            isinstance(target, ast.Subscript)
            and isinstance(target.slice, ast.Constant)
            and isinstance(node.value, ast.Constant)
        ):
            yield from _set(source, node, target.slice.value, node.value.value)
    for node in source.tree.of(ast.Call):
        last = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        if last in ("setdefault", "putenv") and len(node.args) == 2:
            name, value = node.args
            if isinstance(name, ast.Constant) and isinstance(value, ast.Constant):
                yield from _set(source, node, name.value, value.value)
        for keyword in node.keywords:
            if keyword.arg in _CALLS and isinstance(keyword.value, ast.Constant):
                yield from _set(source, node, _CALLS[keyword.arg], str(keyword.value.value))


def _set(source: Source, node: ast.AST, name: object, value: object) -> Iterator[Switch]:
    from mlguard.scanners.dependencies import surroundings

    if isinstance(name, str) and name in surroundings.variables() and isinstance(value, str):
        yield Switch(name, source.path, source.location(node).line, surroundings.is_off(name, value))
