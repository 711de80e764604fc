"""Checks on cryptography: ciphers that are broken, vectors that do not change, and secrets that can be guessed."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from mlguard import lazy
from mlguard.scanners.code.names import Names, Unknown
from mlguard.scanners.code.seeing import Call, Place, Sight, on_call, on_node
from mlguard.scanners.code.tree import Scope

CRYPTO = "code/broken-cryptography"

_SECRET_NAME = lazy.pattern(
    r"(?:^|_)(?:password|passwd|passphrase|secret|api_?key|secret_?key|private_?key|encryption_?key|signing_?key|salt|session_?(?:id|key)|csrf(?:_token)?|otp|"
    r"nonce|iv|(?:access|auth|refresh|reset|api|csrf|session|bearer|invite|verification|activation|confirmation|login|user|jwt|security)_?(?:token|code)|"
    r"pseudonym(?:_?(?:key|id))?|pin_?code|one_?time_?(?:code|password)|magic_?link|verification_?code|api_?token|aes_?key|fernet_?key|hmac_?key)$", re.I,
)  # fmt: skip
_ALPHABETS = frozenset({"string.ascii_letters", "string.digits", "string.ascii_lowercase", "string.ascii_uppercase",
                        "string.hexdigits", "string.printable", "string.punctuation"})  # fmt: skip
_PREDICTABLE = lazy.pattern(
    r"^(?:random|numpy\.random|numpy\.random\.(?:default_rng|RandomState)\(\)|random\.Random\(\))\.(?!SystemRandom|seed|shuffle|default_rng|RandomState|Random)\w+$"
)
_NOT_SECRETS = lazy.pattern(r"(?i)mask|pad|drop|replac|special|next|sampl|eos|bos|vocab|input|target|noise")


_ENDS = (
    "password",
    "passwd",
    "passphrase",
    "secret",
    "key",
    "salt",
    "id",
    "token",
    "otp",
    "nonce",
    "iv",
    "code",
    "link",
    "csrf",
    "pseudonym",
    "pin_code",
    "tokens",
)
_MAKERS = [
    "random",
    "choice",
    "choices",
    "randint",
    "randrange",
    "getrandbits",
    "randbytes",
    "sample",
    "uuid1",
    "bytes",
    "integers",
    "uniform",
]


@on_node(ast.Assign, ast.AnnAssign, imports=["random", "numpy", "uuid"], words=_MAKERS, endings=_ENDS)
def guessable(node: ast.Assign | ast.AnnAssign, place: Place) -> Iterator[Sight]:
    """Assignments that make a secret which can be guessed."""
    if node.value is None or isinstance(node.value, ast.Constant | ast.Name | ast.Attribute):
        return
    for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
        name = ""
        if isinstance(target, ast.Name | ast.Attribute):
            name = target.attr if isinstance(target, ast.Attribute) else target.id
        elif isinstance(target, ast.Subscript) and isinstance(target.slice, ast.Constant):
            name = str(target.slice.value)
        if name and name.lower().endswith(_ENDS):
            yield from _token(name, node.value, node, place.scope, place.names)


_TOKEN = lazy.pattern(
    r"(?:^|_)token$|(?:^|_)(?:generate|create|make|new|random|get)_\w*(?:token|password|secret|api_?key|otp|session_?id|salt|nonce|pseudonym)(?!s$|_?ids$)\w*$",
    re.I,
)


@on_node(ast.Return, imports=["random", "numpy"], words=_MAKERS)
def returned(node: ast.Return, place: Place) -> Iterator[Sight]:
    """Functions that are named after the secret which they make."""
    function = place.scope.node
    if not isinstance(node.value, ast.Call | ast.BinOp | ast.JoinedStr) or not isinstance(
        function, ast.FunctionDef | ast.AsyncFunctionDef
    ):
        return
    if _SECRET_NAME.search(function.name) or _TOKEN.search(function.name):
        yield from _token(
            function.name, node.value, node, place.scope, place.names, sure=not function.name.lower().endswith("token")
        )


@on_call(
    keywords=[
        "token",
        "password",
        "secret",
        "api_key",
        "secret_key",
        "salt",
        "session_id",
        "nonce",
        "iv",
        "otp",
        "access_token",
    ],
    imports=["random", "numpy"],
    words=_MAKERS,
)
def handed(call: Call) -> Iterator[Sight]:
    """Secrets that are made as an argument."""
    for name, value in call.keywords.items():
        if isinstance(value, ast.Call) and (_SECRET_NAME.search(name) or name == "token"):
            yield from _token(name, value, value, call.scope, call.names)


def _token(
    name: str, value: ast.expr, node: ast.AST, scope: Scope, names: Names, sure: bool | None = None
) -> Iterator[Sight]:
    if sure is None:
        sure = bool(_SECRET_NAME.search(name)) and not _NOT_SECRETS.search(name)
        if not sure and not re.search(r"(?:^|_)token$", name, re.I):
            return
    found: ast.Call | None = None
    alphabet = False
    for inner in ast.walk(value):
        if isinstance(inner, ast.Call) and isinstance(inner.func, ast.Attribute | ast.Name):
            path = names.path(inner.func, scope)
            if _PREDICTABLE.match(path):
                found = found or inner
                alphabet = alphabet or path.endswith((".getrandbits", ".randbytes", ".bytes"))
            elif path == "uuid.uuid1" and sure:
                found, alphabet = found or inner, True
        elif isinstance(inner, ast.Attribute | ast.Name) and _is_alphabet(inner, scope, names):
            alphabet = True
    # "token" alone is a word of a text far more often than a credential.
    if found is not None and (sure or alphabet):
        yield Sight(CRYPTO, "random-token", node, {"call": names.path(found.func, scope)}, found)


def _is_alphabet(node: ast.Attribute | ast.Name, scope: Scope, names: Names) -> bool:
    if names.path(node, scope) in _ALPHABETS:
        return True
    value = names.constant(node, scope) if isinstance(node, ast.Name) else None
    if (
        isinstance(value, str)
        and len(value) >= 10
        and "0123456789" in value
        or isinstance(value, str)
        and "abcdefghij" in value.lower()
    ):
        return True
    single = names.single(node.id, scope) if isinstance(node, ast.Name) else None
    if single is None or not isinstance(single[0], ast.BinOp):
        return False
    parts = [part for part in ast.walk(single[0]) if isinstance(part, ast.Attribute)][:6]
    return any(names.path(part, single[1]) in _ALPHABETS for part in parts)


_CIPHER = lazy.pattern(
    r"^(?:Crypto|Cryptodome)\.Cipher\.(?:DES|DES3|ARC2|ARC4|Blowfish|XOR|CAST)\.new$"
    r"|^cryptography\.hazmat\.(?:primitives\.ciphers\.|decrepit\.ciphers\.)(?:algorithms\.(?:ARC4|Blowfish|CAST5|IDEA|SEED|TripleDES|RC2)|modes\.ECB)$"
    r"|^(?:pyDes|pydes)\.(?:des|triple_des)$|^pyaes\.(?:aes\.)?AESModeOfOperationECB$|^(?:rc4|arc4)\.\w+$"
)
_AES = lazy.pattern(r"^(?:Crypto|Cryptodome)\.Cipher\.AES\.new$")
_MODES = lazy.pattern(r"^cryptography\.hazmat\.primitives\.ciphers\.modes\.(?:CBC|CTR|CFB|OFB|GCM|CFB8)$")
_NONCES = lazy.pattern(
    r"^cryptography\.hazmat\.primitives\.ciphers\.aead\.\w+\(\)\.encrypt$|^cryptography\.hazmat\.primitives\.ciphers\.algorithms\.ChaCha20$"
)
_DERIVES = lazy.pattern(
    r"^cryptography\.hazmat\.primitives\.kdf\.\w+\.(?:PBKDF2HMAC|Scrypt)$|^hashlib\.(?:pbkdf2_hmac|scrypt)$|^(?:Crypto|Cryptodome)\.Protocol\.KDF\.(?:PBKDF2|scrypt|bcrypt)$"
)


@on_call("new", "ECB", "ARC4", "Blowfish", "CAST5", "IDEA", "SEED", "TripleDES", "RC2", "CBC", "CTR", "CFB", "OFB", "GCM", "CFB8", "encrypt", "ChaCha20", "des",
         "triple_des", "AESModeOfOperationECB", "generate_private_key", "generate", imports=["Crypto", "Cryptodome", "cryptography", "pyDes", "pyaes", "nacl", "rc4", "arc4"])  # fmt: skip
def ciphers(call: Call) -> Iterator[Sight]:
    """Ciphers that are broken, and vectors that are always the same."""
    path = call.path
    if _CIPHER.match(path):
        yield call.sees(CRYPTO, "weak-cipher")
    elif _AES.match(path):
        mode = call.argument(1, "mode")
        vector = call.argument(2, "iv", "IV", "nonce")
        if mode is not None and call.names.path(mode, call.scope).endswith(".MODE_ECB") or call.constant(mode) == 1:
            yield call.sees(CRYPTO, "weak-cipher")
        elif _is_fixed(vector, call):
            yield call.sees(CRYPTO, "static-vector")
    elif (
        _MODES.match(path)
        and _is_fixed(call.argument(0, "initialization_vector", "nonce"), call)
        or _NONCES.match(path)
        and _is_fixed(call.argument(1 if path.endswith("ChaCha20") else 0, "nonce"), call)
    ):
        yield call.sees(CRYPTO, "static-vector")


@on_call("pbkdf2_hmac", "PBKDF2HMAC", "scrypt", "Scrypt", "PBKDF2", "hash_secret")
def derived(call: Call) -> Iterator[Sight]:
    """Keys that are derived with a salt which is always the same."""
    if _DERIVES.match(call.path):
        position = {"pbkdf2_hmac": 2, "PBKDF2": 1, "scrypt": -1 if call.path.startswith("hashlib") else 1}.get(
            call.path.rpartition(".")[2], -1
        )
        if _is_fixed(call.argument(position, "salt"), call):
            yield call.sees(CRYPTO, "static-vector")


def _is_fixed(node: ast.expr | None, call: Call, depth: int = 3) -> bool:
    """Say whether bytes are written in the code: a literal, ``b"\\0" * 16``, ``bytes(16)``, ``"…".encode()``, ``bytes.fromhex("…")``."""
    if node is None or depth == 0:
        return False
    value = call.constant(node)
    if not isinstance(value, Unknown):
        return isinstance(value, bytes | str) and len(value) > 0
    if isinstance(node, ast.Name):
        single = call.names.single(node.id, call.scope)
        return (
            single is not None
            and not call.names.is_parameter(node.id, call.scope)
            and isinstance(single[0], ast.BinOp | ast.Call)
            and _is_fixed(single[0], call, depth - 1)
        )
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        return isinstance(call.constant(node.left), bytes | str) or isinstance(call.constant(node.right), bytes | str)
    if isinstance(node, ast.Call):
        path = call.names.path(node.func, call.scope)
        if path in ("bytes", "bytearray", "bytes.fromhex", "binascii.unhexlify", "base64.b64decode", "codecs.decode"):
            return bool(node.args) and not isinstance(call.constant(node.args[0]), Unknown)
        return (
            isinstance(node.func, ast.Attribute)
            and node.func.attr == "encode"
            and isinstance(call.constant(node.func.value), str)
        )
    return False


CHECKS = (guessable, returned, handed, ciphers, derived)
