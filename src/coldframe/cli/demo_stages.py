"""Shows a person how far the demo is, stage by stage, and remembers how long each stage took."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn


class Stage:
    """A stage that is under way."""

    def __init__(self, progress: Progress, title: str, total: int | None) -> None:
        self._progress = progress
        self._task = progress.add_task(escape(title), total=total)
        self.result = title
        """The sentence that stays on the screen when the stage is over."""

    def advance(self, by: int = 1) -> None:
        """So many more are done."""
        self._progress.advance(self._task, by)

    def at(self, done: int, total: int) -> None:
        """So many of so many are done."""
        self._progress.update(self._task, completed=done, total=total)

    def retitle(self, title: str) -> None:
        """What is being done now."""
        self._progress.update(self._task, description=escape(title))

    def say(self, line: str) -> None:
        """A line above the bar that stays, such as one of a job's log."""
        self._progress.console.print(f"    [dim]│[/dim] {escape(line)}", highlight=False, soft_wrap=True)


class Stages:
    """All stages of one demo."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.seconds: dict[str, float] = {}
        """How long each stage took."""

    @contextmanager
    def stage(self, name: str, title: str, total: int | None = None) -> Iterator[Stage]:
        """Run one stage: a bar while it lasts, one line with its time when it is over.

        Args:
            name: one word, by which its time is remembered.
            title: what is being done, for the bar.
            total: how many steps it has, where that is known.
        """
        started = time.monotonic()
        quiet = not self.console.is_terminal
        columns = [SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=24)]
        columns += [MofNCompleteColumn()] if total is not None else []
        with Progress(*columns, TimeElapsedColumn(), console=self.console, transient=True, disable=quiet) as progress:
            stage = Stage(progress, title, total)
            yield stage
        seconds = self.seconds[name] = time.monotonic() - started
        text = f"[green]✓[/green] {escape(stage.result)} [dim]({seconds:.1f} s)[/dim]"
        self.console.print(text, highlight=False, soft_wrap=True)
