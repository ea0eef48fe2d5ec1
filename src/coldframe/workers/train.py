"""Runs a training script inside a worker, as AWS's training toolkit does inside a container."""

import contextlib
import importlib.metadata
import os
import re
import runpy
import shutil
import signal
import subprocess
import sys
import traceback
import types
from pathlib import Path
from typing import Any

from coldframe.workers.archives import ArchiveRefusedError, unpack
from coldframe.workers.specification import WorkerSpecification
from coldframe.workers.training_environment import (
    TrainingEnvironment,
    environment_variables,
    read_environment,
    script_arguments,
)

SOURCE_ARCHIVE = ("input", "source", "sourcedir.tar.gz")
"""Below the root: where the supervisor puts the archive that sagemaker_submit_directory names."""
LARGEST_SOURCE_BYTES = 5 * 1024**3


class CannotRunError(Exception):
    """The script cannot be started; the message is for whoever made the job."""


def main(specification: WorkerSpecification) -> int:  # noqa: ARG001 - the environment and the files say all
    """Run the job's script to its end. Returns the exit code."""
    environment = read_environment(os.environ["COLDFRAME_ML_ROOT"])
    code = environment.path("code")
    arguments = script_arguments(environment.hyperparameters)
    try:
        _fetch_code(environment, code)
        os.environ.update(environment_variables(environment, code))
        os.chdir(code)
        _check_requirements(code)
        exit_code, error = _run(environment.program, code, arguments)
    except CannotRunError as refused:
        print(f"ERROR: {refused}", file=sys.stderr)
        exit_code, error = 1, str(refused)
    if exit_code != 0:
        _write_failure(environment, exit_code, error, arguments)
    return exit_code


def _fetch_code(environment: TrainingEnvironment, code: str) -> None:
    """Put the job's code into its folder."""
    os.makedirs(code, exist_ok=True)
    archive = environment.path(*SOURCE_ARCHIVE)
    local = environment.local(environment.submit_directory)
    try:
        if os.path.exists(archive):
            unpack(Path(archive), Path(code), LARGEST_SOURCE_BYTES)
        elif os.path.isfile(local):
            unpack(Path(local), Path(code), LARGEST_SOURCE_BYTES)
        elif os.path.isdir(local) and not os.path.samefile(local, code):
            shutil.copytree(local, code, dirs_exist_ok=True)
        elif local and not os.path.isdir(local):
            raise CannotRunError(f"sagemaker_submit_directory {environment.submit_directory!r} is not there")
    except ArchiveRefusedError as refused:
        raise CannotRunError(f"sagemaker_submit_directory {environment.submit_directory!r}: {refused}") from refused


def _check_requirements(code: str) -> None:
    """Say which packages of requirements.txt are not there, since none are installed."""
    path = os.path.join(code, "requirements.txt")
    if not os.path.exists(path):
        return
    lacking = []
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            name = re.match(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)", line)
            if name is not None and not _installed(name[1]):
                lacking.append(line.strip())
    if lacking:
        print(
            f"Coldframe: requirements.txt asks for {', '.join(lacking)}, which the environment of this job does not "
            "have. Coldframe does not install packages for jobs yet: install them beside Coldframe itself.",
            file=sys.stderr,
        )


def _installed(name: str) -> bool:
    try:
        importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _run(program: str, code: str, arguments: list[str]) -> tuple[int, str]:
    """Run the entry point. Returns its exit code and, if it failed, why."""
    path = os.path.join(code, program)
    is_package = os.path.isdir(path) or os.path.exists(os.path.join(code, "setup.py"))
    if not is_package and not os.path.isfile(path):
        there = ", ".join(sorted(os.listdir(code))[:20]) or "nothing"
        raise CannotRunError(f"the source code has no file {program!r} (sagemaker_program); it has: {there}")
    if is_package or program.endswith(".py"):
        _prepare_imports(code, [path, *arguments])
        return _run_python(program, path, is_package=is_package)
    return _run_command(path, arguments)


def _prepare_imports(code: str, argv: list[str]) -> None:
    sys.argv = argv
    sys.path[:] = [code, *(entry for entry in sys.path if entry not in ("", code))]


def _run_python(program: str, path: str, *, is_package: bool) -> tuple[int, str]:
    try:
        if is_package:
            runpy.run_module(program.removesuffix(".py").replace("/", "."), run_name="__main__", alter_sys=True)
        else:
            _run_script(path)
    except SystemExit as ended:
        return _exit_code(ended.code)
    except BaseException as error:
        _print_traceback(error)
        return 1, "".join(traceback.format_exception_only(error)).strip()
    return 0, ""


def _run_script(path: str) -> None:
    """Run a file as `python file` does.

    Not by runpy: that takes `__main__` away when the script's last line is done, while threads and exit functions of
    the script may still need it.
    """
    main_module = types.ModuleType("__main__")
    main_module.__file__ = path
    main_module.__builtins__ = __builtins__  # type: ignore[attr-defined]
    # multiprocessing keeps a second name for it, under which classes come back from processes that it spawned.
    sys.modules["__main__"] = sys.modules["__mp_main__"] = main_module
    with open(path, "rb") as file:
        program = compile(file.read(), path, "exec", dont_inherit=True)
    exec(program, main_module.__dict__)  # the user's own script, in the user's own process


def _exit_code(code: Any) -> tuple[int, str]:
    """What sys.exit means by its argument."""
    if code is None:
        return 0, ""
    if isinstance(code, int):
        return code & 0xFF, ""
    print(code, file=sys.stderr)
    return 1, str(code)


def _print_traceback(error: BaseException) -> None:
    """Print the traceback from the script's own first line on; ours are of no interest."""
    first = error.__traceback__
    while first is not None and first.tb_frame.f_code.co_filename in (__file__, runpy.__file__, "<frozen runpy>"):
        first = first.tb_next
    sys.stdout.flush()
    traceback.print_exception(type(error), error, first)


def _run_command(path: str, arguments: list[str]) -> tuple[int, str]:
    """Run a shell script, passing on the request to end."""
    os.chmod(path, 0o755)
    process = subprocess.Popen(["/bin/bash", path, *arguments])
    signal.signal(signal.SIGTERM, lambda number, _frame: process.send_signal(number))
    code = process.wait()
    return (128 - code if code < 0 else code), ""


def _write_failure(environment: TrainingEnvironment, exit_code: int, error: str, arguments: list[str]) -> None:
    """Say why the job failed, in the toolkit's form, if the script itself has not said it."""
    path = environment.path("output", "failure")
    if os.path.exists(path):
        return
    command = " ".join([sys.executable, environment.program, *arguments])
    with contextlib.suppress(OSError), open(path, "w", encoding="utf-8", errors="replace") as file:
        file.write(f'ExecuteUserScriptError:\nExitCode {exit_code}\nErrorMessage "{error}"\nCommand "{command}"')
