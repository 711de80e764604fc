"""Personal data is found in tables that stand in dumps, notebooks and odd encodings, and places alone are none."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlguard.facts import Dataset
from mlguard.findings import Report
from mlguard.scanners.dataset import frames
from tests.scanning import scan
from tests.test_dataset import FAMILY, GIVEN

ROWS = [(f"{GIVEN[n % 12]} {FAMILY[n % 10]}", f"19{50 + n}-03-1{n % 10}") for n in range(40)]


def fields(root: Path) -> dict[str, str]:
    report = scan(root, ["dataset"])
    return {field.name: field.category for fact in report.facts if isinstance(fact, Dataset) for field in fact.fields}


def table(rows: list[list[object]], delimiter: str = ",") -> str:
    return "".join(delimiter.join(map(str, row)) + "\n" for row in rows)


def reasons(report: Report, path: str) -> list[str]:
    return [gap.reason for gap in report.gaps if gap.path == path and gap.scanner == "dataset"]


@pytest.mark.parametrize(
    "text",
    [
        "INSERT INTO p (id, full_name, dob) VALUES " + ", ".join(f"({n}, '{a}', '{b}')" for n, (a, b) in enumerate(ROWS)) + ";\n",
        "CREATE TABLE p (id int, full_name varchar(20), dob date);\n" + "".join(f"INSERT INTO p VALUES ({n},'{a}','{b}');\n" for n, (a, b) in enumerate(ROWS)),
        "CREATE TABLE `p` (\n  `id` int(11) NOT NULL,\n  `full_name` varchar(40),\n  `dob` date,\n  PRIMARY KEY (`id`)\n) ENGINE=InnoDB;\nINSERT INTO `p` VALUES\n"
        + ",\n".join(f"({n},'{a}','{b}')" for n, (a, b) in enumerate(ROWS)) + ";\n",
        "COPY public.p (id, full_name, dob) FROM stdin;\n" + "".join(f"{n}\t{a}\t{b}\n" for n, (a, b) in enumerate(ROWS)) + "\\.\n",
    ],
    ids=["insert", "create", "mysqldump", "pg_dump"],
)  # fmt: skip
def test_columns_of_a_dump_are_told_by_their_names(tmp_path: Path, text: str) -> None:
    (tmp_path / "dump.sql").write_text(text)

    assert fields(tmp_path) == {"p.full_name": "user.name", "p.dob": "user.demographic.date_of_birth"}
    report = scan(tmp_path, ["dataset"])
    assert {finding.rule for finding in report.findings} >= {"data/personal-data-in-dump"}


def test_a_call_among_the_values_hides_no_row(tmp_path: Path) -> None:
    rows = ", ".join(f"({n}, now(), '{name}')" for n, (name, _) in enumerate(ROWS))
    (tmp_path / "dump.sql").write_text(f"INSERT INTO p (id, added, full_name) VALUES {rows};\n")

    assert fields(tmp_path) == {"p.full_name": "user.name"}


def test_a_dump_of_products_is_quiet(tmp_path: Path) -> None:
    rows = ", ".join(f"({n}, 'Alpine Jacket', '2024-01-0{n % 9 + 1}')" for n in range(40))
    (tmp_path / "dump.sql").write_text(f"INSERT INTO p (id, title, added) VALUES {rows};\n")

    assert fields(tmp_path) == {}


@given(st.lists(st.text(alphabet="INSERTTOVALUECPY ()',;\\\nabt1\t.`", max_size=80), max_size=8))
def test_any_lines_end_in_batches(lines: list[str]) -> None:
    rows = frames.Rows()

    batches = [batch for line in ["INSERT INTO t (a, b) VALUES", *lines] for _, batch in rows.take(line)]
    batches += [batch for _, batch in rows.rest()]

    assert all(batch.schema.names == ["t.a", "t.b"] and batch.num_rows for batch in batches)


def notebook(text: str) -> str:
    output = {"output_type": "stream", "name": "stdout", "text": text.splitlines(keepends=True)}
    cell = {"cell_type": "code", "source": [], "metadata": {}, "outputs": [output], "execution_count": 1}
    return json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}, indent=1)


def test_names_in_a_printed_data_frame_are_found(tmp_path: Path) -> None:
    body = "".join(f"{n}   {name:>20}  {n * 7}\n" for n, (name, _) in enumerate(ROWS[:6]))
    (tmp_path / "a.ipynb").write_text(notebook(f"           customer_name  visits\n{body}"))

    report = scan(tmp_path, ["dataset"])

    assert [finding.rule for finding in report.findings] == ["data/personal-data-in-notebook"]


def test_a_printed_data_frame_of_measures_is_quiet(tmp_path: Path) -> None:
    body = "".join(f"{n}   0.{n}  {n * 7}  Iris-setosa\n" for n in range(6))
    (tmp_path / "a.ipynb").write_text(notebook(f"   sepal  petal  name\n{body}"))

    assert scan(tmp_path, ["dataset"]).findings == ()


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-16", "utf-8-sig"])
def test_text_in_utf_16_is_read_with_and_without_a_mark(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.csv").write_text(table([["Name", "Geburtsdatum"], *map(list, ROWS)]), encoding=encoding)

    assert fields(tmp_path) == {"Name": "user.name", "Geburtsdatum": "user.demographic.date_of_birth"}


def test_bytes_under_the_name_of_a_table_are_a_gap(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(bytes(range(256)) * 20)

    assert reasons(scan(tmp_path, ["dataset"]), "a.csv")


def test_a_stream_of_arrow_is_read(tmp_path: Path) -> None:
    import pyarrow as pa

    rows = pa.table({"full_name": [name for name, _ in ROWS]})
    with pa.OSFile(str(tmp_path / "data.arrow"), "wb") as file, pa.ipc.new_stream(file, rows.schema) as stream:
        stream.write_table(rows)

    assert fields(tmp_path) == {"full_name": "user.name"}


def test_a_cut_stream_of_arrow_is_a_gap(tmp_path: Path) -> None:
    import pyarrow as pa

    rows = pa.table({"full_name": [name for name, _ in ROWS]})
    with pa.OSFile(str(tmp_path / "data.arrow"), "wb") as file, pa.ipc.new_stream(file, rows.schema) as stream:
        stream.write_table(rows)
    whole = (tmp_path / "data.arrow").read_bytes()
    (tmp_path / "data.arrow").write_bytes(whole[: len(whole) - 200])

    assert reasons(scan(tmp_path, ["dataset"]), "data.arrow")


def test_a_table_of_places_alone_is_not_about_persons(tmp_path: Path) -> None:
    rows = [[f"Ort {n}", 48 + n / 97, 9 + n / 89, 10000 + n * 37] for n in range(60)]
    (tmp_path / "towns.csv").write_text(table([["city", "latitude", "longitude", "postal_code"], *rows]))

    assert fields(tmp_path) == {}


def test_positions_of_a_traveller_are(tmp_path: Path) -> None:
    rows = [[1, 48 + n / 97, 9 + n / 89, 1_700_000_000 + n] for n in range(60)]
    (tmp_path / "trips.csv").write_text(table([["trip", "lat", "lon", "timestamp"], *rows]))

    assert set(fields(tmp_path)) == {"lat", "lon"}


def test_a_column_nom_beside_prenom_holds_last_names(tmp_path: Path) -> None:
    rows = [[FAMILY[n % 10], GIVEN[n % 12], n] for n in range(40)]
    (tmp_path / "a.csv").write_text(table([["nom", "prénom", "points"], *rows]))

    assert fields(tmp_path) == {"nom": "user.name.last", "prénom": "user.name.first"}


def test_birth_dates_without_a_header_are_found_beside_names(tmp_path: Path) -> None:
    rng = random.Random(3)
    rows = [[name, f"{rng.randint(1, 28)}.{rng.randint(1, 12)}.{1950 + n}", n] for n, (name, _) in enumerate(ROWS)]
    (tmp_path / "a.csv").write_text(table(rows, ";"))

    assert fields(tmp_path) == {"column 1": "user.name", "column 2": "user.demographic.date_of_birth"}


def test_dates_without_a_header_and_without_persons_are_quiet(tmp_path: Path) -> None:
    rows = [[f"{1950 + n}-03-1{n % 10}", n / 7, n] for n in range(60)]
    (tmp_path / "a.csv").write_text(table(rows))

    assert fields(tmp_path) == {}


def test_one_number_to_call_back_in_a_remark_is_found(tmp_path: Path) -> None:
    rows = [
        [n, "patient stable, pressure normal" if n != 37 else "Bitte um Rückruf unter 0221 4567" + "891"]
        for n in range(60)
    ]
    (tmp_path / "a.csv").write_text(table([["pid", "comment"], *rows]))

    assert fields(tmp_path) == {"comment": "user.contact.phone_number"}


def test_a_table_without_candidates_does_not_load_presidio(tmp_path: Path) -> None:
    import subprocess
    import sys

    (tmp_path / "a.csv").write_text(table([["x", "y"], *([n, n / 7] for n in range(60))]))
    code = (
        "import sys\nfrom pathlib import Path\nfrom tests.scanning import scan\n"
        f"scan(Path({str(tmp_path)!r}), ['dataset'])\nsys.exit('presidio_analyzer' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parent.parent, check=False).returncode == 0


def test_columns_first_last_and_contact_hold_names_and_numbers(tmp_path: Path) -> None:
    rows = [[GIVEN[n % 12], FAMILY[n % 10], f"001-{212 + n}-{700 + n}-{1000 + 7 * n}x{100 + n}"] for n in range(40)]
    (tmp_path / "a.csv").write_text(table([["first", "last", "contact"], *rows]))

    assert fields(tmp_path) == {
        "first": "user.name.first", "last": "user.name.last", "contact": "user.contact.phone_number",
    }  # fmt: skip


def test_columns_first_and_last_of_words_or_days_are_quiet(tmp_path: Path) -> None:
    words = ["table", "river", "engine", "stone"]
    rows = [[words[n % 4], f"2024-01-0{n % 9 + 1}", words[n % 3]] for n in range(40)]
    (tmp_path / "a.csv").write_text(table([["first", "last_seen", "last"], *rows]))

    assert fields(tmp_path) == {}


def test_the_name_of_one_person_in_every_row_is_found(tmp_path: Path) -> None:
    rows = [[GIVEN[0] + " " + FAMILY[0], 60 + n / 7] for n in range(40)]
    (tmp_path / "a.csv").write_text(table([["full_name", "weight"], *rows]))

    assert fields(tmp_path) == {"full_name": "user.name"}


def test_addresses_of_devices_are_found_and_firmware_is_not(tmp_path: Path) -> None:
    rows = [[f"3c:22:fb:{n:02x}:{n * 3:02x}:{n + 9:02x}", f"{n % 9 + 31}.{n + 40}.{n}.{n + 60}"] for n in range(40)]
    (tmp_path / "a.csv").write_text(table([["device_mac", "firmware"], *rows]))

    assert fields(tmp_path) == {"device_mac": "user.device.device_id"}


def test_a_list_of_attendees_has_a_header(tmp_path: Path) -> None:
    rows = [[name, "halal" if n % 3 else "none"] for n, (name, _) in enumerate(ROWS)]
    (tmp_path / "a.csv").write_text(table([["Attendee", "Dietary"], *rows]))

    assert fields(tmp_path) == {"Attendee": "user.name"}
