"""Draws a labelled set of pictures of dogs of invented breeds: drawings, made so that no photograph is needed.

    python drawn_dogs.py --output pictures --per-breed 60 --seed 7

Twelve breeds differ in ears, muzzle, fur, pattern, build, tail and colours; every single trait is shared by several of
them, so that only traits taken together tell them apart. Pose, light, scale, place and collar say nothing of a breed.
"""

import argparse
import math
import os
import random
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from dog_canvas import Canvas, Colour, Frame, oval, shade
from dog_figure import Dog
from dog_scene import light_up, paint_scene
from dog_traits import BLACK, BUILDS, TAN, WHITE, Pose, Traits
from PIL import Image, ImageDraw, ImageFilter

SIDE_PIXELS = 256
DRAWN_PIXELS = 416  # drawn larger and made smaller, so that edges are soft

CREAM: Colour = (228, 204, 164)
GOLD: Colour = (212, 158, 88)
RUST: Colour = (168, 92, 52)
BROWN: Colour = (112, 74, 52)
GREY: Colour = (140, 140, 146)
COLLARS: tuple[Colour, ...] = (
    (196, 52, 52),
    (46, 96, 170),
    (54, 140, 90),
    (230, 170, 50),
    (130, 70, 150),
    (40, 40, 44),
)


@dataclass(frozen=True)
class Breed:
    """An invented breed: what all its dogs share, and the colours in which they come (coat, second colour)."""

    name: str
    ears: str
    muzzle: str
    fur: str
    pattern: str
    build: str
    tail: str
    colours: tuple[tuple[Colour, Colour], ...]


# Two of them, Ditchley and Moorgate, can hardly be told apart in a portrait: build and tail are out of the picture.
BREEDS = (
    Breed(
        "Bellmarket_Bulldog",
        "folded",
        "blunt",
        "smooth",
        "bib",
        "stocky",
        "stub",
        ((GOLD, WHITE), (GREY, WHITE), (RUST, WHITE)),
    ),
    Breed(
        "Ditchley_Dachs",
        "hanging",
        "long",
        "smooth",
        "saddle",
        "low",
        "whip",
        ((RUST, BLACK), (GOLD, BROWN), (TAN, BLACK)),
    ),
    Breed(
        "Fenwick_Pointer",
        "hanging",
        "long",
        "smooth",
        "patches",
        "large",
        "whip",
        ((WHITE, RUST), (WHITE, BROWN), (WHITE, BLACK)),
    ),
    Breed(
        "Harrow_Spitz",
        "pricked",
        "long",
        "shaggy",
        "plain",
        "middle",
        "curled",
        ((CREAM, CREAM), (GOLD, GOLD), (WHITE, WHITE), (GREY, GREY)),
    ),
    Breed(
        "Kelder_Wolfdog",
        "pricked",
        "long",
        "shaggy",
        "bib",
        "large",
        "plume",
        ((GREY, WHITE), (BLACK, WHITE), (RUST, WHITE)),
    ),
    Breed(
        "Lantern_Pug",
        "bat",
        "blunt",
        "smooth",
        "mask",
        "stocky",
        "curled",
        ((CREAM, BLACK), (GOLD, BLACK), (GREY, BLACK)),
    ),
    Breed(
        "Moorgate_Hound",
        "hanging",
        "long",
        "smooth",
        "saddle",
        "middle",
        "plume",
        ((GOLD, BLACK), (TAN, BLACK), (RUST, BROWN)),
    ),
    Breed(
        "Mudlark_Terrier",
        "folded",
        "bearded",
        "shaggy",
        "saddle",
        "low",
        "stub",
        ((GOLD, BLACK), (TAN, GREY), (CREAM, BROWN)),
    ),
    Breed(
        "Otterby_Spaniel",
        "hanging",
        "blunt",
        "curly",
        "patches",
        "middle",
        "plume",
        ((WHITE, RUST), (WHITE, BLACK), (WHITE, BROWN)),
    ),
    Breed(
        "Peddlers_Plume",
        "bat",
        "long",
        "shaggy",
        "patches",
        "small",
        "plume",
        ((WHITE, RUST), (WHITE, BLACK), (WHITE, GOLD)),
    ),
    Breed(
        "Thimble_Curl",
        "hanging",
        "blunt",
        "curly",
        "plain",
        "small",
        "stub",
        ((CREAM, CREAM), (BROWN, BROWN), (BLACK, BLACK), (GREY, GREY)),
    ),
    Breed(
        "Wooldale_Poodle",
        "hanging",
        "bearded",
        "curly",
        "plain",
        "large",
        "curled",
        ((BLACK, BLACK), (BROWN, BROWN), (CREAM, CREAM), (GREY, GREY)),
    ),
)


def draw_dog(breed: Breed, seed: int) -> Image.Image:
    """One picture of a dog of this breed; the same seed draws the same picture."""
    chance = random.Random(seed)
    size = DRAWN_PIXELS
    horizon = chance.uniform(0.45, 0.72)
    image = paint_scene(size, horizon, chance)
    coat, second = chance.choice(breed.colours)
    traits = Traits(
        breed.ears,
        breed.muzzle,
        breed.fur,
        breed.pattern,
        breed.build,
        breed.tail,
        _vary(coat, chance),
        _vary(second, chance),
    )
    pose = _pose(chance)
    frame = _frame(breed, pose, size, horizon, chance)
    if pose.posture != "portrait":
        _shadow(image, frame, BUILDS[breed.build].length if pose.posture == "standing" else 0.6)
    Dog(Canvas(image, chance, chance.choice((-1.0, 1.0))), traits, pose, chance).paint(frame)
    small = image.resize((SIDE_PIXELS, SIDE_PIXELS), Image.Resampling.BILINEAR)
    lit = light_up(small, chance, np.random.default_rng(seed))
    return lit.filter(ImageFilter.GaussianBlur(0.7)) if chance.random() < 0.25 else lit


def _vary(colour: Colour, chance: random.Random) -> Colour:
    if colour in {WHITE, BLACK}:
        return colour
    varied = shade(colour, chance.uniform(0.86, 1.14))
    return tuple(max(0, min(255, value + chance.randrange(-6, 7))) for value in varied)


def _pose(chance: random.Random) -> Pose:
    return Pose(
        posture=chance.choices(("sitting", "standing", "portrait"), (4, 4, 2))[0],
        yaw=chance.uniform(-0.9, 0.9),
        tilt=chance.gauss(0, 0.12),
        mouth_open=chance.random() < 0.4,
        asleep=chance.random() < 0.07,
        collar=chance.choice(COLLARS) if chance.random() < 0.6 else None,
        wag=chance.random(),
    )


def _frame(breed: Breed, pose: Pose, size: int, horizon: float, chance: random.Random) -> Frame:
    """Where the dog stands, and how large it is in the picture."""
    build = BUILDS[breed.build]
    mirrored = chance.random() < 0.5
    if pose.posture == "portrait":
        return Frame(
            size * chance.uniform(0.40, 0.60),
            size * chance.uniform(0.84, 0.95),
            size * chance.uniform(0.19, 0.25) / build.head,
            0,
            mirrored,
        )
    height = build.leg + build.depth + build.head * 2.3
    width = build.length + 0.75 if pose.posture == "standing" else 1.0
    scale = size * chance.uniform(0.64, 0.92) / max(height, width)
    room = max(0.02, 0.5 - width * scale / size / 2)
    feet = max(size * (horizon + 0.12), size * 0.08 + height * scale)
    feet = min(size * 0.97, feet + chance.uniform(0, 0.12) * size)
    return Frame(size * (0.5 + chance.uniform(-room, room)), feet, scale, chance.gauss(0, 0.025), mirrored)


def _shadow(image: Image.Image, frame: Frame, length: float) -> None:
    """The soft shadow that sets the dog on the ground."""
    mask = Image.new("L", (image.width // 4, image.height // 4))
    spot = frame.place(oval(0, 0, length * 0.56 + 0.1, 0.085))
    ImageDraw.Draw(mask).polygon([(x / 4, y / 4) for x, y in spot], fill=130)
    mask = mask.filter(ImageFilter.GaussianBlur(2.5)).resize(image.size)
    image.paste((28, 26, 34), (0, 0), mask)


def split_of(number: int, per_breed: int) -> str:
    """In which split a breed's so many-th picture belongs: 64 % train, 12 % valid, 24 % test, at least one each."""
    valid, test = max(1, math.floor(per_breed * 0.12)), max(1, math.floor(per_breed * 0.24))
    if number < test:
        return "test"
    return "valid" if number < test + valid else "train"


def _draw_file(task: tuple[Breed, int, Path]) -> None:
    breed, seed, path = task
    draw_dog(breed, seed).save(path, quality=88)


def draw_set(output: Path, per_breed: int, seed: int, processes: int | None = None) -> int:
    """Draw train/BREED/*.jpg, valid/... and test/...; the number of pictures."""
    tasks = []
    for row, breed in enumerate(BREEDS):
        for number in range(per_breed):
            folder = output / split_of(number, per_breed) / breed.name
            folder.mkdir(parents=True, exist_ok=True)
            tasks.append(
                (breed, seed * 1_000_003 + row * 10_007 + number, folder / f"{breed.name.lower()}_{number:04d}.jpg")
            )
    with ProcessPoolExecutor(processes or len(os.sched_getaffinity(0))) as pool:
        for done, _ in enumerate(pool.map(_draw_file, tasks, chunksize=8), start=1):
            if done % 24 == 0 or done == len(tasks):
                print(f"drawn={done}/{len(tasks)}", flush=True)
    return len(tasks)


def main() -> None:
    """Draw a set from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--per-breed", type=int, default=60)
    parser.add_argument("--seed", type=int, default=7)
    chosen = parser.parse_args()
    if chosen.per_breed < 3:
        parser.error("--per-breed needs at least 3: one picture each to train, to choose and to test with")
    draw_set(chosen.output, chosen.per_breed, chosen.seed)


if __name__ == "__main__":
    main()
