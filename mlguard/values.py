"""Dataclasses that cost next to nothing until the first object of one is made.

The decorator of the standard library writes and compiles the source of half a dozen functions for each class, half a millisecond in
all, and a run defines a hundred classes of which it makes objects of few. Here ``__init__`` is compiled when it is first called, and
the rest needs no source. What is made is told from the other by nobody who does not look for it: ``dataclasses.fields``, ``replace``
and ``asdict`` take it, and to a type checker it is the other.
"""

from __future__ import annotations

from operator import attrgetter
from reprlib import recursive_repr

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from dataclasses import dataclass as dataclass
    from dataclasses import field as field
    from dataclasses import replace as replace
    from typing import Any

_NOTHING: Any = object()
"""What stands for a default where there is none."""


class Field:
    """A field of a class: its ``name`` and ``hint`` (the annotation), and what the class says of it besides."""

    __slots__ = ("compare", "default", "factory", "hint", "name", "repr")

    def __init__(self, default: object, factory: Callable[[], object] | None, repr: bool, compare: bool) -> None:
        self.name, self.hint = "", object()
        self.default, self.factory, self.repr, self.compare = default, factory, repr, compare

    def fallback(self) -> object:
        """Return the value of the field where none is given, an object that is equal to no other when one must be."""
        return self.default if self.factory is None else self.factory()


def fields(kind: type) -> tuple[Field, ...]:
    """Return the fields of a class that this module's decorator has made, () for every other one."""
    found: tuple[Field, ...] = getattr(kind, "__record_fields__", ())
    return found


if not TYPE_CHECKING:

    def field(*, default=_NOTHING, default_factory=None, repr=True, compare=True):
        """Say what is special about a field, as ``dataclasses.field`` does."""
        return Field(default, default_factory, repr, compare)

    def replace(record, /, **changes):
        """Return a copy of a record with other values of the named fields."""
        kind = record.__class__
        for name in kind.__match_args__:
            if name not in changes:
                changes[name] = getattr(record, name)
        return kind(**changes)

    def dataclass(cls=None, /, *, frozen=False, slots=False, eq=True, repr=True, unsafe_hash=False):
        """Make a dataclass of a class, as ``dataclasses.dataclass`` does with these parameters."""
        if cls is None:
            return lambda kind: _made(kind, frozen, slots, eq, repr, unsafe_hash)
        return _made(cls, frozen, slots, eq, repr, unsafe_hash)


def _made(cls: Any, frozen: bool, slots: bool, eq: bool, repr: bool, hashed: bool) -> Any:
    body = cls.__dict__
    if any(
        "__dataclass_fields__" in base.__dict__ and "__own_fields__" not in base.__dict__ for base in cls.__mro__[1:]
    ):
        raise TypeError(f"{cls.__qualname__} has a parent that the standard library's decorator has made")
    own = [_field(cls, name, hint) for name, hint in body.get("__annotations__", {}).items() if not _of_class(hint)]
    inherited = {
        known.name: known for base in cls.__mro__[-1:0:-1] for known in base.__dict__.get("__own_fields__", ())
    }
    every = tuple({**inherited, **{known.name: known for known in own}}.values())
    added: dict[str, Any] = {
        "__own_fields__": tuple(own),
        "__record_fields__": every,
        "__match_args__": tuple(known.name for known in every),
        "__dataclass_fields__": _Standard("__dataclass_fields__", frozen, eq, repr),
        "__dataclass_params__": _Standard("__dataclass_params__", frozen, eq, repr),
    }
    if repr and "__repr__" not in body:
        added["__repr__"] = _repr([known.name for known in every if known.repr])
    if eq and "__eq__" not in body:
        added |= _equality([known.name for known in every if known.compare], hashed or frozen, "__hash__" in body)
    if frozen:
        added["__setattr__"], added["__delattr__"] = _set_frozen, _delete_frozen
    if not slots:
        for name, value in added.items():
            setattr(cls, name, value)
        for known in own:
            if known.default is not _NOTHING:
                setattr(cls, known.name, known.default)
            elif known.name in body:
                delattr(cls, known.name)
        return _with_init(cls, every, frozen, slots)
    if frozen:
        added["__getstate__"], added["__setstate__"] = _state, _restore
    left_out = {"__dict__", "__weakref__", *(known.name for known in own)}
    kept = {name: value for name, value in body.items() if name not in left_out}
    above = {name for base in cls.__mro__[1:] for name in base.__dict__.get("__slots__", ())}
    names = tuple(known.name for known in own if known.name not in above)
    made = type(cls)(cls.__name__, cls.__bases__, {**kept, **added, "__slots__": names})
    made.__qualname__ = cls.__qualname__
    return _with_init(made, every, frozen, slots)


def _of_class(hint: object) -> bool:
    """Say whether an annotation is of a variable of the class, not of a field."""
    return (hint if isinstance(hint, str) else str(hint)).removeprefix("typing.").startswith("ClassVar")


def _field(cls: type, name: str, hint: object) -> Field:
    given = cls.__dict__.get(name, _NOTHING)
    made = given if isinstance(given, Field) else Field(given, None, True, True)
    if made.default.__class__.__hash__ is None or made.default.__class__.__module__ == "dataclasses":
        raise TypeError(f"{cls.__qualname__}.{name} needs a default_factory, with the field of this module")
    made.name, made.hint = name, hint
    return made


def _with_init(owner: Any, every: tuple[Field, ...], frozen: bool, slots: bool) -> Any:
    """Give a class a function that puts a compiled ``__init__`` in its own place when it is first called."""

    def __init__(self: Any, *arguments: Any, **named: Any) -> None:
        made = _init(owner, every, frozen, slots)
        made.__qualname__ = __init__.__qualname__
        owner.__init__ = made
        made(self, *arguments, **named)

    if "__init__" not in owner.__dict__:
        __init__.__qualname__ = f"{owner.__qualname__}.__init__"
        owner.__init__ = __init__
    return owner


def _init(owner: Any, every: tuple[Field, ...], frozen: bool, slots: bool) -> Any:
    names: dict[str, Any] = {"_nothing": _NOTHING, "_set": object.__setattr__}
    parameters, lines = ["self"], []
    for number, known in enumerate(every):
        value = name = known.name
        if known.factory is not None:
            names[f"_made{number}"] = known.factory
            parameters.append(f"{name}=_nothing")
            value = f"_made{number}() if {name} is _nothing else {name}"
        elif known.default is not _NOTHING:
            names[f"_default{number}"] = known.default
            parameters.append(f"{name}=_default{number}")
        else:
            parameters.append(name)
        if not frozen:
            lines.append(f"self.{name} = {value}")
        elif slots:
            names[f"_set{number}"] = getattr(owner, name).__set__
            lines.append(f"_set{number}(self, {value})")
        else:
            lines.append(f"_set(self, {name!r}, {value})")
    if hasattr(owner, "__post_init__"):
        lines.append("self.__post_init__()")
    source = f"def __init__({', '.join(parameters)}):\n " + "\n ".join(lines or ["pass"])
    # mlguard: ignore[code/command-or-code-injection] the text holds names of fields of our own classes only until=2099-12-31
    exec(compile(source, f"<{owner.__qualname__}>", "exec"), names)  # noqa: S102
    return names["__init__"]


def _values(names: list[str]) -> Callable[[Any], tuple[Any, ...]]:
    """Return what gets the values of these attributes as a tuple."""
    if len(names) > 1:
        return attrgetter(*names)
    return lambda record: tuple(getattr(record, name) for name in names)


def _equality(names: list[str], hashable: bool, hashed: bool) -> dict[str, Any]:
    values = _values(names)

    def __eq__(self: Any, other: Any) -> Any:
        return values(self) == values(other) if other.__class__ is self.__class__ else NotImplemented

    def __hash__(self: Any) -> int:
        return hash(values(self))

    return {"__eq__": __eq__} if hashed else {"__eq__": __eq__, "__hash__": __hash__ if hashable else None}


def _repr(names: list[str]) -> Callable[[Any], str]:
    @recursive_repr()
    def __repr__(self: Any) -> str:
        told = ", ".join(f"{name}={getattr(self, name)!r}" for name in names)
        return f"{self.__class__.__qualname__}({told})"

    return __repr__


def _set_frozen(self: Any, name: str, value: object) -> None:
    from dataclasses import FrozenInstanceError

    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _delete_frozen(self: Any, name: str) -> None:
    from dataclasses import FrozenInstanceError

    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _state(self: Any) -> list[Any]:
    return [getattr(self, known.name) for known in self.__record_fields__]


def _restore(self: Any, state: list[Any]) -> None:
    for known, value in zip(self.__record_fields__, state, strict=True):
        object.__setattr__(self, known.name, value)


class _Standard:
    """An attribute of a class as the standard library's decorator makes it, made when somebody asks for it."""

    def __init__(self, name: str, frozen: bool, eq: bool, repr: bool) -> None:
        self.name, self.frozen, self.eq, self.repr = name, frozen, eq, repr

    def __get__(self, record: object, kind: Any = None) -> Any:
        import dataclasses

        asked = []
        for known in fields(kind):
            given: Any = {"repr": known.repr, "compare": known.compare}
            if known.factory is not None:
                given["default_factory"] = known.factory
            elif known.default is not _NOTHING:
                given["default"] = known.default
            asked.append((known.name, known.hint, dataclasses.field(**given)))
        twin = dataclasses.make_dataclass(kind.__name__, asked, frozen=self.frozen, eq=self.eq, repr=self.repr)
        found = getattr(twin, self.name)
        setattr(kind, self.name, found)
        return found
