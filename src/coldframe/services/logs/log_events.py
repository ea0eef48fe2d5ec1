"""Log events: put them, get a stream's, search a group's."""

import heapq
import itertools
import re
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import Connection

from coldframe.calls import AllowedCall, Parameters
from coldframe.services.logs.errors import InvalidParameterException, ResourceNotFoundException
from coldframe.services.logs.filter_patterns import Matcher, compile_pattern
from coldframe.services.logs.log_groups import existing_group, group_arn, group_name_in
from coldframe.services.logs.log_streams import existing_stream, stream_arn
from coldframe.services.operation import operation
from coldframe.state import log_streams
from coldframe.state.log_events import LogEvent, Place, each_event, write_events
from coldframe.state.log_streams import LogStream
from coldframe.state.state import State

EVENT_OVERHEAD_BYTES = 26
"""What AWS counts for an event besides its message."""
BATCH_BYTES = 1_048_576
PAGE_BYTES = 1_048_576
PAGE_EVENTS = 10_000
SEARCHED_EVENTS = 50_000
"""Events that one FilterLogEvents looks at, at most; it then answers with what it found and a token."""
DAY_MS = 24 * 3600 * 1000
TOO_OLD_MS = 14 * DAY_MS
TOO_NEW_MS = 2 * 3600 * 1000

Found = tuple[int, str, int, LogEvent]
"""An event of a group's stream: (timestamp_ms, stream's name, sequence, event), which sorts as the answer does."""


@operation("logs", "PutLogEvents", action="logs:PutLogEvents", resource=stream_arn)
async def put_log_events(call: AllowedCall, state: State) -> Parameters:
    """Add events to a stream; those that are too old or too new are refused one by one, as AWS does."""
    given = call.parameters
    events = [(event["timestamp"], event["message"]) for event in given["logEvents"]]
    _check_batch(events)
    now_ms = int(state.clock.now() * 1000)
    too_old = sum(1 for timestamp, _ in events if timestamp < now_ms - TOO_OLD_MS)
    too_new = sum(1 for timestamp, _ in events if timestamp > now_ms + TOO_NEW_MS)
    accepted = events[too_old : len(events) - too_new]

    def write(connection: Connection) -> int:
        stream = existing_stream(connection, given)
        if accepted:
            write_events(connection, stream, accepted, now_ms)
        return stream.next_sequence + len(accepted)

    answer: Parameters = {"nextSequenceToken": f"{await state.database.write(write):056d}"}
    rejected = {}
    if too_old:
        rejected["tooOldLogEventEndIndex"] = too_old
    if too_new:
        rejected["tooNewLogEventStartIndex"] = len(events) - too_new
    if rejected:
        answer["rejectedLogEventsInfo"] = rejected
    return answer


def _check_batch(events: list[tuple[int, str]]) -> None:
    size = sum(len(message.encode()) + EVENT_OVERHEAD_BYTES for _, message in events)
    if size > BATCH_BYTES:
        raise InvalidParameterException(message=f"Upload too large: {size} bytes exceeds limit of {BATCH_BYTES}")
    if any(earlier[0] > later[0] for earlier, later in itertools.pairwise(events)):
        raise InvalidParameterException(
            message="Log events in a single PutLogEvents request must be in chronological order."
        )
    if events[-1][0] - events[0][0] > DAY_MS:
        raise InvalidParameterException(
            message="The batch of log events in a single PutLogEvents request cannot span more than 24 hours."
        )


@operation("logs", "GetLogEvents", action="logs:GetLogEvents", resource=stream_arn)
async def get_log_events(call: AllowedCall, state: State) -> Parameters:
    """A page of a stream. At its end the same token comes back, and asked again it gives no events twice."""
    given = call.parameters
    limit = given.get("limit", PAGE_EVENTS)
    direction, place = _stream_token(given.get("nextToken"), from_head=given.get("startFromHead", False))
    backward = direction == "b"

    def read(connection: Connection) -> list[LogEvent]:
        stream = existing_stream(connection, given)
        events = each_event(
            connection,
            stream.id,
            start_ms=given.get("startTime"),
            end_ms=given.get("endTime"),
            beyond=place,
            newest_first=backward,
        )
        return _page(itertools.islice(events, limit))

    events = await state.database.read_in_thread(read)
    if backward:
        events.reverse()
    first = events[0].place if events else place or (0, 0)
    last = events[-1].place if events else place or (0, 0)
    return {
        "events": [
            {"timestamp": event.timestamp_ms, "message": event.message, "ingestionTime": event.ingested_ms}
            for event in events
        ],
        "nextForwardToken": f"f/{last[0]:019d}{last[1]:019d}/s",
        "nextBackwardToken": f"b/{first[0]:019d}{first[1]:019d}/s",
    }


def _stream_token(token: str | None, *, from_head: bool) -> tuple[str, Place | None]:
    """Which way a page goes ("f" or "b"), and from which place."""
    if token is None:
        return ("f" if from_head else "b"), None
    match = re.fullmatch(r"([fb])/(\d{19})(\d{19})/s", token, re.ASCII)
    if match is None:
        raise InvalidParameterException(message="The specified nextToken is invalid.")
    return match[1], (int(match[2]), int(match[3]))


def _page(events: Iterable[LogEvent]) -> list[LogEvent]:
    """As many of the events, from the first on, as fit in one answer; at least one if there is one."""
    page: list[LogEvent] = []
    size = 0
    for event in events:
        size += len(event.message.encode()) + EVENT_OVERHEAD_BYTES
        if size > PAGE_BYTES and page:
            break
        page.append(event)
    return page


@operation("logs", "FilterLogEvents", action="logs:FilterLogEvents", resource=group_arn)
async def filter_log_events(call: AllowedCall, state: State) -> Parameters:
    """Events of a group's streams that match a pattern, in order of their time. A token only where there is more."""
    given = call.parameters
    if given.get("logStreamNames") and given.get("logStreamNamePrefix"):
        raise InvalidParameterException(message="Cannot specify both logStreamNamePrefix and logStreamNames.")
    matcher = compile_pattern(given.get("filterPattern", ""))
    after = _group_token(given.get("nextToken"))
    limit = given.get("limit", PAGE_EVENTS)

    def search(connection: Connection) -> tuple[list[Found], Found | None]:
        return _search(_merged(connection, given, after), matcher, limit)

    found, last = await state.database.read_in_thread(search)
    answer: Parameters = {"events": [_found_event(*one) for one in found], "searchedLogStreams": []}
    if last is not None:
        answer["nextToken"] = f"{last[0]}/{last[2]}/{last[1]}"
    return answer


def _search(events: Iterator[Found], matcher: Matcher, limit: int) -> tuple[list[Found], Found | None]:
    """The events of one answer, and where the next one is to go on: nothing when all were looked at."""
    found: list[Found] = []
    size = 0
    last: Found | None = None
    for searched, one in enumerate(events):
        if last is not None and (len(found) >= limit or size >= PAGE_BYTES or searched >= SEARCHED_EVENTS):
            return found, last
        last = one
        message = one[3].message
        if matcher(message):
            found.append(one)
            size += len(message.encode()) + EVENT_OVERHEAD_BYTES
    return found, None


def _merged(connection: Connection, given: Parameters, after: tuple[int, str, int] | None) -> Iterator[Found]:
    """All events of the streams in question, merged by time.

    A stream is opened when the merge reaches its first event, so that thousands of streams of the past cost little.
    """
    start_ms, end_ms = given.get("startTime"), given.get("endTime")
    start_ms = max(start_ms or 0, after[0]) if after else start_ms
    waiting = sorted(
        (stream for stream in _streams(connection, given) if _may_hold(stream, start_ms, end_ms)),
        key=lambda stream: stream.first_event_ms or 0,
        reverse=True,
    )
    open_events: list[tuple[Found, Iterator[Found]]] = []
    while waiting or open_events:
        while waiting and (not open_events or (waiting[-1].first_event_ms or 0) <= open_events[0][0][0]):
            events = _found_in(connection, waiting.pop(), start_ms, end_ms)
            if (one := next(events, None)) is not None:
                heapq.heappush(open_events, (one, events))
        if not open_events:
            continue
        one, events = open_events[0]
        if after is None or one[:3] > after:
            yield one
        following = next(events, None)
        if following is None:
            heapq.heappop(open_events)
        else:
            heapq.heapreplace(open_events, (following, events))


def _streams(connection: Connection, given: Parameters) -> list[LogStream]:
    group = existing_group(connection, group_name_in(given))
    if names := given.get("logStreamNames"):
        streams = [log_streams.find_log_stream(connection, group.id, name) for name in dict.fromkeys(names)]
        if any(stream is None for stream in streams):
            raise ResourceNotFoundException(resource="log stream")
        return [stream for stream in streams if stream is not None]
    return log_streams.list_log_streams(
        connection,
        group.id,
        prefix=given.get("logStreamNamePrefix", ""),
        after_name=None,
        descending=False,
        limit=1_000_000,
    )


def _may_hold(stream: LogStream, start_ms: int | None, end_ms: int | None) -> bool:
    if stream.first_event_ms is None or stream.last_event_ms is None:
        return False
    return (start_ms is None or stream.last_event_ms >= start_ms) and (end_ms is None or stream.first_event_ms < end_ms)


def _found_in(connection: Connection, stream: LogStream, start_ms: int | None, end_ms: int | None) -> Iterator[Found]:
    for event in each_event(connection, stream.id, start_ms=start_ms, end_ms=end_ms):
        yield event.timestamp_ms, stream.name, event.sequence, event


def _group_token(token: str | None) -> tuple[int, str, int] | None:
    if token is None:
        return None
    match = re.fullmatch(r"(\d{1,19})/(\d{1,19})/([^:*]*)", token, re.ASCII)
    if match is None:
        raise InvalidParameterException(message="The specified nextToken is invalid.")
    return int(match[1]), match[3], int(match[2])


def _found_event(timestamp_ms: int, stream_name: str, sequence: int, event: LogEvent) -> dict[str, Any]:
    return {
        "logStreamName": stream_name,
        "timestamp": timestamp_ms,
        "message": event.message,
        "ingestionTime": event.ingested_ms,
        "eventId": f"{timestamp_ms:020d}{sequence:016d}{zlib.crc32(stream_name.encode()):020d}",
    }
