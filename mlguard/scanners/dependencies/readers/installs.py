"""Says which words of a command name packages that it installs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mlguard import lazy
from mlguard.scanners.infra.shell import effective
from mlguard.values import dataclass

_PIP = lazy.pattern(r"pip(?:[23](?:\.\d+)?)?(?:\.exe)?")
_PYTHON = lazy.pattern(r"(?:python[\d.]*(?:\.exe)?|py|pypy\d*)")
_LONG_VALUED = frozenset(
    {
        "--requirement", "--constraint", "--editable", "--index-url", "--extra-index-url", "--find-links", "--trusted-host", "--target",
        "--prefix", "--root", "--python", "--platform", "--python-version", "--implementation", "--abi", "--cache-dir", "--log", "--proxy",
        "--retries", "--timeout", "--exists-action", "--cert", "--client-cert", "--src", "--upgrade-strategy", "--no-binary", "--only-binary",
        "--progress-bar", "--global-option", "--config-settings", "--config-setting", "--index", "--default-index", "--index-strategy",
        "--torch-backend", "--overrides", "--override", "--build-constraint", "--constraints", "--requirements", "--extra", "--group", "--report",
        "--use-feature", "--use-deprecated", "--keyring-provider", "--link-mode", "--resolution", "--exclude-newer", "--prerelease", "--directory",
        "--project", "--dest", "--wheel-dir", "--allow-insecure-host", "--pip-args", "--suffix", "--with", "--with-requirements", "--with-editable",
        "--source", "--channel", "--name", "--file", "--upgrade-package", "--reinstall-package", "--no-build-package", "--no-binary-package",
        "--package", "--branch", "--tag", "--rev", "--script", "--bounds", "--optional", "--extras", "--python-platform", "--python-preference",
        "--subdir", "--solver", "--from", "--root-user-action", "--fork-strategy", "--refresh-package", "--preinstall", "--spec",
    }
)  # fmt: skip
"""Options of installers that take a value, of all of them together."""

_SHORT = {"-r": "-r", "-c": "-c", "-e": "-e", "-i": "--index-url", "-f": "--find-links", "--requirement": "-r", "--requirements": "-r",
          "--constraint": "-c", "--constraints": "-c", "--editable": "-e", "--with-requirements": "-r", "--with-editable": "-e",
          "--build-constraint": "-c"}  # fmt: skip
_SHORT_VALUED = frozenset(
    ["-r", "-c", "-e", "-i", "-f", "-t", "-p", "-d", "-C", "-w", "-n", "-s", "-b", "-G", "-P", "-m"]
)
_TOLD = frozenset(
    {
        "-r", "-c", "-e", "--index-url", "--extra-index-url", "--find-links", "--trusted-host", "--index", "--default-index",
        "--allow-insecure-host",
    }
)  # fmt: skip


_CONDA_VALUED = frozenset(
    {
        "--channel", "--file", "-n", "--name", "-p", "--prefix", "--solver", "--subdir", "--platform", "--clone", "--repodata-fn", "-r",
        "--root-prefix", "--experimental-solver", "--revision", "--rc-file", "--log-level", "--cacert-path", "--extra-safety-checks",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Argument:
    """A word that names a package (``option`` is ""), a file of requirements (-r, -c), a folder (-e) or an index."""

    option: str
    text: str


@dataclass(frozen=True, slots=True)
class Install:
    """What follows the verb of a command that installs. ``conda`` says that its words are specifications of conda.

    ``files`` says that plain words are files of requirements.
    """

    words: tuple[str, ...]
    conda: bool = False
    files: bool = False
    loose_at: bool = False  # ``name@1.0`` and ``name@^1.0`` are versions, as uv, Poetry and PDM write them


def of(words: tuple[str, ...], depth: int = 0) -> Install | None:
    """Return what a command installs, None for one that installs nothing."""
    words = effective(words)
    if not words or depth > 3:
        return None
    program = words[0].replace("\\", "/").rsplit("/", 1)[-1]
    rest = words[1:]
    if re.fullmatch(
        r"[$]?[({]{1,2}\w*(?:PYTHON|python|sys\.executable)\w*[)}]{1,2}|\$\w*PYTHON\d*|\{sys\.executable\}", program
    ):
        program = "python"
    elif re.fullmatch(r"[$]?[({]\w*(?:PIP|pip)\w*[)}]|\$\w*PIP\d*", program):
        program = "pip"
    elif re.fullmatch(r"[$]?[({]?(?:UV|uv|CONDA|MAMBA|POETRY)[)}]?", program) and not program.islower():
        program = program.strip("${()}").lower()
    elif words[0][:1] in "$`" and rest[:1] == ("-m",):
        program = "python"
    elif words[0][:1] in "$`" and re.search(r"\b(?:which|-v|type)\b.*\b(?:pip|python)[\d.]*\b", words[0]):
        program = "pip" if "pip" in words[0] else "python"
    if _PYTHON.fullmatch(program):
        while rest and rest[0].startswith("-") and not rest[0].startswith("-m"):
            rest = rest[2:] if rest[0] in ("-W", "-X") else rest[1:]
        if rest and len(rest[0]) > 2 and rest[0].startswith("-m"):
            rest = ("-m", rest[0][2:], *rest[1:])
        if rest[:1] != ("-m",) or len(rest) < 2:
            return None
        program, rest = rest[1], rest[2:]
    if _PIP.fullmatch(program):
        verb, after = _verb(rest)
        return Install(after) if verb in ("install", "download", "wheel") else None
    return _other(program, rest, depth)


def _verb(rest: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """Return the verb behind a program's own options, and what follows it."""
    while rest and rest[0].startswith("-"):
        valued = "=" not in rest[0] and (rest[0] in _LONG_VALUED or rest[0] in ("-n", "-p", "-C"))
        rest = rest[2:] if valued else rest[1:]
    return (rest[0], rest[1:]) if rest else ("", ())


_HANDS_ON = frozenset(
    {
        "docker", "podman", "nerdctl", "kubectl", "xargs", "srun", "sbatch", "ssh", "nice", "stdbuf", "singularity", "apptainer", "chroot", "gosu",
        "su-exec", "doas", "flock", "retry", "travis_retry", "nvidia-docker", "fakeroot", "unbuffer", "parallel", "docker-compose",
    }
)  # fmt: skip
"""Programs that run the command in their last words."""

MAX_HANDED = 40
"""Words of such a program among which the command it runs is looked for."""


def _handed(rest: tuple[str, ...], depth: int) -> Install | None:
    for at, word in enumerate(rest[:MAX_HANDED]):
        name = word.rsplit("/", 1)[-1]
        if (
            _PIP.fullmatch(name)
            or _PYTHON.fullmatch(name)
            or name in ("uv", "conda", "mamba", "micromamba", "poetry", "pdm", "pipx")
        ):
            found = of(rest[at:], depth + 1)
            if found is not None:
                return found
    return None


def _other(program: str, rest: tuple[str, ...], depth: int) -> Install | None:
    if program in _HANDS_ON:
        return _handed(rest, depth)
    verb, after = _verb(rest)
    if program in ("conda", "mamba", "micromamba"):
        if verb in ("install", "create", "update"):
            return Install(after, conda=True)
        if verb == "env":
            return None  # its file is read for itself
    elif program == "uv":
        if verb == "pip" and after[:1] == ("install",):
            return Install(after[1:], loose_at=True)
        if verb == "pip" and after[:1] in (("sync",), ("compile",)):
            return Install(after[1:], files=True) if after[0] == "sync" else None
        if verb == "tool" and after[:1] in (("install",), ("run",)):
            return Install(after[1:] if after[0] == "install" else _first_only(after[1:]), loose_at=True)
        if verb == "add":
            return Install(after, loose_at=True)
    elif program == "uvx":
        return Install(_first_only(rest), loose_at=True)
    elif program in ("poetry", "pdm", "rye") and verb == "add" or program == "pipenv" and verb == "install":
        return Install(after, loose_at=True)
    elif program == "poetry" and verb == "self" and after[:1] == ("add",):
        return Install(after[1:], loose_at=True)
    elif program == "pipx":
        if verb == "install":
            return Install(after)
        if verb == "inject":
            return Install(after[1:] if after and not after[0].startswith("-") else after)
        if verb == "run":
            return Install(_first_only(after))
    elif program == "pip-sync":
        return Install(rest, files=True)
    elif program in ("easy_install", "easy_install3"):
        return Install(rest)
    if verb == "run" and program in ("uv", "poetry", "pdm", "hatch", "pipenv", "conda", "micromamba", "mamba", "rye"):
        return _run(program, after, depth)
    return _handed(rest, depth) if program not in SAYS and any(map(_PIP.fullmatch, rest[:MAX_HANDED])) else None


SAYS = frozenset(
    {
        "echo", "printf", "cat", "grep", "sed", "awk", "git", "test", "[", "[[", "read", "log", "warn", "die", "apt-get", "apt", "yum", "dnf",
        "apk", "brew", "rm", "which", "type", "mkdir", "cp", "mv", "ls", "info", "error", "curl", "wget",
    }
)  # fmt: skip
"""Programs whose words are text to them, and no command."""


def _run(program: str, after: tuple[str, ...], depth: int) -> Install | None:
    """Return what the command behind ``run`` installs, or what ``uv run --with`` brings besides."""
    with_ones: list[str] = []
    while after and after[0].startswith("-"):
        name, equals, value = after[0].partition("=")
        valued = not equals and (name in _LONG_VALUED or name in ("-n", "-p", "-C"))
        given = value if equals else after[1] if valued and len(after) > 1 else ""
        if name in ("--with", "--with-editable", "--with-requirements"):
            with_ones += {"--with": given.split(","), "--with-editable": ["-e", given]}.get(name, ["-r", given])
        after = after[2:] if valued else after[1:]
    if with_ones:
        return Install(tuple(with_ones), loose_at=True)
    return of(after, depth + 1) if after else None


def _first_only(words: tuple[str, ...]) -> tuple[str, ...]:
    """Return the options of a command that runs one package, and that package; what follows is for the package itself."""
    at, kept = 0, list[str]()
    while at < len(words) and words[at].startswith("-"):
        name, equals, value = words[at].partition("=")
        valued = not equals and (name in _LONG_VALUED or name in _SHORT_VALUED)
        given = value if equals else words[at + 1] if valued and at + 1 < len(words) else ""
        if name in ("--from", "--spec"):
            return (*kept, given)
        if name == "--with":
            kept += given.split(",")
        elif name in _TOLD:
            kept += [name, given]
        at += 2 if valued else 1
    return (*kept, *words[at : at + 1])


def of_conda(words: tuple[str, ...]) -> Iterator[Argument]:
    """Yield the packages, the channels (--channel) and the lists (--file) among the words behind a verb of conda."""
    at = 0
    while at < len(words):
        word = words[at]
        at += 1
        if "\n" in word and word.startswith("-"):
            yield Argument("", word)  # a quote that is not closed: nobody can tell what it holds
            continue
        name, equals, value = word.partition("=")
        name = {"-c": "--channel", "-f": "--file"}.get(name, name)
        if not word.startswith("-"):
            if not re.match(r"(?:\d|&)?[<>]", word):
                yield Argument("", word)
            continue
        if name in _CONDA_VALUED and not equals and at < len(words):
            value, at = words[at], at + 1
        if name in ("--channel", "--file") and value:
            yield Argument(name, value)


def arguments(words: tuple[str, ...], files: bool = False) -> Iterator[Argument]:
    """Yield the packages, files and indexes among the words behind the verb. Redirections are left out."""
    at = 0
    while at < len(words):
        word = words[at]
        at += 1
        if word in ("<", ">", ">>", "2>", "1>", "&>", "2>>"):
            at += 1
        elif re.match(r"(?:\d|&)?>{1,2}|<(?!\()", word) or word in ("2>&1", "&", "\\", "--"):
            continue
        elif "\n" in word and word.startswith("-"):
            yield Argument("", word)
        elif word.startswith("--"):
            name, equals, value = word.partition("=")
            if not equals and name in _LONG_VALUED and at < len(words):
                value, at = words[at], at + 1
            name = _SHORT.get(name, name)
            if name in _TOLD and value:
                yield Argument(name, value)
            elif name in ("--with", "--from", "--spec") and value:
                for one in value.split(","):
                    yield Argument("", one)
        elif word.startswith("-") and len(word) > 1:
            if cluster := re.match(r"-[A-Za-z]*?(?=[rceif])", word) if word[:2] not in _SHORT_VALUED else None:
                word = "-" + word[cluster.end() :]  # flags, and an option with a value behind them: -Ur x.txt
            name = word[:2]
            value = word[2:].removeprefix("=") if name in ("-r", "-c", "-e", "-i", "-f") and len(word) > 2 else ""
            if not value and word in _SHORT_VALUED and at < len(words):
                value, at = words[at], at + 1
            name = _SHORT.get(name, name)
            if name in _TOLD and value:
                yield Argument(name, value)
        elif word.strip():
            yield Argument("-r" if files else "", word)
