"""Log streams through boto3."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError


def test_create_log_stream_that_exists(logs: Any, group: str) -> None:
    logs.create_log_stream(logGroupName=group, logStreamName="one")
    with pytest.raises(logs.exceptions.ResourceAlreadyExistsException):
        logs.create_log_stream(logGroupName=group, logStreamName="one")


def test_create_log_stream_without_its_group(logs: Any) -> None:
    with pytest.raises(logs.exceptions.ResourceNotFoundException):
        logs.create_log_stream(logGroupName="/absent", logStreamName="one")


def test_describe_log_streams_gives_no_token_where_there_is_no_more(
    logs: Any, group: str, put: Callable[..., list[int]]
) -> None:
    """The SDK's log tailing asks again for as long as there is a token."""
    put("job/algo-1-100", "hello")
    answer = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix="job/", orderBy="LogStreamName", limit=1)
    assert [stream["logStreamName"] for stream in answer["logStreams"]] == ["job/algo-1-100"]
    assert "nextToken" not in answer


def test_describe_log_streams_pages_by_name(logs: Any, group: str) -> None:
    for name in ("a/1", "a/2", "a/3", "b/1"):
        logs.create_log_stream(logGroupName=group, logStreamName=name)
    pages = logs.get_paginator("describe_log_streams").paginate(
        logGroupName=group, logStreamNamePrefix="a/", PaginationConfig={"PageSize": 2}
    )
    assert [[one["logStreamName"] for one in page["logStreams"]] for page in pages] == [["a/1", "a/2"], ["a/3"]]
    backwards = logs.describe_log_streams(logGroupName=group, descending=True, limit=2)
    assert [one["logStreamName"] for one in backwards["logStreams"]] == ["b/1", "a/3"]


def test_describe_log_streams_by_last_event(logs: Any, group: str, put: Callable[..., list[int]]) -> None:
    times = put("late", "x")
    put("early", "y", first_ms=times[0] - 5000)
    logs.create_log_stream(logGroupName=group, logStreamName="empty")
    names: list[str] = []
    token: dict[str, str] = {}
    while True:
        page = logs.describe_log_streams(logGroupName=group, orderBy="LastEventTime", descending=True, limit=1, **token)
        names += [one["logStreamName"] for one in page["logStreams"]]
        if "nextToken" not in page:
            break
        token = {"nextToken": page["nextToken"]}
    assert names == ["late", "early", "empty"]
    with pytest.raises(ClientError, match="Cannot order by LastEventTime with a logStreamNamePrefix"):
        logs.describe_log_streams(logGroupName=group, orderBy="LastEventTime", logStreamNamePrefix="e")


def test_delete_log_stream(logs: Any, group: str, put: Callable[..., list[int]]) -> None:
    put("one", "hello")
    logs.delete_log_stream(logGroupName=group, logStreamName="one")
    with pytest.raises(logs.exceptions.ResourceNotFoundException) as caught:
        logs.get_log_events(logGroupName=group, logStreamName="one")
    assert caught.value.response["Error"]["Message"] == "The specified log stream does not exist."
