"""A convolution, its bias, a ReLU and a max pooling, trained faster than as three layers of Keras; the same to the bit.

Bias and ReLU keep the order of numbers, so they may come after the pooling, on a fraction of the values. The gradient
of the pooling is written by hand: it goes to the first of the largest values in each window, at the place that the way
forward kept.

Shape legend: N frames, H height, W width, C channels, F filters; P pool size.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import keras
from keras import ops

from pipeline.layers.compiled import compiled

Tensor = Any


@keras.saving.register_keras_serializable("cadence")
class PooledConvolution(keras.layers.Layer):
    """`Conv2D(filters, kernel_size, activation="relu")` and `MaxPooling2D(pool_size)`, [N, H, W, C] -> [N, H', W', F].

    Weights are those of `keras.layers.Conv2D`: kernel [kernel_size, kernel_size, C, F], bias [F].
    """

    def __init__(self, filters: int, kernel_size: int, pool_size: int, **options: Any) -> None:
        super().__init__(**options)
        self.filters = filters
        self.kernel_size = kernel_size
        self.pool_size = pool_size

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        if min(self.compute_output_shape(input_shape)[1:3]) < 1:
            raise ValueError(
                f"frames of {input_shape[1]} x {input_shape[2]} are smaller than one window of pool_size "
                f"{self.pool_size} after a convolution of kernel_size {self.kernel_size}"
            )
        size = self.kernel_size
        self.kernel = self.add_weight(shape=(size, size, input_shape[-1], self.filters), name="kernel")
        self.bias = self.add_weight(shape=(self.filters,), initializer="zeros", name="bias")

    def call(self, inputs: Tensor) -> Tensor:
        convolved = ops.conv(inputs, self.kernel, padding="valid")
        return compiled(pooling(self.pool_size))(convolved, self.bias.value)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, int, int, int]:
        height, width = (((axis or 0) - self.kernel_size + 1) // self.pool_size for axis in input_shape[1:3])
        return (input_shape[0], height, width, self.filters)

    def get_config(self) -> dict[str, Any]:
        sizes = {"filters": self.filters, "kernel_size": self.kernel_size, "pool_size": self.pool_size}
        return {**super().get_config(), **sizes}


def pooled_convolutions(filters: list[int], kernel_size: int, pool_size: int, fast: bool) -> list[keras.layers.Layer]:
    """Convolutions with a pooling after each: ours, or the same in layers of Keras, which any ONNX runtime knows."""
    if fast:
        return [PooledConvolution(number, kernel_size, pool_size) for number in filters]
    pairs = [
        (keras.layers.Conv2D(number, kernel_size, activation="relu"), keras.layers.MaxPooling2D(pool_size))
        for number in filters
    ]
    return [layer for pair in pairs for layer in pair]


@cache
def pooling(size: int) -> Callable[[Tensor, Tensor], Tensor]:
    """A function of convolved frames [N, H, W, F] and the bias [F]: relu(largest of each window + bias)."""

    @ops.custom_gradient
    def pooled(convolved: Tensor, bias: Tensor) -> Tensor:
        largest, place = _largest(convolved, size)
        answer = ops.relu(largest + bias)

        def gradient(*arguments: Tensor, upstream: Tensor | None = None) -> tuple[Tensor, Tensor]:
            passed = ops.where(answer > 0, arguments[0] if upstream is None else upstream, 0)
            return _put_back(passed, place, size, convolved.shape), ops.sum(passed, axis=(0, 1, 2))

        return answer, gradient

    return pooled


def _largest(frames: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """The largest value of each window [N, H/P, W/P, F] and its place there, 0 to P * P - 1; the first, if several."""
    height, width = frames.shape[1] // size * size, frames.shape[2] // size * size
    largest = frames[:, :height:size, :width:size]
    place = ops.zeros_like(largest, dtype="int32")
    for candidate in range(1, size * size):
        row, column = divmod(candidate, size)
        value = frames[:, row:height:size, column:width:size]
        place = ops.where(value > largest, candidate, place)
        largest = ops.maximum(largest, value)
    return largest, place


def _put_back(values: Tensor, place: Tensor, size: int, shape: tuple[int | None, ...]) -> Tensor:
    """Each value at its place in its window, zeros elsewhere; rows and columns that filled no window are zeros too."""
    height, width, filters = values.shape[1:]
    places = ops.reshape(ops.arange(size * size, dtype="int32"), (1, 1, size, 1, size, 1))
    windows = ops.where(place[:, :, None, :, None] == places, values[:, :, None, :, None], 0)
    frames = ops.reshape(windows, (-1, height * size, width * size, filters))
    return ops.pad(frames, ((0, 0), (0, shape[1] - height * size), (0, shape[2] - width * size), (0, 0)))
