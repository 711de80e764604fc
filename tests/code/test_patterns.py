"""Rules of the user's own over Python code: patterns on pages in a folder that the configuration names."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from mlguard.cli.commands import group
from mlguard.errors import ConditionError
from mlguard.scanners.code import source
from mlguard.scanners.code.names import Names
from mlguard.scanners.code.own import sights
from mlguard.scanners.code.patterns import compile_check
from mlguard.scanners.code.seeing import Sight

PAGE = """\
---
title: Client of the model gateway without a timeout
severity: medium
scanner: code
message: "{call} waits for ever."
fix: "Give a timeout."
checks:
  timeout:
    call: ["gateway.Client", "gateway.Client().ask"]
    where: {argument: timeout, is: missing}
  legacy:
    import: gateway.legacy
    severity: low
---
## Why it matters
A worker that waits for ever serves nobody.

## Bad
```python
from gateway import Client as C
import gateway.legacy.tools  # expect: org/slow-client

client = C()  # expect: org/slow-client
client.ask("x", timeout=3)
client.ask("x")  # expect: org/slow-client
```

## Good
```python
import gateway

gateway.Client(timeout=3).ask("x", timeout=3)
gateway.Client(**options)
```
"""


def seen(spec: dict[str, object], code: str) -> list[int]:
    parsed = source.python_file("a.py", code.encode())
    watch = compile_check("org/rule", "check", spec)
    found = sights(parsed, Names(parsed.tree), (watch,))
    return sorted(one.node.lineno for one in found if isinstance(one, Sight) and one.rule == "org/rule")  # type: ignore[attr-defined]


CASES = {
    "any receiver": ({"call": "**.send"}, "a.b.send()\nsend()\nx().send(1)", [1, 2, 3]),
    "one part": ({"call": "acme.*.send"}, "import acme\nacme.a.send()\nacme.a.b.send()\nacme.send()", [2]),
    "any function of a module": ({"call": "acme.**"}, "from acme import b\nb.c()\nprint()", [2]),
    "equal value": ({"call": "f.g", "where": {"argument": "a", "equals": [1, "x"]}}, "import f\nf.g(a=1)\nf.g(a='x')\nf.g(a=True)\nf.g()", [2, 3]),
    "constant by name": ({"call": "f.g", "where": {"argument": [0, "a"], "equals": 2}}, "import f\nN = 2\nf.g(N)\nf.g(a=N)\nf.g(M)", [3, 4]),
    "a pattern": ({"call": "f.g", "where": {"argument": 0, "matches": "^http:"}}, "import f\nf.g('http://a')\nf.g('https://a')\nf.g(x)", [2]),
    "computed": ({"call": "f.g", "where": {"argument": 0, "is": "computed"}}, "import f\nf.g(x)\nf.g('a')\nf.g()", [2]),
    "a path": ({"call": "f.g", "where": {"argument": "m", "path": "ssl.CERT_*"}}, "import f\nfrom ssl import CERT_NONE\nf.g(m=CERT_NONE)\nf.g(m=x)", [3]),
    "what a caller sent": (
        {"call": "f.g", "where": {"argument": "any", "from": "request"}}, "import f\nfrom flask import request\nq = request.args['q']\nf.g(1, k=q)\nf.g(1)", [4]),
    "personal data": ({"call": "f.g", "where": {"argument": "any", "from": ["personal"]}}, "import f\nf.g(user.email)\nf.g(user.id)", [2]),
    "all and not": (
        {"call": "f.g", "where": {"all": [{"imports": "torch"}, {"not": {"argument": 0, "is": "given"}}]}}, "import f, torch.nn\nf.g()\nf.g(1)", [2]),
    "all and not in another file": (
        {"call": "f.g", "where": {"all": [{"imports": "torch"}, {"not": {"argument": 0, "is": "given"}}]}}, "import f\nf.g()", []),
    "either": ({"call": "f.g", "where": {"any": [{"argument": 0, "equals": 1}, {"argument": 0, "equals": None}]}}, "import f\nf.g(1)\nf.g(None)\nf.g(2)", [2, 3]),
    "within": ({"call": "f.g", "where": {"within": "train_*"}}, "import f\ndef train_all():\n    f.g()\ndef main():\n    f.g()", [3]),
    "import from": ({"import": "acme.legacy"}, "from acme import legacy\nfrom acme.legacy import x\nimport acme.legacyx\nfrom acme.legacy import *", [1, 2, 4]),
    "decorator": ({"decorator": "acme.job"}, "import acme\n@acme.job\ndef a(): ...\n@acme.job(retries=1)\ndef b(): ...\ndef c(): ...", [3, 5]),
    "decorator with a condition": (
        {"decorator": "acme.job", "where": {"argument": "retries", "is": "missing"}}, "from acme import job\n@job\ndef a(): ...\n@job(retries=1)\ndef b(): ...", [3]),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_pattern_is_seen_where_it_stands(name: str) -> None:
    spec, code, lines = CASES[name]
    assert seen(spec, code) == lines


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"call": "a", "import": "b"}, "2 of call, import, decorator"),
        ({}, "0 of call, import, decorator"),
        ({"call": 3}, "call is a text"),
        ({"call": "a", "wher": {}}, "did you mean 'where'"),
        ({"call": "a", "where": []}, "a condition is a mapping"),
        ({"call": "a", "where": {"argument": 0}}, "has one of is, equals"),
        ({"call": "a", "where": {"argument": 0, "is": "absent"}}, "none of missing, given"),
        ({"call": "a", "where": {"argument": 0, "matches": "("}}, "regular expression is not valid"),
        ({"call": "a", "where": {"argument": 0, "from": "user"}}, "none of request"),
        ({"call": "a", "where": {"argument": True, "is": "given"}}, "argument is a position"),
        ({"call": "a", "where": {"argument": "any", "is": "missing"}}, "does not go with"),
        ({"call": "a", "where": {"alll": []}}, "did you mean 'all'"),
    ],
)
def test_what_is_wrong_with_a_check_is_said(spec: dict[str, object], said: str) -> None:
    with pytest.raises(ConditionError, match="(?s).*" + said.replace("(", r"\(")):
        compile_check("org/rule", "check", spec)


def outcome_of(place: Path) -> tuple[int, str]:
    result = CliRunner().invoke(group, ["rules", "test", str(place)], standalone_mode=False)
    return (result.return_value if result.exception is None else 2), result.output + str(result.exception or "")


def folder(tmp_path: Path, text: str = PAGE) -> Path:
    file = tmp_path / "compliance" / "org" / "slow-client.md"
    file.parent.mkdir(parents=True)
    file.write_text(text)
    return tmp_path / "compliance"


def test_the_examples_of_a_page_are_run(tmp_path: Path) -> None:
    assert outcome_of(folder(tmp_path)) == (0, "ok     org/slow-client\n1 of 1 pages hold what they say.\n")


def test_an_example_that_does_not_hold_is_told(tmp_path: Path) -> None:
    text = PAGE.replace("gateway.Client(timeout=3)", "gateway.Client()")
    code, told = outcome_of(folder(tmp_path, text))
    assert code == 1
    assert "Good, Good: example.py:3 is reported, and not marked" in told


def test_a_mistake_on_a_page_is_told_with_its_line(tmp_path: Path) -> None:
    text = PAGE.replace("is: missing", "is: absent")
    code, told = outcome_of(folder(tmp_path, text))
    assert code == 2
    assert "slow-client.md, line 10: is 'absent' is none of" in told


def test_a_scan_uses_the_pages_that_the_configuration_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder(tmp_path)
    (tmp_path / "mlguard.yaml").write_text("version: 1\nrules: compliance\n")
    (tmp_path / "use.py").write_text(
        "import gateway\nc = gateway.Client()\nc.ask('x')  # mlguard: ignore[org/slow-client] reason=\"a test\"\n"
    )
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(group, ["scan", "use.py", "--no-cache", "-o", "json"])
    assert result.output.count('"org/slow-client"') >= 2
    assert "gateway.Client waits for ever." in result.output


def test_the_language_is_described() -> None:
    result = CliRunner().invoke(group, ["rules", "language"])
    assert "argument: any, from: [request, model]" in result.output
