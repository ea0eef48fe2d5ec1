"""An endpoint: from its creation to InService, and how many invocations of a model that does nothing it answers."""

import io
import json
import tarfile
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psutil

from benchmarks.figures import Figure, middle
from benchmarks.jobs import IMAGE
from benchmarks.load import Load, RepeatedRequest, generator_name, load
from benchmarks.measured_server import MeasuredServer, running_server
from benchmarks.peers import fastapi_echo, is_installed, litserve_echo, uvicorn_echo

MODEL = b"""
def model_fn(model_dir):
    return None

def transform_fn(model, body, content_type, accept):
    return body, accept or content_type
"""
BODY = b"x" * 1024
DOCUMENT = json.dumps({"instances": ["x" * 1000]}).encode()
HEADERS = {"Content-Type": "application/octet-stream", "Accept": "application/octet-stream"}


def measure(*, rounds: int, seconds: float) -> list[Figure]:
    """Deploy, then load the endpoint and plain uvicorn in turn."""
    with running_server() as server, uvicorn_echo() as (peer_url, peer_pid):
        s3, sagemaker = server.client("s3"), server.client("sagemaker")
        s3.create_bucket(Bucket="bench")
        s3.put_object(Bucket="bench", Key="model.tar.gz", Body=_archive({"code/inference.py": MODEL}))
        sagemaker.create_model(
            ModelName="noop",
            ExecutionRoleArn="arn:aws:iam::000000000000:role/benchmark",
            PrimaryContainer={
                "Image": IMAGE.replace("training", "inference"),
                "ModelDataUrl": "s3://bench/model.tar.gz",
            },
        )
        _deploy(sagemaker, "first")  # waits for the template to load torch
        creations = [_deploy(sagemaker, f"e-{uuid.uuid4().hex[:8]}", delete=True) for _ in range(rounds)]
        figures = [
            Figure(
                "endpoint create → InService", middle(creations), "s", aim="< 2 s", met=middle(creations) < 2,
                samples=creations, note="no peer: SageMaker takes 1.5 to 7.5 min",
            )
        ]  # fmt: skip
        for connections in (1, 32):
            figures += _wire(server, peer_url, peer_pid, connections, rounds, seconds)
        figures += _model_servers(server, rounds, seconds)
        figures += _boto3(server, rounds, seconds)
    return figures


def _archive(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def _deploy(sagemaker: Any, name: str, *, delete: bool = False) -> float:
    started = time.perf_counter()
    variant = {"VariantName": "AllTraffic", "ModelName": "noop", "InitialInstanceCount": 1}
    sagemaker.create_endpoint_config(
        EndpointConfigName=name, ProductionVariants=[{**variant, "InstanceType": "ml.m5.large"}]
    )
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    while (status := sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"]) == "Creating":
        time.sleep(0.005)
    seconds = time.perf_counter() - started
    if status != "InService":
        raise RuntimeError(f"the endpoint became {status}")
    if delete:
        sagemaker.delete_endpoint(EndpointName=name)
    return seconds


def _wire(
    server: MeasuredServer, peer_url: str, peer_pid: int, connections: int, rounds: int, seconds: float
) -> list[Figure]:
    """The pre-signed request replayed, beside the same load on plain uvicorn, in turn."""
    path = "/endpoints/first/invocations"
    ours: list[Load] = []
    theirs: list[Load] = []
    gateway_us, tree_us, peer_us = [], [], []
    for _ in range(rounds):
        headers = server.signed_headers("sagemaker", "POST", path, BODY, HEADERS)
        before, before_all = server.gateway_cpu_seconds(), server.cpu_seconds()
        result = load(
            RepeatedRequest(server.url + path, "POST", headers, BODY), connections=connections, seconds=seconds
        )
        if result.errors:
            raise RuntimeError(f"{result.errors} of {result.requests} invocations failed")
        ours.append(result)
        gateway_us.append((server.gateway_cpu_seconds() - before) / result.requests * 1e6)
        tree_us.append((server.cpu_seconds() - before_all) / result.requests * 1e6)
        peer = psutil.Process(peer_pid)
        before_peer = sum(peer.cpu_times()[:2])
        result = load(RepeatedRequest(peer_url + path, "POST", HEADERS, BODY), connections=connections, seconds=seconds)
        theirs.append(result)
        peer_us.append((sum(peer.cpu_times()[:2]) - before_peer) / result.requests * 1e6)
    rate = middle([result.requests_per_second for result in ours])
    p99 = middle([result.p99_milliseconds for result in ours])
    what = f"InvokeEndpoint, no-op model, 1 KB, {connections} client{'s' if connections > 1 else ''}"
    many = connections > 1
    return [
        Figure(
            f"{what} ({generator_name()})", rate, "requests/s", "plain uvicorn",
            middle([result.requests_per_second for result in theirs]), ">= 20,000" if many else "",
            rate >= 20_000 if many else None,
        ),
        Figure(
            "  its 99th percentile", p99, "ms", "plain uvicorn", middle([result.p99_milliseconds for result in theirs]),
            "< 2 ms" if many else "", p99 < 2 if many else None,
        ),
        Figure(
            "  processor time in the gateway", middle(gateway_us), "µs/request", "plain uvicorn", middle(peer_us),
            "<= 50 µs" if many else "", middle(gateway_us) <= 50 if many else None,
        ),
        Figure("  processor time in gateway and model server", middle(tree_us), "µs/request"),
    ]  # fmt: skip


def _model_servers(server: MeasuredServer, rounds: int, seconds: float) -> list[Figure]:
    """The same 1 KB JSON document echoed by us and by servers that people put models into, in turn."""
    peers = [
        ("FastAPI (model in the web server, unsigned)", "fastapi", fastapi_echo, "/endpoints/first/invocations", 0.9),
        ("LitServe (one worker, unsigned)", "litserve", litserve_echo, "/predict", 3.0),
    ]
    path, headers = "/endpoints/first/invocations", {"Content-Type": "application/json", "Accept": "application/json"}
    figures = []
    for name, module, start, peer_path, least in peers:
        if not is_installed(module):
            continue
        ours, theirs = [], []
        with start() as (url, _):
            for _ in range(rounds):
                signed = server.signed_headers("sagemaker", "POST", path, DOCUMENT, headers)
                request = RepeatedRequest(server.url + path, "POST", signed, DOCUMENT)
                ours.append(load(request, connections=32, seconds=seconds).requests_per_second)
                request = RepeatedRequest(url + peer_path, "POST", headers, DOCUMENT)
                theirs.append(load(request, connections=32, seconds=seconds).requests_per_second)
        rate, peer = middle(ours), middle(theirs)
        figures.append(
            Figure(
                "InvokeEndpoint, 1 KB of JSON, 32 clients", rate, "requests/s", name, peer,
                f">= {least} of it", rate >= least * peer, ours,
            )
        )  # fmt: skip
    return figures


def _boto3(server: MeasuredServer, rounds: int, seconds: float) -> list[Figure]:
    figures = []
    for clients in (1, 32):
        rates = []
        for _ in range(rounds):
            until = time.perf_counter() + seconds
            with ThreadPoolExecutor(clients) as pool:
                started = time.perf_counter()
                counts = list(pool.map(lambda _: _ask_until(server, until), range(clients)))  # noqa: B023
                rates.append(sum(counts) / (time.perf_counter() - started))
        figures.append(
            Figure(
                f"the same by boto3, {clients} client{'s' if clients > 1 else ''}", middle(rates), "requests/s",
                samples=rates, note="boto3 itself takes about 1 ms of processor time a call",
            )
        )  # fmt: skip
    return figures


def _ask_until(server: MeasuredServer, until: float) -> int:
    runtime = server.client("sagemaker-runtime")
    count = 0
    while time.perf_counter() < until:
        answer = runtime.invoke_endpoint(EndpointName="first", Body=BODY, ContentType="application/octet-stream")
        if answer["Body"].read() != BODY:
            raise RuntimeError("the model answered something else than it was given")
        count += 1
    return count
