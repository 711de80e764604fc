"""The examples on a rule's page: trees of files, and the lines on which the rule must speak."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from mlguard.errors import UsageError
from mlguard.values import dataclass, field

_FENCE = re.compile(r"^(`{3,})([^\n]*)\n(.*?)^\1[ \t]*$", re.M | re.S)
_MARK = re.compile(r"[ \t]*(?:#|//|--|<!--)\s*expect:\s*([a-z0-9/, -]+?)[ \t]*(?:-->)?$", re.M)
_NAMES = {
    "python": "example.py", "hcl": "main.tf", "terraform": "main.tf", "yaml": "example.yaml", "dockerfile": "Dockerfile",
    "csv": "data.csv", "jsonl": "data.jsonl", "text": "notes.txt", "toml": "pyproject.toml", "json": "data.json",
    "pickle": "model.pkl", "bytes": "photo.jpg", "ipynb": "notebook.ipynb", "shell": "run.sh",
}  # fmt: skip

Builder = Callable[[str], bytes]
"""Makes a file of the text of a fence."""


@dataclass
class Example:
    """One tree of files, and the (path, line, rule) that must be reported in it."""

    name: str
    files: dict[str, bytes] = field(default_factory=dict)
    past: dict[str, bytes] = field(default_factory=dict)  # what was committed once and is in the tree no more
    expected: list[tuple[str, int, str]] = field(default_factory=list)

    def write(self, root: Path, files: dict[str, bytes] | None = None) -> None:
        """Write the files, or others in their place, below a folder."""
        for path, content in (self.files if files is None else files).items():
            target = root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)


def trees(name: str, text: str, builders: dict[str, Builder] | None = None) -> list[Example]:
    """Return the examples of a text: one for what stands above the first ``###``, and one for each ``###`` part.

    A fence names its file (```` ```yaml file=deploy/pod.yaml ````) or has the usual name of its language. A comment
    ``# expect: area/slug`` marks a line; where the format has no comments, ``expect=area/slug:12`` on the fence does.
    ``builders`` make files of fences in languages that are not text. Raises UsageError for a file outside the tree.
    """
    parts = re.split(r"^### (.*)$", text, flags=re.M)
    named = [(name, parts[0]), *zip(parts[1::2], parts[2::2], strict=True)]
    found = [_example(head, body, builders or {}) for head, body in named]
    return [one for one in found if one.files or one.past]


def _example(name: str, body: str, builders: dict[str, Builder]) -> Example:
    example = Example(name)
    for _, info, content in _FENCE.findall(body):
        language, *attributes = info.split() or ["text"]
        values = dict(attribute.partition("=")[::2] for attribute in attributes)
        path = values.get("file", _NAMES.get(language, "notes.txt"))
        if path.startswith("/") or ".." in PurePosixPath(path).parts:
            raise UsageError(f"the example {name!r} names the file {path!r}, which is outside its tree")
        if language in builders:
            example.files[path] = builders[language](content)
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
