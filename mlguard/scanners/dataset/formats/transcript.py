"""Reads transcripts of talks and exported chats: who speaks in one column, what is said in another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from mlguard import lazy
from mlguard.errors import Unreadable
from mlguard.scanners.dataset import lines
from mlguard.scanners.dataset.columns import strings
from mlguard.scanners.dataset.source import Source
from mlguard.scanners.dataset.table import Table

BATCH_LINES = 20_000
"""Utterances of a batch."""

MAX_SAID = 20_000
"""Characters of one utterance; what comes after begins another one."""

HEAD_LINES = 60
"""Lines by which a text is known for a transcript."""

LABELS = ("sender name", "said")
"""Names of the columns; the file has none."""

_NAME = r"(?P<who>[^\W\d_][^:<>\[\]{}|=\n]{0,59}?|\+\d[\d ()\-]{5,20})"
# Exports of WhatsApp for Android and iOS in several locales; Telegram and Signal write alike.
_CHAT = lazy.pattern(
    rf"^[\u200e\u202a\ufeff]*\[?\d{{1,4}}[./\-]\d{{1,2}}[./\-]\d{{1,4}},?\s+\d{{1,2}}[:.]\d{{2}}(?:[:.]\d{{2}})?(?:\s?[AaPp]\.?\s?[Mm]\.?)?\]?(?:\s[-–])?\s[~\s]*{_NAME}:\s(?P<said>.*)$"
)
_CLOCK = lazy.pattern(r"^\[?\(?\d{1,2}:\d{2}(?::\d{2})?(?:[.,]\d{1,3})?\)?\]?\s+" + _NAME + r"(?::\s(?P<said>.*)|\s*)$")
_CUE = lazy.pattern(r"^\s*(?:\d{1,2}:)?\d{1,2}:\d{2}[.,]\d{3}\s+-->\s+(?:\d{1,2}:)?\d{1,2}:\d{2}[.,]\d{3}")
_VOICE = lazy.pattern(r"<v(?:\.[\w.]+)?\s+([^>]{1,80})>")
_TAG = lazy.pattern(r"</?[a-z][^>]{0,80}>|\{\\[^}]{0,40}\}")
_TURN = lazy.pattern(
    r"^(?:[-–>]\s*)?(?P<who>[^\W\d_][\w.'’\- ]{0,39}?)(?:\s*\((?:[\w ,.:]{1,30})\))?:\s+(?P<said>\S.*)$"
)


_ROLES = frozenset(
    ["user", "agent", "assistant", "system", "human", "bot", "ai", "customer", "client", "support", "q", "a", "question", "answer", "input", "output", "instruction", "response", "speaker",
     "interviewer", "patient", "doctor", "kunde", "berater", "nutzer", "utilisateur", "usuario", "note", "example", "prompt", "model", "context"]
)  # fmt: skip
"""Who speaks in dialogues that are no transcript of named people."""


def form_of(head: Iterable[str]) -> str:
    """Return "cues" for subtitles, "chat" for an exported chat, "turns" for a dialogue, or ""."""
    first = [line.rstrip("\r\n") for _, line in zip(range(HEAD_LINES), head, strict=False)]
    first = [line for line in first if line.strip()]
    if not first:
        return ""
    if first[0].lstrip("\ufeff").startswith("WEBVTT") or sum(bool(_CUE.match(line)) for line in first) * 6 >= len(
        first
    ):
        return "cues"
    if sum(bool(_CHAT.match(line)) for line in first) * 3 >= len(first) and len(first) > 1:
        return "chat"
    if sum(bool(_CLOCK.match(line)) for line in first) * 3 >= len(first) and len(first) > 2:
        return "clock"
    turns = [match["who"].strip().lower() for line in first if (match := _TURN.match(line))]
    if not set(turns) - _ROLES:
        return ""  # names nobody, and as lines of a text each keeps its number
    return "turns" if len(turns) > 3 and len(turns) * 10 >= 7 * len(first) and len(set(turns)) * 2 <= len(turns) else ""


def tables(source: Source) -> Iterator[Table]:
    """Yield the one table of the source. Lines that belong to no utterance are said by nobody. Raises Unreadable when it is none."""
    encoding, trouble = lines.encoding_of(source)
    form = form_of(lines.of_source(source, encoding))
    if not form:
        raise Unreadable("holds no transcript")
    table = Table("text", _batches(_said(lines.of_source(source, encoding), form)))
    if trouble:
        table.missed.append(("unreadable", trouble))
    yield table


def _said(texts: Iterable[str], form: str) -> Iterator[tuple[str, str]]:
    """Yield (who, what) of each utterance."""
    if form == "cues":
        yield from _cues(texts)
        return
    pattern = {"chat": _CHAT, "clock": _CLOCK, "turns": _TURN}[form]
    who, what = "", ""
    for line in texts:
        match = pattern.match(line.rstrip("\r\n"))
        if match or len(what) > MAX_SAID:
            if who or what:
                yield who, what
            who, what = (match["who"].strip(), match["said"] or "") if match else (who, line.strip())
        else:
            what = f"{what}\n{line.strip()}".strip()
    if who or what:
        yield who, what


def _cues(texts: Iterable[str]) -> Iterator[tuple[str, str]]:
    for line in texts:
        text = line.strip()
        if not text or text.isdigit() or _CUE.match(text) or text.lstrip("\ufeff").startswith("WEBVTT"):
            continue
        voice = _VOICE.search(text)
        plain = _TAG.sub("", text).strip()
        turn = None if voice else _TURN.match(plain)
        who = voice[1].strip() if voice else turn["who"].strip() if turn else ""
        for start in range(0, len(plain), MAX_SAID):
            yield who, (turn["said"] if turn else plain)[start : start + MAX_SAID]


def _batches(said: Iterable[tuple[str, str]]) -> Iterator[Any]:
    import pyarrow as pa

    whos: list[str] = []
    whats: list[str] = []
    size = 0

    def ready() -> Any:
        return pa.RecordBatch.from_arrays([strings(whos), strings(whats)], names=list(LABELS))

    try:
        for who, what in said:
            whos.append(who)
            whats.append(what)
            size += len(what)
            if len(whos) >= BATCH_LINES or size > 8 * 2**20:
                yield ready()
                whos, whats, size = [], [], 0
    except Unreadable:
        if whos:
            yield ready()
        raise
    if whos:
        yield ready()
