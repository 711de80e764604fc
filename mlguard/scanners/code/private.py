"""Says where code trains with differential privacy, and what configurations of training set for it."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from mlguard import lazy
from mlguard.artifacts import Artifact
from mlguard.errors import Unreadable
from mlguard.evidence import private_training
from mlguard.facts import PrivateTraining
from mlguard.scanners import Context, read_text
from mlguard.scanners.code import MAX_SETTINGS_BYTES
from mlguard.scanners.code.seeing import Call, on_call
from mlguard.scanners.code.source import Source

LIBRARIES = {
    "opacus": "opacus", "tensorflow_privacy": "tensorflow-privacy", "dp_accounting": "dp-accounting", "diffprivlib": "diffprivlib",
    "jax_privacy": "jax-privacy", "opendp": "opendp", "autodp": "autodp", "pipeline_dp": "pipeline-dp", "tmlt": "tmlt-analytics",
    "private_transformers": "private-transformers", "fastDP": "fastdp", "dp_transformers": "dp-transformers", "snsynth": "smartnoise-synth",
    "snsql": "smartnoise-sql", "pydp": "python-dp", "objax.privacy": "objax", "prv_accountant": "prv-accountant", "pyvacy": "pyvacy",
    "flwr.client.mod": "flwr", "flwr.serverapp.strategy": "flwr", "secretflow.privacy": "secretflow",
}  # fmt: skip
"""Packages that add noise or account for it, by the module that is imported, with their name on PyPI."""

_ONLY_PART = ("flwr.", "objax.", "secretflow.")
_NOISE = frozenset({"make_private", "make_private_with_epsilon", "DPOptimizer", "PrivacyEngine"})
_ACCOUNTS = frozenset(
    {"get_epsilon", "get_privacy_spent", "compute_dp_sgd_privacy", "compute_dp_sgd_privacy_statement", "compute_rdp", "compute_epsilon",
     "get_epsilon_gaussian", "make_private_with_epsilon", "get_noise_multiplier", "calibrate_dp_mechanism", "compute_noise"}
)  # fmt: skip
METHODS = _NOISE | _ACCOUNTS
"""Methods that matter whatever they belong to."""

_WORDS = lazy.pattern(
    r"(?i)noise_multiplier|differential|target_epsilon|dp_epsilon|dp[-_]?sgd|use_dp|enable_dp|dp_enabled|opacus|privacy_budget|\bdp\b"
)


_ROOTS = frozenset(part for name in LIBRARIES for part in name.split(".")[:1])


def libraries(source: Source) -> Iterator[PrivateTraining]:
    """Yield each library for differential privacy that a file imports."""
    if _ROOTS.isdisjoint(source.tree.roots):
        return
    for module, node in sorted(source.tree.imported.items()):
        name = next((name for name in LIBRARIES if module == name or module.startswith(f"{name}.")), None)
        if name is not None and (
            not name.startswith(_ONLY_PART) or "privacy" in module or "Differential" in ast.dump(node)
        ):
            yield PrivateTraining(source.path, source.location(node).line, "library", LIBRARIES[name])


@on_call(*METHODS)
def calls(call: Call) -> Iterator[PrivateTraining]:
    """Yield the settings of one call that adds noise or accounts for it."""
    yield from _settings_of(call)


def _settings_of(call: Call) -> Iterator[PrivateTraining]:
    name = call.last
    known = any(call.path == root or call.path.startswith(f"{root}.") for root in LIBRARIES)
    accounts = name in _ACCOUNTS or known and "account" in call.path.lower()
    figures = {
        "epsilon": _number(call, "target_epsilon", "epsilon"), "delta": _number(call, "target_delta", "delta"),
        "noise": _number(call, "noise_multiplier"),
    }  # fmt: skip
    if not known and not (
        name in METHODS
        and (name not in ("get_epsilon", "compute_noise") or figures["delta"] is not None or call.node.args)
    ):
        return
    if not known and name == "PrivacyEngine" and not call.keywords:
        return
    secure = call.value("secure_mode")
    yield PrivateTraining(
        call.source.path, call.source.location(call.place or call.node).line, "call", name, **figures, accounts=accounts,
        insecure=secure is False,
    )  # fmt: skip


@on_call(imports=[part for name in LIBRARIES for part in name.split(".")[:1]])
def calls_of_libraries(call: Call) -> Iterator[PrivateTraining]:
    """Yield the settings of calls of the libraries themselves."""
    if call.last not in METHODS:
        yield from _settings_of(call)


def _number(call: Call, *names: str) -> float | None:
    node = next((call.keywords[name] for name in names if name in call.keywords), None)
    return _value(call, node)


def _value(call: Call, node: ast.AST | None, depth: int = 4) -> float | None:
    """Return the number that an expression of constants stands for: 1e-5, 1 / 60_000, 10 ** -5."""
    if isinstance(node, ast.BinOp) and depth:
        left, right = _value(call, node.left, depth - 1), _value(call, node.right, depth - 1)
        if left is None or right is None:
            return None
        if isinstance(node.op, ast.Div) and right:
            return left / right
        if isinstance(node.op, ast.Mult):
            return left * right
        if isinstance(node.op, ast.Pow) and 0 < left <= 1000 and abs(right) <= 100:
            return float(left**right)
        return None
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = _value(call, node.operand, depth - 1) if depth else None
        return None if value is None else -value
    constant = call.constant(node)
    return private_training.number(constant) if isinstance(constant, (int, float)) else None


def settings(artifact: Artifact, context: Context) -> Iterator[PrivateTraining]:
    """Yield what a configuration claims. Raises Unreadable when it speaks of it and cannot be read."""
    text = read_text(context, artifact.path, MAX_SETTINGS_BYTES)
    if not _WORDS.search(text):
        return
    body, lines = _loaded(artifact, text)
    claim = private_training.in_settings(body, lines)
    if claim is not None:
        yield PrivateTraining(
            artifact.path, claim.line, "claim", "configuration", claim.epsilon, claim.delta, claim.noise
        )


def _loaded(artifact: Artifact, text: str) -> tuple[object, dict[tuple[str | int, ...], int]]:
    from mlguard import yamlish

    if artifact.kind == "toml":
        import tomllib

        try:
            return tomllib.loads(text), {}
        except tomllib.TOMLDecodeError:
            raise Unreadable("not valid TOML") from None
    body, lines = yamlish.load(text, artifact.path)  # JSON is read as YAML, for the lines
    return body, dict(lines)


CHECKS = (calls, calls_of_libraries)
