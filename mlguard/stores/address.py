"""Addresses of stores: taken apart, and shown without anything that may be a secret."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from mlguard.errors import UsageError

SCHEMES = {
    "postgresql": "postgresql", "postgres": "postgresql", "s3": "s3", "s3a": "s3", "s3n": "s3", "gs": "gs", "gcs": "gs",
    "hf": "hf", "sqlite": "sqlite",
}  # fmt: skip
"""What can be read, by the scheme of its address."""

SUPPORTED = "postgresql://, s3://, gs://, hf:// and sqlite:FILE"

MAX_ADDRESS = 4096
"""Characters of an address."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*):(//)?")
_UNFIT = re.compile(r"[\x00-\x20\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff#?%@]")
_PORT = "5432"
_INVALID = "the address of postgresql is not a valid URL; write special characters of user and password in percent form (@ is %40)"


@dataclass(frozen=True, slots=True)
class Address:
    """A store that a command names. ``url`` may hold a password, so no ``repr`` has it; ``shown`` never does.

    ``host`` and ``path`` are decoded. ``options`` are the parameters after the question mark, with values.
    """

    scheme: str
    url: str = field(repr=False)
    host: str = ""
    path: str = ""
    options: dict[str, str] = field(default_factory=dict, repr=False)

    @property
    def shown(self) -> str:
        """Return the address fit to be shown: without user, password and parameters; the usual port is left out."""
        if self.scheme == "sqlite":
            return f"sqlite:{fit(self.path)}"
        path = f"/{fit(self.path)}" if self.path else ""
        return f"{self.scheme}://{fit(self.host)}{path}"


def fit(text: str) -> str:
    """Return a part of an address with what would end or change it written in percent form."""
    return _UNFIT.sub(lambda match: quote(match.group(), safe=""), text)


def scheme_of(target: str) -> str:
    """Return the scheme of what looks like the address of a store, "" for a path. ``sqlite:FILE`` needs no slashes."""
    match = _SCHEME.match(target)
    if not match:
        return ""
    name = match.group(1).lower().partition("+")[0]
    return name if match.group(2) or name == "sqlite" else ""


def parse(target: str) -> Address:
    """Return the address. Raises UsageError that quotes the scheme at most."""
    scheme = scheme_of(target)
    if scheme not in SCHEMES:
        raise UsageError(f"{scheme or 'this'}: no store of this kind can be read; there are {SUPPORTED}")
    if len(target) > MAX_ADDRESS:
        raise UsageError(f"an address of {scheme} is longer than {MAX_ADDRESS} characters")
    kind = SCHEMES[scheme]
    if kind == "sqlite":
        return Address("sqlite", target, "", _file(target))
    try:
        parts = urlsplit(target)
    except ValueError:
        raise UsageError(_INVALID.replace("postgresql", kind)) from None
    if kind == "postgresql":
        if "@" in parts.path + parts.query + parts.fragment or parts.fragment:
            raise UsageError(_INVALID)
        return _postgres(target, parts.netloc, parts.path, parts.query)
    if not parts.netloc:
        raise UsageError(f"{kind}://: the address names no bucket")
    bucket = unquote(parts.netloc.rpartition("@")[2])
    if ":" in bucket:
        raise UsageError(
            f"the address of {kind} is not a valid URL; credentials come from the environment, never from the address"
        )
    return Address(kind, target, bucket, _key(target).strip("/"), dict(parse_qsl(parts.query)))


def _file(target: str) -> str:
    """Return the path in ``sqlite:path``, ``sqlite://path`` or ``sqlite:///path``, the last as SQLAlchemy has it: relative."""
    path = target.partition(":")[2].partition("?")[0]
    if path.startswith("////"):
        return path[3:]
    return path.removeprefix("///").removeprefix("//")


def _key(target: str) -> str:
    """Return the key in the address of an object. It is taken as it stands: keys may hold percent signs and number signs."""
    rest = target.partition("://")[2].partition("/")[2]
    head, mark, tail = rest.rpartition("?")
    return head if mark and re.fullmatch(r"(?:[\w\-]+=[^&]*(?:&|$))+", tail) else rest


def _postgres(target: str, place: str, path: str, query: str) -> Address:
    # A password with a raw @, /, ? or # in it still must not be shown: all before the last @ is user information.
    options = dict(parse_qsl(query))
    hosts = [_host(host) for host in place.rpartition("@")[2].split(",")]
    if any(not re.fullmatch(r"(?:\[[^\]]*\]|[^:\[\]]*)(?::\d*)?", host) for host in hosts):
        raise UsageError(_INVALID)
    shown = ",".join(filter(None, hosts)) or options.get("host", options.get("service", "")).strip("/").replace(
        "/", "-"
    )
    return Address("postgresql", target, shown, unquote(path.strip("/")) or options.get("dbname", ""), options)


def _host(text: str) -> str:
    host = unquote(text)
    name, mark, port = host.rpartition(":")
    if mark and port == _PORT and not name.endswith(":"):
        return name
    return host
