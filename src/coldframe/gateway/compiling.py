"""Compiles what belongs to a shape once, even when the shape contains itself."""

from collections.abc import Callable
from typing import Any, TypeVar

from botocore.model import Shape

Compiled = TypeVar("Compiled", bound=Callable[..., Any])
Memo = dict[tuple[str, str], Any]
"""What was compiled for one purpose, by `shape_key`."""


def shape_key(shape: Shape) -> tuple[str, str]:
    """What tells one use of a shape from another: its name, and the traits that this use adds to it."""
    traits = sorted((trait, value) for trait, value in shape.serialization.items() if trait != "location")
    return shape.name, repr(traits)


def compile_once(shape: Shape, memo: Memo, make: Callable[[], Compiled]) -> Compiled:
    """What `make` compiles for a shape, or what it compiled for the same shape before.

    Within itself, a shape gets a function that calls what will have been compiled when it is used.
    """
    key = shape_key(shape)
    known: Compiled | None = memo.get(key)
    if known is None:

        def later(*arguments: Any) -> Any:
            return memo[key](*arguments)

        memo[key] = later
        memo[key] = known = make()
    return known
