"""Kustomizations of our own: each name with its files. The folder to build is ``top``."""

from __future__ import annotations

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: serve
  labels: {app: serve}
spec:
  replicas: 1
  selector:
    matchLabels: {app: serve}
  template:
    metadata:
      labels: {app: serve}
    spec:
      serviceAccountName: loader
      containers:
        - name: model
          image: registry.example.org/serve:1.0.0
          args: ["--port", "8080"]
          env:
            - {name: MODEL, value: churn}
            - name: KEY
              valueFrom: {secretKeyRef: {name: keys, key: api}}
          ports:
            - containerPort: 8080
          volumeMounts:
            - {name: settings, mountPath: /etc/serve}
        - name: side
          image: registry.example.org/side:2.1.0
      volumes:
        - name: settings
          configMap: {name: settings}
        - name: cache
          emptyDir: {}
"""
SERVICE = """\
apiVersion: v1
kind: Service
metadata: {name: serve}
spec:
  selector: {app: serve}
  ports:
    - {port: 80, targetPort: 8080}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: loader}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {mode: slow}
"""
ACCESS = """\
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: reader}
rules:
  - {apiGroups: [""], resources: [pods], verbs: [get]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reading, namespace: other}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: reader}
subjects:
  - {kind: ServiceAccount, name: loader, namespace: other}
  - {kind: ServiceAccount, name: default, namespace: other}
  - {kind: ServiceAccount, name: foreign, namespace: elsewhere}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: loader, namespace: other}
"""
MORE = """\
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: store}
spec:
  serviceName: serve
  selector: {matchLabels: {app: store}}
  template:
    metadata: {labels: {app: store}}
    spec:
      affinity:
        podAntiAffinity:
          requiredDuringSchedulingIgnoredDuringExecution:
            - {labelSelector: {matchLabels: {app: store}}, topologyKey: zone}
      containers: [{name: db, image: "docker.io/library/postgres:16"}]
  volumeClaimTemplates:
    - metadata: {name: data}
      spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly}
spec:
  schedule: "0 3 * * *"
  jobTemplate:
    spec:
      template:
        metadata: {labels: {job: nightly}}
        spec:
          restartPolicy: Never
          containers: [{name: train, image: registry.example.org/train}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: inside}
spec:
  podSelector: {matchLabels: {app: serve}}
  ingress:
    - from: [{podSelector: {matchLabels: {app: store}}}]
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: serve}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: serve}
  maxReplicas: 5
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: serve}
spec:
  tls: [{hosts: [a.example.org], secretName: cert}]
  rules:
    - host: a.example.org
      http:
        paths: [{path: /, pathType: Prefix, backend: {service: {name: serve, port: {number: 80}}}}]
---
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: llm}
spec:
  predictor:
    containers:
      - {name: kserve-container, image: "registry.example.org/serve:1.0.0"}
      - {name: logger, image: "registry.example.org/logger:1.0.0"}
"""
BASE = {
    "base/kustomization.yaml": "resources: [deployment.yaml, service.yaml]\n",
    "base/deployment.yaml": DEPLOYMENT, "base/service.yaml": SERVICE,
}  # fmt: skip


def _top(text: str, **files: str) -> dict[str, str]:
    named = {f"top/{name.replace('_', '.', 1)}": body for name, body in files.items()}
    return {**BASE, "top/kustomization.yaml": "resources: [../base]\n" + text, **named}


def _alone(text: str, manifest: str = DEPLOYMENT + "---\n" + SERVICE, **files: str) -> dict[str, str]:
    named = {f"top/{name.replace('_', '.', 1)}": body for name, body in files.items()}
    return {"top/kustomization.yaml": "resources: [all.yaml]\n" + text, "top/all.yaml": manifest, **named}


_SIDE = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: serve}
spec:
  template:
    spec:
"""

OVERLAYS: dict[str, dict[str, str]] = {
    "nothing": _top(""),
    "prefix and suffix": _top("namePrefix: dev-\nnameSuffix: -v2\n"),
    "prefix over everything": _alone("namePrefix: dev-\n", MORE + "---\n" + SERVICE),
    "namespace": _top("namespace: ml\n"),
    "namespace of bindings": _alone("namespace: ml\n", ACCESS),
    "namespace of a namespace": _alone("namespace: ml\n", "apiVersion: v1\nkind: Namespace\nmetadata: {name: old}\n"),
    "prefix of bindings": _alone("namePrefix: a-\n", ACCESS),
    "common labels": _alone("commonLabels: {team: risk, stage: '1'}\n", DEPLOYMENT + "---\n" + SERVICE + "---\n" + MORE),
    "labels": _alone("labels: [{pairs: {team: risk}}]\n", MORE),
    "labels with templates": _alone("labels: [{pairs: {team: risk}, includeTemplates: true}]\n", MORE),
    "labels with selectors": _alone("labels: [{pairs: {team: risk}, includeSelectors: true}]\n", MORE),
    "annotations": _alone("commonAnnotations: {owner: risk}\n", MORE),
    "images": _alone("images:\n  - {name: registry.example.org/serve, newTag: 2.0.0}\n  - {name: registry.example.org/train, newName: mirror.example.org/train, newTag: '3'}\n"
                     "  - {name: docker.io/library/postgres, digest: 'sha256:" + "a" * 64 + "'}\n", MORE),
    "image by new name": _top("images: [{name: registry.example.org/serve, newName: mirror.example.org/serve}]\n"),
    "replicas": _top("replicas: [{name: serve, count: 4}]\n"),
    "replicas by the old name": _top("namePrefix: x-\nreplicas: [{name: serve, count: 4}]\n"),
    "strategic patch in a file": _top("patches: [{path: patch.yaml}]\n", patch_yaml=_SIDE + "      containers:\n        - name: model\n          image: registry.example.org/serve:9\n          env: [{name: MODEL, value: other}, {name: NEW, value: x}]\n"),
    "strategic patch of the second container": _top(
        "patches: [{path: patch.yaml}]\n",
        patch_yaml=_SIDE
        + "      containers:\n        - {name: side, tty: true}\n        - {name: last, image: 'registry.example.org/last:1'}\n",
    ),
    "strategic patch of ports and mounts": _top(
        "patches: [{path: patch.yaml}]\n",
        patch_yaml=_SIDE
        + "      containers:\n        - name: model\n          ports: [{containerPort: 9000}, {containerPort: 8080, name: http}]\n"
        + "          volumeMounts: [{mountPath: /x, name: cache}]\n      imagePullSecrets: [{name: pull}]\n",
    ),
    "patch of a service's ports": _top(
        "patches:\n  - patch: |\n      apiVersion: v1\n      kind: Service\n      metadata: {name: serve}\n"
        "      spec: {type: LoadBalancer, ports: [{port: 443, targetPort: 8443}]}\n"
    ),
    "strategic patch adds a container": _top("patches: [{path: patch.yaml}]\n", patch_yaml=_SIDE + "      containers:\n        - {name: extra, image: 'registry.example.org/extra:1'}\n      hostNetwork: true\n"),
    "strategic patch inline": _top("patches:\n  - patch: |-\n      apiVersion: apps/v1\n      kind: Deployment\n      metadata: {name: serve}\n      spec:\n        replicas: 7\n        template: {spec: {containers: [{name: side, $patch: delete}]}}\n"),
    "old strategic patches": _top("patchesStrategicMerge:\n  - patch.yaml\n", patch_yaml=_SIDE + "      volumes:\n        - name: cache\n          $patch: delete\n        - name: settings\n          configMap: {name: others}\n"),
    "patch takes keys out": _top("patches: [{path: patch.yaml}]\n", patch_yaml=_SIDE + "      serviceAccountName: null\n      containers:\n        - name: model\n          args: null\n          ports: []\n"),
    "patch replaces": _top("patches: [{path: patch.yaml}]\n", patch_yaml=_SIDE + "      containers:\n        - $patch: replace\n        - {name: only, image: 'registry.example.org/only:1'}\n"),
    "patch deletes the object": _top("patches:\n  - patch: |\n      $patch: delete\n      apiVersion: v1\n      kind: ConfigMap\n      metadata: {name: settings}\n"),
    "patch by target": _top("patches:\n  - target: {kind: Deployment, name: 'se.*'}\n    patch: |-\n      - {op: replace, path: /spec/replicas, value: 3}\n      - {op: add, path: /spec/template/spec/containers/0/args/-, value: --debug}\n      - {op: remove, path: /spec/template/spec/containers/1}\n"),
    "patch by target with labels": _alone("patches:\n  - target: {labelSelector: 'app in (serve),!x'}\n    patch: |-\n      - {op: add, path: /metadata/annotations, value: {a: b}}\n"),
    "strategic patch by target": _top("patches:\n  - target: {kind: Deployment}\n    path: patch.yaml\n", patch_yaml=_SIDE.replace("serve", "ignored") + "      securityContext: {runAsNonRoot: true}\n"),
    "old json patches": _top("patchesJson6902:\n  - target: {group: apps, version: v1, kind: Deployment, name: serve}\n    path: patch.json\n", patch_json='[{"op": "add", "path": "/metadata/labels/a~1b", "value": "c"}, {"op": "move", "from": "/metadata/labels/app", "path": "/metadata/labels/name"}, {"op": "copy", "from": "/spec/replicas", "path": "/spec/revisionHistoryLimit"}]'),
    "patch of a custom resource": _alone("patches: [{path: patch.yaml}]\n", MORE, patch_yaml="apiVersion: serving.kserve.io/v1beta1\nkind: InferenceService\nmetadata: {name: llm}\nspec:\n  predictor:\n    minReplicas: 2\n    containers:\n      - {name: kserve-container, image: 'registry.example.org/serve:2.0.0'}\n"),
    "config map generator": _top("configMapGenerator:\n  - name: generated\n    literals: [a=1, 'b=x y', c='quoted']\n    files: [table.csv, renamed=table.csv]\n    envs: [some.env]\n", table_csv="a,b\n1,2\n", some_env="# note\nX=1\nY=two\n"),
    "generator merges": _top("configMapGenerator:\n  - {name: settings, behavior: merge, literals: [mode=fast, more=1]}\n"),
    "secret generator": _top("generatorOptions: {disableNameSuffixHash: true, labels: {made: 'yes'}}\nsecretGenerator:\n  - {name: keys, type: Opaque, literals: [api=abc], options: {annotations: {note: x}, immutable: true}}\n"),
    "generated names are followed": _top("namePrefix: p-\nsecretGenerator:\n  - {name: keys, literals: [api=abc]}\n"),
    "component": {**_top("components: [../part]\n"), "part/kustomization.yaml": "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nresources: [extra.yaml]\npatches:\n  - patch: |-\n      apiVersion: apps/v1\n      kind: Deployment\n      metadata: {name: serve}\n      spec: {replicas: 2}\n", "part/extra.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: extra}\ndata: {a: b}\n"},
    "overlay of an overlay": {**{name.replace("top/", "middle/"): body for name, body in _top("namePrefix: m-\nnamespace: mid\n").items()}, "top/kustomization.yaml": "resources: [../middle]\nnamePrefix: t-\nnamespace: top\npatches:\n  - patch: |-\n      apiVersion: apps/v1\n      kind: Deployment\n      metadata: {name: serve}\n      spec: {replicas: 5}\n"},
    "replacements": _top("replacements:\n  - source: {kind: ConfigMap, name: settings, fieldPath: data.mode}\n    targets:\n      - select: {kind: Deployment}\n        fieldPaths: ['spec.template.spec.containers.[name=model].env.[name=MODEL].value', 'metadata.annotations.mode']\n        options: {create: true}\n  - source: {kind: Service, name: serve}\n    targets:\n      - select: {kind: Deployment}\n        fieldPaths: [spec.template.spec.containers.0.image]\n        options: {delimiter: ':', index: 1}\n"),
    "a list of objects": _alone("namePrefix: l-\n", "apiVersion: v1\nkind: List\nitems:\n  - {apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {x: '1'}}\n  - {apiVersion: v1, kind: ConfigMap, metadata: {name: b}}\n"),
    "tolerations and probes are replaced": _alone("patches: [{path: patch.yaml}]\n", DEPLOYMENT.replace("      volumes:", "      tolerations: [{key: gpu, operator: Exists}]\n      volumes:"), patch_yaml=_SIDE + "      tolerations: [{key: spot, operator: Exists}]\n      volumes:\n        - {name: new, emptyDir: {medium: Memory}}\n"),
    "bases by the old key": {**BASE, "top/kustomization.yml": "bases: [../base]\nnamePrefix: o-\n"},
}  # fmt: skip
