"""Stands over one worker: starts its program shut off from the machine, passes on signals, leaves no process behind.

Three processes, each forked from the one before it:

    guardian     outside; takes orders from the template, watches limits, tells how the worker ended
    process 1    inside the namespaces; furnishes the sandbox, collects orphans; with it the kernel ends all others
    program      the user's code

Without namespaces there is no process 1: the guardian adopts the orphans, and kills what is left one by one.
"""

import contextlib
import gc
import os
from typing import NoReturn

from coldframe.workers import kernel
from coldframe.workers.charge import Charge, report
from coldframe.workers.isolated_worker import IsolatedWorker
from coldframe.workers.plain_worker import PlainWorker


def guard(charge: Charge) -> NoReturn:
    """Be the guardian, in a process just forked from the template, until the worker has ended."""
    gc.disable()
    kernel.name_process("coldframe-guard")
    try:
        charge.group.join()
        if charge.isolated:
            IsolatedWorker(charge).run()
        else:
            PlainWorker(charge).run()
    except BaseException as error:
        with contextlib.suppress(OSError):
            report(charge.orders, error=f"{type(error).__name__}: {error}")
    os._exit(1)
