"""What a drawn dog can look like: traits of a breed, proportions, and how one dog holds itself."""

from dataclasses import dataclass

from dog_canvas import Colour

WHITE: Colour = (243, 239, 230)
BLACK: Colour = (52, 49, 52)
NOSE: Colour = (40, 34, 36)
TONGUE: Colour = (226, 112, 122)
TAN: Colour = (196, 134, 74)


@dataclass(frozen=True)
class Build:
    """A dog's proportions; the lengths are shares of a standing dog's height at the withers, the head's is a radius."""

    leg: float
    depth: float
    length: float
    head: float
    bone: float
    """How thick the legs are: half the width of a leg."""


HAIR = {"smooth": 0.035, "shaggy": 0.085, "curly": 0.10}
"""How long the hair of a kind of fur is, as a share of the height at the withers."""

BUILDS = {
    "small": Build(0.30, 0.40, 0.72, 0.37, 0.075),
    "middle": Build(0.45, 0.44, 0.96, 0.295, 0.066),
    "large": Build(0.60, 0.48, 1.10, 0.27, 0.068),
    "low": Build(0.17, 0.38, 1.36, 0.30, 0.088),
    "stocky": Build(0.34, 0.52, 0.94, 0.36, 0.112),
}


@dataclass(frozen=True)
class Traits:
    """What one dog looks like."""

    ears: str
    """`pricked`, `bat`, `folded` or `hanging`."""
    muzzle: str
    """`long`, `blunt` or `bearded`."""
    fur: str
    """`smooth`, `shaggy` or `curly`."""
    pattern: str
    """`plain`, `saddle`, `patches`, `mask`, `bib` or `spots`."""
    build: str
    """One of BUILDS."""
    tail: str
    """`whip`, `plume`, `curled` or `stub`."""
    coat: Colour
    second: Colour
    """The colour of patches, saddle, mask or spots."""


@dataclass(frozen=True)
class Pose:
    """How it holds itself, and what it wears."""

    posture: str
    """`sitting`, `standing` or `portrait`."""
    yaw: float
    """Where the face is turned: -1 left, 1 right."""
    tilt: float
    """How the head is tilted, in radians."""
    mouth_open: bool
    asleep: bool
    collar: Colour | None
    wag: float
    """The tail's lift: 0 low, 1 high."""
