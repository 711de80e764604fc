"""Reads SentencePiece tokenizers: a protobuf message of pieces and settings, which holds no code.

Format: src/sentencepiece_model.proto of https://github.com/google/sentencepiece (ModelProto: 1 pieces, 2 trainer_spec,
3 normalizer_spec, 4 self_test_data, 5 denormalizer_spec, 200 and more extensions; SentencePiece: 1 piece, 2 score, 3 type).
"""

from __future__ import annotations

from collections.abc import Iterator

from mlguard.scanners.model import protobuf, texts
from mlguard.scanners.model.source import View
from mlguard.scanners.model.state import Examination, State

MAX_PIECES = 1_000_000
MAX_SETTING_BYTES = 2**12
"""What is read of one text of the settings, such as the paths of the training data."""

_PIECES, _TRAINER = 1, 2


def examine(view: View, state: State) -> Examination:
    """Walk the message; "unread" when it is no such tokenizer."""
    wire = protobuf.Wire(view.data)
    pieces, odd = 0, False
    settings: list[tuple[int, int]] = []
    places: list[tuple[int, int]] = []
    for number, kind, begin, stop in wire.fields(view.start, view.end):
        odd = odd or kind != protobuf.BYTES or not (1 <= number <= 5 or number >= 200)
        if odd:
            break
        if number == _PIECES and pieces < MAX_PIECES:
            pieces += 1
            places.append((begin, stop))
        elif number == _TRAINER:
            settings.append((begin, stop))
    if odd or not pieces:
        return "unread"
    state.name("sentencepiece")
    yield from texts.told(_texts(wire, places, settings), view, state, "sentencepiece")
    yield from protobuf.trouble(wire, view, state, "SentencePiece")
    return "read"


def _texts(
    wire: protobuf.Wire, places: list[tuple[int, int]], settings: list[tuple[int, int]]
) -> Iterator[tuple[str, str]]:
    for begin, stop in settings:
        for number, kind, start, end in wire.fields(begin, stop):
            if kind == protobuf.BYTES:
                yield f"trainer_spec.{number}", wire.text(start, end, MAX_SETTING_BYTES)
    for begin, stop in places:
        for number, kind, start, end in wire.fields(begin, stop):
            if number == 1 and kind == protobuf.BYTES:
                yield "pieces", wire.text(start, end, 256)
                break
