"""Requirements files are read as pip reads them, with pip's own parser as the judge, and nothing that pip sees is lost."""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from packaging.markers import Marker
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from pip._internal.exceptions import PipError
from pip._internal.network.session import PipSession
from pip._internal.req.constructors import install_req_from_parsed_requirement
from pip._internal.req.req_file import parse_requirements

from mlguard.scanners.dependencies import requirements
from mlguard.scanners.dependencies.manifests import Place, component, pinned
from mlguard.scanners.dependencies.readers.encodings import decode
from tests.dependencies.reading import covered, loader, pins, read, reasons, text_of

A, B, C = "ab" * 32, "0f" * 32, "c3" * 32

Files = Mapping[str, str]

CORPUS: dict[str, Files] = {
    "plain": {"requirements.txt": "blue==1.0\nRed_Dot == 2.1.3\ngreen.leaf==0.0.1a1\n"},
    "ranges": {"requirements.txt": "a>=1\nb~=2.0\nc!=1,<3\nd==1.*\ne>=1,==1.5\nf\ng (>=2)\nh<=2,>1.0.post1\n"},
    "odd versions": {"requirements.txt": "a==1!2.0\nb==1.0+cpu\nc==1.0.dev3\nd===1.0-odd\ne==v1.0\nf==0.*\ng==1.0rc1\n"},
    "comments": {"requirements.txt": "# head\n\n  a==1  # why\nb==2\n#c==3\nd==4 #\n    # e==5\n"},
    "continued": {"requirements.txt": "a==1 \\\n   # talk\nb \\\n>=2, \\\n<3\n\nc==\\\n4\n"},
    "continued to the end": {"requirements.txt": "a==1\nb==2 \\"},
    "hashes": {
        "requirements.txt": f"a==1 --hash=sha256:{A}\nb==2 \\\n    --hash=sha256:{A} \\\n    --hash=sha256:{B}\nc==3 --hash sha256:{C}\n"
        f"d==4 ; os_name == 'posix' --hash=sha384:{A}{A[:32]}\n"
    },
    "mixed hashes": {"requirements.txt": f"a==1 --hash=sha256:{A}\nb==2\nc==3 --hash=sha512:{A}{A}\n"},
    "markers": {
        "requirements.txt": 'a==1; python_version<"3.8"\nb==2;sys_platform == \'win32\' and (os_name=="nt" or extra == "x")\n'
        "c ; python_full_version >= '3.7.1'\nd[x,y]>=1 ; platform_machine != 'arm64'\n"
    },
    "extras": {"requirements.txt": "a[one]==1\nb[one,Two]>=2\nc [ x , y ] == 3\nd[]==4\n"},
    "duplicates": {"requirements.txt": "a==1\na==2\nA>=1\n"},
    "direct": {
        "requirements.txt": "a @ https://files.example.org/a-1.0-py3-none-any.whl\nb@https://files.example.org/b-2.0.tar.gz\n"
        f"c @ git+https://code.example.org/c.git@{'ab' * 20}\nd[x] @ https://files.example.org/d-1.0.zip ; os_name == 'posix'\n"
        "e @ file:///srv/e-1.0-py3-none-any.whl\n"
    },
    "addresses": {
        "requirements.txt": "https://files.example.org/a-1.0-py3-none-any.whl\ngit+https://code.example.org/b.git@main#egg=b\n"
        "git+ssh://git@code.example.org/c.git#egg=c[x]&subdirectory=lib\n"
        f"https://files.example.org/d-4.0.tar.gz#sha256={A}\n"
    },
    "editables": {
        "requirements.txt": "-e git+https://code.example.org/a.git@v1#egg=a\n--editable=git+https://code.example.org/b.git#egg=b\n"
    },
    "options": {
        "requirements.txt": "-i https://index.example.org/simple\n--index-url=https://index.example.org/simple\n"
        "--extra-index-url https://private.example.org/simple\n--trusted-host private.example.org\n-f https://files.example.org\n"
        "--find-links=./wheels\n--no-index\n--pre\n--no-binary :all:\n--only-binary=:none:\n--prefer-binary\n--require-hashes\n"
        "--use-feature=fast-deps\na==1\n"
    },
    "several options": {"requirements.txt": "-i https://index.example.org/simple --extra-index-url https://b.example.org/x --pre\na==1\n"},
    "nested": {
        "requirements.txt": "-r base.txt\n-r sub/dev.txt\nown==1\n",
        "base.txt": "base==1\n",
        "sub/dev.txt": "-r ../base2.txt\n--requirement=deep.txt\n-c limits.txt\ndev>=1\n",
        "base2.txt": "\n\nbase2==2\n",
        "sub/deep.txt": "deep==3\n",
        "sub/limits.txt": "dev==1.5\nother<2\n",
    },
    "constraints": {"requirements.txt": "-c limits.txt\na\n", "limits.txt": "a==1.0\nb==2.0  # unused\n"},
    "joined include": {"requirements.txt": "-rbase.txt\n-cbase2.txt\n", "base.txt": "a==1\n", "base2.txt": "b==2\n"},
    "abbreviated": {"requirements.txt": "--requirem base.txt\n--constr base.txt\n", "base.txt": "a==1\n"},
    "quoted include": {"requirements.txt": "-r 'my base.txt'\n", "my base.txt": "a==1\n"},
    "other breaks": {"requirements.txt": "a==1\x0cb==2\nc==3\r\nd==4\re==5\x85f==6\n"},
    "white space": {"requirements.txt": "\t a==1 \t\n   \n\u00a0\nb==2\t; python_version<'3.9'\n"},
    "per requirement options": {
        "requirements.txt": 'a==1 --global-option="--fast"\nb==2 --config-settings "x=y" --hash=sha256:' + A + "\n"
    },
    "frozen": {"requirements.txt": "".join(f"package-{number}=={number}.0.{number % 7}\n" for number in range(120))},
    "compiled": {
        "requirements.in": "a>=1\n",
        "requirements.txt": "#\n# This file is autogenerated by pip-compile with Python 3.11\n#\na==1.2\n    # via -r requirements.in\nb==2.0\n    # via a\n",
    },
    "comment behind a URL": {"requirements.txt": "https://files.example.org/a-1.0.zip#egg=a # why\n"},
    "no end of line": {"requirements.txt": "a==1\nb==2"},
    "empty": {"requirements.txt": "# nothing\n\n"},
}  # fmt: skip


def by_pip(root: Path, files: Files) -> list[tuple[object, ...]]:
    """Return what pip reads: name, specifier, extras, marker, hashes, file, line, whether it is a constraint, URL or not."""
    for path, text in files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text.encode())
    logging.disable(logging.CRITICAL)
    found = []
    for parsed in parse_requirements(str(root / "requirements.txt"), session=PipSession()):
        made = install_req_from_parsed_requirement(parsed)
        place = re.search(r"-[rc] (.+?) \(line (\d+)\)", parsed.comes_from)
        assert place is not None
        name = canonicalize_name(made.req.name) if made.req else ""
        specifier = str(made.req.specifier) if made.req and not made.link else ""
        hashes = {(algorithm, digest) for algorithm, digests in made.hash_options.items() for digest in digests}
        marker = str(made.markers) if made.markers else ""
        path = os.path.relpath(place[1], root)
        found.append(
            (
                name,
                specifier,
                tuple(sorted(one.lower() for one in made.extras)),
                marker,
                hashes,
                path,
                int(place[2]),
                parsed.constraint,
                bool(made.link),
            )
        )
    return found


def by_mlguard(files: Files) -> list[tuple[object, ...]]:
    manifest = requirements.read("requirements.txt", files["requirements.txt"], loader(files))
    assert manifest.troubles == []
    found = []
    for part in manifest.components:
        direct = part.origin != "index"
        hashes = {(algorithm, digest) for algorithm, digest in part.hashes}
        found.append(
            (
                part.name,
                part.specifier,
                tuple(sorted(one.lower() for one in part.extras)),
                part.marker,
                hashes,
                part.place.path,
                part.place.line,
                part.constraint,
                direct,
            )
        )
    return found


@pytest.mark.parametrize("name", CORPUS)
def test_files_are_read_as_pip_reads_them(name: str, tmp_path: Path) -> None:
    files = CORPUS[name]

    told, wanted = by_mlguard(files), by_pip(tmp_path, files)

    assert len(told) == len(wanted)
    for own, pips in zip(told, wanted, strict=True):
        own_line, pip_line = own[6], pips[6]
        # pip counts form feeds and the like as ends of lines, editors do not.
        assert own_line == pip_line or name == "other breaks"
        left_out = {6} | ({0, 1} if pips[0] == "" else set())  # pip would build it to know its name
        if own[8] and not pips[4]:
            left_out |= {4}  # the hash in the fragment of a URL
        assert [one for at, one in enumerate(own) if at not in left_out] == [
            one for at, one in enumerate(pips) if at not in left_out
        ]


@pytest.mark.parametrize("name", CORPUS)
def test_each_place_holds_the_name(name: str) -> None:
    manifest = requirements.read("requirements.txt", CORPUS[name]["requirements.txt"], loader(CORPUS[name]))

    for part in manifest.components:
        if (
            "\\" not in CORPUS[name][part.place.path]
            and "\x0c" not in CORPUS[name][part.place.path]
            and part.origin == "index"
        ):
            assert canonicalize_name(re.match(r"[\w.-]+", text_of(part, CORPUS[name]))[0]) == part.name  # type: ignore[index]


# ---- pins at speed

_NAMES = st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,6}\Z") | st.sampled_from(
    ["a", "Foo.Bar", "x_y", "1a", "a-", "-a", "é"]
)
_VERSIONS = st.sampled_from(
    ["1", "1.0", "01.2", "1!2.0", "1.0a1", "1.0.a1", "1.0-1", "1.0.post1", "1.0.dev0", "1.0+cpu", "1.0+CPU.1", "1.0+a_b", "v1", "1.0rc1.post2.dev3",
     "2004d", "1.*", "*", "1.0 ", "", "1..0", "1.0c1", "1.0.0.0.0", "９.0"]
)  # fmt: skip
_MARKERS = st.sampled_from(
    ["", ";python_version<'3.9'", " ; os_name == 'nt' or extra=='x'", ";", "; nonsense", "; python_version", "; sys_platform=='a' # x", ";os_name=='nt';"]
)  # fmt: skip
_EXTRAS = st.sampled_from(["", "[a]", "[ a , b-c ]", "[]", "[a,]", "[A_b]", "[a b]", "[b,a]"])
_LINES = st.builds(
    lambda name, blank, extras, operator, version, marker: f"{name}{extras}{blank}{operator}{blank}{version}{marker}",
    _NAMES, st.sampled_from(["", " ", "\t", "  "]), _EXTRAS, st.sampled_from(["==", "===", ">=", "~=", "=", "==,", "== ="]), _VERSIONS, _MARKERS,
)  # fmt: skip


@settings(max_examples=1500, deadline=None)
@given(_LINES)
@example("a==1.0+a.b ; python_version<'3'")
def test_the_quick_reading_of_a_pin_is_that_of_packaging(line: str) -> None:
    quick = pinned(line)

    if quick is None:
        return
    judge = Requirement(line)
    (only,) = judge.specifier
    assert quick == (
        canonicalize_name(judge.name),
        tuple(sorted(judge.extras)),
        only.version,
        str(judge.marker) if judge.marker else "",
    )
    assert only.operator == "=="


@settings(max_examples=1500, deadline=None)
@given(_LINES)
def test_what_packaging_reads_is_read_the_same(line: str) -> None:
    found = component(line, Place("r.txt", 1))

    try:
        judge = Requirement(line)
    except InvalidRequirement:
        return  # more is read than PEP 508 allows, which installers of old took
    assert found is not None
    assert (found.name, found.specifier, found.extras) == (
        canonicalize_name(judge.name),
        str(judge.specifier),
        tuple(sorted(judge.extras)),
    )
    assert found.marker == (str(judge.marker) if judge.marker else "")


def test_common_pins_take_the_quick_way() -> None:
    lines = ["a==1", "Foo.bar[x,y]==1.2.3", "a == 1.0+cu118", "a==1!2.0rc1.post3.dev4 ; python_version < '3.9'"]

    assert all(pinned(line) for line in lines)


def test_five_hundred_pins_are_read_within_twenty_milliseconds() -> None:
    marker = ["", " ; python_version >= '3.8'", " ; sys_platform == 'linux' and python_version < '3.13'"]
    text = "".join(
        f"package-{n}=={n % 9}.{n}.0{marker[n % 3]} \\\n    --hash=sha256:{A} \\\n    --hash=sha256:{B}\n    # via other\n"
        for n in range(500)
    )
    best = 9.0
    for _ in range(5):
        begin = time.process_time()
        manifest = requirements.read("requirements.txt", text, loader({}))
        best = min(best, time.process_time() - begin)

    assert len(manifest.components) == 500 and all(part.strong_hash for part in manifest.components)
    assert best < 0.020


def _seconds(text: str) -> float:
    best = 99.0
    for _ in range(3):
        begin = time.process_time()
        requirements.read("requirements.txt", text, loader({}))
        best = min(best, time.process_time() - begin)
    return best


@pytest.mark.parametrize(
    "line", ["a{}==1.0\n", "a{}>=1.0,<2\n", "not a requirement {}\n", "-i https://index.example.org/{}\n"]
)
def test_time_grows_with_the_lines_and_no_faster(line: str) -> None:
    few, many = ("".join(line.format(n) for n in range(count)) for count in (2_000, 16_000))

    assert _seconds(many) < 8 * 3 * max(_seconds(few), 0.002)


def test_fifty_thousand_lines_take_less_than_two_seconds() -> None:
    text = "".join(f"package{n}=={n}.0\n" for n in range(50_000))

    assert _seconds(text) < 2


@pytest.mark.parametrize(
    "text",
    [
        "a" * 1_000_000, "a==" * 300_000, "a[" * 500_000, " \\\n" * 300_000, "a;" * 400_000, "--hash=sha256:00 " * 60_000, "a==1 " + "--hash=sha256:00 " * 60_000,
        "-r x " * 200_000, "${A}" * 250_000, "a @ " * 250_000, "git+" * 250_000, " #" * 500_000, "\\" * 1_000_000, "https://" * 120_000,
        "a; (" + "(" * 1_000_000, "-e " * 300_000, "\n".join(["("] * 500_000), "'" * 1_000_000, "-r '" * 250_000, "a==1 ; " + "(" * 3000,
        ("a ; " + "(" * 3000 + "\n") * 300, ("x" * 4000 + " ") * 250, ("[" * 4000 + " ") * 250, ("-" * 4000 + " ") * 250, (">" * 4000 + " ") * 250,
    ],
    ids=range(25),
)  # fmt: skip
def test_a_megabyte_of_anything_takes_less_than_two_seconds(text: str) -> None:
    begin = time.process_time()

    requirements.read("requirements.txt", text[:1_000_000], loader({}))

    assert time.process_time() - begin < 2


# ---- trouble


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("-r missing.txt\n", "line 1 includes a file that does not exist"),
        ("a==1\n-c missing.txt\n", "line 2 includes a file that does not exist"),
        ("-r https://files.example.org/r.txt\n", "line 1 includes a file from elsewhere"),
        ("-r ../../up.txt\n", "line 1 includes a file outside the scanned tree"),
        ("-r ${WHERE}\n", "line 1 includes a file from elsewhere"),
        ("a @ ${URL}\n", "line 1 depends on an environment variable"),
        ("a==${VERSION}\n", "line 1 depends on an environment variable"),
        ("--unknown x\n", "line 1 has an option that is not known here"),
        ("-r\n", "line 1 has an option without its value"),
        ("a==1 -r b.txt\n", "line 1 has an option that pip does not take behind a requirement"),
        ("a b c\n", "line 1 is not a requirement"),
        ("a==1; nonsense\n", "line 1 is not a requirement"),
        ("<<<<<<< HEAD\n", "line 1 is not a requirement"),
        ("a==1\x00\n", "line 1 is not a requirement"),
        ("{{ templated }}\n", "line 1 is not a requirement"),
    ],
)
def test_what_cannot_be_followed_is_said_with_its_line(text: str, said: str) -> None:
    manifest = requirements.read("requirements.txt", text + "kept==1\n", loader({}))

    assert any(said in reason for reason in reasons(manifest))
    assert "kept" in [part.name for part in manifest.components]


def test_a_variable_in_the_user_part_of_an_address_leaves_the_package_known() -> None:
    manifest = requirements.read(
        "requirements.txt", "a @ git+https://${TOKEN}@code.example.org/a.git@main\n", loader({})
    )

    assert pins(manifest) == [("a", "", 1)] and manifest.troubles == []


def test_an_address_with_a_password_keeps_only_its_host() -> None:
    word = "".join(["geh", "eim"])
    text = f"--extra-index-url https://me:{word}@private.example.org/simple\nhttps://me:{word}@files.example.org/a-1.0.zip\n"

    manifest = requirements.read("requirements.txt", text, loader({}))

    assert word not in repr(manifest)
    (source,) = manifest.sources
    assert (source.host, source.credentials, source.private, source.role) == (
        "private.example.org",
        True,
        True,
        "extra",
    )
    assert manifest.components[0].source == "files.example.org"


def test_cycles_of_includes_end() -> None:
    files = {
        "requirements.txt": "-r a.txt\n",
        "a.txt": "-r b.txt\na==1\n",
        "b.txt": "-r requirements.txt\n-c a.txt\nb==1\n",
    }

    manifest = requirements.read("requirements.txt", files["requirements.txt"], loader(files))

    assert {part.name for part in manifest.components} == {"a", "b"} and len(manifest.troubles) == 2


def test_a_flood_of_unreadable_lines_is_counted() -> None:
    manifest = requirements.read("requirements.txt", "no requirement at all\n" * 300 + "a==1\n", loader({}))

    assert len(manifest.troubles) == requirements.MAX_TROUBLES + 1
    assert reasons(manifest)[-1] == "250 more lines could not be read"
    assert pins(manifest) == [("a", "1", 301)]


@pytest.mark.parametrize(
    ("text", "complete"),
    [
        (f"a==1 --hash=sha256:{A}\n", True),
        (f"a==1 --hash=sha256:{A}\nb==2\n", False),
        ("--require-hashes\na==1\n", True),
        ("a==1\n", False),
        ("# This file was autogenerated by uv via the following command:\na==1\n", True),
        ("# This file was autogenerated by uv via the following command:\na>=1\n", False),
        ("", False),
    ],
)
def test_a_file_tells_whether_it_names_all_that_is_installed(text: str, complete: bool) -> None:
    assert requirements.read("requirements.txt", text, loader({})).complete is complete


# ---- encodings


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("a==1  # ü\n".encode(), ""), ("\ufeffa==1\n".encode(), ""), ("\ufeffa==1\n".encode("utf-16-le"), ""), ("\ufeffa==1\n".encode("utf-16-be"), ""),
        ("\ufeffa==1\n".encode("utf-32-le"), ""), ("# -*- coding: latin-1 -*-\na==1 # ü\n".encode("latin-1"), ""),
        ("# x\n# coding=cp1252\na==1 # €\n".encode("cp1252"), ""), (b"# coding: nonsense\na==1\n", ""), (b"# coding: zip\na==1\n", ""),
        (b"# coding: unicode_escape\na==1\n", ""), ("a==1 # ü\n".encode("latin-1"), "not valid utf-8"),
    ],
)  # fmt: skip
def test_encodings_are_those_that_pip_knows_and_others_are_said(data: bytes, said: str) -> None:
    text, trouble = decode(data)

    assert trouble.startswith(said) if said else trouble == ""
    assert [part.name for part in requirements.read("r.txt", text, loader({})).components] == ["a"]


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300) | st.builds(bytes.__add__, st.sampled_from([b"# coding: utf-16\n", b"# coding: idna\n", b"\xff\xfe", b"# coding: utf-7\n"]), st.binary(max_size=50)))  # fmt: skip
def test_any_bytes_become_text(data: bytes) -> None:
    decode(data)


# ---- nothing is lost

_MUTATIONS = st.lists(
    st.tuples(st.sampled_from(["cut", "double", "swap", "insert", "join", "flip"]), st.integers(0, 10**6), st.sampled_from(list("\\ #;=-\n\"'[]@\t\x0c,{}$<>!*"))),
    min_size=1, max_size=4,
)  # fmt: skip


def mutated(text: str, changes: list[tuple[str, int, str]]) -> str:
    """Return a text with some small damage."""
    for how, where, sign in changes:
        at = where % (len(text) + 1)
        if how == "cut":
            text = text[:at] + text[at + 1 + where % 5 :]
        elif how == "double":
            text = text[:at] + text[max(0, at - 7) :]
        elif how == "swap":
            text = text[: at - 1] + text[at : at + 1] + text[at - 1 : at] + text[at + 1 :] if at else text
        elif how == "insert":
            text = text[:at] + sign + text[at:]
        elif how == "flip":
            text = text[:at] + sign + text[at + 1 :]
        else:
            text = text[:at] + text[at:].replace("\n", " ", 1)
    return text


_WHOLE = {name: files["requirements.txt"] for name, files in CORPUS.items() if len(files) == 1 and name != "frozen"}


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(sorted(_WHOLE)), _MUTATIONS)
def test_what_pip_sees_in_a_damaged_file_is_a_component_or_said(
    tmp_path: Path, name: str, changes: list[tuple[str, int, str]]
) -> None:
    text = mutated(_WHOLE[name], changes)
    path = tmp_path / "requirements.txt"
    path.write_bytes(text.encode())
    manifest = requirements.read("requirements.txt", text, loader({}))
    logging.disable(logging.CRITICAL)

    seen = []
    try:
        for parsed in parse_requirements(str(path), session=PipSession()):
            try:
                made = install_req_from_parsed_requirement(parsed)
            except (PipError, InvalidRequirement, ValueError):
                continue  # pip ends here; what it would not install needs no audit
            line = int(re.search(r"\(line (\d+)\)", parsed.comes_from)[1])  # type: ignore[index]
            seen.append((canonicalize_name(made.req.name) if made.req else "", line))
    except (PipError, InvalidRequirement, ValueError, OSError):
        return

    for package, line in seen:
        if package:
            shifted = "\x0c" in text or "\x85" in text
            assert (
                covered(manifest, package, line)
                or shifted
                and (manifest.troubles or package in repr(manifest.components))
            ), (text, package)


def test_a_marker_is_kept_and_not_evaluated() -> None:
    manifest = read("requirements.txt", "a==1; python_version < '2'\nb==1; sys_platform == 'plan9'\n")

    assert [part.marker for part in manifest.components] == [
        str(Marker("python_version < '2'")),
        str(Marker("sys_platform == 'plan9'")),
    ]
