"""Writes a report as versioned JSON, and reads it back."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Protocol

from mlguard import codec, facts
from mlguard.errors import UsageError
from mlguard.findings import Gap, Proof, Report, Verdict
from mlguard.rules import Catalogue

SCHEMA = "mlguard-report/1"
MAX_CHARACTERS = 256 * 2**20  # or bytes
MAX_INTEGER = 2**53  # JSON readers of other languages hold no larger one exactly (RFC 8259, section 6)

_ADVICE = 'write one with "mlguard scan --output json=report.json"'


def render(report: Report, verdict: Verdict, catalogue: Catalogue | None = None) -> str:
    """Return the report as JSON in ASCII with sorted keys, a line per record, and a line end; see ``pieces``."""
    return "".join(pieces(report, verdict))


def pieces(report: Report, verdict: Verdict) -> Iterator[str]:
    """Yield the report as JSON in ASCII with sorted keys, a line per record, and a line end.

    The form is that of ``mlguard/schemas/report.json``. A field that has its usual value is left out. A byte of a file
    name that is not UTF-8 stands as the escape \\udc80 to \\udcff, as in Python (PEP 383).
    """
    parts: dict[str, Any] = {
        "schema": SCHEMA,
        "tool": {"name": "mlguard", "version": report.version},
        "digests": {"rules": report.rules_digest, "config": report.config_digest},
        "verdict": dataclasses.asdict(verdict),
        "scanners": report.scanners,
        "required": report.required,
        "evaluated": report.evaluated,
        "files": report.files,
        "searched": report.searched,
        "excluded": report.excluded,
        "coverage": map(codec.encode, report.coverage),
        "findings": map(codec.encode, report.findings),
        "gaps": map(_bare, report.gaps),
        "proofs": map(_bare, report.proofs),
        "facts": map(codec.encode, report.facts),
    }
    for number, key in enumerate(sorted(parts)):
        yield (",\n" if number else "{") + f"{codec.dumps(key)}:"
        yield from _lines(parts[key])
    yield "}\n"


def _bare(record: Gap | Proof) -> dict[str, Any]:
    """Return a record without its type's name, which its list says already."""
    return {key: value for key, value in codec.encode(record).items() if key != "type"}


def _lines(value: Any) -> Iterator[str]:
    if not isinstance(value, Iterator):
        yield codec.dumps(value)
        return
    between = "[\n"
    for item in value:
        yield between + codec.dumps(item)
        between = ",\n"
    yield "[]" if between == "[\n" else "\n]"


def parse(text: str | bytes) -> tuple[Report, Verdict]:
    """Return the report and the verdict that ``render`` wrote.

    Raises UsageError, with advice, for every other input. The verdict is what the file claims: a gate judges anew.
    """
    if len(text) > MAX_CHARACTERS:
        raise UsageError(f"the report is larger than {MAX_CHARACTERS // 2**20} MiB; scan fewer files at a time")
    try:
        value = codec.loads(text)
    except UsageError as error:
        raise UsageError(f"the report cannot be read: {error} Scan again, or {_ADVICE}") from None
    value = _ours(value)
    report = {
        "version": value["tool"]["version"],
        "rules_digest": value["digests"]["rules"],
        "config_digest": value["digests"]["config"],
        **{
            key: value[key]
            for key in (
                "scanners",
                "required",
                "evaluated",
                "files",
                "searched",
                "excluded",
                "coverage",
                "findings",
                "gaps",
                "proofs",
            )
        },
    }
    built = codec.build(Report, _checked("", Report, {**report, "facts": []}))
    inventory = tuple(_fact(f"facts[{index}]", item) for index, item in enumerate(value["facts"]))
    verdict = codec.build(Verdict, _checked("verdict", Verdict, value["verdict"]))
    if verdict.exit_code not in (0, 1, 3):
        raise UsageError(
            f"the report is malformed: verdict.exit_code is {verdict.exit_code}, which is none of 0, 1 and 3"
        )
    return dataclasses.replace(built, facts=inventory), verdict


_KEYS = {
    "schema", "tool", "digests", "verdict", "scanners", "required", "evaluated", "files", "searched", "excluded", "coverage", "findings", "gaps",
    "proofs", "facts",
}  # fmt: skip


def _ours(value: Any) -> dict[str, Any]:
    """Return the outermost object when it is one of ours, of this version and whole."""
    if not isinstance(value, dict):
        raise UsageError(f"this is JSON, but no report of mlguard; {_ADVICE}")
    schema = value.get("schema")
    if schema != SCHEMA:
        if isinstance(schema, str) and schema.startswith("mlguard-report/"):
            raise UsageError(
                f"the report is of version {_quoted(schema)}, and this mlguard reads {SCHEMA}; "
                "scan again with this version, or read the report with the version that wrote it"
            )
        kind = "a SARIF log" if "runs" in value else "JSON, but no report of mlguard"
        raise UsageError(f"this is {kind}; {_ADVICE}")
    for key in sorted(_KEYS - set(value)):
        raise UsageError(f"the report is malformed: {key!r} is missing; was the file edited?")
    for key in sorted(set(value) - _KEYS):
        raise UsageError(f"the report is malformed: unknown key {_quoted(key)}; was it written by another version?")
    for key, names in (("tool", {"name", "version"}), ("digests", {"rules", "config"})):
        if not isinstance(value[key], dict) or set(value[key]) != names:
            raise UsageError(f"the report is malformed: {key!r} must be an object of {' and '.join(sorted(names))}")
    if value["tool"]["name"] != "mlguard":
        raise UsageError(f"the report names another tool; {_ADVICE}")
    if not isinstance(value["facts"], list):
        raise UsageError("the report is malformed: 'facts' must be a list")
    return value


_FACTS: dict[str, type] = {kind.__name__: kind for kind in typing.get_args(facts.Fact)}


def _fact(where: str, value: Any) -> facts.Fact:
    kind = _FACTS.get(str(value.get("type"))) if isinstance(value, dict) else None
    if kind is None:
        raise _malformed(where, f"an object whose type is one of {', '.join(_FACTS)}")
    body = {key: item for key, item in value.items() if key != "type"}
    return typing.cast(facts.Fact, codec.build(kind, _checked(where, kind, body)))


class _Check(Protocol):
    def __call__(self, where: str, value: Any) -> None: ...


def _checked(where: str, kind: type, value: Any) -> Any:
    """Return ``value`` when its shape is that of the dataclass. Raises UsageError that names the place."""
    _checker(kind)(where, value)
    return value


@cache
def _checker(hint: Any) -> _Check:
    """Return a function that raises UsageError for a plain JSON value which does not fit a type of our records."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return _record(hint)
    if origin is tuple:
        return (
            _every(_checker(arguments[0]))
            if arguments[-1] is Ellipsis
            else _each([_checker(part) for part in arguments])
        )
    if origin is typing.Literal:
        return _choice(arguments)
    if origin in (typing.Union, types.UnionType):
        record = next((one for one in arguments if isinstance(one, type) and dataclasses.is_dataclass(one)), None)
        return _checker(record) if record is not None else _scalar(tuple(arguments))  # None is left out when written
    if origin is not None and issubclass(origin, Mapping):
        return _mapping(_scalar((str, int, bool)))  # bool is an int to Python's type checkers
    return _scalar((hint,))


def _record(kind: type) -> _Check:
    hints = typing.get_type_hints(kind)
    checks = {name: _checker(hint) for name, hint in hints.items() if name != "facts" or kind is not Report}
    needed = [
        field.name
        for field in dataclasses.fields(kind)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]

    def check(where: str, value: Any) -> None:
        if not isinstance(value, dict):
            raise _malformed(where, "an object")
        for name in needed:
            if name not in value:
                raise _malformed(f"{where}.{name}", "present")
        for name, item in value.items():
            if name in checks:
                checks[name](f"{where}.{name}", item)
            elif name not in hints:
                raise _malformed(f"{where}.{_quoted(name)}", "absent")

    return check


def _every(check: _Check) -> _Check:
    def check_all(where: str, value: Any) -> None:
        if not isinstance(value, list):
            raise _malformed(where, "a list")
        for index, item in enumerate(value):
            check(f"{where}[{index}]", item)

    return check_all


def _each(checks: list[_Check]) -> _Check:
    def check_parts(where: str, value: Any) -> None:
        if not isinstance(value, list) or len(value) != len(checks):
            raise _malformed(where, f"a list of {len(checks)}")
        for index, (check, item) in enumerate(zip(checks, value, strict=True)):
            check(f"{where}[{index}]", item)

    return check_parts


def _choice(choices: tuple[Any, ...]) -> _Check:
    def check(where: str, value: Any) -> None:
        if not isinstance(value, str) or value not in choices:
            raise _malformed(where, f"one of {', '.join(choices)}")

    return check


def _mapping(check_value: _Check) -> _Check:
    def check(where: str, value: Any) -> None:
        if not isinstance(value, dict):
            raise _malformed(where, "an object")
        for name, item in value.items():
            check_value(f"{where}.{_quoted(name)}", item)

    return check


_NAMES = {str: "a text", int: "a whole number", bool: "true or false", type(None): "null"}


def _scalar(kinds: tuple[type, ...]) -> _Check:
    def check(where: str, value: Any) -> None:
        if type(value) not in kinds:
            raise _malformed(where, " or ".join(_NAMES[kind] for kind in kinds))
        if type(value) is int and abs(value) > MAX_INTEGER:
            raise _malformed(where, f"a whole number of at most {MAX_INTEGER}")

    return check


def _malformed(where: str, wanted: str) -> UsageError:
    return UsageError(f"the report is malformed: {where.lstrip('.')} must be {wanted}; was the file edited?")


def _quoted(name: str) -> str:
    """Return a key of a strange file in a form that is safe to print."""
    return ascii(name[:40])
