"""Unpacks archives that strangers made: nothing of them lands outside the folder, and nothing fills the disk."""

import os
import posixpath
import tarfile
from pathlib import Path

LARGEST_UNPACKED_BYTES = 64 * 1024**3
"""More than any model that one machine serves; less than it takes to call a disk filled by accident."""
MOST_MEMBERS = 1_000_000

_FILTER_ERRORS: tuple[type[Exception], ...] = (tarfile.FilterError,) if hasattr(tarfile, "FilterError") else ()


class ArchiveRefusedError(ValueError):
    """An archive that is broken, or that would write where it must not; the message is for whoever made it."""


def unpack(
    archive: Path,
    folder: Path,
    largest_bytes: int = LARGEST_UNPACKED_BYTES,
    most_members: int = MOST_MEMBERS,
) -> None:
    """Unpack a tar archive, compressed or not, into a folder.

    Files, folders, and links that stay inside are made; owners and special permission bits are not taken over.

    Raises:
        ArchiveRefusedError: it is no archive, is cut short, has an absolute path, `..`, a link that leads out, a
            device, or more than is allowed. What was unpacked before that is left for the caller to remove.
    """
    folder.mkdir(parents=True, exist_ok=True)
    unpacked_bytes = 0
    try:
        with tarfile.open(archive, "r:*") as members:
            for count, member in enumerate(members, start=1):
                unpacked_bytes += member.size
                if count > most_members or unpacked_bytes > largest_bytes:
                    raise ArchiveRefusedError(
                        f"the archive is too large: more than {largest_bytes} bytes or {most_members} members"
                    )
                _check(member)
                _extract(members, member, folder)
            _read_to_the_end(members, largest_bytes)
    except ArchiveRefusedError:
        raise
    except _FILTER_ERRORS as error:
        raise ArchiveRefusedError(f"the archive is not safe to unpack: {error}") from error
    except Exception as error:  # each decompressor has errors of its own
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk's fault, not the archive's; a broken gzip stream has no errno
        reason, _, _ = str(error).partition("\n")  # tarfile lists every compression that it is not
        raise ArchiveRefusedError(f"the archive cannot be read: {reason.rstrip(':')}") from error


def _extract(members: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    """Unpack one member, by tarfile's own filter where there is one: Python 3.11 has it only from 3.11.4 on."""
    if hasattr(tarfile, "data_filter"):
        members.extract(member, folder, filter="data")
        return
    root = os.path.realpath(folder)
    places = [os.path.join(root, member.name)]
    if member.issym():
        places.append(os.path.join(os.path.dirname(places[0]), member.linkname))
    elif member.islnk():
        places.append(os.path.join(root, member.linkname))
    for place in places:  # as the links that are there by now lead
        if os.path.commonpath([root, os.path.realpath(place)]) != root:
            raise ArchiveRefusedError(f"the archive's member {member.name!r} leads out of the folder")
    member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
    member.uid, member.gid, member.uname, member.gname = os.getuid(), os.getgid(), "", ""
    members.extract(member, folder)


def _read_to_the_end(members: tarfile.TarFile, largest_bytes: int) -> None:
    """Read what follows the last member, since only there the compression's own check sum is compared."""
    rest = members.fileobj
    read_bytes = 0
    while rest is not None and read_bytes <= largest_bytes and (piece := rest.read(1 << 20)):
        read_bytes += len(piece)


def _check(member: tarfile.TarInfo) -> None:
    """Refuse what tarfile's own filter would mend in silence (a leading slash), or words less clearly."""
    names = [member.name]
    if member.islnk():
        names.append(member.linkname)
    elif member.issym():
        names.append(posixpath.join(posixpath.dirname(member.name), member.linkname))
    for name in names:
        if name.startswith("/") or posixpath.normpath(name).split("/")[0] == "..":
            raise ArchiveRefusedError(f"the archive's member {member.name!r} leads out of the folder")
    if not (member.isfile() or member.isdir() or member.islnk() or member.issym()):
        raise ArchiveRefusedError(f"the archive's member {member.name!r} is neither file, folder nor link")
