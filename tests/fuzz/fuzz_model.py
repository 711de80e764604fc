"""Feeds bytes to the scanner of models: nothing but records or Unreadable may come out, within bounds.

    python tests/fuzz/fuzz_model.py --seeds FOLDER      writes the attacks and fixtures as seeds
    python tests/fuzz/fuzz_model.py FOLDER [options]    runs libFuzzer over them, e.g. -max_total_time=3600 -timeout=5

The first byte of an input chooses the way in: a name, which the dispatcher looks at beside the content, or the module of one
format. Needs ``atheris`` beside what mlguard itself needs.
"""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

MAX_SECONDS = 30.0
"""CPU of one input. Code that is instrumented for coverage runs some ten times slower than it does for a user."""

MAX_RECORDS = 10_000
MAX_SEED_BYTES = 2**16

NAMES = (
    "model.pkl", "model.pt", "model.joblib", "model.npy", "model.npz", "model.safetensors", "model.bin", "model.h5", "model.keras", "model.onnx",
    "model.gguf", "model.pb", "model.tflite", "model.ubj", "model.msgpack", "model.7z", "model.nemo", "model.mar", "model.tar", "model.zip", "model.gz",
    "model.rds", "model.pdmodel", "model.mlmodel", "model.engine", "model.params", "model.pmml", "model.xml", "config.json", "tokenizer.json",
    "tokenizer_config.json", "model.safetensors.index.json", "chat_template.jinja", "MLmodel", "model.txt", "model.skops", "model.pte", "model.cbm",
    "hparams.yaml", "model", "model.dat", "model.ckpt",
)  # fmt: skip


Way = Callable[[Any, Any], Any]


def ways() -> tuple[Way, ...]:
    """Return the ways in: the dispatcher under each name, then each format's own function."""
    from mlguard.scanners.model import contents, formats

    found: list[Way] = [contents.examine for _ in NAMES]
    return (*found, *(contents._module(name) for name, _ in formats._TABLE))


def look(data: bytes, entries: tuple[Way, ...]) -> int:
    """Let the scanner look at one input; return the number of records. Raises what no input may cause."""
    from mlguard.errors import Unreadable
    from mlguard.findings import Detection, Gap
    from mlguard.scanners import model
    from mlguard.scanners.model import policy, source

    choice, content = data[0] % len(entries), data[1:]
    name = NAMES[choice] if choice < len(NAMES) else "model.bin"
    state = model.new_state(name, policy.shipped())
    count, started = 0, time.process_time()
    try:
        for record in entries[choice](source.View(content, 0, len(content), name), state):
            count += 1
            if not isinstance(record, Detection | Gap):
                repr(record)
            if count > MAX_RECORDS:
                raise AssertionError("more records than any file may give")
    except Unreadable:
        pass
    if time.process_time() - started > MAX_SECONDS:
        raise AssertionError("slower than any small file may be")
    return count


def seeds(folder: Path) -> None:
    """Write the attacks and the fixtures of all formats below ``folder``."""
    from tests import corpus

    folder.mkdir(parents=True, exist_ok=True)
    pairs = [pair for module in corpus.attack_modules() for pair in module.attacks()]
    fixtures = ROOT / "tests" / "fixtures" / "models"
    pairs += [(path.name, path.read_bytes()) for path in sorted(fixtures.rglob("*")) if path.is_file()]
    for name, content in pairs:
        if len(content) <= MAX_SEED_BYTES:
            seed = bytes([_choice(name)]) + content
            (folder / hashlib.sha256(seed).hexdigest()[:32]).write_bytes(seed)


def _choice(name: str) -> int:
    leaf = name.rsplit("/", 1)[-1]
    suffix = "." + leaf.rsplit(".", 1)[-1]
    if leaf in NAMES:
        return NAMES.index(leaf)
    return next((number for number, known in enumerate(NAMES) if known.endswith(suffix)), 0)


def main() -> None:
    if sys.argv[1:2] == ["--seeds"]:
        seeds(Path(sys.argv[2]))
        return
    import atheris  # type: ignore[import-untyped, unused-ignore]  # is there for fuzzing only

    with atheris.instrument_imports(include=["mlguard"]):
        entries = ways()

    def once(data: bytes) -> None:
        if data:
            look(data, entries)

    atheris.Setup(sys.argv, once)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
