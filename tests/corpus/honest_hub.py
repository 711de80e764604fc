"""Honest hub files: configurations, tokenizers, adapters, pipelines and GGUF files, written by the libraries themselves.

The chat templates are our own, in the manner of the families that they are named after.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

TEMPLATES: dict[str, str] = {
    "chatml": "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
    "instruct-brackets": "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system_message = messages[0]['content'] %}"
    "{% else %}{% set loop_messages = messages %}{% set system_message = false %}{% endif %}{% for message in loop_messages %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must alternate') }}{% endif %}"
    "{% if loop.index0 == 0 and system_message != false %}{% set content = '<<SYS>>\n' + system_message + '\n<</SYS>>\n\n' + message['content'] %}"
    "{% else %}{% set content = message['content'] %}{% endif %}{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}"
    "{% elif message['role'] == 'assistant' %}{{ ' ' + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}",
    "headers-tools": "{{- bos_token }}{%- if custom_tools is defined %}{%- set tools = custom_tools %}{%- endif %}"
    "{%- if not date_string is defined %}{%- if strftime_now is defined %}{%- set date_string = strftime_now('%d %b %Y') %}"
    "{%- else %}{%- set date_string = '26 Jul 2024' %}{%- endif %}{%- endif %}{%- if not tools is defined %}{%- set tools = none %}{%- endif %}"
    "{%- if messages[0]['role'] == 'system' %}{%- set system_message = messages[0]['content']|trim %}{%- set messages = messages[1:] %}"
    "{%- else %}{%- set system_message = '' %}{%- endif %}{{- '<|start_header_id|>system<|end_header_id|>\n\n' }}"
    "{%- if builtin_tools is defined %}{{- 'Tools: ' + builtin_tools | reject('equalto', 'code_interpreter') | join(', ') + '\n\n' }}{%- endif %}"
    "{{- 'Today Date: ' + date_string + '\n\n' }}{%- if tools is not none %}{%- for t in tools %}{{- t | tojson(indent=4) }}{{- '\n\n' }}{%- endfor %}{%- endif %}"
    "{%- for message in messages %}{%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}"
    "{{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' + message['content'] | trim + '<|eot_id|>' }}"
    "{%- elif 'tool_calls' in message %}{%- if not message.tool_calls|length == 1 %}{{- raise_exception('One tool call at once') }}{%- endif %}"
    "{%- set tool_call = message.tool_calls[0].function %}{%- for arg_name, arg_val in tool_call.arguments | items %}"
    "{{- arg_name + '=\"' + arg_val + '\"' }}{%- if not loop.last %}{{- ', ' }}{%- endif %}{%- endfor %}{%- endif %}{%- endfor %}",
    "namespace-thinking": "{%- set ns = namespace(multi_step_tool=true, last_query_index=messages|length - 1) %}{%- for message in messages[::-1] %}"
    "{%- set index = (messages|length - 1) - loop.index0 %}{%- if ns.multi_step_tool and message.role == 'user' and message.content is string and not"
    "(message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>')) %}{%- set ns.multi_step_tool = false %}"
    "{%- set ns.last_query_index = index %}{%- endif %}{%- endfor %}{%- for message in messages %}{%- set reasoning_content = '' %}"
    "{%- if message.reasoning_content is string %}{%- set reasoning_content = message.reasoning_content %}{%- elif '</think>' in message.content %}"
    "{%- set reasoning_content = message.content.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n') %}{%- endif %}"
    "{%- if loop.previtem and loop.previtem.role != 'tool' %}{{- '<|im_start|>user' }}{%- endif %}{%- if tools %}{{- tools[0] | tojson }}{%- endif %}"
    "{{- '<|im_start|>' + message.role + '\n<think>\n' + reasoning_content.strip('\n') + '\n</think>\n\n' + message.content.lstrip('\n') }}{%- endfor %}"
    "{%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\n\n</think>\n\n' }}{%- endif %}",
    "turns-with-parts": "{{ bos_token }}{%- if messages[0]['role'] == 'system' -%}{%- if messages[0]['content'] is string -%}"
    "{%- set first_user_prefix = messages[0]['content'] + '\n\n' -%}{%- else -%}{%- set first_user_prefix = messages[0]['content'][0]['text'] + '\n\n' -%}"
    "{%- endif -%}{%- set loop_messages = messages[1:] -%}{%- else -%}{%- set first_user_prefix = '' -%}{%- set loop_messages = messages -%}{%- endif -%}"
    "{%- for message in loop_messages -%}{%- set role = 'model' if message['role'] == 'assistant' else message['role'] -%}"
    "{{ '<start_of_turn>' + role + '\n' + (first_user_prefix if loop.first else '') }}{%- if message['content'] is iterable and message['content'] is not string -%}"
    "{%- for item in message['content'] -%}{%- if item['type'] == 'image' -%}{{ '<start_of_image>' }}{%- elif item['type'] == 'text' -%}"
    "{{ item['text'] | trim }}{%- endif -%}{%- endfor -%}{%- endif -%}{{ '<end_of_turn>\n' }}{%- endfor -%}",
    "macros": "{%- macro render_type(spec, depth=0) -%}{%- if spec.type == 'array' -%}{%- if spec['items'] -%}{{- render_type(spec['items'], depth + 1) + '[]' }}"
    "{%- endif -%}{%- elif spec.enum is defined -%}{{- spec.enum | map('tojson') | join(' | ') }}{%- elif spec.oneOf -%}"
    "{%- for variant in spec.oneOf -%}{{- render_type(variant) -}}{%- if not loop.last -%}{{- ' | ' }}{%- endif -%}{%- endfor -%}"
    "{%- elif spec.type == 'object' -%}{{- '{\n' }}{%- for name, inner in spec.properties.items() -%}{{ name + ('?' if name not in (spec.required or []) else '') + ': ' }}"
    "{{- render_type(inner) }}{{ ', ' if not loop.last }}{%- endfor -%}{{- '}' }}{%- else -%}{{- spec.type|default('any') }}{%- endif -%}{%- endmacro -%}"
    "{%- macro system() -%}{{- 'Knowledge cutoff: 2024-06\n' + 'Current date: ' + strftime_now('%Y-%m-%d') }}{%- endmacro -%}{{- system() }}"
    "{%- for tool in tools or [] -%}{%- set tool = tool.function %}{{- 'type ' + tool.name + ' = ' + render_type(tool.parameters) }}{%- endfor -%}"
    "{%- for message in messages -%}{%- if message.role == 'assistant' and loop.last and not add_generation_prompt -%}{{- message.thinking|default('') }}"
    "{%- continue -%}{%- endif -%}{{- '<|start|>' + message.role + '<|message|>' + message.content + '<|end|>' }}{%- endfor -%}",
    "namespaced-indices": "{% if not add_generation_prompt is defined %}{% set add_generation_prompt = false %}{% endif %}"
    "{% set ns = namespace(is_first=false, is_tool=false, is_output_first=true, system_prompt='', is_first_sp=true) %}{%- for message in messages %}"
    "{%- if message['role'] == 'system' %}{%- if ns.is_first_sp %}{% set ns.system_prompt = ns.system_prompt + message['content'] %}{% set ns.is_first_sp = false %}"
    "{%- else %}{% set ns.system_prompt = ns.system_prompt + '\\n\\n' + message['content'] %}{%- endif %}{%- endif %}{%- endfor %}{{ bos_token }}{{ ns.system_prompt }}"
    "{%- for message in messages %}{%- if message['role'] == 'user' %}{{ '<\uff5cUser\uff5c>' + message['content'] }}{%- endif %}"
    "{%- if message['role'] == 'assistant' and message['content'] is not none %}{% set content = message['content'] %}{% if '</think>' in content %}"
    "{% set content = content.split('</think>')[-1] %}{% endif %}{{ '<\uff5cAssistant\uff5c>' + content + '<\uff5cend\u2581of\u2581sentence\uff5c>' }}{%- endif %}{%- endfor -%}",
    "plain-words": "{% for message in messages %}{% if message['role'] == 'user' %}{{ '### Instruction:\n' + message['content'].strip() + '\n\n' }}"
    "{% else %}{{ '### Response:\n' + message['content'].strip() + eos_token }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '### Response:\n' }}{% endif %}",
    "documents": "{% set tools = tools or [] %}{% for document in documents %}{{ '\nDocument: ' }}{{ loop.index0 }}\n{% for key, value in document.items() %}"
    "{{ key|title }}: {{ value }}\n{% endfor %}{% endfor %}{%- for tool in tools -%}def {{ tool.function.name }}({% for name, spec in tool.function.parameters.properties|dictsort %}"
    "{{ name }}: {{ spec.type|replace('string', 'str')|replace('integer', 'int') }}{% if not loop.last %}, {% endif %}{% endfor %}){% endfor %}"
    "{% for message in messages %}{{ '<|START_OF_TURN_TOKEN|>' ~ message.role|upper ~ message.content|string }}{% endfor %}",
    "selected": "{%- set user_messages = messages | selectattr('role', 'equalto', 'user') | list %}{%- set last = user_messages | last %}"
    "{%- set names = messages | map(attribute='role') | unique | join(', ') %}{%- for m in messages %}{%- generation %}{{ m.content }}{%- endgeneration %}{%- endfor %}"
    "{%- if last is mapping %}{{ last.content }}{%- endif %}{{ names }}",
    "switches": "{%- set thinking = thinking if thinking is defined else false %}{%- if '/no_think' in messages[0].content %}{%- set thinking = false %}"
    "{%- set system = messages[0].content.replace('/no_think', '').rstrip() %}{%- endif %}{%- for i in range(messages|length) %}"
    "{{ messages[i]['content'] }}{%- if i + 1 < messages|length and messages[i + 1].role == 'tool' %}{{ '\n' }}{%- endif %}{%- endfor %}",
    "separators": "{%- set sep = joiner(', ') %}{%- for tool in tools %}{{ sep() }}{{ tool.name }}{%- endfor %}{%- do messages.append({'role': 'x'}) %}"
    "Weights are available at https://huggingface.co/example/example. {{ messages[-1].content | indent(4) }}",
}  # fmt: skip

PAGES: dict[str, str] = {
    "base.jinja": "<!doctype html><title>{% block title %}{% endblock %}</title><script src=\"/static/app.js\"></script>{% block body %}{{ self.title() }}{% endblock %}",
    "page.jinja2": "{% extends 'base.jinja' %}{% from 'macros.jinja' import card as c %}{% block body %}{% include 'nav.jinja' %}<a href=\"{{ url_for('home') }}\">"
    "<img src=\"https://example.com/a.png\" onerror=\"hide(this)\">{{ config.TITLE }}{{ get_flashed_messages() }}{{ request.args.get('q') }}{{ _('Hello') }}</a>{% endblock %}",
    "Dockerfile.jinja": "FROM {{ base }}\n{% if packages %}RUN pip install {% for p in packages %}{{ p }} {% endfor %}{% endif %}\n",
    "pyproject.toml.jinja": "[project]\nname = \"{{ project_name|lower|replace(' ', '-') }}\"\nversion = \"{{ _copier_conf.answers_file }}\"\n",
    "class.rst.jinja": "{{ objname | escape | underline}}\n{% for item in obj.__class__.__name__ %}{{ item }}{% endfor %}\n{{ module.__version__ }}",
    "prompt.jinja": "{% include 'rules.jinja' %}Answer {{ question }} with {{ context | join('\n') }}.",
}  # fmt: skip


FIXTURES = (
    "ggufs/gemma-big.gguf",
    "ggufs/split-00001-of-00003.gguf",
    "ggufs/vocabulary.gguf",
    "tokenizers/bpe-named/tokenizer.json",
    "tokenizers/bpe-named/tokenizer_config.json",
    "tokenizers/bpe-named/additional_chat_templates/tool_use.jinja",
    "tokenizers/bpe-inline/tokenizer_config.json",
    "sentences/sentence/modules.json",
    "sentences/sentence/2_Dense/config.json",
    "adapters/lora/adapter_config.json",
    "configurations/blip-2/config.json",
    "indices/sharded/model.safetensors.index.json",
    "processors/CLIPImageProcessor/preprocessor_config.json",
)
"""What is kept under tests/fixtures/models/hub, as the libraries wrote it: ``keep`` copies them."""


def keep(written: Path, target: Path) -> None:
    """Copy FIXTURES from where ``files`` has written to ``target``."""
    for name in FIXTURES:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_bytes((written / name).read_bytes())


_TROUBLE = (ImportError, ValueError, TypeError, AttributeError, KeyError, OSError, RuntimeError, NotImplementedError)
"""What libraries raise that lack a part or have changed."""


def files(folder: Path) -> None:
    """Write honest files below ``folder``; a part whose library is missing is skipped and named."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    for part in (
        _templates,
        _pages,
        _configurations,
        _tokenizers,
        _processors,
        _adapters,
        _sentences,
        _indices,
        _ggufs,
        _by_hand,
    ):
        _try(part, folder / part.__name__.strip("_"))


def _try(part: Callable[[Path], None], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    try:
        part(folder)
    except _TROUBLE as trouble:  # a part that a library cannot write must not hide the others
        print(f"skipped {part.__name__}: {type(trouble).__name__}: {str(trouble)[:200]}")


def _write(path: Path, tree: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(tree if isinstance(tree, str) else json.dumps(tree, indent=2), encoding="utf-8")


def _templates(folder: Path) -> None:
    for name, text in TEMPLATES.items():
        _write(folder / name / "chat_template.jinja", text)
        _write(
            folder / name / "tokenizer_config.json",
            {"tokenizer_class": "PreTrainedTokenizerFast", "chat_template": text},
        )
    named = [{"name": name.replace("-", "_"), "template": text} for name, text in TEMPLATES.items()]
    _write(
        folder / "many" / "tokenizer_config.json",
        {"tokenizer_class": "PreTrainedTokenizerFast", "chat_template": named},
    )
    _write(folder / "own" / "chat_template.json", {"chat_template": TEMPLATES["chatml"]})


def _pages(folder: Path) -> None:
    for name, text in PAGES.items():
        _write(folder / "templates" / name, text)


_TYPES = [
    "bert", "roberta", "distilbert", "albert", "electra", "deberta-v2", "gpt2", "gpt_neo", "gpt_neox", "gptj", "opt", "bloom", "llama", "mistral", "mixtral", "qwen2", "qwen2_moe", "qwen3", "gemma", "gemma2", "gemma3_text", "phi",
    "phi3", "falcon", "mamba", "mpt", "t5", "mt5", "bart", "pegasus", "marian", "mbart", "m2m_100", "whisper", "wav2vec2", "hubert", "clip", "siglip", "vit", "deit", "swin", "convnext", "resnet", "detr", "blip-2", "llava",
    "deepseek_v3", "cohere", "granite", "olmo", "olmo2", "starcoder2", "stablelm", "persimmon", "xlm-roberta", "layoutlm", "longformer", "big_bird", "reformer", "xlnet",
]  # fmt: skip


def _configurations(folder: Path) -> None:
    from transformers import AutoConfig, GenerationConfig

    for kind in _TYPES:
        try:
            config = AutoConfig.for_model(kind, id2label={0: "negative", 1: "neutral", 2: "positive"})
            config.architectures = [type(config).__name__.replace("Config", "Model")]
            config.save_pretrained(folder / kind)
        except _TROUBLE as trouble:
            print(f"skipped configuration {kind}: {type(trouble).__name__}")
    GenerationConfig(
        max_new_tokens=32, do_sample=True, temperature=0.6, top_p=0.9, eos_token_id=[1, 2]
    ).save_pretrained(folder / "generation")


_TEXT = [
    "Der Hund bellt im Garten.",
    "The weather is fine today, isn't it?",
    "def main(args):\n    print(args)",
    "1234 5678 + 90 = ...",
] * 50


def _tokenizers(folder: Path) -> None:
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    special = ["<unk>", "<s>", "</s>", "<pad>", "<|im_start|>", "<|im_end|>", "<tool_call>", "</tool_call>"]
    made: dict[str, tuple[Any, Any, Any]] = {
        "bpe": (
            models.BPE(unk_token="<unk>"),
            trainers.BpeTrainer(vocab_size=400, special_tokens=special),
            pre_tokenizers.ByteLevel(),
        ),
        "wordpiece": (
            models.WordPiece(unk_token="<unk>"),
            trainers.WordPieceTrainer(vocab_size=300, special_tokens=special),
            pre_tokenizers.BertPreTokenizer(),
        ),
        "unigram": (
            models.Unigram(),
            trainers.UnigramTrainer(vocab_size=120, special_tokens=special, unk_token="<unk>"),
            pre_tokenizers.Metaspace(),
        ),
        "wordlevel": (
            models.WordLevel(unk_token="<unk>"),
            trainers.WordLevelTrainer(special_tokens=special),
            pre_tokenizers.Whitespace(),
        ),
    }
    for name, (model, trainer, splitter) in made.items():
        tokenizer = Tokenizer(model)
        tokenizer.pre_tokenizer = splitter
        tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace("``", '"')])
        tokenizer.decoder = decoders.ByteLevel()
        tokenizer.train_from_iterator(_TEXT, trainer)
        tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
        fast = PreTrainedTokenizerFast(
            tokenizer_object=tokenizer, unk_token="<unk>", bos_token="<s>", eos_token="</s>", pad_token="<pad>", model_max_length=2048,
            additional_special_tokens=special[4:],
        )  # fmt: skip
        fast.chat_template = TEMPLATES["chatml"]
        fast.save_pretrained(folder / name)
        fast.save_pretrained(folder / f"{name}-inline", save_jinja_files=False)
        fast.chat_template = {"default": TEMPLATES["chatml"], "tool_use": TEMPLATES["headers-tools"]}
        fast.save_pretrained(folder / f"{name}-named")


def _processors(folder: Path) -> None:
    import transformers

    for name in (
        "CLIPImageProcessor",
        "ViTImageProcessor",
        "WhisperFeatureExtractor",
        "Wav2Vec2FeatureExtractor",
        "SiglipImageProcessor",
        "DetrImageProcessor",
    ):
        try:
            getattr(transformers, name)().save_pretrained(folder / name)
        except _TROUBLE as trouble:
            print(f"skipped processor {name}: {type(trouble).__name__}")


def _adapters(folder: Path) -> None:
    import peft
    import transformers

    config = transformers.GPT2Config(n_layer=1, n_embd=8, n_head=2, vocab_size=32, n_positions=16)
    adapters = {
        "lora": peft.LoraConfig(r=2, task_type="CAUSAL_LM"),
        "dora": peft.LoraConfig(r=2, use_dora=True, lora_dropout=0.05, modules_to_save=["lm_head"]),
        "ia3": peft.IA3Config(task_type="CAUSAL_LM"),
        "prefix": peft.PrefixTuningConfig(num_virtual_tokens=2, task_type="CAUSAL_LM"),
        "prompt": peft.PromptTuningConfig(num_virtual_tokens=2, task_type="CAUSAL_LM"),
        "loha": peft.LoHaConfig(r=2, target_modules=["c_attn"]),
    }
    for name, adapter in adapters.items():
        try:
            model = transformers.GPT2LMHeadModel(config)
            model.name_or_path = "example-org/tiny-gpt2"
            peft.get_peft_model(model, adapter).save_pretrained(folder / name)
        except _TROUBLE as trouble:
            print(f"skipped adapter {name}: {type(trouble).__name__}: {str(trouble)[:80]}")


def _sentences(folder: Path) -> None:
    import transformers
    from sentence_transformers import SentenceTransformer
    from sentence_transformers import models as parts

    vocabulary = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        *"abcdefghijklmnopqrstuvwxyz",
        *(f"##{c}" for c in "abcdefghijklmnopqrstuvwxyz"),
    ]
    base = folder / "base"
    base.mkdir()
    (base / "vocab.txt").write_text("\n".join(vocabulary))
    config = transformers.BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=8,
        max_position_embeddings=32,
    )
    transformers.BertModel(config).save_pretrained(base)
    transformers.BertTokenizerFast(str(base / "vocab.txt")).save_pretrained(base)
    first = parts.Transformer(str(base), max_seq_length=16)
    pooling = parts.Pooling(8)
    SentenceTransformer(modules=[first, pooling, parts.Dense(8, 4), parts.Normalize()], device="cpu").save(
        str(folder / "sentence")
    )


def _indices(folder: Path) -> None:
    import transformers

    config = transformers.GPT2Config(n_layer=2, n_embd=16, n_head=2, vocab_size=64, n_positions=16)
    transformers.GPT2LMHeadModel(config).save_pretrained(folder / "sharded", max_shard_size="8KB")


def _ggufs(folder: Path) -> None:
    import numpy as np
    from gguf import GGMLQuantizationType, GGUFEndian, GGUFWriter, TokenType, quants

    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{i:02X}>" for i in range(256)), *(f"\u2581word{i}" for i in range(300))]
    cases = ("llama", "qwen2", "gemma", "phi3", "bert", "mamba", "t5", "clip")
    for number, arch in enumerate(cases):
        for order in (GGUFEndian.LITTLE, GGUFEndian.BIG):
            writer = GGUFWriter(folder / f"{arch}-{order.name.lower()}.gguf", arch, endianess=order)
            writer.add_name("Tiny example")
            writer.add_author("Example Org")
            writer.add_license("apache-2.0")
            writer.add_description("A tiny model for tests.")
            writer.add_base_model_count(1)
            writer.add_base_model_name(0, "Base")
            writer.add_base_model_organization(0, "Example Org")
            writer.add_base_model_repo_url(0, "https://huggingface.co/example/base")
            writer.add_context_length(128)
            writer.add_block_count(1)
            writer.add_rope_freq_base(10000.0)
            writer.add_array("general.tags", ["text-generation", "example"])
            writer.add_languages(["de", "en"])
            writer.add_tokenizer_model("llama")
            writer.add_token_list(tokens)
            writer.add_token_scores([0.0] * len(tokens))
            writer.add_token_types([TokenType.NORMAL] * len(tokens))
            writer.add_token_merges(["a b", "ab c"])
            writer.add_add_bos_token(True)
            if number % 2:
                writer.add_chat_template(
                    [
                        {"name": "default", "template": TEMPLATES["chatml"]},
                        {"name": "tool_use", "template": TEMPLATES["headers-tools"]},
                    ]
                )
            else:
                writer.add_chat_template(TEMPLATES["namespace-thinking"])
            if number % 3 == 2:
                writer.add_custom_alignment(64)
            data = np.arange(2 * 256, dtype=np.float32).reshape(2, 256)
            writer.add_tensor("token_embd.weight", data)
            writer.add_tensor("norm.weight", data[0].astype(np.float16))
            writer.add_tensor("odd.weight", np.arange(7, dtype=np.float32))
            writer.add_tensor("cube.weight", np.zeros((2, 3, 4, 5), dtype=np.float32))
            if order is GGUFEndian.LITTLE:
                for kind in (
                    GGMLQuantizationType.Q4_0,
                    GGMLQuantizationType.Q8_0,
                    GGMLQuantizationType.Q5_1,
                    GGMLQuantizationType.BF16,
                ):
                    writer.add_tensor(f"{kind.name}.weight", quants.quantize(data, kind), raw_dtype=kind)
            _finish(writer)
    vocabulary = GGUFWriter(folder / "vocabulary.gguf", "llama")
    vocabulary.add_token_list(tokens)
    _finish(vocabulary)
    split = GGUFWriter(folder / "split.gguf", "llama", split_max_tensors=1)
    split.add_name("Split example")
    for number in range(3):
        split.add_tensor(f"blk.{number}.weight", np.ones((4, 4), dtype=np.float32))
    _finish(split)


def _finish(writer: Any) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _by_hand(folder: Path) -> None:
    """Write files of libraries that are not at hand, in the form in which they write them."""
    pipeline = {
        "_class_name": "StableDiffusionPipeline", "_diffusers_version": "0.30.0", "feature_extractor": ["transformers", "CLIPImageProcessor"],
        "requires_safety_checker": True, "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"], "scheduler": ["diffusers", "PNDMScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"], "tokenizer": ["transformers", "CLIPTokenizer"], "image_encoder": [None, None],
        "unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"],
    }  # fmt: skip
    _write(folder / "pipeline" / "model_index.json", pipeline)
    _write(
        folder / "pipeline" / "unet" / "config.json",
        {
            "_class_name": "UNet2DConditionModel",
            "_diffusers_version": "0.30.0",
            "act_fn": "silu",
            "block_out_channels": [8],
        },
    )
    _write(
        folder / "pipeline" / "scheduler" / "scheduler_config.json",
        {"_class_name": "PNDMScheduler", "_diffusers_version": "0.30.0", "beta_start": 0.1},
    )
    _write(
        folder / "flux" / "model_index.json",
        {
            "_class_name": "FluxPipeline",
            "_diffusers_version": "0.31.0",
            "transformer": ["diffusers", "FluxTransformer2DModel"],
        },
    )
    _write(
        folder / "sentence-old" / "modules.json",
        [
            {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
            {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
            {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"},
        ],
    )
    _write(folder / "cross" / "config.json", {"architectures": ["BertForSequenceClassification"], "model_type": "bert",
           "sentence_transformers": {"activation_fn": "torch.nn.modules.linear.Identity", "version": "4.1.0"}})  # fmt: skip
    _write(
        folder / "dense" / "config.json",
        {"in_features": 8, "out_features": 4, "bias": True, "activation_function": "torch.nn.modules.activation.Tanh"},
    )
    _write(
        folder / "awq" / "config.json",
        {
            "architectures": ["LlamaForCausalLM"], "model_type": "llama", "_name_or_path": "example-org/base", "torch_dtype": "float16", "transformers_version": "4.40.0",
            "quantization_config": {"quant_method": "awq", "bits": 4, "group_size": 128, "zero_point": True, "version": "gemm", "modules_to_not_convert": None},
        },
    )  # fmt: skip
    _write(
        folder / "adapter-mapped" / "adapter_config.json",
        {
            "peft_type": "LORA", "base_model_name_or_path": "example-org/bert", "revision": "0123456789abcdef0123456789abcdef01234567", "task_type": None,
            "auto_mapping": {"base_model_class": "BertForMaskedLM", "parent_library": "transformers.models.bert.modeling_bert"}, "megatron_core": "megatron.core",
            "megatron_config": None, "target_modules": ["query", "value"], "inference_mode": True,
        },
    )  # fmt: skip
    _write(
        folder / "tokenizer-old" / "tokenizer_config.json",
        {
            "do_lower_case": True, "model_max_length": 1000000000000000019884624838656, "tokenizer_class": "BertTokenizer", "tokenizer_file": None, "clean_up_tokenization_spaces": True,
            "special_tokens_map_file": "/root/.cache/huggingface/transformers/abc.json", "name_or_path": "/root/.cache/torch/sentence_transformers/example/", "auto_map": {},
            "added_tokens_decoder": {"0": {"content": "[PAD]", "lstrip": False, "special": True}},
        },
    )  # fmt: skip
    _write(
        folder / "special" / "special_tokens_map.json",
        {"bos_token": {"content": "<s>", "lstrip": False}, "additional_special_tokens": ["<|im_start|>"]},
    )
    _write(
        folder / "app" / "config.json",
        {"port": 8080, "module": "app.main", "handlers": [{"class": "logging.StreamHandler"}], "type": "service"},
    )
    _write(folder / "app" / "modules.json", [{"name": "a", "path": "../shared"}])
    _write(
        folder / "openai" / "generation_config.json",
        {"_from_model_config": True, "eos_token_id": 2, "transformers_version": "4.44.0"},
    )
