"""Reads the secret values that Terraform writes into its state, and defaults of variables with a secret's name."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from mlguard import lazy
from mlguard.errors import Unreadable
from mlguard.scanners.secrets.values import is_made_of_words, is_password, is_placeholder, is_token

MAX_VALUES = 200_000
"""Values of one state that are looked at."""

_NAME = lazy.pattern(
    r"passw(?:or)?d|passphrase|secret(?!_?(?:id|arn|name|version|manager))|(?<!next_)token(?!_?(?:id|type|url|ttl|endpoint|key_?name))|private_key|"
    r"(?:access|api|account|primary|secondary|master|encryption|shared)_key(?!_?(?:id|name|arn|vault|url))|connection_string|certificate_key|credentials"
)


def is_state(path: str) -> bool:
    """Say whether a path is that of a Terraform state."""
    return bool(re.search(r"\.tfstate(?:\.(?:backup|\d+\.backup|json))?$|\.tfstate$", path))


def is_variables(path: str) -> bool:
    """Say whether a path is that of a file with values of Terraform variables."""
    return path.endswith((".tfvars", ".tfvars.json"))


def state_values(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield start, end and name of the secret values in a state. Raises Unreadable when it is no JSON."""
    try:
        state = json.loads(text)
    except (ValueError, RecursionError):
        raise Unreadable("not valid JSON, so no Terraform state that can be read") from None
    for name, value in _sensitive(state):
        written = json.dumps(value, ensure_ascii=False)[1:-1]
        at = text.find(f'"{written}"')
        if at == -1:
            written = json.dumps(value)[1:-1]
            at = text.find(f'"{written}"')
        while at != -1:
            yield at + 1, at + 1 + len(written), name
            at = text.find(f'"{written}"', at + 1)


def _sensitive(state: Any) -> Iterator[tuple[str, str]]:
    if not isinstance(state, dict):
        return
    seen: set[str] = set()
    outputs = state.get("outputs")
    for name, output in outputs.items() if isinstance(outputs, dict) else ():
        if isinstance(output, dict) and output.get("sensitive") is True:
            for _, value in _leaves(output.get("value")):
                if _counts(value, seen):
                    yield str(name), value
    for marked, key, value in _attributes(state.get("resources")):
        if (
            (marked or _NAME.search(key))
            and _counts(value, seen)
            and (marked or is_password(value) or is_token(value, True))
        ):
            yield key, value


def _attributes(resources: Any) -> Iterator[tuple[bool, str, str]]:
    """Yield for each text attribute whether the provider marks it as sensitive, its name, and its value."""
    for resource in resources if isinstance(resources, list) else ():
        instances = resource.get("instances") if isinstance(resource, dict) else None
        for instance in instances if isinstance(instances, list) else ():
            if not isinstance(instance, dict):
                continue
            marked = set(re.findall(r'"value": ?"(\w+)"', json.dumps(instance.get("sensitive_attributes", []))))
            for key, value in _leaves(instance.get("attributes")):
                yield key in marked, key, value


def _leaves(value: Any) -> Iterator[tuple[str, str]]:
    """Yield the nearest key and the text of each text in a JSON value."""
    stack, left = [("", value)], MAX_VALUES
    while stack and left:
        key, node = stack.pop()
        left -= 1
        if isinstance(node, dict):
            stack.extend((str(name), child) for name, child in reversed(node.items()))
        elif isinstance(node, list):
            stack.extend((key, child) for child in reversed(node))
        elif isinstance(node, str):
            yield key, node


def _counts(value: str, seen: set[str]) -> bool:
    if value in seen or len(value) < 6 or is_placeholder(value[:200]) or is_made_of_words(value):
        return False
    seen.add(value)
    return True


_DEFAULT = lazy.pattern(
    r"^[ \t]*variable[ \t]+\"?(?P<name>[\w-]{1,100})\"?[ \t]*\{(?P<body>[^{}]{0,2000}?)\bdefault[ \t]*=[ \t]*\"(?P<value>[^\"\n]{6,1000})\"",
    re.M,
)


def defaults(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield start, end and name of the default of each variable that is named like a secret."""
    for match in _DEFAULT.finditer(text):
        name, value = match.group("name"), match.group("value")
        if (
            _NAME.search(name.lower())
            and not is_placeholder(value)
            and (is_token(value, True) or "pass" in name.lower() and is_password(value))
        ):
            yield *match.span("value"), name
