"""The search is the same with and without its fast gate, takes time in line with the text, and calls things by their name."""

from __future__ import annotations

import base64
import json
import random
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from mlguard.scanners.secrets import search
from mlguard.scanners.secrets.formats import PATTERNS
from mlguard.scanners.secrets.gate import Gate, Key, by_marks, gate
from mlguard.scanners.secrets.search import Style, find
from tests.secrets import corpus
from tests.secrets.test_accuracy import looked

SIZE = 120_000
"""Characters of a text for each of hundreds of expressions; the bound is that of two seconds for a million."""


def simple() -> Gate:
    keys = [Key(pattern.mark, pattern.gate) for pattern in PATTERNS]
    return by_marks(
        [*keys, *search.context.KEYS, *search.addresses.KEYS, *search.pairs.KEYS, Key("", search._LEAST_ENCODED)]
    )


def test_without_the_library_the_same_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [
        write(make(random.Random(kind)))
        for kind, make in corpus.FORMATS.items()
        for _, write in list(corpus.PLACES.values())[::5]
    ]
    texts += [
        write(name, make(random.Random(kind)))
        for kind, (name, make) in corpus.NAMED.items()
        for _, write in list(corpus.NAMED_PLACES.values())[::4]
    ]
    texts += [text for _, text in corpus.look_alikes(random.Random("x")).values()]
    texts += list(corpus.connections(random.Random("y")).values()) + list(corpus.keys(random.Random("z")).values())
    fast = [find(text, Style(bare=True)) for text in texts]
    slow = simple()
    monkeypatch.setattr(search, "_gate", lambda: slow)

    assert [find(text, Style(bare=True)) for text in texts] == fast


def test_the_gate_opens_for_what_it_is_asked() -> None:
    keys = [Key("hf_", "hf_[a-z]{3}"), Key("secret", "secret", folded=True)]

    assert gate(keys)("x hf_abc", "x hf_abc") >= {0}
    assert 1 in gate(keys)("SECRET", "secret")
    assert not gate(keys)("nothing", "nothing") & {0, 1}


def least_time(call: Callable[[], object]) -> float:
    """Return the seconds of CPU of a call, the less of two where the first took long: the machine may have been busy."""
    least = 1e9
    for _ in range(2):
        start = time.process_time()
        call()
        least = min(least, time.process_time() - start)
        if least < 0.1:
            break
    return least


HOSTILE = {
    "one letter": lambda n: "a" * n,
    "base64": lambda n: corpus.run(random.Random(1), corpus.BASE64, n),
    "hex": lambda n: corpus.run(random.Random(2), corpus.HEX, n),
    "text in base64": lambda n: base64.b64encode(b"the text of a book " * (n // 25)).decode(),
    "spaces": lambda n: " " * n,
    "quotes": lambda n: 'token="' * (n // 7),
    "names": lambda n: "api_key=" * (n // 8),
    "compared": lambda n: '"abcdefgh" == token ' * (n // 20),
    "or": lambda n: "password or " * (n // 12),
    "lines": lambda n: "password = (\n    " * (n // 17),
    "addresses": lambda n: "postgres://a:bcd@" * (n // 17),
}  # fmt: skip


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_megabyte_of_anything_takes_little_time(kind: str) -> None:
    text = HOSTILE[kind](10**6)
    start = time.process_time()

    find(text, Style(bare=True, spaces=True))

    assert time.process_time() - start < 2


def test_each_format_takes_a_megabyte_of_its_own_prefix_in_little_time() -> None:
    slow = {}
    for pattern in PATTERNS:
        for text in (
            pattern.mark * (SIZE // len(pattern.mark)),
            (pattern.mark + "a1" * 20 + "\n") * (SIZE // (len(pattern.mark) + 41)),
        ):
            taken = least_time(lambda text=text, one=pattern: list(search._matches(one, text)))
            if taken > 2 * SIZE / 10**6:
                slow[pattern.kind, pattern.mark] = taken

    assert slow == {}


def test_each_service_takes_a_megabyte_of_its_own_name_in_little_time() -> None:
    slow = {}
    for one in search.context.CONTEXTS:
        for text in (one.mark * (SIZE // len(one.mark)), (one.mark + " = 'a1 ") * (SIZE // (len(one.mark) + 7))):
            taken = least_time(lambda text=text, one=one: list(search.context.find([one], text, text)))
            if taken > 2 * SIZE / 10**6:
                slow[one.kind, one.mark] = taken

    assert slow == {}


def test_a_million_lines_need_little_memory(tmp_path: Path) -> None:
    text = "value = compute(alpha, beta)  # of a step\n" * 1_000_000
    tracemalloc.start()

    find(text, Style())

    assert tracemalloc.get_traced_memory()[1] < 150 * 2**20 - len(text)
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("line", "rule", "check"),
    [
        ("login(token='hf_aBcDeFgHiJkLmNoPqRsTuVwXyZ" + "aBcDeFgH')", "secret/exposed-ml-service-token", "token-in-call"),
        ("os.environ['WANDB_API_KEY'] = '0123456789abcdef" + "0123456789abcdef01234567'", "secret/exposed-ml-service-token", "token-in-environ"),
        ("SECRET_KEY = os.getenv('SECRET_KEY', 'changeme123')", "secret/hardcoded-credential", "default-secret"),
        ("password = os.environ.get('DB_PASSWORD', default='admin')", "secret/hardcoded-credential", "default-secret"),
    ],
)  # fmt: skip
def test_checks_say_how_a_credential_is_used(line: str, rule: str, check: str, tmp_path: Path) -> None:
    hits = looked(tmp_path, "src/a.py", f"import os\n{line}\n")

    assert [(hit.rule, hit.check, hit.location.line) for hit in hits] == [(rule, check, 2)]


@pytest.mark.parametrize(
    "line",
    [
        "login(token=os.environ['HF_TOKEN'])",
        "k = os.environ['WANDB_API_KEY']",
        "SECRET_KEY = os.environ['SECRET_KEY']",
        "key = os.getenv('OPENAI_API_KEY', 'none')",
        "key = os.getenv('SECRET_KEY', '')",
        "key = os.getenv('SECRET_NAME', 'prod/db')",
        "path = os.getenv('PASSWORD_FILE', '/run/secrets/db')",
        "key = os.getenv('OPENAI_API_KEY', 'your-key-here')",
    ],
)
def test_what_comes_from_the_environment_is_quiet(line: str, tmp_path: Path) -> None:
    assert looked(tmp_path, "src/a.py", f"import os\n{line}\n") == []


def test_a_key_with_a_passphrase_is_told_apart(tmp_path: Path) -> None:
    keys = corpus.keys(random.Random("keys"))
    head = base64.b64encode(
        b"openssh-key-v1\0\0\0\0\x0aaes256-ctr\0\0\0\x06bcrypt" + random.Random(3).randbytes(300)
    ).decode()
    openssh = f"-----BEGIN OPENSSH PRIVATE KEY-----\n{head}\n-----END OPENSSH PRIVATE KEY-----\n"

    assert [hit.check for hit in looked(tmp_path, "a.txt", keys["ENCRYPTED"])] == ["encrypted-private-key"]
    assert [hit.check for hit in looked(tmp_path, "b.txt", openssh)] == ["encrypted-private-key"]
    assert [hit.check for hit in looked(tmp_path, "c.txt", keys["RSA"])] == ["private-key"]


def test_base64_is_looked_into_once(tmp_path: Path) -> None:
    token = corpus.AI["huggingface"](random.Random(1))
    once = base64.b64encode(f"user:{token}\n".encode()).decode()
    twice = base64.b64encode(once.encode()).decode()

    (hit,) = looked(tmp_path, "src/a.py", f'x = "{once}"\n')

    assert (hit.rule, hit.facts["kind"]) == ("secret/exposed-ml-service-token", "Hugging Face access token in base64")
    assert looked(tmp_path, "src/b.py", f'x = "{twice}"\n') == []


def test_data_and_model_metadata_have_a_rule_of_their_own(tmp_path: Path) -> None:
    password = corpus.connections(random.Random(1))["postgres"]

    rows = looked(tmp_path, "data/a.jsonl", json.dumps({"content": password}) + "\n")
    model = looked(tmp_path, "model/config.json", json.dumps({"model_type": "llama", "origin": password}))
    program = looked(tmp_path, "app/config.json", json.dumps({"database": password}))
    run = looked(tmp_path, "mlruns/1/ab/params/uri", password)

    assert [[hit.rule for hit in hits] for hits in (rows, model, program, run)] == [
        ["secret/credential-in-ml-artifact"], ["secret/credential-in-ml-artifact"], ["secret/hardcoded-credential"], ["secret/credential-in-ml-artifact"],
    ]  # fmt: skip
