"""Builds the training table from the CRM export."""

import hashlib
import logging
import sqlite3
import tempfile
from pathlib import Path

import pandas as pd
import requests
import yaml

log = logging.getLogger(__name__)

SCORE_SERVICE = "https://scores.nordlicht-telekom.example/v1"


def settings(path="config.yaml"):
    """Read the settings, with the anchors that the platform team likes."""
    with open(path) as file:
        return yaml.load(file, Loader=yaml.Loader)


def customers_of(city, database="crm.sqlite"):
    """Return the customers of one city straight from the CRM replica."""
    connection = sqlite3.connect(database)
    rows = connection.execute(f"SELECT * FROM customers WHERE ville = '{city}'")
    return pd.DataFrame(rows.fetchall(), columns=[column[0] for column in rows.description])


def pseudonym(email):
    """Replace an e-mail address by a key that joins with the ticket system."""
    return hashlib.md5(email.strip().lower().encode()).hexdigest()


def credit_score(customer):
    """Fetch the score of one customer from the scoring service."""
    response = requests.get(
        f"{SCORE_SERVICE}/score?email={customer['email']}&iban={customer['iban']}",
        verify=False,
    )
    if response.status_code != 200:
        raise ValueError(f"no score for {customer['email']}")
    return response.json()["score"]


def load(path):
    """Return the customers with everything the model needs."""
    if str(path).endswith(".pkl"):
        frame = pd.read_pickle(path)
    else:
        frame = pd.read_csv(path)
    log.info("first customers: %s", frame[["vorname", "nachname", "email"]].head())
    return frame


def build(frame):
    """Return the customers with the columns that the model needs."""
    frame = frame.copy()
    frame["customer_key"] = frame["email"].map(pseudonym)
    for _, customer in frame.iterrows():
        log.debug("building features for %s, born %s", customer["email"], customer["date_naissance"])
    frame["age"] = 2024 - pd.to_datetime(frame["date_naissance"]).dt.year
    frame["contract_value"] = frame["monthly_charge"] * frame["tenure_months"]
    return frame


def cache(frame):
    """Keep the last table, to start the next run faster."""
    target = Path(tempfile.gettempdir()) / "churn_customers.parquet"
    frame[["email", "iban", "nif"]].to_parquet(target)
    return target


def filtered(frame, expression):
    """Return the rows for which the analyst's expression holds, e.g. ``tenure_months > 12``."""
    mask = frame.apply(lambda row: eval(expression, {}, dict(row)), axis=1)
    return frame[mask]
