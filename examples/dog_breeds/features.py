"""Runs pictures through the network's frozen part, once each, and remembers the result by the picture's content."""

import hashlib
import os
import tempfile
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from network import NAME, export_onnx
from pictures import PictureRefused, read_picture, to_array
from torch import nn

BATCH = 16

Forward = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Features:
    """What the frozen part makes of pictures."""

    values: torch.Tensor
    """One row for each picture that could be read."""
    labels: torch.Tensor
    """Which class each row is of, int64."""
    skipped: list[tuple[Path, str]]
    """Files that are no pictures, and why."""


def thread_count() -> int:
    """As many threads as this process was given: OMP_NUM_THREADS where it is set, else every core that it may use."""
    given = os.environ.get("OMP_NUM_THREADS", "")
    return int(given) if given.isdigit() and int(given) > 0 else len(os.sched_getaffinity(0))


class FeatureStore:
    """The features of pictures seen so far, in memory, and in a file if there is a folder for it."""

    def __init__(self, frozen: nn.Sequential, unfrozen_blocks: int, folder: Path | None) -> None:
        """Read what an earlier run left in `folder`, which may be None: then nothing outlives this run."""
        self._frozen = frozen
        self._forward: Forward | None = None
        self._building = threading.Lock()
        # A vector of 1,280 numbers is kept as it is; a map of 192 x 7 x 7 at half the precision, for its size.
        self._dtype = np.float32 if unfrozen_blocks == 0 else np.float16
        self._file = folder / f"features-{NAME}-{unfrozen_blocks}.npz" if folder else None
        self._known: dict[bytes, np.ndarray] = {}
        if self._file and self._file.exists():
            with np.load(self._file) as kept:
                self._known = dict(zip([bytes(row) for row in kept["digests"]], kept["values"], strict=True))
        self.computed = 0
        self.recalled = 0

    def of(self, files: Sequence[tuple[Path, int]], mirrored: bool = False) -> Features:
        """The features of pictures, in order.

        Args:
            files: each picture's path and class.
            mirrored: of the pictures' mirror images instead.
        """
        batches = [files[start : start + BATCH] for start in range(0, len(files), BATCH)]
        with ThreadPoolExecutor(thread_count()) as pool:
            rows = [row for batch in pool.map(lambda batch: self._batch(batch, mirrored), batches) for row in batch]
        skipped = [(path, row) for (path, _), row in zip(files, rows, strict=True) if isinstance(row, str)]
        kept = [(row, label) for (_, label), row in zip(files, rows, strict=True) if not isinstance(row, str)]
        if not kept:
            raise SystemExit("None of the files is a picture that can be read.")
        values = torch.from_numpy(np.stack([row for row, _ in kept])).float()
        return Features(values, torch.tensor([label for _, label in kept]), skipped)

    def keep(self) -> None:
        """Write down what is known, for the next run that finds this folder."""
        if not self._file or not self.computed:
            return
        self._file.parent.mkdir(parents=True, exist_ok=True)
        beside = self._file.with_suffix(".new.npz")
        digests = np.array([list(digest) for digest in self._known], dtype=np.uint8)
        np.savez(beside, digests=digests, values=np.stack(list(self._known.values())))
        beside.replace(self._file)

    def _batch(self, files: Sequence[tuple[Path, int]], mirrored: bool) -> list[np.ndarray | str]:
        """For each file its features, or why there are none."""
        rows: list[np.ndarray | str | None] = []
        arrays, digests = [], []
        for path, _ in files:
            content = path.read_bytes()
            digest = hashlib.sha256(content + (b"mirrored" if mirrored else b"")).digest()
            known = self._known.get(digest)
            if known is not None:
                rows.append(known)
                continue
            try:
                array = to_array(read_picture(content))
            except PictureRefused as refused:
                rows.append(str(refused))
                continue
            rows.append(None)
            arrays.append(array[:, :, ::-1] if mirrored else array)
            digests.append(digest)
        self.recalled += sum(isinstance(row, np.ndarray) for row in rows)
        computed = iter(self._compute(digests, arrays))
        return [next(computed) if row is None else row for row in rows]

    def _compute(self, digests: list[bytes], arrays: list[np.ndarray]) -> list[np.ndarray]:
        if not arrays:
            return []
        with self._building:  # once, by whichever thread comes first
            forward = self._forward = self._forward or fastest_forward(self._frozen)
        values = list(forward(np.stack(arrays)).astype(self._dtype))
        self._known.update(zip(digests, values, strict=True))
        self.computed += len(values)
        return values


def fastest_forward(frozen: nn.Module) -> Forward:
    """A function that runs a batch on one thread: ONNX Runtime's where it is installed, about five times as fast."""
    try:
        import onnxruntime
    except ImportError:
        torch.set_num_threads(1)
        return lambda batch: _forward_torch(frozen, batch)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # many batches run beside each other instead
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "frozen.onnx"
        export_onnx(frozen, path)
        session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    return lambda batch: session.run(None, {"pictures": batch})[0]


def _forward_torch(frozen: nn.Module, batch: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        return frozen(torch.from_numpy(batch)).numpy()
