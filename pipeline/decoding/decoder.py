"""What a decoder is: it reads sources once, and says after each token what may come next.

Shape legend: R rows (a source, or a hypothesis of one, each), T tokens, S steps of a source, V vocabulary.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from pipeline.dataset import Array

# Places in every vocabulary of answers, see `pipeline.dataset.TextAnswers`.
PADDING_TOKEN, START_TOKEN, END_TOKEN = 0, 2, 3
NEVER_WRITTEN = (PADDING_TOKEN, START_TOKEN)

PREVIOUS, LOG_PROBABILITY, ATTENTION, NEXT = "previous", "log_probability", "attention", "next_"
Tensors = dict[str, Array]
Graph = Callable[[Mapping[str, Array]], Tensors]
Advanced = tuple[Array, Array | None, "State"]


@dataclass(frozen=True)
class State:
    """Where some rows stand, in arrays [R, ...] by their name.

    constants: what was read of the rows' sources. carried: what each token changes.
    """

    constants: Tensors
    carried: Tensors

    def take(self, rows: Array) -> "State":
        """These rows alone, in this order; one may be there several times."""
        return State(_take(self.constants, rows), _take(self.carried, rows))

    def reorder(self, rows: Array) -> "State":
        """As many rows, each of the same source as the one whose place it takes: the constants stay as they are."""
        return State(self.constants, _take(self.carried, rows))


def _take(tensors: Tensors, rows: Array) -> Tensors:
    return {name: values.take(rows, axis=0) for name, values in tensors.items()}


class Decoder(Protocol):
    """Whatever can go on with a text, given a source."""

    def begin(self, inputs: Array) -> State:
        """Read sources [R, ...], a row each."""

    def advance(self, tokens: Array, state: State) -> Advanced:
        """Read tokens [R, T] int32 and say what may follow each of them.

        Returns log-probabilities [R, T, V], which the caller may write into, attention [R, T, S] of decoders that have
        any, and the state after the tokens.
        """


class GraphDecoder:
    """Decodes with an encoder and a decoder that are wired by the names of their tensors.

    encode, decode: run a graph: its inputs by name, `source` standing for the encoder's one, give its outputs by name.
    inputs, outputs: of the decoder. Its input `x` is carried where it has an output `next_x`, else constant.
    step_by_step: whether it reads one token a call.
    """

    def __init__(
        self,
        encode: Callable[[Array], Tensors],
        decode: Graph,
        inputs: Sequence[str],
        outputs: Sequence[str],
        step_by_step: bool,
    ) -> None:
        self.encode, self.decode, self.step_by_step = encode, decode, step_by_step
        self.carried = [name for name in inputs if NEXT + name in outputs]
        self.constants = [name for name in inputs if name not in self.carried and name != PREVIOUS]

    def begin(self, inputs: Array) -> State:
        """See `Decoder`."""
        found = self.encode(inputs)
        return State(*({name: found[name] for name in names} for names in (self.constants, self.carried)))

    def advance(self, tokens: Array, state: State) -> Advanced:
        """See `Decoder`."""
        if not self.step_by_step or tokens.shape[1] == 1:
            return self._advance(tokens, state)
        log_probabilities, attentions = [], []
        for step in range(tokens.shape[1]):
            log_probability, attention, state = self._advance(tokens[:, step : step + 1], state)
            log_probabilities.append(log_probability)
            attentions.append(attention)
        given = [each for each in attentions if each is not None]
        return np.concatenate(log_probabilities, axis=1), np.concatenate(given, axis=1) if given else None, state

    def _advance(self, tokens: Array, state: State) -> Advanced:
        found = self.decode({PREVIOUS: tokens, **state.constants, **state.carried})
        after = {name: found[NEXT + name] for name in self.carried}
        return found[LOG_PROBABILITY], found.get(ATTENTION), State(state.constants, after)
