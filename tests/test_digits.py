"""Drawn digits: the same bytes everywhere, geometry against known answers, and a ceiling that holds."""

import hashlib
import math
import os
import subprocess
import sys

import numpy as np
import pytest

from pipeline.datasets import digits
from pipeline.datasets.digits import Parameters, describe, draw_split

PARAMETERS = Parameters(illegible=0.3, rotation=15, thickness=3)
STILL = {name: np.zeros(1) for name in ("bend_x", "bend_y", "slant", "turn", "shift_x", "shift_y")}

CHECKSUM = """
import hashlib, numpy
from pipeline.datasets.digits import Parameters, draw_split
arrays = draw_split(Parameters(illegible=0.3, rotation=15, thickness=3), 300, numpy.random.default_rng(7))
print(hashlib.sha256(b"".join(arrays[name].tobytes() for name in sorted(arrays))).hexdigest())
"""


def checksum(seed: int = 7) -> str:
    arrays = draw_split(PARAMETERS, 300, np.random.default_rng(seed))
    return hashlib.sha256(b"".join(arrays[name].tobytes() for name in sorted(arrays))).hexdigest()


def test_a_processor_without_vector_instructions_draws_the_same_bytes() -> None:
    plain = {**os.environ, "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4", "OPENBLAS_CORETYPE": "Haswell"}
    other = subprocess.run([sys.executable, "-c", CHECKSUM], env=plain, capture_output=True, text=True, check=True)
    assert other.stdout.strip() == checksum() != checksum(seed=8)


def test_the_size_of_a_chunk_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    before = checksum()
    monkeypatch.setattr(digits, "CHUNK", 3)
    assert checksum() == before


def test_arrays_have_the_declared_shapes_and_values() -> None:
    arrays = draw_split(PARAMETERS, 2000, np.random.default_rng(0))
    assert {name: array.shape for name, array in arrays.items()} == {
        "x": (2000, 28, 28),
        "y": (2000,),
        "legible": (2000,),
    }
    assert {array.dtype for array in arrays.values()} == {np.dtype(np.uint8)}
    assert np.bincount(arrays["y"], minlength=10).min() > 150  # expected 200, standard deviation 13
    assert abs(arrays["legible"].mean() - 0.7) < 0.05
    assert (arrays["x"].max(axis=(1, 2)) == 255).all()


def test_ink_is_half_the_pen_less_the_distance_to_the_stroke() -> None:
    start, end, pen = (-6.0, -3.0), (4.0, 5.0), 2.6
    picture = digits.render([(np.array([start]), np.array([end]))], np.array([pen]))[0]
    for row in range(28):
        for column in range(28):
            pixel = (column - 13.5, row - 13.5)
            along = ((pixel[0] + 6) * 10 + (pixel[1] + 3) * 8) / (10**2 + 8**2)
            nearest = min(max(along, 0), 1)
            distance = math.dist(pixel, (-6 + 10 * nearest, -3 + 8 * nearest))
            assert picture[row, column] == pytest.approx(255 * min(max(pen / 2 + 0.5 - distance, 0), 1), abs=0.51)


def test_a_stroke_of_no_length_is_a_dot() -> None:
    dot = np.array([[0.5, 0.5]])
    picture = digits.render([(dot, dot)], np.array([1.0]))[0]
    assert picture[14, 14] == 255
    assert np.count_nonzero(picture) == 1


def test_curves_pass_their_control_points() -> None:
    points = np.array([[[0, 0], [9, 0], [9, 9], [0, 9]]], dtype=float)
    ends = [tuple(end[0]) for _, end in digits.curve(points, ((0, 1, 2, 3),))]
    assert ends[digits.PIECES - 1 :: digits.PIECES] == [(9, 0), (9, 9), (0, 9)]
    # a third of the way from (9, 0) to (9, 9) the four points around weigh (-2, 21, 9, -1) / 27
    assert digits.PIECES == 3
    assert ends[digits.PIECES] == pytest.approx(((21 + 9) * 9 / 27, (9 - 1) * 9 / 27))


def test_a_closed_curve_is_the_same_wherever_it_begins() -> None:
    points = np.array([[[0, 0], [9, 1], [8, 9], [-1, 7]]], dtype=float)
    one = digits.curve(points, ((0, 1, 2, 3, 0),))
    other = digits.curve(points, ((1, 2, 3, 0, 1),))
    np.testing.assert_allclose(one[digits.PIECES :] + one[: digits.PIECES], other, atol=1e-12)


@pytest.mark.parametrize("turn", [-30, -7.5, 0, 30])
def test_a_turn_is_one_of_so_many_degrees(turn: float) -> None:
    hand = {**STILL, "height": np.array([20.0]), "width": np.ones(1), "turn": np.array([turn])}
    placed = digits.place(np.array([[[50, 0], [100, 50]]]), hand)[0]
    cosine, sine = math.cos(math.radians(turn)), math.sin(math.radians(turn))
    assert placed == pytest.approx(10 * np.array([[sine, -cosine], [cosine, sine]]), abs=1e-3)


def test_every_way_of_writing_is_drawn_equally_often() -> None:
    label, legible, way = np.repeat(np.arange(10), 6), np.ones(60), np.tile(np.arange(6), 10)
    members = [len(indices) for indices, _, fixed in digits.groups(label, legible, way) if fixed is not None]
    assert members == [6 // len(ways) for ways in digits.GLYPHS for _ in ways]


def test_ceiling_counts_a_tenth_of_the_scribbles() -> None:
    legible = np.array([1, 1, 1, 0, 0], dtype=np.uint8)
    assert describe(PARAMETERS, {"legible": legible}).ceilings == {"accuracy": pytest.approx(3.2 / 5)}


def test_legible_digits_can_be_learned_and_scribbles_can_not() -> None:
    train = draw_split(PARAMETERS, 4000, np.random.default_rng(1))
    test = draw_split(PARAMETERS, 1000, np.random.default_rng(2))
    known, asked = (arrays["x"].reshape(len(arrays["x"]), -1).astype(np.float32) / 255 for arrays in (train, test))
    nearest = np.argmin((known * known).sum(axis=1) - 2 * asked @ known.T, axis=1)
    right, legible = train["y"][nearest] == test["y"], test["legible"] == 1
    assert right[legible].mean() > 0.93
    assert right[~legible].mean() < 0.17  # expected 0.1, standard deviation 0.017
    assert right.mean() <= describe(PARAMETERS, test).ceilings["accuracy"]
