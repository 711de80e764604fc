"""The redaction of datasets: operators, formats, keys, verification, and that nothing is left behind."""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
import json
import os
import stat
import subprocess
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlguard import cli
from mlguard.errors import MlguardError, UsageError
from mlguard.redaction import copying, generalise, jsonlines, keys, operators, plan, prose, separated, spans, tokens
from mlguard.redaction.change import Checking, Redaction, Restoring
from mlguard.redaction.operators import Applied, parse

pa = pytest.importorskip("pyarrow")
import pyarrow.ipc as ipc  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402

KEY = keys.derive(bytes(range(32)))
OTHER = keys.derive(bytes(32))
HERE = Path(__file__).resolve().parents[2]

PEOPLE = [
    ("Mira Kunde", "mira.kunde@kunde.intern", "+49 30 9018201"),
    ("Jan Huber", "jan.huber@kunde.intern", "+49 89 4520033"),
    ("Anna Weber", "anna.weber@kunde.intern", "+49 40 7314418"),
    ("Lena Vogel", "lena.vogel@kunde.intern", "+49 69 2210976"),
    ("Paul Brandt", "paul.brandt@kunde.intern", "+49 711 630281"),
]
CANARIES = [part for person in PEOPLE for part in person]
NOTES = [
    f"The parcel did not arrive as promised on Monday; write to {mail} or call {phone} about it, thank you very much"
    for _, mail, phone in PEOPLE
]


@dataclass(frozen=True)
class Done:
    """What a run of the command ended with and printed."""

    returncode: int
    stdout: str
    stderr: str


def run(*arguments: object) -> Done:
    """Run the command as the entry point does, in this process."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = cli._run(["data", "redact", *map(str, arguments)])
    return Done(code, out.getvalue(), err.getvalue())


def run_outside(*arguments: object) -> Done:
    """Run the command in a process of its own."""
    command = [sys.executable, "-P", "-m", "mlguard", "data", "redact", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(HERE), "COLUMNS": "200"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    return Done(done.returncode, done.stdout, done.stderr)


def key_file(folder: Path) -> Path:
    path = folder / "key"
    keys.new(path)
    return path


def rows() -> list[dict[str, object]]:
    return [
        {"id": number, "name": name, "email": mail, "phone": phone, "city": "Ulm", "notes": note, "score": 0.5}
        for number, ((name, mail, phone), note) in enumerate(zip(PEOPLE * 4, NOTES * 4, strict=True))
    ]


def write(folder: Path, suffix: str) -> Path:
    """Write the people as a file of the format."""
    path = folder / f"in{suffix}"
    table = pa.Table.from_pylist(rows())
    if suffix in (".csv", ".tsv"):
        sign = "\t" if suffix == ".tsv" else ","
        lines = [list(rows()[0]), *(list(map(str, row.values())) for row in rows())]
        path.write_text(
            "".join(sign.join(f'"{c}"' if sign in c else c for c in line) + "\r\n" for line in lines),
            "utf-8",
            newline="",
        )
    elif suffix == ".jsonl":
        nested = [
            {"id": r["id"], "user": {k: r[k] for k in ("name", "email", "phone", "city")}, "notes": r["notes"]}
            for r in rows()
        ]
        path.write_text("".join(json.dumps(row) + "\n" for row in nested), "utf-8")
    elif suffix == ".parquet":
        noted = table.replace_schema_metadata(
            {"author": PEOPLE[0][1], "pandas": '{"columns": [], "index_columns": []}'}
        )
        pq.write_table(noted, path, compression="none")
    elif suffix in (".arrow", ".feather"):
        opened = ipc.new_file if suffix == ".feather" else ipc.new_stream
        with opened(path, table.schema) as writer:
            writer.write_table(table)
    else:
        path.write_text("# Notes\n\n" + "".join(f"- {note}\n" for note in NOTES), "utf-8")
    return path


SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet", ".arrow", ".feather", ".txt", ".md")
TABLES = SUFFIXES[:6]


def column(suffix: str, name: str) -> str:
    return f"user.{name}" if suffix == ".jsonl" and name in ("name", "email", "phone", "city") else name


def assert_no_canary(data: bytes, texts: Sequence[str] = CANARIES) -> None:
    for text in texts:
        for encoding in ("utf-8", "utf-16-le", "utf-16-be"):
            assert text.encode(encoding) not in data, f"a canary in {encoding}"


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name.startswith(".") or path.name.endswith(".tmp"))


# --- The command


def test_the_command_redacts_and_restores_in_processes_of_its_own(tmp_path: Path) -> None:
    source, target, back = write(tmp_path, ".csv"), tmp_path / "out.csv", tmp_path / "back.csv"
    made = run_outside("--new-key", tmp_path / "key")

    first = run_outside(source, target, "--key-file", tmp_path / "key", "--no-names")
    second = run_outside(target, back, "--decrypt", "--key-file", tmp_path / "key")

    assert [done.returncode for done in (made, first, second)] == [0, 0, 0], first.stderr + second.stderr
    assert_no_canary(target.read_bytes())
    assert back.read_bytes() == source.read_bytes()


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("operator", ["replace", "mask", "hash", "encrypt", "encrypt:mode=gcm", "drop"])
def test_no_value_is_left_in_the_bytes_of_any_format(tmp_path: Path, suffix: str, operator: str) -> None:
    source, target = write(tmp_path, suffix), tmp_path / f"out{suffix}"
    wanted = [
        "--op",
        f"user.contact={operator}",
        "--op",
        f"user.name={operator}",
        "--no-names",
        "--key-file",
        key_file(tmp_path),
    ]

    done = run(source, target, *wanted)

    assert done.returncode == 0, done.stdout + done.stderr
    assert_no_canary(target.read_bytes())
    assert_no_canary((tmp_path / f"out{suffix}.redaction.json").read_bytes())
    assert_no_canary((done.stdout + done.stderr).encode())
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("mode", ["siv", "gcm"])
def test_what_was_encrypted_is_restored_exactly(tmp_path: Path, suffix: str, mode: str) -> None:
    source, target, back = write(tmp_path, suffix), tmp_path / f"out{suffix}", tmp_path / f"back{suffix}"
    key = key_file(tmp_path)
    wanted = ["--op", f"user.contact=encrypt:mode={mode}", "--op", f"user.name=encrypt:mode={mode}", "--no-names"]
    first = run(source, target, *wanted, "--key-file", key)

    second = run(target, back, "--decrypt", "--key-file", key)

    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert contents(back) == contents(source)
    if suffix not in (".parquet", ".arrow", ".feather"):
        assert back.read_bytes() == source.read_bytes()


def contents(path: Path) -> object:
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pylist()
    if path.suffix in (".arrow", ".feather"):
        with pa.memory_map(str(path)) as mapped:
            return (ipc.open_file if path.suffix == ".feather" else ipc.open_stream)(mapped).read_all().to_pylist()
    return path.read_bytes()


def test_the_plan_is_shown_and_nothing_is_written(tmp_path: Path) -> None:
    source = write(tmp_path, ".csv")

    done = run(source, "--dry-run", "--no-names")

    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["column", "category", "operator", "cells", "decided", "by"]
    assert any(line.split()[:3] == ["email", "user.contact.email", "replace"] and "20 of 20" in line for line in lines)
    assert any(line.startswith("notes") and "inside the text" in line for line in lines)
    assert "language model" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


def test_a_wrong_key_restores_nothing(tmp_path: Path) -> None:
    source, target = write(tmp_path, ".csv"), tmp_path / "out.csv"
    run(source, target, "--key-file", key_file(tmp_path), "--no-names")
    other = tmp_path / "other"
    keys.new(other)

    done = run(target, tmp_path / "back.csv", "--decrypt", "--key-file", other)

    assert done.returncode == 2
    assert "wrong key" in done.stderr
    assert not (tmp_path / "back.csv").exists() and leftovers(tmp_path) == []


def test_an_altered_value_restores_nothing(tmp_path: Path) -> None:
    source, target = write(tmp_path, ".csv"), tmp_path / "out.csv"
    key = key_file(tmp_path)
    run(source, target, "--key-file", key, "--no-names")
    text = target.read_text()
    place = text.index("mlg1s.") + 20
    (tmp_path / "bad.csv").write_text(text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1 :])

    done = run(tmp_path / "bad.csv", tmp_path / "back.csv", "--decrypt", "--key-file", key)

    assert done.returncode == 2 and "altered" in done.stderr
    assert not (tmp_path / "back.csv").exists()


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    key = key_file(tmp_path)
    key.chmod(0o640)

    done = run(write(tmp_path, ".csv"), tmp_path / "out.csv", "--key-file", key)

    assert done.returncode == 2 and "chmod 600" in done.stderr


def test_a_new_key_is_for_its_owner_and_is_never_shown_or_overwritten(tmp_path: Path) -> None:
    done = run("--new-key", tmp_path / "key")
    again = run("--new-key", tmp_path / "key")

    text = (tmp_path / "key").read_text()
    secret = text.strip().rpartition(":")[2]
    assert done.returncode == 0 and stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    assert text.startswith("# ") and len(base64.b64decode(secret)) == 32
    assert secret not in done.stdout + done.stderr
    assert again.returncode == 2 and (tmp_path / "key").read_text() == text


def test_the_key_is_in_no_output(tmp_path: Path) -> None:
    key = key_file(tmp_path)
    secret = key.read_text().strip().rpartition(":")[2]

    done = run(write(tmp_path, ".csv"), tmp_path / "out.csv", "--key-file", key, "--no-names")

    for text in (
        done.stdout,
        done.stderr,
        (tmp_path / "out.csv").read_text(),
        (tmp_path / "out.csv.redaction.json").read_text(),
    ):
        assert secret not in text and base64.b64decode(secret).hex() not in text


def test_in_and_out_are_two_files_and_out_is_not_overwritten_unasked(tmp_path: Path) -> None:
    source = write(tmp_path, ".csv")
    before = source.read_bytes()
    (tmp_path / "link.csv").symlink_to(source)
    (tmp_path / "there.csv").write_text("kept")

    same = run(source, source, "--force")
    linked = run(source, tmp_path / "link.csv", "--force")
    there = run(source, tmp_path / "there.csv")
    forced = run(source, tmp_path / "there.csv", "--force", "--no-names")

    assert (same.returncode, linked.returncode, there.returncode, forced.returncode) == (2, 2, 2, 0)
    assert source.read_bytes() == before
    assert "--force" in there.stderr and "same file" in same.stderr


def test_the_record_says_what_was_done_without_a_value(tmp_path: Path) -> None:
    source, target = write(tmp_path, ".csv"), tmp_path / "out.csv"
    key = key_file(tmp_path)

    run(source, target, "--key-file", key, "--column", "email=hash", "--no-names")

    record = json.loads((tmp_path / "out.csv.redaction.json").read_text())
    by_column = {entry["column"]: entry for entry in record["columns"]}
    assert record["input"]["sha256"] == hashlib.sha256(source.read_bytes()).hexdigest()
    assert record["output"]["sha256"] == hashlib.sha256(target.read_bytes()).hexdigest()
    assert record["key"] == keys.read(key).id
    assert by_column["email"]["operator"] == "hash" and by_column["email"]["cells_changed"] == 20
    assert by_column["notes"]["inside_text"]["user.contact.email"] == "encrypt"


def test_a_plan_that_leaves_a_column_open_is_refused_by_name(tmp_path: Path) -> None:
    source = write(tmp_path, ".csv")
    (tmp_path / "plan.yaml").write_text(
        "redact:\n  categories: {user.contact.email: replace}\n  columns: {name: mask}\n"
    )

    done = run(source, tmp_path / "out.csv", "--plan", tmp_path / "plan.yaml", "--no-names")

    assert done.returncode == 2
    assert "'phone'" in done.stderr and "'notes'" in done.stderr and "'name'" not in done.stderr
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("redact:\n  colums: {}\n", "line 2: there is no key 'colums'; did you mean 'columns'"),
        ("redact:\n  columns:\n    a: shred\n", "line 3: a: there is no operator 'shred'"),
        ("redact:\n  categories:\n    user.contact.emial: hash\n", "did you mean 'user.contact.email'"),
        ("redact:\n  quasi: maybe\n", "quasi is one of"),
        ("redact: [1]\n", "a plan has one key"),
        ("redact:\n  columns:\n    a: {operator: mask, keeps: 2}\n", "mask has no option 'keeps'"),
    ],
)
def test_a_plan_that_cannot_be_used_says_where(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "plan.yaml").write_text(text)

    with pytest.raises(MlguardError) as caught:
        plan.read(tmp_path / "plan.yaml")

    assert told in str(caught.value)


def test_hash_and_encrypt_need_a_key(tmp_path: Path) -> None:
    done = run(write(tmp_path, ".csv"), tmp_path / "out.csv", "--op", "user.contact.email=hash")

    assert done.returncode == 2 and "--key-file" in done.stderr


def test_the_same_address_has_the_same_token_in_every_file(tmp_path: Path) -> None:
    key = key_file(tmp_path)
    made = []
    for suffix in TABLES:
        run(write(tmp_path, suffix), tmp_path / f"out{suffix}", "--key-file", key, "--no-names", "--no-record")
        made.append((tmp_path / f"out{suffix}").read_bytes())
    token = tokens.encrypt([PEOPLE[0][1]], keys.read(key), "siv")[0].encode()

    assert all(token in data for data in made)


def test_a_failure_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write(tmp_path, ".csv")
    outcome = copying.survey_and_decide(source, plan.Wishes(), False, False)
    seen: list[bytes] = []

    def broken(file: object) -> None:
        (temporary,) = tmp_path.glob(".out.csv.*.tmp")
        seen.append(temporary.read_bytes())
        assert stat.S_IMODE(temporary.stat().st_mode) == 0o600
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(copying, "_settle", broken)
    with pytest.raises(UsageError, match="cannot be written"):
        copying.redact(source, tmp_path / "out.csv", outcome, None, with_names=False, force=False, record=True)

    assert_no_canary(seen[0])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.csv"]


def test_a_copy_that_still_shows_something_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write(tmp_path, ".csv")
    outcome = copying.survey_and_decide(source, plan.Wishes(), False, False)
    real = Applied.each

    def forgetful(self: Applied, values: Sequence[str], raw: bool = False) -> list[str]:
        made = real(self, values, raw)
        return [*made[:-1], values[-1]] if self.category == "user.contact.email" else made

    monkeypatch.setattr(Applied, "each", forgetful)
    done = copying.redact(source, tmp_path / "out.csv", outcome, None, with_names=False, force=False, record=True)

    assert not done.written and done.left["email", "user.contact.email"] == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.csv"]


def test_a_file_that_cannot_be_read_to_its_end_is_refused(tmp_path: Path) -> None:
    whole = write(tmp_path, ".parquet").read_bytes()
    (tmp_path / "cut.parquet").write_bytes(whole[: len(whole) // 2])

    done = run(tmp_path / "cut.parquet", tmp_path / "out.parquet")

    assert done.returncode not in (0, 1)
    assert_no_canary((done.stdout + done.stderr).encode())
    assert not (tmp_path / "out.parquet").exists() and leftovers(tmp_path) == []


# --- Formats


class Marking:
    """Replaces the cells of one column and asks for no other."""

    everything = False

    def __init__(self, column: str, new: str = "X", dropped: Sequence[str] = ()) -> None:
        self.column, self.new, self.dropped = column, new, dropped
        self.seen: list[str] = []

    def wants(self, column: str) -> bool:
        return column == self.column

    def drops(self, column: str) -> bool:
        return column in self.dropped

    def rewrites(self, column: str) -> bool:
        return False

    def texts(self, column: str, values: Sequence[str], raw: bool = False) -> list[tuple[str, bool]]:
        self.seen += values
        return [(self.new, False) for _ in values]


def rewritten(module: object, data: bytes, change: object, columns: Sequence[str], folder: Path) -> bytes:
    (folder / "f").write_bytes(data)
    out = io.BytesIO()
    module.rewrite(folder / "f", out, change, columns)  # type: ignore[attr-defined]
    return out.getvalue()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"a,b\n1,2\n", b"a,b\n1,X\n"),
        (b"a;b\r\n 1 ; 2 \r\n", b"a;b\r\n 1 ;X\r\n"),
        (b'a,b,c\n"x, y","2","q"\n\n', b'a,b,c\n"x, y","X","q"\n\n'),
        (b'a,b\n"two\nlines ""quoted""",2\r3,4', b'a,b\n"two\nlines ""quoted""",X\r3,X'),
        ("\ufeffä,b\nü,ö\n".encode(), "\ufeffä,b\nü,X\n".encode()),
        ("a\tb\nü\tö\n".encode("utf-16"), "a\tb\nü\tX\n".encode("utf-16")),
        ("a,b\nü,ö\n".encode("cp1252"), "a,b\nü,X\n".encode("cp1252")),
        (b"a|b\n|\n", b"a|b\n|X\n"),
        (b'a,b\n1,2,3,4\n5\n"",""\n', b'a,b\n1,X,3,4\n5\n"","X"\n'),
    ],
)
def test_cells_that_are_not_changed_keep_their_bytes(tmp_path: Path, before: bytes, after: bytes) -> None:
    columns = ["ä", "b"] if b"\xc3\xa4" in before else ["a", "b", "c"][: 3 if b"c\n" in before else 2]

    assert rewritten(separated, before, Marking("b"), columns, tmp_path) == after


def test_a_value_that_needs_quotes_gets_them(tmp_path: Path) -> None:
    out = rewritten(separated, b"a,b\n1,2\n", Marking("b", 'x, "y"\n'), ["a", "b"], tmp_path)

    assert out == b'a,b\n1,"x, ""y""\n"\n'


def test_a_dropped_column_takes_its_delimiter_along(tmp_path: Path) -> None:
    out = rewritten(separated, b'a,b,c\n1,"2,2",3\n4\n', Marking("", dropped=("b",)), ["a", "b", "c"], tmp_path)

    assert out == b"a,c\n1,3\n4\n"


def test_a_table_without_a_header_is_changed_from_its_first_row(tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text("".join(f"{n},{mail},{n * 3}\n" for n, (_, mail, _) in enumerate(PEOPLE)))

    done = run(source, tmp_path / "out.csv", "--no-names")

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out.csv").read_text() == "".join(f"{n},<EMAIL_ADDRESS>,{n * 3}\n" for n in range(5))


_cells = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(_cells, _cells, _cells), max_size=6), st.sampled_from(["minimal", "all"]))
def test_any_csv_is_parted_as_the_csv_module_parts_it(
    tmp_path: Path, table: list[tuple[str, str, str]], quoting: str
) -> None:
    import csv

    out = io.StringIO(newline="")
    writer = csv.writer(out, quoting=csv.QUOTE_ALL if quoting == "all" else csv.QUOTE_MINIMAL)
    writer.writerows([("alpha_1", "beta_2", "gamma_3"), *table])
    data = out.getvalue().encode()
    columns = ["alpha_1", "beta_2", "gamma_3"]
    seen = Marking("beta_2")

    changed = rewritten(separated, data, seen, columns, tmp_path)
    same = rewritten(separated, data, Marking("none"), columns, tmp_path)

    assert same == data
    assert seen.seen == [row[1] for row in table]
    read = list(csv.reader(io.StringIO(changed.decode(), newline="")))
    assert read[1:] == [[row[0], "X", row[2]] for row in table]


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.dictionaries(st.text(max_size=4), _json, max_size=3), max_size=4), st.booleans(), st.booleans())
def test_any_json_lines_keep_their_bytes(
    tmp_path: Path, records: list[dict[str, object]], ascii_only: bool, spaced: bool
) -> None:
    shape = (", ", ": ") if spaced else (",", ":")
    data = "".join(json.dumps({**r, "mail": "m"}, ensure_ascii=ascii_only, separators=shape) + "\n" for r in records)
    try:
        encoded = data.encode()
    except UnicodeEncodeError:
        return
    wanted = [{**r, "mail": "X"} for r in records]

    assert rewritten(jsonlines, encoded, Marking("none"), [], tmp_path) == encoded
    changed = rewritten(jsonlines, encoded, Marking("mail"), [], tmp_path)
    assert [json.loads(line) for line in changed.decode().split("\n")[:-1]] == wanted
    dropped = rewritten(jsonlines, encoded, Marking("", dropped=("mail",)), [], tmp_path)
    assert [json.loads(line) for line in dropped.decode().split("\n")[:-1]] == [
        {k: v for k, v in r.items() if k != "mail"} for r in records
    ]


def test_nested_values_and_lists_are_changed_at_their_paths(tmp_path: Path) -> None:
    line = b'{ "a": {"b": [1, "x", {"c": "y"}]},  "d": 1.50, "e": null }\n'

    assert rewritten(jsonlines, line, Marking("a.b[]"), [], tmp_path) == line.replace(b'[1, "x"', b'["X", "X"')
    assert rewritten(jsonlines, line, Marking("a.b[].c"), [], tmp_path) == line.replace(b'"y"', b'"X"')
    assert rewritten(jsonlines, line, Marking("", dropped=("a", "d")), [], tmp_path) == b'{ "e": null }\n'


def test_a_line_that_is_no_json_is_treated_as_text(tmp_path: Path) -> None:
    source = write(tmp_path, ".jsonl")
    source.write_text(source.read_text() + f'{{"broken": "{PEOPLE[0][1]}\n')

    done = run(source, tmp_path / "out.jsonl", "--no-names")

    assert done.returncode == 0, done.stdout + done.stderr
    assert_no_canary((tmp_path / "out.jsonl").read_bytes())


def test_a_number_of_json_is_restored_as_a_number(tmp_path: Path) -> None:
    line = b'{"phone": 4930901820, "t": true, "f": 1.50}\n'
    (tmp_path / "f").write_bytes(line)
    change = Redaction({name: Applied(parse("encrypt", ""), "", KEY) for name in ("phone", "t", "f")}, {}, frozenset())
    out = io.BytesIO()
    jsonlines.rewrite(tmp_path / "f", out, change, [])
    (tmp_path / "g").write_bytes(out.getvalue())
    back = io.BytesIO()

    jsonlines.rewrite(tmp_path / "g", back, Restoring(tokens.Restorer(KEY)), [])

    assert b"4930901820" not in out.getvalue()
    assert back.getvalue() == line


def people_table() -> object:
    """A table with every kind of column that an operator can meet."""
    mails = [mail for _, mail, _ in PEOPLE]
    return pa.table(
        {
            "email": pa.array([*mails, None, ""]),
            "email_large": pa.array([*mails, None, ""], pa.large_string()),
            "email_bytes": pa.array([*(m.encode() for m in mails), None, b""], pa.binary()),
            "email_kind": pa.array([*mails, None, mails[0]]).dictionary_encode(),
            "phone": pa.array([4930901820 + n for n in range(5)] + [None, 4930901820], pa.int64()),
            "phone_float": pa.array([4930901820.0 + n for n in range(5)] + [None, 1.0], pa.float64()),
            "user": pa.array(
                [{"email": m, "plan": n} for n, m in enumerate(mails)] + [None, {"email": None, "plan": 7}]
            ),
            "emails": pa.array([[m, m] for m in mails] + [None, []], pa.list_(pa.string())),
            "pairs": pa.array([[("email", m)] for m in mails] + [None, []], pa.map_(pa.string(), pa.string())),
            "fixed": pa.array([[m, "x"] for m in mails] + [None, ["y", "z"]], pa.list_(pa.string(), 2)),
            "amount": pa.array(range(7), pa.int32()),
        }
    )


COLUMNS = (
    "email",
    "email_large",
    "email_bytes",
    "email_kind",
    "phone",
    "phone_float",
    "user.email",
    "emails[]",
    "pairs.*",
    "fixed[]",
)


@pytest.mark.parametrize("suffix", [".parquet", ".arrow", ".feather"])
@pytest.mark.parametrize("operator", ["encrypt", "encrypt:mode=gcm"])
def test_every_type_of_column_is_restored_exactly(tmp_path: Path, suffix: str, operator: str) -> None:
    from mlguard.redaction import columnar

    table = people_table()
    source, out, back = (tmp_path / f"{name}{suffix}" for name in ("a", "b", "c"))
    put(table, source)
    change = Redaction({name: Applied(parse(operator, ""), "", KEY) for name in COLUMNS}, {}, frozenset())
    kind = "parquet" if suffix == ".parquet" else "arrow"
    with open(out, "wb") as file:
        columnar.rewrite(source, file, change, kind)

    with open(back, "wb") as file:
        columnar.rewrite(out, file, Restoring(tokens.Restorer(KEY)), kind)

    assert_no_canary(out.read_bytes(), [*CANARIES, "4930901820"])
    assert taken(back).to_pylist() == table.to_pylist()
    assert [f.type for f in taken(back).schema if f.name != "email_kind" and f.name != "fixed"] == [
        f.type for f in table.schema if f.name != "email_kind" and f.name != "fixed"
    ]
    assert taken(out).column("amount").equals(table.column("amount"))


def put(table: object, path: Path) -> None:
    if path.suffix == ".parquet":
        pq.write_table(table, path, compression="none")
        return
    with (ipc.new_file if path.suffix == ".feather" else ipc.new_stream)(path, table.schema) as writer:  # type: ignore[attr-defined]
        writer.write_table(table, max_chunksize=3)


def taken(path: Path) -> object:
    if path.suffix == ".parquet":
        return pq.read_table(path)
    with pa.memory_map(str(path)) as mapped:
        return (ipc.open_file if path.suffix == ".feather" else ipc.open_stream)(mapped).read_all()


@pytest.mark.parametrize("suffix", [".parquet", ".arrow", ".feather"])
@pytest.mark.parametrize("operator", ["replace", "hash", "mask"])
def test_no_value_is_left_in_statistics_dictionaries_or_nested_columns(
    tmp_path: Path, suffix: str, operator: str
) -> None:
    from mlguard.redaction import columnar

    source, out = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    put(people_table(), source)
    change = Redaction({name: Applied(parse(operator, ""), "", KEY) for name in COLUMNS}, {}, frozenset())
    kind = "parquet" if suffix == ".parquet" else "arrow"

    with open(out, "wb") as file:
        tops, _ = columnar.rewrite(source, file, change, kind)
    checking = Checking(change)
    columnar.rewrite(out, None, checking, kind, tops)

    assert_no_canary(out.read_bytes(), [*CANARIES, "4930901820"])
    assert (4930901820).to_bytes(8, "little") not in out.read_bytes()
    assert checking.wrong == {}
    assert taken(out).num_rows == 7  # type: ignore[attr-defined]


@pytest.mark.parametrize("suffix", [".parquet", ".arrow", ".feather"])
def test_entries_of_a_dictionary_that_no_row_uses_do_not_get_into_the_copy(tmp_path: Path, suffix: str) -> None:
    from mlguard.redaction import columnar

    kinds = pa.DictionaryArray.from_arrays(pa.array([0, None, 0, 2], pa.int8()), pa.array(["a", PEOPLE[0][1], "c"]))
    table = pa.table({"kind": kinds})
    put(table, tmp_path / f"a{suffix}")

    with open(tmp_path / f"b{suffix}", "wb") as file:
        columnar.rewrite(
            tmp_path / f"a{suffix}",
            file,
            Redaction({}, {}, frozenset()),
            "parquet" if suffix == ".parquet" else "arrow",
        )

    assert_no_canary((tmp_path / f"b{suffix}").read_bytes())
    assert taken(tmp_path / f"b{suffix}").column("kind").to_pylist() == ["a", None, "a", "c"]  # type: ignore[attr-defined]
    assert taken(tmp_path / f"b{suffix}").schema.field("kind").type.index_type == pa.int8()  # type: ignore[attr-defined]


def test_metadata_beside_the_rows_is_left_out_and_what_pandas_notes_is_brought_in_line(tmp_path: Path) -> None:
    note = {
        "columns": [
            {"name": n, "field_name": n, "pandas_type": "int64", "numpy_type": "int64", "metadata": None}
            for n in ("phone", "score", "email")
        ],
        "index_columns": ["email"],
    }
    table = pa.table(
        {
            "phone": [4930901820 + n for n in range(30)],
            "score": [1] * 30,
            "email": [f"p{n}@kunde.intern" for n in range(30)],
        }
    )
    table = table.replace_schema_metadata({"pandas": json.dumps(note), "contact": "Mira Kunde"})
    pq.write_table(table, tmp_path / "a.parquet")

    done = run(
        tmp_path / "a.parquet",
        tmp_path / "b.parquet",
        "--column",
        "phone=hash",
        "--column",
        "email=drop",
        "--key-file",
        key_file(tmp_path),
    )

    assert done.returncode == 0, done.stdout + done.stderr
    schema = pq.read_schema(tmp_path / "b.parquet")
    kept = json.loads(schema.metadata[b"pandas"])
    assert b"contact" not in schema.metadata and "contact" in done.stdout
    assert [entry["field_name"] for entry in kept["columns"]] == ["phone", "score"] and kept["index_columns"] == []
    assert kept["columns"][0]["pandas_type"] == "unicode"


def test_lines_of_a_text_keep_what_is_around_the_spans(tmp_path: Path) -> None:
    text = f"Grüße an {PEOPLE[0][1]},\r\nTel. {PEOPLE[0][2]}!\r\n\x0b no end".encode()
    change = Redaction(
        {}, {plan.PROSE: spans.TextChange({}, Applied(parse("replace", ""), "user.contact"))}, frozenset()
    )

    out = rewritten(prose, text, change, [plan.PROSE], tmp_path)

    assert out.decode() == "Grüße an <EMAIL_ADDRESS>,\r\nTel. <PHONE_NUMBER>!\r\n\x0b no end"


# --- Operators


_texts = st.text(max_size=30)


@settings(deadline=None)
@given(st.lists(st.text(st.characters(), max_size=40), max_size=5), st.sampled_from(["siv", "gcm"]))
def test_any_text_is_restored(values: list[str], mode: str) -> None:
    made = tokens.encrypt(values, KEY, mode)  # type: ignore[arg-type]
    restorer = tokens.Restorer(KEY)

    assert [restorer.text(f"a{token}b{token}") for token in made] == [f"a{v}b{v}" for v in values]
    assert all(tokens.TOKEN.fullmatch(token) for token in made)
    assert restorer.restored == 2 * len(values)


@settings(deadline=None)
@given(_texts)
def test_siv_is_the_same_for_the_same_value_and_gcm_never_is(value: str) -> None:
    first, second = tokens.encrypt([value, value], KEY, "siv")
    third, fourth = tokens.encrypt([value, value], KEY, "gcm")

    assert first == second and third != fourth
    assert tokens.encrypt([value], OTHER, "siv")[0] != first


def test_a_cell_of_one_column_of_gcm_does_not_show_which_are_equal() -> None:
    made = Applied(parse("encrypt:mode=gcm", ""), "", KEY).each(["a", "a", "a"])

    assert len(set(made)) == 3


@settings(deadline=None)
@given(
    _texts.filter(lambda text: bool(text)), st.integers(1, 40), st.booleans(), st.sampled_from("*#x•".replace("x", "-"))
)
def test_mask_is_what_presidio_does(text: str, size: int, from_end: bool, char: str) -> None:
    presidio = pytest.importorskip("presidio_anonymizer.operators")
    wanted = presidio.Mask().operate(text, {"masking_char": char, "chars_to_mask": size, "from_end": from_end})

    operator = parse({"operator": "mask", "chars": size, "from": "end" if from_end else "start", "char": char}, "")

    assert operators.masked(operator, text) == wanted


@settings(deadline=None)
@given(_texts)
def test_replace_and_drop_inside_a_text_are_what_presidio_does(text: str) -> None:
    presidio = pytest.importorskip("presidio_anonymizer.operators")

    plain = Applied(parse("replace", ""), "user.contact.email", entity="EMAIL_ADDRESS")
    given_one = Applied(parse("replace:value=gone", ""), "user.contact.email")
    dropped = Applied(parse("drop", ""), "user.contact.email")

    assert plain.values([text]) == [presidio.Replace().operate(text, {"entity_type": "EMAIL_ADDRESS"})]
    assert given_one.values([text]) == [presidio.Replace().operate(text, {"new_value": "gone"})]
    assert dropped.values([text]) == [presidio.Redact().operate(text, {})]


def test_spans_in_a_text_come_out_as_from_presidios_engine() -> None:
    engine = pytest.importorskip("presidio_anonymizer")
    from presidio_anonymizer.entities import RecognizerResult

    found = spans.find(NOTES[0])
    results = [RecognizerResult(span.entity, span.start, span.end, 1.0) for span in found]
    wanted = engine.AnonymizerEngine().anonymize(NOTES[0], results).text

    assert spans.TextChange({}, Applied(parse("replace", ""), "user")).each([NOTES[0]]) == [wanted]


def test_hash_is_keyed_by_hmac_and_is_not_a_plain_digest() -> None:
    value = PEOPLE[0][1]
    (made,) = Applied(parse("hash", ""), "", KEY).values([value])

    assert made == hmac.new(KEY.hashing, value.encode(), "sha256").hexdigest()
    assert made != hashlib.sha256(value.encode()).hexdigest()
    with pytest.raises(UsageError):
        Applied(parse("hash", ""), "")


def test_hashing_can_leave_case_width_and_space_aside() -> None:
    folding, plain = Applied(parse("hash:normalise", ""), "", KEY), Applied(parse("hash", ""), "", KEY)
    values = ["Mira@Kunde.intern", " mira@kunde.intern ", "ｍira@kunde.intern"]

    assert len(set(folding.values(values))) == 1
    assert len(set(plain.values(values))) == 3


def test_a_mask_that_keeps_the_end_never_shows_most_of_a_short_value() -> None:
    operator = parse("mask:keep=4", "")

    assert operators.masked(operator, "4539148803436467") == "************6467"
    assert operators.masked(operator, "1234") == "***4"
    assert operators.masked(operator, "ab") == "**"
    assert operators.masked(parse("mask:keep-first=2,keep=2", ""), "0123456789") == "0" + "*" * 7 + "89"


@pytest.mark.parametrize(
    ("kind", "level", "value", "wanted"),
    [
        ("age", "", "37", "30-39"), ("age", "5", "37", "35-39"), ("age", "", "94", "90+"), ("age", "", "89", "80-89"), ("age", "", "37.0", "30-39"),
        ("age", "", "old", None), ("age", "", "-3", None), ("age", "", "212", None), ("age", "", "NaN", None),
        ("date", "", "1987-03-12", "1987"), ("date", "month", "1987-03-12", "1987-03"), ("date", "decade", "12.03.1987", "1980s"),
        ("date", "month", "12.03.1987", "1987-03"), ("date", "month", "03/12/1987", None), ("date", "month", "25/12/1987", "1987-12"),
        ("date", "month", "12/25/1987", "1987-12"), ("date", "", "1987-03-12T10:00:00Z", "1987"), ("date", "", "12 March", None), ("date", "", "19870312", "1987"),
        ("postcode", "", "89073", "89***"), ("postcode", "3", "SW1A 1AA", "SW1****"), ("postcode", "", "12", None), ("postcode", "6", "123456", "12345*"),
        ("number", "", "51234.7", "51000"), ("number", "50", "-26", "-50"), ("number", "", "much", None),
        ("ip", "", "84.21.9.77", "84.21.9.0/24"), ("ip", "16", "84.21.9.77", "84.21.0.0/16"), ("ip", "", "2a02:8109:9a::1", "2a02:8109:9a::/48"), ("ip", "", "x", None),
        ("geo", "", "48.40137", "48.4"), ("geo", "0", "-9.99", "-10"), ("geo", "2", "9.98765", "9.99"), ("geo", "", "999", None),
    ],
)  # fmt: skip
def test_values_become_coarser_or_are_no_such_value(kind: str, level: str, value: str, wanted: str | None) -> None:
    made = generalise.level(kind, level)

    assert made.one(value) == wanted
    assert wanted is None or made.form.fullmatch(wanted)


def test_a_cell_that_cannot_be_made_coarser_is_replaced(tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    ages = [str(20 + n) for n in range(40)]
    source.write_text(
        "name,age\n" + "".join(f"{PEOPLE[n % 5][0]},{age}\n" for n, age in enumerate(ages)) + "Jan Huber,thirty-one\n"
    )

    done = run(source, tmp_path / "out.csv", "--quasi", "generalise", "--no-names")

    assert done.returncode == 0, done.stdout + done.stderr
    lines = (tmp_path / "out.csv").read_text().splitlines()
    assert lines[1] == "<PERSON>,20-29" and lines[-1] == "<PERSON>,<AGE_RANGE>"
    assert "1 distinct values could not be read" in done.stdout


@pytest.mark.parametrize(
    "spec",
    ["shred", "hash:salt=1", "mask:char=ab", "mask:char=7", "mask:chars=0", "mask:chars=2,keep=1", "encrypt:mode=cbc", "hash:length=4",
     "generalise:age=0", "generalise:date=week", "generalise:geo=9", "generalise:age=5,geo=1", "keep:all", 7],
)  # fmt: skip
def test_an_operator_that_makes_no_sense_is_refused(spec: object) -> None:
    with pytest.raises(UsageError):
        parse(spec, "here")


def test_surnames_that_look_like_missing_values_are_not_left() -> None:
    made = Applied(parse("replace", ""), "user.name").each(["Null", "Na", "None", "", " ", "n/a", "-"])

    assert made == ["<PERSON>", "<PERSON>", "<PERSON>", "", " ", "n/a", "-"]


def test_special_categories_are_replaced_unless_they_are_asked_for(tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    beliefs = ["catholic", "muslim", "protestant", "jewish", "buddhist"]
    source.write_text("name,religion\n" + "".join(f"{PEOPLE[n % 5][0]},{beliefs[n % 5]}\n" for n in range(30)))

    usual = run(source, tmp_path / "a.csv", "--no-names")
    kept = run(source, tmp_path / "b.csv", "--no-names", "--special", "keep")

    assert (usual.returncode, kept.returncode) == (0, 0), usual.stdout + kept.stdout
    assert_no_canary((tmp_path / "a.csv").read_bytes(), beliefs)
    assert "catholic" in (tmp_path / "b.csv").read_text()


def test_the_same_key_and_file_give_the_same_bytes(tmp_path: Path) -> None:
    key, source = key_file(tmp_path), write(tmp_path, ".parquet")

    for name in ("a", "b"):
        assert run(source, tmp_path / f"{name}.parquet", "--key-file", key, "--no-names", "--no-record").returncode == 0

    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
