"""Parts of a dataset that are counted apart tell the same as one run."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mlguard import codec
from mlguard.artifacts import Artifact
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
    for part in zip(places, places[1:], strict=False):
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

    @settings(max_examples=6, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck), derandomize=True)
    @given(st.lists(st.integers(0, 200), max_size=8), st.integers(0, 9), st.booleans())
    def same(cuts: list[int], seed: int, tree: bool) -> None:
        assert cut(root, cuts, seed, tree) == whole

    same()
