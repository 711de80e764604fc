"""What all pipelines of a tree do together: whether they gate, scan on a schedule, test, and can go back."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from mlguard.artifacts import Artifact
from mlguard.errors import Unreadable
from mlguard.findings import Gap
from mlguard.scanners import Context, lazy, read_text
from mlguard.scanners.infra.pipelines import scripts
from mlguard.scanners.infra.resources import Path, Position, Resource

MAX_LISTED = 5_000
"""Workflow files that are counted to see whether all were given."""

MAX_DOCUMENTS = 200
"""Documents in which the command for going back is looked for."""

MAX_DOCUMENT_BYTES = 2**20
"""The largest document that is read for it."""

_DECLARED = ("privacy.yaml", "mlguard.yaml", "mlguard.yml")
_OUR_GATE = lazy.pattern(r"(?:^|[\s/])mlguard(?:-action)?(?:@|\s|$)")


class Repository:
    """Takes notes of each resource, and says in the end what they come to.

    Nothing is said about what is missing unless the tree declares that mlguard is to look after it (privacy.yaml or
    mlguard.yaml at its root) and all of its workflows were given.
    """

    def __init__(self, group: Sequence[Artifact], context: Context) -> None:
        self.group, self.context = group, context
        self.declared = not context.hook and any((context.root / name).is_file() for name in _DECLARED)
        self.main: tuple[str, Position] | None = None
        self.gated: set[str] = set()  # "pull", "push", "schedule": on what our own gate runs
        self.scanned: set[str] = set()
        self.deploys: tuple[str, Position] | None = None
        self.rollback = self.tests = self.broken = False

    def noted(self, records: Iterable[Resource | Gap]) -> Iterator[Resource | Gap]:
        """Yield the records on, and take notes."""
        for record in records:
            self.note(record)
            yield record

    def note(self, record: Resource | Gap) -> None:
        if isinstance(record, Gap):
            self.broken = True
            return
        if not self.declared:
            return
        if record.kind == "github.workflow" or record.kind == "gitlab.pipeline":
            on = {str(name) for name in record.attributes.get("triggers", ())}
            if self.main is None or (on & {"pull_request", "push"} and record.path < self.main[0]):
                self.main = record.path, record.positions.get((), Position(1))
            self.rollback = self.rollback or "rollback" in record.path.lower().replace("-", "").replace("_", "")
        elif record.kind in ("github.job", "gitlab.job"):
            self.rollback = (
                self.rollback
                or re.search(r"(?i)roll[-_ ]?back", f"{record.name} {record.attributes.get('name', '')}") is not None
            )
            if record.attributes.get("deploys") and self.deploys is None:
                self.deploys = record.path, record.positions.get((), Position(1))
        if record.kind in ("github.step", "gitlab.job"):
            self._script(record)

    def _script(self, record: Resource) -> None:
        run = str(record.attributes.get("run", ""))
        uses = record.attributes.get("uses") or {}
        events = self._events(record)
        name = str(uses.get("name", "")) if isinstance(uses, dict) else ""
        if record.attributes.get("gates") and not any(one["soft"] for one in record.attributes["gates"]):
            self.scanned |= events
        if ("mlguard" in run and _OUR_GATE.search(run)) or ("mlguard" in name and _OUR_GATE.search(name + "@")):
            self.gated |= events
        self.rollback = self.rollback or (bool(run) and scripts.ROLLBACK.search(run) is not None)
        self.tests = self.tests or (bool(run) and scripts.unit_tests(run))

    @staticmethod
    def _events(record: Resource) -> set[str]:
        if record.kind == "gitlab.job":
            text = str(record.attributes.get("rules", ""))
            return {"schedule"} if re.search(r"schedule", text) and "!=" not in text else {"pull", "push", "schedule"}
        on = {str(name) for name in record.attributes.get("triggers", ())}
        found = {"pull"} if on & {"pull_request", "pull_request_target", "merge_group"} else set()
        found |= {"push"} if "push" in on else set()
        return (
            found
            | ({"schedule"} if on & {"schedule", "workflow_call"} else set())
            | ({"pull", "push"} if "workflow_call" in on else set())
        )

    def resources(self) -> Iterator[Resource]:
        if self.main is None or self.broken or not self._whole():
            return
        path, at = self.main
        attributes = {
            "gated_on": sorted(self.gated), "scanned_on": sorted(self.scanned | self.gated), "tests": self.tests,
            "deploys": self.deploys is not None, "rollback": self.rollback or self._documented(), "code": self._has_code(),
        }  # fmt: skip
        positions: dict[Path, Position] = {(): at}
        if self.deploys is not None:
            where, place = self.deploys
            positions[("rollback",)] = Position(
                place.line, place.column, place.end_line, place.end_column, place.path or where
            )
        yield Resource("pipelines", "pipelines", "pipelines", path, attributes, positions, ("derived",))

    def _documented(self) -> bool:
        """Say whether a document names the command that brings back what ran before."""
        patterns = ("*.md", "docs/*.md", "docs/*/*.md", "runbooks/*.md", "doc/*.md", "ops/*.md")
        found = (path for pattern in patterns for path in sorted(self.context.root.glob(pattern)))
        for path in islice(found, MAX_DOCUMENTS):
            try:
                text = read_text(self.context, path.relative_to(self.context.root).as_posix(), MAX_DOCUMENT_BYTES)
            except Unreadable:
                continue
            if scripts.ROLLBACK_COMMAND.search(text):
                return True
        return False

    def _has_code(self) -> bool:
        root = self.context.root
        return any(
            next(iter(root.glob(pattern)), None) is not None for pattern in ("*.py", "src/*.py", "src/*/*.py", "*/*.py")
        )

    def _whole(self) -> bool:
        """Say whether every workflow on disk is in the group, so that what is missing is missing."""
        folder = self.context.root / ".github" / "workflows"
        given = {artifact.path for artifact in self.group}
        try:
            for number, path in enumerate(sorted(folder.iterdir()) if folder.is_dir() else ()):
                if number >= MAX_LISTED or (
                    path.suffix in (".yml", ".yaml") and f".github/workflows/{path.name}" not in given
                ):
                    return False
        except OSError:
            return False
        return not (self.context.root / ".gitlab-ci.yml").is_file() or ".gitlab-ci.yml" in given
