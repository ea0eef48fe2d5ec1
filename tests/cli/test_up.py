"""`coldframe up`: what it says when it starts, when it cannot, and how it ends."""

import os
import signal
import socket
import stat
import subprocess
import sys

import pytest

from coldframe.data_directory import ServerFile
from servers import clean_environment
from waiting import wait_until


def run_coldframe(*arguments, **environment):
    command = [sys.executable, "-m", "coldframe", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, env=clean_environment(**environment), check=False
    )


def test_up_tells_where_it_listens_and_never_the_secret(server):
    log = server.log()
    assert server.url in log
    assert "authorization is enforced" in log
    assert str(server.data_directory / "root-credentials.json") in log
    assert server.credentials.secret_access_key not in log
    announced, _, _ = log.partition("Ctrl-C stops it")  # what follows is the log of what other tests did
    assert "WARNING" not in announced


def test_up_keeps_what_is_secret_from_other_users(server):
    for name in ("root-credentials.json", "server.json"):
        assert stat.S_IMODE((server.data_directory / name).stat().st_mode) == 0o600
    assert stat.S_IMODE(server.data_directory.stat().st_mode) == 0o700


def test_up_on_a_directory_in_use_is_refused_in_one_sentence(server):
    done = run_coldframe("up", "--data-dir", server.data_directory, "--port", 0)
    assert done.returncode == 1
    assert str(server.data_directory) in done.stderr
    assert "coldframe down" in done.stderr
    assert done.stderr.count("\n") == 1
    assert ServerFile.read(server.data_directory).pid == server.pid


def test_up_on_a_port_in_use_is_refused_in_one_sentence(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run_coldframe("up", "--data-dir", tmp_path / "data", "--port", port)
    assert done.returncode == 1
    assert f"port {port} is in use" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "data" / "server.json").exists()


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["--account-id", "12345"], "account_id"),
        (["--region", "somewhere"], "region"),
        (["--port", "70000"], "port"),
    ],
)
def test_up_with_a_setting_that_will_not_do_names_it(tmp_path, arguments, names):
    done = run_coldframe("up", "--data-dir", tmp_path, *arguments)
    assert done.returncode == 1
    assert names in done.stderr
    assert arguments[1] in done.stderr
    assert "Traceback" not in done.stderr


def test_up_with_an_unknown_address_is_refused_in_one_sentence(tmp_path):
    done = run_coldframe("up", "--data-dir", tmp_path, "--port", 0, "--host", "192.0.2.1")
    assert done.returncode == 1
    assert "192.0.2.1" in done.stderr
    assert done.stderr.count("\n") == 1


def test_up_where_a_file_stands_in_the_way_is_refused_in_one_sentence(tmp_path):
    (tmp_path / "data").write_text("not a directory")
    done = run_coldframe("up", "--data-dir", tmp_path / "data", "--port", 0)
    assert done.returncode == 1
    assert str(tmp_path / "data") in done.stderr
    assert "Traceback" not in done.stderr


def test_up_with_a_broken_settings_file_says_so(tmp_path):
    (tmp_path / "coldframe.toml").write_text("port = = 1")
    done = subprocess.run(
        [sys.executable, "-m", "coldframe", "status"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=clean_environment(),
        check=False,
    )
    assert done.returncode == 1
    assert "coldframe.toml" in done.stderr
    assert "Traceback" not in done.stderr


def test_up_with_an_unknown_setting_in_the_file_names_it(tmp_path):
    (tmp_path / "coldframe.toml").write_text("prot = 1")
    done = subprocess.run(
        [sys.executable, "-m", "coldframe", "status"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=clean_environment(),
        check=False,
    )
    assert done.returncode == 1
    assert "'prot'" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_up_ends_in_order_when_asked(own_server, number):
    server = own_server().start()
    os.kill(server.pid, number)
    wait_until(lambda: not server.running, 20, describe=server.log)
    assert server.exit_code == 0
    assert not (server.data_directory / "server.json").exists()
    assert "Traceback" not in server.log()


def test_up_beyond_loopback_warns(own_server):
    server = own_server("--host", "0.0.0.0").start()
    assert "WARNING: other machines can reach 0.0.0.0" in server.log()


def test_up_after_a_kill_comes_back_with_the_same_key(own_server):
    server = own_server().start()
    before = server.credentials
    server.client("s3").create_bucket(Bucket="kept")
    server.kill9()
    server.start()
    assert server.credentials == before
    assert [bucket["Name"] for bucket in server.client("s3").list_buckets()["Buckets"]] == ["kept"]


def test_up_plays_the_account_and_region_it_is_given(own_server):
    server = own_server("--account-id", "123456789012", "--region", "eu-west-1").start()
    found = server.client("sts", region_name="eu-west-1").get_caller_identity()
    assert found["Account"] == "123456789012"
    assert "account 123456789012, region eu-west-1" in server.log()
