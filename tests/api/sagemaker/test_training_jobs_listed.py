"""ListTrainingJobs: filters, orders and pages; and tags."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from coldframe.app import build_state
from coldframe.config import Config
from coldframe.state.training_jobs import TrainingJobFilter, list_training_jobs, training_jobs
from training import Training

Name = Callable[[str], str]


@pytest.fixture(scope="module")
def training(server: Any) -> Training:
    return Training(server.client, "training-lists")


@pytest.fixture(scope="module")
def names(training: Training) -> list[str]:
    """Five jobs, the third of which failed."""
    source = training.put_source({"train.py": "import sys; sys.exit('x' if '--fail' in sys.argv else 0)"})
    names = [f"listed-{letter}" for letter in "cadbe"]
    for number, name in enumerate(names):
        training.run(name, source=source, HyperParameters={"fail": "1"} if number == 2 else {})
    return names


def listed(training: Training, **filters: Any) -> list[str]:
    pages = training.sagemaker.get_paginator("list_training_jobs").paginate(NameContains="listed-", **filters)
    return [one["TrainingJobName"] for page in pages for one in page["TrainingJobSummaries"]]


def test_list_training_jobs_in_each_order(training: Training, names: list[str]) -> None:
    assert listed(training) == names
    assert listed(training, SortOrder="Descending") == names[::-1]
    assert listed(training, SortBy="Name") == sorted(names)
    by_status = [f"listed-{letter}" for letter in "abced"]
    assert listed(training, SortBy="Status", SortOrder="Ascending") == by_status
    assert listed(training, SortBy="Status", SortOrder="Descending") == by_status[::-1]


@pytest.mark.parametrize("sort_by", ["Name", "CreationTime", "Status"])
@pytest.mark.parametrize("order", ["Ascending", "Descending"])
def test_list_training_jobs_page_by_page(training: Training, names: list[str], sort_by: str, order: str) -> None:
    arguments = {"SortBy": sort_by, "SortOrder": order}
    assert listed(training, **arguments, PaginationConfig={"PageSize": 2}) == listed(training, **arguments)


def test_list_training_jobs_filtered(training: Training, names: list[str]) -> None:
    assert listed(training, StatusEquals="Failed") == [names[2]]
    for key, after, before in (
        ("CreationTime", "CreationTimeAfter", "CreationTimeBefore"),
        ("LastModifiedTime", "LastModifiedTimeAfter", "LastModifiedTimeBefore"),
    ):
        times = {name: training.describe(name)[key].timestamp() for name in names}
        middle = int(times[names[2]])  # botocore sends whole seconds
        moment = datetime.fromtimestamp(middle, UTC)
        assert listed(training, **{after: moment}) == [name for name in names if times[name] > middle], times
        assert listed(training, **{before: moment}) == [name for name in names if times[name] < middle], times
    assert listed(training, CreationTimeAfter=datetime.now(UTC) + timedelta(seconds=1)) == []  # sent without fraction
    assert listed(training, WarmPoolStatusEquals="Available") == []
    summary = training.sagemaker.list_training_jobs(NameContains="listed-d")["TrainingJobSummaries"][0]
    described = training.describe(names[2])
    assert summary == {key: described[key] for key in summary}
    assert summary.keys() >= {"TrainingJobArn", "TrainingEndTime", "SecondaryStatus", "LastModifiedTime"}


def test_list_training_jobs_with_a_token_of_another_list(training: Training, names: list[str]) -> None:
    token = training.sagemaker.list_training_jobs(MaxResults=1, SortBy="Name")["NextToken"]
    with pytest.raises(ClientError, match="ValidationException"):
        training.sagemaker.list_training_jobs(MaxResults=1, SortBy="CreationTime", NextToken=token)
    with pytest.raises(ClientError, match="ValidationException"):
        training.sagemaker.list_training_jobs(NextToken="rubbish")


def test_list_training_jobs_among_ten_thousand(tmp_path: Any) -> None:
    state = build_state(Config(data_directory=tmp_path))
    rows = [
        {
            "name": f"job-{number:05}",
            "directory": "",
            "status": "Completed" if number % 100 else "Failed",
            "secondary_status": "Completed",
            "created_at": float(number),
            "modified_at": float(number),
            "attempts": 1,
            "request": {"HyperParameters": {"a": "b" * 100}},
            "transitions": [],
            "environment": {},
            "metrics": [],
            "model_artifacts": "",
            "failure_reason": "",
        }
        for number in range(10_000)
    ]
    state.database.submit(lambda connection: connection.execute(training_jobs.insert(), rows)).result()
    for wanted in (
        TrainingJobFilter(),
        TrainingJobFilter(sort_by="Name", descending=True),
        TrainingJobFilter(sort_by="Status", descending=True),
        TrainingJobFilter(status="Failed"),
        TrainingJobFilter(name_contains="999"),
        TrainingJobFilter(created_after=9_000.0, modified_before=9_500.0),
    ):
        seconds = []
        for _ in range(5):
            before = time.perf_counter()
            found = state.database.read(
                lambda connection, wanted=wanted: list_training_jobs(connection, wanted, after=None, limit=100)  # type: ignore[misc]
            )
            seconds.append(time.perf_counter() - before)
        assert found, wanted
        assert min(seconds) < 0.05, wanted
    state.database.close()


def test_tags_of_a_training_job(training: Training, names: list[str]) -> None:
    arn = training.describe(names[0])["TrainingJobArn"]
    tags = training.sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "b", "Value": "1"}, {"Key": "a", "Value": "2"}])
    assert tags["Tags"] == [{"Key": "a", "Value": "2"}, {"Key": "b", "Value": "1"}]
    training.sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "a", "Value": "3"}])
    training.sagemaker.delete_tags(ResourceArn=arn, TagKeys=["b", "absent"])
    assert training.sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "a", "Value": "3"}]
    with pytest.raises(ClientError, match="at most 50 tags"):
        training.sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": f"k{i}", "Value": ""} for i in range(50)])
    assert len(training.sagemaker.list_tags(ResourceArn=arn)["Tags"]) == 1


@pytest.mark.parametrize(
    "arn",
    [
        "arn:aws:sagemaker:us-east-1:000000000000:training-job/absent",
        "arn:aws:sagemaker:us-east-1:000000000000:dog/rex",
        "arn:aws:sagemaker:eu-west-1:000000000000:training-job/listed-a",
        "arn:aws:sagemaker:us-east-1:999999999999:training-job/listed-a",
    ],
)
def test_tags_of_a_resource_that_is_not_there(training: Training, names: list[str], arn: str) -> None:
    for call, arguments in (
        (training.sagemaker.add_tags, {"Tags": [{"Key": "a", "Value": "b"}]}),
        (training.sagemaker.list_tags, {}),
        (training.sagemaker.delete_tags, {"TagKeys": ["a"]}),
    ):
        with pytest.raises(ClientError, match="ValidationException"):
            call(ResourceArn=arn, **arguments)


def test_update_training_job(training: Training, names: list[str], unique_name: Name) -> None:
    name = training.create(unique_name("update"), "import time\nprint('begun')\ntime.sleep(600)")
    training.wait_for_line(name, "begun")
    training.sagemaker.update_training_job(
        TrainingJobName=name,
        ResourceConfig={"KeepAlivePeriodInSeconds": 60},
        ProfilerConfig={"DisableProfiler": True},
    )
    described = training.describe(name)
    assert described["ResourceConfig"]["KeepAlivePeriodInSeconds"] == 60
    assert described["ResourceConfig"]["InstanceType"] == "ml.m5.large"
    assert described["ProfilerConfig"] == {"DisableProfiler": True}
    training.sagemaker.stop_training_job(TrainingJobName=name)
    training.wait(name)
    with pytest.raises(ClientError, match="because the training job is in status Stopped"):
        training.sagemaker.update_training_job(TrainingJobName=name, ProfilerConfig={"DisableProfiler": False})
