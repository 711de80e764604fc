"""The key of a redaction: made, read from a file that only its owner may read, and split by purpose."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from mlguard.errors import UsageError

KEY_BYTES = 32
"""Bytes of a key."""

MAX_FILE_BYTES = 4096
"""Bytes of a key file."""

_MARK = "mlguard-key-1:"
_HEADER = (
    "# Redaction key of mlguard. Whoever holds it can restore what was encrypted with it and can test guesses against\n"
    "# what was hashed with it. Keep it apart from the data; deleting it makes what was encrypted unreadable for good.\n"
)


@dataclass(frozen=True, slots=True, repr=False)
class Key:
    """One key for each purpose, derived from the secret. ``id`` names the key and tells nothing of it."""

    hashing: bytes
    siv: bytes  # 64 bytes: AES-256-SIV takes two keys of 32
    gcm: bytes
    id: str

    def __repr__(self) -> str:
        return f"Key({self.id})"


def derive(secret: bytes) -> Key:
    """Return the keys of a secret of KEY_BYTES bytes."""
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    def part(purpose: bytes, size: int) -> bytes:
        return HKDF(SHA256(), size, b"mlguard redaction 1", purpose).derive(secret)

    name = hmac.new(secret, b"mlguard key id", hashlib.sha256).hexdigest()[:16]
    return Key(part(b"hash", 32), part(b"aes-siv", 64), part(b"aes-gcm", 32), name)


def new(path: Path) -> Key:
    """Write a new key to a file that does not exist yet, mode 0600. Raises UsageError."""
    secret = os.urandom(KEY_BYTES)
    text = f"{_HEADER}{_MARK}{base64.b64encode(secret).decode()}\n"
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o600)
    except FileExistsError:
        raise UsageError(f"{path} exists; a key is never overwritten, since what it encrypted would be lost") from None
    except OSError as error:
        raise UsageError(f"the key cannot be written to {path}: {error.strerror}") from None
    with os.fdopen(handle, "w", encoding="ascii") as file:
        os.fchmod(handle, 0o600)
        file.write(text)
        file.flush()
        os.fsync(handle)
    return derive(secret)


def read(path: Path) -> Key:
    """Read a key file. Raises UsageError when others may read it, or when it holds no key; its content is never quoted."""
    try:
        with open(path, "rb") as file:
            state = os.fstat(file.fileno())
            if not stat.S_ISREG(state.st_mode):
                raise UsageError(f"the key file {path} is no regular file")
            if state.st_mode & 0o077:
                raise UsageError(f"the key file {path} may be read by others than its owner; run: chmod 600 {path}")
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise UsageError(f"the key file {path} cannot be read: {error.strerror}") from None
    return _parsed(data, f"the key file {path}")


def from_environment(name: str) -> Key:
    """Read a key from the environment variable that the user named: a whole key file, or its last line."""
    value = os.environ.get(name)
    if value is None:
        raise UsageError(f"--key-env: the environment has no variable {name}")
    return _parsed(value.encode(), f"the variable {name}")


def _parsed(data: bytes, what: str) -> Key:
    lines = [line.strip() for line in data[:MAX_FILE_BYTES].splitlines()]
    found = [line for line in lines if line and not line.startswith(b"#")]
    advice = "make one with: mlguard data redact --new-key FILE"
    if len(data) > MAX_FILE_BYTES or len(found) != 1 or not found[0].startswith(_MARK.encode()):
        raise UsageError(f"{what} holds no redaction key; {advice}")
    try:
        secret = base64.b64decode(found[0][len(_MARK) :], validate=True)
    except binascii.Error:
        raise UsageError(f"{what} holds a damaged key; {advice}") from None
    if len(secret) != KEY_BYTES:
        raise UsageError(f"{what} holds a key of another length than {KEY_BYTES} bytes; {advice}")
    return derive(secret)
