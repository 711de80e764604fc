"""What the volumes of a pod reach on its node, and what they keep."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from mlguard.scanners import lazy
from mlguard.scanners.infra.kubernetes.objects import mapping, plain
from mlguard.scanners.infra.resources import Path, Position
from mlguard.scanners.infra.yamltree import Tree

_SENSITIVE = lazy.pattern(
    r"^/(?:$|(?:run|var|var/run|var/lib|dev)$|(?:etc|root|boot|proc|sys|home|var/lib/kubelet|var/lib/docker|var/lib/containerd|var/lib/etcd"
    r"|var/lib/rancher|var/lib/cni|var/run/secrets|run/containerd|run/docker|usr|bin|sbin|lib|lib64|var/log|opt/cni)(?:/.*)?$)"
    r"|(?:docker|containerd|crio|cri-dockerd|podman|kubelet)\.sock$"
)
_HARMLESS = lazy.pattern(
    r"^/(?:etc/(?:localtime|timezone|ssl/certs|pki/(?:ca-trust|tls/certs)|resolv\.conf)|usr/share/zoneinfo|usr/share/ca-certificates|sys/fs/bpf|run/udev"
    r"|home/kubernetes/|lib/modules|dev/shm)(?:/|$|\b)"
)
_ACCELERATOR = lazy.pattern(
    r"(?i)^/(?:dev/(?:nvidia\S*|dri|kfd|accel\d*|davinci\S*|infiniband|mem)|(?:usr|home|opt|run|var|etc)/\S*nvidia\S*|usr/lib(?:64)?/\S*lib(?:cuda|nvidia)\S*|usr/local/cuda\S*|opt/rocm\S*)(?:/|$)"
)


def _paths(spec: Tree) -> Iterator[tuple[str, Position]]:
    volumes = spec.get("volumes")
    for _, volume in volumes.items() if volumes is not None else ():
        node = volume.get("hostPath", "path")
        path = re.sub(r"/+", "/", plain(node.value)) if node is not None else ""
        path = path.rstrip("/") or ("/" if path else "")
        if node is not None and path:
            yield path, node.at


def host_mounts(spec: Tree) -> tuple[dict[str, list[dict[str, str]]], dict[Path, Position]]:
    """Return ``host_paths`` (files of the node that end the separation) and ``accelerator_paths``, with their places."""
    found: dict[str, list[dict[str, str]]] = {"host_paths": [], "accelerator_paths": []}
    positions: dict[Path, Position] = {}
    for path, at in _paths(spec):
        if _ACCELERATOR.search(path):
            name = "accelerator_paths"
        elif _SENSITIVE.search(path) and not _HARMLESS.search(path):
            name = "host_paths"
        else:
            continue
        index = len(found[name])
        positions[(name, index)] = positions[(name, index, "path")] = at
        found[name].append({"path": path})
    return found, positions


# Artifacts on volumes that nobody manages

_KEEPERS = lazy.pattern(
    r"(?i)(?:^|[\s/])mlflow(?:[:@/\s-]|$)|(?:^|/)minio(?:/minio)?(?:[:@]|$)|\bminio\s+server\b|(?:^|/)(?:ml-?pipeline|kubeflow)|(?:^|/)rayproject/ray|\bray\s+start\b|(?:^|/)(?:clearml|wandb/local|aimstack/aim)"
)
_ARTIFACTS = lazy.pattern(
    r"(?i)artifact|mlruns|mlflow|checkpoint|/models?(?:/|$)|results?(?:/|$)|/outputs?(?:/|$)|/experiments?(?:/|$)"
)
_OBJECTS = lazy.pattern(r"(?i)^/(?:data\d*|export|bitnami/minio|mnt/data|storage|minio)\b")
_NO_ARTIFACTS = lazy.pattern(r"(?i)^/(?:tmp|dev/shm|etc|var/run|run|root/\.cache|home/\w+/\.cache)(?:/(?!ray/).*)?$")


def artifact_volumes(
    spec: Tree, containers: list[tuple[str, Tree]], words: list[str]
) -> Iterator[tuple[str, str, Position]]:
    """Yield kind, mount path and place of each emptyDir or hostPath on which a tracking, object or training service keeps its artifacts."""
    volumes = spec.get("volumes")
    kinds: dict[str, tuple[str, Position]] = {}
    for _, volume in volumes.items() if volumes is not None else ():
        for kind in ("emptyDir", "hostPath"):
            node = volume.get(kind)
            if node is not None:
                kinds[plain(mapping(volume.value).get("name"))] = (kind, node.at)
    if not kinds:
        return
    seen: set[str] = set()
    for (_, container), text in zip(containers, words, strict=True):
        line = f"{plain(container.value.get('image'))} {text}"
        if not _KEEPERS.search(line):
            continue
        mounts: Any = container.value.get("volumeMounts")
        for mount in map(mapping, mounts if isinstance(mounts, list) else []):
            name, path = plain(mount.get("name")), plain(mount.get("mountPath")).rstrip("/")
            if name not in kinds or name in seen or not path or _NO_ARTIFACTS.match(path):
                continue
            named = len(path) > 1 and re.search(
                rf"(?:root|destination|server)\S*[= ]\S*{re.escape(path)}(?:/|\s|$)", line
            )
            if named or _ARTIFACTS.search(path) or ("minio" in line and _OBJECTS.match(path)):
                seen.add(name)
                yield kinds[name][0], path, kinds[name][1]
