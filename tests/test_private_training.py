"""Claims of differential privacy in documents, configurations and declarations, and what code shows of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlguard import yamlish
from mlguard.evidence import private_training
from mlguard.evidence.private_training import Claim
from mlguard.facts import PrivateTraining
from tests.scanning import scan

RULE = "code/unimplemented-differential-privacy"

CLAIMED = {
    "This model was trained with differential privacy (ε = 8, δ = 1e-5).": Claim(1, 8.0, 1e-5),
    "We fine-tuned the model using DP-SGD with epsilon of 3.5 and delta = 10^-6.": Claim(1, 3.5, 1e-6),
    "Training satisfies differential privacy.": Claim(1),
    "# Card\n\nThe weights are protected by differential privacy.\nepsilon: 2": Claim(3, 2.0),
}
NOT_CLAIMED = [
    "The model was not trained with differential privacy.",
    "We plan to train with differential privacy in the future.",
    "You could use DP-SGD to protect the training data.",
    "Differential privacy is a property of algorithms.",
    "The model was trained without differential privacy.",
    "```\nmodel trained with differential privacy\n```",
    "The library supports training with differential privacy.",
    "Adam with epsilon = 1e-8 was used for training.",
]


@pytest.mark.parametrize("text", sorted(CLAIMED))
def test_a_document_claims_private_training(text: str) -> None:
    assert private_training.in_text(text) == CLAIMED[text]


@pytest.mark.parametrize("text", NOT_CLAIMED)
def test_a_document_that_only_speaks_of_it_claims_nothing(text: str) -> None:
    assert private_training.in_text(text) is None


SETTINGS: dict[str, Claim | None] = {
    "dp:\n  enabled: true\n  epsilon: 4\n  delta: 1.0e-5\n": Claim(2, 4.0, 1e-5),
    "trainer:\n  privacy: {noise_multiplier: 1.3, target_delta: 1.0e-6}\n": Claim(2, None, 1e-6, 1.3),
    "target_epsilon: 8\n": Claim(1, 8.0),
    "use_dp: true\n": Claim(1),
    "optimizer: {name: adam, epsilon: 1.0e-8}\n": None,
    "dp: {enabled: false, epsilon: 4}\n": None,
    "use_dp: false\n": None,
    "privacy: {policy: docs/privacy.md}\n": None,
    "dp: 2\ntp: 4\n": None,  # data parallel
    "- 1\n- 2\n": None,
}


@pytest.mark.parametrize("text", sorted(SETTINGS))
def test_a_configuration_claims_what_it_sets(text: str) -> None:
    body, lines = yamlish.load(text, "train.yaml")

    assert private_training.in_settings(body, lines) == SETTINGS[text]


MEASURES: list[tuple[Any, Claim | None]] = [
    ([{"kind": "differential-privacy", "epsilon": 8, "delta": 1e-5}], Claim(1, 8.0, 1e-5)),
    ([{"name": "DP-SGD", "epsilon": "3"}], Claim(1, 3.0)),
    ([{"differential_privacy": {"epsilon": 1, "delta": "1e-6"}}], Claim(1, 1.0, 1e-6)),
    ([{"kind": "output-filter"}], None),
    ([], None),
    (None, None),
    ([{"kind": "k-anonymity", "k": 5}], None),
]


@pytest.mark.parametrize(("measures", "claim"), MEASURES)
def test_a_declared_measure_may_be_differential_privacy(measures: Any, claim: Claim | None) -> None:
    assert private_training.in_measures(measures) == claim


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=300))
def test_any_text_at_all_is_read(text: str) -> None:
    assert private_training.in_text(text) is None or "priva" in text.lower() or "dp" in text.lower()


CODE = {
    "from opacus import PrivacyEngine\nengine = PrivacyEngine()\nengine.make_private_with_epsilon(target_epsilon=3, target_delta=1 / 10**5)\n": [
        PrivateTraining("train.py", 1, "library", "opacus"),
        PrivateTraining("train.py", 2, "call", "PrivacyEngine"),
        PrivateTraining("train.py", 3, "call", "make_private_with_epsilon", 3.0, 1e-5, accounts=True),
    ],
    "import tensorflow_privacy as tp\nNOISE = 1.1\no = tp.DPKerasSGDOptimizer(l2_norm_clip=1.0, noise_multiplier=NOISE)\n": [
        PrivateTraining("train.py", 1, "library", "tensorflow-privacy"),
        PrivateTraining("train.py", 3, "call", "DPKerasSGDOptimizer", noise=1.1),
    ],
    "from diffprivlib.models import GaussianNB\nmodel = GaussianNB(epsilon=0.5)\n": [
        PrivateTraining("train.py", 1, "library", "diffprivlib"),
        PrivateTraining("train.py", 2, "call", "GaussianNB", 0.5),
    ],
    "import torch\ntorch.optim.Adam(p, eps=1e-8)\nx.get_epsilon()\n": [],
}


@pytest.mark.parametrize("text", sorted(CODE))
def test_code_that_trains_privately_is_told_with_its_figures(text: str, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(text)

    report = scan(tmp_path, ["code"])

    assert (
        sorted((fact for fact in report.facts if isinstance(fact, PrivateTraining)), key=lambda f: f.line) == CODE[text]
    )


CARD = """---
license: mit
pipeline_tag: text-classification
---
# Model card
This model was trained with differential privacy (epsilon = 3, delta = 1e-5).
"""


def checks(
    root: Path, files: dict[str, str], scanners: tuple[str, ...] = ("code", "dependencies", "model")
) -> list[tuple[str, str]]:
    (root / "model.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")  # cards are read where there is a model
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return [(item.location.path, item.check) for item in scan(root, scanners).findings if item.rule == RULE]


def test_a_card_is_compared_with_the_code_beside_it(tmp_path: Path) -> None:
    assert checks(tmp_path, {"README.md": CARD, "train.py": "import torch\n"}) == [("README.md", "no-library")]


def test_a_card_without_code_is_left_alone(tmp_path: Path) -> None:
    assert checks(tmp_path, {"README.md": CARD}) == []


def test_a_library_that_is_only_listed_is_not_used(tmp_path: Path) -> None:
    found = checks(tmp_path, {"README.md": CARD, "train.py": "import torch\n", "requirements.txt": "opacus==1.5.2\n"})

    assert found == [("README.md", "no-call")]


def test_a_configuration_with_a_larger_epsilon_than_the_card_is_told(tmp_path: Path) -> None:
    code = "from opacus import PrivacyEngine\ne = PrivacyEngine()\ne.make_private_with_epsilon(target_epsilon=c.eps, target_delta=1e-5)\n"

    found = checks(
        tmp_path, {"README.md": CARD, "train.py": code, "configs/train.yaml": "dp: {enabled: true, epsilon: 9}\n"}
    )

    assert found == [("configs/train.yaml", "epsilon")]


def test_tests_of_the_code_are_no_training(tmp_path: Path) -> None:
    code = "from opacus import PrivacyEngine\ne = PrivacyEngine()\ne.make_private(noise_multiplier=0.0)\n"

    assert checks(tmp_path, {"README.md": CARD, "train.py": "import torch\n", "tests/test_x.py": code}) == [
        ("README.md", "no-library")
    ]


def test_a_run_that_did_not_look_at_code_says_nothing_of_it(tmp_path: Path) -> None:
    assert checks(tmp_path, {"README.md": CARD, "train.py": "import torch\n"}, ("model",)) == []


def test_a_configuration_that_speaks_of_it_and_cannot_be_read_is_a_gap(tmp_path: Path) -> None:
    (tmp_path / "train_dp.yaml").write_text("noise_multiplier: [1,\n")
    (tmp_path / "train_other.yaml").write_text("rate: [1,\n")

    assert [gap.path for gap in scan(tmp_path, ["code"]).gaps] == ["train_dp.yaml"]
