"""Finds what the scripts that start with a notebook download and run."""

from __future__ import annotations

from collections.abc import Iterator

from mlguard.scanners.infra import shell
from mlguard.scanners.infra.credentials import MAX_SCRIPT_CHARS, script_text
from mlguard.scanners.infra.resources import Path, Position, Resource, shown

MAX_DOWNLOADS = 50
"""Downloads of one script that are told."""

_SCRIPTS = {
    "aws_sagemaker_notebook_instance_lifecycle_configuration": ("on_create", "on_start"),
    "aws_sagemaker_studio_lifecycle_config": ("studio_lifecycle_config_content",),
}
"""The attributes that hold a script, as text or in base64."""


def downloads(owner: Resource) -> Iterator[Resource]:
    """Yield each download that a script runs unchecked, as ``script.download`` on its line where the script is written out."""
    for name in _SCRIPTS.get(owner.kind, ()):
        value = owner.attributes.get(name)
        if not isinstance(value, str):
            continue
        text = shown(script_text(value[:MAX_SCRIPT_CHARS]))
        at = owner.positions.get((name,), owner.positions.get((), Position(1)))
        inside = at.end_line > at.line + 1
        for number, found in enumerate(shell.remote_execution(text)):
            if number >= MAX_DOWNLOADS:
                break
            line = at.line + 1 + text.count("\n", 0, found["start"]) if inside else at.line
            place = Position(line, 1, 0, 0, at.path)
            positions: dict[Path, Position] = {(): place, ("how",): place}
            yield Resource(
                "script.download", name, f"{owner.address}/{name}[{number}]", owner.path,
                {"how": found["how"], "owner": owner.address}, positions, ("derived",), {("owner",): (owner.address,)},
                data_class=owner.data_class, origin=owner.origin, format=owner.format,
            )  # fmt: skip
