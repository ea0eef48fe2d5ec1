"""CBOR values of shapes, as Smithy RPC v2 has them."""

from datetime import datetime
from typing import Any

import cbor2
from botocore.model import ListShape, MapShape, Shape, StructureShape

from coldframe.gateway.compiling import Memo, compile_once
from coldframe.gateway.errors import SerializationException
from coldframe.gateway.protocols import nested_values
from coldframe.gateway.protocols.nested_values import Convert, list_parser, map_parser
from coldframe.gateway.protocols.scalars import WrongValue, integer_in_bounds, seconds_of, timestamp_from_number

DEEPEST_NESTING = 100


def decode_cbor(body: bytes) -> Any:
    """The value that a CBOR text stands for; SerializationException if it is none."""
    try:
        return cbor2.loads(body, semantic_decoders=_TAGS, max_depth=DEEPEST_NESTING)
    except Exception as error:
        # The decoder raises what it meets on its way (overflow, memory, wrong text), not only errors of its own.
        raise SerializationException(message="The request body is not valid CBOR") from error


def _decode_timestamp(value: Any, _immutable: bool) -> Any:
    if type(value) is int or type(value) is float:
        return timestamp_from_number(value)
    raise ValueError("a timestamp is a number")


def _refuse_tag(_value: Any, _immutable: bool) -> Any:
    raise ValueError("the protocol has no tag but that of timestamps")


# The decoder knows many tags by itself, among them regular expressions and shared references, which no client sends.
_TAGS = dict.fromkeys((*range(300), 1004, 43000, 55799), _refuse_tag) | {1: _decode_timestamp}


def _plain(value: Any, wanted: str) -> WrongValue:
    return WrongValue(f"{type(value).__name__} can not be converted to {wanted}")


def compile_parser(shape: Shape, memo: Memo) -> Convert:
    """A function from a decoded CBOR value to the parameter that it stands for. It raises WrongValue."""
    if not isinstance(shape, (StructureShape, ListShape, MapShape)):
        return _SCALAR_PARSERS[shape.type_name]
    return compile_once(shape, memo, lambda: _nested_parser(shape, memo))


def _nested_parser(shape: StructureShape | ListShape | MapShape, memo: Memo) -> Convert:
    if isinstance(shape, StructureShape):
        return _structure_parser(shape, memo)
    if isinstance(shape, ListShape):
        return list_parser(compile_parser(shape.member, memo), _not_nested)
    return map_parser(_parse_string, compile_parser(shape.value, memo), _not_nested)


def _structure_parser(shape: StructureShape, memo: Memo) -> Convert:
    members = [
        (name, member.serialization.get("name", name), compile_parser(member, memo))
        for name, member in shape.members.items()
    ]
    return nested_values.structure_parser(members, is_union=shape.is_tagged_union, refuse=_not_nested)


def _not_nested(value: Any, wanted: str) -> WrongValue:
    return _plain(value, f"a {wanted}")


def _parse_string(value: Any) -> Any:
    if type(value) is str:
        return value
    raise _plain(value, "a string")


def _parse_integer_of(kind: str) -> Convert:
    def parse_integer(value: Any) -> Any:
        if type(value) is int:
            return integer_in_bounds(value, kind)
        if type(value) is float and value.is_integer():
            return integer_in_bounds(int(value), kind)
        raise _plain(value, "an integer")

    return parse_integer


def _parse_float(value: Any) -> Any:
    if type(value) is float:
        return value
    if type(value) is int:
        try:
            return float(value)
        except OverflowError as error:
            raise WrongValue("The number is too large") from error
    raise _plain(value, "a number")


def _parse_boolean(value: Any) -> Any:
    if type(value) is bool:
        return value
    raise _plain(value, "a boolean")


def _parse_blob(value: Any) -> Any:
    if type(value) is bytes:
        return value
    raise _plain(value, "a blob")


def _parse_timestamp(value: Any) -> Any:
    if isinstance(value, datetime):
        return value
    if type(value) is int or type(value) is float:
        return timestamp_from_number(value)
    raise _plain(value, "a timestamp")


_SCALAR_PARSERS: dict[str, Convert] = {
    "string": _parse_string,
    "character": _parse_string,
    "integer": _parse_integer_of("integer"),
    "long": _parse_integer_of("long"),
    "float": _parse_float,
    "double": _parse_float,
    "boolean": _parse_boolean,
    "blob": _parse_blob,
    "timestamp": _parse_timestamp,
}


def compile_serializer(shape: Shape, memo: Memo) -> Convert:
    """A function from a parameter to what the CBOR encoder takes."""
    if not isinstance(shape, (StructureShape, ListShape, MapShape)):
        return _SCALAR_SERIALIZERS.get(shape.type_name, lambda value: value)
    return compile_once(shape, memo, lambda: _nested_serializer(shape, memo))


def _nested_serializer(shape: StructureShape | ListShape | MapShape, memo: Memo) -> Convert:
    if isinstance(shape, StructureShape):
        return _structure_serializer(shape, memo)
    if isinstance(shape, ListShape):
        serialize = compile_serializer(shape.member, memo)
        return lambda value: [serialize(element) for element in value]
    of_value = compile_serializer(shape.value, memo)
    return lambda value: {name: of_value(element) for name, element in value.items()}


def _structure_serializer(shape: StructureShape, memo: Memo) -> Convert:
    members = {
        name: (member.serialization.get("name", name), compile_serializer(member, memo))
        for name, member in shape.members.items()
    }
    return nested_values.structure_serializer(shape.name, members)


def _serialize_blob(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(value)


def serialize_string(value: str) -> str:
    """Text that UTF-8 can hold."""
    # Half of a surrogate pair, which text of odd origin may hold, cannot be sent.
    return value if value.isascii() else value.encode("utf-8", "replace").decode()


_SCALAR_SERIALIZERS: dict[str, Convert] = {
    "string": serialize_string,
    "integer": int,
    "long": int,
    "float": float,
    "double": float,
    "boolean": bool,
    "blob": _serialize_blob,
    "timestamp": lambda value: cbor2.CBORTag(1, seconds_of(value)),
}
