"""What a server does with requests that no good client sends, over a real socket."""

import contextlib
import json
import socket
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from gateway.raw_client import RawConnection, signed_head, slowly, whoami
from servers import ServerProcess
from waiting import wait_until

MIB = 1024 * 1024


@pytest.fixture
def bucket(client: Callable[..., Any], unique_name: Callable[[str], str]) -> str:
    name = unique_name("gateway")
    client("s3").create_bucket(Bucket=name)
    return name


def assert_alive(connection: RawConnection, server: ServerProcess) -> None:
    """The connection can be used for the next request."""
    connection.send(whoami(server))
    assert connection.answer().status == 200


def assert_cut_off(connection: RawConnection, piece: bytes, most: int = 4000) -> None:
    """The server does not listen to so many pieces."""
    try:
        for _ in range(most):
            connection.send(piece)
    except ConnectionError:
        return
    pytest.fail(f"the server took {most} pieces of {len(piece)} bytes")


def assert_serves(server: ServerProcess) -> None:
    with RawConnection(server) as connection:
        assert_alive(connection, server)


def test_health_is_answered_unsigned(server: ServerProcess) -> None:
    with RawConnection(server) as connection:
        connection.send(b"GET /_coldframe/health HTTP/1.1\r\nHost: any\r\n\r\n")
        answer = connection.answer()
    assert answer.status == 200
    assert json.loads(answer.body)["pid"] == server.pid


def test_connection_is_kept_for_many_requests(server: ServerProcess) -> None:
    with RawConnection(server) as connection:
        for _ in range(20):
            assert_alive(connection, server)


def test_pipelined_requests_are_answered_in_order(server: ServerProcess, bucket: str) -> None:
    with RawConnection(server) as connection:
        missing = signed_head(server, "GET", f"/{bucket}/missing")
        connection.send(whoami(server) + missing + whoami(server) + missing)
        assert [connection.answer().status for _ in range(4)] == [200, 404, 200, 404]


def test_request_may_come_byte_by_byte(server: ServerProcess, bucket: str) -> None:
    content = b"0123456789" * 20
    with RawConnection(server) as connection:
        slowly(connection, signed_head(server, "PUT", f"/{bucket}/slow", content=content) + content, 200)
        assert connection.answer().status == 200
        connection.send(signed_head(server, "GET", f"/{bucket}/slow"))
        assert connection.answer().body == content


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"garbage\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nBad Header: 1\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
        b"CONNECT example.com:443 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
def test_garbage_is_refused_and_hurts_nobody(server: ServerProcess, garbage: bytes) -> None:
    with RawConnection(server) as connection:
        connection.send(garbage)
        connection.socket.shutdown(socket.SHUT_WR)
        with contextlib.suppress(EOFError):  # closed without a word is as good
            assert 400 <= connection.answer().status < 500
    assert_serves(server)
    assert "Traceback" not in server.log()


def test_headers_without_end_are_refused(server: ServerProcess) -> None:
    with RawConnection(server) as connection:
        connection.send(b"GET / HTTP/1.1\r\nHost: x\r\n")
        assert_cut_off(connection, b"x-filler: " + b"a" * 1000 + b"\r\n")
    assert_serves(server)


def test_url_without_end_is_refused(server: ServerProcess) -> None:
    with RawConnection(server) as connection:
        connection.send(b"GET /")
        assert_cut_off(connection, b"a" * 1000)
    assert_serves(server)


def test_long_headers_within_the_bound_are_taken(server: ServerProcess) -> None:
    with RawConnection(server) as connection:
        head = signed_head(server, "GET", "/")
        connection.send(head.replace(b"\r\n\r\n", b"\r\nx-filler: " + b"a" * 30_000 + b"\r\n\r\n"))
        assert connection.answer().status == 200


def test_put_object_shorter_than_its_content_length_leaves_nothing(
    server: ServerProcess, bucket: str, client: Callable[..., Any]
) -> None:
    content = b"x" * MIB
    before = blobs(server)
    for sent in (0, 1, MIB - 1):
        with RawConnection(server) as connection:
            connection.send(signed_head(server, "PUT", f"/{bucket}/short", content=content) + content[:sent])
    assert_serves(server)
    assert client("s3").list_objects_v2(Bucket=bucket)["KeyCount"] == 0
    wait_until(lambda: blobs(server) <= before, 10, describe="the end of half-written blobs")
    assert "Traceback" not in server.log()


def blobs(server: ServerProcess) -> set[str]:
    return {
        str(path) for path in (server.data_directory / "blobs").rglob("*") if path.is_file() and path.stat().st_size
    }


def test_small_body_cut_short_leaves_connection_and_server_well(server: ServerProcess) -> None:
    content = b'{"EndpointName": "x"}'
    head = signed_head(server, "POST", "/", service="sagemaker", content=content, headers=json_headers("ListModels"))
    with RawConnection(server) as connection:
        connection.send(head + content[:5])
    assert_serves(server)


def json_headers(operation: str) -> dict[str, str]:
    return {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": f"SageMaker.{operation}"}


def test_half_closed_client_gets_its_answer(server: ServerProcess) -> None:
    with RawConnection(server) as connection:
        connection.send(whoami(server))
        connection.socket.shutdown(socket.SHUT_WR)
        assert connection.answer().status == 200


def unsigned(method: str, target: str, length: int, *more: str) -> bytes:
    return "\r\n".join([f"{method} {target} HTTP/1.1", "Host: x", f"Content-Length: {length}", *more, "", ""]).encode()


def test_refused_upload_with_expect_is_answered_before_its_bytes(server: ServerProcess, bucket: str) -> None:
    with RawConnection(server) as connection:
        connection.send(unsigned("PUT", f"/{bucket}/denied", 5 * 1024 * MIB, "Expect: 100-continue"))
        answer = connection.answer()
        assert (answer.status, answer.headers["connection"]) == (403, "close")
        assert connection.closed()


def test_allowed_upload_with_expect_is_told_to_continue(server: ServerProcess, bucket: str) -> None:
    content = b"x" * 100_000
    head = signed_head(server, "PUT", f"/{bucket}/expected", content=content, headers={"Expect": "100-continue"})
    with RawConnection(server) as connection:
        connection.send(head)
        assert connection.answer().status == 100
        connection.send(content)
        assert connection.answer().status == 200
        assert_alive(connection, server)


def test_small_unread_body_keeps_connection(server: ServerProcess, bucket: str) -> None:
    with RawConnection(server) as connection:
        for _ in range(3):
            for length in (10, 65_536, 65_537, 200_000):
                connection.send(unsigned("PUT", f"/{bucket}/denied", length) + b"x" * length)
                answer = connection.answer()
                assert answer.status == 403
                assert "AccessDenied" in answer.text
        assert_alive(connection, server)


def test_unread_body_that_never_comes_ends_connection(server: ServerProcess, bucket: str) -> None:
    with RawConnection(server) as connection:
        connection.send(unsigned("PUT", f"/{bucket}/denied", 100_000) + b"x")
        answer = connection.answer()
        assert (answer.status, answer.headers["connection"]) == (403, "close")


def test_refused_large_upload_hears_why(server: ServerProcess, bucket: str) -> None:
    """A client that only listens after it has sent everything still gets its answer, and no reset."""
    with RawConnection(server) as connection:
        connection.send(unsigned("PUT", f"/{bucket}/denied", 20 * MIB))
        for _ in range(20):
            connection.send(b"x" * MIB)
        answer = connection.answer()
        assert answer.status == 403
        assert answer.headers["connection"] == "close"


def test_refused_chunked_upload_without_end_is_cut_off(server: ServerProcess, bucket: str) -> None:
    with RawConnection(server) as connection:
        connection.send(f"PUT /{bucket}/denied HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        connection.send(b"5\r\nhello\r\n")
        assert connection.answer().status in {403, 411}
        assert_cut_off(connection, b"100000\r\n" + b"x" * MIB + b"\r\n", most=1000)
    assert_serves(server)


def test_head_answers_carry_no_body(server: ServerProcess, bucket: str, client: Callable[..., Any]) -> None:
    client("s3").put_object(Bucket=bucket, Key="k", Body=b"x" * 1000)
    with RawConnection(server) as connection:
        connection.send(signed_head(server, "HEAD", f"/{bucket}/k"))
        answer = connection.answer(head=True)
        assert (answer.status, answer.headers["content-length"]) == (200, "1000")
        connection.send(signed_head(server, "HEAD", f"/{bucket}/missing"))
        assert connection.answer(head=True).status == 404
        connection.send(b"HEAD /_coldframe/health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.answer(head=True).status == 200
        assert_alive(connection, server)


def test_client_that_leaves_during_download_stops_it(
    server: ServerProcess, bucket: str, client: Callable[..., Any]
) -> None:
    client("s3").put_object(Bucket=bucket, Key="large", Body=b"x" * 32 * MIB)
    for _ in range(5):
        with RawConnection(server) as connection:
            connection.send(signed_head(server, "GET", f"/{bucket}/large"))
            assert connection.socket.recv(1000)
    assert_serves(server)
    assert "Traceback" not in server.log()


def test_unknown_operation_is_answered_in_its_protocol(server: ServerProcess) -> None:
    with RawConnection(server) as connection:
        headers = json_headers("FlyToTheMoon")
        connection.send(signed_head(server, "POST", "/", service="sagemaker", content=b"{}", headers=headers) + b"{}")
        answer = connection.answer()
        assert 400 <= answer.status < 500
        assert "__type" in json.loads(answer.body)
        connection.send(signed_head(server, "POST", "/nowhere/at/all", service="sagemaker", content=b"{}") + b"{}")
        assert 400 <= connection.answer().status < 500
        assert_alive(connection, server)


@pytest.mark.parametrize(
    "body", [b"not json", b"[1,2]", b'{"MaxResults": "many"}', b'{"MaxResults": 1', b"\xff\xfe", b'"x"']
)
def test_wrong_types_are_refused(server: ServerProcess, body: bytes) -> None:
    with RawConnection(server) as connection:
        headers = json_headers("ListModels")
        connection.send(signed_head(server, "POST", "/", service="sagemaker", content=body, headers=headers) + body)
        answer = connection.answer()
        assert answer.status == 400
        assert "__type" in json.loads(answer.body)
        assert_alive(connection, server)


def test_unimplemented_operation_says_so_after_the_signature(client: Callable[..., Any]) -> None:
    with pytest.raises(ClientError) as raised:
        client("sagemaker").list_apps()
    assert raised.value.response["Error"]["Code"] == "NotImplemented"
    with pytest.raises(ClientError) as raised:
        client("sagemaker", aws_secret_access_key="wrong").list_apps()
    assert raised.value.response["Error"]["Code"] == "InvalidSignatureException"


def test_many_idle_connections_do_not_keep_others_out(server: ServerProcess) -> None:
    connections = [RawConnection(server) for _ in range(200)]
    try:
        for connection in connections[::2]:
            connection.send(b"GET / HT")
        assert_serves(server)
    finally:
        for connection in connections:
            connection.socket.close()


def test_stop_lets_open_requests_end(own_server: Callable[..., ServerProcess]) -> None:
    server = own_server().start()
    server.client("s3").create_bucket(Bucket="bucket")
    content = b"x" * 300_000
    with RawConnection(server) as connection, RawConnection(server) as idle:
        assert_alive(idle, server)
        connection.send(signed_head(server, "PUT", "/bucket/last", content=content) + content[:1000])
        server._process.send_signal(15)  # type: ignore[union-attr]
        assert idle.closed()
        connection.send(content[1000:])
        assert connection.answer().status == 200
        assert connection.closed()
    wait_until(lambda: not server.running, 15, describe="the server's end")
    server.start()
    assert server.client("s3").head_object(Bucket="bucket", Key="last")["ContentLength"] == len(content)
