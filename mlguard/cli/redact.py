"""mlguard data redact: writes a copy of a dataset without its personal data, or restores one."""

from __future__ import annotations

import signal
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType

import click

from mlguard.cli import output
from mlguard.errors import UsageError
from mlguard.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mlguard.redaction.copying import Outcome
    from mlguard.redaction.keys import Key
    from mlguard.redaction.operators import Operator
    from mlguard.redaction.plan import Wishes

VERIFICATION_FAILED = 5
"""The copy still shows what was to be removed; nothing was written."""


@click.command("redact")
@click.argument("source", metavar="IN", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("target", metavar="OUT", required=False, type=click.Path(path_type=Path))
@click.option("--plan", "plan_file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="YAML file with redact: columns, categories, defaults, quasi, special, normalise.")  # fmt: skip
@click.option(
    "--op",
    "operators",
    multiple=True,
    metavar="CATEGORY=OPERATOR",
    help="What to do to a category: user.contact.email=hash.",
)
@click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="NAME=OPERATOR",
    help="What to do to a column: notes=replace. Outranks --op.",
)
@click.option("--quasi", type=click.Choice(["keep", "generalise", "replace", "drop", "error"]), help="What singles out only together with other things: towns, ages. Default: keep.")  # fmt: skip
@click.option("--special", type=click.Choice(["replace", "drop", "keep", "encrypt", "hash", "error"]), help="Health, religion, convictions and the like. Default: replace.")  # fmt: skip
@click.option("--normalise", is_flag=True, help="Hash without regard to case, width and white space.")
@click.option("--key-file", type=click.Path(path_type=Path), help="File with the key, readable by its owner alone.")
@click.option("--key-env", metavar="NAME", help="Environment variable with the key, where files cannot be used.")
@click.option(
    "--new-key", type=click.Path(path_type=Path), help="Write a new key to this file and end, if IN is not given."
)
@click.option("--decrypt", is_flag=True, help="Restore what was encrypted with the key.")
@click.option(
    "--names/--no-names", default=True, help="Look for names in free text when a language model is installed."
)
@click.option("--dry-run", is_flag=True, help="Print the plan and write nothing.")
@click.option("--force", is_flag=True, help="Write over OUT.")
@click.option("--no-record", is_flag=True, help="Do not write OUT.redaction.json.")
def command(
    source: Path | None,
    target: Path | None,
    plan_file: Path | None,
    operators: Sequence[str],
    columns: Sequence[str],
    quasi: str | None,
    special: str | None,
    normalise: bool,
    key_file: Path | None,
    key_env: str | None,
    new_key: Path | None,
    decrypt: bool,
    names: bool,
    dry_run: bool,
    force: bool,
    no_record: bool,
) -> int:
    """Write a copy of IN to OUT without its personal data, verified by scanning the copy.

    Operators: keep, drop, replace[:value=TEXT|realistic], mask[:keep=N|keep-first=N|chars=N,from=end|char=C],
    hash[:length=N,normalise], encrypt[:mode=siv|gcm], generalise[:age=YEARS|date=year|postcode=N|number=STEP|ip=BITS|geo=DECIMALS].

    By default names, addresses and numbers are encrypted when a key is given and replaced otherwise.
    """
    from mlguard.redaction import copying

    key = _key(key_file, key_env, new_key)
    if source is None:
        if new_key is None:
            raise UsageError("IN and OUT are needed; see mlguard data redact --help")
        return 0
    if target is None and not dry_run:
        raise UsageError("OUT is needed, or --dry-run")
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _interrupted)
    if decrypt:
        if key is None:
            raise UsageError("--decrypt needs the key: --key-file FILE")
        if operators or columns or plan_file or dry_run or target is None:
            raise UsageError("--decrypt takes IN, OUT and a key, and no plan")
        done = copying.restore(source, target, key, force)
        output.emit(_notes(done.notes) + f"Restored {done.restored:,} values in {target}.\n")
        return 0
    wishes = _wishes(plan_file, operators, columns, quasi, special, normalise)
    outcome = copying.survey_and_decide(source, wishes, key is not None, names)
    if dry_run:
        if key is None and any(step.operator.keyed for step in outcome.steps):
            outcome.notes.append("this plan needs a key: --key-file FILE")
        else:
            copying.change_of(outcome.steps, key, names)
        output.emit(_table(outcome) + _notes(outcome.notes))
        return 0
    assert target is not None
    outcome = copying.redact(source, target, outcome, key, with_names=names, force=force, record=not no_record)
    return _told(outcome, target, no_record)


def _interrupted(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt  # so that the temporary file is removed


def _key(key_file: Path | None, key_env: str | None, new_key: Path | None) -> Key | None:
    from mlguard.redaction import keys

    if sum(one is not None for one in (key_file, key_env, new_key)) > 1:
        raise UsageError("one key at a time: --key-file, --key-env or --new-key")
    if new_key is not None:
        key = keys.new(new_key)
        output.emit(f"Wrote a new key, {key.id}, to {new_key}. Keep it apart from the data.\n")
        return key
    if key_env is not None:
        return keys.from_environment(key_env)
    return keys.read(key_file) if key_file is not None else None


def _wishes(
    plan_file: Path | None,
    operators: Sequence[str],
    columns: Sequence[str],
    quasi: str | None,
    special: str | None,
    normalise: bool,
) -> Wishes:
    from mlguard.redaction import plan

    wishes = plan.read(plan_file) if plan_file is not None else plan.Wishes()
    categories = _pairs(operators, "--op")
    for category in categories:
        plan.check_category(category, "--op")
    return replace(
        wishes,
        columns={**wishes.columns, **_pairs(columns, "--column")},
        categories={**wishes.categories, **categories},
        quasi=quasi or wishes.quasi,
        special=special or wishes.special,
        normalise=normalise or wishes.normalise,
    )


def _pairs(values: Sequence[str], option: str) -> Mapping[str, Operator]:
    from mlguard.redaction.operators import parse

    found = {}
    for value in values:
        name, separator, spec = value.partition("=")
        if not separator or not name:
            raise UsageError(f"{option} {value}: NAME=OPERATOR is needed")
        found[name] = parse(spec, f"{option} {name}")
    return found


def _table(outcome: Outcome) -> str:
    rows = [("column", "category", "operator", "cells", "decided by")]
    for step in outcome.steps:
        inner = ", ".join(dict.fromkeys(str(operator) for _, operator in step.inner)) or str(step.operator)
        shown = f"{inner} (inside the text)" if step.spans else str(step.operator)
        cells = f"{step.cells:,} of {step.of:,}" if step.of else "-"
        rows.append(
            (
                step.column,
                ", ".join(category for category, _ in step.inner) or step.category or "-",
                shown,
                cells,
                step.source,
            )
        )
    if len(rows) == 1:
        return "No column with personal data was found; the copy would be the same.\n"
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return "".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() + "\n" for row in rows
    )


def _notes(notes: Sequence[str]) -> str:
    return "".join(f"note: {note}\n" for note in notes)


def _told(outcome: Outcome, target: Path, no_record: bool) -> int:
    if outcome.left:
        lines = [
            f"  {column!r}: {category}, {cells:,} cells" for (column, category), cells in sorted(outcome.left.items())
        ]
        output.emit("Verification failed; nothing was written. The copy still shows:\n" + "\n".join(lines) + "\n")
        return VERIFICATION_FAILED
    lines = []
    for step in outcome.steps:
        changed = (
            "column left out"
            if step.operator.name == "drop" and not step.spans
            else f"{outcome.changed.get(step.column, 0):,} cells changed"
        )
        lines.append(f"  {step.column}: {step.operator}, {changed}")
        if outcome.unparsed.get(step.column):
            lines.append(
                f"    {outcome.unparsed[step.column]:,} distinct values could not be read as such and were replaced"
            )
    if outcome.left_out:
        lines.append("  left out of the metadata: " + ", ".join(outcome.left_out))
    head = f"Wrote {target}, {outcome.seen.rows:,} rows, verified by reading it again.\n"
    evidence = "" if no_record else f"What was done is in {target}.redaction.json.\n"
    output.emit(head + "".join(line + "\n" for line in lines) + _notes(outcome.notes) + evidence)
    return 0
