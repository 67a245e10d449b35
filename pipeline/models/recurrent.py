"""Recurrent layers over a sequence, one on the other, and an answer at the end or at each step.

With one layer it is the textbook's vanilla network, with several a stacked one, with `bidirectional` one that reads
both ways (Schuster & Paliwal 1997), with `filters` a CNN-LSTM over windows of the sequence, without any layer a
network that sees one step and remembers nothing.
"""

from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator

from pipeline.views import ExampleSpec

if TYPE_CHECKING:
    import keras

READS = "a sequence"
NO_MEMORY = "a network without recurrent layers answers from the last step alone; units: []"


class Parameters(BaseModel):
    """cell, units: of each recurrent layer. longest_memory: chrono initialisation of their gates, up to so many steps.
    recurrent_gain: of the initial recurrent weights. dropout: share of each layer's outputs dropped in training.
    filters, kernel_size, pool_size: convolutions before them, a pooling after each. dense: widths of ReLU layers
    between them and the answer. answer: `recurrent` takes the outputs of the last layer as they are.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    cell: Literal["lstm", "gru", "simple_rnn", "peephole_lstm"] = "lstm"
    units: list[PositiveInt]
    bidirectional: bool = False
    longest_memory: int | None = Field(default=None, ge=3)
    recurrent_gain: float = Field(default=1.0, gt=0)
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    filters: list[PositiveInt] = []
    kernel_size: int = Field(default=3, ge=1)
    pool_size: int = Field(default=2, ge=1)
    dense: list[PositiveInt] = []
    answer: Literal["dense", "recurrent"] = "dense"

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if self.cell == "simple_rnn" and self.longest_memory is not None:
            raise ValueError(
                f"longest_memory is {self.longest_memory}; allowed with cell simple_rnn: none, it has no gates"
            )
        if self.answer == "recurrent" and (self.bidirectional or self.dense or not self.units):
            raise ValueError("answer is 'recurrent', the outputs of the last layer; allowed: one direction, no dense")
        return self

    def small(self) -> Self:
        *before, last = [min(width, 6) for width in self.units] or [0]
        if self.answer == "recurrent":
            last = self.units[-1]
        small = {"units": [*before, last] if self.units else [], "filters": [4] * len(self.filters)}
        return self.model_copy(update={**small, "dense": [5] * len(self.dense)})


def build(parameters: Parameters, spec: ExampleSpec, fast: bool = True) -> "keras.Model":
    """A network [B, T, F] -> [B, answers], or [B, T, answers] where one is asked for at each step."""
    import keras

    from pipeline.layers.answers import activate, width
    from pipeline.layers.real_steps import RealSteps

    each_step = "each step" in spec.asks
    if each_step and (parameters.filters or spec.output_steps):
        reason = "filters shorten the sequence" if parameters.filters else f"{spec.output_steps} answers are asked for"
        raise ValueError(f"one answer at each step read is given, but {reason}; allowed: model encoder_decoder")
    if parameters.bidirectional and each_step and spec.later_steps_answer:
        raise ValueError("bidirectional reads the answers to each step in the steps after it; allowed: one direction")
    if spec.padded and parameters.filters:
        raise ValueError("filters are set, but sequences end early and a convolution knows no end; allowed: none")
    if spec.padded and not parameters.units and not each_step:
        raise ValueError("units is [], but sequences end early and the last step is padding; allowed: 1 layer and more")
    if spec.num_steps is not None and spec.num_steps < parameters.pool_size ** len(parameters.filters):
        raise ValueError(
            f"{len(parameters.filters)} poolings of {parameters.pool_size} leave nothing of {spec.num_steps} steps; "
            "allowed: fewer filters, or a smaller pool_size"
        )
    if parameters.answer == "recurrent" and parameters.units[-1] != width(spec):
        raise ValueError(f"answer is 'recurrent', with {parameters.units[-1]} units; allowed: {width(spec)}")
    steps = keras.Input(spec.input_shape, name="steps")
    features = RealSteps()(steps) if spec.padded else steps
    for filters in parameters.filters:
        features = keras.layers.Conv1D(filters, parameters.kernel_size, padding="same", activation="relu")(features)
        features = keras.layers.MaxPooling1D(parameters.pool_size)(features)
    for place, units in enumerate(parameters.units):
        whole = each_step or place < len(parameters.units) - 1
        features = _layer(parameters, units, whole, fast)(features)
        if parameters.dropout:
            features = keras.layers.Dropout(parameters.dropout)(features)
    if not parameters.units and not each_step:
        features = features[:, -1]
    for dense in parameters.dense:
        features = keras.layers.Dense(dense, activation="relu")(features)
    if parameters.answer == "dense":
        features = keras.layers.Dense(width(spec))(features)
    return keras.Model(steps, activate(features, spec))


def _layer(parameters: Parameters, units: int, whole: bool, fast: bool) -> "keras.layers.Layer":
    """One recurrent layer, answering at each step if `whole`; both directions beside each other."""
    import keras

    from pipeline.layers.cells import recurrent_layer

    def one(**options: Any) -> "keras.layers.Layer":
        return recurrent_layer(
            parameters.cell,
            units,
            fast=fast,
            longest_memory=parameters.longest_memory,
            recurrent_gain=parameters.recurrent_gain,
            return_sequences=whole,
            **options,
        )

    if not parameters.bidirectional:
        return one()
    return keras.layers.Bidirectional(one(), backward_layer=one(go_backwards=True))


def graphs(parameters: Parameters, spec: ExampleSpec, model: "keras.Model") -> dict[str, "keras.Model"]:
    """The graph to export: the same weights in layers that every ONNX runtime knows."""
    exported = build(parameters, spec, fast=False)
    exported.set_weights(model.get_weights())
    return {"model": exported}
