"""Makes everything ready that a training job reads: its channels, its source code, its configuration, checkpoints."""

import asyncio

from coldframe.state.object_writes import materialize
from coldframe.state.objects import find_object
from coldframe.state.state import State
from coldframe.state.training_jobs import TrainingJobRecord
from coldframe.supervisor.training.channels import ChannelFolder, InputRefusedError, split_uri
from coldframe.supervisor.training.checkpoints import Checkpoints
from coldframe.supervisor.training.configuration import channels_of, input_mode, write_configuration
from coldframe.supervisor.training.job_directory import JobDirectory
from coldframe.workers.specification import Bind
from coldframe.workers.train import SOURCE_ARCHIVE
from coldframe.workers.training_environment import decode


class Inputs:
    """What one job reads.

    Args:
        state: where the objects are.
        record: the job.
        directory: its working directory, prepared.
        isolated: whether workers see folders by binds; else the bytes are copied, so that no job can change a stored
            object.
    """

    def __init__(self, state: State, record: TrainingJobRecord, directory: JobDirectory, *, isolated: bool) -> None:
        self._state = state
        self._record = record
        self._directory = directory
        self._isolated = isolated

    async def fetch(self, checkpoints: Checkpoints | None) -> tuple[list[Bind], list[str]]:
        """Make all ready. Returns the binds of the channels, and what was fetched, for the log.

        Raises InputRefusedError where something that is named is not there, or cannot be given to a job.
        """
        await asyncio.to_thread(write_configuration, self._record, self._directory)
        await self._fetch_source()
        said: list[str] = []
        binds: list[Bind] = []
        for channel in channels_of(self._record):
            name = channel["ChannelName"]
            target = self._directory.ml / "input" / "data" / name
            await asyncio.to_thread(target.mkdir)
            source = self._directory.channels / name if self._isolated else target
            folder = ChannelFolder(self._state, source, copy=not self._isolated)
            await folder.fill(channel["DataSource"]["S3DataSource"])
            said.append(f"Channel {name}: {folder.files} files, {folder.size_bytes} bytes.")
            if self._isolated:
                mode = "ro" if input_mode(channel, self._record) == "FastFile" else "cow"
                binds.append(Bind(str(source), f"/opt/ml/input/data/{name}", mode))
        if checkpoints is not None and (restored := await checkpoints.restore()):
            said.append(f"Checkpoints: {restored} files are there already.")
        return binds, said

    async def _fetch_source(self) -> None:
        """Copy the source archive to where the worker looks for it."""
        request = self._record.request
        given = decode(request.get("HyperParameters", {}).get("sagemaker_submit_directory", ""))
        uri = str(request.get("Environment", {}).get("SAGEMAKER_SUBMIT_DIRECTORY") or given or "")
        if not uri.startswith("s3://"):
            return  # a folder that the worker has, or nothing
        bucket, key = split_uri(uri)
        record = self._state.database.read(lambda connection: find_object(connection, bucket, key))
        if record is None:
            raise InputRefusedError(f"sagemaker_submit_directory: there is no object {uri!r}")
        # A copy: the worker may write to this folder.
        await materialize(self._state, record, self._directory.ml.joinpath(*SOURCE_ARCHIVE), copy=True)
