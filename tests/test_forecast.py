"""Forecasts: errors and simple forecasts on numbers written out by hand, and windows in units of their own."""

import numpy as np
import pytest
from exported import write_export
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper
from sklearn.metrics import mean_absolute_error, root_mean_squared_error

from pipeline.dataset import Array, Dataset, Description, Scaling
from pipeline.datasets import coupled_series
from pipeline.errors import UserError
from pipeline.forecasts import errors, simple_forecasts, with_references
from pipeline.runtime import Export
from pipeline.scoring import answer_test
from pipeline.stages.generate import generate
from pipeline.tasks import forecast
from pipeline.views import VIEWS

WINDOW = VIEWS["window_to_values"]
PRICES = Description(
    text="prices",
    layout="sequences",
    features=["volume", "usd", "eur"],
    outputs=["eur", "usd"],
    output_steps=3,
    season=2,
    naive_errors=[2.0, 10.0],
)
# One window of four steps: volume, usd, eur.
PAST = np.array([[[1, 10, 1], [1, 20, 3], [5, 10, 2], [1, 40, 4]]], dtype=np.float32)


def answers(seed: int = 0) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    found, true = rng.normal(50, 10, (2, 30, 3, 2))
    return found, true


def test_the_errors_are_those_of_the_books() -> None:
    found, true = answers()
    measured = forecast.measure(found, true, PRICES)
    assert tuple(measured) == forecast.METRICS
    assert measured["rmse"] == pytest.approx(root_mean_squared_error(true.ravel(), found.ravel()))
    assert measured["mae"] == pytest.approx(mean_absolute_error(true.ravel(), found.ravel()))
    by_series = np.abs(found - true).mean(axis=(0, 1))
    assert measured["mase"] == pytest.approx((by_series[0] / 2 + by_series[1] / 10) / 2)
    smape = 200 * np.mean(np.abs(found - true) / (np.abs(found) + np.abs(true)))
    assert measured["smape"] == pytest.approx(smape)


def test_nothing_missed_of_nothing_is_no_error() -> None:
    nothing = np.zeros((2, 3, 2))
    assert set(errors(nothing, nothing, PRICES).values()) == {0.0}
    assert errors(nothing + 1, nothing, PRICES)["smape"] == 200


def test_what_is_not_asked_for_has_no_part() -> None:
    found, true = answers()
    true[5:, 1:] = np.nan
    wild = np.where(np.isnan(true), 1e9, found)
    for what in (forecast.measure, forecast.predictions):
        assert what(wild, true, PRICES) == what(found, true, PRICES)
    np.testing.assert_array_equal(forecast.statistics(wild, true, PRICES), forecast.statistics(found, true, PRICES))
    assert len(forecast.predictions(found, true, PRICES)["actual"]) == np.isfinite(true).sum()


def test_the_sums_of_the_statistics_give_the_rmse_of_any_windows() -> None:
    found, true = answers()
    rows = forecast.statistics(found, true, PRICES)
    for chosen in (np.arange(30), np.array([3, 3, 7])):
        expected = forecast.measure(found[chosen], true[chosen], PRICES)["rmse"]
        assert forecast.metric_of(rows[chosen].sum(axis=0)) == pytest.approx(expected, rel=1e-12)


def test_simple_forecasts_by_hand() -> None:
    found = {name: values[0].tolist() for name, values in simple_forecasts(PAST, PRICES).items()}
    assert found == {
        "last value": [[4, 40], [4, 40], [4, 40]],
        "drift": [[5, 50], [6, 60], [7, 70]],  # eur rose by 1 a step, usd by 10
        "seasonal naive": [[2, 10], [4, 40], [2, 10]],
    }
    assert "seasonal naive" not in simple_forecasts(PAST, PRICES.model_copy(update={"season": None}))


def test_simple_forecasts_of_a_single_step_stay_where_they_are() -> None:
    found = simple_forecasts(PAST[:, -1:], PRICES.model_copy(update={"season": 1}))
    assert {name: values[0, -1].tolist() for name, values in found.items()} == {name: [4, 40] for name in found}


def test_references_and_the_unit_of_mase_are_of_their_splits() -> None:
    bare = PRICES.model_copy(update={"naive_errors": []})
    train, test = np.concatenate([PAST, PAST + 1]), PAST * 3
    y = np.array([[[12, 120], [12, 120], [12, 150]]], np.float32)
    described = with_references({"train": {"x": train}, "test": {"x": test, "y": y}}, bare)
    assert described.naive_errors == pytest.approx([5 / 3, 50 / 3], abs=1e-8)  # |2|, |-1|, |2| and |10|, |-10|, |30|
    assert set(described.references) == {"last value", "drift", "seasonal naive"}
    last = described.references["last value"]
    assert last["rmse"] == pytest.approx((30**2 / 6) ** 0.5, abs=1e-8) and last["mae"] == 5
    assert last["mase"] == pytest.approx(30 / (50 / 3) / 6, abs=1e-8)
    assert last["smape"] == pytest.approx(200 * 30 / 270 / 6, abs=1e-8)
    for other in ({"output_steps": None}, {"padded": True}, {"outputs": ["eur", "gold"]}, {"outputs": None}):
        unlike = bare.model_copy(update=other)
        assert with_references({"train": {"x": train}, "test": {"x": test, "y": y}}, unlike) is unlike


def test_a_series_that_never_moves_keeps_its_unit() -> None:
    still = {"x": np.full((2, 4, 3), 7, np.float32), "y": np.full((2, 3, 2), 7, np.float32)}
    described = with_references({"train": still, "test": still}, PRICES)
    assert described.naive_errors == [1.0, 1.0] and described.references["drift"]["mase"] == 0


def test_other_data_has_no_forecast_errors() -> None:
    found, true = answers()
    with pytest.raises(UserError, match=r"the dataset holds no forecasts.*allowed: windows"):
        forecast.measure(found, true, PRICES.model_copy(update={"naive_errors": []}))


def test_the_figures_show_past_truth_forecast_and_what_is_simple() -> None:
    found, true = answers()
    past = np.random.default_rng(1).normal(50, 10, (30, 4, 3))
    figures = forecast.figures(found, true, PRICES, lambda rows: past[rows])
    examples, by_step = figures["examples"], figures["error_by_step"]
    assert len(examples.axes) == 8 and len(by_step.axes) == 2
    seen, truth, forecasted, last = (line.get_ydata() for line in examples.axes[1].lines)  # of usd, in the first window
    np.testing.assert_array_equal(seen, past[0, :, 1])
    np.testing.assert_array_equal(truth, true[0, :, 1])
    np.testing.assert_array_equal(forecasted, found[0, :, 1])
    np.testing.assert_array_equal(last, past[0, -1:, 1].repeat(3))
    network, *simple = by_step.axes[0].lines
    np.testing.assert_allclose(network.get_ydata(), np.sqrt(np.mean((found - true)[..., 0] ** 2, axis=0)))
    assert [line.get_label() for line in simple] == ["last value", "drift", "seasonal naive"]
    for figure in figures.values():
        figure.canvas.draw()


# ---- the view -------------------------------------------------------------------------------------------------------


def test_a_window_counts_from_its_mean_in_two_and_a_half_of_its_spreads() -> None:
    inputs = WINDOW.inputs({"x": PAST}, PRICES)
    np.testing.assert_array_equal(inputs[..., 0], PAST[..., 0])  # volume is not foretold, and has no scaling
    for place in (1, 2):
        series = PAST[0, :, place].astype(np.float64)
        np.testing.assert_allclose(inputs[0, :, place], (series - series.mean()) / (2.5 * series.std()), rtol=1e-6)
    y = np.array([[[2.5, 20.0]] * 3], np.float32)  # the means of the window
    np.testing.assert_allclose(WINDOW.targets({"x": PAST, "y": y}, PRICES), np.zeros((1, 3, 2)), atol=1e-7)
    assert inputs.dtype == np.float32 and WINDOW.spec(PRICES, (4, 3)).continues == (2, 1)


def test_other_features_keep_the_scaling_of_the_card() -> None:
    scaling = Scaling(x_mean=[3, 0, 0], x_scale=[2, 1, 1], y_mean=[9, 9], y_scale=[9, 9])
    described = PRICES.model_copy(update={"scaling": scaling})
    assert WINDOW.inputs({"x": PAST}, described)[0, :, 0].tolist() == [-1, -1, 1, -1]
    for place in (1, 2):
        np.testing.assert_array_equal(
            WINDOW.inputs({"x": PAST}, described)[..., place], WINDOW.inputs({"x": PAST}, PRICES)[..., place]
        )


@settings(max_examples=60, deadline=None)
@given(level=st.floats(-1e4, 1e4), unit=st.floats(1e-2, 1e4), seed=st.integers(0, 1000))
def test_where_a_window_stands_and_what_it_is_measured_in_changes_nothing(level: float, unit: float, seed: int) -> None:
    """The network sees the same, and its answer moves along: forecasts do not depend on the unit of the file."""
    x = np.random.default_rng(seed).normal(size=(2, 8, 3))
    moved = x * unit + level * unit
    np.testing.assert_allclose(
        WINDOW.inputs({"x": moved}, PRICES)[..., 1:], WINDOW.inputs({"x": x}, PRICES)[..., 1:], atol=1e-4
    )
    outputs = np.random.default_rng(seed).normal(size=(2, 3, 2)).astype(np.float32)
    found, expected = (WINDOW.in_units(outputs, each, PRICES) for each in (moved, x))
    np.testing.assert_allclose(found, expected * unit + level * unit, rtol=1e-7, atol=1e-7 * unit * (1 + abs(level)))


def test_answers_come_back_to_the_units_of_the_data() -> None:
    rng = np.random.default_rng(2)
    x, y = rng.normal(900, 40, (5, 4, 3)).astype(np.float32), rng.normal(900, 40, (5, 3, 2)).astype(np.float32)
    targets = WINDOW.targets({"x": x, "y": y}, PRICES)
    found = WINDOW.in_units(targets, x, PRICES)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, y, rtol=1e-6)
    np.testing.assert_array_equal(WINDOW.in_units(targets[:1], x[0], PRICES), found[:1])  # one, as a user gives it


@pytest.mark.parametrize("value", [0.0, 7.0, 1e6 / 3])
def test_a_window_that_does_not_move_keeps_the_unit_of_the_data(value: float) -> None:
    x = np.full((1, 4, 3), value, np.float32)
    assert not WINDOW.inputs({"x": x}, PRICES)[..., 1:].any()
    y = np.full((1, 3, 2), x[0, 0, 0] + 2, np.float32)
    np.testing.assert_allclose(WINDOW.targets({"x": x, "y": y}, PRICES), 2, atol=1e-6)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"output_steps": None}, "it does not ask for steps after a window"),
        ({"outputs": ["gold"]}, "'gold' is answered and no feature"),
        ({"padded": True}, "allowed: windows of equal length"),
    ],
)
def test_data_without_forecasts_has_another_view(changed: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=f"view 'window_to_values': .*{message}"):
        WINDOW.spec(PRICES.model_copy(update=changed), (4, 3))


# ---- from the export to the score -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def last_value(tmp_path_factory: pytest.TempPathFactory) -> tuple[Export, Dataset]:
    """Coupled series far from 0, and an export that answers them with the last step of each window."""
    folder, drawn = tmp_path_factory.mktemp("last_value"), coupled_series.Parameters.small()
    card = generate("coupled", coupled_series, drawn, 1, {"train": 20, "validation": 5, "test": 80}, folder / "data")
    constants = {"last": np.array([-1]), "times": np.array([1, drawn.horizon, 1])}
    nodes = [
        helper.make_node("Gather", ["steps", "last"], ["ended"], axis=1),
        helper.make_node("Tile", ["ended", "times"], ["value"]),
    ]
    made = {"view": "window_to_values", "task": "forecast", "model": "encoder_decoder", "num_parameters": 0}
    shapes = {"steps": [None, None, 2], "value": [None, drawn.horizon, 2]}
    write_export(folder / "export", card, shapes, nodes, constants, variant="last", fingerprint="0" * 64, **made)
    return Export(folder / "export"), Dataset(folder / "data")


def test_a_network_that_answers_the_last_value_scores_what_the_reference_says(last_value) -> None:
    export, dataset = last_value
    answered = answer_test(export, dataset, lambda done: None)
    test = dataset.split("test")
    np.testing.assert_allclose(answered.outputs, test["x"][:, -1:].repeat(3, axis=1), rtol=1e-6)
    np.testing.assert_allclose(answered.targets, test["y"], rtol=1e-6)
    np.testing.assert_array_equal(answered.shown([2, 5]), test["x"][[2, 5]])
    assert abs(answered.inputs([0])).max() < 2
    found = forecast.measure(answered.outputs, answered.targets, dataset.card)
    assert found == pytest.approx(dataset.card.references["last value"], rel=1e-4)
    assert dataset.card.ceilings["rmse"] < min(reached["rmse"] for reached in dataset.card.references.values())


def test_what_a_user_gives_is_answered_in_its_own_units(last_value) -> None:
    export, dataset = last_value
    windows = dataset.split("test")["x"][:70]  # more than a batch of the runtime
    one, several = export.answer(windows[0]), export.answer(windows)
    assert len(several) == 70 and several[:1] == one
    for window, answer in zip(windows, several, strict=True):
        np.testing.assert_allclose(answer["values"], np.tile(window[-1], 3), rtol=1e-6)
