"""Writes the profile of datasets: for a person at a terminal, as JSON, and as an entry of the declaration."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from mlguard import __version__, redact
from mlguard.facts import Anonymity, Field
from mlguard.findings import Gap
from mlguard.reporters.terminal import Style
from mlguard.reporters.text import counted, cut, width, wrap
from mlguard.scanners.dataset import report, risk, terms
from mlguard.scanners.dataset.overview import ERROR, Beside, Column, Overview, rate_bound

MOST_PLAIN = 40
"""Columns without personal data that are shown of one table, unless everything is to be shown."""

MOST_GAPS = 20
"""Gaps that are shown of one dataset, unless everything is to be shown."""

MOST_ENTRIES = 10
"""Datasets whose entry for the declaration is shown, unless everything is to be shown."""

BAR = 10
"""Characters of a bar."""

NAME = 32
"""Characters of a column's name; a longer one is cut, unless everything is to be shown."""

ARTICLES = {"special": "9", "criminal": "10"}
"""Article of Regulation (EU) 2016/679 by class."""

_DETECTORS = {
    "checksum": "check digit", "pattern": "pattern", "name": "name of the column", "values": "words", "codes": "codes", "told": "words",
    "presidio": "Presidio", "ner": "language model",
}  # fmt: skip
_CONFIDENCE = {"high": "sure", "medium": "likely", "low": "possible"}


def size(value: int) -> str:
    """Return a number of bytes in words."""
    number = float(value)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if number < 1024:
            return f"{value:,} bytes" if unit == "bytes" else f"{number:,.1f} {unit}"
        number /= 1024
    return f"{number:,.1f} TiB"


def article(field: Field) -> str:
    """Return the article that gives the field's data special protection: "9", "10", "8" for children, or ""."""
    return ARTICLES.get(field.gdpr_class, "8" if field.category.startswith("user.childrens") else "")


def spoke(field: Field) -> list[str]:
    """Return in words what spoke for a field."""
    kinds = [detector.partition(":")[0] for detector in field.detectors]
    return list(dict.fromkeys(_DETECTORS.get(kind, kind) for kind in kinds))


def role(field: Field) -> str:
    """Return the role that a field has in a declaration."""
    if field.free_text:
        return "free_text"
    if field.gdpr_class in ARTICLES:
        return "sensitive"
    return "quasi_identifier" if field.category in risk.QUASI else "direct_identifier"


# --- For a person


def render(
    overviews: Sequence[Overview],
    gaps: Sequence[Gap],
    others: Mapping[str, int],
    style: Style,
    wanted: re.Pattern[str] | None = None,
) -> str:
    """Return the profile of datasets as lines of at most ``style.width`` columns.

    ``gaps`` are those of no table, ``others`` counts the files that hold no data, by kind; ``wanted`` chooses columns by name.
    """
    parts = [[*_dataset(overview, style, wanted)] for overview in overviews if not _idle(overview, overviews)]
    parts.append([*_gaps(gaps, style)])
    parts.append([*_what_to_do(overviews, style)])
    parts.append([*_end(overviews, gaps, others, style)])
    return "\n\n".join("\n".join(line.rstrip() for line in part) for part in parts if part) + "\n"


def _dataset(overview: Overview, style: Style, wanted: re.Pattern[str] | None) -> Iterator[str]:
    first, *more = wrap(style.show(titled(overview)), style.width)
    yield style.paint(first, "path")
    yield from more
    yield from _indented(2, _head(overview), style)
    yield from _gaps(overview.gaps, style)
    chosen = [column for column in overview.columns if wanted is None or wanted.search(column.name)]
    if chosen:
        yield ""
        yield from _columns(overview, chosen, style)
    elif overview.columns:
        yield from _indented(2, "no column's name fits --columns", style)
    for title, lines in (
        ("Persons", [*_persons(overview, style)]),
        ("Text", [*_languages(overview, style)]),
        ("Beside the rows", [*_beside(overview.beside, style)]),
    ):
        if lines:
            yield ""
            yield f"  {style.paint(title, 'path')}"
            yield from lines


def _idle(overview: Overview, overviews: Sequence[Overview]) -> bool:
    """Say whether a table is nothing but the frame of others in the same file."""
    nothing = not (overview.fact.columns or overview.seen or overview.beside or overview.gaps)
    return nothing and sum(other.fact.path == overview.fact.path for other in overviews) > 1


def titled(overview: Overview) -> str:
    """Return the path of a table, with its name inside the file."""
    within = inner(overview.fact.within)
    return overview.fact.path + (f" > {within}" if within else "")


def inner(name: str) -> str:
    """Return the name of something inside a file, without the parts that may be somebody's data: a sheet for each patient."""
    parts = (redact.MASK if terms.reveals(part) else redact.printable(redact.text(part)) for part in name.split(" > "))
    return " > ".join(parts)


def _head(overview: Overview) -> str:
    fact = overview.fact
    rows = counted(overview.seen, "line" if overview.prose else "row")
    shape = rows if overview.prose else f"{rows} x {counted(fact.columns, 'column')}"
    weight = f", {size(overview.size)}" if overview.size >= 0 else ""
    return f"{fact.format}, {shape}{weight}, {_how(overview)}"


def _how(overview: Overview) -> str:
    if overview.sampled:
        return f"SAMPLED: {overview.sampled:,} rows drawn at random"
    return "read in part" if overview.gaps else f"every {'line' if overview.prose else 'row'} read"


def _gaps(gaps: Sequence[Gap], style: Style) -> Iterator[str]:
    shown = gaps if style.verbose else gaps[:MOST_GAPS]
    for gap in shown:
        hint = f" ({gap.hint})" if gap.hint else ""
        first, *more = wrap(style.show(f"NOT LOOKED AT: {gap.path}: {gap.reason}{hint}"), style.width - 4)
        yield "  " + style.paint(first, "incomplete")
        yield from ("    " + line for line in more)
    if len(gaps) > len(shown):
        yield from _indented(
            2, f"{style.more} {len(gaps) - len(shown):,} more parts not looked at (-v shows them)", style
        )


def _columns(overview: Overview, columns: Sequence[Column], style: Style) -> Iterator[str]:
    plain = [column for column in columns if not column.fields]
    hidden = {id(column) for column in plain[MOST_PLAIN:]} if not style.verbose else set()
    shown = [column for column in columns if id(column) not in hidden]
    widest = max(width(style.show(column.name)) for column in shown)
    room = max(6, min(widest, style.width // 2 if style.verbose else min(NAME, style.width // 3)))
    kinds = min(max(4, *(len(column.type) for column in shown)), 20, style.width // 5)
    full, some, none = "█▒·" if style.unicode else "#=."
    yield cut(
        f"  {'column':<{room}}  {'type':<{kinds}}  {'filled':<{_bar_width(style) + 6}}  distinct", style.width, ""
    )
    for column in shown:
        yield from _column(column, style, room, kinds)
    if hidden:
        yield from _indented(
            2, f"{style.more} {counted(len(hidden), 'more column')} without personal data (-v shows them)", style
        )
    about = "; ± at 95 %" if any(column.estimated for column in shown) else ""
    about += "; all of it in the sample" if overview.sampled else ""
    yield from _indented(2, f"{full} personal data  {some} other values  {none} empty{about}", style, "dim")


def _column(column: Column, style: Style, room: int, kinds: int) -> Iterator[str]:
    name = style.show(column.name)
    name = cut(name, room, style.more)
    kind = cut(column.type, kinds, style.more)
    head = f"  {name}{' ' * (room - width(name))}  {kind:<{kinds}}  {_bar(column, style)} {_percent(column):>5}  "
    told = cut(_shown(_distinct(column), style), max(0, style.width - width(head)), style.more)
    yield head.replace(name, style.paint(name, "medium" if column.fields else "path"), 1) + told
    for field in column.fields:
        yield from _indented(6, _field(field), style, "high" if article(field) else "medium")
    shapes = ", ".join(f"{shape} ({_share(share)})" for shape, share in column.layouts)
    if shapes:
        yield from _indented(6, f"layouts of its values: {shapes}", style)
    if column.empty and max(column.empty) - min(column.empty) >= 0.1:
        yield from _indented(
            6, f"empty cells from the first row to the last: {spark(column.empty, style.unicode)}", style
        )


def _bar_width(style: Style) -> int:
    return BAR if style.width >= 60 else 4


def _bar(column: Column, style: Style) -> str:
    full, some, none = "█▒·" if style.unicode else "#=."
    length = _bar_width(style)
    if not column.of:
        return none * length
    personal = max((field.cells / max(field.of, 1) for field in column.fields), default=0.0) * column.filled / column.of
    filled = _steps(column.filled / column.of, length)
    marked = min(_steps(personal, length), filled)
    return full * marked + some * (filled - marked) + none * (length - filled)


def _steps(share: float, length: int) -> int:
    """Return how long a part of a bar is: something is never nothing, and almost all is not all."""
    if share <= 0 or share >= 1:
        return length if share >= 1 else 0
    return min(max(round(share * length), 1), length - 1)


def _percent(column: Column) -> str:
    if not column.of:
        return "-"
    return _share(column.filled / column.of)


def _share(share: float) -> str:
    """Return a share in percent, in which neither little becomes nothing nor almost all becomes all."""
    percent = round(100 * share)
    if 0 < share < 1 and percent in (0, 100):
        return "<1 %" if percent == 0 else ">99 %"
    return f"{percent} %"


def _distinct(column: Column) -> str:
    if column.unread:
        return "bytes, not looked at"
    if column.distinct is None:
        return "free text"
    if not column.estimated:
        return f"{column.distinct:,}" + (" in lists" if column.listed else "")
    rounded = round(column.distinct, 2 - len(str(column.distinct)))
    return f"about {rounded:,} ±{round(100 * ERROR)} %"


def _field(field: Field) -> str:
    protected = article(field)
    law = f" (Art. {protected} GDPR)" if protected else ""
    return f"{report.words(field)}{law}: {_CONFIDENCE[field.confidence]}, {report.counted(field)}, by {', '.join(spoke(field))}"


def spark(shares: Sequence[float], unicode: bool = True) -> str:
    """Return one character for each share: the higher, the nearer to 1."""
    signs = "▁▂▃▄▅▆▇█" if unicode else "_.:-=+*#"
    return "".join(signs[min(int(share * len(signs)), len(signs) - 1)] for share in shares)


def _persons(overview: Overview, style: Style) -> Iterator[str]:
    by_role: dict[str, list[str]] = {}
    for field in _in_order(overview):
        by_role.setdefault(role(field), []).append(field.name)
    words = {
        "direct_identifier": "name a person", "quasi_identifier": "narrow down a person", "sensitive": "sensitive",
        "free_text": "told in free text",
    }  # fmt: skip
    for kind, title in words.items():
        if names := list(dict.fromkeys(by_role.get(kind, ()))):
            yield from _listed(title, names, style)
    for field in overview.others:
        yield from _indented(4, f"in the table as a whole: {_field(field)}", style)
    for figures in overview.anonymity:
        yield from (line for told in _figures(figures) for line in _indented(4, told, style))
    for pseudonym in overview.pseudonyms:
        yield from _indented(
            4,
            f"pseudonyms in {pseudonym.column} can be undone: {pseudonym.found:,} of {pseudonym.of:,} values that were tried were "
            f"recomputed ({pseudonym.method}) from {pseudonym.source}",
            style,
        )


def _in_order(overview: Overview) -> list[Field]:
    """Return the fields in the order of the columns."""
    places = {column.name: place for place, column in reversed([*enumerate(overview.columns)])}
    return sorted(overview.fact.fields, key=lambda field: places.get(field.name, len(places)))


def _listed(title: str, names: Sequence[str], style: Style) -> Iterator[str]:
    most = len(names) if style.verbose else 12
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    yield from _indented(4, f"{title}: {', '.join(names[:most])}{more}", style)


def _figures(figures: Anonymity) -> Iterator[str]:
    by = "declared" if figures.declared else "found"
    parts = "" if figures.share == 1 else f"; counted in {_share(figures.share)} of the groups, so k is at most this"
    rows = f" of a sample of {figures.sampled:,}" if figures.sampled else ""
    alone = f"{counted(figures.unique, 'row')}{rows} ({_share(figures.unique / max(figures.rows, 1))}) like no other"
    yield f"k = {figures.k:,} over {', '.join(figures.columns)} ({by}): {alone}{parts}"
    for part in figures.diversity:
        distance = "" if part.t is None else f", t = {part.t:.2f}"
        yield f"{part.column}: l = {part.distinct:,}{distance}; in {counted(part.alone, 'row')} it follows from them"
    for column, distinct, entropy in figures.spread:
        yield f"{column}: {counted(distinct, 'different value')}, {entropy:.1f} bits"


def _languages(overview: Overview, style: Style) -> Iterator[str]:
    told = [
        f"{code} {_share(share)}{'' if looked else ' (names were not looked for)'}"
        for code, share, looked in overview.fact.languages
    ]
    if told:
        yield from _indented(4, f"languages: {', '.join(told)}", style)
    if overview.fact.masked:
        yield from _indented(
            4, f"masked or left to be filled in: up to {_share(overview.fact.masked)} of a column's texts", style
        )


def _beside(texts: Sequence[Beside], style: Style) -> Iterator[str]:
    for text in texts:
        found = "; ".join(map(_field, text.fields)) or "nothing personal found"
        yield from _indented(4, f"{inner(text.name)}, {counted(text.lines, 'line')}: {found}", style)


def _what_to_do(overviews: Sequence[Overview], style: Style) -> Iterator[str]:
    if not any(overview.fact.fields for overview in overviews):
        return
    yield style.paint("What to do", "path")
    yield from _indented(
        2, "Leave out the columns that are not needed, or write a copy without them: mlguard data redact IN OUT.", style
    )
    if any(text.fields for overview in overviews for text in overview.beside):
        yield from _indented(
            2, "Write the file anew without what stands beside the rows: it outlives what was dropped from them.", style
        )
    personal = [overview for overview in overviews if overview.fact.fields]
    paths = list(dict.fromkeys(overview.fact.path for overview in personal))
    told = paths if style.verbose else paths[:MOST_ENTRIES]
    more = "" if len(told) == len(paths) else f"; {len(told)} of {len(paths):,} are shown, --declare prints all"
    yield from _indented(2, f"Declare what stays, in privacy.yaml (complete what says TODO{more}):", style)
    yield ""
    for line in declaration(overview for overview in personal if overview.fact.path in told).splitlines():
        yield "    " + style.show(line)


def _end(overviews: Sequence[Overview], gaps: Sequence[Gap], others: Mapping[str, int], style: Style) -> Iterator[str]:
    personal = sum(bool(overview.fact.fields) for overview in overviews)
    total = counted(len(overviews), "table")
    left = [*gaps, *(gap for overview in overviews for gap in overview.gaps)]
    told = (
        f"{total}, {personal:,} with personal data"
        if personal
        else f"{total}, no personal data found" + (" in what was read" if left else "")
    )
    if not overviews:
        told = "no table was read"
    if others:
        kinds = ", ".join(f"{number:,} {kind}" for kind, number in sorted(others.items()))
        told += f"; {counted(sum(others.values()), 'other file')} not looked at as data ({kinds})"
    yield from wrap(style.show(told), style.width)
    if left or not overviews:
        what = f"{counted(len(left), 'part')} not looked at" if left else "nothing was read"
        first, *more = wrap(f"NOT COMPLETE: {what}", style.width)
        yield style.paint(first, "incomplete")
        yield from more


def _shown(text: str, style: Style) -> str:
    return style.show(text if style.unicode else text.replace("±", "+/-"))


def _indented(indent: int, text: str, style: Style, paint: str = "") -> Iterator[str]:
    for number, line in enumerate(wrap(_shown(text, style), max(10, style.width - indent - 2))):
        yield " " * (indent + (2 if number else 0)) + (style.paint(line, paint) if paint else line)


# --- For programs


def as_json(
    overviews: Sequence[Overview], gaps: Sequence[Gap], others: Mapping[str, int], wanted: re.Pattern[str] | None = None
) -> str:  # fmt: skip
    """Return the profile as the JSON document of ``schemas/data.json``."""
    left = [*gaps, *(gap for overview in overviews for gap in overview.gaps)]
    body = {
        "version": 1,
        "mlguard": __version__,
        "complete": bool(overviews) and not left,
        "datasets": [_as_dataset(overview, wanted) for overview in overviews],
        "gaps": [_as_gap(gap) for gap in gaps],
        "other_files": dict(sorted(others.items())),
    }
    return json.dumps(body, indent=2, ensure_ascii=True) + "\n"


def _as_dataset(overview: Overview, wanted: re.Pattern[str] | None) -> dict[str, Any]:
    fact = overview.fact
    return {
        "path": fact.path,
        "within": inner(fact.within),
        "format": fact.format,
        "rows": overview.seen,
        "width": fact.columns,
        "size": overview.size if overview.size >= 0 else None,
        "schema_sha256": fact.schema,
        "sample": {"rows": overview.sampled, "zero_hits_bound": rate_bound(overview.sampled)} if overview.sampled else None,
        "columns": [_as_column(column) for column in overview.columns if wanted is None or wanted.search(column.name)],
        "table": [_as_field(field) for field in overview.others],
        "beside": [
            {"name": inner(text.name), "lines": text.lines, "personal": [*map(_as_field, text.fields)]} for text in overview.beside
        ],
        "anonymity": [*map(_as_figures, overview.anonymity)],
        "pseudonyms": [
            {"column": one.column, "method": one.method, "source": one.source, "found": one.found, "of": one.of}
            for one in overview.pseudonyms
        ],
        "languages": [{"language": code, "share": share, "names_looked_for": looked} for code, share, looked in fact.languages],
        "masked_share": fact.masked,
        "gaps": [_as_gap(gap) for gap in overview.gaps],
    }  # fmt: skip


def _as_column(column: Column) -> dict[str, Any]:
    return {
        "name": column.name,
        "type": column.type,
        "cells": column.of,
        "filled": column.filled,
        "items_of_lists": column.listed,
        "free_text": column.free_text,
        "looked_at": not column.unread,
        "distinct": column.distinct,
        "distinct_error": round(ERROR, 4) if column.estimated else 0,
        "layouts": [{"layout": shape, "share": share} for shape, share in column.layouts],
        "empty": list(column.empty),
        "personal": [*map(_as_field, column.fields)],
    }


def _as_field(field: Field) -> dict[str, Any]:
    return {
        "category": field.category,
        "dpv": field.dpv,
        "class": field.gdpr_class,
        "article": article(field),
        "what": report.words(field),
        "confidence": field.confidence,
        "cells": field.cells,
        "of": field.of,
        "sampled": field.sampled,
        "role": role(field),
        "detectors": list(field.detectors),
    }


def _as_figures(figures: Anonymity) -> dict[str, Any]:
    return {
        "columns": list(figures.columns),
        "declared": figures.declared,
        "rows": figures.rows,
        "classes": figures.classes,
        "k": figures.k,
        "unique_rows": figures.unique,
        "share": figures.share,
        "sampled": figures.sampled,
        "diversity": [
            {"column": part.column, "l": part.distinct, "t": part.t, "rows_told": part.alone} for part in figures.diversity
        ],
        "spread": [{"column": name, "distinct": distinct, "bits": round(bits, 4)} for name, distinct, bits in figures.spread],
    }  # fmt: skip


def _as_gap(gap: Gap) -> dict[str, str]:
    return {"path": gap.path, "kind": gap.kind, "reason": gap.reason, "hint": gap.hint}


# --- For the declaration


def declaration(overviews: Iterable[Overview]) -> str:
    """Return the datasets as YAML for ``privacy.yaml``, one entry for each path. What only people know says TODO."""
    by_path: dict[str, list[Overview]] = {}
    for overview in overviews:
        by_path.setdefault(overview.fact.path, []).append(overview)
    lines = ["datasets:"]
    used: set[str] = set()
    for path, tables in by_path.items():
        lines += _entry(path, tables, _id(path, used))
    return "\n".join(lines if by_path else ["datasets: []"]) + "\n"


def _entry(path: str, tables: Sequence[Overview], name: str) -> Iterator[str]:
    fields = [field for table in tables for field in table.fact.fields]
    kinds = {field.gdpr_class for field in fields}
    level = "special" if kinds & ARTICLES.keys() else "personal" if fields else "internal"
    yield f"  - id: {name}"
    yield f"    location: [{_quoted(path)}]"
    yield "    owner: todo  # TODO: a team"
    yield f"    class: {level}"
    yield "    purposes: [todo]  # TODO: what it is used for"
    if not fields:
        return
    yield "    data_subjects: [todo]  # TODO: customer, patient, employee"
    if any(field.category.startswith("user.childrens") for field in fields):
        yield "    children: possible"
    yield "    source: {kind: collected}  # TODO: collected, third_party, public, scraped, synthetic, derived"
    yield "    retention: {period: P1Y, action: delete}  # TODO: how long"
    declared = [*_declared(tables)]
    yield "    fields:" if declared else "    fields: {}"
    yield from declared


def _declared(tables: Sequence[Overview]) -> Iterator[str]:
    beside = {text.name for table in tables for text in table.beside}
    by_name: dict[str, list[Field]] = {}
    for field in (field for table in tables for field in _in_order(table)):
        by_name.setdefault(field.name, []).append(field)
    for name, fields in by_name.items():
        categories = ", ".join(dict.fromkeys(field.category for field in fields))
        note = f"  # Art. {law} GDPR" if (law := next(filter(None, map(article, fields)), "")) else ""
        if name in beside:
            yield f"      # {inner(name)} stands beside the rows and holds {categories}: write the file anew without it"
        else:
            yield f"      {_quoted(name)}: {{categories: [{categories}], role: {role(fields[0])}}}{note}"


_PLAIN = re.compile(r"^[A-Za-z_][\w./\[\]-]*$", re.A)
_WORDS = frozenset(["true", "false", "yes", "no", "on", "off", "null", "y", "n"])


def _quoted(text: str) -> str:
    """Return text as YAML: as it stands when it is a plain word, else in quotes."""
    plain = bool(_PLAIN.match(text)) and text.lower() not in _WORDS and not set("[]") & set(text)
    return text if plain else json.dumps(redact.printable(text), ensure_ascii=False)


def _id(path: str, used: set[str]) -> str:
    """Return an id made of a path's last part, as the declaration wants it."""
    name = re.split(r"[\\/]", path.rstrip("/"))[-1].partition(".")[0].lower()
    plain = re.sub(r"[^a-z0-9_-]+", "-", redact.text(name)).strip("-_")
    plain = (plain if re.match(r"[a-z][a-z0-9_.-]", plain) else f"data-{plain}".rstrip("-"))[:56]
    chosen, number = plain, 1
    while chosen in used:
        number += 1
        chosen = f"{plain}-{number}"
    used.add(chosen)
    return chosen
