"""Knows every table: importing this module imports each record's file, so that `metadata` is complete."""

import importlib
import pkgutil
from pathlib import Path

from coldframe.state.schema import metadata

for _module in pkgutil.iter_modules([str(Path(__file__).parent)]):
    # the records' files declare their tables on `metadata` as they are imported
    if not _module.ispkg and f"{__package__}.{_module.name}" != __name__:
        importlib.import_module(f"{__package__}.{_module.name}")

__all__ = ["metadata"]
