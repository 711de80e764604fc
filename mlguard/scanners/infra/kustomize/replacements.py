"""Replacements: a value of one object put into fields of others (https://kubectl.docs.kubernetes.io/references/kustomize/kustomization/replacements/)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from mlguard.scanners import lazy
from mlguard.scanners.infra.kustomize.transforms import Doc
from mlguard.scanners.infra.treeedits import Keys, entries, is_list, is_mapping, items, made, plain, put
from mlguard.scanners.infra.yamltree import Tree

_PART = lazy.pattern(r"(?:\[[^\]]*\]|\\\.|[^.\[])+|\[[^\]]*\]")


def replaced(docs: Sequence[Doc], entry: Tree) -> bool:
    """Apply one replacement; say whether its source and at least one target were found."""
    source = entry.get("source")
    origin = next((doc for doc in docs if source is not None and _chosen(doc, source)), None)
    if source is None or origin is None:
        return False
    keys = next(iter(_places(origin.tree, _parts(plain(source.get("fieldPath")) or "metadata.name"), False)), None)
    node = origin.tree.get(*keys) if keys is not None else None
    if node is None:
        return False
    value = _piece(plain(node), source.get("options")) if source.get("options") is not None else node.value
    done = False
    for target in items(entry.get("targets")):
        select, rejects = target.get("select"), items(target.get("reject"))
        for doc in docs:
            if select is None or not _chosen(doc, select) or any(_chosen(doc, one) for one in rejects):
                continue
            done = _fill(doc, target, value, node) or done
    return done


def _fill(doc: Doc, target: Tree, value: object, node: Tree) -> bool:
    options = target.get("options")
    create = plain(options.get("create")) == "true" if options is not None else False
    done = False
    for path in items(target.get("fieldPaths")):
        for keys in list(_places(doc.tree, _parts(plain(path)), create)):
            old = doc.tree.get(*keys)
            if old is None and not create:
                continue
            new = (
                _inserted(plain(old), str(value), options)
                if options is not None and options.get("delimiter")
                else value
            )
            doc.tree = put(doc.tree, keys, made(new, node.at))
            done = True
    return done


def _piece(text: str, options: Tree | None) -> str:
    delimiter = plain(options.get("delimiter")) if options is not None else ""
    if not delimiter:
        return text
    parts = text.split(delimiter)
    index = _index(options)
    return parts[index] if 0 <= index < len(parts) else text


def _inserted(old: str, value: str, options: Tree) -> str:
    delimiter = plain(options.get("delimiter"))
    parts, index = old.split(delimiter), _index(options)
    if index < 0:
        return delimiter.join([value, *parts])
    if index >= len(parts):
        return delimiter.join([*parts, value])
    return delimiter.join([*parts[:index], value, *parts[index + 1 :]])


def _index(options: Tree | None) -> int:
    text = plain(options.get("index")) if options is not None else ""
    return int(text) if re.fullmatch(r"-?\d{1,4}", text) else 0


def _chosen(doc: Doc, select: Tree) -> bool:
    wanted = {key: plain(node) for key, node in entries(select).items()}
    return (
        wanted.get("kind", doc.kind) == doc.kind
        and wanted.get("group", doc.group) == doc.group
        and wanted.get("version", doc.version) == doc.version
        and ("name" not in wanted or wanted["name"] in [name for name, _ in doc.names()])
        and ("namespace" not in wanted or wanted["namespace"] in [place or "default" for _, place in doc.names()])
    )


def _parts(path: str) -> list[str]:
    return [part.replace("\\.", ".") for part in _PART.findall(path)]


def _places(tree: Tree, parts: Sequence[str], create: bool) -> Iterator[Keys]:
    """Yield where a field path leads: ``a.b``, ``list.0``, ``list.*``, ``list.[name=x].c``."""
    if not parts:
        yield ()
        return
    part, rest = parts[0], parts[1:]
    if is_list(tree):
        for index, item in enumerate(items(tree)):
            match = re.fullmatch(r"\[([^=\]]*)=([^\]]*)\]", part)
            if (match and plain(item.get(match[1]) if match[1] else item) == match[2]) or part in ("*", str(index)):
                yield from ((index, *keys) for keys in _places(item, rest, create))
        return
    if not is_mapping(tree):
        return
    key = part[1:-1] if part.startswith("[") and part.endswith("]") and "=" not in part else part
    for name in list(entries(tree)) if key == "*" else [key]:
        child = tree.get(name)
        if child is not None:
            yield from ((name, *keys) for keys in _places(child, rest, create))
        elif create:
            yield (name, *rest)
