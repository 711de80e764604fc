"""What follows when a condition of a template is taken to hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from mlguard.scanners.infra.cloudformation.nodes import MAX_DEPTH, Parameter, Stack, World
from mlguard.scanners.infra.resources import Unknown
from mlguard.scanners.infra.terraform.values import text_of
from mlguard.scanners.infra.yamltree import Tree


def is_call(tree: Tree) -> str:
    """Return the name of the function that a value is, "" for a plain value."""
    if not isinstance(tree.children, Mapping) or len(tree.children) != 1:
        return ""
    name = next(iter(tree.children))
    return name if name in ("Ref", "Condition") or name.startswith("Fn::") else ""


def follow(stack: Stack, name: str, truth: bool, world: World, depth: int) -> None:
    """Enter that a condition is true or false, and what follows for those that it names and for parameters."""
    tree = stack.conditions.get(name)
    if name not in world.truths and tree is not None and depth < MAX_DEPTH:
        world.truths[name] = truth
        _implied(stack, tree, truth, world, depth)


def _implied(stack: Stack, tree: Tree, truth: bool, world: World, depth: int) -> None:
    stack.steps -= 1
    name = is_call(tree)
    if not name or stack.steps < 0 or depth > MAX_DEPTH:
        return
    argument = next(child for _, child in tree.items())
    parts = argument.children if isinstance(argument.children, tuple) else ()
    if name == "Condition" and isinstance(argument.value, str):
        follow(stack, argument.value, truth, world, depth + 1)
    elif name == "Fn::Not" and len(parts) == 1:
        _implied(stack, parts[0], not truth, world, depth + 1)
    elif name == ("Fn::And" if truth else "Fn::Or"):
        for part in parts:
            _implied(stack, part, truth, world, depth + 1)
    elif name == "Fn::Equals" and len(parts) == 2:
        for one, other in (parts, parts[::-1]):
            key = str(one.value.get("Ref")) if is_call(one) == "Ref" else ""
            parameter = stack.parameters.get(key)
            if parameter is None or other.children or not is_open(parameter):
                continue
            literal = text_of(other.value)
            left = [literal] if truth else [one for one in parameter.choices if one != literal]
            if len(left) == 1:
                world.parameters[key] = replace(parameter, value=left[0])


def is_open(parameter: Parameter) -> bool:
    return isinstance(parameter.value, Unknown) or "\ue000" in str(parameter.value)
