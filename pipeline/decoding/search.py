"""Any way to answer sources with texts, in batches of sources that are alike."""

from collections.abc import Iterator, Sequence

import numpy as np

from pipeline.dataset import Array
from pipeline.decoding.beam import Beam, beam_search
from pipeline.decoding.decoder import Decoder
from pipeline.decoding.hypotheses import Hypothesis
from pipeline.decoding.stepwise import Sampling, sample

How = Beam | Sampling


def search(
    decoder: Decoder, inputs: Array, limits: Array, how: How, numbers: Sequence[int] | None = None
) -> list[list[Hypothesis]]:
    """The best answers to each source of `inputs` [B, ...]; one where it is drawn, by the sources' `numbers`."""
    if isinstance(how, Beam):
        return beam_search(decoder, inputs, limits, how)
    return [[hypothesis] for hypothesis in sample(decoder, inputs, limits, how, numbers)]


def by_length(lengths: Array, batch_size: int) -> Iterator[Array]:
    """Places of sources [B] that are about equally long, the shortest first."""
    order = np.argsort(lengths, kind="stable")
    for start in range(0, len(order), batch_size):
        yield order[start : start + batch_size]
