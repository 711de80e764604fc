"""The models of the privacy declaration, and which files they are."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from mlguard.artifacts import Artifact
from mlguard.assess.governance import matches
from mlguard.evidence import digests
from mlguard.values import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mlguard.declarations import Declaration


@dataclass(frozen=True, slots=True)
class Model:
    """One model of the declaration. ``line`` is where it begins, ``digest`` the digits of its SHA-256 or ""."""

    id: str
    body: Mapping[str, Any]
    path: str
    line: int
    patterns: tuple[str, ...]
    digest: str


def models_of(declaration: Declaration | None) -> list[Model]:
    """Return the models that the declaration lists, in its order."""
    if declaration is None:
        return []
    return [
        Model(
            str(body["id"]),
            body,
            declaration.path,
            declaration.lines.get(("models", index), 1),
            tuple(_local(place) for place in body.get("location") or [] if "://" not in place),
            _sha256(str(body.get("digest") or "")),
        )
        for index, body in enumerate(declaration.body.get("models") or [])
    ]


def _sha256(value: str) -> str:
    algorithm, digits = digests.parsed(value)
    return digits if algorithm == "sha256" else ""


def _local(location: str) -> str:
    plain = location.replace("\\", "/").removeprefix("file:")
    if plain.strip("./") == "":
        return "**"  # the whole tree
    plain = plain.removeprefix("./")
    return plain.strip("/") + ("/**" if plain.endswith("/") else "")


def model_of(path: str, models: Sequence[Model]) -> Model | None:
    """Return the model whose most literal location matches a path, the first of equals."""
    found = [(_literal(pattern), model) for model in models for pattern in model.patterns if matches(pattern, path)]
    return max(found, key=lambda item: item[0])[1] if found else None


def _literal(pattern: str) -> int:
    return len(re.sub(r"[*?\[\]]", "", pattern)) + (1000 if not re.search(r"[*?\[]", pattern) else 0)


def digested(declaration: Declaration, artifacts: Sequence[Artifact]) -> list[str]:
    """Return the paths of the files for which the declaration gives a digest: each that it names, and models in its folders."""
    from mlguard.scanners.model import KINDS

    models = [model for model in models_of(declaration) if model.digest]
    return [
        artifact.path
        for artifact in artifacts
        if (model := model_of(artifact.path, models))
        and (artifact.path in model.patterns or artifact.kind in KINDS or artifact.kind == "lfs-pointer")
    ]


def is_personal(model: Model, declaration: Declaration) -> bool:
    """Say whether the declaration says that the model is made from personal data, or may hold some."""
    if model.body.get("personal_data") in ("contains", "may_contain"):
        return True
    classes = {entry["id"]: entry.get("class") for entry in declaration.body.get("datasets") or []}
    return any(
        classes.get(name) in ("pseudonymous", "personal", "special") for name in model.body.get("trained_on") or []
    )
