"""Draws one dog from its traits: sitting, standing or as a portrait."""

import itertools
import random

from dog_canvas import Canvas, Colour, Frame, Marking, Point, blend, blot, limb, oval, shade, smooth
from dog_head import Head
from dog_traits import BLACK, BUILDS, HAIR, TAN, WHITE, Pose, Traits


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
        self.hair = HAIR[traits.fur]
        self.head = Head(canvas, traits, pose, chance)

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
        self.head.paint(frame.within(*head, build.head, self.pose.tilt))

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
                    blot(
                        chance,
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
                    blot(
                        chance,
                        chance.uniform(-half, half),
                        top + depth * chance.uniform(0, 0.95),
                        chance.uniform(0.02, 0.05),
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
        self.head.paint(frame.within(self.pose.yaw * 0.03, -height - build.head * 0.55, build.head, self.pose.tilt))

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
                    blot(chance, side * wide * 0.6, -height * chance.uniform(0.3, 0.8), chance.uniform(0.10, 0.18)),
                    traits.second,
                )
                for side in (-1, 1)
            ]
        if traits.pattern == "spots":
            return [
                Marking(
                    blot(
                        chance,
                        chance.uniform(-wide, wide),
                        -height * chance.uniform(0.1, 1),
                        chance.uniform(0.02, 0.042),
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
        self.head.paint(frame.within(0, -head * 1.75, head, self.pose.tilt))
