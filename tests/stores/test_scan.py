"""The whole command on a real database and a real bucket: findings, gaps, addresses in reports, and no secret anywhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.stores import servers
from tests.stores.test_objects import s3  # noqa: F401 - a fixture
from tests.stores.test_postgres import SETUP, Server

pytest.importorskip("adbc_driver_postgresql", reason="needs the extra mlguard[stores]")
needs_postgres = pytest.mark.skipif(servers.postgres_binaries() is None, reason="needs a PostgreSQL server")

HERE = Path(__file__).parents[2]
PRIVACY = """
version: 0
organisation:
  controller: {{name: Example Retail SAS, email: privacy@retail.example}}
teams:
  ml: {{contact: ml@retail.example, function: data-science}}
purposes:
  churn: {{description: Predict contract cancellation for better offers, data_use: marketing.communications}}
datasets:
  - id: customers
    location: ["{location}"]
    owner: ml
    class: personal
    data_subjects: [customer]
    purposes: [churn]
    source: {{kind: collected}}
    fields:
      email: {{categories: [user.contact.email], role: direct_identifier}}
    retention: {{period: P2Y, action: delete}}
activities:
  - id: training
    name: Train the churn model
    owner: ml
    role: controller
    phase: development
    purposes: [churn]
    datasets: [customers]
    legal_basis: {{article: "6(1)(f)", lia_ref: docs/lia.md}}
access: {{classes: {{}}, rules: []}}
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with servers.postgres() as port:
        running = Server(port)
        running.run("CREATE DATABASE shop;", "postgres")
        running.run(SETUP.format(password=servers.PASSWORD))
        yield running


def mlguard(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "mlguard", *arguments], cwd=folder, capture_output=True, text=True, timeout=120,
                          env={**os.environ, "PYTHONPATH": str(HERE), **environment})  # fmt: skip


def findings(done: subprocess.CompletedProcess[str]) -> list[tuple[str, str, str]]:
    body = json.loads(done.stdout)
    return sorted(
        (found["rule"], found["location"]["path"].rpartition("/")[2], found["location"].get("within", ""))
        for found in body["findings"]
    )


@needs_postgres
def test_a_database_is_judged_and_what_is_missing_keeps_it_from_a_pass(server: Server, tmp_path: Path) -> None:
    done = mlguard(tmp_path, "scan", "-o", "json", server.url())

    found = findings(done)
    assert done.returncode == 1 and done.stderr == ""
    assert ("data/undeclared-personal-data", "public.big", "email") in found
    assert ("data/world-readable-personal-data", "crm.customers", "") in found
    body = json.loads(done.stdout)
    assert {"public.guarded", "public.closed", "public.distant", "secretive.t"} <= {
        gap["path"].rpartition("/")[2] for gap in body["gaps"]
    }
    assert [entry for entry in body["coverage"] if entry["scanner"] == "dataset"] == [
        {"scanner": "dataset", "wanted": 1, "complete": 0}
    ]


@needs_postgres
def test_a_declared_table_is_covered_and_the_password_may_come_from_the_environment(
    server: Server, tmp_path: Path
) -> None:
    (tmp_path / "privacy.yaml").write_text(PRIVACY.format(location=f"postgresql://127.0.0.1:{server.port}/public.big"))

    done = mlguard(
        tmp_path, "scan", "-o", "json", f"postgresql://reader@127.0.0.1:{server.port}/shop", PGPASSWORD=servers.PASSWORD
    )

    found = findings(done)
    assert ("data/undeclared-personal-data", "public.big", "email") not in found
    assert ("data/undeclared-personal-data", "crm.customers", "email") in found
    assert ("data/unlisted-dataset", "crm.customers", "") in found


@needs_postgres
@pytest.mark.parametrize("form", ["text", "sarif-github", "markdown", "cyclonedx"])
def test_no_report_shows_the_password_or_the_user(server: Server, tmp_path: Path, form: str) -> None:
    done = mlguard(
        tmp_path, "scan", "-v", "-o", f"{form}=out", server.url() + "?sslpassword=kanarie&application_name=mlguard"
    )

    assert done.returncode == 1
    shown = done.stdout + done.stderr + ((tmp_path / "out").read_text() if (tmp_path / "out").exists() else "")
    assert "kanarie" not in shown and "reader:" not in shown and "mira" not in shown


@needs_postgres
@pytest.mark.parametrize(
    "change",
    [("kanarie", "kanarie-x"), ("/shop", "/kanarie"), ("127.0.0.1:", "kanarie.invalid:"), ("/shop", "/shop?sslmode=require"),
     ("/shop", "/shop?kanarie=kanarie"), (":kanarie", ":kan@arie/kanarie"), (":kanarie", ":?kanarie"), (":kanarie", ":1#kanarie")],
)  # fmt: skip
@pytest.mark.parametrize("jobs", ["0", "1"])
def test_no_failure_shows_the_password(server: Server, tmp_path: Path, change: tuple[str, str], jobs: str) -> None:
    url = server.url().replace(*change)

    done = mlguard(tmp_path, "scan", "-v", "-j", jobs, url)

    assert done.returncode in (2, 3)
    assert "Wachtwoord" not in done.stdout + done.stderr and "reader" not in done.stdout + done.stderr


@needs_postgres
def test_addresses_in_sarif_are_absolute_and_encoded(server: Server, tmp_path: Path) -> None:
    done = mlguard(tmp_path, "scan", "-o", "sarif", server.url())

    places = [artifact["location"] for run in json.loads(done.stdout)["runs"] for artifact in run["artifacts"]]
    assert {"uri": f"postgresql://127.0.0.1:{server.port}/shop/crm.customers"} in [
        {"uri": place["uri"]} for place in places
    ]
    assert all("uriBaseId" not in place for place in places if "://" in place["uri"])


def test_a_server_that_never_answers_is_a_gap_and_the_files_are_judged(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text(
        "id,email\n1,mira@kunde.intern\n2,tomas@kunde.intern\n3,ines@kunde.intern\n4,olga@kunde.intern\n"
    )
    with servers.listening(servers.silent) as port:
        done = mlguard(
            tmp_path,
            "scan",
            "-o",
            "json",
            ".",
            f"postgresql://x:{servers.PASSWORD}@127.0.0.1:{port}/shop?connect_timeout=2",
        )

    assert ("data/undeclared-personal-data", "data.csv", "email") in findings(done)
    assert [(gap["kind"], gap["path"]) for gap in json.loads(done.stdout)["gaps"]] == [
        ("timeout", f"postgresql://127.0.0.1:{port}/shop")
    ]


def test_a_bucket_is_judged_object_by_object(s3: Any, tmp_path: Path) -> None:  # noqa: F811 - the fixture
    done = mlguard(tmp_path, "scan", "-o", "json", "s3://lake/wide", "s3://open-lake", "s3://no-such-bucket")

    found = findings(done)
    assert ("data/undeclared-personal-data", "wide.parquet", "email") in found
    assert ("data/world-readable-personal-data", "a.csv", "") in found
    assert [gap["path"] for gap in json.loads(done.stdout)["gaps"]] == ["s3://no-such-bucket"]


def test_without_an_address_nothing_of_a_store_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("id,email\n1,mira@kunde.intern\n")
    script = (
        "import sys; sys.argv = ['mlguard', 'scan', '-j', '0', '.']\nfrom mlguard.cli import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print([name for name in sys.modules if name.startswith(('mlguard.stores', 'adbc', 'boto'))], file=sys.stderr)"
    )

    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=60,
                          env={**os.environ, "PYTHONPATH": str(HERE)})  # fmt: skip

    assert done.stderr.strip() == "[]"


def test_another_database_is_refused_with_what_is_supported(tmp_path: Path) -> None:
    done = mlguard(tmp_path, "scan", "mysql://reader:kanarie@h/d")

    assert done.returncode == 2
    assert "postgresql://" in done.stderr and "kanarie" not in done.stderr


def test_a_list_of_files_may_not_hold_addresses(tmp_path: Path) -> None:
    (tmp_path / "list").write_text("postgresql://reader:kanarie@h/d\n")

    done = mlguard(tmp_path, "scan", "--files-from", "list")

    assert done.returncode == 2 and "kanarie" not in done.stderr
