"""Which outputs hand out a secret, by what their expressions name."""

from __future__ import annotations

from mlguard.scanners.infra.credentials import is_secret_name
from mlguard.scanners.infra.terraform.expressions import Expr

MAX_DEPTH = 30
"""Expressions inside expressions that are looked into."""

_CREDENTIALS = frozenset(
    {"kube_config", "kube_config_raw", "kube_admin_config", "kube_admin_config_raw", "kubeconfig_raw"}
)
_VALUES = frozenset(
    {("azurerm_key_vault_secret", "value"), ("aws_ssm_parameter", "value"), ("random_password", "result"),
     ("random_password", "bcrypt_hash")}
)  # fmt: skip
_CLEARED = frozenset(
    {"nonsensitive", "length", "sha256", "sha512", "sha1", "md5", "base64sha256", "base64sha512", "bcrypt", "keys", "can", "filesha256"}
)  # fmt: skip
"""Functions whose result is no secret, or is declared as none."""


def hands_out_secret(expr: Expr | None, depth: int = 0) -> bool:
    """Say whether an expression gives the value of an attribute that holds a secret itself."""
    if expr is None or depth > MAX_DEPTH:
        return False
    if expr.op in ("attr", "index", "splat"):
        return _is_secret(_names(expr))
    if expr.op == "call" and (expr.args[0] in _CLEARED):
        return False
    if expr.op == "cond":
        return any(hands_out_secret(one, depth + 1) for one in expr.args[1:] if isinstance(one, Expr))
    return any(hands_out_secret(one, depth + 1) for one in _inside(expr.args)) if expr.op in _WHOLE else False


_WHOLE = frozenset({"call", "tuple", "object", "item", "template", "for"})
"""Expressions whose value holds that of each part."""


def _inside(args: tuple[object, ...]) -> list[Expr]:
    found: list[Expr] = []
    for one in args:
        if isinstance(one, Expr):
            found.append(one)
        elif isinstance(one, (tuple, list)):
            found += _inside(tuple(one))
    return found


def _names(expr: Expr) -> list[str]:
    """Return the names of a traversal, the first one first: ``a_b.c[0].d`` is a_b, c, d."""
    names: list[str] = []
    while expr.op in ("attr", "index", "splat"):
        if expr.op == "attr":
            names.append(str(expr.args[1]))
        elif expr.op == "splat" and isinstance(expr.args[1], Expr):
            names += reversed(_names(expr.args[1]))
        if not isinstance(expr.args[0], Expr):
            return names[::-1]
        expr = expr.args[0]
    if expr.op == "var":
        names.append(str(expr.args[0]))
    return names[::-1]


def _is_secret(names: list[str]) -> bool:
    kind = next((one for one in names[:2] if "_" in one), "")
    return (
        len(names) > 1
        and names[0] not in ("each", "count", "path")
        and (is_secret_name(names[-1]) or (kind, names[-1]) in _VALUES or not _CREDENTIALS.isdisjoint(names[2:]))
    )
