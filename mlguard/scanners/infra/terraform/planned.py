"""What the configuration in a plan says: which attributes are set, what they refer to, and with which provider."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from mlguard.scanners import lazy
from mlguard.scanners.infra.resources import Path, Unknown

MAX_HOPS = 20
"""Inputs and outputs of modules that a reference is followed through."""

_KEYS = lazy.pattern(r'\[(?:"(?:[^"\\]|\\.)*"|[^\]"]*)\]')
_LAST_KEY = lazy.pattern(r'\[(?:"(?:[^"\\]|\\.)*"|[^\]"]*)\]$')

Names = tuple[str, ...]
"""The names of the modules that lead to one: ``("vpc", "subnets")``."""


def bare(address: str) -> str:
    """Return an address without the keys of instances."""
    return _KEYS.sub("", address) if "[" in address else address


def modules_of(address: str) -> Names:
    """Return the names of the modules in ``module.vpc["a"].module.subnets``."""
    parts = bare(address).split(".")
    return tuple(parts[1::2])


class Configuration:
    """The part ``configuration`` of a plan."""

    def __init__(self, value: Any, addresses: Iterable[str], variables: Any = None) -> None:
        self.value = value if isinstance(value, dict) else {}
        self.variables = variables if isinstance(variables, dict) else {}
        self._modules: dict[Names, dict[str, Any]] = {}
        self._resources: dict[Names, dict[str, dict[str, Any]]] = {}
        self.instances: dict[str, list[str]] = defaultdict(list)
        for address in addresses:
            self.instances[bare(address)].append(address)

    def module(self, names: Names) -> dict[str, Any]:
        """Return the configuration of a module, empty where there is none."""
        if names not in self._modules:
            if not names:
                found: Any = self.value.get("root_module")
            else:
                found = self.call(names).get("module")
            self._modules[names] = found if isinstance(found, dict) else {}
        return self._modules[names]

    def call(self, names: Names) -> dict[str, Any]:
        """Return the call of a module."""
        found = _dict(self.module(names[:-1]).get("module_calls")).get(names[-1])
        return found if isinstance(found, dict) else {}

    def resource(self, names: Names, address: str) -> dict[str, Any] | None:
        """Return the configuration of ``aws_s3_bucket.data`` in a module, None where it is not there."""
        if names not in self._resources:
            known = self.module(names).get("resources")
            self._resources[names] = {
                str(one.get("address")): one
                for one in (known if isinstance(known, list) else [])
                if isinstance(one, dict)
            }
        return self._resources[names].get(address)

    # References

    def references(self, names: Names, expression: Any, own: str, hops: int = 0) -> Iterator[str]:
        """Yield the addresses of the resources that an expression of a module refers to, seen from the resource ``own``."""
        found = expression.get("references") if isinstance(expression, dict) else None
        for one in found if isinstance(found, list) and hops < MAX_HOPS else []:
            if isinstance(one, str):
                yield from self._reference(names, one, own, hops)

    def _reference(self, names: Names, text: str, own: str, hops: int) -> Iterator[str]:
        parts = bare(text).split(".")
        if parts[0] == "var" and len(parts) > 1:
            given = _dict(self.call(names).get("expressions")).get(parts[1]) if names else None
            yield from self.references(names[:-1], given, own, hops + 1)
        elif parts[0] == "module" and len(parts) > 2:
            inner = (*names, parts[1])
            output = _dict(_dict(self.module(inner).get("outputs")).get(parts[2])).get("expression")
            yield from self.references(inner, output, own, hops + 1)
        elif parts[0] not in ("each", "count", "local", "path", "data", "terraform", "self") and len(parts) > 1:
            prefix = "".join(f"module.{name}." for name in names)
            yield from self._nearest(f"{prefix}{parts[0]}.{parts[1]}", text, own)

    def _nearest(self, address: str, text: str, own: str) -> list[str]:
        """Return the instances of a block that are meant: those with our own key, if there are any."""
        found = self.instances.get(address, [])
        keys = {"exact": _key_of(text), "own": _key_of(own)}
        tests: list[Callable[[str], bool]] = [
            lambda one: bool(keys["exact"]) and _key_of(one) == keys["exact"],
            lambda one: own.startswith(_module_of(one)) or one.startswith(_module_of(own)),
            lambda one: bool(keys["own"]) and _key_of(one) == keys["own"],
        ]
        for test in tests:
            found = ([one for one in found if test(one)] or found) if len(found) > 1 else found
        return found

    # Providers

    def provider(self, names: Names, resource: Mapping[str, Any] | None, name: str) -> Any:
        """Return the value of an argument of the provider that a resource uses, None where nothing says it."""
        key = resource.get("provider_config_key") if resource else None
        config = _dict(_dict(self.value.get("provider_config")).get(str(key)))
        expression = _dict(config.get("expressions")).get(name)
        return self.constant(modules_of(str(config.get("module_address", ""))), expression)

    def constant(self, names: Names, expression: Any) -> Any:
        """Return the value of an expression that is constant or a variable of the root module."""
        if not isinstance(expression, dict):
            return None
        if "constant_value" in expression:
            return expression["constant_value"]
        found = expression.get("references")
        for text in found if isinstance(found, list) else []:
            parts = str(text).split(".")
            if parts[0] == "var" and len(parts) > 1 and not names:
                value = _dict(self.variables.get(parts[1])).get("value")
                return Unknown(f"var.{parts[1]}") if value is None else value
            return Unknown(bare(str(text)))
        return None


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _key_of(address: str) -> str:
    match = _LAST_KEY.search(address)
    return match.group() if match else ""


_MODULE = lazy.pattern(r'(?:module\.[^.\[]+(?:\[(?:"(?:[^"\\]|\\.)*"|[^\]"]*)\])?\.)*')


def _module_of(address: str) -> str:
    """Return the instance of the module that an address stands in, with the dot behind it."""
    match = _MODULE.match(address)
    return match.group() if match else ""


def expression_at(expressions: Any, path: Path) -> Any:
    """Return the expression that sets an attribute: a mapping, False where nothing sets it, None where that cannot be told.

    Of a block that is made by ``dynamic`` a plan does not tell the expressions.
    """
    value = expressions
    for number, step in enumerate(path):
        if isinstance(value, dict) and ("constant_value" in value or "references" in value):
            return value
        if isinstance(step, int):
            if isinstance(value, list):
                if step >= len(value):
                    return None
                value = value[step]
        elif not isinstance(value, dict):
            return None
        elif step not in value:
            return None if not number and len(path) > 1 else False
        else:
            value = value[step]
    return value
