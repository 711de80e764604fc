"""What follows from facts without a declaration."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlguard import assess, facts
from mlguard.assess import anonymity, components, governance, models, privacy_training, readers
from tests.reports import records


@pytest.mark.parametrize("kind", assess._SAID)
@given(data=st.data())
def test_nothing_follows_from_facts_that_are_left_out_without_a_declaration(kind: Any, data: st.DataObject) -> None:
    found = data.draw(st.lists(records(kind), max_size=3))

    said = [
        *governance.assess(found, None, ()), *models.assess(found, None, ()), *anonymity.assess(found, None),
        *privacy_training.assess(found, None, ()), *readers.assess(found, None), *components.assess(found, None),
    ]  # fmt: skip

    assert said == []


def test_facts_of_data_and_models_are_never_left_out() -> None:
    assert set(assess._SAID) <= set(get_args(facts.Fact)) - {
        facts.Dataset,
        facts.Anonymity,
        facts.ModelFile,
        facts.ModelCard,
        facts.Seal,
    }
