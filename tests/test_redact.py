"""What is shown of a source line, and what never is."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlguard.redact import excerpt, printable, text

SHOWN = [
    'model = torch.load("models/churn.pt", weights_only=False)',
    '    cidr_blocks = ["0.0.0.0/0"]',
    "image: ghcr.io/acme/churn:latest",
    "        uses: actions/checkout@v4",
    'AutoModel.from_pretrained("bert-base-uncased", trust_remote_code=True)',
    'resource "aws_s3_bucket" "customer_exports" {',
    "tokenizer = AutoTokenizer.from_pretrained(name)",
    "privileged: true",
    'print(df[["email", "name"]].head())',
    "FROM python:3.12-slim",
    "from sklearn.ensemble import HistGradientBoostingClassifier",
    "model = Qwen2ForConditionalGeneration(torch._C._VariableFunctionsClass)",
    "customer_identification_number = frame.groupby(level)",
    "app.run(host='0.0.0.0', port=8080, debug=True)",
]


@pytest.mark.parametrize("line", SHOWN)
def test_code_is_shown_as_it_is(line: str) -> None:
    assert excerpt(line) == line


EMAIL, TOKEN = "jane.doe" + "@" + "acme.test", "hf_" + "abcDEFghiJKLmnoPQR" + "stuVWXyz012345"
VALUES = [
    EMAIL, TOKEN, "+49 151 234" + "56789", "DE89 3704 0044 0532 " + "0130 00", "4111 1111 " + "1111 1111", "536-22-" + "8114",
    "AKIA" + "QX7RJ2NM4PLTW6VB", "203.0.113" + ".77",
]  # fmt: skip
FRAMES = [
    'log.info("customer %s")',
    "x = '%s'",
    "# %s",
    "ENV OWNER=%s",
    "value: %s",
    "url = https://u:%s@example.com",
    "- %s",
    "<td>%s</td>",
]


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("frame", FRAMES)
def test_values_are_masked_in_every_kind_of_line(value: str, frame: str) -> None:
    assert value not in excerpt(frame % value)


@pytest.mark.parametrize(
    "line",
    [
        'password = "hunter2"',
        "DB_PASSWORD: hunter2",
        "--token hunter2",
        '{"api_key": "hunter2"}',
        "secret := 'hunter2'",
        "  password=hunter2,",
    ],
)
def test_value_beside_a_secret_name_is_masked_whatever_it_is(line: str) -> None:
    assert "hunter2" not in excerpt(line)


@given(
    st.text(alphabet="ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", min_size=32, max_size=60),
    st.randoms(),
)
def test_random_text_is_masked(value: str, shuffler: random.Random) -> None:
    letters = list(value[:20] + "aB3xZ9qW7kLm")
    shuffler.shuffle(letters)
    token = "".join(letters)

    assert token not in text(f"value {token} end")


@given(st.text(alphabet="abc XYZ0189@.-_:/=\"'#é\u202e\x1b", max_size=80))
def test_masking_ends_and_never_lengthens_beyond_the_limit(line: str) -> None:
    assert len(excerpt(line)) <= 160
    assert len(text(line)) <= 200


@given(st.text(max_size=40))
def test_printable_text_has_no_control_or_bidirectional_character(value: str) -> None:
    shown = printable(value)

    assert "\n" not in shown
    assert not any(0x202A <= ord(char) <= 0x202E or ord(char) < 32 or 0x7F <= ord(char) < 0xA0 for char in shown)
