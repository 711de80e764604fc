"""Systems of codes are told by form and check digits of all values together, and other numbers are not taken for them."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from mlguard.scanners.dataset import columns, verdict


def detectors(values: list[str], label: str = "value") -> set[str]:
    profile = columns.Profile("c", label)
    profile.add(values)
    return {detector for field in verdict.judge([profile]) for detector in field.detectors}


def completed(begin: Callable[[random.Random], str], check: Callable[[str], int]) -> list[str]:
    """Return twenty numbers of which the last digit is the check digit, which some beginnings cannot have."""
    chance = random.Random(7)
    found: list[str] = []
    while len(found) < 20:
        digits = begin(chance)
        last = check(digits)
        if last < 10:
            found.append(f"{digits}{last}")
    return found


def weighted(digits: str, weights: tuple[int, ...]) -> int:
    return sum(int(c) * weight for c, weight in zip(digits, weights, strict=False))


def luhn(digits: str) -> int:
    total = sum(sum(divmod(int(c) * (2 - place % 2), 10)) for place, c in enumerate(reversed(digits)))
    return -total % 10


def some(first: str, count: int) -> Callable[[random.Random], str]:
    return lambda chance: chance.choice(first) + "".join(chance.choice("0123456789") for _ in range(count - 1))


def birth(chance: random.Random) -> str:
    return f"{chance.randint(40, 99)}{chance.randint(1, 12):02d}{chance.randint(1, 28):02d}"


@pytest.mark.parametrize(
    ("code", "values"),
    [
        ("cuil", completed(lambda c: "20" + some("123", 8)(c), lambda d: 11 - weighted(d, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11)),
        ("nss", completed(some("123456789", 10), luhn)),
        ("rnokpp", completed(some("23", 9), lambda d: weighted(d, (-1, 5, 7, 9, 4, 6, 10, 5, 7)) % 11 % 10)),
        ("hu-code", completed(lambda c: c.choice("12") + birth(c) + some("123", 3)(c), lambda d: weighted(d, tuple(range(10, 0, -1))) % 11)),
        ("il-id", completed(some("089", 8), luhn)),
    ],
)  # fmt: skip
def test_numbers_of_persons_are_told_by_their_check_digits(code: str, values: list[str]) -> None:
    assert f"codes:{code}" in detectors(values)


def test_numbers_of_austria_hold_a_date_and_their_check_digit_is_the_fourth() -> None:
    chance = random.Random(3)
    values: list[str] = []
    while len(values) < 20:
        serial, born = (
            str(chance.randint(100, 999)),
            f"{chance.randint(1, 28):02d}{chance.randint(1, 12):02d}{chance.randint(40, 99)}",
        )
        check = (weighted(serial, (3, 7, 9)) + weighted(born, (5, 8, 4, 2, 1, 6))) % 11
        if check < 10:
            values.append(f"{serial}{check}{born}")

    assert "codes:svnr" in detectors(values)


@pytest.mark.parametrize("size", range(8, 17))
def test_random_numbers_and_numbers_that_count_up_are_nobodys(size: int) -> None:
    chance = random.Random(size)
    low = 10 ** (size - 1)

    for _ in range(20):
        assert detectors([str(chance.randint(low, 10 * low - 1)) for _ in range(40)]) == set()
    for step in (1, 10, 37):
        assert detectors([str(3 * low + step * place) for place in range(200)]) == set()


@pytest.mark.parametrize("count", [5, 7, 11, 14, 21, 77])
def test_cards_are_told_however_many_there_are(count: int) -> None:
    chance = random.Random(count)
    cards = [digits + str(luhn(digits)) for digits in ("4" + some("123456789", 14)(chance) for _ in range(count))]

    assert "checksum:CREDIT_CARD" in detectors(cards)


def test_wallets_are_told_and_hashes_of_transactions_are_not() -> None:
    chance = random.Random(5)
    values = ["0x" + "".join(chance.choice("0123456789abcdef") for _ in range(40)) for _ in range(6)]

    assert "codes:wallet" in detectors(values)
    assert detectors(values, "contract_address") == set()
