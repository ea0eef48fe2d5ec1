"""Runs the user's program in a process that was forked for it: environment, output, seeds, then its entry point."""

import atexit
import contextlib
import ctypes
import gc
import importlib
import io
import os
import random
import resource
import signal
import sys
import threading
import traceback
from typing import Any, NoReturn

from coldframe.workers import kernel
from coldframe.workers.specification import WorkerSpecification

_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_OPENBLAS_SETTERS = (
    "scipy_openblas_set_num_threads64_",
    "scipy_openblas_set_num_threads",
    "openblas_set_num_threads64_",
    "openblas_set_num_threads",
)


def run_program(specification: WorkerSpecification, ml_root: str, home: str, temporary: str, output: int) -> NoReturn:
    """Become the worker's program; the process ends with it."""
    os.setsid()
    kernel.set_dumpable(True)
    kernel.name_process(specification.name.rpartition("/")[2] or specification.role)
    _reset_signals()
    _connect_output(output)
    _set_limits()
    environment = worker_environment(specification, ml_root, home, temporary)
    os.environ.clear()
    os.environ.update(environment)
    with contextlib.suppress(OSError):
        os.chdir(ml_root)
    if specification.command:
        _execute(specification.command)
    _exit(_call(specification))


def worker_environment(specification: WorkerSpecification, ml_root: str, home: str, temporary: str) -> dict[str, str]:
    """The worker's whole environment; what the specification says comes before what every process needs."""
    environment = {
        "PATH": f"{os.path.dirname(os.path.abspath(sys.executable))}:{_SYSTEM_PATH}",
        "HOME": home,
        "LANG": "C.UTF-8",
        "TMPDIR": temporary,
        # Lines are to come as they are printed, from programs that the worker starts as well.
        "PYTHONUNBUFFERED": "1",
    }
    if specification.threads:
        environment.update(dict.fromkeys(_THREAD_VARIABLES, str(specification.threads)))
    return {**environment, **specification.environment, "COLDFRAME_ML_ROOT": ml_root}


def _reset_signals() -> None:
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals():
        with contextlib.suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_DFL)
    # What Python itself sets when it starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def _connect_output(output: int) -> None:
    null = os.open("/dev/null", os.O_RDONLY)
    for source, target in ((null, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    os.closerange(3, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    sys.stdin = sys.__stdin__ = open(0, encoding="utf-8", closefd=False)  # type: ignore[misc]  # noqa: SIM115 - open to the end
    sys.stdout = sys.__stdout__ = _line_stream(1, "surrogateescape")  # type: ignore[misc]
    sys.stderr = sys.__stderr__ = _line_stream(2, "backslashreplace")  # type: ignore[misc]


def _line_stream(descriptor: int, errors: str) -> io.TextIOWrapper:
    raw = open(descriptor, "wb", closefd=False)  # noqa: SIM115 - open to the end
    return io.TextIOWrapper(raw, encoding="utf-8", errors=errors, line_buffering=True)


def _set_limits() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # When memory is short the kernel is to choose a worker, not the server.
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("500")


def _execute(command: list[str]) -> NoReturn:
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", file=sys.stderr)
        _exit(127 if isinstance(error, FileNotFoundError) else 126)


def _call(specification: WorkerSpecification) -> int:
    """Call the role's entry point as a fresh interpreter would, and say with which code the process is to end."""
    _set_threads(specification.threads)
    _seed_anew()
    gc.enable()
    try:
        module = importlib.import_module(f"coldframe.workers.{specification.role}")
        return int(module.main(specification) or 0)
    except SystemExit as leaving:
        return _code_of(leaving)
    except KeyboardInterrupt:
        traceback.print_exc()
        return 130
    except BaseException:
        traceback.print_exc()
        return 1


def _code_of(leaving: SystemExit) -> int:
    if leaving.code is None:
        return 0
    if isinstance(leaving.code, int):
        return leaving.code & 0xFF
    print(leaving.code, file=sys.stderr)
    return 1


def _set_threads(threads: int) -> None:
    """Tell libraries that are loaded already; they read the environment only when they are loaded."""
    if not threads:
        return
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(threads)
    with open("/proc/self/maps") as lines:
        libraries = {line.split()[-1] for line in lines if "openblas" in line}
    for path in libraries:
        with contextlib.suppress(OSError):
            library = ctypes.CDLL(path)
            setters = (getattr(library, name, None) for name in _OPENBLAS_SETTERS)
            setter = next((found for found in setters if found is not None), None)
            if setter is not None:
                setter(threads)


def _seed_anew() -> None:
    """Give the process chance of its own: generators were seeded in the template, and would agree in all its forks."""
    random.seed()
    numpy: Any = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed(int.from_bytes(os.urandom(4)))
    torch: Any = sys.modules.get("torch")
    if torch is not None:
        torch.random.default_generator.seed()


def _exit(code: int) -> NoReturn:
    """End as an interpreter ends, but without taking apart what the template loaded: that takes long, for nothing."""
    with contextlib.suppress(BaseException):
        threading._shutdown()  # type: ignore[attr-defined]
    with contextlib.suppress(BaseException):
        atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(BaseException):
            stream.flush()
    os._exit(code)
