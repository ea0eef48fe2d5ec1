"""One training job, from Starting to its end."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

from sqlalchemy import Connection

from coldframe.state.log_events import LogWriter
from coldframe.state.object_writes import BucketMissing
from coldframe.state.state import State
from coldframe.state.training_jobs import (
    TrainingJobIsStopping,
    TrainingJobRecord,
    advance_training_job,
    get_training_job,
)
from coldframe.supervisor.runners.runner import Runner, WorkerExit
from coldframe.supervisor.training import outcome
from coldframe.supervisor.training.artifacts import Artifacts
from coldframe.supervisor.training.channels import InputRefusedError
from coldframe.supervisor.training.checkpoints import Checkpoints
from coldframe.supervisor.training.configuration import channels_of, input_mode, worker_specification
from coldframe.supervisor.training.inputs import Inputs
from coldframe.supervisor.training.job_directory import JobDirectory
from coldframe.supervisor.training.metric_scanner import MetricScanner
from coldframe.supervisor.training.not_carried_out import not_carried_out
from coldframe.supervisor.training.outcome import Outcome
from coldframe.supervisor.training.program import end_program, pump_output, wait_or_stop
from coldframe.workers.specification import Bind, WorkerSpecification

logger = logging.getLogger(__name__)

LOG_GROUP = "/aws/sagemaker/TrainingJobs"

T = TypeVar("T")


class TrainingRun:
    """Takes one job through its stages. Each stage is written down before it begins.

    Args:
        state: where the job's record is.
        runner: where its worker runs.
        record: the job, as it is now: newly created, waiting, or with its artifacts still to be uploaded.
        threads: how many threads its libraries should use.
    """

    def __init__(self, state: State, runner: Runner, record: TrainingJobRecord, threads: int) -> None:
        self._state = state
        self._runner = runner
        self._record = record
        self._threads = threads
        self._stop = asyncio.Event()
        self._directory = JobDirectory(state.config.directory / "jobs" / record.directory)
        self._log = LogWriter(state, LOG_GROUP, f"{record.name}/algo-1-{int(record.created_at)}")
        definitions = record.request["AlgorithmSpecification"].get("MetricDefinitions", [])
        self._metrics = MetricScanner(definitions, self._say)
        self._checkpoints: Checkpoints | None = None
        if "CheckpointConfig" in record.request:
            self._checkpoints = Checkpoints(state, record, self._directory)

    def stop(self) -> None:
        """The job is to end: its record says Stopping."""
        self._stop.set()

    async def run(self) -> None:
        """Take the job to its end, and say so in its record. If it is cancelled, the record stays as it is."""
        artifacts = ""
        try:
            ending = Outcome(**self._record.outcome) if self._record.outcome else await self._attempts()
            if ending.upload:
                artifacts = await self._upload(ending)
        except asyncio.CancelledError:
            self._say("Coldframe is stopped while the job runs.")
            await self._log.close()
            raise
        except BucketMissing as missing:
            ending = outcome.failed(f'ClientError: The bucket "{missing}" for the artifacts does not exist')
        except Exception as error:
            logger.exception("training job %s failed by a fault of ours", self._record.name)
            ending = outcome.failed(f"InternalServerError: Coldframe could not end the job in order: {error}")
        await self._log.close()
        await self._end(ending, artifacts)
        if ending.status != "Failed" or not self._state.config.keep_failed_job_directories:
            await asyncio.to_thread(self._directory.remove)

    async def _attempts(self) -> Outcome:
        """Run the job's program, once more each time that its place was lost, as far as RetryStrategy goes."""
        while True:
            ending = await self._attempt()
            retries = self._record.request.get("RetryStrategy", {}).get("MaximumRetryAttempts", 0)
            if not ending.may_be_retried or self._record.attempts > retries or self._stop.is_set():
                return ending
            message = f"Starting the training job again: {ending.failure_reason}"
            try:
                await self._advance("Starting", message)
            except TrainingJobIsStopping:
                return outcome.stopped()

    async def _attempt(self) -> Outcome:
        """Download and train. Returns the end that the job is to come to."""
        if self._checkpoints is not None and self._record.attempts:
            await self._checkpoints.sync()  # what the attempt before had not got out yet
        await asyncio.to_thread(self._directory.prepare)
        try:
            await self._unless_stopped(self._runner.wait_until_ready())
            binds = await self._unless_stopped(self._download())
            specification = worker_specification(self._state, self._record, self._directory, binds, self._threads)
            message = "Training image download completed. Training in progress."
            await self._advance("Training", message, **self._beginning())
            exit_, ended_by = await self._train(specification)
        except TrainingJobIsStopping:
            return outcome.stopped()
        except InputRefusedError as refused:
            return outcome.failed(f"ClientError: {refused}")
        except RuntimeError as impossible:
            return outcome.failed_here(str(impossible))
        return self._outcome_of(exit_, ended_by, specification.memory_bytes)

    def _outcome_of(self, exit_: WorkerExit, ended_by: str, memory_bytes: int) -> Outcome:
        if ended_by == "runtime":
            return outcome.runtime_exceeded()
        if ended_by == "stop":
            return outcome.stopped(upload=True)
        if exit_.lost:
            return outcome.failed_here("the process that the job ran in was lost")
        if exit_.succeeded:
            return outcome.completed()
        return outcome.failed_program(exit_, self._directory.folder("output"), memory_bytes)

    async def _download(self) -> list[Bind]:
        """Make ready what the job reads. Only File mode has a stage of its own, as on AWS."""
        described = self._runner.describe()
        self._say(f"{self._record.request['AlgorithmSpecification']['TrainingImage']} stands for {_listed(described)}.")
        for sentence in not_carried_out(self._record.request):
            self._say(sentence)
        if any(input_mode(channel, self._record) == "File" for channel in channels_of(self._record)):
            await self._advance("Downloading", "Downloading input data", **self._beginning())
        isolated = described.get("isolation") == "namespaces"
        inputs = Inputs(self._state, self._record, self._directory, isolated=isolated)
        binds, said = await inputs.fetch(self._checkpoints)
        for sentence in said:
            self._say(sentence)
        return binds

    def _beginning(self) -> dict[str, Any]:
        """What is written down when an attempt begins."""
        if self._record.secondary_status not in ("Starting", "Pending"):
            return {}
        started_at = self._record.started_at or self._state.clock.now()
        environment = self._runner.describe()
        return {"started_at": started_at, "attempts": self._record.attempts + 1, "environment": environment}

    async def _train(self, specification: WorkerSpecification) -> tuple[WorkerExit, str]:
        """Run the program. Returns how it ended, and what ended it: "", "stop" or "runtime"."""
        worker = await self._runner.start_worker(specification)
        output = asyncio.create_task(pump_output(worker, self._log, self._metrics))
        syncing = asyncio.create_task(self._checkpoints.sync_for_ever()) if self._checkpoints else None
        try:
            exit_, ended_by = await wait_or_stop(worker, self._stop, self._seconds_left())
            if exit_ is None:
                if ended_by == "runtime":
                    await self._say_stopping()
                exit_ = await end_program(worker, self._state.config.stop_grace_seconds)
            await output
        finally:
            await worker.kill()  # it has ended, unless a fault of ours brought us here
            if syncing is not None:
                syncing.cancel()
                await asyncio.gather(syncing, return_exceptions=True)
            output.cancel()
        return exit_, ended_by

    def _seconds_left(self) -> float:
        """How long the job may still run: MaxRuntimeInSeconds covers all attempts."""
        most = self._record.request["StoppingCondition"]["MaxRuntimeInSeconds"]
        begun = self._record.started_at or self._state.clock.now()
        return float(max(0.0, begun + most - self._state.clock.now()))

    async def _say_stopping(self) -> None:
        if (await self._read()).status != "Stopping":
            await self._advance("Stopping", "Stopping the training job", status="Stopping")

    async def _upload(self, ending: Outcome) -> str:
        """Upload what the job left. Returns the model's URI."""
        if self._record.outcome is None:
            metrics = await self._metrics.finish()
            message = "Uploading generated training model"
            await self._advance("Uploading", message, outcome=ending.to_json(), metrics=metrics)
        elif ending.boot != outcome.boot_id():
            raise RuntimeError("the machine was restarted before the artifacts were uploaded")
        artifacts = Artifacts(self._state, self._record, self._directory)
        if self._checkpoints is not None:
            await self._checkpoints.sync()
        uri = await artifacts.upload(model_always=ending.status == "Completed")
        for name in artifacts.left_out:
            self._say(f"{name} was not uploaded: only files, folders and links that stay inside are.")
        return uri

    async def _end(self, ending: Outcome, model_artifacts: str) -> None:
        """Write the end down. A stop that came while the artifacts were uploaded still counts."""

        def write(connection: Connection) -> None:
            status = get_training_job(connection, self._record.id).status
            final = outcome.stopped() if (status, ending.status) == ("Stopping", "Completed") else ending
            advance_training_job(
                connection,
                self._record.id,
                final.secondary_status,
                at=self._state.clock.now(),
                message=final.message,
                status=final.status,
                model_artifacts=model_artifacts,
                failure_reason=final.failure_reason,
                outcome=None,
            )

        await self._state.database.write(write)
        self._state.signals.notify("training_jobs")

    async def _advance(self, secondary_status: str, message: str, **changes: Any) -> None:
        now = self._state.clock.now()
        self._record = await self._state.database.write(
            lambda connection: advance_training_job(
                connection, self._record.id, secondary_status, at=now, message=message, **changes
            )
        )

    async def _read(self) -> TrainingJobRecord:
        return self._state.database.read(lambda connection: get_training_job(connection, self._record.id))

    async def _unless_stopped(self, work: Coroutine[Any, Any, T]) -> T:
        """The work's result, or TrainingJobIsStopping as soon as somebody wants the job to end."""
        working = asyncio.create_task(work)
        wanted = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait({working, wanted}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                raise TrainingJobIsStopping(self._record.name)
            return working.result()
        finally:
            wanted.cancel()
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)

    def _say(self, sentence: str) -> None:
        self._log.append(f"Coldframe: {sentence}", self._state.clock.now())


def _listed(described: dict[str, str]) -> str:
    """What a runner's workers have, in a line: `python 3.11.7, torch 2.13.0`."""
    return ", ".join(
        f"{name} {value}" for name, value in described.items() if name not in ("interpreter", "isolation_lack")
    )
