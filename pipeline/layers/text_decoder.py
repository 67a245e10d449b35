"""What writes a text, token by token, from what an encoder has read: the same for sentences, images and clips.

Sutskever, Vinyals & Le, *Sequence to Sequence Learning with Neural Networks* (2014); with attention after Luong et al.
(2015): the recurrent layers read the tokens alone, so attention looks back from all their states at once.

What an encoder gives has names, by which the exported graphs are wired:

    memory       [B, S, M]  what was read at each place; memory_mask [B, S] float32, 1 where there is something
    keys         [B, S, A]  what states are compared with, if that is not the memory itself
    state_0, ..  [B, U]     the states of the decoder's layers at first, and what is fed to its first step

Shape legend: B batch, T tokens, S places that were read, V tokens of the vocabulary, U units of a layer.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
from keras import ops

from pipeline.layers.attention import Attention, key_layer
from pipeline.layers.cells import recurrent_layer
from pipeline.layers.decoder_parameters import DecoderParameters
from pipeline.layers.input_feeding import InputFeeding

Tensor = Any
MEMORY, MASK, KEYS, STATE = "memory", "memory_mask", "keys", "state_"


class Written(NamedTuple):
    """logits [B, T, V] of each next token; attention [B, T, S], None where there is none; the states afterwards."""

    logits: Tensor
    attention: Tensor | None
    states: dict[str, Tensor]


class TextDecoder:
    """The layers of a decoder, in a form to be trained (`fast`) or exported."""

    def __init__(self, parameters: DecoderParameters, vocabulary_size: int, fast: bool) -> None:
        self.parameters = parameters
        score, width = parameters.attention, parameters.vector_width
        embedding = keras.layers.ReversibleEmbedding if parameters.tied else keras.layers.Embedding
        self.embedding = embedding(vocabulary_size, parameters.embedding)
        given: dict[str, Any] = {"fast": fast, "return_sequences": True, "return_state": True}
        self.layers = [recurrent_layer(parameters.cell, units, **given) for units in parameters.units]
        self.attention: Any = None if score == "none" else Attention(score, width, fast)
        self.keys = key_layer(score, parameters.units[-1]) if self.attention else None
        self.feeding = None
        if self.attention and parameters.input_feeding:
            self.feeding = InputFeeding(self.layers, self.attention, parameters.dropout)
        self.dropouts = [keras.layers.Dropout(parameters.dropout) for _ in range(len(parameters.units) + 1)]
        self.output = None if parameters.tied else keras.layers.Dense(vocabulary_size, use_bias=False)

    def encoded(self, states: Sequence[Tensor], memory: Tensor, mask: Tensor) -> dict[str, Tensor]:
        """All that the decoder is given of what was read, by name. memory: [B, S, M]; mask: [B, S], 1 where it is real.

        Without attention these are the states alone.
        """
        if self.attention is None:
            return _named(states)
        found = {MEMORY: memory, MASK: mask}
        if self.keys is not None:
            found[KEYS] = self.keys(memory)
        if self.feeding is not None:
            nothing = ops.zeros_like(states[0][:, :1])
            states = [*states, ops.repeat(nothing, self.parameters.vector_width, axis=1)]
        return found | _named(states)

    def logits(self, previous: Tensor, encoded: dict[str, Tensor]) -> Tensor:
        """Logits [B, T, V] of what follows each of the tokens [B, T] of texts that are known to their end."""
        if self.feeding is None:
            return self.write(previous, encoded).logits
        vectors = self.dropouts[0](self.embedding(previous))
        outputs = self.feeding(vectors, *_looked_at(encoded), _states(encoded))
        return self._answer(self.attention(outputs, *_looked_at(encoded))[0])

    def write(self, previous: Tensor, encoded: dict[str, Tensor]) -> Written:
        """The same with the states after it, from which more can be written; of one token, where vectors are fed."""
        vectors, states = self.dropouts[0](self.embedding(previous)), _states(encoded)
        if self.feeding is not None:
            *states, fed = states
            vectors = ops.concatenate([vectors, fed[:, None]], axis=-1)
        outputs, after = self._read(vectors, states)
        if self.attention is None:
            return Written(self._answer(outputs), None, _named(after))
        found, weights = self.attention(outputs, *_looked_at(encoded))
        if self.feeding is not None:
            after = [*after, found[:, 0]]
        return Written(self._answer(found), weights, _named(after))

    def _read(self, vectors: Tensor, states: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Outputs of the last layer [B, T, U] and the states of all of them afterwards."""
        after: list[Tensor] = []
        count = len(states) // len(self.layers)
        for place, layer in enumerate(self.layers):
            if place:
                vectors = self.dropouts[place](vectors)
            vectors, *reached = layer(vectors, initial_state=states[place * count : (place + 1) * count])
            after += reached
        return vectors, after

    def _answer(self, outputs: Tensor) -> Tensor:
        outputs = self.dropouts[-1](outputs)
        return self.embedding(outputs, reverse=True) if self.output is None else self.output(outputs)


def exported_graphs(given: Tensor, encoded: dict[str, Tensor], decoder: TextDecoder) -> dict[str, keras.Model]:
    """The two graphs of an export: the encoder of `given`, and the decoder of whatever it gives and of tokens so far.

    The decoder answers with the log-probability of each next token and the attention, if there is any, and with
    `next_<name>` for each state. It reads any number of tokens, or one at a time where vectors are fed.
    """
    again = {name: keras.Input(value.shape[1:], name=name, dtype="float32") for name, value in encoded.items()}
    previous = keras.Input((1 if decoder.feeding else None,), name="previous", dtype="int32")
    written = decoder.write(previous, again)
    answers = {"log_probability": ops.log_softmax(written.logits)}
    if written.attention is not None:
        answers["attention"] = written.attention
    answers |= {f"next_{name}": state for name, state in written.states.items()}
    return {"encoder": keras.Model(given, encoded), "decoder": keras.Model([previous, *again.values()], answers)}


def _named(states: Sequence[Tensor]) -> dict[str, Tensor]:
    return {f"{STATE}{place}": state for place, state in enumerate(states)}


def _states(encoded: dict[str, Tensor]) -> list[Tensor]:
    return [value for name, value in encoded.items() if name.startswith(STATE)]


def _looked_at(encoded: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """Memory, keys and mask, as attention takes them."""
    return encoded[MEMORY], encoded.get(KEYS, encoded[MEMORY]), encoded[MASK]
