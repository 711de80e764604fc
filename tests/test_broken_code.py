"""A file that cannot be parsed is a gap with its reason, and hides nothing that can still be seen in it."""

from __future__ import annotations

import ast
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlguard.findings import Detection
from mlguard.scanners.code import lines, mending
from tests.notebooks.build import gaps, look, rules

INJECTION, UNSAFE, TLS = (
    "code/command-or-code-injection",
    "code/unsafe-deserialization",
    "code/disabled-tls-verification",
)

BROKEN = {
    "def f(:": "def f(:\n    pass\n\n\n{}",
    "a bracket never closed": "x = [1, 2,\n\n{}",
    "a string never closed": "x = 'abc\n{}",
    "a triple quote never closed, at the end": '{}\nx = """abc\n',
    "two names side by side": "if a b:\n    pass\n{}",
    "wrong indentation": "def f():\n    a = 1\n  b = 2\n{}",
    "no body": "if x:\n{}",
    "a merge conflict": "<<<<<<< HEAD\nx = 1\n=======\nx = 2\n>>>>>>> branch\n{}",
    "a template": "{{% if x %}}\nname = {{{{ cookiecutter.name }}}}\n{{% endif %}}\n{}",
    "Python 2 print": 'print "hello %s" % x\nprint >>f, "x"\n{}',
    "Python 2 except": "try:\n    f()\nexcept ValueError, e:\n    raise E, 'x'\n{}",
    "Python 2 numbers": "x = 0777\ny = 10L\nif x <> y:\n    pass\n{}",
    "a stray word": "impotr this\n{}",
    "a notebook's magic": "%matplotlib inline\n!ls\n{}",
    "a null byte": "x = 1\0\n{}",
    "tabs and blanks": "if x:\n\ta = 1\n        b = 2\n{}",
    "return type": "def f() ->:\n    pass\n{}",
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_mistake_hides_nothing(name: str, tmp_path: Path) -> None:
    text = BROKEN[name].format("from os import system as run\nimport pickle as p\nrun(cmd)\nx = p.loads(data)\n")
    last = text.split("\n").index("run(cmd)") + 1

    records = look(tmp_path, text, "a.py")

    assert {(INJECTION, "", last), (UNSAFE, "", last + 1)} <= rules(records)
    assert [gap.kind for gap in gaps(records)] == ["unreadable"]


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("x = [os.system(cmd)", INJECTION), ("y = (subprocess.run(cmd, shell=True)", INJECTION), ("eval(x))", INJECTION), ("exec(code", INJECTION),
        ("exec code in ns", INJECTION), ("pickle.load(open(p)", UNSAFE), ("cPickle.loads(x))", UNSAFE), ("torch.load(p))", UNSAFE), ("yaml.load(f))", UNSAFE),
        ("np.load(p, allow_pickle=True))", UNSAFE), ("joblib.load(p))", UNSAFE), ("requests.get(u, verify=False))", TLS),
        ("M.from_pretrained(n, trust_remote_code=True))", "code/trusted-remote-code"), ("demo.launch(share=True))", "code/unauthenticated-dev-server"),
        ("ssl._create_unverified_context())", TLS), ("pd.read_csv('http://data.example.org/x.csv'))", "code/unverified-download"),
        ("torch.hub.load(a, b))", "code/trusted-remote-code"), ("load_model(p, safe_mode=False))", UNSAFE),
    ],
)  # fmt: skip
def test_the_broken_line_itself_is_looked_at(line: str, rule: str, tmp_path: Path) -> None:
    records = look(
        tmp_path,
        f"import os, subprocess, pickle, torch, yaml, joblib, requests, ssl, cPickle\n\n{line}\nz = 1\n",
        "a.py",
    )

    assert (rule, "", 3) in rules(records)
    assert all(
        one.facts.get("found") == "by text" for one in records if isinstance(one, Detection) and one.location.line == 3
    )


@pytest.mark.parametrize(
    "line",
    [
        "x = ['os.system(cmd)'", "y = (1 # os.system(cmd)", "torch.load(p, weights_only=True))", "yaml.load(f, Loader=yaml.SafeLoader))",
        "model.eval())", "self.exec(x))", "subprocess.run(['ls']))", "np.load(p))", "verify = True)", "def eval(x):)", "my_pickle.load(f))", "cursor.execute(q))",
    ],
)  # fmt: skip
def test_ordinary_broken_lines_are_no_findings(line: str, tmp_path: Path) -> None:
    records = look(tmp_path, f"import os, torch, yaml, numpy as np\n\n{line}\nz = 1\n", "a.py")

    assert not {one for one in rules(records) if one[2] == 3 and one[0] in (INJECTION, UNSAFE, TLS)}


SOURCE = "# -*- coding: {} -*-\nname = 'M\u00fcller'; import os\nos.system(cmd)\n"


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-8", "iso-8859-15"])
def test_declared_encodings_are_read(encoding: str, tmp_path: Path) -> None:
    records = look(tmp_path, SOURCE.format(encoding).encode(encoding), "a.py")

    assert (INJECTION, "", 3) in rules(records)
    assert gaps(records) == []


@pytest.mark.parametrize(
    "data",
    [
        SOURCE.format("utf-8").encode("latin-1"),  # not what it says
        SOURCE.replace("# -*- coding: {} -*-", "x = 1").encode("latin-1"),
        SOURCE.format("utf-8").encode("utf-16"),
        SOURCE.format("x").encode("utf-16-le"),
        b"\xfe\xff" + SOURCE.format("x").encode("utf-16-be"),
        b"\xef\xbb\xbf" + SOURCE.format("latin-1").encode("utf-8"),  # a mark and another encoding
        SOURCE.format("no-such-encoding").encode(),
        SOURCE.format("rot13").encode(),
        SOURCE.format("utf-8").encode().replace(b"cmd", b"c\0md"),
    ],
)
def test_other_encodings_are_a_gap_and_looked_at(data: bytes, tmp_path: Path) -> None:
    records = look(tmp_path, data, "a.py")

    assert [gap.kind for gap in gaps(records)] == ["unreadable"]
    assert (INJECTION, "", 3) in rules(records)


@pytest.mark.parametrize(
    "deep",
    ["(" * 10_000 + ")" * 10_000, "[" * 10_000 + "]" * 10_000, "-" * 10_000 + "1", "a" + ".b" * 20_000, "a" + "+a" * 20_000, "f" + "()" * 10_000,
     "lambda: " * 5_000 + "1", "not " * 10_000 + "x", "a" + "[0]" * 10_000, "{1:" * 3_000 + "1" + "}" * 3_000, "x if y else " * 5_000 + "z"],
)  # fmt: skip
def test_deep_nesting_ends_and_hides_nothing(deep: str, tmp_path: Path) -> None:
    start = time.process_time()

    records = look(tmp_path, f"import os\nos.system(cmd)\nx = {deep}\nimport pickle\npickle.load(f)\n", "a.py")

    assert {(INJECTION, "", 2), (UNSAFE, "", 5)} <= rules(records)
    assert time.process_time() - start < 10


def test_deeply_indented_blocks_are_a_gap(tmp_path: Path) -> None:
    deep = "".join(f"{' ' * n}if x:\n" for n in range(150)) + " " * 150 + "pass\n"

    records = look(tmp_path, f"import os\nos.system(cmd)\n{deep}\nos.system(cmd)\n", "a.py")

    assert len(gaps(records)) == 1
    assert len([one for one in rules(records) if one[0] == INJECTION]) == 2


def test_one_line_of_fifty_megabytes_is_a_gap_and_searched(tmp_path: Path) -> None:
    data = b"import os\nx = '" + b"a" * 50_000_000 + b"'; os.system(cmd)\nos.system(cmd)\n"

    records = look(tmp_path, data, "a.py")

    assert {(INJECTION, "", 2), (INJECTION, "", 3)} <= rules(records)
    assert ["16 MiB" in gap.reason for gap in gaps(records)] == [True]


def test_many_mistakes_end(tmp_path: Path) -> None:
    text = "".join(f"def f{n}(:\n    x = = {n}\n" for n in range(5_000)) + "import os\nos.system(cmd)\n"
    start = time.process_time()

    records = look(tmp_path, text, "a.py")

    assert (INJECTION, "", 10_002) in rules(records)
    assert time.process_time() - start < 15


def test_a_large_script_of_python_2_is_read_as_one(tmp_path: Path) -> None:
    body = 'print "step %d" % n,\nprint\ntry:\n    x = d.has_key(0644)\nexcept (IOError, OSError), error:\n    print >>sys.stderr, error\nraise ValueError, "x"\n'
    text = "import os, cPickle\n" + body * 300 + "def g(p):\n    return os.popen(p).read(), cPickle.load(f)\n"

    records = look(tmp_path, text, "a.py")

    assert {(INJECTION, "", 2103), (UNSAFE, "", 2103)} <= rules(records)
    assert not any(one.facts.get("found") for one in records if isinstance(one, Detection))


# --- For any input


@given(st.binary(max_size=300))
def test_any_bytes_have_a_text(data: bytes) -> None:
    assert "\0" not in mending.text_of(data)


@given(
    st.lists(
        st.sampled_from(
            [
                "x = 1",
                "def f(:",
                "    y",
                "'''",
                "(",
                "print x",
                "if a:",
                "class A:",
                "    pass",
                "@d",
                "else:",
                "\t\tz",
                "return",
                "\\",
                "é(",
            ]
        ),
        max_size=25,
    )
)
def test_what_is_mended_parses_and_keeps_its_lines(rows: list[str]) -> None:
    text = "\n".join(rows)

    mended = mending.mend(text)

    if mended is not None:
        ast.parse(mended.text)
        assert mended.text.count("\n") == text.count("\n")
        assert all(1 <= number <= len(rows) for number in mended.lost)


@given(st.text(alphabet="ab.( )='\"#\\\nevalxpickload,:", max_size=200))
def test_any_text_is_searched_to_its_end(text: str) -> None:
    count = len(text.split("\n"))
    for one in lines.found(text):
        assert 1 <= one.line <= count
        assert 1 <= one.column <= one.end <= len(text.split("\n")[one.line - 1]) + 1


@pytest.mark.parametrize(
    "piece",
    [
        "a",
        "a.",
        "eval(",
        "torch.load(",
        "'",
        '"""',
        "#",
        "import a,",
        "from a import (",
        "x=",
        "a(",
        "\\",
        "exec ",
        "urlopen(",
        ".run(",
        "0",
        " ",
        "a,",
        "print a\n",
    ],
)
def test_hostile_text_is_read_in_linear_time(piece: str) -> None:
    text = piece * (1_000_000 // len(piece))
    start = time.process_time()

    list(lines.found(text))
    mending.mend(text)

    assert time.process_time() - start < 12
