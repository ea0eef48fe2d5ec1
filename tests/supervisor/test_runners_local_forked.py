"""Programs that run in a fork of LocalRunner's template, with its modules loaded already."""

import importlib.util
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from coldframe.supervisor.runners.local import LocalRunner
from coldframe.workers.sandbox import try_sandbox
from supervisor.runner_conformance import RunnerThread, Started, run_in_thread

ISOLATES, _ = try_sandbox()
HAS_TORCH = importlib.util.find_spec("torch") is not None
needs_torch = pytest.mark.skipif(not HAS_TORCH, reason="torch is not installed")


@pytest.fixture(scope="module", params=["namespaces", "none"] if ISOLATES else ["none"])
def runners(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunnerThread]:
    directory = tmp_path_factory.mktemp("forked")
    modules = ["torch", "numpy"]
    yield from run_in_thread(
        lambda: LocalRunner(directory / "runner", preload_modules=modules, isolation=request.param), directory
    )


def train(runners: RunnerThread, script: str, **fields: object) -> Started:
    """Start a training script as a job does."""
    specification = runners.specification([], **fields)
    ml = Path(specification.scratch_directory) / "ml"
    for folder in ("input/config", "code", "model"):
        (ml / folder).mkdir(parents=True)
    (ml / "code" / "script.py").write_text(script)
    parameters = {"sagemaker_program": "script.py", "sagemaker_submit_directory": "/opt/ml/code"}
    resources = {"current_host": "algo-1", "hosts": ["algo-1"], "network_interface_name": "lo"}
    contents = {"hyperparameters": parameters, "inputdataconfig": {}, "resourceconfig": resources}
    for name, content in contents.items():
        (ml / "input" / "config" / f"{name}.json").write_text(json.dumps(content))
    return Started(runners, runners.call(runners.runner.start_worker(specification)))


def test_script_ends(runners: RunnerThread) -> None:
    started = train(runners, "import os; print(os.getcwd(), __name__); open('../model/m', 'w').write('model')")
    assert started.wait().exit_code == 0
    folder = Path(started.worker.specification.scratch_directory) / "ml"
    assert started.lines[0].endswith("/ml/code __main__")
    assert (folder / "model" / "m").read_text() == "model"


@pytest.mark.parametrize(("ending", "code"), [("raise SystemExit(7)", 7), ("1 / 0", 1), ("import os; os._exit(9)", 9)])
def test_script_fails(runners: RunnerThread, ending: str, code: int) -> None:
    started = train(runners, f"print('before')\n{ending}\n")
    assert started.wait().exit_code == code
    assert started.lines[0] == "before"
    assert ("ZeroDivisionError: division by zero" in started.lines) == (ending == "1 / 0")


def test_script_end_waits_for_threads_and_exit_functions(runners: RunnerThread) -> None:
    started = train(
        runners,
        "import atexit, os, tempfile, threading, time\n"
        "folder = tempfile.TemporaryDirectory()\n"
        "atexit.register(lambda: print(os.path.exists(folder.name)))\n"
        "atexit.register(lambda: print('at exit', end=''))\n"
        "threading.Thread(target=lambda: (time.sleep(0.2), print('thread'))).start()\n",
    )
    assert started.wait().succeeded
    assert started.lines == ["thread", "at exitTrue"]
    assert not list((Path(started.worker.specification.scratch_directory) / "tmp").glob("tmp*"))


def test_script_is_terminated(runners: RunnerThread) -> None:
    started = train(runners, "import time; print('ready'); time.sleep(60)")
    started.wait_for_line("ready")
    started.terminate()
    assert started.wait().signal == 15


def test_script_uses_multiprocessing(runners: RunnerThread) -> None:
    started = train(
        runners,
        "import multiprocessing\n"
        "def double(x): return 2 * x\n"
        "if __name__ == '__main__':\n"
        "    for method in ('fork', 'spawn'):\n"
        "        with multiprocessing.get_context(method).Pool(2) as pool: print(pool.map(double, [1, 2]))\n",
    )
    assert started.wait().succeeded, started.lines
    assert started.lines == ["[2, 4]", "[2, 4]"]


@needs_torch
def test_scripts_draw_different_numbers(runners: RunnerThread) -> None:
    script = "import random, numpy, torch; print(random.random(), numpy.random.rand(), torch.rand(1).item())"
    started = [train(runners, script) for _ in range(2)]
    assert all(one.wait().succeeded for one in started)
    first, second = (one.lines[0].split() for one in started)
    assert all(a != b for a, b in zip(first, second, strict=True))


@needs_torch
def test_script_computes_in_parallel(runners: RunnerThread) -> None:
    script = (
        "import numpy, torch\n"
        "layer = torch.nn.Linear(512, 512); layer(torch.rand(512, 512)).sum().backward()\n"
        "numpy.linalg.inv(numpy.random.rand(400, 400)); print(torch.get_num_threads())\n"
        "data = torch.utils.data.DataLoader(torch.arange(8), batch_size=4, num_workers=2)\n"
        "print([batch.tolist() for batch in data])\n"
    )
    started = train(runners, script, threads=3)
    assert started.wait().succeeded, started.lines
    assert started.lines == ["3", "[[0, 1, 2, 3], [4, 5, 6, 7]]"]


@needs_torch
def test_start_worker_is_quick(runners: RunnerThread) -> None:
    """No measurement, since others may be at work here: but no fresh start of an interpreter with torch fits."""
    seconds = []
    for _ in range(3):
        before = time.monotonic()
        started = train(runners, "import torch; print('first line')")
        started.wait_for_line("first line")
        seconds.append(time.monotonic() - before)
        started.wait()
    assert min(seconds) < 1.0, seconds
