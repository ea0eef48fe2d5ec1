"""inference.py alone: the same answers from both engines, and a clear client error for what is no picture."""

import base64
import functools
import io
import json
import os
import random
from pathlib import Path

import inference
import numpy as np
import pytest
from inference import QuestionRefused
from PIL import Image
from tests.workflows.conftest import REAL_DATA, TrainingRun


@pytest.fixture(scope="module")
def models(trained: TrainingRun):
    """The trained model in both engines."""
    by_onnx = inference.model_fn(str(trained.model_dir))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOG_BREEDS_ENGINE", "torch")
        by_torch = inference.model_fn(str(trained.model_dir))
    assert (by_onnx.engine, by_torch.engine) == ("onnxruntime", "torch")
    return by_onnx, by_torch


@pytest.fixture(scope="module")
def picture(trained: TrainingRun) -> Image.Image:
    with Image.open(next((trained.pictures / "test").rglob("*.jpg"))) as opened:
        return opened.convert("RGB")


def encoded(picture: Image.Image, kind: str, **options) -> bytes:
    written = io.BytesIO()
    picture.save(written, kind, **options)
    return written.getvalue()


def answer(model, body, content_type="image/jpeg", accept="application/json"):
    return json.loads(inference.output_fn(inference.predict_fn(inference.input_fn(body, content_type), model), accept))


def test_engines_answer_the_same_within_rounding(models, trained: TrainingRun):
    for path in sorted((trained.pictures / "test").rglob("*.jpg"))[::2]:
        by_onnx, by_torch = (answer(model, path.read_bytes())["predictions"] for model in models)
        assert by_onnx[0]["breed"] == by_torch[0]["breed"]
        theirs = {row["breed"]: row["probability"] for row in by_torch}
        for row in by_onnx:
            assert row["probability"] == pytest.approx(theirs.get(row["breed"], row["probability"]), abs=1e-4)


def test_answer_has_probabilities_best_first(models, picture):
    body = json.dumps({"image": base64.b64encode(encoded(picture, "PNG")).decode(), "top_k": 1000})
    rows = answer(models[0], body, "application/json")["predictions"]
    values = [row["probability"] for row in rows]
    assert len(rows) == len({row["breed"] for row in rows}) == 12
    assert values == sorted(values, reverse=True)
    assert sum(values) == pytest.approx(1, abs=1e-4)


def test_answer_is_the_same_for_picture_and_base64(models, picture):
    content = encoded(picture, "PNG")
    text = base64.b64encode(content).decode()
    as_it_is = answer(models[0], content, "image/png")
    assert answer(models[0], json.dumps({"image": text}), "application/json; charset=utf-8") == as_it_is
    assert answer(models[0], json.dumps({"image": f"data:image/png;base64,{text}"}), "application/json") == as_it_is
    assert len(as_it_is["predictions"]) == 5


def test_upright_picture_and_turned_one_with_orientation_answer_the_same(models, picture):
    turned = picture.transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6
    content = encoded(turned, "PNG", exif=exif)
    assert answer(models[0], content, "image/png") == answer(models[0], encoded(picture, "PNG"), "image/png")


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1", "LA", "CMYK", "I;16"])
def test_any_mode_is_answered(models, picture, mode):
    if mode == "I;16":
        grey = np.asarray(picture.convert("L"), dtype=np.uint16) * 257
        content = encoded(Image.fromarray(grey), "PNG")
    elif mode == "CMYK":
        content = encoded(picture.convert("CMYK"), "JPEG")
    else:
        content = encoded(picture.convert(mode), "PNG")
    assert len(answer(models[0], content)["predictions"]) == 5


def test_sixteen_bit_grey_answers_as_eight_bit_grey(models, picture):
    grey = picture.convert("L")
    wide = Image.fromarray(np.asarray(grey, dtype=np.uint16) * 257)
    assert answer(models[0], encoded(wide, "PNG")) == answer(models[0], encoded(grey, "PNG"))


def test_long_thin_picture_takes_no_long_time(models):
    thin = Image.new("RGB", (20_000, 20), "brown")
    assert answer(models[0], encoded(thin, "PNG"))["predictions"]


@functools.cache
def odd_bodies() -> dict[str, bytes]:
    dog = Image.effect_noise((120, 90), 60).convert("RGB")
    frames = [dog, dog.rotate(10)]
    jpeg = encoded(dog, "JPEG")
    return {
        "empty": b"",
        "text": b"<html>not found</html>",
        "header_only": jpeg[:200],
        "truncated": jpeg[: len(jpeg) * 6 // 10],
        "one_pixel": encoded(Image.new("RGB", (1, 1)), "PNG"),
        "gif": encoded(dog, "GIF"),
        "bmp": encoded(dog, "BMP"),
        "moving_webp": encoded(dog, "WEBP", save_all=True, append_images=frames),
        "moving_png": encoded(dog, "PNG", save_all=True, append_images=frames),
        "too_many_pixels": encoded(Image.new("1", (10_000, 8_000)), "PNG"),
        "bomb": encoded(Image.new("1", (20_000, 9_000)), "PNG"),
        "truncated_png": encoded(dog, "PNG")[:-400],
        "noise": random.Random(1).randbytes(4096),
    }


@pytest.mark.parametrize("name", odd_bodies())
def test_odd_picture_is_refused_as_the_clients_error(name):
    with pytest.raises(QuestionRefused) as refused:
        inference.input_fn(odd_bodies()[name], "image/jpeg")
    assert refused.value.status_code == 400
    assert str(refused.value).startswith(("The picture", "These bytes"))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[1]",
        b"\xff\xfe",
        b'{"image": 3}',
        b'{"url": "http://localhost/dog.jpg"}',
        b'{"image": "not base64!"}',
        b'{"image": ""}',
        b'{"image": "AAAA", "top_k": 0}',
        b'{"image": "AAAA", "top_k": true}',
        b'{"image": "AAAA", "top_k": "5"}',
        b"[" * 100_000,
    ],
)
def test_odd_json_is_refused_as_the_clients_error(body):
    with pytest.raises(QuestionRefused) as refused:
        inference.input_fn(body, "application/json")
    assert refused.value.status_code == 400


@pytest.mark.parametrize("content_type", ["text/csv", "image/gif", "application/x-image", "", None])
def test_other_content_type_is_refused(content_type):
    with pytest.raises(QuestionRefused) as refused:
        inference.input_fn(b"x", content_type)
    assert refused.value.status_code == 415


@pytest.mark.parametrize(
    ("accept", "fine"), [("", True), ("*/*", True), ("text/html, */*;q=0.1", True), ("text/csv", False)]
)
def test_accept_is_honoured(accept, fine):
    if fine:
        assert json.loads(inference.output_fn([], accept)) == {"predictions": []}
        return
    with pytest.raises(QuestionRefused) as refused:
        inference.output_fn([], accept)
    assert refused.value.status_code == 406


@pytest.mark.real_data
def test_odd_real_images_are_answered_or_refused_never_raised(models):
    folder = REAL_DATA / "odd_images"
    if not folder.is_dir():
        pytest.skip("no odd images here")
    outcomes = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix != ".md"):
        try:
            outcomes[path.name] = len(answer(models[0], path.read_bytes())["predictions"])
        except QuestionRefused as refused:
            outcomes[path.name] = refused.status_code
    refused = {name for name, outcome in outcomes.items() if outcome == 400}
    unusable = "1x1.png anim.gif anim.webp animated.gif bitrot.jpg empty.jpg header_only.jpg text.jpg truncated.jpg"
    assert refused == set(unusable.split())
    assert all(outcome in (5, 400) for outcome in outcomes.values()), outcomes


def test_model_of_the_artifact_alone_answers(trained: TrainingRun, tmp_path: Path, picture):
    """The code that travels in the artifact needs nothing of the example's folder."""
    import subprocess
    import sys

    program = (
        "import sys, inference; model = inference.model_fn(sys.argv[1]);"
        "body = sys.stdin.buffer.read();"
        "print(inference.output_fn(inference.predict_fn(inference.input_fn(body, 'image/png'), model), ''))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(trained.model_dir)],
        input=encoded(picture, "PNG"),
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(trained.model_dir / "code"), "DOG_BREEDS_ENGINE": "torch"},
        cwd=tmp_path,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert len(json.loads(done.stdout)["predictions"]) == 5
