"""From where the servers of models take their models."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mlguard.scanners import lazy
from mlguard.scanners.infra.kubernetes.objects import Object, plain
from mlguard.scanners.infra.kubernetes.places import Places
from mlguard.scanners.infra.resources import Path
from mlguard.scanners.infra.yamltree import Tree

MAX_DEPTH = 30
"""Levels below which no address of a model is looked for."""

_KEYS = frozenset({"storageUri", "modelUri", "sourceModelUri", "storage_uri", "model_uri"})
_SCHEMES = lazy.pattern(r"^(?:hf|https?|oci|s3|gs|az|abfss?|pvc|hdfs)://")
_DIGEST = lazy.pattern(
    r"@sha256:[0-9a-f]{64}|[?#&](?:sha256|versionId|generation|checksum)=|/(?:resolve|raw|blob)/[0-9a-f]{40}(?:/|$)"
)
_REVISION = lazy.pattern(r"^hf://[^/]+/[^/:@]+[:@][0-9a-f]{40}(?:/.*)?$")
_OPEN = lazy.pattern(r"\$[({]|\{\{|\ue000")


def model_sources(one: Object, positions: Places) -> dict[str, list[dict[str, str]]]:
    """Return ``moving_models`` (their address can lead to other weights) and ``unsigned_models`` (images of models without a digest)."""
    moving: list[dict[str, str]] = []
    unsigned: list[dict[str, str]] = []
    for path, node in _addresses(one.tree, (), 0):
        text = plain(node.value).strip()
        if _OPEN.search(text):
            continue
        if text.startswith("oci://") and "@sha256:" not in text:
            name, held = "unsigned_models", unsigned
        elif (
            text.startswith("hf://")
            and not _REVISION.match(text)
            or re.match("https?://", text)
            and not _DIGEST.search(text)
        ):
            name, held = "moving_models", moving
        else:
            continue
        positions[(name, len(held))] = positions[(name, len(held), "what")] = node.at
        what = "the hub without the hash of a commit" if text.startswith("hf://") else "an address without a digest"
        held.append({"what": "an image without a digest" if name == "unsigned_models" else what, "key": str(path[-1])})
    return {"moving_models": moving, "unsigned_models": unsigned}


def _addresses(tree: Tree, path: Path, depth: int) -> Iterator[tuple[Path, Tree]]:
    if depth > MAX_DEPTH:
        return
    for key, child in tree.items():
        if child.children:
            if key not in ("metadata", "status", "env"):
                yield from _addresses(child, (*path, key), depth + 1)
        elif isinstance(child.value, str):
            named = key in _KEYS or (
                key in ("uri", "url") and path[-1:] in (("model",), ("spec",)) and child.value[:5] == "hf://"
            )
            if named and _SCHEMES.match(child.value.strip()):
                yield (*path, key), child


SERVING_GROUPS = frozenset(
    {"serving.kserve.io", "machinelearning.seldon.io", "mlops.seldon.io", "kubeai.org", "serving.kubeflow.org"}
)
_MODEL_IMAGE = lazy.pattern(r"(?i)(?:^|[/_-])(?:models?|weights|modelcar|checkpoints?)(?:[/_:@-]|$)")
_NO_MODEL_IMAGE = lazy.pattern(
    r"(?i)model-?(?:server|serving|api|mesh|registry|controller|loader|downloader|puller|sync|monitor|gateway|service|runner|trainer|ui|operator)"
)


def model_image(image: str) -> bool:
    """Say whether an image that a pod starts or mounts first holds a model rather than a program."""
    name = image.partition("@")[0].rpartition(":")[0] or image
    return bool(_MODEL_IMAGE.search(name)) and not _NO_MODEL_IMAGE.search(name)
