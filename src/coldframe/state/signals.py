"""Wakes whoever waits for a kind of record to change. A lost signal only costs time: reconcilers run on a timer too."""

import asyncio
from collections import defaultdict


class Signals:
    """Topics, each of which many can wait on. To be used from the event loop's thread only."""

    def __init__(self) -> None:
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)

    def notify(self, topic: str) -> None:
        """Wake all that listen to this topic."""
        for waiting in self._waiting[topic]:
            waiting.set()

    def listen(self, topic: str) -> asyncio.Event:
        """An event that is set at each notification; the listener clears it before it looks."""
        waiting = asyncio.Event()
        self._waiting[topic].add(waiting)
        return waiting

    def leave(self, topic: str, waiting: asyncio.Event) -> None:
        """Stop listening."""
        self._waiting[topic].discard(waiting)
