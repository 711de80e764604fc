"""Binary formats of tables: what their own libraries write is found, and damage ends in a gap and nothing else."""

from __future__ import annotations

import base64
import datetime
import io
import json
import os
import pickle
import sqlite3
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import orc as arrow_orc

from mlguard.errors import Unreadable
from mlguard.scanners.dataset import formats
from mlguard.scanners.dataset.formats import avro, hdf5, npy, orc, pickled, spreadsheet, sqlite
from mlguard.scanners.dataset.source import Source, of_bytes
from mlguard.scanners.dataset.table import Table

np = pytest.importorskip("numpy")
h5py = pytest.importorskip("h5py")
fastavro = pytest.importorskip("fastavro")
openpyxl = pytest.importorskip("openpyxl")

MAILS = [f"mira{number}@kunde.intern" for number in range(6)]
HERE = Path(__file__).parent


class Seen:
    """All that a reader tells of a source."""

    def __init__(self) -> None:
        self.rows: dict[str, int] = {}
        self.columns: dict[str, dict[str, list[Any]]] = {}
        self.texts: list[str] = []
        self.missed: list[str] = []
        self.trouble: list[str] = []

    @property
    def whole(self) -> str:
        """Everything as one text."""
        return repr(self.columns) + repr(self.texts)

    @property
    def told(self) -> list[str]:
        """What was not read."""
        return self.missed + self.trouble


def look(tables: Callable[[Source], Iterator[Table]], source: Source) -> Seen:
    """Read all tables of a source. Nothing but Unreadable may be raised."""
    seen = Seen()
    try:
        for table in tables(source):
            try:
                for batch in table.batches:
                    assert batch.num_rows <= 131_072
                    batch.validate(full=True)
                    seen.rows[table.name] = seen.rows.get(table.name, 0) + batch.num_rows
                    columns = seen.columns.setdefault(table.name, {})
                    for name, column in zip(batch.schema.names, batch.columns, strict=True):
                        if len(columns.get(name, ())) < 5000:
                            columns.setdefault(name, []).extend(column.slice(0, 5000).to_pylist())
            except Unreadable as trouble:
                seen.trouble.append(str(trouble))
            seen.missed += [reason for _, reason in table.missed]
            seen.texts += [line for _, lines in table.texts for line in lines]
    except Unreadable as trouble:
        seen.trouble.append(str(trouble))
    return seen


def local(path: Path) -> Source:
    return Source(path.name, path.stat().st_size, lambda: open(path, "rb"), path)


@cache
def _packed(name: str) -> dict[str, bytes]:
    known = json.loads((HERE / name).read_text())
    return {key: zlib.decompress(base64.b64decode(value)) for key, value in known.items()}


# -- builders


@cache
def an_orc() -> bytes:
    out = io.BytesIO()
    arrow_orc.write_table(pa.table({"mail": MAILS, "age": [30, 31, 32, 33, 34, 35], "tags": [["a"], []] * 3}), out)
    return out.getvalue()


@cache
def an_avro(codec: str = "deflate", count: int = 200) -> bytes:
    schema = {
        "type": "record",
        "name": "Person",
        "doc": "asked by olga@kunde.intern",
        "fields": [
            {"name": "mail", "type": "string"},
            {"name": "age", "type": ["null", "long"]},
            {"name": "born", "type": {"type": "int", "logicalType": "date"}},
            {"name": "phones", "type": {"type": "array", "items": "string"}},
        ],
    }
    out = io.BytesIO()
    people = (
        {"mail": f"mira{at}@kunde.intern", "age": at, "born": at * 100, "phones": ["+49 30 123"]} for at in range(count)
    )
    fastavro.writer(out, schema, people, codec=codec, sync_interval=1000)
    return out.getvalue()


@cache
def a_database() -> bytes:
    database = sqlite3.connect(":memory:")
    database.execute("PRAGMA secure_delete=OFF")
    database.execute("CREATE TABLE people (id INTEGER PRIMARY KEY, mail TEXT, name TEXT, body BLOB)")
    database.execute("CREATE TABLE keyed (code TEXT PRIMARY KEY, value) WITHOUT ROWID")
    database.execute("CREATE VIEW grown AS SELECT * FROM people")
    database.execute("CREATE VIRTUAL TABLE notes USING fts5(title, body)")
    database.execute("INSERT INTO notes VALUES ('call', 'write to ines@kunde.intern')")
    database.executemany("INSERT INTO keyed VALUES (?, ?)", [("a", 1), ("b", "tomas@kunde.intern")])
    people = [
        (at, f"mira{at}@kunde.intern", f"Mira Holm{at}", b'{"a": 1}' if at % 2 else b"\x00\xff") for at in range(300)
    ]
    database.executemany("INSERT INTO people VALUES (?, ?, ?, ?)", people)
    database.commit()
    database.execute("DELETE FROM people WHERE id IN (3, 77, 150, 299)")
    database.execute("CREATE TABLE gone (mail TEXT, name TEXT)")
    database.executemany(
        "INSERT INTO gone VALUES (?, ?)", [(f"gone{at}@kunde.intern", f"Otto{at}") for at in range(200)]
    )
    database.commit()
    database.execute("DROP TABLE gone")
    database.commit()
    return database.serialize()


@cache
def a_workbook() -> bytes:
    from openpyxl.comments import Comment

    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "People"
    sheet["A2"] = "Report for Olga"
    for column, name in enumerate(("Name", "Mail", "Born", "Age"), 1):
        sheet.cell(4, column, name)
    for at in range(30):
        sheet.append([f"Mira Holm{at}", f"mira{at}@kunde.intern", datetime.date(1980, 1, 1 + at % 28), 20 + at])
    sheet["B5"].comment = Comment("call ines@kunde.intern", "Otto Autor")
    hidden = book.create_sheet("Hidden")
    hidden.sheet_state = "veryHidden"
    hidden.append(["tomas@kunde.intern", 1])
    far = book.create_sheet("Far")
    far["A1"], far["XFD1048576"] = "first@kunde.intern", "last@kunde.intern"
    book.properties.creator = "Petra Urheber"
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


@cache
def an_open_sheet() -> bytes:
    rows = "".join(
        f'<table:table-row><table:table-cell office:value-type="string"><text:p>{name}</text:p></table:table-cell>'
        f'<table:table-cell office:value-type="string"><text:p>{mail}</text:p></table:table-cell></table:table-row>'
        for name, mail in [("Name", "Mail"), *((f"Mira Holm{at}", mail) for at, mail in enumerate(MAILS))]
    )
    content = (
        '<office:document-content xmlns:office="o" xmlns:table="t" xmlns:text="x"><office:body><office:spreadsheet>'
        f'<table:table table:name="People">{rows}<table:table-row table:number-rows-repeated="1048000">'
        '<table:table-cell table:number-columns-repeated="16384"/></table:table-row></table:table>'
        '<table:table table:name="Two"><table:table-row><table:table-cell office:value-type="float" office:value="42">'
        "<text:p>42</text:p><office:annotation><text:p>ask ines@kunde.intern</text:p></office:annotation></table:table-cell>"
        "</table:table-row></table:table></office:spreadsheet></office:body></office:document-content>"
    )
    return a_zip({"mimetype": b"application/vnd.oasis.opendocument.spreadsheet", "content.xml": content.encode()})


def a_zip(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


@cache
def a_store() -> bytes:
    out = io.BytesIO()
    with h5py.File(out, "w") as file:
        file.attrs["author"] = "olga@kunde.intern"
        file["any"] = np.array(MAILS, dtype=h5py.string_dtype())
        file["fixed"] = np.array([mail.encode() for mail in MAILS])
        file["numbers"] = np.arange(1000)
        file["one"] = "ines@kunde.intern"
        records = np.zeros(6, dtype=[("mail", "S30"), ("id", "<i8"), ("name", h5py.string_dtype())])
        records["mail"], records["name"] = [mail.encode() for mail in MAILS], "Mira"
        file.create_dataset("group/people", data=records)
        file["elsewhere"] = h5py.ExternalLink("/etc/other.h5", "/x")
        file["again"] = h5py.SoftLink("/any")
        file["pointers"] = np.array([file["any"].ref], dtype=h5py.ref_dtype)
        layout = h5py.VirtualLayout((10,), "i8")
        layout[:] = h5py.VirtualSource("/tmp/other.h5", "x", (10,))
        file.create_virtual_dataset("virtual", layout)
    return out.getvalue()


@cache
def an_array() -> bytes:
    out = io.BytesIO()
    records = np.zeros(6, dtype=[("mail", "U30"), ("id", "<i8"), ("inner", [("code", "S4")])])
    records["mail"] = MAILS
    np.save(out, records)
    return out.getvalue()


@cache
def arrays() -> bytes:
    out = io.BytesIO()
    np.savez_compressed(
        out, mail=np.array(MAILS), numbers=np.arange(12).reshape(4, 3), people=np.array(MAILS, dtype=object)
    )
    return out.getvalue()


# -- what is written is found


def test_orc_gives_back_what_was_written() -> None:
    seen = look(orc.tables, of_bytes("a.orc", an_orc()))

    assert seen.columns[""] == {"mail": MAILS, "age": [30, 31, 32, 33, 34, 35], "tags": [["a"], []] * 3}
    assert not seen.told


@pytest.mark.parametrize("codec", ["null", "deflate", "bzip2", "xz", "zstandard"])
def test_avro_gives_back_what_was_written(codec: str) -> None:
    seen = look(avro.tables, of_bytes("a.avro", an_avro(codec)))

    assert seen.rows == {"": 200}
    assert seen.columns[""]["mail"][199] == "mira199@kunde.intern"
    assert seen.columns[""]["born"][1] == datetime.date(1970, 4, 11)
    assert "asked by olga@kunde.intern" in seen.texts
    assert not seen.told


def test_avro_blocks_packed_with_snappy_are_read() -> None:
    plain = an_avro("null", 20)
    start = plain.index(b"avro.codec")
    begin = plain.index(b"\0", start + len(b"avro.codec") + 5) + 1
    sync = plain[begin : begin + 16]
    count, size, at = plain[begin + 16], 0, begin + 17
    shift = 0
    while True:
        size |= (plain[at] & 0x7F) << shift
        shift += 7
        at += 1
        if plain[at - 1] < 0x80:
            break
    block = plain[at : at + (size >> 1)]
    packed = pa.Codec("snappy").compress(block, asbytes=True) + zlib.crc32(block).to_bytes(4, "big")
    header = plain[:begin].replace(b"\x14avro.codec\x08null", b"\x14avro.codec\x0csnappy")

    seen = look(
        avro.tables, of_bytes("a.avro", header + sync + bytes([count]) + avro._written(len(packed)) + packed + sync)
    )

    assert seen.rows == {"": count >> 1}


def test_a_date_that_no_calendar_has_takes_no_other_row_along() -> None:
    out = io.BytesIO()
    plain = {
        "type": "record",
        "name": "p",
        "fields": [{"name": "mail", "type": "string"}, {"name": "born", "type": "int"}],
    }
    fastavro.writer(out, plain, [{"mail": mail, "born": 2**30 if at == 3 else at} for at, mail in enumerate(MAILS)])
    dated = out.getvalue().replace(b'{"name": "born", "type": "int"}', b'{"name": "born", "type": "int"}')
    schema = json.dumps(
        {**plain, "fields": [plain["fields"][0], {"name": "born", "type": {"type": "int", "logicalType": "date"}}]}
    ).encode()  # type: ignore[index]  # a dictionary of mixed values
    meta = avro.header(io.BytesIO(dated))
    body = dated[dated.index(meta["sync"]) :]
    data = b"Obj\x01" + avro._written(1) + avro._pair(b"avro.schema", schema) + avro._written(0) + body

    seen = look(avro.tables, of_bytes("a.avro", data))

    assert seen.columns[""]["mail"] == MAILS


@pytest.mark.parametrize("in_memory", [False, True])
def test_every_table_of_a_database_is_read(tmp_path: Path, in_memory: bool) -> None:
    path = tmp_path / "a ?#%.db"
    path.write_bytes(a_database())

    seen = look(sqlite.tables, of_bytes("a.db", a_database()) if in_memory else local(path))

    assert seen.rows == {"people": 296, "keyed": 2, "notes": 1}
    assert seen.columns["keyed"]["value"] == ["1", "tomas@kunde.intern"]
    assert seen.columns["notes"]["body"] == ["write to ines@kunde.intern"]
    assert seen.columns["people"]["body"][1] == '{"a": 1}'
    assert [reason for reason in seen.missed if "binary values of the column body" in reason]
    assert sorted(item.name for item in tmp_path.iterdir()) == ["a ?#%.db"]


def test_rows_that_were_deleted_are_found_in_free_space() -> None:
    seen = look(sqlite.tables, of_bytes("a.db", a_database()))

    found = "\n".join(seen.texts)
    assert all(f"mira{at}@kunde.intern" in found for at in (3, 77, 150, 299))
    assert sum(f"gone{at}@kunde.intern" in found for at in range(200)) >= 190


def test_a_vacuumed_database_has_nothing_left_over(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    path.write_bytes(a_database())
    with sqlite3.connect(path, isolation_level=None) as database:
        database.execute("VACUUM")
    database.close()

    seen = look(sqlite.tables, local(path))

    assert not [text for text in seen.texts if "gone" in text or "mira3@" in text]


def test_a_log_beside_the_database_is_a_gap(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    database = sqlite3.connect(path)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("CREATE TABLE t (mail)")
    database.execute("INSERT INTO t VALUES ('mira@kunde.intern')")
    database.commit()
    before = {item.name: item.read_bytes() for item in tmp_path.iterdir()}

    seen = look(sqlite.tables, local(path))

    assert [reason for reason in seen.told if "write-ahead log" in reason]
    assert {item.name: item.read_bytes() for item in tmp_path.iterdir()} == before
    database.close()


def test_a_value_that_is_too_long_takes_no_other_row_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "MAX_VALUE_BYTES", 100_000)
    path = tmp_path / "a.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE t (mail, note)")
        people = [(mail, "x" * (300_000 if at == 2 else 10)) for at, mail in enumerate(MAILS)]
        database.executemany("INSERT INTO t VALUES (?, ?)", people)
    database.close()

    seen = look(sqlite.tables, local(path))

    assert seen.columns["t"]["mail"] == MAILS
    assert seen.columns["t"]["note"][2] is None
    assert [reason for reason in seen.missed if "values of more than" in reason]


def test_a_column_that_would_compute_is_not_computed(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE t (mail, big AS (hex(zeroblob(10000000))) VIRTUAL)")
        database.executemany("INSERT INTO t VALUES (?)", [(mail,) for mail in MAILS])
    database.close()

    seen = look(sqlite.tables, local(path))

    assert seen.columns == {"t": {"mail": MAILS}}


def test_arrays_give_back_what_was_written() -> None:
    one, several = look(npy.tables, of_bytes("a.npy", an_array())), look(npy.tables, of_bytes("a.npz", arrays()))

    assert one.columns[""]["mail"] == MAILS and set(one.columns[""]) == {"mail", "id", "inner.code"}
    assert several.columns["mail"][""] == MAILS == several.columns["people"][""]
    assert several.rows["numbers"] == 4
    assert not one.told + several.told


@pytest.mark.parametrize("order", ["C", "F"])
def test_columns_of_an_array_of_two_dimensions_stay_apart(order: Any) -> None:
    out = io.BytesIO()
    np.save(out, np.array([MAILS, ["+49 30 1234567"] * 6]).T.copy(order))

    tables = npy.tables(of_bytes("a.npy", out.getvalue()))

    assert [column.to_pylist() for table in tables for batch in table.batches for column in batch.columns] == [
        MAILS,
        ["+49 30 1234567"] * 6,
    ]


def test_numbers_that_are_no_characters_do_not_end_the_read() -> None:
    out = io.BytesIO()
    np.save(out, np.array(MAILS))

    seen = look(npy.tables, of_bytes("a.npy", out.getvalue()[:-4] + b"\xff\xff\xff\x7f"))

    assert MAILS[0] in seen.whole


@pytest.mark.parametrize("name", sorted(json.loads((HERE / "frames.json").read_text())))
def test_a_pickle_of_any_version_gives_back_its_columns(name: str) -> None:
    seen = look(
        lambda source: pickled.tables(source, models="encoder" in name), of_bytes("a.pkl", _packed("frames.json")[name])
    )

    assert not seen.told
    kind = name.partition(": ")[2]
    if kind.startswith("frame,") or "joblib" in kind:
        columns = seen.columns[""]
        assert columns["mail"] == [*MAILS[:5], None]
        assert (
            columns["name"][5] == "Mira Holm5"
            and columns["age"] == list(range(30, 36))
            and columns["size"] == list(range(6))
        )
        assert columns["town"] == ["Ulm", "Bern"] * 3 and columns["code"] == list("abcdef")
        assert columns["born"][1].date() == datetime.date(1980, 1, 2)
        assert columns["points"] == [None, 1, 2, 3, 4, 5]
    elif kind == "frames in a dictionary":
        assert seen.rows == {"train": 6, "test": 2}
    elif kind == "encoder":
        assert seen.columns["classes_"][""] == MAILS
    else:
        assert all(mail in seen.whole for mail in MAILS[:5])
    if kind in ("frame with an index", "frame with two levels", "series", "polars"):
        assert seen.columns[""]["mail"][:5] == MAILS[:5]


def test_records_and_columns_in_plain_containers_are_tables() -> None:
    people = [{"mail": mail, "age": at} for at, mail in enumerate(MAILS)]
    whole = {"mail": MAILS, "age": [0, 1, 2, 3, 4, 5]}

    for data in (people, whole, {mail: {"mail": mail, "age": at} for at, mail in enumerate(MAILS)}, tuple(people)):
        for protocol in range(6):
            seen = look(pickled.tables, of_bytes("a.pkl", pickle.dumps(data, protocol)))
            assert {key: seen.columns[""][key] for key in whole} == whole, (type(data), protocol)


def test_a_model_is_left_to_the_scanner_of_models() -> None:
    encoder = _packed("frames.json")["pandas 3.1.1: encoder"]

    assert not pickled.is_data(of_bytes("a.pkl", encoder))
    assert not look(pickled.tables, of_bytes("a.pkl", encoder)).columns
    assert pickled.is_data(of_bytes("a.pkl", _packed("frames.json")["pandas 3.1.1: frame, protocol 5"]))


class _Runs:
    def __init__(self, marker: str) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.marker}",)


def test_a_pickle_that_would_run_does_not(tmp_path: Path) -> None:
    marker = tmp_path / "it-ran"
    data = pickle.dumps([{"mail": MAILS[0], "x": _Runs(str(marker))}] + [{"mail": mail, "x": 1} for mail in MAILS])
    out = io.BytesIO()
    np.save(out, np.array([_Runs(str(marker)), *MAILS], dtype=object))

    for tables, source in ((pickled.tables, of_bytes("a.pkl", data)), (npy.tables, of_bytes("a.npy", out.getvalue()))):
        look(tables, source)
        look(lambda source: pickled.tables(source, True), of_bytes("a.pkl", data))

    assert not marker.exists()


def test_every_sheet_of_a_workbook_is_read_and_what_lies_beside_the_cells() -> None:
    seen = look(spreadsheet.tables, of_bytes("a.xlsx", a_workbook()))

    people = seen.columns["People"]
    assert seen.rows == {"People": 30, "Hidden": 1, "Far": 1}
    assert list(people) == ["Name", "Mail", "Born", "Age"]
    assert people["Born"][1] == datetime.datetime(1980, 1, 2) and people["Age"][1] == 21
    assert (
        "tomas@kunde.intern" in seen.whole and "first@kunde.intern" in seen.whole and "last@kunde.intern" in seen.whole
    )
    for text in ("Report for Olga", "call ines@kunde.intern", "Otto Autor", "Petra Urheber"):
        assert text in seen.texts
    assert not seen.told


def test_an_open_document_sheet_is_read() -> None:
    seen = look(spreadsheet.tables, of_bytes("a.ods", an_open_sheet()))

    assert seen.columns["People"]["Mail"] == MAILS
    assert seen.rows == {"People": 6, "Two": 1}
    assert "ask ines@kunde.intern" in seen.texts


@pytest.mark.parametrize("kind", ["xls", "xlsb"])
def test_binary_workbooks_are_read(kind: str) -> None:
    pytest.importorskip("python_calamine")

    seen = look(spreadsheet.tables, of_bytes("a." + kind, _packed("workbooks.json")[kind]))

    assert seen.columns["People"]["Mail"][19] == "mira19@kunde.intern"
    assert "olga@kunde.intern" in seen.whole


def test_an_encrypted_workbook_is_a_gap() -> None:
    seen = look(spreadsheet.tables, of_bytes("a.xlsx", _packed("workbooks.json")["encrypted.xlsx"]))

    assert seen.trouble == ["the workbook is encrypted: save a copy without a password, or exclude it"]


def test_a_store_gives_back_its_datasets_and_follows_nothing() -> None:
    seen = look(hdf5.tables, of_bytes("a.h5", a_store()))

    assert seen.columns["any"][""] == MAILS == seen.columns["fixed"][""] == seen.columns["group/people"]["mail"]
    assert seen.columns["one"][""] == ["ines@kunde.intern"]
    assert "again" not in seen.columns and "virtual" not in seen.columns
    assert "author: olga@kunde.intern" in seen.texts
    assert len([reason for reason in seen.missed if "not followed" in reason]) == 3


def test_kinds_of_these_formats_have_readers() -> None:
    cases = {"a.orc": an_orc(), "a.avro": an_avro(), "a.db": a_database(), "a.h5": a_store(), "a.npy": an_array(),
             "a.xls": _packed("workbooks.json")["xls"], "a.pkl": _packed("frames.json")["pandas 3.1.1: frame, protocol 4"]}  # fmt: skip

    for name, data in cases.items():
        kind = formats.kind_of(of_bytes(name, data))
        assert kind in formats.MODULES, name
        assert MAILS[1] in look(formats.tables, of_bytes(name, data)).whole


# -- lies


def test_a_far_cell_makes_no_memory_of_a_sheet() -> None:
    pytest.importorskip("python_calamine")

    seen = look(spreadsheet.tables, of_bytes("a.xls", _packed("workbooks.json")["far.xls"]))

    assert [reason for reason in seen.trouble if "reach over more than" in reason]


def test_a_workbook_that_unpacks_without_end_is_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    from mlguard.scanners.dataset.formats import sheets_xml

    monkeypatch.setattr(sheets_xml, "MAX_XML_BYTES", 2**20)
    bomb = a_zip(
        {
            "xl/workbook.xml": b"<workbook/>",
            "xl/sharedStrings.xml": b"<sst>" + b"<si><t>a</t></si>" * 200_000 + b"</sst>",
        }
    )

    seen = look(spreadsheet.tables, of_bytes("a.xlsx", bomb))

    assert [reason for reason in seen.told if "unpacks to more" in reason]


def test_a_workbook_that_declares_entities_is_a_gap() -> None:
    book = a_zip({"xl/workbook.xml": b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><workbook>&b;</workbook>'})

    assert look(spreadsheet.tables, of_bytes("a.xlsx", book)).told


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<U250000000', 'fortran_order': False, 'shape': (1,), }",
        "{'descr': '<U0', 'fortran_order': False, 'shape': (1000000000000,), }",
        "{'descr': '<i8', 'fortran_order': False, 'shape': (1000000000000,), }",
        "{'descr': '<i8', 'fortran_order': True, 'shape': (1000000000000, 3), }",
        "{'descr': '|V1073741824', 'fortran_order': False, 'shape': (), }",
        "{'descr': [('a', '<U9')] * 9, 'fortran_order': False, 'shape': (3,), }",
        "{'descr': '<i8', 'fortran_order': False, 'shape': (-3,), }",
    ],
)
def test_a_header_of_an_array_that_lies_is_a_gap(header: str) -> None:
    text = header.encode() + b"\n"
    data = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + b"12345678" * 10

    assert look(npy.tables, of_bytes("a.npy", data)).told


def test_an_avro_block_that_claims_too_much_is_a_gap() -> None:
    head = an_avro("null", 3)
    meta = avro.header(io.BytesIO(head))
    start = head.index(meta["sync"]) + 16
    schema = {"type": "record", "name": "p", "fields": [{"name": "a", "type": {"type": "array", "items": "null"}}]}

    for claim in (
        avro._written(3) + avro._written(2**40),
        avro._written(2**50) + avro._written(4) + b"abcd",
        avro._written(-5) + avro._written(3),
    ):
        assert look(avro.tables, of_bytes("a.avro", head[:start] + claim)).told
    nothing = (
        b"Obj\x01"
        + avro._written(1)
        + avro._pair(b"avro.schema", json.dumps(schema).encode())
        + avro._written(0)
        + meta["sync"]
    )
    block = avro._written(2**40) + avro._written(0)
    assert look(
        avro.tables, of_bytes("a.avro", nothing + avro._written(1) + avro._written(len(block)) + block + meta["sync"])
    ).told


def test_an_avro_record_that_is_nested_without_end_is_a_gap() -> None:
    schema = {
        "type": "record",
        "name": "L",
        "fields": [{"name": "v", "type": "string"}, {"name": "n", "type": ["null", "L"]}],
    }
    body = (avro._written(1) + b"a" + avro._written(1)) * 200_000 + avro._written(1) + b"a" + avro._written(0)
    head = b"Obj\x01" + avro._written(1) + avro._pair(b"avro.schema", json.dumps(schema).encode()) + avro._written(0)

    assert look(
        avro.tables,
        of_bytes("a.avro", head + b"s" * 16 + avro._written(1) + avro._written(len(body)) + body + b"s" * 16),
    ).told


def test_a_pickle_that_claims_too_much_is_a_gap() -> None:
    for data in (b"\x80\x04\x8d" + (2**40).to_bytes(8, "little") + b"abc.", b"\x80\x04]r\xff\xff\xff\xff(" + b"]" * 50 + b"e.", b"\x80\x04" + b"(" * 100_000, b"\x80\x04" + b"]" * 1000 + b"a" * 999 + b"."):  # fmt: skip
        look(pickled.tables, of_bytes("a.pkl", data))
    assert look(pickled.tables, of_bytes("a.pkl", b"\x80\x04]\x94(\x8d" + (2**40).to_bytes(8, "little") + b"abc")).told


def test_a_dataset_that_claims_more_than_the_file_holds_is_a_gap() -> None:
    out = io.BytesIO()
    with h5py.File(out, "w") as file:
        dataset = file.create_dataset("huge", shape=(10**12,), chunks=(1000,), dtype="i8", compression="gzip")
        dataset[5] = 7

    assert [
        reason for reason in look(hdf5.tables, of_bytes("a.h5", out.getvalue())).told if "more values than" in reason
    ]


# -- damage


READERS: dict[str, Any] = {
    "avro": avro,
    "sqlite": sqlite,
    "npy": npy,
    "pickled": pickled,
    "spreadsheet": spreadsheet,
    "hdf5": hdf5,
}
SAMPLES: dict[str, tuple[Any, Callable[[], bytes]]] = {
    "orc": (orc.tables, an_orc),
    "avro": (avro.tables, an_avro),
    "plain avro": (avro.tables, lambda: an_avro("null")),
    "sqlite": (sqlite.tables, a_database),
    "npy": (npy.tables, an_array),
    "npz": (npy.tables, arrays),
    "frame": (pickled.tables, lambda: _packed("frames.json")["pandas 3.1.1: frame, protocol 5"]),
    "old frame": (pickled.tables, lambda: _packed("frames.json")["pandas 1.5.3: frame, protocol 2"]),
    "joblib": (pickled.tables, lambda: _packed("frames.json")["pandas 2.2.3: joblib"]),
    "records": (pickled.tables, lambda: pickle.dumps([{"mail": mail, "age": 1} for mail in MAILS * 20])),
    "workbook": (spreadsheet.tables, a_workbook),
    "open sheet": (spreadsheet.tables, an_open_sheet),
    "store": (hdf5.inside, a_store),
}


@pytest.mark.parametrize("name", sorted(set(SAMPLES) - {"orc", "avro", "plain avro"}))
def test_a_file_that_is_cut_short_is_never_silent(name: str) -> None:
    tables, make = SAMPLES[name]
    data = make()

    for end in range(1, len(data), max(1, len(data) // 60)):
        assert look(tables, of_bytes("a", data[:end])).told, end


def test_a_cut_avro_file_is_silent_only_at_the_end_of_a_block() -> None:
    data = an_avro()
    sync = avro.header(io.BytesIO(data))["sync"]

    for end in range(1, len(data), 37):
        assert look(avro.tables, of_bytes("a", data[:end])).told or data[:end].endswith(sync), end


def test_a_cut_orc_file_is_never_silent() -> None:
    for end in range(1, len(an_orc()), len(an_orc()) // 5):
        assert look(orc.tables, of_bytes("a", an_orc()[:end])).told


@pytest.mark.parametrize("name", sorted(set(SAMPLES) - {"orc"}))
@settings(max_examples=40, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_bytes_that_were_turned_end_in_tables_or_gaps(name: str, data: st.DataObject) -> None:
    tables, make = SAMPLES[name]
    changed = bytearray(make())
    for place, value in data.draw(
        st.lists(st.tuples(st.integers(0, len(changed) - 1), st.integers(0, 255)), min_size=1, max_size=8)
    ):
        changed[place] = value

    look(tables, of_bytes("a", bytes(changed)))


@pytest.mark.parametrize("reader", sorted(READERS))
@settings(max_examples=40, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(tail=st.binary(max_size=400))
def test_any_bytes_end_in_tables_or_gaps(reader: str, tail: bytes) -> None:
    module = READERS[reader]
    heads = {"avro": b"Obj\x01", "sqlite": b"SQLite format 3\0", "npy": b"\x93NUMPY\x01\0", "pickled": b"\x80\x04", "spreadsheet": b"PK\x03\x04", "hdf5": b"\x89HDF\r\n\x1a\n"}  # fmt: skip
    tables = module.inside if reader == "hdf5" else module.tables

    for data in (tail, heads[reader] + tail):
        look(tables, of_bytes("a", data))


def test_a_library_that_crashes_is_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    from mlguard.scanners.dataset.formats import apart

    monkeypatch.setattr(apart, "READERS", frozenset())

    def crashing(reader: str) -> subprocess.Popen[bytes]:
        code = "import os, sys; sys.stdin.buffer.read(); os.abort()"
        return subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )

    monkeypatch.setattr(apart, "_started", crashing)

    assert look(orc.tables, of_bytes("a.orc", an_orc())).trouble == [apart._FAILED]


def test_no_value_is_in_any_reason() -> None:
    for tables, make in SAMPLES.values():
        for end in (0.3, 0.7, 0.95):
            told = look(tables, of_bytes("a", make()[: int(len(make()) * end)])).told
            assert not [reason for reason in told if "kunde" in reason or "Mira" in reason]


# -- memory


_MEASURE = """
import importlib, resource, sys  # what getrusage tells of the process itself counts its parent too
from pathlib import Path
from mlguard.scanners.dataset.source import Source
path = Path(sys.argv[2])
module = importlib.import_module("mlguard.scanners.dataset.formats." + sys.argv[1])
rows = 0
for table in module.tables(Source(path.name, path.stat().st_size, lambda: open(path, "rb"), path)):
    for batch in table.batches:
        rows += batch.num_rows
own = int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
used = max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
print(rows, used // 1024)
"""


def _measured(reader: str, path: Path) -> tuple[int, int]:
    """Return the rows that were read and the MiB that the larger process took."""
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE, reader, str(path)], capture_output=True, text=True, check=True
    )
    count, used = done.stdout.split()
    return int(count), int(used)


def test_a_large_orc_file_takes_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "large.orc"
    rng = np.random.default_rng(1)
    with arrow_orc.ORCWriter(path, stripe_size=2**29, compression="uncompressed") as writer:
        for _ in range(20):
            codes = rng.integers(0, 2**60, 200_000)
            writer.write(pa.table({"number": codes, "text": pa.array([f"{code:060d}" for code in codes.tolist()])}))
    assert path.stat().st_size > 250 * 2**20

    assert _measured("orc", path)[0] == 4_000_000
    assert _measured("orc", path)[1] < 400


def test_a_large_database_takes_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "large.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE t (number, mail, note)")
        rows = ((at, f"mira{at}@kunde.intern", "x" * 250) for at in range(1_000_000))
        database.executemany("INSERT INTO t VALUES (?, ?, ?)", rows)
        database.execute("DELETE FROM t WHERE number % 10 = 0")
    database.close()
    assert path.stat().st_size > 270 * 2**20

    count, used = _measured("sqlite", path)

    assert count == 900_000 and used < 400


def test_a_large_pickle_of_records_takes_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "large.pkl"
    with open(path, "wb") as file:
        pickle.dump(
            [{"mail": f"mira{at}@kunde.intern", "name": f"Mira {at}", "age": at % 90} for at in range(150_000)], file
        )

    count, used = _measured("pickled", path)

    assert count == 150_000 and used < 400


def test_a_pickle_that_expands_without_end_ends() -> None:
    row: list[Any] = ["mira@kunde.intern"]
    for _ in range(12):
        row = [row] * 300
    loop: list[Any] = [MAILS[0]]
    loop.append(loop)
    long = "mira@kunde.intern " * 50_000
    ring: dict[str, Any] = {"mail": MAILS[0]}
    ring["self"] = ring

    for data in (
        row,
        loop,
        [long] * 200,
        [{"note": long}] * 200,
        [{"row": row}] * 3,
        ring,
        [ring, ring],
        (loop, loop),
    ):
        look(pickled.tables, of_bytes("a.pkl", pickle.dumps(data)))


def test_records_with_ever_new_keys_are_all_kept() -> None:
    people = [{"mail": f"mira{at}@kunde.intern", f"key{at}": f"value{at}"} for at in range(3000)]

    seen = look(pickled.tables, of_bytes("a.pkl", pickle.dumps(people)))

    assert seen.rows[""] == 3000 and seen.columns["(other keys)"]["(value)"][-1] == "value2999"


def test_records_inside_records_are_read_to_the_end() -> None:
    people = [
        {"id": at, "contact": {"mail": f"mira{at}@kunde.intern", "phones": ["+49 30 1", "+49 30 2"]}}
        for at in range(40_000)
    ]

    seen = look(pickled.tables, of_bytes("a.pkl", pickle.dumps(people)))

    assert seen.rows == {"": 40_000} and not seen.told
    assert seen.columns[""]["contact"][4000] == {"mail": "mira4000@kunde.intern", "phones": ["+49 30 1", "+49 30 2"]}
