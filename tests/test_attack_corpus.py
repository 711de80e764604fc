"""Every hostile file of the corpus is told, nearly all fail the gate, and cutting one short never hides what was seen."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from types import ModuleType

import pytest

from tests import corpus

DANGEROUS = "model/dangerous-import"
LEAST_SHARE = 0.98
"""Of the hostile files, what must fail the gate."""

EVERY_PREFIX_BYTES = 300
SPREAD_PREFIXES = 64
MAX_CUT_BYTES = 2**15
"""Up to the first a file is cut at every byte, else at as many places; a file beyond the last is not cut."""


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("module", corpus.attack_modules(), ids=lambda module: module.__name__.rpartition("_")[2])
def test_hostile_files_fail_the_gate_and_none_is_silent(module: ModuleType) -> None:
    outcomes = {name: corpus.gate(content, name)[0] for name, content in module.attacks()}

    doubtful = getattr(module, "DOUBTFUL", ())
    hostile = {name: o for name, o in outcomes.items() if not name.startswith("doubtful/") and name not in doubtful}
    counts = Counter(hostile.values())
    print(f"{module.__name__}: {dict(counts)}, {len(outcomes) - len(hostile)} doubtful")
    assert [name for name, outcome in outcomes.items() if outcome == "silent"] == []
    assert counts["fails"] >= LEAST_SHARE * len(hostile), [name for name, o in hostile.items() if o == "told"]


def test_names_of_hostile_files_are_not_given_twice() -> None:
    for module in corpus.attack_modules():
        names = [name for name, _ in module.attacks()]
        assert len(names) == len(set(names)), module.__name__


_DATA = {"joblib/raw-bytes-are-opcodes.joblib", "polyglots/numpy-in-pickle.pkl"}
"""Files in which a cut leaves open whether the bytes of a pickle are data; in the whole file they are."""


def _cuts(size: int) -> list[int]:
    if size <= EVERY_PREFIX_BYTES:
        return list(range(1, size + 1))
    return sorted({max(1, size * part // SPREAD_PREFIXES) for part in range(1, SPREAD_PREFIXES + 1)})


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_longer_piece_of_a_hostile_file_never_shows_less() -> None:
    from tests.corpus import attacks_pickles

    for name, content in attacks_pickles.attacks():
        if len(content) > MAX_CUT_BYTES or name in _DATA:
            continue
        seen = 0
        for size in _cuts(len(content)):
            rules = corpus.gate(content[:size], name)[1]
            assert not seen or DANGEROUS in rules, (name, seen, size, len(content))
            seen = size if DANGEROUS in rules else seen


def test_hostile_files_stay_within_512_megabytes() -> None:
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (512 * 2**20,) * 2)\n"
        "from tests import corpus\n"
        "from tests.corpus import attacks_pickles\n"
        "for name, content in attacks_pickles.attacks():\n"
        "    if name.startswith('bombs/') or len(content) > 2**16: corpus.gate(content, name)\n"
        "print('done')"
    )

    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False, timeout=120
    )

    assert done.stdout.strip() == "done", done.stderr[-2000:]
