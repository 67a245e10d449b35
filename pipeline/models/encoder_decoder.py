"""An encoder reads the sequence into one vector, a decoder makes the answers from it, one after the other.

`repeat`: the decoder is given the vector again at each step (one to many, where nothing is encoded: an image's caption
in its simplest form). `feedback`: the encoder goes on by itself, reading its own answers, as a generative network
does. After Sutskever et al., *Sequence to Sequence Learning with Neural Networks* (2014), and Graves, *Generating
Sequences With Recurrent Neural Networks* (2013). `states`: each layer of the decoder begins with the state in which the
encoder's has ended, and reads a step of zeros ("go") and then the past again, after Chevalier, *Seq2seq Signal
Prediction* (2017). `at_once`: all answers are one linear map of the vector.

Shape legend: B batch, T time steps, F features, S steps that are answered, K values.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator

from pipeline.views import ExampleSpec

if TYPE_CHECKING:
    import keras

READS = "a sequence"
Tensor = Any
Layer = Callable[..., Any]


class Parameters(BaseModel):
    """cell; units: of each layer of the encoder, none to take the first step as the vector. decoder: `repeat`, with
    `decoder_units`; `feedback`, in which the last encoder layer goes on; `states` or `at_once`.

    input_dense: units of a dense layer with relu between the steps and the encoder; none if None. l2: what the sum of
    the squared weights, biases apart, counts in the loss. differences: answer with what is to be added to the last step
    of the series that go on.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    cell: Literal["lstm", "gru"] = "lstm"
    units: list[PositiveInt]
    decoder: Literal["repeat", "feedback", "states", "at_once"] = "repeat"
    decoder_units: int = Field(default=32, ge=1)
    input_dense: PositiveInt | None = None
    l2: float = Field(default=0.0, ge=0)
    differences: bool = False

    @model_validator(mode="after")
    def _goes_on(self) -> Self:
        if self.decoder == "states" and not self.units:
            raise ValueError(
                "decoder 'states' begins where the encoder has ended; allowed: one layer of units and more"
            )
        if self.decoder == "feedback" and self.differences:
            raise ValueError("decoder 'feedback' reads its answers as steps; allowed: differences: false")
        return self

    def small(self) -> Self:
        small = {"units": [min(units, 6) for units in self.units], "decoder_units": 5}
        return self.model_copy(update=small | ({"input_dense": 4} if self.input_dense else {}))


def build(parameters: Parameters, spec: ExampleSpec, fast: bool = True) -> "keras.Model":
    """A network [B, T, F] -> [B, S, answers] of the S steps asked for, or [B, S] where one vector of S is."""
    import keras

    from pipeline.layers.answers import activate, width
    from pipeline.layers.cells import recurrent_layer
    from pipeline.layers.real_steps import RealSteps

    each_step = "each step" in spec.asks
    answers = spec.output_steps if each_step else spec.num_outputs
    if answers is None or spec.asks == "one label":
        raise ValueError(f"{spec.asks} is asked for; allowed: a number of steps to answer, or one vector of values")
    l2 = keras.regularizers.L2(parameters.l2) if parameters.l2 else None

    def recurrent(units: int, **options: Any) -> Any:
        return recurrent_layer(
            parameters.cell, units, fast=fast, kernel_regularizer=l2, recurrent_regularizer=l2, **options
        )

    numbers = width(spec) if each_step else 1
    answer = keras.layers.Dense(numbers * (answers if parameters.decoder == "at_once" else 1), kernel_regularizer=l2)
    steps = keras.Input(spec.input_shape, name="steps")
    features = RealSteps()(steps) if spec.padded else steps
    if parameters.input_dense:
        features = keras.layers.Dense(parameters.input_dense, "relu", kernel_regularizer=l2)(features)
    if parameters.decoder == "states":
        decoded = _from_states(parameters, spec, recurrent, features, steps, answer)
    elif parameters.decoder == "feedback":
        decoded = _feeding_back(parameters, spec, recurrent, features, answer)
    else:
        for units in parameters.units[:-1]:
            features = recurrent(units, return_sequences=True)(features)
        vector = recurrent(parameters.units[-1])(features) if parameters.units else features[:, 0]
        if parameters.decoder == "at_once":
            decoded = keras.layers.Reshape((answers, numbers))(answer(vector))
        else:
            repeated = keras.layers.RepeatVector(answers)(vector)
            decoded = answer(recurrent(parameters.decoder_units, return_sequences=True)(repeated))
    if parameters.differences:
        decoded = decoded + _last_values(spec, steps)
    if not each_step:
        decoded = keras.layers.Reshape((answers,))(decoded)
    return keras.Model(steps, activate(decoded, spec))


def _feeding_back(
    parameters: Parameters, spec: ExampleSpec, recurrent: Layer, features: Tensor, answer: "keras.layers.Dense"
) -> Tensor:
    """Answers [B, S, K] of the encoder's own layer, which goes on with what it answered last."""
    from pipeline.layers.feedback import Feedback

    steps = spec.output_steps or spec.num_outputs
    if len(parameters.units) != 1 or features.shape[-1] != answer.units:
        raise ValueError(
            f"decoder 'feedback' reads its own answers ({answer.units} wide) as steps "
            f"({features.shape[-1]} wide); allowed: as many features as answers, and one layer of units"
        )
    reader = recurrent(parameters.units[0], return_state=True)
    vector, *state = reader(features)
    return Feedback(reader.cell, answer, steps)([vector, *state])


def _from_states(
    parameters: Parameters, spec: ExampleSpec, recurrent: Layer, features: Tensor, steps: Tensor, answer: Layer
) -> Tensor:
    """Answers [B, S, K] of a second stack of layers, each of which begins with the state of one of the first."""
    from keras import ops

    if spec.padded:
        raise ValueError("decoder 'states' reads the past again; allowed: sequences of equal length")
    states = []
    for units in parameters.units:
        features, *state = recurrent(units, return_sequences=True, return_state=True)(features)
        states.append(state)
    num_steps = spec.output_steps or spec.num_outputs
    # What lay as many steps before as are answered, the last step left out; zeros where nothing did.
    decoded = ops.pad(steps, [[0, 0], [num_steps, 0], [0, 0]])[:, -num_steps - 1 : -1]
    for units, state in zip(parameters.units, states, strict=True):
        decoded = recurrent(units, return_sequences=True)(decoded, initial_state=state)
    return answer(decoded)


def _last_values(spec: ExampleSpec, steps: Tensor) -> Tensor:
    """The last step [B, 1, K] of the series that the answers continue."""
    from keras import ops

    if not spec.continues:
        raise ValueError("differences are to what was last; allowed: with a view whose answers continue its features")
    return ops.take(steps[:, -1:], list(spec.continues), axis=-1)


def graphs(parameters: Parameters, spec: ExampleSpec, model: "keras.Model") -> dict[str, "keras.Model"]:
    """The graph to export: the same weights in layers that every ONNX runtime knows."""
    exported = build(parameters, spec, fast=False)
    exported.set_weights(model.get_weights())
    return {"model": exported}
