"""Names that come from other files of the tree: what is called in the first file, and the path that it stands for."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from mlguard.cli.commands import group
from mlguard.scanners import Context
from mlguard.scanners.code import source
from mlguard.scanners.code.exports import Exports
from mlguard.scanners.code.names import Names

TREES = {
    "re-export": ({"a/use.py": "from .io import load\nload(p)", "a/io.py": "from torch import load"}, "torch.load"),
    "re-export under another name": ({"a/use.py": "from .io import read\nread(p)", "a/io.py": "from torch import load as read"}, "torch.load"),
    "module": ({"a/use.py": "from . import io\nio.load(p)", "a/io.py": "from torch import load"}, "torch.load"),
    "from above": ({"a/b/use.py": "from ..io import load\nload(p)", "a/io.py": "from torch import load"}, "torch.load"),
    "package": ({"a/use.py": "from .io import load\nload(p)", "a/io/__init__.py": "from .files import load", "a/io/files.py": "from torch import load"}, "torch.load"),
    "absolute": ({"a/use.py": "from a.io import load\nload(p)", "a/io.py": "import torch\nload = torch.load"}, "torch.load"),
    "absolute module": ({"a/use.py": "import a.io\na.io.load(p)", "a/io.py": "import torch\nload = torch.load"}, "torch.load"),
    "below src": ({"src/a/use.py": "from a.io import load\nload(p)", "src/a/io.py": "from torch import load"}, "torch.load"),
    "beside": ({"scripts/use.py": "from helper import load\nload(p)", "scripts/helper.py": "from torch import load"}, "torch.load"),
    "object": ({"a/use.py": "from .web import app\napp.run()", "a/web.py": "import flask\napp = flask.Flask('x')"}, "flask.Flask().run"),
    "library": ({"a/use.py": "from .deps import torch\ntorch.load(p)", "a/deps.py": "try:\n    import torch\nexcept ImportError:\n    torch = None"}, ""),
    "library alone": ({"a/use.py": "from .deps import torch\ntorch.load(p)", "a/deps.py": "import torch"}, "torch.load"),
    "star": ({"a/use.py": "from .io import load\nload(p)", "a/io.py": "from torch import *"}, "torch.load"),
    "star of a file": ({"a/use.py": "from .io import load\nload(p)", "a/io.py": "from .files import *", "a/files.py": "from torch import load"}, "torch.load"),
    "function of its own": ({"a/use.py": "from .io import load\nload(p)", "a/io.py": "def load(p): ..."}, ".io.load"),
    "two in a circle": ({"a/use.py": "from .io import load\nload(p)", "a/io.py": "from .files import load", "a/files.py": "from .io import load"}, ".io.load"),
    "itself": ({"a/use.py": "from .use import load\nload(p)"}, ".use.load"),
    "no such file": ({"a/use.py": "from .io import load\nload(p)"}, ".io.load"),
    "a file that is no Python": ({"a/use.py": "from .io import load\nload(p)", "a/io.py": "def ("}, ".io.load"),
    "a folder named like a library": ({"use.py": "from datasets import load_dataset\nload_dataset(p)", "datasets/train.csv": "a,b"}, "datasets.load_dataset"),
    "a folder of scripts named like a library": (
        {"use.py": "from datasets import load_dataset\nload_dataset(p)", "datasets/make.py": "x = 1"}, "datasets.load_dataset"),
    "above the tree": ({"use.py": "from ....io import load\nload(p)", "io.py": "from torch import load"}, None),
}  # fmt: skip


def opened(tmp_path: Path, files: dict[str, str]) -> tuple[Names, source.Source]:
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    path = next(iter(files))
    parsed = source.python_file(path, files[path].encode())
    return Names(parsed.tree, Exports(Context(tmp_path)), path), parsed


@pytest.mark.parametrize("name", TREES)
def test_an_imported_name_is_what_it_is_in_its_own_file(name: str, tmp_path: Path) -> None:
    files, expected = TREES[name]
    names, parsed = opened(tmp_path, files)
    call = parsed.tree.of(ast.Call)[0]
    path = names.path(call.func, parsed.tree.scope(call))
    if expected:
        assert path == expected
    elif expected == "":
        assert path in ("", ".deps.torch.load", "torch.load")  # torch or None: either is right


def test_an_imported_constant_has_the_value_of_its_own_file(tmp_path: Path) -> None:
    names, parsed = opened(
        tmp_path, {"a/use.py": "from .settings import CHECK\nf(CHECK)", "a/settings.py": "CHECK = False"}
    )
    call = parsed.tree.of(ast.Call)[0]
    assert names.constant(call.args[0], parsed.tree.root) is False
    assert names.looked.files == {"a/settings.py"}
    assert names.looked.folders >= {"a"}


def test_a_long_chain_of_files_ends(tmp_path: Path) -> None:
    files = {"a/use.py": "from .f0 import load\nload(p)"}
    files |= {f"a/f{n}.py": f"from .f{n + 1} import load" for n in range(100)}
    names, parsed = opened(tmp_path, files)
    call = parsed.tree.of(ast.Call)[0]
    assert names.path(call.func, parsed.tree.root) == ".f0.load"
    assert len(names.looked.files) <= 6


def test_a_scan_follows_names_and_sees_a_change_in_the_other_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    root = tmp_path / "repository"
    for path, text in {
        "a/use.py": "from .io import load\n\nload(p)\n" + "# a comment\n" * 1000,
        "a/io.py": "from torch import load\n",
    }.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)

    def found() -> list[str]:
        result = CliRunner().invoke(
            group, ["scan", str(root), "--scanner", "code", "-j", "0", "-o", "json"], standalone_mode=False
        )
        report = json.loads(result.output)
        return [f"{one['rule']} {one['location']['path']}:{one['location']['line']}" for one in report["findings"]]

    assert "code/unsafe-deserialization a/use.py:3" in found()
    (root / "a/io.py").write_text("from json import load\n")
    assert found() == []
    (root / "a/io.py").write_text("from torch import load\n")
    assert found() == found()
    (root / "a/io").mkdir()  # a package of the same name does not count beside a module
    assert "code/unsafe-deserialization a/use.py:3" in found()
