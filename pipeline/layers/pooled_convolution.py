"""A convolution, its bias, a ReLU and a max pooling, trained faster than as three layers of Keras.

Bias and ReLU keep the order of numbers, so they may come after the pooling, on a fraction of the values. The gradient
of the pooling is written by hand: it goes to the first of the largest values in each window, at the place that the way
forward kept. A convolution of few taps is written out and compiled together with the pooling, so that what it finds
never lies in memory: the same as Keras' to rounding, of more taps to the bit.

Shape legend: N frames, H height, W width, C channels, F filters; K kernel size, P pool size.
"""

import itertools
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import keras
from keras import ops

from pipeline.layers.compiled import compiled_way

Tensor = Any
MOST_TAPS = 27  # 3 x 3 of three channels: of more, libraries of convolutions are faster


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
        few_taps = self.kernel_size**2 * inputs.shape[-1] <= MOST_TAPS
        given = (ops.stop_gradient(each) for each in (inputs, self.kernel.value))
        return pooling(self.pool_size, few_taps)(convolved, self.bias.value, *given)

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
def pooling(size: int, few_taps: bool) -> Callable[..., Tensor]:
    """A function of convolved frames [N, H, W, F], the bias [F], and the frames and the kernel that they came from.

    It gives relu(largest of each window + bias). With few taps the convolved frames are there for their gradient alone,
    and nobody computes them.
    """

    @ops.custom_gradient
    def pooled(convolved: Tensor, bias: Tensor, frames: Tensor, kernel: Tensor) -> Tensor:
        if few_taps:
            answer, place = compiled_way(_written_out(size))(frames, kernel, bias)
        else:
            answer, place = compiled_way(_strongest(size))(convolved, bias)

        def gradient(*arguments: Tensor, upstream: Tensor | None = None) -> tuple[Tensor, ...]:
            above = arguments[0] if upstream is None else upstream
            back = compiled_way(_put_back(size, convolved.shape[1:3]))(above, answer, place)
            return (*back, ops.zeros_like(frames), ops.zeros_like(kernel))

        return answer, gradient

    return pooled


@cache
def _strongest(size: int) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """A function of convolved frames and the bias: the answer, and the place of the largest value in each window."""

    def forward(convolved: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        height, width = (axis // size * size for axis in convolved.shape[1:3])
        places = itertools.product(range(size), repeat=2)
        largest, place = _largest(convolved[:, row:height:size, column:width:size] for row, column in places)
        return ops.relu(largest + bias), place

    return forward


@cache
def _written_out(size: int) -> Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]:
    """The same of frames [N, H, W, C], the kernel [K, K, C, F] and the bias [F]."""

    def forward(frames: Tensor, kernel: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        reach, _, channels, _ = kernel.shape
        height, width = ((axis - reach + 1) // size * size for axis in frames.shape[1:3])

        def convolved(row: int, column: int) -> Tensor:
            """What the convolution finds at this place of each window."""
            found = ops.zeros((), frames.dtype)
            for y, x, channel in itertools.product(range(reach), range(reach), range(channels)):
                rows = slice(row + y, row + y + height, size)
                columns = slice(column + x, column + x + width, size)
                found = found + frames[:, rows, columns, channel, None] * kernel[y, x, channel]
            return found

        largest, place = _largest(itertools.starmap(convolved, itertools.product(range(size), repeat=2)))
        return ops.relu(largest + bias), place

    return forward


def _largest(values: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """The largest of each window's values [N, H/P, W/P, F], and its place, 0 to P * P - 1: the first, if several."""
    largest, *others = values
    place = ops.zeros_like(largest, dtype="int32")
    for candidate, value in enumerate(others, 1):
        place = ops.where(value > largest, candidate, place)
        largest = ops.maximum(largest, value)
    return largest, place


@cache
def _put_back(size: int, shape: tuple[int, int]) -> Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]:
    """A function of the answer's gradient, the answer and the places: gradients of the convolved frames and the bias.

    Each value is put at its place in its window, zeros elsewhere; rows and columns that filled no window are zeros too.
    """

    def backward(above: Tensor, answer: Tensor, place: Tensor) -> tuple[Tensor, Tensor]:
        passed = ops.where(answer > 0, above, 0)
        height, width, filters = passed.shape[1:]
        places = ops.reshape(ops.arange(size * size, dtype="int32"), (1, 1, size, 1, size, 1))
        windows = ops.where(place[:, :, None, :, None] == places, passed[:, :, None, :, None], 0)
        frames = ops.reshape(windows, (-1, height * size, width * size, filters))
        rest = (0, shape[0] - height * size), (0, shape[1] - width * size)
        return ops.pad(frames, ((0, 0), *rest, (0, 0))), ops.sum(passed, axis=(0, 1, 2))

    return backward
