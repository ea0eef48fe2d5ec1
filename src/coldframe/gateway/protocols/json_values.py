"""JSON values of shapes, as the JSON protocols and the bodies of REST-JSON have them."""

import json
import math
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape

from coldframe.gateway.compiling import Memo, compile_once
from coldframe.gateway.errors import SerializationException
from coldframe.gateway.protocols import nested_values
from coldframe.gateway.protocols.nested_values import Convert, list_parser, map_parser
from coldframe.gateway.protocols.scalars import (
    WrongValue,
    base64_from_bytes,
    bytes_from_base64,
    integer_in_bounds,
    number_of_timestamp,
    special_float_name,
    timestamp_from_number,
    timestamp_from_text,
    timestamp_to_text,
)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False)


def decode_json(body: bytes) -> Any:
    """The value that a JSON text stands for; SerializationException if it is none."""
    try:
        text = body.decode("utf-8")
        value = _DECODER.decode(text)
        if "\\u" in text:
            _ENCODER.encode(value).encode("utf-8")  # half of a surrogate pair is no character
    except (ValueError, RecursionError) as error:
        raise SerializationException(message=f"The request body is not valid JSON: {_reason(error)}") from error
    return value


def encode_json(value: Any) -> bytes:
    """A JSON text."""
    return _ENCODER.encode(value).encode("utf-8", "replace")


def _reason(error: Exception) -> str:
    if isinstance(error, UnicodeError):
        return "it is not UTF-8"
    return str(error) if isinstance(error, ValueError) else "it is nested too deeply"


def kind_of(value: Any) -> str:
    """What AWS calls a JSON value of the wrong type."""
    if value is None:
        return "NULL_VALUE"
    if isinstance(value, bool):
        return "TRUE_VALUE" if value else "FALSE_VALUE"
    if isinstance(value, str):
        return "STRING_VALUE"
    if isinstance(value, int):
        return "NUMBER_VALUE"
    if isinstance(value, float):
        return "DECIMAL_VALUE"
    return "START_ARRAY" if isinstance(value, list) else "START_OBJECT"


def _wrong(value: Any, wanted: str) -> WrongValue:
    if isinstance(value, dict):
        return WrongValue("Start of structure or map found where not expected.")
    if isinstance(value, list):
        return WrongValue("Start of list found where not expected.")
    if wanted in {"structure", "map", "list"}:
        return WrongValue("Unexpected field type")
    return WrongValue(f"{kind_of(value)} can not be converted to {'an' if wanted[0] in 'IA' else 'a'} {wanted}")


def compile_parser(shape: Shape, memo: Memo) -> Convert:
    """A function from a decoded JSON value to the parameter that it stands for. It raises WrongValue."""
    if isinstance(shape, (StructureShape, ListShape, MapShape)):
        return compile_once(shape, memo, lambda: _compile_nested_parser(shape, memo))
    return _SCALAR_PARSERS[shape.type_name]


def _compile_nested_parser(shape: Shape, memo: Memo) -> Convert:
    if isinstance(shape, StructureShape):
        if shape.is_document_type:
            return _identity
        names = {name: member.serialization.get("name", name) for name, member in shape.members.items()}
        return structure_parser(shape, names, memo)
    if isinstance(shape, ListShape):
        return list_parser(compile_parser(shape.member, memo), _wrong)
    if isinstance(shape, MapShape):
        return map_parser(_identity, compile_parser(shape.value, memo), _wrong)
    raise TypeError(shape.type_name)


def structure_parser(shape: StructureShape, names: dict[str, str], memo: Memo) -> Convert:
    """A parser of those members of a structure that `names` lists, each with its name on the wire."""
    members = [(name, wire, compile_parser(shape.members[name], memo)) for name, wire in names.items()]
    return nested_values.structure_parser(members, is_union=shape.is_tagged_union, refuse=_wrong)


def _identity(value: Any) -> Any:
    return value


def _parse_string(value: Any) -> Any:
    if type(value) is str:
        return value
    raise _wrong(value, "String")


def _parse_integer_of(kind: str) -> Convert:
    called = "Integer" if kind == "integer" else "Long"

    def parse_integer(value: Any) -> Any:
        if type(value) is int:
            return integer_in_bounds(value, kind)
        if type(value) is float and value.is_integer():
            return integer_in_bounds(int(value), kind)
        raise _wrong(value, called)

    return parse_integer


def _parse_float(value: Any) -> Any:
    if type(value) is float:
        return value
    try:
        if type(value) is int:
            return float(value)
    except OverflowError as error:
        raise WrongValue("The number is too large") from error
    if value in ("NaN", "Infinity", "-Infinity"):
        return float(value)
    raise _wrong(value, "Double")


def _parse_boolean(value: Any) -> Any:
    if value is True or value is False:
        return value
    raise _wrong(value, "Boolean")


def _parse_blob(value: Any) -> Any:
    if type(value) is str:
        return bytes_from_base64(value)
    raise _wrong(value, "Blob")


def _parse_timestamp(value: Any) -> Any:
    if type(value) is int or type(value) is float:
        return timestamp_from_number(value)
    if type(value) is str:
        return timestamp_from_text(value)
    raise _wrong(value, "Timestamp")


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
    """A function from a parameter to what `encode_json` takes."""
    if isinstance(shape, (StructureShape, ListShape, MapShape)):
        return compile_once(shape, memo, lambda: _compile_nested_serializer(shape, memo))
    if shape.type_name == "timestamp":
        return _timestamp_serializer(shape)
    return _SCALAR_SERIALIZERS.get(shape.type_name, _identity)


def _compile_nested_serializer(shape: Shape, memo: Memo) -> Convert:
    if isinstance(shape, StructureShape):
        if shape.is_document_type:
            return _identity
        names = {name: member.serialization.get("name", name) for name, member in shape.members.items()}
        return structure_serializer(shape, names, memo)
    if isinstance(shape, ListShape):
        serialize = compile_serializer(shape.member, memo)
        return lambda value: [serialize(element) for element in value]
    if isinstance(shape, MapShape):
        serialize = compile_serializer(shape.value, memo)
        return lambda value: {key: serialize(element) for key, element in value.items()}
    raise TypeError(shape.type_name)


def structure_serializer(shape: StructureShape, names: dict[str, str], memo: Memo) -> Convert:
    """A serializer of those members of a structure that `names` lists, each with its name on the wire."""
    members = {name: (wire, compile_serializer(shape.members[name], memo)) for name, wire in names.items()}
    return nested_values.structure_serializer(shape.name, members)


def _timestamp_serializer(shape: Shape) -> Convert:
    style = shape.serialization.get("timestampFormat", "unixtimestamp").lower()
    if style == "unixtimestamp":
        return number_of_timestamp
    return lambda value: timestamp_to_text(value, style)


def _serialize_float(value: Any) -> Any:
    number = float(value)
    return number if math.isfinite(number) else special_float_name(number)


_SCALAR_SERIALIZERS: dict[str, Convert] = {
    "integer": int,
    "long": int,
    "float": _serialize_float,
    "double": _serialize_float,
    "boolean": bool,
    "blob": base64_from_bytes,
}
