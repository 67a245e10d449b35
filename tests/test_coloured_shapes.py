"""Coloured shapes: what is drawn against known areas, colours that say nothing, and a ceiling that holds."""

import math

import numpy as np
import pytest
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis

from pipeline.dataset import Array
from pipeline.datasets import coloured_shapes
from pipeline.datasets.coloured_shapes import CLASSES, SHAPES, SIZE, Parameters, describe, draw_split, outline, turned

STRAIGHT = coloured_shapes.TURN  # the index of no turn at all
R = 12.0  # pixels
# Of a circle of radius R: the disc has 0.9 of its radius, the square 0.8, and so on, as `outline` says.
AREAS = {
    "disc": math.pi * (0.9 * R) ** 2,
    "square": (1.6 * R) ** 2,
    "triangle": 1.6 * R * 1.6 * R / 2,
    "ring": math.pi * R**2 * (1 - 0.3),
    "cross": (2 * 1.8 * 0.6 - 0.6**2) * R**2,
}


def drawn(number: int = 2000, seed: int = 1, **options: int) -> dict[str, Array]:
    return dict(draw_split(Parameters(**options), number, np.random.default_rng(seed)))


def shape(name: str, turn: int = STRAIGHT) -> Array:
    """Which pixels belong to a shape in the middle of the picture."""
    placed = turned(np.array([10 * int(R)]), np.zeros((1, 2), int), np.array([turn]))
    return outline(np.array([SHAPES.index(name)]), *placed)[0]


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_covers_the_area_that_it_has(name: str) -> None:
    pixels = [np.count_nonzero(shape(name, turn)) for turn in range(2 * coloured_shapes.TURN + 1)]
    assert np.mean(pixels) == pytest.approx(AREAS[name], rel=0.03)


def test_a_mirrored_thing_is_the_same_thing_turned_the_other_way() -> None:
    for name in SHAPES:
        np.testing.assert_array_equal(shape(name, 3)[:, ::-1], shape(name, 2 * STRAIGHT - 3))


def test_every_thing_lies_within_the_picture() -> None:
    low, high = coloured_shapes.RADIUS
    for corner in ((-1, -1), (1, 1), (-1, 1)):
        centre = coloured_shapes.SHIFT * np.array([corner])
        for turn in (0, STRAIGHT, 2 * STRAIGHT):
            right, down, radius = turned(np.array([high]), centre, np.array([turn]))
            edge = np.ones((SIZE, SIZE), bool)
            edge[1:-1, 1:-1] = False
            for number in range(len(SHAPES)):
                assert not (outline(np.array([number]), right, down, radius)[0] & edge).any()
    assert low >= 2 * coloured_shapes.STRIPE  # so that there are two stripes at least


def test_a_thing_and_its_stripes_differ_from_the_ground_in_each_colour() -> None:
    arrays = drawn(noise=0, empty=0)
    for picture, label in zip(arrays["x"][:300].astype(int), arrays["y"], strict=False):
        colours = np.unique(picture.reshape(-1, 3), axis=0, return_counts=True)
        often = colours[0][colours[1] >= 8]
        ground = picture[:3, :3].mean(axis=(0, 1))
        far = [colour for colour in often if np.abs(colour - ground).min() > 20]
        assert len(far) >= (2 if CLASSES[label].startswith("striped") else 1)


def test_colours_alone_tell_no_class() -> None:
    train, test = drawn(6000, 1), drawn(4000, 2)
    seen = [
        np.concatenate([arrays["x"].mean(axis=(1, 2)), arrays["x"][:, 14:18, 14:18].mean(axis=(1, 2))], axis=1)
        for arrays in (train, test)
    ]
    reader = QuadraticDiscriminantAnalysis().fit(seen[0][:, :3], train["y"])
    assert reader.score(seen[1][:, :3], test["y"]) < 0.13  # by chance 0.1, standard deviation 0.005


def test_empty_pictures_show_the_ground_and_cost_what_the_ceiling_says() -> None:
    arrays = drawn(empty=30, noise=0)
    hidden = arrays["shown"] == 0
    assert abs(hidden.mean() - 0.3) < 0.04
    steps = np.abs(np.diff(arrays["x"][hidden].astype(int), axis=2)).max()
    assert steps <= 3  # a gentle slope, and nothing on it
    found = describe(Parameters(empty=30), arrays).ceilings["accuracy"]
    assert found == pytest.approx(1 - 0.9 * hidden.mean())


def test_labels_and_arrays_are_as_declared() -> None:
    arrays = drawn()
    assert {name: (values.dtype.str, values.shape[1:]) for name, values in arrays.items()} == {
        "x": ("|u1", (32, 32, 3)),
        "y": ("|u1", ()),
        "shown": ("|u1", ()),
    }
    assert np.bincount(arrays["y"], minlength=len(CLASSES)).min() > 150  # expected 200, standard deviation 13


def test_the_size_of_a_chunk_moves_no_thing(monkeypatch: pytest.MonkeyPatch) -> None:
    before = drawn(300, noise=0)
    monkeypatch.setattr(coloured_shapes, "CHUNK", 7)
    assert all(np.array_equal(before[name], values) for name, values in drawn(300, noise=0).items())
