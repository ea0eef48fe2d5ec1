"""The constraints of a model's shapes: who breaks one is told so in AWS's words."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape

from coldframe.gateway.compiling import Memo, shape_key
from coldframe.gateway.patterns import compile_pattern

LONGEST_VALUE_SHOWN = 1024
"""Characters of a wrong value that its message repeats."""
LONGEST_VALUE_MATCHED = 8 * 1024
"""Characters up to which a value is matched against a pattern. Where a length is allowed, twice that is the limit:
some patterns take very long for long values, and the length says already that such a value is wrong."""

LONGEST_VALUE_REMEMBERED = 128
MOST_VALUES_REMEMBERED = 64
"""How many good values are remembered for each text of each operation."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One constraint that one value breaks."""

    path: str
    value: str
    """How the value is shown: `Value 'x'`, `Value null`, or `Value` alone where it is secret."""
    constraint: str
    missing: bool = False

    def __str__(self) -> str:
        return f"{self.value} at '{self.path}' failed to satisfy constraint: {self.constraint}"


Check = Callable[[Any, str, list[Problem]], None]
"""Looks at a value that sits at a path, and adds what is wrong with it."""
Constraint = Callable[[Any], bool]
"""Whether a value breaks a constraint."""


def compile_check(shape: Shape, memo: Memo) -> Check | None:
    """The constraints of a shape and of all that is in it; None if it has none."""
    key = shape_key(shape)
    if key in memo:
        known: Check | _Forward | None = memo[key]
        return known
    forward = memo[key] = _Forward()
    own = _own_constraints(shape)
    inner: Check | None = None
    if isinstance(shape, StructureShape):
        inner = _structure_check(shape, memo)
    elif isinstance(shape, ListShape):
        inner = _list_check(shape, memo)
    elif isinstance(shape, MapShape):
        inner = _map_check(shape, memo)
    found = _joined(_own_check(own, shape) if own else None, inner)
    forward.target = found
    memo[key] = found
    return found


class _Forward:
    """Stands for the check of a shape that contains itself, while it is being compiled."""

    def __init__(self) -> None:
        self.target: Check | None = None

    def __call__(self, value: Any, path: str, problems: list[Problem]) -> None:
        if self.target is not None:
            self.target(value, path, problems)


def _joined(first: Check | None, second: Check | None) -> Check | None:
    if first is None or second is None:
        return first or second
    one, other = first, second

    def both(value: Any, path: str, problems: list[Problem]) -> None:
        one(value, path, problems)
        other(value, path, problems)

    return both


def _structure_check(shape: StructureShape, memo: Memo) -> Check | None:
    checks = {name: check for name, member in shape.members.items() if (check := compile_check(member, memo))}
    required = tuple(shape.required_members)
    if not checks and not required:
        return None

    def check_structure(value: Any, path: str, problems: list[Problem]) -> None:
        if not isinstance(value, dict):
            return  # a document, which may be anything
        problems += [missing_at(f"{path}.{path_of(name)}") for name in required if name not in value]
        for name, member in value.items():
            check = checks.get(name)
            if check is not None:
                check(member, f"{path}.{path_of(name)}", problems)

    return check_structure


def _list_check(shape: ListShape, memo: Memo) -> Check | None:
    member = shape.member
    if not isinstance(member, (StructureShape, ListShape, MapShape)):
        return _check_of_all(list, member, "Member must satisfy constraint", shape)
    check = compile_check(member, memo)
    if check is None:
        return None

    def check_list(value: Any, path: str, problems: list[Problem]) -> None:
        for index, element in enumerate(value, 1):
            check(element, f"{path}.{index}.member", problems)

    return check_list


def _map_check(shape: MapShape, memo: Memo) -> Check | None:
    keys = _check_of_all(list, shape.key, "Map keys must satisfy constraint", shape)
    if not isinstance(shape.value, (StructureShape, ListShape, MapShape)):
        values = _check_of_all(lambda value: value.values(), shape.value, "Map value must satisfy constraint", shape)
        return _joined(keys, values)
    check = compile_check(shape.value, memo)
    if check is None:
        return keys

    def check_map(value: Any, path: str, problems: list[Problem]) -> None:
        for key, element in value.items():
            check(element, f"{path}.{key}.member", problems)

    return _joined(keys, check_map)


def _check_of_all(select: Callable[[Any], Any], member: Shape, wording: str, shape: Shape) -> Check | None:
    """AWS names the whole list or map, and all constraints, when one of its simple values breaks one."""
    constraints = _own_constraints(member)
    if not constraints:
        return None
    told = f"{wording}: [{', '.join(text for text, _ in constraints)}]"
    secret = _is_secret(member) or _is_secret(shape)

    def check_all(value: Any, path: str, problems: list[Problem]) -> None:
        for element in select(value):
            if any(broken(element) for _, broken in constraints):
                problems.append(Problem(path, _shown(value, secret), told))
                return

    return check_all


def _own_check(constraints: list[tuple[str, Constraint]], shape: Shape) -> Check:
    secret = _is_secret(shape)
    if shape.type_name == "string" and not secret:
        return _text_check(constraints)

    def check(value: Any, path: str, problems: list[Problem]) -> None:
        for told, broken in constraints:
            if broken(value):
                problems.append(Problem(path, _shown(value, secret), told))

    return check


def _text_check(constraints: list[tuple[str, Constraint]]) -> Check:
    """The same for text. Clients send the same names and types again and again: the last that were good are known."""
    good: set[str] = set()

    def check(value: Any, path: str, problems: list[Problem]) -> None:
        if value in good:
            return
        broken_ones = [told for told, broken in constraints if broken(value)]
        problems.extend(Problem(path, _shown(value, False), told) for told in broken_ones)
        if not broken_ones and len(value) <= LONGEST_VALUE_REMEMBERED:
            if len(good) >= MOST_VALUES_REMEMBERED:
                good.clear()
            good.add(value)

    return check


def _own_constraints(shape: Shape) -> list[tuple[str, Constraint]]:
    """What a shape's model says of its values: the words, and the test."""
    metadata = shape.metadata
    found: list[tuple[str, Constraint]] = []
    if metadata.get("enum"):
        allowed = tuple(metadata["enum"])
        found.append((f"Member must satisfy enum value set: [{', '.join(allowed)}]", _outside(frozenset(allowed))))
    of_length = shape.type_name in {"string", "blob", "list", "map"}
    kind = "length" if of_length else "value"
    if shape.serialization.get("streaming"):
        return found  # its length is known only when it has been read
    if "max" in metadata:
        most = metadata["max"]
        found.append((f"Member must have {kind} less than or equal to {most}", _above(most, of_length)))
    if "min" in metadata and not (of_length and metadata["min"] == 0):
        least = metadata["min"]
        found.append((f"Member must have {kind} greater than or equal to {least}", _below(least, of_length)))
    if shape.type_name == "string" and "pattern" in metadata:
        pattern = metadata["pattern"]
        longest = min(2 * metadata.get("max", LONGEST_VALUE_MATCHED), LONGEST_VALUE_MATCHED)
        found.append((f"Member must satisfy regular expression pattern: {pattern}", _unlike(pattern, longest)))
    return found


def _outside(allowed: frozenset[str]) -> Constraint:
    return lambda value: value not in allowed


def _above(most: float, of_length: bool) -> Constraint:
    return (lambda value: len(value) > most) if of_length else (lambda value: value > most)


def _below(least: float, of_length: bool) -> Constraint:
    return (lambda value: len(value) < least) if of_length else (lambda value: value < least)


def _unlike(pattern: str, longest: int) -> Constraint:
    def unlike(value: Any) -> bool:
        if len(value) > longest:
            return False
        expression = compile_pattern(pattern)  # here and not earlier: most patterns are never needed
        return expression is not None and expression.fullmatch(value) is None

    return unlike


def path_of(name: str) -> str:
    """A member's name as AWS writes it in such messages."""
    return name[0].lower() + name[1:]


def missing_at(path: str) -> Problem:
    """That a required value is not there."""
    return Problem(path, "Value null", "Member must not be null", missing=True)


def _is_secret(shape: Shape) -> bool:
    return bool(shape.metadata.get("sensitive")) or shape.type_name == "blob"


def _shown(value: Any, secret: bool) -> str:
    if secret:
        return "Value"
    text = _as_java_shows(value)
    if len(text) > LONGEST_VALUE_SHOWN:
        text = text[:LONGEST_VALUE_SHOWN] + "..."
    return f"Value '{text}'"


def _as_java_shows(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}={_as_java_shows(element)}" for key, element in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_as_java_shows(element) for element in value) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
