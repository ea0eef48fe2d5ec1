"""The model server in a process of its own, asked over its socket."""

import asyncio
import io
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from coldframe.workers.connection import WorkerConnection
from coldframe.workers.messages import ModelAnswer
from model_servers import ECHO, ServedModel
from waiting import wait_until

JSON = {"content-type": "application/json", "accept": "application/json"}
BYTES = {"content-type": "application/octet-stream", "accept": "application/octet-stream"}


def ask(
    tmp_path: Path,
    files: dict[str, Any],
    body: bytes,
    headers: dict[str, str] | None = None,
    **environment: str,
) -> ModelAnswer:
    """Serve a model, ask it once, end it."""

    async def run() -> ModelAnswer:
        async with ServedModel(tmp_path, files, **environment) as served:
            connection = await served.connect()
            pong = await connection.ping(30)
            assert pong["status"] == 200, pong
            return await connection.invoke(headers or BYTES, body)

    return asyncio.run(run())


def pong_of(tmp_path: Path, files: dict[str, Any], **environment: str) -> tuple[dict[str, Any], int, str]:
    """What a server says to a ping, how it ends, and what it printed."""

    async def run() -> tuple[dict[str, Any], int, str]:
        async with ServedModel(tmp_path, files, **environment) as served:
            connection = await served.connect()
            pong = await connection.ping(30)
            if pong["status"] == 200:
                served.process.terminate()
            return pong, await asyncio.to_thread(served.process.wait, 10), served.log()

    return asyncio.run(run())


def test_invoke_passes_through_body_types_and_headers(tmp_path: Path) -> None:
    code = """
import json
def model_fn(model_dir, context): return context.system_properties["model_dir"]
def transform_fn(model, body, content_type, accept, context):
    seen = [model, type(body).__name__, content_type, accept,
            context.get_request_header(0, "X-Amzn-SageMaker-Custom-Attributes"),
            context.get_all_request_header(0)["x-amzn-sagemaker-inference-id"]]
    context.set_response_header(0, "X-Amzn-SageMaker-Custom-Attributes", "from=model")
    context.set_response_status(201, "made")
    return json.dumps(seen), "application/x-seen"
"""
    headers = {
        "content-type": "image/jpeg",
        "accept": "text/weird",
        "x-amzn-sagemaker-custom-attributes": "a=b",
        "x-amzn-sagemaker-inference-id": "17",
    }
    answer = ask(tmp_path, {"code/inference.py": code}, b"\xff\xfe", headers)
    assert json.loads(answer.body) == [str(tmp_path / "model"), "bytes", "image/jpeg", "text/weird", "a=b", "17"]
    assert answer.status == 201
    assert answer.headers == {"content-type": "application/x-seen", "x-amzn-sagemaker-custom-attributes": "from=model"}


def test_invoke_gives_text_types_as_str_and_takes_data_with_content_type(tmp_path: Path) -> None:
    code = """
def model_fn(model_dir): return None
def input_fn(body, content_type): return type(body).__name__ + body, content_type
def predict_fn(data, model): return data
def output_fn(prediction, accept): return prediction, "text/plain"
"""
    answer = ask(tmp_path, {"code/inference.py": code}, b"{}", JSON)
    assert (answer.body, answer.headers["content-type"]) == (b"str{}", "text/plain")


def test_invoke_default_functions_serve_torchscript(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    numpy = pytest.importorskip("numpy")
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Dropout(0.5))
    with torch.no_grad():
        model[0].weight.fill_(1.0)
        model[0].bias.fill_(0.5)
    (tmp_path / "model").mkdir()
    torch.jit.script(model).save(str(tmp_path / "model" / "model.pth"))
    array = io.BytesIO()
    numpy.save(array, numpy.ones((1, 3), dtype="float32"))

    async def run() -> None:
        async with ServedModel(tmp_path, {}) as served:
            connection = await served.connect()
            assert (await connection.ping(60))["status"] == 200
            for body, content_type in (
                (b"[[1, 1, 1]]", "application/json"),
                (b"1,1,1\n1,1,1", "text/csv"),
                (array.getvalue(), "application/x-npy"),
            ):
                headers = {"content-type": content_type, "accept": "application/json"}
                answer = await connection.invoke(headers, body)
                assert json.loads(answer.body)[0] == [3.5, 3.5], (content_type, answer)  # no dropout: eval mode
            answer = await connection.invoke({"content-type": "application/json"}, b"[1, 1, 1]")
            assert (answer.body, answer.headers["content-type"]) == (b"[3.5, 3.5]", "application/json")
            answer = await connection.invoke({**JSON, "accept": "text/csv"}, b"[[1, 1, 1]]")
            assert (answer.body, answer.headers["content-type"]) == (b"3.5,3.5\n", "text/csv")
            answer = await connection.invoke({**JSON, "accept": "text/html, application/x-npy"}, b"[[1, 1, 1]]")
            assert numpy.load(io.BytesIO(answer.body)).tolist() == [[3.5, 3.5]]
            for headers, body, status in (
                ({"content-type": "image/jpeg"}, b"x", 415),
                (JSON, b"{not json", 400),
                ({"content-type": "text/csv"}, b"a,b", 400),
                ({"content-type": "application/x-npy"}, b"no array", 400),
                (JSON, b"\xff", 400),
                ({**JSON, "accept": "image/png"}, b"[[1, 1, 1]]", 406),
                (JSON, b"[[1, 1]]", 500),
            ):
                answer = await connection.invoke(headers, body)
                assert answer.status == status, (headers, body, answer)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"code/inference.py": "def model_fn(d): raise RuntimeError('boom')"}, "model_fn raised RuntimeError: boom"),
        ({"code/inference.py": "import nothing_such"}, "could not be imported: ModuleNotFoundError"),
        ({"code/inference.py": "import sys; sys.exit('away')"}, "could not be imported: SystemExit: away"),
        ({"code/inference.py": "def f(:"}, "could not be imported: SyntaxError"),
        ({"weights.bin": "x"}, "no code/inference.py with a model_fn"),
        ({"model.pth": "no torchscript"}, "model.pth is not TorchScript"),
        ({"a.pt": "x", "b.pt": "x"}, "not exactly one .pt or .pth file to load without one (a.pt, b.pt)"),
        (
            {"code/inference.py": "def model_fn(d): 0\ndef transform_fn(m, b, c, a): 0\ndef predict_fn(d, m): 0"},
            "transform_fn cannot be used together",
        ),
    ],
)
def test_ping_tells_why_a_model_did_not_load(tmp_path: Path, files: dict[str, str], message: str) -> None:
    pong, exit_code, log = pong_of(tmp_path, files)
    assert pong["status"] == 500
    assert message in pong["message"]
    assert message in log
    assert exit_code == 1


def test_ping_names_the_program_that_is_missing(tmp_path: Path) -> None:
    pong, _, _ = pong_of(tmp_path, {"code/inference.py": ECHO}, SAGEMAKER_PROGRAM="serve_me.py")
    assert "SAGEMAKER_PROGRAM names serve_me.py, which is not in" in pong["message"]


def test_program_is_found_where_the_submit_directory_says(tmp_path: Path) -> None:
    code = ECHO.replace("return prediction", "return b'from there'")
    files = {"elsewhere/mine.py": code, "code/mine.py": "raise RuntimeError"}
    answer = ask(
        tmp_path, files, b"", SAGEMAKER_PROGRAM="mine.py", SAGEMAKER_SUBMIT_DIRECTORY="/opt/ml/model/elsewhere"
    )
    assert answer.body == b"from there"


def test_program_imports_its_neighbours(tmp_path: Path) -> None:
    files = {"code/inference.py": "from neighbour import *", "code/neighbour.py": ECHO}
    assert ask(tmp_path, files, b"x").body == b"x"


@pytest.mark.parametrize(
    ("predict", "status", "message"),
    [
        ("raise ValueError('bad thing')", 500, "ValueError: bad thing"),
        ("raise SystemExit(3)", 500, "SystemExit: 3"),
        ("return {1, 2}", 500, "TypeError: a prediction that holds a set cannot be written as JSON"),
        ("return model.nothing", 500, "AttributeError"),
        ("error = ValueError('not that'); error.status_code = 422; raise error", 422, "ValueError: not that"),
        ("return object()", 500, "TypeError: a prediction that holds a object"),
    ],
)
def test_invoke_answers_what_the_model_raises(tmp_path: Path, predict: str, status: int, message: str) -> None:
    code = f"""
def model_fn(model_dir): return None
def input_fn(body, content_type): return body
def predict_fn(data, model): {predict}
"""
    answer = ask(tmp_path, {"code/inference.py": code}, b"x", JSON)
    assert answer.status == status
    assert message in answer.body.decode()


def test_invoke_logs_the_traceback_and_goes_on(tmp_path: Path) -> None:
    code = ECHO.replace("return data", "return data if data != b'bad' else 1 / 0")

    async def run() -> None:
        async with ServedModel(tmp_path, {"code/inference.py": code}) as served:
            connection = await served.connect()
            assert (await connection.invoke(BYTES, b"bad")).status == 500
            assert (await connection.invoke(BYTES, b"good")).body == b"good"
            wait_until(lambda: "ZeroDivisionError: division by zero" in served.log(), describe=served.log)
            assert "in predict_fn" in served.log()

    asyncio.run(run())


def test_invoke_answers_nan_as_the_toolkit_does(tmp_path: Path) -> None:
    code = "def model_fn(d): return 0\ndef input_fn(b, c): return b\ndef predict_fn(d, m): return [float('nan')]"
    assert ask(tmp_path, {"code/inference.py": code}, b"x", JSON).body == b"[NaN]"


def test_invoke_many_at_once_gives_each_its_own_answer(tmp_path: Path) -> None:
    async def run() -> None:
        async with ServedModel(tmp_path, {"code/inference.py": ECHO}) as served:
            connection = await served.connect()
            bodies = [os.urandom(size) for size in (0, 1, 100, 70_000, 300_000)] * 40
            answers = await asyncio.gather(*(connection.invoke(BYTES, body) for body in bodies))
            assert [answer.body for answer in answers] == bodies
            assert connection.in_flight == 0

    asyncio.run(run())


def test_invoke_largest_body_both_ways(tmp_path: Path) -> None:
    body = os.urandom(6 * 1024 * 1024)
    assert ask(tmp_path, {"code/inference.py": ECHO}, body).body == body


def test_invoke_answer_longer_than_any_that_is_sent_is_an_error(tmp_path: Path) -> None:
    code = ECHO.replace("return data", "return b'x' * (33 * 1024 * 1024)")
    answer = ask(tmp_path, {"code/inference.py": code}, b"")
    assert (answer.status, answer.body) == (500, b"An answer of 34603008 bytes is too long")


SLOW = ECHO.replace(
    "def predict_fn(data, model): return data",
    """
import time
def predict_fn(data, model):
    print("began", data.decode(), flush=True)
    time.sleep(float(data))
    return data
""",
)


def test_invoke_times_out_frees_the_caller_and_drops_what_has_not_begun(tmp_path: Path) -> None:
    async def run() -> None:
        async with ServedModel(tmp_path, {"code/inference.py": SLOW}) as served:
            connection = await served.connect(answer_timeout_seconds=0.3)
            await connection.ping(30)
            slow, queued = connection.invoke(BYTES, b"0.7"), connection.invoke(BYTES, b"0.01")
            for future in (slow, queued):
                with pytest.raises(TimeoutError):
                    await future
            assert connection.in_flight == 2  # the server is still at work on them
            assert connection.silent_seconds > 0.2
            await settled(connection)
            assert connection.silent_seconds == 0
            assert (await connection.invoke(BYTES, b"0.001")).body == b"0.001"
            assert "began 0.7" in served.log()
            assert "began 0.01\n" not in served.log()

    asyncio.run(run())


def test_invoke_cancelled_caller_leaks_nothing(tmp_path: Path) -> None:
    async def run() -> None:
        async with ServedModel(tmp_path, {"code/inference.py": SLOW}) as served:
            connection = await served.connect()
            await connection.ping(30)
            callers = [asyncio.create_task(_wait(connection, b"0.02")) for _ in range(5)]
            await asyncio.sleep(0)
            for caller in callers:
                caller.cancel()
            await asyncio.gather(*callers, return_exceptions=True)
            assert connection.in_flight == 5
            assert (await connection.invoke(BYTES, b"0")).body == b"0"
            assert connection.in_flight == 0

    asyncio.run(run())


async def settled(connection: WorkerConnection) -> None:
    """Wait until the server has answered everything."""
    async with asyncio.timeout(10):
        while connection.in_flight:
            await asyncio.sleep(0.005)


async def _wait(connection: WorkerConnection, body: bytes) -> ModelAnswer:
    return await connection.invoke(BYTES, body)


def test_server_that_dies_fails_whoever_waits_and_refuses_the_next(tmp_path: Path) -> None:
    async def run() -> None:
        async with ServedModel(tmp_path, {"code/inference.py": SLOW}) as served:
            connection = await served.connect()
            await connection.ping(30)
            waiting = [connection.invoke(BYTES, b"5") for _ in range(3)]
            await asyncio.to_thread(wait_until, lambda: "began" in served.log())
            served.process.kill()
            for future in waiting:
                with pytest.raises(ConnectionResetError):
                    await future
            assert connection.lost.is_set()
            assert connection.in_flight == 0
            with pytest.raises(ConnectionRefusedError):
                connection.invoke(BYTES, b"0")
            with pytest.raises(ConnectionRefusedError):
                await connection.ping(1)

    asyncio.run(run())


def test_sigterm_answers_what_was_asked_and_ends(tmp_path: Path) -> None:
    async def run() -> None:
        async with ServedModel(tmp_path, {"code/inference.py": SLOW}) as served:
            connection = await served.connect()
            await connection.ping(30)
            waiting = [connection.invoke(BYTES, b"0.1") for _ in range(3)]
            await asyncio.to_thread(wait_until, lambda: "began" in served.log())
            served.process.send_signal(signal.SIGTERM)
            assert [(await future).body for future in waiting] == [b"0.1"] * 3
            assert await asyncio.to_thread(served.process.wait, 10) == 0

    asyncio.run(run())


def test_sigterm_ends_an_idle_server_at_once(tmp_path: Path) -> None:
    pong, exit_code, _ = pong_of(tmp_path, {"code/inference.py": ECHO})
    assert pong == {"status": 200, "servers": 1}
    assert exit_code == 0


def test_model_that_prints_to_our_socket_is_cut_off(tmp_path: Path) -> None:
    code = ECHO.replace(
        "return data",
        "[__import__('os').write(fd, b'\\xff' * 64) for fd in range(3, 12) if __import__('os').path.exists("
        "f'/proc/self/fd/{fd}') and 'socket' in __import__('os').readlink(f'/proc/self/fd/{fd}')"
        " and not __import__('socket').socket(fileno=__import__('os').dup(fd)).getsockopt(1, 30)]; return data",
    )

    async def run() -> None:
        async with ServedModel(tmp_path, {"code/inference.py": code}) as served:
            connection = await served.connect()
            with pytest.raises(ConnectionResetError):
                await connection.invoke(BYTES, b"x")

    asyncio.run(run())


def test_several_processes_work_at_the_same_time_and_end_together(tmp_path: Path) -> None:
    code = SLOW.replace("return data", "import os; return str(os.getpid())")

    async def run() -> None:
        files = {"code/inference.py": code}
        async with ServedModel(tmp_path, files, SAGEMAKER_MODEL_SERVER_WORKERS="2") as served:
            first = await served.connect()
            assert (await first.ping(30))["servers"] == 2
            second = await served.connect()
            await second.ping(30)
            answers = await asyncio.gather(first.invoke(BYTES, b"0.05"), second.invoke(BYTES, b"0.05"))
            processes = {int(answer.body) for answer in answers}
            assert len(processes) == 2
            os.kill(processes.pop(), signal.SIGKILL)
            assert await asyncio.to_thread(served.process.wait, 10) == 9
            await first.lost.wait()
            await second.lost.wait()

    asyncio.run(run())


def test_socket_path_may_be_longer_than_the_kernel_takes(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 120)
    folder.mkdir()
    assert ask(folder, {"code/inference.py": ECHO}, b"x").body == b"x"


def test_server_stays_when_the_connection_is_lost(tmp_path: Path) -> None:
    async def run() -> None:
        async with ServedModel(tmp_path, {"code/inference.py": ECHO}) as served:
            first = await served.connect()
            await first.invoke(BYTES, b"x")
            first.close()
            second = await served.connect()
            assert (await second.invoke(BYTES, b"y")).body == b"y"

    asyncio.run(run())
