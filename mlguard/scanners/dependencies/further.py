"""Judges what manifests say beyond pins and advisories: names, licences, releases that have ended, and where packages may come from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Any

from mlguard import lazy
from mlguard.artifacts import Artifact
from mlguard.errors import Unreadable
from mlguard.findings import Detection, Gap, Location, Proof, Record
from mlguard.scanners import Context, read_text
from mlguard.scanners.dependencies import licences, names, runtimes, surroundings
from mlguard.scanners.dependencies.inventory import Inventory
from mlguard.scanners.dependencies.manifests import Component, Manifest, Source
from mlguard.scanners.dependencies.showing import listed, location

MAX_JUDGED = 20_000
"""Different names of packages that are compared with those that are known."""

NAME = "dep/suspicious-package-name"
LICENCE = "dep/license-conflict"


def today_of(settings: Mapping[str, Any]) -> date:
    """Return the day of the run, or the one that the setting ``today`` (YYYY-MM-DD) gives."""
    given = settings.get("today")
    try:
        return date.fromisoformat(given) if isinstance(given, str) else datetime.now(UTC).date()
    except ValueError:
        return datetime.now(UTC).date()


def judged(inventory: Inventory, context: Context) -> Iterator[Record]:
    """Yield what the manifests of a tree show, file by file."""
    today, rules = today_of(context.settings), licences.policy(context.settings)
    seen: set[str] = set()
    for manifest in inventory.manifests:
        parts = [part for part in inventory.own(manifest, manifest.components) if part.name]
        if manifest.kind != "installed":
            yield from _names(parts, seen)
            yield from _origins(manifest, context)
            yield from _early(manifest, context)
            yield from _disguised(manifest, context)
        yield from _releases(manifest, parts, context, today)
    if len(seen) > MAX_JUDGED:
        reason = f"{len(seen) - MAX_JUDGED} of the names of packages were not compared with known ones"
        yield Gap("dependencies", inventory.manifests[0].path, "sampled", reason)
    if rules is not None and not context.hook:
        yield from _licences(inventory, rules)


def around(artifact: Artifact, context: Context) -> Iterator[Record]:
    """Yield what a file of settings shows."""
    try:
        text = read_text(context, artifact.path, surroundings.MAX_BYTES)
    except Unreadable as trouble:
        if surroundings.wants(artifact):
            yield Gap("dependencies", artifact.path, "unreadable", str(trouble), "mend the file, or exclude it")
        return
    yield from surroundings.records(artifact, text, today_of(context.settings))


# ---- names


def _names(parts: list[Component], seen: set[str]) -> Iterator[Record]:
    for part in parts:
        if part.origin != "index" or part.constraint:
            continue
        seen.add(part.name)
        doubt = names.judge(part.name) if len(seen) <= MAX_JUDGED else None
        if doubt is not None and not (doubt.check == "import-name" and part.source):
            facts = {"package": part.name, "meant": doubt.meant or "another one"}
            yield Detection(NAME, doubt.check, location(part.place), facts, part.name, part.name, part.name)


_WORD = lazy.pattern(
    r"(?:^\s*|[\"'])(?P<name>[\w\u200b-\u200d\u2060][\w.\u200b-\u200d\u2060-]{2,99})(?=\s*(?:$|[=<>~!;\[@,\"'#]))"
)


def _disguised(manifest: Manifest, context: Context) -> Iterator[Record]:
    """Yield names with letters outside ASCII that look like those of known packages: no reader takes them for a requirement."""
    try:
        text = read_text(context, manifest.path, surroundings.MAX_BYTES)
    except Unreadable:
        return
    for number, row in enumerate(() if text.isascii() else text.split("\n"), 1):
        if row.isascii() or row.lstrip().startswith("#"):
            continue
        for match in _WORD.finditer(row[: surroundings.MAX_LINE]):
            if meant := names.disguised(match["name"]):
                place = Location(manifest.path, number, match.start("name") + 1, 0, match.end("name") + 1)
                facts = {"package": "a name with letters of another script", "meant": meant}
                yield Detection(NAME, "look-alike", place, facts, meant, f"disguised {meant}", meant)


# ---- where packages may come from


def _origins(manifest: Manifest, context: Context) -> Iterator[Record]:
    channels = [source for source in manifest.sources if source.role == "channel"]
    if channels:
        yield from _channels(manifest, channels, context)
    elif manifest.format.lower() == "pipfile" or manifest.path.endswith("pyproject.toml"):
        yield from _unbound(manifest, context)


def _unbound(manifest: Manifest, context: Context) -> Iterator[Record]:
    """Yield the index beside the default one from which no package is said to come, where the tool asks both for every package."""
    own = [part for part in manifest.components if part.place.path == manifest.path and part.origin == "index"]
    bound = {part.source for part in own if part.source}
    pipfile = manifest.format.lower() == "pipfile"
    for source in manifest.sources:
        if source.role != "extra" or not source.private or source.host in bound:
            continue
        if pipfile and _first_is_private(manifest):
            continue
        if pipfile or not source.explicit and _asks_every_source(manifest, source, context):
            facts = {"option": source.label or "a second source"}
            yield Detection(
                surroundings.CONFUSION, "unbound-index", location(source.place), facts, anchor=f"source {source.label}"
            )


def _first_is_private(manifest: Manifest) -> bool:
    return any(source.role == "default" and source.private for source in manifest.sources)


def _asks_every_source(manifest: Manifest, source: Source, context: Context) -> bool:
    """Say whether the tool looks for each package in this source and the default index: Poetry's secondary and supplemental sources, and PDM's."""
    from mlguard.scanners.dependencies import toml

    try:
        document = toml.load(read_text(context, manifest.path, surroundings.MAX_BYTES))
    except Unreadable:
        return False
    tool = document.get("tool")
    for name in ("poetry", "pdm"):
        settings = tool.get(name) if isinstance(tool, dict) else None
        entries = settings.get("source") if isinstance(settings, dict) else None
        for entry in entries if isinstance(entries, list) else ():
            if not isinstance(entry, dict) or entry.get("name") != source.label or not source.label:
                continue
            if name == "pdm":
                respects = settings.get("resolution") if isinstance(settings, dict) else None
                ordered = isinstance(respects, dict) and respects.get("respect-source-order") is True
                return not ordered and not entry.get("include_packages")
            return entry.get("priority") in ("secondary", "supplemental") or entry.get("secondary") is True
    return False


def _channels(manifest: Manifest, channels: list[Source], context: Context) -> Iterator[Record]:
    """Yield channels of Anaconda beside others. The names stand in the file, at the places of the sources."""
    try:
        rows = read_text(context, manifest.path, surroundings.MAX_BYTES).split("\n")
    except Unreadable:
        return
    found = []
    for source in channels:
        row = rows[source.place.line - 1] if source.place.line <= len(rows) else ""
        end = source.place.end_column - 1 if source.place.end_column else len(row)
        name = row[source.place.column - 1 : end].strip(" -\"'\r[],")
        found.append(name)
        if name.lower().startswith("http://"):
            yield Detection(
                surroundings.CONFUSION,
                "http-index",
                location(source.place),
                {"option": "channels"},
                anchor="channels http",
            )
    if surroundings.mixed(iter(found)) and "nodefaults" not in found:
        yield Detection(
            surroundings.CONFUSION,
            "mixed-channels",
            location(channels[0].place),
            {"option": "channels"},
            anchor="channels",
        )


_PRE = lazy.pattern(r"^\s*--pre\b")


def _early(manifest: Manifest, context: Context) -> Iterator[Record]:
    """Yield the option of a requirements file that takes releases which their makers have not finished."""
    if manifest.format != "requirements":
        return
    try:
        text = read_text(context, manifest.path, surroundings.MAX_BYTES)
    except Unreadable:
        return
    for number, row in enumerate(text.split("\n") if "--pre" in text else (), 1):
        if match := _PRE.match(row):
            place = Location(manifest.path, number, match.end() - 4, 0, match.end() + 1)
            yield Detection("dep/unpinned-dependency", "pre-releases", place, {"option": "--pre"}, anchor="--pre")


# ---- what has ended


_REQUIRES = lazy.pattern(
    r"^\s*#?\s*[\"']?(?:requires-python|requires_python|python_requires|python_version|python_full_version|python)[\"']?\s*[=:]\s*(?P<value>[^,#\n]*[^,#\s])"
)


def _releases(manifest: Manifest, parts: list[Component], context: Context, today: date) -> Iterator[Record]:
    """Yield what has ended, or a proof where something of the table is named and nothing has."""
    found = [*_python(manifest, context, today), *_ended(parts, today)]
    yield from found
    if not found and (manifest.requires_python or any(runtimes.knows(_plain(part)) for part in parts)):
        yield Proof(surroundings.RUNTIME, manifest.path, manifest.path)


def _python(manifest: Manifest, context: Context, today: date) -> Iterator[Record]:
    if manifest.kind in ("lock", "installed") or not manifest.requires_python:
        return
    ended = runtimes.only_ended(manifest.requires_python, today)
    if ended is not None:
        yield surroundings.detection(_python_place(manifest, context), ended)


def _python_place(manifest: Manifest, context: Context) -> Location:
    try:
        rows = read_text(context, manifest.path, surroundings.MAX_BYTES).split("\n")
    except Unreadable:
        return Location(manifest.path)
    for number, row in enumerate(rows, 1):
        if match := _REQUIRES.match(row[: surroundings.MAX_LINE]):
            return Location(manifest.path, number, match.start("value") + 1, 0, match.end("value") + 1)
    return Location(manifest.path)


def _ended(parts: list[Component], today: date) -> Iterator[Record]:
    told: set[str] = set()
    for part in parts:
        if part.constraint or part.origin not in ("index", "conda") or part.name in told:
            continue
        if part.name == "python":
            found = runtimes.only_ended(part.specifier or part.version, today) if part.origin == "conda" else None
        else:
            found = runtimes.package(_plain(part), part.version, part.specifier, today)
        if found is not None:
            told.add(part.name)
            yield surroundings.detection(
                location(part.place), found, "runtime" if part.name == "python" else "framework", part.name
            )


_CONDA_NAMES = {"pytorch": "torch", "pytorch-cpu": "torch", "pytorch-gpu": "torch"}
"""What packages of conda are called in the index of Python."""


def _plain(part: Component) -> str:
    return _CONDA_NAMES.get(part.name, part.name) if part.origin == "conda" else part.name


# ---- licences


def _licences(inventory: Inventory, rules: licences.Policy) -> Iterator[Record]:
    """Yield one finding for each package that the policy does not let through, at its first place, and a gap for what is not known."""
    texts: dict[str, list[str]] = {}
    first: dict[str, Component] = {}
    for manifest in inventory.manifests:
        for part in inventory.own(manifest, manifest.components):
            if not part.name or part.constraint or part.origin == "path" or part.build:
                continue
            if part.licence:
                texts.setdefault(part.name, []).append(part.licence)
            known = first.get(part.name)
            if known is None or manifest.kind != "installed" and known.place.path.endswith(("METADATA", "PKG-INFO")):
                first[part.name] = part
    unknown: dict[str, list[str]] = {}
    for name, part in first.items():
        verdict = licences.judge(name, texts.get(name, ()), rules)
        if verdict.refused:
            facts = {
                "package": name,
                "licence": verdict.expression,
                "how": verdict.how,
                "refused": ", ".join(verdict.refused),
            }
            yield Detection(LICENCE, "policy", location(part.place), facts, name, f"{name} {verdict.expression}", name)
        elif not verdict.expression:
            unknown.setdefault(part.place.path, []).append(name)
    for path, packages in unknown.items():
        reason = f"the licence is not known of: {listed(packages)}"
        hint = "scan an environment with them installed, or write it under dependencies.licenses.packages"
        yield Gap("dependencies", path, "unresolved", reason, hint)
