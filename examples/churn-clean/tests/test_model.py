"""The model gives sensible scores and refuses what it should."""

import tempfile
import unittest
from pathlib import Path

import numpy as np

from churn import features, train
from churn.manifest import WrongModel
from churn.model import open_model

ROOT = Path(__file__).parent.parent


class ModelTest(unittest.TestCase):
    def test_a_long_contract_scores_lower_than_a_new_one(self):
        model = open_model(ROOT / "models")

        self.assertLess(model.score([20, 3, 0, 2]), model.score([0, 3, 0, 2]))

    def test_changed_weights_are_refused(self):
        with tempfile.TemporaryDirectory() as folder:
            for name in ("churn.json", "churn.safetensors"):
                (Path(folder) / name).write_bytes((ROOT / "models" / name).read_bytes())
            weights = Path(folder) / "churn.safetensors"
            changed = bytearray(weights.read_bytes())
            changed[-1] ^= 1
            weights.write_bytes(changed)

            with self.assertRaises(WrongModel):
                open_model(Path(folder))

    def test_a_value_out_of_range_is_refused(self):
        with self.assertRaises(features.BadTable):
            features.check(np.array([[0.0, 0.0, -1.0, 0.0]]))

    def test_training_again_gives_the_released_weights(self):
        matrix, label = features.load(ROOT / "data" / "features.parquet")

        weights = train.train(matrix[: -train.HELD_OUT], label[: -train.HELD_OUT])

        np.testing.assert_allclose(weights["coef"], open_model(ROOT / "models").coef, rtol=1e-6)
