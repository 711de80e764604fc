"""Helm charts, rendered as data by an evaluator of our own: no process, no network, no file outside of the chart."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from mlguard import redact
from mlguard.artifacts import Artifact
from mlguard.errors import Unreadable
from mlguard.findings import Gap
from mlguard.scanners import Context, lazy
from mlguard.scanners.infra.rendered import Rendered

if TYPE_CHECKING:
    from mlguard.scanners.infra.helm.charts import Chart, Loader

MAX_VARIANTS = 8
"""Sets of values that a chart is rendered with: its own first, then those of the files beside them."""

MAX_MADE = 8 * 2**20
"""Characters that a chart may make with all its sets of values; no further set is looked at behind that."""

MAX_CHARTS = 500
"""Charts of one group of files."""

_VALUES = lazy.pattern(
    r"(?:^|/)(?:values[-_.][^/]+|[^/]+[-_.]values)\.ya?ml$|^(?:ci|values|environments|envs)/[^/]+\.ya?ml$"
)
_PLAIN = lazy.pattern(
    r"(?:^|/)(?:values\.ya?ml|values\.schema\.json|Chart\.ya?ml|Chart\.lock|requirements\.(?:yaml|lock))$"
)


def read(artifacts: Sequence[Artifact], context: Context) -> Iterator[Rendered]:
    """Yield each chart that is no dependency inside another one, with its own values and with each file of others."""
    paths = {artifact.path for artifact in artifacts}
    for number, folder in enumerate(roots(_folders(paths, context))):
        if number >= MAX_CHARTS:
            yield Rendered(
                folder, "helm", (), (Gap("infra", folder, "sampled", f"over {MAX_CHARTS} charts"),), frozenset()
            )
            return
        yield from _chart(folder, paths, context)


def _folders(paths: set[str], context: Context) -> list[str]:
    """Return the folders of charts that files belong to, also where Chart.yaml itself is not among them."""
    found = {posixpath.dirname(path) for path in paths if posixpath.basename(path) == "Chart.yaml"}
    looked: set[str] = set()
    for path in paths:
        steps = path.split("/")
        for index in range(len(steps) - 1) if "templates" in steps or _PLAIN.search(path) else ():
            folder = "/".join(steps[:index])
            if folder not in looked:
                looked.add(folder)
                if (context.root / folder / "Chart.yaml").is_file():
                    found.add(folder)
    return sorted(found)


def roots(folders: Sequence[str]) -> list[str]:
    """Return the folders of charts that do not lie in the charts/ or templates/ of another one."""
    known = set(folders)

    def inside(folder: str) -> bool:
        steps = folder.split("/") if folder else []
        for index, step in enumerate(steps):
            if step in ("charts", "templates") and "/".join(steps[:index]) in known and index < len(steps):
                return True
        return False

    return [folder for folder in sorted(known) if not inside(folder)]


def _chart(folder: str, paths: set[str], context: Context) -> Iterator[Rendered]:
    from mlguard.scanners.infra.helm.charts import Loader

    loader = Loader(context)
    chart = loader.folder(folder)
    prefix = f"{folder}/" if folder else ""
    below = {path for path in paths if path.startswith(prefix)}
    consumed = {path for path in below if _belongs(path[len(prefix) :])}
    if chart is None:
        yield Rendered(folder, "helm", (), tuple(loader.gaps), frozenset(consumed))
        return
    names = sorted(name for name in chart.files if _VALUES.search(name) and not name.startswith("crds/"))
    consumed |= {prefix + name for name in names}
    if chart.is_library:
        yield Rendered(folder, "helm", (), tuple(loader.gaps), frozenset(consumed))
        return
    seen: set[Any] = set()
    known: dict[Any, Any] = {}
    size = 0
    for values in ["", *names[: MAX_VARIANTS - 1]]:
        if size > MAX_MADE:
            reason = f"{values} is not looked at: the chart makes over {MAX_MADE // 2**20} MiB"
            yield Rendered(
                folder, "helm", (), (Gap("infra", prefix + "Chart.yaml", "sampled", reason),), frozenset(consumed)
            )
            break
        one, made = _variant(chart if not values else None, folder, values, loader, consumed, known)
        size += made
        if one is None:
            continue
        key = repr([(path, tree.value) for path, tree in one.documents])
        gaps = tuple(gap for gap in one.gaps if gap not in seen)
        if values and key in seen and not gaps:
            continue
        seen |= {key, *gaps}
        yield one._replace(gaps=gaps, values=values and prefix + values)
    if len(names) >= MAX_VARIANTS:
        reason = f"only {MAX_VARIANTS} of {len(names) + 1} sets of values are looked at"
        yield Rendered(
            folder, "helm", (), (Gap("infra", prefix + "Chart.yaml", "sampled", reason),), frozenset(consumed)
        )


def _variant(
    chart: Chart | None, folder: str, name: str, loader: Loader, consumed: set[str], known: dict[Any, Any]
) -> tuple[Rendered | None, int]:
    """Return what a chart makes with its values (and those of a file), and its size; None when it cannot be loaded."""
    from mlguard.scanners.infra.helm import encoding, rendering, values
    from mlguard.scanners.infra.helm.charts import Loader, plain_text
    from mlguard.scanners.infra.helm.origins import Origins
    from mlguard.scanners.infra.helm.printing import Failed

    if chart is None:
        loader = Loader(loader.context)
        chart = loader.folder(folder)
    if chart is None:
        return None, 0
    given: Any = {}
    where = posixpath.join(folder, "Chart.yaml")
    if name:
        try:
            given = encoding.load_yaml(plain_text(chart.files[name]()))
        except Unreadable as error:
            gap = Gap("infra", posixpath.join(folder, name), "unreadable", str(error))
            return Rendered(folder, "helm", (), (gap,), frozenset(consumed)), 0
        if not isinstance(given, dict):
            return None, 0
    try:
        missing = values.select(chart, given)
        values.import_values(chart)
        names = ", ".join(sorted({_named(one.name) for one in missing}))
        knows = any(one.name == "common" and "bitnami" in one.repository for one in missing)
        result = rendering.render(chart, given, names, knows, known)
    except Failed as error:
        gap = Gap("infra", where, "unresolved", f"the values of the chart: {error.reason}")
        return Rendered(folder, "helm", (), (*loader.gaps, gap), frozenset(consumed)), 0
    absent = [
        Gap("infra", where, "missing", f"dependency {_named(one.name)} is not in charts/", "run helm dependency build")
        for one in missing
    ]
    gaps = tuple(dict.fromkeys([*loader.gaps, *absent, *result.gaps]))
    found = Origins(loader.context, chart, name and posixpath.join(folder, name))
    used = frozenset(consumed | result.used)
    return Rendered(folder, "helm", tuple(result.trees), gaps, used, "", found), result.size


def _named(name: str) -> str:
    return redact.printable(redact.text(name, 60))


def _belongs(path: str) -> bool:
    """Say whether a file of a chart, by its path in it, is part of it and no manifest of its own."""
    if "/crds/" in f"/{path}":
        return False
    return "/templates/" in f"/{path}" or _PLAIN.search(path) is not None or _VALUES.search(path) is not None
