"""Large objects go through in bounded memory, in either direction."""

import hashlib
import os
from collections.abc import Callable, Iterator

import psutil
import pytest
import requests
from botocore.config import Config

from servers import ServerProcess

MIB = 1024 * 1024
GROWTH_BYTES = 64 * MIB
PIECE = os.urandom(MIB)


class Content:
    """So many MiB, made as they are sent, each different from the last."""

    def __init__(self, mebibytes: int) -> None:
        self._mebibytes = mebibytes
        self.md5 = hashlib.md5()

    def __len__(self) -> int:
        return self._mebibytes * MIB

    def __iter__(self) -> Iterator[bytes]:
        for number in range(self._mebibytes):
            piece = number.to_bytes(8, "big") + PIECE[8:]
            self.md5.update(piece)
            yield piece


def put_and_get(server: ServerProcess, mebibytes: int) -> int:
    """Put and get an object; how much the server's memory grew at its most, in bytes."""
    s3 = server.client("s3", config=Config(signature_version="s3v4"))
    s3.create_bucket(Bucket="bucket")
    s3.put_object(Bucket="bucket", Key="warm", Body=PIECE)
    s3.get_object(Bucket="bucket", Key="warm")["Body"].read()
    process = psutil.Process(server.pid)
    before = process.memory_info().rss
    most = before
    content = Content(mebibytes)

    def watched() -> Iterator[bytes]:
        nonlocal most
        for number, piece in enumerate(content):
            yield piece
            if number % 32 == 0:
                most = max(most, process.memory_info().rss)

    this = {"Bucket": "bucket", "Key": "large"}
    put = requests.Request(
        "PUT", s3.generate_presigned_url("put_object", Params=this), data=_Sized(watched(), len(content))
    )
    with requests.Session() as session:
        answer = session.send(put.prepare(), timeout=600)
    assert answer.status_code == 200, answer.text
    assert answer.headers["ETag"] == f'"{content.md5.hexdigest()}"'
    received = hashlib.md5()
    with requests.get(s3.generate_presigned_url("get_object", Params=this), stream=True, timeout=600) as got:
        for number, piece in enumerate(got.iter_content(MIB)):
            received.update(piece)
            if number % 32 == 0:
                most = max(most, process.memory_info().rss)
    assert received.digest() == content.md5.digest()
    return most - before


class _Sized:
    """An iterator of which requests can tell the length, so that it need not chunk."""

    def __init__(self, pieces: Iterator[bytes], length: int) -> None:
        self._pieces = pieces
        self.len = length

    def __iter__(self) -> Iterator[bytes]:
        return self._pieces

    def read(self, _size: int) -> bytes:
        return next(self._pieces, b"")


def test_put_and_get_of_a_large_object_take_little_memory(own_server: Callable[..., ServerProcess]) -> None:
    assert put_and_get(own_server(COLDFRAME_PRELOAD_MODULES="").start(), 300) < GROWTH_BYTES


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_put_and_get_of_5_gb_take_little_memory(own_server: Callable[..., ServerProcess]) -> None:
    assert put_and_get(own_server(COLDFRAME_PRELOAD_MODULES="").start(), 5 * 1024) < GROWTH_BYTES
