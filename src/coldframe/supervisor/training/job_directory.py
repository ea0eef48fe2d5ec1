"""A training job's working directory: what of it becomes /opt/ml, and how it goes away."""

import os
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path

ML_FOLDERS = ("input/config", "input/data", "input/source", "model", "output/data", "checkpoints", "code")


@dataclass(frozen=True)
class JobDirectory:
    """The folders of one job."""

    path: Path

    @property
    def ml(self) -> Path:
        """What the worker sees as /opt/ml."""
        return self.path / "ml"

    @property
    def scratch(self) -> Path:
        """The worker's own folder: /tmp and upper layers."""
        return self.path / "scratch"

    @property
    def channels(self) -> Path:
        """Folders of hard links to the stored bytes of input data, one for each channel."""
        return self.path / "channels"

    @property
    def archives(self) -> Path:
        """What is to be uploaded."""
        return self.path / "archives"

    def folder(self, name: str) -> Path | None:
        """A folder of the worker's, such as `output/data`; nothing if the script took it away.

        Nothing either if it put a link in its place: that would lead to files of the host that the worker never saw.
        """
        path = self.ml
        for part in name.split("/"):
            path /= part
            if path.is_symlink() or not path.is_dir():
                return None
        return path

    def prepare(self) -> None:
        """Make it anew, empty."""
        self.remove()
        for folder in (self.scratch, self.channels, self.archives, *(self.ml / name for name in ML_FOLDERS)):
            folder.mkdir(parents=True, mode=0o755)

    def remove(self) -> None:
        """Delete it, whatever the worker did to it."""
        if self.path.exists():
            shutil.rmtree(self.path, onerror=_make_removable)


def _make_removable(_function: object, path: str, _error: object) -> None:
    """A script may take away its own right to delete: give it back and try once more."""
    parent = Path(path).parent
    for folder in (parent, Path(path)):
        if folder.is_dir() and not folder.is_symlink():
            folder.chmod(stat.S_IRWXU)
    if Path(path).is_dir() and not Path(path).is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        os.unlink(path)  # noqa: PTH108 - the same call as the one that failed
