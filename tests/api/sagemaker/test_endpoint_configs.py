"""Endpoint configurations, through boto3."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from model_servers import IMAGE

Make = Callable[..., Any]


@pytest.fixture
def sagemaker(client: Make) -> Any:
    return client("sagemaker")


@pytest.fixture
def model(sagemaker: Any, unique_name: Make) -> str:
    name = unique_name("model")
    sagemaker.create_model(ModelName=name, PrimaryContainer={"Image": IMAGE})
    return name


def variant(model: str, **changes: Any) -> dict[str, Any]:
    given = {
        "VariantName": "AllTraffic",
        "ModelName": model,
        "InitialInstanceCount": 1,
        "InstanceType": "ml.m5.large",
    } | changes
    return {name: value for name, value in given.items() if value is not None}


def refusal(call: Callable[..., Any], **parameters: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    assert caught.value.response["Error"]["Code"] == "ValidationException"
    return caught.value.response["Error"]["Message"]


def test_describe_endpoint_config_echoes_all_that_was_given(sagemaker: Any, model: str, unique_name: Make) -> None:
    name = unique_name("config")
    variants = [
        variant(
            model,
            InitialVariantWeight=0.25,
            VolumeSizeInGB=30,
            ModelDataDownloadTimeoutInSeconds=60,
            ContainerStartupHealthCheckTimeoutInSeconds=61,
            RoutingConfig={"RoutingStrategy": "LEAST_OUTSTANDING_REQUESTS"},
        ),
        variant(model, VariantName="second"),
    ]
    given = {
        "DataCaptureConfig": {
            "EnableCapture": False,
            "InitialSamplingPercentage": 10,
            "DestinationS3Uri": "s3://b/p",
            "CaptureOptions": [{"CaptureMode": "Input"}],
        },
        "KmsKeyId": "key",
        "VpcConfig": {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]},
        "EnableNetworkIsolation": False,
    }
    tags = [{"Key": "k", "Value": "v"}]
    arn = sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=variants, Tags=tags, **given)[
        "EndpointConfigArn"
    ]
    assert arn == f"arn:aws:sagemaker:us-east-1:000000000000:endpoint-config/{name}"
    described = sagemaker.describe_endpoint_config(EndpointConfigName=name)
    assert {key: described[key] for key in given} == given
    assert described["ProductionVariants"] == [variants[0], {**variants[1], "InitialVariantWeight": 1.0}]
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == tags
    message = refusal(sagemaker.create_endpoint_config, EndpointConfigName=name, ProductionVariants=variants)
    assert message == f'Cannot create already existing endpoint configuration "{arn}".'
    sagemaker.delete_endpoint_config(EndpointConfigName=name)
    for call in (sagemaker.describe_endpoint_config, sagemaker.delete_endpoint_config):
        assert refusal(call, EndpointConfigName=name) == f'Could not find endpoint configuration "{arn}".'


def test_create_endpoint_config_without_its_model_is_refused(sagemaker: Any) -> None:
    message = refusal(
        sagemaker.create_endpoint_config, EndpointConfigName="never", ProductionVariants=[variant("no-such-model")]
    )
    assert message == 'Could not find model "arn:aws:sagemaker:us-east-1:000000000000:model/no-such-model".'


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ModelName": None}, "inference components"),
        ({"InstanceType": None}, "must have an InstanceType"),
        ({"InitialInstanceCount": None}, "must have an InitialInstanceCount"),
        ({"InitialInstanceCount": 0}, "initialInstanceCount"),
        ({"InstanceType": "ml.nonsense"}, "instanceType"),
        ({"InitialVariantWeight": 0.0}, "InitialVariantWeight above 0"),
        ({"ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 1}}, "Serverless"),
        ({"ManagedInstanceScaling": {"Status": "ENABLED"}}, "Managed instance scaling"),
    ],
)
def test_create_endpoint_config_of_a_wrong_variant_is_refused(
    client: Make, model: str, changes: dict[str, Any], message: str
) -> None:
    sagemaker = client("sagemaker", config=Config(parameter_validation=False))  # the server's word, not boto3's
    wrong = [variant(model, **changes)]
    assert message in refusal(sagemaker.create_endpoint_config, EndpointConfigName="no", ProductionVariants=wrong)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"AsyncInferenceConfig": {"OutputConfig": {"S3OutputPath": "s3://b/p"}}}, "Asynchronous inference"),
        (
            {
                "DataCaptureConfig": {
                    "EnableCapture": True,
                    "InitialSamplingPercentage": 10,
                    "DestinationS3Uri": "s3://b/p",
                    "CaptureOptions": [{"CaptureMode": "Input"}],
                }
            },
            "Data capture",
        ),
    ],
)
def test_create_endpoint_config_that_cannot_be_carried_out_is_refused(
    sagemaker: Any, model: str, given: dict[str, Any], message: str
) -> None:
    config = {"EndpointConfigName": "never", "ProductionVariants": [variant(model)], **given}
    assert message in refusal(sagemaker.create_endpoint_config, **config)


def test_create_endpoint_config_with_variants_of_one_name_is_refused(sagemaker: Any, model: str) -> None:
    twice = [variant(model), variant(model)]
    message = refusal(sagemaker.create_endpoint_config, EndpointConfigName="never", ProductionVariants=twice)
    assert "VariantName of its own" in message


def test_list_endpoint_configs_pages_and_filters(sagemaker: Any, model: str, unique_name: Make) -> None:
    prefix = unique_name("listed")
    made = [f"{prefix}-{letter}" for letter in "cab"]
    for name in made:
        sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant(model)])
    pages = sagemaker.get_paginator("list_endpoint_configs").paginate(NameContains=prefix, MaxResults=2)
    assert [one["EndpointConfigName"] for page in pages for one in page["EndpointConfigs"]] == made[::-1]
