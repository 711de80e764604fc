"""Reads the syntax of Terraform into blocks, attributes and expressions with places."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

from mlguard.scanners import lazy
from mlguard.scanners.infra.resources import Position
from mlguard.scanners.infra.terraform.expressions import Attribute, Block, Expr, Source
from mlguard.scanners.infra.terraform.templates import Token, lines, template

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

__all__ = ["Attribute", "Block", "Expr", "Source", "expression_of", "parse", "template_of"]

MAX_DEPTH = 60
"""Levels of nested blocks or expressions; deeper ones are unknown."""

MAX_BLOCKS = 500_000
"""Blocks and attributes of one file."""

MAX_TEMPLATE = 100_000
"""Characters of a text that is read as a template."""


def parse(path: str, text: str) -> Source:
    """Return what can be read of a file. Raises Unreadable only for JSON that is none."""
    text = text.replace("\ue000", " ").replace("\ue001", " ")
    if path.endswith(".json"):
        from mlguard.scanners.infra.terraform import jsonsyntax

        return jsonsyntax.source(path, text)
    return _Reader(path, text).source()


@cache
def _parser() -> Parser:
    import tree_sitter
    import tree_sitter_hcl

    return tree_sitter.Parser(tree_sitter.Language(tree_sitter_hcl.language()))


_ESCAPE = lazy.pattern(r"\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))", re.S)
_SIMPLE = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\"}
# The grammar does not know an exponent without a fraction.
_EXPONENT = lazy.pattern(rb"(?<![\w.])\d+[eE][+-]?\d+(?![\w.])")
_POSTFIX = frozenset({"get_attr", "index", "splat"})
_BINARY = frozenset(["||", "&&", "==", "!=", "<", ">", "<=", ">=", "+", "-", "*", "/", "%"])


def _unescaped(text: str) -> str:
    def one(match: re.Match[str]) -> str:
        code = match.group(1) or match.group(2)
        if code:
            return chr(point) if (point := int(code, 16)) < 0x110000 and not 0xD800 <= point < 0xE000 else "?"
        return _SIMPLE.get(match.group(3), match.group(3))

    return _ESCAPE.sub(one, text)


class _Reader:
    """Turns one syntax tree into blocks. Broken parts become expressions that are unknown."""

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self.bytes = text.encode("utf-8", "replace")
        self.ascii = self.bytes.isascii()
        self.string = text if self.ascii else ""
        self.lines = [] if self.ascii else self.bytes.split(b"\n")
        self.errors: list[int] = []
        self.limits: list[tuple[int, str]] = []
        self.left = MAX_BLOCKS

    def source(self) -> Source:
        plain = _EXPONENT.sub(lambda match: b"1" * len(match.group()), self.bytes)
        root = _parser().parse(plain).root_node
        top = Block("", (), Position(1, path=self.path))
        for child in root.children:
            if child.type == "body":
                self.body(child, top, 0)
            elif child.type == "ERROR":
                self.broken(child)
                self.body(child, top, 0)
        if root.has_error and not self.errors:
            self.errors.append(_first_error(root))
        return Source(self.path, top, tuple(sorted(set(self.errors))), tuple(sorted(set(self.limits))))

    def deep(self, node: Node) -> Expr:
        """Return the expression of what is nested too deeply to be read, and remember where it is."""
        self.limits.append((node.start_point[0] + 1, f"nested in more than {MAX_DEPTH} levels"))
        return Expr("error", (), self.at(node))

    def broken(self, node: Node) -> None:
        self.errors.append(node.start_point[0] + 1)

    def at(self, first: Node, last: Node | None = None) -> Position:
        start, end = first.start_point, (last or first).end_point
        if self.ascii:
            return Position(start[0] + 1, start[1] + 1, end[0] + 1, end[1] + 1, self.path)
        line, column = self.point(start)
        end_line, end_column = self.point(end)
        return Position(line, column, end_line, end_column, self.path)

    def point(self, point: Any) -> tuple[int, int]:
        row, column = point
        if row < len(self.lines):
            column = len(self.lines[row][:column].decode("utf-8", "replace"))
        return row + 1, column + 1

    def text(self, node: Node) -> str:
        if self.ascii:
            return self.string[node.start_byte : node.end_byte]
        return self.bytes[node.start_byte : node.end_byte].decode("utf-8", "replace")

    def body(self, node: Node, block: Block, depth: int) -> None:
        for child in node.children:
            if self.left <= 0:
                self.limits.append((child.start_point[0] + 1, f"more than {MAX_BLOCKS} blocks and attributes"))
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
        if not heads:
            self.broken(node)
            return
        if depth > MAX_DEPTH:
            self.deep(node)
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
        kids = node.children
        if len(kids) == 1 and depth < MAX_DEPTH and not kids[0].is_missing:
            return self.primary(kids[0], self.at(node), depth + 1)
        return self.chain([child for child in kids if child.type != "comment"], node, depth)

    def chain(self, parts: list[Node], around: Node, depth: int, at: Position | None = None) -> Expr:
        """Return a primary with its postfix operators, as the grammar writes them side by side."""
        where = at or self.at(around)
        if depth > MAX_DEPTH:
            return self.deep(around)
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
                return self.splat(result, part, parts[number + 1 :], where, depth + 1)
            elif part.type == "expression":
                return self.expr(part, depth + 1) if result.op == "error" else result
            else:
                return Expr("error", (), where)
        return result

    def splat(self, result: Expr, part: Node, after: list[Node], where: Position, depth: int) -> Expr:
        """Return a splat. What follows ``[*]`` is asked of each element; of ``.*`` only names and ``.0`` are."""
        if depth > MAX_DEPTH:
            return self.deep(part)
        body = part.children[0] if part.children else part
        inner = [*(child for child in body.children if child.type in _POSTFIX), *after]
        rest: list[Node] = []
        if body.type == "attr_splat":
            cut = next((n for n, one in enumerate(inner) if self.text(one).startswith("[")), len(inner))
            inner, rest = inner[:cut], inner[cut:]
        item = self.postfix(Expr("item", (), where), inner, where, depth)
        return self.postfix(Expr("splat", (result, item), where), rest, where, depth)

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
            return self.deep(node)
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
                return self.conditional(node, where, depth)
            case "operation":
                return self.operation(kids[0], where, depth) if kids else Expr("error", (), where)
            case "for_expr":
                return self.loop(kids[0], where, depth) if kids else Expr("error", (), where)
        return Expr("error", (), where)

    def conditional(self, node: Node, where: Position, depth: int) -> Expr:
        """Return a conditional. The grammar groups ``a ? b : c ? d : e`` to the left, Terraform to the right."""
        levels = [_expressions(node)]
        while len(levels[-1]) == 3 and (inner := _bare(levels[-1][0])) is not None and len(levels) < MAX_DEPTH:
            levels.append(_expressions(inner))
        if any(len(level) != 3 for level in levels):
            return Expr("error", (), where)
        result = self.expr(levels[0][2], depth)
        for number, level in enumerate(levels):
            test = levels[number + 1][2] if number + 1 < len(levels) else level[0]
            result = Expr("cond", (self.expr(test, depth), self.expr(level[1], depth), result), where)
        return result

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
                return Expr("lit", (number(text),), where)
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
        start, end = node.start_byte + 1, node.end_byte
        end -= self.bytes[end - 1 : end] == b'"'
        inner = [kid for kid in node.children if kid.type.startswith("template_") and kid.type != "template_literal"]
        if not inner:
            return Expr("lit", (self.raw(start, end, True),), where)
        return template(list(self.tokens(inner, start, end, depth, True)), where)

    def heredoc(self, node: Node, where: Position, depth: int) -> Expr:
        kids = node.children
        marks = [kid for kid in kids if kid.type == "heredoc_identifier"]
        if len(marks) < 2:
            return Expr("error", (), where)
        inner = [kid for kid in kids if kid.type not in ("heredoc_start", "heredoc_identifier", "template_literal")]
        start = self.bytes.find(b"\n", marks[0].end_byte) + 1
        end = max(start, self.bytes.rfind(b"\n", 0, marks[-1].start_byte) + 1)
        tokens = list(self.tokens(inner, start, end, depth, False))
        result = template(tokens, where, self.text(kids[0]).startswith("<<-"))
        return Expr("heredoc", result.args, where) if result.op == "lit" else result

    def tokens(self, nodes: list[Node], start: int, end: int, depth: int, quoted: bool) -> Iterator[Token]:
        """Yield the parts of a template; the grammar leaves blanks out, so texts are what lies between its nodes."""
        position = start
        for node in nodes:
            yield from self.between(position, node.start_byte, quoted)
            yield from self.token(node, depth, quoted)
            position = node.end_byte
        yield from self.between(position, end, quoted)

    def between(self, start: int, end: int, quoted: bool) -> Iterator[Token]:
        if start < end:
            text = self.raw(start, end, quoted)
            yield from [Token("text", text)] if quoted else lines(text)

    def raw(self, start: int, end: int, quoted: bool) -> str:
        text = self.string[start:end] if self.ascii else self.bytes[start:end].decode("utf-8", "replace")
        text = _unescaped(text) if quoted and "\\" in text else text
        return text.replace("$${", "${").replace("%%{", "%{") if "{" in text else text

    def token(self, node: Node, depth: int, quoted: bool) -> Iterator[Token]:
        text = self.bytes[node.start_byte : node.end_byte]
        before, after = text[2:3] == b"~", text[-2:-1] == b"~"
        if node.type == "template_interpolation":
            inner = next((kid for kid in node.children if kid.type == "expression"), None)
            value = self.expr(inner, depth + 1) if inner is not None else Expr("error", (), self.at(node))
            yield Token("expr", value, before, after)
        elif node.type == "template_directive" and node.children and depth <= MAX_DEPTH:
            body = node.children[0]
            inside = [kid for kid in body.children if kid.type != "template_literal"]
            yield from self.tokens(inside, node.start_byte, node.end_byte, depth + 1, quoted)
        elif node.type in _DIRECTIVES:
            kind = _DIRECTIVES[node.type]
            heads = [self.expr(kid, depth + 1) for kid in node.children if kid.type == "expression"]
            names = tuple(self.text(kid) for kid in node.children if kid.type == "identifier")
            broken = not heads and kind in ("if", "for")
            yield Token(
                kind, Expr("error", (), self.at(node)) if broken else heads[0] if heads else None, before, after, names
            )
        else:
            yield Token("expr", self.deep(node) if depth > MAX_DEPTH else Expr("error", (), self.at(node)))


_DIRECTIVES = {
    "template_if_intro": "if", "template_else_intro": "else", "template_if_end": "endif", "template_for_start": "for",
    "template_for_end": "endfor",
}  # fmt: skip


def _expressions(node: Node) -> list[Node]:
    return [kid for kid in node.children if kid.type == "expression"]


def _bare(node: Node) -> Node | None:
    """Return the conditional that an expression is, when no brackets are around it."""
    kids = [kid for kid in node.children if kid.type != "comment"]
    return kids[0] if len(kids) == 1 and kids[0].type == "conditional" else None


def _first_error(root: Node) -> int:
    node = root
    while True:
        bad = next(
            (child for child in node.children if child.has_error or child.is_missing or child.type == "ERROR"), None
        )
        if bad is None:
            return node.start_point[0] + 1
        node = bad


def number(text: str) -> int | float | None:
    """Return the value of a number as it is written, None where it is none."""
    try:
        if text.isdigit() and len(text) < 40:
            return int(text)
        value = float(text)
        return int(value) if value.is_integer() and abs(value) < 1e40 else value
    except (ValueError, OverflowError):
        return None


def template_of(text: str, where: Position) -> Expr:
    """Return the expression of a text that may hold ``${…}``; every place in it is ``where``."""
    if "${" not in text and "%{" not in text:
        return Expr("lit", (text,), where)
    if len(text) > MAX_TEMPLATE:
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
    if len(parts) == 1 and isinstance(parts[0], str):
        return Expr("lit", (parts[0],), where)
    moved: Expr = _moved(Expr("template", tuple(parts), where) if parts else Expr("lit", ("",), where), where)
    return moved


def expression_of(text: str, where: Position) -> Expr:
    """Return the expression that a text spells, as JSON has them for types."""
    found = _Reader(where.path, f"x = {text}\n").source().body.value("x") if len(text) < MAX_TEMPLATE else None
    moved: Expr = _moved(found, where) if found is not None else Expr("error", (), where)
    return moved


def _moved(expr: Any, where: Position) -> Any:
    """Return the expression with every place set to ``where``."""
    if isinstance(expr, Expr):
        return Expr(expr.op, tuple(_moved(arg, where) for arg in expr.args), where)
    if isinstance(expr, tuple):
        return tuple(_moved(arg, where) for arg in expr)
    return where if isinstance(expr, Position) else expr
