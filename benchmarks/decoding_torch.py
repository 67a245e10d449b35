"""The contestant of `decoding` in eager PyTorch; runs in .venv-bench, which has PyTorch and NumPy only.

Shape legend: B sentences, K beginnings of each, R = B K rows, S tokens of a sentence, V words.
"""

import sys

import numpy as np
import torch
from torch import nn

from benchmarks.decoding import ANSWER_WORDS, BEAM, NUM_THREADS, SIZES, SOURCE_WORDS, Size, compete, weights

START, END = 2, 3
ALPHA = 0.6
Memory = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
State = tuple[torch.Tensor, torch.Tensor]


class Network(nn.Module):
    """An encoder and a decoder of LSTM layers, with scaled Luong attention."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        given = {name: torch.from_numpy(np.asarray(value)) for name, value in weights(size).items()}
        self.vectors = nn.ModuleDict(
            {
                side: nn.Embedding(words, size.embedding)
                for side, words in (("source", SOURCE_WORDS), ("answer", ANSWER_WORDS))
            }
        )
        self.layers = nn.ModuleDict(
            {side: nn.LSTM(size.embedding, size.units, size.layers, batch_first=True) for side in ("source", "answer")}
        )
        self.keys = nn.Linear(size.units, size.units, bias=False)
        self.attention = nn.Linear(2 * size.units, size.units, bias=False)
        self.words = nn.Linear(size.units, ANSWER_WORDS, bias=False)
        self.scale = given["scale"]
        with torch.no_grad():
            for side in ("source", "answer"):
                self.vectors[side].weight.copy_(given[f"{side} vectors"])
                for place in range(size.layers):
                    getattr(self.layers[side], f"weight_ih_l{place}").copy_(given[f"{side} kernel {place}"].T)
                    getattr(self.layers[side], f"weight_hh_l{place}").copy_(given[f"{side} recurrent {place}"].T)
                    getattr(self.layers[side], f"bias_ih_l{place}").copy_(given[f"{side} bias {place}"])
                    getattr(self.layers[side], f"bias_hh_l{place}").zero_()
            for layer, name in ((self.keys, "keys"), (self.attention, "attention"), (self.words, "answer words")):
                layer.weight.copy_(given[name].T)

    def encode(self, source: torch.Tensor, lengths: torch.Tensor) -> tuple[Memory, State]:
        """Memory, keys and mask of sentences [B, S], and the states after them."""
        vectors = self.vectors["source"](source)
        if len(source) > 1:
            packed = nn.utils.rnn.pack_padded_sequence(vectors, lengths, batch_first=True, enforce_sorted=False)
            outputs, states = self.layers["source"](packed)
            memory, _ = nn.utils.rnn.pad_packed_sequence(outputs, batch_first=True)
        else:
            memory, states = self.layers["source"](vectors)
        return (memory, self.keys(memory), source != 0), states

    def step(self, tokens: torch.Tensor, states: State, memory: Memory) -> tuple[torch.Tensor, State]:
        """Log-probabilities [R, V] of what follows tokens [R], and the states after them."""
        read, keys, mask = memory
        outputs, states = self.layers["answer"](self.vectors["answer"](tokens[:, None]), states)
        scores = (outputs @ keys.transpose(1, 2)) * self.scale
        context = scores.masked_fill(~mask[:, None], -torch.inf).softmax(-1) @ read
        vector = self.attention(torch.cat([context, outputs], -1)).tanh()
        return self.words(vector)[:, 0].log_softmax(-1), states


@torch.inference_mode()
def beam_search(network: Network, source: torch.Tensor, lengths: torch.Tensor) -> list[list[tuple[float, list[int]]]]:
    """The best answers to sentences [B, S], of as many tokens as these have; all of a batch up to the longest."""
    number, limit = len(source), int(lengths.max())
    memory, states = network.encode(source, lengths)
    memory = tuple(each.repeat_interleave(BEAM, 0) for each in memory)  # type: ignore[assignment]
    states = tuple(each.repeat_interleave(BEAM, 1) for each in states)  # type: ignore[assignment]
    totals = torch.full((number, BEAM), -torch.inf)
    totals[:, 0] = 0
    tokens = torch.full((number * BEAM,), START)
    written = torch.empty((number * BEAM, 0), dtype=torch.long)
    first = torch.arange(number)[:, None] * BEAM
    found: list[list[tuple[float, list[int]]]] = [[] for _ in range(number)]
    for step in range(limit):
        log_probability, states = network.step(tokens, states, memory)
        every = (totals[..., None] + log_probability.view(number, BEAM, -1)).view(number, -1)
        totals, places = every.topk(BEAM)
        rows = (first + places // ANSWER_WORDS).view(-1)
        tokens = (places % ANSWER_WORDS).view(-1)
        states = tuple(each[:, rows] for each in states)  # type: ignore[assignment]
        written = torch.cat([written[rows], tokens[:, None]], 1)
        ended = (tokens == END).view(number, BEAM)
        if ended.any():
            for sentence, place in ended.nonzero().tolist():
                score = float(totals[sentence, place]) / ((5 + step + 1) / 6) ** ALPHA
                found[sentence].append((score, written[sentence * BEAM + place].tolist()))
            totals = totals.masked_fill(ended, -torch.inf)
    for sentence in range(number):
        score = float(totals[sentence, 0]) / ((5 + limit) / 6) ** ALPHA
        found[sentence].append((score, written[sentence * BEAM].tolist()))
    return [sorted(answers, reverse=True) for answers in found]


if __name__ == "__main__":
    torch.set_num_threads(NUM_THREADS)
    place, at_once, number = map(int, sys.argv[1:])
    network = Network(SIZES[place]).eval()
    compete(
        lambda rows, lengths: beam_search(network, torch.from_numpy(rows), torch.from_numpy(lengths)), at_once, number
    )
