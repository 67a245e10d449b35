"""One answer from those of several networks: a linear map of all of them, which begins as their mean.

Wolpert, *Stacked generalization* (1992), with the linear second level of Breiman, *Stacked regressions* (1996). With
one member it corrects that member's answers.

Its weights favour a member that was trained on the very examples they are learnt from, whose answers there are better
than elsewhere: derive the answers of such a member with `learn_from: validation`, as Wolpert asks.
"""

from typing import TYPE_CHECKING, Self

import numpy as np
from pydantic import BaseModel, ConfigDict

from pipeline.views import ExampleSpec

if TYPE_CHECKING:
    import keras

READS = "a sequence"


class Parameters(BaseModel):
    """None."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def small(self) -> Self:
        return self


def build(parameters: Parameters, spec: ExampleSpec) -> "keras.Model":
    """A network of the answers [B, members, K] -> one answer [B, K]."""
    import keras

    members, width = spec.num_steps, spec.num_outputs
    if spec.asks != "one value" or spec.input_shape[-1] != width:
        raise ValueError(
            f"{spec.asks} of {width} is asked for, members answer {spec.input_shape[-1]}; allowed: as many"
        )
    if members is None:
        raise ValueError("sequences end early; allowed: the same number of members for each example")
    mean = np.tile(np.eye(width, dtype=np.float32) / members, (members, 1))
    answers = keras.Input((members, width), name="answers")
    combined = keras.layers.Dense(width, kernel_initializer=keras.initializers.Constant(mean))
    return keras.Model(answers, combined(keras.layers.Flatten()(answers)))
