"""mlguard model: explains model files without loading them, and keeps the inventory of what they may call.

Kept light: for files that show nothing neither click nor the rules, the records or the engine are loaded.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence

from mlguard.errors import Unreadable, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from mlguard.config import Config
    from mlguard.findings import Detection, Finding, Gap
    from mlguard.scanners.model.source import View
    from mlguard.scanners.model.state import State

_HELP = """Usage: mlguard model [OPTIONS] PATH...

  Explain model files: the format, whether loading them is safe and why, what they may call, what they are made
  from, and how to convert them to a format that holds no code. Nothing is loaded, imported or unpickled.
  A folder is walked; files in it that are no models are passed over.

Options:
  -v, --verbose    Say everything of every file, also in folders.
  --json           Print JSON instead of text.
  --digest         Compute the SHA-256 of each file, and check signatures and lists of digests beside it.
  --accept FILE    Write the inventory (what each model may call) to FILE, for a review and for --against.
  --against FILE   Compare with an accepted inventory: a name that it does not list fails.
  -h, --help       Show this message.

  Exit codes: 0 nothing that fails the gate, 1 a finding fails it, 2 usage, 3 a file was not wholly read,
  5 a signature or digest does not fit.
"""

_FLAGS = {"-v": "verbose", "--verbose": "verbose", "--json": "json", "--digest": "digest"}
_VALUES = {"--accept": "accept", "--against": "against"}

CONVERT = {
    "torch": "safetensors.torch.save_file(model.state_dict(), 'model.safetensors'); load with load_file",
    "torch (legacy)": "load once with torch.load(…, weights_only=True) in a sandbox, then safetensors.torch.save_file",
    "torchscript": "torch.export.save, or the weights as safetensors and the class in your own package",
    "torch.package": "the weights as safetensors and the code in a package that is installed",
    "joblib": "skops.io.dump(model, 'model.skops') for scikit-learn; numpy.savez for arrays of numbers",
    "pickle": "skops.io.dump for scikit-learn; safetensors for weights; JSON or Parquet for tables",
    "npy": "numpy.save(…, allow_pickle=False): arrays of numbers, not of objects",
    "npz": "numpy.savez with arrays of numbers, and numpy.load(…, allow_pickle=False)",
    "rds": "ONNX, PMML, or the parameters as JSON; never readRDS of a file that is not your own",
    "keras": "registered layer classes instead of Lambda; load with safe_mode=True",
    "hdf5": "the .keras format with registered classes, or the weights as safetensors",
    "tar": "safetensors for the weights",
    "zip": "safetensors for the weights",
}
"""What to do with a format that can hold code."""


def model(arguments: list[str]) -> int:
    """Explain the files that the arguments name, print, and return the exit code. Raises UsageError."""
    paths, options = _parsed(arguments)
    if options.get("help"):
        sys.stdout.write(_HELP)
        return 0
    if not paths:
        raise UsageError("model takes one or more files or folders; mlguard model --help says more")
    run = _Run(options)
    alone = len(paths) == 1 and not os.path.isdir(paths[0])
    for file, named in _files(paths):
        run.look(file, named)
    return run.told(alone or bool(options.get("verbose")))


def _parsed(arguments: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    paths: list[str] = []
    options: dict[str, str] = {}
    rest = iter(arguments)
    for argument in rest:
        name, equals, value = argument.partition("=")
        if argument in ("-h", "--help"):
            options["help"] = "yes"
        elif argument in _FLAGS:
            options[_FLAGS[argument]] = "yes"
        elif name in _VALUES:
            options[_VALUES[name]] = value if equals else next(rest, "")
            if not options[_VALUES[name]]:
                raise UsageError(f"{name} takes a file name")
        elif argument == "--":
            paths += rest
        elif argument.startswith("-") and argument != "-":
            raise UsageError(f"model has no option {name}; mlguard model --help lists them")
        else:
            paths.append(argument)
    return paths, options


def _files(paths: Iterable[str]) -> Iterator[tuple[str, bool]]:
    """Yield each file, in order, and whether it was named itself. Links and special files are not followed."""
    for path in paths:
        if os.path.isdir(path):
            yield from ((file, False) for file in _walk(path))
        elif os.path.lexists(path):
            yield path, True
        else:
            raise UsageError(f"{path}: there is no such file or folder")


def _walk(folder: str) -> Iterator[str]:
    stack = [folder]
    while stack:
        try:
            entries = sorted(os.scandir(stack.pop()), key=lambda entry: entry.name)
        except OSError as error:
            raise UsageError(f"{error.filename}: cannot be listed: {error.strerror}") from None
        stack += [
            entry.path for entry in reversed(entries) if entry.is_dir(follow_symlinks=False) and entry.name != ".git"
        ]
        yield from (entry.path for entry in entries if entry.is_file(follow_symlinks=False))


class _Run:
    """The files of one call, and what they showed."""

    def __init__(self, options: Mapping[str, str]) -> None:
        from mlguard.scanners.model import policy

        self.options, self.policy = options, policy.shipped()
        self.states: list[tuple[State, int]] = []  # and the size in bytes
        self.detections: list[Detection] = []
        self.gaps: list[Gap] = []
        self.others = 0  # binary files in folders that are in no format of models
        self.digests: dict[str, str] = {}
        self.vouched: set[str] = set()  # files that a signature or list was checked for, and fits
        self.failed = False  # a signature or digest does not fit

    def look(self, file: str, named: bool) -> None:
        """Look into one file. What is no model counts only when it was named."""
        from mlguard.scanners.model import new_state, opened

        shown = file.replace(os.sep, "/").removeprefix("./")
        state = new_state(shown, self.policy)
        records: list[Any] = []
        look, size = "read", 0
        try:
            view = opened(file)
            size = len(view)
            if not named and not _may_be_model(view, shown):
                return
            look = _drained(state.examine(view, state), records)
            if look != "read" and not named and self._passes_over(look, view, shown):
                return
        except Unreadable as trouble:
            records += state.gap("unreadable", str(trouble), "")
        if look == "unread":
            records += state.gap("skipped", "this is in no format that is read", "")
        self.states.append((state, size))
        for record in records:
            (self.detections if hasattr(record, "rule") else self.gaps).append(record)

    def _passes_over(self, look: str, view: View, shown: str) -> bool:
        """Say whether a file of a folder is no model, and count those that hold something all the same."""
        from mlguard.scanners.model import is_nothing
        from mlguard.scanners.model.state import MODEL_SUFFIXES

        if look == "inert" or is_nothing(view, shown):
            return True
        if shown.lower().endswith(MODEL_SUFFIXES):
            return False
        self.others += 1
        return True

    def told(self, full: bool) -> int:
        """Print what was seen and return the exit code."""
        findings = self._findings()
        failing = [finding for finding in findings if _fails(finding)]
        news = self._news()
        broken: list[str] = []
        if self.options.get("digest"):
            broken = self._integrity()
        if self.options.get("accept"):
            self._accept(self.options["accept"])
        if self.options.get("json"):
            self._json(findings, news)
        else:
            self._text(findings, news, full, broken)
        if self.failed:
            return 5
        return 1 if failing or any(news.values()) else 3 if self.gaps or not self.states else 0

    # -- judging

    def _findings(self) -> Sequence[Finding]:
        """Return the findings as a scan would report them, after triage."""
        if not self.detections:
            return ()
        from mlguard import rules
        from mlguard.cli.output import today
        from mlguard.engine import join
        from mlguard.triage import triage

        found = join([("model", detection) for detection in self.detections], rules.load())
        settings = self._settings()
        return triage(found, settings, today())

    def _settings(self) -> Config:
        from pathlib import Path

        from mlguard.cli.run import configuration

        return configuration([Path.cwd()], None)

    def _news(self) -> dict[str, list[str]]:
        """Return, by path, the names that the accepted inventory does not list."""
        if "against" not in self.options:
            return {}
        from mlguard.scanners.model.inventory import news, read

        return news(read(self.options["against"]), ((state.path, state.imports) for state, _ in self.states))

    def _accept(self, file: str) -> None:
        from mlguard.scanners.model.inventory import write

        write(file, [(state.path, state.format, state.imports) for state, _ in self.states])

    def _integrity(self) -> list[str]:
        """Compute digests, check what lies beside the models and vouches for them, and return what does not fit."""
        from pathlib import Path

        from mlguard import rules
        from mlguard.evidence import digests
        from mlguard.findings import Detection, Gap, Proof
        from mlguard.rules import message_for

        for state, _ in self.states:
            self.digests[state.path] = digests.sha256(Path(state.path))
        broken = []
        for folder in sorted({os.path.dirname(state.path) for state, _ in self.states}):
            for record in _vouchers(folder, self._settings()):
                if isinstance(record, Detection):
                    rule = rules.load().rules[record.rule]
                    self.failed = self.failed or record.rule == "model/failed-integrity-check"
                    told = message_for(rule, record.check, record.facts)
                    broken.append(
                        f"{os.path.join(folder, record.location.path)}\n  {rule.severity:<8}   {told} ({rule.id})"
                    )
                elif isinstance(record, Proof) and record.rule == "model/missing-digest-or-signature":
                    self.vouched.add(os.path.join(folder, record.path))
                elif isinstance(record, Gap):
                    self.gaps.append(record)
                    broken.append(f"{os.path.join(folder, record.path)}\n  gap        {record.reason}")
        return broken

    def _vouched(self, path: str) -> str:
        digest = self.digests.get(path, "")
        if digest and path in self.vouched:
            return f"{digest}\n  vouched    a signature or list of digests beside the file was checked, and fits"
        return f"{digest}\n  vouched    by nothing that lies beside the file" if digest else ""

    # -- telling

    def _text(
        self, findings: Sequence[Finding], news: Mapping[str, Sequence[str]], full: bool, broken: Sequence[str]
    ) -> None:
        counts: dict[str, int] = {}
        lines: list[str] = []
        by_path: dict[str, list[Finding]] = {}
        for finding in findings:
            by_path.setdefault(finding.location.path, []).append(finding)
        for state, size in self.states:
            verdict = verdict_of(state, by_path.get(state.path, ()))
            counts[verdict] = counts.get(verdict, 0) + 1
            if full or verdict != "clean" or news.get(state.path):
                gaps = [gap for gap in self.gaps if gap.path == state.path]
                lines += _explained(
                    state, size, verdict, by_path.get(state.path, ()), gaps, news.get(state.path, ()),
                    self._vouched(state.path), full,
                )  # fmt: skip
        lines += broken
        if len(self.states) != 1:
            shown = ", ".join(f"{counts[name]} {_IN_WORDS[name][0]}" for name in _IN_WORDS if counts.get(name))
            more = f"; {self.others} other binary files were not looked into" if self.others else ""
            lines.append(f"{len(self.states)} model files: {shown or 'nothing that is a model'}{more}")
        told = [line for text in lines for line in text.split("\n")]
        if not all(line.isascii() and line.isprintable() for line in told):
            from mlguard.redact import printable

            told = [printable(line) for line in told]
        sys.stdout.write("".join(line + "\n" for line in told))

    def _json(self, findings: Sequence[Finding], news: Mapping[str, Sequence[str]]) -> None:
        import json

        told = []
        for state, size in self.states:
            own = [finding for finding in findings if finding.location.path == state.path]
            told.append(
                {
                    "path": state.path,
                    "format": state.format,
                    "formats": state.formats,
                    "size": size,
                    "verdict": verdict_of(state, own),
                    "imports": dict(sorted(state.imports.items())),
                    "tensors": state.tensors,
                    "base_models": [{"ref": ref, "revision": revision} for ref, revision in state.bases],
                    "licences": sorted(set(state.licences)),
                    "hosts": sorted(state.hosts),
                    "stored_training_data": sorted(state.stored),
                    "sha256": self.digests.get(state.path, ""),
                    "new_imports": list(news.get(state.path, ())),
                    "findings": [
                        {
                            "rule": finding.rule, "check": finding.check, "severity": finding.severity, "message": finding.message,
                            "byte": finding.location.byte, "within": finding.location.within, "state": finding.state,
                            "fingerprint": finding.fingerprint,
                        }
                        for finding in own
                    ],
                    "gaps": [{"kind": gap.kind, "reason": gap.reason} for gap in self.gaps if gap.path == state.path],
                    "convert": _conversion(state),
                }
            )  # fmt: skip
        sys.stdout.write(json.dumps({"version": 1, "models": told}, indent=2, ensure_ascii=True) + "\n")


_SURE = (b"\x80", b"PK\x03\x04", b"\x93NUMPY", b"\x89HDF", b"GGUF")


def _may_be_model(view: View, shown: str) -> bool:
    """Say whether a scan would give a file to the scanner of models."""
    if view.head(8).startswith(_SURE):
        return True
    from mlguard.artifacts import HEAD_BYTES, kind_of
    from mlguard.scanners.model import KINDS

    return kind_of(shown, view.head(HEAD_BYTES)) in KINDS


def _vouchers(folder: str, config: Config) -> Iterator[Any]:
    """Yield what signatures and lists of digests in a folder say. Paths are relative to the folder."""
    from pathlib import Path

    from mlguard.artifacts import Artifact, kind_of, read_head, regular
    from mlguard.evidence import names
    from mlguard.findings import Gap
    from mlguard.scanners import Context
    from mlguard.scanners.model import provenance

    root, base = Path(folder or ".").absolute(), Path(config.path or "x").absolute().parent
    settings = config.settings.get("model", {})
    trusted = {key: [str(base / file) for file in settings.get(key, ())] for key in ("trusted_keys", "trusted_roots")}
    for path in sorted(root.iterdir()):
        if not path.is_file() or not (names.is_signature(path.name) or names.is_checksums(path.name)):
            continue
        artifact = Artifact(path.name, kind_of(path.name, read_head(path)), regular(path))
        if names.role(artifact.path, artifact.kind) not in (names.SIGNATURE, names.CHECKSUMS):
            continue
        try:
            yield from provenance.examine(artifact, Context(root, {**settings, **trusted}))
        except Unreadable as trouble:
            yield Gap("model", artifact.path, "unreadable", str(trouble))


def _drained(examination: Iterator[Any], records: list[Any]) -> str:
    while True:
        try:
            records.append(next(examination))
        except StopIteration as end:
            return str(end.value)


def _fails(finding: Finding) -> bool:
    from mlguard.gate import blocks

    return blocks(finding, "high")


_IN_WORDS = {
    "blocked": ("blocked", "loading this file can run code, reach files or mislead the loader: do not load it"),
    "held": ("not to ship", "loading it shows no danger, but what it holds must not be handed on as it is"),
    "review": ("for review", "a person must look at what is listed below before it is loaded"),
    "unknown": ("not wholly read", "parts of the file were not looked at: nothing is proven"),
    "clean": ("clean", "nothing that it names or holds can run code beyond rebuilding its objects"),
}


def verdict_of(state: State, findings: Sequence[Finding] = ()) -> str:
    """Return clean, review, held, blocked or unknown. Findings that were set aside with a reason do not count."""
    live = [finding for finding in findings if finding.state == "new"]
    if state.blocked and (not findings or any(_fails(finding) for finding in live)):
        return "blocked"
    if any(_fails(finding) for finding in live):
        return "held"
    if state.partial:
        return "unknown"
    return "review" if live else "clean"


def _explained(
    state: State, size: int, verdict: str, findings: Sequence[Finding], gaps: Sequence[Gap], news: Sequence[str],
    digest: str, full: bool,
) -> Iterator[str]:  # fmt: skip
    yield state.path
    tensors = f", {state.tensors:,} tensors or arrays" if state.tensors else ""
    inside = [name for name in state.formats if name != state.format]
    holds = f" (holds {', '.join(inside[:6])})" if inside else ""
    yield f"  format     {state.format or 'unknown'}{holds}, {_bytes(size)}{tensors}"
    yield f"  verdict    {_IN_WORDS[verdict][0]}: {_IN_WORDS[verdict][1]}"
    for finding in findings:
        place = f" in {finding.location.within}" if finding.location.within else ""
        byte = f", byte {finding.location.byte}" if finding.location.byte else ""
        aside = f" [set aside: {finding.reason}]" if finding.state == "ignored" else ""
        yield f"  {finding.severity:<8}   {finding.message} ({finding.rule}{place}{byte}){aside}"
    for gap in gaps:
        yield f"  gap        {gap.reason}" + (f" ({gap.hint})" if gap.hint else "")
    for name in news:
        yield f"  new        {name} is not in the accepted inventory"
    if full:
        yield from _inventory(state)
        yield from _provenance(state, digest)
    if convert := _conversion(state):
        yield f"  convert    {convert}"


def _inventory(state: State) -> Iterator[str]:
    words = {"allow": "known, harmless", "ask": "decided by its use", "review": "for review", "block": "dangerous"}
    if not state.imports:
        yield "  may call   nothing"
    order = ["block", "ask", "review", "allow"]
    ranked = sorted(state.imports.items(), key=lambda item: (order.index(item[1]), item[0]))
    for number, (name, verdict) in enumerate(ranked):
        yield f"  {'may call' if not number else '':<10} {name}  ({words[verdict]})"


def _provenance(state: State, digest: str) -> Iterator[str]:
    for reference, revision in state.bases:
        yield f"  made from  {reference}, {'revision ' + revision if revision else 'no revision given'}"
    for licence in sorted(set(state.licences)):
        yield f"  licence    {licence}"
    for place in sorted(state.stored):
        yield f"  keeps      rows of its training data: {place}"
    if state.hosts:
        yield f"  links to   {', '.join(sorted(state.hosts)[:8])}"
    if digest:
        yield f"  sha256     {digest}"


def _conversion(state: State) -> str:
    if not state.pickles and not state.doubtful and not state.blocked:
        return ""
    return CONVERT.get(state.format, CONVERT["pickle"] if state.pickles else "")


def _bytes(size: int) -> str:
    value = float(size)
    for unit in ("bytes", "KiB", "MiB"):
        if value < 1024:
            return f"{size:,} bytes" if unit == "bytes" else f"{value:,.1f} {unit}"
        value /= 1024
    return f"{value:,.1f} GiB"
