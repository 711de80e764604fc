"""Reads environments and recipes of conda. What pip installs into them is audited, conda's own packages are a trouble."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from mlguard import lazy
from mlguard.errors import Unreadable
from mlguard.scanners.dependencies import requirements
from mlguard.scanners.dependencies.manifests import Component, Manifest, Place, Read, Source, Trouble, host_of
from mlguard.scanners.dependencies.normal import canonical

_OWN = frozenset({"python", "pip", ""})
"""The interpreter and the installer, which other rules judge."""

_TEMPLATE = lazy.pattern(r"\{\{|\{%|\$\{\{")


def tell(manifest: Manifest, parts: Iterable[Component]) -> None:
    """Add the trouble that there is no audit of conda's packages, if there are any."""
    own = [part for part in parts if part.origin == "conda" and part.name not in _OWN and not part.name.startswith("_")]
    if own:
        reason = f"{len(own)} packages come from conda, for which there is no audit"
        manifest.troubles.append(Trouble(manifest.path, "unresolved", reason, "install them with pip from a lock file"))


def match_spec(text: str, place: Place, **more: Any) -> Component | None:
    """Return the package that a match specification of conda names, or None.

    https://docs.conda.io/projects/conda/en/stable/user-guide/concepts/pkg-specs.html#package-match-specifications
    """
    text = re.sub(r"\s+#.*$", "", text.strip())
    channel, _, rest = text.rpartition("::")
    match = re.match(r"([A-Za-z0-9_][\w.-]*)\s*(?:\[([^\]]*)\]|(.*))$", rest.strip(), re.S)
    if match is None:
        return None
    given = (match[3] or "").strip()
    if match[2] is not None:
        version = re.search(r"version\s*=\s*['\"]?([^'\",\]]+)", match[2])
        given = version[1].strip() if version else ""
        given = f"={given}" if given[:1].isdigit() else given
    elif re.match(r"\d", given):
        given = "=" + re.sub(r"\s+", "=", given)  # ``name 1.0 build``
    parts = given.split("=")
    fixed = ""
    if re.fullmatch(r"==[^\s,|*=<>!]+(?:=\S+)?", given):
        fixed = parts[2]
    elif re.fullmatch(r"=[^\s,|*=<>!]+=[^\s*]+", given):
        fixed = parts[1]
    return Component(canonical(match[1]), given, fixed, place, "conda", source=host_of(channel), **more)


def read(path: str, text: str, load_file: Read) -> Manifest | None:
    """Return the packages of an environment; None for a file that names none. Raises Unreadable.

    https://docs.conda.io/projects/conda/en/stable/user-guide/tasks/manage-environments.html
    """
    from mlguard import yamlish

    document, lines = yamlish.load(_without_selectors(text), "the environment")
    listed = document.get("dependencies") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        return None
    manifest = Manifest(path, format="conda environment")
    rows = text.split("\n")
    for index, item in enumerate(listed):
        here: tuple[str | int, ...] = ("dependencies", index)
        place = _on(path, rows, yamlish.line_of(lines, here), str(item))
        if isinstance(item, dict):
            for key, values in item.items():
                if key != "pip" or not isinstance(values, list):
                    manifest.troubles.append(
                        Trouble(path, "unresolved", f"line {place.line} is a list that cannot be read")
                    )
                    continue
                for number, one in enumerate(values):
                    line = yamlish.line_of(lines, (*here, "pip", number))
                    requirements.take_lines(manifest, [(str(one), _on(path, rows, line, str(one)))], load_file)
        elif item is not None:
            part = match_spec(str(item), place)
            if part is None or _TEMPLATE.search(str(item)):
                manifest.troubles.append(
                    Trouble(path, "unresolved", f"line {place.line} is not a package that can be read")
                )
            else:
                manifest.components.append(part)
    for index, channel in (
        enumerate(document.get("channels") or ()) if isinstance(document.get("channels"), list) else ()
    ):
        if isinstance(channel, str):
            place = _on(path, rows, yamlish.line_of(lines, ("channels", index)), channel)
            manifest.sources.append(Source("channel", host_of(channel), place))
    tell(manifest, manifest.components)
    return manifest if manifest.components or manifest.troubles else None


def _without_selectors(text: str) -> str:
    """Return YAML without the statements of Jinja on lines of their own."""
    return re.sub(r"(?m)^[ \t]*\{%.*%\}[ \t]*$", "", text) if "{%" in text else text


def _on(path: str, rows: list[str], line: int, text: str) -> Place:
    """Return the place of a text on a line."""
    at = rows[line - 1].find(text) if 0 < line <= len(rows) else -1
    return Place(path, line, at + 1, at + 1 + len(text)) if at >= 0 and text else Place(path, line)


_HEADER = lazy.pattern(r"^(\s*)(requirements|outputs|test|tests)\s*:\s*(?:#.*)?$")
_LIST = lazy.pattern(r"^(\s*)(host|build|run|run_constrained|run_constraints|requires|pip)\s*:\s*(?:#.*)?$")
_ITEM = lazy.pattern(r"^(\s*)-\s+(.*?)\s*$")


def read_recipe(path: str, text: str, load_file: Read) -> Manifest | None:
    """Return the packages that a recipe lists, read by its lines: its templates are not rendered. Raises Unreadable.

    https://docs.conda.io/projects/conda-build/en/stable/resources/define-metadata.html#requirements-section
    """
    manifest = Manifest(path, format="conda recipe")
    inside, section, depth = False, "", 0
    for number, line in enumerate(text.splitlines(), 1):
        if not line or line.isspace():
            continue
        plain = line.split(" #", 1)[0].rstrip()
        if not plain.strip() or plain.lstrip().startswith("#"):
            continue
        indent = len(plain) - len(plain.lstrip())
        if _HEADER.match(plain):
            inside, section = True, ""
        elif inside and (header := _LIST.match(plain)):
            section, depth = header[2], indent
        elif inside and (item := _ITEM.match(plain)) and section and indent >= depth:
            _recipe_item(manifest, item[2].strip("\"'"), Place(path, number, line.find(item[2]) + 1), section)
        elif indent == 0:
            inside, section = False, ""
        elif section and indent <= depth:
            section = ""
    if manifest.components or manifest.troubles:
        tell(manifest, manifest.components)
        return manifest
    if re.search(r"^[ \t]*requirements[ \t]*:", text, re.M):
        raise Unreadable("the requirements of this recipe are written in a way that cannot be read")
    return None


def _recipe_item(manifest: Manifest, item: str, place: Place, section: str) -> None:
    part = None
    if not _TEMPLATE.search(item):
        part = match_spec(item, place, build=section in ("build", "host"), constraint=section.startswith("run_constr"))
    if part is not None:
        manifest.components.append(part)
    elif re.match(r"\{\{\s*(?:compiler|pin_subpackage|stdlib|cdt)\s*\(", item.replace("${{", "{{")):
        return  # a compiler of the build, or a part of this very recipe
    else:
        reason = f"line {place.line} has a template, which is not rendered"
        manifest.troubles.append(Trouble(manifest.path, "unresolved", reason, "build from a lock file"))
