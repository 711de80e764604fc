"""Finds dangerous calls in lines of Python that cannot be parsed, by their text alone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from mlguard.scanners import lazy
from mlguard.values import dataclass

MAX_FOUND = 500
"""Things that are told of one file."""

MAX_GUARDED = 2000
"""Calls of one file whose arguments are looked at."""

MAX_CALL = 2000
"""Characters behind a called name in which its arguments are looked for."""

INJECTION, UNSAFE, TLS = (
    "code/command-or-code-injection",
    "code/unsafe-deserialization",
    "code/disabled-tls-verification",
)
DOWNLOAD, REMOTE, SERVER = "code/unverified-download", "code/trusted-remote-code", "code/unauthenticated-dev-server"


@dataclass(frozen=True, slots=True)
class Seen:
    """One thing in a text: rule, check, what is called, and its line and columns from 1; ``end`` is the column after it."""

    rule: str
    check: str
    call: str
    line: int
    column: int
    end: int


_PICKLES = (
    "pickle",
    "_pickle",
    "cPickle",
    "cpickle",
    "dill",
    "cloudpickle",
    "pickle5",
    "torch.serialization.pickle",
    "compat_pickle",
)
_CALLS: Mapping[str, tuple[str, str]] = {
    "eval": (INJECTION, "bandit-b307"), "exec": (INJECTION, "bandit-b102"), "execfile": (INJECTION, "bandit-b102"),
    **dict.fromkeys(
        ("os.system", "os.popen", "os.popen2", "os.popen3", "os.popen4", "subprocess.getoutput", "subprocess.getstatusoutput", "commands.getoutput", "commands.getstatusoutput", "popen2.popen2", "popen2.popen3", "asyncio.create_subprocess_shell"),
        (INJECTION, "shell-command"),
    ),
    **{f"{module}.{name}": (UNSAFE, "pickle-load") for module in _PICKLES for name in ("load", "loads", "Unpickler")},
    **dict.fromkeys(("marshal.load", "marshal.loads", "shelve.open", "jsonpickle.decode", "jsonpickle.unpickler.decode"), (UNSAFE, "pickle-load")),
    **dict.fromkeys(("joblib.load", "sklearn.externals.joblib.load", "skops.io.loads_unsafe"), (UNSAFE, "joblib-load")),
    **dict.fromkeys(("pandas.read_pickle", "geopandas.read_pickle"), (UNSAFE, "pandas-read-pickle")),
    **dict.fromkeys(("yaml.unsafe_load", "yaml.unsafe_load_all"), (UNSAFE, "yaml-load")),
    "torch.jit.load": (UNSAFE, "torch-jit-load"), "torch.hub.load": (REMOTE, "torch-hub-load"),
    **dict.fromkeys(("ssl._create_unverified_context", "ssl._create_stdlib_context", "urllib3.disable_warnings"), (TLS, "verify-off")),
}  # fmt: skip
"""Calls that are reported whatever their arguments are, with the rule and check that a parsed file has for them."""

_GUARDED: Mapping[str, tuple[str, str, str, bool]] = {
    "torch.load": (UNSAFE, "torch-load-default", r"weights_only\s*=\s*True\b", False),
    "yaml.load": (UNSAFE, "yaml-load", r"\b(?:C?SafeLoader|C?BaseLoader)\b", False),
    "yaml.load_all": (UNSAFE, "yaml-load", r"\b(?:C?SafeLoader|C?BaseLoader)\b", False),
    "numpy.load": (UNSAFE, "numpy-allow-pickle", r"allow_pickle\s*=\s*True\b", True),
    **{
        f"subprocess.{name}": (INJECTION, "shell-command", r"\bshell\s*=\s*(?:True|1)\b", True)
        for name in ("call", "run", "Popen", "check_call", "check_output")
    },
}  # fmt: skip
"""Calls that depend on their arguments: a pattern, and whether it must be there (True) or must not."""

_ARGUMENTS: tuple[tuple[str, re.Pattern[str], str, str], ...] = (
    ("trust_remote_code", lazy.pattern(r"\btrust_remote_code\s*=\s*(?:True|1)\b"), REMOTE, "trust-remote-code"),
    ("verify", lazy.pattern(r"(?<![\w.])verify\s*=\s*False\b"), TLS, "verify-off"),
    ("shell", lazy.pattern(r"\bshell\s*=\s*True\b"), INJECTION, "shell-command"),
    ("allow_pickle", lazy.pattern(r"\ballow_pickle\s*=\s*True\b"), UNSAFE, "numpy-allow-pickle"),
    ("safe_mode", lazy.pattern(r"\bsafe_mode\s*=\s*False\b"), UNSAFE, "keras-safe-mode-off"),
    ("weights_only", lazy.pattern(r"\bweights_only\s*=\s*False\b"), UNSAFE, "torch-load"),
    (
        "allow_dangerous_deserialization",
        lazy.pattern(r"\ballow_dangerous_deserialization\s*=\s*True\b"),
        UNSAFE,
        "langchain-dangerous-load",
    ),
    (
        "allow_dangerous_",
        lazy.pattern(r"\ballow_dangerous_(?:code|requests)\s*=\s*True\b"),
        INJECTION,
        "code-execution-tool",
    ),
    ("share", lazy.pattern(r"\bshare\s*=\s*True\b"), SERVER, "gradio-share"),
    ("debug", lazy.pattern(r"\.run\s*\([^()\n]{0,300}\bdebug\s*=\s*True\b"), SERVER, "debug-server"),
    ("_create_default", lazy.pattern(r"_create_default_https_context\s*="), TLS, "verify-off"),
)
"""Arguments that say the same whatever is called with them, each with a word that it holds."""

_STATEMENT = lazy.pattern(r"(?m)^[ \t]*(exec)[ \t]+(?![=.,:)\]])[^\s=]")
"""Python 2 has ``exec`` as a statement."""

_HTTP = lazy.pattern(
    r"(?:urlretrieve|urlopen|\bdownload|read_csv|read_parquet|read_json|\bget|download_url|get_file|load_state_dict_from_url)\s{0,20}\(\s{0,200}[rfbuRFBU]{0,2}['\"]http://(?!localhost|127\.|0\.0\.0\.0)"
)
_DOWNLOADERS = lazy.pattern(
    r"(?:^|\.)(?:urlretrieve|urlopen|wget\.download|read_csv|read_parquet|read_json|(?:requests|httpx)\.get|download_url|get_file|load_state_dict_from_url)$"
)
_NAME_BEFORE = lazy.pattern(r"[\w.]{0,100}$")
_CALL = lazy.pattern(r"(?<![\w.])([A-Za-z_]\w*(?:\s*\.\s*[A-Za-z_]\w*){0,6})\s*\(")
_IMPORT = lazy.pattern(r"(?m)^[ \t]*(?:>>>[ \t]*)?import[ \t]+([\w., \t]+)")
_FROM = lazy.pattern(r"(?m)^[ \t]*from[ \t]+([\w.]+)[ \t]+import[ \t]+(?:\(([^()]{0,5000})\)|([^\n(#]{1,2000}))")
_ALIAS = lazy.pattern(r"([\w.]+)(?:\s+as\s+(\w+))?$")
_MASKED = lazy.pattern(
    r"#[^\n]*+|[rRbBuUfF]{0,2}(?:\"\"\"[^\\\"]*+(?:(?:\\.|\"(?!\"\"))[^\\\"]*+)*+(?:\"\"\"|\Z)|\'\'\'[^\\\']*+(?:(?:\\.|\'(?!\'\'))[^\\\']*+)*+(?:\'\'\'|\Z)"
    r"|\"[^\"\\\n]*+(?:\\.[^\"\\\n]*+)*+\"?|\'[^\'\\\n]*+(?:\\.[^\'\\\n]*+)*+\'?)",
    re.S,
)
_USUAL = {"np": "numpy", "pd": "pandas", "sp": "subprocess"}
"""What these names stand for where the line that says so is lost."""


def found(text: str, only: frozenset[int] | None = None) -> Iterator[Seen]:
    """Yield what the lines of a text call, in their order: all of them, or ``only`` those with these numbers (from 1).

    Comments and strings are no calls, as far as their ends can be told in a text that is no Python.
    """
    code = _MASKED.sub(_blank, text)
    aliases = _aliases(text if len(text) < 2**20 else code)
    seen: dict[tuple[int, str], Seen] = {}
    starts = _Starts(text)
    for start, end, rule, check, call in (*_calls(code, aliases), *_arguments(code), *_downloads(text, code)):
        line, column = starts.at(start)
        if only is None or line in only:
            seen.setdefault(
                (line, rule), Seen(rule, check, call, line, column, column + min(end, starts.end(line)) - start)
            )
        if len(seen) >= MAX_FOUND:
            break
    yield from sorted(seen.values(), key=lambda one: (one.line, one.column, one.rule))


def _blank(match: re.Match[str]) -> str:
    whole = match.group()
    if "\n" not in whole:
        return " " * len(whole)
    return "".join(char if char == "\n" else " " for char in whole)


class _Starts:
    def __init__(self, text: str) -> None:
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self._length = len(text)

    def at(self, offset: int) -> tuple[int, int]:
        from bisect import bisect_right

        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1

    def end(self, line: int) -> int:
        return self._starts[line] - 1 if line < len(self._starts) else self._length


def _aliases(text: str) -> dict[str, str]:
    """Return what names stand for, by the lines that import."""
    known = dict(_USUAL)
    for match in _IMPORT.finditer(text):
        for part in match.group(1).split(","):
            if alias := _ALIAS.match(part.strip()):
                name, other = alias.groups()
                known[other or name.split(".")[0]] = name if other else name.split(".")[0]
    for match in _FROM.finditer(text):
        for part in (match.group(2) or match.group(3) or "").split(","):
            if alias := _ALIAS.match(part.strip()):
                known[alias.group(2) or alias.group(1)] = f"{match.group(1)}.{alias.group(1)}"
    return known


Found = tuple[int, int, str, str, str]


def _calls(code: str, aliases: Mapping[str, str]) -> Iterator[Found]:
    looked = 0
    for match in _CALL.finditer(code):
        first, *rest = re.sub(r"\s", "", match.group(1)).split(".")
        path = ".".join([aliases.get(first, first), *rest])
        if (told := _CALLS.get(path)) is not None:
            if not _defines(code, match.start()):
                yield match.start(), match.end() - 1, *told, path
        elif (guarded := _GUARDED.get(path)) is not None and looked < MAX_GUARDED:
            looked += 1
            rule, check, pattern, wanted = guarded
            if bool(re.search(pattern, code[match.end() : match.end() + _extent(code, match.end())])) == wanted:
                yield match.start(), match.end() - 1, rule, check, path
    for match in _STATEMENT.finditer(code):
        yield match.start(1), match.end(1), INJECTION, "bandit-b102", "exec"


def _defines(code: str, at: int) -> bool:
    return code[max(at - 8, 0) : at].rstrip().endswith(("def", "class"))


def _extent(code: str, at: int) -> int:
    """Return how many characters of arguments follow an opening bracket."""
    depth = 1
    for length, char in enumerate(code[at : at + MAX_CALL]):
        depth += (char in "([{") - (char in ")]}")
        if depth == 0:
            return length
    return MAX_CALL


def _arguments(code: str) -> Iterator[Found]:
    for word, pattern, rule, check in _ARGUMENTS:
        for match in pattern.finditer(code) if word in code else ():
            yield match.start(), match.end(), rule, check, re.sub(r"\s", "", match.group().split("=")[0]).lstrip(".")


def _downloads(text: str, code: str) -> Iterator[Found]:
    for match in _HTTP.finditer(text) if "http://" in text else ():
        head = _NAME_BEFORE.search(
            text, max(match.start() - 100, 0), match.start() + len(match.group().split("(")[0].rstrip())
        )
        if head is not None and code[match.start()] != " " and _DOWNLOADERS.search(head.group()):
            yield head.start(), head.end(), DOWNLOAD, "plain-http", head.group().lstrip(".")
