"""What is done to images inside the network: by chance in training and there alone, and by the training split."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from found import VARIANTS

from pipeline.layers.image_input import ImageInput
from pipeline.models import cnn, cnn_lstm, residual_cnn
from pipeline.network import network_spec
from pipeline.stages.export import write_graph
from pipeline.views import ExampleSpec
from pipeline.views.pictures import channels_of

SPEC = ExampleSpec((8, 8, 3), num_outputs=4, channels=((0.2, 0.1), (0.5, 0.25), (0.8, 0.0)))
RANDOM = np.random.default_rng(5)
IMAGES = RANDOM.random((64, 8, 8, 3)).astype(np.float32)


def prepared(keras: Any, seed: int = 1, **options: Any) -> Any:
    keras.utils.set_random_seed(seed)
    image = keras.Input(SPEC.input_shape)
    return keras.Model(image, ImageInput(**options).prepared(image, SPEC))


def test_channels_are_those_of_all_pixels() -> None:
    images = RANDOM.integers(0, 256, (20, 3, 4, 3), dtype=np.uint8)
    found = np.array(channels_of(images))
    np.testing.assert_allclose(found[:, 0], images.mean(axis=(0, 1, 2)) / 255, rtol=1e-12)
    np.testing.assert_allclose(found[:, 1], images.std(axis=(0, 1, 2)) / 255, rtol=1e-12)
    assert len(channels_of(images[..., 0])) == 1
    clips = images.reshape(5, 4, 3, 4, 3)
    np.testing.assert_allclose(channels_of(clips), found, rtol=1e-12)


def test_a_network_knows_the_channels_of_the_training_split_alone() -> None:
    case = next(case for case in VARIANTS if case.block.dataset == "coloured_shapes")
    found = network_spec(case.view, case.dataset, case.block.training).channels
    assert found == channels_of(case.dataset.split("train")["x"]) != channels_of(case.dataset.split("test")["x"])


def test_channels_are_brought_to_mean_0_and_spread_1(keras: Any) -> None:
    found = np.asarray(prepared(keras, standardize=True)(IMAGES))
    expected = (IMAGES - [0.2, 0.5, 0.8]) / [0.1, 0.25, 1.0]  # a channel that is the same everywhere is left as wide
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("formulation", ["folded", "layers", "whole"])
def test_frames_are_standardized_as_images_are(keras: Any, formulation: str) -> None:
    """A network that does it answers as one does that is given standardized frames."""
    spec = replace(SPEC, input_shape=(5, *SPEC.input_shape))
    parameters = cnn_lstm.Parameters(filters=[3], kernel_size=2, pool_size=2, units=4, formulation=formulation)
    plain, own = (
        cnn_lstm.build(parameters.model_copy(update={"standardize": standardize}), spec)
        for standardize in (False, True)
    )
    own.set_weights(plain.get_weights())
    clips = RANDOM.random((6, *spec.input_shape)).astype(np.float32)
    given = ((clips - [0.2, 0.5, 0.8]) / [0.1, 0.25, 1.0]).astype(np.float32)
    np.testing.assert_allclose(own.predict_on_batch(clips), plain.predict_on_batch(given), atol=1e-5)


def test_frames_that_are_drawn_for_each_batch_cannot_be_standardized() -> None:
    parameters = cnn_lstm.Parameters(filters=[3], kernel_size=2, pool_size=2, units=4, standardize=True)
    with pytest.raises(ValueError, match="standardize is true, and these frames are no stored pixels; allowed: false"):
        cnn_lstm.build(parameters, ExampleSpec((5, 8, 8, 3), num_outputs=4))


def test_without_training_nothing_is_done_by_chance(keras: Any) -> None:
    model = prepared(keras, flip=True, rotation=25, shift=0.2)
    np.testing.assert_array_equal(np.asarray(model(IMAGES)), IMAGES)
    np.testing.assert_array_equal(np.asarray(model(IMAGES, training=False)), IMAGES)
    assert not np.allclose(np.asarray(model(IMAGES, training=True)), IMAGES)


def test_half_of_the_images_are_mirrored(keras: Any) -> None:
    found = np.asarray(prepared(keras, flip=True)(IMAGES, training=True))
    kept = (found == IMAGES).all(axis=(1, 2, 3))
    mirrored = (found == IMAGES[:, :, ::-1]).all(axis=(1, 2, 3))
    assert (kept ^ mirrored).all() and 20 <= kept.sum() <= 44


def test_images_are_turned_no_further_than_asked_and_to_either_side(keras: Any) -> None:
    """A bright spot at the right edge goes up or down by the sine of the turn."""
    column, rows = 14, np.arange(16)
    spot = np.zeros((400, 16, 16, 1), np.float32)
    spot[:, 7:9, column] = 1
    image = keras.Input((16, 16, 1))
    keras.utils.set_random_seed(1)
    model = keras.Model(image, ImageInput(rotation=25).prepared(image, SPEC))
    found = np.asarray(model(spot, training=True))[..., 0]
    height = (found * rows[None, :, None]).sum(axis=(1, 2)) / found.sum(axis=(1, 2)) - 7.5
    furthest = (column - 7.5) * np.sin(np.deg2rad(25))
    assert abs(height).max() < furthest + 0.3
    assert height.max() > 0.9 * furthest and height.min() < -0.9 * furthest


def test_images_are_shifted_by_their_share(keras: Any) -> None:
    found = np.asarray(prepared(keras, shift=0.25)(np.repeat(IMAGES[:1], 300, axis=0), training=True))
    ramp = np.broadcast_to(np.arange(8, dtype=np.float32)[:, None, None], (300, 8, 8, 3))
    moved = np.asarray(prepared(keras, shift=0.25)(ramp, training=True))[:, 3:5, 4, 0].mean(axis=1) - 3.5
    assert abs(moved).max() <= 2 + 1e-5 and moved.max() > 1.5 and moved.min() < -1.5
    assert found.shape == (300, 8, 8, 3) and found.min() >= IMAGES[0].min() - 1e-6  # the edge goes on, and no black


def test_the_seed_decides_what_chance_does(keras: Any) -> None:
    first, again, other = (
        np.asarray(prepared(keras, seed, flip=True, rotation=25, shift=0.1)(IMAGES, training=True))
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("architecture", [cnn, residual_cnn])
def test_the_export_does_nothing_by_chance(keras: Any, architecture: Any, tmp_path: Path) -> None:
    network: dict[str, Any] = {"filters": [4, 4], "dropout": 0.5, "standardize": True, "flip": True, "rotation": 25}
    if architecture is cnn:
        network |= {"kernel_size": 3, "dense": 8}
    model = architecture.build(architecture.Parameters(**network), SPEC)
    write_graph(model, tmp_path / "model.onnx", "probability")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    nodes = {node.op_type for node in onnx.load(tmp_path / "model.onnx").graph.node}
    assert not {name for name in nodes if name.startswith("Random") or name == "Bernoulli"}
    (name,) = [given.name for given in session.get_inputs()]
    found = session.run(None, {name: IMAGES})[0]
    np.testing.assert_allclose(found, np.asarray(model(IMAGES)), atol=1e-5)
    np.testing.assert_array_equal(found, session.run(None, {name: IMAGES})[0])


def test_the_published_network_has_as_many_weights_as_counted_by_hand(keras: Any) -> None:
    parameters = cnn.Parameters(filters=[32, 64], convolutions=[1, 2], kernel_size=3, dense=512, dropout=0.5)
    model = cnn.build(parameters, ExampleSpec((32, 32, 3), num_outputs=10))
    convolutions = (3 * 9 + 1) * 32 + (32 * 9 + 1) * 64 + (64 * 9 + 1) * 64
    assert model.count_params() == convolutions + (8 * 8 * 64 + 1) * 512 + (512 + 1) * 10
    assert sum("pooling" in layer.name for layer in model.layers) == 2
