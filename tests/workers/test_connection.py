"""The gateway's end of a connection, against a server that misbehaves."""

import asyncio
import json
from pathlib import Path

import pytest

from coldframe.workers.connection import connect
from coldframe.workers.messages import ANSWER, PONG, FrameReader, frame, with_headers

OK = with_headers({"status": 200}, b"fine")


async def asked(path: Path, *replies: bytes) -> asyncio.Future:
    """Invoke a server that sends these bytes, whatever it is asked."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65536)
        for reply in replies:
            writer.write(reply)
            await writer.drain()
            await asyncio.sleep(0.01)

    server = await asyncio.start_unix_server(serve, path)
    async with server:
        connection = await connect(f"unix:{path}")
        future = connection.invoke({"accept": "x"}, b"body")
        await asyncio.wait({future}, timeout=10)
        assert connection.lost.is_set() == (future.exception() is not None)
        connection.close()
        return future


@pytest.mark.parametrize(
    "garbage",
    [
        b"\xff" * 64,
        frame(ANSWER, 1, b""),
        frame(ANSWER, 1, b"no json\nbody"),
        frame(ANSWER, 1, b"[]\nbody"),
        frame(ANSWER, 1, b'{"content-type": "x"}\nbody'),
        frame(ANSWER, 1, b'{"status": "high"}\nbody'),
    ],
)
def test_invoke_garbage_ends_the_connection_and_fails_the_call(tmp_path: Path, garbage: bytes) -> None:
    future = asyncio.run(asked(tmp_path / "s", garbage))
    assert isinstance(future.exception(), ConnectionResetError)


@pytest.mark.parametrize("cut", [1, 7, 8, 9, 20])
def test_invoke_reads_frames_in_any_pieces(tmp_path: Path, cut: int) -> None:
    whole = frame(PONG, 7, json.dumps({"status": 200}).encode()) + frame(ANSWER, 99, OK) + frame(ANSWER, 1, OK)
    future = asyncio.run(asked(tmp_path / "s", whole[:cut], whole[cut:]))
    assert future.result().body == b"fine"
    assert future.result().headers == {"content-type": "application/octet-stream"}


def test_frame_reader_finds_frames_however_they_are_cut() -> None:
    frames = [(ANSWER, number, bytes([number]) * size) for number, size in enumerate((0, 1, 300, 70_000, 8), start=1)]
    whole = b"".join(frame(kind, stream, payload) for kind, stream, payload in frames)
    for step in (1, 7, 8, 9, 4096, len(whole)):
        reader = FrameReader()
        if step == 1:
            whole_short = whole[:400]
            found = [one for at in range(400) for one in reader.feed(whole_short[at : at + 1])]
            assert found == frames[:3]
            continue
        found = [one for at in range(0, len(whole), step) for one in reader.feed(whole[at : at + step])]
        assert found == frames, step
