"""Reads what settings around the manifests say of packages: where installers look, which Python runs, what telemetry is switched off.

Dockerfiles, pipelines, compose files, settings of pip, uv and conda, and files of variables. They are read line by line: what is looked for is an
assignment of a name that is known.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from functools import cache
from itertools import islice

from mlguard import lazy, tables
from mlguard.artifacts import Artifact
from mlguard.facts import Switch
from mlguard.findings import Detection, Location, Record
from mlguard.scanners.dependencies import runtimes
from mlguard.scanners.dependencies.manifests import foreign_host

MAX_BYTES = 2**20
"""The largest file of settings that is read."""

MAX_LINE = 4_000
"""Characters of a line that are looked at."""

CONFUSION = "dep/dependency-confusion"
RUNTIME = "dep/end-of-life-runtime"

_NAMES = frozenset({
    ".python-version", "runtime.txt", ".tool-versions", "tox.ini", "pip.conf", "pip.ini", ".condarc", "condarc", "uv.toml", ".gitlab-ci.yml",
    "azure-pipelines.yml", "azure-pipelines.yaml", "bitbucket-pipelines.yml", "config.toml",
})  # fmt: skip
_COMPOSE = lazy.pattern(
    r"(?i)(?:^|/)(?:docker-)?compose(?:[.-][\w.-]+)?\.ya?ml$|(?:^|/)\.circleci/config\.ya?ml$|(?:^|/)\.streamlit/config\.toml$"
)
_KINDS = frozenset({"dockerfile", "workflow", "env"})
_OF_VARIABLES = frozenset({"kubernetes", "shell"})
"""Kinds in which only variables that switch telemetry off are looked for."""


def wants(artifact: Artifact) -> bool:
    """Say whether a file has settings that are judged."""
    name = posixpath.basename(artifact.path)
    if name == "config.toml":
        return artifact.path.endswith(".streamlit/config.toml")
    return artifact.kind in _KINDS or name in _NAMES or _COMPOSE.search(artifact.path) is not None


def may_switch(artifact: Artifact) -> bool:
    """Say whether a file may set variables, which count for the packages of the tree."""
    return artifact.kind in _OF_VARIABLES and artifact.size <= MAX_BYTES


def records(artifact: Artifact, text: str, today: date) -> Iterator[Record]:
    """Yield what a file of settings shows, in the order of its lines for each kind of thing."""
    name = posixpath.basename(artifact.path)
    if wants(artifact):
        yield from _indexes(artifact.path, name, text)
        yield from _runtimes(artifact, name, text, today)
    yield from switches(artifact.path, text)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.split("\n"), 1):
        yield number, line[:MAX_LINE].rstrip("\r")


def _at(path: str, line: int, start: int, end: int) -> Location:
    return Location(path, line, start + 1, 0, end + 1)


# ---- where installers look

_VARIABLE = lazy.pattern(
    r"(?<![\w$-])(?P<name>(?:PIP|UV|POETRY|PDM)_[A-Z_]+)[\"']?\s*(?:[:=]\s*|(?<=[A-Z])[ \t]+)(?P<value>\"[^\"]*\"|'[^']*'|[^\s,;&|}\"']*(?:\s+https?://\S+)*)"
)
_EXTRA = frozenset({"PIP_EXTRA_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_INDEX"})
_HOSTS = frozenset({"PIP_TRUSTED_HOST", "UV_INSECURE_HOST"})
_PLACES = frozenset({"PIP_INDEX_URL", "UV_INDEX_URL", "UV_DEFAULT_INDEX", "PIP_FIND_LINKS", "UV_FIND_LINKS"})
_SETTING = lazy.pattern(
    r"^\s*(?P<name>extra-index-url|extra_index_url|trusted-host|trusted_host|index-url|index_url|find-links|find_links|index-strategy|pre)\s*[=:]\s*(?P<value>.*)$"
)
_PIP_CONFIG = lazy.pattern(
    r"\bpip[\d.]*\s+config\s+(?:--?\w[\w-]*\s+)*set\s+(?:--?\w[\w-]*\s+)*[\"']?(?:global|user|site|install|env|download|wheel)\.(?P<name>[a-z-]+)[\"']?\s+(?P<value>\S+)"
)

_COMMAND = lazy.pattern(r"(?:^|\s)(--extra-index-url)(?:[=\s]|$)")


def _indexes(path: str, name: str, text: str) -> Iterator[Record]:
    settings = name in ("pip.conf", "pip.ini", "uv.toml")
    if name in (".condarc", "condarc"):
        yield from _condarc(path, text)
        return
    if (
        not settings
        and "PIP_" not in text
        and "UV_" not in text
        and "config" not in text
        and "--extra-index-url" not in text
    ):
        return
    rows = [line for _, line in _lines(text)]
    for number, line in enumerate(rows, 1):
        if line.lstrip().startswith("#"):
            continue
        if settings and (match := _SETTING.match(line)):
            value = match["value"].strip() or _continued(rows, number)
            yield from _option(path, number, line, match["name"].replace("_", "-"), value.strip("\"'[]"))
        elif not settings:
            for match in _PIP_CONFIG.finditer(line):
                yield from _option(path, number, line, match["name"], match["value"].strip("\"'"))
            if (match := _COMMAND.search(line)) and not _asks_hashes(rows, number):
                yield _confused("extra-index", path, number, line, match[1])
            for match in _VARIABLE.finditer(line):
                yield from _environment(path, number, line, match["name"], match["value"].strip().strip("\"'"))


_OWN_INDEX = lazy.pattern(r"(?m)^\s*(?:index-url|index_url)\s*=\s*[\"']?([^\s\"']+)")


def own_index(path: str, text: str) -> str:
    """Return the host that a configuration of pip or uv names instead of the default index, "" for none."""
    name = path.rpartition("/")[2]
    match = _OWN_INDEX.search(text) if name in ("pip.conf", "pip.ini", "uv.toml") else None
    return foreign_host(match[1]) if match else ""


def _continued(rows: Sequence[str], number: int) -> str:
    """Return the value that stands on the indented line after a key."""
    row = rows[number] if number < len(rows) else ""
    return row.strip() if row[:1].isspace() else ""


MAX_COMMAND_LINES = 50
"""Lines of one command before and after the one that is looked at."""


def _asks_hashes(rows: Sequence[str], number: int) -> bool:
    """Say whether the command that a line belongs to asks for hashes."""
    first = last = number - 1
    while first > 0 and rows[first - 1].endswith("\\") and number - first < MAX_COMMAND_LINES:
        first -= 1
    while last + 1 < len(rows) and rows[last].endswith("\\") and last - number < MAX_COMMAND_LINES:
        last += 1
    return any("--require-hashes" in row for row in rows[first : last + 1])


def _option(path: str, number: int, line: str, name: str, value: str) -> Iterator[Record]:
    if name == "extra-index-url" and value:
        yield _confused("extra-index", path, number, line, name)
    elif name == "trusted-host" and value:
        yield _confused("trusted-host", path, number, line, name)
    elif name in ("index-url", "find-links") and value.lower().startswith("http://"):
        yield _confused("http-index", path, number, line, name)
    elif name == "index-strategy" and value.startswith("unsafe-"):
        yield _confused("extra-index", path, number, line, name)


def _environment(path: str, number: int, line: str, name: str, value: str) -> Iterator[Record]:
    if not value or re.fullmatch(r"\$\{?" + name + r"(?::?[-+?][^}]*)?\}?", value):
        return  # handed on: where it is set counts
    if name in _EXTRA:
        yield _confused("extra-index", path, number, line, name)
    elif name in _HOSTS:
        yield _confused("trusted-host", path, number, line, name)
    elif name in _PLACES and value.lower().startswith("http://"):
        yield _confused("http-index", path, number, line, name)
    elif name == "UV_INDEX_STRATEGY" and value.startswith("unsafe-"):
        yield _confused("extra-index", path, number, line, name)


def _confused(check: str, path: str, number: int, line: str, name: str) -> Detection:
    start = max(line.find(name), 0)
    return Detection(CONFUSION, check, _at(path, number, start, len(line.rstrip())), {"option": name}, anchor=name)


_CHANNEL = lazy.pattern(r"^\s*-\s*[\"']?([\w.:/@-]+)")


def _condarc(path: str, text: str) -> Iterator[Record]:
    channels: list[tuple[int, str]] = []
    inside, strict = False, False
    for number, line in _lines(text):
        if re.match(r"^(?:channel_priority)\s*:\s*[\"']?strict", line):
            strict = True
        if re.match(r"^ssl_verify\s*:\s*[\"']?(?:false|no|off)\b", line, re.I):
            yield _confused("trusted-host", path, number, line, "ssl_verify")
        if re.match(r"^\S", line):
            inside = bool(re.match(r"^(?:channels|default_channels)\s*:", line))
        elif inside and (match := _CHANNEL.match(line)):
            channels.append((number, match[1]))
            if match[1].lower().startswith("http://"):
                yield _confused("http-index", path, number, line, match[1][:0] or "channels")
    if mixed(channel for _, channel in channels) and not strict:
        yield Detection(
            CONFUSION, "mixed-channels", Location(path, channels[0][0]), {"option": "channels"}, anchor="channels"
        )


DEFAULTS = frozenset({"defaults", "main", "anaconda", "r", "msys2"})
"""Channels that Anaconda, Inc. fills."""


def mixed(channels: Iterator[str]) -> bool:
    """Say whether channels of Anaconda stand beside others: with any other priority than strict, a name may come from either."""
    named = [channel.rstrip("/").rsplit("/", 1)[-1].lower() for channel in channels]
    return any(name in DEFAULTS for name in named) and any(
        name not in DEFAULTS and name != "nodefaults" for name in named
    )


# ---- which Python runs

_FROM = lazy.pattern(r"^\s*FROM\s+(?:--\S+\s+)*(?P<image>\S+)", re.I)
_IMAGE = lazy.pattern(r"^\s*-?\s*(?:image|container|name)\s*:\s*[\"']?(?P<image>[\w./:@-]+)")
_VERSIONS = lazy.pattern(
    r"^\s*-?\s*[\"']?(?:python-version|python_version|pythonVersion|python|versionSpec|PYTHON_VERSION|python-versions)[\"']?\s*:\s*(?P<value>\S.*)?$"
)
_VERSION = lazy.pattern(r"(?<![\w.$])[\"']?(?P<version>[23]\.\d{1,2})(?:\.(?:\d+|x|\*))?[\"']?(?![\w.])")
_ITEM = lazy.pattern(r"^\s*-\s*[\"']?(?P<version>[23]\.\d{1,2})(?:\.(?:\d+|x))?[\"']?\s*(?:#.*)?$")
_ENV_LIST = lazy.pattern(r"^\s*env_?list\s*=\s*(.*)$")
_FACTOR = lazy.pattern(r"(?<![\w.])py(?:thon)?(\d)\.?(\d{1,2})(?![\w.])|(?<![\w.])py\{([\d,\s-]+)\}")


def _runtimes(artifact: Artifact, name: str, text: str, today: date) -> Iterator[Record]:
    path = artifact.path
    if name in (".python-version", "runtime.txt", ".tool-versions"):
        found = [(number, column, version) for number, column, version in runtimes.in_text(name, text)]
        yield from _judged(path, found[:1] if name != ".tool-versions" else found, today)
    elif name == "tox.ini":
        yield from _tox(path, text, today)
    elif artifact.kind == "dockerfile":
        yield from _images(path, text, _FROM, today)
    elif name.endswith((".yml", ".yaml")):
        yield from _images(path, text, _IMAGE, today)
        yield from _pipelines(path, text, today)


def _images(path: str, text: str, pattern: re.Pattern[str], today: date) -> Iterator[Record]:
    arguments: dict[str, str] = {}
    for number, line in _lines(text):
        if argument := re.match(r"^\s*ARG\s+(\w+)=[\"']?([\w./:@-]+)", line, re.I):
            arguments[argument[1]] = argument[2]
        match = pattern.match(line)
        if match is None and "$" in line and (plain := re.match(r"^\s*FROM\s+(?:--\S+\s+)*(\S+)", line, re.I)):
            match = plain
        if match is None:
            continue
        image = match[1]
        if "$" in image:
            image = re.sub(r"\$\{?(\w+)(?::?-[^}]*)?\}?", lambda found: arguments.get(found[1], "?"), image)
        if ended := runtimes.image(image, today):
            yield _ended(path, number, match.start(1), match.end(1), ended)


MAX_VERSIONS = 200
"""Versions of one list, and lines of a list over several lines."""


def _pipelines(path: str, text: str, today: date) -> Iterator[Record]:
    """Judge each place that names versions of Python: a value, a list, or a block of items."""
    rows = [line for _, line in _lines(text)]
    number = 0
    while number < len(rows):
        match = _VERSIONS.match(rows[number])
        number += 1
        if match is None:
            continue
        value = (match["value"] or "").split(" #", 1)[0]
        places = _versions_in(value, number, match.start("value"))
        if not value.strip():
            while number < len(rows) and len(places) < MAX_VERSIONS and (item := _ITEM.match(rows[number])):
                number += 1
                places.append((number, item.start("version") + 1, item["version"]))
        elif "[" in value and "]" not in value:
            end = min(len(rows), number + MAX_VERSIONS)
            while number < end:
                number += 1
                places += _versions_in(rows[number - 1], number, 0)
                if "]" in rows[number - 1]:
                    break
        yield from _judged(path, places[:MAX_VERSIONS], today)


def _versions_in(text: str, line: int, before: int) -> list[tuple[int, int, str]]:
    return [
        (line, before + one.start("version") + 1, one["version"])
        for one in islice(_VERSION.finditer(text), MAX_VERSIONS)
    ]


def _tox(path: str, text: str, today: date) -> Iterator[Record]:
    yield from _judged(path, list(runtimes.in_text("tox.ini", text)), today)
    found: list[tuple[int, int, str]] = []
    inside = False
    for number, line in _lines(text):
        if _ENV_LIST.match(line):
            inside = True
        elif inside and line and not line[0].isspace():
            inside = False
        if not inside:
            continue
        for factor in _FACTOR.finditer(line):
            versions = (
                [f"{factor[1]}.{factor[2]}"]
                if factor[1]
                else [f"{one.strip()[:1]}.{one.strip()[1:]}" for one in factor[3].split(",")]
            )
            found += [
                (number, factor.start() + 1, version) for version in versions if re.fullmatch(r"[23]\.\d{1,2}", version)
            ]
    yield from _judged(path, found, today)


def _judged(path: str, places: list[tuple[int, int, str]], today: date) -> Iterator[Record]:
    """Yield one finding where all versions that are named together have ended, at the first of them."""
    ended = runtimes.all_ended([version for _, _, version in places], today)
    if ended is not None:
        number, column, version = places[0]
        yield _ended(path, number, column - 1, column - 1 + len(version), ended)


def _ended(path: str, number: int, start: int, end: int, ended: runtimes.Ended) -> Detection:
    return detection(_at(path, number, start, end), ended)


def detection(place: Location, ended: runtimes.Ended, check: str = "runtime", package: str = "") -> Detection:
    """Return the detection of something that has ended."""
    facts = {
        "what": ended.what,
        "day": tables.month(ended.day),
        "instead": ended.instead or "a release that is kept up",
    }
    return Detection(RUNTIME, check, place, facts, package, ended.what, package)


# ---- what telemetry is switched off


@cache
def variables() -> Mapping[str, str]:
    """Return the variables that switch telemetry off, with the patterns of the values that do."""
    return {
        str(name): str(pattern)
        for tool in tables.table("package-services")["telemetry"]
        for name, pattern in tool["off"].items()
    }


@cache
def _switch() -> re.Pattern[str]:
    names = "|".join(sorted(variables(), key=len, reverse=True))
    return re.compile(
        rf"(?<![\w$-])(?P<name>{names})[\"']?(?:\s*[:=,]\s*|[ \t]+)(?P<value>\"[^\"\n]*\"|'[^'\n]*'|[\w.-]+)"
    )


_HINTS = (
    "TELEMETRY",
    "DO_NOT_TRACK",
    "ANALYTICS",
    "USAGE",
    "YOLO_",
    "OTEL_SDK",
    "HF_HUB_OFFLINE",
    "TRACKING",
    "telemetry",
    "gatherUsage",
    "analytics",
)
_STREAMLIT = lazy.pattern(r"^\s*gatherUsageStats\s*=\s*(?P<value>\w+)", re.M)
_NAMED = lazy.pattern(
    r"^\s*-?\s*\{?\s*name\s*:\s*[\"']?(?P<name>[A-Z_]+)[\"']?\s*(?:,\s*value\s*:\s*(?P<value>[\"']?\w+[\"']?))?"
)
_VALUE = lazy.pattern(r"^\s*value\s*:\s*(?P<value>[\"']?\w+[\"']?)")


def switches(path: str, text: str) -> Iterator[Switch]:
    """Yield the variables of the table that a file sets."""
    if not any(hint in text for hint in _HINTS):
        return
    known = variables()
    waiting = ""
    for number, line in _lines(text):
        if line.lstrip().startswith("#"):
            continue
        if (match := _STREAMLIT.match(line)) and path.endswith("config.toml"):
            yield Switch("STREAMLIT_BROWSER_GATHER_USAGE_STATS", path, number, match["value"].lower() == "false")
        if (named := _NAMED.match(line)) and named["name"] in known:
            waiting = named["name"]
            if named["value"]:
                yield _set(waiting, path, number, named["value"])
                waiting = ""
            continue
        if waiting:
            if value := _VALUE.match(line):
                yield _set(waiting, path, number, value["value"])
            waiting = ""
            continue
        for match in _switch().finditer(line):
            yield _set(match["name"], path, number, match["value"])


def _set(name: str, path: str, number: int, value: str) -> Switch:
    return Switch(name, path, number, is_off(name, value.strip("\"'")))


def is_off(name: str, value: str) -> bool:
    """Say whether a value of a variable turns telemetry off."""
    return re.search(variables()[name], value.strip()) is not None
