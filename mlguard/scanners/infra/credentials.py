"""Finds values in resources that are credentials, written out: in attributes, environments, start-up scripts and variables.

What is yielded says where a credential stands and what it is called, never what it says.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from mlguard.errors import Unreadable
from mlguard.scanners import lazy
from mlguard.scanners.infra.jsontexts import json_value
from mlguard.scanners.infra.resources import REFERENCE, WRITTEN, Path, Position, Resource

MAX_DEPTH = 10
"""Blocks inside blocks that are looked into."""

MAX_NODES = 5_000
"""Values of one resource that are looked at."""

MAX_SCRIPT_CHARS = 256 * 1024
"""Characters of a script that are looked at."""

MAX_VALUE_CHARS = 4_000
"""A longer text is no credential that a person wrote down."""

MAX_JSON_CHARS = 256 * 1024
"""Characters of a text with JSON that is looked into."""

_SURE = lazy.pattern(
    r"(?:passwords?|passwd|passphrase|(?:^|_)pwd)(?:_wo)?$|(?:^|_)(?:client|shared|app|webhook|jwt|master)_secret$"
)
_LIKELY = lazy.pattern(
    r"(?:^|_)(?:secret|token|secret_?(?:key|access_key|string|data|value|token|text)|api_?key|(?:access|account|auth|primary|secondary|shared|storage|private|encryption|signing|master)_key(?:_pem)?"
    r"|connection_?string|sas_url|credentials?(?:_json)?|auth_?token|key_material)$"
)
_NEVER = lazy.pattern(
    r"(?:arn|id|name|version|length|policy|path|file|url|uri|ref|type|rotation|expiry|ttl|label|description|enabled|key_?vault\w*)$"
)
_SPECIAL = frozenset(
    {("aws_secretsmanager_secret_version", "secret_string"), ("azurerm_key_vault_secret", "value"),
     ("google_secret_manager_secret_version", "secret_data"), ("github_actions_secret", "plaintext_value"),
     ("github_actions_organization_secret", "plaintext_value"), ("gitlab_project_variable", "value"),
     ("azurerm_api_management_named_value", "value")}
)  # fmt: skip
"""Attributes that hold a secret whatever they are called."""

_ENVIRONMENTS = frozenset(
    {"environment", "environments", "variables", "environment_variables", "environment_variable", "env", "app_settings",
     "runtime_environment_variables", "default_arguments", "secure_environment_variables", "build_environment_variables",
     "site_config", "connection_strings"}
)  # fmt: skip
_SCRIPTS = frozenset(
    {"user_data", "user_data_base64", "custom_data", "metadata_startup_script", "startup_script", "post_startup_script", "on_create",
     "on_start", "studio_lifecycle_config_content", "startup-script", "startup-script-ps1", "windows-startup-script-ps1",
     "sysprep-specialize-script-ps1", "user-data", "shutdown-script", "content_base64"}
)  # fmt: skip
_SKIPPED = frozenset(
    {"tags", "labels", "effective_tags", "effective_region", "tags_all", "assume_role_policy", "policy"}
)
_POINTER = lazy.pattern(
    r"^(?:arn:|projects/|secretsmanager:|ssm:|vault:|https?://[^@]*$|/[\w/.-]+$|@Microsoft\.KeyVault|\{\{resolve:)"
)


class _Found(NamedTuple):
    sort: str  # attribute, environment, script, or ml_script for the key of an AI service
    name: str
    path: Path
    value: str
    line: int = -1  # of the script, from 0


def credentials(owner: Resource, heredocs: Mapping[str, Position]) -> Iterator[Resource]:
    """Yield each credential that a resource holds in plain text, as ``credential`` of the class ``credential.<sort>``."""
    seen: set[tuple[int, str]] = set()
    for found in _walk(owner):
        place = _place(owner, found, heredocs)
        if not place.line or (place.line, place.path) in seen:
            continue
        seen.add((place.line, place.path))
        attributes = {
            "name": found.name,
            "sort": found.sort,
            "written_out": True,
            "owner": owner.address,
            "owner_kind": owner.kind,
        }
        yield Resource(
            "credential", found.name, f"{owner.address}/credential[{len(seen) - 1}]", owner.path, attributes,
            {(): place, ("written_out",): place}, (f"credential.{found.sort}", "derived"), {("owner",): (owner.address,)},
            origin=owner.origin, format=owner.format,
        )  # fmt: skip


def _walk(owner: Resource) -> Iterator[_Found]:
    stack: list[tuple[Path, Any, bool, int]] = [((), owner.attributes, False, 0)]
    nodes = 0
    while stack:
        path, value, environment, depth = stack.pop()
        nodes += 1
        if nodes > MAX_NODES or depth > MAX_DEPTH:
            continue
        if isinstance(value, str):
            yield from _text(owner, path, value, environment, depth, stack)
        elif isinstance(value, Mapping):
            stack += [
                ((*path, str(key)), item, environment or str(key) in _ENVIRONMENTS, depth + 1)
                for key, item in reversed(list(value.items()))
                if not (not path and str(key) in _SKIPPED)
            ]
            yield from _pair(path, value, environment)
        elif isinstance(value, (list, tuple)):
            stack += [
                ((*path, index), item, environment, depth + 1) for index, item in reversed(list(enumerate(value)))
            ]


def _text(
    owner: Resource, path: Path, value: str, environment: bool, depth: int, stack: list[tuple[Path, Any, bool, int]]
) -> Iterator[_Found]:
    name = next((step for step in reversed(path) if isinstance(step, str)), "")
    if name in _SCRIPTS:
        if not (owner.format == "cloudformation" and "\n" in value and not owner.path.endswith(".json")):
            yield from _script(path, name, value)  # lines of a template are searched as text
        return
    if value[:1] in "[{" and len(value) <= MAX_JSON_CHARS:
        inner = _decoded(value)
        if isinstance(inner, (dict, list)):
            stack.append((path, inner, environment, depth + 1))
            return
    special = (len(path) == 1 and (owner.kind, name) in _SPECIAL) or (
        owner.kind.startswith("azurerm_container_app") and path[0] == "secret" and name == "value"
    )
    special = special or (
        owner.kind == "aws_ssm_parameter" and name == "value" and owner.attributes.get("type") == "SecureString"
    )
    if is_credential(name, value, special):
        yield _Found("environment" if environment else "attribute", name, path, value)


def _pair(path: Path, value: Mapping[str, Any], environment: bool) -> Iterator[_Found]:
    """Yield the value of a mapping with a name and a value, as environments and settings of charts are written."""
    lowered = {str(key).lower(): key for key in value}
    if not {"name", "value"} <= set(lowered) or value.get("type") in ("PARAMETER_STORE", "SECRETS_MANAGER"):
        return
    name, text = value[lowered["name"]], value[lowered["value"]]
    if isinstance(name, str) and isinstance(text, str) and is_credential(re.split(r"[./]", name)[-1], text):
        yield _Found("environment" if environment else "attribute", name, (*path, lowered["value"]), text)


def _script(path: Path, name: str, value: str) -> Iterator[_Found]:
    from mlguard.scanners.secrets.search import Style, find

    text = script_text(value[:MAX_SCRIPT_CHARS])
    for hit in find(REFERENCE.sub("${x}", text), Style(bare=True)):
        sort = "ml_script" if hit.ml else "script"
        yield _Found(sort, hit.name or name, path, "", text.count("\n", 0, hit.start))


def script_text(text: str) -> str:
    """Return a script that may be written in base64."""
    if len(text) >= 24 and re.fullmatch(r"[A-Za-z0-9+/\s]+={0,2}\s*", text):
        try:
            return base64.b64decode(text, validate=False).decode()
        except ValueError:
            return text
    return text


def _decoded(text: str) -> Any:
    try:
        return json_value(text)
    except Unreadable:
        return None


def _place(owner: Resource, found: _Found, heredocs: Mapping[str, Position]) -> Position:
    path = found.path
    if (*path, WRITTEN) in owner.positions and found.line < 0:
        return owner.positions[(*path, WRITTEN)]
    while path and path not in owner.positions:
        path = path[:-1]
    place = owner.positions.get(path, Position(1))
    if found.line >= 0:
        inside = place.end_line > place.line + 1
        return Position(place.line + 1 + found.line, 1, 0, 0, place.path) if inside else place
    heredoc = heredocs.get(str(found.path[0])) if found.path and len(path) == 1 else None
    text = owner.attributes.get(str(found.path[0])) if heredoc else None
    if heredoc is not None and isinstance(text, str):
        at = text.find(json.dumps(found.value, ensure_ascii=False))
        if at >= 0:
            return Position(heredoc.line + 1 + text.count("\n", 0, at), 1, 0, 0, heredoc.path)
    return place


def snake(name: str) -> str:
    """Return a name in lower case with ``_`` between its words."""
    return re.sub(r"[-.: ]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)).lower()


def is_secret_name(name: str) -> bool:
    """Say whether something of this name holds a secret itself, not where one is found."""
    return _weight(name) > 0


@lru_cache(4096)
def _weight(name: str) -> int:
    """Return 2 for a name that only secrets have, 1 for one that secrets and names of secrets have, else 0."""
    plain = snake(name)
    if _NEVER.search(plain):
        return 0
    return 2 if _SURE.search(plain) else 1 if _LIKELY.search(plain) else 0


def is_credential(name: str, value: str, special: bool = False) -> bool:
    """Say whether a text under a name is a credential that was written out: no reference, no placeholder, no address."""
    weight = 2 if special else _weight(name)
    text = value.strip()
    if not weight or not 3 <= len(text) <= MAX_VALUE_CHARS or "\ue000" in text or _POINTER.match(text):
        return False
    from mlguard.scanners.secrets.search import Style, find
    from mlguard.scanners.secrets.values import is_placeholder, is_token

    if is_placeholder(text) and not re.fullmatch(r"\d+|(.)\1+", text):
        return False
    hits = [hit for hit in find(f'{snake(name)} = "{text}"', Style()) if hit.kind not in _NAMES_A_KEY]
    if any(hit.ml for hit in hits):
        return False  # a token with a rule of its own
    if weight == 2:
        return text.lower() not in ("true", "false", "none", "null")
    return bool(hits) or is_token(text, True)


_NAMES_A_KEY = frozenset({"AWS access key"})
"""Kinds of values that say which key is used, and open nothing without the other half."""


# Variables and outputs


def value_blocks(kind: str, name: str, attributes: dict[str, Any], handed: bool = False) -> dict[str, Any]:
    """Return the attributes of a variable or output with what its name and default say of secrets.

    ``secret_name`` is there when it is named like a secret or hands one out, ``secret_default`` when its default is one.
    """
    declared = attributes.get("type")
    if not (handed or is_secret_name(name)) or declared in ("bool", "number"):
        return attributes
    attributes["secret_name"] = True
    default = attributes.get("default")
    if kind == "terraform.variable" and isinstance(default, str) and is_credential(name, default):
        attributes["secret_default"] = True
    return attributes
