"""Reads and writes the content types that a model may be asked in when its own code leaves that to us.

Needs no library for JSON and CSV; uses numpy and torch where they are installed.
"""

import io
import json
import sys
from collections.abc import Callable
from typing import Any

JSON = "application/json"
CSV = "text/csv"
NPY = "application/x-npy"
TEXT = "text/plain"
ANY = "*/*"
TEXT_TYPES = frozenset({JSON, CSV, TEXT})
"""The body is given to a model's code as `str`; for any other type as `bytes`."""


class UnsupportedTypeError(ValueError):
    """A content type that nobody here can read or write."""


def media_type(content_type: str) -> str:
    """A content type without its parameters, in lower case."""
    return content_type.partition(";")[0].strip().lower()


def decode(body: str | bytes, content_type: str) -> Any:
    """An array of what was sent: numpy's where it is installed, nested lists elsewhere.

    JSON that is not made of numbers alone comes back as plain values.

    Raises:
        UnsupportedTypeError: none of application/json, text/csv, application/x-npy.
        ValueError: the body is not what its type says.
    """
    reader = _DECODERS.get(media_type(content_type))
    if reader is None:
        raise UnsupportedTypeError(
            f"Unsupported content type {content_type!r}: without an input_fn of its own a model takes {JSON}, {CSV} "
            f"and {NPY}"
        )
    return reader(body)


def encode(prediction: Any, accept: str) -> tuple[bytes, str]:
    """The prediction in the first type of `accept` that can be written, and that type.

    Raises:
        UnsupportedTypeError: none of the types can be written.
        TypeError, ValueError: the prediction cannot be written in it.
    """
    for wanted in accept.split(","):
        accepted = media_type(wanted)
        if accepted in (ANY, "application/*", ""):
            accepted = JSON
        writer = _ENCODERS.get(accepted)
        if writer is not None:
            return writer(prediction), accepted
    raise UnsupportedTypeError(
        f"Unsupported accept type {accept!r}: without an output_fn of its own a model answers in {JSON}, {CSV} "
        f"and {NPY}"
    )


def _numpy() -> Any:
    try:
        import numpy as np
    except ImportError:
        return None
    return np


def _decode_json(body: str | bytes) -> Any:
    content = json.loads(body)
    numpy = _numpy()
    if numpy is None or not isinstance(content, list):
        return content
    try:
        array = numpy.array(content)
    except ValueError:  # lists of differing lengths
        return content
    return array if array.dtype.kind in "biuf" else content


def _decode_csv(body: str | bytes) -> Any:
    text = body if isinstance(body, str) else body.decode()
    rows = [[float(cell) for cell in line.split(",")] for line in text.splitlines() if line.strip()]
    numpy = _numpy()
    if numpy is None:
        return rows
    array = numpy.array(rows)
    return array[0] if len(rows) == 1 else array


def _decode_npy(body: str | bytes) -> Any:
    numpy = _numpy()
    if numpy is None:
        raise UnsupportedTypeError(f"Unsupported content type {NPY!r}: numpy is not installed where the model runs")
    content = body if isinstance(body, bytes) else body.encode("latin-1")
    return numpy.load(io.BytesIO(content), allow_pickle=False)  # a pickle would be code sent by whoever may invoke


def _plain(value: Any) -> Any:
    """For json.dumps: arrays and their scalars as lists and numbers."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        return value.detach().cpu().tolist()
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"a prediction that holds a {type(value).__name__} cannot be written as JSON")


def _array(prediction: Any) -> Any:
    numpy = _numpy()
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(prediction, torch.Tensor):
        prediction = prediction.detach().cpu().numpy()
    if numpy is None:
        raise UnsupportedTypeError("numpy is not installed where the model runs")
    return numpy.asarray(prediction)


def _encode_json(prediction: Any) -> bytes:
    return json.dumps(prediction, default=_plain).encode()


def _encode_csv(prediction: Any) -> bytes:
    stream = io.StringIO()
    _numpy().savetxt(stream, _array(prediction), delimiter=",", fmt="%s")
    return stream.getvalue().encode()


def _encode_npy(prediction: Any) -> bytes:
    stream = io.BytesIO()
    _numpy().save(stream, _array(prediction), allow_pickle=False)
    return stream.getvalue()


_DECODERS: dict[str, Callable[[str | bytes], Any]] = {JSON: _decode_json, CSV: _decode_csv, NPY: _decode_npy}
_ENCODERS: dict[str, Callable[[Any], bytes]] = {JSON: _encode_json, CSV: _encode_csv, NPY: _encode_npy}
