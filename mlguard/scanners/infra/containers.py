"""What containers of every format have in common: image, words, variables, the services they open, what they fetch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mlguard.scanners.infra.images import ended, floating
from mlguard.scanners.infra.operators import image_parts, registry_of
from mlguard.scanners.infra.resources import REFERENCE, Path, Position, Unknown
from mlguard.scanners.infra.services import WORDS, open_services
from mlguard.scanners.infra.workloads import described
from mlguard.values import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class Started:
    """What a container starts, each word and variable with its place. ``exposed``: it is reached from outside.

    ``words_at``: where the words stand as a whole, when that is another place than that of the first.
    """

    image: str
    argv: Sequence[str] = ()
    argv_at: Sequence[Position] = ()
    environment: Mapping[str, Any] = field(default_factory=dict)
    environment_at: Mapping[str, Position] = field(default_factory=dict)
    exposed: bool = False
    words_at: Position | None = None


def seen(
    started: Started, at: Position, image_at: Position | None = None
) -> tuple[dict[str, Any], dict[Path, Position]]:
    """Return the attributes that all containers share, and their places.

    ``at`` is the container's own place, ``image_at`` that of its image's name.
    """
    argv, environment = list(started.argv), dict(started.environment)
    attributes: dict[str, Any] = {
        **image(started.image),
        "argv": argv,
        "argv_text": " ".join(argv),
        "environment": environment,
        "role": "container",
    }
    positions: dict[Path, Position] = {("environment", name): place for name, place in started.environment_at.items()}
    for key in ("image", "image_name", "tag", "digest", "floating", "ended", "registry"):
        positions[(key,)] = image_at or at
    lines = list(written_lines(argv, started.argv_at or [at] * len(argv)))
    attributes["argv_lines"] = [line for line, _ in lines]
    positions |= {("argv_lines", index): place for index, (_, place) in enumerate(lines)}
    positions[("argv",)] = positions[("argv_text",)] = started.argv_at[0] if started.argv_at else at
    positions |= {("argv", index): place for index, place in enumerate(started.argv_at)}
    found = list(open_services(started.image, argv, environment, started.exposed))
    for index, service in enumerate(found):
        place = started.environment_at.get(service.variable, at) if service.variable else at
        if 0 <= service.argument < len(started.argv_at):
            place = line_of(argv[service.argument], service.part, started.argv_at[service.argument])
        elif service.argument == WORDS and not service.variable and started.argv_at:
            place = started.words_at or started.argv_at[0]
        positions |= {("open_services", index, *rest): place for rest in ((), ("service",), ("why",))}
    attributes["open_services"] = [{"service": one.service, "why": one.why} for one in found]
    more, places = described(started.image, argv, environment, started.argv_at, started.environment_at, at)
    return {**attributes, **more}, {**positions, **places}


MAX_LINES = 5_000
"""Lines of the scripts inside the words of one container that are told apart."""


def written_lines(argv: Sequence[str], places: Sequence[Position]) -> Iterator[tuple[str, Position]]:
    """Yield each word with its place, and of a word that is a block of text each line with its own."""
    left = MAX_LINES
    for word, at in zip(argv, places, strict=False):
        lines = word.split("\n", left) if "\n" in word else [word]
        block = _is_block(word, at)
        for number, line in enumerate(lines, 1):
            yield line, replace(at, line=at.line + number, column=1, end_line=0, end_column=0) if block else at
        left = max(1, left - len(lines))


def _is_block(word: str, at: Position) -> bool:
    """Say whether a word is a block of text whose lines follow the one on which it begins."""
    return at.end_line - at.line == word.rstrip("\n").count("\n") + 2


def line_of(word: str, part: str, at: Position) -> Position:
    """Return the place of a part of a word: its own line where the word is a block of text."""
    number = word[: max(0, word.find(part))].count("\n") if part else 0
    block = _is_block(word, at)
    if not part or not block:
        return at
    return replace(at, line=at.line + number + 1, column=1, end_line=0, end_column=0)


def image(name: str) -> dict[str, Any]:
    """Return what the name of an image says; what a variable in it leaves open is unknown."""
    base, tag, digest = image_parts(name)
    first = base.partition("/")[0]
    found: dict[str, Any] = {"image": name, "image_name": base, "tag": tag, "digest": digest, "external": bool(name)}
    found["registry"] = registry_of(name)
    causes = REFERENCE.findall(name)
    if not causes:
        return {**found, "floating": bool(name) and floating(name), "ended": ended(name)}
    if REFERENCE.search(first) or ("/" not in base and REFERENCE.search(base)):
        found["registry"] = Unknown(causes[0])
    tail = name.rpartition("/")[2]
    known = "@sha256:" in name or (":" in tail and not REFERENCE.search(tail.rpartition(":")[2]))
    return {**found, "floating": floating(REFERENCE.sub("x", name)) if known else Unknown(causes[0]), "ended": ""}
