"""The pickle machine does what the unpickler does, for honest and for strange streams, and keeps little of them."""

from __future__ import annotations

import collections
import contextlib
import datetime
import decimal
import fractions
import functools
import io
import math
import pathlib
import pickle
import pickletools
import struct
import time
import tracemalloc
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlguard.scanners.model import machine as machines
from mlguard.scanners.model import policy
from mlguard.scanners.model.machine import Machine
from mlguard.scanners.model.values import DANGEROUS, LOST, MALFORMED, UNKNOWN, Hit, Literal, clean_name, names_trick
from tests import corpus
from tests.builders import assemble, called, group, joblib_stream, lines, named, raw, stream, word

RUN = called("os.system", word("true"))


def walked(content: bytes, **options: Any) -> tuple[Machine, list[Hit]]:
    machine = Machine(content, 0, len(content), policy.shipped(), **options)
    return machine, [event for event in machine.run() if isinstance(event, Hit)]


def rules_of(content: bytes) -> set[str]:
    return {hit.rule for hit in walked(content)[1]}


# -- against the opcodes' own description

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False), st.text(max_size=300), st.binary(max_size=300),
    st.sampled_from([len, math.sin, dict, int, collections.OrderedDict, ValueError]), st.datetimes(), st.dates(), st.timedeltas(),
    st.decimals(allow_nan=False), st.fractions(), st.uuids(), st.complex_numbers(allow_nan=False),
    st.builds(pathlib.PurePosixPath, st.sampled_from(["a", "a/b"])), st.builds(range, st.integers(0, 9)), st.builds(bytearray, st.binary(max_size=40)),
)  # fmt: skip
KEYS = st.one_of(
    st.text(max_size=20), st.integers(-1000, 100_000), st.none(), st.tuples(st.integers(), st.text(max_size=4))
)


def _larger(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.lists(inner, max_size=12), st.lists(inner, max_size=5).map(tuple), st.dictionaries(KEYS, inner, max_size=8),
        st.dictionaries(KEYS, inner, max_size=4).map(collections.OrderedDict), inner.map(lambda value: [value, value]),
        st.sets(KEYS, max_size=6), st.frozensets(KEYS, max_size=6), st.lists(inner, max_size=4).map(collections.deque),
        inner.map(lambda value: collections.UserList([value])), inner.map(lambda value: functools.partial(max, value)),
    )  # fmt: skip


VALUES = st.recursive(SCALARS, _larger, max_leaves=40)


def described_globals(content: bytes) -> set[str]:
    """Return the names that a stream of a real pickler imports: the operands of STACK_GLOBAL stand right before it."""
    memo: dict[Any, Any] = {}
    pushed: list[Any] = []
    found: set[str] = set()
    for opcode, argument, _ in pickletools.genops(content):
        if opcode.name in ("GLOBAL", "INST"):
            found.add(str(argument).replace(" ", "."))
            pushed.append(None)
        elif opcode.name == "STACK_GLOBAL":
            found.add(f"{pushed[-2]}.{pushed[-1]}")
            pushed.append(None)
        elif opcode.name in ("BINGET", "LONG_BINGET", "GET"):
            pushed.append(memo[argument])
        elif opcode.name in ("BINPUT", "LONG_BINPUT", "PUT"):
            memo[argument] = pushed[-1]
        elif opcode.name == "MEMOIZE":
            memo[len(memo)] = pushed[-1]
        elif opcode.name not in ("PROTO", "FRAME"):
            pushed.append(argument if "UNICODE" in opcode.name else None)
    return found


@given(VALUES, st.integers(0, 5), st.binary(max_size=9))
@settings(max_examples=300, deadline=None)
def test_an_honest_pickle_is_consumed_exactly_and_its_names_are_found(value: Any, protocol: int, behind: bytes) -> None:
    content = pickle.dumps(value, protocol)

    machine, hits = walked(content + behind)

    assert (machine.trouble, machine.end) == ("", len(content))
    assert set(machine.imports) == described_globals(content)
    assert [hit for hit in hits if hit.rule == DANGEROUS] == []


@given(VALUES, st.integers(0, 5))
@settings(max_examples=100, deadline=None)
def test_the_memo_gives_the_same_when_little_of_it_is_kept(value: Any, protocol: int) -> None:
    content = pickle.dumps([value, {"again": value}], protocol)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(machines, "NEAR_ENTRIES", 2)
        patch.setattr(machines, "STEP_BYTES", 4)
        patch.setattr(machines, "MAX_STEPS", 2**20)

        machine, hits = walked(content)

    assert (machine.trouble, machine.end) == ("", len(content))
    assert set(machine.imports) == described_globals(content)
    assert [hit for hit in hits if hit.rule == DANGEROUS] == []


# -- the memo

OPERATIONS = st.lists(st.tuples(st.sampled_from("mmmmbrpg"), st.integers(0, 40)), min_size=1, max_size=60)


@given(OPERATIONS, st.integers(0, 6), st.booleans())
@settings(max_examples=500, deadline=None)
def test_the_memo_is_that_of_the_unpickler(operations: list[tuple[str, int]], near: int, long: bool) -> None:
    model: dict[int, bytes] = {}
    parts: list[bytes] = []
    for number, (kind, index) in enumerate(operations):
        text = f"value{number}" + "x" * (5000 if long and number % 3 == 0 else 0)
        parts.append(word(text))
        if kind == "m":
            index = len(model)
        parts.append(
            {"m": b"\x94", "b": b"q" + bytes([index]), "r": b"r" + struct.pack("<I", index)}.get(
                kind, f"p{index}\n".encode()
            )
        )
        parts.append(b"0")
        model[index] = text.encode()
    for index in model:
        parts.append((b"h" + bytes([index]), b"j" + struct.pack("<I", index), f"g{index}\n".encode())[index % 3])
    content = stream(b"".join(parts), b"(", *(b"h" + bytes([index]) for index in model), b"l")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(machines, "NEAR_ENTRIES", near)
        patch.setattr(machines, "STEP_BYTES", 4)
        patch.setattr(machines, "MAX_STEPS", 2**20)

        machine, _ = walked(content)

    found = [content[v.offset : v.offset + v.length] if isinstance(v, Literal) else v for v in machine.result]
    assert machine.trouble == ""
    assert found == list(model.values())


def test_bytes_that_were_put_late_are_found_again() -> None:
    many = b"".join(word(f"k{number}") + b"\x940" for number in range(40_000))
    for opcode in (
        b"C\x03abc",
        raw(b"abc"),
        b"\x8e" + struct.pack("<Q", 3) + b"abc",
        b"\x96" + struct.pack("<Q", 3) + b"abc",
    ):
        content = stream(many, opcode, b"\x940", b"j" + struct.pack("<I", 40_000))

        result = walked(content)[0].result

        assert isinstance(result, Literal)
        assert content[result.offset : result.offset + result.length] == b"abc"


def test_a_container_that_was_put_late_is_forgotten_and_nothing_is_called_with_it() -> None:
    many = b"".join(word(f"k{number}") + b"\x940" for number in range(40_000))
    content = stream(many, group(word("x")), b"\x940", b"j" + struct.pack("<I", 40_000))

    assert walked(content)[0].result is LOST
    assert DANGEROUS in rules_of(
        stream(many, group(word("x")), b"\x940", named("example.start"), b"j" + struct.pack("<I", 40_000), b"R")
    )


# -- families of traps


@pytest.mark.parametrize("opcode", [b"\x82\x01", b"\x83\x01\x02", b"\x84\x01\x02\x03\x00"])
def test_a_code_of_the_extension_registry_is_blocked(opcode: bytes) -> None:
    assert DANGEROUS in rules_of(stream(opcode))


@pytest.mark.parametrize(
    ("module", "name", "odd"),
    [
        ("os", "system", False), ("torch.nn.modules.linear", "Linear", False), ("transformers_modules.a-b.x", "Net", False), ("__main__", "Schätzer", False),
        ("мод", "Имя", False), ("оs", "system", True), ("os", "sуstem", True), ("ｏｓ", "system", True), ("os ", "system", True), ("os\r", "system\r", True),
        ("", "system", True), ("os", "", True), ("os", "system()", True), ("a..b", "c", True), (".os", "system", True), ("os\0", "x", True), ("𝐨𝐬", "x", True),
    ],
)  # fmt: skip
def test_a_name_that_no_pickler_writes_is_a_trick(module: str, name: str, odd: bool) -> None:
    assert bool(names_trick(module, name)) is odd


@pytest.mark.parametrize(
    ("inside", "behind"),
    [
        (b"ctorch.nn.x", b"imaplib\nIMAP4_stream\n."),
        (b"X\x02\0\0\0", b"os."),
        (b"N0\x95" + struct.pack("<Q", 2), b"N."),
        (b"N.", b""),
        (b"N.N", b""),
    ],
)
def test_an_opcode_that_crosses_the_end_of_its_frame_is_told(inside: bytes, behind: bytes) -> None:
    _, hits = walked(b"\x80\x04\x95" + struct.pack("<Q", len(inside)) + inside + behind)

    assert [hit.check for hit in hits if hit.rule == MALFORMED] == ([] if inside == b"N." else ["frame-boundary"])


def test_frames_of_picklers_are_no_trick() -> None:
    for value in (list(range(100_000)), ["x" * 70_000, b"y" * 70_000, "z"], {"a": bytes(200_000)}):
        for protocol in (4, 5):
            slow = io.BytesIO()
            pickle._Pickler(slow, protocol).dump(value)
            fast = pickle.dumps(value, protocol)
            for written in (fast, pickletools.optimize(fast), slow.getvalue()):
                assert walked(written)[1] == []


def test_every_opcode_is_known() -> None:
    for opcode in pickletools.opcodes:
        assert walked(b"\x80\x05N" + opcode.code.encode("latin-1"))[0].trouble != "an opcode is unknown", opcode.name


@pytest.mark.parametrize(
    "break_off",
    [b"\xff", b"t", b"h\x63", b"K\x01K\x02\x93", b"", b"0000", b"X\xff\xff\xff\x7f", b"cos", b"Ix\n", b"V\\u12\n"],
)
def test_what_stood_before_a_break_is_told(break_off: bytes) -> None:
    machine, hits = walked(b"\x80\x04" + RUN + break_off)

    assert machine.trouble
    assert DANGEROUS in {hit.rule for hit in hits}


@pytest.mark.parametrize(
    "target",
    [
        named("argparse.Namespace"),
        called("builtins.max", group(named("argparse.Namespace"))),
        called("builtins.type", b"N"),
        called("logging.getLogger"),
    ],
)
@pytest.mark.parametrize(
    "change", [b"}b", b"N}\x86b", word("k") + b"Ns", b"(" + word("k") + b"Nu", b"Na", b"(Ne", b"(N\x90"]
)
def test_what_the_pickle_did_not_make_is_not_changed(target: bytes, change: bytes) -> None:
    assert DANGEROUS in rules_of(stream(target, change))


def test_an_iterator_keeps_its_place() -> None:
    for value in (iter([1, 2]), iter((1, 2)), iter("ab")):
        next(value)
        assert walked(pickle.dumps(value))[1] == []


@pytest.mark.parametrize(
    "argument",
    ["https://example.com/x", "../x", "/etc/passwd", "some/model", "model.pkl", "curl http://192.0.2.1 | sh"],
)
def test_a_class_of_a_library_that_is_called_with_a_place_is_blocked(argument: str) -> None:
    dotted = "sklearn.linear_model._logistic.LogisticRegression"

    assert DANGEROUS in rules_of(stream(called(dotted, word(argument))))
    assert rules_of(stream(called(dotted, word("lbfgs"), b"K\x01"))) == set()
    assert rules_of(stream(named(dotted), b")\x81}", word("path"), word(argument), b"sb")) == set()


def test_a_partial_is_judged_by_what_it_applies() -> None:
    harmless = called(called("functools.partial", named("numpy.log1p")), b"K\x01")

    assert rules_of(stream(harmless)) == set()
    assert DANGEROUS in rules_of(stream(called(called("functools.partial", named("example.tools.load")), b"K\x01")))
    assert DANGEROUS in rules_of(stream(called(called("functools.partial", called("collections.Counter")), b"K\x01")))


def test_methods_of_constants_are_quiet_and_of_modules_are_not() -> None:
    for value in ("abc".upper, [3].index, {"a": 1}.get):
        assert walked(pickle.dumps(value))[1] == []
    for target in (named("numpy.log1p"), called("builtins.__import__", word("os"))):
        assert DANGEROUS in rules_of(stream(called("builtins.getattr", target, word("system"))))


def test_a_method_by_name_is_no_hook_of_the_unpickler() -> None:
    method = called("builtins.getattr", called("pandas.core.frame.DataFrame"), word("info"))

    assert DANGEROUS in rules_of(
        stream(called("types.SimpleNamespace"), b"}", word("append"), method, b"sb", word("x"), b"a")
    )


def test_pickles_in_bytes_that_a_loader_gets_are_looked_into() -> None:
    payload = stream(RUN)
    for opcode in (
        raw(payload),
        b"\x96" + struct.pack("<Q", len(payload)) + payload,
        b"U" + bytes([len(payload)]) + payload,
    ):
        assert corpus.gate(stream(called("torch.storage._load_from_bytes", opcode)), "a.pkl")[0] == "fails"


# -- bounds


def test_more_names_than_any_model_has_are_malformed() -> None:
    content = stream(b"".join(f"cexample.m{number}\nf\n0".encode() for number in range(machines.MAX_GLOBALS + 10)), RUN)

    machine, hits = walked(content)

    assert machine.too_large
    assert MALFORMED in {hit.rule for hit in hits}


def test_the_same_is_told_once() -> None:
    assert len(walked(stream(b"Px\n0" * 1000, b"\x82\x010" * 1000, RUN * 1000))[1]) == 3


SHAPES: dict[str, Callable[[], bytes]] = {
    "floats": lambda: pickle.dumps([number / 7 for number in range(25_000)]),
    "texts": lambda: pickle.dumps({f"k{number}": number for number in range(30_000)}),
    "old texts": lambda: pickle.dumps({f"k{number}": number for number in range(30_000)}, 2),
    "tuples": lambda: pickle.dumps([(number, 1.0, number) for number in range(25_000)]),
    "lists": lambda: pickle.dumps([[number] for number in range(25_000)]),
    "fractions": lambda: pickle.dumps([fractions.Fraction(number, 7) for number in range(20_000)]),
    "times": lambda: pickle.dumps(
        [datetime.datetime(2024, 1, 1) + datetime.timedelta(number) for number in range(20_000)]
    ),
    "decimals": lambda: pickle.dumps([decimal.Decimal(number) for number in range(20_000)]),
    "identifiers": lambda: pickle.dumps([uuid.UUID(int=number) for number in range(20_000)]),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_little_is_kept_of_a_large_pickle(shape: str) -> None:
    content = SHAPES[shape]()
    tracemalloc.start()
    try:
        machine, _ = walked(content)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert machine.trouble == ""
    assert peak < 14 * 2**20


def test_numbers_in_text_cost_no_more_than_their_digits() -> None:
    digits = b"9" * 10**6

    started = time.process_time()
    _, hits = walked(stream(b"L" + digits + b"L\n", b"I" + digits + b"\n", b"F" + digits + b"\n", RUN))

    assert DANGEROUS in {hit.rule for hit in hits}
    assert time.process_time() - started < 1


def test_bytes_behind_a_pickle_are_searched_in_linear_time() -> None:
    content = stream(b"N") + b"\x80\x04" * 500_000

    started = time.process_time()
    corpus.gate(content, "a.pkl")

    assert time.process_time() - started < 10


TEXTS = [
    word("os"),
    word("system"),
    word("builtins"),
    word("getattr"),
    b"U\x02os",
    b"Vos\n",
    b"S'os'\n",
    raw(b"x"),
    b"C\x02ab",
]
PIECES = [
    *(bytes([code]) for code in b"(.012NRabdelostu]})\x81\x85\x86\x87\x88\x89\x8f\x90\x91\x92\x93\x94\x97\x98Q"),
    *TEXTS, b"K\x01", b"q\x00", b"q\x05", b"h\x00", b"h\x05", b"p3\n", b"g3\n", b"r\x01\x00\x01\x00", b"j\x01\x00\x01\x00", b"\x82\x01", b"Px\n",
    lines("os.system"), lines("builtins.getattr"), lines("functools.partial"), lines("operator.attrgetter"), lines("collections.OrderedDict"),
    lines("numpy.dtype"), lines("joblib.numpy_pickle.NumpyArrayWrapper"), lines("torch.storage._load_from_bytes"), lines("_codecs.encode"),
    lines("torch._tensor._rebuild_from_type_v2"), lines("dill._dill._create_function"), lines("cloudpickle.cloudpickle._make_function"),
    lines("example.tools.load"), lines("copyreg._reconstructor"), lines("builtins.type"), lines("dill._dill"), lines("builtins.setattr"),
]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=50), st.booleans(), st.booleans(), st.integers(0, 3))
@settings(max_examples=600, deadline=None)
def test_any_opcodes_end_and_a_blocked_name_stays_told(
    parts: list[bytes], torch: bool, strict: bool, near: int
) -> None:
    content = b"\x80\x04" + b"".join(parts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(machines, "NEAR_ENTRIES", near)
        patch.setattr(machines, "STEP_BYTES", 8)

        seen = [len(walked(content[:size], torch=torch, strict=strict)[1]) for size in range(2, len(content) + 1, 7)]

    assert seen == sorted(seen)


class Anything:
    """What every name stands for while a stream is followed by a real unpickler: takes all calls, does nothing."""

    def __new__(cls, *_: object, **__: object) -> Anything:
        return object.__new__(cls)

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def __call__(self, *_: object, **__: object) -> Anything:
        return self

    append = extend = add = __setitem__ = __call__


def asked(kind: Any, content: bytes) -> list[tuple[str, str]]:
    """Return the names that an unpickler asks for; it gets none of them."""
    names: list[tuple[str, str]] = []

    class Asking(kind):  # type: ignore[misc]  # the class is an argument
        def find_class(self, module: str, name: str) -> Any:
            names.append((module, name))
            return Anything

        def persistent_load(self, _: object) -> Any:
            return Anything()

    with contextlib.suppress(Exception):
        Asking(io.BytesIO(content), buffers=[b"x"]).load()
    return names


NUMBERS = st.sampled_from(
    [
        b"I010\n",
        b"I0x1\n",
        b"I1_0\n",
        b"L0x10\n",
        b"L5L\n",
        b"L-5\n",
        b"I 5\n",
        b"I5L\n",
        b"F1\n",
        b"Fx\n",
        b"I\n",
        b"L\n",
    ]
)
FRAMES = st.integers(0, 40).map(lambda size: b"\x95" + struct.pack("<Q", size))
LINES = st.tuples(
    st.sampled_from(b"ci"),
    st.sampled_from(["os", "a", "x.y", "torch", "é"]),
    st.sampled_from(["system", "Popen", "a.b", ""]),
).map(lambda parts: bytes([parts[0]]) + f"{parts[1]}\n{parts[2]}\n".encode())


@given(
    st.lists(st.one_of(st.sampled_from(PIECES), st.sampled_from(TEXTS), NUMBERS, FRAMES, LINES), max_size=30), st.integers(0, 5), st.sampled_from([0, 2, 2**14])
)  # fmt: skip
@settings(max_examples=1500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_name_that_an_unpickler_asks_for_is_missed(parts: list[bytes], protocol: int, near: int) -> None:
    content = stream(*parts, protocol=protocol)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(machines, "NEAR_ENTRIES", near)
        patch.setattr(machines, "STEP_BYTES", 8)
        machine, hits = walked(content)

    for kind in (pickle._Unpickler, pickle.Unpickler):
        missed = [names for names in asked(kind, content) if clean_name(*names) not in machine.imports]
        assert not missed or any(hit.check.startswith("frame") for hit in hits)


@given(st.binary(max_size=300))
@settings(max_examples=300, deadline=None)
def test_any_bytes_end(content: bytes) -> None:
    machine, hits = walked(content)

    assert machine.end <= len(content)
    assert {hit.rule for hit in hits} <= {DANGEROUS, MALFORMED, UNKNOWN}


def test_a_listing_and_its_parts_are_the_same() -> None:
    listing = 'PROTO 4\nSHORT_BINUNICODE "os"\nSHORT_BINUNICODE "system"\nSTACK_GLOBAL\nMARK\nSHORT_BINUNICODE "true"\nTUPLE\nREDUCE\nSTOP'

    assert assemble(listing) == stream(RUN)


def test_bytes_of_arrays_that_look_like_opcodes_take_linear_time() -> None:
    wrapper = joblib_stream(b"", (1000,), "b1", "POP")[3:]
    content = stream(b"N" * 200_000, (wrapper + (b"N0" * 499 + b"N\x93")) * 2000)

    started = time.process_time()
    walked(content)

    assert time.process_time() - started < 10
