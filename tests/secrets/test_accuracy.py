"""Measures what is found and what is falsely reported, on tokens, places and look-alikes that are made at test time."""

from __future__ import annotations

import random
from pathlib import Path

from mlguard.artifacts import Artifact, kind_of
from mlguard.findings import Detection
from mlguard.scanners import Context
from mlguard.scanners.secrets import SecretScanner
from tests.secrets import corpus

SAMPLES = 3
FOUND_AT_LEAST = 0.98
ALARMS_AT_MOST = 0.02
FORMATS_AT_LEAST = 90


def looked(root: Path, path: str, text: str) -> list[Detection]:
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(text.encode())
    artifact = Artifact(path, kind_of(path, text.encode()[:65536]), len(text.encode()))
    scanner = SecretScanner()
    records = [record for group in scanner.plan([artifact], {}) for record in scanner.scan(group, Context(root))]
    return [record for record in records if isinstance(record, Detection)]


def missed(root: Path, path: str, text: str, token: str) -> bool:
    """Say whether no finding stands on a line that holds a part of the token."""
    lines = text.split("\n")
    part = token[-12:].replace('"', '\\"')
    wanted = {number for number, line in enumerate(lines, 1) if part in line or token[-6:] in line}
    return not any(
        set(range(hit.location.line, max(hit.location.end_line, hit.location.line) + 1)) & wanted
        for hit in looked(root, path, text)
    )


def test_enough_formats_are_measured() -> None:
    assert len(corpus.FORMATS) + len(corpus.NAMED) >= FORMATS_AT_LEAST


def test_tokens_with_a_format_are_found_wherever_they_stand(tmp_path: Path) -> None:
    misses: dict[str, list[str]] = {}
    for kind, make in corpus.FORMATS.items():
        for place, (path, write) in corpus.PLACES.items():
            token = make(random.Random(f"{kind} {place}"))
            if missed(tmp_path, path, write(token), token):
                misses.setdefault(kind, []).append(place)

    count = len(corpus.FORMATS) * len(corpus.PLACES)
    assert sum(map(len, misses.values())) <= (1 - FOUND_AT_LEAST) * count, misses
    assert {kind: places for kind, places in misses.items() if len(places) > 0.1 * len(corpus.PLACES)} == {}


def test_values_that_only_a_name_tells_are_found(tmp_path: Path) -> None:
    misses = []
    for kind, (name, make) in corpus.NAMED.items():
        for place, (path, write) in corpus.NAMED_PLACES.items():
            token = make(random.Random(f"{kind} {place}"))
            if missed(tmp_path, path, write(name, token), token):
                misses.append(f"{kind} in {place}")

    assert len(misses) <= (1 - FOUND_AT_LEAST) * len(corpus.NAMED) * len(corpus.NAMED_PLACES), misses


def test_passwords_in_connection_strings_are_found(tmp_path: Path) -> None:
    misses = []
    for sample in range(SAMPLES):
        for kind, line in corpus.connections(random.Random(f"connection {sample}")).items():
            quoted = f"URL = '{line}'\n"
            for path, text in (
                ("src/a.py", quoted),
                (".env", f"URL={line}\n"),
                ("conf/a.yaml", f"url: '{line}'\n"),
                ("a.sh", f"export URL='{line}'\n"),
            ):
                if not looked(tmp_path, path, text):
                    misses.append(f"{kind} in {path}")

    assert misses == []


def test_private_keys_are_found_in_every_form(tmp_path: Path) -> None:
    rng = random.Random("keys")

    hits = {
        kind: [hit.rule for hit in looked(tmp_path, "deploy/key.txt", text)] for kind, text in corpus.keys(rng).items()
    }

    assert {kind: rules for kind, rules in hits.items() if rules != ["secret/committed-private-key"]} == {}


def test_look_alikes_are_seldom_reported(tmp_path: Path) -> None:
    alarms, count = [], 0
    for sample in range(5):
        for kind, (path, text) in corpus.look_alikes(random.Random(f"look-alike {sample}")).items():
            count += 1
            if looked(tmp_path, path, text):
                alarms.append(kind)

    assert len(alarms) <= ALARMS_AT_MOST * count, alarms
