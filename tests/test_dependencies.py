"""Every component of every manifest is audited or named as a gap; no case passes in silence."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlguard.artifacts import Artifact, kind_of
from mlguard.errors import Unreadable
from mlguard.facts import Package
from mlguard.findings import Detection, Gap, Proof, Record
from mlguard.scanners import Context
from mlguard.scanners.dependencies import DependencyScanner, advisories, audit, requirements
from mlguard.scanners.dependencies.cvss import base_score
from mlguard.scanners.dependencies.readers import locks, pyproject

Tree = Mapping[str, str | bytes]


def scan(root: Path, tree: Tree, **setting: object) -> list[Record]:
    artifacts = []
    for path, content in tree.items():
        data = content.encode() if isinstance(content, str) else content
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        artifacts.append(Artifact(path, kind_of(path, data[:65536]), len(data)))
    scanner = DependencyScanner()
    return [
        record for group in scanner.plan(artifacts, setting) for record in scanner.scan(group, Context(root, setting))
    ]


def osv(
    identity: str, package: str, *, fixed: str = "", introduced: str = "0", last: str = "", **more: Any
) -> dict[str, Any]:
    events: list[dict[str, str]] = [{"introduced": introduced}]
    events += [{"fixed": fixed}] if fixed else [{"last_affected": last}] if last else []
    affected = {
        "package": {"ecosystem": "PyPI", "name": package},
        "ranges": [{"type": "ECOSYSTEM", "events": events}],
        "versions": more.pop("versions", []),
    }
    return {
        "schema_version": "1.6.0",
        "id": identity,
        "modified": "2026-11-01T00:00:00Z",
        "affected": [affected],
        "summary": "A flaw",
        **more,
    }


def export(root: Path, *records: dict[str, Any], name: str = "osv.zip") -> str:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for record in records:
            archive.writestr(f"{record['id']}.json", json.dumps(record))
    (root / name).write_bytes(buffer.getvalue())
    return name


def of(kind: type, records: list[Record]) -> list[Any]:
    return [record for record in records if isinstance(record, kind)]


def rules(records: list[Record]) -> list[tuple[str, str, int]]:
    return [(record.rule, record.check, record.location.line) for record in records if isinstance(record, Detection)]


def vulnerable(records: list[Record]) -> list[tuple[str, str]]:
    return [(record.rule, record.advisory) for record in records if isinstance(record, Detection) and record.advisory]


HASH = "sha256:" + "ab" * 32


# ---- readers


def read(text: str, files: Mapping[str, str] | None = None, path: str = "requirements.txt") -> requirements.Manifest:
    def load(name: str) -> str:
        if name not in (files or {}):
            raise Unreadable("the file vanished")
        return (files or {})[name]

    return requirements.read(path, text, load)


@pytest.mark.parametrize(
    ("line", "name", "version"),
    [
        ("requests==2.31.0", "requests", "2.31.0"),
        ("Requests == 2.31.0  # why", "requests", "2.31.0"),
        ("torch==2.1.0+cu118", "torch", "2.1.0+cu118"),
        ("ruamel.yaml==0.17", "ruamel-yaml", "0.17"),
        ("foo===1.0-odd_build", "foo", "1.0-odd_build"),
        ("foo>=1,==1.5", "foo", "1.5"),
        ("foo==1!2.0", "foo", "1!2.0"),
        ("foo[bar,baz]==1.0 ; python_version < '3.8'", "foo", "1.0"),
        ("foo==v1.0", "foo", "v1.0"),
        ("foo==1.*", "foo", ""),
        ("foo>=1.0", "foo", ""),
        ("foo~=1.4", "foo", ""),
        ("foo", "foo", ""),
        ("foo==1.0 --hash=" + HASH, "foo", "1.0"),
        ("foo==1.0 \\\n    --hash=" + HASH + " \\\n    --hash=" + HASH, "foo", "1.0"),
        ("https://host/foo-1.2.3-py3-none-any.whl", "foo", "1.2.3"),
        ("./vendor/foo-1.2.3.tar.gz", "foo", "1.2.3"),
        ("foo @ https://host/foo-1.2.zip", "foo", "1.2"),
    ],
)
def test_requirement_line_is_read(line: str, name: str, version: str) -> None:
    manifest = read(f"# comment\n\n{line}\n")

    (part,) = manifest.components
    assert (part.name, part.version, part.place.line) == (name, version, 3)
    assert manifest.troubles == []


def test_requirement_has_columns_without_comment_and_hashes() -> None:
    (part,) = read("  foo==1.0  # note\n").components

    assert (part.place.column, part.place.end_column) == (3, 11)


@pytest.mark.parametrize(
    "data", ["\ufefffoo==1.0\n".encode("utf-16-le"), b"\xef\xbb\xbffoo==1.0\r\n", b"foo==1.0\rbar==2.0"]
)
def test_byte_order_marks_and_line_ends_are_read(data: bytes, tmp_path: Path) -> None:
    records = scan(tmp_path, {"requirements.txt": data})

    assert ("foo", "1.0") in [(fact.name, fact.version) for fact in of(Package, records)]


def test_includes_and_constraints_inside_the_tree_are_followed() -> None:
    files = {"reqs/base.txt": "-r more.txt\nbar==2.0\n", "reqs/more.txt": "baz==3.0\n", "reqs/limits.txt": "foo==1.0\n"}

    manifest = read("-r base.txt\n--constraint=limits.txt\nfoo\n", files, "reqs/requirements.txt")

    assert [(part.name, part.version, part.place.path, part.constraint) for part in manifest.components] == [
        ("baz", "3.0", "reqs/more.txt", False),
        ("bar", "2.0", "reqs/base.txt", False),
        ("foo", "1.0", "reqs/limits.txt", True),
        ("foo", "", "reqs/requirements.txt", False),
    ]
    assert manifest.troubles == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("-r missing.txt", "cannot be read"),
        ("-r ../outside.txt", "outside"),
        ("-r /etc/passwd", "outside"),
        ("-r https://host/x.txt", "not fetched"),
        ("-r requirements.txt", "includes this one"),
        ("foo @ ${URL}", "environment"),
        ("=== what", "not a requirement"),
        ("--unheard-of x", "option"),
    ],
)
def test_what_cannot_be_followed_is_a_gap(text: str, said: str) -> None:
    manifest = read(text + "\nbar==1.0\n", {"requirements.txt": text})

    assert len(manifest.troubles) == 1 and said in manifest.troubles[0].reason
    assert [part.name for part in manifest.components] == ["bar"]


def test_include_cycle_over_two_files_ends() -> None:
    manifest = read("-r a.txt\nfoo==1\n", {"a.txt": "-r requirements.txt\nbar==1\n"})

    assert {part.name for part in manifest.components} == {"foo", "bar"}
    assert len(manifest.troubles) == 1


PYPROJECT = """\
[build-system]
requires = ["hatchling>=1.0"]

[project]
name = "x"
dependencies = [
    "requests==2.31.0",
    'numpy>=1.20',  # loose
]

[project.optional-dependencies]
dev = ["pytest==8.0"]

[dependency-groups]
lint = ["ruff==0.6", {include-group = "typing"}]
typing = ["mypy==1.11"]

[tool.poetry.dependencies]
python = "^3.11"
flask = "^2.0"
django = "4.2.1"
lib = {git = "https://host/lib.git", rev = "main"}
"""


def test_pyproject_is_read_with_lines() -> None:
    manifest = pyproject.read("pyproject.toml", PYPROJECT, lambda path: "")

    found = {(part.name, part.version, part.place.line, part.group) for part in manifest.components}
    assert found == {
        ("hatchling", "", 2, "build-system"), ("requests", "2.31.0", 7, ""), ("numpy", "", 8, ""), ("pytest", "8.0", 12, "dev"),
        ("ruff", "0.6", 15, "lint"), ("mypy", "1.11", 16, "typing"), ("flask", "", 20, ""), ("django", "4.2.1", 21, ""), ("lib", "", 22, ""),
    }  # fmt: skip
    (requests,) = [part for part in manifest.components if part.name == "requests"]
    assert PYPROJECT.split("\n")[6][requests.place.column - 1 : requests.place.end_column - 1] == "requests==2.31.0"


PYLOCK = f"""\
lock-version = "1.0"
created-by = "test"

[[packages]]
name = "requests"
version = "2.31.0"
wheels = [{{url = "https://host/requests.whl", hashes = {{sha256 = "{"ab" * 32}"}}}}]

[[packages]]
name = "mine"
directory = {{path = "."}}

[[packages]]
name = "lib"
vcs = {{type = "git", url = "https://host/lib", commit-id = "{"ab" * 20}"}}
"""


def test_pylock_is_read_with_lines_and_hashes() -> None:
    manifest = locks.read("pylock.toml", PYLOCK)

    assert [
        (part.name, part.version, part.place.line, part.strong_hash, part.origin) for part in manifest.components
    ] == [
        ("requests", "2.31.0", 5, True, "index"),
        ("lib", "", 14, False, "git"),
    ]


def test_uv_and_poetry_locks_are_read() -> None:
    uv = f'version = 1\n\n[[package]]\nname = "foo"\nversion = "1.0"\nsource = {{ registry = "https://index.example/simple" }}\nwheels = [{{ url = "u", hash = "{HASH}" }}]\n'
    poetry = f'[[package]]\nname = "Foo"\nversion = "1.0"\nfiles = [{{file = "f", hash = "{HASH}"}}]\n\n[metadata]\nlock-version = "2.0"\n'

    for text in (uv, poetry):
        (part,) = locks.read("x.lock", text).components
        assert (part.name, part.version, part.strong_hash) == ("foo", "1.0", True)


@settings(deadline=None, max_examples=150)
@given(
    st.text(alphabet=st.characters(codec="utf-8"), max_size=300)
    | st.text(alphabet="-rc=\n\\ #[]{}\"'.;@<>!~*abc019$:/", max_size=200)
)
def test_any_text_ends_in_records_or_unreadable(text: str) -> None:
    read(text, {"a": text, "b": text})
    with contextlib.suppress(Unreadable):
        pyproject.read("x.toml", text, lambda path: text)
    with contextlib.suppress(Unreadable):
        locks.read("x.toml", text)


# ---- advisories

SEVERE = {"severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}]}
MILD = {"severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:L/AC:H/PR:L/UI:R/S:U/C:L/I:N/A:N"}]}


@pytest.mark.parametrize(
    ("vector", "score"),
    [
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 9.8),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H", 10.0),
        ("CVSS:3.0/AV:N/AC:H/PR:N/UI:R/S:U/C:H/I:N/A:N", 5.3),
        ("CVSS:3.1/AV:N/AC:L/PR:L/UI:R/S:C/C:L/I:L/A:N", 5.4),
        ("CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:N/I:N/A:H", 5.5),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N", 0.0),
        ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", None),
        ("CVSS:3.1/AV:N", None),
    ],
)
def test_base_score_is_that_of_the_specification(vector: str, score: float | None) -> None:
    assert base_score(vector) == score


@pytest.mark.parametrize(
    ("record", "rule"),
    [
        (osv("PYSEC-1", "foo", fixed="2.0", **SEVERE), "dep/known-vulnerability"),
        (osv("PYSEC-1", "foo", fixed="2.0"), "dep/known-vulnerability"),
        (osv("PYSEC-1", "Foo", fixed="2.0", **MILD), "dep/known-minor-vulnerability"),
        (
            osv("GHSA-1", "foo", fixed="2.0", database_specific={"severity": "MODERATE"}),
            "dep/known-minor-vulnerability",
        ),
        (osv("GHSA-1", "foo", fixed="2.0", database_specific={"severity": "CRITICAL"}), "dep/known-vulnerability"),
        (osv("MAL-2026-1", "foo"), "dep/malicious-or-exploited-package"),
        (osv("PYSEC-1", "foo", last="1.5"), "dep/known-vulnerability"),
        (osv("PYSEC-1", "foo", introduced="9.0", versions=["1.5", "odd-version"]), "dep/known-vulnerability"),
    ],
)
def test_affected_pin_is_reported_under_the_rule_of_its_severity(
    record: dict[str, Any], rule: str, tmp_path: Path
) -> None:
    records = scan(
        tmp_path, {"requirements.txt": f"# x\nfoo==1.5 --hash={HASH}\n"}, advisories=export(tmp_path, record)
    )

    (hit,) = of(Detection, records)
    assert (hit.rule, hit.advisory, hit.location.line, hit.subject) == (rule, record["id"], 2, "pkg:pypi/foo@1.5")
    assert [proof for proof in of(Proof, records) if proof.rule == "dep/known-vulnerability"] == []
    assert of(Gap, records) == []


@pytest.mark.parametrize(
    "record",
    [
        osv("PYSEC-1", "foo", fixed="1.5"),
        osv("PYSEC-1", "foo", last="1.4"),
        osv("PYSEC-1", "foo", introduced="1.6"),
        osv("PYSEC-1", "other", fixed="2.0"),
        osv("PYSEC-1", "foo", fixed="2.0", withdrawn="2024-01-01T00:00:00Z"),
    ],
)
def test_pin_outside_the_range_is_proved(record: dict[str, Any], tmp_path: Path) -> None:
    records = scan(tmp_path, {"requirements.txt": f"foo==1.5 --hash={HASH}\n"}, advisories=export(tmp_path, record))

    assert of(Detection, records) == []
    assert Proof("dep/known-vulnerability", "pkg:pypi/foo@1.5", "requirements.txt") in records


def test_local_version_has_the_flaws_of_its_public_version(tmp_path: Path) -> None:
    records = scan(
        tmp_path,
        {"requirements.txt": "torch==1.13.1+cu117\n"},
        advisories=export(tmp_path, osv("PYSEC-1", "torch", last="1.13.1")),
    )

    assert vulnerable(records) == [("dep/known-vulnerability", "PYSEC-1")]


def test_fix_and_new_start_at_one_version_leave_that_version_affected() -> None:
    advisory = osv("PYSEC-1", "pyspark")
    advisory["affected"][0]["ranges"][0]["events"] = [
        {"introduced": "0"},
        {"fixed": "3.1.1"},
        {"introduced": "3.1.1"},
        {"fixed": "3.2"},
    ]
    (found,) = [found for _, found in advisories._advisories(advisory)]

    assert [advisories.affects(found, version) for version in ("3.1.0", "3.1.1", "3.2")] == [True, True, False]


def test_names_of_one_flaw_are_reported_once(tmp_path: Path) -> None:
    records = [
        osv("PYSEC-1", "foo", fixed="2.0", aliases=["CVE-1"]),
        osv("GHSA-1", "foo", fixed="2.0", aliases=["CVE-1"], database_specific={"severity": "LOW"}),
        osv("PYSEC-2", "foo", fixed="2.0", aliases=["CVE-1"]),
        osv("PYSEC-3", "foo", fixed="2.0", aliases=["CVE-3"]),
    ]

    found = scan(tmp_path, {"requirements.txt": "foo==1.0\n"}, advisories=export(tmp_path, *records))

    assert sorted(vulnerable(found)) == [
        ("dep/known-minor-vulnerability", "PYSEC-1"),
        ("dep/known-vulnerability", "PYSEC-3"),
    ]


def test_results_are_those_of_pip_audit_with_its_own_osv_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = [
        osv("PYSEC-1", "foo", fixed="2.0", aliases=["CVE-1"]),
        osv("GHSA-1", "foo", fixed="2.1", aliases=["CVE-1", "GHSA-9"]),
        osv("GHSA-2", "foo", fixed="1.9"),
        osv("GHSA-3", "bar", fixed="1.9", aliases=["CVE-3"]),
        osv("GHSA-4", "foo", fixed="2.0", withdrawn="2024-01-01T00:00:00Z"),
    ]
    loaded = advisories.load(tmp_path / export(tmp_path, *records), {"foo", "bar"})
    audit._prepare()
    from pip_audit._audit import Auditor
    from pip_audit._service import OsvService

    class Answer:
        def __init__(self, query: dict[str, Any]) -> None:
            name = query["package"]["name"]
            self.found = [record for record in records if record["affected"][0]["package"]["name"] == name]

        def raise_for_status(self) -> None: ...

        def json(self) -> dict[str, Any]:
            return {"vulns": self.found}

    theirs = OsvService(tmp_path / "cache")
    monkeypatch.setattr(theirs.session, "post", lambda url, data, timeout: Answer(json.loads(data)))
    pins = [("foo", "1.0"), ("bar", "1.0"), ("none", "1.0")]

    expected = list(Auditor(theirs).audit(audit.pinned_source(pins)))
    found = list(Auditor(audit.local_service(loaded)).audit(audit.pinned_source(pins)))

    assert [(dep.name, sorted((v.id, sorted(v.aliases), v.fix_versions) for v in vulns)) for dep, vulns in found] == [
        (dep.name, sorted((v.id, sorted(v.aliases), v.fix_versions) for v in vulns)) for dep, vulns in expected
    ]
    assert [v.id for _, vulns in found for v in vulns] == ["PYSEC-1", "GHSA-2", "CVE-3"]


def test_fixed_versions_are_in_the_order_of_versions(tmp_path: Path) -> None:
    record = osv("PYSEC-1", "foo", fixed="1.10")
    record["affected"][0]["ranges"].append({"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.9"}]})

    (hit,) = of(
        Detection,
        scan(tmp_path, {"requirements.txt": f"foo==1.0 --hash={HASH}\n"}, advisories=export(tmp_path, record)),
    )

    assert hit.facts["fixed"] == "1.9 or 1.10"


# ---- never green by silence

MANIFEST: Tree = {"requirements.txt": f"foo==1.0 --hash={HASH}\n"}


def test_without_advisories_there_is_a_gap_and_no_proof(tmp_path: Path) -> None:
    records = scan(tmp_path, MANIFEST)

    (gap,) = of(Gap, records)
    assert gap.kind == "missing" and "advisories" in gap.hint
    assert [proof for proof in of(Proof, records) if proof.rule == "dep/known-vulnerability"] == []


def broken_zip(root: Path) -> None:
    export(root, *(osv(f"PYSEC-{number}", "foo", details="x" * 500) for number in range(20)), name="osv")
    data = (root / "osv").read_bytes()
    (root / "osv").write_bytes(data[:30] + b"\x00" * 200 + data[230:])


SOURCES: dict[str, Callable[[Path], object]] = {
    "absent": lambda root: None,
    "empty file": lambda root: (root / "osv").write_bytes(b""),
    "empty folder": lambda root: (root / "osv").mkdir(),
    "no json": lambda root: (root / "osv").write_bytes(b"\x00\x01binary"),
    "no PyPI": lambda root: (root / "osv").write_text(json.dumps({"id": "X", "affected": [{"package": {"ecosystem": "npm", "name": "foo"}}]})),
    "cut json": lambda root: (root / "osv").write_text(json.dumps(osv("PYSEC-1", "foo"))[:-20]),
    "broken zip": broken_zip,
}  # fmt: skip


@pytest.mark.parametrize("source", SOURCES)
def test_advisory_source_that_cannot_be_read_is_a_gap(source: str, tmp_path: Path) -> None:
    SOURCES[source](tmp_path)

    records = scan(tmp_path, MANIFEST, advisories="osv")

    assert [gap.kind for gap in of(Gap, records)] == ["missing"], of(Gap, records)
    assert [proof for proof in of(Proof, records) if proof.rule == "dep/known-vulnerability"] == []


def test_old_export_is_a_gap(tmp_path: Path) -> None:
    record = {**osv("PYSEC-1", "other"), "modified": "2001-01-01T00:00:00Z"}

    records = scan(tmp_path, MANIFEST, advisories=export(tmp_path, record), max_age_days=30)

    assert ["days old" in gap.reason for gap in of(Gap, records)] == [True]
    assert [proof for proof in of(Proof, records) if proof.rule == "dep/known-vulnerability"] == []


@pytest.mark.parametrize("form", ["folder", "one record", "list", "vulns"])
def test_export_may_be_a_folder_or_one_file(form: str, tmp_path: Path) -> None:
    record = osv("PYSEC-1", "foo", fixed="2.0")
    if form == "folder":
        (tmp_path / "osv" / "PyPI").mkdir(parents=True)
        (tmp_path / "osv" / "PyPI" / "a.json").write_text(json.dumps(record))
    else:
        content = {"one record": record, "list": [record], "vulns": {"vulns": [record]}}[form]
        (tmp_path / "osv").write_text(json.dumps(content))

    assert vulnerable(scan(tmp_path, MANIFEST, advisories="osv")) == [("dep/known-vulnerability", "PYSEC-1")]


@pytest.mark.parametrize(
    "line",
    [
        "foo",
        "foo>=1.0",
        "foo==1.*",
        "foo~=1.0",
        "git+https://host/foo.git",
        "https://host/foo.zip",
        "foo @ https://host/x",
    ],
)
def test_component_without_version_is_named_as_not_audited(line: str, tmp_path: Path) -> None:
    records = scan(tmp_path, {"requirements.txt": line + "\n"}, advisories=export(tmp_path, osv("PYSEC-1", "foo")))

    assert [gap.kind for gap in of(Gap, records)] == ["unresolved"]
    assert [proof for proof in of(Proof, records) if proof.rule == "dep/known-vulnerability"] == []


def test_version_that_cannot_be_compared_is_a_gap(tmp_path: Path) -> None:
    records = scan(
        tmp_path,
        {"requirements.txt": f"foo===build_7 --hash={HASH}\n"},
        advisories=export(tmp_path, osv("PYSEC-1", "foo", fixed="2.0")),
    )

    assert ["PYSEC-1" in gap.reason for gap in of(Gap, records)] == [True]


def test_version_outside_pep_440_is_found_by_its_text(tmp_path: Path) -> None:
    record = osv("PYSEC-1", "foo", introduced="9", versions=["build_7"])

    assert vulnerable(scan(tmp_path, {"requirements.txt": "foo===build_7\n"}, advisories=export(tmp_path, record))) == [
        ("dep/known-vulnerability", "PYSEC-1")
    ]


def test_unreadable_manifest_is_a_gap_and_the_others_are_read(tmp_path: Path) -> None:
    tree = {"a/requirements.txt": b"foo==1.0\nb\xe4r==2.0\n", "b/pyproject.toml": "[project\n", **MANIFEST}

    records = scan(tmp_path, tree, advisories=export(tmp_path, osv("PYSEC-1", "foo", fixed="2.0")))

    assert {(gap.path, gap.kind) for gap in of(Gap, records)} == {
        ("a/requirements.txt", "unreadable"),
        ("a/requirements.txt", "unresolved"),  # line 2, and that no lock says what foo needs
        ("b/pyproject.toml", "unreadable"),
    }
    assert (
        vulnerable(records) == [("dep/known-vulnerability", "PYSEC-1")] * 2
    )  # also line 1 of the file that is partly broken


# ---- pins and sources


def test_each_loose_requirement_is_reported_on_its_line(tmp_path: Path) -> None:
    records = scan(tmp_path, {"requirements.txt": "foo\nbar>=1\nbaz==1.0\n"})

    assert ("dep/unpinned-dependency", "version", 1) in rules(records)
    assert ("dep/unpinned-dependency", "version", 2) in rules(records)


def test_missing_hashes_are_one_finding_for_a_file(tmp_path: Path) -> None:
    none = scan(tmp_path, {"requirements.txt": "foo==1\nbar==2\nbaz==3\n"})
    some = scan(tmp_path, {"requirements.txt": f"foo==1 --hash={HASH}\nbar==2\nbaz==3 --hash=md5:{'ab' * 16}\n"})

    assert rules(none) == [("dep/unpinned-dependency", "no-hashes", 1)]
    assert rules(some) == [("dep/unpinned-dependency", "some-hashes", 2)]
    assert [detection.facts["packages"] for detection in of(Detection, some)] == ["bar, baz"]


def test_fully_pinned_file_is_proved(tmp_path: Path) -> None:
    assert Proof("dep/unpinned-dependency", "requirements.txt", "requirements.txt") in scan(tmp_path, MANIFEST)


def test_lock_beside_a_pyproject_pins_its_ranges(tmp_path: Path) -> None:
    project = '[project]\nname = "x"\ndependencies = ["requests>=2"]\n'

    alone = scan(tmp_path / "a", {"pyproject.toml": project})
    locked = scan(tmp_path / "b", {"pyproject.toml": project, "pylock.toml": PYLOCK})

    assert rules(alone) == [("dep/unpinned-dependency", "lock", 3)]
    assert rules(locked) == []
    assert [gap.path for gap in of(Gap, locked) if gap.kind == "unresolved"] == ["pylock.toml"]


@pytest.mark.parametrize(
    ("line", "check"),
    [
        ("--extra-index-url https://host/simple", "extra-index"),
        ("--extra-index-url=https://host/simple", "extra-index"),
        ("-i http://host/simple", "http-index"),
        ("--find-links http://host/x", "http-index"),
        ("--trusted-host host", "trusted-host"),
    ],
)
def test_open_index_settings_are_reported(line: str, check: str, tmp_path: Path) -> None:
    records = scan(tmp_path, {"requirements.txt": f"{line}\nfoo==1.0 --hash={HASH}\n"})

    assert rules(records) == [("dep/dependency-confusion", check, 1)]


@pytest.mark.parametrize(
    ("line", "reported"),
    [
        ("git+https://host/foo.git@main#egg=foo", True),
        ("foo @ git+https://host/foo.git", True),
        ("-e git+https://host/foo.git@v1.0#egg=foo", True),
        (f"foo @ git+https://host/foo.git@{'ab' * 20}", False),
        ("foo @ https://host/foo-1.0.zip", True),
        (f"foo @ https://host/foo-1.0.zip#sha256={'ab' * 32}", False),
        ("-e .", False),
    ],
)
def test_repository_without_commit_is_reported(line: str, reported: bool, tmp_path: Path) -> None:
    records = scan(tmp_path, {"requirements.txt": line + "\n"})

    assert (rules(records) != []) == reported
    assert {rule for rule, _, _ in rules(records)} <= {"dep/unpinned-git-dependency"}


def test_nothing_of_the_tree_is_run(tmp_path: Path) -> None:
    """pip-audit's import asks pip for its version with the working folder on the path; the tree may hold a package "pip"."""
    (tmp_path / "pip").mkdir()
    for name in ("pip/__init__.py", "pip/__main__.py", "setup.py", "pip_api.py"):
        (tmp_path / name).write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    (tmp_path / "requirements.txt").write_text("-e .\nfoo==1.0\n")
    export(tmp_path, osv("PYSEC-1", "foo", fixed="2.0"))
    code = (
        "import subprocess, sys; sys.path.remove('') if '' in sys.path else None\n"
        f"sys.path.insert(0, {str(Path(__file__).parent.parent)!r})\n"
        "from pathlib import Path; from tests.test_dependencies import scan\n"
        "def refuse(*a, **k): raise AssertionError('a program was started')\n"
        "subprocess.Popen.__init__ = refuse\n"
        "records = scan(Path('.'), {'requirements.txt': '-e .\\nfoo==1.0\\n'}, advisories='osv.zip')\n"
        "assert any(getattr(record, 'advisory', '') for record in records)"
    )

    done = subprocess.run([sys.executable, "-P", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr[-2000:]
    assert not (tmp_path / "ran").exists()
