"""Judges the JSON that lies beside models on hubs: configurations of models, tokenizers, processors, adapters and pipelines.

What a loader imports or fetches because such a file says so: transformers' auto_map and custom_pipelines
(dynamic_module_utils.py), PEFT's auto_mapping and megatron_core (peft/auto.py, tuners/lora/tp_layer.py), diffusers'
model_index.json (pipelines/pipeline_loading_utils.py), modules.json and the activation functions of Sentence Transformers
(util/misc.py, import_from_string).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from mlguard.scanners import lazy
from mlguard.scanners.model import names, templates, texts
from mlguard.scanners.model.formats.operators import leaves
from mlguard.scanners.model.source import View
from mlguard.scanners.model.state import State
from mlguard.scanners.model.values import MALFORMED, UNKNOWN, clean_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from mlguard.findings import Record

CODE = "model/bundled-executable-code"

MAX_NODES = 1_000_000
"""Objects and lists of one file."""

MAX_CHARS = 8 * 2**20
"""Characters of all texts of one file."""

MAX_VALUES = 2000
"""Values under a key that names classes."""

MAX_TEMPLATES = 2**20
"""Characters of all chat templates of one file."""

MAX_PAGES = 200
"""Texts of other keys that look like Jinja and are judged as pages are."""

LONG = 16
"""Characters from which on an entry of a vocabulary is looked at."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


KEYS = _words("""auto_map architectures model_type chat_template trust_remote_code custom_pipelines tokenizer_class processor_class
    image_processor_type feature_extractor_type video_processor_type peft_type base_model_name_or_path auto_mapping _class_name
    _diffusers_version weight_map added_tokens added_tokens_decoder model_max_length transformers_version generation_config
    quantization_config bos_token eos_token custom_generate _name_or_path normalizer pre_tokenizer do_sample max_new_tokens
    do_normalize image_mean _target_ similarity_fn_name id2label library_name
    allow_remote custom_pipeline attn_implementation _attn_implementation _attn_implementation_internal experts_implementation
    activation_function""")
"""One of these at the top makes a JSON object a configuration of a hub."""

_DANGEROUS_KEYS = _words("""auto_map trust_remote_code chat_template _target_ custom_pipelines auto_mapping weight_map type class_name module megatron_core
    custom_generate base_model_name_or_path _class_name activation_function""")
"""A second value for one of these means that readers differ in what they load."""

_KIND = "hub configuration"
_CLASS = re.compile(r"[A-Za-z_]\w*\Z")
_LOCAL = re.compile(r"[A-Za-z_][\w-]*(?:\.[A-Za-z_]\w*)+\Z")
_DOTTED = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+\Z")
_REGISTERED = re.compile(r"[a-z][\w-]*(?:\.[\w-]+)*\.v\d+\Z")
"""A name in spaCy's registries, which a loader looks up and does not import."""

_CAPITAL = re.compile(r"[A-Z]\w*\Z")
_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(?:/[A-Za-z0-9][\w.-]{0,95})?\Z")
_LICENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+_-]{0,60}\Z")
_SYSTEM = lazy.pattern(
    r"(?i)(?:^|/)(?:etc|proc|dev|sys|boot|root/\.ssh|var/run)/|(?:^|[\\/])\.(?:ssh|aws|netrc|env)\b|^file:|\\windows\\"
)
_PLACE = re.compile(r"[A-Za-z_][\w-]{0,60}\Z")

_IMPORTED = _words("""activation_function activation_fn sbert_ce_default_activation_function loss_function implementation model_class
    pipeline_class tokenizer_backend_class""")
"""Keys whose value is imported when it is a dotted path."""

_CLASSES = _words("""architectures tokenizer_class processor_class image_processor_type feature_extractor_type video_processor_type
    image_processor_class feature_extractor_class slow_tokenizer_class fast_tokenizer_class base_model_class""")
_FILES = _words("""tokenizer_file vocab_file merges_file special_tokens_map_file added_tokens_file spm_file sp_model_file model_file name_or_path
    _name_or_path base_model_name_or_path config_file weights_file dictionary_file""")
"""Paths of the machine that saved the file, which loaders do not follow: they are told as such, unless they aim at the system."""

_MEMBERS = frozenset({"fast_tokenizer_files", "weight_map", "additional_chat_templates"})
"""Names of files beside the configuration."""

_SILENT = frozenset(
    {"precompiled_charsmap", "merges", "weight_map", "huggingface_hub_commit", "_commit_hash", "sha256", "uuid"}
)
_LIBRARIES = frozenset(
    {"diffusers", "transformers", "optimum", "onnxruntime", "peft", "timm", "accelerate", "torch", "tokenizers"}
)
_PIPELINES = _words("""allegro amused animatediff audioldm audioldm2 aura_flow blip_diffusion bria chroma cogvideo cogview3 cogview4 consistency_models
    consisid controlnet cosmos deepfloyd_if deprecated dit easyanimate flux hidream_image hunyuan_video hunyuandit i2vgen_xl kandinsky
    kandinsky2_2 kandinsky3 kolors latent_consistency_models latent_diffusion latte ledits_pp ltx lumina lumina2 marigold mochi musicldm
    omnigen pag paint_by_example pia pixart_alpha pixart_sigma qwenimage sana semantic_stable_diffusion shap_e skyreels_v2 stable_audio
    stable_cascade stable_diffusion stable_diffusion_3 stable_diffusion_gligen stable_diffusion_ldm3d stable_diffusion_safe
    stable_diffusion_xl stable_video_diffusion t2i_adapter text_to_video_synthesis unclip unidiffuser versatile_diffusion visualcloze
    vq_diffusion wan wuerstchen""")
"""Modules of diffusers.pipelines that model_index.json names instead of a library."""

_EXPECTED = re.compile(
    r"(?:sentence_transformers(?:\.(?!util\b)\w+)*|torch\.nn(?:\.modules(?:\.\w+)?)?|transformers(?:\.models\.\w+\.\w+)?)\Z"
)
"""Where the classes lie that these files are about. A pickle that names one of them says more: it calls it with arguments."""

_TRUSTS = frozenset({"trust_remote_code", "allow_remote"})
"""The second is ModelScope's word for it (configuration.json)."""

_KERNELS = _words("""attn_implementation _attn_implementation attn_implementation_internal _attn_implementation_internal
    experts_implementation _experts_implementation _experts_implementation_internal""")
_OWN_KERNELS = "kernels-community/"

GENAI = "genai_config.json"
_NAMES = frozenset({GENAI, "configuration.json", "router_config.json", "modular_model_index.json"})
"""Files that are configurations of a hub whatever stands in them: ONNX Runtime GenAI, ModelScope, Sentence Transformers, diffusers."""

REMOTE = "transformers_modules"
"""The package under which transformers keeps code that it has fetched."""


def is_hub(tree: object, name: str) -> bool:
    """Say whether parsed JSON is a configuration of a hub."""
    if isinstance(tree, list):
        return name == "modules.json" and all(isinstance(item, dict) and "type" in item for item in tree)
    if not isinstance(tree, dict):
        return False
    return not KEYS.isdisjoint(tree) or name in _NAMES or isinstance(tree.get("types"), dict) and "structure" in tree


def doubtful_twice(key: str) -> bool:
    """Say whether it matters that ``key`` occurs twice in an object."""
    return key in _DANGEROUS_KEYS


def told(tree: object, view: View, state: State) -> Iterator[Record]:
    """Yield what loading by this configuration would import, fetch or render, and what its texts show."""
    yield from _Configuration(view, state).tree(tree)


@dataclass
class _Configuration:
    """One file. Every object in it is judged wherever it stands: configurations are nested in configurations."""

    view: View
    state: State
    left: int = MAX_CHARS
    pages: int = 0
    templates: int = 0
    held: list[tuple[str, str]] = field(default_factory=list)

    @property
    def place(self) -> str:
        """Where a reader finds it: the name of the file when that is a plain one."""
        name = self.view.name
        return name if re.fullmatch(r"[\w-]{1,60}\.json", name, re.A) else "the configuration"

    def tree(self, tree: object) -> Iterator[Record]:
        if isinstance(tree, list):
            yield from self._modules(tree)
        elif isinstance(tree, dict):
            yield from self._top(tree)
        queue: list[tuple[str, object]] = [("", tree)]
        left = MAX_NODES
        while queue and left:
            left -= 1
            path, node = queue.pop()
            if isinstance(node, dict):
                yield from self._object(node)
                self._entries(path, node, queue)
            elif isinstance(node, list):
                self._items(path, node, queue)
        yield from texts.told(self.held, self.view, self.state, _KIND)
        if queue or self.left <= 0:
            yield from self.state.gap("too-large", "the configuration has more parts than the limit", self.view.within)

    # -- texts

    def _entries(self, path: str, node: dict[str, Any], queue: list[tuple[str, object]]) -> None:
        if len(node) >= 64 and all(type(value) is int for value in node.values()):
            for key in node:
                if len(key) >= LONG:
                    self._hold(f"{path}.tokens" if path else "tokens", key)
            return
        for key, value in node.items():
            inner = path if key.isdigit() or not _PLACE.match(key) else f"{path}.{key}" if path else key
            if isinstance(value, str):
                if len(value) >= 2 and key not in _SILENT:
                    self._hold(inner, value)
            elif isinstance(value, (dict, list)) and value and key not in _SILENT:
                queue.append((inner[:200], value))

    def _items(self, path: str, node: list[Any], queue: list[tuple[str, object]]) -> None:
        for item in node:
            if isinstance(item, str):
                if len(item) >= LONG or len(node) < 64:
                    self._hold(path, item)
            elif isinstance(item, (dict, list)) and item:
                queue.append((path, item))

    def _hold(self, path: str, text: str) -> None:
        self.left -= len(text) + 1
        if self.left > 0:
            spoken = "chat_template" in path
            self.held.append((path or "value", templates.without_mail(text) if spoken else text))

    # -- what is told

    def _code(self, check: str, name: str) -> Iterator[Record]:
        facts: dict[str, str | int] = {"name": f"{name} in {self.place}", "format": _KIND}
        yield from self.state.detection(CODE, check, self.view.within, 0, None, f"{check} {name}", facts)

    def _review(self, check: str, name: str) -> Iterator[Record]:
        self.state.imports.setdefault(name, "review")
        facts: dict[str, str | int] = {"name": name, "opcode": self.place, "format": _KIND}
        yield from self.state.detection(UNKNOWN, check, self.view.within, 0, None, f"{check} {name}", facts)

    def _imported(self, dotted: str) -> Iterator[Record]:
        """Judge a dotted path of a class."""
        module, _, name = dotted.rpartition(".")
        if module.partition(".")[0] == REMOTE:
            yield from self._review("auto-map", clean_name(module, name))
        elif (
            _EXPECTED.match(module)
            and _CAPITAL.match(name)
            and self.state.policy.judge(module, name).verdict != "block"
        ):
            self.state.imports.setdefault(clean_name(module, name), "allow")
        else:
            yield from names.told(module, name, self.view, self.state, self.place, _KIND)

    def _reference(self, value: object, key: str) -> Iterator[Record]:
        """Judge a reference to code: ``repository--module.Class`` is fetched, ``module.Class`` lies beside the file."""
        queue, left = [value], MAX_VALUES
        while queue and left:
            left -= 1
            item = queue.pop()
            if isinstance(item, dict):
                queue.extend(item.values())
            elif isinstance(item, list):
                queue.extend(item)
            elif isinstance(item, str) and item:
                if "--" in item or not _LOCAL.match(item) and not _CLASS.match(item):
                    yield from self._code("auto-map", key)
                else:
                    yield from self._review("auto-map", clean_name("", item))

    # -- objects

    def _object(self, node: dict[str, Any]) -> Iterator[Record]:
        if value := node.get("auto_map"):
            yield from self._reference(value, "auto_map")
        if isinstance(tasks := node.get("custom_pipelines"), dict):
            for task in tasks.values():
                yield from self._reference(task.get("impl") if isinstance(task, dict) else task, "custom_pipelines")
        for key in _TRUSTS & node.keys():
            if _is_true(node[key]):
                yield from self._code("trust-remote-code", key)
        yield from self._compiled(node)
        for key, value in node.items():
            if "chat_template" in key:
                yield from self._template(key, value)
            elif isinstance(value, str) and ("{{" in value or "{%" in value) and self.pages < MAX_PAGES:
                self.pages += 1
                yield from templates.told_page(value, key, self.view, self.state, _KIND)
        if isinstance(generate := node.get("custom_generate"), str) and generate:
            yield from self._code("auto-map", "custom_generate")
        if isinstance(pipeline := node.get("custom_pipeline"), str) and "/" in pipeline:
            yield from self._code("auto-map", "custom_pipeline")
        if isinstance(mapping := node.get("auto_mapping"), dict):
            yield from self._mapping(mapping)
        core = node.get("megatron_core")
        if isinstance(core, str) and core not in ("", "megatron.core") and node.get("megatron_config"):
            yield from names.told(core, "parallel_state", self.view, self.state, self.place, _KIND)
        yield from self._named(node)
        yield from self._paths(node)

    def _compiled(self, node: dict[str, Any]) -> Iterator[Record]:
        """Judge what makes a loader take compiled code: kernels of a hub (transformers), libraries of operators (ONNX Runtime)."""
        for key in _KERNELS & node.keys():
            value = node[key]
            for name in value.values() if isinstance(value, dict) else [value]:
                if isinstance(name, str) and "/" in name and not name.startswith(_OWN_KERNELS):
                    yield from self._code("auto-map", key)
                elif isinstance(name, str) and "/" in name:
                    yield from self._review("native-code", key)
        library = node.get("custom_ops_library")
        if isinstance(library, str) and library:
            yield from (
                self._external("custom_ops_library")
                if leaves(library)
                else self._review("native-code", "custom_ops_library")
            )

    def _named(self, node: dict[str, Any]) -> Iterator[Record]:
        """Judge values that name classes: they are identifiers, or dotted paths where the library imports those."""
        for key in _IMPORTED & node.keys():
            if isinstance(node[key], str) and _DOTTED.match(node[key]):
                yield from self._imported(node[key])
        for key in _CLASSES & node.keys():
            for value in node[key][:MAX_VALUES] if isinstance(node[key], list) else [node[key]]:
                if isinstance(value, str) and value and not _CLASS.match(value) and not _REGISTERED.match(value):
                    if _DOTTED.match(value):
                        yield from self._imported(value)
                    else:
                        yield from self._review("own-class", clean_name("", value))
        types = node.get("types")
        for value in types.values() if isinstance(types, dict) else ():
            if isinstance(value, str) and _DOTTED.match(value):
                yield from self._imported(value)

    def _paths(self, node: dict[str, Any]) -> Iterator[Record]:
        for key in _MEMBERS & node.keys():
            value = node[key]
            members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
            if any(isinstance(member, str) and leaves(member) for member in members):
                yield from self._external(key)
        for key, value in node.items() if self.view.name == GENAI else ():
            if key.endswith(("filename", "_path", "_library")) and isinstance(value, str) and value and leaves(value):
                yield from self._external(key)
        for key in _FILES & node.keys():
            if isinstance(node[key], str) and _SYSTEM.search(node[key][:4096]):
                yield from self._external(key)

    def _external(self, key: str) -> Iterator[Record]:
        facts: dict[str, str | int] = {"format": _KIND}
        yield from self.state.detection(
            MALFORMED, "external-path", self.view.within, 0, None, f"external-path {key}", facts
        )

    def _mapping(self, mapping: dict[str, Any]) -> Iterator[Record]:
        module, name = mapping.get("parent_library"), mapping.get("base_model_class")
        if isinstance(module, str) and isinstance(name, str):
            yield from self._imported(f"{module}.{name}")

    def _template(self, key: str, value: object) -> Iterator[Record]:
        """Judge a template, a list of named ones, or an object of them."""
        for name, text in _named_templates(key, value):
            self.templates += len(text)
            if self.templates > MAX_TEMPLATES:
                yield from self.state.gap(
                    "too-large", "the file holds more text in chat templates than the limit", self.view.within
                )
                return
            yield from templates.told(text, name, self.view, self.state, _KIND)

    # -- whole files

    def _top(self, tree: dict[str, Any]) -> Iterator[Record]:
        if "plugins" in tree and tree["plugins"] and self.view.name == "configuration.json":
            yield from self._code("auto-map", "plugins")  # ModelScope installs and imports them
        if "_diffusers_version" in tree or isinstance(tree.get("_class_name"), (list, str)):
            yield from self._pipeline(tree)
        revision = tree.get("revision")
        bases = tree.get("base_model")
        for reference in (
            tree.get("base_model_name_or_path"),
            tree.get("_name_or_path"),
            *(bases if isinstance(bases, list) else [bases]),
        ):
            if isinstance(reference, str) and _REPOSITORY.match(reference):
                self.state.bases.append((reference, revision if isinstance(revision, str) else ""))
        for key in ("license", "licence"):
            if isinstance(tree.get(key), str) and _LICENCE.match(tree[key]):
                self.state.licences.append(tree[key])

    def _pipeline(self, tree: dict[str, Any]) -> Iterator[Record]:
        """Judge the parts of a pipeline: pairs of a library, which is imported, and a class of it.

        In the configuration of a part, such as a UNet, a pair of texts names kinds of blocks and nothing is imported.
        """
        name = tree.get("_class_name")
        index = (
            self.view.name.endswith("index.json") or not isinstance(name, str) or name.endswith(("Pipeline", "Blocks"))
        )
        for key, value in tree.items():
            if not isinstance(value, list) or len(value) < 2 or key.startswith("_") and key != "_class_name":
                continue
            hint = value[2].get("type_hint") if len(value) > 2 and isinstance(value[2], dict) else None
            for pair in (value, hint):
                if isinstance(pair, list) and len(pair) > 1 and isinstance(pair[0], str) and isinstance(pair[1], str):
                    yield from self._part(key, pair[0], pair[1], index)

    def _part(self, key: str, library: str, name: str, index: bool) -> Iterator[Record]:
        if key == "_class_name" and library == "diffusers":
            return
        if library.partition(".")[0] in _LIBRARIES | _PIPELINES and _CAPITAL.match(name) and "__" not in library:
            return
        judged = self.state.policy.judge(library, name)
        if judged.verdict == "block" or index and (judged.verdict == "ask" or not _CLASS.match(library)):
            yield from names.told(library, name, self.view, self.state, self.place, _KIND)
        elif index and judged.verdict == "review":
            yield from self._review("auto-map", clean_name(library, name))

    def _modules(self, tree: list[Any]) -> Iterator[Record]:
        """Judge modules.json of Sentence Transformers: each ``type`` is imported, each ``path`` is a folder beside the file."""
        for item in tree[:MAX_VALUES]:
            if not isinstance(item, dict):
                continue
            kind, path = item.get("type"), item.get("path")
            if isinstance(kind, str) and kind:
                yield from self._imported(kind)
            if isinstance(path, str) and leaves(path):
                yield from self._external("path")


def _is_true(value: object) -> bool:
    return value is True or value == 1 or isinstance(value, str) and value.strip().lower() in ("true", "1", "yes")


def _named_templates(key: str, value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, dict):
        yield from ((f"{key}.{name}", text) for name, text in value.items() if isinstance(text, str))
    elif isinstance(value, list):
        for item in value:
            if isinstance(item, str):
                yield key, item
            elif isinstance(item, dict):
                yield from ((f"{key}.{item.get('name')}", text) for text in item.values() if isinstance(text, str))
