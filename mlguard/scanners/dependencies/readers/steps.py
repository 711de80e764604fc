"""Reads what the commands of image builds, pipelines, scripts and Makefiles install."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from typing import Any, Literal

from mlguard import lazy
from mlguard.errors import Unreadable
from mlguard.scanners.dependencies import requirements
from mlguard.scanners.dependencies.manifests import (
    MAX_REQUIREMENTS,
    Component,
    Manifest,
    Place,
    Read,
    Source,
    Trouble,
    host_of,
)
from mlguard.scanners.dependencies.readers import conda, installs
from mlguard.scanners.infra import shell
from mlguard.scanners.infra.dockerfile import expand
from mlguard.scanners.infra.resources import REFERENCE

MAX_NESTED = 3
"""Shells inside shells whose text is read."""

MAX_ABOVE = 20
"""Folders above a file in which a file that it names is looked for."""

At = Callable[[int, int], Place]
"""Returns the place in the file of a part of a script by its offsets."""

_OPEN = lazy.pattern(r"\$\{\{|\$[({A-Za-z_]|`|\{\w|%\w+%|<[A-Z_]+>|xxxx|\{\{|\$\[\[")
_VERB = lazy.pattern(r"\b(?:install|add|sync|run|create|inject|download|wheel|update)\b|\buvx\b|pip-sync|easy_install")


_SAYS = frozenset(
    {
        "echo", "printf", "cat", "grep", "sed", "awk", "git", "test", "[", "[[", "read", "log", "warn", "die", "python", "python3",
    }
)  # fmt: skip
"""Programs whose words are text to them, and no script."""


class Script:
    """Takes what the commands of one file install into its manifest, script by script."""

    def __init__(self, manifest: Manifest, load_file: Read) -> None:
        self.manifest, self.load = manifest, load_file

    def take(self, text: str, at: At, variables: dict[str, str | None] | None = None, depth: int = 0) -> None:
        """Take one script. ``variables`` are those that are known before it runs."""
        if not _VERB.search(text) or depth > MAX_NESTED:
            return
        if len(text) > shell.MAX_TEXT:
            self.trouble(
                at(0, 1), f"is in a script of over {shell.MAX_TEXT} characters, of which the rest was not read"
            )
        known = dict(variables or {})
        plain = (
            re.sub(r"\$\{\{.*?\}\}", lambda match: re.sub(r"[^\n]", "x", match.group()), text)
            if "${{" in text
            else text
        )
        for command in shell.commands(plain):
            for one in command.assignments:
                name, _, value = one.partition("=")
                if not command.words:
                    known[name] = value if "$" not in value and "`" not in value and "xxxx" not in value else None
            self.command(plain, command, at, known, depth)

    def command(self, text: str, command: shell.Command, at: At, known: dict[str, str | None], depth: int) -> None:
        """Take one command, or the script that it hands to another shell."""
        words = shell.effective(command.words)
        program = command.program
        if program in ("sh", "bash", "zsh", "dash", "ash", "su") and len(words) > 2:
            flag = next(
                (number for number, word in enumerate(words[1:-1], 1) if re.fullmatch(r"-[a-z]*c|--command", word)), 0
            )
            if flag:
                inner = words[flag + 1]
                start = text.find(inner, command.start)
                base = start if 0 <= start < command.end else -1
                self.take(
                    inner,
                    (lambda a, b: at(base + a, base + b)) if base >= 0 else lambda a, b: at(command.start, command.end),
                    known,
                    depth + 1,
                )
                return
        elif "-c" in words and re.fullmatch(r"python[\d.]*(?:\.exe)?", program):
            self.python(words[words.index("-c") + 1 :], at(command.start, command.end))
        found = installs.of(words)
        if found is None:
            self.inside(text, command, at, known, depth)
            return
        if program in ("xargs", "parallel"):
            place = at(command.start, command.end)
            self.trouble(place, "installs what another command hands on", "install from a file of the repository")
        cursor = command.start
        listed = installs.of_conda(found.words) if found.conda else installs.arguments(found.words, found.files)
        for argument in listed:
            start = _find(text, argument.text, cursor, command.end)
            place = at(start, start + len(argument.text)) if start >= 0 else at(command.start, command.end)
            cursor = start + len(argument.text) if start >= 0 else cursor
            self.argument(argument, place, found, known)

    def python(self, words: tuple[str, ...], place: Place) -> None:
        """Take what a line of Python in a command installs."""
        from mlguard.scanners.dependencies.readers import code

        if not words or not code.worth_reading(words[0].encode("utf-8", "replace")):
            return
        try:
            code.take(self.manifest, words[0], lambda line, column, end: place, self.load)
        except Unreadable as error:
            self.trouble(place, f"runs code that cannot be read: {error}")

    def inside(self, text: str, command: shell.Command, at: At, known: dict[str, str | None], depth: int) -> None:
        """Take what a command that installs nothing itself hands on: substitutions, and scripts for other shells."""

        def here(start: int, end: int) -> Place:
            return at(command.start, command.end)

        for word in command.words:
            for nested in shell.inner(word) if "(" in word or "`" in word else ():
                self.take(nested, here, known, depth + 1)
            if command.program not in _SAYS and re.search(r"\s", word) and _VERB.search(word):
                base = text.find(word, command.start)
                self.take(word, _moved(at, base) if 0 <= base < command.end else here, known, depth + 1)

    def argument(
        self, argument: installs.Argument, place: Place, found: installs.Install, known: dict[str, str | None]
    ) -> None:
        """Take one word of a command that installs."""
        if len(self.manifest.components) >= MAX_REQUIREMENTS:
            raise Unreadable(f"more than {MAX_REQUIREMENTS} requirements")
        text = expand(argument.text, known) if "$" in argument.text else argument.text
        if argument.option in ("-r", "-c", "--file"):
            self.file(text, argument.option, place)
        elif argument.option == "--channel":
            self.manifest.sources.append(Source("channel", host_of(text), place))
        elif argument.option and argument.option != "-e":
            requirements.take_index(self.manifest, argument.option, text, place)
        elif (REFERENCE.search(text) or _OPEN.search(text)) and not _of_the_tree(text):
            self.variable(text, place, found)
        elif found.conda:
            part = conda.match_spec(text, place)
            if part is None:
                self.trouble(place, "installs what is not a package that can be read")
            else:
                self.manifest.components.append(part)
        else:
            text = text.partition("[")[0] if _of_the_tree(text) else text
            line = f"-e {text}" if argument.option == "-e" else _versioned(text) if found.loose_at else text
            requirements.take_lines(self.manifest, [(line, place)], self.load)

    def variable(self, text: str, place: Place, found: installs.Install) -> None:
        """Take a requirement that depends on a variable: its name where that is plain."""
        self.trouble(place, "installs what depends on a variable", "write the version, or install from a lock file")
        match = re.match(r"([A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?)(?:\[[\w,.-]*\])?\s*(?:[=<>~!]=?|@)", text)
        if match and "xxxx" not in match[1] and not found.conda:
            self.manifest.components.append(Component(requirements.canonical(match[1]), "", "", place))

    def file(self, name: str, option: str, place: Place) -> None:
        """Follow a file of requirements, whose path is that on the machine where the command runs."""
        if (
            _OPEN.search(name)
            or REFERENCE.search(name)
            or name == "-"
            or "://" in name
            or name.startswith(("/dev/", "<("))
        ):
            self.trouble(
                place, "installs from a file that only the build knows", "install from a file of the repository"
            )
            return
        from mlguard.scanners.dependencies.readers import format_of, looks_like_requirements

        folder = posixpath.dirname(self.manifest.path)
        clean = posixpath.normpath(name.replace("\\", "/"))
        candidates = [posixpath.normpath(posixpath.join(folder, clean)), clean, clean.lstrip("/")]
        above = folder.split("/")[:MAX_ABOVE]
        candidates += ["/".join([*above[:number], clean]) for number in range(len(above) - 1, 0, -1)]
        parts = clean.strip("/").split("/")
        candidates += ["/".join(parts[number:]) for number in range(1, len(parts))]
        candidates.append(posixpath.join(folder, parts[-1]))
        for candidate in dict.fromkeys(candidates):
            if candidate.startswith(("../", "/")) or candidate in ("..", "."):
                continue
            try:
                text = self.load(candidate)
            except Unreadable:
                continue
            word = format_of(candidate)
            if not word or word == "perhaps-requirements" and not looks_like_requirements(text):
                included = requirements.read(candidate, text, self.load)
                for part in included.components:
                    self.manifest.components.append(part)
                self.manifest.troubles += included.troubles
            return
        self.trouble(
            place, "installs from a file that is not in the tree", "keep the file in the repository", "missing"
        )

    def trouble(self, place: Place, what: str, hint: str = "write name==version", kind: Any = "unresolved") -> None:
        """Note what cannot be told about a line, once for each line."""
        reason = f"line {place.line} {what}"
        if not any(one.reason == reason for one in self.manifest.troubles[-5:]) and len(self.manifest.troubles) < 500:
            self.manifest.troubles.append(Trouble(self.manifest.path, kind, reason, hint))


def _of_the_tree(text: str) -> bool:
    """Say whether a text is a path of the tree whose extras alone are open: they stand in its own manifest."""
    path, bracket, _ = text.partition("[")
    return bool(bracket) and path.startswith(".") and not (REFERENCE.search(path) or _OPEN.search(path))


def _moved(at: At, base: int) -> At:
    """Return the places of a text that begins at an offset of another one."""
    return lambda start, end: at(base + start, base + end)


def _versioned(text: str) -> str:
    """Return ``name==1.0`` for ``name@1.0``, and the name alone with the range behind ``name@^1.0``."""
    match = re.fullmatch(r"([A-Za-z0-9][\w.-]*(?:\[[^\]]*\])?)@([^/:@\s]+)", text)
    if match is None:
        return text
    if match[2] == "latest":
        return match[1]
    return (
        f"{match[1]}=={match[2]}"
        if match[2][:1].isdigit()
        else match[1]
        if match[2][:1] in "^~"
        else f"{match[1]}{match[2]}"
    )


def _find(text: str, word: str, start: int, end: int) -> int:
    """Return where a word stands as a whole between two offsets, -1 when it is written in another way there."""
    at = text.find(word, start, end)
    while at >= 0:
        before, after = text[at - 1 : at] if at else "", text[at + len(word) : at + len(word) + 1]
        if not (before.isalnum() or before in ("-", "_", ".") and before) and not (
            after.isalnum() or after in ("-", "_", "=") and after
        ):
            return at
        at = text.find(word, at + 1, end)
    return -1


def _end(manifest: Manifest, judged: bool) -> Manifest | None:
    manifest.kind, manifest.judged = "command", judged
    if judged:
        manifest.indexes = [one for one in manifest.indexes if one.check == "http-index"]
    conda.tell(manifest, manifest.components)
    return manifest if manifest.components or manifest.troubles or manifest.indexes else None


# ---- Dockerfiles

_INDEXES: dict[str, Literal["default", "extra", "find-links"]] = {
    "PIP_INDEX_URL": "default", "UV_INDEX_URL": "default", "UV_DEFAULT_INDEX": "default", "PIP_EXTRA_INDEX_URL": "extra",
    "UV_EXTRA_INDEX_URL": "extra", "UV_INDEX": "extra", "PIP_FIND_LINKS": "find-links",
}  # fmt: skip
"""Variables that say to installers where packages come from."""


def read_dockerfile(path: str, text: str, load_file: Read) -> Manifest | None:
    """Return what the RUN lines of a Dockerfile install; None when that is nothing."""
    from mlguard.scanners.infra import dockerfile

    instructions = dockerfile.parse(text)
    manifest = Manifest(path, format="Dockerfile")
    script = Script(manifest, load_file)
    known: dict[str, str | None] = {}
    for instruction in instructions:
        if instruction.keyword == "FROM":
            known = {}
        elif instruction.keyword in ("ARG", "ENV"):
            for name, value, _, _ in dockerfile.assignments(instruction.text):
                known[name] = dockerfile.expand(value, known) if "=" in instruction.text else None
                if name in _INDEXES and (host := host_of(known[name] or "")):
                    manifest.sources.append(Source(_INDEXES[name], host, Place(path, instruction.at.line)))
        elif instruction.keyword == "RUN":
            _run(script, instruction, known, path)
    return _end(manifest, True)


def _run(script: Script, instruction: Any, known: dict[str, str | None], path: str) -> None:
    from mlguard.scanners.infra.dockerfile import exec_form

    def at(start: int, end: int) -> Place:
        position = instruction.position(start, end)
        same = position.end_line == position.line
        return Place(path, position.line, position.column, position.end_column if same else 0)

    words = exec_form(instruction.text)
    if words is None:
        script.take(instruction.text, at, known)
        for block in instruction.heredocs:
            script.take(block.text, _inside(path, block.text, block.line), known)
        return
    flag = next((number for number, word in enumerate(words) if re.fullmatch(r"-[a-z]*c", word)), None)
    if flag is not None and flag + 1 < len(words):
        start = max(instruction.text.find(words[flag + 1]), 0)
        script.take(words[flag + 1], lambda a, b: at(start + a, start + b), known)
    elif len(words) > 1:
        command = shell.Command(tuple(words), 0, len(instruction.text), 0, "")
        script.command(instruction.text, command, at, known, 0)


def _inside(path: str, text: str, line: int) -> At:
    """Return the places of a text that stands as it is in the file from a line on."""
    places = shell.Places(text)

    def at(start: int, end: int) -> Place:
        row, column = places.at(start)
        last, end_column = places.at(end)
        return Place(path, line + row, column, end_column if last == row else 0)

    return at


# ---- shell scripts and Makefiles


def read_shell(path: str, text: str, load_file: Read) -> Manifest | None:
    """Return what a shell script installs; None when that is nothing."""
    manifest = Manifest(path, format="shell")
    text = text.replace("\r\n", "\n")
    Script(manifest, load_file).take(text, _inside(path, text, 1))
    return _end(manifest, False)


_MAKE_VARIABLE = lazy.pattern(
    r"^[ \t]*(?:export[ \t]+)?([A-Za-z_]\w*)[ \t]*(?::{1,3}|\?)?=[ \t]*([^#$\s][^#$\n]*)?(?:#.*)?$", re.M
)


def read_makefile(path: str, text: str, load_file: Read) -> Manifest | None:
    """Return what the recipes of a Makefile or justfile install; None when that is nothing."""
    manifest = Manifest(path, format="Makefile")
    script = Script(manifest, load_file)
    text = text.replace("\r\n", "\n")
    known: dict[str, str | None] = dict(_MAKE_VARIABLE.findall(text))
    rows = text.split("\n")
    number = 0
    while number < len(rows):
        if not rows[number]:
            number += 1
            continue
        first, block = number, [rows[number]]
        while rows[number].endswith("\\") and number + 1 < len(rows):
            number += 1
            block.append(rows[number])
        number += 1
        if not block[0].startswith(("\t", " ")) and not re.match(r"[\w.$()/-]+\s*:.*;", block[0]):
            continue
        body = "\n".join(block)
        body = re.sub(r"\$\((\w+)\)", lambda match: f"${{{match[1]}}}", body.replace("$$", " $"))
        for name in ("PIP", "PYTHON", "UV"):
            value = known.get(name) or ""
            if value and re.fullmatch(r"[\w./-]+", value):
                body = body.replace(f"${{{name}}}", value)
        body = re.sub(r"^([\t ]*)[@+-]+", lambda match: " " * len(match.group()), body)
        script.take(body, _found_on(path, rows, first, len(block), body), known)
    return _end(manifest, False)


def _found_on(path: str, rows: list[str], first: int, count: int, body: str) -> At:
    """Return the places of a text that was changed a little, by what stands on the lines of the file."""
    places = shell.Places(body)

    def at(start: int, end: int) -> Place:
        row, _ = places.at(start)
        line = first + min(row, count - 1)
        column = rows[line].find(body[start:end])
        return Place(path, line + 1, column + 1, column + 1 + end - start) if column >= 0 else Place(path, line + 1)

    return at


# ---- pipelines in YAML


def read_pipeline(path: str, text: str, load_file: Read) -> Manifest | None:
    """Return what the scripts of a pipeline install, whichever system runs it; None when that is nothing."""
    from mlguard.scanners.dependencies.readers import others
    from mlguard.scanners.infra.yamltree import parse

    documents = parse(text)
    manifest = Manifest(path, format="pipeline")
    script = Script(manifest, load_file)
    others.take_yaml(script, documents.trees, text)
    for tree in documents.trees:
        if posixpath.basename(path).startswith(".readthedocs"):
            _read_the_docs(script, tree)
    return _end(manifest, _judged(path))


def _judged(path: str) -> bool:
    return re.search(r"(?:^|/)\.github/|(?:^|/)action\.ya?ml$|gitlab", path) is not None


def _read_the_docs(script: Script, tree: Any) -> None:
    """https://docs.readthedocs.io/en/stable/config-file/v2.html#python-install"""
    found = tree.get("python", "install")
    for item in found.children if found is not None and isinstance(found.children, tuple) else ():
        node = item.get("requirements")
        if node is not None and isinstance(node.value, str):
            script.file(node.value, "-r", Place(script.manifest.path, node.at.line, node.at.column))


# ---- hooks of pre-commit


def read_pre_commit(path: str, text: str, load_file: Read) -> Manifest | None:
    """Return the packages that hooks install besides: ``additional_dependencies`` of hooks in Python."""
    from mlguard.scanners.infra.yamltree import parse

    documents = parse(text)
    manifest = Manifest(path, format="pre-commit")
    for tree in documents.trees[:1]:
        repositories = tree.get("repos")
        for repository in (
            repositories.children if repositories is not None and isinstance(repositories.children, tuple) else ()
        ):
            hooks = repository.get("hooks")
            for hook in hooks.children if hooks is not None and isinstance(hooks.children, tuple) else ():
                _hook(manifest, hook, load_file)
    return _end(manifest, False)


def _hook(manifest: Manifest, hook: Any, load_file: Read) -> None:
    value = hook.value if isinstance(hook.value, dict) else {}
    listed = hook.get("additional_dependencies")
    if str(value.get("language", "python")) != "python" or listed is None or not isinstance(listed.children, tuple):
        return
    for item in listed.children:
        text = str(item.value)
        if re.match(r"@|[\w.-]+@(?:\^|~|\d|latest)", text) or re.match(r"[\w./-]+\.\w+/\S+@v\d|[\w-]+:[\d.]+$", text):
            continue  # a package of npm, Go or Ruby
        at = item.value_at or item.at
        place = Place(manifest.path, at.line, at.column, at.end_column if at.end_line == at.line else 0)
        requirements.take_lines(manifest, [(text, place)], load_file, group=str(value.get("id", "")))


READERS: dict[str, Callable[[str, str, Read], Manifest | None]] = {
    "dockerfile": read_dockerfile,
    "shell": read_shell,
    "makefile": read_makefile,
    "pipeline": read_pipeline,
    "pre-commit": read_pre_commit,
}
"""What reads each format by its name."""
