"""Reads the examples of a rule's page into the files and the findings that they stand for."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from mlguard.rules import Rule, section
from tests.builders import assemble

_FENCE = re.compile(r"^(`{3,})([^\n]*)\n(.*?)^\1[ \t]*$", re.M | re.S)
_MARK = re.compile(r"[ \t]*(?:#|//|--|<!--)\s*expect:\s*([a-z0-9/, -]+?)[ \t]*(?:-->)?$", re.M)
_NAMES = {
    "python": "example.py", "hcl": "main.tf", "terraform": "main.tf", "yaml": "example.yaml", "dockerfile": "Dockerfile",
    "csv": "data.csv", "jsonl": "data.jsonl", "text": "notes.txt", "toml": "pyproject.toml", "json": "data.json",
    "pickle": "model.pkl", "bytes": "photo.jpg", "ipynb": "notebook.ipynb", "shell": "run.sh",
}  # fmt: skip


@dataclass
class Example:
    """One tree of files, and the (path, line, rule) that must be reported in it."""

    name: str
    files: dict[str, bytes] = field(default_factory=dict)
    past: dict[str, bytes] = field(default_factory=dict)  # what was committed once and is in the tree no more
    expected: list[tuple[str, int, str]] = field(default_factory=list)

    def write(self, root: Path) -> None:
        if self.past:
            self._write(root, self.past)
            _commit(root)
            for path in self.past:
                (root / path).unlink()
        self._write(root, self.files)
        if self.past:
            _commit(root)

    def _write(self, root: Path, files: dict[str, bytes]) -> None:
        for path, content in files.items():
            target = root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)


def _commit(root: Path) -> None:
    who = ["-c", "user.name=Example", "-c", "user.email=dev@example.org", "-c", "commit.gpgsign=false"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "--allow-empty", "-m", "change"]):
        subprocess.run(["git", *who, *words], cwd=root, check=True, capture_output=True)


def examples(rule: Rule, heading: str) -> list[Example]:
    """Return the examples under Bad or Good: one for each ``###`` part, or one in all."""
    text = section(rule, heading)
    parts = re.split(r"^### (.*)$", text, flags=re.M)
    named = [(heading, parts[0]), *zip(parts[1::2], parts[2::2], strict=True)]
    return [example for example in (_example(name, body) for name, body in named) if example.files or example.past]


def _example(name: str, body: str) -> Example:
    example = Example(name)
    for _, info, content in _FENCE.findall(body):
        language, *attributes = info.split() or ["text"]
        values = dict(attribute.partition("=")[::2] for attribute in attributes)
        path = values.get("file", _NAMES.get(language, "notes.txt"))
        if language in ("pickle", "bytes"):
            example.files[path] = assemble(content)
        else:
            for number, line in enumerate(content.split("\n"), 1):
                if mark := _MARK.search(line):
                    example.expected += [(path, number, rule.strip()) for rule in mark.group(1).split(",")]
            files = example.past if values.get("past") else example.files
            files[path] = _MARK.sub("", content).encode()
        for item in filter(None, values.get("expect", "").split(",")):
            rule, _, line_number = item.partition(":")
            example.expected.append((path, int(line_number or 1), rule))
    return example
