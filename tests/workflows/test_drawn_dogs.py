"""The drawn dogs: the same for the same seed, many breeds, and none told by one trait alone."""

from collections import Counter
from pathlib import Path

import drawn_dogs
import pytest
from drawn_dogs import BREEDS, draw_dog, draw_set, split_of
from PIL import Image

TRAITS = ("ears", "muzzle", "fur", "pattern", "build", "tail")


def test_breeds_are_many_and_differ_in_several_traits():
    assert len(BREEDS) >= 8
    assert len({breed.name for breed in BREEDS}) == len(BREEDS)
    for first in BREEDS:
        for second in BREEDS:
            if first is not second:
                assert sum(getattr(first, trait) != getattr(second, trait) for trait in TRAITS) >= 2, (first, second)


@pytest.mark.parametrize("trait", TRAITS)
def test_a_single_trait_does_not_tell_the_breed(trait):
    counts = Counter(getattr(breed, trait) for breed in BREEDS)
    telling = sum(count for count in counts.values() if count == 1)
    assert telling <= 1, f"{trait} alone tells {telling} breeds: {counts}"
    assert len(counts) >= 3


def test_draw_dog_same_seed_same_picture():
    for breed in BREEDS:
        assert draw_dog(breed, 42).tobytes() == draw_dog(breed, 42).tobytes()


def test_draw_dog_other_seed_other_picture():
    assert len({draw_dog(BREEDS[0], seed).tobytes() for seed in range(6)}) == 6


def test_draw_set_is_the_same_in_any_number_of_processes(tmp_path):
    for processes in (1, 2):
        assert draw_set(tmp_path / str(processes), per_breed=3, seed=11, processes=processes) == 3 * len(BREEDS)
    for path in sorted((tmp_path / "1").rglob("*.jpg")):
        assert path.read_bytes() == (tmp_path / "2" / path.relative_to(tmp_path / "1")).read_bytes()


def test_draw_set_has_every_breed_in_every_split(drawn_dogs: Path):
    names = {breed.name for breed in BREEDS}
    for split in ("train", "valid", "test"):
        assert {folder.name for folder in (drawn_dogs / split).iterdir()} == names
    pictures = list(drawn_dogs.rglob("*.jpg"))
    assert len(pictures) == 6 * len(BREEDS)
    assert len({path.read_bytes() for path in pictures}) == len(pictures), "two pictures are the same"
    with Image.open(pictures[0]) as picture:
        assert picture.size == (drawn_dogs_side(), drawn_dogs_side())


def drawn_dogs_side() -> int:
    return drawn_dogs.SIDE_PIXELS


@pytest.mark.parametrize("per_breed", [3, 4, 10, 60])
def test_split_of_leaves_most_to_train(per_breed):
    counts = Counter(split_of(number, per_breed) for number in range(per_breed))
    assert counts["valid"] >= 1
    assert counts["test"] >= 1
    assert counts["train"] >= max(1, per_breed // 2 - 1)
