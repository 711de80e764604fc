"""Names that are one slip away from a known package are told, and names of real packages are not."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.utils import canonicalize_name

from mlguard import tables
from mlguard.scanners.dependencies import names
from tests.scanning import scan

HERE = Path(__file__).parent
RULE = "dep/suspicious-package-name"

REAL = (HERE / "real-names.txt").read_text().split()
"""Packages of machine learning that exist under these names."""

SQUATS = (HERE / "squatted-names.txt").read_text().split()
"""Names as attackers register them: slips of the hand and of the ear, other separators, additions."""


def judged(name: str) -> names.Suspicion | None:
    return names.judge(canonicalize_name(name))


def test_real_packages_of_machine_learning_are_never_told() -> None:
    assert len(REAL) > 900
    assert [name for name in REAL if judged(name)] == []


def test_names_of_the_most_downloaded_packages_are_told_only_where_they_are_no_package_that_is_meant() -> None:
    wrong = set(tables.table("import-names")["wrong"])
    table = tables.table("ml-packages")

    told = {name for group in ("stack", "popular", "known") for name in table[group].split() if judged(name)}

    assert told <= wrong and len(told) < 30


def test_names_of_squatters_are_told() -> None:
    assert len(SQUATS) > 190
    assert [name for name in SQUATS if not judged(name)] == []


def _slipped(name: str, chance: random.Random) -> str:
    """Return a name with one slip that hands make often."""
    at = chance.randrange(1, len(name) - 1)
    kind = chance.choice(["left out", "doubled", "swapped"])
    if kind == "left out":
        return name[:at] + name[at + 1 :]
    if kind == "doubled":
        return name[:at] + name[at] + name[at:]
    return name[:at] + name[at + 1] + name[at] + name[at + 2 :]


def test_nine_of_ten_random_slips_in_names_of_the_stack_are_told() -> None:
    chance = random.Random(20261128)
    stack = [name for name in tables.table("ml-packages")["stack"].split() if len(name) >= 6]
    known = {name for group in ("stack", "popular", "known") for name in tables.table("ml-packages")[group].split()}

    slipped = {canonicalize_name(_slipped(name, chance)).strip("-") for name in chance.sample(stack, 600)} - known
    found = [name for name in slipped if judged(name)]

    assert len(found) >= 0.9 * len(slipped)


PREFIXES = ("acme", "nordlicht", "churn", "fraud", "internal", "team", "corp")
SUFFIXES = (
    "features",
    "models",
    "utils",
    "pipeline",
    "serving",
    "training",
    "data",
    "core",
    "client",
    "schemas",
    "eval",
    "common",
)


@pytest.mark.parametrize("prefix", PREFIXES)
def test_names_of_own_packages_are_not_told(prefix: str) -> None:
    assert [f"{prefix}-{suffix}" for suffix in SUFFIXES if judged(f"{prefix}-{suffix}")] == []


@pytest.mark.parametrize(
    "name",
    [
        "tree-sitter-zig", "google-cloud-tpu", "langchain-acme", "llama-index-readers-acme", "nvidia-cublas-cu13", "pytest-acme", "types-acme",
        "numba-cuda14", "opentelemetry-instrumentation-acme", "torch-acme", "sklearn-acme", "pandas-acme", "mypy-boto3-acme", "jax-acme",
    ],
)  # fmt: skip
def test_additions_to_a_family_of_packages_are_not_told(name: str) -> None:
    assert judged(name) is None


@pytest.mark.parametrize(
    ("name", "check", "meant"),
    [
        ("nunpy", "typo", "numpy"), ("p1llow", "look-alike", "pillow"), ("tensor-flow-hub", "separators", "tensorflow-hub"),
        ("learn-scikit", "word-order", "scikit-learn"), ("python-pandas", "affix", "pandas"), ("cv2", "import-name", "opencv-python"),
        ("urllib", "standard-library", ""), ("asyncore", "standard-library", ""), ("PIL", "import-name", "pillow"),
        ("scikit.Learn", None, ""), ("Scikit_Learn", None, ""), ("sqlachemy", "typo", "sqlalchemy"),
    ],
)  # fmt: skip
def test_finding_says_what_is_odd_and_what_was_meant(name: str, check: str | None, meant: str) -> None:
    found = judged(name)

    assert (found.check if found else None, found.meant if found else "") == (check, meant)


def test_known_names_of_imports_do_not_name_themselves() -> None:
    wrong = tables.table("import-names")["wrong"]

    assert [name for name, meant in wrong.items() if name == meant or name != canonicalize_name(name)] == []


def test_what_is_meant_by_a_wrong_name_is_a_known_package() -> None:
    wrong = tables.table("import-names")["wrong"]

    assert [meant for meant in wrong.values() if " " not in meant and not names.known(meant)] == []


def test_package_from_a_repository_or_a_path_is_not_told(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text(
        f"detectron2 @ git+https://github.com/example/detectron2@{'ab' * 20}\nnunpy @ file:///vendor/nunpy-1.0-py3-none-any.whl\n"
    )

    assert [finding for finding in scan(tmp_path, ["dependencies"]).findings if finding.rule == RULE] == []


def test_names_are_told_on_commit_too_and_in_every_manifest(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("nunpy==1.0\n")
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "a"\nversion = "1"\ndependencies = ["nunpy==1.0"]\n')

    report = scan(tmp_path, ["dependencies"], hook=True)

    assert {finding.location.path for finding in report.findings if finding.rule == RULE} == {
        "requirements.txt",
        "pyproject.toml",
    }


def test_ten_thousand_unknown_names_are_compared_in_seconds() -> None:
    chance = random.Random(1)
    many = [
        "".join(chance.choice("abcdefghijklmnopqrstuvwxyz-") for _ in range(chance.randrange(3, 40)))
        for _ in range(3_000)
    ]
    names.judge("warm-up-of-tables")

    before = time.process_time()
    for name in many:
        names.judge(name)

    assert time.process_time() - before < 10


@given(st.text(max_size=120))
@settings(max_examples=300, deadline=None)
def test_any_text_is_judged_without_an_error(text: str) -> None:
    found = names.judge(canonicalize_name(text))

    assert found is None or isinstance(found, names.Suspicion)


@given(st.text("abcdef", max_size=8), st.text("abcdef", max_size=8))
@settings(max_examples=200, deadline=None)
def test_distance_is_symmetric_and_at_most_the_longer_name(one: str, two: str) -> None:
    distance = names.damerau_levenshtein(one, two, 99)

    assert distance == names.damerau_levenshtein(two, one, 99) <= max(len(one), len(two))
    assert (distance == 0) == (one == two)
    assert names.damerau_levenshtein(one, two, 2) == min(distance, 3)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("nump\u0443", "numpy"), ("p\u0430ndas", "pandas"), ("\u0440andas", "pandas"), ("t\u03bfrch", "torch"), ("requ\u0435sts", "requests"),
        ("\uff4e\uff55\uff4d\uff50\uff59", "numpy"), ("s\u0441ikit-learn", "scikit-learn"), ("num\u200bpy", "numpy"), ("n\u00fampy", "numpy"),
        ("numpy", ""), ("\u0447urn", ""), ("caf\u00e9", ""),
    ],
)  # fmt: skip
def test_letters_of_other_scripts_are_seen_through(tmp_path: Path, name: str, meant: str) -> None:
    (tmp_path / "requirements.txt").write_text(f"# \u0440andas\nclick==8.0\n{name}==1.0\n", encoding="utf-8")

    report = scan(tmp_path, ["dependencies"])

    found = [(finding.location.line, finding.facts["meant"]) for finding in report.findings if finding.rule == RULE]
    assert names.disguised(name) == meant
    assert found == ([(3, meant)] if meant else [])
