"""Reads what scripts of Windows, Jenkins, development containers and any other file in YAML install."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator
from typing import Any

from mlguard.errors import Unreadable
from mlguard.scanners import lazy
from mlguard.scanners.dependencies import requirements
from mlguard.scanners.dependencies.manifests import Manifest, Place, Read
from mlguard.scanners.dependencies.readers.steps import Script, _end, _inside
from mlguard.scanners.infra import shell

MAX_DEPTH = 60
"""Levels of a document in which scripts are looked for."""

_INSTALLS = lazy.pattern(
    rb"""(?m)\b(?:pip[23]?|conda|mamba|pipx)(?:\.exe)?['"]?[ \t]*,?[ \t]*(?:\r?\n[ \t]+)?-?[ \t]*['"]?(?:install|download|inject)\b|\b(?:pip|python|pypi)[_-]?(?:packages|requirements)?['"]?[ \t]*:"""
    rb"""|\buv[ \t]+(?:pip|add|tool)\b|\buvx\b|\bpoetry[ \t]+add\b|build_dependencies|requirements_txt"""
)
"""What every file in YAML that installs something holds."""

_PROSE = frozenset(
    {"name", "description", "summary", "title", "help", "message", "notes", "note", "doc", "docs", "comment", "label", "displayName", "text", "content", "if"}
)  # fmt: skip
"""Keys whose values are for people."""

_LISTS = frozenset({"pip", "pip_packages", "python_packages", "pip_requirements", "pypi_packages"})
_FILES = frozenset({"requirements_txt", "python_requirements", "pip_requirements_file"})
_PROGRAM = lazy.pattern(
    r"(?:[\w./-]*/)?(?:pip[23]?(?:\.\d+)?|python[\d.]*|uv|uvx|pipx|conda|mamba|micromamba)(?:\.exe)?"
)


def worth_reading(data: bytes) -> bool:
    """Say whether a file in YAML can install something, by the words in it."""
    return _INSTALLS.search(data) is not None or b"\0" in data


def read_yaml(path: str, text: str, load_file: Read) -> Manifest | None:
    """Return what the texts and lists of a file in YAML install; None when that is nothing. Raises Unreadable."""
    from mlguard.scanners.infra.yamltree import parse

    try:
        documents = parse(text)
    except Unreadable as error:
        raise Unreadable(f"{error}, so what it installs was not read") from None
    manifest = Manifest(path, format="YAML")
    take_yaml(Script(manifest, load_file), documents.trees, text, posixpath.basename(path).startswith("python_env."))
    return _end(manifest, False)


def take_yaml(script: Script, trees: Any, text: str, environment: bool = False) -> None:
    """Take the scripts and the lists of packages of parsed documents. ``environment`` says that it is one of MLflow."""
    from mlguard.scanners.infra.pipelines.texts import Source

    source = Source(text)
    path = script.manifest.path
    for tree in trees:
        for key, node, known in _nodes(tree, "", 0, {}):
            if isinstance(node.value, str):
                if node is tree:
                    continue  # a text and nothing else is no document of commands
                places = shell.Places(node.value)
                whole = _is_long(node, source.lines)

                def at(
                    start: int, end: int, node: Any = node, places: shell.Places = places, whole: bool = whole
                ) -> Place:
                    if whole:
                        return Place(path, node.value_at.line)
                    found = source.place(node, places, start, end)
                    same = found.end_line == found.line
                    return Place(path, found.line, found.column, found.end_column if same else 0)

                if key in _FILES:
                    script.file(node.value, "-r", at(0, len(node.value)))
                elif key.startswith("="):
                    line = node.value.strip()
                    if line:
                        requirements.take_lines(script.manifest, [(line, at(0, len(node.value)))], script.load)
                else:
                    script.take(_continued(node.value), at, known)
            elif isinstance(node.children, tuple):
                _words(script, node, path)
        if environment:
            for key in ("build_dependencies", "dependencies"):
                _requirements(script, tree.get(key), path)


MAX_FOLDED = 300
"""Lines of a text whose lines are folded in which each word is looked for."""


def _is_long(node: Any, lines: list[str]) -> bool:
    """Say whether a folded text is so long that its own line stands for all of its words."""
    at = node.value_at
    if at is None or at.end_line - at.line <= MAX_FOLDED or at.line > len(lines):
        return False
    return not lines[at.line - 1][at.column - 1 :].startswith("|")


Known = dict[str, str | None]
"""Variables of the environment of a script, None for one whose value only the run knows."""

_TREE_OF = lazy.pattern(r"\$\{\{\s*github\.(?:action_path|workspace)\s*\}\}")


def _environment(tree: Any, above: Known) -> Known:
    """Return the variables that a step, a job or a pipeline sets for what is below it."""
    own: Known = {}
    for key in ("env", "environment", "variables"):
        found = tree.get(key) if not isinstance(tree.children, tuple) else None
        for name, child in found.items() if found is not None and not isinstance(found.children, tuple) else ():
            value = child.value
            if isinstance(value, str | int | float):
                text = _TREE_OF.sub(".", str(value))
                own[str(name)] = None if "$" in text or "{{" in text else text
    return {**above, **own} if own else above


def _nodes(tree: Any, key: str, depth: int, known: Known) -> Iterator[tuple[str, Any, Known]]:
    """Yield each text with the key it stands below, "=" before that when it is a requirement; and each list."""
    if depth > MAX_DEPTH:
        return
    if isinstance(tree.value, str):
        if tree.value.strip() and key not in _PROSE:
            yield ("" if key in _LISTS else key), tree, known
        return
    known = _environment(tree, known)
    if isinstance(tree.children, tuple):
        yield key, tree, known
    for name, child in tree.items():
        inner = key if isinstance(name, int) else str(name)
        if isinstance(name, int) and (key in _LISTS or key in ("=pip", "=python")) and isinstance(child.value, str):
            yield f"={key}", child, known
        elif inner == "packages" and key in ("pip", "python") and isinstance(child.children, tuple):
            for item in child.children:
                if isinstance(item.value, str):
                    yield "=packages", item, known
        elif inner == "package" and key == "pypi" and isinstance(child.value, str):
            yield "=package", child, known
        else:
            yield from _nodes(child, inner, depth + 1, known)


def _words(script: Script, node: Any, path: str) -> None:
    """Take a list that is one command: ``[python, -m, pip, install, x]``."""
    words = [child.value for child in node.children[:2000]]
    if len(words) < 3 or not all(isinstance(word, str) for word in words) or not _PROGRAM.fullmatch(words[0]):
        return
    text, spans = "", []
    for word, child in zip(words, node.children, strict=False):
        spans.append((len(text), child))
        text += f"{word} "

    def at(start: int, end: int) -> Place:
        child = next((child for begin, child in reversed(spans) if begin <= start), spans[0][1])
        found = child.value_at or child.at
        return Place(path, found.line, found.column, found.end_column if found.end_line == found.line else 0)

    script.command(text, shell.Command(tuple(words), 0, len(text), 0, ""), at, {}, 0)


def _requirements(script: Script, listed: Any, path: str) -> None:
    for item in listed.children if listed is not None and isinstance(listed.children, tuple) else ():
        if isinstance(item.value, str):
            found = item.value_at or item.at
            place = Place(path, found.line, found.column, found.end_column if found.end_line == found.line else 0)
            requirements.take_lines(script.manifest, [(item.value, place)], script.load)


# ---- other shells

_BACKTICK = lazy.pattern(r"`(?=[ \t]*$)", re.M)


def _continued(text: str) -> str:
    """Return a script with the mark by which PowerShell goes on with a line as the one of other shells, of one length."""
    if "`" not in text:
        return text
    rows = text.split("\n")
    for number, row in enumerate(rows[:-1]):
        bare = row.rstrip()
        if bare.endswith("`") and bare.count("`") % 2:
            rows[number] = bare[:-1] + " " * (len(row) - len(bare)) + "\\"
    return "\n".join(rows)


def read_powershell(path: str, text: str, load_file: Read) -> Manifest | None:
    """Return what a script of PowerShell installs; None when that is nothing."""
    text = text.replace("\r\n", "\n")
    plain = _continued(re.sub(r"<#.*?#>", lambda match: re.sub(r"[^\n]", " ", match.group()), text, flags=re.S))
    plain = re.sub(r"(?m)^([ \t]*)&(?=[ \t]*[\"'$\w])", r"\1 ", plain)
    plain = re.sub(r"\$\{[^}\n]*\}|[{}]", lambda match: match.group() if len(match.group()) > 1 else ";", plain)
    return _script(path, plain, load_file, "PowerShell")


def read_batch(path: str, text: str, load_file: Read) -> Manifest | None:
    """Return what a batch file installs; None when that is nothing."""
    text = text.replace("\r\n", "\n")
    plain = re.sub(r"(?im)^[ \t]*@?(?:rem\b|::).*$", lambda match: " " * len(match.group()), text)
    plain = re.sub(r"\^(?=[ \t]*\n)", r"\\", plain).replace("\\", "/").replace("/\n", "\\\n")
    plain = re.sub(r"(?im)(^|&&[ \t]*)([ \t]*@?(?:call[ \t])?)", lambda match: match[1] + " " * len(match[2]), plain)
    return _script(path, plain, load_file, "batch")


def _script(path: str, text: str, load_file: Read, form: str) -> Manifest | None:
    manifest = Manifest(path, format=form)
    Script(manifest, load_file).take(text, _inside(path, text, 1))
    return _end(manifest, False)


_STEP = lazy.pattern(
    r"""\b(?:sh|bat|powershell|pwsh)\b\s*\(?\s*(?:script\s*:\s*|\w+\s*:\s*(?:true|false)\s*,\s*script\s*:\s*)?(?P<mark>'{3}|"{3}|'|")(?P<text>.*?)(?<!\\)(?P=mark)""",
    re.S,
)


def read_jenkins(path: str, text: str, load_file: Read) -> Manifest | None:
    """Return what the steps of a Jenkinsfile install; None when that is nothing."""
    text = text.replace("\r\n", "\n")
    manifest = Manifest(path, format="Jenkinsfile")
    script = Script(manifest, load_file)
    places = shell.Places(text)
    for match in _STEP.finditer(text):
        base = match.start("text")

        def at(start: int, end: int, base: int = base) -> Place:
            row, column = places.at(base + start)
            last, end_column = places.at(base + end)
            return Place(path, row + 1, column, end_column if last == row else 0)

        script.take(_continued(match["text"]), at)
    return _end(manifest, False)


# ---- development containers

_COMMENT = lazy.pattern(r'"(?:\\.|[^"\\\n])*"|//[^\n]*|/\*.*?\*/', re.S)


def read_devcontainer(path: str, text: str, load_file: Read) -> Manifest | None:
    """Return what the commands of a development container install; None when that is nothing. Raises Unreadable.

    https://containers.dev/implementors/json_reference/#lifecycle-scripts; the file may hold comments.
    """

    def blank(match: re.Match[str]) -> str:
        found = match.group()
        return found if found[0] == '"' else re.sub(r"[^\n]", " ", found)

    return read_yaml(path, _COMMENT.sub(blank, text).replace("\t", " "), load_file)


READERS: dict[str, Callable[[str, str, Read], Manifest | None]] = {
    "yaml": read_yaml,
    "powershell": read_powershell,
    "batch": read_batch,
    "jenkins": read_jenkins,
    "devcontainer": read_devcontainer,
}
"""What reads each format by its name."""
