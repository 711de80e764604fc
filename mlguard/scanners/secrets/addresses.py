"""Finds passwords in addresses and in the strings with which programs connect to servers."""

from __future__ import annotations

from collections.abc import Iterator

from mlguard.scanners import lazy
from mlguard.scanners.secrets.gate import Key
from mlguard.scanners.secrets.hits import Hit
from mlguard.scanners.secrets.values import is_made_of_words, is_password, is_placeholder, is_random

KEYS = (
    Key("://", r"://[^\s/@:]*:[^\s/@]{3}"),
    Key("@", r"://[A-Za-z0-9_-]{20,}@"),
)

_USER_INFO = lazy.pattern(
    r"://(?P<user>[^\s:/@?#\"'<>`|\\]{0,100}):(?P<value>[^\s/@\"'<>`|\\]{3,300})@(?P<host>\[[0-9a-fA-F:]+\]|[\w.-]+)"
)
_TOKEN_ONLY = lazy.pattern(r"://(?P<value>[A-Za-z0-9_-]{20,200})@(?P<host>[\w.-]+)")
_SCHEME = lazy.pattern(r"[A-Za-z][A-Za-z0-9+.-]{1,30}$")
_DATABASES = (
    "postgres", "mysql", "mariadb", "mongodb", "redis", "rediss", "valkey", "amqp", "mssql", "oracle", "clickhouse", "snowflake", "neo4j", "bolt",
    "cockroach", "db2", "jdbc", "nats", "kafka", "stomp", "mqtt", "ldap", "couchbase", "cassandra", "trino", "presto", "hive", "redshift",
)  # fmt: skip


def urls(text: str) -> Iterator[Hit]:
    """Yield the password of each address with user and password."""
    at = text.find("://")
    while at != -1:
        match = _USER_INFO.match(text, at)
        if match is not None:
            scheme = _SCHEME.search(text, max(0, at - 31), at)
            name = scheme.group().lower() if scheme else ""
            if _is_url_password(match.group("value"), match.group("user"), match.group("host")):
                database = any(word in name for word in _DATABASES)
                yield Hit(*match.span("value"), "database password in a URL" if database else "password in a URL")
        at = text.find("://", at + 3)


def tokens(text: str) -> Iterator[Hit]:
    """Yield the token of each address with a token alone. The public part of an address of Sentry is none."""
    for match in _TOKEN_ONLY.finditer(text):
        if "sentry" not in match["host"].lower() and is_random(match["value"], 20):
            yield Hit(*match.span("value"), "token in a URL")


def _is_url_password(value: str, user: str, host: str) -> bool:
    host = host.lower()
    if is_placeholder(value) or is_made_of_words(value) or value.lower() == user.lower() or "example" in host:
        return is_random(value, 16) and "example" not in host
    if "." in host and not host.startswith(("127.", "0.0.0.0")):
        return len(value) >= 5 and not value.isdigit()
    return is_password(value) or is_random(value)
