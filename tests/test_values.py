"""The quick decorator of dataclasses makes what that of the standard library makes."""

from __future__ import annotations

import copy
import dataclasses
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlguard import facts, findings, values

PARAMETERS = [
    {"frozen": frozen, "slots": slots, "eq": eq}
    for frozen in (True, False)
    for slots in (True, False)
    for eq in (True, False)
]


def shape(module: Any, parameters: dict[str, bool]) -> Any:
    """Return a class that has one of everything, made by the decorator of ``module``."""

    class Shape:
        """Something with corners."""

        name: str
        corners: int = 4
        notes: list[str] = module.field(default_factory=list)
        hidden: str = module.field(default="", repr=False)
        apart: int = module.field(default=0, compare=False)
        known: ClassVar[int] = 7

        @property
        def doubled(self) -> int:
            return self.corners * 2

    return module.dataclass(**parameters)(Shape)


def outcome(what: Callable[[], Any]) -> object:
    """Return what something gives, or the exception that it ends in."""
    try:
        return what()
    except Exception as error:  # noqa: BLE001  # the same of both sides is asked for
        return type(error), str(error)


@pytest.mark.parametrize("parameters", PARAMETERS)
@given(
    st.lists(st.text(max_size=2) | st.integers(0, 2), max_size=6),
    st.dictionaries(st.sampled_from(["name", "corners", "notes", "hidden", "apart", "other"]), st.integers(0, 2)),
)
def test_same_arguments_make_the_same_object_or_the_same_error(
    parameters: dict[str, bool], positional: list[Any], named: dict[str, Any]
) -> None:
    ours, theirs = (
        outcome(partial(shape(module, parameters), *positional, **named)) for module in (values, dataclasses)
    )

    if isinstance(theirs, tuple):
        assert ours == theirs
    else:
        assert repr(ours) == repr(theirs)
        names = ("name", "corners", "notes", "hidden", "apart")
        assert [getattr(ours, name) for name in names] == [getattr(theirs, name) for name in names]


@pytest.mark.parametrize("parameters", PARAMETERS)
def test_objects_behave_the_same(parameters: dict[str, bool]) -> None:
    def told(module: Any) -> list[object]:
        kind = shape(module, parameters)
        one, same, other = kind("a", 3, []), kind("a", 3, [], "", 9), kind("a", 3, [], "x")
        return [
            one == same, one != other, one == "a", one.__eq__("a"), one == one, one.doubled, kind.known,
            kind("a").notes is kind("b").notes, outcome(lambda: setattr(one, "corners", 5)), one.corners,
            isinstance(outcome(lambda: setattr(one, "unknown", 5)), tuple), outcome(lambda: delattr(one, "corners")),
            outcome(lambda: isinstance(hash(one), int)), kind.__doc__, kind.__match_args__, kind.__qualname__,
            hasattr(one, "__dict__"), hasattr(kind, "name"), getattr(kind, "__slots__", None),
            dataclasses.is_dataclass(kind), [(f.name, f.type, f.default, f.repr, f.compare) for f in dataclasses.fields(kind)],
            repr(dataclasses.replace(kind("b"), corners=8)), outcome(lambda: values.replace(kind("b"), sides=1)),
            dataclasses.asdict(kind("c", 1, ["n"])), kind.__dataclass_params__.frozen,
        ]  # fmt: skip

    ours, theirs = told(values), told(dataclasses)

    assert [str(item).replace(" ", "") for item in ours] == [str(item).replace(" ", "") for item in theirs]


@pytest.mark.parametrize("module", [values, dataclasses])
def test_fields_of_a_parent_come_first_and_may_be_given_another_default(module: Any) -> None:
    @module.dataclass(frozen=True, slots=True)
    class Below:
        one: int
        two: int = 2

    @module.dataclass(frozen=True, slots=True)
    class Above(Below):
        two: int = 3
        three: int = 4

    below: Any = Below
    above: Any = Above
    assert repr(above(1)).endswith("Above(one=1, two=3, three=4)")
    assert above(1) == above(1)
    assert above(1) != below(1)
    assert above.__slots__ == ("three",)
    assert above.__match_args__ == ("one", "two", "three")


@pytest.mark.parametrize("module", [values, dataclasses])
def test_own_methods_stay(module: Any) -> None:
    @module.dataclass(frozen=True, slots=True)
    class Own:
        one: int
        both: list[int] = module.field(default_factory=list)

        def __post_init__(self) -> None:
            self.both.append(self.one)

        def __hash__(self) -> int:
            return 5

        def __repr__(self) -> str:
            return "own"

    own: Any = Own
    assert (hash(own(1)), repr(own(1)), own(1).both, own(1) == own(1)) == (5, "own", [1], True)


@pytest.mark.parametrize("module", [values, dataclasses])
def test_object_that_holds_itself_can_be_shown(module: Any) -> None:
    @module.dataclass(slots=True)
    class Ring:
        inner: object = None

    ring = Ring()
    ring.inner = ring

    assert repr(ring).endswith("Ring(inner=...)")


def test_hash_is_that_of_the_values() -> None:
    place = findings.Location("a.py", 3)

    assert hash(place) == hash(("a.py", 3, 1, 0, 0, None, None, ""))
    assert hash(findings.Location("a.py", 3)) == hash(place)


def test_records_can_be_copied() -> None:
    place = findings.Location("a.py", 3, within="cell 3")

    assert copy.copy(place) == copy.deepcopy(place) == place
    assert (
        values.replace(place, line=4)
        == dataclasses.replace(place, line=4)
        == findings.Location("a.py", 4, within="cell 3")
    )


def test_records_are_matched_by_position() -> None:
    match facts.FileDigest("a", "00", True):
        case facts.FileDigest(path, sha256, pointer):
            assert (path, sha256, pointer) == ("a", "00", True)
        case _:
            pytest.fail("no match")


def test_default_that_objects_would_share_is_refused() -> None:
    with pytest.raises(TypeError, match="default_factory"):

        @values.dataclass
        class Shared:
            items: list[int] = []  # noqa: RUF012


def test_field_of_the_other_module_is_refused() -> None:
    with pytest.raises(TypeError, match="field of this module"):

        @values.dataclass
        class Mixed:
            items: list[int] = dataclasses.field(default_factory=list)


def test_parent_of_the_other_module_is_refused() -> None:
    @dataclasses.dataclass
    class Standard:
        one: int = 1

    with pytest.raises(TypeError, match="parent"):

        @values.dataclass
        class Below(Standard):
            two: int = 2


def test_class_of_the_standard_library_may_have_such_a_parent() -> None:
    @values.dataclass(frozen=True)
    class Above:
        one: int
        two: int = 2

    @dataclasses.dataclass(frozen=True)
    class Standard(Above):
        three: int = 3

    assert repr(Standard(5)).endswith("Standard(one=5, two=2, three=3)")


def test_records_are_defined_without_the_standard_decorator() -> None:
    code = "import sys; import mlguard.findings; print('dataclasses' in sys.modules, 'inspect' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["False", "False"]
