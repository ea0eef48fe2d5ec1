"""The example's modules, a small set of drawn dogs, and a model trained on it, for all tests of the workflow."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
EXAMPLE = ROOT / "examples" / "dog_breeds"
REAL_DATA = ROOT.parent / "shared" / "data"

sys.path.insert(0, str(EXAMPLE))  # the example's files import each other as they do in a training job


@dataclass(frozen=True)
class TrainingRun:
    """A finished run of train.py."""

    arguments: list[str]
    pictures: Path
    model_dir: Path
    output: str


def train(pictures: Path, folder: Path, *arguments: str, **environment: str) -> TrainingRun:
    """Run train.py as SageMaker's toolkit does: as a program, with folders in SM_* variables."""
    model_dir = folder / "model"
    model_dir.mkdir(parents=True, exist_ok=True)
    variables = {
        **{name: value for name, value in os.environ.items() if not name.startswith("SM_")},
        "SM_CHANNEL_TRAINING": str(pictures),
        "SM_MODEL_DIR": str(model_dir),
        "SM_OUTPUT_DATA_DIR": str(folder / "output"),
        **environment,
    }
    command = [sys.executable, str(EXAMPLE / "train.py"), *arguments]
    done = subprocess.run(command, env=variables, cwd=folder, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return TrainingRun(list(arguments), pictures, model_dir, done.stdout)


@pytest.fixture(scope="session")
def drawn_dogs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six drawn dogs of each breed, as train/valid/test folders."""
    import drawn_dogs

    folder = tmp_path_factory.mktemp("drawn")
    drawn_dogs.draw_set(folder, per_breed=6, seed=3)
    return folder


@pytest.fixture(scope="session")
def trained(drawn_dogs: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainingRun:
    """A model trained on the small set. Its job has a folder for checkpoints, as with a CheckpointConfig."""
    folder = tmp_path_factory.mktemp("job")
    (folder / "checkpoints").mkdir()
    return train(drawn_dogs, folder, "--epochs", "3", "--seed", "5")
