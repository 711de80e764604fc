"""The tree of a file: its nodes, what is around them, and how long that takes."""

from __future__ import annotations

import ast
import gc
import random
import sysconfig
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlguard.errors import Unreadable
from mlguard.scanners.code import parsing
from mlguard.scanners.code.tree import FUNCTIONS, Tree, parse


def standard_library(count: int) -> Iterator[bytes]:
    """Yield files of Python's own library, the same ones every time."""
    found = sorted(Path(sysconfig.get_paths()["stdlib"]).glob("[a-z]*/**/*.py"))
    ours = [path for path in found if "site-packages" not in path.parts and path.stat().st_size < 200_000]
    for path in random.Random(1).sample(ours, count):
        yield path.read_bytes()


def test_the_collector_lists_the_nodes_in_the_order_of_a_walk() -> None:
    assert parsing._lists_in_order()
    compared = 0
    for data in standard_library(250):
        try:
            module, listed = parsing._listed(data)
        except (SyntaxError, ValueError, RecursionError):
            continue
        walked = parsing._walk(module)
        assert len(listed) == len(walked)
        assert all(one is other for one, other in zip(listed, walked, strict=True))
        compared += len(listed)
    assert compared > 200_000


@pytest.mark.parametrize("collecting", [True, False])
def test_the_state_of_the_collector_is_left_as_it_was(collecting: bool) -> None:
    frozen = gc.get_freeze_count()
    (gc.enable if collecting else gc.disable)()
    try:
        parse("x = 1")
        with pytest.raises(Unreadable):
            parse("x = (")
        with parsing.paused(), parsing.paused():
            assert not gc.isenabled()

        assert gc.isenabled() is collecting
        assert gc.get_freeze_count() == frozen
    finally:
        gc.enable()


def test_trees_that_are_parsed_in_several_threads_hold_their_own_nodes() -> None:
    texts = [f"x{number} = [" + "a, " * 3000 + "]" for number in range(4)]
    wrong: list[str] = []

    def run(text: str) -> None:
        for _ in range(15):
            tree = parse(text)
            if [id(node) for node in tree.nodes] != [id(node) for node in parsing._walk(tree.module)]:
                wrong.append(text)

    threads = [threading.Thread(target=run, args=(text,)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []


def parents(module: ast.Module) -> dict[int, ast.AST]:
    return {id(child): node for node in ast.walk(module) for child in ast.iter_child_nodes(node)}


def test_parents_and_scopes_are_those_of_a_full_walk() -> None:
    for data in standard_library(60):
        try:
            tree = parse(data)
        except Unreadable:
            continue
        expected = parents(tree.module)
        chosen = random.Random(2).sample(tree.nodes, min(len(tree.nodes), 120))

        for node in chosen:
            assert tree.parent(node) is expected.get(id(node))
            if hasattr(node, "lineno") and not _in_text(node, expected):
                assert tree.scope(node).node is around(node, expected), ast.dump(node)


def _in_text(node: ast.AST | None, expected: dict[int, ast.AST]) -> bool:
    """Say whether a node is in a formatted text, of which the places are not always right before Python 3.12."""
    while node is not None:
        if isinstance(node, ast.JoinedStr):
            return True
        node = expected.get(id(node))
    return False


def around(node: ast.AST, expected: dict[int, ast.AST]) -> ast.AST:
    """Return the definition or module in whose body a node stands; arguments and decorators stand around it."""
    above = expected[id(node)]
    while not isinstance(above, ast.Module):
        if isinstance(above, (*FUNCTIONS, ast.ClassDef)) and any(node is one for one in above.body):
            return above
        if isinstance(above, ast.Lambda) and node is above.body:
            return above
        node, above = above, expected[id(above)]
    return above


def test_a_closed_tree_keeps_nothing_alive() -> None:
    gc.collect()
    before = sum(isinstance(item, ast.AST) for item in gc.get_objects())
    with parsing.paused():
        for number in range(5):
            tree = parse(f"def f(a={number}):\n    return [b for b in a if f'{{a}}']\nclass C:\n    x = f(1)\n")
            tree.place_all()
            for node in tree.nodes:
                _ = tree.scope(node).values, tree.parent(node)
            tree.close()
            del tree, node

        after = sum(isinstance(item, ast.AST) for item in gc.get_objects())

    assert after <= before + 5


LARGE = {
    "functions": "".join(f"def f{n}(a, b={n}):\n    return a + g(b, c={n})\n" for n in range(12_000)),
    "one function": "def f():\n" + "".join(f"    if a{n}:\n        b = g('t{n}', x={n})\n" for n in range(25_000)),
    "one class": "class C:\n" + "".join(f"    def f{n}(self):\n        self.x{n} = self.f{n - 1}(h)\n" for n in range(12_000)),
    "lambdas": "x = [" + ",\n".join(f"lambda a: f(a, {n})" for n in range(25_000)) + "]\n",
    "one line": "x = [" + ", ".join(f"f('password', {n})" for n in range(40_000)) + "]\n",
    "nested": "".join("    " * n + f"def f{n}():\n" for n in range(90)) + "    " * 90 + "pass\n",
    "sum": "x = " + " + ".join(f"'a{n}'" for n in range(800)) + "\n",
    "decorators": "".join(f"@d({n})\n@e.f(g={n})\ndef f{n}(): pass\n" for n in range(8_000)),
}  # fmt: skip


def seconds(text: str) -> float:
    started = time.process_time()
    tree = parse(text)
    for node in tree.of(ast.Call, *FUNCTIONS, ast.Lambda, ast.Name):
        _ = tree.scope(node).name
    for node in tree.of(*FUNCTIONS, ast.Lambda):
        _ = tree.inner(node).values
    for node in tree.of(ast.Constant)[:5_000]:
        _ = tree.parent(node)
    _ = tree.identifiers, tree.calls_by_name, tree.calls_by_keyword
    return time.process_time() - started


@pytest.mark.parametrize("text", LARGE.values(), ids=LARGE)
def test_work_grows_with_the_file_and_no_faster(text: str) -> None:
    whole = min(seconds(text) for _ in range(2))

    assert whole < 4
    if not text.startswith("x = ["):
        half = _half(text)
        assert whole < 5 * min(seconds(half) for _ in range(2)) + 0.05


def _half(text: str) -> str:
    """Return about half of the lines, as many as are Python by themselves."""
    lines = text.split("\n")[: text.count("\n") // 2]
    while True:
        try:
            ast.parse("\n".join(lines))
        except SyntaxError:
            lines.pop()
        else:
            return "\n".join(lines)


@pytest.mark.parametrize(
    "text",
    ["(" * 200_000, "a" + ".b" * 300_000, "-" * 500_000 + "1", "if a:\n" * 5, "x = 1\n" * 3 + "\x00", "f'{" * 3000],
)
def test_what_nests_too_deeply_or_is_no_python_is_unreadable_or_a_tree_and_never_an_end(text: str) -> None:
    try:
        tree: Tree | None = parse(text)
    except Unreadable:
        tree = None

    assert tree is None or tree.nodes[0] is tree.module
