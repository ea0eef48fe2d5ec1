"""Writes values of shapes as XML, as the query protocols' and REST-XML's answers have them."""

import re
from collections.abc import Callable
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape

from coldframe.gateway.compiling import Memo, compile_once
from coldframe.gateway.protocols.nested_values import unknown_member
from coldframe.gateway.protocols.scalars import base64_from_bytes, float_to_text, timestamp_to_text
from coldframe.gateway.protocols.xml_reading import wire_name

DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'

Write = Callable[[Any, str, list[str]], None]
"""Writes a value as elements of a name."""
ToText = Callable[[Any], str]

_SPECIAL = re.compile('[&<>"\\x00-\\x1f\\x7f-\\x9f\\ud800-\\udfff\\ufffe\\uffff]')
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\t": "&#x9;", "\n": "&#xA;", "\r": "&#xD;"}


def escape(text: str) -> str:
    """Text as XML has it. A character that XML cannot hold in any way becomes U+FFFD, so that clients can read on."""
    return _SPECIAL.sub(_escape_one, text) if _SPECIAL.search(text) else text


def _escape_one(found: re.Match[str]) -> str:
    character = found.group()
    entity = _ENTITIES.get(character)
    if entity is not None:
        return entity
    return f"&#x{ord(character):X};" if "\x7f" <= character <= "\x9f" else "\ufffd"


def text_writer(shape: Shape, timestamp_style: str = "iso8601", *, always_milliseconds: bool = False) -> ToText:
    """A function from a simple value to its text."""
    if shape.type_name == "timestamp":
        style = shape.serialization.get("timestampFormat", timestamp_style).lower()
        return lambda value: timestamp_to_text(value, style, always_milliseconds=always_milliseconds)
    return _TEXT_WRITERS.get(shape.type_name, str)


_TEXT_WRITERS: dict[str, ToText] = {
    "boolean": lambda value: "true" if value else "false",
    "float": float_to_text,
    "double": float_to_text,
    "blob": base64_from_bytes,
    "integer": lambda value: str(int(value)),
    "long": lambda value: str(int(value)),
}


class Writers:
    """Compiles functions that write values as XML, in one protocol's way."""

    def __init__(self, *, always_milliseconds: bool = False) -> None:
        self._always_milliseconds = always_milliseconds
        self._memo: Memo = {}

    def compile(self, shape: Shape) -> Write:
        """A function that writes a value of a shape as elements of a name."""
        if isinstance(shape, StructureShape):
            return self._structure(shape)
        if isinstance(shape, ListShape):
            return self._list(shape)
        if isinstance(shape, MapShape):
            return self._map(shape)
        to_text = text_writer(shape, always_milliseconds=self._always_milliseconds)

        def write_text(value: Any, name: str, out: list[str]) -> None:
            text = escape(to_text(value))
            out.append(f"<{name}>{text}</{name}>" if text else f"<{name}/>")

        return write_text

    def members(self, shape: StructureShape, names: set[str]) -> Callable[[Any, list[str]], None]:
        """A function that writes those members of a structure that `names` lists, without an element around them."""
        members: dict[str, tuple[str, Write]] = {}
        for name, member in shape.members.items():
            if name in names and not member.serialization.get("xmlAttribute"):
                members[name] = (wire_name(name, member), self.compile(member))

        def write_members(value: Any, out: list[str]) -> None:
            for name, member in value.items():
                known = members.get(name)
                if known is not None and member is not None:
                    known[1](member, known[0], out)
                elif known is None and name not in shape.members:
                    raise unknown_member(shape.name, name)

        return write_members

    def _structure(self, shape: StructureShape) -> Write:
        return compile_once(shape, self._memo, lambda: self._make_structure(shape))

    def _make_structure(self, shape: StructureShape) -> Write:
        write_members = self.members(shape, set(shape.members))
        namespace = namespace_attribute(shape)
        attributes = [
            (name, member.serialization["name"], text_writer(member))
            for name, member in shape.members.items()
            if member.serialization.get("xmlAttribute")
        ]

        def write_structure(value: Any, name: str, out: list[str]) -> None:
            written = "".join(
                f' {wire}="{escape(to_text(value[member]))}"'
                for member, wire, to_text in attributes
                if value.get(member) is not None
            )
            out.append(f"<{name}{namespace}{written}>")
            write_members(value, out)
            out.append(f"</{name}>")

        return write_structure

    def _list(self, shape: ListShape) -> Write:
        write = self.compile(shape.member)
        if shape.serialization.get("flattened"):

            def write_flat(value: Any, name: str, out: list[str]) -> None:
                for element in value:
                    write(element, name, out)

            return write_flat
        element_name = shape.member.serialization.get("name", "member")

        def write_list(value: Any, name: str, out: list[str]) -> None:
            out.append(f"<{name}>")
            for element in value:
                write(element, element_name, out)
            out.append(f"</{name}>")

        return write_list

    def _map(self, shape: MapShape) -> Write:
        key_name = shape.key.serialization.get("name", "key")
        value_name = shape.value.serialization.get("name", "value")
        write_key, write_value = self.compile(shape.key), self.compile(shape.value)
        flattened = shape.serialization.get("flattened")

        def write_map(value: Any, name: str, out: list[str]) -> None:
            entry = name if flattened else "entry"
            if not flattened:
                out.append(f"<{name}>")
            for key, element in value.items():
                out.append(f"<{entry}>")
                write_key(key, key_name, out)
                write_value(element, value_name, out)
                out.append(f"</{entry}>")
            if not flattened:
                out.append(f"</{name}>")

        return write_map


def namespace_attribute(shape: Shape) -> str:
    """The xmlns attribute that a shape's element carries, with a space before it; empty where there is none."""
    namespace = shape.serialization.get("xmlNamespace")
    if not namespace:
        return ""
    if isinstance(namespace, str):
        return f' xmlns="{escape(namespace)}"'
    prefix = f":{namespace['prefix']}" if namespace.get("prefix") else ""
    return f' xmlns{prefix}="{escape(namespace["uri"])}"'
