"""Serves the churn score to the care team's screens."""

from __future__ import annotations

import hmac
import logging
import os
import time
import uuid
from pathlib import Path
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Security
from fastapi.responses import PlainTextResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ConfigDict, Field

from churn.model import open_model

log = logging.getLogger(__name__)

CALLS_PER_MINUTE = 120

bearer = HTTPBearer()
model = open_model(Path(os.environ.get("MODEL_FOLDER", "models")))
recent: list[float] = []
answers = {"low": 0, "medium": 0, "high": 0}


def authenticated(credentials: Annotated[HTTPAuthorizationCredentials, Security(bearer)]) -> None:
    """Let only callers through that hold the token of this service."""
    with open(os.environ["API_TOKEN_FILE"], encoding="utf-8") as file:
        expected = file.read().strip()
    if not hmac.compare_digest(credentials.credentials.encode(), expected.encode()):
        raise HTTPException(status_code=401, detail="unknown token")


def within_limit() -> None:
    """Refuse more calls in a minute than the screens need."""
    now = time.monotonic()
    recent[:] = [moment for moment in recent if now - moment < 60]
    if len(recent) >= CALLS_PER_MINUTE:
        raise HTTPException(status_code=429, detail="too many requests")
    recent.append(now)


app = FastAPI(
    title="churn",
    version=model.version,
    docs_url=None,
    redoc_url=None,
    dependencies=[Depends(authenticated), Depends(within_limit)],
)


class Contract(BaseModel):
    """The coarse numbers of one contract; nothing that tells whose it is."""

    model_config = ConfigDict(extra="forbid")

    tenure_quarters: int = Field(ge=0, le=80)
    charge_step: int = Field(ge=0, le=40)
    support_calls: int = Field(ge=0, le=50)
    data_step: int = Field(ge=0, le=100)


class Answer(BaseModel):
    """The band that the care team sees, and what it was computed with."""

    request: str
    model: str
    band: str


def band(score: float) -> str:
    """Return a coarse band, so that the exact score does not leave the service."""
    if score >= 0.7:
        return "high"
    return "medium" if score >= 0.4 else "low"


@app.post("/score", dependencies=[Depends(authenticated)])
def score_contract(contract: Contract) -> Answer:
    """Return how likely this contract ends. A person decides what follows from it."""
    request = uuid.uuid4().hex
    value = model.score(
        [contract.tenure_quarters, contract.charge_step, contract.support_calls, contract.data_step]
    )
    name = band(value)
    answers[name] += 1
    log.info("request %s model %s", request, model.digest)
    return Answer(request=request, model=model.version, band=name)


@app.get("/metrics", dependencies=[Depends(authenticated)])
def metrics() -> PlainTextResponse:
    """Return how often each band was given, from which the monitor computes the drift."""
    return PlainTextResponse(
        "".join(f'churn_answers_total{{band="{name}"}} {count}\n' for name, count in answers.items())
    )
