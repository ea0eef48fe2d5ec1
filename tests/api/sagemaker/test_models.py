"""Models, through boto3."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from model_servers import ECHO, IMAGE, ROLE, model_archive

Make = Callable[..., Any]


@pytest.fixture
def sagemaker(client: Make) -> Any:
    return client("sagemaker")


@pytest.fixture
def model_data(client: Make, unique_name: Callable[[str], str]) -> Iterator[str]:
    """The URL of a model.tar.gz."""
    s3, bucket = client("s3"), unique_name("models")
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="m/model.tar.gz", Body=model_archive({"code/inference.py": ECHO}))
    yield f"s3://{bucket}/m/model.tar.gz"
    s3.delete_object(Bucket=bucket, Key="m/model.tar.gz")
    s3.delete_bucket(Bucket=bucket)


def refusal(call: Callable[..., Any], **parameters: Any) -> str:
    """The message with which a call is refused, which must be a ValidationException."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    error = caught.value.response["Error"]
    assert error["Code"] == "ValidationException"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    return error["Message"]


def test_describe_model_echoes_all_that_was_given(sagemaker: Any, model_data: str, unique_name: Make) -> None:
    name = unique_name("model")
    container = {
        "ContainerHostname": "c1",
        "Image": IMAGE,
        "ImageConfig": {"RepositoryAccessMode": "Platform"},
        "Mode": "SingleModel",
        "ModelDataUrl": model_data,
        "Environment": {"SAGEMAKER_PROGRAM": "inference.py", "EMPTY": ""},
    }
    given = {
        "PrimaryContainer": container,
        "ExecutionRoleArn": ROLE,
        "VpcConfig": {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]},
        "EnableNetworkIsolation": True,
    }
    arn = sagemaker.create_model(ModelName=name, Tags=[{"Key": "k", "Value": "v"}], **given)["ModelArn"]
    assert arn == f"arn:aws:sagemaker:us-east-1:000000000000:model/{name}"
    described = sagemaker.describe_model(ModelName=name)
    assert {key: described[key] for key in given} == given
    assert described["ModelArn"] == arn
    assert described["CreationTime"].timestamp() > 1.6e9
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "k", "Value": "v"}]
    sagemaker.delete_model(ModelName=name)
    assert refusal(sagemaker.describe_model, ModelName=name) == f'Could not find model "{arn}".'
    assert refusal(sagemaker.delete_model, ModelName=name) == f'Could not find model "{arn}".'


def test_create_model_in_use_is_refused(sagemaker: Any, unique_name: Make) -> None:
    name = unique_name("model")
    arn = sagemaker.create_model(ModelName=name, PrimaryContainer={"Image": IMAGE})["ModelArn"]
    message = refusal(sagemaker.create_model, ModelName=name, PrimaryContainer={"Image": IMAGE})
    assert message == f'Cannot create already existing model "{arn}".'


def test_create_model_without_its_data_is_refused(sagemaker: Any, model_data: str) -> None:
    for url in (model_data + "x", "s3://nobodys-bucket/m.tar.gz"):
        message = refusal(
            sagemaker.create_model,
            ModelName="never",
            PrimaryContainer={"Image": IMAGE, "ModelDataUrl": url},
            ExecutionRoleArn=ROLE,
        )
        assert message.startswith(f'Could not access model data at {url}. Please ensure that the role "{ROLE}" exists')
    assert "Could not find model" in refusal(sagemaker.describe_model, ModelName="never")


def test_create_model_takes_https_urls_and_prefixes(sagemaker: Any, model_data: str, unique_name: Make) -> None:
    bucket = model_data.split("/")[2]
    for container in (
        {"ModelDataUrl": f"https://s3.us-east-1.amazonaws.com/{bucket}/m/model.tar.gz"},
        {"ModelDataUrl": f"https://{bucket}.s3.amazonaws.com/m/model.tar.gz"},
        {"ModelDataSource": _source(f"s3://{bucket}/m/", "S3Prefix", "None")},
        {"ModelDataSource": _source(f"s3://{bucket}/m/model.tar.gz", "S3Object", "Gzip")},
    ):
        name = unique_name("model")
        sagemaker.create_model(ModelName=name, PrimaryContainer={"Image": IMAGE, **container})
        described = sagemaker.describe_model(ModelName=name)["PrimaryContainer"]
        assert described == {"Image": IMAGE, **container}


def _source(uri: str, kind: str, compression: str) -> dict[str, Any]:
    return {"S3DataSource": {"S3Uri": uri, "S3DataType": kind, "CompressionType": compression}}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "You must specify either PrimaryContainer or Containers."),
        ({"PrimaryContainer": {"Image": IMAGE}, "Containers": [{"Image": IMAGE}]}, "Only one of"),
        ({"Containers": [{"Image": IMAGE}, {"Image": IMAGE}]}, "Inference pipelines"),
        ({"PrimaryContainer": {}}, "must have an Image"),
        ({"PrimaryContainer": {"Image": IMAGE, "Mode": "MultiModel"}}, "Multi-model endpoints"),
        ({"PrimaryContainer": {"ModelPackageName": "p"}}, "Model packages"),
        ({"PrimaryContainer": {"Image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/mine:1"}}, "no environment"),
        ({"PrimaryContainer": {"Image": IMAGE, "ModelDataUrl": "s3://bucket/prefix/"}}, "not a prefix"),
        ({"PrimaryContainer": {"Image": IMAGE, "ModelDataUrl": "https://example.com/a/b"}}, "not in Amazon S3"),
        (
            {"PrimaryContainer": {"Image": IMAGE, "ModelDataSource": _source("s3://b/p", "S3Prefix", "None")}},
            "must end with a forward slash",
        ),
        ({"PrimaryContainer": {"Image": "a b"}}, "primaryContainer.image"),
    ],
)
def test_create_model_that_contradicts_itself_or_cannot_be_carried_out_is_refused(
    sagemaker: Any, given: dict[str, Any], message: str
) -> None:
    assert message in refusal(sagemaker.create_model, ModelName="never", **given)


def test_create_model_named_badly_is_refused(sagemaker: Any) -> None:
    for name in ("-x", "a_b", "x" * 64, "../x"):
        assert "modelName" in refusal(sagemaker.create_model, ModelName=name, PrimaryContainer={"Image": IMAGE})


def test_create_model_with_one_of_containers(sagemaker: Any, unique_name: Make) -> None:
    name = unique_name("model")
    sagemaker.create_model(ModelName=name, Containers=[{"Image": IMAGE}])
    described = sagemaker.describe_model(ModelName=name)
    assert described["Containers"] == [{"Image": IMAGE}]
    assert "PrimaryContainer" not in described


def test_list_models_pages_sorts_and_filters(sagemaker: Any, unique_name: Make) -> None:
    prefix = unique_name("listed")
    made = [f"{prefix}-{letter}" for letter in "cab"]
    for name in made:
        sagemaker.create_model(ModelName=name, PrimaryContainer={"Image": IMAGE})

    def listed(**filters: Any) -> list[str]:
        pages = sagemaker.get_paginator("list_models").paginate(NameContains=prefix, MaxResults=2, **filters)
        return [model["ModelName"] for page in pages for model in page["Models"]]

    assert listed() == made[::-1]  # the newest first
    assert listed(SortOrder="Ascending") == made
    assert listed(SortBy="Name", SortOrder="Ascending") == sorted(made)
    moment = sagemaker.describe_model(ModelName=made[1])["CreationTime"]
    assert made[0] in listed(CreationTimeBefore=moment)
    assert made[2] not in listed(CreationTimeBefore=moment)
    assert made[2] in listed(CreationTimeAfter=moment)
    page = sagemaker.list_models(NameContains=prefix, MaxResults=2)
    for token, filters in (("nonsense", {"NameContains": prefix}), (page["NextToken"], {"NameContains": "other"})):
        assert "token" in refusal(sagemaker.list_models, NextToken=token, **filters)
    assert sagemaker.list_models(NameContains="no-such-name") | {"ResponseMetadata": 0} == {
        "Models": [],
        "ResponseMetadata": 0,
    }
