"""What a file is does not depend on what it begins like, nor on what it is called alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlguard.artifacts import kind_of

PICKLE = b"cposix\nsystem\n(S'id'\ntR."


@pytest.mark.parametrize(
    ("path", "head", "kind"),
    [
        ("model.pkl", b"GIF8" + bytes(5) + b"0" + PICKLE, "model"),
        ("model.pt", b"\x80\x04U\x04ftyp0" + PICKLE, "pickle"),
        ("train.py", b"GIF89a=1\nimport os\n", "python"),
        ("train.py", b"OTTO=1\n", "python"),
        ("train.py", b"# x ftyp\n", "python"),
        ("null.py", b"x = 1\x00\n", "python"),
        (".env", b"# x ftyp\nA=1\n", "env"),
        ("Dockerfile", b"# x ftyp\nFROM x\n", "dockerfile"),
        ("Dockerfile-gpu", b"FROM x\n", "dockerfile"),
        ("gpu.dockerfile", b"FROM x\n", "dockerfile"),
        ("people.csv", b"id1,ftyp,name\n", "csv"),
        ("weights", PICKLE, "model"),
        ("notes.txt", PICKLE, "model"),
        ("w.dat", b"(S'id'\nios\nsystem\n.", "model"),
        ("words.txt", b"config\nmodel\ndata\n", "text"),
        ("words.txt", b"class\nof them\n", "text"),
        ("run.pth", b"import os; os.system('true')\n", "python"),
        ("logo.png", b"\x89PNG\r\n\x1a\n" + bytes(20), "image"),
        ("film.mp4", bytes(3) + b"\x18ftypmp42" + bytes(8), "video"),
        ("a.parquet", b"PAR1" + bytes(8), "parquet"),
        ("noext", b"PAR1" + bytes(8), "parquet"),
        ("x.csv", b"\x80\x04\x95", "pickle"),
        ("w.safetensors", (20).to_bytes(8, "little") + b'{"a":{}}', "safetensors"),
        ("m.yaml", b"apiVersion: v1\nkind: Pod\n", "kubernetes"),
        ("a/.github/workflows/ci.yml", b"on: push\n", "workflow"),
        ("requirements-dev.txt", b"x\n", "requirements"),
        ("script", b"#!/usr/bin/env python3\n", "python"),
        ("big.bin", b"version https://git-lfs.github.com/spec/v1\n", "lfs-pointer"),
        ("empty.py", b"", "empty"),
    ],
)  # fmt: skip
def test_kind(path: str, head: bytes, kind: str) -> None:
    assert kind_of(path, head) == kind


@given(st.text(max_size=20), st.binary(max_size=300))
def test_every_file_has_a_kind(path: str, head: bytes) -> None:
    assert kind_of(path, head)


@given(st.sampled_from([".pkl", ".pt", ".bin", ".joblib", ".npy"]), st.binary(min_size=1, max_size=100))
def test_nothing_under_a_models_name_is_outside(suffix: str, head: bytes) -> None:
    assert kind_of(f"m{suffix}", head) not in {"image", "font", "audio", "video"}
