"""What roles allow, to whom bindings give it, and which workloads reach it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from mlguard import facts, lazy
from mlguard.scanners.infra.kubernetes.joins import MAX_SELECTING, Named
from mlguard.scanners.infra.kubernetes.objects import Object, listed, mapping, plain
from mlguard.scanners.infra.kubernetes.places import Places
from mlguard.scanners.infra.resources import Position
from mlguard.values import dataclass

_WATCHED = frozenset({"get", "list", "watch", "*"})
_CHANGED = frozenset({"create", "update", "patch", "*"})
_ANY = frozenset({"*"})
_BUILT_IN: Mapping[str, list[dict[str, Any]]] = {
    "cluster-admin": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}],
    "admin": [{"apiGroups": [""], "resources": ["secrets", "pods/exec"], "verbs": ["get", "list", "watch", "create"]}],
    "edit": [{"apiGroups": [""], "resources": ["secrets", "pods/exec"], "verbs": ["get", "list", "watch", "create"]}],
    "view": [{"apiGroups": [""], "resources": ["pods", "configmaps"], "verbs": ["get", "list", "watch"]}],
}
"""The roles of every cluster, as far as a check asks about them."""

_BROAD: Mapping[str, tuple[Mapping[str, Any], ...]] = {
    "admin": ({"verbs": ["*"], "resources": ["*"]},),
    "edit": ({"verbs": ["*"], "resources": ["*"]},),
    "view": ({"verbs": ["get"], "resources": ["*"]},),
}
"""The same roles for the graph of who reaches what."""


def _texts(value: Any) -> list[str]:
    return [plain(item) for item in listed(value)]


def reads_secrets(rule: Mapping[str, Any]) -> bool:
    """Say whether a rule lets read every secret of its namespace or of the cluster."""
    groups = _texts(rule.get("apiGroups"))
    return (
        "secrets" in _texts(rule.get("resources"))
        and not _WATCHED.isdisjoint(_texts(rule.get("verbs")))
        and not rule.get("resourceNames")
        and (not groups or "" in groups or "*" in groups)
    )


def escalation(rule: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return what a rule lets somebody do beyond its own rights, and the key of the rule that says so, or None."""
    verbs, resources = set(_texts(rule.get("verbs"))), set(_texts(rule.get("resources")))
    if rule.get("resourceNames"):
        if not any(map(_MASTERS.search, _texts(rule.get("resourceNames")))):
            return None
        resources &= _NAMED
    for verb, about, text in _VERBS:
        if verb in verbs and not resources.isdisjoint(about | _ANY):
            return text, "verbs"
    for about, needed, text in _RESOURCES:
        if not resources.isdisjoint(about) and not verbs.isdisjoint(needed):
            return text, "resources"
    return None


_ROLES = frozenset({"roles", "clusterroles"})
_MASTERS = lazy.pattern(
    r"^(?:system:masters|system:admin|cluster-admin|admin|kubernetes\.io/(?:kube-apiserver-client|\*))$"
)
"""Names that are as good as all of them."""

_NAMED = frozenset({"users", "groups", "clusterroles", "signers"})
_VERBS = (
    ("escalate", _ROLES, "give itself any right (escalate)"),
    ("bind", _ROLES, "bind any role (bind)"),
    ("impersonate", frozenset({"users", "groups", "serviceaccounts", "uids"}), "act as somebody else (impersonate)"),
    ("approve", frozenset({"signers"}), "approve certificates"),
    ("sign", frozenset({"signers"}), "sign certificates"),
)
_RESOURCES: tuple[tuple[frozenset[str], frozenset[str], str], ...] = (
    (frozenset({"pods/exec", "pods/attach"}), frozenset({"create", "get", "*"}), "run commands in pods"),
    (frozenset({"pods/ephemeralcontainers"}), frozenset({"update", "patch", "*"}), "put containers into pods"),
    (frozenset({"serviceaccounts/token"}), frozenset({"create", "*"}), "make tokens of service accounts"),
    (frozenset({"nodes/proxy"}), frozenset({"get", "create", "*"}), "reach every pod through its node"),
    (frozenset({"persistentvolumes"}), frozenset({"create", "*"}), "make volumes of any path of a node"),
    (
        frozenset({"mutatingwebhookconfigurations", "validatingwebhookconfigurations"}),
        _CHANGED,
        "control the webhooks that see every request",
    ),
    (
        frozenset({"certificatesigningrequests/approval", "certificatesigningrequests/status"}),
        frozenset({"update", "patch", "*"}),
        "approve certificates",
    ),
)


def rights(one: Object, positions: Places) -> dict[str, Any]:
    """Return ``reads_secrets`` and ``escalations`` of a role, and enter their places."""
    reads = False
    found: list[dict[str, str]] = []
    for index, rule in enumerate(map(mapping, listed(one.at("rules")))):
        if reads_secrets(rule) and not reads:
            reads = True
            positions[("reads_secrets",)] = _place(positions, index, "resources")
        escalates = escalation(rule)
        if escalates is not None:
            place = _place(positions, index, escalates[1])
            positions[("escalations", len(found))] = positions[("escalations", len(found), "what")] = place
            found.append({"what": escalates[0]})
    return {"reads_secrets": reads, "escalations": found}


def _place(positions: Places, index: int, key: str) -> Position:
    return next(positions[path] for path in (("rules", index, key), ("rules", index), ()) if path in positions)


@dataclass(frozen=True, slots=True)
class Right:
    """A role that an account has by a binding."""

    binding: Object
    role: str
    rules: tuple[Mapping[str, Any], ...]
    known: bool  # the role is in the files, or every cluster has it


class Accounts:
    """Bindings by the service account that they name."""

    def __init__(self, bindings: list[Object], objects: Named, clusterroles: list[Object]) -> None:
        self._objects = objects
        self._aggregated = _aggregated(clusterroles)
        self._bound: dict[tuple[str, str], list[Object]] = defaultdict(list)
        self._by_name: dict[str, list[Object]] = defaultdict(list)
        self._rules: dict[int, tuple[tuple[Mapping[str, Any], ...], bool]] = {}
        for binding in bindings:
            for subject in map(mapping, listed(binding.at("subjects"))):
                if plain(subject.get("kind")) == "ServiceAccount":
                    place = plain(subject.get("namespace")) or binding.namespace
                    self._bound[place, plain(subject.get("name"))].append(binding)
                    self._by_name[plain(subject.get("name"))].append(binding)

    def rights(self, account: str, namespace: str) -> list[Right]:
        """Return the roles of a service account. One without a namespace may be that of any."""
        if namespace:
            bindings = [*self._bound.get((namespace, account), []), *self._bound.get(("", account), [])]
        else:
            bindings = self._by_name.get(account, [])
        return [self.right(binding) for binding in bindings[:MAX_SELECTING]]

    def right(self, binding: Object) -> Right:
        """Return what a binding gives."""
        key = id(binding)
        role = mapping(binding.value.get("roleRef"))
        name = plain(role.get("name"))
        if key not in self._rules:
            self._rules[key] = self._rules_of(plain(role.get("kind")), name, binding)
        rules, known = self._rules[key]
        return Right(binding, name, rules, known)

    def _rules_of(self, kind: str, name: str, binding: Object) -> tuple[tuple[Mapping[str, Any], ...], bool]:
        found = self._objects.get(kind, name, binding)
        if found is not None:
            own = [mapping(rule) for rule in listed(found.at("rules"))]
            return (*own, *self._aggregated.get(name, ())), True
        if kind == "ClusterRole" and name in _BUILT_IN:
            return tuple(_BUILT_IN[name]), True
        return (), False


def _aggregated(clusterroles: list[Object]) -> dict[str, list[Mapping[str, Any]]]:
    """Return the rules that cluster roles take from others by their labels."""
    from mlguard.scanners.infra.kubernetes.joins import Selecting

    selecting = Selecting(
        (one, mapping(selector))
        for one in clusterroles
        for selector in listed(mapping(one.at("aggregationRule")).get("clusterRoleSelectors"))
    )
    found: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for one in clusterroles:
        for taker in selecting.picking(one, mapping(one.at("metadata", "labels"))):
            if taker is not one:
                found[taker.name] += map(mapping, listed(one.at("rules")))
    return found


def dangers(right: Right) -> Iterator[str]:
    """Yield what an account could do with a role that a workload should not be able to."""
    for rule in right.rules:
        resources, verbs = set(_texts(rule.get("resources"))), set(_texts(rule.get("verbs")))
        if "*" in verbs and "*" in resources:
            yield "everything"
        elif "*" in verbs or "*" in resources:
            yield "a wildcard"
        elif reads_secrets(rule):
            yield "every secret"
        elif (escalates := escalation(rule)) is not None:
            yield escalates[0]


def grants(one: Object, right: Right) -> Iterator[facts.Grant]:
    """Yield who may do what by a binding."""
    subjects = one.tree.get("subjects")
    for _, node in subjects.items() if subjects is not None else ():
        subject = mapping(node.value)
        own = one.namespace if subject.get("kind") == "ServiceAccount" else ""
        place = plain(subject.get("namespace")) or own
        principal = f"{plain(subject.get('kind'))}:{place + '/' if place else ''}{plain(subject.get('name'))}"
        for rule in _BROAD.get(right.role, right.rules) if right.known else ():
            verbs, resources = (tuple(sorted(_texts(rule.get(key)))) for key in ("verbs", "resources"))
            yield facts.Grant(principal, verbs, resources, one.path, node.at.line, one.address)


_CLOUD_IDENTITIES = {
    "eks.amazonaws.com/role-arn": "aws",
    "iam.gke.io/gcp-service-account": "gcp",
    "azure.workload.identity/client-id": "azure",
}


def cloud_identity(account: Object) -> Iterator[facts.Grant]:
    """Yield the identity of a cloud that pods of a service account take on."""
    notes = account.tree.get("metadata", "annotations")
    for key, node in notes.items() if notes is not None else ():
        if key in _CLOUD_IDENTITIES and isinstance(node.value, str) and node.value:
            place = f"{account.namespace}/" if account.namespace else ""
            yield facts.Grant(
                f"ServiceAccount:{place}{account.name}",
                ("assume",),
                (node.value,),
                account.path,
                node.at.line,
                account.address,
            )
