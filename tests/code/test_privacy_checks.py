"""What the checks on personal data, people and governance see, and what they leave alone."""

from __future__ import annotations

import textwrap
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlguard.scanners.code import lexicon, own, source
from mlguard.scanners.code.names import Names
from mlguard.scanners.code.seeing import Sight
from tests.code.privacy_samples import BAD, GOOD
from tests.corpus.code_ordinary import files

RULES = frozenset(
    {*BAD, "code/unredacted-prompt-logging"}
)  # fmt: skip


def sights(code: str, path: str = "app/job.py") -> list[tuple[str, str, int]]:
    """Return (rule, check, line) of what our own checks on people see in some code."""
    parsed = source.python_file(path, textwrap.dedent(code).encode())
    seen = own.sights(parsed, Names(parsed.tree))
    return [(s.rule, s.check, getattr(s.node, "lineno", 1)) for s in seen if isinstance(s, Sight) and s.rule in RULES]


@pytest.mark.parametrize(
    ("rule", "code", "line"), [(rule, code, line) for rule, each in BAD.items() for code, line in each]
)
def test_each_spelling_is_reported_at_its_line(rule: str, code: str, line: int) -> None:
    assert (rule, line) in {(found, at) for found, _, at in sights(code)}


@pytest.mark.parametrize("code", GOOD)
def test_ordinary_code_and_masked_values_are_left_alone(code: str) -> None:
    assert sights(code) == []


def test_nine_thousand_lines_of_ordinary_machine_learning_hold_nothing_about_a_person() -> None:
    corpus = list(files())

    reported = {name: found for name, code in corpus if (found := sights(code, name))}

    assert sum(code.count("\n") for _, code in corpus) > 5000
    assert reported == {}


@pytest.mark.parametrize(
    ("name", "kind"),
    [("kundenEmail", "email"), ("numero_de_telephone", "phone"), ("fechaNacimiento", "birth-date"), ("codice_fiscale", "national-id"), ("geboortedatum", "birth-date"),
     ("orientacao_sexual", "sexual-orientation"), ("numer_dowodu", "national-id"), ("Gewerkschaftszugehörigkeit", "union-membership"), ("phonenumbers", "phone"), ("SSN", "social-security")],
)  # fmt: skip
def test_names_in_eight_languages_are_known(name: str, kind: str) -> None:
    found = lexicon.term(name)

    assert found is not None
    assert found.id == kind


@pytest.mark.parametrize(
    "name",
    ["file_name", "host_name", "email_template", "address_space", "column_name", "name", "username", "user_name", "email_regex", "phone_count", "is_email", "race", "gender", "fname", "nir", "device_id", "user_method_name", "memory_address"],
)  # fmt: skip
def test_names_of_other_things_are_not_personal(name: str) -> None:
    assert lexicon.term(name) is None


def test_a_weak_word_counts_beside_a_word_for_a_person() -> None:
    assert lexicon.term("name") is None
    assert lexicon.term("name", "patient") is not None
    assert lexicon.term("patient_name") is not None
    assert lexicon.term("name", "current_customer") is not None


def test_columns_are_shared_with_the_table_of_the_dataset_scanner() -> None:
    assert [name for name, _ in lexicon.columns(["nome do cliente", "quantity"])] == ["nome do cliente"]


def test_the_order_of_statements_counts_for_a_frame() -> None:
    before = "X = df[['email', 'a']]\nclf.fit(X, y)\nX = X.drop(columns=['email'])\n"
    after = "X = df[['email', 'a']]\nX = X.drop(columns=['email'])\nclf.fit(X, y)\n"

    assert [rule for rule, _, _ in sights(before)] == ["code/identifier-as-feature"]
    assert sights(after) == []


def test_a_constant_log_call_costs_no_look_at_any_name(monkeypatch: pytest.MonkeyPatch) -> None:
    from mlguard.scanners.code import logs

    looked: list[object] = []
    monkeypatch.setattr(logs, "first", lambda *given: looked.append(given))

    sights("import logging\nlog = logging.getLogger()\nlog.info('email of user', exc_info=True)\nemail = 1\n")

    assert looked == []


def test_a_name_that_is_made_from_itself_ends() -> None:
    assert sights("a = b\nb = a\nprint(a)\ndef f(x):\n    return f(x)\nprint(f(f), email)\n") == [
        ("code/personal-data-in-logs", "print", 5 + 1)
    ]


def test_a_long_sum_of_texts_ends() -> None:
    code = "print(" + " + ".join(["'x'"] * 900 + ["user.email"]) + ")\n"

    assert [line for _, _, line in sights(code)] == [1]


@pytest.mark.parametrize("path", ["tests/test_users.py", "app/conftest.py"])
def test_literals_of_people_are_reported_once_a_line_in_test_code(path: str) -> None:
    code = "USER = dict(ssn='412-55-' '9981', email='m.rossi@libero-posta.it')\nOTHER = dict(email='a@example.com', phone='555-0100')\n"

    assert sights(code, path) == [("data/personal-data-in-tests", "literal-in-test", 1)]
    assert sights(code, "app/users.py") == []


@pytest.mark.parametrize(
    "line",
    ["x = df[['email']]\nprint(x)\n", "x.drop(columns=['email'], inplace=True)\nprint(x)\n", "if model.predict(x)[0]:\n    reject(loan)\n", "y = f(y)\nprint(y, user.email)\n",
     "hash_of.update(user.email)\n", "cache.set(user.email, x)\n", "print(a" + ".b()" * 300 + ")\n", "del x['email']\nx.fit(x)\n", "d['email'] = d\nprint(d)\n"],
)  # fmt: skip
def test_a_quarter_of_a_megabyte_of_one_construct_takes_seconds_and_not_minutes(line: str) -> None:
    code = (
        "import hashlib\nx = df[['email', 'a']]\nhash_of = hashlib.sha256()\ndef run(x, y, d, loan):\n"
        + textwrap.indent(line * (120_000 // len(line)), "    ")
    )
    began = time.process_time()

    sights(code)

    assert time.process_time() - began < 20


@given(st.text(max_size=80))
def test_any_text_is_a_name_that_is_looked_up_without_trouble(text: str) -> None:
    lexicon.term(text, text)
    lexicon.strength(text)

    assert all(part.isascii() for part in lexicon.words(text))
