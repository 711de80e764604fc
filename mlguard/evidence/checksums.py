"""Lists of digests as sha256sum and its relatives write and read them.

Forms: GNU coreutils, "cksum invocation" (``digest  name``, ``digest *name``, a leading backslash when the name is escaped, and
``SHA256 (name) = digest`` with --tag), BSD sha256(1), and a file with the digest alone that lies beside what it is about.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from mlguard import lazy
from mlguard.evidence import digests
from mlguard.values import dataclass

MAX_BYTES = 16 * 2**20
"""The largest list that is read."""

MAX_ENTRIES = 20_000
"""Entries of one list."""

_GNU = lazy.pattern(r"(\\?)([0-9A-Fa-f]{32,128}) [ *](.+)\Z")
_SPACED = lazy.pattern(r"(\\?)([0-9A-Fa-f]{32,128})[ \t]+\*?(\S.*)\Z")
_TAGGED = lazy.pattern(r"(\\?)([A-Za-z0-9_/-]{2,12}) ?\((.+)\) ?= ?([0-9A-Fa-f]{32,128})\Z")
_ALONE = lazy.pattern(
    r"(?:sha(?:256|384|512)[:-])?([0-9A-Fa-f]{32}|[0-9A-Fa-f]{40}|[0-9A-Fa-f]{64}|[0-9A-Fa-f]{96}|[0-9A-Fa-f]{128})\Z",
    re.I,
)
_BY_LENGTH = {32: "md5", 40: "sha1", 56: "sha224", 64: "sha256", 96: "sha384", 128: "sha512"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One line: a file's name as written, and its digest. ``algorithm`` is hashlib's name, "" for what is not known."""

    name: str
    algorithm: str
    digest: str
    line: int


def read(text: str, name: str) -> Iterator[Entry]:
    """Yield the entries of a list called ``name``. Lines that are none yield nothing."""
    blake = bool(re.search(r"(?:^|[._-])b2|blake2", name, re.I))
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        if entry := _entry(line.rstrip(), number, name, blake):
            yield entry


def _entry(line: str, number: int, list_name: str, blake: bool) -> Entry | None:
    if not line or line.startswith(("#", "-----")):
        return None
    if match := _TAGGED.match(line):
        escaped, algorithm, name, digest = match.groups()
        plain = algorithm.partition("/")[0]
        known = digests.algorithm(plain) or (plain.lower() if plain.lower() in digests.WEAK else "")
    elif match := _GNU.match(line) or _SPACED.match(line):
        escaped, digest, name = match.groups()
        known = "blake2b" if blake and len(digest) == 128 else _BY_LENGTH.get(len(digest), "")
    elif (match := _ALONE.match(line)) and number == 1 and "." in list_name:
        escaped, digest, name = "", match.group(1), list_name.rpartition(".")[0]
        known = _BY_LENGTH.get(len(digest), "")
    else:
        return None
    if escaped:
        name = re.sub(r"\\(.)", lambda part: {"n": "\n", "r": "\r"}.get(part.group(1), part.group(1)), name)
    if known and (digests.STRONG | digests.WEAK)[known] != len(digest):
        known = ""
    return Entry(name, known, digest.lower(), number)
