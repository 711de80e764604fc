"""Reads the syntax of Terraform, in its own notation or as JSON, into blocks, attributes and expressions with places."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from mlguard.errors import Unreadable
from mlguard.scanners.infra.resources import Position

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

MAX_DEPTH = 60
"""Levels of nested blocks or expressions; deeper ones are unknown."""

MAX_BLOCKS = 50_000
"""Blocks and attributes of one file."""


class Expr(NamedTuple):
    """An expression: what it does, with which operands, and where it stands."""

    op: str
    args: tuple[Any, ...]
    at: Position


class Attribute(NamedTuple):
    """``name = expression``; the place runs from the name to the end of the value."""

    name: str
    expr: Expr
    at: Position


@dataclass(slots=True)
class Block:
    """A block; ``at`` is its head: type and labels."""

    type: str
    labels: tuple[str, ...]
    at: Position
    attributes: dict[str, Attribute] = field(default_factory=dict)
    blocks: list[Block] = field(default_factory=list)

    def value(self, name: str) -> Expr | None:
        """Return the expression of an attribute."""
        found = self.attributes.get(name)
        return found.expr if found else None


@dataclass(slots=True)
class Source:
    """One file as read. ``errors`` are the lines, from 1, where the syntax is broken."""

    path: str
    body: Block
    errors: tuple[int, ...] = ()


def parse(path: str, text: str) -> Source:
    """Return what can be read of a file. Raises Unreadable only for JSON that is none."""
    text = text.replace("\ue000", " ").replace("\ue001", " ")
    if path.endswith(".json"):
        return _json_source(path, text)
    return _Reader(path, text).source()


@cache
def _parser() -> Parser:
    import tree_sitter
    import tree_sitter_hcl

    return tree_sitter.Parser(tree_sitter.Language(tree_sitter_hcl.language()))


_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))", re.S)
_SIMPLE = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\"}
_POSTFIX = frozenset({"get_attr", "index", "splat"})
_BINARY = frozenset(["||", "&&", "==", "!=", "<", ">", "<=", ">=", "+", "-", "*", "/", "%"])


def _unescaped(text: str) -> str:
    def one(match: re.Match[str]) -> str:
        code = match.group(1) or match.group(2)
        if code:
            return chr(number) if (number := int(code, 16)) < 0x110000 and not 0xD800 <= number < 0xE000 else "?"
        return _SIMPLE.get(match.group(3), match.group(3))

    return _ESCAPE.sub(one, text)


class _Reader:
    """Turns one syntax tree into blocks. Broken parts become expressions that are unknown."""

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self.bytes = text.encode("utf-8", "replace")
        self.ascii = self.bytes.isascii()
        self.lines = [] if self.ascii else self.bytes.split(b"\n")
        self.errors: list[int] = []
        self.left = MAX_BLOCKS

    def source(self) -> Source:
        root = _parser().parse(self.bytes).root_node
        top = Block("", (), Position(1, path=self.path))
        for child in root.children:
            if child.type == "body":
                self.body(child, top, 0)
            elif child.type == "ERROR":
                self.broken(child)
                self.body(child, top, 0)
        if root.has_error and not self.errors:
            self.errors.append(_first_error(root))
        return Source(self.path, top, tuple(sorted(set(self.errors))))

    def broken(self, node: Node) -> None:
        self.errors.append(node.start_point[0] + 1)

    def at(self, first: Node, last: Node | None = None) -> Position:
        last = last or first
        line, column = self.point(first.start_point)
        end_line, end_column = self.point(last.end_point)
        return Position(line, column, end_line, end_column, self.path)

    def point(self, point: Any) -> tuple[int, int]:
        row, column = point
        if not self.ascii and row < len(self.lines):
            column = len(self.lines[row][:column].decode("utf-8", "replace"))
        return row + 1, column + 1

    def text(self, node: Node) -> str:
        return self.bytes[node.start_byte : node.end_byte].decode("utf-8", "replace")

    def body(self, node: Node, block: Block, depth: int) -> None:
        for child in node.children:
            if self.left <= 0:
                self.broken(child)
                return
            if child.type == "attribute":
                self.left -= 1
                self.attribute(child, block)
            elif child.type == "block":
                self.left -= 1
                self.block(child, block, depth)
            elif child.type == "ERROR":
                self.broken(child)

    def attribute(self, node: Node, block: Block) -> None:
        parts = node.children
        if len(parts) < 3 or parts[0].type != "identifier":
            self.broken(node)
            return
        name = self.text(parts[0])
        value = next((part for part in parts[2:] if part.type == "expression"), None)
        expr = self.expr(value, 0) if value is not None else Expr("error", (), self.at(node))
        block.attributes.setdefault(name, Attribute(name, expr, self.at(node)))

    def block(self, node: Node, parent: Block, depth: int) -> None:
        parts = node.children
        heads = []
        for part in parts:
            if part.type == "block_start":
                break
            if part.type in ("identifier", "string_lit"):
                heads.append(part)
        if not heads or depth > MAX_DEPTH:
            self.broken(node)
            return
        names = [self.label(part) for part in heads]
        block = Block(names[0], tuple(names[1:]), self.at(heads[0], heads[-1]))
        parent.blocks.append(block)
        for part in parts:
            if part.type == "body":
                self.body(part, block, depth + 1)
            elif part.type == "ERROR":
                self.broken(part)

    def label(self, node: Node) -> str:
        text = self.text(node)
        return _unescaped(text[1:-1]) if node.type == "string_lit" else text

    # Expressions

    def expr(self, node: Node, depth: int) -> Expr:
        """Return the expression of a node that holds one operand and what follows it."""
        if node.type == "ERROR":
            return Expr("error", (), self.at(node))
        return self.chain([child for child in node.children if child.type != "comment"], node, depth)

    def chain(self, parts: list[Node], around: Node, depth: int, at: Position | None = None) -> Expr:
        """Return a primary with its postfix operators, as the grammar writes them side by side."""
        where = at or self.at(around)
        if depth > MAX_DEPTH:
            return Expr("error", (), where)
        parts = [part for part in parts if part.type not in ("(", ")")]
        if not parts or any(part.type == "ERROR" or part.is_missing for part in parts):
            return Expr("error", (), where)
        result = self.primary(parts[0], where, depth + 1)
        return self.postfix(result, parts[1:], where, depth)

    def postfix(self, result: Expr, parts: list[Node], where: Position, depth: int) -> Expr:
        for number, part in enumerate(parts):
            if part.type == "get_attr":
                result = Expr("attr", (result, self.text(part.children[-1])), where)
            elif part.type == "index":
                result = self.index(result, part, where, depth)
            elif part.type == "splat":
                inner = [
                    child for child in (part.children[0] if part.children else part).children if child.type in _POSTFIX
                ]
                item = self.postfix(Expr("item", (), where), [*inner, *parts[number + 1 :]], where, depth + 1)
                return Expr("splat", (result, item), where)
            elif part.type == "expression":
                return self.expr(part, depth + 1) if result.op == "error" else result
            else:
                return Expr("error", (), where)
        return result

    def index(self, result: Expr, part: Node, where: Position, depth: int) -> Expr:
        inner = part.children[0] if part.children else part
        for child in inner.children:
            if child.type == "expression":
                return Expr("index", (result, self.expr(child, depth + 1)), where)
        legacy = re.search(r"\d+", self.text(inner))
        return (
            Expr("index", (result, Expr("lit", (int(legacy.group()),), where)), where)
            if legacy
            else Expr("error", (), where)
        )

    def primary(self, node: Node, where: Position, depth: int) -> Expr:
        kids = [child for child in node.children if child.type != "comment"]
        if depth > MAX_DEPTH:
            return Expr("error", (), where)
        match node.type:
            case "expression":
                return self.expr(node, depth)
            case "literal_value":
                return self.literal(kids[0], where, depth) if kids else Expr("error", (), where)
            case "variable_expr":
                return Expr("var", (self.text(node),), where)
            case "template_expr":
                return self.template(kids[0], where, depth) if kids else Expr("error", (), where)
            case "collection_value":
                return self.collection(kids[0], where, depth) if kids else Expr("error", (), where)
            case "function_call":
                return self.call(kids, where, depth)
            case "conditional":
                parts = [self.expr(kid, depth) for kid in kids if kid.type == "expression"]
                return Expr("cond", tuple(parts), where) if len(parts) == 3 else Expr("error", (), where)
            case "operation":
                return self.operation(kids[0], where, depth) if kids else Expr("error", (), where)
            case "for_expr":
                return self.loop(kids[0], where, depth) if kids else Expr("error", (), where)
        return Expr("error", (), where)

    def literal(self, node: Node, where: Position, depth: int) -> Expr:
        text = self.text(node)
        match node.type:
            case "string_lit":
                return self.template(node, where, depth)
            case "bool_lit":
                return Expr("lit", (text == "true",), where)
            case "null_lit":
                return Expr("lit", (None,), where)
            case "numeric_lit":
                return Expr("lit", (_number(text),), where)
        return Expr("error", (), where)

    def call(self, kids: list[Node], where: Position, depth: int) -> Expr:
        name = self.text(kids[0]) if kids else ""
        arguments = next((kid for kid in kids if kid.type == "function_arguments"), None)
        inner = arguments.children if arguments is not None else []
        items = tuple(self.expr(child, depth) for child in inner if child.type == "expression")
        return Expr("call", (name, items, any(child.type == "ellipsis" for child in inner)), where)

    def operation(self, node: Node, where: Position, depth: int) -> Expr:
        kids = [child for child in node.children if child.type != "comment"]
        if node.type == "unary_operation" and len(kids) > 1:
            return Expr("unary", (kids[0].type, self.chain(kids[1:], node, depth, where)), where)
        for number, kid in enumerate(kids):
            if kid.type in _BINARY and 0 < number < len(kids) - 1:
                left = self.chain(kids[:number], node, depth, where)
                return Expr("binary", (kid.type, left, self.chain(kids[number + 1 :], node, depth, where)), where)
        return Expr("error", (), where)

    def collection(self, node: Node, where: Position, depth: int) -> Expr:
        if node.type == "tuple":
            return Expr(
                "tuple", tuple(self.expr(kid, depth) for kid in node.children if kid.type == "expression"), where
            )
        items = []
        for kid in node.children:
            if kid.type == "object_elem":
                pair = [child for child in kid.children if child.type == "expression"]
                if len(pair) == 2:
                    items.append((self.key(pair[0], depth), self.expr(pair[1], depth), self.at(kid)))
        return Expr("object", tuple(items), where)

    def key(self, node: Node, depth: int) -> Expr:
        """A bare word as a key is a text; in brackets it is a variable."""
        kids = node.children
        if len(kids) == 1 and kids[0].type == "variable_expr":
            return Expr("lit", (self.text(kids[0]),), self.at(node))
        return self.expr(node, depth)

    def loop(self, node: Node, where: Position, depth: int) -> Expr:
        intro = next((kid for kid in node.children if kid.type == "for_intro"), None)
        if intro is None or any(kid.type == "ERROR" for kid in node.children):
            return Expr("error", (), where)
        names = tuple(self.text(kid) for kid in intro.children if kid.type == "identifier")
        over = next((kid for kid in intro.children if kid.type == "expression"), None)
        results = [self.expr(kid, depth) for kid in node.children if kid.type == "expression"]
        test = next((kid for kid in node.children if kid.type == "for_cond"), None)
        tests = [self.expr(kid, depth) for kid in test.children if kid.type == "expression"] if test is not None else []
        if over is None or not names or not results:
            return Expr("error", (), where)
        grouped = any(kid.type == "ellipsis" for kid in node.children)
        return Expr("for", (names, self.expr(over, depth), tuple(results), tests[0] if tests else None, grouped), where)

    # Templates

    def template(self, node: Node, where: Position, depth: int) -> Expr:
        if node.type == "heredoc_template":
            return self.heredoc(node, where, depth)
        inner = [kid for kid in node.children if kid.type not in ("quoted_template_start", "quoted_template_end")]
        start, end = (
            node.start_byte + 1,
            node.end_byte - (1 if self.bytes[node.end_byte - 1 : node.end_byte] == b'"' else 0),
        )
        parts = self.parts(inner, start, end, depth, True)
        return _template(parts, where)

    def heredoc(self, node: Node, where: Position, depth: int) -> Expr:
        kids = node.children
        marks = [kid for kid in kids if kid.type == "heredoc_identifier"]
        inner = [kid for kid in kids if kid.type not in ("heredoc_start", "heredoc_identifier")]
        if len(marks) < 2:
            return Expr("error", (), where)
        start = self.bytes.find(b"\n", marks[0].end_byte) + 1
        end = self.bytes.rfind(b"\n", 0, marks[-1].start_byte) + 1
        parts = self.parts(inner, start, max(start, end), depth, False)
        if self.text(kids[0]).startswith("<<-"):
            parts = _dedented(parts)
        result = _template(parts, where)
        return Expr(result.op, result.args, where) if result.op != "lit" else Expr("heredoc", result.args, where)

    def parts(self, nodes: list[Node], start: int, end: int, depth: int, quoted: bool) -> list[Any]:
        """Return texts and expressions of a template; the grammar leaves blanks out, so texts are what lies between."""
        parts: list[Any] = []
        position = start
        for node in nodes:
            if node.type == "template_literal":
                continue
            if position < node.start_byte:
                parts.append(self.raw(position, node.start_byte, quoted))
            if node.type == "template_interpolation":
                inner = next((kid for kid in node.children if kid.type == "expression"), None)
                parts.append(self.expr(inner, depth + 1) if inner is not None else Expr("error", (), self.at(node)))
            else:
                parts.append(self.directive(node, depth, quoted))
            position = node.end_byte
        if position < end:
            parts.append(self.raw(position, end, quoted))
        return parts

    def raw(self, start: int, end: int, quoted: bool) -> str:
        text = self.bytes[start:end].decode("utf-8", "replace")
        text = _unescaped(text) if quoted else text
        return text.replace("$${", "${").replace("%%{", "%{")

    def directive(self, node: Node, depth: int, quoted: bool) -> Expr:
        where = self.at(node)
        inner = node.children[0] if node.type == "template_directive" and node.children else node
        kids = inner.children
        if depth > MAX_DEPTH or not kids or inner.type not in ("template_if", "template_for"):
            return Expr("error", (), where)
        cuts = [kid for kid in kids if kid.type.endswith(("_intro", "_start", "_end"))]
        bodies = [
            self.parts([k for k in kids if a.end_byte <= k.start_byte and k.end_byte <= b.start_byte], a.end_byte, b.start_byte, depth + 1, quoted)
            for a, b in itertools.pairwise(cuts)
        ]  # fmt: skip
        heads = [self.expr(kid, depth + 1) for kid in cuts[0].children if kid.type == "expression"]
        if not heads or not bodies:
            return Expr("error", (), where)
        results = [_template(body, where) for body in bodies]
        if inner.type == "template_if":
            return Expr(
                "cond", (heads[0], results[0], results[1] if len(results) > 1 else Expr("lit", ("",), where)), where
            )
        names = tuple(self.text(kid) for kid in cuts[0].children if kid.type == "identifier")
        loop = Expr("for", (names, heads[0], (results[0],), None, False), where)
        return (
            Expr("call", ("join", (Expr("lit", ("",), where), loop), False), where)
            if names
            else Expr("error", (), where)
        )


def _first_error(root: Node) -> int:
    node = root
    while True:
        bad = next(
            (child for child in node.children if child.has_error or child.is_missing or child.type == "ERROR"), None
        )
        if bad is None:
            return node.start_point[0] + 1
        node = bad


def _number(text: str) -> int | float | None:
    try:
        return int(text) if text.isdigit() and len(text) < 40 else float(text)
    except ValueError:
        return None


def _template(parts: list[Any], where: Position) -> Expr:
    if all(isinstance(part, str) for part in parts):
        return Expr("lit", ("".join(parts),), where)
    return Expr("template", tuple(parts), where)


def _dedented(parts: list[Any]) -> list[Any]:
    """Take the smallest indentation off each line, as ``<<-`` does."""
    indents = []
    fresh = True
    for part in parts:
        if not isinstance(part, str):
            if fresh:
                indents.append(0)
            fresh = False
            continue
        for number, line in enumerate(part.split("\n")):
            begins = number > 0 or fresh
            last = number == part.count("\n")
            if begins and (line.strip() or (last and line and part is not parts[-1])):
                indents.append(len(line) - len(line.lstrip(" \t")))
        fresh = part.endswith("\n")
    width = min(indents, default=0)
    if not width:
        return parts
    result: list[Any] = []
    fresh = True
    for part in parts:
        if isinstance(part, str):
            lines = part.split("\n")
            lines = [
                line[min(width, len(line) - len(line.lstrip(" \t"))) :] if number or fresh else line
                for number, line in enumerate(lines)
            ]
            fresh = part.endswith("\n")
            part = "\n".join(lines)
        else:
            fresh = False
        result.append(part)
    return result


# JSON

_TOP = frozenset({"resource", "data", "variable", "output", "locals", "module", "provider", "terraform"})
_LABELS = {"resource": 2, "data": 2, "variable": 1, "output": 1, "module": 1, "provider": 1}


def _json_source(path: str, text: str) -> Source:
    import yaml

    try:
        json.loads(text)
        node = yaml.compose(text.replace("\t", " "), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (ValueError, yaml.YAMLError, RecursionError):
        raise Unreadable("not valid JSON") from None
    top = Block("", (), Position(1, path=path))
    reader = _JsonReader(path)
    if isinstance(node, yaml.MappingNode):
        reader.top(node, top)
    return Source(path, top)


class _JsonReader:
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

    def body(self, node: Any, block: Block) -> None:
        for key, value in node.value:
            if block.type == "terraform" and key.value in ("backend", "required_providers"):
                for labels, head, body in self.labelled(value, int(key.value == "backend"), (), key):
                    inner = Block(key.value, labels, self.at(head, head))
                    self.body(body, inner)
                    block.blocks.append(inner)
            else:
                block.attributes[key.value] = Attribute(key.value, self.expr(value, 0), self.at(key, value))

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
        return Expr("lit", (plain[node.value] if node.value in plain else _number(node.value),), where)


def template_of(text: str, where: Position) -> Expr:
    """Return the expression of a text that may hold ``${…}``; every place in it is ``where``."""
    if "${" not in text and "%{" not in text:
        return Expr("lit", (text,), where)
    if len(text) > 100_000:
        return Expr("error", (), where)
    mark = "EOT"
    while mark in text:
        mark += "T"
    source = _Reader(where.path, f"x = <<{mark}\n{text}\n{mark}\n").source()
    found = source.body.value("x")
    if found is None or source.errors or found.op not in ("template", "lit", "heredoc"):
        return Expr("error", (), where)
    parts = list(found.args)
    if parts and isinstance(parts[-1], str):
        parts[-1] = parts[-1].removesuffix("\n")  # the heredoc's own
        if not parts[-1]:
            parts.pop()
    moved: Expr = _moved(_template(parts, where), where)
    return moved


def _moved(expr: Any, where: Position) -> Any:
    """Return the expression with every place set to ``where``."""
    if isinstance(expr, Expr):
        return Expr(expr.op, tuple(_moved(arg, where) for arg in expr.args), where)
    if isinstance(expr, tuple):
        return tuple(_moved(arg, where) for arg in expr)
    return where if isinstance(expr, Position) else expr
