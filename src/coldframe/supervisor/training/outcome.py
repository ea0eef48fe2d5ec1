"""How a training job is to end, decided when its program has ended, and how AWS words it."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from coldframe.supervisor.runners.runner import WorkerExit

LONGEST_REASON = 1024
"""Characters of FailureReason, by the service's model."""
SEE_LOG = "See the job's log for the cause"


@dataclass(frozen=True)
class Outcome:
    """The end that a job comes to when its artifacts are uploaded."""

    status: str
    secondary_status: str
    message: str
    failure_reason: str = ""
    upload: bool = False
    """Whether the program ran, so that there may be something to upload."""
    may_be_retried: bool = False
    """Whether RetryStrategy covers it: a fault of the place, not of the program."""
    boot: str = ""
    """Which run of the machine this was decided in: files that were not synced are gone after the next start."""

    def to_json(self) -> dict[str, Any]:
        """As plain values, for the record."""
        return asdict(self)


def completed() -> Outcome:
    """The program ended with 0."""
    return Outcome("Completed", "Completed", "Training job completed", upload=True, boot=boot_id())


def stopped(*, upload: bool = False) -> Outcome:
    """Somebody stopped it."""
    return Outcome("Stopped", "Stopped", "Training job stopped", upload=upload, boot=boot_id())


def runtime_exceeded() -> Outcome:
    """It ran longer than MaxRuntimeInSeconds."""
    message = "Training job runtime exceeded MaxRuntimeInSeconds provided"
    return Outcome("Stopped", "MaxRuntimeExceeded", message, upload=True, boot=boot_id())


def failed(reason: str, *, upload: bool = False) -> Outcome:
    """It failed, for a reason that begins with AlgorithmError, ClientError or InternalServerError."""
    reason = reason[:LONGEST_REASON]
    return Outcome("Failed", "Failed", "Training job failed", reason, upload=upload, boot=boot_id())


def failed_here(reason: str) -> Outcome:
    """It failed without a fault of its own."""
    return replace(failed(f"InternalServerError: {reason}"), may_be_retried=True)


def failed_program(exit_: WorkerExit, output: Path | None, memory_bytes: int) -> Outcome:
    """The program failed: says how, with what it wrote to the file `failure` in its output folder."""
    code = exit_.exit_code if exit_.exit_code is not None else 128 + (exit_.signal or 0)
    if exit_.out_of_memory:
        why = (
            f"The program was ended because it took more memory than the {memory_bytes} bytes that it may have. Use a "
            "smaller batch, or let jobs have more (COLDFRAME_WORKER_MEMORY_BYTES)"
        )
    else:
        why = (_failure_text(output / "failure") if output else "") or (
            f"Ended by signal {exit_.signal}" if exit_.signal else SEE_LOG
        )
    end = f", exit code: {code}"
    return failed(f"AlgorithmError: {why}"[: LONGEST_REASON - len(end)] + end, upload=True)


def boot_id() -> str:
    """A name for this run of the machine."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return "unknown"


def _failure_text(failure: Path) -> str:
    """The beginning of the failure file, as far as it is text."""
    if failure.is_symlink() or not failure.is_file():
        return ""
    with failure.open("rb") as file:
        return file.read(4 * LONGEST_REASON).decode("utf-8", "replace")[:LONGEST_REASON].strip().replace("\0", "")
