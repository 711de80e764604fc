"""What the privacy declaration answers of findings on code about people, and what it demands of the code."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlguard.facts import Symbol
from tests.scanning import found, scan

DECLARATION = """version: 0
organisation:
  controller: {{name: Example Retail SAS, email: privacy@retail.example}}
teams:
  ml: {{contact: ml@retail.example, function: data-science}}
purposes:
  churn: {{description: Predict contract cancellation for better offers, data_use: marketing.communications}}
datasets:
  - id: customers
    location: [data/customers.csv]
    owner: ml
    class: {kind}
    data_subjects: [customer]
    purposes: [churn]
    source: {{{source}}}
    fields:
      one: {{categories: [{category}], role: feature}}
    retention: {{period: P2Y, action: delete}}
recipients:
  - {{id: {recipient}, name: {name}, role: processor, countries: [US], dpa_ref: "contracts:DPA-1"{more}}}
activities:
  - id: training
    name: Train the churn model
    owner: ml
    role: controller
    phase: development
    purposes: [churn]
    datasets: [customers]
    recipients: [{recipient}]
    {condition}
    legal_basis: {{article: "6(1)(f)", lia_ref: docs/lia.md}}
{rights}access: {{classes: {{}}, rules: []}}
"""


def declaration(**given: str) -> str:
    defaults = {
        "kind": "personal", "source": "kind: collected", "category": "user.contact.email", "recipient": "post-office", "name": "Post office", "more": "",
        "condition": "notice: {ref: docs/notice.md, version: '1', articles: ['13']}", "rights": "",
    }  # fmt: skip
    return DECLARATION.format(**{**defaults, **given})


def findings(root: Path, code: str, rule: str, text: str, path: str = "app/job.py") -> list[int]:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(code)
    (root / "privacy.yaml").write_text(text)
    return [line for _, line, _ in found(scan(root, scanners=("code",)), rule)]


OPENAI = "from openai import OpenAI\n\n\ndef letter(user):\n    return OpenAI().responses.create(model='m', input=user.email)\n"
HOST = "import requests\n\n\ndef sync(user):\n    requests.post('https://api.crm-vendor.io/v1', json={'mail': user.email}, timeout=5)\n"
LITELLM = "import litellm\n\n\ndef ask(user):\n    return litellm.completion(model='m', max_tokens=3, messages=[{'role': 'user', 'content': user.email}])\n"


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (OPENAI, {"recipient": "llm", "name": "OpenAI Ireland Ltd"}),
        (OPENAI, {"recipient": "llm", "name": "A vendor", "more": ", packages: [openai]"}),
        (OPENAI, {"recipient": "llm", "name": "A vendor", "more": ", hosts: [api.openai.com]"}),
        (HOST, {"recipient": "crm", "name": "A vendor", "more": ", hosts: ['*.crm-vendor.io']"}),
        (LITELLM, {"recipient": "llm", "name": "A gateway", "more": ", packages: [litellm]"}),
    ],
)
def test_a_declared_recipient_answers_the_finding(tmp_path: Path, code: str, told: dict[str, str]) -> None:
    rule = "code/undeclared-personal-data-recipient"

    assert findings(tmp_path, code, rule, declaration()) == [5]
    assert findings(tmp_path, code, rule, declaration(**told)) == []


def test_a_recipient_of_another_name_or_host_answers_nothing(tmp_path: Path) -> None:
    rule = "code/undeclared-personal-data-recipient"

    assert findings(tmp_path, OPENAI, rule, declaration(recipient="llm", name="Anthropic")) == [5]
    assert findings(tmp_path, HOST, rule, declaration(recipient="x", name="X", more=", hosts: [vendor.io]")) == [5]


CONDITION = 'special_category: {condition: "9(2)(a)", safeguards: [docs/safeguards.md]}'


@pytest.mark.parametrize(
    ("rule", "code", "category", "other"),
    [
        ("code/undeclared-biometric-use", "from deepface import DeepFace\n", "user.biometric", "user.contact.email"),
        ("code/sensitive-attribute-as-feature", "model.fit(df[['age', 'diagnosis']], y)\n", "user.health_and_medical", "user.biometric"),
        ("code/sensitive-attribute-as-feature", "model.fit(df[['age', 'religion']], y)\n", "user.demographic.religious_belief", "user.health_and_medical"),
    ],
)  # fmt: skip
def test_a_category_with_its_condition_answers_and_neither_alone_does(
    tmp_path: Path, rule: str, code: str, category: str, other: str
) -> None:
    assert findings(tmp_path, code, rule, declaration(kind="special", category=category, condition=CONDITION)) == []
    assert findings(tmp_path, code, rule, declaration(category=category)) == [1]
    assert findings(tmp_path, code, rule, declaration(kind="special", category=other, condition=CONDITION)) == [1]


def test_two_categories_need_two_answers(tmp_path: Path) -> None:
    code = "model.fit(df[['age', 'diagnosis', 'religion']], y)\n"
    told = declaration(kind="special", category="user.health_and_medical", condition=CONDITION)

    assert findings(tmp_path, code, "code/sensitive-attribute-as-feature", told) == [1]


def test_a_source_that_is_declared_answers_its_collection_only(tmp_path: Path) -> None:
    rule = "code/undeclared-data-collection"
    told = declaration(source='kind: scraped, ref: "https://www.instagram.com/example"')

    assert findings(tmp_path, "import instaloader\n", rule, told) == []
    assert findings(tmp_path, "import tweepy\n", rule, told) == [1]
    assert findings(tmp_path, "import instaloader\n", rule, declaration()) == [1]


RIGHTS = 'rights:\n  erasure: {{procedure_ref: docs/erasure.md, owner: ml, within: P1M, entry_point: "{}"}}\n'


@pytest.mark.parametrize(
    ("entry", "path", "code", "lines"),
    [
        ("app.dsr:erase", "app/dsr.py", "def erase(key):\n    pass\n", 0),
        ("app.dsr:erase", "src/app/dsr/__init__.py", "async def erase(key):\n    pass\n", 0),
        ("app.dsr:Desk.erase", "app/dsr.py", "class Desk:\n    def erase(self, key):\n        pass\n", 0),
        ("app.dsr:erase", "other/dsr.py", "def erase(key):\n    pass\n", 1),
        ("app.dsr:Desk.erase", "app/dsr.py", "def erase(key):\n    pass\n", 1),
        ("app.dsr:erase", "app/dsr.py", "erased = 1\n", 1),
    ],
)
def test_an_entry_point_must_be_where_it_is_declared(
    tmp_path: Path, entry: str, path: str, code: str, lines: int
) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests/test_it.py").write_text("def test_it(desk):\n    assert desk.erase('k') is None\n")

    seen = findings(tmp_path, code, "code/missing-rights-handler", declaration(rights=RIGHTS.format(entry)), path)

    assert len(seen) == lines


def test_nothing_is_said_of_functions_without_a_declaration(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("def erase(key):\n    model.fit(key)\n")

    report = scan(tmp_path, scanners=("code",))

    assert not [fact for fact in report.facts if isinstance(fact, Symbol)]
    assert found(report, "code/missing-rights-handler") == []
