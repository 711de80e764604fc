"""Sprig's functions for text: indenting, cutting, casing, joining."""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import Any

from mlguard.scanners import lazy
from mlguard.scanners.infra.helm.functions import function, text, whole
from mlguard.scanners.infra.helm.listings import strings
from mlguard.scanners.infra.helm.printing import (
    MAX_TEXT,
    Failed,
    Strings,
    Traced,
    bounded,
    from_utf8,
    quoted,
    shifted,
    show,
    sprintf,
    text_of,
    utf8,
)

# Indenting and trimming keep what a text knows of its origin


@function("indent", keeps=True)
def _indent(spaces: Any, value: Any) -> str:
    return indented(whole(spaces), text(value))


@function("nindent", keeps=True)
def _nindent(spaces: Any, value: Any) -> str:
    result = indented(whole(spaces), text(value))
    return shifted("\n" + result, result.marks, 1) if isinstance(result, Traced) else "\n" + result


def indented(spaces: int, value: str) -> str:
    """Return a text with blanks before each of its lines."""
    if spaces < 0 or spaces * (value.count("\n") + 1) + len(value) > MAX_TEXT:
        raise Failed("indents a text by too much")
    pad = " " * spaces
    result = pad + value.replace("\n", "\n" + pad)
    if not isinstance(value, Traced):
        return result
    marks: list[Any] = []
    lines = [0, *(match.end() for match in re.finditer("\n", value))]
    for index, (start, source, offset, exact) in enumerate(value.marks):
        line = bisect_right(lines, start)
        marks.append((start + spaces * line, source, offset, exact))
        stop = value.marks[index + 1][0] if index + 1 < len(value.marks) else len(value)
        while exact and line < len(lines) and lines[line] < stop:
            marks.append((lines[line] + spaces * (line + 1), source, offset + lines[line] - start, True))
            line += 1
    return Traced(result, marks)


def _cut(value: str, left: int, right: int) -> str:
    """Return ``value[left:right]``, which knows its origin as the whole did."""
    return shifted(value[left:right], value.marks, -left) if isinstance(value, Traced) else value[left:right]


@function("trim", keeps=True)
def _trim(value: Any) -> str:
    left = len(text(value)) - len(text(value).lstrip())
    return _cut(value, left, len(value.rstrip()) if left < len(value) else left)


@function("trimAll", "trimall", keeps=True)
def _trim_all(signs: Any, value: Any) -> str:
    if not text(signs):
        return text(value)
    left = len(text(value)) - len(text(value).lstrip(signs))
    return _cut(value, left, len(value.rstrip(signs)) if left < len(value) else left)


@function("trimSuffix", keeps=True)
def _trim_suffix(suffix: Any, value: Any) -> str:
    return _cut(value, 0, len(value) - len(suffix)) if text(suffix) and text(value).endswith(suffix) else text(value)


@function("trimPrefix", keeps=True)
def _trim_prefix(prefix: Any, value: Any) -> str:
    return _cut(value, len(prefix), len(value)) if text(prefix) and text(value).startswith(prefix) else text(value)


@function("toString", keeps=True)
def _to_string(value: Any) -> str:
    return text_of(value)


# Other changes


@function("quote", keeps=True)
def _quote(*values: Any) -> str:
    return " ".join(quoted(text_of(value)) for value in values if value is not None)


@function("squote", keeps=True)
def _squote(*values: Any) -> str:
    return " ".join(f"'{show(value)}'" for value in values if value is not None)


@function("cat", keeps=True)
def _cat(*values: Any) -> str:
    given = [value for value in values if value is not None]
    return sprintf(("%v " * len(given)).strip(), given)


@function("upper", keeps=True)
def _upper(value: Any) -> str:
    return text(value).upper()


@function("lower", keeps=True)
def _lower(value: Any) -> str:
    return text(value).lower()


@function("title")
def _title(value: Any) -> str:
    return re.sub(r"(?<![\w])(\w)", lambda match: match[1].upper(), text(value))


@function("untitle")
def _untitle(value: Any) -> str:
    return re.sub(r"(^|\s)(\S)", lambda match: match[1] + match[2].lower(), text(value))


@function("swapcase")
def _swapcase(value: Any) -> str:
    return text(value).swapcase()


@function("trunc")
def _trunc(count: Any, value: Any) -> str:
    number = whole(count)
    data = utf8(text(value))
    if number < 0 and len(data) + number > 0:
        return from_utf8(data[number:])
    return from_utf8(data[:number]) if 0 <= number < len(data) else text(value)


@function("substr")
def _substr(start: Any, end: Any, value: Any) -> str:
    data = utf8(text(value))
    low, high = whole(start), whole(end)
    if low < 0:
        return from_utf8(data[: high if high >= 0 else _beyond()])
    if high < 0 or high > len(data):
        return from_utf8(data[low if low <= len(data) else _beyond() :])
    return from_utf8(data[low:high]) if low <= high else from_utf8(data[_beyond() :])


def _beyond() -> int:
    raise Failed("cuts a text beyond its end")


@function("repeat")
def _repeat(count: Any, value: Any) -> str:
    if whole(count) < 0 or whole(count) * len(text(value)) > MAX_TEXT:
        raise Failed("repeats a text too often")
    return text(value) * whole(count)


@function("nospace")
def _nospace(value: Any) -> str:
    return "".join(text(value).split())


@function("initials")
def _initials(value: Any) -> str:
    return "".join(word[0] for word in text(value).split())


@function("replace", keeps=True)
def _replace(old: Any, new: Any, value: Any) -> str:
    if text(value).count(text(old)) * len(text(new)) + len(value) > MAX_TEXT:
        raise Failed("makes a text that is too long")
    return text(value).replace(old, new)


@function("plural")
def _plural(one: Any, many: Any, count: Any) -> str:
    return text(one) if whole(count) == 1 else text(many)


@function("abbrev")
def _abbrev(width: Any, value: Any) -> str:
    size = whole(width)
    return text(value) if size < 4 or len(text(value)) <= size else f"{value[: size - 3]}..."


@function("abbrevboth")
def _abbrevboth(left: Any, right: Any, value: Any) -> str:
    offset, width, whole_text = whole(left), whole(right), text(value)
    if width < 4 or offset > 0 and width < 7 or len(whole_text) <= width:
        return whole_text
    offset = min(offset, len(whole_text))
    if len(whole_text) - offset < width - 3:
        offset = len(whole_text) - (width - 3)
    if offset <= 4:
        return whole_text[: width - 3] + "..."
    if offset + width - 3 < len(whole_text):
        return "..." + str(_abbrev(width - 3, whole_text[offset:]))
    return "..." + whole_text[len(whole_text) - (width - 3) :]


@function("wrap")
def _wrap(width: Any, value: Any) -> str:
    return _wrapped(text(value), whole(width), "\n", False)


@function("wrapWith")
def _wrap_with(width: Any, separator: Any, value: Any) -> str:
    return _wrapped(text(value), whole(width), text(separator) or "\n", True)


def _wrapped(value: str, width: int, separator: str, cuts: bool) -> str:
    width = max(width, 1)
    parts: list[str] = []
    at = 0
    while len(value) - at > width:
        if value[at] == " ":
            at += 1
            continue
        space = value.rfind(" ", at, at + width + 1)
        if space < at and cuts:
            parts.append(value[at : at + width])
            at += width
            continue
        space = space if space >= at else value.find(" ", at + width)
        if space < 0:
            break
        parts.append(value[at:space])
        at = space + 1
    return bounded(separator.join([*parts, value[at:]]))


_WORDS = lazy.pattern(r"[A-Z]+(?![a-z])\d*|[A-Z]?[^A-Z\d_\s-]+\d*|\d+")


@function("snakecase")
def _snakecase(value: Any) -> str:
    return "_".join(word.lower() for word in _WORDS.findall(text(value)))


@function("kebabcase")
def _kebabcase(value: Any) -> str:
    return "-".join(word.lower() for word in _WORDS.findall(text(value)))


@function("camelcase")
def _camelcase(value: Any) -> str:
    lead = re.match(r"[_\- ]*", text(value))
    words = [word for word in re.split(r"[_\- ]+", text(value)) if word]
    return (lead.group() if lead else "") + "".join(
        word[0].upper() + (word[1:].lower() if word.isupper() else word[1:]) for word in words
    )


@function("contains", keeps=True)
def _contains(part: Any, value: Any) -> bool:
    return text(part) in text(value)


@function("hasPrefix", keeps=True)
def _has_prefix(part: Any, value: Any) -> bool:
    return text(value).startswith(text(part))


@function("hasSuffix", keeps=True)
def _has_suffix(part: Any, value: Any) -> bool:
    return text(value).endswith(text(part))


# Lists of texts


@function("join", keeps=True)
def _join(separator: Any, value: Any) -> str:
    return bounded(text(separator).join(strings(value)))


def _parts(separator: str, value: str, limit: int = -1) -> list[str]:
    if limit == 0:
        return []
    if not separator:
        letters = list(value)
        return letters if limit < 0 or len(letters) <= limit else [*letters[: limit - 1], "".join(letters[limit - 1 :])]
    return value.split(separator, limit - 1 if limit > 0 else -1)


@function("split")
def _split(separator: Any, value: Any) -> Strings:
    return Strings({f"_{index}": part for index, part in enumerate(_parts(text(separator), text(value)))})


@function("splitn")
def _splitn(separator: Any, count: Any, value: Any) -> Strings:
    parts = _parts(text(separator), text(value), whole(count))
    return Strings({f"_{index}": part for index, part in enumerate(parts)})


@function("splitList")
def _split_list(separator: Any, value: Any) -> list[str]:
    return _parts(text(separator), text(value))
