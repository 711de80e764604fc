"""Credentials that a setting holds in plain text."""

from __future__ import annotations

from typing import Any

from mlguard.scanners import lazy
from mlguard.scanners.infra.kubernetes.objects import Object, plain, unknown
from mlguard.scanners.infra.kubernetes.places import Places

SECRET_NAME = lazy.pattern(
    r"(?i)(?:^|[_.-])(?:pass(?:word|wd|phrase)?|pwd|secret|token|api[_-]?key|apikey|access[_-]?key|secret[_-]?key|private[_-]?key|credentials?|client[_-]?secret|auth[_-]?token|connection[_-]?string|dsn)(?:$|[_.-](?:value|v\d|\d+|key)?$)"
    r"|(?:password|passwd|secret|apikey|api[_-]key|token)$"
)
_NO_SECRET_NAME = lazy.pattern(
    r"(?i)(?:name|file|path|dir|url|uri|host|id|ref|enabled|required|ttl|expiry|length|type|limit|header|issuer|endpoint|count|timeout|policy|version|max_?tokens?|num_?tokens?|pad_?token|eos_?token|bos_?token|unk_?token)$|tokenizer|tokens$|public|secret_?name|^(?:max|num|pad|eos|bos|stop|mask|sep|cls)_"
)
_NO_SECRET = lazy.pattern(
    r"(?i)^(?:|true|false|yes|no|none|null|nil|n/?a|-|\d{1,4}|<.*>|\*+|x{3,}|\.{3,}|…)$|^\$[({A-Za-z_]|\{\{|^(?:/|\./|file:|https?://[^@\s]*$|arn:|vault:|secret:|ref\+|op://|aws-sm:|gcp-sm:|azurekv:|sm://|projects/)"
    r"|change[-_ ]?me|example|placeholder|dummy|replace|your[-_]|todo|redacted|\bENC\[|^AQICA|^vault\."
)


def secret_literal(name: str, value: Any) -> bool:
    """Say whether a setting with this name holds a credential in plain text."""
    if not isinstance(value, (str, int)) or isinstance(value, bool) or unknown(value):
        return False
    if not SECRET_NAME.search(name) or _NO_SECRET_NAME.search(name):
        return False
    return not _NO_SECRET.search(str(value).strip()) and len(str(value).strip()) >= 4


USER_IN_URL = lazy.pattern(r"(?i)\b[a-z][a-z0-9+.-]*://[^\s/@:$<{]+:(?![$<{*\ue000])([^\s/@]{3,})@")


def literal_data(one: Object, positions: Places) -> list[dict[str, str]]:
    """Return the keys of a ConfigMap that hold a credential in plain text; never what they hold."""
    found: list[dict[str, str]] = []
    data = one.tree.get("data")
    for key, node in data.items() if data is not None else ():
        if "\n" not in plain(node.value) and (
            secret_literal(str(key), node.value) or USER_IN_URL.search(plain(node.value))
        ):
            positions[("written_out", len(found))] = node.at
            found.append({"name": str(key)})
    return found
