"""The training loop on problems whose every step can be worked out by hand."""

import math
import re
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from pydantic import ValidationError
from pydantic_core import PydanticUndefined

from pipeline.batches import Batches
from pipeline.checkpoint import Fitted
from pipeline.dataset import Array, Description
from pipeline.errors import StageFailure, UserError
from pipeline.training import Optimizer, Training, fit
from pipeline.views import VIEWS

CLASSES = Description(text="one pixel", layout="images", classes=["dark", "bright"])
Weights = list[Array]


class Ears:
    """Hears everything, and may say something back."""

    def __init__(self) -> None:
        self.steps: list[int] = []
        self.rows: list[dict[str, float]] = []

    def on_resume(self, history: list[dict[str, float]]) -> None:
        self.resumed = [row["step"] for row in history]

    def on_step(self, step: int, num_steps: int, loss: float) -> None:
        self.steps.append(step)

    def on_round(self, row: dict[str, float]) -> None:
        self.rows.append(row)


def pixels(labels: list[int], batch_size: int = 4) -> Batches:
    """White pixels, all alike, with these labels."""
    arrays = {"x": np.full((len(labels), 1, 1), 255, np.uint8), "y": np.array(labels, np.uint8)}
    return Batches(arrays, VIEWS["images"], CLASSES, batch_size, seed=1, shuffle=False)


def block(**options: Any) -> Training:
    given = {"optimizer": "sgd", "learning_rate": 1.0, "batch_size": 4, "steps": 4, "validate_every": 1} | options
    return Training.model_validate(given)


def one_weight(keras: Any, start: float = 0.0) -> Any:
    """A network of one weight, which is its answer to a white pixel."""
    given = keras.Input((1, 1, 1))
    weight = keras.layers.Dense(1, use_bias=False, kernel_initializer=keras.initializers.Constant(start))
    return keras.Model(given, weight(keras.layers.Flatten()(given)))


def fitted(
    model: Any, loss: Any, training: Training, labels: tuple[list[int], list[int]] = ([1] * 4, [1] * 4)
) -> tuple[Fitted, Ears]:
    ears = Ears()
    return fit(model, loss, training, pixels(labels[0]), pixels(labels[1]), [ears]), ears


def answer(model: Any) -> float:
    return float(model.get_weights()[0][0, 0])


def downhill(slope: float) -> Any:
    """A loss of constant gradient."""
    return lambda targets, outputs: slope * outputs[:, 0]


@pytest.mark.parametrize(
    ("options", "rate"),
    [
        ({}, lambda k: 1.0),
        ({"schedule": "cosine"}, lambda k: 0.5 * (1 + math.cos(math.pi * k / 8))),
        ({"warmup_steps": 4}, lambda k: min(1.0, k / 4)),
        (
            {"schedule": "cosine", "warmup_steps": 4},
            lambda k: k / 4 if k < 4 else 0.5 * (1 + math.cos(math.pi * (k - 4) / 4)),
        ),
    ],
)
def test_schedules_and_warm_up_reach_the_updates(keras: Any, options: dict[str, Any], rate: Any) -> None:
    model = one_weight(keras)
    found, ears = fitted(model, downhill(1.0), block(steps=8, keep="last", **options))
    rates = [rate(k) for k in range(9)]
    assert [row["learning_rate"] for row in found.history] == pytest.approx(rates[1:], abs=1e-6)
    assert answer(model) == pytest.approx(-sum(rates[:8]), abs=1e-5)
    assert ears.steps == list(range(1, 9)) and ears.rows == found.history


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_a_training_that_is_over_before_it_is_warm_is_refused(keras: Any, schedule: str) -> None:
    message = r"training\.warmup_steps is 8, and there are 8 updates in all; allowed: fewer"
    with pytest.raises(UserError, match=message):
        fitted(one_weight(keras), downhill(1.0), block(steps=8, warmup_steps=8, schedule=schedule))


@pytest.mark.parametrize(
    ("options", "updates"),
    [
        ({}, [-3.0, -4.0]),
        ({"clip_value": 2.0}, [-2.0, -2.0]),
        ({"clip_norm": 2.5}, [-1.5, -2.0]),
        ({"clip_norm": 50.0}, [-3.0, -4.0]),
    ],
)
def test_clipping_reaches_the_gradient(keras: Any, options: dict[str, Any], updates: list[float]) -> None:
    given = keras.Input((1, 1, 1))
    halves = [keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros") for _ in range(2)]
    outputs = keras.layers.Concatenate()([half(keras.layers.Flatten()(given)) for half in halves])
    model = keras.Model(given, outputs)
    fitted(model, lambda _, out: 3.0 * out[:, 0] + 4.0 * out[:, 1], block(steps=1, **options))
    assert [float(weight[0, 0]) for weight in model.get_weights()] == pytest.approx(updates, abs=1e-5)


def test_momentum_adds_up_what_was_done_before(keras: Any) -> None:
    """With momentum m, a constant gradient of 1 and rate r the k-th update is r (1 + m + ... + m^(k-1))."""
    model = one_weight(keras)
    fitted(model, downhill(1.0), block(momentum=0.5, learning_rate=0.1, keep="last"))
    assert answer(model) == pytest.approx(-0.1 * (1 + 1.5 + 1.75 + 1.875), rel=1e-5)


def test_the_decay_is_of_the_squared_gradients(keras: Any) -> None:
    """RMSprop divides by the root of a running mean of squares, s = d s + (1 - d) g^2; here g is 2 and d is 0.6."""
    model = one_weight(keras)
    fitted(model, downhill(2.0), block(optimizer="rmsprop", decay=0.6, learning_rate=0.1, keep="last"))
    moved, square = 0.0, 0.0
    for _ in range(4):
        square = 0.6 * square + 0.4 * 4
        moved -= 0.1 * 2 / square**0.5
    assert answer(model) == pytest.approx(moved, rel=1e-4)


def test_the_published_rmsprop_is_that_of_keras(keras: Any) -> None:
    model, known = one_weight(keras), one_weight(keras)
    settings = {"learning_rate": 0.007, "momentum": 0.5}
    fitted(model, downhill(1.0), block(optimizer="rmsprop", decay=0.92, keep="last", **settings))
    known.compile(keras.optimizers.RMSprop(rho=0.92, **settings), loss=downhill(1.0))
    known.fit(np.ones((4, 1, 1, 1)), np.ones(4), batch_size=4, epochs=4, verbose=0)
    assert answer(model) == pytest.approx(answer(known), rel=1e-6)


@pytest.mark.parametrize("optimizer", get_args(Optimizer))
def test_every_optimizer_goes_downhill(keras: Any, optimizer: str) -> None:
    model = one_weight(keras)
    found, _ = fitted(model, downhill(1.0), block(optimizer=optimizer, learning_rate=0.01))
    assert answer(model) < 0 and found.num_updates == 4


def test_a_loss_that_is_no_number_ends_the_training_and_names_the_update(keras: Any) -> None:
    # log(w) has the gradient 1 / w: with a rate of 0.4 w goes 1, 0.6, -0.07, of which there is no logarithm.
    model = one_weight(keras, start=1.0)
    message = r"the loss became nan at update 3 of 4; try a lower learning_rate \(now 0.4\) or clip_norm \(now None\)"
    with pytest.raises(StageFailure, match=message):
        fitted(
            model,
            lambda _, out: keras.ops.log(out[:, 0]),
            block(learning_rate=0.4, validate_every=4),
        )


def test_of_several_updates_in_one_call_it_names_the_range(keras: Any) -> None:
    options = {"learning_rate": 0.4, "validate_every": 4, "steps_per_execution": 4}
    with pytest.raises(StageFailure, match=r"the loss became nan at an update in 1-4 of 4; try a lower learning_rate"):
        fitted(one_weight(keras, start=1.0), lambda _, out: keras.ops.log(out[:, 0]), block(**options))


def test_a_validation_loss_that_is_no_number_ends_it_too(keras: Any) -> None:
    def only_where_the_label_is_1(targets: Any, outputs: Any) -> Any:
        return keras.ops.where(keras.ops.cast(targets, "float32") > 0, outputs[:, 0], float("nan"))

    with pytest.raises(StageFailure, match="the validation loss became nan after update 1"):
        fitted(one_weight(keras), only_where_the_label_is_1, block(), ([1] * 4, [0] * 4))


def away_from_the_validation(targets: Any, outputs: Any) -> Any:
    """Better for label 1 the lower the answer is; best for label 0 at -2."""
    import keras

    label = keras.ops.cast(targets, "float32")
    return label * outputs[:, 0] + (1 - label) * (outputs[:, 0] + 2) ** 2


@pytest.mark.parametrize(("keep", "kept"), [("best", -2.0), ("last", -6.0)])
def test_the_best_or_the_last_weights_are_kept(keras: Any, keep: str, kept: float) -> None:
    model = one_weight(keras)
    found, _ = fitted(model, away_from_the_validation, block(steps=6, keep=keep), ([1] * 4, [0] * 4))
    assert [row["val_loss"] for row in found.history] == pytest.approx([1, 0, 1, 4, 9, 16], abs=1e-4)
    assert found.best_round == 2 and answer(model) == pytest.approx(kept)


@pytest.mark.parametrize(("patience", "rounds"), [(1, 3), (2, 4), (None, 6)])
def test_early_stopping_waits_so_many_validations(keras: Any, patience: int | None, rounds: int) -> None:
    model = one_weight(keras)
    training = block(steps=6, early_stopping=patience)
    found, _ = fitted(model, away_from_the_validation, training, ([1] * 4, [0] * 4))
    assert len(found.history) == found.num_updates == rounds
    assert answer(model) == pytest.approx(-2.0)


def test_the_validation_loss_is_the_mean_over_examples_not_over_batches(keras: Any) -> None:
    labels = [1] * 4 + [0]  # a full batch and one of a single example
    model = one_weight(keras, start=5.0)
    training = block(steps=1, learning_rate=1e-9)
    found, _ = fitted(model, away_from_the_validation, training, ([1] * 4, labels))
    assert found.history[0]["val_loss"] == pytest.approx((4 * 5.0 + 49.0) / 5, rel=1e-5)


@pytest.mark.parametrize("per_call", [1, 2])
def test_the_accuracy_counts_labels_and_not_batches(keras: Any, per_call: int) -> None:
    labels = [1] * 4 + [0]  # of which the network takes each for 1
    training = block(steps=4, validate_every=2, steps_per_execution=per_call, learning_rate=1e-9)
    found, _ = fitted(one_weight(keras, start=5.0), away_from_the_validation, training, (labels, labels))
    for row in found.history:
        assert (row["accuracy"], row["val_accuracy"]) == pytest.approx((0.8, 0.8))


@pytest.mark.parametrize(
    ("options", "updates", "rounds"), [({"epochs": 3}, 9, 3), ({"steps": 6, "validate_every": 2}, 6, 3)]
)
@pytest.mark.parametrize("per_call", [1, 100])
def test_length_in_epochs_or_steps(
    keras: Any, options: dict[str, int], updates: int, rounds: int, per_call: int
) -> None:
    training = block(**{"steps": None, "validate_every": None, "steps_per_execution": per_call} | options)
    model = one_weight(keras)
    found, ears = fitted(model, downhill(1.0), training, ([1] * 10, [1] * 4))
    assert found.num_updates == updates == -answer(model) and len(found.history) == rounds
    assert ears.steps[-1] == updates and ears.steps == sorted(set(ears.steps))
    assert [row["step"] for row in found.history] == [updates // rounds * (n + 1) for n in range(rounds)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 2}, "give either epochs or steps"),
        ({"steps": None, "validate_every": None}, "give either epochs or steps"),
        ({"validate_every": None}, "validate_every belongs to steps"),
        ({"steps": 5, "validate_every": 2}, r"steps is 5; allowed: a multiple of validate_every \(2\)"),
        ({"clip_value": 0.1, "clip_norm": 1.0}, r"clip_value is 0\.1 and clip_norm is 1\.0; allowed: one of the two"),
        ({"learning_rate": 0}, "greater than 0"),
        ({"batch_size": 0}, "greater than or equal to 1"),
        ({"clip_norm": -1.0}, "greater than 0"),
        ({"optimizer": "adamm"}, "'adam', .* or 'sgd'"),
        ({"optimizer": "adam", "momentum": 0.5}, "momentum is 0.5, and adam has none; allowed with: sgd, rmsprop"),
        ({"optimizer": "sgd", "decay": 0.9}, "decay is 0.9, and sgd has none; allowed with: rmsprop, adadelta"),
        ({"momentum": 1.0}, "less than 1"),
        (
            {"bucket": 20, "shuffle": False},
            "bucket is 20 and shuffle is false; allowed: a bucket where",
        ),
        ({"bucket": 1}, "greater than or equal to 2"),
        ({"learning_rat": 0.1}, "Extra inputs"),
    ],
)
def test_training_blocks_that_make_no_sense_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        block(**options)


def test_small_is_a_valid_block_of_two_rounds() -> None:
    for training in (block(), block(steps=None, validate_every=None, epochs=90), block(steps=500, validate_every=100)):
        small = Training.model_validate(training.small().model_dump())
        assert (small.epochs or 0) == 2 or (small.steps or 0) // (small.validate_every or 1) == 2


def test_the_documents_tell_every_option_and_its_default() -> None:
    _, _, section = Path("docs/extending.md").read_text().partition("### What `training` takes")
    rows = [line.split("|")[1:3] for line in section.partition("\n## ")[0].splitlines() if line.startswith("| `")]
    told = {name: default.strip(" `") for names, default in rows for name in re.findall(r"`(\w+)`", names)}
    defaults = {name: field.get_default() for name, field in Training.model_fields.items()}
    assert set(told) == set(defaults)
    for name, default in defaults.items():
        if default is PydanticUndefined:
            assert told[name] == "to be given", name
        elif default is not None:  # else it stands for one that the table names
            assert told[name] == str(default).lower(), name


def test_the_small_form_of_a_training_is_one_that_gets_warm() -> None:
    for length in ({"epochs": 9}, {"steps": 200, "validate_every": 100}):
        assert Training(learning_rate=0.1, batch_size=8, warmup_steps=100, **length).small().warmup_steps == 1
