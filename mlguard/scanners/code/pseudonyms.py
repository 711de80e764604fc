"""Checks on pseudonyms that are none: hashes without a key, keys in the code, results that are thrown away, joins back."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import islice

from mlguard import lazy
from mlguard.scanners.code import frames, lexicon, literals
from mlguard.scanners.code.hiding import called, cleans, is_clean
from mlguard.scanners.code.lexicon import Term
from mlguard.scanners.code.personal import personal
from mlguard.scanners.code.seeing import Call, Sight, on_call

HASHES = "code/unsalted-identifier-hash"
KEYS = "code/exposed-pseudonym-key"
UNUSED = "code/unused-anonymization"
JOINS = "code/reidentification-join"

MAX_CALLS = 12
"""Calls of one name that are looked at for one hash."""

MAX_PARTS = 40
"""Nodes of one expression that are looked at for what it hashes."""

_HASHES = lazy.pattern(
    r"^(?:hashlib\.(?:md5|sha1|sha224|sha256|sha384|sha512|sha3_\d+|blake2[bs]|new)|xxhash\.xxh\w+|mmh3\.hash\w*|zlib\.(?:crc32|adler32)|binascii\.crc32|hash|uuid\.uuid[35]"
    r"|farmhash\.\w+|cityhash\.\w+|Crypto\.Hash\.\w+\.new|pyspark\.sql\.functions\.(?:md5|sha1|sha2|hash|xxhash64|crc32))$"
)
_MAPS = frozenset(
    {"apply", "map", "transform", "map_elements", "applymap", "assign", "progress_apply", "parallel_apply"}
)
_SALT = lazy.pattern(r"salt|pepper|secret|(?:^|_)key(?:$|_)|nonce|(?:^|_)iv(?:$|_)", re.I)
_LAST = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512", "sha3_224", "sha3_256", "sha3_384", "sha3_512", "blake2b", "blake2s", "new", "hash_pandas_object", "hash_array",
         "crc32", "adler32", "uuid3", "uuid5", "hash", "hash128", "hash64", "hash_bytes", "xxh32", "xxh64", "xxh128", "xxh3_64", "xxh3_128", "sha2", "xxhash64",
         "xxh64_hexdigest", "xxh32_hexdigest", "xxh3_64_hexdigest", "update")  # fmt: skip


@on_call(*_LAST, personal=True)
def pseudonyms(call: Call) -> Iterator[Sight]:
    """Identifiers that are hashed without a key, or with one that stands in the code."""
    if call.path in ("pandas.util.hash_pandas_object", "pandas.util.hash_array"):
        given = call.argument(0)
        found = personal(given, call.scope, call.names) or frames.term_of_columns(
            frames.columns_of(given, call.scope, call.names)
        )
        if found is not None and "hash_key" not in call.keywords:
            yield call.sees(HASHES, "identifier-hash", term=found.label)
        return
    if call.last == "update":
        value = call.argument(0) if re.match(r"hashlib\.\w+\(\)\.update$", call.path) else None
        if call.receiver is None or _made_with_key(call):
            return
    elif not _HASHES.match(call.path) or {"key", "salt"} & set(call.keywords):
        yield from _keyed(call)
        return
    else:
        position = 1 if (call.path == "hashlib.new" or call.last in ("uuid3", "uuid5")) else 0
        value = call.argument(position, "string", "data", "name")
    if value is None or isinstance(value, ast.Constant):
        return
    found = personal(value, call.scope, call.names) or _element(value, call) or _column(value, call)
    if found is None or not (found.direct or found.kind == "ordinary"):
        return
    salts = _salts(value, call)
    if not salts:
        yield call.sees(HASHES, "identifier-hash", term=found.label)
    elif all(_is_written(salt, call) for salt in salts):
        yield call.sees(KEYS, "key-in-code", term=found.label)


def _made_with_key(call: Call) -> bool:
    made: ast.AST | None = call.receiver
    if isinstance(made, ast.Name):
        single = call.names.single(made.id, call.scope)
        made = single[0] if single else None
        others = [
            other
            for other in call.source.tree.calls_by_name.get("update", ())[:MAX_CALLS]
            if getattr(getattr(other.func, "value", None), "id", "") == getattr(call.receiver, "id", "-")
        ]
        if any(_salts(other, call) for other in others):
            return True
    return isinstance(made, ast.Call) and (
        any(k.arg in ("key", "salt") for k in made.keywords) or bool(made.args and _salts(made.args[0], call))
    )


def _salts(value: ast.AST, call: Call) -> list[ast.AST]:
    """Return the parts of a hashed value that are a key by their name, or a constant beside the value."""
    found: list[ast.AST] = [
        inner
        for inner in ast.walk(value)
        if isinstance(inner, ast.Name | ast.Attribute)
        and _SALT.search(inner.id if isinstance(inner, ast.Name) else inner.attr)
    ]
    if not found and isinstance(value, ast.Name):
        single = call.names.single(value.id, call.scope)
        return (
            _salts(single[0], call)
            if single is not None and isinstance(single[0], ast.BinOp | ast.JoinedStr | ast.Call)
            else []
        )
    return found or _written_beside(value)


def _written_beside(value: ast.AST) -> list[ast.AST]:
    """Return the constants that are put together with a value: ``"pepper" + email``, and not a prefix such as ``"user:"``."""
    while isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute):
        value = value.func.value
    parts: list[ast.expr] = []
    if isinstance(value, ast.JoinedStr):
        parts = value.values
    while isinstance(value, ast.BinOp) and isinstance(value.op, ast.Add):
        parts.append(value.right)
        if not isinstance(value.left, ast.BinOp):
            parts.append(value.left)
        value = value.left
    texts = [(part, part.value) for part in parts if isinstance(part, ast.Constant)]
    return [part for part, text in texts if isinstance(text, str | bytes) and len(text) > 3 and _is_secret(text)]


def _is_secret(text: str | bytes) -> bool:
    """Say whether a text can be a key, as opposed to a separator or a prefix."""
    plain = text.decode("latin-1") if isinstance(text, bytes) else text
    return plain[-1].isalnum() and not plain.isspace() and lexicon.term(plain) is None and not lexicon.is_person(plain)


def _is_written(node: ast.AST, call: Call) -> bool:
    """Say whether a key is a literal of this file."""
    while isinstance(node, ast.Call) and called(node) in (
        "encode",
        "bytes",
        "bytearray",
        "fromhex",
        "b64decode",
        "unhexlify",
        "str",
    ):
        node = (
            node.func.value
            if called(node) == "encode" and isinstance(node.func, ast.Attribute)
            else (node.args[0] if node.args else ast.Constant(None))
        )
    if (
        isinstance(node, ast.Name)
        and (single := call.names.single(node.id, call.scope)) is not None
        and isinstance(single[0], ast.Call)
    ):
        return called(single[0]) in ("encode", "bytes", "fromhex", "b64decode", "unhexlify") and _is_written(
            single[0], call
        )
    value = call.constant(node)
    return isinstance(value, str | bytes) and len(value) > 0


def _column(value: ast.AST, call: Call) -> Term | None:
    """Return what a column of Spark holds: sha2(col("email"), 256), md5("email")."""
    if not call.path.startswith("pyspark.") or not call.node.args:
        return None
    listed = frames.strings(value, call.scope, call.names)
    return next((found for name in listed if (found := lexicon.term(name))), None)


def _element(value: ast.AST, call: Call) -> Term | None:
    """Return what a value is when it is the parameter of a lambda over a column, or of a function that is mapped over one."""
    if isinstance(value, ast.JoinedStr | ast.BinOp):
        parts = [inner for inner in islice(ast.walk(value), MAX_PARTS) if isinstance(inner, ast.Name)]
        return next((found for part in parts if (found := _element(part, call)) is not None), None)
    while isinstance(value, ast.Attribute | ast.Call):
        value = value.func if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) else (
            value.args[0] if isinstance(value, ast.Call) and value.args else getattr(value, "value", ast.Constant(None))
        )  # fmt: skip
    if isinstance(value, ast.JoinedStr | ast.BinOp):
        return _element(value, call)
    if not isinstance(value, ast.Name):
        return None
    node: ast.AST | None = call.node
    while node is not None and not isinstance(node, ast.stmt):
        if isinstance(node, ast.Lambda) and any(argument.arg == value.id for argument in node.args.args):
            return _mapped(call.source.tree.parent(node), call)
        for generator in getattr(node, "generators", []):
            if isinstance(generator.target, ast.Name) and generator.target.id == value.id:
                return personal(generator.iter, call.scope, call.names)
        node = call.source.tree.parent(node)
    return _mapped_by_name(value.id, call)


def _mapped(user: ast.AST | None, call: Call) -> Term | None:
    if isinstance(user, ast.Call) and isinstance(user.func, ast.Attribute) and user.func.attr in _MAPS:
        scope = call.source.tree.scope(user)
        found = personal(user.func.value, scope, call.names)
        chosen = frames.columns_of(user.func.value, scope, call.names) if found is None else None
        return found or frames.term_of_columns(chosen)
    if isinstance(user, ast.Call) and called(user) == "map" and len(user.args) > 1:
        return personal(user.args[1], call.source.tree.scope(user), call.names)
    return None


def _mapped_by_name(parameter: str, call: Call) -> Term | None:
    """Return what a function of this file is mapped over: df["email"].apply(pseudonymise)."""
    function = call.scope.node
    if not isinstance(function, ast.FunctionDef) or parameter not in call.scope.parameters:
        return None
    for name in _MAPS:
        for user in call.source.tree.calls_by_name.get(name, ())[:20]:
            if (
                user.args
                and getattr(user.args[0], "id", "") == function.name
                and (found := _mapped(user, call)) is not None
            ):
                return found
    return None


_KEYED = lazy.pattern(
    r"^(?:hmac\.(?:new|digest|HMAC)|hashlib\.(?:pbkdf2_hmac|scrypt|blake2[bs])|bcrypt\.hashpw|cryptography\.fernet\.Fernet|pyffx\.\w+|ff3\.FF3Cipher|siphash\.\w+)$"
)


@on_call("hmac", "digest", "HMAC", "pbkdf2_hmac", "scrypt", "hashpw", "FF3Cipher", "hash_pandas_object", personal=True)
def keyed(call: Call) -> Iterator[Sight]:
    """Keys of pseudonyms that stand in the code."""
    yield from _keyed(call)


def _keyed(call: Call) -> Iterator[Sight]:
    path = call.path
    if not _KEYED.match(path):
        return
    if path.startswith("hmac."):
        key, value = call.argument(0, "key"), call.argument(1, "msg")
    elif path == "hashlib.pbkdf2_hmac":
        key, value = call.argument(2, "salt"), call.argument(1, "password")
    elif path == "hashlib.scrypt":
        key, value = call.argument(-1, "salt"), call.argument(0, "password")
    elif path == "bcrypt.hashpw":
        key, value = call.argument(1, "salt"), call.argument(0, "password")
    else:
        key, value = call.keywords.get("key") or call.keywords.get("salt"), call.argument(0, "data")
    if key is None or value is None or not _is_written(key, call):
        return
    found = personal(value, call.scope, call.names) or _element(value, call)
    if found is not None and found.id != "credential":
        yield call.sees(KEYS, "key-in-code", term=found.label)


@on_call("apply", "map", "map_elements", "hash", personal=True)
def hashed(call: Call) -> Iterator[Sight]:
    """Columns that a function without a key hashes: frame["email"].map(hash), pl.col("email").hash()."""
    if call.receiver is None:
        return
    if call.last == "hash":
        if call.node.args or "polars" not in call.source.tree.roots:
            return
        column = call.receiver
        chosen = (
            frames.strings(column.args[0], call.scope, call.names)
            if isinstance(column, ast.Call) and column.args
            else []
        )
        found = personal(column, call.scope, call.names) or frames.term_of_columns(chosen)
    else:
        given = call.argument(0, "func")
        if not isinstance(given, ast.Name | ast.Attribute) or not _HASHES.match(
            call.names.path(given, call.scope) or getattr(given, "id", "")
        ):
            return
        found = personal(call.receiver, call.scope, call.names)
    if found is not None and (found.direct or found.kind == "ordinary"):
        yield call.sees(HASHES, "identifier-hash", term=found.label)


# Results that nobody uses

_ANONYMIZERS = frozenset({"presidio_anonymizer.AnonymizerEngine().anonymize", "presidio_anonymizer.BatchAnonymizerEngine().anonymize_list", "scrubadub.clean",
                          "presidio_anonymizer.BatchAnonymizerEngine().anonymize_dict", "presidio_image_redactor.ImageRedactorEngine().redact", "scrubadub.Scrubber().clean",
                          "presidio_anonymizer.DeanonymizeEngine().deanonymize", "commonregex.CommonRegex", "pii_extract.redact", "anonymizedf.anonymize", "cleantext.clean"})  # fmt: skip
_NAMED = frozenset(
    {
        "anonymize",
        "anonymise",
        "pseudonymize",
        "pseudonymise",
        "redact",
        "deidentify",
        "mask_pii",
        "redact_pii",
        "anonymize_text",
        "anonymise_text",
        "mask_text",
        "scrub",
        "anonymize_list",
        "anonymize_dict",
    }
)


@on_call(*(path.rpartition(".")[2] for path in _ANONYMIZERS), *_NAMED, "OperatorConfig")
def unused(call: Call) -> Iterator[Sight]:
    """Anonymised texts and frames that are thrown away, and operators that keep the value."""
    if literals.is_test(call.source.path):
        return  # which asks whether it raises, or tries each operator
    if call.last == "OperatorConfig":
        if call.path.startswith("presidio_anonymizer.") and call.constant(call.argument(0, "operator_name")) == "keep":
            yield call.sees(UNUSED, "operator-keep")
        return
    node = call.node
    known = call.path in _ANONYMIZERS or (call.last in _NAMED and _has_text(call))
    if known and isinstance(call.source.tree.parent(node), ast.Expr) and not _shown(call):
        yield call.sees(UNUSED, "discarded-result")


@on_call("drop", "apply", "map", personal=True)
def discarded(call: Call) -> Iterator[Sight]:
    """Frames that are made without personal columns and thrown away: drop and apply change nothing in place."""
    if call.receiver is None or not (call.node.args or call.node.keywords):
        return
    if not isinstance(call.source.tree.parent(call.node), ast.Expr) or call.source.rows is not None:
        return
    if call.last == "drop" and call.value("inplace") is not True:
        gone = [
            text
            for item in (call.keywords.get("columns"), call.argument(0, "labels"))
            for text in frames.strings(item, call.scope, call.names)
        ]
        if lexicon.columns(gone) and "index" not in call.keywords:
            yield call.sees(UNUSED, "discarded-result")
    elif (
        call.last in ("apply", "map")
        and call.node.args
        and _hides(call.node.args[0])
        and personal(call.receiver, call.scope, call.names) is not None
    ):
        yield call.sees(UNUSED, "discarded-result")


def _shown(call: Call) -> bool:
    """Say whether a notebook shows the result below the cell."""
    return call.source.rows is not None and not call.path.startswith("presidio")


def _has_text(call: Call) -> bool:
    """Say whether a function that is imported or known by name alone works on a text, which it cannot change in place."""
    if call.path.startswith(("presidio", "scrubadub")):
        return True
    roots = call.source.tree.roots
    owner = call.names.written(call.receiver) if call.receiver is not None else ""
    return (
        call.receiver is not None
        and bool(re.search(r"anonymi[sz]er|redactor|scrubber|presidio", owner, re.I))
        and not roots.isdisjoint(("presidio_anonymizer", "scrubadub", "presidio_analyzer", "langchain_experimental"))
    )


def _hides(node: ast.AST) -> bool:
    name = getattr(node, "id", getattr(node, "attr", ""))
    return is_clean(name) if name else isinstance(node, ast.Lambda) and cleans(node.body)


# Joins

_PSEUDONYM = lazy.pattern(
    r"pseudo|anonym|deident|de_ident|hashed|tokeni[sz]ed|coded_|study_?id|subject_?key|(?:^|_)(?:hash|token)(?:_id|ed)?$|research_id|psn|masked|id_hash|user_hash|email_hash|patient_hash",
    re.I,
)
_REBUILDS = lazy.pattern(r"set_index|reset_index|rename|drop|sort|astype|fillna|select|filter|query|alias|merge|join")
_KEY_TABLE = lazy.pattern(
    r"(?i)(?:pseudo\w*|token|hash|anonym\w*|coded?)[\W_]?(?:id[\W_]?)?(?:map|mapping|key|keys|lookup|table|crosswalk|linkage|zuordnung|schlussel)"
)
"""Tables that lead from a pseudonym back to a person."""
_IDENTITY = lazy.pattern(
    r"identit|id_?map|key_?map|mapping|lookup|master|crm|key_?table|registry|people|persons?|customers?|patients?|users?|members?|employees?|contacts?|names?|pii|stammdaten|linkage|crosswalk|reident|re_ident|roster",
    re.I,
)
_ALLOWED = lazy.pattern(r"authori[sz]ed|erasure|access_request|subject_access|dsar|delete|gdpr|right", re.I)


@on_call("merge", "join", words={"merge", "join"})
def joined(call: Call) -> Iterator[Sight]:
    """Joins of pseudonymous data with a table that says who is who."""
    node = call.node
    if getattr(call.receiver, "attr", "") == "path" and not node.keywords:
        return  # os.path.join(…), most of all joins
    if (
        not node.keywords
        and len(node.args) < 2
        or call.receiver.__class__ is ast.Constant
        or call.path.startswith("os.")
    ):
        return  # ", ".join(…)
    if (
        call.receiver is None
        or not node.args
        or isinstance(node.args[0], ast.Constant | ast.GeneratorExp | ast.ListComp | ast.JoinedStr)
    ):
        return
    if call.path in ("pandas.merge", "polars.join", "dask.dataframe.merge"):
        if len(node.args) < 2:
            return
        left, right = node.args[0], node.args[1]
    else:
        left, right = call.receiver, node.args[0]
    on = [
        text
        for key in ("on", "left_on", "right_on")
        for text in frames.strings(call.keywords.get(key), call.scope, call.names)
    ]
    if len(node.args) > (2 if left is node.args[0] else 1):
        on += frames.strings(node.args[-1], call.scope, call.names)
    sides = [_source(side, call) for side in (left, right)]
    if _ALLOWED.search(call.scope.name):
        return
    by_key = any(_PSEUDONYM.search(text) for text in on)
    for one, other in (sides, sides[::-1]):
        coded = by_key or _PSEUDONYM.search(one[0])
        if (
            coded
            and (_KEY_TABLE.search(other[0]) or not _PSEUDONYM.search(other[0]))
            and (other[1] or _IDENTITY.search(other[0]))
            and (by_key or bool(on))
        ):
            yield call.sees(JOINS, "identity-join")
            return


def _source(side: ast.AST, call: Call) -> tuple[str, bool]:
    """Return the names and paths that a side of a join is called by, and whether it is known to hold direct identifiers."""
    words = [call.names.written(side)]
    value: ast.AST = side
    if isinstance(side, ast.Name) and (single := call.names.single(side.id, call.scope)) is not None:
        value = single[0]
    for inner in ast.walk(value) if isinstance(value, ast.Call | ast.Subscript) else ():
        if (
            isinstance(inner, ast.Constant)
            and isinstance(inner.value, str)
            and len(inner.value) < 200
            and isinstance(value, ast.Call)
            and not _REBUILDS.match(called(value))
        ):
            words.append(inner.value)
    chosen = frames.columns_of(side, call.scope, call.names) or ()
    direct = any(found.direct for _, found in lexicon.columns(chosen))
    return " ".join(word.replace(".", "_") for word in words), direct


CHECKS = (pseudonyms, keyed, hashed, unused, discarded, joined)
