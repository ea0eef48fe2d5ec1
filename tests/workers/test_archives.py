"""Unpacking archives that strangers made."""

import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from coldframe.workers.archives import ArchiveRefusedError, unpack
from model_servers import model_archive


def written(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "archive"
    path.write_bytes(content)
    return path


def archive_of(*members: tarfile.TarInfo) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for member in members:
            archive.addfile(member, io.BytesIO(b"\0" * member.size))
    return buffer.getvalue()


def member(
    name: str, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 0, mode: int = 0o644
) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size, info.mode = kind, link, size, mode
    return info


def test_unpack_makes_files_folders_and_links_that_stay_inside(tmp_path: Path) -> None:
    archive = model_archive({"./a/b": "one", "c": b""}, links={"a/link": "../c", "a/here": "b"})
    unpack(written(tmp_path, archive), tmp_path / "out")
    assert (tmp_path / "out/a/b").read_text() == "one"
    assert (tmp_path / "out/a/link").read_bytes() == b""
    assert (tmp_path / "out/a/here").read_text() == "one"


@pytest.mark.parametrize(
    "hostile",
    [
        member("../out"),
        member("a/../../out"),
        member("/etc/passwd"),
        member("link", tarfile.SYMTYPE, "../.."),
        member("link", tarfile.SYMTYPE, "/etc"),
        member("a/link", tarfile.SYMTYPE, "../../x"),
        member("hard", tarfile.LNKTYPE, "../../etc/passwd"),
        member("hard", tarfile.LNKTYPE, "/etc/passwd"),
        member("pipe", tarfile.FIFOTYPE),
        member("device", tarfile.CHRTYPE),
    ],
    ids=lambda info: f"{info.name}-{info.type.decode()}-{info.linkname}",
)
def test_unpack_refuses_what_leads_out(tmp_path: Path, hostile: tarfile.TarInfo) -> None:
    inside = tmp_path / "deep" / "out"
    with pytest.raises(ArchiveRefusedError):
        unpack(written(tmp_path, archive_of(hostile)), inside)
    assert {path.name for path in tmp_path.iterdir()} == {"archive", "deep"}
    assert list(inside.iterdir()) == []


def test_unpack_refuses_a_file_through_a_link_made_before(tmp_path: Path) -> None:
    first, second = member("here", tarfile.SYMTYPE, "."), member("here/../../x")
    with pytest.raises(ArchiveRefusedError, match="leads out"):
        unpack(written(tmp_path, archive_of(first, second)), tmp_path / "out")


def test_unpack_refuses_more_than_is_allowed_before_writing_it(tmp_path: Path) -> None:
    archive = written(tmp_path, archive_of(member("a", size=600), member("b", size=600)))
    with pytest.raises(ArchiveRefusedError, match="too large"):
        unpack(archive, tmp_path / "out", largest_bytes=1000)
    assert not (tmp_path / "out/b").exists()
    with pytest.raises(ArchiveRefusedError, match="too large"):
        unpack(archive, tmp_path / "out2", most_members=1)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda content: b"",
        lambda content: b"no archive at all",
        lambda content: content[: len(content) // 2],
        lambda content: content[:100] + os.urandom(64) + content[164:],
    ],
    ids=["empty", "text", "cut", "garbled"],
)
def test_unpack_refuses_a_broken_archive(tmp_path: Path, spoil: Callable[[bytes], bytes]) -> None:
    content = model_archive({"a": os.urandom(20_000)})
    with pytest.raises(ArchiveRefusedError, match="cannot be read"):
        unpack(written(tmp_path, spoil(content)), tmp_path / "out")


def test_unpack_takes_over_neither_owner_nor_set_user_id(tmp_path: Path) -> None:
    hostile = member("program", mode=0o6777)
    hostile.uid = 12345
    unpack(written(tmp_path, archive_of(hostile)), tmp_path / "out")
    status = (tmp_path / "out/program").stat()
    assert status.st_uid == os.getuid()
    assert status.st_mode & 0o6022 == 0


def test_unpack_without_a_filter_of_tarfile_refuses_a_path_through_a_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python before 3.11.4, as Debian 12 has it: each step of this path stays inside by its text alone."""
    monkeypatch.delattr(tarfile, "data_filter", raising=False)
    archive = tmp_path / "archive.tar"
    with tarfile.open(archive, "w") as made:
        link = tarfile.TarInfo("folder/up")
        link.type, link.linkname = tarfile.SYMTYPE, ".."
        made.addfile(link)
        made.addfile(tarfile.TarInfo("folder/up/../outside"))
    with pytest.raises(ArchiveRefusedError, match="leads out"):
        unpack(archive, tmp_path / "into")
    assert not (tmp_path / "outside").exists()


def test_unpack_without_a_filter_of_tarfile_takes_no_special_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(tarfile, "data_filter", raising=False)
    archive = tmp_path / "archive.tar"
    with tarfile.open(archive, "w") as made:
        member = tarfile.TarInfo("program")
        member.mode, member.uid, member.uname = 0o6777, 12345, "somebody"
        made.addfile(member)
    unpack(archive, tmp_path / "into")
    status = (tmp_path / "into" / "program").stat()
    assert (status.st_mode & 0o7777, status.st_uid) == (0o755, os.getuid())
