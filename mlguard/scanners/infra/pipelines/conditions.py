"""Conditions of jobs and steps: which of them an outsider can satisfy, or are always true."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Any

from mlguard.scanners import lazy
from mlguard.scanners.infra.pipelines import expressions
from mlguard.scanners.infra.pipelines.expressions import Node

_ACTOR = frozenset(
    {
        "github.actor", "github.triggering_actor", "github.actor_id", "github.event.sender.login", "github.event.sender.id",
        "github.event.pull_request.sender.login",
    }
)  # fmt: skip
"""Who set the run off, which may be another than whose code it is."""

_BOT = lazy.pattern(r"(?i)\[bot\]$|^(?:dependabot|renovate|github-actions|pre-commit-ci)$")
_BOT_IDS = frozenset({"49699333", "29139614", "41898282", "27856297", "66853113"})
_OUTSIDE = frozenset({"pull_request_target", "workflow_run"})
_CHOSEN = lazy.pattern(
    r"^github\.(?:ref|ref_name|head_ref|base_ref|actor|triggering_actor|event\.(?:pull_request\.(?:head|base)\.(?:ref|label|repo\.(?:full_)?name)|workflow_run\.head_branch|sender\.login))$|^(?:env|inputs)\."
)


def weakness(value: Any, triggers: Collection[str]) -> str:
    """Return why a condition holds nobody back, or ""."""
    if not isinstance(value, str):
        return ""
    found = expressions.inside(value)
    if found and value[: found[0].start()].strip("") + value[found[-1].end() :]:
        return "text beside ${{ }} makes it true at all times"
    if len(found) > 1:
        return "text beside ${{ }} makes it true at all times"
    node = expressions.condition(value)
    if node is None:
        return ""
    for part, negated in _parts(node, False):
        if not negated and (why := _weak(part, triggers)) and not _guarded(node):
            return why
    return ""


def _parts(node: Node, negated: bool) -> Iterator[tuple[Node, bool]]:
    """Yield the comparisons and calls that the condition is made of, and whether they stand under a negation."""
    if node.kind in ("&&", "||"):
        for part in node.parts:
            yield from _parts(part, negated)
    elif node.kind == "!":
        yield from _parts(node.parts[0], not negated)
    else:
        yield node, negated


def _weak(node: Node, triggers: Collection[str]) -> str:
    if node.kind == "==":
        return _equal(node.parts[0], node.parts[1], triggers) or _equal(node.parts[1], node.parts[0], triggers)
    if node.kind == "call" and node.value in ("contains", "startswith", "endswith") and len(node.parts) == 2:
        return _partial(node, triggers)
    return ""


def _equal(name: Node, text: Node, triggers: Collection[str]) -> str:
    if name.kind != "name" or text.kind not in ("text", "number"):
        return ""
    if name.value in _ACTOR and (_BOT.search(text.value) or text.value in _BOT_IDS):
        return f"{name.value} is who set off the run, not whose code it is"
    if _OUTSIDE.intersection(triggers) and name.value in (
        "github.head_ref",
        "github.event.pull_request.head.ref",
        "github.event.workflow_run.head_branch",
    ):
        return f"a fork may have a branch of the same name ({name.value})"
    return ""


def _partial(node: Node, triggers: Collection[str]) -> str:
    whole, part = node.parts
    if node.value == "contains" and part.kind == "name" and part.value in _ACTOR:
        told = [one.value for one in expressions.walk(whole) if one.kind == "text"]
        if whole.kind == "call" and any(_BOT.search(name) for text in told for name in re.findall(r"[\w\[\]-]+", text)):
            return f"{part.value} is who set off the run, not whose code it is"
    if node.value == "contains" and whole.kind == "text" and part.kind == "name" and _CHOSEN.match(part.value):
        return f"contains looks for {part.value} inside a text, where a part of a name is enough"
    if whole.kind == "name" and ".*" not in whole.value and part.kind == "text":
        if whole.value in _ACTOR:
            return f"a part of {whole.value} is compared, which other accounts have as well"
        if _OUTSIDE.intersection(triggers) and expressions.from_stranger(whole.value):
            return f"{whole.value} is a stranger's own text"
    return ""


_SAME_REPOSITORY = lazy.pattern(
    r"head\.repo\.full_name|head_repository\.full_name|head\.repo\.fork|author_association|head\.repo\.owner|workflow_run\.event|pull_request\.user\.login|head\.user\.login|head_repository\.(?:fork|id|owner)"
)


def _guarded(node: Node) -> bool:
    """Say whether the same condition also asks for the repository, the author or the event."""
    return node.kind == "&&" and any(
        part.kind == "name" and _SAME_REPOSITORY.search(part.value) for part in expressions.walk(node)
    )


def only_own(text: str) -> bool:
    """Say whether a condition lets only branches of the repository itself through, or waits for a label or a member."""
    plain = re.sub(r"\s+", "", text.lower())
    return (
        re.search(
            r"head\.repo\.(?:full_name|owner\.login)==github\.(?:event\.)?repository|github\.repository(?:_owner)?==github\.event\.\w+\.head[._]?repo|head_repository\.full_name==github\.(?:event\.)?repository"
            r"|head\.repo\.fork(?:==false|==\!true)|!github\.event\.pull_request\.head\.repo\.fork|author_association|github\.event\.workflow_run\.event(?:=='push'|!='pull_request'|=='schedule'|=='workflow_dispatch')"
            r"|workflow_run\.head_repository\.fork(?:==false)|!github\.event\.workflow_run\.head_repository\.fork",
            plain,
        )
        is not None
    )
