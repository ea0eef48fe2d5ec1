"""CreateEndpoint, DescribeEndpoint, ListEndpoints, DeleteEndpoint, and the two operations that change one."""

from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from coldframe.arns import Scope
from coldframe.calls import AllowedCall, Parameters
from coldframe.errors import ValidationException
from coldframe.services.operation import operation
from coldframe.services.pages import next_token
from coldframe.services.sagemaker.deployments import change_variants, plan_deployment, retain_properties
from coldframe.services.sagemaker.endpoint_descriptions import describe, summarize
from coldframe.services.sagemaker.listing import page_query
from coldframe.state import endpoints
from coldframe.state.endpoints import EndpointRecord, find_endpoint, save_endpoint
from coldframe.state.lifecycles import ENDPOINT
from coldframe.state.state import State
from coldframe.state.tags import add_tags

TOPIC = "endpoints"


def endpoint_arn(parameters: Parameters, scope: Scope) -> str:
    """The ARN of the endpoint that a call names."""
    return endpoints.endpoint_arn(parameters["EndpointName"], scope)


@operation(
    "sagemaker",
    "CreateEndpoint",
    action="sagemaker:CreateEndpoint",
    resource=endpoint_arn,
    partial="DeploymentConfig is recorded only.",
)
async def create_endpoint(call: AllowedCall, state: State) -> Parameters:
    """Write down an endpoint that is wanted; the supervisor starts its instances."""
    given = call.parameters
    arn = endpoint_arn(given, call.scope)
    now = state.clock.now()
    deployment_id = state.chance.hexadecimal(16)

    def write(connection: Connection) -> None:
        pending = plan_deployment(connection, given["EndpointConfigName"], call.scope, deployment_id, now)
        record = EndpointRecord(
            name=given["EndpointName"],
            status=ENDPOINT.first,
            failure_reason="",
            created_at=now,
            modified_at=now,
            current=None,
            pending=pending,
            deployment_config=given.get("DeploymentConfig", {}),
        )
        if not endpoints.create_endpoint(connection, record):
            raise ValidationException(message=f'Cannot create already existing endpoint "{arn}".')
        add_tags(connection, arn, given.get("Tags", []))

    await state.database.write(write)
    state.signals.notify(TOPIC)
    return {"EndpointArn": arn}


@operation("sagemaker", "DescribeEndpoint", action="sagemaker:DescribeEndpoint", resource=endpoint_arn)
async def describe_endpoint(call: AllowedCall, state: State) -> Parameters:
    """An endpoint's status, its variants, and what is on the way."""
    name = call.parameters["EndpointName"]
    record = state.database.read(lambda connection: find_endpoint(connection, name))
    arn = endpoint_arn(call.parameters, call.scope)
    if record is None:
        raise endpoint_missing(arn)
    return describe(record, arn)


@operation("sagemaker", "ListEndpoints", action="sagemaker:ListEndpoints")
async def list_endpoints(call: AllowedCall, state: State) -> Parameters:
    """A page of endpoints."""
    query = page_query(call.parameters)
    found, place = await state.database.read_in_thread(lambda connection: endpoints.list_endpoints(connection, query))
    answer: Parameters = {
        "Endpoints": [summarize(record, endpoint_arn({"EndpointName": record.name}, call.scope)) for record in found]
    }
    return answer | ({"NextToken": next_token(place, call.parameters)} if place else {})


@operation(
    "sagemaker",
    "UpdateEndpoint",
    action="sagemaker:UpdateEndpoint",
    resource=endpoint_arn,
    partial="New instances take over all at once: traffic shifting, rolling updates and alarms are refused.",
)
async def update_endpoint(call: AllowedCall, state: State) -> Parameters:
    """Want another configuration; the old instances answer until the new ones do."""
    given = call.parameters
    arn = endpoint_arn(given, call.scope)
    check_deployment_config(given.get("DeploymentConfig", {}))
    now = state.clock.now()
    deployment_id = state.chance.hexadecimal(16)

    def write(connection: Connection) -> None:
        record = _to_be_changed(connection, given["EndpointName"], arn)
        if record.in_service().config_name == given["EndpointConfigName"]:
            raise ValidationException(message=f'Endpoint "{arn}" has this endpoint configuration already.')
        pending = plan_deployment(connection, given["EndpointConfigName"], call.scope, deployment_id, now)
        if given.get("RetainAllVariantProperties"):
            excluded = {one["VariantPropertyType"] for one in given.get("ExcludeRetainedVariantProperties", [])}
            pending = retain_properties(pending, record.in_service(), excluded)
        config = given.get("DeploymentConfig", {})
        if given.get("RetainDeploymentConfig"):
            config = record.deployment_config
        changed = record.to("Updating", now, pending=pending, failure_reason="", deployment_config=config)
        save_endpoint(connection, changed)

    await state.database.write(write)
    state.signals.notify(TOPIC)
    return {"EndpointArn": arn}


@operation(
    "sagemaker",
    "UpdateEndpointWeightsAndCapacities",
    action="sagemaker:UpdateEndpointWeightsAndCapacities",
    resource=endpoint_arn,
)
async def update_endpoint_weights_and_capacities(call: AllowedCall, state: State) -> Parameters:
    """Want other weights or other numbers of instances of the variants that there are."""
    given = call.parameters
    arn = endpoint_arn(given, call.scope)
    now = state.clock.now()

    def write(connection: Connection) -> None:
        record = _to_be_changed(connection, given["EndpointName"], arn)
        current = record.in_service()
        pending = replace(change_variants(current, given["DesiredWeightsAndCapacities"]), started_at=now)
        save_endpoint(connection, record.to("Updating", now, pending=pending, failure_reason=""))

    await state.database.write(write)
    state.signals.notify(TOPIC)
    return {"EndpointArn": arn}


@operation("sagemaker", "DeleteEndpoint", action="sagemaker:DeleteEndpoint", resource=endpoint_arn)
async def delete_endpoint(call: AllowedCall, state: State) -> Parameters:
    """Want an endpoint no more; it goes when its instances have ended. Models and configurations stay."""
    arn = endpoint_arn(call.parameters, call.scope)
    now = state.clock.now()

    def write(connection: Connection) -> None:
        record = find_endpoint(connection, call.parameters["EndpointName"])
        if record is None:
            raise endpoint_missing(arn)
        if record.status == "Deleting":
            return
        if record.status not in ("InService", "Failed"):
            raise in_progress(arn)
        save_endpoint(connection, record.to("Deleting", now))

    await state.database.write(write)
    state.serving.withdraw(call.parameters["EndpointName"])
    state.signals.notify(TOPIC)
    return {}


def endpoint_missing(arn: str) -> ValidationException:
    """What AWS says of an endpoint that is not there."""
    return ValidationException(message=f'Could not find endpoint "{arn}".')


def in_progress(arn: str) -> ValidationException:
    """What AWS says when an endpoint that is on the way to another status is to be changed or deleted."""
    return ValidationException(message=f'Cannot update in-progress endpoint "{arn}".')


def check_deployment_config(config: dict[str, Any]) -> None:
    """Refuse ways of deploying that would only be pretended: all but the switch of all traffic at once."""
    policy = config.get("BlueGreenUpdatePolicy", {})
    routing = policy.get("TrafficRoutingConfiguration", {}).get("Type", "ALL_AT_ONCE")
    if config.get("RollingUpdatePolicy") or routing != "ALL_AT_ONCE":
        raise ValidationException(message="Only the traffic routing ALL_AT_ONCE is implemented.")
    if config.get("AutoRollbackConfiguration", {}).get("Alarms"):
        raise ValidationException(message="Rolling back on alarms (AutoRollbackConfiguration) is not implemented.")


def _to_be_changed(connection: Connection, name: str, arn: str) -> EndpointRecord:
    record = find_endpoint(connection, name)
    if record is None or record.status == "Deleting":
        raise endpoint_missing(arn)
    if record.status == "Failed":
        raise ValidationException(message=f'Cannot update endpoint "{arn}": it has failed and can only be deleted.')
    if record.status != "InService":
        raise in_progress(arn)
    return record
