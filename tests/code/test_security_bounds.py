"""The checks of security end on every file, and soon."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlguard.scanners.code import source
from mlguard.scanners.code.report import records
from tests.code.security_samples import BAD

SNIPPETS = [code for codes in BAD.values() for code in codes]
REPEATED = {
    "routes that share a function": "from fastapi import FastAPI\napp = FastAPI()\ndef g(x):\n    return model.predict(x)\n"
    + "".join(f"@app.post('/p{n}')\ndef p{n}(x: dict):\n    return g(x)\n" for n in range(3000)),
    "archives in one function": "import tarfile\ndef f(p):\n" + "    tarfile.open(p).extractall()\n" * 6000,
    "chats": "import gradio as gr\n" + "gr.ChatInterface(f)\ngr.Markdown('x')\n" * 4000,
    "one name that grows": "from flask import request\ndef f(a):\n" + "    a = a + str(a)\n    open(a)\n" * 6000,
    "values of a loop": "import sqlite3\ncur = sqlite3.connect('x').cursor()\nT = ('a', 'b')\n"
    + "for t in T: cur.execute(f'select * from x where a = {t}')\n" * 4000,
    "files that are fetched": "import requests\nr = requests.get('https://x.example.org')\n"
    + "open('a.data', 'wb').write(r.content)\n" * 4000,
    "searches": "import chromadb\npatients = chromadb.Client().get_collection('patients')\n"
    + "patients.query(query_texts=[q], n_results=2)\n" * 5000,
}


@pytest.mark.parametrize("text", REPEATED.values(), ids=REPEATED)
def test_the_time_grows_with_the_file_and_not_faster(text: str) -> None:
    half = text[: text.rindex("\n", 0, len(text) // 2) + 1]
    half = half.rpartition("@app")[0] or half

    assert _seconds(text) < 6 * _seconds(half) + 0.5


def _seconds(text: str) -> float:
    """Return the least CPU time of three looks at a file."""
    times = []
    for _ in range(3):
        start = time.process_time()
        list(records(source.python_file("a.py", text.encode())))
        times.append(time.process_time() - start)
    return min(times)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(SNIPPETS), min_size=1, max_size=4), st.integers(0, 400), st.integers(0, 40))
def test_snippets_that_are_mixed_and_cut_end_in_records(codes: list[str], start: int, length: int) -> None:
    text = "\n".join(codes)
    text = text[:start] + text[start + length :]
    try:
        file = source.python_file("a.py", text.encode())
    except source.Unreadable:
        return
    for record in records(file):
        assert record is not None
