"""What this machine's kernel allows for keeping workers apart, each thing tried out as the runner will use it."""

from coldframe.cli.findings import Finding, Severity
from coldframe.workers.sandbox import Capability, probe_isolation

ALLOW_NAMESPACES = (
    "allow user namespaces: sysctl -w kernel.unprivileged_userns_clone=1, and where AppArmor restricts them "
    "kernel.apparmor_restrict_unprivileged_userns=0; start a container with --security-opt seccomp=unconfined"
)
DELEGATE_GROUPS = "start the server with: systemd-run --user --scope -p Delegate=yes coldframe up"

MEANING = {
    "user namespace": ("what needs it is told below", ALLOW_NAMESPACES),
    "mount namespace": ("workers have no /opt/ml of their own", ALLOW_NAMESPACES),
    "pid namespace": ("workers see each other's processes", ALLOW_NAMESPACES),
    "network namespace": ("EnableNetworkIsolation is recorded but not carried out", ALLOW_NAMESPACES),
    "overlay": (
        "inputs that a job may write to are copied for it rather than laid under it, which takes time and disk",
        "use a kernel of 5.11 or newer, and a data directory on ext4, xfs or btrfs",
    ),
    "whole sandbox": (
        "jobs and models run as plain processes: no /opt/ml of their own (the SM_* variables name real folders), and "
        "they could read each other's files and the data directory",
        ALLOW_NAMESPACES,
    ),
    "memory control group": (
        "a worker's memory is watched from outside, rather than bounded by the kernel",
        DELEGATE_GROUPS,
    ),
    "process control group": ("the number of a worker's processes is not bounded", DELEGATE_GROUPS),
}
"""What each lack means, and what cures it."""


def look_at_isolation() -> list[Finding]:
    """Try out each thing that isolating workers is made of."""
    return [_finding(capability) for capability in probe_isolation()]


def _finding(capability: Capability) -> Finding:
    if capability.available:
        return Finding(capability.name, Severity.GOOD, "works")
    consequence, cure = MEANING.get(capability.name, ("workers are kept apart less well", ALLOW_NAMESPACES))
    return Finding(capability.name, Severity.LACK, f"not to be had: {capability.reason}", consequence, cure)
