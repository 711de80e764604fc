"""Reads the schema.json of a skops archive: a tree of nodes, each of which names what it is rebuilt with.

Format: skops/io of https://github.com/skops-dev/skops (protocols 0 to 2): every node has ``__loader__``, ``__module__`` and
``__class__``. What skops itself shows to its user was wrong for some kinds of nodes (CVE-2025-54412: OperatorFuncNode,
CVE-2025-54413: MethodNode, and the name of a bit generator), so each kind is judged by what its loader does.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from mlguard.errors import Unreadable
from mlguard.scanners.model import names
from mlguard.scanners.model.source import View
from mlguard.scanners.model.state import Examination, State
from mlguard.scanners.model.values import DANGEROUS, UNKNOWN, clean_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from mlguard.findings import Record

MAX_SCHEMA_BYTES = 32 * 2**20
MAX_NODES = 2_000_000

_FIXED = {
    "DictNode": {"builtins.dict", "collections.OrderedDict"},
    "DefaultDictNode": {"collections.defaultdict"},
    "ListNode": {"builtins.list"},
    "SetNode": {"builtins.set", "builtins.frozenset"},
    "TupleNode": {"builtins.tuple"},
    "BytesNode": {"builtins.bytes"},
    "BytearrayNode": {"builtins.bytearray"},
    "SliceNode": {"builtins.slice"},
    "PartialNode": {"functools.partial"},
    "JsonNode": {"builtins.str"},
    "DTypeNode": {"numpy.dtype"},
    "MaskedArrayNode": {"numpy.ma.MaskedArray", "numpy.ma.core.MaskedArray"},
    "RandomStateNode": {"numpy.random.mtrand.RandomState"},
    "RandomGeneratorNode": {"numpy.random._generator.Generator"},
}
"""What the loader of a kind of node makes, when an honest writer wrote it. These are rebuilt by skops' own code."""

_BY_NAME = frozenset(
    {
        "FunctionNode", "TypeNode", "ObjectNode", "ConstructorFromReduceNode", "NdArrayNode", "SparseMatrixNode", "TreeNode",
        "LossNode", "SGDNode", "QuantileForestNode", "_DictWithDeprecatedKeysNode",
    }
)  # fmt: skip
_TYPES = frozenset({"NoneType", "ellipsis", "NotImplementedType", "function", "builtin_function_or_method"})
_GENERATORS = frozenset({"PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64"})
_TAKERS = frozenset({"attrgetter", "methodcaller"})


def examine(view: View, state: State) -> Examination:
    """Look at every node of a schema.json. Raises Unreadable."""
    state.name("skops")
    if len(view) > MAX_SCHEMA_BYTES:
        raise Unreadable("the schema of the skops file is larger than the limit")
    try:
        tree = json.loads(view.data[view.start : view.end], object_pairs_hook=_pairs)
    except (ValueError, RecursionError):
        raise Unreadable("the schema of the skops file is not valid JSON") from None
    queue, left = [tree], MAX_NODES
    ids: set[str] = set()
    cached: list[str] = []
    while queue and left:
        left -= 1
        node = queue.pop()
        if isinstance(node, list):
            queue.extend(node)
        elif isinstance(node, dict):
            queue.extend(node.values())
            if _TWICE in node:
                yield from state.malformed("duplicate-key", view, 0, "skops")
            if "__loader__" in node or isinstance(node.get("__module__"), str):
                yield from _node(node, view, state)
                (cached.append if node.get("__loader__") == "CachedNode" else ids.add)(repr(node.get("__id__")))
    if queue:
        yield from state.gap("too-large", "the schema of the skops file has more parts than the limit", view.within)
    elif not set(cached) <= ids:
        yield from state.malformed("header", view, 0, "skops")
    return "read"


_TWICE = "\0twice"


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        value[_TWICE] = True
    return value


def _node(node: dict[str, Any], view: View, state: State) -> Iterator[Record]:
    loader, module, name = node.get("__loader__"), node.get("__module__"), node.get("__class__")
    if loader == "CachedNode":
        return
    if not isinstance(module, str) or not isinstance(name, str) or not isinstance(loader, str):
        yield from state.malformed("header", view, 0, "skops")
        return
    dotted = f"{module}.{name}"
    if loader == "MethodNode":
        yield from _method(node, module, name, view, state)
    elif loader == "OperatorFuncNode":
        yield from _operator(node, module, name, view, state)
    elif loader == "FunctionNode" and isinstance(node.get("content"), dict):  # protocol 0
        content = node["content"]
        yield from _named(str(content.get("module_path", "")), str(content.get("function", "")), view, state)
    elif loader == "TypeNode" and module == "builtins" and name in _TYPES:
        return
    elif loader in _FIXED and dotted in _FIXED[loader]:
        state.imports.setdefault(dotted, "allow")
    elif loader in _BY_NAME or loader in _FIXED:
        yield from _named(module, name, view, state)
    else:
        yield from _named(module, name, view, state)
        yield from state.gap("skipped", "a kind of node of the skops file is not known here", view.within)
    if loader == "RandomGeneratorNode":
        yield from _generator(node, view, state)


def _named(module: str, name: str, view: View, state: State) -> Iterator[Record]:
    yield from names.told(module, name, view, state, "schema.json", "skops")


def _method(node: dict[str, Any], module: str, name: str, view: View, state: State) -> Iterator[Record]:
    """A bound method: an attribute that is taken from an object by name, whatever class the node itself shows."""
    content = node.get("content")
    owner = content.get("obj") if isinstance(content, dict) else None
    attribute = content.get("func") if isinstance(content, dict) else None
    if not isinstance(owner, dict) or not isinstance(attribute, str):
        yield from state.malformed("header", view, 0, "skops")
        return
    lies = owner.get("__loader__") != "CachedNode" and (owner.get("__module__"), owner.get("__class__")) != (
        module,
        name,
    )
    hidden = "__" in attribute or not attribute.isidentifier()
    if lies or hidden or state.policy.leaves.match(attribute) or state.policy.calls.match(attribute):
        yield from _told(DANGEROUS, "dynamic-name", clean_name(f"{module}.{name}", attribute), view, state)
    elif not state.policy.bound(module, name, attribute):
        yield from _told(UNKNOWN, "attribute-access", clean_name(f"{module}.{name}", attribute), view, state)
    yield from _named(module, name, view, state)


def _operator(node: dict[str, Any], module: str, name: str, view: View, state: State) -> Iterator[Record]:
    """A function of ``operator`` that is called with what the node holds, whatever module the node shows."""
    if module != "operator" or name not in _TAKERS | {"itemgetter"}:
        yield from _told(DANGEROUS, "dynamic-name", clean_name("operator", name), view, state)
    elif name in _TAKERS:
        texts = _texts(node.get("attrs"))
        harmful = any("__" in text or state.policy.leaves.match(text.strip('"')) for text in texts)
        rule, check = (DANGEROUS, "dynamic-name") if harmful else (UNKNOWN, "attribute-access")
        yield from _told(rule, check, f"operator.{name}", view, state)


def _texts(node: object) -> Iterator[str]:
    """Yield the JSON texts below a node, within a small bound."""
    queue, left = [node], 1000
    while queue and left:
        left -= 1
        item = queue.pop()
        if isinstance(item, dict):
            if item.get("__loader__") == "JsonNode" and isinstance(item.get("content"), str):
                yield item["content"]
            queue.extend(item.values())
        elif isinstance(item, list):
            queue.extend(item)


def _generator(node: dict[str, Any], view: View, state: State) -> Iterator[Record]:
    """The name of a bit generator is a text, and numpy.random's attribute of that name is called."""
    try:
        name = json.loads(node["content"]["bit_generator"]["content"]["bit_generator"]["content"])
    except (KeyError, TypeError, ValueError, RecursionError):
        name = None
    if name not in _GENERATORS:
        shown = clean_name("numpy.random", name) if isinstance(name, str) else "(not a name)"
        yield from _told(DANGEROUS, "dynamic-name", shown, view, state)


def _told(rule: str, check: str, name: str, view: View, state: State) -> Iterator[Record]:
    state.imports[name] = "block" if rule == DANGEROUS else state.imports.get(name, "review")
    facts: dict[str, str | int] = {"name": name, "opcode": "schema.json", "format": "skops"}
    yield from state.detection(rule, check, view.within, 0, None, name, facts)
