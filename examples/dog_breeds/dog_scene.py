"""Where drawn dogs are: meadows, beaches, rooms, snow, streets and studios, at different hours."""

import math
import random

import numpy as np
from dog_canvas import Colour, blend, shade
from PIL import Image, ImageDraw, ImageFilter


def gradient(size: int, top: Colour, bottom: Colour) -> Image.Image:
    """A square that goes from one colour to another, downwards."""
    column = np.linspace(top, bottom, size).round().astype(np.uint8)
    return Image.fromarray(np.repeat(column[:, None, :], size, axis=1))


def paint_scene(size: int, horizon: float, chance: random.Random) -> Image.Image:
    """A random place with its horizon at a share of the height from above."""
    place = chance.choice((_meadow, _meadow, _beach, _room, _room, _snow, _street, _studio))
    small = size // 2  # it is out of focus anyway, and takes a quarter of the time
    image = place(small, int(small * horizon), chance)
    image = image.filter(ImageFilter.GaussianBlur(size / 512 * chance.uniform(0.1, 1.2)))
    return image.resize((size, size), Image.Resampling.BILINEAR)


def _ground(image: Image.Image, horizon: int, near: Colour, far: Colour) -> ImageDraw.ImageDraw:
    size = image.width
    image.paste(gradient(size, far, near).resize((size, size - horizon), Image.Resampling.NEAREST), (0, horizon))
    return ImageDraw.Draw(image)


def _meadow(size: int, horizon: int, chance: random.Random) -> Image.Image:
    image = gradient(size, (118, 176, 226), (226, 238, 240))
    draw = ImageDraw.Draw(image)
    for _ in range(chance.randrange(4)):
        x, y = chance.uniform(0, size), chance.uniform(0, horizon * 0.6)
        for _ in range(4):
            w, h = size * chance.uniform(0.05, 0.1), size * chance.uniform(0.02, 0.04)
            dx = chance.uniform(-0.08, 0.08) * size
            draw.ellipse((x + dx - w, y - h, x + dx + w, y + h), fill=(250, 250, 250))
    green = chance.choice(((92, 148, 72), (120, 160, 70), (150, 160, 80), (80, 130, 84)))
    for layer in range(3):
        base, high = horizon + layer * 4 - size * 0.02, size * chance.uniform(0.02, 0.07)
        phase = chance.uniform(0, 6)
        hill = [(x, base - high * math.sin(phase + x / size * 4)) for x in range(0, size + 16, 16)]
        draw.polygon([*hill, (size, size), (0, size)], fill=blend(green, (190, 215, 220), 0.5 - layer * 0.2))
    draw = _ground(image, horizon + 10, shade(green, 0.85), green)
    for _ in range(140):
        x, y = chance.uniform(0, size), chance.uniform(horizon + 14, size)
        high = size * 0.03 * (0.4 + (y - horizon) / size)
        draw.line(
            [(x, y), (x + chance.uniform(-4, 4), y - high)], fill=shade(green, chance.uniform(0.75, 1.25)), width=1
        )
    bloom = chance.choice(((250, 220, 90), (240, 240, 250), (230, 120, 140), (170, 120, 210)))
    for _ in range(chance.randrange(24)):
        x, y = chance.uniform(0, size), chance.uniform(horizon + 18, size)
        r = size * 0.008
        draw.ellipse((x - r, y - r, x + r, y + r), fill=bloom)
    return image


def _beach(size: int, horizon: int, chance: random.Random) -> Image.Image:
    evening = chance.random() < 0.4
    image = gradient(
        size, (236, 150, 110) if evening else (110, 180, 230), (250, 224, 180) if evening else (220, 240, 250)
    )
    sea = (70, 110, 150) if evening else (52, 140, 170)
    draw = _ground(image, horizon - size // 10, sea, blend(sea, (220, 230, 230), 0.4))
    if evening:
        x, r = chance.uniform(0.1, 0.9) * size, size * 0.06
        draw.chord((x - r, horizon - size // 10 - r, x + r, horizon - size // 10 + r), 180, 360, fill=(255, 236, 190))
    draw = _ground(image, horizon, (214, 186, 138), (236, 214, 170))
    for _ in range(220):
        x, y = chance.uniform(0, size), chance.uniform(horizon, size)
        draw.point((x, y), fill=(180, 150, 110))
    return image


def _room(size: int, horizon: int, chance: random.Random) -> Image.Image:
    wall = chance.choice(
        ((206, 190, 168), (150, 172, 168), (198, 160, 148), (170, 164, 186), (222, 208, 180), (120, 134, 150))
    )
    image = gradient(size, shade(wall, 1.08), shade(wall, 0.92))
    draw = ImageDraw.Draw(image)
    if chance.random() < 0.4:
        for x in range(0, size, size // 12):
            draw.line([(x, 0), (x, horizon)], fill=shade(wall, 0.9), width=size // 60)
    for _ in range(chance.randrange(3)):
        x, y, w, h = (
            chance.uniform(0, 0.8) * size,
            chance.uniform(0, 0.25) * size,
            chance.uniform(0.12, 0.3) * size,
            chance.uniform(0.12, 0.25) * size,
        )
        inside = tuple(chance.randrange(90, 230) for _ in range(3))
        draw.rectangle(
            (x, y, x + w, y + h),
            fill=inside,
            outline=chance.choice(((90, 62, 40), (240, 236, 226), (50, 50, 54))),
            width=size // 70,
        )
    wood = chance.choice(((150, 104, 66), (186, 140, 96), (110, 78, 58), (140, 136, 132)))
    draw = _ground(image, horizon, shade(wood, 0.9), wood)
    for x in range(-size, 2 * size, size // 7):
        draw.line(
            [(size / 2 + (x - size / 2) * 0.5, horizon), (size / 2 + (x - size / 2) * 1.6, size)],
            fill=shade(wood, 0.8),
            width=1,
        )
    draw.rectangle((0, horizon - size // 50, size, horizon), fill=(236, 230, 220))
    if chance.random() < 0.5:
        rug = tuple(chance.randrange(70, 210) for _ in range(3))
        box = (size * 0.08, horizon + (size - horizon) * 0.2, size * 0.92, size * 1.05)
        draw.ellipse(box, fill=rug, outline=shade(rug, 0.7), width=size // 60)
    return image


def _snow(size: int, horizon: int, chance: random.Random) -> Image.Image:
    image = gradient(size, (150, 170, 196), (226, 230, 238))
    draw = ImageDraw.Draw(image)
    for _ in range(chance.randrange(3, 9)):
        x, high = chance.uniform(0, size), size * chance.uniform(0.12, 0.3)
        pine = blend((50, 84, 78), (190, 204, 214), chance.uniform(0.1, 0.6))
        for layer in range(3):
            y, w = horizon - high * layer * 0.28, high * (0.34 - layer * 0.08)
            draw.polygon([(x - w, y), (x + w, y), (x, y - high * 0.45)], fill=pine)
    draw = _ground(image, horizon, (214, 222, 236), (238, 240, 246))
    for _ in range(chance.choice((0, 90))):
        x, y, r = chance.uniform(0, size), chance.uniform(0, size), size * chance.uniform(0.002, 0.006)
        draw.ellipse((x - r, y - r, x + r, y + r), fill=(255, 255, 255))
    return image


def _street(size: int, horizon: int, chance: random.Random) -> Image.Image:
    image = gradient(size, (140, 180, 220), (230, 226, 214))
    draw = ImageDraw.Draw(image)
    x = -0.05 * size
    while x < size:
        w, h = size * chance.uniform(0.12, 0.26), size * chance.uniform(0.2, 0.5)
        wall = chance.choice(((178, 116, 94), (210, 186, 150), (150, 150, 158), (196, 150, 120), (120, 140, 150)))
        draw.rectangle((x, horizon - h, x + w, horizon), fill=wall)
        pane = chance.choice(((90, 110, 130), (240, 220, 150)))
        for row in range(3):
            for column in range(3):
                left, top = x + w * (0.14 + 0.28 * column), horizon - h * (0.88 - 0.28 * row)
                draw.rectangle((left, top, left + w * 0.16, top + h * 0.14), fill=pane)
        x += w
    _ground(image, horizon, (146, 142, 138), (176, 172, 164))
    return image


def _studio(size: int, horizon: int, chance: random.Random) -> Image.Image:
    tone = tuple(chance.randrange(90, 220) for _ in range(3))
    image = gradient(size, shade(tone, 1.1), shade(tone, 0.75))
    _ground(image, horizon, shade(tone, 0.8), shade(tone, 0.95))
    return image


def light_up(image: Image.Image, chance: random.Random, noise: np.random.Generator) -> Image.Image:
    """The hour, the weather and the camera: brightness, warmth, a darker corner, grain."""
    values = np.asarray(image, dtype=np.float32)
    grey = values.mean(axis=2, keepdims=True)
    values = grey + (values - grey) * chance.uniform(0.7, 1.25)
    middle = float(grey.mean())
    values = middle + (values - middle) * chance.uniform(0.78, 1.15)
    warmth, size, slope, depth = (
        chance.uniform(-0.10, 0.10),
        image.width,
        chance.uniform(0, math.tau),
        chance.uniform(0, 0.22),
    )
    line = np.linspace(-depth, depth, size, dtype=np.float32)
    side = 1 + line[None, :, None] * math.cos(slope) + line[:, None, None] * math.sin(slope)
    tint = np.array([1 + warmth, 1.0, 1 - warmth], dtype=np.float32) * chance.uniform(0.70, 1.15)
    values = values * (side * tint)
    values += noise.standard_normal((size, size, 1), dtype=np.float32) * chance.uniform(1, 6)
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))
