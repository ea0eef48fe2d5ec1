"""Where the demo's pictures come from: folders in several layouts, odd files among them, and a download."""

import functools
import http.server
import io
import threading
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from coldframe.cli.demo_download import fetch_udacity, unpack
from coldframe.cli.demo_pictures import PictureSet, example_directory, read_folder
from coldframe.cli.demo_workflow import SOURCE_FILES, plain_name
from coldframe.cli.failures import CommandFailure


def put(folder: Path, count: int, kind: str = "JPEG", suffix: str = ".jpg") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        Image.new("RGB", (32, 32), (number, 10, 20)).save(folder / f"{number}{suffix}", kind)


def counts(found: PictureSet) -> dict[str, int]:
    return dict(Counter(picture.split for picture in found.pictures))


@pytest.mark.parametrize("valid", ["valid", "val", "Validation"])
def test_read_folder_with_splits_keeps_them(tmp_path: Path, valid):
    for split, count in (("train", 4), (valid, 2), ("test", 3)):
        for breed in ("b", "a"):
            put(tmp_path / split / breed, count)
    found = read_folder(tmp_path, seed=1)
    assert counts(found) == {"train": 8, "valid": 4, "test": 6}
    assert found.breeds == ["a", "b"]
    assert {picture.key for picture in found.of("valid")} == {f"valid/{b}/{n}.jpg" for b in "ab" for n in (0, 1)}
    assert found.skipped == []


def test_read_folder_of_classes_splits_each_class_alike(tmp_path: Path):
    put(tmp_path / "poodle", 50)
    put(tmp_path / "beagle", 10, "PNG", ".PNG")
    found = read_folder(tmp_path, seed=1)
    for breed, whole in (("poodle", 50), ("beagle", 10)):
        shares = Counter(picture.split for picture in found.pictures if picture.breed == breed)
        assert shares.total() == whole
        assert shares["test"] == whole // 5
        assert 1 <= shares["valid"] <= whole // 8
    assert len({picture.path for picture in found.pictures}) == 60


def test_read_folder_same_seed_same_split(tmp_path: Path):
    for breed in "abc":
        put(tmp_path / breed, 12)
    assert read_folder(tmp_path, seed=1).pictures == read_folder(tmp_path, seed=1).pictures
    assert read_folder(tmp_path, seed=1).of("test") != read_folder(tmp_path, seed=2).of("test")


def test_read_folder_without_valid_takes_it_from_train(tmp_path: Path):
    for breed in "ab":
        put(tmp_path / "train" / breed, 10)
        put(tmp_path / "test" / breed, 2)
    assert counts(read_folder(tmp_path, seed=1)) == {"train": 18, "valid": 2, "test": 4}


def test_read_folder_without_test_keeps_valid_for_the_test(tmp_path: Path):
    for breed in "ab":
        put(tmp_path / "train" / breed, 10)
        put(tmp_path / "val" / breed, 3)
    found = read_folder(tmp_path, seed=1)
    assert {picture.path.parent.parent.name for picture in found.of("test")} == {"val"}
    assert counts(found) == {"train": 18, "valid": 2, "test": 6}


def test_read_folder_steps_into_a_lone_folder(tmp_path: Path):
    for split in ("train", "valid", "test"):
        for breed in "ab":
            put(tmp_path / "dogImages" / split / breed, 3)
    (tmp_path / "__MACOSX").mkdir()
    (tmp_path / ".cache").mkdir()
    assert read_folder(tmp_path, seed=1).breeds == ["a", "b"]


def test_read_folder_leaves_out_odd_files_and_says_which(tmp_path: Path):
    for breed in "ab":
        put(tmp_path / breed, 5)
    (tmp_path / "README.md").write_text("hello")
    (tmp_path / "a" / "Thumbs.db").write_bytes(b"x")
    (tmp_path / "a" / "page.jpg").write_text("<html>")
    (tmp_path / "a" / "empty.png").write_bytes(b"")
    (tmp_path / "a" / "dangling.jpg").symlink_to(tmp_path / "nowhere")
    put(tmp_path / "a" / "gif", 1, "GIF", ".jpg")
    Image.new("RGB", (1, 1)).save(tmp_path / "b" / "dot.png")
    moving = Image.new("RGB", (32, 32), "red")
    moving.save(tmp_path / "b" / "moving.webp", save_all=True, append_images=[Image.new("RGB", (32, 32), "blue")])
    found = read_folder(tmp_path, seed=1)
    assert len(found.pictures) == 10
    named = {Path(line.partition(": ")[0]).name for line in found.skipped}
    assert named == {
        "README.md", "Thumbs.db", "page.jpg", "empty.png", "dangling.jpg", "0.jpg", "dot.png", "moving.webp",
    }  # fmt: skip


def test_read_folder_leaves_out_classes_that_cannot_be_trained(tmp_path: Path):
    for split in ("train", "valid", "test"):
        for breed in "ab":
            put(tmp_path / split / breed, 3)
    put(tmp_path / "test" / "unknown", 2)
    found = read_folder(tmp_path, seed=1)
    assert found.breeds == ["a", "b"]
    assert len(found.skipped) == 2


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda folder: None, "is no folder"),
        (lambda folder: folder.mkdir(), "0 class"),
        (lambda folder: put(folder / "a", 9), "class"),
        (lambda folder: put(folder, 9), "0 class"),
        (lambda folder: [put(folder / name, 1) for name in "ab"], "too few"),
    ],
)
def test_read_folder_refuses_with_a_sentence(tmp_path: Path, make, says):
    make(tmp_path / "pictures")
    with pytest.raises(CommandFailure, match=says):
        read_folder(tmp_path / "pictures", seed=1)


@pytest.mark.parametrize(
    ("breed", "plain"),
    [
        ("005.Border_terrier", "Border terrier"),
        ("n02093754-Border_terrier", "Border terrier"),
        ("Shih-Tzu", "Shih-Tzu"),
        ("12.", "12."),
    ],
)
def test_plain_name_is_as_people_write_it(breed, plain):
    assert plain_name(breed) == plain


def test_example_is_beside_the_package():
    for name in (*SOURCE_FILES, "drawn_dogs.py"):
        assert (example_directory() / name).is_file()


@pytest.fixture
def web_server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A web server of files in a folder."""
    folder = tmp_path / "web"
    folder.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", folder
    server.shutdown()
    thread.join()
    server.server_close()


def archive(names: list[str]) -> bytes:
    content = io.BytesIO()
    jpeg = io.BytesIO()
    Image.new("RGB", (32, 32)).save(jpeg, "JPEG")
    with zipfile.ZipFile(content, "w") as written:
        for name in names:
            written.writestr(name, jpeg.getvalue())
    return content.getvalue()


def test_fetch_udacity_downloads_once(tmp_path: Path, web_server):
    url, folder = web_server
    names = [
        f"dogImages/{split}/00{n}.Breed{n}/{p}.jpg"
        for split in ("train", "valid", "test")
        for n in (1, 2)
        for p in (1, 2)
    ]
    (folder / "dogImages.zip").write_bytes(archive([*names, "__MACOSX/dogImages/._x"]))
    seen: list[tuple[int, int]] = []
    found = fetch_udacity(lambda done, total: seen.append((done, total)), f"{url}/dogImages.zip", tmp_path / "cache")
    assert seen[-1][0] == seen[-1][1] > 0
    assert read_folder(found, seed=1).breeds == ["001.Breed1", "002.Breed2"]
    (folder / "dogImages.zip").unlink()
    assert fetch_udacity(lambda done, total: None, f"{url}/dogImages.zip", tmp_path / "cache") == found


def test_fetch_udacity_without_internet_says_what_else_can_be_done(tmp_path: Path):
    with pytest.raises(CommandFailure, match=r"internet connection.*draws its own dogs.*--data DIR"):
        fetch_udacity(lambda done, total: None, "http://127.0.0.1:9/dogImages.zip", tmp_path)
    assert not list(tmp_path.glob("*.part"))


def test_fetch_udacity_of_a_damaged_archive_removes_it(tmp_path: Path, web_server):
    url, folder = web_server
    (folder / "dogImages.zip").write_bytes(archive(["a/b.jpg"])[:-30])
    with pytest.raises(CommandFailure, match="damaged"):
        fetch_udacity(lambda done, total: None, f"{url}/dogImages.zip", tmp_path / "cache")
    assert not (tmp_path / "cache" / "dogImages.zip").exists()
    assert not (tmp_path / "cache" / "dogImages").exists()


@pytest.mark.parametrize("name", ["../out.jpg", "/etc/out.jpg", "dogImages/../../out.jpg"])
def test_unpack_refuses_paths_outside(tmp_path: Path, name):
    (tmp_path / "evil.zip").write_bytes(archive(["dogImages/train/a/1.jpg", name]))
    with pytest.raises(CommandFailure, match="outside"):
        unpack(tmp_path / "evil.zip", tmp_path / "in" / "dogImages")
    assert not list(tmp_path.rglob("out.jpg"))
    assert not (tmp_path / "in").exists()
