"""Training jobs: create, describe, list, stop, update, delete."""

from typing import Any

from sqlalchemy import Connection

from coldframe.arns import Scope
from coldframe.calls import AllowedCall, Parameters
from coldframe.clock import utc
from coldframe.errors import ValidationException
from coldframe.services.operation import any_resource, operation
from coldframe.services.pages import next_token, place_after
from coldframe.services.sagemaker.errors import ResourceInUse
from coldframe.services.sagemaker.tags import check_tags
from coldframe.services.sagemaker.training_job_checks import check_parameters, check_storage
from coldframe.state import training_jobs
from coldframe.state.state import State
from coldframe.state.tags import add_tags, delete_all_tags
from coldframe.state.training_jobs import TrainingJobFilter, TrainingJobRecord

DAY_SECONDS = 24 * 3600
TOPIC = "training_jobs"


def training_job_arn(parameters: Parameters, scope: Scope) -> str:
    """The ARN of the job that a call names."""
    return scope.arn("sagemaker", f"training-job/{parameters['TrainingJobName']}")


@operation(
    "sagemaker",
    "CreateTrainingJob",
    action="sagemaker:CreateTrainingJob",
    resource=training_job_arn,
    partial="One instance per job; File and FastFile input from S3 prefixes and manifests. Spot, warm pools, VPC, "
    "debugger and profiler settings are recorded and shown, and the job's log says that they are not carried out. "
    "Pipe mode, several instances, file systems, augmented manifests, marketplace algorithms and serverless jobs "
    "are refused.",
)
async def create_training_job(call: AllowedCall, state: State) -> Parameters:
    """Write down a training job that is wanted."""
    given = call.parameters
    name = given["TrainingJobName"]
    arn = training_job_arn(given, call.scope)
    tags = given.get("Tags", [])
    check_parameters(given)
    check_tags(tags)
    request = _with_defaults({key: value for key, value in given.items() if key != "Tags"})

    def write(connection: Connection) -> None:
        check_storage(connection, given, call.scope.region)
        if training_jobs.find_training_job(connection, name) is not None:
            raise ResourceInUse(
                message="Training job names must be unique within an AWS account and region, and a training job with "
                f"this name already exists ({arn})"
            )
        directory = f"{name}-{state.chance.hexadecimal(8)}"
        now = state.clock.now()
        training_jobs.create_training_job(connection, name=name, directory=directory, request=request, at=now)
        add_tags(connection, arn, tags)

    await state.database.write(write)
    state.signals.notify(TOPIC)
    return {"TrainingJobArn": arn}


@operation("sagemaker", "DescribeTrainingJob", action="sagemaker:DescribeTrainingJob", resource=training_job_arn)
async def describe_training_job(call: AllowedCall, state: State) -> Parameters:
    """All that is known of a job."""
    record = state.database.read(lambda connection: _existing(connection, call.parameters["TrainingJobName"]))
    return _described(record, call.scope)


@operation("sagemaker", "ListTrainingJobs", action="sagemaker:ListTrainingJobs", resource=any_resource)
async def list_training_jobs(call: AllowedCall, state: State) -> Parameters:
    """Jobs in order of their creation, names or statuses."""
    given = call.parameters
    limit = given.get("MaxResults", 10)
    if "WarmPoolStatusEquals" in given or "TrainingPlanArnEquals" in given:
        return {"TrainingJobSummaries": []}  # no job has a warm pool or a training plan
    wanted = _filter(given)
    after = place_after(given)
    jobs = await state.database.read_in_thread(
        lambda connection: training_jobs.list_training_jobs(connection, wanted, after=after, limit=limit + 1)
    )
    answer: Parameters = {"TrainingJobSummaries": [_summary(record, call.scope) for record in jobs[:limit]]}
    if len(jobs) > limit:
        answer["NextToken"] = next_token(training_jobs.place_of(jobs[limit - 1], wanted.sort_by), given)
    return answer


@operation("sagemaker", "StopTrainingJob", action="sagemaker:StopTrainingJob", resource=training_job_arn)
async def stop_training_job(call: AllowedCall, state: State) -> Parameters:
    """Have a job end: SIGTERM, some time to save what it has, and then SIGKILL."""

    def write(connection: Connection) -> None:
        record = _existing(connection, call.parameters["TrainingJobName"])
        if record.is_terminal:
            raise ValidationException(
                message=f"The request was rejected because the training job is in status {record.status}."
            )
        if record.status != "Stopping":
            training_jobs.advance_training_job(
                connection,
                record.id,
                "Stopping",
                at=state.clock.now(),
                message="Stopping the training job",
                status="Stopping",
            )

    await state.database.write(write)
    state.signals.notify(TOPIC)
    return {}


@operation(
    "sagemaker",
    "UpdateTrainingJob",
    action="sagemaker:UpdateTrainingJob",
    resource=training_job_arn,
    partial="Changes are recorded and shown; profiling, remote debugging and warm pools are not carried out.",
)
async def update_training_job(call: AllowedCall, state: State) -> Parameters:
    """Change what may be changed of a job that runs."""
    changes = {key: value for key, value in call.parameters.items() if key != "TrainingJobName"}

    def write(connection: Connection) -> None:
        record = _existing(connection, call.parameters["TrainingJobName"])
        if record.status != "InProgress":
            raise ValidationException(
                message=f"The request was rejected because the training job is in status {record.status}."
            )
        request = dict(record.request)
        for key, value in changes.items():
            request[key] = request.get(key, {}) | value if isinstance(value, dict) else value
        training_jobs.change_training_job(connection, record.id, request=request, modified_at=state.clock.now())

    await state.database.write(write)
    return {"TrainingJobArn": training_job_arn(call.parameters, call.scope)}


@operation("sagemaker", "DeleteTrainingJob", action="sagemaker:DeleteTrainingJob", resource=training_job_arn)
async def delete_training_job(call: AllowedCall, state: State) -> Parameters:
    """Forget a job that has come to its end. Its name may be used again; its artifacts and its log stay."""

    def write(connection: Connection) -> None:
        record = _existing(connection, call.parameters["TrainingJobName"])
        arn = training_job_arn(call.parameters, call.scope)
        if not record.is_terminal:
            raise ResourceInUse(
                message=f"Cannot delete training job {arn} in status {record.status}: only jobs that are Completed, "
                "Failed or Stopped can be deleted."
            )
        training_jobs.delete_training_job(connection, record.id)
        delete_all_tags(connection, arn)

    await state.database.write(write)
    return {}


def _existing(connection: Connection, name: str) -> TrainingJobRecord:
    record = training_jobs.find_training_job(connection, name)
    if record is None:
        raise ValidationException(message="Requested resource not found.")
    return record


def _with_defaults(request: Parameters) -> Parameters:
    """The request with what AWS fills in where nothing was given."""
    filled = dict(request)
    filled["StoppingCondition"] = {"MaxRuntimeInSeconds": DAY_SECONDS} | request.get("StoppingCondition", {})
    filled["OutputDataConfig"] = {"KmsKeyId": ""} | request.get("OutputDataConfig", {})
    filled["ResourceConfig"] = {"VolumeSizeInGB": 30} | request["ResourceConfig"]
    filled["AlgorithmSpecification"] = {"EnableSageMakerMetricsTimeSeries": False} | request["AlgorithmSpecification"]
    for flag in ("EnableNetworkIsolation", "EnableInterContainerTrafficEncryption", "EnableManagedSpotTraining"):
        filled.setdefault(flag, False)
    if "InputDataConfig" in request:
        filled["InputDataConfig"] = [
            {"CompressionType": "None", "RecordWrapperType": "None"} | channel for channel in request["InputDataConfig"]
        ]
    return filled


def _described(record: TrainingJobRecord, scope: Scope) -> Parameters:
    ended = record.ended_at
    described: Parameters = {
        **{key: value for key, value in record.request.items() if key not in ("Tags", "SessionChainingConfig")},
        "TrainingJobArn": training_job_arn({"TrainingJobName": record.name}, scope),
        "TrainingJobStatus": record.status,
        "SecondaryStatus": record.secondary_status,
        "CreationTime": utc(record.created_at),
        "LastModifiedTime": utc(record.modified_at),
        "SecondaryStatusTransitions": [_timed(one, "StartTime", "EndTime") for one in record.transitions],
        "ProfilingStatus": "Disabled",
    }
    if record.started_at is not None:
        described["TrainingStartTime"] = utc(record.started_at)
    if ended is not None:
        described["TrainingEndTime"] = utc(ended)
        if record.started_at is not None:
            seconds = max(1, round(ended - record.started_at))
            described |= {"TrainingTimeInSeconds": seconds, "BillableTimeInSeconds": seconds}
    if record.failure_reason:
        described["FailureReason"] = record.failure_reason
    if record.model_artifacts:
        described["ModelArtifacts"] = {"S3ModelArtifacts": record.model_artifacts}
    if record.metrics:
        described["FinalMetricDataList"] = [_timed(metric, "Timestamp") for metric in record.metrics]
    for kind in ("DebugRule", "ProfilerRule"):
        if rules := record.request.get(f"{kind}Configurations"):
            described[f"{kind}EvaluationStatuses"] = [_not_evaluated(rule, record) for rule in rules]
    return described


def _not_evaluated(rule: dict[str, Any], record: TrainingJobRecord) -> dict[str, Any]:
    """A rule's status. Stopped, not NoIssuesFound: nobody looked."""
    return {
        "RuleConfigurationName": rule["RuleConfigurationName"],
        "RuleEvaluationStatus": "Stopped",
        "StatusDetails": "Coldframe does not evaluate rules",
        "LastModifiedTime": utc(record.created_at),
    }


def _timed(given: dict[str, Any], *names: str) -> dict[str, Any]:
    return given | {name: utc(given[name]) for name in names if name in given}


def _summary(record: TrainingJobRecord, scope: Scope) -> dict[str, Any]:
    summary = {
        "TrainingJobName": record.name,
        "TrainingJobArn": training_job_arn({"TrainingJobName": record.name}, scope),
        "CreationTime": utc(record.created_at),
        "LastModifiedTime": utc(record.modified_at),
        "TrainingJobStatus": record.status,
        "SecondaryStatus": record.secondary_status,
    }
    if record.ended_at is not None:
        summary["TrainingEndTime"] = utc(record.ended_at)
    return summary


def _filter(given: Parameters) -> TrainingJobFilter:
    def seconds(name: str) -> float | None:
        return given[name].timestamp() if name in given else None

    return TrainingJobFilter(
        name_contains=given.get("NameContains", ""),
        status=given.get("StatusEquals", ""),
        created_after=seconds("CreationTimeAfter"),
        created_before=seconds("CreationTimeBefore"),
        modified_after=seconds("LastModifiedTimeAfter"),
        modified_before=seconds("LastModifiedTimeBefore"),
        sort_by=given.get("SortBy", "CreationTime"),
        descending=given.get("SortOrder", "Ascending") == "Descending",
    )
