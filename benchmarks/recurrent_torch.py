"""The contestant of `recurrent` in eager PyTorch; runs in .venv-bench, which has PyTorch and NumPy only."""

import sys

import torch
from torch import nn

from benchmarks.measuring import Stopwatch
from benchmarks.recurrent import FEATURES, NUM_THREADS, examples


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
    optimizer, criterion = torch.optim.Adam(network.parameters(), lr=0.001), nn.MSELoss()
    sys.stdin.readline()
    while True:
        for chosen in torch.randperm(len(inputs)).split(batch_size):
            optimizer.zero_grad()
            loss = criterion(network(inputs[chosen]), targets[chosen])
            loss.backward()
            optimizer.step()
            loss.item()
            watch.step()


if __name__ == "__main__":
    train(*map(int, sys.argv[1:]))
