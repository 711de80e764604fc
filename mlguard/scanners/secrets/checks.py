"""Looks once more at what has the form of a credential: checksums, encoded parts, marks of examples."""

from __future__ import annotations

import base64
import binascii
import json
import re
import zlib

from mlguard.scanners.secrets.values import entropy, is_identifier, is_placeholder

_ALNUM = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

LONG_EXPIRED = 1_735_689_600
"""Seconds since 1970 at the beginning of 2025. A token that ended before was of no use when this code was written; the clock is not
asked, so that the same bytes always give the same findings."""


def crc32_matches(token: str) -> bool:
    """Say whether the last six characters are the base-62 CRC-32 of what stands between prefix and them.

    https://github.blog/engineering/behind-githubs-new-authentication-token-formats/
    """
    body = token.rsplit("_", 1)[-1]
    number, digits = zlib.crc32(body[:-6].encode()), ""
    while number:
        number, rest = divmod(number, 62)
        digits = _ALNUM[rest] + digits
    return digits.rjust(6, "0") == body[-6:]


def mixed(token: str) -> bool:
    """Letters and digits after the last separator or prefix: no word."""
    return any(c.isdigit() for c in token) and any(c.isalpha() for c in token) and entropy(token) >= 3.0


def letters_mixed(token: str) -> bool:
    return not token.islower() and not token.isupper() and mixed(token) and not is_identifier(token)


def varied(token: str) -> bool:
    """Letters of both cases or digits, in no order: a token may hold no digit by chance, a name has no such capitals."""
    kinds = sum((any(c.isdigit() for c in token), any(c.islower() for c in token), any(c.isupper() for c in token)))
    return kinds >= 2 and entropy(token) >= 3.2


def aws_key(body: str) -> bool:
    """Say whether the 16 characters after AKIA or ASIA may be of a key.

    They are base 32. Of keys since 2019 the first bit is 1 and the next 40 are the number of the account, below 10 ** 12.
    https://summitroute.com/blog/2018/06/20/aws_security_credential_formats/
    """
    if mixed(body):
        return True
    try:
        number = int.from_bytes(base64.b32decode(body)[:6])
    except (ValueError, binascii.Error):
        return False
    return number >> 47 == 1 and (number >> 7) & (2**40 - 1) < 10**12 and entropy(body) >= 3.2


def jwt_is_valid(token: str) -> bool:
    """Say whether a token is signed, in date as far as it says, and no textbook example."""
    parts = token.split(".")
    try:
        header, payload = (json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))) for part in parts[:2])
    except (ValueError, binascii.Error, RecursionError):
        return False
    if (
        not isinstance(header, dict)
        or not isinstance(payload, dict)
        or not header.keys() & {"alg", "typ", "enc", "kid"}
    ):
        return False
    if str(header.get("alg", "")).lower() == "none":
        return False
    ends = payload.get("exp")
    if isinstance(ends, int | float) and ends < LONG_EXPIRED:
        return False
    if payload.get("role") == "anon":
        return False  # of Supabase, meant for browsers
    return payload.get("sub") != "1234567890" and payload.get("name") != "John Doe"


def decoded(part: str) -> bytes:
    """Return the bytes of a part in base64 of either alphabet, as far as they go."""
    part = part.replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(part[: len(part) // 4 * 4])
    except (ValueError, binascii.Error):
        return b""


def pypi_is_valid(token: str) -> bool:
    """Say whether a token is a macaroon: version 2, then the place, then more packets."""
    raw = decoded(token.split("-", 1)[-1])
    return raw[:2] == b"\x02\x01" and raw[3:11] in (b"pypi.org", b"test.pyp") and len(raw) >= 60


def hides_key(text: str) -> bool:
    """Say whether text in base64 is a PEM block of a private key."""
    return b"PRIVATE KEY-----" in decoded(text[:400])


def has_key_material(block: str) -> bool:
    """Say whether base64 text that looks random follows the first line of a PEM block."""
    longest = _longest_line(block)
    return len(longest) >= 30 and entropy(longest) >= 3.4 and not is_placeholder(longest[:64])


def _longest_line(block: str) -> str:
    body = re.sub(r"\\+[rn]", "\n", block.split("PRIVATE KEY-----", 1)[-1])
    return max(re.findall(r"[A-Za-z0-9+/=]+", body), key=len, default="")


def is_encrypted_key(block: str) -> bool:
    """Say whether a private key needs a passphrase, as its first lines or the cipher that OpenSSH names inside say.

    https://cvsweb.openbsd.org/src/usr.bin/ssh/PROTOCOL.key
    """
    head = block[:400]
    if "ENCRYPTED" in head or re.search(r"Encryption: (?!none)", head):
        return True
    if "OPENSSH" in head:
        body = "".join(re.findall(r"[A-Za-z0-9+/]+", re.sub(r"\\+[rn]", "\n", block.split("KEY-----", 1)[-1])[:200]))
        raw = decoded(body[:80])
        return raw.startswith(b"openssh-key-v1\0") and not raw[15:].startswith(b"\0\0\0\x04none")
    return False
