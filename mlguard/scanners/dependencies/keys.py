"""Signs databases of advisories, and checks whose they are. Ed25519, RFC 8032."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mlguard.errors import Unreadable
from mlguard.scanners.dependencies.database import Sign, Verify

MAX_KEY_BYTES = 2**16


def verifier(root: Path, names: Sequence[str]) -> Verify:
    """Return what says whether one of the public keys in these files made a signature. Raises Unreadable."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    from mlguard.evidence import signatures

    trust, troubles = signatures.trusted(root, {"trusted_keys": list(names)})
    if troubles:
        raise Unreadable(f"a key in dependencies.database_keys cannot be used: {troubles[0][1].rsplit(': ', 1)[-1]}")
    found = [key for key in trust.keys if isinstance(key, Ed25519PublicKey)]
    if len(found) < len(trust.keys) or not found:
        raise Unreadable("dependencies.database_keys names a key that is none of Ed25519")

    def verify(data: bytes, signature: bytes) -> bool:
        for key in found:
            try:
                key.verify(signature, data)
            except InvalidSignature:
                continue
            return True
        return False

    return verify


def signer(path: Path) -> Sign:
    """Return what signs with the private key in a file of PEM without a password. Raises Unreadable, which quotes nothing of it."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        with open(path, "rb") as file:
            data = file.read(MAX_KEY_BYTES)
        key = load_pem_private_key(data, None)
    except OSError:
        raise Unreadable("the key to sign with cannot be read") from None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise Unreadable("the key to sign with is no private key in PEM, or has a password") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise Unreadable("the key to sign with is none of Ed25519")
    return key.sign
