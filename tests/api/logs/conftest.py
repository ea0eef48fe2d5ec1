"""A log group and a stream of a test's own."""

import contextlib
import time
from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture
def logs(client: Callable[..., Any]) -> Any:
    return client("logs")


@pytest.fixture
def group(logs: Any, unique_name: Callable[[str], str]) -> str:
    name = f"/test/{unique_name('group')}"
    logs.create_log_group(logGroupName=name)
    return name


@pytest.fixture
def put(logs: Any, group: str) -> Callable[..., list[int]]:
    """Puts messages into a stream of the group, one millisecond apart; returns their times."""

    def put(stream: str, *messages: str, first_ms: int | None = None) -> list[int]:
        first = int(time.time() * 1000) - 60_000 if first_ms is None else first_ms
        with contextlib.suppress(logs.exceptions.ResourceAlreadyExistsException):
            logs.create_log_stream(logGroupName=group, logStreamName=stream)
        events = [{"timestamp": first + number, "message": message} for number, message in enumerate(messages)]
        logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)
        return [event["timestamp"] for event in events]

    return put
