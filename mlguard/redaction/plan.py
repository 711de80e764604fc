"""Decides for each column what is done to it, from what was asked and from what was found in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any, cast

from mlguard import tables, yamlish
from mlguard.errors import UsageError
from mlguard.facts import Field
from mlguard.redaction.operators import Operator, by_prefix, parse

PROSE = "(text)"
MAX_PLAN_BYTES = 2**20
"""Bytes of a plan file."""

CHOICES = {
    "quasi": ("keep", "generalise", "replace", "drop", "error"),
    "special": ("replace", "drop", "keep", "encrypt", "hash", "error"),
}
"""What ``quasi`` and ``special`` may be."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What was asked for. ``columns`` outrank ``categories``; the default plan fills what is left when ``defaults`` is set.

    ``quasi`` is for what singles a person out only together with other things (a town, an age), ``special`` for Articles 9 and
    10 of Regulation (EU) 2016/679.
    """

    columns: Mapping[str, Operator] = field(default_factory=dict)
    categories: Mapping[str, Operator] = field(default_factory=dict)
    defaults: bool = True
    quasi: str = "keep"
    special: str = "replace"
    normalise: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """What happens to one column. With ``spans`` only what was found inside the cells changes, each category by its operator.

    ``source`` says who decided: ``--column``, ``--op``, ``plan`` or ``default``. ``cells`` counts those in which it was seen.
    """

    column: str
    category: str
    operator: Operator
    source: str
    entity: str = ""
    cells: int = 0
    of: int = 0
    group: str = ""
    spans: bool = False
    inner: tuple[tuple[str, Operator], ...] = ()
    strength: str = ""


def read(path: Path) -> Wishes:
    """Read a plan file: ``redact:`` with columns, categories, defaults, quasi, special, normalise. Raises UsageError."""
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_PLAN_BYTES + 1)
        if len(data) > MAX_PLAN_BYTES:
            raise UsageError(f"{path}: larger than {MAX_PLAN_BYTES} bytes")
        document, lines = yamlish.load(data.decode(), str(path))
    except OSError as error:
        raise UsageError(f"the plan {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"the plan {path} is not UTF-8") from None
    return _wishes(document, lines, str(path))


_KEYS = ("columns", "categories", "defaults", "quasi", "special", "normalise")


def _wishes(document: Any, lines: yamlish.Lines, name: str) -> Wishes:
    body = document.get("redact") if isinstance(document, dict) else None
    if not isinstance(body, dict) or set(document) != {"redact"}:
        raise UsageError(f"{name}: a plan has one key, redact, with {', '.join(_KEYS)}")

    def where(*path: str) -> str:
        return f"{name}, line {yamlish.line_of(lines, ('redact', *path))}"

    for key in body:
        if key not in _KEYS:
            near = get_close_matches(str(key), _KEYS, 1)
            raise UsageError(
                f"{where(str(key))}: there is no key {key!r}" + (f"; did you mean {near[0]!r}?" if near else "")
            )
    parts: dict[str, dict[str, Operator]] = {"columns": {}, "categories": {}}
    for part, operators in parts.items():
        given = body.get(part) or {}
        if not isinstance(given, dict):
            raise UsageError(f"{where(part)}: {part} maps names to operators")
        for key, spec in given.items():
            operators[str(key)] = parse(spec, f"{where(part, str(key))}: {key}")
    for category in parts["categories"]:
        check_category(category, where("categories", category))
    for key in ("defaults", "normalise"):
        if not isinstance(body.get(key, False), bool):
            raise UsageError(f"{where(key)}: {key} is true or false")
    for key, choices in CHOICES.items():
        if key in body and body[key] not in choices:
            raise UsageError(f"{where(key)}: {key} is one of {', '.join(choices)}")
    defaults = bool(body.get("defaults", False))
    return Wishes(
        parts["columns"], parts["categories"], defaults, body.get("quasi", "keep" if defaults else "error"),
        body.get("special", "replace" if defaults else "error"), bool(body.get("normalise", False)),
    )  # fmt: skip


@cache
def categories() -> frozenset[str]:
    """Return every category that the scanner can name."""
    terms = tables.table("column-terms")["terms"]
    sets = tables.table("value-terms")["sets"]
    entities = tables.table("pii-taxonomy")["entities"].values()
    return frozenset(entry["category"] for entry in [*terms, *sets, *entities] if entry["category"])


def check_category(category: str, where: str) -> None:
    """Raise UsageError for a category that neither is one nor stands above one."""
    known = categories()
    if any(one == category or one.startswith(category + ".") for one in known):
        return
    near = get_close_matches(category, known, 1)
    raise UsageError(f"{where}: there is no category {category!r}" + (f"; did you mean {near[0]!r}?" if near else ""))


@cache
def _groups() -> Mapping[str, str]:
    """Return direct, person or quasi by category."""
    found: dict[str, str] = {}
    for entry in tables.table("column-terms")["terms"]:
        found.setdefault(entry["category"], entry["group"])
    return found | {
        "user.location": "quasi",
        "user.demographic": "person",
        "user.government_id": "direct",
        "user.contact": "direct",
    }


def group_of(seen: Field) -> str:
    """Return direct, special, quasi or "" (not known) for what was found."""
    if seen.gdpr_class in ("special", "criminal"):
        return "special"
    if seen.category == "user.demographic.date_of_birth":
        return "birth"
    group = by_prefix(_groups(), seen.category)
    return {"direct": "direct", "person": "quasi", "quasi": "quasi"}.get(group or "", "")


def decide(fields: Sequence[Field], columns: Sequence[str], wishes: Wishes, keyed: bool) -> list[Step]:
    """Return the steps in the order of the columns. Raises UsageError, naming every column for which nothing is decided."""
    groups = [
        name for name, operator in wishes.columns.items() if operator.name == "drop" and any(map(within(name), columns))
    ]
    for name in wishes.columns:
        if name not in columns and name not in groups:
            near = get_close_matches(name, columns, 1)
            raise UsageError(f"there is no column {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
    by_column: dict[str, list[Field]] = {}
    for seen in fields:
        by_column.setdefault(seen.name, []).append(seen)
    steps = [Step(name, "", wishes.columns[name], "--column") for name in groups if name not in columns]
    open_ones: list[str] = []
    for name in dict.fromkeys([*columns, *by_column]):
        if any(within(group)(name) for group in groups):
            continue
        step = _step(name, by_column.get(name, []), wishes, keyed, open_ones)
        if step is not None:
            steps.append(step)
    if open_ones:
        raise UsageError(
            "nothing is decided for "
            + "; ".join(open_ones)
            + ". Say what to do: --op CATEGORY=OPERATOR or --column NAME=OPERATOR"
        )
    return [_normalising(step) for step in steps] if wishes.normalise else steps


def within(group: str) -> Callable[[str], bool]:
    """Return a function that says whether a column lies within another one: ``user.email`` within ``user``."""
    return lambda name: name.startswith((f"{group}.", f"{group}["))


def _normalising(step: Step) -> Step:
    def folding(operator: Operator) -> Operator:
        return (
            Operator("hash", tuple(sorted({**dict(operator.options), "normalise": ""}.items())))
            if operator.name == "hash"
            else operator
        )

    return replace(step, operator=folding(step.operator), inner=tuple((c, folding(o)) for c, o in step.inner))


def _step(name: str, fields: list[Field], wishes: Wishes, keyed: bool, open_ones: list[str]) -> Step | None:
    asked = wishes.columns.get(name)
    if not fields:
        return None if asked is None else Step(name, "", asked, "--column")
    main = max(fields, key=lambda seen: (seen.cells, seen.category))
    spans = is_text(fields)
    if asked is not None:
        entity = _entity(main)
        return Step(
            name, main.category, asked, "--column", entity, main.cells, main.of, group_of(main), strength=main.strength
        )
    chosen: list[tuple[Field, Operator, str]] = []
    for seen in fields:
        found = _chosen(seen, wishes, keyed)
        if found is None:
            open_ones.append(f"{name!r} ({seen.category}, {seen.cells:,} cells)")
        else:
            chosen.append((seen, *found))
    if not chosen:
        return None
    seen, operator, source = next((entry for entry in chosen if entry[0] is main), chosen[0])
    if not spans:  # the strictest of what its categories ask for
        seen, operator, source = max(
            chosen, key=lambda entry: (_STRICT.index(entry[1].name), entry[0] is main, entry[0].category)
        )
    return Step(
        name, seen.category, operator, source, _entity(seen), seen.cells, seen.of, group_of(seen), spans,
        tuple((field.category, one) for field, one, _ in chosen) if spans else (), seen.strength,
    )  # fmt: skip


_STRICT = ("keep", "generalise", "mask", "encrypt", "hash", "replace", "drop")


def is_text(fields: Sequence[Field]) -> bool:
    """Say whether what was found lies inside longer cells, or in few of the cells: then only that is changed."""
    return any(seen.free_text for seen in fields) or all(
        seen.cells * 2 < seen.of and seen.strength in ("pattern", "checksum", "ner") for seen in fields
    )


def _entity(seen: Field) -> str:
    for detector in seen.detectors:
        kind, _, name = detector.partition(":")
        if kind in ("pattern", "checksum"):
            return name
    return ""


def _chosen(seen: Field, wishes: Wishes, keyed: bool) -> tuple[Operator, str] | None:
    category = seen.category
    while category:
        if category in wishes.categories:
            return wishes.categories[category], "--op"
        category = category.rpartition(".")[0]
    group = group_of(seen)
    choice = {"quasi": wishes.quasi, "special": wishes.special}.get(group)
    if choice is not None:
        return None if choice == "error" else (_default(choice, seen), "default")
    if not wishes.defaults:
        return None
    if group == "birth":
        return _default("generalise", seen), "default"
    if group != "direct":
        return None
    if seen.category.startswith("user.authorization"):
        return Operator("replace"), "default"  # a password is of no use to anybody who reads the copy
    return Operator("encrypt" if keyed else "replace"), "default"


def _default(choice: str, seen: Field) -> Operator:
    from mlguard.redaction.generalise import BY_CATEGORY

    if choice == "generalise" and by_prefix(BY_CATEGORY, seen.category) is None:
        return Operator("replace")  # no coarser form is known
    return Operator(cast(Any, choice))


def operators(steps: Sequence[Step]) -> Iterator[Operator]:
    """Yield every operator of the steps."""
    for step in steps:
        yield step.operator
        for _, operator in step.inner:
            yield operator
