"""Training jobs that go wrong: each must end with AWS's words, and leave nothing running."""

import io
import tarfile
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from training import IMAGE, Training, channel, statuses
from waiting import wait_until

Name = Callable[[str], str]


@pytest.fixture(scope="module")
def training(server: Any) -> Training:
    return Training(server.client, "training-faults")


def metrics(**regexes: str) -> dict[str, Any]:
    definitions = [{"Name": name, "Regex": regex} for name, regex in regexes.items()]
    return {
        "AlgorithmSpecification": {
            "TrainingImage": IMAGE,
            "TrainingInputMode": "File",
            "MetricDefinitions": definitions,
        }
    }


def test_script_that_raises(training: Training, unique_name: Name) -> None:
    script = """
def train():
    raise ValueError("no such breed")
print("begun")
open("../output/data/x", "w").write("x")
train()
"""
    name = unique_name("raises")
    described = training.run(name, script, HyperParameters={"epochs": "1"})
    assert statuses(described) == ["Starting", "Training", "Uploading", "Failed"]
    reason = described["FailureReason"]
    assert reason.startswith(
        'AlgorithmError: ExecuteUserScriptError:\nExitCode 1\nErrorMessage "ValueError: no such breed"\nCommand "'
    )
    assert reason.endswith(' train.py --epochs 1", exit code: 1')
    assert "ModelArtifacts" not in described
    files = training.unpack(f"s3://{training.bucket}/output/{name}/output/output.tar.gz")
    assert files.keys() == {"x", "failure"}
    log = training.printed(name)
    assert log[:2] == ["begun", "Traceback (most recent call last):"]
    assert log[2].endswith('train.py", line 6, in <module>')  # from the script's own first line on
    assert log[-1] == "ValueError: no such breed"


FAILURE_FILE = "open('../output/failure', 'wb').write({content!r}); raise SystemExit(3)"


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (FAILURE_FILE.format(content=b"my own words"), "AlgorithmError: my own words, exit code: 3"),
        (FAILURE_FILE.format(content="é".encode() * 5000), "é, exit code: 3"),
        (FAILURE_FILE.format(content=b"\xff\x00"), "AlgorithmError: \ufffd, exit code: 3"),
        ("import os; os._exit(4)", "AlgorithmError: See the job's log for the cause, exit code: 4"),
        ("import os; os.kill(os.getpid(), 11)", "AlgorithmError: Ended by signal 11, exit code: 139"),
        ("import sys; sys.exit('out of dogs')", 'ErrorMessage "out of dogs"'),
        ("import no_such_module_at_all", "ModuleNotFoundError: No module named 'no_such_module_at_all'"),
        ("def f(:\n", "SyntaxError: invalid syntax"),
    ],
)
def test_script_that_fails(training: Training, unique_name: Name, script: str, reason: str) -> None:
    described = training.run(unique_name("fails"), script)
    assert described["TrainingJobStatus"] == "Failed"
    assert reason in described["FailureReason"]
    assert len(described["FailureReason"]) <= 1024


def test_program_that_is_not_in_the_source(training: Training, unique_name: Name) -> None:
    source = training.put_source({"other.py": "pass", "lib/x.py": "pass"})
    described = training.run(unique_name("missing"), source=source)
    assert (
        "the source code has no file 'train.py' (sagemaker_program); it has: lib, other.py"
        in described["FailureReason"]
    )


@pytest.mark.parametrize("member", ["/tmp/coldframe-escaped", "../../escaped", "a/../../../escaped"])
def test_source_that_leads_out_of_its_folder(training: Training, unique_name: Name, member: str) -> None:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as tar:
        for name in ("train.py", member):
            tar.addfile(tarfile.TarInfo(name), io.BytesIO(b""))
    described = training.run(unique_name("escape"), source=training.put_archive(content.getvalue()))
    assert described["TrainingJobStatus"] == "Failed"
    assert f"the archive's member '{member}' leads out of the folder" in described["FailureReason"]


def test_source_that_is_no_archive(training: Training, unique_name: Name) -> None:
    described = training.run(unique_name("garbage"), source=training.put_archive(b"x" * 1000))
    assert "the archive cannot be read" in described["FailureReason"]
    described = training.run(unique_name("absent"), source=f"s3://{training.bucket}/absent.tar.gz")
    assert described["FailureReason"].startswith("ClientError: sagemaker_submit_directory: there is no object")
    assert statuses(described) == ["Starting", "Failed"]


def test_links_in_the_place_of_folders_lead_nowhere(training: Training, unique_name: Name) -> None:
    """They would lead to files of the host that the script never saw."""
    name = unique_name("links")
    script = """
import os
os.chdir("..")
os.makedirs("output/data/deep")
os.mkfifo("output/data/pipe")
os.symlink("/etc/hostname", "output/data/absolute")
os.symlink("../../../../../../etc/hostname", "output/data/deep/relative")
os.symlink("deep", "output/data/inside")
os.rmdir("model")
os.symlink("/etc", "model")
os.rmdir("checkpoints")
os.symlink("/etc", "checkpoints")
os.symlink("/etc/hostname", "output/failure")
raise SystemExit(1)
"""
    checkpoints = {"S3Uri": f"s3://{training.bucket}/{name}/checkpoints"}
    described = training.run(name, script, CheckpointConfig=checkpoints)
    assert described["TrainingJobStatus"] == "Failed"
    assert described["FailureReason"] == "AlgorithmError: See the job's log for the cause, exit code: 1"
    assert training.keys(f"output/{name}/") == [f"output/{name}/output/output.tar.gz"]
    assert training.keys(f"{name}/") == []
    body = training.s3.get_object(Bucket=training.bucket, Key=f"output/{name}/output/output.tar.gz")["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as tar:
        assert tar.getnames() == ["deep", "inside"]
    for left_out in ("pipe", "absolute", "deep/relative"):
        assert any(line.startswith(f"Coldframe: {left_out} was not uploaded") for line in training.log(name))


def test_input_keys_that_are_no_file_names(training: Training, unique_name: Name) -> None:
    prefix = unique_name("keys")
    training.s3.put_object(Bucket=training.bucket, Key=f"{prefix}/../../../escaped", Body=b"x")
    described = training.run(
        unique_name("keys"), "pass", InputDataConfig=[channel("data", f"s3://{training.bucket}/{prefix}/")]
    )
    assert described["TrainingJobStatus"] == "Failed"
    assert "cannot be the name of a file" in described["FailureReason"]
    assert statuses(described) == ["Starting", "Downloading", "Failed"]


def test_input_of_a_file_and_a_folder_of_one_name(training: Training, unique_name: Name) -> None:
    prefix = unique_name("clash")
    for key in ("a", "a/b"):
        training.s3.put_object(Bucket=training.bucket, Key=f"{prefix}/{key}", Body=b"x")
    described = training.run(
        unique_name("clash"), "pass", InputDataConfig=[channel("data", f"s3://{training.bucket}/{prefix}/")]
    )
    assert "is in the way of another object" in described["FailureReason"]


def test_output_that_is_no_text(training: Training, unique_name: Name) -> None:
    script = """
import os, sys
os.write(1, b"\\xff\\xfe\\x00binary\\n")
os.write(2, b"no line end")
sys.stdout.flush()
"""
    name = unique_name("binary")
    assert training.run(name, script)["TrainingJobStatus"] == "Completed"
    log = training.printed(name)
    assert "binary" in log[0]
    assert log[1] == "no line end"


def test_one_very_long_line(training: Training, unique_name: Name) -> None:
    name = unique_name("long")
    assert training.run(name, "print('x' * 1_000_000)\nprint('end')")["TrainingJobStatus"] == "Completed"
    log = training.printed(name)
    assert "".join(log[:-1]) == "x" * 1_000_000
    assert max(len(line) for line in log) <= 256 * 1024
    assert log[-1] == "end"


def test_many_lines_none_lost(training: Training, unique_name: Name) -> None:
    name = unique_name("many")
    count = 50_000
    training.create(
        name, f"for i in range({count}):\n    print('line', i, 'loss:', i / 10)", **metrics(loss=r"loss: ([0-9.]+)")
    )
    slowest = 0.0
    while training.describe(name)["TrainingJobStatus"] == "InProgress":
        moment = time.monotonic()
        training.s3.list_buckets()
        slowest = max(slowest, time.monotonic() - moment)
    described = training.wait(name)
    assert described["FinalMetricDataList"][0]["Value"] == (count - 1) / 10
    assert training.printed(name) == [f"line {i} loss: {i / 10}" for i in range(count)]
    assert slowest < 1.0, "the server was held up"


def test_metric_regex_that_takes_for_ever(training: Training, unique_name: Name) -> None:
    name = unique_name("regex")
    script = "for i in range(20):\n    print('a' * 60 + '!', flush=True)\nprint('loss: 3')"
    described = training.run(name, script, **metrics(bad="(a|aa)+$", loss=r"loss: (\d)", word=r"loss: (\w+)?"))
    assert described["TrainingJobStatus"] == "Completed"
    assert {one["MetricName"]: one["Value"] for one in described["FinalMetricDataList"]} == {"loss": 3.0, "word": 3.0}
    assert any("The regex of metric 'bad' takes too long" in line for line in training.log(name))


SAVES_ON_SIGTERM = """
import os, signal, sys, time
def save(number, frame):
    open(os.environ["SM_MODEL_DIR"] + "/half.pt", "w").write("half")
    print("saved")
    sys.exit(0)
signal.signal(signal.SIGTERM, save)
print("begun")
time.sleep(600)
"""


def test_stop_training_job_keeps_what_it_saved(training: Training, unique_name: Name) -> None:
    name = training.create(unique_name("stop"), SAVES_ON_SIGTERM)
    training.wait_for_line(name, "begun")
    training.sagemaker.stop_training_job(TrainingJobName=name)
    training.sagemaker.stop_training_job(TrainingJobName=name)  # twice is no harm
    described = training.wait(name)
    assert (described["TrainingJobStatus"], described["SecondaryStatus"]) == ("Stopped", "Stopped")
    assert statuses(described) == ["Starting", "Training", "Stopping", "Uploading", "Stopped"]
    assert [one["StatusMessage"] for one in described["SecondaryStatusTransitions"]][2] == "Stopping the training job"
    assert training.unpack(described["ModelArtifacts"]["S3ModelArtifacts"]) == {"half.pt": b"half"}
    assert "FailureReason" not in described
    with pytest.raises(ClientError) as caught:
        training.sagemaker.stop_training_job(TrainingJobName=name)
    assert caught.value.response["Error"] == {
        "Code": "ValidationException",
        "Message": "The request was rejected because the training job is in status Stopped.",
    }


def test_training_job_that_runs_too_long(training: Training, unique_name: Name) -> None:
    described = training.run(unique_name("long"), SAVES_ON_SIGTERM, StoppingCondition={"MaxRuntimeInSeconds": 1})
    assert (described["TrainingJobStatus"], described["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")
    assert statuses(described) == ["Starting", "Training", "Stopping", "Uploading", "MaxRuntimeExceeded"]
    last = described["SecondaryStatusTransitions"][-1]
    assert last["StatusMessage"] == "Training job runtime exceeded MaxRuntimeInSeconds provided"
    assert training.unpack(described["ModelArtifacts"]["S3ModelArtifacts"]) == {"half.pt": b"half"}


def test_stop_training_job_at_any_moment(training: Training, unique_name: Name) -> None:
    training.s3.put_object(Bucket=training.bucket, Key="any/one", Body=b"x")
    inputs = [channel("data", f"s3://{training.bucket}/any/")]
    source = training.put_source({"train.py": "import time\ntime.sleep(600)"})
    names = []
    for delay in (0.0, 0.005, 0.01, 0.02, 0.04):
        name = training.create(unique_name("moment"), source=source, InputDataConfig=inputs)
        due = time.monotonic() + delay
        wait_until(lambda due=due: time.monotonic() >= due, describe="the moment")  # type: ignore[misc]
        training.sagemaker.stop_training_job(TrainingJobName=name)
        names.append(name)
    for name in names:
        described = training.wait(name)
        assert described["TrainingJobStatus"] == "Stopped"
        assert "Stopping" in statuses(described)


ONE_AT_A_TIME = {
    "COLDFRAME_TRAINING_JOBS_AT_ONCE": "1",
    "COLDFRAME_STOP_GRACE_SECONDS": "0.5",
    "COLDFRAME_PRELOAD_MODULES": "",  # these servers start often, and their scripts need no torch
}


def test_script_that_ignores_sigterm_and_jobs_that_wait_for_it(own_server: Any) -> None:
    training = Training(own_server(**ONE_AT_A_TIME).start().client, "one-at-a-time")
    stubborn = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
print("begun", flush=True)
time.sleep(600)
"""
    training.create("stubborn", stubborn)
    training.wait_for_line("stubborn", "begun")
    for name in ("second", "third", "fourth"):
        training.create(name, "import time; print(time.time())")
    training.wait("fourth", "Pending")
    training.sagemaker.stop_training_job(TrainingJobName="third")  # while it waits
    assert statuses(training.wait("third")) == ["Starting", "Pending", "Stopping", "Stopped"]
    training.sagemaker.stop_training_job(TrainingJobName="stubborn")
    assert training.wait("stubborn")["TrainingJobStatus"] == "Stopped"
    assert statuses(training.wait("second")) == ["Starting", "Pending", "Training", "Uploading", "Completed"]
    training.wait("fourth")
    assert float(training.log("second")[-1]) < float(training.log("fourth")[-1])


def test_kill_9_of_the_server_during_jobs(own_server: Any) -> None:
    server = own_server(**ONE_AT_A_TIME, COLDFRAME_CHECKPOINT_SECONDS="0.1").start()
    training = Training(server.client, "killed")
    sleeper = "import time\nprint('begun', flush=True)\ntime.sleep(600)"
    training.create("plain", sleeper)
    training.wait_for_line("plain", "begun")
    training.create("waiting", "print('my turn')")
    training.wait("waiting", "Pending")
    server.kill9()
    assert wait_until(lambda: not server.leftovers(), 10, "no process left") is not None
    server.start()
    training = _again(training, server)
    described = training.wait("plain")
    assert described["TrainingJobStatus"] == "Failed"
    assert described["FailureReason"].startswith("InternalServerError: Coldframe was stopped while the job ran.")
    assert training.wait("waiting")["TrainingJobStatus"] == "Completed"
    assert training.log("waiting")[-1] == "my turn"
    assert training.printed("plain")[0] == "begun"

    again = """
import os, time
path = os.path.dirname(os.environ["SM_MODEL_DIR"]) + "/checkpoints/epoch"
if os.path.exists(path):
    print("going on from", open(path).read())
else:
    open(path, "w").write("7")
    print("begun", flush=True)
    time.sleep(600)
"""
    training.create(
        "retried",
        again,
        RetryStrategy={"MaximumRetryAttempts": 1},
        CheckpointConfig={"S3Uri": f"s3://{training.bucket}/checkpoints"},
    )
    training.wait_for_line("retried", "begun")
    wait_until(lambda: training.keys("checkpoints"), describe="the checkpoint")
    server.kill9()
    server.start()
    training = _again(training, server)
    described = training.wait("retried")
    assert described["TrainingJobStatus"] == "Completed", described.get("FailureReason")
    assert statuses(described) == ["Starting", "Training", "Starting", "Training", "Uploading", "Completed"]
    message = described["SecondaryStatusTransitions"][2]["StatusMessage"]
    assert message == "Starting the training job again: Coldframe was stopped while it ran"
    assert training.log("retried")[-1] == "going on from 7"


def _again(training: Training, server: Any) -> Training:
    """The same, spoken to anew."""
    training.sagemaker, training.s3, training.logs = (server.client(name) for name in ("sagemaker", "s3", "logs"))
    return training


def test_the_process_that_jobs_are_forked_from_dies(own_server: Any) -> None:
    server = own_server(COLDFRAME_PRELOAD_MODULES="").start()
    training = Training(server.client, "template-dies")
    script = """
import os, time
path = os.path.dirname(os.environ["SM_MODEL_DIR"]) + "/checkpoints/begun"
print("again" if os.path.exists(path) else "begun", flush=True)
if not os.path.exists(path):
    open(path, "w").close()
    time.sleep(600)
"""
    checkpoints = {"CheckpointConfig": {"S3Uri": f"s3://{training.bucket}/checkpoints"}}
    training.create("retried", script, RetryStrategy={"MaximumRetryAttempts": 1}, **checkpoints)
    training.create("once", "import time\nprint('begun', flush=True)\ntime.sleep(600)")
    training.wait_for_line("retried", "begun")
    training.wait_for_line("once", "begun")
    (template,) = (one for one in server.descendants() if one.ppid() == server.pid)
    template.kill()
    once = training.wait("once")
    assert once["FailureReason"] == "InternalServerError: the process that the job ran in was lost"
    assert once["TrainingJobStatus"] == "Failed"
    retried = training.wait("retried")
    assert statuses(retried) == ["Starting", "Training", "Starting", "Training", "Uploading", "Completed"]
    assert training.printed("retried") == ["begun", "again"]


def test_script_that_fills_the_memory(own_server: Any) -> None:
    limit = 400 * 1024 * 1024
    server = own_server(COLDFRAME_PRELOAD_MODULES="", COLDFRAME_WORKER_MEMORY_BYTES=str(limit)).start()
    training = Training(server.client, "memory")
    script = """
import time
print("begun", flush=True)
kept = []
for _ in range(200):
    kept.append(b"x" * 10_000_000)
    time.sleep(0.005)
time.sleep(600)
"""
    described = training.run("hungry", script)
    assert described["TrainingJobStatus"] == "Failed"
    assert f"it took more memory than the {limit} bytes that it may have" in described["FailureReason"]
    assert described["FailureReason"].endswith(", exit code: 137")
    assert training.run("modest", "pass")["TrainingJobStatus"] == "Completed"
