"""Looks at this machine as a server and its workers will find it."""

import os
import platform
import resource
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import psutil

from coldframe.cli.findings import Finding, Severity
from coldframe.cli.isolation_findings import look_at_isolation
from coldframe.config import Config

GIB = 1024**3
ENOUGH_DISK_BYTES = 5 * GIB
ENOUGH_MEMORY_BYTES = 2 * GIB
ENOUGH_OPEN_FILES = 4096
SLOW_SYNC_SECONDS = 0.02
SYNC_TRIALS = 20
IMPORT_SECONDS = 120.0
"""A cold import of torch from a slow disk takes long."""


def examine(config: Config) -> list[Finding]:
    """Look at everything, cheapest first; takes a few seconds, most of them for importing torch."""
    examinations: list[Callable[[Config], Finding]] = [
        look_at_python,
        look_at_cores_and_memory,
        look_at_database_library,
        look_at_data_directory,
        look_at_disk_space,
        look_at_disk_sync,
        look_at_open_files,
    ]
    imports = [look_at_torch, look_at_gpu, look_at_onnxruntime]
    return [
        *(examination(config) for examination in examinations),
        *look_at_isolation(),
        *(examination(config) for examination in imports),
    ]


def look_at_python(_config: Config) -> Finding:
    """Which interpreter runs Coldframe, and by default all workers."""
    return Finding("python", Severity.GOOD, f"{platform.python_version()} at {sys.executable}")


def look_at_cores_and_memory(_config: Config) -> Finding:
    """What jobs have to share."""
    memory = psutil.virtual_memory()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    found = f"{cores} cores, {memory.total / GIB:.1f} GiB of memory, {memory.available / GIB:.1f} GiB of it free"
    if memory.available >= ENOUGH_MEMORY_BYTES:
        return Finding("cores and memory", Severity.GOOD, found)
    consequence = "a training job that loads torch may be ended for lack of memory"
    return Finding("cores and memory", Severity.LACK, found, consequence, "end other programs, or add memory or swap")


def look_at_database_library(_config: Config) -> Finding:
    """The SQLite that this Python was built with."""
    found = f"SQLite {sqlite3.sqlite_version}"
    if sqlite3.sqlite_version_info >= (3, 35):
        return Finding("database", Severity.GOOD, found)
    return Finding(
        "database", Severity.FATAL, found, "records cannot be written: 3.35 is needed", "use a newer build of Python"
    )


def look_at_data_directory(config: Config) -> Finding:
    """Whether the server may write where it is to keep everything."""
    directory = config.directory
    place = _nearest_existing(directory)
    found = f"{directory}" if place == directory else f"{directory} (to be made)"
    try:
        with tempfile.NamedTemporaryFile(dir=place, prefix=".coldframe-doctor-"):
            return Finding("data directory", Severity.GOOD, found)
    except OSError as error:
        found = f"{found}: nothing can be written there ({error.strerror})"
        return Finding("data directory", Severity.FATAL, found, "the server cannot start", "give another: --data-dir")


def look_at_disk_space(config: Config) -> Finding:
    """Room for objects and models."""
    free = shutil.disk_usage(_nearest_existing(config.directory)).free
    found = f"{free / GIB:.1f} GiB free"
    if free >= ENOUGH_DISK_BYTES:
        return Finding("disk space", Severity.GOOD, found)
    return Finding(
        "disk space",
        Severity.LACK,
        found,
        "uploads and jobs end with errors when it is full",
        "free some, or --data-dir",
    )


def look_at_disk_sync(config: Config) -> Finding:
    """How long the disk takes to promise that a record is safe: each acknowledged write waits for it."""
    place = _nearest_existing(config.directory)
    try:
        seconds = _sync_seconds(place)
    except OSError as error:
        return Finding("disk sync", Severity.LACK, f"not measured: {error.strerror}", "unknown", "see data directory")
    found = f"{seconds * 1000:.2f} ms to make a write durable (median of {SYNC_TRIALS})"
    if seconds < SLOW_SYNC_SECONDS:
        return Finding("disk sync", Severity.GOOD, found)
    consequence = f"at most some {1 / seconds:.0f} writes one after the other each second"
    return Finding("disk sync", Severity.LACK, found, consequence, "give a directory on a local SSD with --data-dir")


def _sync_seconds(place: Path) -> float:
    durations = []
    with tempfile.NamedTemporaryFile(dir=place, prefix=".coldframe-doctor-") as file:
        for _ in range(SYNC_TRIALS):
            began = time.perf_counter()
            os.write(file.fileno(), bytes(4096))
            os.fdatasync(file.fileno())
            durations.append(time.perf_counter() - began)
    return statistics.median(durations)


def look_at_open_files(_config: Config) -> Finding:
    """How many connections and files the server may hold open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    found = f"at most {soft} (could be raised to {hard})" if soft != hard else f"at most {soft}"
    if hard >= ENOUGH_OPEN_FILES or hard == resource.RLIM_INFINITY:
        return Finding("open files", Severity.GOOD, found)
    consequence = f"no more than some {hard - 100} clients and workers at a time"
    return Finding("open files", Severity.LACK, found, consequence, "raise it with ulimit -n, or LimitNOFILE")


def look_at_torch(_config: Config) -> Finding:
    """Whether workers can train with PyTorch."""
    version, _ = _torch_and_devices()
    if version:
        return Finding("torch", Severity.GOOD, version)
    consequence = "training scripts and models that use PyTorch fail; everything else works"
    return Finding("torch", Severity.LACK, "cannot be imported", consequence, "pip install torch")


def look_at_gpu(_config: Config) -> Finding:
    """Whether PyTorch sees an accelerator."""
    _, devices = _torch_and_devices()
    if devices:
        return Finding("gpu", Severity.GOOD, devices)
    driver = Path("/proc/driver/nvidia/version").exists()
    found = "PyTorch does not see the one that is here" if driver else "none"
    cure = "install a build of torch for CUDA" if driver else "none is needed; where there is one, install its driver"
    return Finding("gpu", Severity.LACK, found, "jobs that ask for a GPU instance train on the CPU", cure)


def look_at_onnxruntime(_config: Config) -> Finding:
    """Whether models can be served through ONNX Runtime."""
    version = _answer_of("import onnxruntime; print(onnxruntime.__version__)")
    if version:
        return Finding("onnxruntime", Severity.GOOD, version)
    consequence = "the example serves its model with plain torch, which takes some five times as long for a picture"
    return Finding("onnxruntime", Severity.LACK, "cannot be imported", consequence, "pip install onnxruntime")


@cache
def _torch_and_devices() -> tuple[str, str]:
    """PyTorch's version, and the names of the devices that it sees; both empty where there are none."""
    devices = "'; '.join(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))"
    version, _, names = _answer_of(f"import torch; print(torch.__version__); print({devices})").partition("\n")
    return version, names


def _answer_of(program: str) -> str:
    """What a Python program prints, run apart, so that a library that crashes on import cannot take us along."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", program], check=False, capture_output=True, text=True, timeout=IMPORT_SECONDS
        )
    except subprocess.TimeoutExpired:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _nearest_existing(directory: Path) -> Path:
    return next(place for place in (directory, *directory.parents) if place.exists())
