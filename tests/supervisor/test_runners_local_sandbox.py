"""What an isolated worker of LocalRunner sees and may do, and what the host keeps of it: nothing."""

import os
import shutil
import socket
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from coldframe.supervisor.runners.local import LocalRunner
from coldframe.workers.sandbox import try_sandbox
from coldframe.workers.specification import Bind
from supervisor.runner_conformance import RunnerThread, run_in_thread

ISOLATES, LACK = try_sandbox()
pytestmark = pytest.mark.skipif(not ISOLATES, reason=f"this machine does not isolate workers: {LACK}")


@pytest.fixture(scope="module")
def data_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory outside /tmp, where it would be out of sight anyway, if this user may make one."""
    directory = tmp_path_factory.mktemp("data")
    (directory / "root-credentials.json").write_text("secret")
    return directory


@pytest.fixture(scope="module")
def runners(data_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunnerThread]:
    def make() -> LocalRunner:
        return LocalRunner(
            data_directory / "runner",
            preload_modules=[],
            isolation="namespaces",
            hidden_directories=[data_directory, hidden],
        )

    hidden = Path.home() / f".coldframe-test-{os.getpid()}"
    hidden.mkdir()
    (hidden / "root-credentials.json").write_text("secret")
    try:
        yield from run_in_thread(make, data_directory)
    finally:
        (hidden / "root-credentials.json").unlink()
        hidden.rmdir()


def test_opt_ml_exists_only_in_the_worker(runners: RunnerThread) -> None:
    before = sorted(Path("/opt").iterdir())
    started = runners.start(["sh", "-c", "pwd; touch /opt/ml/made; ls /opt/ml"])
    assert started.wait().succeeded
    assert started.lines == ["/opt/ml", "made"]
    assert sorted(Path("/opt").iterdir()) == before


def test_hidden_directory_cannot_be_read(runners: RunnerThread, data_directory: Path) -> None:
    hidden = Path.home() / f".coldframe-test-{os.getpid()}"
    started = runners.start(["sh", "-c", f"ls -A {hidden}; cat {hidden}/* {data_directory}/root-credentials.json"])
    assert not started.wait().succeeded
    assert len(started.lines) == 2
    assert all("No such file or directory" in line for line in started.lines)


def test_hidden_directory_not_even_after_trying_to_undo_it(runners: RunnerThread) -> None:
    hidden = Path.home() / f".coldframe-test-{os.getpid()}"
    attempts = f"umount {hidden} || umount -l {hidden} || true; cat {hidden}/root-credentials.json"
    started = runners.start(
        [
            "sh",
            "-c",
            f"({attempts}); unshare -Um sh -c '{attempts}'; nsenter -t 1 -m cat {hidden}/*",
        ]
    )
    assert not started.wait().succeeded
    assert "secret" not in "".join(started.lines)
    assert sum("No such file" in line for line in started.lines) >= 2, started.lines


def test_keys_of_the_user_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Path.home() / f".coldframe-test-home-{os.getpid()}"
    (home / ".aws").mkdir(parents=True)
    (home / ".aws" / "credentials").write_text("secret")
    (home / "notes").write_text("notes\n")
    monkeypatch.setenv("HOME", str(home))
    thread = run_in_thread(lambda: LocalRunner(tmp_path / "runner", preload_modules=[]), tmp_path)
    try:
        started = next(thread).start(["sh", "-c", f"cat {home}/notes; cat {home}/.aws/credentials; echo $HOME"])
        started.wait()
    finally:
        for _ in thread:
            pass
        shutil.rmtree(home)
    assert started.lines[0] == "notes"
    assert "No such file" in started.lines[1]
    assert started.lines[2] == "/tmp/home"


def test_parts_of_a_hidden_directory_can_be_bound(runners: RunnerThread, data_directory: Path) -> None:
    blobs = data_directory / "blobs" / "one"
    blobs.mkdir(parents=True)
    (blobs / "picture").write_text("dog")
    started = runners.start(
        ["cat", "/opt/ml/input/data/training/picture"], binds=[Bind(str(blobs), "/opt/ml/input/data/training", "ro")]
    )
    assert started.wait().succeeded
    assert started.lines == ["dog"]


def test_read_only_bind_refuses_writing_and_remounting(runners: RunnerThread, tmp_path: Path) -> None:
    (tmp_path / "old").write_text("old")
    script = (
        "cd /opt/ml/in; echo new > old; echo new > new; rm old; mount -o remount,rw,bind /opt/ml/in; "
        "unshare -Um sh -c 'mount -o remount,rw,bind /opt/ml/in; echo new > old'; cat old"
    )
    started = runners.start(["sh", "-c", script], binds=[Bind(str(tmp_path), "/opt/ml/in", "ro")])
    assert started.wait().succeeded
    assert started.lines[-1] == "old"
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


def test_copy_on_write_bind_of_a_file(runners: RunnerThread, tmp_path: Path) -> None:
    source = tmp_path / "model.bin"
    source.write_text("old")
    source.chmod(0o444)
    started = runners.start(
        ["sh", "-c", "echo new > /opt/ml/model.bin && cat /opt/ml/model.bin"],
        binds=[Bind(str(source), "/opt/ml/model.bin", "cow")],
    )
    assert started.wait().succeeded, started.lines
    assert started.lines == ["new"]
    assert source.read_text() == "old"


def test_scratch_can_be_removed_afterwards(runners: RunnerThread, tmp_path: Path) -> None:
    started = runners.start(
        ["touch", "/opt/ml/in/new", "/tmp/one", "/var/tmp/two"], binds=[Bind(str(tmp_path), "/opt/ml/in", "cow")]
    )
    assert started.wait().succeeded, started.lines
    scratch = Path(started.worker.specification.scratch_directory)
    assert {path.name for path in scratch.rglob("*") if path.is_file()} >= {"one", "two", "new"}
    assert not list(scratch.glob("cow/*/work"))


def test_bind_where_the_host_has_no_top_folder(runners: RunnerThread, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("here\n")
    started = runners.start(
        ["sh", "-c", "cat /no-such-folder/deep/file; ls -d /usr /tmp; touch /no-such-folder/deep/new /tmp/x; ls /opt"],
        binds=[Bind(str(tmp_path), "/no-such-folder/deep", "rw")],
    )
    assert started.wait().succeeded, started.lines
    assert started.lines[:3] == ["here", "/tmp", "/usr"]
    assert "ml" in started.lines
    assert (tmp_path / "new").exists()
    assert not Path("/no-such-folder").exists()


def test_temporary_folders_are_its_own(runners: RunnerThread, tmp_path: Path) -> None:
    mine = Path("/tmp") / f"coldframe-test-{os.getpid()}"
    mine.write_text("")
    try:
        started = runners.start(["sh", "-c", "ls -A /tmp /dev/shm /var/tmp; touch /tmp/a /dev/shm/b /var/tmp/c ~/d"])
        assert started.wait().succeeded, started.lines
    finally:
        mine.unlink()
    assert mine.name not in started.lines
    assert not Path("/dev/shm/b").exists()


def test_hosts_and_host_name(runners: RunnerThread) -> None:
    started = runners.python(
        "import socket; print(socket.gethostname(), *map(socket.gethostbyname, ('algo-1', 'algo-2', 'localhost')))",
        host_addresses={"algo-2": "10.1.2.3"},
    )
    assert started.wait().succeeded
    assert started.lines == ["algo-1 127.0.0.1 10.1.2.3 127.0.0.1"]
    assert socket.gethostname() != "algo-1"


def test_processes_of_the_host_are_out_of_sight(runners: RunnerThread) -> None:
    started = runners.python("import os; print(os.getpid() > 1, len([n for n in os.listdir('/proc') if n.isdigit()]))")
    assert started.wait().succeeded
    assert started.lines == ["True 2"]


def test_host_cannot_be_written(runners: RunnerThread) -> None:
    script = (
        "import os\n"
        "paths = '/etc/passwd /usr/new /proc/sys/kernel/hostname /proc/sysrq-trigger /sys/power/state'\n"
        "for path in paths.split():\n"
        "    try: os.open(path, os.O_WRONLY | os.O_CREAT); print('opened', path)\n"
        "    except OSError: pass\n"
        "print(sorted(name for name in os.listdir('/dev') if not name.startswith('nvidia')))"
    )
    started = runners.python(script)
    assert started.wait().succeeded
    devices = [
        "fd",
        "full",
        "null",
        "ptmx",
        "pts",
        "random",
        "shm",
        "stderr",
        "stdin",
        "stdout",
        "tty",
        "urandom",
        "zero",
    ]
    assert started.lines == [str(devices)]


def test_privileges_are_gone_for_good(runners: RunnerThread) -> None:
    started = runners.start(["sh", "-c", "grep -E 'NoNewPrivs|CapBnd|CapEff' /proc/self/status; kill -9 1; echo alive"])
    assert started.wait().succeeded
    assert started.lines == ["CapEff:\t000000000000001b", "CapBnd:\t000000000000001b", "NoNewPrivs:\t1", "alive"]


def test_descriptors_are_only_the_standard_ones(runners: RunnerThread) -> None:
    runners.start(["sleep", "1"])  # another worker, whose channels must not be inherited
    started = runners.python(
        "import os; print(sorted(int(n) for n in os.listdir('/proc/self/fd'))); print(open(0).read())"
    )
    assert started.wait().succeeded
    assert started.lines == ["[0, 1, 2, 3]", ""]  # 3 is the one that lists


def test_network_of_its_own(runners: RunnerThread) -> None:
    script = (
        "import socket\n"
        "listener = socket.create_server(('127.0.0.1', 0))\n"
        "socket.create_connection(listener.getsockname())\n"
        "print([name for _, name in socket.if_nameindex()][:1])\n"
        "try: socket.create_connection(('192.0.2.1', 80), timeout=5)\n"
        "except OSError as error: print(error.strerror)\n"
    )
    started = runners.python(script, network=False)
    assert started.wait().succeeded, started.lines
    assert started.lines == ["['lo']", "Network is unreachable"]


def test_network_of_the_host(runners: RunnerThread) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        started = runners.python(f"import socket; socket.create_connection(('127.0.0.1', {port}))")
        assert started.wait().succeeded, started.lines


def test_socket_folder_is_shared(runners: RunnerThread, data_directory: Path) -> None:
    folder = data_directory / "sockets"
    folder.mkdir()
    path = folder / "s"
    started = runners.python(
        f"import socket; s = socket.socket(socket.AF_UNIX); s.bind({str(path)!r}); s.listen(); print('listens')\n"
        "s.accept()[0].sendall(b'from inside')",
        socket_path=str(path),
    )
    started.wait_for_line("listens")
    assert started.worker.address == f"unix:{path}"
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        assert client.recv(100) == b"from inside"
    assert started.wait().succeeded


@pytest.mark.skipif(sys.prefix == sys.base_prefix, reason="only a virtual environment can be changed")
def test_packages_can_be_installed_for_the_worker_only(runners: RunnerThread) -> None:
    started = runners.python(
        "import pathlib, sysconfig\n"
        "site = pathlib.Path(sysconfig.get_path('purelib'))\n"
        "(site / 'installed_by_a_worker.py').write_text('print(1)')\n"
        "import installed_by_a_worker, psutil\n"
    )
    assert started.wait().succeeded, started.lines
    assert started.lines == ["1"]
    assert not (Path(sysconfig.get_path("purelib")) / "installed_by_a_worker.py").exists()


def test_interpreter_below_tmp_stays_in_sight(runners: RunnerThread, tmp_path: Path) -> None:
    """A clone of the project below /tmp, with its data directory beside it, must work as well."""
    project = tmp_path / "clone"
    (project / "data" / "blobs").mkdir(parents=True)
    environment = project / ".venv" / "bin"
    environment.mkdir(parents=True)
    (environment / "python").symlink_to(os.path.realpath(sys.executable))
    (project / ".venv" / "pyvenv.cfg").write_text(f"home = {Path(sys.base_prefix) / 'bin'}\n")
    thread = run_in_thread(
        lambda: LocalRunner(
            project / "data" / "runner",
            interpreter=str(environment / "python"),
            preload_modules=[],
            isolation="namespaces",
            hidden_directories=[project / "data"],
        ),
        project / "data",
    )
    other = next(thread)
    started = other.start(["sh", "-c", f"python -c 'import sys; print(sys.prefix)'; ls -A {project}"])
    started.wait()
    for _ in thread:
        pass
    assert started.lines == [str(project / ".venv"), ".venv"]
