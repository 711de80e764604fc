"""Compiles the rule pages into one file, and each table into its own, when a wheel is built: reading it takes milliseconds, the pages take a second."""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Compile(BuildHookInterface):  # type: ignore[type-arg]
    """Adds ``mlguard/_rules/catalogue.jsonl`` and ``mlguard/_rules/tables/*.json`` to the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile the pages of this tree. A broken page fails the build with its name."""
        if version == "editable":
            return  # the pages of the checkout are read as they are
        sys.path.insert(0, self.root)
        from mlguard.rules import compile_pages, compile_tables, freeze

        pages, folder = Path(self.root) / "rules", Path(tempfile.mkdtemp())
        contents = {
            f"tables/{name}.json": json.dumps(table, sort_keys=True).encode("ascii")
            for name, table in compile_tables(pages).items()
        }
        for name, content in {"catalogue.jsonl": freeze(compile_pages(pages)), **contents}.items():
            compiled = folder / name.replace("/", "-")
            compiled.write_bytes(content)
            build_data["force_include"][str(compiled)] = f"mlguard/_rules/{name}"
