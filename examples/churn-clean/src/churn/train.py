"""Trains the model and writes its weights, its manifest and its evaluation."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, roc_auc_score
from sklearn.preprocessing import StandardScaler

from churn import features, manifest

log = logging.getLogger(__name__)

HELD_OUT = 100
"""Rows at the end of the table that training never sees."""

LEAST_AUC = 0.75


def train(matrix: np.ndarray, label: np.ndarray) -> dict[str, np.ndarray]:
    """Return the weights of a model trained on these rows, to six decimals: every machine then writes the same file."""
    scaler = StandardScaler().fit(matrix)
    classifier = LogisticRegression(max_iter=500).fit(scaler.transform(matrix), label)
    weights = {
        "coef": classifier.coef_[0],
        "intercept": classifier.intercept_,
        "mean": scaler.mean_,
        "scale": scaler.scale_,
    }
    return {name: np.round(values, 6) for name, values in weights.items()}


def scores(weights: dict[str, np.ndarray], matrix: np.ndarray) -> np.ndarray:
    """Return the probability of each row."""
    standardised = (matrix - weights["mean"]) / weights["scale"]
    return 1 / (1 + np.exp(-(standardised @ weights["coef"] + weights["intercept"][0])))


def write(folder: Path, weights: dict[str, np.ndarray], version: str) -> str:
    """Write weights and manifest, and return the digest of the weights."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file(weights, folder / "churn.safetensors", metadata={"format": "np"})
    return manifest.write(folder, version)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--table", type=Path, default=Path("data/features.parquet"))
    parser.add_argument("--digest", help="the SHA-256 that the table must have")
    parser.add_argument("--output", type=Path, default=Path("models"))
    parser.add_argument("--version", default="1.4.0")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO)

    matrix, label = features.load(arguments.table, arguments.digest)
    weights = train(matrix[:-HELD_OUT], label[:-HELD_OUT])
    score = scores(weights, matrix[-HELD_OUT:])
    auc = float(roc_auc_score(label[-HELD_OUT:], score))
    brier = float(brier_score_loss(label[-HELD_OUT:], score))
    log.info("rows %d, AUC %.3f, Brier score %.3f", len(label), auc, brier)
    if auc < LEAST_AUC:
        log.error("AUC is below %.2f; nothing was written", LEAST_AUC)
        return 1
    log.info("weights %s", write(arguments.output, weights, arguments.version))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
