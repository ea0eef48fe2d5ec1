"""One instance of a production variant: a worker that serves the model, from its start to its end."""

import asyncio
import contextlib
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from coldframe.state.endpoints import VariantPlan
from coldframe.state.log_events import LogWriter
from coldframe.state.state import State
from coldframe.supervisor.hosting.model_cache import ModelCache, ModelDataError
from coldframe.supervisor.runners.runner import Runner, Worker, WorkerExit
from coldframe.supervisor.worker_limits import most_memory_bytes
from coldframe.workers.connection import ANSWER_TIMEOUT_SECONDS, WorkerConnection, connect
from coldframe.workers.specification import Bind, WorkerSpecification

LOG_GROUP = "/aws/sagemaker/Endpoints/"
CONNECT_INTERVAL_SECONDS = 0.005
CHECK_INTERVAL_SECONDS = 5.0
HUNG_SECONDS = ANSWER_TIMEOUT_SECONDS + 5.0
"""A server that has had invocations and answered none for so long hangs: all its callers have given up."""
LAST_WORD_SECONDS = 5.0
"""How long a process whose connection is gone may take to end, so that its end can be told; then it is killed."""
STOP_GRACE_SECONDS = 30.0
"""How long an instance may go on after SIGTERM; AWS's figure."""


class StartFailedError(Exception):
    """The instance did not come to answer; the message says why.

    `final` if another try cannot help; `blameless` if it was not the model's doing.
    """

    def __init__(self, message: str, *, final: bool = False, blameless: bool = False) -> None:
        super().__init__(message)
        self.final = final
        self.blameless = blameless


@dataclass
class Instance:
    """One instance; `start`, then `wait_for_end`, then `stop`, each once and in any case `stop`."""

    state: State
    runner: Runner
    cache: ModelCache
    endpoint_name: str
    variant: VariantPlan
    id: str
    threads: int
    servers: list[WorkerConnection] = field(default_factory=list)
    """Connections, each to one process that answers; empty until it has started."""
    content: dict[str, str] = field(default_factory=dict)
    """Which model files it has; see ModelCache.prepare."""
    _starting: asyncio.Future[Worker] | None = None
    _worker: Worker | None = None
    _logging: asyncio.Task[None] | None = None

    @property
    def directory(self) -> Path:
        """Its own folder on the host."""
        return instances_directory(self.state) / self.id

    @property
    def log_stream_arn(self) -> str:
        """Where its output goes."""
        group, stream = LOG_GROUP + self.endpoint_name, f"{self.variant.name}/{self.id}"
        return self.state.scope.arn("logs", f"log-group:{group}:log-stream:{stream}")

    async def start(self) -> None:
        """Return when the model is loaded and answers. Raises StartFailedError with the reason if it does not."""
        try:
            async with asyncio.timeout(self.variant.download_timeout_seconds):
                self.content = await self.cache.prepare(self.variant.container, self.variant.content)
        except ModelDataError as error:
            raise StartFailedError(str(error), final=True) from error
        except TimeoutError as error:
            message = f"The model data was not there after {self.variant.download_timeout_seconds:g} s."
            raise StartFailedError(message, final=True) from error
        self._starting = asyncio.ensure_future(self.runner.start_worker(self._specification()))
        try:
            self._worker = worker = await asyncio.shield(self._starting)  # once begun, only `stop` may end it
        except RuntimeError as error:
            raise StartFailedError(str(error)) from error
        self._logging = asyncio.create_task(self._write_log(worker), name=f"log of {self.id}")
        await self._wait_for_model(worker)

    async def _wait_for_model(self, worker: Worker) -> None:
        timeout = self.variant.startup_timeout_seconds
        ended = asyncio.create_task(worker.wait())
        connecting = asyncio.create_task(self._connect(worker))
        try:
            async with asyncio.timeout(timeout):
                await asyncio.wait({ended, connecting}, return_when=asyncio.FIRST_COMPLETED)
                if not connecting.done():
                    raise _start_failed(ended.result(), "before it answered a ping")
                await connecting
        except TimeoutError as error:
            message = f"The model was not loaded after {timeout:g} s."
            raise StartFailedError(message, final=True) from error
        except (ConnectionError, OSError) as error:
            raise await _lost_while_loading(worker) from error
        finally:
            ended.cancel()
            connecting.cancel()

    async def wait_for_end(self) -> str:
        """Wait until the instance is gone or of no use any more; how that came, in a sentence."""
        if self._worker is None:
            raise LookupError("the instance was not started")
        ended = asyncio.create_task(self._worker.wait())
        lost = [asyncio.create_task(server.lost.wait()) for server in self.servers]
        try:
            while True:
                await asyncio.wait({ended, *lost}, timeout=CHECK_INTERVAL_SECONDS, return_when=asyncio.FIRST_COMPLETED)
                if any(task.done() for task in lost):  # the usual cause is that the process has ended: hear how
                    await asyncio.wait({ended}, timeout=LAST_WORD_SECONDS)
                if ended.done():
                    return f"{_how(ended.result())}."
                if any(task.done() for task in lost):
                    return "It closed its connection."
                if any(server.silent_seconds > HUNG_SECONDS for server in self.servers):
                    return f"It had invocations and answered none for {HUNG_SECONDS:g} s."
        finally:
            for task in (ended, *lost):
                task.cancel()

    async def stop(self, *, gently: bool) -> None:
        """End it: at once, or after what it was asked is answered. Its log is durable and its folder gone then."""
        try:
            if self._worker is None and self._starting is not None:
                with contextlib.suppress(RuntimeError):
                    self._worker = await self._starting
            if self._worker is not None:
                if gently:
                    await self._end_gently(self._worker)
                await self._worker.kill()
                await self._worker.wait()
            for server in self.servers:
                server.close()
            if self._logging is not None:
                await self._logging
        finally:
            await asyncio.to_thread(shutil.rmtree, self.directory, ignore_errors=True)

    async def _end_gently(self, worker: Worker) -> None:
        """SIGTERM, upon which a server answers what it has and ends."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_GRACE_SECONDS):
                while any(server.in_flight for server in self.servers):  # noqa: ASYNC110 - the hot path sets no event
                    await asyncio.sleep(CONNECT_INTERVAL_SECONDS)
                await worker.terminate()
                await worker.wait()

    async def _connect(self, worker: Worker) -> None:
        """Connect to each of the worker's server processes, and wait until each has loaded the model."""
        while True:
            try:
                first = await self._connect_once(worker)
                break
            except (FileNotFoundError, ConnectionRefusedError):
                await asyncio.sleep(CONNECT_INTERVAL_SECONDS)
        pong = await self._ping(first)
        more = [await self._connect_once(worker) for _ in range(pong.get("servers", 1) - 1)]
        await asyncio.gather(*(self._ping(server) for server in more))
        self.servers = [first, *more]

    async def _connect_once(self, worker: Worker) -> WorkerConnection:
        return await connect(worker.address, self.log_stream_arn)

    async def _ping(self, server: WorkerConnection) -> dict[str, int]:
        pong = await server.ping(self.variant.startup_timeout_seconds)
        if pong["status"] != 200:
            raise StartFailedError(f"{pong.get('message', 'The ping failed')}.")
        return pong

    def _specification(self) -> WorkerSpecification:
        scratch, meeting = self.directory / "scratch", self.directory / "socket"
        for folder in (scratch, meeting):
            folder.mkdir(parents=True)
        targets = {"model": "/opt/ml/model", "code": "/opt/ml/code"}
        binds = [Bind(str(self.cache.folder(digest)), targets[part], "cow") for part, digest in self.content.items()]
        region = self.state.scope.region
        return WorkerSpecification(
            name=f"endpoint/{self.endpoint_name}/{self.variant.name}/{self.id}",
            role="serve",
            command=[],
            environment={"AWS_REGION": region, "AWS_DEFAULT_REGION": region, "SAGEMAKER_REGION": region}
            | self.variant.container.get("Environment", {}),
            binds=binds,
            scratch_directory=str(scratch),
            host_name="model.aws.local",
            threads=self.threads,
            memory_bytes=most_memory_bytes(self.state.config),
            network=not self.variant.network_isolation,
            socket_path=str(meeting / "s"),
        )

    async def _write_log(self, worker: Worker) -> None:
        log = LogWriter(self.state, LOG_GROUP + self.endpoint_name, f"{self.variant.name}/{self.id}")
        place = ", ".join(f"{name} {value}" for name, value in self.runner.describe().items())
        log.append(
            f"Serving model {self.variant.model_name} with {self.threads} threads: {place}", self.state.clock.now()
        )
        try:
            async for line in worker.output():
                log.append(line.text, line.written_at)
                await log.drain()
        finally:
            await log.close()


def instances_directory(state: State) -> Path:
    """Where instances have their folders."""
    return state.config.directory / "instances"


def threads_for(instance_count: int) -> int:
    """The threads that each of so many instances may use: its share of the cores, at least one."""
    return max(1, len(os.sched_getaffinity(0)) // max(1, instance_count))


async def _lost_while_loading(worker: Worker) -> StartFailedError:
    try:
        async with asyncio.timeout(LAST_WORD_SECONDS):
            return _start_failed(await worker.wait(), "while it loaded the model")
    except TimeoutError:
        return StartFailedError("The server process closed its connection while it loaded the model.")


def _start_failed(end: WorkerExit, when: str) -> StartFailedError:
    return StartFailedError(f"{_how(end)} {when}.", blameless=end.lost)


def _how(end: WorkerExit) -> str:
    if end.out_of_memory:
        return "The server process took more memory than it may have and was killed"
    if end.lost:
        return "The place where the server process ran was lost"
    if end.signal is not None:
        return f"The server process was ended by signal {end.signal}"
    return f"The server process ended with exit code {end.exit_code}"
