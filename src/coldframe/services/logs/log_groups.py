"""Log groups: create, describe, delete, and for how long their events are kept."""

from typing import Any

from sqlalchemy import Connection

from coldframe.arns import Scope
from coldframe.calls import AllowedCall, Parameters
from coldframe.services.logs.errors import (
    InvalidParameterException,
    ResourceAlreadyExistsException,
    ResourceNotFoundException,
)
from coldframe.services.operation import any_resource, operation
from coldframe.state import log_events, log_streams
from coldframe.state.log_streams import LogGroup
from coldframe.state.state import State
from coldframe.state.tags import add_tags, delete_all_tags, delete_tags, list_tags

RETENTION_DAYS = (
    1,
    3,
    5,
    7,
    14,
    30,
    60,
    90,
    120,
    150,
    180,
    365,
    400,
    545,
    731,
    1096,
    1827,
    2192,
    2557,
    2922,
    3288,
    3653,
)


def group_arn(parameters: Parameters, scope: Scope) -> str:
    """The ARN of the group that a call names, by name or by ARN."""
    return scope.arn("logs", f"log-group:{group_name_in(parameters)}:*")


def group_name_in(parameters: Parameters) -> str:
    """The name of the group that a call names, by name or by ARN."""
    name = parameters.get("logGroupName")
    identifier = parameters.get("logGroupIdentifier")
    if name and identifier:
        raise InvalidParameterException(
            message="LogGroup name and LogGroup identifier are mutually exclusive parameters. Please specify only one."
        )
    given = name or identifier
    if not given:
        raise InvalidParameterException(message="Either logGroupName or logGroupIdentifier must be specified.")
    return str(given).partition(":log-group:")[2].removesuffix(":*") or str(given)


def existing_group(connection: Connection, name: str) -> LogGroup:
    """The group of this name; AWS's error if there is none."""
    group = log_streams.find_log_group(connection, name)
    if group is None:
        raise ResourceNotFoundException(resource="log group")
    return group


@operation("logs", "CreateLogGroup", action="logs:CreateLogGroup", resource=group_arn)
async def create_log_group(call: AllowedCall, state: State) -> Parameters:
    """Make a group."""
    given = call.parameters
    name = given["logGroupName"]
    tags = [{"Key": key, "Value": value} for key, value in given.get("tags", {}).items()]

    def write(connection: Connection) -> None:
        made = log_streams.create_log_group(
            connection,
            name,
            int(state.clock.now() * 1000),
            kms_key_id=given.get("kmsKeyId"),
            log_class=given.get("logGroupClass", "STANDARD"),
        )
        if made is None:
            raise ResourceAlreadyExistsException(resource="log group")
        add_tags(connection, _tagged_arn(name, call.scope), tags)

    await state.database.write(write)
    return {}


@operation("logs", "DeleteLogGroup", action="logs:DeleteLogGroup", resource=group_arn)
async def delete_log_group(call: AllowedCall, state: State) -> Parameters:
    """Delete a group with all that is in it."""
    name = call.parameters["logGroupName"]

    def write(connection: Connection) -> None:
        log_events.delete_log_group(connection, existing_group(connection, name).id)
        delete_all_tags(connection, _tagged_arn(name, call.scope))

    await state.database.write(write)
    return {}


@operation("logs", "DescribeLogGroups", action="logs:DescribeLogGroups", resource=any_resource)
async def describe_log_groups(call: AllowedCall, state: State) -> Parameters:
    """Groups in order of their names."""
    given = call.parameters
    limit = given.get("limit", 50)
    if given.get("logGroupNamePrefix") and given.get("logGroupNamePattern"):
        raise InvalidParameterException(
            message="LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters."
        )
    groups = state.database.read(
        lambda connection: log_streams.list_log_groups(
            connection,
            prefix=given.get("logGroupNamePrefix", ""),
            contains=given.get("logGroupNamePattern", ""),
            after_name=given.get("nextToken", ""),
            limit=limit + 1,
        )
    )
    answer: Parameters = {"logGroups": [_described(group, call.scope) for group in groups[:limit]]}
    if len(groups) > limit:
        answer["nextToken"] = groups[limit - 1].name
    return answer


@operation(
    "logs",
    "PutRetentionPolicy",
    action="logs:PutRetentionPolicy",
    resource=group_arn,
    partial="The period is recorded and shown, but old events are not deleted yet.",
)
async def put_retention_policy(call: AllowedCall, state: State) -> Parameters:
    """Record for how long a group's events are to be kept."""
    days = call.parameters["retentionInDays"]
    if days not in RETENTION_DAYS:
        raise InvalidParameterException(
            message=f"1 validation error detected: Value '{days}' at 'retentionInDays' failed to satisfy constraint: "
            f"Member must satisfy enum value set: [{', '.join(str(value) for value in RETENTION_DAYS)}]"
        )
    await state.database.write(lambda connection: _set_retention(connection, call.parameters["logGroupName"], days))
    return {}


@operation("logs", "DeleteRetentionPolicy", action="logs:DeleteRetentionPolicy", resource=group_arn)
async def delete_retention_policy(call: AllowedCall, state: State) -> Parameters:
    """Keep a group's events for ever."""
    await state.database.write(lambda connection: _set_retention(connection, call.parameters["logGroupName"], None))
    return {}


def _tagged_resource(parameters: Parameters, _scope: Scope) -> str:
    return str(parameters["resourceArn"])


@operation("logs", "ListTagsForResource", action="logs:ListTagsForResource", resource=_tagged_resource)
async def list_tags_for_resource(call: AllowedCall, state: State) -> Parameters:
    """A group's tags."""
    tags = state.database.read(lambda connection: list_tags(connection, _known_arn(connection, call)))
    return {"tags": {tag["Key"]: tag["Value"] for tag in tags}}


@operation("logs", "TagResource", action="logs:TagResource", resource=_tagged_resource)
async def tag_resource(call: AllowedCall, state: State) -> Parameters:
    """Give a group tags."""
    tags = [{"Key": key, "Value": value} for key, value in call.parameters["tags"].items()]
    await state.database.write(lambda connection: add_tags(connection, _known_arn(connection, call), tags))
    return {}


@operation("logs", "UntagResource", action="logs:UntagResource", resource=_tagged_resource)
async def untag_resource(call: AllowedCall, state: State) -> Parameters:
    """Take tags from a group."""
    keys = call.parameters["tagKeys"]
    await state.database.write(lambda connection: delete_tags(connection, _known_arn(connection, call), keys))
    return {}


def _set_retention(connection: Connection, name: str, days: int | None) -> None:
    log_streams.set_retention(connection, existing_group(connection, name).id, days)


def _tagged_arn(name: str, scope: Scope) -> str:
    return scope.arn("logs", f"log-group:{name}")


def _known_arn(connection: Connection, call: AllowedCall) -> str:
    name = str(call.parameters["resourceArn"]).partition(":log-group:")[2].removesuffix(":*")
    return _tagged_arn(existing_group(connection, name).name, call.scope)


def _described(group: LogGroup, scope: Scope) -> dict[str, Any]:
    described: dict[str, Any] = {
        "logGroupName": group.name,
        "creationTime": group.created_at_ms,
        "metricFilterCount": 0,
        "arn": scope.arn("logs", f"log-group:{group.name}:*"),
        "logGroupArn": scope.arn("logs", f"log-group:{group.name}"),
        "storedBytes": group.stored_bytes,
        "logGroupClass": group.log_class,
    }
    if group.retention_days is not None:
        described["retentionInDays"] = group.retention_days
    if group.kms_key_id:
        described["kmsKeyId"] = group.kms_key_id
    return described
