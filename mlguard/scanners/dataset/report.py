"""Turns the fields of a file into detections that hold no value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mlguard.facts import Field
from mlguard.findings import Detection, Location
from mlguard.scanners.dataset.table import PROSE

if TYPE_CHECKING:
    from mlguard.scanners.dataset.columns import Profile  # as heavy as a scanner

WORDS = {
    "user.contact.email": "e-mail addresses", "user.contact.phone_number": "phone numbers", "user.name": "names of persons",
    "user.name.first": "first names", "user.name.last": "last names", "user.device.ip_address": "IP addresses",
    "user.device.device_id": "device identifiers", "user.financial.credit_card": "payment card numbers",
    "user.financial.bank_account": "bank accounts", "user.government_id.national_identification_number": "national identity numbers",
    "user.government_id": "tax or identity numbers", "user.government_id.passport_number": "passport numbers",
    "user.government_id.drivers_license_number": "driving licence numbers", "user.government_id.immigration": "immigration numbers",
    "user.government_id.vehicle_registration": "licence plates or vehicle numbers", "user.demographic.date_of_birth": "birth dates",
    "user.demographic.gender": "gender", "user.demographic.age_range": "ages", "user.demographic": "demographic details",
    "user.demographic.marital_status": "marital status", "user.contact.address.street": "postal addresses",
    "user.contact.address.postal_code": "postcodes", "user.contact.address.city": "places of residence", "user.workplace": "pay or workplace",
    "user.job_title": "occupations", "user.location.precise": "positions", "user.account.username": "user names",
    "user.authorization.password": "passwords", "user.health_and_medical": "health data", "user.health_and_medical.record_id": "medical record numbers",
    "user.health_and_medical.insurance_beneficiary_id": "health insurance numbers", "user.health_and_medical.genetic": "genetic data",
    "user.biometric": "biometric data", "user.demographic.religious_belief": "religion", "user.demographic.race_ethnicity": "ethnic origin",
    "user.demographic.political_opinion": "political opinions", "user.demographic.sexual_orientation": "sexual orientation",
    "user.criminal_history": "criminal records", "user.childrens": "data of children", "user.device.cookie_id": "cookie or session identifiers",
    "user.unique_id": "identifiers of persons", "user.financial": "accounts or wallets",
}  # fmt: skip
"""Categories in words."""


def words(field: Field) -> str:
    """Return the field's category in words."""
    return (
        "trade union membership" if field.dpv == "TradeUnionMembership" else WORDS.get(field.category, field.category)
    )


def counted(field: Field) -> str:
    """Return how many cells: "412 of 500 cells"."""
    unit = "lines" if field.name == PROSE else "cells"
    return f"{field.cells:,} of {field.of:,} {unit}" + (" of a sample" if field.sampled else "")


def detection(rule: str, path: str, field: Field, check: str = "column") -> Detection:
    """Return the detection of one field. Its scope is the column, its anchor the category."""
    return Detection(
        rule,
        check,
        Location(path, field.line, field.column, within="" if field.name == PROSE else field.name),
        {
            "column": field.name,
            "category": field.category,
            "what": words(field),
            "counted": counted(field),
            "cells": field.cells,
            "of": field.of,
            "strength": field.strength,
            "confidence": field.confidence,
            "class": field.gdpr_class,
        },
        scope=field.name,
        anchor=f"{field.category}:{field.dpv}",
        excerpt=("",),  # a line of data is never shown, not even masked
    )


def _entity(field: Field) -> str:
    for detector in field.detectors:
        kind, _, name = detector.partition(":")
        if kind in ("pattern", "checksum"):
            return name
    return ""


def _profile(field: Field, profiles: Sequence[Profile]) -> Profile | None:
    return next((profile for profile in profiles if profile.name == field.name), None)


def only_reserved(field: Field, profiles: Sequence[Profile]) -> bool:
    """Say whether every value of the field is one that is set aside for examples and tests."""
    profile, entity = _profile(field, profiles), _entity(field)
    if profile is None or entity not in profile.tallies:
        return False
    tally = profile.tallies[entity]
    return tally.reserved >= tally.valid


def distinct_own(field: Field, profiles: Sequence[Profile]) -> int:
    """Return how many distinct values the field has that are not reserved, up to the size of the sample."""
    profile, entity = _profile(field, profiles), _entity(field)
    return len(profile.tallies[entity].own.values()) if profile is not None and entity in profile.tallies else 0
