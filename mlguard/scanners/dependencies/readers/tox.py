"""Reads what the environments of tox install, from its INI and TOML forms. https://tox.wiki/en/latest/config.html"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from mlguard import lazy
from mlguard.scanners.dependencies import requirements
from mlguard.scanners.dependencies.manifests import Manifest, Place, Read, Trouble
from mlguard.scanners.dependencies.readers import ini
from mlguard.scanners.dependencies.toml import Path, Places, load, table
from mlguard.values import replace

MAX_REFERENCES = 100
"""References from one list of an environment to lists of others that are followed."""

_FACTORS = lazy.pattern(r"^(?:!?[\w.]+(?:[-,][!\w.{},]*)*)\s*:(?!/)\s*(?P<rest>.*)$")
_REFERENCE = lazy.pattern(r"^\{\[([^\]]+)\]([\w-]+)\}$")
_TREE = lazy.pattern(r"\{(?:toxinidir|tox_root|/)\}/?|\$\{?PWD\}?/")


def read(path: str, text: str, load_file: Read) -> Manifest | None:
    """Return what a tox.ini says; None when it says nothing about packages. Raises Unreadable."""
    manifest = Manifest(path, format="tox")
    take_ini(manifest, text, 0, load_file)
    return manifest if manifest.components or manifest.troubles else None


def take_ini(manifest: Manifest, text: str, before: int, load_file: Read) -> None:
    """Take the lists of packages of tox's INI form, which stands ``before`` lines into its file. Raises Unreadable."""
    sections = ini.parse(text)
    for name, _options in sections.items():
        environment = re.fullmatch(r"testenv(?::(.+))?|pkgenv|\.pkg", name)
        if environment or name in ("tox", "tox:tox"):
            for key in ("deps", "requires", "constraints") if environment else ("requires",):
                _take(manifest, sections, name, key, environment[1] or "" if environment else "tox", before, load_file)
            for key in ("commands", "commands_pre", "commands_post") if environment else ():
                _commands(manifest, sections[name].get(key), before, load_file)


def _commands(manifest: Manifest, value: ini.Value | None, before: int, load_file: Read) -> None:
    """Take what commands install besides; a line that ends with a backslash goes on."""
    if value is None or not any("install" in text or " add " in text for text, _, _ in value.lines):
        return
    from mlguard.scanners.dependencies.readers.steps import Script

    script = Script(manifest, load_file)
    lines = list(value.lines)
    while lines:
        block = [lines.pop(0)]
        while block[-1][0].endswith("\\") and lines:
            block.append(lines.pop(0))
        starts, text = [], ""
        for row, line, column in block:
            starts.append((len(text), line, column))
            text += _TREE.sub(lambda match: "./".ljust(len(match.group())), row) + "\n"
        if match := _FACTORS.match(block[0][0]):
            text = " " * match.start("rest") + text[match.start("rest") :]
        text = re.sub(r"^(\s*)-(?=\s*\w)", r"\1 ", text)  # tox goes on when such a command fails

        def at(start: int, end: int, starts: list[tuple[int, int, int]] = starts) -> Place:
            begin, line, column = next(one for one in reversed(starts) if one[0] <= start)
            return Place(manifest.path, line + before, column + start - begin, column + end - begin)

        script.take(text, at)


def _take(
    manifest: Manifest,
    sections: dict[str, dict[str, ini.Value]],
    section: str,
    key: str,
    group: str,
    before: int,
    load_file: Read,
) -> None:
    value = sections[section].get(key)
    if value is None:
        return
    for text, line, column in _lines(sections, value, [MAX_REFERENCES], ((section, key),)):
        place = Place(manifest.path, line + before, column, column + len(text))
        lines = list(text.split(";\n"))
        for one in lines:
            _dependency(
                manifest, f"-c {one}" if key == "constraints" else one, place, group, load_file, build=group == "tox"
            )


def _lines(
    sections: dict[str, dict[str, ini.Value]], value: ini.Value, budget: list[int], above: tuple[tuple[str, str], ...]
) -> Iterator[tuple[str, int, int]]:
    """Yield each line of a list; a reference to another environment's is followed only where that is not read anyhow."""
    for text, line, column in value.lines:
        match = _FACTORS.match(text)
        if match and not re.match(r"[A-Za-z]:[\\/]", text):
            column += match.start("rest")
            text = match["rest"].strip()
        if not text:
            continue
        reference = _REFERENCE.match(text)
        if reference is None:
            yield text, line, column
            continue
        target = (reference[1], reference[2])
        other = sections.get(target[0], {}).get(target[1])
        if other is None or target in above:
            yield text, line, column
        elif not re.match(r"testenv(?::|$)", target[0]) and budget[0] > 0:
            budget[0] -= 1
            yield from _lines(sections, other, budget, (*above, target))


def _dependency(manifest: Manifest, text: str, place: Place, group: str, load_file: Read, **more: Any) -> None:
    text = _TREE.sub("./", text) if text[:1] == "-" or text.startswith("{") else text
    text = re.sub(r"^(-[rce])\s+\./", r"\1 ", text) if text.startswith(("-r", "-c")) else text
    if "{" in text.split(";")[0] or "{posargs" in text:
        manifest.troubles.append(Trouble(
            manifest.path, "unresolved", f"line {place.line} depends on a setting that only tox knows", "write the requirement in full",
        ))  # fmt: skip
        return
    requirements.take_lines(manifest, [(text, place)], load_file, group=group, **more)


def read_toml(path: str, text: str, load_file: Read) -> Manifest | None:
    """Return what a tox.toml says; None when it says nothing about packages. Raises Unreadable."""
    document, places = load(text), Places(path, text)
    manifest = Manifest(path, format="tox")
    take_toml(manifest, document, places, (), load_file)
    return manifest if manifest.components or manifest.troubles else None


def take_toml(manifest: Manifest, holder: dict[str, Any], places: Places, top: Path, load_file: Read) -> None:
    """Take the lists of packages of tox's TOML form."""
    lists: list[tuple[Path, str]] = [(("requires",), "tox")]
    lists += [((name, key), "") for name in ("env_run_base", "env_pkg_base") for key in ("deps", "constraints")]
    for kind in ("env", "env_base"):
        lists += [((kind, name, key), name) for name in table(holder, kind) for key in ("deps", "constraints")]
    for path, group in lists:
        value = table(holder, *map(str, path[:-1])).get(str(path[-1]))
        if value is None:
            continue
        items = value if isinstance(value, list) else [value]
        for number, item in enumerate(items):
            place = places.value(*top, *path, number) if isinstance(value, list) else places.value(*top, *path)
            if not isinstance(item, str):
                reason = f"line {place.line} depends on a setting that only tox knows"
                manifest.troubles.append(Trouble(manifest.path, "unresolved", reason, "write the requirement in full"))
                continue
            for offset, row in enumerate(item.split("\n")):
                if row.strip():
                    at = replace(place, line=place.line + offset) if offset else place
                    _dependency(manifest, row.strip(), at, group, load_file, build=group == "tox")
