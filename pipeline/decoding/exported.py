"""The decoder of an export: its graphs `encoder` and `decoder`, run by ONNX Runtime.

On a CPU the arrays that go in are not copied, and those that come out are new ones: a binding would save nothing.
"""

from collections.abc import Callable, Mapping
from typing import Any

import onnxruntime

from pipeline.dataset import Array
from pipeline.decoding.decoder import PREVIOUS, GraphDecoder, Tensors

ENCODER, DECODER = "encoder", "decoder"


def open_decoder(encoder: onnxruntime.InferenceSession, decoder: onnxruntime.InferenceSession) -> GraphDecoder:
    """The decoder that two sessions make together."""
    (source,) = encoder.get_inputs()
    encode, inputs = _run(encoder), decoder.get_inputs()
    (previous,) = (given for given in inputs if given.name == PREVIOUS)
    return GraphDecoder(
        encode=lambda found: encode({source.name: found}),
        decode=_run(decoder),
        inputs=[given.name for given in inputs],
        outputs=[output.name for output in decoder.get_outputs()],
        step_by_step=previous.shape[1] == 1,
    )


def _run(session: onnxruntime.InferenceSession) -> Callable[[Mapping[str, Array]], Tensors]:
    names = [output.name for output in session.get_outputs()]

    def run(inputs: Mapping[str, Any]) -> Tensors:
        return dict(zip(names, session.run(names, inputs), strict=True))

    return run
