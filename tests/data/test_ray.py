"""A Ray cluster of two workers tells the same as this machine alone, over files and over S3."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlguard import cluster, discovery, rules
from mlguard.artifacts import Artifact
from mlguard.engine import Job, run
from mlguard.facts import Dataset
from mlguard.findings import Gap
from tests.data.test_shards import SMALL, people
from tests.stores import servers

ray = pytest.importorskip("ray", reason="needs mlguard[ray]")
pytest.importorskip("ray.data", reason="needs mlguard[ray]")
boto3 = pytest.importorskip("boto3", reason="needs boto3 and moto")
moto = pytest.importorskip("moto.server", reason="needs boto3 and moto")
pq = pytest.importorskip("pyarrow.parquet")


@pytest.fixture(scope="module")
def lake() -> Iterator[Any]:
    """Start a server of S3 on loopback and a cluster whose workers have its address and credentials."""
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    servers.emptied(host, port)
    held = dict(os.environ)
    os.environ |= {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "kanarie-Sleutel-7731", "AWS_REGION": "eu-west-1",
                   "AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_EC2_METADATA_DISABLED": "true", "RAY_USAGE_STATS_ENABLED": "0"}  # fmt: skip
    os.environ.pop("AWS_PROFILE", None)
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False)
    client = boto3.client("s3", region_name="eu-west-1")
    client.create_bucket(Bucket="lake", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    for number in range(2):
        data = io.BytesIO()
        pq.write_table(people(1500, number * 10_000), data, row_group_size=300)
        client.put_object(Bucket="lake", Key=f"crm/people {number}.parquet", Body=data.getvalue())
    client.put_object(Bucket="lake", Key="crm/customers.csv", Body=b"id,email\n1,mira@kunde.intern\n")
    client.put_object(Bucket="lake", Key="crm/broken.parquet", Body=b"PAR1" + bytes(50_000))
    yield client
    ray.shutdown()
    server.stop()
    os.environ.clear()
    os.environ.update(held)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tree")
    for number in range(4):
        rows = people(600 + 300 * number, number * 10_000)
        pq.write_table(rows, root / f"part-{number:05}.parquet", row_group_size=250)
    (root / "broken.parquet").write_bytes(b"PAR1" + bytes(50_000))
    (root / "notes.csv").write_text("email\nmira@kunde.intern\n")
    return root


def job(root: Path, **options: Any) -> Job:
    found = discovery.classify(root, [path.name for path in root.iterdir()])
    options = {"artifacts": found.artifacts, "processes": 1, **options}
    return Job(root, scanners=("dataset", "secrets"), catalogue=rules.load(), settings={"dataset": SMALL}, **options)


def logs() -> str:
    folder = Path(ray._private.worker._global_node.get_session_dir_path())
    return "".join(
        path.read_text("utf-8", "replace") for path in folder.rglob("*") if path.is_file() and not path.is_symlink()
    )


def test_workers_tell_of_files_what_one_machine_tells_and_log_no_value(lake: Any, tree: Path) -> None:
    report = run(job(tree, ray=""))

    assert report == run(job(tree))
    assert [gap.path for gap in report.gaps] == ["broken.parquet"]
    assert "kunde.intern" not in logs()


def test_workers_tell_of_a_bucket_what_one_machine_tells(lake: Any, tmp_path: Path) -> None:
    options = {"artifacts": (Artifact("s3://lake/crm", "store", 0),), "stores": {"s3://lake/crm": "s3://lake/crm"}}

    report = run(job(tmp_path, ray="", **options))

    assert report == run(job(tmp_path, **options))
    assert sum(isinstance(fact, Dataset) and bool(fact.fields) for fact in report.facts) == 3
    assert {gap.path for gap in report.gaps} >= {"s3://lake/crm/broken.parquet"}
    assert "kunde.intern" not in logs() and "kanarie" not in logs()


def test_a_part_that_takes_too_long_is_a_gap_and_never_a_pass(lake: Any, tree: Path) -> None:
    report = run(job(tree, ray="", timeout=0.001))

    assert {gap.kind for gap in report.gaps} >= {"timeout"}
    assert any("were not counted" in gap.reason for gap in report.gaps)


def test_a_bucket_that_is_not_there_is_a_gap(lake: Any, tmp_path: Path) -> None:
    options = {"artifacts": (Artifact("s3://none/x", "store", 0),), "stores": {"s3://none/x": "s3://none/x"}}

    report = run(job(tmp_path, ray="", **options))

    assert [gap.path for gap in report.gaps] == ["s3://none/x"]


def test_a_worker_that_fails_costs_its_part_and_the_others_are_told(
    lake: Any, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing(cluster.Counter):
        def __call__(self, batch: Any) -> dict[str, list[Any]]:
            if 6 in batch["unit"].tolist():  # a slice of the parts
                raise RuntimeError("it may quote what was read")
            return super().__call__(batch)

    monkeypatch.setattr(cluster, "Counter", Failing)

    report = run(job(tree, ray=""))

    lost = [gap for gap in report.gaps if gap.path != "broken.parquet"]
    assert len(lost) == 1
    assert any(isinstance(fact, Dataset) and fact.path == "part-*.parquet" and fact.fields for fact in report.facts)


def test_what_no_worker_answers_is_a_gap() -> None:
    assert [record.kind for record in cluster._or_gap(None, "s3://lake/crm") if isinstance(record, Gap)] == ["crash"]
    assert cluster._quietly(int, "mira@kunde.intern") is None
