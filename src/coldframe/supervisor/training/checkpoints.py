"""Checkpoints: what is in the bucket is there when the job starts, and what the job writes gets into the bucket."""

import asyncio
import contextlib
import logging
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
        self._folder = directory.of_worker(config.get("LocalPath") or "/opt/ml/checkpoints")
        self._copies = directory.path / "checkpoint-copies"
        self._uploaded: dict[str, Seen] = {}

    async def restore(self) -> int:
        """Copy what is in the bucket into the folder. Returns how many files there were."""
        await asyncio.to_thread(self._folder.mkdir, parents=True, exist_ok=True)
        folder = ChannelFolder(self._state, self._folder, copy=True)
        await folder.fill_prefix(self._bucket, self._prefix, self._prefix)
        self._uploaded = await asyncio.to_thread(self._look)
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
        with contextlib.suppress(FileNotFoundError):
            # The job goes on writing: what is stored must be a copy that nobody else can change.
            await asyncio.to_thread(shutil.copyfile, self._folder / name, copy, follow_symlinks=False)
            if _seen(self._folder / name) == seen and not copy.is_symlink():
                await store_file(self._state, self._bucket, self._prefix + name, copy)
                copy.unlink()
                return True
        copy.unlink(missing_ok=True)
        return False

    def _look(self) -> dict[str, Seen]:
        found: dict[str, Seen] = {}
        for path in files_below(self._folder):
            with contextlib.suppress(FileNotFoundError):
                if not path.is_symlink():
                    found[path.relative_to(self._folder).as_posix()] = _seen(path)
        return found


def _seen(path: Path) -> Seen:
    status = path.lstat()
    return status.st_mtime_ns, status.st_size
