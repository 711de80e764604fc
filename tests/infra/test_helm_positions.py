"""Every part of a rendered document stands where its template wrote it."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlguard.scanners.infra.rendered import Rendered
from mlguard.scanners.infra.yamltree import Tree
from tests.infra.charts import CHARTS, write
from tests.infra.test_helm_charts import MAP, chart_at, rendered
from tests.scanning import scan


def nodes(tree: Tree, key: str = "") -> Iterator[tuple[str, Tree]]:
    yield key, tree
    for step, child in tree.items():
        yield from nodes(child, step if isinstance(step, str) else "")


def written_at(root: Path, tree: Tree) -> str:
    """Return the rest of the template's line at which a node stands."""
    lines = (root / tree.at.path).read_bytes().decode().split("\n")
    return lines[tree.at.line - 1][tree.at.column - 1 :]


def stands(rest: str, key: str, tree: Tree) -> bool:
    """Say whether that is the node's key, the item itself, or the action that made either."""
    if rest.lstrip("\"'").startswith("{{"):
        return True
    if key:
        return rest.lstrip("\"'- ").startswith(key[:1]) or rest.startswith("? ")
    text = str(tree.value).lower() if isinstance(tree.value, bool) else str(tree.value)
    return rest[:1] in "[{-&|>" or rest.lstrip("\"'")[:1] == text[:1] or bool(tree.children) or tree.value is None


@pytest.mark.parametrize("name", sorted(CHARTS))
def test_each_key_and_item_stands_where_its_template_has_it(name: str, tmp_path: Path) -> None:
    write(tmp_path, name)

    (ours,) = rendered(tmp_path)

    for path, document in ours.documents:
        for key, node in nodes(document):
            assert stands(written_at(tmp_path, node), key, node), (path, key, node.at)


def places(root: Path, *path: str | int) -> tuple[str, int, int]:
    (ours,) = rendered(root)
    node = ours.documents[0][1].get(*path)
    assert node is not None
    return node.at.path.removeprefix("templates/"), node.at.line, node.at.column


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_lines_are_those_of_the_template(end: str, tmp_path: Path) -> None:
    body = """{{- /* a comment
   of two lines */ -}}
{{- if .Values.live }}
apiVersion: v1
kind: Pod
metadata:
  labels: {{- include "c.labels" . | nindent 4 }}
  name: {{ include "c.name" . }}
spec:
  securityContext:
    {{- toYaml .Values.context | nindent 4 }}
  {{- range $i := until 2 }}
  k{{ $i }}:
    deep: {{ $i }}
  {{- end }}
  containers:
  {{- range .Values.names }}
  - name: {{ . }}
    image: "x:{{
      . | upper
    }}"
    ports: []
  {{- end }}
  tail: end
{{- end }}
"""
    helpers = """{{- define "c.name" -}}
{{- printf "n" -}}
{{- end -}}
{{- define "c.labels" -}}
app: c
{{ include "c.more" . }}
last: x
{{- end -}}
{{- define "c.more" -}}
more: a
most: b
{{- end -}}
"""
    files = {"values.yaml": "live: true\ncontext: {a: 1, privileged: true}\nnames: [p, q]\n"}
    chart_at(tmp_path, **files)
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates/pod.yaml").write_bytes(body.replace("\n", end).encode())
    (tmp_path / "templates/_h.tpl").write_bytes(helpers.replace("\n", end).encode())

    found = {
        ".".join(map(str, path)): places(tmp_path, *path)
        for path in (
            ("apiVersion",), ("metadata", "labels"), ("metadata", "labels", "app"), ("metadata", "labels", "more"),
            ("metadata", "labels", "most"), ("metadata", "labels", "last"), ("metadata", "name"), ("spec", "securityContext"),
            ("spec", "securityContext", "privileged"), ("spec", "k0", "deep"), ("spec", "k1", "deep"),
            ("spec", "containers", 0), ("spec", "containers", 1, "name"), ("spec", "containers", 1, "image"),
            ("spec", "containers", 1, "ports"), ("spec", "tail"),
        )
    }  # fmt: skip

    assert found == {
        "apiVersion": ("pod.yaml", 4, 1),
        "metadata.labels": ("pod.yaml", 7, 3),
        "metadata.labels.app": ("_h.tpl", 5, 1),
        "metadata.labels.more": ("_h.tpl", 10, 1),
        "metadata.labels.most": ("_h.tpl", 11, 1),
        "metadata.labels.last": ("_h.tpl", 7, 1),
        "metadata.name": ("pod.yaml", 8, 3),
        "spec.securityContext": ("pod.yaml", 10, 3),
        "spec.securityContext.privileged": ("pod.yaml", 11, 5),
        "spec.k0.deep": ("pod.yaml", 14, 5),
        "spec.k1.deep": ("pod.yaml", 14, 5),
        "spec.containers.0": ("pod.yaml", 18, 5),
        "spec.containers.1.name": ("pod.yaml", 18, 5),
        "spec.containers.1.image": ("pod.yaml", 19, 5),
        "spec.containers.1.ports": ("pod.yaml", 22, 5),
        "spec.tail": ("pod.yaml", 24, 3),
    }


def test_what_a_library_merges_stands_at_the_call_that_writes_it_out(tmp_path: Path) -> None:
    write(tmp_path, "library")

    (ours,) = rendered(tmp_path)

    node = ours.documents[0][1].get("spec", "template", "spec", "containers", 0, "securityContext", "privileged")
    assert node is not None
    assert (node.at.path, node.at.line) == ("library/charts/shapes/templates/_merge.tpl", 5)


def test_the_end_of_a_value_is_told_where_it_is_in_the_same_text(tmp_path: Path) -> None:
    chart_at(tmp_path, **{"templates/all.yaml": MAP + "  a: one two\n  b: {{ .Release.Name }}\n"})

    (ours,) = rendered(tmp_path)

    tree = ours.documents[0][1]
    a, b = tree.get("data", "a"), tree.get("data", "b")
    assert a is not None and b is not None
    assert (a.at.line, a.at.column, a.at.end_line, a.at.end_column) == (5, 3, 5, 13)
    assert (b.at.line, b.at.column, b.at.end_line) == (6, 3, 0)


LINES = st.lists(
    st.sampled_from(
        [
            "k{i}: v",
            "k{i}: {{{{ .Release.Name }}}}",
            "k{i}: {{{{- \" x\" }}}}",
            "{{{{- if true }}}}\nk{i}: v\n{{{{- end }}}}",
            "{{{{ if false }}}}\nz{i}: v\n{{{{ end }}}}\nk{i}: v",
            "{{{{- range $x := list 1 }}}}\nk{i}:\n  k{i}x: {{{{ $x }}}}\n{{{{- end }}}}",
            "{{{{- include \"two\" {i} | nindent 0 }}}}",
            "k{i}:{{{{ include \"two\" {i}0 | nindent 2 }}}}",
            "k{i}:\n{{{{ toYaml (dict \"k{i}a\" (list 1 (dict \"k{i}b\" 2))) | indent 2 }}}}",
            "{{{{- /* c */}}}}\nk{i}: [a, {{{{ {i} }}}}]",
            "{{{{- $v := \"v\" }}}}\nk{i}: {{{{ $v }}}}",
            "\n\nk{i}: |\n  text {{{{ .Release.Name }}}}\n  k9: no key",
            "{{{{ printf \"k{i}: %s\" \"v\" }}}}",
            "{{{{- tpl \"k{i}: {{{{ .Release.Name }}}}\\nk{i}0: b\" . | nindent 0 }}}}",
            "{{{{- include \"two\" {i} | replace \"v\" \"w\" | trim | nindent 0 }}}}",
            "k{i}: {{{{ .Values.missing }}}}x{{{{ .Values.missing }}}}",
        ]
    ),
    min_size=1,
    max_size=12,
)  # fmt: skip


@given(LINES)
@settings(max_examples=150, deadline=None)
def test_any_template_keeps_its_places(lines: list[str]) -> None:
    from tempfile import TemporaryDirectory

    body = "kind: X\n" + "\n".join(line.format(i=index) for index, line in enumerate(lines)) + "\n"
    with TemporaryDirectory() as folder:
        root = Path(folder)
        two = '{{ define "two" }}k{{ . }}p: v\nk{{ . }}q:\n  - k: v{{ end }}'
        chart_at(root, **{"templates/all.yaml": body, "templates/_h.tpl": two})

        (ours,) = rendered(root)

        assert ours.gaps == ()
        for key, node in nodes(ours.documents[0][1]):
            assert stands(written_at(root, node), key, node), (body, key, node.at)


def test_a_value_is_traced_to_the_line_of_the_file_that_gives_it(tmp_path: Path) -> None:
    chart_at(
        tmp_path,
        **{
            "Chart.yaml": "apiVersion: v2\nname: c\nversion: 1.0.0\ndependencies:\n- {name: sub, version: '*', repository: ''}\n",
            "values.yaml": "image: {tag: x}\ncontext:\n  privileged: true\n  deep:\n    level: 1\nsub:\n  port: 1\n",
            "values-prod.yaml": "image:\n  tag: prod\n",
            "templates/all.yaml": MAP
            + "  tag: {{ .Values.image.tag | quote }}\n  context:\n    {{- toYaml .Values.context | nindent 4 }}\n"
            "  {{- with .Values.context.deep }}\n  with: {{ .level }}\n  {{- end }}\n  plain: text\n",
            "charts/sub/Chart.yaml": "apiVersion: v2\nname: sub\nversion: 1.0.0\n",
            "charts/sub/values.yaml": "port: 2\nhost: h\n",
            "charts/sub/templates/all.yaml": MAP + "  port: {{ .Values.port }}\n  host: {{ .Values.host }}\n",
        },
    )

    def given_at(one: Rendered, template: str, *path: str) -> tuple[str, int] | None:
        tree = next(tree for name, tree in one.documents if name == template)
        node = tree.get("data", *path)
        assert node is not None
        found = one.given_at(node.at, ("data", *path))
        return (found.path, found.line) if found else None

    first, second = rendered(tmp_path)

    assert given_at(first, "templates/all.yaml", "context", "privileged") == ("values.yaml", 3)
    assert given_at(first, "templates/all.yaml", "context", "deep", "level") == ("values.yaml", 5)
    assert given_at(first, "templates/all.yaml", "with") == ("values.yaml", 5)
    assert given_at(first, "templates/all.yaml", "plain") is None
    assert given_at(first, "charts/sub/templates/all.yaml", "port") == ("values.yaml", 7)
    assert given_at(first, "charts/sub/templates/all.yaml", "host") == ("charts/sub/values.yaml", 2)
    assert given_at(first, "templates/all.yaml", "tag") == ("values.yaml", 1)
    assert given_at(second, "templates/all.yaml", "tag") == ("values-prod.yaml", 2)


def test_a_finding_in_a_chart_names_the_line_of_the_values_that_gave_it(tmp_path: Path) -> None:
    template = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n    - name: a\n      image: r.example.org/a:1.0.0\n      securityContext:\n        {{- toYaml .Values.securityContext | nindent 8 }}\n"
    files = {"Chart.yaml": "apiVersion: v2\nname: c\nversion: 1.0.0\n", "values.yaml": "a: 1\nsecurityContext:\n  privileged: true\n", "templates/a.yaml": template}  # fmt: skip
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)

    report = scan(tmp_path, ["infra"])

    (found,) = [one for one in report.findings if one.check == "privileged-mode"]
    assert (found.location.path, found.location.line) == ("templates/a.yaml", 9)
    assert ("given here", "values.yaml", 3) in [(text, at.path, at.line) for text, at in found.related]


def test_a_chart_that_is_packed_into_another_is_judged_too(tmp_path: Path) -> None:
    inner = {"sub/Chart.yaml": "apiVersion: v2\nname: sub\nversion: 1.0.0\n", "sub/templates/a.yaml": "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n    - {name: a, image: 'r.example.org/a:1.0.0', securityContext: {privileged: true}}\n"}  # fmt: skip
    (tmp_path / "charts").mkdir()
    with tarfile.open(tmp_path / "charts/sub-1.0.0.tgz", "w:gz") as archive:
        for path, text in inner.items():
            member = tarfile.TarInfo(path)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    (tmp_path / "Chart.yaml").write_text(
        "apiVersion: v2\nname: c\nversion: 1.0.0\ndependencies: [{name: sub, version: 1.0.0, repository: ''}]\n"
    )

    report = scan(tmp_path, ["infra"])

    (found,) = [one for one in report.findings if one.check == "privileged-mode"]
    assert found.location.path == "charts/sub-1.0.0.tgz"
    assert found.excerpt == (), "nothing of the archive's bytes is shown"
