"""Answers sources with texts: a decoder, and how long its answers may become.

Shape legend: N sources, T tokens of an answer, S steps of a source.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.dataset import Array
from pipeline.decoding.beam import Beam
from pipeline.decoding.decoder import Decoder
from pipeline.decoding.forced import attention_to, nats
from pipeline.decoding.hypotheses import Hypothesis
from pipeline.decoding.search import How, search
from pipeline.decoding.stepwise import greedy
from pipeline.errors import StageFailure

TIMES_AS_LONG, TOKENS_MORE = 2, 5  # as a source, or as the longest answer that was learned from, an answer may become
LONGEST_READ = 1_000  # tokens of a text: each of them makes every step of an answer slower, and allows two more
BEST = Beam()  # how an export answers where nobody asks for anything else


@dataclass(frozen=True)
class Translator:
    """longest_answer: tokens of the longest answer that was learned from; how long answers to pictures may become."""

    decoder: Decoder
    longest_answer: int

    def answers(self, inputs: Array, how: How = BEST, numbers: Sequence[int] | None = None) -> list[list[Hypothesis]]:
        """The best answers to each source of `inputs` [N, ...]; where they are drawn, by the sources' `numbers`.

        Of a text no more than `LONGEST_READ` tokens are read. Raises `StageFailure` where all that is found is NaN.
        """
        inputs, limits = self._needed(inputs)
        found = search(self.decoder, inputs, limits, how, numbers)
        if not all(found):
            raise StageFailure("the export answers NaN or infinity for some inputs")
        return found

    def greedy(self, inputs: Array) -> list[Hypothesis]:
        """The likeliest token at each step."""
        return greedy(self.decoder, *self._needed(inputs))

    def nats(self, inputs: Array, previous: Array, targets: Array) -> Array:
        """[N, 2]: the sum of -log p of the tokens in `targets` [N, T] that are not -1, and how many they are."""
        return nats(self.decoder, inputs, previous, targets)

    def attention(self, inputs: Array, tokens: Array) -> Array | None:
        """Where it looks [N, T + 1, S] while it writes `tokens` [N, T] and their end; None if it looks nowhere."""
        return attention_to(self.decoder, inputs, tokens)

    def _needed(self, inputs: Array) -> tuple[Array, Array]:
        """Sources without the padding that none of them needs, and how many tokens the answer to each may have."""
        if inputs.dtype.kind == "f":
            return inputs, np.full(len(inputs), TIMES_AS_LONG * self.longest_answer + TOKENS_MORE)
        lengths = np.minimum(lengths_of(inputs), LONGEST_READ)
        return inputs[:, : max(1, int(lengths.max()))], TIMES_AS_LONG * lengths + TOKENS_MORE


def lengths_of(inputs: Array) -> Array:
    """How many tokens [N] of sources [N, S] are no padding."""
    lengths: Array = np.count_nonzero(inputs, axis=1)
    return lengths
