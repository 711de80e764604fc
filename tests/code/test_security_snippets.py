"""Programs as somebody else would write them: what must be reported in them, and what must not.

``security_snippets.txt`` holds them, each after a line ``=== bad <rule> <check>`` or ``=== good …``; lines that end with ``# <-`` must be
reported under the rule. Where a finding stands: at the first line of a call, with a statement or chain over several lines at the line on which
the expression begins; for a decorated function at its ``def``; for an assignment at the assignment; for a dictionary of options that is not
seen to reach a call at the line of its key.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mlguard.findings import Detection
from mlguard.scanners.code import source
from mlguard.scanners.code.report import records
from tests.scanning import found, scan

MARK = "# <-"
PARTS = re.split(r"^=== ", Path(__file__).with_name("security_snippets.txt").read_text(), flags=re.MULTILINE)[1:]
SNIPPETS = [(*part.partition("\n")[0].split(), part.partition("\n")[2]) for part in PARTS]


def lines(code: str, rule: str, ours: bool) -> set[int]:
    """Return the lines that are reported under a rule, by our own checks only where that is asked for."""
    seen = records(source.python_file("service.py", code.encode()))
    return {
        record.location.line
        for record in seen
        if isinstance(record, Detection) and record.rule == rule and not (ours and record.check.startswith("bandit-"))
    }


@pytest.mark.parametrize(("kind", "rule", "check", "code"), SNIPPETS)
def test_exactly_the_marked_lines_are_reported(kind: str, rule: str, check: str, code: str) -> None:
    marked = {number for number, line in enumerate(code.split("\n"), 1) if line.endswith(MARK)}

    assert bool(marked) == (kind == "bad")
    assert marked <= lines(code, rule, ours=False), (check, code)
    assert lines(code, rule, ours=True) <= marked, (check, code)


@pytest.mark.parametrize(
    ("manifest", "code", "rule", "expected"),
    [
        ("datasets==4.0.0", "from datasets import load_dataset\nd = load_dataset('a/b', trust_remote_code=True)", "code/trusted-remote-code", 0),
        ("datasets==2.14", "from datasets import load_dataset\nd = load_dataset('a/b', trust_remote_code=True)", "code/trusted-remote-code", 1),
        ("transformers==5.1", "import transformers\nm.save_pretrained('o', safe_serialization=False)", "code/unsafe-deserialization", 0),
        ("transformers>=4.40", "import transformers\nm.save_pretrained('o', safe_serialization=False)", "code/unsafe-deserialization", 1),
        ("keras==2.12.0", "import keras\nm = keras.models.load_model('m.keras')", "code/unsafe-deserialization", 1),
        ("tensorflow==2.11", "import tensorflow as tf\nm = tf.keras.models.load_model('m.keras')", "code/unsafe-deserialization", 1),
        ("keras==3.11.3", "import keras\nm = keras.models.load_model('m.h5')", "code/unsafe-deserialization", 0),
        ("keras>=3.0", "import keras\nm = keras.models.load_model('m.h5')", "code/unsafe-deserialization", 1),
        ("tensorflow==2.19", "import tensorflow as tf\nm = tf.keras.models.load_model('m.keras')", "code/unsafe-deserialization", 0),
    ],
)  # fmt: skip
def test_versions_decide_where_a_library_changed(
    manifest: str, code: str, rule: str, expected: int, tmp_path: Path
) -> None:
    (tmp_path / "requirements.txt").write_text(manifest + "\n")
    (tmp_path / "serve.py").write_text(code + "\n")

    assert len(found(scan(tmp_path, ["code"]), rule)) == expected


PACKAGES = {
    "a loader that a package hands on": (
        {"lib/__init__.py": "from .io import load\n", "lib/io.py": "from pickle import load\n"},
        "from lib import load as read\nwith open('m.pkl', 'rb') as f:\n    model = read(f)\n",
        ("code/unsafe-deserialization", 3),
    ),
    "a constant of the settings": (
        {"conf/__init__.py": "from .base import HOST\n", "conf/base.py": "HOST = '0.0.0.0'\n"},
        "import uvicorn\nfrom conf import HOST\nuvicorn.run('app:app', host=HOST)\n",
        ("code/unauthenticated-dev-server", 3),
    ),
    "a switch of the settings": (
        {"settings.py": "TRUST = True\n"},
        "import settings\nfrom transformers import AutoModel\nm = AutoModel.from_pretrained('./m', trust_remote_code=settings.TRUST)\n",
        ("code/trusted-remote-code", 3),
    ),
    "a client that another file makes": (
        {"llm.py": "from openai import OpenAI\nclient = OpenAI()\n"},
        "from llm import client\nr = client.chat.completions.create(model='x', messages=m)\nexec(r.choices[0].message.content)\n",
        ("code/command-or-code-injection", 3),
    ),
    "a session that another file makes": (
        {"net/http.py": "import requests\nsession = requests.Session()\n", "net/__init__.py": ""},
        "from net.http import session\nsession.get('https://x.example.org', verify=False, timeout=3)\n",
        ("code/disabled-tls-verification", 2),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PACKAGES)
def test_names_of_other_files_are_followed(name: str, tmp_path: Path) -> None:
    files, code, (rule, line) = PACKAGES[name]
    for path, text in {**files, "serve.py": code}.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)

    assert ("serve.py", line, rule) in found(scan(tmp_path, ["code"]), rule)
