"""Bodies in signed chunks, framed and signed here by AWS's documentation, of any sizes and cut anywhere."""

import asyncio
import hashlib
import hmac
import tracemalloc
from collections.abc import AsyncIterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coldframe.errors import AwsError
from coldframe.identity.chunked_body import ChunkedBody, ChunkSigner
from coldframe.identity.signature import SigningKey
from identity.signed_requests import SECRET, content_of, pieces_body

MOMENT, SCOPE, SEED = "20130524T000000Z", "20130524/us-east-1/s3/aws4_request", "4f23" * 16


def signature(text: str) -> str:
    key = ("AWS4" + SECRET).encode()
    for part in SCOPE.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def framed(chunks: list[bytes], trailers: dict[str, str]) -> bytes:
    """The body as a client sends it."""
    previous, wire = SEED, b""
    for chunk in [*chunks, b""]:
        hashes = hashlib.sha256(b"").hexdigest() + "\n" + hashlib.sha256(chunk).hexdigest()
        previous = signature(f"AWS4-HMAC-SHA256-PAYLOAD\n{MOMENT}\n{SCOPE}\n{previous}\n{hashes}")
        wire += f"{len(chunk):x};chunk-signature={previous}\r\n".encode() + chunk + (b"\r\n" if chunk else b"")
    if trailers:
        lines = "".join(f"{name}:{value}\n" for name, value in trailers.items())
        hashed = hashlib.sha256(lines.encode()).hexdigest()
        last = signature(f"AWS4-HMAC-SHA256-TRAILER\n{MOMENT}\n{SCOPE}\n{previous}\n{hashed}")
        wire += lines.replace("\n", "\r\n").encode() + f"x-amz-trailer-signature:{last}\r\n".encode()
    return wire + b"\r\n"


def signer() -> ChunkSigner:
    return ChunkSigner(SigningKey(SECRET, "20130524", "us-east-1", "s3"), MOMENT, SCOPE, SEED)


def opened(wire: bytes, sizes: list[int], length: int, trailers: dict[str, str]) -> ChunkedBody:
    return ChunkedBody(pieces_body(wire, sizes), length, signer(), frozenset(trailers))


contents = st.integers(0, 40_000).map(lambda size: bytes(number * 7 % 251 for number in range(size)))
cuts = st.lists(st.integers(1, 9000), min_size=1, max_size=5)
some_trailers = st.sampled_from(
    [{}, {"x-amz-checksum-crc32": "AAAAAA=="}, {"x-amz-checksum-sha1": "a", "x-amz-meta": "b"}]
)


@settings(max_examples=40, deadline=None)
@given(content=contents, chunk_size=st.integers(8192, 20_000), sizes=cuts, trailers=some_trailers)
def test_signed_chunks(content: bytes, chunk_size: int, sizes: list[int], trailers: dict[str, str]) -> None:
    chunks = [content[start : start + chunk_size] for start in range(0, len(content), chunk_size)]
    body = opened(framed(chunks, trailers), sizes, len(content), trailers)
    assert content_of(body) == content
    assert body.trailers == trailers


@settings(max_examples=150, deadline=None)
@given(position=st.integers(0, 100_000), bit=st.integers(0, 7), sizes=cuts)
def test_signed_chunks_refuse_any_flipped_bit(position: int, bit: int, sizes: list[int]) -> None:
    trailers = {"x-amz-checksum-crc32": "AAAAAA=="}
    wire = bytearray(framed([b"a" * 9000, b"b" * 100], trailers))
    position %= len(wire)
    before = bytes(wire)
    wire[position] ^= 1 << bit
    if bytes(wire).lower() == before.lower():
        return  # hexadecimal digits and names may be written in capitals
    body = opened(bytes(wire), sizes, 9100, trailers)
    status = 400
    try:
        content = content_of(body)
    except AwsError as error:
        status = error.status
    else:  # a line end that lost its carriage return, or white space that is not signed
        assert content == b"a" * 9000 + b"b" * 100
        assert body.trailers == trailers
    assert status in {400, 403}


@pytest.mark.parametrize(
    "chunks", [[b"a" * 9000], [b"b" * 9000, b"a" * 9000], [b"a" * 9000, b"a" * 9000], [b"a" * 9000, b"b" * 9000, b""]]
)
def test_signed_chunks_cannot_be_left_out_or_moved(chunks: list[bytes]) -> None:
    """Take the frames of a then b, each validly signed, and put them in another order."""
    wire = framed([b"a" * 9000, b"b" * 9000], {})
    size = len(b"2328;chunk-signature=") + 64 + 2 + 9000 + 2
    frames = {b"a" * 9000: wire[:size], b"b" * 9000: wire[size : 2 * size], b"": b""}
    moved = b"".join(frames[chunk] for chunk in chunks) + wire[2 * size :]
    body = opened(moved, [4096], sum(map(len, chunks)), {})
    if chunks[:2] == [b"a" * 9000, b"b" * 9000]:
        assert len(content_of(body)) == 18_000
        return
    with pytest.raises(AwsError, match="does not match"):
        content_of(body)


def test_signed_chunks_must_be_large_but_for_the_last() -> None:
    with pytest.raises(AwsError) as raised:
        content_of(opened(framed([b"a" * 8191, b"b"], {}), [4096], 8192, {}))
    assert raised.value.code_on_the_wire() == "InvalidChunkSizeError"


async def endless(size: int) -> AsyncIterator[bytes]:
    yield f"{size:x}\r\n".encode()
    piece = b"x" * 65536
    for _ in range(size // len(piece)):
        yield piece
    yield b"\r\n0\r\n\r\n"


class EndlessBody:
    length = None
    trailers: dict[str, str] = {}

    def __init__(self, size: int) -> None:
        self.size = size

    def __aiter__(self) -> AsyncIterator[bytes]:
        return endless(self.size)

    async def read(self, limit: int) -> bytes:
        raise AssertionError


async def drained(body: ChunkedBody) -> int:
    total = 0
    async for piece in body:
        total += len(piece)
    return total


def test_one_chunk_of_any_length_needs_no_memory() -> None:
    size = 256 * 1024 * 1024
    tracemalloc.start()
    try:
        assert asyncio.run(drained(ChunkedBody(EndlessBody(size), size, None, frozenset()))) == size
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
