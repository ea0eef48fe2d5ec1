"""Measures everything and prints it: `make bench`, or `python -m benchmarks [--quick] [jobs endpoints ...]`."""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks import endpoints, jobs, objects, startup
from benchmarks.figures import Figure, console, save, show


def main() -> int:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds, and 64 MiB instead of 1 GiB")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/latest.json"))
    parser.add_argument("what", nargs="*", help="startup, jobs, endpoints, objects; all when none is named")
    given = parser.parse_args()
    rounds, seconds = (1, 2.0) if given.quick else (3, 4.0)
    large = 64 * objects.MIB if given.quick else objects.GIB
    scenarios: dict[str, Callable[[], list[Figure]]] = {
        "startup": lambda: startup.measure(rounds=rounds),
        "jobs": lambda: jobs.measure(rounds=rounds * 2),
        "endpoints": lambda: endpoints.measure(rounds=rounds, seconds=seconds),
        "objects": lambda: objects.measure(rounds=rounds, seconds=seconds, large_bytes=large),
    }
    unknown = set(given.what) - set(scenarios)
    if unknown:
        parser.error(f"there is no scenario {', '.join(sorted(unknown))}; there are {', '.join(scenarios)}")
    one, _, _ = os.getloadavg()
    if one > 0.5:
        console.print(f"[yellow]This machine is busy (load {one:.1f}): speeds are lower than they could be.[/yellow]")
    results = {}
    for name in given.what or scenarios:
        with console.status(f"Measuring {name} ..."):
            results[name] = scenarios[name]()
        show(name, results[name])
    save(given.output, results)
    console.print(f"Every sample is in {given.output}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
