"""The table of a training job's statuses, and the record that cannot leave it."""

import itertools
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coldframe.state.database import Database
from coldframe.state.lifecycles import (
    TRAINING_JOB,
    TRAINING_JOB_PAIRS,
    TRAINING_JOB_SECONDARY,
    Lifecycle,
    LifecycleError,
)
from coldframe.state.tables import metadata
from coldframe.state.training_jobs import (
    TrainingJobIsStopping,
    TrainingJobRecord,
    advance_training_job,
    create_training_job,
    find_training_job,
)


@pytest.mark.parametrize("lifecycle", [TRAINING_JOB, TRAINING_JOB_SECONDARY])
def test_every_status_can_be_reached_and_left_or_is_an_end(lifecycle: Lifecycle) -> None:
    reached = {lifecycle.first}
    while True:
        more = set(itertools.chain.from_iterable(lifecycle.next_statuses[status] for status in reached)) - reached
        if not more:
            break
        reached |= more
    assert reached == set(lifecycle.next_statuses)


def test_pairs_cover_both_tables() -> None:
    assert set(TRAINING_JOB_PAIRS) == set(TRAINING_JOB.next_statuses)
    secondary = set(itertools.chain.from_iterable(TRAINING_JOB_PAIRS.values()))
    assert secondary == set(TRAINING_JOB_SECONDARY.next_statuses)
    for status, secondary_statuses in TRAINING_JOB_PAIRS.items():
        for one in secondary_statuses:
            assert TRAINING_JOB.is_terminal(status) == TRAINING_JOB_SECONDARY.is_terminal(one)


def test_a_step_that_is_not_in_the_table() -> None:
    with pytest.raises(LifecycleError, match="a training job cannot go from Completed to InProgress"):
        TRAINING_JOB.step("Completed", "InProgress")


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    opened = Database(f"sqlite:///{tmp_path_factory.mktemp('lifecycle') / 'test.sqlite3'}")
    metadata.create_all(opened.engine)
    yield opened
    opened.close()


_numbers = itertools.count()


@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(sorted(TRAINING_JOB_SECONDARY.next_statuses)),
            st.sampled_from([None, *sorted(TRAINING_JOB.next_statuses)]),
            st.floats(-5, 5),
        ),
        max_size=12,
    )
)
def test_no_order_of_calls_leads_out_of_the_table(
    database: Database, steps: list[tuple[str, str | None, float]]
) -> None:
    name = f"job-{next(_numbers)}"
    record = _created(database, name)
    clock = 1000.0
    for secondary, status, seconds in steps:
        clock += seconds  # clocks are set back, too
        before = record
        try:
            record = _advance(database, before.id, secondary, status, clock)
        except (LifecycleError, TrainingJobIsStopping):
            assert database.read(lambda connection: find_training_job(connection, name)) == before
        else:
            assert record.secondary_status in TRAINING_JOB_SECONDARY.next_statuses[before.secondary_status]
            assert record.secondary_status in TRAINING_JOB_PAIRS[record.status]
        _check_transitions(record)


def _advance(database: Database, job_id: int, secondary: str, status: str | None, at: float) -> TrainingJobRecord:
    return database.submit(
        lambda connection: advance_training_job(connection, job_id, secondary, at=at, message="", status=status)
    ).result()


def _created(database: Database, name: str) -> TrainingJobRecord:
    database.submit(
        lambda connection: create_training_job(connection, name=name, directory=name, request={}, at=1000.0)
    ).result()
    record = database.read(lambda connection: find_training_job(connection, name))
    assert record is not None
    return record


def _check_transitions(record: TrainingJobRecord) -> None:
    transitions = record.transitions
    for earlier, later in itertools.pairwise(transitions):
        assert earlier["EndTime"] == later["StartTime"] >= earlier["StartTime"]
    assert transitions[-1]["Status"] == record.secondary_status
    assert ("EndTime" in transitions[-1]) == record.is_terminal
    assert (record.ended_at is not None) == record.is_terminal


def test_a_job_that_is_stopping_goes_no_further(database: Database) -> None:
    record = _created(database, "stopping")
    _advance(database, record.id, "Stopping", "Stopping", 1001.0)
    with pytest.raises(TrainingJobIsStopping):
        _advance(database, record.id, "Training", None, 1002.0)
