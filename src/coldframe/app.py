"""Builds the parts of a server and joins them."""

import asyncio
import contextlib
import gc
import logging
import os
import resource
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import uvloop

from coldframe.arns import Scope
from coldframe.chance import SystemChance
from coldframe.clock import SystemClock
from coldframe.config import Config
from coldframe.data_directory import ServerFile, locked
from coldframe.gateway.answer import Gateway
from coldframe.gateway.routing import Router
from coldframe.gateway.server import Server, open_listener, url_of
from coldframe.identity.credentials import AccountCredentials, open_root_credentials
from coldframe.identity.verification import Verifier
from coldframe.services.catalog import CATALOG
from coldframe.state.blobs import Blobs
from coldframe.state.database import Database
from coldframe.state.endpoints import publish_without_instances
from coldframe.state.migrations.migrate import bring_up_to_date
from coldframe.state.serving import ServingTable
from coldframe.state.signals import Signals
from coldframe.state.state import State

if TYPE_CHECKING:
    from coldframe.supervisor.supervisor import Supervisor

Announce = Callable[[ServerFile], None]

GARBAGE_THRESHOLDS = (10_000, 10, 20)
"""A request makes some hundred objects, none of them in a cycle: looking for cycles after every 700 finds nothing."""

log = logging.getLogger("coldframe")


def serve(config: Config, announce: Announce) -> None:
    """Run a server until SIGINT or SIGTERM. `announce` is called once it answers.

    Raises:
        CannotStart: another server has the data directory, or it cannot be used.
        OSError: the address cannot be listened on, or the data directory not be written.
    """
    directory = config.directory
    with locked(directory), contextlib.closing(open_listener(config.host, config.port)) as listener:
        uvloop.run(run(config, listener, announce))


async def run(config: Config, listener: socket.socket, announce: Announce, stop: asyncio.Event | None = None) -> None:
    """Run a server on a listener, in this event loop, until a signal comes or `stop` is set."""
    stop = stop or asyncio.Event()
    _stop_at_signals(stop)
    _allow_many_files()
    state = build_state(config)
    router = Router()
    server = Server(build_gateway(config, state, router).answer, listener, state.clock, state.chance)
    found = ServerFile(url_of(listener), os.getpid(), config.account_id, config.region)
    answering = asyncio.Event()

    def started() -> None:
        found.write(config.directory)
        announce(found)
        answering.set()

    serving = asyncio.create_task(server.run(stop, started))
    working = asyncio.create_task(_work(config, state, router, answering, stop))
    try:
        await asyncio.wait({serving, working}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stop.set()  # one of them has ended: by the stop that was asked for, or by a fault that is raised below
        try:
            await asyncio.gather(serving, working)
        finally:
            ServerFile.remove(config.directory)
            state.blobs.close()
            state.database.close()


async def _work(config: Config, state: State, router: Router, answering: asyncio.Event, stop: asyncio.Event) -> None:
    """What goes on beside answering, from when that has begun until the end."""
    answered = asyncio.create_task(answering.wait())
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait({answered, stopped}, return_when=asyncio.FIRST_COMPLETED)
    if stop.is_set():
        return
    supervisor = build_supervisor(config, state)
    try:
        await supervisor.start()
        await asyncio.to_thread(router.warm, list(CATALOG))
        gc.collect()
        gc.freeze()  # what is loaded stays: no later collection needs to look at it
        gc.set_threshold(*GARBAGE_THRESHOLDS)
        await stopped
    finally:
        await supervisor.stop()


def build_state(config: Config) -> State:
    """Open, or make, what is kept in the data directory."""
    directory = config.directory
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    database = Database(config.database_url or _sqlite_url(directory))
    bring_up_to_date(database.engine)
    scope, serving = Scope(config.account_id, config.region), ServingTable()
    database.read(lambda connection: publish_without_instances(connection, serving, scope))
    return State(
        config=config,
        scope=scope,
        clock=SystemClock(),
        chance=SystemChance(),
        database=database,
        blobs=Blobs(directory / "blobs", database),
        signals=Signals(),
        serving=serving,
    )


def build_gateway(config: Config, state: State, router: Router) -> Gateway:
    """What answers requests. The root key is made here, at the first start."""
    root = open_root_credentials(config.directory, state.chance)
    verifier = Verifier(AccountCredentials(root, state.scope), state.scope, state.clock, config.json_body_bytes)
    return Gateway(state, router, verifier, CATALOG)


def build_supervisor(config: Config, state: State) -> "Supervisor":
    """What starts and ends workers. Loaded late: the first answer needs none of it."""
    from coldframe.supervisor.runners.local import LocalRunner  # noqa: PLC0415
    from coldframe.supervisor.supervisor import Supervisor  # noqa: PLC0415

    runner = LocalRunner(
        config.directory / "runner",
        preload_modules=[name.strip() for name in config.preload_modules.split(",") if name.strip()],
        isolation=config.isolation,
        hidden_directories=[config.directory],
    )
    return Supervisor(state, runner)


def _stop_at_signals(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(ValueError, RuntimeError):  # outside the main thread, signals are another's business
            loop.add_signal_handler(number, stop.set)


def _allow_many_files() -> None:
    """Every connection and every worker takes file descriptors; the usual soft limit of 1024 is soon reached."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65536 if hard == resource.RLIM_INFINITY else min(65536, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _sqlite_url(directory: Path) -> str:
    return f"sqlite:///{directory / 'coldframe.sqlite3'}"
