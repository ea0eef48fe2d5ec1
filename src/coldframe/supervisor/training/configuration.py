"""What a training worker is told: the files below /opt/ml/input/config, its environment, its specification."""

import json
from pathlib import Path
from typing import Any

from coldframe.data_directory import ServerFile
from coldframe.state.state import State
from coldframe.state.training_jobs import TrainingJobRecord
from coldframe.supervisor.training.job_directory import JobDirectory
from coldframe.supervisor.worker_limits import most_memory_bytes
from coldframe.workers.specification import Bind, WorkerSpecification

HOST = "algo-1"


def write_configuration(record: TrainingJobRecord, directory: JobDirectory) -> None:
    """Write hyperparameters.json, inputdataconfig.json and resourceconfig.json as AWS does."""
    folder = directory.ml / "input" / "config"
    _write(folder / "hyperparameters.json", record.request.get("HyperParameters", {}))
    channels = {channel["ChannelName"]: _channel(channel, record) for channel in channels_of(record)}
    _write(folder / "inputdataconfig.json", channels)
    instance_type = record.request["ResourceConfig"]["InstanceType"]
    group = {"instance_group_name": "homogeneousCluster", "instance_type": instance_type, "hosts": [HOST]}
    resources = {
        "current_host": HOST,
        "current_instance_type": instance_type,
        "current_group_name": "homogeneousCluster",
        "hosts": [HOST],
        "instance_groups": [group],
        "network_interface_name": "lo",
    }
    _write(folder / "resourceconfig.json", resources)


def channels_of(record: TrainingJobRecord) -> list[dict[str, Any]]:
    """The job's channels, as they were asked for."""
    channels: list[dict[str, Any]] = record.request.get("InputDataConfig", [])
    return channels


def input_mode(channel: dict[str, Any], record: TrainingJobRecord) -> str:
    """`File` or `FastFile`: the channel's own mode, else the job's."""
    return str(channel.get("InputMode") or record.request["AlgorithmSpecification"]["TrainingInputMode"])


def worker_specification(
    state: State, record: TrainingJobRecord, directory: JobDirectory, binds: list[Bind], threads: int
) -> WorkerSpecification:
    """The job's worker."""
    algorithm = record.request["AlgorithmSpecification"]
    return WorkerSpecification(
        name=f"training-job/{record.directory}/{HOST}",
        role="train",
        command=[*algorithm.get("ContainerEntrypoint", []), *algorithm.get("ContainerArguments", [])],
        environment=_environment(state, record),
        binds=[Bind(str(directory.ml), "/opt/ml", "rw"), *binds],
        scratch_directory=str(directory.scratch),
        hidden_directories=[str(state.config.directory)],
        host_name=HOST,
        host_addresses={HOST: "127.0.0.1"},
        threads=threads,
        memory_bytes=most_memory_bytes(state.config),
        network=not record.request.get("EnableNetworkIsolation", False),
    )


def _environment(state: State, record: TrainingJobRecord) -> dict[str, str]:
    region = state.scope.region
    server = ServerFile.read(state.config.directory)
    environment = {
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "SAGEMAKER_REGION": region,
        "CURRENT_HOST": HOST,
        "TRAINING_JOB_NAME": record.name,
        "TRAINING_JOB_ARN": state.scope.arn("sagemaker", f"training-job/{record.name}"),
        "PYTHONUNBUFFERED": "1",
    }
    if server is not None:
        environment["AWS_ENDPOINT_URL"] = server.url
    given: dict[str, str] = record.request.get("Environment", {})
    return environment | given


def _channel(channel: dict[str, Any], record: TrainingJobRecord) -> dict[str, str]:
    source = channel["DataSource"]["S3DataSource"]
    described = {
        "TrainingInputMode": input_mode(channel, record),
        "S3DistributionType": source.get("S3DataDistributionType", "FullyReplicated"),
        "RecordWrapperType": channel.get("RecordWrapperType", "None"),
    }
    if "ContentType" in channel:
        described["ContentType"] = channel["ContentType"]
    return described


def _write(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")
