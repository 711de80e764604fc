"""Digests and signatures are computed again, and what does not fit is told."""

from __future__ import annotations

import base64
import datetime
import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from mlguard.errors import Unreadable
from mlguard.evidence import checksums, digests, names, signatures
from mlguard.evidence.signatures import Malformed
from mlguard.facts import FileDigest, Seal
from mlguard.findings import Proof, Report
from mlguard.reporters import jsonreport
from tests.functional.command import mlguard
from tests.scanning import scan

FIXTURES = Path(__file__).parent / "fixtures" / "signing"
FAILED, MISSING = "model/failed-integrity-check", "model/missing-digest-or-signature"
START = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)
DAY = datetime.timedelta(days=1)
HEADER = b'{"w":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}'
WEIGHTS = len(HEADER).to_bytes(8, "little") + HEADER + b"\1\2\3\4"


def told(report: Report) -> list[tuple[str, str, str]]:
    """Return (rule's last part, check, path) of the findings on integrity."""
    return sorted(
        (finding.rule.split("/")[1].split("-")[0], finding.check, finding.location.path)
        for finding in report.findings
        if finding.rule in (FAILED, MISSING)
    )


def seals(report: Report) -> list[Seal]:
    return [fact for fact in report.facts if isinstance(fact, Seal)]


def proven(report: Report) -> set[str]:
    return {proof.subject for proof in report.proofs if proof.rule == FAILED}


def look(root: Path, **model: Any) -> Report:
    report = scan(root, ["model"], settings={"model": model})
    assert [gap for gap in report.gaps if gap.kind in ("crash", "timeout", "missing")] == []
    return report


# --- Bundles of the real tool


def placed(root: Path, bundle: str, name: str = "m/model.sig") -> Path:
    """Copy the signed model and a bundle of the real tool into a tree, with the public parts in keys/."""
    shutil.copytree(FIXTURES / "model", root / "m")
    shutil.copy(FIXTURES / bundle, root / name)
    (root / "keys").mkdir()
    for file in ("key.pub", "p384.pub", "root.pem"):
        shutil.copy(FIXTURES / file, root / "keys" / file)
    return root


REAL = [
    ("key.sig", {"trusted_keys": ["keys/key.pub"]}), ("shards.sig", {"trusted_keys": ["keys/p384.pub"]}),
    ("blake2.sig", {"trusted_keys": ["keys/p384.pub"]}), ("certificate.sig", {"trusted_roots": ["keys/root.pem"]}),
]  # fmt: skip


@pytest.mark.parametrize(("bundle", "trust"), REAL)
def test_bundle_of_the_real_tool_is_verified(bundle: str, trust: dict[str, Any], tmp_path: Path) -> None:
    report = look(placed(tmp_path, bundle), **trust)

    assert told(report) == []
    assert [seal.signature for seal in seals(report)] == ["verified"]
    assert proven(report) == {"m/model.safetensors", "m/config.json", "m/sub/labels.txt"}
    assert Proof(MISSING, "m/model.safetensors", "m/model.safetensors") in report.proofs


@pytest.mark.parametrize(("bundle", "trust"), REAL)
def test_one_changed_byte_fails_the_bundle(bundle: str, trust: dict[str, Any], tmp_path: Path) -> None:
    placed(tmp_path, bundle)
    (tmp_path / "m" / "model.safetensors").write_bytes((FIXTURES / "model/model.safetensors").read_bytes()[:-1] + b"\7")

    assert told(look(tmp_path, **trust)) == [("failed", "wrong-digest", "m/model.safetensors")]


@pytest.mark.parametrize(("bundle", "trust"), REAL)
def test_appended_byte_fails_the_bundle(bundle: str, trust: dict[str, Any], tmp_path: Path) -> None:
    placed(tmp_path, bundle)
    with open(tmp_path / "m" / "sub" / "labels.txt", "ab") as file:
        file.write(b"\n")

    assert told(look(tmp_path, **trust)) == [("failed", "wrong-digest", "m/sub/labels.txt")]


@pytest.mark.parametrize(("bundle", "trust"), REAL)
def test_removed_and_added_files_fail_the_bundle(bundle: str, trust: dict[str, Any], tmp_path: Path) -> None:
    placed(tmp_path, bundle)
    (tmp_path / "m" / "config.json").unlink()
    (tmp_path / "m" / "sub" / "extra.bin").write_bytes(b"\0extra")

    assert told(look(tmp_path, **trust)) == [
        ("failed", "missing-file", "m/model.sig"),
        ("failed", "unsigned-file", "m/sub/extra.bin"),
    ]


@pytest.mark.parametrize("bundle", ["key.sig", "certificate.sig"])
def test_bundle_without_trust_is_not_verified_and_its_digests_are_compared(bundle: str, tmp_path: Path) -> None:
    report = look(placed(tmp_path, bundle))

    assert told(report) == [("missing", "unverified-signature", "m/model.sig")]
    assert "m/config.json" in proven(report)


@pytest.mark.parametrize(
    ("bundle", "trust"),
    [("key.sig", {"trusted_keys": ["keys/p384.pub"]}), ("certificate.sig", {"trusted_keys": ["keys/p384.pub"]})],
)
def test_bundle_by_another_key_fails(bundle: str, trust: dict[str, Any], tmp_path: Path) -> None:
    assert told(look(placed(tmp_path, bundle), **trust)) == [("failed", "untrusted-signer", "m/model.sig")]


def test_signature_over_one_file_is_verified(tmp_path: Path) -> None:
    placed(tmp_path, "file.sig", "m/model.safetensors.sig")

    report = look(tmp_path, trusted_keys=["keys/p384.pub"])

    assert told(report) == []
    assert proven(report) == {"m/model.safetensors"}


def test_bundle_beside_the_folder_finds_it_by_name(tmp_path: Path) -> None:
    placed(tmp_path, "key.sig", "release.sig")
    (tmp_path / "m").rename(tmp_path / "model")

    report = look(tmp_path, trusted_keys=["keys/key.pub"])

    assert told(report) == []
    assert [seal.folder for seal in seals(report)] == ["model"]


def test_bundle_whose_files_are_elsewhere_is_a_gap(tmp_path: Path) -> None:
    placed(tmp_path, "key.sig")
    shutil.rmtree(tmp_path / "m")
    (tmp_path / "other.npy").write_bytes(b"\x93NUMPY")
    shutil.copy(FIXTURES / "key.sig", tmp_path / "model.sig")

    report = look(tmp_path, trusted_keys=["keys/key.pub"])

    assert [(gap.path, gap.kind) for gap in report.gaps if gap.path == "model.sig"] == [("model.sig", "unresolved")]


def test_key_that_cannot_be_used_is_a_gap(tmp_path: Path) -> None:
    placed(tmp_path, "key.sig")

    report = look(tmp_path, trusted_keys=["keys/gone.pub", "keys/key.pub"])

    assert [gap.path for gap in report.gaps] == ["keys/gone.pub"]
    assert told(report) == []


# --- Bundles of our own


@cache
def signer(kind: str) -> Any:
    curves: dict[str, ec.EllipticCurve] = {"p256": ec.SECP256R1(), "p384": ec.SECP384R1(), "p521": ec.SECP521R1()}
    if kind in curves:
        return ec.generate_private_key(curves[kind])
    return ed25519.Ed25519PrivateKey.generate() if kind == "ed25519" else rsa.generate_private_key(65537, 2048)


def sign(key: Any, message: bytes, kind: hashes.HashAlgorithm | None = None) -> bytes:
    if isinstance(key, ec.EllipticCurvePrivateKey):
        size = {256: hashes.SHA256(), 384: hashes.SHA384(), 521: hashes.SHA512()}[key.curve.key_size]
        return key.sign(message, ec.ECDSA(kind or size))
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(message, padding.PKCS1v15(), hashes.SHA256())
    signed: bytes = key.sign(message)
    return signed


def pem(key: Any) -> bytes:
    public: bytes = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return public


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def statement(files: Mapping[str, bytes], **changes: Any) -> dict[str, Any]:
    resources = [
        {"name": name, "algorithm": "sha256", "digest": hashlib.sha256(content).hexdigest()}
        for name, content in sorted(files.items())
    ]
    total = hashlib.sha256(b"".join(bytes.fromhex(item["digest"]) for item in resources)).hexdigest()
    body: dict[str, Any] = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "m", "digest": {"sha256": total}}],
        "predicateType": "https://model_signing/signature/v1.0",
        "predicate": {
            "serialization": {
                "method": "files",
                "hash_type": "sha256",
                "allow_symlinks": False,
                "ignore_paths": ["cache"],
            },
            "resources": resources,
        },
    }
    return {**body, **changes}


def bundle(key: Any, payload: bytes, material: Mapping[str, Any] | None = None, **changes: Any) -> bytes:
    message = signatures.encoded("application/vnd.in-toto+json", payload)
    body: dict[str, Any] = {
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": material or {"publicKey": {"hint": "x"}, "tlogEntries": []},
        "dsseEnvelope": {
            "payload": b64(payload),
            "payloadType": "application/vnd.in-toto+json",
            "signatures": [{"sig": b64(sign(key, message)), "keyid": ""}],
        },
    }
    return json.dumps({**body, **changes}).encode()


FILES = {"model.safetensors": WEIGHTS, "sub/labels.txt": b"no\nyes\n"}


def tree(root: Path, made: bytes, key: Any, files: Mapping[str, bytes] = FILES, name: str = "model.sig") -> Path:
    for path, content in files.items():
        (root / "m" / path).parent.mkdir(parents=True, exist_ok=True)
        (root / "m" / path).write_bytes(content)
    (root / "m" / name).write_bytes(made)
    (root / "key.pub").write_bytes(pem(key))
    return root


@pytest.mark.parametrize("kind", ["p256", "p384", "p521", "ed25519", "rsa"])
def test_keys_of_every_kind_verify_and_notice_a_change(kind: str, tmp_path: Path) -> None:
    key = signer(kind)
    made = bundle(key, json.dumps(statement(FILES)).encode())
    tree(tmp_path, made, key)

    assert told(look(tmp_path, trusted_keys=["key.pub"])) == []

    changed = json.loads(made)
    changed["dsseEnvelope"]["payload"] = b64(json.dumps(statement({**FILES, "x": b""})).encode())
    (tmp_path / "m" / "model.sig").write_text(json.dumps(changed))
    assert ("failed", "untrusted-signer", "m/model.sig") in told(look(tmp_path, trusted_keys=["key.pub"]))


def test_paths_that_the_signer_left_out_may_be_there(tmp_path: Path) -> None:
    key = signer("p256")
    tree(tmp_path, bundle(key, json.dumps(statement(FILES)).encode()), key)
    for name in ("cache/a.bin", ".gitattributes", "other.sig"):
        (tmp_path / "m" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "m" / name).write_bytes(b"x\n")

    assert told(look(tmp_path, trusted_keys=["key.pub"])) == []


def test_bundle_of_the_release_before_1_0_is_verified(tmp_path: Path) -> None:
    key = signer("p384")
    subjects = [
        {"name": name, "digest": {"sha256": hashlib.sha256(content).hexdigest()}} for name, content in FILES.items()
    ]
    old = statement(FILES, subject=subjects, predicateType="https://model_signing/Digests/v0.1", predicate={})
    payload = json.dumps(old).encode()
    body = json.loads(bundle(key, payload))
    wrong = f"DSSEV1 28 application/vnd.in-toto+json {len(payload)} {payload!r}".encode()
    body["dsseEnvelope"]["signatures"] = [{"sig": b64(sign(key, wrong, hashes.SHA256()))}]
    tree(tmp_path, json.dumps(body).encode(), key)

    assert told(look(tmp_path, trusted_keys=["key.pub"])) == []


def shards(files: Mapping[str, bytes], size: int, cut: int | None = None) -> dict[str, Any]:
    resources = []
    for name, content in sorted(files.items()):
        for start in range(0, len(content), size):
            part = content[start : start + size]
            resources.append(
                {"name": f"{name}:{start}:{start + len(part)}", "algorithm": f"sha256-sharded-{size}", "digest": hashlib.sha256(part).hexdigest()}
            )  # fmt: skip
    resources = resources[:cut]
    total = hashlib.sha256(b"".join(bytes.fromhex(item["digest"]) for item in resources)).hexdigest()
    predicate = {
        "serialization": {"method": "shards", "hash_type": "sha256", "shard_size": size},
        "resources": resources,
    }
    return statement({}, subject=[{"name": "m", "digest": {"sha256": total}}], predicate=predicate)


def test_shards_must_cover_the_whole_file(tmp_path: Path) -> None:
    key, files = signer("p256"), {"model.safetensors": WEIGHTS}

    tree(tmp_path / "whole", bundle(key, json.dumps(shards(files, 16)).encode()), key, files)
    tree(tmp_path / "part", bundle(key, json.dumps(shards(files, 16, -1)).encode()), key, files)

    assert told(look(tmp_path / "whole", trusted_keys=["key.pub"])) == []
    assert told(look(tmp_path / "part", trusted_keys=["key.pub"])) == [
        ("failed", "wrong-digest", "m/model.safetensors")
    ]


def wrong(**changes: Any) -> bytes:
    body = statement(FILES)
    body["predicate"] = {**body["predicate"], **changes}
    return json.dumps(body).encode()


RESOURCE = {"name": "model.safetensors", "algorithm": "sha256", "digest": hashlib.sha256(WEIGHTS).hexdigest()}


@pytest.mark.parametrize(
    "payload",
    [
        wrong(resources=[RESOURCE]), wrong(resources=[{**RESOURCE, "name": "../x"}]), wrong(resources=[{**RESOURCE, "name": "/etc/x"}]),
        wrong(resources=[{**RESOURCE, "digest": "zz"}]), wrong(resources=[{"name": "x"}]), wrong(resources="x"),
        wrong(serialization={"method": "other"}), json.dumps(statement(FILES, subject=[])).encode(),
        json.dumps(statement(FILES)).encode().replace(b'"predicate"', b'"predicate": {}, "predicate"'),
    ],
)  # fmt: skip
def test_statement_that_contradicts_itself_fails(payload: bytes, tmp_path: Path) -> None:
    key = signer("p256")
    tree(tmp_path, bundle(key, payload), key)

    assert ("failed", "bad-bundle", "m/model.sig") in told(look(tmp_path, trusted_keys=["key.pub"]))


def test_name_out_of_the_folder_is_never_opened() -> None:
    for name in ("..", "a/../../b", "/a", "C:\\a", "..\\a", "\\\\host\\a", "", "a\0"):
        payload = json.dumps(statement({})).encode()
        body = json.loads(payload)
        body["predicate"]["resources"] = [{**RESOURCE, "name": name}]
        body["subject"][0]["digest"]["sha256"] = hashlib.sha256(bytes.fromhex(RESOURCE["digest"])).hexdigest()
        made = signatures.read(bundle(signer("p256"), json.dumps(body).encode()))

        with pytest.raises(Malformed):
            signatures.statement(made)


# --- Certificates


def certificate(
    name: str, key: Any, issuer: str, by: Any, authority: bool = False, start: datetime.datetime = START, days: int = 365,
    extensions: Sequence[tuple[x509.ExtensionType, bool]] = (), path_length: int | None = None, signs: bool | None = None,
) -> x509.Certificate:  # fmt: skip
    may = not authority if signs is None else signs
    usage = x509.KeyUsage(may, False, False, False, False, authority, authority, False, False)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + days * DAY)
        .add_extension(x509.BasicConstraints(authority, path_length if authority else None), critical=True)
        .add_extension(usage, critical=True)
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(by, hashes.SHA256())


def chained(root: Path, chain: Sequence[x509.Certificate], anchor: x509.Certificate, by: Any = None) -> Report:
    """Return the report on a model signed with p256 (or ``by``) under a chain, with one trusted root."""
    der = [{"rawBytes": b64(item.public_bytes(serialization.Encoding.DER))} for item in chain]
    material = {"x509CertificateChain": {"certificates": der}, "tlogEntries": []}
    key = by or signer("p256")
    tree(root, bundle(key, json.dumps(statement(FILES)).encode(), material), key)
    (root / "root.pem").write_bytes(anchor.public_bytes(serialization.Encoding.PEM))
    return look(root, trusted_roots=["root.pem"])


ROOT = certificate("Root", signer("p384"), "Root", signer("p384"), True)
LEAF = certificate("Leaf", signer("p256"), "Root", signer("p384"))


def test_chain_of_one_issuer_is_verified(tmp_path: Path) -> None:
    assert told(chained(tmp_path, [LEAF], ROOT)) == []


def test_certificate_that_has_expired_since_still_proves(tmp_path: Path) -> None:
    leaf = certificate("Leaf", signer("p256"), "Root", signer("p384"), start=START + DAY, days=1)

    assert told(chained(tmp_path, [leaf], ROOT)) == []


@pytest.mark.parametrize(
    "chain",
    [
        [certificate("Leaf", signer("p256"), "Root", signer("p521"))],  # by a key that only has the name
        [certificate("Leaf", signer("p256"), "Root", signer("p384"), start=START + 400 * DAY)],  # when the root is over
        [certificate("Leaf", signer("p256"), "Root", signer("p384"), signs=False)],
        [certificate("Leaf", signer("p256"), "Root", signer("p384"), extensions=[(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\5\0"), True)])],
        [certificate("Leaf", signer("p256"), "Mid", signer("p521")), certificate("Mid", signer("p521"), "Root", signer("p384"))],  # no authority
        [certificate("Leaf", signer("p256"), "Leaf", signer("p256"))],
        [certificate("Leaf", signer("p256"), "Root", signer("p384"), extensions=[(x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.SERVER_AUTH]), False)])],
    ],
    ids=["wrong issuer", "root over", "not for signing", "unknown critical extension", "middle is no authority", "self-signed", "for a web server"],
)  # fmt: skip
def test_chain_that_does_not_hold_fails(chain: list[x509.Certificate], tmp_path: Path) -> None:
    assert told(chained(tmp_path, chain, ROOT)) == [("failed", "untrusted-signer", "m/model.sig")]


def test_path_length_of_a_root_is_kept(tmp_path: Path) -> None:
    root = certificate("Root", signer("p384"), "Root", signer("p384"), True, path_length=0)
    middle = certificate("Mid", signer("p521"), "Root", signer("p384"), True)
    leaf = certificate("Leaf", signer("p256"), "Mid", signer("p521"))

    assert told(chained(tmp_path / "short", [leaf, middle], root)) == [("failed", "untrusted-signer", "m/model.sig")]
    assert told(chained(tmp_path / "long", [leaf, middle], ROOT)) == []


def test_signature_by_another_key_than_that_of_the_certificate_fails(tmp_path: Path) -> None:
    assert told(chained(tmp_path, [LEAF], ROOT, by=signer("p521"))) == [("failed", "bad-signature", "m/model.sig")]


def test_keyless_bundle_is_never_verified_not_even_under_a_trusted_root(tmp_path: Path) -> None:
    issuer = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.1"), b"https://accounts.example.com")
    leaf = certificate("Leaf", signer("p256"), "Root", signer("p384"), extensions=[(issuer, False)])

    report = chained(tmp_path, [leaf], ROOT)

    assert told(report) == [("missing", "unverified-signature", "m/model.sig")]
    assert [seal.signature for seal in seals(report)] == ["unverified"]
    assert any("keyless" in finding.message for finding in report.findings)


def test_one_certificate_without_a_chain_is_read(tmp_path: Path) -> None:
    raw = b64(LEAF.public_bytes(serialization.Encoding.DER))
    made = bundle(
        signer("p256"), json.dumps(statement(FILES)).encode(), {"certificate": {"rawBytes": raw}, "tlogEntries": [{}]}
    )
    tree(tmp_path, made, signer("p256"))
    (tmp_path / "root.pem").write_bytes(ROOT.public_bytes(serialization.Encoding.PEM))

    assert told(look(tmp_path, trusted_roots=["root.pem"])) == []
    assert told(look(tmp_path)) == [("missing", "unverified-signature", "m/model.sig")]


def test_statement_of_a_build_is_compared_for_the_models_it_names(tmp_path: Path) -> None:
    subjects = [{"name": name, "digest": {"sha256": GOOD}} for name in ("model.safetensors", "elsewhere.whl")]
    body = statement({}, subject=subjects, predicateType="https://slsa.dev/provenance/v1", predicate={})
    envelope = json.loads(bundle(signer("p256"), json.dumps(body).encode()))["dsseEnvelope"]
    tree(
        tmp_path,
        json.dumps(envelope).encode() + b"\n",
        signer("p256"),
        {"model.safetensors": WEIGHTS, "notes.txt": b"x"},
        "build.intoto.jsonl",
    )

    assert told(look(tmp_path, trusted_keys=["key.pub"])) == []

    (tmp_path / "m" / "model.safetensors").write_bytes(WEIGHTS[:-1] + b"\7")
    assert told(look(tmp_path, trusted_keys=["key.pub"])) == [("failed", "wrong-digest", "m/model.safetensors")]


def test_command_takes_the_keys_of_the_configuration(tmp_path: Path) -> None:
    placed(tmp_path, "key.sig")
    (tmp_path / "mlguard.yaml").write_text("version: 1\nmodel: {trusted_keys: [keys/key.pub]}\n")

    done = mlguard("scan", "-s", "model", "-o", f"json={tmp_path.parent / 'report.json'}", cwd=tmp_path)

    report, _ = jsonreport.parse((tmp_path.parent / "report.json").read_text())
    assert done.returncode == 0, done.stdout
    assert [seal.signature for seal in seals(report)] == ["verified"]


# --- Signatures over one file


@pytest.mark.parametrize("kind", ["p256", "p384", "ed25519", "rsa"])
@pytest.mark.parametrize("form", ["raw", "base64", "message", "cosign"])
def test_detached_signature_is_verified_and_notices_a_change(kind: str, form: str, tmp_path: Path) -> None:
    key = signer(kind)
    signature = sign(key, WEIGHTS)
    message = {
        "messageDigest": {"algorithm": "SHA2_256", "digest": b64(hashlib.sha256(WEIGHTS).digest())},
        "signature": b64(signature),
    }
    content = {
        "raw": signature,
        "base64": b64(signature).encode() + b"\n",
        "message": json.dumps({"verificationMaterial": {"publicKey": {}}, "messageSignature": message}).encode(),
        "cosign": json.dumps({"base64Signature": b64(signature)}).encode(),
    }[form]
    name = "model.safetensors.sigstore.json" if form == "message" else "model.safetensors.sig"
    tree(tmp_path, content, key, {"model.safetensors": WEIGHTS}, name)

    report = look(tmp_path, trusted_keys=["key.pub"])

    assert told(report) == []
    assert "m/model.safetensors" in proven(report)
    assert report.gaps == ()

    (tmp_path / "m" / "model.safetensors").write_bytes(WEIGHTS[:-1] + b"\7")
    assert [rule for rule, _, _ in told(look(tmp_path, trusted_keys=["key.pub"]))] == ["failed"]
    expected = "failed" if form == "message" else "missing"
    assert [rule for rule, _, _ in told(look(tmp_path))] == [expected]


def test_signature_of_openpgp_is_told_as_not_checked(tmp_path: Path) -> None:
    text = b"-----BEGIN PGP SIGNATURE-----\n\niQ==\n-----END PGP SIGNATURE-----\n"
    tree(tmp_path, text, signer("p256"), {"model.safetensors": WEIGHTS}, "model.safetensors.asc")

    assert told(look(tmp_path)) == [("missing", "unverified-signature", "m/model.safetensors.asc")]


def test_pickle_under_the_name_of_a_signature_is_still_walked(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(WEIGHTS)
    (tmp_path / "model.safetensors.sig").write_bytes(b"cposix\nsystem\n(S'true'\ntR.\x00")
    (tmp_path / "other.sig").write_bytes(b"\x80\x04cposix\nsystem\n(\x8c\x04truetR.")

    report = look(tmp_path)

    found = {finding.location.path for finding in report.findings if finding.rule == "model/dangerous-import"}
    assert found == {"model.safetensors.sig", "other.sig"}


def test_signature_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(WEIGHTS)
    (tmp_path / "parser.sig").write_text("signature PARSER = sig end\n")
    (tmp_path / "notes.txt").write_text("x\n")
    (tmp_path / "notes.txt.asc").write_text("-----BEGIN PGP SIGNATURE-----\n")

    report = look(tmp_path)

    assert told(report) == [] and report.gaps == ()


# --- Lists of digests

GOOD = hashlib.sha256(WEIGHTS).hexdigest()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("SHA256SUMS", f"{GOOD}  model.safetensors\n"), ("SHA256SUMS", f"{GOOD} *./model.safetensors\r\n"),
        ("sha256sum.txt", f"# made by the release\n{GOOD.upper()}  model.safetensors\n"),
        ("CHECKSUMS", f"SHA256 (model.safetensors) = {GOOD}\n"), ("model.safetensors.sha256", GOOD), ("model.safetensors.sha256", f"{GOOD}  -\n{GOOD}  model.safetensors\n"),
        ("SHA512SUMS", f"{hashlib.sha512(WEIGHTS).hexdigest()}  model.safetensors\n"),
        ("B2SUMS", f"{hashlib.blake2b(WEIGHTS).hexdigest()}  model.safetensors\n"),
        ("checksums.sha256", f"{GOOD}\tmodel.safetensors"), ("SHA256SUMS", f"{GOOD}  /home/someone/out/model.safetensors\n"),
        ("SHA256SUMS", f"{GOOD}  m/model.safetensors\n"),
    ],
)  # fmt: skip
def test_list_of_digests_is_read_and_compared(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "model.safetensors").write_bytes(WEIGHTS)
    (tmp_path / "m" / name).write_text(text)

    report = look(tmp_path)
    assert "m/model.safetensors" in proven(report)

    (tmp_path / "m" / "model.safetensors").write_bytes(WEIGHTS[:-1] + b"\7")
    assert ("failed", "wrong-digest", "m/model.safetensors") in told(look(tmp_path))


def test_weak_digests_show_a_change_and_prove_nothing(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(WEIGHTS)
    (tmp_path / "MD5SUMS").write_text(f"{hashlib.md5(WEIGHTS).hexdigest()}  model.safetensors\n")

    report = look(tmp_path)
    assert proven(report) == set() and told(report) == [("missing", "unlisted", "model.safetensors")]

    (tmp_path / "model.safetensors").write_bytes(WEIGHTS[:-1] + b"\7")
    assert ("failed", "wrong-digest", "model.safetensors") in told(look(tmp_path))


def test_list_of_other_files_says_nothing_about_models(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(WEIGHTS)
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "SHA256SUMS").write_text(f"{'0' * 64}  notes.txt\n")

    assert told(look(tmp_path)) == [] and seals(look(tmp_path)) == []


def test_name_that_leads_out_of_the_tree_is_never_opened(tmp_path: Path) -> None:
    (tmp_path / "secret.bin").write_bytes(WEIGHTS)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "model.safetensors").write_bytes(WEIGHTS)
    (tmp_path / "in" / "SHA256SUMS").write_text(f"{GOOD}  model.safetensors\n{'0' * 64}  ../secret.bin\n")

    report = look(tmp_path / "in")

    assert told(report) == [("failed", "missing-file", "SHA256SUMS")]


def test_pointer_of_git_lfs_is_compared_and_proves_nothing(tmp_path: Path) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 68\n"
    (tmp_path / "a.safetensors").write_text(pointer.format(GOOD))
    (tmp_path / "b.safetensors").write_text(pointer.format("1" * 64))
    (tmp_path / "SHA256SUMS").write_text(f"{GOOD}  a.safetensors\n{GOOD}  b.safetensors\n")

    report = look(tmp_path)

    assert told(report) == [("failed", "wrong-digest", "b.safetensors")]
    assert proven(report) == set()


# --- The declaration


def declared(root: Path, *models: str) -> Path:
    entries = "".join(
        f"  - {{id: m{number}, owner: ml, purposes: [], trained_on: [], personal_data: none, {text}}}\n"
        for number, text in enumerate(models)
    )
    (root / "privacy.yaml").write_text(f"version: 0\nmodels:\n{entries}")
    return root


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (f"location: [model.safetensors], digest: 'sha256:{GOOD}'", []),
        (f"location: [model.safetensors], digest: '{GOOD.upper()}'", []),
        (f"location: [./], digest: 'sha256:{GOOD}'", []),
        (f"location: [model.safetensors], digest: 'sha256:{'0' * 64}'", [("failed", "declared-digest", "model.safetensors")]),
        ("location: [model.safetensors], digest: 'md5:0123'", [("missing", "declared", "model.safetensors")]),
        ("location: [model.safetensors]", [("missing", "declared", "model.safetensors")]),
        ("location: [other.safetensors]", [("missing", "undeclared", "model.safetensors")]),
    ],
)  # fmt: skip
def test_declared_digest_is_compared(model: str, expected: list[tuple[str, str, str]], tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(WEIGHTS)

    report = look(declared(tmp_path, model))

    assert told(report) == expected
    assert ("model.safetensors" in proven(report)) is (expected == [])


@pytest.mark.parametrize(("place", "gaps"), [("model.safetensors", 0), ("other.safetensors", 1)])
def test_declared_model_that_is_not_there_is_a_gap(place: str, gaps: int, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(WEIGHTS)

    report = look(declared(tmp_path, f"location: [{place}], digest: 'sha256:{GOOD}'"))

    assert len([gap for gap in report.gaps if gap.kind == "unresolved" and "m0" in gap.reason]) == gaps


def test_declared_digest_of_a_signed_folder_is_that_of_its_statement(tmp_path: Path) -> None:
    key = signer("p256")
    body = statement(FILES)
    tree(tmp_path, bundle(key, json.dumps(body).encode()), key)
    total = body["subject"][0]["digest"]["sha256"]

    report = look(declared(tmp_path, f"location: [m/], digest: 'sha256:{total}'"), trusted_keys=["key.pub"])

    assert told(report) == []


def test_digests_are_computed_only_when_somebody_asks(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(WEIGHTS)

    without = scan(tmp_path, ["model"])
    asked = scan(tmp_path, ["model"], digests=True)

    assert [fact for fact in without.facts if isinstance(fact, FileDigest)] == []
    assert FileDigest("model.safetensors", GOOD) in asked.facts


def test_quick_run_reads_no_list_and_no_card(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(WEIGHTS)
    (tmp_path / "SHA256SUMS").write_text(f"{'0' * 64}  model.safetensors\n")
    (tmp_path / "README.md").write_text("---\npipeline_tag: x\n---\n")

    report = scan(tmp_path, ["model"], hook=True)

    assert report.findings == () and report.gaps == ()


# --- Any input


@given(st.binary(max_size=400) | st.text(max_size=200).map(str.encode))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_a_bundle_or_refused(data: bytes) -> None:
    try:
        made = signatures.read(data)
        signatures.judge(made, signatures.Trust((signer("p256").public_key(),)))
        signatures.statement(made)
    except (Unreadable, Malformed):
        pass


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12) | st.sampled_from([b64(b"x"), "sha256", "files", GOOD, "model.safetensors"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["mediaType", "verificationMaterial", "publicKey", "x509CertificateChain", "certificates", "rawBytes", "certificate", "dsseEnvelope",
             "payload", "payloadType", "signatures", "sig", "messageSignature", "messageDigest", "digest", "algorithm", "signature", "base64Signature",
             "cert", "subject", "name", "predicate", "resources", "serialization", "method"]
        ), inner, max_size=5),
    max_leaves=12,
)  # fmt: skip


@given(JSON, JSON, JSON)
@settings(max_examples=200, deadline=None)
def test_any_json_in_the_place_of_a_bundle_or_statement_is_refused_or_read(one: Any, two: Any, three: Any) -> None:
    kinds = {"payloadType": "application/vnd.in-toto+json", "payload": b64(json.dumps({"_type": "https://in-toto.io/Statement/v1", "predicateType": "https://model_signing/signature/v1.0", "subject": two, "predicate": three}).encode()), "signatures": [{"sig": "eA=="}]}  # fmt: skip
    for body in (
        one,
        {"verificationMaterial": one, "dsseEnvelope": two},
        {"verificationMaterial": {"publicKey": one}, "dsseEnvelope": kinds},
    ):
        try:
            made = signatures.read(json.dumps(body).encode())
            signatures.judge(made, signatures.Trust())
            signatures.statement(made)
        except (Unreadable, Malformed):
            pass


@given(st.integers(0, 2000), st.integers(0, 255))
@settings(max_examples=150, deadline=None)
def test_changed_bundle_is_never_verified_with_other_files(at: int, value: int) -> None:
    """A byte may change what is not signed (a hint, white space); what is signed then stays the same."""
    data = bytearray((FIXTURES / "key.sig").read_bytes())
    at %= len(data)
    data[at] = value
    trust, trouble = signatures.trusted(FIXTURES, {"trusted_keys": ["key.pub"]})
    assert trouble == []
    known = signatures.statement(signatures.read((FIXTURES / "key.sig").read_bytes()))
    try:
        made = signatures.read(bytes(data))
        state, found = signatures.judge(made, trust).state, signatures.statement(made)
    except (Unreadable, Malformed):
        return
    assert state != "verified" or found == known


@given(st.text(max_size=300), st.sampled_from(["SHA256SUMS", "model.bin.sha256", "B2SUMS"]))
@settings(max_examples=200, deadline=None)
def test_any_text_is_read_as_a_list(text: str, name: str) -> None:
    for entry in checksums.read(text, name):
        assert entry.line >= 1 and (
            not entry.algorithm or len(entry.digest) == {**digests.STRONG, **digests.WEAK}[entry.algorithm]
        )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (f"sha256:{GOOD}", ("sha256", GOOD)), (GOOD, ("sha256", GOOD)), (f"SHA-256:{GOOD}", ("sha256", GOOD)), (f"sha256-{GOOD}", ("sha256", GOOD)),
        ("md5:" + "0" * 32, ("", "")), ("sha256:00", ("", "")), ("", ("", "")), ("sha256:" + "g" * 64, ("", "")), (f"sha512:{GOOD}", ("", "")),
    ],
)  # fmt: skip
def test_forms_of_a_digest(value: str, expected: tuple[str, str]) -> None:
    assert digests.parsed(value) == expected


@pytest.mark.parametrize(
    ("path", "kind", "expected"),
    [
        ("a/SHA256SUMS", "text", "checksums"), ("model.sig", "text", "signature"), ("model.sig", "pickle", ""), ("m/README.md", "markdown", "card"),
        ("summary.txt", "text", ""), ("a.cdx.json", "json", "bill"), ("x.sigstore.json", "json", "signature"), ("cards.py", "python", ""),
        ("readme.pdf", "pdf", ""), ("shared.txt", "text", ""), ("resum.md", "markdown", ""),
    ],
)  # fmt: skip
def test_roles_of_files(path: str, kind: str, expected: str) -> None:
    assert names.role(path, kind) == expected
