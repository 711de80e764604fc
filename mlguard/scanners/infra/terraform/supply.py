"""What a Terraform folder takes from elsewhere: modules of a registry or repository, providers, and the lock file beside it."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator
from typing import Any

from mlguard.scanners import lazy
from mlguard.scanners.infra.resources import Path, Position, Resource, Unknown
from mlguard.scanners.infra.terraform.evaluator import Module
from mlguard.scanners.infra.terraform.syntax import Block

LOCK = ".terraform.lock.hcl"
"""The file in which Terraform keeps the exact versions and digests of the providers."""

_LOCAL = lazy.pattern(r"^(?:\.{1,2}(?:[/\\]|$)|/|[A-Za-z]:[\\/])")
_REGISTRY = lazy.pattern(r"^(?:[A-Za-z0-9.-]+\.[A-Za-z]{2,}(?::\d+)?/)?[\w-]+/[\w-]+/[\w-]+(?://.*)?$")
_HOSTED = lazy.pattern(r"^(?:github\.com|bitbucket\.org|gitlab\.com)/|^git@|^git::|\.git(?://|\?|$)|^ssh://")
_COMMIT = lazy.pattern(r"^[0-9a-f]{40}(?:[0-9a-f]{24})?$")
_VERSION = lazy.pattern(r"^(?:[\w./-]*[/-])?v?\d+(?:\.\d+){1,3}(?:[-+][\w.+-]+)?$")
_EXACT = lazy.pattern(r"^=?\s*v?\d+\.\d+\.\d+(?:[-+][\w.]+)?$")


def supply(module: Module, exists: Callable[[str], bool]) -> Iterator[Resource]:
    """Yield the calls of modules that stand elsewhere, and the providers that the folder asks for.

    ``exists`` says whether there is a file in the tree.
    """
    folder = module.folder
    for name, block in folder.modules.items():
        source = block.value("source")
        value = module.clean(module.ev(source, {})) if source is not None else None
        if isinstance(value, Unknown) or (isinstance(value, str) and not _LOCAL.match(value)):
            yield _call(module, name, block, value)
    locked = exists(posixpath.join(folder.path, LOCK))
    deployed = any(inner.type in ("backend", "cloud") for block in folder.settings for inner in block.blocks)
    for block in folder.settings:
        for inner in block.blocks:
            if inner.type == "required_providers":
                yield from _providers(module, inner, deployed, locked)


def _call(module: Module, name: str, block: Block, source: Any) -> Resource:
    version = block.value("version")
    attributes: dict[str, Any] = {
        "source": source,
        "version": module.clean(module.ev(version, {})) if version is not None else None,
    }
    attributes |= parts(source) if isinstance(source, str) else {}
    positions: dict[Path, Position] = {(): block.at}
    for key in ("source", "version"):
        if key in block.attributes:
            positions[key,] = block.attributes[key].at
    positions["ref",] = positions.get(("source",), block.at)
    positions["scheme",] = positions["ref",]
    return Resource(
        "terraform.call", name, f"{module.prefix}module.{name}/source", block.at.path, attributes, positions, ("derived",),
        format="terraform",
    )  # fmt: skip


def parts(source: str) -> dict[str, str]:
    """Return what a module's source says: ``scheme`` (registry, git, hg, http, https, other), ``ref``, and what ``ref_kind`` it is.

    The kind is commit, version (a tag that looks like a release) or branch (anything else); a source without a ref has neither.
    """
    address, _, query = source.partition("?")
    if "\ue000" in source:
        return {"scheme": "other"}
    if address.startswith("hg::"):
        scheme = "hg"
    elif _HOSTED.search(address):
        scheme = "git"
    elif address.startswith("http://"):
        scheme = "http"
    elif address.startswith("https://"):
        scheme = "https"
    elif _REGISTRY.match(address):
        scheme = "registry"
    else:
        scheme = "other"
    found = {"scheme": scheme}
    if address.startswith(("git::http://", "hg::http://")):
        found["plain"] = "true"
    reference = re.search(r"(?:^|&)(?:ref|rev)=([^&]*)", query)
    if reference and reference.group(1):
        ref = reference.group(1)
        found["ref"] = ref
        found["ref_kind"] = "commit" if _COMMIT.match(ref) else "version" if _VERSION.match(ref) else "branch"
    return found


def _providers(module: Module, block: Block, deployed: bool, locked: bool) -> Iterator[Resource]:
    loose = False
    for name, attribute in sorted(block.attributes.items()):
        value = module.clean(module.ev(attribute.expr, {}))
        fields = value if isinstance(value, dict) else {"version": value}
        version, source = fields.get("version"), fields.get("source")
        loose = loose or not (isinstance(version, str) and _EXACT.match(version.strip()))
        positions: dict[Path, Position] = {(): attribute.at}
        for key, _, at in attribute.expr.args if attribute.expr.op == "object" else ():
            if key.op in ("lit", "var"):
                positions[str(key.args[0]),] = at
        for own in ("version", "open_end"):
            positions.setdefault((own,), positions.get(("version",), attribute.at))
        attributes: dict[str, Any] = {
            "version": version, "source": source, "locked": locked, "open_end": isinstance(version, str) and _open(version),
            "root": deployed or any(key.partition(".")[0] == name for key in module.folder.providers),
            "builtin": isinstance(source, str) and source.startswith("terraform.io/builtin/"),
        }  # fmt: skip
        address = f"{module.prefix}terraform.required_providers.{name}"
        yield Resource(
            "terraform.provider",
            name,
            address,
            attribute.at.path,
            attributes,
            positions,
            ("derived",),
            format="terraform",
        )
    yield Resource(
        "terraform.lock", LOCK, f"{module.prefix}terraform.required_providers", block.at.path,
        {"deployed": deployed, "locked": locked, "loose": loose}, {(): block.at}, ("derived",), format="terraform",
    )  # fmt: skip


def _open(version: str) -> bool:
    """Say whether a version constraint has no upper bound."""
    return all(re.match(r"\s*(?:>=?|!=)", part) for part in version.split(","))
