"""Draws the demo's answers on the pictures that they are about: one sheet, to be looked at."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from coldframe.cli.demo_workflow import Answer, plain_name

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

CELL_PIXELS = 220
CAPTION_PIXELS = 46
GAP_PIXELS = 14
COLUMNS = 6
ROW_PIXELS = CELL_PIXELS + CAPTION_PIXELS + GAP_PIXELS
TITLE_PIXELS = 52
HEADLINE_PIXELS = 28
PAPER = (250, 249, 246)
INK = (34, 34, 38)
GREY = (96, 96, 102)
RIGHT = (24, 122, 76)
WRONG = (196, 42, 48)


@dataclass(frozen=True)
class Section:
    """Some answers under a headline of their own."""

    headline: str
    answers: Sequence[Answer]

    @property
    def pixels(self) -> int:
        """How high it is on the sheet."""
        return HEADLINE_PIXELS + -(-len(self.answers) // COLUMNS) * ROW_PIXELS


def draw_contact_sheet(path: Path, title: str, sections: Sequence[Section]) -> None:
    """Save a PNG with each picture, the answer, and whether it is right.

    A right answer has a tick and a plain green frame, a wrong one a cross and a broken red frame: they can be told
    apart without colour.

    Args:
        path: where to save it.
        title: the sheet's headline.
        sections: what to show, in this order.
    """
    from PIL import Image, ImageDraw

    width = COLUMNS * (CELL_PIXELS + GAP_PIXELS) + GAP_PIXELS
    height = TITLE_PIXELS + sum(section.pixels for section in sections) + GAP_PIXELS
    sheet = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(sheet)
    _write(draw, (GAP_PIXELS, 12), title, 26, INK)
    top = TITLE_PIXELS
    for section in sections:
        _write(draw, (GAP_PIXELS, top), section.headline, 16, GREY)
        for number, answer in enumerate(section.answers):
            left = GAP_PIXELS + number % COLUMNS * (CELL_PIXELS + GAP_PIXELS)
            cell_top = top + HEADLINE_PIXELS + number // COLUMNS * ROW_PIXELS
            sheet.paste(_square(answer.picture.path), (left, cell_top))
            _caption(draw, answer, left, cell_top)
        top += section.pixels
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path)


def _square(path: Path) -> "Image":
    from PIL import Image, ImageOps

    with Image.open(path) as picture:
        picture.draft("RGB", (2 * CELL_PIXELS, 2 * CELL_PIXELS))
        upright = ImageOps.exif_transpose(picture).convert("RGB")
    return ImageOps.fit(upright, (CELL_PIXELS, CELL_PIXELS))


def _caption(draw: "ImageDraw", answer: Answer, left: int, top: int) -> None:
    colour = RIGHT if answer.right else WRONG
    bottom = top + CELL_PIXELS
    _frame(draw, left, top, colour, broken=not answer.right)
    _mark(draw, left + 4, bottom + 5, colour, tick=answer.right)
    said = f"{plain_name(answer.said)}  {answer.confidence:.0%}" if answer.said else "refused"
    _write(draw, (left + 26, bottom + 4), said, 15, colour, CELL_PIXELS - 26)
    if not answer.right:
        _write(draw, (left + 26, bottom + 23), f"is: {plain_name(answer.picture.breed)}", 14, INK, CELL_PIXELS - 26)


def _frame(draw: "ImageDraw", left: int, top: int, colour: tuple[int, int, int], broken: bool) -> None:
    right, bottom = left + CELL_PIXELS - 1, top + CELL_PIXELS - 1
    if not broken:
        draw.rectangle((left, top, right, bottom), outline=colour, width=4)
        return
    for start in range(0, CELL_PIXELS, 20):
        end = min(start + 11, CELL_PIXELS - 1)
        for y in (top + 2, bottom - 2):
            draw.line([(left + start, y), (left + end, y)], fill=colour, width=6)
        for x in (left + 2, right - 2):
            draw.line([(x, top + start), (x, top + end)], fill=colour, width=6)


def _mark(draw: "ImageDraw", x: int, y: int, colour: tuple[int, int, int], tick: bool) -> None:
    """A tick or a cross of lines, since not every font has them."""
    if tick:
        draw.line([(x, y + 8), (x + 6, y + 14), (x + 16, y + 1)], fill=colour, width=4, joint="curve")
        return
    draw.line([(x + 1, y + 1), (x + 15, y + 15)], fill=colour, width=4)
    draw.line([(x + 15, y + 1), (x + 1, y + 15)], fill=colour, width=4)


def _write(
    draw: "ImageDraw",
    place: tuple[float, float],
    text: str,
    size: int,
    colour: tuple[int, int, int],
    most_pixels: int | None = None,
) -> None:
    from PIL import ImageFont

    font = ImageFont.load_default(size)
    while most_pixels and len(text) > 4 and draw.textlength(text, font=font) > most_pixels:
        text = text.removesuffix("…")[:-1] + "…"
    draw.text(place, text, fill=colour, font=font)
