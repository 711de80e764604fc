"""Model files against what vouches for them: declared digests, lists of digests, signed statements, bills of materials."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from mlguard.artifacts import Artifact
from mlguard.assess.declared import Model, model_of
from mlguard.evidence import names
from mlguard.facts import BillOfMaterials, Fact, FileDigest, ModelFile, Seal
from mlguard.findings import Detection, Gap, Location, Proof, Record
from mlguard.scanners.dataset import places

FAILED, MISSING = "model/failed-integrity-check", "model/missing-digest-or-signature"
BILL = "model/missing-bill-of-materials"

MAX_EXTRA = 20
"""Files of one signed folder that its signature does not list and that are told one by one."""


def assess(
    facts: Sequence[Fact], weights: Sequence[ModelFile], models: Sequence[Model], artifacts: Sequence[Artifact]
) -> Iterator[Record]:
    """Yield what does not fit a digest or signature, and models that have neither although others have."""
    seals = [fact for fact in facts if isinstance(fact, Seal)]
    known = {fact.path: fact for fact in facts if isinstance(fact, FileDigest)}
    proven: set[str] = set()
    broken: set[str] = set()
    for model in models:
        yield from _declared(model, models, known, seals, proven, broken)
        yield from _absent(model, models, artifacts)
    for seal in seals:
        yield from unsigned(seal, artifacts)
    yield from _unvouched(weights, models, seals, proven, broken)
    if models and weights:
        yield from _bills(facts, models, artifacts)


# --- Digests of the declaration


def _declared(
    model: Model, models: Sequence[Model], known: Mapping[str, FileDigest], seals: Sequence[Seal], proven: set[str],
    broken: set[str],
) -> Iterator[Record]:  # fmt: skip
    """Compare the digest of one entry with its files. One that names several files may give the digest of a signed whole."""
    digits = model.digest
    if not digits:
        return
    files = [path for path in known if model_of(path, models) is model]
    good = [path for path in files if known[path].sha256 == digits]
    folders = [seal for seal in seals if seal.digest == digits and any(path in seal.files for path in files)]
    proven |= {path for path in good if not known[path].pointer}
    proven |= {path for seal in folders for path in seal.files}
    for path in sorted(set(good) & proven):
        yield Proof(FAILED, path, path)
    if good or folders:
        return
    broken |= set(files)
    for path in sorted(files)[:1]:
        facts: dict[str, str | int] = {"file": path, "source": model.path, "id": model.id}
        related = ((f"declared as {model.id}", Location(model.path, model.line)),)
        yield Detection(
            FAILED, "declared-digest", Location(path, byte=0), facts, subject=path, anchor=model.id, related=related
        )


def _absent(model: Model, models: Sequence[Model], artifacts: Sequence[Artifact]) -> Iterator[Gap]:
    """Yield a gap for a declared model with a digest that is not there, when the scan took in the declaration itself."""
    if not model.digest or not model.patterns or not any(artifact.path == model.path for artifact in artifacts):
        return
    if not any(model_of(artifact.path, models) is model for artifact in artifacts):
        yield Gap("assess", model.path, "unresolved", f"no file is the declared model {model.id}, so its digest was not checked",
                  "fetch the file (git lfs pull, dvc pull), or correct its location")  # fmt: skip


# --- Signed folders


def unsigned(seal: Seal, artifacts: Sequence[Artifact]) -> Iterator[Record]:
    """Yield files that lie in a signed folder and that its signature does not list: the signature does not hold with them."""
    if not seal.whole:
        return
    listed = set(seal.files)
    found = [
        artifact.path
        for artifact in artifacts
        if (not seal.folder or artifact.path.startswith(f"{seal.folder}/"))
        and artifact.path not in listed
        and artifact.path != seal.path
        and artifact.kind != "empty"  # a list of shards names none
        and not _left_out(artifact.path, seal)
    ]
    for path in sorted(found)[:MAX_EXTRA]:
        facts: dict[str, str | int] = {"file": path, "source": seal.path}
        yield Detection(FAILED, "unsigned-file", Location(path), facts, subject=path, anchor=seal.path)
    if len(found) > MAX_EXTRA:
        facts = {"source": seal.path, "count": len(found) - MAX_EXTRA}
        yield Detection(FAILED, "unsigned-files", Location(seal.path), facts, subject=seal.path, anchor="rest")


_GIT = (".git", ".gitattributes", ".github", ".gitignore")
"""What OpenSSF Model Signing leaves out unless it is told otherwise."""


def _left_out(path: str, seal: Seal) -> bool:
    name = path.rsplit("/", 1)[-1]
    within = path[len(seal.folder) + 1 :] if seal.folder else path
    ignored = (*seal.ignored, *(f"{seal.folder}/{item}".lstrip("/") for item in _GIT))
    return (
        names.is_signature(name)  # of another signer: a signature cannot list itself or those that come after it
        or any(path == item or path.startswith(f"{item}/") for item in ignored)
        or within.startswith(_GIT[0] + "/")
    )


# --- Models without


def _unvouched(
    weights: Sequence[ModelFile], models: Sequence[Model], seals: Sequence[Seal], proven: set[str], broken: set[str]
) -> Iterator[Record]:
    """Yield models without digest and signature, where the organisation has said what it ships."""
    paths = {weight.path for weight in weights}
    vouched = {path for seal in seals for path in seal.files}  # the scanner has said whether they fit
    for weight in weights:
        entry = model_of(weight.path, models)
        if weight.path in proven:
            yield Proof(MISSING, weight.path, weight.path)
        elif weight.path in vouched or weight.path in broken or places.is_test(weight.path):
            continue  # told where the signature or the digest is
        elif entry is not None:
            yield _missing(
                weight, "declared", {"id": entry.id}, (f"declared as {entry.id}", Location(entry.path, entry.line))
            )
        elif models:
            yield _missing(weight, "undeclared", {}, None)
        else:
            above = [
                seal
                for seal in seals
                if (not seal.folder or weight.path.startswith(f"{seal.folder}/"))
                and (not seal.files or paths.intersection(seal.files))
            ]
            if above and not any(seal.whole for seal in above):  # an extra file of a signed folder is told as such
                yield _missing(weight, "unlisted", {"source": above[0].path}, None)


def _missing(
    weight: ModelFile, check: str, facts: Mapping[str, str | int], related: tuple[str, Location] | None
) -> Detection:
    told = {"file": weight.path, **facts}
    where = (related,) if related else ()
    return Detection(
        MISSING, check, Location(weight.path), told, subject=weight.path, anchor=weight.path, related=where
    )


# --- Bills of materials


def _bills(facts: Sequence[Fact], models: Sequence[Model], artifacts: Sequence[Artifact]) -> Iterator[Record]:
    bills = [fact for fact in facts if isinstance(fact, BillOfMaterials)]
    other = [artifact.path for artifact in artifacts if names.is_other_bill(artifact.path.rsplit("/", 1)[-1])]
    listing = [bill.path for bill in bills if bill.models]
    declaration = models[0]
    place = Location(declaration.path, min(model.line for model in models))
    if listing or other:
        path = (listing or other)[0]
        yield Proof(BILL, path, path)
    elif bills:
        yield Detection(BILL, "no-models", place, {"bill": bills[0].path}, anchor="models", subject=bills[0].path)
    else:
        yield Detection(BILL, "no-bill", place, {}, anchor="models", subject=declaration.path)
