"""Whole charts, rendered by us and by the real helm."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from mlguard.artifacts import Artifact
from mlguard.scanners import Context
from mlguard.scanners.infra import helm
from mlguard.scanners.infra.rendered import Rendered, is_test
from mlguard.scanners.infra.resources import Open
from mlguard.scanners.infra.yamltree import parse
from tests.infra import oracles
from tests.infra.charts import CHARTS, pack, write


def rendered(root: Path) -> list[Rendered]:
    paths = sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
    return list(helm.read([Artifact(path, "yaml", 0) for path in paths], Context(root)))


def by_template(trees: Iterable[tuple[str, Any]], chart: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for path, tree in trees:
        found[path.removeprefix(f"{chart}/")].append(json.dumps(tree.value, sort_keys=True))
    return {path: sorted(documents) for path, documents in found.items()}


def by_helm(folder: Path, *values: str) -> dict[str, list[str]]:
    files = [word for name in values for word in ("--values", str(folder / name))]
    output = oracles.run("helm", "template", "release-name", str(folder), "--namespace", "default", *files)
    found: dict[str, list[str]] = defaultdict(list)
    for block in re.split(r"(?m)^---\n(?=# Source: )", output):
        match = re.match(r"# Source: [^/]+/(.*)\n", block)
        for tree in parse(block[match.end() :]).trees if match and block[match.end() :].strip() else ():
            if match and tree.children:
                found[match[1]].append(json.dumps(tree.value, sort_keys=True))
    return {path: sorted(documents) for path, documents in found.items()}


def everything(documents: dict[str, list[str]]) -> list[str]:
    return sorted(text for texts in documents.values() for text in texts)


def named_as_aliases(documents: dict[str, list[str]]) -> dict[str, list[str]]:
    """Return documents by template, whatever alias the chart of the template goes by."""
    found: dict[str, list[str]] = defaultdict(list)
    for path, texts in documents.items():
        found[re.sub(r"charts/(?:primary|replica|store)/", "charts/store/", path)] += texts
    return {path: sorted(texts) for path, texts in found.items()}


@pytest.mark.parametrize("name", sorted(CHARTS))
def test_a_chart_makes_the_documents_that_helm_makes(name: str, tmp_path: Path) -> None:
    write(tmp_path, name)

    (ours,) = rendered(tmp_path)

    assert ours.gaps == ()
    assert named_as_aliases(by_template(ours.documents, name)) == named_as_aliases(by_helm(tmp_path / name))


def test_documents_come_in_the_order_of_their_templates(tmp_path: Path) -> None:
    write(tmp_path, "web")

    (ours,) = rendered(tmp_path)

    templates = [path for path, _ in ours.documents]
    assert templates == [
        f"web/templates/{name}.yaml" for name in ("deployment", "ingress", "service", "serviceaccount")
    ]


def test_a_dependency_in_an_archive_is_part_of_its_chart(tmp_path: Path) -> None:
    chart = write(tmp_path, "aliases")
    pack(chart / "charts/store", chart / "charts/store-0.1.0.tgz")
    for path in sorted((chart / "charts/store").rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    (chart / "charts/store").rmdir()

    (ours,) = rendered(tmp_path)

    assert ours.gaps == ()
    assert {path for path, _ in ours.documents} == {"aliases/charts/store-0.1.0.tgz"}
    assert everything(by_template(ours.documents, "aliases")) == everything(by_helm(chart))


def test_a_library_is_not_rendered_by_itself(tmp_path: Path) -> None:
    (tmp_path / "templates").mkdir()
    (tmp_path / "Chart.yaml").write_text("apiVersion: v2\nname: lib\nversion: 1.0.0\ntype: library\n")
    (tmp_path / "templates/_x.yaml").write_text('{{ define "x" }}a: {{ .Values.a.b.c }}{{ end }}')

    (ours,) = rendered(tmp_path)

    assert (ours.documents, ours.gaps) == ((), ())
    assert ours.consumed == {"Chart.yaml", "templates/_x.yaml"}


def chart_at(root: Path, **files: str) -> None:
    for path, text in {"Chart.yaml": "apiVersion: v2\nname: c\nversion: 1.0.0\n", **files}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata:\n"


def test_a_dependency_that_is_not_there_is_named_and_the_rest_is_rendered(tmp_path: Path) -> None:
    chart_at(
        tmp_path,
        **{
            "Chart.yaml": "apiVersion: v2\nname: c\nversion: 1.0.0\ndependencies:\n- {name: common, version: 2.x.x, repository: 'oci://r/x'}\n"
            "- {name: other, version: 1.x.x, repository: 'https://r', condition: other.enabled}\n",
            "values.yaml": "other: {enabled: false}\n",
            "templates/all.yaml": MAP.replace("{name: x}", '{name: {{ include "common.name" . }}}')
            + '  a: "{{ .Release.Name }}"\n  labels:\n    {{- include "common.labels" . | nindent 4 }}\n    own: x\n',
        },
    )

    (ours,) = rendered(tmp_path)

    assert [gap.reason for gap in ours.gaps] == [
        "dependency common is not in charts/",
        "line 3: includes a template of common (and once more)",
    ]
    ((_, tree),) = ours.documents
    assert tree.get("data", "a").value == "release-name"  # type: ignore[union-attr]  # it is there
    assert "\ue000" in tree.get("metadata", "name").value  # type: ignore[union-attr]  # as above
    labels = tree.value["data"]["labels"]
    assert isinstance(labels, Open) and labels == {"own": "x"}


def test_a_dependency_elsewhere_in_the_tree_is_used_where_it_stands(tmp_path: Path) -> None:
    chart_at(
        tmp_path / "app",
        **{
            "Chart.yaml": "apiVersion: v2\nname: app\nversion: 1.0.0\ndependencies:\n- {name: c, version: 1.x.x, repository: 'file://../lib'}\n",
            "templates/all.yaml": MAP + '  a: {{ include "lib.word" . }}\n',
        },
    )
    chart_at(tmp_path / "lib", **{"templates/_x.tpl": '{{ define "lib.word" }}word{{ end }}'})

    app = next(one for one in rendered(tmp_path) if one.root == "app")

    assert app.gaps == ()
    assert app.documents[0][1].value["data"] == {"a": "word"}


def test_files_of_values_beside_a_chart_are_variants(tmp_path: Path) -> None:
    chart_at(
        tmp_path,
        **{
            "values.yaml": "a: 1\nm: {x: 1, z: 1}\n",
            "values-prod.yaml": "a: 2\nm: {x: null}\n",
            "ci/gpu-values.yaml": "a: 3\n",
            "values.same.yaml": "a: 1\n",
            "templates/all.yaml": MAP + "  a: {{ .Values.a | quote }}\n  m: {{ toJson .Values.m | quote }}\n",
        },
    )

    found = {one.values: one.documents[0][1].value["data"] for one in rendered(tmp_path)}

    assert found == {
        "": {"a": "1", "m": '{"x":1,"z":1}'},
        "ci/gpu-values.yaml": {"a": "3", "m": '{"x":1,"z":1}'},
        "values-prod.yaml": {"a": "2", "m": '{"z":1}'},
    }
    assert all({"values.yaml", "values-prod.yaml", "ci/gpu-values.yaml"} <= one.consumed for one in rendered(tmp_path))


def test_a_variant_makes_the_documents_that_helm_makes_with_its_values(tmp_path: Path) -> None:
    chart = write(tmp_path, "conditions")
    (chart / "values-all.yaml").write_text(
        "one: {enabled: true, color: null}\ntags: {extra: true}\nglobal: {own: v, m: {a: 1}}\n"
    )

    ours = {one.values: one for one in rendered(tmp_path)}

    wanted = {"": (), "conditions/values-all.yaml": ("values-all.yaml",)}
    assert ours.keys() == wanted.keys()
    for name, values in wanted.items():
        assert ours[name].gaps == ()
        assert by_template(ours[name].documents, "conditions") == by_helm(chart, *values)


def test_the_test_of_a_chart_is_told_from_its_resources(tmp_path: Path) -> None:
    write(tmp_path, "web-named")

    (ours,) = rendered(tmp_path)

    assert [path for path, tree in ours.documents if is_test(tree)] == [
        "web-named/templates/tests/test-connection.yaml"
    ]


def test_a_template_that_fails_leaves_the_others_alone_and_is_named_with_its_line(tmp_path: Path) -> None:
    chart_at(
        tmp_path,
        **{
            "templates/bad.yaml": MAP + "{{- range .Values.x.y.z }}\n  a: b\n{{- end }}\n",
            "templates/broken.yaml": MAP + "  a: {{ if }}\n",
            "templates/good.yaml": MAP + "  a: b\n",
            "templates/noyaml.yaml": MAP + "  a: b: {{ .Release.Name }}\n",
            "templates/refused.yaml": MAP + '{{- fail "no" }}\n  a: b\n',
        },
    )

    (ours,) = rendered(tmp_path)

    assert [path for path, _ in ours.documents] == ["templates/good.yaml", "templates/refused.yaml"]
    assert [(gap.path, gap.reason) for gap in ours.gaps] == [
        ("templates/broken.yaml", "line 5: a template that cannot be parsed: a command without a value"),
        ("templates/bad.yaml", "line 5: asks nothing for a field: a value that the chart needs is not set"),
        ("templates/refused.yaml", "line 5: refuses these values (fail)"),
        ("templates/noyaml.yaml", "line 5: what the template makes is not valid YAML"),
    ]


def test_what_is_required_and_not_set_is_unknown_and_named(tmp_path: Path) -> None:
    chart_at(
        tmp_path, **{"templates/all.yaml": MAP + '  a: {{ required "secret words" .Values.key | b64enc }}\n  b: c\n'}
    )

    (ours,) = rendered(tmp_path)

    assert [gap.reason for gap in ours.gaps] == ["line 5: needs a value that is not set"]
    assert ours.documents[0][1].value["data"] == {"a": "\ue000a required value\ue001", "b": "c"}


def test_what_only_a_run_would_tell_is_unknown(tmp_path: Path) -> None:
    body = (
        MAP
        + '  a: {{ randAlphaNum 12 | b64enc | quote }}\n  b: {{ now | date "2006" }}\n  c: {{ (genCA "x" 365).Cert | b64enc }}\n'
    )
    chart_at(
        tmp_path,
        **{"templates/all.yaml": body + '  d: x-{{ uuidv4 | lower }}\n  e: {{ (split ":" (htpasswd "u" "p"))._1 }}\n'},
    )

    (ours,) = rendered(tmp_path)

    assert ours.gaps == ()
    assert all("\ue000" in value for value in ours.documents[0][1].value["data"].values())


def test_a_link_out_of_the_tree_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "outside.yaml").write_text(MAP + "  a: outside\n")
    root = tmp_path / "root"
    chart_at(
        root, **{"templates/all.yaml": MAP + '  a: "{{ .Files.Get "out.yaml" }}{{ .Files.Get "../outside.yaml" }}"\n'}
    )
    (root / "out.yaml").symlink_to(tmp_path / "outside.yaml")
    (root / "templates/out.yaml").symlink_to(tmp_path / "outside.yaml")

    (ours,) = rendered(root)

    assert [tree.value["data"] for _, tree in ours.documents] == [{"a": ""}]


def test_definitions_of_types_and_other_files_are_no_part_of_what_is_consumed(tmp_path: Path) -> None:
    write(tmp_path, "with-crds")
    (tmp_path / "with-crds/extra.yaml").write_text(MAP)

    (ours,) = rendered(tmp_path)

    assert ours.consumed == {f"with-crds/{name}" for name in ("Chart.yaml", "values.yaml", "templates/all.yaml")}


def test_a_template_alone_is_rendered_with_the_chart_around_it(tmp_path: Path) -> None:
    write(tmp_path, "conditions")

    found = list(helm.read([Artifact("conditions/charts/two/templates/all.yaml", "kubernetes", 0)], Context(tmp_path)))

    assert [one.root for one in found] == ["conditions"]
    assert found[0].consumed == {"conditions/charts/two/templates/all.yaml"}
    assert "conditions/charts/two/templates/all.yaml" in {path for path, _ in found[0].documents}


def test_the_same_chart_gives_the_same_result_in_any_order(tmp_path: Path) -> None:
    write(tmp_path, "web")
    write(tmp_path, "aliases")
    paths = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file())

    first = list(helm.read([Artifact(path, "yaml", 0) for path in paths], Context(tmp_path)))
    second = list(helm.read([Artifact(path, "yaml", 0) for path in reversed(paths)], Context(tmp_path)))

    assert [(one.root, one.documents, one.gaps) for one in first] == [
        (one.root, one.documents, one.gaps) for one in second
    ]


def test_a_chart_whose_description_lies_outside_of_the_tree_is_a_gap(tmp_path: Path) -> None:
    (tmp_path / "outside.yaml").write_text("apiVersion: v2\nname: c\nversion: 1.0.0\n")
    root = tmp_path / "root"
    chart_at(root, **{"templates/all.yaml": MAP + "  a: b\n"})
    (root / "Chart.yaml").unlink()
    (root / "Chart.yaml").symlink_to(tmp_path / "outside.yaml")

    (ours,) = rendered(root)

    assert ours.documents == ()
    assert [gap.path for gap in ours.gaps] == ["Chart.yaml"]
