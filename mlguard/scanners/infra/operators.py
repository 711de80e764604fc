"""The named operators of the rule language: each compares one value with one argument.

A value is never missing and never ``Unknown`` here; the language settles both before. ``None`` means "cannot be told".
"""

from __future__ import annotations

import ipaddress
import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase, translate
from functools import lru_cache
from typing import Any

from mlguard.scanners import lazy
from mlguard.scanners.infra import iam
from mlguard.scanners.infra.resources import REFERENCE, Open, Unknown, shown

Operator = Callable[[Any, Any], bool | None]

OPERATORS: dict[str, Operator] = {}
"""By name. Each has its opposite under the name in NEGATED."""

NEGATED = {
    "ne": "eq", "not_in": "in", "absent": "exists", "not_empty": "empty", "not_matches": "matches",
    "not_contains": "contains", "not_glob_in": "glob_in", "not_intersects": "intersects",
    "not_cidr_public": "cidr_public",
}  # fmt: skip
"""The opposite holds for something missing, and only when it holds for every value of the path."""

BARE = frozenset(
    {
        "exists",
        "absent",
        "empty",
        "not_empty",
        "cidr_public",
        "not_cidr_public",
        "is_secret_like",
        "own_key",
        "image_digest",
        "true",
        "false",
    }
)
"""Operators that take no value."""

_IDENTITY = lazy.pattern(
    r"^AWS::(?:AccountId|Partition|StackId|StackName|URLSuffix)$|(?:^|[._])(?:arn|id|ids|name|bucket|email|self_link|unique_id|account_id|key_id|member|json|uri|url|dns_name|fqdn"
    r"|endpoint|project|number|partition|key_arn|invoke_arn|principal_id|object_id|tenant_id|client_id|hex|result)\"?\]?$"
)


def operator(function: Operator) -> Operator:
    """Enter a function in the table under its name without the trailing underscore."""
    OPERATORS[function.__name__.rstrip("_")] = function
    return function


def as_list(value: Any) -> list[Any]:
    """Return a list as it is, nothing as no element, and anything else as the one element."""
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def any_of(results: Iterable[bool | None]) -> bool | None:
    """Return True when one is, else None when one cannot be told, else False."""
    unknown = False
    for result in results:
        if result:
            return True
        unknown = unknown or result is None
    return None if unknown else False


def _is_open(value: Any) -> bool:
    return isinstance(value, str) and "\ue000" in value


def _could_be(value: str, literal: str) -> bool | None:
    """Say whether a text with references may turn out as ``literal``: an identifier never does."""
    parts = REFERENCE.split(value)
    pattern = ".*".join(re.escape(part) for part in parts[::2])
    if not re.fullmatch(pattern, literal, re.S):
        return False
    return False if all(_IDENTITY.search(name) for name in parts[1::2]) else None


def _plain(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


@operator
def eq(value: Any, wanted: Any) -> bool | None:
    """Equal, where ``"true"`` is true and ``"5"`` is 5, as Terraform converts them."""
    if type(value) is type(wanted) is str and "\ue000" not in value:
        return bool(value == wanted)
    if isinstance(value, Unknown):
        return None
    if _is_open(value):
        return _could_be(value, _plain(wanted)) if isinstance(wanted, str) else None
    if isinstance(wanted, bool) or isinstance(value, bool):
        return _plain(value).lower() == _plain(wanted).lower()
    if isinstance(wanted, (int, float)) and isinstance(value, str):
        return number(value) == wanted
    if isinstance(value, (int, float)) and isinstance(wanted, str):
        return number(wanted) == value
    return bool(value == wanted)


@operator
def true(value: Any, _: Any = None) -> bool | None:
    """The boolean true, also as text."""
    return eq(value, True)


@operator
def false(value: Any, _: Any = None) -> bool | None:
    """The boolean false, also as text. Something missing is not false."""
    return eq(value, False)


@operator
def in_(value: Any, wanted: Any) -> bool | None:
    """Equal to one of a list."""
    return any_of([eq(value, item) for item in as_list(wanted)])


@operator
def exists(value: Any, _: Any = None) -> bool | None:
    """Set to anything but null."""
    return value is not None


@operator
def empty(value: Any, _: Any = None) -> bool | None:
    """Null, an empty text, list or mapping. Something missing is empty too."""
    return value is None or (isinstance(value, (str, list, tuple, dict)) and not value)


@operator
def own_key(value: Any, _: Any = None) -> bool | None:
    """Names a key that is not one of the provider's own."""
    if empty(value, None):
        return False
    shared = matches(value, "alias/aws/")
    return None if shared is None else not shared


@lru_cache(1024)
def _regex(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


@operator
def matches(value: Any, pattern: Any) -> bool | None:
    """The regular expression is found in the text. Say ``(?i)`` for any case."""
    if isinstance(value, (dict, list, tuple)):
        return any_of(matches(item, pattern) for item in value) if not isinstance(value, dict) else False
    text = _plain(value)
    readable = shown(text)
    if any(_regex(one).search(readable) for one in as_list(pattern)):
        return True
    return None if _is_open(text) and not all(_IDENTITY.search(name) for name in REFERENCE.findall(text)) else False


@operator
def suggests(value: Any, pattern: Any) -> bool | None:
    """As ``matches``, of a name that only hints at what something is: as long as it is not known, it hints at nothing."""
    return matches(value, pattern) is True


@operator
def glob_in(value: Any, patterns: Any) -> bool | None:
    """One of the shell patterns fits the whole text, in any case."""
    if _is_open(value):
        return None
    return _globs(tuple(map(str, as_list(patterns)))).match(_plain(value).lower()) is not None


@lru_cache(1024)
def _globs(patterns: tuple[str, ...]) -> re.Pattern[str]:
    """Return an expression that fits what one of the shell patterns does, in small letters."""
    return re.compile("|".join(translate(pattern.lower()) for pattern in patterns) or r"(?!)")


@operator
def contains(value: Any, wanted: Any) -> bool | None:
    """A list holds an element, a mapping a key, or a text a part. Of several wanted, one is enough."""
    if isinstance(value, str):
        return any(str(item) in value for item in as_list(wanted))
    if isinstance(value, Mapping):
        return any(item in value for item in as_list(wanted))
    return intersects(value, wanted)


@operator
def intersects(value: Any, wanted: Any) -> bool | None:
    """One element of the list (or the single value) is one of the wanted."""
    return any_of(in_(item, wanted) for item in as_list(value))


@operator
def subset(value: Any, wanted: Any) -> bool | None:
    """Every element of the list is one of the wanted."""
    outside = any_of(None if (inside := in_(item, wanted)) is None else not inside for item in as_list(value))
    return None if outside is None else not outside


@operator
def includes(value: Any, wanted: Any) -> bool | None:
    """Every wanted element is in the list."""
    lacking = any_of(None if (held := intersects(value, item)) is None else not held for item in as_list(wanted))
    return None if lacking is None else not lacking


@operator
def has_key(value: Any, patterns: Any) -> bool | None:
    """A mapping has a key that fits one of the shell patterns, without regard to case, ``-`` and ``_``."""
    if not isinstance(value, Mapping):
        return False
    wanted = _key_pattern(tuple(str(pattern).lower() for pattern in as_list(patterns)))
    if any(wanted.match(str(key).lower().translate(_BETWEEN)) for key in value):
        return True
    return None if isinstance(value, Open) else False


_BETWEEN = dict.fromkeys(map(ord, "-_: "))


@lru_cache(256)
def _key_pattern(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(map(translate, patterns)))


def number(value: Any) -> float | None:
    """Return the number that a value is or spells, else None."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def _ordered(name: str, compare: Callable[[float, float], bool], doc: str) -> None:
    def function(value: Any, limit: Any) -> bool | None:
        if isinstance(value, Unknown) or _is_open(value):
            return None
        left, right = number(value), number(limit)
        return left is not None and right is not None and compare(left, right)

    function.__doc__ = doc
    OPERATORS[name] = function


@operator
def seconds_above(value: Any, limit: Any) -> bool | None:
    """A span of time in seconds, also written as ``"86400s"``, is above the limit."""
    if isinstance(value, Unknown) or _is_open(value):
        return None
    held = number(value.strip().removesuffix("s")) if isinstance(value, str) else number(value)
    most = number(limit)
    return held is not None and most is not None and held > most


_ordered("lt", lambda a, b: a < b, "A number below the limit.")
_ordered("le", lambda a, b: a <= b, "A number not above the limit.")
_ordered("gt", lambda a, b: a > b, "A number above the limit.")
_ordered("ge", lambda a, b: a >= b, "A number not below the limit.")

_ANYWHERE = frozenset({"*", "any", "internet", "0.0.0.0", "::"})
_WIDE_V4 = 2**25
"""This many public IPv4 addresses in one list are the internet: a /7, or two halves of it, or many blocks."""
_WIDE_V6_PREFIX = 15


@operator
def cidr_public(value: Any, _: Any = None) -> bool | None:
    """The address range, or the ranges of a list together, let in a large part of the internet (also /0 in halves)."""
    total, unknown = 0, False
    for item in as_list(value):
        if isinstance(item, Unknown):
            unknown = True
        elif isinstance(item, str):
            size = _public_size(item)
            unknown = unknown or size is None
            total += size or 0
    return True if total >= _WIDE_V4 else (None if unknown else False)


@lru_cache(4_096)
def _public_size(text: str) -> int | None:
    """Return how many public IPv4 addresses a range holds (a wide IPv6 range counts as all), None when not known."""
    plain = text.strip().lower()
    if plain in _ANYWHERE:
        return 2**32
    if _is_open(text):
        tail = REFERENCE.sub("", text).strip()
        prefix = number(tail[1:]) if tail.startswith("/") else None
        return 0 if prefix is not None and prefix > 8 else None
    try:
        network = ipaddress.ip_network(plain, strict=False)
    except ValueError:
        return 0  # the name of a group, a service tag, a prefix list
    if network.version == 6:
        return 2**32 if network.prefixlen <= _WIDE_V6_PREFIX and not network.is_private else 0
    return 0 if network.is_private and network.prefixlen >= 8 else network.num_addresses


@operator
def covers_port(value: Any, ports: Any) -> bool | None:
    """A mapping with ``protocol``, ``from_port``, ``to_port`` or ``ports`` (``"20-25"``, ``"*"``) includes one of the ports.

    The argument is one port or a list. No port at all, or protocol "-1" or "all", means every port.
    """
    ranges = port_ranges(value)
    if ranges is None:
        return None
    wanted = _ports(tuple(port if isinstance(port, int) else str(port) for port in as_list(ports)))
    return any(low <= port <= high for low, high in ranges for port in wanted[bisect_left(wanted, low) :][:1])


@lru_cache(256)
def _ports(ports: tuple[int | str, ...]) -> tuple[float, ...]:
    return tuple(sorted(port for port in map(number, ports) if port is not None))


@operator
def covers_other_port(value: Any, ports: Any) -> bool | None:
    """A mapping as ``covers_port`` takes it includes a port that is none of these."""
    ranges = port_ranges(value)
    if ranges is None:
        return None
    known = {int(port) for port in map(number, as_list(ports)) if port is not None}
    return any(high - low >= len(known) or not set(range(low, high + 1)) <= known for low, high in ranges)


_NO_PORTS = frozenset({"icmp", "1", "icmpv6", "58", "ipv6-icmp", "esp", "50", "ah", "51"})
_EVERY_PORT = (0, 65535)


def port_ranges(value: Any) -> list[tuple[int, int]] | None:
    """Return the ranges of ports of a firewall rule, or of texts such as ``"20-25"``; None when one is not known."""
    if not isinstance(value, Mapping):
        return _ranges(as_list(value))
    protocol = _plain(value.get("protocol", "")).lower()
    if protocol in ("-1", "all", "*") and not value.get("ports"):
        return [_EVERY_PORT]
    if protocol in _NO_PORTS:
        return []
    if "ports" in value:
        ports = value["ports"]
        return [_EVERY_PORT] if ports in (None, []) else _ranges(as_list(ports))
    low, high = value.get("from_port"), value.get("to_port")
    if isinstance(low, Unknown) or isinstance(high, Unknown):
        return None
    if low is None and high is None:
        return [_EVERY_PORT]
    return _ranges([f"{_plain(low if low is not None else high)}-{_plain(high if high is not None else low)}"])


def _ranges(texts: list[Any]) -> list[tuple[int, int]] | None:
    result: list[tuple[int, int]] | None = []
    for text in texts:
        if isinstance(text, Unknown) or _is_open(text):
            result = None
            continue
        plain = _plain(text).strip()
        match = re.fullmatch(r"(\d{1,6})(?:\.0)?(?:\s*-\s*(\d{1,6})(?:\.0)?)?", plain)
        span = (int(match.group(1)), int(match.group(2) or match.group(1))) if match else None
        if plain in ("*", "-1", "-1--1", "all"):
            span = _EVERY_PORT
        if span is not None and result is not None:
            result.append(span)
    return result


_PLACEHOLDER = lazy.pattern(
    r"\$\{|\{\{|^<.*>$|^\$\(|^\$[A-Za-z_]|(?i:change[-_ ]?me|example|placeholder|dummy|xxxx|todo|your[-_])"
)
_TOKENS = lazy.pattern(
    r"^(?:AKIA|ASIA)[A-Z0-9]{16}$|^hf_[A-Za-z0-9]{30,}|^gh[pousr]_[A-Za-z0-9]{30,}|^github_pat_|^sk-[A-Za-z0-9_-]{20,}"
    r"|^xox[abprs]-|^glpat-|^AIza[0-9A-Za-z_-]{30,}|^eyJ[A-Za-z0-9_-]{10,}\.|-----BEGIN [A-Z ]*PRIVATE KEY"
)


@operator
def is_secret_like(value: Any, _: Any = None) -> bool | None:
    """A literal text that looks like a credential; a reference or a placeholder does not."""
    if not isinstance(value, str) or _is_open(value) or _PLACEHOLDER.search(value):
        return False
    if _TOKENS.search(value):
        return True
    mixed = any(c.isdigit() for c in value) and any(c.isalpha() for c in value)
    return (
        mixed
        and len(value) >= 16
        and re.fullmatch(r"[A-Za-z0-9+/=_.~!@#$%^&*-]+", value) is not None
        and not (
            re.search(r"^(?:https?|s3|gs|arn|projects|/)[:/]", value) or value.count("-") > 3 or value.count(".") > 1
        )
    )


def image_parts(image: str) -> tuple[str, str, str]:
    """Return name, tag and digest of an image reference; a registry's port is no tag."""
    name, _, digest = image.partition("@")
    head, colon, tail = name.rpartition(":")
    if colon and "/" not in tail:
        return head, tail, digest
    return name, "", digest


def registry_of(image: str) -> str:
    """Return the registry of an image reference, docker.io where it names none."""
    base = image_parts(image)[0]
    first = base.partition("/")[0]
    return first if "/" in base and re.search(r"[.:]|^localhost$", first) else "docker.io"


@operator
def image_tag(value: Any, tags: Any) -> bool | None:
    """The image's tag is one of a list, where "" stands for no tag at all. A digest makes the tag meaningless."""
    if not isinstance(value, str) or _is_open(value):
        return None
    _, tag, digest = image_parts(value)
    return not digest and tag in [str(item) for item in as_list(tags)]


@operator
def image_digest(value: Any, _: Any = None) -> bool | None:
    """The image is named by a digest of its content."""
    if not isinstance(value, str):
        return False
    if re.search(r"@sha256:[0-9a-f]{64}$", value):
        return True
    return None if _is_open(value) else False


@operator
def iam_allows(value: Any, wanted: Any) -> bool | None:
    """A policy statement in normal form allows ``action`` on ``resource`` to ``principal``, as far as each is asked for.

    Of several in a list, one is enough; ``*`` asks for the full wildcard. ``pattern`` asks for an action that is written so
    (a regular expression). NotAction, NotResource and NotPrincipal allow what they do not name; what a Deny of the same
    policy takes back is not allowed. With ``unless_condition: true`` a statement with a condition that limits it is not
    meant, with a list only one whose conditions narrow it by one of these keys (patterns, in any case).
    """
    if not isinstance(value, Mapping) or _plain(value.get("effect", "Allow")).lower() != "allow":
        return False
    narrowed = _narrowed(value, wanted.get("unless_condition"))
    if narrowed:
        return False
    results: list[bool | None] = [] if narrowed is False else [None]
    if "action" in wanted:
        results.append(_granted(value, "actions", wanted["action"]))
    if "pattern" in wanted:
        results.append(_written(value, wanted["pattern"]))
    if "resource" in wanted:
        results.append(_granted(value, "resources", wanted["resource"]))
    if "principal" in wanted:
        results.append(_principal(value, wanted["principal"]))
    return False if False in results else (None if None in results else True)


def _narrowed(statement: Mapping[str, Any], keys: Any) -> bool | None:
    """Say whether conditions limit a statement. Without a word on what they come to, each of them counts."""
    held = statement.get("limit_keys" if keys is True else "narrow_keys", statement.get("condition_keys"))
    if not keys or not held:
        return False
    if isinstance(held, Unknown):
        return None
    return keys is True or any(fnmatchcase(str(key).lower(), str(one).lower()) for key in held for one in as_list(keys))


def _granted(statement: Mapping[str, Any], name: str, wanted: Any) -> bool | None:
    names = [str(item).lower() for item in as_list(wanted)]
    if name == "actions":
        names = [one for one in names if not iam.taken_back(statement, one)]
    if statement.get("not_" + name):
        return any_of(_opposite(_covered(as_list(statement["not_" + name]), one)) for one in names)
    return any_of(_covered(as_list(statement.get(name)), one) for one in names)


def _opposite(result: bool | None) -> bool | None:
    return None if result is None else not result


def _written(statement: Mapping[str, Any], pattern: str) -> bool | None:
    return any_of(
        None
        if isinstance(one, Unknown)
        else matches(one, pattern) and not (isinstance(one, str) and iam.taken_back(statement, one.lower()))
        for one in as_list(statement.get("actions"))
    )


def _covered(patterns: list[Any], name: str) -> bool | None:
    return any_of(
        None
        if isinstance(p, Unknown)
        else (name == "*" and iam.everything(_plain(p))) or iam.fits(_plain(p).lower(), name)
        for p in patterns
    )


def _principal(statement: Mapping[str, Any], wanted: Any) -> bool | None:
    if statement.get("not_principals"):
        return True
    principals = statement.get("principals") or {}
    if isinstance(principals, Unknown):
        return None
    held = [item for items in principals.values() for item in as_list(items)]
    return any_of(
        None if isinstance(p, Unknown) else _plain(p) == one or (one == "*" and iam.is_everybody(_plain(p)))
        for p in held
        for one in as_list(wanted)
    )


@operator
def place_in(value: Any, patterns: Any) -> bool | None:
    """A region or zone fits one of the shell patterns, in any spelling: ``West Europe``, ``europe-west1-b``, ``eu-west-1a``."""
    if _is_open(value):
        return None
    plain = _plain(value).strip().lower().replace(" ", "")
    return glob_in(plain, patterns)


@operator
def arn_region_in(value: Any, patterns: Any) -> bool | None:
    """The region inside an ARN fits one of the shell patterns; an ARN without a region says nothing."""
    if not isinstance(value, str) or _is_open(value):
        return None
    parts = value.split(":")
    return glob_in(parts[3], patterns) if len(parts) > 4 and parts[0] == "arn" and parts[3] else None


@operator
def script_matches(value: Any, pattern: Any) -> bool | None:
    """The regular expression is found in a script, which may be written in base64."""
    from mlguard.scanners.infra.credentials import MAX_SCRIPT_CHARS, script_text

    return matches(script_text(value[:MAX_SCRIPT_CHARS]), pattern) if isinstance(value, str) else False
