"""Shell text split into the commands and pipelines that it would run, without running or expanding anything."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from typing import Any

from mlguard.scanners import lazy
from mlguard.values import dataclass

MAX_TEXT = 200_000
"""Characters of one script that are looked at."""

MAX_NESTING = 4
"""Levels of ``$( … )``, ``<( … )`` and ``sh -c '…'`` that are followed."""


@dataclass(frozen=True, slots=True)
class Command:
    """One simple command. ``start`` and ``end`` are offsets in the text; ``pipeline`` numbers the pipeline it is in.

    ``words`` are without quotes and assignments in front; ``ends`` is the operator that follows (``&&``, ``|``, ``""``).
    """

    words: tuple[str, ...]
    start: int
    end: int
    pipeline: int
    ends: str
    assignments: tuple[str, ...] = ()

    @property
    def program(self) -> str:
        """The name of what is run, without its folder and without sudo, env and the like in front."""
        rest = effective(self.words)
        return rest[0].rsplit("/", 1)[-1] if rest else ""


class Places:
    """Line (from 0) and column (from 1) of each offset of a text."""

    def __init__(self, text: str) -> None:
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]

    def at(self, offset: int) -> tuple[int, int]:
        line = bisect_right(self._starts, offset) - 1
        return line, offset - self._starts[line] + 1


_OPERATORS = ("&&", "||", ";;", "|&", "\n", ";", "|", "&")
_WRAPPERS = frozenset(
    {"sudo", "env", "command", "exec", "nohup", "time", "then", "do", "else", "if", "while", "until", "!", "{", "("}
)
_TAKES_VALUE = {
    "sudo": frozenset({"-u", "-g", "-U", "-C", "-h", "-p"}),
    "env": frozenset({"-u", "-C"}),
    "exec": frozenset({"-a"}),
}
_ASSIGNMENT = lazy.pattern(r"^[A-Za-z_][A-Za-z0-9_]*\+?=")
_PLAIN = lazy.pattern(r"[\w./=:,@%+~^*?!\[\]-]+")
_SUBSTITUTION = lazy.pattern(r"\$\((?!\()|<\(|`")


def effective(words: tuple[str, ...]) -> tuple[str, ...]:
    """Return the words without ``sudo -E``, ``env A=b``, ``then`` and the like in front."""
    at = 0
    while at < len(words):
        word = words[at].rsplit("/", 1)[-1]
        if _ASSIGNMENT.match(words[at]):
            at += 1
        elif word in _WRAPPERS:
            at += 1
            while at < len(words) and words[at].startswith("-") and words[at] != "-":
                at += 2 if words[at] in _TAKES_VALUE.get(word, ()) else 1
        elif word == "timeout":
            at += 1
            while at < len(words) and (words[at].startswith("-") or words[at][:1].isdigit()):
                at += 1
        else:
            break
    return words[at:]


def commands(text: str) -> list[Command]:
    """Return the commands of a script in order; what cannot be split (an open quote) runs to the end of the text."""
    text = text[:MAX_TEXT]
    found: list[Command] = []
    words: list[str] = []
    word: list[str] = []  # the parts of the word that is being read; a quoted part may be empty
    start = last = pipeline = at = 0

    def end_word() -> None:
        if word:
            words.append("".join(word))
            word.clear()

    def end_command(operator: str) -> None:
        nonlocal pipeline
        if words:
            lead = 0
            while lead < len(words) and _ASSIGNMENT.match(words[lead]):
                lead += 1
            found.append(Command(tuple(words[lead:]), start, last, pipeline, operator, tuple(words[:lead])))
            words.clear()
        if operator not in ("|", "|&"):
            pipeline += 1

    while at < len(text):
        char = text[at]
        if text.startswith("\\\n", at):
            at += 2
        elif char == "#" and not word:
            at = _index(text, "\n", at)
        elif (
            char in " \t\r" or char == ")" or (char == "(" and not word)
        ):  # a group ends the word, and is no part of it
            end_word()
            at += 1
        elif char in "&|;\n" and not (char == "&" and _redirects(text, at)):
            operator = next(one for one in _OPERATORS if text.startswith(one, at))
            end_word()
            goes_on = operator == "\n" and found and found[-1].ends in ("|", "&&", "||") and not words
            if not goes_on:  # no line goes on after an operator
                end_command(operator)
            at += len(operator)
        else:
            if not words and not word:
                start = at
            part, at = _part(text, at)
            word.append(part)
            last = min(at, len(text))
    end_word()
    end_command("")
    return found


def _index(text: str, sign: str, at: int) -> int:
    """Return the offset of the next ``sign``, the end of the text when there is none."""
    end = text.find(sign, at)
    return len(text) if end < 0 else end


def _part(text: str, at: int) -> tuple[str, int]:
    """Return the next part of a word without its quotes, and the offset after it."""
    char = text[at]
    if char == "\\" and at + 1 < len(text):
        return text[at + 1], at + 2
    if char in "'\"":
        end = _index(text, "'", at + 1) if char == "'" else _double_quote(text, at + 1)
        return text[at + 1 : end], end + 1
    if text.startswith(("$(", "<(", ">("), at):
        end = _closing(text, at + 2)
    elif text.startswith("${", at):
        end = min(_index(text, "}", at) + 1, len(text))
    elif char == "`":
        end = min(_index(text, "`", at + 1) + 1, len(text))
    else:
        run = _PLAIN.match(text, at + 1)  # what is plain behind the first character goes with it
        end = run.end() if run else at + 1
    return text[at:end], end


def _redirects(text: str, at: int) -> bool:
    """Say whether the ``&`` at ``at`` is part of ``2>&1``, ``&>`` or ``>&``."""
    return text[at - 1 : at] in (">", "<") or text[at + 1 : at + 2] == ">"


def _double_quote(text: str, at: int) -> int:
    while at < len(text) and text[at] != '"':
        if text[at] == "\\":
            at += 2
        elif text.startswith("$(", at):
            at = _closing(text, at + 2)
        else:
            at += 1
    return min(at, len(text))


def _closing(text: str, at: int) -> int:
    """Return the offset after the parenthesis that closes the one before ``at``; quotes inside are skipped flatly."""
    depth = 1
    while at < len(text):
        char = text[at]
        if char == "\\":
            at += 1
        elif char == "'":
            end = text.find("'", at + 1)
            at = end if end > 0 else len(text)
        elif char == "(":
            depth += 1
        elif char == ")":
            depth -= 1
            if depth == 0:
                return at + 1
        at += 1
    return len(text)


def inner(word: str) -> Iterator[str]:
    """Yield the text of each command or process substitution in a word."""
    at = 0
    while match := _SUBSTITUTION.search(word, at):
        if match.group() == "`":
            end = word.find("`", match.end())
            end = len(word) if end < 0 else end
            yield word[match.end() : end]
            at = end + 1
        else:
            end = _closing(word, match.end())
            yield word[match.end() : end - 1]
            at = end


_DOWNLOADERS = frozenset(
    {
        "curl",
        "wget",
        "wget2",
        "fetch",
        "http",
        "https",
        "aria2c",
        "xh",
        "irm",
        "iwr",
        "Invoke-RestMethod",
        "Invoke-WebRequest",
    }
)
_EVALUATES = frozenset({"iex", "Invoke-Expression", "invoke-expression"})
_FETCHES = lazy.pattern(r"(?i)\bDownloadString\b|\b(?:irm|iwr|Invoke-RestMethod|Invoke-WebRequest)\b")
_SHELLS = frozenset({"sh", "bash", "dash", "ash", "zsh", "ksh", "fish", "busybox"})
_INTERPRETER = lazy.pattern(r"^(?:python[\d.]*|perl|ruby|node|php|Rscript|pwsh)$")
_VERIFIERS = frozenset(
    {
        "sha256sum",
        "sha512sum",
        "sha1sum",
        "shasum",
        "gpg",
        "gpgv",
        "cosign",
        "minisign",
        "openssl",
        "md5sum",
        "b2sum",
        "signify",
    }
)
_URL = lazy.pattern(r"(?:https?|ftp)://[^\s'\"]+|^\$\{?\w*(?:URL|url)\w*\}?")


def reads_stdin(words: tuple[str, ...]) -> bool:
    """Say whether a command executes what comes in through the pipe."""
    words = effective(words)
    if not words:
        return False
    name = words[0].rsplit("/", 1)[-1]
    rest = words[1:]
    if name in _SHELLS:
        if any(word == "-s" or re.match(r"^-[a-z]*s[a-z]*$", word) for word in rest):
            return True
        if any(re.match(r"^-[a-z]*c$", word) for word in rest):
            return False
        return all(word.startswith(("-", "+", "<", ">", "2>")) for word in rest) or "/dev/stdin" in rest
    if _INTERPRETER.match(name):
        return (
            not rest or rest[0] == "-" or (rest[0] in ("-u", "-E", "-I", "-s") and (len(rest) == 1 or rest[1] == "-"))
        )
    return name in _EVALUATES or (name in ("source", ".") and "/dev/stdin" in rest)


def _downloads(text: str, depth: int = 0) -> bool:
    if depth >= MAX_NESTING:
        return False
    return any(
        command.program in _DOWNLOADERS
        or any(_downloads(part, depth + 1) for word in command.words for part in inner(word))
        for command in commands(text)
    )


def _executes_substitution(command: Command) -> bool:
    """``bash <(curl …)``, ``sh -c "$(curl …)"``, ``eval "$(curl …)"``, ``source <(curl …)``."""
    words = effective(command.words)
    if not words:
        return False
    name = words[0].rsplit("/", 1)[-1]
    if name in _EVALUATES:
        return _FETCHES.search(" ".join(words[1:])) is not None
    if name in _SHELLS or _INTERPRETER.match(name):
        taken = [
            word
            for word in words[1:]
            if "<(" in word or (("$(" in word or "`" in word) and _is_script_argument(words, word))
        ]
    elif name in ("eval", "source", "."):
        taken = [word for word in words[1:] if "$(" in word or "<(" in word or "`" in word]
    else:
        return False
    return any(_downloads(part, 1) for word in taken for part in inner(word))


def _is_script_argument(words: tuple[str, ...], word: str) -> bool:
    at = words.index(word)
    return at > 0 and re.match(r"^-[a-z]*[ce]$", words[at - 1]) is not None and word.lstrip().startswith(("$(", "`"))


def _saved_as(command: Command) -> set[str]:
    """Return the file names that a download is written to."""
    words = effective(command.words)
    saved = set()
    for at, word in enumerate(words[:-1]):
        if word in ("-o", "--output", "-O", "--output-document", ">", ">>") and not words[at + 1].startswith("-"):
            saved.add(words[at + 1])
        elif word.startswith(("--output=", "--output-document=")):
            saved.add(word.partition("=")[2])
    for word in words[1:]:
        if match := re.match(r"^-[a-zA-Z]*o(/[^\s]+)$|^>{1,2}(\S+)$", word):
            saved.add(match.group(1) or match.group(2))
        if match := re.match(r"^https?://\S*?/([^/?#\s]+)(?:[?#].*)?$", word):
            saved.add(match.group(1))
    return {name for name in saved if not name.startswith(("http:", "https:")) and name not in ("-", "/dev/null")}


def remote_execution(text: str) -> Iterator[dict[str, Any]]:
    """Yield what a script downloads and runs: how, and the offsets of the text that does it.

    ``how`` is "pipe" (also by substitution), or "file" for a download that is run later without a check of its digest or
    signature anywhere in the same script.
    """
    found = commands(text)
    verified = any(command.program in _VERIFIERS for command in found)
    downloaded: dict[str, Command] = {}
    source: dict[int, Command] = {}
    for command in found:
        if command.program in _DOWNLOADERS and command.pipeline not in source:
            source[command.pipeline] = command
        elif command.pipeline in source and reads_stdin(command.words):
            yield {"how": "pipe", "start": source[command.pipeline].start, "end": command.end}
        if _executes_substitution(command):
            yield {"how": "pipe", "start": command.start, "end": command.end}
        if command.program in _DOWNLOADERS:
            downloaded |= dict.fromkeys(_saved_as(command), command)
        elif not verified and (ran := _ran(command, downloaded)):
            first = downloaded.pop(ran)
            yield {"how": "file", "start": first.start, "end": first.end}
        if (
            command.program in _SHELLS
            and len(command.words) > 2
            and command.words[1] in ("-c", "-lc", "-ec", "-euxc", "-exc")
        ):
            for nested in _nested(command.words[2]):
                yield {"how": nested, "start": command.start, "end": command.end}


def _nested(text: str) -> Iterator[str]:
    for command in commands(text):
        if command.program in _SHELLS and "-c" in command.words:
            return  # one level is enough to see what people write
    yield from (item["how"] for item in remote_execution(text))


def _ran(command: Command, downloaded: dict[str, Command]) -> str:
    """Return the downloaded file that a command runs, or ""."""
    words = effective(command.words)
    if not words:
        return ""
    name = words[0].rsplit("/", 1)[-1]
    candidates = [words[0]]
    if name in _SHELLS or _INTERPRETER.match(name) or name in ("source", "."):
        candidates += [next((word for word in words[1:] if not word.startswith(("-", "+"))), "")]
    for candidate in candidates:
        for saved in downloaded:
            if candidate and (candidate == saved or candidate.removeprefix("./") == saved.removeprefix("./")
                              or ("/" in candidate and candidate.rsplit("/", 1)[-1] == saved)):  # fmt: skip
                return saved
    return ""
