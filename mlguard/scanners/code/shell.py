"""Looks at what a notebook, or a script that was a notebook, lets a shell run, load or install."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Sequence

from mlguard.findings import Detection, Location
from mlguard.scanners import lazy
from mlguard.scanners.code.magics import Part
from mlguard.scanners.notebook import Cell, file_place
from mlguard.values import dataclass

MAX_TEXT = 200_000
"""Characters of shell text of one cell that are looked at."""

UNVERIFIED, TLS, SERVER = (
    "code/unverified-download",
    "code/disabled-tls-verification",
    "code/unauthenticated-dev-server",
)

_INSTALL = r"\b(?:pip3?|uv[ \t]+pip|python[\d.]*[ \t]+-m[ \t]+pip)[ \t]+(?:install|download|wheel)\b"
_HTTP = r"http://(?!localhost\b|127\.|0\.0\.0\.0|\[::1\])"
_PLAIN_INSTALL = lazy.pattern(
    rf"{_INSTALL}[^\n;|&]{{0,400}}?(?:[ \t='\"](?:git\+)?{_HTTP}|--trusted-host\b)|\b(?:conda|mamba|micromamba)[ \t]+install\b[^\n;|&]{{0,400}}?[ \t='\"]{_HTTP}"
)
_FETCH = lazy.pattern(
    rf"\b(?:curl|wget|wget2|aria2c|axel)\b[^\n;|&]{{0,400}}?[ \t'\"=]{_HTTP}|\bgit[ \t]+clone\b[^\n;|&]{{0,400}}?[ \t'\"]{_HTTP}"
)
_NO_TLS = lazy.pattern(
    r"\bcurl\b[^\n|;]{0,400}?[ \t](?:-k\b|--insecure\b|-[a-jl-zA-Z]*k[a-zA-Z]*\b)|\bwget\b[^\n|;]{0,400}?--no-check-certificate"
    r"|\bGIT_SSL_NO_VERIFY=(?:1|true)\b|\bhttp\.sslVerify[ =]+(?:false|0)\b|\bconda[ \t]+config\b[^\n;|&]{0,100}\bssl_verify[ \t]+(?:false|no|0)\b"
    r"|\bPYTHONHTTPSVERIFY=0\b|\bHF_HUB_DISABLE_SSL_VERIFICATION=1\b|\bNODE_TLS_REJECT_UNAUTHORIZED=['\"]?0\b|\bnpm[ \t]+config[ \t]+set[ \t]+strict-ssl[ \t]+false\b",
    re.I,
)
_OPEN_SERVER = lazy.pattern(
    r"\bjupyter(?:-\w+)?\b[^\n;|&]{0,400}?--(?:NotebookApp|ServerApp|IdentityProvider|LabApp)\.(?:token|password)=(?:''|\"\"|(?=[ \t\n]|$))"
    r"|\b(?:mlflow[ \t]+(?:ui|server)|tensorboard|mlflow[ \t]+models[ \t]+serve|ray[ \t]+start|dask[ -]scheduler)\b[^\n;|&]{0,400}?"
    r"(?:--(?:host|dashboard-host)[ =]['\"]?(?:0\.0\.0\.0|::)|-h[ \t]+0\.0\.0\.0|--bind_all\b)"
)
_REMOTE = lazy.pattern(r"^['\"]?(?:https?|ftp)://", re.I)
_DOWNLOADS = lazy.pattern(r"\b(?:curl|wget2?|aria2c|fetch|axel)\b")
_UNVERIFIED_VARIABLE = lazy.pattern(
    r"^(?:PYTHONHTTPSVERIFY[ =]+['\"]?0|GIT_SSL_NO_VERIFY[ =]+['\"]?(?:1|true)|HF_HUB_DISABLE_SSL_VERIFICATION[ =]+['\"]?(?:1|true)|"
    r"NODE_TLS_REJECT_UNAUTHORIZED[ =]+['\"]?0|(?:CURL_CA_BUNDLE|REQUESTS_CA_BUNDLE)[ =]+['\"]{2}|(?:CURL_CA_BUNDLE|REQUESTS_CA_BUNDLE)=[ \t]*$)",
    re.I,
)


@dataclass(frozen=True, slots=True)
class Judged:
    """One thing that a text does wrong: rule, check, what kind of thing it is, and the offsets of it."""

    rule: str
    check: str
    what: str
    start: int
    end: int


def detections(path: str, cell: Cell, parts: Sequence[Part]) -> Iterator[Detection]:
    """Yield what the shell lines, shell cells and magics of a notebook's cell do wrong."""
    for part in parts:
        found = (
            judge(part.text) if part.kind == "shell" else fetched(part.name, part.text) if part.kind == "fetch" else ()
        )
        for one in found:
            row, column = _place(part, one.start)
            end_row, end_column = _place(part, one.end)
            line, at = file_place(cell, row, column)
            end_line, end_at = file_place(cell, end_row, end_column)
            place = Location(path, line, at, end_line, end_at, within=f"cell {cell.index}")
            if (end_line, end_at) <= (line, at):
                place = Location(path, line, at, within=f"cell {cell.index}")
            facts: dict[str, str | int] = {"call": one.what, "cell": cell.index, "cell_line": row}
            yield Detection(one.rule, one.check, place, facts, "", _anchor(part.text, one))


def _place(part: Part, offset: int) -> tuple[int, int]:
    """Return row and column in the cell of an offset in the part's text."""
    index = part.text.count("\n", 0, offset)
    before = part.text.rfind("\n", 0, offset) + 1
    return part.row + index, part.columns[min(index, len(part.columns) - 1)] + offset - before


def _anchor(text: str, one: Judged) -> str:
    """Return the program that does it, which stays when its arguments or lines change."""
    words = text[one.start : one.end].split()
    return f"shell {words[0].rsplit('/', 1)[-1][:40] if words else ''}"


def judge(text: str) -> Iterator[Judged]:
    """Yield what a text that a shell runs does wrong: unverified downloads and installs, no check of certificates, open servers."""
    text = text[:MAX_TEXT]
    text = "\n".join(" " * len(line) if line.lstrip().startswith("#") else line for line in text.split("\n"))
    seen: set[tuple[str, int]] = set()

    def new(one: Judged) -> bool:
        key = one.rule, text.count("\n", 0, one.start)
        return key not in seen and not seen.add(key)  # type: ignore[func-returns-value]  # add says nothing

    joined = text.replace("\\\n", "  ")  # a line that goes on is one line; offsets stay
    if _DOWNLOADS.search(joined):
        from mlguard.scanners.infra.shell import remote_execution  # only where something is fetched

        for found in remote_execution(joined):
            one = Judged(UNVERIFIED, "notebook-shell", _SHELL, found["start"], found["end"])
            if new(one):
                yield one
    for rule, check, pattern in _PATTERNS:
        for match in pattern.finditer(joined):
            one = Judged(rule, check, _SHELL, match.start(), match.end())
            if new(one):
                yield one


_SHELL = "A shell line of the notebook"
_PATTERNS = (
    (UNVERIFIED, "notebook-shell", _PLAIN_INSTALL),
    (UNVERIFIED, "notebook-shell", _FETCH),
    (TLS, "verify-off", _NO_TLS),
    (SERVER, "dashboard-without-token", _OPEN_SERVER),
)


def fetched(magic: str, text: str) -> Iterator[Judged]:
    """Yield what a magic that loads code or sets a variable does wrong."""
    rest = text.split("\n", 1)[0].strip()
    start = text.find(rest)
    if magic in ("run", "load", "loadpy") and _REMOTE.match(rest):
        yield Judged(UNVERIFIED, "notebook-shell", f"%{magic}", start, start + len(rest))
    elif magic in ("env", "set_env") and _UNVERIFIED_VARIABLE.match(rest):
        yield Judged(TLS, "verify-off", f"%{magic}", start, start + len(rest))
    elif magic == "tensorboard" and re.search(r"--bind_all\b|--host[ =]['\"]?0\.0\.0\.0", rest):
        yield Judged(SERVER, "dashboard-without-token", "%tensorboard", start, start + len(rest))


# ---- Scripts that were notebooks


_RUNNERS = frozenset({"system", "getoutput", "system_piped", "system_raw", "run_line_magic", "run_cell_magic", "magic"})

Place = Callable[[ast.AST], Location]


def exported(nodes: Sequence[ast.AST], place: Place) -> Iterator[Detection]:
    """Yield what calls of ``get_ipython()`` do wrong, as nbconvert writes magics and shell lines into a script."""
    for node in nodes:
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or node.func.attr not in _RUNNERS:
            continue
        shell = node.func.value
        if not (
            isinstance(shell, ast.Call) and getattr(shell.func, "id", getattr(shell.func, "attr", "")) == "get_ipython"
        ):
            continue
        texts = [
            item.value if isinstance(item, ast.Constant) and isinstance(item.value, str) else "" for item in node.args
        ]
        for rule, check, what in sorted({(one.rule, one.check, one.what) for one in _of_call(node.func.attr, texts)}):
            yield Detection(rule, check, place(node), {"call": what}, "", f"shell {node.func.attr}")


def _of_call(method: str, texts: Sequence[str]) -> Iterator[Judged]:
    if not texts:
        return
    if method == "magic":
        name, _, rest = texts[0].lstrip("%").partition(" ")
    elif method in ("run_line_magic", "run_cell_magic"):
        name, rest = texts[0], "\n".join(texts[1:] if method == "run_line_magic" else texts[2:])
    else:
        name, rest = "system", texts[0]
    if name in ("system", "sx", "sh", "bash", "zsh", "!", "script"):
        yield from judge(rest)
    elif name in ("pip", "conda", "mamba"):
        yield from judge(f"{name} {rest}")
    else:
        yield from fetched(name, rest)


_MAGIC_LINE = lazy.pattern(r"^#[ \t]*MAGIC(?:[ \t](.*))?$")
DATABRICKS = "# Databricks notebook source"
"""The first line of a notebook that Databricks keeps as a Python file."""


def databricks(path: str, text: str) -> Iterator[Detection]:
    """Yield what the ``# MAGIC`` lines of a notebook of Databricks do wrong; they are comments for Python, and run there."""
    lines = text.split("\n")
    at = 0
    while at < len(lines):
        block: list[str] = []
        while at + len(block) < len(lines) and (match := _MAGIC_LINE.match(lines[at + len(block)].rstrip("\r"))):
            block.append(match.group(1) or "")
        for one, row in _of_block(block):
            line = lines[at + row].rstrip("\r")
            place = Location(path, at + row + 1, 1, at + row + 1, len(line) + 1)
            yield Detection(one.rule, one.check, place, {"call": one.what}, "", f"shell magic {one.check}")
        at += max(len(block), 1)


def _of_block(block: Sequence[str]) -> Iterator[tuple[Judged, int]]:
    if not block:
        return
    head = re.match(r"^%(\w+)[ \t]*(.*)$", block[0])
    if head is None:
        return
    name, first = head.groups()
    if name in ("sh", "pip", "conda"):
        text = "\n".join([first if name == "sh" else f"{name} {first}", *block[1:]])
        yield from ((one, text.count("\n", 0, one.start)) for one in judge(text))
    else:
        yield from ((one, 0) for one in fetched(name, first))
