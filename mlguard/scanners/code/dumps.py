"""Checks on records of people that are written to files other than by frames."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from mlguard.scanners.code import frames
from mlguard.scanners.code.personal import personal
from mlguard.scanners.code.seeing import Call, Sight, on_call
from mlguard.scanners.code.stores import EXPORT, PROTECTED, is_buffer


@on_call("dump", "writerow", "writerows", "savetxt", personal=True)
def dumped(call: Call) -> Iterator[Sight]:
    """Records of people that are written to a file in clear: json.dump, csv.writer."""
    if call.last == "dump":
        if call.path not in (
            "json.dump",
            "yaml.dump",
            "yaml.safe_dump",
            "pickle.dump",
            "simplejson.dump",
            "ujson.dump",
        ):
            return
        if len(call.node.args) < 2 and not {"fp", "file", "stream"} & set(call.keywords):
            return
        target = call.argument(1, "fp", "file", "stream")
        if target is not None and (is_buffer(target, call) or PROTECTED.search(call.names.written(target))):
            return
    elif call.last == "savetxt":
        chosen = frames.columns_of(call.argument(1, "X"), call.scope, call.names)
        known = frames.term_of_columns(chosen) if call.path == "numpy.savetxt" else None
        if known is not None:
            yield call.sees(EXPORT, "frame-export", term=known.label)
        return
    elif not call.path.startswith("csv."):
        return
    value = call.argument(0, "obj", "data", "row", "rowdict", "rows", "rowdicts")
    found = (
        personal(value, call.scope, call.names) if value is not None and not isinstance(value, ast.Constant) else None
    )
    if found is not None:
        yield call.sees(EXPORT, "frame-export", term=found.label)


CHECKS = (dumped,)
