"""Decodes files as installers do: by byte order mark, by a coding cookie, else as UTF-8."""

from __future__ import annotations

import codecs
import re

from mlguard import lazy

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF32_LE, "utf-32-le"), (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"),
)  # fmt: skip
_COOKIE = lazy.pattern(rb"coding[:=]\s*([-\w.]+)")
_SAFE = lazy.pattern(
    r"(?:utf|ascii|latin|iso|cp\d|windows|koi8|mac|gb|big5|shift|sjis|euc|hz|johab|ptcp|kz|tis|l[1-9]|us)[\w.-]*", re.I
)
"""Encodings of text; Python has others that unpack or escape."""


def decode(data: bytes) -> tuple[str, str]:
    """Return the text of a file, and what is wrong with its bytes ("": nothing). What cannot be decoded is replaced.

    The cookie is that of PEP 263, which pip honours in the first two lines of a requirements file.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _decoded(data[len(mark) :], encoding)
    for line in data[:1000].split(b"\n")[:2]:
        cookie = _COOKIE.search(line) if line.startswith(b"#") else None
        if cookie:
            name = cookie[1].decode("ascii", "replace")
            try:
                known = _SAFE.fullmatch(name) and codecs.lookup(name).name != "utf-7"
            except LookupError:
                known = False
            if known:
                return _decoded(data, name)
    return _decoded(data, "utf-8")


def _decoded(data: bytes, encoding: str) -> tuple[str, str]:
    try:
        return data.decode(encoding).removeprefix("\ufeff"), ""
    except UnicodeDecodeError as error:
        text = data.decode(encoding, "replace").removeprefix("\ufeff")
        return text, f"not valid {encoding} (byte {error.start}); what could be decoded was read"
