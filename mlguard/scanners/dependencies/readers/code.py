"""Reads what Python code installs while it runs, and the packages that it declares for jobs; nothing of it is run."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Callable, Iterator

from mlguard.errors import Unreadable
from mlguard.scanners import lazy
from mlguard.scanners.dependencies import requirements
from mlguard.scanners.dependencies.manifests import MAX_REQUIREMENTS, Manifest, Place, Read
from mlguard.scanners.dependencies.readers.steps import Script
from mlguard.scanners.infra import shell

MAX_CODE = 2 * 2**20
"""Characters of one module. Longer ones are generated."""

MAX_NODES = 400_000
"""Nodes of one module's syntax; the parser of Python makes some six from each line."""

MAX_FOLLOWED = 12
"""Names, sums and lists that are followed from one argument on."""

MAX_STEPS = 100_000
"""Expressions of one module that are looked at to find what arguments stand for."""

MAX_STEPS_OF_CALL = 3_000
"""The same for one call."""

MAX_ROW = 20_000
"""Characters of a line in which the place of a word is looked for."""

MAX_MEANT = 400
"""Expressions that one name may stand for."""

MAX_WORDS = 2_000
"""Words of one command, with all that its names may stand for."""

_WORDS = lazy.pattern(
    rb"""\b(?:pip[23]?|conda|mamba)(?:\.exe)?(?:['"]\s*,\s*(?:\n\s*)?['"]|[ \t]+)(?:install|download)\b|\bpip_install\b|packages_to_install|pip_requirements"""
    rb"""|pip_packages|pip(?:\._internal[\w.]*)?(?:\.main\b|[ \t]+import[ \t(]+main\b)|\bpipmain\b|["']pip["']\s*[:,]|irtualenv\w*\s*\("""
    rb"""|\buv[ \t]+(?:pip|add)\b|["']uv["']\s*,|\beasy_install\b"""
)
"""What every module that installs something holds."""

_COMMANDS = frozenset(
    {
        "system", "popen", "getoutput", "getstatusoutput", "run", "call", "check_call", "check_output", "Popen", "create_subprocess_shell",
        "create_subprocess_exec", "spawnlp", "spawnvp", "execvp", "execv", "execlp", "sh", "bash", "cmd", "local", "sudo", "run_command",
        "run_commands", "exec_command", "exec_run", "execute", "execute_command", "shell", "magic", "spawn", "run_cmd", "run_shell", "exec_cmd",
        "run_subprocess", "subprocess_run", "run_bash",
    }
)  # fmt: skip
"""Last names of functions that run the command which they are given."""

_LISTS = frozenset(
    {"packages_to_install", "pip_requirements", "extra_pip_requirements", "pip_packages", "additional_pip_requirements"}
)
"""Arguments that are lists of requirements, of Kubeflow Pipelines, MLflow and services for training."""

_HOLE = "${value}"

Text = tuple[str, ast.expr]
"""A text and the expression that stands for it."""


def worth_reading(data: bytes) -> bool:
    """Say whether a module can install something, by the words in it."""
    return _WORDS.search(data) is not None


def read(path: str, text: str, load_file: Read) -> Manifest | None:
    """Return what a module installs; None when that is nothing. Raises Unreadable."""
    if len(text) > MAX_CODE:
        raise Unreadable(f"over {MAX_CODE // 2**20} MiB of code, in which packages are installed")
    manifest = Manifest(path, format="code", kind="command")
    text = text.replace("\r\n", "\n").removeprefix("\ufeff")
    take(manifest, text, lambda line, column, end: Place(path, line, column, end), load_file)
    return manifest if manifest.components or manifest.troubles else None


def take(manifest: Manifest, text: str, at: Callable[[int, int, int], Place], load_file: Read) -> None:
    """Take what a piece of code installs. ``at`` gives the place of a line and columns of it. Raises Unreadable."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
        _Module(manifest, tree, text, at, load_file).take()
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise Unreadable("not valid Python, so what it installs was not read") from None


class _Module:
    """Follows the arguments of one module's calls through names, loops, parameters and sums."""

    def __init__(
        self, manifest: Manifest, tree: ast.Module, text: str, at: Callable[[int, int, int], Place], load_file: Read
    ) -> None:
        self.manifest, self.load, self.rows, self.at = manifest, load_file, text.split("\n"), at
        self.script = Script(manifest, load_file)
        self.steps = self.all_steps = 0
        self.meant: dict[str, list[ast.expr]] = {}
        self.nodes: list[ast.AST] = []
        for node in ast.walk(tree):
            self.nodes.append(node)
            if len(self.nodes) > MAX_NODES:
                raise Unreadable(f"more than {MAX_NODES} nodes of syntax, in which packages are installed")
        self.values: dict[str, list[ast.expr]] = {}
        self.functions: dict[str, ast.FunctionDef | ast.AsyncFunctionDef] = {}
        self.parameters: dict[str, list[tuple[str, int]]] = {}  # name -> functions that have it, and at which position
        self.calls: dict[str, list[ast.Call]] = {}
        for node in self.nodes:
            self._note(node)

    def _note(self, node: ast.AST) -> None:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    self.values.setdefault(target.id, []).append(node.value)
        elif isinstance(node, (ast.AnnAssign, ast.NamedExpr, ast.AugAssign)) and isinstance(node.target, ast.Name):
            if node.value is not None:
                self.values.setdefault(node.target.id, []).append(node.value)
        elif isinstance(node, (ast.For, ast.AsyncFor, ast.comprehension)) and isinstance(node.target, ast.Name):
            if isinstance(node.iter, (ast.List, ast.Tuple, ast.Set)):
                self.values.setdefault(node.target.id, []).extend(node.iter.elts)
            else:
                self.values.setdefault(node.target.id, []).append(node.iter)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            self.functions.setdefault(node.name, node)
            for number, argument in enumerate((*node.args.posonlyargs, *node.args.args)):
                self.parameters.setdefault(argument.arg, []).append((node.name, number))
            if node.args.vararg:
                self.parameters.setdefault(node.args.vararg.arg, []).append((node.name, -1 - len(node.args.args)))
        elif isinstance(node, ast.Call) and (name := _last(node.func)):
            self.calls.setdefault(name, []).append(node)
            holder = node.func.value if isinstance(node.func, ast.Attribute) else None
            if name in ("append", "extend", "insert") and isinstance(holder, ast.Name) and node.args:
                self.values.setdefault(holder.id, []).append(node.args[-1])

    def take(self) -> None:
        for node in self.nodes:
            if isinstance(node, ast.Call):
                self._call(node)
            elif isinstance(node, ast.Dict):
                for key, value in zip(node.keys, node.values, strict=True):
                    if isinstance(key, ast.Constant) and key.value == "pip":
                        self._declared(value)
            if len(self.manifest.components) > MAX_REQUIREMENTS:
                raise Unreadable(f"more than {MAX_REQUIREMENTS} requirements")

    def _step(self) -> bool:
        """Count one expression that is looked at, and say whether there may be more of this call. Raises Unreadable."""
        self.steps += 1
        self.all_steps += 1
        if self.all_steps > MAX_STEPS:
            raise Unreadable(f"more than {MAX_STEPS} expressions to follow, in which packages are installed")
        return self.steps <= MAX_STEPS_OF_CALL

    def _call(self, call: ast.Call) -> None:
        self.steps = 0
        name = _last(call.func)
        for keyword in call.keywords:
            if keyword.arg in _LISTS or keyword.arg == "requirements" and "irtualenv" in name + _before(call.func):
                self._declared(keyword.value)
        if name in ("pip_install", "uv_pip_install", "pip_install_from_requirements"):
            words = [word for argument in call.args for word in self.words(argument)]
            if isinstance(call.func, ast.Attribute) and words and "from" not in name:
                self._command([("pip", call), ("install", call), *words])
        elif name in ("main", "pipmain", "_main", "pip_main", "main_pip") and call.args:
            words = self.words(call.args[0])
            is_pip = name != "main" or "pip" in _before(call.func) or "pip" in "".join(self.rows[: call.lineno])
            if words and words[0][0] in ("install", "download") and is_pip:
                self._command([("pip", call), *words])
        elif name in ("run_line_magic", "run_cell_magic") and len(call.args) > 1:
            first, last = self.text(call.args[0]), self.text(call.args[-1])
            if first in ("pip", "conda", "mamba", "uv"):
                self._script(f"{first} {last}", call.args[-1])
            elif first in ("bash", "sh", "system", "sx", "!", "script"):
                self._script(last, call.args[-1])
        elif name in _COMMANDS and (call.args or call.keywords):
            self._ran(call, name)

    def _ran(self, call: ast.Call, name: str) -> None:
        """Take the command that a call runs."""
        named = [keyword.value for keyword in call.keywords if keyword.arg in ("args", "cmd", "command", "commands")]
        arguments = call.args or named
        if not arguments:
            return
        if name in ("create_subprocess_exec", "spawnlp", "execlp"):
            self._command([word for argument in arguments for word in self.words(argument)])
            return
        for value in arguments[:2] if name in ("spawnvp", "execvp", "execv") else arguments[:1]:
            for one in self.bound(value):
                if isinstance(one, (ast.List, ast.Tuple)) or isinstance(one, ast.BinOp) and self._is_list(one):
                    self._command(self.words(one))
                elif isinstance(one, ast.Call) and _last(one.func) == "split":
                    holder = one.args[0] if one.args and "shlex" in _before(one.func) else None
                    holder = holder or (one.func.value if isinstance(one.func, ast.Attribute) else None)
                    if holder is not None:
                        self._script(self.text(holder), holder)
                else:
                    self._script(self.text(one), one)

    def _is_list(self, value: ast.expr, depth: int = 0) -> bool:
        while isinstance(value, ast.BinOp) and depth < MAX_FOLLOWED:
            value, depth = value.left, depth + 1
        return any(isinstance(one, (ast.List, ast.Tuple)) for one in self.bound(value))

    def bound(self, value: ast.expr) -> list[ast.expr]:
        """Return what a name stands for, else the expression itself."""
        found = self.values.get(value.id, [])[:MAX_FOLLOWED] if isinstance(value, ast.Name) else []
        return found or [value]

    # Texts

    def text(self, value: ast.expr, depth: int = 0) -> str:
        """Return the text of an expression; what only a run can tell is a variable of the shell in it."""
        if isinstance(value, ast.Constant):
            return value.value if isinstance(value.value, str) else str(value.value)
        if depth > MAX_FOLLOWED or not self._step():
            return _HOLE
        if isinstance(value, ast.JoinedStr):
            return "".join(self.text(part, depth + 1) for part in value.values)[: shell.MAX_TEXT]
        if isinstance(value, ast.FormattedValue):
            return self.text(value.value, depth + 1)
        if isinstance(value, ast.Attribute):
            return "python" if value.attr == "executable" else _HOLE
        if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Add):
            return (self.text(value.left, depth + 1) + self.text(value.right, depth + 1))[: shell.MAX_TEXT]
        if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Mod):
            return re.sub(r"%(?:\(\w+\))?[sdr]", _HOLE, self.text(value.left, depth + 1))
        if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute):
            if value.func.attr == "format":
                return re.sub(r"\{[\w.!:]*\}", _HOLE, self.text(value.func.value, depth + 1))
            if value.func.attr == "join" and len(value.args) == 1:
                return " ".join(text for text, _ in self.words(value.args[0], depth + 1))[: shell.MAX_TEXT]
        if isinstance(value, ast.Name):
            texts = [self.text(one, depth + 1) for one in self.candidates(value)]
            texts += [_HOLE] if len(texts) > MAX_MEANT else []
            return " ".join(dict.fromkeys(texts))[: shell.MAX_TEXT] or _HOLE
        return _HOLE

    def candidates(self, name: ast.Name) -> list[ast.expr]:
        """Return what a name may stand for: what is assigned to it, looped over, or given to a parameter of that name."""
        if name.id not in self.meant:
            found = list(self.values.get(name.id, ())[:MAX_MEANT])
            for function, position in dict.fromkeys(self.parameters.get(name.id, ())[:MAX_MEANT]):
                for call in self.calls.get(function, ())[:MAX_MEANT]:
                    found += [keyword.value for keyword in call.keywords if keyword.arg == name.id]
                    found += call.args[-1 - position :] if position < 0 else call.args[position : position + 1]
                if len(found) > MAX_MEANT:
                    break
            self.meant[name.id] = found[: MAX_MEANT + 1]
        return self.meant[name.id]

    def words(self, value: ast.expr, depth: int = 0) -> list[Text]:
        """Return the words of a list, with the expression that each of them comes from."""
        if depth > MAX_FOLLOWED or not self._step():
            return [(_HOLE, value)]
        if isinstance(value, (ast.List, ast.Tuple, ast.Set)):
            found: list[Text] = []
            for item in value.elts[:MAX_WORDS]:
                found += self.words(item, depth + 1)
            return found[:MAX_WORDS]
        if isinstance(value, ast.Starred):
            return self.words(value.value, depth + 1)
        if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Add) and self._is_list(value):
            return (self.words(value.left, depth + 1) + self.words(value.right, depth + 1))[:MAX_WORDS]
        if isinstance(value, ast.Name):
            found = [(_HOLE, value)] if len(self.candidates(value)) > MAX_MEANT else []
            for one in self.candidates(value):
                if isinstance(one, ast.Name) and one.id == value.id:
                    continue
                found += self.words(one, depth + 1)
                if len(found) > MAX_WORDS:
                    break
            return list(dict.fromkeys(found))[:MAX_WORDS] or [(_HOLE, value)]
        return [(self.text(value, depth), value)]

    # What is installed

    def place(self, node: ast.expr, text: str) -> Place:
        """Return where a text stands in the source of an expression, else the first line of that."""
        first, last = node.lineno, min(node.end_lineno or node.lineno, node.lineno + 200)
        for line in range(first, last + 1) if text else ():
            row = self.rows[line - 1] if line <= len(self.rows) else ""
            if len(row) > MAX_ROW:
                continue
            start = len(row.encode()[: node.col_offset].decode("utf-8", "replace")) if line == first else 0
            column = row.find(text, start)
            if column >= 0:
                return self.at(line, column + 1, column + 1 + len(text))
        return self.at(first, node.col_offset + 1, 0)

    def _script(self, text: str, node: ast.expr) -> None:
        self.script.take(text, lambda start, end: self.place(node, text[start:end]))

    def _command(self, words: list[Text]) -> None:
        if len(words) < 2:
            return
        spans: list[tuple[int, ast.expr, str]] = []
        text = ""
        for word, node in words:
            spans.append((len(text), node, word))
            text += f"{word} "

        def at(start: int, end: int) -> Place:
            node, word = next(((node, word) for begin, node, word in reversed(spans) if begin <= start), spans[0][1:])
            return self.place(node, text[start:end] if text[start:end] in word else word)

        command = shell.Command(tuple(word for word, _ in words), 0, len(text), 0, "")
        self.script.command(text, command, at, {}, 0)

    def _declared(self, value: ast.expr) -> None:
        """Take a list of requirements that is given to a service."""
        for one in self.bound(value):
            if isinstance(one, ast.Dict):
                for key, inner in zip(one.keys, one.values, strict=True):
                    if isinstance(key, ast.Constant) and key.value == "packages":
                        self._declared(inner)
            elif isinstance(one, (ast.List, ast.Tuple, ast.BinOp)):
                for text, node in self.words(one):
                    place = self.place(node, text)
                    if "$" in text:
                        self.script.trouble(place, "installs what depends on a variable")
                    elif text.strip():
                        requirements.take_lines(self.manifest, [(text.strip(), place)], self.load)


def _last(function: ast.expr) -> str:
    return (
        function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""
    )


def _before(function: ast.expr) -> str:
    """Return the names in front of the last one: ``pip._internal`` of ``pip._internal.main``."""
    return ".".join(_parts(function.value)) if isinstance(function, ast.Attribute) else ""


def _parts(value: ast.expr, depth: int = 0) -> Iterator[str]:
    if isinstance(value, ast.Attribute) and depth < MAX_FOLLOWED:
        yield from _parts(value.value, depth + 1)
        yield value.attr
    elif isinstance(value, ast.Name):
        yield value.id
