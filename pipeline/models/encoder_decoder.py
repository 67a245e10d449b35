"""An encoder reads the sequence into one vector, a decoder makes the answers from it, one after the other.

`repeat`: the decoder is given the vector again at each step (one to many, where nothing is encoded: an image's caption
in its simplest form). `feedback`: the encoder goes on by itself, reading its own answers, as a generative network
does. After Sutskever et al., *Sequence to Sequence Learning with Neural Networks* (2014), and Graves, *Generating
Sequences With Recurrent Neural Networks* (2013).
"""

from typing import TYPE_CHECKING, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from pipeline.views import ExampleSpec

if TYPE_CHECKING:
    import keras

READS = "a sequence"


class Parameters(BaseModel):
    """cell; units: of each layer of the encoder, none to take the first step as the vector. decoder: `repeat`, with
    `decoder_units`, or `feedback`, in which the last encoder layer goes on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cell: Literal["lstm", "gru"] = "lstm"
    units: list[PositiveInt]
    decoder: Literal["repeat", "feedback"] = "repeat"
    decoder_units: int = Field(default=32, ge=1)

    def small(self) -> Self:
        return self.model_copy(update={"units": [min(units, 6) for units in self.units], "decoder_units": 5})


def build(parameters: Parameters, spec: ExampleSpec, fast: bool = True) -> "keras.Model":
    """A network [B, T, F] -> [B, S, answers] of the S steps asked for, or [B, S] where one vector of S is."""
    import keras

    from pipeline.layers.answers import activate, width
    from pipeline.layers.cells import recurrent_layer
    from pipeline.layers.feedback import Feedback
    from pipeline.layers.real_steps import RealSteps

    each_step = "each step" in spec.asks
    answers = spec.output_steps if each_step else spec.num_outputs
    if answers is None or spec.asks == "one label":
        raise ValueError(f"{spec.asks} is asked for; allowed: a number of steps to answer, or one vector of values")
    answer = keras.layers.Dense(width(spec) if each_step else 1)
    steps = keras.Input(spec.input_shape, name="steps")
    features = RealSteps()(steps) if spec.padded else steps
    *before, last = parameters.units or [0]
    for units in before:
        features = recurrent_layer(parameters.cell, units, fast=fast, return_sequences=True)(features)
    if parameters.decoder == "feedback":
        if not parameters.units or before or spec.input_shape[-1] != answer.units:
            raise ValueError(
                f"decoder 'feedback' reads its own answers ({answer.units} wide) as steps "
                f"({spec.input_shape[-1]} wide); allowed: as many features as answers, and one layer of units"
            )
        reader = recurrent_layer(parameters.cell, last, fast=fast, return_state=True)
        vector, *state = reader(features)
        decoded = Feedback(reader.cell, answer, answers)([vector, *state])
    else:
        vector = recurrent_layer(parameters.cell, last, fast=fast)(features) if parameters.units else features[:, 0]
        repeated = keras.layers.RepeatVector(answers)(vector)
        decoded = answer(
            recurrent_layer(parameters.cell, parameters.decoder_units, fast=fast, return_sequences=True)(repeated)
        )
    if not each_step:
        decoded = keras.layers.Reshape((answers,))(decoded)
    return keras.Model(steps, activate(decoded, spec))


def graphs(parameters: Parameters, spec: ExampleSpec, model: "keras.Model") -> dict[str, "keras.Model"]:
    """The graph to export: the same weights in layers that every ONNX runtime knows."""
    exported = build(parameters, spec, fast=False)
    exported.set_weights(model.get_weights())
    return {"model": exported}
