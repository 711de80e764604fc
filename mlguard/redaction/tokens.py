"""Encrypted values as text: made so that they are found again anywhere, and restored exactly."""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from mlguard.errors import UsageError
from mlguard.redaction.keys import Key

Mode = Literal["siv", "gcm"]

TOKEN = re.compile(r"mlg1([sg])\.([0-9a-f]{8})\.([A-Za-z0-9_-]{22,})~")
"""A token: the mode, the first eight digits of the key's id, the ciphertext. ``~`` ends it in the midst of a text."""

_NONCE_BYTES = 12
_TEXT, _RAW = b"t", b"r"  # first byte of what is encrypted: text, or a number or literal of JSON as it was written


def encrypt(values: Sequence[str], key: Key, mode: Mode, raw: bool = False) -> list[str]:
    """Return a token for each value. With ``siv`` (RFC 5297) equal values give equal tokens, so that tables still join and
    group; with ``gcm`` (NIST SP 800-38D, a random nonce for each cell) nobody sees which are equal. Both are authenticated.

    ``raw`` marks values that are written without quotes in JSON.
    """
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM, AESSIV

    head = f"mlg1{mode[0]}.{key.id[:8]}."
    tag = _RAW if raw else _TEXT
    siv, gcm = AESSIV(key.siv), AESGCM(key.gcm)

    def sealed(data: bytes) -> bytes:
        if mode == "siv":
            return siv.encrypt(data, None)
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + gcm.encrypt(nonce, data, None)

    def token(value: str) -> str:
        body = base64.urlsafe_b64encode(sealed(tag + value.encode("utf-8", "surrogatepass")))
        return f"{head}{body.rstrip(b'=').decode()}~"

    return [token(value) for value in values]


@dataclass(slots=True)
class Restorer:
    """Replaces tokens by what they were. ``restored`` counts them, ``foreign`` those of other keys, which stay."""

    key: Key
    restored: int = 0
    foreign: int = 0
    _known: dict[str, tuple[str, bool]] = field(default_factory=dict, repr=False)

    def text(self, cell: str) -> str:
        """Return the cell with its tokens restored. Raises UsageError for one that was altered."""
        return TOKEN.sub(self._one, cell) if "mlg1" in cell else cell

    def whole(self, cell: str) -> tuple[str, bool]:
        """Return the same, and whether the cell was one token of a bare JSON value."""
        match = TOKEN.fullmatch(cell)
        if match is None:
            return self.text(cell), False
        text = self._one(match)
        return text, self._known.get(cell, ("", False))[1]

    def _one(self, match: re.Match[str]) -> str:
        token = match.group()
        if match[2] != self.key.id[:8]:
            self.foreign += 1
            return token
        self.restored += 1
        if token not in self._known:
            if len(self._known) >= MAX_KNOWN:
                self._known.clear()
            self._known[token] = self._opened(match[1], match[3])
        return self._known[token][0]

    def _opened(self, mode: str, body: str) -> tuple[str, bool]:
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM, AESSIV

        try:
            data = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
            if mode == "s":
                plain = AESSIV(self.key.siv).decrypt(data, None)
            else:
                plain = AESGCM(self.key.gcm).decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], None)
        except (InvalidTag, ValueError, binascii.Error):
            raise UsageError("an encrypted value was altered or cut; nothing was written") from None
        return plain[1:].decode("utf-8", "surrogatepass"), plain[:1] == _RAW


MAX_KNOWN = 65_536
"""Restored tokens that are remembered."""
