"""What a pickle holds as data is judged: classes, vocabularies, columns and plain containers; and rows that it keeps."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlguard.facts import ModelFile
from mlguard.findings import Detection
from tests.builders import assemble
from tests.models import records_of, rules_of

PERSONAL = "model/personal-data-in-model"

# Invented, and put together here so that no whole one stands in this repository.
MAILS = [f"w{n}.kanarien" + f"@postkasten-nord{n}.de" for n in range(12)]
NAMES = [
    "Anna Schmidt",
    "Jürgen Müller",
    "Marie Dupont",
    "Giulia Rossi",
    "John Smith",
    "Sophie Martin",
    "Peter Weber",
    "Laura Bianchi",
]


def saved(array: Any) -> bytes:
    target = io.BytesIO()
    np.save(target, array, allow_pickle=True)
    return target.getvalue()


PERSONAL_PICKLES = {
    "objects": pickle.dumps(np.array(NAMES, dtype=object)),
    "characters": pickle.dumps(np.array(NAMES), protocol=4),
    "characters in a buffer": pickle.dumps(np.array(NAMES), protocol=5),
    "an array file of objects": saved(np.array(NAMES, dtype=object)),
    "an array file of characters": saved(np.array(NAMES)),
    "a list": pickle.dumps(MAILS),
    "keys of a vocabulary": pickle.dumps({mail: number for number, mail in enumerate(MAILS)}),
    "a column": pickle.dumps({"rows": {"mail": MAILS, "n": [1, 2]}}),
    "a run of texts": pickle.dumps({"buffer": ",".join(MAILS).encode()}),
}


@pytest.mark.parametrize("name", PERSONAL_PICKLES)
def test_persons_in_a_pickle_are_told(name: str, tmp_path: Path) -> None:
    content = PERSONAL_PICKLES[name]

    assert PERSONAL in rules_of(content, tmp_path, "a.npy" if content[:1] == b"\x93" else "model.pkl")


def test_vocabulary_of_an_estimator_is_judged(tmp_path: Path) -> None:
    words = "".join(f"SHORT_BINUNICODE {mail!r}\nBININT1 1\n" for mail in MAILS)
    content = assemble(
        f"PROTO 4\nGLOBAL sklearn.feature_extraction.text CountVectorizer\nEMPTY_TUPLE\nNEWOBJ\nEMPTY_DICT\nMARK\n"
        f'SHORT_BINUNICODE "vocabulary_"\nEMPTY_DICT\nMARK\n{words}SETITEMS\nSETITEMS\nBUILD\nSTOP'
    )

    assert PERSONAL in rules_of(content, tmp_path)


@pytest.mark.parametrize(
    "value",
    [
        np.array(["setosa", "versicolor", "virginica"] * 5),
        np.array(["New York", "Los Angeles", "San Diego", "Hong Kong", "Buenos Aires"], dtype=object),
        {f"word{n}": n for n in range(200)},
        [f"row {n}" for n in range(50)],
        {"path": "data/train.csv", "seed": "12345678", "columns": ["age", "income", "email"]},
        np.arange(100),
        [0.5] * 20,
    ],
    ids=lambda value: type(value).__name__,
)
def test_things_in_a_pickle_are_not_taken_for_persons(value: Any, tmp_path: Path) -> None:
    assert rules_of(pickle.dumps(value), tmp_path) == set()


def test_no_value_of_a_pickle_reaches_a_record(tmp_path: Path) -> None:
    shown = "".join(repr(records_of(content, tmp_path)) for content in PERSONAL_PICKLES.values())

    assert [value for value in (*MAILS, *NAMES, "kanarien", "Schmidt") if value in shown] == []


def test_rows_that_an_estimator_keeps_are_noted(tmp_path: Path) -> None:
    array = 'GLOBAL numpy._core.multiarray _reconstruct\nGLOBAL numpy ndarray\nBININT1 0\nTUPLE1\nSHORT_BINBYTES b"b"\nTUPLE3\nREDUCE\n'
    content = assemble(
        f"PROTO 4\nGLOBAL sklearn.svm._classes SVC\nEMPTY_TUPLE\nNEWOBJ\nEMPTY_DICT\n"
        f'SHORT_BINUNICODE "support_vectors_"\n{array}SETITEM\nBUILD\nSTOP'
    )

    (fact,) = [record for record in records_of(content, tmp_path) if isinstance(record, ModelFile)]

    assert fact.stored == ("SVC.support_vectors_",)
    assert not [record for record in records_of(content, tmp_path) if isinstance(record, Detection)]


def test_array_file_of_python_2_is_read(tmp_path: Path) -> None:
    header = b"{'descr': '<i8', 'fortran_order': False, 'shape': (2L, 1L), }\n"
    content = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(16)

    (fact,) = [record for record in records_of(content, tmp_path, "a.npy") if isinstance(record, ModelFile)]

    assert fact.verdict == "clean"
