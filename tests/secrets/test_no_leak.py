"""No part of a credential reaches any output of the command, whatever the format, the place and the reporter."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

from tests.secrets import corpus

PIECE = 8
"""Characters of a token in a row that no output may hold."""

REPORTERS = ("text", "json", "sarif", "sarif-github", "markdown", "cyclonedx")


def pieces(token: str) -> set[str]:
    return {token[at : at + PIECE] for at in range(len(token) - PIECE + 1)}


def planted(root: Path) -> dict[str, str]:
    """Write each token of each format into several places, and return them with the text around that is no secret."""
    tokens = {}
    places = list(corpus.PLACES.items())
    for number, (kind, make) in enumerate(corpus.FORMATS.items()):
        tokens[kind] = make(random.Random(f"leak {kind}"))
        for turn in range(4):
            _name, (path, write) = places[(number * 4 + turn * 13) % len(places)]
            target = root / f"{kind}-{turn}" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(write(tokens[kind]))
    named = list(corpus.NAMED_PLACES.items())
    for number, (kind, (variable, make)) in enumerate(corpus.NAMED.items()):
        tokens[kind] = make(random.Random(f"leak {kind}"))
        for turn in range(3):
            _name, (path, write) = named[(number * 3 + turn * 7) % len(named)]
            target = root / f"{kind}-{turn}" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(write(variable, tokens[kind]))
    for kind, text in corpus.keys(random.Random("leak keys")).items():
        (root / f"key {kind}.txt").write_text(text)
    tokens["keys"] = corpus.run(random.Random("leak keys"), corpus.BASE64, 64 * 12)
    for kind, text in corpus.connections(random.Random("leak urls")).items():
        (root / f"url {kind}.py").write_text(f"U = '{text}'\n")
    tokens["urls"] = corpus.run(random.Random("leak urls"), corpus.ALNUM, 14)
    return tokens


def public(tokens: dict[str, str]) -> set[str]:
    """Return pieces that are public: prefixes, hosts, fixed words of a format, which other samples of it hold too."""
    found: set[str] = set()
    for kind, (make) in {**corpus.FORMATS, **{name: one for name, (_, one) in corpus.NAMED.items()}}.items():
        found |= pieces(make(random.Random(f"another {kind}"))) & pieces(tokens[kind])
    return found


def test_no_output_holds_a_piece_of_a_token(tmp_path: Path) -> None:
    root, out = tmp_path / "tree", tmp_path / "out"
    root.mkdir()
    out.mkdir()
    tokens = planted(root)
    words = [sys.executable, "-m", "mlguard", "scan", str(root), "--root", str(root), "-s", "secrets", "-j", "0", "-v"]
    for reporter in REPORTERS:
        words += ["-o", f"{reporter}={out / reporter}"]
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}

    done = subprocess.run([*words, "-o", "text"], capture_output=True, check=False, env=environment)

    assert done.returncode in (1, 3), done.stderr[-500:]
    assert len(json.loads((out / "json").read_text())["findings"]) > 400
    shown = done.stdout + done.stderr
    shown += b"\n".join(
        file.read_bytes() for folder in (out, tmp_path / "cache") for file in folder.rglob("*") if file.is_file()
    )
    text = shown.decode("utf-8", "replace")
    known = public(tokens)
    leaked = {kind: piece for kind, token in tokens.items() for piece in pieces(token) - known if piece in text}
    assert leaked == {}
