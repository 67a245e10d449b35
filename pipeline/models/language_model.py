"""Recurrent layers that read symbols one after another and say which one follows: a language model.

Exported as one graph that reads any number of symbols and whose states are explicit inputs and outputs: all at once it
is scored, one symbol a call it writes. After Graves, *Generating Sequences With Recurrent Neural Networks* (2013).

Shape legend: B batch, T time steps, V symbols of the vocabulary, U units.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from pipeline.views import ExampleSpec

if TYPE_CHECKING:
    import keras

    from pipeline.layers.writing import Writer

READS = "a text"
STATES = {"lstm": ("hidden", "cell"), "gru": ("hidden",)}


class Parameters(BaseModel):
    """cell, units: of each recurrent layer. embedding: how many numbers a symbol becomes; None: one-hot.
    dropout: share of each layer's outputs dropped in training."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cell: Literal["lstm", "gru"] = "lstm"
    units: list[PositiveInt] = Field(min_length=1)
    embedding: int | None = Field(default=None, ge=1)
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)

    def small(self) -> Self:
        embedding = None if self.embedding is None else 5
        return self.model_copy(update={"units": [min(units, 6) for units in self.units], "embedding": embedding})


def build(parameters: Parameters, spec: ExampleSpec) -> "keras.Model":
    """A network of indices [B, T] -> the probability of each next symbol [B, T, V]; or [B, V], of the last alone."""
    import keras

    from pipeline.layers.cells import recurrent_layer

    if spec.vocabulary_size is None or spec.num_outputs != spec.vocabulary_size or spec.num_outputs == 2:
        raise ValueError(
            f"{spec.num_outputs} labels of {spec.vocabulary_size or 'no'} symbols given as indices; allowed: view "
            "next_symbols or next_symbol, of a vocabulary of 3 symbols and more"
        )
    symbols = keras.Input((None,), dtype="int32", name="symbols")
    features = _embedded(parameters, spec, symbols)
    for place, units in enumerate(parameters.units):
        whole = "each step" in spec.asks or place < len(parameters.units) - 1
        features = recurrent_layer(parameters.cell, units, fast=True, return_sequences=whole)(features)
        if parameters.dropout:
            features = keras.layers.Dropout(parameters.dropout)(features)
    return keras.Model(symbols, keras.layers.Dense(spec.num_outputs, activation="softmax")(features))


def graphs(parameters: Parameters, spec: ExampleSpec, model: "keras.Model") -> dict[str, "keras.Model"]:
    """The graph to export: symbols [B, T], states [B, U] -> probability [B, T, V] and the states after them."""
    return {"step": _like(model, _with_states(parameters, spec, fast=False))}


def writer(parameters: Parameters, spec: ExampleSpec, model: "keras.Model") -> "Writer":
    """What goes on with a text as `sample` does: the state carried along, or reading each window anew, as trained."""
    from keras import ops

    from pipeline.layers.writing import Writer

    if spec.asks == "one label":

        def read_anew(symbols: Any, window: Sequence[Any]) -> Sequence[Any]:
            moved = ops.concatenate([window[0], symbols], axis=1)[:, symbols.shape[1] :]
            return ops.cast(model(moved, training=False), "float32"), moved

        return Writer(read_anew, begin=lambda beginnings: [ops.zeros_like(beginnings)])

    reader = _with_states(parameters, spec, fast=True)

    def read_on(symbols: Any, states: Sequence[Any]) -> Sequence[Any]:
        found = reader([symbols, *states], training=False)
        after = [found["probability"][:, -1], *(found[f"next_{given.name}"] for given in reader.inputs[1:])]
        return [ops.cast(each, "float32") for each in after]

    def begin(beginnings: Any) -> list[Any]:
        _like(model, reader)
        return [ops.zeros((beginnings.shape[0], given.shape[1])) for given in reader.inputs[1:]]

    return Writer(read_on, begin)


def _with_states(parameters: Parameters, spec: ExampleSpec, fast: bool) -> "keras.Model":
    """The network with its states as inputs and outputs, answering at each step."""
    import keras

    from pipeline.layers.cells import recurrent_layer

    symbols = keras.Input((None,), dtype="int32", name="symbols")
    features = _embedded(parameters, spec, symbols)
    states: list[Any] = []
    after: dict[str, Any] = {}
    for place, units in enumerate(parameters.units):
        given = [keras.Input((units,), name=f"{name}_{place}") for name in STATES[parameters.cell]]
        layer = recurrent_layer(parameters.cell, units, fast=fast, return_sequences=True, return_state=True)
        features, *reached = layer(features, initial_state=given)
        states += given
        after |= {f"next_{state.name}": value for state, value in zip(given, reached, strict=True)}
    probability = keras.layers.Dense(spec.num_outputs, activation="softmax")(features)
    return keras.Model([symbols, *states], {"probability": probability, **after})


def _embedded(parameters: Parameters, spec: ExampleSpec, symbols: Any) -> Any:
    """Symbols [B, T] as vectors [B, T, embedding or V]."""
    import keras

    if parameters.embedding is None:
        return keras.ops.one_hot(symbols, spec.vocabulary_size)
    return keras.layers.Embedding(spec.vocabulary_size, parameters.embedding)(symbols)


def _like(model: "keras.Model", other: "keras.Model") -> "keras.Model":
    """`other` with the weights of `model`."""
    for weight, trained in zip(other.trainable_weights, model.trainable_weights, strict=True):
        weight.assign(trained)
    return other
