"""Sprig's and Helm's functions for what a text means elsewhere: encodings, hashes, patterns, paths, addresses, versions."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import zlib
from typing import Any
from urllib.parse import quote, unquote

from mlguard.errors import Unreadable
from mlguard.scanners import lazy
from mlguard.scanners.infra import re2
from mlguard.scanners.infra.helm import encoding, versions, yamlout
from mlguard.scanners.infra.helm.functions import function, mapping, text, whole
from mlguard.scanners.infra.helm.printing import Failed, NoList, bounded, from_utf8, unknown, utf8

# Encoding and hashing


@function("b64enc")
def _b64enc(value: Any) -> str:
    return base64.b64encode(utf8(text(value))).decode("ascii")


@function("b64dec")
def _b64dec(value: Any) -> str:
    try:
        return from_utf8(base64.b64decode(re.sub("[\r\n]", "", text(value)), validate=True))
    except (binascii.Error, ValueError):
        return "illegal base64 data at input byte 0"


@function("b32enc")
def _b32enc(value: Any) -> str:
    return base64.b32encode(utf8(text(value))).decode("ascii")


@function("b32dec")
def _b32dec(value: Any) -> str:
    try:
        return from_utf8(base64.b32decode(text(value)))
    except (binascii.Error, ValueError):
        return "illegal base32 data at input byte 0"


@function("sha1sum")
def _sha1sum(value: Any) -> str:
    return hashlib.sha1(utf8(text(value)), usedforsecurity=False).hexdigest()


@function("sha256sum")
def _sha256sum(value: Any) -> str:
    return hashlib.sha256(utf8(text(value))).hexdigest()


@function("sha512sum")
def _sha512sum(value: Any) -> str:
    return hashlib.sha512(utf8(text(value))).hexdigest()


@function("adler32sum")
def _adler32sum(value: Any) -> str:
    return str(zlib.adler32(utf8(text(value))))


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
        return re2.compiled(text(pattern)).search(text(value)) is not None
    except re2.Invalid:
        return False


@function("regexFind", "mustRegexFind")
def _regex_find(pattern: Any, value: Any) -> str:
    found = re2.compiled(text(pattern)).search(text(value))
    return value[found[0] : found[1]] if found else ""


@function("regexFindAll", "mustRegexFindAll")
def _regex_find_all(pattern: Any, value: Any, count: Any) -> list[str]:
    return [value[found[0] : found[1]] for found in re2.compiled(text(pattern)).matches(text(value), whole(count))]


@function("regexReplaceAll", "mustRegexReplaceAll")
def _regex_replace_all(pattern: Any, value: Any, new: Any) -> str:
    return _replaced(pattern, value, new, literal=False)


@function("regexReplaceAllLiteral", "mustRegexReplaceAllLiteral")
def _regex_replace_all_literal(pattern: Any, value: Any, new: Any) -> str:
    return _replaced(pattern, value, new, literal=True)


def _replaced(pattern: Any, value: Any, new: Any, literal: bool) -> str:
    parts: list[str] = []
    last = 0
    one = re2.compiled(text(pattern))
    for found in one.matches(text(value)):
        parts += [value[last : found[0]], text(new) if literal else re2.expanded(text(new), value, found, one.names)]
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
    for found in re2.compiled(text(pattern)).matches(text(value), limit):
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


_SCHEME = lazy.pattern(r"([A-Za-z][A-Za-z0-9+.-]*):")


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
