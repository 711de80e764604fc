"""Compiles the rule pages into one file when a wheel is built: reading it takes milliseconds, the pages take a second."""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Compile(BuildHookInterface):  # type: ignore[type-arg]
    """Adds ``mlguard/_rules/catalogue.json`` to the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile the pages of this tree. A broken page fails the build with its name."""
        if version == "editable":
            return  # the pages of the checkout are read as they are
        sys.path.insert(0, self.root)
        from mlguard.rules import compile_pages

        folder = Path(tempfile.mkdtemp())
        compiled = folder / "catalogue.json"
        compiled.write_text(json.dumps(compile_pages(Path(self.root) / "rules"), sort_keys=True), encoding="utf-8")
        build_data["force_include"][str(compiled)] = "mlguard/_rules/catalogue.json"
