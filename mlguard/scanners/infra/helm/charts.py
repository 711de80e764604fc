"""Charts as they lie in a folder or an archive: what they say of themselves, their values, templates and other files."""

from __future__ import annotations

import io
import os
import posixpath
import re
import stat
import tarfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mlguard.errors import Unreadable
from mlguard.findings import Gap
from mlguard.scanners import Context, decode, read_bytes
from mlguard.scanners.infra import re2
from mlguard.scanners.infra.helm import encoding
from mlguard.scanners.infra.helm.printing import float_text

MAX_FILES = 20_000
"""Files of one chart with those of its dependencies."""

MAX_FILE_BYTES = 4 * 2**20
"""The largest file of a chart that is read."""

MAX_ARCHIVE_BYTES = 64 * 2**20
"""What an archive may unpack to."""

MAX_DEPTH = 12
"""Levels of folders, and of dependencies of dependencies."""

MAX_CHARTS = 100
"""Charts that one chart may have for dependencies, on all levels."""

Reader = Callable[[], bytes]

_FIRST = frozenset({"Chart.yaml", "values.yaml", "templates", "charts"})


@dataclass(slots=True)
class Requirement:
    """A dependency as its chart asks for it."""

    name: str
    version: str
    repository: str
    condition: str
    tags: list[str]
    imports: list[Any]
    alias: str
    enabled: bool = True
    found: bool = False


@dataclass(slots=True)
class Chart:
    """One chart. ``folder`` is its path in the tree, or that of the archive it lies in."""

    name: str
    folder: str
    metadata: dict[str, Any]
    values: dict[str, Any] = field(default_factory=dict)
    files: dict[str, Reader] = field(default_factory=dict)  # all that is neither template, value nor dependency
    templates: dict[str, Reader] = field(default_factory=dict)
    dependencies: list[Chart] = field(default_factory=list)
    requirements: list[Requirement] | None = None
    parent: Chart | None = None
    archived: bool = False

    @property
    def version(self) -> str:
        return string_of(self.metadata.get("version"))

    @property
    def is_library(self) -> bool:
        return string_of(self.metadata.get("type")).lower() == "library"

    @property
    def full_path(self) -> str:
        """The name under which Helm knows the folder of the chart."""
        return f"{self.parent.full_path}/charts/{self.name}" if self.parent is not None else self.name

    def named(self, name: str, parent: Chart) -> Chart:
        """Return the chart under a name that its parent gives it; what depends on names is no longer shared."""
        one = Chart(
            name,
            self.folder,
            {**self.metadata, "name": name},
            self.values,
            self.files,
            self.templates,
            [],
            [Requirement(**_fields(item)) for item in self.requirements] if self.requirements is not None else None,
            parent,
            self.archived,
        )
        one.dependencies = [sub.named(sub.name, one) for sub in self.dependencies]
        return one


def _fields(one: Requirement) -> dict[str, Any]:
    return {name: getattr(one, name) for name in Requirement.__slots__}


def string_of(value: Any) -> str:
    """Return what a field that is text holds when its file has a number or a boolean there."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return float_text(value) if isinstance(value, float) else ""


class Loader:
    """Loads charts of one tree; what cannot be read becomes a gap."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.real = os.path.realpath(context.root)
        self.gaps: list[Gap] = []
        self.count = 0
        self.cut: set[str] = set()  # folders with more files than are looked at

    def gap(self, path: str, reason: str, kind: Any = "unreadable") -> None:
        self.gaps.append(Gap("infra", path, kind, reason))

    def folder(self, path: str, depth: int = 0) -> Chart | None:
        """Return the chart in a folder of the tree, or None after noting why there is none."""
        files: dict[str, Reader] = {}
        ignored = self.ignored(path)
        self.walk(path, "", ignored, files, 0)
        if path in self.cut:
            self.gap(posixpath.join(path, "Chart.yaml"), f"a chart of over {MAX_FILES} files", "sampled")
        return self.chart(path, files, depth, False)

    def ignored(self, folder: str) -> Callable[[str, bool], bool]:
        path = posixpath.join(folder, ".helmignore")
        try:
            text = decode(read_bytes(self.context, path, 2**20)) if self.inside(path) else ""
        except Unreadable:
            text = ""
        return ignore_rules(text)

    def walk(
        self, folder: str, below: str, ignored: Callable[[str, bool], bool], files: dict[str, Reader], depth: int
    ) -> None:
        """Enter the files of a folder, by their path below the chart."""
        here = posixpath.join(folder, below) if below else folder
        try:
            with os.scandir(self.context.root / here) as entries:
                found = sorted(entries, key=lambda entry: (entry.name not in _FIRST, entry.name))
        except OSError:
            self.gap(here, "the folder cannot be listed")
            return
        for entry in found:
            name = f"{below}/{entry.name}" if below else entry.name
            path = posixpath.join(folder, name)
            try:
                is_folder = entry.is_dir()
                regular = is_folder or stat.S_ISREG(entry.stat().st_mode)
            except OSError:
                continue
            if ignored(name, is_folder) or not regular or (entry.is_symlink() and not self.inside(path)):
                continue
            if is_folder:
                if depth >= MAX_DEPTH or entry.name == ".git":
                    continue
                self.walk(folder, name, ignored, files, depth + 1)
            elif len(files) < MAX_FILES:
                files[name] = self.reader(path)
            else:
                self.cut.add(folder)
                return

    def inside(self, path: str) -> bool:
        real = os.path.realpath(self.context.root / path)
        return real.startswith(self.real + os.sep)

    def reader(self, path: str) -> Reader:
        return lambda: read_bytes(self.context, path, MAX_FILE_BYTES)

    def archive(self, path: str, data: bytes, depth: int) -> Chart | None:
        """Return the chart in an archive of the tree; it is unpacked in memory only."""
        files: dict[str, Reader] = {}
        total = 0
        try:
            unpacker = zlib.decompressobj(wbits=31)
            plain = unpacker.decompress(data, MAX_ARCHIVE_BYTES)
            if unpacker.unconsumed_tail:
                raise Unreadable(f"an archive that unpacks to over {MAX_ARCHIVE_BYTES // 2**20} MiB")
            with tarfile.open(fileobj=io.BytesIO(plain), mode="r:") as tar:
                for member in tar:
                    name = posixpath.normpath(member.name).partition("/")[2]
                    total += 1
                    if total > MAX_FILES:
                        raise Unreadable(f"an archive of over {MAX_FILES} files")
                    if not member.isreg() or not name or name.startswith("../"):
                        continue
                    content = tar.extractfile(member)
                    if content is not None:
                        files[name] = _constant(content.read(MAX_FILE_BYTES))
        except (tarfile.TarError, zlib.error, EOFError, OSError, ValueError, OverflowError):
            self.gap(path, "an archive of a chart that cannot be unpacked")
            return None
        except Unreadable as error:
            self.gap(path, str(error))
            return None
        return self.chart(path, files, depth, True)

    def chart(self, folder: str, files: dict[str, Reader], depth: int, archived: bool) -> Chart | None:
        self.count += 1
        where = folder if archived else posixpath.join(folder, "Chart.yaml")
        if depth > MAX_DEPTH or self.count > MAX_CHARTS:
            self.gap(where, f"charts nest over {MAX_DEPTH} levels deep, or one has over {MAX_CHARTS} dependencies")
            return None
        metadata = self.yaml(files, "Chart.yaml", where)
        if "Chart.yaml" not in files:
            self.gap(where, "there is no Chart.yaml that may be read")
        if metadata is None:
            return None
        chart = Chart(string_of(metadata.get("name")) or posixpath.basename(folder) or "chart", folder, metadata)
        chart.archived = archived
        chart.values = (
            self.yaml(files, "values.yaml", folder if archived else posixpath.join(folder, "values.yaml")) or {}
        )
        listed = metadata.get("dependencies")
        if "requirements.yaml" in files and not isinstance(listed, list):
            listed = (self.yaml(files, "requirements.yaml", where) or {}).get("dependencies")
        if isinstance(listed, list):
            chart.requirements = [_requirement(item) for item in listed[:MAX_CHARTS] if isinstance(item, dict)]
        subcharts: dict[str, dict[str, Reader]] = {}
        for name, reader in files.items():
            if name.startswith("templates/"):
                chart.templates[name] = reader
            elif name.startswith("charts/") and not name.endswith(".prov"):
                first, _, rest = name[len("charts/") :].partition("/")
                subcharts.setdefault(first, {})[rest] = reader
            elif name not in ("Chart.yaml", "Chart.lock", "values.yaml", "values.schema.json"):
                chart.files[name] = reader
        for name, below in sorted(subcharts.items()):
            self.subchart(chart, name, below, depth)
        self.local(chart, depth)
        return chart

    def subchart(self, chart: Chart, name: str, files: dict[str, Reader], depth: int) -> None:
        path = chart.folder if chart.archived else posixpath.join(chart.folder, "charts", name)
        one: Chart | None = None
        if name[:1] in "_.":
            return
        if name.endswith(".tgz") and "" in files:
            try:
                one = self.archive(path, files[""](), depth + 1)
            except Unreadable as error:
                self.gap(path, str(error))
        elif "Chart.yaml" in files:
            one = self.chart(path, files, depth + 1, chart.archived)
        if one is not None:
            one.parent = chart
            chart.dependencies.append(one)

    def local(self, chart: Chart, depth: int) -> None:
        """Add the dependencies that stand elsewhere in the tree (``file://``) and were not copied into charts/."""
        for one in chart.requirements or ():
            if not one.repository.startswith("file://") or chart.archived:
                continue
            if any(sub.name == one.name for sub in chart.dependencies):
                continue
            path = posixpath.normpath(posixpath.join(chart.folder, one.repository[len("file://") :]))
            if path.startswith(("..", "/")) or not self.inside(path) or not (self.context.root / path).is_dir():
                continue
            sub = self.folder(path, depth + 1)
            if sub is not None:
                sub.parent = chart
                chart.dependencies.append(sub)

    def yaml(self, files: Mapping[str, Reader], name: str, path: str) -> dict[str, Any] | None:
        """Return a file that holds a mapping; None after noting why not, or when there is no such file."""
        if name not in files:
            return None
        try:
            found = encoding.load_yaml(plain_text(files[name]()).removeprefix("\ufeff"))
        except Unreadable as error:
            self.gap(path, str(error))
            return None
        if found is not None and not isinstance(found, dict):
            self.gap(path, "not a mapping")
        return found if isinstance(found, dict) else {}


def _constant(data: bytes) -> Reader:
    return lambda: data


def plain_text(data: bytes) -> str:
    """Return the text of a file, without the two characters that stand for what is not known. Raises Unreadable."""
    text = decode(data)
    return text if text.isascii() else text.replace("\ue000", "\ufffd").replace("\ue001", "\ufffd")


def _requirement(item: dict[str, Any]) -> Requirement:
    tags, imports = item.get("tags"), item.get("import-values")
    return Requirement(
        string_of(item.get("name")),
        string_of(item.get("version")),
        string_of(item.get("repository")),
        string_of(item.get("condition")),
        [string_of(tag) for tag in tags] if isinstance(tags, list) else [],
        imports if isinstance(imports, list) else [],
        string_of(item.get("alias")),
    )


# .helmignore


def ignore_rules(text: str) -> Callable[[str, bool], bool]:
    """Return a function that says whether a path below the chart (a folder or not) is left out."""
    rules: list[tuple[bool, bool, bool, Callable[[str], bool]]] = []
    for line in [*text.splitlines()[:1_000], "templates/.?*"]:
        rule = line.strip()
        if not rule or rule.startswith("#") or "**" in rule or len(rule) > 200:
            continue
        negated, rule = rule.startswith("!"), rule.removeprefix("!")
        folder, rule = rule.endswith("/"), rule.removesuffix("/")
        anywhere = "/" not in rule
        try:
            rules.append((negated, folder, anywhere, _matcher(rule.removeprefix("/"))))
        except (re2.Invalid, re2.TooLong):
            continue

    def ignored(path: str, is_folder: bool) -> bool:
        base = posixpath.basename(path)
        for negated, folder, anywhere, matches in rules:
            hit = matches(base if anywhere else path)
            if negated:
                if folder and not is_folder or not hit:
                    return True
            elif hit and (is_folder or not folder):
                return True
        return False

    return ignored


def _matcher(rule: str) -> Callable[[str], bool]:
    """Return what tells the paths that a rule means; without the slow way for the plain ones. Raises Invalid or TooLong."""
    if not re.search(r"[*?\[\\]", rule):
        return lambda path: path == rule
    ending = rule[1:]
    if rule[0] == "*" and not re.search(r"[*?\[\\]", ending):
        return lambda path: path.endswith(ending) and "/" not in path[: len(path) - len(ending)]
    pattern = glob(rule, braces=False)

    def matches(path: str) -> bool:
        try:
            return pattern.search(path) is not None
        except re2.TooLong:
            return False

    return matches


def glob(pattern: str, braces: bool = True) -> re2.Pattern:
    """Return a pattern of file names as one of characters. Raises Invalid or TooLong."""
    parts: list[str] = []
    depth = at = 0
    while at < len(pattern):
        char = pattern[at]
        at += 1
        if char == "*":
            twice = braces and pattern.startswith("*", at)
            at += twice
            parts.append("(?s:.*)" if twice else "[^/]*")
        elif char == "?":
            parts.append("[^/]")
        elif char == "[" and (end := pattern.find("]", at)) > 0:
            inner = pattern[at:end]
            parts.append("[" + ("^" + inner[1:] if inner[:1] in ("!", "^") else inner) + "]")
            at = end + 1
        elif braces and char == "{":
            depth += 1
            parts.append("(?:")
        elif braces and depth and char in "},":
            depth -= char == "}"
            parts.append(")" if char == "}" else "|")
        elif char == "\\" and at < len(pattern):
            parts.append(re.escape(pattern[at]))
            at += 1
        else:
            parts.append(re.escape(char))
    return re2.compiled(f"^(?:{''.join(parts)})$")
