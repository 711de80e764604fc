"""Lake tables as their own libraries write them, shards and partitions, and logs that lie."""

from __future__ import annotations

import base64
import json
import shutil
import struct
import uuid
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlguard import discovery
from mlguard.artifacts import Artifact
from mlguard.errors import Unreadable
from mlguard.scanners import Context
from mlguard.scanners.dataset import folders
from mlguard.scanners.dataset import source as sources
from mlguard.scanners.dataset.formats import delta, iceberg, roaring
from mlguard.scanners.dataset.formats.delta import DELETED, LOG_TEXT
from mlguard.scanners.dataset.table import Table

deltalake = pytest.importorskip("deltalake")

PEOPLE = pa.table(
    {
        "id": [1, 2, 3, 4],
        "email": ["mira@kunde.intern", "tomas@kunde.intern", "ines@kunde.intern", "olga@kunde.intern"],
    }
)


class Seen:
    """All that a dataset of several files gave: rows, texts and what was missed, by the name of the table."""

    def __init__(self) -> None:
        self.rows: dict[str, list[dict[str, Any]]] = {}
        self.texts: dict[str, list[str]] = {}
        self.missed: list[tuple[str, str]] = []

    def column(self, table: str, name: str) -> list[Any]:
        return [row.get(name) for row in self.rows.get(table, [])]

    def reasons(self) -> str:
        return " / ".join(reason for _, reason in self.missed)


def taken(tables: Iterator[Table]) -> Seen:
    seen = Seen()
    for table in tables:
        rows = seen.rows.setdefault(table.name, [])
        for batch in table.batches:
            rows += batch.to_pylist()
        for name, lines in table.texts:
            seen.texts.setdefault(name, []).extend(lines)
        seen.missed += table.missed
    return seen


def plan(root: Path) -> list[tuple[Artifact, ...]]:
    paths = [path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()]
    return folders.groups(discovery.classify(root, paths).artifacts)


def look(root: Path) -> Seen:
    """Read the one dataset below a folder."""
    (group,) = [group for group in plan(root) if folders.layout(group)]
    return taken(folders.tables(group, Context(root)))


def table(root: Path) -> Any:
    return deltalake.DeltaTable(str(root))


@pytest.fixture
def people(tmp_path: Path) -> Path:
    deltalake.write_deltalake(str(tmp_path / "people"), PEOPLE)
    return tmp_path / "people"


# -- Delta


def test_the_files_of_a_delta_table_are_one_dataset(people: Path) -> None:
    deltalake.write_deltalake(str(people), PEOPLE, mode="append")

    (group,) = plan(people.parent)

    found = folders.layout(group)
    assert found is not None
    assert (found.form, found.name) == ("delta", "people")
    assert len(look(people.parent).rows[""]) == 8


def test_a_row_deleted_from_a_delta_table_is_still_on_disk_until_vacuum(people: Path) -> None:
    table(people).delete("email = 'tomas@kunde.intern'")

    seen = look(people.parent)

    assert "tomas@kunde.intern" not in seen.column("", "email")
    assert "tomas@kunde.intern" in seen.column(DELETED, "email")
    table(people).vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    assert DELETED not in look(people.parent).rows


def test_the_condition_of_a_deletion_is_read_from_the_log(people: Path) -> None:
    table(people).delete("email = 'tomas@kunde.intern'")
    table(people).vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)

    seen = look(people.parent)

    assert any("tomas@kunde.intern" in line for line in seen.texts[LOG_TEXT])


def test_the_log_keeps_the_smallest_and_largest_value_of_files_that_are_gone(people: Path) -> None:
    deltalake.write_deltalake(str(people), pa.table({"id": [9], "email": ["zora@kunde.intern"]}), mode="append")
    table(people).delete("id = 9")
    table(people).vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)

    seen = look(people.parent)

    assert "email: zora@kunde.intern" in seen.texts[LOG_TEXT]
    assert "email: zora@kunde.intern" not in seen.texts["(footer)"]
    assert "email: mira@kunde.intern" not in seen.texts[LOG_TEXT]
    assert "email: tomas@kunde.intern" in seen.texts["(footer)"]


@pytest.mark.parametrize("commits", [3, 25])
def test_live_rows_are_those_that_the_delta_library_shows(people: Path, commits: int) -> None:
    for number in range(commits):
        more = pa.table({"id": [100 + number, 200 + number], "email": [f"a{number}@kunde.intern", f"b{number}@kunde.intern"]})  # fmt: skip
        deltalake.write_deltalake(str(people), more, mode="append")
    table(people).create_checkpoint()
    table(people).delete("id > 205")
    table(people).optimize.compact()
    deltalake.write_deltalake(str(people), pa.table({"id": [7], "email": ["late@kunde.intern"]}), mode="append")

    seen = look(people.parent)

    expected = table(people).to_pyarrow_table() if hasattr(table(people), "to_pyarrow_table") else None
    assert expected is not None
    assert sorted(seen.column("", "email")) == sorted(expected.column("email").to_pylist())
    assert seen.missed == []


def test_the_state_is_read_from_the_checkpoint_when_older_commits_were_cleaned_away(people: Path) -> None:
    deltalake.write_deltalake(str(people), pa.table({"id": [9], "email": ["zora@kunde.intern"]}), mode="append")
    table(people).create_checkpoint()
    for path in sorted((people / "_delta_log").glob("0*.json"))[:1]:
        path.unlink()

    seen = look(people.parent)

    assert len(seen.rows[""]) == 5
    assert seen.missed == []


@pytest.mark.parametrize("form", ["parts", "v2"])
def test_checkpoints_of_several_files_are_read(people: Path, form: str) -> None:
    for number in range(3):
        deltalake.write_deltalake(str(people), pa.table({"id": [number], "email": [f"a{number}@kunde.intern"]}), mode="append")  # fmt: skip
    table(people).create_checkpoint()
    log = people / "_delta_log"
    (single,) = log.glob("*.checkpoint.parquet")
    state = pq.read_table(single)
    single.unlink()
    for path in log.glob("*.json"):
        path.unlink()
    if form == "parts":
        for place in (0, 1):
            half = state.slice(place * 3, 3 if place == 0 else None)
            pq.write_table(half, log / f"{3:020}.checkpoint.{place + 1:010}.{2:010}.parquet")
    else:
        (log / "_sidecars").mkdir()
        pq.write_table(state, log / "_sidecars" / "one.parquet")
        action = {"sidecar": {"path": "one.parquet", "sizeInBytes": 1, "modificationTime": 1}}
        (log / f"{3:020}.checkpoint.{uuid.UUID(int=1)}.json").write_text(json.dumps(action))

    seen = look(people.parent)

    assert len(seen.rows[""]) == 7
    assert seen.missed == []


def test_a_checkpoint_that_lacks_a_part_is_told_and_hides_no_row(people: Path) -> None:
    table(people).create_checkpoint()
    log = people / "_delta_log"
    (single,) = log.glob("*.checkpoint.parquet")
    single.rename(log / f"{0:020}.checkpoint.{1:010}.{2:010}.parquet")
    for path in log.glob("*.json"):
        path.unlink()

    seen = look(people.parent)

    assert len(seen.rows[DELETED]) == 4
    assert "lacks some of its parts" in seen.reasons()


def test_columns_of_partitions_are_columns(tmp_path: Path) -> None:
    deltalake.write_deltalake(str(tmp_path / "t"), PEOPLE, partition_by=["email"])

    seen = look(tmp_path)

    assert sorted(seen.column("", "email")) == sorted(PEOPLE.column("email").to_pylist())
    assert sorted(seen.column("", "id")) == [1, 2, 3, 4]


@pytest.mark.parametrize(
    "where", ["../../etc/passwd", "/etc/passwd", "s3://elsewhere/x.parquet", "file:///etc/passwd", "a/../../../b.parquet", "..%2F..%2Fb.parquet"]
)  # fmt: skip
def test_a_path_in_the_log_that_leads_out_of_the_table_is_not_followed(people: Path, where: str) -> None:
    outside = people.parent.parent / "b.parquet"
    pq.write_table(pa.table({"email": ["outside@kunde.intern"]}), outside)
    _commit(people, 1, {"add": {"path": where, "partitionValues": {}, "size": 1, "modificationTime": 1, "dataChange": True}})  # fmt: skip

    seen = look(people.parent)

    assert len(seen.rows[""]) == 4
    assert "outside the table's folder" in seen.reasons()
    assert where not in seen.reasons()


def test_a_file_that_is_named_by_no_log_is_read_as_deleted(people: Path) -> None:
    pq.write_table(pa.table({"email": ["orphan@kunde.intern"]}), people / "orphan.parquet")

    assert look(people.parent).column(DELETED, "email") == ["orphan@kunde.intern"]


def test_a_log_that_is_damaged_hides_no_row_and_is_told(people: Path) -> None:
    deltalake.write_deltalake(str(people), pa.table({"id": [9], "email": ["zora@kunde.intern"]}), mode="append")
    log = people / "_delta_log" / f"{1:020}.json"
    log.write_bytes(log.read_bytes()[:40])

    seen = look(people.parent)

    assert "zora@kunde.intern" in seen.column(DELETED, "email")
    assert "not certain" in seen.reasons()


def test_a_live_file_that_is_missing_is_told(people: Path) -> None:
    next(people.glob("*.parquet")).unlink()

    assert ("missing", "1 files that the log calls live are not in the table's folder") in look(people.parent).missed


def test_a_file_that_a_log_names_a_thousand_times_is_read_once(people: Path) -> None:
    name = next(people.glob("*.parquet")).name
    adds = [{"add": {"path": name, "partitionValues": {}, "deletionVector": {"storageType": "i", "pathOrInlineDv": "0", "sizeInBytes": place + 1, "offset": place}}} for place in range(1000)]  # fmt: skip
    _commit(people, 1, *adds)

    seen = look(people.parent)

    assert len(seen.rows[""]) == 4
    assert "more than once" in seen.reasons()


def test_features_of_a_table_that_are_not_known_are_told(people: Path) -> None:
    _commit(people, 1, {"protocol": {"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": ["deletionVectors", "timeTravelByMail"], "writerFeatures": []}})  # fmt: skip

    assert "timeTravelByMail" in look(people.parent).reasons()


def test_columns_have_the_names_of_the_schema_when_files_call_them_otherwise(people: Path) -> None:
    schema = {"type": "struct", "fields": [{"name": "customer_email", "type": "string", "nullable": True, "metadata": {"delta.columnMapping.physicalName": "email"}}]}  # fmt: skip
    _commit(people, 1, {"metaData": {"id": "x", "schemaString": json.dumps(schema), "partitionColumns": [], "configuration": {"delta.columnMapping.mode": "name"}}})  # fmt: skip

    assert look(people.parent).column("", "customer_email")[0].endswith("@kunde.intern")


def _commit(root: Path, version: int, *actions: dict[str, Any]) -> None:
    lines = "".join(json.dumps(action) + "\n" for action in actions)
    (root / "_delta_log" / f"{version:020}.json").write_text(lines)


# -- deletion vectors, checked against a library of its own for the bitmaps


def _bitmap64(positions: list[int]) -> bytes:
    pyroaring = pytest.importorskip("pyroaring")
    bitmap = pyroaring.BitMap64(positions)
    bitmap.run_optimize() if hasattr(bitmap, "run_optimize") else None
    return struct.pack("<I", roaring.MAGIC) + bytes(bitmap.serialize())


def _z85(data: bytes) -> str:
    encoded = base64.b85encode(data).decode()
    back = {target: source for source, target in delta._TO_B85.items()}
    return encoded.translate({ord(chr(target)): source for target, source in back.items()})


@pytest.mark.parametrize("form", ["file", "inline"])
def test_rows_masked_by_a_deletion_vector_are_gone_but_on_disk(people: Path, form: str) -> None:
    body = _bitmap64([1, 3])
    name = next(people.glob("*.parquet")).name
    if form == "file":
        identity = uuid.UUID("ab01cd23-ef45-6789-ab01-cd23ef456789")
        frame = struct.pack(">I", len(body)) + body + struct.pack(">I", zlib.crc32(body))
        (people / f"deletion_vector_{identity}.bin").write_bytes(b"\x01" + frame)
        vector = {"storageType": "u", "pathOrInlineDv": _z85(identity.bytes), "offset": 1, "sizeInBytes": len(body), "cardinality": 2}  # fmt: skip
    else:
        vector = {"storageType": "i", "pathOrInlineDv": _z85(body + bytes(-len(body) % 4)), "sizeInBytes": len(body), "cardinality": 2}  # fmt: skip
    _commit(people, 1, {"remove": {"path": name, "dataChange": True}}, {"add": {"path": name, "partitionValues": {}, "size": 1, "modificationTime": 1, "dataChange": True, "deletionVector": vector}})  # fmt: skip

    seen = look(people.parent)

    assert seen.column("", "email") == ["mira@kunde.intern", "ines@kunde.intern"]
    assert seen.column(DELETED, "email") == ["tomas@kunde.intern", "olga@kunde.intern"]
    assert seen.missed == []


def test_a_damaged_deletion_vector_leaves_the_rows_live_and_is_told(people: Path) -> None:
    name = next(people.glob("*.parquet")).name
    vector = {"storageType": "u", "pathOrInlineDv": "x" * 20, "offset": 1, "sizeInBytes": 40, "cardinality": 2}
    _commit(people, 1, {"remove": {"path": name}}, {"add": {"path": name, "deletionVector": vector}})

    seen = look(people.parent)

    assert len(seen.rows[""]) == 4
    assert "deletion vector" in seen.reasons()


@pytest.mark.parametrize(
    "positions",
    [
        [],
        [0],
        [5, 65535, 65536, 65537],
        list(range(0, 200_000, 2)),
        list(range(1000, 150_000)),
        [3, 2**32 + 7, 2**33],
        [*range(10), *range(70_000, 75_000), 2**20],
    ],
    ids=["empty", "one", "edges", "bits", "runs", "64", "mixed"],
)
def test_bitmaps_are_read_as_the_roaring_library_writes_them(positions: list[int]) -> None:
    bitmap = roaring.parse(_bitmap64(positions))

    for start in (0, 65_000, 100_001, 2**32, 2**33):
        mask = bitmap.mask(start, 70_000)
        assert [start + int(place) for place in mask.nonzero()[0]] == [p for p in positions if start <= p < start + 70_000]  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400), st.booleans())
def test_any_bytes_are_a_bitmap_or_unreadable(data: bytes, magic: bool) -> None:
    try:
        roaring.parse((struct.pack("<Iq", roaring.MAGIC, 1) if magic else b"") + data).mask(0, 70_000)
    except Unreadable:
        pass


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200), st.integers(0, 3000), st.booleans())
def test_any_log_ends_in_tables_with_every_row_on_disk(people: Path, junk: bytes, at: int, cut: bool) -> None:
    log = people / "_delta_log" / f"{0:020}.json"
    whole = log.read_bytes()
    try:
        log.write_bytes(whole[:at] + (b"" if cut else junk + whole[at:]))
        if log.stat().st_size == 0:
            return
        seen = look(people.parent)
    finally:
        log.write_bytes(whole)

    emails = {row.get("email") for rows in seen.rows.values() for row in rows}
    assert emails >= set(PEOPLE.column("email").to_pylist())


# -- Iceberg


@pytest.fixture
def berg(tmp_path: Path) -> Iterator[Callable[[], Any]]:
    pytest.importorskip("sqlalchemy")
    from pyiceberg.catalog.memory import InMemoryCatalog

    catalog = InMemoryCatalog("test", warehouse=f"file://{tmp_path}")
    catalog.create_namespace("shop")
    made = catalog.create_table("shop.people", PEOPLE.schema)
    made.append(PEOPLE)
    yield lambda: catalog.load_table("shop.people")
    catalog.close() if hasattr(catalog, "close") else None


def test_a_row_deleted_from_an_iceberg_table_is_still_on_disk(berg: Callable[[], Any], tmp_path: Path) -> None:
    berg().delete("email == 'tomas@kunde.intern'")

    seen = look(tmp_path)

    assert sorted(seen.column("", "id")) == [1, 3, 4]
    assert "tomas@kunde.intern" in seen.column(DELETED, "email")
    assert seen.missed == []


def test_live_rows_are_those_that_the_iceberg_library_shows(berg: Callable[[], Any], tmp_path: Path) -> None:
    for number in range(6):
        berg().append(pa.table({"id": [10 + number], "email": [f"a{number}@kunde.intern"]}, schema=PEOPLE.schema))
    berg().delete("id > 13")
    berg().overwrite(pa.table({"id": [99], "email": ["new@kunde.intern"]}, schema=PEOPLE.schema), "id == 10")

    seen = look(tmp_path)

    assert sorted(seen.column("", "id")) == sorted(berg().scan().to_arrow().column("id").to_pylist())
    assert {10, 14, 15} <= set(seen.column(DELETED, "id"))
    assert seen.missed == []


def test_a_row_is_no_longer_on_disk_once_the_old_files_are_removed(berg: Callable[[], Any], tmp_path: Path) -> None:
    old = set(tmp_path.rglob("data/*.parquet"))
    berg().delete("id == 4")
    for path in old:
        path.unlink()

    seen = look(tmp_path)

    assert sorted(seen.column("", "id")) == [1, 2, 3]
    assert DELETED not in seen.rows


def test_manifests_keep_the_smallest_and_largest_value_of_files_that_are_gone(berg: Callable[[], Any], tmp_path: Path) -> None:  # fmt: skip
    berg().append(pa.table({"id": [9], "email": ["zora@k.intern"]}, schema=PEOPLE.schema))
    berg().delete("id == 9")

    seen = look(tmp_path)

    assert "email: zora@k.intern" in seen.texts[LOG_TEXT]
    assert "email: mira@kunde.intern" not in seen.texts[LOG_TEXT]
    assert any("mira" in line or "ines" in line for line in seen.texts["(footer)"])


def test_properties_of_an_iceberg_table_are_texts(berg: Callable[[], Any], tmp_path: Path) -> None:
    with berg().transaction() as transaction:
        transaction.set_properties(contact="mira@kunde.intern")

    assert "contact: mira@kunde.intern" in look(tmp_path).texts[LOG_TEXT]


def test_an_iceberg_table_that_was_moved_is_read_where_it_lies(berg: Callable[[], Any], tmp_path: Path) -> None:
    berg().delete("id == 2")
    shutil.move(tmp_path / "shop", tmp_path / "elsewhere")

    seen = look(tmp_path)

    assert sorted(seen.column("", "id")) == [1, 3, 4]
    assert seen.missed == []


def test_partitions_of_an_iceberg_table_whose_paths_hold_values_are_found(tmp_path: Path) -> None:
    pytest.importorskip("sqlalchemy")
    from pyiceberg.catalog.memory import InMemoryCatalog
    from pyiceberg.partitioning import PartitionField, PartitionSpec
    from pyiceberg.schema import Schema
    from pyiceberg.transforms import IdentityTransform
    from pyiceberg.types import LongType, NestedField, StringType

    catalog = InMemoryCatalog("test", warehouse=f"file://{tmp_path}")
    catalog.create_namespace("shop")
    schema = Schema(NestedField(1, "id", LongType()), NestedField(2, "email", StringType()))
    spec = PartitionSpec(PartitionField(2, 1000, IdentityTransform(), "email"))
    catalog.create_table("shop.people", schema, partition_spec=spec).append(PEOPLE)

    seen = look(tmp_path)

    assert sorted(seen.column("", "email")) == sorted(PEOPLE.column("email").to_pylist())
    assert seen.missed == []


def test_metadata_that_leads_out_of_the_table_is_not_followed(berg: Callable[[], Any], tmp_path: Path) -> None:
    newest = max(tmp_path.rglob("*.metadata.json"))
    body = json.loads(newest.read_text())
    for snapshot in body["snapshots"]:
        snapshot["manifest-list"] = "file:///etc/passwd"
    newest.write_text(json.dumps(body))

    seen = look(tmp_path)

    assert len(seen.column(DELETED, "email")) == 4
    assert "outside the table's folder" in seen.reasons()


def test_a_damaged_manifest_hides_no_row_and_is_told(berg: Callable[[], Any], tmp_path: Path) -> None:
    for path in tmp_path.rglob("*-m0.avro"):
        path.write_bytes(path.read_bytes()[:-40])

    seen = look(tmp_path)

    emails = seen.column("", "email") + seen.column(DELETED, "email")
    assert sorted(emails) == sorted(PEOPLE.column("email").to_pylist())
    assert "manifest cannot be read" in seen.reasons()


def test_iceberg_metadata_that_nobody_can_read_is_an_error_and_no_empty_table(tmp_path: Path) -> None:
    (tmp_path / "metadata").mkdir()
    (tmp_path / "metadata" / "v1.metadata.json").write_text("{")

    with pytest.raises(Unreadable):
        look(tmp_path)


def _avro(path: Path, rows: list[dict[str, Any]] | None = None, like: Path | None = None) -> list[dict[str, Any]]:
    """Return the records of an Avro file; with ``rows`` write them as a file like another."""
    import fastavro

    with (like or path).open("rb") as file:
        reader = fastavro.reader(file)
        old, schema, metadata = list(reader), reader.writer_schema, reader.metadata
    if rows is not None:
        kept = {key: value for key, value in metadata.items() if not key.startswith("avro.")}
        with path.open("wb") as file:
            fastavro.writer(file, schema, rows, metadata=kept)
    return old


def _with_deletes(root: Path, made: Any, entry: dict[str, Any]) -> None:
    """Add a delete file to the current snapshot, as engines do that merge on read; pyiceberg writes none."""
    listing = Path(made.current_snapshot().manifest_list.removeprefix("file://"))
    manifests = _avro(listing)
    first = Path(manifests[0]["manifest_path"].removeprefix("file://"))
    (record, *_) = _avro(first)
    deletes = first.with_name("deletes-m0.avro")
    plain = {"lower_bounds": None, "upper_bounds": None, "column_sizes": None, "value_counts": None, "null_value_counts": None, "nan_value_counts": None}  # fmt: skip
    file = {**record["data_file"], **plain, "record_count": 1, **entry}
    _avro(deletes, [{**record, "status": 1, "data_file": file}], first)
    data = deletes.read_bytes().replace(b"\x0econtent\x08data", b"\x0econtent\x0edeletes")
    deletes.write_bytes(data)
    size = deletes.stat().st_size
    _avro(listing, [*manifests, {**manifests[0], "manifest_path": f"file://{deletes}", "content": 1, "manifest_length": size}], listing)  # fmt: skip


def test_rows_that_a_file_of_positions_deletes_are_gone_but_on_disk(berg: Callable[[], Any], tmp_path: Path) -> None:
    (data,) = tmp_path.rglob("data/*.parquet")
    deletes = data.with_name("positions.parquet")
    pq.write_table(pa.table({"file_path": [f"file://{data}"] * 2, "pos": pa.array([1, 3], pa.int64())}), deletes)
    _with_deletes(tmp_path, berg(), {"content": 1, "file_path": f"file://{deletes}", "file_size_in_bytes": deletes.stat().st_size})  # fmt: skip

    seen = look(tmp_path)

    assert seen.column("", "id") == berg().scan().to_arrow().column("id").to_pylist() == [1, 3]
    assert seen.column(DELETED, "email") == ["tomas@kunde.intern", "olga@kunde.intern"]
    assert seen.missed == []


def test_values_by_which_rows_were_deleted_are_a_table_and_the_rows_count_as_live(berg: Callable[[], Any], tmp_path: Path) -> None:  # fmt: skip
    (data,) = tmp_path.rglob("data/*.parquet")
    deletes = data.with_name("keys.parquet")
    pq.write_table(pa.table({"email": ["tomas@kunde.intern"]}), deletes)
    _with_deletes(tmp_path, berg(), {"content": 2, "file_path": f"file://{deletes}", "equality_ids": [2]})

    seen = look(tmp_path)

    assert seen.column("(equality deletes)", "email") == ["tomas@kunde.intern"]
    assert len(seen.rows[""]) == 4
    assert "equality deletes are not applied" in seen.reasons()


def test_rows_that_a_deletion_vector_in_a_puffin_file_masks_are_gone_but_on_disk(tmp_path: Path) -> None:
    body = b"\xd1\xd3\x39\x64" + _bitmap64([0, 2])[4:]
    blob = struct.pack(">I", len(body)) + body + struct.pack(">I", zlib.crc32(body))
    source = sources.of_bytes("deletes.puffin", b"PFA1" + blob)

    mask = roaring.parse(iceberg._blob(source, (4, len(blob)))).mask(0, 4)

    assert mask.tolist() == [True, False, True, False]
    with pytest.raises(Unreadable):
        iceberg._blob(sources.of_bytes("x", b"PFA1" + blob[:-1] + b"\0"), (4, len(blob)))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(min_size=1, max_size=30), st.integers(0, 5000), st.integers(0, 3))
def test_any_damage_to_iceberg_metadata_ends_in_rows_or_unreadable(berg: Callable[[], Any], tmp_path: Path, junk: bytes, at: int, which: int) -> None:  # fmt: skip
    target = sorted(tmp_path.rglob("metadata/*"))[which]
    whole = target.read_bytes()
    try:
        target.write_bytes(whole[:at] + junk + whole[at + len(junk) :])
        seen = look(tmp_path)
    except Unreadable:
        return
    finally:
        target.write_bytes(whole)

    emails = {row.get("email") for rows in seen.rows.values() for row in rows}
    assert emails >= set(PEOPLE.column("email").to_pylist())


# -- Lance


@pytest.fixture
def lance(tmp_path: Path) -> Any:
    module = pytest.importorskip("lance")
    module.write_dataset(PEOPLE, str(tmp_path / "people.lance"))
    return lambda: module.dataset(str(tmp_path / "people.lance"))


def test_rows_deleted_and_rows_of_older_versions_of_a_lance_table_are_still_on_disk(lance: Any, tmp_path: Path) -> None:
    lance().delete("id = 2")
    lance().update({"email": "'new@kunde.intern'"}, where="id = 3")

    seen = look(tmp_path)

    assert sorted(seen.column("", "email")) == ["mira@kunde.intern", "new@kunde.intern", "olga@kunde.intern"]
    assert sorted(seen.column(DELETED, "email")) == ["ines@kunde.intern", "tomas@kunde.intern"]
    assert any("id = 2" in line for line in seen.texts[LOG_TEXT])


def test_a_lance_table_written_over_keeps_its_older_version_on_disk(lance: Any, tmp_path: Path) -> None:
    import lance as library

    library.write_dataset(pa.table({"id": [9], "email": ["zora@kunde.intern"]}), str(tmp_path / "people.lance"), mode="overwrite")  # fmt: skip

    seen = look(tmp_path)

    assert seen.column("", "email") == ["zora@kunde.intern"]
    assert len(seen.column(DELETED, "email")) == 4


def test_a_damaged_lance_table_is_an_error_and_no_empty_table(lance: Any, tmp_path: Path) -> None:
    for path in tmp_path.rglob("*.manifest"):
        path.write_bytes(path.read_bytes()[:50])

    with pytest.raises(Unreadable):
        look(tmp_path)


def test_a_lance_table_that_names_files_elsewhere_is_refused(lance: Any, tmp_path: Path) -> None:
    manifest = next(tmp_path.rglob("*.manifest"))
    manifest.write_bytes(manifest.read_bytes() + b"\x1a\x0b/etc/passwd")

    with pytest.raises(Unreadable, match="outside"):
        look(tmp_path)


# -- shards, partitions, saved datasets


def _artifacts(*paths: str, kind: str = "parquet") -> list[Artifact]:
    return [Artifact(path, kind, 10) for path in paths]


def _shapes(*paths: str, kind: str = "parquet") -> list[int]:
    return sorted(len(group) for group in folders.groups(_artifacts(*paths, kind=kind)))


def test_a_thousand_shards_are_one_dataset() -> None:
    shards = [f"data/train-{number:05}-of-01000.parquet" for number in range(1000)]

    groups = folders.groups([*_artifacts(*shards), *_artifacts("data/test-00000-of-00001.parquet", "README.md")])

    assert sorted(map(len, groups)) == [1, 1, 1000]
    found = folders.layout(max(groups, key=len))
    assert found is not None
    assert found.name == "data/train-*-of-01000.parquet"


@pytest.mark.parametrize(
    ("paths", "sizes"),
    [
        (["a/part-00000.csv", "a/part-00001.csv", "a/other.csv"], [1, 2]),
        (["a/part-00000-4f7e2b1a-0000-4000-8000-1234567890ab-c000.snappy.parquet", "a/part-00001-4f7e2b1a-0000-4000-8000-1234567890ab-c000.snappy.parquet"], [2]),
        (["a/0000.parquet", "a/0001.parquet"], [2]),
        (["a/shard_1.jsonl", "a/shard_2.jsonl"], [2]),
        (["a/customers_2021.csv", "a/customers_2022.csv"], [1, 1]),
        (["a/test1.csv", "a/test2.csv"], [1, 1]),
        (["a/train.csv", "a/test.csv"], [1, 1]),
        (["a/y=2020/x.parquet", "a/y=2021/x.parquet", "b/y=2020/x.parquet"], [1, 2]),
    ],
    ids=["part", "spark", "hub", "shard", "years", "numbers", "splits", "partitions"],
)  # fmt: skip
def test_only_files_that_are_parts_of_one_table_are_put_together(paths: list[str], sizes: list[int]) -> None:
    assert _shapes(*paths) == sizes


def test_each_file_is_in_exactly_one_group() -> None:
    paths = ["t/_delta_log/00000000000000000000.json", "t/a.parquet", "t/x=1/b.parquet", "d/state.json", "d/dataset_info.json", "d/data-00000-of-00002.arrow", "d/data-00001-of-00002.arrow", "z/state.json", "a.csv"]  # fmt: skip

    groups = folders.groups(_artifacts(*paths))

    assert sorted(artifact.path for group in groups for artifact in group) == sorted(paths)
    assert sorted(map(len, groups)) == [1, 1, 3, 4]


_PARTS = st.sampled_from(["_delta_log", "metadata", "_versions", "data", ".hoodie", "y=1", "email=x", "a", "b"])
_NAMES = st.sampled_from(
    [
        "00000000000000000000.json", "v1.metadata.json", "1.manifest", "x.parquet", "part-00000.csv", "part-00001.csv", "_SUCCESS", "state.json",
        "train-00000-of-00002.parquet", "train-00001-of-00002.parquet", "0001.jsonl", "README.md",
    ]
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.lists(_PARTS, max_size=3), _NAMES), max_size=12), st.randoms(use_true_random=False))
def test_any_tree_is_grouped_alike_in_any_order_and_each_file_once(
    tree: list[tuple[list[str], str]], random: Any
) -> None:
    paths = sorted({"/".join([*parts, name]) for parts, name in tree})
    artifacts = _artifacts(*paths)

    groups = folders.groups(artifacts)

    random.shuffle(artifacts)
    assert folders.groups(artifacts) == groups
    assert sorted(artifact.path for group in groups for artifact in group) == paths
    assert all(folders.layout(group) for group in groups if len(group) > 1)


def test_files_that_are_no_part_of_a_table_stand_for_themselves_in_its_folder() -> None:
    paths = ["_delta_log/00000000000000000000.json", "a.parquet", "README.md", "src/x.csv", "inner/_delta_log/00000000000000000000.json", "inner/b.parquet"]  # fmt: skip

    groups = folders.groups(_artifacts(*paths))

    assert [[artifact.path for artifact in group] for group in groups] == [
        ["README.md"],
        ["_delta_log/00000000000000000000.json", "a.parquet"],
        ["inner/_delta_log/00000000000000000000.json", "inner/b.parquet"],
        ["src/x.csv"],
    ]


def test_a_folder_called_metadata_makes_no_table() -> None:
    groups = folders.groups(_artifacts("metadata/picture.metadata.json", "a.parquet"))

    assert [folders.layout(group) for group in groups] == [None, None]


def test_keys_of_partitions_are_columns_and_are_not_shown(tmp_path: Path) -> None:
    for place, email in enumerate(["mira@kunde.intern", "tomas%40kunde.intern"]):
        folder = tmp_path / "sales" / f"email={email}"
        folder.mkdir(parents=True)
        pq.write_table(pa.table({"amount": [place, place + 1]}), folder / "x.parquet")

    (group,) = plan(tmp_path)

    found = folders.layout(group)
    seen = look(tmp_path)
    assert found is not None
    assert found.name == "sales/*.parquet"
    assert set(seen.column("", "email")) == {"mira@kunde.intern", "tomas@kunde.intern"}
    assert len(seen.rows[""]) == 4


def test_the_common_footer_of_shards_keeps_values_of_a_shard_that_is_gone(tmp_path: Path) -> None:
    footers: list[Any] = []
    for place in range(3):
        pq.write_to_dataset(pa.table({"email": [f"a{place}@kunde.intern"]}), str(tmp_path), basename_template=f"part-{place}-{{i}}.parquet", metadata_collector=footers)  # fmt: skip
    pq.write_metadata(footers[0].schema.to_arrow_schema(), tmp_path / "_metadata", metadata_collector=footers)
    (tmp_path / "part-1-0.parquet").unlink()

    seen = look(tmp_path)

    assert seen.column("", "email") == ["a0@kunde.intern", "a2@kunde.intern"]
    assert any("a1@kunde.intern" in line for line in seen.texts["(footer)"])
    assert seen.missed == []


def test_the_name_of_a_folder_stays_as_it_is() -> None:
    (group,) = folders.groups(_artifacts("data/20240131/part-00000.csv", "data/20240131/part-00001.csv", kind="csv"))

    found = folders.layout(group)
    assert found is not None
    assert found.name == "data/20240131/part-*.csv"


def test_a_damaged_shard_is_told_and_the_others_are_read(tmp_path: Path) -> None:
    for place in range(3):
        pq.write_table(pa.table({"email": [f"a{place}@kunde.intern"]}), tmp_path / f"part-{place:05}.parquet")
    damaged = tmp_path / "part-00001.parquet"
    damaged.write_bytes(damaged.read_bytes()[:-20])

    seen = look(tmp_path)

    assert seen.column("", "email") == ["a0@kunde.intern", "a2@kunde.intern"]
    assert [kind for kind, _ in seen.missed] == ["unreadable"]
    assert "part-00001.parquet" in seen.reasons()


def test_columns_of_later_shards_stand_under_their_names(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1], "b": ["x"]}), tmp_path / "part-00000.parquet")
    pq.write_table(pa.table({"b": ["y"], "c": [2.5], "a": [2]}), tmp_path / "part-00001.parquet")

    assert look(tmp_path).rows[""] == [{"a": 1, "b": "x"}, {"a": 2, "b": "y", "c": 2.5}]


def test_a_dataset_saved_by_hugging_face_is_one_dataset_with_its_description(tmp_path: Path) -> None:
    home = Path(__file__).parents[1] / "fixtures" / "data" / "hf"
    shutil.copytree(home, tmp_path / "hf")

    groups = [group for group in plan(tmp_path) if folders.layout(group)]

    by_name = {layout.name: taken(folders.tables(group, Context(tmp_path))) for group in groups if (layout := folders.layout(group))}  # fmt: skip
    assert sorted(by_name) == ["hf/test/data-*-of-00001.arrow", "hf/train/data-*-of-00003.arrow"]
    assert len(by_name["hf/train/data-*-of-00003.arrow"].rows[""]) == 30
    assert any("maintained by" in line for line in by_name["hf/train/data-*-of-00003.arrow"].texts["(description)"])
