"""Actions and reusable workflows by name: how a reference is pinned, and what the action behind it is known to do."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from mlguard.scanners import lazy

_SHA = lazy.pattern(r"^[0-9a-f]{40}(?:[0-9a-f]{24})?$")
_DIGEST = lazy.pattern(r"@sha256:[0-9a-f]{64}$")


@lru_cache(2048)
def _split(text: str) -> dict[str, Any]:
    if not text:
        return {}
    if text.startswith(("./", "../", "$")):
        return {"raw": text, "local": True, "third_party": False, "pinned": True, "name": text, "owner": ""}
    if text.startswith("docker://"):
        pinned = _DIGEST.search(text) is not None
        return {
            "raw": text, "local": False, "docker": True, "third_party": True, "pinned": pinned, "name": text,
            "owner": "docker",
        }  # fmt: skip
    name, _, ref = text.partition("@")
    owner, _, rest = name.partition("/")
    repo, _, folder = rest.partition("/")
    is_sha = bool(_SHA.match(ref))
    return {
        "raw": text, "local": False, "docker": False, "owner": owner, "repo": repo, "folder": folder, "ref": ref,
        "name": name, "is_sha": is_sha, "pinned": is_sha,
        "moving": not re.match(r"^v?\d", ref) and not is_sha,
        "third_party": owner.lower() not in ("actions", "github"),
    }  # fmt: skip


def uses(text: str) -> dict[str, Any]:
    """Return an action reference split: owner, repo, folder and ref; local, docker, and whether it is pinned."""
    return dict(_split(text.strip()))


SCRIPT_INPUTS: Mapping[str, tuple[str, ...]] = {
    "actions/github-script": ("script",), "azure/cli": ("inlinescript",), "azure/powershell": ("inlinescript",),
    "appleboy/ssh-action": ("script",), "amadevus/pwsh-script": ("script",), "nick-fields/retry": ("command",),
    "nick-invision/retry": ("command",), "cardinalby/js-eval-action": ("expression",), "mikefarah/yq": ("cmd",),
    "reactivecircus/android-emulator-runner": ("script",), "jannekem/run-python-script-action": ("script",),
    "addnab/docker-run-action": ("run",), "gacts/run-and-post-run": ("run", "post"),
    "fifsky/ssh-action": ("command",), "cross-platform-actions/action": ("run",), "google-github-actions/ssh-compute": ("command",),
    "vmactions/freebsd-vm": ("run", "prepare"), "uraimo/run-on-arch-action": ("run", "install", "setup"),
    "matheusvanzan/sshpass-action": ("run",), "garygrossgarten/github-action-ssh": ("command",), "wandalen/wretry.action": ("command",),
    "satackey/action-js-inline": ("script",), "devorbitus/yq-action-output": ("cmd",), "sergeysova/jq-action": ("cmd",),
    "8398a7/action-slack": ("custom_payload",), "gautamkrishnar/blog-post-workflow": ("item_exec",),
    "tibdex/backport": ("body_template", "head_template", "labels_template", "title_template"),
    "roots/issue-closer-action": ("issue-close-message", "pr-close-message"), "lucasbento/auto-close-issues": ("issue-close-message",),
    "skitionek/notify-microsoft-teams": ("overwrite",),
    "imjohnbo/issue-bot": ("body", "linked-comments-previous-issue-text", "linked-comments-new-issue-text"),
    "cypress-io/github-action": ("command", "start", "build", "install-command", "command-prefix"), "devcontainers/ci": ("runcmd",),
    "coactions/setup-xvfb": ("run",), "gabrielbb/xvfb-action": ("run",), "borales/actions-yarn": ("cmd",), "workflow/nix-shell-action": ("script",),
    "bahmutov/npm-install": ("install-command",), "cloudflare/wrangler-action": ("command", "precommands", "postcommands"),
    "changesets/action": ("publish", "version"), "actions-hub/kubectl": ("args",), "steebchen/kubectl": ("command",),
    "superfly/flyctl-actions": ("args",), "tj-actions/cmd": ("command",), "mathiasvr/command-output": ("run",),
    "aws-actions/aws-codebuild-run-build": ("buildspec-override",), "paambaati/codeclimate-action": ("coveragecommand",),
}  # fmt: skip
"""Inputs of actions that are run as a script, or put into one."""

UNTRUSTED_OUTPUTS: Mapping[str, tuple[str, ...]] = {
    "tj-actions/changed-files": ("*",), "jitterbit/get-changed-files": ("*",), "trilom/file-changes-action": ("*",),
    "lots0logs/gh-action-get-changed-files": ("*",), "dorny/paths-filter": ("*_files",), "tj-actions/branch-names": ("head_ref_branch", "current_branch"),
    "xt0rted/pull-request-comment-branch": ("head_ref",), "alessbell/pull-request-comment-branch": ("head_ref",),
    "potiuk/get-workflow-origin": ("sourceheadbranch", "pullrequestlabels"), "amannn/action-semantic-pull-request": ("error_message",),
    "peter-evans/find-comment": ("comment-body",), "khan/pull-request-comment-trigger": ("comment_body",),
    "xt0rted/slash-command-action": ("command-arguments",), "mheap/github-action-pr-title": ("title",),
    "actions-ecosystem/action-get-merged-pull-request": ("title", "body"),
    "8bitjonny/gh-get-current-pr": ("pr_title", "pr_body"), "zentered/issue-forms-body-parser": ("data",),
    "stefanbuck/github-issue-parser": ("jsonstring", "issueparser_*"),
    "ahmadnassri/action-changed-files": ("files", "json"), "gotson/pull-request-comment-branch": ("head_ref",),
}  # fmt: skip
"""Outputs of actions whose text a stranger chooses: names of changed files, titles, comments, branches."""

GATE_ACTION = lazy.pattern(
    r"(?i)^(?:.*/)?(?:mlguard|trivy|checkov|gitleaks|semgrep|bandit|snyk|trufflehog|zizmor|hadolint|pip-audit|grype|kics|osv-scanner|modelscan)"
    r"(?:-action|-scan|-actions|-github-action)?$|^aquasecurity/trivy-action$|^bridgecrewio/checkov-action$|^pypa/gh-action-pip-audit$"
    r"|^anchore/scan-action$|^github/codeql-action/analyze$|^actions/dependency-review-action$|^snyk/actions/|^aquasecurity/tfsec-action$"
    r"|^google/osv-scanner-action(?:/|$)|^mdegis/bandit-action$|^pycqa/bandit-action$|^returntocorp/semgrep-action$|^semgrep/semgrep-action$"
    r"|^gitguardian/ggshield-action$|^docker/scout-action$|^sonarsource/sonar\w+-scan-action$|^checkmarx/kics-github-action$"
)
SOFT_INPUTS: Mapping[str, tuple[str, ...]] = {
    "exit-code": ("0",), "soft_fail": ("true",), "soft-fail": ("true",), "fail-build": ("false",),
    "continue_on_error": ("true",), "exit-zero": ("true",), "exit_zero": ("true",), "no-fail": ("true",), "warn-only": ("true",),
    "fail-on-error": ("false",), "fail_on_error": ("false",), "ignore_failure": ("true",),
}  # fmt: skip
"""Inputs of gate actions with which they never fail."""

DEPLOY_ACTION = lazy.pattern(
    r"(?i)^(?:google-github-actions/deploy-\S+|azure/k8s-deploy|azure/aml-deploy|azure/webapps-deploy|azure/functions-action|azure/container-apps-deploy-action"
    r"|aws-actions/amazon-ecs-deploy-task-definition|aws-actions/aws-cloudformation-github-deploy|helmfile/helmfile-action|superfly/flyctl-actions(?:/.*)?|azure/k8s-bake-deploy"
    r"|.*/(?:sagemaker|helm|kubectl|k8s|ecs|cloud-?run)[\w-]*deploy[\w-]*|.*/[\w-]*deploy[\w-]*(?:sagemaker|helm|kubectl|k8s|ecs|endpoint)[\w-]*|nickjj/.*deploy.*|steebchen/kubectl|actions-hub/kubectl"
    r"|aws-actions/aws-lambda-deploy|bitovi/github-actions-deploy-.*|koslib/helm-eks-action|ilijatovarac/sagemaker-.*)$"
)
ATTESTS = lazy.pattern(
    r"(?i)^(?:actions/attest(?:-[\w-]+)?|sigstore/[\w.-]+|slsa-framework/.*|pypa/gh-action-pypi-publish|cycloneDX/.*sign.*)$"
)
TEST_CLUSTER_ACTION = lazy.pattern(
    r"(?i)^(?:helm/kind-action|medyagh/setup-minikube|engineerd/setup-kind|abcxyz/k3d.*|.*/setup-(?:minikube|kind|k3s|k3d)|.*k3d.*)$"
)

CACHE_INPUTS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "actions/setup-python": ("cache", ("", "false")), "actions/setup-node": ("cache", ("", "false")),
    "actions/setup-java": ("cache", ("", "false")), "actions/setup-dotnet": ("cache", ("", "false")),
    "ruby/setup-ruby": ("bundler-cache", ("", "false")), "pnpm/action-setup": ("cache", ("", "false")),
    "mamba-org/setup-micromamba": ("cache-environment", ("", "false")), "conda-incubator/setup-miniconda": ("use-cache", ("", "false")),
    "subosito/flutter-action": ("cache", ("", "false")), "docker/build-push-action": ("cache-from", ("",)),
    "docker/bake-action": ("cache-from", ("",)), "actions-rust-lang/setup-rust-toolchain": ("cache", ("false",)),
    "actions/setup-go": ("cache", ("false",)), "astral-sh/setup-uv": ("enable-cache", ("false",)),
    "gradle/actions/setup-gradle": ("cache-disabled", ("true",)), "gradle/gradle-build-action": ("cache-disabled", ("true",)),
    "swatinem/rust-cache": ("lookup-only", ("true",)), "actions/cache": ("lookup-only", ("true",)),
    "actions/cache/restore": ("lookup-only", ("true",)), "prefix-dev/setup-pixi": ("cache", ("false",)),
    "hynek/setup-cached-uv": ("", ()), "pre-commit/action": ("", ()), "nix-community/cache-nix-action": ("", ()),
    "mozilla-actions/sccache-action": ("", ()), "hendrikmuhs/ccache-action": ("", ()), "buildjet/cache": ("", ()),
    "satackey/action-docker-layer-caching": ("", ()), "whywaita/actions-cache-s3": ("", ()),
}  # fmt: skip
"""Actions that restore a cache: the input that says so, and the values with which they do not ("" when it is not set)."""


def restores_cache(name: str, inputs: Mapping[str, str]) -> tuple[bool, str]:
    """Say whether an action restores a cache, and by which input that is told ("" for by itself)."""
    known = CACHE_INPUTS.get(name.lower())
    if known is None:
        return False, ""
    key, off = known
    given = inputs.get(key, "").strip().lower() if key else ""
    if key and given in off:
        return False, ""
    told = key if given and key not in ("lookup-only", "cache-disabled") else ""
    return ("gha" in given or "type=" not in given), told
