"""Training jobs on a machine where the kernel allows no namespaces."""

from typing import Any

from training import Training, channel


def test_training_job_without_namespaces(own_server: Any) -> None:
    server = own_server(COLDFRAME_ISOLATION="none", COLDFRAME_PRELOAD_MODULES="").start()
    training = Training(server.client, "plain-folders")
    content = b"stored" * 10_000
    training.s3.put_object(Bucket=training.bucket, Key="in/big.bin", Body=content)
    script = """
import os
for name in ("FILE", "FAST"):
    try:
        with open(os.environ["SM_CHANNEL_" + name] + "/big.bin", "r+b") as file:
            file.write(b"damage")
    except OSError as error:
        print(type(error).__name__)
print(os.path.samefile(os.environ["SM_MODEL_DIR"], "../model"))
with open(os.environ["SM_MODEL_DIR"] + "/w.pt", "w") as file:
    file.write("weights")
"""
    inputs = [
        channel("file", f"s3://{training.bucket}/in/"),
        channel("fast", f"s3://{training.bucket}/in/", InputMode="FastFile"),
    ]
    described = training.run("plain", script, InputDataConfig=inputs)
    assert described["TrainingJobStatus"] == "Completed", (described.get("FailureReason"), training.log("plain"))
    assert training.log("plain")[-1] == "True"
    assert training.unpack(described["ModelArtifacts"]["S3ModelArtifacts"]) == {"w.pt": b"weights"}
    assert training.s3.get_object(Bucket=training.bucket, Key="in/big.bin")["Body"].read() == content
    assert list((server.data_directory / "jobs").iterdir()) == []
