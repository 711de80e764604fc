"""What the script of a pipeline does: tests, gates, deployments, releases, data that it moves, secrets that it prints."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from mlguard.scanners import lazy
from mlguard.scanners.infra import shell
from mlguard.scanners.infra.pipelines import texts

_GATES = lazy.pattern(
    r"^(?:mlguard|bandit|pip-audit|safety|trivy|checkov|gitleaks|semgrep|detect-secrets|detect-secrets-hook|modelscan|picklescan|grype|zizmor"
    r"|hadolint|tfsec|terrascan|kics|snyk|trufflehog|osv-scanner|kubescape|kube-linter|conftest|presidio|opa|dockle|cfn-lint|cfn_nag_scan"
    r"|ggshield|npm-audit|govulncheck|cargo-audit|fickling|modelaudit)$"
)
_LAUNCHERS = frozenset(
    {
        "pip", "pip3", "apt-get", "apt", "brew", "npm", "uv", "pipx", "docker", "poetry", "python", "python3", "uvx", "pdm", "hatch",
        "nox", "npx", "rye", "pixi", "conda", "podman", "pipenv", "mamba", "micromamba",
    }
)  # fmt: skip
_NO_RUN = frozenset(
    {"install", "add", "pull", "sync", "build", "push", "tag", "login", "update", "upgrade", "lock", "help", "version"}
)
_SOFT_FLAG = lazy.pattern(
    r"(?:^|\s)(?:--soft-fail(?:=true|\s+true)?|--exit-zero|--no-error|--exit-code[= ]0|--no-fail|--severity-threshold[= ]none"
    r"|--fail-on[= ]none|--no-exit-codes?|--continue-on-error|--exit-code-from[= ]none|--ignore-exit-code)(?=\s|$)"
)
_DEPLOY_WORDS = (
    "kubectl", "helm", "sagemaker", "ecs", "lambda", "gcloud", "az ml", "az ", "bentoml", "modal", "hf ", "huggingface-cli", "serve", "databricks",
    "argocd", "mlflow", "deploy", "promote", "skaffold", "kserve", "kustomize", "fly", "vertex", "transition",
)  # fmt: skip
_DEPLOYS = lazy.pattern(
    r"\bkubectl\s+(?:-\S+\s+\S+\s+){0,4}(?:apply|create|replace|set\s+image|rollout\s+restart|patch)\b|\bhelm\s+(?:-\S+\s+(?:(?!upgrade|install)[^\s-]\S*\s+)?){0,4}(?:upgrade|install)\b"
    r"|\baws\s+(?:--?\S+\s+\S+\s+){0,3}sagemaker\s+(?:create-endpoint|update-endpoint|create-model|update-inference-component|create-inference-component|update-model-package|deploy)"
    r"|\baws\s+ecs\s+update-service\b|\baws\s+lambda\s+(?:update-function-code|publish-version|update-alias)\b|\bsagemaker\s+deploy\b"
    r"|\bgcloud\s+(?:beta\s+|alpha\s+)?ai\s+endpoints\s+(?:deploy-model|create)|\bgcloud\s+(?:beta\s+)?(?:run|functions|app)\s+(?:services\s+\S+\s+)?deploy\b"
    r"|\baz\s+ml\s+(?:online|batch)-(?:deployment|endpoint)\s+(?:create|update)|\baz\s+(?:containerapp|webapp|functionapp)\s+(?:up|update|deploy\w*|deployment)\b"
    r"|\bbentoml\s+(?:deployment\s+)?(?:deploy|create)\b|\bmodal\s+deploy\b|\b(?:fly|flyctl)\s+deploy\b"
    r"|\b(?:huggingface-cli|hf)\s+upload\s|\bserve\s+deploy\b|\bdatabricks\s+bundle\s+deploy\b|\bargocd\s+app\s+(?:sync|set)\b|\bmlflow\s+deployments\s+(?:create|update)\b"
    r"|\bpython[\d.]*\s+(?:-m\s+)?[\w./-]{0,80}(?:deploy|promote)(?:_\w{1,60}|-\w{1,60})?(?:\.py)?\b|\b(?:bash|sh|\.)\s+[\w./-]{0,80}deploy[\w-]{0,80}\.sh\b"
    r"|(?:^|[\s;&])\.?/[\w./-]{0,80}deploy[\w-]{0,80}\.sh\b|\bskaffold\s+(?:run|deploy)\b|\bmake\s+[\w-]{0,40}deploy[\w-]{0,40}\b"
)
_NOT_DEPLOY = lazy.pattern(
    r"\b(?:undeploy|kubectl\s+create\s+(?:namespace|ns)\b|helm\s+install\s+\S{0,80}(?:cert-manager|ingress-nginx|prometheus))"
)
DRY = lazy.pattern(
    r"--dry-run(?!=none)|\bkind\s+create\s+cluster|\bminikube\s+start|\bk3d\s+cluster\s+create|\bhelm\s+\S+\s+--debug\s+--dry"
)
_TEST_WORDS = (
    "test", "tox", "nox", "deepchecks", "great_expectations", "gx ", "promptfoo", "deepeval", "eval", "ragas", "evidently", "mlguard", "bandit",
    "audit", "trivy", "semgrep", "dvc", "cml", "check", "valid", "gate", "benchmark", "giskard",
)  # fmt: skip
_TESTS = lazy.pattern(
    r"(?i)\b(?:pytest|tox|nox|unittest|deepchecks|great_expectations|gx\s+checkpoint|promptfoo|deepeval|lm[_-]eval|ragas|evidently|giskard|mlguard|bandit|pip-audit|trivy|semgrep"
    r"|dvc\s+(?:repro|metrics)|cml\s|make\s+[\w-]{0,40}(?:test|eval|check|valid)[\w-]{0,40}|(?:npm|yarn|pnpm)\s+(?:run\s+)?test|go\s+test|cargo\s+test"
    r"|python[\d.]*\s+(?:-\S+\s+){0,4}[\w./-]{0,80}(?:test|eval|valid|check|gate|benchmark)[\w./-]{0,80}|[\w./-]{0,80}(?:evaluate|validate|quality[_-]gate)[\w-]{0,80}\.(?:py|sh))"
)
_UNIT = lazy.pattern(
    r"(?i)\b(?:pytest|tox|nox|unittest|deepchecks|great_expectations|deepeval|(?:npm|yarn|pnpm)\s+(?:run\s+)?test|go\s+test|cargo\s+test|make\s+[\w-]{0,40}test[\w-]{0,40}|hatch\s+(?:run\s+)?test)"
)
TEST_NAME = lazy.pattern(
    r"(?i)(?:^|[^a-z])(?:unit|integration|e2e|smoke)?(?:tests?|testing|evals?|evaluate|evaluation|validate|validation|verify|checks?|gate|quality|scan|ci|qa|benchmark|approval|approve)(?:[^a-z]|$)"
)
TRIAL_NAME = lazy.pattern(r"(?i)(?:^|[^a-z])(?:e2e|tests?|integration|smoke|kind|minikube)(?:[^a-z]|$)")
_DATA_PATH = lazy.pattern(
    r"(?i)\.(?:csv|tsv|parquet|feather|arrow|jsonl|ndjson|xlsx?|sqlite3?|db|avro|orc|dump|sql|pkl|pickle|joblib)(?:\.(?:gz|bz2|xz|zst|zip))?$"
    r"|(?:^|/)(?:raw|raw[-_]?data|data|datasets?|training[-_]?data|dumps?|exports?)(?:/(?:\*{0,2}|[^/]*\*[^/]*|\*\*/[^/]*)?$|$)"
    r"|^(?:\./)?(?:data|datasets?|raw|training[-_]data)/"
)
_MODEL_PATH = lazy.pattern(
    r"(?i)\.(?:pt|pth|ckpt|safetensors|h5|hdf5|keras|onnx|gguf|bin|npz|npy|model|mlmodel)$|(?:^|/)(?:models?|checkpoints?|weights)(?:/(?:\*{0,2})?$|$)"
)
_PLAIN_DATA = lazy.pattern(
    r"(?i)coverage|report|metrics?|results?|benchmark|samples?/|fixtures?|test[-_]?data|synthetic|schema|docs?/|example|junit|requirements|lock|timing|duration|licen[sc]e|sbom|(?:^|/)\.coverage|profil"
)
_PERSONAL_STORE = lazy.pattern(
    r"(?i)\b(?:s3|gs|az|abfss?|wasbs?|hdfs)://[^\s'\"]{0,300}\b(?:pii|personal|customers?|users?|patients?|employees?|members?|clients?|citizens?|subscribers?|medical|health)\b"
)
_DUMPS = frozenset({"pg_dump", "pg_dumpall", "mysqldump", "mongodump", "mariadb-dump", "mongoexport"})
ROLLBACK = lazy.pattern(
    r"(?i)\brollout\s+undo\b|\bhelm\s+(?:-\S+\s+){0,4}rollback\b|--atomic\b|--rollback-on-failure\b|\broll[-_ ]?back\b|\bargo\s+rollouts?\b|auto-?rollback|--traffic\b.*\bprevious\b"
)
ROLLBACK_COMMAND = lazy.pattern(
    r"\brollout\s+undo\b|\bhelm\s+(?:-\S+\s+){0,4}rollback\b|\bkubectl\s+set\s+image\b[^\n]{0,200}@sha256:"
    r"|\bargo\w*\s+(?:app\s+)?rollback\b|\bupdate-endpoint\b[^\n]{0,200}(?:previous|last)"
)
PROVENANCE = lazy.pattern(
    r"(?i)\bcosign\s+(?:sign|attest)|\bgh\s+attestation\b|\bsigstore\s+(?:sign|attest)|\bmodel[_-]signing\s+sign|\bslsa-|--provenance(?:=true|=mode\S+)?(?=\s|$)|--attest\b|\bgpg\s+.*--(?:detach-)?sign|\bnotation\s+sign|\bwitness\s+run"
)
PUBLISHES = lazy.pattern(
    r"\bdocker\s+(?:image\s+)?push\b|\bpodman\s+push\b|\bbuildx\s+build\b[^\n;&|]*--push\b|\btwine\s+upload\b|\buv\s+publish\b|\bpoetry\s+publish\b|\bgh\s+release\s+(?:create|upload)\b|\bnpm\s+publish\b"
    r"|\b(?:huggingface-cli|hf)\s+upload\s|\bcrane\s+push\b|\boras\s+push\b|\bhelm\s+push\b|\bko\s+(?:publish|build)\b"
)

_SILENCES = lazy.pattern(
    r"(?:^|\s)(--ignore-vuln(?:[= ]\S+)|--skip-check[= ]\S+|--ignore[= ](?:\d{4,}|CVE-\S+|GHSA-\S+)|--skip[= ][BS]\d+\S*|-s[= ]B\d+\S*|--ignorefile[= ]\S+"
    r"|--exclude-rule[= ]\S+|--ignore-vulns?[= ]\S+)"
)


def commands(script: str) -> list[shell.Command]:
    """Return the commands of a script whose expressions stand for plain words."""
    return shell.commands(texts.neutral(script)) if script else []


def gate_name(command: shell.Command) -> str:
    """Return the name of the scanner that a command runs, also through ``python -m``, ``uvx``, ``poetry run`` and docker."""
    words = [word.rsplit("/", 1)[-1] for word in shell.effective(command.words)[:12]]
    if not words:
        return ""
    if _GATES.match(words[0]):
        return "" if words[1:2] in (["--version"], ["version"], ["--help"]) else words[0]
    if words[0] == "npm" and words[1:2] == ["audit"]:
        return "npm audit"
    if words[0] in _LAUNCHERS:
        if any(word in _NO_RUN for word in words[1:3]):
            return ""
        for word in words[1:8]:
            plain = word.partition("@")[0].partition(":")[0].replace("_", "-")
            if _GATES.match(plain) and not word.startswith("-"):
                return plain
    return ""


_STOPS = lazy.pattern(r"\bexit\b|\breturn\b|\bfalse\b|\bthrow\b|\$\?|\w=|GITHUB_OUTPUT|::set-output")
"""What in a script may still tell of a failure that a condition took in."""

MAX_CHAIN = 20
"""Commands joined with && behind one that are looked at."""

MAX_BRANCH = 5_000
"""Characters behind a condition in which it may still tell."""


def softened(script: str, found: Sequence[shell.Command], at: int, pipefail: bool) -> tuple[str, int]:
    """Return what keeps the failure of a command from counting, and where that ends; "" when nothing does.

    ``pipefail`` says that the shell counts the failure of each command of a pipe, not only of the last.
    """
    command = found[at]
    if _SOFT_FLAG.search(" ".join(command.words)):
        return "an option that never fails", command.end
    if (
        command.words[:1]
        and command.words[0] in ("if", "elif", "while", "until")
        and not _STOPS.search(script, command.end, command.end + MAX_BRANCH)
    ):
        return f"{command.words[0]} without an exit", command.end
    chained = at
    while found[chained].ends == "&&" and chained + 1 < min(len(found), at + MAX_CHAIN):
        chained += 1
    if found[chained].ends == "||":
        at = chained
        after = found[at + 1] if at + 1 < len(found) else None
        if after is not None and (after.program in ("true", ":", "echo", "printf") or after.words[:2] == ("exit", "0")):
            following = found[at + 2] if at + 2 < len(found) else None
            stops = following is not None and following.words[:1] == ("exit",) and following.words[1:2] != ("0",)
            return ("", 0) if after.ends in ("&&", ";", "\n") and stops else (f"|| {after.program}", after.end)
    if command.ends in ("|", "|&") and not pipefail and "pipefail" not in script:
        return "the end of a pipe", command.end
    if (
        command.ends == ";"
        and at + 1 < len(found)
        and (found[at + 1].program == "true" or found[at + 1].words[:2] == ("exit", "0"))
    ):
        return f"; {' '.join(found[at + 1].words[:2])}", found[at + 1].end
    earlier = [one for one in found[:at] if one.words[:2] in (("set", "+e"), ("set", "-e"))]
    if earlier and earlier[-1].words[:2] == ("set", "+e") and "$?" not in script:
        return "set +e", command.end
    return "", 0


def inner_gates(command: shell.Command) -> Iterator[tuple[str, str]]:
    """Yield the scanners in the text that a shell is given to run (``bash -c "…"``), and what softens each."""
    words = shell.effective(command.words)
    if command.program not in ("bash", "sh", "zsh") or not any(re.fullmatch(r"-[a-z]*c", word) for word in words[1:4]):
        return
    text = words[-1]
    found = shell.commands(text)
    for at, one in enumerate(found):
        if name := gate_name(one):
            yield name, softened(text, found, at, "pipefail" in " ".join(words[:-1]))[0]


def silenced(command: shell.Command, script: str) -> str:
    """Return the option with which a gate's command ignores a single finding, when no comment beside it says why."""
    match = _SILENCES.search(" ".join(command.words))
    if match is None:
        return ""
    begin = script.rfind("\n", 0, command.start) + 1
    end = script.find("\n", command.end)
    around = script[script.rfind("\n", 0, max(0, begin - 1)) + 1 : end if end >= 0 else len(script)]
    return "" if re.search(r"(?:^|\s)#\s*\S+\s+\S+", around) else re.split(r"[= ]", match.group(1).strip())[0]


def _uncommented(script: str) -> str:
    return re.sub(r"(?m)^(\s*)#.*$", lambda match: " " * len(match.group()), script) if "#" in script else script


def deploys(script: str) -> tuple[int, int] | None:
    """Return where a script deploys something, or None."""
    if not any(word in script for word in _DEPLOY_WORDS):
        return None
    plain = _NOT_DEPLOY.sub(lambda match: " " * len(match.group()), _uncommented(script))
    match = _DEPLOYS.search(plain)
    if match and re.search(r"(?:^|[\s;&|(])(?:echo|printf|#)\s[^\n;&|]*$", plain[: match.start()]):
        return None
    return match.span() if match else None


def tests(script: str) -> bool:
    """Say whether a script tests, evaluates or scans."""
    lowered = script.lower()
    return any(word in lowered for word in _TEST_WORDS) and _TESTS.search(script) is not None


def unit_tests(script: str) -> bool:
    """Say whether a script runs tests of code."""
    return _UNIT.search(script) is not None


def data_files(value: str) -> Iterator[re.Match[str]]:
    """Yield the paths of a list of paths that by their names hold records or models."""
    for match in re.finditer(r"[^\s,]+", value):
        item = match.group()
        if (
            not item.startswith("!")
            and (_DATA_PATH.search(item) or _MODEL_PATH.search(item))
            and not _PLAIN_DATA.search(item)
        ):
            yield match


def personal_stores(script: str) -> Iterator[re.Match[str]]:
    """Yield the addresses of stores whose names speak of people."""
    return _PERSONAL_STORE.finditer(script) if "://" in script else iter(())


def dumps(found: Sequence[shell.Command], script: str) -> Iterator[shell.Command]:
    """Yield the commands that dump a database which is not one of the job's own."""
    for command in found:
        if command.program in _DUMPS and "localhost" not in script and "127.0.0.1" not in script:
            yield command


PRINTS = lazy.pattern(
    r"\b(?:console\.(?:log|info|warn|error|debug)|core\.(?:info|notice|warning|debug|error)|print|puts|pprint|process\.stdout\.write)\s*\(?[^\n]{0,300}?\$\{\{[^}]{0,300}\}\}"
)
"""Code that prints something with an expression in it."""

_PRINTERS = frozenset({"echo", "printf", "cat", "Write-Host", "Write-Output", "printenv"})


def printed(script: str, found: Sequence[shell.Command], env: Mapping[str, str]) -> Iterator[tuple[shell.Command, str]]:
    """Yield the commands that print a secret into the log, with its name. ``env`` names the secret in each variable."""
    same = len(texts.neutral(script)) == len(script)
    for command in found:
        if command.program not in _PRINTERS or command.ends in ("|", "|&"):
            continue
        words = " ".join(command.words[1:])
        if ">" in words or "::add-mask::" in words:
            continue
        original = script[command.start : command.end] if same else words
        shown = texts.secrets(original, True) + [
            secret
            for key, secret in env.items()
            if re.search(rf"\$\{{?{re.escape(key)}\b(?!:?\+)", original)
            or (command.program == "printenv" and key in command.words)
        ]
        if shown:
            yield command, shown[0]


_FILE_WRITE = lazy.pattern(r"\$\{?(?:env:)?(GITHUB_ENV|GITHUB_PATH|GITHUB_OUTPUT)\b")
_SET_OUTPUT = lazy.pattern(r"::set-(output|env) name=([\w-]+)::|::(add)-path::")


def environment_writes(script: str, found: Sequence[shell.Command]) -> Iterator[tuple[str, list[shell.Command]]]:
    """Yield each write to a file of the runner (GITHUB_ENV, GITHUB_PATH, GITHUB_OUTPUT) with the commands whose text goes there."""
    if "GITHUB_" not in script and "::set-" not in script and "::add-path" not in script:
        return
    for at, command in enumerate(found):
        raw = " ".join(command.words)
        match = _FILE_WRITE.search(raw)
        if match is None:
            old = _SET_OUTPUT.search(raw)
            if old:
                yield {"output": "GITHUB_OUTPUT", "env": "GITHUB_ENV"}.get(old[1] or "", "GITHUB_PATH"), [command]
            continue
        if not re.search(r">|\btee\b|Out-File|(?:Add|Set)-Content", raw):
            continue
        group = [command, *_here_document(script, found, at)]
        if command.words[0] == "}" or (command.words[0].startswith((">", "|")) and at and not command.assignments):
            for before in reversed(found[:at]):
                group.append(before)
                if before.words[:1] == ("{",):
                    break
        elif command.program in ("tee", "Out-File", "Add-Content", "Set-Content"):
            for before in reversed(found[:at]):
                if before.pipeline != command.pipeline:
                    break
                group.append(before)
        yield match[1], group


_HERE = lazy.pattern(r"<<-?\s*(['\"]?)(\w+)\1")


def _here_document(script: str, found: Sequence[shell.Command], at: int) -> list[shell.Command]:
    """Return the lines that a command takes in as text, ``<< END``; none where the shell puts no variables into them."""
    match = _HERE.search(script, found[at].start, found[at].end)
    if match is None or match[1]:
        return []
    lines: list[shell.Command] = []
    for command in islice(found, at + 1, None):
        if command.words == (match[2],):
            return lines
        lines.append(command)
    return []


_QUIET = frozenset(
    {
        "git",
        "gh",
        "echo",
        "cd",
        "set",
        "export",
        "exit",
        "",
        "true",
        "test",
        "[",
        "[[",
        "ls",
        "cat",
        "mkdir",
        "printf",
        "pwd",
        "sleep",
        "}",
        "fi",
        "done",
    }
)
FETCHES_HEAD = lazy.pattern(
    r"\bgh\s+pr\s+checkout\b|\bhub\s+(?:pr\s+)?checkout\b|\bgit\s+(?:-\S+\s+)?(?:fetch|pull)\b[^\n]{0,300}?\b(?:refs/)?pull/|\bgit\s+(?:fetch|pull|checkout|clone|switch)\b[^\n]{0,300}?github\.(?:head_ref|event\.pull_request\.head)"
)


BUILDERS = frozenset(
    {
        "pip", "pip3", "pytest", "tox", "nox", "python", "python3", "uv", "poetry", "pdm", "hatch", "pre-commit", "make", "cmake", "ninja", "bazel",
        "npm", "npx", "yarn", "pnpm", "bun", "node", "deno", "jest", "go", "cargo", "mvn", "mvnw", "gradle", "gradlew", "sbt", "bundle", "rake", "rspec",
        "composer", "dotnet", "mix", "swift", "docker", "podman", "bash", "sh", "source", ".", "just", "task", "conda", "Rscript", "dvc", "terraform",
    }
)  # fmt: skip


def builds(found: Sequence[shell.Command], offset: int = 0) -> bool:
    """Say whether commands behind ``offset`` build, test or start what lies in the folder, and so run code from it."""
    return any(
        command.start >= offset
        and (command.program in BUILDERS or _first_word(command).startswith("./"))
        and "--version" not in command.words
        for command in found
    )


def _first_word(command: shell.Command) -> str:
    """Return the program of a command with its folder, without sudo and the like in front."""
    return next(iter(shell.effective(command.words)), "")


def runs_after(found: Sequence[shell.Command], offset: int) -> bool:
    """Say whether a script goes on behind ``offset`` with something other than git and gh."""
    return any(command.start > offset and command.program not in _QUIET for command in found)
