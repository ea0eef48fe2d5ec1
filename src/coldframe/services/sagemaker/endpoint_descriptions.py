"""How an endpoint's record looks to clients."""

from typing import Any

from coldframe.calls import Parameters
from coldframe.services.sagemaker.listing import moment
from coldframe.state.endpoints import Deployment, EndpointRecord, VariantPlan


def describe(record: EndpointRecord, arn: str) -> Parameters:
    """DescribeEndpoint's answer."""
    shown = record.current or record.pending
    answer = summarize(record, arn)
    if shown is not None:
        answer["EndpointConfigName"] = shown.config_name
    if record.current is not None:
        answer["ProductionVariants"] = _variants(record)
    if record.failure_reason:
        answer["FailureReason"] = record.failure_reason[:1024]
    if record.deployment_config:
        answer["LastDeploymentConfig"] = record.deployment_config
    if record.pending is not None and record.status in ("Creating", "Updating"):
        answer["PendingDeploymentSummary"] = _pending(record.pending, record.status)
    return answer


def summarize(record: EndpointRecord, arn: str) -> Parameters:
    """An endpoint as ListEndpoints shows it."""
    return {
        "EndpointName": record.name,
        "EndpointArn": arn,
        "EndpointStatus": record.status,
        "CreationTime": moment(record.created_at),
        "LastModifiedTime": moment(record.modified_at),
    }


def _variants(record: EndpointRecord) -> list[dict[str, Any]]:
    """What answers now; beside it what is desired, while weights or counts are changing."""
    current, pending = record.in_service(), record.pending
    desired = {one.name: one for one in pending.variants} if pending and pending.id == current.id else {}
    summaries = []
    for variant in current.variants:
        wanted = desired.get(variant.name, variant)
        summaries.append(
            _summary(variant, current.started_at)
            | {"DesiredWeight": wanted.weight, "DesiredInstanceCount": wanted.instance_count}
        )
    return summaries


def _summary(variant: VariantPlan, since: float) -> dict[str, Any]:
    image = variant.container["Image"]
    return {
        "VariantName": variant.name,
        "DeployedImages": [{"SpecifiedImage": image, "ResolvedImage": image, "ResolutionTime": moment(since)}],
        "CurrentWeight": variant.weight,
        "CurrentInstanceCount": variant.instance_count,
    }


def _pending(pending: Deployment, status: str) -> dict[str, Any]:
    variants = []
    for variant in pending.variants:
        summary = _summary(variant, pending.started_at)
        del summary["CurrentWeight"], summary["CurrentInstanceCount"]
        state = "Creating" if status == "Creating" else "Updating"
        variants.append(
            summary
            | {
                "DesiredWeight": variant.weight,
                "DesiredInstanceCount": variant.instance_count,
                "InstanceType": variant.instance_type,
                "VariantStatus": [{"Status": state, "StartTime": moment(pending.started_at)}],
            }
        )
    return {
        "EndpointConfigName": pending.config_name,
        "ProductionVariants": variants,
        "StartTime": moment(pending.started_at),
    }
