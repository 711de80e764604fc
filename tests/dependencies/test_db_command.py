"""mlguard db makes, describes and checks the database; only an address makes it use the network."""

from __future__ import annotations

import functools
import hashlib
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.dependencies.records import fixed, record, write_zip
from tests.functional.command import mlguard, write

EPOCH = {"SOURCE_DATE_EPOCH": "1795824000"}  # 2026-11-28
RECORDS = [record("PYSEC-1", events=fixed("2.0")), record("PYSEC-2", "bar")]


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    return {**EPOCH, "XDG_DATA_HOME": str(tmp_path / "data")}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    folder = tmp_path / "served"
    folder.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

        def do_GET(self) -> None:
            if self.path.startswith("/short"):
                self.send_response(200)
                self.send_header("Content-Length", "100000")
                self.end_headers()
                self.wfile.write(b"PK")
            elif self.path.startswith("/away"):
                self.send_response(302)
                self.send_header("Location", "file:///etc/passwd")
                self.end_headers()
            else:
                super().do_GET()

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))) as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{served.server_address[1]}"
        served.shutdown()


def keys(folder: Path, name: str) -> tuple[Path, Path]:
    """Write a new pair of keys and return the files of the private and the public one."""
    private = Ed25519PrivateKey.generate()
    plain = serialization.NoEncryption()
    pem = serialization.Encoding.PEM
    one, other = folder / f"{name}.pem", folder / f"{name}.pub"
    one.write_bytes(private.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    other.write_bytes(private.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo))
    return one, other


def test_update_status_verify_and_scan_work_together(tmp_path: Path, home: dict[str, str]) -> None:
    write_zip(tmp_path / "all.zip", RECORDS)
    tree = write(tmp_path / "tree", {"requirements.txt": "foo==1.0 --hash=sha256:" + "ab" * 32 + "\n"})

    before = mlguard("db", "status", cwd=tmp_path, env=home)
    updated = mlguard("db", "update", "--from", "all.zip", cwd=tmp_path, env=home)
    status = mlguard("db", "status", "--format", "json", cwd=tmp_path, env=home)
    verified = mlguard("db", "verify", cwd=tmp_path, env=home)
    scanned = mlguard("scan", tree, "-s", "dependencies", "-o", "json", cwd=tmp_path, env=home)

    assert (before.returncode, updated.returncode, verified.returncode) == (3, 0, 0), updated.stdout + updated.stderr
    told = json.loads(status.stdout)
    assert (told["entries"], told["packages"], told["age_days"], told["stale"], told["source"]) == (
        2,
        2,
        27,
        False,
        "all.zip",
    )
    assert told["sha256"] == hashlib.sha256((tmp_path / "all.zip").read_bytes()).hexdigest()
    assert [one["advisory"] for one in json.loads(scanned.stdout)["findings"] if one.get("advisory")] == ["PYSEC-1"]
    assert (tmp_path / "data" / "mlguard" / "advisories.mlgdb").is_file()


def test_stale_database_is_said_to_be(tmp_path: Path, home: dict[str, str]) -> None:
    write_zip(tmp_path / "all.zip", [record("PYSEC-1", modified="2026-10-01T00:00:00Z")])
    mlguard("db", "update", "--from", "all.zip", cwd=tmp_path, env=home)

    by_default = mlguard("db", "status", cwd=tmp_path, env=home)
    write(tmp_path, {"mlguard.yaml": "version: 1\ndependencies: {max_age_days: 90}\n"})
    allowed = mlguard("db", "status", cwd=tmp_path, env=home)

    assert (by_default.returncode, allowed.returncode) == (3, 0)
    assert "stale: 58 days old" in by_default.stdout


def test_entries_that_are_not_understood_are_named_and_the_rest_is_kept(tmp_path: Path, home: dict[str, str]) -> None:
    write_zip(tmp_path / "all.zip", [*RECORDS, b"{"])

    done = mlguard("db", "update", "--from", "all.zip", cwd=tmp_path, env=home)

    assert done.returncode == 3
    assert "odd-2.json" in done.stdout and "2 packages" in done.stdout


@pytest.mark.parametrize(
    ("content", "code"),
    [(None, 2), (b"", 3), (b"PK\x03\x04" + b"\0" * 50, 3), (b'{"vulns": []}', 3), (b"MLGADV\x00\x01", 5)],
)
def test_source_that_cannot_be_used_leaves_the_old_database(
    content: bytes | None, code: int, tmp_path: Path, home: dict[str, str]
) -> None:
    write_zip(tmp_path / "all.zip", RECORDS)
    mlguard("db", "update", "--from", "all.zip", cwd=tmp_path, env=home)
    place = tmp_path / "data" / "mlguard" / "advisories.mlgdb"
    good = place.read_bytes()
    if content is not None:
        (tmp_path / "new").write_bytes(content)

    done = mlguard("db", "update", "--from", "new", cwd=tmp_path, env=home)

    assert (done.returncode, place.read_bytes() == good) == (code, True), done.stdout + done.stderr


def test_address_is_fetched_and_its_secrets_are_not_told(tmp_path: Path, home: dict[str, str], server: str) -> None:
    write_zip(tmp_path / "served" / "all.zip", RECORDS)
    word = "hunt" + "er2"
    address = server.replace("://", f"://bob:{word}@") + f"/all.zip?token={word}"

    done = mlguard("db", "update", "--from", address, cwd=tmp_path, env=home)

    # The library takes no user from an address, and the answer is the same without one.
    everything = (
        done.stdout + done.stderr + (tmp_path / "data" / "mlguard" / "advisories.mlgdb").read_bytes().decode("latin-1")
    )
    assert done.returncode == 0, everything
    assert word not in everything and "bob" not in everything


@pytest.mark.parametrize("path", ["/absent.zip", "/short.zip", "/away.zip"])
def test_address_that_gives_no_export_is_an_error_and_not_a_database(
    path: str, tmp_path: Path, home: dict[str, str], server: str
) -> None:
    done = mlguard("db", "update", "--from", server + path, cwd=tmp_path, env=home)

    assert (done.returncode, (tmp_path / "data").exists()) == (3, False), done.stdout + done.stderr


def test_nobody_at_the_address_is_an_error(tmp_path: Path, home: dict[str, str]) -> None:
    assert mlguard("db", "update", "--from", "http://127.0.0.1:9/all.zip", cwd=tmp_path, env=home).returncode == 3


@pytest.mark.parametrize(
    "address", ["http://db.example.org/all.zip", "ftp://db.example.org/all.zip", "file:///etc/passwd"]
)
def test_address_without_encryption_is_refused(address: str, tmp_path: Path, home: dict[str, str]) -> None:
    assert mlguard("db", "update", "--from", address, cwd=tmp_path, env=home).returncode == 2


def test_digest_must_fit(tmp_path: Path, home: dict[str, str]) -> None:
    digest = hashlib.sha256(write_zip(tmp_path / "all.zip", RECORDS).read_bytes()).hexdigest()

    codes = [
        mlguard("db", "update", "--from", "all.zip", "--sha256", text, cwd=tmp_path, env=home).returncode
        for text in ("0" * 64, digest.upper(), "short")
    ]

    assert codes == [5, 0, 2]


def test_signature_must_be_by_a_trusted_key(tmp_path: Path, home: dict[str, str]) -> None:
    write_zip(tmp_path / "all.zip", RECORDS)
    private, public = keys(tmp_path, "ours")
    _, other = keys(tmp_path, "theirs")
    (tmp_path / "tree").mkdir()
    tree = write(tmp_path / "tree", {"requirements.txt": "foo==3.0 --hash=sha256:" + "ab" * 32 + "\n"})

    def code(*arguments: str | Path) -> int:
        return mlguard("db", *arguments, cwd=tmp_path, env=home).returncode

    assert code("update", "--from", "all.zip", "--to", "plain") == 0
    assert code("update", "--from", "all.zip", "--to", "signed", "--sign", private) == 0
    assert [code("verify", "signed", "--key", public), code("verify", "signed", "--key", other)] == [0, 5]
    assert [code("verify", "plain"), code("verify", "plain", "--key", public)] == [0, 5]
    assert [
        code("update", "--from", "plain", "--key", public),
        code("update", "--from", "signed", "--key", public),
    ] == [5, 0]
    for name, gaps in (("signed", 0), ("plain", 1)):
        write(
            tree, {"mlguard.yaml": f"version: 1\ndependencies: {{database: ../{name}, database_keys: [../ours.pub]}}\n"}
        )
        done = mlguard("scan", tree, "-s", "dependencies", "-o", "json", cwd=tmp_path, env=home)
        found = [one["reason"] for one in json.loads(done.stdout)["gaps"] if "advisor" in one["reason"]]
        assert len(found) == gaps, found


def test_private_key_is_not_taken_for_a_public_one(tmp_path: Path, home: dict[str, str]) -> None:
    write_zip(tmp_path / "all.zip", RECORDS)
    private, _ = keys(tmp_path, "ours")
    mlguard("db", "update", "--from", "all.zip", cwd=tmp_path, env=home)

    done = mlguard("db", "verify", "--key", private, cwd=tmp_path, env=home)

    assert done.returncode == 2
    assert "PRIVATE" not in done.stdout + done.stderr


def test_folder_and_checkout_are_sources_too(tmp_path: Path, home: dict[str, str]) -> None:
    write(tmp_path, {"osv/a.json": json.dumps(RECORDS[0]), "osv/b.json": json.dumps(RECORDS[1])})

    done = mlguard("db", "update", "--from", "osv", "--to", "db", cwd=tmp_path, env=home)

    assert (done.returncode, "2 packages" in done.stdout) == (0, True)
