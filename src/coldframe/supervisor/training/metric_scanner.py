"""Looks for a job's metrics in its output, in a thread, so that slow patterns hold nothing else up."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from coldframe.state.metric_definitions import compile_definitions, final_metrics, scan

MOST_QUEUED = 50_000


class MetricScanner:
    """Takes lines as they come; knows the last value of each metric.

    Args:
        definitions: MetricDefinitions, as the job gives them.
        complain: is told in a sentence when a pattern is given up.
    """

    def __init__(self, definitions: Sequence[dict[str, str]], complain: Callable[[str], None]) -> None:
        self._definitions = compile_definitions(definitions)
        self._complain = complain
        self._queued: list[tuple[str, float]] = []
        self._scanning: asyncio.Task[None] | None = None

    async def feed(self, line: str, written_at: float) -> None:
        """Take a line. Waits only when very many wait already."""
        if not self._definitions:
            return
        self._queued.append((line, written_at))
        if self._scanning is None or self._scanning.done():
            self._scanning = asyncio.create_task(self._scan(), name="scan metrics")
        elif len(self._queued) > MOST_QUEUED:
            await self._scanning

    async def finish(self) -> list[dict[str, Any]]:
        """FinalMetricDataList, when all lines have been looked at."""
        if self._scanning is not None:
            await self._scanning
        return final_metrics(self._definitions)

    async def _scan(self) -> None:
        while self._queued:
            lines, self._queued = self._queued, []
            for complaint in await asyncio.to_thread(self._scan_lines, lines):
                self._complain(complaint)

    def _scan_lines(self, lines: list[tuple[str, float]]) -> list[str]:
        complaints: list[str] = []
        for line, written_at in lines:
            complaints += scan(self._definitions, line, written_at)
        return complaints
