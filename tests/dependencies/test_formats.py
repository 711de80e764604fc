"""The manifests of setuptools, Pipenv, conda, pixi, tox, nox, scripts and installed packages are read with every line."""

from __future__ import annotations

import configparser
import io
import json
import tarfile
import zipfile
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from mlguard.artifacts import Artifact
from mlguard.errors import Unreadable
from mlguard.scanners import Context
from mlguard.scanners.dependencies import readers
from mlguard.scanners.dependencies.readers import format_of
from tests.dependencies.reading import pins, read, reasons

A, B = "ab" * 32, "0f" * 32

# ---- setuptools

SETUP_CFG = """\
[metadata]
name = Shop_App
[options]
python_requires = >=3.9
install_requires =
    blue==1.0
    # a comment
    green[x]>=2; python_version < "3.9"  # why

    red @ git+https://code.example.org/red.git@main
tests_require = pytest; nose
setup_requires =
    wheel==0.40
[options.extras_require]
dev =
    ruff==0.6
docs = sphinx
[flake8]
install_requires = decoy
"""


def test_setup_cfg_is_read_as_its_parser_and_packaging_read_it() -> None:
    manifest = read("setup.cfg", SETUP_CFG)

    assert [(p.name, p.version or p.specifier, p.place.line, p.group, p.origin, p.build) for p in manifest.components] == [
        ("blue", "1.0", 6, "", "index", False), ("green", ">=2", 8, "", "index", False), ("red", "", 10, "", "git", False),
        ("pytest", "", 11, "tests", "index", False), ("nose", "", 11, "tests", "index", False), ("wheel", "0.40", 13, "setup", "index", True),
        ("ruff", "0.6", 16, "dev", "index", False), ("sphinx", "", 17, "docs", "index", False),
    ]  # fmt: skip
    assert manifest.project == "shop-app" and manifest.requires_python == ">=3.9"
    judge = configparser.RawConfigParser()
    judge.read_string(SETUP_CFG)
    listed = [line.split("  #")[0] for line in judge["options"]["install_requires"].split("\n") if line]
    assert [canonicalize_name(Requirement(line).name) for line in listed] == [
        part.name for part in manifest.components[:3]
    ]


def test_files_that_setup_cfg_names_are_followed() -> None:
    text = "[options]\ninstall_requires = file: requirements.txt, more.txt\n"

    manifest = read("setup.cfg", text, {"requirements.txt": "a==1\n", "more.txt": "b\n"})

    assert [(p.name, p.place.path) for p in manifest.components] == [("a", "requirements.txt"), ("b", "more.txt")]


SETUP_PY = '''\
import os
from setuptools import setup, find_packages
here = os.path.dirname(__file__)
open("proof", "w")
def lines(name):
    with open(os.path.join(here, name)) as f:
        return [l.strip() for l in f]
BASE = ["blue==1.0", "green>=2"]
EXTRAS = {"dev": ["pytest"], "docs": ["sphinx==7"]}
EXTRAS["gpu"] = ["torch==2.1"]
BASE += ["late==3"]
BASE.append("later==4")
if os.name == "nt":
    BASE.extend(["colour"])
TEXT = """
inside==5
  also==6
"""
setup(
    name="Shop_App",
    python_requires=">=3.9",
    install_requires=BASE + ["red" ">=1", "a" + "b==7"] + lines("requirements.txt") + TEXT.split(),
    extras_require={**EXTRAS, "all": EXTRAS["dev"] + ["x"]},
    tests_require=["t"] if os.name else [],
    setup_requires=("wheel",),
)
'''


def test_setup_py_is_read_by_its_syntax_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    manifest = read("setup.py", SETUP_PY, {"requirements.txt": "fromfile==8\n"})

    found = {(p.name, p.version or p.specifier, p.place.line) for p in manifest.components}
    assert found >= {
        ("blue", "1.0", 8), ("green", ">=2", 8), ("late", "3", 11), ("later", "4", 12), ("colour", "", 14), ("red", ">=1", 22), ("ab", "7", 22),
        ("fromfile", "8", 1), ("inside", "5", 16), ("also", "6", 17), ("pytest", "", 9), ("x", "", 23), ("t", "", 24), ("wheel", "", 25),
    }  # fmt: skip
    assert {name for name, _, _ in found} >= {"sphinx", "torch"}
    assert manifest.project == "shop-app" and manifest.requires_python == ">=3.9"
    assert not (tmp_path / "proof").exists()


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ("dict(dev=['a'])['dev']", set()), ("[x for x in y]", set()), ("NAMES", set()), ("['a', 'b' + version]", {"a"}), ("['a==%s' % v]", set()),
        ("list(['a'])", {"a"}), ("['a'] if X else read()", {"a"}), ("[f'a=={v}']", set()), ("open('gone.txt').readlines()", set()),
    ],
)  # fmt: skip
def test_what_setup_py_works_out_is_said(value: str, names: set[str]) -> None:
    manifest = read("setup.py", f"from setuptools import setup\nsetup(install_requires={value})\n")

    assert {part.name for part in manifest.components} == names
    computed = [reason for reason in reasons(manifest) if reason.startswith("line 2 works requirements out")]
    assert bool(computed) is (value != "list(['a'])")


# ---- Pipenv

PIPFILE = """\
[[source]]
name = "pypi"
url = "https://index.example.org/simple"
verify_ssl = true

[packages]
blue = "==1.0"
green = {version = ">=2", extras = ["x"], markers = "os_name == 'nt'"}
red = {git = "https://code.example.org/red.git", ref = "main"}
own = {path = ".", editable = true}
star = "*"

[dev-packages]
pytest = "*"

[docs]
sphinx = "==7"

[scripts]
run = "python x.py"

[requires]
python_version = "3.11"
"""


def test_a_pipfile_is_read_with_all_its_groups() -> None:
    manifest = read("Pipfile", PIPFILE)

    assert [(p.name, p.version or p.specifier, p.place.line, p.group, p.origin) for p in manifest.components] == [
        ("blue", "1.0", 7, "", "index"), ("green", ">=2", 8, "", "index"), ("red", "", 9, "", "git"), ("own", "", 10, "", "path"),
        ("star", "*", 11, "", "index"), ("pytest", "*", 14, "dev-packages", "index"), ("sphinx", "7", 17, "docs", "index"),
    ]  # fmt: skip
    assert manifest.requires_python == "3.11" and manifest.components[1].marker == 'os_name == "nt"'


# ---- conda

ENVIRONMENT = """\
name: ml
channels:
  - conda-forge
  - https://private.example.org/channel
dependencies:
  - python=3.11
  - numpy=1.26
  - scipy==1.11.4
  - pandas=2.1.1=py311h320fe9a_0
  - pytorch::pytorch>=2.0,<3
  - "libblas=*=*mkl"
  - cuda-toolkit 12.1
  - xgboost[version='1.7.6']
  - pip
  - pip:
    - blue==1.0  # why
    - green>=2
    - --extra-index-url https://second.example.org/simple
    - -r more.txt
    - git+https://code.example.org/red.git@main#egg=red
variables:
  A: b
"""


def test_an_environment_of_conda_is_read() -> None:
    manifest = read("environment.yml", ENVIRONMENT, {"more.txt": "inside==3\n"})

    assert [(p.name, p.version, p.specifier, p.place.line, p.origin) for p in manifest.components] == [
        ("python", "", "=3.11", 6, "conda"), ("numpy", "", "=1.26", 7, "conda"), ("scipy", "1.11.4", "==1.11.4", 8, "conda"),
        ("pandas", "2.1.1", "=2.1.1=py311h320fe9a_0", 9, "conda"), ("pytorch", "", ">=2.0,<3", 10, "conda"), ("libblas", "", "=*=*mkl", 11, "conda"),
        ("cuda-toolkit", "", "=12.1", 12, "conda"), ("xgboost", "", "=1.7.6", 13, "conda"), ("pip", "", "", 14, "conda"),
        ("blue", "1.0", "==1.0", 16, "index"), ("green", "", ">=2", 17, "index"), ("inside", "3", "==3", 1, "index"), ("red", "", "", 20, "git"),
    ]  # fmt: skip
    listed = yaml.safe_load(ENVIRONMENT)["dependencies"]
    assert len([part for part in manifest.components if part.origin == "conda"]) == len(
        [item for item in listed if isinstance(item, str)]
    )
    assert "7 packages come from conda, for which there is no audit" in reasons(manifest)
    assert [(index.check, index.place.line) for index in manifest.indexes] == [("extra-index", 18)]
    assert [(source.role, source.host) for source in manifest.sources if source.role == "channel"] == [
        ("channel", ""),
        ("channel", "private.example.org"),
    ]


CONDA_LOCK = f"""\
version: 1
metadata:
  channels: [{{url: conda-forge}}]
package:
- name: numpy
  version: 1.26.4
  manager: conda
  platform: linux-64
  dependencies: {{python: '>=3.11', libblas: '>=3.9'}}
  url: https://conda.example.org/conda-forge/linux-64/numpy-1.26.4-py311h64a7726_0.conda
  hash: {{md5: {A[:32]}, sha256: {A}}}
  category: main
  optional: false
- name: blue
  version: '1.10'
  manager: pip
  platform: linux-64
  dependencies: {{green: '*'}}
  url: https://files.pythonhosted.org/packages/blue-1.10-py3-none-any.whl
  hash: {{sha256: {B}}}
  category: dev
- name: repo
  version: 0.1
  manager: pip
  platform: linux-64
  url: git+https://code.example.org/repo.git@{"cd" * 20}
  category: main
"""


def test_a_lock_of_conda_lock_is_read() -> None:
    manifest = read("conda-lock.yml", CONDA_LOCK)

    assert [(p.name, p.version, p.place.line, p.origin, p.group, p.strong_hash) for p in manifest.components] == [
        ("numpy", "1.26.4", 5, "conda", "", True), ("blue", "1.10", 14, "index", "dev", True), ("repo", "", 22, "git", "", False),
    ]  # fmt: skip
    assert manifest.components[0].requires == ("libblas", "python") and manifest.components[2].commit
    assert manifest.lock and manifest.complete


PIXI_LOCK_6 = f"""\
version: 6
environments:
  default:
    channels: [{{url: https://conda.example.org/conda-forge/}}]
packages:
- conda: https://conda.example.org/conda-forge/linux-64/numpy-1.26.4-py311h64a7726_0.conda
  sha256: {A}
  md5: {A[:32]}
  depends: [python]
- pypi: https://files.pythonhosted.org/packages/ab/blue_alpha-1.0-py3-none-any.whl
  name: blue-alpha
  version: '1.0'
  sha256: {B}
  requires_dist: ["green>=1; extra == 'x'", red]
- pypi: ./
  name: own
  version: 0.1
  editable: true
"""

PIXI_LOCK_4 = f"""\
version: 4
packages:
- kind: conda
  name: numpy
  version: 1.26.4
  build: py311
  url: https://conda.example.org/conda-forge/linux-64/numpy-1.26.4-py311_0.conda
  sha256: {A}
- kind: pypi
  name: blue-alpha
  version: '1.0'
  url: https://files.pythonhosted.org/packages/ab/blue_alpha-1.0-py3-none-any.whl
  sha256: {B}
"""


def test_locks_of_pixi_are_read() -> None:
    manifest = read("pixi.lock", PIXI_LOCK_6)

    assert [(p.name, p.version, p.place.line, p.origin, p.strong_hash) for p in manifest.components] == [
        ("numpy", "1.26.4", 6, "conda", True), ("blue-alpha", "1.0", 10, "index", True),
    ]  # fmt: skip
    assert manifest.components[1].requires == ("green", "red")
    old = read("pixi.lock", PIXI_LOCK_4)
    assert [(p.name, p.version, p.place.line, p.origin, p.strong_hash) for p in old.components] == [
        ("numpy", "1.26.4", 3, "conda", True), ("blue-alpha", "1.0", 9, "index", True),
    ]  # fmt: skip


PIXI = """\
[workspace]
channels = ["conda-forge", "https://private.example.org/x"]
[dependencies]
python = "3.11.*"
numpy = { version = "==1.26.4", channel = "https://private.example.org/x" }
[pypi-dependencies]
blue = "==1.0"
green = { version = ">=2", extras = ["x"] }
red = { git = "https://code.example.org/red.git", rev = "main" }
own = { path = ".", editable = true }
[feature.gpu.dependencies]
cuda = "12.*"
[feature.gpu.pypi-dependencies]
torch = "==2.1"
[target.linux-64.dependencies]
gcc = "*"
"""


def test_a_pixi_manifest_is_read() -> None:
    manifest = read("pixi.toml", PIXI)

    assert sorted((p.name, p.version, p.place.line, p.origin, p.group) for p in manifest.components) == [
        ("blue", "1.0", 7, "index", ""), ("cuda", "", 12, "conda", "gpu"), ("gcc", "", 16, "conda", ""), ("green", "", 8, "index", ""),
        ("numpy", "1.26.4", 5, "conda", ""), ("own", "", 10, "path", ""), ("python", "", 4, "conda", ""), ("red", "", 9, "git", ""),
        ("torch", "2.1", 14, "index", "gpu"),
    ]  # fmt: skip


EXPLICIT = f"""\
# This file may be used to create an environment using:
# platform: linux-64
@EXPLICIT
https://conda.example.org/conda-forge/linux-64/numpy-1.26.4-py311h64a7726_0.conda#{A[:32]}
https://conda.example.org/conda-forge/noarch/ca-certificates-2024.2.2-hbcca054_0.tar.bz2#{A}
https://conda.example.org/no-package
# pip blue @ https://files.pythonhosted.org/packages/blue-1.0-py3-none-any.whl --hash=sha256:{B}
"""


@pytest.mark.parametrize("name", ["requirements.txt", "conda-linux-64.lock", "explicit.txt", "spec-file.txt"])
def test_an_explicit_list_of_conda_is_read(name: str) -> None:
    manifest = read(name, EXPLICIT)

    assert [(p.name, p.version, p.place.line, p.origin, p.strong_hash) for p in manifest.components] == [
        ("numpy", "1.26.4", 4, "conda", False), ("ca-certificates", "2024.2.2", 5, "conda", True), ("blue", "1.0", 7, "url", True),
    ]  # fmt: skip
    assert "line 6 is not the URL of a package of conda" in reasons(manifest)


META = """\
{% set version = "1.2" %}
package:
  name: shop
  version: {{ version }}
requirements:
  build:
    - {{ compiler('c') }}
    - cmake 3.27
  host:
    - python
    - numpy {{ numpy }}
  run:
    - python >=3.9
    - blue ==1.0  # [linux]
    - green >=2,<3
test:
  requires:
    - pytest
about:
  license: MIT
"""


def test_a_recipe_is_read_by_its_lines_and_not_rendered() -> None:
    manifest = read("recipe/meta.yaml", META)

    assert [(p.name, p.version or p.specifier, p.place.line, p.build) for p in manifest.components] == [
        ("cmake", "=3.27", 8, True), ("python", "", 10, True), ("python", ">=3.9", 13, False), ("blue", "1.0", 14, False),
        ("green", ">=2,<3", 15, False), ("pytest", "", 18, False),
    ]  # fmt: skip
    assert "line 11 has a template, which is not rendered" in reasons(manifest)


# ---- tox, nox, scripts

TOX = """\
[tox]
requires =
    tox>=4
    tox-uv==1.0
[base]
deps =
    common==1.0
[testenv]
deps =
    pytest==7.0  # x
    {[base]deps}
    -r{toxinidir}/req/test.txt
    py39,py310: backport>=1
    cov: coverage[toml]
    git: red @ git+https://code.example.org/red.git
    foo=={env:FOO}
[testenv:lint]
deps = flake8==6.0
    mypy
"""


def test_tox_ini_is_read() -> None:
    manifest = read("tox.ini", TOX, {"req/test.txt": "t==1\n"})

    assert [(p.name, p.version or p.specifier, p.place.line, p.group) for p in manifest.components] == [
        ("tox", ">=4", 3, "tox"), ("tox-uv", "1.0", 4, "tox"), ("pytest", "7.0", 10, ""), ("common", "1.0", 7, ""), ("t", "1", 1, ""),
        ("backport", ">=1", 13, ""), ("coverage", "", 14, ""), ("red", "", 15, ""), ("flake8", "6.0", 18, "lint"), ("mypy", "", 19, "lint"),
    ]  # fmt: skip
    assert reasons(manifest) == ["line 16 depends on a setting that only tox knows"]


def test_tox_toml_is_read() -> None:
    text = 'requires = ["tox>=4"]\n[env_run_base]\ndeps = ["pytest==7", "-r dev.txt", {replace = "ref", of = ["x"]}]\n[env.lint]\ndeps = ["ruff==0.6"]\n'

    manifest = read("tox.toml", text, {"dev.txt": "d==1\n"})

    assert pins(manifest) == [("tox", ">=4", 1), ("pytest", "7", 3), ("d", "1", 1), ("ruff", "0.6", 5)]
    assert reasons(manifest) == ["line 3 depends on a setting that only tox knows"]


NOX = """\
# /// script
# dependencies = ["nox==2024.1"]
# ///
import nox
DEPS = ["a==1.0", "b>=2"]
@nox.session
def tests(session):
    session.install("pytest==7", *DEPS)
    session.install("-r", "requirements.txt", "-c", "limits.txt")
    session.install("-e", ".[dev]")
    session.run("pip", "install", "late==1")
    session.run_always("poetry", "add", "never")
    session.conda_install("numpy=1.26", "--channel=conda-forge")
    session.install(compute())
    session.install(f"c=={X}")
    session.run("pytest", "install")
"""


def test_a_noxfile_is_read_by_its_syntax_alone() -> None:
    manifest = read("noxfile.py", NOX, {"requirements.txt": "x==1\n", "limits.txt": "y==2\n"})

    assert [(p.name, p.version or p.specifier, p.place.line, p.origin, p.constraint) for p in manifest.components] == [
        ("nox", "2024.1", 2, "index", False), ("pytest", "7", 8, "index", False), ("a", "1.0", 5, "index", False), ("b", ">=2", 5, "index", False),
        ("x", "1", 1, "index", False), ("y", "2", 1, "index", True), ("", "", 10, "path", False), ("late", "1", 11, "index", False),
        ("never", "", 12, "index", False), ("numpy", "=1.26", 13, "conda", False),
    ]  # fmt: skip
    assert reasons(manifest) == [f"line {line} installs what is worked out when the session runs" for line in (14, 15)]


SCRIPT = """\
#!/usr/bin/env python
# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "blue==1.0",
#   "green>=2",  # why
#   "a b",
# ]
#
# [tool.uv.sources]
# green = { git = "https://code.example.org/green.git" }
# [[tool.uv.index]]
# url = "http://plain.example.org/simple"
# ///
import blue
"""


def test_the_metadata_of_a_script_is_read() -> None:
    manifest = read("tool.py", SCRIPT)

    assert [(p.name, p.version, p.place.line, p.place.column, p.origin) for p in manifest.components] == [
        ("blue", "1.0", 5, 6, "index"), ("green", "", 6, 6, "git"),
    ]  # fmt: skip
    assert reasons(manifest) == ["line 7 is not a requirement that can be read"]
    assert [(index.check, index.place.line) for index in manifest.indexes] == [("http-index", 13)]
    assert read("tool.py", SCRIPT.replace("\n", "\r\n")).components[0].place.line == 5


@pytest.mark.parametrize("text", ["import os\n", "# /// other\n# x = 1\n# ///\n", ""])
def test_a_script_without_metadata_says_nothing(text: str) -> None:
    reader = readers.reader_of("tool.py", "python")
    assert reader is not None and reader("tool.py", text, lambda path: "") is None


@pytest.mark.parametrize("text", ["# /// script\n# dependencies = [\n# ///\n", "# /// script\n# x = 1\nimport os\n"])
def test_broken_metadata_of_a_script_is_unreadable(text: str) -> None:
    with pytest.raises(Unreadable):
        read("tool.py", text)


# ---- installed packages and archives

METADATA = """\
Metadata-Version: 2.1
Name: Blue_Alpha
Version: 1.0
License-Expression: MIT
Requires-Python: >=3.8
Requires-Dist: green>=1
Requires-Dist: pytest; extra == "dev"
Provides-Extra: dev

# Blue
Name: decoy
"""


def test_the_metadata_of_an_installed_package_is_read_with_where_it_came_from() -> None:
    told = {
        "v/blue_alpha-1.0.dist-info/direct_url.json": json.dumps(
            {"url": "https://me:word@code.example.org/b.git", "vcs_info": {"vcs": "git", "commit_id": "ab" * 20}}
        )
    }

    plain = read("v/blue_alpha-1.0.dist-info/METADATA", METADATA)
    (part,) = plain.components
    (moved,) = read("v/blue_alpha-1.0.dist-info/METADATA", METADATA, told).components

    assert (part.name, part.version, part.place.line, part.licence, part.requires, part.origin) == (
        "blue-alpha",
        "1.0",
        2,
        "MIT",
        ("green",),
        "index",
    )
    assert plain.kind == "installed" and plain.requires_python == ">=3.8"
    assert (moved.origin, moved.revision, moved.source, moved.commit) == ("git", "ab" * 20, "code.example.org", True)


@pytest.mark.parametrize("path", ["x.egg-info/PKG-INFO", "x-1.0.egg-info", "PKG-INFO"])
def test_the_metadata_of_an_egg_is_read(path: str) -> None:
    text = "Metadata-Version: 1.1\nName: blue\nVersion: 1.0\nLicense: UNKNOWN\nClassifier: License :: OSI Approved :: MIT License\n"

    (part,) = read(path, text).components

    assert (part.name, part.version) == ("blue", "1.0")


def test_metadata_without_a_name_is_unreadable() -> None:
    with pytest.raises(Unreadable):
        read("x.dist-info/METADATA", "Version: 1\n\nName: x\n")


def taken(root: Path, name: str, data: bytes, kind: str) -> list[tuple[str, str]]:
    (root / name).write_bytes(data)
    found = readers.read(Artifact(name, kind, len(data)), Context(root))
    return [(part.name, part.version) for manifest in found for part in manifest.components]


def wheel(files: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return buffer.getvalue()


def sdist(files: dict[str, str], mode: str = "w:gz") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]  # the mode is a variable
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text.encode())
            archive.addfile(info, io.BytesIO(text.encode()))
    return buffer.getvalue()


def test_wheels_and_source_archives_are_read_by_their_metadata(tmp_path: Path) -> None:
    name = "blue_alpha-1.0-py3-none-any.whl"

    assert taken(tmp_path, name, wheel({"setup.py": "x", "blue_alpha-1.0.dist-info/METADATA": METADATA}), "zip") == [
        ("blue-alpha", "1.0")
    ]
    assert taken(tmp_path, "b-1.0.tar.gz", sdist({"b-1.0/setup.py": "raise", "b-1.0/PKG-INFO": METADATA}), "gzip") == [
        ("blue-alpha", "1.0")
    ]
    assert taken(tmp_path, "b-1.0.tar.bz2", sdist({"b-1.0/PKG-INFO": METADATA}, "w:bz2"), "bzip2") == [
        ("blue-alpha", "1.0")
    ]
    assert taken(tmp_path, "b-1.0.zip", wheel({"b-1.0/PKG-INFO": METADATA}), "zip") == [("blue-alpha", "1.0")]


def test_an_archive_that_is_no_package_says_nothing_and_a_broken_wheel_is_unreadable(tmp_path: Path) -> None:
    assert taken(tmp_path, "mnist-1.0.tar.gz", sdist({"data/x.csv": "1"}), "gzip") == []
    assert taken(tmp_path, "mnist-1.0.zip", b"PK\x03\x04broken", "zip") == []
    with pytest.raises(Unreadable):
        taken(tmp_path, "b-1.0-py3-none-any.whl", b"PK\x03\x04broken", "zip")
    assert taken(tmp_path, "b-1.0-py3-none-any.whl", wheel({"x.py": ""}), "zip") == [("b", "1.0")]  # what its name says


# ---- which files


@pytest.mark.parametrize(
    ("path", "kind", "word"),
    [
        ("requirements.txt", "requirements", "requirements"), ("requirements-dev.txt", "requirements", "requirements"),
        ("a/b/dev_requirements.in", "requirements", "requirements"), ("a/requirements/base.txt", "text", "perhaps-requirements"),
        ("constraints.txt", "requirements", "requirements"), ("deps.txt", "text", "perhaps-requirements"), ("notes.txt", "text", ""),
        ("pylock.toml", "pylock", "lock"), ("pylock.dev.toml", "pylock", "lock"), ("a/uv.lock", "text", "lock"), ("x.py.lock", "text", "lock"),
        ("env/conda-lock.yml", "yaml", "conda-lock"), ("environment-gpu.yaml", "yaml", "conda"), ("x.ipynb", "notebook", "notebook"),
        ("Dockerfile.gpu", "dockerfile", "dockerfile"), (".github/workflows/a.yml", "workflow", "pipeline"), (".gitlab-ci.yml", "yaml", "pipeline"),
        (".circleci/config.yml", "yaml", "pipeline"), ("azure-pipelines.yml", "yaml", "pipeline"), ("Makefile", "text", "makefile"),
        ("run.sh", "shell", "shell"), ("a.py", "python", "script"), ("values.yaml", "yaml", "yaml"), ("python_env.yaml", "yaml", "yaml"), ("a.ps1", "text", "powershell"), ("a.BAT", "text", "batch"), ("ci/Jenkinsfile.gpu", "text", "jenkins"),
        (".devcontainer/gpu/devcontainer.json", "json", "devcontainer"), ("requirements/ci/lint.txt", "text", "perhaps-requirements"), ("requirement.txt", "text", "requirements"),
        ("requirements-dev.lock", "text", "requirements"), ("train_dockerfile", "text", "dockerfile"), ("x-1.0.tar.gz", "gzip", "sdist"),
        ("x-1.0-py3-none-any.whl", "zip", "wheel"), ("v/x-1.0.dist-info/METADATA", "text", "metadata"), ("README.md", "markdown", ""),
        ("Pipfile", "text", "pipfile"), ("PIPFILE.LOCK", "json", "pipfile-lock"), ("package.json", "json", ""), ("hatch.toml", "toml", "hatch"),
        (".pre-commit-config.yaml", "yaml", "pre-commit"), (".readthedocs.yaml", "yaml", "pipeline"),
    ],
)  # fmt: skip
def test_a_file_has_the_format_of_its_name(path: str, kind: str, word: str) -> None:
    assert format_of(path, kind) == word


def test_prose_in_a_folder_of_requirements_is_no_manifest() -> None:
    prose = "The system shall answer within one second.\nUsers must sign in.\nData is kept for a year.\n"
    reader = readers.reader_of("docs/requirements/functional.txt", "text")

    assert reader is not None and reader("docs/requirements/functional.txt", prose, lambda path: "") is None
    assert pins(read("docs/requirements/base.txt", "a==1\nb>=2\n")) == [("a", "1", 1), ("b", ">=2", 2)]
