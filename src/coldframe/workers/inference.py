"""Loads a model by the contract of AWS's inference toolkit: the user's functions, and defaults for those missing."""

import importlib.util
import inspect
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from coldframe.workers.formats import ANY, JSON, TEXT_TYPES, UnsupportedTypeError, decode, encode, media_type

Function = Callable[..., Any]
CUSTOM_ATTRIBUTES = "x-amzn-sagemaker-custom-attributes"
Answered = tuple[int, str, str, bytes]
"""HTTP status, content type, custom attributes, body."""

DEFAULT_PROGRAM = "inference.py"


class ModelLoadError(Exception):
    """The model cannot be served; the message is for whoever made it."""


class BadInputError(Exception):
    """What the client sent cannot be read; the message is for the client."""

    status_code = 400


class Context:
    """What AWS's toolkit gives to functions that take a `context`: the request's headers, and a say in the answer's."""

    def __init__(self, model_directory: str) -> None:
        self.system_properties = {"model_dir": model_directory, "gpu_id": None}
        self.request_headers: Mapping[str, str] = {}
        self.response_status = 200
        self.response_content_type = ""
        self.response_custom_attributes = ""

    def begin(self, request_headers: Mapping[str, str]) -> None:
        """Forget the last request for a new one."""
        self.request_headers = request_headers
        self.response_status = 200
        self.response_content_type = self.response_custom_attributes = ""

    def get_request_header(self, _index: int, name: str) -> str | None:
        """A header of the request; names are in any case."""
        return self.request_headers.get(name.lower())

    def get_all_request_header(self, _index: int) -> dict[str, str]:
        """All headers of the request, names in lower case."""
        return dict(self.request_headers)

    def set_response_content_type(self, _index: int, content_type: str) -> None:
        """Give the answer this content type."""
        self.response_content_type = content_type

    def set_response_header(self, _index: int, name: str, value: str) -> None:
        """Give the answer a header; of all but the content type, SageMaker passes on the custom attributes alone."""
        if name.lower() == "content-type":
            self.response_content_type = value
        elif name.lower() == CUSTOM_ATTRIBUTES:
            self.response_custom_attributes = value

    def set_response_status(self, code: int = 200, _phrase: str = "", _index: int = 0) -> None:
        """Give the answer this HTTP status."""
        self.response_status = code


class Model:
    """A loaded model with the functions that answer for it. One request at a time."""

    def __init__(self, model_directory: Path, code_directories: list[Path]) -> None:
        """Load the model. Raises ModelLoadError, with a sentence for its maker."""
        self._context = Context(str(model_directory))
        self._default_accept = os.environ.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", JSON)
        user = _load_module(code_directories)
        self._model = _load_model(user, model_directory, self._context)
        self._transform = _transform_function(user, self._model)

    def answer(self, body: bytes, headers: Mapping[str, str]) -> Answered:
        """Answer one invocation; whatever the model's code raises becomes an answer too, and a traceback in the log."""
        context = self._context
        context.begin(headers)
        content_type = headers.get("content-type") or JSON
        accept = headers.get("accept") or ANY
        if accept == ANY:
            accept = self._default_accept
        try:
            content = body.decode() if media_type(content_type) in TEXT_TYPES else body
            result = self._transform(self._model, content, content_type, accept, context)
            answer, answer_type = _body_and_type(result, accept)
        except UnicodeDecodeError as error:
            return 400, "text/plain", "", f"the body is not {content_type} in UTF-8: {error}".encode()
        except (Exception, SystemExit) as error:
            return _failure(error)
        content_type = context.response_content_type or answer_type
        return context.response_status, content_type, context.response_custom_attributes, answer


def _failure(error: BaseException) -> Answered:
    status = getattr(error, "status_code", 500)
    if not (isinstance(status, int) and 400 <= status <= 599):
        status = 500
    if status >= 500 or not isinstance(error, BadInputError):
        traceback.print_exception(error)
    message = str(error) if isinstance(error, BadInputError) else f"{type(error).__name__}: {error}"
    return status, "text/plain", "", message.encode(errors="replace")


def _body_and_type(result: Any, accept: str) -> tuple[bytes, str]:
    """The answer's body and type, from what output_fn or transform_fn returned."""
    content_type = media_type(accept.partition(",")[0])
    if isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], str):
        result, content_type = result
    if isinstance(result, str):
        return result.encode(), content_type
    if isinstance(result, bytes):
        return result, content_type
    if isinstance(result, bytearray | memoryview):
        return bytes(result), content_type
    if isinstance(result, dict | list):
        return encode(result, JSON)[0], JSON
    raise TypeError(f"output_fn returned a {type(result).__name__}; it must return str or bytes")


def _load_module(directories: list[Path]) -> ModuleType | None:
    """The user's program, from the first folder that has it."""
    named = os.environ.get("SAGEMAKER_PROGRAM", "")
    program = named or DEFAULT_PROGRAM
    for directory in directories:
        path = directory / program
        if path.is_file():
            return _import(path, directory)
    if named:
        where = " or ".join(str(directory) for directory in directories)
        raise ModelLoadError(f"SAGEMAKER_PROGRAM names {named}, which is not in {where}")
    return None


def _import(path: Path, directory: Path) -> ModuleType:
    if (directory / "requirements.txt").is_file():
        print(f"{directory / 'requirements.txt'} is not installed: the model runs with the packages that are here")
    sys.path.insert(0, str(directory))
    name = path.stem
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ModelLoadError(f"{path} is not a Python program")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # so that what was pickled in this program is found again
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise ModelLoadError(f"{path.name} could not be imported: {type(error).__name__}: {error}") from error
    return module


def _load_model(user: ModuleType | None, directory: Path, context: Context) -> Any:
    model_fn = getattr(user, "model_fn", None)
    if model_fn is None:
        return load_torchscript(directory, user)
    try:
        return _with_context(model_fn, 1)(str(directory), context)
    except (Exception, SystemExit) as error:
        raise ModelLoadError(f"model_fn raised {type(error).__name__}: {error}") from error


def load_torchscript(directory: Path, user: ModuleType | None) -> Any:
    """The model of those that bring no model_fn: the TorchScript in model.pt, model.pth, or the only such file."""
    missing = f"{user.__name__}.py has no model_fn" if user else "the model has no code/inference.py with a model_fn"
    if importlib.util.find_spec("torch") is None:
        raise ModelLoadError(f"{missing}, and PyTorch, which could load it without one, is not installed here")
    found = [directory / name for name in ("model.pt", "model.pth") if (directory / name).is_file()]
    found = found or sorted([*directory.glob("*.pt"), *directory.glob("*.pth")])
    if len(found) != 1 and not (found and found[0].stem == "model"):
        names = ", ".join(path.name for path in found) or "none"
        raise ModelLoadError(f"{missing}, and there is not exactly one .pt or .pth file to load without one ({names})")
    import torch

    try:
        device = "cuda" if torch.cuda.is_available() else "cpu"
        return torch.jit.load(str(found[0]), map_location=device).eval()  # type: ignore[no-untyped-call]
    except (RuntimeError, ValueError) as error:
        raise ModelLoadError(
            f"{missing}, and {found[0].name} is not TorchScript, which is what can be loaded without one: {error}"
        ) from error


def _transform_function(user: ModuleType | None, model: Any) -> Function:
    """One function (model, body, content type, accept, context) from those that the user wrote and the defaults."""
    own = {name: getattr(user, name, None) for name in ("input_fn", "predict_fn", "output_fn", "transform_fn")}
    if own["transform_fn"] is not None:
        if any(own[name] for name in ("input_fn", "predict_fn", "output_fn")):
            raise ModelLoadError("transform_fn cannot be used together with input_fn, predict_fn or output_fn")
        return _with_context(own["transform_fn"], 4)
    input_fn = _with_context(own["input_fn"] or _default_input_fn(model), 2)
    predict_fn = _with_context(own["predict_fn"] or default_predict_fn, 2)
    output_fn = _with_context(own["output_fn"] or default_output_fn, 2)

    def transform(model: Any, body: str | bytes, content_type: str, accept: str, context: Context) -> Any:
        data = input_fn(body, content_type, context)
        if isinstance(data, tuple) and len(data) == 2 and isinstance(data[1], str) and "/" in data[1]:
            data = data[0]  # some input functions answer with the content type beside the data
        return output_fn(predict_fn(data, model, context), accept, context)

    return transform


def _with_context(function: Function, without: int) -> Function:
    """The function, taking a context as its last argument whether it wants one or not."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # written in C: no signature to look at
        parameters = {}.values()
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if len(positional) > without or any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return function
    if without == 1:
        return lambda first, _context: function(first)
    if without == 2:
        return lambda first, second, _context: function(first, second)
    return lambda first, second, third, fourth, _context: function(first, second, third, fourth)


def _default_input_fn(model: Any) -> Function:
    torch = sys.modules.get("torch")
    # AWS decides by the image; here a model that predicts without being PyTorch's is given numpy's arrays.
    tensors = torch is not None and (isinstance(model, torch.nn.Module) or not hasattr(model, "predict"))

    def input_fn(body: str | bytes, content_type: str) -> Any:
        try:
            data = decode(body, content_type)
        except UnsupportedTypeError as error:
            error.status_code = 415  # type: ignore[attr-defined]
            raise
        except (ValueError, RecursionError) as error:
            raise BadInputError(f"the body is not {content_type}: {error}") from error
        if tensors and torch is not None and type(data).__module__ == "numpy":
            data = torch.from_numpy(data)
            if media_type(content_type) in TEXT_TYPES:
                data = data.float()
            return data.to("cuda") if torch.cuda.is_available() else data
        return data

    return input_fn


def default_predict_fn(data: Any, model: Any) -> Any:
    """Ask the model: call it, as PyTorch's are called, or its `predict`."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(model, torch.nn.Module):
        if model.training:
            model.eval()
        with torch.no_grad():
            return model(data)
    return model.predict(data) if hasattr(model, "predict") else model(data)


def default_output_fn(prediction: Any, accept: str) -> tuple[bytes, str]:
    """Write the prediction as JSON, CSV or NPY, as the client prefers."""
    try:
        return encode(prediction, accept)
    except UnsupportedTypeError as error:
        error.status_code = 406  # type: ignore[attr-defined]
        raise
