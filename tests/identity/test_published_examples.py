"""The signatures that AWS prints in its documentation are found to be right, and nothing near them is."""

import pytest

from coldframe.errors import AwsError
from identity.signed_requests import KEY, content_of, pieces_body, request_of, verifier_at, verify

EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
CREDENTIAL = f"{KEY}/20130524/us-east-1/s3/aws4_request"
MOMENT = "20130524T000000Z"


def header(signed_headers: str, signature: str) -> str:
    return f"AWS4-HMAC-SHA256 Credential={CREDENTIAL},SignedHeaders={signed_headers},Signature={signature}"


S3_EXAMPLES = {
    "get-object-with-range": (
        "GET",
        "/test.txt",
        {"range": "bytes=0-9", "x-amz-content-sha256": EMPTY},
        "host;range;x-amz-content-sha256;x-amz-date",
        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
    ),
    "put-object-with-dollar-in-its-key": (
        "PUT",
        "/test$file.text",
        {
            "date": "Fri, 24 May 2013 00:00:00 GMT",
            "x-amz-storage-class": "REDUCED_REDUNDANCY",
            "x-amz-content-sha256": "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
        },
        "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
        "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
    ),
    "get-bucket-lifecycle": (
        "GET",
        "/?lifecycle",
        {"x-amz-content-sha256": EMPTY},
        "host;x-amz-content-sha256;x-amz-date",
        "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
    ),
    "list-objects": (
        "GET",
        "/?max-keys=2&prefix=J",
        {"x-amz-content-sha256": EMPTY},
        "host;x-amz-content-sha256;x-amz-date",
        "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
    ),
}


@pytest.mark.parametrize("name", S3_EXAMPLES)
def test_verify_s3_example(name: str) -> None:
    method, target, headers, signed_headers, signature = S3_EXAMPLES[name]
    content = b"Welcome to Amazon S3." if method == "PUT" else b""
    request = request_of(
        method,
        target,
        {
            "host": "examplebucket.s3.amazonaws.com",
            "x-amz-date": MOMENT,
            "authorization": header(signed_headers, signature),
            **headers,
        },
        content,
    )
    verifier, _ = verifier_at(MOMENT)
    signed = verify(verifier, request)
    assert signed.principal.access_key_id == KEY
    assert content_of(signed.body) == content


def test_verify_s3_presigned_example() -> None:
    query = (
        "X-Amz-Algorithm=AWS4-HMAC-SHA256"
        "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
        "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
        "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    )
    request = request_of("GET", f"/test.txt?{query}", {"host": "examplebucket.s3.amazonaws.com"})
    verifier, _ = verifier_at("20130524T235959Z")
    assert verify(verifier, request).principal.kind == "root"


def test_verify_iam_example() -> None:
    signature = "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
    request = request_of(
        "GET",
        "/?Action=ListUsers&Version=2010-05-08",
        {
            "host": "iam.amazonaws.com",
            "content-type": "application/x-www-form-urlencoded; charset=utf-8",
            "x-amz-date": "20150830T123600Z",
            "authorization": "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, "
            f"SignedHeaders=content-type;host;x-amz-date, Signature={signature}",
        },
    )
    verifier, _ = example_verifier("20150830T123600Z")
    assert verify(verifier, request, "iam").principal.kind == "root"


def example_verifier(timestamp: str) -> tuple:
    from coldframe.identity.credentials import Credential
    from identity.signed_requests import PRINCIPAL

    return verifier_at(timestamp, Credential("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", PRINCIPAL))


CHUNKED_HEADERS = {
    "host": "s3.amazonaws.com",
    "x-amz-date": MOMENT,
    "x-amz-storage-class": "REDUCED_REDUNDANCY",
    "content-encoding": "aws-chunked",
    "x-amz-decoded-content-length": "66560",
}
CHUNKED = {
    **CHUNKED_HEADERS,
    "x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
    "content-length": "66824",
    "authorization": header(
        "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;"
        "x-amz-storage-class",
        "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
    ),
}
CHUNKED_CONTENT = (
    b"10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n"
    + b"a" * 65536
    + b"\r\n400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n"
    + b"a" * 1024
    + b"\r\n0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n"
)
TRAILER = {
    **CHUNKED_HEADERS,
    "x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
    "x-amz-trailer": "x-amz-checksum-crc32c",
    "authorization": header(
        "content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class;"
        "x-amz-trailer",
        "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
    ),
}
TRAILER_CONTENT = (
    b"10000;chunk-signature=b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2\r\n"
    + b"a" * 65536
    + b"\r\n400;chunk-signature=1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7\r\n"
    + b"a" * 1024
    + b"\r\n0;chunk-signature=2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992\r\n"
    b"x-amz-checksum-crc32c:sOO8/Q==\r\n"
    b"x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n"
)
EXAMPLES = {
    "chunked": (CHUNKED, CHUNKED_CONTENT, {}),
    "trailer": (TRAILER, TRAILER_CONTENT, {"x-amz-checksum-crc32c": "sOO8/Q=="}),
}


@pytest.mark.parametrize("sizes", [[1 << 20], [65536], [1], [7, 1, 100, 8192], [85, 2]])
@pytest.mark.parametrize("example", EXAMPLES)
def test_verify_chunked_example_however_it_is_cut(example: str, sizes: list[int]) -> None:
    headers, content, trailers = EXAMPLES[example]
    verifier, _ = verifier_at(MOMENT)
    body = pieces_body(content, sizes)
    signed = verify(verifier, request_of("PUT", "/examplebucket/chunkObject.txt", headers, body=body))
    assert signed.body.length == 66560
    assert content_of(signed.body) == b"a" * 66560
    assert signed.body.trailers == trailers
    assert body.finished


def damaged() -> list[tuple[str, bytes, bytes, str]]:
    """Each: example, what is replaced, by what, and the error's code."""
    return [
        ("chunked", b"ad80c730", b"ad80c731", "SignatureDoesNotMatch"),
        ("chunked", b"0055627c", b"0055627d", "SignatureDoesNotMatch"),
        ("chunked", b"b6c6ea8a", b"b6c6ea8b", "SignatureDoesNotMatch"),
        ("chunked", b"aaa\r\n400;", b"aab\r\n400;", "SignatureDoesNotMatch"),
        ("chunked", b"aaa\r\n0;", b"aab\r\n0;", "SignatureDoesNotMatch"),
        ("chunked", b"10000;", b"20000;", "IncompleteBody"),
        ("chunked", b"400;", b"3ff;", "SignatureDoesNotMatch"),
        ("chunked", b"400;", b"-400;", "IncompleteBody"),
        ("chunked", b"400;", b"0x400;", "IncompleteBody"),
        ("chunked", b";chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648", b"",
         "IncompleteBody"),
        ("chunked", b"\r\n0;chunk", b"\r\n0;hunk", "IncompleteBody"),
        ("chunked", b"49df9\r\n\r\n", b"49df9", "IncompleteBody"),
        ("chunked", b"49df9\r\n\r\n", b"49df9\r\n\r\nmore", "MalformedTrailerError"),
        ("chunked", b"49df9\r\n\r\n", b"49df9\r\nx-amz-checksum-crc32c:sOO8/Q==\r\n\r\n", "MalformedTrailerError"),
        ("trailer", b"sOO8/Q==", b"sOO8/R==", "SignatureDoesNotMatch"),
        ("trailer", b"d81f82fc", b"d81f82fd", "SignatureDoesNotMatch"),
        ("trailer", b"x-amz-checksum-crc32c:sOO8/Q==\r\n", b"", "MalformedTrailerError"),
        ("trailer", b"x-amz-checksum-crc32c:", b"x-amz-checksum-crc32:", "MalformedTrailerError"),
        ("trailer", b"x-amz-checksum-crc32c:sOO8/Q==", b"no colon here", "MalformedTrailerError"),
        ("trailer", TRAILER_CONTENT[-92:], b"\r\n", "SignatureDoesNotMatch"),
    ]  # fmt: skip


@pytest.mark.parametrize(("example", "old", "new", "code"), damaged())
def test_verify_chunked_refuses_damage(example: str, old: bytes, new: bytes, code: str) -> None:
    headers, content, _ = EXAMPLES[example]
    assert content.count(old) == 1
    verifier, _ = verifier_at(MOMENT)
    body = pieces_body(content.replace(old, new), [4096])
    signed = verify(verifier, request_of("PUT", "/examplebucket/chunkObject.txt", headers, body=body))
    with pytest.raises(AwsError) as raised:
        content_of(signed.body)
    assert raised.value.code_on_the_wire() == code


@pytest.mark.parametrize("kept_bytes", [0, 1, 50, 87, 88, 5000, 65624, 65626, 65700, 66700, 66735])
def test_verify_chunked_refuses_what_is_cut_short(kept_bytes: int) -> None:
    verifier, _ = verifier_at(MOMENT)
    body = pieces_body(CHUNKED_CONTENT[:kept_bytes], [4096])
    signed = verify(verifier, request_of("PUT", "/examplebucket/chunkObject.txt", CHUNKED, body=body))
    with pytest.raises(AwsError) as raised:
        content_of(signed.body)
    assert raised.value.code_on_the_wire() == "IncompleteBody"


def test_verify_chunked_refuses_endless_chunk_header() -> None:
    verifier, _ = verifier_at(MOMENT)
    body = pieces_body(b"1" * 1_000_000, [4096])
    signed = verify(verifier, request_of("PUT", "/examplebucket/chunkObject.txt", CHUNKED, body=body))
    with pytest.raises(AwsError) as raised:
        content_of(signed.body)
    assert raised.value.code_on_the_wire() == "IncompleteBody"
    assert not body.finished, "it should have stopped long before the end"
