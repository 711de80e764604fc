"""Reads files of Jinja text: as chat templates where they are ones, else as pages of whatever the project renders."""

from __future__ import annotations

from mlguard.scanners import lazy
from mlguard.scanners.model import templates, texts
from mlguard.scanners.model.source import View
from mlguard.scanners.model.state import Examination, State

MAX_BYTES = 4 * 2**20
"""Of a file: a longer one is searched up to here, and is a gap."""

_NAME = lazy.pattern(r"(?i)chat[_-]?template|tool[_-]chat|chat[_-]?ml")
_ROLE = lazy.pattern(r"(?:\.|\[\s?['\"])(?:role|content)\b")
_GIVEN = lazy.pattern(r"\b(?:add_generation_prompt|bos_token|eos_token|raise_exception)\b")
_WEB = ("get_flashed_messages", "<html", "<body")


def examine(view: View, state: State) -> Examination:
    """Yield what the template reaches for. A page that shows nothing is no model."""
    text = view.head(MAX_BYTES).decode("utf-8", "replace")
    if not _is_chat(view.name, text):
        yield from templates.told_page(text, "chat_template", view, state, "jinja")
        return "inert"
    state.name("jinja")
    yield from templates.told(text, "chat_template", view, state, "jinja")
    yield from texts.told([("chat_template", templates.without_mail(text))], view, state, "jinja")
    if len(view) > MAX_BYTES:
        yield from state.gap("too-large", "a chat template is longer than the limit", view.within)
    return "read"


def _is_chat(name: str, text: str) -> bool:
    """Say whether a template turns messages into a prompt: by its name, what only such templates get, or what it reads."""
    if _NAME.search(name) or _GIVEN.search(text):
        return True
    return "messages" in text and bool(_ROLE.search(text)) and not any(word in text for word in _WEB)
