"""Claims of differentially private training against the code and the configurations that are there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mlguard.artifacts import Artifact
from mlguard.assess.declared import models_of
from mlguard.evidence import private_training
from mlguard.facts import Fact, ModelCard, Package, PrivateTraining
from mlguard.findings import Detection, Location, Proof, Record
from mlguard.scanners.dataset import places
from mlguard.values import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mlguard.declarations import Declaration

RULE = "code/unimplemented-differential-privacy"

LIBRARIES = frozenset(
    {"opacus", "tensorflow-privacy", "dp-accounting", "diffprivlib", "jax-privacy", "opendp", "autodp", "pipeline-dp", "tmlt-analytics",
     "tmlt-core", "private-transformers", "fastdp", "dp-transformers", "smartnoise-synth", "smartnoise-sql", "python-dp", "prv-accountant", "pyvacy"}
)  # fmt: skip
"""Packages on PyPI that add noise or account for it."""

WEAK = 10.0
"""Epsilon above which little is promised, where no limit is claimed: tier 3 of Ponomareva et al., How to DP-fy ML, JAIR 77 (2023), section 5.2.1."""

LARGE_DELTA = 1e-2
"""Delta from which one person in a hundred may have no protection at all."""


@dataclass(frozen=True, slots=True)
class _Claim:
    path: str
    line: int
    who: str
    subject: str
    epsilon: float | None
    delta: float | None
    noise: float | None = None
    settings: bool = False


def assess(facts: Sequence[Fact], declaration: Declaration | None, artifacts: Sequence[Artifact]) -> Iterator[Record]:
    """Yield where differential privacy is claimed and the code does not show it, or shows another figure."""
    claims = [*_declared(declaration), *_written(facts)]
    if not claims:
        return
    seen = [
        fact
        for fact in facts
        if isinstance(fact, PrivateTraining) and fact.role != "claim" and not places.is_test(fact.path)
    ]
    code = any(artifact.kind in ("python", "notebook") and not places.is_test(artifact.path) for artifact in artifacts)
    listed = sorted({fact.name for fact in facts if isinstance(fact, Package) and _plain(fact.name) in LIBRARIES})
    told = False
    for claim in claims:
        if not code and claim.who == "the model card":
            continue  # a model without its code: nothing can be compared
        for detection in _claim(claim, claims, seen, listed):
            told = True
            yield detection
    for detection in _calls(claims, seen):
        told = True
        yield detection
    if not told:
        for claim in claims:
            if code and not claim.settings:
                yield Proof(RULE, claim.subject, claim.path)


def _plain(name: str) -> str:
    return name.lower().replace("_", "-")


def _declared(declaration: Declaration | None) -> Iterator[_Claim]:
    for model in models_of(declaration):
        claim = private_training.in_measures(model.body.get("measures"))
        if claim is not None:
            yield _Claim(model.path, model.line, "the declaration", model.id, claim.epsilon, claim.delta, claim.noise)


def _written(facts: Sequence[Fact]) -> Iterator[_Claim]:
    for fact in facts:
        if isinstance(fact, ModelCard) and fact.private and not places.is_test(fact.path):
            yield _Claim(fact.path, fact.private, "the model card", fact.path, fact.epsilon, fact.delta)
        elif isinstance(fact, PrivateTraining) and fact.role == "claim" and not places.is_test(fact.path):
            yield _Claim(
                fact.path, fact.line, "the configuration", fact.path, fact.epsilon, fact.delta, fact.noise, True
            )


def _claim(
    claim: _Claim, claims: Sequence[_Claim], seen: Sequence[PrivateTraining], listed: Sequence[str]
) -> Iterator[Detection]:
    """Yield what one claim lacks."""
    place = Location(claim.path, claim.line)
    used = sorted({fact.name for fact in seen if fact.role == "library"})
    if not seen:
        if listed:
            yield _detection("no-call", claim, place, library=listed[0])
        else:
            yield _detection("no-library", claim, place)
        return
    if claim.noise is not None and claim.noise <= 0:
        yield _detection("no-noise", claim, place, where=f"{claim.who} sets the noise multiplier to 0")
    # A configuration sets what the code takes; only another document or a declaration can contradict it.
    limits = [other.epsilon for other in claims if other.epsilon is not None and not other.settings]
    if claim.epsilon is not None and (claim.settings and limits and claim.epsilon > min(limits)):
        yield _detection("epsilon", claim, place, epsilon=f"{claim.epsilon:g}", limit=f"the claimed {min(limits):g}")
    elif claim.epsilon is not None and claim.epsilon > WEAK and not (claim.settings and limits):
        yield _detection(
            "epsilon", claim, place, epsilon=f"{claim.epsilon:g}", limit=f"{WEAK:g}, above which little is promised"
        )
    given = any(other.delta is not None for other in claims) or any(call.delta is not None for call in seen)
    if claim.epsilon is not None and not given and not {"diffprivlib", "opendp"} & set(used):
        yield _detection("no-delta", claim, place, where="neither it nor the code gives a delta")
    elif claim.delta is not None and claim.delta >= LARGE_DELTA:
        yield _detection(
            "no-delta",
            claim,
            place,
            where=f"its delta of {claim.delta:g} leaves one person in {round(1 / claim.delta)} without protection",
        )
    if (
        claim.epsilon is not None
        and not claim.settings
        and not any(fact.accounts for fact in seen)
        and not _spends_itself(seen)
    ):
        yield _detection("no-accountant", claim, place, library=used[0] if used else "a library")


def _spends_itself(seen: Sequence[PrivateTraining]) -> bool:
    """Say whether the code gives an epsilon to a library that keeps to it."""
    return any(fact.role == "call" and fact.epsilon is not None for fact in seen)


def _calls(claims: Sequence[_Claim], seen: Sequence[PrivateTraining]) -> Iterator[Detection]:
    """Yield calls whose settings contradict what is claimed."""
    limits = [(claim.epsilon, claim) for claim in claims if claim.epsilon is not None and not claim.settings]
    limit, claim = min(limits, key=lambda item: item[0]) if limits else (WEAK, claims[0])
    for call in seen:
        place = Location(call.path, call.line)
        if call.noise is not None and call.noise <= 0:
            yield _detection("no-noise", claim, place, where=f"{call.name} is called with a noise multiplier of 0")
        if call.epsilon is not None and call.epsilon > limit:
            shown = f"the claimed {limit:g}" if limits else f"{WEAK:g}, above which little is promised"
            yield _detection("epsilon", claim, place, epsilon=f"{call.epsilon:g}", limit=shown)
        if call.delta is not None and call.delta >= LARGE_DELTA:
            where = f"the delta of {call.delta:g} leaves one person in {round(1 / call.delta)} without protection"
            yield _detection("no-delta", claim, place, where=where)
        if call.insecure and claim.who == "the declaration":
            yield _detection("insecure-noise", claim, place)


def _detection(check: str, claim: _Claim, place: Location, **more: str) -> Detection:
    related = (
        ()
        if place.path == claim.path and place.line == claim.line
        else (("claimed here", Location(claim.path, claim.line)),)
    )
    return Detection(
        RULE,
        check,
        place,
        {"who": claim.who, "model": claim.subject, **more},
        claim.subject,
        check,
        claim.subject,
        related=related,
    )
