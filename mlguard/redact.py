"""Keeps personal data and secrets out of every text that leaves a worker."""

from __future__ import annotations

import re
from functools import lru_cache

from mlguard import lazy

MASK = "…"

MAX_CHARS = 2000
"""What is looked at of one text. What is shown is much shorter."""

# The number of an advisory is public, and a finding without it is useless.
_NO_ADVISORY = "".join(rf"(?<!{name}-)(?<!{name}-\d{{4}}-)" for name in ("CVE", "PYSEC", "MAL"))

# Each shape is broad on purpose: an excerpt that hides too much is a nuisance, one that shows a value is a leak. Before it stands a
# part that each text of this shape holds and most other texts do not, because that is found in less time.
_SHAPES = (
    (lazy.pattern("@"), lazy.pattern(r"[A-Za-z0-9._%+'-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")),  # e-mail address
    (lazy.pattern("@"), lazy.pattern(r"(?<=://)[^/\s@:'\"]*:[^/\s@'\"]+(?=@)")),  # user information in a URL
    (lazy.pattern("-----BEGIN"), lazy.pattern(r"-----BEGIN.*")),
    # phone, card, account, birth date, identity number; an unroutable address or address range stays
    (
        lazy.pattern(r"\d[\d ()./-]{6,}\d"),
        lazy.pattern(
            _NO_ADVISORY
            + r"(?<![\w.])(?!(?:0|10|127|169\.254|172|192\.168)\.[\d.]+(?:/\d+)?(?![\d.]))\+?\(?\d[\d ()./-]{6,}\d(?![\w.])"
        ),
    ),
    (
        lazy.pattern(r"[A-Z]{2}\d{2}"),
        lazy.pattern(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?\b"),
    ),  # IBAN
    (lazy.pattern(r"\d{6}"), lazy.pattern(_NO_ADVISORY + r"\b[A-Z]{0,3}\d{6,}[A-Z]?\b")),
)
# A word of capitals, small letters, digits and signs is how a password policy wants it, and how nothing else looks.
_PASSWORD = lazy.pattern(
    r"(?<![\w&!@#%^*?~$])(?=[\w&!@#%^*?~$]*[a-z])(?=[\w&!@#%^*?~$]*[A-Z])(?=[\w&!@#%^*?~$]*\d)(?=\w*[&!@#%^*?~$])[\w&!@#%^*?~$]{8,}"
)
_SIGN = lazy.pattern(r"[&!@#%^*?~$]")
# tr0ub4dor: digits in the place of letters, more than once. Names have them once (BatchNorm2d) or at their end.
_WORD_WITH_DIGITS = lazy.pattern(r"[A-Za-z0-9]{6,}")
_INNER_DIGITS = lazy.pattern(r"(?<=[A-Za-z])\d+(?=[A-Za-z])")
_TOKEN = lazy.pattern(r"(?<![A-Za-z0-9_+/=.~-])(?<!sha256:)[A-Za-z0-9_+/=.~-]{14,}")
_LITERAL = lazy.pattern(r"(?P<quote>\"\"\"|'''|\"|'|`)(?P<body>(?:\\.|(?!(?P=quote)).)*)(?P<end>(?P=quote)|$)")
_SECRET_NAME = lazy.pattern(
    r"(?i)((?:pass(?:word|wd|phrase)?|pwd|secret|token(?!iz)|credential|api_?-?key|access_?-?key|private_?-?key|auth)[\w-]*"
    r"[\"']?\s*(?:=>|:=|[:=]|\s)\s*)(?![\[({])(\"[^\"]*\"?|'[^']*'?|[^\s,;#]+)"
)
_COMMENT = lazy.pattern(r"(?:(?<=\s)|^)(?:#|//)(?!\!).*$")
_PLAIN = lazy.pattern(r"^[\w./:*{}%$<>=!~,@+\-\[\]()]*$")


_WORD = lazy.pattern(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


def _is_value(token: str) -> bool:
    """Say whether a run of characters may be a secret: mixed, long, and neither a name of words nor a dotted path."""
    longest = max(re.split(r"[./_\-]", token), key=len)
    if len(longest) < 14 or longest.isdigit():
        return False
    words = _WORD.findall(longest)
    if sum(map(len, words)) >= len(longest) - 2 and len(longest) < 64:
        # HistGradientBoostingClassifier is made of words; in random text a capital comes after every other letter.
        return not words or len(longest) / len(words) < 3.5
    return any(char.isdigit() for char in longest) or len(longest) >= 20


_SUSPECT = lazy.pattern(r"[\d@]|-----BEGIN|[A-Za-z_+/=.~-]{14,}")
"""Each shape holds a digit, an @, the head of a key or a long run; most names hold none of them."""


@lru_cache(8_192)
def text(value: str, limit: int = 200) -> str:
    """Return ``value`` with every run that has the shape of personal data or a secret masked, cut to ``limit`` characters."""
    value = value[:MAX_CHARS]
    if not _SUSPECT.search(value):
        return value if len(value) <= limit else value[: limit - 1] + MASK
    for sign, shape in _SHAPES:
        if sign.search(value):
            value = shape.sub(MASK, value)
    if _SIGN.search(value):
        value = _PASSWORD.sub(MASK, value)
    if _INNER_DIGITS.search(value):
        value = _WORD_WITH_DIGITS.sub(
            lambda match: MASK if len(_INNER_DIGITS.findall(match.group())) > 1 else match.group(), value
        )
    value = _TOKEN.sub(lambda match: MASK if _is_value(match.group()) else match.group(), value)
    return value if len(value) <= limit else value[: limit - 1] + MASK


def excerpt(line: str, limit: int = 160) -> str:
    """Return a source line fit to show: no comment, no free text in literals, nothing that looks like a value.

    Literals that are one plain word, path or pattern stay, because they are what a reader has to change.
    """
    return _excerpt(line[:MAX_CHARS], limit)


@lru_cache(1_024)
def _excerpt(line: str, limit: int) -> str:
    """Return the excerpt of a line, kept in mind: a file of one long line may have thousands of findings on it."""
    line = _LITERAL.sub(_literal, line.rstrip("\r\n"))
    line = _COMMENT.sub("", line)
    line = _SECRET_NAME.sub(lambda match: match.group(1) + MASK, line)
    return text(line, limit).rstrip()


def _literal(match: re.Match[str]) -> str:
    quote, body, end = match.group("quote"), match.group("body"), match.group("end")
    if len(quote) == 1 and len(body) <= 60 and _PLAIN.match(body) and not _is_value(body):
        return match.group()
    return f"{quote}{MASK}{end}"


_CONTROL = lazy.pattern(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


def printable(value: str) -> str:
    """Return ``value`` with control, bidirectional and invisible characters written as escapes, tabs and newlines as spaces."""
    value = value.replace("\t", " ").replace("\n", "\\n")
    return _CONTROL.sub(lambda match: f"\\u{ord(match.group()):04x}", value)
