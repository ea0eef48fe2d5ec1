"""What goes wrong in the middle: clients that leave, writers that race, a server that is killed."""

import hashlib
import http.client
import json
import os
import socket
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from servers import ServerProcess
from waiting import wait_until

MIB = 1024 * 1024
LIGHT = {"COLDFRAME_PRELOAD_MODULES": ""}
"""No job is started here, so that no worker template needs to load anything."""


def blob_files(server: ServerProcess) -> set[str]:
    return {path.name for path in (server.data_directory / "blobs").rglob("*") if path.is_file()}


def named_blobs(server: ServerProcess) -> set[str]:
    """The blobs that any record names, read past a server that is stopped."""
    with sqlite3.connect(server.data_directory / "coldframe.sqlite3") as connection:
        segments = [json.loads(row[0]) for row in connection.execute("SELECT segments FROM objects")]
        parts = {row[0] for row in connection.execute("SELECT blob FROM upload_parts")}
    return {blob for row in segments for blob, _ in row} | parts


@pytest.mark.parametrize("size", [4000, 3 * MIB])
def test_put_object_cut_short_leaves_nothing(own_server: Callable[..., ServerProcess], size: int) -> None:
    server = own_server(**LIGHT).start()
    s3 = server.client("s3", config=Config(signature_version="s3v4"))
    s3.create_bucket(Bucket="bucket")
    url = urlsplit(s3.generate_presigned_url("put_object", Params={"Bucket": "bucket", "Key": "k"}))
    with socket.create_connection((url.hostname or "", url.port or 0), timeout=10) as connection:
        head = f"PUT {url.path}?{url.query} HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Length: {size}\r\n\r\n"
        connection.sendall(head.encode() + bytes(size - 100))
    wait_until(lambda: not blob_files(server))
    assert "Contents" not in s3.list_objects_v2(Bucket="bucket")


def test_put_object_of_more_than_5_gib_is_refused_before_its_bytes_come(server: ServerProcess, bucket: str) -> None:
    s3 = server.client("s3", config=Config(signature_version="s3v4"))
    url = urlsplit(s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "k"}))
    with socket.create_connection((url.hostname or "", url.port or 0), timeout=10) as connection:
        head = f"PUT {url.path}?{url.query} HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Length: {5 * 1024**3 + 1}\r\n"
        connection.sendall(head.encode() + b"Expect: 100-continue\r\n\r\n")
        answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"<Code>EntityTooLarge</Code>" in answer


def test_get_object_by_a_client_that_leaves_frees_the_blob(own_server: Callable[..., ServerProcess]) -> None:
    server = own_server(**LIGHT).start()
    s3 = server.client("s3", config=Config(signature_version="s3v4"))
    s3.create_bucket(Bucket="bucket")
    s3.put_object(Bucket="bucket", Key="k", Body=bytes(32 * MIB))
    url = urlsplit(s3.generate_presigned_url("get_object", Params={"Bucket": "bucket", "Key": "k"}))
    connection = http.client.HTTPConnection(url.netloc, timeout=10)
    connection.request("GET", f"{url.path}?{url.query}")
    answer = connection.getresponse()
    assert len(answer.read(1000)) == 1000
    s3.delete_object(Bucket="bucket", Key="k")
    assert blob_files(server), "the file must stay while it is read"
    answer.close()
    connection.close()
    wait_until(lambda: not blob_files(server))


def test_put_object_by_many_writers_of_one_key_leaves_one_of_them_whole(s3: Any, bucket: str) -> None:
    contents = [bytes([number]) * size for number, size in enumerate((10, 9000, 200_000, 3 * MIB, 20, 100_000))]
    with ThreadPoolExecutor(6) as threads:
        for _ in range(5):
            list(threads.map(lambda content: s3.put_object(Bucket=bucket, Key="k", Body=content), contents))
            assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() in contents


def test_put_object_if_none_match_by_many_writers_lets_one_through(s3: Any, bucket: str) -> None:
    def put(content: bytes) -> bool:
        try:
            s3.put_object(Bucket=bucket, Key="k", Body=content, IfNoneMatch="*")
        except ClientError as error:
            return error.response["Error"]["Code"] != "PreconditionFailed"  # any other counts as a second winner
        return True

    contents = [bytes([number]) * 20_000 for number in range(8)]
    with ThreadPoolExecutor(8) as threads:
        won = list(threads.map(put, contents))
    assert won.count(True) == 1
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == contents[won.index(True)]


def test_kill_9_amid_puts_loses_nothing_acknowledged_and_shows_no_halves(
    own_server: Callable[..., ServerProcess],
) -> None:
    server = own_server(**LIGHT).start()
    server.client("s3").create_bucket(Bucket="bucket")
    acknowledged: dict[str, str] = {}
    sent: dict[str, str] = {}

    def write(writer: int) -> None:
        s3 = server.client("s3")
        for number in range(10_000):
            # Keys come again, so that there are overwrites; each content of a key is different.
            key = f"{writer}-{number % 7}"
            content = os.urandom((100, 9000, 300_000, 2 * MIB)[number % 4])
            digest = hashlib.md5(content).hexdigest()
            sent[key] = digest
            try:
                s3.put_object(Bucket="bucket", Key=key, Body=content)
            except (ClientError, BotoCoreError):
                return
            acknowledged[key] = digest

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(4)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(acknowledged) >= 20)
    server.kill9()
    for thread in threads:
        thread.join()
    server.start()
    s3 = server.client("s3")
    for key, digest in acknowledged.items():
        found = hashlib.md5(s3.get_object(Bucket="bucket", Key=key)["Body"].read()).hexdigest()
        assert found in (digest, sent[key]), f"{key} is neither what was acknowledged last nor what was under way"
    for entry in s3.list_objects_v2(Bucket="bucket")["Contents"]:
        content = s3.get_object(Bucket="bucket", Key=entry["Key"])["Body"].read()
        assert entry["ETag"] == f'"{hashlib.md5(content).hexdigest()}"'
    wait_until(lambda: blob_files(server) == named_blobs(server), describe="what the crash left to be swept")


def test_kill_9_amid_a_multipart_upload_keeps_its_parts(own_server: Callable[..., ServerProcess]) -> None:
    server = own_server(**LIGHT).start()
    s3 = server.client("s3")
    s3.create_bucket(Bucket="bucket")
    upload = {"Bucket": "bucket", "Key": "k"}
    upload["UploadId"] = s3.create_multipart_upload(**upload)["UploadId"]
    first = os.urandom(5 * MIB)
    etag = s3.upload_part(PartNumber=1, Body=first, **upload)["ETag"]
    server.kill9()
    server.start()
    s3 = server.client("s3")
    assert [part["ETag"] for part in s3.list_parts(**upload)["Parts"]] == [etag]
    second = s3.upload_part(PartNumber=2, Body=b"end", **upload)["ETag"]
    parts = [{"PartNumber": 1, "ETag": etag}, {"PartNumber": 2, "ETag": second}]
    s3.complete_multipart_upload(MultipartUpload={"Parts": parts}, **upload)
    server.kill9()
    server.start()
    got = server.client("s3").get_object(Bucket="bucket", Key="k")
    assert got["Body"].read() == first + b"end"
    assert blob_files(server) == named_blobs(server)


def test_leftover_files_do_not_slow_the_start(own_server: Callable[..., ServerProcess], tmp_path: Path) -> None:
    server = own_server(**LIGHT).start()
    s3 = server.client("s3")
    s3.create_bucket(Bucket="bucket")
    s3.put_object(Bucket="bucket", Key="k", Body=bytes(20_000))
    kept = blob_files(server)
    server.stop()
    folder = server.data_directory / "blobs" / "ab" / "cd"
    folder.mkdir(parents=True, exist_ok=True)
    with sqlite3.connect(server.data_directory / "coldframe.sqlite3") as connection:
        for number in range(500):
            name = f"abcd{number:028x}"
            (folder / name).write_bytes(b"half")
            connection.execute("INSERT INTO loose_blobs (blob) VALUES (?)", (name,))
    server.start()
    wait_until(lambda: blob_files(server) == kept)
