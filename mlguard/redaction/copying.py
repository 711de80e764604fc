"""Makes the copy: reads, decides, changes, verifies by reading again, and only then puts the file in its place."""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast

from mlguard import __version__
from mlguard.errors import Unreadable, UsageError
from mlguard.facts import Field
from mlguard.redaction import columnar, jsonlines, people, plan, prose, separated, survey
from mlguard.redaction.change import Change, Checking, Redaction, Restoring, refuse_nothing
from mlguard.redaction.keys import Key
from mlguard.redaction.operators import Applied, Operator
from mlguard.redaction.plan import Step, Wishes
from mlguard.redaction.spans import TextChange
from mlguard.redaction.survey import Seen
from mlguard.redaction.tokens import Restorer


@dataclass(slots=True)
class Outcome:
    """What was done. ``left`` counts cells that still show what was to be removed, by column and category: then nothing was written."""

    seen: Seen
    steps: list[Step]
    changed: dict[str, int] = field(default_factory=dict)
    unparsed: dict[str, int] = field(default_factory=dict)
    left: dict[tuple[str, str], int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    restored: int = 0
    written: bool = False


def survey_and_decide(source: Path, wishes: Wishes, keyed: bool, with_names: bool) -> Outcome:
    """Read the file and return what would be done. Raises UsageError, Unreadable."""
    seen = survey.look(source, survey.kind_of(source), with_names)
    kind = seen.kind
    if seen.missed:
        raise Unreadable(f"{source}: {seen.missed[0]}; what was not read cannot be redacted")
    _opaque_decided(seen, wishes)
    fields = [one for one in seen.fields if one.name not in seen.beside]
    columns = [name for name in seen.columns if name not in seen.beside]
    steps = plan.decide(fields, columns, wishes, keyed)
    if survey.FORMATS[kind] == "text":
        steps = [_in_prose(step) for step in steps]
    return Outcome(seen, steps, notes=_uncovered(seen, steps, with_names))


def _opaque_decided(seen: Seen, wishes: Wishes) -> None:
    for name in seen.opaque:
        asked = wishes.columns.get(name)
        if asked is None or asked.name not in ("keep", "drop"):
            raise UsageError(
                f"column {name!r} holds bytes that are no text (pictures, sound?), which cannot be looked at; "
                "say what to do: --column NAME=drop or --column NAME=keep"
            )


def _in_prose(step: Step) -> Step:
    """A text has lines and no cells: only what is found in them is changed."""
    return (
        step
        if step.spans
        else Step(
            step.column, step.category, step.operator, step.source, step.entity, step.cells, step.of, step.group, True
        )
    )


def _uncovered(seen: Seen, steps: Sequence[Step], with_names: bool) -> list[str]:
    prose_columns = [step.column for step in steps if step.spans]
    notes = []
    if prose_columns:
        where = ", ".join(repr(name) for name in prose_columns)
        if not with_names or not people.available():
            why = "was not asked" if people.available() else "is not installed: pip install 'mlguard[ner]'"
            notes.append(
                f"names of persons and places inside the text of {where} are not covered: a language model {why}"
            )
        else:
            spoken = ", ".join(people.spoken())
            notes.append(f"names inside the text of {where} are found by language models ({spoken}), which miss some")
    kept = [step for step in steps if step.operator.name == "keep" and step.source == "default"]
    if kept:
        where = ", ".join(repr(step.column) for step in kept)
        notes.append(
            f"kept: {where}; together they may still single a person out (--quasi generalise makes them coarser)"
        )
    return notes


def change_of(steps: Sequence[Step], key: Key | None, with_names: bool) -> Redaction:
    """Return the change that the steps describe. Raises UsageError for an operator that needs a key or a kind."""
    whole: dict[str, Applied] = {}
    inside: dict[str, TextChange] = {}
    for step in steps:
        if step.spans:
            inner = {category: Applied(one, category, key) for category, one in step.inner}
            otherwise = Applied(_inside(step.operator), step.category, key)
            inside[step.column] = TextChange(inner, otherwise, with_names)
        elif step.operator.name not in ("drop", "keep"):
            whole[step.column] = Applied(step.operator, step.category, key, step.entity)
    dropped = frozenset(step.column for step in steps if step.operator.name == "drop" and not step.spans)
    return Redaction(whole, inside, dropped)


def _inside(operator: Operator) -> Operator:
    """What is found in a text beside what was decided is replaced where the operator asks for less."""
    return Operator("replace") if operator.name in ("keep", "generalise") else operator


def redact(
    source: Path, target: Path, outcome: Outcome, key: Key | None, *, with_names: bool, force: bool, record: bool
) -> Outcome:
    """Write the copy and, with ``record``, ``<target>.redaction.json``. Raises UsageError, Unreadable; then nothing is left behind."""
    beside = target.with_name(target.name + ".redaction.json")
    _permitted(source, target, force)
    if record:
        _permitted(source, beside, force)
    change = change_of(outcome.steps, key, with_names)
    before = _state(source)
    with _temporary(target) as (temporary, file):
        tops = _copy(source, file, change, outcome)
        _settle(file)
        _all_reached(outcome.steps, change)
        outcome.changed = dict(change.counts)
        outcome.unparsed = {name: one.unparsed for name, one in change.whole.items() if one.unparsed}
        outcome.left = _still_there(temporary, target.name, change, outcome, tops)
        if outcome.left:
            return outcome
        if _state(source) != before:
            raise UsageError(f"{source} was changed while it was read; nothing was written")
        text = _evidence(source, temporary, target, outcome, key) if record else ""
        if record:
            with _temporary(beside) as (note, out):
                out.write(text.encode())
                _settle(out)
                os.replace(temporary, target)
                os.replace(note, beside)
        else:
            os.replace(temporary, target)
        _settle_folder(target)
    outcome.written = True
    return outcome


def restore(source: Path, target: Path, key: Key, force: bool) -> Outcome:
    """Write a copy in which everything that was encrypted with the key is as it was. Raises UsageError, Unreadable."""
    _permitted(source, target, force)
    seen = survey.look(source, survey.kind_of(source), with_names=False)
    restorer = Restorer(key)
    outcome = Outcome(seen, [])
    with _temporary(target) as (temporary, file):
        _copy(source, file, Restoring(restorer), outcome)
        refuse_nothing(restorer)
        _settle(file)
        os.replace(temporary, target)
        _settle_folder(target)
    outcome.restored, outcome.written = restorer.restored, True
    if restorer.foreign:
        outcome.notes.append(f"{restorer.foreign:,} values that were encrypted with another key stay as they are")
    return outcome


def _copy(source: Path, file: BinaryIO, change: Change, outcome: Outcome) -> list[str]:
    form = survey.FORMATS[outcome.seen.kind]
    if form in ("parquet", "arrow"):
        tops, outcome.left_out = columnar.rewrite(source, file, change, form)
        return tops
    columns = _within(outcome.seen.columns, form)
    {"csv": separated, "jsonl": jsonlines, "text": prose}[form].rewrite(source, file, change, columns)
    return [name for name in columns if not change.drops(name)]


def _within(columns: Sequence[str], form: str) -> list[str]:
    """Return the columns that a row of the file has."""
    return [name for name in columns if not (form == "csv" and name == separated.BEFORE)]


def _all_reached(steps: Sequence[Step], change: Redaction) -> None:
    """Raise UsageError when a column with personal data was never met while copying: it would have stayed as it was."""
    for step in steps:
        if (
            step.cells
            and step.operator.name != "keep"
            and not change.drops(step.column)
            and step.column not in change.counts
        ):
            raise UsageError(f"column {step.column!r} cannot be changed in a file of this form; nothing was written")


def _still_there(
    path: Path, name: str, change: Redaction, outcome: Outcome, columns: list[str]
) -> dict[tuple[str, str], int]:
    """Read the copy twice: each cell against its operator, and the whole with the scanner."""
    checking = Checking(change)
    form = survey.FORMATS[outcome.seen.kind]
    if form in ("parquet", "arrow"):
        columnar.rewrite(path, None, checking, form, columns)
    else:
        {"csv": separated, "jsonl": jsonlines, "text": prose}[form].rewrite(path, survey.Nowhere(), checking, columns)
    left = dict(checking.wrong)
    seen = survey.look(path, outcome.seen.kind, False, name)
    if seen.rows != outcome.seen.rows and form != "text":
        left["(rows)", "(count)"] = abs(seen.rows - outcome.seen.rows)
    expected = [name for name in outcome.seen.columns if name not in outcome.seen.beside and not _dropped(name, change)]
    found = [name for name in seen.columns if name not in seen.beside]
    names = {title: re.sub(r"(?:\[\]){2,}", "[]", title) for title in found}  # lists of lists are one path in a copy
    if form == "csv" and len(found) == len(expected):  # a column that is left out moves the others
        names = dict(zip(found, expected, strict=True))
    for gone in found:
        if change.drops(gone) and form != "csv":
            left[gone, "(dropped column)"] = left.get((gone, "(dropped column)"), 0) + 1
    steps = {step.column: step for step in outcome.steps}
    for one in seen.fields:
        column = names.get(one.name, one.name)
        if _is_left(one, steps.get(column), outcome.steps, change):
            left[column, one.category] = max(left.get((column, one.category), 0), one.cells)
    return left


def _dropped(name: str, change: Redaction) -> bool:
    return any(name == gone or name.startswith((f"{gone}.", f"{gone}[")) for gone in change.dropped)


def _is_left(seen: Field, step: Step | None, steps: Sequence[Step], change: Redaction) -> bool:
    """Say whether what the scanner still finds should be gone. What only the name of a column says is settled by the cells' form."""
    if seen.strength not in ("pattern", "checksum"):
        return False
    if step is None:
        removed = {
            one.category
            for one in steps
            if one.operator.name in ("drop", "replace", "hash", "encrypt") and not one.spans
        }
        return seen.category in removed and not any(
            one.category == seen.category and one.operator.name == "keep" for one in steps
        )
    if step.column in change.whole:
        return not change.whole[step.column].shows_form
    if step.column in change.inside:
        text = change.inside[step.column]
        return not text.for_category(seen.category).shows_form
    return step.operator.name != "keep"


# --- files


def _permitted(source: Path, target: Path, force: bool) -> None:
    if not target.absolute().parent.is_dir():
        raise UsageError(f"there is no folder {target.parent}")
    if target.is_dir():
        raise UsageError(f"{target} is a folder")
    if target.exists() or target.is_symlink():
        if target.exists() and os.path.samefile(source, target):
            raise UsageError("IN and OUT are the same file; give the copy a name of its own")
        if not force:
            raise UsageError(f"{target} exists; use --force to write over it")


@contextmanager
def _temporary(target: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """Give a new file beside the target that only its owner may read; it is removed unless it was moved."""
    path = target.with_name(f".{target.name}.{secrets.token_hex(6)}.tmp")
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    try:
        handle = os.open(path, flags, 0o600)
    except OSError as error:
        raise UsageError(f"nothing can be written beside {target}: {error.strerror}") from None
    try:
        with os.fdopen(handle, "wb") as file:
            yield path, cast(BinaryIO, file)
    except OSError as error:
        raise UsageError(f"{target} cannot be written: {error.strerror or 'the disk failed'}") from None
    finally:
        path.unlink(missing_ok=True)


def _settle(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _settle_folder(target: Path) -> None:
    handle = os.open(target.absolute().parent, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _state(path: Path) -> tuple[int, int, int]:
    state = path.stat()
    return state.st_mtime_ns, state.st_size, state.st_ino


# --- evidence


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _evidence(source: Path, temporary: Path, target: Path, outcome: Outcome, key: Key | None) -> str:
    """Return what an auditor needs to see what was done, without a value and without the key."""
    keyed = any(operator.keyed for operator in plan.operators(outcome.steps))
    document = {
        "schema": "mlguard redaction 1",
        "tool": {"name": "mlguard", "version": __version__},
        "input": {"name": source.name, "sha256": _digest(source), "bytes": source.stat().st_size},
        "output": {"name": target.name, "sha256": _digest(temporary), "bytes": temporary.stat().st_size},
        "format": outcome.seen.kind,
        "rows": outcome.seen.rows,
        "key": key.id if key is not None and keyed else None,
        "columns": [_entry(step, outcome) for step in outcome.steps],
        "metadata_left_out": outcome.left_out,
        "not_covered": outcome.notes,
        "verified": "every cell of these columns has the form of its operator, and the scanner finds no removed category",
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _entry(step: Step, outcome: Outcome) -> dict[str, object]:
    entry: dict[str, object] = {
        "column": step.column, "category": step.category or None, "operator": str(step.operator), "decided_by": step.source,
        "cells_seen": step.cells, "cells_changed": outcome.changed.get(step.column, 0),
    }  # fmt: skip
    if step.spans:
        entry["inside_text"] = {category: str(operator) for category, operator in step.inner}
    if outcome.unparsed.get(step.column):
        entry["distinct_values_replaced_because_not_readable"] = outcome.unparsed[step.column]
    return entry
