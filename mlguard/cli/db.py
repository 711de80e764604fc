"""mlguard db: makes, checks and describes the database of advisories."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from mlguard.cli import INCOMPLETE, PASS, output
from mlguard.cli.run import settings_here
from mlguard.errors import Unreadable, UsageError
from mlguard.scanners.dependencies import database

VERIFICATION_FAILED = 5
"""The exit code where a digest or a signature does not fit."""

_KEY = click.option(
    "--key",
    "keys",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="A public key of Ed25519, one of which must have signed the database; dependencies.database_keys when not given.",
)
_FILE = click.argument("file", required=False, type=click.Path(path_type=Path))


@click.group("db")
def command() -> None:
    """Make, check and describe the database of advisories that dependencies are audited with.

    It is one file, kept for this user unless --to or dependencies.database says where. Only db update with an address uses
    the network.
    """


@command.command("update", short_help="Make the database anew from an export of advisories.")
@click.option(
    "--from",
    "source",
    required=True,
    metavar="SOURCE",
    help="An export of OSV (zip, folder or JSON file), a checkout of the PyPA's advisory database, a database made "
    "elsewhere, or the https address of one of these files.",
)
@click.option(
    "--to", "target", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Where to write it."
)
@click.option("--sha256", metavar="HEX", help="The digest that the file of SOURCE must have.")
@click.option(
    "--sign",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="Sign the database with this private key of Ed25519 (PEM).",
)
@_KEY
def update(source: str, target: Path | None, sha256: str | None, sign: Path | None, keys: tuple[Path, ...]) -> int:
    """Make the database anew. The old one stays until the new one is whole.

    Ends with 3 when SOURCE cannot be read or holds entries that cannot be understood, and with 5 when a digest or a
    signature does not fit.
    """
    if sha256 is not None and not (len(sha256) == 64 and set(sha256.lower()) <= set("0123456789abcdef")):
        raise UsageError("--sha256: a digest has 64 hexadecimal digits")
    settings = _settings()
    place = target or _place(settings)
    try:
        with _local(source, sha256) as (path, name):
            from mlguard.scanners.dependencies import making

            digest = making.digest(path)
            if sha256 is not None and digest != sha256.lower():
                return _failed(f"{name} has another SHA-256: {digest}")
            if database.is_database(path):
                return _copied(path, place, _trusted(keys, settings))
            return _made(path, place, name, digest, sign)
    except Unreadable as error:
        output.emit(f"mlguard: {error}; the database was left as it is")
        return INCOMPLETE


def _made(path: Path, place: Path, name: str, digest: str, sign: Path | None) -> int:
    from mlguard.scanners.dependencies import keys, making, surveying

    found = surveying.survey(path)
    data = making.made(found, name, digest, output.today(), keys.signer(sign) if sign else None)
    _write(place, data)
    for trouble in found.troubles:
        output.emit(f"  cannot be understood: {trouble}")
    with database.open_database(place) as made:
        output.emit("\n".join(_told(made, place)))
    if found.broken:
        output.emit(f"{found.broken} entries cannot be understood, so every audit with this database has a gap")
        return INCOMPLETE
    return PASS


def _copied(path: Path, place: Path, verify: database.Verify | None) -> int:
    """Take over a database that was made elsewhere, once all of it was checked."""
    data = path.read_bytes()
    try:
        with database.open_database(path, verify) as found:
            found.verify()
    except Unreadable as error:
        return _failed(f"{error}; the database was left as it is")
    _write(place, data)
    with database.open_database(place) as made:
        output.emit("\n".join(_told(made, place)))
    return PASS


def _write(place: Path, data: bytes) -> None:
    try:
        database.write(place, data)
    except OSError as error:
        raise UsageError(f"{place} cannot be written: {error.strerror}") from None


@command.command("status", short_help="Say how old the database is, and what it holds.")
@_FILE
@click.option("-f", "--format", "form", type=click.Choice(["text", "json"]), default="text", help="How to print it.")
@_KEY
def status(file: Path | None, form: str, keys: tuple[Path, ...]) -> int:
    """Say how old the database is, what it holds and what it was made of.

    Ends with 3 when there is none or it is stale, and with 5 when it was changed or damaged.
    """
    settings = _settings()
    place = file or _place(settings)
    if not place.is_file():
        output.emit(f"there is no database at {place}; mlguard db update --from makes one")
        return INCOMPLETE
    try:
        with database.open_database(place, _trusted(keys, settings)) as found:
            age, most = found.age(output.today()), _most(settings)
            stale = age is None or age > most
            if form == "json":
                told = {**json.loads(found.manifest.text), "age_days": age, "stale": stale, "signed": found.signed}
                output.emit(json.dumps(told, indent=2, sort_keys=True))
            else:
                output.emit("\n".join([*_told(found, place), _age(age, most)]))
            return INCOMPLETE if stale or found.broken else PASS
    except Unreadable as error:
        return _failed(str(error))


@command.command("verify", short_help="Check every byte of the database.")
@_FILE
@_KEY
def verify(file: Path | None, keys: tuple[Path, ...]) -> int:
    """Check the digests of the whole database, and its signature where a key is given. Ends with 5 when one does not fit."""
    settings = _settings()
    place = file or _place(settings)
    if not place.is_file():
        output.emit(f"there is no database at {place}; mlguard db update --from makes one")
        return INCOMPLETE
    try:
        with database.open_database(place, _trusted(keys, settings)) as found:
            found.verify()
            signed = "signed" if found.signed else "not signed"
            output.emit(f"{place}: sound, {found.manifest.packages} packages, {signed}")
    except Unreadable as error:
        return _failed(str(error))
    return PASS


def _failed(message: str) -> int:
    output.emit(f"mlguard: {message}")
    return VERIFICATION_FAILED


def _settings() -> Mapping[str, Any]:
    """Return the settings of dependencies in this folder, with paths made absolute."""
    found = settings_here()
    settings = dict(found.settings.get("dependencies", {}))
    beside = Path(found.path).absolute().parent if found.path else Path.cwd()
    if settings.get("database"):
        settings["database"] = beside / str(settings["database"])
    settings["database_keys"] = [str(beside / str(name)) for name in settings.get("database_keys", ())]
    return settings


def _place(settings: Mapping[str, Any]) -> Path:
    return Path(settings["database"]) if settings.get("database") else database.default_path()


def _most(settings: Mapping[str, Any]) -> int:
    from mlguard.scanners.dependencies.auditing import MAX_AGE_DAYS

    most = settings.get("max_age_days", MAX_AGE_DAYS)
    return most if isinstance(most, int) else MAX_AGE_DAYS


def _trusted(keys: Sequence[Path], settings: Mapping[str, Any]) -> database.Verify | None:
    names = [str(key.absolute()) for key in keys] or settings["database_keys"]
    if not names:
        return None
    from mlguard.scanners.dependencies.keys import verifier

    try:
        return verifier(Path("/"), names)
    except Unreadable as error:
        raise UsageError(str(error)) from None


def _told(found: database.Database, place: Path) -> Iterator[str]:
    facts = found.manifest
    yield f"{place}"
    yield f"  {facts.entries} entries of {facts.source}, {facts.withdrawn} of them withdrawn, {facts.broken} not understood"
    yield f"  {facts.advisories} advisories of {facts.packages} packages, {facts.malicious} entries of malicious packages"
    yield f"  newest entry of {facts.snapshot or 'an unknown day'}, made on {facts.created}, {'signed' if found.signed else 'not signed'}"
    yield f"  SHA-256 of the source {facts.sha256}"


def _age(age: int | None, most: int) -> str:
    if age is None:
        return "  stale: no entry has a date"
    days = "1 day" if age == 1 else f"{age} days"
    return f"  stale: {days} old, more than {most}" if age > most else f"  {days} old; stale after {most}"


@contextmanager
def _local(source: str, sha256: str | None) -> Iterator[tuple[Path, str]]:
    """Give the path of a source, and the name that may be told of it. Raises UsageError and Unreadable."""
    if "://" not in source:
        path = Path(source)
        if not path.exists():
            raise UsageError(f"--from {source}: there is no such file or folder")
        yield path, path.absolute().name
        return
    from mlguard.cli.download import fetch, shown

    with tempfile.TemporaryDirectory(prefix="mlguard-db-") as folder:
        name = shown(source)
        path = Path(folder) / ("export" + Path(name).suffix)
        fetch(source, path, digest_is_known=sha256 is not None)
        yield path, name
