"""What an exported encoder and decoder say of texts that are known: how likely each token is after those before it.

The graphs are wired by name: the decoder takes of the encoder's outputs those that it has inputs for, and what it gives
as `next_<state>` is its `<state>` at the next call.

Shape legend: N examples, T tokens, V tokens of the vocabulary.
"""

import numpy as np

from pipeline.dataset import Array
from pipeline.runtime import NEXT, Export

ENCODER, DECODER = "encoder", "decoder"
PREVIOUS, LOG_PROBABILITY = "previous", "log_probability"


def log_probabilities(export: Export, inputs: Array, previous: Array, at_once: int) -> Array:
    """log p [N, T, V] of what follows each of the tokens `previous` [N, T], of which a call is given `at_once`."""
    encoder, decoder = export.session(ENCODER), export.session(DECODER)
    names = [output.name for output in encoder.get_outputs()]
    state = dict(zip(names, encoder.run(None, {encoder.get_inputs()[0].name: inputs}), strict=True))
    needed = [given.name for given in decoder.get_inputs() if given.name != PREVIOUS]
    answers = [output.name for output in decoder.get_outputs()]
    found = []
    for start in range(0, previous.shape[1], at_once):
        given = {PREVIOUS: previous[:, start : start + at_once], **{name: state[name] for name in needed}}
        results = dict(zip(answers, decoder.run(None, given), strict=True))
        found.append(results[LOG_PROBABILITY])
        state |= {name.removeprefix(NEXT): value for name, value in results.items() if name.startswith(NEXT)}
    return np.concatenate(found, axis=1)


def reads_many(export: Export) -> bool:
    """Whether the decoder reads several tokens in one call."""
    given = next(each for each in export.session(DECODER).get_inputs() if each.name == PREVIOUS)
    return bool(given.shape[1] != 1)
