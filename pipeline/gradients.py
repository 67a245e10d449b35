"""How large the gradient is that reaches each step of a sequence: does it vanish on its way back, or explode?

Hochreiter, *Untersuchungen zu dynamischen neuronalen Netzen* (1991); Pascanu et al., *On the difficulty of training
recurrent neural networks* (2013). Importing this file imports no Keras; its functions do.

Shape legend: B batch, T time steps, F features.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.dataset import Array

if TYPE_CHECKING:
    import keras


def through_time(model: "keras.Model", loss: Any, inputs: Array, targets: Array) -> tuple[Array, float]:
    """Norms [T] of the gradient of the loss in the inputs [B, T, F] of each step, and the norm in the weights."""
    import keras

    gradient = _with_jax if keras.backend.backend() == "jax" else _with_tensorflow
    of_inputs, of_weights = gradient(model, loss, inputs, targets)
    by_step = np.sqrt((np.nan_to_num(of_inputs).astype(np.float64) ** 2).sum(axis=(0, 2)))
    return by_step, float(np.sqrt(sum((np.asarray(each, dtype=np.float64) ** 2).sum() for each in of_weights)))


def rows(when: str, by_step: Array, of_weights: float, clip_norm: float | None) -> list[dict[str, Any]]:
    """One row for each step: its norm, and what clipping the norm of the weights' gradient leaves of it."""
    kept = 1.0 if clip_norm is None or of_weights <= clip_norm else clip_norm / of_weights
    return [
        {"when": when, "step": step + 1, "norm": f"{norm:.6g}", "clipped": f"{norm * kept:.6g}"}
        for step, norm in enumerate(by_step)
    ]


def _with_tensorflow(model: "keras.Model", loss: Any, inputs: Array, targets: Array) -> tuple[Array, list[Any]]:
    import tensorflow as tf

    given = tf.constant(inputs)
    with tf.GradientTape() as tape:
        tape.watch(given)
        total = loss(tf.constant(targets), model(given))
    weights = [weight.value for weight in model.trainable_weights]
    of_inputs, *of_weights = tape.gradient(total, [given, *weights])
    return of_inputs.numpy(), [tf.convert_to_tensor(each).numpy() for each in of_weights]


def _with_jax(model: "keras.Model", loss: Any, inputs: Array, targets: Array) -> tuple[Array, list[Any]]:
    import jax

    fixed = [weight.value for weight in model.non_trainable_variables]

    def total(given: Any, weights: list[Any]) -> Any:
        return loss(targets, model.stateless_call(weights, fixed, given)[0])

    weights = [weight.value for weight in model.trainable_weights]
    of_inputs, of_weights = jax.grad(total, argnums=(0, 1))(inputs, weights)
    return np.asarray(of_inputs), of_weights
