"""Lifecycles as tables: which status may follow which. A status that is not in its table cannot be reached."""

from collections.abc import Mapping
from dataclasses import dataclass


class LifecycleError(RuntimeError):
    """A step that the table does not have: a fault in Coldframe, never in a request."""


@dataclass(frozen=True)
class Lifecycle:
    """The statuses of one kind of record."""

    name: str
    first: str
    next_statuses: Mapping[str, frozenset[str]]
    """For each status, those that may follow it; none for one in which the record rests."""

    def step(self, current: str, following: str) -> str:
        """The following status, if it may follow the current one; else a LifecycleError."""
        if following not in self.next_statuses[current]:
            raise LifecycleError(f"a {self.name} cannot go from {current} to {following}")
        return following

    def is_terminal(self, status: str) -> bool:
        """Whether nothing follows this status."""
        return not self.next_statuses[status]


def table(name: str, first: str, **next_statuses: str) -> Lifecycle:
    """A lifecycle from one line for each status: the names of those that may follow, parted by spaces."""
    return Lifecycle(name, first, {status: frozenset(following.split()) for status, following in next_statuses.items()})


TRAINING_JOB = table(
    "training job",
    "InProgress",
    InProgress="Completed Failed Stopping Stopped",
    Stopping="Stopped Failed",
    Completed="",
    Failed="",
    Stopped="",
)
"""TrainingJobStatus."""

TRAINING_JOB_SECONDARY = table(
    "training job",
    "Starting",
    Starting="Pending Downloading Training Stopping Failed",
    Pending="Starting Downloading Training Stopping Failed",
    Downloading="Training Starting Stopping Failed",
    Training="Uploading Starting Stopping Failed",
    Stopping="Uploading Stopped MaxRuntimeExceeded Failed",
    Uploading="Completed Stopping Stopped MaxRuntimeExceeded Failed",
    Completed="",
    Failed="",
    Stopped="",
    MaxRuntimeExceeded="",
)
"""SecondaryStatus. Back to Starting: a retry, or a server that was stopped while the job ran.

Downloading is left out for a job with no channel in File mode.
"""

TRAINING_JOB_PAIRS: Mapping[str, frozenset[str]] = {
    "InProgress": frozenset({"Starting", "Pending", "Downloading", "Training", "Uploading"}),
    "Stopping": frozenset({"Stopping", "Uploading"}),
    "Completed": frozenset({"Completed"}),
    "Failed": frozenset({"Failed"}),
    "Stopped": frozenset({"Stopped", "MaxRuntimeExceeded"}),
}
"""Which secondary statuses go with which primary one."""

ENDPOINT = table(
    "endpoint",
    "Creating",
    Creating="InService Failed",
    InService="Updating Deleting",
    Updating="InService",
    Failed="Deleting",
    Deleting="",
)
"""EndpointStatus. An update that fails leads back to InService, on the old instances. Deleting ends with the record."""
