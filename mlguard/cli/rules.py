"""mlguard rules: lists the rules, and helps with pages of one's own."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click

from mlguard import discovery, rules
from mlguard.cli import output
from mlguard.cli.run import catalogue_here, settings_here
from mlguard.engine import Job, run
from mlguard.errors import UsageError
from mlguard.examples import Example, trees
from mlguard.findings import Finding, Gap


@click.group("rules", invoke_without_command=True)
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
@click.pass_context
def command(
    context: click.Context,
    area: str | None,
    control: str | None,
    severity: str | None,
    tag: str | None,
    scanner: str | None,
    form: str,
) -> int:
    """List the rules, all of them or those that fit every option."""
    if context.invoked_subcommand:
        return 0
    catalogue = catalogue_here()
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


@command.command("test", short_help="Run the examples on your pages.")
@click.argument("folder", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path))
def test(folder: Path | None) -> int:
    """Run the examples on the rule pages in FOLDER, or in the folder that the configuration names under rules.

    A page is area/slug.md, written like mlguard's own: front matter with conditions under checks, and the sections Bad
    and Good. Each line of a Bad example that is marked "# expect: area/slug" must be reported, and no other line.
    Ends with 0 when every page holds what it says, else with 1. mlguard rules language describes pages and
    conditions; mlguard explain AREA/SLUG/CHECK shows a check of mlguard's own.
    """
    from mlguard.scanners import own

    place = str(folder or settings_here().rules)
    if not place:
        raise UsageError("no folder of rules is named; give one, or name it in mlguard.yaml (rules: compliance/rules)")
    catalogue = own.catalogue(str(Path(place).resolve()))
    pages = own.read(Path(place))
    failed = 0
    for rule in pages.values():
        told = list(_trouble(rule, catalogue, str(Path(place).resolve())))
        failed += bool(told)
        output.emit(f"{'not ok' if told else 'ok    '} {rule.id}")
        for line in told:
            output.emit(f"       {line}")
    output.emit(f"{len(pages) - failed} of {len(pages)} pages hold what they say.")
    return 1 if failed else 0


@command.command("language", short_help="Describe pages and conditions.")
def language() -> int:
    """Describe the pages of rules of one's own: their keys, the conditions, operators, kinds and classes."""
    from mlguard.scanners.code import patterns
    from mlguard.scanners.infra.language import reference, unmarked

    told = unmarked((patterns.__doc__ or "").partition("\n\n")[2])
    output.emit(f"{reference()}\n\nChecks of Python code\n\n{told.strip()}")
    return 0


@command.command("resources", short_help="Show files as conditions see them.")
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
def resources(paths: tuple[Path, ...]) -> int:
    """Show PATHS as conditions see them: each resource with its kind, classes and the paths of its attributes.

    Values are not shown. What only a deployment knows is marked.
    """
    from mlguard.scanners import Context
    from mlguard.scanners.infra import InfraScanner
    from mlguard.scanners.infra.language import outline

    root = discovery.common_folder(paths)
    found = discovery.discover(root, [Path(path).resolve() for path in paths])
    scanner = InfraScanner()
    context = Context(root)
    known = [one for group in scanner.plan(found.artifacts, {}) for one in scanner.resources(group, context)]
    for resource in known:
        output.emit("\n".join(outline(resource)))
    output.emit(
        f"{len(known)} {'resource' if len(known) == 1 else 'resources'}; mlguard rules language says how conditions name them."
    )
    return 0


def _trouble(rule: rules.Rule, catalogue: rules.Catalogue, folder: str) -> Iterator[str]:
    """Yield a sentence for each example that does not do what the page says, and for each check that none shows."""
    shown: set[str] = set()
    for heading in ("Bad", "Good"):
        found = trees(heading, rules.section(rule, heading))
        if not found:
            yield f"there is no example under {heading}"
        for example in found:
            findings, gaps = _examined(example, catalogue, folder)
            own = [finding for finding in findings if finding.rule == rule.id]
            shown |= {finding.check for finding in own}
            told = {(finding.location.path, finding.location.line) for finding in own}
            wanted = {(path, line) for path, line, name in example.expected if name == rule.id}
            for path, line in sorted(wanted - told):
                yield f"{heading}, {example.name}: {path}:{line} is not reported"
            for path, line in sorted(told - wanted):
                yield f"{heading}, {example.name}: {path}:{line} is reported, and not marked"
            for gap in gaps:
                yield f"{heading}, {example.name}: {gap.path}: {gap.reason}"
            if heading == "Bad" and not wanted:
                yield f"Bad, {example.name}: no line is marked (# expect: {rule.id})"
    for name in sorted(set(rule.checks) - shown):
        yield f"no Bad example shows the check {name!r}"


def _examined(example: Example, catalogue: rules.Catalogue, folder: str) -> tuple[tuple[Finding, ...], tuple[Gap, ...]]:
    from mlguard.scanners import own

    with tempfile.TemporaryDirectory(prefix="mlguard-rules-") as place:
        root = Path(place)
        example.write(root)
        found = discovery.classify(root, sorted(example.files))
        settings = {name: {"rules": folder} for name in own.SCANNERS}
        report = run(Job(root, found.artifacts, own.SCANNERS, catalogue, settings=settings, gaps=found.gaps))
    return report.findings, tuple(gap for gap in report.gaps if gap.kind != "unresolved")


def _tags(rule: rules.Rule) -> tuple[str, ...]:
    return (*rule.cwe, *rule.tags, *(item for items in rule.tags.values() for item in items))


def _plain(rule: rules.Rule) -> dict[str, object]:
    left_out = {"prose", "checks", "hook"}
    plain: dict[str, object] = {name: getattr(rule, name) for name in rules.Rule.__slots__ if name not in left_out}
    return {**plain, "area": rule.area, "checks": sorted(rule.checks)}
