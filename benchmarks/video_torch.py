"""The contestant of `video` in eager PyTorch; runs in .venv-bench, which has PyTorch and NumPy only."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.measuring import Stopwatch
from benchmarks.torch_training import train_forever

NUM_THREADS = 2  # as many as the stage `train` takes


class Conv3D(nn.Module):
    """Clips [B, T, H, W] -> logits [B, classes]."""

    def __init__(self, network: dict[str, Any], num_classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before, size = 1, network["kernel_size"]
        for place, filters in enumerate(network["filters"]):
            pool = nn.MaxPool3d((2 if place else 1, 2, 2), ceil_mode=True)
            layers += [nn.Conv3d(before, filters, size, padding=size // 2), nn.ReLU(), pool]
            before = filters
        self.layers = nn.Sequential(*layers)
        self.answer = nn.Linear(before, num_classes)

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        return self.answer(self.layers(clips[:, None]).amax(dim=(2, 3, 4)))


class EachFrame(nn.Module):
    """Clips [B, T, H, W] -> maps [B, T, F, H', W'], the frames folded into the batch."""

    def __init__(self, network: dict[str, Any]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 1
        for filters in network["filters"]:
            layers += [
                nn.Conv2d(before, filters, network["kernel_size"]),
                nn.ReLU(),
                nn.MaxPool2d(network["pool_size"]),
            ]
            before = filters
        self.layers = nn.Sequential(*layers)

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        maps = self.layers(clips.reshape(-1, 1, *clips.shape[2:]))
        return maps.reshape(*clips.shape[:2], *maps.shape[1:])


class CNNLSTM(nn.Module):
    """Clips [B, T, H, W] -> logits [B, classes]."""

    def __init__(self, network: dict[str, Any], num_classes: int, size: int) -> None:
        super().__init__()
        self.frames = EachFrame(network)
        features = self.frames(torch.zeros(1, 1, size, size)).numel()
        self.lstm = nn.LSTM(features, network["units"], batch_first=True)
        self.answer = nn.Linear(network["units"], num_classes)

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        return self.answer(self.lstm(self.frames(clips).flatten(2))[0][:, -1])


class ConvLSTM(nn.Module):
    """Clips [B, T, H, W] -> logits [B, classes]; one convolution of input and state together a step, as usual."""

    def __init__(self, network: dict[str, Any], num_classes: int) -> None:
        super().__init__()
        self.frames, self.units, size = EachFrame(network), network["units"], network["kernel_size"]
        self.gates = nn.Conv2d(network["filters"][-1] + self.units, 4 * self.units, size, padding=size // 2)
        self.answer = nn.Linear(self.units, num_classes)

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        maps = self.frames(clips)
        hidden = cell = maps.new_zeros(len(maps), self.units, *maps.shape[3:])
        for step in range(maps.shape[1]):
            i, f, g, o = self.gates(torch.cat([maps[:, step], hidden], dim=1)).chunk(4, dim=1)
            cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
            hidden = torch.sigmoid(o) * torch.tanh(cell)
        return self.answer(hidden.amax(dim=(2, 3)))


def train(variant: str, folder: Path, steps: int, batch_size: int, network: dict[str, Any]) -> None:
    torch.set_num_threads(NUM_THREADS)
    watch = Stopwatch(steps)
    clips = torch.from_numpy(np.load(folder / "train_x.npy")[..., 0].astype(np.float32) / 255)
    labels = torch.from_numpy(np.load(folder / "train_y.npy").astype(np.int64))
    num_classes = int(labels.max()) + 1
    model = {
        "video_conv3d": lambda: Conv3D(network, num_classes),
        "video_conv_lstm": lambda: ConvLSTM(network, num_classes),
        "video_cnn_lstm": lambda: CNNLSTM(network, num_classes, clips.shape[-1]),
    }[variant]()
    train_forever(model, nn.CrossEntropyLoss(), clips, labels, batch_size, watch)


if __name__ == "__main__":
    variant, folder, steps, batch_size, network = sys.argv[1:]
    (path,) = Path(folder).iterdir()
    train(variant, path, int(steps), int(batch_size), json.loads(network))
