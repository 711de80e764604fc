"""Walks the serialization format of R without building objects: it keeps promises, functions, calls and texts.

Format: "Serialization Formats" in R Internals, and src/main/serialize.c (ReadItem, ReadBC). An item begins with 32 bits of flags: type
in bits 0-7, has attributes bit 9, has a tag bit 10, levels from bit 12. Items lie inside each other in one order, so a stack of
what is still to be read takes the place of recursion.
"""

from __future__ import annotations

import re
import struct

from mlguard.scanners.model.source import Buffer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_ITEMS = 3_000_000
"""Items outside vectors of numbers and texts."""

MAX_STRINGS = 20_000_000
"""Texts in vectors."""

MAX_TEXTS = 200_000
MAX_TEXT_BYTES = 8 * 2**20
"""Texts that are kept, and their bytes together."""

MAX_NESTING = 50_000
"""Items that are open at a time; R's own stack ends before."""

MAX_NAME_BYTES = 4096
MAX_CHAIN = 1000
"""Environments that are followed from a function to the one that tells whose it is."""

_NIL, _GLOBAL, _UNBOUND, _MISSING, _BASE_NS, _EMPTY, _BASE = 254, 253, 252, 251, 250, 242, 241
_CONSTANTS = {
    _NIL: "nil",
    _GLOBAL: "global",
    _UNBOUND: "unbound",
    _MISSING: "missing",
    _BASE_NS: "base",
    _EMPTY: "empty",
    _BASE: "base",
}
_LIST, _CLOSURE, _ENV, _PROMISE, _CALL, _DOTS = 2, 3, 4, 5, 6, 17
_PAIRS = frozenset({_LIST, _CLOSURE, _PROMISE, _CALL, _DOTS})
_BYTECODE, _REPDEF, _REPREF, _ATTRCALL, _ATTRLIST = 21, 244, 243, 240, 239
_IN_BYTECODE = frozenset({_LIST, _CALL, _REPDEF, _REPREF, _ATTRCALL, _ATTRLIST})
_WIDTHS = {10: 4, 13: 4, 14: 8, 15: 16, 24: 1}


class Trouble(Exception):
    """The stream cannot go on: the text says why and holds no input."""


class Owner:
    """Code that runs on its own: ``calls`` are the names of the functions in it."""

    __slots__ = ("byte", "calls", "parent")

    def __init__(self, byte: int, parent: Owner | None) -> None:
        self.byte, self.parent = byte, parent
        self.calls: set[str] = set()

    def take(self, slot: str, value: Any) -> None:
        """Take a part of the pair: "tag", "car" or "cdr"."""


class Promise(Owner):
    """An expression with the environment it belongs to. ``pending`` says that it has no value yet."""

    __slots__ = ("in_frame", "pending")

    def __init__(self, byte: int, parent: Owner | None, in_frame: bool) -> None:
        super().__init__(byte, parent)
        self.in_frame, self.pending = in_frame, True

    def take(self, slot: str, value: Any) -> None:
        if slot == "car":
            self.pending = value == "unbound"
        elif slot == "cdr" and isinstance(value, Primitive):
            self.calls.add(value.name)


class Closure(Owner):
    """A function. ``hook`` is the name under which a workspace holds it, ``active`` that reading its name calls it."""

    __slots__ = ("active", "environment", "hook")

    def __init__(self, byte: int, parent: Owner | None) -> None:
        super().__init__(byte, parent)
        self.environment: Any = "base"
        self.hook, self.active = "", False

    def take(self, slot: str, value: Any) -> None:
        if slot == "tag":
            self.environment = value

    def of_library(self) -> bool:
        """Say whether the environment leads to a package, not to a workspace."""
        place = self.environment
        for _ in range(MAX_CHAIN):
            if not isinstance(place, Environment):
                break
            place = place.enclosing
        return place in ("base", "nil") or isinstance(place, Library)


class Environment:
    """A frame of variables."""

    __slots__ = ("enclosing",)

    def __init__(self) -> None:
        self.enclosing: Any = "base"

    def take(self, slot: str, value: Any) -> None:
        """Take the environment around this one."""
        self.enclosing = value


class Library:
    """A package's environment, which is stored by name."""

    __slots__ = ()


class Symbol(str):
    """The name of a variable."""

    __slots__ = ()


class Primitive:
    """A function of R's own kernel."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


class Cell:
    """A cell of a pair list, or the call whose first cell it is."""

    __slots__ = ("active", "call", "car", "cdr", "name", "walk")

    def __init__(self, call: Call | None, walk: Walk) -> None:
        self.call, self.walk, self.name, self.active = call, walk, "", False
        self.car: Any = None
        self.cdr: Any = None

    def take(self, slot: str, value: Any) -> None:
        if slot == "tag":
            self.name = value if isinstance(value, Symbol) else ""
            self.walk.key = self.name
        elif slot == "car":
            self.car = value
            if self.call:
                self.call.argument(value)
            if isinstance(value, Closure) and self.active:
                value.active = True
        else:
            self.cdr = value


class Call:
    """A call: the name of its function goes to the code it stands in."""

    __slots__ = ("byte", "context", "name", "walk")

    def __init__(self, byte: int, context: Context, walk: Walk) -> None:
        self.byte, self.context, self.walk, self.name = byte, context, walk, ""

    def take(self, slot: str, value: Any) -> None:
        if slot == "car":
            self.name = value.name if isinstance(value, Primitive) else value if isinstance(value, str) else ""
            self.walk.called(self.name, self.context, self.byte)

    def argument(self, value: Any) -> None:
        """Take an argument: the name of a function, where the call takes functions by name."""
        if isinstance(value, str) and (
            self.name in self.walk.by_name
            or self.name in _ASSIGNING
            and value in _FUNCTIONS
            and isinstance(value, Symbol)
        ):
            self.walk.called(value, self.context, self.byte)


class Context:
    """Where an item stands: in which code, and whether it is the content of a frame ("frame"), a variable's value
    ("value"), or the content ("top") or value ("global") of a workspace."""

    __slots__ = ("owner", "place")

    def __init__(self, owner: Owner | None, place: str = "") -> None:
        self.owner, self.place = owner, place


class Walk:
    """Walks one stream in ``data[start:end]``. After ``run``: ``at`` is the place behind it.

    ``by_name`` are the functions that take others by name.
    """

    def __init__(self, data: Buffer, start: int, end: int, is_workspace: bool, by_name: frozenset[str]) -> None:
        self.data, self.at, self.end = data, start, end
        self.is_workspace, self.by_name = is_workspace, by_name
        self.owners: list[Owner] = []
        self.calls: dict[str, int] = {}
        self.namespaces: set[str] = set()
        self.classes: list[tuple[str, str, int]] = []
        self.texts: list[tuple[str, str]] = []
        self.persistent = 0
        self.key = ""
        self.full = self.too_large = False
        self._kept = 0
        self._references: list[Any] = []
        self._stack: list[tuple[int, Any, Any, Any, Any]] = []
        self._strings = 0
        self._source: _Binary | _Text = _Binary(data, start, end, ">")

    def run(self) -> None:
        """Walk the stream to its end. Raises Trouble; what was seen until then stays."""
        try:
            self._head()
            self._walk()
        except (IndexError, struct.error):
            raise Trouble("it ends early") from None
        except (ValueError, OverflowError):
            raise Trouble("a number is malformed") from None
        finally:
            self.at = self._source.at

    def called(self, name: str, context: Context, byte: int) -> None:
        """Note the name of a function that is called."""
        if not name or len(name) > 100:
            return
        owner = context.owner
        if owner is None:
            if len(self.calls) < 10_000:
                self.calls.setdefault(str(name), byte)
        elif len(owner.calls) < 10_000:
            owner.calls.add(str(name))

    def _head(self) -> None:
        kind = bytes(self.data[self.at : self.at + 2])
        if kind not in (b"X\n", b"B\n", b"A\n"):
            raise Trouble("it does not begin as R data")
        if kind == b"A\n":
            self._source = _Text(self.data, self.at + 2, self.end)
        else:
            self._source = _Binary(self.data, self.at + 2, self.end, ">" if kind == b"X\n" else "<")
        version, _, _ = (self._source.integer() for _ in range(3))
        if version == 3:
            self._source.text(self._length(self._source.integer(), 1))
        elif version != 2:
            raise Trouble("its version is not known")

    def _length(self, count: int, width: int) -> int:
        """Return a length that fits what is left of the file."""
        if count < 0 or count * width > self.end - self._source.at:
            raise Trouble("a length is larger than the file")
        return count

    def _walk(self) -> None:
        stack = self._stack
        root = Context(None, "top" if self.is_workspace else "root")
        stack.append((_ITEM, None, "", root, None))
        for _ in range(MAX_ITEMS):
            if not stack:
                return
            if len(stack) > MAX_NESTING:
                self.too_large = True
                raise Trouble("it is nested deeper than the limit")
            task, holder, slot, context, call = stack.pop()
            if task == _ITEM:
                self._item(holder, slot, context, call)
            elif task == _MANY:
                if slot:
                    stack.append((_MANY, holder, slot - 1, context, None))
                    self._item(holder, "", context, None)
            elif task == _CHARS:
                self._characters(slot)
            elif task == _ALTREP:
                self._altrep(holder, slot)
            else:
                self._bytecode(task, holder, slot, context, call)
        self.too_large = True
        raise Trouble("it holds more items than the limit")

    def _item(self, holder: Any, slot: Any, context: Context, call: Call | None) -> None:
        """Read one item and give what it stands for to ``holder``; parts of it that follow go to the stack."""
        source, stack = self._source, self._stack
        byte = source.at
        flags = source.integer()
        kind = flags & 0xFF
        attributes = bool(flags & 0x200)
        value: Any = None
        if kind in _PAIRS:
            value = self._pair(kind, flags, byte, context, call)
        elif kind in _CONSTANTS:
            value = _CONSTANTS[kind]
        elif kind == 255:
            index = flags >> 8 if flags >= 0 else (flags & 0xFFFFFFFF) >> 8
            index = index or source.integer()
            if not 0 < index <= len(self._references):
                raise Trouble("a reference leads nowhere")
            value = self._references[index - 1]
        elif kind == 1:
            value = Symbol(self._symbol())
            self._references.append(value)
        elif kind in (247, 248, 249):
            value = self._named(kind, byte)
        elif kind == _ENV:
            source.integer()
            value = Environment()
            self._references.append(value)
            plain = Context(context.owner)
            frame = Context(context.owner, "frame")
            stack.append((_ITEM, None, "", plain, None))
            stack.append((_ITEM, None, "", frame, None))
            stack.append((_ITEM, None, "", frame, None))
            stack.append((_ITEM, value, "enclosing", plain, None))
        elif kind == 238:
            info = Cell(None, self)
            plain = Context(context.owner)
            stack.append((_ITEM, None, "", plain, None))
            stack.append((_ITEM, None, "", plain, None))
            stack.append((_ALTREP, info, byte, None, None))
            stack.append((_ITEM, info, "car", plain, None))
        else:
            if attributes:
                stack.append((_ITEM, None, "", Context(context.owner), None))
            value = self._vector(kind, flags, context)
        if holder is not None:
            holder.take(slot, value)

    def _pair(self, kind: int, flags: int, byte: int, context: Context, call: Call | None) -> Any:
        owner, place = context.owner, context.place
        inner = Context(owner)
        rest, first = context if place in ("frame", "top") else inner, inner
        value: Any
        if kind == _CALL:
            value = Call(byte, inner, self)
            call = value
            rest = inner
        elif kind == _CLOSURE:
            value = Closure(byte, owner)
            self.owners.append(value)
            first = rest = Context(value)
            call = None
        elif kind == _PROMISE:
            value = Promise(byte, owner, place == "value")
            self.owners.append(value)
            rest = Context(value)
            call = None
        else:
            value = Cell(call, self)
            value.active = place == "frame" and bool(flags & 0x8000000)
            if kind == _DOTS:
                first = rest = Context(owner, "value")
            elif place == "frame":
                first = Context(owner, "value")
            elif place == "top":
                first = Context(owner, "global")
        stack = self._stack
        stack.append((_ITEM, value, "cdr", rest, call))
        if kind == _LIST and place == "top":
            stack.append((_ITEM, _Global(value), "car", first, None))
        else:
            stack.append((_ITEM, value, "car", first, None))
        if flags & 0x400:
            stack.append((_ITEM, value, "tag", inner, None))
        if flags & 0x200:
            stack.append((_ITEM, None, "", inner, None))
        return value

    def _vector(self, kind: int, flags: int, context: Context) -> Any:
        source = self._source
        if kind in _WIDTHS:
            count = self._count()
            source.skip(kind, count)
        elif kind == 16:
            return self._characters(self._count())
        elif kind in (19, 20):
            count = self._length(self._count(), 1)
            inner = context if context.place == "frame" else Context(context.owner)
            self._stack.append((_MANY, None, count, inner, None))
        elif kind == 9:
            return self._string()
        elif kind in (7, 8):
            name = source.text(self._length(source.integer(), 1))
            return Primitive(name[:100].decode("utf-8", "replace"))
        elif kind == 22:
            self._references.append(None)
            plain = Context(context.owner)
            self._stack.append((_ITEM, None, "", plain, None))
            self._stack.append((_ITEM, None, "", plain, None))
        elif kind == 23:
            self._references.append(None)
        elif kind == _BYTECODE:
            source.integer()
            self._stack.append((_CODE, None, "", context, None))
        elif kind != 25:
            raise Trouble("an item is of an unknown type")
        return None

    def _count(self) -> int:
        count = self._source.integer()
        if count == -1:
            high, low = self._source.integer(), self._source.integer()
            count = (high << 32) + (low & 0xFFFFFFFF)
        return self._length(count, 1)

    def _symbol(self) -> str:
        flags = self._source.integer()
        if flags & 0xFF != 9:
            raise Trouble("a symbol has no name")
        if flags & 0x200:
            self._stack.append((_ITEM, None, "", Context(None), None))
        return self._string() or ""

    def _string(self) -> str | None:
        count = self._source.integer()
        if count == -1:
            return None
        raw = self._source.text(self._length(count, 1))
        return raw[:MAX_NAME_BYTES].decode("utf-8", "replace")

    def _characters(self, count: int) -> str | None:
        """Read a vector of texts, and return its only one."""
        source = self._source
        self._strings += count
        if self._strings > MAX_STRINGS:
            self.too_large = True
            raise Trouble("it holds more texts than the limit")
        text: str | None = None
        for number in range(count):
            flags = source.integer()
            if flags & 0xFF != 9:
                raise Trouble("a vector of texts holds something else")
            size = source.integer()
            if size < -1 or size > self.end - source.at:
                raise Trouble("a length is larger than the file")
            raw = source.text(size) if size > 0 else b""
            if raw and not self.full:
                text = self._keep(raw)
            if flags & 0x200:
                self._stack.append((_CHARS, None, count - number - 1, None, None))
                self._stack.append((_ITEM, None, "", Context(None), None))
                return None
        return text if count == 1 else None

    def _keep(self, raw: bytes) -> str:
        text = raw.decode("utf-8", "replace")
        self._kept += len(raw)
        if len(self.texts) >= MAX_TEXTS or self._kept > MAX_TEXT_BYTES:
            self.full = True
        else:
            self.texts.append((self.key, text))
        return text

    def _named(self, kind: int, byte: int) -> Any:
        """Read what is stored as a name: a namespace, a package, or what a hook of the reader makes."""
        source = self._source
        source.integer()
        names = []
        for _ in range(self._length(source.integer(), 1)):
            names.append(self._symbol())
        value = Library()
        self._references.append(value)
        if kind == 247:
            self.persistent = self.persistent or byte
        elif (
            names and re.fullmatch(r"(?:package:)?[A-Za-z][A-Za-z0-9.]{0,99}", names[0]) and len(self.namespaces) < 1000
        ):
            self.namespaces.add(names[0].removeprefix("package:"))
            if names[0] == ".GlobalEnv":
                return "global"
        return value

    def _altrep(self, info: Cell, byte: int) -> None:
        first = info.car
        second = first.cdr if isinstance(first, Cell) else None
        name, package = (cell.car if isinstance(cell, Cell) else None for cell in (first, second))
        if len(self.classes) < 1000:
            self.classes.append((_plain(package), _plain(name), byte))

    def _bytecode(self, task: int, holder: Any, slot: Any, context: Context, call: Call | None) -> None:
        """Read a part of compiled code: its numbers, its constants, and calls and lists among them."""
        source, stack = self._source, self._stack
        if task == _CODE:
            stack.append((_CONSTS, None, -1, context, None))
            stack.append((_ITEM, None, "", context, None))
        elif task == _CONSTS:
            left = self._length(source.integer(), 1) if slot < 0 else slot
            if left:
                stack.append((_CONSTS, None, left - 1, context, None))
                kind = source.integer()
                if kind == _BYTECODE:
                    stack.append((_CODE, None, "", context, None))
                elif kind in _IN_BYTECODE:
                    self._compiled(kind, None, "", context, None)
                else:
                    stack.append((_ITEM, _Constant(context, self), "", context, None))
        else:
            self._compiled(source.integer(), holder, slot, context, call)

    def _compiled(self, kind: int, holder: Any, slot: Any, context: Context, call: Call | None) -> None:
        source, stack = self._source, self._stack
        byte = source.at
        if kind == _REPREF:
            source.integer()
            return
        if kind == _REPDEF:
            source.integer()
            kind = source.integer()
        elif kind not in _IN_BYTECODE:
            stack.append((_ITEM, holder, slot, context, call))
            return
        inner = Context(context.owner)
        value: Any
        if kind in (_CALL, _ATTRCALL):
            value = call = Call(byte, inner, self)
        else:
            value = Cell(call, self)
        stack.append((_LANG, value, "cdr", inner, call))
        stack.append((_LANG, value, "car", inner, None))
        stack.append((_ITEM, value, "tag", inner, None))
        if kind in (_ATTRCALL, _ATTRLIST):
            stack.append((_ITEM, None, "", inner, None))
        if holder is not None:
            holder.take(slot, value)


def _plain(value: Any) -> str:
    return str(value) if isinstance(value, Symbol) else ""


_ASSIGNING = frozenset({"<-", "<<-", "=", "{", "c", "list", "if"})

_ITEM, _MANY, _CHARS, _ALTREP, _CODE, _CONSTS, _LANG = range(7)

_FUNCTIONS = frozenset({"system", "system2", "shell.exec", "download.file", "dyn.load", "socketConnection", "unlink",
                        "install.packages", "sys.source", "source"})  # fmt: skip


class _Constant:
    """A constant of compiled code: the name of a function, when it is one that few variables have."""

    __slots__ = ("context", "walk")

    def __init__(self, context: Context, walk: Walk) -> None:
        self.context, self.walk = context, walk

    def take(self, slot: str, value: Any) -> None:
        """Note the name."""
        if isinstance(value, Symbol) and value in _FUNCTIONS:
            self.walk.called(value, self.context, 0)


class _Global:
    """A variable of a workspace."""

    __slots__ = ("cell",)

    def __init__(self, cell: Cell) -> None:
        self.cell = cell

    def take(self, slot: str, value: Any) -> None:
        """Take the value, and tell a function its name."""
        if isinstance(value, Closure):
            value.hook = self.cell.name
        self.cell.take(slot, value)


# -- the three ways in which numbers and texts are written


class _Binary:
    """Big-endian ("X") or in the order of a small machine ("B")."""

    def __init__(self, data: Buffer, start: int, end: int, order: str) -> None:
        self._data, self.at, self._end = data, start, end
        self._integer = struct.Struct(order + "i")

    def integer(self) -> int:
        """Return the next number of 32 bits."""
        at = self.at
        if at + 4 > self._end:
            raise IndexError
        self.at = at + 4
        return int(self._integer.unpack_from(self._data, at)[0])

    def text(self, size: int) -> bytes:
        """Return the next ``size`` bytes."""
        at = self.at
        if at + size > self._end:
            raise IndexError
        self.at = at + size
        return bytes(self._data[at : at + size])

    def skip(self, kind: int, count: int) -> None:
        """Pass a vector of numbers."""
        if self.at + count * _WIDTHS[kind] > self._end:
            raise IndexError
        self.at += count * _WIDTHS[kind]


_WORD = re.compile(rb"\s*+(\S{1,127})")
_WORDS = re.compile(rb"(?:\s*+\S++){1000}")
_ESCAPED = re.compile(rb"\\([0-7]{1,3}|.)", re.S)
_ESCAPES = {b"n": b"\n", b"t": b"\t", b"v": b"\v", b"b": b"\b", b"r": b"\r", b"f": b"\f", b"a": b"\a"}


class _Text:
    """Words with white space between them ("A")."""

    def __init__(self, data: Buffer, start: int, end: int) -> None:
        self._data, self.at, self._end = data, start, end

    def _word(self) -> bytes:
        match = _WORD.match(self._data, self.at, self._end)
        if match is None:
            raise IndexError
        self.at = match.end()
        return match.group(1)

    def integer(self) -> int:
        """Return the next number."""
        word = self._word()
        return -(2**31) if word == b"NA" else int(word)

    def text(self, size: int) -> bytes:
        """Return a text that stands for ``size`` bytes."""
        if not size:
            return b""
        while self.at < self._end and self._data[self.at : self.at + 1].isspace():
            self.at += 1
        parts: list[bytes] = []
        left = size
        while left:
            piece = bytes(self._data[self.at : min(self._end, self.at + min(left, 4096))])
            if not piece:
                raise IndexError
            plain, escape, _ = piece.partition(b"\\")
            parts.append(plain)
            self.at += len(plain)
            left -= len(plain)
            if escape:
                match = _ESCAPED.match(self._data, self.at, self._end)
                if match is None:
                    raise IndexError
                code = match.group(1)
                parts.append(
                    bytes([int(code, 8) & 0xFF]) if code.isdigit() and code < b"8" else _ESCAPES.get(code, code)
                )
                self.at = match.end()
                left -= 1
        return b"".join(parts)

    def skip(self, kind: int, count: int) -> None:
        """Pass a vector of numbers."""
        left = count * 2 if kind == 15 else count
        while left >= 1000:
            match = _WORDS.match(self._data, self.at, self._end)
            if match is None:
                raise IndexError
            self.at = match.end()
            left -= 1000
        for _ in range(left):
            self._word()
