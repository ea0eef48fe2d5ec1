"""Finds a REST operation by method, path, query string and headers, in tables that are built once for each service."""

from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from botocore.model import OperationModel, ServiceModel

from coldframe.gateway.errors import InvalidURI


@dataclass(frozen=True, slots=True)
class Candidate:
    """An operation of a path, and what a request for it must have beside the path."""

    operation: str
    literals: tuple[tuple[str, str], ...]
    """Query parameters of the path's template, each with its value; any value will do where that is empty."""
    queries: tuple[str, ...]
    """Query parameters that the operation's input requires."""
    headers: tuple[str, ...]
    """Headers that the operation's input requires."""
    deprecated: bool

    def fits(self, query: dict[str, str], headers: dict[str, str]) -> bool:
        """Whether a request has all of it."""
        if not (self.literals or self.queries or self.headers):
            return True
        return (
            all(name in query and (not value or query[name] == value) for name, value in self.literals)
            and all(name in query for name in self.queries)
            and all(name in headers for name in self.headers)
        )

    def rank(self) -> tuple[int, bool, str]:
        """Those that ask for more come first: who fits them means them."""
        return -(len(self.literals) + len(self.queries) + len(self.headers)), self.deprecated, self.operation


@dataclass(slots=True)
class Choice:
    """The operations that share a method and a path."""

    by_literal: dict[str, list[Candidate]] = field(default_factory=dict)
    """By the first query parameter of their template."""
    plain: list[Candidate] = field(default_factory=list)
    """Those whose template has no query parameter."""

    def add(self, candidate: Candidate) -> None:
        """Add an operation."""
        same = self.by_literal.setdefault(candidate.literals[0][0], []) if candidate.literals else self.plain
        same.append(candidate)
        same.sort(key=Candidate.rank)

    def find(self, query_string: str, headers: dict[str, str], *, strict: bool) -> str | None:
        """The operation that a request means.

        Where only a required parameter is missing, the operation is found nevertheless, and validation will say so;
        `strict` forbids that where the path's template has no query parameter that names the operation.
        """
        query = query_names(query_string) if query_string else {}
        if query:
            for name in query:
                candidates = self.by_literal.get(name)
                if candidates is not None:
                    found = _first_fit(candidates, query, headers, strict=False)
                    if found is not None:
                        return found
        return _first_fit(self.plain, query, headers, strict=strict)


def _first_fit(
    candidates: list[Candidate], query: dict[str, str], headers: dict[str, str], *, strict: bool
) -> str | None:
    for candidate in candidates:
        if candidate.fits(query, headers):
            return candidate.operation
    if strict or not candidates:
        return None
    last = candidates[-1]
    matches = all(name in query and (not value or query[name] == value) for name, value in last.literals)
    return last.operation if matches else None


def query_names(query_string: str) -> dict[str, str]:
    """The parameters of a query string, undecoded but for their names; enough to route by."""
    found: dict[str, str] = {}
    for part in query_string.split("&"):
        name, _, value = part.partition("=")
        found[decode_path(name) if "%" in name else name] = value
    return found


def candidate_of(model: OperationModel) -> tuple[str, Candidate]:
    """The path's template of an operation, without its query string, and what else the operation needs."""
    path, _, template_query = model.http["requestUri"].partition("?")
    literals = tuple(
        (name, value) for name, _, value in (part.partition("=") for part in template_query.split("&") if part)
    )
    queries: list[str] = []
    headers: list[str] = []
    members = model.input_shape.members if model.input_shape is not None else {}
    for name in model.input_shape.required_members if model.input_shape is not None else ():
        member = members[name]
        wire = member.serialization.get("name", name)
        if member.serialization.get("location") == "querystring":
            queries.append(wire)
        elif member.serialization.get("location") == "header":
            headers.append(wire.lower())
    return path, Candidate(model.name, literals, tuple(queries), tuple(headers), bool(model.deprecated))


@dataclass(slots=True)
class _Node:
    """One segment of the paths' tree."""

    literals: dict[str, "_Node"] = field(default_factory=dict)
    label: "_Node | None" = None
    greedy: "list[tuple[tuple[str, ...], _Node]]" = field(default_factory=list)
    """What may follow a label that takes many segments, longest first."""
    methods: dict[str, tuple[Choice, dict[str, tuple[str, ...]]]] = field(default_factory=dict)
    """By method: the operations, and of each the names of the labels on its way."""


class RestRoutes:
    """The REST operations of one service."""

    def __init__(self, service: ServiceModel) -> None:
        self._root = _Node()
        for name in service.operation_names:
            path, candidate = candidate_of(service.operation_model(name))
            self._add(service.operation_model(name).http["method"], path, candidate)

    def _add(self, method: str, path: str, candidate: Candidate) -> None:
        node = self._root
        labels: list[str] = []
        segments = _segments(path)
        for index, segment in enumerate(segments):
            if not segment.startswith("{"):
                node = node.literals.setdefault(segment, _Node())
                continue
            labels.append(segment.strip("{}+"))
            if segment.endswith("+}"):
                suffix = tuple(segments[index + 1 :])
                node = _greedy_child(node, suffix)
                break
            if node.label is None:
                node.label = _Node()
            node = node.label
        choice, label_names = node.methods.setdefault(method, (Choice(), {}))
        choice.add(candidate)
        label_names[candidate.operation] = tuple(labels)

    def find(
        self, method: str, raw_path: str, query_string: str, headers: dict[str, str]
    ) -> tuple[str, dict[str, str]] | None:
        """The operation and the decoded labels of its path; None if the service has none for this request."""
        segments = _segments(raw_path)
        straight = _walk_straight(self._root, segments)
        ways = [straight] if straight is not None and method in straight[0].methods else None
        for node, values in ways or _walk(self._root, segments, 0, ()):
            entry = node.methods.get(method)
            if entry is None:
                continue
            operation = entry[0].find(query_string, headers, strict=False)
            if operation is not None:
                names = entry[1][operation]
                return operation, {name: decode_path(value) for name, value in zip(names, values, strict=True)}
        return None


def _segments(path: str) -> list[str]:
    """The segments of a path. AWS takes a slash at the end as if it were not there."""
    segments = path.split("/")[1:]
    if segments and not segments[-1]:
        segments.pop()
    return segments


def _greedy_child(node: _Node, suffix: tuple[str, ...]) -> _Node:
    for known, child in node.greedy:
        if known == suffix:
            return child
    child = _Node()
    node.greedy.append((suffix, child))
    node.greedy.sort(key=lambda entry: -len(entry[0]))
    return child


def _walk_straight(node: _Node, segments: list[str]) -> tuple[_Node, tuple[str, ...]] | None:
    """Where a path leads that offers one way only at each step; None where it offers several, or none."""
    values: tuple[str, ...] = ()
    for segment in segments:
        literal = node.literals.get(segment)
        if node.greedy or (literal is not None and node.label is not None):
            return None
        if literal is None:
            if node.label is None or not segment:
                return None
            values = (*values, segment)
            node = node.label
        else:
            node = literal
    return node, values


_Found = list[tuple[_Node, tuple[str, ...]]]


def _walk(node: _Node, segments: list[str], at: int, values: tuple[str, ...]) -> _Found:
    """The nodes that a path can lead to, with the labels on the way; literal segments come before labels."""
    if at == len(segments):
        return [(node, values)]
    found: _Found = []
    segment = segments[at]
    literal = node.literals.get(segment)
    if literal is not None:
        found += _walk(literal, segments, at + 1, values)
    if node.label is not None and segment:
        found += _walk(node.label, segments, at + 1, (*values, segment))
    for suffix, child in node.greedy:
        end = len(segments) - len(suffix)
        if end > at and tuple(segments[end:]) == suffix:
            found.append((child, (*values, "/".join(segments[at:end]))))
    return found


def decode_path(encoded: str) -> str:
    """Percent-encoded text, decoded once; a plus sign is a plus sign in a path. InvalidURI if it is no text."""
    if "%" not in encoded:
        return encoded
    try:
        return unquote_to_bytes(encoded).decode("utf-8")
    except UnicodeError as error:
        raise InvalidURI(reason="it is not UTF-8") from error
