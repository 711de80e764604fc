"""Takes the artifacts to the scanners, and their records to a report."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from mlguard import __version__, codec, lazy
from mlguard.artifacts import Artifact
from mlguard.facts import Consulted, Fact, Imports, Package, Upkeep
from mlguard.findings import SEVERITIES, Coverage, Detection, Finding, Gap, Location, Proof, Record, Report
from mlguard.rules import Catalogue, fix_for, message_for, severity_for
from mlguard.values import dataclass, field, replace
from mlguard.workers import Progress, Setting, Task, perform, plan

if TYPE_CHECKING:
    from mlguard.cache import Recall
    from mlguard.declarations import Declaration


@dataclass(frozen=True, slots=True)
class Job:
    """One run: which files, which scanners with which settings, and how many processes (0: this one alone)."""

    root: Path
    artifacts: Sequence[Artifact]
    scanners: Sequence[str]
    catalogue: Catalogue
    required: Sequence[str] = ()
    plugins: Sequence[str] = ()
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    declaration: Declaration | None = None
    gaps: Sequence[Gap] = ()  # from discovery and configuration
    processes: int = 0
    hook: bool = False
    timeout: float = 120.0  # seconds for one group of files
    memory: int = 4 * 2**30  # bytes of address space beyond what a worker starts with
    config_digest: str = ""
    excluded: int = 0
    stores: Mapping[str, str] = field(
        default_factory=dict, repr=False
    )  # what is shown of an address -> the address; see artifacts
    ray: str | None = None  # data is counted by the workers of this cluster of Ray, of a local one when it is ""
    digests: bool = False  # compute the SHA-256 of every model, not only of those that the declaration gives one for
    recall: Recall | None = field(default=None, repr=False)  # what earlier runs said of files that have not changed
    at_hand: bool = False  # a little work that is safe to do in this process is done here, though there may be others


SMALL_BYTES = 2**18
"""Of so much text it costs less to look at it here than to start a child, and to hear from it."""

_SAFE = frozenset({"code", "secrets", "dependencies"})
"""Scanners that read text in bounded time, with no library that could take this process down."""


def run(job: Job, progress: Progress | None = None) -> Report:
    """Return the report of one run. ``progress`` is called with (done, total, path).

    Raises UsageError for a scanner that does not exist. Trouble with the input never raises: it is a gap.
    """
    tasks, setting, records = planned(job)
    records += performed(job, tasks, setting, progress)
    return concluded(job, tasks, records)


def planned(job: Job) -> tuple[list[Task], Setting, list[tuple[str, Record]]]:
    """Return the tasks of a run, what they share, and the gaps that are known before any of them is done. Raises UsageError."""
    memory = job.memory if _processes(job) else 0
    setting = Setting(str(job.root), tuple(job.plugins), _settings(job), job.hook, memory, job.stores)
    plans = [plan(name, setting, job.artifacts) for name in job.scanners]
    tasks = [task for some, _ in plans for task in some]
    gaps = [*job.gaps, *(gap for _, some in plans for gap in some), *_unread(job, tasks)]
    return tasks, setting, [("discovery", gap) for gap in gaps]


def performed(
    job: Job, tasks: Sequence[Task], setting: Setting, progress: Progress | None = None
) -> list[tuple[str, Record]]:
    """Return what the scanners say, with their names."""
    if job.recall is None or job.ray is not None:
        stream = _streamed(job, tasks, setting, progress)
        return [(task.scanner, record) for task, record in stream if not isinstance(record, Consulted)]
    known = job.recall.known(tasks, setting)
    done: dict[Task, list[Record]] = {task: [] for task in tasks if task not in known}
    for task, record in _streamed(job, list(done), setting, progress) if done else ():
        done[task].append(record)
    records: list[tuple[str, Record]] = [
        (task.scanner, record)
        for some in (known, done)
        for task, found in some.items()
        for record in found
        if not isinstance(record, Consulted)
    ]
    if done:
        lines = _shown_lines(_unique(_judged(records, job.catalogue), job.catalogue))
        job.recall.keep(
            {task: [_hidden(task.scanner, record, lines) for record in found] for task, found in done.items()}
        )
    return records


def _streamed(
    job: Job, tasks: Sequence[Task], setting: Setting, progress: Progress | None
) -> Iterable[tuple[Task, Record]]:
    stream: Iterable[tuple[Task, Record]]
    if job.ray is not None:
        from mlguard import cluster

        stream = cluster.perform(tasks, setting, _processes(job), job.timeout, job.ray, progress)
    elif (processes := _processes(job)) and not (job.at_hand and _is_small(job, tasks)):
        from mlguard import pool

        stream = pool.perform(tasks, setting, processes, job.timeout, progress)
    else:
        stream = perform(tasks, setting, progress)
    return stream


def _is_small(job: Job, tasks: Sequence[Task]) -> bool:
    """Say whether tasks need no process of their own: little text for scanners that only read it."""
    if job.plugins or job.settings.get("dependencies", {}).get("online"):
        return False
    return sum(artifact.size for task in tasks for artifact in task.group) <= SMALL_BYTES and all(
        task.scanner in _SAFE and all(artifact.kind != "history" for artifact in task.group) for task in tasks
    )


def _processes(job: Job) -> int:
    return job.processes or (1 if job.stores else 0)  # a store may hang


def concluded(job: Job, tasks: Sequence[Task], records: list[tuple[str, Record]]) -> Report:
    """Return the report of all that the tasks of a run have said."""
    if not job.hook:
        records = _put_together(job, records)
    if job.declaration is not None and "code" in job.scanners:
        from mlguard.assess import people

        records = people.answered(records, job.declaration)
    facts = tuple(sorted({record for _, record in records if isinstance(record, Fact)}, key=_dumped))
    if not job.hook:
        from mlguard.assess import assess  # the quick run on commit has no second stage, and no time to load it

        judged = assess(facts, job.declaration, job.artifacts)
        records += [("assess", record) for record in judged if "code" in job.scanners or not _about_code(record)]
    return _report(job, tasks, records, facts)


def _put_together(job: Job, records: list[tuple[str, Record]]) -> list[tuple[str, Record]]:
    """Return the records, with what follows for dependencies from all of them: what code imports, and what is missing."""
    if not any(isinstance(record, Imports | Upkeep | Package) for _, record in records):
        return records
    from mlguard.assess import components, upkeep

    used = components.libraries((record for _, record in records), job.artifacts)
    looked = "code" in job.scanners and any(artifact.kind in ("python", "notebook") for artifact in job.artifacts)
    missing = list(upkeep.assess(record for _, record in records))
    kept = [pair for pair in records if not isinstance(pair[1], Imports | Upkeep)]
    return [*components.reached(kept, used, looked), *(("assess", record) for record in (*used, *missing))]


def _about_code(record: Record) -> bool:
    """Say whether a record is about code: what code lacks is known only to a run that looked at it."""
    return isinstance(record, Detection | Proof) and record.rule.startswith("code/")


def _settings(job: Job) -> Mapping[str, Mapping[str, Any]]:
    """Return the scanners' settings, and what they must know of the declaration: digests of models, roles of fields."""
    asked: dict[str, Any] = {"digest_all": True} if job.digests else {}
    settings = dict(job.settings)
    if job.declaration is not None and job.declaration.body.get("models"):
        from mlguard.assess import declared

        asked["digests"] = declared.digested(job.declaration, job.artifacts)
    if job.declaration is not None and not job.hook and job.declaration.body.get("datasets"):
        from mlguard.assess import anonymity

        if told := anonymity.wanted(job.declaration, job.artifacts):
            settings["dataset"] = {**settings.get("dataset", {}), "declared": told}
    if job.declaration is not None and not job.hook and "infra" in job.scanners:
        from mlguard.assess import stores

        settings["infra"] = {**settings.get("infra", {}), "declared": stores.told(job.declaration)}
    if "code" in job.scanners and any(artifact.kind in ("python", "notebook") for artifact in job.artifacts):
        from mlguard.scanners.code import pins

        if versions := pins.asked(job.root, job.artifacts):
            settings["code"] = {**settings.get("code", {}), "versions": versions}
        if job.declaration is not None and not job.hook:
            from mlguard.assess import people

            settings["code"] = {**settings.get("code", {}), "symbols": people.wanted(job.declaration)}
    return {**settings, "model": {**settings.get("model", {}), **asked}} if asked else settings


def _unread(job: Job, tasks: Sequence[Task]) -> Iterable[Gap]:
    """Yield a gap for each file that no scanner of this run reads, although it holds something to look at."""
    if job.hook:
        return
    read = _read(tasks)
    for artifact in job.artifacts:
        if artifact.path not in read and artifact.kind in _CLAIMED:
            name = _CLAIMED[artifact.kind]
            reason, hint = _POINTERS.get(artifact.kind, (f"this version does not read {artifact.kind} files", _EXCLUDE))
            if artifact.kind in _POINTERS:
                yield from _elsewhere(job, artifact)
            elif name in job.scanners:
                yield Gap(name, artifact.path, "skipped", reason, hint)
        elif artifact.path.rsplit("/", 1)[-1] == "dvc.lock":
            yield from _elsewhere(job, artifact)


def _elsewhere(job: Job, artifact: Artifact) -> Iterable[Gap]:
    """Yield a gap for each file that a pointer or lock file stands for and that is not here, with its size as the pointer has it."""
    from mlguard import redact
    from mlguard.evidence import pointers

    if artifact.kind == "lfs-pointer":
        size = pointers.amount(pointers.lfs_size(job.root, artifact.path))
        yield from _absent(job, artifact, artifact.path, *_POINTERS["lfs-pointer"], f" ({size})" if size else "")
        return
    outputs = pointers.dvc_outputs(job.root, artifact.path)
    reason, hint = _POINTERS["dvc-pointer"]
    if not outputs and artifact.kind == "dvc-pointer":
        yield from _absent(job, artifact, artifact.path, reason, hint)
    here = {known.path for known in job.artifacts}
    for output in outputs:
        if (
            output.path in here
            or (job.root / output.path).is_dir()
            and any(p.startswith(output.path + "/") for p in here)
        ):
            continue
        size = pointers.amount(output.size, output.files)
        told = ", ".join(filter(None, (redact.printable(redact.text(output.path)), size)))
        if output.stage:
            reason = f"an output of the DVC stage {redact.printable(redact.text(output.stage))} is not here"
        yield from _absent(job, artifact, output.path, reason, hint, f" ({told})")


def _absent(job: Job, artifact: Artifact, path: str, reason: str, hint: str, told: str = "") -> Iterable[Gap]:
    name = "model" if _is_model_name(path) else "dataset"
    if name in job.scanners:
        yield Gap(
            name,
            artifact.path,
            "skipped",
            (reason.replace("file", "model") if name == "model" else reason) + told,
            hint,
        )


def _read(tasks: Sequence[Task]) -> set[str]:
    """Return the paths that a scanner reads for what they are."""
    return {artifact.path for task in tasks for artifact in task.group if task.scanner != "secrets"}


def _is_model_name(path: str) -> bool:
    from mlguard.scanners.model.state import MODEL_SUFFIXES  # only a tree with pointers pays for it

    return path.removesuffix(".dvc").lower().endswith(MODEL_SUFFIXES)


_EXCLUDE = "exclude the file in .mlguardignore when it holds nothing to look at"
_POINTERS = {
    "lfs-pointer": ("an LFS pointer: the file itself is not here", "fetch it with git lfs pull, and scan again"),
    "dvc-pointer": ("a DVC pointer: the file itself is not here", "fetch it with dvc pull, and scan again"),
}
_CLAIMED = {
    "binary": "model", "executable": "model", "onnx": "model", "gguf": "model", "hdf5": "model", "7z": "model",
    "tar": "model", "zstd": "model", "lz4": "model", "gzip": "model", "bzip2": "model", "xz": "model", "zip": "model",
    "sqlite": "dataset", "ole": "dataset", "avro": "dataset", "orc": "dataset", "arrow": "dataset", "pdf": "dataset", "json": "dataset",
    "lfs-pointer": "dataset", "dvc-pointer": "dataset", "store": "dataset", "history": "dataset",
}  # fmt: skip


Item = TypeVar("Item")


def _drained(items: list[Item]) -> Iterator[Item]:
    """Yield each item and let go of it: what is made of it takes its place in memory."""
    items.reverse()
    while items:
        yield items.pop()


def _report(job: Job, tasks: Sequence[Task], records: list[tuple[str, Record]], facts: tuple[Fact, ...]) -> Report:
    gaps = [record for _, record in records if isinstance(record, Gap)]
    proofs = sorted(
        {record for _, record in records if isinstance(record, Proof)},
        key=lambda proof: (proof.path, proof.rule, proof.subject),
    )
    detections = list(_judged(records, job.catalogue))
    nameless = [
        (name, record)
        for name, record in records
        if isinstance(record, Detection) and record.rule not in job.catalogue.rules
    ]
    records.clear()
    gaps += [
        Gap(name, detection.location.path, "crash", f"it reported the rule {detection.rule}, which has no page")
        for name, detection in nameless
    ]
    ran = {task.scanner for task in tasks} | {"assess"}
    return Report(
        version=__version__,
        rules_digest=job.catalogue.digest,
        config_digest=job.config_digest,
        searched=len({artifact.path for artifact in job.artifacts} - _read(tasks) - {gap.path for gap in gaps}),
        excluded=job.excluded,
        scanners=tuple(job.scanners),
        required=tuple(job.required),
        files=len(job.artifacts),
        findings=join(_drained(detections), job.catalogue),
        gaps=tuple(sorted(set(gaps), key=_dumped)),
        proofs=tuple(proofs),
        facts=facts,
        coverage=_coverage(job, tasks, gaps),
        evaluated=job.catalogue.reported_by(ran),
    )


def _coverage(job: Job, tasks: Sequence[Task], gaps: Sequence[Gap]) -> tuple[Coverage, ...]:
    wanted: dict[str, set[str]] = defaultdict(set)
    for task in tasks:
        wanted[task.scanner] |= {artifact.path for artifact in task.group}
    missed = {(gap.scanner, gap.path) for gap in gaps if gap.kind != "unresolved"}  # read, and not all of it understood
    return tuple(
        Coverage(name, len(wanted[name]), sum(not _missed(name, path, missed) for path in wanted[name]))
        for name in job.scanners
    )


def _missed(name: str, path: str, missed: set[tuple[str, str]]) -> bool:
    """Say whether a file, or a part of a store, was not read to its end."""
    return (
        (name, path) in missed
        or "://" in path
        and any(scanner == name and part.startswith(path + "/") for scanner, part in missed)
    )


def join(detections: Iterable[tuple[str, Detection]], catalogue: Catalogue) -> tuple[Finding, ...]:
    """Return the findings of (scanner, detection) pairs, totally ordered and without duplicates."""
    unique = _unique(detections, catalogue)
    ordinals: Counter[tuple[str, ...]] = Counter()
    findings = []
    known = _shown_lines(unique)
    ordered = sorted(unique.items(), key=lambda item: (_place(item[1][1].location), item[0]))
    unique.clear()
    for _, (name, detection) in _drained(ordered):
        key = _identity(detection)
        findings.append(_finding(name, _hidden(name, detection, known), catalogue, ordinals[key]))
        ordinals[key] += 1
    return tuple(sorted(findings, key=_order))


Unique = dict[tuple[Any, ...], tuple[str, Detection]]


def _judged(records: Iterable[tuple[str, Record]], catalogue: Catalogue) -> Iterator[tuple[str, Detection]]:
    """Yield the detections of rules that have a page."""
    for name, record in records:
        if isinstance(record, Detection) and record.rule in catalogue.rules:
            yield name, record


def _unique(detections: Iterable[tuple[str, Detection]], catalogue: Catalogue) -> Unique:
    return _once({_sameness(detection): (name, detection) for name, detection in detections}, catalogue)


def _shown_lines(unique: Unique) -> dict[tuple[str, int], str]:
    """Return by path and number each line that holds a credential, as it may be shown."""
    return {
        (detection.location.path, detection.location.line): detection.excerpt[0]
        for name, detection in unique.values()
        if name == "secrets" and detection.excerpt
    }


def _sameness(detection: Detection) -> tuple[Any, ...]:
    """Return what tells two detections apart, in an order that can be sorted."""
    one = detection
    facts = tuple(sorted((key, str(value)) for key, value in one.facts.items()))
    place = one.location
    end = place.end_line, place.end_column, place.length or 0
    return one.rule, one.check, _place(place), end, one.scope, one.anchor, one.subject, one.advisory, facts, one.excerpt, repr(one.related) if one.related else ""  # fmt: skip


def _once(unique: Unique, catalogue: Catalogue) -> Unique:
    """Leave out what another scanner saw on a line of which the rule's own scanner already says the same."""
    own = {
        (one.rule, one.location.path, one.location.line)
        for name, one in unique.values()
        if catalogue.rules[one.rule].scanner == name
    }
    return {
        key: (name, one)
        for key, (name, one) in unique.items()
        if catalogue.rules[one.rule].scanner == name or (one.rule, one.location.path, one.location.line) not in own
    }


Some = TypeVar("Some", bound=Record)


def _hidden(scanner: str, detection: Some, known: Mapping[tuple[str, int], str]) -> Some:
    """Return the detection with each line that holds a credential as the scanner of secrets shows it."""
    if scanner == "secrets" or not known or not isinstance(detection, Detection) or not detection.excerpt:
        return detection
    place = detection.location
    shown = tuple(known.get((place.path, place.line + index), line) for index, line in enumerate(detection.excerpt))
    return detection if shown == detection.excerpt else replace(detection, excerpt=shown)


def _place(place: Location) -> tuple[Any, ...]:
    return place.path, place.line, place.column, -1 if place.byte is None else place.byte, place.within


def _order(finding: Finding) -> tuple[Any, ...]:
    return (
        finding.location.path,
        SEVERITIES.index(finding.severity),
        _place(finding.location),
        finding.rule,
        finding.fingerprint,
    )


_CELL = lazy.pattern(r"^cell \d+(?=, (?:output|attachment) \d+$|, metadata$|$).*")
"""The place of a cell in its notebook is no part of a finding's identity: cells are moved, added and removed."""


def _identity(detection: Detection) -> tuple[str, ...]:
    anchor = "".join((detection.anchor or detection.check).split())
    within = _CELL.sub("cell", detection.location.within)
    return detection.rule, detection.check, detection.location.path, within, detection.scope, anchor, detection.advisory


def _finding(name: str, detection: Detection, catalogue: Catalogue, ordinal: int) -> Finding:
    rule = catalogue.rules[detection.rule]
    import hashlib

    identity = "\0".join((*_identity(detection), str(ordinal)))
    return Finding(
        rule=rule.id,
        check=detection.check,
        severity=severity_for(rule, detection.check, detection.facts),
        title=rule.title,
        message=message_for(rule, detection.check, detection.facts),
        location=detection.location,
        controls=rule.controls,
        fingerprint=hashlib.sha256(identity.encode("utf-8", "surrogatepass")).hexdigest()[:32],
        scanner=name,
        fix=fix_for(rule, detection.check),
        subject=detection.subject,
        related=detection.related,
        advisory=detection.advisory,
        excerpt=detection.excerpt if any(detection.excerpt) else (),  # ("",) says that nothing may be shown
        facts=detection.facts,
        on_fail=rule.on_fail,
        edit=detection.edit,
        aside=detection.aside,
    )


def _dumped(record: object) -> str:
    return json.dumps(codec.encode(record), sort_keys=True)
