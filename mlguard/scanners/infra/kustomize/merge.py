"""Strategic merge patches and JSON patches over trees.

The keys by which lists are merged are those of the Kubernetes API (x-kubernetes-patch-merge-key in its OpenAPI document,
https://github.com/kubernetes/kubernetes/tree/master/api/openapi-spec); lists of other types are replaced. JSON patches
are RFC 6902.
"""

from __future__ import annotations

from mlguard.scanners.infra.treeedits import entries, is_list, is_mapping, items, mapping, plain, sequence
from mlguard.scanners.infra.yamltree import Tree

MERGE_KEYS: dict[str, tuple[str, ...]] = {
    "containers": ("name",), "initContainers": ("name",), "ephemeralContainers": ("name",), "volumes": ("name",),
    "env": ("name",), "volumeMounts": ("mountPath",), "volumeDevices": ("devicePath",), "imagePullSecrets": ("name",),
    "hostAliases": ("ip", "hostnames"), "ports": ("containerPort", "port"), "topologySpreadConstraints": ("topologyKey",),
    "secrets": ("name",), "webhooks": ("name",), "ownerReferences": ("uid",), "schedulingGates": ("name",),
    "resourceClaims": ("name",), "claims": ("name",), "conditions": ("type",),
}  # fmt: skip
"""By the name of the list, the key that names its items: the first that the items have."""


class Refused(Exception):
    """A patch that cannot be applied; the text says why and quotes nothing."""


def merged(base: Tree, patch: Tree, name: str = "", known: bool = True) -> Tree | None:
    """Return ``base`` with a strategic merge patch applied; None when the patch takes it out.

    ``known`` says that the object is of a built-in type, whose lists have merge keys.
    """
    if is_mapping(base) and is_mapping(patch):
        return _mappings(base, patch, known)
    if is_list(base) and is_list(patch) and known:
        key = _merge_key(name, base, patch)
        if key:
            return _lists(base, patch, key)
    return cleaned(patch)


def cleaned(patch: Tree) -> Tree:
    """Return what a patch adds, without its directives and the keys that it takes out."""
    if is_mapping(patch):
        kept = {k: cleaned(c) for k, c in entries(patch).items() if not k.startswith("$") and c.value is not None}
        return mapping(kept, patch.at)
    if is_list(patch):
        return sequence([cleaned(one) for one in items(patch) if plain(one.get("$patch")) != "delete"], patch.at)
    return patch


def _mappings(base: Tree, patch: Tree, known: bool) -> Tree | None:
    asked = entries(patch)
    directive = plain(asked.get("$patch"))
    if directive == "delete":
        return None
    if directive == "replace":
        return cleaned(patch)
    children = entries(base)
    if "$retainKeys" in asked:
        kept = {plain(one) for one in items(asked["$retainKeys"])}
        children = {key: child for key, child in children.items() if key in kept}
    for key, change in asked.items():
        if key.startswith("$deleteFromPrimitiveList/"):
            _without(children, key.partition("/")[2], change)
        elif key.startswith("$"):
            continue
        elif change.value is None:
            children.pop(key, None)
        elif key in children:
            result = merged(children[key], change, key, known)
            if result is None:
                del children[key]
            else:
                children[key] = result
        elif plain(change.get("$patch")) != "delete":
            children[key] = cleaned(change)
    return mapping(children, base.at)


def _without(children: dict[str, Tree], name: str, taken: Tree) -> None:
    gone = [one.value for one in items(taken)]
    if name in children:
        children[name] = sequence([one for one in items(children[name]) if one.value not in gone], children[name].at)


def _merge_key(name: str, base: Tree, patch: Tree) -> str:
    for key in MERGE_KEYS.get(name, ()):
        found = [one for one in (*items(base), *items(patch)) if plain(one.get("$patch")) != "replace"]
        if all(is_mapping(one) and one.get(key) is not None for one in found):
            return key
    return ""


def _lists(base: Tree, patch: Tree, key: str) -> Tree:
    """Return a list merged by a key; what the patch names comes first, in its order, as kustomize puts it."""
    changes = items(patch)
    if any(plain(one.get("$patch")) == "replace" for one in changes):
        return sequence([cleaned(one) for one in changes if "$patch" not in entries(one)], patch.at)
    left = list(items(base))
    first: list[Tree] = []
    for change in changes:
        wanted = _of(change, key)
        held = next((one for one in left if _of(one, key) == wanted), None)
        left = [one for one in left if _of(one, key) != wanted]
        if plain(change.get("$patch")) != "delete":
            result = merged(held, change) if held is not None else cleaned(change)
            first += [result] if result is not None else []
    return sequence([*first, *left], base.at)


def _of(item: Tree, key: str) -> object:
    node = item.get(key)
    return node.value if node is not None else None


# JSON patches


def operated(tree: Tree, operations: Tree) -> Tree:
    """Return the tree with the operations of a JSON patch applied in their order. Raises Refused."""
    for operation in items(operations):
        tree = _operated(tree, operation)
    return tree


def _operated(tree: Tree, operation: Tree) -> Tree:
    name, path = plain(operation.get("op")), _pointer(plain(operation.get("path")))
    value = operation.get("value")
    match name:
        case "add" | "replace":
            if value is None:
                raise Refused(f"an operation {name!r} of a JSON patch has no value")
            return _set(tree, path, value, name == "add")
        case "remove":
            return _remove(tree, path)
        case "move" | "copy":
            source = _pointer(plain(operation.get("from")))
            node = _at(tree, source)
            if node is None:
                raise Refused("an operation of a JSON patch starts from something that is not there")
            return _set(_remove(tree, source) if name == "move" else tree, path, node, True)
        case "test":
            node = _at(tree, path)
            if node is None or value is None or node.value != value.value:
                raise Refused("the test in a JSON patch does not hold")
            return tree
    raise Refused("a JSON patch has an operation that is not known")


def _pointer(text: str) -> list[str]:
    return [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:]]


def _at(tree: Tree, path: list[str]) -> Tree | None:
    node: Tree | None = tree
    for part in path:
        if node is None:
            return None
        node = node.get(int(part)) if is_list(node) and part.isdigit() else node.get(part)
    return node


def _set(tree: Tree, path: list[str], value: Tree, add: bool) -> Tree:
    if not path:
        return value
    part, rest = path[0], path[1:]
    if is_list(tree):
        old = items(tree)
        if part == "-" and not rest and add:
            return sequence([*old, value], tree.at)
        if not part.isdigit() or int(part) >= len(old) + (1 if add and not rest else 0):
            raise Refused("a JSON patch names an element that is not there")
        at = int(part)
        if rest:
            return sequence([*old[:at], _set(old[at], rest, value, add), *old[at + 1 :]], tree.at)
        return sequence([*old[:at], value, *old[at + (0 if add else 1) :]], tree.at)
    if not is_mapping(tree):
        raise Refused("a JSON patch goes through something that is no mapping")
    children = entries(tree)
    if rest:
        if part not in children:
            raise Refused("a JSON patch names a key that is not there")
        children[part] = _set(children[part], rest, value, add)
    elif not add and part not in children:
        raise Refused("a JSON patch replaces a key that is not there")
    else:
        children[part] = value
    return mapping(children, tree.at)


def _remove(tree: Tree, path: list[str]) -> Tree:
    if not path or _at(tree, path) is None:
        raise Refused("a JSON patch takes out something that is not there")
    part, rest = path[0], path[1:]
    if is_list(tree):
        old, at = items(tree), int(part)
        return sequence([*old[:at], *([_remove(old[at], rest)] if rest else []), *old[at + 1 :]], tree.at)
    children = entries(tree)
    if rest:
        children[part] = _remove(children[part], rest)
    else:
        del children[part]
    return mapping(children, tree.at)
