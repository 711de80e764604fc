"""What the cluster itself keeps and lets through: the API server's words, audit policies, encryption of what it stores."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from mlguard.scanners.infra.kubernetes.objects import Object, listed, mapping, plain
from mlguard.scanners.infra.kubernetes.places import Places
from mlguard.scanners.infra.resources import Path, Position

_AUDIT_OPTIONS = {
    "audit-log-path": 0,
    "audit-policy-file": 0,
    "audit-log-maxage": 30,
    "audit-log-maxbackup": 10,
    "audit-log-maxsize": 100,
}
"""What the API server needs to keep a log that is of use, and the least number where it is one (CIS Kubernetes 1.2.16 to 1.2.19)."""


def api_server(argv: Sequence[str], argv_at: Sequence[Position], head: Position) -> Iterator[tuple[str, Position]]:
    """Yield what the words of an API server lack for a useful audit log, and the place."""
    if not any(re.search(r"(?:^|/|\s)kube-apiserver$", word) for word in argv[:4]):
        return
    given: dict[str, tuple[str, Position]] = {}
    for index, word in enumerate(argv):
        match = re.match(r"--([a-z-]+)(?:=(.*))?$", word)
        if match:
            value = match.group(2) if match.group(2) is not None else next(iter(argv[index + 1 : index + 2]), "")
            given[match.group(1)] = value, argv_at[index]
    if "audit-webhook-config-file" in given and "audit-policy-file" in given:
        return
    standard = given.get("audit-log-path", ("", head))[0] == "-"
    missing = [
        name for name in _AUDIT_OPTIONS if name not in given and not (standard and name.startswith("audit-log-max"))
    ]
    if missing:
        yield f"it lacks --{', --'.join(missing)}", head
    for name, least in _AUDIT_OPTIONS.items():
        value, at = given.get(name, ("", head))
        if least and value.isdigit() and 0 < int(value) < least:
            yield f"--{name} is below {least}", at


def audit_policy(one: Object, positions: Places) -> list[dict[str, str]]:
    """Return why an audit policy keeps no trace of who reads secrets, with its place."""
    what, path = _audit_gap(one)
    if not what:
        return []
    at = next(path[:end] for end in range(len(path), -1, -1) if path[:end] in positions)
    positions[("audit_gaps", 0)] = positions[("audit_gaps", 0, "what")] = positions[at]
    return [{"what": what}]


def _audit_gap(one: Object) -> tuple[str, Path]:
    rules = listed(one.at("rules"))
    for index, rule in enumerate(map(mapping, rules)):
        if not _covers_secrets(rule):
            continue
        if rule.get("level") == "None":
            return "access to secrets is not logged", ("rules", index, "level")
        return "", ()
    return "no rule covers secrets", ("rules",)


def _covers_secrets(rule: dict[str, object]) -> bool:
    """Say whether a rule is the one that decides about secrets for everybody."""
    narrowed = any(rule.get(key) for key in ("users", "userGroups", "namespaces", "nonResourceURLs"))
    verbs = {plain(item) for item in listed(rule.get("verbs"))}
    if narrowed or (verbs and not verbs.intersection({"get", "list", "watch", "*"})):
        return False
    groups = listed(rule.get("resources"))
    if not groups:
        return True
    for group in map(mapping, groups):
        names = [plain(item) for item in listed(group.get("resources"))]
        if (
            plain(group.get("group")) in ("", "*")
            and not group.get("resourceNames")
            and (not names or {"secrets", "*"}.intersection(names))
        ):
            return True
    return False


def etcd_encryption(one: Object, positions: Places) -> list[dict[str, str]]:
    """Return where an EncryptionConfiguration writes secrets as they are, with its place."""
    found: list[dict[str, str]] = []
    for index, entry in enumerate(map(mapping, listed(one.at("resources")))):
        names = {plain(item) for item in listed(entry.get("resources"))}
        providers = listed(entry.get("providers"))
        if names.intersection({"secrets", "*.*", "*."}) and providers and "identity" in mapping(providers[0]):
            path: Path = ("resources", index, "providers", 0)
            place = positions.get((*path, "identity"), positions.get(path, one.tree.at))
            positions[("stored_plain", len(found))] = positions[("stored_plain", len(found), "what")] = place
            found.append({"what": "identity"})
    return found


def anonymous_words(argv: Sequence[str]) -> Iterator[tuple[str, int]]:
    """Yield what lets callers without a name into an API server or a kubelet, and the index of the word."""
    if not any(re.search(r"(?:^|/|\s)(?:kube-apiserver|kubelet)$", word) for word in argv[:4]):
        return
    for index, word in enumerate(argv):
        if word == "--anonymous-auth=true":
            yield "callers without a name are let in", index
        elif re.match(r"--authorization-mode=(?:[\w,]*,)?AlwaysAllow\b", word):
            yield "every request is allowed", index
