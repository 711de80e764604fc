"""Parts of a dataset that are counted apart tell the same as one run."""

from __future__ import annotations

import base64
import hashlib
import json
import random
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mlguard import codec, shards
from mlguard.artifacts import Artifact
from mlguard.cli import _run
from mlguard.errors import UsageError
from mlguard.facts import Dataset
from mlguard.findings import Gap
from mlguard.scanners import Context
from mlguard.scanners.dataset import DatasetScanner, parts, sketch

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

KEY = bytes(range(32))
SMALL = {"slice_bytes": 20_000}


def people(rows: int, start: int = 0) -> Any:
    """Return a table with personal data of many kinds, in which no two parts are alike."""
    pick = random.Random(start)
    numbers = range(start, start + rows)
    return pa.table({
        "customer_id": [10_000_000 + n for n in numbers],
        "visits": [n % 90 if n % 7 else None for n in numbers],
        "email": [f"mira{n}@kunde.intern" if n % 5 else None for n in numbers],
        "pseudonym": [hashlib.md5(f"mira{n}@kunde.intern".encode()).hexdigest() for n in numbers],
        "gender": [pick.choice("mf") for _ in numbers],
        "postcode": [f"{pick.randrange(10_000, 10_090)}" for _ in numbers],
        "religion": [pick.choice(["catholic", "muslim", "jewish", "none"]) for _ in numbers],
        "salary": [float(pick.randrange(20, 90) * 1000) for _ in numbers],
        "note": [f"the parcel of customer {n} came late, please call 0151 {2_000_000 + n} again" for n in numbers],
        "mira@kunde.intern": [n % 3 for n in numbers],
        "status": pa.array([pick.choice(["active", "paused"]) for _ in numbers]).dictionary_encode(),
    }).replace_schema_metadata({"owner": "Mira Kowalski, mira.kowalski@kunde.intern"})  # fmt: skip


def artifacts(root: Path) -> tuple[Artifact, ...]:
    found = sorted(path for path in root.rglob("*.parquet"))
    return tuple(Artifact(path.relative_to(root).as_posix(), "parquet", path.stat().st_size) for path in found)


def dumped(records: Any) -> list[str]:
    return sorted(codec.dumps(codec.encode(record)) for record in records)


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("one")
    pq.write_table(people(6000), root / "people.parquet", row_group_size=500)
    return root


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("many")
    for number in range(4):
        rows = people(900 + 400 * number, number * 10_000)
        pq.write_table(rows, root / f"part-{number:05}.parquet", row_group_size=300 + 100 * number)
    return root


def cut(root: Path, cuts: list[int], seed: int, tree: bool) -> list[str]:
    """Return what is told of the files below a folder, counted between the cuts, sealed, shuffled and merged."""
    group, given = artifacts(root), {**SMALL, "key": KEY.hex()}
    count = len(parts.slices(group, SMALL))
    places = sorted({0, count, *(place % (count + 1) for place in cuts)})
    sealed: list[Any] = []
    for part in pairwise(places):
        sealed += DatasetScanner().scan(group, Context(root, {**given, "part": part}))
    random.Random(seed).shuffle(sealed)
    if tree:  # merged in halves, each of which travels once more
        seen = [parts.opened(part, KEY) for part in sealed]
        runs = [run for half in (seen[::2], seen[1::2]) for run in sketch.merged(half)]
        sealed = [parts.sealed(run, sealed[0].path, KEY) for run in runs]
    return dumped(DatasetScanner().scan(group, Context(root, {**given, "part": (), "parts": sealed})))


@pytest.mark.parametrize("name", ["one", "many"])
def test_any_cut_and_order_of_parts_tells_the_same_as_one_run(name: str, request: pytest.FixtureRequest) -> None:
    root: Path = request.getfixturevalue(name)
    whole = dumped(DatasetScanner().scan(artifacts(root), Context(root, SMALL)))
    assert len(whole) > 1

    @settings(
        max_examples=6,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        derandomize=True,
    )
    @given(st.lists(st.integers(0, 200), max_size=8), st.integers(0, 9), st.booleans())
    def same(cuts: list[int], seed: int, tree: bool) -> None:
        assert cut(root, cuts, seed, tree) == whole

    same()


def test_a_column_that_is_not_fetched_counts_the_same(tmp_path: Path) -> None:
    """What the footer of a column of small numbers says is all that the kernel would count of it."""
    table = people(3000).drop_columns(["pseudonym", "mira@kunde.intern"])
    pq.write_table(table, tmp_path / "people.parquet", row_group_size=400)
    group = artifacts(tmp_path)
    end = len(parts.slices(group, SMALL))

    fetched = parts.counted(group, 0, end, Context(tmp_path, SMALL))
    spared = parts.counted(group, 0, end, Context(tmp_path, {**SMALL, "spare": True}))

    assert sketch.pack(fetched) == sketch.pack(spared)


def test_a_part_that_is_not_there_is_a_gap_and_the_others_are_told(one: Path) -> None:
    group, context = artifacts(one), Context(one, SMALL)
    end = len(parts.slices(group, SMALL))
    seen = [parts.counted(group, 0, 5, context), parts.counted(group, 9, end, context)]

    records = list(parts.told(group, seen, context))

    gaps = [record.reason for record in records if isinstance(record, Gap)]
    assert gaps == [f"slices 6 to 9 of {end} were not counted; run again"]
    assert any(isinstance(record, Dataset) and record.fields for record in records)


def test_a_sealed_count_shows_no_value_and_opens_only_with_its_key_and_place(one: Path) -> None:
    group, context = artifacts(one), Context(one, SMALL)
    part = parts.sealed(parts.counted(group, 0, 5, context), "people.parquet", KEY)
    raw = base64.b64decode(part.sealed)

    assert b"kunde" not in raw and b"mira" not in raw
    assert parts.opened(part, KEY).sheet.rows > 0
    for other in (replace(part, begin=1), replace(part, path="else.parquet")):
        with pytest.raises(UsageError):
            parts.opened(other, KEY)
    with pytest.raises(UsageError):
        parts.opened(part, bytes(32))
    for place in (0, 13, len(raw) - 1):
        with pytest.raises(UsageError):
            sketch.unseal(raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :], KEY, "x")


# --- The command


SECRET = "a-key-that-nobody-has-guessed-so-far-7731"


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(parts, "SLICE_BYTES", 20_000)
    root = tmp_path / "tree"
    for folder in ("data", "src"):
        (root / folder).mkdir(parents=True)
    pq.write_table(people(6000), root / "data" / "people.parquet", row_group_size=300)
    (root / "data" / "a.csv").write_text("email\nmira@kunde.intern\n")
    (root / "data" / "broken.parquet").write_bytes(b"PAR1" + bytes(500))
    (root / "src" / "load.py").write_text("import yaml\nyaml.load(open('x'))\n")
    return root


def mlguard(*arguments: object) -> int:
    return _run(["scan", "-j", "0", *map(str, arguments)])


def shard_files(tree: Path, count: int, *options: object) -> list[Path]:
    files = [tree.parent / f"shard-{number}" for number in range(1, count + 1)]
    for number, file in enumerate(files, 1):
        assert mlguard(tree, "--root", tree, "--shard", f"{number}/{count}", "--shard-out", file, *options) == 0
    return files


@pytest.mark.parametrize("count", [1, 3, 8])
def test_the_report_of_shards_is_that_of_one_run_byte_for_byte(
    tree: Path, count: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLGUARD_SHARD_KEY", SECRET)
    whole, put_together = tree.parent / "whole.json", tree.parent / "merged.json"
    code = mlguard(tree, "--root", tree, "-o", f"json={whole}")

    files = shard_files(tree, count)
    merged = mlguard("--root", tree, "--merge", tree.parent / "shard-*", "-o", f"json={put_together}")

    assert put_together.read_bytes() == whole.read_bytes()
    assert merged == code
    assert all(b"kunde" not in file.read_bytes() for file in files)


def test_without_a_key_a_large_dataset_is_not_cut(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = mlguard(tree, "--root", tree, "--shard", "1/2", "--shard-out", tree.parent / "shard-1")

    assert code == 2
    assert "MLGUARD_SHARD_KEY" in capsys.readouterr().err
    assert not (tree.parent / "shard-1").exists()


def test_without_a_key_small_files_are_shared_out_and_merged(tree: Path) -> None:
    (tree / "data" / "people.parquet").unlink()
    shard_files(tree, 2)

    assert mlguard("--root", tree, "--merge", tree.parent / "shard-1", "--merge", tree.parent / "shard-2") in (1, 3)


def _lose(files: list[Path], tree: Path) -> str:
    files[1].unlink()
    return "these are missing: 2"


def _double(files: list[Path], tree: Path) -> str:
    files[0].with_name("shard-9").write_bytes(files[0].read_bytes())
    return "shard 1 is there twice"


def _other_tree(files: list[Path], tree: Path) -> str:
    (tree / "data" / "b.csv").write_text("email\nx@kunde.intern\n")
    mlguard(tree, "--root", tree, "--shard", "2/3", "--shard-out", files[1])
    return "it saw other files"


def _other_version(files: list[Path], tree: Path) -> str:
    body = json.loads(sketch.unseal(files[1].read_bytes()[len(shards._SEALED) :], sketch.key_of(SECRET), shards.SCHEMA))
    data = json.dumps({**body, "version": "0.0.1"}).encode()
    files[1].write_bytes(shards._SEALED + sketch.seal(data, sketch.key_of(SECRET), shards.SCHEMA))
    return "another version of mlguard"


def _changed(files: list[Path], tree: Path) -> str:
    data = files[1].read_bytes()
    files[1].write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    return "does not open with this key"


def _bare(files: list[Path], tree: Path) -> str:
    files[1].write_bytes(b"{}")
    return "not encrypted"


@pytest.mark.parametrize("spoil", [_lose, _double, _other_tree, _other_version, _changed, _bare])
def test_shards_that_are_not_one_whole_run_are_refused(
    tree: Path, spoil: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLGUARD_SHARD_KEY", SECRET)
    told = spoil(shard_files(tree, 3), tree)
    capsys.readouterr()

    assert mlguard("--root", tree, "--merge", tree.parent / "shard-*") == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "a/b", "1/0", "-1/2"])
def test_a_shard_that_cannot_be_is_a_usage_error(text: str, tmp_path: Path) -> None:
    assert mlguard(tmp_path, "--shard", text, "--shard-out", tmp_path / "x") == 2


def test_a_key_that_is_too_short_is_refused(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLGUARD_SHARD_KEY", "short")

    assert mlguard(tree, "--root", tree, "--shard", "1/2", "--shard-out", tree.parent / "x") == 2
