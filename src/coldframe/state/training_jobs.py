"""Training jobs: what was asked for, and how far it is."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    ColumnElement,
    Connection,
    Float,
    Index,
    Integer,
    Select,
    String,
    Table,
    Text,
    delete,
    insert,
    select,
    tuple_,
    update,
)

from coldframe.state.lifecycles import TRAINING_JOB, TRAINING_JOB_PAIRS, TRAINING_JOB_SECONDARY, LifecycleError
from coldframe.state.schema import metadata

training_jobs = Table(
    "training_jobs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(63), nullable=False, unique=True),
    Column("directory", String(80), nullable=False),
    Column("status", String(16), nullable=False),
    Column("secondary_status", String(24), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("modified_at", Float, nullable=False),
    Column("started_at", Float),
    Column("ended_at", Float),
    Column("attempts", Integer, nullable=False),
    Column("request", JSON, nullable=False),
    Column("transitions", JSON, nullable=False),
    Column("environment", JSON, nullable=False),
    Column("metrics", JSON, nullable=False),
    Column("outcome", JSON),
    Column("model_artifacts", Text, nullable=False),
    Column("failure_reason", Text, nullable=False),
    Index(None, "created_at", "name"),
    Index(None, "status", "name"),
)


@dataclass(frozen=True, slots=True)
class TrainingJobRecord:
    """One training job. Times are seconds since 1970 UTC."""

    id: int
    name: str
    directory: str
    """The name of its working directory: the job's name and a random part."""
    status: str
    secondary_status: str
    created_at: float
    modified_at: float
    started_at: float | None
    """When it first had a machine."""
    ended_at: float | None
    attempts: int
    """How often it was begun."""
    request: dict[str, Any]
    """What CreateTrainingJob was given, with what AWS fills in; without Tags."""
    transitions: list[dict[str, Any]]
    """SecondaryStatusTransitions; times as floats."""
    environment: dict[str, str]
    """What it runs in, as the runner describes it."""
    metrics: list[dict[str, Any]]
    """FinalMetricDataList; times as floats."""
    outcome: dict[str, Any] | None
    """How the program ended and what is to follow, written down before the artifacts are uploaded."""
    model_artifacts: str
    failure_reason: str

    @property
    def is_terminal(self) -> bool:
        """Whether it has come to its end."""
        return TRAINING_JOB.is_terminal(self.status)


@dataclass(frozen=True, slots=True)
class TrainingJobFilter:
    """Which jobs a list is to have, and in which order."""

    name_contains: str = ""
    status: str = ""
    created_after: float | None = None
    created_before: float | None = None
    modified_after: float | None = None
    modified_before: float | None = None
    sort_by: str = "CreationTime"
    descending: bool = False


class TrainingJobIsStopping(RuntimeError):
    """The job was asked to stop, so that it goes no further."""


def create_training_job(
    connection: Connection, *, name: str, directory: str, request: Mapping[str, Any], at: float
) -> None:
    """Write down a job that is wanted. Its name must be free."""
    connection.execute(
        insert(training_jobs).values(
            name=name,
            directory=directory,
            status=TRAINING_JOB.first,
            secondary_status=TRAINING_JOB_SECONDARY.first,
            created_at=at,
            modified_at=at,
            attempts=0,
            request=dict(request),
            transitions=[_transition(TRAINING_JOB_SECONDARY.first, at, "Starting the training job")],
            environment={},
            metrics=[],
            model_artifacts="",
            failure_reason="",
        )
    )


def find_training_job(connection: Connection, name: str) -> TrainingJobRecord | None:
    """The job of this name."""
    return _one(connection, select(training_jobs).where(training_jobs.c.name == name))


def get_training_job(connection: Connection, job_id: int) -> TrainingJobRecord:
    """The job of this id, which must be there."""
    record = _one(connection, select(training_jobs).where(training_jobs.c.id == job_id))
    if record is None:
        raise LookupError(f"training job {job_id} is not there any more")
    return record


def active_training_jobs(connection: Connection) -> list[TrainingJobRecord]:
    """The jobs that have not come to their end, in the order in which they were created."""
    query = select(training_jobs).where(training_jobs.c.status.in_(("InProgress", "Stopping")))
    return [TrainingJobRecord(*row) for row in connection.execute(query.order_by(training_jobs.c.id))]


def list_training_jobs(
    connection: Connection, wanted: TrainingJobFilter, *, after: tuple[Any, str] | None, limit: int
) -> list[TrainingJobRecord]:
    """Jobs in the wanted order, from after the place of one (see `place_of`)."""
    columns = training_jobs.c
    sort = {"Name": columns.name, "CreationTime": columns.created_at, "Status": columns.status}[wanted.sort_by]
    query = select(training_jobs).where(*_conditions(wanted))
    if after is not None:
        place = tuple_(sort, columns.name)
        query = query.where(place < after if wanted.descending else place > after)
    query = (
        query.order_by(sort.desc(), columns.name.desc()) if wanted.descending else query.order_by(sort, columns.name)
    )
    return [TrainingJobRecord(*row) for row in connection.execute(query.limit(limit))]


def place_of(record: TrainingJobRecord, sort_by: str) -> tuple[Any, str]:
    """Where a job stands in a list."""
    return {"Name": record.name, "CreationTime": record.created_at, "Status": record.status}[sort_by], record.name


def advance_training_job(
    connection: Connection,
    job_id: int,
    secondary_status: str,
    *,
    at: float,
    message: str,
    status: str | None = None,
    **changes: Any,
) -> TrainingJobRecord:
    """Take a job to its next status.

    Args:
        connection: within a write.
        job_id: the record's id.
        secondary_status: what it becomes; TrainingJobIsStopping if that would be a way back from Stopping.
        at: the time of the change, at which the transition before it ends.
        message: what AWS says about the new status.
        status: the primary status, if it changes too.
        changes: further columns.
    """
    record = get_training_job(connection, job_id)
    next_status = record.status if status is None else TRAINING_JOB.step(record.status, status)
    if record.status == "Stopping" and secondary_status in TRAINING_JOB_PAIRS["InProgress"] - {"Uploading"}:
        raise TrainingJobIsStopping(record.name)
    TRAINING_JOB_SECONDARY.step(record.secondary_status, secondary_status)
    if secondary_status not in TRAINING_JOB_PAIRS[next_status]:
        raise LifecycleError(f"a training job cannot be {next_status} and {secondary_status} at once")
    at = max(at, record.transitions[-1]["StartTime"])  # a clock that is set back must not make time run backwards
    transitions = [*record.transitions[:-1], record.transitions[-1] | {"EndTime": at}]
    transitions.append(_transition(secondary_status, at, message))
    if TRAINING_JOB.is_terminal(next_status):
        transitions[-1]["EndTime"] = at
        changes["ended_at"] = at
    changes |= {"status": next_status, "secondary_status": secondary_status, "modified_at": at}
    return change_training_job(connection, job_id, transitions=transitions, **changes)


def change_training_job(connection: Connection, job_id: int, **changes: Any) -> TrainingJobRecord:
    """Change a job's columns, but for its status."""
    connection.execute(update(training_jobs).where(training_jobs.c.id == job_id).values(**changes))
    return get_training_job(connection, job_id)


def delete_training_job(connection: Connection, job_id: int) -> None:
    """Forget a job."""
    connection.execute(delete(training_jobs).where(training_jobs.c.id == job_id))


def _transition(status: str, at: float, message: str) -> dict[str, Any]:
    return {"Status": status, "StartTime": at, "StatusMessage": message}


def _one(connection: Connection, query: Select[Any]) -> TrainingJobRecord | None:
    row = connection.execute(query).one_or_none()
    return None if row is None else TrainingJobRecord(*row)


def _conditions(wanted: TrainingJobFilter) -> list[ColumnElement[bool]]:
    columns = training_jobs.c
    conditions: list[ColumnElement[bool]] = []
    if wanted.name_contains:
        conditions.append(columns.name.contains(wanted.name_contains, autoescape=True))
    if wanted.status:
        conditions.append(columns.status == wanted.status)
    if wanted.created_after is not None:
        conditions.append(columns.created_at > wanted.created_after)
    if wanted.created_before is not None:
        conditions.append(columns.created_at < wanted.created_before)
    if wanted.modified_after is not None:
        conditions.append(columns.modified_at > wanted.modified_after)
    if wanted.modified_before is not None:
        conditions.append(columns.modified_at < wanted.modified_before)
    return conditions
