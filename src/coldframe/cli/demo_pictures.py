"""The labelled pictures that the demo trains on: its own drawings, a folder of yours, or a public set."""

import random
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from coldframe.cli.demo_server import stop_with_children
from coldframe.cli.failures import CommandFailure

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
FORMATS = {"JPEG", "PNG", "WEBP"}
SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "valid": "valid",
    "val": "valid",
    "validation": "valid",
    "test": "test",
    "testing": "test",
}
SHARES = {"valid": 0.12, "test": 0.2}
"""What is taken from a class's pictures for choosing the best epoch and for the final test, where we split."""


@dataclass(frozen=True)
class Picture:
    """One labelled picture."""

    path: Path
    breed: str
    split: str
    """`train`, `valid` or `test`."""
    name: str
    """Its place below split and breed, for its key in the bucket."""

    @property
    def key(self) -> str:
        """Its key in the bucket, below the training channel's prefix."""
        return f"{self.split}/{self.breed}/{self.name}"


@dataclass
class PictureSet:
    """All pictures of a demo."""

    pictures: list[Picture] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    """Files that are no pictures, each with the reason."""
    drawn: bool = False

    @property
    def breeds(self) -> list[str]:
        """All classes, sorted."""
        return sorted({picture.breed for picture in self.pictures})

    def of(self, split: str) -> list[Picture]:
        """The pictures of one split."""
        return [picture for picture in self.pictures if picture.split == split]


def example_directory() -> Path:
    """Where the example's code lies: the same place in a checkout (by a link) and in an installed package."""
    return Path(__file__).resolve().parent.parent / "examples" / "dog_breeds"


def draw_pictures(folder: Path, per_breed: int, seed: int, on_progress: Callable[[int, int], None]) -> PictureSet:
    """Draw dogs of invented breeds, in a process of its own."""
    program = [sys.executable, str(example_directory() / "drawn_dogs.py"), "--output", str(folder)]
    program += ["--per-breed", str(per_breed), "--seed", str(seed)]
    process = subprocess.Popen(
        program, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    try:
        for line in process.stdout or ():
            if line.startswith(b"drawn="):
                done, total = line.decode().strip().removeprefix("drawn=").split("/")
                on_progress(int(done), int(total))
        said = process.stderr.read().decode(errors="replace") if process.stderr else ""
        if process.wait() != 0:
            raise CommandFailure(
                f"the dogs could not be drawn: {said.strip().splitlines()[-1] if said else 'no reason'}"
            )
    finally:
        stop_with_children(process)
    found = read_folder(folder, seed)
    found.drawn = True
    return found


def read_folder(folder: Path, seed: int) -> PictureSet:
    """Find the labelled pictures in a tree of folders, one for each class.

    Args:
        folder: holds train/CLASS, valid/CLASS and test/CLASS (valid or test may lack), or CLASS folders alone.
        seed: decides which pictures go where when we split them.
    """
    if not folder.is_dir():
        raise CommandFailure(f"{folder} is no folder; give --data a folder with one subfolder for each class.")
    root = _unwrap(folder)
    found = PictureSet()
    given = {SPLIT_NAMES[entry.name.lower()]: entry for entry in _folders(root) if entry.name.lower() in SPLIT_NAMES}
    if "train" in given:
        for split, place in given.items():
            _read_classes(place, split, found)
    else:
        _read_classes(root, "train", found)
    _drop_unreadable(found)
    present = {picture.split for picture in found.pictures}
    if "test" not in present and "valid" in present:  # two parts were given: the second is for the test
        found.pictures = [
            _moved(picture, "test") if picture.split == "valid" else picture for picture in found.pictures
        ]
    for split in ("test", "valid"):
        if not found.of(split):
            _take_from_train(found, split, seed)
    _check(found, folder)
    return found


def _unwrap(folder: Path) -> Path:
    """Step into folders that hold nothing but one other folder, as unpacked archives have them."""
    inside = _folders(folder)
    while len(inside) == 1 and not any(_is_picture_name(entry) for entry in inside[0].iterdir()):
        folder = inside[0]
        inside = _folders(folder)
    return folder


def _folders(folder: Path) -> list[Path]:
    return sorted(entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith((".", "__")))


def _is_picture_name(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES


def _read_classes(place: Path, split: str, found: PictureSet) -> None:
    found.skipped += [f"{entry}: lies in no class's folder" for entry in sorted(place.iterdir()) if entry.is_file()]
    for breed in _folders(place):
        for path in sorted(breed.rglob("*")):
            if path.is_dir():
                continue
            if _is_picture_name(path):
                found.pictures.append(Picture(path, breed.name, split, path.relative_to(breed).as_posix()))
            else:
                found.skipped.append(f"{path}: no .jpg, .png or .webp")


def _drop_unreadable(found: PictureSet) -> None:
    with ThreadPoolExecutor(8) as pool:
        reasons = list(pool.map(lambda picture: _why_unreadable(picture.path), found.pictures))
    pairs = list(zip(found.pictures, reasons, strict=True))
    found.skipped += [f"{picture.path}: {reason}" for picture, reason in pairs if reason]
    found.pictures = [picture for picture, reason in pairs if not reason]


def _why_unreadable(path: Path) -> str:
    """Why a file is no still picture, from its header; nothing if it seems to be one."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as picture:
            if picture.format not in FORMATS:
                return f"a {picture.format} file"
            if getattr(picture, "n_frames", 1) > 1:
                return "it moves"
            return "" if min(picture.size) >= 16 else "smaller than 16 pixels"
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return "no picture inside"


def _moved(picture: Picture, split: str) -> Picture:
    return Picture(picture.path, picture.breed, split, picture.name)


def _take_from_train(found: PictureSet, split: str, seed: int) -> None:
    """Move a share of each class's training pictures to another split: the same ones for the same seed."""
    by_breed: dict[str, list[Picture]] = defaultdict(list)
    for picture in found.of("train"):
        by_breed[picture.breed].append(picture)
    taken: set[Path] = set()
    for breed, pictures in sorted(by_breed.items()):
        chance = random.Random(f"{seed}/{split}/{breed}")
        count = max(1, round(len(pictures) * SHARES[split])) if len(pictures) > 1 else 0
        taken |= {picture.path for picture in chance.sample(pictures, count)}
    found.pictures = [_moved(picture, split) if picture.path in taken else picture for picture in found.pictures]


def _check(found: PictureSet, folder: Path) -> None:
    """A set that cannot be trained on is refused before anything is started."""
    trained = {picture.breed for picture in found.of("train")}
    if len(trained) < 2:
        raise CommandFailure(
            f"{folder} holds pictures of {len(trained)} class(es); give a folder with at least 2 subfolders,"
            " each with the pictures of one class."
        )
    for split in ("valid", "test"):
        unknown = [picture for picture in found.of(split) if picture.breed not in trained]
        found.skipped += [f"{picture.path}: no picture of this class to train on" for picture in unknown]
    found.pictures = [picture for picture in found.pictures if picture.breed in trained]
    for split in ("valid", "test"):
        if not found.of(split):
            raise CommandFailure(f"{folder} has too few pictures: at least 3 of each class are needed.")
