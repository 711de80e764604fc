"""Parses Python source and lists the nodes of its tree."""

from __future__ import annotations

import ast
import contextlib
import gc
import sys
import threading
import warnings
from collections.abc import Iterator
from functools import cache

from mlguard.errors import Unreadable


@contextlib.contextmanager
def paused() -> Iterator[None]:
    """Look for no garbage meanwhile. A tree is all alive while it is used: looking for garbage in it costs more than to parse it."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def nodes(source: bytes | str) -> tuple[ast.Module, list[ast.AST]]:
    """Return the parsed module and its nodes in the order of a walk, parents before children.

    Nodes of which the parser makes one for all places (operators, ``Load``) are not among them. Raises Unreadable for what Python cannot
    parse.
    """
    try:
        with paused(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an invalid escape is not our business
            return _listed(source) if _lists_in_order() else _walked(source)
    except SyntaxError as error:
        where = f" (line {error.lineno})" if error.lineno else ""
        raise Unreadable(f"not valid Python{where}; fix the syntax error or exclude the file") from None
    except (ValueError, LookupError, UnicodeError):
        raise Unreadable("not valid Python: a null byte or characters of another encoding") from None
    except (RecursionError, MemoryError):
        raise Unreadable("nested too deeply for Python's parser") from None


_listing = threading.Lock()


def _listed(source: bytes | str) -> tuple[ast.Module, list[ast.AST]]:
    """Parse, and take the nodes from the garbage collector, which lists new objects in the order in which they were made.

    The parser makes parents before children, field by field, so this is the order of a walk, at a tenth of its cost. Where another thread may
    make nodes meanwhile, the tree is walked.
    """
    if len(sys._current_frames()) > 1 or not _listing.acquire(blocking=False):
        return _walked(source)
    try:
        gc.collect(0)  # what was made before is not new any more; there is little of it
        module = ast.parse(source)
        kind = ast.AST
        found = [item for item in gc.get_objects(generation=0) if isinstance(item, kind)]
    finally:
        _listing.release()
    return (module, found) if found and found[0] is module else (module, _walk(module))


def _walked(source: bytes | str) -> tuple[ast.Module, list[ast.AST]]:
    module = ast.parse(source)
    return module, _walk(module)


SHARED = (ast.expr_context, ast.boolop, ast.operator, ast.unaryop, ast.cmpop)
"""Nodes of which the parser makes one for all places."""


def _walk(module: ast.Module) -> list[ast.AST]:
    found: list[ast.AST] = []
    stack: list[ast.AST] = [module]
    while stack:
        node = stack.pop()
        found.append(node)
        stack.extend(reversed([child for child in ast.iter_child_nodes(node) if not isinstance(child, SHARED)]))
    return found


_SAMPLE = '''
import a.b as c, d
from .e import (f as g, h)
@i(j)
@k
class L(M, metaclass=N):
    """text"""
    x: int = 1
    async def o(self, p, /, q: r = 2, *s, t=[u for v in w if x for y in z], **aa) -> bb:
        async with cc as dd, ee: return {ff: f'{gg!r:{hh}}' 'ii', **jj}[1:2, ::3]
        try: await kk
        except (ll, mm) as nn: raise oo from pp
        except: pass
        else: yield qq
        finally: del rr, ss.tt[uu]
lambda a, *b, c=1, **d: (yield)
if (vv := ww < xx <= yy) and not -zz or a: b += 1
elif c: global e
else: assert f, g
for h, *i in j: continue
else: print(*k, l=m, **n)
while o if p else q: break
match r:
    case {"s": [T(u, v=w), *_], **x} | None if y: z = a @ b
with c(): d = [e, f] = g = {h, i} or (lambda: h, 1.5, b"i", ...)
'''


@cache
def _lists_in_order() -> bool:
    """Say whether the collector of this Python lists nodes in the order of a walk."""
    locked = getattr(sys, "_is_gil_enabled", bool)  # without the lock it lists them in another order
    if sys.implementation.name != "cpython" or (hasattr(sys, "_is_gil_enabled") and not locked()):
        return False
    try:
        module, listed = _listed(_SAMPLE)
    except (AttributeError, TypeError, ValueError, RuntimeError, SyntaxError):
        return False
    walked = _walk(module)
    return len(walked) == len(listed) and all(one is other for one, other in zip(listed, walked, strict=True))
