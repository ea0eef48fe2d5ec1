"""The server is killed amid everything at once: what was acknowledged is there, and nothing is left over."""

import threading
from collections.abc import Callable
from typing import Any

import botocore.exceptions

from model_servers import ECHO, IMAGE, ROLE, model_archive
from servers import ServerProcess
from training import Training
from waiting import wait_until

ENDLESS = """
import sys, time
print("line one", flush=True)
while True:
    time.sleep(0.05)
"""
ONCE_MORE = """
import os, time
marker = "/opt/ml/checkpoints/been-here"
print("begun", flush=True)
if os.path.exists(marker):
    print("second time", flush=True)
else:
    time.sleep(600)
"""


class Writers:
    """Threads that put objects until they cannot, and remember what was acknowledged."""

    def __init__(self, s3: Any, bucket: str, count: int) -> None:
        self.acknowledged: dict[str, bytes] = {}
        self._s3, self._bucket = s3, bucket
        self._threads = [threading.Thread(target=self._put_forever, args=(number,)) for number in range(count)]
        for thread in self._threads:
            thread.start()

    def _put_forever(self, number: int) -> None:
        for round_number in range(100_000):
            key = f"{number}/{round_number}"
            content = key.encode() * (1 if round_number % 2 else 5000)  # one in the database, one as a file
            try:
                self._s3.put_object(Bucket=self._bucket, Key=key, Body=content)
            except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError, OSError):
                return
            self.acknowledged[key] = content

    def join(self) -> None:
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive()


def deploy_echo(server: ServerProcess, bucket: str) -> None:
    """An endpoint named `echo`, in service."""
    s3, sagemaker = server.client("s3"), server.client("sagemaker")
    s3.put_object(Bucket=bucket, Key="model.tar.gz", Body=model_archive({"code/inference.py": ECHO}))
    container = {"Image": IMAGE, "ModelDataUrl": f"s3://{bucket}/model.tar.gz"}
    sagemaker.create_model(ModelName="echo", ExecutionRoleArn=ROLE, PrimaryContainer=container)
    variant = {"VariantName": "AllTraffic", "ModelName": "echo", "InitialInstanceCount": 2}
    sagemaker.create_endpoint_config(
        EndpointConfigName="echo", ProductionVariants=[{**variant, "InstanceType": "ml.m5.large"}]
    )
    sagemaker.create_endpoint(EndpointName="echo", EndpointConfigName="echo")
    waiter = sagemaker.get_waiter("endpoint_in_service")
    waiter.wait(EndpointName="echo", WaiterConfig={"Delay": 1, "MaxAttempts": 60})


def ask(server: ServerProcess, body: bytes) -> bytes | None:
    """What the endpoint answers; nothing while it does not."""
    try:
        answer = server.client("sagemaker-runtime").invoke_endpoint(EndpointName="echo", Body=body)
    except botocore.exceptions.ClientError:
        return None
    content: bytes = answer["Body"].read()
    return content


def test_kill9_with_job_endpoint_and_writers_loses_nothing(own_server: Callable[..., ServerProcess]) -> None:
    server = own_server().start()
    training = Training(server.client, "survival")
    deploy_echo(server, "survival")
    assert ask(server, b"before") == b"before"
    training.create("plain", ENDLESS)
    checkpoints = {"S3Uri": "s3://survival/checkpoints", "LocalPath": "/opt/ml/checkpoints"}
    training.create("again", ONCE_MORE, RetryStrategy={"MaximumRetryAttempts": 2}, CheckpointConfig=checkpoints)
    training.wait_for_line("plain", "line one")
    training.wait_for_line("again", "begun")
    training.s3.put_object(Bucket="survival", Key="checkpoints/been-here", Body=b"yes")
    writers = Writers(server.client("s3"), "survival", 4)
    wait_until(lambda: len(writers.acknowledged) > 200, 60.0, describe="200 acknowledged objects")

    server.kill9()
    writers.join()
    wait_until(lambda: not server.leftovers(), 10.0, describe="the end of every worker")
    server.start()

    s3 = server.client("s3")
    for key, content in writers.acknowledged.items():
        assert s3.get_object(Bucket="survival", Key=key)["Body"].read() == content
    wait_until(lambda: ask(server, b"after") == b"after", 60.0, describe="the endpoint's answer after the restart")
    training = Training(server.client, "survival")
    plain = training.wait("plain")
    assert plain["TrainingJobStatus"] == "Failed"
    assert plain["FailureReason"].startswith("InternalServerError")
    assert "line one" in training.log("plain")
    again = training.wait("again")
    assert again["TrainingJobStatus"] == "Completed", again.get("FailureReason")
    assert "second time" in training.log("again")
