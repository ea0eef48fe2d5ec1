"""Sees to it that training jobs that should run do run, each to a truthful end."""

import asyncio
import contextlib
import logging
import os

from sqlalchemy import Connection

from coldframe.state.state import State
from coldframe.state.training_jobs import (
    TrainingJobIsStopping,
    TrainingJobRecord,
    active_training_jobs,
    advance_training_job,
)
from coldframe.supervisor.runners.runner import Runner
from coldframe.supervisor.training.job_directory import JobDirectory
from coldframe.supervisor.training.run import TrainingRun

logger = logging.getLogger(__name__)

INTERRUPTED = (
    "InternalServerError: Coldframe was stopped while the job ran. Create the job again; with a RetryStrategy it would "
    "have been started again by itself, and with a CheckpointConfig it could have gone on from its last checkpoint."
)
STARTED_AGAIN = "Starting the training job again: Coldframe was stopped while it ran"
STOPPED_TOO = "Training job stopped. Coldframe was stopped too, before the job's artifacts were uploaded"
WAITING = "Waiting for other training jobs to end: as many run as may (COLDFRAME_TRAINING_JOBS_AT_ONCE)"


class TrainingJobsReconciler:
    """Starts, watches and stops training jobs."""

    topic = "training_jobs"
    interval_seconds = 10.0

    def __init__(self, state: State, runner: Runner) -> None:
        self._state = state
        self._runner = runner
        self._cores = len(os.sched_getaffinity(0))
        self._most_running = state.config.training_jobs_at_once or 2 * self._cores
        self._runs: dict[int, TrainingRun] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}

    async def start(self) -> None:
        """Settle the jobs that an earlier server left: none of their processes runs any more."""
        active = await self._state.database.write(self._settle)
        kept = {record.directory for record in active}
        if not self._state.config.keep_failed_job_directories:
            await asyncio.to_thread(self._remove_directories, kept)

    async def reconcile(self) -> None:
        """Start what waits, in order, as far as there is room; stop what should stop."""
        waiting: list[int] = []
        for record in self._state.database.read(active_training_jobs):
            if (run := self._runs.get(record.id)) is not None:
                if record.status == "Stopping":
                    run.stop()
            elif len(self._runs) < self._most_running or record.status == "Stopping":
                self._start_run(record)
            elif record.secondary_status == "Starting":
                waiting.append(record.id)
        if waiting:
            await self._state.database.write(lambda connection: self._let_wait(connection, waiting))

    async def stop(self) -> None:
        """Give up all jobs that run. Their records stay as they are, for the next server to find."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _start_run(self, record: TrainingJobRecord) -> None:
        threads = max(1, self._cores // (len(self._runs) + 1))
        run = TrainingRun(self._state, self._runner, record, threads)
        if record.status == "Stopping":
            run.stop()
        self._runs[record.id] = run
        task = asyncio.create_task(run.run(), name=f"training job {record.name}")
        self._tasks[record.id] = task
        task.add_done_callback(lambda _task: self._forget(record.id))

    def _forget(self, job_id: int) -> None:
        """The job is done: there is room for another."""
        self._runs.pop(job_id, None)
        task = self._tasks.pop(job_id, None)
        if task is None or task.cancelled():
            return
        if (error := task.exception()) is not None:
            # Its record is as it was, so that it will be begun again: by the timer, not at once and without end.
            logger.error("the end of training job %d could not be written down", job_id, exc_info=error)
        else:
            self._state.signals.notify(self.topic)

    def _let_wait(self, connection: Connection, job_ids: list[int]) -> None:
        now = self._state.clock.now()
        for job_id in job_ids:
            with contextlib.suppress(TrainingJobIsStopping):
                advance_training_job(connection, job_id, "Pending", at=now, message=WAITING)

    def _settle(self, connection: Connection) -> list[TrainingJobRecord]:
        """End, or send back to the start, the jobs that were in the middle. Returns those that are still to be done."""
        now = self._state.clock.now()
        for record in active_training_jobs(connection):
            if record.outcome is not None or record.secondary_status in ("Starting", "Pending"):
                continue  # its artifacts can still be uploaded, or it has not begun
            if record.status == "Stopping":
                message = STOPPED_TOO if record.attempts else "Training job stopped"
                advance_training_job(connection, record.id, "Stopped", at=now, message=message, status="Stopped")
            elif record.attempts <= record.request.get("RetryStrategy", {}).get("MaximumRetryAttempts", 0):
                advance_training_job(connection, record.id, "Starting", at=now, message=STARTED_AGAIN)
            else:
                advance_training_job(
                    connection,
                    record.id,
                    "Failed",
                    at=now,
                    message="Training job failed",
                    status="Failed",
                    failure_reason=INTERRUPTED,
                )
        return active_training_jobs(connection)

    def _remove_directories(self, kept: set[str]) -> None:
        jobs = self._state.config.directory / "jobs"
        if jobs.is_dir():
            for path in jobs.iterdir():
                if path.name not in kept:
                    JobDirectory(path).remove()
