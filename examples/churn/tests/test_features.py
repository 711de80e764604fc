"""Tests of the features, with the customer that the care team always uses."""

import pandas as pd

from churn import features

CUSTOMER = {
    "vorname": "Swantje",
    "nachname": "Sturmhagner",
    "email": "swantje.sturmhagner204@postkasten-nord.de",
    "telefono": "+49 30 23125 204",
    "iban": "DE30999000990002041234",
    "date_naissance": "1971-03-09",
    "tenure_months": 14,
    "monthly_charge": 29.9,
}


def test_contract_value():
    frame = features.build(pd.DataFrame([CUSTOMER]))

    assert frame.loc[0, "contract_value"] == 14 * 29.9
