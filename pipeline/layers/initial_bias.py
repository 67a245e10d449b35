"""Initial biases of gates that decide how long a recurrent network remembers before it has learned anything.

A forget gate at sigmoid(b) keeps 1/e of the state for about 1 / (1 - sigmoid(b)) steps: one step or two at b = 0, 3.7
at 1 (Jozefowicz et al. 2015). Chrono initialisation draws the times that units remember for, uniformly up to the
longest that the problem asks for: b = log(time - 1), and the input gate at -b (Tallec & Ollivier, *Can recurrent
neural networks warp time?*, 2018, equation 16). A GRU's update gate is both: it keeps z and takes in 1 - z.
"""

from typing import Any

import keras
from keras import ops

Tensor = Any


@keras.saving.register_keras_serializable("cadence")
class ChronoBias(keras.initializers.Initializer):
    """The bias [4U] of an LSTM in Keras' order i, f, g, o, for memories of up to `longest` steps."""

    def __init__(self, longest: int) -> None:
        self.longest = longest
        self.uniform = keras.initializers.RandomUniform(1.0, longest - 1.0)

    def __call__(self, shape: tuple[int, ...], dtype: Any = None, **options: Any) -> Tensor:
        units = shape[0] // 4
        forget = ops.log(self.uniform((units,), dtype=dtype))
        zeros = ops.zeros((2 * units,), dtype=dtype)
        return ops.concatenate([-forget, forget, zeros])

    def get_config(self) -> dict[str, Any]:
        return {"longest": self.longest}


@keras.saving.register_keras_serializable("cadence")
class ChronoUpdateBias(ChronoBias):
    """The biases [2, 3U] of a GRU in Keras' order z, r, h: the update gate's among the first, zeros elsewhere."""

    def __call__(self, shape: tuple[int, ...], dtype: Any = None, **options: Any) -> Tensor:
        units = shape[-1] // 3
        update = ops.log(self.uniform((units,), dtype=dtype))
        given = ops.concatenate([update, ops.zeros((2 * units,), dtype=dtype)])
        return ops.stack([given, ops.zeros_like(given)])


@keras.saving.register_keras_serializable("cadence")
class OpenForgetGate(keras.initializers.Initializer):
    """The bias [4U] that `keras.layers.LSTM` begins with: ones for the forget gate, zeros elsewhere."""

    def __call__(self, shape: tuple[int, ...], dtype: Any = None, **options: Any) -> Tensor:
        units = shape[0] // 4
        return ops.concatenate([ops.zeros(units, dtype), ops.ones(units, dtype), ops.zeros(2 * units, dtype)])
