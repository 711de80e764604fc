"""Reads the examples of a rule's page into the files and the findings that they stand for."""

from __future__ import annotations

import subprocess
from pathlib import Path

from mlguard import examples as shipped
from mlguard.rules import Rule, section
from tests.builders import assemble


class Example(shipped.Example):
    """An example that may have a history: what was committed once."""

    def write(self, root: Path, files: dict[str, bytes] | None = None) -> None:
        if self.past:
            super().write(root, self.past)
            _commit(root)
            for path in self.past:
                (root / path).unlink()
        super().write(root)
        if self.past:
            _commit(root)


def _commit(root: Path) -> None:
    who = ["-c", "user.name=Example", "-c", "user.email=dev@example.org", "-c", "commit.gpgsign=false"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "--allow-empty", "-m", "change"]):
        subprocess.run(["git", *who, *words], cwd=root, check=True, capture_output=True)


def examples(rule: Rule, heading: str) -> list[Example]:
    """Return the examples under Bad or Good: one for each ``###`` part, or one in all."""
    return trees(heading, section(rule, heading))


def trees(heading: str, text: str) -> list[Example]:
    """Return the examples of a text: one for what stands above the first ``###``, and one for each ``###`` part."""
    found = shipped.trees(heading, text, {"pickle": assemble, "bytes": assemble})
    return [Example(one.name, one.files, one.past, one.expected) for one in found]
