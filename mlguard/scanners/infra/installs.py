"""What a command installs without a fixed version, and where it switches off the check of a server's certificate."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from mlguard.scanners import lazy
from mlguard.scanners.infra.shell import Command, effective

_PIP = lazy.pattern(r"^pip(?:3(?:\.\d+)?|2(?:\.\d+)?)?$")
_PYTHON = lazy.pattern(r"^(?:python[\d.]*|py)$")
_VALUED = frozenset(
    {
        "-r", "--requirement", "-c", "--constraint", "-i", "--index-url", "--extra-index-url", "-f", "--find-links", "--trusted-host",
        "-t", "--target", "--prefix", "--root", "--python", "-p", "--platform", "--python-version", "--implementation", "--abi",
        "--cache-dir", "--log", "--proxy", "--retries", "--timeout", "--exists-action", "--cert", "--client-cert", "--src",
        "--upgrade-strategy", "--no-binary", "--only-binary", "--progress-bar", "--global-option", "--config-settings", "-C",
        "--index", "--default-index", "--index-strategy", "--torch-backend", "--overrides", "--override", "--build-constraint",
        "--extra", "--group", "--report", "--use-feature", "--use-deprecated", "--keyring-provider", "--link-mode", "--resolution",
        "--exclude-newer", "--prerelease", "--directory", "--project", "-d", "--dest", "--allow-insecure-host", "--pip-args", "--suffix",
    }
)  # fmt: skip
_EDITABLE = frozenset({"-e", "--editable"})
_TOOLS = frozenset({"pip", "setuptools", "wheel", "build", "uv"})
"""What brings the installer itself up to date; it is replaced by what a lock names next, and no build imports it."""

_NAME = lazy.pattern(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?\s*(.*)$", re.S)
_EXACT = lazy.pattern(r"^={2,3}\s*(?!.*\*)[^\s,]+$")
_COMMIT = lazy.pattern(r"@[0-9a-f]{40}(?:$|[#&])")
_FILE = lazy.pattern(r"^(?:\.{1,2}(?:/|$|\[)|/|~|file:)|\.(?:whl|zip|tar\.gz|tgz)(?:\[[^\]]*\])?$")


def _pip_words(words: tuple[str, ...]) -> tuple[str, ...] | None:
    """Return what follows ``pip install`` and its like, None for another command."""
    words = effective(words)
    if not words:
        return None
    program = words[0].rsplit("/", 1)[-1]
    rest = words[1:]
    if _PYTHON.match(program):
        while rest and rest[0].startswith("-") and rest[0] != "-m":
            rest = rest[1:]
        if len(rest) < 2 or rest[0] != "-m" or not _PIP.match(rest[1]):
            return None
        program, rest = "pip", rest[2:]
    if program in ("uv", "uvx", "poetry", "pdm", "hatch", "pipenv", "conda", "micromamba", "mamba", "rye"):
        return _wrapped(program, rest)
    if program == "pipx" and rest[:1] == ("install",):
        return rest[1:]
    if not _PIP.match(program):
        return None
    while rest and rest[0].startswith("-"):
        rest = rest[2:] if rest[0] in _VALUED and "=" not in rest[0] else rest[1:]
    return rest[1:] if rest[:1] == ("install",) else None


def _wrapped(program: str, rest: tuple[str, ...]) -> tuple[str, ...] | None:
    if program == "uv" and rest[:2] in (("pip", "install"), ("tool", "install")):
        return rest[2:]
    if rest[:1] == ("run",):
        inner = rest[1:]
        while inner and inner[0].startswith("-"):
            inner = inner[2:] if inner[0] in ("-n", "--name", "-p", "--prefix") else inner[1:]
        return _pip_words(inner) if inner else None
    return None


def unpinned(command: Command) -> str:
    """Return the first package that a pip command installs in no fixed version, or the option that adds an index; else "".

    A requirements or constraints file decides by itself, so with one of them nothing is said; nor of a local folder, a
    wheel, or a name that a variable gives.
    """
    words = _pip_words(command.words)
    if words is None:
        return ""
    hashed = "--require-hashes" in words
    found, extra, constrained = "", "", False
    at = 0
    while at < len(words):
        word = words[at]
        option, _, given = word.partition("=")
        if option == "--extra-index-url" and not hashed:
            extra = "--extra-index-url"
        if option in ("-c", "--constraint", "--build-constraint"):
            constrained = True
        if option in _EDITABLE and at + 1 < len(words):
            found = found or _loose(words[at + 1])
            at += 2
        elif option in _VALUED:
            at += 1 if given else 2
        elif word.startswith(("-", "<", ">", "2>", "1>", "&>")):
            at += 2 if word in ("<", ">", ">>", "2>") else 1
        else:
            found = found or _loose(word)
            at += 1
    return extra or ("" if constrained or hashed else found)


def _loose(word: str) -> str:
    """Return the name of a requirement that is not fixed to one version, else ""."""
    if not word or "$" in word or "`" in word or "{{" in word or word.startswith("xxxx"):
        return ""
    _, at, url = word.partition("@")
    if "://" in word or (at and "+" in url):
        if "git+" in word:
            return "" if _COMMIT.search(word) else "a repository without a commit"
        return "" if "#sha256=" in word or _FILE.search(word.partition("#")[0]) else "a file without a hash"
    if _FILE.search(word):
        return ""
    match = _NAME.match(word.partition(";")[0].strip())
    if not match or match[1].lower() in _TOOLS:
        return ""
    return "" if _EXACT.match(match[2].strip()) else match[1]


def marks(command: Command) -> dict[str, str]:
    """Return ``unpinned`` and ``tls_off`` of a command, without those that are empty."""
    found = {"unpinned": unpinned(command), "tls_off": tls_off(command)}
    return {name: value for name, value in found.items() if value}


def classes(attributes: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the classes of something whose commands or variables are marked, by which checks find it."""
    marked = any("unpinned" in one or "tls_off" in one for one in attributes.get("commands", ()))
    return (*(("ci.commands",) if marked else ()), *(("ci.insecure_env",) if attributes.get("insecure_env") else ()))


_CURL = lazy.pattern(r"^(?:-[A-Za-z]*k[A-Za-z]*|--insecure|--proxy-insecure|--doh-insecure)$")
_CURL_VALUED = lazy.pattern(r"^-[A-Za-z]*[oHdXuATFebcmwxrzYyCDEKPQtU]$")
_OFF = lazy.pattern(r"(?i)^(?:0|false|no|off)$")
_ENV_OFF = {
    "PYTHONHTTPSVERIFY": _OFF, "NODE_TLS_REJECT_UNAUTHORIZED": _OFF, "NPM_CONFIG_STRICT_SSL": _OFF, "YARN_STRICT_SSL": _OFF,
    "CONDA_SSL_VERIFY": _OFF, "GIT_SSL_NO_VERIFY": lazy.pattern(r"(?i)^(?:1|true|yes|on)$"),
    "PIP_TRUSTED_HOST": lazy.pattern(r"\S"), "UV_INSECURE_HOST": lazy.pattern(r"\S"), "CURL_INSECURE": lazy.pattern(r"(?i)^(?:1|true|yes|on)$"),
    "AWS_CLI_NO_VERIFY_SSL": lazy.pattern(r"(?i)^(?:1|true)$"), "REQUESTS_CA_BUNDLE": lazy.pattern(r"^$"), "CURL_CA_BUNDLE": lazy.pattern(r"^$"),
    "SSL_NO_VERIFY": lazy.pattern(r"(?i)^(?:1|true)$"), "HF_HUB_DISABLE_SSL_VERIFICATION": lazy.pattern(r"(?i)^(?:1|true|yes|on)$"),
    "AZURE_CLI_DISABLE_CONNECTION_VERIFICATION": lazy.pattern(r"(?i)^(?:1|true)$"), "ADAL_PYTHON_SSL_NO_VERIFY": lazy.pattern(r"(?i)^(?:1|true)$"),
    "BUNDLE_SSL_VERIFY_MODE": lazy.pattern(r"^(?:0|none)$"), "GOINSECURE": lazy.pattern(r"\S"), "HELM_INSECURE_SKIP_TLS_VERIFY": lazy.pattern(r"(?i)^(?:1|true)$"),
}  # fmt: skip
"""Variables with which a program accepts any certificate, and the values that do it."""

_INPUT_ON = lazy.pattern(
    r"(?i)^(?:tls_?skip_?verify|insecure_?(?:skip_?)?(?:tls_?|ssl_?)?(?:verify)?|skip_?(?:tls|ssl|cert\w*)_?(?:verif\w*|check)?|no_?(?:verify_?ssl|check_?certificate)|ignore_?(?:ssl|tls|cert\w*)(?:_?errors?)?)$"
)
_INPUT_OFF = lazy.pattern(
    r"(?i)^(?:verify_?(?:ssl|tls|certs?|certificates?)|(?:ssl|tls)_?verify|strict_?ssl|check_?certificate|validate_?certs?)$"
)


def tls_input(name: str, value: str) -> bool:
    """Say whether an input of an action switches off the check of certificates."""
    plain, given = name.replace("-", "_"), value.strip().lower()
    return (given == "true" and _INPUT_ON.match(plain) is not None) or (
        given == "false" and _INPUT_OFF.match(plain) is not None
    )


_LOCAL = lazy.pattern(
    r"(?:^|[/@\s=])(?:localhost|127\.0\.0\.1|\[::1\]|host\.docker\.internal|[\w.-]+\.(?:local|localhost|test))(?=[:/\s]|$)"
)


def tls_variable(name: str, value: str) -> bool:
    """Say whether an environment variable switches off the check of certificates."""
    pattern = _ENV_OFF.get(name.upper())
    return pattern is not None and pattern.search(value.strip().strip("'\"")) is not None


def tls_off(command: Command) -> str:
    """Return how a command switches off the check of certificates, else ""."""
    words = effective(command.words)
    for assignment in (*command.assignments, *command.words[: len(command.words) - len(words)]):
        name, _, value = assignment.partition("=")
        if tls_variable(name, value):
            return name
    if not words:
        return ""
    program = words[0].rsplit("/", 1)[-1]
    rest = words[1:]
    if program in ("export", "declare", "setenv", "ENV", "env") or "=" in words[0]:
        for word in words:
            name, _, value = word.partition("=")
            if tls_variable(name, value):
                return name
    how = _option(program, rest)
    local = program in ("curl", "wget") and any(_LOCAL.search(word) for word in rest)
    return "" if local and not any("://" in word and not _LOCAL.search(word) for word in rest) else how


_INSECURE = lazy.pattern(
    r"(?:^|\s)(--insecure-skip-tls-verify(?:=true)?|--(?:src-|dest-)?tls-verify=false|--?tls-skip-verify|--insecure(?=\s|$)"
    r"|--verify[= ]no\b|--check-certificate=false)"
)
_SWITCHES: Mapping[str, re.Pattern[str]] = {
    **dict.fromkeys(("wget", "wget2"), lazy.pattern(r"(?:^|\s)(--no-check-certificate)(?=\s|$)")),
    **dict.fromkeys(
        ("pip", "uv", "uvx", "pipx"),
        lazy.pattern(r"(?:^|\s)(--trusted-host|--allow-insecure-host)(?=[\s=]|$)|\bconfig set (?:global|install)\.(trusted-host)\b"),
    ),
    "git": lazy.pattern(r"(?i)\b(http(?:\.\S+)?\.sslverify)(?:=|\s+)[\"']?(?:false|0|off|no)\b"),
    **dict.fromkeys(("npm", "yarn", "pnpm"), lazy.pattern(r"(?i)(?:^|\s)(?:--)?(no-strict-ssl\b|strict-ssl(?=[= ]+[\"']?false))")),
    **dict.fromkeys(
        ("conda", "mamba", "micromamba"), lazy.pattern(r"(?i)\b(ssl_verify)[= ]+(?:false|no|0)\b|(?:^|\s)(-k|--insecure)(?=\s|$)")
    ),
    **dict.fromkeys(
        ("apt-get", "apt"), lazy.pattern(r"(?i)Acquire::https::(Verify-(?:Peer|Host))=\"?false|(--allow-unauthenticated)\b")
    ),
    **dict.fromkeys(("yum", "dnf", "microdnf"), lazy.pattern(r"(?i)(sslverify)=(?:false|0)|(--nogpgcheck)\b")),
    **dict.fromkeys(("aws", "hf", "huggingface-cli", "gsutil"), lazy.pattern(r"(?:^|\s)(--no-verify-ssl)(?=\s|$)")),
    "gcloud": lazy.pattern(r"\b(disable_ssl_validation)[= ]+(?:true|1|yes)\b"),
    **dict.fromkeys(("mvn", "mvnw"), lazy.pattern(r"-D(maven\.wagon\.http\.ssl\.(?:insecure|allowall))(?:=true)?(?=\s|$)")),
    **dict.fromkeys(("ansible-galaxy", "ansible"), lazy.pattern(r"(?:^|\s)(--ignore-certs)(?=\s|$)")),
    "composer": lazy.pattern(r"\b(disable-tls)\s+(?:true|1)\b"),
    **dict.fromkeys(("echo", "printf"), lazy.pattern(r"\b(insecure|check_certificate\s*=\s*off)\b.*>>?\s*\S*\.(?:curlrc|wgetrc)\b")),
    "svn": lazy.pattern(r"(?:^|\s)(--trust-server-cert)(?:-failures\S*)?(?=[=\s]|$)"),
    **dict.fromkeys(
        ("Invoke-WebRequest", "Invoke-RestMethod", "iwr", "irm", "invoke-webrequest", "invoke-restmethod"),
        lazy.pattern(r"(?i)(?:^|\s)(-SkipCertificateCheck)(?=[:\s]|$)(?!:\$false)"),
    ),
    **dict.fromkeys(
        ("helm", "kubectl", "argocd", "oc", "skopeo", "podman", "buildah", "docker", "mc", "vault", "http", "https", "lftp", "aria2c"),
        _INSECURE,
    ),
}  # fmt: skip
"""By program: the option, in a group, with which it accepts any certificate."""


_UNVERIFIED = lazy.pattern(r"\b(verify\s*=\s*False|_create_unverified_context|CERT_NONE)\b")


def _option(program: str, rest: tuple[str, ...]) -> str:
    """Return the option with which a program accepts any certificate, else ""."""
    if program == "curl":
        for at, word in enumerate(rest):
            taken = at and _CURL_VALUED.match(rest[at - 1]) and not _CURL.match(rest[at - 1])
            if _CURL.match(word) and not taken:
                return word if word.startswith("--") else "-k"
        return ""
    if _PYTHON.match(program) and rest[:1] == ("-m",) and rest[1:2] == ("pip",):
        program = "pip"
    if _PYTHON.match(program) and "-c" in rest and (code := _UNVERIFIED.search(" ".join(rest))):
        return code.group(1)
    pattern = _SWITCHES.get("pip" if _PIP.match(program) else program)
    match = pattern.search(" ".join(rest)) if pattern is not None else None
    return next(group for group in match.groups() if group).partition("=")[0] if match else ""
