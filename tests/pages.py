"""Reads the examples of a rule's page into the files and the findings that they stand for."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from mlguard.rules import Rule, section
from tests.builders import assemble

_FENCE = re.compile(r"^(`{3,})([^\n]*)\n(.*?)^\1[ \t]*$", re.M | re.S)
_MARK = re.compile(r"[ \t]*(?:#|//|--|<!--)\s*expect:\s*([a-z0-9/, -]+?)[ \t]*(?:-->)?$", re.M)
_NAMES = {
    "python": "example.py", "hcl": "main.tf", "terraform": "main.tf", "yaml": "example.yaml", "dockerfile": "Dockerfile",
    "csv": "data.csv", "jsonl": "data.jsonl", "text": "notes.txt", "toml": "pyproject.toml", "json": "data.json",
    "pickle": "model.pkl", "ipynb": "notebook.ipynb", "shell": "run.sh",
}  # fmt: skip


@dataclass
class Example:
    """One tree of files, and the (path, line, rule) that must be reported in it."""

    name: str
    files: dict[str, bytes] = field(default_factory=dict)
    expected: list[tuple[str, int, str]] = field(default_factory=list)

    def write(self, root: Path) -> None:
        for path, content in self.files.items():
            target = root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)


def examples(rule: Rule, heading: str) -> list[Example]:
    """Return the examples under Bad or Good: one for each ``###`` part, or one in all."""
    text = section(rule, heading)
    parts = re.split(r"^### (.*)$", text, flags=re.M)
    named = [(heading, parts[0]), *zip(parts[1::2], parts[2::2], strict=True)]
    return [example for example in (_example(name, body) for name, body in named) if example.files]


def _example(name: str, body: str) -> Example:
    example = Example(name)
    for _, info, content in _FENCE.findall(body):
        language, *attributes = info.split() or ["text"]
        values = dict(attribute.partition("=")[::2] for attribute in attributes)
        path = values.get("file", _NAMES.get(language, "notes.txt"))
        if language == "pickle":
            example.files[path] = assemble(content)
        else:
            for number, line in enumerate(content.split("\n"), 1):
                if mark := _MARK.search(line):
                    example.expected += [(path, number, rule.strip()) for rule in mark.group(1).split(",")]
            example.files[path] = _MARK.sub("", content).encode()
        for item in filter(None, values.get("expect", "").split(",")):
            rule, _, line_number = item.partition(":")
            example.expected.append((path, int(line_number or 1), rule))
    return example
