"""Tests of the features, with customers that the care team knows."""

from pathlib import Path

import pandas as pd

from churn import features

CUSTOMERS = Path(__file__).parent / "fixtures" / "customers.csv"


def test_contract_value():
    frame = features.build(pd.read_csv(CUSTOMERS))

    assert (frame["contract_value"] == frame["tenure_months"] * frame["monthly_charge"]).all()
