"""Draws one dog from its traits: ears, muzzle, fur, pattern, build and tail, sitting, standing or as a portrait."""

import itertools
import random
from dataclasses import dataclass

from dog_canvas import Canvas, Colour, Frame, Marking, Point, blend, limb, oval, shade, smooth

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


class Dog:
    """One dog, ready to be drawn."""

    def __init__(self, canvas: Canvas, traits: Traits, pose: Pose, chance: random.Random) -> None:
        """Take all that is needed; nothing is drawn yet."""
        self.canvas = canvas
        self.traits = traits
        self.pose = pose
        self.chance = chance
        self.build = BUILDS[traits.build]
        self.base = WHITE if traits.pattern in {"patches", "spots"} else traits.coat
        self.marked_eye = chance.choice((-1, 1))
        hair = {"smooth": 0.035, "shaggy": 0.085, "curly": 0.10}[traits.fur]
        self.hair = hair

    def paint(self, frame: Frame) -> None:
        """Draw it standing on the frame's origin; one unit of the frame is its height at the withers."""
        if self.pose.posture == "standing":
            self._standing(frame)
        elif self.pose.posture == "sitting":
            self._sitting(frame)
        else:
            self._portrait(frame)

    # The body, from the side.

    def _standing(self, frame: Frame) -> None:
        build, canvas = self.build, self.canvas
        top, half = -(build.leg + build.depth), build.length / 2
        far = shade(self.base, 0.78)
        step = self.chance.uniform(-0.05, 0.05)
        self._leg(frame, half - 0.10 + step, far, front=True)
        self._leg(frame, -half + 0.17 - step, far, front=False)
        self._tail(frame, (-half + 0.02, top + 0.10), side=-1)
        torso = smooth(
            [
                (-half, top + 0.04),
                (-half * 0.4, top + 0.02),
                (half * 0.35, top + 0.01),
                (half + 0.02, top + 0.02),
                (half + 0.12, top + build.depth * 0.50),
                (half - 0.03, -build.leg + 0.05),
                (half * 0.3, -build.leg + 0.02),
                (-half * 0.35, -build.leg - build.depth * 0.14),
                (-half * 0.85, -build.leg - build.depth * 0.22),
                (-half - 0.08, top + build.depth * 0.40),
            ]
        )
        head = (half + 0.12, top - build.head * 0.52)
        canvas.part(
            frame, torso, self.base, fur=self.traits.fur, length=self.hair, markings=self._body_markings(half, top)
        )
        neck = limb(
            (half - 0.10, top + build.depth * 0.36),
            (head[0] - 0.02, head[1] + 0.05),
            build.depth * 0.38,
            build.head * 0.62,
        )
        neck_colour = (
            self.traits.second if self.traits.pattern == "saddle" and self.chance.random() < 0.3 else self.base
        )
        canvas.part(
            frame,
            neck,
            neck_colour,
            fur=self.traits.fur,
            length=self.hair,
            outline=False,
            markings=self._bib(half, top),
        )
        self._leg(frame, half - 0.02 - step, self.base, front=True)
        self._leg(frame, -half + 0.06 + step, self.base, front=False)
        if self.pose.collar:
            canvas.line(
                frame,
                [(half - 0.12, top - 0.03), (half + 0.06, top + 0.13), (half + 0.21, top + 0.10)],
                self.pose.collar,
                0.055,
            )
        self._head(frame.within(*head, build.head, self.pose.tilt))

    def _leg(self, frame: Frame, x: float, colour: Colour, front: bool) -> None:
        build, bone = self.build, self.build.bone
        hair = {"smooth": 0.0, "shaggy": 0.6, "curly": 0.8}[self.traits.fur] * self.hair
        foot = WHITE if self.traits.pattern == "bib" else colour
        if colour != self.base:
            foot = shade(foot, 0.85)
        options = {"fur": self.traits.fur, "length": hair, "strokes": 0.4}
        if front:
            shank = limb((x, -build.leg - 0.08), (x, -bone * 0.9), bone * 1.3, bone * 0.85)
            self.canvas.part(frame, shank, colour, edge_below=-build.leg + 0.02, **options)
        else:
            knee = (x - 0.05, -build.leg * 0.55)
            thigh = smooth(
                [
                    (x - 0.09, -build.leg - build.depth * 0.50),
                    (x + 0.13, -build.leg - build.depth * 0.30),
                    (x + 0.05, -build.leg * 0.55),
                    (x - 0.13, -build.leg * 0.52),
                    (x - 0.16, -build.leg - build.depth * 0.2),
                ]
            )
            self.canvas.part(frame, limb(knee, (x - 0.02, -bone * 0.9), bone * 0.95, bone * 0.8), colour, **options)
            self.canvas.part(frame, thigh, colour, edge_below=-build.leg - build.depth * 0.15, **options)
        self.canvas.part(frame, oval(x + 0.035, -bone * 0.55, bone * 1.35, bone * 0.62), foot, strokes=0)

    def _tail(self, frame: Frame, root: Point, side: int) -> None:
        lift, (x, y) = self.pose.wag, root
        shapes = {
            "stub": [(x - 0.06, y - 0.04), (x - 0.10, y - 0.10 - 0.05 * lift)],
            "whip": [(x - 0.10, y - 0.02), (x - 0.26, y + 0.06 - 0.30 * lift), (x - 0.40, y + 0.12 - 0.60 * lift)],
            "plume": [(x - 0.12, y + 0.02), (x - 0.28, y + 0.08 - 0.24 * lift), (x - 0.40, y + 0.06 - 0.46 * lift)],
            "curled": [(x - 0.10, y - 0.10), (x - 0.12, y - 0.28), (x + 0.04, y - 0.33), (x + 0.10, y - 0.20)],
        }
        width = {"stub": 0.06, "whip": 0.045, "plume": 0.10, "curled": 0.075}[self.traits.tail]
        fur = "shaggy" if self.traits.tail in {"plume", "curled"} and self.traits.fur != "curly" else self.traits.fur
        hair = 0.11 if fur == "shaggy" else self.hair
        colour = self.traits.second if self.traits.pattern in {"saddle", "patches"} else self.base
        path = [root, *shapes[self.traits.tail]]
        if side > 0:
            path = [(2 * root[0] - a, b) for a, b in path]
        for number, (start, end) in enumerate(itertools.pairwise(path)):
            taper = 1 - 0.18 * number
            self.canvas.part(
                frame,
                limb(start, end, width * taper, width * (taper - 0.18)),
                colour,
                fur=fur,
                length=hair,
                strokes=0.5,
                outline=fur == "smooth",
            )

    def _body_markings(self, half: float, top: float) -> list[Marking]:
        traits, depth, chance = self.traits, self.build.depth, self.chance
        if traits.pattern == "saddle":
            edge = [(-half - 0.2, top - 0.2), (half + 0.05, top - 0.2), (half * 0.75, top + depth * 0.34)]
            edge += [
                (half * 0.2, top + depth * 0.60),
                (-half * 0.4, top + depth * 0.58),
                (-half - 0.1, top + depth * 0.35),
            ]
            return [Marking(smooth(edge), traits.second)]
        if traits.pattern == "patches":
            return [
                Marking(
                    self._blot(
                        chance.uniform(-half, half * 0.9),
                        top + depth * chance.uniform(0.1, 0.6),
                        chance.uniform(0.13, 0.24),
                    ),
                    traits.second,
                )
                for _ in range(chance.choice((2, 3)))
            ]
        if traits.pattern == "spots":
            return [
                Marking(
                    self._blot(
                        chance.uniform(-half, half), top + depth * chance.uniform(0, 0.95), chance.uniform(0.02, 0.05)
                    ),
                    traits.second,
                )
                for _ in range(int(26 * self.build.length))
            ]
        if traits.pattern == "mask":
            return [Marking(oval(-half * 0.1, top, half * 1.1, depth * 0.16), blend(traits.coat, traits.second, 0.45))]
        return self._bib(half, top)

    def _bib(self, half: float, top: float) -> list[Marking]:
        if self.traits.pattern != "bib":
            return []
        depth = self.build.depth
        return [
            Marking(oval(half + 0.13, top + depth * 0.5, 0.16, depth * 0.55), WHITE),
            Marking(oval(half * 0.3, -self.build.leg, half, 0.06), WHITE),
        ]

    def _blot(self, x: float, y: float, size: float) -> list[Point]:
        chance = self.chance
        return smooth(
            [
                (x + size * a * chance.uniform(0.75, 1.25), y + size * b * chance.uniform(0.7, 1.2))
                for a, b in ((1, 0), (0.6, 0.8), (-0.5, 0.85), (-1, 0), (-0.5, -0.8), (0.6, -0.8))
            ]
        )

    # The body, from the front.

    def _sitting(self, frame: Frame) -> None:
        build, canvas, fur = self.build, self.canvas, self.traits.fur
        height = build.leg + build.depth + 0.06
        wide = 0.24 + build.bone * 0.9 + (0.03 if fur != "smooth" else 0)
        side = self.chance.choice((-1, 1))
        self._tail(frame, (side * wide * 0.9, -0.10), side=side)
        for flank in (-1, 1):
            canvas.part(
                frame,
                oval(flank * wide * 0.82, -height * 0.20, wide * 0.52, height * 0.21),
                shade(self.base, 0.9),
                fur=fur,
                length=self.hair,
                strokes=0.6,
            )
            canvas.part(frame, oval(flank * wide * 1.05, -0.045, build.bone * 1.7, 0.05), self._foot(), strokes=0)
        torso = smooth(
            [
                (0, -height),
                (wide * 0.62, -height * 0.90),
                (wide * 0.84, -height * 0.5),
                (wide * 0.80, -0.14),
                (0, -0.08),
                (-wide * 0.80, -0.14),
                (-wide * 0.84, -height * 0.5),
                (-wide * 0.62, -height * 0.90),
            ]
        )
        canvas.part(frame, torso, self.base, fur=fur, length=self.hair, markings=self._front_markings(wide, height))
        for leg in (-1, 1):
            x = leg * (build.bone * 1.15 + 0.015)
            column = limb((x * 1.1, -height * 0.52), (x, -0.07), build.bone * 1.1, build.bone * 0.92)
            canvas.part(
                frame,
                column,
                self.base,
                fur=fur,
                length=self.hair * 0.5,
                strokes=0.4,
                markings=[Marking(oval(x, -0.02, 0.2, height * 0.16), self._foot())],
            )
            canvas.part(frame, oval(x, -0.045, build.bone * 1.3, 0.055), self._foot(), strokes=0)
            for toe in (-0.35, 0.35):
                canvas.line(
                    frame,
                    [(x + toe * build.bone, -0.055), (x + toe * build.bone, -0.015)],
                    shade(self._foot(), 0.5),
                    0.012,
                )
        if self.pose.collar:
            band = [(-wide * 0.66, -height * 0.94), (0, -height * 0.83), (wide * 0.66, -height * 0.94)]
            canvas.line(frame, band, self.pose.collar, 0.06)
            canvas.flat(frame, oval(0, -height * 0.80, 0.03, 0.035), (232, 190, 80))
        self._head(frame.within(self.pose.yaw * 0.03, -height - build.head * 0.55, build.head, self.pose.tilt))

    def _foot(self) -> Colour:
        traits = self.traits
        return (
            WHITE
            if traits.pattern == "bib"
            else TAN
            if traits.pattern == "saddle" and traits.coat == BLACK
            else self.base
        )

    def _front_markings(self, wide: float, height: float) -> list[Marking]:
        traits, chance = self.traits, self.chance
        if traits.pattern == "bib":
            return [Marking(oval(0, -height * 0.62, wide * 0.42, height * 0.30), WHITE)]
        if traits.pattern == "saddle":
            return [
                Marking(oval(side * wide * 0.86, -height * 0.66, wide * 0.30, height * 0.34), traits.second)
                for side in (-1, 1)
            ]
        if traits.pattern == "patches":
            return [
                Marking(
                    self._blot(side * wide * 0.6, -height * chance.uniform(0.3, 0.8), chance.uniform(0.10, 0.18)),
                    traits.second,
                )
                for side in (-1, 1)
            ]
        if traits.pattern == "spots":
            return [
                Marking(
                    self._blot(
                        chance.uniform(-wide, wide), -height * chance.uniform(0.1, 1), chance.uniform(0.02, 0.042)
                    ),
                    traits.second,
                )
                for _ in range(16)
            ]
        return []

    def _portrait(self, frame: Frame) -> None:
        canvas, head = self.canvas, self.build.head
        half = [(0.9, -1.15), (1.3, 0.1), (1.5, 1.6)]
        chest = smooth([(0, -1.6), *half, *((-x, y) for x, y in reversed(half))])
        chest = [(x * head, y * head) for x, y in chest]
        markings = self._front_markings(head * 1.2, head * 1.7)
        canvas.part(frame, chest, self.base, fur=self.traits.fur, length=self.hair, markings=markings)
        if self.pose.collar:
            canvas.line(
                frame,
                [(-head * 0.92, -head * 1.1), (0, -head * 0.7), (head * 0.92, -head * 1.1)],
                self.pose.collar,
                0.07,
            )
            canvas.flat(frame, oval(0, -head * 0.58, 0.035, 0.04), (232, 190, 80))
        self._head(frame.within(0, -head * 1.75, head, self.pose.tilt))

    # The head, in units of its own radius, seen from the front, turned a little.

    def _head(self, frame: Frame) -> None:
        muzzle, fur = self.traits.muzzle, self.traits.fur
        hair = self.hair / self.build.head * 0.8
        if self.traits.ears in {"pricked", "bat", "folded"}:
            self._ears(frame, hair)
        wide = {"long": 0.84, "blunt": 1.04, "bearded": 0.90}[muzzle]
        skull = smooth(
            [
                (0, -0.92),
                (wide * 0.62, -0.80),
                (wide * 0.98, -0.25),
                (wide * 0.92, 0.25),
                (wide * 0.55, 0.66),
                (0, 0.76),
                (-wide * 0.55, 0.66),
                (-wide * 0.92, 0.25),
                (-wide * 0.98, -0.25),
                (-wide * 0.62, -0.80),
            ]
        )
        self.canvas.part(
            frame, skull, self._face_colour(), fur=fur, length=hair, markings=self._face_markings(wide), strokes=0.8
        )
        if fur != "smooth" and self.traits.ears != "pricked":
            self._topknot(frame, hair, wide)
        self._muzzle(frame, hair)
        self._eyes(frame, wide)
        if self.traits.ears == "hanging":
            self._ears(frame, hair)

    def _face_colour(self) -> Colour:
        traits = self.traits
        return traits.coat if traits.pattern not in {"patches", "spots"} else WHITE

    def _face_markings(self, wide: float) -> list[Marking]:
        traits, yaw, side = self.traits, self.pose.yaw, self.marked_eye
        shift = 0.12 * yaw
        if traits.pattern == "patches":
            both = self.chance.random() < 0.5
            sides = (-1, 1) if both else (side,)
            return [
                Marking(oval(s * wide * 0.58 + shift, -0.30, wide * 0.46, 0.62, s * 0.3), traits.second) for s in sides
            ]
        if traits.pattern == "bib":
            return [
                Marking(
                    smooth(
                        [
                            (shift, -0.95),
                            (0.17 + shift, -0.3),
                            (0.34 + shift, 0.5),
                            (0, 0.9),
                            (-0.34 + shift, 0.5),
                            (-0.17 + shift, -0.3),
                        ]
                    ),
                    WHITE,
                )
            ]
        if traits.pattern == "saddle":
            cap = [
                (-wide, -1.1),
                (wide, -1.1),
                (wide * 0.95, -0.45),
                (wide * 0.3, -0.52),
                (shift, -0.34),
                (-wide * 0.3, -0.52),
                (-wide * 0.95, -0.45),
            ]
            return [Marking(smooth(cap), traits.second)]
        if traits.pattern == "mask":
            return [Marking(oval(shift, 0.45, wide * 0.66, 0.60), traits.second)]
        if traits.pattern == "spots":
            return [
                Marking(
                    self._blot(self.chance.uniform(-wide, wide), self.chance.uniform(-0.9, 0.3), 0.07), traits.second
                )
                for _ in range(7)
            ]
        return []

    def _ears(self, frame: Frame, hair: float) -> None:
        traits = self.traits
        colour = traits.second if traits.pattern in {"patches", "mask", "saddle", "spots"} else shade(traits.coat, 0.88)
        fur = traits.fur
        inner = blend(shade(colour, 1.1), (224, 160, 150), 0.6)
        for side in (-1, 1):
            squeeze = 1 + 0.16 * side * self.pose.yaw
            base = side * 0.58 * squeeze
            if traits.ears == "pricked":
                self.canvas.part(
                    frame,
                    [(base - side * 0.32, -0.66), (base + side * 0.16, -1.62), (base + side * 0.40, -0.40)],
                    colour,
                    fur=fur,
                    length=hair * 0.6,
                    strokes=0.5,
                )
                self.canvas.flat(
                    frame,
                    [(base - side * 0.12, -0.72), (base + side * 0.14, -1.36), (base + side * 0.25, -0.56)],
                    inner,
                )
            elif traits.ears == "bat":
                self.canvas.part(
                    frame,
                    smooth(
                        [
                            (base - side * 0.26, -0.55),
                            (base - side * 0.02, -1.35),
                            (base + side * 0.42, -1.62),
                            (base + side * 0.66, -1.05),
                            (base + side * 0.44, -0.36),
                        ]
                    ),
                    colour,
                    fur=fur,
                    length=hair * 0.5,
                    strokes=0.5,
                )
                self.canvas.flat(
                    frame,
                    smooth(
                        [
                            (base - side * 0.06, -0.66),
                            (base + side * 0.12, -1.24),
                            (base + side * 0.38, -1.38),
                            (base + side * 0.48, -1.02),
                            (base + side * 0.32, -0.52),
                        ]
                    ),
                    inner,
                )
            elif traits.ears == "folded":
                self.canvas.part(
                    frame,
                    smooth(
                        [
                            (base - side * 0.30, -0.70),
                            (base + side * 0.02, -1.18),
                            (base + side * 0.40, -1.02),
                            (base + side * 0.42, -0.45),
                        ]
                    ),
                    shade(colour, 0.85),
                    fur=fur,
                    length=hair * 0.5,
                    strokes=0.4,
                )
                self.canvas.part(
                    frame,
                    [
                        (base - side * 0.22, -1.02),
                        (base + side * 0.44, -1.06),
                        (base + side * 0.62, -0.42),
                        (base + side * 0.34, -0.50),
                    ],
                    colour,
                    fur=fur,
                    length=hair * 0.5,
                    strokes=0.4,
                )
            else:
                drop = {"smooth": 0.72, "shaggy": 0.86, "curly": 0.90}[fur]
                lobe = smooth(
                    [
                        (base + side * 0.02, -0.80),
                        (base + side * 0.42, -0.66),
                        (base + side * 0.62, 0.05),
                        (base + side * 0.52, drop),
                        (base + side * 0.22, drop + 0.02),
                        (base + side * 0.16, 0.1),
                    ]
                )
                self.canvas.part(frame, lobe, colour, fur=fur, length=hair, strokes=0.9)

    def _topknot(self, frame: Frame, hair: float, wide: float) -> None:
        colour = self.traits.second if self.traits.pattern == "saddle" else self._face_colour()
        height = 0.30 if self.traits.fur == "curly" else 0.2
        self.canvas.part(
            frame, oval(0, -0.80, wide * 0.56, height), colour, fur=self.traits.fur, length=hair * 1.2, outline=False
        )

    def _muzzle(self, frame: Frame, hair: float) -> None:
        kind, yaw, canvas = self.traits.muzzle, self.pose.yaw, self.canvas
        colour = self._muzzle_colour()
        if kind == "long":
            shape = smooth(
                [
                    (0.10 * yaw, -0.28),
                    (0.30 + 0.15 * yaw, 0.05),
                    (0.31 + 0.34 * yaw, 0.72),
                    (0.36 * yaw, 0.96),
                    (-0.31 + 0.34 * yaw, 0.72),
                    (-0.30 + 0.15 * yaw, 0.05),
                ]
            )
            nose = (0.36 * yaw, 0.60, 0.19, 0.145)
        elif kind == "blunt":
            shape = smooth(
                [
                    (0.12 * yaw, 0.10),
                    (0.42 + 0.14 * yaw, 0.16),
                    (0.56 + 0.14 * yaw, 0.50),
                    (0.34 + 0.14 * yaw, 0.74),
                    (0.14 * yaw, 0.66),
                    (-0.34 + 0.14 * yaw, 0.74),
                    (-0.56 + 0.14 * yaw, 0.50),
                    (-0.42 + 0.14 * yaw, 0.16),
                ]
            )
            nose = (0.15 * yaw, 0.20, 0.20, 0.13)
        else:
            shape = smooth(
                [
                    (0.14 * yaw, 0.0),
                    (0.48 + 0.18 * yaw, 0.12),
                    (0.62 + 0.2 * yaw, 0.66),
                    (0.40 + 0.22 * yaw, 1.12),
                    (0.22 * yaw, 1.20),
                    (-0.40 + 0.22 * yaw, 1.12),
                    (-0.62 + 0.2 * yaw, 0.66),
                    (-0.48 + 0.18 * yaw, 0.12),
                ]
            )
            nose = (0.22 * yaw, 0.34, 0.19, 0.14)
        x, y, width, height = nose
        if self.pose.mouth_open and kind != "bearded":
            canvas.flat(frame, oval(x, y + height + 0.30, 0.24, 0.26), (96, 42, 48))
            canvas.flat(frame, oval(x, y + height + 0.42, 0.15, 0.22), TONGUE)
            canvas.line(frame, [(x, y + height + 0.30), (x, y + height + 0.56)], shade(TONGUE, 0.8), 0.03)
        fur = "shaggy" if kind == "bearded" and self.traits.fur == "smooth" else self.traits.fur
        length = max(hair, 0.26) if kind == "bearded" else hair * 0.5
        canvas.part(
            frame,
            shape,
            colour,
            fur=fur if kind == "bearded" else "smooth",
            length=length,
            outline=kind != "long",
            strokes=1.1 if kind == "bearded" else 0.25,
        )
        dark = shade(colour, 0.45)
        canvas.line(frame, [(x, y + height), (x, y + height + 0.13)], dark, 0.045)
        for side in (-1, 1):
            bend = [(x, y + height + 0.13), (x + side * 0.10, y + height + 0.20), (x + side * 0.22, y + height + 0.15)]
            canvas.line(frame, bend, dark, 0.045)
        if self.pose.mouth_open and kind == "bearded":
            canvas.flat(frame, oval(x, y + height + 0.30, 0.12, 0.17), TONGUE)
        canvas.flat(
            frame,
            smooth(
                [
                    (x, y - height),
                    (x + width, y - height * 0.5),
                    (x + width * 0.5, y + height * 0.7),
                    (x, y + height),
                    (x - width * 0.5, y + height * 0.7),
                    (x - width, y - height * 0.5),
                ]
            ),
            NOSE,
        )
        canvas.flat(frame, oval(x - width * 0.25, y - height * 0.45, width * 0.28, height * 0.2), (140, 130, 134))

    def _muzzle_colour(self) -> Colour:
        traits = self.traits
        if traits.pattern == "mask":
            return traits.second
        if traits.pattern in {"bib", "patches", "spots"}:
            return WHITE
        return TAN if traits.pattern == "saddle" and traits.coat == BLACK else blend(traits.coat, WHITE, 0.22)

    def _eyes(self, frame: Frame, wide: float) -> None:
        yaw, canvas = self.pose.yaw, self.canvas
        size = 0.145 if self.traits.build in {"small", "stocky"} else 0.125
        for side in (-1, 1):
            x, y = side * wide * 0.42 + 0.13 * yaw, -0.16
            if self.pose.asleep:
                canvas.line(frame, [(x - size, y), (x, y + size * 0.7), (x + size, y)], (30, 24, 24), 0.06)
                continue
            canvas.flat(frame, oval(x, y, size * 1.28, size * 1.28), shade(self._face_colour(), 0.55))
            canvas.flat(frame, oval(x, y, size, size * 1.05), (58, 36, 24))
            canvas.flat(frame, oval(x + 0.02 * yaw, y, size * 0.62, size * 0.66), (18, 14, 14))
            canvas.flat(frame, oval(x - size * 0.32, y - size * 0.36, size * 0.32, size * 0.32), (255, 255, 255))
            if self.traits.pattern == "saddle":
                canvas.flat(frame, oval(x, y - size * 2.0, size * 0.7, size * 0.42), blend(self.traits.coat, TAN, 0.6))
