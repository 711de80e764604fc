"""What the names of images say: whether a tag moves by design, and whether the release is still in support."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from functools import cache

from mlguard.scanners.infra.operators import image_parts


@cache
def _ended() -> list[tuple[str, re.Pattern[str], str]]:
    from mlguard import tables

    table = tables.table("base_images")
    return [
        (str(one["image"]), re.compile(str(one["tags"])), tables.month(str(one["ended"])))
        for one in table.get("ended", ())
    ]


def ended(image: str) -> str:
    """Return the month in which the support of an image's release ended ("October 2024"), or "" when it has not or is not known.

    A whole date would look like a day of birth, and be masked where it is shown.
    """
    name, tag, _ = image_parts(image)
    plain = re.sub(
        r"^(?:(?:docker\.io|registry-1\.docker\.io|public\.ecr\.aws/docker|mirror\.gcr\.io)/)?(?:library/)?", "", name
    )
    return next((day for wanted, tags, day in _ended() if fnmatchcase(plain, wanted) and tags.search(tag)), "")


def floating(image: str) -> bool:
    """Say whether an image's tag moves by design: none, ``latest``, a branch, or a name without any version."""
    _, tag, digest = image_parts(image)
    if digest or image.lower() == "scratch":
        return False
    if not tag:
        return True
    if re.match(r"v?\d", tag):
        return False
    if re.fullmatch(
        r"(?i)(?:.*[-_.])?(?:latest|main|master|dev|develop|devel|nightly|edge|staging|canary|head|snapshot)(?:[-_.].*)?",
        tag,
    ):
        return not re.search(r"\d{4,}|[0-9a-f]{7,}", tag)
    return (
        not re.search(r"\d", tag)
        and re.fullmatch(
            r"(?i)(?:stable|lts|current|release|slim|alpine|runtime|devel|gpu|cpu|prod|production|test|beta|alpha|rc|cuda|ubuntu|debian)(?:[-_.][a-z]+)*",
            tag,
        )
        is not None
    )
