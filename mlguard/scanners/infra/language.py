"""The reference of the rule language, and what conditions can name of a resource, for people who write pages."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from mlguard import redact
from mlguard.scanners.infra import conditions
from mlguard.scanners.infra.operators import BARE, NEGATED, OPERATORS
from mlguard.scanners.infra.resources import Position, Resource, Unknown, public, shown

WIDTH = 110
"""Characters of a line."""

MAX_PATHS = 200
"""Paths of one resource that are shown, and elements of one list that are looked at."""

MAX_LEVELS = 12
"""Values inside each other that are looked at."""

PAGE = """\
A page is area/slug.md. Its front matter, between two lines of ---, has the keys

  title, severity, message, fix        needed; severity is critical, high, medium or low
  checks                               needed: a mapping of names to checks, which the language below describes
  scanner                              infra; code for patterns of Python code, which come last below
  confidence, hook, controls, gdpr, cwe, tags      high; false; none
  on_fail, on_pass                     gap, none: what a finding, or none, says about the controls (breach, gap, review;
                                       proof, documented, none)

A message may name {resource}, {kind}, {name}, {attribute}, {found}, {expected}, {element} (the innermost element that
has a name), and any attribute of the resource or of the element. Below stand ## Why it matters, ## How to fix it,
## Bad and ## Good. A fenced block is a file of its language (```hcl, ```yaml, ```dockerfile; ```yaml file=a/b.yaml names
it); ### starts another tree. A comment "# expect: area/slug" marks each line that a Bad example reports.

  mlguard rules resources main.tf      shows kinds, classes and attributes of what is in a file
  mlguard explain tf/public-storage/bucket-acl     shows the conditions of a check of mlguard's own
  mlguard rules test FOLDER            runs the examples of your pages
"""

KINDS = """\
Terraform, OpenTofu and plans     the type (aws_s3_bucket); terraform.root, .provider, .call, .module, .backend, .variable
CloudFormation and SAM            the type and the attributes that Terraform has for it
Kubernetes, Helm, Kustomize       the kind (Deployment, ServiceAccount)
Compose                           compose.service
Dockerfile                        docker.stage, docker.instruction, docker.container
GitHub, GitLab                    github.workflow, .job, .step, .action; gitlab.pipeline, .job
others                            precommit.repository, dependabot.update, feast.store
"""

CLASSES = {
    "container": "what runs a process, of every format: image, image_name, tag, digest, floating, argv, argv_text, "
    "environment, open_services[], exposure",
    "image": "an image that is built or run: image, tag, digest, floating, ended",
    "k8s.object": "each object of Kubernetes, as it is written",
    "k8s.pod_template": "the pod of a workload: what is written, and labels, serving, replicas, account, token_mounted, "
    "host_namespaces, isolated, monitored, autoscaled, budget",
    "k8s.container": "a container of a pod, with init and sidecar ones: what is written, and effective (the security context of "
    "pod and container together), hardened, root, exposure",
    "aws.iam.statement": "a statement of a policy: effect, actions, not_actions, resources, not_resources, principals, "
    "conditions, condition_keys, policy (identity, trust, resource), owner, owner_kind",
    "google.iam.binding": "who gets a role: role, members, level, owner, owner_kind",
    "net.ingress": "a rule that lets traffic in: sources, protocol, from_port, to_port, ports, owner",
    "store": "what holds data; effective_tags, effective_region",
    "data": "a store whose tags or name say that it holds protected data",
    "tagged": "what a tag or label classifies as protected data",
    "ml": "a managed service of machine learning",
    "ci.commands": "a step or instruction that runs commands: commands[] with program and words",
}
"""The classes that pages ask for most, by what they stand for and the attributes that readers add."""


def reference() -> str:
    """Return the whole language as text: pages, checks, paths, operators, kinds and classes."""
    parts = [
        ("Pages", PAGE),
        ("Checks and conditions", unmarked((conditions.__doc__ or "").partition("\n\n")[2])),
        ("Operators", "\n".join(_operators())),
        ("Kinds", KINDS),
        ("Classes", "\n".join(line for name, text in CLASSES.items() for line in _entry(name, text, 20))),
    ]
    return "\n\n".join(f"{title}\n\n{text.strip()}" for title, text in parts)


def outline(resource: Resource) -> list[str]:
    """Return what conditions can name of a resource: kind, classes, and the paths of its attributes. Values are left out."""
    at = resource.positions.get((), Position(1))
    lines = [f"{at.path or resource.path}:{at.line}  {public(resource.address)}", f"  kind {resource.kind}"]
    lines += [f"  classes {', '.join(dict.fromkeys(resource.classes))}"] if resource.classes else []
    paths = dict.fromkeys(_paths(resource.attributes, "", 0))
    lines += [f"    {path}" for path in islice(paths, MAX_PATHS)]
    return lines + ([f"    and {len(paths) - MAX_PATHS} more"] if len(paths) > MAX_PATHS else [])


def _paths(value: Any, path: str, level: int) -> Iterator[str]:
    if isinstance(value, Mapping) and value and level < MAX_LEVELS:
        for key, inner in sorted(value.items(), key=lambda pair: str(pair[0])):
            name = redact.printable(redact.text(str(key), 60))
            yield from _paths(inner, f"{path}['{name}']" if "." in name else f"{path}.{name}".lstrip("."), level + 1)
    elif isinstance(value, (list, tuple)) and value and level < MAX_LEVELS:
        for inner in value[:MAX_PATHS]:
            yield from _paths(inner, f"{path}[]", level + 1)
    elif isinstance(value, Unknown):
        yield f"{path}  not known: {redact.printable(redact.text(shown(value.reason), 60))}"
    elif value is not None:
        yield path


def _operators() -> Iterator[str]:
    opposites = {positive: name for name, positive in NEGATED.items()}
    for name, function in sorted(OPERATORS.items()):
        first = " ".join(unmarked(inspect.getdoc(function) or "").split())
        more = [f"Opposite: {opposites[name]}."] if name in opposites else []
        more += ["Takes no value."] if name in BARE else []
        yield from _entry(name, " ".join([first, *more]), 20)


def unmarked(text: str) -> str:
    return text.replace("``", "").replace("::\n", ":\n")


def _entry(name: str, text: str, width: int) -> list[str]:
    lines = textwrap.wrap(text, WIDTH - width, break_on_hyphens=False)
    return [f"{name if not number else '':<{width}}{line}" for number, line in enumerate(lines)]
