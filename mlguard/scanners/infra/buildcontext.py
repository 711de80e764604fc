"""What COPY takes from the folder around a Dockerfile, as far as names tell it."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import PurePosixPath
from typing import Any

from mlguard.scanners import Context, lazy
from mlguard.scanners.infra.fetches import is_weights
from mlguard.scanners.infra.resources import REFERENCE

MAX_NAMES = 1_000
"""Names in the folder of a Dockerfile that are looked at."""

_DATA_FILE = lazy.pattern(
    r"(?i)\.(?:csv|tsv|parquet|feather|arrow|jsonl|ndjson|xlsx?|sqlite3?|db|avro|orc|dump|sav|dta|rds)(?:\.(?:gz|bz2|xz|zst|zip))?$"
)
_DATA_DIR = lazy.pattern(
    r"(?i)^(?:raw|raw[-_]?data|data|datasets?|training[-_]?data|train[-_]?data|customers?|patients?|exports?|dumps?|backups?|pii)$"
)
_HARMLESS = lazy.pattern(
    r"(?i)(?:^|[/_.-])(?:samples?|examples?|synthetic|dummy|mock|fixtures?|schemas?|vocab(?:ulary)?|labels?|classes|categories|stopwords|tokenizer|config|public|demo|lookup|mappings?|locales?|i18n|geo|countries|currencies)(?:[/_.-]|$)"
)
_WHOLE = frozenset({".", "./", "*", "./*", "/", "/."})
_SENSITIVE_PATHS = (
    ".git",
    ".env",
    ".aws",
    ".ssh",
    ".kaggle",
    "kaggle.json",
    "id_rsa",
    "data",
    "datasets",
    "raw_data",
    "checkpoints",
    "notebooks",
    "mlruns",
)


class BuildContext:
    """What lies beside a Dockerfile, and what its .dockerignore leaves out. Only names are looked at."""

    def __init__(self, context: Context, path: str) -> None:
        self.root = context.root
        self.folder = PurePosixPath(path).parent
        self.own = self.root / f"{path}.dockerignore"

    def ignore_file(self) -> tuple[bool, PurePosixPath | None, list[str]]:
        """Return whether there is one, the folder it stands for, and its patterns. The context may be any folder above."""
        if self.own.is_file():
            return True, None, _patterns(self.own)
        for folder in (self.folder, *self.folder.parents):
            file = self.root / folder / ".dockerignore"
            if file.is_file():
                return True, folder, _patterns(file)
        return False, None, []

    def is_package(self, source: str) -> bool:
        """Say whether a folder holds Python code, whatever its name."""
        if REFERENCE.search(source) or ".." in source or len(source) > 200:
            return False
        folders = (self.root / folder / source.lstrip("/") for folder in (self.folder, PurePosixPath()))
        return any(os.path.isfile(folder / "__init__.py") for folder in folders)

    def data(self) -> list[str]:
        """Return what lies beside the Dockerfile and looks like a data set by its name."""
        try:
            with os.scandir(self.root / self.folder) as entries:
                names = sorted(entry.name for entry in islice(entries, MAX_NAMES))
        except OSError:
            return []
        return [name for name in names if source_of(name, "")["data"] and not self.is_package(name)]

    def leaks(self) -> list[str]:
        """Return which sensitive names lie in the context although an ignore file is there."""
        there, folder, patterns = self.ignore_file()
        if not there or folder is None:
            return []
        return [
            name for name in _SENSITIVE_PATHS if (self.root / folder / name).exists() and not ignored(name, patterns)
        ]


def _patterns(file: Any) -> list[str]:
    try:
        with open(file, encoding="utf-8", errors="replace") as stream:
            text = stream.read(256 * 2**10)
    except OSError:
        return []
    return [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def ignored(name: str, patterns: Sequence[str]) -> bool:
    """Say whether a name at the top of the context is left out by the patterns of a .dockerignore; the last that fits counts."""
    out = False
    for pattern in patterns:
        back = pattern.startswith("!")
        plain = pattern.lstrip("!").strip().lstrip("/").removeprefix("./").rstrip("/")
        plain = re.sub(r"^(?:\*\*/)+", "", plain)
        plain = re.sub(r"(?:/\*{1,2})+$", "", plain) or "*"
        if fnmatchcase(name, plain):
            out = not back
    return out


def source_of(source: str, from_stage: str) -> dict[str, Any]:
    """Return what a source of COPY or ADD is, by its name."""
    url = re.match(r"^(https?|ftp|git)://|^git@", source)
    plain = source.rstrip("/").removesuffix("/*").removesuffix("/.").removeprefix("./")
    parts = [part for part in plain.split("/") if part]
    whole = source in _WHOLE
    data = bool(parts) and not url and not whole and not _HARMLESS.search(plain)
    data = data and (_DATA_FILE.search(plain) is not None or _is_data_folder(plain, parts))
    return {
        "url": url.group(1) or "git" if url else "",
        "repository": bool(url and re.search(r"\.git(?:#.*)?$", source)),
        "whole": whole,
        "data": data and not from_stage,
        "weights": bool(parts) and not url and not from_stage and is_weights(plain),
    }


_CODE_FILE = lazy.pattern(r"(?i)\.(?:py|sh|md|txt|ya?ml|toml|json|cfg|ini|sql|js|ts|html|go|rs|java|r)$")
_CODE_FOLDERS = frozenset(
    {"src", "app", "lib", "libs", "pkg", "packages", "tests", "test", "docs", "backend", "frontend"}
)


def _is_data_folder(plain: str, parts: Sequence[str]) -> bool:
    if _CODE_FILE.search(plain):
        return False
    return bool(_DATA_DIR.match(parts[0])) or (parts[0] not in _CODE_FOLDERS and bool(_DATA_DIR.match(parts[-1])))
