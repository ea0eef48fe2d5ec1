"""CreateEndpointConfig, DescribeEndpointConfig, ListEndpointConfigs, DeleteEndpointConfig."""

from typing import Any

from sqlalchemy import Connection

from coldframe.arns import Scope
from coldframe.calls import AllowedCall, Parameters
from coldframe.errors import ValidationException
from coldframe.services.operation import operation
from coldframe.services.pages import next_token
from coldframe.services.sagemaker.listing import moment, page_query
from coldframe.services.sagemaker.models import model_arn, model_missing
from coldframe.state import endpoint_configs
from coldframe.state.endpoint_configs import EndpointConfigRecord
from coldframe.state.models import find_model
from coldframe.state.state import State
from coldframe.state.tags import add_tags, delete_all_tags

NOT_IMPLEMENTED = {
    "AsyncInferenceConfig": "Asynchronous inference",
    "ExplainerConfig": "Explanations",
    "ShadowProductionVariants": "Shadow variants",
    "CrossRegionTrafficConfig": "Cross-region traffic",
}
VARIANT_NOT_IMPLEMENTED = {
    "ServerlessConfig": "Serverless inference",
    "AcceleratorType": "Elastic inference",
    "CoreDumpConfig": "Core dumps",
    "InstancePools": "Instance pools",
    "ManagedInstanceScaling": "Managed instance scaling",
    "CapacityReservationConfig": "Capacity reservations",
    "AcceleratorPartitionLayouts": "Accelerator partitions",
}
"""What a configuration may name and Coldframe does not carry out yet: refused, so that nothing is only pretended."""


def endpoint_config_arn(parameters: Parameters, scope: Scope) -> str:
    """The ARN of the configuration that a call names."""
    return scope.arn("sagemaker", f"endpoint-config/{parameters['EndpointConfigName']}")


@operation(
    "sagemaker",
    "CreateEndpointConfig",
    action="sagemaker:CreateEndpointConfig",
    resource=endpoint_config_arn,
    partial="No data capture, serverless, asynchronous or shadow variants, no explanations. InstanceType, volumes, "
    "keys and VpcConfig are recorded only. The instance with the fewest open requests is asked, whatever RoutingConfig "
    "says.",
)
async def create_endpoint_config(call: AllowedCall, state: State) -> Parameters:
    """Write down which models are to run on how many instances."""
    given = call.parameters
    arn = endpoint_config_arn(given, call.scope)
    check_endpoint_config(given)
    definition = {name: value for name, value in given.items() if name not in ("EndpointConfigName", "Tags")}
    definition["ProductionVariants"] = [{"InitialVariantWeight": 1.0} | one for one in given["ProductionVariants"]]
    definition.setdefault("EnableNetworkIsolation", False)
    record = EndpointConfigRecord(given["EndpointConfigName"], state.clock.now(), definition)

    def write(connection: Connection) -> None:
        for variant in record.variants:
            if find_model(connection, variant["ModelName"]) is None:
                raise model_missing(model_arn(variant, call.scope))
        if not endpoint_configs.create_endpoint_config(connection, record):
            raise ValidationException(message=f'Cannot create already existing endpoint configuration "{arn}".')
        add_tags(connection, arn, given.get("Tags", []))

    await state.database.write(write)
    return {"EndpointConfigArn": arn}


@operation(
    "sagemaker", "DescribeEndpointConfig", action="sagemaker:DescribeEndpointConfig", resource=endpoint_config_arn
)
async def describe_endpoint_config(call: AllowedCall, state: State) -> Parameters:
    """All that CreateEndpointConfig was given, with the defaults that were filled in."""
    name = call.parameters["EndpointConfigName"]
    arn = endpoint_config_arn(call.parameters, call.scope)
    record = state.database.read(lambda connection: endpoint_configs.find_endpoint_config(connection, name))
    if record is None:
        raise endpoint_config_missing(arn)
    return {
        "EndpointConfigName": record.name,
        "EndpointConfigArn": arn,
        "CreationTime": moment(record.created_at),
        **record.definition,
    }


@operation("sagemaker", "ListEndpointConfigs", action="sagemaker:ListEndpointConfigs")
async def list_endpoint_configs(call: AllowedCall, state: State) -> Parameters:
    """A page of configurations."""
    query = page_query(call.parameters)
    found, place = await state.database.read_in_thread(
        lambda connection: endpoint_configs.list_endpoint_configs(connection, query)
    )
    answer: Parameters = {
        "EndpointConfigs": [
            {
                "EndpointConfigName": record.name,
                "EndpointConfigArn": endpoint_config_arn({"EndpointConfigName": record.name}, call.scope),
                "CreationTime": moment(record.created_at),
            }
            for record in found
        ]
    }
    return answer | ({"NextToken": next_token(place, call.parameters)} if place else {})


@operation("sagemaker", "DeleteEndpointConfig", action="sagemaker:DeleteEndpointConfig", resource=endpoint_config_arn)
async def delete_endpoint_config(call: AllowedCall, state: State) -> Parameters:
    """Forget a configuration. Endpoints that were made of it keep what they need."""
    name = call.parameters["EndpointConfigName"]
    arn = endpoint_config_arn(call.parameters, call.scope)

    def write(connection: Connection) -> None:
        if not endpoint_configs.delete_endpoint_config(connection, name):
            raise endpoint_config_missing(arn)
        delete_all_tags(connection, arn)

    await state.database.write(write)
    return {}


def endpoint_config_missing(arn: str) -> ValidationException:
    """What AWS says of a configuration that is not there."""
    return ValidationException(message=f'Could not find endpoint configuration "{arn}".')


def check_endpoint_config(given: Parameters) -> None:
    """Raise a ValidationException for what contradicts itself or cannot be carried out."""
    for name, what in NOT_IMPLEMENTED.items():
        _refuse(bool(given.get(name)), f"{what} ({name}) is not implemented.")
    capture = given.get("DataCaptureConfig", {})
    _refuse(capture.get("EnableCapture", False), "Data capture (DataCaptureConfig.EnableCapture) is not implemented.")
    variants = given["ProductionVariants"]
    names = [variant["VariantName"] for variant in variants]
    _refuse(len(set(names)) < len(names), "Each production variant must have a VariantName of its own.")
    for variant in variants:
        _check_variant(variant)
    weights = sum(variant.get("InitialVariantWeight", 1.0) for variant in variants)
    _refuse(weights <= 0, "At least one production variant must have an InitialVariantWeight above 0.")


def _check_variant(variant: dict[str, Any]) -> None:
    name = variant["VariantName"]
    for member, what in VARIANT_NOT_IMPLEMENTED.items():
        _refuse(bool(variant.get(member)), f"{what} ({member} of variant {name}) is not implemented.")
    _refuse(
        not variant.get("ModelName"),
        f"Variant {name} has no ModelName. Variants without a model (inference components) are not implemented.",
    )
    _refuse(not variant.get("InstanceType"), f"Variant {name} must have an InstanceType.")
    _refuse("InitialInstanceCount" not in variant, f"Variant {name} must have an InitialInstanceCount.")


def _refuse(wrong: bool, message: str) -> None:
    if wrong:
        raise ValidationException(message=message)
