"""Feeds XML to handlers within bounds: no entities of its own, nothing fetched, no tag of any length."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING
from xml.parsers import expat

from mlguard.errors import Unreadable
from mlguard.scanners.dataset.table import MAX_DEPTH

if TYPE_CHECKING:
    from typing import Protocol

    class Handlers(Protocol):
        """Called with names as they are written, prefix included."""

        def start(self, name: str, attributes: dict[str, str]) -> None: ...

        def end(self, name: str) -> None: ...

        def data(self, text: str) -> None: ...

        def comment(self, text: str) -> None: ...


MAX_TAG_BYTES = 16 * 2**20
"""A tag, comment or name of an encoding: what the parser must hold at once."""

MAX_LEVELS = 8 * MAX_DEPTH
"""Elements in one another. Documents nest deeper than records do."""


def feed(pieces: Iterator[bytes], handlers: Handlers) -> Iterator[None]:
    """Parse the pieces; yield after each, so that the caller can take what was made of it. Raises Unreadable."""
    parser = expat.ParserCreate()
    level = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal level
        level += 1
        if level > MAX_LEVELS:
            raise Unreadable(f"elements are nested deeper than {MAX_LEVELS}")
        handlers.start(name, attributes)

    def end(name: str) -> None:
        nonlocal level
        level -= 1
        handlers.end(name)

    def entity(*_: object) -> None:
        raise Unreadable("declares entities, which are not resolved")

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler, parser.CommentHandler = handlers.data, handlers.comment
    parser.EntityDeclHandler = parser.UnparsedEntityDeclHandler = entity
    fed = 0
    try:
        for piece in pieces:
            parser.Parse(piece, False)
            fed += len(piece)
            yield
            if fed - max(parser.CurrentByteIndex, 0) > MAX_TAG_BYTES:
                raise Unreadable(f"a tag is longer than {MAX_TAG_BYTES // 2**20} MiB")
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        if error.code == expat.errors.codes[expat.errors.XML_ERROR_UNDEFINED_ENTITY]:
            raise Unreadable("uses an entity that is not resolved; the rest was not read") from None
        raise Unreadable("no well-formed XML to its end; what came before was read") from None
    except (ValueError, LookupError, MemoryError):
        raise Unreadable("its encoding is not known") from None
    yield
