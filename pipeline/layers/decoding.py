"""A network that writes texts, as the decoder of a search: what it would translate while it still learns."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from pipeline.dataset import Array
from pipeline.decoding.decoder import LOG_PROBABILITY, PREVIOUS, GraphDecoder, Tensors


def decoder_of(graphs: Mapping[str, keras.Model]) -> GraphDecoder:
    """The decoder that the graphs `encoder` and `decoder` of an architecture make together, run as they are.

    Not traced: that would take longer than a few hundred sentences do, and their number changes while some of them end.
    """
    encoder, decoder = graphs["encoder"], graphs["decoder"]
    names = [given.name for given in decoder.inputs]
    (previous,) = (given for given in decoder.inputs if given.name == PREVIOUS)

    def decode(given: Mapping[str, Array]) -> Tensors:
        found = _arrays(decoder([given[name] for name in names], training=False))
        return found | {LOG_PROBABILITY: np.array(found[LOG_PROBABILITY])}  # which the search writes into

    return GraphDecoder(
        encode=lambda inputs: _arrays(encoder(inputs, training=False)),
        decode=decode,
        inputs=names,
        outputs=list(decoder.output),
        step_by_step=previous.shape[1] == 1,
    )


def _arrays(tensors: Mapping[str, Any]) -> Tensors:
    return {name: np.asarray(ops.convert_to_numpy(value), dtype=np.float32) for name, value in tensors.items()}
