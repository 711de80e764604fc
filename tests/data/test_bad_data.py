"""Bad input of every family: it ends in the fields that are there, in a gap, or in both; never in a crash, silence or a value."""

from __future__ import annotations

import gzip
import io
import json
import sqlite3
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.ipc as ipc
import pyarrow.parquet as pq
import pytest

from mlguard import codec
from mlguard.facts import Dataset
from mlguard.scanners.dataset import lines
from mlguard.scanners.dataset.formats import jsonlines, sound
from mlguard.scanners.dataset.source import of_bytes
from tests.scanning import scan

PEOPLE = [(f"mira.sandvik{number}@kunde.intern", f"Hinterm Deich {number}") for number in range(12)]
CSV = "email,street\n" + "".join(f"{mail},{street}\n" for mail, street in PEOPLE)
RECORDS = [{"email": mail, "street": street} for mail, street in PEOPLE]
LINES = "".join(json.dumps(record) + "\n" for record in RECORDS)
EMAIL = "user.contact.email"


def seen(root: Path, name: str, data: bytes) -> tuple[set[str], list[tuple[str, str]], str]:
    """Scan one file of a folder for data. Return the categories, the gaps, and the whole report as text."""
    path = root / "data" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    report = scan(root, ("dataset",))
    found = {field.category for fact in report.facts if isinstance(fact, Dataset) for field in fact.fields}
    return found, [(gap.kind, gap.reason) for gap in report.gaps], codec.dumps(codec.encode(report))


def _stream() -> bytes:
    table = pa.Table.from_pylist(RECORDS)
    sink = io.BytesIO()
    with ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def _file() -> bytes:
    table = pa.Table.from_pylist(RECORDS)
    sink = io.BytesIO()
    with ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def _parquet(table: pa.Table, **options: object) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


@pytest.mark.parametrize(
    "encoding",
    ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be", "cp1252", "gb18030"],
)
@pytest.mark.parametrize(("name", "text"), [("a.csv", CSV), ("a.jsonl", LINES), ("a.json", json.dumps(RECORDS))])
def test_every_encoding_is_read(tmp_path: Path, encoding: str, name: str, text: str) -> None:
    found, _, _ = seen(tmp_path, name, text.encode(encoding))

    assert EMAIL in found


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.csv", CSV.encode().replace(b"Deich 3", b"De\0ich 3")),
        ("a.csv", CSV.encode() * 200 + b"\0\0" + CSV.encode()),
        ("a.jsonl", LINES.encode() + b"\0" * 10),
    ],
)
def test_zero_bytes_in_a_text_do_not_hide_the_rest(tmp_path: Path, name: str, data: bytes) -> None:
    found, _, _ = seen(tmp_path, name, data)

    assert EMAIL in found


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.parquet", CSV.encode()),
        ("a.xlsx", CSV.encode()),
        ("a.csv", _parquet(pa.Table.from_pylist(RECORDS))),
        ("a.csv", _stream()),
        ("stream", _stream()),
        ("people", CSV.encode()),
        ("people", LINES.encode()),
        ("people", json.dumps(RECORDS).encode()),
        ("people", gzip.compress(CSV.encode())),
        ("people.csv.bak", CSV.encode()),
        ("people.csv~", CSV.encode()),
        ("people.csv.1", CSV.encode()),
        ("a.png", CSV.encode()),
    ],
)
def test_the_content_counts_and_not_the_name(tmp_path: Path, name: str, data: bytes) -> None:
    found, _, _ = seen(tmp_path, name, data)

    assert EMAIL in found


@pytest.mark.parametrize("name", ["a.parquet", "a.feather", "a.arrow", "a.orc", "a.avro", "a.sqlite", "a.xlsx", "a.npy", "a.h5", "a.pdf", "a.har"])  # fmt: skip
@pytest.mark.parametrize("data", [b"P", b"\x00\x01\x02", b"\xff\xfe\xfd\x00\x80junk"])
def test_what_only_is_named_like_a_table_is_a_gap(tmp_path: Path, name: str, data: bytes) -> None:
    found, gaps, _ = seen(tmp_path, name, data)

    assert not found
    assert gaps
    assert all(kind != "crash" for kind, _ in gaps)


def test_a_source_file_without_suffix_is_no_table(tmp_path: Path) -> None:
    found, gaps, _ = seen(tmp_path, "Makefile", b"all:\n\techo mira@kunde.intern\n\nclean:\n\trm -rf build\n")

    assert (found, gaps) == (set(), [])


@pytest.mark.parametrize("data", [_stream(), _file()], ids=["stream", "file"])
def test_damaged_arrow_ends_in_fields_or_gaps(tmp_path: Path, data: bytes) -> None:
    for place in range(8, len(data), len(data) // 60):
        for value in (b"\xff", b"\x80", b"\xff\xff\xff\x7f"):
            source = of_bytes("a.arrow", data[:place] + value + data[place + len(value) :])
            _read(source)


def _read(source: object) -> None:
    from mlguard.errors import Unreadable
    from mlguard.scanners.dataset import counted, formats

    try:
        for table in formats.tables(source, "arrow"):  # type: ignore[arg-type]
            counted(table)
    except Unreadable:
        return


def test_texts_that_are_no_utf8_are_read(tmp_path: Path) -> None:
    raw = pa.array([b"Jos\xe9 Garc\xeda", b"mira@kunde.intern", b"Andr\xe9"], pa.binary()).view(pa.string())
    table = pa.table({"note": raw, "email": [mail for mail, _ in PEOPLE[:3]]})

    found, gaps, _ = seen(tmp_path, "a.parquet", _parquet(table))

    assert EMAIL in found
    assert not gaps


def test_a_batch_with_nested_texts_that_are_no_utf8_is_repaired() -> None:
    bad = pa.array([b"Jos\xe9", None, b"x"], pa.binary()).view(pa.string())
    batch = pa.RecordBatch.from_arrays(
        [bad, pa.ListArray.from_arrays([0, 1, 1, 3], bad), pa.StructArray.from_arrays([bad], ["n"])],
        names=["a", "b", "c"],
    )

    made = sound.sound(batch)

    made.validate(full=True)
    assert made.column(0).to_pylist() == ["José", None, "x"]
    assert made.column(1).to_pylist() == [["José"], [], [None, "x"]]


def test_a_table_without_rows_has_columns(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(_parquet(pa.table({"email": pa.array([], pa.string())})))

    facts = [fact for fact in scan(tmp_path, ("dataset",)).facts if isinstance(fact, Dataset)]

    assert [(fact.rows, fact.columns) for fact in facts] == [(0, 1)]


@pytest.mark.parametrize(
    "text",
    [
        '{"a":' * 100_000 + "1" + "}" * 100_000 + "\n" + LINES,
        LINES + "[" * 100_000 + "\n",
        '{"email":"mira@kunde.intern","email":"x"}\n',
        '{"a":"\\ud800","\\ud800":"mira@kunde.intern"}\n' * 3,
        '{"a":NaN,"b":1e999}\n' + LINES,
        '{"a":1}\n{"a":"mira@kunde.intern"}\n{"a":[1,{"b":2}]}\n5\nnull\n',
    ],
    ids=["deep", "deep and cut", "twice", "surrogate", "not a number", "types"],
)
def test_odd_lines_of_json_hide_nothing(tmp_path: Path, text: str) -> None:
    found, gaps, _ = seen(tmp_path, "a.jsonl", text.encode())

    assert EMAIL in found
    assert all(kind != "crash" for kind, _ in gaps)


@pytest.mark.parametrize(
    "value",
    [[mail for mail, _ in PEOPLE], dict(PEOPLE), {mail: [street] for mail, street in PEOPLE}, RECORDS[0], PEOPLE[0][0]],
    ids=["list", "by address", "lists by address", "one record", "one text"],
)
def test_json_of_any_form_in_a_folder_for_data_is_read(tmp_path: Path, value: object) -> None:
    found, _, _ = seen(tmp_path, "a.json", json.dumps(value).encode())

    assert EMAIL in found


def test_records_with_keys_of_their_own_stay_in_bounds() -> None:
    data = "".join(json.dumps({f"k{number}": "x"}) + "\n" for number in range(6000)).encode()

    batches = [batch for table in jsonlines.tables(of_bytes("a.jsonl", data)) for batch in table.batches]

    assert sum(batch.num_rows for batch in batches) == 6000
    assert max(batch.num_rows * batch.num_columns for batch in batches) <= 16 * 2**20


def test_an_array_of_many_small_values_takes_linear_time(tmp_path: Path) -> None:
    began = time.process_time()

    found, gaps, _ = seen(tmp_path, "a.json", b"[" + b"1," * 2_500_000 + b'"mira@kunde.intern"]')

    assert (found, gaps) == ({EMAIL}, [])
    assert time.process_time() - began < 60


def test_a_header_of_thousands_of_columns_is_a_header(tmp_path: Path) -> None:
    header = ",".join(f"measure_{number}" for number in range(9999)) + ",email\n"
    row = "1," * 9999 + "mira@kunde.intern\n"
    (tmp_path / "a.csv").write_text(header + row * 3)

    facts = [fact for fact in scan(tmp_path, ("dataset",)).facts if isinstance(fact, Dataset)]

    assert [(fact.rows, [field.name for field in fact.fields]) for fact in facts] == [(3, ["email"])]


def test_a_cell_beyond_the_limit_is_parted_and_the_rows_around_it_are_read(tmp_path: Path) -> None:
    data = CSV.encode() + b"mira@kunde.intern," + b"x" * (lines.MAX_LINE_CHARS + 9) + b"\n" + CSV.encode()

    found, _, _ = seen(tmp_path, "a.csv", data)

    assert EMAIL in found


def test_cells_of_parquet_that_are_too_large_are_a_gap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlguard.scanners.dataset.formats import parquet

    monkeypatch.setattr(parquet, "HEAVY_BYTES", 2**20)
    monkeypatch.setattr(parquet, "MAX_CELL_BYTES", 2**18)
    blobs = [chr(97 + number) * 2**20 for number in range(3)]
    table = pa.table({"email": [mail for mail, _ in PEOPLE[:3]], "blob": blobs})

    found, gaps, _ = seen(tmp_path, "a.parquet", _parquet(table, compression="zstd"))

    assert EMAIL in found
    assert [kind for kind, _ in gaps] == ["too-large"]


def _named_sqlite(path: Path) -> None:
    with sqlite3.connect(path) as base:
        base.execute('CREATE TABLE "mira@kunde.intern" (email)')
        base.execute('INSERT INTO "mira@kunde.intern" VALUES (?)', ("jo@kunde.intern",))
    base.close()


def _named_hdf5(path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        file.create_group("list").create_dataset("mira@kunde.intern", data=["jo@kunde.intern"] * 3)


def _named_npz(path: Path) -> None:
    np = pytest.importorskip("numpy")
    np.savez(path, **{"mira@kunde.intern": np.array(["jo@kunde.intern"] * 3)})


def _named_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mira@kunde.intern.csv", CSV)


@pytest.mark.parametrize(
    ("name", "write"),
    [("a.sqlite", _named_sqlite), ("a.h5", _named_hdf5), ("a.npz", _named_npz), ("a.zip", _named_zip)],
)
def test_the_name_of_a_part_that_is_an_address_is_not_shown(
    tmp_path: Path, name: str, write: Callable[[Path], None]
) -> None:
    write(tmp_path / name)

    report = codec.dumps(codec.encode(scan(tmp_path)))

    assert "kunde.intern" not in report
    assert EMAIL in report


def test_the_output_of_a_notebook_is_not_shown(tmp_path: Path) -> None:
    output = {
        "output_type": "stream",
        "name": "stdout",
        "text": ["mira@kunde.intern Zorbalina Quastenberg Querweg 7\n"],
    }
    cell = {"cell_type": "code", "source": ["x"], "metadata": {}, "execution_count": 1, "outputs": [output]}
    notebook = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (tmp_path / "a.ipynb").write_text(json.dumps(notebook))

    report = codec.dumps(codec.encode(scan(tmp_path)))

    assert "personal-data-in-notebook" in report
    assert "Quastenberg" not in report


def test_mlguard_data_survives_a_reader_that_fails(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(CSV)
    (tmp_path / "b.csv").write_text(CSV)
    broken = (
        "import sys; from mlguard.scanners.dataset.formats import separated as s; t = s.tables\n"
        "def tables(source, d=''):\n    if source.name.endswith('a.csv'): raise KeyError('mira@kunde.intern')\n    return t(source, d)\n"
        "s.tables = tables; from mlguard.cli import main; sys.exit(main(['data', 'a.csv', 'b.csv']))"
    )

    done = subprocess.run([sys.executable, "-c", broken], capture_output=True, text=True, cwd=tmp_path)

    assert done.returncode == 3, done.stderr
    assert "e-mail addresses" in done.stdout
    assert "KeyError" in done.stdout
    assert "mira@kunde.intern" not in done.stdout + done.stderr
