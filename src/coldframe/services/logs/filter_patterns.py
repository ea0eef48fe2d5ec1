"""CloudWatch Logs' filter patterns: terms, phrases, exclusions, alternatives, and simple JSON comparisons."""

import fnmatch
import json
import operator
import re
from collections.abc import Callable
from typing import Any

from coldframe.services.logs.errors import InvalidParameterException

Matcher = Callable[[str], bool]

TERM = re.compile(r'\s*([-?]?)(?:"((?:[^"\\]|\\.)*)"|([^\s"]+))')
COMPARISON = re.compile(
    r'\s*\$\.([A-Za-z0-9_.\-\[\]]+)\s*(=|!=|<=|>=|<|>)\s*(?:"((?:[^"\\]|\\.)*)"|([^\s&|"{}]+))\s*(&&|\|\||$)'
)
OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def compile_pattern(pattern: str) -> Matcher:
    """A function that says whether a message matches.

    `a "b c" -d` wants a and "b c" and no d; `?a ?b` wants a or b; `{ $.level = "error" && $.code > 400 }` wants a
    message that is JSON with such members. The empty pattern matches everything.
    """
    stripped = pattern.strip()
    if stripped.startswith("{"):
        return _json_matcher(stripped)
    if stripped.startswith(("[", "%")):
        raise InvalidParameterException(
            message="Invalid filter pattern: space-delimited patterns and regular expressions are not implemented."
        )
    return _term_matcher(stripped)


def _term_matcher(pattern: str) -> Matcher:
    wanted: list[str] = []
    refused: list[str] = []
    one_of: list[str] = []
    position = 0
    while position < len(pattern):
        match = TERM.match(pattern, position)
        if match is None:
            raise InvalidParameterException(message="Invalid filter pattern")
        term = match[3] if match[2] is None else re.sub(r"\\(.)", r"\1", match[2])
        {"": wanted, "-": refused, "?": one_of}[match[1]].append(term)
        position = match.end()
    if wanted:
        one_of = []  # AWS ignores alternatives beside terms that must be there

    def matches(message: str) -> bool:
        return (
            all(term in message for term in wanted)
            and not any(term in message for term in refused)
            and (not one_of or any(term in message for term in one_of))
        )

    return matches


def _json_matcher(pattern: str) -> Matcher:
    if not pattern.endswith("}"):
        raise InvalidParameterException(message="Invalid filter pattern")
    body = pattern[1:-1].strip()
    groups: list[list[Callable[[Any], bool]]] = [[]]  # any of the groups, all in a group: && binds closer than ||
    position = 0
    joined = "&&"
    while joined:
        match = COMPARISON.match(body, position)
        if match is None:
            raise InvalidParameterException(message="Invalid filter pattern")
        if joined == "||":
            groups.append([])
        groups[-1].append(_comparison(match))
        joined, position = match[5], match.end()
    if position != len(body):
        raise InvalidParameterException(message="Invalid filter pattern")

    def matches(message: str) -> bool:
        try:
            content = json.loads(message)
        except (ValueError, RecursionError):
            return False
        return any(all(comparison(content) for comparison in group) for group in groups)

    return matches


def _comparison(match: re.Match[str]) -> Callable[[Any], bool]:
    path = [step for step in re.split(r"[.\[\]]+", match[1]) if step]
    compare = OPERATORS[match[2]]
    quoted, bare = match[3], match[4]
    text = quoted if quoted is not None else bare
    number = _number(bare) if bare is not None else None

    def holds(content: Any) -> bool:
        value = _member(content, path)
        if value is None:
            return False
        if number is not None and isinstance(value, int | float) and not isinstance(value, bool):
            return compare(value, number)
        if match[2] not in ("=", "!="):
            return False
        shown = json.dumps(value) if isinstance(value, bool) else str(value)
        return fnmatch.fnmatchcase(shown, text.replace("[", "[[]")) == (match[2] == "=")

    return holds


def _member(content: Any, path: list[str]) -> Any:
    for step in path:
        if isinstance(content, dict):
            content = content.get(step)
        elif isinstance(content, list) and step.isdecimal() and int(step) < len(content):
            content = content[int(step)]
        else:
            return None
    return content


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
