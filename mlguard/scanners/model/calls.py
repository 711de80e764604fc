"""Judges the calls of a pickle: what is called, with which arguments, whatever its name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from mlguard.scanners.model.values import (
    DANGEROUS,
    MALFORMED,
    UNKNOWN,
    Broken,
    Call,
    Global,
    Hit,
    Literal,
    Nested,
    clean_name,
)  # fmt: skip

if TYPE_CHECKING:
    from mlguard.scanners.model.machine import Machine

MAX_LOOKED_AT = 256
"""Values of one call's arguments that are looked at."""

MAX_ALLOCATION = 2**30
"""Bytes: a call that makes a larger empty object is an attack on memory."""

_SHELL = re.compile(
    rb"(?:^|[;&|`(])\s*(?:/[\w/]+/)?(?:sh|bash|zsh|curl|wget|nc|ncat|powershell(?:\.exe)?|cmd(?:\.exe)?|chmod|rm)\s+[-/\"'$\w]"
    rb"|\$\(|&&|\|\s*(?:ba)?sh\b|/dev/tcp/|(?:^|\s)/(?:usr/)?bin/\w"
)
_SHELL_IN_CODE = re.compile(
    rb"/bin/(?:ba|z)?sh\b|\|\s*(?:ba)?sh\b|/dev/tcp/|\bcurl\s+(?:-\S+\s+)*\S+://|\bwget\s+\S+://|\brm\s+-rf"
)
_RUNNERS = frozenset(
    {
        b"system", b"popen", b"Popen", b"exec", b"eval", b"check_output", b"check_call", b"spawn", b"execv", b"execve", b"execl",
        b"urlopen", b"urlretrieve", b"socket", b"ctypes", b"subprocess", b"__import__", b"marshal", b"pty", b"smtplib",
        b"create_connection", b"import_module", b"startfile",
    }
)  # fmt: skip
_CODE = re.compile(
    rb"__import__|\bimport\s+\w+|\b(?:exec|eval|compile|open|getattr|globals)\s*\(|\bos\.\w+\(|\bsubprocess\b|lambda\s*[\w,]*:|__\w+__"
)
_URL = re.compile(rb"^\s*(?:https?|ftp|file|s3|gs|ssh|ldap|jdbc|tcp|unc)://|^\\\\", re.I)
_ABSOLUTE = re.compile(rb"^(?:/(?:etc|home|root|tmp|var|usr|bin|proc|dev|opt)/|[A-Za-z]:\\|~/)")
_PUBLIC = re.compile(rb"[A-Za-z][A-Za-z0-9_]*$")
_PATH = re.compile(rb"[A-Za-z]\w*(?:\.[A-Za-z]\w*)*$")
_LATIN = frozenset({b"latin1", b"latin-1", b"iso-8859-1"})


def reduce(machine: Machine, function: Any, arguments: Any, at: int, opcode: str) -> tuple[Any, list[Hit | Nested]]:
    """Return what the call gives, and what must be told about it."""
    events = list(_judge(machine, function, arguments, at, opcode))
    result = Call(function, arguments, at)
    if isinstance(function, Call) and _is_type(function):
        result = Call(Global("types", "CodeType", at, "allow", True), arguments, at)
    return result, events


def _judge(machine: Machine, function: Any, arguments: Any, at: int, opcode: str) -> Iterator[Hit | Nested]:
    values = _as_tuple(arguments)

    def blocked(check: str, name: str, note: str = "") -> Hit:
        machine.blocked = True
        return machine._hit(DANGEROUS, check, at, 1, name, opcode, note)

    if machine.asks:
        yield from machine._escape(values, at, opcode)
    if not isinstance(function, Global):
        yield from _indirect(machine, function, values, at, opcode, blocked)
        return
    name = clean_name(function.module, function.name)
    special = machine.policy.special.get((function.module, function.name), "")
    if special:
        for verdict, check, note in _special(machine, special, values):
            if verdict == "block":
                yield blocked(check, name, note)
            elif verdict == "memory":
                yield machine._hit(MALFORMED, "memory-bomb", at, 1, name, opcode)
            else:
                yield machine._hit(UNKNOWN, check, at, 1, name, opcode, note)
    if special == "loads":
        yield from _loaded(machine, values, at)
    elif function.verdict == "review":
        machine.called = True
        evidence = _code_evidence(values) if special else _evidence(machine, function, values)
        if evidence:
            yield blocked("suspicious-argument", name, evidence)
        elif not special and machine.policy.calls.match(function.name.rpartition(".")[2]):
            yield blocked("library-call", name)
    elif function.verdict == "block":
        for value in values:  # a blocked loader may carry more
            if isinstance(value, Literal) and not value.text:
                yield Nested(value.offset, value.length, False)


def _as_tuple(arguments: Any) -> tuple[Any, ...]:
    return arguments if isinstance(arguments, tuple) else (arguments,)


def _indirect(
    machine: Machine, function: Any, values: tuple[Any, ...], at: int, opcode: str, blocked: Callable[..., Hit]
) -> Iterator[Hit]:
    if not isinstance(function, Call):
        if isinstance(function, (bytes, int, tuple, list, dict, Literal)) or function is None:
            return  # cannot be called: the real machine breaks off here
        yield blocked("dynamic-name", "(computed callable)", "calls a value that is computed")
        return
    inner = function.function
    if _is_type(function):  # makes an object such as a code object; calling that one is told
        if evidence := _code_evidence(values):
            yield blocked("suspicious-argument", "(bytecode)", evidence)
        return
    if isinstance(inner, Global):
        special = machine.policy.special.get((inner.module, inner.name), "")
        if special == "makes":  # a class that the file carries
            yield machine._hit(UNKNOWN, "embedded-code", at, 1, clean_name(inner.module, inner.name), opcode)
            return
        if special == "getattr" and not list(_attribute(machine, _as_tuple(function.arguments))):
            return
    name = clean_name(inner.module, inner.name) if isinstance(inner, Global) else "(computed callable)"
    yield blocked("dynamic-name", name, "calls the result of another call")


def _is_type(function: Call) -> bool:
    inner = function.function
    return isinstance(inner, Global) and (inner.module, inner.name) in _TYPE_GETTERS


_TYPE_GETTERS = frozenset(
    {
        ("cloudpickle.cloudpickle", "_builtin_type"), ("cloudpickle", "_builtin_type"), ("dill._dill", "_load_type"),
        ("joblib.externals.cloudpickle.cloudpickle", "_builtin_type"),
    }
)  # fmt: skip
_HARMLESS_TYPES = frozenset(
    {
        b"CodeType", b"FunctionType", b"LambdaType", b"CellType", b"MethodType", b"GeneratorType", b"ClassType",
        b"BuiltinFunctionType", b"BuiltinMethodType", b"NoneType", b"EllipsisType", b"NotImplementedType",
        b"MappingProxyType", b"type", b"TypeType", b"ObjectType", b"StaticMethodType", b"ClassMethodType",
        b"object", b"int", b"str", b"list", b"dict", b"tuple", b"set", b"float", b"bool", b"bytes", b"Exception", b"ABCMeta",
    }
)  # fmt: skip


def _special(machine: Machine, special: str, values: tuple[Any, ...]) -> Iterator[tuple[str, str, str]]:
    """Yield (verdict, check, note) of a call whose arguments decide."""
    first = values[0] if values else None
    if special == "getattr":
        yield from _attribute(machine, values)
    elif special == "getter":
        names = [value for value in values[:1] if isinstance(value, bytes)]
        if (
            names
            and all(_PATH.match(name) and b"__" not in name for name in names)
            and all(isinstance(v, (bytes, int)) for v in values)
        ):
            yield "review", "attribute-access", ""
        else:
            yield "block", "dynamic-name", "the attribute is hidden or computed"
    elif special == "setattr":
        made = first.function if isinstance(first, Call) else None
        if isinstance(made, Global) and machine.policy.special.get((made.module, made.name), "").startswith("makes"):
            yield "review", "embedded-code", ""
        else:
            yield "block", "state-injection", ""
    elif special == "type":
        if len(values) != 1 or not (first is None or _is_constant(first)):
            yield "block", "dynamic-name", "asks for the class of a value"
    elif special == "apply-one":
        if len(values) != 1:
            yield "block", "stdlib-call", "calls a function again and again"
    elif special == "applies":
        if (
            isinstance(first, Call)
            or isinstance(first, Global)
            and machine.policy.special.get((first.module, first.name))
        ):
            yield "block", "dynamic-name", "calls a value that is computed"
    elif special == "encodes":
        if len(values) < 2 or not (isinstance(values[1], bytes) and values[1] in _LATIN):
            yield "review", "computed-text", ""
    elif special == "allocates":
        if any(isinstance(value, int) and value > MAX_ALLOCATION for value in values):
            yield "memory", "", ""
    elif special == "import":
        text = first.decode("utf-8", "replace") if isinstance(first, bytes) else ""
        if not text or "." in text and machine.policy.judge(*_split(text)).verdict != "allow":
            yield "block", "dynamic-name", "imports a name that is computed or dotted"
        else:
            yield "review", "embedded-code", ""
    elif special == "type-by-name" and not (isinstance(first, bytes) and first in _HARMLESS_TYPES):
        yield "block", "dynamic-name", "asks for a class by name"


def _split(text: str) -> tuple[str, str]:
    module, _, name = text.rpartition(".")
    return module, name


def _is_constant(value: Any) -> bool:
    return isinstance(value, Global) and value.module == "builtins" and value.name in ("Ellipsis", "NotImplemented")


def _attribute(machine: Machine, values: tuple[Any, ...]) -> Iterator[tuple[str, str, str]]:
    target, name = (*values, None, None)[:2]
    owner = target.function if isinstance(target, Call) else target
    if not (isinstance(name, bytes) and isinstance(owner, Global) and owner.verdict in ("allow", "review")):
        yield "block", "dynamic-name", "the object or the attribute is computed"
        return
    if machine.policy.bound(owner.module, owner.name, name.decode("utf-8", "replace")):
        return
    if not _PUBLIC.match(name) or b"__" in name:
        yield "block", "dynamic-name", "the attribute is hidden"
    elif isinstance(target, Global) and not owner.name[:1].isupper() and owner.name.strip("_")[:1].islower():
        yield "block", "dynamic-name", "takes an attribute of a module or function"
    elif machine.policy.leaves.match(name.decode("ascii")) or machine.policy.calls.match(name.decode()):
        yield "block", "dynamic-name", "the attribute's name is that of a dangerous function"
    else:
        yield "review", "attribute-access", ""


def _loaded(machine: Machine, values: tuple[Any, ...], at: int) -> Iterator[Nested]:
    for value in values[:1]:
        if isinstance(value, Literal) and not value.text:
            yield Nested(value.offset, value.length, True)
        elif isinstance(value, Call):
            data = _encoded(machine, value)
            if data is None:
                raise Broken("the bytes that a loader gets are computed")
            yield Nested(at, 1, True, data)


def _encoded(machine: Machine, call: Call) -> bytes | None:
    """Return the bytes that ``_codecs.encode(text, "latin1")`` gives, as protocol 2 writes bytes."""
    function, values = call.function, call.arguments
    if not (
        isinstance(function, Global) and function.name == "encode" and isinstance(values, tuple) and len(values) == 2
    ):
        return None
    text = values[0]
    if isinstance(text, Literal):
        text = bytes(machine.data[text.offset : text.offset + min(text.length, 64 * 2**20)])
    if not (isinstance(text, bytes) and isinstance(values[1], bytes) and values[1] in _LATIN):
        return None
    try:
        return text.decode("utf-8").encode("latin-1")
    except UnicodeError:
        return None


def _evidence(machine: Machine, function: Global, values: tuple[Any, ...]) -> str:
    """Say what in the arguments makes a call of an unknown name suspicious, in words and without the argument."""
    is_class = function.name.rpartition(".")[2].lstrip("_")[:1].isupper()
    left = MAX_LOOKED_AT
    queue: list[Any] = list(values[:64])
    while queue and left > 0:
        left -= 1
        value = queue.pop()
        if isinstance(value, (tuple, list)):
            queue.extend(value[:64])
        elif isinstance(value, dict):
            queue.extend(value.values())
        elif isinstance(value, bytes):
            if found := _suspicious(value, is_class):
                return found
        elif isinstance(value, Literal) and not value.text and _looks_pickled(machine, value):
            return "a pickle inside bytes"
    return ""


def _looks_pickled(machine: Machine, value: Literal) -> bool:
    data, last = machine.data, value.offset + value.length - 1
    return value.length > 2 and data[value.offset] == 0x80 and 2 <= data[value.offset + 1] <= 5 and data[last] == 0x2E


def _code_evidence(values: tuple[Any, ...]) -> str:
    """Say whether the names and constants of bytecode start programs or open connections."""
    left = 4 * MAX_LOOKED_AT
    queue: list[Any] = list(values)
    while queue and left > 0:
        left -= 1
        value = queue.pop()
        if isinstance(value, (tuple, list)):
            queue.extend(value)
        elif isinstance(value, bytes) and (value in _RUNNERS or _SHELL_IN_CODE.search(value)):
            return "bytecode that starts programs, evaluates text or opens connections"
    return ""


def _suspicious(text: bytes, is_class: bool) -> str:
    if _SHELL.search(text) and not is_class:
        return "shell text"
    if _CODE.search(text) and not is_class:
        return "program text"
    if is_class:
        return ""
    if _URL.match(text):
        return "a URL"
    return "an absolute path" if _ABSOLUTE.match(text) else ""


# -- arrays of joblib


def array_size(state: Any) -> tuple[int, bool]:
    """Return the bytes of the raw array that a NumpyArrayWrapper with this state stands for (-1: unknown), and
    whether it is a pickle instead because the array holds objects."""
    if not isinstance(state, dict):
        return -1, False
    size, has_objects = item_size(state.get(b"dtype"))
    shape = state.get(b"shape")
    if has_objects or size < 0 or not isinstance(shape, tuple):
        return -1, has_objects
    for extent in shape:
        if not isinstance(extent, int) or extent < 0:
            return -1, False
        size *= extent
    return size, False


_DTYPE = re.compile(rb"[<>|=]?([biufcSUVOmMa?])(\d*)(?:\[[\w ]+\])?$")


def item_size(dtype: Any) -> tuple[int, bool]:
    """Return the bytes of one item of a ``numpy.dtype(…)`` call (-1: unknown) and whether it holds objects."""
    if not isinstance(dtype, Call) or not isinstance(dtype.arguments, tuple) or not dtype.arguments:
        return -1, False
    match = _DTYPE.match(dtype.arguments[0]) if isinstance(dtype.arguments[0], bytes) else None
    if not match:
        return -1, False
    state = dtype.state if isinstance(dtype.state, tuple) else ()
    flags = state[7] if len(state) > 7 and isinstance(state[7], int) else 0
    if match.group(1) == b"O" or flags & 1:
        return -1, True
    if match.group(1) == b"V" and len(state) > 5 and isinstance(state[5], int) and state[5] >= 0:
        return state[5], False
    size = int(match.group(2) or (b"1" if match.group(1) == b"?" else b"0"))
    return size * (4 if match.group(1) == b"U" else 1), False
