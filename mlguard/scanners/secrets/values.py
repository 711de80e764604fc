"""Tells a value that may be a secret from placeholders, references, identifiers and prose."""

from __future__ import annotations

import base64
import itertools
import math
import re
from collections import Counter

from mlguard.scanners import lazy

MAX_VALUE_CHARS = 1000
"""A longer literal is text or an encoded file, not a credential that a person typed or pasted."""

MAX_PERIOD = 64

# Written by people who document a credential instead of giving one.
_STAND_IN = lazy.pattern(
    r"x{4,}|\*{3,}|\.{3,}|_{4,}|-{4,}(?!BEGIN)|#{3,}|…|example|placeholder|change[_-]?(?:me|this|it)|redacted|dummy|foobar|"
    r"replace[_-]?(?:me|this|with)|(?:^|[^a-z])(?:your|insert|put|enter|paste|add)[_-]?(?:\w*[_-])?(?:own|key|token|secret|pass|api|here|real|actual|org|hf|openai)|"
    r"your[_-]|not[_-]?(?:a[_-]?)?(?:real|secret|used|set|needed|required)|(?:^|[^a-z])(?:fake|mock|sample|todo|fixme|goes[_-]here)|goes[_-]?here|"
    r"(?:^|[^a-z])(?:secret|token|key|password)[_-]?here",
    re.I,
)
# The value lives elsewhere: an environment variable, a template, a vault, a parameter store, an encrypted form.
_REFERENCE = lazy.pattern(
    r"\$\{|\$\(|\{\{|<%|%\(|^\$[A-Za-z_]|^%[A-Za-z_]\w*%$|^<[^<>]*>$|^\[[^\]]*\]$|^\{[^{}]*\}$|\{[A-Za-z_][\w.\[\]'\"!:]*\}|%[sdr]|"
    r"^(?:vault|secretref|ssm|sm|op|ref\+\w+|keyring|file|env|sops|akv|gcpsm|awssm|aws-sm|azurekv|secret|secrets|data|var|local|module)[:.][/\w]|"
    r"arn:aws|projects/[^/]+/secrets/|vault\.azure\.net|@Microsoft\.KeyVault|^ENC\[|^\$ANSIBLE_VAULT|^!|os\.environ|getenv|process\.env|environ\[|"
    r"import\.meta|System\.get|resolve:secretsmanager|secretKeyRef|^AQICA[A-Za-z0-9+/]|(?:^|^[\w.-]{1,60}:)\$2[aby]\$|^\$argon2|^\$[156]\$|^pbkdf2|^\{(?:SHA|SSHA|bcrypt|noop)\}",
    re.I,
)
_WORDS = lazy.pattern(
    r"scott|tiger|passw(?:or)?d|passwd|passphrase|pass|pwd|secret|token|api|key|auth|test(?:ing|er)?|admin|user(?:name)?|root|default|demo|local|none|null|"
    r"true|false|undefined|string|hidden|empty|foo|bar|baz|qux|hello|world|some|this|that|the|my|is|an?|here|value|very|long|for|only|dev|prod|"
    r"development|guest|minio|postgres|mysql|redis|rabbitmq|mongo|airflow|jupyter|mlflow|private|public|access|client|id|bearer|basic|"
    r"0?1234(?:5(?:6(?:7(?:8(?:90?)?)?)?)?)?|123|abc(?:d(?:e(?:f)?)?)?|qwerty|asdf|[^a-z0-9]",
    re.I,
)


def is_placeholder(value: str) -> bool:
    """Say whether a value stands in for a secret or points to one."""
    return bool(_STAND_IN.search(value) or _REFERENCE.search(value)) or is_regular(value)


def is_made_of_words(value: str) -> bool:
    """Say whether little is left of a value without the words and number rows of documentation: "test_password123"."""
    return len(_WORDS.sub("", value)) < min(4, max(len(value) - 1, 1))


def is_regular(value: str) -> bool:
    """Say whether a value was written by counting, repeating or holding a key down."""
    if len(value) < 8:
        return len(set(value)) <= 2
    if len(set(value)) < (6 if len(value) >= 16 else 4):
        return True
    steps = sum(0 <= ord(after) - ord(before) <= 1 for before, after in itertools.pairwise(value))
    if steps > 0.45 * (len(value) - 1):
        return True
    return any(
        value == (value[:size] * (len(value) // size + 1))[: len(value)]
        for size in range(1, min(len(value) // 2, MAX_PERIOD) + 1)
    )


def entropy(value: str) -> float:
    """Return Shannon's entropy in bits for each character."""
    return -sum(count / len(value) * math.log2(count / len(value)) for count in Counter(value).values())


_PIECES = lazy.pattern(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_VOWEL = lazy.pattern(r"[aeiouyAEIOUY]")
_HEX = lazy.pattern(r"^[0-9a-f]+$|^[0-9A-F]+$")
_UUID = lazy.pattern(r"^[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$")
_NO_SECRET = lazy.pattern(
    r"^\s*$|^[./~\\]|^[A-Za-z]:\\|^[\w+.-]+://|^(?:https?|mailto|urn|data):|^[\w.+-]+@[\w-]+\.[\w.]+$|^#[0-9a-f]{3,8}$|"  # paths, addresses
    r"^[\w.-]+\.(?:py|js|ts|json|ya?ml|toml|txt|pem|key|crt|env|ini|cfg|csv|md|html?|com|org|net|io|local|svc)\b|"
    r"\(\?|\[\^?[A-Za-z0-9]-|\\[dwsb]|\.\*|\.\+|^\^.*\$$|"  # regular expressions
    r"^\d{1,4}[-/.:]\d{1,2}[-/.:]\d{1,4}|^v?\d+(?:\.\d+)+|^sha\d+[-:]|^md5[-:]|^\d+(?:[smhd]|ms|px|em|%)?$|"  # dates, versions, measures
    r"^(?:AES|RSA|HS|RS|ES|PS|SHA|MD|HMAC)[-_]?\d+|^(?:base(?:16|32|58|64)|utf-?8|oauth2?|http2?|urllib[23]?|ipv[46]|x509|pkcs\d+|argon2\w*|bcrypt|v\d+)$|"
    r"^Ag[A-Za-z0-9+/]{200,}={0,2}$|"  # a value of a SealedSecret, which only the cluster can open
    r"^LS0tLS1CRUdJTiBDRVJU|^LS0tLS1CRUdJTiBQVUJM",  # a certificate or public key in base64
    re.I,
)


def is_uuid(value: str) -> bool:
    """Say whether a value has the form of a UUID."""
    return bool(_UUID.match(value))


def is_identifier(value: str) -> bool:
    """Say whether a value is made of words: a name, a label, a path, a slug, a model."""
    parts = [part for part in re.split(r"[^A-Za-z0-9]+", value) if part]
    return all(_is_wordy(part) for part in parts)


def _is_wordy(part: str) -> bool:
    if part.isdigit():
        return len(part) <= 4
    pieces = _PIECES.findall(part)
    letters = [piece for piece in pieces if not piece.isdigit()]
    digits = [piece for piece in pieces if piece.isdigit()]
    if len(digits) > 1 and not _is_camel(letters, digits) or any(len(piece) > 4 for piece in digits):
        return False
    if len(part) <= 4:
        return True
    return sum(map(len, letters)) / max(len(letters), 1) >= 2.8 and all(
        (_VOWEL.search(piece) or piece.lower() == "https")
        and not re.search(r"[bcdfghjklmnpqrstvwxzBCDFGHJKLMNPQRSTVWXZ]{6,}", piece)
        for piece in letters
        if len(piece) > 4
    )


def _is_camel(letters: list[str], digits: list[str]) -> bool:
    """Say whether pieces are those of a name with versions in it: 5OmniToken2WavModel."""
    words = [piece for piece in letters if len(piece) >= 3 and piece[0].isupper() and piece[1:].islower()]
    return len(digits) <= 3 and len(words) >= 2 and 2 * sum(map(len, words)) >= 1.4 * sum(map(len, letters))


_TYPE = lazy.pattern(r"^[A-Za-z_]\w*(?:\.\w+){0,6}\.[A-Z][a-z]+[A-Za-z]*$")
"""The dotted name of a class, as an annotation in quotes gives it."""


def is_random(value: str, least: int = 16) -> bool:
    """Say whether a value looks generated: long enough, of mixed kinds of characters, without words."""
    if len(value) < least or is_placeholder(value) or is_identifier(value) or _NO_SECRET.search(value):
        return False
    if _TYPE.match(value) and is_identifier(value.rsplit(".", 1)[1]):
        return False
    if value.isdigit() or not any(character.isalnum() for character in value):
        return False
    body = value.rstrip("=")
    if _HEX.match(body) and len(body) < 20 or _says_otherwise(value):
        return False
    bound = 2.6 if _HEX.match(body) else 3.0 if len(body) < 24 else 3.4
    kinds = sum(bool(re.search(kind, body)) for kind in ("[a-z]", "[A-Z]", "[0-9]"))
    return kinds >= 2 and entropy(body) >= bound


def is_token(value: str, strong_name: bool) -> bool:
    """Say whether a value under a name such as ``api_key`` is one."""
    if len(value) > MAX_VALUE_CHARS or re.search(r"\s", value):
        return False
    if re.search(r"[()<>|]", value):  # code, unless it is as long and as mixed as no code is
        return strong_name and 40 <= len(value) <= 100 and entropy(value) >= 4.3 and is_random(value)
    if is_uuid(value):
        return strong_name and not is_regular(value.replace("-", "")) and value[14] in "45"
    return is_random(value, 12 if strong_name else 16) and not is_made_of_words(value)


# Parts that are set apart by a sign or a capital letter, and nothing that only passwords hold.
_NAME_LIKE = lazy.pattern(
    r"^[\w./|:+-]*[_./|:+-][\w./|:+-]*$|^(?=[A-Za-z0-9]+$).*(?:[a-z][A-Z].*[a-z]|\d[A-Za-z]{3,})$"
)


def is_password(value: str) -> bool:
    """Say whether a value under a name such as ``db_password`` is one: six characters, no word, no reference."""
    if not 6 <= len(value) <= MAX_VALUE_CHARS or re.search(r"\s", value) or is_uuid(value):
        return False
    if is_placeholder(value) or _NO_SECRET.search(value) or is_made_of_words(value) or _says_otherwise(value):
        return False
    if re.search(r"[()\[\]<>]", value) and re.search(r"\w[(\[]|^[(\[<]|=>|->", value):
        return False  # a call, a subscript, a selector, a type
    bare = value.rstrip(":.?!,*…").lstrip("#.@")
    if bare.isalpha():
        return len(bare) >= 12 and not is_identifier(bare)
    if _NAME_LIKE.search(value) and is_identifier(value):
        return False
    return any(character.isalpha() for character in value) and _mixed(value)


def _says_otherwise(value: str) -> bool:
    """Say whether a value is text in base64 that calls itself no secret, as documentation writes it."""
    if len(value) < 12 or not re.fullmatch(r"[A-Za-z0-9+/]+={0,2}", value):
        return False
    try:
        text = base64.b64decode(value + "=" * (-len(value) % 4), validate=True).decode("ascii")
    except ValueError:
        return False
    return text.isprintable() and (is_placeholder(text) or bool(re.search(r"\b(?:not|real|my)\b", text)))


def _mixed(value: str) -> bool:
    return any(c.isdigit() for c in value) or any(not c.isalnum() and c not in "_-./:" for c in value)
