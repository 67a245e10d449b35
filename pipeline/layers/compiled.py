"""Compile one function by XLA where the backend would run it operation by operation."""

from collections.abc import Callable
from functools import cache
from typing import Any

import keras


@cache
def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, compiled once on TensorFlow; elsewhere Keras compiles the whole training step anyway."""
    return traced(function, jit_compile=True)


def compiled_way(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same of one way, forward or back, of what has its gradient by hand: nothing else looks for one inside it.

    TensorFlow would, where such a function holds a loop, was compiled for any number of steps, and is called eagerly.
    """
    graph = compiled(function)
    return lambda *given: graph(*(keras.ops.stop_gradient(each) for each in given))


def traced(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    """`function` as one graph on TensorFlow, for what no training step holds."""
    if keras.backend.backend() != "tensorflow":
        return function
    import tensorflow as tf

    graph: Callable[..., Any] = tf.function(function, **options)
    return graph
