"""The JSON of an ``aws_iam_policy_document``, with the place of each statement."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from mlguard.errors import Unreadable
from mlguard.scanners.infra.jsontexts import json_value
from mlguard.scanners.infra.resources import REFERENCE, Path, Position, Unknown, reference
from mlguard.scanners.infra.terraform.values import text_of

Places = dict[Path, Position]
"""Where the parts of one statement stand; the statement itself under ``()``."""


class PolicyText(str):
    """The JSON of an ``aws_iam_policy_document``, which knows where its statements stand."""

    __slots__ = ("places",)
    places: tuple[Places, ...]


def policy_document(body: Mapping[str, Any], positions: Mapping[Path, Position], at: Position) -> PolicyText:
    """Return the policy that a data source makes: its statements, after those it starts from and before those that override.

    A statement with the Sid of an earlier one takes its place.
    """
    statements: list[Any] = []
    places: list[Places] = []
    parts: dict[Any, dict[Path, Position]] = {}
    for path, place in positions.items():
        if path[:1] == ("statement",) and len(path) > 1:
            parts.setdefault(path[1], {})[path] = place
    for name in ("source_json", "source_policy_documents", "statement", "override_json", "override_policy_documents"):
        if name == "statement":
            for index, one in enumerate(texts(body.get("statement"))):
                own = _statement(one) if isinstance(one, dict) else text_of(one)
                _put(statements, places, own, _statement_places(("statement", index), one, parts.get(index, {})))
            continue
        given = body.get(name)
        for text in given if isinstance(given, list) else [given] if given is not None else []:
            here = positions.get((name,), at)
            known = text.places if isinstance(text, PolicyText) else ()
            for i, statement in enumerate(statements_of(text)):
                _put(statements, places, statement, known[i] if i < len(known) else {(): here})
    version = body.get("version")
    whole = {"Version": "2012-10-17" if version is None else version, "Statement": statements}
    if body.get("policy_id") is not None:
        whole["Id"] = body["policy_id"]
    result = PolicyText(json.dumps(whole, ensure_ascii=False, default=text_of))
    result.places = tuple(places)
    return result


def _put(statements: list[Any], places: list[Places], new: Any, at: Places) -> None:
    sid = new.get("Sid") if isinstance(new, dict) else None
    for number, old in enumerate(statements):
        if isinstance(sid, str) and sid and isinstance(old, dict) and old.get("Sid") == sid:
            statements[number], places[number] = new, at
            return
    statements.append(new)
    places.append(at)


def statements_of(text: Any) -> list[Any]:
    """Return the statements of a policy's JSON; one that cannot be read is a text with its cause."""
    if isinstance(text, Unknown):
        return [text_of(text)]
    if not isinstance(text, str):
        return []
    try:
        value = json_value(text)
    except Unreadable:
        return [text if "\ue000" in text and REFERENCE.fullmatch(text) else reference("a policy that cannot be read")]
    found = value.get("Statement", []) if isinstance(value, dict) else []
    return list(found) if isinstance(found, list) else [found]


_KEYS = {
    "sid": "Sid", "effect": "Effect", "actions": "Action", "not_actions": "NotAction", "resources": "Resource",
    "not_resources": "NotResource",
}  # fmt: skip


def _statement(body: Mapping[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {"Effect": "Allow"}
    for name, key in _KEYS.items():
        value = body.get(name)
        if value is not None and value != [] and value != "":
            result[key] = _interpolated(value)
    for name, key in (("principals", "Principal"), ("not_principals", "NotPrincipal")):
        for one in texts(body.get(name)):
            if isinstance(one, dict):
                held, kind = texts(_interpolated(one.get("identifiers"))), text_of(one.get("type"))
                kind = "AWS" if kind == "*" else kind
                result.setdefault(key, {}).setdefault(kind, []).extend(held)
            else:
                result.setdefault(key, {}).setdefault("AWS", []).append(text_of(one))
    for one in texts(body.get("condition")):
        if isinstance(one, dict):
            tests = result.setdefault("Condition", {}).setdefault(text_of(one.get("test")), {})
            tests.setdefault(text_of(one.get("variable")), []).extend(texts(_interpolated(one.get("values"))))
        else:
            result.setdefault("Condition", {}).setdefault(text_of(one), {})
    return result


def _interpolated(value: Any) -> Any:
    """Return texts with ``&{name}`` as ``${name}``, which is how this data source spells the variables of policies."""
    if isinstance(value, list):
        return [_interpolated(item) for item in value]
    return value.replace("&{", "${") if isinstance(value, str) else value


def texts(value: Any) -> list[Any]:
    """Return a value as a list."""
    return list(value) if isinstance(value, list) else [] if value is None else [value]


def _statement_places(at: Path, body: Any, positions: Mapping[Path, Position]) -> Places:
    names = {"principals": "Principal", "not_principals": "NotPrincipal", **_KEYS}
    result: Places = {}
    named = False
    for path, place in positions.items():
        if path == at:
            result[()] = place
        elif path[:2] == at and len(path) == 3 and isinstance(path[2], str) and path[2] != "condition":
            result[(names.get(path[2], path[2]),)] = place
        elif path[:2] == at and path[2:3] == ("principals",) and path[4:] == ("identifiers",):
            if not named or _is_everybody(body, path[3]):
                result[("Principal",)] = place
            named = True
    conditions = body.get("condition") if isinstance(body, Mapping) else None
    for index, one in enumerate(conditions if isinstance(conditions, list) else ()):
        values = positions.get((*at, "condition", index, "values"))
        if values is not None and isinstance(one, dict):
            result[("Condition", text_of(one.get("test")), text_of(one.get("variable")))] = values
    return result


def _is_everybody(body: Any, index: Any) -> bool:
    """Say whether a block of principals of a statement names everybody."""
    blocks = body.get("principals") if isinstance(body, Mapping) else None
    block = blocks[index] if isinstance(blocks, list) and isinstance(index, int) and index < len(blocks) else None
    return isinstance(block, Mapping) and "*" in texts(block.get("identifiers"))
