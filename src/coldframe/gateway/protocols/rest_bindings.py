"""Where in a REST request or answer each member of an operation's input or output travels."""

import json
from collections.abc import Callable
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape

from coldframe.gateway.protocols.scalars import WrongValue, base64_from_bytes, bytes_from_base64, date_from_header
from coldframe.gateway.protocols.xml_reading import text_parser
from coldframe.gateway.protocols.xml_writing import text_writer

FromText = Callable[[str], Any]
ToText = Callable[[Any], str]


class InputBindings:
    """Where in a request each member of an operation's input is."""

    def __init__(self, shape: StructureShape | None) -> None:
        self.path: list[tuple[str, str, FromText]] = []
        self.headers: dict[str, tuple[str, FromText]] = {}
        self.header_maps: list[tuple[str, str]] = []
        self.query: dict[str, tuple[str, Shape]] = {}
        self.query_map: str | None = None
        self.body: dict[str, Shape] = {}
        self.payload: str | None = shape.serialization.get("payload") if shape else None
        for name, member in shape.members.items() if shape else ():
            self._bind(name, member)

    def _bind(self, name: str, member: Shape) -> None:
        wire = member.serialization.get("name", name)
        location = member.serialization.get("location")
        if location == "uri":
            self.path.append((wire, name, text_parser(member)))
        elif location == "header":
            self.headers[wire.lower()] = (name, header_parser(member))
        elif location == "headers":
            self.header_maps.append((wire.lower(), name))
        elif location == "querystring" and isinstance(member, MapShape):
            self.query_map = name
        elif location == "querystring":
            self.query[wire] = (name, member)
        else:
            self.body[name] = member


class OutputBindings:
    """Where in an answer each member of an operation's output goes."""

    def __init__(self, shape: StructureShape | None, method: str) -> None:
        self.headers: dict[str, tuple[bytes, ToText]] = {}
        self.header_maps: dict[str, str] = {}
        self.status: str | None = None
        self.body: dict[str, Shape] = {}
        self.dropped: set[str] = set()
        self.payload: str | None = shape.serialization.get("payload") if shape else None
        for name, member in shape.members.items() if shape else ():
            self._bind(name, member, method)

    def _bind(self, name: str, member: Shape, method: str) -> None:
        wire = member.serialization.get("name", name)
        location = member.serialization.get("location")
        if location == "header":
            if wire.lower() == "content-length" and method != "HEAD":
                self.dropped.add(name)  # the server says how long a body is that it sends
            else:
                self.headers[name] = (wire.lower().encode(), header_writer(member))
        elif location == "headers":
            self.header_maps[name] = wire.lower()
        elif location == "statusCode":
            self.status = name
        else:
            self.body[name] = member


def header_parser(shape: Shape) -> FromText:
    """A function from a header's text to a value. It raises WrongValue."""
    if isinstance(shape, ListShape):
        element = text_parser(shape.member)
        return lambda text: [element(part) for part in _split_list(text)]
    if shape.serialization.get("jsonvalue"):
        return _json_from_header
    if shape.type_name == "timestamp" and "timestampFormat" not in shape.serialization:
        return date_from_header
    return text_parser(shape)


def _split_list(text: str) -> list[str]:
    """The elements of a header's list; those with commas in them are quoted."""
    if '"' not in text:
        return [part.strip() for part in text.split(",")]
    parts: list[str] = []
    current: list[str] = []
    quoted = escaped = False
    for character in text:
        if escaped:
            current.append(character)
            escaped = False
        elif quoted and character == "\\":
            escaped = True
        elif character == '"':
            quoted = not quoted
        elif character == "," and not quoted:
            parts.append("".join(current).strip())
            current = []
        else:
            current.append(character)
    return [*parts, "".join(current).strip()]


def _json_from_header(text: str) -> Any:
    try:
        return json.loads(bytes_from_base64(text))
    except (ValueError, RecursionError) as error:
        raise WrongValue("The header does not hold JSON in base64") from error


def header_writer(shape: Shape) -> ToText:
    """A function from a value to a header's text."""
    if isinstance(shape, ListShape):
        element = text_writer(shape.member, "rfc822")
        return lambda value: ",".join(element(part) for part in value)
    if shape.serialization.get("jsonvalue"):
        return lambda value: base64_from_bytes(json.dumps(value))
    return text_writer(shape, "rfc822")
