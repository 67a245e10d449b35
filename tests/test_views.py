"""Each view on answers written out by hand, and what it takes from a user."""

import numpy as np
import pytest
from found import VARIANTS, Case, label

from pipeline.dataset import Arrays, Description
from pipeline.errors import UserError
from pipeline.views import VIEWS, open_view

CLIPS = Description(text="clips", layout="arrival_times", classes=["a", "b"], num_steps=3)
IMAGES = Description(text="images", layout="images", classes=["a", "b", "c"])
SYMBOLS = Description(text="symbols", layout="symbols", vocabulary=["p", "q", "r"])

ARRIVAL = np.array([[[0, 3], [1, 2]]], dtype=np.uint8)
# Sixteen pixels in their order: quadrant 0 is 0 1 4 5, quadrant 1 is 2 3 6 7, then 8 9 12 13 and 10 11 14 15.
LABELLED = np.arange(16, dtype=np.uint8).reshape(1, 4, 4)
SEQUENCES = np.array([[2, 0, 1, 2], [1, 0, 1, 1]], dtype=np.uint8)

STORED: dict[str, tuple[Description, Arrays]] = {
    "frames": (CLIPS, {"x": np.repeat(ARRIVAL, 3, 0), "y": np.array([0, 1, 1], np.uint8)}),
    "images": (IMAGES, {"x": np.arange(48, dtype=np.uint8).reshape(3, 4, 4) * 5, "y": np.array([0, 1, 2], np.uint8)}),
    "quadrants": (IMAGES, {"x": np.arange(48, dtype=np.uint8).reshape(3, 4, 4), "y": np.array([2, 1, 2], np.uint8)}),
    "one_hot": (SYMBOLS, {"x": SEQUENCES}),
}
every_view = pytest.mark.parametrize("name", VIEWS)


def test_frames_show_a_pixel_from_its_arrival_on() -> None:
    clip = VIEWS["frames"].inputs({"x": ARRIVAL}, CLIPS)
    assert clip.shape == (1, 3, 2, 2, 1) and clip.dtype == np.float32
    assert clip[0, ..., 0].tolist() == [[[1, 0], [0, 0]], [[1, 0], [1, 0]], [[1, 0], [1, 1]]]
    assert VIEWS["frames"].spec(CLIPS, (2, 2)).input_shape == (3, 2, 2, 1)


def test_images_lie_between_0_and_1() -> None:
    pixels = np.array([[[0, 51], [102, 255]]], dtype=np.uint8)
    found = VIEWS["images"].inputs({"x": pixels}, IMAGES)
    assert found.shape == (1, 2, 2, 1) and found.dtype == np.float32
    np.testing.assert_allclose(found[0, ..., 0], [[0, 0.2], [0.4, 1]], rtol=1e-6)
    coloured = np.stack([pixels, pixels // 2, pixels], axis=-1)
    assert VIEWS["images"].inputs({"x": coloured}, IMAGES).shape == (1, 2, 2, 3)
    assert VIEWS["images"].spec(IMAGES, (2, 2, 3)).input_shape == (2, 2, 3)


def test_quadrants_are_read_in_four_orders_side_by_side() -> None:
    found = np.rint(VIEWS["quadrants"].inputs({"x": LABELLED}, IMAGES) * 255).astype(int)
    assert found.shape == (1, 4, 8, 2, 1)
    quadrant = {0: [[0, 1], [4, 5]], 1: [[2, 3], [6, 7]], 2: [[8, 9], [12, 13]], 3: [[10, 11], [14, 15]]}
    orders = [(0, 1, 2, 3), (3, 2, 1, 0), (0, 2, 1, 3), (3, 1, 2, 0)]
    for step in range(4):
        expected = [row for order in orders for row in quadrant[order[step]]]
        assert found[0, step, ..., 0].tolist() == expected


def test_one_hot_targets_are_the_symbols_that_follow() -> None:
    arrays = {"x": SEQUENCES}
    inputs, targets = VIEWS["one_hot"].inputs(arrays, SYMBOLS), VIEWS["one_hot"].targets(arrays, SYMBOLS)
    assert inputs[0].tolist() == [[0, 0, 1], [1, 0, 0], [0, 1, 0]]
    assert targets.tolist() == [[0, 1, 2], [0, 1, 1]]
    assert (inputs.dtype, targets.dtype) == (np.float32, np.int32)


@every_view
def test_what_a_user_gives_becomes_what_was_trained_on(name: str) -> None:
    description, arrays = STORED[name]
    view, shape = VIEWS[name], arrays["x"].shape[1:]
    inputs, given = view.inputs(arrays, description), view.as_given(arrays, description)
    spec = view.spec(description, shape)
    assert all(want in (None, found) for want, found in zip(spec.input_shape, inputs.shape[1:], strict=True))
    np.testing.assert_array_equal(view.accept(given, description, shape), inputs)
    np.testing.assert_array_equal(view.accept(given[0], description, shape), inputs[:1])
    assert view.raw_rank(shape, given[0].shape) == given[0].ndim
    assert view.accept(given, description, shape).dtype == np.float32


@pytest.mark.parametrize("case", VARIANTS, ids=label)
def test_stored_examples_of_every_dataset_can_be_given_again(case: Case) -> None:
    arrays, card = case.examples(5), case.dataset.card
    inputs = case.view.inputs(arrays, card)
    np.testing.assert_array_equal(
        case.view.accept(case.view.as_given(arrays, card), card, card.example_shape()), inputs
    )
    targets = case.view.targets(arrays, card)
    assert targets.dtype == np.int32 and len(targets) == len(inputs)
    assert targets.min() >= 0 and targets.max() < case.spec.num_classes


def test_other_forms_of_the_same_example_are_accepted() -> None:
    frames, images = VIEWS["frames"], VIEWS["images"]
    clip = frames.inputs({"x": ARRIVAL}, CLIPS)
    np.testing.assert_array_equal(frames.accept(clip, CLIPS, (2, 2)), clip)
    assert frames.accept(np.zeros((7, 2, 2)), CLIPS, (2, 2)).shape == (1, 7, 2, 2, 1)
    pixels = LABELLED * 17
    expected = images.inputs({"x": pixels}, IMAGES)
    np.testing.assert_allclose(images.accept(pixels / 255, IMAGES, (4, 4)), expected, atol=1e-7)
    np.testing.assert_array_equal(images.accept(pixels[..., None], IMAGES, (4, 4)), expected)
    np.testing.assert_array_equal(images.accept(pixels.astype(float), IMAGES, (4, 4)), expected)


@pytest.mark.parametrize(
    ("name", "raw", "message"),
    [
        ("frames", np.zeros((3, 2, 5)), r"\[3, 2, 5\].*allowed: numbers \[any x 2 x 2\]"),
        ("frames", np.full((3, 2, 2), np.nan), "NaN or infinity"),
        ("images", np.zeros((4, 5)), r"allowed: numbers \[4 x 4\]"),
        ("images", np.full((4, 4), np.inf), "NaN or infinity"),
        ("images", np.full((4, 4), 256), "pixel values from 256 to 256; allowed: 0 to 255"),
        ("images", np.full((4, 4), -1), "pixel values from -1"),
        ("quadrants", np.full((2, 4, 4), 300.0), "allowed: 0 to 255"),
        ("images", np.full((4, 4), "a"), "allowed: numbers"),
        ("one_hot", np.array([0, 3]), "allowed: integers 0 to 2"),
        ("one_hot", np.array([-1, 0]), "allowed: integers 0 to 2"),
        ("one_hot", np.array([0.5, 1]), "allowed: integers"),
        ("one_hot", np.zeros((2, 2, 2), int), r"allowed: numbers \[any\]"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_is_allowed(name: str, raw: np.ndarray, message: str) -> None:
    description, arrays = STORED[name]
    with pytest.raises(UserError, match=message):
        VIEWS[name].accept(raw, description, arrays["x"].shape[1:])


def test_a_view_must_suit_the_layout() -> None:
    with pytest.raises(UserError, match=r"view 'frames' reads arrival_times.*allowed: images, quadrants"):
        open_view("frames", IMAGES, "here")
    with pytest.raises(UserError, match="unknown view 'frame'; did you mean 'frames'"):
        open_view("frame", CLIPS, "here")
    with pytest.raises(UserError, match="must be even"):
        VIEWS["quadrants"].spec(IMAGES, (5, 4))


def test_every_view_is_tried_here() -> None:
    assert set(STORED) == set(VIEWS)
