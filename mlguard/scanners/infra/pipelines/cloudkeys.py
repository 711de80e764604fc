"""Long-lived keys of cloud accounts that a pipeline hands over: by variables, inputs of actions, and commands that sign in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mlguard.scanners import lazy
from mlguard.scanners.infra import shell

NAMES = frozenset(
    {
        "aws-access-key-id", "aws-secret-access-key", "credentials-json", "service-account-key", "gcp-credentials", "gcp-sa-key", "google-credentials",
        "google-service-account-key", "google-cloud-credentials", "gcloud-service-key", "google-application-credentials-json", "creds",
        "azure-credentials", "azure-client-secret", "client-secret", "arm-client-secret", "scw-secret-key", "alicloud-secret-key",
    }
)  # fmt: skip
"""Inputs and variables that take a key of a cloud account, in lower case with dashes."""


def names_account(secret: str) -> bool:
    """Say whether a secret of this name is a key of a cloud account, whatever takes it."""
    return is_key(secret) and secret.lower().startswith(("aws", "gcp", "google", "gcloud", "azure", "arm_"))


_OWN = lazy.pattern(r"\$\(|`")


def is_key(name: str) -> bool:
    """Say whether an input or variable of this name takes a key of a cloud account."""
    return name.lower().replace("_", "-") in NAMES


def sign_ins(found: Sequence[shell.Command]) -> Iterator[tuple[shell.Command, str, str]]:
    """Yield the commands that sign in to a cloud with a key, what says so, and the text of the key ("" for a file of it).

    A value that another command gives (``$(aws sts …)``) is short-lived for all that is known.
    """
    for command in found:
        words = shell.effective(command.words)
        name = words[0].rsplit("/", 1)[-1] if words else ""
        if name == "aws" and words[1:3] == ("configure", "set") and len(words) > 4:
            if is_key(words[3]) and not _OWN.search(words[4]):
                yield command, f"aws configure set {words[3]}", words[4]
        elif name == "gcloud" and words[1:3] == ("auth", "activate-service-account"):
            if any(word.partition("=")[0] in ("--key-file", "--password-file") for word in words):
                yield command, "gcloud auth --key-file", ""
        elif name == "az" and words[1:2] == ("login",) and "--service-principal" in words:
            for at, word in enumerate(words):
                option, equals, value = word.partition("=")
                if option in ("-p", "--password"):
                    yield command, "az login --password", value if equals else next(iter(words[at + 1 :]), "")
        else:
            yield from _assigned(command, words)


def _assigned(command: shell.Command, words: tuple[str, ...]) -> Iterator[tuple[shell.Command, str, str]]:
    exported = words[1:] if words[:1] == ("export",) else ()
    for assignment in (*command.assignments, *exported):
        name, _, value = assignment.partition("=")
        if is_key(name) and value and not _OWN.search(value):
            yield command, name, value
            return
