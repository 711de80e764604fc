"""Reads who is given what in files of SQL: GRANT and REVOKE for everybody, and which tables have columns for personal data."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from mlguard.facts import Grant, Resource
from mlguard.scanners import Context, read_text
from mlguard.scanners.dataset import terms

MAX_BYTES = 64 * 2**20
"""The largest file of SQL whose statements are looked at."""

MAX_STATEMENT = 100_000
"""Characters of one statement that are looked at."""

MAX_GRANT = 10_000
"""Characters of a statement that grants."""

# What is never closed goes on to the end, so that no text is looked at twice.
_TOKEN = re.compile(
    r"--[^\n]*|/\*.*?(?:\*/|\Z)|\$(?P<tag>[A-Za-z_]*)\$.*?(?:\$(?P=tag)\$|\Z)|'(?:[^']|'')*+(?:'|\Z)|;", re.S
)
_TOKEN_MYSQL = re.compile(r"--[^\n]*|/\*.*?(?:\*/|\Z)|'(?:[^'\\]|\\.|'')*+(?:'|\Z)|;", re.S)
_COPY = re.compile(r"\s*COPY\s[^;]*\bFROM\s+stdin\b", re.I)
_NAME = r'(?:"(?:[^"]|"")+"|`[^`]+`|\[[^\]]+\]|[\w$]+|\*)'
_PATH = rf"{_NAME}(?:\s*\.\s*{_NAME})*"
_GRANT = re.compile(
    rf"\s*(?P<verb>GRANT|REVOKE(?:\s+GRANT\s+OPTION\s+FOR)?)\s+(?P<what>.+?)\s+ON\s+(?P<all>ALL\s+TABLES\s+IN\s+SCHEMA\s+|TABLES?\s+|VIEW\s+)?"
    rf"(?P<names>{_PATH}(?:\s*,\s*{_PATH})*)\s+(?:TO|FROM)\s+(?P<who>.+)$",
    re.I | re.S,
)
_ROLE = re.compile(r"\s*(?P<verb>GRANT|REVOKE)\s+\"?(?:pg_read_all_data)\"?\s+(?:TO|FROM)\s+(?P<who>.+)$", re.I | re.S)
_CREATE = re.compile(
    rf"\s*CREATE\s+(?:UNLOGGED\s+|FOREIGN\s+)?TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?(?P<name>{_PATH})\s*\((?P<body>.*)\)",
    re.I | re.S,
)
_COLUMN = re.compile(rf"\s*(?P<name>{_NAME})\s+[\"`\w]", re.S)
_CONSTRAINT = re.compile(
    r"(?i)\s*(?:CONSTRAINT|PRIMARY|FOREIGN|UNIQUE|CHECK|EXCLUDE|KEY|INDEX|LIKE|FULLTEXT|SPATIAL)\b"
)
_READ = re.compile(r"(?i)\b(SELECT|ALL)\b\s*(?:PRIVILEGES)?\s*(?:\(([^)]*)\))?")
_PUBLIC = re.compile(
    r"(?i)(?:^|,)\s*(?:GROUP\s+)?(?:PUBLIC|''@'%'|``@`%`|''@\"%\")\s*(?=,|;|$|WITH\b|GRANTED\b|CASCADE\b|RESTRICT\b)"
)

SURE = frozenset(
    {
        "user.contact", "user.name", "user.government_id", "user.financial", "user.health_and_medical", "user.demographic.date_of_birth",
        "user.biometric", "user.criminal_history", "user.location.precise", "user.demographic.religious_belief",
        "user.demographic.sexual_orientation", "user.demographic.political_opinion", "user.demographic.race_ethnicity",
    }
)  # fmt: skip
"""Categories whose column names say enough without a row."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement without comments and quoted texts. ``line`` is where it begins, from 1."""

    text: str
    line: int


def of_file(context: Context, path: str) -> Iterator[Grant | Resource]:
    """Yield the grants to PUBLIC that stand at the end of a file, and its tables with columns for personal data. Raises Unreadable."""
    yield from of_text(read_text(context, path, MAX_BYTES), path)


def of_text(text: str, path: str) -> Iterator[Grant | Resource]:
    """Yield the same of a text."""
    given: dict[str, int] = {}
    for statement in statements(text):
        if match := _ROLE.match(statement.text[:MAX_GRANT]):
            if _PUBLIC.search(match["who"]):
                _change(given, match["verb"], ["*.*"], statement.line)
        elif match := _GRANT.match(statement.text[:MAX_GRANT]):
            if _PUBLIC.search(match["who"]):
                _change(given, match["verb"], list(_resources(match)), statement.line)
        elif match := _CREATE.match(statement.text):
            yield from _table(match, path, statement.line)
    for resource, line in sorted(given.items()):
        yield Grant("PUBLIC", ("select",), (resource,), path, line, f"sql:{path.rpartition('/')[2]}")


def _change(given: dict[str, int], verb: str, resources: list[str], line: int) -> None:
    for resource in resources:
        if verb.upper() == "GRANT":
            given.setdefault(resource, line)
        elif "OPTION" not in verb.upper():
            for held in [held for held in given if held == resource or held.startswith(resource + "#")]:
                del given[held]
            if resource.endswith(".*"):
                for held in [
                    held
                    for held in given
                    if held.startswith(resource[:-1]) or resource == "public.*" and "." not in held
                ]:
                    del given[held]


def _resources(match: re.Match[str]) -> Iterator[str]:
    """Yield "schema.table", "schema.table#column" or "schema.*" for each thing that may be read."""
    reads = list(_READ.finditer(match["what"]))
    if not reads:
        return
    for name in re.findall(_PATH, match["names"]):
        plain = ".".join(_plain(part) for part in re.findall(_NAME, name))
        if (match["all"] or "").upper().startswith("ALL"):
            plain += ".*"
        for read in reads:
            columns = [_plain(column) for column in re.findall(_NAME, read[2] or "")]
            yield from (f"{plain}#{column}" for column in columns) if columns else (plain,)


def _plain(name: str) -> str:
    quoted = name[:1] in '"`['
    return (name[1:-1].replace('""', '"') if quoted else name).lower()


def _table(match: re.Match[str], path: str, line: int) -> Iterator[Resource]:
    named: list[str] = []
    for part in _parts(match["body"]):
        column = _COLUMN.match(part)
        if column and not _CONSTRAINT.match(part):
            term = terms.term_of(_plain(column["name"]))
            category = getattr(term, "category", "") if term else ""
            if category and any(category == sure or category.startswith(sure + ".") for sure in SURE):
                named.append(terms.shown(_plain(column["name"]), len(named) + 1))
    if named:
        table = ".".join(_plain(part) for part in re.findall(_NAME, match["name"]))
        shown = f"columns {', '.join(named[:5])}" if len(named) > 1 else f"column {named[0]}"
        yield Resource("sql.table", table, path, line, f"by the name of its {shown}")


def _parts(body: str) -> Iterator[str]:
    """Yield what stands between the commas outside of brackets."""
    depth, start = 0, 0
    for at, sign in enumerate(body):
        depth += (sign == "(") - (sign == ")")
        if sign == "," and depth == 0:
            yield body[start:at]
            start = at + 1
    yield body[start:]


def statements(text: str) -> Iterator[Statement]:
    """Yield the statements of a script or dump; rows of COPY are passed over."""
    at, begin, kept = 0, 0, []
    line, counted = 1, 0
    token = _TOKEN_MYSQL if "`" in text else _TOKEN  # there a backslash guards a quote
    while True:
        match = token.search(text, at)
        kept.append(text[at : match.start() if match else len(text)])
        if match and match.group() != ";":
            kept.append(_literal(match.group()))
            at = match.end()
            continue
        whole = "".join(kept)[:MAX_STATEMENT]
        if whole.strip():
            first = _first(text, begin)
            line += text.count("\n", counted, first)
            counted = first
            yield Statement(whole, line)
        if match is None:
            return
        at = match.end()
        if _COPY.match(whole):
            end = text.find("\n\\.", at)
            at = len(text) if end < 0 else end + 3
        begin, kept = at, []


def _literal(token: str) -> str:
    """Return what stands for a comment or a quoted text: of texts only '' and '%' are kept, the names of everybody in MySQL."""
    if not token.startswith("'"):
        return " "
    return token if len(token) <= 3 else "'…'"


_BLANK = re.compile(r"(?:\s|--[^\n]*|/\*.*?\*/)*", re.S)


def _first(text: str, begin: int) -> int:
    """Return where the first word of a statement stands."""
    match = _BLANK.match(text, begin)
    return match.end() if match else begin
