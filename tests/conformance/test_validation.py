"""Input that breaks its model is refused, in AWS's words."""

import json
import time

import cbor2
import pytest

from coldframe.errors import AwsError, ValidationError, ValidationException
from coldframe.gateway.errors import (
    InvalidArgument,
    InvalidParameterException,
    InvalidParameterValue,
    InvalidStorageClass,
    MalformedInput,
    MalformedXML,
    MissingParameter,
    MissingRequestBodyError,
    SerializationException,
)
from coldframe.gateway.patterns import compile_pattern
from conformance.botocore_wire import MODELS, SERVICES
from conformance.plain_requests import parse, parse_json, request, route

JOB = {
    "TrainingJobName": "job",
    "RoleArn": "arn:aws:iam::000000000000:role/r",
    "AlgorithmSpecification": {"TrainingInputMode": "File"},
    "OutputDataConfig": {"S3OutputPath": "s3://bucket/out"},
    "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
    "StoppingCondition": {"MaxRuntimeInSeconds": 60},
}


def refused(service: str, operation: str, content: object) -> AwsError:
    with pytest.raises(AwsError) as caught:
        parse_json(service, operation, json.dumps(content).encode())
    return caught.value


def with_change(path: str, value: object) -> dict[str, object]:
    changed = json.loads(json.dumps(JOB))
    *parents, name = path.split(".")
    place = changed
    for parent in parents:
        place = place[parent]
    place[name] = value
    return changed


def test_valid_job_is_taken() -> None:
    assert parse_json("sagemaker", "CreateTrainingJob", json.dumps(JOB).encode()) == JOB


def test_enum_value_unknown() -> None:
    error = refused("sagemaker", "CreateTrainingJob", with_change("ResourceConfig.InstanceType", "ml.tiny"))
    assert isinstance(error, ValidationException)
    start = (
        "1 validation error detected: Value 'ml.tiny' at 'resourceConfig.instanceType' failed to satisfy constraint: "
        "Member must satisfy enum value set: [ml."
    )
    assert error.message.startswith(start)
    assert error.message.endswith("]")


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("TrainingJobName", "", "Value '' at 'trainingJobName' failed to satisfy constraint: Member must have length "
         "greater than or equal to 1; Value '' at 'trainingJobName' failed to satisfy constraint: Member must satisfy "
         "regular expression pattern: [a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}"),
        ("TrainingJobName", "no_underscore", "Value 'no_underscore' at 'trainingJobName' failed to satisfy constraint: "
         "Member must satisfy regular expression pattern: [a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}"),
        ("ResourceConfig.InstanceCount", -1, "Value '-1' at 'resourceConfig.instanceCount' failed to satisfy "
         "constraint: Member must have value greater than or equal to 0"),
        ("StoppingCondition.MaxRuntimeInSeconds", 0, "Value '0' at 'stoppingCondition.maxRuntimeInSeconds' failed to "
         "satisfy constraint: Member must have value greater than or equal to 1"),
        ("InputDataConfig", [{"ChannelName": "c"}], "Value null at 'inputDataConfig.1.member.dataSource' failed to "
         "satisfy constraint: Member must not be null"),
        ("HyperParameters", {"k": "v" * 2501}, "Value '{k=" + "v" * 1021 + "...' at 'hyperParameters' failed to "
         "satisfy constraint: Map value must satisfy constraint: [Member must have length less than or equal to 2500, "
         "Member must satisfy regular expression pattern: .*]"),
        ("VpcConfig", {"SecurityGroupIds": ["no spaces"], "Subnets": ["s"]}, "Value '[no spaces]' at "
         "'vpcConfig.securityGroupIds' failed to satisfy constraint: Member must satisfy constraint: [Member must have "
         "length less than or equal to 32, Member must satisfy regular expression pattern: [-0-9a-zA-Z]+]"),
        ("Tags", [{"Key": "a\x07", "Value": "b"}], "Value 'a\x07' at 'tags.1.member.key' failed to satisfy constraint: "
         "Member must satisfy regular expression pattern: ([\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*)"),
    ],
)  # fmt: skip
def test_value_that_breaks_a_constraint(path: str, value: object, told: str) -> None:
    error = refused("sagemaker", "CreateTrainingJob", with_change(path, value))
    count = told.count("failed to satisfy")
    assert error.message == f"{count} validation error{'s' if count > 1 else ''} detected: {told}"


def test_required_members_missing() -> None:
    error = refused("sagemaker", "CreateModel", {"PrimaryContainer": {}, "VpcConfig": {}})
    assert error.message == (
        "3 validation errors detected: Value null at 'modelName' failed to satisfy constraint: Member must not be "
        "null; Value null at 'vpcConfig.securityGroupIds' failed to satisfy constraint: Member must not be null; Value "
        "null at 'vpcConfig.subnets' failed to satisfy constraint: Member must not be null"
    )


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("TrainingJobName", 5, "NUMBER_VALUE can not be converted to a String (at 'trainingJobName')"),
        ("ResourceConfig.InstanceCount", "1", "STRING_VALUE can not be converted to an Integer "
         "(at 'resourceConfig.instanceCount')"),
        ("ResourceConfig.InstanceCount", 1.5, "DECIMAL_VALUE can not be converted to an Integer "
         "(at 'resourceConfig.instanceCount')"),
        ("ResourceConfig.InstanceCount", True, "TRUE_VALUE can not be converted to an Integer "
         "(at 'resourceConfig.instanceCount')"),
        ("ResourceConfig.InstanceCount", 2**31, "The number does not fit into 32 bits "
         "(at 'resourceConfig.instanceCount')"),
        ("ResourceConfig", [], "Start of list found where not expected. (at 'resourceConfig')"),
        ("ResourceConfig", "x", "Unexpected field type (at 'resourceConfig')"),
        ("InputDataConfig", {}, "Start of structure or map found where not expected. (at 'inputDataConfig')"),
        ("EnableNetworkIsolation", "true", "STRING_VALUE can not be converted to a Boolean "
         "(at 'enableNetworkIsolation')"),
        ("HyperParameters", {"a": None}, "NULL_VALUE can not be converted to a String (at 'hyperParameters')"),
    ],
)  # fmt: skip
def test_value_of_the_wrong_type(path: str, value: object, told: str) -> None:
    error = refused("sagemaker", "CreateTrainingJob", with_change(path, value))
    assert isinstance(error, SerializationException)
    assert error.message == told


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b'"x"',
        b"null",
        b"{\xff}",
        b'{"a":NaN}',
        b'{"TrainingJobName":"\\ud800"}',
        b"[" * 100_000,
        b"1" * 5000,
    ],
)
def test_body_that_is_not_a_json_object(body: bytes) -> None:
    with pytest.raises(SerializationException):
        parse_json("sagemaker", "CreateTrainingJob", body)


def test_unknown_members_and_nulls_are_passed_over() -> None:
    assert parse_json("sagemaker", "ListModels", b'{"NewInNextYear":{"a":[1]},"NextToken":null}') == {}
    assert parse_json("sagemaker", "ListModels", b"") == {}


@pytest.mark.parametrize("value", ["never", "2026-13-01T00:00:00Z", 1e300, "", [1], "2026-01-01T00:00:00+99:99999"])
def test_timestamp_that_is_none(value: object) -> None:
    assert isinstance(refused("sagemaker", "ListModels", {"CreationTimeAfter": value}), SerializationException)


@pytest.mark.parametrize("value", ["%%%", "YQ", "YQ=", "YQ==\n!", 5, "ä"])
def test_blob_that_is_not_base64(value: object) -> None:
    content = json.dumps({"Endpoint": "e", "ZipFile": value}).encode()
    path = "/2015-03-31/functions/f/code"
    with pytest.raises(SerializationException):
        parse(request("PUT", path, scope="lambda", body=content))


def test_each_service_calls_it_what_aws_calls_it() -> None:
    assert isinstance(refused("logs", "CreateLogGroup", {"logGroupName": "a b"}), InvalidParameterException)
    with pytest.raises(ValidationError, match="at 'targetVariant' failed"):
        parse(request("POST", "/endpoints/e/invocations", scope="sagemaker", x_amzn_sagemaker_target_variant="a b"))
    with pytest.raises(ValidationError, match="Value null at 'roleArn'"):
        parse(request("POST", "/", scope="sts", body=b"Action=AssumeRole&RoleSessionName=ab"))
    with pytest.raises(MissingParameter, match="must contain the parameter ImageId"):
        parse(request("POST", "/", scope="ec2", body=b"Action=DeregisterImage"))


@pytest.mark.parametrize(
    ("scope", "body", "error"),
    [
        ("sts", b"Action=AssumeRole&RoleArn=a&RoleSessionName=b&DurationSeconds=soon", MalformedInput),
        ("sts", b"Action=AssumeRole&Tags.member.x.Key=b", MalformedInput),
        ("sts", b"Action=AssumeRole&Tags.member.1=b", None),
        ("iam", b"Action=ListUsers&MaxItems.1=1", MalformedInput),
        ("ec2", b"Action=DescribeInstances&MaxResults=many", InvalidParameterValue),
        ("ec2", b"Action=DescribeInstances&DryRun=perhaps", InvalidParameterValue),
        ("ec2", b"Action=DescribeInstances&Filter.one.Name=x", InvalidParameterValue),
        ("sts", b"Action=AssumeRole&A" + b".a" * 100 + b"=1", MalformedInput),
    ],
)
def test_form_field_that_cannot_be_read(scope: str, body: bytes, error: type[AwsError] | None) -> None:
    with pytest.raises(error or AwsError):
        parse(request("POST", "/", scope=scope, body=body))


@pytest.mark.parametrize(
    "body",
    [b"\xff", b"\x9f" * 300, b"\x1b", b"\xd8\x23aa", b"\x80", b"\xc0\x01", b"\x9b\x7f\xff\xff\xff\xff\xff\xff\xff"]
    + [cbor2.dumps(value) for value in ({"Namespace": 5}, {"MetricData": {}}, {"MetricData": [{"Timestamp": "now"}]})],
)
def test_cbor_that_cannot_be_read(body: bytes) -> None:
    path = "/service/GraniteServiceVersion20100801/operation/PutMetricData"
    with pytest.raises(SerializationException):
        parse(request("POST", path, scope="monitoring", body=body, smithy_protocol="rpc-v2-cbor"))


@pytest.mark.parametrize(
    ("sent", "error"),
    [
        (request("PUT", "/b", "tagging", body=b"<Tagging>"), MalformedXML),
        (request("PUT", "/b", "tagging", body=b"<Other/>"), MalformedXML),
        (request("PUT", "/b", "tagging", body=b"<Tagging/>"), MalformedXML),
        (request("PUT", "/b", "tagging", body=b""), MissingRequestBodyError),
        (request("PUT", "/b", "tagging", body=b"\x00\xff"), MalformedXML),
        (request("PUT", "/b", "tagging", body=b'<!DOCTYPE a [<!ENTITY b "c">]><Tagging>&b;</Tagging>'), MalformedXML),
        (request("POST", "/b", "delete", body=b"<a>" * 100_000), MalformedXML),
        (request("POST", "/b/k", "uploadId=u", body=b"<CompleteMultipartUpload><Part><PartNumber>x</PartNumber></Part>"
                 b"</CompleteMultipartUpload>"), MalformedXML),
        (request("GET", "/b", "max-keys=many"), InvalidArgument),
        (request("GET", "/b", "list-type=2&max-keys=99999999999"), InvalidArgument),
        (request("GET", "/b", "encoding-type=base64"), InvalidArgument),
        (request("PUT", "/b/k", x_amz_storage_class="TAPE"), InvalidStorageClass),
        (request("PUT", "/b/k", x_amz_acl="mine"), InvalidArgument),
        (request("PUT", "/b/k", "partNumber=one&uploadId=u"), InvalidArgument),
    ],
)  # fmt: skip
def test_s3_request_that_is_wrong(sent, error) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(error):
        parse(sent)


def test_s3_invalid_argument_names_itself_and_its_value() -> None:
    with pytest.raises(InvalidArgument) as caught:
        parse(request("GET", "/b", "max-keys=many"))
    assert caught.value.message == "Provided max-keys not an integer or within integer range"
    assert caught.value.members == {"ArgumentName": "max-keys", "ArgumentValue": "many"}


def test_s3_dates_that_cannot_be_read_are_passed_over_where_http_says_so() -> None:
    assert "IfModifiedSince" not in parse(request("GET", "/b/k", if_modified_since="yesterday"))
    assert "Expires" not in parse(request("PUT", "/b/k", expires="0"))
    read = parse(request("GET", "/b/k", if_modified_since="Sat, 29 Oct 1994 19:43:31 GMT"))
    assert read["IfModifiedSince"].isoformat() == "1994-10-29T19:43:31+00:00"


def test_streamed_body_is_handed_on_unread() -> None:
    sent = request("PUT", "/b/k", body=b"content")
    assert route(sent).codec.streaming_input
    assert parse(sent)["Body"] is sent.body


def test_user_metadata_is_found_by_its_prefix() -> None:
    read = parse(request("PUT", "/b/k", x_amz_meta_a_b="1", x_amz_meta_c="2"))
    assert read["Metadata"] == {"a-b": "1", "c": "2"}


def test_every_pattern_that_the_models_have_can_be_used() -> None:
    unusable = {
        shape["pattern"]
        for service in SERVICES
        for shape in (MODELS.service(service)._service_description["shapes"]).values()
        if "pattern" in shape and compile_pattern(shape["pattern"]) is None
    }
    # A `$` in the middle, with a count after it: a fault of the model, which nothing could match.
    assert unusable <= {
        "([\\p{L}\\p{Z}\\p{N}_.:\\/=+\\-@]*)${1,128}",
        "([\\p{L}\\p{Z}\\p{N}_.:\\/=+\\-@]*)${1,256}",
    }


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        ("[\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*", "Größe 漢 1:/=+-@", "tab\t"),
        ("\\p{ASCII}*", "plain", "ä"),
        ("\\A\\S[\\p{Print}]*\\z", "a b", " a"),
        ("[\\u0020-\\uD7FF\\uE000-\\uFFFD\\uD800\\uDC00-\\uDBFF\\uDFFF\\r\\n\\t]*", "😀\n", "\x01"),
        ("[\\w-_]*", "a-_", "a b"),
        ("\\d+", "12", "١٢"),
        ("^[a-zA-Z0-9](-*[a-zA-Z0-9])*", "a-b", "a-b\n"),
    ],
)
def test_pattern_means_what_it_means_in_java(pattern: str, matching: str, other: str) -> None:
    expression = compile_pattern(pattern)
    assert expression is not None
    assert expression.fullmatch(matching)
    assert not expression.fullmatch(other)


def test_long_hostile_values_do_not_hold_the_server_up() -> None:
    start = time.process_time()
    for name in ("a-" * 30_000, "-" * 60_000, "a" * 60_000 + "_"):
        refused("sagemaker", "CreateTrainingJob", with_change("TrainingJobName", name))
    assert time.process_time() - start < 1


HOSTILE = ("a", "-", "a-", "1", "/", ".", "a.", "A", " ", "s3://a/", "arn:aws:s3:::a")


def test_no_pattern_of_the_models_takes_long_for_any_value() -> None:
    limits: dict[str, int] = {}
    for service in SERVICES:
        for shape in MODELS.service(service)._service_description["shapes"].values():
            if "pattern" in shape:
                limits[shape["pattern"]] = max(limits.get(shape["pattern"], 0), min(2 * shape.get("max", 500), 1000))
    slow = {}
    for pattern, limit in limits.items():
        expression = compile_pattern(pattern)
        start = time.process_time()
        for part in HOSTILE:
            for end in ("", "!", "\x00"):
                if expression is not None:
                    expression.fullmatch((part * limit)[: limit - 1] + end)
        if (took := time.process_time() - start) > 1:
            slow[pattern] = took
    assert not slow
