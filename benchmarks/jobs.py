"""What a training job costs beyond the user's own code: a script that imports torch and does nothing."""

import io
import subprocess
import sys
import tarfile
import time
import uuid
from typing import Any

from benchmarks.figures import Figure, middle
from benchmarks.measured_server import running_server

SCRIPT = b"import torch\n"
IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:2.0-cpu-py310"


def measure(*, rounds: int) -> list[Figure]:
    """Run the job several times beside a cold interpreter."""
    whole, until_training, cold = [], [], []
    with running_server() as server:
        sagemaker = server.client("sagemaker")
        s3 = server.client("s3")
        s3.create_bucket(Bucket="bench")
        s3.put_object(Bucket="bench", Key="source.tar.gz", Body=_source())
        _run_job(sagemaker)  # the first one waits for the template to load torch
        for _ in range(rounds):
            started = time.perf_counter()
            subprocess.run([sys.executable, "-c", "import torch"], check=True)
            cold.append(time.perf_counter() - started)
            seconds, description = _run_job(sagemaker)
            whole.append(seconds)
            training = next(s for s in description["SecondaryStatusTransitions"] if s["Status"] == "Training")
            until_training.append((training["StartTime"] - description["CreationTime"]).total_seconds())
    reference = middle(cold)
    return [
        Figure(
            "no-op job that imports torch, create → Completed", middle(whole), "s", "python -c 'import torch'",
            reference, "< 0.2 s", middle(whole) < 0.2, whole,
        ),
        Figure("the same, create → Training", middle(until_training), "s", samples=until_training),
    ]  # fmt: skip


def _source() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        entry = tarfile.TarInfo("train.py")
        entry.size = len(SCRIPT)
        archive.addfile(entry, io.BytesIO(SCRIPT))
    return buffer.getvalue()


def _run_job(sagemaker: Any) -> tuple[float, dict[str, Any]]:
    name = f"noop-{uuid.uuid4().hex[:12]}"
    started = time.perf_counter()
    sagemaker.create_training_job(
        TrainingJobName=name,
        AlgorithmSpecification={"TrainingImage": IMAGE, "TrainingInputMode": "File"},
        RoleArn="arn:aws:iam::000000000000:role/benchmark",
        HyperParameters={"sagemaker_program": "train.py", "sagemaker_submit_directory": "s3://bench/source.tar.gz"},
        OutputDataConfig={"S3OutputPath": "s3://bench/output"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 600},
    )
    while True:
        description = sagemaker.describe_training_job(TrainingJobName=name)
        if description["TrainingJobStatus"] not in {"InProgress", "Stopping"}:
            break
        time.sleep(0.005)
    seconds = time.perf_counter() - started
    if description["TrainingJobStatus"] != "Completed":
        raise RuntimeError(f"the job ended {description['TrainingJobStatus']}: {description.get('FailureReason')}")
    return seconds, description
