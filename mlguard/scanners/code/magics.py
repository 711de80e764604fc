"""Tells what is Python, what a shell runs, and what is a file of its own in the cells of a notebook.

The syntax is that of IPython (https://ipython.readthedocs.io/en/stable/interactive/magics.html and .../reference.html) and of
Databricks (https://docs.databricks.com/en/notebooks/notebooks-code.html, "Mix languages").
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from mlguard import lazy
from mlguard.scanners.notebook import Cell
from mlguard.values import dataclass

KEEPS = frozenset(
    [
        "time", "timeit", "capture", "prun", "memit", "mprun", "lprun", "python", "python3", "pypy", "px", "debug", "profile",
        "pyinstrument", "snakeviz", "scalene", "memray_flamegraph", "heat", "wandb", "spark", "local", "pyspark", "snowpark", "cython",
        "autopx", "skip_if", "tb", "notify", "ipytest", "unittest_main", "run_pytest", "with_temp_dir", "manim", "fprofile",
    ]
)  # fmt: skip
"""Cell magics whose body is Python."""

SHELLS = frozenset(["bash", "sh", "zsh", "ksh", "dash", "sx", "system", "!"])
"""Cell magics whose body a shell runs."""

LANGUAGES = frozenset(
    ["r", "julia", "scala", "ruby", "perl", "rust", "cpp", "c", "cu", "cuda", "fortran", "octave", "matlab", "java", "kotlin", "go", "csharp", "fsharp", "powershell", "pwsh", "cmd"]
)  # fmt: skip
"""Cell magics, in lower case, whose body is a program in a language that nobody here reads."""

_TEXTS = frozenset(
    ["sql", "bigquery", "html", "javascript", "js", "svg", "latex", "markdown", "md", "css", "cypher", "sparql", "graphql", "configure", "ai", "bq", "athena", "mermaid", "script", "writefile", "file", "fs", "help", "info", "logs", "cleanup", "sh", "run", "writetemplate"]
)  # fmt: skip
"""Cell magics whose body is text, or decided by what follows the name."""

_WHOLE_CELL = frozenset(["sql", "sh", "md", "scala", "r", "fs", "python"])
"""Line magics that take the rest of the cell with them on Databricks."""

_AUTOMATIC = r"(?:pip3?|conda|mamba|micromamba|uv|cd|ls|ll|cat|cp|mv|rm|mkdir|rmdir|man|more|less|head|tail|wget|curl|git|apt|apt-get|run|load|time|timeit|env)"
"""Magics and commands that people write without a sign in front; IPython's automagic takes those that are magics."""

_HEAD = lazy.pattern(r"^[ \t]*%%[ \t]*(!|[\w.+-]*)[ \t]*(.*)$")
_LINE_HEAD = lazy.pattern(r"^[ \t]*%[ \t]*([\w+-]+)[ \t]*(.*)$")
_LINE_KEEPS = lazy.pattern(
    r"^([ \t]*)%(?:time|timeit|prun|memit|lprun|mprun|debug|snakeviz|pyinstrument)[ \t]+(?:-(?:[a-zA-Z]\b[ \t]*(?:\d+|[\w.]+(?=[ \t]))?|[a-zA-Z]\d+)[ \t]*)*(?=\S)"
)
_ASSIGNED_KEEPS = lazy.pattern(r"^([ \t]*[\w.,\[\]'\" \t]*?=[ \t]*)%(?:time|timeit)[ \t]+(?:-[a-z]+\d*[ \t]+)*(?=\S)")
_ASSIGNED = lazy.pattern(r"^([ \t]*[\w.,\[\]'\" \t]*?=)[ \t]*(?:!|%)(?!=).*$")
_MAGIC = lazy.pattern(r"^[ \t]*(?:[!%?]|[,;/][\w.]+(?:[ \t]|$)|[\w.\[\]()'\"*]+\?{1,2}[ \t]*$)")
_BARE = lazy.pattern(rf"^{_AUTOMATIC}[ \t]+(?![=(\[.,:+*/|&<>%@^]|-[ \t]|(?:in|is|and|or|if|not|for)\b)\S")
_SHELL_LINE = lazy.pattern(
    rf"^[ \t]*(?:[\w.,\[\]'\" \t]*?=[ \t]*)?(!!?|%(?=(?:sx|system|sh|bash)[ \t])\w+|%(?=(?:pip|conda|mamba|micromamba|uv)\b)|(?={_AUTOMATIC}[ \t]))[ \t]*(.*)$"
)
_FETCHING = lazy.pattern(r"^[ \t]*%(run|load|loadpy|load_ext|pastebin|tensorboard|env|set_env)\b[ \t]*(.*)$")
_INTERPRETERS = lazy.pattern(r"(?:^|[\s/])(?:ba|z|k|da)?sh(?:\s|$)")
_PYTHONS = lazy.pattern(r"(?:^|[\s/])python[\d.]*(?:\s|$)")
_WRITES = lazy.pattern(r"^(?:-a[ \t]+|--append[ \t]+)?(['\"]?)(\S.*?)\1[ \t]*$")

Parses = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Part:
    """Lines of a cell that belong together: ``lines[i]`` is on row ``row + i`` of the cell (from 1), from column ``columns[i]`` on (from 1).

    ``kind`` is "shell", "python" for a file that the cell writes, "fetch" for a magic that loads or sets something, "foreign" for another
    language. ``name`` is that of the magic or file.
    """

    kind: str
    row: int
    lines: tuple[str, ...]
    columns: tuple[int, ...]
    name: str = ""

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


@dataclass(frozen=True, slots=True)
class Split:
    """What a code cell holds: its Python, line for line with all else made harmless ([] when there is none), and the other parts."""

    python: list[str]
    parts: tuple[Part, ...]


def split(cell: Cell, parses: Parses) -> Split:
    """Return the parts of a code cell of a Python notebook. ``parses`` says whether a text is Python."""
    lines = cell.source.split("\n")
    first = next((at for at, line in enumerate(lines) if line.strip()), None)
    if first is None:
        return Split([], ())
    if head := _HEAD.match(lines[first]):
        return _whole(lines, first, head.group(1), head.group(2), parses)
    if (line := _LINE_HEAD.match(lines[first])) and _takes_all(
        line.group(1).lower(), line.group(2), lines[first + 1 :], parses
    ):
        return _databricks(lines, first, line.group(1).lower(), line.group(2), parses)
    return _mixed(lines, parses)


def _takes_all(name: str, rest: str, below: Sequence[str], parses: Parses) -> bool:
    """Say whether a line magic is one of Databricks, which makes the whole cell another language."""
    if name not in _WHOLE_CELL or not any(line.strip() for line in below):
        return False
    return not rest.strip() or not parses("\n".join(_harmless(below)))


def _databricks(lines: list[str], first: int, name: str, rest: str, parses: Parses) -> Split:
    if name == "python":
        return _mixed([*lines[:first], "", *lines[first + 1 :]], parses)
    if name == "sh":
        body = [*lines[:first], lines[first].replace("%sh", "   ", 1), *lines[first + 1 :]]
        return Split([], (_part("shell", body, 0, name),))
    return Split([], (_part("foreign", lines, first + 1, name),) if name in LANGUAGES else ())


def _part(kind: str, lines: Sequence[str], first: int, name: str) -> Part:
    some = tuple(lines[first:])
    return Part(kind, first + 1, some, (1,) * len(some), name)


def _whole(lines: list[str], first: int, name: str, rest: str, parses: Parses) -> Split:
    """Return the parts of a cell with a cell magic."""
    body = first + 1
    lower = name.lower()
    if lower in ("writefile", "file", "writetemplate"):
        match = _WRITES.match(rest)
        file = match.group(2) if match else rest
        suffix = file.rsplit(".", 1)[-1].lower() if "." in file else ""
        kind = {"py": "python", "pyw": "python", "pyi": "python", "sh": "shell", "bash": "shell", "zsh": "shell"}.get(
            suffix, ""
        )
        return Split([], (_part(kind, lines, body, file),) if kind else ())
    if lower == "script" and _PYTHONS.search(rest):
        return _mixed([""] * body + lines[body:], parses)
    if lower in SHELLS or lower == "script" and _INTERPRETERS.search(rest):
        some = [*lines[:first], lines[first][lines[first].find("!") + 1 :] if name == "!" else "", *lines[body:]]
        return Split([], (_part("shell", some, body if name != "!" else first, name),))
    if lower in LANGUAGES:
        return Split([], (_part("foreign", lines, body, name),))
    text = [""] * body + lines[body:]
    if lower == "timeit" and rest and not rest.startswith("-") and parses(rest):
        text[first] = rest  # what is done once before the time is taken
    if (
        lower in KEEPS
        or lower not in _TEXTS
        and any(line.strip() for line in lines[body:])
        and parses("\n".join(_harmless(text)))
    ):
        return _mixed(text, parses)
    return Split([], ())


def _mixed(lines: list[str], parses: Parses) -> Split:
    """Return the parts of a cell of Python with magics among its lines."""
    if parses("\n".join(lines)):
        return Split(lines, ())  # a percent sign at the start of a line may well be Python
    found: list[Part] = []
    return Split(list(_harmless(lines, found)), tuple(found))


_LEXEME = lazy.pattern(r"#.*|\"\"\"|'''|\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|[\[({]|[\])}]")


def _nesting(line: str, quote: str, depth: int) -> tuple[str, int]:
    """Return the triple quote and the number of brackets that are open after a line."""
    at = 0
    while True:
        if quote:
            end = line.find(quote, at)
            if end < 0:
                return quote, depth
            at, quote = end + 3, ""
        match = _LEXEME.search(line, at)
        if match is None:
            return quote, depth
        at = match.end()
        found = match.group()
        if found in ('"""', "'''"):
            quote = found
        elif len(found) == 1:
            depth = depth + 1 if found in "[({" else max(depth - 1, 0)


def _harmless(lines: Sequence[str], found: list[Part] | None = None) -> Iterator[str]:
    """Yield the lines with magics and shell lines made harmless, and put those into ``found``."""
    quote, depth = "", 0
    rest = 0  # lines that belong to a magic above
    for at, line in enumerate(lines):
        if rest:
            rest -= 1
            yield ""
        elif quote or depth:
            quote, depth = _nesting(line, quote, depth)
            yield line
        elif keeps := _LINE_KEEPS.match(line):
            blank = keeps.end() - len(keeps.group(1)) - 2
            kept = f"{keeps.group(1)}0;{' ' * blank}{line[keeps.end() :]}"
            quote, depth = _nesting(kept, quote, depth)
            yield kept
        elif keeps := _ASSIGNED_KEEPS.match(line):
            kept = keeps.group(1) + " " * (keeps.end() - keeps.end(1)) + line[keeps.end() :]
            quote, depth = _nesting(kept, quote, depth)
            yield kept
        elif (assigned := _ASSIGNED.match(line)) or _MAGIC.match(line) or _BARE.match(line):
            rest = _continued(lines, at)
            if found is not None:
                found.extend(_of_line(lines, at, rest))
            yield f"{assigned.group(1)} None" if assigned else line[: len(line) - len(line.lstrip())] + "pass"
        else:
            quote, depth = _nesting(line, quote, depth)
            yield line


def _continued(lines: Sequence[str], at: int) -> int:
    """Return how many lines after this one belong to it, because each before ends with a backslash."""
    count = 0
    while at + count + 1 < len(lines) and lines[at + count].rstrip().endswith("\\"):
        count += 1
    return count


def _of_line(lines: Sequence[str], at: int, more: int) -> Iterator[Part]:
    """Yield what a magic or shell line at an index stands for, with the lines that continue it."""
    after = tuple(lines[at + 1 : at + 1 + more])
    for kind, pattern in (("shell", _SHELL_LINE), ("fetch", _FETCHING)):
        if match := pattern.match(lines[at]):
            text, column = match.group(2), match.start(2) + 1
            yield Part(kind, at + 1, (text, *after), (column, *(1,) * more), match.group(1))
            return
