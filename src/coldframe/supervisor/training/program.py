"""Watches a training job's program: its output, its time, the wish to stop it, its end."""

import asyncio
import contextlib

from coldframe.state.log_events import LogWriter
from coldframe.supervisor.runners.runner import Worker, WorkerExit
from coldframe.supervisor.training.metric_scanner import MetricScanner

LINES_BETWEEN_DRAINS = 1000


async def pump_output(worker: Worker, log: LogWriter, metrics: MetricScanner) -> None:
    """Log every line that the worker writes, and look for metrics in it, until its output is closed."""
    count = 0
    async for line in worker.output():
        log.append(line.text, line.written_at)
        await metrics.feed(line.text, line.written_at)
        count += 1
        if count % LINES_BETWEEN_DRAINS == 0:
            await log.drain()


async def wait_or_stop(worker: Worker, stop: asyncio.Event, seconds: float) -> tuple[WorkerExit | None, str]:
    """Wait until the program has ended, or should end.

    Args:
        worker: the program.
        stop: is set when somebody wants the job to end.
        seconds: how long it may run.

    Returns:
        How it ended and "", or None and why it should end: "stop" or "runtime".
    """
    ended = asyncio.create_task(worker.wait())
    wanted = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({ended, wanted}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if ended.done():
            return ended.result(), ""
        return None, "stop" if wanted.done() else "runtime"
    finally:
        wanted.cancel()
        ended.cancel()


async def end_program(worker: Worker, grace_seconds: float) -> WorkerExit:
    """SIGTERM, some time to save what it has, SIGKILL."""
    await worker.terminate()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(grace_seconds):
            return await worker.wait()
    await worker.kill()
    return await worker.wait()
