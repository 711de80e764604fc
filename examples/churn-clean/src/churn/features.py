"""Reads the pseudonymised feature table and turns it into numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from churn.manifest import FEATURES, LABEL, digest

LIMITS = {"tenure_quarters": (0, 80), "charge_step": (0, 40), "support_calls": (0, 50), "data_step": (0, 100)}
"""The range in which each feature makes sense; a row outside is an error of the export."""


class BadTable(ValueError):
    """The table is not the one that this code was written for."""


def load(path: Path, expected: str | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return the matrix of FEATURES and the labels.

    Only these columns are read: the key, the market and the bands serve the audit of the result and never the model.
    Raises BadTable when the digest differs or a value is out of range.
    """
    if expected is not None and digest(path) != expected:
        raise BadTable("the table is not the one that was approved")
    table = pq.read_table(path, columns=[*FEATURES, LABEL])
    matrix = np.column_stack([table.column(name).to_numpy() for name in FEATURES]).astype(np.float64)
    check(matrix)
    return matrix, table.column(LABEL).to_numpy()


def check(matrix: np.ndarray) -> None:
    """Raise BadTable when a feature lies outside its range."""
    for index, name in enumerate(FEATURES):
        low, high = LIMITS[name]
        column = matrix[:, index]
        if np.isnan(column).any() or (column < low).any() or (column > high).any():
            raise BadTable(f"{name} lies outside {low} to {high}")
