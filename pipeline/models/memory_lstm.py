"""A stateful LSTM that answers at every step with the symbol that follows.

Trained with the state carried from call to call and reset where a sequence begins; exported as one step whose state is
an explicit input and output (an exported stateful layer would silently lose it). After Brownlee's demonstration of
Hochreiter & Schmidhuber (1997), experiment 2.
"""

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from pipeline.views import ExampleSpec

if TYPE_CHECKING:
    import keras

READS = "a sequence"
CARRIES_STATE = True


class Parameters(BaseModel):
    """units: of the LSTM."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    units: int = Field(ge=1)

    def small(self) -> "Parameters":
        return self.model_copy(update={"units": 8})


def build(parameters: Parameters, spec: ExampleSpec) -> "keras.Model":
    """A network of symbols [B, T, V] and `first` [B, 1] -> the probability of each next symbol [B, T, V].

    B is fixed (`spec.batch_size`): the carried state has one row per sequence of the batch.
    """
    import keras

    from pipeline.layers.carried_lstm import CarriedLSTM

    if spec.batch_size is None or spec.steps_per_call is None:
        raise ValueError("memory_lstm carries its state: it is built for a fixed batch size and number of steps a call")
    symbols = keras.Input(batch_shape=(spec.batch_size, spec.steps_per_call, spec.num_outputs), name="symbols")
    first = keras.Input(batch_shape=(spec.batch_size, 1), name="first")
    hidden = CarriedLSTM(parameters.units, spec.batch_size)([symbols, first])
    answer = keras.layers.Dense(spec.num_outputs, activation="sigmoid", name="probability")(hidden)
    return keras.Model([symbols, first], answer)


def loss(spec: ExampleSpec, label_smoothing: float = 0.0, value_loss: str = "mse") -> Any:
    """Binary cross-entropy of every symbol on its own, as published (the answers are sigmoids, not a softmax)."""
    import keras
    from keras import ops

    def binary_crossentropy(targets: Any, probabilities: Any) -> Any:
        one_hot = ops.one_hot(targets, spec.num_outputs)
        return keras.losses.binary_crossentropy(one_hot, probabilities, label_smoothing=label_smoothing)

    return binary_crossentropy


def graphs(parameters: Parameters, spec: ExampleSpec, model: "keras.Model") -> dict[str, "keras.Model"]:
    """One step: symbol [B, V], hidden [B, U], cell [B, U] -> probability [B, V] and the state after it."""
    import keras

    symbol = keras.Input((spec.num_outputs,), name="symbol")
    state = [keras.Input((parameters.units,), name=name) for name in ("hidden", "cell")]
    output, after = keras.layers.LSTMCell(parameters.units)(symbol, state)
    probability = keras.layers.Dense(spec.num_outputs, activation="sigmoid")(output)
    step = keras.Model([symbol, *state], {"probability": probability, "next_hidden": after[0], "next_cell": after[1]})
    step.set_weights([weight.numpy() for weight in model.trainable_weights])
    return {"step": step}
