"""Decides what is done with a member of an archive, the same for zip, tar and 7z."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator

from mlguard.errors import Unreadable
from mlguard.scanners import lazy
from mlguard.scanners.model import codecs, formats, posers, texts
from mlguard.scanners.model.source import View
from mlguard.scanners.model.state import MODEL_SUFFIXES, State
from mlguard.scanners.model.values import UNKNOWN, clean_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal, TypeAlias

    from mlguard.findings import Record

    Role: TypeAlias = Literal[
        "nothing", "model", "text-model", "source", "library", "pointer", "text", "picture", "other"
    ]
    """What a member may be: empty; worth a look by its content; text of a known kind; or none of these."""

    Content: TypeAlias = Callable[[], Generator[Record, None, View]]
    """Yields what unpacking shows and returns the member's content. Raises Unreadable."""

MAX_TEXT_BYTES = 16 * 2**20
"""Text of one member that is looked at for what texts show."""

MAX_LATER = 20_000
"""Members that wait until it is clear whether the archive holds a model."""

_SOURCES = (".py", ".pyi", ".pyw", ".sh", ".bash", ".zsh", ".ps1", ".bat", ".cmd")
_LIBRARIES = lazy.pattern(r"\.(?:so(?:\.\d+)*|dll|dylib|pyd|exe|cubin|fatbin|hsaco|ptx|node)$", re.I)
_COMPILED_FROM = (".c", ".cc", ".cpp", ".cxx", ".cu", ".cuh", ".h", ".hpp", ".metal", ".mm")
_TEXT_MODELS = frozenset({"jsons", "xml", "hydra"})  # formats that lie beside models, and beside anything else
_TEXTS = frozenset({"text", "markdown", "json", "yaml", "toml", "ini", "env", "requirements", "pyproject", "pylock", "html", "xml", "model-text", "config", "dockerfile", "privacy"})  # fmt: skip
_SETTINGS = frozenset({"yaml", "toml", "ini", "env", "json", "xml", "config"})
_PICTURES = frozenset({"image", "font", "audio", "video"})
_FETCHES = lazy.pattern(
    r"^[ \t]*(?:-e[ \t]+|--editable[ =])?(?:[\w.\-\[\], ]{1,200}@[ \t]*)?(?:(?:git|hg|svn|bzr)\+|(?:https?|ftp|file)://)"
    r"|^[ \t]*(?:-i|--index-url|--extra-index-url|-f|--find-links)[ =][ \t]*"
    r"(?!https://(?:pypi\.org|download\.pytorch\.org|pypi\.nvidia\.com|pypi\.ngc\.nvidia\.com)/)\S|^[ \t]*--trusted-host\b",
    re.M | re.I,
)


def may_hold_model(name: str, head: bytes) -> bool:
    """Say whether a member is worth unpacking: by its first bytes, or by a name that stands for a model."""
    if head[:1] == b"\x80" and len(head) > 1 and head[1] <= 5 or head.startswith((b"\x93NUMPY", b"PK\x03\x04")):
        return True
    if (
        name.lower().endswith(MODEL_SUFFIXES)
        or codecs.codec_of(head)
        or head[257:262] == b"ustar"
        or name.lower().endswith(".tar")
    ):
        return True
    return len(head) > 9 and head[8:9] == b"{" and head[6] == 0 and head[7] == 0


def role_of(name: str, head: bytes) -> Role:
    """Return what a member called ``name`` that begins with ``head`` (up to 4096 bytes) may be."""
    if not head:
        return "nothing"
    base = name.rsplit("/", 1)[-1]
    lower = base.lower()
    if posers.pointer(head[:1024])[0]:
        return "pointer"
    if may_hold_model(name, head):
        return "model"
    if found := formats.format_of(head, base):
        return "text-model" if found in _TEXT_MODELS and not lower.endswith(MODEL_SUFFIXES) else "model"
    if lower.endswith(_SOURCES):
        return "source"
    if posers.program(head)[0] or _LIBRARIES.search(lower):
        return "library"
    from mlguard.artifacts import kind_of

    kind = kind_of(base, head)
    if kind == "model":
        return "model"
    if kind in ("python", "shell"):
        return "source"
    if kind in _TEXTS or lower.endswith(_COMPILED_FROM) and b"\0" not in head:
        return "text"
    return "picture" if kind in _PICTURES else "other"


class Bundle:
    """What the members of one archive have shown so far. ``kind`` is the archive's format, ``told`` its own words for it.

    ``package`` is one of code, such as a wheel: others look at its sources. ``known`` are sources that need no review
    because everybody has them.
    """

    def __init__(self, view: View, kind: str, package: bool = False, known: re.Pattern[str] | None = None) -> None:
        self.view, self.kind, self.package, self.known = view, kind, package, known
        self.read = self.unread = self.trouble = 0
        self.data = 0  # of the unread, what the scanner of datasets looks at unless the archive is a model
        self.later: list[tuple[Role, str, Content]] = []


def look(bundle: Bundle, name: str, head: bytes, content: Content, state: State) -> Iterator[Record]:
    """Look at one member, or keep it for ``settle``."""
    role = role_of(name, head)
    if role == "nothing":
        return
    if role in ("text", "picture", "other") and _is_data(name, head):
        bundle.data += 1
    if role in ("model", "text-model"):
        yield from _examined(bundle, role, content, state)
    elif role == "other":
        bundle.unread += 1
    elif len(bundle.later) < MAX_LATER:
        bundle.later.append((role, name, content))
    else:
        bundle.unread += 1


def _is_data(name: str, head: bytes) -> bool:
    from mlguard.artifacts import Artifact, kind_of
    from mlguard.scanners import dataset

    kind = kind_of(name, head)
    return kind in _PICTURES or dataset.wanted(Artifact(name, kind, 0))


def _examined(bundle: Bundle, role: Role, content: Content, state: State) -> Iterator[Record]:
    try:
        inner = yield from content()
        if inner.name.lower().endswith(".json"):
            from mlguard.scanners.model.formats import hydra

            yield from hydra.json_targets(inner, state)
        found = yield from state.examine(inner, state)
    except Unreadable as trouble:
        yield from state.gap("unreadable", str(trouble), bundle.view.within)
        bundle.trouble += 1
        return
    if found == "unread":
        bundle.unread += 1
    elif found == "read" and role == "model":
        bundle.read += 1


def settle(bundle: Bundle, is_model: bool, state: State) -> Iterator[Record]:
    """Tell of sources, libraries, pointers and texts when the archive holds a model; else count them as not looked into."""
    for role, name, content in bundle.later:
        if role == "pointer":
            if is_model or name.lower().endswith(MODEL_SUFFIXES):
                yield from _settled(role, name, content, bundle, state)
            else:
                bundle.unread += 1
        elif not is_model or bundle.package:
            bundle.unread += 1
        elif role != "picture":
            yield from _settled(role, name, content, bundle, state)
    bundle.later.clear()


def _settled(role: Role, name: str, content: Content, bundle: Bundle, state: State) -> Iterator[Record]:
    try:
        inner = yield from content()
    except Unreadable as trouble:
        yield from state.gap("unreadable", str(trouble), bundle.view.within)
        return
    if role == "source":
        from mlguard.scanners.model import sources

        if bundle.known is not None and bundle.known.search(name):
            notes = yield from sources.judged(inner, state)
            if not notes:
                return
        yield from sources.told(inner, state, bundle.kind)
    elif role == "library":
        facts: dict[str, str | int] = {"name": "native library", "opcode": "member", "format": bundle.kind}
        yield from state.detection(UNKNOWN, "native-code", inner.within, 0, None, "native-code", facts)
    elif role == "pointer":
        reason, hint = posers.pointer(inner.head(1024))
        yield from state.gap("skipped", reason or "a pointer to a file elsewhere", inner.within, hint)
    else:
        yield from _text(inner, bundle, state)


def _text(inner: View, bundle: Bundle, state: State) -> Iterator[Record]:
    """Look at the text of a model's bundle that is no model text itself."""
    from mlguard.artifacts import kind_of

    kind = kind_of(inner.name, inner.head(4096))
    if kind == "requirements":
        text = inner.head(MAX_TEXT_BYTES).decode("utf-8", "replace")
        if match := _FETCHES.search(text):
            facts: dict[str, str | int] = {"name": "requirements", "opcode": "member", "format": bundle.kind}
            place = len(text[: match.start()].encode())
            yield from state.detection(UNKNOWN, "bundled-requirement", inner.within, place, None, "requirements", facts)
    elif (
        kind in _SETTINGS or kind == "text" and ("." not in inner.name or inner.name.lower().endswith((".txt", ".cfg")))
    ):
        if len(inner) > MAX_TEXT_BYTES:
            yield from state.gap("too-large", "a text in an archive is looked at only in its first part", inner.within)
        text = inner.head(MAX_TEXT_BYTES).decode("utf-8", "replace")
        yield from texts.told([(clean_name("", inner.name.rsplit(".", 1)[0]), text)], inner, state, bundle.kind)
