"""Tags of SageMaker's resources: add, list, delete."""

from collections.abc import Callable, Mapping, Sequence

from sqlalchemy import Connection

from coldframe.arns import Scope
from coldframe.calls import AllowedCall, Parameters
from coldframe.errors import ValidationException
from coldframe.services.operation import operation
from coldframe.services.pages import next_token, place_after
from coldframe.state.endpoint_configs import find_endpoint_config
from coldframe.state.endpoints import find_endpoint
from coldframe.state.models import find_model
from coldframe.state.state import State
from coldframe.state.tags import add_tags as add
from coldframe.state.tags import delete_tags as delete
from coldframe.state.tags import list_tags as read
from coldframe.state.training_jobs import find_training_job

MOST_TAGS = 50
EXISTS: dict[str, Callable[[Connection, str], object | None]] = {
    "endpoint": find_endpoint,
    "endpoint-config": find_endpoint_config,
    "model": find_model,
    "training-job": find_training_job,
}
"""For each kind of resource that has tags: finds one by its name."""


def check_tags(tags: Sequence[Mapping[str, str]]) -> None:
    """Refuse tags that AWS refuses: reserved keys, the same key twice."""
    keys = [tag["Key"] for tag in tags]
    if len(set(keys)) < len(keys):
        raise ValidationException(message="Duplicate tag keys found. Please note that tag keys are case insensitive.")
    for key in keys:
        if key.lower().startswith("aws:"):
            raise ValidationException(
                message=f"The tag key {key!r} is not allowed: keys that begin with aws: are reserved for AWS."
            )


def _resource_arn(parameters: Parameters, _scope: Scope) -> str:
    return str(parameters["ResourceArn"])


@operation("sagemaker", "AddTags", action="sagemaker:AddTags", resource=_resource_arn)
async def add_tags(call: AllowedCall, state: State) -> Parameters:
    """Give a resource tags; one with the same key gets the new value."""
    arn, tags = call.parameters["ResourceArn"], call.parameters["Tags"]
    check_tags(tags)

    def write(connection: Connection) -> list[dict[str, str]]:
        _check_resource(connection, arn, call.scope)
        add(connection, arn, tags)
        present = read(connection, arn)
        if len(present) > MOST_TAGS:
            raise ValidationException(message=f"A resource can have at most {MOST_TAGS} tags, not {len(present)}.")
        return present

    return {"Tags": await state.database.write(write)}


@operation("sagemaker", "ListTags", action="sagemaker:ListTags", resource=_resource_arn)
async def list_tags(call: AllowedCall, state: State) -> Parameters:
    """A resource's tags, in order of their keys."""
    arn = call.parameters["ResourceArn"]
    place = place_after(call.parameters)
    limit = min(call.parameters.get("MaxResults", MOST_TAGS), MOST_TAGS)

    def look(connection: Connection) -> list[dict[str, str]]:
        _check_resource(connection, arn, call.scope)
        return read(connection, arn)

    tags = [tag for tag in state.database.read(look) if place is None or tag["Key"] > place[1]]
    answer: Parameters = {"Tags": tags[:limit]}
    if len(tags) > limit:
        answer["NextToken"] = next_token((0, tags[limit - 1]["Key"]), call.parameters)
    return answer


@operation("sagemaker", "DeleteTags", action="sagemaker:DeleteTags", resource=_resource_arn)
async def delete_tags(call: AllowedCall, state: State) -> Parameters:
    """Take tags from a resource."""
    arn, keys = call.parameters["ResourceArn"], call.parameters["TagKeys"]

    def write(connection: Connection) -> None:
        _check_resource(connection, arn, call.scope)
        delete(connection, arn, keys)

    await state.database.write(write)
    return {}


def _check_resource(connection: Connection, arn: str, scope: Scope) -> None:
    """Refuse an ARN of another account, region or kind, or of a resource that is not there."""
    kind, _, name = arn.removeprefix(scope.arn("sagemaker", "")).partition("/")
    find = EXISTS.get(kind) if arn.startswith(scope.arn("sagemaker", "")) else None
    if find is None:
        raise ValidationException(message=f"Invalid resource ARN: {arn}")
    if find(connection, name) is None:
        raise ValidationException(message=f"Requested resource not found: {arn}")
