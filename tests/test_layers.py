"""Our layers against those of Keras that compute the same thing."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jax_process import run_on_jax

from pipeline.dataset import Array

# batch, steps, features, units
SIZES = [(1, 1, 1, 1), (2, 3, 4, 5), (5, 7, 3, 2), (3, 20, 1, 16), (4, 1, 6, 3)]
# frames, height, width, channels, filters; kernel size, pool size
FEW_TAPS = [
    (2, 6, 7, 1, 2, 2, 2),
    (3, 5, 5, 3, 4, 1, 1),
    (4, 11, 9, 2, 3, 3, 3),
    (1, 4, 4, 1, 1, 4, 1),
    (2, 7, 8, 3, 2, 3, 2),
]
MANY_TAPS = [(2, 6, 7, 4, 3, 3, 2), (3, 9, 8, 2, 2, 4, 3)]


def outputs_and_gradients(layer: Any, weights: list[Array], inputs: Array, upstream: Array) -> list[Array]:
    """Outputs, then the gradients of sum(outputs * upstream) in the inputs and in all weights, on either backend."""
    import keras

    layer.build(inputs.shape)
    layer.set_weights(weights)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            given = tf.constant(inputs)
            tape.watch(given)
            outputs = layer(given)
            total = tf.reduce_sum(outputs * upstream)
        found = tape.gradient(total, [given, *(weight.value for weight in layer.trainable_weights)])
        return [np.asarray(value) for value in (outputs, *found)]
    import jax

    def total_of(given: Any, values: list[Any]) -> Any:
        outputs, _ = layer.stateless_call(values, [v.value for v in layer.non_trainable_variables], given)
        return (outputs * upstream).sum(), outputs

    values = [weight.value for weight in layer.trainable_weights]
    (_, outputs), (of_inputs, of_weights) = jax.value_and_grad(total_of, argnums=(0, 1), has_aux=True)(inputs, values)
    return [np.asarray(value) for value in (outputs, of_inputs, *of_weights)]


def compare_with_keras(size: tuple[int, int, int, int], return_sequences: bool) -> None:
    import keras

    from pipeline.layers.fast_lstm import FastLSTM

    batch, steps, features, units = size
    rng = np.random.default_rng(sum(size))
    shapes = [(batch, steps, features), (batch, steps, units) if return_sequences else (batch, units)]
    inputs, upstream = (rng.normal(size=shape).astype(np.float32) for shape in shapes)
    weights = [rng.normal(size=shape).astype(np.float32) * 0.5 for shape in ((features, 4 * units), (units, 4 * units))]
    weights.append(rng.normal(size=4 * units).astype(np.float32))
    fast, known = (kind(units, return_sequences=return_sequences) for kind in (FastLSTM, keras.layers.LSTM))
    found = outputs_and_gradients(fast, weights, inputs, upstream)
    expected = outputs_and_gradients(known, weights, inputs, upstream)
    assert len(found) == len(expected) == 5 and found[0].shape == fast.compute_output_shape(inputs.shape)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


def compare_convolution_with_keras(size: tuple[int, ...]) -> None:
    import keras

    from pipeline.layers.pooled_convolution import PooledConvolution

    frames, height, width, channels, filters, kernel_size, pool_size = size
    rng = np.random.default_rng(sum(size))
    # Few values, so that windows hold their largest value more than once: the gradient is due to the first.
    inputs = rng.integers(0, 2, (frames, height, width, channels)).astype(np.float32)
    kernel = rng.integers(-1, 2, (kernel_size, kernel_size, channels, filters)).astype(np.float32)
    weights = [kernel, rng.normal(size=filters).astype(np.float32)]
    ours = PooledConvolution(filters, kernel_size, pool_size)
    theirs = keras.Sequential(
        [keras.layers.Conv2D(filters, kernel_size, activation="relu"), keras.layers.MaxPooling2D(pool_size)]
    )
    upstream = rng.normal(size=(frames, *ours.compute_output_shape(inputs.shape)[1:])).astype(np.float32)
    found = outputs_and_gradients(ours, weights, inputs, upstream)
    expected = outputs_and_gradients(theirs, weights, inputs, upstream)
    np.testing.assert_array_equal(found[0], expected[0])
    for mine, known in zip(found, expected, strict=True):
        np.testing.assert_allclose(mine, known, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("size", FEW_TAPS + MANY_TAPS, ids=str)
def test_pooled_convolution_computes_what_two_layers_of_keras_compute(keras: Any, size: tuple[int, ...]) -> None:
    compare_convolution_with_keras(size)


@pytest.mark.parametrize(("size", "computed"), [(FEW_TAPS[0], False), (MANY_TAPS[0], True)])
def test_of_few_taps_a_compiled_step_computes_no_convolution(
    keras: Any, monkeypatch: pytest.MonkeyPatch, size: tuple[int, ...], computed: bool
) -> None:
    """It is in the graph for its gradient, and TensorFlow leaves out what nobody reads."""
    import tensorflow as tf

    from pipeline.layers.pooled_convolution import PooledConvolution

    seen: list[Any] = []
    convolve = keras.ops.conv

    @tf.custom_gradient
    def probed(convolved: Any) -> Any:
        passed = tf.numpy_function(lambda values: seen.append(1) or values, [convolved], tf.float32, stateful=False)
        return tf.ensure_shape(passed, convolved.shape), lambda above: above

    monkeypatch.setattr(keras.ops, "conv", lambda *given, **options: probed(convolve(*given, **options)))
    frames, height, width, channels, *sizes = size
    layer = PooledConvolution(*sizes)
    layer.build((None, height, width, channels))

    @tf.function
    def step(inputs: Any) -> Any:
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(layer(inputs) ** 2)
        return tape.gradient(total, [weight.value for weight in layer.trainable_weights])

    gradients = step(tf.ones((frames, height, width, channels)))
    assert all(np.isfinite(gradient).all() for gradient in gradients)
    assert bool(seen) == computed


def test_pooled_convolution_refuses_frames_smaller_than_a_window(keras: Any) -> None:
    from pipeline.layers.pooled_convolution import PooledConvolution

    with pytest.raises(ValueError, match="frames of 5 x 5 are smaller than one window of pool_size 4 after"):
        PooledConvolution(2, 3, 4).build((None, 5, 5, 1))


@pytest.mark.parametrize("return_sequences", [False, True])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_fast_lstm_computes_what_keras_lstm_computes(
    keras: Any, size: tuple[int, int, int, int], return_sequences: bool
) -> None:
    compare_with_keras(size, return_sequences)


def test_both_do_so_on_jax_too() -> None:
    code = (
        "import test_layers as t; [t.compare_with_keras(size, b) for size in t.SIZES[1:3] for b in (False, True)]; "
        "[t.compare_convolution_with_keras(size) for size in t.FEW_TAPS + t.MANY_TAPS]"
    )
    run_on_jax(code)


def test_a_fresh_fast_lstm_begins_as_a_fresh_keras_lstm_does(keras: Any) -> None:
    from pipeline.layers.fast_lstm import FastLSTM

    fast, known = FastLSTM(6), keras.layers.LSTM(6)
    for layer in (fast, known):
        layer.build((None, None, 4))
    assert [w.shape for w in fast.weights] == [w.shape for w in known.weights]
    _, recurrent, bias = fast.get_weights()
    np.testing.assert_allclose(recurrent @ recurrent.T, np.eye(6), atol=1e-5)
    np.testing.assert_array_equal(bias, known.get_weights()[2])


def frame_layers(keras: Any) -> list[Any]:
    return [keras.layers.Conv2D(3, 2, activation="relu"), keras.layers.MaxPooling2D(2), keras.layers.Flatten()]


@pytest.mark.parametrize("steps", [1, 4])
def test_per_frame_computes_what_time_distributed_computes(keras: Any, steps: int) -> None:
    from pipeline.layers.per_frame import PerFrame

    clips = np.random.default_rng(1).normal(size=(2, steps, 7, 6, 2)).astype(np.float32)
    folded = PerFrame(frame_layers(keras))
    one_by_one = keras.layers.TimeDistributed(keras.Sequential(frame_layers(keras)))
    found, _ = folded(clips), one_by_one(clips)
    one_by_one.set_weights(folded.get_weights())
    np.testing.assert_allclose(found, one_by_one(clips), atol=1e-6)
    assert found.shape == folded.compute_output_shape(clips.shape) == (2, steps, 3 * 3 * 2)


def test_per_frame_drops_features_in_training_only(keras: Any) -> None:
    from pipeline.layers.per_frame import PerFrame

    layer = PerFrame([keras.layers.Flatten(), keras.layers.Dropout(0.5, seed=1)])
    ones = np.ones((2, 3, 8, 8, 1), np.float32)
    assert set(np.unique(layer(ones))) == {1.0}
    assert set(np.unique(layer(ones, training=True))) == {0.0, 2.0}


def test_layers_survive_being_saved_in_a_model(keras: Any, tmp_path: Path) -> None:
    from pipeline.layers.carried_lstm import CarriedLSTM
    from pipeline.layers.fast_lstm import FastLSTM
    from pipeline.layers.per_frame import PerFrame
    from pipeline.layers.pooled_convolution import PooledConvolution

    clip = keras.Input((None, 5, 5, 1))
    features = PerFrame([PooledConvolution(3, 2, 2), keras.layers.Flatten()])(clip)
    clips = keras.Model(clip, FastLSTM(4, return_sequences=True)(features))
    given = [keras.Input(batch_shape=(2, 3, 4)), keras.Input(batch_shape=(2, 1))]
    carried = keras.Model(given, CarriedLSTM(5, batch_size=2)(given))
    rng = np.random.default_rng(2)
    examples = [rng.normal(size=(2, 3, 5, 5, 1)), [rng.normal(size=(2, 3, 4)), np.ones((2, 1))]]
    for model, example in zip((clips, carried), examples, strict=True):
        model.save(tmp_path / "model.keras")
        again = keras.models.load_model(tmp_path / "model.keras")
        np.testing.assert_array_equal(model.predict_on_batch(example), again.predict_on_batch(example))
