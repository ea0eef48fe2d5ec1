"""Structures, lists and maps as JSON and CBOR have them: alike in both, but for the words of a refusal."""

from collections.abc import Callable
from typing import Any

from coldframe.gateway.protocols.scalars import WrongValue

Convert = Callable[[Any], Any]
"""From a decoded value to the parameter that it stands for, or back. The first raises WrongValue."""
Refuse = Callable[[Any, str], WrongValue]
"""The error for a value that is not of the wanted kind: `structure`, `list` or `map`."""


def structure_parser(members: list[tuple[str, str, Convert]], *, is_union: bool, refuse: Refuse) -> Convert:
    """A parser of structures. Members come as (name in the model, name on the wire, parser)."""

    def parse_structure(value: Any) -> Any:
        if type(value) is not dict:
            raise refuse(value, "structure")
        found: dict[str, Any] = {}
        name = ""
        try:
            for name, wire, parse in members:
                member = value.get(wire)
                if member is not None:
                    found[name] = parse(member)
        except WrongValue as error:
            error.path.append(name[0].lower() + name[1:])
            raise
        if is_union and len(found) != 1:
            raise WrongValue("A union must have exactly one member set")
        return found

    return parse_structure


def list_parser(parse: Convert, refuse: Refuse) -> Convert:
    """A parser of lists."""

    def parse_list(value: Any) -> Any:
        if type(value) is not list:
            raise refuse(value, "list")
        return [parse(element) for element in value]

    return parse_list


def map_parser(parse_key: Convert, parse: Convert, refuse: Refuse) -> Convert:
    """A parser of maps."""

    def parse_map(value: Any) -> Any:
        if type(value) is not dict:
            raise refuse(value, "map")
        return {parse_key(key): parse(element) for key, element in value.items()}

    return parse_map


def structure_serializer(shape: str, members: dict[str, tuple[str, Convert]]) -> Convert:
    """A serializer of structures. Members are (name on the wire, serializer) by their names in the model."""

    def serialize_structure(value: Any) -> Any:
        wired: dict[str, Any] = {}
        for name, member in value.items():
            if member is None:
                continue
            known = members.get(name)
            if known is None:
                raise unknown_member(shape, name)
            wired[known[0]] = known[1](member)
        return wired

    return serialize_structure


def unknown_member(shape: str, member: str) -> ValueError:
    """The fault of an operation that answers with what its model does not have."""
    return ValueError(f"AWS's model of {shape} has no member {member}")
