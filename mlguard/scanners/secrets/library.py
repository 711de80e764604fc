"""Asks the plugins of detect-secrets about the few stretches of a text that they could match."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from mlguard.scanners import lazy
from mlguard.scanners.secrets.values import is_password, is_placeholder, is_random, is_token

Found = tuple[int, int, str]
"""Start, end and kind of a credential."""

WINDOW = 300
"""Characters on either side of a candidate that a plugin sees, within the line."""


@dataclass(frozen=True, slots=True)
class _Plugin:
    """One plugin, and a cheap look at the text that begins with a fixed ``mark``; ``folded`` texts are in lower case.

    A value whose ``least`` characters do not look random is not taken over.
    """

    module: str
    name: str
    mark: str
    candidate: re.Pattern[str]
    kind: str
    least: int
    folded: bool = False


_PLUGINS = (
    _Plugin("artifactory", "ArtifactoryDetector", "AKC", lazy.pattern(r"AKC[a-zA-Z0-9]{10}"), "Artifactory credential", 20),
    _Plugin("artifactory", "ArtifactoryDetector", "artif", lazy.pattern(r"artif[^\n]{0,110}?ap[\da-f][a-z0-9]{8}"), "Artifactory credential", 16, True),
    _Plugin("aws", "AWSKeyDetector", "A3T", lazy.pattern(r"A3T[A-Z0-9]{17}(?![0-9A-Z])"), "AWS access key", 16),
    _Plugin("aws", "AWSKeyDetector", "ABIA", lazy.pattern(r"ABIA[0-9A-Z]{16}(?![0-9A-Z])"), "AWS access key", 16),
    _Plugin("aws", "AWSKeyDetector", "ACCA", lazy.pattern(r"ACCA[0-9A-Z]{16}(?![0-9A-Z])"), "AWS access key", 16),
    _Plugin("azure_storage_key", "AzureStorageKeyDetector", "accountkey", lazy.pattern(r"accountkey[\s=\"':]{1,20}[a-z0-9+/]{86}=="), "Azure storage account key", 40, True),
    _Plugin("cloudant", "CloudantDetector", "cloudant", lazy.pattern(r"cloudant[^\n]{0,120}?(?:[0-9a-f]{64}|[a-z]{24})"), "Cloudant credential", 20, True),
    _Plugin("discord", "DiscordBotTokenDetector", ".", lazy.pattern(r"\.[a-zA-Z\d_-]{6}\.[a-zA-Z\d_-]{27}"), "Discord bot token", 50),
    _Plugin("ibm_cloud_iam", "IbmCloudIamDetector", "ibm", lazy.pattern(r"ibm[^\n]{0,60}?[a-z0-9_\-]{44}"), "IBM Cloud key", 40, True),
    _Plugin("ibm_cos_hmac", "IbmCosHmacDetector", "secret", lazy.pattern(r"secret[^\n]{0,40}?[a-f0-9]{48}(?![a-f0-9])"), "IBM object storage key", 40, True),
    _Plugin("mailchimp", "MailchimpDetector", "-us", lazy.pattern(r"-us[0-9]{1,2}(?![0-9a-z])"), "Mailchimp key", 32),
    _Plugin("npm", "NpmDetector", "npm", lazy.pattern(r"npm[ _-]?token[\s\S]{0,5}?(?:npmtoken\.)?[a-z0-9-]{36}"), "npm access token", 30, True),
    _Plugin("sendgrid", "SendGridDetector", "SG.", lazy.pattern(r"SG\.[a-zA-Z0-9_-]{22}\.[a-zA-Z0-9_-]{43}"), "SendGrid API key", 40),
    _Plugin("slack", "SlackDetector", "xox", lazy.pattern(r"xox[abposr]-\d"), "Slack token", 20, True),
    _Plugin("softlayer", "SoftlayerDetector", "softlayer", lazy.pattern(r"softlayer[^\n]{0,60}?[a-z0-9]{64}"), "SoftLayer key", 60, True),
    _Plugin("square_oauth", "SquareOAuthDetector", "sq0csp", lazy.pattern(r"sq0csp-[0-9A-Za-z_-]{43}"), "Square OAuth secret", 40),
    _Plugin("stripe", "StripeDetector", "k_live_", lazy.pattern(r"k_live_[0-9a-zA-Z]{24}"), "Stripe secret key", 24),
    _Plugin("twilio", "TwilioKeyDetector", "SK", lazy.pattern(r"SK[0-9a-f]{32}(?![A-Za-z0-9])"), "Twilio API key", 30),
)  # fmt: skip

# A comparison, a call that stores, or a directive: forms that the search for names and values does not read.
_SECRET = r"(?:passw|secret|token|api_?key|private_?key|pwd)"
_FORMS = (
    lazy.pattern(r"==\s{0,4}[\w.]{0,40}?" + _SECRET),
    lazy.pattern(r"!=\s{0,4}[\w.]{0,40}?" + _SECRET),
    lazy.pattern(r"data\.put\(\s{0,4}[\"']\w{0,40}?" + _SECRET),
    lazy.pattern(r"\";"),
    lazy.pattern(r"';"),
)
_DIRECTIVE = lazy.pattern(_SECRET + r"\w{0,40}\s{1,8}[\"'][^\s\"']{8,200}$")


def find(text: str, lowered: str, pairs: bool) -> Iterator[Found]:
    """Yield what the plugins find. The library is imported at the first candidate, and never in a text without one."""
    for plugin in _PLUGINS:
        searched = lowered if plugin.folded else text
        if plugin.mark not in searched:
            continue
        for match in plugin.candidate.finditer(searched):
            low, high = _window(text, match.start(), match.end())
            for start, end in _asked(plugin.module, plugin.name, text[low:high]):
                value = text[low + start : low + end]
                whole = not text[max(low + start - 1, 0) : low + start].isalnum() or low + start == 0
                if whole and not is_placeholder(value) and "EXAMPLE" not in value and is_random(value, plugin.least):
                    yield low + start, low + end, plugin.kind
    if pairs:
        yield from _keywords(text, lowered)


def _keywords(text: str, lowered: str) -> Iterator[Found]:
    if not any(word in lowered for word in ("passw", "secret", "token", "key", "pwd")):
        return
    for form in _FORMS:
        for match in form.finditer(lowered):
            low, high = _window(text, match.start(), match.end())
            if len(match.group()) == 2 and not _DIRECTIVE.search(lowered, low, match.start()):
                continue
            if match.group()[1] == "=" and not lowered[max(low, match.start() - 6) : match.start()].rstrip().endswith(
                ("'", '"')
            ):
                continue
            for start, end in _asked("keyword", "KeywordDetector", text[low:high]):
                value, password = text[low + start : low + end], "pass" in lowered[low:high]
                if is_token(value, True) or password and is_password(value):
                    yield low + start, low + end, "password" if password else "secret"


def _window(text: str, start: int, end: int) -> tuple[int, int]:
    low = max(text.rfind("\n", 0, start) + 1, start - WINDOW)
    newline = text.find("\n", end)
    return low, min(newline if newline != -1 else len(text), end + WINDOW)


def _asked(module: str, name: str, line: str) -> Iterator[tuple[int, int]]:
    """Yield where in ``line`` the values stand that a plugin returns."""
    for value in sorted(
        {value.strip(" \t\"'=:") for value in _plugin(module, name).analyze_string(line) if isinstance(value, str)}
    ):
        at = line.find(value) if value else -1
        if at != -1:
            yield at, at + len(value)


@cache
def _plugin(module: str, name: str) -> Any:
    # Only analyze_string is used: it matches and does nothing else. The library's scan would read settings and verify online.
    from detect_secrets.plugins import (
        artifactory,
        aws,
        azure_storage_key,
        cloudant,
        discord,
        ibm_cloud_iam,
        ibm_cos_hmac,
        keyword,
        mailchimp,
        npm,
        sendgrid,
        slack,
        softlayer,
        square_oauth,
        stripe,
        twilio,
    )  # fmt: skip

    modules = {
        "artifactory": artifactory, "aws": aws, "azure_storage_key": azure_storage_key, "cloudant": cloudant, "discord": discord,
        "ibm_cloud_iam": ibm_cloud_iam, "ibm_cos_hmac": ibm_cos_hmac, "keyword": keyword, "mailchimp": mailchimp, "npm": npm,
        "sendgrid": sendgrid, "slack": slack, "softlayer": softlayer, "square_oauth": square_oauth, "stripe": stripe, "twilio": twilio,
    }  # fmt: skip
    return getattr(modules[module], name)()
