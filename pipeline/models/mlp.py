"""Dense layers over a whole sequence at once, which therefore has one length."""

from typing import TYPE_CHECKING, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from pipeline.views import ExampleSpec

if TYPE_CHECKING:
    import keras

READS = "a sequence"


class Parameters(BaseModel):
    """dense: widths of the ReLU layers before the answer. dropout: share of each one's outputs dropped in training, and
    of the sequence's."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dense: list[PositiveInt] = Field(min_length=1)
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)

    def small(self) -> Self:
        return self.model_copy(update={"dense": [8] * len(self.dense)})


def build(parameters: Parameters, spec: ExampleSpec) -> "keras.Model":
    """A network [B, T, F] -> [B, answers]."""
    import keras

    from pipeline.layers.answers import activate, width

    if spec.num_steps is None or "each step" in spec.asks:
        what = f"{spec.asks} is asked for" if spec.num_steps else "sequences end early"
        raise ValueError(f"{what}; allowed: one answer to sequences of one length")
    steps = keras.Input((spec.num_steps, spec.input_shape[-1]), name="steps")
    features = keras.layers.Flatten()(steps)
    for dense in parameters.dense:
        if parameters.dropout:
            features = keras.layers.Dropout(parameters.dropout)(features)
        features = keras.layers.Dense(dense, activation="relu")(features)
    return keras.Model(steps, activate(keras.layers.Dense(width(spec))(features), spec))
