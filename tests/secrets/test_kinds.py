"""Measures many kinds of credentials, in many kinds of files, and what only looks like one."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path

import pytest

from mlguard.scanners.secrets import addresses, context, gate, joins, pairs, search
from mlguard.scanners.secrets.formats import PATTERNS
from tests.scanning import found, scan
from tests.secrets import kinds, like, places
from tests.secrets.test_accuracy import looked

PLACES_EACH = 14
"""Places in which each kind of credential is written."""

FOUND_AT_LEAST = 0.98
ALARMS_AT_MOST = 0.01


def variable(kind: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in kind.upper()) + "_KEY"


def test_there_are_many_kinds_places_and_look_alikes() -> None:
    assert len(kinds.BY_FORM) + len(kinds.BY_NAME) >= 190
    assert len(places.PLACES) + len(places.ALONE) >= 45
    assert len({kind for kind, _, _ in like.look_alikes(random.Random(0))}) >= 300


def test_credentials_with_a_form_are_found_once_in_every_kind_of_file(tmp_path: Path) -> None:
    misses, twice, count = Counter[str](), list[str](), 0
    for kind in kinds.BY_FORM:
        rng = random.Random(f"form {kind}")
        for place in rng.sample(sorted(places.PLACES | places.ALONE), PLACES_EACH):
            path, write = (places.PLACES | places.ALONE)[place]
            hits = looked(tmp_path, path, write(variable(kind), kinds.token(kind, rng)))
            count += 1
            misses[kind] += not hits
            twice += [f"{kind} in {place}"] * (len(hits) > 1)

    assert misses.total() <= (1 - FOUND_AT_LEAST) * count, +misses
    assert [kind for kind, number in misses.items() if number > 2] == []
    assert twice == []


def test_credentials_with_a_name_alone_are_found_once_in_every_kind_of_file(tmp_path: Path) -> None:
    misses, twice, count = list[str](), list[str](), 0
    for kind, (name, template) in kinds.BY_NAME.items():
        rng = random.Random(f"name {kind}")
        for place in rng.sample(sorted(places.PLACES), PLACES_EACH):
            path, write = places.PLACES[place]
            hits = looked(tmp_path, path, write(name, kinds.fill(template, rng)))
            count += 1
            misses += [f"{kind} in {place}"] * (not hits)
            twice += [f"{kind} in {place}"] * (len(hits) > 1)

    assert len(misses) <= (1 - FOUND_AT_LEAST) * count, misses
    assert twice == []


@pytest.mark.parametrize("seed", range(3))
def test_look_alikes_are_quiet(seed: int, tmp_path: Path) -> None:
    alarms, count = list[str](), 0
    for kind, path, text in like.look_alikes(random.Random(f"like {seed}")):
        count += 1
        alarms += [kind] * bool(looked(tmp_path, path, text))

    assert len(alarms) <= ALARMS_AT_MOST * count, alarms


@pytest.mark.parametrize(
    "text",
    [
        'KEY = "{a}" + "{b}"\n',
        "KEY = '{a}' + '{b}'\n",
        'KEY = ("{a}"\n       "{b}")\n',
        "login('{a}' '{b}')\n",
        'KEY = "{a}" + \\\n    "{b}"\n',
        'KEY = (\n    f"{a}"\n    + f"{b}"\n)\n',
        'call(x, token="{a}" "{b}", y=1)\n',
    ],
)
def test_a_token_that_is_cut_into_literals_is_found_at_its_first_line(text: str, tmp_path: Path) -> None:
    whole = kinds.token("hugging face", random.Random(text))
    line = 1 + text[: text.index("{a}")].count("\n")
    for cut in (3, 9, 20, 30):
        (hit,) = looked(tmp_path, "src/a.py", text.replace("{a}", whole[:cut]).replace("{b}", whole[cut:]))
        assert (hit.rule, hit.location.line) == ("secret/exposed-ml-service-token", line)
        assert not any(whole[at : at + 8] in repr(hit) for at in range(len(whole) - 8))


def test_a_password_that_is_cut_into_literals_is_found_by_its_name(tmp_path: Path) -> None:
    value = kinds.fill("<w:16>", random.Random(7))

    (hit,) = looked(tmp_path, "src/a.ts", f"const clientSecret = '{value[:6]}' +\n  '{value[6:]}';\n")

    assert (hit.facts["name"], hit.location.line) == ("clientSecret", 1)


def test_literals_in_a_list_are_not_put_together(tmp_path: Path) -> None:
    whole = kinds.token("hugging face", random.Random(3))

    assert looked(tmp_path, "src/a.py", f'x = ["{whole[:12]}", "{whole[12:]}"]\n') == []


def test_code_that_a_program_has_packed_is_searched_for_forms_alone(tmp_path: Path) -> None:
    rng = random.Random(11)
    packed = ";".join(f"var {kinds.fill('<l:4>', rng)}={rng.random()}" for _ in range(3000))
    token, named = kinds.token("openrouter", rng), kinds.fill("<w:32>", rng)

    hits = looked(tmp_path, "web/app.js", f'{packed};k="{token}";clientSecret="{named}";{packed}\n')

    assert [hit.facts["kind"] for hit in hits] == ["OpenRouter API key"]


def test_without_the_library_the_same_is_found_in_all_kinds_of_files(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    texts = []
    for kind in sorted(kinds.BY_FORM):
        rng = random.Random(f"library {kind}")
        for place in rng.sample(sorted(places.PLACES | places.ALONE), 3):
            path, write = (places.PLACES | places.ALONE)[place]
            texts.append((path, write(variable(kind), kinds.token(kind, rng))))
    texts += [(path, text) for _, path, text in like.plain(random.Random(5))]
    with_it = [looked(tmp_path, path, text) for path, text in texts]

    keys = tuple(gate.Key(pattern.mark, pattern.gate) for pattern in PATTERNS)
    keys += (
        *context.KEYS,
        *addresses.KEYS,
        *pairs.KEYS,
        gate.Key("", search._LEAST_ENCODED),
        joins.KEY,
    )
    simple = gate.by_marks(keys)
    monkeypatch.setattr(search, "_gate", lambda: simple)

    assert [looked(tmp_path, path, text) for path, text in texts] == with_it


def test_fingerprints_stay_when_lines_move(tmp_path: Path) -> None:
    rng = random.Random(13)
    texts = {path: write("SERVICE_KEY", kinds.token("openrouter", rng)) for path, write in places.PLACES.values()}
    before, after = tmp_path / "a", tmp_path / "b"
    for path, text in texts.items():
        moved = text.replace('"cells": [', '"cells": [\n\n\n') if path.endswith(".ipynb") else "\n\n\n" + text
        if path.endswith((".json", "Dockerfile")):
            moved = text
        for root, content in ((before, text), (after, moved)):
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(content)

    first, second = (scan(root, ["secrets"]) for root in (before, after))

    assert len(found(first)) == len(texts)
    assert [one.location.line for one in first.findings] != [one.location.line for one in second.findings]
    assert {one.fingerprint for one in first.findings} == {one.fingerprint for one in second.findings}


def test_a_notebook_says_cell_and_line(tmp_path: Path) -> None:
    path, write = places.PLACES["notebook source"]
    text = write("SERVICE_KEY", kinds.token("openrouter", random.Random(17)))

    (hit,) = looked(tmp_path, path, text)

    assert hit.location.within == "cell 2"
    assert "SERVICE_KEY" in text.split("\n")[hit.location.line - 1]
    assert json.loads(text)["cells"][1]["cell_type"] == "code"


def test_a_file_of_the_environment_has_its_own_rule(tmp_path: Path) -> None:
    for path in (".env", ".env.production", "deploy/prod.env"):
        token = kinds.token("hugging face", random.Random(path))
        (hit,) = looked(tmp_path, path, f"DEBUG=1\nHF_TOKEN={token}\n")
        assert (hit.rule, hit.location.line) == ("secret/tracked-credential-file", 2)
