"""train.py alone, as a program with SM_* variables: what it prints, what it leaves, what it refuses."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.workflows.conftest import EXAMPLE, TrainingRun, train


def metric(output: str, name: str) -> list[float]:
    """What CloudWatch would read from the output with the demo's regular expression."""
    from coldframe.cli.demo_workflow import METRICS

    assert name in METRICS
    return [float(value) for value in re.findall(f"{name}=([0-9.]+)", output)]


def test_train_prints_metrics_that_regular_expressions_catch(trained: TrainingRun):
    assert len(metric(trained.output, "train_loss")) == 3
    assert len(metric(trained.output, "valid_accuracy")) >= 3
    assert all(0 <= value <= 1 for value in metric(trained.output, "test_accuracy"))
    assert metric(trained.output, "train_loss")[-1] < metric(trained.output, "train_loss")[0]


def test_train_learns_more_than_guessing(trained: TrainingRun):
    (accuracy,) = metric(trained.output, "test_accuracy")
    assert accuracy > 3 / 12, f"12 breeds and {accuracy:.2f}:\n{trained.output}"


def test_train_leaves_all_that_an_endpoint_needs(trained: TrainingRun):
    files = {path.relative_to(trained.model_dir).as_posix() for path in trained.model_dir.rglob("*") if path.is_file()}
    assert {"model.pth", "model.onnx", "classes.json", "code/inference.py", "code/pictures.py"} <= files
    classes = json.loads((trained.model_dir / "classes.json").read_text())
    assert classes == sorted(folder.name for folder in (trained.pictures / "train").iterdir())


def test_train_same_seed_same_model(trained: TrainingRun, tmp_path: Path):
    checkpoints = trained.model_dir.parent / "checkpoints"
    shutil.copytree(checkpoints, tmp_path / "checkpoints")
    again = train(trained.pictures, tmp_path, *trained.arguments)
    losses = metric(trained.output, "train_loss")
    assert metric(again.output, "train_loss") == losses


def test_train_recalls_features_from_an_earlier_run(trained: TrainingRun, tmp_path: Path):
    assert "pictures_computed=120 pictures_recalled=0" in trained.output  # all 72, and 48 to train with mirrored
    shutil.copytree(trained.model_dir.parent / "checkpoints", tmp_path / "checkpoints")
    again = train(trained.pictures, tmp_path, *trained.arguments)
    assert "pictures_computed=0" in again.output


def test_train_keeps_nothing_where_there_is_no_checkpoint_folder(trained: TrainingRun, tmp_path: Path):
    pictures = small_set(trained.pictures, tmp_path / "pictures")
    train(pictures, tmp_path, "--epochs", "1")
    assert {path.name for path in tmp_path.iterdir()} == {"model", "pictures"}


def test_train_unfreezes_last_blocks(trained: TrainingRun, tmp_path: Path):
    pictures = small_set(trained.pictures, tmp_path / "pictures")
    run = train(pictures, tmp_path, "--epochs", "2", "--unfreeze-blocks", "1", "--mirror", "0")
    import inference

    model = inference.model_fn(str(run.model_dir))
    assert model.engine == "onnxruntime"
    assert model.scores(np.zeros((2, 3, 224, 224), np.float32)).shape == (2, 3)


def test_train_skips_what_is_no_picture_and_says_so(trained: TrainingRun, tmp_path: Path):
    pictures = small_set(trained.pictures, tmp_path / "pictures")
    breed = sorted((pictures / "train").iterdir())[0]
    (breed / "empty.jpg").write_bytes(b"")
    (breed / "page.jpg").write_bytes(b"<html>not found</html>")
    (breed / "notes.txt").write_text("no picture")
    output = train(pictures, tmp_path, "--epochs", "1").output
    assert f"skipped train/{breed.name}/empty.jpg: The picture is empty" in output
    assert f"skipped train/{breed.name}/page.jpg" in output
    assert "notes.txt" not in output


@pytest.mark.parametrize(
    ("arguments", "folders", "says"),
    [
        ([], [], "no folder of pictures"),
        (["--unfreeze-blocks", "99"], ["train/a"], "between 0 and 16"),
        ([], ["train/a"], "At least 2 classes"),
    ],
)
def test_train_refuses_with_a_sentence(tmp_path: Path, drawn_dogs: Path, arguments, folders, says):
    some = next(drawn_dogs.rglob("*.jpg"))
    for folder in folders:
        (tmp_path / folder).mkdir(parents=True)
        shutil.copy(some, tmp_path / folder)
    channel = tmp_path if folders else tmp_path / "absent"
    environment = {**os.environ, "SM_CHANNEL_TRAINING": str(channel), "SM_MODEL_DIR": str(tmp_path / "model")}
    command = [sys.executable, str(EXAMPLE / "train.py"), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode != 0
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def small_set(pictures: Path, folder: Path) -> Path:
    """Three breeds of a set."""
    for split in ("train", "valid", "test"):
        for breed in sorted((pictures / split).iterdir())[:3]:
            shutil.copytree(breed, folder / split / breed.name)
    return folder
