"""Judges the JSON that Keras models are rebuilt from: which code it holds, and which code and files it names.

Formats: keras/src/saving/serialization_lib.py and saving_lib.py (``module``, ``class_name``, ``config``, ``registered_name``,
``build_config``, ``compile_config``); keras/src/legacy/saving/serialization.py (``class_name`` and ``config`` alone);
tf_keras/src/layers/core/lambda_layer.py and tf_op_layer.py; the topology in model.json of TensorFlow.js.

The published ways to make loading a configuration run code or reach out are all answered here: CVE-2024-3660 (bytecode in a Lambda),
CVE-2025-1550 (``module`` names any function), CVE-2025-8747 and CVE-2025-12060 (keras.utils.get_file as a function),
CVE-2025-9905 (Lambda in HDF5, where no safe mode counts), CVE-2025-9906 (enable_unsafe_deserialization named in the file),
CVE-2025-12058 (a vocabulary that is a path or an address), CVE-2026-12479 (names of layers that are paths).
"""

from __future__ import annotations

import base64
import binascii
import builtins
import json
import re
from collections.abc import Generator, Iterator
from functools import cache
from itertools import islice

from mlguard import tables
from mlguard.errors import Unreadable
from mlguard.scanners import lazy
from mlguard.scanners.model import names as callables
from mlguard.scanners.model import texts
from mlguard.scanners.model.formats import operators
from mlguard.scanners.model.source import View
from mlguard.scanners.model.state import Examination, State
from mlguard.scanners.model.values import DANGEROUS, UNKNOWN, clean_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from mlguard.findings import Record
    from mlguard.scanners.model.members import Bundle

MAX_CONFIG_BYTES = 8 * 2**20
"""Bytes of one configuration that are parsed; a larger one is searched for its worst parts and told as a gap."""

MAX_NODES = 300_000
"""Objects of one configuration."""

MAX_LOADED = 100
"""Files in base64 inside one configuration."""

MAX_ARGUMENTS = 200_000
"""Values of arguments and links of Lambda layers, of a whole configuration."""

MAX_FOUND = 20_000
"""Objects that are found in a configuration that cannot be parsed."""

MAX_SEARCHED_BYTES = 256 * 2**20
"""Bytes of a configuration that cannot be parsed, in which names are searched."""

MAX_INNER = 4
"""JSON texts inside the texts of JSON."""

MAX_ENCODED = 16 * 2**20
"""Characters of one base64 text that are decoded."""

MAX_ASSET_BYTES = 16 * 2**20
"""Bytes of one vocabulary that are looked at."""

_OWN = ("keras", "tf_keras", "tensorflow.keras", "tensorflow.python.keras")
_LOADERS = lazy.pattern(
    r"(?:de)?serialize\w*|get|get_file|load\w*|save\w*|model_from_\w+|clone_\w+|enable_\w+|disable_\w+|set_\w+|from_config|func_load"
)
_CLASS = lazy.pattern(r"_?[A-Z]\w*\Z", re.A)
_SPECIAL = lazy.pattern(r"__[a-z_]+__\Z")
_PLAIN_BUILTINS = frozenset(
    ("list", "dict", "tuple", "set", "frozenset", "int", "float", "str", "bool", "bytes", "complex", "NoneType")
)
_LOOKUPS = frozenset({"StringLookup", "IntegerLookup", "TextVectorization", "IndexLookup", "IndexLookupV1"})
_BASE64 = lazy.pattern(r"[A-Za-z0-9+/=\s]{16,}\Z")
_ADDRESS = lazy.pattern(r"[A-Za-z][\w+.-]{1,20}://|/[\w.]|~[\w/]|[A-Za-z]:[\\/]|\\\\|(?:\.\.[\\/])")
_TELLING = frozenset(
    (
        "class_name",
        "config",
        "registered_name",
        "vocabulary",
        "proto",
        "weightsManifest",
        "weight_map",
        "op",
        "function_type",
        "name",
    )
)
"""Keys without which an object says nothing to a loader."""

_END: Any = object()
_SWITCHES = ("enable_unsafe_deserialization", "safe_mode_saving", "set_global_attribute")
_TOKEN = lazy.pattern(r"[\w.>:+-]{0,64}(?:/[\w.>:+-]{1,64}){0,8}\Z", re.A)


@cache
def _names(part: str, kind: str = "") -> frozenset[str]:
    """Return a list of the table keras-names; those of ``classes`` and ``functions`` are put together from their entries."""
    entry: Any = tables.table("keras-names")[part]
    if not kind:
        return frozenset(name for group in entry for name in group["names"])
    return frozenset(entry[kind])


def config(view: View, state: State) -> Examination:
    """Judge a file, or a member of an archive, that is a configuration."""
    state.name("keras")
    place = (
        view.name
        if view.name in ("config.json", "metadata.json", "model.json", "model.weights.json", "architecture.json")
        else "configuration"
    )
    yield from parsed(view.data[view.start : min(view.end, view.start + MAX_SEARCHED_BYTES)], view, state, place)
    return "read"


def member(name: str, inner: View, bundle: Bundle, state: State) -> Generator[Record, None, bool]:
    """Look at a member of a .keras archive that its format gives a meaning; return whether it was read."""
    if not name.startswith("assets/"):
        yield from config(inner, state)
    elif (yield from asset(inner, state)) == "unread":
        return False
    bundle.read += 1
    return True


def asset(view: View, state: State) -> Examination:
    """Look at a vocabulary, one word a line, that stands beside the configuration (``save_assets`` of the layers)."""
    raw = view.head(MAX_ASSET_BYTES)
    if b"\0" in raw[:4096]:
        return "unread"
    lines = raw.decode("utf-8", "replace").split("\n")
    yield from texts.told((("vocabulary", line.strip()) for line in lines), view, state, "keras")
    if len(view) > MAX_ASSET_BYTES:
        yield from state.gap("too-large", "the file holds more text than is looked at", view.within)
    return "read"


def is_config(tree: object) -> bool:
    """Say whether parsed JSON is a Keras configuration: a model, a layer, or a topology of TensorFlow.js."""
    if not isinstance(tree, dict):
        return False
    if isinstance(tree.get("class_name"), str) and ("config" in tree or "module" in tree or "registered_name" in tree):
        return True
    inner = tree.get("modelTopology")
    if isinstance(inner, dict):
        return "class_name" in inner or "model_config" in inner or "keras_version" in inner or "node" in inner
    return "model_config" in tree and "keras_version" in tree


def parsed(raw: bytes, view: View, state: State, place: str, byte: int = 0) -> Iterator[Record]:
    """Parse and judge a configuration; what cannot be parsed is searched instead, and told as a gap.

    ``place`` is a name of ours or of the format ("model_config"), ``byte`` counts from the start of ``view``.
    """
    judge = _Judge(view, state, place, byte)
    try:
        if len(raw) > MAX_CONFIG_BYTES:
            raise Unreadable("the configuration of the model is larger than the limit")
        tree = json.loads(raw, object_pairs_hook=judge.once)
    except Unreadable as trouble:
        yield from judge.search(raw)
        yield from state.gap("too-large", str(trouble), view.within)
        return
    except (ValueError, RecursionError, MemoryError):
        yield from judge.search(raw)
        yield from state.gap("unreadable", "the configuration of the model is not valid JSON", view.within)
        return
    yield from judge.tree(tree)


def told(tree: object, view: View, state: State, place: str, byte: int = 0) -> Iterator[Record]:
    """Judge parsed JSON of a configuration; ``place`` and ``byte`` are those of ``parsed``.

    Unknown classes in the metadata of a SavedModel are not told: they are made from its graph and never imported.
    """
    yield from _Judge(view, state, place, byte).tree(tree)


_REVIVED = frozenset({"keras_metadata.pb", "saved_model.pb"})


class _Judge:
    """Walks one configuration. Every object is judged wherever it stands: loaders rebuild them at any depth."""

    def __init__(self, view: View, state: State, place: str, byte: int) -> None:
        self.view, self.state, self.place, self.byte = view, state, place, byte
        self.twice = False
        self.loaded = 0
        self.arguments = MAX_ARGUMENTS
        self.words: list[tuple[str, str]] = []

    # -- what is told

    def _tell(self, rule: str, check: str, name: str, note: str = "", opcode: str = "") -> Iterator[Record]:
        facts: dict[str, str | int] = {"name": name, "opcode": opcode or self.place, "format": "keras"}
        if note:
            facts["note"] = note
        yield from self.state.detection(rule, check, self.view.within, self.byte, None, f"{name} {note}".strip(), facts)

    def _block(self, check: str, name: str, note: str = "") -> Iterator[Record]:
        self.state.imports.setdefault(name, "block")
        yield from self._tell(DANGEROUS, check, name, note)

    def _review(self, check: str, name: str) -> Iterator[Record]:
        self.state.imports.setdefault(name, "review")
        yield from self._tell(UNKNOWN, check, name)

    def _judged(self, module: str, name: str) -> Iterator[Record]:
        yield from callables.told(module, name, self.view, self.state, self.place, "keras", self.byte)

    # -- the walk

    def once(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        """Make an object of JSON; where a key stands twice, keep the earlier values too."""
        value = dict(pairs)
        if len(value) != len(pairs):
            self.twice = True
            first = dict(reversed(pairs))
            value["\0earlier"] = {key: held for key, held in first.items() if held is not value[key] or _plain(held)}
        return value

    def tree(self, tree: object) -> Iterator[Record]:
        """Judge every object below ``tree``."""
        if self.twice:
            yield from self.state.malformed("duplicate-key", self.view, self.byte, "keras")
        left = MAX_NODES
        stack: list[tuple[Iterator[Any], str | None, int]] = [(iter([tree]), "", 0)]
        while stack and left:
            values, key, inner = stack[-1]
            value = next(values, _END)
            if value is _END:
                stack.pop()
                continue
            name = key
            if key is None:  # the items of an object
                name, value = value
            if isinstance(value, str):
                more = yield from self._text(value, name or "", inner)
                if more is not None:
                    stack.append((iter([more]), name, inner + 1))
            elif isinstance(value, list):
                stack.append((iter(value), name or "", inner))
            elif isinstance(value, dict):
                left -= 1
                if not _TELLING.isdisjoint(value):
                    yield from self._node(value)
                stack.append((iter(value.items()), None, inner))
            elif name == "safe_mode" and value is False:
                yield from self._block("suspicious-argument", "load_model", "safe_mode switched off")
        if stack:
            yield from self.state.gap(
                "too-large", "the configuration of the model has more parts than the limit", self.view.within
            )
        yield from texts.told(self.words, self.view, self.state, "keras", self.byte)

    def _text(self, text: str, key: str, inner: int) -> Any:
        """Judge a text; yields records and returns the tree that it holds as JSON, or None."""
        encoded = len(text) >= 24 and bool(_BASE64.match(text))
        if key == "vocabulary" or not encoded and not _TOKEN.match(text):
            self.words.append((key if key.isidentifier() else "text", text))
        if "_" in text and len(text) < 400:
            for switch in _SWITCHES:
                if switch in text:
                    yield from self._block("library-call", f"keras.config.{switch}")
        if encoded and text[0] in "4Yg" and len(text) <= MAX_ENCODED:
            yield from self._encoded(text)
        elif text[:1] in "{[" and '"class_name"' in text and inner < MAX_INNER and len(text) <= MAX_CONFIG_BYTES:
            try:
                return json.loads(text)
            except (ValueError, RecursionError, MemoryError):
                yield from self.search(text.encode("utf-8", "surrogatepass"))
        return None

    def _encoded(self, text: str) -> Iterator[Record]:
        """Judge base64 text: bytecode (marshal's code objects begin with c or 0xe3 and five small numbers), or a pickle."""
        raw = _decoded(text)
        if raw[:1] in (b"\xe3", b"c") and raw[2:5] == b"\0\0\0" and raw[6:9] == b"\0\0\0":
            yield from self._block("lambda-layer", "Lambda")
        elif raw[:1] == b"\x80" and raw[1:2] <= b"\5" and len(raw) > 8:
            from mlguard.scanners.model.machine import Machine

            probe = Machine(raw, 0, len(raw), self.state.policy, strict=True)
            for _ in probe.run():
                pass
            if probe.blocked or probe.called or (probe.imports and not probe.trouble):
                yield from self._loaded(raw)

    def _loaded(self, raw: bytes) -> Iterator[Record]:
        within = f"{self.view.within}!base64".lstrip("!")
        self.loaded += 1
        if self.loaded > MAX_LOADED:
            yield from self.state.gap("too-large", "the configuration holds more files than are looked into", within)
            return
        inner = View(raw, 0, len(raw), "module.pt", within, self.view.depth + 1)
        try:
            look = yield from self.state.examine(inner, self.state)
        except Unreadable as trouble:
            yield from self.state.gap("unreadable", str(trouble), within)
            return
        if look == "unread":
            yield from self.state.gap("unreadable", "bytes that a loader gets are in no format that is read", within)

    # -- objects

    def _node(self, node: dict[str, Any]) -> Iterator[Record]:
        name, module, registered = (_string(node.get(key)) for key in ("class_name", "module", "registered_name"))
        inner = node.get("config")
        tails = {_tail(name), _tail(registered)}
        fields = inner if isinstance(inner, dict) else {}
        if name == "__lambda__" or any(
            key.endswith("_type") and value == "lambda" for holder in (node, fields) for key, value in holder.items()
        ):
            yield from self._block("lambda-layer", "Lambda")
        if "Lambda" in tails or name.lower() == "lambda":
            yield from self._lambda(node, fields)
        elif name == "function":
            yield from self._function(module, _string(inner), registered)
        elif name == "__typespec__":
            yield from self._typespec(module, _string(node.get("spec_name")))
        elif name:
            yield from self._class(module, name, registered)
            yield from self._special(tails, fields)
        elif "class_name" in node and node["class_name"] is not None and not isinstance(node["class_name"], str):
            yield from self._review("own-class", "(not a name)")
        yield from self._paths(node, name, tails, fields)

    def _lambda(self, node: dict[str, Any], fields: dict[str, Any]) -> Iterator[Record]:
        """Judge a Lambda: what names no function holds bytecode, as a list, a tuple or text, or hides what it holds."""
        function, sort = fields.get("function"), fields.get("function_type")
        module, name = _string(fields.get("module")), ""
        if isinstance(function, dict) and function.get("class_name") == "function" and "code" not in function:
            module, name = _string(function.get("module")), _string(function.get("config"))
        elif isinstance(function, str) and sort in ("function", "raw"):
            name = function
            if module not in ("", "__main__") and not _is_own(module):
                yield from self._judged(module, name)
        if not name:
            yield from self._block("lambda-layer", "Lambda")
            return
        yield from self._review("lambda-by-name", clean_name("", name))
        given = [fields.get("arguments"), node.get("inbound_nodes"), node.get("arguments")]
        if self._address_in(given):
            yield from self._block("suspicious-argument", clean_name(module, name), "a path or an address")

    def _address_in(self, given: list[object]) -> bool:
        """Say whether a path or an address is among the values, within the bound for all of them."""
        queue = [*given]
        while queue and self.arguments:
            self.arguments -= 1
            item = queue.pop()
            if isinstance(item, str) and _ADDRESS.match(item):
                return True
            queue.extend(item if isinstance(item, list) else item.values() if isinstance(item, dict) else ())
        return False

    def _function(self, module: str, name: str, registered: str) -> Iterator[Record]:
        """Judge a function that is saved by its name."""
        if not name:
            yield from self._review("own-class", "(not a name)")
            return
        if module in ("builtins", ""):
            package, _, leaf = name.rpartition(">")
            if (
                leaf in _names("functions")
                and package in ("", "Custom", "keras")
                or package in _names("parts", "family")
            ):
                return
            if hasattr(builtins, name) and module:
                yield from self._judged("builtins", name)
            elif _LOADERS.fullmatch(name):
                yield from self._block("library-call", clean_name("keras", name))
            else:
                yield from self._unknown(name, "function")
            return
        if _is_own(module):
            yield from self._keras(module, name, function=True)
        elif module.partition(".")[0] == "tensorflow" and self.state.policy.judge(module, name).verdict != "block":
            yield from self._symbol(f"{module}.{name}")
        else:
            yield from self._judged(module, name)
        if registered and registered != name and ">" not in registered and not _is_own(module):
            yield from self._judged(module, registered)

    def _typespec(self, module: str, name: str) -> Iterator[Record]:
        """Judge the class of a type of tensors; those of TensorFlow are called …Spec."""
        if module.startswith("tensorflow.python.") and _CLASS.match(name) and name.endswith("Spec"):
            return
        if module or name:
            yield from self._judged(module or "__main__", name)

    def _class(self, module: str, name: str, registered: str) -> Iterator[Record]:
        if _SPECIAL.match(name):
            if name not in _names("parts", "specials"):
                yield from self._review("own-class", "(not a name)")
            return
        package, _, leaf = name.rpartition(">")
        if module in ("", "__main__"):
            if (package in _names("parts", "family") or package in ("", "Custom", "keras")) and _is_known(leaf):
                return
            yield from self._unknown(name, "class")
        elif module == "builtins":
            if name not in _PLAIN_BUILTINS:
                yield from self._judged(module, name)
        elif _is_own(module):
            yield from self._keras(module, leaf)
        elif (
            module.partition(".")[0] in _names("parts", "family")
            and _CLASS.match(leaf)
            and not {"utils", "saving"} & set(module.split("."))
        ):
            return
        else:
            yield from self._judged(module, name)
            if registered and ">" not in registered and registered != name:
                yield from self._judged(module, registered)

    def _unknown(self, name: str, sort: str) -> Iterator[Record]:
        """Tell of a name that only the user's own code can bring."""
        if self.place in _REVIVED:
            return
        package, _, leaf = name.rpartition(">")
        shown = clean_name(package if package.replace(".", "_").isidentifier() else "", leaf)
        if "." in leaf and _is_own(leaf.rpartition(".")[0]):
            yield from self._keras(*_split(leaf), function=sort == "function")
        elif "." in leaf and sort == "function":
            yield from self._judged(*_split(leaf))
        else:
            yield from self._review("own-code", shown)

    def _keras(self, module: str, name: str, function: bool = False) -> Iterator[Record]:
        """Judge a name inside Keras: classes that hold state and functions that compute pass, loaders do not."""
        module, name = _split(f"{module}.{name}")
        parts = _inside(module)
        home = parts[0] if parts else ""
        dotted = clean_name(".".join(["keras", *parts]), name)
        is_class = bool(_CLASS.match(name)) and not function
        if is_class and _is_known(name) and home not in {*_names("parts", "loading"), "legacy"}:
            return
        if home == "legacy":
            home = "saving" if parts[1:2] not in (["layers"], ["losses"]) else home
        if is_class and (
            home in _names("parts", "bearing") and "saving" not in parts or name in _names("parts", "elsewhere")
        ):
            return
        if (
            home in _names("parts", "computing")
            and name not in _names("parts", "calling")
            and not _LOADERS.fullmatch(name)
            and not is_class
            and name.isidentifier()
        ):
            return
        loads = (
            home in _names("parts", "loading")
            or {"saving", "utils"} & set(parts)
            or _LOADERS.fullmatch(name)
            or "__" in name
        )
        if loads or self.state.policy.judge(module, name).verdict == "block":
            yield from self._block("library-call", dotted)
        else:
            yield from self._review("known-library", dotted)

    def _special(self, tails: set[str], fields: dict[str, Any]) -> Iterator[Record]:
        """Judge the layers that load or call something that their configuration names."""
        if "TFSMLayer" in tails:
            yield from self._block("file-operator", "keras.layers.TFSMLayer")
        if "TorchModuleWrapper" in tails:
            yield from self._torch(fields.get("module"))
        if tails & {"TFOpLambda", "SlicingOpLambda", "TensorFlowOpLambda"}:
            yield from self._symbol(_string(fields.get("function")))
        if "ClassMethod" in tails:
            yield from self._symbol(_string(fields.get("cls_symbol")))
        if tails & {"ClassMethod", "InstanceMethod", "InstanceProperty"}:
            for key in ("attr_name", "method_name"):
                if "__" in _string(fields.get(key)):
                    yield from self._block("dynamic-name", "keras.layers.InstanceMethod")
        if "TensorFlowOpLayer" in tails:
            for match in _OPERATOR.finditer(_string(fields.get("node_def"))[:MAX_ENCODED]):
                yield from self._operator(match.group(1))
        if "KerasLayer" in tails and _ADDRESS.match(_string(fields.get("handle"))):
            yield from self._block("file-operator", "tensorflow_hub.KerasLayer")

    def _torch(self, held: object) -> Iterator[Record]:
        """Judge the module of a TorchModuleWrapper: a file of torch.save in base64, loaded with pickle."""
        raw = _decoded(held) if isinstance(held, str) else b""
        if not raw:
            yield from self._review("known-library", "keras.layers.TorchModuleWrapper")
            return
        yield from self._loaded(raw)

    def _symbol(self, symbol: str) -> Iterator[Record]:
        """Judge a name of TensorFlow's public interface that a layer calls."""
        parts = symbol.split(".")
        while parts[:1] == ["compat"] or parts[:1] in (["v1"], ["v2"], ["tf"], ["tensorflow"]):
            parts = parts[1:]
        plain, home = ".".join(parts), parts[0] if parts else ""
        shown = clean_name("tensorflow", plain) if plain else "(not a name)"
        if home == "raw_ops" and len(parts) == 2:
            yield from self._operator(parts[1])
        elif parts[-1:] and parts[-1] in _names("tensorflow", "python"):
            yield from self._block("python-operator", shown)
        elif plain in _names("tensorflow", "files") or plain.startswith("io.gfile") or home == "gfile":
            yield from self._block("file-operator", shown)
        elif home == "keras" and len(parts) > 2:
            if parts[1] != "backend" or _LOADERS.fullmatch(parts[-1]):
                yield from self._keras(".".join(parts[:-1]), parts[-1], function=True)
        elif home in _names("tensorflow", "loading") or parts[-1:] and parts[-1] in _names("tensorflow", "calling"):
            yield from self._block("library-call", shown)
        elif not _computes(parts):
            yield from self._review("known-library", shown)

    def _operator(self, name: str) -> Iterator[Record]:
        """Judge an operator of TensorFlow by the table of graph operators."""
        listed = operators.of("tensorflow")
        if name in listed.blocked:
            yield from self._block(listed.blocked[name], clean_name("tf", name))
        elif name in listed.paths:
            yield from self._block("file-operator", clean_name("tf", name))
        elif name not in listed.known or name in listed.review:
            yield from self._review("custom-operator", clean_name("tf", name))

    def _paths(self, node: dict[str, Any], name: str, tails: set[str], fields: dict[str, Any]) -> Iterator[Record]:
        """Judge what may be a path: vocabularies, names of layers, and files that the weights are in."""
        for holder in (fields, node):
            words = holder.get("vocabulary")
            if isinstance(words, str) and words and (tails & _LOOKUPS or _ADDRESS.match(words)):
                shown = sorted(tails & _LOOKUPS)[:1] or ["Layer"]
                yield from self._block("file-operator", f"keras.layers.{shown[0]}")
            for key, tokenizer in (("proto", "SentencePieceTokenizer"), ("merges", "BytePairTokenizer")):
                path = holder.get(key)
                if isinstance(path, str) and _ADDRESS.match(path) and len(path) < 4096:
                    yield from self._block("file-operator", f"keras_hub.tokenizers.{tokenizer}")
            if name and operators.leaves(_string(holder.get("name"))):
                yield from self.state.malformed("traversal", self.view, self.byte, "keras")
        manifest, shards = node.get("weightsManifest"), node.get("weight_map")
        listed = (
            [group.get("paths") for group in manifest if isinstance(group, dict)] if isinstance(manifest, list) else []
        )
        if isinstance(shards, dict):
            listed.append(list(shards.values()))
        if any(operators.leaves(path) for path in _strings(listed, 100_000)):
            yield from self.state.malformed("external-path", self.view, self.byte, "keras")
        operator = node.get("op")
        if (
            isinstance(operator, str)
            and ("attr" in node or "input" in node)
            and operator in operators.of("tensorflow").blocked
        ):
            yield from self._operator(operator)

    # -- what is no JSON

    def search(self, raw: bytes) -> Iterator[Record]:
        """Look for objects in bytes that cannot be parsed: cut short, damaged or too large."""
        function, objects = _searched()
        if function.search(raw):
            yield from self._block("lambda-layer", "Lambda")
        for match in islice(objects.finditer(raw), MAX_FOUND):
            groups = [_ascii(group) for group in match.groups()]
            yield from self._found(groups[0] or groups[4], groups[1] or groups[3], groups[2])
        for switch in _SWITCHES:
            if switch.encode() in raw:
                yield from self._block("library-call", f"keras.config.{switch}")

    def _found(self, module: str, name: str, inner: str) -> Iterator[Record]:
        if name == "function":
            yield from self._function(module, inner, "")
        elif name and name != "Lambda":
            yield from self._class(module, name, "")


_OPERATOR = lazy.pattern(r"""["']?\bop["']?\s*:\s*["'](\w{1,100})["']""", re.A)


@cache
def _searched() -> tuple[re.Pattern[bytes], re.Pattern[bytes]]:
    """Return the patterns of a Lambda and of an object that names a module, for bytes that are no JSON."""
    return (
        re.compile(rb'"class_name"\s*:\s*"(?:[\w.]*>)?(?:[\w.]*\.)?(?:Lambda|__lambda__)"|"\w+_type"\s*:\s*"lambda"'),
        re.compile(
            rb'"module"\s*:\s*"([\w.]{1,200})"\s*,\s*"class_name"\s*:\s*"([\w.>]{1,200})"(?:\s*,\s*"config"\s*:\s*"([\w.>]{1,200})")?'
            rb'|"class_name"\s*:\s*"([\w.>]{1,200})"\s*,\s*"module"\s*:\s*"([\w.]{1,200})"'
        ),
    )


def _plain(value: object) -> bool:
    return not isinstance(value, dict | list)


def _ascii(group: bytes | None) -> str:
    return group.decode("ascii", "replace") if group else ""


def _string(value: object) -> str:
    return value if isinstance(value, str) else ""


def _tail(name: str) -> str:
    return re.split(r"[.>/]", name)[-1]


def _split(dotted: str) -> tuple[str, str]:
    module, _, name = dotted.rpartition(".")
    return module, name


def _computes(parts: list[str]) -> bool:
    """Say whether a name of TensorFlow's public interface only computes."""
    if len(parts) == 1:
        return parts[0].isidentifier()
    if parts[0] == "io":
        return len(parts) == 2 and parts[1].startswith(
            ("decode_", "parse_", "encode_", "serialize_", "is_jpeg", "extract_")
        )
    return parts[0] in _names("tensorflow", "computing") and len(parts) < 4


def _is_known(name: str) -> bool:
    return name in _names("classes") or name in _names("parts", "handled")


def _is_own(module: str) -> bool:
    return any(module == root or module.startswith(root + ".") for root in _OWN)


def _inside(module: str) -> list[str]:
    """Return the parts of a module of Keras below its root, whichever root it was saved with."""
    for root in sorted(_OWN, key=len, reverse=True):
        if module == root or module.startswith(root + "."):
            parts = [part for part in module[len(root) :].split(".") if part]
            while parts[:1] in (["src"], ["api"], ["_tf_keras"], ["keras"], ["v2"], ["_v2"], ["_v1"], ["v1"]):
                parts = parts[1:]
            return parts
    return module.split(".")


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=False)
    except (binascii.Error, ValueError):
        return b""


def _strings(value: object, most: int) -> Iterator[str]:
    """Yield the texts inside lists and objects, at most ``most`` values."""
    queue = [value]
    while queue and most:
        most -= 1
        item = queue.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, list):
            queue.extend(item)
        elif isinstance(item, dict):
            queue.extend(item.values())
