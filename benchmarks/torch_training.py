"""Eager PyTorch's training loop, for its contestants."""

import sys

import torch
from torch import nn

from benchmarks.measuring import Stopwatch

LEARNING_RATE = 0.001


def train_forever(
    network: nn.Module,
    criterion: nn.Module,
    inputs: torch.Tensor,
    targets: torch.Tensor,
    batch_size: int,
    watch: Stopwatch,
) -> None:
    """Adam on shuffled batches, pass after pass, from the first word on stdin until the process is ended."""
    optimizer = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE)
    sys.stdin.readline()
    while True:
        for chosen in torch.randperm(len(inputs)).split(batch_size):
            optimizer.zero_grad()
            loss = criterion(network(inputs[chosen]), targets[chosen])
            loss.backward()
            optimizer.step()
            loss.item()
            watch.step()
