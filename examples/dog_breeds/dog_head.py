"""Draws a dog's head, seen from the front and turned a little; all lengths in units of its own radius."""

import random

from dog_canvas import Canvas, Colour, Frame, Marking, blend, blot, oval, shade, smooth
from dog_traits import BLACK, BUILDS, HAIR, NOSE, TAN, TONGUE, WHITE, Pose, Traits


class Head:
    """One dog's head, ready to be drawn."""

    def __init__(self, canvas: Canvas, traits: Traits, pose: Pose, chance: random.Random) -> None:
        """Take all that is needed; nothing is drawn yet."""
        self.canvas = canvas
        self.traits = traits
        self.pose = pose
        self.chance = chance
        self.build = BUILDS[traits.build]
        self.hair = HAIR[traits.fur]
        self.marked_eye = chance.choice((-1, 1))

    def paint(self, frame: Frame) -> None:
        """Draw it on the frame's origin; one unit of the frame is its radius."""
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
                    blot(self.chance, self.chance.uniform(-wide, wide), self.chance.uniform(-0.9, 0.3), 0.07),
                    traits.second,
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
