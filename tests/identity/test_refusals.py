"""Each way in which a signature can be wrong is refused in the words of the service, with its code and status."""

import dataclasses
import time
from typing import Any

import pytest
from botocore.loaders import Loader

from coldframe.errors import AwsError
from coldframe.identity.claims import seconds_of, timestamp_of
from coldframe.identity.credentials import Credential
from coldframe.identity.dialects import S3Dialect, dialect_of
from coldframe.services.catalog import CATALOG, SERVICES
from identity.signed_requests import (
    KEY,
    PRINCIPAL,
    SECRET,
    content_of,
    pieces_body,
    request_of,
    signed_by_botocore,
    verifier_at,
    verify,
    with_changes,
)

SIGNING = {"s3": "s3", "sagemaker": "sagemaker", "sagemaker-runtime": "sagemaker", "sts": "sts"}
ROOT = Credential(KEY, SECRET, PRINCIPAL)
TEMPORARY = Credential(KEY, SECRET, PRINCIPAL, session_token="token", expires_at=4_000_000_000.0)


def signed_now(service: str, **arguments: Any) -> Any:
    arguments.setdefault("signing_name", SIGNING[service])
    return signed_by_botocore("POST", "http://localhost:4599/b", service=service, **arguments)


def refusal(service: str, request: Any, *credentials: Credential, after: float = 0.0, **settings: Any) -> AwsError:
    verifier, clock = verifier_at(timestamp_of(time.time()), *credentials, **settings)
    clock.time += after
    with pytest.raises(AwsError) as raised:
        verify(verifier, request, service)
    return raised.value


def told(error: AwsError) -> tuple[str, int]:
    return error.code_on_the_wire(), error.status


@pytest.mark.parametrize(
    ("service", "code", "status"),
    [
        ("s3", "InvalidAccessKeyId", 403),
        ("sagemaker", "UnrecognizedClientException", 400),
        ("sagemaker-runtime", "UnrecognizedClientException", 403),
        ("sts", "InvalidClientTokenId", 403),
    ],
)
def test_unknown_key(service: str, code: str, status: int) -> None:
    other = Credential("AKIAOTHER", SECRET, PRINCIPAL)
    assert told(refusal(service, signed_now(service), other)) == (code, status)


@pytest.mark.parametrize(
    ("service", "code", "status"),
    [
        ("s3", "SignatureDoesNotMatch", 403),
        ("sagemaker", "InvalidSignatureException", 400),
        ("sagemaker-runtime", "InvalidSignatureException", 403),
        ("sts", "SignatureDoesNotMatch", 403),
    ],
)
def test_wrong_secret(service: str, code: str, status: int) -> None:
    error = refusal(service, signed_now(service), secret="wrong")
    assert told(error) == (code, status)
    if service == "s3":
        assert error.members["StringToSign"].startswith("AWS4-HMAC-SHA256\n2")
        assert error.members["CanonicalRequest"].startswith("POST\n/b\n\nhost:localhost:4599\n")
        assert bytes.fromhex(error.members["StringToSignBytes"]).decode() == error.members["StringToSign"]
        assert error.members["AWSAccessKeyId"] == KEY
    else:
        assert "The Canonical String for this request should have been\n'POST\n/b\n" in error.message
        assert "The String-to-Sign should have been\n'AWS4-HMAC-SHA256\n2" in error.message


@pytest.mark.parametrize("late", [901, -902, 86_400 * 400])
@pytest.mark.parametrize(
    ("service", "code", "status"),
    [
        ("s3", "RequestTimeTooSkewed", 403),
        ("sagemaker", "InvalidSignatureException", 400),
        ("sts", "SignatureDoesNotMatch", 403),
    ],
)
def test_clock_skew(service: str, code: str, status: int, late: float) -> None:
    error = refusal(service, signed_now(service), after=late)
    assert told(error) == (code, status)
    if service == "s3":
        assert error.members["MaxAllowedSkewMilliseconds"] == "900000"
    else:
        assert error.message.startswith("Signature expired: " if late > 0 else "Signature not yet current: ")


@pytest.mark.parametrize("late", [0, 898, -898])
def test_clock_skew_within_bounds(late: float) -> None:
    verifier, clock = verifier_at(timestamp_of(time.time()))
    clock.time += late
    assert verify(verifier, signed_now("s3")).principal.kind == "root"


def test_skew_message_gives_both_clocks() -> None:
    """The form is that of AWS, from which SDKs and people read the two clocks."""
    request = with_changes(
        signed_now("sagemaker"),
        headers={
            "host": "h",
            "x-amz-date": "20140325T143453Z",
            "authorization": f"AWS4-HMAC-SHA256 Credential={KEY}/20140325/us-east-1/sagemaker/aws4_request, "
            "SignedHeaders=host;x-amz-date, Signature=0",
        },
    )
    verifier, _ = verifier_at("20140325T145251Z")
    with pytest.raises(AwsError) as raised:
        verify(verifier, request, "sagemaker")
    assert raised.value.message == (
        "Signature expired: 20140325T143453Z is now earlier than 20140325T143751Z (20140325T145251Z - 15 min.)"
    )


@pytest.mark.parametrize(
    ("service", "code", "message"),
    [
        (
            "s3",
            "AuthorizationHeaderMalformed",
            "The authorization header is malformed; the region 'eu-west-1' is wrong; expecting 'us-east-1'",
        ),
        ("sagemaker", "InvalidSignatureException", "Credential should be scoped to a valid region, not 'eu-west-1'. "),
        ("sts", "SignatureDoesNotMatch", "Credential should be scoped to a valid region, not 'eu-west-1'. "),
    ],
)
def test_wrong_region(service: str, code: str, message: str) -> None:
    error = refusal(service, signed_now(service, region="eu-west-1"))
    assert (error.code_on_the_wire(), error.message) == (code, message)


def test_sts_and_iam_are_also_signed_for_us_east_1() -> None:
    verifier, _ = verifier_at(timestamp_of(time.time()), region="eu-west-1")
    assert verify(verifier, signed_now("sts"), "sts").principal.kind == "root"
    assert told(refusal("s3", signed_now("s3"), region="eu-west-1")) == ("AuthorizationHeaderMalformed", 400)


@pytest.mark.parametrize(
    ("service", "code", "message"),
    [
        (
            "s3",
            "AuthorizationHeaderMalformed",
            'The authorization header is malformed; incorrect service "sts". This endpoint belongs to "s3".',
        ),
        (
            "sagemaker",
            "InvalidSignatureException",
            "Credential should be scoped to correct service: 'sagemaker', not 'sts'. ",
        ),
    ],
)
def test_wrong_service(service: str, code: str, message: str) -> None:
    error = refusal(service, signed_now(service, signing_name="sts"))
    assert (error.code_on_the_wire(), error.message) == (code, message)


@pytest.mark.parametrize(
    ("service", "code"),
    [
        ("s3", "InvalidToken"),
        ("sagemaker", "UnrecognizedClientException"),
        ("sagemaker-runtime", "UnrecognizedClientException"),
        ("sts", "InvalidClientTokenId"),
    ],
)
@pytest.mark.parametrize(("key", "token"), [(ROOT, "token"), (TEMPORARY, None), (TEMPORARY, "Token"), (TEMPORARY, "ä")])
def test_wrong_session_token(service: str, code: str, key: Credential, token: str | None) -> None:
    assert refusal(service, signed_now(service, token=token), key).code_on_the_wire() == code


@pytest.mark.parametrize("expires", [None, 60])
def test_session_token(expires: int | None) -> None:
    verifier, _ = verifier_at(timestamp_of(time.time()), TEMPORARY)
    assert verify(verifier, signed_now("s3", token="token", expires=expires)).principal.kind == "root"


@pytest.mark.parametrize(
    ("service", "code", "status"),
    [
        ("s3", "ExpiredToken", 400),
        ("sagemaker", "ExpiredTokenException", 400),
        ("sagemaker-runtime", "ExpiredTokenException", 403),
        ("sts", "ExpiredToken", 403),
    ],
)
def test_expired_session_token(service: str, code: str, status: int) -> None:
    expired = dataclasses.replace(TEMPORARY, expires_at=time.time() - 1)
    assert told(refusal(service, signed_now(service, token="token"), expired)) == (code, status)


def test_key_that_was_renewed_or_taken_back_is_refused_at_once() -> None:
    verifier, _ = verifier_at(timestamp_of(time.time()))
    request = signed_now("s3")
    verify(verifier, request)
    keys = verifier._credentials.by_id  # type: ignore[attr-defined]
    keys[KEY] = dataclasses.replace(ROOT, secret_access_key="another")
    with pytest.raises(AwsError, match="does not match"):
        verify(verifier, request)
    keys[KEY] = ROOT
    verify(verifier, request)
    del keys[KEY]
    with pytest.raises(AwsError, match="does not exist"):
        verify(verifier, request)


@pytest.mark.parametrize(
    ("header", "s3", "service"),
    [
        ("", "InvalidRequest", "IncompleteSignature"),
        ("AWS AKIA:sig", "InvalidRequest", "IncompleteSignature"),
        ("Bearer x", "InvalidRequest", "IncompleteSignature"),
        ("AWS4-HMAC-SHA256", "AuthorizationHeaderMalformed", "IncompleteSignature"),
        (
            "AWS4-HMAC-SHA256 Credential=,SignedHeaders=,Signature=",
            "AuthorizationHeaderMalformed",
            "IncompleteSignature",
        ),
        (
            f"AWS4-HMAC-SHA256 Credential={KEY}/20240101/us-east-1/s3",
            "AuthorizationHeaderMalformed",
            "IncompleteSignature",
        ),
        (
            f"AWS4-HMAC-SHA256 Credential={KEY}/20240101,SignedHeaders=host,Signature=0",
            "AuthorizationHeaderMalformed",
            "IncompleteSignature",
        ),
        (
            f"AWS4-HMAC-SHA256 Credential={KEY}/20240101/us-east-1/s3/aws5_request,SignedHeaders=host,Signature=0",
            "AuthorizationHeaderMalformed",
            "IncompleteSignature",
        ),
    ],
)
def test_malformed_authorization(header: str, s3: str, service: str) -> None:
    for name, code in (("s3", s3), ("sts", service), ("sagemaker", f"{service}Exception")):
        request = request_of("GET", "/", {"host": "h", "x-amz-date": "20240101T000000Z", "authorization": header})
        assert refusal(name, request).code_on_the_wire() == code


def test_malformed_authorization_names_what_lacks() -> None:
    request = request_of("GET", "/", {"host": "h", "authorization": "AWS4-HMAC-SHA256 Credential=x"})
    message = refusal("sts", request).message
    assert "requires 'SignedHeaders' parameter" in message
    assert "requires 'Signature' parameter" in message
    assert "requires 'Credential' parameter" not in message


@pytest.mark.parametrize(
    "date",
    [
        None,
        "",
        "yesterday",
        "2024-01-01T00:00:00Z",
        "20241301T000000Z",
        "\u0662\u0660\u0662\u0664\u0660\u0661\u0660\u0661T000000Z",
    ],
)
def test_malformed_date(date: str | None) -> None:
    request = signed_now("s3")
    headers = {name: value for name, value in request.headers.items() if name != "x-amz-date"}
    if date is not None:
        headers["x-amz-date"] = date
    assert refusal("s3", with_changes(request, headers=headers)).status in {400, 403}


def test_date_of_another_day_than_the_scope() -> None:
    request = signed_now("s3")
    tomorrow = timestamp_of(time.time() + 86_400)
    verifier, _ = verifier_at(tomorrow)
    with pytest.raises(AwsError, match="Invalid credential date"):
        verify(verifier, with_changes(request, headers={**request.headers, "x-amz-date": tomorrow}))


def test_unsigned_request_is_anonymous() -> None:
    verifier, _ = verifier_at("20240101T000000Z")
    for service in SERVICES:
        assert verify(verifier, request_of("GET", "/", {"host": "h"}), service).principal.kind == "anonymous"


def presigned(expires: Any, **changes: str) -> Any:
    request = signed_by_botocore("GET", "http://localhost:4599/b/k", expires=expires)
    query = request.query_string
    for name, value in changes.items():
        parameter = "X-Amz-" + name
        kept = [item for item in query.split("&") if not item.startswith(parameter + "=")]
        query = "&".join([*kept, *([f"{parameter}={value}"] if value else [])])
    return with_changes(request, query_string=query)


@pytest.mark.parametrize(("expires", "after"), [(1, 2), (60, 61), (604800, 604801)])
def test_expired_presigned_url(expires: int, after: float) -> None:
    error = refusal("s3", presigned(expires), after=after)
    assert (told(error), error.message) == (("AccessDenied", 403), "Request has expired")
    assert error.members["X-Amz-Expires"] == str(expires)


@pytest.mark.parametrize("after", [-100, 0, 59])
def test_presigned_url_within_its_time(after: float) -> None:
    verifier, clock = verifier_at(timestamp_of(time.time()))
    clock.time += after
    assert verify(verifier, presigned(60)).principal.kind == "root"


@pytest.mark.parametrize(
    ("expires", "message"),
    [
        (0, "X-Amz-Expires must be non-negative"),
        (-1, "X-Amz-Expires must be non-negative"),
        (604801, "X-Amz-Expires must be less than a week (in seconds) that is 604800"),
        ("soon", "X-Amz-Expires should be a number"),
        ("99999999999999999999", "X-Amz-Expires should be a number"),
    ],
)
def test_presigned_url_with_wrong_expiry(expires: Any, message: str) -> None:
    error = refusal("s3", presigned(expires))
    assert (told(error), error.message) == (("AuthorizationQueryParametersError", 400), message)


@pytest.mark.parametrize(
    "changes",
    [
        {"Algorithm": "AWS4-ECDSA-P256-SHA256"},
        {"Credential": "nobody"},
        {"Credential": ""},
        {"Date": "now"},
        {"SignedHeaders": ""},
        {"Expires": ""},
        {"Signature": ""},
    ],
)
def test_malformed_presigned_url(changes: dict[str, str]) -> None:
    assert told(refusal("s3", presigned(60, **changes))) == ("AuthorizationQueryParametersError", 400)


def test_presigned_url_with_a_parameter_twice() -> None:
    request = presigned(60)
    doubled = with_changes(request, query_string=request.query_string + "&X-Amz-Expires=604800")
    assert told(refusal("s3", doubled)) == ("AuthorizationQueryParametersError", 400)


def test_two_ways_of_signing_at_once() -> None:
    request = signed_now("s3")
    both = with_changes(request, query_string=presigned(60).query_string)
    assert told(refusal("s3", both)) == ("InvalidArgument", 400)


def test_added_parameter_is_refused() -> None:
    request = presigned(60)
    added = with_changes(request, query_string=request.query_string + "&versionId=1")
    assert told(refusal("s3", added)) == ("SignatureDoesNotMatch", 403)


def test_unsigned_amz_header_is_named() -> None:
    request = signed_now("s3")
    error = refusal("s3", with_changes(request, headers={**request.headers, "x-amz-acl": "public-read"}))
    assert (told(error), error.members) == (("AccessDenied", 403), {"HeadersNotSigned": "x-amz-acl"})


def test_host_must_be_signed() -> None:
    signed = (
        f"AWS4-HMAC-SHA256 Credential={KEY}/20240101/us-east-1/sts/aws4_request, SignedHeaders=x-amz-date, Signature=0"
    )
    request = request_of("GET", "/", {"host": "h", "x-amz-date": "20240101T000000Z", "authorization": signed})
    verifier, _ = verifier_at("20240101T000000Z")
    with pytest.raises(AwsError, match="'host' must be a 'SignedHeader'"):
        verify(verifier, request, "sts")


def test_body_that_is_not_what_was_hashed() -> None:
    request = signed_now("s3", content=b"content")
    verifier, _ = verifier_at(timestamp_of(time.time()))
    signed = verify(verifier, with_changes(request, body=pieces_body(b"CONTENT", [3])))
    with pytest.raises(AwsError) as raised:
        content_of(signed.body)
    assert told(raised.value) == ("XAmzContentSHA256Mismatch", 400)


def test_s3_needs_the_hash_header() -> None:
    request = signed_by_botocore("GET", "http://localhost/b", service="logs", signing_name="s3")
    assert told(refusal("s3", request)) == ("InvalidRequest", 400)


def test_streaming_with_other_algorithm_is_not_implemented() -> None:
    value = "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"
    request = signed_by_botocore(
        "PUT", "http://localhost/b/k", service="logs", signing_name="s3", headers={"X-Amz-Content-SHA256": value}
    )
    assert told(refusal("s3", request)) == ("NotImplemented", 501)


@pytest.mark.parametrize("length", [None, "", "-1", "1e3", "9" * 30])
def test_streaming_needs_a_decoded_length(length: str | None) -> None:
    headers = {"X-Amz-Content-SHA256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER"}
    if length is not None:
        headers["x-amz-decoded-content-length"] = length
    request = signed_by_botocore("PUT", "http://localhost/b/k", service="logs", signing_name="s3", headers=headers)
    assert told(refusal("s3", request)) == ("MissingContentLength", 411)


UNSIGNED_CHUNKS = {
    "X-Amz-Content-SHA256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
    "x-amz-decoded-content-length": "11",
    "x-amz-trailer": "x-amz-checksum-crc32",
}


@pytest.mark.parametrize(
    "content",
    [
        b"b\r\nhello world\r\n0\r\nx-amz-checksum-crc32:DUoRhQ==\r\n\r\n",
        b"B\r\nhello world\r\n0\r\n\r\nx-amz-checksum-crc32:DUoRhQ==\r\n\r\n",
        b"6\r\nhello \r\n5\r\nworld\r\n0\r\nX-Amz-Checksum-CRC32: DUoRhQ==\n\r\n\r\n\r\n",
        b"00000b\nhello world\n0\nx-amz-checksum-crc32:DUoRhQ==\n\n",
        b"b\r\nhello world\r\n0\r\nx-amz-checksum-crc32:DUoRhQ==\r\n",
    ],
)
@pytest.mark.parametrize("sizes", [[1], [1000], [4, 3]])
def test_unsigned_chunks_with_trailer(content: bytes, sizes: list[int]) -> None:
    request = signed_by_botocore(
        "PUT", "http://localhost/b/k", service="logs", signing_name="s3", headers=UNSIGNED_CHUNKS
    )
    verifier, _ = verifier_at(timestamp_of(time.time()))
    signed = verify(verifier, with_changes(request, body=pieces_body(content, sizes)))
    assert signed.body.length == 11
    assert content_of(signed.body) == b"hello world"
    assert signed.body.trailers == {"x-amz-checksum-crc32": "DUoRhQ=="}


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"c\r\nhello world!\r\n0\r\nx-amz-checksum-crc32:DUoRhQ==\r\n\r\n", "IncompleteBody"),
        (b"a\r\nhello worl\r\n0\r\nx-amz-checksum-crc32:DUoRhQ==\r\n\r\n", "IncompleteBody"),
        (b"b\r\nhello worldX\r\n0\r\n\r\n", "IncompleteBody"),
        (b"b\r\nhello world\r\n0\r\n\r\n", "MalformedTrailerError"),
        (b"b\r\nhello world\r\n0\r\nx-amz-checksum-crc32:a\r\nx-amz-checksum-crc32:b\r\n\r\n", "MalformedTrailerError"),
        (b"b\r\nhello world\r\n0\r\nx-amz-meta-a:b\r\n\r\n", "MalformedTrailerError"),
        (b"b\r\nhello world\r\n0\r\n" + b"x" * 100_000, "IncompleteBody"),
        (b"hello world", "IncompleteBody"),
        (b"", "IncompleteBody"),
        (b"ffffffffffffffffffff\r\n", "IncompleteBody"),
    ],
)
def test_malformed_unsigned_chunks(content: bytes, code: str) -> None:
    request = signed_by_botocore(
        "PUT", "http://localhost/b/k", service="logs", signing_name="s3", headers=UNSIGNED_CHUNKS
    )
    verifier, _ = verifier_at(timestamp_of(time.time()))
    signed = verify(verifier, with_changes(request, body=pieces_body(content, [64])))
    with pytest.raises(AwsError) as raised:
        content_of(signed.body)
    assert raised.value.code_on_the_wire() == code


def test_dialects_sign_as_the_models_say() -> None:
    loader = Loader()
    for service in {*SERVICES, *(service for service, _ in CATALOG), "iam", "ec2", "lambda", "cloudwatch"}:
        metadata = loader.load_service_model(service, "service-2")["metadata"]
        dialect = dialect_of(service)
        assert dialect.signing_name == metadata.get("signingName", metadata["endpointPrefix"])
        assert dialect.is_s3 == isinstance(dialect, S3Dialect) == (metadata["protocol"] == "rest-xml")
        missing = dialect.unsigned().code_on_the_wire()
        speaks_json = metadata["protocol"] not in {"query", "ec2", "rest-xml"}
        assert missing.endswith("Exception") == speaks_json


def test_seconds_of_is_exact() -> None:
    assert seconds_of("20150830T123600Z") == 1440938160.0
