"""Judges chat templates: Jinja text that a runtime renders with what users write. It is parsed and never rendered.

Some runtimes render in a sandbox (transformers), others do not (llama-cpp-python before 0.2.72: CVE-2024-34359). The text is
judged alike for both.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from mlguard.scanners import lazy
from mlguard.scanners.model.source import View
from mlguard.scanners.model.state import State
from mlguard.scanners.model.values import UNKNOWN, clean_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mlguard.findings import Record

CODE = "model/bundled-executable-code"

MAX_TEMPLATE = 2**18
"""Characters of a template. The longest of a known family has 30,000."""

MARKUP = "holds markup that a browser would follow or run"
SENT = "puts what it is given behind a web address"
ADDRESS = "holds a web address"
ORDERS = "tells the model to hide something from the user or to drop what it was told"
BLOB = "holds a long encoded text"
HIDDEN = "holds characters that nobody sees"

_AREA = lazy.pattern(r"\{[{%](.*?)(?:[%}]\}|\Z)", re.S)
_ESCAPE = lazy.pattern(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|([0-7]{1,3}))")
_ATTR = lazy.pattern(
    r"\|\s*attr\s*\(|\bmap\s*\(\s*['\"]attr['\"]|\b(?:cycler|lipsum)\b|\.\s*(?:popen|Popen|check_output)\s*\(|\bself\s*\.\s*_"
)
_GLUED = lazy.pattern(r"['\"]\s*(?:~|\+)\s*['\"]")
_TAKES = lazy.pattern(r"\A\s*[-+]?\s*(?:include|import|from|extends)\b")

_MARKUP = lazy.pattern(
    r"(?i)<\s*(?:script|iframe|object|embed|img|svg|link|form)\b[^<>]{0,200}?(?:\b(?:src|href|action|data)\s*=|\bon\w+\s*=)"
    r"|<\s*/?\s*script\b|\bjavascript:\s*\w|\bon(?:error|load|click)\s*=\s*[\"'\w]|!\[[^\]\n]{0,80}\]\(\s*(?:https?:)?//"
)
_SENT = lazy.pattern(r"(?i)\b(?:https?|wss?|ftp)://[^\s\"'<>{}]{0,300}(?:\{\{|[\"']\s*(?:~|\+|\}\}\s*\{\{))")
_ADDRESS = lazy.pattern(r"(?i)\b(?:https?|ftp|wss?)://([A-Za-z0-9.-]{0,253})")
_KNOWN_HOSTS = (
    "huggingface.co", "github.com", "allenai.org", "json-schema.org", "w3.org", "schema.org", "openai.com", "mistral.ai", "meta.com",
    "google.dev", "qwen.ai", "deepseek.com", "python.org", "wikipedia.org", "ibm.com", "microsoft.com", "nvidia.com", "cohere.com",
    "apache.org", "llama.com", "x.ai", "anthropic.com", "liquid.ai", "arxiv.org",
)  # fmt: skip
"""Hosts that prompts of known families name, as models' own homes and as schemas."""

_BLOB = lazy.pattern(r"[A-Za-z0-9+/]{160,}={0,2}")
_ORDERS = lazy.pattern(
    r"(?i)\b(?:ignore|disregard|forget|override)\s+(?:all\s+|any\s+)?(?:of\s+)?(?:the\s+|your\s+)?(?:previous|prior|above|earlier|preceding|other)\s+\w*\s*(?:instruction|prompt|rule|message|direction)"
    r"|\b(?:do\s+not|don['\u2019]t|never)\s+(?:tell|inform|alert|notify|warn)\s+(?:this\s+to\s+)?the\s+user\b(?!\s+about\s+(?:the\s+|these\s+|any\s+)?(?:function|tool))|\bwithout\s+(?:telling|informing|alerting|notifying)\s+the\s+user\b"
    r"|\b(?:secretly|covertly|silently)\s+(?:send|add|include|insert|append|replace|forward|embed|inject)\b|\bexfiltrat"
)
_MAIL = lazy.pattern(r"[\w.+-]{1,64}@(?=\w)")
_HIDDEN = lazy.pattern("[\U000e0001-\U000e007f\u202a-\u202e\u2066-\u2069]")


def told(text: str, key: str, view: View, state: State, kind: str, byte: int = 0) -> Iterator[Record]:
    """Yield what the template ``text`` reaches for. ``key`` names where it stands; ``byte`` counts from the start of ``view``."""
    yield from _told(text, key, view, state, kind, byte, chat=True)


def without_mail(text: str) -> str:
    """Return the template without addresses of e-mail, for judges of metadata: prompts name contacts, as pages do."""
    return _MAIL.sub("", text)


def told_page(text: str, key: str, view: View, state: State, kind: str, byte: int = 0) -> Iterator[Record]:
    """Yield what the template of a page does that only an attack needs; what it takes in and says is the project's business."""
    yield from _told(text, key, view, state, kind, byte, chat=False)


def _told(text: str, key: str, view: View, state: State, kind: str, byte: int, chat: bool) -> Iterator[Record]:
    from mlguard.scanners.model import templatetree

    place = clean_name("", key)
    tree = templatetree.parsed(text) if len(text) <= MAX_TEMPLATE else None
    if tree is None:
        for note in _searched(text, chat):
            yield from _blocked(note, place, view, state, kind, byte)
    else:
        judge = templatetree.Judge(tree, chat)
        for hit in judge.hits():
            if hit.weight == "block":
                yield from _blocked(hit.note, place, view, state, kind, byte)
            elif hit.weight == "bomb":
                yield from state.malformed("template-bomb", view, byte, kind)
            else:
                yield from _doubtful(hit.note, hit.name, place, view, state, kind, byte)
    if chat:
        for note in _said(text):
            yield from _doubtful(note, "", place, view, state, kind, byte)
    if tree is None and chat and len(text) > MAX_TEMPLATE:
        yield from state.gap("too-large", "a chat template is longer than the limit", view.within)
    elif tree is None and chat:
        yield from state.gap("unreadable", "a chat template is not Jinja that can be parsed", view.within)
    elif tree is not None and judge.exhausted:
        yield from state.gap("too-large", "a chat template has more to compute than the limit", view.within)


def _blocked(note: str, place: str, view: View, state: State, kind: str, byte: int) -> Iterator[Record]:
    facts: dict[str, str | int] = {"name": place, "note": note, "format": kind}
    yield from state.detection(CODE, "template", view.within, byte, None, f"{place}: {note}", facts)


def _doubtful(note: str, name: str, place: str, view: View, state: State, kind: str, byte: int) -> Iterator[Record]:
    check = "template-function" if name else "template-content"
    facts: dict[str, str | int] = {"name": place, "note": note or name, "format": kind}
    yield from state.detection(UNKNOWN, check, view.within, byte, None, f"{place}: {note or name}", facts)


def _searched(text: str, chat: bool) -> Iterator[str]:
    """Yield what a text that is no Jinja, or too long, would reach for if another parser took it."""
    from mlguard.scanners.model import templatetree as tree

    for match in _AREA.finditer(text):
        inside = _ESCAPE.sub(_unescaped, match.group(1))
        glued = _GLUED.sub("", inside)
        if (tree.DUNDER if chat else tree.STRONG).search(glued):
            yield tree.INTERNALS
        elif chat and _ATTR.search(inside):
            yield tree.BY_NAME
        elif chat and _TAKES.search(inside) and match.group().startswith("{%"):
            yield tree.FILES


def _unescaped(match: re.Match[str]) -> str:
    hexadecimal = match.group(1) or match.group(2)
    return chr(int(hexadecimal, 16) if hexadecimal else int(match.group(3), 8))


def _said(text: str) -> Iterator[str]:
    """Yield what stands in the words of a template that a model or a browser would act on."""
    if _MARKUP.search(text):
        yield MARKUP
    if "://" in text:
        if _SENT.search(text):
            yield SENT
        elif any(not _is_known(match.group(1)) for match in _ADDRESS.finditer(text)):
            yield ADDRESS
    if _ORDERS.search(text):
        yield ORDERS
    if any(_is_encoded(match.group()) for match in _BLOB.finditer(text)):
        yield BLOB
    if _HIDDEN.search(text):
        yield HIDDEN


def _is_known(host: str) -> bool:
    host = host.lower().rstrip(".")
    return any(host == known or host.endswith("." + known) for known in _KNOWN_HOSTS)


def _is_encoded(text: str) -> bool:
    return any(c.isdigit() for c in text) and any(c.isupper() for c in text) and any(c.islower() for c in text)
