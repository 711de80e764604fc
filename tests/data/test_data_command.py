"""mlguard data: the profile of datasets as the real command prints it, and the measures behind it."""

from __future__ import annotations

import io
import json
import random
import sqlite3
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import jsonschema
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mlguard import declarations, workers
from mlguard.artifacts import Artifact
from mlguard.cli.progress import Progress, lasting
from mlguard.reporters import profile as reporter
from mlguard.reporters.terminal import Style
from mlguard.scanners.dataset import overview as overviews
from mlguard.scanners.dataset.columns import Profile
from mlguard.scanners.dataset.drawn import Drawn
from mlguard.scanners.dataset.overview import ERROR, KEPT, Numbers, Survey, layout, layouts, rate_bound
from mlguard.scanners.dataset.types import type_of
from tests.functional.command import MLGUARD, mlguard, write

SCHEMA = json.loads((Path(declarations.__file__).parent / "schemas" / "data.json").read_bytes())
PEOPLE = "id,email,birth_date,diagnosis\n" + "".join(
    f"{n},person{n}@kunde.intern,19{50 + n % 40}-0{n % 9 + 1}-1{n % 10},{('E11.9', 'I10', 'J45.0')[n % 3]}\n"
    for n in range(40)
)


def profile(*arguments: str, cwd: Path) -> dict[str, Any]:
    done = mlguard("data", "--json", *arguments, cwd=cwd)
    assert done.stderr == ""
    body: dict[str, Any] = json.loads(done.stdout)
    jsonschema.validate(body, SCHEMA)
    assert done.returncode == (0 if body["complete"] else 3)
    return body


def column(body: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = [one for table in body["datasets"] for one in table["columns"] if one["name"] == name]
    return dict(found)


# --- What a person gets to see

GOLDEN = """\
people.csv
  csv, 40 rows x 4 columns, 1.6 KiB, every row read

  column      type    filled            distinct
  id          string  ▒▒▒▒▒▒▒▒▒▒ 100 %  40
      layouts of its values: 99 (75 %), 9 (25 %)
  email       string  ██████████ 100 %  40
      e-mail addresses: sure, 40 of 40 cells, by pattern, name of the column
      layouts of its values: x+99@x+.x+ (75 %), x+9@x+.x+ (25 %)
  birth_date  string  ██████████ 100 %  40
      birth dates: sure, 40 of 40 cells, by name of the column
      layouts of its values: 9999-99-99 (100 %)
  diagnosis   string  ██████████ 100 %  3
      health data (Art. 9 GDPR): sure, 40 of 40 cells, by name of the column, codes
  █ personal data  ▒ other values  · empty

  Persons
    name a person: email
    narrow down a person: birth_date
    sensitive: diagnosis

What to do
  Leave out the columns that are not needed, or write a copy without them: mlguard data redact IN OUT.
  Declare what stays, in privacy.yaml (complete what says TODO):

    datasets:
      - id: people
        location: [people.csv]
        owner: todo  # TODO: a team
        class: special
        purposes: [todo]  # TODO: what it is used for
        data_subjects: [todo]  # TODO: customer, patient, employee
        source: {kind: collected}  # TODO: collected, third_party, public, scraped, synthetic, derived
        retention: {period: P1Y, action: delete}  # TODO: how long
        fields:
          email: {categories: [user.contact.email], role: direct_identifier}
          birth_date: {categories: [user.demographic.date_of_birth], role: quasi_identifier}
          diagnosis: {categories: [user.health_and_medical], role: sensitive}  # Art. 9 GDPR

1 table, 1 with personal data
"""


def test_profile_of_a_file_is_printed_as_it_always_is(tmp_path: Path) -> None:
    write(tmp_path, {"people.csv": PEOPLE})

    done = mlguard("data", "people.csv", cwd=tmp_path)

    assert (done.stdout, done.stderr, done.returncode) == (GOLDEN, "", 0)
    assert mlguard("data", "profile", "people.csv", cwd=tmp_path).stdout == GOLDEN


@pytest.mark.parametrize("width", [40, 60, 100, 140])
def test_no_line_but_those_of_the_declaration_is_wider_than_the_terminal(width: int, tmp_path: Path) -> None:
    write(tmp_path, {"people.csv": PEOPLE})

    done = mlguard("data", "people.csv", cwd=tmp_path, env={"COLUMNS": str(width)})

    before, _, entry = done.stdout.partition("    datasets:")
    assert entry
    assert all(len(line) <= width for line in before.splitlines())


def test_ascii_is_ascii_and_colours_come_only_when_wanted(tmp_path: Path) -> None:
    write(tmp_path, {"people.csv": PEOPLE})

    plain = mlguard("data", "--ascii", "people.csv", cwd=tmp_path).stdout
    colored = mlguard("data", "--color", "people.csv", cwd=tmp_path, env={"NO_COLOR": "1"}).stdout

    assert plain.isascii() and "##########" in plain and "==========" in plain
    assert "\x1b[" not in plain and "\x1b[" in colored


def test_bar_shows_what_is_filled_and_what_is_personal(tmp_path: Path) -> None:
    rows = "".join(
        f"{n},{f'p{n}@kunde.intern' if n < 10 else 'see there'},x\n" if n < 20 else f"{n},,x\n" for n in range(40)
    )
    write(tmp_path, {"half.csv": "id,contact,y\n" + rows})

    done = mlguard("data", "half.csv", cwd=tmp_path)

    line = next(line for line in done.stdout.splitlines() if line.startswith("  contact"))
    assert "50 %" in line and "·····" in line
    assert "empty cells from the first row to the last" not in done.stdout  # one batch


# --- Counts


def test_distinct_values_are_exact_up_to_the_limit_and_estimated_beyond_within_the_error(tmp_path: Path) -> None:
    rng = random.Random(7)
    table = pa.table(
        {
            "few": [f"v{n % 999}" for n in range(60_000)],
            "many": [f"v{n % 20_000}" for n in range(60_000)],
            "number": pa.array([n % 30_000 for n in range(60_000)], pa.int32()),
            "share": pa.array([rng.random() for _ in range(60_000)]),
            "flag": [n % 2 == 0 for n in range(60_000)],
        }
    )
    pq.write_table(table, tmp_path / "d.parquet", row_group_size=7000)

    body = profile("d.parquet", cwd=tmp_path)

    assert (column(body, "few")["distinct"], column(body, "few")["distinct_error"]) == (999, 0)
    assert column(body, "flag")["distinct"] == 2
    for name, true in (("many", 20_000), ("number", 30_000), ("share", 60_000)):
        told = column(body, name)
        assert told["distinct_error"] == pytest.approx(ERROR, abs=1e-4)
        assert abs(told["distinct"] - true) / true < 2 * ERROR


def test_estimates_are_unbiased_and_as_exact_as_they_say() -> None:
    misses = []
    for seed in range(60):
        numbers = Numbers()
        rng = random.Random(seed)
        for _ in range(4):
            numbers.add(pa.array([rng.getrandbits(60) for _ in range(2500)], pa.int64()))
        estimate, estimated = overviews._estimate(numbers.kept.tolist())
        assert estimated
        misses.append((estimate - 10_000) / 10_000)
    assert abs(sum(misses) / len(misses)) < ERROR / 4
    assert sum(abs(miss) > ERROR for miss in misses) <= 8  # 3 are expected


def test_null_share_is_told_along_the_rows(tmp_path: Path) -> None:
    values = [None if n < 30_000 else f"v{n}" for n in range(60_000)]
    pq.write_table(pa.table({"late": pa.array(values, pa.string())}), tmp_path / "d.parquet", row_group_size=5000)

    told = column(profile("d.parquet", cwd=tmp_path), "late")
    shown = mlguard("data", "d.parquet", cwd=tmp_path).stdout

    assert (told["filled"], told["cells"]) == (30_000, 60_000)
    assert told["empty"][0] == 1 and told["empty"][-1] == 0
    assert "empty cells from the first row to the last: █" in shown


def test_nested_columns_are_told_by_their_paths(tmp_path: Path) -> None:
    table = pa.table(
        {
            "user": [{"mail": f"p{n}@kunde.intern", "tags": ["a", None]} for n in range(30)],
            "m": pa.array([[("k", 1)]] * 30, pa.map_(pa.string(), pa.int64())),
        }
    )
    pq.write_table(table, tmp_path / "n.parquet")

    body = profile("n.parquet", cwd=tmp_path)

    assert [one["name"] for one in body["datasets"][0]["columns"]] == ["user.mail", "user.tags[]", "m.(keys)", "m.*"]
    assert column(body, "user.mail")["personal"][0]["category"] == "user.contact.email"
    assert column(body, "user.tags[]") | {"cells": 60, "filled": 30, "items_of_lists": True} == column(
        body, "user.tags[]"
    )


def test_types_are_told_without_names_of_inner_fields() -> None:
    inner = pa.struct([("p@kunde.intern", pa.string())])

    assert type_of(pa.list_(inner)) == "list<struct of 1>"
    assert type_of(pa.map_(pa.string(), inner)) == "map<string, struct of 1>"
    assert type_of(pa.timestamp("us", "Mira/Kanarie")) == "timestamp[us, zone]"
    assert type_of(pa.dictionary(pa.int32(), pa.large_string())) == "dictionary<string>"
    assert type_of(pa.decimal128(10, 2)) == "decimal128(10, 2)"


# --- Layouts


@pytest.mark.parametrize(
    ("value", "shape"),
    [
        ("Mira Beispiel", "Xx+ Xx+"), ("p.x@kunde.de", "x.x@x+.xx"), ("DE89 3704", "XX99 9999"), ("", ""), ("ab12\x00\x1b", "xx99??"),
        ("Ärger ٣ 漢字漢", "Xx+ 9 x+"), ("\U0001f600", "?"), ("1" * 40, "9" * 23 + "…"),
    ],
)  # fmt: skip
def test_layout_keeps_nothing_but_common_signs(value: str, shape: str) -> None:
    assert layout(value) == shape


@given(st.text())
def test_layout_holds_no_letter_or_digit_of_a_value(value: str) -> None:
    shape = layout(value)

    assert len(shape) <= overviews.LAYOUT_CHARS
    assert not {char for char in shape if char.isalnum()} - set("9xX")


def shapes_of(values: list[str], label: str = "code") -> tuple[tuple[str, float], ...]:
    column = Profile(label, label)
    column.add(values)
    return layouts(column, ())


def test_layout_that_few_values_share_is_not_shown() -> None:
    common = [f"AB-{n:04}" for n in range(3000)]

    assert [shape for shape, _ in shapes_of([*common, "Zz:9!!"])] == ["XX-9999"]
    assert shapes_of([f"{n}" for n in range(9)]) == ()
    assert shapes_of(["AB-1"] * 500 + ["CD-2"] * 500) == ()  # two values


@pytest.mark.parametrize("label", ["password", "api_key", "user_token", "PIN", "client secret"])
def test_layouts_of_secrets_are_not_shown(label: str) -> None:
    assert shapes_of([f"abc{n:05}" for n in range(200)], label) == ()


# --- Samples


def test_sample_says_what_it_may_have_missed_and_ends_with_3(tmp_path: Path) -> None:
    write(tmp_path, {"big.csv": "id,v\n" + "".join(f"{n},{n % 7}\n" for n in range(5000))})

    done = mlguard("data", "--rows", "500", "big.csv", cwd=tmp_path)
    body = profile("--rows", "500", "big.csv", cwd=tmp_path)

    assert done.returncode == 3
    assert "SAMPLED: 500 rows drawn at random" in done.stdout
    told = " ".join(done.stdout.split())
    assert "sampled: 500 of 5,000 rows" in told and "0.6 % of the rows" in told
    (table,) = body["datasets"]
    assert table["rows"] == 5000
    assert table["sample"] == {"rows": 500, "zero_hits_bound": pytest.approx(1 - 0.05 ** (1 / 500))}
    assert table["gaps"][0]["kind"] == "sampled"


def test_sample_as_large_as_the_table_is_the_table(tmp_path: Path) -> None:
    write(tmp_path, {"people.csv": PEOPLE})

    assert profile("--rows", "1000", "people.csv", cwd=tmp_path)["complete"]


def test_bound_is_about_three_over_n() -> None:
    assert rate_bound(0) == 1
    assert rate_bound(1000) == pytest.approx(3 / 1000, rel=0.01)
    assert (1 - rate_bound(250)) ** 250 == pytest.approx(0.05)


def test_rows_are_drawn_by_place_whatever_the_batches() -> None:
    table = pa.table({"n": range(20_000), "s": [{"a": [n]} for n in range(20_000)]})

    drawn = {size: Drawn(300) for size in (77, 5000, 20_000)}
    for size, sample in drawn.items():
        for batch in table.to_batches(size):
            sample.add(batch)
    chosen = [[row for batch in sample.batches() for row in batch.to_pylist()] for sample in drawn.values()]

    assert len(chosen[0]) == 300
    assert chosen[0] == chosen[1] == chosen[2]
    assert 8000 < sum(row["n"] for row in chosen[0]) / 300 < 12_000


# --- Everything that can be named


def test_folder_is_read_with_its_shards_and_tables_and_what_is_no_data_is_counted(tmp_path: Path) -> None:
    for n in range(3):
        write(tmp_path, {f"d/part-0000{n}.csv": f"id,email\n1,p{n}@kunde.intern\n2,q{n}@kunde.intern\n"})
    with sqlite3.connect(tmp_path / "d" / "x.sqlite") as base:
        base.execute("CREATE TABLE people (email TEXT)")
        base.executemany("INSERT INTO people VALUES (?)", [(f"r{n}@kunde.intern",) for n in range(20)])
    base.close()
    write(tmp_path, {"d/train.py": "print(1)\n", "d/logo.png": b"\x89PNG\r\n\x1a\n" + bytes(40)})

    body = profile("d", cwd=tmp_path)

    tables = {(table["path"], table["within"]): table["rows"] for table in body["datasets"] if table["width"]}
    assert tables == {("d/part-*.csv", ""): 6, ("d/x.sqlite", "people"): 20}
    assert body["other_files"] == {"image": 1, "python": 1}
    assert body["complete"]


def test_archive_is_looked_into_and_its_names_are_not_shown(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("w.kanarien@postkasten-nord.de.csv", PEOPLE)
    write(tmp_path, {"a.zip": packed.getvalue()})

    body = profile("a.zip", cwd=tmp_path)

    assert column(body, "email")["personal"]
    assert "kanarien" not in json.dumps(body)


def test_text_beside_the_rows_is_told_by_itself(tmp_path: Path) -> None:
    table = pa.table({"email": [f"p{n}@kunde.intern" for n in range(10)]})
    pq.write_table(table.replace_schema_metadata({"author": "mira@kunde.intern"}), tmp_path / "m.parquet")

    (dataset,) = profile("m.parquet", cwd=tmp_path)["datasets"]

    assert dataset["beside"][0]["name"] == "(footer)"
    assert dataset["beside"][0]["personal"][0]["category"] == "user.contact.email"


def test_anonymity_is_told_over_what_narrows_down_a_person(tmp_path: Path) -> None:
    rows = "".join(
        f"{10000 + n % 4},{20 + n % 3},{'mf'[n % 2]},{('E11.9', 'I10')[n % 2]},p{n}@kunde.intern\n" for n in range(120)
    )
    write(tmp_path, {"p.csv": "zip,age,gender,diagnosis,email\n" + rows})

    (figures,) = profile("p.csv", cwd=tmp_path)["datasets"][0]["anonymity"]

    assert set(figures["columns"]) >= {"zip", "gender"}
    assert figures["k"] == 10 and figures["unique_rows"] == 0
    assert figures["diversity"][0]["l"] == 1


def test_columns_are_chosen_by_a_pattern(tmp_path: Path) -> None:
    write(tmp_path, {"people.csv": PEOPLE})

    (dataset,) = profile("--columns", "^(id|email)$", "people.csv", cwd=tmp_path)["datasets"]

    assert [one["name"] for one in dataset["columns"]] == ["id", "email"]
    assert dataset["width"] == 4


# --- The declaration

FRAME = {
    "version": 0, "organisation": {"controller": {"name": "Example", "email": "privacy@retail.example"}},
    "teams": {"todo": {"contact": "ml@retail.example", "function": "data-science"}},
    "purposes": {"todo": {"description": "Predict contract cancellation", "data_use": "marketing.communications"}},
    "activities": [], "access": {"classes": {}, "rules": []},
}  # fmt: skip


def test_declaration_is_valid_and_declares_what_the_scan_finds(tmp_path: Path) -> None:
    strange = 'id,"e-mail: work",yes\n' + "".join(f"{n},p{n}@kunde.intern,q{n}@kunde.intern\n" for n in range(9))
    write(tmp_path, {"data/people.csv": PEOPLE, "data/7.csv": strange, "data/other/people.csv": "a,b\n1,2\n"})

    done = mlguard("data", "--declare", "data", cwd=tmp_path)

    assert (done.returncode, done.stderr) == (0, "")
    entries = yaml.safe_load(done.stdout)["datasets"]
    assert len({entry["id"] for entry in entries}) == 3
    whole = yaml.safe_dump({**FRAME, "datasets": entries})
    assert declarations.parse(whole).problems == ()
    write(tmp_path, {"privacy.yaml": whole})
    report = json.loads(mlguard("scan", "-s", "dataset", "-o", "json", ".", cwd=tmp_path).stdout)
    assert not [finding for finding in report["findings"] if finding["rule"] == "data/undeclared-personal-data"]


# --- Bad input


def test_table_without_columns_and_one_of_nulls_only_are_read(tmp_path: Path) -> None:
    pq.write_table(pa.table({}), tmp_path / "none.parquet")
    pq.write_table(pa.table({"a": pa.nulls(5), "b": pa.array([None] * 5, pa.string())}), tmp_path / "nulls.parquet")

    none, nulls = profile("none.parquet", "nulls.parquet", cwd=tmp_path)["datasets"]

    assert (none["rows"], none["width"], none["columns"]) == (0, 0, [])
    assert [(one["cells"], one["filled"], one["distinct"]) for one in nulls["columns"]] == [(5, 0, 0)] * 2


def test_table_of_ten_thousand_columns_is_short_unless_all_is_wanted(tmp_path: Path) -> None:
    pq.write_table(pa.table({f"c{n}": [n, n + 1] for n in range(10_000)}), tmp_path / "wide.parquet")

    brief = mlguard("data", "wide.parquet", cwd=tmp_path)
    whole = mlguard("data", "-v", "wide.parquet", cwd=tmp_path)

    assert "9,960 more columns without personal data (-v shows them)" in brief.stdout
    assert len(brief.stdout.splitlines()) < 60 < 10_000 < len(whole.stdout.splitlines())


@pytest.mark.parametrize("cut", [10, 400, -20])
def test_broken_file_is_said_and_ends_with_3(cut: int, tmp_path: Path) -> None:
    sink = io.BytesIO()
    pq.write_table(pa.table({"email": [f"p{n}@kunde.intern" for n in range(100)]}), sink)
    write(tmp_path, {"b.parquet": sink.getvalue()[:cut]})

    done = mlguard("data", "b.parquet", cwd=tmp_path)

    assert done.returncode == 3
    assert "NOT LOOKED AT: b.parquet: " in done.stdout and "NOT COMPLETE" in done.stdout
    assert "kunde.intern" not in done.stdout + done.stderr


def test_what_was_read_before_the_damage_counts(tmp_path: Path) -> None:
    sink = io.BytesIO()
    table = pa.table({"email": [f"p{n}@kunde.intern" for n in range(100)]})
    with pa.ipc.new_stream(sink, table.schema) as writer:
        for _ in range(5):
            writer.write_table(table)
    write(tmp_path, {"s.arrow": sink.getvalue()[:-900]})

    body = profile("s.arrow", cwd=tmp_path)

    assert not body["complete"]
    assert column(body, "email")["personal"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nowhere.csv"], "nowhere.csv"), (["--json", "--declare", "people.csv"], "one at a time"), (["--columns", "(", "people.csv"], "regular"),
        (["--rows", "0", "people.csv"], "--rows"), (["--frobnicate"], "--frobnicate"), (["--json"], "PATHS"),
    ],
)  # fmt: skip
def test_usage_error_ends_with_2(arguments: list[str], told: str, tmp_path: Path) -> None:
    write(tmp_path, {"people.csv": PEOPLE})

    done = mlguard("data", *arguments, cwd=tmp_path)

    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr


def test_store_that_does_not_answer_is_a_gap_without_its_password(tmp_path: Path) -> None:
    done = mlguard("data", "postgresql://anna:geheim77@localhost:1/shop", cwd=tmp_path)

    assert done.returncode == 3
    assert "postgresql://localhost:1/shop" in done.stdout
    assert "geheim77" not in done.stdout + done.stderr and "anna" not in done.stdout + done.stderr


def test_files_that_are_no_data_are_gaps_when_they_are_named(tmp_path: Path) -> None:
    write(tmp_path, {"a.dat": bytes(range(256)) * 4, "e.csv": "", "n.ipynb": '{"cells": [], "nbformat": 4}'})

    body = profile("a.dat", "e.csv", "n.ipynb", cwd=tmp_path)

    assert sorted(gap["path"] for gap in body["gaps"]) == ["a.dat", "e.csv", "n.ipynb"]


# --- No value in any output

PERSON, EMAIL, PHONE = (
    "Wilhelmine " + "Kanarienvogel",
    "w.kanarien" + "@" + "postkasten-nord.de",
    "+49 30 " + "90182047",
)
IBAN, ODD = "DE44" + "500105175407324931", "qx~Vogel;17"
CANARIES = ("Kanarienvogel", "postkasten", "90182047", "500105175407324931", "Vogel;17", "qx~", "Xx~")


def planted(folder: Path) -> None:
    """Write values wherever a file can hold some."""
    rows = [*(f"{n},plain {n:03},{n}" for n in range(60)), f"60,{PERSON} {EMAIL},{PHONE}", f"61,{IBAN},{ODD}"]
    write(folder, {"a.csv": "\n".join(["id,note,x", *rows]) + "\n"})
    write(folder, {"header.csv": f"{PERSON},{EMAIL},{PHONE}\n1,2,3\n4,5,6\n"})
    write(folder, {"c.jsonl": "".join(json.dumps({EMAIL: {PERSON: IBAN}, "n": n, "x": ODD}) + "\n" for n in range(12))})
    table = pa.table({PERSON: [{EMAIL: PHONE}] * 12, "x": [ODD] * 12, "blob": [EMAIL.encode() + b"\xff"] * 12})
    pq.write_table(table.replace_schema_metadata({EMAIL: PERSON}), folder / "d.parquet")
    whole = (folder / "d.parquet").read_bytes()
    write(folder, {"broken.parquet": whole[:-30], "torn.jsonl": f'{{"x": "{EMAIL}"}}\n{{"y": {PERSON}\n'})
    with sqlite3.connect(folder / "e.sqlite") as base:
        base.execute(f'CREATE TABLE "{PERSON}" ("{EMAIL}" TEXT)')
        base.execute(f'INSERT INTO "{PERSON}" VALUES (?)', (IBAN,))
    base.close()


@pytest.mark.parametrize(
    "options", [[], ["-v"], ["--json"], ["--declare"], ["--rows", "20"], ["--ascii", "--progress"]]
)
def test_no_value_is_in_any_output(options: list[str], tmp_path: Path) -> None:
    planted(tmp_path)

    done = mlguard("data", *options, ".", cwd=tmp_path)

    assert done.returncode == 3
    told = done.stdout + done.stderr
    assert told
    assert not [canary for canary in CANARIES if canary in told]


# --- Start-up and progress


def test_columns_of_numbers_load_no_engine_for_text(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1, 2], "b": [0.5, 1.5]}), tmp_path / "n.parquet")
    call = "import sys; from mlguard.cli import _run; code = _run(['data', 'n.parquet']); print(code, *sys.modules)"

    done = subprocess.run([sys.executable, "-c", call], cwd=tmp_path, capture_output=True, text=True, check=False)

    code, *loaded = done.stdout.splitlines()[-1].split()
    assert code == "0" and "pyarrow" in loaded
    assert not {"presidio_analyzer", "spacy", "torch", "requests", "jsonschema"} & set(loaded)


def test_help_loads_nothing_heavy(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", MLGUARD, "data", "--help"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    loaded = {line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines()}
    assert "redact" in done.stdout
    assert not loaded & {"presidio_analyzer", "pyarrow", "numpy", "jsonschema"}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_throttled_on_a_terminal_and_wiped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    now, stream = [0.0], Terminal()
    progress = Progress(stream=stream, clock=lambda: now[0])
    progress.begin("big.csv", 1000, lambda: 500)

    for step in range(1000):
        now[0] = step / 100
        progress.step(step, 2000)
    progress.end()

    lines = stream.getvalue().split("\r\x1b[K")
    assert 90 <= len(lines) <= 102
    assert lines[-1] == "" and all(len(line) < 120 for line in lines)
    assert "of 2,000 rows" in lines[50] and "rows/s" in lines[50] and lines[50].endswith(" left")


def test_progress_is_silent_without_a_terminal_unless_asked_and_then_in_plain_lines() -> None:
    told = {}
    for plain in (False, True):
        now, stream = [0.0], io.StringIO()
        progress = Progress(plain, stream, lambda now=now: now[0])  # type: ignore[misc]
        progress.begin("big.csv", about=4567)
        for second in range(35):
            now[0] = float(second)
            progress.step(second * 100)
        progress.end()
        told[plain] = stream.getvalue()

    assert told[False] == ""
    lines = told[True].splitlines()
    assert len(lines) == 3 and "\x1b" not in told[True] and "\r" not in told[True]
    assert lines[0] == "mlguard: big.csv: 1,000 of about 4,600 rows, 100 rows/s, 36 s left"


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.2, "0 s"), (59.4, "59 s"), (60, "1 min 0 s"), (3599, "59 min 59 s"), (7500, "2 h 5 min")]
)
def test_time_left_is_told_in_words(seconds: float, words: str) -> None:
    assert lasting(seconds) == words


def test_closed_stream_ends_the_progress_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    now, stream = [0.0], Terminal()
    progress = Progress(stream=stream, clock=lambda: now[0])
    stream.close()
    progress.wanted, progress.live = True, True
    now[0] = 5.0

    progress.step(1)
    progress.end()

    assert not progress.wanted


# --- The fact of every dataset


def test_every_dataset_has_its_fact_with_size_and_schema(tmp_path: Path) -> None:
    write(tmp_path, {"data/plain.csv": "a,b\n1,2\n3,4\n", "data/people.csv": PEOPLE})

    facts = json.loads(mlguard("scan", "-s", "dataset", "-o", "json", ".", cwd=tmp_path).stdout)["facts"]

    found = {fact["path"]: fact for fact in facts if fact["type"] == "Dataset"}
    assert found.keys() == {"data/plain.csv", "data/people.csv"}
    assert found["data/plain.csv"]["size"] == 12 and "fields" not in found["data/plain.csv"]
    assert len(found["data/people.csv"]["schema"]) == 64
    assert (
        found["data/people.csv"]["schema"] == profile("data/people.csv", cwd=tmp_path)["datasets"][0]["schema_sha256"]
    )


def test_schema_digest_does_not_depend_on_batches_and_tells_names_and_types() -> None:
    table = pa.table({"a": [None, None, "x"], "b": [1, 2, 3]})

    def digest(whole: Any, size: int) -> str:
        survey = Survey()
        for batch in whole.to_batches(size):
            survey.add(batch)
        return survey.schema()

    assert digest(table, 1) == digest(table, 3)
    assert digest(table, 3) != digest(table.rename_columns(["a", "c"]), 3)
    assert digest(table, 3) != digest(table.set_column(1, "b", pa.array([1.0, 2.0, 3.0])), 3)


def test_scan_reports_a_file_that_was_not_read_to_its_end(tmp_path: Path) -> None:
    write(tmp_path, {"data/b.parquet": b"PAR1" + bytes(40), "data/p.csv": "a,b\n1,2\n"})

    done = mlguard("scan", "-s", "dataset", "-o", "json", ".", cwd=tmp_path)

    report = json.loads(done.stdout)
    found = [finding for finding in report["findings"] if finding["rule"] == "data/incomplete-data-scan"]
    assert [finding["location"]["path"] for finding in found] == ["data/b.parquet"]
    assert done.returncode == 3


def test_wide_characters_keep_the_columns_of_the_table_apart(tmp_path: Path) -> None:
    write(tmp_path, {"w.csv": "名前の列,b\n" + "".join(f"漢字{n},{n}\n" for n in range(12))})

    lines = mlguard("data", "w.csv", cwd=tmp_path).stdout.splitlines()

    assert (
        lines[4].startswith("  名前の列  string")
        and lines[6].startswith("  b         string")
        or "名前の列" in lines[4]
    )


def test_name_inside_a_file_that_may_be_a_persons_is_masked() -> None:
    assert reporter.inner(f"sheets > {PERSON.replace('Wilhelmine', 'Anna')}").startswith("sheets > ")
    assert "Kanarienvogel" not in reporter.inner("Anna Kanarienvogel")
    assert reporter.inner("people") == "people"
    assert Style().width == 100 and KEPT == 1000


def test_scan_is_told_the_rows_of_a_large_table_while_it_is_read(tmp_path: Path) -> None:
    pq.write_table(pa.table({"n": range(200_000)}), tmp_path / "n.parquet")
    told: list[tuple[int, int, str, int, int]] = []
    task = workers.Task("dataset", (Artifact("n.parquet", "parquet", 1),))

    list(workers.perform([task], workers.Setting(str(tmp_path), (), {}), lambda *news: told.append(news)))

    rows = [news[3] for news in told[:-1]]
    assert rows == sorted(rows) and rows[-1] == 200_000 and len(rows) > 2
    assert {news[:3] for news in told[:-1]} == {(0, 1, "n.parquet")} and {news[4] for news in told[:-1]} == {200_000}
    assert told[-1] == (1, 1, "n.parquet", 0, 0)
