"""Tells which files are splits of one dataset: training, validation, test. Only paths and kinds are looked at."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from mlguard import lazy
from mlguard.artifacts import Artifact
from mlguard.scanners.dataset import places

Split = str

_WORDS: Mapping[str, Split] = {
    "train": "train", "training": "train", "trn": "train", "trainset": "train", "tr": "", "test": "test", "testing": "test", "tst": "test", "testset": "test",
    "valid": "valid", "validation": "valid", "val": "valid", "dev": "valid", "development": "", "devel": "valid", "eval": "eval",
    "evaluation": "eval", "holdout": "holdout", "heldout": "holdout", "trainieren": "train", "entrainement": "train", "apprentissage": "train",
    "entrenamiento": "train", "prueba": "test", "validierung": "valid",
}  # fmt: skip
"""Words of names of files and folders; with "" those that alone mean something else."""

_KINDS = frozenset(
    {
        "csv",
        "tsv",
        "jsonl",
        "json",
        "parquet",
        "arrow",
        "orc",
        "avro",
        "gzip",
        "zstd",
        "bzip2",
        "xz",
        "text",
        "binary",
        "xlsx",
    }
)
_SHARD = lazy.pattern(r"(?i)[-_.]?(?:\d{3,6}-of-\d{3,6}|part[-_]?\d+|\d{3,6})(?=\.|$)")


def split_of(path: str) -> tuple[Split, str]:
    """Return the split that a path names and what is left of the path without that word; ("", path) when it names none or two.

    The name of the file decides before its folders; the last folder before the others.
    """
    parts = path.split("/")
    for place in range(len(parts) - 1, -1, -1):
        part = parts[place]
        found = [match for match in re.finditer(r"[^\W\d_]+", part) if _WORDS.get(match.group().lower())]
        if len(found) == 1:
            word = found[0]
            left = part[: word.start()] + "*" + part[word.end() :]
            rest = [*parts[:place], left, *parts[place + 1 :]]
            return _WORDS[word.group().lower()], _SHARD.sub("*", "/".join(rest).lower())
        if found:
            return "", path
    return "", path


def groups(artifacts: Iterable[Artifact]) -> list[tuple[Artifact, ...]]:
    """Return the files that are splits of one dataset: names that differ in nothing but the word for the split."""
    together: dict[str, list[Artifact]] = {}
    for artifact in sorted(artifacts, key=lambda item: item.path):
        if artifact.kind in _KINDS:
            split, rest = split_of(artifact.path)
            if split and not places.is_test(rest) and not places.is_docs(rest):
                together.setdefault(rest, []).append(artifact)
    return [tuple(group) for group in together.values() if is_group(group)]


def is_group(group: Sequence[Artifact]) -> bool:
    """Say whether a group is one of ``groups``: files of two or more splits, one of them for training."""
    found = {split_of(artifact.path)[0] for artifact in group}
    return "" not in found and "train" in found and len(found) > 1
