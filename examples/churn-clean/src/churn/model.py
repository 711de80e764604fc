"""The model: four weights and an intercept, in a format that holds numbers only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from churn.features import digest, manifest


class WrongModel(ValueError):
    """The weights are not those of the manifest."""


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
    """Return the model after its digest was compared with the manifest. Raises WrongModel."""
    told = manifest(folder / "churn.json")
    weights = folder / "churn.safetensors"
    found = digest(weights)
    if found != told["files"]["churn.safetensors"]["sha256"]:
        raise WrongModel("the weights differ from the manifest")
    tensors = load_file(weights)
    return Model(
        version=told["version"],
        digest=found,
        coef=tensors["coef"],
        intercept=float(tensors["intercept"][0]),
        mean=tensors["mean"],
        scale=tensors["scale"],
    )
