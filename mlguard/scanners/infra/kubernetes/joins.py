"""Objects by name and by the labels that they select, so that no join looks at each pair."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from mlguard.scanners.infra.inventory import selects
from mlguard.scanners.infra.kubernetes.objects import Object, mapping, same_namespace

MAX_SELECTING = 100
"""Objects of one index that are looked at for one pod."""


def _pairs(selector: Any) -> list[tuple[str, str]]:
    value = mapping(selector)
    plain = mapping(value.get("matchLabels")) if "matchLabels" in value or "matchExpressions" in value else value
    return [(str(key), item) for key, item in plain.items() if isinstance(item, str)]


class Selecting:
    """Objects found by the labels that their selectors ask for, in any namespace that may be the pod's."""

    def __init__(self, entries: Iterable[tuple[Object, Any]]) -> None:
        held = [(one, selector) for one, selector in entries if isinstance(selector, dict)]
        self._empty = not held
        self._told: dict[tuple[str, tuple[tuple[str, str], ...]], list[Object]] = {}
        asked = Counter((one.namespace, pair) for one, selector in held for pair in _pairs(selector))
        self._near: dict[tuple[str, tuple[str, str]], list[tuple[Object, Any]]] = defaultdict(list)
        self._anywhere: dict[tuple[str, str], list[tuple[Object, Any]]] = defaultdict(list)
        self._rest: dict[str, list[tuple[Object, Any]]] = defaultdict(list)
        for one, selector in held:
            pairs = _pairs(selector)
            if not pairs:
                self._rest[one.namespace].append((one, selector))
                continue
            rarest = min(pairs, key=lambda pair: asked[one.namespace, pair])
            self._near[one.namespace, rarest].append((one, selector))
            self._anywhere[rarest].append((one, selector))

    def picking(self, pod: Object, labels: Mapping[str, Any]) -> list[Object]:
        """Return the objects that select a pod with these labels, in the order of the files."""
        if self._empty:
            return []
        pairs = tuple(sorted((str(key), value) for key, value in labels.items() if isinstance(value, str)))
        key = pod.namespace, pairs
        if key not in self._told:
            self._told[key] = [
                one
                for one, selector in self._candidates(pod, labels)
                if same_namespace(one, pod) and selects(selector, labels) is True
            ]
        return self._told[key]

    def _candidates(self, pod: Object, labels: Mapping[str, Any]) -> Iterator[tuple[Object, Any]]:
        count = 0
        for entries in self._lists(pod.namespace, labels):
            for entry in entries:
                count += 1
                if count > MAX_SELECTING:
                    return
                yield entry

    def _lists(self, namespace: str, labels: Mapping[str, Any]) -> Iterator[list[tuple[Object, Any]]]:
        pairs = [(key, value) for key, value in labels.items() if isinstance(value, str)]
        for pair in pairs:
            if namespace:
                yield self._near.get((namespace, pair), [])
                yield self._near.get(("", pair), [])
            else:
                yield self._anywhere.get(pair, [])
        for place in (namespace, "") if namespace else islice(self._rest, MAX_SELECTING):
            yield self._rest.get(place, [])


class Named:
    """Objects by kind and name; one without a namespace may stand in any."""

    def __init__(self, objects: Iterable[Object]) -> None:
        self._held: dict[tuple[str, str], list[Object]] = defaultdict(list)
        for one in objects:
            self._held[one.kind, one.name].append(one)

    def get(self, kind: str, name: str, near: Object) -> Object | None:
        """Return the object of this kind and name that stands where ``near`` does, or None."""
        found = self._held.get((kind, name), [])[:MAX_SELECTING]
        exact = next((one for one in found if one.namespace == near.namespace), None)
        return exact or next((one for one in found if same_namespace(one, near)), None)

    def has(self, kind: str, name: str) -> bool:
        """Say whether there is an object of this kind and name in any namespace."""
        return (kind, name) in self._held
