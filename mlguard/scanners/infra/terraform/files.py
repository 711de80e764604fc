"""Terraform's functions that read files: inside the tree only."""

from __future__ import annotations

import base64
import posixpath
from typing import TYPE_CHECKING, Any

from mlguard.scanners.infra.resources import Position, Unknown, reference
from mlguard.scanners.infra.terraform.texts import digest
from mlguard.scanners.infra.terraform.values import Failed, SetOf

if TYPE_CHECKING:
    from mlguard.scanners.infra.terraform.session import Session

CWD = reference("path.cwd")
"""How ``path.cwd`` is written: the folder of the root module, wherever the tree stands."""

_DIGESTS = {
    "filemd5": ("md5", False), "filesha1": ("sha1", False), "filesha256": ("sha256", False), "filesha512": ("sha512", False),
    "filebase64sha256": ("sha256", True), "filebase64sha512": ("sha512", True),
}  # fmt: skip

FILES = frozenset({"file", "templatefile", "fileexists", "fileset", "filebase64", "pathexpand", *_DIGESTS})


class Refused(Unknown):
    """A file that is not read, because it stands outside the tree or is too large."""


def read(session: Session, folder: str, name: str, values: list[Any], at: Position) -> Any:
    """Return the value of a function of files; of ``templatefile`` the text of the template.

    ``folder`` is that of the root module, in which Terraform runs.
    """
    given = values[0] if values else None
    if isinstance(given, Unknown):
        return given
    if not isinstance(given, str):
        return Failed("the name of a file")
    if name == "pathexpand":
        return Unknown("a folder of the user") if given.startswith("~") else given
    if given.startswith(CWD):
        given = "./" + given.removeprefix(CWD).lstrip("/")
    if "\ue000" in given:
        return Unknown("the name of a file")
    path = posixpath.normpath(posixpath.join(folder, given))
    if given.startswith(("/", "~")) or path.startswith(("..", "/")) or "\0" in path:
        session.report(at, "skipped", f"{name}() names a path outside the tree, which is not read")
        return Refused("a file outside the tree")
    result = _inside(session, path, name, values)
    if isinstance(result, Refused):
        session.report(at, "skipped", f"{name}() names {result.reason}, which is not read")
    return result


def _inside(session: Session, path: str, name: str, values: list[Any]) -> Any:
    if name == "fileset":
        if len(values) < 2 or not isinstance(values[1], str):
            return Failed("a pattern")
        found = session.list(path, values[1])
        return SetOf(found) if isinstance(found, list) else found
    data = session.read(path)
    if name == "fileexists":
        return data if isinstance(data, Refused) else data is not None
    if data is None:
        return Failed("a file that is not in the tree")
    if isinstance(data, Unknown):
        return data
    if name in _DIGESTS:
        kind, encoded = _DIGESTS[name]
        return digest(kind, data, encoded)
    if name == "filebase64":
        return base64.b64encode(data).decode()
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return Failed("a file that is no text")
    return text.replace("\ue000", " ").replace("\ue001", " ")
