"""Compile one function by XLA where the backend would run it operation by operation."""

from collections.abc import Callable
from functools import cache
from typing import Any

import keras


@cache
def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, compiled once on TensorFlow; elsewhere Keras compiles the whole training step anyway."""
    if keras.backend.backend() != "tensorflow":
        return function
    import tensorflow as tf

    compiled_function: Callable[..., Any] = tf.function(function, jit_compile=True)
    return compiled_function
