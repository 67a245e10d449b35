"""The one training loop: what can be set about it, and how a network is fitted.

Importing this file imports no Keras; fitting does.
"""

import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipeline.batches import Batches, ahead
from pipeline.dataset import Array, Dataset
from pipeline.errors import StageFailure
from pipeline.network import carried_state, reset_carried_state
from pipeline.views import View

if TYPE_CHECKING:
    import keras

Optimizer = Literal["adam", "adagrad", "adadelta", "adamax", "nadam", "rmsprop", "sgd"]


class Training(BaseModel):
    """How a variant is trained.

    learning_rate with `schedule` `constant` or `cosine` (to zero at the last update), after `warmup_steps` updates of
    linear growth. clip_value, clip_norm: bounds of each gradient entry, of the global gradient norm.
    label_smoothing: the share of every target that is spread evenly over all classes.
    Length: `epochs` (passes over the training split) or `steps` (updates; validated every `validate_every` of them).
    early_stopping: stop after so many validations without a better loss. keep: weights of the `best` validation loss or
    the `last`. truncate_steps: for stateful networks, how many time steps one update sees. steps_per_execution: updates
    per compiled call. num_threads: of the arithmetic; fixed, because the order of additions depends on it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    optimizer: Optimizer = "adam"
    learning_rate: float = Field(gt=0)
    schedule: Literal["constant", "cosine"] = "constant"
    warmup_steps: int = Field(default=0, ge=0)
    clip_value: float | None = Field(default=None, gt=0)
    clip_norm: float | None = Field(default=None, gt=0)
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    batch_size: int = Field(ge=1)
    epochs: int | None = Field(default=None, ge=1)
    steps: int | None = Field(default=None, ge=1)
    validate_every: int | None = Field(default=None, ge=1)
    early_stopping: int | None = Field(default=None, ge=1)
    keep: Literal["best", "last"] = "best"
    shuffle: bool = True
    truncate_steps: int | None = Field(default=None, ge=1)
    steps_per_execution: int = Field(default=1, ge=1)
    mixed_precision: bool = False
    deterministic: bool = True
    num_threads: int = Field(default=2, ge=1)

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        if (self.epochs is None) == (self.steps is None):
            raise ValueError("give either epochs or steps, not both and not none")
        if (self.steps is None) != (self.validate_every is None):
            raise ValueError("validate_every belongs to steps: give both or none")
        if self.steps and self.validate_every and self.steps % self.validate_every:
            raise ValueError(f"steps is {self.steps}; allowed: a multiple of validate_every ({self.validate_every})")
        return self

    def small(self) -> "Training":
        """Two short rounds, for tests and smoke runs."""
        if self.steps is not None:
            return self.model_copy(update={"steps": 4, "validate_every": 2, "steps_per_execution": 1})
        return self.model_copy(update={"epochs": 2, "steps_per_execution": 1})


class Listener(Protocol):
    """Who wants to know how the training goes."""

    def on_step(self, step: int, num_steps: int, loss: float) -> None:
        """After each compiled call."""

    def on_round(self, row: dict[str, float]) -> None:
        """After each validation: `epoch`, `step`, `loss`, `val_loss`, metrics and `learning_rate`."""


@dataclass
class Fitted:
    """history: one row per validation. seconds: of fitting, tracing included. best_round: counted from 1."""

    history: list[dict[str, float]] = field(default_factory=list)
    seconds: float = 0.0
    num_updates: int = 0
    best_round: int = 0


def split_batches(dataset: Dataset, split: str, view: View, training: Training, seed: int) -> Batches:
    """The batches of a split, shuffled only where it is trained on."""
    return Batches(
        arrays=dataset.split(split),
        view=view,
        description=dataset.card,
        batch_size=training.batch_size,
        seed=seed,
        shuffle=training.shuffle and split == "train",
        truncate_steps=training.truncate_steps,
    )


def fit(
    model: "keras.Model", loss: Any, training: Training, train: Batches, validation: Batches, listeners: list[Listener]
) -> Fitted:
    """Train `model` in place and leave the weights that `training.keep` asks for in it.

    Raises `StageFailure` naming the update at which the loss stopped being a number.
    """
    import keras

    per_round = training.validate_every or train.calls_per_epoch
    num_updates = training.steps or per_round * (training.epochs or 0)
    model.compile(
        optimizer=_optimizer(training, num_updates),
        loss=loss,
        metrics=[_accuracy(model)],
        steps_per_execution=math.gcd(training.steps_per_execution, per_round),
        jit_compile="auto" if keras.backend.backend() == "jax" else False,
    )
    model.optimizer.build(model.trainable_variables)  # else the first step makes them, and is traced twice for it
    watch = _watch(training, validation, listeners, num_updates, per_round)
    options: dict[str, Any] = {"epochs": num_updates // per_round, "callbacks": [watch], "verbose": 0, "shuffle": False}
    started = time.perf_counter()
    if whole := train.whole_round(per_round):
        model.fit(*whole, batch_size=train.batch_size, **options)
    else:
        with ahead(train.endless()) as batches:
            model.fit(batches, steps_per_epoch=per_round, **options)
    fitted: Fitted = watch.fitted
    fitted.seconds = time.perf_counter() - started
    fitted.num_updates = watch.step
    if training.keep == "best" and watch.best_weights is not None:
        model.set_weights(watch.best_weights)
    reset_carried_state(model)
    return fitted


def _accuracy(model: "keras.Model") -> "keras.metrics.Metric":
    """What Keras makes of `accuracy`, made before the first step is traced."""
    import keras

    if model.output_shape[-1] == 1:
        return keras.metrics.BinaryAccuracy(name="accuracy")
    return keras.metrics.SparseCategoricalAccuracy(name="accuracy")


def _optimizer(training: Training, num_updates: int) -> "keras.optimizers.Optimizer":
    import keras

    rate: Any = training.learning_rate
    if training.schedule == "cosine":
        warmup = min(training.warmup_steps, num_updates - 1)
        rate = keras.optimizers.schedules.CosineDecay(
            0.0 if warmup else rate, num_updates - warmup, warmup_target=rate if warmup else None, warmup_steps=warmup
        )
    elif training.warmup_steps:
        rate = keras.optimizers.schedules.CosineDecay(
            0.0, num_updates, alpha=1.0, warmup_target=rate, warmup_steps=training.warmup_steps
        )
    clip = {"clipvalue": training.clip_value, "global_clipnorm": training.clip_norm}
    return keras.optimizers.get({"class_name": training.optimizer, "config": {"learning_rate": rate, **clip}})


def _watch(training: Training, validation: Batches, listeners: list[Listener], num_updates: int, per_round: int) -> Any:
    """The callback that validates, records the history, keeps the best weights, stops early and stops on NaN."""
    import keras

    class Watch(keras.callbacks.Callback):
        def __init__(self) -> None:
            super().__init__()
            self.fitted = Fitted()
            self.best_weights: list[Array] | None = None
            self.best_loss = math.inf
            self.step = 0

        def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
            before, self.step = self.step, len(self.fitted.history) * per_round + batch + 1
            loss = float((logs or {})["loss"])
            if not math.isfinite(loss):
                when = f"update {self.step}" if self.step == before + 1 else f"an update in {before + 1}-{self.step}"
                raise StageFailure(
                    f"the loss became {loss} at {when} of {num_updates}; try a lower learning_rate "
                    f"(now {training.learning_rate}) or clip_norm (now {training.clip_norm})"
                )
            for listener in listeners:
                listener.on_step(self.step, num_updates, loss)

        def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
            values = {name: float(value) for name, value in (logs or {}).items()} | self._validate()
            rate = float(np.asarray(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)))
            row = {"epoch": epoch + 1, "step": self.step, **values, "learning_rate": rate}
            self.fitted.history.append(row)
            if not math.isfinite(values["val_loss"]):
                raise StageFailure(f"the validation loss became {values['val_loss']} after update {self.step}")
            if values["val_loss"] < self.best_loss:
                self.best_loss, self.fitted.best_round = values["val_loss"], epoch + 1
                if training.keep == "best":
                    self.best_weights = self.model.get_weights()
            for listener in listeners:
                listener.on_round(row)
            if training.early_stopping and epoch + 1 - self.fitted.best_round >= training.early_stopping:
                self.model.stop_training = True

        def _validate(self) -> dict[str, float]:
            """Each metric over the validation split: the mean over its targets; the carried state is put back after."""
            sums: dict[str, float] = {}
            num_targets = 0
            carried = [(weight, weight.numpy()) for weight in carried_state(self.model)]
            with ahead(validation.epoch(0)) as batches:
                for inputs, targets in batches:
                    found = self.model.test_on_batch(inputs, targets, return_dict=True)
                    num_targets += targets.size
                    for name, value in found.items():
                        sums[name] = sums.get(name, 0.0) + float(value) * targets.size
            for weight, value in carried:
                weight.assign(value)
            return {f"val_{name}": value / num_targets for name, value in sums.items()}

    return Watch()
