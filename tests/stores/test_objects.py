"""A real S3 server on loopback: what is listed and fetched, and what happens when it is not there."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlguard import stores
from mlguard.errors import Unreadable, UsageError
from mlguard.stores.line import Line, Trouble
from tests.stores import servers

pa = pytest.importorskip("pyarrow")
boto3 = pytest.importorskip("boto3", reason="needs boto3 and moto")
moto = pytest.importorskip("moto.server", reason="needs boto3 and moto")

SECRET = "kanarie-Sleutel-7731"


@pytest.fixture(scope="module")
def s3() -> Iterator[Any]:
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    servers.emptied(host, port)
    held = dict(os.environ)
    os.environ |= {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": "eu-west-1",
                   "AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_EC2_METADATA_DISABLED": "true"}  # fmt: skip
    os.environ.pop("AWS_PROFILE", None)
    client = boto3.client("s3", region_name="eu-west-1")
    for bucket in ("lake", "open-lake", "many"):
        client.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    client.put_object(Bucket="lake", Key="crm/customers.csv", Body=b"id,email\n1,mira@kunde.intern\n")
    client.put_object(Bucket="lake", Key="crm/odd name %25 #1?.csv", Body=b"id\n1\n")
    client.put_object(Bucket="lake", Key="wide/wide.parquet", Body=_parquet())
    client.put_object(Bucket="open-lake", Key="a.csv", Body=b"id,email\n1,mira@kunde.intern\n")
    client.put_bucket_acl(Bucket="open-lake", ACL="public-read")
    for number in range(25):
        client.put_object(Bucket="many", Key=f"{number:02}/part.csv", Body=b"a\n1\n")
    yield client
    server.stop()
    os.environ.clear()
    os.environ.update(held)


def _parquet() -> bytes:
    import pyarrow.parquet as pq

    data = io.BytesIO()
    noise = [os.urandom(200).hex() for _ in range(5000)]
    table = pa.table({"email": [f"p{i}@kunde.intern" for i in range(5000)], **{f"noise{i}": noise for i in range(5)}})
    pq.write_table(table, data, compression="none", use_dictionary=False, row_group_size=1000)
    return data.getvalue()


def listed(url: str, **settings: Any) -> tuple[list[tuple[str, int]], list[Any]]:
    store = stores.open_store(url, settings)
    try:
        return [(source.name, source.size) for source in store.sources()], store.missed
    finally:
        store.close()


def test_objects_below_a_prefix_are_sources_whose_name_is_their_address(s3: Any) -> None:
    assert listed("s3://lake/crm/") == (
        [("s3://lake/crm/customers.csv", 29), ("s3://lake/crm/odd%20name%20%2525%20%231%3F.csv", 5)], [],
    )  # fmt: skip


def test_one_object_and_a_pattern_can_be_named(s3: Any) -> None:
    assert listed("s3://lake/crm/customers.csv")[0] == [("s3://lake/crm/customers.csv", 29)]
    assert [name for name, _ in listed("s3://lake/**/*.parquet")[0]] == ["s3://lake/wide/wide.parquet"]


def test_bytes_are_what_was_put_whichever_way_they_are_read(s3: Any) -> None:
    body = _body(s3, "lake", "wide/wide.parquet")
    store = stores.open_store("s3://lake/wide/")
    try:
        source = next(store.sources())
        with source.open() as file:
            whole = file.read()
        with source.open() as file:
            file.seek(-8, 2)
            tail = file.read()
            file.seek(12345)
            middle = file.read(1000)
        head = source.head(100)
    finally:
        store.close()

    assert whole == body and tail == body[-8:] and middle == body[12345:13345] and head == body[:100]


def _body(client: Any, bucket: str, key: str) -> bytes:
    return bytes(client.get_object(Bucket=bucket, Key=key)["Body"].read())


def test_one_column_of_a_parquet_object_costs_a_fraction_of_its_bytes(s3: Any) -> None:
    import pyarrow.parquet as pq

    store = stores.open_store("s3://lake/wide/")
    try:
        source = next(store.sources())
        file: Any = source.open()
        reader = pq.ParquetFile(file, pre_buffer=False)
        rows = sum(batch.num_rows for batch in reader.iter_batches(columns=["email"]))
        fetched = file.raw.fetched
    finally:
        store.close()

    assert rows == 5000
    assert fetched < source.size / 4


def test_more_objects_than_the_bound_are_a_gap(s3: Any) -> None:
    found, missed = listed("s3://many", most=10)

    assert len(found) == 10
    assert [(path, kind) for path, kind, _ in missed] == [("s3://many", "too-large")]


def test_a_bucket_that_everybody_may_read_says_so(s3: Any) -> None:
    for bucket, expected in (("open-lake", ["PUBLIC"]), ("lake", [])):
        store = stores.open_store(f"s3://{bucket}")
        try:
            paths = [source.name for source in store.sources()]
            assert [grant.principal for grant in store.grants(paths[:1])] == expected
            assert store.missed == []
        finally:
            store.close()


@pytest.mark.parametrize(
    ("url", "words"),
    [("s3://no-such-bucket", "no bucket"), ("s3://lake/no/such", "no object"), ("s3://lake/crm/*.orc", "no object"),
     ("s3://lake?endpoint_override=127.0.0.1:1&scheme=http", "nothing answers"),
     ("s3://lake?endpoint_override=store.invalid&scheme=http", "cannot be resolved|nothing answers")],
)  # fmt: skip
def test_what_is_not_there_is_said_in_our_own_words(s3: Any, url: str, words: str) -> None:
    with pytest.raises(Trouble, match=words) as caught:
        listed(url)

    assert SECRET not in repr(caught.value) and "Request" not in str(caught.value)


def test_an_object_that_vanished_after_the_listing_is_unreadable(s3: Any) -> None:
    s3.put_object(Bucket="lake", Key="brief/a.csv", Body=b"a\n1\n")
    store = stores.open_store("s3://lake/brief/")
    try:
        source = next(store.sources())
        s3.delete_object(Bucket="lake", Key="brief/a.csv")
        with pytest.raises(Unreadable, match="vanished"):
            source.open().read()
    finally:
        store.close()


def test_a_store_that_never_answers_is_left_after_the_silence(s3: Any) -> None:
    start = time.monotonic()
    with servers.listening(servers.silent) as port, pytest.raises(Trouble) as caught:
        listed(f"s3://lake?endpoint_override=127.0.0.1:{port}&scheme=http", silence=2)

    assert caught.value.kind == "timeout"
    assert time.monotonic() - start < 15


def test_how_the_process_that_reads_ends_does_not_count(s3: Any) -> None:
    script = "from mlguard import stores\ns = stores.open_store('s3://lake/crm/')\nprint(len(list(s.sources())))\ns.close()\n"

    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, cwd=Path(__file__).parents[2]
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "2\n", "")


# --- Addresses


@pytest.mark.parametrize(
    ("target", "shown"),
    [
        ("postgresql://mira:geheim@db.kunde.intern:5432/shop?sslpassword=geheim", "postgresql://db.kunde.intern/shop"),
        ("postgres://mira:ge@heim@db:6000/shop", "postgresql://db:6000/shop"),
        ("postgresql+psycopg://mira:geheim@a:5432,b:5433/shop", "postgresql://a,b:5433/shop"),
        ("postgresql:///shop?service=warehouse&password=geheim", "postgresql://warehouse/shop"),
        ("postgresql://[::1]:5432/shop", "postgresql://[::1]/shop"),
        ("s3://geheim:geheim@lake/a/b.csv?region=eu-west-1", "s3://lake/a/b.csv"),
        ("gs://lake", "gs://lake"), ("gcs://lake/a", "gs://lake/a"),
        ("hf://datasets/org/name@main/data", "hf://datasets/org/name%40main/data"),
        ("sqlite:data/a.db", "sqlite:data/a.db"), ("sqlite:////srv/a.db?key=geheim", "sqlite:/srv/a.db"),
    ],
)  # fmt: skip
def test_addresses_are_shown_without_secrets(target: str, shown: str) -> None:
    assert stores.is_store(target)
    assert stores.shown(target) == shown
    assert "geheim" not in repr(stores.open_store(target))


@pytest.mark.parametrize(
    "target",
    [
        "mysql://u:geheim@h/d",
        "https://u:geheim@h/d",
        "postgresql://u:ge/heim@h/d",
        "postgresql://u:1?heim@h/d",
        "postgresql://u:1#heim@h/d",
        "postgresql://u:heim/d",
        "s3://a:heim/x@lake/",
        "postgresql://u:geheim@[h/d",
        "s3://",
    ],
)
def test_other_addresses_are_refused_without_quoting_them(target: str) -> None:
    with pytest.raises(UsageError) as caught:
        stores.open_store(target)

    assert "heim" not in str(caught.value)


@pytest.mark.parametrize("target", ["data/a.csv", "C:/data", "./sqlite", "a:b", "notes: today"])
def test_paths_are_no_stores(target: str) -> None:
    assert not stores.is_store(target)


def test_the_file_of_a_sqlite_address_is_a_source_and_its_mode_a_grant(tmp_path: Path) -> None:
    (tmp_path / "a.db").write_bytes(b"SQLite format 3\x00")
    (tmp_path / "a.db").chmod(0o644)
    store = stores.open_store("sqlite:a.db", {"root": str(tmp_path)})

    source = next(iter(store.sources()))

    assert (source.name, source.head()) == ("sqlite:a.db", b"SQLite format 3\x00")
    assert [grant.source for grant in store.grants([source.name])] == ["the file's mode"]
    with pytest.raises(Unreadable, match="no such file"):
        next(iter(stores.open_store("sqlite:b.db", {"root": str(tmp_path)}).sources()))


def test_a_far_end_that_fails_tells_its_type_and_nothing_else() -> None:
    line = Line({"kind": "s3", "settings": {"region": "eu-west-1"}}, 20)
    try:
        with pytest.raises(Trouble) as caught:
            list(line.call("read", SECRET, SECRET, SECRET))
    finally:
        line.close()

    assert SECRET not in json.dumps(str(caught.value))


def test_keys_that_are_no_paths_are_read_or_said(s3: Any) -> None:
    for key in ("odd/a//b.csv", "odd//lead.csv", "odd/folder/", "odd/plain.csv", "odd/ü.csv"):
        s3.put_object(Bucket="lake", Key=key, Body=b"a\n1\n" if not key.endswith("/") else b"")
    store = stores.open_store("s3://lake/odd")
    try:
        heads = {}
        for source in store.sources():
            try:
                heads[source.name] = source.head()
            except Unreadable as trouble:
                heads[source.name] = str(trouble).encode()
    finally:
        store.close()

    assert heads["s3://lake/odd/plain.csv"] == heads["s3://lake/odd/ü.csv"] == b"a\n1\n"
    assert len(heads) + len(store.missed) >= 4


def test_the_hub_without_its_library_says_what_to_install() -> None:
    import importlib.util

    if importlib.util.find_spec("huggingface_hub"):
        pytest.skip("huggingface_hub is installed")
    with pytest.raises(Trouble, match="huggingface_hub is not installed") as caught:
        listed("hf://datasets/org/name")

    assert caught.value.kind == "missing"
