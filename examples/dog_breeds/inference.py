"""Answers with the breeds that a picture may show: the four functions that SageMaker's PyTorch serving calls."""

import base64
import binascii
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pictures import PictureRefused, read_picture, to_array

try:  # on AWS, an error with a status code of its own is raised with this class
    from sagemaker_inference.errors import BaseInferenceToolkitError
except ImportError:

    class BaseInferenceToolkitError(Exception):
        """An error that says with which HTTP status it is to be answered."""

        def __init__(self, status_code: int, message: str, phrase: str) -> None:
            super().__init__(message)
            self.status_code = status_code
            self.message = message
            self.phrase = phrase


PICTURE_TYPES = ("image/jpeg", "image/png", "image/webp")
DEFAULT_TOP_K = 5


@dataclass(frozen=True)
class Question:
    """One picture, and how many breeds are wanted in the answer."""

    pictures: np.ndarray
    """float32, shape (1, 3, 224, 224)."""
    top_k: int


@dataclass(frozen=True)
class Model:
    """Class names, and a function from pictures to scores."""

    classes: list[str]
    scores: Callable[[np.ndarray], np.ndarray]
    engine: str
    """`onnxruntime` or `torch`."""


class QuestionRefused(BaseInferenceToolkitError):
    """The client sent something that cannot be answered."""

    def __init__(self, message: str, status_code: int = 400, phrase: str = "Bad Request") -> None:
        super().__init__(status_code, message, phrase)

    def __str__(self) -> str:
        return self.message


def model_fn(model_dir: str) -> Model:
    """Load the model for ONNX Runtime where that is installed, else (or if DOG_BREEDS_ENGINE=torch) for torch."""
    folder = Path(model_dir)
    classes = json.loads((folder / "classes.json").read_text())
    if os.environ.get("DOG_BREEDS_ENGINE", "") != "torch" and (folder / "model.onnx").exists():
        try:
            return Model(classes, _onnx_scores(folder / "model.onnx"), "onnxruntime")
        except ImportError:
            pass
    return Model(classes, _torch_scores(folder / "model.pth"), "torch")


def _onnx_scores(path: Path) -> Callable[[np.ndarray], np.ndarray]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    threads = os.environ.get("OMP_NUM_THREADS", "")
    options.intra_op_num_threads = int(threads) if threads.isdigit() else len(os.sched_getaffinity(0))
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # idle threads leave the cores to others
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda pictures: session.run(None, {"pictures": pictures})[0]


def _torch_scores(path: Path) -> Callable[[np.ndarray], np.ndarray]:
    import torch
    from network import load_network

    network = load_network(path).to(memory_format=torch.channels_last)

    def scores(pictures: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return network(torch.from_numpy(pictures).contiguous(memory_format=torch.channels_last)).numpy()

    return scores


def input_fn(body: bytes | str, content_type: str) -> Question:
    """A picture as it is, or JSON: {"image": "<base64>", "top_k": 3}.

    Raises:
        QuestionRefused: 415 for another content type, 400 for what is no picture.
    """
    kind = (content_type or "").partition(";")[0].strip().lower()
    top_k: object = DEFAULT_TOP_K
    if kind == "application/json":
        body, top_k = _from_json(body)
    elif kind not in PICTURE_TYPES:
        wanted = ", ".join((*PICTURE_TYPES, "application/json"))
        raise QuestionRefused(
            f"Content type {kind or '(none)'} is not understood; send {wanted}.", 415, "Unsupported Media Type"
        )
    if isinstance(top_k, bool) or not isinstance(top_k, int) or not 1 <= top_k <= 1000:
        raise QuestionRefused(f"top_k must be a whole number from 1 to 1000, not {top_k!r}.")
    try:
        return Question(to_array(read_picture(bytes(body)))[np.newaxis], top_k)
    except PictureRefused as refused:
        raise QuestionRefused(str(refused)) from None


def _from_json(body: bytes | str) -> tuple[bytes, object]:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise QuestionRefused(f"The body is not JSON: {error}.") from None
    if not isinstance(content, dict) or not isinstance(content.get("image"), str):
        raise QuestionRefused('Send {"image": "<a picture, in base64>"}; "top_k" may be added.')
    text = content["image"].partition(",")[2] if content["image"].startswith("data:") else content["image"]
    try:
        return base64.b64decode(text, validate=True), content.get("top_k", DEFAULT_TOP_K)
    except (binascii.Error, ValueError) as error:
        raise QuestionRefused(f'"image" is not base64: {error}.') from None


def predict_fn(question: Question, model: Model) -> list[dict[str, object]]:
    """The likeliest breeds, best first, with probabilities."""
    scores = model.scores(question.pictures)[0].astype(np.float64)
    powers = np.exp(scores - scores.max())
    probabilities = powers / powers.sum()
    best = np.argsort(-probabilities, kind="stable")[: question.top_k]
    return [{"breed": model.classes[row], "probability": round(float(probabilities[row]), 6)} for row in best]


def output_fn(prediction: list[dict[str, object]], accept: str) -> str:
    """JSON: {"predictions": [{"breed": ..., "probability": ...}, ...]}."""
    kinds = [kind.partition(";")[0].strip().lower() for kind in (accept or "*/*").split(",")]
    if not {"application/json", "application/*", "*/*", ""} & set(kinds):
        raise QuestionRefused(f"Answers are application/json, not {accept}.", 406, "Not Acceptable")
    return json.dumps({"predictions": prediction})
