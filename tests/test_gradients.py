"""The gradient through time against slopes of the loss itself, and what clipping leaves of it."""

import json
from copy import deepcopy
from typing import Any

import numpy as np
import pytest
from found import PARAMS
from jax_process import run_on_jax

from pipeline.config import variant_block
from pipeline.dataset import Array
from pipeline.errors import UserError
from pipeline.gradients import rows, through_time
from pipeline.models import recurrent
from pipeline.views import ExampleSpec

CELLS = ("simple_rnn", "lstm", "gru")
SPEC = ExampleSpec((None, 2), 1, "one value", padded=True)


def tiny(cell: str) -> tuple[Any, Any, Array, Array]:
    """A network, its loss, and two sequences of which one ends early."""
    from pipeline.layers.answers import AnswerLoss

    rng = np.random.default_rng(1)
    model = recurrent.build(recurrent.Parameters(units=[3], cell=cell), SPEC)
    model.set_weights([0.7 * rng.normal(size=weight.shape).astype(np.float32) for weight in model.weights])
    inputs = rng.normal(size=(2, 5, 2)).astype(np.float32)
    inputs[1, 3:] = np.nan
    return model, AnswerLoss(SPEC), inputs, rng.normal(size=(2, 1)).astype(np.float32)


def slopes(total: Any, values: Array, step: float = 1e-2) -> Array:
    """d total / d values by central differences of fourth order; the loss is a float32."""
    found = np.zeros(values.shape)
    for index in np.ndindex(*values.shape):
        sides = {}
        for times in (-2, -1, 1, 2):
            moved = values.copy()
            moved[index] += times * step
            sides[times] = total(moved)
        found[index] = (8 * (sides[1] - sides[-1]) - (sides[2] - sides[-2])) / (12 * step)
    return found


@pytest.mark.parametrize("cell", CELLS)
def test_the_norms_are_those_of_the_slopes_of_the_loss(keras: Any, cell: str) -> None:
    model, loss, inputs, targets = tiny(cell)
    by_step, of_weights = through_time(model, loss, inputs, targets)

    def of(given: Array) -> float:
        return float(loss(targets, model(given)))

    expected = slopes(of, inputs)  # nothing moves a padded step, which is NaN whatever is added
    np.testing.assert_allclose(by_step, np.sqrt((np.nan_to_num(expected) ** 2).sum(axis=(0, 2))), atol=2e-4)
    assert (by_step > 0).all()
    alone, _ = through_time(model, loss, inputs[1:], targets[1:])
    assert not alone[3:].any() and alone[:3].all()
    squares = 0.0
    kept = model.get_weights()
    for place in range(len(kept)):

        def moved(values: Array, place: int = place) -> float:
            model.set_weights([values if n == place else each for n, each in enumerate(kept)])
            return of(inputs)

        squares += float((slopes(moved, kept[place]) ** 2).sum())
    model.set_weights(kept)
    assert of_weights == pytest.approx(squares**0.5, rel=1e-3)


@pytest.mark.parametrize("gain", [0.5, 1.0, 1.5])
def test_a_linear_network_passes_on_its_gain_at_each_step_back(keras: Any, gain: float) -> None:
    from pipeline.layers.answers import AnswerLoss

    spec = ExampleSpec((None, 8), 1, "one value")
    model = recurrent.build(recurrent.Parameters(units=[8], cell="simple_rnn", recurrent_gain=gain), spec)
    model.set_weights([np.eye(8), *model.get_weights()[1:]])
    inputs = np.full((1, 12, 8), 1e-6, np.float32)  # so small that its units are as good as linear
    by_step, _ = through_time(model, AnswerLoss(spec), inputs, np.ones((1, 1), np.float32))
    np.testing.assert_allclose(by_step[:-1] / by_step[1:], gain, rtol=1e-4)


@pytest.mark.parametrize(
    ("clip_norm", "clipped"), [(None, ["3", "4"]), (10.0, ["3", "4"]), (5.0, ["3", "4"]), (2.5, ["1.5", "2"])]
)
def test_rows_hold_what_clipping_leaves(clip_norm: float | None, clipped: list[str]) -> None:
    found = rows("first weights", np.array([3.0, 4.0]), 5.0, clip_norm)
    assert [(row["when"], row["step"], row["norm"]) for row in found] == [
        ("first weights", 1, "3"),
        ("first weights", 2, "4"),
    ]
    assert [row["clipped"] for row in found] == clipped


def test_numbers_far_below_one_keep_their_digits() -> None:
    (row,) = rows("last weights", np.array([1.2345678e-15]), 1e6, 1.0)
    assert (row["norm"], row["clipped"]) == ("1.23457e-15", "1.23457e-21")


@pytest.mark.parametrize("name", ["digits_cnn", "moving_square_cnn_lstm", "memory_lstm"])
def test_only_networks_that_read_whole_sequences_record_them(name: str) -> None:
    params = deepcopy(PARAMS)
    params["variants"][name]["training"]["record_gradients"] = True
    with pytest.raises(UserError, match=rf"variants\.{name}\.training\.record_gradients: found True; allowed: false"):
        variant_block(name, params)


@pytest.mark.slow
def test_jax_finds_the_same(keras: Any) -> None:
    code = (
        "import json, test_gradients as t\n"
        "found = {cell: t.through_time(*t.tiny(cell)) for cell in t.CELLS}\n"
        "print(json.dumps({cell: [*by_step, norm] for cell, (by_step, norm) in found.items()}))"
    )
    for cell, numbers in json.loads(run_on_jax(code)).items():
        by_step, norm = through_time(*tiny(cell))
        np.testing.assert_allclose(numbers, [*by_step, norm], rtol=1e-4, atol=1e-6)
