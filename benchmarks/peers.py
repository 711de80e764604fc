"""Makes the environments of the peers, and compiles byte code on both sides: without it a peer looks twice as slow as it is."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent


def prepare(venv: Path, probe: str, packages: Sequence[str]) -> None:
    """Install ``packages`` into ``venv`` unless its command ``probe`` is there, and compile what both sides import."""
    if not (venv / "bin" / probe).exists():
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
        subprocess.run([str(venv / "bin/python"), "-m", "pip", "install", "--quiet", *packages], check=True)
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    for python, folders in (
        (venv / "bin/python", [venv / "lib"]),
        (BIN / "python", [BIN.parent / "lib", ROOT / "mlguard"]),
    ):
        compiled = [str(python), "-m", "compileall", "-q", *map(str, folders)]
        subprocess.run(compiled, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
