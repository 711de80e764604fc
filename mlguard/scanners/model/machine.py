"""A symbolic machine for pickle streams: it follows stack, memo and marks and never loads or imports anything.

Opcodes and their effects: Lib/pickletools.py and Modules/_pickle.c of CPython. Text constants are kept as UTF-8 bytes,
long ones and bytes as places in the buffer; values are shared, never copied, so an expansion bomb stays as small as
its file. Where the real machine would stop with an error this one may go on: it must never stop earlier.
"""

from __future__ import annotations

import codecs
import struct
from array import array
from collections.abc import Generator, Iterator
from functools import lru_cache
from mmap import mmap

from mlguard import lazy
from mlguard.scanners.model import calls
from mlguard.scanners.model.policy import Judgement, Policy
from mlguard.scanners.model.values import (
    DANGEROUS,
    LOST,
    MALFORMED,
    MAX_NAME,
    UNKNOWN,
    Broken,
    Call,
    Global,
    Hit,
    Literal,
    Nested,
    Opaque,
    clean_name,
    names_trick,
)  # fmt: skip

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

Buffer = bytes | mmap

MAX_TEXT = 4096
"""Bytes: a longer text constant is kept as a place, not as a value."""

MAX_ITEMS = 64
"""Items of a container that are kept."""

MAX_STACK = 4_000_000
"""Values on the stack."""

STEP_BYTES = 2**16
MAX_STEPS = 1024
"""At most so many steps of STEP_BYTES are walked, literals not counted: no more opcodes than bytes."""

NEAR_ENTRIES = 2**14
"""Memo entries that are kept as values; of later ones texts are kept as places, and containers are forgotten."""

MAX_KEPT_FAR = 500_000
MAX_SPARSE = 500_000
"""Values that are kept for later entries, and entries of a memo whose indexes have holes."""

MAX_GLOBALS = 20_000
"""Different names: no model needs so many, and each costs memory."""

MAX_INNER = 4
"""Pickles of arrays of objects inside each other."""

MAX_FORKS = 256
MAX_FORK_BYTES = 2**22
"""Arrays whose bytes are also walked as opcodes, and how much of them all; nearly all begin with what is no opcode."""

MAX_EVENTS = 2000
"""Different hits of one rule, and streams in bytes that only look like a pickle, that one pickle tells."""

MAX_COLUMNS = 64
"""Arrays whose texts are noted."""

MIN_BUFFER = 24
"""Bytes: a longer run that begins with so many printable characters may be the texts of a column, one after the other."""

_TOLD = frozenset({b"_fit_X", b"support_vectors_", b"X_train_", b"X_fit_", b"_raw_data", b"training_data_"})
"""Attributes in which estimators of scikit-learn, umap and hdbscan keep rows of the data that they were fitted on."""

_WORDS = frozenset({b"vocabulary_", b"fixed_vocabulary_", b"stop_words_", b"_mapping", b"word_index"})
"""Attributes that map the words of the training data to numbers."""

_NOTED = _TOLD | _WORDS | calls.HOOKS | {b"__dict__"}

MAX_MEMO_RATIO = 10
MIN_MEMO_INDEX = 2**20
"""A memo index beyond both makes CPython allocate memory that the file does not fill."""


_NO_FRAME = 2**63
_OPAQUE, _MISSING = Opaque(), Opaque()
_FORGOTTEN = 2**32 - 1
_KEPT = 2**32 - 2**24
"""Codes of late memo entries: below the second the place of a text's opcode, from there on an index of what is kept."""
_U16, _I32, _U32, _U64 = struct.Struct("<H"), struct.Struct("<i"), struct.Struct("<I"), struct.Struct("<Q")


class Machine:
    """Walks one pickle in ``data[start:end]``. Offsets it reports count from ``origin``.

    After ``run`` is exhausted: ``end`` is the place after the last opcode, ``trouble`` says why the walk broke off ("" at
    STOP), ``imports`` maps each global's dotted name to its verdict, ``persistent`` lists persistent ids as values.
    """

    def __init__(
        self, data: Buffer, start: int, end: int, policy: Policy, *, origin: int = 0, torch: bool = False,
        script: bool = False, strict: bool = False, keep: int = MAX_ITEMS, depth: int = 0,
    ) -> None:  # fmt: skip
        self.data, self.start, self.limit, self.policy, self.origin = data, start, end, policy, origin
        self.torch, self.script, self.strict, self.keep, self.depth = torch, script, strict, keep, depth
        self.end, self.trouble, self.too_large = start, "", False
        self.imports: dict[str, str] = {}
        self.persistent: list[Any] = []
        self.blocked = False
        self.called = False  # something that nobody has judged
        self.result: Any = None
        self.protocol = 0
        self._again = False  # a second PROTO was told
        self.arrays = self._forks = self._forked = 0
        self.columns: list[Any] = []  # texts that arrays hold: the first ones, or (place, characters each)
        self.stored: set[str] = set()  # attributes of estimators that hold rows of their training data
        self.asks = False  # a global whose verdict depends on its use is about
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: list[Any] = []  # the first entries
        self._late: array[int] = array("I")  # codes of those behind
        self._kept: list[Any] = []  # what the codes stand for, if it is no text
        self._codes: dict[int, int] = {}  # of what is kept, by identity
        self._extra: dict[int, Any] = {}  # entries behind a hole
        self._holes = 0
        self._blind = False  # something was put into a container that is forgotten
        self.looked_at = 0  # calls of dict and its like with arguments
        self._filled = False  # an object has a function for the items that are added to it
        self._near = True  # every entry is in the first list
        self._globals: dict[tuple[bytes, bytes], Global] = {}

    def run(self) -> Iterator[Hit | Nested]:
        """Yield what must be told, in the order of the stream, each kind once. Never raises for any input."""
        told: dict[str, set[tuple[str, str]]] = {}
        try:
            for event in self._walk():
                if type(event) is Hit:
                    known = told.setdefault(event.rule, set())
                    if (event.check, event.name) in known or len(known) >= MAX_EVENTS:
                        continue
                    known.add((event.check, event.name))
                yield event
        except Broken as trouble:
            self.trouble = str(trouble)
        except (IndexError, struct.error):
            self.trouble = "the stream ends early" if self.end >= self.limit - 1 else "the stack holds too few values"
        except KeyError:
            self.trouble = "a memo entry is missing"
        except (ValueError, OverflowError):
            self.trouble = "an operand is malformed"

    def _walk(self) -> Iterator[Hit | Nested]:
        data, start, pos, limit, keep = self.data, self.start, self.start, self.limit, self.keep
        stack, marks, memo, late = self._stack, self._marks, self._memo, self._late
        push, pop, remember, names = stack.append, stack.pop, memo.append, self._globals
        near = True
        places = limit - start < _KEPT  # the place of a text fits a code
        text: Any = None
        written = 0  # where the opcode of ``text`` is
        opaque = _OPAQUE
        at, steps, step, frame = pos, 0, pos + STEP_BYTES, _NO_FRAME  # ``frame`` is where the frame ends
        pause = min(limit, step)
        try:
            while True:
                if pos >= pause:
                    if pos >= frame:
                        if pos > frame:
                            yield self._hit(MALFORMED, "frame-boundary", at, pos - at, "", "FRAME")
                        frame = _NO_FRAME
                    if pos >= limit:
                        raise Broken("the stream ends early")
                    if pos >= step:
                        steps += 1
                        step = pos + STEP_BYTES
                        if steps > MAX_STEPS or len(stack) > MAX_STACK:
                            self.too_large = True
                            raise Broken("there are more opcodes or values than the limit allows")
                        if near and len(memo) >= NEAR_ENTRIES:
                            near = self._near = False
                    pause = min(limit, step, frame)
                at = pos
                op = data[pos]
                pos += 1
                if op == 0x94:  # MEMOIZE
                    if near:
                        remember(stack[-1])
                    elif places and stack[-1] is text:
                        late.append(written - start)
                    else:
                        self._memoize()
                elif op == 0x8C or op == 0x55:  # SHORT_BINUNICODE, SHORT_BINSTRING
                    size = data[pos]
                    pos += 1
                    text = data[pos : pos + size]
                    written = at
                    push(text)
                    pos += size
                    if near and pos < pause and data[pos] == 0x94:  # nearly always a MEMOIZE follows
                        remember(text)
                        pos += 1
                elif op == 0x68:  # BINGET
                    push(memo[data[pos]] if near else self._get(data[pos]))
                    pos += 1
                elif op == 0x4B:  # BININT1
                    push(data[pos])
                    pos += 1
                elif op == 0x71:  # BINPUT
                    index = data[pos]
                    pos += 1
                    if near and index == len(memo):
                        memo.append(stack[-1])
                    else:
                        self._put(index)
                        near, places = self._near, places and not (self._extra or self._holes)
                elif op == 0x47:  # BINFLOAT
                    push(opaque)
                    pos += 8
                elif op == 0x4E:  # NONE
                    push(None)
                elif op == 0x28:  # MARK
                    marks.append(len(stack))
                elif op == 0x85:  # TUPLE1
                    stack[-1] = (stack[-1],)
                    if self.asks:
                        yield from self._escape(stack[-1], at, "TUPLE1")
                elif op == 0x62:  # BUILD
                    state = pop()
                    target = stack[-1]
                    inert = type(target) is Call and type(target.function) is Global and target.function.made is target
                    if type(state) is tuple:
                        if len(state) == 5:
                            self._array(state[2], state[4])
                        elif len(state) in (2, 4) and calls.hooks(state):
                            yield from self._hooked(state, at)
                    elif type(state) is dict and not _NOTED.isdisjoint(state):
                        self._noted(target, state)
                        yield from self._hooked(state, at)
                    if not inert or self.asks:
                        jump = yield from self._build(target, state, at, pos)
                        if jump > pos:
                            if frame not in (pos, _NO_FRAME):
                                yield self._hit(MALFORMED, "frame-boundary", at, 1, "", "BUILD")
                            frame = _NO_FRAME
                            step += jump - pos
                            pos, pause = jump, min(limit, step)
                elif op == 0x52:  # REDUCE
                    arguments = pop()
                    function = stack[-1]
                    if (
                        type(function) is Global
                        and (function.plain or arguments == () and function.calm)
                        and not self.asks
                    ):
                        result = function.made
                        if result is None:
                            result = Call(function, arguments)
                            if function.name == "_frombuffer" and type(arguments) is tuple and len(arguments) > 1:
                                self._array(arguments[1], arguments[0])
                        stack[-1] = result
                    else:
                        result, events = calls.reduce(self, function, arguments, at, "REDUCE")
                        stack[-1] = result
                        yield from events
                elif op == 0x58 or op == 0x8D or op == 0x54:  # BINUNICODE, BINUNICODE8, BINSTRING
                    if op == 0x8D:
                        size = _U64.unpack_from(data, pos)[0]
                        pos += 8
                    else:
                        size = _U32.unpack_from(data, pos)[0]
                        pos += 4
                    if size > limit - pos:
                        raise Broken("a text is longer than the rest of the stream")
                    text = data[pos : pos + size] if size <= MAX_TEXT else Literal(pos, size, True)
                    written = at
                    push(text)
                    pos += size
                    step += size
                    pause = min(limit, step, frame)
                elif op == 0x72:  # LONG_BINPUT
                    index = _U32.unpack_from(data, pos)[0]
                    pos += 4
                    if near and index == len(memo):
                        memo.append(stack[-1])
                    elif places and stack[-1] is text and not near and index == len(memo) + len(late):
                        late.append(written - start)
                    else:
                        if self._is_bomb(index):
                            yield self._hit(MALFORMED, "memo-bomb", at, 5, "", "LONG_BINPUT")
                        self._put(index)
                        near, places = self._near, places and not (self._extra or self._holes)
                elif op == 0x88 or op == 0x89:  # NEWTRUE, NEWFALSE
                    push(op == 0x88)
                elif op == 0x87:  # TUPLE3
                    last, middle = pop(), pop()
                    stack[-1] = (stack[-1], middle, last)
                    if self.asks:
                        yield from self._escape(stack[-1], at, "TUPLE3")
                elif op == 0x74:  # TUPLE
                    base = marks.pop()
                    value = tuple(stack[base : base + keep])
                    if self.asks:
                        yield from self._escape(stack[base:], at, "TUPLE")
                    del stack[base:]
                    push(value)
                elif op == 0x4A:  # BININT
                    push(_I32.unpack_from(data, pos)[0])
                    pos += 4
                elif op == 0x43 or op == 0x42 or op == 0x8E or op == 0x96:  # bytes and bytearrays
                    if op == 0x43:
                        size = data[pos]
                        pos += 1
                    elif op == 0x42:
                        size = _U32.unpack_from(data, pos)[0]
                        pos += 4
                    else:
                        size = _U64.unpack_from(data, pos)[0]
                        pos += 8
                    if size > limit - pos:
                        raise Broken("a run of bytes is longer than the rest of the stream")
                    text = Literal(pos, size, False)
                    written = at
                    push(text)
                    if size > 8 and data[pos] == 0x80 and data[pos + size - 1] == 0x2E and 2 <= data[pos + 1] <= 5:
                        yield Nested(pos, size, False)
                    if size >= MIN_BUFFER and len(self.columns) < MAX_COLUMNS:
                        first = data[pos : pos + MIN_BUFFER]
                        if first.isascii() and first.decode("ascii").isprintable():
                            self.columns.append((text, 0))
                    pos += size
                    if size > 255:
                        step += size
                        pause = min(limit, step, frame)
                elif op == 0x93:  # STACK_GLOBAL
                    name, module = pop(), pop()
                    known = names.get((module, name)) if type(module) is bytes and type(name) is bytes else None
                    if known is not None:
                        push(known)
                    else:
                        made, events = self._stack_global(module, name, at)
                        push(made)
                        if events:
                            yield from events
                elif op == 0x86:  # TUPLE2
                    last = pop()
                    stack[-1] = (stack[-1], last)
                    if self.asks:
                        yield from self._escape(stack[-1], at, "TUPLE2")
                elif op == 0x6A:  # LONG_BINGET
                    index = _U32.unpack_from(data, pos)[0]
                    push(memo[index] if near else self._get(index))
                    pos += 4
                elif op == 0x75:  # SETITEMS
                    base = marks.pop()
                    target = stack[base - 1]
                    if type(target) is dict and not self.asks:
                        if len(target) < keep:
                            for index in range(base, min(len(stack) - 1, base + 2 * keep), 2):
                                key = stack[index]
                                if type(key) is bytes:
                                    target[key] = stack[index + 1]
                                elif type(key) in _ODD_KEYS:
                                    target[b""] = None
                            if len(stack) - base > 2 * keep:
                                target[b""] = None
                                self._keep_hooks(target, base)
                        else:
                            self._keep_hooks(target, base)
                    else:
                        yield from self._set_items(target, base, at)
                    del stack[base:]
                elif op == 0x7D:  # EMPTY_DICT
                    push({})
                elif op == 0x29:  # EMPTY_TUPLE
                    push(())
                elif op == 0x81:  # NEWOBJ
                    arguments = pop()
                    function = stack[-1]
                    if (
                        type(function) is Global
                        and (function.plain or arguments == () and function.calm)
                        and not self.asks
                    ):
                        stack[-1] = function.made or Call(function, arguments)
                    else:
                        result, events = calls.reduce(self, function, arguments, at, "NEWOBJ")
                        stack[-1] = result
                        yield from events
                elif op == 0x4D:  # BININT2
                    push(_U16.unpack_from(data, pos)[0])
                    pos += 2
                elif op == 0x65:  # APPENDS
                    base = marks.pop()
                    target = stack[base - 1]
                    if type(target) is list and not self.asks:
                        if len(target) < keep:
                            target.extend(stack[base : base + keep - len(target)])
                    else:
                        yield from self._append(target, stack[base:], at, "APPENDS")
                    del stack[base:]
                elif op == 0x5D or op == 0x8F:  # EMPTY_LIST, EMPTY_SET
                    push([])
                elif op == 0x61:  # APPEND
                    value = pop()
                    target = stack[-1]
                    if type(target) is list and not self.asks:
                        if len(target) < keep:
                            target.append(value)
                    else:
                        yield from self._append(target, [value], at, "APPEND")
                elif op == 0x73:  # SETITEM
                    yield from self._set_items(stack[-3], len(stack) - 2, at)
                    del stack[-2:]
                elif op == 0x63:  # GLOBAL
                    module, pos = self._line(pos)
                    name, pos = self._line(pos)
                    value, events = self._global(module, name, at, pos - at, "GLOBAL")
                    push(value)
                    if events:
                        yield from events
                elif op == 0x51:  # BINPERSID
                    yield from self._persistent(pop(), at, "BINPERSID")
                elif op == 0x95:  # FRAME
                    size = _U64.unpack_from(data, pos)[0]
                    pos += 8
                    if size > limit - pos:
                        yield self._hit(MALFORMED, "frame", at, 9, "", "FRAME")
                    if frame != _NO_FRAME:
                        yield self._hit(MALFORMED, "frame-boundary", at, 9, "", "FRAME")
                    frame = max(pos + size, frame if frame != _NO_FRAME else 0)
                    pause = min(limit, step, frame)
                elif op == 0x2E:  # STOP
                    self.end = pos
                    if frame not in (pos, _NO_FRAME) and frame <= limit:
                        yield self._hit(MALFORMED, "frame-boundary", at, 1, "", "STOP")
                    self.result = pop()
                    if self.asks:
                        yield from self._escape((self.result,), at, "STOP")
                    return
                else:
                    pos = yield from self._rare(op, at, pos)
                    near, places = self._near, places and not (self._extra or self._holes)
        finally:
            self.end = min(max(self.end, pos), limit)

    # -- memo and marks

    def _put(self, index: int) -> None:
        """Store the top of the stack; a memo may have holes, and entries are overwritten."""
        top, memo, late = self._stack[-1], self._memo, self._late
        dense = len(memo) + len(late)
        if index < len(memo):
            if memo[index] is _MISSING:
                self._holes = 0
            memo[index] = top
        elif index < dense:
            late[index - len(memo)] = self._code(top)
        elif index == dense:
            self._extra.pop(index, None)
            if self._near or len(memo) < NEAR_ENTRIES and not late:
                memo.append(top)
            else:
                late.append(self._code(top))
        elif index == 1 and not self._extra:  # Python 2 counts from 1
            memo += (_MISSING, top)
            self._holes, self._near = 1, False
        else:
            if len(self._extra) >= MAX_SPARSE:
                self.too_large = True
                raise Broken("there are more memo entries than the limit allows")
            self._extra[index] = top
            self._near = False

    def _memoize(self) -> None:
        """Store the top of the stack under the number of entries."""
        self._put(len(self._memo) + len(self._late) + len(self._extra) - self._holes)

    def _get(self, index: int) -> Any:
        """Return an entry. Raises IndexError or KeyError where there is none."""
        memo = self._memo
        if index < len(memo):
            return memo[index]
        if index >= len(memo) + len(self._late):
            return self._extra[index]
        code = self._late[index - len(memo)]
        if code >= _KEPT:
            return LOST if code == _FORGOTTEN else self._kept[code - _KEPT]
        return self._written(self.start + code)

    def _code(self, value: Any) -> int:
        """Return the code under which ``value`` is kept: of containers and numbers nothing is."""
        kind = type(value)
        if kind is Global or kind is Call:
            code = self._codes.get(id(value), 0)
            if not code and len(self._kept) < MAX_KEPT_FAR:
                self._kept.append(value)
                code = self._codes[id(value)] = _KEPT + len(self._kept) - 1
            return code or _FORGOTTEN
        if (kind is bytes or kind is Literal) and len(self._kept) < MAX_KEPT_FAR:
            self._kept.append(value)
            return _KEPT + len(self._kept) - 1
        return _FORGOTTEN

    def _written(self, at: int) -> Any:
        """Return the text or bytes that the opcode at ``at`` pushes."""
        data, op = self.data, self.data[at]
        wide = {0x8C: 1, 0x55: 1, 0x43: 1, 0x58: 4, 0x54: 4, 0x42: 4}.get(op, 8)
        size = int.from_bytes(data[at + 1 : at + 1 + wide], "little")
        begin = at + 1 + wide
        if op in (0x43, 0x42, 0x8E, 0x96):
            return Literal(begin, size, False)
        return data[begin : begin + size] if size <= MAX_TEXT else Literal(begin, size, True)

    def _is_bomb(self, index: int) -> bool:
        entries = len(self._memo) + len(self._late) + len(self._extra)
        return index > MIN_MEMO_INDEX and index > MAX_MEMO_RATIO * entries

    def _line(self, pos: int) -> tuple[bytes, int]:
        stop = self.data.find(b"\n", pos, min(self.limit, pos + 2 * MAX_TEXT))
        if stop < 0:
            self.end = self.limit
            raise Broken("a line does not end")
        return self.data[pos:stop], stop + 1

    def _take(self) -> list[Any]:
        base = self._marks.pop()
        items = self._stack[base:]
        del self._stack[base:]
        return items

    # -- the opcodes that are seldom

    def _rare(self, op: int, at: int, pos: int) -> Generator[Hit | Nested, None, int]:
        """Do one seldom opcode and return (as the generator's value) the position after it."""
        data, stack, limit = self.data, self._stack, self.limit
        if op == 0x80:  # PROTO
            self.protocol = data[pos]
            if at != self.start and not self._again:
                self._again = True
                yield self._hit(UNKNOWN, "unusual-opcode", at, 2, "PROTO", "PROTO")
            return pos + 1
        if op == 0x30:  # POP
            if self._marks and self._marks[-1] == len(stack):
                self._marks.pop()
            else:
                stack.pop()
            return pos
        if op == 0x31:  # POP_MARK
            self._take()
            return pos
        if op == 0x32:  # DUP
            stack.append(stack[-1])
            return pos
        if op in (0x8A, 0x8B):  # LONG1, LONG4
            size = data[pos] if op == 0x8A else _I32.unpack_from(data, pos)[0]
            pos += 1 if op == 0x8A else 4
            if not 0 <= size <= limit - pos:
                raise Broken("a number is longer than the rest of the stream")
            stack.append(int.from_bytes(data[pos : pos + size], "little", signed=True) if size <= 64 else _OPAQUE)
            return pos + size
        if op in (0x6C, 0x64):  # LIST, DICT
            items = self._take()
            if op == 0x6C:
                stack.append(items[: self.keep])
            else:
                stack.append(dict(_text_keys(items, self.keep)))
            if self.asks:
                yield from self._escape(items, at, "LIST" if op == 0x6C else "DICT")
            return pos
        if op in (0x90, 0x91):  # ADDITEMS, FROZENSET
            items = self._take()
            if op == 0x91:
                stack.append(tuple(items[: self.keep]))
                yield from self._escape(items, at, "FROZENSET")
            else:
                yield from self._append(stack[-1], items, at, "ADDITEMS")
            return pos
        if op in (0x6F, 0x69):  # OBJ, INST
            return (yield from self._instance(op, at, pos))
        if op == 0x92:  # NEWOBJ_EX
            named, arguments, function = stack.pop(), stack.pop(), stack.pop()
            both = (*arguments, named) if isinstance(arguments, tuple) else (arguments, named)
            result, events = calls.reduce(self, function, both, at, "NEWOBJ_EX")
            stack.append(result)
            yield from events
            return pos
        if op in (0x82, 0x83, 0x84):  # EXT1, EXT2, EXT4
            size = {0x82: 1, 0x83: 2, 0x84: 4}[op]
            stack.append(Global("copyreg", "extension", at, "block", False))
            self.blocked |= not self.strict or bool(self.imports)
            yield self._hit(
                DANGEROUS,
                "dynamic-name",
                at,
                1 + size,
                "copyreg extension",
                f"EXT{size}",
                "a number stands for any name",
            )
            return pos + size
        if op == 0x50:  # PERSID
            line, pos = self._text_line(op, pos)
            yield from self._persistent(line, at, "PERSID")
            return pos
        if op in (0x97, 0x98):  # NEXT_BUFFER, READONLY_BUFFER
            if op == 0x97:
                stack.append(_OPAQUE)
                yield self._hit(UNKNOWN, "unusual-opcode", at, 1, "NEXT_BUFFER", "NEXT_BUFFER")
            return pos
        return (yield from self._text_opcode(op, at, pos))

    def _text_opcode(self, op: int, at: int, pos: int) -> Generator[Hit, None, int]:
        if op not in b"FIL" and op not in b"VSgp":
            raise Broken("an opcode is unknown")
        line, pos = self._text_line(op, pos)
        stack = self._stack
        if op in b"FIL":
            stack.append(_number(op, line, self.strict))
        elif op == 0x56:  # UNICODE
            stack.append(line if isinstance(line, Literal) else _unescaped(line))
        elif op == 0x53:  # STRING
            stack.append(line if isinstance(line, Literal) else _unquoted(line))
        else:  # GET, PUT
            if isinstance(line, Literal):
                line = self.data[line.offset : line.offset + line.length]
            index = int(line.strip().lstrip(b"0")[:MAX_TEXT] or b"0")
            if index < 0:
                raise Broken("a memo index is negative")
            if op == 0x67:
                stack.append(self._get(index))
            else:
                if self._is_bomb(index):
                    yield self._hit(MALFORMED, "memo-bomb", at, pos - at, "", "PUT")
                self._put(index)
        return pos

    def _text_line(self, op: int, pos: int) -> tuple[Any, int]:
        stop = self.data.find(b"\n", pos, self.limit)
        if stop < 0:
            self.end = self.limit
            raise Broken("a line does not end")
        if stop - pos > MAX_TEXT:
            return Literal(pos, stop - pos, True), stop + 1
        return self.data[pos:stop], stop + 1

    def _instance(self, op: int, at: int, pos: int) -> Generator[Hit | Nested, None, int]:
        if op == 0x69:  # INST
            module, pos = self._line(pos)
            name, pos = self._line(pos)
            function, events = self._global(module, name, at, pos - at, "INST")
            yield from events
            arguments, opcode = self._take(), "INST"
        else:
            function, *arguments = self._take()
            opcode = "OBJ"
        result, events = calls.reduce(self, function, tuple(arguments), at, opcode)
        self._stack.append(result)
        yield from events
        return pos

    # -- globals

    def _stack_global(self, module: Any, name: Any, at: int) -> tuple[Any, Any]:
        if type(module) is bytes and type(name) is bytes:
            return self._global(module, name, at, 1, "STACK_GLOBAL")
        if isinstance(module, (int, tuple, list, dict)) or isinstance(name, (int, tuple, list, dict)):
            raise Broken("the name of a global is not a text")
        if self.strict and not self.imports:
            raise Broken("nothing was imported that could compute a name")
        self.blocked = True
        hit = self._hit(DANGEROUS, "dynamic-name", at, 1, "(computed name)", "STACK_GLOBAL")
        return Global("", "(computed name)", at, "block", False), (hit,)

    def _global(self, module: bytes, name: bytes, at: int, length: int, opcode: str) -> tuple[Any, Any]:
        """Return the global and the events that importing it causes; the events only the first time."""
        key = (module, name)
        known = self._globals.get(key)
        if known is not None:
            return known, ()
        ready = self.policy.ready[self.script].get(key)
        if ready is not None and len(self._globals) < MAX_GLOBALS:
            value, dotted = ready
            self._globals[key] = value
            self.imports.setdefault(dotted, "allow")
            return value, ()
        self._flooded()
        judge = _judged if len(module) + len(name) < MAX_NAME else _judged.__wrapped__
        judged, dotted, verdict, check, note, exact = judge(self.policy, module, name, self.script)
        if self.strict and dotted.startswith("("):
            raise Broken("the name of a global is not a name")
        value = _imported(judged, at, verdict, exact)
        events: tuple[Hit, ...] = ()
        if len(self._globals) >= MAX_GLOBALS:
            self.too_large = self.blocked = True
            events = (self._hit(MALFORMED, "flood", at, length, "", opcode),)
        self._globals[key] = value
        if verdict == "allow" and len(module) + len(name) < MAX_NAME and dotted[:1] != "(":
            self.policy.keep_ready(self.script, key, value, dotted)
        kept = verdict == "review" and judged.kept
        self.imports.setdefault(dotted, "allow" if judged.special in _OFTEN or kept else verdict)
        if verdict == "block":
            self.blocked = True
            events += (self._hit(DANGEROUS, check, at, length, dotted, opcode, note),)
        elif verdict == "review" and not kept:
            events += (self._hit(UNKNOWN, check, at, length, dotted, opcode, note),)
        elif verdict == "ask":
            self.asks = True
        return value, events

    def _flooded(self) -> None:
        if len(self._globals) > MAX_GLOBALS:
            raise Broken("there are more names than the limit allows")

    def _persistent(self, value: Any, at: int, opcode: str) -> Iterator[Hit]:
        if self.torch and isinstance(value, tuple) and value[:1] == (b"module",) and len(value) > 1:
            self._stack.append(value[1])  # the class of a module, with its source as text that is not run
            return
        self._stack.append(_OPAQUE)
        if self.torch:
            if self.keep > MAX_ITEMS and len(self.persistent) < 1_000_000:
                self.persistent.append(value)
        else:
            yield self._hit(UNKNOWN, "persistent-id", at, 1, "persistent id", opcode)

    # -- what a person may want to know of the data

    def _array(self, dtype: Any, data: Any) -> None:
        """Note the texts of an array: of objects, or of characters of four bytes (numpy/_core/src/multiarray/methods.c)."""
        if len(self.columns) >= MAX_COLUMNS:
            return
        if type(data) is list:
            texts = [value for value in data if type(value) is bytes]
            if texts:
                self.columns.append(texts)
        elif type(data) is Literal and type(dtype) is Call and type(dtype.arguments) is tuple and dtype.arguments:
            kind = dtype.arguments[0]
            if type(kind) is bytes and kind[:1] == b"U" and kind[1:].isdigit() and 0 < int(kind[1:5]) < 2000:
                self.columns.append((data, int(kind[1:5])))

    def _noted(self, target: Any, state: dict[bytes, Any]) -> None:
        """Note what an estimator keeps: rows of its training data, and the words that it has seen."""
        for name in _WORDS.intersection(state):
            if type(state[name]) is dict and len(self.columns) < MAX_COLUMNS:
                self.columns.append([*state[name]])
        owner = target.function if type(target) is Call else None
        if type(owner) is Global:
            for name in _TOLD.intersection(state):
                if type(state[name]) is Call:
                    self.stored.add(f"{owner.name}.{name.decode('ascii')}")

    def _hooked(self, state: Any, at: int) -> Iterator[Hit]:
        """Tell of a state with a function where the unpickler looks for a method of the object, and note one that it calls
        when items are added."""
        if calls.hooks(state, calls.CALLED):
            self.blocked = True
            yield self._hit(DANGEROUS, "state-injection", at, 1, "(computed callable)", "BUILD")
        self._filled |= calls.hooks(state, calls.FILLED)

    # -- what may change other things

    def _escape(self, values: Any, at: int, opcode: str) -> Iterator[Hit]:
        """Tell of a callable that reaches anything, such as getattr, when it is stored instead of called."""
        if calls.is_setter_tuple(values):
            return
        for value in values:
            if type(value) is Global and value.verdict == "ask":
                self.blocked = True
                yield self._hit(
                    DANGEROUS,
                    "dynamic-name",
                    at,
                    1,
                    clean_name(value.module, value.name),
                    opcode,
                    "handed on as a value",
                )

    def _append(self, target: Any, values: list[Any], at: int, opcode: str) -> Iterator[Hit]:
        if self.asks:
            yield from self._escape(values, at, opcode)
        if type(target) is list:
            if len(target) < self.keep:
                target.extend(values[: self.keep - len(target)])
        else:
            yield from self._injection(target, at, opcode)

    def _set_items(self, target: Any, base: int, at: int) -> Iterator[Hit]:
        stack = self._stack
        if self.asks:
            yield from self._escape(stack[base:], at, "SETITEMS")
        if type(target) is dict:
            target.update(_text_keys(stack[base:], max(0, self.keep - len(target))))
        else:
            if type(target) is Call:
                yield from self._hooked(dict(_text_keys(stack[base:], 0)), at)
            yield from self._injection(target, at, "SETITEMS")

    def _keep_hooks(self, target: dict[bytes, Any], base: int) -> None:
        """Keep the attributes that an object would be called by, however many others there are."""
        stack = self._stack
        for index in range(base, len(stack) - 1, 2):
            key = stack[index]
            if type(key) is bytes and key in calls.HOOKS:
                target[key] = stack[index + 1]

    def _injection(self, target: Any, at: int, opcode: str) -> Iterator[Hit]:
        self._blind |= target is LOST
        if (self._filled and opcode in _FILLING or opcode == "ADDITEMS") and (type(target) is Call or target is LOST):
            self.blocked = True
            yield self._hit(DANGEROUS, "state-injection", at, 1, "(computed callable)", opcode)
        if type(target) is Call and type(target.function) is Global and calls.gives_others(target.function):
            target = target.function
        if type(target) is Global:
            self.blocked = True
            yield self._hit(DANGEROUS, "state-injection", at, 1, clean_name(target.module, target.name), opcode)

    def _build(self, target: Any, state: Any, at: int, pos: int) -> Generator[Hit | Nested, None, int]:
        """Record the state of an object; return where the stream goes on (behind the raw array of joblib)."""
        if self.asks:
            yield from self._escape(state if isinstance(state, (tuple, list)) else (state,), at, "BUILD")
        if type(target) is not Call:
            yield from self._injection(target, at, "BUILD")
            return pos
        function = target.function
        if type(function) is not Global and calls.is_wrapper_state(state):
            yield self._hit(MALFORMED, "raw-array", at, 1, "", "BUILD")
        if self.asks and calls.hooks(state):
            self.blocked = True
            yield self._hit(DANGEROUS, "state-injection", at, 1, "(computed callable)", "BUILD")
        if type(function) is Call and calls.takes_from_constant(function):
            self.blocked = True
            yield self._hit(DANGEROUS, "state-injection", at, 1, "(computed value)", "BUILD")
        if (
            type(function) is Global
            and function.name in ("_reconstructor", "__newobj__")
            and function.module == "copyreg"
        ):
            function = target.arguments[0] if isinstance(target.arguments, tuple) and target.arguments else None
        if type(function) is Global:
            if calls.gives_others(function) and not (function.name == "iter" and isinstance(state, int)):
                yield from self._injection(target, at, "BUILD")
            if function.name == "NumpyArrayWrapper" and function.module in _WRAPPERS:
                return (yield from self._raw_array(state, pos))
            if function.kept == "loads":
                for nested in calls.streams_of(state):
                    name = clean_name(function.module, function.name)
                    yield nested or self._hit(UNKNOWN, "known-library", at, 1, name, "BUILD")
            if calls.is_wrapper_state(state):  # a wrapper that was made by a detour
                yield self._hit(MALFORMED, "raw-array", at, 1, clean_name(function.module, function.name), "BUILD")
            if function.name in ("NDArrayWrapper", "ZNDArrayWrapper") and calls.leaves_folder(state):
                self.blocked = True
                name = clean_name(function.module, function.name)
                yield self._hit(DANGEROUS, "suspicious-argument", at, 1, name, "BUILD", "a path outside its folder")
        if type(target.function) is not Global or target.function.made is not target:
            target.state = state
        return pos

    def _raw_array(self, state: Any, pos: int) -> Generator[Hit | Nested, None, int]:
        """Return the position after the array that joblib wrote into the stream behind its wrapper.

        Format: joblib/numpy_pickle.py, NumpyArrayWrapper.write_array and read_array.
        """
        at = pos - 1
        size, has_objects = calls.array_size(state)
        self.arrays += 1
        yield from self._as_opcodes(pos)
        self._stack[-1] = Call(Global("numpy", "ndarray", at, "allow", True), ())
        if size == calls.NEVER_WRITTEN or self._blind:
            yield self._hit(MALFORMED, "raw-array", at, 1, "", "BUILD")
            raise Broken("the size of a raw array is not written as joblib does")
        if has_objects:
            if self.depth >= MAX_INNER:
                raise Broken("pickles are nested too deeply")
            inner = Machine(
                self.data, pos, self.limit, self.policy, origin=self.origin, script=self.script, torch=self.torch,
                depth=self.depth + 1,
            )  # fmt: skip
            yield from inner.run()
            self.blocked |= inner.blocked
            for name, verdict in inner.imports.items():
                self.imports.setdefault(name, verdict)
            self.columns += inner.columns[: MAX_COLUMNS - len(self.columns)]
            if inner.trouble:
                raise Broken(inner.trouble)
            return inner.end
        if size < 0:
            raise Broken("the size of a raw array cannot be computed")
        if isinstance(state, dict) and state.get(b"numpy_array_alignment_bytes") is not None:
            pos += 1 + self.data[pos]
        if size > self.limit - pos:
            raise Broken("a raw array is longer than the rest of the file")
        self._array(state.get(b"dtype") if isinstance(state, dict) else None, Literal(pos, size, False))
        return pos + size

    def _as_opcodes(self, pos: int) -> Iterator[Hit | Nested]:
        """Tell what happens when a loader that is not joblib's goes on with opcodes where the array stands."""
        end = min(self.limit, pos + MAX_FORK_BYTES - self._forked)
        if self.depth >= MAX_INNER or self._forks >= MAX_FORKS:
            return
        place = _import_in(self.data, pos, end)
        self._forked += abs(place) - pos
        if place < 0:
            return
        self._forks += 1
        fork = Machine(self.data, pos, end, self.policy, origin=self.origin, strict=True, depth=MAX_INNER)
        fork._stack, fork._marks, fork._memo = list(self._stack), list(self._marks), list(self._memo)
        fork._late, fork._kept, fork._extra = self._late[:], list(self._kept), dict(self._extra)
        fork._codes = dict(self._codes)
        fork._near, fork._holes, fork.asks = self._near and not self._late, self._holes, self.asks
        hits = [event for event in fork.run() if isinstance(event, Hit) and self._runs(event)]
        self._forked += fork.end - pos
        self.blocked |= bool(hits)
        yield from hits

    def _runs(self, hit: Hit) -> bool:
        """Say whether a hit names what runs things: the bytes of honest arrays may, by chance, name anything else."""
        return hit.rule == DANGEROUS and bool(self.policy.leaves.match(hit.name.rpartition(".")[2]))

    def _hit(self, rule: str, check: str, at: int, length: int, name: str, opcode: str, note: str = "") -> Hit:
        return Hit(rule, check, at - self.origin, length, name, opcode, note)


_WRAPPERS = ("joblib.numpy_pickle", "sklearn.externals.joblib.numpy_pickle")


@lru_cache(maxsize=4096)
def _judged(policy: Policy, module: bytes, name: bytes, script: bool) -> tuple[Judgement, str, str, str, str, bool]:
    """Return the judgement on a name, how it is shown, its verdict, check and note, and whether it is listed exactly."""
    text, leaf = module.decode("utf-8", "replace"), name.decode("utf-8", "replace")
    judged = policy.judge(text, leaf, script)
    verdict: str = "ask" if judged.special == "loads" else judged.verdict
    check, note = judged.check, judged.note
    if verdict != "block" and (trick := names_trick(text, leaf)):
        verdict, check, note = "block", "dynamic-name", trick
    exact = (judged.module, judged.name) in policy.exact
    return judged, clean_name(text, leaf), verdict, check, note, exact


def _imported(judged: Judgement, at: int, verdict: str, exact: bool) -> Global:
    calm = verdict == "allow" and not judged.special
    value = Global(judged.module, judged.name, at, verdict, calm and exact, calm)
    value.kept = judged.kept if verdict == "review" else ""
    if calm and judged.name not in _REMEMBERED and not calls.gives_others(value):
        value.made = Call(value, ())
    return value


_REMEMBERED = frozenset(
    {
        "dtype",
        "NumpyArrayWrapper",
        "NDArrayWrapper",
        "ZNDArrayWrapper",
        "partial",
        "BytesIO",
        "_frombuffer",
        "_reconstructor",
        "__newobj__",
    }
)
"""Classes whose calls are told apart by arguments and state."""


_FILLING = frozenset({"APPEND", "APPENDS", "ADDITEMS"})
"""Opcodes that call a method of what is no list or set; nobody writes the last one for anything but a set."""

_OFTEN = frozenset({"loads", "resolves", "named-tuple", "applies-second"})
"""Rules for names that honest files call; such a call is told when its arguments are wrong."""

_ODD_KEYS = frozenset({Call, Global, Opaque})  # what the key is nobody knows


def _text_keys(items: list[Any], most: int) -> Iterator[tuple[bytes, Any]]:
    """Yield the pairs that are kept; the key "" stands for those that are not, and for keys that are computed."""
    for key, value in zip(items[::2], items[1::2], strict=False):
        if type(key) is bytes and key in calls.HOOKS:
            yield key, value
        elif type(key) in _ODD_KEYS or most <= 0:
            yield b"", None
        elif type(key) is bytes:
            most -= 1
            yield key, value


_DIGITS = lazy.pattern(rb"\s*[+-]?[0-9A-Fa-fxXoO_]*L?\s*$")


def _number(op: int, line: Any, strict: bool) -> Any:
    """Return a number; C's unpickler takes more forms than Python's (octal ones with a single zero)."""
    if op == 0x46 or not isinstance(line, bytes) or len(line) > 64:
        return _OPAQUE
    if op == 0x49 and line in (b"00", b"01"):
        return line == b"01"
    for base in (0, 8):
        try:
            return int(line.rstrip(b"L") if op == 0x4C else line, base)
        except ValueError:
            continue
    if strict and not _DIGITS.match(line):
        raise Broken("a number is malformed")
    return _OPAQUE


_WIDTHS = {
    0x80: 1, 0x4B: 1, 0x4D: 2, 0x4A: 4, 0x47: 8, 0x68: 1, 0x6A: 4, 0x71: 1, 0x72: 4, 0x95: 8, 0x82: 1, 0x83: 2, 0x84: 4,
    **dict.fromkeys(b"(.012NRabdelost)]}Qu\x81\x85\x86\x87\x88\x89\x8f\x90\x91\x92\x93\x94\x97\x98", 0),
}  # fmt: skip
_COUNTED = {0x8C: 1, 0x55: 1, 0x43: 1, 0x8A: 1, 0x58: 4, 0x54: 4, 0x42: 4, 0x8B: 4, 0x8D: 8, 0x8E: 8, 0x96: 8}


def _import_in(data: Buffer, pos: int, end: int) -> int:
    """Return the place of the first opcode that imports, when the bytes at ``pos`` can be read as opcodes up to it, else
    the place where they no longer can, negative. Random bytes hardly ever can."""
    while pos < end:
        op = data[pos]
        if op in (0x93, 0x82, 0x83, 0x84):
            return pos
        if op in _WIDTHS and op != 0x2E:
            pos += 1 + _WIDTHS[op]
        elif op in _COUNTED:
            width = _COUNTED[op]
            pos += 1 + width + int.from_bytes(data[pos + 1 : pos + 1 + width], "little")
        elif op in b"cigpIFLSVP":
            stop = data.find(b"\n", pos, min(end, pos + MAX_NAME))
            if op in b"ci" and stop > 0 and data[pos:stop].isascii():
                return pos
            if stop < 0 or op in b"ci":
                break
            pos = stop + 1
        else:
            break
    return -min(pos, end)


def _unescaped(line: bytes) -> bytes:
    return line.decode("raw-unicode-escape").encode("utf-8", "surrogatepass")


def _unquoted(line: bytes) -> bytes:
    line = line.strip()
    if len(line) < 2 or line[0] != line[-1] or line[:1] not in (b"'", b'"'):
        raise Broken("a text is not quoted")
    return codecs.escape_decode(line[1:-1])[0]
