"""Creates training jobs for tests, from the text of a script, and waits for their ends."""

import io
import itertools
import tarfile
import time
from collections.abc import Callable
from typing import Any

from waiting import wait_until

ROLE = "arn:aws:iam::000000000000:role/training"
IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:2.0-cpu-py310"

_numbers = itertools.count(1)


class Training:
    """Training jobs in a bucket of their own.

    Args:
        client: makes boto3 clients of a server.
        bucket: made here, if it is not there.
    """

    def __init__(self, client: Callable[..., Any], bucket: str) -> None:
        self.sagemaker = client("sagemaker")
        self.s3 = client("s3")
        self.logs = client("logs")
        self.bucket = bucket
        self.s3.create_bucket(Bucket=bucket)

    def put_source(self, files: dict[str, str]) -> str:
        """Upload a sourcedir.tar.gz of texts by their names."""
        content = io.BytesIO()
        with tarfile.open(fileobj=content, mode="w:gz") as tar:
            for name, text in files.items():
                member = tarfile.TarInfo(name)
                member.size = len(text.encode())
                tar.addfile(member, io.BytesIO(text.encode()))
        return self.put_archive(content.getvalue())

    def put_archive(self, content: bytes) -> str:
        key = f"code/{next(_numbers)}/sourcedir.tar.gz"
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=content)
        return f"s3://{self.bucket}/{key}"

    def request(self, name: str, script: str = "", source: str = "", **more: Any) -> dict[str, Any]:
        """A CreateTrainingJob request for a script; `more` replaces members of it, hyperparameters are added."""
        hyperparameters = {
            "sagemaker_program": '"train.py"',  # with quotes, as version 2 of the SDK sends them
            "sagemaker_submit_directory": f'"{source or self.put_source({"train.py": script})}"',
        }
        return {
            "TrainingJobName": name,
            "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
            "RoleArn": ROLE,
            "OutputDataConfig": {"S3OutputPath": f"s3://{self.bucket}/output"},
            "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 30},
            "StoppingCondition": {"MaxRuntimeInSeconds": 600},
            **more,
            "HyperParameters": hyperparameters | more.get("HyperParameters", {}),
        }

    def create(self, name: str, script: str = "", **more: Any) -> str:
        """Create a job; its name."""
        self.sagemaker.create_training_job(**self.request(name, script, **more))
        return name

    def describe(self, name: str) -> dict[str, Any]:
        described: dict[str, Any] = self.sagemaker.describe_training_job(TrainingJobName=name)
        return described

    def wait(self, name: str, *statuses: str, timeout_seconds: float = 60.0) -> dict[str, Any]:
        """Wait for one of the statuses, primary or secondary; by default for the job's end."""
        wanted = statuses or ("Completed", "Failed", "Stopped")

        def reached() -> dict[str, Any] | None:
            described = self.describe(name)
            found = described["TrainingJobStatus"] in wanted or described["SecondaryStatus"] in wanted
            return described if found else None

        found = wait_until(reached, timeout_seconds, lambda: f"{wanted}; log: {self.log(name)[-20:]}")
        assert found is not None
        return found

    def run(self, name: str, script: str = "", **more: Any) -> dict[str, Any]:
        """Create a job and wait for its end."""
        return self.wait(self.create(name, script, **more))

    def log(self, name: str) -> list[str]:
        """All lines of a job's log, as the SDK reads them."""
        group = "/aws/sagemaker/TrainingJobs"
        try:
            streams = self.logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=f"{name}/")["logStreams"]
        except self.logs.exceptions.ResourceNotFoundException:
            return []
        lines: list[str] = []
        for stream in streams:
            arguments = {"logGroupName": group, "logStreamName": stream["logStreamName"], "startFromHead": True}
            page = self.logs.get_log_events(**arguments)
            while page["events"]:
                lines += [event["message"] for event in page["events"]]
                page = self.logs.get_log_events(**arguments, nextToken=page["nextForwardToken"])
        return lines

    def printed(self, name: str) -> list[str]:
        """What the job itself wrote, without what Coldframe says of it."""
        return [line for line in self.log(name) if not line.startswith("Coldframe: ")]

    def wait_for_line(self, name: str, line: str, timeout_seconds: float = 30.0) -> None:
        """Wait until a line is in the job's log."""
        wait_until(lambda: line in self.log(name), timeout_seconds, lambda: f"{line!r} in {self.log(name)[-20:]}")

    def unpack(self, uri: str) -> dict[str, bytes]:
        """The files in an archive that a job uploaded."""
        bucket, key = uri.removeprefix("s3://").split("/", 1)
        content = self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as tar:
            return {member.name: file.read() for member in tar if (file := tar.extractfile(member)) is not None}

    def keys(self, prefix: str) -> list[str]:
        """Keys below a prefix."""
        listed = self.s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix).get("Contents", [])
        return [one["Key"] for one in listed]


def statuses(described: dict[str, Any]) -> list[str]:
    """The statuses that a job went through."""
    return [transition["Status"] for transition in described["SecondaryStatusTransitions"]]


def channel(name: str, uri: str, **more: Any) -> dict[str, Any]:
    """An entry of InputDataConfig."""
    source = {"S3DataType": "S3Prefix", "S3Uri": uri, "S3DataDistributionType": "FullyReplicated"}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source | more.pop("source", {})}, **more}


def milliseconds_since(moment: float) -> float:
    return (time.monotonic() - moment) * 1000
