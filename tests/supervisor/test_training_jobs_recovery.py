"""What becomes of training jobs that an earlier server left in the middle."""

import asyncio
import io
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from coldframe.app import build_state
from coldframe.config import Config
from coldframe.state.buckets import BucketRecord, add_bucket
from coldframe.state.object_reads import open_object
from coldframe.state.objects import find_object
from coldframe.state.state import State
from coldframe.state.training_jobs import (
    TrainingJobRecord,
    advance_training_job,
    create_training_job,
    find_training_job,
)
from coldframe.supervisor.reconcilers.training_jobs import TrainingJobsReconciler
from coldframe.supervisor.runners.local import LocalRunner
from coldframe.supervisor.training import outcome
from coldframe.supervisor.training.job_directory import JobDirectory

REQUEST: dict[str, Any] = {
    "AlgorithmSpecification": {"TrainingImage": "x", "TrainingInputMode": "File"},
    "OutputDataConfig": {"S3OutputPath": "s3://bucket/out"},
    "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
    "StoppingCondition": {"MaxRuntimeInSeconds": 60},
}


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    state = build_state(Config(data_directory=tmp_path))
    state.database.submit(lambda connection: add_bucket(connection, BucketRecord("bucket", "us-east-1", 0.0))).result()
    yield state
    state.database.close()


def job(
    state: State, name: str, *steps: tuple[str, dict[str, Any]], request: dict[str, Any] | None = None
) -> JobDirectory:
    """A job that has gone through these statuses; its working directory."""

    def write(connection: Any) -> None:
        create_training_job(connection, name=name, directory=f"{name}-1", request=REQUEST | (request or {}), at=1000.0)
        record = find_training_job(connection, name)
        assert record is not None
        for secondary, changes in steps:
            advance_training_job(connection, record.id, secondary, at=1001.0, message="", **changes)

    state.database.submit(write).result()
    directory = JobDirectory(state.config.directory / "jobs" / f"{name}-1")
    directory.prepare()
    return directory


def settle(state: State) -> None:
    """Let a reconciler take over, and wait until it has nothing left to do."""

    async def run() -> None:
        reconciler = TrainingJobsReconciler(state, LocalRunner(state.config.directory / "runner"))
        await reconciler.start()
        await reconciler.reconcile()
        async with asyncio.timeout(30):
            await asyncio.gather(*reconciler._tasks.values())
        await reconciler.stop()

    asyncio.run(run())


def found(state: State, name: str) -> TrainingJobRecord:
    record = state.database.read(lambda connection: find_training_job(connection, name))
    assert record is not None
    return record


TRAINING = ("Training", {"attempts": 1, "started_at": 1001.0})


def test_artifacts_are_uploaded_by_the_next_server(state: State) -> None:
    metrics = [{"MetricName": "loss", "Value": 1.0, "Timestamp": 1000.0}]
    uploading = ("Uploading", {"outcome": outcome.completed().to_json(), "metrics": metrics})
    directory = job(state, "half", TRAINING, uploading)
    (directory.ml / "model" / "w.pt").write_bytes(b"weights" * 10_000)
    settle(state)
    record = found(state, "half")
    assert (record.status, record.secondary_status) == ("Completed", "Completed")
    assert record.model_artifacts == "s3://bucket/out/half/output/model.tar.gz"
    assert record.metrics == metrics
    assert not directory.path.exists()

    async def content() -> bytes:
        stored = find_object(state.database.engine.connect(), "bucket", "out/half/output/model.tar.gz")
        assert stored is not None
        return b"".join([piece async for piece in open_object(state, stored).pieces()])

    with tarfile.open(fileobj=io.BytesIO(asyncio.run(content()))) as tar:
        assert tar.getnames() == ["w.pt"]


def test_artifacts_of_before_the_machine_was_restarted_are_not_trusted(state: State) -> None:
    ending = outcome.completed().to_json() | {"boot": "another"}
    job(state, "half", TRAINING, ("Uploading", {"outcome": ending}))
    settle(state)
    record = found(state, "half")
    assert record.status == "Failed"
    assert "the machine was restarted before the artifacts were uploaded" in record.failure_reason
    assert (
        state.database.read(lambda connection: find_object(connection, "bucket", "out/half/output/model.tar.gz"))
        is None
    )


def test_a_job_that_was_being_stopped_is_stopped(state: State) -> None:
    job(state, "stopping", TRAINING, ("Stopping", {"status": "Stopping"}))
    job(state, "never-begun", ("Stopping", {"status": "Stopping"}))
    settle(state)
    assert found(state, "stopping").secondary_status == "Stopped"
    assert "before the job's artifacts were uploaded" in found(state, "stopping").transitions[-1]["StatusMessage"]
    assert found(state, "never-begun").transitions[-1]["StatusMessage"] == "Training job stopped"


def test_a_stop_during_the_upload_still_counts(state: State) -> None:
    uploading = ("Uploading", {"outcome": outcome.completed().to_json()})
    job(state, "stopped", TRAINING, uploading, ("Stopping", {"status": "Stopping"}))
    settle(state)
    record = found(state, "stopped")
    assert (record.status, record.secondary_status) == ("Stopped", "Stopped")
    assert record.model_artifacts


def test_a_job_whose_bucket_is_gone_fails_with_a_reason(state: State) -> None:
    request = {"OutputDataConfig": {"S3OutputPath": "s3://gone/out"}}
    job(state, "homeless", TRAINING, ("Uploading", {"outcome": outcome.completed().to_json()}), request=request)
    settle(state)
    record = found(state, "homeless")
    assert record.status == "Failed"
    assert record.failure_reason == 'ClientError: The bucket "gone" for the artifacts does not exist'


def test_directories_of_jobs_that_have_ended_are_removed(state: State) -> None:
    left = JobDirectory(state.config.directory / "jobs" / "old-1")
    left.prepare()
    (left.ml / "model").chmod(0o000)
    settle(state)
    assert not left.path.exists()
