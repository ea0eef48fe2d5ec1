"""Checkpoints: what is in the bucket is there when the job starts, and what the job writes gets into the bucket."""

import asyncio
import contextlib
import logging
import os
import shutil
from pathlib import Path

from coldframe.state.object_writes import delete_object, store_file
from coldframe.state.state import State
from coldframe.state.training_jobs import TrainingJobRecord
from coldframe.supervisor.training.artifacts import files_below
from coldframe.supervisor.training.channels import ChannelFolder, split_uri
from coldframe.supervisor.training.job_directory import JobDirectory

logger = logging.getLogger(__name__)

Seen = tuple[int, int]
"""A file's time of change in nanoseconds, and its size in bytes."""


class Checkpoints:
    """Keeps a folder of a job and a prefix of a bucket alike, from the folder to the bucket."""

    def __init__(self, state: State, record: TrainingJobRecord, directory: JobDirectory) -> None:
        config = record.request["CheckpointConfig"]
        self._state = state
        self._bucket, prefix = split_uri(config["S3Uri"])
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._directory = directory
        self._name = (config.get("LocalPath") or "/opt/ml/checkpoints").removeprefix("/opt/ml/")
        self._folder = directory.ml / self._name
        self._copies = directory.path / "checkpoint-copies"
        self._uploaded: dict[str, Seen] = {}

    async def restore(self) -> int:
        """Copy what is in the bucket into the folder. Returns how many files there were."""
        await asyncio.to_thread(self._folder.mkdir, parents=True, exist_ok=True)
        folder = ChannelFolder(self._state, self._folder, copy=True)
        await folder.fill_prefix(self._bucket, self._prefix, self._prefix)
        present = await asyncio.to_thread(self._look)
        self._uploaded = present or {}
        return folder.files

    async def sync_for_ever(self) -> None:
        """Sync again and again, until cancelled; an error is logged, and the next time may do better."""
        while True:
            await asyncio.sleep(self._state.config.checkpoint_seconds)
            try:
                await self.sync()
            except Exception:
                logger.exception("copying checkpoints to s3://%s/%s failed", self._bucket, self._prefix)

    async def sync(self) -> None:
        """Upload files that are new or changed, and delete from the bucket those that were deleted."""
        present = await asyncio.to_thread(self._look)
        if present is None:
            return
        for name, seen in present.items():
            if self._uploaded.get(name) != seen and await self._upload(name, seen):
                self._uploaded[name] = seen
        for name in self._uploaded.keys() - present.keys():
            await delete_object(self._state, self._bucket, self._prefix + name)
            del self._uploaded[name]

    async def _upload(self, name: str, seen: Seen) -> bool:
        """Upload one file; False if it changed meanwhile, so that it must be taken again."""
        self._copies.mkdir(exist_ok=True)
        copy = self._copies / "copy"
        try:
            # The job goes on writing: what is stored must be a copy that nobody else can change.
            copied = await asyncio.to_thread(_copy, self._folder, name, copy)
            if copied != seen:
                return False
            await store_file(self._state, self._bucket, self._prefix + name, copy)
        finally:
            copy.unlink(missing_ok=True)
        return True

    def _look(self) -> dict[str, Seen] | None:
        """The files that are there; nothing if the job took the folder itself away."""
        if self._directory.folder(self._name) is None:
            return None
        found: dict[str, Seen] = {}
        for path in files_below(self._folder):
            with contextlib.suppress(FileNotFoundError):
                found[path.relative_to(self._folder).as_posix()] = _seen(path.lstat())
        return found


def _seen(status: os.stat_result) -> Seen:
    return status.st_mtime_ns, status.st_size


def _copy(folder: Path, name: str, target: Path) -> Seen | None:
    """Copy a file that a job may be changing. Returns how it looked when the copy was done; nothing if it is gone.

    The way to it is gone step by step, no step over a link: the job could put one there between a look and the copy.
    """
    *parents, last = name.split("/")
    with contextlib.ExitStack() as opened:
        try:
            step = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            opened.callback(os.close, step)
            for parent in parents:
                step = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=step)
                opened.callback(os.close, step)
            descriptor = os.open(last, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=step)
        except OSError:
            return None
        with open(descriptor, "rb") as source, target.open("wb") as copy:  # noqa: PTH123 - a descriptor has no path
            shutil.copyfileobj(source, copy, 1024 * 1024)
            return _seen(os.fstat(source.fileno()))
