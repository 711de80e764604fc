"""Makes as much of a broken Python file parse as can be: the lines that cannot are left out, and all others keep their places.

What comes out is never run, and the file stays a gap: it is there so that a typing error hides nothing else.
"""

from __future__ import annotations

import ast
import codecs
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

from mlguard import lazy

MAX_ATTEMPTS = 80
"""Lines that are taken out one by one before the text is looked at block by block."""

MAX_PARSED = 6 * 2**20
"""Characters that are parsed in all attempts; about two seconds."""


@dataclass(frozen=True, slots=True)
class Mended:
    """Text that parses, with as many lines as the original, and the numbers (from 1) of those that were left out."""

    text: str
    lost: frozenset[int]


def text_of(data: bytes) -> str:
    """Return the text of a Python file in whatever encoding it seems to be, with a space for each null byte. Line ends are ``\\n``."""
    text = _decoded(data).replace("\0", " ").replace("\f", " ")
    return text.replace("\r\n", "\n").replace("\r", "\n")


_COOKIE = lazy.pattern(rb"\A(?:[ \t\f]*(?:#[^\r\n]*)?\r?\n)?[ \t\f]*#[^\r\n]*?coding[:=][ \t]*([-\w.]+)")
"""PEP 263: on the first line, or on the second when the first is a comment or empty."""


def _decoded(data: bytes) -> str:
    for mark, name in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if data.startswith(mark):
            return data.decode(name, "replace")
    if data[1:2] == b"\0" and data[3:4] == b"\0":
        return data.decode("utf-16-le", "replace")
    if data[:1] == b"\0" and data[2:3] == b"\0":
        return data.decode("utf-16-be", "replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        pass
    if (cookie := _COOKIE.match(data)) is not None:
        try:
            found = codecs.lookup(cookie.group(1).decode("ascii"))
            if found.name in _CHARACTERS or found.name.startswith(
                ("cp", "iso8859", "koi8", "mac", "euc", "shift", "gb", "big5")
            ):
                return data.decode(found.name, "replace")
        except (LookupError, UnicodeError, ValueError):
            pass
    return data.decode("latin-1")


_CHARACTERS = frozenset({"utf-8", "ascii", "latin-1", "hz", "johab", "ptcp154", "tis-620"})
"""Codecs that turn bytes into characters and do nothing else."""


def mend(text: str) -> Mended | None:
    """Return a text that parses, None when nothing of it does."""
    lines = text.split("\n")
    if _error(text) is None:
        return Mended(text, frozenset())
    old = any(_PRINT.match(line) or _EXCEPT.match(line) or _RAISE.match(line) or "<>" in line for line in lines)
    modern = [_modern(line) for line in lines] if old else lines.copy()
    lost: set[int] = set()
    budget = MAX_PARSED
    for _ in range(MAX_ATTEMPTS):
        budget -= len(text)
        error = _error("\n".join(modern))
        if error is None:
            return Mended("\n".join(modern), frozenset(lost))
        if budget < 0 or not error.line:
            break
        at = _take_out(modern, error)
        if at is None:
            break
        lost.add(at + 1)
    return _by_blocks([_modern(line) for line in lines] if old else lines)


@dataclass(frozen=True, slots=True)
class _Error:
    line: int  # 0: not known
    indentation: bool
    header: int  # the line of a compound statement without a body, 0: none


def _error(text: str) -> _Error | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(text)
    except SyntaxError as error:
        header = re.search(r"expected an indented block after .* on line (\d+)", error.msg or "")
        return _Error(error.lineno or 0, isinstance(error, IndentationError), int(header.group(1)) if header else 0)
    except (ValueError, RecursionError, MemoryError, OverflowError):
        return _Error(0, False, 0)
    return None


def _take_out(lines: list[str], error: _Error) -> int | None:
    """Take the line of an error out, or the one above when there is nothing left of it; return its index."""
    at = min(error.header or error.line, len(lines)) - 1
    while at >= 0:
        line = lines[at]
        bare = line.strip()
        if bare and bare != "pass":
            indent = line[: len(line) - len(line.lstrip())]
            lines[at] = "" if error.indentation and not error.header else f"{indent}pass"
            return at
        if bare == "pass":
            lines[at] = ""
            return at
        at -= 1
    return None


_OPENS = lazy.pattern(r"^(?![\s#)\]}]|(?:else|elif|except|finally|case)\b)")


def _by_blocks(lines: list[str]) -> Mended | None:
    """Return the blocks at the left margin that parse, each by itself; of the others, the lines that parse alone."""
    kept: list[str] = []
    lost: set[int] = set()
    any_kept = False
    for start, end in _blocks(lines):
        block = lines[start:end]
        if _error("\n".join(block)) is None:
            kept += block
            any_kept |= any(line.strip() for line in block)
            continue
        for number, line in enumerate(block, start + 1):
            bare = line.strip()
            if bare and not bare.startswith("#") and len(bare) < 2000 and _error(bare) is None:
                kept.append(
                    bare if line.startswith(bare) else f"if 1:{line[5:]}" if line[:5].isspace() else f"if 1: {bare}"
                )
                any_kept = True
            else:
                kept.append("")
                if bare:
                    lost.add(number)
    whole = "\n".join(kept)
    return Mended(whole, frozenset(lost)) if any_kept and _error(whole) is None else None


def _blocks(lines: list[str]) -> Iterator[tuple[int, int]]:
    start = 0
    for at in range(1, len(lines)):
        if _OPENS.match(lines[at]) and not lines[at - 1].startswith("@"):
            yield start, at
            start = at
    yield start, len(lines)


_PRINT = lazy.pattern(r"^(\s*(?:[^#'\"\n]*[:;][ \t]*)?)print([ \t]+)(?:>>[ \t]*[\w.]+[ \t]*,?)?(?![=(.,)\]])(?=\S)")
_EXCEPT = lazy.pattern(r"^(\s*except[ \t]+[\w., ()]+?)(,[ \t]*\w+)([ \t]*:)")
_RAISE = lazy.pattern(r"^(\s*raise[ \t]+[\w.]+)[ \t]*,")
_OCTAL = lazy.pattern(r"(?<![\w.])0(?=[0-7]+\b(?![.\w]))")
_LONG = lazy.pattern(r"(?<=\d)[lL]\b")
_RAW_UNICODE = lazy.pattern(r"\b[uU]([rR])(?=['\"])")


def _modern(line: str) -> str:
    """Return a line of Python 2 as one of Python 3 that means about the same, with everything in its column.

    What ``print`` prints becomes the value of a ``yield``, which has as many letters and parses in the same places.
    """
    if match := _PRINT.match(line):
        line = (
            f"{match.group(1)}yield{' ' * (match.end() - match.end(1) - 5)}{line[match.end() :].rstrip().rstrip(',')}"
        )
    if match := _EXCEPT.match(line):
        line = f"{match.group(1)}{' ' * len(match.group(2))}{line[match.end(2) :]}"
    if match := _RAISE.match(line):
        line = match.group(1)
    if "<>" in line:
        line = line.replace("<>", "!=")
    if "0" in line:
        line = _OCTAL.sub(" ", line)
    if "L" in line or "l" in line:
        line = _LONG.sub(" ", line)
    return _RAW_UNICODE.sub(r" \1", line)
