"""The other commands: each does what it says, and says in one sentence why it cannot."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from coldframe import __version__
from coldframe.cli.examination import look_at_data_directory
from coldframe.cli.findings import Severity
from coldframe.config import Config
from coldframe.data_directory import RootCredentials, ServerFile
from servers import clean_environment
from waiting import wait_until

PRINT_IDENTITY = "import boto3; print(boto3.client('sts').get_caller_identity()['Arn'])"


def coldframe(*arguments, **environment):
    command = [sys.executable, "-m", "coldframe", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=120, env=clean_environment(**environment), check=False
    )


def test_version():
    assert coldframe("--version").stdout == f"coldframe {__version__}\n"


def test_help_names_every_command():
    text = coldframe("--help").stdout
    for name in ("up", "status", "env", "run", "down", "doctor", "demo"):
        assert f" {name} " in text


def test_unknown_command_is_a_wrong_command_line():
    assert coldframe("upp").returncode == 2


def test_commands_start_without_what_only_the_server_needs():
    program = "import sys; sys.argv = ['coldframe', '--version']; import coldframe.cli.main; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert not {"boto3", "botocore", "sqlalchemy", "uvicorn", "torch", "numpy", "pydantic", "PIL"} & set(loaded)


# status


def test_status_of_a_running_server(server):
    done = coldframe("status", "--data-dir", server.data_directory)
    assert done.returncode == 0
    assert server.url in done.stdout


def test_status_as_json(server):
    done = coldframe("status", "--json", "--data-dir", server.data_directory)
    found = json.loads(done.stdout)
    assert found["running"] is True
    assert (found["url"], found["pid"], found["version"]) == (server.url, server.pid, __version__)


def test_status_finds_the_directory_by_the_environment(server):
    assert coldframe("status", COLDFRAME_DATA_DIRECTORY=str(server.data_directory)).returncode == 0


def test_status_without_a_server(tmp_path):
    done = coldframe("status", "--data-dir", tmp_path)
    assert done.returncode == 1
    assert f"coldframe up --data-dir {tmp_path}" in done.stdout
    assert json.loads(coldframe("status", "--json", "--data-dir", tmp_path).stdout)["running"] is False


def test_status_is_not_fooled_by_another_server_on_the_port(server, tmp_path):
    ServerFile(server.url, pid=1, account_id="000000000000", region="us-east-1").write(tmp_path)
    assert coldframe("status", "--data-dir", tmp_path).returncode == 1


def test_status_with_a_damaged_server_file(tmp_path):
    (tmp_path / "server.json").write_text("{")
    done = coldframe("status", "--data-dir", tmp_path)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


# env


@pytest.mark.parametrize("shell", ["sh", "bash", "dash", "zsh"])
def test_env_leads_clients_here_whatever_was_set_before(server, shell):
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    before = {
        "AWS_PROFILE": "mine",
        "AWS_SESSION_TOKEN": "old",
        "AWS_ENDPOINT_URL_STS": "http://127.0.0.1:1",
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
        "HTTP_PROXY": "http://127.0.0.1:1",
    }
    program = 'eval "$("$PYTHON" -m coldframe env --data-dir "$DIRECTORY")" && exec "$PYTHON" -c "$PROGRAM"'
    environment = clean_environment(
        PYTHON=sys.executable, DIRECTORY=str(server.data_directory), PROGRAM=PRINT_IDENTITY, **before
    )
    done = subprocess.run([shell, "-c", program], capture_output=True, text=True, env=environment, check=False)
    assert done.stdout.strip() == "arn:aws:iam::000000000000:root", done.stderr


def test_env_for_fish(server):
    lines = coldframe("env", "--shell", "fish", "--data-dir", server.data_directory).stdout.splitlines()
    assert f"set -gx AWS_ENDPOINT_URL '{server.url}';" in lines
    assert "set -e AWS_PROFILE;" in lines


def test_env_quotes_what_shells_would_act_on(tmp_path, server):
    cruel = "a'b\"c $(touch pwned) `x` \\ !;#"
    running = ServerFile.read(server.data_directory)
    running.write(tmp_path)
    RootCredentials("AKIAEXAMPLE", cruel).write(tmp_path)
    printed = coldframe("env", "--data-dir", tmp_path).stdout
    show = 'eval "$1"; printf %s "$AWS_SECRET_ACCESS_KEY"'
    done = subprocess.run(["sh", "-c", show, "sh", printed], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout == cruel
    assert not (tmp_path / "pwned").exists()
    if shutil.which("fish"):
        fish = coldframe("env", "--shell", "fish", "--data-dir", tmp_path).stdout
        show = f"{fish}\nprintf %s $AWS_SECRET_ACCESS_KEY"
        assert subprocess.run(["fish", "-c", show], capture_output=True, text=True, check=True).stdout == cruel


def test_env_without_a_server_prints_nothing_to_evaluate(tmp_path):
    done = coldframe("env", "--data-dir", tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1


# run


def test_run_leads_a_command_here(server):
    done = coldframe("run", "--data-dir", server.data_directory, "--", sys.executable, "-c", PRINT_IDENTITY)
    assert done.stdout.strip() == "arn:aws:iam::000000000000:root", done.stderr


def test_run_passes_options_and_exit_code(server):
    program = "import sys; print(sys.argv[1:]); sys.exit(7)"
    where = ("--data-dir", server.data_directory)
    done = coldframe("run", *where, sys.executable, "-c", program, "--data-dir", "--help", "--", "x y")
    assert done.returncode == 7
    assert done.stdout.strip() == "['--data-dir', '--help', '--', 'x y']"


def test_run_passes_signals(server, tmp_path):
    program = "import signal; signal.signal(signal.SIGTERM, lambda *_: exit(9)); print(1, flush=True); signal.pause()"
    command = [sys.executable, "-m", "coldframe", "run", "--data-dir", str(server.data_directory), "--"]
    with subprocess.Popen(
        [*command, sys.executable, "-c", program], stdout=subprocess.PIPE, env=clean_environment()
    ) as process:
        assert process.stdout.readline() == b"1\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 9


def test_run_of_what_is_not_there(server, tmp_path):
    done = coldframe("run", "--data-dir", server.data_directory, "--", "no-such-command")
    assert done.returncode == 127
    assert "no-such-command" in done.stderr
    (tmp_path / "plain").write_text("no program")
    assert coldframe("run", "--data-dir", server.data_directory, "--", tmp_path / "plain").returncode == 126


def test_run_without_a_server(tmp_path):
    done = coldframe("run", "--data-dir", tmp_path, "--", "true")
    assert done.returncode == 1
    assert "coldframe up" in done.stderr


# down


def test_down_stops_the_server_and_waits(own_server):
    server = own_server().start()
    done = coldframe("down", "--data-dir", server.data_directory)
    assert done.returncode == 0, done.stderr
    assert "Stopped" in done.stdout
    wait_until(lambda: not server.running, 5)
    assert server.exit_code == 0
    again = coldframe("down", "--data-dir", server.data_directory)
    assert again.returncode == 0
    assert "No server runs" in again.stdout


def test_down_after_a_kill_tidies_up_and_says_so(own_server):
    server = own_server().start()
    server.kill9()
    done = coldframe("down", "--data-dir", server.data_directory)
    assert done.returncode == 0
    assert "No server runs" in done.stdout
    assert not (server.data_directory / "server.json").exists()


def test_down_never_kills_a_stranger(tmp_path):
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        ServerFile("http://127.0.0.1:1", stranger.pid, "000000000000", "us-east-1").write(tmp_path)
        coldframe("down", "--data-dir", tmp_path)
        assert stranger.poll() is None
        # and not even when a server does run there, under another process id than the file says
        holder = "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.flock(f, 2); print(1, flush=True); input()"
        with subprocess.Popen(
            [sys.executable, "-c", holder, str(tmp_path / "lock")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as server:
            assert server.stdout.readline() == b"1\n"
            ServerFile("http://127.0.0.1:1", stranger.pid, "000000000000", "us-east-1").write(tmp_path)
            done = coldframe("down", "--data-dir", tmp_path)
            assert done.returncode == 1
            assert "left alone" in done.stderr
            assert stranger.poll() is None
            assert server.poll() is None
            server.communicate(b"\n")
        stranger.communicate(b"\n")


# doctor


def test_doctor_tells_each_lack_with_consequence_and_cure(tmp_path):
    done = coldframe("doctor", "--json", "--data-dir", tmp_path)
    assert done.returncode == 0, done.stderr
    findings = {finding["name"]: finding for finding in json.loads(done.stdout)}
    assert {"python", "whole sandbox", "torch", "gpu", "disk sync", "disk space", "open files"} <= set(findings)
    for finding in findings.values():
        assert finding["found"]
        if finding["severity"] != "good":
            assert finding["consequence"]
            assert finding["cure"]


def test_doctor_for_people(tmp_path):
    done = coldframe("doctor", "--data-dir", tmp_path)
    assert "Coldframe runs here" in done.stdout


def test_doctor_finds_that_nothing_can_be_kept():
    finding = look_at_data_directory(Config(data_directory=Path("/proc/nowhere")))
    assert finding.severity is Severity.FATAL
