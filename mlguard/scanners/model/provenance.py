"""Reads what lies beside models and vouches for them or speaks of them: signatures, lists of digests, cards, bills of materials.

It belongs to the scanner of models and not to the second stage: these files are as hostile as the models, so they are read in the
same child processes, under the same limits, and a crash costs one gap. A scanner of its own would be a name that every report, every
configuration and every list of required scanners had to learn. What takes all files of a tree to say (a model that no list
names, a file that a signed folder should not hold) is left to mlguard.assess, which gets the facts from here.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from mlguard import artifacts, redact
from mlguard.artifacts import Artifact
from mlguard.errors import Unreadable
from mlguard.evidence import digests, names
from mlguard.evidence.signatures import Bundle, Judgement, Malformed, Resource, Statement
from mlguard.facts import FileDigest, Seal
from mlguard.findings import Detection, Gap, Location, Proof, Record
from mlguard.scanners import Context, open_path, read_bytes
from mlguard.values import dataclass, field

FAILED, MISSING = "model/failed-integrity-check", "model/missing-digest-or-signature"

MAX_TOLD = 50
"""Files of one list that are told one by one."""

_WEIGHTS = frozenset({"pickle", "model", "npy", "safetensors", "onnx", "hdf5", "gguf"})
_MAYBE_WEIGHTS = (
    ".pb", ".tflite", ".mlmodel", ".bin", ".h5", ".keras", ".nemo", ".mar", ".ptl", ".pte", ".engine", ".plan", ".pdparams", ".pdmodel", ".params",
    ".skops", ".pmml", ".msgpack", ".ot", ".rds", ".cbm", ".ubj", ".caffemodel", ".weights", ".tar.gz", ".zip", ".tgz", ".onnx", ".pt2", ".ggml",
)  # fmt: skip


_USUAL = "model.sig"
"""The name that OpenSSF Model Signing gives a signature unless it is told otherwise."""


class _Elsewhere(Exception):
    """The file is no signature, or one about something that is no model."""


def examine(artifact: Artifact, context: Context) -> Generator[Record, None, bool]:
    """Yield what a file of one of the roles of mlguard.evidence.names says. Returns whether it was what its name says.

    Raises Unreadable.
    """
    role = names.role(artifact.path, artifact.kind)
    if role == names.CARD:
        yield from _card(artifact, context)
    elif role == names.BILL:
        from mlguard.evidence import bills

        yield from bills.read(read_bytes(context, artifact.path, bills.MAX_BYTES), artifact.path)
    elif role == names.CHECKSUMS:
        yield from _checksums(artifact, context)
    elif role == names.SIGNATURE:
        try:
            yield from _signature(artifact, context)
        except _Elsewhere:
            return False
    return True


def _card(artifact: Artifact, context: Context) -> Iterator[Record]:
    from mlguard.evidence import cards

    try:
        data = read_bytes(context, artifact.path, cards.MAX_BYTES)
    except Unreadable:
        if "card" in artifact.path.rsplit("/", 1)[-1].lower():
            raise
        return  # a README too large to be a card
    card = cards.read(_text(data), artifact.path)
    if card is not None:
        yield card


def _text(data: bytes) -> str:
    """Return text in which a byte that is no UTF-8 is replaced: headings and digests are told all the same."""
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    return data.decode(encoding, "replace")


def digest(artifact: Artifact, context: Context) -> Iterator[Record]:
    """Yield the digest of one file that somebody asked for."""
    path = open_path(context, artifact.path)
    if pointed := digests.pointed(path):
        yield FileDigest(artifact.path, pointed, True)
    else:
        yield FileDigest(artifact.path, digests.sha256(path))


# --- Files that a list or a statement names


@dataclass(slots=True)
class _Check:
    """The comparison of one list or statement with the files.

    ``source`` is the file that lists them, ``sure`` says that it counts as evidence: a signature that is not verified does not.
    """

    source: str
    context: Context
    sure: bool = True
    named: list[str] = field(default_factory=list)
    told: int = 0

    def file(self, path: str, resources: Sequence[Resource], line: int) -> Iterator[Record]:
        """Yield what the comparison of one file that is there shows. It may be named in shards."""
        try:
            absolute = open_path(self.context, path)
            wanted = [resource for resource in resources if resource.algorithm]
            strong = all(resource.algorithm in digests.STRONG for resource in wanted)
            if strong:
                self.named.append(path)
            if len(wanted) < len(resources):
                yield Gap("model", self.source, "skipped", "it records digests of a kind that is not computed here",
                          "record SHA-256 as well")  # fmt: skip
                return
            if pointed := digests.pointed(absolute):
                yield FileDigest(path, pointed, True)
                whole = [resource for resource in wanted if resource.algorithm == "sha256" and resource.end is None]
                if any(resource.digest != pointed for resource in whole):
                    yield self._failed("wrong-digest", path, line)
                return
            size = absolute.stat().st_size
            if not _covers(wanted, size) or any(self._differs(absolute, resource) for resource in wanted):
                yield self._failed("wrong-digest", path, line)
                return
        except Unreadable as trouble:
            yield Gap("model", path, "unreadable", str(trouble))
            return
        except OSError:
            yield Gap("model", path, "unreadable", "the file cannot be read, so its digest is not known")
            return
        if not strong:
            return
        yield Proof(FAILED, path, path)
        if self.sure:
            yield Proof(MISSING, path, path)
        if len(wanted) == 1 and wanted[0].algorithm == "sha256" and wanted[0].end is None:
            yield FileDigest(path, wanted[0].digest)

    def _differs(self, path: Any, resource: Resource) -> bool:
        found = digests.of_file(path, (resource.algorithm,), resource.start, resource.end)
        return found[resource.algorithm] != resource.digest

    def _failed(self, check: str, path: str, line: int) -> Detection:
        self.told += 1
        facts = {"file": path, "source": self.source}
        related = (("recorded here", Location(self.source, line)),)
        return Detection(
            FAILED, check, Location(path, byte=0), facts, subject=path, anchor=self.source, related=related
        )

    def rest(self) -> Iterator[Gap]:
        """Yield a gap when more files differ than are told."""
        if self.told >= MAX_TOLD:
            yield Gap("model", self.source, "too-large", "more files differ from it than are told one by one")

    def missing(self, count: int, line: int) -> Detection:
        """Return the detection of files that are named and are not there."""
        many = f"{count} files that are" if count != 1 else "a file that is"
        facts: dict[str, str | int] = {"source": self.source, "missing": many}
        return Detection(
            FAILED, "missing-file", Location(self.source, line), facts, anchor="missing", subject=self.source
        )


def _covers(resources: Sequence[Resource], size: int) -> bool:
    """Say whether shards cover a file from its first byte to its last, without a gap. A whole file always does."""
    if all(resource.end is None for resource in resources):
        return True
    at = 0
    for resource in sorted(resources, key=lambda resource: resource.start):
        if resource.start != at or resource.end is None:
            return False
        at = resource.end
    return at == size


def _is_weights(context: Context, path: str) -> bool:
    """Say whether a file may be a model, by its name and its first bytes."""
    try:
        head = artifacts.read_head(open_path(context, path))
    except (OSError, Unreadable):
        return False
    kind = artifacts.kind_of(path, head)
    return kind in _WEIGHTS or path.lower().endswith(_MAYBE_WEIGHTS) or kind == "lfs-pointer"


def _exists(context: Context, path: str) -> bool:
    try:
        open_path(context, path)
    except Unreadable:
        return False
    return True


def _joined(folder: str, name: str) -> str:
    """Return a path relative to the root, "" when the name leads out of it."""
    parts: list[str] = []
    for part in PurePosixPath(folder, name.replace("\\", "/")).parts:
        if part == "..":
            if not parts:
                return ""
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "" if name.startswith("/") else "/".join(parts)


# --- Lists of digests


def _checksums(artifact: Artifact, context: Context) -> Iterator[Record]:
    from mlguard.evidence import checksums

    folder, _, name = artifact.path.rpartition("/")
    text = _text(read_bytes(context, artifact.path, checksums.MAX_BYTES))
    entries: list[checksums.Entry] = []
    for entry in checksums.read(text, name):
        if len(entries) == checksums.MAX_ENTRIES:
            yield Gap("model", artifact.path, "too-large", "the list names more files than are compared")
            break
        entries.append(entry)
    places = [_place(context, folder, entry.name) for entry in entries]
    there = [place for place in dict.fromkeys(places) if place]
    if not any(_is_weights(context, place) for place in there):
        return  # a list of other things, or of files that are fetched later
    check = _Check(artifact.path, context)
    for entry, place in zip(entries, places, strict=True):
        if place and entry.algorithm and check.told < MAX_TOLD:
            yield from check.file(place, [Resource(entry.name, entry.algorithm, entry.digest)], entry.line)
    yield from check.rest()
    if lost := [entry.line for entry, place in zip(entries, places, strict=True) if not place]:
        yield check.missing(len(lost), lost[0])
    yield Seal(artifact.path, "checksums", folder, tuple(sorted(set(check.named))))


def _place(context: Context, folder: str, name: str) -> str:
    """Return where a listed file is: below the list's folder, below the root, or beside the list when its path is absolute."""
    beside = name.replace("\\", "/").rsplit("/", 1)[-1]
    tries = [_joined(folder, name), _joined("", name), _joined(folder, beside) if name.startswith(("/", "~")) else ""]
    return next((path for path in tries if path and _exists(context, path)), "")


# --- Signatures


def _signature(artifact: Artifact, context: Context) -> Iterator[Record]:
    """Yield what a signature shows. Raises _Elsewhere, and Unreadable when the file cannot be read at all."""
    from mlguard.evidence import signatures

    data = read_bytes(context, artifact.path, signatures.MAX_BUNDLE_BYTES)
    folder, _, name = artifact.path.rpartition("/")
    beside = _joined(folder, names.signed_name(name))
    if _other_scheme(data):
        if not _is_signed_model(context, beside):
            raise _Elsewhere
        why = "is of a scheme (OpenPGP, minisign) that is not checked here"
        yield _unverified(artifact.path, Judgement("unverified", "unverified-signature", why))
        yield Seal(artifact.path, "signature", folder, (beside,), "unverified")
        return
    for part in _parts(data, name):
        try:
            try:
                bundle = signatures.read(part)
                statement = None if bundle.blob else signatures.statement(bundle)
            except Unreadable:
                if name.lower() == _USUAL or _is_signed_model(context, beside):  # somebody takes it for a signature
                    why = "holds nothing that can be read as a signature"
                    yield _unverified(artifact.path, Judgement("unverified", "unverified-signature", why))
                raise _Elsewhere from None
            if statement is None:
                yield from _over_file(artifact.path, bundle, beside, context)
            else:
                yield from _over_statement(artifact.path, bundle, statement, context)
        except Malformed as trouble:
            yield _broken(artifact.path, f"is not well formed: {trouble}", "bad-bundle")


def _parts(data: bytes, name: str) -> Iterable[bytes]:
    """Return the bundles of a file: one, or one a line (in-toto/attestation, spec/v1/bundle.md)."""
    return [line for line in data.splitlines() if line.strip()][:64] if name.lower().endswith(".jsonl") else [data]


def _other_scheme(data: bytes) -> bool:
    """Say whether a signature is of OpenPGP (RFC 4880, section 4.2 and 6.2: tag 2) or minisign."""
    text = data.lstrip()
    return (
        text.startswith((b"-----BEGIN PGP SIGN", b"untrusted comment:"))
        or data[:1] in (b"\x88", b"\x89", b"\x8a", b"\xc2")
        and len(data) < 4096
    )


def _is_signed_model(context: Context, path: str) -> bool:
    if not path or not _exists(context, path):
        return False
    return _is_weights(context, path) or names.is_checksums(path.rsplit("/", 1)[-1])


def _judged(bundle: Bundle, context: Context, blob: str = "") -> tuple[Judgement, list[Gap]]:
    from mlguard.evidence import signatures

    trust, trouble = signatures.trusted(context.root, context.settings)
    gaps = [
        Gap("model", path, "unreadable", reason, "correct it in mlguard.yaml under model") for path, reason in trouble
    ]
    return signatures.judge(bundle, trust, open_path(context, blob) if blob else None), gaps


def _over_file(source: str, bundle: Bundle, blob: str, context: Context) -> Iterator[Record]:
    """Yield what a signature over the file beside it shows."""
    if not _is_signed_model(context, blob):
        raise _Elsewhere
    check = _Check(source, context, False)
    algorithm, recorded = bundle.blob_digest
    if algorithm:
        yield from check.file(blob, [Resource(blob, algorithm, recorded)], 1)
        if check.told:
            yield Seal(source, "signature", blob.rpartition("/")[0], (blob,), "failed")
            return
    if digests.pointed(open_path(context, blob)):
        yield Gap("model", source, "skipped", "the signed file is a pointer of Git LFS, so its signature cannot be checked",
                  "run git lfs pull")  # fmt: skip
        return
    judgement, gaps = _judged(bundle, context, blob)
    yield from gaps
    yield from _told(source, judgement)
    if judgement.state == "verified":
        yield Proof(FAILED, blob, blob)
        yield Proof(MISSING, blob, blob)
    yield Seal(source, "signature", blob.rpartition("/")[0], (blob,), judgement.state)


def _over_statement(source: str, bundle: Bundle, statement: Statement, context: Context) -> Iterator[Record]:
    """Yield what a signed statement about files shows."""
    folder, found = _root_of(source, statement, context)
    if not found and not statement.whole:
        raise _Elsewhere
    if not statement.whole and not any(_is_weights(context, path) for path in found.values()):
        raise _Elsewhere
    judgement, gaps = _judged(bundle, context)
    yield from gaps
    yield from _told(source, judgement)
    if not found:
        yield Gap("model", source, "unresolved", "none of the files that it signs is there",
                  "put the signature into the folder that it is about, or beside it")  # fmt: skip
        return
    check = _Check(source, context, judgement.state == "verified")
    shards: dict[str, list[Resource]] = {}
    for resource in statement.resources:
        shards.setdefault(resource.name, []).append(resource)
    for name, resources in shards.items():
        if name in found and check.told < MAX_TOLD:
            yield from check.file(found[name], resources, 1)
    yield from check.rest()
    if (lost := len(shards) - len(found)) and statement.whole:
        yield check.missing(lost, 1)
    yield Seal(
        source, "statement", folder, tuple(sorted(found.values())), judgement.state, statement.whole and "" not in shards,
        tuple(sorted(path for path in (_joined(folder, item) for item in statement.ignored) if path and _may_show(path))), statement.digest,
    )  # fmt: skip


def _may_show(path: str) -> bool:
    """Say whether a path that only the statement names has no look of personal data or a secret. Another one is not left out."""
    return redact.text(redact.printable(path)) == path


def _root_of(source: str, statement: Statement, context: Context) -> tuple[str, Mapping[str, str]]:
    """Return the folder that a statement is about, and by name the files that it lists and that are there.

    The signature lies in the folder, or beside it; the folder then has the name that the statement or the signature's file has.
    """
    folder, _, name = source.rpartition("/")
    listed = list(dict.fromkeys(resource.name for resource in statement.resources))
    stem = names.signed_name(name)
    best: tuple[str, dict[str, str]] = (folder, {})
    for place in dict.fromkeys(
        (folder, _joined(folder, statement.name), _joined(folder, stem), folder.rpartition("/")[0])
    ):
        found = {item: path for item in listed if item and (path := _joined(place, item)) and _exists(context, path)}
        if len(found) > len(best[1]):
            best = place, found
    if listed == [""]:  # the model is one file
        for item in (statement.name, stem):
            path = _joined(folder, item) if item else ""
            if path and _exists(context, path):
                return folder, {"": path}
    return best


def _told(source: str, judgement: Judgement) -> Iterator[Record]:
    if judgement.state == "failed":
        yield _broken(source, judgement.reason, judgement.check)
    elif judgement.state == "unverified":
        yield _unverified(source, judgement)


def _broken(source: str, reason: str, check: str) -> Detection:
    return Detection(
        FAILED, check, Location(source), {"source": source, "reason": reason}, anchor=check, subject=source
    )


def _unverified(source: str, judgement: Judgement) -> Detection:
    facts: dict[str, str | int] = {"source": source, "reason": judgement.reason}
    return Detection(MISSING, judgement.check, Location(source), facts, anchor=judgement.check, subject=source)
