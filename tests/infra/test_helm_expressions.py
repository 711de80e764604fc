"""Template expressions, against what helm 4.1.4 makes of them."""

from __future__ import annotations

import base64
import json
from pathlib import Path

from mlguard.scanners.infra.yamltree import parse
from tests.infra import oracles
from tests.infra.test_helm_charts import chart_at, rendered

TABLE: list[list[str]] = json.loads((Path(__file__).parent / "helm_expressions.json").read_text())
VALUES = """num: 1000000
flt: 2.5
big: 123456789012
str: text
nul:
bool: true
tplstr: '{{ .Release.Name }}:{{ include "helper" . }}'
nested: {list: [1, two, 3.0], deep: {y: 1}}
list: [b, a, c, a]
"""


def chart(root: Path) -> None:
    """Write one chart whose only document holds the results of all expressions, each in base64."""
    defined = "\n".join(
        f'{{{{ define "e{index}" }}}}{action(one)}{{{{ end }}}}' for index, (one, _) in enumerate(TABLE)
    )
    shown = "".join(f'\ne{index}: {{{{ include "e{index}" . | b64enc | quote }}}}' for index in range(len(TABLE)))
    files = {"file.txt": "l1\nl2\n", "conf/a.env": "A=1\n", "conf/b.env": "B", "values.yaml": VALUES}
    helper = '{{ define "helper" }}H-{{ .Release.Name }}{{ end }}\n'
    head = 'apiVersion: v2\nname: x\nversion: 1.2.3\nappVersion: "4.5"\n'
    chart_at(root, **{"Chart.yaml": head, "templates/_h.tpl": helper, "templates/t.yaml": defined + shown, **files})


def action(one: str) -> str:
    return f"{{{{{one}}}}}" if one.startswith(("-", "/*")) else f"{{{{ {one} }}}}"


def differing(document: dict[str, str]) -> list[tuple[str, str, str]]:
    found = []
    for index, (expression, wanted) in enumerate(TABLE):
        result = base64.b64decode(document[f"e{index}"]).decode("utf-8", "replace")
        if result != wanted:
            found.append((expression, wanted, result))
    return found


def test_expressions_come_to_what_they_come_to_with_helm(tmp_path: Path) -> None:
    chart(tmp_path)

    (ours,) = rendered(tmp_path)

    assert len(TABLE) > 700
    assert ours.gaps == ()
    assert differing(ours.documents[0][1].value) == []


def test_the_table_is_what_helm_itself_says(tmp_path: Path) -> None:
    chart(tmp_path)

    output = oracles.run("helm", "template", "release-name", str(tmp_path), "--namespace", "default")

    assert differing(parse(output).trees[0].value) == []
