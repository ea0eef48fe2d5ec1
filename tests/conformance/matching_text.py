"""Makes texts that match the regular expressions of AWS's models."""

import re
from functools import cache
from random import Random
from re import _constants as constants  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

from coldframe.gateway.patterns import compile_pattern

CATEGORIES = {
    constants.CATEGORY_DIGIT: "0123456789",
    constants.CATEGORY_SPACE: " ",
    constants.CATEGORY_WORD: "abcXYZ019_",
    constants.CATEGORY_NOT_SPACE: "abcXYZ019_-.",
    constants.CATEGORY_NOT_DIGIT: "abcXYZ",
    constants.CATEGORY_NOT_WORD: "-",
}
ANYTHING = "abcXYZ019_-./:"


class CannotMake(Exception):
    """The expression has something that this small maker does not know."""


@cache
def _parsed(pattern: str) -> Any:
    return parser.parse(pattern, re.ASCII)


def text_matching(pattern: str, random: Random, low: int, high: int) -> str | None:
    """A text of a length that the expression matches as a whole; None if none was found."""
    expression = compile_pattern(pattern)
    if expression is None:
        return None
    for most in (0, 1, 2, 4, 8, low, low + 8):
        for _ in range(4):
            try:
                text = _make(_parsed(expression.pattern), random, most)
            except CannotMake:
                return None
            if low <= len(text) <= high and expression.fullmatch(text):
                return text
    return None


def _make(items: Any, random: Random, most: int) -> str:
    return "".join(_make_one(kind, argument, random, most) for kind, argument in items)


def _make_one(kind: Any, argument: Any, random: Random, most: int) -> str:  # noqa: PLR0911 - one line for each kind
    if kind is constants.LITERAL:
        return chr(argument)
    if kind is constants.NOT_LITERAL:
        return random.choice([character for character in ANYTHING if ord(character) != argument])
    if kind is constants.ANY:
        return random.choice(ANYTHING)
    if kind is constants.IN:
        return _one_of(argument, random)
    if kind in (constants.MAX_REPEAT, constants.MIN_REPEAT, constants.POSSESSIVE_REPEAT):
        fewest, greatest, inner = argument
        count = random.randint(fewest, max(fewest, min(int(greatest), fewest + most)))
        return "".join(_make(inner, random, most) for _ in range(count))
    if kind is constants.BRANCH:
        return _make(random.choice(argument[1]), random, most)
    if kind is constants.SUBPATTERN:
        return _make(argument[3], random, most)
    if kind in (constants.AT, constants.ASSERT, constants.ASSERT_NOT):
        return ""
    raise CannotMake


def _one_of(items: Any, random: Random) -> str:
    if items[0][0] is constants.NEGATE:
        excluded = {chr(argument) for kind, argument in items[1:] if kind is constants.LITERAL}
        allowed = [character for character in ANYTHING if character not in excluded]
        return random.choice(allowed)
    kind, argument = random.choice(items)
    if kind is constants.LITERAL:
        return chr(argument)
    if kind is constants.RANGE:
        low, high = argument
        inside = list(range(max(low, 33), min(high, 126) + 1)) or [low, high]
        return chr(random.choice(inside))
    if kind is constants.CATEGORY:
        return random.choice(CATEGORIES[argument])
    raise CannotMake
