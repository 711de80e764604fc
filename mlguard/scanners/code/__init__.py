"""Looks at Python files, notebooks and configurations of training for what is unsafe or handles personal data wrongly."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mlguard import lazy
from mlguard.artifacts import Artifact
from mlguard.errors import Unreadable
from mlguard.findings import Gap, Record
from mlguard.scanners import Context, decode, read_bytes

if TYPE_CHECKING:
    from mlguard.scanners.code.exports import Exports
    from mlguard.scanners.code.seeing import Watch
    from mlguard.scanners.code.source import Source

KINDS = frozenset({"python", "notebook"})


class CodeScanner:
    """Parses each file once and gives the tree to bandit's checks and to our own."""

    name = "code"
    depends = ()

    def plan(self, artifacts: Sequence[Artifact], settings: Mapping[str, Any]) -> Iterable[tuple[Artifact, ...]]:
        chosen = [artifact for artifact in artifacts if artifact.kind in KINDS or is_settings(artifact)]
        if any(artifact.kind in KINDS for artifact in chosen):
            from mlguard.scanners.code import bandit_library

            if note := bandit_library.note():
                import logging  # it takes longer to load than a small file to scan

                logging.getLogger(__name__).warning(note)
        return ((artifact,) for artifact in chosen)

    def scan(self, group: Sequence[Artifact], context: Context) -> Iterator[Record]:
        for artifact in group:
            try:
                yield from (
                    _quietly(self._file(artifact, context)) if artifact.kind in KINDS else _settings(artifact, context)
                )
            except Unreadable as trouble:
                yield Gap(self.name, artifact.path, "unreadable", str(trouble))

    def _file(self, artifact: Artifact, context: Context) -> Iterator[Record]:
        if artifact.kind == "python":
            yield from _python(artifact, context)
            return
        from mlguard.scanners.code import notebooks

        text = decode(read_bytes(context, artifact.path))
        yield from notebooks.scan(
            artifact.path, text, context.settings.get("versions", {}), _own(context), _exports(context)
        )


def _quietly(records: Iterator[Record]) -> Iterator[Record]:
    """Yield the records of one file while no garbage is looked for: a syntax tree has none, and many nodes to look at."""
    from mlguard.scanners.code.parsing import paused

    with paused():
        yield from records


def _python(artifact: Artifact, context: Context) -> Iterator[Record]:
    from mlguard.scanners.code import pins, source
    from mlguard.scanners.code.report import records

    path = artifact.path
    if artifact.size > source.MAX_SOURCE_BYTES:
        yield from _too_large(artifact, context)
        return
    data = read_bytes(context, path, source.MAX_SOURCE_BYTES)
    versions = {**context.settings.get("versions", {}), **pins.of_script(data)}
    try:
        file = source.python_file(path, data)
        file.versions, file.exports = versions, _exports(context)
        try:
            yield from records(file, _own(context))
            yield from _of_notebooks(file)
            if (wanted := context.settings.get("symbols")) is not None:
                from mlguard.scanners.code import symbols

                yield from symbols.symbols(file, wanted)
        finally:
            file.tree.close()
        return
    except Unreadable as error:
        reason = str(error)
    except RecursionError:
        reason = "nested too deeply to be looked at"
    from mlguard.scanners.code import broken

    yield Gap("code", path, "unreadable", reason, broken.HINT)
    yield from broken.scan(path, data, versions, _own(context))


def _exports(context: Context) -> Exports:
    """Return what follows imports from file to file of the tree; one for all files, so that none is read twice."""
    from mlguard.scanners.code.exports import Exports

    known = _last.get("exports")
    if known is None or known.context is not context:
        known = _last["exports"] = Exports(context)
    return known


_last: dict[str, Exports] = {}


def _too_large(artifact: Artifact, context: Context) -> Iterator[Record]:
    """Yield a gap for a file that is too large for a tree, and what its lines call."""
    from mlguard.scanners import MAX_TEXT_BYTES
    from mlguard.scanners.code import broken, mending, source

    reason = f"larger than the limit of {source.MAX_SOURCE_BYTES // 2**20} MiB for this kind of file"
    yield Gap("code", artifact.path, "unreadable", reason, broken.HINT if artifact.size <= MAX_TEXT_BYTES else "")
    if artifact.size <= MAX_TEXT_BYTES:
        yield from broken.by_lines(artifact.path, mending.text_of(read_bytes(context, artifact.path)))


def _of_notebooks(file: Source) -> Iterator[Record]:
    """Yield what a script that was a notebook lets a shell run: in calls of get_ipython(), and in the comments of Databricks."""
    if b"get_ipython" in file.data or b"# MAGIC" in file.data:
        from mlguard.scanners.code import shell

        yield from shell.exported(file.tree.nodes, file.location)
        if file.data.lstrip(b"\xef\xbb\xbf").startswith(shell.DATABRICKS.encode()):
            yield from shell.databricks(file.path, file.data.decode("utf-8", "replace"))


def _own(context: Context) -> tuple[Watch, ...]:
    """Return the checks on the pages of the repository's own. Raises UsageError."""
    folder = str(context.settings.get("rules", ""))
    if not folder:
        return ()
    from mlguard.scanners.code import patterns

    return patterns.watches(folder, context.hook)


MAX_SETTINGS_BYTES = 256 * 2**10
"""The largest configuration that is read; larger files of these names are data."""

_SETTINGS = lazy.pattern(
    r"(?i)(?:^|/)[^/]*(?:train|privacy|privat|dp[-_.]|[-_]dp|fine-?_?tun|hparam|hyperparam|experiment|config)[^/]*\.(?:ya?ml|json|toml)$"
)


def is_settings(artifact: Artifact) -> bool:
    """Say whether a file is named like a configuration of training, and small enough to be one."""
    known = artifact.kind in ("yaml", "json", "toml") and artifact.size <= MAX_SETTINGS_BYTES
    return known and _SETTINGS.search(artifact.path) is not None


def _settings(artifact: Artifact, context: Context) -> Iterator[Record]:
    """Yield what a configuration says about differentially private training; that is all that is looked for in it."""
    from mlguard.scanners.code import private

    if not context.hook:
        yield from private.settings(artifact, context)
