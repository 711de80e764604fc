"""Reads what a pickle says as plain data: lists, records, texts as places in the file, and calls as what they are, never made.

Opcodes and their effects: Lib/pickletools.py of CPython. Nothing is imported and nothing is called. The layout of arrays in files of joblib:
joblib/numpy_pickle.py, NumpyArrayWrapper.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator, Sequence
from mmap import MADV_DONTNEED, mmap
from typing import Any

Buffer = bytes | mmap

MAX_OPCODES = 60_000_000
"""Opcodes of one pickle that are followed."""

MAX_CELLS = 12_000_000
"""Values in packed lists: 8 to 16 bytes each."""

MAX_OBJECTS = 1_500_000
"""Values that are kept one by one."""

MAX_MEMO = 24_000_000
MAX_STACK = 2_000_000
MAX_NESTED = 8
"""Pickles of arrays of objects inside each other, in files of joblib."""

PACKED_FROM = 16
"""Values of a list from which they are packed."""

MAX_TEXT = 2**24
"""Bytes of one text that are looked at."""

DROP_BYTES = 2**25
"""After so many bytes the pages of the file that were read are given back."""

_GONE = 2**64 - 1


class Span:
    """A text or a run of bytes of the file, whose opcode is at ``op``."""

    __slots__ = ("at", "op", "size", "text")

    def __init__(self, op: int, at: int, size: int, text: bool) -> None:
        self.op, self.at, self.size, self.text = op, at, size, text


class Name:
    """A global: a class or function, as ``module.name``."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


class Made:
    """What a call would have made: of ``function`` with ``arguments``, then given ``state``, ``items`` and ``pairs``."""

    __slots__ = ("arguments", "function", "items", "pairs", "raw", "state")

    def __init__(self, function: Any, arguments: Any) -> None:
        self.function, self.arguments = function, arguments
        self.state: Any = None
        self.items: Items | None = None
        self.pairs: dict[Any, Any] | None = None
        self.raw: Any = None  # the array that follows in a file of joblib

    @property
    def called(self) -> str:
        """The name of the function or class, "" when it is none."""
        function = self.function
        return function.name if isinstance(function, Name) else function.called if isinstance(function, Made) else ""


class Lost:
    """A value that is not known: of a persistent id, an extension, a memo entry that is missing."""

    __slots__ = ()


LOST = Lost()


class Texts:
    """Texts as places, packed. A place of _GONE is no value."""

    __slots__ = ("places", "sizes")

    def __init__(self) -> None:
        self.places, self.sizes = array("Q"), array("I")

    def __len__(self) -> int:
        return len(self.places)

    def values(self, data: Buffer, start: int, end: int) -> list[str | None]:
        """Return the texts from ``start`` to ``end``."""
        return [
            None if at == _GONE else bytes(data[at : at + size]).decode("utf-8", "replace")
            for at, size in zip(self.places[start:end], self.sizes[start:end], strict=True)
        ]


MAX_PADDED = 4_000_000
"""Places of records without a key, all keys together."""

MAX_KEYS = 1_000
"""Different keys of records that become columns; further ones are kept as keys and values."""


class Records:
    """Dictionaries, put together by key. ``others`` are keys and values beyond MAX_KEYS."""

    __slots__ = ("columns", "count", "others", "padded")

    def __init__(self) -> None:
        self.columns: dict[str, Items] = {}
        self.count = 0
        self.others = Items(), Items()
        self.padded = 0

    def __len__(self) -> int:
        return self.count

    def add(self, record: dict[Any, Any]) -> None:
        """Take over a dictionary. A column ends with the last record that has its key."""
        for key, value in record.items():
            column = self.columns.get(key)
            gap = self.count - (column.length if column is not None else 0)
            if column is None and len(self.columns) >= MAX_KEYS or self.padded + gap > MAX_PADDED:
                self.others[0].one(key)
                self.others[1].one(value)
                continue
            if column is None:
                column = self.columns[key] = Items()
            if gap:
                column.extend([None] * gap)
                self.padded += gap
            column.one(value)
        self.count += 1


Segment = list[Any] | Texts | Records | array  # type: ignore[type-arg]  # an array of numbers is subscriptable from Python 3.12 on


class Items:
    """A list, whose long runs of one type are packed."""

    __slots__ = ("last", "length", "segments")

    def __init__(self) -> None:
        self.segments: list[Any] = []
        self.length = 0
        self.last: list[Any] = []  # not yet packed

    def one(self, value: Any) -> None:
        """Add a value."""
        self.last.append(value)
        self.length += 1
        if len(self.last) >= 1024:
            self.pack()

    def extend(self, values: Sequence[Any]) -> None:
        """Add values."""
        self.last.extend(values)
        self.length += len(values)
        if len(self.last) >= 1024:
            self.pack()

    def pack(self) -> None:
        """Pack what was added last."""
        values, self.last = self.last, []
        if not values:
            return
        kinds = set(map(type, values))
        before = self.segments[-1] if self.segments else None
        if (
            len(values) >= PACKED_FROM
            and Span in kinds
            and kinds <= {Span, type(None)}
            and all(v is None or v.text for v in values)
        ):
            texts = before if type(before) is Texts else self._new(Texts())
            texts.places.extend(_GONE if value is None else value.at for value in values)
            texts.sizes.extend(0 if value is None else min(value.size, MAX_TEXT) for value in values)
        elif len(values) >= PACKED_FROM and kinds in ({int}, {float}):
            code = "d" if kinds == {float} else "q"
            if code == "d" or all(-(2**63) <= value < 2**63 for value in values):
                numbers = before if type(before) is array and before.typecode == code else self._new(array(code))
                numbers.extend(values)
            else:
                self._new(values)
        elif kinds == {dict} and all(_is_record(value) for value in values):
            records = before if type(before) is Records else self._new(Records())
            for value in values:
                records.add(value)
                value.clear()  # the memo keeps the dictionary itself
        elif type(before) is list:
            before.extend(values)
        else:
            self._new(values)

    def _new(self, segment: Any) -> Any:
        self.segments.append(segment)
        return segment

    def parts(self) -> Iterator[Any]:
        """Yield the packed segments and lists in order."""
        self.pack()
        yield from self.segments

    def head(self, count: int) -> list[Any]:
        """Return the first values that are kept one by one."""
        values: list[Any] = []
        for part in self.parts():
            if type(part) is list:
                values += part[: count - len(values)]
            if len(values) >= count:
                break
        return values


def _is_record(value: dict[Any, Any]) -> bool:
    return all(type(key) is str for key in value)


def forget(data: Buffer) -> None:
    """Give the pages of a mapped file back to the system, which reads them again when they are needed."""
    if isinstance(data, mmap):
        data.madvise(MADV_DONTNEED)


class Broken(Exception):
    """The stream does not go on."""


class Stream:
    """Follows one pickle in ``data`` from ``start``. After ``run`` there are ``result``, ``end``, and ``trouble`` ("" at STOP)."""

    def __init__(self, data: Buffer, start: int, limit: int, depth: int = 0) -> None:
        self.data, self.pos, self.limit, self.depth = data, start, limit, depth
        self.result: Any = LOST
        self.trouble = ""
        self.too_large = False
        self.cut = False  # a value was given without all its parts
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo = array("Q")  # even: twice the place of a text's opcode, odd: twice the index of a value, plus one
        self.sparse: dict[int, int] = {}
        self.kept: list[Any] = []
        self.names: dict[int, str] = {}
        self.made = self.cells = 0
        self.made_all: list[Made] = []  # arrays in the order of the stream

    @property
    def end(self) -> int:
        """The place behind the last opcode that was followed."""
        return self.pos

    def run(self) -> Any:
        """Return what the pickle stands for, LOST when nothing is known. Never raises for any input."""
        try:
            self._walk()
        except Broken as trouble:
            self.trouble = str(trouble)
        except (IndexError, struct.error, KeyError):
            self.trouble = "the pickle is damaged or cut short"
        except (ValueError, OverflowError, TypeError, RecursionError, AttributeError):
            self.trouble = "the pickle is damaged"
        if self.trouble and self.result is LOST and self.stack:
            self.result = self._salvaged()
        return self.result

    def _salvaged(self) -> Any:
        """Return what a broken stream had on its stack, put together where lists and records were being filled."""
        values = [value for value in self.stack if isinstance(value, (Items, dict, Made, tuple, Span))]
        bottom = self.stack[0]
        if isinstance(bottom, Items):
            loose = [value for value in self.stack[1:] if value is not bottom]
            bottom.extend([value for value in loose if isinstance(value, (dict, Span, Items))])
            return bottom
        return tuple(values)

    def _walk(self) -> None:
        data, stack, limit = self.data, self.stack, self.limit
        table = _TABLE
        left, drop = MAX_OPCODES, self.pos + DROP_BYTES
        while True:
            at = self.pos
            if at >= drop:
                drop = at + DROP_BYTES
                forget(data)
            if at >= limit:
                raise Broken("the pickle is cut short")
            left -= 1
            if (
                left < 0
                or len(stack) > MAX_STACK
                or self.cells > MAX_CELLS
                or self.made > MAX_OBJECTS
                or len(self.memo) > MAX_MEMO
            ):
                self.too_large = True
                raise Broken("the pickle holds more values than are read")
            op = data[at]
            self.pos = at + 1
            if op == 0x8C or op == 0x58:  # SHORT_BINUNICODE, BINUNICODE
                if op == 0x8C:
                    size, begin = data[at + 1], at + 2
                else:
                    size, begin = int.from_bytes(data[at + 1 : at + 5], "little"), at + 5
                if begin + size > limit:
                    raise Broken("the pickle is cut short")
                stack.append(Span(at, begin, size, True))
                self.pos = begin + size
            elif op == 0x94:  # MEMOIZE
                self._put(len(self.memo) + len(self.sparse), stack[-1])
            elif op == 0x2E:  # STOP
                self.result = stack.pop()
                return
            else:
                handler = table[op]
                if handler is None:
                    raise Broken("the pickle is damaged")
                handler(self, at)

    # -- reading operands

    def _take(self, size: int) -> bytes:
        if self.pos + size > self.limit or size < 0:
            raise Broken("the pickle is cut short")
        part = self.data[self.pos : self.pos + size]
        self.pos += size
        return part

    def _number(self, size: int, signed: bool = False) -> int:
        return int.from_bytes(self._take(size), "little", signed=signed)

    def _line(self) -> bytes:
        end = self.data.find(b"\n", self.pos, min(self.limit, self.pos + 2**24))
        if end < 0:
            raise Broken("the pickle is cut short")
        line = self.data[self.pos : end]
        self.pos = end + 1
        return line

    def _run(self, at: int, width: int, text: bool) -> None:
        size = self._number(width)
        if size > self.limit - self.pos:
            raise Broken("a value is longer than the rest of the file")
        self.stack.append(Span(at, self.pos, size, text))
        self.pos += size

    def text_of(self, span: Any) -> str:
        """Return a short text, such as a key."""
        if not isinstance(span, Span):
            return str(span) if isinstance(span, (str, int, float)) else ""
        if (known := self.names.get(span.at)) is None:
            known = bytes(self.data[span.at : span.at + min(span.size, 1000)]).decode("utf-8", "replace")
            if len(self.names) < 100_000:
                self.names[span.at] = known
        return known

    # -- memo

    def _put(self, index: int, value: Any) -> None:
        if type(value) is Span and value.text and value.op >= 0:
            code = value.op * 2
        else:
            code = len(self.kept) * 2 + 1
            self.kept.append(value)
            self.made += 1
        if index < len(self.memo):
            self.memo[index] = code
        elif index == len(self.memo):
            self.memo.append(code)
        else:
            self.sparse[index] = code
            self.made += 1

    def _get(self, index: int) -> None:
        code = self.memo[index] if 0 <= index < len(self.memo) else self.sparse.get(index)
        if code is None:
            self.stack.append(LOST)
        elif code & 1:
            self.stack.append(self.kept[code >> 1])
        else:
            at, back = code >> 1, self.pos
            self.pos = at + 1
            handler = _TEXTS[self.data[at]]
            handler(self, at)
            self.pos = back

    # -- building

    def _popped(self) -> list[Any]:
        base = self.marks.pop()
        values = self.stack[base:]
        del self.stack[base:]
        return values

    def _append(self, values: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, Made):
            if target.items is None:
                target.items = Items()
            target = target.items
        if isinstance(target, Items):
            for value in values:
                if type(value) is dict:
                    self.made -= 2
                    self.cells += len(value)
            self.cells += len(values)
            target.extend(values)

    def _set(self, values: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, Made):
            if target.pairs is None:
                target.pairs = {}
            target = target.pairs
        if isinstance(target, dict):
            self.made += 1
            for at in range(0, len(values) - 1, 2):
                key = values[at]
                target[self._key(key)] = values[at + 1]
            self.made += len(target) > 64 and len(values) // 2 or 0

    def _key(self, key: Any) -> Any:
        if isinstance(key, Span):
            return self.text_of(key)
        if isinstance(key, (int, float, str)) or key is None:
            return key if key is not None else ""
        if isinstance(key, tuple):
            return " ".join(str(self._key(part)) for part in key[:8])
        return f"({type(key).__name__.lower()} {len(self.kept)})"

    def _build(self) -> None:
        state = self.stack.pop()
        target = self.stack[-1]
        if not isinstance(target, Made):
            return
        target.state = state if target.state is None else target.state
        if target.called.endswith(".NumpyArrayWrapper") and isinstance(state, dict):
            self._joblib(target, state)

    def _joblib(self, target: Made, state: dict[Any, Any]) -> None:
        """Step over the array that follows in a file of joblib, or follow the pickle of one of objects."""
        from mlguard.scanners.dataset.formats import pickle_arrays

        dtype = pickle_arrays.dtype_of(state.get("dtype"), self)
        if dtype is None:
            raise Broken("the pickle is damaged")
        if dtype.hasobject:
            if self.depth >= MAX_NESTED:
                raise Broken("pickles are nested too deeply")
            inner = Stream(self.data, self.pos, self.limit, self.depth + 1)
            target.raw = inner.run()
            if isinstance(target.raw, Made):
                target.raw.raw = target.raw.raw or None
            self.pos = inner.end
            self.cells += inner.cells
            if inner.trouble:
                raise Broken(inner.trouble)
            return
        size = dtype.itemsize
        for extent in pickle_arrays.shape_of(state.get("shape")):
            size *= extent
        if state.get("numpy_array_alignment_bytes") is not None:
            self.pos += 1 + self.data[self.pos]
        target.raw = Span(-1, self.pos, min(size, max(0, self.limit - self.pos)), False)
        self.pos += size


def _op_mark(stream: Stream, at: int) -> None:
    stream.marks.append(len(stream.stack))


def _op_tuple(count: int) -> Any:
    def made(stream: Stream, at: int) -> None:
        if len(stream.stack) < count:
            raise Broken("the pickle is damaged")
        values = tuple(stream.stack[len(stream.stack) - count :])
        if count:
            del stream.stack[-count:]
        stream.stack.append(values)
        stream.made += 1

    return made


def _op_push(value: Any) -> Any:
    def made(stream: Stream, at: int) -> None:
        stream.stack.append(value)

    return made


def _op_new(kind: Any) -> Any:
    def made(stream: Stream, at: int) -> None:
        stream.stack.append(kind())
        stream.made += 1

    return made


def _op_int(size: int, signed: bool) -> Any:
    def made(stream: Stream, at: int) -> None:
        stream.stack.append(stream._number(size, signed))

    return made


def _op_long(width: int) -> Any:
    def made(stream: Stream, at: int) -> None:
        size = stream._number(width)
        if size > 4096:
            stream._take(size)
            stream.stack.append(LOST)
        else:
            stream.stack.append(stream._number(size, True))

    return made


def _op_run(width: int, text: bool) -> Any:
    def made(stream: Stream, at: int) -> None:
        stream._run(at, width, text)

    return made


def _op_line_text(stream: Stream, at: int) -> None:
    line = stream._line()
    stream.stack.append(Span(at, at + 1, len(line), True))


def _op_line_number(stream: Stream, at: int) -> None:
    line = stream._line().strip()
    if line in (b"00", b"01"):
        stream.stack.append(line == b"01")
    else:
        digits = line.rstrip(b"L")
        stream.stack.append(int(digits) if len(digits) < 4000 else LOST)


def _op_line_float(stream: Stream, at: int) -> None:
    stream.stack.append(float(stream._line()[:100]))


def _op_float(stream: Stream, at: int) -> None:
    stream.stack.append(struct.unpack(">d", stream._take(8))[0])


def _op_get(width: int) -> Any:
    def made(stream: Stream, at: int) -> None:
        stream._get(stream._number(width) if width else int(stream._line()[:20]))

    return made


def _op_put(width: int) -> Any:
    def made(stream: Stream, at: int) -> None:
        stream._put(stream._number(width) if width else int(stream._line()[:20]), stream.stack[-1])

    return made


def _op_pop(stream: Stream, at: int) -> None:
    if stream.marks and stream.marks[-1] == len(stream.stack):
        stream.marks.pop()
    else:
        stream.stack.pop()


def _op_pop_mark(stream: Stream, at: int) -> None:
    stream._popped()


def _op_list(stream: Stream, at: int) -> None:
    values = stream._popped()
    stream.stack.append(Items())
    stream.made += 1
    stream._append(values)


def _op_dict(stream: Stream, at: int) -> None:
    values = stream._popped()
    stream.stack.append({})
    stream._set(values)


def _op_tuple_mark(stream: Stream, at: int) -> None:
    stream.stack.append(tuple(stream._popped()))
    stream.made += 1 + len(stream.stack[-1]) // 8


def _op_frozenset(stream: Stream, at: int) -> None:
    _op_list(stream, at)


def _op_append(stream: Stream, at: int) -> None:
    value = stream.stack.pop()
    stream._append([value])


def _op_appends(stream: Stream, at: int) -> None:
    stream._append(stream._popped())


def _op_setitem(stream: Stream, at: int) -> None:
    value, key = stream.stack.pop(), stream.stack.pop()
    stream._set([key, value])


def _op_setitems(stream: Stream, at: int) -> None:
    stream._set(stream._popped())


def _op_global(stream: Stream, at: int) -> None:
    module, name = stream._line(), stream._line()
    stream.stack.append(Name(f"{module[:200].decode('utf-8', 'replace')}.{name[:200].decode('utf-8', 'replace')}"))


def _op_stack_global(stream: Stream, at: int) -> None:
    name, module = stream.stack.pop(), stream.stack.pop()
    stream.stack.append(Name(f"{stream.text_of(module)}.{stream.text_of(name)}"))


def _made(stream: Stream, function: Any, arguments: Any) -> None:
    value = Made(function, arguments)
    stream.stack.append(value)
    stream.made += 2


def _op_reduce(stream: Stream, at: int) -> None:
    arguments, function = stream.stack.pop(), stream.stack.pop()
    if isinstance(function, Name) and function.name in _COPIES and isinstance(arguments, tuple) and arguments:
        function, arguments = arguments[0], arguments[1:]
    _made(stream, function, arguments)


_COPIES = frozenset({"copyreg.__newobj__", "copy_reg.__newobj__", "copyreg._reconstructor", "copy_reg._reconstructor"})


def _op_newobj_ex(stream: Stream, at: int) -> None:
    _, arguments, function = stream.stack.pop(), stream.stack.pop(), stream.stack.pop()
    _made(stream, function, arguments)


def _op_inst(stream: Stream, at: int) -> None:
    _op_global(stream, at)
    function = stream.stack.pop()
    _made(stream, function, tuple(stream._popped()))


def _op_obj(stream: Stream, at: int) -> None:
    values = stream._popped()
    _made(stream, values[0], tuple(values[1:]))


def _op_build(stream: Stream, at: int) -> None:
    stream._build()


def _op_skip(size: int) -> Any:
    def made(stream: Stream, at: int) -> None:
        stream._take(size)

    return made


def _op_lost(size: int) -> Any:
    def made(stream: Stream, at: int) -> None:
        stream._take(size)
        stream.stack.append(LOST)

    return made


def _op_persistent_line(stream: Stream, at: int) -> None:
    stream._line()
    stream.stack.append(LOST)


def _op_persistent(stream: Stream, at: int) -> None:
    stream.stack.pop()
    stream.stack.append(LOST)


def _op_dup(stream: Stream, at: int) -> None:
    stream.stack.append(stream.stack[-1])


def _op_nothing(stream: Stream, at: int) -> None:
    return


_OPS: dict[int, Any] = {
    0x28: _op_mark, 0x29: _op_tuple(0), 0x85: _op_tuple(1), 0x86: _op_tuple(2), 0x87: _op_tuple(3), 0x74: _op_tuple_mark,
    0x5D: _op_new(Items), 0x7D: _op_new(dict), 0x8F: _op_new(Items), 0x6C: _op_list, 0x64: _op_dict, 0x91: _op_frozenset,
    0x61: _op_append, 0x65: _op_appends, 0x90: _op_appends, 0x73: _op_setitem, 0x75: _op_setitems,
    0x4E: _op_push(None), 0x88: _op_push(True), 0x89: _op_push(False), 0x4B: _op_int(1, False), 0x4D: _op_int(2, False),
    0x4A: _op_int(4, True), 0x8A: _op_long(1), 0x8B: _op_long(4), 0x47: _op_float, 0x46: _op_line_float, 0x49: _op_line_number,
    0x4C: _op_line_number, 0x53: _op_line_text, 0x56: _op_line_text, 0x8C: _op_run(1, True), 0x58: _op_run(4, True),
    0x8D: _op_run(8, True), 0x55: _op_run(1, True), 0x54: _op_run(4, True), 0x43: _op_run(1, False), 0x42: _op_run(4, False),
    0x8E: _op_run(8, False), 0x96: _op_run(8, False), 0x68: _op_get(1), 0x6A: _op_get(4), 0x67: _op_get(0), 0x71: _op_put(1),
    0x72: _op_put(4), 0x70: _op_put(0), 0x30: _op_pop, 0x31: _op_pop_mark, 0x32: _op_dup, 0x63: _op_global, 0x93: _op_stack_global,
    0x52: _op_reduce, 0x81: _op_reduce, 0x92: _op_newobj_ex, 0x69: _op_inst, 0x6F: _op_obj, 0x62: _op_build, 0x80: _op_skip(1),
    0x95: _op_skip(8), 0x82: _op_lost(1), 0x83: _op_lost(2), 0x84: _op_lost(4), 0x50: _op_persistent_line, 0x51: _op_persistent,
    0x97: _op_lost(0), 0x98: _op_nothing,
}  # fmt: skip
_TABLE: list[Any] = [_OPS.get(op) for op in range(256)]
_TEXTS: dict[int, Any] = {op: _OPS[op] for op in (0x8C, 0x58, 0x8D, 0x55, 0x54, 0x53, 0x56)}
