"""Reads the values of Kubernetes Secrets, which base64 does not hide."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator

import yaml

from mlguard import yamlish
from mlguard.errors import Unreadable
from mlguard.scanners import lazy
from mlguard.scanners.secrets.values import is_made_of_words, is_placeholder
from mlguard.values import dataclass

_SECRET = lazy.pattern(
    r"^[ \t-]*[\"']?kind[\"']?\s*:\s*[\"']?Secret[\"']?\s*,?\s*(?:#.*)?$|[\"']kind[\"']\s*:\s*[\"']Secret[\"']", re.M
)
_SEALED = lazy.pattern(r"^[\"']?kind[\"']?\s*:\s*[\"']?SealedSecret\b", re.M)
_BREAK = lazy.pattern(r"^---(?:\s.*)?$", re.M)
_PUBLIC = lazy.pattern(
    r"(?i)^(?:user(?:name)?|user_?id|login|email|host(?:name)?|port|database|db_?name|dbname|name|namespace|region|endpoint|ca\.crt|tls\.crt|.*\.(?:crt|pub)|"
    r"(?:.*_)?(?:host|port|user|username|url|uri|region|bucket|namespace|db_?name|database|endpoint))$"
)


_LOGIN_IN_URL = lazy.pattern(r"^[a-zA-Z][a-zA-Z0-9+.-]*://[^\s/@:]*:(?![$<{*])[^\s/@]{3,}@")


@dataclass(frozen=True, slots=True)
class Entry:
    """One key of a Secret that holds a readable value, and where the value stands."""

    secret: str
    key: str
    start: int
    end: int


def has_secret(text: str) -> bool:
    """Say whether a manifest holds an object of kind Secret."""
    return "Secret" in text and bool(_SECRET.search(text))


def sealed(text: str) -> Iterator[tuple[int, int]]:
    """Yield where the documents of kind SealedSecret stand, whose values only the cluster can open."""
    for start, document in _documents(text) if "SealedSecret" in text else ():
        if _SEALED.search(document):
            yield start, start + len(document)


def entries(text: str) -> Iterator[Entry]:
    """Yield the readable values of all Secrets of a file. Raises Unreadable for a document that is no YAML, after the others."""
    trouble: Unreadable | None = None
    for start, document in _documents(text):
        if not has_secret(document):
            continue
        try:
            node = yamlish.compose(document, "the manifest")
        except Unreadable as error:
            yield from (Entry("", key, start + a, start + b) for key, a, b in _by_line(document))
            trouble = None if "{{" in document else error  # a template is read line by line
            continue
        for secret in _secrets(node):
            yield from _entries(secret, document, start)
    if trouble is not None:
        raise trouble


def _documents(text: str) -> Iterator[tuple[int, str]]:
    start = 0
    for match in _BREAK.finditer(text):
        yield start, text[start : match.start()]
        start = match.end()
    yield start, text[start:]


def _secrets(node: yaml.Node | None) -> Iterator[yaml.MappingNode]:
    if not isinstance(node, yaml.MappingNode):
        return
    if _scalar(_at(node, "kind")) == "Secret":
        yield node
    items = _at(node, "items")
    if isinstance(items, yaml.SequenceNode):
        for item in items.value:
            if isinstance(item, yaml.MappingNode) and _scalar(_at(item, "kind")) == "Secret":
                yield item


def _entries(secret: yaml.MappingNode, document: str, offset: int) -> Iterator[Entry]:
    if _at(secret, "sops") is not None:
        return
    metadata = _at(secret, "metadata")
    name = _scalar(_at(metadata, "name")) if isinstance(metadata, yaml.MappingNode) else ""
    for part in ("data", "stringData"):
        block = _at(secret, part)
        for key, value in block.value if isinstance(block, yaml.MappingNode) else ():
            if (
                isinstance(key, yaml.ScalarNode)
                and isinstance(value, yaml.ScalarNode)
                and _readable(key.value, value.value, part)
            ):
                begin, end = value.start_mark.index, value.end_mark.index
                if value.style in ("'", '"'):
                    begin, end = begin + 1, end - 1
                end = begin + len(document[begin:end].rstrip())
                yield Entry(name, key.value, offset + begin, offset + max(end, begin + 1))


def _readable(key: str, value: str, part: str) -> bool:
    if part == "data":
        try:
            value = base64.b64decode("".join(value.split()), validate=True).decode("utf-8", "replace")
        except (ValueError, binascii.Error):
            return False
    value = value.strip()
    if (_PUBLIC.match(key) and not _LOGIN_IN_URL.search(value)) or value.startswith(
        ("-----BEGIN CERTIFICATE", "-----BEGIN PUBLIC")
    ):
        return False
    if _SETTING.match(value) and not _SECRET_KEY.search(key):
        return False
    return bool(value) and not is_placeholder(value[:200]) and not (is_made_of_words(value) and _says_change(value))


_SETTING = lazy.pattern(r"^(?:true|false|yes|no|https?|memory|\d{1,9}(?:ms|[smhd])?|(?:/[\w.-]+){1,12}/?)$")
_SECRET_KEY = lazy.pattern(r"(?i)pass|pwd|secret|token|cred|(?<!_path)(?:^|[a-z_.-])key$|pin|code")
"""Settings that often stand beside a secret: a switch, a measure, a path. Under a name that sounds like a secret they count."""


def _says_change(value: str) -> bool:
    return bool(re.search(r"(?i)change|your|example|here|value|string", value))


def _at(node: yaml.Node | None, key: str) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            if isinstance(name, yaml.ScalarNode) and name.value == key:
                return value if isinstance(value, yaml.Node) else None
    return None


def _scalar(node: yaml.Node | None) -> str:
    return str(node.value) if isinstance(node, yaml.ScalarNode) else ""


_BLOCK = lazy.pattern(r"^(?P<indent>[ \t]*)(?P<part>data|stringData):[ \t]*$")
_LINE = lazy.pattern(
    r"^(?P<indent>[ \t]*)(?P<key>[\w.-]{1,100}):[ \t]+[\"']?(?P<value>[^\s\"'#{|>]+)[\"']?[ \t]*(?:#.*)?$"
)


def _by_line(document: str) -> Iterator[tuple[str, int, int]]:
    """Yield key, start and end of plain values below data and stringData of a document that is a template."""
    part, depth, offset = "", 0, 0
    for line in document.split("\n"):
        block, entry = _BLOCK.match(line), _LINE.match(line)
        if block:
            part, depth = block.group("part"), len(block.group("indent"))
        elif line.strip() and not line.strip().startswith(("#", "{{")) and len(line) - len(line.lstrip()) <= depth:
            part = ""
        elif part and entry and _readable(entry.group("key"), entry.group("value"), part):
            yield entry.group("key"), offset + entry.start("value"), offset + entry.end("value")
        offset += len(line) + 1
