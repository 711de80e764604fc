"""Chat templates, GGUF files and configurations of hubs: attacks are told, what the libraries write stays quiet."""

from __future__ import annotations

import json
import struct
import time
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mlguard.errors import Unreadable
from mlguard.findings import Detection, Gap, Record
from mlguard.scanners import model
from mlguard.scanners.model import policy, source, templates, templatetree
from mlguard.scanners.model.state import State
from tests import corpus
from tests.corpus import attacks_hub, honest_hub
from tests.corpus.attacks_hub import Gguf

CODE, MALFORMED, UNKNOWN = "model/bundled-executable-code", "model/malformed-model-archive", "model/unknown-callable"
FIXTURES = Path(__file__).parents[1] / "fixtures" / "models" / "hub"
HOSTILE = attacks_hub.TEMPLATES["globals"]


@cache
def attacks() -> dict[str, bytes]:
    return dict(attacks_hub.attacks())


@cache
def doubtful() -> dict[str, bytes]:
    return dict(attacks_hub.doubtful())


def state_of(content: bytes, name: str) -> tuple[State, list[Record]]:
    state = model.new_state(name, policy.shipped())
    view = source.View(content, 0, len(content), name.rsplit("/", 1)[-1])
    found: list[Record] = []
    try:
        found.extend(state.examine(view, state))
    except Unreadable as trouble:
        found.extend(state.gap("unreadable", str(trouble), ""))
    return state, found


def rules(content: bytes, name: str) -> set[str]:
    return {record.rule for record in state_of(content, name)[1] if isinstance(record, Detection)}


def checks(content: bytes, name: str) -> set[str]:
    return {record.check for record in state_of(content, name)[1] if isinstance(record, Detection)}


def tokenizer(template: object) -> bytes:
    return json.dumps({"tokenizer_class": "ExampleTokenizer", "chat_template": template}).encode()


# -- the corpora


@pytest.mark.parametrize("name", sorted(attacks()))
def test_a_hostile_file_fails_the_gate(name: str) -> None:
    assert corpus.gate(attacks()[name], name)[0] == "fails"


@pytest.mark.parametrize("name", sorted(doubtful()))
def test_a_doubtful_file_is_told(name: str) -> None:
    assert corpus.gate(doubtful()[name], name)[0] != "silent"


@pytest.mark.parametrize("name", honest_hub.FIXTURES)
def test_what_the_libraries_write_is_quiet(name: str) -> None:
    assert corpus.gate(FIXTURES / name, name)[0] == "silent"


@pytest.mark.parametrize("name", sorted(honest_hub.TEMPLATES))
def test_templates_of_known_families_are_quiet(name: str) -> None:
    text = honest_hub.TEMPLATES[name]

    assert corpus.gate(text.encode(), "chat_template.jinja")[0] == "silent"
    assert corpus.gate(tokenizer(text), "tokenizer_config.json")[0] == "silent"


@pytest.mark.parametrize("name", sorted(honest_hub.PAGES))
def test_pages_of_web_projects_are_quiet(name: str) -> None:
    assert corpus.gate(honest_hub.PAGES[name].encode(), f"templates/{name}")[0] == "silent"


def test_an_attack_in_a_page_is_told() -> None:
    page = b"{% extends 'base.jinja' %}{{ ''.__class__.__mro__[1].__subclasses__() }}"

    assert corpus.gate(page, "templates/page.jinja")[0] == "fails"


# -- templates


def test_a_template_is_told_of_by_name_and_never_shown() -> None:
    records = state_of(
        tokenizer([{"name": "tool_use", "template": "{{ messages.__class__ }}"}]), "tokenizer_config.json"
    )[1]

    found = [record for record in records if isinstance(record, Detection)]
    assert [record.facts["name"] for record in found] == ["chat_template.tool_use"]
    assert not any("__class__" in str(value) for record in found for value in record.facts.values())


def test_several_ways_into_python_are_one_finding() -> None:
    text = "{{ ''.__class__.__mro__[1].__subclasses__() }}{{ a['__init__'] }}{{ a|attr('__globals__') }}"

    assert len(state_of(tokenizer(text), "tokenizer_config.json")[1]) == 1


@pytest.mark.parametrize(
    "text",
    [
        "{{ tools['param_' ~ name] }}",
        "{{ messages[loop.index0 + 1]['role'] }}",
        "{{ types[t|lower] }}",
        "{{ names[message['role']] }}",
        "{% set key = 'content' %}{{ message[key] }}",
        "{{ messages|map(attribute='content')|map('trim')|join('\n') }}",
        "{{ message.content.split('__')[0] }}",
        "Write code: if __name__ == '__main__': run()",
        "{{ 'In Python a class has a method named __init__ and a dictionary.' }}",
        "{{ x ** 2 }}{{ 2 ** 10 }}",
        "{% for i in range(100) %}{{ i }}{% endfor %}",
        "{% set ns = namespace(text='') %}{% for m in messages %}{% set ns.text = ns.text ~ m.content %}{% endfor %}",
        "{{ 'Role: {}'.format(message.role) }}",
        "{% set l = [] %}{% for m in messages %}{% set _ = l.append(m.content) %}{% endfor %}{{ l|join(bos_token) }}",
        "{% macro show(s) %}{% if s.a %}{{ show(s.a) }}{{ show(s.b) }}{% endif %}{% endmacro %}{{ show(tools) }}",
        "{% if 'image' in message.content %}{% endif %}{% if '<think>' in message.content %}{% endif %}",
    ],
)
def test_what_templates_do_is_quiet(text: str) -> None:
    assert rules(tokenizer(text), "tokenizer_config.json") == set()


def test_a_template_that_is_no_jinja_is_a_gap() -> None:
    records = state_of(tokenizer("{% if %}"), "tokenizer_config.json")[1]

    assert [record.kind for record in records if isinstance(record, Gap)] == ["unreadable"]


def test_a_template_beyond_the_limit_is_searched_and_a_gap() -> None:
    text = "{{ a }}" * (templates.MAX_TEMPLATE // 7 + 1) + "{{ messages.__class__ }}"

    records = state_of(tokenizer(text), "tokenizer_config.json")[1]

    assert {record.rule for record in records if isinstance(record, Detection)} == {CODE}
    assert [record.kind for record in records if isinstance(record, Gap)] == ["too-large"]


@pytest.mark.parametrize("unit", ["'a'+", "'a'~", "2*", "2**", "a|trim|", "a.b()~", "[1,"])
def test_long_expressions_take_linear_time(unit: str) -> None:
    text = "{{ m[" + unit * (200_000 // len(unit)) + "1] }}"
    begin = time.process_time()

    state_of(tokenizer(text), "tokenizer_config.json")

    assert time.process_time() - begin < 8


_PIECES = st.sampled_from(
    ["{{", "}}", "{%", "%}", "{#", "#}", "a", "'x'", "'__cl'", "'ass__'", "~", "+", "*", "**", "%", "[", "]", "(", ")", ".", "|", "join", "attr", "set ", "=",
     "for ", " in ", "endfor", "if ", "endif", "else", "range", "9", "-1", ":", ",", "{", "}", "macro ", "endmacro", "messages", "namespace", "format", "\n", " "]
)  # fmt: skip


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(_PIECES, max_size=60).map("".join))
@example("{% set a.b.c = 1 %}")
@example("{% for a, (b, c) in [(1, (2, 3))] %}{{ a[b] }}{% endfor %}")
@example("{{ 1 if }}{% set x %}{% endset %}")
@example(
    "{{ 'x'.join() }}{{ ''|replace }}{{ ()[0] }}{{ {}['a'] }}{{ 'a'[99] }}{{ [][::0] }}{{ 1 // 0 }}{{ 1 % 0 }}{{ 0 ** -1 }}"
)
def test_any_template_ends_in_records(text: str) -> None:
    state_of(text.encode(), "chat_template.jinja")


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(sorted(attacks_hub.TEMPLATES)), st.text(alphabet="ab {}%'\n", max_size=40))
def test_text_before_and_behind_hides_nothing(name: str, around: str) -> None:
    text = attacks_hub.TEMPLATES[name]
    before = "{{ '" + around.replace("'", "").replace("{", "").replace("}", "") + "' }}"

    assert rules((before + text).encode(), "chat_template.jinja") & {CODE, MALFORMED}


def test_dunder_names_of_text_and_of_pages_are_patterns() -> None:
    assert templatetree.DUNDER.search("__class__") and not templatetree.DUNDER.search("__start__")
    assert templatetree.STRONG.search("__globals__") and not templatetree.STRONG.search("__class__")


# -- GGUF


def honest() -> Gguf:
    made = Gguf().pair("general.architecture", "text", "llama").pair("general.alignment", "u32", 32)
    made.texts("tokenizer.ggml.tokens", ["<s>", "</s>", "word"]).pair(
        "tokenizer.chat_template", "text", "{{ messages[0].content }}"
    )
    return made.tensor("a", (8, 2)).tensor("b", (32,), kind=8, offset=64)


HONEST_DATA = bytes(64) + bytes(64)


def test_an_honest_file_is_quiet_and_its_tensors_are_counted() -> None:
    state, records = state_of(honest().bytes(HONEST_DATA), "model.gguf")

    assert records == []
    assert state.tensors == 2


@pytest.mark.parametrize("version", [1, 2, 3])
@pytest.mark.parametrize("order", ["<", ">"])
def test_versions_and_both_orders_are_read(version: int, order: str) -> None:
    made = Gguf(version, order).pair("a", "f32", 1.0).texts("b", ["x", "y"]).raw("c", 9, b"").pairs[:2]
    gguf = Gguf(version, order)
    gguf.pairs = made
    gguf.tensor("t", (8,))

    assert state_of(gguf.bytes(bytes(32)), "model.gguf")[1] == []


def test_lists_in_lists_are_walked() -> None:
    inner = struct.pack("<IQ", 4, 2) + bytes(8)
    made = Gguf().raw("a", 9, struct.pack("<IQ", 9, 3) + inner * 3).pair("tokenizer.chat_template", "text", HOSTILE)

    assert rules(made.bytes(), "model.gguf") == {CODE}


def test_base_models_and_licences_are_kept() -> None:
    made = Gguf().pair("general.license", "text", "apache-2.0").pair("general.base_model.count", "u32", 2)
    made.pair("general.base_model.0.name", "text", "Base").pair("general.base_model.0.organization", "text", "Example")
    made.pair("general.base_model.1.repo_url", "text", "https://huggingface.co/example/other").pair(
        "general.base_model.1.version", "text", "v2"
    )

    state, records = state_of(made.bytes(), "model.gguf")

    assert records == []
    assert state.bases == [("Example/Base", ""), ("https://huggingface.co/example/other", "v2")]
    assert state.licences == ["apache-2.0"]


def test_a_type_of_a_fork_is_no_finding() -> None:
    made = Gguf().tensor("a", (256,), kind=144).tensor("b", (8,), offset=160)

    assert state_of(made.bytes(bytes(192)), "model.gguf")[1] == []


def test_a_file_of_another_version_is_a_gap() -> None:
    records = state_of(Gguf(4).bytes(), "model.gguf")[1]

    assert [record.kind for record in records if isinstance(record, Gap)] == ["skipped"]


def test_a_large_vocabulary_is_read_in_a_moment() -> None:
    content = Gguf().texts("tokenizer.ggml.tokens", [f"token{i}" for i in range(250_000)]).bytes()
    begin = time.process_time()

    assert state_of(content, "model.gguf")[1] == []
    assert time.process_time() - begin < 2


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300), st.sampled_from([1, 2, 3, 4]), st.sampled_from(["<", ">"]))
def test_any_bytes_behind_the_magic_end_in_records(tail: bytes, version: int, order: str) -> None:
    state_of(b"GGUF" + struct.pack(order + "I", version) + tail, "model.gguf")


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_changed_byte_ends_in_records(data: st.DataObject) -> None:
    content = bytearray(honest().bytes(HONEST_DATA))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(4, len(content) - 1))] = data.draw(st.integers(0, 255))

    state_of(bytes(content), "model.gguf")


def test_cutting_hides_nothing_that_stands_before_the_cut() -> None:
    made = Gguf().pair("tokenizer.chat_template", "text", HOSTILE)
    least = len(made.bytes(alignment=1))
    content = made.pair("general.name", "text", "Example").texts("a", ["b"] * 20).tensor("t", (8,)).bytes(bytes(32))

    for end in range(least, len(content)):
        assert CODE in rules(content[:end], "model.gguf"), end


def test_a_file_that_is_cut_is_never_silent() -> None:
    content = honest().bytes(HONEST_DATA)

    padding = 30  # behind the last tensor, which readers do not need

    for end in range(4, len(content) - padding):
        assert state_of(content[:end], "model.gguf")[1], end


# -- configurations


def test_a_second_value_of_a_key_is_judged_too() -> None:
    text = b'{"model_type": "x", "auto_map": {"AutoModel": "a/b--c.D"}, "auto_map": {}}'

    assert checks(text, "config.json") == {"duplicate-key", "auto-map"}


def test_two_equal_keys_of_a_vocabulary_are_quiet() -> None:
    text = b'{"added_tokens": [], "model": {"vocab": {"a": 1, "a": 2}}}'

    assert state_of(text, "tokenizer.json")[1] == []


def test_the_base_model_is_kept_with_its_revision() -> None:
    state, _ = state_of(
        b'{"peft_type": "LORA", "base_model_name_or_path": "example/base", "revision": "abc"}', "adapter_config.json"
    )

    assert state.bases == [("example/base", "abc")]


def test_a_path_of_a_developer_is_no_base_model() -> None:
    state, _ = state_of(b'{"model_type": "x", "_name_or_path": "/data/models/base"}', "config.json")

    assert state.bases == []


@pytest.mark.parametrize("module", ["transformers.models.bert.modeling_bert", "torch.nn.modules.activation"])
def test_classes_of_known_libraries_are_quiet(module: str) -> None:
    text = json.dumps(
        {"peft_type": "LORA", "auto_mapping": {"base_model_class": "BertModel", "parent_library": module}}
    )

    assert rules(text.encode(), "adapter_config.json") == set()


def test_pairs_of_kinds_of_blocks_are_no_parts_of_a_pipeline() -> None:
    text = {
        "_class_name": "UNet2DConditionModel",
        "_diffusers_version": "0.30.0",
        "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
    }

    assert rules(json.dumps(text).encode(), "config.json") == set()


def test_names_in_the_registries_of_spacy_are_quiet() -> None:
    assert (
        rules(b'{"architectures": ["spacy.Tok2Vec.v2", "spacy-transformers.TransformerModel.v3"]}', "config.json")
        == set()
    )


def test_json_of_another_kind_is_no_model() -> None:
    state, records = state_of(b'{"port": 8080, "module": "app.main"}', "config.json")

    assert records == []
    assert state.format == ""


def test_json_that_fits_two_formats_is_judged_as_both() -> None:
    tree = {
        "model_type": "x",
        "trust_remote_code": True,
        "nodes": [{"op": "Custom", "name": "a", "inputs": []}],
        "arg_nodes": [],
        "heads": [],
    }

    assert CODE in rules(json.dumps(tree).encode(), "config.json")
    assert len(rules(json.dumps(tree).encode(), "config.json")) > 1


def test_a_configuration_that_is_no_json_is_searched_and_a_gap() -> None:
    records = state_of(b'{"model_type": "x", "trust_remote_code": true,', "config.json")[1]

    assert {record.rule for record in records if isinstance(record, Detection)} == {CODE}
    assert [record.kind for record in records if isinstance(record, Gap)] == ["unreadable"]


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(
            ["auto_map", "chat_template", "_target_", "types", "weight_map", "auto_mapping", "base_model", "architectures", "type", "path", "name", "template",
             "custom_pipelines", "_class_name", "_diffusers_version", "unet", "vocab_file", "megatron_core", "megatron_config", "activation_function", "0"]
        ),
        inner,
        max_size=6,
    ),
    max_leaves=20,
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(_JSON, st.sampled_from(["config.json", "modules.json", "model_index.json", "tokenizer.json"]))
def test_any_configuration_ends_in_records(tree: object, name: str) -> None:
    state_of(json.dumps(tree).encode(), name)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_of_a_configuration_end_in_records(content: bytes) -> None:
    state_of(b"{" + content, "config.json")
