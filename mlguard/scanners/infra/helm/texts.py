"""Sprig's functions for text: cutting, casing, encoding, hashing, patterns, paths, addresses and versions."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import zlib
from bisect import bisect_right
from typing import Any
from urllib.parse import quote, unquote

from mlguard.errors import Unreadable
from mlguard.scanners.infra.helm import encoding, regex, versions, yamlout
from mlguard.scanners.infra.helm.containers import strings
from mlguard.scanners.infra.helm.functions import function, mapping, text, whole
from mlguard.scanners.infra.helm.printing import (
    MAX_TEXT,
    Failed,
    NoList,
    Strings,
    Traced,
    bounded,
    quoted,
    shifted,
    show,
    sprintf,
    text_of,
    unknown,
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


def _bytes(value: Any) -> bytes:
    return text(value).encode("utf-8", "surrogatepass")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


@function("trunc")
def _trunc(count: Any, value: Any) -> str:
    number = whole(count)
    data = _bytes(value)
    if number < 0 and len(data) + number > 0:
        return _text(data[number:])
    return _text(data[:number]) if 0 <= number < len(data) else text(value)


@function("substr")
def _substr(start: Any, end: Any, value: Any) -> str:
    data = _bytes(value)
    low, high = whole(start), whole(end)
    if low < 0:
        return _text(data[: high if high >= 0 else _beyond()])
    if high < 0 or high > len(data):
        return _text(data[low if low <= len(data) else _beyond() :])
    return _text(data[low:high]) if low <= high else _text(data[_beyond() :])


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


_WORDS = re.compile(r"[A-Z]+(?![a-z])\d*|[A-Z]?[^A-Z\d_\s-]+\d*|\d+")


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


# Encoding and hashing


@function("b64enc")
def _b64enc(value: Any) -> str:
    return base64.b64encode(_bytes(value)).decode("ascii")


@function("b64dec")
def _b64dec(value: Any) -> str:
    try:
        return _text(base64.b64decode(re.sub("[\r\n]", "", text(value)), validate=True))
    except (binascii.Error, ValueError):
        return "illegal base64 data at input byte 0"


@function("b32enc")
def _b32enc(value: Any) -> str:
    return base64.b32encode(_bytes(value)).decode("ascii")


@function("b32dec")
def _b32dec(value: Any) -> str:
    try:
        return _text(base64.b32decode(text(value)))
    except (binascii.Error, ValueError):
        return "illegal base32 data at input byte 0"


@function("sha1sum")
def _sha1sum(value: Any) -> str:
    return hashlib.sha1(_bytes(value), usedforsecurity=False).hexdigest()


@function("sha256sum")
def _sha256sum(value: Any) -> str:
    return hashlib.sha256(_bytes(value)).hexdigest()


@function("sha512sum")
def _sha512sum(value: Any) -> str:
    return hashlib.sha512(_bytes(value)).hexdigest()


@function("adler32sum")
def _adler32sum(value: Any) -> str:
    return str(zlib.adler32(_bytes(value)))


@function("toYaml", "mustToYaml", keeps=True)
def _to_yaml(value: Any) -> str:
    return bounded(yamlout.to_yaml(value))


@function("toYamlPretty", keeps=True)
def _to_yaml_pretty(value: Any) -> str:
    return bounded(yamlout.to_yaml(value, pretty=True))


@function("fromYaml", keeps=True)
def _from_yaml(value: Any) -> dict[str, Any]:
    try:
        found = encoding.load_yaml(text(value))
    except Unreadable as error:
        found = str(error)
    if not isinstance(found, dict) and unknown(value) is not None:
        raise Failed("reads a text that is not known")
    return found if isinstance(found, dict) else {} if found is None else {"Error": str(found)}


@function("fromYamlArray", keeps=True)
def _from_yaml_array(value: Any) -> list[Any]:
    try:
        found = encoding.load_yaml(text(value))
    except Unreadable as error:
        return [str(error)]
    return found if isinstance(found, list) else [] if found is None else ["not a list"]


@function("toJson", "mustToJson", keeps=True)
def _to_json(value: Any) -> str:
    return bounded(encoding.to_json(value))


@function("toPrettyJson", "mustToPrettyJson", keeps=True)
def _to_pretty_json(value: Any) -> str:
    return bounded(encoding.to_json(value, indent=2))


@function("toRawJson", "mustToRawJson", keeps=True)
def _to_raw_json(value: Any) -> str:
    return bounded(encoding.to_json(value, escape=False))


@function("fromJson", keeps=True)
def _from_json(value: Any) -> Any:
    try:
        found = encoding.from_json(text(value))
    except (ValueError, RecursionError):
        return {"Error": "not valid JSON"}
    return found if isinstance(found, dict) else {} if found is None else {"Error": "not a mapping"}


@function("mustFromJson")
def _must_from_json(value: Any) -> Any:
    return encoding.from_json(text(value))


@function("fromJsonArray", keeps=True)
def _from_json_array(value: Any) -> list[Any]:
    try:
        found = encoding.from_json(text(value))
    except (ValueError, RecursionError):
        return ["not valid JSON"]
    return found if isinstance(found, list) else [] if found is None else ["not a list"]


@function("toToml", "mustToToml", keeps=True)
def _to_toml(value: Any) -> str:
    return bounded(encoding.to_toml(value))


@function("fromToml")
def _from_toml(value: Any) -> Any:
    try:
        return encoding.from_toml(text(value))
    except ValueError:
        return {"Error": "not valid TOML"}


# Patterns


@function("regexMatch", "mustRegexMatch")
def _regex_match(pattern: Any, value: Any) -> bool:
    try:
        return regex.compiled(text(pattern)).search(text(value)) is not None
    except regex.Invalid:
        return False


@function("regexFind", "mustRegexFind")
def _regex_find(pattern: Any, value: Any) -> str:
    found = regex.compiled(text(pattern)).search(text(value))
    return value[found[0] : found[1]] if found else ""


@function("regexFindAll", "mustRegexFindAll")
def _regex_find_all(pattern: Any, value: Any, count: Any) -> list[str]:
    return [value[found[0] : found[1]] for found in regex.compiled(text(pattern)).matches(text(value), whole(count))]


@function("regexReplaceAll", "mustRegexReplaceAll")
def _regex_replace_all(pattern: Any, value: Any, new: Any) -> str:
    return _replaced(pattern, value, new, literal=False)


@function("regexReplaceAllLiteral", "mustRegexReplaceAllLiteral")
def _regex_replace_all_literal(pattern: Any, value: Any, new: Any) -> str:
    return _replaced(pattern, value, new, literal=True)


def _replaced(pattern: Any, value: Any, new: Any, literal: bool) -> str:
    parts: list[str] = []
    last = 0
    one = regex.compiled(text(pattern))
    for found in one.matches(text(value)):
        parts += [value[last : found[0]], text(new) if literal else regex.expanded(text(new), value, found, one.names)]
        last = found[1]
    return bounded("".join([*parts, value[last:]]))


@function("regexSplit", "mustRegexSplit")
def _regex_split(pattern: Any, value: Any, count: Any) -> list[str]:
    limit = whole(count)
    if limit == 0:
        return NoList()
    if pattern and not value:
        return [""]
    parts: list[str] = []
    begin = end = 0
    for found in regex.compiled(text(pattern)).matches(text(value), limit):
        if limit > 0 and len(parts) == limit - 1:
            break
        end = found[0]
        if found[1] != 0:
            parts.append(value[begin:end])
        begin = found[1]
    if end != len(value):
        parts.append(value[begin:])
    return parts


@function("regexQuoteMeta")
def _regex_quote_meta(value: Any) -> str:
    return re.sub(r"[\\.+*?()|\[\]{}^$]", r"\\\g<0>", text(value))


# Paths and addresses


@function("base", "osBase", keeps=True)
def _base(value: Any) -> str:
    if not text(value):
        return "."
    return value.rstrip("/").rpartition("/")[2] or "/"


@function("dir", "osDir", keeps=True)
def _dir(value: Any) -> str:
    head, slash, _ = text(value).rpartition("/")
    return _cleaned(head + slash)


@function("clean", "osClean", keeps=True)
def _clean(value: Any) -> str:
    return _cleaned(text(value))


def _cleaned(path: str) -> str:
    rooted = path.startswith("/")
    parts: list[str] = []
    for step in path.split("/"):
        if step == ".." and parts and parts[-1] != "..":
            parts.pop()
        elif step == ".." and not rooted or step not in ("", ".", ".."):
            parts.append(step)
    return ("/" if rooted else "") + "/".join(parts) or ("/" if rooted else ".")


@function("ext", "osExt", keeps=True)
def _ext(value: Any) -> str:
    name = text(value).rpartition("/")[2]
    return "." + name.rpartition(".")[2] if "." in name else ""


@function("isAbs", "osIsAbs", keeps=True)
def _is_abs(value: Any) -> bool:
    return text(value).startswith("/")


_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")


@function("urlParse")
def _url_parse(value: Any) -> dict[str, Any]:
    rest, _, fragment = text(value).partition("#")
    match = _SCHEME.match(rest)
    scheme, rest = (match[1].lower(), rest[match.end() :]) if match else ("", rest)
    if rest.startswith(":"):
        raise ValueError("no scheme")
    rest, _, query = rest.partition("?")
    opaque = host = user = ""
    if rest.startswith("//"):
        place, slash, path = rest[2:].partition("/")
        path = slash + path
        user, _, host = place.rpartition("@")
        if re.search(r":[^0-9\]]+$", host) or " " in host:
            raise ValueError("no port")
    elif scheme and not rest.startswith("/"):
        opaque, path = rest, ""
    else:
        path = rest
    name = re.sub(r":\d*$", "", host)
    return {
        "scheme": scheme,
        "host": host,
        "hostname": name[1:-1] if name.startswith("[") else name,
        "path": unquote(path),
        "query": query,
        "opaque": opaque,
        "fragment": unquote(fragment),
        "userinfo": user,
    }


@function("urlJoin")
def _url_join(value: Any) -> str:
    parts = {
        key: text(mapping(value).get(key, ""))
        for key in (*["scheme", "host", "path", "query", "opaque", "fragment", "userinfo"],)
    }
    result = f"{parts['scheme']}:" if parts["scheme"] else ""
    if parts["opaque"]:
        result += parts["opaque"]
    else:
        if parts["scheme"] or parts["host"] or parts["userinfo"]:
            if parts["host"] or parts["userinfo"] or parts["path"].startswith("//") or parts["path"]:
                result += "//"
            result += f"{parts['userinfo']}@" if parts["userinfo"] else ""
            result += parts["host"]
        path = quote(parts["path"], safe="/!$&'()*+,;=:@~-._")
        result += ("/" if path and not path.startswith("/") and parts["host"] else "") + path
    result += f"?{parts['query']}" if parts["query"] else ""
    return result + (f"#{quote(parts['fragment'], safe=_FRAGMENT)}" if parts["fragment"] else "")


_FRAGMENT = "/!$&'()*+,;=:@~-._?"

# Versions


@function("semver")
def _semver(value: Any) -> versions.Version:
    return versions.version(text(value))


@function("semverCompare")
def _semver_compare(constraint: Any, value: Any) -> bool:
    return versions.satisfies(text(constraint), versions.version(text(value)))
