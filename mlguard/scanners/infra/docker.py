"""Dockerfiles as stages, instructions and the container that the last stage starts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cache
from pathlib import PurePosixPath
from typing import Any

from mlguard.artifacts import Artifact
from mlguard.errors import Unreadable
from mlguard.findings import Gap
from mlguard.scanners import Context, lazy, read_text
from mlguard.scanners.infra import installs, shell
from mlguard.scanners.infra.buildcontext import BuildContext, source_of
from mlguard.scanners.infra.containers import Started, image, seen
from mlguard.scanners.infra.dockerfile import Instruction, assignments, exec_form, expand, parse
from mlguard.scanners.infra.fetches import CHECKS, Fetch, code_fetches, model_fetches
from mlguard.scanners.infra.images import floating
from mlguard.scanners.infra.operators import image_parts
from mlguard.scanners.infra.resources import REFERENCE, Path, Position, Resource, Unknown
from mlguard.values import dataclass, field

MAX_FOLDERS = 4
"""The folder of a Dockerfile and those above it in which a Compose file is looked for."""

_COMPOSE = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")

MAX_BYTES = 2 * 2**20
"""The largest Dockerfile that is read."""

_PREDEFINED = frozenset(
    f"{side}{part}" for side in ("TARGET", "BUILD") for part in ("PLATFORM", "OS", "ARCH", "VARIANT")
) | {"HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY", "SOURCE_DATE_EPOCH"}


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
    named: dict[str, _Stage] = field(default_factory=dict)  # all stages of the file by their names

    def is_before(self, name: str) -> bool:
        """Say whether a stage of this file before this one has the name or the number."""
        found = self.named.get(name.lower())
        return name.isdigit() or (found is not None and found.index < self.index)


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
    build = BuildContext(context, path)
    for stage in stages:
        found = _stage(path, stage, stage is stages[-1], stage.index in shipped)
        if stage is stages[-1] and not stage.healthcheck and stage.healthcheck_at is None and _checked(context, path):
            found.attributes["healthcheck"] = True  # type: ignore[index]  # made just now
        yield found
        verified = any(_compares(one) for one in stage.instructions)
        for number, instruction in enumerate(stage.instructions):
            found = _resource(path, stage, instruction, number, stage is stages[-1], stage.index in shipped, build)
            found.attributes["verified"] = verified  # type: ignore[index]  # made just now
            yield found
    last = stages[-1]
    yield _container(path, last)


def _checked(context: Context, path: str) -> bool:
    """Say whether a service of Compose that is built from this Dockerfile brings a health check."""
    folder = PurePosixPath(path).parent
    above = (folder, *folder.parents)[:MAX_FOLDERS]
    files = [file for one in above for name in _COMPOSE if (context.root / (file := (one / name).as_posix())).is_file()]
    if not files:
        return False
    from mlguard.scanners.infra.compose.builds import checked  # loads a YAML library

    return any(checked(context, file, path) for file in files)


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
    named: dict[str, _Stage] = {}
    for instruction in instructions:
        if instruction.keyword == "FROM" and not instruction.onbuild:
            stages.append(_from(instruction, len(stages), named, outer))
        elif not stages:
            if instruction.keyword == "ARG":
                for name, value, _, _ in assignments(instruction.text):
                    outer[name] = expand(value, outer) if "=" in instruction.text else None
        else:
            _apply(stages[-1], instruction, outer)
            stages[-1].instructions.append(instruction)
    return stages


_NOTEBOOKS = lazy.pattern(r"(?:^|/)jupyter/[\w-]+(?:[:@]|$)")
"""Images of the Jupyter Docker Stacks, which say as whom they run in NB_UID and NB_USER."""


def _from(instruction: Instruction, index: int, named: dict[str, _Stage], outer: Mapping[str, str | None]) -> _Stage:
    words = [(match.group(), match.start(), match.end()) for match in re.finditer(r"\S+", instruction.text)]
    raw, start, end = words[0] if words else ("", 0, 0)
    base = expand(raw.strip("\"'"), outer)
    name = words[2][0] if len(words) > 2 and words[1][0].upper() == "AS" else ""
    flags = dict(instruction.flags)
    parent = named.get(base.lower())
    stage = _Stage(
        index, name, base, flags.get("platform", ""), instruction.at, instruction.position(start, end), parent, {}
    )
    stage.named = named
    if name:
        named[name.lower()] = stage
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
    elif "/dotnet/" in base:
        stage.variables = {"APP_UID": "1654"}
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


def _resource(
    path: str, stage: _Stage, instruction: Instruction, number: int, last: bool, shipped: bool, build: BuildContext
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
        attributes["ports"] = [expand(word, stage.variables).partition("/")[0] for word in instruction.text.split()]
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
    build: BuildContext,
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
        entry = {"path": source, **source_of(source, from_stage)}
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
