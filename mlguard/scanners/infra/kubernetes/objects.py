"""The objects of manifests, each with the place of everything that it says."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from mlguard.artifacts import Artifact
from mlguard.errors import Unreadable
from mlguard.findings import Gap
from mlguard.scanners import Context, decode, lazy, read_bytes
from mlguard.scanners.infra.resources import Unknown, reference
from mlguard.scanners.infra.yamltree import MAX_BYTES, Tree, parse
from mlguard.values import dataclass, field, replace

if TYPE_CHECKING:
    from mlguard.scanners.infra.kubernetes.pods import Pod

_HELM = lazy.pattern(
    r"\{\{-?\s*(?:if|else|end|range|with|define|template|include|toYaml|block|tpl|printf|/\*|\$|\.(?:Values|Release|Chart|Capabilities|Files|Template)\b)|\{%"
)
CLUSTER_KINDS = frozenset(
    {
        "Namespace",
        "ClusterRole",
        "ClusterRoleBinding",
        "PersistentVolume",
        "StorageClass",
        "Node",
        "CustomResourceDefinition",
        "PriorityClass",
        "GatewayClass",
        "IngressClass",
    }
)


@dataclass(slots=True)
class Object:
    """One object of a manifest."""

    path: str
    tree: Tree
    kind: str
    group: str
    name: str
    namespace: str
    format: str = "kubernetes"  # or helm, kustomize: what rendered it
    fragment: bool = False
    pods: list[Pod] = field(default_factory=list)

    @property
    def address(self) -> str:
        scope = "" if self.kind in CLUSTER_KINDS else f"{self.namespace or 'default'}/"
        return f"{self.kind}/{scope}{self.name}"

    @property
    def value(self) -> dict[str, Any]:
        value: dict[str, Any] = self.tree.value
        return value

    def at(self, *path: str | int) -> Any:
        """Return the plain value at a path, or None."""
        node = self.tree.get(*path)
        return None if node is None else node.value


def load(artifact: Artifact, context: Context, charts: set[str]) -> Iterator[Object | Gap]:
    data = read_bytes(context, artifact.path, MAX_BYTES)
    if b"apiVersion" not in data and data[:2] not in (b"\xff\xfe", b"\xfe\xff"):
        return
    text = decode(data)
    folders = [str(folder) for folder in PurePosixPath(artifact.path).parents]
    chart = any(folder in charts for folder in folders) and "/templates/" in f"/{artifact.path}"
    skipped = Gap(
        "infra", artifact.path, "skipped", "Helm and other templates are not evaluated in this version",
        "render the chart (helm template) and scan the result",
    )  # fmt: skip
    if ("{{" in text or "{%" in text) and (chart or _HELM.search(_without_text(text))):
        yield skipped
        return
    try:
        documents = parse(_without_schemas(text))
    except Unreadable:
        if "{{" in text:
            yield skipped
            return
        if artifact.kind != "kubernetes":
            return  # nothing says that this was meant to be a manifest
        raise
    if any(tree.templated for tree in documents.trees):
        yield skipped
        return
    if documents.broken:
        yield Gap("infra", artifact.path, "unreadable", documents.broken)
    trees = [_opened(tree) for tree in documents.trees] if "${" in text else documents.trees
    found = [one for tree in trees for one in objects_of(tree, artifact.path)]
    if found:
        for line in documents.duplicates[:20]:
            yield Gap(
                "infra",
                artifact.path,
                "unresolved",
                f"line {line}: a key stands twice in one mapping, and only the last one counts",
            )
    yield from found


_VARIABLE = lazy.pattern(r"^\$\{([A-Za-z_]\w*)\}$")


def _opened(tree: Tree) -> Tree:
    """Return a document with what a later step puts in (envsubst, Flux) as not known: values that are a variable alone."""
    if isinstance(tree.value, dict) and tree.value.get("kind") in ("ConfigMap", "Secret"):
        return tree
    if isinstance(tree.value, str):
        match = _VARIABLE.match(tree.value) if tree.value.startswith("${") else None
        return replace(tree, value=reference(f"variable {match[1]}")) if match else tree
    if isinstance(tree.children, Mapping):
        held = {key: _opened(child) for key, child in tree.children.items()}
        if all(child is tree.children[key] for key, child in held.items()):
            return tree
        return replace(tree, value={**tree.value, **{key: child.value for key, child in held.items()}}, children=held)
    listed_ = tuple(map(_opened, tree.children))
    if all(one is other for one, other in zip(listed_, tree.children, strict=True)):
        return tree
    return replace(tree, value=[one.value for one in listed_], children=listed_)


_SCHEMA = lazy.pattern(r"(?m)^kind:[ \t]*[\"']?CustomResourceDefinition\b")


def _without_schemas(text: str) -> str:
    """Return the text with definitions of resource types blanked: long schemas that no rule looks at. Lines keep their numbers."""
    if not _SCHEMA.search(text):
        return text
    parts = re.split(r"(?m)^(---.*)$", text)
    return "".join("\n" * part.count("\n") if _SCHEMA.search(part) else part for part in parts)


_QUOTED = lazy.pattern(r"\"(?:[^\"\\\n]|\\.)*\"|'[^'\n]*'|`[^`\n]*`")


def _without_text(text: str) -> str:
    """Return the text without quoted strings, comments and the body of block scalars, which may hold foreign templates."""
    kept: list[str] = []
    block = -1
    for line in text.split("\n"):
        indent = len(line) - len(line.lstrip())
        if block >= 0 and line.strip() and indent <= block:
            block = -1
        if block >= 0 and not line.lstrip().startswith(("{{-", "{%")):
            continue
        if re.search(r"[:\-]\s+[|>][-+0-9]*\s*(?:#.*)?$", line):
            block = indent
        quoted = _QUOTED.findall(line)
        kept += [one for one in quoted if re.search(r"\{\{-?\s*(?:\.(?:Values|Release|Chart)\b|include|tpl)", one)]
        kept.append(_QUOTED.sub("", line).split(" #", 1)[0])
    return "\n".join(kept)


def objects_of(tree: Tree, path: str, format: str = "kubernetes") -> Iterator[Object]:
    """Yield the objects of one document, those of a list each for itself. What names no kind and version is none."""
    yield from _found(path, tree, format, 0)


def _found(path: str, tree: Tree, format: str, depth: int) -> Iterator[Object]:
    value = tree.value
    if not isinstance(value, dict) or not isinstance(value.get("kind"), str) or depth > 3:
        return
    api = value.get("apiVersion")
    items = tree.get("items")
    if value["kind"].endswith("List") and items is not None and isinstance(items.value, list):
        for _, item in items.items():
            yield from _found(path, item, format, depth + 1)
        return
    if not isinstance(api, str):
        return
    metadata = value.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    name = metadata.get("name") or metadata.get("generateName") or ""
    namespace = metadata.get("namespace") or ""
    group = api.rpartition("/")[0] if "/" in api else ""
    yield Object(path, tree, value["kind"], group, plain(name), plain(namespace), format)


def unknown(value: Any) -> bool:
    """Say whether a value is only known when something runs: one of a template, or of another resource."""
    return isinstance(value, Unknown) or (isinstance(value, str) and "\ue000" in value)


def vague(selector: Any) -> bool:
    """Say whether a label selector asks for something that is not known."""
    value = mapping(selector)
    held = mapping(value.get("matchLabels")) if "matchLabels" in value else value
    return unknown(selector) or any(map(unknown, (value.get("matchLabels"), *held.values())))


def plain(value: Any) -> str:
    """Return a scalar as text; "" for nothing, for what holds other values, and for what is not known."""
    if isinstance(value, Unknown):
        return ""
    return value if isinstance(value, str) else "" if value is None or isinstance(value, (dict, list)) else str(value)


def mapping(value: Any) -> dict[str, Any]:
    """Return a mapping as it is, and anything else as an empty one."""
    return value if isinstance(value, dict) else {}


def listed(value: Any) -> list[Any]:
    """Return a list as it is, and anything else as an empty one."""
    return value if isinstance(value, list) else []


def same_namespace(first: Object, second: Object) -> bool:
    """Say whether two objects stand in one namespace. One that names none is put there by whoever applies it."""
    return not first.namespace or not second.namespace or first.namespace == second.namespace
