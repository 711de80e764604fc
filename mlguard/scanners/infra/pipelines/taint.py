"""Follows a stranger's text through env, outputs, needs, matrix and inputs to where it becomes part of a script."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, NamedTuple

from mlguard.scanners import lazy
from mlguard.scanners.infra import shell
from mlguard.scanners.infra.pipelines import expressions, texts
from mlguard.scanners.infra.pipelines.artifacts import brings_artifact
from mlguard.scanners.infra.pipelines.scripts import environment_writes
from mlguard.scanners.infra.pipelines.uses import UNTRUSTED_OUTPUTS
from mlguard.scanners.infra.treeedits import entries
from mlguard.scanners.infra.yamltree import Tree

if TYPE_CHECKING:
    from mlguard.scanners.infra.pipelines.model import File, Job, Step

MAX_HOPS = 6
"""Steps from a script back to where a value comes from."""

MAX_WRITERS = 12
"""Earlier steps of a job that write into the environment and are asked what they wrote; the last ones."""

MAX_NAMES = 50
"""Variables that one step writes into the environment."""

MAX_ENTRIES = 200
"""Values of a matrix, and commands of a script, that are followed."""

MAX_PIPED = 20
"""Commands before one in its pipe that are asked what they put into it."""

_CLOSED_TYPES = frozenset({"boolean", "number", "choice", "environment"})


class Taint(NamedTuple):
    """Whose text a value is: ``level`` is "stranger", or "input" for whoever starts the workflow or calls the action."""

    level: str
    source: str


def of_text(text: str, step: Step | None, job: Job | None, file: File, hops: int = 0) -> Taint | None:
    """Return whose text the expressions of ``text`` may put out, the worst first, or None."""
    weaker: Taint | None = None
    if "${{" not in text:
        return None
    for access in expressions.spoken(text):
        found = of_name(access.name, step, job, file, hops)
        if found is not None and found.level == "stranger":
            return found
        weaker = weaker or found
    return weaker


def of_name(name: str, step: Step | None, job: Job | None, file: File, hops: int = 0) -> Taint | None:
    """Return whose text a value is, by its dotted name in lower case."""
    if expressions.from_stranger(name):
        return Taint("stranger", name)
    if hops >= MAX_HOPS:
        return None
    head, _, rest = name.partition(".")
    if head == "github" and (expressions.from_member(name) or (name in _REFS and _free_ref(file))):
        return Taint("input", name)
    if head == "env":
        return _env(rest, step, job, file, hops + 1)
    if head == "inputs" or name.startswith("github.event.inputs"):
        return _input(rest if head == "inputs" else name.removeprefix("github.event.inputs").lstrip("."), file)
    if head == "steps" and job is not None:
        identity, _, output = rest.partition(".outputs.")
        made = job.by_id.get(identity)
        return _output(made, output, hops + 1) if made is not None and output else None
    if head == "needs":
        other, _, output = rest.partition(".outputs.")
        return _needed(file, other, output, hops + 1) if output else None
    if head == "jobs":
        other, _, output = rest.partition(".outputs.")
        return _needed(file, other, output, hops + 1)
    if head == "matrix" and job is not None:
        return _matrix(rest, job, hops + 1)
    return None


_REFS = frozenset({"github.ref", "github.ref_name", "github.event.ref"})
_GLOB = frozenset("*?+[!")


def _free_ref(file: File) -> bool:
    """Say whether whoever may push chooses the name of the branch or tag for which a workflow runs."""
    if "create" in file.triggers or "delete" in file.triggers:
        return True
    push = file.event("push")
    if "push" not in file.triggers or not isinstance(push, dict) or not ({"branches", "tags"} & set(push)):
        return "push" in file.triggers
    named = [text for key in ("branches", "tags") for text in texts.names(push.get(key))]
    return any(not _GLOB.isdisjoint(text) for text in named)


def _first(found: Iterator[Taint | None]) -> Taint | None:
    weaker: Taint | None = None
    for taint in found:
        if taint is not None and taint.level == "stranger":
            return taint
        weaker = weaker or taint
    return weaker


def _env(key: str, step: Step | None, job: Job | None, file: File, hops: int) -> Taint | None:
    for holder in (step.own_env if step is not None else {}, job.own_env if job is not None else {}, file.env):
        node = next((node for name, node in holder.items() if name.lower() == key or key in ("", "*")), None)
        if node is not None:
            return of_text(texts.text(node.value), step, job, file, hops)
    if step is None or job is None:
        return None
    earlier = _writers(step)
    return _first(_written(one, "GITHUB_ENV", key, hops) for one in earlier)


def _input(key: str, file: File) -> Taint | None:
    if key in ("", "*"):
        return next(iter(file.given.values()), None)
    if key in file.given:
        return file.given[key]
    declared = file.inputs.get(key)
    if declared is None or declared in _CLOSED_TYPES:
        return None
    return Taint("input", f"inputs.{key}")


def _needed(file: File, name: str, output: str, hops: int) -> Taint | None:
    jobs = [file.jobs[name]] if name in file.jobs else list(file.jobs.values()) if name == "*" else []
    for job in jobs:
        if job.calls is not None:
            for key, node in job.calls.outputs.items():
                if key.lower() == output or output == "*":
                    found = of_text(texts.text(node.value), None, None, job.calls, hops)
                    if found is not None:
                        return found
        for key, node in job.outputs.items():
            if key.lower() == output or output == "*":
                found = of_text(texts.text(node.value), None, job, file, hops)
                if found is not None:
                    return found
    return None


def _matrix(key: str, job: Job, hops: int) -> Taint | None:
    matrix = job.tree.get("strategy", "matrix")
    if matrix is None:
        return None
    wanted = key.partition(".")[0]
    whole = isinstance(matrix.value, str)
    for number, (path, node) in enumerate(texts.all_texts(matrix)):
        if number >= MAX_ENTRIES:
            break
        named = {str(step).lower() for step in path[:3]}
        if whole or wanted in named or "include" in named or wanted in ("", "*"):
            found = of_text(str(node.value), None, job, job.file, hops)
            if found is not None:
                return found
    return None


def _output(step: Step, key: str, hops: int) -> Taint | None:
    """Return whose text an output of a step is."""
    memo = step.outputs_known
    if key not in memo:
        memo[key] = None  # what refers to itself brings nothing new
        memo[key] = _made(step, key, hops)
    return memo[key]


def _made(step: Step, key: str, hops: int) -> Taint | None:
    name = step.uses.get("name", "").lower()
    if step.run:
        return _written(step, "GITHUB_OUTPUT", key, hops)
    if step.calls is not None:
        for output, node in step.calls.outputs.items():
            if output.lower() == key or key == "*":
                action = next(iter(step.calls.jobs.values()), None)
                return of_text(texts.text(node.value), None, action, step.calls, hops)
        return None
    if name == "actions/github-script":
        return _from_javascript(step)
    for pattern in UNTRUSTED_OUTPUTS.get(name, ()):
        if fnmatchcase(key, pattern):
            return Taint("stranger", f"an output of {step.uses['name']}")
    return None


_PAYLOAD = lazy.pattern(
    r"(?:payload|event)(?:\.\w+|\?\.\w+|\[['\"]\w+['\"]\]){1,6}?(?:\.|\?\.|\[['\"])(?:title|body|ref|label|message|page_name|head_branch)\b"
)


def _from_javascript(step: Step) -> Taint | None:
    script = step.inputs.get("script", "")
    found = _PAYLOAD.search(script)
    if found and ("setOutput" in script or "return" in script):
        return Taint("stranger", "what a script returns")
    return None


_GH_TEXT = lazy.pattern(
    r"\bgh\s+(?:pr|issue|api|run)\b[^\n]*\b(?:title|body|headRefName|head\.ref|headBranch|comments?)\b"
    r"|\bgit\s+log\b[^\n]*(?:%[sBb]|--format|--pretty)|\bgit\s+show\b[^\n]*%[sBb]"
)


def variables(step: Step, hops: int = 0) -> dict[str, Taint]:
    """Return the variables of a step's script that hold a stranger's text: from env, and from each other."""
    if hops in step.variables_known:
        return step.variables_known[hops]
    held = {"GITHUB_HEAD_REF": Taint("stranger", "$GITHUB_HEAD_REF")}  # the runner sets it for pull requests
    step.variables_known[hops] = held
    for name, node in {**step.file.env, **step.job.own_env, **step.own_env}.items():
        if isinstance(node.value, str):
            taint = of_text(node.value, step, step.job, step.file, hops)
            if taint is not None:
                held[name] = taint
    for one in _writers(step) if hops < MAX_HOPS else ():
        for name in _names_written(one):
            taint = _written(one, "GITHUB_ENV", name.lower(), hops + 1)
            if taint is not None:
                held[name] = taint
    for command in step.commands[:MAX_ENTRIES]:
        for assignment in (
            *command.assignments,
            *(word for word in command.words[1:3] if command.program in ("export", "local", "declare")),
        ):
            name, equals, value = assignment.partition("=")
            if not equals or not name.isidentifier():
                continue
            taint = _of_shell(step, value, command, held, hops)
            if taint is not None:
                held[name] = taint
    return held


def _of_shell(step: Step, words: str, command: shell.Command, held: Mapping[str, Taint], hops: int) -> Taint | None:
    """Return whose text a part of a command is, by the variables and the expressions in it."""
    for match in texts.env_names(words):
        if match[1] in held:
            return held[match[1]]
    original = step.run[command.start : command.end]
    if "${{" in original:
        taint = of_text(original, step, step.job, step.file, hops)
        if taint is not None:
            return taint
    if _GH_TEXT.search(words):
        return Taint("stranger", "a title, a text or a branch")
    return None


def _writers(step: Step) -> list[Step]:
    """Return the last steps before this one that write into the environment."""
    writers = step.job.writers
    end = bisect_left(writers, step.index, key=lambda one: one.index)
    return writers[max(0, end - MAX_WRITERS) : end]


def _names_written(step: Step) -> list[str]:
    if step.names_written is None:
        found = re.findall(r"(?m)(?:^|[\s\"'{])([A-Za-z_]\w*)(?:=|<<)", step.run)
        step.names_written = list(dict.fromkeys(found))[:MAX_NAMES]
    return step.names_written


def _written(step: Step, file: str, key: str, hops: int) -> Taint | None:
    """Return whose text a step writes under a name into GITHUB_ENV or GITHUB_OUTPUT."""
    known = step.written_known
    if (file, key, hops) not in known:
        known[file, key, hops] = None
        known[file, key, hops] = _writes(step, file, key, hops) if hops < MAX_HOPS else None
    return known[file, key, hops]


def _writes(step: Step, file: str, key: str, hops: int) -> Taint | None:
    held = variables(step, hops)
    for name, group in environment_writes(step.run, step.commands):
        if name != file:
            continue
        raw = "\n".join(step.run[command.start : command.end] for command in group)
        if key not in ("", "*") and not re.search(rf"(?i)(?<![\w-]){re.escape(key)}(?:=|<<|::)", raw):
            continue
        for command in group:
            words = " ".join((*command.assignments, *command.words))
            taint = _of_shell(step, words, command, held, hops)
            if taint is not None:
                return taint
            if reads_file(words) and any(
                map(brings_artifact, step.job.steps[max(0, step.index - MAX_WRITERS) : step.index + 1])
            ):
                return Taint("stranger", "a file of an untrusted run")
    return None


def reads_file(words: str) -> bool:
    """Say whether words of a command put in what a file says."""
    return re.search(r"\bcat\s|\$\(<|\bjq\s|\bhead\s|\bawk\s|\bgrep\s|<\s*[\w./]", words) is not None


_RUNS_TEXT = frozenset({"eval", "xargs", "ssh", "su", "parallel", "watch", "iex", "Invoke-Expression"})
_SHELLS = frozenset(
    {"sh", "bash", "dash", "zsh", "ksh", "python", "python3", "perl", "ruby", "node", "pwsh", "powershell", "php"}
)


def executed(
    script: str, found: Sequence[shell.Command], held: Mapping[str, Taint]
) -> Iterator[tuple[shell.Command, Taint]]:
    """Yield the commands that run a variable's text as code: ``eval "$X"``, ``bash -c "… $X"``, ``ssh host "… $X"``.

    A variable between single quotes is put in by the inner shell, as text.
    """
    if not held:
        return
    for at, command in enumerate(found):
        words = shell.effective(command.words)
        if not words:
            continue
        program = words[0].rsplit("/", 1)[-1]
        if (own := re.fullmatch(r"\$\{?(\w+)\}?", words[0])) and own[1] in held:
            yield command, held[own[1]]
            continue
        inner = program in _RUNS_TEXT or (
            program in _SHELLS
            and ("<<<" in words or any(re.fullmatch(r"-[a-z]*[ce]|-Command|-r", word) for word in words[1:4]))
        )
        inner = inner or ((program in _SHELLS or program in ("source", ".")) and "<(" in " ".join(words))
        if program in ("docker", "kubectl", "podman", "sudo", "timeout") and re.search(
            r"\b(?:sh|bash)\s+-[a-z]*c\b", " ".join(words)
        ):
            inner = True
        start = command.start
        if not inner and shell.reads_stdin(command.words):
            for before in reversed(found[max(0, at - MAX_PIPED) : at]):
                if before.pipeline != command.pipeline:
                    break
                inner, start = True, before.start
        if not inner:
            continue
        raw = _unquoted(script[start : command.end])
        if program == "ssh" and "<<" in raw:
            continue
        for match in texts.env_names(raw):
            if match[1] in held:
                yield command, held[match[1]]
                break


def _unquoted(text: str) -> str:
    """Return a command without what stands between single quotes that quote: not those inside double ones."""
    return re.sub(
        r'"(?:\\.|[^"\\])*"|\'[^\']*\'', lambda match: match.group() if match.group()[0] == '"' else " ", text
    )


def inputs_of(tree: Tree | None) -> dict[str, str]:
    """Return the declared inputs of a workflow's trigger or an action in lower case, with their types ("string" if none)."""
    return {
        name.lower(): (texts.text(node.value.get("type")) or "string") if isinstance(node.value, dict) else "string"
        for name, node in entries(tree).items()
    }
