"""What bandit's checks report through our own walk is what its command reports, in every field and in its order."""

from __future__ import annotations

import ast
import contextlib
import io
import json
import logging
import random
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mlguard.errors import Unreadable
from mlguard.scanners.code import bandit_checks, bandit_library, nosec, source
from mlguard.scanners.code.bandit_checks import Broken, Seen, Silenced
from tests.code import bandit_samples

Issue = dict[str, Any]

_ADDRESS = re.compile(r" at 0x[0-9a-f]+")
"""B202 prints the address of an object."""


def _normal(issue: Issue) -> Issue:
    kept = {key: value for key, value in issue.items() if key != "code"}
    return {**kept, "issue_text": _ADDRESS.sub("", issue["issue_text"])}


def by_command(root: Path) -> dict[str, list[Issue]]:
    """Return the results of bandit's own command by file, as its JSON has them, without the excerpts of code."""
    command = [sys.executable, "-m", "bandit", "-r", ".", "-f", "json", "-q", "-x", "nothing-at-all"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    found: dict[str, list[Issue]] = {}
    for result in json.loads(done.stdout)["results"]:
        found.setdefault(result["filename"], []).append(_normal(result))
    return found


def by_manager(name: str, data: bytes) -> list[Issue] | None:
    """Return the results of bandit's manager for one file, None where it skips the file."""
    from bandit.core import config, manager

    logging.getLogger("bandit").setLevel(logging.CRITICAL + 1)
    run = manager.BanditManager(config.BanditConfig(), "file")
    with contextlib.redirect_stderr(io.StringIO()), _in_place(name, data):
        run._parse_file(name, io.BytesIO(data), [name])
    if run.skipped:
        return None
    return [_told(issue) for issue in run.results]


@contextlib.contextmanager
def _in_place(name: str, data: bytes) -> Iterator[None]:
    """Put a file where it is said to be, unless one is there: a check of the older versions opens it."""
    if Path(name).exists():
        yield
        return
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        Path(name).write_bytes(data)
        yield


def driven(name: str, data: bytes) -> list[Issue] | None:
    """Return the results of our own walk, None where the file cannot be parsed."""
    try:
        tree = source.python_file(name, data).tree
    except Unreadable:
        return None
    found = bandit_checks._driven(tree, data, name)
    return [_told(one.issue) for one in found if isinstance(one, bandit_checks.Found) and one.mark is None]


def _told(issue: Any) -> Issue:
    from bandit.core import docs_utils

    return _normal(issue.as_dict(with_code=False) | {"more_info": docs_utils.get_url(issue.test_id)})


def write(root: Path, files: Iterable[tuple[str, str | bytes]]) -> None:
    for name, code in files:
        (root / name).write_bytes(code if isinstance(code, bytes) else code.encode())


def assert_same(root: Path) -> int:
    """Compare every file below a folder, and return how many issues there were."""
    expected = by_command(root)
    count = 0
    for path in sorted(root.rglob("*.py")):
        name = f"./{path.relative_to(root).as_posix()}"
        with contextlib.chdir(root):
            found = driven(name, path.read_bytes()) or []
        assert found == expected.pop(name, []), name
        count += len(found)
    assert expected == {}
    return count


def test_every_check_and_every_blacklisted_name_gives_the_issues_of_bandits_command(tmp_path: Path) -> None:
    blacklists: Any = bandit_library.checks().blacklists
    write(tmp_path, bandit_samples.files(blacklists))

    assert assert_same(tmp_path) > 1_000


def test_every_check_of_the_newest_version_is_reported_by_its_sample() -> None:
    for test in bandit_library.checks().by_id.keys() & bandit_samples.SAMPLES.keys():
        found = driven("./x.py", bandit_samples.SAMPLES[test].encode())

        assert test in {issue["test_id"] for issue in found or []}, test
    unsampled = bandit_library.checks().by_id.keys() - bandit_samples.SAMPLES.keys() - {"B001"}
    assert unsampled == set(), "a check of bandit has no sample"


ENCODED = {
    "latin.py": "# -*- coding: latin-1 -*-\npassword = 'é'  # nosec\ntoken = 'é'\n".encode("latin-1"),
    "bom.py": b"\xef\xbb\xbfassert x  # nosec B101\nassert y\n",
    "windows.py": b"assert x\r\npassword = 'a'\r\n# nosec\r\nassert y  # nosec\r\n",
    "mac.py": b"assert x\rassert y  # nosec\rpassword = 'a'\r",
    "page.py": b"assert x\n\x0cassert y  # nosec\n",
    "utf7.py": b"# coding: utf-7\nx = '+IC4-'\nassert x\n",
    "controls.py": "x = 1\ny = '\u2067'  # nosec B105\nz = '\u200f'\n".encode(),
    "separator.py": "x = '\u2028'; assert x\nassert y  # nosec\nz = '\u202e'\n".encode(),
    "continued.py": b"x = 1 + \\\n    2; assert x  # nosec\nassert \\\n   y  # nosec B101\n",
    "empty.py": b"",
    "comment.py": b"# nosec",
    "broken.py": b"def f(:\n",
}


def test_encodings_and_line_ends_make_no_difference(tmp_path: Path) -> None:
    write(tmp_path, ENCODED.items())

    assert assert_same(tmp_path) > 5


def test_bandits_own_visitor_gives_the_same_for_versions_that_are_not_known() -> None:
    blacklists: Any = bandit_library.checks().blacklists
    everything: list[tuple[str, str | bytes]] = [*bandit_samples.files(blacklists), *ENCODED.items()]
    for name, code in everything:
        data = code if isinstance(code, bytes) else code.encode()
        try:
            tree = source.python_file(name, data).tree
        except Unreadable:
            continue

        native = [_comparable(one) for one in bandit_checks._driven(tree, data, name)]

        assert native == [_comparable(one) for one in bandit_checks._visited(data, name)], name


def _comparable(one: bandit_checks.Found | Broken) -> Any:
    return one if isinstance(one, Broken) else (_told(one.issue), one.mark, one.void, type(one.node))


# ---- changed code


def _statements() -> list[str]:
    """Return the statements of all samples, and what is needed to reach the blacklisted names."""
    found = {
        "import pickle, random, subprocess as sp, xml.etree.ElementTree as ET", "from pickle import loads as load", "import ftplib",
        "pickle.loads(x)", "load(x)", "random.random()", "ET.parse(f)", "importlib.import_module('telnetlib')", "eval(x)",
    }  # fmt: skip
    for code in bandit_samples.SAMPLES.values():
        found |= {str(ast.get_source_segment(code, node)) for node in ast.parse(code).body}
    return sorted(found)


STATEMENTS = _statements()
WRAPPED = (
    "def f(a, password='x'):\n{one}", "async def f(*a, **k):\n{one}\n    await x", "class C(B):\n{one}", "if a:\n{one}\nelse:\n{one}",
    "try:\n{one}\nexcept Exception:\n    pass\nfinally:\n{one}", "with a as b, c:\n{one}", "for i in x:\n{one}", "while x:\n{one}",
    "match x:\n    case {{'password': 'a'}} if y:\n{two}", "def f():\n    def g():\n{two}\n    return g",
)  # fmt: skip
EXPRESSIONS = (
    "lambda password='x': ({e})", "outer({e}, token={e})", "({e}).tail(1)", "x = ({e})", "[({e}) for a in b if {e}]", "@({e})\ndef f(a=({e})): pass",
    "@a\n@({e})\nclass C(({e}), metaclass=({e})): import pickle", "{{'password': ({e}), **d}}", "password = a = ({e})", "await_(({e}))",
    "f'a {{({e})}} select b from'", 'f"""select {{\n({e})\n}} from x {{y!r:>{{z}}}}"""', "x = (({e}) if ({e}) else ({e}))", "print(*({e}), **({e}))",
    "x[({e})] = ({e})", "assert ({e}), ({e})", "({e}) < ({e}) == 'x'", "(w := ({e}))", "return_ = not -({e})", "d: ({e}) = ({e})", "del a[({e})]",
)  # fmt: skip
COMMENTS = (
    "  # nosec",
    "  # nosec B101",
    "  # nosec: B105, B403",
    "  # x # nosec B608",
    "  #nosec B307,B602 why",
    " # nosec exec_used",
)


def _spelled(literal: str, how: int) -> str:
    """Return another spelling of a text."""
    quote, body = literal[0], literal[1:-1]
    if "\\" in body or len(body) < 2:
        return literal
    head, tail = body[: len(body) // 2], body[len(body) // 2 :]
    plain = "{" not in body and "}" not in body
    return (
        literal,
        f"{quote}{head}{quote} {quote}{tail}{quote}",
        f"{quote}\\x{ord(body[0]) % 256:02x}{body[1:]}{quote}",
        f"({quote}{head}{quote}\n  {quote}{tail}{quote})",
        f"u{literal}",
        f"f{literal}" if plain else literal,
        f"b{literal}" if body.isascii() else literal,
        f"r{literal}",
        f'"""{body}"""' if '"' not in body else literal,
        f"{quote}{head}{quote} f{quote}{tail}{quote}" if plain else literal,
        f"{quote}{body[0]}\\\n{body[1:]}{quote}",
    )[how]


_LITERAL = re.compile(r"'[^'\n]*'|\"[^\"\n]*\"")
_WORD = re.compile(r"(?<![\w'\"\\.])[a-z]\w{3,}")


def _indented(code: str, by: int) -> str:
    return "\n".join(" " * by + line for line in code.split("\n"))


@st.composite
def changed(draw: st.DrawFn) -> str:
    made = []
    for statement in draw(st.lists(st.sampled_from(STATEMENTS), min_size=1, max_size=4)):
        code, form = statement, draw(st.integers(0, 4))
        if draw(st.booleans()):
            code = _LITERAL.sub(lambda match: _spelled(match[0], draw(st.integers(0, 10))), code)
        if form == 1:
            code = draw(st.sampled_from(WRAPPED)).format(one=_indented(code, 4), two=_indented(code, 8))
        elif form == 2:
            for _ in range(draw(st.integers(1, 2))):
                code = draw(st.sampled_from(EXPRESSIONS)).format(e=code)
        elif form == 3:
            code = code.replace("(", "(\n      ", draw(st.integers(1, 2)))
        if draw(st.integers(0, 4)) == 0:
            # The same name to Python (PEP 3131), though not the same bytes.
            code = _WORD.sub(
                lambda match: chr(ord(match[0][0]) + 0xFEE0) + match[0][1:], code, count=draw(st.integers(1, 2))
            )
        if draw(st.integers(0, 3)) == 0:
            lines = code.split("\n")
            lines[draw(st.integers(0, len(lines) - 1))] += draw(st.sampled_from(COMMENTS))
            code = "\n".join(lines)
        made.append(code)
    return "\n".join(made)


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(changed())
@example("import ｐickle\nｐickle.loads(x)\n")
@example("from os import *\nsystem(x)\nsystem: int = eval\n")
@example("password = (  # nosec B101\n  'x'  # nosec B105\n)")
@example("if password != (  # nosec B101\n  'x'):  # nosec\n  pass")
@example("subprocess.run(f({[1]}), shell=True)\nf(shell=True, x={[1]})")
@example("f(**'password')\nf(password='a', **'b')")
@example("q = f'sel{\"x\"}ect a from b'\nq = f'ſelect {a} from b'")
@example(
    "@os.system(x)\ndef f():\n  from os import system as s\n  s(y)\ns(z)\ndef g(a=s(1), *, b=s(2)): import os as o\no.system(x)"
)
def test_whatever_is_done_to_the_samples_the_issues_are_those_of_bandits_manager(code: str) -> None:
    data = code.encode()
    expected = by_manager("./x.py", data)

    if expected is not None:
        assert driven("./x.py", data) == expected


@given(
    st.text(st.sampled_from("# nosec:B101,B3assert_usedxy\t-"), max_size=30),
    st.sampled_from(["# nosec", "#nosec:", ""]),
)
def test_a_comment_is_read_as_bandit_reads_it(text: str, before: str) -> None:
    from bandit.core.manager import _parse_nosec_comment

    comment = f"{before or '#'} {text}"
    expected = _parse_nosec_comment(comment)

    (*_, mark) = (None, *nosec.marks(f"x  {comment}\n".encode(), bandit_checks._identify).values())

    assert (None if mark is None else set(mark.ids)) == expected


@given(
    st.lists(
        st.sampled_from(
            ["assert x", "x = '# nosec'", "('a' # nosec", " 'b')", "f'# nosec'", "'''# nosec", "'''", "# nosec B101", "é # nosec",
             "y # nosec # nosec B101", "x = 1 # 'nosec", "'é # nosec' # nosec", "b'# nosec' # nosec B102", "(f'{x} # nosec'", ") # nosec"]
        ),
        max_size=7,
    )
)  # fmt: skip
def test_comments_found_without_tokens_are_those_found_with_them(lines: list[str]) -> None:
    data = "\n".join(lines).encode()
    try:
        tree = source.python_file("x.py", data).tree
    except Unreadable:
        return

    assert nosec.marks(data, bandit_checks._identify, tree) == nosec.marks(data, bandit_checks._identify)


# ---- the one difference


@pytest.mark.parametrize(
    ("comment", "reported"),
    [("# nosec B999", True), ("# nosec because it is fine", True), ("# nosec: B9", True), ("# nosec B101 because", False), ("# nosec", False)],
)  # fmt: skip
def test_a_comment_that_names_nothing_bandit_knows_sets_nothing_aside(comment: str, reported: bool) -> None:
    data = f"assert x  {comment}\n".encode()

    (seen,) = bandit_checks.seen(source.python_file("x.py", data).tree, data, "x.py")

    assert by_manager("./x.py", data) == []
    assert isinstance(seen, Seen if reported else Silenced)
    assert reported == (isinstance(seen, Seen) and seen.void is not None)


# ---- installed code


def _some_installed() -> Iterator[Path]:
    """Yield 150 files of the packages that are installed beside this one, the same ones every time."""
    import click

    found = sorted(Path(click.__file__).parent.parent.rglob("*.py"))
    yield from random.Random(0).sample([path for path in found if path.stat().st_size < 100_000], 150)


def test_installed_code_gives_the_issues_of_bandits_manager() -> None:
    compared = sum(_same_as_manager(path) for path in _some_installed())

    assert compared > 100


def _same_as_manager(path: Path) -> int:
    """Compare one file, and return how many issues there were."""
    data = path.read_bytes()
    if any(not mark.known for mark in nosec.marks(data, bandit_checks._identify).values()):
        data = re.sub(rb"#\s*nosec", b"# no", data)  # where they differ on purpose
    expected = by_manager(str(path), data)
    if expected is None:
        return 0
    assert driven(str(path), data) == expected, path
    return len(expected)
