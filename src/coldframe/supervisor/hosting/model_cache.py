"""Model files on this machine: fetched from S3 and unpacked once for each content, shared by all instances."""

import asyncio
import hashlib
import json
import logging
import shutil
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from coldframe.state.model_sources import ModelSource, model_source, source_at, source_objects
from coldframe.state.object_reads import materialize
from coldframe.state.objects import ObjectRecord
from coldframe.state.state import State
from coldframe.workers.archives import ArchiveRefusedError, unpack

logger = logging.getLogger(__name__)

DIGEST_DIGITS = 32


class ModelDataError(Exception):
    """A model's files cannot be had; the message is for whoever made it."""


class ModelCache:
    """Folders of model files, one for each content, each complete or not there at all.

    Instances see them copy-on-write, so that none can change what the others see.
    """

    def __init__(self, state: State, directory: Path) -> None:
        self._state = state
        self._directory = directory
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def folder(self, digest: str) -> Path:
        """Where a content lies, once it was prepared."""
        return self._directory / digest

    async def prepare(self, container: dict[str, Any], known: dict[str, str]) -> dict[str, str]:
        """Have a container's files ready.

        Args:
            container: its definition.
            known: contents that were chosen before, as this returned them; nothing at first. They are used even if S3
                has another content by now, so that all instances of a deployment are alike.

        Returns:
            The digest of each folder: `model`, always; `code`, if SAGEMAKER_SUBMIT_DIRECTORY lies in S3.

        Raises:
            ModelDataError: the files are not there, or their archive is refused.
        """
        try:
            sources = {"model": model_source(container)}
            submitted = container.get("Environment", {}).get("SAGEMAKER_SUBMIT_DIRECTORY", "")
            if submitted.startswith("s3://"):
                sources["code"] = source_at(submitted, is_archive=not submitted.endswith("/"))
        except ValueError as error:
            raise ModelDataError(str(error)) from error
        return {part: await self._prepare(source, known.get(part, "")) for part, source in sources.items()}

    async def forget_all_but(self, used: Iterable[str]) -> None:
        """Remove the contents that nobody uses any more, and what a crash left unfinished."""
        kept = set(used)
        if self._directory.is_dir():
            unused = [path for path in self._directory.iterdir() if path.name not in kept]
            for path in unused:
                if not self._locks[path.name.partition(".")[0]].locked():
                    await asyncio.to_thread(shutil.rmtree, path, ignore_errors=True)

    async def _prepare(self, source: ModelSource | None, known: str) -> str:
        if known and self.folder(known).is_dir():
            return known
        records: list[ObjectRecord] = []
        if source is not None:
            wanted = source
            records = await self._state.database.read_in_thread(lambda connection: source_objects(connection, wanted))
            if not records:
                raise ModelDataError(f"There is no model data at {source.uri}.")
        digest = _digest(source, records)
        async with self._locks[digest]:
            if not self.folder(digest).is_dir():
                await self._fill(digest, source, records)
        return digest

    async def _fill(self, digest: str, source: ModelSource | None, records: list[ObjectRecord]) -> None:
        """Make the folder beside its place, and put it there when it is complete."""
        unfinished = self._directory / f"{digest}.unfinished"
        await asyncio.to_thread(shutil.rmtree, unfinished, ignore_errors=True)
        content = unfinished / "content"
        content.mkdir(parents=True)
        try:
            if source is not None and source.is_archive:
                archive = unfinished / "archive"
                await materialize(self._state, records[0], archive)
                await asyncio.to_thread(unpack, archive, content)
            elif source is not None:
                await self._copy(source, records, content)
            content.rename(self.folder(digest))
        except ArchiveRefusedError as error:
            raise ModelDataError(f"The model data at {source.uri if source else ''} is refused: {error}.") from error
        except FileNotFoundError as error:
            raise ModelDataError(f"The model data at {source.uri if source else ''} is gone: {error}.") from error
        finally:
            await asyncio.to_thread(shutil.rmtree, unfinished, ignore_errors=True)

    async def _copy(self, source: ModelSource, records: list[ObjectRecord], content: Path) -> None:
        """Files of objects as they are; large ones are links to the stored bytes, which copy-on-write keeps whole."""
        for record in records:
            name = record.key[len(source.key) :] if source.is_prefix else record.key.rpartition("/")[2]
            if not name or any(part in ("", ".", "..") for part in name.split("/")) or "\0" in name:
                raise ModelDataError(f"The object {record.uri} cannot be a file below /opt/ml/model.")
            path = content / name
            path.parent.mkdir(parents=True, exist_ok=True)
            await materialize(self._state, record, path)


def _digest(source: ModelSource | None, records: list[ObjectRecord]) -> str:
    """Names a content: the same for the same bytes under the same names, wherever in S3 they lie."""
    skipped = len(source.key) if source is not None and source.is_prefix else None
    names = [record.key[skipped:] if skipped is not None else "" for record in records]
    if source is not None and not source.is_prefix and not source.is_archive:
        names = [records[0].key.rpartition("/")[2]]
    parts = [[name, record.etag, record.size] for name, record in zip(names, records, strict=True)]
    described = json.dumps([source is not None and source.is_archive, parts])
    return hashlib.sha256(described.encode()).hexdigest()[:DIGEST_DIGITS]
