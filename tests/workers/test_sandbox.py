"""Finding out what this machine lets workers be kept apart with."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from coldframe.workers.sandbox import Capability, probe_isolation, try_sandbox

NAMES = [
    *("user namespace", "mount namespace", "pid namespace", "network namespace", "overlay", "whole sandbox"),
    *("memory control group", "process control group"),
]


def test_probe_isolation_tells_why_not() -> None:
    capabilities = probe_isolation()
    assert [capability.name for capability in capabilities] == NAMES
    assert all(capability.available != bool(capability.reason) for capability in capabilities)


def test_probe_isolation_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # a place where no other process has its trials
    mounts = Path("/proc/self/mountinfo").read_text()
    probe_isolation()
    assert Path("/proc/self/mountinfo").read_text() == mounts
    assert not list(tmp_path.iterdir())


def test_probe_isolation_where_namespaces_are_refused() -> None:
    """In a user namespace that allows no further ones, as in many containers, nothing works, and it says so."""
    if not try_sandbox()[0]:
        return
    command = [
        *("unshare", "-Ur", "sh", "-c"),
        f"echo 0 > /proc/sys/user/max_user_namespaces && exec {sys.executable} -m coldframe.workers.sandbox",
    ]
    finished = subprocess.run(command, capture_output=True, text=True, check=True)
    told = {content["name"]: Capability(**content) for content in json.loads(finished.stdout)}
    for name in NAMES[:6]:
        assert not told[name].available
        assert "No space left on device" in told[name].reason  # the kernel's word for a limit that is reached
