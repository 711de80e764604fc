"""Charts of our own, in the shapes that public ones have, written out for a test."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

HELPERS = """{{/*
Names and labels.
*/}}
{{- define "NAME.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "NAME.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{- define "NAME.chart" -}}
{{- printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "NAME.labels" -}}
helm.sh/chart: {{ include "NAME.chart" . }}
{{ include "NAME.selectorLabels" . }}
{{- if .Chart.AppVersion }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "NAME.selectorLabels" -}}
app.kubernetes.io/name: {{ include "NAME.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "NAME.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "NAME.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}
"""

DEPLOYMENT = """apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "NAME.fullname" . }}
  labels:
    {{- include "NAME.labels" . | nindent 4 }}
spec:
  {{- if not .Values.autoscaling.enabled }}
  replicas: {{ .Values.replicaCount }}
  {{- end }}
  selector:
    matchLabels:
      {{- include "NAME.selectorLabels" . | nindent 6 }}
  template:
    metadata:
      {{- with .Values.podAnnotations }}
      annotations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      labels:
        {{- include "NAME.selectorLabels" . | nindent 8 }}
    spec:
      {{- with .Values.imagePullSecrets }}
      imagePullSecrets:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      serviceAccountName: {{ include "NAME.serviceAccountName" . }}
      securityContext:
        {{- toYaml .Values.podSecurityContext | nindent 8 }}
      containers:
        - name: {{ .Chart.Name }}
          securityContext:
            {{- toYaml .Values.securityContext | nindent 12 }}
          image: "{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}"
          imagePullPolicy: {{ .Values.image.pullPolicy }}
          ports:
            - name: http
              containerPort: {{ .Values.service.port }}
              protocol: TCP
          env:
            {{- range $name, $value := .Values.env }}
            - name: {{ $name | upper | replace "-" "_" }}
              value: {{ $value | quote }}
            {{- end }}
          resources:
            {{- toYaml .Values.resources | nindent 12 }}
      {{- with .Values.nodeSelector }}
      nodeSelector:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .Values.tolerations }}
      tolerations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
"""

SERVICE = """apiVersion: v1
kind: Service
metadata:
  name: {{ include "NAME.fullname" . }}
  labels: {{- include "NAME.labels" . | nindent 4 }}
spec:
  type: {{ .Values.service.type }}
  ports:
  - {port: {{ .Values.service.port }}, targetPort: http, protocol: TCP, name: http}
  selector: {{- include "NAME.selectorLabels" . | nindent 4 }}
"""

ACCOUNT = """{{- if .Values.serviceAccount.create -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ include "NAME.serviceAccountName" . }}
  {{- with .Values.serviceAccount.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
automountServiceAccountToken: {{ .Values.serviceAccount.automount }}
{{- end }}
"""

INGRESS = """{{- if .Values.ingress.enabled -}}
{{- $full := include "NAME.fullname" . -}}
{{- $port := .Values.service.port -}}
{{- if semverCompare ">=1.19-0" .Capabilities.KubeVersion.GitVersion -}}
apiVersion: networking.k8s.io/v1
{{- else if semverCompare ">=1.14-0" .Capabilities.KubeVersion.GitVersion -}}
apiVersion: networking.k8s.io/v1beta1
{{- else -}}
apiVersion: extensions/v1beta1
{{- end }}
kind: Ingress
metadata:
  name: {{ $full }}
spec:
  {{- if and .Values.ingress.className (semverCompare ">=1.18-0" .Capabilities.KubeVersion.GitVersion) }}
  ingressClassName: {{ .Values.ingress.className }}
  {{- end }}
  {{- if .Values.ingress.tls }}
  tls:
    {{- range .Values.ingress.tls }}
    - hosts:
        {{- range .hosts }}
        - {{ . | quote }}
        {{- end }}
      secretName: {{ .secretName }}
    {{- end }}
  {{- end }}
  rules:
    {{- range .Values.ingress.hosts }}
    - host: {{ .host | quote }}
      http:
        paths:
          {{- range .paths }}
          - path: {{ .path }}
            pathType: {{ default "Prefix" .pathType }}
            backend:
              service:
                name: {{ $full }}
                port:
                  number: {{ $port }}
          {{- end }}
    {{- end }}
{{- end }}
"""

SCALER = """{{- if .Values.autoscaling.enabled }}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {{ include "NAME.fullname" . }}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: {{ include "NAME.fullname" . }}}
  minReplicas: {{ .Values.autoscaling.minReplicas }}
  maxReplicas: {{ .Values.autoscaling.maxReplicas }}
  metrics:
    {{- if .Values.autoscaling.cpu }}
    - type: Resource
      resource:
        name: cpu
        target:
          type: Utilization
          averageUtilization: {{ .Values.autoscaling.cpu }}
    {{- end }}
{{- end }}
"""

VALUES = """replicaCount: 2
image: {repository: registry.example/web, pullPolicy: IfNotPresent, tag: ""}
imagePullSecrets: []
nameOverride: ""
fullnameOverride: ""
serviceAccount: {create: true, automount: false, annotations: {}, name: ""}
podAnnotations: {}
podSecurityContext: {}
securityContext:
  # capabilities:
  #   drop: [ALL]
  allowPrivilegeEscalation: true
service: {type: ClusterIP, port: 8080}
ingress:
  enabled: true
  className: nginx
  hosts:
    - host: web.example
      paths: [{path: /, pathType: ImplementationSpecific}, {path: /api}]
  tls:
    - secretName: web-tls
      hosts: [web.example]
env: {LOG_LEVEL: info, max-tokens: 4096, ratio: 0.5, flag: true}
resources: {limits: {cpu: 100m, memory: 128Mi}, requests: {cpu: 0.1, memory: 1Gi}}
autoscaling: {enabled: false, minReplicas: 1, maxReplicas: 100, cpu: 80}
nodeSelector: {}
tolerations:
  - key: gpu
    operator: Exists
    effect: NoSchedule
"""


def _chart(name: str, extra: str = "", api: str = "v2") -> str:
    return f'apiVersion: {api}\nname: {name}\nversion: 0.1.0\nappVersion: "1.16.0"\n{extra}'


def _starter(name: str, values: str = VALUES, **files: str) -> dict[str, str]:
    found = {
        "Chart.yaml": _chart(name),
        "values.yaml": values,
        "templates/_helpers.tpl": HELPERS,
        "templates/deployment.yaml": DEPLOYMENT,
        "templates/service.yaml": SERVICE,
        "templates/serviceaccount.yaml": ACCOUNT,
        "templates/ingress.yaml": INGRESS,
        "templates/hpa.yaml": SCALER,
        "templates/NOTES.txt": 'Open {{ include "NAME.fullname" . }}.\n',
        **files,
    }
    return {path: text.replace("NAME", name) for path, text in found.items()}


def _plain(name: str, template: str, values: str = "", **files: str) -> dict[str, str]:
    return {"Chart.yaml": _chart(name), "values.yaml": values, "templates/all.yaml": template, **files}


def _map(name: str, body: str) -> str:
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n{body}"


CHARTS: dict[str, dict[str, str]] = {
    "web": _starter("web"),
    "web-scaled": _starter(
        "web-scaled",
        VALUES.replace("autoscaling: {enabled: false", "autoscaling: {enabled: true").replace(
            "create: true", "create: false"
        ),
    ),
    "web-named": _starter(
        "web-named",
        VALUES + "podLabels: {}\n" + "extra: [a, b]\n",
        **{
            "templates/tests/test-connection.yaml": 'apiVersion: v1\nkind: Pod\nmetadata:\n  name: "{{ include "NAME.fullname" . }}-test"\n'
            '  annotations:\n    "helm.sh/hook": test\nspec:\n  containers:\n    - name: wget\n      image: busybox\n'
            "      command: ['wget']\n      args: ['{{ include \"NAME.fullname\" . }}:{{ .Values.service.port }}']\n"
            "  restartPolicy: Never\n",
        },
    ),
    "checksums": _plain(
        "checksums",
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: c\nspec:\n  template:\n    metadata:\n      annotations:\n"
        '        checksum/config: {{ include (print $.Template.BasePath "/configmap.yaml") . | sha256sum }}\n'
        "        checksum/values: {{ toYaml .Values | sha256sum }}\n        checksum/json: {{ .Values | toJson | sha1sum }}\n"
        "    spec:\n      containers: [{name: c, image: x}]\n",
        "config: {b: 1, a: [1, 2.5, x], t: 'yes', long: 'one two three four five six seven eight nine ten eleven twelve thirteen'}\n",
        **{"templates/configmap.yaml": _map("c", "  config.yaml: |\n    {{- toYaml .Values.config | nindent 4 }}\n")},
    ),
    "env-lists": _plain(
        "env-lists",
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: p\nspec:\n  containers:\n  - name: main\n    image: {{ .Values.image }}\n    env:\n"
        "    {{- range .Values.env }}\n    - name: {{ .name }}\n      {{- if .secret }}\n      valueFrom:\n        secretKeyRef:\n"
        '          name: {{ .secret.name | default "s" }}\n          key: {{ .secret.key }}\n      {{- else }}\n'
        "      value: {{ tpl (toString .value) $ | quote }}\n      {{- end }}\n    {{- else }}\n    []\n    {{- end }}\n"
        "    {{- with .Values.args }}\n    args: {{ toJson . }}\n    {{- end }}\n",
        "image: x:1\nenv:\n- {name: A, value: '{{ .Release.Name }}'}\n- {name: B, secret: {key: k}}\n- {name: C, value: 5}\nargs: [a, '--x=\"<y>\"', 3]\n",
    ),
    "conditions": {
        "Chart.yaml": _chart(
            "conditions",
            "dependencies:\n- {name: one, version: 0.1.0, repository: '', condition: one.enabled}\n"
            "- {name: two, version: 0.x.x, repository: '', condition: 'two.enabled,global.two'}\n"
            "- {name: three, version: '*', repository: '', tags: [extra]}\n- {name: four, version: '>=0.1', repository: '', tags: [extra, base]}\n",
        ),
        "values.yaml": "one: {enabled: false}\nglobal: {two: true, shared: from-parent}\ntags: {extra: false, base: true}\nfour: {color: blue}\n",
        "templates/all.yaml": _map("parent", '  subcharts: {{ keys .Subcharts | sortAlpha | join "," }}\n'),
        **{
            f"charts/{name}/{path}": text
            for name in ("one", "two", "three", "four")
            for path, text in {
                "Chart.yaml": _chart(name),
                "values.yaml": f"color: red\nglobal: {{shared: from-{name}, own: {name}}}\n",
                "templates/all.yaml": _map("{{ .Chart.Name }}", "  {{- toYaml .Values | nindent 2 }}\n").replace(
                    "data:", "values:"
                ),
            }.items()
        },
    },
    "aliases": {
        "Chart.yaml": _chart(
            "aliases",
            "dependencies:\n- {name: store, version: 0.1.0, repository: '', alias: primary}\n"
            "- {name: store, version: 0.1.0, repository: '', alias: replica, condition: replica.enabled}\n",
        ),
        "values.yaml": "primary: {size: 10Gi}\nreplica: {enabled: true, size: 5Gi, extra: {a: null, c: 3}}\n",
        "charts/store/Chart.yaml": _chart("store"),
        "charts/store/values.yaml": "size: 1Gi\nextra: {a: 1, b: 2}\n",
        "charts/store/templates/_h.tpl": '{{- define "store.name" -}}{{ .Release.Name }}-{{ .Chart.Name }}{{- end -}}',
        "charts/store/templates/all.yaml": _map(
            '{{ include "store.name" . }}',
            "  size: {{ .Values.size }}\n  base: {{ .Template.BasePath }}\n  extra: {{ toJson .Values.extra | quote }}\n",
        ),
    },
    "library": {
        "Chart.yaml": _chart("library", "dependencies:\n- {name: shapes, version: 0.1.0, repository: ''}\n"),
        "values.yaml": "replicas: 3\nshapes: {exportMe: 1}\n",
        "templates/all.yaml": '{{- include "shapes.deployment" (list . "library.deployment") -}}\n'
        '{{- define "library.deployment" -}}\nspec:\n  replicas: {{ .Values.replicas }}\n  template:\n    spec:\n      containers:\n'
        "      - name: own\n        image: own:1\n        securityContext:\n          privileged: true\n{{- end }}\n",
        "charts/shapes/Chart.yaml": _chart("shapes", "type: library\n"),
        "charts/shapes/templates/_merge.tpl": '{{- define "shapes.merge" -}}\n{{- $top := first . -}}\n'
        "{{- $over := fromYaml (include (index . 1) $top) | default (dict) -}}\n{{- $base := fromYaml (include (index . 2) $top) | default (dict) -}}\n"
        '{{- toYaml (merge $over $base) -}}\n{{- end -}}\n{{- define "shapes.deployment" -}}\n'
        '{{- include "shapes.merge" (append . "shapes.base") -}}\n{{- end -}}\n',
        "charts/shapes/templates/_base.tpl": '{{- define "shapes.base" -}}\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n'
        "  name: {{ .Release.Name }}-{{ .Chart.Name }}\nspec:\n  replicas: 1\n  revisionHistoryLimit: 2\n{{- end -}}\n",
    },
    "tpl-values": _plain(
        "tpl-values",
        _map(
            "t",
            '  a: {{ tpl .Values.a . }}\n  b: {{ include "render" (dict "value" .Values.b "context" $) | nindent 4 }}\n  n: {{ tpl "{{ .Values.num }}" . | quote }}\n',
        )
        + '{{- define "render" -}}{{- if typeIs "string" .value }}{{ tpl .value .context }}{{ else }}{{ tpl (.value | toYaml) .context }}{{ end }}{{- end -}}\n',
        "a: '{{ .Release.Name }}-{{ .Values.c }}'\nb: {x: '{{ .Chart.Name }}', y: [1, '{{ upper .Values.c }}']}\nc: sea\nnum: 12345678\n",
    ),
    "merging": _plain(
        "merging",
        '{{- $defaults := dict "a" 1 "deep" (dict "x" "d" "y" (list 1 2)) -}}\n{{- $all := mergeOverwrite (deepCopy $defaults) (.Values.over | default dict) -}}\n'
        + _map(
            "m",
            '  all: {{ $all | toJson | quote }}\n  kept: {{ merge (deepCopy .Values.over) $defaults | toJson | quote }}\n  picked: {{ pick .Values.over "deep" | toJson | quote }}\n'
            '  dug: {{ dig "deep" "x" "none" .Values.over }}\n  omitted: {{ omit $all "deep" | toJson | quote }}\n',
        ),
        "over: {deep: {x: v, z: {q: 1}}, b: false, e: ''}\n",
    ),
    "imports": {
        "Chart.yaml": _chart(
            "imports",
            "dependencies:\n- name: child\n  version: 0.1.0\n  repository: ''\n  import-values:\n  - data\n  - {child: settings.inner, parent: mine}\n",
        ),
        "values.yaml": "mine: {a: parent}\nport: 1\n",
        "templates/all.yaml": _map("i", '  values: {{ omit .Values "child" "global" | toJson | quote }}\n'),
        "charts/child/Chart.yaml": _chart("child"),
        "charts/child/values.yaml": "exports: {data: {port: 2, host: h}}\nsettings: {inner: {a: child, b: child}}\n",
        "charts/child/templates/all.yaml": _map("child", "  a: b\n"),
    },
    "kserve": _plain(
        "kserve",
        "{{- range $name, $model := .Values.models }}\n---\napiVersion: serving.kserve.io/v1beta1\nkind: InferenceService\nmetadata:\n  name: {{ $name }}\n"
        '  {{- if $model.canary }}\n  annotations:\n    serving.kserve.io/enable-tag-routing: "true"\n  {{- end }}\nspec:\n  predictor:\n'
        '    {{- with $model.canary }}\n    canaryTrafficPercent: {{ . }}\n    {{- end }}\n    model:\n      modelFormat:\n        name: {{ $model.format | default "sklearn" }}\n'
        '      storageUri: {{ required "a uri" $model.uri | quote }}\n      {{- if $model.gpu }}\n      resources:\n        limits:\n          nvidia.com/gpu: {{ $model.gpu | int }}\n      {{- end }}\n{{- end }}\n',
        "models:\n  iris: {uri: 's3://models/iris', canary: 10}\n  llm: {uri: 'hf://x/y', format: huggingface, gpu: 2}\n",
    ),
    "ray": _plain(
        "ray",
        "apiVersion: ray.io/v1\nkind: RayCluster\nmetadata:\n  name: {{ .Release.Name }}\nspec:\n  headGroupSpec:\n    rayStartParams:\n"
        "      {{- range $k, $v := .Values.head.params }}\n      {{ $k }}: {{ $v | quote }}\n      {{- end }}\n    template:\n      spec:\n        containers:\n"
        "          - name: ray-head\n            image: {{ .Values.image.repository }}:{{ .Values.image.tag }}\n            resources: {{- toYaml .Values.head.resources | nindent 14 }}\n"
        "  workerGroupSpecs:\n  {{- range $group := .Values.groups }}\n  - groupName: {{ $group.name }}\n    replicas: {{ $group.replicas | default 1 | int }}\n"
        "    template:\n      spec:\n        {{- with ($group.tolerations | default $.Values.tolerations) }}\n        tolerations: {{- toYaml . | nindent 8 }}\n        {{- end }}\n"
        "        containers:\n          - name: worker\n            image: {{ $.Values.image.repository }}:{{ $group.tag | default $.Values.image.tag }}\n            securityContext: {privileged: {{ $group.privileged | default false }}}\n  {{- end }}\n",
        "image: {repository: rayproject/ray, tag: 2.40.0}\nhead: {params: {dashboard-host: 0.0.0.0, num-cpus: 0}, resources: {limits: {cpu: 1, memory: 2G}}}\n"
        "groups:\n- {name: small}\n- {name: gpu, replicas: 4, tag: 2.40.0-gpu, privileged: true}\ntolerations: [{key: a, operator: Exists}]\n",
    ),
    "vllm": _plain(
        "vllm",
        '{{- range .Values.serving.models }}\n{{- $config := mergeOverwrite (deepCopy $.Values.serving.defaults) . }}\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: "{{ $.Release.Name }}-{{ .name }}-vllm"\n'
        'spec:\n  replicas: {{ $config.replicas }}\n  template:\n    spec:\n      containers:\n      - name: vllm\n        image: "{{ $config.repository }}:{{ $config.tag }}"\n        command:\n        - vllm\n        - serve\n        - {{ .url | quote }}\n'
        '        {{- if hasKey $config "maxLen" }}\n        - --max-model-len\n        - {{ $config.maxLen | int | quote }}\n        {{- end }}\n        {{- range $config.extraArgs }}\n        - {{ . | quote }}\n        {{- end }}\n'
        '        {{- if .hfToken }}\n        env:\n        - name: HF_TOKEN\n          {{- if kindIs "string" .hfToken }}\n          valueFrom: {secretKeyRef: {name: "{{ $.Release.Name }}-secrets", key: hf_token_{{ .name }}}}\n'
        '          {{- else }}\n          valueFrom:\n            secretKeyRef: {{- toYaml .hfToken | nindent 14 }}\n          {{- end }}\n        {{- end }}\n        resources:\n          limits:\n            nvidia.com/gpu: {{ required "gpus" $config.gpu | quote }}\n---\n{{- end }}\n',
        "serving:\n  defaults: {replicas: 1, repository: vllm/vllm-openai, tag: v0.8.0, gpu: 1}\n  models:\n  - {name: llama, url: meta/llama, maxLen: 1048576, hfToken: abc}\n"
        "  - {name: opt, url: facebook/opt, tag: latest, extraArgs: ['--host', 0.0.0.0, 5], hfToken: {name: s, key: k}}\n",
    ),
    "mlflow": _starter(
        "mlflow",
        VALUES
        + "backend: {postgres: {enabled: true, host: db, port: 5432, user: ml, password: example-only}}\nartifactRoot: {s3: {enabled: true, bucket: b}}\n",
        **{
            "templates/secret.yaml": '{{- with .Values.backend.postgres }}{{- if .enabled }}\napiVersion: v1\nkind: Secret\nmetadata:\n  name: {{ template "NAME.fullname" $ }}-db\ntype: Opaque\ndata:\n'
            '  PGUSER: {{ .user | b64enc }}\n  PGPASSWORD: {{ required "The password" .password | b64enc | quote }}\nstringData:\n  uri: {{ printf "postgresql://%s@%s:%d/mlflow" .user .host (int .port) }}\n{{- end }}{{- end }}\n',
            "templates/args.yaml": _map(
                "args",
                "  args: |\n    --host=0.0.0.0\n    {{- if .Values.artifactRoot.s3.enabled }}\n    --default-artifact-root=s3://{{ .Values.artifactRoot.s3.bucket }}\n    {{- else }}\n    --default-artifact-root=./mlruns\n    {{- end }}\n",
            ),
        },
    ),
    "hub": _plain(
        "hub",
        '{{- define "hub.component" -}}{{ .component | default (.Template.Name | base | trimSuffix ".yaml") }}{{- end -}}\n'
        '{{- $_ := merge (dict "component" "hub") . }}\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {{ include "hub.component" $_ }}\nspec:\n  template:\n    metadata:\n      annotations:\n'
        '        checksum/files: {{ (.Files.Glob "files/hub/*").AsConfig | sha256sum }}\n    spec:\n      containers:\n      - name: hub\n        image: {{ .Values.hub.image.name }}:{{ .Values.hub.image.tag }}\n        args:\n        - jupyterhub\n'
        "        {{- if .Values.debug.enabled }}\n        - --debug\n        {{- end }}\n        {{- range .Values.hub.args }}\n        - {{ tpl . $ }}\n        {{- end }}\n        env:\n        {{- range $key, $value := .Values.hub.extraEnv }}\n"
        '        {{- if eq (kindOf $value) "map" }}\n        - {name: {{ $key }}, {{ toJson $value | trimPrefix "{" | trimSuffix "}" }}}\n        {{- else }}\n        - {name: {{ $key }}, value: {{ $value | quote }}}\n        {{- end }}\n        {{- end }}\n---\n'
        + _map(
            "files",
            '  {{- (.Files.Glob "files/hub/*").AsConfig | nindent 2 }}\n  lines: {{ .Files.Lines "files/hub/a.py" | toJson | quote }}\n',
        )
        + '---\napiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata:\n  {{- (.Files.Glob "files/*.env").AsSecrets | nindent 2 }}\n',
        "debug: {enabled: false}\nhub: {image: {name: hub, tag: 4.1}, args: ['--config', '{{ .Release.Name }}.py'], extraEnv: {A: 1, B: {valueFrom: {fieldRef: {fieldPath: x}}}}}\n",
        **{"files/hub/a.py": "c.x = 1\nc.y = '{{ not }}'\n", "files/hub/b.txt": "no end", "files/one.env": "K=v\n"},
    ),
    "stateful": _plain(
        "stateful",
        "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: db}\nspec:\n  serviceName: db\n  template:\n    spec:\n      containers:\n      - name: db\n        image: db:1\n        volumeMounts:\n        - {name: data, mountPath: /data}\n"
        "        {{- range $i, $path := .Values.extra }}\n        - name: extra-{{ $i }}\n          mountPath: {{ $path }}\n          readOnly: {{ ne $i 0 }}\n        {{- end }}\n  {{- if .Values.persistence.enabled }}\n  volumeClaimTemplates:\n  - metadata: {name: data}\n"
        '    spec:\n      accessModes: {{ .Values.persistence.modes | toJson }}\n      {{- if .Values.persistence.class }}\n      {{- if (eq "-" .Values.persistence.class) }}\n      storageClassName: ""\n      {{- else }}\n      storageClassName: {{ .Values.persistence.class | quote }}\n      {{- end }}\n      {{- end }}\n'
        "      resources: {requests: {storage: {{ .Values.persistence.size | quote }}}}\n  {{- end }}\n",
        "extra: [/a, /b]\npersistence: {enabled: true, class: '-', size: 8Gi, modes: [ReadWriteOnce]}\n",
    ),
    "jobs": _plain(
        "jobs",
        '{{- if .Capabilities.APIVersions.Has "batch/v1" }}\n{{- $v := "batch/v1" }}\n{{- range $job := .Values.jobs }}\n---\napiVersion: {{ $v }}\nkind: CronJob\nmetadata:\n  name: {{ printf "%s-%s" $.Release.Name $job.name | trunc 52 }}\n'
        "spec:\n  schedule: {{ $job.schedule | squote }}\n  suspend: {{ $job.suspend | default false }}\n  jobTemplate:\n    spec:\n      template:\n        spec:\n          restartPolicy: Never\n          containers:\n          - name: job\n            image: {{ $job.image }}\n            command: {{- range $job.command }}\n            - {{ . | quote }}{{ end }}\n{{- end }}\n{{- end }}\n",
        "jobs:\n- {name: nightly, schedule: '0 3 * * *', image: j:1, command: [python, -c, 'print(\"x\")']}\n- {name: hourly, schedule: '@hourly', image: j:2, command: [run], suspend: true}\n",
    ),
    "rbac": _plain(
        "rbac",
        '{{- range $scope := list "Cluster" "" }}\n---\napiVersion: rbac.authorization.k8s.io/v1\nkind: {{ $scope }}Role\nmetadata:\n  name: {{ $.Release.Name }}\n  {{- if not $scope }}\n  namespace: {{ $.Release.Namespace }}\n  {{- end }}\nrules:\n{{- range $.Values.rules }}\n'
        '- apiGroups: [{{ .groups | default (list "") | join "\\", \\"" | quote }}]\n  resources: {{ .resources | toJson }}\n  verbs:\n{{ toYaml .verbs | indent 2 }}\n{{- end }}\n{{- end }}\n',
        "rules:\n- {resources: [pods, secrets], verbs: ['*']}\n- {groups: [apps, batch], resources: [deployments], verbs: [get, list]}\n",
    ),
    "with-crds": _plain(
        "with-crds",
        _map("x", "  a: b\n"),
        "",
        **{
            "crds/thing.yaml": "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: things.example}\nspec: {group: example}\n",
        },
    ),
    "ignored": _plain(
        "ignored",
        _map("x", '  files: "{{ range $name, $_ := .Files }}{{ $name }} {{ end }}"\n'),
        "",
        **{
            ".helmignore": "# comment\n*.bak\n/docs/\nsecret-*\n",
            "templates/old.yaml.bak": '{{ fail "no" }}',
            "docs/a.md": "x",
            "secret-1": "x",
            "kept.txt": "x",
            "sub/b.bak": "x",
        },
    ),
    "old-api": {
        "Chart.yaml": _chart("old-api", api="v1"),
        "requirements.yaml": "dependencies:\n- {name: sub, version: 0.1.0, repository: '', condition: sub.on}\n",
        "values.yaml": "sub: {on: true, x: 2}\n",
        "templates/all.yaml": _map("p", "  api: {{ .Chart.APIVersion }}\n"),
        "charts/sub/Chart.yaml": _chart("sub", api="v1"),
        "charts/sub/values.yaml": "x: 1\n",
        "charts/sub/templates/all.yaml": _map("sub", "  x: {{ .Values.x | quote }}\n"),
    },
    "many-documents": _plain(
        "many-documents",
        "{{- range $i := until 3 }}\n---\n# document {{ $i }}\n"
        + _map("d{{ $i }}", "  n: {{ $i | quote }}\n")
        + "{{- end }}\n---\n---\n# nothing\n--- \n"
        + _map("last", "  text: |\n    --- not a document\n    x\n"),
    ),
    "nulls": {
        "Chart.yaml": _chart("nulls", "dependencies:\n- {name: sub, version: 0.1.0, repository: ''}\n"),
        "values.yaml": "sub: {probe: null, keep: {a: null}, list: null}\nempty:\nmap: {x: null, y: 1}\n",
        "templates/all.yaml": _map(
            "n",
            '  values: {{ omit .Values "sub" "global" | toJson | quote }}\n  empty: {{ .Values.empty | default "d" }}\n  missing: {{ .Values.none | default "m" }}{{ .Values.none }}\n  has: {{ hasKey .Values "empty" | quote }}\n',
        ),
        "charts/sub/Chart.yaml": _chart("sub"),
        "charts/sub/values.yaml": "probe: {path: /}\nkeep: {a: 1, b: 2}\nlist: [1]\nown: null\n",
        "charts/sub/templates/all.yaml": _map("sub", '  values: {{ omit .Values "global" | toJson | quote }}\n'),
    },
    "override": {
        "Chart.yaml": _chart("override", "dependencies:\n- {name: sub, version: 0.1.0, repository: ''}\n"),
        "values.yaml": "",
        "templates/_h.tpl": '{{ define "shared.name" }}from-parent{{ end }}{{ define "shared.empty" }}{{ end }}',
        "templates/all.yaml": _map(
            "o", '  a: {{ template "shared.name" . }}\n  b: {{ block "own" . }}block-{{ .Release.Name }}{{ end }}\n'
        ),
        "charts/sub/Chart.yaml": _chart("sub"),
        "charts/sub/templates/_h.tpl": '{{ define "shared.name" }}from-child{{ end }}{{ define "shared.empty" }}full{{ end }}',
        "charts/sub/templates/all.yaml": _map(
            "sub", '  a: {{ include "shared.name" . }}\n  e: {{ include "shared.empty" . }}\n'
        ),
    },
    "line-ends": {
        path: text.replace("\n", "\r\n") if path.endswith("deployment.yaml") else text
        for path, text in _starter("line-ends").items()
    },
    "trimming": _plain(
        "trimming",
        "{{- /* head */ -}}\n{{/* another\n  comment */}}\n"
        + _map(
            "t",
            '  a: {{- " x" }}\n  b: {{ "y" -}}   \n  {{ "z" }}\n  c: {{- if true }} yes {{- end }}\n  d: [\n    {{- range $i, $x := list 1 2 3 -}}\n    {{ if $i }}, {{ end }}{{ $x }}\n    {{- end -}}\n  ]\n  {{- with .Values.none }}\n  e: {{ . }}\n  {{- else }}\n  e: none\n  {{- end }}\n  f: "{{ `{{ raw }}` }}"\n',
        ),
    ),
    "flow": _plain(
        "flow",
        _map(
            "f",
            '{{- $seen := dict }}{{- $count := 0 }}\n{{- range $i, $x := .Values.list }}\n  {{- if eq $x "skip" }}{{ continue }}{{ end }}\n  {{- if eq $x "stop" }}{{ break }}{{ end }}\n  {{- $count = add $count 1 }}\n  {{- $_ := set $seen $x $i }}\n  k{{ $i }}: {{ $x }}\n{{- end }}\n  count: {{ $count | quote }}\n  seen: {{ toJson $seen | quote }}\n  {{- with .Values.none }}\n  w: a\n  {{- else with .Values.some }}\n  w: {{ .x }}\n  {{- else }}\n  w: b\n  {{- end }}\n  {{- range $k, $v := .Values.some }}\n  {{ $k }}: {{ $v }}\n  {{- else }}\n  none: x\n  {{- end }}\n  {{- range 3 }}\n  r{{ . }}: v\n  {{- end }}\n',
        ),
        "list: [a, skip, b, stop, c]\nsome: {x: one, y: two}\n",
    ),
    "capabilities": _plain(
        "capabilities",
        '{{- if .Capabilities.APIVersions.Has "policy/v1" }}\napiVersion: policy/v1\n{{- else }}\napiVersion: policy/v1beta1\n{{- end }}\nkind: PodDisruptionBudget\nmetadata:\n  name: p\n  labels: {kube: "{{ .Capabilities.KubeVersion.Major }}.{{ .Capabilities.KubeVersion.Minor }}"}\nspec: {minAvailable: {{ .Values.min }}}\n'
        '{{- if .Capabilities.APIVersions.Has "monitoring.coreos.com/v1/PodMonitor" }}\n---\napiVersion: monitoring.coreos.com/v1\nkind: PodMonitor\nmetadata: {name: m}\n{{- end }}\n',
        "min: 50%\n",
    ),
    "sidecars": _plain(
        "sidecars",
        '{{- define "sidecar" }}\n- name: {{ .name }}\n  image: {{ .image }}\n  {{- with .port }}\n  ports:\n  - containerPort: {{ . }}\n  {{- end }}\n{{- end }}\napiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n  {{- range .Values.sidecars }}\n  {{- include "sidecar" . | trim | nindent 2 }}\n  {{- end }}\n  {{- $parsed := .Values.json | fromJson }}\n  hostNetwork: {{ $parsed.host }}\n  {{- $more := include "more" . | fromYaml }}\n  dnsPolicy: {{ $more.dns }}\n  nodeSelector: {{ $more.nodes | toJson }}\n{{- define "more" }}\ndns: ClusterFirst\nnodes: {a: b, n: "{{ .Release.Name }}"}\n{{- end }}\n',
        "sidecars: [{name: a, image: 'a:1', port: 80}, {name: b, image: 'b:1'}]\njson: '{\"host\": true}'\n",
    ),
    "numbers": _plain(
        "numbers",
        _map(
            "n",
            "{{- range $k, $v := .Values.numbers }}\n  {{ $k }}: {{ $v | quote }}\n  {{ $k }}-int: {{ int64 $v | quote }}\n  {{ $k }}-json: {{ toJson $v | quote }}\n  {{ $k }}-yaml: {{ toYaml $v | quote }}\n  {{ $k }}-kind: {{ kindOf $v }}\n{{- end }}\n",
        ),
        "numbers: {port: 8080, big: 1000000, huge: 123456789012, float: 0.25, tiny: 0.0000001, neg: -7, octal: 0644, hex: 0xff, exp: 1e3, text: '1000000', under: 1_000}\n",
    ),
    "hooks": _plain(
        "hooks",
        'apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: migrate\n  annotations:\n    "helm.sh/hook": pre-install,pre-upgrade\n    "helm.sh/hook-weight": "-5"\nspec:\n  template:\n    spec: {restartPolicy: Never, containers: [{name: m, image: m:1}]}\n---\n'
        + _map("plain", "  a: b\n"),
    ),
    "levels": {
        "Chart.yaml": _chart("levels", "dependencies:\n- {name: middle, version: 0.1.0, repository: ''}\n"),
        "values.yaml": "global: {registry: top, deep: {a: 1}}\nmiddle: {inner: {color: top}}\n",
        "templates/all.yaml": _map("top", "  inner: {{ .Subcharts.middle.Subcharts.inner.Values.color }}\n"),
        "charts/middle/Chart.yaml": _chart(
            "middle", "dependencies:\n- {name: inner, version: 0.1.0, repository: '', condition: inner.enabled}\n"
        ),
        "charts/middle/values.yaml": "inner: {enabled: true, color: middle, size: 2}\nglobal: {registry: middle, deep: {a: 2, b: 2}}\n",
        "charts/middle/charts/inner/Chart.yaml": _chart("inner"),
        "charts/middle/charts/inner/values.yaml": "color: inner\nsize: 1\nglobal: {registry: inner, deep: {c: 3}}\n",
        "charts/middle/charts/inner/templates/all.yaml": _map(
            "inner",
            "  values: {{ .Values | toJson | quote }}\n  path: {{ .Template.Name }}\n  root: {{ .Chart.IsRoot }}\n",
        ).replace("root: {{ .Chart.IsRoot }}", "root: {{ .Chart.IsRoot | quote }}"),
    },
    "secrets": _plain(
        "secrets",
        '{{- $old := lookup "v1" "Secret" .Release.Namespace "s" }}\napiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata:\n  a: {{ .Values.password | b64enc }}\n  b: {{ index ($old.data | default dict) "b" | default (b64enc "new") }}\n  {{- range $k, $v := .Values.more }}\n  {{ $k | kebabcase }}: {{ $v | toString | b64enc | quote }}\n  {{- end }}\n',
        "password: example-only\nmore: {someKey: 1, OTHER_key: x}\n",
    ),
    "gateway": _plain(
        "gateway",
        '{{- $hosts := list }}\n{{- range .Values.routes }}{{- $hosts = concat $hosts .hosts }}{{- end }}\napiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: r}\nspec:\n  hostnames: {{ $hosts | uniq | sortAlpha | toJson }}\n  rules:\n  {{- range $i, $r := .Values.routes }}\n  - matches:\n    - path: {type: PathPrefix, value: {{ $r.path | default (printf "/%d" $i) }}}\n    backendRefs:\n    - {name: {{ $r.name | lower | replace " " "-" }}, port: {{ add 8000 $i }}}\n  {{- end }}\n',
        "routes: [{name: One Two, hosts: [b.example, a.example]}, {name: X, path: /x, hosts: [a.example]}]\n",
    ),
}
"""By name: the files of a chart, by their path in it."""


def write(folder: Path, name: str) -> Path:
    """Write a chart into a folder and return the chart's own folder."""
    chart = folder / name
    for path, text in CHARTS[name].items():
        (chart / path).parent.mkdir(parents=True, exist_ok=True)
        (chart / path).write_bytes(text.encode())
    return chart


def pack(chart: Path, archive: Path) -> None:
    """Pack a chart as ``helm package`` does."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path in sorted(chart.rglob("*")):
            if path.is_file():
                entry = tarfile.TarInfo(f"{chart.name}/{path.relative_to(chart).as_posix()}")
                entry.size = path.stat().st_size
                tar.addfile(entry, io.BytesIO(path.read_bytes()))
    archive.parent.mkdir(parents=True, exist_ok=True)
    archive.write_bytes(gzip.compress(buffer.getvalue(), mtime=0))
