"""Fetches one file over the network, because a command names its address."""

from __future__ import annotations

import base64
import http.client
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import IO

from mlguard.errors import Unreadable, UsageError

MAX_BYTES = 2**30
"""The largest file that is fetched. OSV's export for PyPI has some 30 MB."""

PIECE_BYTES = 2**20

TIMEOUT_SECONDS = 60
"""Without any byte."""

_HERE = ("localhost", "127.0.0.1", "::1")


def shown(url: str) -> str:
    """Return an address without what may be a secret: user, password, query and fragment."""
    parts = urllib.parse.urlsplit(url)
    port = f":{parts.port}" if _port(parts) else ""
    return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"


def _port(parts: urllib.parse.SplitResult) -> int | None:
    try:
        return parts.port
    except ValueError:
        raise UsageError("the address has a port that is no number") from None


def fetch(url: str, path: Path, digest_is_known: bool) -> None:
    """Write what is at an address to a file. Raises UsageError for an address that is not allowed, and Unreadable.

    What comes without encryption could be anybody's, so that is taken only from this machine, or where the digest is known.
    """
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("https", "http"):
        raise UsageError(f"{shown(url)}: only addresses with https can be fetched")
    if parts.scheme == "http" and parts.hostname not in _HERE and not digest_is_known:
        raise UsageError(f"{shown(url)}: give an address with https, or the digest of the file with --sha256")
    opener = urllib.request.build_opener(_Careful(digest_is_known))
    request = urllib.request.Request(_without_user(parts), headers={"User-Agent": "mlguard"})
    if parts.username is not None:
        user = f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
        request.add_unredirected_header("Authorization", f"Basic {base64.b64encode(user.encode()).decode()}")
    try:
        with opener.open(request, timeout=TIMEOUT_SECONDS) as answer, open(path, "wb") as file:
            _copy(answer, file)
    except urllib.error.HTTPError as error:
        raise Unreadable(f"{shown(url)}: the server answers with the status {error.code}") from None
    except (OSError, http.client.HTTPException, ValueError):
        raise Unreadable(
            f"{shown(url)}: cannot be fetched: the server cannot be reached, or the answer breaks off"
        ) from None


def _without_user(parts: urllib.parse.SplitResult) -> str:
    return urllib.parse.urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _copy(answer: http.client.HTTPResponse, file: IO[bytes]) -> None:
    told = answer.headers.get("Content-Length", "")
    total = 0
    while piece := answer.read(PIECE_BYTES):
        total += len(piece)
        if total > MAX_BYTES:
            raise Unreadable(f"the file is larger than {MAX_BYTES // 2**30} GiB")
        file.write(piece)
    if told.isdigit() and int(told) != total:
        raise Unreadable("the answer of the server breaks off; try again")


class _Careful(urllib.request.HTTPRedirectHandler):
    """Follows no redirection from encryption to none."""

    def __init__(self, digest_is_known: bool) -> None:
        self.digest_is_known = digest_is_known

    def redirect_request(  # type: ignore[no-untyped-def]  # the library's own parameters
        self, req, fp, code, msg, headers, newurl
    ) -> urllib.request.Request | None:
        scheme = urllib.parse.urlsplit(newurl).scheme
        if scheme != "https" and not (scheme == "http" and (self.digest_is_known or req.type == "http")):
            raise urllib.error.URLError("a redirection to an address without encryption")
        return super().redirect_request(req, fp, code, msg, headers, newurl)
