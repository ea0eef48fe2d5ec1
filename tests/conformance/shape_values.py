"""Makes valid values of botocore's shapes by chance, so that every operation's codec can be tried with them."""

import struct
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape

from conformance.matching_text import text_matching

PLAIN = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
ODD = PLAIN + " !\"#$%&'()*+,./:;<=>?@[]^`{|}~äöüßéñ漢字😀\u2028\u00a0"
HEADER = PLAIN + " !#$%&'()*+./:;<=>?@[]^`{|}~"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DEEPEST = 5


class ShapeValues:
    """Makes values of one protocol's taste, from one seed."""

    def __init__(self, random: Random, protocol: str, *, fullness: float = 0.5) -> None:
        """Leave out optional members with a chance of 1 - fullness."""
        self._random = random
        self._protocol = protocol
        self._fullness = fullness
        self.gave_up = False
        """Whether a pattern was met to which no text could be made."""

    def of(self, shape: Shape, depth: int = 0, location: str | None = None) -> Any:
        """A valid value of a shape that is used at a location of a request or answer."""
        if isinstance(shape, StructureShape):
            return self._structure(shape, depth)
        if isinstance(shape, ListShape):
            low, high = self._size(shape, depth)
            return [self.of(shape.member, depth + 1, location) for _ in range(self._random.randint(low, high))]
        if isinstance(shape, MapShape):
            low, high = self._size(shape, depth)
            keys = [self.of(shape.key, depth + 1, location) for _ in range(self._random.randint(low, high))]
            if location == "headers":
                keys = [key.strip().lower().replace(" ", "-") for key in keys if key.strip()]
            return {key: self.of(shape.value, depth + 1, location) for key in keys}
        return getattr(self, f"_{shape.type_name}")(shape, location)

    def _structure(self, shape: StructureShape, depth: int) -> Any:
        if shape.is_document_type:
            return {"name": ["value", 1, 2.5, None, {"inner": True}]}
        names = list(shape.members)
        if shape.is_tagged_union:
            names = [self._random.choice(names)]
        values = {}
        for name in names:
            member = shape.members[name]
            if member.serialization.get("eventstream"):
                continue
            wanted = name in shape.required_members or shape.is_tagged_union
            if wanted or (depth < DEEPEST and self._random.random() < self._fullness):
                values[name] = self.of(member, depth + 1, member.serialization.get("location"))
        return values

    def _size(self, shape: Shape, depth: int) -> tuple[int, int]:
        low = shape.metadata.get("min", 0)
        high = min(shape.metadata.get("max", 3), low + 2)
        return (low, low) if depth >= DEEPEST else (low, max(low, high))

    def _string(self, shape: Shape, location: str | None) -> str:
        metadata = shape.metadata
        if metadata.get("enum"):
            return str(self._random.choice(metadata["enum"]))
        low = metadata.get("min", 0)
        high = min(metadata.get("max", 12), max(low, 12) + 8)
        if location == "uri":
            low = max(low, 1)
        if "pattern" in metadata:
            made = text_matching(metadata["pattern"], self._random, low, metadata.get("max", 4096))
            if made is not None and (location != "uri" or made):
                return made
            self.gave_up = True
        alphabet = HEADER if location in {"header", "headers"} else ODD
        if shape.serialization.get("jsonvalue"):
            return "text"
        text = "".join(self._random.choice(alphabet) for _ in range(self._random.randint(low, max(low, high))))
        if location in {"header", "headers"}:
            text = text.strip().ljust(low, "x")
        return text

    _character = _string

    def _number(self, shape: Shape, low: int, high: int) -> int:
        low = max(low, int(shape.metadata.get("min", low)))
        high = min(high, int(shape.metadata.get("max", high)))
        near = self._random.choice([low, high, 0, 1, -1, self._random.randint(low, high)])
        return min(max(near, low), high)

    def _integer(self, shape: Shape, location: str | None) -> int:
        if location == "statusCode":
            return self._random.choice([200, 202, 204])
        return self._number(shape, -(2**31), 2**31 - 1)

    def _long(self, shape: Shape, _location: str | None) -> int:
        return self._number(shape, -(2**63), 2**63 - 1)

    def _float(self, shape: Shape, _location: str | None) -> float:
        low, high = shape.metadata.get("min", -1000), shape.metadata.get("max", 1000)
        value = low + (high - low) * self._random.choice([0.0, 1.0, 0.5, 0.25])
        return struct.unpack(">f", struct.pack(">f", value))[0]  # so that 32 bits hold it, too

    _double = _float

    def _boolean(self, _shape: Shape, _location: str | None) -> bool:
        return self._random.random() < 0.5

    def _blob(self, shape: Shape, _location: str | None) -> bytes:
        low = shape.metadata.get("min", 0)
        return self._random.randbytes(low + self._random.randint(0, 12))

    def _timestamp(self, shape: Shape, location: str | None) -> datetime:
        style = shape.serialization.get("timestampFormat", "rfc822" if location == "header" else "").lower()
        moment = EPOCH + timedelta(seconds=self._random.randint(-(10**8), 4 * 10**9))
        if style == "rfc822" or location == "header":
            return moment
        return moment + timedelta(milliseconds=self._random.choice([0, 0, 1, 500, 999, 123]))


def input_of(values: ShapeValues, model: OperationModel) -> dict[str, Any]:
    """A valid input of an operation."""
    return values.of(model.input_shape) if model.input_shape is not None else {}


def output_of(values: ShapeValues, model: OperationModel) -> dict[str, Any]:
    """A valid output of an operation."""
    return values.of(model.output_shape) if model.output_shape is not None else {}


def without_empty(value: Any) -> Any:
    """A value without what some protocols cannot write: structures, lists and maps that have nothing in them."""
    if isinstance(value, dict):
        pruned = {name: without_empty(member) for name, member in value.items()}
        return {name: member for name, member in pruned.items() if member not in ({}, [], None)}
    if isinstance(value, list):
        return [pruned for element in value if (pruned := without_empty(element)) not in ({}, [])]
    return value
