"""Layers of clips against those of Keras: outputs, gradients, any length, what is saved; and the vote of frames."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jax_process import run_on_jax

from pipeline.dataset import Array


def by_chance(*shape: int, seed: int = 1) -> Array:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def gradients(layer: Any, inputs: Array, upstream: Array) -> list[Array]:
    """Of the sum of outputs weighted with `upstream`, for the inputs and all weights."""
    import tensorflow as tf

    given = tf.constant(inputs)
    with tf.GradientTape() as tape:
        tape.watch(given)
        total = tf.reduce_sum(layer(given) * upstream)
    return [np.asarray(each) for each in tape.gradient(total, [given, *(w.value for w in layer.trainable_weights)])]


@pytest.mark.parametrize("steps", [1, 2, 5])
@pytest.mark.parametrize("kernel", [1, 2, 3, 5])
@pytest.mark.parametrize("size", [(6, 5), (2, 2), (3, 1)])  # the last two: all places in one LSTM
def test_a_convolutional_lstm_is_that_of_keras(keras: Any, steps: int, kernel: int, size: tuple[int, int]) -> None:
    from pipeline.layers.fast_conv_lstm import FastConvLSTM

    clips = by_chance(3, steps, *size, 2)
    ours, known = FastConvLSTM(4, kernel), keras.layers.ConvLSTM2D(4, kernel, padding="same")
    known.build(clips.shape)
    known.set_weights([by_chance(*weight.shape, seed=2) / 2 for weight in known.get_weights()])
    ours.build(clips.shape)
    ours.set_weights(known.get_weights())
    expected = np.asarray(known(clips))
    np.testing.assert_allclose(ours(clips), expected, atol=2e-6)
    assert tuple(ours.compute_output_shape(clips.shape)) == expected.shape
    upstream = by_chance(*expected.shape, seed=3)
    for found, wanted in zip(gradients(ours, clips, upstream), gradients(known, clips, upstream), strict=True):
        np.testing.assert_allclose(found, wanted, atol=2e-5)


@pytest.mark.parametrize("size", [(4, 3), (2, 2)])
def test_a_convolutional_lstm_reads_any_number_of_long_clips(keras: Any, size: tuple[int, int]) -> None:
    import tensorflow as tf

    from pipeline.layers.fast_conv_lstm import FastConvLSTM

    layer = FastConvLSTM(3, 3)
    layer.build((None, 20, *size, 2))
    compiled = tf.function(layer, input_signature=[tf.TensorSpec((None, 20, *size, 2))])
    for batch in (1, 4):
        clips = by_chance(batch, 20, *size, 2)
        np.testing.assert_allclose(compiled(clips), layer(clips), atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("size", [5, 2])
def test_the_convolutional_lstm_computes_the_same_on_jax(keras: Any, tmp_path: Path, size: int) -> None:
    from pipeline.layers.fast_conv_lstm import FastConvLSTM

    layer = FastConvLSTM(3, 3)
    layer.build((None, 4, size, size, 2))
    layer.set_weights([by_chance(*weight.shape, seed=2) / 2 for weight in layer.get_weights()])
    clips, upstream = by_chance(2, 4, size, size, 2), by_chance(2, size, size, 3, seed=3)
    np.savez(tmp_path / "given.npz", clips, upstream, *layer.get_weights())
    code = """
import jax, numpy as np
from pipeline.layers.fast_conv_lstm import FastConvLSTM
clips, upstream, *weights = np.load("{folder}/given.npz").values()
layer = FastConvLSTM(3, 3)
layer.build((None, 4, {size}, {size}, 2))
def answer(clips, *weights):
    others = [variable.value for variable in layer.non_trainable_variables]
    return layer.stateless_call(list(weights), others, clips)[0]
slopes = jax.grad(lambda *given: (answer(*given) * upstream).sum(), argnums=(0, 1, 2, 3))(clips, *weights)
np.savez("{folder}/found.npz", answer(clips, *weights), *slopes)
"""
    run_on_jax(code.format(folder=tmp_path, size=size))
    expected = [np.asarray(layer(clips)), *gradients(layer, clips, upstream)]
    for ours, wanted in zip(np.load(tmp_path / "found.npz").values(), expected, strict=True):
        np.testing.assert_allclose(ours, wanted, atol=2e-5)


@pytest.mark.parametrize("shape", [(2, 4, 6, 6, 2), (1, 5, 7, 5, 1), (2, 1, 3, 3, 3)])
@pytest.mark.parametrize("pool", [(1, 2, 2), (2, 2, 2)])
def test_a_pooled_convolution_over_space_and_time_is_that_of_keras(
    keras: Any, shape: tuple[int, ...], pool: tuple[int, int, int]
) -> None:
    from pipeline.layers.pooled_convolution_3d import PooledConvolution3D

    clips = by_chance(*shape)
    ours = PooledConvolution3D(4, 3, pool)
    known = keras.Sequential(
        [
            keras.layers.Conv3D(4, 3, padding="same", activation="relu"),
            keras.layers.MaxPooling3D(pool, padding="same"),
        ]
    )
    found, _ = ours(clips), known(clips)
    ours.bias.assign(by_chance(4, seed=2))
    known.set_weights(ours.get_weights())
    found, expected = np.asarray(ours(clips)), np.asarray(known(clips))
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert ours.compute_output_shape(clips.shape) == found.shape
    upstream = by_chance(*found.shape, seed=3)
    for one, wanted in zip(gradients(ours, clips, upstream), gradients(known, clips, upstream), strict=True):
        np.testing.assert_allclose(one, wanted, atol=1e-5)


def test_the_layers_survive_being_saved_in_a_model(keras: Any, tmp_path: Path) -> None:
    from pipeline.layers.fast_conv_lstm import FastConvLSTM
    from pipeline.layers.frame_vote import FrameVote
    from pipeline.layers.pooled_convolution_3d import PooledConvolution3D

    clip = keras.Input((4, 12, 12, 1))
    maps = PooledConvolution3D(2, 3, (1, 2, 2))(clip)
    state = FastConvLSTM(3, 3)(maps), FastConvLSTM(3, 7)(maps)  # the second reaches over a whole map
    frames = keras.Input((None, 5))
    for model, example in (
        (keras.Model(clip, keras.layers.Concatenate()(state)), by_chance(2, 4, 12, 12, 1)),
        (keras.Model(frames, FrameVote()(frames)), by_chance(2, 3, 5)),
    ):
        model.save(tmp_path / "model.keras")
        again = keras.models.load_model(tmp_path / "model.keras")
        np.testing.assert_array_equal(model.predict_on_batch(example), again.predict_on_batch(example))


def test_most_frames_decide_and_where_as_many_do_the_surest(keras: Any) -> None:
    from pipeline.layers.frame_vote import FrameVote

    clips = [
        [[0.6, 0.4, 0.0], [0.6, 0.4, 0.0], [0.0, 0.0, 1.0]],  # two weak votes against a strong one
        [[0.6, 0.4, 0.0], [0.1, 0.9, 0.0], [0.0, 0.1, 0.9]],  # one vote each: the mean of 1 is the largest
    ]
    found = np.asarray(FrameVote()(np.log(np.array(clips, np.float32) + 1e-9)))
    np.testing.assert_allclose(found[0], np.array([2 + 1.2 / 3, 0.8 / 3, 1 + 1 / 3]) / 4, atol=1e-6)
    assert found[1].argmax() == 1
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)


def test_no_frame_learns_from_another(keras: Any) -> None:
    """The loss of the vote in training is the mean of those of the frames alone, and so is each gradient."""
    import tensorflow as tf
    from keras import ops

    from pipeline.layers.frame_vote import FrameVote, VoteCrossEntropy

    logits = tf.constant(by_chance(2, 3, 4))
    targets = np.array([1, 3])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = VoteCrossEntropy(0.1)(targets, FrameVote()(ops.log_softmax(logits), training=True))
    alone = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1)
    with tf.GradientTape() as other:
        other.watch(logits)
        each = alone(np.eye(4, dtype=np.float32)[np.repeat(targets, 3)], tf.reshape(logits, (-1, 4)))
    np.testing.assert_allclose(loss, each, rtol=1e-6)
    np.testing.assert_allclose(tape.gradient(loss, logits), other.gradient(each, logits), atol=1e-7)
