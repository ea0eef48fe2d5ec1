"""What CreateTrainingJob refuses at once, beyond what the service model itself refuses."""

import re
from typing import Any, NoReturn

from sqlalchemy import Connection

from coldframe.calls import Parameters
from coldframe.errors import ValidationException
from coldframe.state.buckets import find_bucket
from coldframe.state.metric_definitions import compile_definitions
from coldframe.state.objects import find_object, list_objects

LONGEST_RUNTIME_SECONDS = 28 * 24 * 3600
HOW_TO_GIVE_A_SCRIPT = (
    "Coldframe runs environments instead of images: no environment is known by the image {image!r}. Give a script by "
    "the hyperparameters sagemaker_program and sagemaker_submit_directory (an s3:// URI of a .tar.gz), as the "
    "SageMaker Python SDK does, or a command by AlgorithmSpecification.ContainerEntrypoint."
)


def check_parameters(given: Parameters) -> None:
    """Raise a ValidationException for values that contradict each other or that cannot be carried out."""
    _check_algorithm(given)
    _check_resources(given)
    _check_stopping_condition(given)
    _check_channels(given.get("InputDataConfig", []))
    if given.get("ServerlessJobConfig"):
        refuse("ServerlessJobConfig is not implemented: give AlgorithmSpecification and ResourceConfig.")
    for name in ("OutputDataConfig", "CheckpointConfig"):
        if name in given:
            bucket_and_key(given[name].get("S3OutputPath") or given[name].get("S3Uri"))
    local_path = given.get("CheckpointConfig", {}).get("LocalPath") or "/opt/ml/checkpoints"
    if not re.fullmatch(r"/opt/ml/(?!input(/|$)|model(/|$)|output(/|$)|code(/|$))[\w.\-]+(/[\w.\-]+)*", local_path) or (
        ".." in local_path.split("/")
    ):
        refuse(f"CheckpointConfig.LocalPath must be a folder of its own below /opt/ml, not {local_path!r}.")


def check_storage(connection: Connection, given: Parameters, region: str) -> None:
    """Raise a ValidationException for a bucket or for input data that is not there."""
    for part in ("OutputDataConfig", "CheckpointConfig"):
        if part in given:
            uri = given[part].get("S3OutputPath") or given[part].get("S3Uri")
            bucket, _ = bucket_and_key(uri)
            if find_bucket(connection, bucket) is None:
                refuse(f'The bucket "{bucket}" of {part} "{uri}" does not exist.')
    for channel in given.get("InputDataConfig", []):
        _check_input(connection, channel["DataSource"]["S3DataSource"], given["RoleArn"], region)


def bucket_and_key(uri: str) -> tuple[str, str]:
    """The two parts of an S3 URI."""
    match = re.fullmatch(r"s3://([a-z0-9][a-z0-9.\-]{1,61}[a-z0-9])(?:/(.*))?", uri, re.DOTALL)
    if match is None:
        refuse(f"The S3 URI {uri!r} is not of the form s3://bucket/prefix.")
    return match[1], match[2] or ""


def refuse(message: str) -> NoReturn:
    """Raise a ValidationException."""
    raise ValidationException(message=message)


def _check_algorithm(given: Parameters) -> None:
    algorithm = given.get("AlgorithmSpecification")
    if algorithm is None:
        refuse("AlgorithmSpecification is required.")
    if algorithm.get("AlgorithmName"):
        refuse("AlgorithmSpecification.AlgorithmName is not implemented: give TrainingImage.")
    if not algorithm.get("TrainingImage"):
        refuse("You must specify either an algorithm name or a training image.")
    if algorithm["TrainingInputMode"] == "Pipe":
        refuse("TrainingInputMode Pipe is not implemented: use File or FastFile.")
    entry_point = algorithm.get("ContainerEntrypoint")
    if algorithm.get("ContainerArguments") and not entry_point:
        refuse(
            "ContainerArguments need a ContainerEntrypoint: there is no image whose own entry point could take them."
        )
    program = given.get("HyperParameters", {}).get("sagemaker_program") or given.get("Environment", {}).get(
        "SAGEMAKER_PROGRAM"
    )
    if not entry_point and not program:
        refuse(HOW_TO_GIVE_A_SCRIPT.format(image=algorithm["TrainingImage"]))
    names = [one["Name"] for one in algorithm.get("MetricDefinitions", [])]
    if len(set(names)) < len(names):
        refuse("Metric names must be unique.")
    try:
        compile_definitions(algorithm.get("MetricDefinitions", []))
    except ValueError as error:
        refuse(f"Invalid MetricDefinitions: {error}")


def _check_resources(given: Parameters) -> None:
    resources = given.get("ResourceConfig")
    if not resources:
        refuse("ResourceConfig is required.")
    for name in ("InstanceGroups", "InstancePlacementConfig", "InstancePreferences", "TrainingPlanArn"):
        if resources.get(name):
            refuse(f"ResourceConfig.{name} is not implemented: give InstanceType and InstanceCount.")
    if not resources.get("InstanceType"):
        refuse("ResourceConfig.InstanceType is required.")
    count = resources.get("InstanceCount", 0)
    if count < 1:
        refuse("ResourceConfig.InstanceCount must be at least 1.")
    if count > 1:
        refuse(f"ResourceConfig.InstanceCount {count} is not implemented: one instance runs each training job.")


def _check_stopping_condition(given: Parameters) -> None:
    condition = given.get("StoppingCondition", {})
    runtime = condition.get("MaxRuntimeInSeconds", 0)
    if runtime > LONGEST_RUNTIME_SECONDS:
        refuse(f"MaxRuntimeInSeconds must be at most {LONGEST_RUNTIME_SECONDS} (28 days), not {runtime}.")
    wait = condition.get("MaxWaitTimeInSeconds")
    spot = given.get("EnableManagedSpotTraining", False)
    if wait is not None and not spot:
        refuse("Invalid MaxWaitTimeInSeconds. It is supported only when EnableManagedSpotTraining is set to true")
    if spot and (wait is None or wait < runtime):
        refuse("Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to MaxRuntimeInSeconds")


def _check_channels(channels: list[dict[str, Any]]) -> None:
    names = [channel["ChannelName"] for channel in channels]
    if len(set(names)) < len(names):
        refuse("Channel names must be unique within InputDataConfig.")
    for channel in channels:
        name = channel["ChannelName"]
        if not name.strip("."):
            refuse(f"The channel name {name!r} cannot be the name of a folder.")
        source = channel["DataSource"].get("S3DataSource")
        if source is None:
            refuse(f"Channel {name!r}: only S3DataSource is implemented.")
        if source["S3DataType"] not in ("S3Prefix", "ManifestFile"):
            refuse(f"Channel {name!r}: S3DataType {source['S3DataType']} is not implemented: use S3Prefix.")
        if channel.get("InputMode") == "Pipe":
            refuse(f"Channel {name!r}: InputMode Pipe is not implemented: use File or FastFile.")
        if channel.get("CompressionType", "None") != "None":
            refuse(f"Channel {name!r}: CompressionType Gzip is only possible in Pipe mode.")
        if channel.get("RecordWrapperType", "None") != "None":
            refuse(f"Channel {name!r}: RecordWrapperType RecordIO is only possible in Pipe mode.")
        bucket_and_key(source["S3Uri"])


def _check_input(connection: Connection, source: dict[str, Any], role_arn: str, region: str) -> None:
    uri = source["S3Uri"]
    bucket, prefix = bucket_and_key(uri)
    if source["S3DataType"] == "ManifestFile":
        found = find_object(connection, bucket, prefix) is not None
    else:
        found = bool(list_objects(connection, bucket, prefix, "", 1))
    if not found:
        refuse(
            f'No S3 objects found under S3 URL "{uri}" given in input data source. Please ensure that the bucket '
            f"exists in the selected region ({region}), that objects exist under that S3 prefix, and that the role "
            f'"{role_arn}" has "s3:ListBucket" permissions on bucket "{bucket}".'
        )
