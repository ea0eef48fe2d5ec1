"""Input channels: a folder of files for each, made of the stored objects without copying their bytes."""

import asyncio
import json
import os
import re
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from coldframe.state.object_writes import materialize, open_object
from coldframe.state.objects import ObjectRecord, find_object, list_objects
from coldframe.state.state import State

PAGE_OBJECTS = 500
LARGEST_MANIFEST_BYTES = 64 * 1024 * 1024


class InputRefusedError(Exception):
    """Input data that cannot be given to the job; the message is for whoever made it."""


class ChannelFolder:
    """Fills the folder of one channel.

    Args:
        state: where the objects are.
        folder: what is to be filled; made if it is not there.
        copy: copies the bytes, for a place that a job can write to directly.
    """

    def __init__(self, state: State, folder: Path, *, copy: bool = False) -> None:
        self._state = state
        self._folder = folder
        self._copy = copy
        self._made: set[Path] = set()
        self._cancelled = threading.Event()
        self.files = 0
        self.size_bytes = 0

    async def fill(self, source: dict[str, Any]) -> None:
        """Put in what an S3DataSource names. InputRefusedError if that cannot be."""
        bucket, prefix = split_uri(source["S3Uri"])
        if source["S3DataType"] == "ManifestFile":
            for part_prefix in await self._prefixes_in_manifest(bucket, prefix):
                await self.fill_prefix(*part_prefix)
        else:
            await self.fill_prefix(bucket, prefix, prefix)
        if not self.files:
            raise InputRefusedError(f"No S3 objects found under S3 URL {source['S3Uri']!r}")

    async def fill_prefix(self, bucket: str, prefix: str, base: str) -> None:
        """Put in every object whose key begins with a prefix, named by its key from `base` on."""
        try:
            segmented = await asyncio.to_thread(self._place_all, bucket, prefix, base)
        except asyncio.CancelledError:
            self._cancelled.set()  # the thread goes on until it looks
            raise
        for path, record in segmented:
            await materialize(self._state, record, path, copy=self._copy)

    async def _prefixes_in_manifest(self, bucket: str, key: str) -> list[tuple[str, str, str]]:
        """What a manifest lists: bucket, prefix, and the base of the files' names."""
        record = self._state.database.read(lambda connection: find_object(connection, bucket, key))
        if record is None or record.size > LARGEST_MANIFEST_BYTES:
            raise InputRefusedError(f"The manifest s3://{bucket}/{key} is not there, or is too long")
        content = b"".join([piece async for piece in open_object(self._state, record).pieces()])
        try:
            first, *names = json.loads(content)
            data_bucket, common = split_uri(first["prefix"])
            return [(data_bucket, common + name, common) for name in names]
        except (ValueError, TypeError, KeyError) as error:
            raise InputRefusedError(f"The manifest s3://{bucket}/{key} is not one: {error!r}") from error

    def _place_all(self, bucket: str, prefix: str, base: str) -> list[tuple[Path, ObjectRecord]]:
        """In a thread: link or write every object that one call can. Returns those that are left to do."""
        left: list[tuple[Path, ObjectRecord]] = []
        for record in self._objects(bucket, prefix):
            path = self._path_of(record, base)
            if path is None:
                continue
            self.files += 1
            self.size_bytes += record.size
            if not self._place(record, path):
                left.append((path, record))
        return left

    def _objects(self, bucket: str, prefix: str) -> Iterator[ObjectRecord]:
        after_key = ""
        while not self._cancelled.is_set():
            page = self._state.database.read(
                lambda connection, after=after_key: list_objects(connection, bucket, prefix, after, PAGE_OBJECTS)  # type: ignore[misc]
            )
            yield from page
            if len(page) < PAGE_OBJECTS:
                return
            after_key = page[-1].key

    def _place(self, record: ObjectRecord, path: Path) -> bool:
        """Make the file; False if it takes more than a link or a write."""
        try:
            if record.content is not None:
                path.write_bytes(record.content)
            elif len(record.segments) == 1 and self._copy:
                shutil.copyfile(self._state.blobs.path(record.segments[0].blob), path)
            elif len(record.segments) == 1:
                os.link(self._state.blobs.path(record.segments[0].blob), path)
            else:
                return False
        except FileNotFoundError:
            path.unlink(missing_ok=True)
            return False  # overwritten since the list was read
        except (IsADirectoryError, FileExistsError, NotADirectoryError):
            raise InputRefusedError(
                f"{record.uri} is in the way of another object: both would be {path.name}"
            ) from None
        return True

    def _path_of(self, record: ObjectRecord, base: str) -> Path | None:
        """Where an object goes. Nothing for the empty objects that stand for folders."""
        relative = _relative(record.key, base)
        if relative.endswith("/") or not relative:
            return None
        parts = relative.split("/")
        if any(part in ("", ".", "..") or "\0" in part or len(part.encode()) > 255 for part in parts):
            raise InputRefusedError(f"the key of {record.uri!r} cannot be the name of a file")
        path = self._folder.joinpath(*parts)
        if path.parent not in self._made:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
            except (FileExistsError, NotADirectoryError):
                raise InputRefusedError(f"{record.uri} is in the way of another object's folder") from None
            self._made.add(path.parent)
        return path


def split_uri(uri: str) -> tuple[str, str]:
    """Bucket and key of an S3 URI."""
    match = re.fullmatch(r"s3://([^/]+)/?(.*)", uri, re.DOTALL)
    if match is None:
        raise InputRefusedError(f"{uri!r} is not an S3 URI")
    return match[1], match[2]


def _relative(key: str, base: str) -> str:
    """The name that an object's file has in the channel.

    `data/train/` and `data/train` both give `a.jpg` for `data/train/a.jpg`; `data/tr` gives `train/a.jpg`, and
    `data/train/a.jpg` itself gives `a.jpg`.
    """
    rest = key.removeprefix(base)
    if not base or base.endswith("/") or rest.startswith("/"):
        return rest.lstrip("/")
    return key[base.rfind("/") + 1 :]
