"""Finds the reader of each file that says which packages a project needs; none of them runs or fetches anything."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Sequence

from mlguard.artifacts import Artifact
from mlguard.errors import Unreadable
from mlguard.scanners import Context, lazy, read_bytes
from mlguard.scanners.dependencies.manifests import MAX_MANIFEST_BYTES, Manifest, Read, Trouble
from mlguard.scanners.dependencies.readers import encodings

Reader = Callable[[str, str, Read], Manifest | None]
"""Reads a file by its path and text. None for a file that names no packages. Raises Unreadable."""

_NAMES = {
    "pyproject.toml": "pyproject", "hatch.toml": "hatch", "pipfile": "pipfile", "pipfile.lock": "pipfile-lock", "setup.cfg": "setup-cfg",
    "setup.py": "setup-py", "tox.ini": "tox", "tox.toml": "tox-toml", "noxfile.py": "nox", "uv.lock": "lock", "poetry.lock": "lock",
    "pdm.lock": "lock", "pixi.toml": "pixi", "pixi.lock": "pixi-lock", "meta.yaml": "recipe", "recipe.yaml": "recipe",
    ".pre-commit-config.yaml": "pre-commit", ".pre-commit-config.yml": "pre-commit", "python_env.yaml": "yaml", "python_env.yml": "yaml",
    "devcontainer.json": "devcontainer", ".devcontainer.json": "devcontainer",
}  # fmt: skip
_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (lazy.pattern(r"(?:^|/)pylock(?:\.[^/]+)?\.toml$"), "lock"),
    (lazy.pattern(r"\.py\.lock$"), "lock"),
    (lazy.pattern(r"(?i)(?:^|[/.])(?:[\w.-]*[-_.])?conda-lock\.ya?ml$"), "conda-lock"),
    (lazy.pattern(r"(?i)(?:^|/)(?:environment|env|conda)(?:[-_.][\w.-]*)?\.ya?ml$|(?:^|/)[\w.-]*[-_](?:environment|conda|env)\.ya?ml$"), "conda"),
    (lazy.pattern(r"(?i)(?:^|/)[^/]*(?:requirements?|constraints?)[^/]*\.(?:txt|in|pip)$|(?:^|/)requirements(?:[-_.][^/]*)?\.lock$"), "requirements"),
    (lazy.pattern(r"(?i)(?:^|/)(?:pip[-_]?)?(?:requirements?|constraints|reqs)/(?:[^/]+/){0,8}[^/]+\.(?:txt|in|pip)$"), "perhaps-requirements"),
    (lazy.pattern(r"(?i)(?:^|/)(?:(?:pip[-_])?reqs?|deps|dependencies|packages|pip-(?:freeze|tools|packages))(?:[-_.]\w+)?\.(?:txt|in)$"), "perhaps-requirements"),
    (lazy.pattern(r"(?i)(?:^|/)[\w.-]*(?:explicit|conda|spec-(?:file|list)|(?:linux|osx|win)-(?:64|arm64|aarch64))[\w.-]*\.(?:txt|lock)$"), "explicit"),
    (lazy.pattern(r"\.dist-info/METADATA$|\.egg-info/PKG-INFO$|\.egg-info$|(?:^|/)PKG-INFO$"), "metadata"),
    (lazy.pattern(r"(?i)\.whl$"), "wheel"),
    (lazy.pattern(r"-\d[^/]*\.(?:tar\.gz|zip|tar\.bz2|tgz)$"), "sdist"),
    (lazy.pattern(r"(?i)(?:^|/)(?:GNU)?makefile(?:\.\w+)?$|\.mk$|(?:^|/)\.?justfile$|\.just$"), "makefile"),
    (lazy.pattern(r"(?i)(?:^|/)(?:\.github/(?:workflows|actions)/.*\.ya?ml|action\.ya?ml|[^/]*gitlab-ci[^/]*\.ya?ml|\.gitlab(?:-ci)?/.*\.ya?ml|\.?azure-pipelines[^/]*\.ya?ml|\.azure-pipelines/.*\.ya?ml|\.circleci/.*\.ya?ml|\.travis\.ya?ml|bitbucket-pipelines\.ya?ml|cloudbuild[^/]*\.ya?ml|buildspec[^/]*\.ya?ml|\.?appveyor\.ya?ml|\.drone\.ya?ml|\.woodpecker(?:/.*)?\.ya?ml|\.cirrus\.ya?ml|Taskfile[^/]*\.ya?ml|\.readthedocs\.ya?ml)$"), "pipeline"),
    (lazy.pattern(r"(?i)(?:^|/)[\w.-]*(?:docker|container)file[\w.-]*$"), "dockerfile"),
    (lazy.pattern(r"(?i)(?:^|/)[\w.-]*jenkinsfile[\w.-]*$|\.jenkinsfile$"), "jenkins"),
    (lazy.pattern(r"(?i)\.psm?1$"), "powershell"),
    (lazy.pattern(r"(?i)\.(?:bat|cmd)$"), "batch"),
    (lazy.pattern(r"(?i)(?:^|/)\.devcontainer/(?:[^/]+/)?[^/]*\.json$"), "devcontainer"),
    (lazy.pattern(r"(?i)\.ya?ml$|(?:^|/)MLproject$"), "yaml"),
)  # fmt: skip
_KINDS = {
    "requirements": "requirements", "pyproject": "pyproject", "pylock": "lock", "dockerfile": "dockerfile", "workflow": "pipeline",
    "shell": "shell", "notebook": "notebook", "python": "script",
}  # fmt: skip

BINARY = frozenset({"wheel", "sdist"})
"""Formats that are archives."""


def format_of(path: str, kind: str = "") -> str:
    """Return a word for the format of a file by its path and kind, "" when it says nothing about packages."""
    found = _NAMES.get(posixpath.basename(path).lower())
    found = found or next((word for pattern, word in _PATTERNS if pattern.search(path)), "")
    if found == "sdist" and kind not in ("", "gzip", "zip", "tar", "bzip2", "binary"):
        return ""
    return found or _KINDS.get(kind, "")


def reader_of(path: str, kind: str = "") -> Reader | None:
    """Return what reads the text file of this name, or None."""
    word = format_of(path, kind)
    return None if not word or word in BINARY else lambda path, text, load: _read(word, path, text, load)


def _read(word: str, path: str, text: str, load: Read) -> Manifest | None:
    """Read a file in the format of this name. Each module is imported by the first file that needs it."""
    if word in ("requirements", "perhaps-requirements", "explicit"):
        return _listed(word, path, text, load)
    if word == "lock":
        from mlguard.scanners.dependencies.readers import locks

        return locks.read(path, text)
    return _reader(word)(path, text, load)


def _reader(word: str) -> Reader:
    if word in ("pyproject", "hatch"):
        from mlguard.scanners.dependencies.readers import pyproject

        return pyproject.read if word == "pyproject" else pyproject.read_hatch
    if word in ("pipfile", "pipfile-lock"):
        from mlguard.scanners.dependencies.readers import pipenv

        return pipenv.read if word == "pipfile" else pipenv.read_lock
    if word in ("setup-cfg", "setup-py"):
        from mlguard.scanners.dependencies.readers import setuptools

        return setuptools.read_cfg if word == "setup-cfg" else setuptools.read_py
    if word in ("tox", "tox-toml"):
        from mlguard.scanners.dependencies.readers import tox

        return tox.read if word == "tox" else tox.read_toml
    if word in ("conda", "recipe"):
        from mlguard.scanners.dependencies.readers import conda

        return conda.read if word == "conda" else conda.read_recipe
    if word in ("conda-lock", "pixi-lock"):
        from mlguard.scanners.dependencies.readers import condalocks

        return condalocks.read_conda_lock if word == "conda-lock" else condalocks.read_pixi_lock
    return _rarer(word)


def _rarer(word: str) -> Reader:
    if word == "pixi":
        from mlguard.scanners.dependencies.readers import pixi

        return pixi.read
    if word == "script":
        from mlguard.scanners.dependencies.readers import inline

        return inline.read
    if word == "nox":
        from mlguard.scanners.dependencies.readers import nox

        return nox.read
    if word == "metadata":
        from mlguard.scanners.dependencies.readers import installed

        return installed.read
    if word == "notebook":
        from mlguard.scanners.dependencies.readers import cells

        return cells.read_notebook
    from mlguard.scanners.dependencies.readers import steps

    if word in steps.READERS:
        return steps.READERS[word]
    from mlguard.scanners.dependencies.readers import others

    return others.READERS[word]


_EXPLICIT = lazy.pattern(r"(?m)^@EXPLICIT\s*$")


def _listed(word: str, path: str, text: str, load: Read) -> Manifest | None:
    """Read a list of requirements, or of URLs of conda. A file whose name alone does not tell must look like one."""
    if "@EXPLICIT" in text and _EXPLICIT.search(text):
        from mlguard.scanners.dependencies.readers import condalocks

        return condalocks.read_explicit(path, text, load)
    if word == "explicit" or word == "perhaps-requirements" and not looks_like_requirements(text):
        return None
    from mlguard.scanners.dependencies import requirements

    return requirements.read(path, text, load)


_LINE = lazy.pattern(
    r"^(?:-[a-z]\b|--[a-z-]+\b|[A-Za-z0-9][\w.-]*(?:\[[^\]]*\])?\s*(?:$|[=<>!~;@]|\()|(?:git\+|https?://|\./))", re.I
)


def looks_like_requirements(text: str) -> bool:
    """Say whether at least half of the lines of a file could be requirements."""
    rows = [row.strip() for row in text.splitlines()[:2000] if row.strip() and not row.lstrip().startswith("#")]
    fits = sum(_LINE.match(row) is not None for row in rows)
    return bool(rows) and fits * 2 >= len(rows)


_SCRIPT_WORDS = (
    b"pip",
    b"conda",
    b"mamba",
    b"uv ",
    b"uv}",
    b"uvx",
    b"poetry",
    b"pdm",
    b"rye",
    b"easy_install",
    b"%%writefile",
    b"%%file",
)


def worth_reading(word: str, data: bytes) -> bool:
    """Say whether a file can say something about packages by the words in it: most code and notebooks cannot."""
    if word == "script":
        return b"/// script" in data
    if word == "yaml":
        from mlguard.scanners.dependencies.readers import others

        return others.worth_reading(data)
    if word in (
        "shell",
        "notebook",
        "dockerfile",
        "makefile",
        "pipeline",
        "powershell",
        "batch",
        "jenkins",
        "devcontainer",
    ):
        low = data.lower()
        return (
            b"\0" in data or any(one in low for one in _SCRIPT_WORDS) or word == "pipeline" and b"requirements" in low
        )
    return True


_CODE = frozenset({"script", "setup-py", "nox"})
"""Formats that are Python, and may install something while they run."""


def installed_by(word: str, path: str, text: str, load: Read) -> Manifest | None:
    """Return what a module installs while it runs; None for another format. Raises Unreadable."""
    if word not in _CODE:
        return None
    from mlguard.scanners.dependencies.readers import code

    return code.read(path, text, load) if code.worth_reading(text.encode("utf-8", "replace")) else None


def parsed(word: str, path: str, text: str, load: Read) -> Manifest | None:
    """Return what a text in the format of this name says. Raises Unreadable."""
    return _read(word, path, text, load)


def read(artifact: Artifact, context: Context) -> list[Manifest]:
    """Return what one file says about packages, with the files it includes. Raises Unreadable."""
    troubles: list[Trouble] = []

    def load(path: str) -> str:
        text, trouble = encodings.decode(read_bytes(context, path, MAX_MANIFEST_BYTES))
        if trouble:
            troubles.append(Trouble(path, "unreadable", trouble, "convert the file to UTF-8"))
        return text

    word = format_of(artifact.path, artifact.kind)
    if not word:
        return []
    if word in BINARY:
        from mlguard.scanners.dependencies.readers import installed

        found = installed.read_archive(artifact.path, context, word)
    else:
        if word in ("script", "notebook") and artifact.size > MAX_MANIFEST_BYTES:
            return []  # its own scanner says that it is too large
        data = read_bytes(context, artifact.path, MAX_MANIFEST_BYTES)
        found = _read(word, artifact.path, load(artifact.path), load) if worth_reading(word, data) else None
        if found is None and word == "conda" and worth_reading("yaml", data):
            found = _read("yaml", artifact.path, load(artifact.path), load)  # only its name is that of an environment
        if word in _CODE and (b"pip" in data or b"install" in data or b"\0" in data):
            more = installed_by(word, artifact.path, load(artifact.path), load)
            if more is not None:
                return _told([found, more] if found else [more], troubles)
    return _told([found], troubles) if found else []


def _told(found: list[Manifest], troubles: list[Trouble]) -> list[Manifest]:
    """Put what was wrong with the bytes of files into the first manifest, each once."""
    found[0].troubles += {(trouble.path, trouble.reason): trouble for trouble in troubles}.values()
    return found


def wanted(artifacts: Sequence[Artifact]) -> tuple[Artifact, ...]:
    """Return the artifacts that may say something about packages."""
    return tuple(
        artifact for artifact in artifacts if format_of(artifact.path, artifact.kind) and artifact.kind != "lfs-pointer"
    )


__all__ = ["Unreadable", "format_of", "read", "reader_of", "wanted", "worth_reading"]
