"""Evaluates Terraform code inside a test."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlguard.artifacts import Artifact
from mlguard.findings import Gap
from mlguard.scanners import Context
from mlguard.scanners.infra.resources import Resource
from mlguard.scanners.infra.terraform import read

Files = Mapping[str, str | bytes] | str


def write(root: Path, files: Files) -> list[Artifact]:
    """Write the files (one text is ``main.tf``) and return those that are Terraform's."""
    given = {"main.tf": files} if isinstance(files, str) else files
    for name, content in given.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return [
        Artifact(name, "terraform", 1) for name in sorted(given) if ".tf" in name and "/.terraform/" not in f"/{name}"
    ]


def records(root: Path, files: Files) -> list[Any]:
    """Return all that is read from the files."""
    return list(read(write(root, files), Context(root)))


def resources(root: Path, files: Files) -> dict[str, Resource]:
    """Return the resources by address; of several evaluations the last."""
    return {item.address: item for item in records(root, files) if isinstance(item, Resource)}


def gaps(root: Path, files: Files) -> list[Gap]:
    """Return what was not read."""
    return [item for item in records(root, files) if isinstance(item, Gap)]


def value(root: Path, expression: str, more: str = "") -> Any:
    """Return the value of one expression."""
    return resources(root, f'{more}\nresource "x_y" "z" {{\n  a = {expression}\n}}\n')["x_y.z"].attributes["a"]
