"""Brings together what belongs to one principal: its statements, what they add up to, and the stages of ML work that use it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from mlguard import tables
from mlguard.scanners import lazy
from mlguard.scanners.infra import iam
from mlguard.scanners.infra.resources import REFERENCE, Path, Position, Resource, nearest, shown

MAX_HELD = 500
"""Statements of one principal."""

MAX_ENTERED = 200_000
"""Statements of all principals together, each counted once for each of its principals."""

_PRINCIPALS = ("aws_iam_role", "aws_iam_user", "aws_iam_group")
_ATTACHMENTS = {
    "aws_iam_policy_attachment": ("policy_arn", ("roles", "users", "groups")),
    "aws_iam_role_policy_attachment": ("policy_arn", ("role",)),
    "aws_iam_user_policy_attachment": ("policy_arn", ("user",)),
    "aws_iam_group_policy_attachment": ("policy_arn", ("group",)),
    "aws_iam_role_policy_attachments_exclusive": ("policy_arns", ("role_name",)),
    "aws_iam_user_policy_attachments_exclusive": ("policy_arns", ("user_name",)),
    "aws_iam_group_policy_attachments_exclusive": ("policy_arns", ("group_name",)),
    "aws_ssoadmin_customer_managed_policy_attachment": ("customer_managed_policy_reference", ("permission_set_arn",)),
}
_HOLDERS = ("role", "roles", "user", "users", "group", "groups")


def completed(resources: Sequence[Resource]) -> Iterator[Resource]:
    """Yield what follows from several resources together: principals with their statements, and uses of roles.

    Statements get ``boundary`` where their policy only bounds others, and ``escalations`` where they are a way to more rights.
    """
    policies = [one for one in resources if one.kind == "aws.iam.statement"]
    held = [one for one in policies if one.attributes.get("policy") == "identity"]
    shared = [one for one in policies if str(one.attributes.get("owner_kind")).startswith("aws_s3_bucket")]
    uses = list(_uses(resources))
    yield from uses
    if not held and not shared:
        return
    boundaries = {
        name
        for one in resources
        for path, names in one.references.items()
        if path[:1] == ("permissions_boundary",)
        for name in names
    }
    owners = _Owners(resources)
    statements: dict[str, list[Resource]] = defaultdict(list)
    for statement in held:
        if statement.attributes.get("owner") in boundaries and isinstance(statement.attributes, dict):
            statement.attributes["boundary"] = True
            continue
        for name in owners.of(statement):
            statements[name].append(statement)
    known = {id(one): _ways(one.attributes) for one in held}
    stages: dict[str, set[str]] = defaultdict(set)
    for use in uses:
        stages[use.attributes["role"]].add(use.attributes["stage"])
    stores = {one.address: _called(one) for one in resources if one.kind == "aws_s3_bucket"}
    granted: dict[str, list[Resource]] = defaultdict(list)
    for statement in shared:
        for name in owners.let_in(statement):
            granted[name].append(statement)
    for one in held:
        if not one.attributes.get("boundary"):
            _enter_escalations([one], known)
    left = MAX_ENTERED
    for name in sorted({*statements, *granted}):
        those = statements.get(name, [])
        left -= len(those)
        if left >= 0:
            _enter_escalations(those[:MAX_HELD], known)
        principal = owners.resource(name)
        if principal is not None and principal.kind == "aws_iam_role":
            rights = [*those, *granted.get(name, ())][:MAX_HELD]
            yield _principal(principal, rights, stages.get(name, set()), stores)


def _called(store: Resource) -> tuple[str, ...]:
    """Return what a store is called: its name, or that of its block, and what its tags say of it."""
    tags = store.attributes.get("effective_tags") or store.attributes.get("tags")
    said = [text for text in tags.values() if isinstance(text, str)] if isinstance(tags, Mapping) else []
    return (str(store.attributes.get("bucket") or store.name), *said)


class _Owners:
    """Which principals a policy is attached to."""

    def __init__(self, resources: Sequence[Resource]) -> None:
        self._known = {one.address: one for one in resources if one.kind in _PRINCIPALS}
        self._by_name: dict[str, str] = {}
        for one in self._known.values():
            name = one.attributes.get("name")
            if isinstance(name, str):
                self._by_name.setdefault(name, one.address)
        self._attached: dict[str, set[str]] = defaultdict(set)
        for one in resources:
            if one.kind in _ATTACHMENTS:
                policy, targets = _ATTACHMENTS[one.kind]
                for name in _named(one, policy):
                    for target in targets:
                        self._attached[name] |= set(self._targets(one, target))
            elif one.kind in _PRINCIPALS:
                for name in _named(one, "managed_policy_arns"):
                    self._attached[name].add(one.address)

    def resource(self, name: str) -> Resource | None:
        return self._known.get(name)

    def _targets(self, one: Resource, attribute: str) -> Iterator[str]:
        yield from (
            name for name in _named(one, attribute) if name.partition(".")[0] in _PRINCIPALS or ".aws_iam_" in name
        )
        value = one.attributes.get(attribute)
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str) and text and "\ue000" not in text:
                yield self._by_name.get(text, text)

    def of(self, statement: Resource) -> list[str]:
        """Return who holds a statement: addresses, names where the principal is not in the code, else the policy itself."""
        owner = str(statement.attributes.get("owner"))
        if owner in self._known:
            return [owner]
        found = {name for attribute in _HOLDERS for name in self._targets(statement, attribute)}
        return sorted(found | self._attached.get(owner, set())) or [owner]

    def let_in(self, statement: Resource) -> Iterator[str]:
        """Yield the addresses of the roles that a statement of a resource's own policy names."""
        principals = statement.attributes.get("principals")
        named = principals.get("AWS") if isinstance(principals, Mapping) else None
        for text in named if isinstance(named, list) else ():
            if isinstance(text, str):
                found = REFERENCE.findall(text)
                name = found[0].rpartition(".")[0] if found else self._by_name.get(text.rpartition("/")[2], "")
                if name in self._known:
                    yield name


def _named(one: Resource, attribute: str) -> Iterator[str]:
    for path, names in one.references.items():
        if path[:1] == (attribute,):
            yield from names


# Ways to more rights


class _Ways(NamedTuple):
    """What one statement opens: actions that are enough, those of SageMaker, and those that iam:PassRole makes dangerous."""

    alone: tuple[str, ...] = ()
    sagemaker: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()


def _ways(values: Mapping[str, Any]) -> _Ways:
    if not _widens(values):
        return _Ways()
    beside = (*_sets("with_pass_role"), *_sets("with_pass_role_sagemaker"))
    return _Ways(
        *(tuple(one for one in names if _grants(values, one)) for names in (_sets("alone"), _sets("sagemaker"), beside))
    )


@cache
def _sets(name: str) -> tuple[str, ...]:
    return tuple(tables.table("iam")["escalations"][name])


def _enter_escalations(held: Sequence[Resource], known: Mapping[int, _Ways]) -> None:
    """Enter into each statement the ways to more rights that it opens, alone or with the others of its principal."""
    beside = list(dict.fromkeys(name for one in held for name in known[id(one)].beside))
    for one in held:
        ways = known[id(one)]
        found = list(ways.alone)
        if "iam:PassRole" in found and beside:
            at = found.index("iam:PassRole")
            found[at : at + 1] = [f"iam:PassRole with {name}" for name in beside[:3]]
        own = [*ways.sagemaker, *(name for name in found if "sagemaker:" in name)]
        rest = [name for name in found if "sagemaker:" not in name]
        if not (own or rest) or not isinstance(one.attributes, dict) or not isinstance(one.positions, dict):
            continue
        for other in ("escalations", "sagemaker_escalations"):
            one.attributes.pop(other, None)
        key = "escalations" if rest else "sagemaker_escalations"
        one.attributes[key] = (rest + own)[:6]
        place = one.positions.get(("actions",)) or one.positions.get(("not_actions",))
        if place is not None:
            one.positions[key,] = place


def _widens(values: Mapping[str, Any]) -> bool:
    """Say whether a statement allows something on all resources of a type, without limit, and not everything."""
    if values.get("effect") != "Allow" or values.get("limit_keys") or iam.grants(values, "*"):
        return False
    if values.get("not_resources"):
        return True
    return any(iam.broad(one) for one in values.get("resources") or ())


def _grants(values: Mapping[str, Any], name: str) -> bool:
    lowered = name.lower()
    return iam.grants(values, lowered) and not iam.taken_back(values, lowered)


# Roles and the work that they are for


def _uses(resources: Sequence[Resource]) -> Iterator[Resource]:
    """Yield each use of a role or service account by a stage of ML work, with the other stages that use the same one."""
    found: list[tuple[str, str, Resource, Path]] = []
    stages = _stages()
    for one in resources:
        for stage, path in stages.get(one.kind, ()):
            found += [(name, stage, one, at) for name, at in _roles(one, path)]
        if "k8s.pod_template" in one.classes:
            account, stage = one.attributes.get("serviceAccountName"), _workload_stage(one)
            if isinstance(account, str) and account and "\ue000" not in account and stage:
                found.append((f"{one.namespace}/{account}", stage, one, ("serviceAccountName",)))
    by_role: dict[str, set[str]] = defaultdict(set)
    for name, stage, _, _ in found:
        by_role[name].add(stage)
    for index, (name, stage, one, at) in enumerate(found):
        positions: dict[Path, Position] = {(): one.positions.get((), Position(1))}
        positions["role",] = positions["shared_with",] = nearest(one.positions, at)
        attributes = {"role": name, "stage": stage, "owner": one.address, "owner_kind": one.kind}
        if others := sorted(by_role[name] - {stage}):
            attributes["shared_with"] = others  # type: ignore[assignment]  # a list where the others are texts
        yield Resource("role.use", one.name, f"{one.address}/role[{index}]", one.path, attributes, positions,
                       ("role.use", "derived"), {("owner",): (one.address,)}, one.namespace, origin=one.origin, format=one.format)  # fmt: skip


@cache
def _stages() -> Mapping[str, tuple[tuple[str, str], ...]]:
    result: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for stage, kinds in tables.table("iam")["stages"].items():
        for kind, paths in kinds.items() if isinstance(kinds, dict) else ():
            result[kind] += [(stage, path) for path in paths]
    return {kind: tuple(found) for kind, found in result.items()}


def _workload_stage(one: Resource) -> str:
    kind = one.attributes.get("workload_kind")
    for stage in ("training", "pipeline", "serving", "notebook"):
        if kind in tables.table("iam")["workload_stages"][stage]:
            return stage
    return "serving" if one.attributes.get("serving") is True else ""


def _roles(one: Resource, path: str) -> Iterator[tuple[str, Path]]:
    """Yield the roles that a resource names at ``block[].attribute``, each with its place."""
    places: list[tuple[Path, Any]] = [((), one.attributes)]
    for step in path.split("."):
        name = step.removesuffix("[]")
        below: list[tuple[Path, Any]] = []
        for at, value in places:
            inner = value.get(name) if isinstance(value, Mapping) else None
            if step.endswith("[]") and isinstance(inner, list):
                below += [((*at, name, index), item) for index, item in enumerate(inner)]
            elif inner is not None:
                below.append(((*at, name), inner))
        places = below
    for at, value in places:
        names = [name for where, found in one.references.items() if where[: len(at)] == at for name in found]
        if isinstance(value, str) and value and not REFERENCE.search(value):
            names = names or [value]
        for name in names[:1]:
            yield name, at


_CI = lazy.pattern(
    r"token\.actions\.githubusercontent\.com|gitlab\.com|bitbucket|circleci|buildkite|app\.terraform\.io|codebuild|codepipeline"
)


def _principal(
    role: Resource, held: Sequence[Resource], used: Iterable[str], stores: Mapping[str, tuple[str, ...]]
) -> Resource:
    stages = set(used)
    if _CI.search(shown(str(role.attributes.get("assume_role_policy", "")))):
        stages.add("ci")
    positions: dict[Path, Position] = {(): role.positions.get((), Position(1))}
    statements = []
    for index, one in enumerate(held):
        values = {key: one.attributes[key] for key in ("effect", "actions", "not_actions", "resources", "not_resources",
                  "conditions", "limit_keys", "narrow_keys", "denied", "owner") if key in one.attributes}  # fmt: skip
        values["stores"] = _stores(one, stores)
        statements.append(values)
        for path, place in one.positions.items():
            positions[("statements", index, *path)] = place
    return Resource(
        "aws.iam.principal", role.name, f"{role.address}/rights", role.path,
        {"owner": role.address, "uses": sorted(stages), "statements": statements},
        positions, ("aws.iam.principal", "derived"), {("owner",): (role.address,)}, origin=role.origin, format=role.format,
    )  # fmt: skip


def _stores(statement: Resource, names: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Return the names of what a statement is about: as written, and of the stores that it refers to."""
    result = []
    for text in statement.attributes.get("resources") or ():
        if not isinstance(text, str):
            continue
        result.append(re.sub(r"^arn:[^:]*:s3:::", "", REFERENCE.sub("", text)).partition("/")[0])
        result += [
            shown(called)
            for found in REFERENCE.findall(text)
            if (name := found.rpartition(".")[0]) in names
            for called in names[name]
        ]
        result += [name.rpartition(".")[2].split("[")[0].replace("_", "-") for found in REFERENCE.findall(text)
                   if "aws_s3_bucket." in (name := found.rpartition(".")[0])]  # fmt: skip
    return sorted({one for one in result if one})
