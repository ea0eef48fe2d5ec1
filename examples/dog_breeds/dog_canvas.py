"""A small painter for drawn dogs: smooth shapes with light on them, markings kept inside a shape, and fur."""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageChops, ImageDraw

Point = tuple[float, float]
Points = Sequence[Point]
Colour = tuple[int, int, int]

ACROSS = np.linspace(-1, 1, 12, dtype=np.float32)[None, :, None]
DOWN = np.linspace(1, -1, 12, dtype=np.float32)[:, None, None]
TONES = (0.80, 0.86, 1.12, 1.18)


def shade(colour: Colour, factor: float) -> Colour:
    """A colour made darker (below 1) or lighter (above 1)."""
    red, green, blue = colour
    return min(255, int(red * factor)), min(255, int(green * factor)), min(255, int(blue * factor))


def blend(first: Colour, second: Colour, share: float) -> Colour:
    """A colour between two."""
    return tuple(round(a + (b - a) * share) for a, b in zip(first, second, strict=True))


def smooth(points: Points, steps: int = 8) -> list[Point]:
    """A closed curve through the points (Catmull-Rom)."""
    corners = np.asarray(points, dtype=float)
    before, after, beyond = np.roll(corners, 1, 0), np.roll(corners, -1, 0), np.roll(corners, -2, 0)
    curve = []
    for step in range(steps):
        t = step / steps
        curve.append(
            0.5
            * (
                2 * corners
                + (after - before) * t
                + (2 * before - 5 * corners + 4 * after - beyond) * t**2
                + (3 * corners - before - 3 * after + beyond) * t**3
            )
        )
    return [tuple(point) for point in np.stack(curve, axis=1).reshape(-1, 2)]


def oval(x: float, y: float, width: float, height: float, turn: float = 0.0) -> list[Point]:
    """An ellipse of which width and height are half axes, turned by so many radians."""
    angles = [step * math.tau / 28 for step in range(28)]
    cosine, sine = math.cos(turn), math.sin(turn)
    around = [(width * math.cos(angle), height * math.sin(angle)) for angle in angles]
    return [(x + a * cosine - b * sine, y + a * sine + b * cosine) for a, b in around]


def limb(start: Point, end: Point, start_width: float, end_width: float) -> list[Point]:
    """A tapered limb with round ends."""
    along = math.atan2(end[1] - start[1], end[0] - start[0])
    first = [along + math.pi / 2 + step * math.pi / 8 for step in range(9)]
    last = [along - math.pi / 2 + step * math.pi / 8 for step in range(9)]
    return [(start[0] + start_width * math.cos(a), start[1] + start_width * math.sin(a)) for a in first] + [
        (end[0] + end_width * math.cos(a), end[1] + end_width * math.sin(a)) for a in last
    ]


def blot(chance: random.Random, x: float, y: float, size: float) -> list[Point]:
    """A roundish patch of no particular shape."""
    around = ((1, 0), (0.6, 0.8), (-0.5, 0.85), (-1, 0), (-0.5, -0.8), (0.6, -0.8))
    return smooth(
        [(x + size * a * chance.uniform(0.75, 1.25), y + size * b * chance.uniform(0.7, 1.2)) for a, b in around]
    )


@dataclass(frozen=True)
class Frame:
    """Where a figure's own coordinates lie on the canvas."""

    x: float
    y: float
    scale: float
    turn: float = 0.0
    mirrored: bool = False

    def place(self, points: Points) -> list[Point]:
        """Points of the figure on the canvas."""
        cosine, sine = math.cos(self.turn) * self.scale, math.sin(self.turn) * self.scale
        side = -1 if self.mirrored else 1
        return [(self.x + side * (a * cosine - b * sine), self.y + a * sine + b * cosine) for a, b in points]

    def within(self, x: float, y: float, scale: float, turn: float) -> "Frame":
        """A frame for a part of the figure, such as its head."""
        ((place_x, place_y),) = self.place([(x, y)])
        return Frame(place_x, place_y, self.scale * scale, self.turn + turn, self.mirrored)


@dataclass(frozen=True)
class Marking:
    """A shape of another colour that shows only inside the part it lies on."""

    points: Points
    colour: Colour


class Canvas:
    """A picture in the making."""

    def __init__(self, image: Image.Image, chance: random.Random, light: float) -> None:
        """Paint on `image`; light falls from the left if `light` is negative, from the right if positive."""
        self.image = image
        self.draw = ImageDraw.Draw(image)
        self.chance = chance
        self.light = light

    def part(
        self,
        frame: Frame,
        points: Points,
        colour: Colour,
        *,
        fur: str = "smooth",
        length: float = 0.1,
        markings: Sequence[Marking] = (),
        outline: bool = True,
        edge_below: float | None = None,
        strokes: float = 1.0,
    ) -> None:
        """Paint one part of the figure.

        Args:
            frame: where the figure is.
            points: the part's edge in the figure's coordinates.
            colour: its colour in middling light.
            fur: `smooth`, `shaggy` or `curly`.
            length: how long the hair is, in the figure's coordinates.
            markings: shapes of other colours on it.
            outline: whether its edge is drawn.
            edge_below: draw the edge only below this height (of the figure), where the part leaves the body.
            strokes: how much of the fur's texture is drawn inside; 0 for none.
        """
        edge = frame.place(points)
        hair = length * frame.scale
        edge = self._furry_edge(edge, fur, hair)
        left, top, right, bottom = self._bounds(edge)
        if right - left < 2 or bottom - top < 2:
            return
        mask = self._mask(edge, left, top, right, bottom)
        self._fill(mask, colour, left, top)
        for marking in markings:
            inside = self._mask(frame.place(marking.points), left, top, right, bottom)
            self._fill(ImageChops.multiply(mask, inside), marking.colour, left, top)
        if strokes:
            self._texture(mask, left, top, fur, hair, strokes)
        if outline:
            self._outline(frame, edge, shade(colour, 0.55), edge_below)

    def _outline(self, frame: Frame, edge: list[Point], colour: Colour, edge_below: float | None) -> None:
        width = max(2, round(self.image.width / 190))
        if edge_below is None:
            self.draw.line([*edge, edge[0]], fill=colour, width=width, joint="curve")
            return
        limit = frame.place([(0.0, edge_below)])[0][1]
        for start, end in zip(edge, [*edge[1:], edge[0]], strict=True):
            if start[1] > limit and end[1] > limit:
                self.draw.line([start, end], fill=colour, width=width)

    def flat(self, frame: Frame, points: Points, colour: Colour) -> None:
        """A plain shape without light, edge or fur."""
        self.draw.polygon(frame.place(points), fill=colour)

    def line(self, frame: Frame, points: Points, colour: Colour, width: float) -> None:
        """A line; its width is in the figure's coordinates."""
        self.draw.line(frame.place(points), fill=colour, width=max(1, round(width * frame.scale)), joint="curve")

    def _bounds(self, edge: Points) -> tuple[int, int, int, int]:
        xs, ys = [point[0] for point in edge], [point[1] for point in edge]
        left, top = max(0, int(min(xs)) - 1), max(0, int(min(ys)) - 1)
        return left, top, min(self.image.width, int(max(xs)) + 2), min(self.image.height, int(max(ys)) + 2)

    def _mask(self, edge: Points, left: int, top: int, right: int, bottom: int) -> Image.Image:
        mask = Image.new("L", (right - left, bottom - top))
        ImageDraw.Draw(mask).polygon([(x - left, y - top) for x, y in edge], fill=255)
        return mask

    def _fill(self, mask: Image.Image, colour: Colour, left: int, top: int) -> None:
        """Paint the masked area, brighter towards the light and from above."""
        factor = 0.97 + 0.13 * self.light * ACROSS + 0.10 * DOWN  # few values, made large by the resizing
        values = np.clip(factor * np.array(colour, dtype=np.float32), 0, 255).astype(np.uint8)
        light = Image.fromarray(values).resize(mask.size, Image.Resampling.BILINEAR)
        self.image.paste(light, (left, top), mask)

    def _furry_edge(self, edge: list[Point], fur: str, hair: float) -> list[Point]:
        """The edge with tufts (shaggy) or bumps (curly)."""
        if fur == "smooth" or hair < 1:
            return edge
        points = np.asarray(edge)
        ahead = np.roll(points, -1, 0) - points
        lengths = np.hypot(ahead[:, 0], ahead[:, 1])
        total = float(lengths.sum())
        pace = hair * (0.42 if fur == "shaggy" else 0.30)
        count = max(12, int(total / pace))
        at = np.linspace(0, total, count, endpoint=False)
        sums = np.concatenate([[0.0], np.cumsum(lengths)])
        closed = np.vstack([points, points[:1]])
        xs, ys = np.interp(at, sums, closed[:, 0]), np.interp(at, sums, closed[:, 1])
        dx, dy = np.roll(xs, -1) - np.roll(xs, 1), np.roll(ys, -1) - np.roll(ys, 1)
        norm = np.hypot(dx, dy) + 1e-6
        area = float(np.sum(xs * np.roll(ys, -1) - np.roll(xs, -1) * ys))
        side = 1.0 if area > 0 else -1.0
        outward_x, outward_y = side * dy / norm, -side * dx / norm
        if fur == "shaggy":
            tips = np.arange(count) % 2 == 1
            reach = np.array([self.chance.uniform(0.15, 0.62) for _ in range(count)]) * hair * tips
            droop = np.where(tips, hair * 0.35, 0.0)
        else:
            phase = np.array([abs(math.sin(n * math.pi / 4)) for n in range(count)])
            reach, droop = phase * hair * 0.42, np.zeros(count)
        return list(zip(xs + outward_x * reach, ys + outward_y * reach + droop, strict=True))

    def _texture(self, mask: Image.Image, left: int, top: int, fur: str, hair: float, strokes: float) -> None:
        """Hairs or curls in a shade of what lies under them, so that they follow the markings."""
        width, height = mask.size
        spacing = {"smooth": 420.0, "shaggy": 95.0, "curly": 90.0}[fur] / strokes
        inside, under, draw = mask.load(), self.image.load(), self.draw
        random_share, unit = self.chance.random, self.image.width / 512
        for number in range(min(220, int(width * height / (spacing * unit * unit)))):
            x, y = int(random_share() * width), int(random_share() * height)
            if not inside[x, y]:
                continue
            tone = shade(under[left + x, top + y], TONES[number % 4])
            x, y, size, lean = left + x, top + y, random_share(), random_share()
            if fur == "curly":
                radius = max(3.0, hair * (0.35 + 0.25 * size))
                box = (x - radius, y - radius, x + radius, y + radius)
                draw.arc(box, 360 * lean, 360 * lean + 230, fill=tone, width=max(1, round(2 * unit)))
            else:
                reach = hair * (0.75 if fur == "shaggy" else 0.35) * (0.6 + 0.6 * size)
                end = (x + reach * (0.7 * lean - 0.35), y + reach)
                draw.line([(x, y), end], fill=tone, width=max(1, round(1.6 * unit)))
