"""Makes endpoints for tests, by boto3, and waits for them."""

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import psutil
from botocore.exceptions import ClientError

from model_servers import ECHO, IMAGE, ROLE, model_archive
from servers import ServerProcess
from waiting import wait_until

IN_SERVICE_TIMEOUT_SECONDS = 60.0  # the first one of a server waits for torch to be loaded


@dataclass
class Hosting:
    """A server, seen by someone who deploys models."""

    server: ServerProcess
    unique_name: Callable[[str], str]

    def __post_init__(self) -> None:
        self.sagemaker = self.server.client("sagemaker")
        self.runtime = self.server.client("sagemaker-runtime")
        self.s3 = self.server.client("s3")
        self.logs = self.server.client("logs")
        self.bucket = self.unique_name("models")
        self.s3.create_bucket(Bucket=self.bucket)

    def store(self, archive: bytes) -> str:
        """Put a model.tar.gz into the bucket; its URL."""
        key = f"{self.unique_name('key')}/model.tar.gz"
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=archive)
        return f"s3://{self.bucket}/{key}"

    def model(
        self, code: str | bytes | None = ECHO, environment: Mapping[str, str] | None = None, **container: Any
    ) -> str:
        """A model, by its name: of inference code, of a whole archive, or as `container` says."""
        if "ModelDataUrl" not in container and "ModelDataSource" not in container and code is not None:
            archive = code if isinstance(code, bytes) else model_archive({"code/inference.py": code})
            container["ModelDataUrl"] = self.store(archive)
        name = self.unique_name("model")
        container = {"Image": IMAGE, "Environment": dict(environment or {}), **container}
        self.sagemaker.create_model(ModelName=name, PrimaryContainer=container, ExecutionRoleArn=ROLE)
        return name

    def config(self, *variants: Mapping[str, Any]) -> str:
        """A configuration, by its name. A variant's defaults: AllTraffic, one instance."""
        name = self.unique_name("config")
        defaults = {"VariantName": "AllTraffic", "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
        self.sagemaker.create_endpoint_config(
            EndpointConfigName=name, ProductionVariants=[{**defaults, **variant} for variant in variants]
        )
        return name

    def create(self, config: str) -> str:
        """An endpoint that is being created, by its name."""
        name = self.unique_name("endpoint")
        self.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config)
        return name

    def deploy(self, code: str | bytes = ECHO, instances: int = 1, environment: Mapping[str, str] | None = None) -> str:
        """An endpoint that is InService, by its name."""
        model = self.model(code, environment)
        name = self.create(self.config({"ModelName": model, "InitialInstanceCount": instances}))
        self.wait_for(name, "InService")
        return name

    def describe(self, name: str) -> dict[str, Any]:
        """The endpoint as it is."""
        described: dict[str, Any] = self.sagemaker.describe_endpoint(EndpointName=name)
        return described

    def wait_for(self, name: str, status: str, timeout_seconds: float = IN_SERVICE_TIMEOUT_SECONDS) -> dict[str, Any]:
        """Wait until the endpoint has this status; the description. Fails at once if it has another that stays."""

        def reached() -> bool:
            described = self.describe(name)
            now = described["EndpointStatus"]
            assert now == status or now not in ("Failed", "InService") or status == "Updating", described
            return bool(now == status)

        wait_until(reached, timeout_seconds, describe=lambda: f"{status}; {self.describe(name)}")
        return self.describe(name)

    def invoke(self, name: str, body: bytes = b"", **parameters: Any) -> bytes:
        """What the endpoint's model answers."""
        parameters = {"ContentType": "application/octet-stream", **parameters}
        answer = self.runtime.invoke_endpoint(EndpointName=name, Body=body, **parameters)
        content: bytes = answer["Body"].read()
        return content

    def refusal(self, name: str, body: bytes = b"", **parameters: Any) -> dict[str, Any]:
        """The error that an invocation gets: the whole response."""
        try:
            content = self.invoke(name, body, **parameters)
        except ClientError as error:
            response: dict[str, Any] = error.response
            return response
        raise AssertionError(f"answered {content[:200]!r}")

    def delete(self, name: str) -> None:
        """Delete the endpoint and wait until it is gone."""
        self.sagemaker.delete_endpoint(EndpointName=name)
        wait_until(lambda: self.is_gone(name), 40.0, describe=lambda: f"the end of {name}: {self.describe(name)}")

    def is_gone(self, name: str) -> bool:
        """Whether the endpoint is not there any more."""
        try:
            self.describe(name)
        except ClientError as error:
            return bool(error.response["Error"]["Message"].startswith("Could not find endpoint"))
        return False

    def instances(self, name: str) -> list[psutil.Process]:
        """The living processes that serve the endpoint's models; each bears the beginning of its instance's id."""
        try:
            streams = self.logs.describe_log_streams(logGroupName=f"/aws/sagemaker/Endpoints/{name}")["logStreams"]
        except self.logs.exceptions.ResourceNotFoundException:
            return []
        ids = {stream["logStreamName"].rpartition("/")[2][:15] for stream in streams}
        found = []
        for process in self.server.descendants():
            with contextlib.suppress(psutil.NoSuchProcess):
                if process.name()[:15] in ids and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found

    def log_lines(self, name: str) -> list[str]:
        """All that the endpoint's instances have printed."""
        group = f"/aws/sagemaker/Endpoints/{name}"
        pages = self.logs.get_paginator("filter_log_events").paginate(logGroupName=group)
        try:
            return [event["message"] for page in pages for event in page["events"]]
        except self.logs.exceptions.ResourceNotFoundException:
            return []
