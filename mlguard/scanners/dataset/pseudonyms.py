"""Tries whether a table's pseudonyms can be undone: hashes without a key, encodings, numbers in the order of the names.

Values are recomputed from the other columns of a sample of the rows, and from spaces small enough to be listed. What is found is a
count; no value leaves this module. That nothing is found proves nothing: a larger space, a salt or another form was not tried.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import hashlib
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, timedelta
from itertools import chain, pairwise, product
from typing import Any
from urllib.parse import unquote

from mlguard import lazy
from mlguard.scanners.dataset import terms
from mlguard.values import dataclass

BUDGET = 2_000_000
"""Hashes that are computed for one table, at about a microsecond each. Counted, not timed, so that every run finds the same."""

MOST_ROWS = 5000
"""Rows of a sample that are compared."""

FIRST_LOOK = 300
"""Values of a column that are tried before all of them are."""

LOOK = 200
"""Cells of a first batch by whose form a column is chosen."""

MAX_CELL = 400
"""Characters of a cell that is tried; longer ones are prose."""

LEAST = 3
"""Different values that must be recomputed before it is said."""

_HEX = lazy.pattern(r"(?:0x)?[0-9a-fA-F]+\Z")
_BASE64 = lazy.pattern(r"[A-Za-z0-9+/_-]{8,}={0,2}\Z")
_DIGESTS = frozenset({8, 10, 12, 16, 20, 24, 32, 40, 56, 64, 96, 128})
"""Hexadecimal digits of whole digests and of the beginnings that are often kept."""

_HINTS = frozenset(
    ["pseudonym", "pseudonyme", "pseudo", "pseudonymised", "pseudonymized", "hash", "hashed", "token", "tokenized", "masked", "encoded", "enc", "encrypted",
     "anon", "anonymized", "anonymised", "obfuscated", "surrogate", "cipher", "sha", "sha1", "sha256", "md5", "crc", "crc32", "key"]
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Recomputed:
    """``found`` of ``of`` different values of a column were recomputed by ``method`` from ``source``."""

    column: str
    method: str
    source: str
    found: int
    of: int


def coded(batch: Any) -> list[str]:
    """Return the columns of a batch that may be pseudonyms, by the form of their first cells or by their name."""
    import pyarrow as pa

    chosen: list[str] = []
    times = Counter(batch.schema.names)
    for place, name in enumerate(batch.schema.names):
        if times[name] > 1 or len(chosen) == 8:
            continue
        column = batch.column(place).slice(0, 2 * LOOK)
        kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
        if (
            pa.types.is_floating(kind)
            or pa.types.is_nested(kind)
            or pa.types.is_temporal(kind)
            or pa.types.is_boolean(kind)
        ):
            continue
        cells = [cell for cell in _texts(column) if cell][:LOOK]
        if not cells or max(map(len, cells)) > MAX_CELL or len(set(cells)) < 2:
            continue
        hinted = bool(_HINTS & set(terms.tokens(name)))
        if hinted or ("string" in str(kind) or "binary" in str(kind)) and _looks_coded(cells):
            chosen.append(name)
    return chosen


def _looks_coded(cells: Sequence[str]) -> bool:
    lengths = {len(cell) for cell in cells}
    if all(map(_HEX.match, cells)):
        digits = lengths.pop() if len(lengths) == 1 else 0
        return digits in _DIGESTS and any(not cell.isdigit() for cell in cells) or bool(_readable(cells, _from_hex))
    return all(map(_BASE64.match, cells)) and (_is_digest(cells) or bool(_readable(cells, _from_base64)))


def _is_digest(cells: Sequence[str]) -> bool:
    raw = [_bytes_of(cell) for cell in cells]
    return len({len(data) for data in raw}) == 1 and len(raw[0]) in (16, 20, 28, 32, 48, 64)


def _texts(column: Any) -> list[str]:
    """Return the cells as text, "" for missing ones; bytes as hexadecimal digits, whole numbers without a fraction."""
    return [_text(cell) for cell in column.to_pylist()]


def _text(cell: object) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bytes):
        return cell[:MAX_CELL].hex()
    if isinstance(cell, float):
        return str(int(cell)) if cell == cell and abs(cell) < 2**53 and cell == int(cell) else ""
    return str(cell)


def recomputed(sample: Any, columns: Sequence[str], listed: bool = True) -> Iterator[Recomputed]:
    """Yield what could be undone of ``columns`` of a sample (a ``pyarrow.Table``): for each column the source that tells most.

    With ``listed`` small spaces are tried, too, which takes up to BUDGET hashes.
    """
    sample = sample.slice(0, MOST_ROWS)
    cells = {name: _texts(sample.column(name)) for name in sample.column_names if sample.column_names.count(name) == 1}
    budget = _Budget(BUDGET)
    for name in columns:
        if name not in cells:
            continue
        others = {other: texts for other, texts in cells.items() if other != name and _may_be_source(texts)}
        found = [
            *_decoded(name, cells[name], others),
            *_hashed(name, cells[name], others, budget, listed),
            *_in_order(name, cells[name], others),
        ]
        if found:
            yield max(found, key=lambda item: item.found)  # of equals the first: the column that stands first


class _Budget:
    """Counts the hashes that may still be computed."""

    def __init__(self, left: int) -> None:
        self.left = left

    def cut(self, values: Iterable[str]) -> Iterator[str]:
        for value in values:
            if self.left <= 0:
                return
            self.left -= 1
            yield value


def _may_be_source(texts: Sequence[str]) -> bool:
    some = {text for text in texts[:LOOK] if text}
    return len(some) > 1 and max(map(len, some)) <= MAX_CELL


def _enough(found: int, of: int) -> bool:
    return found >= LEAST and found * 20 >= of


# --- Encodings


def _bytes_of(cell: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(cell.replace("+", "-").replace("/", "_") + "=" * (-len(cell) % 4))
    except (binascii.Error, ValueError):
        return b""


def _from_base64(cell: str) -> str:
    return _printable(_bytes_of(cell))


def _from_base32(cell: str) -> str:
    try:
        return _printable(base64.b32decode(cell.upper() + "=" * (-len(cell) % 8)))
    except (binascii.Error, ValueError):
        return ""


def _from_hex(cell: str) -> str:
    try:
        return _printable(bytes.fromhex(cell.removeprefix("0x")))
    except ValueError:
        return ""


def _printable(data: bytes) -> str:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return ""
    return text if text.isprintable() else ""


_DECODERS: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("base64", _from_base64),
    ("hexadecimal digits of the text", _from_hex),
    ("base32", _from_base32),
    ("letters moved by 13 places", lambda cell: codecs.encode(cell, "rot13")),
    ("the text backwards", lambda cell: cell[::-1]),
    ("percent signs", unquote),
)

_EMAIL = lazy.pattern(r"[^@\s]{1,64}@[^@\s]+\.[^@\s]{2,}\Z")
_NAME = lazy.pattern(r"[^\W\d_]{2,}(?: [^\W\d_.'-]{2,}){1,3}\Z")


def _readable(cells: Sequence[str], decode: Callable[[str], str]) -> list[str]:
    """Return what the cells say when nearly all of them decode to text, else []."""
    texts = [decode(cell) for cell in cells]
    good = [text for text in texts if len(text) > 3 and (text.isascii() or text[0].isalpha())]
    return good if len(good) * 10 >= 9 * len(cells) else []


def _decoded(name: str, cells: Sequence[str], others: dict[str, list[str]]) -> Iterator[Recomputed]:
    distinct = sorted({cell for cell in cells if cell})
    for method, decode in _DECODERS:
        texts = {cell: decode(cell) for cell in distinct}
        texts = {cell: text for cell, text in texts.items() if text and text != cell}
        if len(texts) < LEAST:
            continue
        for other, values in others.items():
            forms = {form for value in set(values) if value for form in _forms(value)}
            found = sum(text in forms or text.strip().lower() in forms for text in texts.values())
            if _enough(found, len(distinct)) and len(set(texts.values()) & forms) >= LEAST:
                yield Recomputed(name, method, other, found, len(distinct))
        told = sum(bool(_EMAIL.match(text) or _NAME.match(text) and terms.is_person(text)) for text in texts.values())
        hides = method in _HIDING and not any(map(_EMAIL.match, distinct))
        if hides and told * 2 >= len(distinct) > 2:
            yield Recomputed(name, method, "the column itself", told, len(distinct))


_HIDING = frozenset(["base64", "hexadecimal digits of the text", "base32", "letters moved by 13 places"])
"""Encodings from which an address or a name can be read without anything to compare with."""

# --- Hashes

_ALGORITHMS: dict[int, tuple[str, ...]] = {
    32: ("md5", "blake2s:16"), 40: ("sha1",), 56: ("sha224",), 64: ("sha256", "sha3_256", "blake2s"), 96: ("sha384",),
    128: ("sha512", "blake2b", "sha3_512"), 8: ("crc32", "sha256", "md5", "sha1"),
}  # fmt: skip
"""By the number of hexadecimal digits; beginnings of other lengths are tried with the usual three."""

_SHOWN = {
    "md5": "MD5", "sha1": "SHA-1", "sha224": "SHA-224", "sha256": "SHA-256", "sha384": "SHA-384", "sha512": "SHA-512", "crc32": "CRC-32",
    "sha3_256": "SHA3-256", "sha3_512": "SHA3-512", "blake2b": "BLAKE2b", "blake2s": "BLAKE2s", "blake2s:16": "BLAKE2s of 16 bytes",
}  # fmt: skip


def _digest(algorithm: str) -> Callable[[str], str]:
    if algorithm == "crc32":
        return lambda text: f"{zlib.crc32(text.encode('utf-8', 'replace')):08x}"
    if algorithm == "blake2s:16":
        return lambda text: hashlib.blake2s(text.encode("utf-8", "replace"), digest_size=16).hexdigest()
    make = getattr(hashlib, algorithm)
    return lambda text: make(text.encode("utf-8", "replace"), usedforsecurity=False).hexdigest() if "sha" in algorithm or algorithm == "md5" else make(
        text.encode("utf-8", "replace")
    ).hexdigest()  # fmt: skip


def _digits_of(cells: Iterable[str]) -> set[str]:
    """Return the different values as hexadecimal digits in lower case, [] when they are no digests of one length."""
    distinct = {cell for cell in cells if cell}
    if distinct and all(map(_HEX.match, distinct)):
        digits = {cell.lower().removeprefix("0x") for cell in distinct}
    elif distinct and _is_digest(sorted(distinct)):
        digits = {_bytes_of(cell).hex() for cell in distinct}
    elif distinct and all(cell.isdigit() and len(cell) <= 10 for cell in distinct):
        digits = {f"{int(cell):08x}" for cell in distinct}
    else:
        return set()
    return digits if len({len(item) for item in digits}) == 1 and len(next(iter(digits))) in _DIGESTS else set()


def _hashed(
    name: str, cells: Sequence[str], others: dict[str, list[str]], budget: _Budget, listed: bool
) -> Iterator[Recomputed]:
    wanted = _digits_of(cells)
    if len(wanted) < LEAST:
        return
    size = len(next(iter(wanted)))
    done = False
    for algorithm in _ALGORITHMS.get(size, ("sha256", "md5", "sha1")):
        digest = _digest(algorithm)
        shown = f"{_SHOWN[algorithm]} without a key" + (
            "" if size in _ALGORITHMS and size > 8 or algorithm == "crc32" else f", cut to {size} digits"
        )
        for other, texts in others.items():
            forms = _all_forms(texts)
            if not _hits(digest, budget.cut(forms[: FIRST_LOOK * 4]), wanted, size):
                continue
            found = len(_hits(digest, budget.cut(forms), wanted, size))
            if _enough(found, len(wanted)):
                done = True
                yield Recomputed(name, shown, other, found, len(wanted))
    if not done and listed:
        yield from _enumerated(name, wanted, size, budget)


def _hits(digest: Callable[[str], str], texts: Iterable[str], wanted: set[str], size: int) -> set[str]:
    return {code for text in texts if (code := digest(text)[:size]) in wanted}


def _all_forms(texts: Sequence[str]) -> list[str]:
    """Return the ways in which each value may have been written before it was hashed, in the order of the rows."""
    return list(dict.fromkeys(form for text in dict.fromkeys(texts) if text for form in _forms(text)))


def _forms(text: str) -> tuple[str, ...]:
    plain = text.strip()
    digits = "".join(filter(str.isdigit, plain))
    forms = [text, plain, plain.lower(), plain.upper(), plain.title(), "".join(plain.split()).lower()]
    if len(digits) * 2 > len(plain) > len(digits):
        forms += [digits, f"+{digits}"]
    return tuple(dict.fromkeys(form for form in forms if form))


def _enumerated(name: str, wanted: set[str], size: int, budget: _Budget) -> Iterator[Recomputed]:
    """Yield the first small space from which most of the values come."""
    algorithm = _ALGORITHMS.get(size, ("sha256",))[0]
    shown = f"{_SHOWN[algorithm]} without a key" + ("" if size in _ALGORITHMS else f", cut to {size} digits")
    digest = _digest(algorithm)
    for source, values in _spaces():
        found = len(_hits(digest, budget.cut(values), wanted, size))
        if _enough(found, len(wanted)) and (algorithm != "crc32" or found * 2 >= len(wanted)):
            yield Recomputed(name, shown, source, found, len(wanted))
            return


_WORDS = tuple(
    "m f d w male female man woman männlich weiblich divers other unknown yes no true false 0 1 y n ja nein oui non si single married "  # noqa: SIM905
    "divorced widowed ledig verheiratet geschieden verwitwet white black asian hispanic".split()
)


def _spaces() -> Iterator[tuple[str, Iterable[str]]]:
    """Yield small spaces of identifiers by name, those that are met most often first."""
    yield "words for sex, marital status and the like", chain.from_iterable(map(_forms, _WORDS))
    yield "numbers up to 400,000", map(str, range(400_000))
    yield "given names", (form for name in sorted(terms.given_names()) for form in (name, name.title(), name.upper()))
    for width in (5, 6, 8):
        yield f"numbers of {width} digits with zeros in front", (f"{number:0{width}d}" for number in range(100_000))
    yield "dates of birth", _birth_dates()
    yield (
        "private IPv4 addresses",
        (f"{net}.{third}.{last}" for net, third, last in product(("192.168", "10.0"), range(256), range(256))),
    )


def _birth_dates() -> Iterator[str]:
    first = date(1925, 1, 1)
    for day in range((date(2016, 1, 1) - first).days):
        when = first + timedelta(day)
        yield from (when.isoformat(), f"{when:%d.%m.%Y}", f"{when:%m/%d/%Y}", f"{when:%d/%m/%Y}", f"{when:%Y%m%d}")


# --- Numbers in the order of the names

_NUMBER = lazy.pattern(r"[A-Za-z_-]{0,8}(\d{1,18})\Z")
_IN_ORDER = 20
"""Different values from which an order is no accident."""


def _in_order(name: str, cells: Sequence[str], others: dict[str, list[str]]) -> Iterator[Recomputed]:
    """Yield the column by which numbered pseudonyms were sorted: persons in a list, numbered from above."""
    matches = [_NUMBER.match(cell) for cell in cells]
    if not all(match for match, cell in zip(matches, cells, strict=True) if cell) or len(set(cells)) < _IN_ORDER:
        return
    numbers = [int(match.group(1)) if match else -1 for match in matches]
    for other, texts in others.items():
        pairs = sorted(
            {
                (text.strip().lower(), number)
                for text, number in zip(texts, numbers, strict=True)
                if text and number >= 0
            }
        )
        if len({text for text, _ in pairs}) < _IN_ORDER or len({text for text, _ in pairs}) * 10 < 9 * len(pairs):
            continue
        if not any(character.isalpha() for text, _ in pairs[:50] for character in text):
            continue  # numbers beside numbers: both may count the rows
        order = [number for _, number in pairs]
        rising = sum(left < right for left, right in pairwise(order))
        if max(rising, len(order) - 1 - rising) == len(order) - 1:
            yield Recomputed(name, "numbered in the order of another column", other, len(order), len(order))
