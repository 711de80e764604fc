"""The rule language of Python code: patterns over calls, imports and definitions, for pages of one's own.

A check on a page whose scanner is ``code``::

    call: acme.deliver | [..]           # what is called, by its dotted path behind imports, aliases and types: "*" stands for a
                                        # part, "**" for any parts; "acme.Client().send" is a method of what acme.Client() gave;
                                        # "**.send" a method of anything, also of what is not known
    import: acme.legacy | [..]          # or: a module or name that is imported, with all below it
    decorator: acme.route | [..]        # or: a function or class with such a decorator
    where: <condition>                  # optional
    message, fix                        # optional: instead of those of the page
    severity: low                       # optional: lower than the rule's

A condition is one of::

    {argument: timeout, is: missing}            # also given, constant (its value can be told from the code), computed
    {argument: [1, verify], equals: false}      # by position from 0, by name, or both; equals a value or one of a list
    {argument: 0, matches: '^http://'}          # a constant text, searched with a regular expression of RE2
    {argument: 0, path: ssl.CERT_NONE}          # the dotted path that the argument stands for, a pattern as above
    {argument: any, from: [request, model]}     # what it is made of: request (what a caller sent), model (what a language model
                                                # wrote), prediction, secret, parameter (of the function around), personal
    {imports: torch}  {within: 'train_*'}       # the file imports it; the function or class around has such a name
    {all: [..]}  {any: [..]}  {not: ..}

Of a decorator the arguments are those of its call. A message may name {call}: what is called, imported or decorated.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from mlguard.errors import ConditionError
from mlguard.scanners.code import taint
from mlguard.scanners.code.personal import personal
from mlguard.scanners.code.seeing import Call, Place, Sight, Watch
from mlguard.scanners.infra import re2

Test = Callable[[Call], bool]

SUBJECTS = ("call", "import", "decorator")
LABELS = ("request", "model", "prediction", "secret", "parameter", "personal")
STATES = ("missing", "given", "constant", "computed")
_TESTS = ("is", "equals", "matches", "path", "from")
_CHECK_KEYS = frozenset({*SUBJECTS, "where", "message", "fix", "severity"})

MAX_CONDITION_DEPTH = 20
"""Conditions inside each other."""


def is_pattern(spec: Mapping[str, Any]) -> bool:
    """Say whether a check of a page is one of this language."""
    return any(subject in spec for subject in SUBJECTS)


def compile_check(rule: str, name: str, spec: Mapping[str, Any]) -> Watch:
    """Return what runs a check. Raises ConditionError, whose ``part`` is what is wrong."""
    given = [subject for subject in SUBJECTS if subject in spec]
    if len(given) != 1:
        raise ConditionError(f"check {name!r} has {len(given)} of {', '.join(SUBJECTS)}; give it one", spec)
    for key in spec:
        if key not in _CHECK_KEYS:
            raise ConditionError(f"check {name!r} has an unknown key {key!r}{_near(key, _CHECK_KEYS)}", spec)
    subject = given[0]
    patterns = _texts(spec[subject], subject, spec)
    where = _condition(spec["where"], 0) if "where" in spec else _always
    make = {"call": _calls, "import": _imports, "decorator": _decorators}[subject]
    return make(rule, name, patterns, where)


@cache
def watches(folder: str, hook: bool) -> tuple[Watch, ...]:
    """Return what runs the checks on the pages of code in a folder of one's own. Raises UsageError."""
    if not folder:
        return ()
    from mlguard.scanners.own import read

    return tuple(
        compile_check(rule.id, name, spec)
        for rule in read(Path(folder)).values()
        if rule.scanner == "code" and (rule.hook or not hook)
        for name, spec in rule.checks.items()
    )


# ---- subjects


def _calls(rule: str, name: str, patterns: Sequence[str], where: Test) -> Watch:
    matches = _dotted(patterns)
    last = {pattern.rpartition(".")[2] for pattern in patterns}

    def check(call: Call) -> Iterator[Sight]:
        if matches(call.path or f"?.{call.last}") and where(call):
            yield call.sees(rule, name)

    return Watch(check, frozenset() if any("*" in one for one in last) else frozenset(last))


def _imports(rule: str, name: str, patterns: Sequence[str], where: Test) -> Watch:
    matches = _dotted([variant for pattern in patterns for variant in (pattern, f"{pattern}.**")])

    def check(node: ast.Import | ast.ImportFrom, place: Place) -> Iterator[Sight]:
        module = "" if isinstance(node, ast.Import) else f"{'.' * node.level}{node.module or ''}."
        for alias in node.names:
            path = f"{module}{alias.name}" if alias.name != "*" else module.rstrip(".")
            if matches(path) and where(_no_call(node, place)):
                yield Sight(rule, name, node, {"call": path})
                return

    return Watch(check, nodes=(ast.Import, ast.ImportFrom))


def _decorators(rule: str, name: str, patterns: Sequence[str], where: Test) -> Watch:
    matches = _dotted(patterns)

    def check(node: Any, place: Place) -> Iterator[Sight]:
        for decorator in node.decorator_list:
            function = decorator.func if isinstance(decorator, ast.Call) else decorator
            path = place.names.path(function, place.scope) or f"?.{place.names.written(function).rpartition('.')[2]}"
            called = decorator if isinstance(decorator, ast.Call) else ast.Call(func=function, args=[], keywords=[])
            call = Call(called, place.source.tree.inner(node), path, place.source, place.names, node)
            if matches(path) and where(call):
                yield call.sees(rule, name)
                return

    return Watch(check, nodes=(ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))


def _no_call(node: ast.AST, place: Place) -> Call:
    return Call(
        ast.Call(func=ast.Name("import"), args=[], keywords=[]), place.scope, "", place.source, place.names, node
    )


# ---- conditions


def _always(call: Call) -> bool:
    return True


def _condition(value: Any, depth: int) -> Test:
    if not isinstance(value, Mapping) or not value:
        raise ConditionError("a condition is a mapping such as {argument: timeout, is: missing}", value)
    if depth > MAX_CONDITION_DEPTH:
        raise ConditionError(f"conditions stand in each other more than {MAX_CONDITION_DEPTH} times", value)
    if "argument" in value:
        return _argument(value)
    if len(value) != 1:
        raise ConditionError(f"a condition has one of the keys argument, {', '.join(_GROUPS)}", value)
    key, inner = next(iter(value.items()))
    if key == "not":
        test = _condition(inner, depth + 1)
        return lambda call: not test(call)
    if key in ("all", "any"):
        if not isinstance(inner, list) or not inner:
            raise ConditionError(f"{key} is a list of conditions", value)
        tests = [_condition(one, depth + 1) for one in inner]
        return (
            (lambda call: all(one(call) for one in tests))
            if key == "all"
            else (lambda call: any(one(call) for one in tests))
        )
    if key == "imports":
        matches = _dotted([variant for one in _texts(inner, key, value) for variant in (one, f"{one}.**")])
        return lambda call: any(map(matches, call.source.tree.imported))
    if key == "within":
        named = _dotted(_texts(inner, key, value))
        return lambda call: any(map(named, call.scope.name.split(".")))
    raise ConditionError(f"there is no condition {key!r}{_near(key, (*_GROUPS, 'argument'))}", value)


_GROUPS = ("all", "any", "not", "imports", "within")


def _argument(value: Mapping[str, Any]) -> Test:
    chosen = value["argument"]
    keys = chosen if isinstance(chosen, list) else [chosen]
    if not keys or not all(isinstance(key, str | int) and not isinstance(key, bool) for key in keys):
        raise ConditionError("argument is a position from 0, a name, a list of both, or any", value)
    tests = [key for key in value if key != "argument"]
    if len(tests) != 1 or tests[0] not in _TESTS:
        raise ConditionError(
            f"a condition on an argument has one of {', '.join(_TESTS)}{_near(str(tests[:1]), _TESTS)}", value
        )
    test = _value_test(tests[0], value[tests[0]], value)
    if keys == ["any"]:
        if tests[0] == "is":
            raise ConditionError("is does not go with argument: any", value)
        return lambda call: any(test(call, one) for one in (*call.node.args, *call.keywords.values()))
    position = next((key for key in keys if isinstance(key, int)), -1)
    names = tuple(key for key in keys if isinstance(key, str))
    return lambda call: test(call, call.argument(position, *names))


def _value_test(key: str, wanted: Any, whole: Mapping[str, Any]) -> Callable[[Call, ast.expr | None], bool]:
    if key == "is":
        if wanted not in STATES:
            raise ConditionError(f"is {wanted!r} is none of {', '.join(STATES)}", whole)
        return {
            "missing": lambda call, node: node is None and not call.names.open_ended(call.node, call.scope),
            "given": lambda call, node: node is not None,
            "constant": lambda call, node: node is not None and call.is_constant(node),
            "computed": lambda call, node: node is not None and not call.is_constant(node),
        }[wanted]
    if key == "equals":
        values = wanted if isinstance(wanted, list) else [wanted]

        def equal(call: Call, node: ast.expr | None) -> bool:
            found = call.constant(node) if node is not None else None
            return node is not None and any(type(found) is type(one) and found == one for one in values)

        return equal
    if key == "matches":
        search = _regular(wanted, whole)

        def searched(call: Call, node: ast.expr | None) -> bool:
            found = call.constant(node)
            return isinstance(found, str) and search(found)

        return searched
    if key == "path":
        matches = _dotted(_texts(wanted, key, whole))
        return lambda call, node: node is not None and matches(call.names.path(node, call.scope))
    labels = frozenset(_texts(wanted, key, whole))
    for label in sorted(labels):
        if label not in LABELS:
            raise ConditionError(f"from {label!r} is none of {', '.join(LABELS)}{_near(label, LABELS)}", whole)

    def made_of(call: Call, node: ast.expr | None) -> bool:
        if "personal" in labels and personal(node, call.scope, call.names) is not None:
            return True
        return not labels.isdisjoint(taint.of(node, call.scope, call.names))

    return made_of


def _texts(value: Any, key: str, whole: Mapping[str, Any]) -> list[str]:
    found = value if isinstance(value, list) else [value]
    if not found or not all(isinstance(one, str) and one for one in found):
        raise ConditionError(f"{key} is a text or a list of texts", whole)
    return found


def _regular(pattern: Any, whole: Mapping[str, Any]) -> Callable[[str], bool]:
    """Return a search of linear time."""
    if not isinstance(pattern, str):
        raise ConditionError("matches is a regular expression", whole)
    try:
        compiled = re2.compiled(pattern)
    except (re2.Invalid, re2.TooLong) as error:
        raise ConditionError(f"the regular expression is not valid: {error}", whole) from None

    def search(text: str) -> bool:
        try:
            return compiled.search(text) is not None
        except re2.TooLong:
            return False

    return search


def _dotted(patterns: Sequence[str]) -> Callable[[str], bool]:
    """Return a test of dotted paths: ``*`` stands for one part, ``**`` for any number of them."""
    plain = {pattern for pattern in patterns if "*" not in pattern}
    shaped = [
        ".*".join(r"[^.]*".join(map(re.escape, part.split("*"))) for part in pattern.split("**"))
        for pattern in patterns
        if "*" in pattern
    ]
    compiled = re.compile("|".join(f"(?:{one})" for one in shaped)) if shaped else None
    return lambda path: path in plain or bool(compiled and path and compiled.fullmatch(path))


def _near(word: object, known: Any) -> str:
    from difflib import get_close_matches

    near = get_close_matches(str(word), list(known), 1)
    return f"; did you mean {near[0]!r}?" if near else ""
