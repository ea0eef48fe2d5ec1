"""Log events through boto3."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

Put = Callable[..., list[int]]


def messages(answer: Any) -> list[str]:
    return [event["message"] for event in answer["events"]]


def test_get_log_events_forward_to_the_end_and_on(logs: Any, group: str, put: Put) -> None:
    times = put("one", "a", "b", "c")
    stream = {"logGroupName": group, "logStreamName": "one"}
    first = logs.get_log_events(**stream, startFromHead=True, limit=2)
    assert messages(first) == ["a", "b"]
    second = logs.get_log_events(**stream, startFromHead=True, nextToken=first["nextForwardToken"])
    assert messages(second) == ["c"]
    third = logs.get_log_events(**stream, startFromHead=True, nextToken=second["nextForwardToken"])
    assert messages(third) == []
    assert third["nextForwardToken"] == second["nextForwardToken"]
    put("one", "d", first_ms=times[-1])  # the same millisecond as the last one
    assert messages(logs.get_log_events(**stream, startFromHead=True, nextToken=third["nextForwardToken"])) == ["d"]


def test_get_log_events_backward(logs: Any, group: str, put: Put) -> None:
    put("one", *"abcde")
    stream = {"logGroupName": group, "logStreamName": "one"}
    latest = logs.get_log_events(**stream, limit=2)
    assert messages(latest) == ["d", "e"]
    before = logs.get_log_events(**stream, limit=2, nextToken=latest["nextBackwardToken"])
    assert messages(before) == ["b", "c"]
    assert messages(logs.get_log_events(**stream, nextToken=before["nextForwardToken"])) == ["d", "e"]


def test_get_log_events_of_an_empty_stream_then_tailed(logs: Any, group: str, put: Put) -> None:
    logs.create_log_stream(logGroupName=group, logStreamName="one")
    stream = {"logGroupName": group, "logStreamName": "one"}
    empty = logs.get_log_events(**stream, startFromHead=True)
    assert messages(empty) == []
    put("one", "a")
    assert messages(logs.get_log_events(**stream, nextToken=empty["nextForwardToken"])) == ["a"]


def test_get_log_events_between_times(logs: Any, group: str, put: Put) -> None:
    times = put("one", *"abcde")
    answer = logs.get_log_events(
        logGroupName=group, logStreamName="one", startTime=times[1], endTime=times[3], startFromHead=True
    )
    assert messages(answer) == ["b", "c"]  # endTime itself is left out


def test_get_log_events_pages_are_at_most_one_mebibyte(logs: Any, group: str, put: Put) -> None:
    long = "x" * 250_000
    put("one", *[long] * 4)
    put("one", *[long] * 4)
    stream = {"logGroupName": group, "logStreamName": "one", "startFromHead": True}
    first = logs.get_log_events(**stream)
    assert len(first["events"]) == 4
    assert len(logs.get_log_events(**stream, nextToken=first["nextForwardToken"])["events"]) == 4


@pytest.mark.parametrize("token", ["f/1/s", "x", "f/" + "9" * 38 + "/s\n", "b/" + "a" * 38 + "/s"])
def test_get_log_events_with_a_token_that_is_none(logs: Any, group: str, put: Put, token: str) -> None:
    put("one", "a")
    with pytest.raises(ClientError, match="The specified nextToken is invalid"):
        logs.get_log_events(logGroupName=group, logStreamName="one", nextToken=token)


def test_put_log_events_out_of_order(logs: Any, group: str, put: Put) -> None:
    put("one", "a")
    now = int(time.time() * 1000)
    events = [{"timestamp": now, "message": "b"}, {"timestamp": now - 1, "message": "c"}]
    with pytest.raises(ClientError, match="must be in chronological order"):
        logs.put_log_events(logGroupName=group, logStreamName="one", logEvents=events)


def test_put_log_events_too_new_are_left_out(logs: Any, group: str, put: Put) -> None:
    put("one", "a")
    now = int(time.time() * 1000)
    events = [{"timestamp": now, "message": "b"}, {"timestamp": now + 3 * 3600 * 1000, "message": "future"}]
    answer = logs.put_log_events(logGroupName=group, logStreamName="one", logEvents=events)
    assert answer["rejectedLogEventsInfo"] == {"tooNewLogEventStartIndex": 1}
    assert messages(logs.get_log_events(logGroupName=group, logStreamName="one")) == ["a", "b"]


def test_filter_log_events_merges_streams_by_time(logs: Any, group: str, put: Put) -> None:
    now = int(time.time() * 1000) - 60_000
    put("b", "2", first_ms=now + 2)
    put("a", "1", first_ms=now + 1)
    put("b", "4", first_ms=now + 4)
    put("a", "3", first_ms=now + 3)
    put("other", "5", first_ms=now + 5)
    assert messages(logs.filter_log_events(logGroupName=group)) == list("12345")
    assert messages(logs.filter_log_events(logGroupName=group, logStreamNames=["b"])) == ["2", "4"]
    assert messages(logs.filter_log_events(logGroupName=group, logStreamNamePrefix="a")) == ["1", "3"]
    assert messages(logs.filter_log_events(logGroupName=group, startTime=now + 2, endTime=now + 4)) == ["2", "3"]
    pages = list(logs.get_paginator("filter_log_events").paginate(logGroupName=group, PaginationConfig={"PageSize": 2}))
    assert [messages(page) for page in pages] == [["1", "2"], ["3", "4"], ["5"]]
    assert "nextToken" not in pages[-1]
    with pytest.raises(logs.exceptions.ResourceNotFoundException):
        logs.filter_log_events(logGroupName=group, logStreamNames=["absent"])


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("", [0, 1, 2, 3]),
        ("ERROR", [0, 1]),
        ("error", []),
        ("ERROR disk", [1]),
        ('"ERROR 42"', [0]),
        ("ERROR -disk", [0]),
        ("?disk ?epoch", [1, 2]),
        ('{ $.level = "warn" }', [3]),
        ("{ $.code >= 7 && $.level = w* }", [3]),
        ("{ $.code > 7 || $.inner.deep = 1 }", [3]),
        ("{ $.absent = 1 }", []),
    ],
)
def test_filter_log_events_by_pattern(logs: Any, group: str, put: Put, pattern: str, found: list[int]) -> None:
    lines = ["ERROR 42", "ERROR on disk", "epoch 3", '{"level": "warn", "code": 7, "inner": {"deep": 1}}']
    put("one", *lines)
    assert messages(logs.filter_log_events(logGroupName=group, filterPattern=pattern)) == [lines[i] for i in found]


@pytest.mark.parametrize("pattern", ['"open', "{ $.a = }", "{ $.a", "[a, b]", "%x%", "{ $.a = 1 && }"])
def test_filter_log_events_by_a_pattern_that_is_none(logs: Any, group: str, pattern: str) -> None:
    with pytest.raises(ClientError, match="Invalid filter pattern"):
        logs.filter_log_events(logGroupName=group, filterPattern=pattern)
