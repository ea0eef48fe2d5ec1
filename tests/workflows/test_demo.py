"""`coldframe demo` as a whole: real processes from the first to the last, and none of them left."""

import contextlib
import functools
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest
from botocore.exceptions import ClientError
from PIL import Image
from tests.workflows.conftest import REAL_DATA
from tests.workflows.test_serving_code import odd_bodies

from coldframe.data_directory import RootCredentials, ServerFile
from servers import CLIENT_CONFIG, clean_environment
from waiting import wait_until


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "coldframe", *map(str, arguments)]


def run(*arguments: str | Path, timeout: float = 170) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command(*arguments), capture_output=True, text=True, timeout=timeout, env=clean_environment(), check=False
    )


def below(pid: int) -> list[psutil.Process]:
    """A process and all that it started."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    return []


def assert_gone(processes: list[psutil.Process]) -> None:
    def left() -> list[psutil.Process]:
        return [process for process in processes if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]

    wait_until(lambda: not left(), 10, describe=lambda: f"the end of {left()}")


@dataclass(eq=False)
class KeptDemo:
    """A demo that has run with --keep, and its server, which still runs."""

    output: Path
    report: dict[str, Any]
    said: str

    @property
    def platform(self) -> Path:
        return self.output / "platform"

    @functools.cache  # noqa: B019 - as long as the demo itself
    def client(self, service: str) -> Any:
        server, key = ServerFile.read(self.platform), RootCredentials.read(self.platform)
        assert server is not None
        assert key is not None
        return boto3.client(
            service,
            endpoint_url=server.url,
            region_name=server.region,
            aws_access_key_id=key.access_key_id,
            aws_secret_access_key=key.secret_access_key,
            config=CLIENT_CONFIG,
        )


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeptDemo]:
    output = tmp_path_factory.mktemp("demo") / "out"
    done = run("demo", "--per-breed", "5", "--epochs", "3", "--keep", "--json", "--output", output)
    server = ServerFile.read(output / "platform")
    processes = below(server.pid) if server else []
    try:
        assert done.returncode == 0, done.stderr
        yield KeptDemo(output, json.loads(done.stdout), done.stderr)
    finally:
        run("down", "--data-dir", output / "platform")
        for process in processes:  # only where `down` failed; the test of it is below
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()


def test_demo_reports_what_was_measured(kept: KeptDemo):
    report = kept.report
    assert report["pictures"]["drawn"] is True
    assert len(report["pictures"]["breeds"]) == 12
    assert report["test"]["asked"] == report["pictures"]["test"] == len(report["answers"]) == 12
    right = sum(answer["said"] == answer["breed"] for answer in report["answers"])
    assert report["test"]["accuracy"] == pytest.approx(right / 12)
    assert right >= 4, "guessing would give 1 of 12"
    assert all(answer["milliseconds"] > 0 and 0 < answer["confidence"] <= 1 for answer in report["answers"])
    assert set(report["stage_seconds"]) == {"start", "pictures", "upload", "train", "deploy", "ask"}
    assert json.loads((kept.output / "answers.json").read_text()) == report


def test_demo_endpoint_and_job_agree_on_the_accuracy(kept: KeptDemo):
    metrics = kept.report["training_job"]["metrics"]
    assert set(metrics) == {"train_loss", "valid_loss", "valid_accuracy", "test_accuracy"}
    assert metrics["test_accuracy"] == pytest.approx(kept.report["test"]["accuracy"], abs=0.09)  # one picture of 12


def test_demo_shows_the_jobs_own_log(kept: KeptDemo):
    assert re.search(r"epoch=3/3 train_loss=[\d.]+ valid_loss=[\d.]+ valid_accuracy=[\d.]+", kept.said)
    assert kept.said.count("epoch=2/3") == 1
    assert "drawn, not photographed" in kept.said


def test_demo_saves_a_contact_sheet(kept: KeptDemo):
    with Image.open(kept.output / "contact-sheet.png") as sheet:
        sheet.load()
        assert sheet.width > 1000
        assert len(set(sheet.resize((64, 64)).convert("RGB").get_flattened_data())) > 200


def test_demo_job_is_described_as_completed(kept: KeptDemo):
    job = kept.client("sagemaker").describe_training_job(TrainingJobName=kept.report["training_job"]["name"])
    assert job["TrainingJobStatus"] == "Completed"
    statuses = [transition["Status"] for transition in job["SecondaryStatusTransitions"]]
    assert statuses[-3:] == ["Training", "Uploading", "Completed"]


@pytest.mark.parametrize("name", odd_bodies())
def test_demo_endpoint_refuses_odd_pictures_as_the_clients_error(kept: KeptDemo, name):
    with pytest.raises(ClientError) as refused:
        kept.client("sagemaker-runtime").invoke_endpoint(
            EndpointName=kept.report["endpoint"], ContentType="image/jpeg", Body=odd_bodies()[name]
        )
    assert refused.value.response["Error"]["Code"] == "ModelError"
    assert refused.value.response["OriginalStatusCode"] == 400
    assert "picture" in refused.value.response["OriginalMessage"]


def test_demo_endpoint_still_answers_after_odd_pictures(kept: KeptDemo):
    first = kept.report["answers"][0]
    answer = kept.client("sagemaker-runtime").invoke_endpoint(
        EndpointName=kept.report["endpoint"], ContentType="image/jpeg", Body=Path(first["picture"]).read_bytes()
    )
    assert json.loads(answer["Body"].read())["predictions"][0]["breed"] == first["said"]


def test_demo_refuses_to_run_beside_a_kept_one(kept: KeptDemo):
    done = run("demo", "--output", kept.output, timeout=60)
    assert done.returncode == 1
    assert f"coldframe down --data-dir {kept.platform}" in done.stderr
    assert ServerFile.read(kept.platform) is not None


def test_demo_kept_can_be_used_and_stopped_as_it_says(kept: KeptDemo):
    where = re.search(r"coldframe down (--data-dir \S+)", kept.said)
    assert where, kept.said
    program = "import boto3; print(boto3.client('sagemaker').list_endpoints()['Endpoints'][0]['EndpointStatus'])"
    script = f'eval "$({sys.executable} -m coldframe env {where[1]})" && {sys.executable} -c "{program}"'
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, env=clean_environment(), timeout=60, check=False
    )
    assert done.stdout.strip() == "InService", done.stderr
    server = ServerFile.read(kept.platform)
    assert server is not None
    processes = below(server.pid)
    assert len(processes) > 2, "the server, its template and a model server"
    assert run("down", *where[1].split()).returncode == 0
    assert_gone(processes)


@contextlib.contextmanager
def started(output: Path, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        command("demo", "--per-breed", "4", "--epochs", "100000", "--output", output, *arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=clean_environment(PYTHONUNBUFFERED="1"),
        start_new_session=True,
    )
    try:
        yield process
    finally:
        for left in below(process.pid):
            left.kill()
        process.communicate()


def read_until(process: "subprocess.Popen[str]", text: str) -> str:
    said = ""
    assert process.stdout is not None
    for line in process.stdout:
        said += line
        if text in line:
            return said
    raise AssertionError(f"{text!r} was never said:\n{said}")


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_demo_interrupted_leaves_nothing(tmp_path: Path, number):
    with started(tmp_path / "out") as process:
        said = read_until(process, "epoch=3/")
        processes = below(process.pid)
        assert len(processes) >= 4, said
        process.send_signal(number)
        rest, _ = process.communicate(timeout=60)
        assert process.returncode == 128 + number, rest
        assert "interrupted" in rest
        assert "Traceback" not in rest
        assert_gone(processes)
    assert not (tmp_path / "out" / "platform").exists()


def test_demo_says_so_when_its_server_dies(tmp_path: Path):
    with started(tmp_path / "out") as process:
        read_until(process, "epoch=3/")
        processes = below(process.pid)
        (server,) = (each for each in processes if "up" in each.cmdline() and each.ppid() == process.pid)
        os.kill(server.pid, signal.SIGKILL)
        rest, _ = process.communicate(timeout=60)
        assert process.returncode == 1, rest
        assert "coldframe: the platform did not do its part" in rest
        assert "Traceback" not in rest
        assert_gone(processes)


def test_demo_of_a_folder_without_pictures_fails_in_a_sentence(tmp_path: Path):
    (tmp_path / "empty").mkdir()
    done = run("demo", "--data", tmp_path / "empty", "--output", tmp_path / "out", timeout=60)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(f"coldframe: {tmp_path / 'empty'} holds pictures of 0 class")
    assert not (tmp_path / "out" / "platform").exists()


@pytest.mark.slow
def test_demo_as_anybody_would_run_it(tmp_path: Path):
    done = run("demo", "--output", tmp_path / "out", timeout=600)
    assert done.returncode == 0, done.stderr
    assert "no process of it is left" in done.stdout
    report = json.loads((tmp_path / "out" / "answers.json").read_text())
    assert report["test"]["asked"] == 168
    assert report["test"]["accuracy"] > 0.85
    assert not (tmp_path / "out" / "platform").exists()


@pytest.mark.slow
@pytest.mark.real_data
@pytest.mark.timeout(900)
def test_demo_of_real_dogs_is_as_accurate_as_a_linear_probe(tmp_path: Path):
    if not (REAL_DATA / "dogs").is_dir():
        pytest.skip("no photographs here")
    done = run("demo", "--data", REAL_DATA / "dogs", "--output", tmp_path / "out", timeout=800)
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "out" / "answers.json").read_text())
    assert report["test"]["asked"] == 393
    assert report["test"]["accuracy"] > 0.90  # 93.1 % with a standard error of 1.3 points


def test_demo_without_its_packages_says_how_to_get_them(monkeypatch: pytest.MonkeyPatch):
    from coldframe.cli import demo
    from coldframe.cli.failures import CommandFailure

    monkeypatch.setattr(demo, "NEEDED", ("numpy", "a_package_that_nobody_has"))
    with pytest.raises(CommandFailure, match=r"\(a_package_that_nobody_has\).*pip install 'coldframe\[demo\]'"):
        demo._require_packages()
