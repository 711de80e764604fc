"""mlguard explain: says what a rule or a control is about."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

import click

from mlguard.cli import output
from mlguard.cli.run import catalogue_here
from mlguard.errors import UsageError
from mlguard.rules import Catalogue, Rule

_CEILINGS = {
    "verifiable": "automation may show that it is satisfied in this repository",
    "documented": "automation shows that documents exist and agree; a named person must attest",
    "human": "automation only collects facts and breaches; a named person must judge",
}


@click.command("explain")
@click.argument("name")
def command(name: str) -> int:
    """Explain a rule (area/slug) or a control (such as GDPR-32.1.b-4): why it matters, how to mend it, with examples.

    With area/slug/check, show one of its checks as the page has it: what it looks at, and its conditions.
    """
    catalogue = catalogue_here()
    control = catalogue.controls.get(name.upper()) or catalogue.controls.get(name)
    if control is None and re.match(r"(?:GDPR|ACCESS|MLOPS)-", name, re.I):
        near = get_close_matches(name.upper(), catalogue.controls, 1)
        raise UsageError(f"there is no control {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
    rule_id, _, check = name.rpartition("/")
    if "/" in rule_id:
        output.emit(_check(catalogue.rule(rule_id), check))
    else:
        output.emit(_control(control, catalogue) if control else _rule(catalogue.rule(name), catalogue))
    return 0


def _rule(rule: Rule, catalogue: Catalogue) -> str:
    lines = [f"{rule.id}: {rule.title}", ""]
    lines += [f"severity {rule.severity}, confidence {rule.confidence}, found by the {rule.scanner} scanner"]
    if rule.gdpr:
        lines.append(f"Regulation (EU) 2016/679, Article {', '.join(rule.gdpr)}")
    lines += [f"control {control}: {catalogue.controls[control]['title']}" for control in rule.controls]
    lines += [f"weakness {', '.join(rule.cwe)}"] if rule.cwe else []
    if rule.checks:
        lines.append(f"checks {', '.join(sorted(rule.checks))}")
        if any("select" in check for check in rule.checks.values()):
            lines.append(f"conditions mlguard explain {rule.id}/{min(rule.checks)}")
    return "\n".join([*lines, "", re.sub(r"[ \t]*(?:#|//|<!--)\s*expect:.*$", "", rule.body.strip(), flags=re.M), ""])


def _check(rule: Rule, name: str) -> str:
    import yaml

    if name not in rule.checks:
        raise UsageError(f"{rule.id} has no check {name!r}; it has {', '.join(sorted(rule.checks)) or 'none'}")
    spec = {"message": rule.message, "fix": rule.fix, **rule.checks[name]}
    said = yaml.safe_dump(_plain(spec), sort_keys=False, width=100, allow_unicode=True, default_flow_style=None)
    return f"{rule.id}, check {name} (mlguard rules language describes conditions)\n\n{said}"


_ORDER = ("message", "fix", "severity", "select", "kind", "class", "require", "forbid", "each", "some", "path", "op")
"""Keys that come first, as pages have them; the compiled catalogue has lost the order."""


def _plain(value: Any) -> Any:
    """Return mappings and lists as new ones each, in the order of pages: what a page says twice is shown twice."""
    if isinstance(value, Mapping):
        keys = sorted(value, key=lambda key: _ORDER.index(key) if key in _ORDER else len(_ORDER))
        return {key: _plain(value[key]) for key in keys}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def _control(control: Mapping[str, Any], catalogue: Catalogue) -> str:
    touching = [rule for _, rule in sorted(catalogue.rules.items()) if control["id"] in rule.controls]
    planned = [rule for rule in control["required"] if rule not in catalogue.rules]
    lines = [f"{control['id']}: {control['title']}", ""]
    if control.get("article"):
        lines.append(f"Regulation (EU) 2016/679, Article {control['article']}")
    lines += [f"ceiling {control['ceiling']}: {_CEILINGS[control['ceiling']]}", f"evidence: {control['evidence']}", ""]
    lines += (
        ["Rules that look at it:", *(f"  {rule.id}  {rule.title}" for rule in touching)]
        if touching
        else ["No rule of this version looks at it."]
    )
    if planned:
        lines += ["", "Needed to show it, and not in this version:", *(f"  {rule}" for rule in planned)]
    for key, heading in (("human_question", "A person must answer"), ("must_not_claim", "mlguard never claims")):
        if control.get(key):
            lines += ["", *textwrap.wrap(f"{heading}: {control[key]}", 100)]
    return "\n".join([*lines, ""])
