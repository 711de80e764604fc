"""Finds e-mail addresses, and the addresses of devices and networks that are written with letters: MAC and IPv6."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlguard import lazy
from mlguard.scanners.dataset import cells as bytewise
from mlguard.scanners.dataset.cells import Cells, Flags, Index, Traits, matching
from mlguard.scanners.dataset.layouts import COMPACT, Hits

_WORD = r"A-Za-z0-9_\x{80}-\x{10FFFF}"
"""Characters of words; other marks that are not ASCII were replaced."""

_LOCAL = rf"[{_WORD}.+\-'&!#%=~$*/?^`{{|}}]"
_PART = rf"[{_WORD}]+(?:-+[{_WORD}]+)*"
_WHOLE = rf"^{_LOCAL}{{1,64}}@(?:{_PART}\.)+{_PART}$"
_IN_TEXT = rf"(?P<address>{_LOCAL}{{1,64}}@(?:{_PART}\.)+{_PART})"

_PLAIN = (
    rf"^[{_WORD}.+\-'&!#%=~]*[A-Za-z0-9\x{{80}}-\x{{10FFFF}}][{_WORD}.+\-'&!#%=~]*@"
    rf"(?:{_PART}\.)+(?:[A-Za-z\x{{80}}-\x{{10FFFF}}]{{2,}}|(?i:xn--)[{_WORD}\-]+)$"
)
_ROLE = r"(?i)^'?(?:git|no-?reply|do-?not-?reply|notreply|mailer-daemon|postmaster|hostmaster|webmaster|abuse)@|users\.noreply\.github\.com$"
_FILE = (
    r"(?i)\.(?:png|jpe?g|gif|svg|webp|ico|css|[jt]sx?|py|md|txt|json|ya?ml|html?|xml|csv|zip|gz|whl|sh|pdf|lock|toml)$"
)
_RESERVED = (
    r"(?i)[@.](?:example|test|invalid|localhost)$|[@.]example\.(?:com|net|org|edu)$"
    r"|[@.](?:test|sample|dummy|fake|foo|bar|domain|email|mail|acme|yourdomain|company)\.(?:com|net|org)$"
)
"""Domains of RFC 2606 and 6761, and those that people write when they mean nobody."""

_ODD = (
    r"(?i)^'?(?:git|no|do|not|mail|post|host|web|abuse)|[@.](?:example|test|invalid|localhost|sample|dummy|fake|foo|bar|domain|email|mail|acme"
    r"|yourdomain|company)(?:\.[a-z]+)?$|github\.com$|\.(?:png|jpe?g|gif|svg|webp|ico|css|[jt]sx?|py|md|txt|json|ya?ml|html?|xml|csv|zip|gz|whl|sh|pdf"
    r"|lock|toml)$"
)
"""Whatever the three patterns above may match, in one look."""


def find(cells: Cells, array: Any, has: Traits) -> Iterator[Hits]:
    """Yield the addresses of the cells, which are also given as an Arrow array."""
    if has.at:
        yield from _emails(cells, array)
    many = np.zeros(len(cells), np.bool_)
    for sign, there, least in ((":", has.colon, 2), ("-", has.dash, 5)):
        if there:
            many |= _count(cells, np.flatnonzero(cells.data == ord(sign))) >= least
    if has.dot and has.letters:
        dots = np.flatnonzero(cells.data == ord("."))
        many[bytewise.cell_of(cells, dots[1:][np.diff(dots) == 5])] = True  # four signs between two of them
    maybe = np.flatnonzero(many)
    if len(maybe):
        yield from _devices(cells, array, maybe)


def _count(cells: Cells, places: Index) -> Index:
    return np.searchsorted(places, cells.ends) - np.searchsorted(places, cells.starts)


# --- E-mail


def _emails(cells: Cells, array: Any) -> Iterator[Hits]:
    places = np.flatnonzero(cells.data == ord("@"))
    if not len(places):
        return
    import pyarrow as pa

    signs = _count(cells, places)
    once = np.flatnonzero(signs == 1)
    if len(once):
        picked = array if len(once) == len(array) else array.take(pa.array(once))
        plain = matching(picked, _PLAIN)
        at = once[plain]
        if len(at):
            texts = picked if len(at) == len(picked) else picked.filter(pa.array(plain))
            yield _judged(cells, at, cells.starts[at], cells.ends[at], texts, np.ones(len(at), np.bool_))
        if len(at) < len(once):
            yield from _odd(cells, once[~plain], picked.filter(pa.array(~plain)))
    several = np.flatnonzero(signs > 1)
    if len(several):
        yield from _one_by_one(cells, several)


def _odd(cells: Cells, cell: Index, texts: Any) -> Iterator[Hits]:
    """Yield the addresses of cells with one sign that are more or less than a plain address."""
    import pyarrow as pa
    import pyarrow.compute as pc

    whole = matching(texts, _WHOLE)
    at = cell[whole]
    if len(at):
        yield _judged(cells, at, cells.starts[at], cells.ends[at], texts.filter(pa.array(whole)))
    rest = np.flatnonzero(~whole)
    spans = pc.extract_regex(texts.take(pa.array(rest)), _IN_TEXT)
    found = np.flatnonzero(bytewise.values_of(spans.is_valid()))
    if len(found):
        yield _placed(cells, cell[rest[found]], spans.take(pa.array(found)).field(0))


def _placed(cells: Cells, cell: Index, texts: Any) -> Hits:
    """Return hits for the first address of each cell, around its one sign."""
    import pyarrow.compute as pc

    at = _first_sign(cells, cell)
    local = bytewise.values_of(pc.find_substring(_as_bytes(texts), b"@")).astype(np.int64)
    size = bytewise.values_of(pc.binary_length(texts)).astype(np.int64)
    return _judged(cells, cell, at - local, at - local + size, texts)


def _as_bytes(texts: Any) -> Any:
    import pyarrow as pa

    return texts.cast(pa.large_binary())


def _first_sign(cells: Cells, cell: Index) -> Index:
    places = np.flatnonzero(cells.data == ord("@"))
    return places[np.searchsorted(places, cells.starts[cell])]


_EACH = lazy.pattern(r"(?<![\w.+\-'&!#%=~$*/?^`{|}])[\w.+\-'&!#%=~$*/?^`{|}]{1,64}@(?:\w+(?:-+\w+)*\.)+\w+(?:-+\w+)*")


def _one_by_one(cells: Cells, several: Index) -> Iterator[Hits]:
    import pyarrow as pa

    cell, start, end, texts = [], [], [], []
    for number in several.tolist():
        text = bytewise.text(cells, number)
        begin = int(cells.starts[number])
        for match in _EACH.finditer(text):
            first = begin + len(text[: match.start()].encode())
            cell.append(number)
            start.append(first)
            end.append(first + len(match.group().encode()))
            texts.append(match.group())
    if cell:
        yield _judged(cells, np.array(cell), np.array(start), np.array(end), pa.array(texts, pa.large_string()))


def _judged(cells: Cells, cell: Index, start: Index, end: Index, texts: Any, valid: Flags | None = None) -> Hits:
    import pyarrow as pa

    valid = matching(texts, _PLAIN) if valid is None else valid
    reserved: Flags = np.zeros(len(cell), np.bool_)
    odd = np.flatnonzero(matching(texts, _ODD))
    if len(odd):
        picked = texts.take(pa.array(odd))
        valid[odd] &= ~matching(picked, _ROLE) & ~matching(picked, _FILE)
        reserved[odd] = matching(picked, _RESERVED)
    yes: Flags = np.ones(len(cell), np.bool_)
    compact = Texts(texts)
    return Hits("EMAIL_ADDRESS", cell, start, end, valid, yes, ~yes, reserved, compact)


class Texts:
    """Texts of any length where compact forms have a bound, in lower case when one is asked for."""

    def __init__(self, texts: Any) -> None:
        self.texts = texts

    def hashes(self, picked: Index) -> NDArray[np.uint64]:
        """Return a number for each of the texts picked."""
        import pyarrow as pa

        return bytewise.hashes(bytewise.of_array(self.texts.take(pa.array(picked))))

    def __getitem__(self, place: int) -> bytes:
        return str(self.texts[int(place)].as_py()).lower().encode()


# --- Devices and networks

_MAC = lazy.pattern(
    r"\b(?:[0-9A-F]{2}([:-])(?:[0-9A-F]{2}\1){4}[0-9A-F]{2}|[0-9A-F]{4}\.[0-9A-F]{4}\.[0-9A-F]{4})\b", re.I
)
_MAC_CELL = r"(?i)^(?:(?:[0-9A-F]{2}:){5}[0-9A-F]{2}|(?:[0-9A-F]{2}-){5}[0-9A-F]{2}|(?:[0-9A-F]{4}\.){2}[0-9A-F]{4})$"
_NOBODY = r"^[0:.\-]*$|(?i)^[F:.\-]*$"
_COLONS = lazy.pattern(r"(?<![\w:])[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:]{0,40}:[0-9A-Fa-f:]{0,40}(?:(?:\d{1,3}\.){3}\d{1,3})?")
_FULL_IPV6 = r"^[23][0-9A-Fa-f]{3}:(?:[0-9A-Fa-f]{1,4}:){6}[0-9A-Fa-f]{1,4}$"
_SPECIAL_IPV6 = r"(?i)^(?:2001:0?db8:|2001:0{0,3}:|2002:|3fff:)"


def _devices(cells: Cells, array: Any, maybe: Index) -> Iterator[Hits]:
    import pyarrow as pa

    picked = array.take(pa.array(maybe))
    mac = matching(picked, _MAC_CELL)
    address = matching(picked, _FULL_IPV6) & ~matching(picked, _SPECIAL_IPV6)
    for entity, marked in (("MAC_ADDRESS", mac), ("IP_ADDRESS", address)):
        at = np.flatnonzero(marked)
        if len(at):
            texts = picked.take(pa.array(at))
            nobody = matching(texts, _NOBODY) if entity == "MAC_ADDRESS" else np.zeros(len(at), np.bool_)
            yield _whole(cells, entity, maybe[at], ~nobody, np.array(texts.to_pylist(), f"S{COMPACT}"))
    rest = np.flatnonzero(~mac & ~address)
    shaped = (
        rest[
            matching(
                picked.take(pa.array(rest)),
                r"(?i)(?:[0-9A-F]{1,4}:|::)(?:[0-9A-F]{0,4}:)+|[0-9A-F]{2}-[0-9A-F]{2}-[0-9A-F]{2}-|[0-9A-F]{4}\.[0-9A-F]{4}\.",
            )
        ]
        if len(rest)
        else rest
    )
    if len(shaped):
        yield from _each_device(cells, maybe[shaped])


def _whole(cells: Cells, entity: str, cell: Index, valid: Flags, compact: NDArray[np.bytes_]) -> Hits:
    no: Flags = np.zeros(len(cell), np.bool_)
    return Hits(entity, cell, cells.starts[cell], cells.ends[cell], valid, ~no, no, no.copy(), np.char.upper(compact))


def _each_device(cells: Cells, shaped: Index) -> Iterator[Hits]:
    found: dict[str, list[tuple[int, int, int, bool, bool, bytes]]] = {}
    for number in shaped.tolist():
        text = bytewise.text(cells, number)
        begin = int(cells.starts[number])

        def span(match: re.Match[str], text: str = text, begin: int = begin) -> tuple[int, int]:
            first = begin + len(text[: match.start()].encode())
            return first, first + len(match.group().encode())

        for match in _MAC.finditer(text):
            digits = re.sub(r"[:.-]", "", match.group()).upper()
            valid = digits not in ("F" * 12, "0" * 12) and _free(text, match)
            found.setdefault("MAC_ADDRESS", []).append((number, *span(match), valid, False, digits.encode()))
        for match in _COLONS.finditer(text):
            valid, routed = _ipv6(match.group().strip("."))
            found.setdefault("IP_ADDRESS", []).append(
                (
                    number,
                    *span(match),
                    valid and routed and _free(text, match),
                    valid and not routed,
                    match.group().encode()[:COMPACT],
                )
            )
    for entity, hits in found.items():
        cell, start, end, good, reserved, compact = zip(*hits, strict=True)
        yes = np.ones(len(cell), np.bool_)
        yield Hits(
            entity, np.array(cell), np.array(start), np.array(end), np.array(good), yes, ~yes, np.array(reserved),
            np.array(compact, f"S{COMPACT}"),
        )  # fmt: skip


def _ipv6(text: str) -> tuple[bool, bool]:
    """Return whether the text is an IPv6 address, and whether it is routed."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False, False
    written = address.version == 6 and text.count(":") > 2 and any(character.isdigit() for character in text)
    return written, address.is_global and not address.is_multicast


def _free(cell: str, match: re.Match[str]) -> bool:
    """Say whether an address is no part of something longer, such as a version or a name of a package."""
    start, end = match.span()
    before, after = cell[start - 1 : start], cell[end : end + 2]
    return not (before and (before.isalnum() or before in "_.-:=v")) and not re.match(r"[\w:-]|\.\d", after)
