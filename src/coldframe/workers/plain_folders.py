"""What a worker sees of the file system where the kernel allows no namespaces: real folders in its scratch folder."""

import contextlib
import os
import stat

from coldframe.workers.file_view import ML_ROOT, copy_tree
from coldframe.workers.specification import Bind, WorkerSpecification


def lay_out(specification: WorkerSpecification) -> str:
    """Make the worker's folders; return the one that stands for /opt/ml.

    `rw` binds become symbolic links to the host's folder, `ro` and `cow` binds copies: a link would let the worker
    change what it was only to read.

    Raises:
        ValueError: If something is to be seen outside /opt/ml, which only namespaces can do.
    """
    scratch = specification.scratch_directory
    root = os.path.join(scratch, "ml")
    for bind in sorted(specification.binds, key=lambda bind: bind.target.count("/")):
        inside = os.path.relpath(bind.target, ML_ROOT)
        if inside.startswith(".."):
            if os.path.realpath(bind.source) == os.path.realpath(bind.target):
                continue
            raise ValueError(f"without namespaces a worker can see only folders below {ML_ROOT}, not {bind.target}")
        _place(bind, root if inside == "." else os.path.join(root, inside))
    for path in (root, os.path.join(scratch, "tmp"), os.path.join(scratch, "home")):
        os.makedirs(path, exist_ok=True)
    return root


def _place(bind: Bind, target: str) -> None:
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if os.path.isdir(target) and not os.path.islink(target):
        with contextlib.suppress(OSError):  # an empty mount point, made by whoever filled the folder above
            os.rmdir(target)
    if bind.mode == "rw":
        os.symlink(bind.source, target)
        return
    copy_tree(bind.source, target)
    if bind.mode == "ro":
        _refuse_writing(target)


def _refuse_writing(path: str) -> None:
    """As near to read only as file modes come; root writes all the same, but only to this copy."""
    for folder, _, files in os.walk(path, topdown=False):
        for name in files:
            file = os.path.join(folder, name)
            if not os.path.islink(file):
                os.chmod(file, stat.S_IMODE(os.stat(file).st_mode) & ~0o222)
