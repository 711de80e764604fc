"""Code and notebooks: bandit's results are bandit's, our own are precise, and nothing is silent."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlguard import rules
from mlguard.errors import Unreadable
from mlguard.facts import DataFlow
from mlguard.findings import Finding, Report
from mlguard.rules import section
from mlguard.scanners.code import bandit_checks, lexicon, source
from mlguard.scanners.code.report import table
from tests.pages import examples
from tests.scanning import found, scan

PINNED = "0123456789abcdef" * 2 + "01234567"


def look(root: Path, code: str | bytes, name: str = "train.py") -> Report:
    (root / name).write_bytes(code if isinstance(code, bytes) else code.encode())
    return scan(root, ["code"])


def reported(report: Report, rule: str) -> list[int]:
    return [line for _, line, _ in found(report, rule)]


def checks(report: Report) -> set[str]:
    return {finding.check for finding in report.findings}


def command_line(root: Path) -> Counter[tuple[Any, ...]]:
    """Return (path, id, line, column, severity, confidence) of bandit's own command."""
    command = [str(Path(sys.executable).parent / "bandit"), "-r", ".", "-f", "json", "-q", "-x", "nothing-at-all"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    keys = ("filename", "test_id", "line_number", "col_offset", "issue_severity", "issue_confidence")
    return Counter(tuple(result[key] for key in keys) for result in json.loads(done.stdout)["results"])


def driven(root: Path) -> Counter[tuple[Any, ...]]:
    """Return the same of our way to run its checks."""
    results: Counter[tuple[Any, ...]] = Counter()
    for path in sorted(root.rglob("*.py")):
        name = f"./{path.relative_to(root).as_posix()}"
        data = path.read_bytes()
        try:
            tree = source.python_file(name, data).tree
        except Unreadable:
            continue
        for seen in bandit_checks.seen(tree, data, name):
            if isinstance(seen, bandit_checks.Seen):
                results[name, seen.test, seen.line, seen.column, seen.severity, seen.confidence] += 1
    return results


SAMPLES = {
    "nosec.py": """\
import subprocess, pickle  # nosec
import pickle  # nosec B403
import telnetlib  # nosec B403
subprocess.run(  # nosec B603
    ["git", "status"],
    shell=False,
)
subprocess.run(
    ["git"],
)  # nosec B607, B603
assert x  # nosec: assert_used
assert y  # nosec B101,B102
assert z  # told "# nosec B101" here
text = "# nosec"; assert w
eval(x)  # nosec B001
eval(x)  # nosec eval
password = "abc"  # nosec hardcoded_password_string
def f(password="x",  # nosec
      token="y"): pass
""",
    "aliases.py": """\
import os as o, subprocess as s
from subprocess import Popen as P, call
import xml.etree.ElementTree as ET
from . import pickle
from .x import pickle
import importlib
o.system("ls *"); s.run("tar *", shell=True); P(cmd, shell=True); call(x)
ET.parse(f); __import__("pickle"); __import__(name); __import__(); importlib.import_module("telnetlib")
importlib.import_module(); importlib.import_module(name="pickle")
def late():
    import random as r
    r.random()
r.choice(a)
""",
    "text.py": """\
host = "0.0." "0.0"
a = "/tm" "p/x"; b = b"/tmp/y"; c = "\\x2ftmp"
q = "sel" "ect a from b where c = %s" % d
q2 = "select a " + "from b where " + c; cur.execute("select a from b where x=" + y); f"delete from {t} where a"
q3 = "select a from b".replace("a", x); "insert into t values ({})".format(v)
d = {"password": "x", "a": "0.0.0.0"}; d["secret_token"] = "y"; d.pass_phrase = "z"
if password == "s" or self.token == "t": pass
func(password="x", token=f"y", **{"pwd": "z"})
def g(a, /, pwd="p", *, passwd="q"): ...
async def h(password="x"): ...
lambda password="x": password
'''password = "doc"'''
match x:
    case {"password": "a"}: pass
    case "0.0.0.0": pass
[p for p in "/tmp/x"]
with open("/tmp/a") as f, tempfile.mktemp() as g: pass
def d1(a="/tmp/d", b="0.0.0.0"): return a  # nosec B108
""",
    "calls.py": """\
import requests, httpx, ssl, tarfile, torch, yaml, hashlib, flask, jinja2, paramiko, random, marshal, shelve
from Crypto.Cipher import DES; from cryptography.hazmat.primitives.asymmetric import rsa, ec, dsa
requests.get(u); requests.get(u, timeout=None); requests.post(u, verify=False,
   timeout=3)
httpx.Client(verify=False); httpx.get(u, timeout=None)
ssl.wrap_socket(s); ssl.wrap_socket(s, ssl_version=ssl.PROTOCOL_SSLv2); x(method=ssl.PROTOCOL_SSLv3)
def v(p=ssl.PROTOCOL_TLSv1): pass
t.extractall(); t.extractall(members=f(t)); t.extractall(members=self.f(t)); t.extractall(filter="data"); t.extractall(members=m)
torch.load(p); torch.load(p, weights_only=True); yaml.load(f); yaml.load(f, Loader=yaml.SafeLoader); yaml.load(f, yaml.CSafeLoader)
hashlib.md5(x); hashlib.new("sha1", x); hashlib.md5(x, usedforsecurity=False); hashlib.new(name="MD5")
app.run(debug=True); app.run(debug=D); jinja2.Environment(); jinja2.Environment(autoescape=False); jinja2.Environment(autoescape=x)
c.exec_command(y); c.set_missing_host_key_policy(paramiko.AutoAddPolicy()); random.Random(); marshal.loads(x); shelve.open(f)
rsa.generate_private_key(65537, 1024); rsa.generate_private_key(key_size=512); ec.generate_private_key(ec.SECP192R1); DES.new(k)
os.chmod(f, 0o777); os.chmod(f, mode=0o777); os.chmod("x", 0x3f); f.extra(where=[x]); run(shell=True); run(shell=[]); run(shell="")
exec("x"); eval("y"); a.eval("z"); mark_safe(x); obj.method.deep.chain[0](a).load()
try: pass
except Exception: pass
for i in x:
    try: pass
    except: continue
    try: pass
    except (A, B): pass
""",
    "wide.py": "naïve = 'é'; password = 'ü'; os.system('ls ' + x)\nassert naïve; ｐickle.loads(x)\nimport ｐickle\nassert ü, '\u202e'\n",
    "latin.py": "# -*- coding: latin-1 -*-\ntext = 'é'; assert text\n",
    "broken.py": "def f(:\n",
    "empty.py": "",
    "bom.py": "\ufeffassert x\n",
    "windows.py": "assert x\r\npassword = 'a'\r\n# nosec\r\n",
}  # fmt: skip


def write_samples(root: Path) -> None:
    for name, text in SAMPLES.items():
        (root / name).write_bytes(text.encode("latin-1" if name == "latin.py" else "utf-8"))
    (root / ".bandit").write_text("[bandit]\nskips: B101\n")
    (root / "pyproject.toml").write_text('[tool.bandit]\nskips = ["B101", "B105"]\n')


def test_results_of_bandit_are_those_of_its_command_line_on_odd_code(tmp_path: Path) -> None:
    write_samples(tmp_path)
    (tmp_path / ".bandit").unlink()  # its command line would read this one

    assert driven(tmp_path) == command_line(tmp_path)


def test_results_of_bandit_are_those_of_its_command_line_on_every_example_of_a_page(tmp_path: Path) -> None:
    for number, rule in enumerate(rules.load().rules.values()):
        if rule.scanner == "code":
            for index, example in enumerate([*examples(rule, "Bad"), *examples(rule, "Good")]):
                example.write(tmp_path / f"t{number}_{index}")

    assert driven(tmp_path) == command_line(tmp_path)


def test_results_of_bandit_are_those_of_its_command_line_on_an_installed_package(tmp_path: Path) -> None:
    package = Path(click.__file__).parent
    for path in package.rglob("*.py"):
        (tmp_path / path.name).write_bytes(path.read_bytes())

    expected = command_line(tmp_path)

    assert sum(expected.values()) > 20
    assert driven(tmp_path) == expected


def test_report_holds_every_result_of_bandit(tmp_path: Path) -> None:
    write_samples(tmp_path)
    (tmp_path / ".bandit").unlink()

    report = scan(tmp_path, ["code"])

    seen = Counter(
        (f"./{f.location.path}", f.facts["bandit"], f.facts["bandit_severity"], f.facts["bandit_confidence"])
        for f in report.findings if "bandit" in f.facts and f.aside is None
    )  # fmt: skip
    assert seen == Counter((path, test, severity, confidence) for path, test, _, _, severity, confidence in
                           command_line(tmp_path).elements())  # fmt: skip


def plain(seen: Iterable[bandit_checks.Seen | bandit_checks.Broken]) -> list[tuple[str, int]]:
    return sorted((s.test if isinstance(s, bandit_checks.Seen) else "broken", s.line) for s in seen)


def test_the_way_for_unknown_versions_of_bandit_gives_the_same(tmp_path: Path) -> None:
    write_samples(tmp_path)
    for path in sorted(tmp_path.glob("*.py")):
        data = path.read_bytes()
        try:
            tree = source.python_file(path.name, data).tree
        except Unreadable:
            continue
        native = plain(bandit_checks._native(tree, data, f"./{path.name}"))

        compatible = plain(bandit_checks._compatible(data, f"./{path.name}"))

        assert native == compatible, path.name


SNIPPETS = [
    line
    for name in ("calls.py", "text.py", "aliases.py")
    for line in SAMPLES[name].split("\n")
    if not line.startswith(" ")
]


@given(st.lists(st.sampled_from(SNIPPETS), max_size=6), st.booleans())
def test_any_mix_of_odd_lines_gives_the_same_both_ways(lines: list[str], nosec: bool) -> None:
    data = ("  # nosec B101\n" if nosec else "\n").join([*lines, "x"]).encode()
    try:
        tree = source.python_file("./x.py", data).tree
    except Unreadable:
        return

    native = plain(bandit_checks._native(tree, data, "./x.py"))

    assert native == plain(bandit_checks._compatible(data, "./x.py"))


def test_every_check_of_bandit_has_a_row_and_every_row_a_page() -> None:
    ids = bandit_checks._checks().ids - {"B001"}

    assert ids <= set(table())
    for test, entry in table().items():
        usual = [] if "alone" in entry else [entry["rule"]]
        for rule in [*usual, *entry.get("rules", {}).values(), entry.get("alone", entry["rule"])]:
            page = rules.load().rule(rule)
            assert f"bandit-{test.lower()}" in page.checks


def test_settings_of_the_scanned_tree_do_not_count(tmp_path: Path) -> None:
    write_samples(tmp_path)
    before = len(scan(tmp_path, ["code"]).findings)

    (tmp_path / ".bandit").unlink()
    (tmp_path / "pyproject.toml").unlink()

    assert len(scan(tmp_path, ["code"]).findings) == before


def test_importing_bandit_later_gives_the_real_package() -> None:
    bandit_checks._checks()

    import bandit

    assert bandit.core.manager.BanditManager


def test_literals_of_passwords_never_leave(tmp_path: Path) -> None:
    secret = "Sommer" + "regen77"
    code = f"password = '{secret}'\nconnect(password='{secret}')\ndef f(token='{secret}'): pass\nd = {{'password': '{secret}'}}\n"

    report = look(tmp_path, code)

    assert len(reported(report, "code/hardcoded-password-literal")) == 4
    assert secret not in repr(report)


@pytest.mark.parametrize(
    "data",
    [b"def f(:\n", b"x = '\xff'\n", b"# coding: nonsense\nx = 1\n", b"\xff\xfea\x00", b"(" * 5000,
     b"x = " + b"-" * 20_000 + b"1", b"a" + b".b" * 50_000],
    ids=["syntax", "bytes", "cookie", "utf-16", "brackets", "signs", "chain"],
)  # fmt: skip
def test_what_cannot_be_parsed_is_a_gap(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "other.py").write_text("assert x\n")
    (tmp_path / "pyproject.toml").write_text("")

    (tmp_path / "bad.py").write_bytes(data)
    report = scan(tmp_path, ["code"])

    assert [gap.kind for gap in report.gaps if gap.path == "bad.py"] in (["unreadable"], [])
    assert [gap for gap in report.gaps if gap.kind == "crash"] == []
    if data[:1] != b"a":
        assert any(gap.path == "bad.py" for gap in report.gaps)
    assert reported(report, "code/assert-statement") == [1]


def test_a_file_too_deep_for_bandit_is_still_looked_at(tmp_path: Path) -> None:
    report = look(tmp_path, "import os\nos.system(x)\ny = " + " + ".join(["z"] * 1500) + "\n")

    assert reported(report, "code/command-or-code-injection") == [2] or report.gaps


def test_a_check_of_bandit_that_stops_is_a_gap(tmp_path: Path) -> None:
    report = look(tmp_path, "import tarfile\nt.extractall(members=self.good(t))\n")

    assert [(gap.kind, "B202" in gap.reason) for gap in report.gaps] == [("unresolved", True)]


def test_columns_count_characters(tmp_path: Path) -> None:
    report = look(tmp_path, "é = 'ü'; assert é\n")

    (finding,) = report.findings
    assert (finding.location.column, finding.location.end_column) == (10, 18)


def fingerprints(report: Report) -> list[str]:
    return sorted(finding.fingerprint for finding in report.findings)


def test_fingerprints_survive_moved_lines_and_formatting(tmp_path: Path) -> None:
    code = "import pickle\ndef load(p):\n    return pickle.load(open(p, 'rb'))\nlog.info('x %s', user.email)\n"
    moved = "\n\n# more\n" + code.replace("pickle.load(open(p, 'rb'))", "pickle.load(\n        open(p, 'rb'),\n    )")

    assert fingerprints(look(tmp_path, code)) == fingerprints(look(tmp_path, moved.replace("\n", "\r\n")))


# Notebooks


def cells(*sources: str, kind: str = "code", language: str = "python") -> dict[str, Any]:
    return {
        "nbformat": 4, "nbformat_minor": 5, "metadata": {"language_info": {"name": language}},
        "cells": [{"cell_type": kind, "metadata": {}, "outputs": [], "source": text.splitlines(True)} for text in sources],
    }  # fmt: skip


def look_at_cells(root: Path, *sources: str, **options: str) -> tuple[Report, str]:
    text = json.dumps(cells(*sources, **options), indent=1)
    return look(root, text, "work.ipynb"), text


def places(report: Report, text: str, rule: str) -> list[tuple[str, str]]:
    lines = text.split("\n")
    return [(f.location.within, lines[f.location.line - 1].strip()) for f in report.findings if f.rule == rule]


def test_names_reach_from_cell_to_cell_and_places_are_those_of_the_file(tmp_path: Path) -> None:
    report, text = look_at_cells(tmp_path, "%matplotlib inline\nimport torch as t\n", "x = 1\nm = t.load(path)")

    assert places(report, text, "code/unsafe-deserialization") == [("cell 2", '"m = t.load(path)"')]
    assert report.gaps == ()


def test_column_in_a_notebook_is_that_of_the_file(tmp_path: Path) -> None:
    report, text = look_at_cells(tmp_path, 'd = {"a": 1}; assert d')

    (finding,) = [f for f in report.findings if f.rule == "code/assert-statement"]
    line = text.split("\n")[finding.location.line - 1]
    assert line[finding.location.column - 1 :].startswith("assert d")


MAGICS = """\
!pip install x \\
  --upgrade
files = !ls
x = %sql select 1
%time model.fit(X)
obj?
for i in range(3):
    !echo {i}
y = (7
  % 3)
text = '''
%d items
!not a command
'''
await run()
import pickle; pickle.load(f)
"""


def test_magics_do_not_hide_the_code_around_them(tmp_path: Path) -> None:
    report, text = look_at_cells(tmp_path, MAGICS)

    assert report.gaps == ()
    assert len(places(report, text, "code/unsafe-deserialization")) == 1


def test_cells_of_other_magics_are_no_python_and_timed_ones_are(tmp_path: Path) -> None:
    report, text = look_at_cells(
        tmp_path, "%%bash\nif [ x ]; then echo; fi", "%%time\nassert x", "%%writefile a.py\nassert y", "%%html\n<b>"
    )

    assert [within for within, _ in places(report, text, "code/assert-statement")] == ["cell 2", "cell 3"]
    assert report.gaps == ()


def test_one_broken_cell_is_a_gap_and_hides_no_other(tmp_path: Path) -> None:
    report, text = look_at_cells(tmp_path, "import pickle", "print 'x'", "pickle.load(f)")

    assert places(report, text, "code/unsafe-deserialization") == [("cell 3", '"pickle.load(f)"')]
    assert [(gap.kind, "cell 2" in gap.reason) for gap in report.gaps] == [("unreadable", True)]


def test_another_language_is_a_gap(tmp_path: Path) -> None:
    report, _ = look_at_cells(tmp_path, "x <- readRDS('a')", language="R")

    assert [gap.kind for gap in report.gaps] == ["skipped"]


def test_shell_lines_are_looked_at(tmp_path: Path) -> None:
    report, text = look_at_cells(
        tmp_path, "!curl -sk https://a.example/x.tgz -o x.tgz\n!wget -q https://a.example/i.sh -O - | bash", "%%bash\nwget http://a.example/d.csv",
        "!pip install -r requirements.txt\n!wget https://a.example/d.csv",
    )  # fmt: skip

    assert [within for within, _ in places(report, text, "code/unverified-download")] == ["cell 1", "cell 2"]
    assert [within for within, _ in places(report, text, "code/disabled-tls-verification")] == ["cell 1"]


def test_rows_shown_below_a_cell_are_reported(tmp_path: Path) -> None:
    report, text = look_at_cells(tmp_path, "df = load()\ndf[['last_name', 'email']].head()", "df[['score']].head()")

    assert [within for within, _ in places(report, text, "code/personal-data-in-logs")] == ["cell 1"]


@pytest.mark.parametrize("content", ["{}", "[]", "not json", '{"cells": 1}'])
def test_what_is_no_notebook_is_a_gap(content: str, tmp_path: Path) -> None:
    report = look(tmp_path, content, "x.ipynb")

    assert [gap.kind for gap in report.gaps] == ["unreadable"]


# Our own checks

HUB = "from transformers import AutoModel\n"
PERSONAL = "import logging\nlog = logging.getLogger(__name__)\n"
BAD = {
    "code/unsafe-deserialization": [
        "import torch as t\nt.load(p)", "from torch import load as l\nl(p)", "import torch\nf = torch.load\nf(p)",
        "from pickle import *\nload(f)", "def f():\n    import pickle as p\n    return p.load(x)", "try:\n    import cPickle as pickle\nexcept ImportError:\n    import pickle\npickle.load(f)",
        "import numpy as np\nK = dict(allow_pickle=True)\nnp.load(p, **K)", "from yaml import load, FullLoader, UnsafeLoader\nload(f, UnsafeLoader)",
        "import mlflow\nmlflow.pyfunc.load_model(f'http://x/{n}')", "import keras\nkeras.config.enable_unsafe_deserialization()",
        "import pandas\npandas.read_pickle(p)", "from tensorflow import keras\nkeras.models.load_model('a.h5')", "import dill\ndill.load(f)",
    ],
    "code/trusted-remote-code": [
        HUB + "AutoModel.from_pretrained(p, trust_remote_code=True)", HUB + "def load(p, trust=True):\n    return AutoModel.from_pretrained(p, trust_remote_code=trust)",
        "pipe = build(model_kwargs={'trust_remote_code': True})", "import torch\ntorch.hub.load('a/b', 'm')",
    ],
    "model/unpinned-base-model": [
        HUB + "AutoModel.from_pretrained('a/b')", HUB + "AutoModel.from_pretrained('bert-base-uncased', revision='main')",
        "from diffusers import StableDiffusionPipeline as P\nP.from_pretrained('a/b')", "from datasets import load_dataset\nload_dataset('squad')",
        HUB + "NAME = 'a/b'\nAutoModel.from_pretrained(NAME)", "from huggingface_hub import snapshot_download\nsnapshot_download(repo_id='a/b')",
        "import timm\ntimm.create_model('resnet50', pretrained=True)", "from transformers import pipeline\npipeline('ner', model='a/b')",
        HUB + "def f(model_name):\n    return AutoModel.from_pretrained(model_name)",
    ],
    "code/personal-data-in-logs": [
        PERSONAL + "log.info(f'x {user.email}')", PERSONAL + "log.info('x {}'.format(row['geburtsdatum']))", PERSONAL + "log.warning('%s' % patient.ssn)",
        "print(customer['phone'])", "who = user.email\nprint('hello ' + who)", "def f(email):\n    print(email.lower())", "print(d.get('apellido'))",
        "import warnings\nwarnings.warn(f'no {user.iban}')", "raise KeyError(f'{person.name}')", "self.logger.error('x', extra={'m': user.email})",
        "cols = ['email', 'score']\nprint(df[cols].head())", "from loguru import logger\nlogger.info(req.date_of_birth)",
    ],
    "code/personal-data-in-telemetry": ["import mlflow\nmlflow.log_param('email', user.email)", "import sentry_sdk\nsentry_sdk.set_tag('mail', user.email)"],
    "code/unsalted-identifier-hash": [
        "import hashlib\ndef pseudonym(email):\n    return hashlib.sha256(email.encode()).hexdigest()",
        "from hashlib import md5\nx = [md5(e.encode()).hexdigest() for e in df['email']]",
    ],
    "code/sensitive-attribute-as-feature": ["F = ['age', 'religion']\nX = df[F]\na, b, c, d = train_test_split(X, y)\nclf.fit(a, c)"],
    "code/identifier-as-feature": ["import lightgbm as lgb\nlgb.Dataset(df[['email', 'x']])"],
    "code/disabled-tls-verification": [
        "import ssl\nctx.check_hostname = False", "import ssl\nssl._create_default_https_context = ssl._create_unverified_context",
        "import os\nos.environ['CURL_CA_BUNDLE'] = ''", "import boto3\nboto3.client('s3', verify=False)",
    ],
    "code/unverified-download": ["import pandas as pd\npd.read_csv('http://a.example/x.csv')", "import os\nos.system('pip install x')"],
    "code/command-or-code-injection": ["import os\nos.system(f'rm {p}')", "from litellm import completion\nr = completion(model='x')\neval(r.choices[0].message.content.strip())"],
    "code/sql-injection": ["cur.execute(f'select a from t where k = {k}')", "q = 'delete from t where k = %s' % k\ncur.execute(q)"],
    "code/undeclared-biometric-use": ["import face_recognition", "import boto3\nboto3.client('rekognition')"],
}  # fmt: skip


@pytest.mark.parametrize(("rule", "code"), [(rule, code) for rule, codes in BAD.items() for code in codes])
def test_bad_code_is_reported(rule: str, code: str, tmp_path: Path) -> None:
    assert reported(look(tmp_path, code), rule)


GOOD = {
    "code/unsafe-deserialization": [
        "import torch\ntorch.load(p, weights_only=True)", "import torch\nO = True\ntorch.load(p, weights_only=O)", "def load(p): ...\nload(p)",
        "import torch\nclass A:\n    def load(self): ...\nA().load(p)", "import yaml\nclass L(yaml.SafeLoader): ...\nyaml.load(f, Loader=L)",
        "from json import load\nload(f)", "import mlflow\nmlflow.pyfunc.load_model(f'models:/{name}/3')", "import numpy as np\nnp.load(p)",
    ],
    "model/unpinned-base-model": [
        HUB + "AutoModel.from_pretrained('./local')", HUB + "AutoModel.from_pretrained('/opt/m')", HUB + f"AutoModel.from_pretrained('a/b', revision='{PINNED}')",
        HUB + "from pathlib import Path\nBASE = Path('m')\nAutoModel.from_pretrained(BASE / 'x')", HUB + "from pathlib import Path\nm = Path('m')\nAutoModel.from_pretrained(m)",
        HUB + "AutoModel.from_pretrained(model_path)", HUB + "AutoModel.from_pretrained(args.output_dir)", "from datasets import load_dataset\nload_dataset('csv', data_files='x.csv')",
        HUB + "m.save_pretrained('my-model')\nAutoModel.from_pretrained('my-model')", HUB + "AutoModel.from_pretrained('a/b', revision=REVISION)",
        HUB + "AutoModel.from_pretrained(f'./runs/{n}')",
    ],
    "code/personal-data-in-logs": [
        PERSONAL + "log.info('x %s', user.id)", PERSONAL + "log.info(mask(user.email))", PERSONAL + "log.info(len(emails))", "print(file_name, host_name, column_name)",
        "print(settings.EMAIL_HOST, config.email)", "print(email_template)", "EMAIL = 'x'\nprint(EMAIL)", "print(df['email'].nunique())", "print(df['email'].isna().sum())",
        "print(model.name, layer.name, func.__name__)", "print(user.email is None)", "email_sent = send(user.email)\nprint(email_sent)", "print(df[['email', 'x']].describe())",
        "for name in names:\n    print(name)", "print(address, hex(address))", "email = anonymize(user.email)\nprint(email)", "print(user.email, file=out)", "import os\nemail = os.environ.get('NOTIFY')\nprint(email)",
        "raise ValueError('the e-mail address is not valid')", "print('send an email to the admin')", "print(race_condition, phone_model, ip_address)", "print(user['id'])",
    ],
    "code/unsalted-identifier-hash": ["import hashlib\nhashlib.sha256((SALT + user.email).encode())", "import hashlib\nhashlib.sha256(data)", "import hmac\nhmac.new(key, user.email.encode(), 'sha256')"],
    "code/sensitive-attribute-as-feature": ["X = df[['age', 'religion']].drop(columns=['religion'])\nclf.fit(X, y)", "model.fit(X_train, y_train)"],
    "code/broken-cryptography": ["import random\ntoken = random.choice(tokens)", "import random\nseed = random.random()"],
    "code/command-or-code-injection": ["import os, shlex\ndef f(p):\n    q = shlex.quote(p)", "model.eval()", "df.query('a > 1')"],
    "code/sql-injection": ["cur.execute('select a from t where k = ?', [k])", "cur.execute(f'select a from {TABLE}')", "T = 't'\ncur.execute(f'select a from {T} where x = 1')"],
    "code/disabled-tls-verification": ["jwt.decode(t, verify=False)", "self.verify = False", "check(verify=False)"],
    "code/unauthenticated-endpoint": [
        "from fastapi import FastAPI, Depends\napp = FastAPI()\n@app.post('/p')\ndef p(x, user=Depends(get_current_user)):\n    return m.predict(x)",
        "from flask import Flask\napp = Flask('x')\n@app.route('/p')\n@login_required\ndef p():\n    return m.predict(x)",
    ],
}  # fmt: skip


@pytest.mark.parametrize(("rule", "code"), [(rule, code) for rule, codes in GOOD.items() for code in codes])
def test_good_code_is_not_reported(rule: str, code: str, tmp_path: Path) -> None:
    own = [f for f in look(tmp_path, code).findings if f.rule == rule and not f.check.startswith("bandit-")]

    assert own == []


def test_one_place_is_reported_once_and_carries_the_facts_of_bandit(tmp_path: Path) -> None:
    report = look(tmp_path, "import torch\ntorch.load(p)\n")

    (finding,) = [f for f in report.findings if f.rule == "code/unsafe-deserialization"]
    assert (finding.check, finding.facts["bandit"]) == ("torch-load-default", "B614")
    assert "torch before 2.6" in finding.message


def test_flows_are_facts(tmp_path: Path) -> None:
    code = (
        "import pandas as pd, torch, requests\ndef train():\n    df = pd.read_csv('data/in.csv')\n    df.to_parquet('out.parquet')\n"
        "    torch.save(m.state_dict(), 'model.pt')\nrequests.post('https://u:p@api.example.org/v1?k=s', json={}, timeout=3)\nopen('x.jsonl', 'w')\n"
    )

    report = look(tmp_path, code)

    flows = {(f.direction, f.kind, f.target, f.line, f.scope) for f in report.facts if isinstance(f, DataFlow)}
    assert flows == {
        ("read", "dataset", "data/in.csv", 3, "train"), ("write", "dataset", "out.parquet", 4, "train"), ("write", "model", "model.pt", 5, "train"),
        ("write", "service", "api.example.org", 6, ""), ("write", "dataset", "x.jsonl", 7, ""),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "term"),
    [("userEmail", "email"), ("kunden_telefonnummer", "phone"), ("dateNaissance", "birth-date"), ("codice_fiscale", "national-id"), ("Straße", ""),
     ("email_template", ""), ("patient_name", "person-name-short"), ("name", ""), ("user_name", ""), ("blood_type", "health"), ("iban", "bank-account")],
)  # fmt: skip
def test_names_are_read_by_their_words(name: str, term: str) -> None:
    found_term = lexicon.term(name)

    assert (found_term.id if found_term else "") == term


@given(st.text(max_size=40))
def test_any_name_can_be_asked_for(name: str) -> None:
    lexicon.term(name, name)


@given(st.text(alphabet="abc.,()[]{}:='\"\n \t\\#%!?ñ0", max_size=120))
def test_any_text_ends_in_a_tree_or_unreadable(text: str) -> None:
    for data in (text.encode(), text.encode("utf-16")):
        try:
            found_tree = source.python_file("x.py", data).tree
        except Unreadable:
            continue
        assert isinstance(found_tree.module, ast.Module)
        list(bandit_checks.seen(found_tree, data, "./x.py"))


def test_no_message_has_an_empty_place(tmp_path: Path) -> None:
    for number, rule in enumerate(rules.load().rules.values()):
        if rule.scanner == "code" and section(rule, "Bad"):
            for index, example in enumerate(examples(rule, "Bad")):
                example.write(tmp_path / f"t{number}_{index}")

    report = scan(tmp_path, ["code"])

    assert [f for f in report.findings if _unfilled(f)] == []


def _unfilled(finding: Finding) -> bool:
    return finding.message.split()[0] in ("call", "saw.", "call.") or " term " in finding.message


LOADERS_IN_DISGUISE = {
    "import function": "def f(b):\n    return __import__('pickle').loads(b)\n",
    "import_module": "import importlib\ndef f(b):\n    return importlib.import_module('dill').loads(b)\n",
    "module by name": "import importlib\ndef f(b):\n    p = importlib.import_module('pickle')\n    return p.loads(b)\n",
    "getattr": "import pickle\ndef f(b):\n    return getattr(pickle, 'loads')(b)\n",
    "table": "import pickle\nBY_KIND = {'pickle': pickle.load, 'none': None}\ndef f(b):\n    return BY_KIND['pickle'](b)\n",
    "partial": "import torch\nfrom functools import partial\nload = partial(torch.load, weights_only=False)\n",
    "pool": "import pickle\ndef f(pool, blobs):\n    return pool.map(pickle.loads, blobs)\n",
}


@pytest.mark.parametrize("text", LOADERS_IN_DISGUISE.values(), ids=LOADERS_IN_DISGUISE)
def test_a_loader_of_pickles_is_known_however_it_is_reached(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.py").write_text(text)

    assert [line for _, line, _ in found(scan(tmp_path, ["code"]), "code/unsafe-deserialization")] == [text.count("\n")]


def test_a_loader_of_tensors_that_reads_weights_only_is_safe_in_a_partial_too(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(
        "import torch\nfrom functools import partial\nload = partial(torch.load, weights_only=True)\n"
    )

    assert found(scan(tmp_path, ["code"]), "code/unsafe-deserialization") == []


def test_a_check_of_bandit_that_ours_do_not_bear_out_weighs_less(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(
        "from datasets import load_dataset\n"
        "rows = load_dataset('csv', data_files='a.csv')\n"
        "def f(cursor, ids):\n"
        "    marks = ','.join('?' * len(ids))\n"
        "    cursor.execute(f'SELECT a FROM t WHERE id IN ({marks})', ids)\n"
    )

    seen = [(line, rule) for _, line, rule in found(scan(tmp_path, ["code"]))]
    assert seen == [(2, "code/load-without-revision"), (5, "code/formatted-sql-text")]


def test_a_key_of_a_person_is_no_feature(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(
        "def train(model, df):\n    model.fit(df[['customer_id', 'tenure']], df['churn'])\n"
        "def good(model, df):\n    model.fit(df[['product_id', 'tenure']], df['churn'])\n"
    )

    assert [line for _, line, _ in found(scan(tmp_path, ["code"]), "code/identifier-as-feature")] == [2]


UNSAFE_BY_SETTING = {
    "attribute of a class": "import numpy as np\nclass Config:\n    pickled = True\ndef f(p):\n    return np.load(p, allow_pickle=Config.pickled)\n",
    "attribute of the own class": "import numpy as np\nclass Reader:\n    pickled = True\n    def f(self, p):\n        return np.load(p, allow_pickle=self.pickled)\n",
    "default of a parameter": "import torch\ndef f(p, load=torch.load):\n    return load(p, weights_only=False)\n",
    "options that grow": "import numpy as np\ndef f(p):\n    options = {}\n    options['allow_pickle'] = True\n    return np.load(p, **options)\n",
}


@pytest.mark.parametrize("text", UNSAFE_BY_SETTING.values(), ids=UNSAFE_BY_SETTING)
def test_a_setting_that_makes_a_loader_unsafe_is_found_where_it_is_used(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.py").write_text(text)

    assert [line for _, line, _ in found(scan(tmp_path, ["code"]), "code/unsafe-deserialization")] == [text.count("\n")]


@pytest.mark.parametrize(
    "text",
    [
        "import numpy as np\nclass Reader:\n    pickled = True\n    def __init__(self, p):\n        self.pickled = p\n    def f(self, p):\n        return np.load(p, allow_pickle=self.pickled)\n",
        "import torch\ndef f(p):\n    options = {'weights_only': True}\n    return torch.load(p, **options)\n",
        "import torch\ndef f(p, trusted=False):\n    return torch.load(p, weights_only=not trusted)\n",
    ],
)
def test_a_loader_that_may_be_safe_is_not_called_unsafe(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.py").write_text(text)

    assert found(scan(tmp_path, ["code"]), "code/unsafe-deserialization") == []


@pytest.mark.parametrize(("route", "expected"), [("/v1/predict", 1), ("/upload", 0)])
def test_a_route_for_predictions_that_calls_its_model_as_a_function_is_one(
    tmp_path: Path, route: str, expected: int
) -> None:
    (tmp_path / "a.py").write_text(
        f"from fastapi import FastAPI\napp = FastAPI()\n@app.post('{route}')\ndef answer(x: list[float]):\n    return model(x)\n"
    )

    assert len(found(scan(tmp_path, ["code"]), "code/unauthenticated-endpoint")) == expected
