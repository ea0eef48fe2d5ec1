"""Uploads what a training job leaves behind: its model, its output, and why it failed."""

import asyncio
import os
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path

from coldframe.state.object_writes import store_file
from coldframe.state.state import State
from coldframe.state.training_jobs import TrainingJobRecord
from coldframe.supervisor.training.channels import split_uri
from coldframe.supervisor.training.job_directory import JobDirectory

COMPRESSION_LEVEL = 1
"""Weights hardly get smaller at any level, and higher ones take many times longer."""


class Artifacts:
    """The artifacts of one job."""

    def __init__(self, state: State, record: TrainingJobRecord, directory: JobDirectory) -> None:
        self._state = state
        self._directory = directory
        output = record.request["OutputDataConfig"]
        self._bucket, prefix = split_uri(output["S3OutputPath"])
        self._prefix = "/".join(part for part in (prefix.strip("/"), record.name, "output") if part)
        self._compressed = output.get("CompressionType", "GZIP") != "NONE"
        self.left_out: list[str] = []
        """Names that could not be uploaded: links that lead out, pipes and the like."""

    async def upload(self, *, model_always: bool) -> str:
        """Upload everything; durable when this returns. Returns the model's URI, empty if there is no model.

        Args:
            model_always: makes a model.tar.gz even of an empty folder, as for every job that succeeded.
        """
        model, output = self._contents("model"), self._contents("output/data")
        if (folder := self._directory.folder("output")) is not None and _is_file(folder / "failure"):
            output.append(folder / "failure")
        uri = ""
        if self._compressed:
            if model_always or model:
                uri = await self._upload_archive("model.tar.gz", model)
            if output:
                await self._upload_archive("output.tar.gz", output)
        else:
            await self._upload_files("output/data", "data")
            if await self._upload_files("model", "model") or model_always:
                uri = f"s3://{self._bucket}/{self._prefix}/model/"
        return uri

    def _contents(self, name: str) -> list[Path]:
        folder = self._directory.folder(name)
        return [] if folder is None else sorted(folder.iterdir())

    async def _upload_archive(self, name: str, sources: list[Path]) -> str:
        path = self._directory.archives / name
        await asyncio.to_thread(self._pack, path, sources)
        key = f"{self._prefix}/{name}"
        await store_file(self._state, self._bucket, key, path, content_type="application/x-tar")
        return f"s3://{self._bucket}/{key}"

    async def _upload_files(self, source: str, name: str) -> int:
        """Upload each file of a folder as it is; returns how many."""
        folder = self._directory.folder(source)
        if folder is None:
            return 0
        files = await asyncio.to_thread(lambda: list(files_below(folder)))
        for path in files:
            key = f"{self._prefix}/{name}/{path.relative_to(folder).as_posix()}"
            await store_file(self._state, self._bucket, key, path)
        return len(files)

    def _pack(self, archive: Path, sources: list[Path]) -> None:
        """Make a .tar.gz of files and folders."""
        archive.unlink(missing_ok=True)
        with tarfile.open(archive, "w:gz", compresslevel=COMPRESSION_LEVEL) as tar:
            for source in sources:
                tar.add(source, source.name, filter=self._filtered)

    def _filtered(self, member: tarfile.TarInfo) -> tarfile.TarInfo | None:
        """A member without its owner; nothing for what must not be in an archive that others unpack."""
        inside = not member.issym() or _stays_inside(member)
        if not inside or not (member.isfile() or member.isdir() or member.issym() or member.islnk()):
            self.left_out.append(member.name)
            return None
        member.uid = member.gid = 0
        member.uname = member.gname = ""
        member.mode &= ~(stat.S_ISUID | stat.S_ISGID)
        return member


def files_below(folder: Path) -> Iterator[Path]:
    """Every file below a folder; links are no files."""
    for parent, _, names in os.walk(folder):
        for name in sorted(names):
            path = Path(parent, name)
            if _is_file(path):
                yield path


def _is_file(path: Path) -> bool:
    """Whether this is a file itself, not a link to one."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except FileNotFoundError:
        return False


def _stays_inside(member: tarfile.TarInfo) -> bool:
    target = os.path.normpath(os.path.join(os.path.dirname(member.name), member.linkname))  # noqa: PTH118, PTH120 - a name in an archive
    return not member.linkname.startswith("/") and target.split("/")[0] != ".."
