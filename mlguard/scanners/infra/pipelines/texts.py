"""Where something inside a script of a pipeline stands, and plain values out of what people write."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

from mlguard.scanners import lazy
from mlguard.scanners.infra import installs, shell
from mlguard.scanners.infra.pipelines import expressions
from mlguard.scanners.infra.resources import Path, Position
from mlguard.scanners.infra.workloads import named_regions
from mlguard.scanners.infra.yamltree import Tree

MAX_SCRIPT = 100_000
"""Characters of one script that are looked at."""


_WHOLE = lazy.pattern(r"(?i)secrets\s*(?:[\[),}&|=!]|\.\s*\*)")


PART_OF_SECRET = lazy.pattern(r"(?i)\$\{\{[^}]{0,300}\bfromJSON\(\s*secrets\s*[.\[][^)]{0,300}\)\s*[.\[]")
"""A part of a secret that is JSON, as an expression takes it out."""


class Source:
    """The lines of the file, to find where inside a script something stands."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.secrets = "secrets" in text.lower()  # whether it is worth looking for one, and for all of them at once
        self.all_secrets = self.secrets and _WHOLE.search(text) is not None

    @cached_property
    def lines(self) -> list[str]:
        return self.text.replace("\r\n", "\n").split("\n")

    def place(self, node: Tree, places: shell.Places, start: int, end: int) -> Position:
        """Return the place of a part of a text value; of all of it when its style folds lines."""
        at = node.value_at
        if at is None or not 0 < at.line <= len(self.lines):
            return node.at
        opening = self.lines[at.line - 1][at.column - 1 :]
        line, column = places.at(start)
        last, end_column = places.at(end)
        if opening.startswith("|") or re.match(r"[&!]\S+\s+\|", opening):
            return self._block(node, at, (line, column), (last, end_column))
        if at.line == at.end_line and not opening.startswith((">", "|")):
            shift = at.column - 1 + (opening[:1] in "'\"")
            return Position(at.line, column + shift, at.line, end_column + shift)
        return self._folded(node, at, places, start, end)

    def _block(self, node: Tree, at: Position, start: tuple[int, int], end: tuple[int, int]) -> Position:
        first, last = at.line + 1 + start[0], at.line + 1 + end[0]
        if last > len(self.lines):
            return node.at
        body = next((line for line in self.lines[at.line : at.end_line] if line.strip()), "")
        indent = len(body) - len(body.lstrip())
        return Position(first, start[1] + indent, last, end[1] + indent)

    def _folded(self, node: Tree, at: Position, places: shell.Places, start: int, end: int) -> Position:
        """Find the words of a folded text again: they stand on one line of it, and nowhere before."""
        wanted = str(node.value)[start:end].strip().split("\n")[0]
        if not wanted:
            return node.at
        before = str(node.value)[:start].count(wanted)
        for number in range(at.line, min(at.end_line, len(self.lines)) + 1):
            line = self.lines[number - 1]
            found = line.find(wanted)
            while found >= 0:
                if before == 0:
                    return Position(number, found + 1, number, found + 1 + len(wanted))
                before -= 1
                found = line.find(wanted, found + len(wanted))
        return node.at


def text(value: Any) -> str:
    """Return a plain value as it is written, and "" for a list, a mapping or nothing."""
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, (dict, list)):
        return ""
    return "true" if value is True else "false" if value is False else str(value)


def names(value: Any) -> list[str]:
    """Return names given as one text, a list, or the keys of a mapping."""
    if isinstance(value, dict):
        return [str(key) for key in value]
    if isinstance(value, list):
        return [text(item) for item in value]
    return [text(value)] if value not in (None, "") else []


def neutral(script: str) -> str:
    """Return a script with its expressions replaced by as many plain characters, so that the shell can be split."""
    if "${{" not in script:
        return script
    return expressions.EXPRESSION.sub(lambda match: re.sub(r"[^\n]", "x", match.group()), script)


def items(tree: Tree | None) -> tuple[Tree, ...]:
    """Return the items of a list; one that is no list counts as a list of itself."""
    if tree is None or tree.value is None:
        return ()
    return tree.children if isinstance(tree.value, list) and isinstance(tree.children, tuple) else (tree,)


def all_texts(tree: Tree | None) -> Iterator[tuple[Path, Tree]]:
    """Yield every text below a node with its path; the tree's depth is bounded."""
    if tree is None:
        return
    if isinstance(tree.value, str):
        yield (), tree
    for key, child in tree.items():
        if isinstance(child.value, str):
            yield (key,), child
        elif child.children:
            yield from (((key, *path), node) for path, node in all_texts(child))


def secrets(value: Any, spoken: bool = False) -> list[str]:
    """Return the names of the secrets that a text reads, without the job's own token; ``*`` for all of them.

    ``spoken`` leaves out those that are only compared or tested.
    """
    if not isinstance(value, str) or "secrets" not in value.lower():
        return []
    found = []
    for match in expressions.inside(value):
        for access in expressions.accesses(match.group(1)):
            head, _, rest = access.name.partition(".")
            if head == "secrets" and rest != "github_token" and not (spoken and access.decides):
                found.append(rest or "*")
    return found


def insecure_commands(env: Mapping[str, Tree]) -> bool:
    """Say whether an environment allows the old commands that any printed text can give."""
    node = env.get("ACTIONS_ALLOW_UNSECURE_COMMANDS")
    return node is not None and text(node.value).strip().lower() in ("true", "1", "yes")


def insecure_variables(env: Mapping[str, Tree], positions: dict[Path, Position]) -> list[dict[str, str]]:
    """Return the variables that switch off the check of certificates, and note their places."""
    found: list[dict[str, str]] = []
    for name, node in env.items():
        if installs.tls_variable(name, text(node.value)):
            positions[("insecure_env", len(found))] = node.at
            found.append({"variable": name})
    return found


def regions(env: Mapping[str, Tree], positions: dict[Path, Position]) -> list[dict[str, str]]:
    """Return the regions of clouds that variables name, and note their places."""
    found: list[dict[str, str]] = []
    for region, name in named_regions({name: text(node.value) for name, node in env.items()}):
        positions[("regions", len(found))] = positions[("regions", len(found), "what")] = env[name].at
        found.append({"what": region})
    return found


def env_names(script: str) -> Iterator[re.Match[str]]:
    """Yield each use of a variable in a script, ``$NAME``, ``${NAME…}`` or ``$env:NAME``; group 1 is its name."""
    return re.finditer(r"\$\{?(?:env:)?([A-Za-z_]\w*)", script)
