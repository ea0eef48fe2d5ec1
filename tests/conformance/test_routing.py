"""A request finds its operation whatever names it: scope, host, target, action, path, query string or header."""

import asyncio

import pytest

from coldframe.calls import BytesBody
from coldframe.errors import AwsError, RequestBodyTooLarge, UnknownOperation
from coldframe.gateway.errors import (
    InvalidAction,
    InvalidURI,
    MethodNotAllowed,
    MissingAction,
    ServiceNotImplemented,
    UnroutedRequest,
)
from coldframe.gateway.routing import Router
from coldframe.gateway.service_names import SIGNING_NAMES, read_host
from coldframe.gateway.unrouted import unrouted_error
from conformance.botocore_wire import MODELS
from conformance.plain_requests import parse, request, route


@pytest.mark.parametrize(
    ("host", "bucket"),
    [
        ("photos.s3.amazonaws.com", "photos"),
        ("photos.s3.us-west-2.amazonaws.com", "photos"),
        ("photos.s3-us-west-2.amazonaws.com", "photos"),
        ("photos.s3.dualstack.us-west-2.amazonaws.com", "photos"),
        ("photos.s3-accelerate.amazonaws.com", "photos"),
        ("photos.s3-fips.us-gov-west-1.amazonaws.com", "photos"),
        ("my.dotted.bucket.s3.amazonaws.com", "my.dotted.bucket"),
        ("a.s3.b.s3.eu-west-1.amazonaws.com:443", "a.s3.b"),
        ("photos.s3.localhost:4599", "photos"),
        ("photos.s3.cn-north-1.amazonaws.com.cn", "photos"),
        ("photos.localhost:4599", "photos"),
        ("Photos.S3.localhost:4599", "Photos"),
        ("s3.amazonaws.com", None),
        ("s3.us-west-2.amazonaws.com", None),
        ("s3-us-west-2.amazonaws.com", None),
        ("s3.localhost:4599", None),
        ("localhost:4599", None),
        ("127.0.0.1:4599", None),
        ("[::1]:4599", None),
    ],
)
def test_host_tells_the_bucket(host: str, bucket: str | None) -> None:
    assert read_host(host).bucket == bucket
    values = route(request("GET", "/folder/picture.jpg", host=host)).path_values
    if bucket is None:
        assert values == {"Bucket": "folder", "Key": "picture.jpg"}
    else:
        assert values == {"Bucket": bucket, "Key": "folder/picture.jpg"}


@pytest.mark.parametrize(
    ("host", "target", "operation"),
    [
        ("runtime.sagemaker.us-east-1.amazonaws.com", None, "InvokeEndpoint"),
        ("api.sagemaker.us-east-1.amazonaws.com", "SageMaker.ListModels", "ListModels"),
        ("logs.us-east-1.amazonaws.com", "Logs_20140328.GetLogEvents", "GetLogEvents"),
    ],
)
def test_host_tells_the_service_of_an_unsigned_request(host: str, target: str | None, operation: str) -> None:
    headers = {"x_amz_target": target} if target else {}
    sent = request("POST", "/endpoints/e/invocations" if target is None else "/", scope=None, host=host, **headers)
    assert route(sent).operation == operation


@pytest.mark.parametrize(
    ("method", "path", "query", "headers", "operation"),
    [
        ("GET", "/", "", {}, "ListBuckets"),
        ("GET", "/", "x-id=ListBuckets", {}, "ListBuckets"),
        ("PUT", "/b", "", {}, "CreateBucket"),
        ("PUT", "/b/", "", {}, "CreateBucket"),
        ("HEAD", "/b", "", {}, "HeadBucket"),
        ("DELETE", "/b", "", {}, "DeleteBucket"),
        ("GET", "/b", "", {}, "ListObjects"),
        ("GET", "/b/", "prefix=uploads", {}, "ListObjects"),
        ("GET", "/b", "list-type=2", {}, "ListObjectsV2"),
        ("GET", "/b", "prefix=acl&list-type=2&delimiter=%2F", {}, "ListObjectsV2"),
        ("GET", "/b", "list-type=1", {}, "ListObjects"),
        ("GET", "/b", "location", {}, "GetBucketLocation"),
        ("GET", "/b", "location=", {}, "GetBucketLocation"),
        ("GET", "/b", "uploads", {}, "ListMultipartUploads"),
        ("GET", "/b", "versions", {}, "ListObjectVersions"),
        ("GET", "/b", "analytics", {}, "ListBucketAnalyticsConfigurations"),
        ("GET", "/b", "analytics&id=x", {}, "GetBucketAnalyticsConfiguration"),
        ("GET", "/b", "lifecycle", {}, "GetBucketLifecycleConfiguration"),
        ("POST", "/b", "delete", {}, "DeleteObjects"),
        ("POST", "/b/", "delete=", {}, "DeleteObjects"),
        ("GET", "/b/k", "", {}, "GetObject"),
        ("GET", "/b/k", "x-id=GetObject", {}, "GetObject"),
        ("GET", "/b/k", "partNumber=1", {}, "GetObject"),
        ("GET", "/b/k", "versionId=v", {}, "GetObject"),
        ("GET", "/b/k", "uploadId=u", {}, "ListParts"),
        ("GET", "/b/k", "tagging", {}, "GetObjectTagging"),
        ("GET", "/b/k", "attributes", {"x_amz_object_attributes": "ETag"}, "GetObjectAttributes"),
        ("HEAD", "/b/k", "", {}, "HeadObject"),
        ("PUT", "/b/k", "", {}, "PutObject"),
        ("PUT", "/b/k", "", {"x_amz_copy_source": "a/b"}, "CopyObject"),
        ("PUT", "/b/k", "partNumber=1&uploadId=u", {}, "UploadPart"),
        ("PUT", "/b/k", "partNumber=1&uploadId=u", {"x_amz_copy_source": "a/b"}, "UploadPartCopy"),
        ("PUT", "/b/k", "tagging", {}, "PutObjectTagging"),
        ("PUT", "/b/k", "acl", {}, "PutObjectAcl"),
        ("POST", "/b/k", "uploads", {}, "CreateMultipartUpload"),
        ("POST", "/b/k", "uploadId=u", {}, "CompleteMultipartUpload"),
        ("DELETE", "/b/k", "", {}, "DeleteObject"),
        ("DELETE", "/b/k", "uploadId=u", {}, "AbortMultipartUpload"),
        ("DELETE", "/b/k", "tagging", {}, "DeleteObjectTagging"),
    ],
)
def test_s3_operation_by_method_path_query_and_header(
    method: str, path: str, query: str, headers: dict[str, str], operation: str
) -> None:
    assert route(request(method, path, query, **headers)).operation == operation


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("/b/a/b", "a/b"),
        ("/b/a%2Fb", "a/b"),
        ("/b/a+b", "a+b"),
        ("/b/a%2Bb", "a+b"),
        ("/b/a%20b", "a b"),
        ("/b/a%2520b", "a%20b"),
        ("/b//a//b/", "/a//b/"),
        ("/b/../../etc/passwd", "../../etc/passwd"),
        ("/b/%2e%2e/x", "../x"),
        ("/b/./x", "./x"),
        ("/b/%E6%BC%A2%F0%9F%98%80", "漢😀"),
        ("/b/" + "k" * 1024, "k" * 1024),
        ("/b/a%00b", "a\x00b"),
        ("/b/100%", "100%"),
        ("/b/a?b".replace("?", "%3F"), "a?b"),
    ],
)
def test_s3_key_stays_exactly_as_it_is(path: str, key: str) -> None:
    assert route(request("GET", path)).path_values == {"Bucket": "b", "Key": key}
    virtual = route(request("GET", path.removeprefix("/b"), host="b.s3.amazonaws.com"))
    assert virtual.path_values == {"Bucket": "b", "Key": key}


@pytest.mark.parametrize("path", ["/b/%FF%FE", "//key", "/%C3/key", "/b/%ED%A0%80"])
def test_s3_path_that_is_no_text_is_refused(path: str) -> None:
    with pytest.raises(InvalidURI):
        route(request("GET", path))


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/b/k"), ("PATCH", "/b/k"), ("POST", "/"), ("DELETE", "/"), ("OPTIONS", "/b/k")]
)
def test_s3_method_that_the_resource_does_not_have_is_refused(method: str, path: str) -> None:
    sent = request(method, path)
    with pytest.raises(MethodNotAllowed) as caught:
        route(sent)
    answer = unrouted_error(sent, caught.value)
    assert answer.status == 405
    assert b"<Error><Code>MethodNotAllowed</Code>" in answer.body


def test_presigned_url_names_the_service() -> None:
    query = "Action=GetCallerIdentity&X-Amz-Credential=AKIA%2F20260101%2Fus-east-1%2Fsts%2Faws4_request"
    assert route(request("GET", "/", query, scope=None)).service == "sts"
    query = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIA/20260101/us-east-1/s3/aws4_request&X-Amz-Expires=60"
    assert route(request("GET", "/b/k", query, scope=None)).operation == "GetObject"


def test_unsigned_request_is_for_s3_unless_it_says_otherwise() -> None:
    assert route(request("GET", "/b/k", scope=None)).operation == "GetObject"
    form = b"Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn"
    sent = request("POST", "/", scope=None, body=form, content_type="application/x-www-form-urlencoded; charset=utf-8")
    assert route(sent).operation == "AssumeRoleWithWebIdentity"
    assert isinstance(sent.body, BytesBody)
    assert sent.body.content == form


@pytest.mark.parametrize(
    ("path", "service", "operation", "values"),
    [
        ("/endpoints/e/invocations", "sagemaker", "InvokeEndpoint", {"EndpointName": "e"}),
        ("/endpoints/e%20x/async-invocations", "sagemaker", "InvokeEndpointAsync", {"EndpointName": "e x"}),
        ("/2015-03-31/functions/f/invocations", "lambda", "Invoke", {"FunctionName": "f"}),
        ("/2015-03-31/functions/", "lambda", "CreateFunction", {}),
        ("/2015-03-31/functions", "lambda", "CreateFunction", {}),
        ("/2017-03-31/tags/arn%3Aaws%3Alambda%2Fx", "lambda", "TagResource", {"Resource": "arn:aws:lambda/x"}),
    ],
)
def test_rest_json_operation_by_path(path: str, service: str, operation: str, values: dict[str, str]) -> None:
    routed = route(request("POST", path, scope=service))
    assert (routed.operation, routed.path_values) == (operation, values)


def test_cloudwatch_speaks_three_protocols() -> None:
    target = request("POST", "/", scope="monitoring", x_amz_target="GraniteServiceVersion20100801.ListMetrics")
    form = request("POST", "/", scope="monitoring", body=b"Action=ListMetrics&Version=2010-08-01")
    path = "/service/GraniteServiceVersion20100801/operation/ListMetrics"
    cbor = request("POST", path, scope="monitoring", smithy_protocol="rpc-v2-cbor")
    assert [route(sent).codec.protocol for sent in (target, form, cbor)] == ["json", "query", "smithy-rpc-v2-cbor"]


@pytest.mark.parametrize(
    ("sent", "error", "start"),
    [
        (
            request("POST", "/", scope="sagemaker", x_amz_target="SageMaker.Sing"),
            UnknownOperation,
            b'{"__type":"Unknown',
        ),
        (request("POST", "/", scope="sagemaker", x_amz_target="Other.ListModels"), UnknownOperation, b'{"__type"'),
        (request("POST", "/", scope="sagemaker", x_amz_target=""), UnknownOperation, b'{"__type"'),
        (request("POST", "/nothing", scope="sagemaker"), UnroutedRequest, b'{"message"'),
        (request("GET", "/2015-03-31/no", scope="lambda"), UnroutedRequest, b'{"message"'),
        (request("POST", "/", scope="sts", body=b"Action=Sing"), InvalidAction, b"<?xml"),
        (request("POST", "/", scope="iam", body=b"Version=1"), MissingAction, b"<?xml"),
        (request("POST", "/", scope="ec2", body=b"Action=Sing"), InvalidAction, b"<?xml"),
        (request("POST", "/", scope="sings"), ServiceNotImplemented, b'{"message"'),
        (request("POST", "/service/a/operation/b", scope="monitoring", smithy_protocol="x"), UnroutedRequest, b"\xa2"),
    ],
)
def test_unknown_operation_is_refused_in_its_protocols_shape(sent, error, start) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(error) as caught:
        route(sent)
    answer = unrouted_error(sent, caught.value)
    assert 400 <= answer.status < 500 or answer.status == 501
    assert answer.body.startswith(start)
    assert b"html" not in answer.body.lower()


@pytest.mark.parametrize(
    ("scope", "headers", "start"),
    [
        ("dynamodb", {"x_amz_target": "DynamoDB_20120810.ListTables"}, b'{"__type":"NotImplemented"'),
        ("sns", {"content_type": "application/x-www-form-urlencoded"}, b"<?xml"),
        ("route53", {}, b"<?xml"),
        ("bedrock", {"content_type": "application/json"}, b'{"message":"Coldframe does not implement the service'),
    ],
)
def test_service_that_coldframe_does_not_have_is_refused(scope: str, headers: dict[str, str], start: bytes) -> None:
    sent = request("POST", "/", scope=scope, **headers)
    with pytest.raises(ServiceNotImplemented) as caught:
        route(sent)
    answer = unrouted_error(sent, caught.value)
    assert answer.status == 501
    assert answer.body.startswith(start)


def test_form_longer_than_the_limit_is_refused() -> None:
    router = Router(MODELS, form_body_bytes=100)
    with pytest.raises(RequestBodyTooLarge):
        asyncio.run(router.route(request("POST", "/", scope="sts", body=b"a" * 101)))


def test_services_are_those_of_botocore_and_sign_as_it_says() -> None:
    for signing_name, services in SIGNING_NAMES.items():
        for service in services:
            metadata = MODELS.service(service).metadata
            signs_as = metadata.get("signingName") or metadata["endpointPrefix"]
            assert signing_name in {signs_as, "s3express"}


def test_query_string_that_is_no_text_is_refused() -> None:
    with pytest.raises(AwsError):
        parse(request("GET", "/b", "prefix=%FF"))
