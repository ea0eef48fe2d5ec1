"""Fetches the public dog pictures of Udacity's course, once, and unpacks them safely."""

import os
import shutil
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from coldframe.cli.failures import CommandFailure

URL = "https://s3-us-west-1.amazonaws.com/udacity-aind/dog-project/dogImages.zip"
MOST_UNPACKED_BYTES = 4 * 1024**3
MOST_MEMBERS = 50_000
PIECE_BYTES = 1024 * 1024

OnProgress = Callable[[int, int], None]


def cache_directory() -> Path:
    """Where downloads are kept: below XDG_CACHE_HOME, or ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base else Path.home() / ".cache") / "coldframe"


def fetch_udacity(on_progress: OnProgress, url: str = URL, cache: Path | None = None) -> Path:
    """The folder with the unpacked pictures; downloaded only if it is not there yet.

    Args:
        on_progress: is told how many bytes of how many are done.
        url: where the archive is.
        cache: where to keep it.
    """
    folder = (cache or cache_directory()) / "dogImages"
    if folder.is_dir():
        return folder
    archive = folder.with_suffix(".zip")
    archive.parent.mkdir(parents=True, exist_ok=True)
    if not archive.exists():
        _download(url, archive, on_progress)
    unpack(archive, folder)
    archive.unlink()
    return folder


def _download(url: str, archive: Path, on_progress: OnProgress) -> None:
    part = archive.with_suffix(".part")
    try:
        with urllib.request.urlopen(url, timeout=30) as answer, part.open("wb") as file:  # noqa: S310 - ours, or a test's
            total = int(answer.headers.get("Content-Length") or 0)
            done = 0
            while piece := answer.read(PIECE_BYTES):
                file.write(piece)
                done += len(piece)
                on_progress(done, max(total, done))
        if total and done != total:
            raise OSError(f"only {done} of {total} bytes came")
    except (OSError, urllib.error.URLError) as error:
        part.unlink(missing_ok=True)
        reason = getattr(error, "reason", None) or error
        raise CommandFailure(
            f"{url} could not be downloaded ({reason}): it needs an internet connection. Without one, `coldframe demo`"
            " draws its own dogs, and `coldframe demo --data DIR` takes pictures of yours."
        ) from None
    part.replace(archive)


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a ZIP file, refusing one that would write elsewhere or grow without end."""
    beside = folder.with_suffix(".new")
    shutil.rmtree(beside, ignore_errors=True)
    try:
        with zipfile.ZipFile(archive) as content:
            members = [member for member in content.infolist() if not member.is_dir()]
            _refuse_dangerous(members)
            for member in members:
                if not member.filename.startswith("__MACOSX/"):
                    content.extract(member, beside)
    except (zipfile.BadZipFile, EOFError) as error:
        archive.unlink()
        raise CommandFailure(f"{archive} is damaged ({error}) and was removed; run the command again.") from None
    beside.replace(folder)


def _refuse_dangerous(members: list[zipfile.ZipInfo]) -> None:
    size = sum(member.file_size for member in members)
    if size > MOST_UNPACKED_BYTES or len(members) > MOST_MEMBERS:
        raise CommandFailure(
            f"the archive would unpack to {size:,} bytes in {len(members):,} files, which is too much."
        )
    for member in members:
        path = PurePosixPath(member.filename)
        if path.is_absolute() or ".." in path.parts:
            raise CommandFailure(f"the archive holds {member.filename!r}, which would be written outside its folder.")
