"""Writes the pickles of frames.json: run it with each Python that has pandas, and it adds what that version writes.

    python tests/data/frames.py tests/data/frames.json

All persons are invented.
"""

from __future__ import annotations

import base64
import io
import json
import pickle
import sys
import zlib
from pathlib import Path
from typing import Any

MAILS = [f"mira{number}@kunde.intern" for number in range(6)]
NAMES = [f"Mira Holm{number}" for number in range(6)]


def frame() -> Any:
    """Return a frame with the kinds of columns that pandas keeps apart."""
    import pandas as pd

    return pd.DataFrame(
        {
            "mail": [*MAILS[:5], None],
            "name": NAMES,
            "age": range(30, 36),
            "visits": [1.5] * 6,
            "born": pd.date_range("1980-01-01", periods=6),
            "town": pd.Categorical(["Ulm", "Bern"] * 3),
            "points": pd.array([None, 1, 2, 3, 4, 5], dtype="Int64"),
            "code": pd.array(["a", "b", "c", "d", "e", "f"], dtype="string"),
            "size": range(6),
        }
    )


def written(version: str) -> dict[str, bytes]:
    """Return pickles by name."""
    import joblib
    import numpy as np
    from sklearn.preprocessing import LabelEncoder

    data = frame()
    found = {f"frame, protocol {number}": pickle.dumps(data, number) for number in (2, 4, 5)}
    found["frame with an index"] = pickle.dumps(data[["mail", "name", "age"]].set_index("mail"))
    found["frame with two levels"] = pickle.dumps(data[["mail", "name", "age"]].set_index(["mail", "name"]))
    found["series"] = pickle.dumps(data["mail"])
    found["frames in a dictionary"] = pickle.dumps(
        {"train": data[["mail", "age"]], "test": data[["mail", "age"]].head(2)}
    )
    found["fixed texts"] = pickle.dumps(np.array(MAILS))
    found["objects"] = pickle.dumps(np.array(MAILS, dtype=object))
    found["encoder"] = pickle.dumps(LabelEncoder().fit(np.array(MAILS)))
    for name, packed in (("joblib", 0), ("packed joblib", 3)):
        out = io.BytesIO()
        joblib.dump(data, out, compress=packed)
        found[name] = out.getvalue()
    try:
        import polars

        found["polars"] = pickle.dumps(polars.DataFrame({"mail": MAILS, "age": list(range(6))}))
    except ImportError:
        pass
    return {f"pandas {version}: {name}": data for name, data in found.items()}


def main(path: Path) -> None:
    """Add this version's pickles to a file."""
    import pandas as pd

    known = json.loads(path.read_text()) if path.exists() else {}
    known.update(
        {name: base64.b64encode(zlib.compress(data, 9)).decode() for name, data in written(pd.__version__).items()}
    )
    path.write_text(json.dumps(dict(sorted(known.items())), indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
