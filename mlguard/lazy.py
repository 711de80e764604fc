"""Regular expressions that are compiled when they are first used: most runs use few of many."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, AnyStr


class _Lazy:
    def __init__(self, *arguments: Any) -> None:
        self._arguments = arguments
        self._compiled: re.Pattern[Any] | None = None

    def __getattr__(self, name: str) -> Any:
        if self._compiled is None:
            self._compiled = re.compile(*self._arguments)
        found = self.__dict__[name] = getattr(self._compiled, name)  # from now on without this detour
        return found


def pattern(text: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
    """Return what behaves like ``re.compile(text, flags)``. An error in ``text`` shows at the first use, so test each."""
    made: Any = _Lazy(text, flags)
    found: re.Pattern[AnyStr] = made
    return found
