"""Lock files, those that the tools themselves wrote among them, are read with every package, version, line and hash."""

from __future__ import annotations

import re
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.pylock import Pylock
from packaging.utils import canonicalize_name

from mlguard.errors import Unreadable
from mlguard.scanners.dependencies.manifests import Manifest
from mlguard.scanners.dependencies.readers import locks
from tests.dependencies.reading import pins, read, reasons

MADE = Path(__file__).parent / "made"
"""What uv, Poetry, Pipenv, pip and pip-tools wrote for one made-up project; ``made/README.md`` tells how."""

A, B = "ab" * 32, "0f" * 32
COMMIT = "5e" * 20

WRITTEN = {
    "uv-lock.toml": "uv.lock", "uv-script.toml": "tool.py.lock", "uv-export.toml": "pylock.toml", "pip-lock.toml": "pylock.toml",
    "poetry-1.toml": "poetry.lock", "poetry-2.toml": "poetry.lock",
}  # fmt: skip


def by_eye(text: str, table: str) -> list[tuple[str, str, int]]:
    """Return (name, version, line) of each package, read by the lines of the file alone."""
    found: list[tuple[str, str, int]] = []
    inside = False
    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith("["):
            inside = line.strip() == f"[[{table}]]"
        elif inside and (match := re.match(r'name = "(.*)"$', line)):
            found.append((match[1], "", number))
        elif inside and (match := re.match(r'version = "(.*)"$', line)):
            found[-1] = (found[-1][0], match[1], found[-1][2])
    return found


@pytest.mark.parametrize("made", WRITTEN)
def test_locks_that_tools_wrote_hold_every_package_with_its_line(made: str) -> None:
    text = (MADE / made).read_text()

    manifest = read(WRITTEN[made], text)

    wanted = [
        one
        for one in by_eye(text, "packages" if "packages" in text else "package")
        if one[0] not in ("shop", "shop-one", "own")
    ]
    assert pins(manifest) == wanted and len(wanted) >= 2
    assert manifest.lock and manifest.complete and manifest.kind == "lock" and manifest.troubles == []
    assert all(part.strong_hash and part.hashes for part in manifest.components)


@pytest.mark.parametrize("made", [name for name, path in WRITTEN.items() if path == "pylock.toml"])
def test_a_pylock_is_read_as_packaging_reads_it(made: str) -> None:
    text = (MADE / made).read_text()
    judge = Pylock.from_dict(tomllib.loads(text))

    manifest = read("pylock.toml", text)

    assert [(part.name, part.version, part.marker) for part in manifest.components] == [
        (package.name, str(package.version), str(package.marker) if package.marker else "")
        for package in judge.packages
    ]
    for part, package in zip(manifest.components, judge.packages, strict=True):
        files = [*(package.wheels or ()), *([package.sdist] if package.sdist else ())]
        assert set(part.hashes) == {(name, digest) for file in files for name, digest in file.hashes.items()}


def test_the_lock_of_uv_holds_what_uv_exports_from_it() -> None:
    exported = read("requirements.txt", (MADE / "uv-export.txt").read_text())
    lock = read("uv.lock", (MADE / "uv-lock.toml").read_text())

    assert {(part.name, part.version, part.hashes) for part in exported.components} == {
        (part.name, part.version, part.hashes) for part in lock.components
    }
    needs = {part.name: part.requires for part in lock.components}
    assert needs["blue-gamma"] == ("blue-beta", "blue-delta")
    assert needs["blue-delta"] == ("blue-eps", "blue-zeta")  # both only with an extra
    assert lock.members == [".", "libs/one"] and lock.covers == ["shop", "shop-one"]
    assert [source.host for source in lock.sources] == ["index.example.org"]


def test_groups_and_markers_of_poetry_are_kept() -> None:
    parts = {part.name: part for part in read("poetry.lock", (MADE / "poetry-2.toml").read_text()).components}
    old = {part.name: part for part in read("poetry.lock", (MADE / "poetry-1.toml").read_text()).components}

    assert (parts["blue-eta"].group, parts["blue-alpha"].group, old["blue-eta"].group, old["blue-alpha"].group) == (
        "dev",
        "",
        "dev",
        "",
    )
    assert parts["blue-iota"].marker == 'sys_platform == "linux"' and len(parts["blue-iota"].hashes) == 2


def test_the_lock_of_pipenv_is_read() -> None:
    text = (MADE / "pipenv.json").read_text()
    manifest = read("Pipfile.lock", text)

    rows = text.split("\n")
    for part in manifest.components:
        assert rows[part.place.line - 1].strip() == f'"{part.name}": {{'
        assert part.strong_hash
    assert [(part.name, part.version, part.group) for part in manifest.components][-2:] == [
        ("blue-zeta", "8.0", ""),
        ("blue-eta", "3.1", "develop"),
    ]
    (delta,) = [part for part in manifest.components if part.name == "blue-delta"]
    assert delta.extras == ("fast",)


@pytest.mark.parametrize("made", ["compiled-hashes.txt", "compiled-plain.txt", "compiled-uv.txt"])
def test_compiled_requirements_are_complete(made: str) -> None:
    manifest = read("requirements.txt", (MADE / made).read_text())

    assert manifest.complete and len(manifest.components) == 5
    assert all(part.strong_hash for part in manifest.components) is (made == "compiled-hashes.txt")


PYLOCK = f"""\
lock-version = "1.0"
environments = ["sys_platform == 'linux'"]
requires-python = ">=3.11"
created-by = "by hand"

[[packages]]
# a comment
name    = 'Blue.Alpha'
version = "1.0"
marker = "python_version < '3.12'"
dependencies = [{{name = "blue-beta"}}]
index = "https://private.example.org/simple"
sdist = {{name = "a.tar.gz", url = "https://private.example.org/a.tar.gz", hashes = {{sha256 = "{A}", md5 = "{A[:32]}"}}}}
wheels = [
  {{name = "a.whl", url = "https://private.example.org/a.whl", hashes = {{sha256 = "{B}"}}}},
]

[[packages]]
name = "blue-beta"
version = "2.0"
archive = {{url = "https://files.example.org/blue-beta-2.0.zip", hashes = {{sha512 = "{A}{A}"}}}}

[[packages]]
name = "blue-gamma"
vcs = {{type = "git", url = "https://code.example.org/g.git", requested-revision = "main", commit-id = "{COMMIT}"}}

[[packages]]
name = "weak"
version = "1"
wheels = [{{name = "w.whl", url = "https://files.example.org/w.whl", hashes = {{md5 = "{A[:32]}"}}}}]

[[packages]]
name = "own"
directory = {{path = "libs/own", editable = true}}

[[packages]]
name = "multi"
version = '''3.0'''
[[packages.wheels]]
name = "name = \\"x\\""
path = "m.whl"
[packages.wheels.hashes]
sha256 = "{A}"
"""


def test_every_kind_of_package_of_a_pylock_is_read() -> None:
    manifest = read("pylock.dev.toml", PYLOCK)

    assert [
        (p.name, p.version, p.place.line, p.origin, p.strong_hash, p.source, p.revision) for p in manifest.components
    ] == [
        ("blue-alpha", "1.0", 8, "index", True, "private.example.org", ""),
        ("blue-beta", "2.0", 19, "url", True, "files.example.org", ""),
        ("blue-gamma", "", 24, "git", False, "code.example.org", COMMIT),
        ("weak", "1", 28, "index", False, "", ""),
        ("multi", "3.0", 37, "index", True, "", ""),
    ]
    assert manifest.covers == ["own"] and manifest.members == ["libs/own"] and manifest.requires_python == ">=3.11"
    assert (
        manifest.components[0].requires == ("blue-beta",) and manifest.components[0].marker == 'python_version < "3.12"'
    )


UV = f"""\
version = 1
requires-python = ">=3.11"
resolution-markers = ["python_full_version < '3.12'", "python_full_version >= '3.12'"]

[manifest]
members = ["app", "lib"]

[[package]]
name = "fork"
version = "1.0"
source = {{ registry = "https://pypi.org/simple" }}
resolution-markers = ["python_full_version < '3.12'"]
sdist = {{ url = "u", hash = "sha256:{A}", size = 1 }}

[[package]]
name = "fork"
version = "2.0"
source = {{ registry = "https://private.example.org/simple" }}
resolution-markers = ["python_full_version >= '3.12'"]
sdist = {{ url = "u", hash = "sha256:{B}", size = 1 }}

[[package]]
name = "repo"
version = "0.1"
source = {{ git = "https://code.example.org/r.git?rev=main#{COMMIT}" }}

[[package]]
name = "link"
version = "0.2"
source = {{ url = "https://files.example.org/link-0.2.tar.gz" }}
sdist = {{ hash = "sha256:{A}" }}

[[package]]
name = "file"
version = "0.3"
source = {{ path = "vendor/file-0.3-py3-none-any.whl" }}
wheels = [{{ filename = "file-0.3-py3-none-any.whl", hash = "sha256:{A}" }}]

[[package]]
name = "app"
version = "0.1"
source = {{ virtual = "." }}
dependencies = [{{ name = "fork" }}]

[[package]]
name = "lib"
version = "0.1"
source = {{ editable = "libs/lib" }}

[[package]]
name = "sibling"
version = "0.1"
source = {{ directory = "../sibling" }}
"""


def test_every_kind_of_source_of_uv_is_read() -> None:
    manifest = read("ml/uv.lock", UV)

    assert [
        (p.name, p.version, p.place.line, p.origin, p.strong_hash, p.source, p.revision) for p in manifest.components
    ] == [
        ("fork", "1.0", 9, "index", True, "", ""),
        ("fork", "2.0", 16, "index", True, "private.example.org", ""),
        ("repo", "0.1", 23, "git", False, "code.example.org", COMMIT),
        ("link", "0.2", 28, "url", True, "files.example.org", ""),
        ("file", "0.3", 34, "path", True, "", ""),
    ]
    assert manifest.covers == ["app", "lib", "sibling"] and manifest.members == ["ml", "ml/libs/lib", "sibling"]
    assert manifest.components[0].marker == 'python_full_version < "3.12"'


POETRY_OLD = f"""\
[[package]]
name = "alpha"
version = "1.0"
description = "name = \\"decoy\\""
category = "main"
optional = false

[package.dependencies]
beta = {{version = ">=1", optional = true}}

[package.extras]
more = ["beta (>=1)"]

[[package]]
name = "beta"
version = "2.0"
category = "dev"
[package.source]
type = "git"
url = "https://code.example.org/b.git"
reference = "main"
resolved_reference = "{COMMIT}"

[[package]]
name = "gamma"
version = "3.0"
category = "main"
[package.source]
type = "url"
url = "https://files.example.org/gamma-3.0.zip"

[[package]]
name = "delta"
version = "4.0"
[package.source]
type = "file"
url = "vendor/delta-4.0.tar.gz"

[[package]]
name = "near"
version = "5.0"
[package.source]
type = "directory"
url = "../near"

[metadata]
lock-version = "1.1"
python-versions = "^3.8"
content-hash = "{A}"

[metadata.files]
alpha = [
    {{file = "alpha.whl", hash = "sha256:{A}"}},
    {{file = "alpha.tar.gz", hash = "sha256:{B}"}},
]
beta = []
gamma = [{{file = "g.zip", hash = "md5:{A[:32]}"}}]
"""


def test_an_old_lock_of_poetry_has_its_hashes_in_a_table_of_their_own() -> None:
    manifest = read("poetry.lock", POETRY_OLD)

    assert [
        (p.name, p.version, p.place.line, p.origin, p.strong_hash, p.group, p.revision) for p in manifest.components
    ] == [
        ("alpha", "1.0", 2, "index", True, "", ""),
        ("beta", "2.0", 15, "git", False, "dev", COMMIT),
        ("gamma", "3.0", 25, "url", False, "", ""),
        ("delta", "4.0", 33, "path", False, "", ""),
    ]
    assert len(manifest.components[0].hashes) == 2 and manifest.components[0].requires == ("beta",)
    assert manifest.covers == ["near"] and manifest.requires_python == "^3.8"


PDM = f"""\
# This file is @generated by PDM.
[metadata]
groups = ["default", "dev"]
strategy = ["inherit_metadata"]
lock_version = "4.5.0"
content_hash = "sha256:{A}"

[[metadata.targets]]
requires_python = ">=3.11"

[[package]]
name = "alpha"
version = "1.0"
requires_python = ">=3.8"
summary = ""
groups = ["default", "dev"]
marker = "sys_platform == \\"linux\\""
dependencies = ["beta[fast]>=1", "gamma; python_version < '3.9'"]
files = [{{file = "alpha.whl", hash = "sha256:{A}"}}]

[[package]]
name = "beta"
version = "2.0"
extras = ["fast"]
groups = ["dev"]
files = [{{file = "beta.whl", hash = "sha256:{A}"}}]

[[package]]
name = "repo"
version = "0.1"
git = "https://code.example.org/r.git"
ref = "main"
revision = "{COMMIT}"

[[package]]
name = "link"
version = "0.2"
url = "https://files.example.org/link-0.2.zip"
files = [{{url = "https://files.example.org/link-0.2.zip", hash = "sha256:{B}"}}]

[[package]]
name = "here"
version = "0.3"
path = "./libs/here"
editable = true
"""


def test_the_lock_of_pdm_is_read() -> None:
    manifest = read("pdm.lock", PDM)

    assert [
        (p.name, p.version, p.place.line, p.origin, p.strong_hash, p.group, p.extras) for p in manifest.components
    ] == [
        ("alpha", "1.0", 12, "index", True, "", ()),
        ("beta", "2.0", 22, "index", True, "dev", ("fast",)),
        ("repo", "0.1", 29, "git", False, "", ()),
        ("link", "0.2", 36, "url", True, "", ()),
    ]
    assert (
        manifest.components[0].requires == ("beta", "gamma")
        and manifest.components[0].marker == 'sys_platform == "linux"'
    )
    assert manifest.components[2].revision == COMMIT and manifest.members == ["libs/here"]


PDM_OLD = f"""\
[[package]]
name = "alpha"
version = "1.0"

[metadata]
lock_version = "4.0"

[metadata.files]
"alpha 1.0" = [{{url = "https://files.example.org/a.whl", hash = "sha256:{A}"}}]
"alpha 0.9" = []
"""


def test_an_old_lock_of_pdm_keys_hashes_by_name_and_version() -> None:
    (part,) = read("pdm.lock", PDM_OLD).components

    assert (part.version, part.strong_hash, part.hashes) == ("1.0", True, (("sha256", A),))


PIPENV = f"""\
{{
    "_meta": {{"hash": {{"sha256": "{A}"}}, "sources": [
        {{"name": "near", "url": "https://me:word@private.example.org/simple", "verify_ssl": false}},
        {{"name": "other", "url": "http://plain.example.org/simple", "verify_ssl": true}}
    ]}},
    "default": {{
        "version": {{"hashes": ["sha256:{A}"], "version": "==1.0", "index": "near"}},
        "Index_Two": {{"version": "==2.0", "markers": "python_version >= '3.8'"}},
        "repo": {{"git": "https://code.example.org/r.git", "ref": "{COMMIT}"}},
        "own": {{"path": ".", "editable": true}},
        "odd": {{"version": 3}},
        "list": {{"hashes": [":", {{"a": 1}}], "version": "==4.0"}}
    }},
    "develop": {{"version": {{"version": "==1.1"}}}},
    "docs": {{"paper": {{"version": "*"}}}}
}}
"""


def test_the_lock_of_pipenv_has_the_line_of_each_key_and_not_of_its_namesakes() -> None:
    manifest = read("Pipfile.lock", PIPENV)

    assert [(p.name, p.version, p.place.line, p.group, p.origin, p.strong_hash) for p in manifest.components] == [
        ("version", "1.0", 7, "", "index", True),
        ("index-two", "2.0", 8, "", "index", False),
        ("repo", "", 9, "", "git", False),
        ("own", "", 10, "", "path", False),
        ("list", "4.0", 12, "", "index", False),
        ("version", "1.1", 14, "develop", "index", False),
        ("paper", "", 15, "docs", "index", False),
    ]
    assert reasons(manifest) == ["line 11 is not a requirement that can be read"]
    assert [(index.check, index.place.line) for index in manifest.indexes] == [("trusted-host", 3), ("http-index", 4)]
    assert [(source.host, source.credentials) for source in manifest.sources] == [
        ("private.example.org", True),
        ("plain.example.org", False),
    ]
    assert manifest.components[0].source == "private.example.org"


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("uv.lock", "version = 1\n[[package]]\nname ="), ("poetry.lock", "x = 1\n"), ("pylock.toml", ""), ("pdm.lock", "package = 3\n"),
        ("Pipfile.lock", "[]"), ("Pipfile.lock", "{}"), ("Pipfile.lock", "{"), ("uv.lock", "a." * 6_000 + "b = 1"), ("uv.lock", "a = " + "[" * 5_000),
    ],
)  # fmt: skip
def test_what_is_no_lock_is_unreadable(path: str, text: str) -> None:
    with pytest.raises(Unreadable):
        read(path, text)


def test_a_package_without_a_name_is_said_and_the_others_are_read() -> None:
    manifest = read("uv.lock", 'version = 1\n[[package]]\nversion = "1"\n[[package]]\nname = "a"\nversion = "2"\n')

    assert pins(manifest) == [("a", "2", 5)] and reasons(manifest) == ["package 1 has no name"]


@pytest.mark.parametrize(
    "text",
    [
        'version = 1\n\n[[package]]\nname = "a"\nversion = "1"\n\n[[ package ]]\n"name" = "b"\nversion = "2"\n',
        'version = 1\npackage = [\n  {name = "a", version = "1"},\n  {version = "2", name = "b"},\n]\n',
        'version = 1\n[[package]]\ndescription = """\n[[package]]\nname = "decoy"\n"""\nname = "a"\nversion = "1"\n[[package]]\nname = "b"\nversion = "2"\n',
    ],
)
def test_lines_are_right_in_any_layout(text: str) -> None:
    manifest = read("uv.lock", text)

    rows = text.split("\n")
    assert [(part.name, part.version) for part in manifest.components] == [("a", "1"), ("b", "2")]
    for part in manifest.components:
        assert f'"{part.name}"' in rows[part.place.line - 1]


def _large(count: int) -> str:
    return "version = 1\n\n" + "".join(
        f'[[package]]\nname = "package-{n}"\nversion = "{n}.0"\nsource = {{ registry = "https://pypi.org/simple" }}\n'
        f'dependencies = [{{ name = "package-{n + 1}" }}]\nwheels = [{{ url = "u", hash = "sha256:{A}" }}]\n\n'
        for n in range(count)
    )


def _seconds(text: str) -> float:
    best = 99.0
    for _ in range(3):
        begin = time.process_time()
        locks.read("uv.lock", text)
        best = min(best, time.process_time() - begin)
    return best


def test_the_time_for_a_lock_grows_with_its_packages_and_no_faster() -> None:
    assert _seconds(_large(2_000)) < 8 * 2.5 * max(_seconds(_large(250)), 0.01)


def test_reading_a_lock_costs_little_beside_parsing_it() -> None:
    text = _large(1_000)
    parse = 99.0
    for _ in range(3):
        begin = time.process_time()
        tomllib.loads(text)
        parse = min(parse, time.process_time() - begin)

    assert _seconds(text) < 2 * parse


def _names(document: dict[str, Any]) -> set[str]:
    return {str(canonicalize_name(package["name"])) for package in document.get("package", [])}


def test_a_lock_never_loses_a_package() -> None:
    manifest: Manifest = read("uv.lock", _large(300))

    assert {part.name for part in manifest.components} == _names(tomllib.loads(_large(300)))
