"""Files that an untrusted run made: where a job puts them, and which later command runs them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from mlguard.scanners import lazy
from mlguard.scanners.infra import shell
from mlguard.scanners.infra.pipelines.scripts import BUILDERS

if TYPE_CHECKING:
    from mlguard.scanners.infra.pipelines.model import Job, Step

MAX_FOLDERS = 50
"""Folders with files of others that are remembered in one job."""

_BY_ACTION = frozenset({"dawidd6/action-download-artifact", "actions/download-artifact"})
_STARTS = BUILDERS - {"docker", "podman", "terraform"}
_BUILDS_HERE = frozenset(
    {
        "make",
        "npm",
        "yarn",
        "pnpm",
        "tox",
        "nox",
        "pytest",
        "mvn",
        "gradle",
        "cargo",
        "go",
        "bundle",
        "rake",
        "composer",
        "just",
        "task",
    }
)
"""Programs that take what they do from a file in the folder, without being told its name."""

_ONE_SCRIPT = lazy.pattern(r"^(?:python[\d.]*|bash|sh|node|deno|bun|source|\.|Rscript)$")
_READS_ONLY = frozenset({"--version", "-V", "--help"})


def brings_artifact(step: Step) -> bool:
    """Say whether a step fetches what another run has made, not a job of the same run."""
    name = step.uses.get("name", "").lower()
    if name == "actions/download-artifact":
        return "run-id" in step.inputs or "github-token" in step.inputs
    if name == "dawidd6/action-download-artifact":
        return "branch" not in step.inputs or not {"run_id", "pr", "commit"}.isdisjoint(step.inputs)
    if "gh run download" in step.run:
        return True
    return name == "actions/github-script" and "downloadArtifact" in step.inputs.get("script", "")


def runs_artifacts(job: Job) -> Iterator[tuple[Step, shell.Command, str]]:
    """Yield the commands that run something out of the artifact of another run, with its folder.

    A file in the folder of the checkout counts where nothing was checked out, or the artifact was put over it.
    """
    folders: set[str] = set()
    pending = False  # an archive was fetched by a script and is not unpacked yet
    for step in job.steps:
        name = step.uses.get("name", "").lower()
        if name == "actions/checkout" and not step.inputs.get("path"):
            folders.discard("")
        elif name in _BY_ACTION and brings_artifact(step):
            folders.add(_plain(step.inputs.get("path", "")))
        elif step.run:
            pending = pending or _by_script(step)
            yield from _run(step, folders, pending)
        else:
            pending = pending or brings_artifact(step)
        if len(folders) > MAX_FOLDERS:
            return


def _by_script(step: Step) -> bool:
    return bool(re.search(r"\bgh\s+api\b[^\n]*actions/artifacts/|/actions/artifacts/[^\n]*/zip\b", step.run))


def _run(step: Step, folders: set[str], pending: bool) -> Iterator[tuple[Step, shell.Command, str]]:
    here = _plain(str(step.value.get("working-directory") or ""))
    for command in step.commands:
        words = shell.effective(command.words)
        if command.program == "cd" and len(words) > 1:
            here = _plain(words[1])
        elif words[:3] == ("gh", "run", "download"):
            folders.add(_option(words, ("-D", "--dir")) or here)
        elif command.program == "unzip" and (pending or any(_inside(word, folders) for word in words[1:])):
            folders.add(_option(words, ("-d",)) or here)
        elif command.program == "tar" and any(_inside(word, folders) for word in words[1:] if word.endswith(_ARCHIVES)):
            folders.add(_option(words, ("-C", "--directory")) or here)
        elif folders and (folder := _started(command, words, folders, here)) is not None:
            yield step, command, folder
            return


_ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.zst")


def _started(command: shell.Command, words: tuple[str, ...], folders: set[str], here: str) -> str | None:
    """Return the folder out of which a command runs something, else None."""
    if not words or not _READS_ONLY.isdisjoint(words):
        return None
    if "/" in words[0] and not words[0].startswith(("/usr/", "/bin/", "/opt/")):
        return _folder_of(words[0], folders, here)
    if command.program not in _STARTS:
        return None
    given = [word for word in words[1:] if not word.startswith("-") and "=" not in word]
    if _ONE_SCRIPT.match(command.program):
        given = [] if "-m" in words or "-c" in words else given[:1]  # the others are what it reads
    for word in (word for word in given if "/" in word or "." in word):
        if (found := _folder_of(word, folders, here)) is not None and (found or _is_code(word)):
            return found
    return here if command.program in _BUILDS_HERE and here in folders else None


def _is_code(word: str) -> bool:
    return re.search(r"\.(?:sh|bash|py|js|mjs|cjs|ts|rb|pl|R|whl|ps1)$", word) is not None


def _folder_of(word: str, folders: set[str], here: str) -> str | None:
    plain = _plain(word)
    whole = f"{here}/{plain}" if here and not word.startswith("/") else plain
    named = next(
        (folder for folder in sorted(folders) if folder and (whole == folder or whole.startswith(folder + "/"))), None
    )
    if named is not None:
        return named
    return "" if "" in folders and not word.startswith("/") and ".." not in word else None


def _inside(word: str, folders: set[str]) -> bool:
    return _folder_of(word, folders, "") is not None


def _option(words: tuple[str, ...], names: tuple[str, ...]) -> str:
    for at, word in enumerate(words):
        option, equals, value = word.partition("=")
        if option in names:
            return _plain(value if equals else next(iter(words[at + 1 :]), ""))
    return ""


def _plain(path: str) -> str:
    """Return a folder without what names the workspace in front; "" for the workspace itself.

    In the commands of a script an expression is as many ``x``: of 21 or 23 it is github.workspace.
    """
    path = re.sub(
        r"^\$\{\{\s*github\.workspace\s*\}\}|^\$\{?GITHUB_WORKSPACE\}?|^(?:x{21}|x{23})(?=/|$)", ".", path.strip()
    )
    return (
        re.sub(r"/+", "/", re.sub(r"^(?:\./+)+", "", path)).rstrip("/").removeprefix("./")
        if path not in (".", "./")
        else ""
    )
