"""The model: four weights and an intercept, in a format that holds numbers only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from churn import manifest


@dataclass(frozen=True, slots=True)
class Model:
    """A logistic regression on standardised features."""

    version: str
    digest: str
    coef: np.ndarray
    intercept: float
    mean: np.ndarray
    scale: np.ndarray

    def score(self, row: Sequence[float]) -> float:
        """Return the probability that the contract ends within a quarter."""
        standardised = (np.asarray(row, dtype=np.float64) - self.mean) / self.scale
        return 1 / (1 + math.exp(-(float(self.coef @ standardised) + self.intercept)))


def open_model(folder: Path) -> Model:
    """Return the model whose weights are those of the manifest. Raises manifest.WrongModel."""
    told = manifest.read(folder)
    tensors = load_file(folder / "churn.safetensors")
    return Model(
        version=told["version"],
        digest=told["files"]["churn.safetensors"]["sha256"],
        coef=tensors["coef"],
        intercept=float(tensors["intercept"][0]),
        mean=tensors["mean"],
        scale=tensors["scale"],
    )
