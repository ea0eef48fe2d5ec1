"""Control groups hold a worker to its limits where this machine lets us make them."""

import os
from pathlib import Path

import pytest

from coldframe.workers.cgroups import ControlGroups, WorkerGroup, find_control_groups, remove_abandoned
from waiting import wait_until

GROUPS = find_control_groups()


def in_a_fork_of(group: WorkerGroup, children: int) -> int:
    """Join the group in a process of its own, start so many processes, and return how many could be started."""
    pid = os.fork()
    if pid == 0:
        started = 0
        try:
            group.join()
            for _ in range(children):
                if os.fork() == 0:
                    os._exit(0)
                started += 1
        except OSError:
            pass
        finally:
            os._exit(started)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def removed(group: WorkerGroup) -> bool:
    group.remove()
    return not Path(group.folders[0]).exists()


@pytest.mark.skipif(not GROUPS.pids, reason=f"no control groups here: {GROUPS.pids_lack}")
def test_make_bounds_processes() -> None:
    group = WorkerGroup.make(ControlGroups(pids=GROUPS.pids), f"coldframe-{os.getpid()}-1", 0, process_limit=5)
    try:
        assert group.limits_processes
        assert not group.limits_memory
        assert in_a_fork_of(group, 20) == 4  # and the one that started them
    finally:
        wait_until(lambda: removed(group), 10, describe="the group's end, once its orphans are collected")


@pytest.mark.skipif(not GROUPS.pids, reason=f"no control groups here: {GROUPS.pids_lack}")
def test_remove_abandoned_leaves_those_of_the_living() -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    dead = Path(GROUPS.pids) / f"coldframe-{child}-1"
    living = Path(GROUPS.pids) / f"coldframe-{os.getpid()}-2"
    dead.mkdir()
    living.mkdir()
    try:
        remove_abandoned(GROUPS)
        assert not dead.exists()
        assert living.exists()
    finally:
        living.rmdir()


@pytest.mark.parametrize(
    ("file", "content", "expected"),
    [
        ("memory.events", "low 0\noom 3\noom_kill 1\n", True),
        ("memory.events", "low 0\noom 3\noom_kill 0\n", False),
        ("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n", True),
        ("nothing", "", False),
    ],
)
def test_ran_out_of_memory(tmp_path: Path, file: str, content: str, expected: bool) -> None:
    (tmp_path / file).write_text(content)
    assert WorkerGroup([str(tmp_path)]).ran_out_of_memory() == expected


def test_make_where_nothing_is_allowed() -> None:
    group = WorkerGroup.make(ControlGroups(), "coldframe-1-1", 1000, 10)
    group.join()
    assert not group.limits_memory
    assert not group.limits_processes
    assert not group.ran_out_of_memory()
