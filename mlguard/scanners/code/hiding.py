"""Says which functions hide or make up the values that they are given, by their names."""

from __future__ import annotations

import ast

from mlguard.scanners.code import lexicon
from mlguard.scanners.code.names import Names

_CLEAN_WORDS = frozenset({"len", "is", "has", "bool", "check", "verify", "type", "id", "sum", "isinstance", "any", "all", "nunique", "sha", "uuid",
                          "sha1", "sha256", "sha512", "md5", "uuid5", "uuid4", "blake2b", "int", "float", "compare", "matches", "describe", "mean",
                          "hex", "digest", "shape", "size", "startswith", "endswith", "isna", "isnull", "notna", "find", "index", "length", "blur"})  # fmt: skip
_CLEAN_STEMS = ("mask", "hash", "anonym", "pseudon", "redact", "encrypt", "scrub", "hmac", "obfusc", "sanit", "censor", "truncat", "hide", "hidden",
                "count", "valid", "exist", "fake", "synth", "tokeniz", "deident", "generali", "bucket", "bcrypt", "cipher", "crypt", "digest", "salt",
                "analyz", "detect", "embed", "vector", "similar", "predict", "classif", "train", "fit", "anonim", "maskier", "verschlussel", "enmascar",
                "maschera", "mascar", "ofusca", "offusc", "hacher", "chiffr", "cifra", "versleutel", "zamaskuj", "szyfruj", "schwarz", "suppress",
                "filter_pii", "clean", "without", "minimi", "noise", "privat")  # fmt: skip
_FAKES = frozenset({"fake", "faker", "mimesis", "random", "factory", "synthetic", "dummy", "mock", "generator", "rng"})


def is_clean(name: str) -> bool:
    """Say whether a function's name tells that its result shows no value: mask_email, sha256, len."""
    parts = lexicon.words(name)
    return any(part in _CLEAN_WORDS or part.startswith(_CLEAN_STEMS) for part in parts)


def cleans(node: ast.AST) -> bool:
    """Say whether a function that hides values is named somewhere in an expression."""
    return any(
        isinstance(inner, ast.Call) and is_clean(called(inner))
        or (isinstance(inner, ast.Call) and any(isinstance(a, ast.Name) and is_clean(a.id) for a in inner.args))
        for inner in ast.walk(node)
    )  # fmt: skip


def called(call: ast.Call) -> str:
    """Return the last part of the called name."""
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def owner_of(node: ast.AST, names: Names) -> str:
    """Return the last name in what something belongs to, as written."""
    parts = [part for part in names.written(node).split(".") if part != "()"]
    return parts[-1] if parts else ""


def is_made_up(written: str) -> bool:
    """Say whether a name as written belongs to a generator of invented people."""
    return not _FAKES.isdisjoint(lexicon.words(written))


def fakes(call: ast.Call, names: Names) -> bool:
    """Say whether a call invents its result."""
    return is_made_up(names.written(call.func))


_WRITES = frozenset({"build", "make", "render", "compose", "create", "prepare", "format", "generate", "fill", "write"})
_TEXTS = frozenset(
    {
        "prompt",
        "prompts",
        "message",
        "messages",
        "text",
        "body",
        "letter",
        "content",
        "mail",
        "greeting",
        "summary",
        "line",
    }
)


def writes(name: str) -> bool:
    """Say whether a function of elsewhere puts a text together from what it is given, by its name: build_prompt."""
    parts = lexicon.words(name)
    return bool(parts) and (
        (
            parts[0] in _WRITES
            and (len(parts) == 1 and parts[0] in ("build", "render", "compose") or parts[-1] in _TEXTS)
        )
        or parts[-1] == "prompt"
    )
