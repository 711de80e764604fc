"""What cards tell and leave out, licences that restrict, base models without a commit, rows that a model keeps."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlguard.artifacts import Artifact
from mlguard.assess import assess
from mlguard.assess.cards import restriction
from mlguard.declarations import Declaration
from mlguard.errors import Unreadable
from mlguard.evidence import bills, cards
from mlguard.facts import BillOfMaterials, Fact, ModelCard, ModelFile
from mlguard.findings import Detection, Proof
from mlguard.tables import table

SECTIONS = tuple(table("model-cards")["sections"])
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def read(text: str, path: str = "m/MODEL_CARD.md") -> ModelCard:
    card = cards.read(text, path)
    assert card is not None
    return card


def told(
    facts: Sequence[Fact], declaration: dict[str, Any] | None = None, others: Sequence[str] = ()
) -> list[tuple[str, str, str]]:
    """Return (rule, check, path) of what the second stage says about these facts."""
    artifacts = [Artifact(fact.path, "safetensors", 1) for fact in facts if isinstance(fact, ModelFile)]
    artifacts += [Artifact(path, "text", 1) for path in others]
    body = Declaration("privacy.yaml", declaration) if declaration is not None else None
    return sorted(
        (record.rule, record.check, record.location.path)
        for record in assess(facts, body, artifacts)
        if isinstance(record, Detection)
    )


def model(path: str = "m/model.safetensors", **values: Any) -> ModelFile:
    return ModelFile(path, values.pop("format", "safetensors"), "clean", **values)


# --- Sections

LANGUAGES = {
    "en": ["Intended use", "Out-of-scope use", "Training data", "Evaluation", "Limitations", "Contact", "Version", "Human oversight", "License"],
    "de": ["Verwendungszweck", "Nicht vorgesehene Verwendung", "Trainingsdaten", "Auswertung", "Einschränkungen", "Ansprechpartner", "Version", "Menschliche Aufsicht", "Lizenz"],
    "fr": ["Utilisation prévue", "Utilisations interdites", "Données d'entraînement", "Évaluation", "Limites et biais", "Responsable", "Version", "Contrôle humain", "Licence"],
    "es": ["Uso previsto", "Usos no previstos", "Datos de entrenamiento", "Evaluación", "Limitaciones", "Contacto", "Versión", "Supervisión humana", "Licencia"],
    "it": ["Uso previsto", "Usi non previsti", "Dati di addestramento", "Valutazione", "Limitazioni", "Contatti", "Versione", "Supervisione umana", "Licenza"],
    "nl": ["Beoogd gebruik", "Buiten het bereik", "Trainingsgegevens", "Evaluatie", "Beperkingen", "Contact", "Versie", "Menselijk toezicht", "Licentie"],
    "pl": ["Przeznaczenie", "Niedozwolone użycie", "Dane treningowe", "Ewaluacja", "Ograniczenia", "Właściciel", "Wersja", "Nadzór człowieka", "Licencja"],
    "pt": ["Uso pretendido", "Fora do escopo", "Dados de treinamento", "Avaliação", "Limitações", "Contato", "Versão", "Supervisão humana", "Licença"],
}  # fmt: skip


@pytest.mark.parametrize("language", LANGUAGES)
def test_headings_of_each_language_are_known(language: str) -> None:
    text = "# X\n" + "".join(f"## {heading}\nSomething is said.\n\n" for heading in LANGUAGES[language])

    assert read(text).sections == SECTIONS


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("left_out", range(len(SECTIONS)))
def test_a_heading_that_is_left_out_is_missing(language: str, left_out: int) -> None:
    headings = [heading for number, heading in enumerate(LANGUAGES[language]) if number != left_out]
    text = "# X\n" + "".join(f"## {heading}\nSomething is said.\n\n" for heading in headings)

    assert read(text).missing == (SECTIONS[left_out],)


@pytest.mark.parametrize(
    "body", ["", "[More Information Needed]", "<!-- explain -->", "TODO", "TBD.", "- ", "*n/a*", "### Direct Use\n\n[More Information Needed]", "---"]
)  # fmt: skip
def test_heading_without_a_text_does_not_count(body: str) -> None:
    assert "purpose" in read(f"# X\n## Intended use\n{body}\n## Training data\nContracts.\n").missing


@pytest.mark.parametrize(
    ("line", "section"),
    [
        ("- **Owner**: team churn", "contact"), ("**Developed by:** Example SAS", "contact"), ("Licence: EUPL-1.2", "licence"),
        ("| Version | 1.2 |", "version"), ("* Maintainer: the team", "contact"), ("| **Training data** | Contracts | x |", "training-data"),
        ("Intended use\n============\nHelps.", "purpose"), ("Limits\n------\nMany.", "limits"), ("<h2 align='center'>Limitations</h2>\nMany.", "limits"),
        ("## 2.1 Training data ##\nContracts.", "training-data"), ("## 📊 Evaluation results\nGood.", "evaluation"),
        ("## Bias, Risks, and Limitations\nSome.", "limits"), ("## Uses & limits\nSome.", "purpose"), ("#### [Training Data](#data)\nSome.", "training-data"),
        ("# Model 2.1.0\nx", "version"), ("## Training\n```\ncode\n```", "training-data"),
    ],
)  # fmt: skip
def test_ways_to_tell_a_section(line: str, section: str) -> None:
    assert section in read(f"{line}\n").sections


@pytest.mark.parametrize(
    ("line", "section"),
    [
        ("- **Owner**: [More Information Needed]", "contact"), ("```\n## License\nMIT\n```", "licence"), ("## Personal data and privacy\nNone.", "training-data"),
        ("## Out-of-scope use\nCredit.", "purpose"), ("The version is old.", "version"), ("## How to use\nRun it.", "purpose"), ("## Update data base\nx", "training-data"),
    ],
)  # fmt: skip
def test_what_does_not_tell_a_section(line: str, section: str) -> None:
    assert section in read(f"{line}\n").missing


FRONT = """---
license: apache-2.0
license_name: none-of-them
base_model: [example/base, ./local, gpt2]
datasets: example/data
metrics: [f1]
pipeline_tag: text-classification
library_name: transformers
version: 1.10
---
# X
"""


def test_front_matter_is_read() -> None:
    card = read(FRONT, "README.md")

    assert card.bases == (("example/base", ""), ("gpt2", ""))
    assert card.datasets == ("example/data",)
    assert (card.task, card.library, card.licences) == (
        "text-classification",
        "transformers",
        ("apache-2.0", "none-of-them"),
    )
    assert set(card.sections) == {"training-data", "evaluation", "licence", "version"}


def test_card_shows_no_text_but_names() -> None:
    text = "---\nlicense: mira@kunde.example\ndatasets: ['+49 170 1234567', 'hf_abcdefghijABCDEFGHIJ0123456789abcd']\nbase_model: a b\npipeline_tag: \"x\\u202ey\"\n---\n"

    card = read(text)

    assert (card.licences, card.datasets, card.bases, card.task) == ((), (), (), "")


def test_card_as_yaml_or_json_is_read() -> None:
    body = {
        "model_details": {"owners": [{"name": "Team", "contact": "x"}], "license": "mit"},
        "considerations": {"limitations": ["Some."], "use_cases": ["Calls"]},
    }

    for path in ("model_card.json", "model-card.yaml"):
        assert set(read(json.dumps(body), path).sections) == {"purpose", "limits", "contact", "licence"}


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("# Tool\n## Installation\nx\n## License\nMIT\n## Contact\nx\n## Data\nx\n", "README.md"), ("---\nlicense: mit\nsdk: gradio\napp_file: app.py\n---\n# X", "README.md"),
        ("---\nlicense: mit\ntask_categories: [x]\nsize_categories: [n<1K]\n---\n# Data", "README.md"), ("---\ntitle: Site\n---\n", "README.md"),
        ("---\n: : :\n---\n# Broken", "README.md"), ("", "README.md"), ("{}", "cards/data.json"),
    ],
)  # fmt: skip
def test_readme_about_something_else_is_no_card(text: str, path: str) -> None:
    assert cards.read(text, path) is None


def test_readme_with_the_headings_of_a_card_is_one() -> None:
    text = "# Classifier\n## Intended uses\nx\n## Training data\nx\n## Evaluation\nx\n## Limitations\nx\n"

    assert read(text, "README.md").form == "markdown"


def test_front_matter_of_a_card_that_cannot_be_read_is_told() -> None:
    with pytest.raises(Unreadable):
        cards.read("---\na: [\n---\n", "MODEL_CARD.md")


def test_one_finding_lists_what_a_card_lacks() -> None:
    complete = ModelCard("m/README.md", "markdown", sections=SECTIONS)
    lacking = ModelCard("n/README.md", "markdown", missing=("purpose", "limits"))

    records = list(assess([complete, lacking], None, []))

    found = [record for record in records if isinstance(record, Detection)]
    assert [(record.rule, record.facts["missing"]) for record in found] == [
        ("model/incomplete-model-card", "purpose and limits and bias")
    ]
    assert Proof("model/incomplete-model-card", "m/README.md", "m/README.md") in records


def test_cards_of_tests_are_left_out() -> None:
    assert (
        told(
            [
                ModelCard(
                    "tests/fixtures/m/README.md", "markdown", ("cc-by-nc-4.0",), (("a/b", ""),), missing=("purpose",)
                )
            ]
        )
        == []
    )


def test_models_of_one_folder_without_a_card_are_told_once() -> None:
    facts = [model(f"m/{name}.safetensors") for name in "cab"] + [model("n/x.safetensors")]

    records = [record for record in assess(facts, None, []) if isinstance(record, Detection)]

    assert [(record.location.path, record.facts["more"]) for record in records] == [
        ("m/a.safetensors", " and 2 more of its folder"),
        ("n/x.safetensors", ""),
    ]


def test_parts_of_a_model_need_no_card() -> None:
    parts = [
        ("m/config.json", "transformers"),
        ("m/tokenizer.json", "tokenizer"),
        ("m/chat_template.jinja", "jinja"),
        ("m/MLmodel", "mlflow"),
        ("a.npy", "npy"),
    ]

    assert told([model(path, format=kind) for path, kind in parts]) == []
    assert [check for _, check, _ in told([model("m/model.json", format="xgboost")])] == ["no-card"]


# --- Licences


@pytest.mark.parametrize(
    ("licence", "kind"),
    [
        ("cc-by-nc-4.0", "non-commercial"), ("CC-BY-NC-SA-4.0", "non-commercial"), ("llama2", "size"), ("llama3", "size"), ("llama3.1", "size"), ("llama3.3", "size"),
        ("llama3.2", "region"), ("llama4", "region"), ("gemma", "use"), ("apple-amlr", "research"), ("openrail", "use"), ("bigscience-openrail-m", "use"),
        ("creativeml-openrail-m", "use"), ("openrail++", "use"), ("bigcode-openrail-m", "use"), ("bigscience-bloom-rail-1.0", "use"), ("intel-research", "research"),
        ("fair-noncommercial-research-license", "research"), ("flux-1-dev-non-commercial-license", "non-commercial"), ("deepfloyd-if-license", "research"),
        ("llama-3.2-community", "region"), ("tencent-hunyuan-community", "region"), ("research-only", "research"), ("academic-only-v1", "research"),
    ],
)  # fmt: skip
def test_licences_with_restrictions_are_known(licence: str, kind: str) -> None:
    found = restriction(licence)

    assert found is not None and found.kind == kind


@pytest.mark.parametrize(
    "licence",
    ["mit", "apache-2.0", "bsd-3-clause", "cc-by-4.0", "cc-by-sa-4.0", "cc0-1.0", "gpl-3.0", "eupl-1.2", "other", "unknown", "unlicense", "cdla-permissive-2.0", "openmdw-1.0", ""],
)  # fmt: skip
def test_licences_without_restrictions_are_quiet(licence: str) -> None:
    assert restriction(licence) is None


def test_every_licence_has_a_source_and_a_check() -> None:
    kinds = {"non-commercial", "research", "region", "size", "use"}

    assert all(
        entry["source"].startswith("http") and entry["restriction"] in kinds
        for entry in table("model-licences")["licences"]
    )


def test_restriction_names_the_declared_deployment() -> None:
    declaration = {
        "models": [{"id": "m", "location": ["m/"]}],
        "activities": [{"id": "serve", "phase": "deployment", "models": ["m"]}],
    }
    card = ModelCard("m/README.md", "markdown", ("cc-by-nc-4.0",), sections=SECTIONS)

    records = assess([card], Declaration("privacy.yaml", declaration), [])

    uses = [
        record.facts["use"]
        for record in records
        if isinstance(record, Detection) and record.rule == "model/license-restriction-violated"
    ]
    assert uses == ["The declaration deploys it in the activity serve"]


def test_licence_of_a_card_and_its_model_is_told_once() -> None:
    facts = [
        ModelCard("m/README.md", "markdown", ("gemma",), sections=SECTIONS),
        model("m/x.gguf", licences=("gemma",)),
    ]

    assert [rule for rule, _, _ in told(facts, others=["README.md"])] == ["model/license-restriction-violated"]


# --- Base models


def bases(*pairs: tuple[str, str], **more: Any) -> list[tuple[str, str, str]]:
    found = told([ModelCard("m/README.md", "markdown", bases=pairs, sections=SECTIONS)], **more)
    return [item for item in found if item[0] == "model/unrecorded-base-revision"]


@pytest.mark.parametrize("revision", ["", "main", "v1.0", COMMIT[:7], COMMIT.upper()])
def test_base_model_without_a_full_commit_is_told(revision: str) -> None:
    assert bases(("example/base", revision)) == [("model/unrecorded-base-revision", "card-base", "m/README.md")]


@pytest.mark.parametrize("name", ["gpt2", "models/base", "../base", "outputs/run-1", "/opt/base", "a/b/c", "m/base"])
def test_local_path_or_name_without_owner_is_not_told(name: str) -> None:
    assert bases((name, ""), others=["m/base/config.json", "m/m/base/x"]) == []


def test_pinned_base_model_is_quiet_wherever_it_is_pinned() -> None:
    declaration = {
        "models": [{"id": "m", "location": ["m/"], "base_model": {"ref": "hf:example/base", "revision": COMMIT}}]
    }

    assert bases(("example/base", COMMIT)) == []
    assert bases(("example/base", ""), declaration=declaration) == []
    assert read(f"---\nbase_model: example/base\n---\nTrained on commit {COMMIT}.\n").bases == (
        ("example/base", COMMIT),
    )
    assert read(f"---\nbase_model: example/base@{COMMIT}\n---\n").bases == (("example/base", COMMIT),)


def test_configuration_and_card_of_one_folder_are_told_once() -> None:
    facts = [
        model("m/adapter_config.json", format="peft", bases=(("example/base", ""),)),
        ModelCard("m/README.md", "markdown", bases=(("example/base", ""),), sections=SECTIONS),
    ]

    assert [item for item in told(facts) if item[0].endswith("base-revision")] == [
        ("model/unrecorded-base-revision", "config-base", "m/adapter_config.json")
    ]


# --- Rows of the training data

STORED = "model/stored-training-rows"


@pytest.mark.parametrize(
    ("entry", "data_class", "expected"),
    [
        ({"trained_on": ["d"]}, "personal", 1), ({"trained_on": ["d"]}, "pseudonymous", 1), ({"trained_on": ["d"]}, "public", 0), ({"trained_on": []}, "personal", 0),
        ({"personal_data": "may_contain"}, "public", 1), ({"personal_data": "none", "trained_on": ["d"]}, "internal", 0),
    ],
)  # fmt: skip
def test_rows_are_told_when_the_declaration_says_that_they_are_personal(
    entry: dict[str, Any], data_class: str, expected: int
) -> None:
    declaration = {
        "models": [{"id": "m", "location": ["m/*"], **entry}],
        "datasets": [{"id": "d", "location": ["d"], "class": data_class}],
    }
    kept = model("m/knn.skops", format="skops", stored=("KNeighborsClassifier._fit_X",))

    assert [rule for rule, _, _ in told([kept], declaration)].count(STORED) == expected
    assert STORED not in [rule for rule, _, _ in told([kept])]
    assert STORED not in [rule for rule, _, _ in told([model("m/x.skops")], declaration)]


# --- Bills of materials

BILL = "model/missing-bill-of-materials"
DECLARED = {"models": [{"id": "m", "location": ["m/*"]}]}


@pytest.mark.parametrize(
    ("facts", "others", "expected"),
    [
        ([], [], [(BILL, "no-bill", "privacy.yaml")]), ([BillOfMaterials("bom.json", "CycloneDX", 0)], [], [(BILL, "no-models", "privacy.yaml")]),
        ([BillOfMaterials("bom.json", "CycloneDX", 1)], [], []), ([], ["dist/sbom.xml"], []), ([], ["release.spdx"], []),
    ],
)  # fmt: skip
def test_bill_is_asked_for_where_models_are_declared(facts: list[Fact], others: list[str], expected: list[Any]) -> None:
    assert [item for item in told([model(), *facts], DECLARED, others) if item[0] == BILL] == expected
    assert [item for item in told([model(), *facts], None, others) if item[0] == BILL] == []
    assert [item for item in told(facts, DECLARED, others) if item[0] == BILL] == []


def test_bills_are_recognised_by_what_they_hold() -> None:
    component = {
        "type": "machine-learning-model", "name": "m", "version": "1", "licenses": [{"license": {"id": "MIT"}}], "pedigree": {"ancestors": [{"name": "a/b", "version": COMMIT}]},
        "modelCard": {"modelParameters": {"datasets": [{"ref": "x"}]}, "considerations": {"useCases": ["Calls"], "technicalLimitations": ["Some"]}},
    }  # fmt: skip
    cyclone = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "components": [{"type": "library", "components": [component]}],
    }

    found = list(bills.read(json.dumps(cyclone).encode(), "bom.json"))

    assert found[0] == BillOfMaterials("bom.json", "CycloneDX", 1)
    assert isinstance(found[1], ModelCard)
    assert found[1].sections == ("purpose", "training-data", "limits", "version", "licence")
    assert found[1].bases == (("a/b", COMMIT),)
    spdx = {"spdxVersion": "SPDX-2.3", "packages": [{"name": "x"}]}
    assert list(bills.read(json.dumps(spdx).encode(), "a.spdx.json")) == [BillOfMaterials("a.spdx.json", "SPDX", 0)]
    graph = {
        "@context": "https://spdx.org/rdf/3.0.1/spdx-context.jsonld",
        "@graph": [{"type": "ai_AIPackage"}, {"type": "software_File"}],
    }
    assert list(bills.read(json.dumps(graph).encode(), "a.spdx.json")) == [BillOfMaterials("a.spdx.json", "SPDX", 1)]
    assert list(bills.read(b"[1]", "bom.json")) == list(bills.read(b"{", "bom.json")) == []


# --- Any input


@given(st.text(max_size=300), st.sampled_from(["README.md", "MODEL_CARD.md", "model_card.json", "model-card.yaml"]))
@settings(max_examples=300, deadline=None)
def test_any_text_is_read_as_a_card_or_refused(text: str, path: str) -> None:
    try:
        card = cards.read(text, path)
    except Unreadable:
        return
    assert card is None or set(card.sections) | set(card.missing) == set(SECTIONS)


LINES = st.sampled_from(
    [
        "---",
        "# Intended use",
        "===",
        "| a | b |",
        "```",
        "license: mit",
        "- **Owner**: x",
        "<!--",
        "-->",
        "<h2>Data</h2>",
        "",
        "text",
        "~~~",
        "base_model: a/b",
    ]
)


@given(st.lists(LINES, max_size=25))
@settings(max_examples=200, deadline=None)
def test_any_lines_of_a_card_are_read(lines: list[str]) -> None:
    test_any_text_is_read_as_a_card_or_refused.hypothesis.inner_test("\n".join(lines), "MODEL_CARD.md")  # type: ignore[attr-defined]


JSON = st.recursive(
    st.none() | st.text(max_size=8) | st.integers() | st.sampled_from(["CycloneDX", "machine-learning-model"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["components", "type", "modelCard", "licenses", "license", "id", "pedigree", "ancestors", "name", "version", "properties", "metadata", "component", "considerations", "@graph"]), inner, max_size=4),
    max_leaves=15,
)  # fmt: skip


@given(
    st.dictionaries(st.sampled_from(["components", "metadata", "packages", "@graph"]), JSON),
    st.sampled_from(["bomFormat", "spdxVersion", "@context"]),
)
@settings(max_examples=200, deadline=None)
def test_any_json_is_read_as_a_bill(body: dict[str, Any], kind: str) -> None:
    value = {"bomFormat": "CycloneDX", "spdxVersion": "SPDX-2.3", "@context": "https://spdx.org/rdf/3"}[kind]

    assert isinstance(next(bills.read(json.dumps({**body, kind: value}).encode(), "bom.json")), BillOfMaterials)


def test_large_card_is_read_in_time(tmp_path: Path) -> None:
    for text in (
        "<!--" * 200_000,
        "# a\n" * 60_000,
        "| a | " * 100_000,
        "[" * 500_000,
        "**a" * 300_000,
        "a: b\n" * 100_000,
    ):
        read(text)
