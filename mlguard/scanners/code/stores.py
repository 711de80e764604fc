"""Checks on personal data in caches, cookies, file names, temporary files, exports, and on addresses of people that are stored."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from mlguard import lazy
from mlguard.scanners.code import frames, lexicon
from mlguard.scanners.code.hiding import called, cleans, is_clean
from mlguard.scanners.code.lexicon import Term
from mlguard.scanners.code.names import Names
from mlguard.scanners.code.personal import first, personal
from mlguard.scanners.code.seeing import Call, Place, Sight, on_call, on_node
from mlguard.scanners.code.tree import ITEM, Scope

CACHE = "code/personal-data-in-cache"
EXPORT = "code/unprotected-personal-export"
NETWORK = "code/raw-network-identifier"

_CACHES = lazy.pattern(
    r"(?:^|_)(?:cache|caches|redis|memcache|memcached|mc|lru|diskcache|shelf|rdb|kv|session_store|cachetools)(?:_|$)",
    re.I,
)
_CACHE_PATHS = (
    "redis.",
    "pymemcache.",
    "memcache.",
    "diskcache.",
    "django.core.cache.",
    "aiocache.",
    "cachetools.",
    "valkey.",
    "pylibmc.",
    "flask_caching.",
    "streamlit.session_state",
)
_KEYED = frozenset(
    {
        "set",
        "get",
        "add",
        "delete",
        "setex",
        "psetex",
        "hset",
        "hget",
        "get_or_set",
        "incr",
        "setnx",
        "exists",
        "expire",
        "touch",
        "getset",
        "lpush",
        "rpush",
        "sadd",
        "append",
        "hmset",
        "zadd",
        "get_many",
        "set_many",
    }
)
_EXPIRES = frozenset(
    {
        "ex",
        "px",
        "exat",
        "pxat",
        "ttl",
        "timeout",
        "expire",
        "time",
        "expire_time",
        "expiration",
        "max_age",
        "expires",
        "Expires",
        "keepttl",
    }
)
_PUTS = frozenset(
    {"set", "hset", "hmset", "lpush", "rpush", "sadd", "setnx", "append", "zadd", "getset", "json_set", "mset"}
)


@on_call(
    *_KEYED,
    "mset",
    "set_cookie",
    "set_signed_cookie",
    "delete_cookie",
    "put_object",
    "upload_fileobj",
    "insert_one",
    "insert_many",
    personal=True,
)
def cached(call: Call) -> Iterator[Sight]:
    """Personal data in cookies, in keys of caches, and in stores that never forget."""
    node = call.node
    if all(value.__class__ is ast.Constant for value in (*node.args, *(k.value for k in node.keywords))):
        return
    if call.last in ("set_cookie", "set_signed_cookie"):
        found = first(
            [*node.args[:2], *(call.keywords[key] for key in ("key", "value") if key in call.keywords)],
            call.scope,
            call.names,
        )
        found = found or _named_value(call)
        if found is not None:
            yield call.sees(CACHE, "cookie", term=found.label)
        return
    if call.last in ("put_object", "upload_fileobj"):
        yield from _object(call)
        return
    if call.last in ("insert_one", "insert_many"):
        yield from _inserted(call)
        return
    if not _is_cache(call):
        return
    key = call.argument(0, "key", "name")
    found = personal(key, call.scope, call.names) if key is not None else None
    if found is not None:
        yield call.sees(CACHE, "cache-key", term=found.label)
    elif call.last in _PUTS and _is_redis(call) and not _EXPIRES & set(call.keywords) and not _expires_later(call):
        found = first(
            [*node.args[1:], *(k.value for k in node.keywords if k.arg in ("value", "mapping"))], call.scope, call.names
        )
        if found is not None and not (
            call.last == "set" and len(node.args) > 2 and not isinstance(node.args[2], ast.Constant)
        ):
            yield call.sees(CACHE, "store-without-expiry", term=found.label)


@on_node(
    ast.Assign,
    words={"cache", "_cache", "session", "redis", "redis_client", "lru", "caches"},
    personal=True,
    targets=(ITEM,),
)
def kept(node: ast.Assign, place: Place) -> Iterator[Sight]:
    """Personal data as the key of a cache that is a mapping, and in a session that is kept in a cookie."""
    target = node.targets[0]
    if not isinstance(target, ast.Subscript):
        return
    owner = place.names.written(target.value).rsplit(".", 1)[-1]
    if _CACHES.search(owner):
        found = personal(target.slice, place.scope, place.names) if not isinstance(target.slice, ast.Constant) else None
        if found is not None:
            yield Sight(CACHE, "cache-key", node, {"call": owner, "term": found.label})
    elif place.names.path(target.value, place.scope) == "flask.session" and not isinstance(node.value, ast.Constant):
        found = personal(node.value, place.scope, place.names)
        if found is not None:
            yield Sight(CACHE, "cookie", node, {"call": "flask.session", "term": found.label})


def _named_value(call: Call) -> Term | None:
    """Return what a cookie's name says of its value."""
    name, value = call.constant(call.argument(0, "key")), call.argument(1, "value")
    if (
        not isinstance(name, str)
        or value is None
        or call.is_constant(value)
        or not isinstance(value, ast.Name | ast.Attribute | ast.Subscript)
    ):
        return None
    return lexicon.term(name) if not is_clean(call.names.written(value)) else None


def _is_cache(call: Call) -> bool:
    if call.path.startswith(_CACHE_PATHS):
        return True
    owner = call.names.written(call.receiver).replace(".()", "").rsplit(".", 1)[-1] if call.receiver is not None else ""
    return not call.path and bool(_CACHES.search(owner))


def _is_redis(call: Call) -> bool:
    owner = call.names.written(call.receiver) if call.receiver is not None else ""
    return call.path.startswith(("redis.", "valkey.", "pymemcache.", "aioredis.")) or "redis" in owner.lower()


def _expires_later(call: Call) -> bool:
    """Say whether the function sets an expiry in a call of its own."""
    return any(
        call.source.tree.scope(other) is call.scope
        for name in ("expire", "pexpire", "expireat")
        for other in call.source.tree.calls_by_name.get(name, ())[:50]
    )


def _object(call: Call) -> Iterator[Sight]:
    """Personal data in an object store: in its key, or kept without an end."""
    key = call.argument(-1, "Key", "key")
    found = personal(key, call.scope, call.names) if key is not None else None
    if found is not None:
        yield call.sees(CACHE, "file-name", term=found.label)
        return
    body = call.argument(-1, "Body")
    if (
        body is not None
        and "Expires" not in call.keywords
        and "ServerSideEncryption" not in call.keywords
        and (kept := personal(body, call.scope, call.names))
    ):
        yield call.sees(CACHE, "store-without-expiry", term=kept.label)


def _inserted(call: Call) -> Iterator[Sight]:
    """Documents with personal data in a collection that has no index for expiry."""
    tree = call.source.tree
    if tree.roots.isdisjoint(("pymongo", "motor")) or "expireAfterSeconds" in tree.identifiers:
        return
    found = first(call.node.args[:1], call.scope, call.names)
    keys = set(call.names.entries(call.node.args[0], call.scope)) if call.node.args else set()
    if (
        found is not None
        and not found.network
        and not any(re.search(r"expire|ttl|delete_at|retention", key, re.I) for key in keys)
    ):
        yield call.sees(CACHE, "store-without-expiry", term=found.label)


# Files

_WRITES = {"to_csv": 0, "to_parquet": 0, "to_json": 0, "to_excel": 0, "to_feather": 0, "to_pickle": 0, "to_hdf": 0, "to_sql": 0, "to_stata": 0, "to_orc": 0, "to_xml": 0,
           "to_html": 0, "to_gbq": 0, "write_csv": 0, "write_parquet": 0, "write_json": 0, "write_ndjson": 0, "write_excel": 0, "write_ipc": 0, "sink_csv": 0, "sink_parquet": 0, "write_database": 0,
           "csv": 0, "parquet": 0, "json": 0, "orc": 0, "saveAsTable": 0, "save": 0, "insertInto": 0, "to_delta": 0, "write_delta": 0, "to_clipboard": 0, "to_latex": 0}  # fmt: skip
_FRAME_WRITES = (
    "to_csv",
    "to_parquet",
    "to_json",
    "to_excel",
    "to_feather",
    "to_pickle",
    "to_hdf",
    "write_csv",
    "write_parquet",
    "write_json",
    "savetxt",
)
_TEMP = lazy.pattern(r"^(?:/tmp/|/var/tmp/|/dev/shm/|/usr/tmp/|[A-Za-z]:\\+(?:Windows\\+)?Temp\\+)", re.I)
PROTECTED = lazy.pattern(
    r"\.(?:gpg|pgp|enc|age|asc|aes|crypt)$|encrypt|anonym|pseudon|redact|masked|synthetic|deident|hashed|/dev/null",
    re.I,
)


@on_call(*_WRITES, personal=True)
def exported(call: Call) -> Iterator[Sight]:
    """Frames with columns of personal data that are written in clear, and files in temporary folders."""
    receiver = call.receiver
    if receiver is None:
        return
    spark = call.last in ("csv", "parquet", "json", "orc", "saveAsTable", "save", "insertInto")
    source: ast.AST | None = receiver
    if spark:
        source = _written_frame(receiver)
        if source is None:
            return
    target = call.argument(0, "path_or_buf", "path", "excel_writer", "file", "name", "buf")
    name = call.constant(target)
    listed = call.keywords.get("columns")
    chosen = (
        frames.strings(listed, call.scope, call.names)
        if listed is not None
        else frames.columns_of(source, call.scope, call.names)
    )
    found = frames.term_of_columns(chosen)
    text = name if isinstance(name, str) else ""
    if found is not None and _TEMP.match(text):
        yield call.sees(CACHE, "predictable-temp-file", term=found.label)
    if found is None and target is not None and not isinstance(target, ast.Constant):
        in_name = personal(target, call.scope, call.names)
        if in_name is not None:
            yield call.sees(CACHE, "file-name", term=in_name.label)
        return
    if (
        found is None
        or PROTECTED.search(text)
        or (target is None and call.last in ("to_csv", "to_json", "to_html", "to_latex", "to_xml"))
    ):
        return
    if (
        "encryption_properties" in call.keywords
        or "storage_options" in call.keywords
        and _encrypts(call.keywords["storage_options"])
    ):
        return
    if target is not None and (cleans(target) or is_buffer(target, call)):
        return
    yield call.sees(EXPORT, "frame-export", term=found.label)


@on_call(*_FRAME_WRITES)
def temporary(call: Call) -> Iterator[Sight]:
    """Frames that are written to a temporary folder under a name that tells of people."""
    text = call.constant(call.argument(0, "path_or_buf", "path", "file"))
    if isinstance(text, str) and _TEMP.match(text) and call.receiver is not None and _about_persons(text):
        yield call.sees(CACHE, "predictable-temp-file", term="records of persons")


def _encrypts(options: ast.AST) -> bool:
    texts = (inner.value for inner in ast.walk(options) if isinstance(inner, ast.Constant))
    return any(isinstance(text, str) and "encrypt" in text.lower() for text in texts)


def _written_frame(receiver: ast.AST) -> ast.AST | None:
    """Return the frame of ``frame.write.mode("x").option(…)``."""
    node = receiver
    while isinstance(node, ast.Call | ast.Attribute):
        if isinstance(node, ast.Attribute) and node.attr in ("write", "writeStream"):
            return node.value
        node = node.func if isinstance(node, ast.Call) else node.value
    return None


def _about_persons(path: str) -> bool:
    stem = PurePosixPath(path.replace("\\", "/")).name.split(".")[0]
    return (lexicon.is_person(stem) or lexicon.term(stem) is not None) and not lexicon.denied(stem)


def is_buffer(target: ast.AST, call: Call) -> bool:
    path = call.names.path(target, call.scope)
    return path.startswith(("io.StringIO", "io.BytesIO", "sys.stdout"))


_OPENS = frozenset({"open", "io.open", "gzip.open", "codecs.open", "pathlib.Path", "os.makedirs", "os.mkdir", "joblib.dump", "numpy.save", "numpy.savez", "torch.save", "cv2.imwrite",
                    "shutil.copy", "shutil.move", "os.rename", "aiofiles.open", "matplotlib.pyplot.savefig", "os.replace", "tempfile.NamedTemporaryFile", "tempfile.mkstemp", "tempfile.mkdtemp"})  # fmt: skip


@on_call(
    *(path.rpartition(".")[2] for path in _OPENS), "write_text", "write_bytes", "upload_file", "mkdir", personal=True
)
def named_files(call: Call) -> Iterator[Sight]:
    """Personal data in names of files and folders."""
    node = call.node
    if call.path in _OPENS:
        position = (
            1
            if call.path in ("joblib.dump", "torch.save", "shutil.copy", "shutil.move", "os.rename", "os.replace")
            else 0
        )
        named = [
            *node.args[position : position + 1],
            *(k.value for k in node.keywords if k.arg in ("prefix", "suffix", "file", "filename", "f")),
        ]
        if call.path in ("open", "io.open", "gzip.open", "codecs.open", "aiofiles.open"):
            mode = call.constant(call.argument(1, "mode"))
            if not (isinstance(mode, str) and set("wax+") & set(mode)):
                return  # what is only read is named elsewhere
        elif call.path == "pathlib.Path":
            return
    elif call.last in ("write_text", "write_bytes", "mkdir") and call.receiver is not None:
        named = [call.receiver]
    elif call.last == "upload_file" and len(node.args) > 2:
        named = [node.args[2]]
    else:
        return
    for value in named:
        if not isinstance(value, ast.Constant) and (found := _in_path(value, call.scope, call.names)) is not None:
            yield call.sees(CACHE, "file-name", term=found.label)
            return


def _is_path(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        return called(node) == "Path"
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)


def _in_path(node: ast.AST, scope: Scope, names: Names, depth: int = 4) -> Term | None:
    """Return what a path shows: also ``folder / f"{email}.json"`` and ``Path(…)``."""
    if depth == 0:
        return None
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        return _in_path(node.right, scope, names, depth - 1) or _in_path(node.left, scope, names, depth - 1)
    if isinstance(node, ast.Call) and called(node) == "Path":
        return next((found for arg in node.args if (found := _in_path(arg, scope, names, depth - 1))), None)
    single = names.single(node.id, scope) if isinstance(node, ast.Name) else None
    if single is not None and _is_path(single[0]):
        return _in_path(single[0], single[1], names, depth - 1)
    if isinstance(node, ast.Name) and lexicon.term(node.id) is not None:
        return personal(node, scope, names) if not re.search(r"path|file|dir", node.id) else None
    return personal(node, scope, names)


# Addresses of people

_SOURCES = frozenset({"remote_addr", "access_route", "REMOTE_ADDR", "HTTP_X_FORWARDED_FOR", "X-Forwarded-For", "x-forwarded-for", "X-Real-IP", "x-real-ip", "HTTP_X_REAL_IP",
                      "CF-Connecting-IP", "remote_ip", "client_ip", "client_addr", "user_ip", "True-Client-IP", "get_client_ip", "get_remote_address", "remote_host"})  # fmt: skip
_KEYS = frozenset({"ip", "ip_address", "ip_addr", "ipaddress", "client_ip", "remote_addr", "remote_ip", "user_ip", "device_id", "fingerprint", "device_fingerprint",
                   "latitude", "longitude", "geolocation", "gps", "imei", "mac_address", "advertising_id", "idfa", "gaid"})  # fmt: skip
_STORES = frozenset(
    "insert insert_one insert_many add create save put put_item write writerow upsert update_one replace_one index execute executemany append send produce publish bulk_create "  # noqa: SIM905
    "update set add_all merge record store persist lpush rpush xadd hset get_or_create update_or_create document insert_rows insert_rows_json".split()
)
_PLACES = lazy.pattern(
    r"(?:^|_)(?:db|database|collection|table|repo|repository|session|cursor|cur|conn|connection|coll|storage|store|objects|es|redis|producer|writer|events?|visits?|requests?_log|logs?|history|dao|bucket|mongo|ledger|audit)(?:_|$)|^db\.|objects$",
    re.I,
)


@on_call(*_STORES, words=_SOURCES | {"client", "device_id", "imei", "latitude", "geolocation", "gps"})
def stored_addresses(call: Call) -> Iterator[Sight]:
    """Network addresses and device identifiers of people that are stored as they came."""
    node = call.node
    if call.receiver is None or not (node.args or node.keywords):
        return
    owner = call.names.written(call.receiver).replace(".()", "")
    if not _PLACES.search(owner.rsplit(".", 1)[-1]) and not _PLACES.search(owner.split(".", 1)[0]):
        return
    for value in (*node.args, *(k.value for k in node.keywords)):
        if value.__class__ is not ast.Constant and _raw(value, call):
            yield call.sees(NETWORK, "stored-address")
            return
    for keyword in node.keywords:
        if keyword.arg in _KEYS and _from_request(keyword.value, call):
            yield call.sees(NETWORK, "stored-address")
            return


def _raw(node: ast.AST, call: Call, depth: int = 5) -> bool:
    """Say whether a value holds the address that a request came from."""
    if depth == 0:
        return False
    if isinstance(node, ast.Dict):
        pairs = zip(node.keys, node.values, strict=True)
        return any(
            _raw(value, call, depth - 1)
            or (isinstance(key, ast.Constant) and key.value in _KEYS and _from_request(value, call))
            for key, value in pairs
        )
    if isinstance(node, ast.Attribute):
        if node.attr in _SOURCES:
            return True
        return node.attr == "host" and isinstance(node.value, ast.Attribute) and node.value.attr == "client"
    if isinstance(node, ast.Subscript):
        return (
            isinstance(node.slice, ast.Constant)
            and node.slice.value in _SOURCES
            or (not isinstance(node.slice, ast.Slice) and _raw(node.value, call, depth - 1))
        )
    if isinstance(node, ast.Call):
        name = called(node)
        if is_clean(name):
            return False
        if name in ("get_client_ip", "get_remote_address", "get_ip"):
            return True
        if (
            name in ("get", "getlist")
            and node.args
            and isinstance(node.args[0], ast.Constant)
            and node.args[0].value in _SOURCES
        ):
            return True
        if name in ("split", "strip", "decode", "lower", "format", "join") and isinstance(node.func, ast.Attribute):
            return _raw(node.func.value, call, depth - 1) or any(_raw(arg, call, depth - 1) for arg in node.args)
        if name in ("str", "dict", "tuple", "list", "dumps") or name[:1].isupper():
            return any(_raw(arg, call, depth - 1) for arg in node.args) or any(
                _raw(k.value, call, depth - 1) or (k.arg in _KEYS and _from_request(k.value, call))
                for k in node.keywords
            )
        return False
    if isinstance(node, ast.Name):
        holder = call.names.holder(node.id, call.scope)
        values = holder.values.get(node.id, [])[:6] if holder is not None else []
        if holder is not None and any(_raw(value, call, depth - 1) for value in values if value is not None):
            return True
        grown = holder.grown.get(node.id, [])[:6] if holder is not None else []
        if any(_raw(value, call, depth - 1) for value in grown):
            return True
        entries = holder.entries.get(node.id, {}) if holder is not None else {}
        if any(_raw(value, call, depth - 1) for value in entries.values()):
            return True
        known = lexicon.term(node.id)
        return known is not None and known.network and not any(value is not None and cleans(value) for value in values)
    if isinstance(node, ast.Tuple | ast.List):
        return any(_raw(item, call, depth - 1) for item in node.elts[:50])
    if isinstance(node, ast.JoinedStr):
        return any(_raw(part.value, call, depth - 1) for part in node.values if isinstance(part, ast.FormattedValue))
    if isinstance(node, ast.BoolOp):
        return any(_raw(item, call, depth - 1) for item in node.values)
    if isinstance(node, ast.IfExp):
        return _raw(node.body, call, depth - 1) or _raw(node.orelse, call, depth - 1)
    return False


def _from_request(value: ast.AST, call: Call) -> bool:
    """Say whether a value comes from a request or a person."""
    if cleans(value) or isinstance(value, ast.Constant):
        return False
    written = call.names.written(value).lower()
    return any(
        word in written for word in ("request", "user", "visitor", "customer", "device", "headers", "payload")
    ) or _raw(value, call)


CHECKS = (cached, kept, exported, temporary, named_files, stored_addresses)
