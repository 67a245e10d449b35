"""The contestant of `translation` in eager PyTorch; runs in .venv-bench, which has PyTorch and NumPy only."""

import sys

import torch
from torch import nn

from benchmarks.measuring import Stopwatch
from benchmarks.translation import (
    DROPOUT,
    LAYERS,
    LEARNING_RATE,
    NUM_THREADS,
    UNITS,
    VOCABULARY_SIZE,
    stored_batches,
    tokens_of,
)


class Translator(nn.Module):
    """Source [B, S] and tokens so far [B, T] -> logits [B, T, V]; LSTMs and scaled attention after all steps."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.tokens = (nn.Embedding(VOCABULARY_SIZE, UNITS) for _ in range(2))
        recurrent = {"num_layers": LAYERS, "dropout": DROPOUT, "batch_first": True}
        self.encoder, self.decoder = (nn.LSTM(UNITS, UNITS, **recurrent) for _ in range(2))
        self.keys = nn.Linear(UNITS, UNITS, bias=False)
        self.scale = nn.Parameter(torch.ones(()))
        self.vector = nn.Linear(2 * UNITS, UNITS, bias=False)
        self.answer = nn.Linear(UNITS, VOCABULARY_SIZE, bias=False)
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, source: torch.Tensor, previous: torch.Tensor) -> torch.Tensor:
        real = source != 0
        words, lengths = self.dropout(self.words(source)), real.sum(1)
        packed = nn.utils.rnn.pack_padded_sequence(words, lengths, batch_first=True, enforce_sorted=False)
        packed, state = self.encoder(packed)
        memory, _ = nn.utils.rnn.pad_packed_sequence(packed, batch_first=True, total_length=source.shape[1])
        decoded, _ = self.decoder(self.dropout(self.tokens(previous)), state)
        scores = self.scale * decoded @ self.keys(memory).transpose(1, 2)
        weights = torch.softmax(scores.masked_fill(~real[:, None], -torch.inf), dim=-1)
        vector = torch.tanh(self.vector(torch.cat([weights @ memory, decoded], dim=-1)))
        logits: torch.Tensor = self.answer(self.dropout(vector))
        return logits


def train(folder: str, steps: str) -> None:
    torch.set_num_threads(NUM_THREADS)
    torch.manual_seed(1)
    watch, network = Stopwatch(int(steps)), Translator()
    optimizer = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE)
    criterion = nn.CrossEntropyLoss(ignore_index=-1)
    sys.stdin.readline()
    for batch in stored_batches(folder):
        source, previous, targets = (torch.from_numpy(each).long() for each in batch)
        optimizer.zero_grad()
        logits = network(source, previous)
        loss = criterion(logits.flatten(0, 1), targets.flatten())
        loss.backward()
        optimizer.step()
        right = (logits.argmax(-1) == targets)[targets >= 0].float().mean()
        loss.item(), right.item()
        watch.step(tokens_of(batch[2]))


if __name__ == "__main__":
    train(*sys.argv[1:])
