"""Writes the table that the dataset benchmarks read: 28 columns as a company has them, a part at a time.

python benchmarks/table.py 1000000 build/people.parquet
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

PART = 131_072
"""Rows made at a time, and rows of a row group."""

FIRST = [
    "Anna",
    "Peter",
    "Maria",
    "John",
    "Jane",
    "Hans",
    "Luca",
    "Sofia",
    "Pierre",
    "Julie",
    "Laura",
    "Thomas",
    "Elif",
    "Jakub",
    "Ines",
    "Lars",
    "Mehmet",
    "Olga",
    "Priya",
    "Wei",
]
LAST = [
    "Schmidt",
    "Meyer",
    "Rossi",
    "Dubois",
    "Smith",
    "Jones",
    "Garcia",
    "Nowak",
    "Berg",
    "Silva",
    "Yilmaz",
    "Novak",
    "Jansen",
    "Larsen",
    "Costa",
    "Moreau",
    "Weber",
    "Kaya",
]
STREETS = [
    "Main Street",
    "Hauptstraße",
    "Rue de Lyon",
    "Via Roma",
    "Calle Mayor",
    "High Street",
    "Bahnhofstr.",
    "Kerkstraat",
]
CITIES = [
    "Berlin",
    "Lyon",
    "Torino",
    "Sevilla",
    "Leeds",
    "Utrecht",
    "Kraków",
    "Porto",
    "Malmö",
    "Graz",
    "Austin",
    "Denver",
]
WORDS = [
    "the",
    "parcel",
    "came",
    "late",
    "and",
    "nobody",
    "could",
    "say",
    "why",
    "it",
    "was",
    "left",
    "at",
    "the",
    "depot",
    "for",
    "so",
    "long",
    "please",
    "send",
    "a",
    "new",
    "one",
    "soon",
    "delivery",
    "invoice",
    "account",
    "question",
    "about",
    "my",
    "order",
    "from",
    "last",
    "week",
    "thanks",
    "for",
    "your",
    "help",
    "with",
    "the",
    "broken",
    "item",
    "it",
    "works",
    "now",
    "but",
    "the",
    "colour",
    "is",
    "wrong",
    "could",
    "you",
    "exchange",
    "it",
    "or",
    "refund",
    "what",
    "i",
    "paid",
]
STATUS = ["active", "paused", "cancelled", "trial", "expired"]
BELIEFS = ["catholic", "protestant", "muslim", "jewish", "hindu", "none"]
DOMAINS = ["kunde.intern", "post.intern", "mail-haus.net", "werk-nord.org"]


def text(values: np.ndarray | pa.Array) -> pa.Array:
    """Return the values as an Arrow array of strings."""
    return values.cast(pa.string()) if isinstance(values, pa.Array) else pa.array(values).cast(pa.string())


def join(*parts: pa.Array | str, by: str = "") -> pa.Array:
    """Return the parts of each row joined."""
    return pc.binary_join_element_wise(*parts, by)


def digits(rng: np.random.Generator, rows: int, size: int) -> pa.Array:
    """Return a string of ``size`` random digits for each row."""
    return pc.utf8_lpad(text(rng.integers(0, 10**size, rows)), size, "0")


def checked(body: np.ndarray) -> pa.Array:
    """Return 15-digit numbers with the check digit of ISO/IEC 7812 behind them."""
    total, rest = np.zeros(len(body), np.int64), body.copy()
    for place in range(15):
        digit = rest % 10
        rest //= 10
        twice = digit * 2
        total += np.where(twice > 9, twice - 9, twice) if place % 2 == 0 else digit
    return join(text(body), text((10 - total % 10) % 10))


def german_iban(account: np.ndarray) -> pa.Array:
    """Return IBANs of the bank and account numbers, 18 digits each."""
    rest = np.array([98 - int(f"{value}131400") % 97 for value in account.tolist()])
    return join("DE", pc.utf8_lpad(text(rest), 2, "0"), text(account))


def pick(rng: np.random.Generator, words: list[str], rows: int) -> pa.Array:
    """Return a random word for each row."""
    return pa.array(words).take(pa.array(rng.integers(0, len(words), rows)))


def part(rng: np.random.Generator, start: int, rows: int) -> pa.RecordBatch:
    """Return ``rows`` rows from number ``start``."""
    first, last = pick(rng, FIRST, rows), pick(rng, LAST, rows)
    number = np.arange(start, start + rows)
    key = text(number)
    hexes = [text(rng.integers(2**60, 2**63, rows)) for _ in range(3)]
    born = pa.array(rng.integers(-15_000, 13_000, rows).astype("int32"), pa.int32()).cast(pa.date32())
    notes = join(*(pick(rng, WORDS, rows) for _ in range(28)), by=" ")
    notes = join(notes, pc.if_else(pa.array(rng.random(rows) < 0.02), join(" call 0", digits(rng, rows, 9)), ""))
    phones = rng.integers(1_510_000_000, 1_799_999_999, rows).astype("float64")
    phones[rng.random(rows) < 0.1] = np.nan
    columns: dict[str, pa.Array] = {
        "customer_id": pa.array(number + 10_000_000),
        "session": pa.array(bytes_to_uuid(rng.bytes(16 * rows), rows)),
        "first_name": first,
        "last_name": last,
        "customer": join(first, last, by=" "),
        "email": join(pc.utf8_lower(first), ".", pc.utf8_lower(last), key, "@", pick(rng, DOMAINS, rows)),
        "phone": join("+49 ", text(rng.integers(150, 179, rows)), " ", digits(rng, rows, 7)),
        "street": join(pick(rng, STREETS, rows), " ", text(rng.integers(1, 200, rows))),
        "city": pick(rng, CITIES, rows),
        "postcode": digits(rng, rows, 5),
        "date_of_birth": born.cast(pa.string()),
        "gender": pick(rng, ["m", "f", "d"], rows),
        "ssn": join(
            text(rng.integers(100, 665, rows)),
            "-",
            text(rng.integers(10, 99, rows)),
            "-",
            text(rng.integers(1000, 9999, rows)),
        ),
        "iban": german_iban(rng.integers(10**17, 10**18 - 1, rows)),
        "card": checked(rng.integers(4 * 10**14, 5 * 10**14 - 1, rows)),
        "last_ip": join(*(text(rng.integers(low, 250, rows)) for low in (50, 1, 1, 1)), by="."),
        "religion": pick(rng, BELIEFS, rows),
        "callback": pa.array(phones, from_pandas=True),
        "notes": notes,
        "order_no": join("A-", digits(rng, rows, 8)),
        "checksum": join(*hexes),
        "status": pick(rng, STATUS, rows).dictionary_encode(),
        "created": pa.array(rng.integers(1_500_000_000, 1_700_000_000, rows)),
        "updated_at": pa.array(rng.integers(1_500_000_000, 1_700_000_000, rows).astype("datetime64[s]")),
        "amount": pa.array(np.round(rng.gamma(2, 40, rows), 2)),
        "score": pa.array(rng.random(rows)),
        "visits": pa.array(rng.integers(0, 90, rows)),
        "is_active": pa.array(rng.random(rows) < 0.8),
    }
    return pa.RecordBatch.from_pydict(columns)


def bytes_to_uuid(data: bytes, rows: int) -> list[str]:
    """Return the bytes, 16 a row, as UUIDs."""
    text = data.hex()
    return [
        f"{text[at : at + 8]}-{text[at + 8 : at + 12]}-{text[at + 12 : at + 16]}-{text[at + 16 : at + 20]}-{text[at + 20 : at + 32]}"
        for at in range(0, 32 * rows, 32)
    ]


def write(path: Path, rows: int, seed: int = 1) -> None:
    """Write the table as Parquet with zstd, in row groups of PART rows."""
    rng = np.random.default_rng(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = None
    for start in range(0, rows, PART):
        batch = part(rng, start, min(PART, rows - start))
        writer = writer or pq.ParquetWriter(path, batch.schema, compression="zstd")
        writer.write_batch(batch)
    if writer:
        writer.close()


if __name__ == "__main__":
    write(Path(sys.argv[2]), int(sys.argv[1]))
