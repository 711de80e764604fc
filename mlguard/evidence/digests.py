"""Digests of files, read in pieces and only when somebody asks for one."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from mlguard import lazy
from mlguard.errors import Unreadable

PIECE_BYTES = 2**20
"""How much of a file is held at a time."""

MAX_FILE_BYTES = 2**40
"""The largest file that is hashed; the run's limit on time ends sooner on most machines."""

MAX_POINTER_BYTES = 1024
"""A pointer of Git LFS is smaller (git-lfs, docs/spec.md)."""

STRONG = {"sha224": 56, "sha256": 64, "sha384": 96, "sha512": 128, "blake2b": 128, "sha3_256": 64, "sha3_512": 128}
"""Hash functions of hashlib that prove integrity, and the hexadecimal digits of their digests. MD5 and SHA-1 do not."""

WEAK = {"md5": 32, "sha1": 40}
"""Functions whose digests show a change by accident, and prove nothing against a change on purpose."""

_NAMES = {
    "blake2": "blake2b", "b2": "blake2b", "sha2_256": "sha256", "sha2_384": "sha384", "sha2_512": "sha512",
    "sha_256": "sha256", "sha_384": "sha384", "sha_512": "sha512",
}  # fmt: skip
_HEX = lazy.pattern(r"[0-9a-f]+\Z")
_POINTER = lazy.pattern(
    rb"version https://git-lfs\.github\.com/spec/v1\r?\n(?:ext-[^\n]*\n)*oid sha256:([0-9a-f]{64})\r?\nsize \d+\s*\Z"
)


def algorithm(name: str) -> str:
    """Return hashlib's name of a strong hash function as standards and tools write it, "" for every other."""
    plain = name.strip().lower().replace("-", "_")
    plain = _NAMES.get(plain, plain)
    return plain if plain in STRONG else ""


def parsed(value: str) -> tuple[str, str]:
    """Return (algorithm, hexadecimal digits) of ``sha256:…``, ``sha256-…`` or bare digits of SHA-256, ("", "") of anything else."""
    name, separator, digits = value.strip().lower().replace("=", ":").partition(":")
    if not separator:
        name, digits = ("sha256", name) if len(name) == STRONG["sha256"] else (name.rpartition("-")[0::2])
    known = algorithm(name)
    return (known, digits) if known and len(digits) == STRONG[known] and _HEX.match(digits) else ("", "")


def of_file(path: Path, algorithms: Iterable[str], start: int = 0, end: int | None = None) -> dict[str, str]:
    """Return the digests of a file, or of its bytes from ``start`` to before ``end``, by algorithm.

    Raises Unreadable when the file cannot be read or is larger than MAX_FILE_BYTES.
    """
    hashers = {name: hashlib.new(name, usedforsecurity=name in STRONG) for name in sorted(set(algorithms))}
    try:
        with open(path, "rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            if size > MAX_FILE_BYTES:
                raise Unreadable("the file is too large for its digest to be computed")
            left = max(0, (size if end is None else min(end, size)) - start)
            file.seek(start)
            while left and (piece := file.read(min(PIECE_BYTES, left))):
                left -= len(piece)
                for hasher in hashers.values():
                    hasher.update(piece)
    except OSError:
        raise Unreadable("the file cannot be read, so its digest is not known") from None
    return {name: hasher.hexdigest() for name, hasher in hashers.items()}


def pointed(path: Path) -> str:
    """Return the SHA-256 that a pointer of Git LFS records, "" when the file is none. Raises Unreadable."""
    try:
        if path.stat().st_size > MAX_POINTER_BYTES:
            return ""
        with open(path, "rb") as file:
            match = _POINTER.match(file.read(MAX_POINTER_BYTES))
    except OSError:
        raise Unreadable("the file cannot be read, so its digest is not known") from None
    return match.group(1).decode() if match else ""


def sha256(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of a whole file as 64 hexadecimal digits. Raises Unreadable."""
    return of_file(Path(path), ("sha256",))["sha256"]
