"""Looks into XML that is a model: PMML and OpenVINO's intermediate representation. Nothing outside the file is ever opened.

Formats: https://dmg.org/pmml/ (4.4: Extension, Apply, DefineFunction) and
https://docs.openvino.ai/latest/documentation/openvino-ir-format.html (net, layers, version of a layer is its operator set).
Entities and document types of XML can reach files and addresses; no model needs them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from mlguard.errors import Unreadable
from mlguard.scanners.model import names, texts
from mlguard.scanners.model.source import CHUNK_BYTES, View
from mlguard.scanners.model.state import Examination, State
from mlguard.scanners.model.values import UNKNOWN, clean_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mlguard.findings import Record

MAX_XML_BYTES = 128 * 2**20
MAX_DEPTH = 2000
MAX_TEXTS = 50_000
MAX_TEXT = 2**16
"""Characters of one text."""

_OPSETS = re.compile(r"opset(?:[1-9]|1\d|2[0-4])\Z")
_INTERNAL = frozenset({"ie_internal_opset", "util", "gpu_opset"})
_OWN_OPSETS = frozenset({"extension", "experimental", "custom", ""})
_DOTTED = re.compile(r"[A-Za-z_]\w*(?:[.$][A-Za-z_]\w*)+\Z", re.A)
_PATHS = re.compile(r"(?:[A-Za-z][\w+.-]*:)?//|/|~|[A-Za-z]:[\\/]|.*\.\.[\\/]", re.S)
_TEXT_TAGS = frozenset(
    {"Extension", "Annotation", "Constant", "Application", "Timestamp", "meta_data", "rt_info", "cli_parameters"}
)
_SAFE_ENCODINGS = frozenset({"", "utf-8", "utf8", "utf-16", "us-ascii", "ascii", "iso-8859-1", "latin1", "latin-1", "windows-1252", "utf-16le", "utf-16be"})  # fmt: skip


class _Stop(Exception):
    """Enough was seen."""


class _Document:
    """What expat tells. ``problems`` are (check, byte); texts and functions are kept within bounds."""

    def __init__(self) -> None:
        self.root = ""
        self.problems: list[tuple[str, int]] = []
        self.texts: list[tuple[str, str]] = []
        self.layers: set[tuple[str, str]] = set()
        self.functions: set[str] = set()
        self.paths: list[int] = []
        self.path: list[str] = []
        self.parts: list[str] = []
        self.keep = 0  # depth of elements whose text is kept


def examine(view: View, state: State) -> Examination:
    """Look at a document; "inert" when it is neither PMML nor OpenVINO's."""
    document = _Document()
    trouble = _parsed(view, document)
    kind = {"PMML": "PMML", "net": "OpenVINO"}.get(document.root, "XML")
    is_model = kind != "XML" or view.name.lower().endswith(".pmml")
    if is_model:
        state.name(kind)
    for check, byte in document.problems:
        yield from state.malformed(check, view, byte, kind)
    if not is_model and not document.problems:
        return "inert"
    yield from _told(document, kind, view, state)
    if trouble and not document.problems:
        yield from state.gap("too-large" if "larger" in trouble else "unreadable", trouble, view.within)
    return "read"


def _told(document: _Document, kind: str, view: View, state: State) -> Iterator[Record]:
    for name, version in sorted(document.layers):
        shown = clean_name("", name)
        state.imports.setdefault(shown, "review")
        facts: dict[str, str | int] = {"name": shown, "opcode": "layer", "format": kind}
        yield from state.detection(
            UNKNOWN, "custom-operator", view.within, 0, None, f"{shown} {clean_name('', version)}", facts
        )
    for function in sorted(document.functions):
        module, _, name = function.replace("$", ".").rpartition(".")
        judged = state.policy.judge(module, name)
        if judged.verdict == "block" or function.startswith(_JAVA):
            yield from names.told("os" if function.startswith(_JAVA) else module, "system" if function.startswith(_JAVA) else name,
                                  view, state, "Apply", kind)  # fmt: skip
        else:
            facts = {"name": clean_name(module, name), "opcode": "Apply", "format": kind}
            yield from state.detection(UNKNOWN, "custom-operator", view.within, 0, None, function[:200], facts)
    for byte in document.paths[:1]:
        yield from state.malformed("external-path", view, byte, kind)
    yield from texts.told(document.texts, view, state, kind)


_JAVA = ("java.", "javax.", "sun.", "jdk.", "com.sun.", "groovy.", "org.codehaus.groovy.", "ognl.", "javassist.")


def _parsed(view: View, document: _Document) -> str:
    """Feed the document to expat piece by piece; return what went wrong, in words."""
    from xml.parsers import expat

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
    _handlers(parser, document)
    stop = min(view.end, view.start + MAX_XML_BYTES)
    try:
        for at in range(view.start, stop, CHUNK_BYTES):
            piece = bytes(view.data[at : min(stop, at + CHUNK_BYTES)])
            parser.Parse(piece, False)
        if stop == view.end:
            parser.Parse(b"", True)
    except _Stop:
        return ""
    except expat.ExpatError as error:
        if error.code == 18:  # XML_ERROR_UNKNOWN_ENCODING
            document.problems.append(("external-entity", 0))
        return "the XML is damaged from some place on"
    except (ValueError, LookupError, UnicodeError, Unreadable):
        return "the XML is damaged from some place on"
    return "the XML is larger than is read" if stop < view.end else ""


def _handlers(parser: object, document: _Document) -> None:
    """Hang our functions on the parser. Unset ones (external entities) are never followed by expat itself."""

    def byte() -> int:
        return max(0, int(parser.CurrentByteIndex))  # type: ignore[attr-defined]  # an expat parser has no public type

    def declaration(version: str, encoding: str | None, standalone: int) -> None:
        if (encoding or "").lower() not in _SAFE_ENCODINGS:
            document.problems.append(("external-entity", byte()))

    def doctype(name: str, system: str | None, public: str | None, internal: int) -> None:
        if system and not _is_dmg(system) or public and not system:
            document.problems.append(("external-entity", byte()))

    def entity(*_: object) -> None:
        document.problems.append(("external-entity", byte()))
        raise _Stop

    def external(*_: object) -> int:
        document.problems.append(("external-entity", byte()))
        raise _Stop

    def instruction(target: str, data: str) -> None:
        if target == "xml-stylesheet" and _PATHS.search(data) or target.lower() in ("php", "python"):
            document.problems.append(("external-entity", byte()))

    def start(tag: str, attributes: dict[str, str]) -> None:
        name = tag.rpartition(":")[2]
        document.path.append(name)
        if len(document.path) == 1:
            document.root = name
        if len(document.path) > MAX_DEPTH:
            raise Unreadable("nested too deeply")
        if name == "include" and tag != name or name == "import" and "schemaLocation" in attributes:
            document.problems.append(("external-entity", byte()))
        _element(document, name, attributes, byte())
        if name in _TEXT_TAGS:
            document.keep += 1

    def end(tag: str) -> None:
        name = document.path.pop() if document.path else ""
        if document.parts and len(document.texts) < MAX_TEXTS:
            document.texts.append((name, "".join(document.parts)[:MAX_TEXT]))
        document.parts.clear()
        if name in _TEXT_TAGS:
            document.keep -= 1

    def text(data: str) -> None:
        if document.keep and len(document.parts) < 4096 and data.strip():
            document.parts.append(data[:MAX_TEXT])

    for attribute, function in (
        ("XmlDeclHandler", declaration), ("StartDoctypeDeclHandler", doctype), ("EntityDeclHandler", entity),
        ("UnparsedEntityDeclHandler", entity), ("NotationDeclHandler", entity), ("ExternalEntityRefHandler", external),
        ("ProcessingInstructionHandler", instruction), ("StartElementHandler", start), ("EndElementHandler", end),
        ("CharacterDataHandler", text),
    ):  # fmt: skip
        setattr(parser, attribute, function)


def _is_dmg(system: str) -> bool:
    """Say whether a document type is the published one of PMML before 3.0, which nobody fetches."""
    return bool(
        re.match(r"https?://www\.dmg\.org/[\w./-]+\.dtd\Z", system) or re.match(r"pmml[\w.-]*\.dtd\Z", system, re.I)
    )


def _element(document: _Document, name: str, attributes: dict[str, str], byte: int) -> None:
    """Note what an element of PMML or OpenVINO says about operators, functions and texts."""
    if document.root == "net":
        if name == "layer":
            version = attributes.get("version", "opset1")
            if not _OPSETS.match(version) and version not in _INTERNAL and len(document.layers) < 1000:
                document.layers.add((attributes.get("type", ""), version))
        elif name in ("data", "bin", "weights"):
            for key in ("path", "file", "filename", "location", "bin"):
                if key in attributes and _PATHS.match(attributes[key]):
                    document.paths.append(byte)
        if document.keep and len(document.texts) < MAX_TEXTS:
            document.texts += [(name, value[:MAX_TEXT]) for value in attributes.values() if len(value) > 3]
    elif document.root == "PMML":
        function = attributes.get("function", "") if name in ("Apply", "Aggregate") else ""
        if function and _DOTTED.match(function) and len(document.functions) < 1000:
            document.functions.add(function)
        if name in _TEXT_TAGS | {"Header", "DataField", "MiningField"} and len(document.texts) < MAX_TEXTS:
            document.texts += [(name, value[:MAX_TEXT]) for value in attributes.values() if len(value) > 3]
