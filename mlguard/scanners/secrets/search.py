"""Finds the credentials in a text."""

from __future__ import annotations

import base64
import binascii
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from functools import cache
from typing import NamedTuple

from mlguard.scanners import lazy
from mlguard.scanners.secrets import addresses, checks, context, joins, pairs
from mlguard.scanners.secrets.formats import PATTERNS
from mlguard.scanners.secrets.gate import Gate, Key, gate
from mlguard.scanners.secrets.hits import Hit, Lines, Style
from mlguard.scanners.secrets.patterns import DOCUMENTED, Pattern, is_real
from mlguard.scanners.secrets.values import is_random
from mlguard.values import replace

__all__ = ["Hit", "Lines", "Style", "find"]

MAX_ENCODED = 16_384
"""Characters of a value in base64 that is decoded and searched."""


class _Claim(NamedTuple):
    rank: int
    hit: Hit


# Text in ASCII shows in base64: of each four characters the first three leave half of the alphabet out.
_GROUP = "[A-Za-f][A-HQ-Xg-nw-z0-3][ABEFIJMNQRUVYZcdghklopstwx014589][A-Za-z0-9+/_-]"
_LEAST_ENCODED = f"(?:{_GROUP}){{8}}"
_ENCODED = lazy.pattern(
    rf"(?<![A-Za-z0-9+/=_.-])(?:{_GROUP}){{8,4000}}[A-Za-z0-9+/_-]{{0,3}}={{0,2}}(?![A-Za-z0-9+/_-])"
)

_FIRST_CONTEXT = len(PATTERNS)
_FIRST_ADDRESS = _FIRST_CONTEXT + len(context.KEYS)
_FIRST_WORD = _FIRST_ADDRESS + len(addresses.KEYS)
_ENCODED_TEXT = _FIRST_WORD + len(pairs.KEYS)
_JOINED = _ENCODED_TEXT + 1


@cache
def _gate() -> Gate:
    keys = [Key(pattern.mark, pattern.gate) for pattern in PATTERNS]
    return gate([*keys, *context.KEYS, *addresses.KEYS, *pairs.KEYS, Key("", _LEAST_ENCODED), joins.KEY])


def find(text: str, style: Style, nested: bool = False) -> list[Hit]:
    """Return the credentials of ``text`` in order; of those that overlap, the one whose format says most."""
    lowered = text.lower()
    if len(lowered) != len(text):  # a few letters change their length
        lowered = "".join(c.lower() if len(c.lower()) == 1 else c for c in text)
    opened = _gate()(text, lowered)
    claims = [
        _Claim(0, hit)
        for number in sorted(opened)
        if number < _FIRST_CONTEXT
        for hit in _matches(PATTERNS[number], text)
    ]
    if style.minified:
        opened = frozenset({_FIRST_ADDRESS, _FIRST_ADDRESS + 1} & opened)
    if _FIRST_ADDRESS in opened:
        claims += [_Claim(1, hit) for hit in addresses.urls(text)]
    if _FIRST_ADDRESS + 1 in opened:
        claims += [_Claim(1, hit) for hit in addresses.tokens(text)]
    around = [one for number, one in enumerate(context.CONTEXTS, _FIRST_CONTEXT) if number in opened]
    claims += [_Claim(2, hit) for hit in context.find(around, text, lowered)]
    if style.pairs:
        words = [number - _FIRST_WORD for number in sorted(opened) if 0 <= number - _FIRST_WORD < pairs.ENTRIES]
        if words:
            claims += [_Claim(3, hit) for hit in pairs.pairs(text, lowered, style, words)]
            if _FIRST_WORD + pairs.ENTRIES in opened:
                claims += [_Claim(4, hit) for hit in pairs.entries(text, style)]
    if not nested and _ENCODED_TEXT in opened:
        claims += [_Claim(5, hit) for hit in _encoded(text)]
    if not nested and _JOINED in opened and not style.bare:
        claims += [_Claim(0, hit) for hit in _joined(text, style)]
    claims = [claim for claim in claims if text[claim.hit.start : claim.hit.end] not in DOCUMENTED]
    return _named(_best(claims), text) if claims else []


def _best(claims: Iterable[_Claim]) -> list[Hit]:
    taken: list[Hit] = []
    ends: list[int] = []
    for _, hit in sorted(claims, key=lambda claim: (claim.rank, claim.hit.start, -claim.hit.end, claim.hit.kind)):
        at = bisect_left(ends, hit.start + 1)  # the first that ends after this one starts
        if at == len(taken) or taken[at].start >= hit.end:
            taken.insert(at, hit)
            ends.insert(at, hit.end)
    return taken


_OF_DIGEST = lazy.pattern(r"(?i)(?:sha\d{1,3}|md5|blake2\w?)[-=:]$")


def _matches(pattern: Pattern, text: str) -> Iterator[Hit]:
    group = "value" if "value" in pattern.regex.groupindex else 0
    for match in pattern.regex.finditer(text):
        start, end = match.span(group)
        if start and group == 0 and _goes_on(text[start - 1], text[start]) and not _is_escape(text, start):
            continue
        if _OF_DIGEST.search(text, max(0, start - 10), start):
            continue
        value = match.group(group)
        if is_real(pattern, value):
            kind = pattern.kind
            if pattern.private_key and checks.is_encrypted_key(value):
                kind = f"encrypted {kind}"
            yield Hit(start, end, kind, "", pattern.ml, pattern.private_key)


def _goes_on(before: str, first: str) -> bool:
    """Say whether a match stands inside a longer word."""
    return before.isascii() and (before.isalnum() or before == "_") and (first.isalnum() or first == "_")


def _is_escape(text: str, start: int) -> bool:
    """Say whether the letter before a place is that of an escape: \\n, \\t, \\r."""
    return start >= 2 and text[start - 1] in "ntr" and text[start - 2] == "\\"


def _joined(text: str, style: Style) -> Iterator[Hit]:
    """Yield the credentials that a program puts together of several literals."""
    for chain in joins.chains(text):
        before = text[max(0, chain.start - joins.BEFORE_CHARS) : chain.start]
        probe = before.rstrip("brufBRUF\"'") + '"' + chain.text + '"\n'
        first = len(probe) - len(chain.text) - 2
        for hit in find(probe, style, nested=True):
            if hit.start >= first and chain.is_cut(hit.start - first, hit.end - first):
                yield replace(hit, start=chain.start, end=chain.end)
                break


def _encoded(text: str) -> Iterator[Hit]:
    """Yield values in base64 that hide a credential, looked into once."""
    for match in _ENCODED.finditer(text):
        value = match.group()
        if len(value) > MAX_ENCODED:
            continue
        plain = _plain(value)
        hits = find(plain, Style(bare=True), nested=True) if plain else []
        for hit in hits[:1]:
            yield Hit(*match.span(), f"{hit.kind} in base64", "", hit.ml, hit.private_key)


def _plain(value: str) -> str:
    body = value.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        text = base64.b64decode(body + "=" * (-len(body) % 4)).decode("ascii")
    except (ValueError, binascii.Error):
        return ""
    return text if all(c.isprintable() or c in "\n\r\t" for c in text) else ""


_LEFT = lazy.pattern(
    r"(?P<name>[A-Za-z_][\w.-]{0,58}\w)[\"'`\]]{0,3}\s{0,8}(?::\s{0,4}[A-Za-z_][\w\[\]., |]{0,40}=|=>|:=|[=!]==?|=|:|,)\s{0,8}[\[({]?\s{0,4}[brfuBRFU]{0,2}\\?[\"'`]{0,3}[^\s\"'`]{0,200}$"
)


def _named(hits: list[Hit], text: str) -> list[Hit]:
    named = []
    for hit in hits:
        if not hit.name and not hit.private_key:
            start = max(0, hit.start - 300)
            start = text.rfind("\n", start, hit.start) + 1 or start
            left = _LEFT.search(text[start : hit.start])
            # What follows an @ is the rest of an address, not a name.
            if (
                left
                and _is_plain_name(left.group("name"))
                and "@" not in text[start + left.start("name") - 1 : start + left.start("name")]
            ):
                hit = replace(hit, name=left.group("name"))
        named.append(hit)
    return named


def _is_plain_name(name: str) -> bool:
    """Say whether a name may be shown: no value that happens to stand left of another."""
    return not is_random(name, 14) and not name.lower().startswith(("http", "ftp"))
