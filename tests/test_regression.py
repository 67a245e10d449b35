"""What is measured of values: scikit-learn's figures on what was asked; views bring values to the units of the data."""

import numpy as np
import pytest
from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score

from pipeline.dataset import Array, Description, Scaling
from pipeline.tasks import regression
from pipeline.views import VIEWS

SCALING = Scaling(x_mean=[0.0], x_scale=[1.0], y_mean=[100.0, -3.0], y_scale=[20.0, 0.5])
PLAIN = Description(text="values", layout="sequences", features=["f"], outputs=["height", "weight"])
SCALED = PLAIN.model_copy(update={"scaling": SCALING})
SHAPES = {"one value": (40, 2), "a value at each step": (12, 9, 2)}
every_shape = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)


def answers(shape: tuple[int, ...]) -> tuple[Array, Array]:
    """Outputs and targets; a third of the targets is not asked for."""
    rng = np.random.default_rng(0)
    outputs, targets = rng.normal(size=(2, *shape)).astype(np.float32)
    targets[rng.random(shape) < 1 / 3] = np.nan
    return outputs, targets


@every_shape
def test_the_metrics_are_those_of_scikit_learn(shape: tuple[int, ...]) -> None:
    outputs, targets = answers(shape)
    asked = ~np.isnan(targets)
    true, found = (each.astype(np.float64)[asked] for each in (targets, outputs))
    mse = mean_squared_error(true, found)
    expected = {"mse": mse, "rmse": mse**0.5, "mae": mean_absolute_error(true, found), "r2": r2_score(true, found)}
    assert regression.measure(outputs, targets, PLAIN) == pytest.approx(expected, rel=1e-9)


@every_shape
def test_the_sums_of_the_statistics_give_the_metric_of_any_examples(shape: tuple[int, ...]) -> None:
    outputs, targets = answers(shape)
    rows = regression.statistics(outputs, targets, PLAIN)
    assert rows.shape == (len(outputs), len(regression.STATISTICS)) and np.isfinite(rows).all()
    for chosen in (np.arange(len(outputs)), np.array([3, 3, 7]), np.array([0, 5])):
        expected = regression.measure(outputs[chosen], targets[chosen], PLAIN)[regression.METRIC]
        assert regression.metric_of(rows[chosen].sum(axis=0)) == pytest.approx(expected, rel=1e-9)


@every_shape
def test_the_table_has_a_row_for_each_value_asked_for(shape: tuple[int, ...]) -> None:
    outputs, targets = answers(shape)
    table = regression.predictions(outputs, targets, PLAIN)
    places = [tuple(place) for place in np.argwhere(~np.isnan(targets))]
    assert len({len(values) for values in table.values()}) == 1 and len(table["value"]) == len(places)
    assert ("step" in table) == (len(shape) == 3)
    for row, place in enumerate(places):
        assert table["example"][row] == place[0]
        assert table["value"][row] == ["height", "weight"][place[-1]]
        if "step" in table:
            assert table["step"][row] == place[1]
        for name, values in (("actual", targets), ("predicted", outputs)):
            assert table[name][row] == pytest.approx(float(values[place]), abs=1e-4)


def test_values_that_are_not_asked_for_may_be_anything() -> None:
    outputs, targets = answers((12, 9, 2))
    other = np.where(np.isnan(targets), 1e6, outputs)
    for what in (regression.measure, regression.predictions):
        assert what(other, targets, PLAIN) == what(outputs, targets, PLAIN)
    np.testing.assert_array_equal(
        regression.statistics(other, targets, PLAIN), regression.statistics(outputs, targets, PLAIN)
    )


def test_a_perfect_answer_and_one_that_is_the_mean() -> None:
    targets = np.array([[1.0], [2.0], [6.0]], np.float32)
    one = PLAIN.model_copy(update={"outputs": ["value"]})
    assert regression.measure(targets, targets, one) == {"mse": 0, "rmse": 0, "mae": 0, "r2": 1}
    mean = regression.measure(np.full_like(targets, 3), targets, one)
    assert mean == pytest.approx({"mse": 14 / 3, "rmse": (14 / 3) ** 0.5, "mae": 2, "r2": 0})
    assert regression.measure(targets, np.ones_like(targets), one)["r2"] == 0.0  # nothing varies


@every_shape
def test_views_bring_values_to_the_units_of_the_data(shape: tuple[int, ...]) -> None:
    view = VIEWS["sequence_to_values" if len(shape) == 3 else "sequence_to_value"]
    outputs, _ = answers(shape)
    x = np.zeros((len(outputs), 9, 1), np.float32)
    exact = outputs.astype(np.float64)
    plain, scaled = (view.in_units(outputs, x, description) for description in (PLAIN, SCALED))
    assert plain.dtype == scaled.dtype == np.float64
    np.testing.assert_array_equal(plain, exact)
    np.testing.assert_array_equal(scaled, exact * np.array([20.0, 0.5]) + np.array([100.0, -3.0]))
    labels = VIEWS["sequence_to_labels"].in_units(outputs, x, SCALED)
    assert labels is outputs


def test_an_answer_reads_as_its_values() -> None:
    (answer,) = regression.readable(np.array([[110.0, -3.5]]), SCALED)
    assert answer == {"values": [110.0, -3.5]} and regression.sentence(answer) == "110  -3.5"
    (steps,) = regression.readable(np.array([[[110.0, -3.5], [100.0, -3.0]]]), SCALED)
    assert steps == {"values": [110.0, -3.5, 100.0, -3.0]}


@every_shape
def test_the_figures_take_what_was_not_asked_for(shape: tuple[int, ...]) -> None:
    outputs, targets = answers(shape)
    (figure,) = regression.figures(outputs, targets, PLAIN, lambda rows: outputs[rows]).values()
    assert len(figure.axes) == (2 if len(shape) == 2 else 8)
    if len(shape) == 3:
        np.testing.assert_array_equal(figure.axes[1].lines[0].get_ydata(), targets[0, :, 1])
    figure.canvas.draw()
