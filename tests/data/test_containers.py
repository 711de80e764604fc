"""Archives and compressed files: read like the plain files, within bounds, and never silently in part."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import lz4.frame
import pyarrow as pa
import pyarrow.parquet
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlguard.errors import Unreadable
from mlguard.scanners.dataset import formats
from mlguard.scanners.dataset.formats import archive, budget, merging
from mlguard.scanners.dataset.source import of_bytes
from tests.scanning import scan

PEOPLE = b"id,email\n1,mira@kunde.intern\n2,tomas@kunde.intern\n"
OTHER = b"shop,sold\nA,3\n"

CODECS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress, "zst": zstandard.compress, "lz4": lz4.frame.compress,
}  # fmt: skip


def zipped(members: Mapping[str, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return target.getvalue()


def tarred(members: Mapping[str, bytes], mode: str = "w", kind: int = tarfile.PAX_FORMAT) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode=mode, format=kind) as file:  # type: ignore[call-overload]
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            file.addfile(entry, io.BytesIO(content))
    return target.getvalue()


def read(
    name: str, data: bytes, seekable: bool = True
) -> tuple[dict[str, list[dict[str, Any]]], list[tuple[str, str]]]:
    """Return the rows of each table, and what was missed."""
    rows: dict[str, list[dict[str, Any]]] = {}
    missed: list[tuple[str, str]] = []
    for table in formats.tables(replace(of_bytes(name, data), seekable=seekable)):
        found = [row for batch in table.batches for row in batch.to_pylist()]
        if found:
            rows.setdefault(table.name, []).extend(found)
        missed += table.missed
    return rows, missed


def emails(rows: Mapping[str, list[dict[str, Any]]]) -> list[str]:
    return sorted(row["email"] for some in rows.values() for row in some if "email" in row)


@pytest.mark.parametrize("suffix", CODECS)
def test_compressed_table_reads_like_the_plain_one(suffix: str) -> None:
    rows, missed = read(f"data/people.csv.{suffix}", CODECS[suffix](PEOPLE))

    assert (list(rows), emails(rows), missed) == ([""], ["mira@kunde.intern", "tomas@kunde.intern"], [])


@pytest.mark.parametrize("suffix", CODECS)
def test_compressed_table_cut_short_keeps_what_came_before_and_says_so(suffix: str) -> None:
    lines = b"".join(b"%d,person%d@kunde.intern\n" % (i, i * 7919 % 100003) for i in range(60_000))
    packed = CODECS[suffix](b"id,email\n" + lines)

    rows, missed = read(f"data/people.csv.{suffix}", packed[: len(packed) * 4 // 5])

    assert rows or suffix == "bz2"  # a block of bzip2 is 900 kB
    assert [kind for kind, _ in missed] == ["unreadable"]


def test_wrong_checksum_is_said_and_the_rows_count() -> None:
    rows, missed = read("data/people.csv.gz", gzip.compress(PEOPLE)[:-8] + bytes(8))

    assert len(emails(rows)) == 2
    assert missed == [("unreadable", "the checksum of a compressed stream does not fit")]


def test_several_streams_one_after_the_other_are_one_table() -> None:
    rows, missed = read("data/people.csv.gz", gzip.compress(PEOPLE) + gzip.compress(b"3,ines@kunde.intern\n"))

    assert (len(emails(rows)), missed) == (3, [])


def test_stream_in_a_stream_is_read() -> None:
    rows, _ = read("people.jsonl.gz.zst", zstandard.compress(gzip.compress(b'{"email": "mira@kunde.intern"}\n')))

    assert emails(rows) == ["mira@kunde.intern"]


@pytest.mark.parametrize("seekable", [True, False])
@pytest.mark.parametrize("suffix", ["zip", "tar", "tar.gz", "tar.zst"])
def test_shards_of_a_dataset_are_one_table(suffix: str, seekable: bool) -> None:
    members = {f"train/part-{i:05}.csv": PEOPLE for i in range(40)} | {"shops.csv": OTHER}

    rows, missed = read(f"data/all.{suffix}", packed(members, suffix), seekable)

    assert {name: len(some) for name, some in rows.items()} == {"train/part-*.csv": 80, "shops.csv": 1}
    assert missed == []


def packed(members: Mapping[str, bytes], suffix: str) -> bytes:
    if suffix == "zip":
        return zipped(members)
    return CODECS[suffix[4:]](tarred(members)) if "." in suffix else tarred(members)


def test_members_with_other_columns_are_another_table() -> None:
    rows, _ = read("data/all.zip", zipped({"1.csv": PEOPLE, "2.csv": OTHER, "3.csv": PEOPLE}))

    assert sorted(len(some) for some in rows.values()) == [1, 4]


def test_samples_of_pictures_with_their_records_are_two_tables() -> None:
    members: dict[str, bytes] = {}
    for i in range(200):
        members |= {
            f"{i:06}.jpg": b"\xff\xd8\xff\xd9",
            f"{i:06}.txt": b"a caption\n",
            f"{i:06}.json": b'{"email": "mira@kunde.intern"}',
        }

    for suffix in ("tar", "tar.gz"):
        rows, missed = read(f"data/set.{suffix}", packed(members, suffix))
        assert {name: len(some) for name, some in rows.items()} == {"*.txt": 200, "*.json": 200}
        assert missed == []


def test_parquet_in_an_archive_is_read() -> None:
    target = io.BytesIO()
    pa.parquet.write_table(pa.table({"email": ["mira@kunde.intern"]}), target)

    for suffix in ("zip", "tar", "tar.gz"):
        rows, _ = read(f"data/a.{suffix}", packed({"p.parquet": target.getvalue()}, suffix))
        assert emails(rows) == ["mira@kunde.intern"]


def test_archive_in_an_archive_is_named_by_its_way() -> None:
    rows, _ = read(
        "data/a.zip",
        zipped({"inner.zip": zipped({"people.csv": PEOPLE}), "b.tar.gz": tarred({"people.csv": PEOPLE}, "w:gz")}),
    )

    assert sorted(rows) == ["b.tar > people.csv", "inner.zip > people.csv"]


def test_archives_too_deep_in_one_another_are_said_and_the_rest_is_read() -> None:
    data = zipped({"people.csv": PEOPLE})
    for _ in range(archive.MAX_ARCHIVES + 1):
        data = zipped({"inner.zip": data, "people.csv": PEOPLE})

    rows, missed = read("data/a.zip", data)

    assert len(emails(rows)) == 2 * (archive.MAX_ARCHIVES + 1)
    assert [kind for kind, _ in missed] == ["skipped"]


def test_bomb_is_said_and_the_members_before_and_behind_it_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "BOMB_FROM_BYTES", 2**20)
    members = {"a.csv": PEOPLE, "b-bomb.csv": b"x,y\n" + b"0,0\n" * 2**20, "c.csv": PEOPLE}

    rows, missed = read("data/a.zip", zipped(members) + b"")

    assert len(emails(rows)) == 4 or len(emails(rows)) == 2  # a bomb that is most of its archive ends the reading
    assert "too-large" in [kind for kind, _ in missed]


def test_nested_bomb_ends_within_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "BOMB_FROM_BYTES", 2**20)
    layer = zipped({f"{i}.csv": b"x,y\n" + b"0,0\n" * 2**18 for i in range(8)})
    data = zipped({f"{i}.zip": layer for i in range(8)})

    rows, missed = read("data/a.zip", data)

    assert sum(map(len, rows.values())) < 4 * 2**20
    assert "too-large" in [kind for kind, _ in missed]


def test_more_members_than_the_bound_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_READ_MEMBERS", 5)

    rows, missed = read("data/a.zip", zipped({f"{i}.csv": PEOPLE for i in range(9)}))

    assert len(emails(rows)) == 10
    assert missed == [("too-large", "holds more than 5 members with data; the rest was not read")]


def test_more_tables_than_the_bound_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merging, "MAX_TABLES", 3)

    _, missed = read(
        "data/a.zip", zipped({f"{word}.csv": b"%s,b\n1,2\n" % word.encode() for word in ("ab", "bc", "cd", "de", "ef")})
    )

    assert [kind for kind, _ in missed] == ["too-large"]


def test_member_too_large_to_be_held_is_said_and_the_rest_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_HELD_BYTES", 1000)
    target = io.BytesIO()
    pa.parquet.write_table(pa.table({"n": list(range(5000))}), target)

    rows, missed = read("data/a.zip", zipped({"a.parquet": target.getvalue(), "people.csv": PEOPLE}))

    assert len(emails(rows)) == 2
    assert [kind for kind, _ in missed] == ["unreadable"]


def test_encrypted_member_is_said_and_the_rest_is_read() -> None:
    data = bytearray(zipped({"a.csv": PEOPLE, "b.csv": OTHER}))
    for place in (data.index(b"PK\x03\x04") + 6, data.index(b"PK\x01\x02") + 8):
        data[place] |= 1

    rows, missed = read("data/a.zip", bytes(data))

    assert list(rows) == ["b.csv"]
    assert missed == [("unreadable", "is encrypted: a.csv")]


def test_member_packed_with_an_unknown_method_is_said() -> None:
    data = bytearray(zipped({"a.csv": PEOPLE, "b.csv": OTHER}))
    for place in (data.index(b"PK\x03\x04") + 8, data.index(b"PK\x01\x02") + 10):
        data[place : place + 2] = struct.pack("<H", 98)

    rows, missed = read("data/a.zip", bytes(data))

    assert list(rows) == ["b.csv"]
    assert [kind for kind, _ in missed] == ["unreadable"]


def test_archives_cut_short_keep_what_can_be_read() -> None:
    members = {f"part-{i:03}.csv": PEOPLE + b"%d" % i * 50 + b",x\n" for i in range(100)}
    for suffix in ("zip", "tar", "tar.gz"):
        data = packed(members, suffix)
        rows, missed = read(f"data/a.{suffix}", data[: len(data) // 2])
        assert rows and missed, suffix


def test_links_and_devices_are_not_followed() -> None:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as file:
        for name, kind in (
            ("link.csv", tarfile.SYMTYPE),
            ("hard.csv", tarfile.LNKTYPE),
            ("dev.csv", tarfile.CHRTYPE),
            ("pipe.csv", tarfile.FIFOTYPE),
        ):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, "/etc/passwd"
            file.addfile(entry)
        entry = tarfile.TarInfo("people.csv")
        entry.size = len(PEOPLE)
        file.addfile(entry, io.BytesIO(PEOPLE))

    rows, missed = read("data/a.tar", target.getvalue())

    assert list(rows) == ["people.csv"]
    assert [kind for kind, _ in missed] == ["skipped"]


@pytest.mark.parametrize("kind", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_long_names_in_a_tar_are_read(kind: int) -> None:
    rows, _ = read("data/a.tar", tarred({f"{'folder/' * 30}people.csv": PEOPLE}, kind=kind))

    assert len(emails(rows)) == 2


def test_names_with_tricks_are_only_shown_and_never_reveal_a_person() -> None:
    members = {
        "../../etc/cron.csv": PEOPLE,
        "/abs.csv": PEOPLE,
        "C:\\x\\y.csv": PEOPLE,
        "mira.holm@kunde.intern.csv": PEOPLE,
    }

    rows, _ = read("data/a.zip", zipped(members))

    assert len(emails(rows)) == 8
    assert all(
        ".." not in name and not name.startswith("/") and "@" not in name and "mira" not in name for name in rows
    )


def test_members_that_are_no_data_are_passed_over_in_silence() -> None:
    members = {
        "train.py": b"import os\n",
        "logo.png": b"\x89PNG\r\n\x1a\n" + bytes(30),
        "Makefile": b"all:\n\ttrue\n",
        "__MACOSX/._a.csv": PEOPLE,
    }

    assert read("data/a.zip", zipped(members)) == ({}, [])


def test_archives_of_models_are_left_to_the_scanner_of_models() -> None:
    members = {"archive/data.pkl": b"\x80\x02.", "archive/data/0": b"0" * 100, "archive/notes.csv": PEOPLE}

    assert read("model.pt", zipped(members)) == ({}, [])


def test_member_hidden_from_the_directory_is_read_and_said() -> None:
    whole = zipped({"people.csv": PEOPLE})
    hidden = whole[: whole.index(b"PK\x01\x02")]
    listed = bytearray(zipped({"shops.csv": OTHER}))
    tail = len(listed) - 22
    struct.pack_into("<I", listed, tail + 16, struct.unpack_from("<I", listed, tail + 16)[0] + len(hidden))
    entry = listed.index(b"PK\x01\x02")
    struct.pack_into("<I", listed, entry + 42, len(hidden))

    rows, missed = read("data/a.zip", hidden + bytes(listed))

    assert sorted(rows) == ["people.csv", "shops.csv"]
    assert any("hides a member" in reason for _, reason in missed)


def test_names_of_tables_do_not_depend_on_the_order_of_members() -> None:
    members = {f"part-{i}.csv": PEOPLE for i in range(5)} | {"z.csv": OTHER}

    assert read("a.zip", zipped(members)) == read("a.zip", zipped(dict(reversed(members.items()))))


def test_pictures_in_an_archive_are_looked_at_once_for_all(tmp_path: Path) -> None:
    from tests.data.test_documents import photo

    source = of_bytes("data/p.zip", zipped({f"p/{i}.jpg": photo() for i in range(20)} | {"people.csv": PEOPLE}))

    found = [(one.check, one.facts["count"], one.location.within) for one in archive.traces(source)]

    assert ("position", 20, "p/0.jpg") in found


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_any_damage_ends_in_tables_or_in_a_reason(data: st.DataObject) -> None:
    suffix = data.draw(st.sampled_from(["zip", "tar", "tar.gz", "tar.zst", "csv.gz", "csv.lz4", "csv.xz", "csv.bz2"]))
    members = {
        "a.csv": PEOPLE,
        "in.zip": zipped({"b.csv": PEOPLE}),
        "c.txt": b"text\n",
        "d.jsonl.gz": gzip.compress(b'{"a": 1}\n'),
    }
    whole = bytearray(CODECS[suffix[4:]](PEOPLE) if suffix.startswith("csv") else packed(members, suffix))
    for _ in range(data.draw(st.integers(0, 8))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(1, len(whole)))

    try:
        read(f"data/a.{suffix}", bytes(whole[:cut]), data.draw(st.booleans()))
    except Unreadable:
        pass


def write(root: Path, files: Mapping[str, bytes]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def test_pointers_say_what_is_not_here_and_how_much(tmp_path: Path) -> None:
    lfs = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"1" * 64 + b"\nsize 1234567890\n"
    dvc = b"outs:\n- md5: aaa.dir\n  size: 5000000\n  nfiles: 300\n  path: photos\n- md5: b\n  size: 10\n  path: here.csv\n"
    lock = b"schema: '2.0'\nstages:\n  clean:\n    cmd: x\n    outs:\n    - path: data/clean.parquet\n      size: 88000\n    - path: ../out\n"
    write(tmp_path, {"data/people.csv": lfs, "data/photos.dvc": dvc, "data/here.csv": OTHER, "dvc.lock": lock})

    gaps = {(gap.path, gap.reason) for gap in scan(tmp_path, ["dataset"]).gaps}

    assert gaps == {
        ("data/people.csv", "an LFS pointer: the file itself is not here (1.2 GB)"),
        ("data/photos.dvc", "a DVC pointer: the file itself is not here (data/photos, 5.0 MB in 300 files)"),
        ("dvc.lock", "an output of the DVC stage clean is not here (data/clean.parquet, 88.0 kB)"),
    }


def test_pointer_to_what_is_here_is_no_gap(tmp_path: Path) -> None:
    write(tmp_path, {"data/here.csv.dvc": b"outs:\n- md5: b\n  path: here.csv\n", "data/here.csv": OTHER})

    assert scan(tmp_path, ["dataset"]).gaps == ()


def test_pointer_that_is_no_yaml_is_a_gap_all_the_same(tmp_path: Path) -> None:
    write(tmp_path, {"data/a.csv.dvc": b"outs: [\n"})

    assert [gap.reason for gap in scan(tmp_path, ["dataset"]).gaps] == ["a DVC pointer: the file itself is not here"]
