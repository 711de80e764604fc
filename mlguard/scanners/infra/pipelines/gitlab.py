"""GitLab CI as a pipeline and its jobs, in the words of the checks for workflows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from mlguard.artifacts import Artifact
from mlguard.findings import Gap
from mlguard.scanners import Context, lazy, read_text
from mlguard.scanners.infra import installs, shell
from mlguard.scanners.infra.operators import registry_of
from mlguard.scanners.infra.pipelines import cloudkeys, scripts, taint, texts
from mlguard.scanners.infra.pipelines.gitlab_files import Pipeline, included
from mlguard.scanners.infra.pipelines.steps import LISTS
from mlguard.scanners.infra.pipelines.taint import Taint
from mlguard.scanners.infra.pipelines.texts import MAX_SCRIPT, Source, items, names, text
from mlguard.scanners.infra.resources import Path, Position, Resource, Unknown
from mlguard.scanners.infra.treeedits import entries
from mlguard.scanners.infra.workloads import named_regions
from mlguard.scanners.infra.yamltree import MAX_BYTES, Tree

_STRANGERS = frozenset(
    {
        "CI_COMMIT_TITLE", "CI_COMMIT_MESSAGE", "CI_COMMIT_DESCRIPTION", "CI_COMMIT_REF_NAME", "CI_COMMIT_BRANCH", "CI_COMMIT_AUTHOR",
        "CI_COMMIT_TAG_MESSAGE", "CI_MERGE_REQUEST_TITLE", "CI_MERGE_REQUEST_DESCRIPTION", "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME",
        "CI_EXTERNAL_PULL_REQUEST_SOURCE_BRANCH_NAME", "CI_MERGE_REQUEST_SOURCE_PROJECT_PATH", "CI_DEFAULT_BRANCH_DESCRIPTION",
        "TRIGGER_PAYLOAD",
    }
)  # fmt: skip
"""Variables whose text whoever pushes or opens a merge request chooses.

https://docs.gitlab.com/ci/variables/predefined_variables/
"""

_SECRET = lazy.pattern(
    r"^(?:CI_JOB_TOKEN|CI_JOB_JWT\w*|CI_REGISTRY_PASSWORD|CI_DEPLOY_PASSWORD|CI_DEPENDENCY_PROXY_PASSWORD|CI_REPOSITORY_URL"
    r"|\w*(?:_TOKEN|_PASSWORD|_PASSWD|_SECRET|_SECRET_KEY|_ACCESS_KEY|_API_KEY|_PRIVATE_KEY)|TOKEN|PASSWORD)$"
)
_INPUT = lazy.pattern(r"\$\[\[\s*inputs\.([\w-]+)([^\]]*)\]\]")
_DAEMON = lazy.pattern(r"(?:^|/)docker(?:@|:.*)?dind|(?:^|/)[\w-]*-dind(?:[:@]|$)|(?:^|/)dind(?:[:@]|$)")
_SHARED_RUNNER = lazy.pattern(r"(?i)^(?:saas-|gitlab-org)")
_SECURITY_JOB = lazy.pattern(
    r"(?i)(?:^|[-_:. ])(?:sast|dast|secret[-_]?detection|secret[-_]?scan|dependency[-_]scanning|container[-_]scanning|iac[-_]scan\w*|license[-_]scanning"
    r"|security|compliance|mlguard|privacy|gdpr|gemnasium|gate|vulnerabilit\w+)(?:$|[-_:. ])"
)


def read(artifacts: Sequence[Artifact], context: Context) -> Iterator[Resource | Gap]:
    """Yield each pipeline and its jobs. A file that another one includes is read as part of that."""
    paths = sorted(
        (artifact.path for artifact in artifacts), key=lambda path: (not path.endswith(".gitlab-ci.yml"), path)
    )
    listing = [artifact.path for artifact in artifacts]
    done: set[str] = set()
    for path in paths:
        if path in done:
            continue
        pipeline = Pipeline(
            path, lambda one: read_text(context, one, MAX_BYTES), lambda base: _listed(context, base) or listing
        )
        done |= set(pipeline.texts)
        yield from _Reader(pipeline).resources()
        for where, why in dict.fromkeys(pipeline.troubles):
            yield Gap("infra", where, "unreadable", why)


def _listed(context: Context, base: str) -> list[str]:
    """Return the YAML files below a folder of the tree that an include may mean by a pattern."""
    root = context.root / base
    found = []
    for pattern in ("*.yml", ".gitlab/**/*.yml", "ci/**/*.yml", ".gitlab-ci/**/*.yml", "*/*.yml"):
        for number, path in enumerate(root.glob(pattern)):
            if number > 1_000:
                break
            if path.is_file() and not path.is_symlink():
                found.append(path.relative_to(context.root).as_posix())
    return sorted(set(found))


class _Reader:
    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self.sources: dict[str, Source] = {}
        self.seen: set[tuple[str, str, int, int]] = set()
        stages = pipeline.keys.get("stages")
        self.stages = [".pre", *(names(stages.value) if stages is not None else ["build", "test", "deploy"]), ".post"]
        self._tested: int | None = None  # the number of the first stage with a test, -1 when there is none
        self.trees = dict(pipeline.jobs())
        self.jobs = {name: _Job(name, tree, self) for name, tree in self.trees.items()}

    def resources(self) -> Iterator[Resource]:
        head = self.pipeline.head
        if head is None:
            return
        yield self._pipeline(head)
        for job in self.jobs.values():
            yield job.resource()

    def _pipeline(self, head: Tree) -> Resource:
        positions: dict[Path, Position] = {(): head.at}
        for key, child in head.items():
            positions[(key,)] = child.at
        includes = [included(one) for one in self.pipeline.includes]
        for job in self.trees.values():
            includes += [included(one) for one in items(job.get("trigger", "include"))]
        for number, one in enumerate(includes):
            for path in (("includes", number), ("includes", number, "pinned")):
                positions[path] = one["at"].at
        found: list[dict[str, Any]] = []
        default = self.pipeline.keys.get("default")
        for holder in (default, None):
            node = holder.get if holder is not None else self.pipeline.keys.get
            self.images(node("image"), found, positions)
            for service in items(node("services")):
                self.images(service, found, positions)
        attributes = {
            "includes": [{"include": one["include"], "pinned": one["pinned"]} for one in includes],
            "images": found,
            "stages": self.stages[1:-1],
            "jobs": list(self.jobs),
        }
        attributes["insecure_env"] = texts.insecure_variables(
            self.pipeline.variables(self.pipeline.keys.get("variables")), positions
        )
        attributes["regions"] = texts.regions(self.pipeline.variables(self.pipeline.keys.get("variables")), positions)
        variables = self.pipeline.variables(self.pipeline.keys.get("variables"))
        if (trace := _traced(variables)) is not None:
            attributes["traced"] = "CI_DEBUG_TRACE" if "CI_DEBUG_TRACE" in variables else "CI_DEBUG_SERVICES"
            positions[("traced",)] = trace.at
        key = next((name for name, node in variables.items() if cloudkeys.is_key(name) and "$" in text(node.value)), "")
        attributes["keys_for_all"] = [{"input": key}] if key else []
        if key:
            positions[("keys_for_all", 0, "input")] = variables[key].at
        tokens = default.get("id_tokens") if default is not None else None
        attributes["tokens_for_all"] = sorted(entries(tokens))
        if tokens is not None:
            positions[("tokens_for_all",)] = tokens.at
        names_of = ("images", "insecure_env", "regions", "keys_for_all", "tokens_for_all")
        classes = tuple(f"ci.{name}" for name in names_of if attributes[name])
        return Resource(
            "gitlab.pipeline",
            self.pipeline.path,
            self.pipeline.path,
            self.pipeline.path,
            attributes,
            positions,
            classes,
            format="gitlab",
        )

    def images(self, node: Tree | None, found: list[dict[str, Any]], positions: dict[Path, Position]) -> None:
        """Add the image that a node names, once for each place."""
        if node is None:
            return
        image = node if isinstance(node.value, str) else node.get("name")
        if image is None or not isinstance(image.value, str):
            return
        value = self.expanded(image.value)
        if not self.first("images", image.at) or (value.startswith("$") and "/" not in value and ":" not in value):
            return
        if re.search(r":[^/]*\$|\$\{?\w+\}?$", value):
            return  # the tag, or all of the name's end, is only known when it runs
        positions[("images", len(found))] = positions[("images", len(found), "image")] = image.at
        positions[("images", len(found), "registry")] = image.at
        found.append({"image": value, "registry": "" if value.startswith("$") else registry_of(value)})

    def expanded(self, value: str) -> str:
        """Return a text with the variables of the pipeline put in that are plain texts."""
        variables = self.pipeline.variables(self.pipeline.keys.get("variables"))

        def known(match: re.Match[str]) -> str:
            node = variables.get(match[1] or match[2])
            plain = text(node.value) if node is not None else ""
            return plain if plain and "$" not in plain else match.group()

        return re.sub(r"\$\{(\w+)\}|\$(\w+)", known, value)

    def first(self, name: str, at: Position) -> bool:
        """Say whether a place is seen for the first time: what several jobs inherit is one thing."""
        key = name, at.path, at.line, at.column
        if key in self.seen:
            return False
        self.seen.add(key)
        return True

    def tested_before(self, stage: str) -> bool:
        """Say whether a job of a stage before this one tests."""
        if self._tested is None:
            order = {name: number for number, name in enumerate(self.stages)}
            self._tested = min(
                (order.get(job.stage, len(order)) for job in self.jobs.values() if job.tests), default=-1
            )
        own = self.stages.index(stage) if stage in self.stages else len(self.stages)
        return 0 <= self._tested < own

    def source(self, path: str) -> Source:
        path = path or self.pipeline.path
        if path not in self.sources:
            self.sources[path] = Source(self.pipeline.texts.get(path, ""))
        return self.sources[path]


def _traced(variables: Mapping[str, Tree]) -> Tree | None:
    """Return the variable with which the log shows every command and every variable, secrets among them."""
    node = variables.get("CI_DEBUG_TRACE") or variables.get("CI_DEBUG_SERVICES")
    return node if node is not None and text(node.value).lower() in ("true", "1") else None


class _Script:
    """One text of a script list with its commands."""

    def __init__(self, node: Tree, reader: _Reader) -> None:
        self.node, self.reader = node, reader
        self.text = text(node.value)[:MAX_SCRIPT]
        self.commands = shell.commands(self.text)
        self._places: shell.Places | None = None

    def at(self, start: int, end: int) -> Position:
        if self._places is None:
            self._places = shell.Places(self.text)
        found = self.reader.source(self.node.at.path).place(self.node, self._places, start, end)
        return replace(found, path=self.node.at.path)


class _Job:
    """One job as a resource; its attributes are those of a GitHub step and job together."""

    def __init__(self, name: str, tree: Tree, reader: _Reader) -> None:
        self.name, self.tree, self.reader = name, tree, reader
        pipeline = reader.pipeline
        self.value: dict[str, Any] = tree.value
        self.path = pipeline.path
        self.variables = {
            **pipeline.variables(pipeline.keys.get("variables")),
            **pipeline.variables(tree.get("variables")),
        }
        self.scripts = [
            _Script(node, reader)
            for key in ("before_script", "script", "after_script")
            for node in pipeline.lines(tree.get(key))
        ]
        self.whole = "\n".join(script.text for script in self.scripts)
        self.stage = text(self.value.get("stage")) or "test"
        self.attributes: dict[str, Any] = {}
        self.positions: dict[Path, Position] = {}

    def _add(self, name: str, item: Any, at: Position) -> None:
        if not self.reader.first(name, at):
            return
        held = self.attributes.setdefault(name, [])
        self.positions[(name, len(held))] = at
        if isinstance(item, Mapping):
            for key in item:
                self.positions[(name, len(held), key)] = at
        held.append(item)

    def resource(self) -> Resource:
        self.positions = {(): self.tree.at}
        for key, child in self.tree.items():
            self.positions[(key,)] = child.at
        deploys = next((script.at(*span) for script in self.scripts if (span := scripts.deploys(script.text))), None)
        environment = self.value.get("environment")
        self.attributes.update(
            {
                "id": self.name, "name": self.name, "job": self.name, "stage": self.stage, "run": self.whole,
                "needs": self._needs() or [],
                "environment": text(environment.get("name") if isinstance(environment, dict) else environment),
                "when": text(self.value.get("when")),
                "deploys": deploys is not None and not scripts.TRIAL_NAME.search(self.name) and not scripts.DRY.search(self.whole),
                "gated": self._gated_or_unknown() if deploys is not None else False, "tests": self.tests, "manual": self._manual(),
                "outcome_checked": False,
            }
        )  # fmt: skip
        if deploys is not None:
            self.positions[("deploys",)] = deploys
        self._commands()
        self._identity()
        self._daemon()
        if (trace := _traced(self.reader.pipeline.variables(self.tree.get("variables")))) is not None:
            first = self.reader.first("traced", trace.at)  # jobs that inherit it say it once
            self.attributes["traced"] = "a variable of the job" if first else ""
            self.positions[("traced",)] = trace.at
        self._gate()
        self._artifacts()
        self._images()
        classes = ("derived", *(f"ci.{name}" for name in (*LISTS, "images", "deploys") if self.attributes.get(name)))
        classes += ("ci.gate",) if self.attributes.get("gates") else ()
        return Resource(
            "gitlab.job",
            self.name,
            f"{self.tree.at.path or self.path}:{self.name}",
            self.path,
            self.attributes,
            self.positions,
            classes,
            format="gitlab",
        )

    def _commands(self) -> None:
        held = self._tainted()
        for name, node in self.reader.pipeline.variables(self.tree.get("variables")).items():
            if installs.tls_variable(name, text(node.value)):
                self._add("insecure_env", {"variable": name}, node.at)
            for region, _ in named_regions({name: text(node.value)}):
                self._add("regions", {"what": region}, node.at)
        for script in self.scripts:
            for command in script.commands:
                exported = command.words[1:] if command.program == "export" else ()
                for assignment in (*command.assignments, *exported):
                    name, _, value = assignment.partition("=")
                    if source := next((held[m[1]] for m in re.finditer(r"\$\{?(\w+)", value) if m[1] in held), None):
                        held[name] = source
            for command, found in taint.executed(script.text, script.commands, held):
                self._add("injected", {"source": found.source, "in": "script"}, script.at(command.start, command.end))
            for match in _INPUT.finditer(script.text) if self.reader.pipeline.open_inputs else ():
                own = not script.node.at.path or script.node.at.path == self.path
                if own and match[1] in self.reader.pipeline.open_inputs and "posix_escape" not in match[2]:
                    told = {"source": f"inputs.{match[1]}", "in": "script"}
                    self._add("input_injected", told, script.at(match.start(), match.end()))
            for command in script.commands:
                if marks := installs.marks(command):
                    self._add("commands", {"program": command.program, **marks}, script.at(command.start, command.end))
            for item in shell.remote_execution(script.text):
                if item["how"] == "pipe":
                    self._add("remote", {"how": "pipe"}, script.at(item["start"], item["end"]))
            for match in scripts.personal_stores(script.text):
                self._add("reads_store", match.group(), script.at(match.start(), match.end()))
            for command in scripts.dumps(script.commands, self.whole):
                self._add("dumps", command.program, script.at(command.start, command.end))
            used = {
                match[1]: match[1]
                for match in re.finditer(r"(?:\$\{?|\bprintenv )(\w+)", script.text)
                if _SECRET.match(match[1])
            }
            for command, secret in scripts.printed(script.text, script.commands, used) if used else ():
                self._add("echoed", secret, script.at(command.start, command.end))

    def _identity(self) -> None:
        """Find stored keys of clouds in a job that has no token of its own, and tokens for more than one party."""
        tokens = entries(self.tree.get("id_tokens"))
        for node in tokens.values():
            parties = node.get("aud")
            if parties is not None and isinstance(parties.value, list) and len(parties.value) > 1:
                self._add("shared_tokens", {"parties": len(parties.value)}, parties.at)
        if tokens:
            return
        for name, node in self.reader.pipeline.variables(self.tree.get("variables")).items():
            if cloudkeys.is_key(name) and "$" in text(node.value):
                self._add("keys", {"input": name}, node.at)
                return
        for script in self.scripts:
            for command, how, value in cloudkeys.sign_ins(script.commands):
                if not value or "$" in value:
                    self._add("keys", {"input": how}, script.at(command.start, command.end))
                    return

    def _daemon(self) -> None:
        """Find a Docker daemon beside the job: it needs a privileged runner, and TLS may be switched off to it."""
        services = [one if isinstance(one.value, str) else one.get("name") for one in items(self.tree.get("services"))]
        daemon = next((one for one in services if one is not None and _DAEMON.search(text(one.value))), None)
        if daemon is None:
            return
        tags = [text(one.value) for one in items(self.tree.get("tags"))]
        if tags and not any(_SHARED_RUNNER.match(tag) for tag in tags):
            self._add("privileged", {"what": text(daemon.value)}, daemon.at)
        folder = self.variables.get("DOCKER_TLS_CERTDIR")
        if folder is not None and folder.value in ("", None):
            self._add("plain_daemon", {"variable": "DOCKER_TLS_CERTDIR"}, folder.at)

    def _tainted(self) -> dict[str, Taint]:
        """Return the variables that hold what a stranger wrote, also by way of other variables."""
        held = {name: Taint("stranger", f"${name}") for name in _STRANGERS}
        for _ in range(3):
            for name, node in self.variables.items():
                source = next((held[m[1]] for m in re.finditer(r"\$\{?(\w+)", text(node.value)) if m[1] in held), None)
                if source is not None:
                    held[name] = source
        return held

    # Gates and deployments

    def _rules(self) -> list[dict[str, Any]]:
        return [item.value for item in items(self.tree.get("rules")) if isinstance(item.value, dict)]

    def _manual(self) -> bool:
        """Say whether a person starts the job in every case."""
        rules = [rule for rule in self._rules() if rule.get("when") != "never"]
        if rules and all(rule.get("when") == "manual" for rule in rules):
            return True
        return self.value.get("when") == "manual" and not any(
            rule.get("when") not in (None, "manual", "never") for rule in rules
        )

    def _soft(self) -> tuple[str, Position]:
        allowed = self.tree.get("allow_failure")
        if allowed is not None and allowed.value is True:
            return "allow_failure", allowed.at
        for item in items(self.tree.get("rules")):
            node = item.get("allow_failure") if isinstance(item.value, dict) else None
            if node is not None and node.value is True:
                return "allow_failure", node.at
        if self._manual() and not (allowed is not None and allowed.value is False):
            node = self.tree.get("when") or self.tree.get("rules")
            return "a person must start it, and nothing waits for it", node.at if node is not None else self.tree.at
        return "", self.tree.at

    def _gate(self) -> None:
        gates = [
            (script, at, name)
            for script in self.scripts
            for at, command in enumerate(script.commands)
            if (name := scripts.gate_name(command))
        ]
        inner = [
            (script, command, name, how)
            for script in self.scripts
            for command in script.commands
            for name, how in scripts.inner_gates(command)
        ]
        named = self.name if _SECURITY_JOB.search(self.name) else ""
        if not gates and not inner and not named:
            return
        how, place = self._soft()
        if how and (gates or inner or how == "allow_failure"):  # a job that is only named so may be the approval itself
            name = gates[0][2] if gates else inner[0][2] if inner else named
            self._add("gates", {"gate": name, "soft": how}, place)
            return
        for script, command, name, within in inner:
            self._add("gates", {"gate": name, "soft": within}, script.at(command.start, command.end))
        for script, at, name in gates:
            command = script.commands[at]
            how, end = scripts.softened(script.text, script.commands, at, True)
            self._add("gates", {"gate": name, "soft": how}, script.at(command.start, end or command.end))
            if option := scripts.silenced(command, script.text):
                self._add("silenced", option, script.at(command.start, command.end))

    @cached_property
    def tests(self) -> bool:
        """Whether this job tests or evaluates, and its failure counts."""
        named = scripts.TEST_NAME.search(re.sub(r"[-_:]", " ", self.name))
        return bool(scripts.tests(self.whole) or named) and not self._soft()[0]

    def _needs(self) -> list[str] | None:
        node = self.tree.get("needs") or self.tree.get("dependencies")
        if self.tree.get("needs") is None or node is None:
            return None
        return [
            text(item.value.get("job")) if isinstance(item.value, dict) else text(item.value) for item in items(node)
        ]

    def _gated_or_unknown(self) -> bool | Unknown:
        """Say whether a job must have tested before; unknown when that may stand in a file of elsewhere."""
        if self._gated():
            return True
        needs = self._needs()
        foreign = next((one for one in map(included, self.reader.pipeline.includes) if one["include"]), None)
        waits = needs is None or any(name not in self.reader.jobs for name in needs)
        return Unknown(f"what the include of {foreign['include']} holds") if foreign is not None and waits else False

    def _gated(self) -> bool:
        """Say whether a job must have tested before: one that it needs, or without ``needs`` one of an earlier stage."""
        deploy = next(
            (number for number, script in enumerate(self.scripts) if scripts.deploys(script.text)), len(self.scripts)
        )
        if any(scripts.tests(script.text) for script in self.scripts[:deploy]):
            return True
        seen: set[str] = set()
        needs = self._needs()
        if needs is None:
            return self.reader.tested_before(self.stage)
        while needs:
            name = needs.pop()
            job = self.reader.jobs.get(name)
            if name in seen or job is None:
                continue
            seen.add(name)
            further = job._needs()
            if job.tests or (further is None and self.reader.tested_before(job.stage)):
                return True
            needs += further or []
        return False

    # Data and images

    def _artifacts(self) -> None:
        for item in items(self.tree.get("artifacts", "paths")):
            for match in scripts.data_files(text(item.value)):
                self._add("uploads", match.group(), item.at)

    def _images(self) -> None:
        found: list[dict[str, Any]] = []
        if self.reader.pipeline.own_image(self.tree, "image"):
            self.reader.images(self.tree.get("image"), found, self.positions)
        if self.reader.pipeline.own_image(self.tree, "services"):
            for service in items(self.tree.get("services")):
                self.reader.images(service, found, self.positions)
        self.attributes["images"] = found
