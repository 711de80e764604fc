"""Reads the syntax of Terraform as JSON: blocks as objects or lists of them, expressions inside texts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from mlguard.errors import Unreadable
from mlguard.scanners import lazy
from mlguard.scanners.infra.resources import Position
from mlguard.scanners.infra.terraform.expressions import Attribute, Block, Expr, Source
from mlguard.scanners.infra.terraform.syntax import MAX_DEPTH, expression_of, number, template_of

_TOP = frozenset({"resource", "data", "variable", "output", "locals", "module", "provider", "terraform"})
_LABELS = {"resource": 2, "data": 2, "variable": 1, "output": 1, "module": 1, "provider": 1}


_BLOCKS = frozenset({"resource", "data", "provider"})
"""Blocks in whose bodies objects are blocks, but for those that are plainly maps."""

_MAPS = frozenset(
    [
        "tags",
        "tags_all",
        "labels",
        "user_labels",
        "resource_labels",
        "annotations",
        "variables",
        "environment_variables",
        "parameters",
        "triggers",
        "keepers",
        "metadata",
        "app_settings",
        "headers",
        "vars",
        "inputs",
        "properties",
        "options",
        "data",
        "string_data",
        "binary_data",
        "match_labels",
        "node_selector",
        "limits",
        "requests",
        "config",
        "secrets",
        "extra_connect_info_encryption",
        "context",
        "values",
        "request_parameters",
        "response_parameters",
        "default_arguments",
        "replication_configuration_tags",
        "additional_tag_map",
        "secret_tags",
        "network_tags",
        "client_metadata",
        "runtime_environment_variables",
    ]
)
_NAME = lazy.pattern(r"[a-z_][a-z0-9_-]*")


_PAIR = lazy.pattern(
    r"\\\\|\\u([dD][89abAB][0-9a-fA-F]{2})(?:\\u([dD][c-fC-F][0-9a-fA-F]{2}))?|\\u[dD][c-fC-F][0-9a-fA-F]{2}"
)


def _joined(match: re.Match[str]) -> str:
    """Return a character that JSON writes as two halves as YAML writes it."""
    if match.group() == "\\\\":
        return match.group()
    if not match.group(2):
        return "\\ufffd"
    return f"\\U{0x10000 + ((int(match.group(1), 16) - 0xD800) << 10) + int(match.group(2), 16) - 0xDC00:08x}"


def source(path: str, text: str) -> Source:
    """Return the blocks of a file. Raises Unreadable for what is no JSON."""
    import yaml

    try:
        json.loads(text)
        plain = _PAIR.sub(_joined, text.replace("\t", " ")) if "\\u" in text else text.replace("\t", " ")
        node = yaml.compose(plain, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (ValueError, yaml.YAMLError, RecursionError):
        raise Unreadable("not valid JSON") from None
    top = Block("", (), Position(1, path=path))
    reader = _Reader(path)
    if isinstance(node, yaml.MappingNode):
        reader.top(node, top)
    return Source(path, top)


class _Reader:
    def __init__(self, path: str) -> None:
        self.path = path

    def at(self, first: Any, last: Any) -> Position:
        a, b = first.start_mark, last.end_mark
        return Position(a.line + 1, a.column + 1, b.line + 1, b.column + 1, self.path)

    def top(self, node: Any, top: Block) -> None:
        for key, value in node.value:
            if key.value not in _TOP or self.path.endswith(".tfvars.json"):
                top.attributes[key.value] = Attribute(key.value, self.expr(value, 0), self.at(key, value))
                continue
            for labels, head, body in self.labelled(value, _LABELS.get(key.value, 0), (), key):
                block = Block(key.value, labels, self.at(head, head))
                self.body(body, block)
                top.blocks.append(block)

    def labelled(
        self, node: Any, count: int, labels: tuple[str, ...], head: Any
    ) -> Iterator[tuple[tuple[str, ...], Any, Any]]:
        if node.id == "sequence":
            for item in node.value:
                yield from self.labelled(item, count, labels, head)
        elif node.id == "mapping" and not count:
            yield labels, head, node
        elif node.id == "mapping":
            for key, value in node.value:
                yield from self.labelled(value, count - 1, (*labels, str(key.value)), key)

    def body(self, node: Any, block: Block, nested: bool = False, depth: int = 0) -> None:
        for key, value in node.value:
            name = str(key.value)
            if name == "//":
                continue
            if block.type == "terraform" and name in ("backend", "required_providers"):
                self.blocks(name, key, value, block, int(name == "backend"), depth)
            elif (nested or block.type in _BLOCKS) and depth < MAX_DEPTH and _is_block(name, value):
                self.blocks(name, key, value, block, int(name in ("dynamic", "provisioner")), depth)
            elif block.type == "variable" and name == "type" and value.id == "scalar":
                expr = expression_of(value.value, self.at(value, value))
                block.attributes[name] = Attribute(name, expr, self.at(key, value))
            else:
                block.attributes[name] = Attribute(name, self.expr(value, 0), self.at(key, value))

    def blocks(self, name: str, key: Any, value: Any, parent: Block, labels: int, depth: int) -> None:
        """Enter the blocks of one type: an object, a list of objects, or objects under their labels."""
        for found, head, body in self.labelled(value, labels, (), key):
            where = self.at(body, body) if head is key and value.id == "sequence" else self.at(head, head)
            inner = Block(name, found, where)
            self.body(body, inner, parent.type != "terraform", depth + 1)
            parent.blocks.append(inner)

    def expr(self, node: Any, depth: int) -> Expr:
        where = self.at(node, node)
        if depth > MAX_DEPTH:
            return Expr("error", (), where)
        if node.id == "sequence":
            return Expr("tuple", tuple(self.expr(item, depth + 1) for item in node.value), where)
        if node.id == "mapping":
            items = (
                (Expr("lit", (str(k.value),), self.at(k, k)), self.expr(v, depth + 1), self.at(k, v))
                for k, v in node.value
            )
            return Expr("object", tuple(items), where)
        if node.style == '"':
            return template_of(node.value, where)
        plain = {"true": True, "false": False, "null": None}
        return Expr("lit", (plain[node.value] if node.value in plain else number(node.value),), where)


def _is_block(name: str, value: Any) -> bool:
    """Say whether an object in a body is a block: a map of the same shape cannot be told from it but by its name."""
    if name in _MAPS:
        return False
    items = value.value if value.id == "sequence" else [value]
    return bool(items) and all(
        item.id == "mapping" and all(key.value == "//" or _NAME.fullmatch(str(key.value)) for key, _ in item.value)
        for item in items
    )
