"""What the demo found, as a table for people and as JSON for programs."""

import random
import statistics
from collections import Counter
from collections.abc import Sequence
from typing import Any, TypeVar

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from coldframe.cli.demo_workflow import Answer, plain_name

Thing = TypeVar("Thing")

TABLE_ROWS = 16
SHEET_PICTURES = 24
SHEET_WRONG = 12


def by_chance(everything: Sequence[Thing], count: int, seed: int) -> list[Thing]:
    """Some of them, each as likely as any other; the same ones for the same seed."""
    return random.Random(seed).sample(list(everything), min(count, len(everything)))


def accuracy(answers: Sequence[Answer]) -> float:
    """The share of the answers that are right."""
    return sum(answer.right for answer in answers) / len(answers)


def in_words(answers: Sequence[Answer]) -> str:
    """The test accuracy with the counts behind it."""
    right = sum(answer.right for answer in answers)
    return f"{accuracy(answers):.1%} of {len(answers)} pictures that it had not seen ({right} right)"


def table(answers: Sequence[Answer], shown: Sequence[Answer], breeds: int) -> Group:
    """Some answers one by one, then the accuracy over all."""
    rows = Table(
        title=f"{len(shown)} of {len(answers)} unseen pictures, chosen by chance", title_justify="left", box=box.SIMPLE
    )
    rows.add_column("breed")
    rows.add_column("", justify="center")
    rows.add_column("the endpoint said")
    rows.add_column("confidence", justify="right")
    rows.add_column("milliseconds", justify="right")
    for answer in shown:
        rows.add_row(
            plain_name(answer.picture.breed),
            Text("✓ right", "green") if answer.right else Text("✗ wrong", "bold red"),
            plain_name(answer.said) if answer.said else "refused",
            f"{answer.confidence:.0%}",
            f"{answer.milliseconds:.1f}",
        )
    times = milliseconds(answers)
    lines = Text.assemble(
        ("Test accuracy: ", "bold"),
        (f"{accuracy(answers):.1%}", "bold green"),
        f" of all {len(answers)} unseen pictures; guessing among {breeds} breeds would give {1 / breeds:.1%}.\n",
        f"An answer takes {times['median']:.1f} ms in the middle, {times['p95']:.1f} ms at the 95th percentile,"
        " boto3's own time included.",
    )
    return Group(rows, lines)


def milliseconds(answers: Sequence[Answer]) -> dict[str, float]:
    """Median and 95th percentile of the time that an answer took; the first call, which opens a connection, too."""
    times = sorted(answer.milliseconds for answer in answers if answer.said)
    if not times:
        return {"median": 0.0, "p95": 0.0}
    return {"median": statistics.median(times), "p95": times[min(len(times) - 1, int(len(times) * 0.95))]}


def weakest(answers: Sequence[Answer]) -> str:
    """Which breeds were most often taken for which others."""
    pairs = Counter(
        (plain_name(answer.picture.breed), plain_name(answer.said))
        for answer in answers
        if not answer.right and answer.said
    )
    named = "; ".join(f"{breed} taken for {said} ({count} x)" for (breed, said), count in pairs.most_common(3))
    return f"Most often wrong: {named}." if named else "None was wrong."


def answer_as_json(answer: Answer) -> dict[str, Any]:
    """One answer, for a program."""
    return {
        "picture": str(answer.picture.path),
        "breed": answer.picture.breed,
        "said": answer.said,
        "right": answer.right,
        "confidence": answer.confidence,
        "milliseconds": round(answer.milliseconds, 3),
        **({"refusal": answer.refusal} if answer.refusal else {}),
    }
