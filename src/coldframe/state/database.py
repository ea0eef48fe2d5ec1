"""Durable records: many readers, one writer that groups what arrives together into one commit."""

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.pool import NullPool, QueuePool

T = TypeVar("T")
Work = Callable[[Connection], Any]

LARGEST_GROUP = 256
"""Writes in one commit at most; bounds how long the first of them waits."""


class Database:
    """Records behind an SQLAlchemy URL.

    A write is acknowledged only when it is on the disk: the writer commits with a full sync. Writes that arrive
    while a commit is under way share the next one, so that the cost of a sync is shared too. There is one writer,
    so that a function given to `write` may look and then act without a race.
    """

    def __init__(self, url: str) -> None:
        self._sqlite = make_url(url).get_backend_name() == "sqlite"
        self.engine = _engine(url, sqlite=self._sqlite)
        self._queue: queue.SimpleQueue[tuple[Work, Future[Any]] | None] = queue.SimpleQueue()
        self._local = threading.local()
        self._readers: list[Connection] = []
        self._closed = False
        self._writer = threading.Thread(target=self._write_forever, name="database-writer", daemon=True)
        self._writer.start()

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Carry out `work` in a transaction; return what it returned, after the commit has reached the disk.

        If `work` raises, its own changes are undone and the error is raised here; others in its group are unharmed.
        """
        return await asyncio.wrap_future(self.submit(work))

    def submit(self, work: Callable[[Connection], T]) -> Future[T]:
        """The same, for callers outside an event loop, or those that need not wait."""
        future: Future[T] = Future()
        if self._closed:
            raise RuntimeError("the database is closed")
        self._queue.put((work, future))
        return future

    def read(self, work: Callable[[Connection], T]) -> T:
        """Carry out `work` at once on this thread's reading connection. Only for what an index finds quickly."""
        return work(self._reader())

    async def read_in_thread(self, work: Callable[[Connection], T]) -> T:
        """The same in another thread, for what may take more than a millisecond or so."""
        return await asyncio.to_thread(self.read, work)

    def close(self) -> None:
        """Commit what is queued, then let go of the database."""
        if self._closed:
            return
        self._closed = True
        self._queue.put(None)
        self._writer.join()
        for reader in self._readers:
            with contextlib.suppress(Exception):
                reader.close()
        self.engine.dispose()

    def _reader(self) -> Connection:
        reader: Connection | None = getattr(self._local, "reader", None)
        if reader is None:
            reader = self.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            self._local.reader = reader
            self._readers.append(reader)
        return reader

    def _write_forever(self) -> None:
        with self.engine.connect() as connection:
            while True:
                first = self._queue.get()
                if first is None:
                    return
                group = [first]
                last = False
                while len(group) < LARGEST_GROUP and not self._queue.empty():
                    item = self._queue.get()
                    if item is None:
                        last = True
                        break
                    group.append(item)
                self._write_group(connection, group)
                if last:
                    return

    def _write_group(self, connection: Connection, group: list[tuple[Work, Future[Any]]]) -> None:
        outcomes: list[tuple[Future[Any], Any, BaseException | None]] = []
        try:
            with connection.begin():
                # Straight to the driver: SQLAlchemy's way to it would cost more than many a write itself.
                cursor = connection.connection.cursor()
                for work, future in group:
                    savepoint = len(group) > 1
                    if savepoint:
                        cursor.execute("SAVEPOINT one_write")
                    try:
                        outcomes.append((future, work(connection), None))
                    except BaseException as error:
                        outcomes.append((future, None, error))
                        if not savepoint:
                            raise
                        cursor.execute("ROLLBACK TO SAVEPOINT one_write")
                    if savepoint:
                        cursor.execute("RELEASE SAVEPOINT one_write")
                cursor.close()
        except BaseException as error:
            for _, future in group:
                _settle(future, None, error)
            return
        for future, result, failure in outcomes:
            _settle(future, result, failure)


def _settle(future: Future[Any], result: Any, error: BaseException | None) -> None:
    if not future.set_running_or_notify_cancel():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)


def _engine(url: str, *, sqlite: bool) -> Engine:
    if not sqlite:
        return create_engine(url, poolclass=QueuePool)
    engine = create_engine(url, poolclass=NullPool, connect_args={"check_same_thread": False, "timeout": 30.0})

    @event.listens_for(engine, "connect")
    def _set_up(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver must not begin transactions by itself
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA cache_size=-16384")
        cursor.execute("PRAGMA temp_store=MEMORY")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine
