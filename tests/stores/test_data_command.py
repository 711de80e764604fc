"""mlguard data on a real bucket and a real database: profiles as of files, gaps, and no secret anywhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.functional.command import mlguard
from tests.stores import servers
from tests.stores.test_objects import SECRET, s3  # noqa: F401 - a fixture
from tests.stores.test_postgres import SETUP, Server

needs_postgres = pytest.mark.skipif(servers.postgres_binaries() is None, reason="needs a PostgreSQL server")


def test_objects_of_a_bucket_are_told_one_by_one(s3: Any, tmp_path: Path) -> None:  # noqa: F811 - the fixture
    done = mlguard("data", "--json", "s3://lake/wide", "s3://open-lake", cwd=tmp_path)

    body = json.loads(done.stdout)
    rows = {table["path"]: table["rows"] for table in body["datasets"]}
    assert rows == {"s3://lake/wide/wide.parquet": 5000, "s3://open-lake/a.csv": 1}
    assert body["datasets"][0]["columns"][0]["personal"][0]["category"] == "user.contact.email"
    assert done.returncode == 0
    assert SECRET not in done.stdout + done.stderr and "kunde.intern" not in done.stdout + done.stderr


def test_bucket_that_is_not_there_is_a_gap_and_the_rest_goes_on(s3: Any, tmp_path: Path) -> None:  # noqa: F811 - the fixture
    done = mlguard("data", "--json", "s3://no-such-bucket", "s3://open-lake", cwd=tmp_path)

    body = json.loads(done.stdout)
    assert [gap["path"] for gap in body["gaps"]] == ["s3://no-such-bucket"]
    assert [table["path"] for table in body["datasets"]] == ["s3://open-lake/a.csv"]
    assert done.returncode == 3


@needs_postgres
def test_tables_of_a_database_are_told_and_declared_by_their_address(tmp_path: Path) -> None:
    pytest.importorskip("adbc_driver_postgresql", reason="needs the extra mlguard[stores]")
    with servers.postgres() as port:
        running = Server(port)
        running.run("CREATE DATABASE shop;", "postgres")
        running.run(SETUP.format(password=servers.PASSWORD))
        done = mlguard("data", running.url(), cwd=tmp_path)

    assert "e-mail addresses: sure" in done.stdout
    assert f'location: ["postgresql://127.0.0.1:{port}/shop/' in done.stdout
    assert servers.PASSWORD not in done.stdout + done.stderr
