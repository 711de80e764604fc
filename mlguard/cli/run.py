"""Prepares a run and does it: configuration, root, files, declaration, report."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlguard import config, discovery, rules
from mlguard.artifacts import Artifact
from mlguard.config import Config
from mlguard.engine import Job, run
from mlguard.errors import Unreadable, UsageError
from mlguard.findings import Gap, Report
from mlguard.scanners import BUILT_IN, scanner
from mlguard.values import replace
from mlguard.workers import Progress

if TYPE_CHECKING:
    from mlguard.cache import Recall
    from mlguard.declarations import Declaration
    from mlguard.trees import Tree


def configuration(
    paths: Sequence[Path],
    file: Path | None,
    fail_on: str | None = None,
    advisories: Path | None = None,
    scanners: Sequence[str] = (),
    jobs: int | None = None,
    online: str | None = None,
) -> Config:
    """Return the configuration for these paths, with what the command line says on top. Raises UsageError."""
    if file is None:
        file = config.find_above(discovery.common_folder(paths))
    elif not file.is_file():
        raise UsageError(f"--config {file}: there is no such file")
    settings = config.load(file)
    if fail_on:
        settings = replace(settings, fail_on=fail_on)
    if jobs is not None:
        settings = replace(settings, jobs=jobs)
    if advisories:
        settings = _with_dependencies(settings, advisories=str(advisories.absolute()))
    if online:
        settings = _with_dependencies(settings, online=online)
    if scanners:
        for name in scanners:
            if name not in settings.scanners:
                raise UsageError(
                    f"--scanner {name}: there is no scanner of this name; there are {', '.join(settings.scanners)}"
                )
        ordered = tuple(name for name in settings.scanners if name in scanners)
        settings = replace(settings, scanners=ordered, required=ordered, demanded=())
    return settings


def _with_dependencies(settings: Config, **given: str) -> Config:
    merged = {**settings.settings.get("dependencies", {}), **given}
    return replace(settings, settings={**settings.settings, "dependencies": merged})


def folder(paths: Sequence[Path], settings: Config, given: Path | None) -> Path:
    """Return the folder that reported paths start from: the configuration's, else the work tree's, else a common one."""
    if given:
        return given.absolute()
    if settings.path:
        return Path(settings.path).absolute().parent
    common = discovery.common_folder(paths)
    return discovery.git_root(common) or _above_workflows(common)


def _above_workflows(path: Path) -> Path:
    """Return the folder that holds ``.github`` for one inside it: a workflow is known by where it stands."""
    parts = path.parts
    return Path(*parts[: parts.index(".github")]) if ".github" in parts else path


def prefix(base: Path) -> str:
    """Return the path from the top of the git work tree to ``base``, "" when they are the same or there is no tree."""
    top = discovery.git_root(base)
    return "" if top is None or top == base else base.relative_to(top).as_posix()


def parted(targets: Sequence[str]) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """Return the paths among the targets of a command, and the addresses of stores. What exists is a path, and so is sqlite:FILE."""
    if not any(":" in target for target in targets):
        return tuple(Path(target) for target in targets), ()
    from mlguard import stores

    remote = [target for target in targets if stores.is_store(target) and not os.path.lexists(target)]
    files = {target: file for target in remote if (file := stores.file_of(target))}
    paths = tuple(Path(files.get(target, target)) for target in targets if target in files or target not in remote)
    return paths, tuple(target for target in remote if target not in files)


def listed(file: str, null: bool) -> list[Path]:
    """Return the paths that a file or standard input lists. Raises UsageError."""
    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise UsageError(f"--files-from {file}: cannot be read: {error.strerror}") from None
    names = [os.fsdecode(name) for name in (data.split(b"\0") if null else data.splitlines()) if name]
    if parted(names)[1]:  # an error about a file would show the address with its password
        raise UsageError(f"--files-from {file}: it lists the address of a store; name that on the command line")
    return [Path(name) for name in names]


def examine(
    base: Path,
    paths: Sequence[Path],
    settings: Config,
    progress: Progress | None = None,
    hook: bool = False,
    own: Collection[Path] = (),
    digests: bool = False,
    stores: Sequence[str] = (),
    history: str | None = None,
    cached: bool = True,
) -> Report:
    """Return the report on ``paths`` below ``base``, less the files that are this run's ``own``, and on ``stores``. Raises UsageError.

    With ``digests`` the report holds the SHA-256 of every model. ``history`` is a range of revisions to look at, "--all" for all.
    Without ``cached`` nothing of earlier runs is used or kept.
    """
    job = prepared(base, paths, settings, hook, own, digests, stores, history, cached)
    report = run(job, progress)
    if job.recall is not None:
        job.recall.close({artifact.path: artifact.kind for artifact in job.artifacts} if not hook else None)
    return report


def prepared(
    base: Path,
    paths: Sequence[Path] | None,
    settings: Config,
    hook: bool = False,
    own: Collection[Path] = (),
    digests: bool = False,
    stores: Sequence[str] = (),
    history: str | None = None,
    cached: bool = False,
) -> Job:
    """Return the job of a run, see ``examine``; without ``paths`` nothing is searched for files. Raises UsageError."""
    named = _named(stores, settings)
    rulebook = catalogue(settings)
    recall: Recall | None = None

    def seen(files: int) -> Tree | None:
        nonlocal recall
        if cached and not hook and (files > FEW_FILES or _keeps(settings)):
            recall = _recall(base, settings, rulebook.digest)
        return recall.tree if recall else None

    found = discovery.Found((), ())
    if paths is not None:
        found = discovery.discover(base, paths, settings.exclude, own, seen)
    if cached and hook and sum(artifact.size for artifact in found.artifacts) > HOOK_BYTES:
        recall = _recall(base, settings, rulebook.digest, whole=False)
    declaration, gaps = (None, []) if hook else declared(base, settings)
    names = settings.scanners
    if hook and all(artifact.kind in ("python", "notebook") for artifact in found.artifacts):
        names = tuple(name for name in names if name in ("code", "secrets"))  # no other scanner reads these
    beyond = [Artifact(shown, "store", 0) for shown in sorted(named)]
    if history is not None:
        beyond.append(Artifact("(history)", "history", 0))
        settings = replace(settings, settings=_with_history(settings.settings, base, history))
    return Job(
        root=base,
        artifacts=(*found.artifacts, *beyond),
        stores=named,
        scanners=names,
        catalogue=rulebook,
        required=settings.required,
        plugins=settings.plugins,
        settings=_with_own_rules(_with_regions(settings.settings, declaration), settings.rules),
        declaration=declaration,
        gaps=(*found.gaps, *gaps),
        processes=_processes(settings),
        hook=hook,
        excluded=found.excluded,
        timeout=settings.timeout,
        memory=settings.memory,
        config_digest=settings.digest,
        digests=digests,
        recall=recall,
        at_hand=settings.jobs is None,
    )


HOOK_BYTES = 8 * 2**10
"""Of smaller commits it is as fast to look at the files as to ask what was seen in them."""


FEW_FILES = 100
"""So many files are looked at as fast as what an earlier run knows of them; where nothing is kept of what scanners see it is not asked."""


def _keeps(settings: Config) -> bool:
    """Say whether what one of the scanners sees is kept from run to run."""
    for name in settings.scanners:
        try:
            if name in BUILT_IN and getattr(scanner(name), "depends", None) is not None:
                return True
        except ImportError:
            continue  # its gap says so
    return False


def _recall(base: Path, settings: Config, rules_digest: str, whole: bool = True) -> Recall | None:
    """Return what earlier runs have seen; None when the configuration wants none, or there is no place for it. Raises UsageError."""
    if settings.cache is None:
        return None
    from mlguard import cache

    place = cache.chosen(base, settings.cache)
    return cache.recall(cache.Cache(place), base, rules_digest, settings.scanners, whole) if place else None


def catalogue(settings: Config) -> rules.Catalogue:
    """Return the rules of a run: the shipped ones, and those that the configuration names. Raises UsageError."""
    if not settings.rules:
        return rules.load()
    from mlguard.scanners import own

    return own.catalogue(settings.rules)


def settings_here() -> Config:
    """Return the configuration of the folder in which the command was given. Raises UsageError."""
    return config.load(config.find_above(Path.cwd()))


def catalogue_here() -> rules.Catalogue:
    """Return the rules as the configuration of this folder has them. Raises UsageError."""
    return catalogue(settings_here())


def _with_own_rules(settings: Mapping[str, Mapping[str, Any]], folder: str) -> Mapping[str, Mapping[str, Any]]:
    if not folder:
        return settings
    return {**settings, **{name: {**settings.get(name, {}), "rules": folder} for name in ("infra", "code")}}


def _with_history(
    settings: Mapping[str, Mapping[str, Any]], base: Path, revisions: str
) -> Mapping[str, Mapping[str, Any]]:
    """Return the settings with the range of revisions whose data files are looked at. Raises UsageError when git knows no such range."""
    from mlguard.scanners.dataset import history

    chosen = "" if revisions == "--all" else revisions
    history.check(base, chosen)
    return {**settings, **{name: {**settings.get(name, {}), "history": chosen} for name in ("dataset", "secrets")}}


def _named(addresses: Sequence[str], settings: Config) -> Mapping[str, str]:
    """Return the addresses of stores by what is shown of them. Raises UsageError."""
    if not addresses:
        return {}
    from mlguard import stores

    named = {stores.shown(address): address for address in addresses}
    if "dataset" not in settings.scanners:
        raise UsageError(
            f"{next(iter(named))}: only the dataset scanner reads stores, and it is not among the scanners of this run"
        )
    return named


def declared(base: Path, settings: Config) -> tuple[Declaration | None, list[Gap]]:
    """Return the privacy declaration, and a gap when it cannot be read. Raises UsageError when a named one is missing."""
    path = settings.privacy or "privacy.yaml"
    if not (base / path).is_file():
        if settings.privacy:
            raise UsageError(f"{settings.path}: privacy names {path}, and there is no such file")
        return None, []
    from mlguard import declarations

    try:
        return declarations.load(base, path), []
    except Unreadable as trouble:
        return None, [
            Gap("assess", path, "unreadable", str(trouble), "the declaration counts for nothing until it can be read")
        ]


def _with_regions(
    settings: Mapping[str, Mapping[str, Any]], declaration: Declaration | None
) -> Mapping[str, Mapping[str, Any]]:
    """Let the regions that the declaration's access classes name be the allowed ones, unless the configuration says which."""
    classes = (declaration.body.get("access") or {}).get("classes") or {} if declaration else {}
    regions = sorted({region for entry in classes.values() for region in entry.get("regions") or ()})
    params = settings.get("infra", {}).get("params", {})
    if not regions:
        return settings
    params = {**{rule: {"allowed": regions} for rule in _REGION_RULES}, **params}
    return {**settings, "infra": {**settings.get("infra", {}), "params": params}}


_REGION_RULES = ("tf/disallowed-region", "tf/replication-to-undeclared-region", "k8s/disallowed-region")
"""The rules with a parameter ``allowed`` that lists regions."""


def _processes(settings: Config) -> int:
    if settings.jobs is not None:
        return settings.jobs
    try:
        return max(1, min(len(os.sched_getaffinity(0)), 8))
    except AttributeError:
        return max(1, min(os.cpu_count() or 1, 8))
