"""A convolution over space and time, its bias, a ReLU and a max pooling, trained faster than as layers of Keras.

Bias and ReLU keep the order of numbers, so they come after the pooling, on a fraction of the values.
"""

from typing import Any

import keras
from keras import ops

Tensor = Any


@keras.saving.register_keras_serializable("cadence")
class PooledConvolution3D(keras.layers.Layer):
    """`Conv3D(filters, kernel_size, padding="same", activation="relu")` and `MaxPooling3D(pool_size, padding="same")`.

    Maps [B, T, H, W, C] to [B, T', H', W', F], for any T; what does not fill a window makes a smaller one. Weights are
    those of `keras.layers.Conv3D`: kernel [kernel_size, kernel_size, kernel_size, C, F], bias [F].
    """

    def __init__(self, filters: int, kernel_size: int, pool_size: tuple[int, int, int], **options: Any) -> None:
        super().__init__(**options)
        self.filters = filters
        self.kernel_size = kernel_size
        self.pool_size = tuple(pool_size)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        shape = (*[self.kernel_size] * 3, input_shape[-1], self.filters)
        self.kernel = self.add_weight(shape=shape, name="kernel")
        self.bias = self.add_weight(shape=(self.filters,), initializer="zeros", name="bias")

    def call(self, inputs: Tensor) -> Tensor:
        convolved = ops.cast(ops.conv(inputs, self.kernel, padding="same"), "float32")  # CPUs pool no half numbers
        pooled = ops.max_pool(convolved, self.pool_size, padding="same")
        return ops.relu(ops.cast(pooled, self.compute_dtype) + self.bias)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        places = zip(input_shape[1:4], self.pool_size, strict=True)
        return (input_shape[0], *(None if axis is None else -(-axis // size) for axis, size in places), self.filters)

    def get_config(self) -> dict[str, Any]:
        sizes = {"filters": self.filters, "kernel_size": self.kernel_size, "pool_size": self.pool_size}
        return {**super().get_config(), **sizes}
