"""mlguard rules: lists the rules."""

from __future__ import annotations

import json

import click

from mlguard import rules
from mlguard.cli import output
from mlguard.errors import UsageError


@click.command("rules")
@click.option("--area", metavar="AREA", help="Only rules of this area: code, data, model, tf …")
@click.option(
    "--control",
    metavar="ID",
    help="Only rules that touch this control, such as GDPR-32.1.b-4, or article, such as 32(1)(b).",
)
@click.option(
    "--severity", type=click.Choice(["critical", "high", "medium", "low"]), help="Only rules of this severity."
)
@click.option("--tag", metavar="TAG", help="Only rules with this tag or weakness, such as CWE-502 or mitre-atlas.")
@click.option("--scanner", metavar="NAME", help="Only rules of this scanner.")
@click.option("-f", "--format", "form", type=click.Choice(["text", "json"]), default="text", help="How to print them.")
def command(
    area: str | None, control: str | None, severity: str | None, tag: str | None, scanner: str | None, form: str
) -> int:
    """List the rules, all of them or those that fit every option."""
    catalogue = rules.load()
    if (
        control
        and control not in catalogue.controls
        and not any(control in rule.gdpr for rule in catalogue.rules.values())
    ):
        raise UsageError(f"--control {control}: no rule touches a control or article of this name")
    everything = catalogue.rules.values()
    for option, value, known in (
        ("--area", area, {rule.area for rule in everything}),
        ("--scanner", scanner, {rule.scanner for rule in everything}),
        ("--tag", tag, {item for rule in everything for item in _tags(rule)}),
    ):
        if value and value not in known:
            raise UsageError(f"{option} {value}: no rule has it; there are {', '.join(sorted(known))}")
    chosen = [
        rule
        for _, rule in sorted(catalogue.rules.items())
        if area in (None, rule.area)
        and severity in (None, rule.severity)
        and scanner in (None, rule.scanner)
        and (control is None or control in (*rule.controls, *rule.gdpr))
        and (tag is None or tag in _tags(rule))
    ]
    if form == "json":
        output.emit(json.dumps([_plain(rule) for rule in chosen], indent=2))
        return 0
    width = max((len(rule.id) for rule in chosen), default=0)
    for rule in chosen:
        output.emit(f"{rule.id:<{width}}  {rule.severity:<8}  {rule.title}")
    output.emit(f"{len(chosen)} of {len(catalogue.rules)} rules. mlguard explain RULE says more about one.")
    return 0


def _tags(rule: rules.Rule) -> tuple[str, ...]:
    return (*rule.cwe, *rule.tags, *(item for items in rule.tags.values() for item in items))


def _plain(rule: rules.Rule) -> dict[str, object]:
    left_out = {"prose", "checks", "hook"}
    plain: dict[str, object] = {name: getattr(rule, name) for name in rules.Rule.__slots__ if name not in left_out}
    return {**plain, "area": rule.area, "checks": sorted(rule.checks)}
