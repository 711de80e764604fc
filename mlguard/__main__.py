"""Runs the command line with ``python -m mlguard``."""

import sys

# ``python -m`` puts the working directory first on the path. It may be the tree that is scanned, and
# nothing in a scanned tree is ever imported.
sys.path[:] = sys.path[1:]

from mlguard.cli import main  # noqa: E402

if __name__ == "__main__":
    main()
