"""Signatures over models, checked with keys and certificates that the user trusts, and without a network.

Formats: Sigstore bundle 0.1 to 0.3 in JSON (sigstore/protobuf-specs, sigstore_bundle.proto) around a DSSE envelope
(secure-systems-lab/dsse, protocol.md and envelope.md) with an in-toto statement (in-toto/attestation, spec/v1/statement.md), as OpenSSF
Model Signing 1.x writes them (predicate ``https://model_signing/signature/v1.0``) and its release 0.2 did
(``https://model_signing/Digests/v0.1``); the bundle of a blob with a ``messageSignature``; the older bundle of ``cosign sign-blob`` with
``base64Signature``; and a bare signature in DER, raw bytes or Base64 beside the file.

Signing time is not known offline: a bundle made with a key or a certificate holds no proof of it. As Model Signing does, a chain is
judged at the moment when the signer's certificate begins to be valid, so that an expired certificate still proves an old signature.
Keyless bundles name an identity that only the transparency log and the root of its certificates can prove; that proof is not made here.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Literal

from mlguard.errors import Unreadable
from mlguard.evidence import digests
from mlguard.values import dataclass

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.hazmat.primitives.hashes import HashAlgorithm

    PublicKey = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey

MAX_BUNDLE_BYTES = 32 * 2**20
"""The largest bundle that is read: 100,000 files take about 20 MB."""

MAX_RESOURCES = 200_000
"""Files or shards of one statement."""

MAX_CHAIN = 16
"""Certificates of one bundle, and steps from a signer to a root."""

MAX_SIGNATURES = 16
"""Signatures of one envelope."""

MAX_KEY_BYTES = 2**20
"""The largest file of keys or certificates that is read."""

MAX_WHOLE_BYTES = 64 * 2**20
"""The largest file whose Ed25519 signature is checked: the scheme needs the whole message."""

MIN_RSA_BITS = 2048

IN_TOTO = "application/vnd.in-toto+json"
_STATEMENTS = ("https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1")
_MODEL_V1 = "https://model_signing/signature/v1.0"
_MODEL_OLD = ("https://model_signing/Digests/v0.1", "https://model_signing/signature/v0.1")
_FULCIO = "1.3.6.1.4.1.57264.1."
"""Object identifiers of Fulcio, whose certificates name who logged in (sigstore/fulcio, docs/oid-info.md)."""


class Malformed(Exception):
    """A bundle that contradicts itself or its format. The text says how and holds no input."""


@dataclass(frozen=True, slots=True)
class Resource:
    """A file that a statement names, or its bytes from ``start`` to before ``end``. ``algorithm`` is "" when it is not known here."""

    name: str
    algorithm: str
    digest: str
    start: int = 0
    end: int | None = None


@dataclass(frozen=True, slots=True)
class Statement:
    """What is signed. ``whole`` says that the folder may hold nothing else, but for the paths of ``ignored``."""

    name: str
    resources: tuple[Resource, ...]
    ignored: tuple[str, ...] = ()
    digest: str = ""  # SHA-256 over the digests of all resources
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Bundle:
    """A signature file after parsing. Either ``payload`` is signed, or the file beside it (``blob``)."""

    material: Literal["key", "certificate", "none"]
    signatures: tuple[bytes, ...]
    payload_type: str = ""
    payload: bytes = b""
    chain: tuple[bytes, ...] = ()  # DER, the signer first
    blob: bool = False
    blob_digest: tuple[str, str] = ("", "")  # algorithm, hexadecimal digits


@dataclass(frozen=True, slots=True)
class Trust:
    """The keys and certificates that the configuration names."""

    keys: tuple[PublicKey, ...] = ()
    roots: tuple[x509.Certificate, ...] = ()


@dataclass(frozen=True, slots=True)
class Judgement:
    """``reason`` completes the sentence "The signature …"; it never quotes the input."""

    state: Literal["verified", "unverified", "failed"]
    check: str
    reason: str


# --- Reading


def read(data: bytes) -> Bundle:
    """Return the bundle in ``data``. Raises Unreadable when it is none, Malformed when it breaks its format."""
    text = data.strip()
    if not text.startswith(b"{"):
        return _bare(data)
    body = _json(text, "the bundle")
    if not isinstance(body, dict):
        raise Unreadable("no signature bundle")
    if isinstance(body.get("base64Signature"), str):
        return _of_cosign(body)
    if "dsseEnvelope" not in body and "messageSignature" not in body:
        if "payloadType" in body and "signatures" in body:
            return _enveloped(body, "none", ())  # a bare DSSE envelope
        raise Unreadable("no signature bundle")
    material, chain = _material(body.get("verificationMaterial"))
    envelope, message = body.get("dsseEnvelope"), body.get("messageSignature")
    if isinstance(envelope, dict) and message is None:
        return _enveloped(envelope, material, chain)
    if isinstance(message, dict) and envelope is None:
        return _message(message, material, chain)
    raise Malformed("it holds not exactly one of an envelope and a signature over a file")


def _json(text: bytes, what: str) -> Any:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            raise Malformed(f"{what} names a key twice, which readers take differently")
        return found

    try:
        return json.loads(text, object_pairs_hook=once)
    except (ValueError, RecursionError):
        raise Unreadable("no signature bundle: not valid JSON") from None


def _bytes(value: object, what: str) -> bytes:
    if not isinstance(value, str):
        raise Malformed(f"{what} is missing")
    try:
        return base64.b64decode(value.replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError):
        raise Malformed(f"{what} is not valid Base64") from None


def _bare(data: bytes) -> Bundle:
    """Return a bare signature: Base64 in a line, DER of ECDSA, or as many bytes as Ed25519 and RSA have."""
    raw = data
    try:
        raw = base64.b64decode(data.strip(), validate=True) if data.strip() else b""
    except (binascii.Error, ValueError):
        raw = data
    if _is_ecdsa(raw) or len(raw) in (64, 256, 384, 512):
        return Bundle("none", (raw,), blob=True)
    raise Unreadable("no signature in a form that is known here")


def _is_ecdsa(data: bytes) -> bool:
    """Say whether the bytes are a SEQUENCE of two INTEGERs, as RFC 3279, section 2.2.3, has it."""
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

    if not 8 <= len(data) <= 150:
        return False
    try:
        return all(number > 0 for number in decode_dss_signature(data))
    except ValueError:
        return False


def _of_cosign(body: Mapping[str, Any]) -> Bundle:
    signature = _bytes(body["base64Signature"], "the signature")
    certificate = body.get("cert")
    if not isinstance(certificate, str) or not certificate:
        return Bundle("none", (signature,), blob=True)
    pem = certificate.encode() if certificate.startswith("-----") else _bytes(certificate, "the certificate")
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    try:
        chain = tuple(item.public_bytes(Encoding.DER) for item in x509.load_pem_x509_certificates(pem)[:MAX_CHAIN])
    except ValueError:
        raise Malformed("its certificate cannot be read") from None
    return Bundle("certificate", (signature,), chain=chain, blob=True)


def _material(value: object) -> tuple[Literal["key", "certificate", "none"], tuple[bytes, ...]]:
    if not isinstance(value, dict):
        raise Malformed("it says nothing about the signer's key")
    listed = value.get("x509CertificateChain")
    if isinstance(listed, dict):
        certificates = listed.get("certificates")
        if not isinstance(certificates, list) or not 0 < len(certificates) <= MAX_CHAIN:
            raise Malformed("its chain of certificates is empty or too long")
        return "certificate", tuple(_certificate(item) for item in certificates)
    if isinstance(value.get("certificate"), dict):
        return "certificate", (_certificate(value["certificate"]),)
    return ("key" if "publicKey" in value else "none"), ()


def _certificate(value: object) -> bytes:
    return _bytes(value.get("rawBytes") if isinstance(value, dict) else None, "a certificate")


def _enveloped(
    envelope: Mapping[str, Any], material: Literal["key", "certificate", "none"], chain: tuple[bytes, ...]
) -> Bundle:
    given = envelope.get("signatures")
    if not isinstance(given, list) or not 0 < len(given) <= MAX_SIGNATURES:
        raise Malformed("its envelope holds no signature, or too many")
    kind = envelope.get("payloadType")
    if not isinstance(kind, str) or len(kind) > 200:
        raise Malformed("its envelope does not say what it holds")
    signatures = tuple(_bytes(item.get("sig") if isinstance(item, dict) else None, "a signature") for item in given)
    return Bundle(material, signatures, kind, _bytes(envelope.get("payload"), "the payload"), chain)


def _message(
    message: Mapping[str, Any], material: Literal["key", "certificate", "none"], chain: tuple[bytes, ...]
) -> Bundle:
    digest = message.get("messageDigest")
    recorded = ("", "")
    if isinstance(digest, dict) and isinstance(digest.get("algorithm"), str):
        recorded = (digests.algorithm(digest["algorithm"]), _bytes(digest.get("digest"), "the digest").hex())
    signature = _bytes(message.get("signature"), "the signature")
    return Bundle(material, (signature,), chain=chain, blob=True, blob_digest=recorded)


# --- What is signed


def statement(bundle: Bundle) -> Statement:
    """Return what an envelope states about files. Raises Unreadable for another payload, Malformed for a contradiction."""
    if bundle.payload_type != IN_TOTO:
        raise Unreadable("the envelope holds no in-toto statement")
    body = _json(bundle.payload, "the statement")
    if not isinstance(body, dict) or body.get("_type") not in _STATEMENTS:
        raise Unreadable("the envelope holds no in-toto statement")
    subjects = body.get("subject")
    if not isinstance(subjects, list) or not 0 < len(subjects) <= MAX_RESOURCES:
        raise Malformed("its statement is about nothing, or about too much")
    if body.get("predicateType") == _MODEL_V1:
        return _of_model(subjects, body.get("predicate"))
    resources = tuple(_subject(item) for item in subjects)
    _distinct(resources)
    return Statement("", resources, whole=body.get("predicateType") in _MODEL_OLD)


def _subject(value: object) -> Resource:
    name = value.get("name") if isinstance(value, dict) else None
    given = value.get("digest") if isinstance(value, dict) else None
    for kind, digest in given.items() if isinstance(given, dict) else ():
        if (known := digests.algorithm(str(kind))) and isinstance(digest, str):
            return Resource(_inside(name), known, digest.lower())
    return Resource(_inside(name), "", "")


def _of_model(subjects: Sequence[Any], predicate: object) -> Statement:
    subject = subjects[0]
    given = subject.get("digest") if isinstance(subject, dict) else None
    total = given.get("sha256") if isinstance(given, dict) else None
    if len(subjects) != 1 or not isinstance(total, str) or not isinstance(predicate, dict):
        raise Malformed("its statement is not about one model")
    method, listed = predicate.get("serialization"), predicate.get("resources")
    if not isinstance(method, dict) or not isinstance(listed, list) or len(listed) > MAX_RESOURCES:
        raise Malformed("its statement does not list the files of the model")
    if method.get("method") not in ("files", "shards"):
        raise Malformed("its statement lists the model in a way that is not known here")
    import hashlib

    over, resources = hashlib.sha256(), []
    for item in listed:
        resource, raw = _resource(item, method["method"] == "shards")
        over.update(raw)
        resources.append(resource)
    if over.hexdigest() != total.lower():
        raise Malformed("the digest over all files is not that of the files it lists")
    _distinct(resources)
    ignored = method.get("ignore_paths")
    left_out = tuple(_relative(path) for path in ignored if isinstance(path, str)) if isinstance(ignored, list) else ()
    name = subject.get("name")
    return Statement(name if isinstance(name, str) else "", tuple(resources), left_out, total.lower(), True)


def _resource(item: object, sharded: bool) -> tuple[Resource, bytes]:
    """Return a resource and the bytes of its digest. Shards are named ``path:start:end``, hashes of them ``sha256-sharded-…``."""
    if not isinstance(item, dict) or not all(isinstance(item.get(key), str) for key in ("name", "digest", "algorithm")):
        raise Malformed("its statement lists a file without name, digest or algorithm")
    try:
        raw = bytes.fromhex(item["digest"])
    except ValueError:
        raise Malformed("its statement holds a digest that is none") from None
    kind = digests.algorithm(item["algorithm"].partition("-sharded-")[0])
    if not sharded:
        return Resource(_inside(item["name"]), kind, raw.hex()), raw
    name, _, span = item["name"].rpartition(":")
    name, _, start = name.rpartition(":")
    if not (start.isascii() and start.isdigit() and span.isascii() and span.isdigit() and len(start + span) < 40):
        raise Malformed("its statement lists a shard without its place")
    if int(start) >= int(span):
        raise Malformed("its statement lists a shard that ends before it begins")
    return Resource(_inside(name), kind, raw.hex(), int(start), int(span)), raw


def _relative(name: str) -> str:
    return "" if name in (".", "./") else str(PurePosixPath(name))


def _inside(name: object) -> str:
    """Return a name below the model's folder, "" for the model itself. Raises Malformed when it leads elsewhere."""
    if not isinstance(name, str) or not name or len(name) > 4096 or "\0" in name:
        raise Malformed("its statement lists a file without a usable name")
    if name.startswith(("/", "\\")) or ".." in PurePosixPath(name.replace("\\", "/")).parts or name[1:3] == ":\\":
        raise Malformed("its statement lists a file outside the model's folder")
    return _relative(name)


def _distinct(resources: Sequence[Resource]) -> None:
    if len({(item.name, item.start) for item in resources}) < len(resources):
        raise Malformed("its statement lists a file twice")


# --- Whom the user trusts


def trusted(root: Path, settings: Mapping[str, Any]) -> tuple[Trust, list[tuple[str, str]]]:
    """Return the keys and roots that ``trusted_keys`` and ``trusted_roots`` name, and (path, trouble) of those that are unusable."""
    keys: list[PublicKey] = []
    roots: list[x509.Certificate] = []
    trouble: list[tuple[str, str]] = []
    for name in settings.get("trusted_keys", ()):
        try:
            keys += _keys(_content(root / str(name)))
        except Unreadable as error:
            trouble.append((str(name), f"a trusted key cannot be used: {error}"))
    for name in settings.get("trusted_roots", ()):
        try:
            roots += _roots(_content(root / str(name)))
        except Unreadable as error:
            trouble.append((str(name), f"a trusted root cannot be used: {error}"))
    return Trust(tuple(keys), tuple(roots)), trouble


def _content(path: Path) -> bytes:
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_KEY_BYTES + 1)
    except OSError:
        raise Unreadable("the file cannot be read") from None
    if len(data) > MAX_KEY_BYTES:
        raise Unreadable("the file is too large to hold one")
    return data


def _keys(data: bytes) -> list[PublicKey]:
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization

    if b"PRIVATE KEY" in data:
        raise Unreadable("the file holds a private key; export the public one, and treat this one as known to others")
    try:
        if b"BEGIN CERTIFICATE" in data:
            found: list[Any] = [item.public_key() for item in x509.load_pem_x509_certificates(data)]
        elif data.startswith((b"ssh-", b"ecdsa-")):
            found = [serialization.load_ssh_public_key(line) for line in data.splitlines() if line.strip()]
        elif b"-----BEGIN" in data:
            found = [serialization.load_pem_public_key(block) for block in _blocks(data)]
        else:
            found = [serialization.load_der_public_key(data)]
    except (ValueError, UnsupportedAlgorithm):
        raise Unreadable("no public key in PEM, DER or OpenSSH form") from None
    usable = [key for key in found if _usable(key)]
    if len(usable) < len(found) or not usable:
        raise Unreadable("keys are P-256, P-384, P-521, Ed25519, or RSA of 2048 bits and more")
    return usable


def _blocks(data: bytes) -> Iterator[bytes]:
    for part in data.split(b"-----BEGIN")[1:]:
        yield b"-----BEGIN" + part


def _usable(key: object) -> bool:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    if isinstance(key, ec.EllipticCurvePublicKey):
        return key.curve.name in ("secp256r1", "secp384r1", "secp521r1")
    return (
        isinstance(key, ed25519.Ed25519PublicKey) or isinstance(key, rsa.RSAPublicKey) and key.key_size >= MIN_RSA_BITS
    )


def _roots(data: bytes) -> list[x509.Certificate]:
    from cryptography import x509

    try:
        if b"-----BEGIN" in data:
            return x509.load_pem_x509_certificates(data)
        return [x509.load_der_x509_certificate(data)]
    except ValueError:
        raise Unreadable("no certificate in PEM or DER form") from None


# --- Judging


def encoded(kind: str, payload: bytes) -> bytes:
    """Return the bytes that a DSSE signature is over (protocol.md, "PAE")."""
    name = kind.encode()
    return b"DSSEv1 %d %b %d %b" % (len(name), name, len(payload), payload)


def _encoded_wrongly(payload: bytes) -> bytes:
    """Return what release 0.2 of Model Signing signed: its encoding prints the bytes as Python shows them."""
    return f"DSSEV1 {len(IN_TOTO)} {IN_TOTO} {len(payload)} {payload!r}".encode()


def judge(bundle: Bundle, trust: Trust, blob: Path | None = None) -> Judgement:
    """Say whether a signature stands. ``blob`` is the file that a signature without payload is about.

    Raises Unreadable when that file cannot be read.
    """
    signer: PublicKey | None = None
    if bundle.material == "certificate":
        chain = _chain(bundle)
        signer = _key_of(chain[0])
        if signer is None:
            return Judgement("unverified", "unverified-signature", "is by a kind of key that is not known here")
        if not _signed_by(signer, bundle, blob):
            return Judgement("failed", "bad-signature", "does not fit what it is about")
        if any(_same(signer, key) for key in trust.keys):
            return Judgement("verified", "", "is by a trusted key")
        return _identity(chain, trust)
    if any(_signed_by(key, bundle, blob) for key in trust.keys):
        return Judgement("verified", "", "is by a trusted key")
    if trust.keys:
        return Judgement(
            "failed", "untrusted-signer", "is by none of the trusted keys, or what it is about was changed"
        )
    return Judgement("unverified", "unverified-signature", "cannot be checked, because no trusted key is configured")


def _chain(bundle: Bundle) -> list[x509.Certificate]:
    from cryptography import x509

    try:
        return [x509.load_der_x509_certificate(item) for item in bundle.chain]
    except ValueError:
        raise Malformed("a certificate in it cannot be read") from None


def _key_of(certificate: x509.Certificate) -> PublicKey | None:
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        key: Any = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return None
    return key if _usable(key) else None


def _same(one: PublicKey, other: PublicKey) -> bool:
    return type(one) is type(other) and one == other


def _signed_by(key: PublicKey, bundle: Bundle, blob: Path | None) -> bool:
    if bundle.blob:
        return blob is not None and any(_blob_signed_by(key, signature, blob) for signature in bundle.signatures)
    messages = [encoded(bundle.payload_type, bundle.payload)]
    if bundle.payload_type == IN_TOTO and b"https://model_signing/" in bundle.payload[:MAX_KEY_BYTES]:
        messages.append(_encoded_wrongly(bundle.payload))
    return any(_verifies(key, signature, message) for signature in bundle.signatures for message in messages)


def _hashes(key: PublicKey) -> list[HashAlgorithm]:
    """Return the hashes that may go with a key: the one of its curve's size, and SHA-256, which some signers always use."""
    from cryptography.hazmat.primitives import hashes

    size = getattr(getattr(key, "curve", None), "key_size", 0)
    own: HashAlgorithm = {384: hashes.SHA384(), 521: hashes.SHA512()}.get(size, hashes.SHA256())
    return [own] if isinstance(own, hashes.SHA256) else [own, hashes.SHA256()]


def _verifies(key: PublicKey, signature: bytes, message: bytes) -> bool:
    from cryptography.hazmat.primitives.asymmetric import ed25519

    if isinstance(key, ed25519.Ed25519PublicKey):
        return _holds(lambda: key.verify(signature, message))
    import hashlib

    return any(
        _verifies_digest(key, signature, hashlib.new(kind.name, message).digest(), kind) for kind in _hashes(key)
    )


def _verifies_digest(key: PublicKey, signature: bytes, digest: bytes, kind: HashAlgorithm) -> bool:
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
    from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

    hashed = Prehashed(kind)
    if isinstance(key, ec.EllipticCurvePublicKey):
        return _holds(lambda: key.verify(signature, digest, ec.ECDSA(hashed)))
    if isinstance(key, rsa.RSAPublicKey):
        pss = padding.PSS(padding.MGF1(kind), padding.PSS.AUTO)
        return _holds(lambda: key.verify(signature, digest, padding.PKCS1v15(), hashed)) or _holds(
            lambda: key.verify(signature, digest, pss, hashed)
        )
    return False


def _holds(verify: Any) -> bool:
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

    try:
        verify()
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        return False
    return True


def _blob_signed_by(key: PublicKey, signature: bytes, blob: Path) -> bool:
    from cryptography.hazmat.primitives.asymmetric import ed25519

    if isinstance(key, ed25519.Ed25519PublicKey):
        try:
            with open(blob, "rb") as file:
                message = file.read(MAX_WHOLE_BYTES + 1)
        except OSError:
            raise Unreadable("the signed file cannot be read") from None
        if len(message) > MAX_WHOLE_BYTES:
            raise Unreadable("the signed file is too large for its Ed25519 signature to be checked")
        return _holds(lambda: key.verify(signature, message))
    kinds = _hashes(key)
    computed = digests.of_file(blob, [kind.name for kind in kinds])
    return any(_verifies_digest(key, signature, bytes.fromhex(computed[kind.name]), kind) for kind in kinds)


# --- Chains


def _identity(chain: Sequence[x509.Certificate], trust: Trust) -> Judgement:
    if _is_keyless(chain[0]):
        reason = "is keyless, and the identity of its signer is not verified without the network"
        return Judgement("unverified", "unverified-signature", reason)
    if not trust.roots:
        if trust.keys:
            return Judgement("failed", "untrusted-signer", "is by a certificate with none of the trusted keys")
        reason = "is by a certificate, and no trusted root is configured"
        return Judgement("unverified", "unverified-signature", reason)
    if not _may_sign(chain[0]):
        return Judgement("failed", "untrusted-signer", "is by a certificate that is not for signing")
    if _leads_to_root(chain, trust.roots):
        return Judgement("verified", "", "is by a certificate under a trusted root")
    return Judgement("failed", "untrusted-signer", "is by a certificate that does not lead to a trusted root")


def _is_keyless(certificate: x509.Certificate) -> bool:
    return any(item.oid.dotted_string.startswith(_FULCIO) for item in _extensions(certificate))


def _extensions(certificate: x509.Certificate) -> list[Any]:
    try:
        return list(certificate.extensions)
    except (ValueError, TypeError):
        return []


def _may_sign(certificate: x509.Certificate) -> bool:
    """Say whether a certificate is for signing: key usage has digitalSignature, or extended key usage has code signing.

    Model Signing asks for one of the two. One that has extended usages of other kinds, as those of web servers do, is refused.
    """
    from cryptography import x509
    from cryptography.x509.oid import ExtendedKeyUsageOID

    found = _extensions(certificate)
    if any(item.critical and isinstance(item.value, x509.UnrecognizedExtension) for item in found):
        return False
    for item in found:
        if isinstance(item.value, x509.ExtendedKeyUsage):
            wanted = (ExtendedKeyUsageOID.CODE_SIGNING, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE)
            return any(usage in item.value for usage in wanted)
    return any(isinstance(item.value, x509.KeyUsage) and item.value.digital_signature for item in found)


def _leads_to_root(chain: Sequence[x509.Certificate], roots: Sequence[x509.Certificate]) -> bool:
    """Say whether a path of valid issuers leads from the first certificate to a root (RFC 5280, section 6.1, in part)."""
    moment = chain[0].not_valid_before_utc
    given = [*chain[1:]]
    paths: list[tuple[x509.Certificate, int]] = [(chain[0], 0)]  # a certificate, and how many authorities lie below it
    seen: set[bytes] = set()
    while paths:
        current, below = paths.pop()
        if current in roots:
            return True
        for issuer in (*roots, *given):
            if not _issued(issuer, current) or not _is_authority(issuer, below, moment):
                continue
            if issuer in roots:
                return True
            key = issuer.fingerprint(_sha256())
            if key not in seen and below < MAX_CHAIN:
                seen.add(key)
                paths.append((issuer, below + 1))
    return False


def _sha256() -> HashAlgorithm:
    from cryptography.hazmat.primitives import hashes

    return hashes.SHA256()


def _issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    if issuer.subject != certificate.issuer:
        return False
    return _holds(lambda: certificate.verify_directly_issued_by(issuer))


def _is_authority(certificate: x509.Certificate, below: int, moment: Any) -> bool:
    from cryptography import x509

    if not certificate.not_valid_before_utc <= moment <= certificate.not_valid_after_utc:
        return False
    authority = False
    for item in _extensions(certificate):
        value = item.value
        if isinstance(value, x509.BasicConstraints):
            authority = value.ca and (value.path_length is None or value.path_length >= below)
        elif isinstance(value, x509.KeyUsage):
            if not value.key_cert_sign:
                return False
        elif item.critical and not isinstance(value, x509.ExtendedKeyUsage):
            return False  # a constraint that is not understood forbids
    return authority
