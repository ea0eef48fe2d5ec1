"""Values of shapes in the flat names of a form, `Filter.1.Value.2=x`, as the query protocols' requests have them."""

from collections.abc import Callable
from typing import Any
from urllib.parse import unquote_to_bytes

from botocore.model import ListShape, MapShape, Shape, StructureShape

from coldframe.gateway.compiling import Memo, compile_once
from coldframe.gateway.protocols.scalars import WrongValue
from coldframe.gateway.protocols.xml_reading import text_parser

MOST_FIELDS = 100_000
DEEPEST_NESTING = 60


class Field:
    """A place in a form: what is set there, and the places below it."""

    __slots__ = ("below", "text")

    def __init__(self) -> None:
        self.text: str | None = None
        self.below: dict[str, Field] = {}


Parse = Callable[[Field], Any]


def decode_pairs(encoded: str) -> list[tuple[str, str]]:
    """The names and values of a query string or form; WrongValue if they are no text."""
    pairs = []
    for part in encoded.split("&"):
        if part:
            name, _, value = part.partition("=")
            pairs.append((decode_component(name), decode_component(value)))
    if len(pairs) > MOST_FIELDS:
        raise WrongValue("The request has too many fields")
    return pairs


def decode_component(encoded: str) -> str:
    """A name or value of a query string or form, with plus signs as spaces."""
    if "%" not in encoded:
        return encoded.replace("+", " ") if "+" in encoded else encoded
    try:
        return unquote_to_bytes(encoded.replace("+", " ")).decode("utf-8")
    except UnicodeError as error:
        raise WrongValue("The request is not UTF-8") from error


def field_tree(pairs: list[tuple[str, str]]) -> Field:
    """Sort fields by the parts of their names."""
    root = Field()
    for name, value in pairs:
        parts = name.split(".")
        if len(parts) > DEEPEST_NESTING:
            raise WrongValue("A name is nested too deeply")
        field = root
        for part in parts:
            below = field.below.get(part)
            if below is None:
                below = field.below[part] = Field()
            field = below
        field.text = value
    return root


class FormParsers:
    """Compiles functions that read values out of a form."""

    def __init__(self, *, ec2: bool) -> None:
        """Read as the query protocol, or as EC2's variant of it."""
        self._ec2 = ec2
        self._memo: Memo = {}

    def compile(self, shape: Shape) -> Parse:
        """A function from the place of a value to the value. It raises WrongValue."""
        if isinstance(shape, StructureShape):
            return compile_once(shape, self._memo, lambda: self._structure(shape))
        if isinstance(shape, ListShape):
            return self._list(shape)
        if isinstance(shape, MapShape):
            return self._map(shape)
        from_text = text_parser(shape)

        def parse_text(field: Field) -> Any:
            if field.text is None:
                raise WrongValue("A simple value was expected")
            return from_text(field.text)

        return parse_text

    def _wire_name(self, name: str, shape: Shape) -> str:
        traits = shape.serialization
        if not self._ec2:
            plain: str = traits.get("name", name)
            return plain
        if "queryName" in traits:
            given: str = traits["queryName"]
            return given
        lower: str = traits.get("name", name)
        return lower[0].upper() + lower[1:] if "name" in traits else lower

    def _structure(self, shape: StructureShape) -> Parse:
        members: list[tuple[str, str, Parse]] = []
        for name, member in shape.members.items():
            parse = self.compile(member)
            wire = self._wire_name(name, member)
            members.append((name, wire, parse))
            if not self._ec2 and isinstance(member, ListShape) and member.serialization.get("flattened"):
                of_element = member.member.serialization.get("name")
                if of_element is not None and of_element != wire:
                    members.append((name, of_element, parse))

        def parse_structure(field: Field) -> Any:
            found: dict[str, Any] = {}
            below = field.below
            for name, wire, parse in members:
                place = below.get(wire)
                if place is not None:
                    try:
                        found[name] = parse(place)
                    except WrongValue as error:
                        error.path.append(name[0].lower() + name[1:])
                        raise
            return found

        return parse_structure

    def _list(self, shape: ListShape) -> Parse:
        parse = self.compile(shape.member)
        flattened = self._ec2 or shape.serialization.get("flattened")
        element_name = shape.member.serialization.get("name", "member")

        def parse_list(field: Field) -> Any:
            place: Field | None = field if flattened else field.below.get(element_name)
            return [parse(element) for element in _in_order(place)] if place is not None else []

        return parse_list

    def _map(self, shape: MapShape) -> Parse:
        parse_key, parse_value = self.compile(shape.key), self.compile(shape.value)
        key_name = self._wire_name("key", shape.key)
        value_name = self._wire_name("value", shape.value)
        flattened = shape.serialization.get("flattened")

        def parse_map(field: Field) -> Any:
            place: Field | None = field if flattened else field.below.get("entry")
            found: dict[str, Any] = {}
            for entry in _in_order(place) if place is not None else ():
                if key_name not in entry.below or value_name not in entry.below:
                    raise WrongValue("An entry of a map needs a key and a value")
                found[parse_key(entry.below[key_name])] = parse_value(entry.below[value_name])
            return found

        return parse_map


def _in_order(place: Field) -> list[Field]:
    """The elements of a list, by their numbers."""
    numbered: list[tuple[int, Field]] = []
    for part, below in place.below.items():
        if not (part.isascii() and part.isdigit()) or len(part) > 9:
            raise WrongValue(f"'{part[:40]}' is not the number of an element")
        numbered.append((int(part), below))
    numbered.sort(key=lambda element: element[0])
    return [below for _, below in numbered]
