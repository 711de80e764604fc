"""Tells what has a model's name and is something else: programs, scripts, web pages, and pointers to a file elsewhere."""

from __future__ import annotations

import re

from mlguard.errors import Unreadable
from mlguard.scanners import lazy
from mlguard.scanners.model.source import View
from mlguard.scanners.model.state import MODEL_SUFFIXES, Examination, State
from mlguard.scanners.model.values import DANGEROUS

MAX_SCRIPT_BYTES = 2**20
"""A text up to this size is parsed to see whether it is Python."""

SUFFIXES = (
    *MODEL_SUFFIXES,
    ".rds",
    ".rda",
    ".rdata",
    ".msgpack",
    ".mpk",
    ".ubj",
    ".cbm",
    ".mlmodel",
    ".pdmodel",
    ".pte",
)
"""Names of models, those too whose loaders take no pickle."""

_PROGRAMS = (
    (b"\x7fELF", "ELF"),
    (b"MZqFpD='", "llamafile or APE"),
    (b"jartsr='", "llamafile or APE"),
    (b"MZ", "PE"),
    (b"\xfe\xed\xfa\xce", "Mach-O"),
    (b"\xfe\xed\xfa\xcf", "Mach-O"),
    (b"\xce\xfa\xed\xfe", "Mach-O"),
    (b"\xcf\xfa\xed\xfe", "Mach-O"),
    (b"\xca\xfe\xba\xbf", "Mach-O"),
    (b"\xca\xfe\xba\xbe", "Mach-O or Java"),
    (b"\0asm", "WebAssembly"),
    (b"dex\n", "Android"),
    (b"L\0\0\0\x01\x14\x02\0", "Windows shortcut"),
)
_SCRIPTS = (
    (lazy.pattern(rb"\s*(?:@echo\s+off|@?setlocal\b|@rem\s)", re.I), "batch script"),
    (lazy.pattern(rb"(?:[^\0]{0,400}?)(?:\bInvoke-(?:Expression|WebRequest)\b|\bIEX\b\s*[(\"'$]|\$ErrorActionPreference\b|\bNew-Object\s+Net\.)", re.I), "PowerShell script"),
    (lazy.pattern(rb"(?:[^\0]{0,400}?)\b(?:WScript\.(?:Shell|CreateObject)|new\s+ActiveXObject\b|CreateObject\(\"(?:WScript|Shell)\.)", re.I), "Windows script"),
    (lazy.pattern(rb"(?:[^\0]{0,400}?)\brequire\s*\(\s*['\"](?:node:)?(?:child_process|fs|net|http|https|vm)['\"]\s*\)"), "JavaScript"),
    (lazy.pattern(rb"\s*<\?php\b", re.I), "PHP script"),
    (lazy.pattern(rb"\s*<script\b", re.I), "script in a web page"),
)  # fmt: skip
_PAGE = lazy.pattern(rb"<(?:!doctype\s+html|html)\b", re.I)
_REFUSAL = lazy.pattern(rb"(?:<\?xml[^>]*>\s*)?<Error>\s*<Code>")
_IMPORT = lazy.pattern(rb"^(?:import[ \t]+[A-Za-z_]|from[ \t]+[.\w]+[ \t]+import[ \t]+[\w(*])", re.M)
_POINTERS = (
    (lazy.pattern(rb"version https://git-lfs\.github\.com/spec/"), "an LFS pointer: the model itself is not here", "fetch it with git lfs pull, and scan again"),
    (lazy.pattern(rb"# xet version "), "a Xet pointer: the model itself is not here", "fetch it with git xet, and scan again"),
    (lazy.pattern(rb"(?:\.\./|/)?[^\n\0]{0,200}annex/objects/[^\n\0]+\n?\Z"), "a git-annex pointer: the model itself is not here", "fetch it with git annex get, and scan again"),
    (lazy.pattern(rb"(?:outs|md5|deps):\s*\n(?:[ \t-][^\n]*\n)*?[ \t-]*(?:md5|etag|hash|path):"), "a DVC pointer: the model itself is not here", "fetch it with dvc pull, and scan again"),
)  # fmt: skip


def pointer(head: bytes) -> tuple[str, str]:
    """Return reason and hint for a text that stands for a file elsewhere, or two empty texts."""
    return next(((reason, hint) for pattern, reason, hint in _POINTERS if pattern.match(head)), ("", ""))


def program(head: bytes) -> tuple[str, int]:
    """Return what kind of program begins with ``head`` and the length of its mark, or ("", 0). Text is none."""
    if any(byte < 9 for byte in head[:64]):
        for magic, kind in _PROGRAMS:
            if head.startswith(magic):
                return kind, len(magic)
    return "", 0


def examine(view: View, state: State) -> Examination:
    """Say what poses as a model; "unread" when the name is no model's or nothing is known of the content."""
    if not view.name.lower().endswith(SUFFIXES):
        return "unread"
    head = view.head(4096)
    reason, hint = pointer(head[:1024])
    if reason:
        yield from state.gap("skipped", reason, view.within, hint)
        return "read"
    kind, length = program(head)
    if kind:
        return (yield from _told(f"{kind} program", length, view, state))
    if head.startswith(b"#!") and b"/" in head.split(b"\n", 1)[0]:
        return (yield from _told("script", 2, view, state))
    if b"\0" in head and not head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "unread"
    text = _plain(head)
    for pattern, kind in _SCRIPTS:
        if pattern.match(text):
            return (yield from _told(kind, 0, view, state))
    if _PAGE.match(text):
        yield from state.gap(
            "skipped", "a web page under the name of a model; was a login page saved in its place?", view.within
        )
        return "read"
    if _REFUSAL.match(text):
        yield from state.gap("skipped", "the refusal of a server under the name of a model", view.within)
        return "read"
    if _IMPORT.search(text):
        return (yield from _python(view, state))
    return "unread"


def _plain(head: bytes) -> bytes:
    """Return text as UTF-8, without the comments of markup that stand first."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        head = head.decode("utf-16", "replace").encode("utf-8", "replace")
    head = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    while head.startswith(b"<!--") and (end := head.find(b"-->")) >= 0:
        head = head[end + 3 :].lstrip()
    return head


def _told(kind: str, length: int, view: View, state: State) -> Examination:
    state.name("program")
    facts: dict[str, str | int] = {"name": kind, "opcode": "none", "format": "program"}
    yield from state.detection(
        DANGEROUS, "program", view.within, 0, length or None, kind.removesuffix(" program"), facts
    )
    return "read"


def _python(view: View, state: State) -> Examination:
    """Python under a model's name: what it does decides between a finding and a gap."""
    if len(view) > MAX_SCRIPT_BYTES:
        return "unread"
    from mlguard.scanners.model import sources

    try:
        notes = sources.python_notes(bytes(view.data[view.start : view.end]))
    except Unreadable:
        return "unread"
    if notes:
        return (yield from _told("Python script", 0, view, state))
    yield from state.gap("skipped", "Python source under the name of a model", view.within)
    return "read"
