"""LocalRunner when what it stands on is killed: no process is left, and nobody is told that all went well."""

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
import sys
import textwrap
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from coldframe.supervisor.runners.local import LocalRunner
from coldframe.supervisor.runners.runner import WorkerExit
from coldframe.workers.sandbox import try_sandbox
from supervisor.runner_conformance import RunnerThread, run_in_thread
from waiting import wait_until

ISOLATES, LACK = try_sandbox()
SOURCES = Path(__file__).resolve().parents[2] / "src"
ISOLATIONS = ["namespaces", "none"] if ISOLATES else ["none"]


@pytest.fixture(params=ISOLATIONS)
def isolation(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def runners(isolation: str, tmp_path: Path) -> Iterator[RunnerThread]:
    yield from run_in_thread(
        lambda: LocalRunner(tmp_path / "runner", preload_modules=["json"], isolation=isolation), tmp_path
    )


def processes_with(mark: str) -> list[int]:
    """Living processes that have `mark` among their arguments."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            try:
                if mark.encode() in (folder / "cmdline").read_bytes():
                    found.append(int(folder.name))
            except OSError:
                continue
    return found


def children_of(parent: int, name: str) -> list[int]:
    listing = subprocess.run(["ps", "h", "-o", "pid,comm", "--ppid", str(parent)], capture_output=True, check=False)
    return [int(line.split()[0]) for line in listing.stdout.decode().splitlines() if line.split()[1].startswith(name)]


def template_of(runners: RunnerThread) -> int:
    (pid,) = wait_until(lambda: children_of(os.getpid(), "coldframe-templ"))
    return pid


def daemons(mark: str) -> list[str]:
    """A program that ignores SIGTERM and starts a daemon that does so too; both can be found by `mark`."""
    script = "trap '' TERM; setsid setsid sh -c 'trap \"\" TERM; echo daemon; while :; do sleep 60; done' MARK & "
    return ["sh", "-c", (script + "while :; do sleep 60; done").replace("MARK", mark), mark]


def test_template_killed(runners: RunnerThread) -> None:
    mark = uuid.uuid4().hex
    started = runners.start(daemons(mark))
    started.wait_for_line("daemon")
    os.kill(template_of(runners), signal.SIGKILL)
    assert started.wait() == WorkerExit(None, lost=True)
    assert processes_with(mark) == []
    assert runners.start(["true"]).wait().succeeded  # from a new template


def test_kill_leaves_no_process(runners: RunnerThread) -> None:
    mark = uuid.uuid4().hex
    started = runners.start(daemons(mark))
    started.wait_for_line("daemon")
    assert len(processes_with(mark)) >= 2
    started.kill()
    assert processes_with(mark) == []


def test_stop_leaves_no_process(isolation: str, tmp_path: Path) -> None:
    mark = uuid.uuid4().hex
    thread = run_in_thread(
        lambda: LocalRunner(tmp_path / "runner", preload_modules=[], isolation=isolation), tmp_path / "scratch"
    )
    runners = next(thread)
    started = runners.start(daemons(mark))
    started.wait_for_line("daemon")
    template = template_of(runners)
    end = runners.begin(started.worker.wait())
    for _ in thread:
        pass
    assert end.result() == WorkerExit(None, signal=9)
    assert processes_with(mark) == []
    assert not Path(f"/proc/{template}").exists()


SERVER = """
import asyncio, sys
from pathlib import Path
from coldframe.supervisor.runners.local import LocalRunner
from coldframe.workers.specification import WorkerSpecification

async def main():
    directory, isolation, mark, *command = sys.argv[1:]
    runner = LocalRunner(Path(directory) / "runner", preload_modules=[], isolation=isolation)
    await runner.start()
    specification = WorkerSpecification("worker", "train", command, {}, [], directory)
    worker = await runner.start_worker(specification)
    print(runner.describe()["isolation"], flush=True)
    async for line in worker.output():
        print(line.text, flush=True)
    end = await worker.wait()
    print(end.exit_code, end.signal, end.out_of_memory, flush=True)
    await runner.stop()

asyncio.run(main())
"""


def test_server_killed(isolation: str, tmp_path: Path) -> None:
    mark = uuid.uuid4().hex
    command = [sys.executable, "-c", SERVER, str(tmp_path), isolation, mark, *daemons(mark)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert [server.stdout.readline().strip() for _ in range(2)] == [isolation, "daemon"]
        (template,) = children_of(server.pid, "coldframe-templ")
        server.kill()
    wait_until(lambda: processes_with(mark) == [], describe=lambda: f"the end of {processes_with(mark)}")
    wait_until(lambda: not Path(f"/proc/{template}").exists())


def test_server_killed_while_modules_load(tmp_path: Path) -> None:
    (tmp_path / "slow_to_load.py").write_text("import time; print('loading', flush=True); time.sleep(600)")
    source = SERVER.replace("preload_modules=[]", "preload_modules=['slow_to_load']")
    interpreter = tmp_path / "python"
    interpreter.write_text(f'#!/bin/sh\nPYTHONPATH={tmp_path} exec {sys.executable} "$@"\n')
    interpreter.chmod(0o755)
    source = source.replace("isolation=isolation", f"isolation=isolation, interpreter={str(interpreter)!r}")
    command = [sys.executable, "-c", source, str(tmp_path), "none", "", "true"]
    with subprocess.Popen(command) as server:
        log = tmp_path / "runner" / "template.log"
        wait_until(lambda: log.exists() and "loading" in log.read_text())
        (template,) = children_of(server.pid, "coldframe-templ")
        server.kill()
    wait_until(lambda: not Path(f"/proc/{template}").exists())


def test_module_that_cannot_be_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A library that kills its process must not keep all other programs from running."""
    (tmp_path / "deadly.py").write_text("import os; os.abort()")
    (tmp_path / "broken.py").write_text("raise ValueError('broken')")
    interpreter = tmp_path / "python"
    interpreter.write_text(f'#!/bin/sh\nPYTHONPATH={tmp_path} exec {sys.executable} "$@"\n')
    interpreter.chmod(0o755)
    for module, told in (("broken", "cannot be loaded: broken"), ("deadly", None), ("absent", None)):
        thread = run_in_thread(
            lambda module=module: LocalRunner(  # type: ignore[misc]
                tmp_path / "runner", interpreter=str(interpreter), preload_modules=[module], isolation="none"
            ),
            tmp_path / f"scratch-{module}",
        )
        runners = next(thread)
        assert runners.start(["true"]).wait().succeeded
        assert runners.runner.describe().get(module) == told
        for _ in thread:
            pass


def test_template_cannot_run(tmp_path: Path) -> None:
    interpreter = tmp_path / "python"
    interpreter.write_text("#!/bin/sh\necho no such luck >&2; exit 3\n")
    interpreter.chmod(0o755)
    thread = run_in_thread(lambda: LocalRunner(tmp_path / "runner", interpreter=str(interpreter)), tmp_path)
    runners = next(thread)
    with pytest.raises(RuntimeError, match="ended with 3: no such luck"):
        runners.start(["true"])
    for _ in thread:
        pass


def test_interpreter_is_not_there(tmp_path: Path) -> None:
    thread = run_in_thread(lambda: LocalRunner(tmp_path / "runner", interpreter="/no/such/python"), tmp_path)
    runners = next(thread)
    with pytest.raises(RuntimeError, match="/no/such/python cannot be run: No such file or directory"):
        runners.start(["true"])
    for _ in thread:
        pass


def test_start_worker_cancelled(runners: RunnerThread) -> None:
    mark = uuid.uuid4().hex
    specification = runners.specification(["sh", "-c", "sleep 600; true", mark])

    async def start_and_leave() -> None:
        await runners.runner.wait_until_ready()  # type: ignore[attr-defined]
        starting = asyncio.create_task(runners.runner.start_worker(specification))
        await asyncio.sleep(0.002)
        starting.cancel()
        await asyncio.wait([starting])
        assert starting.cancelled()

    runners.call(start_and_leave())
    wait_until(lambda: processes_with(mark) == [])
    wait_until(lambda: not runners.runner._workers)  # type: ignore[attr-defined]


def test_start_worker_after_stop(tmp_path: Path) -> None:
    async def run() -> None:
        runner = LocalRunner(tmp_path / "runner", preload_modules=[], isolation="none")
        await runner.start()
        await runner.wait_until_ready()
        await runner.stop()
        with pytest.raises(RuntimeError, match="stopped"):
            await runner.start_worker(RunnerThread.specification(holder, ["true"]))

    holder = RunnerThread.__new__(RunnerThread)
    holder.directory = tmp_path
    asyncio.run(run())


def _interpreter_for_everybody() -> str:
    """An interpreter that an unprivileged user can run: not one below root's home."""
    for candidate in (sys.executable, "/usr/bin/python3"):
        # setpriv itself could still reach what the user cannot: the interpreter is asked whether it can reach itself.
        probe = "import os, sys; sys.exit(sys.version_info < (3, 11) or not os.access(sys.executable, os.X_OK))"
        command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", candidate, "-c", probe]
        if shutil.which("setpriv") and subprocess.run(command, check=False).returncode == 0:
            return candidate
    return ""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (["sh", "-c", "id -u; echo x > /opt/ml/x && cat /opt/ml/x"], ["0", "x", "0 None False"]),
        (["python3", "-c", "a = []\nwhile True: a.append(bytearray(10**7))"], ["None 9 True"]),
        (
            [
                "python3",
                "-c",
                "import os, time\ntry:\n  while os.fork(): pass\n  time.sleep(60)\nexcept OSError: print('no')",
            ],
            ["no", "0 None False"],
        ),
    ],
)
def test_unprivileged_user(command: list[str], expected: list[str]) -> None:
    interpreter = _interpreter_for_everybody()
    if not interpreter or not ISOLATES:
        pytest.skip("no interpreter that the user nobody can run, or no namespaces")
    directory = Path(f"/var/tmp/coldframe-test-{uuid.uuid4().hex}")
    directory.mkdir()
    nobody = pwd.getpwnam("nobody")
    os.chown(directory, nobody.pw_uid, nobody.pw_gid)
    source = SERVER.replace("[], directory)", "[], directory, memory_bytes=300_000_000)")
    try:
        finished = subprocess.run(
            [
                *("setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"),
                *(interpreter, "-c", source, str(directory), "namespaces", "", *command),
            ],
            check=False,
            capture_output=True,
            text=True,
            env={"PYTHONPATH": str(SOURCES), "PATH": os.environ["PATH"]},
            timeout=60,
            cwd="/",
        )
    finally:
        shutil.rmtree(directory)
    lines = [line for line in finished.stdout.splitlines() if line and not line.startswith("The worker was killed")]
    assert lines == ["namespaces", *expected], textwrap.indent(finished.stderr, "stderr: ")
