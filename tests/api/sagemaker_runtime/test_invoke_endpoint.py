"""InvokeEndpoint, through boto3, with real models in real processes."""

import concurrent.futures
import json
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from endpoints import Hosting
from model_servers import ECHO
from servers import ServerProcess
from waiting import wait_until

FAULTS = """
import os, sys, time
def model_fn(model_dir): return None
def input_fn(body, content_type): return body
def predict_fn(data, model):
    if data == b"raise": raise ValueError("boom")
    if data == b"client": error = ValueError("not like this"); error.status_code = 422; raise error
    if data == b"exit": os._exit(3)
    if data == b"set": return {1, 2}
    if data == b"large": return "x" * (6 * 1024 * 1024 + 1)
    if data == b"nan": return [float("nan")]
    if data.startswith(b"sleep"): time.sleep(float(data[6:])); return "slept"
    return "well"
def output_fn(prediction, accept):
    if isinstance(prediction, str): return prediction
    import json
    return json.dumps(prediction)
"""


@pytest.fixture(scope="module")
def hosting(server: ServerProcess) -> Hosting:
    numbers = iter(range(10**6))
    return Hosting(server, lambda prefix: f"{prefix}-invoke-{os.getpid()}-{next(numbers)}")


@pytest.fixture(scope="module")
def echo(hosting: Hosting) -> Iterator[str]:
    name = hosting.deploy(ECHO, instances=3)
    yield name
    hosting.delete(name)


@pytest.fixture(scope="module")
def faulty(hosting: Hosting) -> Iterator[str]:
    name = hosting.deploy(FAULTS, instances=2)
    yield name
    hosting.delete(name)


def test_invoke_passes_the_body_through_untouched(hosting: Hosting, echo: str) -> None:
    for body in (b"", b"\0\xff\n{", os.urandom(100_000)):
        assert hosting.invoke(echo, body) == body


def test_invoke_answers_type_variant_and_custom_attributes(hosting: Hosting) -> None:
    code = """
import json
def model_fn(model_dir): return None
def transform_fn(model, body, content_type, accept, context):
    name = "X-Amzn-SageMaker-Custom-Attributes"
    context.set_response_header(0, name, context.get_request_header(0, name) + ",seen")
    inference_id = context.get_request_header(0, "X-Amzn-SageMaker-Inference-Id")
    return json.dumps([type(body).__name__, content_type, accept, inference_id]), "application/x-mine"
"""
    name = hosting.deploy(code)
    answer = hosting.runtime.invoke_endpoint(
        EndpointName=name,
        Body=b'{"a": 1}',
        ContentType="application/json; charset=utf-8",
        Accept="text/x",
        CustomAttributes="trace=1",
        InferenceId="id-1",
    )
    assert json.loads(answer["Body"].read()) == ["str", "application/json; charset=utf-8", "text/x", "id-1"]
    assert answer["ContentType"] == "application/x-mine"
    assert answer["InvokedProductionVariant"] == "AllTraffic"
    assert answer["CustomAttributes"] == "trace=1,seen"
    assert answer["ResponseMetadata"]["HTTPHeaders"]["x-amzn-invoked-production-variant"] == "AllTraffic"
    hosting.delete(name)


def test_invoke_model_cannot_add_headers_of_its_own(hosting: Hosting) -> None:
    code = ECHO.replace("return prediction", "return prediction, 'text/plain\\r\\nSet-Cookie: mine\\r\\nX-Café: é'")
    name = hosting.deploy(code)
    answer = hosting.runtime.invoke_endpoint(EndpointName=name, Body=b"x", ContentType="application/x-bytes")
    assert answer["ContentType"] == "text/plain??Set-Cookie: mine??X-Caf?: ?"
    assert "set-cookie" not in answer["ResponseMetadata"]["HTTPHeaders"]
    hosting.delete(name)


def test_invoke_missing_endpoint_is_refused(hosting: Hosting) -> None:
    error = hosting.refusal("no-such-endpoint")
    assert error["Error"] == {
        "Code": "ValidationError",
        "Message": "Endpoint no-such-endpoint of account 000000000000 not found.",
    }
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_invoke_endpoint_that_is_being_created_is_refused(hosting: Hosting) -> None:
    name = hosting.create(hosting.config({"ModelName": hosting.model("import time; time.sleep(1)\n" + ECHO)}))
    assert hosting.refusal(name)["Error"]["Message"].endswith("not found.")
    hosting.wait_for(name, "InService")
    assert hosting.invoke(name, b"x") == b"x"
    hosting.delete(name)


def test_invoke_model_that_raises_answers_model_error(hosting: Hosting, faulty: str) -> None:
    error = hosting.refusal(faulty, b"raise")
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert error["Error"]["Code"] == "ModelError"
    assert error["Error"]["Message"] == (
        'Received server error (500) from primary with message "ValueError: boom". See '
        "https://us-east-1.console.aws.amazon.com/cloudwatch/home?region=us-east-1#logEventViewer:group="
        f"/aws/sagemaker/Endpoints/{faulty} in account 000000000000 for more information."
    )
    assert error["OriginalStatusCode"] == 500
    assert error["OriginalMessage"] == "ValueError: boom"
    prefix = f"arn:aws:logs:us-east-1:000000000000:log-group:/aws/sagemaker/Endpoints/{faulty}:log-stream:AllTraffic/i-"
    assert error["LogStreamArn"].startswith(prefix)
    wait_until(lambda: any("ValueError: boom" in line for line in hosting.log_lines(faulty)))


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (b"client", 422, 'Received client error (422) from primary with message "ValueError: not like this".'),
        (b"set", 500, "TypeError: Object of type set is not JSON serializable"),
        (b"large", 200, "exceeded maximum allowed payload (6291456 bytes)"),
    ],
)
def test_invoke_other_faults_of_the_model_answer_model_error(
    hosting: Hosting, faulty: str, body: bytes, status: int, message: str
) -> None:
    error = hosting.refusal(faulty, body)
    assert error["Error"]["Code"] == "ModelError"
    assert message in error["Error"]["Message"]
    assert error["OriginalStatusCode"] == status


def test_invoke_nan_is_answered_as_the_toolkit_does(hosting: Hosting, faulty: str) -> None:
    assert hosting.invoke(faulty, b"nan") == b"[NaN]"


def test_invoke_instance_that_exits_answers_an_error_and_is_replaced(hosting: Hosting, faulty: str) -> None:
    error = hosting.refusal(faulty, b"exit")
    assert error["Error"]["Code"] == "ModelError"
    assert "The instance ended before it answered" in error["OriginalMessage"]
    assert hosting.invoke(faulty) == b"well"  # the other one answers
    assert hosting.describe(faulty)["EndpointStatus"] == "InService"
    wait_until(lambda: len(hosting.instances(faulty)) == 2, 20.0)


def test_invoke_largest_body_passes_and_one_byte_more_is_refused(hosting: Hosting, echo: str) -> None:
    body = os.urandom(6 * 1024 * 1024)
    assert hosting.invoke(echo, body) == body
    error = hosting.refusal(echo, body + b"x")
    assert error["ResponseMetadata"]["HTTPStatusCode"] in (400, 413)
    assert "6291456" in error["Error"]["Message"]


def test_invoke_many_callers_each_get_their_own_answer(hosting: Hosting, echo: str) -> None:
    barrier = threading.Barrier(25)

    def caller(number: int) -> bool:
        barrier.wait()
        bodies = [f"{number}-{turn}".encode() * (turn + 1) for turn in range(4)]
        return all(hosting.invoke(echo, body) == body for body in bodies)

    with concurrent.futures.ThreadPoolExecutor(25) as pool:
        assert all(pool.map(caller, range(25)))


def test_invoke_goes_to_the_least_busy_instance(hosting: Hosting, faulty: str) -> None:
    """One instance sleeps; nobody else waits for it."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        wait_until(lambda: len(hosting.instances(faulty)) == 2, 20.0)
        sleeping = pool.submit(hosting.invoke, faulty, b"sleep 1.5")
        wait_until(sleeping.running)
        for _ in range(20):
            assert hosting.invoke(faulty) == b"well"
        assert not sleeping.done()
        assert sleeping.result() == b"slept"


def test_invoke_under_load_loses_no_answer_silently_when_an_instance_is_killed(hosting: Hosting) -> None:
    code = "import time, uuid\nME = uuid.uuid4().hex.encode()\n" + ECHO.replace(
        "return data", "time.sleep(0.002); return data + b' ' + ME"
    )
    name = hosting.deploy(code, instances=2)
    outcomes: Counter[str] = Counter()
    processes: set[bytes] = set()
    stop = threading.Event()

    def caller(number: int) -> None:
        while not stop.is_set():
            try:
                body, process = hosting.invoke(name, b"%d" % number).split()
                outcomes["right" if int(body) == number else "wrong"] += 1
                processes.add(process)
            except hosting.runtime.exceptions.ModelError:
                outcomes["error"] += 1

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        callers = [pool.submit(caller, number) for number in range(8)]
        try:
            wait_until(lambda: len(processes) == 2 and outcomes["right"] > 50)
            hosting.instances(name)[0].kill()
            wait_until(lambda: len(processes) >= 3, 30.0, describe=lambda: f"a third process: {processes} {outcomes}")
        finally:
            stop.set()
        for one in callers:
            one.result(timeout=10)
    assert outcomes["wrong"] == 0
    assert outcomes["error"] <= 8  # those that the dead one held, and no others
    hosting.delete(name)


@pytest.mark.slow
def test_invoke_model_that_hangs(hosting: Hosting) -> None:
    name = hosting.deploy(FAULTS)
    error = hosting.refusal(name, b"sleep 1000")
    assert error["Error"]["Code"] == "ModelError"
    assert "Your invocation timed out while waiting for a response from container primary" in error["OriginalMessage"]
    assert error["OriginalStatusCode"] == 0
    wait_until(lambda: answers(hosting, name), 40.0, describe="a new instance in the place of the hung one")
    hosting.delete(name)


def answers(hosting: Hosting, name: str) -> bool:
    try:
        return hosting.invoke(name) == b"well"
    except Exception:
        return False


def test_invoke_target_variant_and_weights(hosting: Hosting) -> None:
    def code(name: str) -> str:
        return ECHO.replace("return data", f"return {name!r}")

    variants = [
        {"VariantName": name, "ModelName": hosting.model(code(name)), "InitialVariantWeight": weight}
        for name, weight in (("a", 3.0), ("b", 1.0), ("c", 0.0))
    ]
    name = hosting.create(hosting.config(*variants))
    hosting.wait_for(name, "InService")
    seen = Counter(hosting.invoke(name) for _ in range(200))
    assert seen[b"c"] == 0
    assert 110 < seen[b"a"] < 190  # 150 expected; 6 standard deviations
    for target in ("a", "b", "c"):
        assert hosting.invoke(name, TargetVariant=target) == target.encode()
    assert hosting.refusal(name, TargetVariant="d")["Error"]["Code"] == "ValidationError"
    hosting.delete(name)


def test_invoke_what_is_not_implemented_is_refused(hosting: Hosting, echo: str) -> None:
    for parameters in ({"TargetModel": "m.tar.gz"}, {"SessionId": "NEW_SESSION"}, {"InferenceComponentName": "c"}):
        assert hosting.refusal(echo, **parameters)["Error"]["Code"] == "ValidationError"
    with pytest.raises(hosting.runtime.exceptions.ClientError) as caught:
        hosting.runtime.invoke_endpoint_with_response_stream(EndpointName=echo, Body=b"x")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501
    with pytest.raises(hosting.runtime.exceptions.ClientError) as caught:
        hosting.runtime.invoke_endpoint_async(EndpointName=echo, InputLocation="s3://b/k")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501


def test_invoke_caller_that_goes_away_leaves_the_instance_free(hosting: Hosting, faulty: str, client: Callable) -> None:
    from botocore.config import Config

    hasty = client("sagemaker-runtime", config=Config(read_timeout=0.2, retries={"total_max_attempts": 1}))
    for _ in range(4):
        with pytest.raises(Exception, match="timeout"):
            hasty.invoke_endpoint(EndpointName=faulty, Body=b"sleep 0.5", ContentType="application/x-bytes")
    for _ in range(10):
        assert hosting.invoke(faulty) == b"well"
