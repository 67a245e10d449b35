"""The contestant of `training` in eager PyTorch; runs in .venv-bench, which has PyTorch and NumPy only."""

import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn

from benchmarks.measuring import Stopwatch
from benchmarks.torch_training import train_forever

NUM_THREADS = 2  # as many as the stage `train` takes


class CNNLSTM(nn.Module):
    """Clips [B, T, H, W] -> logits [B]; the frames folded into the batch, as one would write it in PyTorch."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(1, 2, 2)
        self.lstm = nn.LSTM(2 * ((size - 1) // 2) ** 2, 50, batch_first=True)
        self.answer = nn.Linear(50, 1)

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        batch, steps, height, width = clips.shape
        frames = clips.reshape(batch * steps, 1, height, width)
        features = nn.functional.max_pool2d(torch.relu(self.convolution(frames)), 2).reshape(batch, steps, -1)
        return self.answer(self.lstm(features)[0][:, -1])[:, 0]


def train(folder: Path, steps: int, batch_size: int) -> None:
    torch.set_num_threads(NUM_THREADS)
    watch = Stopwatch(steps)
    arrival = np.load(folder / "train_x.npy")
    size = arrival.shape[1]
    times = np.arange(size, dtype=arrival.dtype)[:, None, None]
    clips = torch.from_numpy((arrival[:, None] <= times).astype(np.float32))
    labels = torch.from_numpy(np.load(folder / "train_y.npy").astype(np.float32))
    network = CNNLSTM(size)
    train_forever(network, nn.BCEWithLogitsLoss(), clips, labels, batch_size, watch)


if __name__ == "__main__":
    (path,) = Path(sys.argv[1]).iterdir()
    train(path, int(sys.argv[2]), int(sys.argv[3]))
