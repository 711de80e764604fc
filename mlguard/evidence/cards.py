"""Model cards: what a document about a model tells, by its front matter, its headings and its labels.

Front matter is that of the Hugging Face hub ("Model card metadata"); headings are compared with rules/tables/model-cards.yaml.
No text of a card leaves this module but names of licences, models, data sets and libraries that have the form of such names.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, lru_cache
from itertools import pairwise
from typing import Any

from mlguard import lazy, redact, yamlish
from mlguard.errors import Unreadable
from mlguard.evidence import private_training
from mlguard.facts import ModelCard
from mlguard.tables import table
from mlguard.values import dataclass

MAX_BYTES = 4 * 2**20
"""The largest card that is read."""

MAX_LINES = 50_000

MAX_NAMES = 50
"""Licences, models or data sets of one card."""

_SURE = lazy.pattern(r"model[_\- .]?card", re.I)
_IDENTIFIER = lazy.pattern(r"[A-Za-z0-9][\w.+-]{0,95}(?:/[A-Za-z0-9][\w.+-]{0,95})?\Z", re.A)
WORDS = lazy.pattern(r"[A-Za-z0-9][\w.+() /-]{0,95}\Z", re.A)
COMMIT = lazy.pattern(r"(?<![0-9a-f])[0-9a-f]{40}(?![0-9a-f])")
_VERSION = lazy.pattern(r"\bv?\d{1,4}(?:\.\d{1,6}){1,3}\b|\bv\d{1,3}\b", re.I)
_ATX = lazy.pattern(r" {0,3}(#{1,6})[ \t]+(.*?)(?:[ \t]+#+)?[ \t]*\Z")
_HTML = lazy.pattern(r"\s*<h([1-6])[^>]{0,200}>(.*?)</h[1-6]>", re.I)
_UNDERLINE = lazy.pattern(r" {0,3}(=+|-+|~+|\^+)[ \t]*\Z")
_LABEL = lazy.pattern(
    r"[ \t]*(?:[-*+•][ \t]+|\d+[.)][ \t]+)?(\*\*|__|\*|_|`)?([^*_`:|#<]{2,60}?)(?:\1)?[ \t]*:[ \t]*(?:\*\*|__|\*)?[ \t]*(\S.*)\Z"
)
_ROW = lazy.pattern(r"[ \t]*\|[ \t]*(?:\*\*|__)?([^|*_]{2,60}?)(?:\*\*|__)?[ \t]*\|[ \t]*([^|]*\S)[ \t]*\|")
_FENCE = lazy.pattern(r" {0,3}(```+|~~~+)")
_COMMENT = lazy.pattern(r"<!--.*?(?:-->|\Z)", re.S)
_LINK = lazy.pattern(r"\[([^\]]{0,80})\](?:\([^)]{0,300}\))?")


@dataclass(frozen=True, slots=True)
class _Part:
    """A heading, or a label with its text. ``level`` 7 is a label; ``body`` says whether text stands below it."""

    level: int
    title: str
    body: bool


def read(text: str, path: str) -> ModelCard | None:
    """Return what a document tells about a model, None when it is about something else.

    A document whose name does not say that it is a card must speak of a model: in its front matter, or in several of its
    headings. Raises Unreadable for front matter that cannot be read in a document that is a card by its name.
    """
    name = path.rsplit("/", 1)[-1]
    sure = bool(_SURE.search(name))
    text = text[:MAX_BYTES].replace("\r\n", "\n").removeprefix("\ufeff")
    if name.lower().endswith((".yaml", ".yml", ".json")):
        return _of_data(text, path) if sure else None
    front, rest = _front(text, name, sure)
    parts = list(_parts(rest))
    if not (sure or _speaks_of_a_model(front, parts)):
        return None
    told = {section for part in parts if part.body for section in sections_of(part.title)}
    return _card(path, "markdown", front, told | _of_title(parts), text)


def _of_data(text: str, path: str) -> ModelCard:
    body, _ = yamlish.load(text, path.rsplit("/", 1)[-1])
    front = {str(key): value for key, value in body.items()} if isinstance(body, dict) else {}
    told: set[str] = set()
    waiting: list[tuple[Any, int]] = [(front, 0)]
    while waiting:
        value, depth = waiting.pop()
        if isinstance(value, dict):
            for key, item in value.items():
                if _says(item):
                    told |= set(sections_of(str(key).replace("_", " ")))
                if depth < 6:
                    waiting.append((item, depth + 1))
        elif isinstance(value, list) and depth < 6:
            waiting += [(item, depth + 1) for item in value[:200]]
    return _card(path, "data", front, told, text)


def _front(text: str, name: str, sure: bool) -> tuple[dict[str, Any], str]:
    """Return the front matter and the text after it."""
    match = re.match(r"---[ \t]*\n(.*?)\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", text, re.S)
    if not match:
        return {}, text
    try:
        body, _ = yamlish.load(match.group(1), name)
    except Unreadable:
        if sure or re.search(r"^(?:pipeline_tag|library_name|base_model|model-index):", match.group(1), re.M):
            raise
        return {}, text[match.end() :]
    front = {str(key): value for key, value in body.items()} if isinstance(body, dict) else {}
    return front, text[match.end() :]


def _speaks_of_a_model(front: Mapping[str, Any], parts: Sequence[_Part]) -> bool:
    known = table("model-cards")
    if any(key in front for key in known["other_keys"]):
        return False
    if any(key in front for key in known["model_keys"]):
        return True
    titles = [plain(part.title) for part in parts if part.level <= 2]
    if any(
        re.search(r"\bmodel ?cards?\b|\bmodellkarte\b|\bfiche (?:de |du )?modele\b|\bmodelkaart\b", title)
        for title in titles[:3]
    ):
        return True
    told = {section for part in parts if part.level < 7 for section in sections_of(part.title)}
    return len(told) >= 4 and len(told & {"purpose", "out-of-scope", "training-data", "evaluation", "limits"}) >= 3


def _card(path: str, form: Any, front: Mapping[str, Any], told: set[str], text: str) -> ModelCard:
    sections = table("model-cards")["sections"]
    lowered = {key.lower().replace(" ", "_"): value for key, value in front.items()}
    told = told | {
        name for name, section in sections.items() if any(_says(lowered.get(key)) for key in section["keys"])
    }
    claim = private_training.in_text(text) if form == "markdown" else None
    return ModelCard(
        path,
        form,
        licences=_licences(lowered),
        bases=_bases(lowered, text),
        datasets=_names(lowered.get("datasets"), _IDENTIFIER),
        task="".join(_names(lowered.get("pipeline_tag"), WORDS)[:1]),
        library="".join(_names(lowered.get("library_name"), WORDS)[:1]),
        sections=tuple(name for name in sections if name in told),
        missing=tuple(name for name in sections if name not in told),
        private=claim.line if claim else 0,
        epsilon=claim.epsilon if claim else None,
        delta=claim.delta if claim else None,
    )


def _says(value: object) -> bool:
    if isinstance(value, str):
        return not _is_placeholder(value)
    if isinstance(value, list):
        return any(_says(item) for item in value)
    if isinstance(value, dict):
        return bool(value)
    return value is not None


def _names(value: object, form: re.Pattern[str]) -> tuple[str, ...]:
    """Return the names in a text or a list of texts that have the given form and no look of a secret."""
    items = value if isinstance(value, list) else [value]
    return tuple(dict.fromkeys(item for item in items if isinstance(item, str) and is_name(item, form)))[:MAX_NAMES]


def is_name(value: str, form: re.Pattern[str] = _IDENTIFIER) -> bool:
    """Say whether a text has the form of a name on a hub and may be shown."""
    return bool(form.match(value)) and redact.text(value) == value


def _licences(front: Mapping[str, Any]) -> tuple[str, ...]:
    given: list[str] = []
    for key in ("license", "licence", "licenses", "license_name"):
        given += _names(front.get(key), WORDS)
    named = [name for name in given if name.lower() not in ("other", "unknown")]
    return tuple(dict.fromkeys(named or given))


def _bases(front: Mapping[str, Any], text: str) -> tuple[tuple[str, str], ...]:
    """Return the base models with the commit that the card gives: after an @, under a key of its own, or anywhere in its text."""
    found = []
    revision = str(front.get("base_model_revision") or "")
    commit = COMMIT.search(text)
    given = front.get("base_model")
    for item in given if isinstance(given, list) else [given]:
        if not isinstance(item, str):
            continue
        name, _, own = item.partition("@")
        own = own if COMMIT.fullmatch(own) else revision if COMMIT.fullmatch(revision) else ""
        if is_name(name):
            found.append((name, own or (commit.group() if commit else "")))
    return tuple(dict.fromkeys(found))[:MAX_NAMES]


# --- Headings


def _parts(text: str) -> Iterator[_Part]:
    """Yield headings and labels, each with whether something is said below it."""
    open_parts: list[tuple[int, str, bool]] = []
    lines = [*_outside_code(_COMMENT.sub("", text).split("\n", MAX_LINES)[:MAX_LINES]), ""]
    underline = False
    for line, after in pairwise(lines):
        if underline:
            underline = False
            continue
        level, title = _heading(line, after)
        if level:
            underline = not line.lstrip().startswith(("#", "<"))
            while open_parts and open_parts[-1][0] >= level:
                yield _Part(*open_parts.pop())
            open_parts.append((level, title, False))
            continue
        said = line
        if match := _LABEL.match(line):
            said = match.group(3)
            yield _Part(7, match.group(2), not _is_placeholder(said))
        elif match := _ROW.match(line):
            said = match.group(2)
            yield _Part(7, match.group(1), not _is_placeholder(said))
        if not _is_placeholder(said):
            open_parts = [(one, name, True) for one, name, _ in open_parts]
    while open_parts:
        yield _Part(*open_parts.pop())


def _outside_code(lines: Sequence[str]) -> Iterator[str]:
    """Yield the lines with those of fenced code as one word each: code is content, and holds no heading."""
    fence = ""
    for line in lines:
        match = _FENCE.match(line)
        if fence:
            if match and match.group(1).startswith(fence):
                fence = ""
            yield "code" if line.strip() else ""
        elif match:
            fence = match.group(1)[:3]
            yield "code"
        else:
            yield line


def _heading(line: str, after: str) -> tuple[int, str]:
    """Return level and title when the line is a heading or the next one underlines it, else (0, "")."""
    if match := _ATX.match(line):
        return len(match.group(1)), match.group(2)
    if line.lstrip()[:2].lower() == "<h" and (match := _HTML.match(line)):
        return int(match.group(1)), re.sub(r"<[^>]{0,200}>", "", match.group(2))
    if (
        len(after) >= 3
        and line.strip()
        and len(line) < 100
        and not line.lstrip().startswith(("|", "- ", "* ", "#", ">", "<"))
    ):
        match = _UNDERLINE.match(after)
        if match and len(match.group(1)) >= 3:
            return (1 if match.group(1)[0] == "=" else 2), line
    return 0, ""


@lru_cache(4096)
def plain(text: str) -> str:
    """Return words without case, accents, marks and punctuation, with one space between."""
    folded = unicodedata.normalize("NFKD", text[:200].casefold().replace("ł", "l"))
    return " ".join(re.findall(r"[a-z0-9]+", "".join(char for char in folded if not unicodedata.combining(char))))


def _is_placeholder(text: str) -> bool:
    words = plain(_LINK.sub(r"\1", text))
    return not words or words in _placeholders()


@cache
def _placeholders() -> frozenset[str]:
    return frozenset(table("model-cards")["placeholders"])


_AND = lazy.pattern(r"[,;&/+]|\b(?:and|or|und|oder|et|ou|y|o|e|en|of|i|oraz|lub)\b", re.I)


@cache
def _patterns() -> tuple[tuple[str, frozenset[str], re.Pattern[str]], ...]:
    """Return (section, words that are a heading alone, expression over plain words).

    A single word such as "data" counts only when it is the heading or one of those it joins.
    """
    found = []
    for name, section in table("model-cards")["sections"].items():
        alone = frozenset(words for words in section["headings"] if " " not in words and "*" not in words)
        rest = sorted(set(section["headings"]) - alone)
        parts = [re.escape(words).replace(r"\ ", " ").replace(r"\*", "[a-z0-9]*") for words in rest]
        found.append((name, alone, re.compile(r"\b(?:" + "|".join(parts) + r")\b")))
    return tuple(found)


@lru_cache(4096)
def sections_of(title: str) -> tuple[str, ...]:
    """Return the sections of rules/tables/model-cards.yaml that a heading or label stands for."""
    text = _LINK.sub(r"\1", title[:200])
    words = plain(text)
    joined = {re.sub(r"^(?:\d+ )+", "", plain(part)) for part in _AND.split(text)} | {re.sub(r"^(?:\d+ )+", "", words)}
    found = [name for name, alone, pattern in _patterns() if joined & alone or pattern.search(words)]
    if "out-of-scope" in found and "purpose" in found and len(joined) == 1:
        found.remove("purpose")  # "Out-of-scope use" says what it is not for
    return tuple(found)


def _of_title(parts: Sequence[_Part]) -> set[str]:
    """Return what the top heading tells by itself: the version."""
    first = [part.title for part in parts if part.level == 1]
    return {"version"} if any(_VERSION.search(title) for title in first) else set()
