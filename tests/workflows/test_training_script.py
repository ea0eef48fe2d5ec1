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


def test_train_again_recalls_features_and_ends_the_same(trained: TrainingRun, tmp_path: Path):
    assert "pictures_computed=120 pictures_recalled=0" in trained.output  # all 72, and 48 to train with mirrored
    shutil.copytree(trained.model_dir.parent / "checkpoints", tmp_path / "checkpoints")
    again = train(trained.pictures, tmp_path, *trained.arguments)
    assert "pictures_computed=0 pictures_recalled=120" in again.output
    for name in ("train_loss", "valid_loss", "test_accuracy"):
        assert metric(again.output, name) == metric(trained.output, name)


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
    # and where no folder for checkpoints was given, nothing is kept
    assert {path.name for path in tmp_path.iterdir()} == {"model", "pictures"}


def test_train_refuses_one_class_with_a_sentence(tmp_path: Path, drawn_dogs: Path):
    (tmp_path / "train" / "a").mkdir(parents=True)
    shutil.copy(next(drawn_dogs.rglob("*.jpg")), tmp_path / "train" / "a")
    environment = {**os.environ, "SM_CHANNEL_TRAINING": str(tmp_path), "SM_MODEL_DIR": str(tmp_path / "model")}
    command = [sys.executable, str(EXAMPLE / "train.py")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode != 0
    assert done.stderr.strip() == "At least 2 classes are needed; train/ has 1."


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--training", "absent"], "no folder of pictures"),
        (["--training", ".", "--unfreeze-blocks", "99"], "between 0 and 16"),
        (["--training", ".", "--epochs", "many"], "--epochs"),
    ],
)
def test_parse_arguments_refuses_with_a_sentence(capsys: pytest.CaptureFixture[str], arguments, says):
    from train import parse_arguments

    with pytest.raises(SystemExit):
        parse_arguments(arguments)
    assert says in capsys.readouterr().err


def test_parse_arguments_takes_folders_from_sagemakers_variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    from train import parse_arguments

    monkeypatch.setenv("SM_CHANNEL_TRAINING", str(tmp_path))
    monkeypatch.setenv("SM_MODEL_DIR", "/opt/ml/model")
    chosen = parse_arguments(["--learning-rate", "0.01", "--mirror", "0"])
    assert (chosen.training, chosen.model_dir) == (tmp_path, Path("/opt/ml/model"))
    assert chosen.checkpoint_dir == Path("/opt/ml/checkpoints")
    assert (chosen.learning_rate, chosen.mirror) == (0.01, 0)


def small_set(pictures: Path, folder: Path) -> Path:
    """Three breeds of a set."""
    for split in ("train", "valid", "test"):
        for breed in sorted((pictures / split).iterdir())[:3]:
            shutil.copytree(breed, folder / split / breed.name)
    return folder
