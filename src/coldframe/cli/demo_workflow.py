"""The demo's work, by plain boto3 as anybody would write it: upload, train, deploy, ask."""

import io
import json
import re
import tarfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config as ClientConfig
from botocore.exceptions import ClientError, WaiterError

from coldframe.cli.demo_pictures import Picture, example_directory
from coldframe.cli.failures import CommandFailure

SOURCE_FILES = ("train.py", "features.py", "inference.py", "network.py", "pictures.py", "requirements.txt")
TRAINING_IMAGE = "763104351884.dkr.ecr.{region}.amazonaws.com/pytorch-training:2.5-cpu-py311"
INFERENCE_IMAGE = "763104351884.dkr.ecr.{region}.amazonaws.com/pytorch-inference:2.5-cpu-py311"
METRICS = ("train_loss", "valid_loss", "valid_accuracy", "test_accuracy")
LOG_GROUP = "/aws/sagemaker/TrainingJobs"
UPLOAD_THREADS = 8
LARGEST_QUESTION_BYTES = 5_000_000
"""InvokeEndpoint takes 6 MB."""

CONTENT_TYPES = {".png": "image/png", ".webp": "image/webp"}


@dataclass(frozen=True)
class Answer:
    """What the endpoint said about one picture."""

    picture: Picture
    said: str
    """The likeliest breed; empty if the picture was refused."""
    confidence: float
    milliseconds: float
    """From the call to the answer, as the client saw it."""
    refusal: str = ""

    @property
    def right(self) -> bool:
        """Whether the likeliest breed is the picture's own."""
        return self.said == self.picture.breed


@dataclass(frozen=True)
class TrainedModel:
    """A finished training job."""

    job_name: str
    artifacts: str
    """The S3 URI of model.tar.gz."""
    metrics: dict[str, float]
    seconds: float
    """Its TrainingTimeInSeconds."""


class Workflow:
    """One run through the workflow, under names of its own."""

    def __init__(self, account_id: str, region: str) -> None:
        """Make clients from the environment, as every boto3 program does."""
        stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
        settings = ClientConfig(max_pool_connections=UPLOAD_THREADS, retries={"total_max_attempts": 3})
        self.bucket = f"dog-breeds-{account_id}-{stamp}"
        self.name = f"dog-breeds-{stamp}"
        self._region = region
        self._role = f"arn:aws:iam::{account_id}:role/DogBreeds"
        self._s3 = boto3.client("s3", config=settings)
        self._sagemaker = boto3.client("sagemaker", config=settings)
        self._runtime = boto3.client("sagemaker-runtime", config=settings)
        self._logs = boto3.client("logs", config=settings)

    def upload(self, pictures: Sequence[Picture], on_each: Callable[[], None]) -> int:
        """Make a bucket and put the pictures and the training code there; how many bytes the pictures have."""
        self._s3.create_bucket(Bucket=self.bucket, **self._location())
        self._s3.put_object(Bucket=self.bucket, Key="code/sourcedir.tar.gz", Body=_source_archive())

        def put(picture: Picture) -> int:
            content = picture.path.read_bytes()
            self._s3.put_object(
                Bucket=self.bucket,
                Key=f"pictures/{picture.key}",
                Body=content,
                ContentType=CONTENT_TYPES.get(picture.path.suffix.lower(), "image/jpeg"),
            )
            on_each()
            return len(content)

        with ThreadPoolExecutor(UPLOAD_THREADS) as pool:
            try:
                return sum(pool.map(put, pictures))
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise

    def _location(self) -> dict[str, Any]:
        outside = self._region != "us-east-1"
        return {"CreateBucketConfiguration": {"LocationConstraint": self._region}} if outside else {}

    def start_training(self, epochs: int) -> None:
        """Create the training job."""
        hyperparameters = {
            "epochs": epochs,
            "sagemaker_program": "train.py",
            "sagemaker_submit_directory": f"s3://{self.bucket}/code/sourcedir.tar.gz",
        }
        self._sagemaker.create_training_job(
            TrainingJobName=self.name,
            RoleArn=self._role,
            AlgorithmSpecification={
                "TrainingImage": TRAINING_IMAGE.format(region=self._region),
                "TrainingInputMode": "File",
                "MetricDefinitions": [{"Name": name, "Regex": f"{name}=([0-9.]+)"} for name in METRICS],
            },
            HyperParameters={name: json.dumps(value) for name, value in hyperparameters.items()},
            InputDataConfig=[
                {
                    "ChannelName": "training",
                    "DataSource": {
                        "S3DataSource": {
                            "S3DataType": "S3Prefix",
                            "S3Uri": f"s3://{self.bucket}/pictures/",
                            "S3DataDistributionType": "FullyReplicated",
                        }
                    },
                }
            ],
            OutputDataConfig={"S3OutputPath": f"s3://{self.bucket}/jobs"},
            ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 10},
            StoppingCondition={"MaxRuntimeInSeconds": 3600},
        )

    def follow_training(self, on_line: Callable[[str], None], on_status: Callable[[str], None]) -> TrainedModel:
        """Hand over each line of the job's log as it comes; return when it is completed, fail if it does not."""
        log = LogTail(self._logs, LOG_GROUP, f"{self.name}/")
        while True:
            job = self._sagemaker.describe_training_job(TrainingJobName=self.name)
            on_status(job["SecondaryStatus"])
            for line in log.new_lines():
                on_line(line)
            if job["TrainingJobStatus"] in {"Completed", "Failed", "Stopped"}:
                break
            time.sleep(0.3)
        for line in log.new_lines():
            on_line(line)
        if job["TrainingJobStatus"] != "Completed":
            reason = job.get("FailureReason", job["TrainingJobStatus"])
            raise CommandFailure(f"the training job {self.name} did not complete: {reason}")
        metrics = {metric["MetricName"]: metric["Value"] for metric in job.get("FinalMetricDataList", [])}
        seconds = float(job.get("TrainingTimeInSeconds", 0))
        return TrainedModel(self.name, job["ModelArtifacts"]["S3ModelArtifacts"], metrics, seconds)

    def deploy(self, model: TrainedModel) -> None:
        """Create model, endpoint configuration and endpoint, and wait until it is in service."""
        self._sagemaker.create_model(
            ModelName=self.name,
            ExecutionRoleArn=self._role,
            PrimaryContainer={
                "Image": INFERENCE_IMAGE.format(region=self._region),
                "ModelDataUrl": model.artifacts,
                "Environment": {
                    "SAGEMAKER_PROGRAM": "inference.py",
                    "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
                },
            },
        )
        self._sagemaker.create_endpoint_config(
            EndpointConfigName=self.name,
            ProductionVariants=[
                {
                    "VariantName": "AllTraffic",
                    "ModelName": self.name,
                    "InitialInstanceCount": 1,
                    "InstanceType": "ml.m5.large",
                }
            ],
        )
        self._sagemaker.create_endpoint(EndpointName=self.name, EndpointConfigName=self.name)
        waiter = self._sagemaker.get_waiter("endpoint_in_service")
        try:
            waiter.wait(EndpointName=self.name, WaiterConfig={"Delay": 1, "MaxAttempts": 180})
        except WaiterError:
            found = self._sagemaker.describe_endpoint(EndpointName=self.name)
            reason = found.get("FailureReason", f"it is still {found['EndpointStatus']}")
            raise CommandFailure(f"the endpoint {self.name} did not come into service: {reason}") from None

    def ask(self, picture: Picture) -> Answer:
        """Ask the endpoint which breed a picture shows."""
        content = _question(picture.path)
        kind = CONTENT_TYPES.get(picture.path.suffix.lower(), "image/jpeg")
        started = time.perf_counter()
        try:
            answer = self._runtime.invoke_endpoint(EndpointName=self.name, ContentType=kind, Body=content)
            best = json.loads(answer["Body"].read())["predictions"][0]
        except ClientError as error:
            response: dict[str, Any] = dict(error.response)  # ModelError adds what the model itself answered
            if not 400 <= response.get("OriginalStatusCode", 0) < 500:
                raise
            return Answer(picture, "", 0.0, 0.0, response.get("OriginalMessage", str(error)))
        milliseconds = (time.perf_counter() - started) * 1000
        return Answer(picture, best["breed"], best["probability"], milliseconds)


class LogTail:
    """Reads the log streams under a prefix from where it stopped the last time."""

    def __init__(self, client: Any, group: str, prefix: str) -> None:
        self._client = client
        self._group = group
        self._prefix = prefix
        self._tokens: dict[str, str] = {}

    def new_lines(self) -> Iterator[str]:
        """All lines that came since the last call."""
        try:
            found = self._client.describe_log_streams(logGroupName=self._group, logStreamNamePrefix=self._prefix)
        except self._client.exceptions.ResourceNotFoundException:
            return  # the job has not written anything yet
        for stream in found["logStreams"]:
            yield from self._read(stream["logStreamName"])

    def _read(self, stream: str) -> Iterator[str]:
        while True:
            token = self._tokens.get(stream)
            more = {"nextToken": token} if token else {}
            page = self._client.get_log_events(
                logGroupName=self._group, logStreamName=stream, startFromHead=True, **more
            )
            self._tokens[stream] = page["nextForwardToken"]
            yield from (event["message"] for event in page["events"])
            if not page["events"] or page["nextForwardToken"] == token:
                return


def _source_archive() -> bytes:
    """The example's code as SageMaker's script mode wants it."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for name in SOURCE_FILES:
            archive.add(example_directory() / name, arcname=name, filter=_as_nobody)
    return content.getvalue()


def _as_nobody(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Leave out whose the file is on this machine."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


def _question(path: Path) -> bytes:
    """A picture's bytes; one that is too large for a call is made smaller first, as any client has to."""
    content = path.read_bytes()
    if len(content) <= LARGEST_QUESTION_BYTES:
        return content
    from PIL import Image, ImageOps

    with Image.open(path) as picture:
        picture.draft("RGB", (1024, 1024))
        smaller = ImageOps.exif_transpose(picture).convert("RGB")
        smaller.thumbnail((1024, 1024))
        written = io.BytesIO()
        smaller.save(written, "PNG" if path.suffix.lower() == ".png" else "JPEG")
    return written.getvalue()


def plain_name(breed: str) -> str:
    """A class's name as people write it: `005.Border_terrier` and `n02093754-Border_terrier` alike."""
    bare = re.sub(r"^(?:n\d{6,9}-|\d{1,4}\.)", "", breed)
    return bare.replace("_", " ") or breed
