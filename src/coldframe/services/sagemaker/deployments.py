"""Works out what an endpoint is to run: from its configuration and models, or by changing what it runs now."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from coldframe.arns import Scope
from coldframe.errors import ValidationException
from coldframe.services.sagemaker.endpoint_configs import endpoint_config_arn, endpoint_config_missing
from coldframe.services.sagemaker.errors import ResourceLimitExceeded
from coldframe.services.sagemaker.model_data import check_model_data
from coldframe.services.sagemaker.models import model_arn, model_missing
from coldframe.state.endpoint_configs import find_endpoint_config
from coldframe.state.endpoints import Deployment, VariantPlan
from coldframe.state.models import find_model

STARTUP_TIMEOUT_SECONDS = 240
"""AWS's default: a container must answer its ping within four minutes."""
MOST_INSTANCES = 64
"""Of one endpoint. Each is a process of this machine with a model of its own."""
DOWNLOAD_TIMEOUT_SECONDS = 3600
"""The most that ModelDataDownloadTimeoutInSeconds may say."""


def plan_deployment(
    connection: Connection, config_name: str, scope: Scope, deployment_id: str, now: float
) -> Deployment:
    """What the configuration asks for, with all that its instances need.

    Raises ValidationException, in AWS's words, if the configuration, a model or its data is not there.
    """
    config = find_endpoint_config(connection, config_name)
    if config is None:
        raise endpoint_config_missing(endpoint_config_arn({"EndpointConfigName": config_name}, scope))
    variants = [_plan_variant(connection, variant, config.definition, scope) for variant in config.variants]
    _check_count(variants)
    return Deployment(deployment_id, config_name, tuple(variants), now)


def retain_properties(pending: Deployment, current: Deployment, excluded: Collection[str]) -> Deployment:
    """Keep what variants of the same name have now: instance counts and weights, but for what is excluded."""
    now = {variant.name: variant for variant in current.variants}
    variants = []
    for variant in pending.variants:
        before = now.get(variant.name, variant)
        count = variant.instance_count if "DesiredInstanceCount" in excluded else before.instance_count
        weight = variant.weight if "DesiredWeight" in excluded else before.weight
        variants.append(replace(variant, instance_count=count, weight=weight))
    return replace(pending, variants=tuple(variants))


def change_variants(current: Deployment, wanted: Sequence[dict[str, Any]]) -> Deployment:
    """The same variants with other weights and counts. ValidationException for a variant that is not there."""
    changes = {change["VariantName"]: change for change in wanted}
    if len(changes) < len(wanted):
        raise ValidationException(message="Each variant may be named only once in DesiredWeightsAndCapacities.")
    missing = sorted(set(changes) - {variant.name for variant in current.variants})
    if missing:
        raise ValidationException(message=f"The endpoint has no variant {missing[0]}.")
    variants = tuple(_change(variant, changes.get(variant.name, {})) for variant in current.variants)
    _check_count(variants)
    if sum(variant.weight for variant in variants) <= 0:
        raise ValidationException(message="At least one variant must have a weight above 0.")
    return replace(current, variants=variants)


def _change(variant: VariantPlan, change: dict[str, Any]) -> VariantPlan:
    if change.get("ServerlessUpdateConfig"):
        raise ValidationException(message="Serverless inference (ServerlessUpdateConfig) is not implemented.")
    count = change.get("DesiredInstanceCount", variant.instance_count)
    if count < 1:
        raise ValidationException(message=f"The DesiredInstanceCount of variant {variant.name} must be at least 1.")
    return replace(variant, weight=change.get("DesiredWeight", variant.weight), instance_count=count)


def _check_count(variants: Sequence[VariantPlan]) -> None:
    wanted = sum(variant.instance_count for variant in variants)
    if wanted > MOST_INSTANCES:
        raise ResourceLimitExceeded(
            message=f"The account-level service limit '{variants[0].instance_type} for endpoint usage' is "
            f"{MOST_INSTANCES} Instances, with current utilization of 0 Instances and a request delta of {wanted} "
            "Instances."
        )


def _plan_variant(
    connection: Connection, variant: dict[str, Any], definition: dict[str, Any], scope: Scope
) -> VariantPlan:
    model = find_model(connection, variant["ModelName"])
    if model is None:
        raise model_missing(model_arn(variant, scope))
    check_model_data(connection, model.container, model.definition.get("ExecutionRoleArn", ""), scope)
    isolated = model.definition.get("EnableNetworkIsolation") or definition.get("EnableNetworkIsolation")
    return VariantPlan(
        name=variant["VariantName"],
        model_name=model.name,
        container=model.container,
        weight=variant["InitialVariantWeight"],
        instance_count=variant["InitialInstanceCount"],
        instance_type=variant["InstanceType"],
        startup_timeout_seconds=variant.get("ContainerStartupHealthCheckTimeoutInSeconds", STARTUP_TIMEOUT_SECONDS),
        download_timeout_seconds=variant.get("ModelDataDownloadTimeoutInSeconds", DOWNLOAD_TIMEOUT_SECONDS),
        network_isolation=bool(isolated),
    )
