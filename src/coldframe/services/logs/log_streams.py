"""Log streams: create, describe, delete."""

from typing import Any

from sqlalchemy import Connection

from coldframe.arns import Scope
from coldframe.calls import AllowedCall, Parameters
from coldframe.services.logs.errors import (
    InvalidParameterException,
    ResourceAlreadyExistsException,
    ResourceNotFoundException,
)
from coldframe.services.logs.log_groups import existing_group, group_arn, group_name_in
from coldframe.services.operation import operation
from coldframe.state import log_events, log_streams
from coldframe.state.log_streams import LogStream
from coldframe.state.state import State


def stream_arn(parameters: Parameters, scope: Scope) -> str:
    """The ARN of the stream that a call names."""
    group = group_name_in(parameters)
    return scope.arn("logs", f"log-group:{group}:log-stream:{parameters['logStreamName']}")


def existing_stream(connection: Connection, parameters: Parameters) -> LogStream:
    """The stream that a call names; AWS's error if it or its group is not there."""
    group = existing_group(connection, group_name_in(parameters))
    stream = log_streams.find_log_stream(connection, group.id, parameters["logStreamName"])
    if stream is None:
        raise ResourceNotFoundException(resource="log stream")
    return stream


@operation("logs", "CreateLogStream", action="logs:CreateLogStream", resource=stream_arn)
async def create_log_stream(call: AllowedCall, state: State) -> Parameters:
    """Make a stream in a group."""
    given = call.parameters

    def write(connection: Connection) -> None:
        group = existing_group(connection, given["logGroupName"])
        now_ms = int(state.clock.now() * 1000)
        if log_streams.create_log_stream(connection, group.id, given["logStreamName"], now_ms) is None:
            raise ResourceAlreadyExistsException(resource="log stream")

    await state.database.write(write)
    return {}


@operation("logs", "DeleteLogStream", action="logs:DeleteLogStream", resource=stream_arn)
async def delete_log_stream(call: AllowedCall, state: State) -> Parameters:
    """Delete a stream with its events."""
    await state.database.write(
        lambda connection: log_events.delete_log_stream(connection, existing_stream(connection, call.parameters).id)
    )
    return {}


@operation("logs", "DescribeLogStreams", action="logs:DescribeLogStreams", resource=group_arn)
async def describe_log_streams(call: AllowedCall, state: State) -> Parameters:
    """A group's streams, in order of their names or of their last events. A token only where there is more."""
    given = call.parameters
    name = group_name_in(given)
    by_time = given.get("orderBy") == "LastEventTime"
    if by_time and given.get("logStreamNamePrefix"):
        raise InvalidParameterException(message="Cannot order by LastEventTime with a logStreamNamePrefix.")
    limit = given.get("limit", 50)
    read = _by_time if by_time else _by_name
    streams = state.database.read(
        lambda connection: read(connection, existing_group(connection, name).id, given, limit + 1)
    )
    arn = call.scope.arn("logs", f"log-group:{name}")
    answer: Parameters = {"logStreams": [_described(stream, arn) for stream in streams[:limit]]}
    if len(streams) > limit:
        last = streams[limit - 1]
        answer["nextToken"] = f"{last.sort_ms}:{last.name}" if by_time else last.name
    return answer


def _by_name(connection: Connection, group_id: int, given: Parameters, limit: int) -> list[LogStream]:
    return log_streams.list_log_streams(
        connection,
        group_id,
        prefix=given.get("logStreamNamePrefix", ""),
        after_name=given.get("nextToken"),
        descending=given.get("descending", False),
        limit=limit,
    )


def _by_time(connection: Connection, group_id: int, given: Parameters, limit: int) -> list[LogStream]:
    after = None
    if token := given.get("nextToken"):
        time, _, name = token.partition(":")
        if not time.isdecimal():
            raise InvalidParameterException(message="The specified nextToken is invalid.")
        after = int(time), name
    return log_streams.list_log_streams_by_time(
        connection, group_id, after=after, descending=given.get("descending", False), limit=limit
    )


def _described(stream: LogStream, group: str) -> dict[str, Any]:
    times = {
        "firstEventTimestamp": stream.first_event_ms,
        "lastEventTimestamp": stream.last_event_ms,
        "lastIngestionTime": stream.last_ingested_ms,
    }
    return {
        "logStreamName": stream.name,
        "creationTime": stream.created_at_ms,
        **{name: time for name, time in times.items() if time is not None},
        "uploadSequenceToken": f"{stream.next_sequence:056d}",
        "arn": f"{group}:log-stream:{stream.name}",
        "storedBytes": 0,  # AWS has not filled it for streams since 2019
    }
