"""Reads values of shapes out of XML, as REST-XML's requests have them."""

from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree as ET

from botocore.model import ListShape, MapShape, Shape, StructureShape

from coldframe.gateway.compiling import Memo, compile_once
from coldframe.gateway.protocols.scalars import (
    WrongValue,
    boolean_from_text,
    bytes_from_base64,
    float_from_text,
    integer_from_text,
    timestamp_from_text,
)

DEEPEST_NESTING = 100

Element = ET.Element
Parse = Callable[[Element], Any]
ParseAll = Callable[[list[Element]], Any]
"""Takes all elements of one name: a flattened list has several."""


def decode_xml(body: bytes) -> Element:
    """The root of a document; WrongValue if it is none."""
    if b"<!" in body and (b"<!DOCTYPE" in body or b"<!ENTITY" in body):
        raise WrongValue("A document type is not allowed")  # no client sends one; entities can be made to explode
    parser = ET.XMLParser(target=_ShallowBuilder(), encoding="utf-8")  # noqa: S314 - no document type, no entities
    try:
        parser.feed(body)
        root: Element = parser.close()
    except (ET.ParseError, ValueError, LookupError) as error:
        raise WrongValue("The XML is not well-formed") from error
    return root


class _ShallowBuilder(ET.TreeBuilder):
    """Builds a tree that functions can walk without going too deep."""

    def __init__(self) -> None:
        super().__init__()
        self._depth = 0

    def start(self, tag: str, attrs: dict[str, str], /) -> Element:
        self._depth += 1
        if self._depth > DEEPEST_NESTING:
            raise ValueError("nested too deeply")
        return super().start(tag, attrs)

    def end(self, tag: str, /) -> Element:
        self._depth -= 1
        return super().end(tag)


def local_name(tag: str) -> str:
    """A tag or attribute without its namespace."""
    return tag.rpartition("}")[2]


def compile_parser(shape: Shape, memo: Memo) -> ParseAll:
    """A function from all elements of a member's name to its value. It raises WrongValue."""
    if isinstance(shape, ListShape) and shape.serialization.get("flattened"):
        parse = compile_element_parser(shape.member, memo)
        return lambda elements: [parse(element) for element in elements]
    if isinstance(shape, MapShape) and shape.serialization.get("flattened"):
        return _map_parser(shape, memo)
    parse_one = compile_element_parser(shape, memo)
    return lambda elements: parse_one(elements[0])


def compile_element_parser(shape: Shape, memo: Memo) -> Parse:
    """A function from one element to its value."""
    if isinstance(shape, StructureShape):
        return compile_once(shape, memo, lambda: structure_parser(shape, set(shape.members), memo))
    if isinstance(shape, ListShape):
        parse = compile_element_parser(shape.member, memo)
        return lambda element: [parse(child) for child in element]
    if isinstance(shape, MapShape):
        parse_entries = _map_parser(shape, memo)
        return lambda element: parse_entries(list(element))
    from_text = text_parser(shape)
    return lambda element: from_text(element.text or "")


def structure_parser(shape: StructureShape, names: set[str], memo: Memo) -> Parse:
    """A parser of those members of a structure that `names` lists."""
    attributes: dict[str, tuple[str, Callable[[str], Any]]] = {}
    members: dict[str, tuple[str, ParseAll]] = {}
    for name, member in shape.members.items():
        if name not in names:
            continue
        wire = member.serialization.get("name", name)
        if member.serialization.get("xmlAttribute"):
            attributes[wire.rpartition(":")[2]] = (name, text_parser(member))
        else:
            parse = compile_parser(member, memo)
            members[wire] = (name, parse)
            # A flattened list's elements may be called as their own shape says, too.
            members.setdefault(wire_name(name, member), (name, parse))

    def parse_structure(element: Element) -> dict[str, Any]:
        children: dict[str, Any] = {}
        for child in element:
            children.setdefault(child.tag.rpartition("}")[2], []).append(child)
        found = _parse_all(children, members)
        if attributes:
            found |= _parse_all({local_name(tag): text for tag, text in element.attrib.items()}, attributes)
        return found

    return parse_structure


def _parse_all(texts: dict[str, Any], members: dict[str, tuple[str, Callable[[Any], Any]]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for wire, text in texts.items():
        known = members.get(wire)
        if known is not None:
            found[known[0]] = _at(known[0], known[1], text)
    return found


def _at(name: str, parse: Callable[[Any], Any], value: Any) -> Any:
    try:
        return parse(value)
    except WrongValue as error:
        error.path.append(name[0].lower() + name[1:])
        raise


def _map_parser(shape: MapShape, memo: Memo) -> ParseAll:
    key_name = shape.key.serialization.get("name", "key")
    value_name = shape.value.serialization.get("name", "value")
    parse_key = compile_element_parser(shape.key, memo)
    parse_value = compile_element_parser(shape.value, memo)

    def parse_entries(entries: list[Element]) -> dict[str, Any]:
        found = {}
        for entry in entries:
            parts = {local_name(part.tag): part for part in entry}
            if key_name not in parts or value_name not in parts:
                raise WrongValue("An entry of a map needs a key and a value")
            found[parse_key(parts[key_name])] = parse_value(parts[value_name])
        return found

    return parse_entries


def text_parser(shape: Shape) -> Callable[[str], Any]:
    """A function from text, of an element, header, form or query string, to a simple value. It raises WrongValue."""
    kind = shape.type_name
    if kind in {"integer", "long"}:
        return lambda text: integer_from_text(text, kind)
    return _TEXT_PARSERS[kind]


_TEXT_PARSERS: dict[str, Callable[[str], Any]] = {
    "string": str,
    "character": str,
    "float": float_from_text,
    "double": float_from_text,
    "boolean": boolean_from_text,
    "blob": bytes_from_base64,
    "timestamp": timestamp_from_text,
}


def wire_name(name: str, member: Shape) -> str:
    """A flattened list's elements are called as its member says, where it says so."""
    if isinstance(member, ListShape) and member.serialization.get("flattened"):
        of_element: str | None = member.member.serialization.get("name")
        if of_element is not None:
            return of_element
    wire: str = member.serialization.get("name", name)
    return wire
