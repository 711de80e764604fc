"""What a released model is made of, and how its files are told from others."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

FEATURES = ("tenure_quarters", "charge_step", "support_calls", "data_step")
LABEL = "churned"


class WrongModel(ValueError):
    """The files are not those of the manifest."""


def digest(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write(folder: Path, version: str) -> str:
    """Write the manifest of the weights in ``folder`` and return their digest."""
    found = digest(folder / "churn.safetensors")
    body = {
        "model": "churn",
        "version": version,
        "kind": "logistic regression",
        "features": list(FEATURES),
        "label": LABEL,
        "files": {"churn.safetensors": {"sha256": found}},
    }
    (folder / "churn.json").write_text(json.dumps(body, indent=2) + "\n", encoding="utf-8")
    return found


def read(folder: Path) -> dict[str, Any]:
    """Return the manifest after the weights were compared with it. Raises WrongModel."""
    body: dict[str, Any] = json.loads((folder / "churn.json").read_text(encoding="utf-8"))
    if tuple(body["features"]) != FEATURES:
        raise WrongModel("the manifest names other features")
    if digest(folder / "churn.safetensors") != body["files"]["churn.safetensors"]["sha256"]:
        raise WrongModel("the weights differ from the manifest")
    return body
