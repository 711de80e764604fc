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
    from pathlib import Path
    from typing import Any

    from mlguard.config import Config
    from mlguard.findings import Detection, Finding, Gap
    from mlguard.scanners.model.source import View
    from mlguard.scanners.model.state import State

_HELP = """Usage: mlguard model [OPTIONS] PATH...

  Explain model files: the format, whether loading them is safe and why, what they may call, what they are made
  from, and how to convert them to a format that holds no code. Nothing is loaded, imported or unpickled.
  A folder is walked; files in it that are no models are passed over. The configuration of the working folder counts.

Options:
  -v, --verbose    Say everything of every file, also in folders.
  --json           Print JSON instead of text.
  --digest         Compute the SHA-256 of each file, and check signatures and lists of digests beside it and above.
  --accept FILE    Write the inventory (what each model may call) to FILE, for a review and for --against.
  --against FILE   Compare with an accepted inventory: a name that it does not list fails.
                   Paths in an inventory count from the working folder: call both where a scan starts.
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
        _print(_HELP)
        return 0
    if not paths:
        raise UsageError("model takes one or more files or folders; mlguard model --help says more")
    run = _Run(options)
    alone = len(paths) == 1 and not os.path.isdir(paths[0])
    for file, named in _files(paths):
        run.look(file, named)
    return run.told(alone, alone or bool({"verbose", "digest"} & options.keys()))


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
    """Yield each file once, in order, and whether a person must hear of it even when it is no model."""
    seen: set[str] = set()
    for path in paths:
        if os.path.isdir(path):
            found = _walk(path)
        elif os.path.lexists(path):
            found = iter([(path, True)])
        else:
            raise UsageError(f"{path or repr(path)}: there is no such file or folder")
        for file, named in found:
            if (normal := os.path.normpath(file)) not in seen:
                seen.add(normal)
                yield file, named


def _walk(folder: str) -> Iterator[tuple[str, bool]]:
    """Yield the files below a folder, and what cannot be looked into.

    A link to a file outside is looked at, as caches of hubs are made of them; what lies inside is seen under its own name.
    """
    top = os.path.realpath(folder)
    stack = [folder]
    while stack:
        current = stack.pop()
        try:
            entries = sorted(os.scandir(current), key=lambda entry: entry.name)
        except OSError as error:
            if current == folder:
                raise UsageError(f"{folder}: cannot be listed: {error.strerror}") from None
            yield current, True
            continue
        stack += [
            entry.path for entry in reversed(entries) if entry.is_dir(follow_symlinks=False) and entry.name != ".git"
        ]
        for entry in entries:
            if entry.is_file(follow_symlinks=False):
                yield entry.path, False
            elif entry.is_symlink():
                target = os.path.realpath(entry.path)
                if not os.path.exists(target) or not f"{target}{os.sep}".startswith(f"{top}{os.sep}"):
                    yield entry.path, not os.path.isfile(target)
            elif not entry.is_dir(follow_symlinks=False):
                yield entry.path, True


def _special(file: str) -> str:
    """Say why what is no regular file is not opened: a pipe would wait for ever."""
    if os.path.isdir(file) and not os.path.islink(file):
        return "a folder that cannot be listed; make it readable for this user"
    if os.path.isdir(file):
        return "a link to a folder outside, which is not followed; name that folder as well"
    if os.path.islink(file) and not os.path.exists(file):
        return "a link that leads nowhere, so the file it stands for was not looked at"
    return "no regular file (a pipe, socket or device), which is not opened"


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
        self.failed: set[str] = set()  # files, signatures and lists that do not fit
        self.integrity: list[dict[str, str]] = []  # what was found about signatures and lists

    def look(self, file: str, named: bool) -> None:
        """Look into one file. What is no model counts only when it was named."""
        from mlguard.scanners.model import new_state, opened

        shown = file.replace(os.sep, "/").removeprefix("./")
        state = new_state(shown, self.policy)
        records: list[Any] = []
        look, size = "read", 0
        try:
            if named and not os.path.isfile(file):
                raise Unreadable(_special(file))
            view = opened(file)
            size = len(view)
            if not named and not _may_be_model(view, shown):
                return
            look = _drained(state.examine(view, state), records)
            if look != "read" and not named and self._passes_over(look, view, shown):
                return
        except Unreadable as trouble:
            records += state.gap("unreadable", str(trouble), "")
        if look != "read" and not state.format:
            nothing = "this is empty" if not size else "this is in no format that is read"
            records += state.gap("skipped", nothing, "")
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

    def told(self, alone: bool, full: bool) -> int:
        """Print what was seen and return the exit code."""
        findings = self._findings()
        failing = [finding for finding in findings if _fails(finding)]
        news = self._news()
        if self.options.get("digest"):
            self._integrity()
        if self.options.get("accept"):
            self._accept(self.options["accept"])
        if self.options.get("json"):
            self._json(findings, news)
        else:
            self._text(findings, news, alone, full)
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

        listed = {state.path: _listed(state.path) for state, _ in self.states}
        found = news(read(self.options["against"]), ((listed[state.path], state.imports) for state, _ in self.states))
        return {path: found[name] for path, name in listed.items() if name in found}

    def _accept(self, file: str) -> None:
        from mlguard.scanners.model.inventory import write

        write(file, [(_listed(state.path), state.format, state.imports) for state, _ in self.states])

    def _integrity(self) -> None:
        """Compute digests, and check what lies beside the models or above them and vouches for them."""
        from pathlib import Path

        from mlguard.evidence import digests

        top = os.getcwd()
        looked = {os.path.abspath(state.path): state.path for state, _ in self.states}
        for path in looked.values():
            if os.path.isfile(path):
                try:
                    self.digests[path] = digests.sha256(Path(path))
                except Unreadable as trouble:
                    self._doubt(path, str(trouble))
        for root, folders in _places(looked, top).items():
            own = {os.path.relpath(path, root).replace(os.sep, "/"): shown for path, shown in looked.items()}
            absolute = any(os.path.isabs(shown) for shown in own.values())
            prefix = "" if root == top else root if absolute else os.path.relpath(root)
            for folder in folders:
                for records in _vouchers(root, folder, own, self._settings()):
                    for record in records:
                        self._weigh(record, own, prefix)

    def _weigh(self, record: Any, own: Mapping[str, str], prefix: str) -> None:
        """Take in one record about a signature or list. ``own`` gives the shown name of the files that were looked at."""
        from mlguard import rules
        from mlguard.findings import Detection, Gap, Proof
        from mlguard.rules import message_for

        if isinstance(record, Detection):
            rule = rules.load().rules[record.rule]
            told = message_for(rule, record.check, record.facts)
            path = own.get(record.location.path) or os.path.join(prefix, record.location.path)
            entry = {"path": path, "rule": rule.id, "check": record.check, "severity": rule.severity, "message": told}
            if entry in self.integrity:
                return
            self.integrity.append(entry)
            if record.rule == "model/failed-integrity-check":
                self.failed.add(path)
        elif isinstance(record, Proof) and record.rule == "model/missing-digest-or-signature":
            self.vouched.add(own.get(record.path, ""))
        elif isinstance(record, Gap):
            self._doubt(own.get(record.path) or os.path.join(prefix, record.path), record.reason)

    def _doubt(self, path: str, reason: str) -> None:
        from mlguard.findings import Gap

        if any(state.path == path for state, _ in self.states):
            if not any(gap.path == path for gap in self.gaps):
                self.gaps.append(Gap("model", path, "unreadable", reason))
            return
        self.gaps.append(Gap("model", path, "unreadable", reason))
        self.integrity.append({"path": path, "rule": "", "check": "", "severity": "gap", "message": reason})

    def _verdict(self, state: State, findings: Sequence[Finding]) -> str:
        verdict = verdict_of(state, findings)
        return "altered" if verdict != "blocked" and state.path in self.failed else verdict

    def _vouched(self, path: str) -> list[str]:
        digest = self.digests.get(path, "")
        if not digest:
            return []
        fits = "no: see below" if path in self.failed else "a signature or list of digests was checked, and fits"
        return [
            f"  sha256     {digest}",
            f"  vouched    {fits if path in self.vouched | self.failed else 'by nothing that was found and could be checked'}",
        ]

    # -- telling

    def _text(
        self, findings: Sequence[Finding], news: Mapping[str, Sequence[str]], alone: bool, full: bool
    ) -> None:  # fmt: skip
        counts: dict[str, int] = {}
        lines: list[str] = []
        by_path: dict[str, list[Finding]] = {}
        for finding in findings:
            by_path.setdefault(finding.location.path, []).append(finding)
        for state, size in self.states:
            verdict = self._verdict(state, by_path.get(state.path, ()))
            counts[verdict] = counts.get(verdict, 0) + 1
            if full or verdict != "clean" or news.get(state.path):
                gaps = [gap for gap in self.gaps if gap.path == state.path]
                lines += _explained(
                    state, size, verdict, by_path.get(state.path, ()), gaps, news.get(state.path, ()),
                    self._vouched(state.path), full,
                )  # fmt: skip
        for entry in self.integrity:
            rule = f" ({entry['rule']})" if entry["rule"] else ""
            lines += [entry["path"], f"  {entry['severity']:<8}   {entry['message']}{rule}"]
        if not alone:
            shown = ", ".join(f"{counts[name]} {_IN_WORDS[name][0]}" for name in _IN_WORDS if counts.get(name))
            more = (
                f"; {self.others} other binary file{' was' if self.others == 1 else 's were'} not looked into"
                if self.others
                else ""
            )
            many = f"{len(self.states)} model file{'' if len(self.states) == 1 else 's'}"
            lines.append(f"{many}: {shown or 'nothing that is a model'}{more}")
        if not all(line.isascii() and line.isprintable() for line in lines):
            from mlguard.redact import printable

            lines = [printable(line) for line in lines]
        _print("".join(line + "\n" for line in lines))

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
                    "verdict": self._verdict(state, own),
                    "imports": dict(sorted(state.imports.items())),
                    "tensors": state.tensors,
                    "base_models": [{"ref": ref, "revision": revision} for ref, revision in state.bases],
                    "licences": sorted(set(state.licences)),
                    "hosts": sorted(state.hosts),
                    "stored_training_data": sorted(state.stored),
                    "sha256": self.digests.get(state.path, ""),
                    "vouched": state.path in self.vouched and state.path not in self.failed,
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
        _print(
            json.dumps({"version": 1, "models": told, "integrity": self.integrity}, indent=2, ensure_ascii=True) + "\n"
        )


def _print(text: str) -> None:
    """Write to standard output; what it cannot take is left to the code of the reports, which is not loaded before."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except (OSError, UnicodeError):
        from mlguard.cli import output

        output.emit(text)


def _listed(path: str) -> str:
    """Return a path as inventories list it: from the working folder, when it is inside."""
    below = os.path.relpath(path).replace(os.sep, "/")
    return path if below.startswith("../") else below


_SURE = (b"\x80", b"PK\x03\x04", b"\x93NUMPY", b"\x89HDF", b"GGUF")


def _may_be_model(view: View, shown: str) -> bool:
    """Say whether a scan would give a file to the scanner of models."""
    if view.head(8).startswith(_SURE):
        return True
    from mlguard.artifacts import HEAD_BYTES, kind_of
    from mlguard.scanners.model import KINDS

    return kind_of(shown, view.head(HEAD_BYTES)) in KINDS


def _places(files: Iterable[str], top: str) -> dict[str, list[str]]:
    """Return, by root, the folders in which something may vouch for these absolute paths: their own, and those above.

    The root is the working folder, and for files outside it the folder above their own.
    """
    found: dict[str, set[str]] = {}
    for file in files:
        folder = os.path.dirname(file)
        inside = folder == top or folder.startswith(top.rstrip(os.sep) + os.sep)
        root = top if inside else os.path.dirname(folder)
        while folder.startswith(root) and folder not in found.get(root, ()):
            found.setdefault(root, set()).add(folder)
            folder = os.path.dirname(folder)
    return {root: sorted(folders) for root, folders in sorted(found.items())}


def _vouchers(base: str, folder: str, own: Mapping[str, str], config: Config) -> Iterator[list[Any]]:
    """Yield what each signature and list of digests in a folder says, when it is about ``own``. Paths are relative to the base."""
    from pathlib import Path

    from mlguard.artifacts import Artifact, kind_of, read_head, regular
    from mlguard.assess import integrity
    from mlguard.evidence import names
    from mlguard.facts import Seal
    from mlguard.findings import Gap
    from mlguard.scanners import Context
    from mlguard.scanners.model import provenance

    root, beside = Path(base), Path(config.path or "x").absolute().parent
    settings = config.settings.get("model", {})
    trusted = {key: [str(beside / file) for file in settings.get(key, ())] for key in ("trusted_keys", "trusted_roots")}
    here = {os.path.dirname(path) for path in own}
    models = [Artifact(path, "model", 1) for path in own if not path.startswith("../")]
    for path in _listing(Path(folder)):
        if not (names.is_signature(path.name) or names.is_checksums(path.name)) or not path.is_file():
            continue
        shown = path.relative_to(root).as_posix()
        records: list[Any] = []
        try:
            artifact = Artifact(shown, kind_of(shown, read_head(path)), regular(path))
            if names.role(artifact.path, artifact.kind) not in (names.SIGNATURE, names.CHECKSUMS):
                continue
            records += provenance.examine(artifact, Context(root, {**settings, **trusted}))
        except OSError:
            records.append(Gap("model", shown, "unreadable", "it cannot be read"))
        except Unreadable as trouble:
            records.append(Gap("model", shown, "unreadable", str(trouble)))
        seals = [record for record in records if isinstance(record, Seal)]
        records += [more for seal in seals for more in integrity.unsigned(seal, models)]
        concerned = os.path.dirname(shown) in here or any(own.keys() & set(seal.files) for seal in seals)
        if concerned or any(hasattr(record, "location") and record.location.path in own for record in records):
            yield records


def _listing(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []  # a folder above that is not for this user


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
    "altered": ("altered", "it is not the file that was signed or recorded: do not load it"),
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
    digest: Sequence[str], full: bool,
) -> Iterator[str]:  # fmt: skip
    yield state.path
    tensors = (
        f", {state.tensors:,} {'tensor or array' if state.tensors == 1 else 'tensors or arrays'}"
        if state.tensors
        else ""
    )
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
        yield f"  convert    {'who made it can, you should not load it: ' if verdict == 'blocked' else ''}{convert}"


def _inventory(state: State) -> Iterator[str]:
    words = {"allow": "known, harmless", "ask": "decided by its use", "review": "for review", "block": "dangerous"}
    if not state.imports:
        yield "  may call   nothing"
    order = ["block", "ask", "review", "allow"]
    ranked = sorted(state.imports.items(), key=lambda item: (order.index(item[1]), item[0]))
    for number, (name, verdict) in enumerate(ranked):
        yield f"  {'may call' if not number else '':<10} {name}  ({words[verdict]})"


def _provenance(state: State, digest: Sequence[str]) -> Iterator[str]:
    for reference, revision in state.bases:
        yield f"  made from  {reference}, {'revision ' + revision if revision else 'no revision given'}"
    for licence in sorted(set(state.licences)):
        yield f"  licence    {licence}"
    for place in sorted(state.stored):
        yield f"  keeps      rows of its training data: {place}"
    if state.hosts:
        yield f"  links to   {', '.join(sorted(state.hosts)[:8])}"
    yield from digest


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
