"""What a file may say about others, by its name and kind. Light, because every run over models asks it of every file."""

from __future__ import annotations

import re

CARD, CHECKSUMS, SIGNATURE, BILL = "card", "checksums", "signature", "bill"

SIGNATURES = (
    ".sig", ".sig.json", ".sigstore", ".sigstore.json", ".bundle", ".bundle.json", ".cosign.bundle", ".dsse", ".dsse.json",
    ".intoto.jsonl", ".intoto.json", ".att", ".asc", ".minisig",
)  # fmt: skip
"""Ends of the names of signatures: OpenSSF Model Signing, Sigstore, DSSE, in-toto, OpenPGP, minisign."""

_CARD = (
    r"^(?:readme|model[_\- .]?card|card|modelcard[_\- .].*|model[_\- .]?card[_\- .].*|.*[_\- .]model[_\- .]?card)"
    r"(?:\.(?:md|markdown|rst|txt|html|ya?ml|json|pdf|qmd))?$"
)
_CHECKSUMS = (
    r"(?:^|[._-])(?:sha(?:224|256|384|512)?|b2|blake2b?|md5|sha1|sha2|sha3)(?:sums?)?(?:256|384|512)?(?:[._-](?:txt|sums?|asc))?$"
    r"|(?:^|[._-])(?:checksums?|shasums?|digests?|hashes)(?:[._-]?(?:sha)?(?:256|384|512))?(?:[._-](?:txt|sha256|sha512))?$"
)
_BILL = r"(?:^|[._-])(?:s?bom|ml-?bom|ai-?bom|cyclonedx|cdx|spdx)(?:[._-][^/]*)?\.json(?:ld)?$"

_READ_AS_TEXT = frozenset({"text", "markdown", "json", "yaml", "model-text", "jsonl", "kubernetes", "html"})


def is_card(name: str) -> bool:
    """Say whether a file name is one under which model cards are kept."""
    lower = name.lower()
    return (lower.startswith("readme") or "card" in lower) and bool(re.match(_CARD, lower))


def is_checksums(name: str) -> bool:
    """Say whether a file name is one under which lists of digests are kept."""
    lower = name.lower()
    likely = any(part in lower for part in ("sum", "sha", "md5", "b2", "blake2", "digest", "hashes"))
    return likely and bool(re.search(_CHECKSUMS, lower))


def is_signature(name: str) -> bool:
    """Say whether a file name ends as those of signatures do."""
    return name.lower().endswith(SIGNATURES)


def is_bill(name: str) -> bool:
    """Say whether a file name is one under which bills of materials are kept in JSON."""
    lower = name.lower()
    likely = ".json" in lower and any(part in lower for part in ("bom", "cdx", "cyclonedx", "spdx"))
    return likely and bool(re.search(_BILL, lower))


def is_other_bill(name: str) -> bool:
    """Say whether a file name is that of a bill of materials in a form other than JSON."""
    return bool(re.search(r"(?:^|[._-])(?:s?bom|cdx|spdx|cyclonedx)\.(?:xml|rdf|spdx|ya?ml)$|\.spdx$", name.lower()))


def role(path: str, kind: str) -> str:
    """Return what a file of this kind may say about others, "" for nothing."""
    name = path.rsplit("/", 1)[-1]
    if is_signature(name):
        return (
            SIGNATURE if kind in _READ_AS_TEXT or kind in ("binary", "model") else ""
        )  # any bytes may begin a raw one
    if kind not in _READ_AS_TEXT:
        return ""
    if is_checksums(name):
        return CHECKSUMS
    if is_bill(name):
        return BILL
    return CARD if is_card(name) and not name.lower().endswith((".pdf", ".html")) else ""


def signed_name(name: str) -> str:
    """Return the name of the file that lies beside a detached signature, "" when the name says nothing."""
    lower = name.lower()
    end = max((end for end in SIGNATURES if lower.endswith(end)), key=len, default="")
    return name[: -len(end)] if end else ""
