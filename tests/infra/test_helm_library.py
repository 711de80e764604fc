"""Charts that leave Bitnami's library ``common`` out, as their repositories do."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlguard.scanners.infra.helm import library
from mlguard.scanners.infra.helm.evaluator import Run
from mlguard.scanners.infra.helm.printing import Failed
from tests.infra.test_helm_charts import MAP, chart_at, rendered

HEAD = """apiVersion: v2
name: shop
version: 1.2.3+build
appVersion: 4.5.6
dependencies:
- {name: common, repository: oci://registry-1.docker.io/bitnamicharts, tags: [bitnami-common], version: 2.x.x}
"""
VALUES = """image: {registry: docker.io, repository: bitnami/shop, tag: 4.5.6-debian-12-r0, digest: "", pullSecrets: [pull]}
commonLabels: {team: a, app.kubernetes.io/name: renamed}
podSecurityContext: {enabled: true, fsGroup: 1001}
containerSecurityContext: {enabled: true, privileged: true, runAsUser: 0, capabilities: {drop: [ALL]}, seLinuxOptions: {}}
resourcesPreset: nano
args: ["--name", "{{ .Release.Name }}"]
persistence: {storageClass: "-"}
"""
TEMPLATE = """apiVersion: {{ include "common.capabilities.deployment.apiVersion" . }}
kind: Deployment
metadata:
  name: {{ template "common.names.fullname" . }}
  namespace: {{ include "common.names.namespace" . | quote }}
  labels: {{- include "common.labels.standard" (dict "customLabels" .Values.commonLabels "context" $) | nindent 4 }}
spec:
  selector:
    matchLabels: {{- include "common.labels.matchLabels" (dict "customLabels" .Values.commonLabels "context" $) | nindent 6 }}
  template:
    spec:
      {{- include "common.images.renderPullSecrets" (dict "images" (list .Values.image) "context" $) | nindent 6 }}
      securityContext: {{- omit .Values.podSecurityContext "enabled" | toYaml | nindent 8 }}
      containers:
        - name: shop
          image: {{ include "common.images.image" (dict "imageRoot" .Values.image "global" .Values.global) }}
          securityContext: {{- include "common.compatibility.renderSecurityContext" (dict "secContext" .Values.containerSecurityContext "context" $) | nindent 12 }}
          args: {{- include "common.tplvalues.render" (dict "value" .Values.args "context" $) | nindent 12 }}
          resources: {{- include "common.resources.preset" (dict "type" .Values.resourcesPreset) | nindent 12 }}
          volumeMode: {{ include "common.storage.class" (dict "persistence" .Values.persistence "global" .Values.global) | quote }}
          other: {{- include "common.something.else" . | nindent 12 }}
"""


def test_what_the_library_makes_is_known_without_it(tmp_path: Path) -> None:
    chart_at(tmp_path, **{"Chart.yaml": HEAD, "values.yaml": VALUES, "templates/all.yaml": TEMPLATE})

    (ours,) = rendered(tmp_path)

    ((_, tree),) = ours.documents
    value = tree.value
    container = value["spec"]["template"]["spec"]["containers"][0]
    labels = {"app.kubernetes.io/name": "renamed", "app.kubernetes.io/instance": "release-name"}
    more = {
        "helm.sh/chart": "shop-1.2.3_build", "app.kubernetes.io/managed-by": "Helm", "team": "a",
        "app.kubernetes.io/version": "4.5.6",
    }  # fmt: skip
    assert [gap.reason for gap in ours.gaps] == [
        "dependency common is not in charts/",
        "line 21: includes a template of common",
    ]
    assert (value["apiVersion"], value["metadata"]["name"]) == ("apps/v1", "release-name-shop")
    assert value["metadata"]["labels"] == labels | more
    assert value["spec"]["selector"]["matchLabels"] == labels
    assert value["spec"]["template"]["spec"]["imagePullSecrets"] == [{"name": "pull"}]
    assert container["image"] == "docker.io/bitnami/shop:4.5.6-debian-12-r0"
    assert container["securityContext"] == {"privileged": True, "runAsUser": 0, "seLinuxOptions": {}}
    assert container["args"] == ["--name", "release-name"]
    assert container["volumeMode"] == 'storageClassName: ""'
    assert set(container["resources"]) == {"limits", "requests"}
    assert "\ue000" in container["resources"]["limits"]["memory"] and "\ue000" in container["other"]


def test_what_the_library_makes_stands_where_it_is_asked_for(tmp_path: Path) -> None:
    chart_at(tmp_path, **{"Chart.yaml": HEAD, "values.yaml": VALUES, "templates/all.yaml": TEMPLATE})

    (ours,) = rendered(tmp_path)

    node = ours.documents[0][1].get("spec", "template", "spec", "containers", 0, "securityContext", "privileged")
    assert node is not None
    assert (node.at.path, node.at.line) == ("templates/all.yaml", 17)


def test_a_library_of_another_house_stays_unknown(tmp_path: Path) -> None:
    head = HEAD.replace("oci://registry-1.docker.io/bitnamicharts", "https://charts.example")
    body = MAP + '  name: {{ include "common.names.fullname" . }}\n'
    chart_at(tmp_path, **{"Chart.yaml": head, "templates/all.yaml": body})

    (ours,) = rendered(tmp_path)

    assert ours.documents[0][1].value["data"]["name"] == "\ue000the template common.names.fullname\ue001"


def test_the_library_itself_wins_where_it_is_there(tmp_path: Path) -> None:
    chart_at(
        tmp_path,
        **{
            "Chart.yaml": HEAD,
            "templates/all.yaml": MAP + '  name: {{ include "common.names.fullname" . }}\n',
            "charts/common/Chart.yaml": "apiVersion: v2\nname: common\nversion: 2.1.0\ntype: library\n",
            "charts/common/templates/_names.tpl": '{{ define "common.names.fullname" }}its own{{ end }}',
        },
    )

    (ours,) = rendered(tmp_path)

    assert ours.gaps == ()
    assert ours.documents[0][1].value["data"] == {"name": "its own"}


VALUE: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8) | st.just("{{ .a"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["Values", "Chart", "Name", "context", "customLabels", "value", "values", "secContext", "imageRoot", "images", "type", "a", "global"]
    ), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@pytest.mark.parametrize("name", sorted(library._BODIES))
@given(data=VALUE)
@settings(max_examples=40, deadline=None)
def test_any_data_ends_in_text_or_is_refused(name: str, data: Any) -> None:
    try:
        result = Run("common", True).absent(name, data)
    except Failed:
        return

    assert isinstance(result, str)


def test_a_chart_without_its_library_ends_soon_when_its_values_expand_themselves() -> None:
    with TemporaryDirectory() as folder:
        bomb = '\'{{ include "common.tplvalues.render" (dict "value" .Values.bomb "context" $) }}\''
        body = MAP + '  a: {{ include "common.tplvalues.render" (dict "value" .Values.bomb "context" $) }}\n'
        chart_at(Path(folder), **{"Chart.yaml": HEAD, "values.yaml": f"bomb: {bomb}\n", "templates/all.yaml": body})

        (ours,) = rendered(Path(folder))

        assert any("levels deep" in gap.reason for gap in ours.gaps)
