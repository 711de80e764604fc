"""Pickles that the real libraries wrote stay quiet, and names that reach anything are blocked however they are written."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from mlguard.findings import Detection, Gap
from mlguard.scanners.model.policy import shipped
from tests import corpus
from tests.builders import called, group, named, raw, stream, word
from tests.corpus import attacks_gadgets, write_fixtures

HONEST = Path(__file__).resolve().parents[1] / "fixtures/models/pickles"
NAMES = sorted(path.name for path in HONEST.iterdir() if path.name != "SHA256SUMS")

DANGEROUS, UNKNOWN, FORMAT = "model/dangerous-import", "model/unknown-callable", "model/executable-model-format"


def rules_of(content: bytes) -> set[str]:
    return {record.rule for record in corpus.records(content, "model.pkl") if isinstance(record, Detection)} - {FORMAT}


@pytest.mark.parametrize("name", NAMES)
def test_a_file_of_a_real_library_is_quiet(name: str) -> None:
    found = corpus.records(HONEST / name, name)

    told = [
        record for record in found if isinstance(record, Gap) or isinstance(record, Detection) and record.rule != FORMAT
    ]
    assert not told


def test_the_files_of_real_libraries_are_those_that_were_written() -> None:
    digests = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in HONEST.iterdir()
        if path.name != "SHA256SUMS"
    }

    listed = dict(reversed(line.split()) for line in (HONEST / "SHA256SUMS").read_text(encoding="utf-8").splitlines())

    assert digests == listed
    assert set(NAMES) <= {name.replace("/", "-") for names in write_fixtures.chosen().values() for name in names}


def test_every_gadget_is_blocked() -> None:
    missed = [name for name, content in attacks_gadgets.attacks() if DANGEROUS not in rules_of(content)]

    assert not missed


def test_there_are_many_gadgets() -> None:
    assert len(attacks_gadgets.names()) >= 1000


QUIET = {
    "a class of a known library, made without __init__": named("pgmpy.models.Network")
    + b")\x81}"
    + word("a")
    + b"K\x01sb",
    "a function of a known library as a value": b"]" + named("thinc.layers.chain.forward") + b"a",
    "a member of an enumeration": called("darts.utils.Mode", word("additive")),
    "an error of a known library": called("xgboost.core.XGBoostError", word("no file named a/b.json")),
    "an inner class": named("formulaic.parser.types.factor:Factor.Kind"),
    "a rebuilder": called("pint._unpickle", named("pint.Quantity"), b"K\x03"),
    "a method of an object": called("builtins.getattr", named("river.stats.Mean") + b")\x81", word("_update")),
    "a union of types": called("functools.reduce", named("_operator.or_"), b"]"),
    "an alias of typing": called("operator.getitem", named("typing.List"), named("builtins.int")),
    "print as a value": b"}" + word("sink") + named("builtins.print") + b"s",
    "a cache that is not used": named("joblib.memory.Memory") + b")\x81}" + word("location") + b"Nsb",
    "the class of a mapped array": b"}" + word("subclass") + named("numpy.memmap") + b"s",
    "a constant of torch": named("torch._utils:torch.contiguous_format"),
    "a copy of cloudpickle": named("numba.core.registry.CPUDispatcher"),
    "a ufunc by name": called("numpy._core._ufunc_reconstruct", word("numpy"), word("log1p")),
    "old joblib": named("sklearn.externals.joblib.numpy_pickle.NDArrayWrapper")
    + b")\x81}"
    + word("filename")
    + word("m_01.npy")
    + b"sb",
    "old pandas": called("pandas.indexes.base._new_Index", named("pandas.indexes.base.Index"), b"}"),
}


@pytest.mark.parametrize("name", QUIET)
def test_what_honest_files_of_unlisted_names_do_is_quiet(name: str) -> None:
    assert rules_of(stream(QUIET[name])) == set()


TOLD = {
    "an unlisted class that gets a sentence": called("darts.models.Reader", word("what is read, and from where.")),
    "an unlisted function that gets numbers": called("darts.models.fit", b"K\x01"),
    "a module that a library imports": b"]" + named("sklearn.utils.os") + b"a",
    "objects that render their state into source": named("torch_geometric.nn.conv.gcn_conv.GCNConv") + b")\x81",
    "a library that nobody knows": named("example.models.Net") + b")\x81",
}


@pytest.mark.parametrize("name", TOLD)
def test_what_may_do_more_is_left_to_a_person(name: str) -> None:
    assert rules_of(stream(TOLD[name])) == {UNKNOWN}


def test_an_unlisted_function_with_a_text_is_blocked() -> None:
    assert DANGEROUS in rules_of(stream(called("skbase.utils.anything", word("folder"))))


def test_bytes_that_a_rebuilder_gets_are_looked_into() -> None:
    inner = stream(called("os.system", word("true")))

    assert DANGEROUS in rules_of(stream(called("polars.frame._restore", raw(inner))))
    assert DANGEROUS in rules_of(stream(called("polars.frame._restore", group(raw(stream(b"N"))), raw(inner))))


def test_a_name_is_judged_the_same_in_a_copy_of_its_library() -> None:
    policy = shipped()

    assert policy.judge("numba.cloudpickle", "loads").verdict == "block"
    assert policy.judge("numba.cloudpickle.cloudpickle", "_make_function").module == "cloudpickle.cloudpickle"
    assert policy.judge("sklearn.externals.joblib", "load").verdict == "block"
