"""Trains a dog-breed classifier on a folder of labelled pictures: a SageMaker script-mode training script.

The channel `training` holds train/BREED/*.jpg, valid/BREED/*.jpg and test/BREED/*.jpg. The network's frozen part sees
each picture once; what is trained after it sees only the features, so that an epoch takes a second or less.
"""

import argparse
import json
import os
import random
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from features import Features, FeatureStore, thread_count
from network import BLOCKS, DogNetwork, export_onnx, pretrained_network, save_network
from pictures import class_names, picture_files
from torch.nn.functional import cross_entropy

SERVING_CODE = ("inference.py", "network.py", "pictures.py", "requirements.txt")
SPLITS = ("train", "valid", "test")


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Hyperparameters come as arguments, folders from SageMaker's environment variables."""
    parser = argparse.ArgumentParser(description=__doc__)
    model_dir = os.environ.get("SM_MODEL_DIR", "/opt/ml/model")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--learning-rate", type=float, default=0.003)
    parser.add_argument("--weight-decay", type=float, default=0.1)
    parser.add_argument("--label-smoothing", type=float, default=0.0)
    parser.add_argument("--dropout", type=float, default=0.2)
    parser.add_argument("--mirror", type=int, choices=(0, 1), default=1, help="train on mirror images too")
    parser.add_argument("--unfreeze-blocks", type=int, default=0, help="train so many of the last blocks too")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--training", type=Path, default=os.environ.get("SM_CHANNEL_TRAINING"))
    parser.add_argument("--model-dir", type=Path, default=model_dir)
    parser.add_argument("--output-data-dir", type=Path, default=os.environ.get("SM_OUTPUT_DATA_DIR"))
    parser.add_argument(
        "--checkpoint-dir",
        type=Path,
        default=Path(model_dir).parent / "checkpoints",
        help="features are kept here for the next run, if the folder exists (CheckpointConfig makes it exist)",
    )
    chosen = parser.parse_args(arguments)
    if not chosen.training or not chosen.training.is_dir():
        parser.error("there is no folder of pictures: give the channel `training`, or --training DIR")
    if not 0 <= chosen.unfreeze_blocks <= BLOCKS:
        parser.error(f"--unfreeze-blocks is between 0 and {BLOCKS}")
    return chosen


@dataclass(frozen=True)
class Data:
    """The features of all pictures, by split; `mirrored` those of the training pictures' mirror images."""

    train: Features
    valid: Features
    test: Features | None
    mirrored: Features | None


def labelled_files(folder: Path, classes: list[str]) -> list[tuple[Path, int]]:
    """Every picture file under folder/CLASS, with the number of its class."""
    return [(path, label) for label, name in enumerate(classes) for path in picture_files(folder / name)]


def read_data(store: FeatureStore, folder: Path, classes: list[str], mirror: bool) -> Data:
    """Compute or recall the features of every split, telling what was left out."""
    splits: dict[str, Features | None] = {}
    for split in SPLITS:
        files = labelled_files(folder / split, classes)
        splits[split] = store.of(files) if files else None
        for path, why in splits[split].skipped if splits[split] else []:
            print(f"skipped {path.relative_to(folder)}: {why}", flush=True)
    train, valid = splits["train"], splits["valid"]
    if train is None or valid is None:
        found = sorted(entry.name for entry in folder.iterdir())
        raise SystemExit(f"The channel needs pictures in both train/ and valid/; found {found}.")
    mirrored = store.of(labelled_files(folder / "train", classes), mirrored=True) if mirror else None
    return Data(train, valid, splits["test"], mirrored)


def batches(data: Data, size: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """One epoch of training batches in random order."""
    parts = [data.train] if data.mirrored is None else [data.train, data.mirrored]
    values, labels = torch.cat([part.values for part in parts]), torch.cat([part.labels for part in parts])
    for rows in torch.randperm(len(labels)).split(size):
        yield values[rows], labels[rows]


def evaluate(network: DogNetwork, features: Features) -> tuple[float, float]:
    """The mean loss, and the share of pictures whose highest score is their own class's."""
    network.eval()
    with torch.inference_mode():
        scores = torch.cat([network.trained(values) for values in features.values.split(256)])
    right = (scores.argmax(dim=1) == features.labels).float().mean().item()
    return cross_entropy(scores, features.labels).item(), right


def fit(network: DogNetwork, data: Data, chosen: argparse.Namespace) -> None:
    """Train, print one line for each epoch, and leave the network as it was after its best epoch on `valid`."""
    optimizer = torch.optim.AdamW(parameter_groups(network, chosen.learning_rate), weight_decay=chosen.weight_decay)
    rows = len(data.train.labels) * (2 if data.mirrored else 1)
    steps = chosen.epochs * -(-rows // chosen.batch_size)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    best = (float("inf"), 0.0)
    best_weights: dict[str, torch.Tensor] = {}
    for epoch in range(1, chosen.epochs + 1):
        started = time.monotonic()
        train_loss = train_epoch(network, data, optimizer, schedule, chosen)
        valid_loss, valid_accuracy = evaluate(network, data.valid)
        seconds = time.monotonic() - started
        print(
            f"epoch={epoch}/{chosen.epochs} train_loss={train_loss:.4f} valid_loss={valid_loss:.4f} "
            f"valid_accuracy={valid_accuracy:.4f} seconds={seconds:.2f}",
            flush=True,
        )
        if valid_loss < best[0]:  # the loss, not the accuracy: on some hundred pictures the accuracy jumps about
            best = (valid_loss, valid_accuracy)
            best_weights = {name: value.clone() for name, value in network.trained.state_dict().items()}
    if best_weights:
        network.trained.load_state_dict(best_weights)
        print(f"best_valid_loss={best[0]:.4f} best_valid_accuracy={best[1]:.4f}", flush=True)


def parameter_groups(network: DogNetwork, learning_rate: float) -> list[dict]:
    """The new linear layer learns fast; unfrozen blocks, which know much already, at a thirtieth of that."""
    head = network.trained[-1]
    blocks = [parameter for layer in network.trained[:-1] for parameter in layer.parameters()]
    groups = [{"params": list(head.parameters()), "lr": learning_rate}]
    return [*groups, {"params": blocks, "lr": learning_rate / 30}] if blocks else groups


def train_epoch(
    network: DogNetwork,
    data: Data,
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    chosen: argparse.Namespace,
) -> float:
    """One pass over the training features; the mean loss."""
    network.train()
    total, count = 0.0, 0
    for values, labels in batches(data, chosen.batch_size):
        loss = cross_entropy(network.trained(values), labels, label_smoothing=chosen.label_smoothing)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        total, count = total + loss.item() * len(labels), count + len(labels)
    return total / count


def write_model(network: DogNetwork, classes: list[str], model_dir: Path) -> None:
    """Everything that an endpoint needs: weights for torch, the same for ONNX Runtime, class names, and the code."""
    model_dir.mkdir(parents=True, exist_ok=True)
    save_network(network, model_dir / "model.pth")
    try:
        export_onnx(network, model_dir / "model.onnx")
    except Exception as error:
        print(f"no model.onnx: {error}", flush=True)
    (model_dir / "classes.json").write_text(json.dumps(classes, indent=2))
    code = model_dir / "code"
    code.mkdir(exist_ok=True)
    for name in SERVING_CODE:
        shutil.copy(Path(__file__).parent / name, code / name)


def main() -> None:
    """Train, test, write the model."""
    chosen = parse_arguments()
    started = time.monotonic()
    random.seed(chosen.seed)
    np.random.seed(chosen.seed)
    torch.manual_seed(chosen.seed)
    torch.set_num_threads(thread_count())
    classes = class_names(chosen.training / "train")
    if len(classes) < 2:
        raise SystemExit(f"At least 2 classes are needed; train/ has {len(classes)}.")
    network = pretrained_network(len(classes), chosen.unfreeze_blocks, chosen.dropout)
    kept = chosen.checkpoint_dir if chosen.checkpoint_dir.is_dir() else None
    store = FeatureStore(network.frozen, chosen.unfreeze_blocks, kept)
    data = read_data(store, chosen.training, classes, bool(chosen.mirror))
    store.keep()
    torch.set_num_threads(thread_count())
    print(
        f"classes={len(classes)} pictures_computed={store.computed} pictures_recalled={store.recalled} "
        f"feature_seconds={time.monotonic() - started:.1f}",
        flush=True,
    )
    fit(network, data, chosen)
    if data.test is not None:
        test_loss, test_accuracy = evaluate(network, data.test)
        print(f"test_loss={test_loss:.4f} test_accuracy={test_accuracy:.4f}", flush=True)
    write_model(network, classes, chosen.model_dir)
    print(f"total_seconds={time.monotonic() - started:.1f}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
