"""Log groups through boto3."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError


def test_create_log_group_that_exists(logs: Any, group: str) -> None:
    with pytest.raises(logs.exceptions.ResourceAlreadyExistsException) as caught:
        logs.create_log_group(logGroupName=group)
    assert caught.value.response["Error"]["Message"] == "The specified log group already exists"


def test_describe_log_groups_by_prefix_and_page(logs: Any, group: str) -> None:
    names = [f"{group}/{letter}" for letter in "cab"]
    for name in names:
        logs.create_log_group(logGroupName=name)
    first = logs.describe_log_groups(logGroupNamePrefix=f"{group}/", limit=2)
    assert [one["logGroupName"] for one in first["logGroups"]] == sorted(names)[:2]
    second = logs.describe_log_groups(logGroupNamePrefix=f"{group}/", limit=2, nextToken=first["nextToken"])
    assert [one["logGroupName"] for one in second["logGroups"]] == sorted(names)[2:]
    assert "nextToken" not in second
    assert first["logGroups"][0]["arn"].endswith(f":log-group:{group}/a:*")


def test_delete_log_group_with_its_streams(logs: Any, group: str, put: Callable[..., list[int]]) -> None:
    put("one", "hello")
    logs.delete_log_group(logGroupName=group)
    with pytest.raises(logs.exceptions.ResourceNotFoundException) as caught:
        logs.get_log_events(logGroupName=group, logStreamName="one")
    assert caught.value.response["Error"]["Message"] == "The specified log group does not exist."
    logs.create_log_group(logGroupName=group)
    assert logs.describe_log_streams(logGroupName=group)["logStreams"] == []


def test_put_retention_policy(logs: Any, group: str) -> None:
    logs.put_retention_policy(logGroupName=group, retentionInDays=7)
    assert logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"][0]["retentionInDays"] == 7
    logs.delete_retention_policy(logGroupName=group)
    assert "retentionInDays" not in logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"][0]
    with pytest.raises(ClientError, match="InvalidParameterException"):
        logs.put_retention_policy(logGroupName=group, retentionInDays=8)


def test_tag_resource(logs: Any, group: str) -> None:
    arn = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"][0]["logGroupArn"]
    logs.tag_resource(resourceArn=arn, tags={"team": "dogs", "stage": "test"})
    logs.untag_resource(resourceArn=arn, tagKeys=["stage"])
    assert logs.list_tags_for_resource(resourceArn=arn)["tags"] == {"team": "dogs"}
    with pytest.raises(logs.exceptions.ResourceNotFoundException):
        logs.list_tags_for_resource(resourceArn=f"{arn}-absent")
