"""What botocore signs is let in, whatever it is; and a change anywhere in what it signed is not."""

import time
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coldframe.errors import AwsError
from coldframe.identity.claims import timestamp_of
from identity.signed_requests import (
    SECRET,
    content_of,
    pieces_body,
    request_of,
    signed_by_botocore,
    verifier_at,
    verify,
    with_changes,
)

OFTEN = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SERVICES = {"s3": "s3", "sagemaker-runtime": "sagemaker", "sagemaker": "sagemaker", "logs": "logs", "sts": "sts"}

keys = st.text(
    st.one_of(st.sampled_from("abz019-_.~/ +%&=?#:@!$'()*,;[]{}|\\^`\"<>ä€𝄞\x7f\x01"), st.characters(codec="utf-8")),
    max_size=30,
)
names = st.text(st.sampled_from("abcXYZ019-_.~ +%&=ä€/"), min_size=1, max_size=8)
queries = st.lists(st.tuples(names, names | st.just("")), max_size=5)
header_values = st.text(st.sampled_from("abc 019,;=\"'-_  "), max_size=20)
headers_of_users = st.dictionaries(
    st.from_regex(r"x-amz-meta-[a-z0-9-]{1,8}", fullmatch=True), header_values, max_size=4
)
contents = st.binary(max_size=200)
implementations = st.sampled_from(["python", "crt"])


def now_verifier():
    return verifier_at(timestamp_of(time.time()))[0]


def url_of(path: str, query: list[tuple[str, str]]) -> str:
    encoded = "&".join(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in query)
    return f"http://localhost:4599/{path}" + (f"?{encoded}" if encoded else "")


@OFTEN
@given(key=keys, query=queries, headers=headers_of_users, content=contents, implementation=implementations)
def test_verify_s3_header(key, query, headers, content, implementation) -> None:
    url = url_of("bucket/" + quote(key.encode(), safe="/-_.~"), query)
    request = signed_by_botocore("PUT", url, content=content, headers=headers, implementation=implementation)
    signed = verify(now_verifier(), request)
    assert signed.principal.kind == "root"
    assert content_of(signed.body) == content


@OFTEN
@given(key=keys, headers=headers_of_users, expires=st.integers(1, 604800), implementation=implementations)
def test_verify_s3_presigned(key, headers, expires, implementation) -> None:
    url = url_of("bucket/" + quote(key.encode(), safe="/-_.~"), [("partNumber", "3"), ("uploads", "")])
    request = signed_by_botocore("PUT", url, headers=headers, expires=expires, implementation=implementation)
    assert verify(now_verifier(), request).principal.kind == "root"


@OFTEN
@given(
    service=st.sampled_from(["sagemaker-runtime", "sagemaker", "logs", "sts"]),
    path=st.text(st.sampled_from("ab1/.~-_ :@ä%"), max_size=20),
    query=queries,
    content=contents,
    implementation=implementations,
)
def test_verify_service_header(service, path, query, content, implementation) -> None:
    safe = "/-_.~:@" if implementation == "python" else "/-_.~"  # the other one takes no colon in a path
    url = url_of(quote(path.encode(), safe=safe), query)
    headers = {"content-type": "application/x-amz-json-1.1", "x-amz-target": "SageMaker.ListModels"}
    request = signed_by_botocore(
        "POST",
        url,
        service=service,
        signing_name=SERVICES[service],
        content=content,
        headers=headers,
        implementation=implementation,
    )
    signed = verify(now_verifier(), request, service)
    assert signed.principal.kind == "root"
    assert content_of(signed.body) == content


def test_verify_service_presigned() -> None:
    url = "http://localhost:4599/?Action=GetCallerIdentity&Version=2011-06-15"
    request = signed_by_botocore("GET", url, service="sts", expires=60)
    assert verify(now_verifier(), request, "sts").principal.kind == "root"


def test_verify_takes_date_header_in_place_of_x_amz_date() -> None:
    request = signed_by_botocore("GET", "http://localhost:4599/b", headers={"Date": "now"})
    assert "x-amz-date" not in request.headers
    assert verify(now_verifier(), request).principal.kind == "root"


@pytest.mark.parametrize("host", ["LOCALHOST:4599", "LocalHost:4599"])
def test_verify_takes_host_in_capitals(host: str) -> None:
    request = signed_by_botocore("GET", "http://localhost:4599/b")
    verify(now_verifier(), with_changes(request, headers={**request.headers, "host": host}))


@pytest.mark.parametrize("host", ["s3.amazonaws.com:80", "s3.amazonaws.com:443", "S3.amazonaws.com"])
def test_verify_takes_host_with_the_port_of_its_scheme(host: str) -> None:
    request = signed_by_botocore("GET", "http://s3.amazonaws.com/b")
    verify(now_verifier(), with_changes(request, headers={**request.headers, "host": host}))


@pytest.mark.parametrize("host", ["s3.amazonaws.com:81", "s4.amazonaws.com", "s3.amazonaws.com:80:80", ""])
def test_verify_refuses_another_host(host: str) -> None:
    request = signed_by_botocore("GET", "http://s3.amazonaws.com/b")
    with pytest.raises(AwsError, match="does not match"):
        verify(now_verifier(), with_changes(request, headers={**request.headers, "host": host}))


def test_verify_hashes_a_body_that_comes_in_pieces() -> None:
    content = bytes(range(256)) * 40
    request = signed_by_botocore("PUT", "http://localhost:4599/b/k", content=content)
    signed = verify(now_verifier(), with_changes(request, body=pieces_body(content, [100, 1, 999], len(content))))
    assert content_of(signed.body) == content


def flipped(text: str, position: int, bit: int) -> str:
    raw = bytearray(text.encode("latin-1"))
    raw[position % len(raw)] ^= 1 << bit
    return raw.decode("latin-1")


positions = st.integers(0, 10_000)
bits = st.integers(0, 6)


def assert_refused(request, service="s3") -> None:
    """Every change is refused: as a wrong signature, or earlier as malformed, expired, or somebody else's."""
    status = 403
    try:
        signed = verify(now_verifier(), request, service)
        content_of(signed.body)
    except AwsError as error:
        status = error.status
    else:  # a change to the name of the signature itself: authorization refuses such a request
        assert signed.principal.kind == "anonymous", f"{request} was let in"
    assert status in {400, 403}


BASE = signed_by_botocore(
    "PUT", "http://localhost:4599/bucket/some/key.txt?a=1&b=%20x", content=b"content", headers={"x-amz-meta-a": "v 1"}
)
PRESIGNED = signed_by_botocore("GET", "http://localhost:4599/bucket/some/key.txt?versionId=1", expires=3600)


@OFTEN
@given(position=positions, bit=bits)
def test_verify_refuses_any_flipped_bit_of_signature(position, bit) -> None:
    head, _, signature = BASE.headers["authorization"].rpartition("=")
    changed = {**BASE.headers, "authorization": f"{head}={flipped(signature, position, bit)}"}
    assert_refused(with_changes(BASE, headers=changed))


@OFTEN
@given(position=positions, bit=bits)
def test_verify_refuses_any_flipped_bit_of_path(position, bit) -> None:
    assert_refused(with_changes(BASE, raw_path=flipped(BASE.raw_path, position, bit)))


@OFTEN
@given(position=positions, bit=bits)
def test_verify_refuses_any_flipped_bit_of_query(position, bit) -> None:
    changed = flipped(BASE.query_string, position, bit)
    if changed.replace("+", "%20") != BASE.query_string:  # two ways to write one space
        assert_refused(with_changes(BASE, query_string=changed))


@OFTEN
@given(position=positions, bit=bits)
def test_verify_refuses_any_flipped_bit_of_presigned_query(position, bit) -> None:
    changed = flipped(PRESIGNED.query_string, position, bit)
    if changed.replace("%2f", "%2F") != PRESIGNED.query_string:  # two ways to write one slash
        assert_refused(with_changes(PRESIGNED, query_string=changed))


@OFTEN
@given(
    name=st.sampled_from(sorted(set(BASE.headers) - {"authorization", "content-length"})), position=positions, bit=bits
)
def test_verify_refuses_any_flipped_bit_of_signed_header(name, position, bit) -> None:
    value = BASE.headers[name]
    changed = flipped(value, position, bit)
    same_host = name == "host" and changed.lower() == value
    same_spaces = " ".join(changed.split()) == value
    if not same_host and not same_spaces:
        assert_refused(with_changes(BASE, headers={**BASE.headers, name: changed}))


@OFTEN
@given(position=positions, bit=bits)
def test_verify_refuses_any_flipped_bit_of_body(position, bit) -> None:
    content = flipped("content", position, bit).encode("latin-1")
    assert_refused(request_of("PUT", f"{BASE.raw_path}?{BASE.query_string}", BASE.headers, content))


@OFTEN
@given(position=positions, bit=bits)
def test_verify_refuses_any_flipped_bit_of_service_body(position, bit) -> None:
    request = signed_by_botocore("POST", "http://h/", service="logs", content=b'{"a": 1}')
    content = flipped('{"a": 1}', position, bit).encode("latin-1")
    assert_refused(request_of("POST", "/", request.headers, content), "logs")


@pytest.mark.parametrize("method", ["GET", "POST", "put"])
def test_verify_refuses_another_method(method: str) -> None:
    assert_refused(with_changes(BASE, method=method))


@pytest.mark.parametrize("header", ["x-amz-acl", "x-amz-security-token", "x-amz-copy-source"])
def test_verify_refuses_added_amz_header(header: str) -> None:
    assert_refused(with_changes(BASE, headers={**BASE.headers, header: "bucket/other"}))
    assert_refused(with_changes(PRESIGNED, headers={**PRESIGNED.headers, header: "bucket/other"}))


def test_verify_lets_proxies_add_other_headers() -> None:
    verify(now_verifier(), with_changes(BASE, headers={**BASE.headers, "x-forwarded-for": "::1", "via": "proxy"}))


def test_verify_refuses_another_secret() -> None:
    verifier, _ = verifier_at(timestamp_of(time.time()), secret=SECRET[:-1] + "x")
    with pytest.raises(AwsError, match="does not match"):
        verify(verifier, BASE)


def test_verify_remembers_only_what_was_right() -> None:
    verifier = now_verifier()
    wrong = with_changes(BASE, headers={**BASE.headers, "authorization": BASE.headers["authorization"][:-1] + "!"})
    for _ in range(3):
        assert_refused(wrong)
        with pytest.raises(AwsError):
            verify(verifier, wrong)
    assert not verifier._contexts
    for _ in range(3):
        verify(verifier, BASE)
        with pytest.raises(AwsError, match="does not match"):
            verify(verifier, wrong)
    assert len(verifier._contexts) == 1
