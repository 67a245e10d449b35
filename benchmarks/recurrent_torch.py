"""The contestant of `recurrent` in eager PyTorch; runs in .venv-bench, which has PyTorch and NumPy only."""

import sys

import torch
from torch import nn

from benchmarks.measuring import Stopwatch
from benchmarks.recurrent import FEATURES, NUM_THREADS, examples
from benchmarks.torch_training import train_forever


class Stacked(nn.Module):
    """Inputs [B, T, FEATURES] -> [B, 1]."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(FEATURES, units, num_layers=2, batch_first=True)
        self.answer = nn.Linear(units, 1)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = self.answer(self.lstm(inputs)[0][:, -1])
        return outputs


def train(units: int, steps: int, batch_size: int, updates: int) -> None:
    torch.set_num_threads(NUM_THREADS)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(1)
    watch = Stopwatch(updates)
    inputs, targets = map(torch.from_numpy, examples(steps))
    network = Stacked(units)
    train_forever(network, nn.MSELoss(), inputs, targets, batch_size, watch)


if __name__ == "__main__":
    train(*map(int, sys.argv[1:]))
