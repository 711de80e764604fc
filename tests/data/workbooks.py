"""Writes the workbooks of workbooks.json, in formats whose writers the tests do not need otherwise.

    pip install xlwt pyxlsbwriter msoffcrypto-tool openpyxl
    python tests/data/workbooks.py tests/data/workbooks.json

All persons are invented.
"""

from __future__ import annotations

import base64
import io
import json
import sys
import tempfile
import zlib
from pathlib import Path

ROWS = [["Name", "Mail"], *([f"Mira Holm{number}", f"mira{number}@kunde.intern"] for number in range(20))]


def old(far: bool = False) -> bytes:
    """Return a workbook of Excel 97 with a hidden sheet, or one whose two cells lie far apart."""
    import xlwt

    book = xlwt.Workbook()
    sheet = book.add_sheet("People")
    for at, row in enumerate(ROWS[:1] if far else ROWS):
        for column, value in enumerate(row):
            sheet.write(at, column, value)
    if far:
        sheet.write(65_535, 255, "far")
    hidden = book.add_sheet("Hidden")
    hidden.visibility = 2
    hidden.write(0, 0, "olga@kunde.intern")
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def binary() -> bytes:
    """Return a binary workbook of Excel 2007."""
    from pyxlsbwriter import XlsbWriter

    with tempfile.TemporaryDirectory() as folder:
        place = f"{folder}/people.xlsb"
        with XlsbWriter(place) as writer:
            writer.add_sheet("People")
            writer.write_sheet(ROWS)
            writer.add_sheet("Hidden", hidden=True)
            writer.write_sheet([["olga@kunde.intern"]])
        return Path(place).read_bytes()


def encrypted() -> bytes:
    """Return a workbook with a password."""
    import openpyxl
    from msoffcrypto.format.ooxml import OOXMLFile

    plain, out = io.BytesIO(), io.BytesIO()
    book = openpyxl.Workbook()
    for row in ROWS:
        book.active.append(row)
    book.save(plain)
    plain.seek(0)
    OOXMLFile(plain).encrypt("a password", out)
    return out.getvalue()


if __name__ == "__main__":
    made = {"xls": old(), "far.xls": old(far=True), "xlsb": binary(), "encrypted.xlsx": encrypted()}
    packed = {name: base64.b64encode(zlib.compress(data, 9)).decode() for name, data in made.items()}
    Path(sys.argv[1]).write_text(json.dumps(packed, indent=1) + "\n")
