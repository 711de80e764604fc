"""Judges the calls of a pickle: what is called, with which arguments, whatever its name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from mlguard.scanners import lazy
from mlguard.scanners.model.values import (
    DANGEROUS,
    LOST,
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

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from mlguard.scanners.model.machine import Machine

MAX_LOOKED_AT = 256
"""Values of one call's arguments that are looked at."""

MAX_MAPPINGS = 20_000
"""Calls of dict and its like with arguments that are looked at in one pickle."""

MAX_ENCODED = 64 * 2**20
"""Bytes of a text that stands for bytes; what lies behind is not looked at."""

MAX_ALLOCATION = 2**30
"""Bytes: a call that makes a larger empty object is an attack on memory."""

_SHELL = lazy.pattern(
    rb"(?:^|[;&|`(])\s*(?:/[\w/]+/)?(?:sh|bash|zsh|curl|wget|nc|ncat|powershell(?:\.exe)?|cmd(?:\.exe)?|chmod|rm)\s+[-/\"'$\w]"
    rb"|\$\(|&&|\|\s*(?:ba)?sh\b|/dev/tcp/|(?:^|\s)/(?:usr/)?bin/\w"
)
_SHELL_IN_CODE = lazy.pattern(
    rb"/bin/(?:ba|z)?sh\b|\|\s*(?:ba)?sh\b|/dev/tcp/|\bcurl\s+(?:-\S+\s+)*\S+://|\bwget\s+\S+://|\brm\s+-rf"
)
_RUNNERS = frozenset(
    {
        b"system", b"popen", b"Popen", b"exec", b"eval", b"check_output", b"check_call", b"spawn", b"execv", b"execve", b"execl",
        b"urlopen", b"urlretrieve", b"socket", b"ctypes", b"subprocess", b"__import__", b"marshal", b"pty", b"smtplib",
        b"create_connection", b"import_module", b"startfile",
    }
)  # fmt: skip
_CODE = lazy.pattern(
    rb"__import__|\bimport\s+\w+|\b(?:exec|eval|compile|open|getattr|globals)\s*\(|\bos\.\w+\(|\bsubprocess\b|lambda\s*[\w,]*:"
    rb"|__(?:builtins|class|mro|bases?|subclasses|globals|code|closure|dict|reduce|reduce_ex|getattribute|init|call|loader|spec)__"
)
_URL = lazy.pattern(rb"^\s*(?:https?|ftp|file|s3|gs|ssh|ldap|jdbc|tcp|unc)://|^\\\\", re.I)
_ABSOLUTE = lazy.pattern(rb"^(?:/(?:etc|home|root|tmp|var|usr|bin|proc|dev|opt)/|[A-Za-z]:\\|~/)")
_ATTRIBUTE = lazy.pattern(rb"_?[A-Za-z][A-Za-z0-9_]*$")
_PATH = lazy.pattern(rb"[A-Za-z]\w*(?:\.[A-Za-z]\w*)*$")
_LATIN = frozenset({b"latin1", b"latin-1", b"iso-8859-1"})


def reduce(machine: Machine, function: Any, arguments: Any, at: int, opcode: str) -> tuple[Any, list[Hit | Nested]]:
    """Return what the call gives, and what must be told about it."""
    if _is_setter(function, arguments):
        return Global("dill._dill", "_setattr", at, "ask", False), []
    events = list(_judge(machine, function, arguments, at, opcode))
    result = Call(function, arguments)
    if isinstance(function, Call) and _is_type(function):
        partial = _as_tuple(function.arguments)[:1] == (b"PartialType",)
        made = ("functools", "partial") if partial else ("types", "CodeType")
        result = Call(Global(*made, at, "allow", True), arguments)
    return result, events


def _is_setter(function: Any, arguments: Any) -> bool:
    """Recognise how dill finds the function that sets attributes: ``getattr(dill._dill, "_setattr", setattr)``."""
    if not isinstance(function, Global) or (function.module, function.name) != ("builtins", "getattr"):
        return False
    return is_setter_tuple(arguments)


def is_setter_tuple(values: Any) -> bool:
    """Say whether ``values`` are the three arguments with which dill asks for its setter."""
    if not isinstance(values, tuple) or len(values) != 3 or values[1] != b"_setattr":
        return False
    names = [(value.module, value.name) for value in values if isinstance(value, Global)]
    return names == [("dill", "_dill"), ("builtins", "setattr")]


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
        for value in values[:1]:
            nested = _loaded(machine, value, at)
            yield nested or blocked("suspicious-argument", name, "bytes that are computed")
    elif special == "applies" and isinstance(values[0] if values else None, Global) and values[0] is not function:
        if machine.policy.special.get((values[0].module, values[0].name), "computes") == "computes":
            yield from _judge(machine, values[0], values[2] if len(values) > 2 else (), at, opcode)
    elif function.verdict == "allow" and not special and not function.plain and opcode in _CALLS:
        if evidence := _reference(arguments):
            yield blocked("suspicious-argument", name, evidence)
    elif special == "applies-rest" and values and isinstance(values[0], Global):
        rest = values[2] if len(values) > 2 and isinstance(values[2], tuple) else values[2:]
        yield from _judge(machine, values[0], (*values[1:2], *rest), at, opcode)
    elif special == "new-object":
        if values and isinstance(values[0], Global) and (values[0].kept or values[0].verdict == "ask"):
            yield from _judge(machine, values[0], values[1:], at, "NEWOBJ")
        elif values and isinstance(values[0], Call):
            yield from _indirect(machine, values[0], values[1:], at, "NEWOBJ", blocked)
    elif special in ("applies-second", "applies-rest"):
        if values and isinstance(values[0], Global) and values[0] is not function:
            yield from _judge(machine, values[0], values[1] if len(values) > 1 else (), at, opcode)
        else:
            yield blocked("dynamic-name", name, "calls a value that is computed")
    elif special == "reconstructs":
        if len(values) > 2 and isinstance(values[1], Global) and values[1].kept:
            yield from _judge(machine, values[1], (values[2],), at, "REDUCE")  # base.__init__(object, state)
        elif values and isinstance(values[0], Call):
            yield from _indirect(machine, values[0], values[1:], at, "NEWOBJ", blocked)
    elif function.kept:
        yield from _kept(machine, function, arguments, at, opcode, blocked)
    elif function.verdict == "review":
        machine.called = True
        evidence = _code_evidence(values) if special else _evidence(machine, function, values)
        if arguments is LOST:
            evidence = _FAR
        if evidence:
            yield blocked("suspicious-argument", name, evidence)
        elif not special and machine.policy.calls.match(function.name.rpartition(".")[2]):
            yield blocked("library-call", name)
    elif function.verdict == "block":
        for value in values:  # a blocked loader may carry more
            if isinstance(value, Literal) and not value.text:
                yield Nested(value.offset, value.length, False)


def _kept(
    machine: Machine, function: Global, arguments: Any, at: int, opcode: str, blocked: Callable[..., Hit]
) -> Iterator[Hit | Nested]:
    """Judge a call of a name of a known library that nobody has listed.

    NEWOBJ makes an object without ``__init__``; a class that is called must get nothing that names a thing elsewhere; a
    function must be named as those are that rebuild an object, and what looks like a pickle in its bytes is looked into.
    """
    name, leaf, values = (
        clean_name(function.module, function.name),
        function.name.rpartition(".")[2],
        _as_tuple(arguments),
    )
    is_class = leaf.lstrip("_")[:1].isupper()
    bare = opcode not in _CALLS and (is_class or not _has_text(values))
    if function.kept == "held":
        if values or not bare:
            yield blocked("library-call", name, "reaches files, programs or modules when it is called")
        return
    for value in values:
        if isinstance(value, Literal) and not value.text and _looks_pickled(machine, value):
            yield Nested(value.offset, value.length, True)
    if not bare and (evidence := _reference(arguments, relative=is_class)):
        yield blocked("suspicious-argument", name, evidence)
    elif bare or is_class and _is_tame(values) and not _holds_callable(machine, values):
        return
    elif not is_class and (
        machine.policy.calls.match(leaf) or not machine.policy.rebuilds.match(leaf) and _has_text(values)
    ):
        yield blocked("library-call", name)
    elif is_class or not machine.policy.rebuilds.match(leaf):
        machine.called = True
        yield machine._hit(UNKNOWN, "known-library", at, 1, name, opcode)


def _has_text(values: tuple[Any, ...]) -> bool:
    """Say whether a text, or bytes, is among arguments: what a function that reaches something needs."""
    queue, left = list(values), MAX_LOOKED_AT
    while queue and left > 0:
        left -= 1
        value = queue.pop()
        if isinstance(value, (tuple, list)):
            queue.extend(value[:64])
        elif isinstance(value, dict):
            queue.extend(value.values())
        elif isinstance(value, (bytes, Literal)) or value is LOST:
            return True
    return bool(queue)


def _holds_callable(machine: Machine, values: tuple[Any, ...]) -> bool:
    """Say whether a function that nobody has listed is among arguments, by itself or with arguments of its own."""
    queue, left = list(values), MAX_LOOKED_AT
    while queue:
        left -= 1
        value = queue.pop()
        if left < 0 or value is LOST:
            return True
        if isinstance(value, (tuple, list)):
            queue.extend(value[:64])
        elif isinstance(value, dict):
            queue.extend(value.values())
        elif isinstance(value, Global) and value.kept:
            if value.kept == "held" or not value.name.rpartition(".")[2].lstrip("_")[:1].isupper():
                return True
        elif isinstance(value, Call) and isinstance(value.function, Global):
            if value.function.verdict == "ask" and not _is_bound(machine, _as_tuple(value.arguments)):
                return True
            if (value.function.module, value.function.name) == ("functools", "partial"):
                queue.append(value.arguments)
    return False


_DATA_MODULES = frozenset({"numpy", "datetime", "decimal", "fractions", "uuid", "_codecs"})


def _holds_object(values: tuple[Any, ...]) -> bool:
    """Say whether arguments hold a function, or an object whose methods may be the file's own: what is not mere data."""
    queue, left = list(values), MAX_LOOKED_AT
    while queue:
        left -= 1
        value = queue.pop()
        if left < 0 or value is LOST:
            return True
        if isinstance(value, (tuple, list)):
            queue.extend(value[:64])
        elif isinstance(value, dict):
            queue.extend(value.values())
        elif isinstance(value, Global):
            if not (value.plain and _names_class(value)):
                return True
        elif isinstance(value, Call):
            made = value.function
            if not isinstance(made, Global) or made.module.partition(".")[0] not in _DATA_MODULES:
                return True
            queue.append(value.arguments)
    return False


_WORD = lazy.pattern(rb"[\w \-]{0,48}$")


def _is_tame(values: tuple[Any, ...]) -> bool:
    """Say whether arguments are numbers, short words, or objects that are judged on their own."""
    queue, left = list(values), MAX_LOOKED_AT
    while queue:
        left -= 1
        value = queue.pop()
        if left < 0 or value is LOST:
            return False
        if isinstance(value, (tuple, list)):
            queue.extend(value[:64])
        elif isinstance(value, dict):
            queue.extend(value.values())
        elif isinstance(value, bytes) and not _WORD.match(value) or isinstance(value, Literal) and value.text:
            return False
    return True


_CALLS = frozenset({"REDUCE", "OBJ", "INST"})  # NEWOBJ only makes an empty object
_FAR = "arguments that stood far away in its memo"
_SCHEME = lazy.pattern(rb"^\s*[A-Za-z][A-Za-z0-9+.-]{1,20}://")
_PATH_LIKE = lazy.pattern(
    rb"^(?:[\w.~-]+[/\\])+[\w.-]+$|^[/~\\]|^[A-Za-z]:[/\\]|^[\w-]+\.(?:pkl|pickle|pth?|bin|joblib|npy|npz|h5|db|so|dll|py|sh|yaml|zip|tar)$"
)


def _reference(arguments: Any, relative: bool = True) -> str:
    """Say in words what file, model or address the arguments of a class name, which then may fetch or open it."""
    if arguments is LOST:
        return _FAR
    queue, left = list(_as_tuple(arguments)[:64]), MAX_LOOKED_AT
    while queue and left > 0:
        left -= 1
        value = queue.pop()
        if isinstance(value, (tuple, list)):
            queue.extend(value[:64])
        elif isinstance(value, dict):
            queue.extend(value.values())
        elif isinstance(value, bytes):
            if _SCHEME.match(value):
                return "a URL"
            if (_PATH_LIKE if relative else _ABSOLUTE).match(value):
                return "the path of a file or model"
            if _SHELL.search(value) or _CODE.search(value):
                return "program or shell text"
    return ""


_OTHERS = frozenset(
    {
        ("builtins", "max"), ("builtins", "min"), ("builtins", "sum"), ("builtins", "type"), ("builtins", "super"),
        ("builtins", "pow"), ("builtins", "abs"), ("builtins", "round"), ("builtins", "property"), ("logging", "getLogger"),
        ("torch.utils.data._utils.collate", "default_convert"), ("torch.utils.data._utils.collate", "default_collate"),
        ("torch.jit._pickle", "restore_type_tag"),
    }
)  # fmt: skip


def gives_others(function: Global) -> bool:
    """Say whether a call of ``function`` may give something that the pickle did not make, such as a class or the root logger."""
    return (
        function.verdict == "ask"
        or (function.module, function.name) in _OTHERS
        or (function.module in ("operator", "_operator") and function.name != "itemgetter")
    )


CALLED = frozenset(
    {
        b"__setstate__", b"__array__", b"__array_interface__", b"__array_struct__", b"__array_ufunc__", b"__array_function__",
        b"__array_priority__", b"__array_wrap__", b"__array_finalize__", b"__torch_function__", b"__new__", b"__init__", b"__call__",
        b"__reduce_ex__", b"__reduce__", b"__getnewargs__", b"__class__", b"__getattr__", b"__getattribute__", b"__setattr__",
    }
)  # fmt: skip
"""Attributes that the unpickler or numpy looks up on an object and calls; no honest state holds a function there."""

FILLED = frozenset({b"append", b"extend", b"add"})
"""Methods that the unpickler looks up on an object and calls with the items that the stream adds to it."""

HOOKS = CALLED | FILLED


def mentions_hook(values: tuple[Any, ...], names: frozenset[bytes] = HOOKS) -> bool:
    """Say whether one of these names stands among arguments together with something that may be called."""
    queue, left = list(values), MAX_LOOKED_AT
    named = callable_ = False
    while queue and left > 0:
        left -= 1
        value = queue.pop()
        if isinstance(value, (tuple, list)):
            queue.extend(value[:64])
        elif isinstance(value, dict):
            queue.extend(value)
            queue.extend(value.values())
        elif isinstance(value, bytes):
            named |= value in names
        else:
            callable_ |= _may_be_called(value)
            if isinstance(value, Call) and isinstance(value.arguments, tuple):
                queue.extend(value.arguments[:64])
    return named and callable_


def hooks(state: Any, names: frozenset[bytes] = HOOKS) -> bool:
    """Say whether a state gives an object one of these attributes that may be called."""
    if isinstance(state, tuple):
        return any(isinstance(part, dict) and hooks(part, names) for part in state)
    if not isinstance(state, dict):
        return False
    inside = state.get(b"__dict__")
    return (
        isinstance(inside, dict)
        and hooks(inside, names)
        or any(_may_be_called(state[name]) for name in names.intersection(state))
    )


def _may_be_called(value: Any) -> bool:
    """Say whether a value is a function, or made in a way that may give one; an instance of a listed class is none."""
    if isinstance(value, Global):
        return value.verdict != "allow"
    if isinstance(value, Call) and isinstance(value.function, Global) and value.function.verdict in ("allow", "review"):
        leaf = value.function.name.rpartition(".")[2].lstrip("_")
        if leaf[:1].isupper():
            return leaf.endswith(("Partial", "Alias", "Type"))
        return value.function.module.partition(".")[0] not in _DATA_MODULES or leaf == "vectorize"
    return isinstance(value, Call) or value is LOST


def takes_from_constant(function: Call) -> bool:
    """Say whether a call is one of a method of a list, dictionary or text: it may give whatever stands in it."""
    inner = function.function
    if not isinstance(inner, Global) or (inner.module, inner.name) != ("builtins", "getattr"):
        return False
    return isinstance((*_as_tuple(function.arguments), None)[0], _CONSTANTS)


def streams_of(state: Any) -> Iterator[Nested | None]:
    """Yield the bytes in a state, which an object's __setstate__ loads; None where not all of the state is known."""
    values = list(state.values()) if isinstance(state, dict) else list(_as_tuple(state))
    if state is LOST or len(values) >= 64:
        yield None
    for value in values:
        if isinstance(value, Literal) and not value.text and value.length > 8:
            yield Nested(value.offset, value.length, True)
        elif isinstance(value, Call) and isinstance(value.function, Global) and value.function.name == "encode":
            yield None


def leaves_folder(state: Any) -> bool:
    """Say whether the state of an array wrapper of old joblib names a file elsewhere."""
    name = state.get(b"filename") if isinstance(state, dict) else None
    return not isinstance(name, bytes) or b"/" in name or b"\\" in name or b".." in name


def _as_tuple(arguments: Any) -> tuple[Any, ...]:
    return arguments if isinstance(arguments, tuple) else (arguments,)


def _indirect(
    machine: Machine, function: Any, values: tuple[Any, ...], at: int, opcode: str, blocked: Callable[..., Hit]
) -> Iterator[Hit | Nested]:
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
    if not isinstance(inner, Global):
        yield blocked("dynamic-name", "(computed callable)", "calls the result of another call")
        return
    name = clean_name(inner.module, inner.name)
    special = machine.policy.special.get((inner.module, inner.name), "")
    if special == "named-tuple" and opcode == "NEWOBJ":
        return  # whose class it is was judged when it was made
    if special == "makes":  # a class that the file carries
        yield machine._hit(UNKNOWN, "embedded-code", at, 1, name, opcode)
    elif special == "gives-class":
        return
    elif special == "getattr" and _is_bound(machine, owner := _as_tuple(function.arguments)):
        if isinstance(owner[0], _CONSTANTS) and _holds_object(values) or mentions_hook(values):
            yield blocked("dynamic-name", name, "calls methods of a value that the file makes")
    elif special == "getattr" and (nested := _keras_model(_as_tuple(function.arguments), values)):
        yield nested
    elif special == "getattr" and (method := _class_method(machine, _as_tuple(function.arguments), at)):
        yield from _judge(machine, method, values, at, "REDUCE")
    elif (inner.module, inner.name) == ("functools", "partial"):
        target, bound = _applied(function)
        if isinstance(target, Global) and target.verdict != "ask":
            yield from _judge(machine, target, (*bound, *values), at, opcode)
        else:
            yield blocked("dynamic-name", name, "calls a value that is computed")
    elif inner.verdict == "review" and not special and inner.name.lstrip("_")[:1].isupper():
        if evidence := _evidence(machine, inner, values):  # an instance of a class that was told already
            yield blocked("suspicious-argument", name, evidence)
    else:
        yield blocked("dynamic-name", name, "calls the result of another call")


def _applied(call: Call) -> tuple[Any, tuple[Any, ...]]:
    """Return the function of a ``functools.partial`` and the arguments that it holds; its state replaces both."""
    values = _as_tuple(call.arguments)
    if isinstance(call.state, tuple) and len(call.state) > 1:
        named = call.state[2] if len(call.state) > 2 else None
        return call.state[0], (*_as_tuple(call.state[1]), *(named.values() if isinstance(named, dict) else (named,)))
    return (values[0], values[1:]) if values and call.state is None else (None, ())


def _keras_model(owner: tuple[Any, ...], values: tuple[Any, ...]) -> Nested | None:
    """Return the archive that keras reads a pickled model from (keras/src/saving/keras_saveable.py)."""
    if not _is_keras_model(owner) or len(values) != 1:
        return None
    file = values[0]
    if not isinstance(file, Call) or not isinstance(file.function, Global) or file.function.name != "BytesIO":
        return None
    parts = file.state if isinstance(file.state, tuple) else _as_tuple(file.arguments)
    content = parts[0] if parts else None
    return Nested(content.offset, content.length, True) if isinstance(content, Literal) else None


def _is_keras_model(owner: tuple[Any, ...]) -> bool:
    if len(owner) != 2 or owner[1] != b"_unpickle_model" or not isinstance(owner[0], Global):
        return False
    return owner[0].module.partition(".")[0] in ("keras", "tf_keras", "keras_hub", "keras_nlp", "keras_cv")


def _class_method(machine: Machine, owner: tuple[Any, ...], at: int) -> Global | None:
    """Return the class method that getattr took, if it is named as one that rebuilds an object of a known library."""
    target, name = (*owner, None, None)[:2]
    if not (
        isinstance(target, Global)
        and isinstance(name, bytes)
        and target.module.partition(".")[0] in machine.policy.roots
    ):
        return None
    text = name.decode("utf-8", "replace")
    if target.verdict != "allow" and target.kept != "free" or not machine.policy.rebuilds.match(text):
        return None
    method = Global(target.module, f"{target.name}.{text}", at, "review", False)
    method.kept = "free"
    return method


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
        b"BuiltinFunctionType", b"PartialType", b"BuiltinMethodType", b"NoneType", b"EllipsisType", b"NotImplementedType",
        b"MappingProxyType", b"type", b"TypeType", b"ObjectType", b"StaticMethodType", b"ClassMethodType",
        b"object", b"int", b"str", b"list", b"dict", b"tuple", b"set", b"float", b"bool", b"bytes", b"Exception", b"ABCMeta",
        b"slice", b"SimpleNamespace", b"bytearray", b"complex", b"frozenset", b"range", b"property", b"classmethod", b"staticmethod", b"memoryview",
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
        if isinstance(made, Global) and made.name == "_create_cell" and values[1:2] == (b"cell_contents",):
            return
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
    elif special == "folds":
        if not (isinstance(first, Global) and first.module in _OPERATORS and first.name == "or_"):
            yield "block", "stdlib-call", "calls a function on one value after the other"
    elif special == "subscript":
        if not (isinstance(first, Global) and first.verdict in ("allow", "review") and _names_class(first)):
            yield "block", "stdlib-call", "takes an item of a value that is no class"
    elif special == "resolves":
        texts = [value.decode("utf-8", "replace") for value in values[:2] if isinstance(value, bytes)]
        judged = machine.policy.judge(texts[0], texts[1]) if len(texts) == 2 else None
        special = judged.special if judged else ""
        fits = judged is not None and (judged.verdict == "allow" or judged.kept == "free")
        if not fits or special not in ("", "computes"):
            yield "block", "dynamic-name", "asks for a function by name"
    elif special == "data-only":
        if _holds_callable(machine, values):
            yield "block", "dynamic-name", "calls a value that it gets"
    elif special == "maps":
        machine.looked_at += bool(values)
        if machine.looked_at > MAX_MAPPINGS:
            machine.too_large = True
            raise Broken("there are more mappings with arguments than the limit allows")
        machine._filled |= bool(values) and mentions_hook(values, FILLED)
        if values and mentions_hook(values, CALLED):
            yield "block", "state-injection", "names a method that the unpickler calls"
    elif special == "computes":
        if _holds_object(values):
            yield "block", "dynamic-name", "calls methods of a value that the file makes"
    elif special == "named-tuple":
        yield from _named_tuple(machine, values)
    elif special == "of-allowed":
        if not (isinstance(first, Global) and first.verdict == "allow"):
            yield "block", "dynamic-name", "calls a value that is computed"
    elif special == "no-text":
        value = values[1] if len(values) > 1 else None
        module, _, leaf = value.decode("utf-8", "replace").partition(":") if isinstance(value, bytes) else ("", "", "")
        judged = machine.policy.judge(module, leaf) if leaf else None
        known = judged is not None and (judged.verdict == "allow" or judged.kept == "free")
        if not known and not isinstance(value, (Global, Call)):
            yield "block", "dynamic-name", "asks for a function by name"
    elif special == "applies":
        if (
            isinstance(first, Call)
            or isinstance(first, Global)
            and machine.policy.special.get((first.module, first.name), "computes") != "computes"
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
        if text.partition(".")[0] in _SIDE_EFFECTS:
            yield "block", "stdlib-call", "importing it does something at once"
        elif not text or "." in text and machine.policy.judge(*_split(text)).verdict != "allow":
            yield "block", "dynamic-name", "imports a name that is computed or dotted"
        else:
            yield "review", "embedded-code", ""
    elif special == "type-by-name" and not (isinstance(first, bytes) and first in _HARMLESS_TYPES):
        yield "block", "dynamic-name", "asks for a class by name"


_SIDE_EFFECTS = frozenset(
    {"antigravity", "this", "idlelib", "turtledemo", "test", "__phello__", "lib2to3", "ensurepip", "tkinter", "turtle"}
)


def _named_tuple(machine: Machine, values: tuple[Any, ...]) -> Iterator[tuple[str, str, str]]:
    """Judge how dill makes a named tuple: it takes the class of that name from the module, if there is one."""
    texts = [value.decode("utf-8", "replace") if isinstance(value, bytes) else "" for value in (*values, 0, 0, 0)[:3]]
    name, module = texts[0], texts[2]
    judged = machine.policy.judge(module, name)
    if not (name and module) or judged.special or judged.verdict == "block" or machine.policy.leaves.match(name):
        yield "block", "dynamic-name", "asks for a class by name"
    elif judged.verdict == "review" and judged.check != "own-code" and not judged.kept:
        yield "review", judged.check, ""


def _split(text: str) -> tuple[str, str]:
    module, _, name = text.rpartition(".")
    return module, name


def _is_constant(value: Any) -> bool:
    return isinstance(value, Global) and value.module == "builtins" and value.name in ("Ellipsis", "NotImplemented")


_CONSTANTS = (bytes, list, dict, tuple, int, float)


def _is_bound(machine: Machine, values: tuple[Any, ...]) -> bool:
    """Say whether getattr gives a method that may be called: of a constant, or one that the table lists."""
    target, name = (*values, None, None)[:2]
    if not isinstance(name, bytes) or len(values) != 2:
        return False
    owner = target.function if isinstance(target, Call) else target
    if isinstance(owner, Global) and owner.verdict in ("allow", "review"):
        return machine.policy.bound(owner.module, owner.name, name.decode("utf-8", "replace"))
    return isinstance(target, _CONSTANTS) and not _is_dangerous(machine, name)


def _is_dangerous(machine: Machine, name: bytes) -> bool:
    """Say whether an attribute is hidden, or has the name of something that runs, loads or writes."""
    if not _ATTRIBUTE.match(name) or b"__" in name:
        return True
    text = name.decode("ascii")
    return bool(machine.policy.leaves.match(text) or machine.policy.calls.match(text))


_OPERATORS = ("operator", "_operator")


def _names_class(value: Global) -> bool:
    return value.module == "builtins" or value.name.lstrip("_")[:1].isupper()


def _attribute(machine: Machine, values: tuple[Any, ...]) -> Iterator[tuple[str, str, str]]:
    target, name = (*values, None, None)[:2]
    owner = target.function if isinstance(target, Call) else target
    if _is_bound(machine, values) or _is_keras_model(values):
        return
    if isinstance(target, (bytes, list, dict, int, tuple)) and isinstance(name, bytes) and _ATTRIBUTE.match(name):
        return  # a method of a constant; who calls it is told of
    if not (isinstance(name, bytes) and isinstance(owner, Global) and owner.verdict in ("allow", "review")):
        yield "block", "dynamic-name", "the object or the attribute is computed"
    elif not _ATTRIBUTE.match(name) or b"__" in name:
        yield "block", "dynamic-name", "the attribute is hidden"
    elif isinstance(target, Global) and not owner.name[:1].isupper() and owner.name.strip("_")[:1].islower():
        yield "block", "dynamic-name", "takes an attribute of a module or function"
    elif _is_dangerous(machine, name) and not (name.startswith(b"_") and isinstance(target, Call)):
        yield "block", "dynamic-name", "the attribute's name is that of a dangerous function"
    elif owner.kept == "free" or owner.verdict == "allow" and owner.module.partition(".")[0] in machine.policy.roots:
        return
    elif isinstance(target, Global) or owner.verdict == "review":
        yield "review", "attribute-access", ""


def _loaded(machine: Machine, value: Any, at: int) -> Nested | None:
    """Return the bytes that a loader gets, or None when they cannot be known."""
    if isinstance(value, Literal):
        return Nested(value.offset, value.length, True)
    data = _encoded(machine, value) if isinstance(value, Call) else value
    return Nested(at, 1, True, data) if isinstance(data, bytes) and data else None


def _encoded(machine: Machine, call: Call) -> bytes | None:
    """Return the bytes that ``_codecs.encode(text, "latin1")`` gives, as protocol 2 writes bytes."""
    function, values = call.function, call.arguments
    if not (
        isinstance(function, Global) and function.name == "encode" and isinstance(values, tuple) and len(values) == 2
    ):
        return None
    text = values[0]
    if isinstance(text, Literal):
        text = machine.data[text.offset : text.offset + min(text.length, MAX_ENCODED)]
    if not (isinstance(text, bytes) and isinstance(values[1], bytes) and values[1] in _LATIN):
        return None
    try:
        return text.decode("utf-8", "ignore" if len(text) == MAX_ENCODED else "strict").encode("latin-1")
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


NEVER_WRITTEN = -2
"""The size of an array whose type or shape is given in a way that joblib does not write: readers may differ."""

MAX_WRAPPER_KEYS = 12


def array_size(state: Any) -> tuple[int, bool]:
    """Return the bytes of the raw array that a NumpyArrayWrapper with this state stands for (-1: unknown), and
    whether it is a pickle instead because the array holds objects."""
    if not isinstance(state, dict) or len(state) > MAX_WRAPPER_KEYS or b"" in state:
        return NEVER_WRITTEN, False
    size, has_objects = item_size(state.get(b"dtype"))
    shape = state.get(b"shape")
    if not isinstance(shape, tuple) or len(shape) >= 64:
        return NEVER_WRITTEN, False
    for extent in shape:
        if type(extent) is not int or extent < 0:
            return NEVER_WRITTEN, False
        size = size * extent if size >= 0 else size
    return size, has_objects


def is_wrapper_state(state: Any) -> bool:
    """Say whether a state is that of an array wrapper of joblib."""
    return isinstance(state, dict) and b"shape" in state and b"dtype" in state and b"allow_mmap" in state


_DTYPE = lazy.pattern(rb"[<>|=]?([biufcSUVOmMa?])(\d*)(?:\[[\w ]+\])?$")


_SMALL_FLOATS = lazy.pattern(r"(?:u?int[24]|float[468]_\w+)$")


def item_size(dtype: Any) -> tuple[int, bool]:
    """Return the bytes of one item of a ``numpy.dtype(…)`` call (-1: unknown) and whether it holds objects."""
    if not isinstance(dtype, Call) or not isinstance(dtype.arguments, tuple) or not dtype.arguments:
        return NEVER_WRITTEN, False
    kind = dtype.arguments[0]
    if isinstance(kind, Global) and kind.module == "ml_dtypes":
        return (2 if kind.name == "bfloat16" else 1 if _SMALL_FLOATS.match(kind.name) else -1), False
    if isinstance(kind, Global):
        return -1, False
    match = _DTYPE.match(kind) if isinstance(kind, bytes) else None
    if not match or not isinstance(dtype.function, Global) or dtype.function.name != "dtype":
        return NEVER_WRITTEN, False
    state = dtype.state
    if state is not None and not (isinstance(state, tuple) and len(state) in (8, 9) and state[2] is None):
        return NEVER_WRITTEN, False
    letter = match.group(1)
    flags = state[7] if state else int(letter == b"O")
    if not isinstance(flags, int) or letter == b"O" and not flags & 1:
        return NEVER_WRITTEN, False
    if flags & 1:
        return -1, True
    if letter in b"SUVa" and state:  # the state counts, whatever the name says
        return (state[5], False) if type(state[5]) is int and state[5] >= 0 else (NEVER_WRITTEN, False)
    if not match.group(2):
        return NEVER_WRITTEN, False
    size = int(match.group(2)[:9])
    return size * (4 if match.group(1) == b"U" else 1), False
