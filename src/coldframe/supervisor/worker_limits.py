"""How much of the machine one worker may take."""

import os

from coldframe.config import Config

MEMORY_RESERVE = 0.1
"""The part of the machine's memory that a worker may not take, when no limit is set."""


def most_memory_bytes(config: Config) -> int:
    """The most memory that one worker may hold, in bytes: what is set, or what the machine has, less a reserve."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return config.worker_memory_bytes or int(total * (1 - MEMORY_RESERVE))
