"""From `coldframe up` to the first answer, and what an idle server holds in memory."""

import subprocess
import sys
import time

from benchmarks.figures import Figure, middle
from benchmarks.measured_server import proportional_memory_bytes, running_server


def measure(*, rounds: int) -> list[Figure]:
    """Start servers, one after another."""
    starts, memories, interpreters = [], [], []
    for _ in range(rounds):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import asyncio, sqlite3"], check=True)
        interpreters.append(time.perf_counter() - started)
        with running_server(environment={"COLDFRAME_PRELOAD_MODULES": ""}) as server:
            starts.append(server.seconds_to_first_answer)
            server.client("s3").list_buckets()
            memories.append(proportional_memory_bytes(server.process.pid) / 2**20)
    return [
        Figure(
            "`coldframe up` to first answer", middle(starts), "s", "python -c 'import asyncio, sqlite3'",
            middle(interpreters), "< 1 s", middle(starts) < 1, starts,
        ),
        Figure(
            "memory of the idle server", middle(memories), "MiB PSS", samples=memories,
            note="the gateway's process, after one S3 call; the template that holds torch is a process of its own",
        ),
    ]  # fmt: skip
