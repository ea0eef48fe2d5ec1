"""Regular expressions of AWS's models, which are Java's, as Python's."""

import re
import unicodedata
import warnings
from functools import cache

_POSIX_CLASSES = {
    "ASCII": "\\x00-\\x7f",
    "Alnum": "a-zA-Z0-9",
    "Alpha": "a-zA-Z",
    "Digit": "0-9",
    "Graph": "\\x21-\\x7e",
    "Lower": "a-z",
    "Print": "\\x20-\\x7e",
    "Space": " \\t\\n\\x0b\\f\\r",
    "Upper": "A-Z",
    "XDigit": "0-9a-fA-F",
}
_REWRITTEN = {
    # This one would try every way to cut a value into 39 pieces. What follows matches the same values.
    "[a-z0-9]([-a-z0-9]*[a-z0-9]){0,39}?": "[a-z0-9](?:[-a-z0-9]*[a-z0-9])?",
}
_ABOVE_BASIC_PLANE = "\\uD800\\uDC00-\\uDBFF\\uDFFF"
"""How Java writes every character that takes two of its 16-bit units."""
_ASSIGNED = range(0x40000), range(0xE0000, 0xE1000)
"""Where Unicode has characters of its own; all the rest is empty or for private use."""
_TEXT_OF_TAGS = "[\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*"
_PROPERTY = re.compile(r"\\p\{(?:Is)?(\w+)\}|\\p([A-Z])")


class NotTranslatable(Exception):
    """The expression uses something of Java's that Python does not have."""


@cache
def compile_pattern(pattern: str) -> re.Pattern[str] | None:
    """The expression for `fullmatch`, which is how AWS applies it; None where Python cannot express it."""
    try:
        translated = _translate(_REWRITTEN.get(pattern, pattern))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            return re.compile(translated, re.ASCII)  # Java's \w, \d and \s know ASCII only
    except (re.error, NotTranslatable, OverflowError):
        return None


def prepare() -> None:
    """Do ahead of need, in a background thread, what takes long the first time: to know all letters of Unicode."""
    compile_pattern(_TEXT_OF_TAGS)


def _translate(pattern: str) -> str:
    pattern = pattern.replace(_ABOVE_BASIC_PLANE, "\\U00010000-\\U0010FFFF")
    parts: list[str] = []
    inside_class = False
    position = 0
    while position < len(pattern):
        taken, text = _translate_one(pattern, position, inside_class)
        if text == "[" and not inside_class:
            inside_class = True
        elif text == "]" and inside_class:
            inside_class = False
        parts.append(text)
        position += taken
    return "".join(parts)


def _translate_one(pattern: str, position: int, inside_class: bool) -> tuple[int, str]:
    """The length of the element at a position, and the same in Python's words."""
    character = pattern[position]
    if character == "\\":
        return _translate_escape(pattern, position, inside_class)
    if inside_class and (character == "[" or pattern.startswith("&&", position)):
        raise NotTranslatable  # Java's unions and intersections of classes
    if inside_class and character == "-" and pattern[position - 2 : position] in {"\\w", "\\d", "\\s"}:
        return 1, "\\-"  # Java takes a hyphen after such a class for itself
    return 1, character


def _translate_escape(pattern: str, position: int, inside_class: bool) -> tuple[int, str]:
    named = _PROPERTY.match(pattern, position)
    if named:
        ranges = _class_of(named.group(1) or named.group(2))
        return named.end() - position, ranges if inside_class else f"[{ranges}]"
    escape = pattern[position : position + 2]
    return 2, {"\\z": "\\Z", "\\h": " \\t"}.get(escape, escape)


def _class_of(name: str) -> str:
    """The inside of a character class for one of Java's named classes or one of Unicode's categories."""
    if name in _POSIX_CLASSES:
        return _POSIX_CLASSES[name]
    categories = _categories()
    found = [bounds for category, bounds in categories.items() if category.startswith(name)]
    if not found:
        raise NotTranslatable
    return "".join(f"{_escaped(low)}-{_escaped(high)}" for bounds in found for low, high in bounds)


def _escaped(code_point: int) -> str:
    return f"\\U{code_point:08x}"


@cache
def _categories() -> dict[str, list[tuple[int, int]]]:
    """The ranges of code points of each category of Unicode; assigned characters only."""
    found: dict[str, list[tuple[int, int]]] = {}
    for plane_range in _ASSIGNED:
        start, current = plane_range.start, unicodedata.category(chr(plane_range.start))
        for code_point in plane_range:
            category = unicodedata.category(chr(code_point))
            if category != current:
                found.setdefault(current, []).append((start, code_point - 1))
                start, current = code_point, category
        found.setdefault(current, []).append((start, plane_range.stop - 1))
    del found["Cn"]
    return found
