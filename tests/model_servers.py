"""Makes models for tests, and serves one in a process of its own, without a platform around it."""

import asyncio
import io
import json
import os
import subprocess
import sys
import tarfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from coldframe.workers.connection import WorkerConnection, connect
from coldframe.workers.specification import WorkerSpecification

IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-inference:2.0-cpu-py310"
ROLE = "arn:aws:iam::000000000000:role/sagemaker"

ECHO = """
def model_fn(model_dir): return "model"
def input_fn(body, content_type): return body
def predict_fn(data, model): return data
def output_fn(prediction, accept): return prediction
"""


def model_archive(files: Mapping[str, str | bytes], links: Mapping[str, str] | None = None) -> bytes:
    """A model.tar.gz of files, and of symbolic links, by name."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            data = content.encode() if isinstance(content, str) else content
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
        for name, target in (links or {}).items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, target
            archive.addfile(member)
    return buffer.getvalue()


class ServedModel:
    """A model that a process of its own serves; to be used with `async with`."""

    def __init__(self, root: Path, files: Mapping[str, str | bytes], **environment: str) -> None:
        self.root = root
        self.log_path = root / "log"
        for name, content in files.items():
            path = root / "model" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        (root / "model").mkdir(exist_ok=True)
        specification = WorkerSpecification(
            name="test",
            role="serve",
            command=[],
            environment={},
            binds=[],
            scratch_directory=str(root),
            threads=1,
            socket_path=str(root / "socket"),
        )
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "coldframe.workers.serve", json.dumps(specification.to_json())],
                env={"PATH": os.environ["PATH"], "COLDFRAME_ML_ROOT": str(root), **environment},
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    async def connect(self, answer_timeout_seconds: float = 10.0) -> WorkerConnection:
        """A connection to the server, which may still be loading its model."""
        deadline = time.monotonic() + 20.0
        while True:
            try:
                return await connect(f"unix:{self.root}/socket", "stream-arn", answer_timeout_seconds)
            except (FileNotFoundError, ConnectionRefusedError):
                assert time.monotonic() < deadline, f"no server came up; its log:\n{self.log()}"
                await asyncio.sleep(0.005)

    def log(self) -> str:
        """What the process has printed."""
        return self.log_path.read_text()

    async def __aenter__(self) -> "ServedModel":
        return self

    async def __aexit__(self, *_: Any) -> None:
        self.process.kill()
        self.process.wait()
