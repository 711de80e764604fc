"""Finds the files to scan and tells what each of them is."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from mlguard.artifacts import Artifact, kind_of, read_head, regular
from mlguard.findings import Gap


def classify(root: Path, paths: Iterable[str]) -> tuple[list[Artifact], list[Gap]]:
    """Return the artifacts of the relative ``paths``, sorted, and a gap for each that cannot be read."""
    artifacts, gaps = [], []
    for path in sorted(set(paths)):
        try:
            size = regular(root / path)
            head = read_head(root / path)
        except PermissionError:
            gaps.append(Gap("discovery", path, "unreadable", "permission denied"))
        except FileNotFoundError:
            gaps.append(Gap("discovery", path, "unreadable", "the file vanished, or the link leads nowhere"))
        except OSError as error:
            gaps.append(Gap("discovery", path, "unreadable", str(error.strerror or error)))
        else:
            artifacts.append(Artifact(path, kind_of(path, head), size))
    return artifacts, gaps
