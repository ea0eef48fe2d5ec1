"""What CreateTrainingJob refuses at once. Nothing of these requests may be left behind."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from training import IMAGE, Training, channel


@pytest.fixture(scope="module")
def training(server: Any) -> Training:
    return Training(server.client, "training-refusals")


def algorithm(**more: Any) -> dict[str, Any]:
    return {"AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File", **more}}


def resources(**more: Any) -> dict[str, Any]:
    return {"ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 30, **more}}


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("pipe mode", algorithm(TrainingInputMode="Pipe"), "TrainingInputMode Pipe is not implemented"),
    ("two instances", resources(InstanceCount=2), "InstanceCount 2 is not implemented"),
    ("no instance", resources(InstanceCount=0), "InstanceCount must be at least 1"),
    (
        "groups",
        resources(
            InstanceGroups=[{"InstanceType": "ml.m5.large", "InstanceCount": 1, "InstanceGroupName": "a"}],
        ),
        "InstanceGroups is not implemented",
    ),
    (
        "regex",
        algorithm(MetricDefinitions=[{"Name": "loss", "Regex": "loss: ([0-9.]+"}]),
        "Invalid MetricDefinitions: The regex",
    ),
    (
        "metric twice",
        algorithm(MetricDefinitions=[{"Name": "loss", "Regex": "a"}, {"Name": "loss", "Regex": "b"}]),
        "Metric names must be unique",
    ),
    ("arguments alone", algorithm(ContainerArguments=["--x"]), "ContainerArguments need a ContainerEntrypoint"),
    (
        "wait without spot",
        {"StoppingCondition": {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 120}},
        "Invalid MaxWaitTimeInSeconds. It is supported only when EnableManagedSpotTraining is set to true",
    ),
    ("spot without wait", {"EnableManagedSpotTraining": True}, "Invalid MaxWaitTimeInSeconds. It must be present"),
    ("29 days", {"StoppingCondition": {"MaxRuntimeInSeconds": 29 * 86400}}, "must be at most 2419200"),
    (
        "output bucket",
        {"OutputDataConfig": {"S3OutputPath": "s3://no-such-bucket-here/x"}},
        'The bucket "no-such-bucket-here" of OutputDataConfig',
    ),
    (
        "output uri",
        {"OutputDataConfig": {"S3OutputPath": "https://x/y"}},
        "is not of the form s3://bucket/prefix",
    ),
    (
        "no objects",
        {"InputDataConfig": [channel("training", "s3://training-refusals/absent/")]},
        'No S3 objects found under S3 URL "s3://training-refusals/absent/" given in input data source. Please ensure '
        "that the bucket exists in the selected region (us-east-1), that objects exist under that S3 prefix, and that "
        'the role "arn:aws:iam::000000000000:role/training" has "s3:ListBucket" permissions on bucket '
        '"training-refusals".',
    ),
    (
        "channel twice",
        {"InputDataConfig": [channel("a", "s3://training-refusals/code/")] * 2},
        "Channel names must be unique",
    ),
    (
        "channel dots",
        {"InputDataConfig": [channel("..", "s3://training-refusals/code/")]},
        "cannot be the name of a folder",
    ),
    (
        "gzip",
        {"InputDataConfig": [channel("a", "s3://training-refusals/code/", CompressionType="Gzip")]},
        "only possible in Pipe mode",
    ),
    (
        "record wrapper",
        {"InputDataConfig": [channel("a", "s3://training-refusals/code/", RecordWrapperType="RecordIO")]},
        "only possible in Pipe mode",
    ),
    (
        "augmented manifest",
        {
            "InputDataConfig": [
                channel("a", "s3://training-refusals/code/", source={"S3DataType": "AugmentedManifestFile"})
            ]
        },
        "AugmentedManifestFile is not implemented",
    ),
    (
        "checkpoints outside",
        {"CheckpointConfig": {"S3Uri": "s3://training-refusals/c", "LocalPath": "/opt/ml/../../etc"}},
        "must be a folder of its own below /opt/ml",
    ),
    ("many hyperparameters", {"HyperParameters": {f"p{i}": "1" for i in range(101)}}, "at 'hyperParameters'"),
    ("long hyperparameter", {"HyperParameters": {"p": "x" * 2501}}, "2500"),
    ("name", {"TrainingJobName": "-bad-"}, "at 'trainingJobName' failed to satisfy constraint"),
    ("instance type", resources(InstanceType="ml.dog.large"), "at 'resourceConfig.instanceType' failed to satisfy"),
    ("reserved tag", {"Tags": [{"Key": "aws:x", "Value": "y"}]}, "reserved for AWS"),
]


@pytest.mark.parametrize(("changes", "message"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_create_training_job_refused(
    training: Training, unique_name: Callable[[str], str], changes: dict[str, Any], message: str
) -> None:
    name = unique_name("refused")
    with pytest.raises(ClientError) as caught:
        training.create(name, "pass", **changes)
    error = caught.value.response["Error"]
    assert error["Code"] == "ValidationException"
    assert message in error["Message"]
    with pytest.raises(ClientError, match="Requested resource not found"):
        training.describe(name)


def test_create_training_job_without_a_program(training: Training, unique_name: Callable[[str], str]) -> None:
    request = training.request(unique_name("refused"), "pass")
    request["HyperParameters"] = {"epochs": "1"}
    with pytest.raises(ClientError, match="Give a script by the hyperparameters sagemaker_program"):
        training.sagemaker.create_training_job(**request)


@pytest.mark.parametrize("operation", ["describe_training_job", "stop_training_job", "delete_training_job"])
def test_training_job_that_is_not_there(training: Training, operation: str) -> None:
    with pytest.raises(ClientError) as caught:
        getattr(training.sagemaker, operation)(TrainingJobName="absent")
    assert caught.value.response["Error"] == {"Code": "ValidationException", "Message": "Requested resource not found."}
