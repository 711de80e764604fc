"""Dockerfiles as stages, instructions and the container that the last stage starts."""

from __future__ import annotations

import json
import os
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from itertools import islice
from pathlib import PurePosixPath
from typing import Any

from mlguard.artifacts import Artifact
from mlguard.errors import Unreadable
from mlguard.findings import Gap
from mlguard.scanners import Context, read_text
from mlguard.scanners.infra import installs, shell
from mlguard.scanners.infra.containers import Started, image, seen
from mlguard.scanners.infra.fetches import CHECKS, Fetch, code_fetches, is_weights, model_fetches
from mlguard.scanners.infra.images import floating
from mlguard.scanners.infra.operators import image_parts
from mlguard.scanners.infra.resources import REFERENCE, Path, Position, Resource, Unknown, reference

MAX_BYTES = 2 * 2**20
"""The largest Dockerfile that is read."""

MAX_EXPANSION = 10_000
"""Characters that a text may grow to when variables are put in."""

MAX_NAMES = 1_000
"""Names in the folder of a Dockerfile that are looked at."""

MAX_HEREDOCS = 32
"""Blocks of text that one instruction may carry."""

_DIRECTIVE = re.compile(r"^#\s*([A-Za-z][A-Za-z0-9]*)\s*=\s*(.*?)\s*$")
_KEYWORDS = frozenset(
    [
        "FROM", "RUN", "CMD", "LABEL", "MAINTAINER", "EXPOSE", "ENV", "ADD", "COPY", "ENTRYPOINT", "VOLUME", "USER",
        "WORKDIR", "ARG", "ONBUILD", "STOPSIGNAL", "HEALTHCHECK", "SHELL",
    ]
)  # fmt: skip
_HEREDOC = re.compile(r"(?<![<\w])\d*<<(-?)(['\"]?)([A-Za-z_][\w.-]*)\2(?=$|[\s>|&;)])")
_FLAG = re.compile(r"--([a-z][a-z-]*)(?:=(\S*))?(?=\s|$)")
_PREDEFINED = frozenset(
    f"{side}{part}" for side in ("TARGET", "BUILD") for part in ("PLATFORM", "OS", "ARCH", "VARIANT")
) | {"HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY", "SOURCE_DATE_EPOCH"}


@dataclass(frozen=True, slots=True)
class Heredoc:
    """A block of text that an instruction carries. ``line`` is its first line, from 1."""

    name: str
    text: str
    line: int
    quoted: bool


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction as written. ``text`` is what follows the keyword and its flags, with continued lines joined.

    ``places`` maps offsets of ``text`` to line and column: (offset, line, column), ascending.
    """

    keyword: str
    text: str
    flags: tuple[tuple[str, str], ...]
    heredocs: tuple[Heredoc, ...]
    at: Position
    places: tuple[tuple[int, int, int], ...]
    onbuild: bool = False

    def position(self, start: int, end: int) -> Position:
        """Return the place of a part of ``text``."""
        line, column = self._place(start)
        end_line, end_column = self._place(max(start, end - 1))
        return Position(line, column, end_line, end_column + 1)

    def _place(self, offset: int) -> tuple[int, int]:
        begin, line, column = self.places[max(0, bisect_right(self.places, (offset, 2**31, 0)) - 1)]
        return line, column + offset - begin


def parse(text: str) -> list[Instruction]:
    """Return the instructions of a Dockerfile. Raises Unreadable for text that holds no instruction."""
    lines = text.replace("\r\n", "\n").split("\n")
    escape, at = _directives(lines)
    found: list[Instruction] = []
    while at < len(lines):
        if not lines[at].strip() or lines[at].lstrip().startswith("#"):
            at += 1
            continue
        instruction, at = _instruction(lines, at, escape)
        if instruction is not None:
            found.append(instruction)
    if not found:
        raise Unreadable("no instruction of a Dockerfile was found")
    return found


def _directives(lines: Sequence[str]) -> tuple[str, int]:
    """Return the escape character and the first line after the parser directives."""
    escape = "\\"
    for at, line in enumerate(lines):
        match = _DIRECTIVE.match(line.strip())
        if not match:
            return escape, at
        if match[1].lower() == "escape" and match[2] in ("\\", "`"):
            escape = match[2]
    return escape, len(lines)


def _instruction(lines: Sequence[str], at: int, escape: str) -> tuple[Instruction | None, int]:
    """Read one instruction from line index ``at``; return it (None: not one) and the index after it."""
    first = at
    parts: list[str] = []
    places: list[tuple[int, int, int]] = []
    length = 0
    last = at
    while at < len(lines):
        line = lines[at]
        if at > first and (not line.strip() or line.lstrip().startswith("#")):
            at += 1
            continue
        stripped = line.rstrip()
        goes_on = stripped.endswith(escape)
        part = stripped[:-1] if goes_on else stripped
        indent = len(part) - len(part.lstrip()) if at == first else 0
        part = part[indent:]
        places.append((length, at + 1, indent + 1))
        parts.append(part)
        length += len(part)
        last = at
        at += 1
        if not goes_on:
            break
    whole = "".join(parts)
    end = len(lines[last].rstrip())
    keyword, offset, onbuild = _keyword(whole)
    if keyword is None:
        return None, at
    flags, offset = _flags(whole, offset)
    body = whole[offset:]
    heredocs: tuple[Heredoc, ...] = ()
    if keyword in ("RUN", "COPY", "ADD") and "<<" in body:
        heredocs, at = _heredocs(lines, at, body)
        if heredocs:
            last, end = at - 1, len(lines[at - 1])
    moved = tuple((max(0, begin - offset), line, column + max(0, offset - begin)) for begin, line, column in places)
    kept = tuple(place for index, place in enumerate(moved) if index + 1 == len(moved) or moved[index + 1][0] > 0)
    start = places[0]
    position = Position(start[1], start[2], last + 1, end + 1)
    return Instruction(keyword, body, flags, heredocs, position, kept, onbuild), at


def _keyword(whole: str) -> tuple[str | None, int, bool]:
    onbuild = False
    offset = 0
    while match := re.compile(r"\s*([A-Za-z]+)(?:\s+|$)").match(whole, offset):
        word = match[1].upper()
        if word not in _KEYWORDS:
            return None, 0, False
        offset = match.end()
        if word != "ONBUILD" or onbuild:
            return word, offset, onbuild
        onbuild = True
    return None, 0, False


def _flags(whole: str, offset: int) -> tuple[tuple[tuple[str, str], ...], int]:
    flags = []
    while match := _FLAG.match(whole, offset):
        flags.append((match[1], match[2] or ""))
        offset = match.end()
        offset += len(whole[offset:]) - len(whole[offset:].lstrip())
    return tuple(flags), offset


def _heredocs(lines: Sequence[str], at: int, body: str) -> tuple[tuple[Heredoc, ...], int]:
    """Return the heredocs that ``body`` opens and the index after the last; none when one is never closed."""
    found: list[Heredoc] = []
    for match in islice(_HEREDOC.finditer(body), MAX_HEREDOCS):
        if body[: match.start()].count("'") % 2 or body[: match.start()].count('"') % 2:
            continue  # inside a quoted text
        start = at
        while at < len(lines) and (lines[at].lstrip("\t") if match[1] else lines[at]) != match[3]:
            at += 1
        if at == len(lines):
            return tuple(found), start
        block = [line.lstrip("\t") if match[1] else line for line in lines[start:at]]
        found.append(Heredoc(match[3], "\n".join(block), start + 1, bool(match[2])))
        at += 1
    return tuple(found), at


# Variables

_VARIABLE = re.compile(r"\\\$|\$(?:\{([A-Za-z_]\w*)(?:(:?[-+?])((?:[^{}]|\{[^{}]*\})*)|[#%/][^}]*)?\}|([A-Za-z_]\w*))")


def expand(text: str, values: Mapping[str, str | None], depth: int = 0, what: str = "build argument") -> str:
    """Return ``text`` with variables put in. What is not known before the build becomes a reference; unset is empty."""
    if "$" not in text or depth > 5:
        return text

    def put(match: re.Match[str]) -> str:
        name, sign, other = match[1] or match[4], match[2], match[3] or ""
        if not name:
            return "$"
        value = values.get(name)
        known = name in values and value is not None
        if sign in ("-", ":-") and not (known and (value or sign == "-")):
            return expand(other, values, depth + 1, what)
        if sign in ("+", ":+"):
            return expand(other, values, depth + 1, what) if value else ""
        if known:
            return str(value)
        return reference(f"{what} {name}")

    return _VARIABLE.sub(put, text)[:MAX_EXPANSION]


def assignments(text: str) -> list[tuple[str, str, int, int]]:
    """Return (name, value, start, end) of what ENV, ARG or LABEL sets, without quotes; the old form ``ENV name value`` too."""
    found: list[tuple[str, str, int, int]] = []
    at = 0
    token = re.compile(r"\s*((?:[^\s\"'\\]|\\.|\"(?:\\.|[^\"\\])*\"?|'[^']*'?)+)")
    while match := token.match(text, at):
        at = match.end()
        name, equals, value = match[1].partition("=")
        if not equals and not found:
            rest = text[at:].strip()
            return [(name, rest, match.start(1), len(text.rstrip()))]
        found.append((name.strip("\"'"), _unquoted(value), match.start(1), match.end(1)))
    return found


def _unquoted(text: str) -> str:
    return re.sub(
        r"\\(.)|\"((?:\\.|[^\"\\])*)\"?|'([^']*)'?",
        lambda match: match[1] or re.sub(r"\\([\"\\])", r"\1", match[2] or "") or match[3] or "",
        text,
        flags=re.S,
    )


def exec_form(text: str) -> list[str] | None:
    """Return the words of the JSON form, or None for the shell form."""
    if not text.lstrip().startswith("["):
        return None
    try:
        words = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return words if isinstance(words, list) and all(isinstance(word, str) for word in words) else None


# Stages


@dataclass(slots=True)
class _Stage:
    index: int
    name: str
    base: str
    platform: str
    at: Position
    base_at: Position
    parent: _Stage | None
    variables: dict[str, str | None]
    instructions: list[Instruction] = field(default_factory=list)
    user: str = ""
    user_at: Position | None = None
    workdir: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    environment_at: dict[str, Position] = field(default_factory=dict)
    ports: list[str] = field(default_factory=list)
    ports_at: list[Position] = field(default_factory=list)
    entrypoint: list[str] = field(default_factory=list)
    entrypoint_at: Position | None = None
    command: list[str] = field(default_factory=list)
    command_at: Position | None = None
    healthcheck: bool = False
    healthcheck_at: Position | None = None
    earlier: frozenset[str] = frozenset()

    def is_before(self, name: str) -> bool:
        """Say whether a stage of this file before this one has the name or the number."""
        return name.isdigit() or name.lower() in self.earlier


def read(artifacts: Sequence[Artifact], context: Context) -> Iterator[Resource | Gap]:
    """Yield the stages, instructions and the container of each Dockerfile. One that cannot be read is a gap."""
    for artifact in artifacts:
        try:
            yield from _read(artifact.path, read_text(context, artifact.path, MAX_BYTES), context)
        except Unreadable as error:
            yield Gap("infra", artifact.path, "unreadable", str(error))


def _read(path: str, text: str, context: Context) -> Iterator[Resource]:
    stages = _stages(parse(text))
    if not stages:
        raise Unreadable("there is no FROM, so no image can be built from it")
    shipped = _shipped(stages)
    build = _BuildContext(context, path)
    for stage in stages:
        yield _stage(path, stage, stage is stages[-1], stage.index in shipped)
        verified = any(_compares(one) for one in stage.instructions)
        for number, instruction in enumerate(stage.instructions):
            found = _resource(path, stage, instruction, number, stage is stages[-1], stage.index in shipped, build)
            found.attributes["verified"] = verified  # type: ignore[index]  # made just now
            yield found
    last = stages[-1]
    yield _container(path, last)


def _compares(instruction: Instruction) -> bool:
    """Say whether a step compares digests or checks a signature."""
    return instruction.keyword == "RUN" and any(one.program in CHECKS for one in shell.commands(instruction.text))


def _shipped(stages: Sequence[_Stage]) -> set[int]:
    """Return the indices of the last stage and of the stages that it stands on."""
    found = set()
    stage: _Stage | None = stages[-1]
    while stage is not None:
        found.add(stage.index)
        stage = stage.parent
    return found


def _stages(instructions: Sequence[Instruction]) -> list[_Stage]:
    stages: list[_Stage] = []
    outer: dict[str, str | None] = {}
    for instruction in instructions:
        if instruction.keyword == "FROM" and not instruction.onbuild:
            stages.append(_from(instruction, stages, outer))
        elif not stages:
            if instruction.keyword == "ARG":
                for name, value, _, _ in assignments(instruction.text):
                    outer[name] = expand(value, outer) if "=" in instruction.text else None
        else:
            _apply(stages[-1], instruction, outer)
            stages[-1].instructions.append(instruction)
    return stages


_NOTEBOOKS = re.compile(r"(?:^|/)jupyter/[\w-]+(?:[:@]|$)")
"""Images of the Jupyter Docker Stacks, which say as whom they run in NB_UID and NB_USER."""


def _from(instruction: Instruction, stages: Sequence[_Stage], outer: Mapping[str, str | None]) -> _Stage:
    words = [(match.group(), match.start(), match.end()) for match in re.finditer(r"\S+", instruction.text)]
    raw, start, end = words[0] if words else ("", 0, 0)
    base = expand(raw.strip("\"'"), outer)
    name = words[2][0] if len(words) > 2 and words[1][0].upper() == "AS" else ""
    flags = dict(instruction.flags)
    parent = next((stage for stage in reversed(stages) if stage.name and stage.name.lower() == base.lower()), None)
    stage = _Stage(
        len(stages), name, base, flags.get("platform", ""), instruction.at, instruction.position(start, end), parent, {}
    )
    stage.earlier = frozenset(one.name.lower() for one in stages if one.name)
    if parent is not None:
        stage.user, stage.user_at, stage.workdir = parent.user, parent.user_at, parent.workdir
        stage.environment, stage.environment_at = dict(parent.environment), dict(parent.environment_at)
        stage.ports, stage.ports_at = list(parent.ports), list(parent.ports_at)
        stage.entrypoint, stage.entrypoint_at = parent.entrypoint, parent.entrypoint_at
        stage.command, stage.command_at = parent.command, parent.command_at
        stage.healthcheck = parent.healthcheck
        stage.variables = dict(parent.environment)
    elif _NOTEBOOKS.search(base):
        stage.variables = {"NB_UID": "1000", "NB_USER": "jovyan", "NB_GID": "100"}
    return stage


def _apply(stage: _Stage, instruction: Instruction, outer: Mapping[str, str | None]) -> None:
    """Let an instruction change what the stage's image is. ONBUILD changes only images built on it."""
    if instruction.onbuild:
        return
    keyword, text = instruction.keyword, instruction.text
    whole = instruction.position(0, len(text)) if text else instruction.at
    if keyword == "ARG":
        for name, value, start, end in assignments(text):
            if name in stage.environment:
                continue  # ENV wins over ARG
            given = "=" in text[start:end]
            stage.variables[name] = expand(value, stage.variables) if given else outer.get(name)
            if name in _PREDEFINED:
                stage.variables[name] = None
    elif keyword == "ENV":
        for name, value, start, end in assignments(text):
            stage.environment[name] = stage.variables[name] = expand(value, stage.variables)
            stage.environment_at[name] = instruction.position(start, end)
    elif keyword == "USER":
        user = expand(text.strip().strip("\"'"), stage.variables)
        stage.user = user.partition(":")[0].strip()
        stage.user_at = instruction.at
    elif keyword == "WORKDIR":
        stage.workdir = expand(text.strip(), stage.variables)
    elif keyword == "EXPOSE":
        for match in re.finditer(r"\S+", text):
            stage.ports.append(expand(match.group(), stage.variables))
            stage.ports_at.append(instruction.position(match.start(), match.end()))
    elif keyword == "HEALTHCHECK":
        stage.healthcheck, stage.healthcheck_at = text.strip().upper() != "NONE", instruction.at
    elif keyword == "ENTRYPOINT":
        stage.entrypoint, stage.entrypoint_at = _argv(text), whole
        stage.command, stage.command_at = [], None  # as the builder does for a CMD of the base
    elif keyword == "CMD":
        stage.command, stage.command_at = _argv(text), whole


def _argv(text: str) -> list[str]:
    words = exec_form(text)
    if words is not None:
        return words
    found = shell.commands(text)
    return [word for command in found for word in (*command.assignments, *command.words)]


@cache
def _image_users() -> dict[str, str]:
    """Return the user that well-known base images run as, by a pattern of their names."""
    from mlguard import tables

    table = tables.table("base_images")
    return {str(entry["image"]): str(entry["user"]) for entry in table.get("users", ())}


def _user_of(image: str) -> str:
    name, tag, _ = image_parts(image)
    plain = name.removeprefix("docker.io/").removeprefix("library/")
    for pattern, user in _image_users().items():
        wanted, _, wanted_tag = pattern.partition(":")
        if fnmatchcase(plain, wanted) and fnmatchcase(tag, wanted_tag or "*"):
            return user
    return ""


def _stage(path: str, stage: _Stage, last: bool, shipped: bool) -> Resource:
    root = stage
    while root.parent is not None:
        root = root.parent
    external = stage.parent is None and stage.base.lower() != "scratch"
    inherited = "" if stage.user else ("" if REFERENCE.search(root.base) else _user_of(root.base))
    attributes: dict[str, Any] = {
        "last": last,
        "shipped": shipped,
        "name": stage.name,
        "base": stage.base,
        "external": external,
        "platform": stage.platform,
        "user": stage.user or inherited or "root",
        "user_given": bool(stage.user or inherited),
        "workdir": stage.workdir,
        "environment": dict(stage.environment),
        "ports": [port.partition("/")[0] for port in stage.ports],
        "healthcheck": stage.healthcheck,
        "starts": bool(stage.entrypoint or stage.command or stage.ports),
    }
    if external and not REFERENCE.search(stage.base):
        attributes |= image(stage.base)
    elif external:
        attributes |= {
            "image": stage.base,
            "registry": image(stage.base)["registry"],
            "floating": _open_tag(stage.base),
        }
    positions: dict[Path, Position] = {(): stage.at}
    for name in ("base", "image", "tag", "floating", "ended", "image_name"):
        positions[(name,)] = stage.base_at
    if stage.user_at is not None:
        positions[("user",)] = stage.user_at
    if stage.healthcheck_at is not None:
        positions[("healthcheck",)] = stage.healthcheck_at
    positions |= {("environment", name): at for name, at in stage.environment_at.items()}
    positions |= {("ports", index): at for index, at in enumerate(stage.ports_at)}
    label = stage.name or f"stage-{stage.index}"
    return Resource(
        "docker.stage",
        label,
        f"{path}:{label}",
        path,
        attributes,
        positions,
        ("image",) if last else ("image", "derived"),
    )


def _open_tag(base: str) -> Any:
    """Say whether the tag moves when a part of the name is not known before the build."""
    tail = base.rpartition("/")[2]
    if "@sha256:" in base or (":" in tail and not REFERENCE.search(tail)):
        return floating(REFERENCE.sub("x", base))
    return Unknown(REFERENCE.findall(base)[0])


_DATA_FILE = re.compile(
    r"(?i)\.(?:csv|tsv|parquet|feather|arrow|jsonl|ndjson|xlsx?|sqlite3?|db|avro|orc|dump|sav|dta|rds)(?:\.(?:gz|bz2|xz|zst|zip))?$"
)
_DATA_DIR = re.compile(
    r"(?i)^(?:raw|raw[-_]?data|data|datasets?|training[-_]?data|train[-_]?data|customers?|patients?|exports?|dumps?|backups?|pii)$"
)
_HARMLESS = re.compile(
    r"(?i)(?:^|[/_.-])(?:samples?|examples?|synthetic|dummy|mock|fixtures?|schemas?|vocab(?:ulary)?|labels?|classes|categories|stopwords|tokenizer|config|public|demo|lookup|mappings?|locales?|i18n|geo|countries|currencies)(?:[/_.-]|$)"
)
_WHOLE = frozenset({".", "./", "*", "./*", "/", "/."})
_SENSITIVE_PATHS = (
    ".git",
    ".env",
    ".aws",
    ".ssh",
    ".kaggle",
    "kaggle.json",
    "id_rsa",
    "data",
    "datasets",
    "raw_data",
    "checkpoints",
    "notebooks",
    "mlruns",
)


class _BuildContext:
    """What lies beside a Dockerfile, and what its .dockerignore leaves out. Only names are looked at."""

    def __init__(self, context: Context, path: str) -> None:
        self.root = context.root
        self.folder = PurePosixPath(path).parent
        self.own = self.root / f"{path}.dockerignore"

    def ignore_file(self) -> tuple[bool, PurePosixPath | None, list[str]]:
        """Return whether there is one, the folder it stands for, and its patterns. The context may be any folder above."""
        if self.own.is_file():
            return True, None, _patterns(self.own)
        for folder in (self.folder, *self.folder.parents):
            file = self.root / folder / ".dockerignore"
            if file.is_file():
                return True, folder, _patterns(file)
        return False, None, []

    def is_package(self, source: str) -> bool:
        """Say whether a folder holds Python code, whatever its name."""
        if REFERENCE.search(source) or ".." in source or len(source) > 200:
            return False
        folders = (self.root / folder / source.lstrip("/") for folder in (self.folder, PurePosixPath()))
        return any(os.path.isfile(folder / "__init__.py") for folder in folders)

    def data(self) -> list[str]:
        """Return what lies beside the Dockerfile and looks like a data set by its name."""
        try:
            with os.scandir(self.root / self.folder) as entries:
                names = sorted(entry.name for entry in islice(entries, MAX_NAMES))
        except OSError:
            return []
        return [name for name in names if _source(name, "")["data"] and not self.is_package(name)]

    def leaks(self) -> list[str]:
        """Return which sensitive names lie in the context although an ignore file is there."""
        there, folder, patterns = self.ignore_file()
        if not there or folder is None:
            return []
        return [
            name for name in _SENSITIVE_PATHS if (self.root / folder / name).exists() and not ignored(name, patterns)
        ]


def _patterns(file: Any) -> list[str]:
    try:
        with open(file, encoding="utf-8", errors="replace") as stream:
            text = stream.read(256 * 2**10)
    except OSError:
        return []
    return [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def ignored(name: str, patterns: Sequence[str]) -> bool:
    """Say whether a name at the top of the context is left out by the patterns of a .dockerignore; the last that fits counts."""
    out = False
    for pattern in patterns:
        back = pattern.startswith("!")
        plain = pattern.lstrip("!").strip().lstrip("/").removeprefix("./").rstrip("/")
        plain = re.sub(r"^(?:\*\*/)+", "", plain)
        plain = re.sub(r"(?:/\*{1,2})+$", "", plain) or "*"
        if fnmatchcase(name, plain):
            out = not back
    return out


def _resource(
    path: str, stage: _Stage, instruction: Instruction, number: int, last: bool, shipped: bool, build: _BuildContext
) -> Resource:
    label = stage.name or f"stage-{stage.index}"
    flags = dict(instruction.flags)
    attributes: dict[str, Any] = {
        "keyword": instruction.keyword,
        "stage": label,
        "last": last,
        "shipped": shipped,
        "onbuild": instruction.onbuild,
        "flags": flags,
    }
    positions: dict[Path, Position] = {(): instruction.at}
    if instruction.keyword == "RUN":
        _add_run(attributes, positions, instruction)
    elif instruction.keyword in ("COPY", "ADD"):
        _add_copy(attributes, positions, instruction, stage, build)
    elif instruction.keyword in ("ENV", "ARG", "LABEL"):
        pairs = assignments(instruction.text)
        attributes["values"] = {name: expand(value, stage.variables) for name, value, _, _ in pairs}
        positions |= {("values", name): instruction.position(start, end) for name, _, start, end in pairs}
        for name, _, start, end in pairs if instruction.keyword == "ENV" else ():
            if installs.tls_variable(name, attributes["values"][name]):
                held = attributes.setdefault("insecure_env", [])
                positions[("insecure_env", len(held))] = instruction.position(start, end)
                held.append({"variable": name})
    elif instruction.keyword in ("CMD", "ENTRYPOINT"):
        attributes["argv"] = _argv(instruction.text)
    elif instruction.keyword == "EXPOSE":
        attributes["ports"] = [word.partition("/")[0] for word in instruction.text.split()]
    digest = f"{instruction.keyword}-{number}"
    return Resource(
        "docker.instruction",
        instruction.keyword,
        f"{path}:{label}[{digest}]",
        path,
        attributes,
        positions,
        ("derived", *installs.classes(attributes)),
    )


def _add_run(attributes: dict[str, Any], positions: dict[Path, Position], instruction: Instruction) -> None:
    words = exec_form(instruction.text)
    scripts: list[tuple[str, int]] = []  # the text, and the line of a heredoc (0: the instruction's own text)
    if words is not None:
        at_c = next((i for i, word in enumerate(words) if re.match(r"^-[a-z]*c$", word)), None)
        scripts.append(
            (words[at_c + 1] if at_c is not None and at_c + 1 < len(words) else " ".join(map(_quoted, words)), -1)
        )
    else:
        scripts.append((instruction.text, 0))
        runs_shell = not re.match(r"\s*(?:python[\d.]*|perl|ruby|node|cat|tee)(?![\w.-])", instruction.text)
        scripts += [
            (one.text, one.line)
            for one in instruction.heredocs
            if runs_shell and not one.text.startswith("#!/usr/bin/env py")
        ]
    commands: list[dict[str, Any]] = []
    remote: list[dict[str, Any]] = []
    fetches: list[dict[str, Any]] = []

    def fetched(found: Iterator[Fetch], place: Callable[[int, int], Position]) -> None:
        for one in found:
            at = place(one.start, one.end)
            positions[("fetches", len(fetches))] = positions[("fetches", len(fetches), "why")] = at
            fetches.append({"why": one.why})

    for block in instruction.heredocs:
        if not any(block.line == line for _, line in scripts):
            lines = shell.Places(block.text)
            fetched(
                code_fetches(block.text),
                lambda start, end, b=block, p=lines: _script_place(instruction, p, b.line, start, end),  # type: ignore[misc]
            )
    for script, line in scripts:
        places = shell.Places(script)
        for command in shell.commands(script):
            positions[("commands", len(commands))] = _script_place(
                instruction, places, line, command.start, command.end
            )
            marks = installs.marks(command)
            commands.append(
                {"program": command.program, "text": " ".join(command.words), "words": list(command.words), **marks}
            )
        for item in shell.remote_execution(script):
            at = _script_place(instruction, places, line, item["start"], item["end"])
            positions[("remote", len(remote))] = at
            positions[("remote", len(remote), "how")] = at
            remote.append({"how": item["how"]})
        fetched(
            model_fetches(script),
            lambda start, end, p=places, n=line: _script_place(instruction, p, n, start, end),  # type: ignore[misc]
        )
    attributes |= {"commands": commands, "remote": remote, "fetches": fetches}


def _quoted(word: str) -> str:
    return "'" + word.replace("'", "'\\''") + "'"


def _script_place(instruction: Instruction, places: shell.Places, line: int, start: int, end: int) -> Position:
    if line < 0:
        return instruction.at
    if line == 0:
        return instruction.position(start, end)
    first, column = places.at(start)
    last, end_column = places.at(end)
    return Position(line + first, column, line + last, end_column)


def _add_copy(
    attributes: dict[str, Any],
    positions: dict[Path, Position],
    instruction: Instruction,
    stage: _Stage,
    build: _BuildContext,
) -> None:
    flags = dict(instruction.flags)
    words = exec_form(instruction.text)
    spans: list[tuple[str, int, int]]
    if words is not None:
        spans = [(word, 0, len(instruction.text)) for word in words]
    else:
        spans = [
            (match.group().strip("\"'"), match.start(), match.end()) for match in re.finditer(r"\S+", instruction.text)
        ]
    spans = [span for span in spans if not span[0].startswith("<<")]
    sources = spans if instruction.heredocs and len(spans) == 1 else spans[:-1]
    from_stage = flags.get("from", "")
    if instruction.heredocs:
        sources = []
    entries = []
    for index, (word, start, end) in enumerate(sources):
        source = expand(word, stage.variables)
        entry = {"path": source, **_source(source, from_stage)}
        entry["data"] = entry["data"] and not build.is_package(source)
        entries.append(entry)
        positions[("sources", index)] = instruction.position(start, end)
        positions |= {("sources", index, key): instruction.position(start, end) for key in entries[-1]}
    attributes |= {
        "sources": entries,
        "destination": expand(spans[-1][0], stage.variables) if spans else "",
        "from": from_stage,
        "whole_context": not from_stage and any(entry["whole"] for entry in entries),
        "copied_image": {},
    }
    if from_stage and not stage.is_before(from_stage):
        name = expand(from_stage, stage.variables)
        attributes["copied_image"] = {
            **image(name),
            "floating": _open_tag(name) if REFERENCE.search(name) else floating(name),
        }
    attributes["ignored"] = not entries or from_stage != "" or build.ignore_file()[0]
    if attributes["whole_context"]:
        first = next(index for index, entry in enumerate(entries) if entry["whole"])
        attributes["ignore_file"] = build.ignore_file()[0]
        attributes["leaks"] = build.leaks()
        attributes["context_data"] = build.data() if not attributes["ignore_file"] else []
        positions[("context_data",)] = positions[("sources", first)]
        positions[("ignore_file",)] = positions[("leaks",)] = positions[("sources", first)]


def _source(source: str, from_stage: str) -> dict[str, Any]:
    """Return what a source of COPY or ADD is, by its name."""
    url = re.match(r"^(https?|ftp|git)://|^git@", source)
    plain = source.rstrip("/").removesuffix("/*").removesuffix("/.").removeprefix("./")
    parts = [part for part in plain.split("/") if part]
    whole = source in _WHOLE
    data = bool(parts) and not url and not whole and not _HARMLESS.search(plain)
    data = data and (_DATA_FILE.search(plain) is not None or _is_data_folder(plain, parts))
    return {
        "url": url.group(1) or "git" if url else "",
        "repository": bool(url and re.search(r"\.git(?:#.*)?$", source)),
        "whole": whole,
        "data": data and not from_stage,
        "weights": bool(parts) and not url and not from_stage and is_weights(plain),
    }


_CODE_FILE = re.compile(r"(?i)\.(?:py|sh|md|txt|ya?ml|toml|json|cfg|ini|sql|js|ts|html|go|rs|java|r)$")
_CODE_FOLDERS = frozenset(
    {"src", "app", "lib", "libs", "pkg", "packages", "tests", "test", "docs", "backend", "frontend"}
)


def _is_data_folder(plain: str, parts: Sequence[str]) -> bool:
    if _CODE_FILE.search(plain):
        return False
    return bool(_DATA_DIR.match(parts[0])) or (parts[0] not in _CODE_FOLDERS and bool(_DATA_DIR.match(parts[-1])))


def _container(path: str, stage: _Stage) -> Resource:
    """Return what the last stage starts, in the form that containers of every format share."""
    argv = [expand(word, stage.variables) if "$" in word else word for word in (*stage.entrypoint, *stage.command)]
    positions: dict[Path, Position] = {(): stage.at}
    started = stage.entrypoint_at if stage.entrypoint and not stage.command else stage.command_at or stage.entrypoint_at
    if started is not None:
        positions |= {(): started, ("argv_text",): started, ("argv",): started}
    positions |= {("environment", name): at for name, at in stage.environment_at.items()}
    arguments = [started or stage.at] * len(argv)
    shown = Started(stage.base, argv, arguments, stage.environment, stage.environment_at)
    attributes, places = seen(shown, positions[()])
    positions |= places
    attributes |= {
        "ports": [port.partition("/")[0] for port in stage.ports],
        "format": "docker",
        "command_given": bool(argv),
    }
    label = stage.name or f"stage-{stage.index}"
    return Resource(
        "docker.container", label, f"{path}:{label}/container", path, attributes, positions, ("container", "derived")
    )
